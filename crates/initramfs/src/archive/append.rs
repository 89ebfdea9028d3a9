//! Appending a segment so that an append that was cut (kill -9, a crash) is seen and taken back.
//!
//! Where the segment's first 16 bytes will stand, a mark is written first, with the archive's old length in it;
//! then all that comes behind; the first 16 bytes last, in one write. So an archive ends either as before, with a
//! mark (or its beginning) and perhaps more behind it, or with the whole segment. The mark is nothing that the
//! kernel unpacks: it says "invalid magic" there and boots with all that comes before. No file beside the archive
//! is needed, and a copy of a cut archive is repaired as well.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::image::SEPARATOR;
use crate::newc::align;

/// First bytes of the mark: neither a NUL nor what a segment begins with (`compressed_formats` in
/// lib/decompress.c, "0707").
const MARK: [u8; 8] = *b"ALLNO\xff<+";
/// Bytes of the mark: the old length, little-endian, behind its first 8. No segment is shorter.
const MARK_SIZE: usize = 16;

/// Where a segment goes in an archive of this length.
pub(crate) fn place(length: u64) -> u64 {
    align(length + SEPARATOR)
}

/// An output that appends one segment to an archive.
#[derive(Debug)]
pub(crate) struct Appender<'a> {
    archive: &'a File,
    old_length: u64,
    start: u64,
    /// The bytes that take the mark's place.
    head: Vec<u8>,
    /// Where the next byte goes.
    position: u64,
}

impl<'a> Appender<'a> {
    /// Begins behind the archive's `old_length` bytes: from now on the archive is marked.
    pub(crate) fn begin(archive: &'a File, old_length: u64) -> io::Result<Self> {
        let start = place(old_length);
        let mut bytes = vec![0; (start - old_length) as usize];
        bytes.extend(MARK);
        bytes.extend(old_length.to_le_bytes());
        let appender = Appender { archive, old_length, start, head: Vec::new(), position: start };
        match archive.write_all_at(&bytes, old_length) {
            Ok(()) => Ok(appender),
            Err(error) => Err(appender.take_back(error)),
        }
    }

    /// Ends the segment: the archive's new length.
    pub(crate) fn finish(self) -> io::Result<u64> {
        let end = align(self.position + SEPARATOR);
        let nuls = [0; 8];
        let written = match self.head.len() {
            MARK_SIZE => self
                .archive
                .write_all_at(&nuls[..(end - self.position) as usize], self.position)
                .and_then(|()| self.archive.write_all_at(&self.head, self.start)),
            _ => Err(io::Error::other("a segment of less than 16 bytes")),
        };
        written.map(|()| end).map_err(|error| self.take_back(error))
    }

    /// Cuts the archive back to what it was; the error, with what could not be done about it.
    pub(crate) fn take_back(&self, error: io::Error) -> io::Error {
        match self.archive.set_len(self.old_length) {
            Ok(()) => error,
            Err(cut) => io::Error::new(
                error.kind(),
                format!(
                    "{error}; and what was appended could not be cut off again ({cut}): the next edit will"
                ),
            ),
        }
    }
}

impl Write for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = MARK_SIZE - self.head.len();
        if room > 0 {
            let taken = room.min(bytes.len());
            self.head.extend_from_slice(&bytes[..taken]);
            self.position += taken as u64;
            return Ok(taken);
        }
        let written = self.archive.write_at(bytes, self.position)?;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The length that an archive had before an append that was cut, if one was: `at` is the byte at which its reader
/// found neither a NUL nor a segment.
pub(crate) fn cut_append(archive: &File, at: u64) -> io::Result<Option<u64>> {
    let length = archive.metadata()?.len();
    let mut mark = [0; MARK_SIZE];
    let there = length.saturating_sub(at).min(MARK_SIZE as u64) as usize;
    archive.read_exact_at(&mut mark[..there], at)?;
    let (name, old) = mark.split_at(MARK.len());
    if there == MARK_SIZE {
        let old = old.try_into().map_or(0, u64::from_le_bytes);
        let believed = name == MARK && old < at && place(old) == at && only_nuls(archive, old, at)?;
        return Ok(believed.then_some(old));
    }
    // Not even the mark was whole: it can only be the one that begins here, and the NULs before it are ours as far
    // as they align it; those that were there before do no harm.
    let begun = there > 0 && mark[..there.min(MARK.len())] == MARK[..there.min(MARK.len())];
    let old = at.saturating_sub(SEPARATOR);
    Ok((begun && at.is_multiple_of(4) && only_nuls(archive, old, at)?).then_some(old))
}

/// Whether the byte at which a reader of the archive found neither a NUL nor a segment is where an edit was cut: the
/// next one takes it back. Errors: what the file says.
pub fn was_cut(archive: &File, at: u64) -> io::Result<bool> {
    Ok(cut_append(archive, at)?.is_some())
}

fn only_nuls(archive: &File, from: u64, to: u64) -> io::Result<bool> {
    let mut bytes = vec![0; (to - from) as usize];
    archive.read_exact_at(&mut bytes, from)?;
    Ok(bytes.iter().all(|byte| *byte == 0))
}
