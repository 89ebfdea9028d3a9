//! Our files over a distribution's user space: those of disk/manifest.toml, and the spec's own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use base::{Context, Error, Result};
use disk::Guid;
use initramfs::{Content, Entry, Kind};
use store::Inputs;

use super::plan::UserSpacePlan;
use super::user_space;
use crate::data::disk_file;
use crate::decide::Decisions;
use crate::image::entry_key;
use crate::image::node::{manifest_entries, spec_entry};
use crate::spec::SpecFile;

/// The files, by path without the leading slash; folders come before what is in them.
#[derive(Debug)]
pub struct Overlay(BTreeMap<String, Entry>);

impl Overlay {
    /// What the manifest and the spec say; where both name a path, the spec's stands.
    ///
    /// # Errors
    /// A file of the spec that is not there, a path that cannot be: pointing at the line.
    pub fn of(
        spec: &SpecFile,
        decisions: &Decisions,
        plan: &UserSpacePlan,
        file_system: Guid,
    ) -> Result<Overlay> {
        let values = values(spec, decisions, plan, file_system);
        let mut entries: BTreeMap<String, Entry> =
            manifest_entries("disk", disk_file, &values)?.into_iter().collect();
        for file in &spec.spec.file {
            let path = file.to.get_ref().trim_start_matches('/').to_string();
            let plain = path.split('/').all(|part| !["", ".", ".."].contains(&part));
            if !plain || path.contains(['\n', '\r']) {
                return Err(spec.error(file.to.span(), "this is no path of a file on a disk"));
            }
            entries.insert(path, spec_entry(spec, file)?);
        }
        Ok(Overlay(entries))
    }

    /// Adds every file to a key.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn add_to(&self, inputs: &mut Inputs) -> Result<()> {
        for (path, entry) in &self.0 {
            let value = match &entry.kind {
                Kind::File(Content::Path(from)) => {
                    let hash =
                        store::Sha256::of_file(from).context(|| format!("cannot read {}", from.display()))?;
                    format!("{hash}, mode {:04o}, owner {}:{}", entry.mode, entry.uid, entry.gid)
                }
                _ => entry_key(entry),
            };
            inputs.add(format!("/{path}"), value);
        }
        Ok(())
    }

    /// Writes the files and their list into `folder`, as disk/finish reads them.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let cannot = || format!("cannot write {}", folder.display());
        std::fs::create_dir(folder).context(cannot)?;
        let mut list = String::new();
        for (number, (path, entry)) in self.0.iter().enumerate() {
            let content = folder.join(number.to_string());
            let kind = match &entry.kind {
                Kind::Directory => "directory",
                Kind::Symlink(target) => {
                    std::fs::write(content, target).context(cannot)?;
                    "link"
                }
                Kind::File(Content::Bytes(bytes)) => {
                    std::fs::write(content, bytes).context(cannot)?;
                    "file"
                }
                Kind::File(Content::Path(from)) => {
                    std::fs::copy(from, content).context(cannot)?;
                    "file"
                }
                other => return Err(Error::failed(format!("a disk gets no {other:?} at {path}"))),
            };
            let Entry { mode, uid, gid, .. } = entry;
            writeln!(list, "{kind} {mode:04o} {uid} {gid} {number} {path}").expect("a string takes all");
        }
        std::fs::write(folder.join("list"), list).context(cannot)
    }
}

fn values(
    spec: &SpecFile,
    decisions: &Decisions,
    plan: &UserSpacePlan,
    file_system: Guid,
) -> BTreeMap<&'static str, String> {
    let mut values = decisions.settings.values();
    values.insert("FILE_SYSTEM", file_system.to_string());
    values.insert("SOURCES", user_space::sources(plan));
    let address = address(spec);
    if address == "dhcp" {
        // Whoever gives the address says who resolves names.
        values.insert("RESOLVERS", String::new());
    }
    values.insert("ADDRESS", address);
    values
}

/// What follows "inet" in /etc/network/interfaces (interfaces(5)). A disk finds itself on other networks than QEMU's, so without
/// an address in the spec it asks for one.
fn address(spec: &SpecFile) -> String {
    let network = &spec.spec.network;
    match network.address.as_ref().map(|it| it.get_ref().as_str()) {
        None | Some("dhcp") => "dhcp".to_string(),
        Some(address) => {
            let gateway = network.gateway.as_ref().map(|it| format!("\n    gateway {}", it.get_ref()));
            format!("static\n    address {address}{}", gateway.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Place;

    fn spec(text: &str) -> SpecFile {
        let place = Place { path: "allno.toml".into(), text: text.into() };
        SpecFile { spec: place.parse().unwrap(), folder: Path::new(".").into(), place }
    }

    #[test]
    fn a_disk_asks_for_its_address_unless_the_spec_has_one() {
        assert_eq!(address(&spec("")), "dhcp");
        assert_eq!(address(&spec("[network]\naddress = \"dhcp\"")), "dhcp");
        let fixed = "[network]\naddress = \"192.0.2.2/24\"\ngateway = \"192.0.2.1\"";
        assert_eq!(address(&spec(fixed)), "static\n    address 192.0.2.2/24\n    gateway 192.0.2.1");
    }

    #[test]
    fn files_are_listed_folders_first() {
        let entries = BTreeMap::from([
            ("a".to_string(), Entry::directory(0o700).owner(1, 2)),
            ("a/b c".to_string(), Entry::bytes(0o644, "text")),
            ("l".to_string(), Entry::symlink("a")),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("overlay");
        Overlay(entries).write(&at).unwrap();
        let list = std::fs::read_to_string(at.join("list")).unwrap();
        assert_eq!(list, "directory 0700 1 2 0 a\nfile 0644 0 0 1 a/b c\nlink 0777 0 0 2 l\n");
        assert_eq!(std::fs::read_to_string(at.join("1")).unwrap(), "text");
    }
}
