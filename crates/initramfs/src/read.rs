//! A strict reader of newc bytes. It takes nothing on trust: every size is compared with the bytes that
//! are there before anything is cut out of them, and nothing is copied or allocated but the problems.

use crate::manifest::PATH_MAX;
use crate::newc::{ALIGNMENT, HEADER_SIZE, Header, MAGIC, MAGIC_CHECKSUM, MAGIC_OLD, TRAILER, file_type};
use crate::problem::{Fault, Problem};

/// An entry as it stands in the bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveEntry<'a> {
    /// Byte at which its header begins.
    pub offset: u64,
    /// Its header.
    pub header: Header,
    /// Its name without the NUL: any bytes, as given.
    pub name: &'a [u8],
    /// A file's content or a symbolic link's target. A file with several names has it at one of them.
    pub data: &'a [u8],
}

/// Reads entries from newc bytes one after the other, up to `TRAILER!!!` or to the first byte that is
/// neither a NUL nor the start of a header. What it cannot read ends it, and is in
/// [`problems`](Self::problems); so are faults it can read past.
///
/// It reads the way init/initramfs.c (6.12) does, and complains where the kernel would stop, skip an
/// entry or take it otherwise than written. A missing trailer is no fault: the kernel does not need it.
#[derive(Clone, Debug)]
pub struct ArchiveReader<'a> {
    bytes: &'a [u8],
    offset: usize,
    problems: Vec<Problem>,
    trailer: bool,
    done: bool,
}

