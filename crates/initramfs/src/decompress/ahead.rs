//! Unpacking in a thread of its own, some buffers ahead of whoever reads.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::{BUFFER_SIZE, Broken, Decoder, HEADROOM};
use crate::problem::Fault;
use crate::source::Source;

/// Buffers on their way: enough to bridge a pause of the reader, few enough to stay in the processor's cache.
const PIECES: usize = 4;

/// A buffer of unpacked bytes, with room before them.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Where what was not read yet begins and ends.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The byte of the image behind what was used of it so far.
    pub(super) image_position: u64,
}

impl Piece {
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }
}

/// Why there are no more pieces, and the byte of the image behind what was used of it.
pub(super) struct Failure {
    pub(super) broken: Broken,
    pub(super) image_position: Option<u64>,
}

/// The reader's end of the thread.
pub(crate) struct Ahead {
    /// None once it is to end.
    pieces: Option<Receiver<Result<Piece, Failure>>>,
    used: Sender<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts unpacking. Errors: no thread can be had.
    pub(super) fn start<S: Source + Send + 'static>(decoder: Decoder<S>) -> io::Result<Ahead> {
        let (sender, pieces) = sync_channel(PIECES);
        let (used, reused) = channel();
        let thread = std::thread::Builder::new()
            .name("unpack".into())
            .spawn(move || unpack(decoder, &sender, &reused))?;
        Ok(Ahead { pieces: Some(pieces), used, thread: Some(thread) })
    }

    /// The next piece; an empty one is the end.
    pub(super) fn next(&self) -> Result<Piece, Failure> {
        let gone = || Failure {
            broken: Fault::Damaged("the thread that unpacked it ended".into()).into(),
            image_position: None,
        };
        self.pieces.as_ref().and_then(|pieces| pieces.recv().ok()).ok_or_else(gone)?
    }

    /// Hands back a buffer that is not needed any more.
    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        // A thread that has ended needs none.
        let _ = self.used.send(buffer);
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Without a receiver the thread's next piece is its last.
        self.pieces = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn unpack<S: Source>(
    mut decoder: Decoder<S>,
    pieces: &SyncSender<Result<Piece, Failure>>,
    reused: &Receiver<Vec<u8>>,
) {
    loop {
        let mut bytes = reused.try_recv().unwrap_or_default();
        bytes.resize(HEADROOM + BUFFER_SIZE, 0);
        let read = decoder.read(&mut bytes[HEADROOM..]);
        let image_position = decoder.window().position();
        let last = !matches!(read, Ok(read) if read > 0);
        let piece = match read {
            Ok(read) => Ok(Piece { bytes, start: HEADROOM, end: HEADROOM + read, image_position }),
            Err(broken) => Err(Failure { broken, image_position: Some(image_position) }),
        };
        if pieces.send(piece).is_err() || last {
            return;
        }
    }
}
