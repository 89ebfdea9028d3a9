//! What is to be in an archive, decided before a byte is written: paths, owners, modes, device numbers.
//! Nothing here needs root or touches the file system.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::path::PathBuf;

use crate::error::{Error, Result, show};

/// Longest path and symlink target, in bytes with the NUL that ends it: `PATH_MAX`
/// (include/uapi/linux/limits.h; init/initramfs.c skips a name that is longer, without a word).
pub const PATH_MAX: usize = 4096;
/// Longest component of a path: `NAME_MAX` (include/uapi/linux/limits.h; ramfs refuses a longer one).
pub const NAME_MAX: usize = 255;
/// Largest device major number: `MKDEV` keeps 12 bits (include/linux/kdev_t.h).
pub const MAJOR_MAX: u32 = (1 << 12) - 1;
/// Largest device minor number: `MKDEV` keeps 20 bits (include/linux/kdev_t.h).
pub const MINOR_MAX: u32 = (1 << 20) - 1;
/// Largest size of one file: the header's size field has 8 hexadecimal digits.
pub const FILE_SIZE_MAX: u64 = u32::MAX as u64;

/// Mode of a directory that nobody asked for but that holds something.
const PARENT_MODE: u32 = 0o755;

/// How the root directory is kept, so that it sorts before everything; in the archive it is called ".".
const ROOT: &[u8] = b"";

/// Where the bytes of a regular file come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The bytes of this file, read when the archive is packed. Symbolic links are followed.
    Path(PathBuf),
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link to this target: any bytes but NUL, not checked against the manifest.
    Symlink(Vec<u8>),
    /// A character device node.
    CharacterDevice {
        /// Major number, at most [`MAJOR_MAX`].
        major: u32,
        /// Minor number, at most [`MINOR_MAX`].
        minor: u32,
    },
    /// A block device node.
    BlockDevice {
        /// Major number, at most [`MAJOR_MAX`].
        major: u32,
        /// Minor number, at most [`MINOR_MAX`].
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// Another name of the regular file at this path of the same manifest (in a [`List`](crate::List) also
    /// of a node); mode, owner and time are that file's, what the entry itself says of them is not used.
    Hardlink(Vec<u8>),
}

/// One thing in an archive, apart from its path. Owner and time are 0 unless set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-user-ID, set-group-ID and sticky: at most 0o7777.
    pub mode: u32,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Time of last change in seconds since 1970. The kernel sets it with INITRAMFS_PRESERVE_MTIME only.
    pub mtime: u32,
    /// Who asked for it ("allno.toml:12"), for messages.
    pub origin: Option<String>,
}

impl Entry {
    fn new(kind: Kind, mode: u32) -> Self {
        Entry { kind, mode, uid: 0, gid: 0, mtime: 0, origin: None }
    }

    /// A directory with these permission bits.
    pub fn directory(mode: u32) -> Self {
        Self::new(Kind::Directory, mode)
    }

    /// A regular file holding `bytes`.
    pub fn bytes(mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Kind::File(Content::Bytes(bytes.into())), mode)
    }

    /// A regular file holding what the file at `path` of this machine holds when it is packed.
    pub fn file(mode: u32, path: impl Into<PathBuf>) -> Self {
        Self::new(Kind::File(Content::Path(path.into())), mode)
    }

    /// A symbolic link to `target`.
    pub fn symlink(target: impl Into<Vec<u8>>) -> Self {
        Self::new(Kind::Symlink(target.into()), 0o777)
    }

    /// A character device node.
    pub fn character_device(mode: u32, major: u32, minor: u32) -> Self {
        Self::new(Kind::CharacterDevice { major, minor }, mode)
    }

    /// A block device node.
    pub fn block_device(mode: u32, major: u32, minor: u32) -> Self {
        Self::new(Kind::BlockDevice { major, minor }, mode)
    }

    /// A named pipe.
    pub fn fifo(mode: u32) -> Self {
        Self::new(Kind::Fifo, mode)
    }

    /// A socket.
    pub fn socket(mode: u32) -> Self {
        Self::new(Kind::Socket, mode)
    }

    /// Another name of the regular file at `target` of the same manifest.
    pub fn hardlink(target: impl Into<Vec<u8>>) -> Self {
        Self::new(Kind::Hardlink(target.into()), 0)
    }

    /// The same entry, owned by this user and group.
    pub fn owner(self, uid: u32, gid: u32) -> Self {
        Entry { uid, gid, ..self }
    }

    /// The same entry with this time of last change (seconds since 1970).
    pub fn mtime(self, mtime: u32) -> Self {
        Entry { mtime, ..self }
    }

    /// The same entry, remembering who asked for it.
    pub fn origin(self, origin: impl Into<String>) -> Self {
        Entry { origin: Some(origin.into()), ..self }
    }

    /// What the entry is and who asked for it, in words.
    fn describe(&self) -> String {
        let what = match &self.kind {
            Kind::Directory => "a directory".to_string(),
            Kind::File(Content::Bytes(bytes)) => format!("a file of {} bytes", bytes.len()),
            Kind::File(Content::Path(path)) => format!("the file {}", path.display()),
            Kind::Symlink(target) => format!("a symbolic link to {}", show(target)),
            Kind::CharacterDevice { major, minor } => format!("the character device {major}:{minor}"),
            Kind::BlockDevice { major, minor } => format!("the block device {major}:{minor}"),
            Kind::Fifo => "a named pipe".to_string(),
            Kind::Socket => "a socket".to_string(),
            Kind::Hardlink(target) => format!("a hard link to /{}", show(target)),
        };
        match &self.origin {
            Some(origin) => format!("{what} ({origin})"),
            None => what,
        }
    }
}

