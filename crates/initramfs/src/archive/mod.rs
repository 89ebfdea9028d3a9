//! An archive in a file, changed in place: a change is appended as a small segment, as the kernel lets later
//! entries replace earlier ones; what cannot be said so rewrites the segments it stands in.

mod append;
mod index;
mod names;
mod rewrite;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use self::append::Appender;
pub use self::append::was_cut;
pub use self::index::Found;
use self::index::{Index, Place};
use self::names::read_names;
use crate::compression::{Compression, Encoder};
use crate::decompress::Form;
use crate::error::{Error, Result, show};
use crate::list::List;
use crate::manifest::{Content, Entry, Kind};
use crate::newc::{Header, file_type};
use crate::plan::plan;
use crate::problem::Problem;
use crate::read::ImageReader;
use crate::source::Source;
use crate::tree::{SYMLINKS_MAX, components};
use crate::write::{ArchiveWriter, is_early};

/// Content up to this size is appended as it is: to compress it would make the kernel's decompressor start for
/// less than a few pages.
const PLAIN_MAX: u64 = 16 << 10;

/// An archive that is open for changes and locked against other such commands (flock(2)).
pub struct Archive {
    file: File,
    path: PathBuf,
    index: Index,
    repaired: Option<u64>,
}

/// What a change did to the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It was so already; nothing was written.
    Nothing,
    /// A segment was appended; all before it is untouched.
    Appended {
        /// Bytes by which the archive grew.
        bytes: u64,
    },
    /// Segments were written anew.
    Rewritten {
        /// Their numbers, from 1.
        segments: Vec<usize>,
        /// Why that had to be.
        why: &'static str,
    },
}

