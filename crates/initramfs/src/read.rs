//! A strict reader of images, in constant memory. It takes nothing on trust: no size of a header is
//! believed before the bytes are there, and what is skipped in a plain segment is not even read.

mod entry;

use std::io;

use crate::bytes::Bytes;
use crate::decompress::{Broken, Form, Manner, StartAhead, Unpacked, start_ahead};
use crate::image::{ImageSummary, SegmentSummary};
use crate::manifest::PATH_MAX;
use crate::newc::{ALIGNMENT, HEADER_SIZE, Header, MAGIC, MAGIC_CHECKSUM, MAGIC_OLD, TRAILER, file_type};
use crate::problem::{Fault, Problem};
use crate::source::{Source, Window};
use crate::write::is_early;

pub use entry::{CopyError, ImageEntry};

/// Reads an image, entry after entry: NULs, plain archives and compressed ones in any order, as
/// `unpack_to_rootfs` in init/initramfs.c (6.12) does.
///
/// It complains where the kernel would stop, skip an entry or take it otherwise than written; what is
/// wrong is in [`summary`](Self::summary), with what is known of the segments. A fault that would stop
/// the kernel ends the reading too. A missing trailer is no fault: the kernel does not need it.
///
/// Memory is the same for every image: a buffer, and what the decompressor needs (at most 256 MiB for
/// the widest window of xz, 8 MiB blocks of LZ4); segments and the first [`PROBLEMS_MAX`] problems are
/// kept. The source is a handle that can be cloned: `&File`, `Arc<File>`, `&[u8]`.
///
/// ```
/// # let image: &[u8] = &[0; 4];
/// let mut reader = initramfs::ImageReader::new(image)?;
/// while let Some(mut entry) = reader.next_entry()? {
///     let name = entry.name().to_vec();
///     let size = std::io::copy(&mut entry, &mut std::io::sink())?; // or leave it: then it is skipped
/// }
/// let summary = reader.into_summary();
/// assert!(summary.problems.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ImageReader<S: Source + Clone> {
    source: S,
    size: u64,
    bytes: Bytes<S>,
    /// Whether the last segment of the summary is being read.
    open: bool,
    summary: ImageSummary,
    current: Option<Current>,
    name: Vec<u8>,
    target: Vec<u8>,
    link_scope: u64,
    /// Bytes that compressed segments may still unpack to, and could at the start.
    room: u64,
    limit: u64,
    ahead: Option<StartAhead<S>>,
    done: bool,
}

/// As many problems are kept; one that ends the reading always is.
pub const PROBLEMS_MAX: usize = 1000;

/// The entry that was read last, as far as its data goes.
#[derive(Clone, Copy, Debug)]
struct Current {
    offset: u64,
    header: Header,
    link_scope: u64,
    /// Bytes of the entry before its padding that are still to be read or skipped.
    left: u64,
    /// The sum of the data so far, where one is announced.
    sum: Option<u32>,
    /// An entry that the kernel takes, not a trailer or one to be passed over.
    counts: bool,
}

impl Current {
    /// These bytes of its data were seen.
    fn account(&mut self, bytes: &[u8]) {
        self.left -= bytes.len() as u64;
        if let Some(sum) = &mut self.sum {
            *sum = bytes.iter().fold(*sum, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        }
    }
}

impl<S: Source + Clone> ImageReader<S> {
    /// A reader of the image that `source` holds. Errors: what the source says about its size.
    pub fn new(source: S) -> io::Result<Self> {
        let size = source.size()?;
        let bytes = Bytes::Plain(Window::new(source.clone(), size, 0));
        Ok(ImageReader {
            source,
            size,
            bytes,
            open: false,
            summary: ImageSummary::default(),
            current: None,
            name: Vec::new(),
            target: Vec::new(),
            link_scope: 0,
            room: u64::MAX,
            limit: u64::MAX,
            ahead: None,
            done: false,
        })
    }

    /// The same reader, which ends with [`Fault::Limit`] once the compressed segments together have
    /// unpacked to more than `limit` bytes.
    pub fn limit(self, limit: u64) -> Self {
        ImageReader { room: limit, limit, ..self }
    }

