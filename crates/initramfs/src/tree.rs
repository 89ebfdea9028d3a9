//! The tree that the kernel makes of an image's entries. A later entry does not always replace an earlier
//! one of its name: what happens depends on what stands there, on links and on missing directories.
//! Source: `do_header`, `do_name`, `do_symlink`, `maybe_link` and `clean_path` in init/initramfs.c (6.12), and
//! what the system calls they make answer.

mod node;

use std::collections::{BTreeMap, HashMap};

use crate::manifest::{NAME_MAX, PATH_MAX};
use crate::newc::{Header, file_type};

pub use node::{Applied, Dropped, Name, Node, NodeId, NodeKind, Outcome};

/// Symbolic links that are followed in one path (`MAXSYMLINKS` in include/linux/namei.h).
pub(crate) const SYMLINKS_MAX: u32 = 40;

/// What an entry says, as a [`Tree`] needs it.
#[derive(Clone, Copy, Debug)]
pub struct TreeEntry<'a> {
    /// Its number, counted over the whole image: what the tree tells about it later.
    pub number: u64,
    /// Its name as it stands in the archive.
    pub name: &'a [u8],
    /// Its header.
    pub header: Header,
    /// A symbolic link's target.
    pub target: &'a [u8],
    /// How many trailers came before it.
    pub link_scope: u64,
}

/// How far a tree goes with the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// As the kernel does it: names go through symbolic links and `..`; an entry whose directory is missing
    /// is dropped. As upstream's: Debian's start with fs.protected_symlinks on, so that in a directory which is sticky
    /// and writable to all they follow no link of another owner than root and the directory's (`may_follow_link` in
    /// fs/namei.c).
    Kernel,
    /// For unpacking on a machine of one's own: a name that goes through a symbolic link or `..` is
    /// refused; missing directories are made.
    Strict,
}

/// What stands for one file in an archive's headers: device, inode and type.
type LinkKey = (u32, u32, u32, u32);

/// A root directory to which entries are applied in the order of the image. Memory grows with the names.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    /// First names of files with several.
    links: HashMap<LinkKey, Box<[u8]>>,
    link_scope: u64,
    /// The entry that said something about the root last.
    root_entry: Option<u64>,
    rules: Rules,
}

/// A place for a name: its directory and its last component, which is empty for the directory itself.
type Place<'a> = (NodeId, &'a [u8]);

impl Tree {
    /// The root of all trees.
    pub const ROOT: NodeId = NodeId(0);

    /// A tree with nothing but the root directory (mode 0755, root's). The kernel has unpacked the archive
    /// that is built into it before: /dev, /dev/console and /root unless it was given another one.
    pub fn new(rules: Rules) -> Self {
        let kind = NodeKind::Directory { parent: Tree::ROOT, names: BTreeMap::new() };
        let root = Node { kind, mode: 0o755, uid: 0, gid: 0, mtime: 0, link_count: 1 };
        Tree { nodes: vec![root], links: HashMap::new(), link_scope: 0, root_entry: None, rules }
    }

    /// The node of this number.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// What a directory holds, in the order of the bytes; nothing for any other node.
    pub fn names(&self, id: NodeId) -> impl Iterator<Item = (&[u8], Name)> {
        let names = match &self.node(id).kind {
            NodeKind::Directory { names, .. } => Some(names),
            _ => None,
        };
        names.into_iter().flatten().map(|(name, found)| (&**name, *found))
    }

    /// The number of the entry that said something about the root directory last.
    pub fn root_entry(&self) -> Option<u64> {
        self.root_entry
    }

    /// Everything but the root, a directory before what it holds, with paths that begin with no `/`.
    pub fn walk(&self, visit: impl FnMut(&[u8], Name)) {
        self.walk_from(Tree::ROOT, visit);
    }

    /// The same below a directory, with paths from there.
    pub fn walk_from(&self, directory: NodeId, mut visit: impl FnMut(&[u8], Name)) {
        let mut path = Vec::new();
        // A stack of our own: a name can have two thousand components.
        let mut open = vec![(0, self.names(directory))];
        while let Some((length, names)) = open.last_mut() {
            path.truncate(*length);
            let Some((name, found)) = names.next() else {
                open.pop();
                continue;
            };
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            visit(&path, found);
            open.push((path.len(), self.names(found.node)));
        }
    }

    /// What stands at `path`, as the kernel finds it from the root; a symbolic link at its end is not
    /// followed.
    pub fn find(&self, path: &[u8]) -> Option<NodeId> {
        let (directory, leaf) = self.place(path).ok()?;
        if leaf.is_empty() { Some(directory) } else { self.name(directory, leaf).map(|name| name.node) }
    }

