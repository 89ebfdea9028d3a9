//! A QEMU under way and the thread that listens to its console.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::process::{Program, Running};
use base::{Cancel, Context, Error, Result};
use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};

use crate::console::{Console, ConsoleLog, Ending, Stopped};
use crate::port::ReservedPort;
use crate::qemu::{self, Launch};

/// How QEMU ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code, unless a signal killed it.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Exit {
        Exit { code: status.code(), signal: status.signal() }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(0), _) => write!(formatter, "ended (exit code 0: the guest powered off or rebooted)"),
            (Some(code), _) => write!(formatter, "ended with exit code {code}"),
            (None, Some(signal)) => write!(formatter, "was killed by signal {signal}"),
            (None, None) => write!(formatter, "ended in an unknown way"),
        }
    }
}

/// A serial port hands over a few bytes at a time. To be woken for each takes processor time from the guest, so what comes this soon
/// after what was read last is left to gather.
const GATHERING: Duration = Duration::from_millis(1);

/// Called by the reading thread with each chunk and when it came; it must not block.
pub type Observer = Box<dyn FnMut(Duration, &[u8]) + Send>;

/// A QEMU under way. Dropping it kills it.
#[derive(Debug)]
pub struct Guest {
    console: Console,
    running: Arc<Mutex<Running>>,
    stdin: Option<ChildStdin>,
    reader: Option<JoinHandle<()>>,
    /// Why console.log is incomplete, if it is.
    log_failure: Arc<Mutex<Option<std::io::Error>>>,
    stderr: PathBuf,
    shell_line: String,
    id: u32,
    port: Option<ReservedPort>,
}

impl Guest {
    /// Starts `program`, a QEMU whose serial console is its standard input and output. The console goes to the
    /// file `console_log`, QEMU's own words to the file `stderr` (both made anew), each chunk to `observer`. `port` is the
    /// forwarded port; it stays reserved while the guest lives.
    ///
    /// # Errors
    /// QEMU is not on this machine ([`base::Kind::Host`]), or a file cannot be made. That QEMU refuses its arguments shows
    /// as its exit in the first wait; [`Guest::explain`] then says why.
    pub fn start(
        program: &Program,
        console_log: &Path,
        stderr: &Path,
        port: Option<ReservedPort>,
        observer: Option<Observer>,
    ) -> Result<Guest> {
        let create = |path: &Path| File::create(path).context(|| format!("cannot make {}", path.display()));
        let log = ConsoleLog::new(create(console_log)?);
        let errors = create(stderr)?;
        let (output, writer) = std::io::pipe().context(|| "cannot make a pipe".into())?;
        // Bursts of a booting kernel stay in the pipe instead of stopping QEMU; the default is 64 KiB.
        let _ = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20);
        let began = Instant::now();
        let mut running = program.start(Stdio::piped(), writer.into(), errors.into(), false)?;
        let exit = running.exit_descriptor()?;
        let (stdin, id) = (running.stdin(), running.id());
        let mut guest = Guest {
            console: Console::new(began),
            running: Arc::new(Mutex::new(running)),
            stdin,
            reader: None,
            log_failure: Arc::default(),
            stderr: stderr.to_path_buf(),
            shell_line: program.shell_line(),
            id,
            port,
        };
        let reader = Reader {
            console: guest.console.clone(),
            running: guest.running.clone(),
            log,
            log_failure: guest.log_failure.clone(),
            observer,
        };
        let name = std::thread::Builder::new().name("console".into());
        let thread = name.spawn(move || reader.read_all(output.into(), exit));
        guest.reader = Some(thread.context(|| "cannot start a thread".into())?);
        Ok(guest)
    }

    /// What the guest says.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// QEMU's process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The port on 127.0.0.1 that leads to the guest's port 22.
    pub fn port(&self) -> Option<u16> {
        self.port.as_ref().map(ReservedPort::port)
    }

    /// The line that starts the same QEMU from a shell.
    pub fn shell_line(&self) -> &str {
        &self.shell_line
    }

    /// Why console.log is incomplete, if it is (said once).
    pub fn log_failure(&self) -> Option<std::io::Error> {
        self.log_failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Types `bytes` on the guest's console.
    ///
    /// # Errors
    /// QEMU is gone.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let stdin = self.stdin.as_mut().ok_or_else(|| Error::failed("the console is in other hands"))?;
        stdin.write_all(bytes).and_then(|()| stdin.flush()).context(|| "cannot write to the console".into())
    }

    /// The writing end of the console, for [`crate::interactive`].
    pub(crate) fn take_input(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// What QEMU itself printed (at most the last 64 KiB).
    pub fn stderr_lines(&self) -> Vec<String> {
        qemu::stderr_lines(&self.stderr)
    }

    /// Waits until QEMU has ended; `None` at the deadline.
    ///
    /// # Errors
    /// Cancelled.
    pub fn wait_exit(&self, limit: Duration, cancel: &Cancel) -> Result<Option<Exit>> {
        let deadline = Instant::now() + limit;
        let mut cursor = self.console.cursor_at_end();
        let wait = crate::Wait { wanted: &[], fatal: &[], deadline, cancel };
        match self.console.wait(&mut cursor, &wait) {
            Ok(_) => Ok(None),
            Err(stopped) => match stopped.ending {
                Ending::Exit { exit } => Ok(Some(exit)),
                Ending::Cancelled => Err(Error::cancelled()),
                Ending::Deadline | Ending::Fatal { .. } => Ok(None),
            },
        }
    }

    /// Asks QEMU to end (SIGTERM: it closes its files), kills it after two seconds, and waits for it.
    pub fn stop(&mut self) -> Option<Exit> {
        if self.console.ended().is_none() {
            self.lock().terminate();
            let _ = self.wait_exit(Duration::from_secs(2), &Cancel::new());
        }
        self.cut_power();
        self.console.ended().map(|(exit, _)| exit)
    }

    /// Ends QEMU at once (SIGKILL) and waits for it: what it has not written of its files ([`Launch::holds_files`]) is lost.
    pub fn cut_power(&mut self) {
        self.lock().kill();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }

    /// The error of a wait that failed on this guest, with what QEMU itself said and the line that starts it again.
    pub fn explain(&self, stopped: Stopped) -> Error {
        let silent = stopped.last_lines.is_empty();
        let exited = matches!(stopped.ending, Ending::Exit { .. });
        if matches!(stopped.ending, Ending::Cancelled) {
            return Error::cancelled();
        }
        let stderr = self.stderr_lines();
        let error = match qemu::known_failure(&stderr) {
            Some(error) if exited => error,
            _ if exited && silent && !stderr.is_empty() => Error::failed("QEMU did not start"),
            _ => stopped.into_error(),
        };
        let error = stderr.iter().fold(error, |error, line| error.note(format!("QEMU said: {line}")));
        error.hint(format!("to see it by hand: {}", self.shell_line))
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.cut_power();
    }
}

