//! LZ4's legacy frame: the magic, then blocks of up to 8 MiB, each after its compressed size in 4 bytes,
//! and no mark at the end. Sources: lz4's doc/lz4_Frame_format.md ("Legacy frame") and
//! lib/decompress_unlz4.c, where 8 MiB is `LZ4_DEFAULT_UNCOMPRESSED_CHUNK_SIZE`.

use std::io::{self, BufRead, Read};

use crate::source::{Source, Window};

/// First four bytes of a legacy frame, little-endian.
pub(crate) const MAGIC: [u8; 4] = 0x184c_2102_u32.to_le_bytes();
/// Uncompressed bytes of every block but the last.
pub(crate) const BLOCK_SIZE: usize = 8 << 20;
/// What LZ4 can grow to: a byte of compressed data stands for at most 255.
const RATIO_MAX: usize = 255;

/// Reads a legacy frame as `unlz4` in lib/decompress_unlz4.c does: blocks up to a size of 0, which stays
/// unread, or the end of the bytes; the magic may come again between blocks.
pub(crate) struct LegacyDecoder<S> {
    window: Window<S>,
    compressed: Vec<u8>,
    block: Vec<u8>,
    /// The bytes of the block that were not read yet.
    start: usize,
    end: usize,
    begun: bool,
}

impl<S: Source> LegacyDecoder<S> {
    pub(crate) fn new(window: Window<S>) -> Self {
        LegacyDecoder { window, compressed: Vec::new(), block: Vec::new(), start: 0, end: 0, begun: false }
    }

    pub(crate) fn get_ref(&self) -> &Window<S> {
        &self.window
    }

    /// Unpacks the next block that holds something; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        while let Some(word) = self.window.fill(4)?.first_chunk::<4>().copied() {
            if word == MAGIC {
                self.begun = true;
                self.window.consume(4);
                continue;
            }
            if !self.begun {
                break;
            }
            let size = u32::from_le_bytes(word) as usize;
            if size == 0 {
                return Ok(false);
            }
            self.window.consume(4);
            if self.unpack(size)? > 0 {
                return Ok(true);
            }
        }
        match self.begun {
            true => Ok(false),
            false => Err(damaged("not LZ4's legacy frame, the only one the kernel reads (lz4 -l)")),
        }
    }

    /// Unpacks a block of this compressed size; the bytes it gave.
    fn unpack(&mut self, size: usize) -> io::Result<usize> {
        if size > lz4_flex::block::get_maximum_output_size(BLOCK_SIZE) {
            return Err(damaged("an LZ4 block is larger than 8 MiB"));
        }
        // Grows with what is there, not with what is announced.
        self.compressed.clear();
        (&mut self.window).take(size as u64).read_to_end(&mut self.compressed)?;
        if self.compressed.len() < size {
            return Err(damaged("an LZ4 block ends early"));
        }
        let most = BLOCK_SIZE.min(size.saturating_mul(RATIO_MAX));
        if self.block.len() < most {
            self.block.resize(most, 0);
        }
        self.start = 0;
        self.end = lz4_flex::block::decompress_into(&self.compressed, &mut self.block[..most])
            .map_err(|error| damaged(&error.to_string()))?;
        Ok(self.end)
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl<S: Source> Read for LegacyDecoder<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && !self.next_block()? {
            return Ok(0);
        }
        let taken = buffer.len().min(self.end - self.start);
        buffer[..taken].copy_from_slice(&self.block[self.start..self.start + taken]);
        self.start += taken;
        Ok(taken)
    }
}