    /// The same reader, which unpacks in a thread of its own, some buffers ahead: for whoever does more with
    /// the data than to skip it.
    pub fn read_ahead(self) -> Self
    where
        S: Send + 'static,
    {
        ImageReader { ahead: Some(start_ahead()), ..self }
    }

    /// What was read so far: the segments (the last one may still be read), and what is wrong.
    pub fn summary(&self) -> &ImageSummary {
        &self.summary
    }

    /// Hands over what was read.
    pub fn into_summary(self) -> ImageSummary {
        self.summary
    }

    /// The next entry, or None at the end, which may be a fault: see [`summary`](Self::summary). What
    /// was not read of the entry before is skipped. Trailers are not given, nor entries that the kernel
    /// leaves out for the size of their name.
    ///
    /// Errors: what the source says. A fault of the image is no error but a problem of the summary.
    pub fn next_entry(&mut self) -> io::Result<Option<ImageEntry<'_, S>>> {
        while !self.done {
            match self.advance() {
                Ok(true) => return Ok(Some(ImageEntry { reader: self })),
                Ok(false) => {}
                Err(Broken::Io(error)) => {
                    self.done = true;
                    return Err(error);
                }
                Err(Broken::Fault(fault)) => self.end_with(fault),
            }
        }
        Ok(None)
    }

    /// One step: from an entry, a segment or a trailer to the next. Whether an entry is there.
    fn advance(&mut self) -> Result<bool, Broken> {
        self.finish_entry()?;
        match self.skip_nuls()? {
            None => self.end_of_bytes()?,
            Some(b'0') if !self.bytes.position().is_multiple_of(ALIGNMENT) => {
                self.complain(self.bytes.position(), None, Fault::Unaligned);
            }
            Some(b'0') => return self.read_header(),
            Some(_) => self.other_bytes()?,
        }
        Ok(false)
    }

