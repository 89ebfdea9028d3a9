//! Folders as values: what is in one, its content hash, its size, and taking it away.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::{Cancel, Context, Error, Result};

use crate::hash::{Hasher, Sha256};

/// What an entry of a tree is, as far as its hash goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Folder,
    File,
    Link,
    /// A device node, a pipe or a socket: cannot be in an artifact.
    Other,
}

/// One entry below a tree's top.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Path below the top.
    pub(crate) path: PathBuf,
    pub(crate) kind: Type,
    /// Permission bits (07777).
    pub(crate) mode: u32,
    metadata: Metadata,
}

/// A size: what the files say, and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Sum of the file lengths.
    pub apparent: u64,
    /// Sum of the blocks taken on the disk.
    pub on_disk: u64,
}

impl std::ops::AddAssign for Bytes {
    fn add_assign(&mut self, other: Bytes) {
        self.apparent += other.apparent;
        self.on_disk += other.on_disk;
    }
}

/// Contents that were hashed while they were written: path below the top, length, hash. They are not read again.
#[derive(Clone, Debug, Default)]
pub struct Known(Vec<(PathBuf, u64, Sha256)>);

impl Known {
    /// One more. Where the file's length turns out to be another one, its content is hashed after all.
    pub fn with(mut self, path: impl Into<PathBuf>, length: u64, hash: Sha256) -> Known {
        self.0.push((path.into(), length, hash));
        self
    }

    fn of(&self, node: &Node) -> Option<Sha256> {
        let known = |(path, length, _): &&(PathBuf, u64, Sha256)| {
            node.kind == Type::File && *path == node.path && *length == node.metadata.len()
        };
        self.0.iter().find(known).map(|(_, _, hash)| *hash)
    }
}

/// A builder that hashed nothing.
impl From<()> for Known {
    fn from((): ()) -> Known {
        Known::default()
    }
}

/// Every entry below `top` in the order of their paths' bytes, leaving out those whose name `skip` says.
/// Links are not followed.
pub(crate) fn list(top: &Path, skip: &dyn Fn(&Path) -> bool) -> io::Result<Vec<Node>> {
    let mut nodes = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(top.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if skip(&path) {
                continue;
            }
            let metadata = entry.metadata()?;
            let kind = if metadata.is_dir() {
                folders.push(path.clone());
                Type::Folder
            } else if metadata.is_file() {
                Type::File
            } else if metadata.is_symlink() {
                Type::Link
            } else {
                Type::Other
            };
            nodes.push(Node { path, kind, mode: metadata.mode() & 0o7777, metadata });
        }
    }
    nodes.sort_by(|one, other| one.path.as_os_str().as_bytes().cmp(other.path.as_os_str().as_bytes()));
    Ok(nodes)
}

/// The content hash of the tree at `top`: over its sorted relative paths, types, permission bits, link
/// targets and file contents; not owners, times or hard links. An empty folder counts.
///
/// # Errors
/// It cannot be read, or holds a device node, a pipe or a socket.
pub fn digest(top: &Path, cancel: &Cancel) -> Result<Sha256> {
    let nodes = list(top, &|_| false).context(|| format!("cannot read {}", top.display()))?;
    digest_of(top, &nodes, &Known::default(), cancel)
}

/// [`digest`] of the listed nodes of `top`.
pub(crate) fn digest_of(top: &Path, nodes: &[Node], known: &Known, cancel: &Cancel) -> Result<Sha256> {
    if let Some(node) = nodes.iter().find(|node| node.kind == Type::Other) {
        let path = top.join(&node.path);
        return Err(Error::failed(format!("{} is neither a file, a folder nor a link", path.display()))
            .note("device nodes and sockets cannot be kept in the store"));
    }
    let contents = hash_contents(top, nodes, known, cancel)?;
    let mut hasher = Hasher::new();
    hasher.update(b"allno tree 1\n");
    for (node, content) in nodes.iter().zip(contents) {
        let path = node.path.as_os_str().as_bytes();
        let letter = match node.kind {
            Type::Folder => 'd',
            Type::File => 'f',
            _ => 'l',
        };
        // Links have no permission bits of their own on Linux (they always read 0777).
        let mode = if node.kind == Type::Link { 0 } else { node.mode };
        hasher.update(format!("{letter} {mode:04o} {} ", path.len()).as_bytes());
        hasher.update(path);
        hasher.update(content.as_ref().map_or(&[][..], |hash| hash.bytes()));
        hasher.update(b"\n");
    }
    Ok(hasher.finish())
}

