//! What the node's initramfs holds beside programs: /init, /etc, accounts, devices, and the spec's own files.

use std::collections::BTreeMap;

use base::{Context, Error, Result};
use initramfs::{Entry, Manifest};
use serde::Deserialize;

use crate::data::node_file;
use crate::recipe::Account;
use crate::spec::{File, FileMode, Place, SpecFile};

/// Larger files of the spec go into a segment of their own, so that an edit of a small one does not pack them again.
const LARGE_FILE: u64 = 64 << 10;

/// What the templates of `node/` are filled with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's name.
    pub hostname: String,
    /// The ordinary user's name.
    pub user: String,
    /// The network device.
    pub interface: String,
    /// Public keys, one a line.
    pub authorized_keys: String,
    /// Resolvers for /etc/resolv.conf until the kernel or DHCP knows better.
    pub resolvers: Vec<String>,
    /// Types of host keys: ed25519, ecdsa.
    pub host_key_types: Vec<&'static str>,
    /// Accounts the programs need.
    pub accounts: Vec<Account>,
}

/// The entries of the initramfs that are not programs, in two parts.
#[derive(Debug)]
pub struct NodeFiles {
    /// The spec's large files.
    pub large: Manifest,
    /// Everything else. It comes last in the image, and with it the right modes of all folders.
    pub small: Manifest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    entry: Vec<ManifestEntry>,
}

/// One entry of `node/manifest.toml` or `disk/manifest.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestEntry {
    to: String,
    #[serde(default)]
    directory: Option<FileMode>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    character_device: Option<(u32, u32)>,
    #[serde(default)]
    mode: Option<FileMode>,
    #[serde(default)]
    owner: Option<(u32, u32)>,
}

/// Puts together the node's own files and the spec's; where both name a path, the spec's stands.
///
/// # Errors
/// A file of the spec that is not there, or a path given twice: pointing at the line.
pub fn files(spec: &SpecFile, settings: &Settings) -> Result<NodeFiles> {
    let values = settings.values();
    let mut large = Manifest::new();
    let mut small = Manifest::new();
    for file in &spec.spec.file {
        let entry = spec_entry(spec, file)?;
        let path = file.to.get_ref().trim_start_matches('/');
        let to = if is_large(&entry) { &mut large } else { &mut small };
        to.add(path, entry).map_err(|error| spec.error(file.to.span(), error.to_string()))?;
    }
    let init = match &spec.spec.initramfs.init {
        Some(path) => {
            let path = spec.existing_file(path)?;
            let bytes = std::fs::read(&path).context(|| format!("cannot read {}", path.display()))?;
            Entry::bytes(0o755, bytes).origin(path.display().to_string())
        }
        None => Entry::bytes(0o755, fill(node_file("init")?, &values)).origin("node/init"),
    };
    add_unless_there(&mut small, &large, "init", init)?;
    for entry in manifest_entries("node", node_file, &values)? {
        add_unless_there(&mut small, &large, &entry.0, entry.1)?;
    }
    Ok(NodeFiles { large, small })
}

fn add_unless_there(small: &mut Manifest, large: &Manifest, path: &str, entry: Entry) -> Result<()> {
    let given_by_spec = |manifest: &Manifest| manifest.get(path).is_some_and(|it| it.origin.is_some());
    if given_by_spec(small) || given_by_spec(large) {
        return Ok(());
    }
    small.add(path, entry).map_err(|error| Error::input(error.to_string()))
}

fn is_large(entry: &Entry) -> bool {
    match &entry.kind {
        initramfs::Kind::File(initramfs::Content::Path(path)) => {
            path.metadata().is_ok_and(|metadata| metadata.len() > LARGE_FILE)
        }
        _ => false,
    }
}

/// The entries of `folder`'s manifest.toml, whose files `file` gives, filled with `values`.
pub(crate) fn manifest_entries(
    folder: &str,
    file: fn(&str) -> Result<&'static str>,
    values: &BTreeMap<&str, String>,
) -> Result<Vec<(String, Entry)>> {
    let text = file("manifest.toml")?.to_string();
    let place = Place { path: format!("{folder}/manifest.toml").into(), text };
    let manifest: ManifestFile = place.parse()?;
    manifest.entry.into_iter().map(|entry| manifest_entry(folder, entry, file, values)).collect()
}

fn manifest_entry(
    folder: &str,
    entry: ManifestEntry,
    file: fn(&str) -> Result<&'static str>,
    values: &BTreeMap<&str, String>,
) -> Result<(String, Entry)> {
    let mode = entry.mode.map_or(0o644, |mode| mode.0);
    let made = if let Some(mode) = entry.directory {
        Entry::directory(mode.0)
    } else if let Some(text) = &entry.text {
        Entry::bytes(mode, fill(text, values))
    } else if let Some(name) = &entry.file {
        Entry::bytes(mode, fill(file(name)?, values))
    } else if let Some(link) = &entry.link {
        Entry::symlink(fill(link, values))
    } else if let Some((major, minor)) = entry.character_device {
        Entry::character_device(mode, major, minor)
    } else {
        return Err(Error::failed(format!("{folder}/manifest.toml: {} is nothing", entry.to)));
    };
    let (user, group) = entry.owner.unwrap_or((0, 0));
    Ok((fill(&entry.to, values).trim_start_matches('/').to_string(), made.owner(user, group)))
}

