//! The names of the tree that an archive unpacks to, each with what an index keeps of it.

use std::fs::File;
use std::path::Path;

use super::append::cut_append;
use super::index::{Found, Place};
use super::stops;
use crate::decompress::Form;
use crate::error::{Error, Result};
use crate::newc::Header;
use crate::problem::Fault;
use crate::read::ImageReader;
use crate::tree::{NodeKind, Rules, Tree};

/// All names of the archive, and how much of a cut append was taken back.
#[expect(clippy::type_complexity, reason = "what an index is made of")]
pub(crate) fn read_names(file: &File, path: &Path) -> Result<(Vec<(Vec<u8>, Found)>, Option<u64>)> {
    let unreadable = |source| Error::Read { path: path.into(), source };
    let mut reader = ImageReader::new(file).map_err(unreadable)?;
    let mut tree = Tree::new(Rules::Kernel);
    let mut places = Vec::new();
    while let Some(entry) = reader.next_entry().map_err(unreadable)? {
        let segment = entry.summary().segments[entry.segment()];
        places.push(Place { segment: segment.offset, form: segment.form, entry: entry.offset() });
        tree.apply(&entry.tree_entry(places.len() as u64 - 1));
    }
    let summary = reader.into_summary();
    let mut repaired = None;
    if let Some(stop) = summary.stopped_at() {
        let unknown = matches!(stop.fault, Fault::NoMagic) && stop.inside.is_none();
        let cut = if unknown { cut_append(file, stop.offset).map_err(unreadable)? } else { None };
        let Some(old_length) = cut else {
            return Err(stops(path, stop));
        };
        let length = file.metadata().map_err(unreadable)?.len();
        file.set_len(old_length)?;
        repaired = Some(length - old_length);
    }
    Ok((names_of(&tree, &places), repaired))
}

pub(crate) fn names_of(tree: &Tree, places: &[Place]) -> Vec<(Vec<u8>, Found)> {
    let nowhere = Place { segment: 0, form: Form::Plain, entry: 0 };
    let mut names = Vec::new();
    tree.walk(|path, name| {
        let node = tree.node(name.node);
        let (mut size, mut target, mut numbers, mut entry) = (0, Vec::new(), (0, 0), name.entry);
        match &node.kind {
            NodeKind::File { size: bytes, content } => (size, entry) = (*bytes, Some(*content)),
            NodeKind::Symlink(to) => target = to.to_vec(),
            NodeKind::Character { major, minor } | NodeKind::Block { major, minor } => {
                numbers = (*major, *minor)
            }
            NodeKind::Directory { .. } | NodeKind::Fifo | NodeKind::Socket => {}
        }
        let header = Header {
            mode: node.kind.file_type() | node.mode,
            uid: node.uid,
            gid: node.gid,
            mtime: node.mtime,
            link_count: node.link_count,
            size,
            node_major: numbers.0,
            node_minor: numbers.1,
            ..Header::default()
        };
        let place = entry.and_then(|entry| places.get(entry as usize)).copied().unwrap_or(nowhere);
        names.push((path.to_vec(), Found { header, target, place }));
    });
    names
}
