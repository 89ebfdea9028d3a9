//! Reaching the guest with the host's OpenSSH client, without asking for or keeping anything outside the run's folder.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base::process::{Captured, Program, Running};
use base::{Cancel, Error, Kind, Result};
use serde::{Deserialize, Serialize};

use crate::console::{Console, Cursor, Ending, Stopped, Wait};
use crate::pattern::Fatal;

/// How often a closed port is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// A connection without an answer gets a younger sister after this. SLiRP accepts before the guest exists and keeps the
/// first packet for a second while it looks for the guest (libslirp, src/slirp.c if_encap), so sisters this far apart
/// leave no gap.
const SISTER: Duration = Duration::from_millis(500);
/// How many connections may wait at once. Each that reaches sshd costs the guest a process, and sshd penalises a source
/// that opens many and authenticates on none (sshd_config(5), PerSourcePenalties).
const CONNECTIONS: usize = 4;
/// How long a silent connection is kept for certain: sshd on a busy host takes its time to greet.
const KEPT: Duration = Duration::from_secs(10);
/// What every SSH server says first (RFC 4253, 4.2).
const BANNER: &[u8] = b"SSH-";

/// How to reach a guest by SSH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Address and port: the forwarded port on loopback, or the guest's own.
    pub address: SocketAddr,
    /// The account.
    pub user: String,
    /// The private key's file.
    pub key: PathBuf,
    /// Where the guest's host key is kept for the length of the run.
    pub known_hosts: PathBuf,
}

/// Why a command did not come to its end in the guest.
#[derive(Debug)]
pub enum Interrupted {
    /// The console, QEMU, the deadline or the person ended it.
    Stopped(Box<Stopped>),
    /// The SSH client could not be run.
    Failed(Error),
}

impl Access {
    /// The same guest as another user.
    pub fn as_user(&self, user: &str) -> Access {
        Access { user: user.to_string(), ..self.clone() }
    }

    /// The client with its options; `options` come before the host's name.
    fn client(&self, options: &[&str]) -> Program {
        let mut program = Program::new("ssh").args(["-F", "none"]);
        for option in [
            // Never ask: no password, no passphrase, no "are you sure".
            "BatchMode=yes".to_string(),
            "StrictHostKeyChecking=accept-new".to_string(),
            format!("UserKnownHostsFile={}", option_path(&self.known_hosts)),
            "GlobalKnownHostsFile=/dev/null".to_string(),
            "UpdateHostKeys=no".to_string(),
            "CheckHostIP=no".to_string(),
            // Only this key, not what an agent or ~/.ssh offers.
            "IdentitiesOnly=yes".to_string(),
            "IdentityAgent=none".to_string(),
            format!("IdentityFile={}", option_path(&self.key)),
            "PreferredAuthentications=publickey".to_string(),
            "ConnectTimeout=30".to_string(),
            // First the key exchange that is cheap for an emulated processor: the post-quantum one, the client's first choice,
            // makes a connection half as slow again, and this one does not leave the machine.
            "KexAlgorithms=^curve25519-sha256".to_string(),
            "LogLevel=ERROR".to_string(),
        ] {
            program = program.arg("-o").arg(option);
        }
        program = program.args(["-p", &self.address.port().to_string(), "-l", &self.user]);
        program.args(options).arg(self.address.ip().to_string())
    }

    /// The line that runs `command` in the guest (an empty one logs in), to be pasted into a shell.
    pub fn shell_line(&self, command: &str) -> String {
        self.command(command).shell_line()
    }

    fn command(&self, command: &str) -> Program {
        match command {
            "" => self.client(&[]),
            _ => self.client(&["-T"]).arg("--").arg(command),
        }
    }

    /// Runs `command` (a line for the guest's shell) and returns what it printed and its exit code; 255 is the client's own
    /// failure, or the command's.
    ///
    /// # Errors
    /// There is no SSH client, it runs past `limit`, or somebody asked to stop.
    pub fn run(&self, command: &str, limit: Duration, cancel: &Cancel) -> Result<Captured> {
        self.command(command).capture(limit, cancel)
    }

    /// Runs `command` while watching the guest's console: a fatal text, QEMU's end and `wait`'s deadline end it.
    ///
    /// # Errors
    /// See [`Interrupted`].
    pub fn run_watched(
        &self,
        command: &str,
        console: &Console,
        cursor: Cursor,
        wait: &Wait,
    ) -> Result<Captured, Interrupted> {
        let stop = Cancel::new();
        let watch = Watch::start(console, cursor, wait, &stop);
        // The watch ends it at the deadline; the limit here only has to be later.
        let limit = wait.deadline.saturating_duration_since(Instant::now()) + Duration::from_secs(1);
        let captured = self.run(command, limit, &stop);
        let stopped = watch.finish();
        match (captured, stopped) {
            (Err(error), Some(stopped)) if error.kind() == Kind::Cancelled => {
                Err(Interrupted::Stopped(stopped))
            }
            (Err(error), _) => Err(Interrupted::Failed(error)),
            (Ok(captured), _) => Ok(captured),
        }
    }