/// Replaces each `@NAME@`.
pub(crate) fn fill(template: &str, values: &BTreeMap<&str, String>) -> String {
    values.iter().fold(template.to_string(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

impl Settings {
    pub(crate) fn values(&self) -> BTreeMap<&'static str, String> {
        let resolvers = self.resolvers.iter().map(|it| format!("nameserver {it}\n")).collect();
        let host_keys: Vec<String> =
            self.host_key_types.iter().map(|it| format!("HostKey /etc/ssh/ssh_host_{it}_key")).collect();
        let lines = |line: &dyn Fn(&Account) -> String| self.accounts.iter().map(line).collect::<String>();
        BTreeMap::from([
            ("HOSTNAME", self.hostname.clone()),
            ("USER", self.user.clone()),
            ("INTERFACE", self.interface.clone()),
            ("AUTHORIZED_KEYS", self.authorized_keys.clone()),
            ("RESOLVERS", resolvers),
            ("HOST_KEYS", host_keys.join("\n")),
            ("HOST_KEY_TYPES", self.host_key_types.join(" ")),
            (
                "RECIPE_PASSWD",
                lines(&|it| {
                    format!("{}:x:{}:{}:{}:{}:/bin/false\n", it.name, it.uid, it.gid, it.about, it.home)
                }),
            ),
            ("RECIPE_GROUP", lines(&|it| format!("{}:x:{}:\n", it.name, it.gid))),
            ("RECIPE_SHADOW", lines(&|it| format!("{}:*:::::::\n", it.name))),
        ])
    }
}

/// One `[[file]]` of the spec.
pub(crate) fn spec_entry(spec: &SpecFile, file: &File) -> Result<Entry> {
    let span = file.to.span();
    let to = file.to.get_ref();
    if !to.starts_with('/') {
        return Err(spec.error(span, format!("\"{to}\" must be an absolute path of the guest")));
    }
    let given = [file.from.is_some(), file.text.is_some(), file.link.is_some(), file.directory];
    if given.iter().filter(|given| **given).count() != 1 {
        let error =
            spec.error(span, format!("{to} needs exactly one of from, text, link and directory = true"));
        return Err(error);
    }
    let mode = file.mode.as_ref().map(|mode| mode.get_ref().0);
    let entry = if let Some(from) = &file.from {
        let path = spec.existing_file(from)?;
        let mode = mode.unwrap_or(host_mode(&path)?);
        // Small ones are read now: their bytes are part of the image's key.
        match path.metadata().is_ok_and(|metadata| metadata.len() > LARGE_FILE) {
            true => Entry::file(mode, path),
            false => Entry::bytes(
                mode,
                std::fs::read(&path).context(|| format!("cannot read {}", path.display()))?,
            ),
        }
    } else if let Some(text) = &file.text {
        Entry::bytes(mode.unwrap_or(0o644), text.as_str())
    } else if let Some(link) = &file.link {
        Entry::symlink(link.as_str())
    } else {
        Entry::directory(mode.unwrap_or(0o755))
    };
    Ok(entry.owner(file.user, file.group).origin(spec.place.line(span)))
}

fn host_mode(path: &std::path::Path) -> Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = path.metadata().context(|| format!("cannot read {}", path.display()))?;
    Ok(if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn settings() -> Settings {
        Settings {
            hostname: "node".into(),
            user: "user".into(),
            interface: "eth0".into(),
            authorized_keys: "ssh-ed25519 AAAA me\n".into(),
            resolvers: vec!["10.0.2.3".into()],
            host_key_types: vec!["ed25519"],
            accounts: vec![],
        }
    }

    fn spec(text: &str) -> SpecFile {
        let place = Place { path: "allno.toml".into(), text: text.into() };
        SpecFile { spec: place.parse().unwrap(), folder: Path::new(env!("CARGO_MANIFEST_DIR")).into(), place }
    }

    fn text(manifest: &Manifest, path: &str) -> String {
        match &manifest.get(path).unwrap().kind {
            initramfs::Kind::File(initramfs::Content::Bytes(bytes)) => {
                String::from_utf8(bytes.clone()).unwrap()
            }
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn no_template_keeps_a_name_unfilled() {
        let node = files(&spec(""), &settings()).unwrap();
        for (path, entry) in node.small.entries() {
            let path = String::from_utf8_lossy(path);
            assert!(!path.contains('@'), "{path}");
            if let initramfs::Kind::File(initramfs::Content::Bytes(bytes)) = &entry.kind {
                let content = String::from_utf8_lossy(bytes);
                let unfilled = content
                    .split('@')
                    .any(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
                assert!(!unfilled, "{path}: {content}");
            }
        }
        assert!(text(&node.small, "etc/passwd").contains("user:x:1000:"));
    }

    #[test]
    fn no_account_has_a_password() {
        let node = files(&spec(""), &settings()).unwrap();
        for line in text(&node.small, "etc/shadow").lines() {
            assert_eq!(line.split(':').nth(1), Some("*"), "{line}");
        }
    }

    #[test]
    fn the_specs_file_takes_the_place_of_the_nodes() {
        let node =
            files(&spec("[[file]]\nto = \"/etc/hostname\"\ntext = \"mine\\n\"\n"), &settings()).unwrap();
        assert_eq!(text(&node.small, "etc/hostname"), "mine\n");
    }

    #[test]
    fn a_missing_file_and_a_relative_target_point_at_the_line() {
        let error = files(&spec("[[file]]\nto = \"/a\"\nfrom = \"nothing\"\n"), &settings()).unwrap_err();
        assert_eq!(error.snippet().unwrap().line, 3);
        let error = files(&spec("[[file]]\nto = \"a\"\ntext = \"\"\n"), &settings()).unwrap_err();
        assert_eq!(error.snippet().unwrap().line, 2);
        let error = files(&spec("[[file]]\nto = \"/a\"\n"), &settings()).unwrap_err();
        assert!(error.message().contains("exactly one of"), "{error}");
    }
}
