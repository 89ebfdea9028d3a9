//! The kernel's initramfs format: manifests packed into segments, segments joined into images, and both
//! strictly read back.
//!
//! This crate imports none of ours and touches no clock, environment or network. It reads and writes the
//! files, folders and archives it is given and the files a manifest or list names, and nothing else. It needs
//! no root: owners, modes and device nodes are values of the manifest.
//!
//! ```
//! use initramfs::{Compression, Entry, Manifest, Segment};
//!
//! let mut manifest = Manifest::new();
//! manifest.add("/init", Entry::bytes(0o755, "#!/bin/sh\nexec /bin/sh\n"))?;
//! manifest.add("/dev/console", Entry::character_device(0o600, 5, 1))?;
//! let mut segment = Vec::new();
//! let statistics = initramfs::pack(&manifest, Compression::Gzip { level: 6 }, &mut segment)?;
//! assert_eq!(statistics.entries, 3); // /init, /dev, /dev/console
//!
//! let mut image = Vec::new();
//! initramfs::write_image(&[Segment::Bytes(&segment)], &mut image)?;
//! let mut names = Vec::new();
//! let mut reader = initramfs::ImageReader::new(&image[..])?; // or of a file
//! while let Some(entry) = reader.next_entry()? {
//!     names.push(entry.name().to_vec());
//! }
//! assert!(reader.summary().problems.is_empty());
//! assert_eq!(names, [&b"dev"[..], b"dev/console", b"init"]);
//! # Ok::<(), initramfs::Error>(())
//! ```
//!
//! # The format
//!
//! Sources: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel and, where that is
//! silent, what init/initramfs.c, lib/decompress*.c and lib/earlycpio.c of 6.12 do.
//!
//! An **image** is any sequence of NULs, plain archives and compressed archives. An **archive** is a
//! sequence of entries that may end with one called `TRAILER!!!`. A **segment** is, here, one archive
//! with its trailer, compressed or not: the piece that is packed, cached and replaced as a whole.
//!
//! An **entry** is a header ([`newc::Header`]), a name with a NUL, and data. Header and data begin at
//! multiples of 4, counted from the start of the image, or of the unpacked data in a compressed segment:
//!
//! | bytes | what |
//! |---|---|
//! | 6 | `070701`, or `070702` if the last field is the sum of the data's bytes |
//! | 13 × 8 | hexadecimal: inode, mode, owner, group, link count, time, data size, device (2), node (2), name size with NUL, checksum |
//! | name size | the name and a NUL, then NULs to a multiple of 4 |
//! | data size | a file's content or a symbolic link's target, then NULs to a multiple of 4 |
//!
//! What follows from how the kernel reads it, and what this crate does about it:
//!
//! - Directories are not made on the way: an entry in a directory that is not there is dropped without a
//!   word. [`Manifest`] adds missing directories and sorts them before what they hold.
//! - Names of more than PATH_MAX bytes are skipped, components of more than NAME_MAX bytes are refused by
//!   ramfs, both without a word. [`Manifest`] refuses them.
//! - Regular files with a link count of 2 or more are one file if device, inode and type are the same. The
//!   data may stand at any of the names; we put it at the last, as GNU cpio and usr/gen_init_cpio.c do.
//!   `TRAILER!!!` makes the kernel forget the links, so inode numbers of different segments cannot clash.
//! - Sizes have 32 bits: files end at 4 GiB - 1.
//! - A plain archive must begin at a multiple of 4. LZ4's legacy frame has no end, and anything after it
//!   but 4 NULs is taken for a block. [`write_image`] therefore puts 4 NULs and alignment behind every
//!   segment, the last one too, so that more can be appended. `gzip -t` and `xz -t` accept an image of
//!   one segment with these NULs, `zstd -t` and `lz4 -t` do not; they accept the segment.
//! - Every compressed segment must hold whole entries: one that goes on in the next is "junk".
//! - A later entry replaces an earlier one of the same name, with exceptions (a regular file is truncated
//!   in place, so all its hard links change; a directory that is not empty is not replaced).
//! - Microcode and ACPI tables are looked for in the plain archives at the image's start, before anything
//!   can be unpacked. [`pack`] does not compress them and [`write_image`] takes them only as the first
//!   segment.
//!
//! # Same bytes every time
//!
//! Entries are sorted by their paths' bytes; inode numbers count up from 1 in that order; times are what
//! the manifest says (0 unless set); device numbers of the archive are 0. Compressors run on settings
//! that do not depend on the machine ([`Compression`]).
//!
//! A [`List`] says exactly what is written, in its order; [`scan`] and [`scan_listed`] make one of a folder.
//!
//! # Changing
//!
//! [`Archive`] changes one name of an archive in its file, by a segment appended where a later entry can say it, else by writing
//! anew the segments that hold the name; [`squash`] makes one segment of all.
//!
//! # Reading
//!
//! [`ImageReader`] goes over an image entry by entry, in constant memory, and over plain segments by their
//! headers alone. No size field is believed: it is compared with the bytes that are there before anything
//! is done with it. Names and targets are bytes, not text.

mod archive;
mod bytes;
mod compression;
mod decompress;
mod diff;
mod error;
mod image;
mod lint;
mod list;
mod lz4;
mod lzo;
mod manifest;
pub mod newc;
mod parallel;
mod plan;
mod problem;
mod read;
mod scan;
mod scratch;
mod source;
mod squash;
mod tree;
mod unpack;
mod write;

pub use archive::{Archive, Edited, Found, was_cut};
pub use compression::{ALL as COMPRESSIONS, Compression};
pub use decompress::Form;
pub use diff::{Aspect, Deviation, Difference, Snapshot};
pub use error::{Error, Result};
pub use image::{ImageSummary, Segment, SegmentSummary, continue_image, write_image};
pub use lint::{Finding, Options, Severity, lint};
pub use list::List;
pub use manifest::{Content, Entry, FILE_SIZE_MAX, Kind, MAJOR_MAX, MINOR_MAX, Manifest, NAME_MAX, PATH_MAX};
pub use problem::{Fault, Problem};
pub use read::{CopyError, ImageEntry, ImageReader, PROBLEMS_MAX};
pub use scan::{Listed, ScanOptions, scan, scan_listed};
pub use scratch::write_file;
pub use source::Source;
pub use squash::squash;
pub use tree::{Applied, Dropped, Name, Node, NodeId, NodeKind, Outcome, Rules, Tree, TreeEntry, plain_path};
pub use unpack::{Only, Owners, Pattern, Refused, UnpackOptions, Unpacker, Unpacking};
pub use write::{Packer, Statistics, pack, pack_list};
