//! A folder of this machine as a list: what stands in it, in an order that hangs on the names alone, and, where a
//! list lies beside it, with the owners, modes, times and nodes that the list says.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::list::List;
use crate::manifest::{Content, Entry, Kind};
use crate::tree::plain_path;

/// What entries of a folder get that no list speaks of.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScanOptions {
    /// Owners and times are those of the folder, else owner and group are 0 and the time is `mtime`.
    pub preserve: bool,
    /// Seconds since 1970.
    pub mtime: u32,
}

/// Everything below `folder`, the folder itself not: a directory before what it holds, else by the bytes of the
/// names. Modes are those of the files; names of one file become hard links.
///
/// Errors: what cannot be read, and names that an archive cannot hold.
pub fn scan(folder: &Path, options: ScanOptions) -> Result<List> {
    let mut list = List::new();
    let mut links = Links::default();
    for found in walk(folder)? {
        let entry = found.entry(options)?;
        links.push(&mut list, &found, entry)?;
    }
    Ok(list)
}

/// A folder read together with its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// What to pack.
    pub list: List,
    /// Names that the folder has and the list has not: they stand at the end, as [`scan`] would have them.
    pub added: Vec<Vec<u8>>,
    /// Names that the list has and the folder no longer: they are left out.
    pub removed: Vec<Vec<u8>>,
}

/// The folder as `listed` says it was: names, their order, owners, modes, times and nodes are the list's; contents
/// and targets are the folder's. A node is taken from the list alone, as it takes root to make one, as long as its
/// directory is there. A mode that was changed in the folder counts: one that differs from the list's by more than
/// what lets an ordinary user work with what is his (0600, 0700 of a directory) or what such a user cannot set (set-ID, sticky).
pub fn scan_listed(folder: &Path, listed: &List, options: ScanOptions) -> Result<Listed> {
    let found = walk(folder)?;
    let tree: HashMap<&[u8], &Found> = found.iter().map(|found| (found.name.as_slice(), found)).collect();
    let mut result = Listed::default();
    let linked = listed.entries().filter(|(_, entry)| !matches!(entry.kind, Kind::Hardlink(_))).collect();
    let mut merge = Merge { tree: &tree, linked, links: Links::default(), kept: HashSet::new(), options };
    for (name, entry) in listed.entries() {
        if !merge.push(&mut result.list, name, entry)? {
            result.removed.push(name.to_vec());
        }
    }
    let Merge { mut links, kept, .. } = merge;
    for found in &found {
        if !kept.contains(found.name.as_slice()) {
            let entry = found.entry(options)?;
            links.push(&mut result.list, found, entry)?;
            result.added.push(found.name.clone());
        }
    }
    Ok(result)
}

/// Something in a folder.
struct Found {
    name: Vec<u8>,
    path: PathBuf,
    metadata: Metadata,
}

impl Found {
    /// The entry that it would be without a list.
    fn entry(&self, options: ScanOptions) -> Result<Entry> {
        let metadata = &self.metadata;
        let (uid, gid, mtime) = match options.preserve {
            true => {
                let mtime = metadata.mtime().clamp(0, i64::from(u32::MAX)) as u32;
                (metadata.uid(), metadata.gid(), mtime)
            }
            false => (0, 0, options.mtime),
        };
        let mode = metadata.mode() & 0o7777;
        Ok(Entry { kind: self.kind()?, mode, uid, gid, mtime, origin: None })
    }

    fn kind(&self) -> Result<Kind> {
        let (kind, number) = (self.metadata.file_type(), self.metadata.rdev());
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        Ok(match kind {
            _ if kind.is_dir() => Kind::Directory,
            _ if kind.is_symlink() => {
                let unreadable = |source| Error::Read { path: self.path.clone(), source };
                let target = fs::read_link(&self.path).map_err(unreadable)?;
                Kind::Symlink(target.into_os_string().into_vec())
            }
            _ if kind.is_char_device() => Kind::CharacterDevice { major, minor },
            _ if kind.is_block_device() => Kind::BlockDevice { major, minor },
            _ if kind.is_fifo() => Kind::Fifo,
            _ if kind.is_socket() => Kind::Socket,
            _ => Kind::File(Content::Path(self.path.clone())),
        })
    }

    fn identity(&self) -> (u64, u64) {
        (self.metadata.dev(), self.metadata.ino())
    }

    fn is(&self, kind: &Kind) -> bool {
        let found: FileType = self.metadata.file_type();
        match kind {
            Kind::Directory => found.is_dir(),
            Kind::File(_) => found.is_file(),
            Kind::Symlink(_) => found.is_symlink(),
            Kind::CharacterDevice { .. } => found.is_char_device(),
            Kind::BlockDevice { .. } => found.is_block_device(),
            Kind::Fifo => found.is_fifo(),
            Kind::Socket => found.is_socket(),
            Kind::Hardlink(_) => false,
        }
    }
}

