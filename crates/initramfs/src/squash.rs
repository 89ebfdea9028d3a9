//! Several segments made one, which unpacks to the same tree.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use crate::compression::{Compression, Encoder};
use crate::error::{Error, Result};
use crate::image::{SEPARATOR, SegmentSummary};
use crate::newc::{Header, align, file_type};
use crate::read::{ImageEntry, ImageReader};
use crate::tree::{NodeId, NodeKind, Rules, Tree};
use crate::write::{ArchiveWriter, Statistics, cores};

/// Writes what the image in `file` unpacks to as one segment: of each name what the kernel would leave, directories
/// first. Segments with early files (microcode, ACPI tables) stay in front as they are. `path` is for messages.
///
/// After an error `out` holds a part of an image that must be thrown away. Errors: an image that the kernel would
/// stop in, what cannot be read, what `out` says.
pub fn squash<W: Write>(
    file: &File,
    path: &Path,
    compression: Compression,
    mut out: W,
) -> Result<Statistics> {
    let unreadable = |source| Error::Read { path: path.into(), source };
    let (tree, segments, early) = read_tree(file, path)?;
    let mut written = 0;
    if let Some(end) = segments[..early.segments].last().map(|segment| segment.offset + segment.size) {
        let mut head = file.try_clone().map_err(unreadable)?;
        std::io::Seek::rewind(&mut head).map_err(unreadable)?;
        written = std::io::copy(&mut head.take(end), &mut out)?;
        let aligned = align(written + SEPARATOR);
        out.write_all(&[0; 8][..(aligned - written) as usize])?;
        written = aligned;
    }
    let writer = ArchiveWriter::new(Encoder::new(compression, cores(), out)?);
    let mut squash = Squash { writer, tree: &tree, early: early.entries, inode: 0, entries: 0 };
    squash.directories(early.root)?;
    let waiting = squash.contents();
    let mut reader = ImageReader::new(file).map_err(unreadable)?;
    let mut number = 0;
    while let Some(mut entry) = reader.next_entry().map_err(unreadable)? {
        if let Some(names) = waiting.get(&number) {
            squash.node(names, &mut entry)?;
        }
        number += 1;
    }
    let entries = squash.entries;
    let (uncompressed, packed, mut out) = squash.writer.finish()?;
    out.flush()?;
    Ok(Statistics { entries, uncompressed, written: written + packed })
}

/// What stands in front and stays there.
#[derive(Default)]
struct Early {
    segments: usize,
    /// Entries of those segments.
    entries: u64,
    /// Whether an entry behind them speaks of the root directory.
    root: bool,
}

fn read_tree(file: &File, path: &Path) -> Result<(Tree, Vec<SegmentSummary>, Early)> {
    let unreadable = |source| Error::Read { path: path.into(), source };
    let mut reader = ImageReader::new(file).map_err(unreadable)?;
    let mut tree = Tree::new(Rules::Kernel);
    let mut root = false;
    let mut number = 0;
    while let Some(entry) = reader.next_entry().map_err(unreadable)? {
        let applied = tree.apply(&entry.tree_entry(number));
        root |= applied.outcome == crate::tree::Outcome::Changed(Tree::ROOT);
        number += 1;
    }
    let summary = reader.into_summary();
    if let Some(stop) = summary.stopped_at() {
        let why = format!("cannot be squashed: the kernel would stop at {stop}; unpack it and pack it again");
        return Err(Error::Archive { path: path.into(), why });
    }
    let segments = summary.segments.iter().rposition(|segment| segment.early).map_or(0, |last| last + 1);
    let entries = summary.segments[..segments].iter().map(|segment| segment.entries).sum();
    Ok((tree, summary.segments, Early { segments, entries, root }))
}

struct Squash<'a, W: Write> {
    writer: ArchiveWriter<W>,
    tree: &'a Tree,
    /// Entries below this number stay where they are.
    early: u64,
    inode: u32,
    entries: u64,
}

impl<W: Write> Squash<'_, W> {
    /// A header of what the node is by now.
    fn header(&mut self, id: NodeId) -> Header {
        let node = self.tree.node(id);
        self.inode += 1;
        let (node_major, node_minor) = match node.kind {
            NodeKind::Character { major, minor } | NodeKind::Block { major, minor } => (major, minor),
            _ => (0, 0),
        };
        Header {
            inode: self.inode,
            mode: node.kind.file_type() | node.mode,
            uid: node.uid,
            gid: node.gid,
            mtime: node.mtime,
            link_count: node.link_count,
            node_major,
            node_minor,
            ..Header::default()
        }
    }

    fn put(&mut self, header: Header, name: &[u8]) -> Result<()> {
        self.entries += 1;
        self.writer.header(header, name)
    }

    fn directories(&mut self, root: bool) -> Result<()> {
        if root {
            let header = self.header(Tree::ROOT);
            self.put(Header { link_count: 2, ..header }, b".")?;
        }
        let mut found = Vec::new();
        self.tree.walk(|path, name| {
            let directory = matches!(self.tree.node(name.node).kind, NodeKind::Directory { .. });
            if directory && name.entry.is_none_or(|entry| entry >= self.early) {
                found.push((path.to_vec(), name.node));
            }
        });
        for (path, node) in found {
            let header = self.header(node);
            self.put(Header { link_count: 2, ..header }, &path)?;
        }
        Ok(())
    }

    /// All names of everything else, by the number of the entry at which it goes out: the one with its content.
    fn contents(&self) -> HashMap<u64, (NodeId, Vec<Vec<u8>>)> {
        let mut names: HashMap<NodeId, (u64, Vec<Vec<u8>>)> = HashMap::new();
        self.tree.walk(|path, name| {
            let made = match self.tree.node(name.node).kind {
                NodeKind::Directory { .. } => return,
                NodeKind::File { content, .. } => content,
                _ => name.entry.unwrap_or(0),
            };
            let place = names.entry(name.node).or_insert((made, Vec::new()));
            place.1.push(path.to_vec());
        });
        let behind = names.into_iter().filter(|(_, (made, _))| *made >= self.early);
        behind.map(|(node, (made, names))| (made, (node, names))).collect()
    }

    /// A file, link or node with all its names; its data, which `entry` holds, at the last.
    fn node<S: crate::Source + Clone>(
        &mut self,
        (node, names): &(NodeId, Vec<Vec<u8>>),
        entry: &mut ImageEntry<'_, S>,
    ) -> Result<()> {
        let header = Header { link_count: names.len() as u32, ..self.header(*node) };
        let Some((last, others)) = names.split_last() else { return Ok(()) };
        for name in others {
            self.put(header, name)?;
        }
        let size = match (header.file_type(), &self.tree.node(*node).kind) {
            (file_type::SYMLINK, NodeKind::Symlink(target)) => {
                self.put(Header { size: target.len() as u32, ..header }, last)?;
                self.writer.bytes(target)?;
                return self.writer.pad();
            }
            (_, NodeKind::File { size, .. }) => *size,
            _ => 0,
        };
        self.put(Header { size, ..header }, last)?;
        self.writer.data(entry)
    }
}
