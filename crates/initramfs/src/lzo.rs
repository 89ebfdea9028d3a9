//! The container of lzop, as `unlzo` in lib/decompress_unlzo.c reads it: a header that names the file it was
//! made of, then blocks, each after both its sizes and a checksum that is passed over, then a size of 0.

use std::io::{self, BufRead, Read};

use crate::source::{Source, Window};

/// First bytes of the container.
const MAGIC: &[u8] = b"\x89LZO\0\r\n\x1a\n";
/// The largest header: magic, versions and method (8), flags and filter (8), mode and times (12), name.
const HEADER_MAX: usize = 9 + 8 + 8 + 12 + 1 + 255 + 4;
/// The version from which a header has a level and a second half of its time.
const VERSION_LEVEL: u16 = 0x0940;
/// The flag of a header that names a filter.
const HAS_FILTER: u32 = 0x800;
/// The largest block.
const BLOCK_MAX: u32 = 256 << 10;

pub(crate) struct LzopDecoder<S> {
    window: Window<S>,
    compressed: Vec<u8>,
    block: Vec<u8>,
    /// The first byte of the block that was not read yet.
    start: usize,
    begun: bool,
    ended: bool,
}

impl<S: Source> LzopDecoder<S> {
    pub(crate) fn new(window: Window<S>) -> Self {
        let (compressed, block) = (Vec::new(), Vec::new());
        LzopDecoder { window, compressed, block, start: 0, begun: false, ended: false }
    }

    pub(crate) fn get_ref(&self) -> &Window<S> {
        &self.window
    }

    /// Unpacks the next block; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        if !self.begun {
            let length =
                header_length(self.window.fill(HEADER_MAX)?).ok_or_else(|| damaged("no header of lzop"))?;
            self.window.consume(length);
            self.begun = true;
        }
        let unpacked = self.word(0)?;
        if unpacked == 0 {
            self.window.consume(4);
            self.ended = true;
            return Ok(false);
        }
        let packed = self.word(4)?;
        if unpacked > BLOCK_MAX || packed == 0 || packed > unpacked {
            return Err(damaged("a block of lzop has sizes that cannot be"));
        }
        self.compressed.clear();
        self.window.fill(12)?;
        self.window.consume(12);
        (&mut self.window).take(u64::from(packed)).read_to_end(&mut self.compressed)?;
        if self.compressed.len() < packed as usize {
            return Err(damaged("a block of lzop ends early"));
        }
        self.start = 0;
        self.unpack(unpacked as usize)?;
        Ok(true)
    }

    /// Four bytes of a block's head, most significant first.
    fn word(&mut self, at: usize) -> io::Result<u32> {
        let there = self.window.fill(at + 4)?.get(at..).and_then(|rest| rest.first_chunk());
        there.map(|word| u32::from_be_bytes(*word)).ok_or_else(|| damaged("a block of lzop ends early"))
    }

    fn unpack(&mut self, size: usize) -> io::Result<()> {
        // What would not get smaller is stored as it is.
        if self.compressed.len() == size {
            std::mem::swap(&mut self.compressed, &mut self.block);
            return Ok(());
        }
        self.block.resize(size, 0);
        match lzokay::decompress::decompress(&self.compressed, &mut self.block) {
            Ok(unpacked) if unpacked == size => Ok(()),
            Ok(_) => Err(damaged("a block of lzop unpacks to less than it says")),
            Err(error) => Err(damaged(&format!("LZO: {error}"))),
        }
    }
}

impl<S: Source> Read for LzopDecoder<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start == self.block.len() && (self.ended || !self.next_block()?) {
            return Ok(0);
        }
        let taken = buffer.len().min(self.block.len() - self.start);
        buffer[..taken].copy_from_slice(&self.block[self.start..self.start + taken]);
        self.start += taken;
        Ok(taken)
    }
}

/// How long the header that begins `bytes` is.
fn header_length(bytes: &[u8]) -> Option<usize> {
    let version = bytes.strip_prefix(MAGIC)?.first_chunk().map(|version| u16::from_be_bytes(*version))?;
    let new = version >= VERSION_LEVEL;
    // Version, version of the library, version needed, method.
    let mut at = MAGIC.len() + 7 + usize::from(new);
    let flags = bytes.get(at..)?.first_chunk().map(|flags| u32::from_be_bytes(*flags))?;
    at += if flags & HAS_FILTER != 0 { 8 } else { 4 };
    at += if new { 12 } else { 8 };
    let name = usize::from(*bytes.get(at)?);
    // The name, and a checksum.
    let length = at + 1 + name + 4;
    (bytes.len() >= length).then_some(length)
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