    /// What stands at `path`, a symbolic link at its end followed.
    pub fn resolve(&self, path: &[u8]) -> Option<NodeId> {
        let mut budget = SYMLINKS_MAX;
        self.walk_to(Tree::ROOT, path, &mut budget).ok()
    }

    /// The name `name` of a directory.
    pub fn name(&self, directory: NodeId, name: &[u8]) -> Option<Name> {
        match &self.node(directory).kind {
            NodeKind::Directory { names, .. } => names.get(name).copied(),
            _ => None,
        }
    }

    /// Applies the next entry of the image.
    pub fn apply(&mut self, entry: &TreeEntry) -> Applied {
        if self.link_scope != entry.link_scope {
            self.link_scope = entry.link_scope;
            self.links.clear();
        }
        let mut applied =
            Applied { outcome: Outcome::Dropped(Dropped::NoName), replaced: None, existed: false };
        applied.outcome = self.applied(entry, &mut applied).unwrap_or_else(Outcome::Dropped);
        applied
    }

    fn applied(&mut self, entry: &TreeEntry, applied: &mut Applied) -> Result<Outcome, Dropped> {
        let name = kernel_name(entry.name);
        let header = &entry.header;
        let kind = header.file_type();
        let size = header.size as usize;
        match kind {
            file_type::SYMLINK if size > PATH_MAX => return Err(Dropped::Target),
            file_type::SYMLINK | file_type::REGULAR => {}
            _ if size > 0 => return Err(Dropped::UnexpectedData),
            _ => {}
        }
        // The kernel notes a file's first name before it knows whether the file can be made.
        let linked = header.link_count >= 2
            && !matches!(kind, file_type::SYMLINK | file_type::DIRECTORY)
            && is_known(kind);
        let first = if linked { self.first_name(header, name) } else { None };
        if name.is_empty() {
            return Err(Dropped::NoName);
        }
        if self.rules == Rules::Strict {
            self.make_directories(name)?;
        }
        let (directory, leaf) = self.place(name)?;
        if leaf.is_empty() {
            return self.apply_to_itself(directory, entry, &mut applied.replaced);
        }
        // clean_path: symbolic links and further names remove whatever stands there.
        let keeps = (kind != file_type::SYMLINK && first.is_none()).then_some(kind);
        applied.existed = self.name(directory, leaf).is_some();
        if self.clear(directory, leaf, keeps, &mut applied.replaced) {
            // The name may have gone through what was removed: then it leads nowhere now.
            self.place(name)?;
        }
        match (kind, first) {
            (_, Some(first)) => self.link((directory, leaf), &first, entry),
            (file_type::SYMLINK, None) => self.make_symlink((directory, leaf), entry),
            (kind, None) if is_known(kind) => self.make((directory, leaf), entry, &mut applied.replaced),
            _ => Err(Dropped::UnknownType),
        }
    }

    /// The first name of a file with several, if this is not it.
    fn first_name(&mut self, header: &Header, name: &[u8]) -> Option<Box<[u8]>> {
        let key = (header.device_major, header.device_minor, header.inode, header.file_type());
        if let Some(first) = self.links.get(&key) {
            return Some(first.clone());
        }
        self.links.insert(key, name.into());
        None
    }

    /// An entry called `.` or the like.
    fn apply_to_itself(
        &mut self,
        directory: NodeId,
        entry: &TreeEntry,
        replaced: &mut Option<u64>,
    ) -> Result<Outcome, Dropped> {
        if entry.header.file_type() != file_type::DIRECTORY {
            return Err(self.in_the_way(directory, &entry.header));
        }
        self.set_owner(directory, &entry.header);
        if directory == Tree::ROOT {
            *replaced = self.root_entry.replace(entry.number);
        }
        Ok(Outcome::Changed(directory))
    }

    fn set_owner(&mut self, id: NodeId, header: &Header) {
        let node = self.node_mut(id);
        (node.mode, node.uid, node.gid, node.mtime) =
            (header.mode & 0o7777, header.uid, header.gid, header.mtime);
    }

    /// Removes what stands at a place and is not of the kind that may stay; a directory only if it is empty.
    /// Whether it did.
    fn clear(
        &mut self,
        directory: NodeId,
        leaf: &[u8],
        keeps: Option<u32>,
        replaced: &mut Option<u64>,
    ) -> bool {
        let Some(name) = self.name(directory, leaf) else { return false };
        let kind = &self.node(name.node).kind;
        let in_use = matches!(kind, NodeKind::Directory { names, .. } if !names.is_empty());
        if keeps == Some(kind.file_type()) || in_use {
            return false;
        }
        *replaced = name.entry;
        self.node_mut(name.node).link_count -= 1;
        if let NodeKind::Directory { names, .. } = &mut self.node_mut(directory).kind {
            names.remove(leaf);
        }
        true
    }

