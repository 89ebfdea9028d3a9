//! What two images differ in, by the trees that the kernel makes of them.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io;

use sha2::{Digest, Sha256};

use crate::image::ImageSummary;
use crate::newc::file_type;
use crate::read::ImageReader;
use crate::source::Source;
use crate::tree::{Name, Node, NodeId, NodeKind, Rules, Tree};

/// The tree of an image, with a digest for the content of each file. Memory grows with the names alone.
pub struct Snapshot {
    tree: Tree,
    summary: ImageSummary,
    /// By the number of the entry that has the data.
    contents: HashMap<u64, [u8; 32]>,
}

/// A path at which two images differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path, without leading `/`; "." is the root directory.
    pub path: Vec<u8>,
    /// In what.
    pub change: Deviation,
}

/// How two images differ at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deviation {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it.
    Changed(Vec<Aspect>),
}

/// What is different of something that both images have: the first's and the second's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// The type bits of its mode. Nothing else is compared then.
    Type(u32, u32),
    /// Permission bits.
    Mode(u32, u32),
    /// User and group.
    Owner((u32, u32), (u32, u32)),
    /// A device's major and minor number.
    Device((u32, u32), (u32, u32)),
    /// A symbolic link's target.
    Target(Vec<u8>, Vec<u8>),
    /// A file's size in bytes.
    Size(u32, u32),
    /// A file's bytes, where the size is the same.
    Content,
    /// How many names lead to a file or node.
    Links(u32, u32),
    /// Time of last change, seconds since 1970.
    Time(u32, u32),
}

impl Snapshot {
    /// Reads a whole image, or up to where `stop` says so: then the snapshot is of no use. Errors: what the
    /// source says; faults of the image are in [`summary`](Self::summary).
    pub fn read<S: Source + Clone>(source: S, stop: impl Fn() -> bool) -> io::Result<Snapshot> {
        let mut tree = Tree::new(Rules::Kernel);
        let mut contents = HashMap::new();
        let mut reader = ImageReader::new(source)?;
        let mut number = 0;
        while let Some(mut entry) = reader.next_entry()?.filter(|_| !stop()) {
            tree.apply(&entry.tree_entry(number));
            if entry.header().file_type() == file_type::REGULAR {
                let mut digest = Sha256::new();
                // Data that is not all there is a fault, which the summary has.
                match entry.pieces(|bytes| digest.update(bytes)) {
                    Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
                    _ => contents.insert(number, digest.finalize().into()),
                };
            }
            number += 1;
        }
        Ok(Snapshot { tree, summary: reader.into_summary(), contents })
    }

    /// The segments of the image and what is wrong with it.
    pub fn summary(&self) -> &ImageSummary {
        &self.summary
    }

