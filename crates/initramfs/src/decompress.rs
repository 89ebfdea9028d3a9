//! Unpacking one compressed segment out of the middle of an image, a buffer at a time.

mod ahead;

use std::io::{self, Read};

use ahead::{Ahead, Piece};

use crate::compression::Compression;
use crate::lz4::LegacyDecoder;
use crate::lzo::LzopDecoder;
use crate::problem::Fault;
use crate::source::{Source, Window};

/// The largest zstd window that is unpacked, as a power of two: 128 MiB, as in the kernel
/// (`ZSTD_WINDOWLOG_LIMIT_DEFAULT` in include/linux/zstd_lib.h) and in the zstd tool without `--long`.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Memory that an xz or lzma stream may ask for. Level 9 needs 65 MiB.
const XZ_MEMORY_MAX: u64 = 256 << 20;
/// Bytes that are unpacked at once: they still lie in the processor's cache when they are looked at.
const BUFFER_SIZE: usize = 128 << 10;
/// Room before them for what is left of the bytes before: more than any header, name and target take.
const HEADROOM: usize = 16 << 10;

/// How a segment is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A plain newc archive.
    Plain,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
    /// xz.
    Xz,
    /// lzma, the one stream of the LZMA utilities.
    Lzma,
    /// bzip2.
    Bzip2,
    /// LZ4 in its legacy frame.
    Lz4,
    /// LZO in the container of lzop.
    Lzo,
    /// A form the kernel may know and this reader does not, by its name.
    Unsupported(&'static str),
}

impl Form {
    /// The name of the form, the one [`Compression`](crate::Compression) has where there is one.
    pub fn name(self) -> &'static str {
        match self {
            Form::Plain => "none",
            Form::Gzip => "gzip",
            Form::Zstd => "zstd",
            Form::Xz => "xz",
            Form::Lzma => "lzma",
            Form::Bzip2 => "bzip2",
            Form::Lz4 => "lz4",
            Form::Lzo => "lzo",
            Form::Unsupported(name) => name,
        }
    }

    /// How this crate writes the form, where it does.
    pub fn compression(self) -> Option<Compression> {
        crate::COMPRESSIONS.into_iter().find(|compression| compression.form() == self)
    }

    /// The option that lets the kernel unpack it (usr/Kconfig).
    pub fn kernel_option(self) -> Option<&'static str> {
        match self {
            Form::Plain | Form::Unsupported(_) => None,
            Form::Gzip => Some("RD_GZIP"),
            Form::Zstd => Some("RD_ZSTD"),
            Form::Xz => Some("RD_XZ"),
            Form::Lzma => Some("RD_LZMA"),
            Form::Bzip2 => Some("RD_BZIP2"),
            Form::Lz4 => Some("RD_LZ4"),
            Form::Lzo => Some("RD_LZO"),
        }
    }

    /// The compressed form that begins `bytes`, by the two bytes that `compressed_formats` in
    /// lib/decompress.c goes by.
    pub(crate) fn of_compressed(bytes: &[u8]) -> Option<Form> {
        match bytes.first_chunk()? {
            [0x1f, 0x8b] => Some(Form::Gzip),
            [0x28, 0xb5] => Some(Form::Zstd),
            [0xfd, 0x37] => Some(Form::Xz),
            [0x02, 0x21] => Some(Form::Lz4),
            [0x42, 0x5a] => Some(Form::Bzip2),
            [0x5d, 0x00] => Some(Form::Lzma),
            [0x1f, 0x9e] => Some(Form::Unsupported("old gzip")),
            [0x89, 0x4c] => Some(Form::Lzo),
            _ => None,
        }
    }
}

/// Why bytes do not come: the source cannot be read, or what it holds is wrong.
#[derive(Debug)]
pub(crate) enum Broken {
    Io(io::Error),
    Fault(Fault),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Broken::Io(error)
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Broken::Fault(fault)
    }
}

