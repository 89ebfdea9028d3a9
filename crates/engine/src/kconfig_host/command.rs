//! `conf`, the kernel's own command, on this machine.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base::Cancel;

use super::{ConfStreams, Environment, LiveHost};

/// What a shell sees of a program that SIGPIPE killed.
const BROKEN_PIPE: i32 = 128 + 13;

/// The three streams of a command.
pub struct Stdio {
    /// Standard input.
    pub input: Box<dyn BufRead + Send>,
    /// Standard output, unbuffered.
    pub output: Box<dyn Write + Send>,
    /// Standard error, unbuffered.
    pub errors: Box<dyn Write + Send>,
    /// Whether standard input is a terminal.
    pub input_is_terminal: bool,
    /// Whether standard output is a terminal.
    pub output_is_terminal: bool,
}

/// Runs scripts/kconfig/conf's command in `folder`: `arguments` begin with the name it goes by. Answers of shell commands are
/// kept in `cache`, if there is one. Gives the exit code.
///
/// # Errors
/// `folder` is not there.
pub fn run_conf(
    arguments: &[String],
    folder: &Path,
    environment: Environment,
    cache: Option<&Path>,
    stdio: Stdio,
    cancel: &Cancel,
) -> io::Result<i32> {
    let errors = Shared(Arc::new(Mutex::new(stdio.errors)));
    let from_commands = errors.clone();
    let mut host = LiveHost::new(folder, environment, cancel)?;
    if let Some(cache) = cache {
        host = host.with_cache(cache);
    }
    // What cannot be told is lost, as with a closed descriptor in C.
    let host = host.with_errors(move |bytes| drop(from_commands.clone().write_all(bytes)));
    let mut streams = ConfStreams::new(host, stdio.input, stdio.output, errors)
        .on_terminal(stdio.output_is_terminal, stdio.input_is_terminal);
    let code = kconfig::with_stack(|| kconfig::conf::run_last(arguments, &mut streams));
    streams.flush();
    Ok(if streams.is_broken() { BROKEN_PIPE } else { code })
}

/// Standard error, for `conf` itself and the commands it runs.
#[derive(Clone)]
struct Shared(Arc<Mutex<Box<dyn Write + Send>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
