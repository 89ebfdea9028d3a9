//! Writing the segments anew in which a name stands. The other segments are copied as they are.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::names::{names_of, read_names};
use super::{Found, Part, problem, stops};
use crate::compression::{Compression, Encoder};
use crate::error::{Error, Result, show};
use crate::image::{SEPARATOR, SegmentSummary};
use crate::list::List;
use crate::manifest::Entry;
use crate::newc::{Header, align, file_type};
use crate::plan::plan;
use crate::read::{ImageEntry, ImageReader};
use crate::scratch::Scratch;
use crate::tree::{NodeId, NodeKind, Outcome, Rules, Tree, components, split};
use crate::write::{ArchiveWriter, cores, is_early};

/// Writes the archive anew without `name` and what is below it, and with `entry` in its place where one is given.
/// The numbers of the segments that changed, from 1. The archive is replaced by a rename: after an error it is what
/// it was.
pub(crate) fn rewrite(file: &File, path: &Path, name: &[u8], entry: Option<&Entry>) -> Result<Vec<usize>> {
    let keeps_below = entry.is_some_and(|entry| entry.kind == crate::manifest::Kind::Directory);
    let Search { segments, mut hits, names } = find(file, path, name, keeps_below)?;
    let place = if is_early(name) { hits.first() } else { hits.iter().rev().find(|hit| hit.itself) }.copied();
    let Some(place) = place else {
        return Err(problem(path, "no longer holds what its index says; try again"));
    };
    let changed: HashSet<usize> = hits.iter().map(|hit| hit.segment).collect();
    let scratch = Scratch::beside(path)?;
    scratch.look_like(file)?;
    let mut out = scratch.file.try_clone()?;
    let first = segments.first().map_or(0, |segment| segment.offset);
    let mut written = copy(file, 0, first, &mut out)?;
    for (number, segment) in segments.iter().enumerate() {
        if changed.contains(&number) {
            let ours = hits.extract_if(.., |hit| hit.segment == number).map(|hit| hit.entry).collect();
            let insert = entry.filter(|_| place.segment == number).map(|entry| (place.entry, entry));
            written += write_segment(file, segment, ours, name, insert, &mut out)?;
        } else {
            let end = match segments.get(number + 1) {
                Some(next) => next.offset,
                None => file.metadata()?.len(),
            };
            written += copy(file, segment.offset, end - segment.offset, &mut out)?;
        }
        let aligned = align(written);
        out.write_all(&[0; 3][..(aligned - written) as usize])?;
        written = aligned;
    }
    let goes = |other: &[u8]| other == name || (!keeps_below && is_below(other, name));
    check_rest(path, &names, &read_names(&scratch.file, path)?.0, goes)?;
    // On the disk before it takes the place of what may be the only copy.
    scratch.file.sync_data()?;
    scratch.replace()?;
    let mut changed: Vec<usize> = changed.into_iter().map(|number| number + 1).collect();
    changed.sort_unstable();
    Ok(changed)
}

/// An entry that goes.
#[derive(Clone, Copy)]
struct Hit {
    segment: usize,
    /// Its number within the segment.
    entry: u64,
    /// Whether it is the name itself, not something below it.
    itself: bool,
}