    /// Waits until the guest's sshd says its banner; returns when that was, since QEMU's start. Looks for fatal texts from
    /// `cursor` on.
    ///
    /// # Errors
    /// The deadline, a fatal text, QEMU's exit or a request to stop.
    pub fn wait_ready(
        &self,
        console: &Console,
        cursor: Cursor,
        wait: &Wait,
    ) -> Result<Duration, Box<Stopped>> {
        let began = Instant::now();
        let mut attempts = Attempts::default();
        let mut cursor = cursor;
        loop {
            if attempts.hear_banner(self.address) {
                return Ok(console.began().elapsed());
            }
            let deadline = wait.deadline.min(Instant::now() + RETRY);
            let pause = Wait { wanted: &[], deadline, ..*wait };
            match console.wait(&mut cursor, &pause) {
                Err(stopped) if stopped.ending == Ending::Deadline && Instant::now() < wait.deadline => {}
                Err(mut stopped) => {
                    stopped.wanted = vec![format!("sshd on {}", self.address)];
                    stopped.waited = began.elapsed();
                    return Err(stopped);
                }
                Ok(_) => {}
            }
        }
    }

    /// Logs in on the person's terminal; the caller waits for the client's end.
    ///
    /// # Errors
    /// There is no SSH client.
    pub fn login(&self, command: &[String]) -> Result<Running> {
        let mut program = self.client(if command.is_empty() { &[] } else { &["-t"] });
        if !command.is_empty() {
            program = program.arg("--").args(command);
        }
        program.start(Stdio::inherit(), Stdio::inherit(), Stdio::inherit(), true)
    }
}

/// A path as a value of an OpenSSH option: quoted, as white space separates, and with % doubled, as it begins a token
/// (ssh_config(5)).
fn option_path(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{path}\"")
}

/// The connections that wait for the banner, oldest first.
#[derive(Debug, Default)]
struct Attempts {
    waiting: Vec<Attempt>,
    /// Whether the guest has refused or closed one: then it is there, and a silent connection only waits for sshd.
    guest_is_there: bool,
}

impl Attempts {
    /// Looks at all and opens another where that makes sense; whether one has heard the banner.
    fn hear_banner(&mut self, address: SocketAddr) -> bool {
        let mut heard = false;
        let before = self.waiting.len();
        self.waiting.retain_mut(|attempt| match attempt.look() {
            Look::Banner => {
                heard = true;
                true
            }
            Look::Silent => true,
            Look::Closed => false,
        });
        if !heard && self.waiting.len() < before {
            // The guest is there and sshd is not: what waited longer waits for a first packet that was lost.
            self.guest_is_there = true;
            self.waiting.clear();
        }
        let patience = if self.guest_is_there { KEPT } else { SISTER };
        if !heard && self.waiting.last().is_none_or(|youngest| youngest.began.elapsed() >= patience) {
            if self.waiting.len() == CONNECTIONS {
                // The oldest may be about to be greeted; the second oldest is no better than a new one.
                let gone = if self.waiting[0].began.elapsed() >= KEPT { 0 } else { 1 };
                self.waiting.remove(gone);
            }
            self.waiting.extend(Attempt::start(address));
        }
        heard
    }
}

/// One connection that waits for the banner.
#[derive(Debug)]
struct Attempt {
    stream: TcpStream,
    began: Instant,
}

/// What a look at a connection found.
enum Look {
    Banner,
    Silent,
    Closed,
}

impl Attempt {
    fn start(address: SocketAddr) -> Option<Attempt> {
        // Loopback answers at once; a tap guest that is not there yet does not.
        let stream = TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(Attempt { stream, began: Instant::now() })
    }

    fn look(&mut self) -> Look {
        let mut bytes = [0; 256];
        match self.stream.read(&mut bytes) {
            Ok(count) if bytes[..count].starts_with(BANNER) => Look::Banner,
            Err(cause) if cause.kind() == std::io::ErrorKind::WouldBlock => Look::Silent,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => Look::Silent,
            Ok(_) | Err(_) => Look::Closed,
        }
    }
}

/// A thread that watches the console while this one waits for something else, and stops that.
struct Watch {
    done: Arc<AtomicBool>,
    outcome: mpsc::Receiver<Box<Stopped>>,
}

impl Watch {
    /// `stop` is set as soon as `wait` would end in failure.
    fn start(console: &Console, mut cursor: Cursor, wait: &Wait, stop: &Cancel) -> Watch {
        let done = Arc::new(AtomicBool::new(false));
        let (sender, outcome) = mpsc::channel();
        let (console, fatal, deadline) = (console.clone(), wait.fatal.to_vec(), wait.deadline);
        let (cancel, stop, finished) = (wait.cancel.clone(), stop.clone(), done.clone());
        std::thread::spawn(move || {
            // In slices, so that the thread is gone soon after nobody needs it.
            const SLICE: Duration = Duration::from_millis(100);
            while !finished.load(Ordering::Relaxed) {
                let slice = deadline.min(Instant::now() + SLICE);
                let fatal: &[Fatal] = &fatal;
                let wait = Wait { wanted: &[], fatal, deadline: slice, cancel: &cancel };
                let Err(stopped) = console.wait(&mut cursor, &wait) else { break };
                if stopped.ending == Ending::Deadline && Instant::now() < deadline {
                    continue;
                }
                let _ = sender.send(stopped);
                stop.set();
                break;
            }
        });
        Watch { done, outcome }
    }

    /// Ends the watch; what it saw, if it saw something.
    fn finish(self) -> Option<Box<Stopped>> {
        self.done.store(true, Ordering::Relaxed);
        self.outcome.try_recv().ok()
    }
}
