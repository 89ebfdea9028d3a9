//! The bytes that entries are read from: of the image itself, or unpacked.

use crate::decompress::{Broken, Unpacked};
use crate::source::{Source, Window};

pub(crate) enum Bytes<S: Source> {
    /// The image, at a place between or in plain segments.
    Plain(Window<S>),
    /// What a compressed segment unpacks to.
    Unpacked(Box<Unpacked<S>>),
}

impl<S: Source> Bytes<S> {
    /// The byte that is read next, of the image or of what the segment unpacks to.
    pub(crate) fn position(&self) -> u64 {
        match self {
            Bytes::Plain(window) => window.position(),
            Bytes::Unpacked(unpacked) => unpacked.position(),
        }
    }

    /// The next bytes: `wanted` or more, unless the end is nearer. `wanted` is at most some KiB.
    pub(crate) fn fill(&mut self, wanted: usize) -> Result<&[u8], Broken> {
        match self {
            Bytes::Plain(window) => Ok(window.fill(wanted)?),
            Bytes::Unpacked(unpacked) => unpacked.fill(wanted),
        }
    }

    /// Goes on behind `count` bytes that [`fill`](Self::fill) gave.
    pub(crate) fn consume(&mut self, count: usize) {
        match self {
            Bytes::Plain(window) => window.skip(count as u64),
            Bytes::Unpacked(unpacked) => unpacked.consume(count),
        }
    }

    /// Goes on behind `count` bytes; how many there were. In the image nothing is read for it.
    pub(crate) fn skip(&mut self, count: u64) -> Result<u64, Broken> {
        match self {
            Bytes::Plain(window) => {
                let there = window.left().min(count);
                window.skip(there);
                Ok(there)
            }
            Bytes::Unpacked(unpacked) => unpacked.skip(count),
        }
    }

    /// Some of the next bytes; 0 only at the end, or if `buffer` is empty.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        match self {
            Bytes::Plain(window) => loop {
                match std::io::Read::read(window, buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    outcome => return Ok(outcome?),
                }
            },
            Bytes::Unpacked(unpacked) => unpacked.read(buffer),
        }
    }

    /// How many bytes are left, where that is known before they are read.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Bytes::Plain(window) => Some(window.left()),
            Bytes::Unpacked(_) => None,
        }
    }
}
