//! One entry of an image that is being read.

use std::fs::File;
use std::io::{self, Read, Write as _};

use rustix::io::Errno;

use super::{Current, ImageReader};
use crate::bytes::Bytes;
use crate::decompress::Broken;
use crate::image::ImageSummary;
use crate::newc::Header;
use crate::source::Source;
use crate::tree::TreeEntry;

/// An entry at which an [`ImageReader`] stands. Read from it, it gives the entry's data: a file's content
/// (one with several names has it at one of them) or a symbolic link's target, of exactly the size in its
/// header or an error of kind `InvalidData`, of which the reader's summary then tells.
pub struct ImageEntry<'r, S: Source + Clone> {
    pub(super) reader: &'r mut ImageReader<S>,
}

impl<S: Source + Clone> ImageEntry<'_, S> {
    fn current(&self) -> Current {
        self.reader.current.expect("a reader that gives an entry stands at it")
    }

    /// The number of its segment, from 0: its place in [`ImageSummary::segments`].
    pub fn segment(&self) -> usize {
        self.reader.summary.segments.len() - 1
    }

    /// Byte at which its header begins: of the image in a plain segment, else of what the segment
    /// unpacks to.
    pub fn offset(&self) -> u64 {
        self.current().offset
    }

    /// Its header.
    pub fn header(&self) -> Header {
        self.current().header
    }

    /// Its name without the NULs at its end: any bytes, as given. The kernel takes what is before a NUL in it.
    pub fn name(&self) -> &[u8] {
        &self.reader.name
    }

    /// A symbolic link's target, unless it is longer than the kernel takes; empty for everything else.
    pub fn target(&self) -> &[u8] {
        &self.reader.target
    }

    /// How many trailers came before it. Entries of one file have the same scope, device, inode and
    /// type: a trailer makes the kernel forget the links.
    pub fn link_scope(&self) -> u64 {
        self.current().link_scope
    }

    /// What a [`Tree`](crate::Tree) needs of it. `number`: its own, counted over the whole image.
    pub fn tree_entry(&self, number: u64) -> TreeEntry<'_> {
        let (header, link_scope) = (self.header(), self.link_scope());
        TreeEntry { number, name: self.name(), header, target: self.target(), link_scope }
    }

    /// The byte of the source at which the rest of its data stands, in a plain segment: it can be copied
    /// from there instead of read. Data with a sum cannot, as the sum would not be checked.
    pub fn data_at(&self) -> Option<u64> {
        let current = self.current();
        match &self.reader.bytes {
            Bytes::Plain(window) if current.sum.is_none() => Some(window.position()),
            _ => None,
        }
    }

    /// What was read so far and what is wrong, this entry's name included; its sum only once its data
    /// was read.
    pub fn summary(&self) -> &ImageSummary {
        self.reader.summary()
    }

    /// Hands the rest of the data to `take`, piece by piece as it lies in the reader's buffer. Errors: as
    /// reading from the entry.
    pub fn pieces(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let drained = self.reader.drain(&mut |bytes| {
            take(bytes);
            Ok(())
        });
        drained.map_err(|broken| self.broken(broken))
    }

    /// Takes note of why no more data comes.
    fn broken(&mut self, broken: Broken) -> io::Error {
        match broken {
            Broken::Io(error) => {
                self.reader.done = true;
                error
            }
            Broken::Fault(fault) => {
                let text = fault.to_string();
                self.reader.end_with(fault);
                io::Error::new(io::ErrorKind::InvalidData, text)
            }
        }
    }

    /// Writes the rest of the data to a file. Large data of a plain segment goes from file to file within
    /// the kernel (copy_file_range), where both can; file systems that can share the blocks.
    pub fn copy_to(&mut self, out: &mut File) -> Result<(), CopyError> {
        self.copy_range(out)?;
        let mut refused = false;
        let drained = self.reader.drain(&mut |bytes| out.write_all(bytes).inspect_err(|_| refused = true));
        match drained {
            Ok(()) => Ok(()),
            Err(Broken::Io(error)) if refused => Err(CopyError::Write(error)),
            Err(broken) => match self.broken(broken) {
                error if error.kind() == io::ErrorKind::InvalidData => Err(CopyError::Damaged),
                error => Err(CopyError::Read(error)),
            },
        }
    }

    /// Lets the kernel copy what it will.
    fn copy_range(&mut self, out: &File) -> Result<(), CopyError> {
        let Some(mut from) = self.data_at() else { return Ok(()) };
        while let Some(current) = self.reader.current.as_mut().filter(|left| left.left >= COPY_MIN) {
            let Some(file) = self.reader.source.file() else { return Ok(()) };
            let wanted = usize::try_from(current.left).unwrap_or(usize::MAX);
            match rustix::fs::copy_file_range(file, Some(&mut from), out, None, wanted) {
                Ok(copied) if copied > 0 => {
                    current.left -= copied as u64;
                    self.reader.bytes.skip(copied as u64).map_err(|_| CopyError::Damaged)?;
                }
                Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                    return Err(CopyError::Write(error.into()));
                }
                // It cannot between these two: they are read and written.
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Data from which copying in the kernel is worth its call.
const COPY_MIN: u64 = 64 << 10;

/// Why an entry's data could not be copied.
#[derive(Debug)]
pub enum CopyError {
    /// It is not all there: the reader's summary tells.
    Damaged,
    /// The image cannot be read.
    Read(io::Error),
    /// The output cannot be written.
    Write(io::Error),
}

impl<S: Source + Clone> Read for ImageEntry<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read_data(buffer).map_err(|broken| self.broken(broken))
    }
}
