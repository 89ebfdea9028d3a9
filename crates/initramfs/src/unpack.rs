//! From an image to files below one folder, and nothing outside it.
//!
//! Each entry is first applied to a [`Tree`] under [`Rules::Strict`], which says what becomes of it; then the
//! folder is made to agree. A file is written under a name of its own beside its place and renamed once it
//! is whole, so whatever stands under a name of the archive is complete.

mod disk;
mod folder;
mod glob;
mod only;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::error::{Error, Result, show};
use crate::list::List;
use crate::manifest::{Content, Entry, Kind};
use crate::newc::{Header, file_type};
use crate::read::ImageEntry;
use crate::source::Source;
use crate::tree::{Applied, Node, NodeId, NodeKind, Outcome, Rules, Tree, kernel_name, plain_path, split};
use disk::Settled;
use folder::Folder;

pub use glob::Pattern;
pub use only::Only;

/// Where owners, modes and device nodes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// Into the file system: for root.
    Real,
    /// Into a [`List`]: for everybody. Files and directories are the caller's own and can be read and
    /// written; nodes are not made.
    Listed,
}

/// How to unpack.
#[derive(Clone, Debug)]
pub struct UnpackOptions {
    /// Where owners, modes and device nodes go.
    pub owners: Owners,
    /// Replace files that were there before.
    pub force: bool,
    /// What the list calls the folder, so that the files are found from where it is packed.
    pub location: PathBuf,
    /// Only these names.
    pub only: Option<Only>,
}

/// An entry that was not unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Number of the segment, from 0.
    pub segment: usize,
    /// Byte at which its header begins: of the image, or of what the segment unpacks to.
    pub offset: u64,
    /// Its name.
    pub name: Vec<u8>,
    /// Why, as the end of a sentence about the entry.
    pub why: &'static str,
}

/// What unpacking did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacking {
    /// Entries that were unpacked, those that a later one replaced included.
    pub entries: u64,
    /// Paths that were there before and were left as they are, in order; no entry went there.
    pub kept: Vec<Vec<u8>>,
    /// Entries that were not unpacked, in the order of the image.
    pub refused: Vec<Refused>,
    /// With [`Owners::Listed`]: the entries in the order of the image, from which it can be packed again.
    pub list: Option<List>,
}

/// Unpacks entries into one folder.
pub struct Unpacker {
    folder: Folder,
    options: UnpackOptions,
    tree: Tree,
    number: u64,
    log: Vec<Logged>,
    /// Paths where something stands that we did not make.
    kept: HashSet<Vec<u8>>,
    refused: Vec<Refused>,
    /// Where the log has the last entry that made a file or changed all of it.
    last: HashMap<NodeId, usize>,
    /// Paths in the folder of files with several names.
    linked: HashMap<NodeId, Vec<Vec<u8>>>,
    /// Directories whose owner, mode and time are set at the end.
    directories: BTreeSet<Vec<u8>>,
    /// Names that only carry data to names that were asked for; they go at the end.
    carriers: Vec<Vec<u8>>,
    temporary: u64,
}

/// An entry that was applied.
struct Logged {
    number: u64,
    name: Vec<u8>,
    node: NodeId,
    segment: usize,
    offset: u64,
}

/// Where an entry goes.
struct Place {
    /// Its path in the archive, without `/`, `.` and empty parts.
    path: Vec<u8>,
    /// Its path in the folder: the same, but for carriers.
    on_disk: Vec<u8>,
    /// Whether what stands there may be replaced: it is ours, or anything may.
    replace: bool,
}

impl Unpacker {
    /// Unpacks into the directory `folder`. It may hold files already.
    pub fn new(folder: OwnedFd, options: UnpackOptions) -> Self {
        Unpacker {
            folder: Folder::new(folder),
            options,
            tree: Tree::new(Rules::Strict),
            number: 0,
            log: Vec::new(),
            kept: HashSet::new(),
            refused: Vec::new(),
            last: HashMap::new(),
            linked: HashMap::new(),
            directories: BTreeSet::new(),
            carriers: Vec::new(),
            temporary: 0,
        }
    }