fn is_below(name: &[u8], directory: &[u8]) -> bool {
    name.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Segments hang on each other in ways that taking entries out of them cannot keep: a name that goes through a symbolic
/// link, content that a later entry wrote by another name. Where that is so, nothing is changed.
fn check_rest(
    path: &Path,
    old: &[(Vec<u8>, Found)],
    new: &[(Vec<u8>, Found)],
    goes: impl Fn(&[u8]) -> bool,
) -> Result<()> {
    let rest = |names: &[(Vec<u8>, Found)]| {
        let stays = names.iter().filter(|(name, _)| !goes(name));
        // How many names a file has is what may change; where it stands must.
        stays
            .map(|(name, found)| {
                (name.clone(), Header { link_count: 0, ..found.header }, found.target.clone())
            })
            .collect::<Vec<_>>()
    };
    let (old, new) = (rest(old), rest(new));
    let differs = old.iter().zip(&new).find(|(old, new)| old != new).map(|(old, _)| old);
    match differs.or(old.get(new.len())).or(new.get(old.len())) {
        Some((name, ..)) => Err(tangled(path, name)),
        None => Ok(()),
    }
}

fn tangled(path: &Path, name: &[u8]) -> Error {
    let name = show(name);
    problem(
        path,
        &format!(
            "cannot be changed so: its segments hang on each other, and /{name} would change too; \
                            squash it and try again"
        ),
    )
}

/// What a walk over the archive found.
struct Search {
    segments: Vec<SegmentSummary>,
    hits: Vec<Hit>,
    names: Vec<(Vec<u8>, Found)>,
}

/// The segments, and the entries whose names lead to `name` or below it by the time they are unpacked.
fn find(file: &File, path: &Path, name: &[u8], keeps_below: bool) -> Result<Search> {
    let unreadable = |source| Error::Read { path: path.into(), source };
    let mut reader = ImageReader::new(file).map_err(unreadable)?;
    let mut tree = Tree::new(Rules::Kernel);
    let (mut number, mut segment, mut in_segment, mut hits) = (0, 0, 0, Vec::new());
    while let Some(entry) = reader.next_entry().map_err(unreadable)? {
        if entry.segment() != segment {
            (segment, in_segment) = (entry.segment(), 0);
        }
        let standing = tree_place(&tree, entry.name(), name);
        let goes = standing.itself || (standing.below && !keeps_below);
        if goes {
            hits.push(Hit { segment, entry: in_segment, itself: standing.itself });
        }
        let applied = tree.apply(&entry.tree_entry(number));
        if let (true, Outcome::Changed(node)) = (goes, applied.outcome) {
            let node = tree.node(node);
            // It changed the file for all its names.
            if node.link_count > 1 && !matches!(node.kind, NodeKind::Directory { .. }) {
                return Err(tangled(path, entry.name()));
            }
        }
        number += 1;
        in_segment += 1;
    }
    let summary = reader.into_summary();
    if let Some(stop) = summary.stopped_at() {
        return Err(stops(path, stop));
    }
    Ok(Search { segments: summary.segments, hits, names: names_of(&tree, &[]) })
}

/// How an entry's name stands to the wanted one.
struct Standing {
    itself: bool,
    below: bool,
}

fn tree_place(tree: &Tree, entry: &[u8], wanted: &[u8]) -> Standing {
    let (parent, leaf) = split(wanted);
    let own: Vec<&[u8]> = components(entry).collect();
    let Some((own_leaf, own_parents)) = own.split_last() else {
        return Standing { itself: false, below: false };
    };
    let own_parent = tree.resolve(&own_parents.join(&b'/'));
    let itself = *own_leaf == leaf && own_parent.is_some() && own_parent == tree.resolve(parent);
    let directory = tree.find(wanted).filter(|id| matches!(tree.node(*id).kind, NodeKind::Directory { .. }));
    let below = match (directory, own_parent) {
        (Some(directory), Some(at)) => is_within(tree, at, directory),
        _ => false,
    };
    Standing { itself, below }
}

fn is_within(tree: &Tree, mut at: NodeId, directory: NodeId) -> bool {
    while at != directory {
        match &tree.node(at).kind {
            NodeKind::Directory { parent, .. } if at != Tree::ROOT => at = *parent,
            _ => return false,
        }
    }
    true
}

/// An entry of a segment, apart from its data.
struct Seen {
    header: Header,
    name: Vec<u8>,
}

/// What is done about the entries of a segment.
struct Surgery {
    removed: HashSet<u64>,
    /// The name that carries the data of a removed entry from now on.
    carriers: HashMap<u64, u64>,
    /// How many names a file has left.
    link_counts: HashMap<u64, u32>,
    seen: Vec<Seen>,
}

/// Writes one segment and the NULs behind it; nothing where all of it goes. The bytes written.
fn write_segment(
    file: &File,
    segment: &SegmentSummary,
    removed: HashSet<u64>,
    name: &[u8],
    insert: Option<(u64, &Entry)>,
    out: &mut File,
) -> Result<u64> {
    let part = Part::new(file, segment.offset, segment.size);
    let surgery = Surgery::plan(part, removed)?;
    if insert.is_none() && surgery.removed.len() == surgery.seen.len() {
        return Ok(0);
    }
    let compression = segment.form.compression().unwrap_or(Compression::None);
    let mut writer = ArchiveWriter::new(Encoder::new(compression, cores(), out)?);
    let mut reader = ImageReader::new(part)?;
    let (mut number, mut scope) = (0, 0);
    while let Some(mut entry) = reader.next_entry()? {
        if entry.link_scope() != scope {
            scope = entry.link_scope();
            writer.trailer()?;
        }
        if let Some((_, new)) = insert.filter(|(place, _)| *place == number) {
            surgery.insert(&mut writer, name, new)?;
        }
        surgery.keep(&mut writer, number, &mut entry)?;
        number += 1;
    }
    let (_, written, out) = writer.finish()?;
    out.write_all(&[0; SEPARATOR as usize])?;
    Ok(written + SEPARATOR)
}

impl Surgery {
    fn plan(part: Part, removed: HashSet<u64>) -> Result<Surgery> {
        let mut reader = ImageReader::new(part)?;
        let (mut seen, mut groups) = (Vec::new(), HashMap::<_, Vec<u64>>::new());
        while let Some(entry) = reader.next_entry()? {
            let header = entry.header();
            let kind = header.file_type();
            if header.link_count >= 2 && !matches!(kind, file_type::SYMLINK | file_type::DIRECTORY) {
                let key = (entry.link_scope(), header.device_major, header.device_minor, header.inode, kind);
                groups.entry(key).or_default().push(seen.len() as u64);
            }
            seen.push(Seen { header, name: entry.name().to_vec() });
        }
        let mut surgery = Surgery { removed, carriers: HashMap::new(), link_counts: HashMap::new(), seen };
        for group in groups.into_values() {
            surgery.plan_group(&group);
        }
        Ok(surgery)
    }

    /// The names of one file: those that stay have fewer others, and one of them carries the data.
    fn plan_group(&mut self, group: &[u64]) {
        let (gone, left): (Vec<u64>, Vec<u64>) = group.iter().partition(|entry| self.removed.contains(entry));
        if gone.is_empty() || left.is_empty() {
            return;
        }
        let count = self.seen[group[0] as usize].header.link_count - gone.len().min(u32::MAX as usize) as u32;
        self.link_counts.extend(left.iter().map(|entry| (*entry, count.max(left.len() as u32))));
        let with_data = group.iter().rev().find(|entry| self.seen[**entry as usize].header.size > 0);
        // The data that comes last counts.
        if let Some(carrier) = with_data.filter(|entry| self.removed.contains(entry)) {
            let before = left.iter().rev().find(|entry| *entry < carrier);
            self.carriers.extend(before.or(left.first()).map(|name| (*carrier, *name)));
        }
    }

    /// The new entry, with an inode number that no other has.
    fn insert<W: Write>(&self, writer: &mut ArchiveWriter<W>, name: &[u8], entry: &Entry) -> Result<()> {
        let mut list = List::new();
        list.push(name, entry.clone())?;
        let highest = self.seen.iter().map(|seen| seen.header.inode).max().unwrap_or(0);
        for mut planned in plan(list.entries())? {
            planned.header.inode = highest.saturating_add(1);
            writer.entry(&planned)?;
        }
        Ok(())
    }

    /// Writes an entry that stays, or what becomes of one that goes.
    fn keep<W: Write>(
        &self,
        writer: &mut ArchiveWriter<W>,
        number: u64,
        entry: &mut ImageEntry<'_, Part>,
    ) -> Result<()> {
        let size = entry.header().size;
        let written_as = match (self.removed.contains(&number), self.carriers.get(&number)) {
            (true, None) => return Ok(()),
            (true, Some(name)) => {
                self.directories(writer, *name, number)?;
                *name
            }
            // Its place is now where its data was.
            (false, _) if self.carriers.values().any(|name| *name == number) => return Ok(()),
            (false, _) => number,
        };
        let Seen { header, name } = &self.seen[written_as as usize];
        let link_count = self.link_counts.get(&written_as).copied().unwrap_or(header.link_count);
        // The sum of a header with one is left out: the magic that goes with it is not written.
        writer.header(Header { size, link_count, checksum: 0, ..*header }, name)?;
        writer.data(entry)
    }

    /// The directories of a name that stood further behind and now comes at `place`.
    fn directories<W: Write>(&self, writer: &mut ArchiveWriter<W>, name: u64, place: u64) -> Result<()> {
        let own: Vec<&[u8]> = components(&self.seen[name as usize].name).collect();
        for Seen { header, name: directory } in
            self.seen.iter().skip(place as usize).take(name.saturating_sub(place) as usize)
        {
            let is_above = own.len() > components(directory).count()
                && components(directory).zip(&own).all(|(one, other)| one == *other);
            if header.file_type() == file_type::DIRECTORY && is_above {
                writer.header(Header { size: 0, ..*header }, directory)?;
            }
        }
        Ok(())
    }
}

/// Copies bytes of the archive; the kernel does it, and file systems that can share the blocks.
fn copy(file: &File, start: u64, size: u64, out: &mut File) -> Result<u64> {
    let mut source = file.try_clone()?;
    source.seek(SeekFrom::Start(start))?;
    let copied = io::copy(&mut source.take(size), out)?;
    if copied < size {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(copied)
}
