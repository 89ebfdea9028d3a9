//! Bytes that are read by position, so that what is skipped is never read, and a window on them.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// What an image is read from. Reading takes a position, so several readers can share one source.
pub trait Source {
    /// Reads some bytes at `offset` into `buffer`; 0 only at the end, or if `buffer` is empty.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// How many bytes there are.
    fn size(&self) -> io::Result<u64>;
    /// The file it is, if it is one: the kernel can copy from it.
    fn file(&self) -> Option<&File> {
        None
    }
}

impl Source for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        let metadata = self.metadata()?;
        // A block device has its size at its end alone; what has no end (a pipe) is an error here.
        if metadata.is_file() { Ok(metadata.len()) } else { (&mut &*self).seek(SeekFrom::End(0)) }
    }

    fn file(&self) -> Option<&File> {
        Some(self)
    }
}

impl Source for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let taken = rest.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&rest[..taken]);
        Ok(taken)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl<T: Source + ?Sized> Source for &T {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }

    fn file(&self) -> Option<&File> {
        (**self).file()
    }
}

impl<T: Source + ?Sized> Source for Arc<T> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }

    fn file(&self) -> Option<&File> {
        (**self).file()
    }
}

/// Bytes that are read after a jump: a page holds a header, its name and often the next ones.
const STEP_MIN: usize = 4 << 10;
/// Bytes that are read at once where one reads on and on.
const STEP_MAX: usize = 256 << 10;

/// A buffer that slides over a source. It reads more at once the longer nothing is jumped over.
pub(crate) struct Window<S> {
    source: S,
    size: u64,
    buffer: Vec<u8>,
    /// The bytes of `buffer` that were read and not consumed.
    start: usize,
    end: usize,
    /// The source's byte that comes behind `buffer[..end]`.
    next: u64,
    step: usize,
    failed: bool,
}

impl<S: Source> Window<S> {
    /// A window on the first `size` bytes of `source`, at byte `at`.
    pub(crate) fn new(source: S, size: u64, at: u64) -> Self {
        Window {
            source,
            size,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            next: at.min(size),
            step: STEP_MIN,
            failed: false,
        }
    }

    /// The source's byte that is read next.
    pub(crate) fn position(&self) -> u64 {
        self.next - self.buffered() as u64
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> u64 {
        self.size - self.position()
    }

    /// Whether the source has refused to be read.
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// The next bytes: `wanted` or more, unless the end is nearer.
    pub(crate) fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.buffered() < wanted && self.next < self.size {
            self.read_more(wanted)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn read_more(&mut self, wanted: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let left = usize::try_from(self.size - self.next).unwrap_or(usize::MAX);
        let step = self.step.max(wanted - self.end).min(left);
        if self.buffer.len() < self.end + step {
            self.buffer.resize(self.end + step, 0);
        }
        let read = self.read_source(self.end, self.end + step)?;
        self.end += read;
        self.step = (self.step * 2).min(STEP_MAX);
        Ok(())
    }

    fn read_source(&mut self, from: usize, to: usize) -> io::Result<usize> {
        loop {
            match self.source.read_at(&mut self.buffer[from..to], self.next) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return self.account(outcome),
            }
        }
    }

    /// Keeps count of what the source gave. One that ends early has shrunk since it was looked at.
    fn account(&mut self, outcome: io::Result<usize>) -> io::Result<usize> {
        self.failed |= outcome.is_err();
        let read = outcome?;
        if read == 0 {
            self.size = self.next;
        }
        self.next += read as u64;
        Ok(read)
    }

    /// Goes on behind `count` bytes, or to the end, without reading what is not in the buffer.
    pub(crate) fn skip(&mut self, count: u64) {
        let buffered = self.buffered();
        if count <= buffered as u64 {
            self.start += count as usize;
            return;
        }
        self.next = self.next.saturating_add(count - buffered as u64).min(self.size);
        (self.start, self.end) = (0, 0);
        self.step = STEP_MIN;
    }
}

impl<S: Source> Read for Window<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What is large goes past the window's own buffer.
        if self.buffered() == 0 && buffer.len() >= self.step && self.next < self.size {
            let left = usize::try_from(self.size - self.next).unwrap_or(usize::MAX);
            let wanted = buffer.len().min(left);
            let outcome = self.source.read_at(&mut buffer[..wanted], self.next);
            return self.account(outcome);
        }
        let there = self.fill(1)?;
        let taken = there.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&there[..taken]);
        self.start += taken;
        Ok(taken)
    }
}

impl<S: Source> BufRead for Window<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill(1)
    }

    fn consume(&mut self, count: usize) {
        self.start += count.min(self.buffered());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A source that keeps what was asked of it, and gives at most 1,000 bytes at once.
    struct Watched<'a>(&'a [u8], RefCell<Vec<std::ops::Range<u64>>>);

    impl Source for Watched<'_> {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let most = buffer.len().min(1000);
            let read = self.0.read_at(&mut buffer[..most], offset)?;
            self.1.borrow_mut().push(offset..offset + read as u64);
            Ok(read)
        }

        fn size(&self) -> io::Result<u64> {
            self.0.size()
        }
    }

    #[test]
    fn what_is_skipped_is_not_read() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at % 253) as u8).collect();
        let source = Watched(&bytes, RefCell::default());
        let mut window = Window::new(&source, 100_000, 10);
        assert_eq!(window.fill(5).unwrap()[..5], bytes[10..15]);
        window.skip(50_000);
        assert_eq!(window.position(), 50_010);
        assert_eq!(window.fill(2000).unwrap()[..2000], bytes[50_010..52_010]);
        window.skip(u64::MAX);
        assert_eq!((window.position(), window.left()), (100_000, 0));
        assert!(window.fill(1).unwrap().is_empty());
        let read = source.1.borrow();
        assert!(read.iter().all(|part| part.end <= 5000 || part.start >= 50_010), "{read:?}");
    }

    #[test]
    fn every_way_of_reading_gives_the_bytes_in_order() {
        let bytes: Vec<u8> = (0..50_000_u32).map(|at| (at % 251) as u8).collect();
        let source = Watched(&bytes, RefCell::default());
        let mut window = Window::new(&source, 50_000, 0);
        let mut found = window.fill(10).unwrap().to_vec();
        let length = found.len();
        window.consume(length);
        let mut large = vec![0; 9000];
        let read = window.read(&mut large).unwrap();
        found.extend(&large[..read]);
        window.read_to_end(&mut found).unwrap();
        assert!(found == bytes);
    }

    #[test]
    fn a_source_that_shrank_ends_where_it_ends() {
        let mut window = Window::new(&b"short"[..], 1000, 0);
        assert_eq!(window.fill(100).unwrap(), b"short");
        assert_eq!(window.left(), 5);
    }
}
