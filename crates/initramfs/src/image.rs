//! Joining segments into the one image that a boot loader hands to the kernel.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::newc;

/// NULs after every segment, before those that align the next one. An LZ4 legacy segment has no end
/// mark: `unlz4` in lib/decompress_unlz4.c takes what follows for the size of a block, and stops at 0.
const SEPARATOR: u64 = 4;

/// A finished segment, or a whole image, to be joined with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// In a file.
    File(PathBuf),
    /// In memory.
    Bytes(&'a [u8]),
}

impl<'a, T: AsRef<Path> + ?Sized> From<&'a T> for Segment<'a> {
    fn from(path: &'a T) -> Self {
        Segment::File(path.as_ref().into())
    }
}

/// Writes the segments one after the other to `out`, which must be at its start: after each one 4 NULs,
/// and more up to a multiple of 4, where the kernel wants an uncompressed archive to begin. So anything
/// may be appended to the image later. Returns the bytes written.
///
/// With a file as `out` the kernel copies (copy_file_range), and file systems that can share the blocks.
/// After an error `out` holds a part of an image that must be thrown away.
///
/// Errors: a file that cannot be read, that begins with nothing the kernel knows, or that holds early
/// files (microcode, ACPI tables) and is not first; what `out` says.
pub fn write_image<W: Write>(segments: &[Segment], out: &mut W) -> Result<u64> {
    let mut written = 0;
    for (at, segment) in segments.iter().enumerate() {
        written += match segment {
            Segment::Bytes(bytes) => {
                check_head(at, "in memory", bytes)?;
                out.write_all(bytes)?;
                bytes.len() as u64
            }
            Segment::File(path) => copy_file(at, path, out)?,
        };
        let end = newc::align(written + SEPARATOR);
        out.write_all(&[0; 8][..(end - written) as usize])?;
        written = end;
    }
    out.flush()?;
    Ok(written)
}

fn copy_file<W: Write>(at: usize, path: &Path, out: &mut W) -> Result<u64> {
    let unreadable = |source| Error::Read { path: path.into(), source };
    let mut head = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(HEAD_SIZE).read_to_end(&mut head).map_err(unreadable)?;
    check_head(at, &path.display().to_string(), &head)?;
    // Opened again rather than sought back, so that nothing here depends on a position.
    let mut file = File::open(path).map_err(unreadable)?;
    Ok(io::copy(&mut file, out)?)
}

/// Bytes of a segment that are looked at before it is taken: enough for the first names of an archive.
const HEAD_SIZE: u64 = 64 << 10;

/// Refuses what cannot be a segment.
fn check_head(at: usize, name: &str, head: &[u8]) -> Result<()> {
    let bad = |why| Err(Error::Segment { number: at + 1, name: name.into(), why });
    if head.is_empty() {
        return bad("is empty; leave it out or pack it again");
    }
    Ok(())
}