/// The hash of each node's content (a link's is its target, a folder has none), on all processors.
fn hash_contents(top: &Path, nodes: &[Node], known: &Known, cancel: &Cancel) -> Result<Vec<Option<Sha256>>> {
    let next = AtomicUsize::new(0);
    let hashes = Mutex::new(vec![None; nodes.len()]);
    let failure = Mutex::new(None);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(node) = nodes.get(index) else { return };
            let hashed = cancel.check().and_then(|()| {
                known
                    .of(node)
                    .map_or_else(|| content(&top.join(&node.path), node.kind), |hash| Ok(Some(hash)))
                    .context(|| format!("cannot read {}", top.join(&node.path).display()))
            });
            match hashed {
                Ok(hash) => lock(&hashes)[index] = hash,
                Err(error) => {
                    lock(&failure).get_or_insert(error);
                    next.store(nodes.len(), Ordering::Relaxed);
                }
            }
        }
    };
    // A few small files are done before a thread has started.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..processors.min(nodes.len().div_ceil(64)) {
            scope.spawn(work);
        }
        work();
    });
    match failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(hashes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The hash of one entry's content.
pub(crate) fn content(path: &Path, kind: Type) -> io::Result<Option<Sha256>> {
    match kind {
        Type::File => Sha256::of_file(path).map(Some),
        Type::Link => Ok(Some(Sha256::of(fs::read_link(path)?.as_os_str().as_bytes()))),
        Type::Folder | Type::Other => Ok(None),
    }
}

/// Makes permission bits the same whatever the umask was, and keeps files from being changed by mistake:
/// files become 0444 or, when their owner may run them, 0555; folders 0755 (writable, so that a plain
/// `rm -r` of the store works without root). Set-user-id bits go.
pub(crate) fn normalise(top: &Path, nodes: &mut [Node]) -> io::Result<()> {
    for node in nodes {
        let mode = match node.kind {
            Type::Folder => 0o755,
            Type::File if node.mode & 0o100 != 0 => 0o555,
            Type::File => 0o444,
            Type::Link | Type::Other => continue,
        };
        if node.mode != mode {
            fs::set_permissions(top.join(&node.path), fs::Permissions::from_mode(mode))?;
            node.mode = mode;
        }
    }
    Ok(())
}

/// Opens up folders their owner may not enter or change (an archive may bring such), so that everything in
/// `top` can be read, renamed and removed.
pub(crate) fn open_folders(top: &Path) -> io::Result<()> {
    let mut folders = vec![top.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let mode = fs::symlink_metadata(&folder)?.mode() & 0o7777;
        if mode & 0o700 != 0o700 {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode | 0o700))?;
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Removes a file or a folder with all in it, read-only folders included; nothing there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let attempt = || match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(cause) => Err(cause),
    };
    let removed = attempt().or_else(|cause| match cause.kind() {
        io::ErrorKind::PermissionDenied => open_folders(path).and_then(|()| attempt()),
        _ => Err(cause),
    });
    match removed {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.context(|| format!("cannot remove {}", path.display())),
    }
}

/// How much `path` holds; hard links count once.
pub(crate) fn size(path: &Path) -> io::Result<Bytes> {
    let mut seen = HashSet::new();
    let mut total = Bytes::default();
    let mut count = |metadata: &Metadata| {
        if metadata.nlink() == 1 || metadata.is_dir() || seen.insert((metadata.dev(), metadata.ino())) {
            let apparent = if metadata.is_dir() { 0 } else { metadata.len() };
            // st_blocks counts units of 512 bytes (stat(2)).
            total += Bytes { apparent, on_disk: metadata.blocks() * 512 };
        }
    };
    let metadata = fs::symlink_metadata(path)?;
    count(&metadata);
    if metadata.is_dir() {
        list(path, &|_| false)?.iter().for_each(|node| count(&node.metadata));
    }
    Ok(total)
}

