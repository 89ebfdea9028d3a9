//! The compressed forms that the kernel unpacks, each written with the settings its decompressor needs.
//!
//! All output depends only on input and level: no time stamp, no name, no path of code that differs between
//! processors, and cuts between the threads' parts that hang on the input alone. gzip goes through flate2's
//! `zlib-rs` backend: it is several times faster than the default one at the same level, and its match finder
//! hashes the same on every processor.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::str::FromStr;

use liblzma::stream::{Check, Filters, LzmaOptions, MtStreamBuilder};

use crate::decompress::Form;
use crate::error::Error;
use crate::parallel;

/// How a segment is compressed. The text form is the name alone for the usual level (`gzip`), or the
/// name and a level (`gzip:9`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), with no name and time stamp 0. Kernel option RD_GZIP.
    Gzip {
        /// 0 to 9.
        level: u32,
    },
    /// One zstd frame (RFC 8878) with a checksum. Kernel option RD_ZSTD. Its window is at most 128 MiB
    /// at any level, which the kernel takes (`ZSTD_WINDOWLOG_LIMIT_DEFAULT`, 27, in zstd_lib.h); levels above
    /// 19 make the kernel allocate 32 to 128 MiB while it unpacks.
    Zstd {
        /// 1 to 22.
        level: u32,
    },
    /// One xz stream of blocks of at most 16 MiB (lib/xz/xz_dec_stream.c takes any number), with a CRC32,
    /// the only check the kernel can do, and no branch filter. Kernel option RD_XZ.
    Xz {
        /// 0 to 9.
        level: u32,
    },
    /// LZ4 in its legacy frame (`lz4 -l`): the only one lib/decompress_unlz4.c reads. Kernel option RD_LZ4.
    Lz4,
}

/// Every form at its usual level.
pub const ALL: [Compression; 5] = [
    Compression::None,
    Compression::Gzip { level: 6 },
    Compression::Zstd { level: 3 },
    Compression::Xz { level: 6 },
    Compression::Lz4,
];

impl Compression {
    /// The name: `none`, `gzip`, `zstd`, `xz` or `lz4`.
    pub fn name(self) -> &'static str {
        self.form().name()
    }

    /// How what it writes is stored.
    pub fn form(self) -> Form {
        match self {
            Compression::None => Form::Plain,
            Compression::Gzip { .. } => Form::Gzip,
            Compression::Zstd { .. } => Form::Zstd,
            Compression::Xz { .. } => Form::Xz,
            Compression::Lz4 => Form::Lz4,
        }
    }

    /// The level, where the form has one.
    pub fn level(self) -> Option<u32> {
        match self {
            Compression::None | Compression::Lz4 => None,
            Compression::Gzip { level } | Compression::Zstd { level } | Compression::Xz { level } => {
                Some(level)
            }
        }
    }

    /// The same form at another level. Errors: a level that the form does not have.
    pub fn with_level(self, level: u32) -> Result<Self, Error> {
        let (form, levels) = match self {
            Compression::Gzip { .. } => (Compression::Gzip { level }, 0..=9),
            Compression::Zstd { .. } => (Compression::Zstd { level }, 1..=22),
            Compression::Xz { .. } => (Compression::Xz { level }, 0..=9),
            Compression::None | Compression::Lz4 => {
                return Err(Error::Compression(format!(
                    "{} has no levels; write \"{self}\" alone",
                    self.name()
                )));
            }
        };
        if levels.contains(&level) {
            return Ok(form);
        }
        let (first, last) = (levels.start(), levels.end());
        let name = self.name();
        Err(Error::Compression(format!("{name} has no level {level}; give one from {first} to {last}")))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.level() {
            Some(level) if !ALL.contains(self) => write!(f, "{}:{level}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let form = ALL.into_iter().find(|form| form.name() == name).ok_or_else(|| {
            Error::Compression(format!(
                "no compression is called {name:?}; write none, gzip, zstd, xz or lz4, with a level as in gzip:9"
            ))
        })?;
        match level {
            None => Ok(form),
            Some(level) => form.with_level(level.parse().map_err(|_| {
                Error::Compression(format!(
                    "{level:?} is no compression level; write a number as in {name}:9"
                ))
            })?),
        }
    }
}