impl Launch {
    /// Chooses a port if one is needed and starts QEMU; see [`Guest::start`].
    ///
    /// # Errors
    /// As [`Launch::program`] and [`Guest::start`].
    pub fn start(&self, console_log: &Path, stderr: &Path, observer: Option<Observer>) -> Result<Guest> {
        let port = if self.wants_port() { Some(ReservedPort::new(None)?) } else { None };
        let program = self.program(port.as_ref().map(ReservedPort::port))?;
        Guest::start(&program, console_log, stderr, port, observer)
    }
}

/// What the reading thread holds.
struct Reader {
    console: Console,
    running: Arc<Mutex<Running>>,
    log: ConsoleLog,
    log_failure: Arc<Mutex<Option<std::io::Error>>>,
    observer: Option<Observer>,
}

impl Reader {
    /// Reads until QEMU has ended and all it wrote is read. A grandchild that holds the pipe open is not waited for.
    fn read_all(mut self, output: OwnedFd, exit: OwnedFd) {
        let mut output = Some(File::from(output));
        let mut buffer = vec![0; 64 << 10];
        loop {
            let (ended, readable) = wait_for(&exit, output.as_ref()).unwrap_or((true, false));
            if readable && let Some(file) = &mut output {
                match file.read(&mut buffer) {
                    Ok(0) => output = None,
                    Ok(count) => {
                        self.take(&buffer[..count]);
                        std::thread::sleep(GATHERING);
                    }
                    Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => output = None,
                }
                continue;
            }
            if ended {
                break;
            }
        }
        let status = self.running.lock().unwrap_or_else(PoisonError::into_inner).try_status();
        let exit = status.ok().flatten().map_or(Exit { code: None, signal: None }, Exit::from);
        self.console.end(exit);
    }

    fn take(&mut self, bytes: &[u8]) {
        // Waiters first: the log and the observer can follow.
        let at = self.console.append(bytes);
        if let Some(failure) = self.log.write(bytes) {
            *self.log_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        }
        if let Some(observer) = &mut self.observer {
            observer(at, bytes);
        }
    }
}

/// poll(2) on both: whether the process has ended, and whether there is output (or its end).
fn wait_for(exit: &OwnedFd, output: Option<&File>) -> rustix::io::Result<(bool, bool)> {
    let mut watched = vec![PollFd::new(exit, PollFlags::IN)];
    watched.extend(output.map(|file| PollFd::new(file, PollFlags::IN)));
    rustix::io::retry_on_intr(|| poll(&mut watched, None))?;
    let ready = |index: usize| watched.get(index).is_some_and(|entry| !entry.revents().is_empty());
    Ok((ready(0), ready(1)))
}
