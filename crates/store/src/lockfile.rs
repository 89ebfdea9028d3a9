//! `allno.lock`: which sources were really used, so that the next build uses the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base::{Cancel, Context, Error, Events, Result, Snippet};
use serde::Deserialize;
use toml::Spanned;

use crate::hash::Sha256;
use crate::root::{Store, check_name};
use crate::source::{FetchOptions, Fetched, Origin, Source};

/// The format this code reads and writes.
const FORMAT: i64 = 1;
const HEADER: &str = "# Written by allno: the sources that were really used. Keep it with the spec, and the next build uses the\n\
                      # same ones. To look for newer ones: allno build --update\n";

/// The content of a lock file: one entry per source name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockFile {
    path: PathBuf,
    entries: BTreeMap<String, Locked>,
}

/// One source that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Its version.
    pub version: String,
    /// The name of its file.
    pub file: String,
    /// The file's hash.
    pub sha256: Sha256,
    /// Where it came from: `upstream https://…` or `debian pool/…`, see [`Origin::from_label`]. No mirror's host.
    pub origin: String,
}

/// The file as TOML has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: Spanned<i64>,
    #[serde(default)]
    source: Vec<RawSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    name: Spanned<String>,
    version: String,
    file: Spanned<String>,
    sha256: Spanned<String>,
    origin: Spanned<String>,
}

impl LockFile {
    /// Reads the lock file at `path`; one that is not there is empty.
    ///
    /// # Errors
    /// It is not a lock file: [`base::Kind::Input`] with the line.
    pub fn read(path: &Path) -> Result<LockFile> {
        let text = match fs::read_to_string(path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
                return Err(Error::input(format!("{} is not text", path.display())));
            }
            other => other.context(|| format!("cannot read {}", path.display()))?,
        };
        let entries = if text.trim().is_empty() { BTreeMap::new() } else { parse(path, &text)? };
        Ok(LockFile { path: path.to_path_buf(), entries })
    }

    /// Where it was read from and is written to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is locked for the source `name`.
    pub fn entry(&self, name: &str) -> Option<&Locked> {
        self.entries.get(name)
    }

    /// Every entry, by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Locked)> {
        self.entries.iter().map(|(name, locked)| (name.as_str(), locked))
    }

    /// Notes that `fetched` was used for the source `name`.
    pub fn record(&mut self, name: &str, fetched: &Fetched) {
        let file = fetched.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (version, origin) = (fetched.version.clone(), fetched.origin.clone());
        self.entries.insert(name.to_string(), Locked { version, file, sha256: fetched.sha256, origin });
    }

    /// Notes what was used under `name`.
    pub fn insert(&mut self, name: &str, locked: Locked) {
        self.entries.insert(name.to_string(), locked);
    }

    /// Takes over what `other` has for the source `name`.
    pub fn adopt(&mut self, other: &LockFile, name: &str) {
        if let Some(locked) = other.entries.get(name) {
            self.entries.insert(name.to_string(), locked.clone());
        }
    }

    /// Drops the entry of the source `name`.
    pub fn remove(&mut self, name: &str) {
        self.entries.remove(name);
    }

    /// The file's text; the same entries always give the same text.
    pub fn text(&self) -> String {
        let mut text = format!("{HEADER}format = {FORMAT}\n");
        for (name, locked) in &self.entries {
            text.push_str("\n[[source]]\n");
            for (key, value) in [
                ("name", name.as_str()),
                ("version", &locked.version),
                ("file", &locked.file),
                ("sha256", &locked.sha256.to_string()),
                ("origin", &locked.origin),
            ] {
                text.push_str(&format!("{key} = {}\n", basic_string(value)));
            }
        }
        text
    }

    /// Writes it where it was read from, whole or not at all; nothing happens when it says so already.
    ///
    /// # Errors
    /// The folder cannot be written, or the disk is full.
    pub fn write(&self) -> Result<()> {
        let text = self.text();
        if fs::read_to_string(&self.path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        base::write_whole(&self.path, text).context(|| format!("cannot write {}", self.path.display()))
    }
}

fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Locked>> {
    let wrong = |message: String, span: std::ops::Range<usize>| {
        Error::input(message)
            .at(Snippet::of(path, text, span))
            .hint(format!("to make it anew: rm {} && allno build", base::process::quote(path.as_os_str())))
    };
    let raw: Raw = toml::from_str(text).map_err(|cause| {
        let span = cause.span().unwrap_or_default();
        wrong(format!("the lock file is not right: {}", cause.message()), span)
    })?;
    if *raw.format.get_ref() != FORMAT {
        let message = format!("this allno knows lock files of format {FORMAT} only");
        return Err(wrong(message, raw.format.span()));
    }
    let mut entries = BTreeMap::new();
    for source in raw.source {
        let sha256 = source
            .sha256
            .get_ref()
            .parse()
            .map_err(|cause: crate::NotAHash| wrong(cause.to_string(), source.sha256.span()))?;
        for name in [&source.name, &source.file] {
            check_name(name.get_ref()).map_err(|error| wrong(error.to_string(), name.span()))?;
        }
        if Origin::from_label(source.origin.get_ref()).is_none() {
            let message =
                "an origin is \"upstream https://…\", \"debian pool/…\" or \"debian dists/…\"".to_string();
            return Err(wrong(message, source.origin.span()));
        }
        let span = source.name.span();
        let locked = Locked {
            version: source.version,
            file: source.file.into_inner(),
            sha256,
            origin: source.origin.into_inner(),
        };
        if let Some(_twice) = entries.insert(source.name.get_ref().clone(), locked) {
            return Err(wrong(format!("{} stands in the lock file twice", source.name.get_ref()), span));
        }
    }
    Ok(entries)
}