/// Gives the unpacked bytes in order.
pub(crate) enum Decoder<S: Source> {
    Gzip(flate2::bufread::GzDecoder<Window<S>>),
    Zstd(zstd::stream::read::Decoder<'static, Window<S>>),
    /// xz and lzma.
    Xz(liblzma::bufread::XzDecoder<Window<S>>),
    Bzip2(bzip2::bufread::BzDecoder<Window<S>>),
    Lz4(LegacyDecoder<S>),
    Lzo(LzopDecoder<S>),
}

impl<S: Source> Decoder<S> {
    fn new(form: Form, window: Window<S>) -> io::Result<Result<Self, Fault>> {
        use liblzma::stream::Stream;
        let xz = |stream: Result<Stream, liblzma::stream::Error>, window| -> io::Result<Self> {
            Ok(Decoder::Xz(liblzma::bufread::XzDecoder::new_stream(window, stream?)))
        };
        Ok(Ok(match form {
            Form::Plain => return Ok(Err(Fault::NoMagic)),
            Form::Unsupported(name) => return Ok(Err(Fault::Unsupported(name))),
            Form::Gzip => Decoder::Gzip(flate2::bufread::GzDecoder::new(window)),
            Form::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(window)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Decoder::Zstd(decoder)
            }
            Form::Xz => xz(Stream::new_stream_decoder(XZ_MEMORY_MAX, 0), window)?,
            Form::Lzma => xz(Stream::new_lzma_decoder(XZ_MEMORY_MAX), window)?,
            Form::Bzip2 => Decoder::Bzip2(bzip2::bufread::BzDecoder::new(window)),
            Form::Lz4 => Decoder::Lz4(LegacyDecoder::new(window)),
            Form::Lzo => Decoder::Lzo(LzopDecoder::new(window)),
        }))
    }

    fn window(&self) -> &Window<S> {
        match self {
            Decoder::Gzip(decoder) => decoder.get_ref(),
            Decoder::Zstd(decoder) => decoder.get_ref(),
            Decoder::Xz(decoder) => decoder.get_ref(),
            Decoder::Bzip2(decoder) => decoder.get_ref(),
            Decoder::Lz4(decoder) => decoder.get_ref(),
            Decoder::Lzo(decoder) => decoder.get_ref(),
        }
    }
}

impl<S: Source> Decoder<S> {
    /// Some of the next bytes; 0 only at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        loop {
            let read = match self {
                Decoder::Gzip(decoder) => decoder.read(buffer),
                Decoder::Zstd(decoder) => decoder.read(buffer),
                Decoder::Xz(decoder) => decoder.read(buffer),
                Decoder::Bzip2(decoder) => decoder.read(buffer),
                Decoder::Lz4(decoder) => decoder.read(buffer),
                Decoder::Lzo(decoder) => decoder.read(buffer),
            };
            match read {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.window().failed() => return Err(Broken::Io(error)),
                Err(error) => return Err(Fault::Damaged(error.to_string()).into()),
            }
        }
    }
}

/// Starts a thread that unpacks.
pub(crate) type StartAhead<S> = fn(Decoder<S>) -> io::Result<Ahead>;

/// What [`Unpacked::new`] takes to unpack in a thread.
pub(crate) fn start_ahead<S: Source + Send + 'static>() -> StartAhead<S> {
    Ahead::start
}

/// Where unpacked bytes come from.
enum Feed<S: Source> {
    /// From this thread, when they are wanted.
    Here(Box<Decoder<S>>),
    /// From another thread, before they are wanted.
    Ahead(Ahead),
}

/// How a segment is to be unpacked.
pub(crate) struct Manner<S: Source> {
    /// How it is stored.
    pub(crate) form: Form,
    /// How many bytes it may unpack to.
    pub(crate) room: u64,
    /// The number that an error names when there are more.
    pub(crate) limit: u64,
    /// How a thread is started for it, if one is wanted.
    pub(crate) ahead: Option<StartAhead<S>>,
}

/// What a compressed segment unpacks to, read from its start to its end.
pub(crate) struct Unpacked<S: Source> {
    feed: Feed<S>,
    /// An xz stream whose check the kernel cannot do.
    wrong_check: bool,
    piece: Piece,
    /// The unpacked byte that is read next.
    position: u64,
    /// Bytes that may still be unpacked.
    room: u64,
    limit: u64,
    ended: bool,
}

