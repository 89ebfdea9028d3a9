//! Compressing on all cores: what goes in is cut into chunks of a fixed size, each is compressed on its own,
//! and the results go out in their order. The cuts hang on the input alone, so the output is the same for any
//! number of cores.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::lz4;

/// Bytes that go into one chunk of gzip, as in pigz. A new chunk costs the 5 bytes that end the last one, and its
/// Huffman tables fit it better: 1 MiB chunks came out larger. All chunks in flight are in memory.
const GZIP_CHUNK: usize = 128 << 10;
/// What a chunk of gzip may look back to: the whole window of deflate (RFC 1951, 2), which is filled with the
/// end of the chunk before.
const GZIP_WINDOW: usize = 32 << 10;
/// The gzip header: ID1 ID2, CM deflate, no flags, no time, no hint of the level, "unknown" system
/// (RFC 1952, 2.3.1).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// Chunks that may wait beyond those being compressed.
const SPARE: usize = 2;

/// A form whose chunks do not hang on each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// One gzip member: chunks of raw deflate that each end at a byte (Z_SYNC_FLUSH), the next one primed with
    /// the last 32 KiB, as pigz does it. To a reader it is one stream.
    Gzip {
        /// 0 to 9.
        level: u32,
    },
    /// LZ4's legacy frame, whose blocks are independent.
    Lz4,
}

impl Form {
    fn chunk(self) -> usize {
        match self {
            Form::Gzip { .. } => GZIP_CHUNK,
            Form::Lz4 => lz4::BLOCK_SIZE,
        }
    }

    /// Bytes of a chunk that the next one may look back to.
    fn window(self) -> usize {
        match self {
            // Stored blocks look nowhere.
            Form::Gzip { level: 0 } | Form::Lz4 => 0,
            Form::Gzip { .. } => GZIP_WINDOW,
        }
    }
}

/// A chunk to be compressed.
struct Job {
    /// What may be looked back to, then the chunk.
    bytes: Vec<u8>,
    /// Where the chunk begins.
    start: usize,
    last: bool,
    done: SyncSender<io::Result<Packed>>,
}

/// A chunk that was compressed.
struct Packed {
    bytes: Vec<u8>,
    /// The sum of the chunk, for gzip.
    sum: flate2::Crc,
    /// The job's buffer, to be filled again.
    buffer: Vec<u8>,
}

impl Form {
    /// Compresses the chunk that begins at `start` of `bytes`; its sum, for gzip.
    fn compress(self, bytes: &[u8], start: usize, last: bool) -> io::Result<(Vec<u8>, flate2::Crc)> {
        match self {
            Form::Gzip { level } => deflate(level, bytes, start, last),
            Form::Lz4 => Ok((lz4_block(&bytes[start..])?, flate2::Crc::new())),
        }
    }
}

/// A chunk of raw deflate, primed with what stands before `start`.
fn deflate(level: u32, bytes: &[u8], start: usize, last: bool) -> io::Result<(Vec<u8>, flate2::Crc)> {
    // One of its own for each chunk: `reset` leaves the old window where zlib-rs hashes a byte behind the
    // dictionary, so what comes out would hang on what the thread compressed before.
    let mut deflate = flate2::Compress::new(flate2::Compression::new(level), false);
    let (window, chunk) = bytes.split_at(start);
    if !window.is_empty() {
        deflate.set_dictionary(window).map_err(io::Error::other)?;
    }
    let mut sum = flate2::Crc::new();
    sum.update(chunk);
    let flush = if last { flate2::FlushCompress::Finish } else { flate2::FlushCompress::Sync };
    // Deflate grows what it cannot compress by 5 bytes in 16 KiB; the loop is for the end marks.
    let mut out = Vec::with_capacity(chunk.len() + chunk.len() / 1000 + 1024);
    loop {
        let taken = deflate.total_in() as usize;
        let status = deflate.compress_vec(&chunk[taken..], &mut out, flush).map_err(io::Error::other)?;
        let ended = match last {
            true => status == flate2::Status::StreamEnd,
            // A flush is complete once room is left over (zlib.h, deflate).
            false => deflate.total_in() as usize == chunk.len() && out.len() < out.capacity(),
        };
        if ended {
            return Ok((out, sum));
        }
        out.reserve(chunk.len() / 8 + 1024);
    }
}

/// A block of LZ4's legacy frame: the compressed size, then the compressed bytes.
fn lz4_block(bytes: &[u8]) -> io::Result<Vec<u8>> {
    const SIZE: usize = 4;
    let mut block = vec![0; SIZE + lz4_flex::block::get_maximum_output_size(bytes.len())];
    let size = lz4_flex::block::compress_into(bytes, &mut block[SIZE..]).map_err(io::Error::other)?;
    // At most 8 MiB, and LZ4 grows them by less than 1 %, so the size fits 32 bits.
    block[..SIZE].copy_from_slice(&(size as u32).to_le_bytes());
    block.truncate(SIZE + size);
    Ok(block)
}

/// A writer that compresses what goes through it, on so many threads.
pub(crate) struct Encoder<W: Write> {
    form: Form,
    out: W,
    threads: usize,
    /// What is being filled, behind what it may look back to.
    buffer: Vec<u8>,
    start: usize,
    /// Buffers to be filled again.
    spare: Vec<Vec<u8>>,
    /// The chunks that are under way, in their order.
    pending: VecDeque<Receiver<io::Result<Packed>>>,
    workers: Workers,
    sum: flate2::Crc,
    total: u64,
}

