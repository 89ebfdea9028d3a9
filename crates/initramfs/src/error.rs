//! What can go wrong while a manifest is made, packed or joined into an image. Every message names the
//! entry or the file and says what to do. What a reader finds wrong in somebody else's bytes is not an
//! error but a list of [`Problem`](crate::Problem)s.

use std::io;
use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a manifest, a segment or an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path (or hard-link target) that an initramfs cannot hold.
    #[error("{path:?}: {why}; write a path like \"etc/motd\" below the root of the initramfs")]
    Path {
        /// The path as given, with bytes that are not UTF-8 replaced.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The same path was added twice.
    #[error("/{path} is given twice: {first}, and {second}; remove one of them")]
    Duplicate {
        /// The path.
        path: String,
        /// What was added first, in words.
        first: String,
        /// What was added second, in words.
        second: String,
    },
    /// An entry lies below something that is not a directory.
    #[error(
        "/{child} lies below /{parent}, which is no directory but {kind}; \
         make /{parent} a directory or move the entry"
    )]
    NotADirectory {
        /// The path below.
        child: String,
        /// The path above it.
        parent: String,
        /// What the path above is, in words.
        kind: String,
    },
    /// A value that does not fit the format or the kernel.
    #[error("/{path}: {why}")]
    Value {
        /// The path of the entry.
        path: String,
        /// What does not fit, and what would.
        why: String,
    },
    /// A hard link whose target is not a regular file of the same manifest.
    #[error(
        "/{path} is a hard link to /{target}, {why}; give the path of a regular file in the same manifest"
    )]
    Hardlink {
        /// The link.
        path: String,
        /// What it links to.
        target: String,
        /// Why that does not work.
        why: &'static str,
    },
    /// A file is too long for the format's 32-bit size field.
    #[error(
        "/{path} ({from}) has {size} bytes; the newc format ends at 4294967295: \
         put it on a disk or leave it out"
    )]
    TooLarge {
        /// The path in the archive.
        path: String,
        /// Where the content comes from.
        from: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A file had another size when its bytes were read than when it was looked at.
    #[error(
        "/{path} ({}) changed while it was packed: {expected} bytes announced, {found}; \
         pack again once nothing writes to it",
        from.display()
    )]
    Changed {
        /// The path in the archive.
        path: String,
        /// The file that was read.
        from: PathBuf,
        /// The size its header announces.
        expected: u64,
        /// What was read instead, in words.
        found: &'static str,
    },
    /// Content that is to come from a path that is not a regular file.
    #[error("/{path}: {} is not a regular file; only regular files can be packed as content", from.display())]
    NotAFile {
        /// The path in the archive.
        path: String,
        /// The path that was to be read.
        from: PathBuf,
    },
    /// The operating system refused to open or read an input.
    #[error("cannot read {}: {source}; check that it exists and may be read", path.display())]
    Read {
        /// The input.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the initramfs: {source}; check the free space and the permissions of the output")]
    Write {
        /// What the system said.
        #[from]
        source: io::Error,
    },
    /// A line of a list that cannot be understood or packed.
    #[error("line {line}: {why}")]
    List {
        /// Its number, from 1.
        line: usize,
        /// What is wrong, and what to write.
        why: String,
    },
    /// Something below the folder that is unpacked into could not be made or changed.
    #[error("cannot {doing} {path:?} in the folder: {source}")]
    Unpack {
        /// The path below the folder.
        path: String,
        /// What was to be done with it.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The image could not be read.
    #[error("cannot read the image: {source}")]
    Image {
        /// What the system said.
        source: io::Error,
    },
    /// An archive that cannot be changed.
    #[error("{} {why}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A compression that does not exist, or a level it does not have.
    #[error("{0}")]
    Compression(String),
    /// A segment that cannot stand in an image, or not where it stands.
    #[error("segment {number} ({name}): {why}")]
    Segment {
        /// Its place, counted from 1.
        number: usize,
        /// Its file, or "in memory".
        name: String,
        /// What is wrong, and what to do.
        why: &'static str,
    },
}

/// Bytes for a message: UTF-8 as it is, the rest and control characters escaped.
pub(crate) fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
