//! LZ4's legacy frame: the magic, then blocks of up to 8 MiB, each after its compressed size in 4 bytes,
//! and no mark at the end. Sources: lz4's doc/lz4_Frame_format.md ("Legacy frame") and
//! lib/decompress_unlz4.c, where 8 MiB is `LZ4_DEFAULT_UNCOMPRESSED_CHUNK_SIZE`.

use std::io::{self, Write};

/// First four bytes of a legacy frame, little-endian.
pub(crate) const MAGIC: [u8; 4] = 0x184c_2102_u32.to_le_bytes();
/// Uncompressed bytes of every block but the last.
pub(crate) const BLOCK_SIZE: usize = 8 << 20;

/// A writer that makes a legacy frame of what goes through it.
pub(crate) struct LegacyEncoder<W: Write> {
    out: W,
    block: Vec<u8>,
    compressed: Vec<u8>,
}

impl<W: Write> LegacyEncoder<W> {
    pub(crate) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC)?;
        Ok(LegacyEncoder { out, block: Vec::new(), compressed: Vec::new() })
    }

    fn write_block(&mut self) -> io::Result<()> {
        self.compressed.resize(lz4_flex::block::get_maximum_output_size(self.block.len()), 0);
        let size =
            lz4_flex::block::compress_into(&self.block, &mut self.compressed).map_err(io::Error::other)?;
        // A block is at most 8 MiB and LZ4 grows it by less than 1 %, so its size fits 32 bits.
        self.out.write_all(&(size as u32).to_le_bytes())?;
        self.out.write_all(&self.compressed[..size])?;
        self.block.clear();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        if !self.block.is_empty() {
            self.write_block()?;
        }
        Ok(self.out)
    }
}

impl<W: Write> Write for LegacyEncoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK_SIZE - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK_SIZE {
            self.write_block()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