/// A TOML basic string (toml.io, "String").
fn basic_string(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            control if control.is_control() => text.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

impl Source {
    /// This source as it was locked: the same file, from where it came and, where the recipe means that very
    /// file, from the recipe's other origins too.
    fn as_locked(&self, locked: &Locked) -> Source {
        let mut origins: Vec<Origin> = Vec::new();
        let exact = |origin: &&Origin| {
            let package = origin.is_listed();
            !package && origin.own_hash().or(self.sha256) == Some(locked.sha256)
        };
        origins.extend(self.origins.iter().filter(exact).cloned());
        if let Some(origin) = Origin::from_label(&locked.origin)
            && !origins.contains(&origin)
        {
            origins.push(origin);
        }
        Source {
            name: self.name.clone(),
            version: locked.version.clone(),
            file: locked.file.clone(),
            sha256: Some(locked.sha256),
            origins,
        }
    }
}

impl Store {
    /// [`Store::fetch`], by the lock file: what it names for this source is used, whatever the recipe would
    /// choose now; what was used is recorded (in memory: [`LockFile::write`] it when all went well). With `update`
    /// the recipe chooses anew.
    ///
    /// # Errors
    /// Those of [`Store::fetch`]; when the locked file cannot be had any more, a hint at `allno build --update`.
    pub fn fetch_locked(
        &self,
        source: &Source,
        lock: &mut LockFile,
        update: bool,
        options: &FetchOptions,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Fetched> {
        let locked = lock.entry(&source.name).filter(|_| !update);
        let fetched = match locked {
            None => self.fetch(source, options, events, cancel)?,
            Some(locked) => {
                let exact = source.as_locked(locked);
                let whose = format!("{} names {} {}", lock.path.display(), source.name, locked.version);
                self.fetch(&exact, options, events, cancel).map_err(|error| match error.kind() {
                    base::Kind::Cancelled => error,
                    _ => error
                        .note(format!("{whose} ({}, sha256 {})", locked.origin, locked.sha256))
                        .hint("to use what the recipe offers now instead: allno build --update"),
                })?
            }
        };
        let mut kept = fetched.clone();
        // The same bytes under the label the lock file has already: no reason to change it.
        if let Some(old) = lock.entry(&source.name).filter(|old| old.sha256 == fetched.sha256) {
            kept.origin.clone_from(&old.origin);
            kept.version.clone_from(&old.version);
        }
        lock.record(&source.name, &kept);
        Ok(fetched)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4";

    fn entry(name: &str, more: &str) -> String {
        format!(
            "[[source]]\nname = \"{name}\"\nversion = \"1\"\nfile = \"f.tar\"\nsha256 = \"{HASH}\"\n\
             origin = \"debian pool/main/m/f.tar\"\n{more}"
        )
    }

    fn read(text: &str) -> Result<LockFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allno.lock");
        fs::write(&path, text).unwrap();
        LockFile::read(&path)
    }

    #[test]
    fn a_file_that_is_not_there_is_empty_and_one_that_is_empty_too() {
        assert_eq!(LockFile::read(Path::new("/no/such/allno.lock")).unwrap().entries().count(), 0);
        assert_eq!(read("\n").unwrap().entries().count(), 0);
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_stands() {
        let good = format!("format = 1\n{}", entry("musl", ""));
        assert_eq!(read(&good).unwrap().entry("musl").unwrap().sha256.to_string(), HASH);
        for (text, line, says) in [
            ("format = 1\nfrmat = 2\n".to_string(), 2, "unknown field `frmat`"),
            (format!("format = 1\n{}", entry("musl", "size = 3\n")), 8, "unknown field `size`"),
            ("format = 7\n".to_string(), 1, "format 1 only"),
            ("format = \n".to_string(), 1, ""),
            (good.replace("a9a1", "zzzz"), 6, "64 hexadecimal digits"),
            (good.replace("f.tar\"\nsha", "../f\"\nsha"), 5, "cannot be a name"),
            (good.replace("debian pool", "mirror pool"), 7, "an origin is"),
            (good.clone() + &entry("musl", ""), 9, "stands in the lock file twice"),
            (good.replace("version = \"1\"", "version = 1"), 4, "string"),
        ] {
            let error = read(&text).unwrap_err();
            assert_eq!(error.kind(), base::Kind::Input, "{text}");
            let snippet = error.snippet().unwrap_or_else(|| panic!("no place for {text}"));
            assert_eq!(snippet.line, line, "{error} in {text}");
            assert!(error.to_string().contains(says), "{error}");
            assert!(error.hints()[0].starts_with("to make it anew: rm "), "{error:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("l"), [0xff, 0xfe]).unwrap();
        assert_eq!(LockFile::read(&folder.path().join("l")).unwrap_err().kind(), base::Kind::Input);
    }

    #[test]
    fn writing_what_is_there_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allno.lock");
        let mut lock = LockFile::read(&path).unwrap();
        let locked = Locked {
            version: "1".into(),
            file: "f".into(),
            sha256: HASH.parse().unwrap(),
            origin: "debian pool/f".into(),
        };
        lock.entries.insert("b".into(), locked.clone());
        lock.entries.insert("a".into(), locked);
        lock.write().unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        LockFile::read(&path).unwrap().write().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        assert!(lock.text().find("name = \"a\"") < lock.text().find("name = \"b\""));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let nowhere = LockFile { path: "/no/such/folder/allno.lock".into(), ..lock };
        assert!(nowhere.write().unwrap_err().message().contains("/no/such/folder/allno.lock"));
    }

    proptest! {
        #[test]
        fn any_entry_is_read_back(version in "\\PC*", path in "(?s).*", name in "[a-z][a-z0-9.-]{0,9}") {
            let locked = Locked {
                version,
                file: "f".into(),
                sha256: Sha256::of(b""),
                origin: format!("debian pool/{path}"),
            };
            let lock = LockFile { path: PathBuf::new(), entries: BTreeMap::from([(name, locked)]) };
            prop_assert_eq!(parse(Path::new(""), &lock.text()).unwrap(), lock.entries);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,80}") {
            let _ = parse(Path::new("allno.lock"), &text);
        }
    }
}