    /// Unpacks the entry at which a reader stands. Entries come in the order of the image.
    ///
    /// Errors: what the file system says, and what reading the image says. An entry that may not be
    /// unpacked is no error, nor is one whose data is damaged; see [`finish`](Self::finish) and the
    /// reader's summary.
    pub fn unpack<S: Source + Clone>(&mut self, entry: &mut ImageEntry<'_, S>) -> Result<()> {
        let (name, header) = (entry.name().to_vec(), entry.header());
        let number = self.number;
        self.number += 1;
        let applied = self.tree.apply(&entry.tree_entry(number));
        let path = plain_path(&name);
        let Some(on_disk) = self.on_disk(&path, entry) else { return Ok(()) };
        let ours = on_disk != path || (applied.existed && !self.kept.contains(&path));
        let place = Place { path, on_disk, replace: ours || self.options.force };
        let node = match applied.outcome {
            Outcome::Made(node) | Outcome::Changed(node) | Outcome::Linked(node) => node,
            Outcome::Dropped(why) => {
                // The kernel has removed what stood there all the same.
                if ours && self.tree.find(&place.path).is_none() {
                    self.remove(&place)?;
                }
                self.refuse(entry, why.why());
                return Ok(());
            }
        };
        if header.file_type() == file_type::REGULAR && !matches!(applied.outcome, Outcome::Linked(_)) {
            self.last.insert(node, self.log.len());
        }
        self.log.push(Logged { number, name, node, segment: entry.segment(), offset: entry.offset() });
        if self.kept.contains(&place.path) && !place.replace {
            return Ok(());
        }
        let settled = self.make(&place, node, &applied, entry)?;
        match settled {
            Settled::Done => {}
            Settled::Kept => {
                self.kept.insert(place.path);
            }
            Settled::Damaged => {
                self.log.pop();
            }
            Settled::Refused(why) => {
                self.log.pop();
                self.refuse(entry, why);
            }
        }
        Ok(())
    }

    fn refuse<S: Source + Clone>(&mut self, entry: &ImageEntry<'_, S>, why: &'static str) {
        let name = entry.name().to_vec();
        self.refused.push(Refused { segment: entry.segment(), offset: entry.offset(), name, why });
    }

    /// Where an entry goes in the folder; None if it was not asked for.
    fn on_disk<S: Source + Clone>(&mut self, path: &[u8], entry: &ImageEntry<'_, S>) -> Option<Vec<u8>> {
        let Some(only) = &self.options.only else { return Some(path.to_vec()) };
        if only.names(path) {
            return Some(path.to_vec());
        }
        if !only.needs_data_of(&entry.header(), entry.link_scope()) {
            return None;
        }
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        loop {
            let carrier = self.temporary_name();
            // What has such a name already is not ours.
            if rustix::fs::statat(self.folder.root(), &carrier, flags).is_err() {
                self.carriers.push(carrier.clone());
                return Some(carrier);
            }
        }
    }

    /// A name in the folder that nobody else uses.
    fn temporary_name(&mut self) -> Vec<u8> {
        self.temporary += 1;
        format!(".allno-unpack-{}", self.temporary).into_bytes()
    }

    /// Makes the folder agree with what the entry did to the tree.
    fn make<S: Source + Clone>(
        &mut self,
        place: &Place,
        node: NodeId,
        applied: &Applied,
        entry: &mut ImageEntry<'_, S>,
    ) -> Result<Settled> {
        let header = entry.header();
        if place.on_disk.is_empty() {
            // The folder itself. Its owner and mode are its maker's business unless all is replaced.
            if self.options.force {
                self.directories.insert(Vec::new());
            }
            return Ok(Settled::Done);
        }
        let listed = self.options.owners == Owners::Listed;
        match header.file_type() {
            file_type::DIRECTORY => self.make_directory(place),
            file_type::SYMLINK => self.make_symlink(place, entry.target(), &header),
            file_type::REGULAR => self.make_file(place, node, applied, entry),
            _ if listed => {
                if applied.existed && place.replace {
                    self.remove(place)?;
                }
                Ok(Settled::Done)
            }
            _ => self.make_node(place, node, applied, &header),
        }
    }

