//! What a reader finds wrong in bytes that somebody else wrote.

use std::fmt;

use crate::error::show;

/// Something wrong at a place of an image or archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Byte at which it is: of the bytes that were read, or of the unpacked data if `inside` is set.
    pub offset: u64,
    /// For problems in compressed data: the byte of the image where the compressed segment begins.
    pub inside: Option<u64>,
    /// The name of the entry it is about, where one was read.
    pub name: Option<Vec<u8>>,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong. [`stops`](Fault::stops) tells whether the kernel (and the reader) goes on after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Neither an archive nor anything compressed begins here.
    NoMagic,
    /// An old portable archive (`cpio -H odc`), which the kernel does not read.
    OldFormat,
    /// A header that is not at a multiple of 4.
    Unaligned,
    /// A header field that is not 8 hexadecimal digits, by its number from 0.
    NotHexadecimal(usize),
    /// The bytes end within a header.
    TruncatedHeader,
    /// The bytes end within a name or the data: so many are announced, so many are there.
    Truncated {
        /// Bytes from the header's start to the end of the data.
        announced: u64,
        /// Bytes there.
        present: u64,
    },
    /// The bytes end within the NULs after the last entry: in a compressed segment the kernel reports
    /// "junk at the end of compressed archive".
    TruncatedPadding,
    /// A name size of 0 or above PATH_MAX: the kernel leaves the entry out.
    NameSize(u32),
    /// A name that does not end with a NUL.
    NameNotTerminated,
    /// An empty name.
    NameEmpty,
    /// A name with a NUL before its end: the kernel takes what is before it.
    NameHoldsNul,
    /// A name with a component `..`.
    NameClimbs,
    /// A mode that is no kind of file.
    UnknownType(u32),
    /// Data on something that has none: the kernel leaves the entry out.
    UnexpectedData,
    /// A symbolic link's target that is empty, holds a NUL or does not fit PATH_MAX.
    SymlinkTarget,
    /// A file whose bytes do not add up to the checksum of its header.
    Checksum {
        /// What the header says.
        announced: u32,
        /// The sum.
        found: u32,
    },
    /// Something other than archives and NULs within compressed data.
    JunkInside,
    /// Compressed data that begins an image and unpacks to nothing: "junk at the end of compressed
    /// archive" to the kernel, whose state is still that of its start.
    EmptyFirst,
    /// A compressed form that the kernel may know but this reader does not.
    Unsupported(&'static str),
    /// An xz stream with a check that the kernel cannot do.
    XzCheck,
    /// Compressed data that is damaged or ends early; the decompressor's words.
    Damaged(String),
    /// The unpacked data is longer than the caller allows.
    Limit(u64),
}

impl Fault {
    /// Whether nothing after it is read.
    pub fn stops(&self) -> bool {
        match self {
            Fault::NoMagic
            | Fault::OldFormat
            | Fault::Unaligned
            | Fault::NotHexadecimal(_)
            | Fault::TruncatedHeader
            | Fault::Truncated { .. }
            | Fault::NameNotTerminated
            | Fault::JunkInside
            | Fault::EmptyFirst
            | Fault::Unsupported(_)
            | Fault::Damaged(_)
            | Fault::Limit(_) => true,
            Fault::TruncatedPadding
            | Fault::NameSize(_)
            | Fault::NameEmpty
            | Fault::NameHoldsNul
            | Fault::NameClimbs
            | Fault::UnknownType(_)
            | Fault::UnexpectedData
            | Fault::SymlinkTarget
            | Fault::Checksum { .. }
            | Fault::XzCheck => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "byte {}", self.offset)?;
        if let Some(inside) = self.inside {
            write!(f, " of the data compressed at byte {inside}")?;
        }
        if let Some(name) = &self.name {
            write!(f, ", {}", show(name))?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Fault::NoMagic => f.write_str("neither a newc archive nor compressed data begins here"),
            Fault::OldFormat => f.write_str(
                "an old portable archive, which the kernel does not read; make it with cpio -H newc",
            ),
            Fault::Unaligned => f.write_str("a header must be at a multiple of 4; pad with NULs"),
            Fault::NotHexadecimal(field) => {
                write!(f, "header field {} is not 8 hexadecimal digits", FIELDS.get(*field).unwrap_or(&"?"))
            }
            Fault::TruncatedHeader => f.write_str("the archive ends within a header"),
            Fault::Truncated { announced, present } => {
                write!(f, "the archive ends within an entry: {announced} bytes announced, {present} there")
            }
            Fault::TruncatedPadding => f.write_str("the archive ends within the padding of its last entry"),
            Fault::NameSize(size) => write!(f, "a name of {size} bytes; the kernel takes 1 to 4096"),
            Fault::NameNotTerminated => f.write_str("the name does not end with a NUL"),
            Fault::NameEmpty => f.write_str("the name is empty"),
            Fault::NameHoldsNul => f.write_str("the name holds a NUL; the kernel takes what is before it"),
            Fault::NameClimbs => f.write_str("the name holds a component \"..\""),
            Fault::UnknownType(mode) => write!(f, "mode {mode:o} is no kind of file"),
            Fault::UnexpectedData => {
                f.write_str("data on something that is no regular file; the kernel leaves it out")
            }
            Fault::SymlinkTarget => {
                f.write_str("the symbolic link's target must have 1 to 4095 bytes and no NUL")
            }
            Fault::Checksum { announced, found } => {
                write!(f, "checksum {announced:08x} announced, the bytes add up to {found:08x}")
            }
            Fault::JunkInside => f.write_str("compressed data holds something other than newc archives"),
            Fault::EmptyFirst => f.write_str(
                "an image must not begin with compressed data that unpacks to nothing; leave it out",
            ),
            Fault::Unsupported(form) => write!(f, "{form} data is not read; unpack it first"),
            Fault::XzCheck => f.write_str("the kernel needs xz --check=crc32 (or none)"),
            Fault::Damaged(why) => write!(f, "damaged or cut short: {why}"),
            Fault::Limit(limit) => {
                write!(f, "unpacks to more than {limit} bytes; allow more if that is right")
            }
        }
    }
}

/// The header's fields by the names cpio(5) gives them.
const FIELDS: [&str; 13] = [
    "ino",
    "mode",
    "uid",
    "gid",
    "nlink",
    "mtime",
    "filesize",
    "devmajor",
    "devminor",
    "rdevmajor",
    "rdevminor",
    "namesize",
    "check",
];