/// Everything below the folder.
fn walk(folder: &Path) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    // What is still to be visited, the next one last.
    let mut waiting = children(folder, b"")?;
    while let Some((name, entry)) = waiting.pop() {
        let path = entry.path();
        let metadata = entry.metadata().map_err(|source| Error::Read { path: path.clone(), source })?;
        if metadata.is_dir() {
            waiting.extend(children(&path, &name)?);
        }
        all.push(Found { name, path, metadata });
    }
    Ok(all)
}

/// What stands in one directory, the last name first.
fn children(folder: &Path, name: &[u8]) -> Result<Vec<(Vec<u8>, DirEntry)>> {
    let unreadable = |source| Error::Read { path: folder.into(), source };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let named = entries.map(|entry| {
        let entry = entry?;
        let own = entry.file_name();
        let separator = if name.is_empty() { &b""[..] } else { b"/" };
        Ok(([name, separator, own.as_bytes()].concat(), entry))
    });
    let mut named = named.collect::<io::Result<Vec<_>>>().map_err(unreadable)?;
    named.sort_by(|(first, _), (second, _)| second.cmp(first));
    Ok(named)
}

/// The first names of files that have several.
#[derive(Default)]
struct Links(HashMap<(u64, u64), Vec<u8>>);

impl Links {
    /// Adds the entry, or a hard link where its file has a name already.
    fn push(&mut self, list: &mut List, found: &Found, entry: Entry) -> Result<()> {
        self.push_as(list, &found.name, found, entry)
    }

    fn push_as(&mut self, list: &mut List, name: &[u8], found: &Found, entry: Entry) -> Result<()> {
        // The kernel links everything but directories and symbolic links (`maybe_link` in init/initramfs.c).
        let linkable = !matches!(entry.kind, Kind::Directory | Kind::Symlink(_));
        if !linkable || found.metadata.nlink() < 2 {
            return list.push(name, entry);
        }
        match self.0.get(&found.identity()) {
            Some(first) => list.push(name, Entry::hardlink(first.clone())),
            None => {
                self.0.insert(found.identity(), name.to_vec());
                list.push(name, entry)
            }
        }
    }
}

struct Merge<'a> {
    tree: &'a HashMap<&'a [u8], &'a Found>,
    /// What hard links of the list mean: the last entry of a name.
    linked: HashMap<&'a [u8], &'a Entry>,
    links: Links,
    /// Names of the tree that the list speaks of.
    kept: HashSet<Vec<u8>>,
    options: ScanOptions,
}

impl Merge<'_> {
    /// Adds what the list's entry is by now; false if it is no longer there.
    fn push(&mut self, list: &mut List, name: &[u8], entry: &Entry) -> Result<bool> {
        let path = plain_path(name);
        if path.is_empty() {
            list.push(name, entry.clone())?;
            return Ok(true);
        }
        let meant = match &entry.kind {
            Kind::Hardlink(target) => self.linked.get(target.as_slice()).copied(),
            _ => Some(entry),
        };
        let Some(meant) = meant else { return Ok(false) };
        let Some(found) = self.tree.get(path.as_slice()).copied() else {
            return self.push_absent(list, name, &path, entry, meant);
        };
        self.kept.insert(path);
        let current = match found.is(&meant.kind) {
            true => {
                let mode = match &meant.kind {
                    // A file system says 0777 of all of them.
                    Kind::Symlink(_) => meant.mode,
                    kind => mode(kind, meant.mode, found.metadata.mode()),
                };
                let kind = match &meant.kind {
                    // Numbers of a node are the list's, as its owner is.
                    Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } => meant.kind.clone(),
                    _ => found.kind()?,
                };
                Entry { kind, mode, ..meant.clone() }
            }
            false => found.entry(self.options)?,
        };
        self.links.push_as(list, name, found, current)?;
        Ok(true)
    }

    /// A name that the folder has not: a node, as long as its directory is there, or nothing.
    fn push_absent(
        &self,
        list: &mut List,
        name: &[u8],
        path: &[u8],
        entry: &Entry,
        meant: &Entry,
    ) -> Result<bool> {
        let node = matches!(
            meant.kind,
            Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } | Kind::Fifo | Kind::Socket
        );
        let parent = path.iter().rposition(|byte| *byte == b'/').map(|at| &path[..at]);
        let in_directory =
            parent.is_none_or(|parent| self.tree.get(parent).is_some_and(|found| found.metadata.is_dir()));
        if node && in_directory {
            list.push(name, entry.clone())?;
        }
        Ok(node && in_directory)
    }
}