    /// What is different in `other`, by path; `times` says whether times count.
    pub fn diff(&self, other: &Snapshot, times: bool) -> Vec<Difference> {
        let mut found = Vec::new();
        let aspects = self.aspects(Tree::ROOT, other, Tree::ROOT, times);
        if !aspects.is_empty() {
            found.push(Difference { path: b".".to_vec(), change: Deviation::Changed(aspects) });
        }
        // A stack of our own: names can be thousands of components deep.
        let mut open = vec![(Vec::new(), Tree::ROOT, Tree::ROOT)];
        while let Some((path, left, right)) = open.pop() {
            self.diff_directory(other, &path, (left, right), times, &mut found, &mut open);
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    fn diff_directory(
        &self,
        other: &Snapshot,
        path: &[u8],
        (left, right): (NodeId, NodeId),
        times: bool,
        found: &mut Vec<Difference>,
        open: &mut Vec<(Vec<u8>, NodeId, NodeId)>,
    ) {
        let below = |name: &[u8]| if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() };
        for (name, left, right) in both(&self.tree, left, &other.tree, right) {
            let path = below(name);
            match (left, right) {
                (Some(left), Some(right)) => {
                    let aspects = self.aspects(left.node, other, right.node, times);
                    if !matches!(aspects.first(), Some(Aspect::Type(..))) {
                        open.push((path.clone(), left.node, right.node));
                    } else {
                        one_sided(&self.tree, &path, left, Deviation::Removed, found);
                        one_sided(&other.tree, &path, right, Deviation::Added, found);
                    }
                    if !aspects.is_empty() {
                        found.push(Difference { path, change: Deviation::Changed(aspects) });
                    }
                }
                (Some(name), None) => {
                    one_sided(&self.tree, &path, name, Deviation::Removed, found);
                    found.push(Difference { path, change: Deviation::Removed });
                }
                (None, Some(name)) => {
                    one_sided(&other.tree, &path, name, Deviation::Added, found);
                    found.push(Difference { path, change: Deviation::Added });
                }
                (None, None) => {}
            }
        }
    }

    fn aspects(&self, left: NodeId, other: &Snapshot, right: NodeId, times: bool) -> Vec<Aspect> {
        let (a, b) = (self.tree.node(left), other.tree.node(right));
        let (kind_a, kind_b) = (a.kind.file_type(), b.kind.file_type());
        if kind_a != kind_b {
            return vec![Aspect::Type(kind_a, kind_b)];
        }
        let mut aspects = Vec::new();
        let mut note = |different: bool, aspect| aspects.extend(different.then_some(aspect));
        // A symbolic link's mode means nothing.
        note(a.mode != b.mode && kind_a != file_type::SYMLINK, Aspect::Mode(a.mode, b.mode));
        note((a.uid, a.gid) != (b.uid, b.gid), Aspect::Owner((a.uid, a.gid), (b.uid, b.gid)));
        match (&a.kind, &b.kind) {
            (NodeKind::File { size: x, content: data_x }, NodeKind::File { size: y, content: data_y }) => {
                let same = self.contents.get(data_x) == other.contents.get(data_y);
                note(x != y, Aspect::Size(*x, *y));
                note(x == y && !same, Aspect::Content);
            }
            (NodeKind::Symlink(x), NodeKind::Symlink(y)) => {
                note(x != y, Aspect::Target(x.to_vec(), y.to_vec()));
            }
            _ => note(device(a) != device(b), Aspect::Device(device(a), device(b))),
        }
        let directory = kind_a == file_type::DIRECTORY;
        note(!directory && a.link_count != b.link_count, Aspect::Links(a.link_count, b.link_count));
        note(times && a.mtime != b.mtime, Aspect::Time(a.mtime, b.mtime));
        aspects
    }
}

fn device(node: &Node) -> (u32, u32) {
    match node.kind {
        NodeKind::Character { major, minor } | NodeKind::Block { major, minor } => (major, minor),
        _ => (0, 0),
    }
}

/// The names of two directories side by side, in the order of their bytes.
fn both<'t>(
    left: &'t Tree,
    left_at: NodeId,
    right: &'t Tree,
    right_at: NodeId,
) -> Vec<(&'t [u8], Option<Name>, Option<Name>)> {
    let mut merged = Vec::new();
    let (mut lefts, mut rights) = (left.names(left_at).peekable(), right.names(right_at).peekable());
    loop {
        let order = match (lefts.peek(), rights.peek()) {
            (None, None) => return merged,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let a = if order.is_le() { lefts.next() } else { None };
        let b = if order.is_ge() { rights.next() } else { None };
        let name = a.or(b).map(|(name, _)| name).unwrap_or_default();
        merged.push((name, a.map(|(_, found)| found), b.map(|(_, found)| found)));
    }
}

/// Everything in a directory that only one side has.
fn one_sided(tree: &Tree, path: &[u8], name: Name, change: Deviation, found: &mut Vec<Difference>) {
    tree.walk_from(name.node, |below, _| {
        found.push(Difference { path: [path, b"/", below].concat(), change: change.clone() });
    });
}