impl<'a> ArchiveReader<'a> {
    /// A reader of `bytes` from their start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::starting_at(bytes, 0)
    }

    /// A reader of `bytes` from `offset`; headers are aligned to the start of `bytes`, not to `offset`.
    pub fn starting_at(bytes: &'a [u8], offset: usize) -> Self {
        ArchiveReader { bytes, offset, problems: Vec::new(), trailer: false, done: false }
    }

    /// What was wrong so far, in the order of the bytes.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Hands over what was wrong so far.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Whether a fault that ends the reading has been met.
    pub fn failed(&self) -> bool {
        self.problems.last().is_some_and(|problem| problem.fault.stops())
    }

    /// Whether `TRAILER!!!` has been met.
    pub fn has_trailer(&self) -> bool {
        self.trailer
    }

    /// Byte up to which everything has been read: the end of the last entry, padding included, or where
    /// the fault is that ended the reading.
    pub fn offset(&self) -> usize {
        self.offset
    }

    fn complain(&mut self, name: Option<&[u8]>, fault: Fault) {
        self.done |= fault.stops();
        let (offset, name) = (self.offset as u64, name.map(<[u8]>::to_vec));
        self.problems.push(Problem { offset, inside: None, name, fault });
    }

    /// Goes over NULs to the next header; stays, and says false, if none follows.
    fn find_header(&mut self) -> bool {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let Some(nuls) = rest.iter().position(|byte| *byte != 0) else { return false };
        if rest[nuls] != b'0' {
            return false;
        }
        self.offset += nuls;
        if !(self.offset as u64).is_multiple_of(ALIGNMENT) {
            self.complain(None, Fault::Unaligned);
            return false;
        }
        true
    }

    /// The header at the offset, and whether its checksum counts.
    fn read_header(&mut self) -> Option<(Header, bool)> {
        let rest = &self.bytes[self.offset..];
        let magic = rest.first_chunk::<6>();
        let fault = match magic {
            Some(magic) if magic == MAGIC || magic == MAGIC_CHECKSUM => match rest
                .first_chunk::<HEADER_SIZE>()
            {
                None => Fault::TruncatedHeader,
                Some(header) => match Header::from_fields(header.last_chunk().expect("a part of a header")) {
                    Ok(header) => return Some((header, magic == MAGIC_CHECKSUM)),
                    Err(field) => Fault::NotHexadecimal(field),
                },
            },
            Some(magic) if magic == MAGIC_OLD => Fault::OldFormat,
            Some(_) => Fault::NoMagic,
            None => Fault::TruncatedHeader,
        };
        self.complain(None, fault);
        None
    }

    /// The entry at the offset, which moves behind it. None if it ends the reading or is left out.
    fn read_entry(&mut self) -> Option<ArchiveEntry<'a>> {
        let (header, summed) = self.read_header()?;
        let rest = &self.bytes[self.offset..];
        let present = rest.len() as u64;
        let announced = header.data_offset() + u64::from(header.size);
        // Name first: a name that is there is worth having in the message about data that is not.
        let name_end = HEADER_SIZE as u64 + u64::from(header.name_size);
        let whole = (name_end <= present).then(|| &rest[HEADER_SIZE..name_end as usize]);
        if announced > present {
            let name = whole.filter(|name| name.len() <= PATH_MAX).and_then(|name| name.split_last());
            self.complain(name.map(|(_, name)| name), Fault::Truncated { announced, present });
            return None;
        }
        let data = &rest[header.data_offset() as usize..announced as usize];
        let entry = self.check_name(header, whole?).map(|name| {
            let entry = ArchiveEntry { offset: self.offset as u64, header, name, data };
            self.check_entry(&entry, summed);
            entry
        });
        if self.done {
            return None;
        }
        if header.span() > present {
            self.complain(entry.map(|entry| entry.name), Fault::TruncatedPadding);
        }
        self.offset += header.span().min(present) as usize;
        entry
    }

    /// The name without its NUL, if the kernel would use the entry.
    fn check_name(&mut self, header: Header, name: &'a [u8]) -> Option<&'a [u8]> {
        if name.is_empty() || name.len() > PATH_MAX {
            self.complain(None, Fault::NameSize(header.name_size));
            return None;
        }
        let Some((0, name)) = name.split_last() else {
            self.complain(Some(name), Fault::NameNotTerminated);
            return None;
        };
        if name.is_empty() {
            self.complain(None, Fault::NameEmpty);
        }
        if name.contains(&0) {
            self.complain(Some(name), Fault::NameHoldsNul);
        }
        if name.split(|byte| *byte == b'/').any(|component| component == b"..") {
            self.complain(Some(name), Fault::NameClimbs);
        }
        Some(name)
    }

    /// Everything about an entry that is odd but can be read past.
    fn check_entry(&mut self, entry: &ArchiveEntry, summed: bool) {
        let (header, data) = (&entry.header, entry.data);
        match header.file_type() {
            file_type::REGULAR => {
                let found = if summed { sum(data) } else { header.checksum };
                if found != header.checksum {
                    self.complain(Some(entry.name), Fault::Checksum { announced: header.checksum, found });
                }
            }
            file_type::SYMLINK => {
                if data.is_empty() || data.contains(&0) || data.len() >= PATH_MAX {
                    self.complain(Some(entry.name), Fault::SymlinkTarget);
                }
            }
            _ if is_trailer(entry.name) => {}
            file_type::DIRECTORY
            | file_type::CHARACTER
            | file_type::BLOCK
            | file_type::FIFO
            | file_type::SOCKET => {
                if !data.is_empty() {
                    self.complain(Some(entry.name), Fault::UnexpectedData);
                }
            }
            _ => self.complain(Some(entry.name), Fault::UnknownType(header.mode)),
        }
    }
}

impl<'a> Iterator for ArchiveReader<'a> {
    type Item = ArchiveEntry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done && self.find_header() {
            let Some(entry) = self.read_entry() else { continue };
            if is_trailer(entry.name) {
                self.trailer = true;
                break;
            }
            return Some(entry);
        }
        self.done = true;
        None
    }
}

/// The sum of a file's bytes, as a header with the magic 070702 carries it.
fn sum(data: &[u8]) -> u32 {
    data.iter().fold(0, |sum, byte| sum.wrapping_add(u32::from(*byte)))
}

/// Whether the kernel takes the name for the end of an archive: `strcmp` up to the first NUL.
fn is_trailer(name: &[u8]) -> bool {
    name.split(|byte| *byte == 0).next() == Some(TRAILER)
}