impl Archive {
    /// Opens the archive at `path`. Names are looked up in an index that is kept in the folder `cache`, where one is
    /// given; without one of the archive as it is now, all of it is read once.
    ///
    /// An append that was cut is taken back: see [`repaired`](Self::repaired). Errors: a file that cannot be read and
    /// written, that another command is changing, or that the kernel would stop in: what is appended behind that
    /// would never be read.
    pub fn open(path: &Path, cache: Option<&Path>) -> Result<Archive> {
        let unreadable = |source| Error::Read { path: path.into(), source };
        let absolute = path.canonicalize().map_err(unreadable)?;
        let opened = File::options().read(true).write(true).open(&absolute);
        let file = opened.map_err(|source| match File::open(&absolute) {
            Ok(_) => Error::Write { source },
            Err(source) => unreadable(source),
        })?;
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(problem(path, "is not a regular file; give a file that holds an initramfs"));
        }
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => {
                problem(path, "is being changed by another command; try again once that has ended")
            }
            other => unreadable(other.into()),
        })?;
        let kept = cache.map(|folder| Index::file_for(folder, &absolute));
        if let Some(index) = kept.as_deref().and_then(|kept| Index::load(kept, &file)) {
            return Ok(Archive { file, path: absolute, index, repaired: None });
        }
        let (names, repaired) = read_names(&file, path)?;
        let index = Index::make(names, &file, kept).map_err(unreadable)?;
        Ok(Archive { file, path: absolute, index, repaired })
    }

    /// How many bytes of an append that was cut were taken back when the archive was opened.
    pub fn repaired(&self) -> Option<u64> {
        self.repaired
    }

    /// The name by which the tree has what is at `path`, symbolic links on the way and at its end followed: it need
    /// not be there itself. Errors: an index that cannot be read, links that go round, a file on the way.
    pub fn resolve(&self, path: &[u8]) -> Result<Vec<u8>> {
        let mut waiting = reversed(path);
        let mut at = Vec::new();
        let mut followed = 0;
        while let Some(component) = waiting.pop() {
            if component == b".." {
                at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
                continue;
            }
            let parent = at.len();
            if parent > 0 {
                at.push(b'/');
            }
            at.extend(component);
            match self.get(&at)? {
                Some(link) if link.is(file_type::SYMLINK) => {
                    followed += 1;
                    if followed > SYMLINKS_MAX {
                        return Err(Error::Value {
                            path: show(path),
                            why: "goes round in symbolic links".into(),
                        });
                    }
                    at.truncate(if link.target.starts_with(b"/") { 0 } else { parent });
                    waiting.extend(reversed(&link.target));
                }
                Some(other) if !waiting.is_empty() && !other.is(file_type::DIRECTORY) => {
                    return Err(no_directory(path, &at));
                }
                _ => {}
            }
        }
        Ok(at)
    }

    /// As [`resolve`](Self::resolve), a symbolic link at the end not followed.
    pub fn resolve_parent(&self, path: &[u8]) -> Result<Vec<u8>> {
        let all: Vec<&[u8]> = components(path).collect();
        let Some((last, parents)) = all.split_last() else { return Ok(Vec::new()) };
        let mut resolved = self.resolve(&parents.join(&b'/'))?;
        if !resolved.is_empty() {
            resolved.push(b'/');
        }
        resolved.extend_from_slice(last);
        Ok(resolved)
    }

    /// What stands at a name of the tree, as [`resolve`](Self::resolve) gives it.
    pub fn get(&self, name: &[u8]) -> Result<Option<Found>> {
        self.index.get(name).map_err(|source| Error::Read { path: self.path.clone(), source })
    }

    /// Writes the content of a file of the archive to `out`.
    pub fn content(&self, found: &Found, out: &mut impl Write) -> Result<()> {
        let unreadable = |source| Error::Read { path: self.path.clone(), source };
        if found.header.size == 0 {
            return Ok(());
        }
        let Place { segment, entry: wanted, form } = found.place;
        // In a plain segment the reader can begin at the entry itself.
        let start = if form == Form::Plain { wanted } else { segment };
        let mut reader =
            ImageReader::new(Part::from(&self.file, start).map_err(unreadable)?).map_err(unreadable)?;
        while let Some(mut entry) = reader.next_entry().map_err(unreadable)? {
            if form == Form::Plain || entry.offset() == wanted {
                let mut buffer = vec![0; 128 << 10];
                loop {
                    match entry.read(&mut buffer).map_err(unreadable)? {
                        0 => return Ok(()),
                        count => out.write_all(&buffer[..count])?,
                    }
                }
            }
        }
        Err(problem(&self.path, "no longer holds what its index says; try again"))
    }

    /// Makes `entry` what stands at `name` (as [`resolve`](Self::resolve) gives it), with the directories that are
    /// missing above it, root's and 0755.
    ///
    /// What can be said by a later entry is appended as a segment: plain, or in the form of the segment that the
    /// entry replaces where it is large. The kernel takes that entry otherwise than meant where a directory that holds
    /// something becomes a file, where a node gets other numbers, where a file has several names (all of them would
    /// change), and where early files are read from the first segment alone: then the segments it stands in are
    /// written anew. After an error the archive is what it was.
    pub fn put(self, name: &[u8], entry: Entry) -> Result<Edited> {
        if name.is_empty() && entry.kind != Kind::Directory {
            return Err(Error::Value { path: ".".into(), why: "the root can only be a directory".into() });
        }
        let old = self.get(name)?;
        let why = match &old {
            Some(old) => self.why_rewrite(name, old, &entry)?,
            None if is_early(name) => {
                let why = "the kernel reads this from the start of the image alone, and it is not there; pack it \
                           into a segment of its own and put that first";
                return Err(Error::Value { path: show(name), why: why.into() });
            }
            None => None,
        };
        match why {
            Some(why) => self.rewrite(name, Some(entry), why),
            None => self.append(name, entry, old.as_ref()),
        }
    }

    /// Removes `name` (as [`resolve_parent`](Self::resolve_parent) gives it) and, with `all`, what stands below it,
    /// from every segment that holds it. Errors: nothing of that name; a directory that holds something, without
    /// `all`.
    pub fn remove(self, name: &[u8], all: bool) -> Result<Edited> {
        let absent = || Error::Value { path: show(name), why: "is not in the archive".into() };
        if name.is_empty() {
            return Err(Error::Value { path: ".".into(), why: "the root cannot be removed".into() });
        }
        let found = self.get(name)?.ok_or_else(absent)?;
        if found.is(file_type::DIRECTORY) && !all && self.holds_something(name)? {
            let why = "is a directory that holds something; ask for all that is below it to go too".into();
            return Err(Error::Value { path: show(name), why });
        }
        self.rewrite(name, None, "no later entry can take one away")
    }

    fn holds_something(&self, name: &[u8]) -> Result<bool> {
        self.index.holds_something(name).map_err(|source| Error::Read { path: self.path.clone(), source })
    }

    /// Why a later entry would not do, if it would not.
    fn why_rewrite(&self, name: &[u8], old: &Found, new: &Entry) -> Result<Option<&'static str>> {
        if is_early(name) {
            return Ok(Some("the kernel reads this from the start of the image alone"));
        }
        let several = old.header.link_count > 1 && !old.is(file_type::DIRECTORY);
        if several {
            return Ok(Some("a later entry would change all names of the file"));
        }
        let same_type = old.is(type_of(&new.kind));
        if old.is(file_type::DIRECTORY) && !same_type && self.holds_something(name)? {
            return Ok(Some("a directory that holds something is not replaced by a later entry"));
        }
        Ok(match &new.kind {
            Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor }
                if same_type && (*major, *minor) != (old.header.node_major, old.header.node_minor) =>
            {
                Some("a node keeps its numbers when a later entry comes")
            }
            _ => None,
        })
    }

    fn append(mut self, name: &[u8], entry: Entry, old: Option<&Found>) -> Result<Edited> {
        let mut list = List::new();
        for parent in missing_parents(&self, name)? {
            list.push(parent, Entry::directory(0o755))?;
        }
        let place = if name.is_empty() { b"." } else { name };
        list.push(place, entry)?;
        let large = list.entries().any(|(_, entry)| size_of(entry) > PLAIN_MAX);
        let form = old.filter(|_| large).map_or(Form::Plain, |old| old.place.form);
        let compression = form.compression().unwrap_or(Compression::None);
        let length =
            self.file.metadata().map_err(|source| Error::Read { path: self.path.clone(), source })?.len();
        let (headers, end) = append_list(&self.file, length, &list, compression)?;
        // What has been written counts; an index that cannot follow is of an archive that is no longer there.
        let start = append::place(length);
        let form = compression.form();
        let base = if form == Form::Plain { start } else { 0 };
        let changes = list.entries().zip(headers).map(|((name, entry), (header, at))| {
            let target = if let Kind::Symlink(target) = &entry.kind { target.clone() } else { Vec::new() };
            let name = if name == b"." { Vec::new() } else { name.to_vec() };
            (name, Found { header, target, place: Place { segment: start, form, entry: base + at } })
        });
        let changes = changes.collect();
        let _ = self.index.change(changes, &self.file);
        Ok(Edited::Appended { bytes: end - length })
    }

    fn rewrite(self, name: &[u8], entry: Option<Entry>, why: &'static str) -> Result<Edited> {
        let segments = rewrite::rewrite(&self.file, &self.path, name, entry.as_ref())?;
        self.index.discard();
        Ok(Edited::Rewritten { segments, why })
    }
}