    /// A directory stands where something else should: the kernel's calls that make that fail, those that
    /// come after them, for its owner and mode, do not.
    fn in_the_way(&mut self, directory: NodeId, header: &Header) -> Dropped {
        let mode = self.node(directory).mode;
        match header.file_type() {
            file_type::REGULAR => return Dropped::DirectoryInTheWay,
            file_type::SYMLINK => self.set_owner(directory, &Header { mode, ..*header }),
            _ => self.set_owner(directory, header),
        }
        Dropped::DirectoryInTheWay
    }

    fn insert(&mut self, (directory, leaf): Place, name: Name) {
        if let NodeKind::Directory { names, .. } = &mut self.node_mut(directory).kind {
            names.insert(leaf.into(), name);
        }
    }

    fn add(&mut self, place: Place, kind: NodeKind, header: &Header, entry: Option<u64>) -> NodeId {
        let node = NodeId(u32::try_from(self.nodes.len()).expect("fewer entries than 110-byte headers fit"));
        self.nodes.push(Node { kind, mode: 0, uid: 0, gid: 0, mtime: 0, link_count: 1 });
        self.set_owner(node, header);
        self.insert(place, Name { node, entry });
        node
    }

    fn make_symlink(&mut self, place: Place, entry: &TreeEntry) -> Result<Outcome, Dropped> {
        let target = entry.target.split(|byte| *byte == 0).next().unwrap_or_default();
        if let Some(there) = self.name(place.0, place.1) {
            return Err(self.in_the_way(there.node, &entry.header));
        }
        if target.is_empty() {
            return Err(Dropped::Target);
        }
        let kind = NodeKind::Symlink(target.into());
        Ok(Outcome::Made(self.add(place, kind, &entry.header, Some(entry.number))))
    }

    /// One more name of a file or node. The kernel links whatever stands at the first name by then.
    fn link(&mut self, place: Place, first: &[u8], entry: &TreeEntry) -> Result<Outcome, Dropped> {
        let node = self.find(first).ok_or(Dropped::LinkGone)?;
        let header = &entry.header;
        let kind = self.node(node).kind.file_type();
        let other = kind != header.file_type();
        if kind == file_type::DIRECTORY || (other && self.rules == Rules::Strict) {
            return Err(Dropped::LinkGone);
        }
        if self.name(place.0, place.1).is_some() {
            return Err(Dropped::DirectoryInTheWay);
        }
        self.insert(place, Name { node, entry: Some(entry.number) });
        self.node_mut(node).link_count += 1;
        match (header.file_type(), &self.node(node).kind) {
            (file_type::REGULAR, NodeKind::File { .. }) => self.write(node, entry),
            (file_type::REGULAR, NodeKind::Symlink(target)) => {
                let target = target.clone();
                self.write_through(place.0, &target, entry);
            }
            _ => {}
        }
        Ok(Outcome::Linked(node))
    }

    /// Opens a file without cutting it to nothing, and writes what data there is.
    fn write(&mut self, node: NodeId, entry: &TreeEntry) {
        self.set_owner(node, &entry.header);
        if entry.header.size > 0 {
            self.node_mut(node).kind = NodeKind::File { size: entry.header.size, content: entry.number };
        }
    }

    /// The same through a symbolic link that stands in `directory`; what it leads to is made if it is
    /// missing.
    fn write_through(&mut self, directory: NodeId, target: &[u8], entry: &TreeEntry) {
        let (mut from, mut target) = (directory, Box::<[u8]>::from(target));
        for _ in 0..SYMLINKS_MAX {
            let Ok((directory, leaf)) = self.place_from(from, &target) else { return };
            let Some(there) = self.name(directory, leaf) else {
                if !leaf.is_empty() {
                    let kind = NodeKind::of(&entry.header, entry.number, directory);
                    self.add((directory, leaf), kind, &entry.header, Some(entry.number));
                }
                return;
            };
            match &self.node(there.node).kind {
                NodeKind::Symlink(next) => (from, target) = (directory, next.clone()),
                NodeKind::File { .. } => return self.write(there.node, entry),
                _ => return,
            }
        }
    }

    /// Makes a file, directory or node, or changes the one that is there.
    fn make(
        &mut self,
        place: Place,
        entry: &TreeEntry,
        replaced: &mut Option<u64>,
    ) -> Result<Outcome, Dropped> {
        let TreeEntry { header, number, .. } = entry;
        let Some(there) = self.name(place.0, place.1) else {
            let kind = NodeKind::of(header, *number, place.0);
            return Ok(Outcome::Made(self.add(place, kind, header, Some(*number))));
        };
        if self.node(there.node).kind.file_type() != header.file_type() {
            return Err(self.in_the_way(there.node, header));
        }
        *replaced = there.entry;
        self.set_owner(there.node, header);
        if let NodeKind::File { size, content } = &mut self.node_mut(there.node).kind {
            (*size, *content) = (header.size, *number);
        }
        self.insert(place, Name { entry: Some(*number), ..there });
        Ok(Outcome::Changed(there.node))
    }