impl<W: Write> Encoder<W> {
    /// Begins the form on `out`, compressing on at most `threads` threads beside this one; with 1 on this one.
    pub(crate) fn new(form: Form, threads: usize, mut out: W) -> io::Result<Self> {
        match form {
            Form::Gzip { .. } => out.write_all(&GZIP_HEADER)?,
            Form::Lz4 => out.write_all(&lz4::MAGIC)?,
        }
        Ok(Encoder {
            form,
            out,
            threads,
            buffer: Vec::new(),
            start: 0,
            spare: Vec::new(),
            pending: VecDeque::new(),
            workers: Workers::default(),
            sum: flate2::Crc::new(),
            total: 0,
        })
    }

    /// Takes up to `size` bytes out of `file`; says how many there were.
    pub(crate) fn copy(&mut self, file: &mut impl Read, size: u64) -> io::Result<u64> {
        let mut left = size;
        while left > 0 {
            let room = self.room()?.min(usize::try_from(left).unwrap_or(usize::MAX));
            let at = self.buffer.len();
            self.buffer.resize(at + room, 0);
            let read = file.read(&mut self.buffer[at..]);
            self.buffer.truncate(at + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(0) => break,
                Ok(read) => left -= read as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(size - left)
    }

    /// Room in the chunk that is being filled: at least one byte, as a full chunk is sent off.
    fn room(&mut self) -> io::Result<usize> {
        if self.buffer.len() - self.start == self.form.chunk() {
            self.send(false)?;
        }
        Ok(self.form.chunk() - (self.buffer.len() - self.start))
    }

    /// Sends the chunk off and begins the next one.
    fn send(&mut self, last: bool) -> io::Result<()> {
        let window = self.form.window().min(self.buffer.len());
        let mut next = self.spare.pop().unwrap_or_default();
        next.clear();
        next.reserve(self.form.window() + self.form.chunk());
        next.extend_from_slice(&self.buffer[self.buffer.len() - window..]);
        let bytes = std::mem::replace(&mut self.buffer, next);
        let start = std::mem::replace(&mut self.start, window);
        // A single chunk is not worth a thread.
        let alone = last && self.pending.is_empty() && self.workers.handles.is_empty();
        if self.threads > 1 && !alone {
            self.workers.grow(self.form, self.threads, self.pending.len() + 1);
        }
        let (done, packed) = sync_channel(1);
        let job = Job { bytes, start, last, done };
        match self.workers.jobs.as_ref() {
            Some(jobs) => {
                jobs.send(job).map_err(|_| io::Error::other("no thread is left that compresses"))?;
                self.pending.push_back(packed);
                self.collect(self.workers.handles.len() + SPARE)
            }
            None => {
                let (bytes, sum) = self.form.compress(&job.bytes, job.start, job.last)?;
                self.take(Packed { bytes, sum, buffer: job.bytes })
            }
        }
    }

    /// Writes what is compressed, in order, and waits until at most `most` chunks are under way.
    fn collect(&mut self, most: usize) -> io::Result<()> {
        while let Some(first) = self.pending.front() {
            let packed = match self.pending.len() > most {
                true => first.recv().ok(),
                false => match first.try_recv() {
                    Ok(packed) => Some(packed),
                    Err(TryRecvError::Empty) => return Ok(()),
                    Err(TryRecvError::Disconnected) => None,
                },
            };
            self.pending.pop_front();
            self.take(packed.ok_or_else(|| io::Error::other("a thread that compresses ended"))??)?;
        }
        Ok(())
    }

    fn take(&mut self, packed: Packed) -> io::Result<()> {
        self.out.write_all(&packed.bytes)?;
        self.sum.combine(&packed.sum);
        self.total += u64::from(packed.sum.amount());
        self.spare.push(packed.buffer);
        Ok(())
    }

    /// Compresses what is left, writes the end and gives the output back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if matches!(self.form, Form::Gzip { .. }) || self.buffer.len() > self.start {
            self.send(true)?;
        }
        self.collect(0)?;
        if let Form::Gzip { .. } = self.form {
            // RFC 1952, 2.3.1: CRC32, then ISIZE modulo 2^32.
            self.out.write_all(&self.sum.sum().to_le_bytes())?;
            self.out.write_all(&(self.total as u32).to_le_bytes())?;
        }
        Ok(self.out)
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let taken = self.room()?.min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The threads, which end once no more jobs can come.
#[derive(Default)]
struct Workers {
    jobs: Option<SyncSender<Job>>,
    queue: Option<Arc<Mutex<Receiver<Job>>>>,
    handles: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts one more thread, where there are fewer than jobs and than `threads`. Where the system gives none, it
    /// stays at those there are.
    fn grow(&mut self, form: Form, threads: usize, jobs: usize) {
        if self.handles.len() >= threads.min(jobs) {
            return;
        }
        let queue = match &self.queue {
            Some(queue) => Arc::clone(queue),
            None => {
                let (sender, receiver) = sync_channel(threads + SPARE);
                let queue = Arc::new(Mutex::new(receiver));
                self.queue = Some(Arc::clone(&queue));
                self.jobs = Some(sender);
                queue
            }
        };
        match std::thread::Builder::new().name("compress".into()).spawn(move || work(form, &queue)) {
            Ok(handle) => self.handles.push(handle),
            Err(_) if self.handles.is_empty() => *self = Workers::default(),
            Err(_) => {}
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        for handle in self.handles.drain(..) {
            // One that panicked was told of by the job it did not finish.
            let _ = handle.join();
        }
    }
}

fn work(form: Form, queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { bytes, start, last, done }) = job else { return };
        let packed = form.compress(&bytes, start, last);
        let packed = packed.map(|(out, sum)| Packed { bytes: out, sum, buffer: bytes });
        // Nobody waits any more where the output failed.
        let _ = done.send(packed);
    }
}