/// Appends the list as one segment: the headers with where they stand in it, and the archive's new length.
fn append_list(
    file: &File,
    length: u64,
    list: &List,
    compression: Compression,
) -> Result<(Vec<(Header, u64)>, u64)> {
    let planned = plan(list.entries())?;
    let mut appender = Appender::begin(file, length)?;
    let written = (|| {
        let mut headers = Vec::new();
        let mut writer = ArchiveWriter::new(Encoder::new(compression, 1, &mut appender)?);
        for entry in &planned {
            headers.push(writer.entry(entry)?);
        }
        writer.finish()?;
        Ok(headers)
    })();
    match written {
        Ok(headers) => Ok((headers, appender.finish()?)),
        Err(Error::Write { source }) => Err(appender.take_back(source).into()),
        Err(other) => {
            // The list's own fault; that it cannot be cut off again would be told by the next command.
            let _ = appender.take_back(io::ErrorKind::Other.into());
            Err(other)
        }
    }
}

fn no_directory(path: &[u8], parent: &[u8]) -> Error {
    Error::Value { path: show(path), why: format!("/{} is no directory", show(parent)) }
}

/// The components of a path, the last one first.
fn reversed(path: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = components(path).map(<[u8]>::to_vec).collect();
    all.reverse();
    all
}

/// The directories above a name that are not there, the upper one first.
fn missing_parents(archive: &Archive, name: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut missing = Vec::new();
    for (at, _) in name.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        match archive.get(&name[..at])? {
            None => missing.push(name[..at].to_vec()),
            Some(parent) if parent.is(file_type::DIRECTORY) => {}
            Some(_) => return Err(no_directory(name, &name[..at])),
        }
    }
    Ok(missing)
}

fn type_of(kind: &Kind) -> u32 {
    match kind {
        Kind::Directory => file_type::DIRECTORY,
        Kind::File(_) | Kind::Hardlink(_) => file_type::REGULAR,
        Kind::Symlink(_) => file_type::SYMLINK,
        Kind::CharacterDevice { .. } => file_type::CHARACTER,
        Kind::BlockDevice { .. } => file_type::BLOCK,
        Kind::Fifo => file_type::FIFO,
        Kind::Socket => file_type::SOCKET,
    }
}

fn size_of(entry: &Entry) -> u64 {
    match &entry.kind {
        Kind::File(Content::Bytes(bytes)) => bytes.len() as u64,
        Kind::File(Content::Path(path)) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
        _ => 0,
    }
}

/// An archive that the kernel would stop in: what is appended behind that would never be read.
fn stops(path: &Path, stop: &Problem) -> Error {
    problem(path, &format!("cannot be changed: the kernel would stop at {stop}; pack it again"))
}

fn problem(path: &Path, why: &str) -> Error {
    Error::Archive { path: path.into(), why: why.into() }
}

/// A part of a file as a source of its own.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    file: &'a File,
    start: u64,
    size: u64,
}

impl<'a> Part<'a> {
    /// From this byte to the end.
    pub(crate) fn from(file: &'a File, start: u64) -> io::Result<Self> {
        Ok(Part { file, start, size: file.metadata()?.len().saturating_sub(start) })
    }

    /// So many bytes from this one.
    pub(crate) fn new(file: &'a File, start: u64, size: u64) -> Self {
        Part { file, start, size }
    }
}

impl Source for Part<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        Source::read_at(self.file, &mut buffer[..wanted], self.start + offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

#[cfg(test)]
mod tests;
