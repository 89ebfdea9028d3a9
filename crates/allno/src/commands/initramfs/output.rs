//! The archive that a command makes: whole or not at all, and Ctrl-C leaves what was there.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use base::{Cancel, Result};
use initramfs::{Compression, Statistics};

use super::Context;
use super::pack::refusal;

/// Makes the archive at `path`, compressed so, with what `write` writes; `write` is told where. Errors: what `write` says, what the
/// file system says, Ctrl-C.
pub fn make(
    context: &Context,
    path: &Path,
    compression: Compression,
    write: impl FnOnce(Output) -> initramfs::Result<Statistics>,
) -> Result<Statistics> {
    let made = initramfs::write_file(path, |file| {
        write(match compression {
            Compression::None => Output::Plain(file),
            _ => Output::Compressed(Stopping { file, cancel: &context.cancel }),
        })
    });
    made.map_err(|cause| context.cancel.check().err().unwrap_or_else(|| refusal(path, cause)))
}

/// Where an archive goes.
pub enum Output<'a> {
    /// The file itself: files go there by the kernel's own copy, too fast to be stopped.
    Plain(&'a mut File),
    /// What was compressed, until somebody asks to stop.
    Compressed(Stopping<'a>),
}

/// A file that takes nothing more once Ctrl-C was typed.
pub struct Stopping<'a> {
    file: &'a mut File,
    cancel: &'a Cancel,
}

impl Write for Stopping<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.cancel.is_set() {
            true => Err(io::Error::other("stopped")),
            false => self.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
