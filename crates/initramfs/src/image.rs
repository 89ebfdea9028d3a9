//! Joining segments into the one image that a boot loader hands to the kernel, and reading such an image.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::decompress::{Form, decompress};
use crate::error::{Error, Result};
use crate::newc;
use crate::problem::{Fault, Problem};
use crate::read::{ArchiveEntry, ArchiveReader};
use crate::write::EARLY;

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

/// Refuses what cannot be a segment, or not at this place (counted from 0).
fn check_head(at: usize, name: &str, head: &[u8]) -> Result<()> {
    let bad = |why| Err(Error::Segment { number: at + 1, name: name.into(), why });
    let Some(start) = head.iter().position(|byte| *byte != 0) else {
        return bad("holds nothing; leave it out or pack it again");
    };
    if Form::of_compressed(&head[start..]).is_some() {
        return Ok(());
    }
    let mut reader = ArchiveReader::new(head);
    let early = reader.any(|entry| EARLY.iter().any(|early| entry.name.starts_with(early)));
    if early && at > 0 {
        return bad("holds microcode or ACPI tables, which the kernel looks for at the start of the image \
                    alone; put this segment first");
    }
    let first = reader.problems().first().filter(|problem| problem.offset == start as u64);
    match first.map(|problem| &problem.fault) {
        Some(Fault::OldFormat) => bad("is an old portable archive, which the kernel does not read; \
                                       make it with cpio -H newc"),
        Some(Fault::NoMagic | Fault::Unaligned | Fault::NotHexadecimal(_)) => bad(UNKNOWN),
        None if head[start] != b'0' => bad(UNKNOWN),
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
}

/// What an image holds and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSummary {
    /// The segments in their order, up to the first that could not be read.
    pub segments: Vec<SegmentSummary>,
    /// What is wrong, in the order of the bytes. Empty for an image that the kernel takes as written.
    pub problems: Vec<Problem>,
}

impl ImageSummary {
    /// Entries of all segments.
    pub fn entries(&self) -> u64 {
        self.segments.iter().map(|segment| segment.entries).sum()
    }
}

/// Reads a whole image: NULs, plain archives and compressed ones in any order, as `unpack_to_rootfs` in
/// init/initramfs.c does. `visit` gets each entry with the number of its segment (from 0); the entry's
/// offset is in the segment's unpacked data, or in the image for a plain segment.
///
/// All compressed segments together may unpack to `limit` bytes; one of them is in memory at a time.
/// Reading ends at the first fault that would end it in the kernel, or at the limit.
pub fn read_image(image: &[u8], limit: u64, mut visit: impl FnMut(usize, &ArchiveEntry)) -> ImageSummary {
    let mut summary = ImageSummary::default();
    let mut limit_left = limit;
    let mut at = 0;
    loop {
        at = skip_nuls(image, at);
        let number = summary.segments.len();
        let mut visit = |entry: &ArchiveEntry| visit(number, entry);
        let segment = match image.get(at) {
            None => break,
            Some(b'0') => read_plain(image, at, &mut summary.problems, &mut visit),
            Some(_) => match Form::of_compressed(&image[at..]) {
                Some(form) => {
                    let room = (limit_left, limit);
                    read_compressed(form, image, at, room, &mut summary.problems, &mut visit)
                }
                None => {
                    summary.problems.push(problem(at, Fault::NoMagic));
                    break;
                }
            },
        };
        summary.segments.push(segment);
        if stopped(&summary.problems) {
            break;
        }
        if segment.form != Form::Plain {
            limit_left -= segment.unpacked;
        }
        // Every form takes at least its magic, so this ends.
        at += segment.size as usize;
    }
    summary
}

/// The first byte from `at` on that is not a NUL, or the end.
fn skip_nuls(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|byte| **byte == 0).count()
}

fn stopped(problems: &[Problem]) -> bool {
    problems.last().is_some_and(|problem| problem.fault.stops())
}

fn problem(at: usize, fault: Fault) -> Problem {
    Problem { offset: at as u64, inside: None, name: None, fault }
}

fn read_plain(
    image: &[u8],
    at: usize,
    problems: &mut Vec<Problem>,
    visit: &mut impl FnMut(&ArchiveEntry),
) -> SegmentSummary {
    let mut reader = ArchiveReader::starting_at(image, at);
    let entries = reader.by_ref().inspect(visit).count() as u64;
    let size = (reader.offset() - at) as u64;
    let trailer = reader.has_trailer();
    problems.extend(reader.into_problems());
    SegmentSummary { offset: at as u64, size, form: Form::Plain, unpacked: size, entries, trailer }
}

/// `room`: bytes that may still be unpacked, and the whole limit for the message.
fn read_compressed(
    form: Form,
    image: &[u8],
    at: usize,
    room: (u64, u64),
    problems: &mut Vec<Problem>,
    visit: &mut impl FnMut(&ArchiveEntry),
) -> SegmentSummary {
    let unpacked = decompress(form, &image[at..], room.0);
    let data = &unpacked.data;
    let mut summary = SegmentSummary {
        offset: at as u64,
        size: unpacked.used as u64,
        form,
        unpacked: data.len() as u64,
        entries: 0,
        trailer: false,
    };
    let mut found = Vec::new();
    // One compressed segment may hold several archives, and NULs.
    let mut inner = skip_nuls(data, 0);
    while inner < data.len() {
        if data[inner] != b'0' {
            found.push(problem(inner, Fault::JunkInside));
            break;
        }
        let part = read_plain(data, inner, &mut found, visit);
        summary.entries += part.entries;
        summary.trailer = part.trailer;
        if stopped(&found) {
            break;
        }
        inner = skip_nuls(data, inner + part.size as usize);
    }
    problems.extend(found.into_iter().map(|problem| Problem { inside: Some(at as u64), ..problem }));
    if let Some(fault) = unpacked.fault {
        let fault = if let Fault::Limit(_) = fault { Fault::Limit(room.1) } else { fault };
        problems.push(problem(at, fault));
    }
    summary
}