/// A writer that compresses what goes through it.
pub(crate) enum Encoder<W: Write> {
    /// The output without a counter between, so that the kernel can copy into it, and the bytes so far.
    None(BufWriter<W>, u64),
    /// gzip and lz4.
    Chunks(parallel::Encoder<Out<W>>),
    Zstd(zstd::stream::write::Encoder<'static, Out<W>>),
    Xz(liblzma::write::XzEncoder<Out<W>>),
}

/// The output, behind a buffer: a header, a name and its padding are a few bytes each and go out together.
type Out<W> = BufWriter<Counter<W>>;

/// Bytes by which the output is written.
const BUFFER_SIZE: usize = 256 << 10;
/// More threads than zstd (ZSTDMT_NBWORKERS_MAX) or liblzma (LZMA_THREADS_MAX) may be asked for are not used.
const THREADS_MAX: u32 = 64;
/// Uncompressed bytes of a block of an xz stream: twice the usual dictionary, so that a usual initramfs has
/// blocks for several cores.
const XZ_BLOCK: u64 = 16 << 20;

impl<W: Write> Encoder<W> {
    /// Starts compressing to `out` on so many threads, at least 1. Errors: an impossible level, or what
    /// `out` says.
    pub(crate) fn new(compression: Compression, threads: usize, out: W) -> Result<Self, Error> {
        if let Some(level) = compression.level() {
            compression.with_level(level)?;
        }
        if compression == Compression::None {
            return Ok(Encoder::None(BufWriter::with_capacity(BUFFER_SIZE, out), 0));
        }
        let out = BufWriter::with_capacity(BUFFER_SIZE, Counter { inner: out, count: 0 });
        let count = u32::try_from(threads.max(1)).unwrap_or(u32::MAX).min(THREADS_MAX);
        Ok(match compression {
            Compression::None => unreachable!("answered above"),
            Compression::Gzip { level } => {
                Encoder::Chunks(parallel::Encoder::new(parallel::Form::Gzip { level }, threads, out)?)
            }
            Compression::Lz4 => Encoder::Chunks(parallel::Encoder::new(parallel::Form::Lz4, threads, out)?),
            Compression::Zstd { level } => {
                let mut encoder = zstd::stream::write::Encoder::new(out, level as i32)?;
                encoder.include_checksum(true)?;
                // Never 0: without a thread of its own zstd cuts the input elsewhere.
                encoder.multithread(count)?;
                Encoder::Zstd(encoder)
            }
            Compression::Xz { level } => {
                let options = LzmaOptions::new_preset(level).map_err(io::Error::from)?;
                let mut filters = Filters::new();
                filters.lzma2(&options);
                let stream = MtStreamBuilder::new()
                    .threads(count)
                    .filters(filters)
                    .block_size(XZ_BLOCK)
                    .check(Check::Crc32)
                    .encoder()
                    .map_err(io::Error::from)?;
                Encoder::Xz(liblzma::write::XzEncoder::new_stream(out, stream))
            }
        })
    }

    /// Takes up to `size` bytes out of `file`; says how many there were. Where nothing is compressed and `W` is
    /// a file the kernel copies (copy_file_range(2), which std::io::copy uses).
    pub(crate) fn copy(&mut self, file: &mut File, size: u64) -> io::Result<u64> {
        match self {
            Encoder::None(out, count) => {
                let copied = io::copy(&mut file.take(size), out)?;
                *count += copied;
                Ok(copied)
            }
            Encoder::Chunks(encoder) => encoder.copy(file, size),
            Encoder::Zstd(encoder) => copy_buffered(file, size, encoder),
            Encoder::Xz(encoder) => copy_buffered(file, size, encoder),
        }
    }

    /// Writes what is still held back; the bytes that went out, and the output.
    pub(crate) fn finish(self) -> io::Result<(u64, W)> {
        let out = match self {
            Encoder::None(out, count) => {
                return Ok((count, out.into_inner().map_err(|error| error.into_error())?));
            }
            Encoder::Chunks(encoder) => encoder.finish()?,
            Encoder::Zstd(encoder) => encoder.finish()?,
            Encoder::Xz(encoder) => encoder.finish()?,
        };
        let counter = out.into_inner().map_err(|error| error.into_error())?;
        Ok((counter.count, counter.inner))
    }
}

fn copy_buffered(file: &mut File, size: u64, out: &mut impl Write) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(BUFFER_SIZE, file.take(size));
    let mut copied = 0;
    loop {
        let bytes = match reader.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(copied);
        }
        out.write_all(bytes)?;
        let count = bytes.len();
        copied += count as u64;
        reader.consume(count);
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Encoder::None(out, count) => {
                let written = out.write(bytes)?;
                *count += written as u64;
                Ok(written)
            }
            Encoder::Chunks(encoder) => encoder.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
            Encoder::Xz(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Compressors are not flushed in between: that would only make the output longer.
        Ok(())
    }
}

/// A writer that counts what goes through it.
pub(crate) struct Counter<W> {
    inner: W,
    count: u64,
}

impl<W: Write> Write for Counter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_levels_read_back() {
        for text in ["none", "gzip", "zstd", "xz", "lz4", "gzip:1", "gzip:0", "zstd:19", "xz:9"] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), text);
        }
        assert_eq!("gzip:6".parse::<Compression>().unwrap().to_string(), "gzip");
    }

    #[test]
    fn what_is_not_a_compression_is_refused_with_what_would_be() {
        for (text, expected) in [
            ("bzip2", "none, gzip, zstd, xz or lz4"),
            ("gzip:10", "from 0 to 9"),
            ("zstd:0", "from 1 to 22"),
            ("lz4:1", "no levels"),
            ("xz:-1", "write a number"),
            ("", "none, gzip, zstd, xz or lz4"),
        ] {
            let message = text.parse::<Compression>().unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn gzip_header_has_no_time_and_no_name() {
        let encoder = Encoder::new(Compression::Gzip { level: 9 }, 1, Vec::new()).unwrap();
        let (_, bytes) = encoder.finish().unwrap();
        // RFC 1952, 2.3: ID1 ID2 CM FLG, then MTIME.
        assert_eq!(bytes[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_level_built_by_hand_is_checked_too() {
        assert!(Encoder::new(Compression::Gzip { level: 77 }, 1, Vec::new()).is_err());
    }
}