impl<S: Source> Unpacked<S> {
    /// Unpacks the segment at which `window` stands.
    pub(crate) fn new(manner: Manner<S>, mut window: Window<S>) -> Result<Self, Broken> {
        // The .xz format, 2.1.1.2: the second flag byte names the check; the kernel does none (0) and
        // CRC32 (1) (dec_stream_header in lib/xz/xz_dec_stream.c).
        let Manner { form, room, limit, ahead } = manner;
        let wrong_check = form == Form::Xz && !matches!(window.fill(8)?.get(7), Some(0 | 1));
        let image_position = window.position();
        let decoder = Decoder::new(form, window)??;
        let feed = match ahead {
            Some(start) => Feed::Ahead(start(decoder)?),
            None => Feed::Here(Box::new(decoder)),
        };
        let piece = Piece { bytes: Vec::new(), start: HEADROOM, end: HEADROOM, image_position };
        Ok(Unpacked { feed, wrong_check, piece, position: 0, room, limit, ended: false })
    }

    /// The unpacked byte that is read next.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes unpacked so far, whether they were read or not.
    pub(crate) fn unpacked(&self) -> u64 {
        self.position + self.piece.len() as u64
    }

    /// The byte of the image behind what was used of it.
    pub(crate) fn image_position(&self) -> u64 {
        match &self.feed {
            Feed::Here(decoder) => decoder.window().position(),
            Feed::Ahead(_) => self.piece.image_position,
        }
    }

    /// Whether it is an xz stream whose check the kernel cannot do.
    pub(crate) fn wrong_check(&self) -> bool {
        self.wrong_check
    }

    /// The next bytes: `wanted` or more, unless the end is nearer. `wanted` is less than HEADROOM.
    pub(crate) fn fill(&mut self, wanted: usize) -> Result<&[u8], Broken> {
        while self.piece.len() < wanted && !self.ended {
            self.fill_more()?;
        }
        Ok(self.piece.unread())
    }

    /// Puts more bytes behind those that are left.
    fn fill_more(&mut self) -> Result<(), Broken> {
        let left = self.piece.len();
        let read = match &mut self.feed {
            Feed::Here(decoder) => {
                let Piece { bytes, start, end, .. } = &mut self.piece;
                bytes.resize(HEADROOM + BUFFER_SIZE, 0);
                bytes.copy_within(*start..*end, HEADROOM - left);
                (*start, *end) = (HEADROOM - left, HEADROOM);
                let read = decoder.read(&mut bytes[HEADROOM..])?;
                *end += read;
                read
            }
            Feed::Ahead(ahead) => {
                let mut next = match ahead.next() {
                    Ok(next) => next,
                    Err(failure) => {
                        self.piece.image_position =
                            failure.image_position.unwrap_or(self.piece.image_position);
                        return Err(failure.broken);
                    }
                };
                let read = next.len();
                next.start -= left;
                next.bytes[next.start..HEADROOM].copy_from_slice(self.piece.unread());
                ahead.give_back(std::mem::replace(&mut self.piece, next).bytes);
                read
            }
        };
        self.count(read)
    }

    fn count(&mut self, read: usize) -> Result<(), Broken> {
        self.ended = read == 0;
        self.room = self.room.checked_sub(read as u64).ok_or(Fault::Limit(self.limit))?;
        Ok(())
    }

    pub(crate) fn consume(&mut self, count: usize) {
        let count = count.min(self.piece.len());
        self.piece.start += count;
        self.position += count as u64;
    }

    /// Goes on behind `count` bytes; how many there were.
    pub(crate) fn skip(&mut self, count: u64) -> Result<u64, Broken> {
        let mut left = count;
        while left > 0 {
            let there = self.fill(1)?.len() as u64;
            if there == 0 {
                break;
            }
            let step = there.min(left);
            self.consume(step as usize);
            left -= step;
        }
        Ok(count - left)
    }

    /// Some of the next bytes; 0 only at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        let there = self.fill(1)?;
        let taken = there.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&there[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}