    /// Sets what could only be set at the end, and tells what was done.
    pub fn finish(mut self) -> Result<Unpacking> {
        for carrier in std::mem::take(&mut self.carriers) {
            match rustix::fs::unlinkat(self.folder.root(), &carrier, rustix::fs::AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(refusal(&carrier, "remove", error)),
            }
        }
        // What is in a directory comes before it: making it would have changed the directory's time.
        for path in std::mem::take(&mut self.directories).iter().rev() {
            self.finish_directory(path)?;
        }
        let list = match self.options.owners {
            Owners::Real => None,
            Owners::Listed => Some(self.list()),
        };
        let mut kept: Vec<_> = self.kept.into_iter().collect();
        kept.sort();
        let entries = self.log.len() as u64;
        Ok(Unpacking { entries, kept, refused: self.refused, list })
    }

    /// The entries that count, in the order of the image, with the names that they have there.
    fn list(&mut self) -> List {
        let mut list = List::new();
        let mut first_names: HashMap<NodeId, &[u8]> = HashMap::new();
        let mut directories = HashSet::new();
        for Logged { number, name, node, segment, offset } in &self.log {
            let path = plain_path(name);
            let asked = self.options.only.as_ref().is_none_or(|only| only.names(&path));
            // A directory belongs where it came first, before what it holds, whatever changed it later.
            let directory = matches!(self.tree.node(*node).kind, NodeKind::Directory { .. });
            let last = if directory { None } else { Some(*number) };
            if !asked || !self.stands(&path, *node, last) || (directory && !directories.insert(*node)) {
                continue;
            }
            let name = if path.is_empty() { b"." } else { kernel_name(name) };
            let node_there = self.tree.node(*node);
            let entry = match first_names.get(node) {
                Some(first) => Entry::hardlink(*first),
                None => self.list_entry(node_there, &path),
            };
            if !matches!(node_there.kind, NodeKind::Directory { .. }) {
                first_names.entry(*node).or_insert(name);
            }
            if list.push(name, entry).is_err() {
                let (segment, offset, name) = (*segment, *offset, name.to_vec());
                let why = "it has a name or numbers that no archive should have";
                self.refused.push(Refused { segment, offset, name, why });
            }
        }
        list
    }

    /// Whether the name still leads to the node and, where a number is given, that entry made or changed it last.
    fn stands(&self, path: &[u8], node: NodeId, last: Option<u64>) -> bool {
        if path.is_empty() {
            return true;
        }
        let (parent, leaf) = split(path);
        let parent = self.tree.find(if parent.is_empty() { b"." } else { parent });
        let found = parent.and_then(|parent| self.tree.name(parent, leaf));
        found.is_some_and(|found| found.node == node && (last.is_none() || found.entry == last))
    }

    fn list_entry(&self, node: &Node, path: &[u8]) -> Entry {
        let kind = match &node.kind {
            NodeKind::Directory { .. } => Kind::Directory,
            NodeKind::File { .. } => {
                let path = self.options.location.join(std::ffi::OsStr::from_bytes(path));
                Kind::File(Content::Path(path))
            }
            NodeKind::Symlink(target) => Kind::Symlink(target.to_vec()),
            NodeKind::Character { major, minor } => Kind::CharacterDevice { major: *major, minor: *minor },
            NodeKind::Block { major, minor } => Kind::BlockDevice { major: *major, minor: *minor },
            NodeKind::Fifo => Kind::Fifo,
            NodeKind::Socket => Kind::Socket,
        };
        let Node { mode, uid, gid, mtime, .. } = *node;
        Entry { kind, mode, uid, gid, mtime, origin: None }
    }
}

/// What the file system said about a path of the folder.
fn refusal(path: &[u8], doing: &'static str, error: Errno) -> Error {
    let path = if path.is_empty() { ".".to_string() } else { show(path) };
    Error::Unpack { path, doing, source: error.into() }
}

/// Permission bits of a file on disk.
fn mode_on_disk(owners: Owners, header_mode: u32, least: u32) -> u32 {
    match owners {
        Owners::Real => header_mode & 0o7777,
        // What it runs as somebody else, or who may, is for the list to say.
        Owners::Listed => header_mode & 0o777 | least,
    }
}

/// Whether a file's data may stand at another of its names.
fn is_linked(header: &Header) -> bool {
    header.link_count >= 2 && header.file_type() == file_type::REGULAR
}