/// The names in a folder, sorted; none when it is not there.
pub(crate) fn names(folder: &Path) -> Result<Vec<OsString>> {
    let failed = || format!("cannot read {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.context(failed)?,
    };
    let mut names: Vec<OsString> = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<_>>()
        .context(failed)?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(top: &Path) {
        fs::create_dir_all(top.join("b/c")).unwrap();
        fs::write(top.join("b/file"), "content").unwrap();
        fs::write(top.join("a"), "").unwrap();
        std::os::unix::fs::symlink("../a", top.join("b/link")).unwrap();
    }

    fn digest_now(top: &Path) -> Sha256 {
        digest(top, &Cancel::new()).unwrap()
    }

    #[test]
    fn the_digest_sees_names_types_modes_targets_and_contents_and_not_times() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        sample(&one);
        let first = digest_now(&one);
        std::thread::sleep(std::time::Duration::from_millis(20));
        sample(&other);
        assert_eq!(first, digest_now(&other));
        type Edit = fn(&Path);
        let edits: [Edit; 6] = [
            |top| fs::write(top.join("a"), "x").unwrap(),
            |top| fs::rename(top.join("a"), top.join("z")).unwrap(),
            |top| fs::set_permissions(top.join("a"), fs::Permissions::from_mode(0o700)).unwrap(),
            |top| fs::remove_dir(top.join("b/c")).unwrap(),
            |top| {
                fs::remove_file(top.join("b/link")).unwrap();
                std::os::unix::fs::symlink("../b", top.join("b/link")).unwrap();
            },
            |top| {
                fs::remove_file(top.join("b/link")).unwrap();
                fs::write(top.join("b/link"), "../a").unwrap();
            },
        ];
        for (index, edit) in edits.iter().enumerate() {
            let edited = folder.path().join(format!("edited{index}"));
            sample(&edited);
            edit(&edited);
            assert_ne!(first, digest_now(&edited), "edit {index} was not seen");
        }
    }

    #[test]
    fn normalising_forgets_the_umask_and_keeps_what_runs() {
        let folder = tempfile::tempdir().unwrap();
        let digests: Vec<Sha256> = [0o022u32, 0o077]
            .iter()
            .map(|umask| {
                let top = folder.path().join(format!("{umask:o}"));
                sample(&top);
                for (name, mode) in [("a", 0o777), ("b/file", 0o666), ("b", 0o777)] {
                    fs::set_permissions(top.join(name), fs::Permissions::from_mode(mode & !umask)).unwrap();
                }
                let mut nodes = list(&top, &|_| false).unwrap();
                normalise(&top, &mut nodes).unwrap();
                assert_eq!(fs::metadata(top.join("a")).unwrap().mode() & 0o7777, 0o555);
                assert_eq!(
                    digest_of(&top, &nodes, &Known::default(), &Cancel::new()).unwrap(),
                    digest_now(&top)
                );
                digest_now(&top)
            })
            .collect();
        assert_eq!(digests[0], digests[1]);
    }

    #[test]
    fn what_was_hashed_while_written_is_taken_if_its_length_is_right() {
        let folder = tempfile::tempdir().unwrap();
        sample(folder.path());
        let nodes = list(folder.path(), &|_| false).unwrap();
        let digest = |known: Known| digest_of(folder.path(), &nodes, &known, &Cancel::new()).unwrap();
        let (right, wrong) = (Sha256::of(b"content"), Sha256::of(b"another"));
        assert_eq!(digest(Known::default().with("b/file", 7, right)), digest_now(folder.path()));
        assert_ne!(digest(Known::default().with("b/file", 7, wrong)), digest_now(folder.path()));
        assert_eq!(digest(Known::default().with("b/file", 8, wrong)), digest_now(folder.path()));
    }

    #[test]
    fn a_pipe_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let error = digest(folder.path(), &Cancel::new()).unwrap_err();
        assert!(error.message().contains("/pipe is neither"), "{error}");
    }

    #[test]
    fn read_only_folders_are_removed_too() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        sample(&top);
        fs::set_permissions(top.join("b"), fs::Permissions::from_mode(0o500)).unwrap();
        remove(&top).unwrap();
        assert!(!top.exists());
        remove(&top).unwrap();
    }

    #[test]
    fn hard_links_count_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), [1; 5000]).unwrap();
        fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
        assert_eq!(size(folder.path()).unwrap().apparent, 5000);
    }
}