    /// Goes over NULs to the next byte that is none.
    fn skip_nuls(&mut self) -> Result<Option<u8>, Broken> {
        let first_data = self.segment_is_first_and_compressed() && self.bytes.position() == 0;
        loop {
            let there = self.bytes.fill(1)?;
            if there.is_empty() {
                return Ok(None);
            }
            let nuls = there.iter().take_while(|byte| **byte == 0).count();
            let found = there.get(nuls).copied();
            // The kernel's state is still that of its start, in which a header must come at once.
            if first_data && nuls > 0 {
                return Err(Fault::NoMagic.into());
            }
            self.bytes.consume(nuls);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn segment_is_first_and_compressed(&self) -> bool {
        matches!(self.bytes, Bytes::Unpacked(_)) && self.summary.segments.len() == 1
    }

    /// At the end of the image, or of what a compressed segment unpacks to.
    fn end_of_bytes(&mut self) -> Result<(), Broken> {
        let Bytes::Unpacked(unpacked) = &self.bytes else {
            (self.open, self.done) = (false, true);
            return Ok(());
        };
        let (end, wrong_check, empty) =
            (unpacked.image_position(), unpacked.wrong_check(), unpacked.position() == 0);
        let offset = self.close_compressed();
        if wrong_check {
            self.push(Problem { offset, inside: None, name: None, fault: Fault::XzCheck });
        }
        if empty && self.summary.segments.len() == 1 {
            self.push(Problem { offset, inside: None, name: None, fault: Fault::EmptyFirst });
        }
        self.bytes = Bytes::Plain(Window::new(self.source.clone(), self.size, end));
        Ok(())
    }

    /// Notes what is known of the compressed segment that is read; the byte where it begins.
    fn close_compressed(&mut self) -> u64 {
        self.open = false;
        let Bytes::Unpacked(unpacked) = &self.bytes else { return 0 };
        let Some(segment) = self.summary.segments.last_mut() else { return 0 };
        segment.size = unpacked.image_position() - segment.offset;
        segment.unpacked = unpacked.unpacked();
        self.room = self.room.saturating_sub(segment.unpacked);
        segment.offset
    }

    /// At bytes that are neither NUL nor the start of a header: they should be compressed.
    fn other_bytes(&mut self) -> Result<(), Broken> {
        let position = self.bytes.position();
        let Bytes::Plain(window) = &mut self.bytes else {
            return Err(Fault::JunkInside.into());
        };
        let after_plain = self.summary.segments.last().is_some_and(|segment| segment.form == Form::Plain);
        // do_reset in init/initramfs.c: "broken padding", whatever it is that follows.
        if after_plain && !position.is_multiple_of(ALIGNMENT) {
            self.complain(position, None, Fault::Unaligned);
            return Ok(());
        }
        let Some(form) = Form::of_compressed(window.fill(2)?) else {
            self.complain(position, None, Fault::NoMagic);
            return Ok(());
        };
        self.open_segment(position, form);
        let window = Window::new(self.source.clone(), self.size, position);
        let manner = Manner { form, room: self.room, limit: self.limit, ahead: self.ahead };
        let unpacked = Unpacked::new(manner, window)?;
        self.bytes = Bytes::Unpacked(Box::new(unpacked));
        Ok(())
    }

    fn open_segment(&mut self, offset: u64, form: Form) {
        self.open = true;
        let (size, unpacked, entries, trailer, early) = (0, 0, 0, false, false);
        self.summary.segments.push(SegmentSummary { offset, size, form, unpacked, entries, trailer, early });
    }

    /// The header at the position, its name and a link's target; false if no entry comes of it.
    fn read_header(&mut self) -> Result<bool, Broken> {
        let offset = self.bytes.position();
        let (header, summed) = match parse_header(self.bytes.fill(HEADER_SIZE)?) {
            Ok(parsed) => parsed,
            Err(fault) => {
                self.complain(offset, None, fault);
                return Ok(false);
            }
        };
        if !self.open {
            self.open_segment(offset, Form::Plain);
        }
        let announced = header.data_offset() + u64::from(header.size);
        let name_whole = self.read_name(&header)?;
        if let Some(present) = self.bytes.left().filter(|left| *left < announced) {
            let name = (!self.name.is_empty()).then(|| self.name[..self.name.len() - 1].to_vec());
            self.complain(offset, name, Fault::Truncated { announced, present });
            return Ok(false);
        }
        let sum = (summed && header.file_type() == file_type::REGULAR).then_some(0);
        let link_scope = self.link_scope;
        self.current = Some(Current { offset, header, link_scope, left: announced, sum, counts: false });
        if !name_whole {
            return self.pass_over_name(offset, &header);
        }
        self.consume(header.data_offset());
        if !self.check_name(offset, &header) {
            return Ok(false);
        }
        if is_trailer(&self.name, &header) {
            self.link_scope += 1;
            self.with_segment(|segment| segment.trailer = true);
            return Ok(false);
        }
        self.check_entry(offset, &header)?;
        self.with_segment(|segment| segment.trailer = false);
        self.note_early();
        if let Some(current) = &mut self.current {
            current.counts = true;
        }
        Ok(true)
    }

    /// Copies the name with its NUL, if it has a size that the kernel takes and is there with its padding.
    fn read_name(&mut self, header: &Header) -> Result<bool, Broken> {
        self.name.clear();
        let size = header.name_size as usize;
        if size == 0 || size > PATH_MAX {
            return Ok(false);
        }
        let data_offset = header.data_offset() as usize;
        let there = self.bytes.fill(data_offset)?;
        let whole = there.len() >= data_offset;
        if let Some(name) = there.get(HEADER_SIZE..HEADER_SIZE + size) {
            self.name.extend_from_slice(name);
        }
        Ok(whole)
    }

    /// A name that is too long or not there: the entry is no entry.
    fn pass_over_name(&mut self, offset: u64, header: &Header) -> Result<bool, Broken> {
        let size = header.name_size as usize;
        if size == 0 || size > PATH_MAX {
            self.complain(offset, None, Fault::NameSize(header.name_size));
        }
        // The bytes that are not there are missed when the entry is skipped.
        Ok(false)
    }

    /// Goes on within the entry.
    fn consume(&mut self, count: u64) {
        self.bytes.consume(count as usize);
        if let Some(current) = &mut self.current {
            current.left -= count;
        }
    }

    /// Takes the NUL from the name; whether the kernel would use the entry.
    fn check_name(&mut self, offset: u64, header: &Header) -> bool {
        if self.name.pop() != Some(0) {
            let name = self.name.clone();
            self.complain(offset, Some(name), Fault::NameNotTerminated);
            return false;
        }
        // More of them are padding that brings the data to a border of blocks.
        while self.name.pop_if(|byte| *byte == 0).is_some() {}
        if is_trailer(&self.name, header) {
            return true;
        }
        let name = &self.name;
        let climbs = name.split(|byte| *byte == b'/').any(|component| component == b"..");
        let faults = [
            (name.is_empty(), Fault::NameEmpty),
            (name.contains(&0), Fault::NameHoldsNul),
            (climbs, Fault::NameClimbs),
        ];
        for (_, fault) in faults.into_iter().filter(|(wrong, _)| *wrong) {
            self.complain_of_entry(offset, fault);
        }
        true
    }

    /// Everything about an entry that is odd but can be read past, but for its sum, which comes last.
    fn check_entry(&mut self, offset: u64, header: &Header) -> Result<(), Broken> {
        self.target.clear();
        match header.file_type() {
            file_type::REGULAR => {}
            file_type::SYMLINK => {
                let size = header.size as usize;
                if size < PATH_MAX {
                    match self.bytes.fill(size)?.get(..size) {
                        Some(target) => self.target.extend_from_slice(target),
                        None => self.skip_data()?,
                    }
                }
                // usr/gen_init_cpio.c of 6.12 writes the NUL behind a target and counts it.
                if self.target.last() == Some(&0) {
                    self.target.pop();
                }
                if self.target.is_empty() || self.target.contains(&0) {
                    self.complain_of_entry(offset, Fault::SymlinkTarget);
                }
            }
            file_type::DIRECTORY
            | file_type::CHARACTER
            | file_type::BLOCK
            | file_type::FIFO
            | file_type::SOCKET => {
                if header.size > 0 {
                    self.complain_of_entry(offset, Fault::UnexpectedData);
                }
            }
            _ => self.complain_of_entry(offset, Fault::UnknownType(header.mode)),
        }
        Ok(())
    }

    /// Marks the segment in which the kernel would find early files: one of the plain ones at the start.
    fn note_early(&mut self) {
        let all_plain = self.summary.segments.iter().all(|segment| segment.form == Form::Plain);
        if all_plain && is_early(&self.name) {
            self.with_segment(|segment| segment.early = true);
        }
    }

    fn with_segment(&mut self, change: impl FnOnce(&mut SegmentSummary)) {
        if let Some(segment) = self.summary.segments.last_mut() {
            change(segment);
        }
    }

    /// Skips what is left of the entry: its data, and the padding behind it.
    fn finish_entry(&mut self) -> Result<(), Broken> {
        let Some(current) = self.current else { return Ok(()) };
        if current.sum.is_some() && current.counts {
            // A sum stands over the data: it is looked at, to be checked.
            self.drain(&mut |_| Ok(()))?;
        } else {
            self.skip_data()?;
        }
        let Current { offset, header, counts, .. } = current;
        self.with_segment(|segment| segment.entries += u64::from(counts));
        let padding = header.span() - header.data_offset() - u64::from(header.size);
        if self.bytes.skip(padding)? < padding {
            self.complain_of_entry(offset, Fault::TruncatedPadding);
        }
        self.current = None;
        let end = self.bytes.position();
        let plain = matches!(self.bytes, Bytes::Plain(_));
        self.with_segment(|segment| {
            if plain {
                segment.size = end - segment.offset;
                segment.unpacked = segment.size;
            }
        });
        // A trailer ends a plain segment: what follows is another one.
        let ended = self.summary.segments.last().is_some_and(|segment| plain && segment.trailer);
        self.open &= !ended;
        Ok(())
    }

    fn skip_data(&mut self) -> Result<(), Broken> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let skipped = self.bytes.skip(current.left)?;
        current.left -= skipped;
        if current.left > 0 { Err(self.missing()) } else { Ok(()) }
    }

    /// The fault of an entry whose data the unpacked bytes do not hold.
    fn missing(&self) -> Broken {
        let Some(Current { header, left, .. }) = &self.current else { return Fault::TruncatedHeader.into() };
        let announced = header.data_offset() + u64::from(header.size);
        Fault::Truncated { announced, present: announced - left }.into()
    }

    /// Some bytes of the entry's data; 0 at its end, where the sum is checked.
    fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        let Some(current) = &mut self.current else { return Ok(0) };
        let wanted = buffer.len().min(usize::try_from(current.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.bytes.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(self.missing());
        }
        current.account(&buffer[..read]);
        self.check_sum();
        Ok(read)
    }

    /// Hands the rest of the entry's data to `take`, piece by piece as it lies in the buffer.
    fn drain(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), Broken> {
        while let Some(current) = self.current.as_mut().filter(|current| current.left > 0) {
            let there = self.bytes.fill(1)?;
            let taken = there.len().min(usize::try_from(current.left).unwrap_or(usize::MAX));
            if taken == 0 {
                return Err(self.missing());
            }
            take(&there[..taken])?;
            current.account(&there[..taken]);
            self.bytes.consume(taken);
        }
        self.check_sum();
        Ok(())
    }

    /// Compares the sum of the data with the one in the header, once all data was seen.
    fn check_sum(&mut self) {
        let Some(Current { offset, header, left: 0, sum, .. }) = &mut self.current else { return };
        // Taken, so that it is complained of once.
        let (offset, announced, sum) = (*offset, header.checksum, sum.take());
        if let Some(found) = sum.filter(|sum| *sum != announced) {
            self.complain_of_entry(offset, Fault::Checksum { announced, found });
        }
    }

    fn complain_of_entry(&mut self, offset: u64, fault: Fault) {
        let name = (!self.name.is_empty()).then(|| self.name.clone());
        self.complain(offset, name, fault);
    }

    /// A problem at this byte of what is read.
    fn complain(&mut self, offset: u64, name: Option<Vec<u8>>, fault: Fault) {
        let inside = match self.bytes {
            Bytes::Plain(_) => None,
            Bytes::Unpacked(_) => self.summary.segments.last().map(|segment| segment.offset),
        };
        self.push(Problem { offset, inside, name, fault });
    }

    fn push(&mut self, problem: Problem) {
        let stops = problem.fault.stops();
        if stops {
            self.done = true;
            self.close_compressed();
        }
        if stops || self.summary.problems.len() < PROBLEMS_MAX {
            self.summary.problems.push(problem);
        } else {
            self.summary.problems_left_out += 1;
        }
    }

    /// A fault that ends the reading: of the compressed data itself, or at a place within it.
    fn end_with(&mut self, fault: Fault) {
        let current = self.current.take();
        let name =
            current.filter(|current| current.counts && !self.name.is_empty()).map(|_| self.name.clone());
        let segment = self.summary.segments.last().map_or(0, |segment| segment.offset);
        match (fault, current) {
            (fault @ Fault::Truncated { .. }, Some(current)) => self.complain(current.offset, name, fault),
            (fault @ (Fault::JunkInside | Fault::NoMagic), _) => {
                self.complain(self.bytes.position(), None, fault)
            }
            (fault, _) => self.push(Problem { offset: segment, inside: None, name, fault }),
        }
        self.done = true;
    }
}

/// The header that begins `bytes`, and whether its checksum counts.
fn parse_header(bytes: &[u8]) -> Result<(Header, bool), Fault> {
    let Some(magic) = bytes.first_chunk::<6>() else { return Err(Fault::TruncatedHeader) };
    match magic {
        MAGIC | MAGIC_CHECKSUM => {
            let header = bytes.first_chunk::<HEADER_SIZE>().ok_or(Fault::TruncatedHeader)?;
            let fields = header.last_chunk().expect("a part of a header");
            let header = Header::from_fields(fields).map_err(Fault::NotHexadecimal)?;
            Ok((header, magic == MAGIC_CHECKSUM))
        }
        MAGIC_OLD => Err(Fault::OldFormat),
        _ => Err(Fault::NoMagic),
    }
}

/// Whether the kernel takes the entry for the end of an archive: `strcmp` up to the first NUL, in
/// `do_name`, to which symbolic links and what has data but is no file do not come.
fn is_trailer(name: &[u8], header: &Header) -> bool {
    let kind = header.file_type();
    let named = kind == file_type::REGULAR || (kind != file_type::SYMLINK && header.size == 0);
    named && name.split(|byte| *byte == 0).next() == Some(TRAILER)
}