/// An entry and whether somebody asked for it or something below it needed it.
#[derive(Clone, Debug)]
struct Held {
    entry: Entry,
    implied: bool,
}

/// An ordered, checked set of entries. The order is that of the path's bytes, so it does not depend on
/// the order of adding, and a directory comes before what is in it.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    entries: BTreeMap<Vec<u8>, Held>,
}

impl Manifest {
    /// A manifest with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `entry` at `path`, and the directories above it that are missing (root's, mode 0755; a later
    /// `add` of such a directory replaces it).
    ///
    /// `path` is bytes below the initramfs' root; one leading `/` is dropped, so "/etc/motd" and
    /// "etc/motd" are one path. `.` alone is the root directory itself.
    ///
    /// Errors: a path or value that the kernel would skip or misread, a path that is there already, a
    /// path below something that is no directory. The manifest is unchanged after an error.
    pub fn add(&mut self, path: impl AsRef<[u8]>, entry: Entry) -> Result<()> {
        let path = clean_path(path.as_ref())?;
        let entry = check_entry(&path, entry)?;
        self.check_parents(&path, &entry)?;
        self.place(&path, entry)?;
        for parent in parents(&path) {
            let implied = || Held { entry: Entry::directory(PARENT_MODE), implied: true };
            self.entries.entry(parent.to_vec()).or_insert_with(implied);
        }
        Ok(())
    }

