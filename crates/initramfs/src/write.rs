//! From a manifest to the bytes of one segment.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use crate::compression::{Compression, Encoder};
use crate::error::{Error, Result, show};
use crate::manifest::{Content, Entry, FILE_SIZE_MAX, Kind, Manifest};
use crate::newc::{Header, TRAILER, align, file_type};

/// Bytes by which files are read and the output is written.
const BUFFER_SIZE: usize = 256 << 10;

/// What packing made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Entries, the trailer not counted.
    pub entries: u64,
    /// Bytes of the newc archive before compression.
    pub uncompressed: u64,
    /// Bytes that went to the output.
    pub written: u64,
}

/// Packs `manifest` into one segment: one newc archive that ends with `TRAILER!!!`, compressed as asked.
/// The same manifest and file contents give the same bytes, on every machine and whoever runs it.
///
/// After an error `out` holds a part of a segment that must be thrown away; write to a scratch file and
/// rename it. Errors: a hard link that leads nowhere, an input that cannot be read, is not a regular
/// file, changes while it is read or is larger than 4 GiB - 1, early files to be compressed, and what
/// `out` says.
pub fn pack<W: Write>(manifest: &Manifest, compression: Compression, out: W) -> Result<Statistics> {
    manifest.check()?;
    if compression != Compression::None {
        refuse_early(manifest)?;
    }
    // A header, a name and its padding are a few bytes each: they go out together.
    let out = BufWriter::with_capacity(BUFFER_SIZE, out);
    let encoder = Encoder::new(compression, Counter::new(out))?;
    let mut archive =
        Archive { out: Counter::new(encoder), buffer: Vec::new(), inodes: Inodes::new(manifest) };
    for (path, entry) in manifest.entries() {
        archive.entry(manifest, path, entry)?;
    }
    archive.write_header(Header { link_count: 1, ..Header::default() }, TRAILER)?;
    let uncompressed = archive.out.count;
    let mut counter = archive.out.inner.finish()?;
    counter.flush()?;
    Ok(Statistics { entries: manifest.len() as u64, uncompressed, written: counter.count })
}

/// Directories whose files the kernel reads before it unpacks anything (`find_cpio_data` in
/// lib/earlycpio.c; its callers in arch/x86/kernel/cpu/microcode and drivers/acpi/tables.c).
pub(crate) const EARLY: [&[u8]; 2] = [b"kernel/x86/microcode/", b"kernel/firmware/acpi/"];

fn refuse_early(manifest: &Manifest) -> Result<()> {
    for (path, _) in manifest.entries() {
        if EARLY.iter().any(|early| path.starts_with(early)) {
            let why = "the kernel looks for this before it can decompress; put it into a segment of its own \
                       with compression none, first in the image";
            return Err(Error::Value { path: show(path), why: why.into() });
        }
    }
    Ok(())
}

/// The names of one regular file.
struct Links {
    count: u32,
    left: u32,
    inode: Option<u32>,
}

/// Gives out inode numbers: 1, 2, 3 in the order of the archive, one for all names of a file.
struct Inodes<'a> {
    next: u32,
    linked: HashMap<&'a [u8], Links>,
}

impl<'a> Inodes<'a> {
    fn new(manifest: &'a Manifest) -> Self {
        let mut linked: HashMap<&[u8], Links> = HashMap::new();
        for (_, entry) in manifest.entries() {
            if let Kind::Hardlink(target) = &entry.kind {
                let links = linked.entry(target).or_insert(Links { count: 1, left: 1, inode: None });
                links.count += 1;
                links.left += 1;
            }
        }
        Inodes { next: 1, linked }
    }

    fn fresh(&mut self) -> u32 {
        let inode = self.next;
        self.next += 1;
        inode
    }

    /// Inode number and link count of the file at `path`, and whether this is its last name.
    fn of_file(&mut self, path: &[u8]) -> (u32, u32, bool) {
        let fresh = self.next;
        let Some(links) = self.linked.get_mut(path) else { return (self.fresh(), 1, true) };
        let inode = *links.inode.get_or_insert(fresh);
        if inode == fresh {
            self.next += 1;
        }
        links.left -= 1;
        (inode, links.count, links.left == 0)
    }
}

struct Archive<'a, W: Write> {
    out: Counter<W>,
    buffer: Vec<u8>,
    inodes: Inodes<'a>,
}

