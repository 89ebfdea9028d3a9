//! Joining segments into the one image that a boot loader hands to the kernel, and what is known of an image.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::decompress::Form;
use crate::error::{Error, Result};
use crate::newc;
use crate::problem::{Fault, Problem};
use crate::read::ImageReader;
use crate::source::{Source, Window};

/// NULs after every segment, before those that align the next one. An LZ4 legacy segment has no end
/// mark: `unlz4` in lib/decompress_unlz4.c takes what follows for the size of a block, and stops at 0.
pub(crate) const SEPARATOR: u64 = 4;

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
    write_segments(0, 0, segments, out)
}

/// Goes on with an image of which `out` holds the first segment, `begun` bytes, and stands behind it: what
/// [`write_image`] would have written, without writing that segment again. Returns the bytes of the whole image.
///
/// Errors: those of [`write_image`].
pub fn continue_image<W: Write>(begun: u64, segments: &[Segment], out: &mut W) -> Result<u64> {
    let written = end_segment(begun, out)?;
    write_segments(1, written, segments, out)
}

/// Writes segments, the first of which is the image's number `first` (from 0), to `out`, which holds `written` bytes.
fn write_segments<W: Write>(
    first: usize,
    mut written: u64,
    segments: &[Segment],
    out: &mut W,
) -> Result<u64> {
    for (at, segment) in (first..).zip(segments) {
        written += match segment {
            Segment::Bytes(bytes) => {
                check_segment(at, "in memory", *bytes)?;
                out.write_all(bytes)?;
                bytes.len() as u64
            }
            Segment::File(path) => copy_file(at, path, out)?,
        };
        written = end_segment(written, out)?;
    }
    out.flush()?;
    Ok(written)
}

/// Writes what separates a segment that ends at byte `written` from the next one; returns where that begins.
fn end_segment<W: Write>(written: u64, out: &mut W) -> Result<u64> {
    let end = newc::align(written + SEPARATOR);
    out.write_all(&[0; 8][..(end - written) as usize])?;
    Ok(end)
}

fn copy_file<W: Write>(at: usize, path: &Path, out: &mut W) -> Result<u64> {
    let unreadable = |source| Error::Read { path: path.into(), source };
    // Reading by position leaves the file where it is: at its start.
    let mut file = File::open(path).map_err(unreadable)?;
    check_segment(at, &path.display().to_string(), &file)?;
    Ok(io::copy(&mut file, out)?)
}

/// Bytes of a segment in which it must begin.
const HEAD_SIZE: usize = 64 << 10;

/// Refuses what cannot be a segment, or not at this place (counted from 0).
fn check_segment<S: Source + Clone>(at: usize, name: &str, source: S) -> Result<()> {
    let bad = |why| Err(Error::Segment { number: at + 1, name: name.into(), why });
    let unreadable = |error| Error::Read { path: name.into(), source: error };
    let mut window = Window::new(source.clone(), source.size().map_err(unreadable)?, 0);
    let head = window.fill(HEAD_SIZE).map_err(unreadable)?;
    let Some(start) = head.iter().position(|byte| *byte != 0) else {
        return bad("holds nothing; leave it out or pack it again");
    };
    if Form::of_compressed(&head[start..]).is_some() {
        return Ok(());
    }
    let mut reader = ImageReader::new(source).map_err(unreadable)?;
    while reader.next_entry().map_err(unreadable)?.is_some() {
        let [first] = &reader.summary().segments[..] else { break };
        if first.early {
            break;
        }
    }
    let summary = reader.into_summary();
    if at > 0 && summary.segments.iter().any(|segment| segment.early) {
        return bad("holds microcode or ACPI tables, which the kernel looks for at the start of the image \
                    alone; put this segment first");
    }
    let first = summary.problems.first().filter(|problem| problem.offset == start as u64);
    match first.map(|problem| &problem.fault) {
        Some(Fault::OldFormat) => bad("is an old portable archive, which the kernel does not read; \
                                       make it with cpio -H newc"),
        Some(Fault::NoMagic | Fault::Unaligned | Fault::NotHexadecimal(_)) => bad(UNKNOWN),
        _ => Ok(()),
    }
}

const UNKNOWN: &str = "begins with neither a newc archive nor compressed data, so the kernel would stop there; \
                       give files that this program or cpio -H newc made";

/// A segment of an image that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Byte of the image at which it begins.
    pub offset: u64,
    /// Bytes it takes, NULs between segments not counted.
    pub size: u64,
    /// How it is stored.
    pub form: Form,
    /// Bytes it unpacks to; `size` for a plain one.
    pub unpacked: u64,
    /// Entries read, trailers not counted.
    pub entries: u64,
    /// Whether it ends with `TRAILER!!!`.
    pub trailer: bool,
    /// Whether it holds microcode or ACPI tables where the kernel looks for them before it unpacks
    /// anything: in plain archives that no compressed one precedes.
    pub early: bool,
}

/// What an image holds and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSummary {
    /// The segments in their order, up to the first that could not be read.
    pub segments: Vec<SegmentSummary>,
    /// What is wrong, in the order in which it was met. Empty for an image that the kernel takes as
    /// written.
    pub problems: Vec<Problem>,
    /// How many more problems there were than are kept ([`PROBLEMS_MAX`](crate::PROBLEMS_MAX)).
    pub problems_left_out: u64,
}

impl ImageSummary {
    /// Entries of all segments.
    pub fn entries(&self) -> u64 {
        self.segments.iter().map(|segment| segment.entries).sum()
    }

    /// The problem at which the reading ended before the bytes did.
    pub fn stopped_at(&self) -> Option<&Problem> {
        self.problems.last().filter(|problem| problem.fault.stops())
    }
}
