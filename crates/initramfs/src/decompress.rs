//! Unpacking one compressed segment out of the middle of an image.

use std::io::{self, BufRead, Read};

use crate::lz4;
use crate::problem::Fault;

/// The largest zstd window that is unpacked, as a power of two: 128 MiB, as in the kernel
/// (`ZSTD_WINDOWLOG_LIMIT_DEFAULT` in include/linux/zstd_lib.h) and in the zstd tool without `--long`.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Memory that an xz stream may ask for. Level 9 needs 65 MiB.
const XZ_MEMORY_MAX: u64 = 256 << 20;
/// What LZ4 can grow to: a byte of compressed data stands for at most 255.
const LZ4_RATIO_MAX: usize = 255;

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
    /// LZ4 in its legacy frame.
    Lz4,
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
            Form::Lz4 => "lz4",
            Form::Unsupported(name) => name,
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
            [0x1f, 0x9e] => Some(Form::Unsupported("old gzip")),
            [0x42, 0x5a] => Some(Form::Unsupported("bzip2")),
            [0x5d, 0x00] => Some(Form::Unsupported("lzma")),
            [0x89, 0x4c] => Some(Form::Unsupported("lzo")),
            _ => None,
        }
    }
}

/// A segment unpacked as far as it could be.
pub(crate) struct Unpacked {
    /// What came out.
    pub data: Vec<u8>,
    /// Compressed bytes used.
    pub used: usize,
    /// Why there is no more, or what the kernel would not like.
    pub fault: Option<Fault>,
}

/// Unpacks the segment of this form that begins `bytes`, to at most `limit` bytes.
pub(crate) fn decompress(form: Form, bytes: &[u8], limit: u64) -> Unpacked {
    let mut rest = bytes;
    let mut data = Vec::new();
    let result = match form {
        Form::Plain => Err(Fault::NoMagic),
        Form::Unsupported(name) => Err(Fault::Unsupported(name)),
        Form::Gzip => {
            let mut decoder = flate2::bufread::GzDecoder::new(rest);
            let result = read_limited(&mut decoder, limit, &mut data);
            rest = decoder.into_inner();
            result
        }
        Form::Zstd => zstd::stream::read::Decoder::with_buffer(rest).map_err(damaged).and_then(|decoder| {
            let mut decoder = decoder.single_frame();
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(damaged)?;
            let result = read_limited(&mut decoder, limit, &mut data);
            rest = decoder.finish();
            result
        }),
        Form::Xz => xz(&mut rest, limit, &mut data),
        Form::Lz4 => lz4_legacy(&mut rest, limit, &mut data),
    };
    Unpacked { data, used: bytes.len() - rest.len(), fault: result.err() }
}

fn damaged(error: io::Error) -> Fault {
    Fault::Damaged(error.to_string())
}

/// Reads to the end, but no more than `limit` bytes. `data` grows with what is really there.
fn read_limited(reader: &mut impl Read, limit: u64, data: &mut Vec<u8>) -> Result<(), Fault> {
    reader.take(limit.saturating_add(1)).read_to_end(data).map_err(damaged)?;
    within(limit, data)
}

fn within(limit: u64, data: &mut Vec<u8>) -> Result<(), Fault> {
    if data.len() as u64 > limit {
        data.truncate(limit as usize);
        return Err(Fault::Limit(limit));
    }
    Ok(())
}

fn xz(rest: &mut &[u8], limit: u64, data: &mut Vec<u8>) -> Result<(), Fault> {
    // The .xz format, 2.1.1.2: the second flag byte names the check; the kernel does none (0) and
    // CRC32 (1) (dec_stream_header in lib/xz/xz_dec_stream.c).
    let check = rest.get(7).copied();
    let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX, 0)
        .map_err(|error| damaged(error.into()))?;
    let mut decoder = liblzma::bufread::XzDecoder::new_stream(*rest, stream);
    let result = read_limited(&mut decoder, limit, data);
    let used = decoder.total_in() as usize;
    rest.consume(used.min(rest.len()));
    result?;
    match check {
        Some(0 | 1) => Ok(()),
        _ => Err(Fault::XzCheck),
    }
}

/// As `unlz4` in lib/decompress_unlz4.c: blocks up to a size of 0 or the end of the bytes; the magic may
/// come again between blocks.
fn lz4_legacy(rest: &mut &[u8], limit: u64, data: &mut Vec<u8>) -> Result<(), Fault> {
    let cut = || Fault::Damaged("an LZ4 block ends early".into());
    if !rest.starts_with(&lz4::MAGIC) {
        return Err(Fault::Damaged("not LZ4's legacy frame, the only one the kernel reads (lz4 -l)".into()));
    }
    let mut block = Vec::new();
    while let Some(word) = rest.first_chunk::<4>() {
        let size = u32::from_le_bytes(*word) as usize;
        if *word == lz4::MAGIC {
            rest.consume(4);
            continue;
        }
        if size == 0 {
            break;
        }
        let compressed = rest[4..].get(..size).ok_or_else(cut)?;
        block.resize(lz4::BLOCK_SIZE.min(size.saturating_mul(LZ4_RATIO_MAX)), 0);
        let unpacked = lz4_flex::block::decompress_into(compressed, &mut block)
            .map_err(|error| Fault::Damaged(error.to_string()))?;
        data.extend_from_slice(&block[..unpacked]);
        rest.consume(4 + size);
        within(limit, data)?;
    }
    Ok(())
}
