//! From a manifest or a list to the bytes of one segment.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::compression::{Compression, Encoder};
use crate::error::{Error, Result, show};
use crate::list::List;
use crate::manifest::{FILE_SIZE_MAX, Manifest};
use crate::newc::{Header, TRAILER, align};
use crate::plan::{Data, Planned, plan};

/// Bytes of a file that are read at once. One that is smaller goes out with its neighbours.
const SMALL_FILE: usize = 64 << 10;

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

/// Packs `manifest` into one segment: one newc archive that ends with `TRAILER!!!`, compressed as asked, on
/// all cores. The same manifest and file contents give the same bytes, on every machine, with any number of
/// cores and whoever runs it.
///
/// After an error `out` holds a part of a segment that must be thrown away; write to a scratch file and
/// rename it. Errors: a hard link that leads nowhere, an input that cannot be read, is not a regular
/// file, changes while it is read or is larger than 4 GiB - 1, early files to be compressed, and what
/// `out` says.
pub fn pack<W: Write>(manifest: &Manifest, compression: Compression, out: W) -> Result<Statistics> {
    Packer::new(compression).pack(manifest, out)
}

/// As [`pack`], for the entries of a list in their order.
pub fn pack_list<W: Write>(list: &List, compression: Compression, out: W) -> Result<Statistics> {
    Packer::new(compression).pack_list(list, out)
}

/// How a segment is packed.
#[derive(Clone, Copy, Debug)]
pub struct Packer {
    compression: Compression,
    threads: usize,
}

impl Packer {
    /// Compressed so, on as many threads as this process may use cores.
    pub fn new(compression: Compression) -> Packer {
        Packer { compression, threads: cores() }
    }

    /// The same, but compressing on so many threads, at least 1. The bytes are the same.
    pub fn threads(self, threads: usize) -> Packer {
        Packer { threads: threads.max(1), ..self }
    }

    /// As [`pack`].
    pub fn pack<W: Write>(self, manifest: &Manifest, out: W) -> Result<Statistics> {
        manifest.check()?;
        self.write(&plan(manifest.entries())?, out)
    }

    /// As [`pack_list`].
    pub fn pack_list<W: Write>(self, list: &List, out: W) -> Result<Statistics> {
        self.write(&plan(list.entries())?, out)
    }

    fn write<W: Write>(self, entries: &[Planned], out: W) -> Result<Statistics> {
        if self.compression != Compression::None {
            refuse_early(entries)?;
        }
        let mut archive = ArchiveWriter::new(Encoder::new(self.compression, self.threads, out)?);
        for entry in entries {
            archive.entry(entry)?;
        }
        let (uncompressed, written, mut out) = archive.finish()?;
        out.flush()?;
        Ok(Statistics { entries: entries.len() as u64, uncompressed, written })
    }
}

/// Directories whose files the kernel reads before it unpacks anything (`find_cpio_data` in
/// lib/earlycpio.c; its callers in arch/x86/kernel/cpu/microcode and drivers/acpi/tables.c).
const EARLY: [&[u8]; 2] = [b"kernel/x86/microcode/", b"kernel/firmware/acpi/"];

/// Whether the kernel reads a file of this name before it unpacks anything.
pub(crate) fn is_early(name: &[u8]) -> bool {
    EARLY.iter().any(|early| name.starts_with(early))
}

/// As many threads as this process may use cores.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn refuse_early(entries: &[Planned]) -> Result<()> {
    for entry in entries {
        if is_early(entry.name) {
            let why = "the kernel looks for this before it can decompress; put it into a segment of its own \
                       with compression none, first in the image";
            return Err(Error::Value { path: show(entry.name), why: why.into() });
        }
    }
    Ok(())
}

/// Writes one newc archive, entry by entry.
pub(crate) struct ArchiveWriter<W: Write> {
    out: Encoder<W>,
    /// Bytes of the archive so far.
    count: u64,
    buffer: Vec<u8>,
}

impl<W: Write> ArchiveWriter<W> {
    pub(crate) fn new(out: Encoder<W>) -> Self {
        ArchiveWriter { out, count: 0, buffer: Vec::new() }
    }

    /// Writes one entry as it was planned; its header, and the byte of the archive at which that stands.
    pub(crate) fn entry(&mut self, entry: &Planned) -> Result<(Header, u64)> {
        let Planned { name, header, data } = *entry;
        let at = self.count;
        let header = match data {
            Data::Nothing => header,
            Data::Bytes(bytes) => Header { size: bytes.len() as u32, ..header },
            Data::File(from) => return Ok((self.file(name, header, from)?, at)),
        };
        self.header(header, name)?;
        if let Data::Bytes(bytes) = data {
            self.bytes(bytes)?;
            self.pad()?;
        }
        Ok((header, at))
    }

