//! Numbers at a place in bytes. Whoever calls these has bytes enough: a place outside is 0.

use std::io::{self, Read, Seek, SeekFrom};

pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |it| u16::from_le_bytes([it[0], it[1]]))
}

pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]))
}

pub(crate) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    le32(bytes, at).swap_bytes()
}

pub(crate) fn be64(bytes: &[u8], at: usize) -> u64 {
    le64(bytes, at).swap_bytes()
}

pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// `length` bytes from `offset` on; fewer where the image ends.
pub(crate) fn read_at(image: &mut (impl Read + Seek), offset: u64, length: usize) -> io::Result<Vec<u8>> {
    image.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    image.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