    /// [`Rules::Strict`]: the directories of a name that are missing.
    fn make_directories(&mut self, name: &[u8]) -> Result<(), Dropped> {
        let (parents, leaf) = split_leaf(name);
        // A name that is refused leaves nothing behind.
        if components(name).any(|component| component == b"..") {
            return Err(Dropped::Climbs);
        }
        if components(parents).chain([leaf]).any(|component| component.len() > NAME_MAX) {
            return Err(Dropped::NameTooLong);
        }
        let mut at = Tree::ROOT;
        for component in components(parents) {
            at = match self.step(at, component) {
                Err(Dropped::NoDirectory) => {
                    let header = Header { mode: file_type::DIRECTORY | 0o755, ..Header::default() };
                    let kind = NodeKind::of(&header, 0, at);
                    self.add((at, component), kind, &header, None)
                }
                step => step?,
            };
        }
        Ok(())
    }

    /// From a directory to what a component of a path leads to, which may be a symbolic link.
    fn step(&self, directory: NodeId, component: &[u8]) -> Result<NodeId, Dropped> {
        let NodeKind::Directory { parent, names } = &self.node(directory).kind else {
            return Err(Dropped::NotADirectory);
        };
        if component == b".." {
            return if self.rules == Rules::Strict { Err(Dropped::Climbs) } else { Ok(*parent) };
        }
        if component.len() > NAME_MAX {
            return Err(Dropped::NameTooLong);
        }
        names.get(component).map(|name| name.node).ok_or(Dropped::NoDirectory)
    }

    /// Where a name belongs.
    fn place<'n>(&self, name: &'n [u8]) -> Result<Place<'n>, Dropped> {
        self.place_from(Tree::ROOT, name)
    }

    /// Where a path leads from a directory.
    fn place_from<'n>(&self, from: NodeId, name: &'n [u8]) -> Result<Place<'n>, Dropped> {
        let (parents, leaf) = split_leaf(name);
        let mut budget = SYMLINKS_MAX;
        let from = if name.starts_with(b"/") { Tree::ROOT } else { from };
        let directory = self.walk_to(from, parents, &mut budget)?;
        if !matches!(self.node(directory).kind, NodeKind::Directory { .. }) {
            return Err(Dropped::NotADirectory);
        }
        match leaf {
            b"." => Ok((directory, b"")),
            b".." => Ok((self.step(directory, b"..")?, b"")),
            long if long.len() > NAME_MAX => Err(Dropped::NameTooLong),
            _ => Ok((directory, leaf)),
        }
    }

    /// Follows a path and the symbolic links on it.
    fn walk_to(&self, from: NodeId, path: &[u8], budget: &mut u32) -> Result<NodeId, Dropped> {
        let mut at = if path.starts_with(b"/") { Tree::ROOT } else { from };
        for component in components(path) {
            let next = self.step(at, component)?;
            at = match &self.node(next).kind {
                NodeKind::Symlink(_) if self.rules == Rules::Strict => return Err(Dropped::ThroughSymlink),
                NodeKind::Symlink(target) => {
                    *budget = budget.checked_sub(1).ok_or(Dropped::SymlinkLoop)?;
                    self.walk_to(at, target, budget)?
                }
                _ => next,
            };
        }
        Ok(at)
    }
}

fn is_known(kind: u32) -> bool {
    matches!(
        kind,
        file_type::REGULAR
            | file_type::DIRECTORY
            | file_type::SYMLINK
            | file_type::CHARACTER
            | file_type::BLOCK
            | file_type::FIFO
            | file_type::SOCKET
    )
}

/// The part of a name that the kernel takes: it ends at the first NUL.
pub(crate) fn kernel_name(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The path that a name stands for, if no symbolic link and no `..` is in it: without a leading `/`,
/// without `.` and empty parts.
pub fn plain_path(name: &[u8]) -> Vec<u8> {
    components(kernel_name(name)).collect::<Vec<_>>().join(&b'/')
}

/// The components of a path that say something.
pub(crate) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|component| !matches!(*component, b"" | b"."))
}

/// A name's directories and its last component; `.` where there is none.
fn split_leaf(name: &[u8]) -> (&[u8], &[u8]) {
    let end = name.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    match split(&name[..end]) {
        (b"", b"") => (b"", b"."),
        parts => parts,
    }
}

/// A path's directory and its last component.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}