    /// Nothing above `path` may be anything but a directory, and the root only a directory.
    fn check_parents(&self, path: &[u8], entry: &Entry) -> Result<()> {
        if path == ROOT && entry.kind != Kind::Directory {
            return Err(Error::Path { path: ".".into(), why: "the root can only be a directory" });
        }
        for parent in parents(path) {
            match self.entries.get(parent) {
                Some(held) if held.entry.kind != Kind::Directory => {
                    return Err(Error::NotADirectory {
                        child: show(path),
                        parent: show(parent),
                        kind: held.entry.describe(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts the entry at its place, if that is free or held by an implied directory.
    fn place(&mut self, path: &[u8], entry: Entry) -> Result<()> {
        match self.entries.entry(path.to_vec()) {
            Slot::Vacant(slot) => {
                slot.insert(Held { entry, implied: false });
                Ok(())
            }
            Slot::Occupied(mut slot) if slot.get().implied => {
                if entry.kind != Kind::Directory {
                    return Err(Error::NotADirectory {
                        child: "its contents".into(),
                        parent: show(path),
                        kind: entry.describe(),
                    });
                }
                slot.insert(Held { entry, implied: false });
                Ok(())
            }
            Slot::Occupied(slot) => Err(Error::Duplicate {
                path: show(path),
                first: slot.get().entry.describe(),
                second: entry.describe(),
            }),
        }
    }

    /// The entries with their paths (relative, no leading `/`), in the order they are packed.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&[u8], &Entry)> + Clone {
        self.entries
            .iter()
            .map(|(path, held)| (if path == ROOT { b"." } else { path.as_slice() }, &held.entry))
    }

    /// The entry at `path`, written in any form that [`add`](Self::add) takes.
    pub fn get(&self, path: impl AsRef<[u8]>) -> Option<&Entry> {
        self.entries.get(&clean_path(path.as_ref()).ok()?).map(|held| &held.entry)
    }

    /// How many entries there are, implied directories included, the trailer not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Checks what can only be seen when all entries are there: every hard link names a regular file.
    /// [`pack`](crate::pack) calls it.
    pub fn check(&self) -> Result<()> {
        for (path, entry) in self.entries() {
            let Kind::Hardlink(target) = &entry.kind else { continue };
            let why = match self.get(target).map(|found| &found.kind) {
                Some(Kind::File(_)) => continue,
                Some(Kind::Hardlink(_)) => "which is a hard link itself",
                Some(_) => "which is not a regular file",
                None => "which is not in the manifest",
            };
            return Err(Error::Hardlink { path: show(path), target: show(target), why });
        }
        Ok(())
    }
}

/// The directories above `path`, nearest to the root first. The root itself is not among them: it is
/// always there.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at])
}

/// A path as it stands in the archive: one leading `/` dropped, everything else checked.
fn clean_path(given: &[u8]) -> Result<Vec<u8>> {
    let bad = |why| Err(Error::Path { path: String::from_utf8_lossy(given).into(), why });
    let path = given.strip_prefix(b"/").unwrap_or(given);
    if path == b"." || given == b"/" {
        return Ok(ROOT.to_vec());
    }
    if path == crate::newc::TRAILER {
        return bad("this name ends an archive and cannot be a file's");
    }
    if path.len() >= PATH_MAX {
        return bad("the path has more than 4095 bytes");
    }
    if path.contains(&0) {
        return bad("the path holds a NUL byte");
    }
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" => return bad("a component of the path is empty"),
            b"." => return bad("the path holds a component \".\""),
            b".." => return bad("the path holds a component \"..\""),
            long if long.len() > NAME_MAX => return bad("a component of the path has more than 255 bytes"),
            _ => {}
        }
    }
    Ok(path.to_vec())
}

/// The entry with a cleaned hard-link target, if its values fit the header and the kernel.
fn check_entry(path: &[u8], mut entry: Entry) -> Result<Entry> {
    check_values(path, &entry)?;
    if let Kind::Hardlink(target) = &mut entry.kind {
        *target = clean_path(target)?;
    }
    Ok(entry)
}

/// Whether the entry's values fit the header and the kernel.
pub(crate) fn check_values(path: &[u8], entry: &Entry) -> Result<()> {
    let bad = |why: String| Err(Error::Value { path: show(path), why });
    if entry.mode > 0o7777 {
        return bad(format!("mode {:o} has bits above 7777: give the permission bits alone", entry.mode));
    }
    match &entry.kind {
        Kind::Symlink(target) if target.is_empty() || target.contains(&0) || target.len() >= PATH_MAX => {
            bad("a symbolic link's target has 1 to 4095 bytes and no NUL".into())
        }
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor }
            if *major > MAJOR_MAX || *minor > MINOR_MAX =>
        {
            bad(format!(
                "device {major}:{minor}: the largest major is {MAJOR_MAX}, the largest minor {MINOR_MAX}"
            ))
        }
        Kind::File(Content::Bytes(bytes)) if bytes.len() as u64 > FILE_SIZE_MAX => {
            let (path, size) = (show(path), bytes.len() as u64);
            Err(Error::TooLarge { path, from: "bytes in memory".into(), size })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(manifest: &Manifest) -> Vec<String> {
        manifest.entries().map(|(path, _)| show(path)).collect()
    }

    #[test]
    fn missing_directories_are_made_and_given_ones_kept() {
        let mut manifest = Manifest::new();
        manifest.add("home/user/.profile", Entry::bytes(0o644, "")).unwrap();
        manifest.add("home/user", Entry::directory(0o700).owner(1000, 1000)).unwrap();
        assert_eq!(paths(&manifest), ["home", "home/user", "home/user/.profile"]);
        assert_eq!(manifest.get("/home"), Some(&Entry::directory(0o755)));
        assert_eq!(manifest.get("home/user").unwrap().uid, 1000);
        // A directory that was given first stays too.
        manifest.add("home/user/a/b", Entry::fifo(0o600)).unwrap();
        assert_eq!(manifest.get("home/user").unwrap().mode, 0o700);
    }

    #[test]
    fn one_path_twice_is_an_error_that_names_both() {
        let mut manifest = Manifest::new();
        manifest.add("etc/motd", Entry::file(0o644, "./motd").origin("allno.toml:7")).unwrap();
        let again = Entry::bytes(0o644, "hi").origin("allno.toml:9");
        let message = manifest.add("/etc/motd", again).unwrap_err().to_string();
        for part in ["/etc/motd", "./motd", "allno.toml:7", "2 bytes", "allno.toml:9"] {
            assert!(message.contains(part), "{message}");
        }
        manifest.add("etc", Entry::directory(0o755)).unwrap();
        assert!(matches!(manifest.add("etc", Entry::directory(0o755)), Err(Error::Duplicate { .. })));
    }

    #[test]
    fn paths_that_an_archive_cannot_hold_are_refused() {
        let long_component = "x".repeat(256);
        let long_path = "d/".repeat(2047) + "xx";
        for path in [
            "",
            "//",
            "a//b",
            "a/",
            "./a",
            "a/.",
            "..",
            "a/../b",
            "a\0b",
            "TRAILER!!!",
            &long_component,
            &long_path,
        ] {
            let error = Manifest::new().add(path, Entry::fifo(0o600)).unwrap_err();
            assert!(matches!(error, Error::Path { .. }), "{path:?}: {error}");
        }
        let longest = "d/".repeat(2047) + "x";
        assert_eq!(longest.len(), PATH_MAX - 1);
        Manifest::new().add(longest, Entry::fifo(0o600)).unwrap();
    }

    #[test]
    fn the_root_is_a_directory_and_comes_first() {
        let mut manifest = Manifest::new();
        manifest.add("!", Entry::fifo(0o600)).unwrap();
        manifest.add("/", Entry::directory(0o711)).unwrap();
        assert_eq!(paths(&manifest), [".", "!"]);
        assert!(manifest.add(".", Entry::directory(0o755)).is_err());
        assert!(Manifest::new().add(".", Entry::bytes(0o644, "")).is_err());
    }

    #[test]
    fn nothing_lies_below_what_is_no_directory() {
        let mut manifest = Manifest::new();
        manifest.add("lib", Entry::symlink("usr/lib")).unwrap();
        let message = manifest.add("lib/libc.so", Entry::bytes(0o644, "")).unwrap_err().to_string();
        assert!(message.contains("/lib/libc.so") && message.contains("usr/lib"), "{message}");
        assert_eq!(manifest.len(), 1, "an error changes nothing");

        manifest.add("bin/sh", Entry::bytes(0o755, "")).unwrap();
        let message = manifest.add("bin", Entry::symlink("usr/bin")).unwrap_err().to_string();
        assert!(message.contains("/bin") && message.contains("usr/bin"), "{message}");
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        let too_much = [
            Entry::bytes(0o100644, ""),
            Entry::character_device(0o600, 4096, 0),
            Entry::block_device(0o600, 0, 1 << 20),
            Entry::symlink(""),
            Entry::symlink("a\0b"),
            Entry::symlink("x".repeat(4096)),
        ];
        for entry in too_much {
            let error = Manifest::new().add("dev/it", entry.clone()).unwrap_err();
            assert!(error.to_string().contains("dev/it"), "{entry:?}: {error}");
        }
        Manifest::new().add("link", Entry::symlink("x".repeat(4095))).unwrap();
    }

    #[test]
    fn hard_links_lead_to_regular_files() {
        let mut manifest = Manifest::new();
        manifest.add("a", Entry::hardlink("/b")).unwrap();
        assert!(manifest.check().unwrap_err().to_string().contains("not in the manifest"));
        manifest.add("b", Entry::bytes(0o644, "")).unwrap();
        manifest.check().unwrap();
        manifest.add("c", Entry::hardlink("a")).unwrap();
        assert!(manifest.check().unwrap_err().to_string().contains("a hard link itself"));
        let mut manifest = Manifest::new();
        manifest.add("etc/x", Entry::hardlink("etc")).unwrap();
        assert!(manifest.check().unwrap_err().to_string().contains("not a regular file"));
        assert!(manifest.add("y", Entry::hardlink("../etc/passwd")).is_err());
    }
}