    /// Header and content of a file that is read now.
    fn file(&mut self, name: &[u8], header: Header, from: &Path) -> Result<Header> {
        let unreadable = |source| Error::Read { path: from.into(), source };
        // Opening a named pipe would wait for a writer; so opened it does not, and is refused below.
        let file = File::options().read(true).custom_flags(NONBLOCK).open(from).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { path: show(name), from: from.into() });
        }
        let size = metadata.len();
        if size > FILE_SIZE_MAX {
            return Err(Error::TooLarge { path: show(name), from: from.display().to_string(), size });
        }
        let header = Header { size: size as u32, ..header };
        self.header(header, name)?;
        self.content(name, from, file, size)?;
        self.pad()?;
        Ok(header)
    }

    /// Exactly the bytes that the header announces; a file that has fewer or more by now is an error.
    fn content(&mut self, name: &[u8], from: &Path, mut file: File, size: u64) -> Result<()> {
        let unreadable = |source| Error::Read { path: from.into(), source };
        let changed = |found| Error::Changed { path: show(name), from: from.into(), expected: size, found };
        if size < SMALL_FILE as u64 {
            // One byte more than it should have, so that one look tells.
            self.buffer.resize(SMALL_FILE, 0);
            let read = read_full(&mut file, &mut self.buffer[..=size as usize], size as usize)
                .map_err(unreadable)?;
            return match (read as u64).cmp(&size) {
                std::cmp::Ordering::Less => Err(changed("fewer were there")),
                std::cmp::Ordering::Greater => Err(changed("more were there")),
                std::cmp::Ordering::Equal => {
                    self.out.write_all(&self.buffer[..read])?;
                    self.count += read as u64;
                    Ok(())
                }
            };
        }
        // What fails here may be the file or the output; the file is told by reading on below.
        let copied = self.out.copy(&mut file, size)?;
        self.count += copied;
        match (copied == size, read_full(&mut file, &mut [0], 1).map_err(unreadable)?) {
            (true, 0) => Ok(()),
            (true, _) => Err(changed("more were there")),
            (false, _) => Err(changed("fewer were there")),
        }
    }

    /// Header and name of an entry, whose size field says how much data will follow.
    pub(crate) fn header(&mut self, header: Header, name: &[u8]) -> Result<()> {
        let header = Header { name_size: name.len() as u32 + 1, ..header };
        self.bytes(&header.to_bytes())?;
        self.bytes(name)?;
        self.bytes(&[0])?;
        self.pad()
    }

    /// A part of the data; [`pad`](Self::pad) behind the last.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        self.count += bytes.len() as u64;
        Ok(())
    }

    /// All the data of an entry that is read elsewhere, and what pads it.
    pub(crate) fn data(&mut self, from: &mut impl Read) -> Result<()> {
        self.buffer.resize(SMALL_FILE, 0);
        loop {
            let read = match from.read(&mut self.buffer) {
                Ok(0) => return self.pad(),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.out.write_all(&self.buffer[..read])?;
            self.count += read as u64;
        }
    }

    /// NULs up to where the next header may stand.
    pub(crate) fn pad(&mut self) -> Result<()> {
        let padding = (align(self.count) - self.count) as usize;
        self.bytes(&[0; 3][..padding])
    }

    /// Ends an archive; another may follow.
    pub(crate) fn trailer(&mut self) -> Result<()> {
        self.header(Header { link_count: 1, ..Header::default() }, TRAILER)
    }

    /// Writes the trailer and what is held back: the archive's bytes, those that went out, the output.
    pub(crate) fn finish(mut self) -> Result<(u64, u64, W)> {
        self.trailer()?;
        let (written, out) = self.out.finish()?;
        Ok((self.count, written, out))
    }
}

/// O_NONBLOCK of open(2).
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// Reads until the buffer is full or the file ends. A regular file gives less than was asked for at its end
/// only: with `enough` bytes there, such an answer is the last, so that mostly one call will do.
fn read_full(file: &mut File, buffer: &mut [u8], enough: usize) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if read >= enough {
            break;
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs a file of `size` bytes whose header announces `announced`.
    fn packed(announced: u64, size: u64) -> Result<()> {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(size).unwrap();
        let encoder = Encoder::new(Compression::None, 1, io::sink()).unwrap();
        let mut archive = ArchiveWriter::new(encoder);
        let result = archive.content(b"log", file.path(), file.reopen().unwrap(), announced);
        assert!(result.is_err() || archive.count == announced);
        result
    }

    #[test]
    fn a_file_that_changes_while_it_is_packed_is_an_error() {
        const LARGE: u64 = 1 << 20;
        for same in [0, 1, 10, SMALL_FILE as u64 - 1, SMALL_FILE as u64, LARGE] {
            packed(same, same).unwrap();
        }
        for (announced, size) in
            [(10, 0), (10, 9), (10, 11), (10, LARGE), (LARGE, 0), (LARGE, LARGE - 1), (LARGE, LARGE + 1)]
        {
            let error = packed(announced, size).unwrap_err();
            assert!(matches!(error, Error::Changed { expected, .. } if expected == announced), "{error}");
            let message = error.to_string();
            assert!(message.contains("/log") && message.contains("pack again"), "{message}");
        }
    }
}