impl<W: Write> Archive<'_, W> {
    fn entry(&mut self, manifest: &Manifest, path: &[u8], entry: &Entry) -> Result<()> {
        match &entry.kind {
            Kind::Directory => {
                // 2, as usr/gen_init_cpio.c writes it: nothing reads a directory's count, and the real
                // one would change with every segment appended.
                self.node(path, entry, file_type::DIRECTORY, 2, (0, 0))
            }
            Kind::CharacterDevice { major, minor } => {
                self.node(path, entry, file_type::CHARACTER, 1, (*major, *minor))
            }
            Kind::BlockDevice { major, minor } => {
                self.node(path, entry, file_type::BLOCK, 1, (*major, *minor))
            }
            Kind::Fifo => self.node(path, entry, file_type::FIFO, 1, (0, 0)),
            Kind::Symlink(target) => {
                let inode = self.inodes.fresh();
                let header = header(entry, file_type::SYMLINK, inode, 1);
                self.write_header(Header { size: target.len() as u32, ..header }, path)?;
                self.out.write_all(target)?;
                self.pad()
            }
            Kind::File(content) => self.file(path, entry, path, content),
            Kind::Hardlink(target) => match manifest.get(target) {
                Some(file @ Entry { kind: Kind::File(content), .. }) => {
                    self.file(path, file, target, content)
                }
                _ => unreachable!("Manifest::check has seen the target"),
            },
        }
    }

    /// An entry without data.
    fn node(&mut self, path: &[u8], entry: &Entry, kind: u32, links: u32, node: (u32, u32)) -> Result<()> {
        let inode = self.inodes.fresh();
        let header = header(entry, kind, inode, links);
        self.write_header(Header { node_major: node.0, node_minor: node.1, ..header }, path)
    }

    /// One name of a regular file. The data stands at the last name, as GNU cpio has it: readers that
    /// look at one entry after the other then know that an empty first name is not an empty file.
    fn file(&mut self, path: &[u8], entry: &Entry, target: &[u8], content: &Content) -> Result<()> {
        let (inode, links, last) = self.inodes.of_file(target);
        let header = header(entry, file_type::REGULAR, inode, links);
        if !last {
            return self.write_header(header, path);
        }
        match content {
            Content::Bytes(bytes) => {
                self.write_header(Header { size: bytes.len() as u32, ..header }, path)?;
                self.out.write_all(bytes)?;
            }
            Content::Path(from) => self.file_from(path, header, from)?,
        }
        self.pad()
    }

    /// Header and content of a file that is read now. Exactly the bytes that the header announces go
    /// out; a file that has fewer or more by then is an error.
    fn file_from(&mut self, path: &[u8], header: Header, from: &Path) -> Result<()> {
        let unreadable = |source| Error::Read { path: from.into(), source };
        // Looked at before it is opened: opening a named pipe would wait for a writer.
        if !std::fs::metadata(from).map_err(unreadable)?.is_file() {
            return Err(Error::NotAFile { path: show(path), from: from.into() });
        }
        let mut file = File::open(from).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        if size > FILE_SIZE_MAX {
            return Err(Error::TooLarge { path: show(path), from: from.display().to_string(), size });
        }
        self.write_header(Header { size: size as u32, ..header }, path)?;
        self.buffer.resize(BUFFER_SIZE, 0);
        let mut left = size;
        let changed = |found| Error::Changed { path: show(path), from: from.into(), expected: size, found };
        loop {
            let read = match file.read(&mut self.buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            match (read as u64, left) {
                (0, 0) => return Ok(()),
                (0, _) => return Err(changed("fewer were there")),
                (read, left) if read > left => return Err(changed("more were there")),
                _ => {}
            }
            self.out.write_all(&self.buffer[..read])?;
            left -= read as u64;
        }
    }

    fn write_header(&mut self, header: Header, name: &[u8]) -> Result<()> {
        let header = Header { name_size: name.len() as u32 + 1, ..header };
        self.out.write_all(&header.to_bytes())?;
        self.out.write_all(name)?;
        self.out.write_all(&[0])?;
        self.pad()
    }

    fn pad(&mut self) -> Result<()> {
        let padding = (align(self.out.count) - self.out.count) as usize;
        Ok(self.out.write_all(&[0; 3][..padding])?)
    }
}

fn header(entry: &Entry, kind: u32, inode: u32, link_count: u32) -> Header {
    Header {
        inode,
        mode: kind | entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        link_count,
        mtime: entry.mtime,
        ..Header::default()
    }
}

/// A writer that counts what goes through it.
pub(crate) struct Counter<W> {
    pub(crate) inner: W,
    pub(crate) count: u64,
}

impl<W> Counter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Counter { inner, count: 0 }
    }
}

impl<W: Write> Write for Counter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that resizes a file as soon as something is written to it: the file changes after its
    /// size went into the header and before its bytes are read.
    struct Meddler<'a> {
        file: &'a File,
        size: u64,
    }

    impl Write for Meddler<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.file.set_len(self.size)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Packs a file of 10 bytes that has `size` bytes once its header is out.
    fn pack_while_resized(size: u64) -> Result<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(10).unwrap();
        let mut manifest = Manifest::new();
        manifest.add("log", Entry::file(0o644, file.path()))?;
        let out = Counter::new(Meddler { file: file.as_file(), size });
        let mut archive = Archive { out, buffer: Vec::new(), inodes: Inodes::new(&manifest) };
        let from = file.path().display().to_string();
        archive.entry(&manifest, b"log", manifest.get("log").unwrap()).map(|()| from)
    }

    #[test]
    fn a_file_that_changes_while_it_is_packed_is_an_error() {
        pack_while_resized(10).unwrap();
        for size in [0, 9, 11, 1 << 20] {
            let error = pack_while_resized(size).unwrap_err();
            assert!(matches!(error, Error::Changed { expected: 10, .. }), "{size}: {error}");
            let message = error.to_string();
            assert!(message.contains("/log") && message.contains("pack again"), "{message}");
        }
    }
}