/// The permission bits of an entry: the list's, unless somebody changed them in the folder.
fn mode(kind: &Kind, listed: u32, found: u32) -> u32 {
    /// What only some may set, or what means nothing in the folder.
    const SPECIAL: u32 = 0o7000;
    // What unpacking may have added so that a user can work with what is his.
    let own = if *kind == Kind::Directory { 0o700 } else { 0o600 };
    let same = (listed ^ found) & 0o777 & !own == 0 && found & own & listed == listed & own;
    if same { listed } else { found & 0o777 | listed & SPECIAL }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const OPTIONS: ScanOptions = ScanOptions { preserve: false, mtime: 9 };

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/sub")).unwrap();
        fs::write(at("a/sub/file"), "1").unwrap();
        fs::write(at("a-b"), "2").unwrap();
        fs::hard_link(at("a/sub/file"), at("z")).unwrap();
        symlink("a/sub", at("link")).unwrap();
        for (name, mode) in [("a", 0o755), ("a/sub", 0o750), ("a-b", 0o4755), ("z", 0o600)] {
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        folder
    }

    fn names(list: &List) -> Vec<String> {
        list.entries().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }

    fn entry<'a>(list: &'a List, name: &str) -> &'a Entry {
        list.entries().find(|(found, _)| *found == name.as_bytes()).unwrap().1
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_its_names() {
        let folder = folder();
        let list = scan(folder.path(), OPTIONS).unwrap();
        assert_eq!(names(&list), ["a", "a/sub", "a/sub/file", "a-b", "link", "z"]);
        assert_eq!(entry(&list, "a/sub"), &Entry::directory(0o750).mtime(9));
        assert_eq!(entry(&list, "link"), &Entry::symlink("a/sub").mtime(9));
        assert_eq!(entry(&list, "a-b"), &Entry::file(0o4755, folder.path().join("a-b")).mtime(9));
        let (_, last) = list.entries().last().unwrap();
        assert_eq!(last, &Entry::hardlink("a/sub/file"));
    }

    #[test]
    fn owners_and_times_are_kept_where_that_is_asked_for() {
        let folder = folder();
        let metadata = fs::metadata(folder.path().join("a-b")).unwrap();
        let list = scan(folder.path(), ScanOptions { preserve: true, mtime: 9 }).unwrap();
        let found = entry(&list, "a-b");
        assert_eq!((found.uid, found.gid), (metadata.uid(), metadata.gid()));
        assert_eq!(i64::from(found.mtime), metadata.mtime());
    }

    #[test]
    fn the_list_beside_a_folder_says_what_the_folder_cannot() {
        let folder = folder();
        let path = folder.path();
        let mut listed = List::new();
        let mut push = |name: &str, entry: Entry| listed.push(name, entry).unwrap();
        push(".", Entry::directory(0o700).owner(5, 5));
        push("./z", Entry::file(0o400, "elsewhere").owner(1, 2).mtime(3));
        push("a", Entry::directory(0o1755));
        push("a/node", Entry::character_device(0o600, 5, 1));
        push("a/same", Entry::hardlink("a/node"));
        push("gone/node", Entry::fifo(0o600));
        push("gone", Entry::file(0o600, "x"));
        push("a/sub/", Entry::directory(0o711));
        push("a/sub/file", Entry::hardlink("./z"));
        push("link", Entry::bytes(0o600, "once a file").owner(7, 7));
        let Listed { list, added, removed } = scan_listed(path, &listed, OPTIONS).unwrap();
        assert_eq!(
            names(&list),
            [".", "./z", "a", "a/node", "a/same", "a/sub/", "a/sub/file", "link", "a-b"]
        );
        assert_eq!(added, [b"a-b".to_vec()]);
        assert_eq!(removed, [b"gone/node".to_vec(), b"gone".to_vec()]);
        // 0600 is 0400 with what its owner needs; 0750 is not 0711.
        assert_eq!(entry(&list, "./z"), &Entry::file(0o400, path.join("z")).owner(1, 2).mtime(3));
        assert_eq!(entry(&list, "a").mode, 0o1755);
        assert_eq!(entry(&list, "a/sub/").mode, 0o750);
        assert_eq!(entry(&list, "link"), &Entry::symlink("a/sub").mtime(9));
        let link = list.entries().find(|(name, _)| *name == b"a/sub/file").unwrap().1;
        assert_eq!(link, &Entry::hardlink("./z"));
        crate::pack_list(&list, crate::Compression::None, io::sink()).unwrap();
    }

    #[test]
    fn a_mode_that_somebody_changed_counts() {
        let file = |listed, found| mode(&Kind::Fifo, listed, found);
        assert_eq!(file(0o4755, 0o755), 0o4755);
        assert_eq!(file(0o000, 0o600), 0o000);
        assert_eq!(file(0o440, 0o640), 0o440);
        assert_eq!(file(0o600, 0o700), 0o700);
        assert_eq!(file(0o644, 0o755), 0o755);
        assert_eq!(file(0o4755, 0o711), 0o4711);
        assert_eq!(file(0o755, 0o655), 0o655);
        assert_eq!(mode(&Kind::Directory, 0o500, 0o700), 0o500);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let message = scan(Path::new("/no/such/folder"), OPTIONS).unwrap_err().to_string();
        assert!(message.contains("/no/such/folder"), "{message}");
    }
}
