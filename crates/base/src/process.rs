//! The one place that starts programs. Every child runs in a process group of its own, has a deadline,
//! and dies with us: on Ctrl-C we kill its group, and when we are killed ourselves a watchdog does.

mod lines;
mod time;
mod watchdog;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::{Cancel, Context, Error, Result};
use lines::Lines;
pub use time::ProcessorTime;

/// How many of a failed program's last lines its error shows.
pub const LAST_LINES: usize = 20;
/// How often a wait looks at the cancel flag.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// A program to run: what to start, where, and with which environment.
#[derive(Clone, Debug)]
pub struct Program {
    program: OsString,
    arguments: Vec<OsString>,
    directory: Option<PathBuf>,
    clean: bool,
    environment: Vec<(OsString, OsString)>,
    counter: Option<ProcessorTime>,
}

/// What a short program printed.
#[derive(Clone, Debug)]
pub struct Captured {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Program {
    /// The program `program`, looked up in PATH unless it holds a slash.
    pub fn new(program: impl Into<OsString>) -> Program {
        Program {
            program: program.into(),
            arguments: Vec::new(),
            directory: None,
            clean: false,
            environment: Vec::new(),
            counter: None,
        }
    }

    /// Adds its processor time to `counter` when it has ended.
    pub fn counted(mut self, counter: &ProcessorTime) -> Program {
        self.counter = Some(counter.clone());
        self
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Program {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, arguments: I) -> Program {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Runs it in this directory.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Program {
        self.directory = Some(directory.into());
        self
    }

    /// Starts from an empty environment, so that only what [`Program::env`] sets is there.
    pub fn clean_environment(mut self) -> Program {
        self.clean = true;
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Program {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The program's name or path.
    pub fn name(&self) -> &OsStr {
        &self.program
    }

    /// The program and its arguments; what is not UTF-8 is replaced, as this is for showing.
    pub fn words(&self) -> Vec<String> {
        std::iter::once(&self.program)
            .chain(&self.arguments)
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    /// The line a person can paste into a shell to run the same thing.
    pub fn shell_line(&self) -> String {
        let mut words = Vec::new();
        if let Some(directory) = &self.directory {
            words.push(format!("cd {} &&", quote(directory.as_os_str())));
        }
        if self.clean {
            words.push("env -i".to_string());
        }
        for (name, value) in &self.environment {
            words.push(format!("{}={}", name.to_string_lossy(), quote(value)));
        }
        words.push(quote(&self.program));
        words.extend(self.arguments.iter().map(|argument| quote(argument)));
        words.join(" ")
    }

    fn command(&self) -> std::process::Command {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that starts programs")]
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if self.clean {
            command.env_clear();
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it with the given standard streams, in a process group of its own unless `foreground`
    /// (a program that talks to the person's terminal must stay in the terminal's group).
    ///
    /// # Errors
    /// [`crate::Kind::Host`] when the program is not there.
    pub fn start(&self, stdin: Stdio, stdout: Stdio, stderr: Stdio, foreground: bool) -> Result<Running> {
        let mut command = self.command();
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        if !foreground {
            command.process_group(0);
            watchdog::wake();
        }
        let child = command.spawn().map_err(|cause| self.cannot_start(&cause))?;
        Running::new(child, foreground, self.counter.clone())
    }

    fn cannot_start(&self, cause: &std::io::Error) -> Error {
        let name = self.program.to_string_lossy();
        if cause.kind() == std::io::ErrorKind::NotFound {
            match &self.directory {
                Some(directory) if !directory.is_dir() => {
                    Error::failed(format!("cannot run {name}: no folder {}", directory.display()))
                }
                _ => Error::host(format!("{name} is not on this machine"))
                    .note(format!("needed to run: {}", self.shell_line()))
                    .hint("allno doctor --install"),
            }
        } else {
            Error::failed(format!("cannot start {name}")).note(cause.to_string())
        }
    }

    /// Runs it to its end with no input; everything it prints goes to `log` (appended) and, line by
    /// line, to `on_line`.
    ///
    /// # Errors
    /// A non-zero exit, a signal or the time limit: [`crate::Kind::Failed`] with the command, its last lines and the
    /// log's path. Cancelled: [`crate::Kind::Cancelled`].
    pub fn run(
        &self,
        log: &Path,
        limit: Duration,
        cancel: &Cancel,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let mut log_file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .context(|| format!("cannot open the log {}", log.display()))?;
        writeln!(log_file, "$ {}", self.shell_line())
            .context(|| format!("cannot write the log {}", log.display()))?;
        let (reader, writer) = std::io::pipe().context(|| "cannot make a pipe".into())?;
        let second = writer.try_clone().context(|| "cannot make a pipe".into())?;
        let mut running = self.start(Stdio::null(), writer.into(), second.into(), false)?;
        let mut lines = Lines::new(log_file, on_line);
        let outcome = running.follow(reader.into(), limit, cancel, &mut |bytes| lines.take(bytes));
        lines.finish();
        let last: Vec<String> = lines.last.into();
        match outcome? {
            Some(status) if status.success() => Ok(()),
            Some(status) => {
                Err(Error::failed(format!("{} {}", self.program.to_string_lossy(), ending(status))))
            }
            None => Err(Error::failed(format!(
                "{} took longer than {} s",
                self.program.to_string_lossy(),
                limit.as_secs()
            ))),
        }
        .map_err(|error| {
            error
                .note(format!("command: {}", self.shell_line()))
                .output(last)
                .note(format!("log: {}", log.display()))
        })
    }

    /// Runs a short program to its end and returns what it printed (at most 64 MiB), whatever its exit code.
    ///
    /// # Errors
    /// It cannot be started, runs past `limit`, or prints too much.
    pub fn capture(&self, limit: Duration, cancel: &Cancel) -> Result<Captured> {
        const PRINTED_LIMIT: usize = 64 << 20;
        let (reader, writer) = std::io::pipe().context(|| "cannot make a pipe".into())?;
        let mut errors = tempfile_anonymous().context(|| "cannot make a scratch file".into())?;
        let errors_for_child = errors.try_clone().context(|| "cannot make a scratch file".into())?;
        let mut running = self.start(Stdio::null(), writer.into(), errors_for_child.into(), false)?;
        let mut stdout = Vec::new();
        let mut too_much = false;
        let status = running.follow(reader.into(), limit, cancel, &mut |bytes| {
            too_much |= stdout.len() + bytes.len() > PRINTED_LIMIT;
            if !too_much {
                stdout.extend_from_slice(bytes);
            }
            Ok(())
        })?;
        let name = self.program.to_string_lossy();
        let Some(status) = status else {
            return Err(Error::failed(format!("{name} took longer than {} s", limit.as_secs()))
                .note(format!("command: {}", self.shell_line())));
        };
        if too_much {
            return Err(Error::failed(format!("{name} printed more than {} MiB", PRINTED_LIMIT >> 20)));
        }
        let mut stderr = Vec::new();
        use std::io::Seek;
        errors
            .rewind()
            .and_then(|()| errors.take(PRINTED_LIMIT as u64).read_to_end(&mut stderr))
            .context(|| format!("cannot read what {name} printed"))?;
        Ok(Captured {
            status,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    /// [`Program::capture`] of a program that must succeed: what it printed.
    ///
    /// # Errors
    /// As [`Program::capture`]; it fails: how it ended, its line, and the last of what it said.
    pub fn succeed(&self, limit: Duration, cancel: &Cancel) -> Result<String> {
        let captured = self.capture(limit, cancel)?;
        if captured.status.success() {
            return Ok(captured.stdout);
        }
        let lines: Vec<String> = captured.stderr.lines().map(String::from).collect();
        let last = lines.len().saturating_sub(LAST_LINES);
        Err(Error::failed(format!("{} {}", self.program.to_string_lossy(), ending(captured.status)))
            .note(format!("command: {}", self.shell_line()))
            .output(lines[last..].to_vec()))
    }
}

/// "ended with exit code 2", "was killed by signal 9".
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended in an unknown way".to_string(),
    }
}

/// An unnamed file in memory (memfd_create(2)).
fn tempfile_anonymous() -> std::io::Result<File> {
    let file = rustix::fs::memfd_create("allno", rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(File::from(file))
}

/// A word as a POSIX shell takes it.
pub fn quote(word: &OsStr) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(byte);
    if !word.is_empty() && word.as_bytes().iter().all(plain) {
        word.to_string_lossy().into_owned()
    } else {
        format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
    }
}

/// Where PATH finds `program`, if it does.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| is_executable(candidate))
}

/// `path`, a value of PATH, with `folder` before all others.
///
/// # Errors
/// The folder's name has a colon, which PATH cannot hold: [`crate::Kind::Host`].
pub fn path_with(folder: PathBuf, path: &OsStr) -> Result<OsString> {
    let cannot = format!("{} cannot be on PATH", folder.display());
    let folders = std::iter::once(folder).chain(std::env::split_paths(path));
    std::env::join_paths(folders).map_err(|cause| Error::host(cannot).note(cause.to_string()))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Starts what watches over children, which the first child would otherwise wait for.
pub fn watch_ahead() {
    watchdog::wake();
}

/// A program under way. Dropping it kills its whole process group and waits for it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Pid,
    foreground: bool,
    status: Option<ExitStatus>,
    counter: Option<ProcessorTime>,
}

impl Running {
    fn new(child: Child, foreground: bool, counter: Option<ProcessorTime>) -> Result<Running> {
        let group = Pid::from_child(&child);
        if !foreground {
            watchdog::add(group);
        }
        Ok(Running { child, group, foreground, status: None, counter })
    }

    /// The process's id, and its group's unless it runs in the foreground.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, when it was started with a pipe there.
    pub fn stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// How it ended, if it has.
    pub fn try_status(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            // Once it is waited for, nobody says any more what it took.
            if self.counter.as_ref().is_some_and(|counter| !counter.take(self.group)) {
                return Ok(None);
            }
            self.status = self.child.try_wait().context(|| "cannot wait for a child".into())?;
            if self.status.is_some() {
                self.forget();
            }
        }
        Ok(self.status)
    }

    /// A descriptor that becomes readable when the process ends (pidfd_open(2)).
    pub fn exit_descriptor(&self) -> Result<OwnedFd> {
        pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())
            .map_err(std::io::Error::from)
            .context(|| "cannot watch a child".into())
    }

    /// Waits until it ends; `None` when `limit` ran out first (it is killed then).
    pub fn wait(&mut self, limit: Duration, cancel: &Cancel) -> Result<Option<ExitStatus>> {
        let exit = self.exit_descriptor()?;
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.try_status()? {
                return Ok(Some(status));
            }
            if cancel.is_set() {
                self.kill();
                return Err(Error::cancelled());
            }
            if Instant::now() >= deadline {
                self.kill();
                return Ok(None);
            }
            let mut watched = [PollFd::new(&exit, PollFlags::IN)];
            wait_for(&mut watched, deadline)?;
        }
    }

    /// Feeds what comes out of `output` to `sink` until the process has ended and the output is drained;
    /// `None` when `limit` ran out first (it is killed then).
    fn follow(
        &mut self,
        output: OwnedFd,
        limit: Duration,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Option<ExitStatus>> {
        let exit = self.exit_descriptor()?;
        let mut output = Some(File::from(output));
        let deadline = Instant::now() + limit;
        let mut buffer = vec![0; 64 << 10];
        loop {
            if cancel.is_set() {
                self.kill();
                return Err(Error::cancelled());
            }
            if Instant::now() >= deadline {
                self.kill();
                return Ok(None);
            }
            let (ended, readable) = match &output {
                Some(file) => {
                    let mut watched = [
                        PollFd::new(&exit, PollFlags::IN),
                        PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN),
                    ];
                    wait_for(&mut watched, deadline)?;
                    (!watched[0].revents().is_empty(), !watched[1].revents().is_empty())
                }
                None => {
                    let mut watched = [PollFd::new(&exit, PollFlags::IN)];
                    wait_for(&mut watched, deadline)?;
                    (!watched[0].revents().is_empty(), false)
                }
            };
            if readable {
                let count = match output.as_mut().map(|file| file.read(&mut buffer)) {
                    Some(Ok(count)) => count,
                    Some(Err(cause)) if cause.kind() == std::io::ErrorKind::Interrupted => continue,
                    _ => 0,
                };
                if count == 0 {
                    output = None;
                } else {
                    sink(&buffer[..count])?;
                }
                continue;
            }
            // Ended and nothing left to read: a grandchild that keeps the pipe open does not hold us up.
            if ended && let Some(status) = self.try_status()? {
                return Ok(Some(status));
            }
        }
    }

    /// Kills the process and everything in its group, and waits for it.
    pub fn kill(&mut self) {
        if self.status.is_some() {
            return;
        }
        if self.foreground {
            let _ = self.child.kill();
        } else {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        self.status = self.child.wait().ok();
        self.forget();
    }

    /// Asks the process to end (SIGTERM), without waiting.
    pub fn terminate(&self) {
        if self.status.is_none() {
            let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
    }

    fn forget(&self) {
        if !self.foreground {
            // What the program left behind in its group (a daemonised helper) goes with it.
            let _ = kill_process_group(self.group, Signal::KILL);
            watchdog::remove(self.group);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// poll(2) until something is ready, the next look at the cancel flag is due, or `deadline` comes.
fn wait_for(watched: &mut [PollFd<'_>], deadline: Instant) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now()).min(CANCEL_INTERVAL);
    let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
    match poll(watched, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(cause) => Err(std::io::Error::from(cause)).context(|| "cannot wait for a child's output".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    fn log() -> PathBuf {
        std::env::temp_dir().join(format!(
            "allno-base-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ))
    }

    #[test]
    fn capture_keeps_both_streams_and_the_code() {
        let captured = shell("echo out; echo err >&2; exit 3").capture(LIMIT, &Cancel::new()).unwrap();
        assert_eq!((captured.stdout.as_str(), captured.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(captured.status.code(), Some(3));
    }

    #[test]
    fn a_failing_step_shows_its_command_last_lines_and_log() {
        let log = log();
        let mut seen = Vec::new();
        let error = shell("for i in $(seq 30); do echo line $i; done; exit 2")
            .run(&log, LIMIT, &Cancel::new(), &mut |line| seen.push(line.to_string()))
            .unwrap_err();
        assert_eq!(seen.len(), 30);
        assert_eq!(error.output_lines().len(), LAST_LINES);
        assert_eq!(error.output_lines().last().unwrap(), "line 30");
        assert!(error.to_string().contains("exit code 2"), "{error}");
        assert!(error.to_string().contains(&log.display().to_string()), "{error}");
        assert!(std::fs::read_to_string(&log).unwrap().contains("line 1\n"));
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_missing_program_is_the_hosts_lack() {
        let error = Program::new("no-such-tool").capture(LIMIT, &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), crate::Kind::Host);
    }

    #[test]
    fn the_limit_kills_the_whole_group() {
        let log = log();
        let error = shell("sleep 100 & echo $!; wait")
            .run(&log, Duration::from_millis(300), &Cancel::new(), &mut |_| {})
            .unwrap_err();
        let pid: i32 = error.output_lines()[0].trim().parse().unwrap();
        let gone = Cancel::new().poll(LIMIT, || Ok((!is_alive(pid)).then_some(()))).unwrap();
        assert!(gone.is_some(), "the grandchild {pid} is still there");
        std::fs::remove_file(log).unwrap();
    }

    /// A zombie counts as dead: its parent in this container may never reap it.
    fn is_alive(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn cancelling_ends_a_wait() {
        let cancel = Cancel::new();
        cancel.set();
        let error = shell("sleep 100").capture(LIMIT, &cancel).unwrap_err();
        assert_eq!(error.kind(), crate::Kind::Cancelled);
    }

    #[test]
    fn quoting_is_what_a_shell_undoes() {
        for word in ["plain", "", "two words", "it's", "$HOME", "a\nb", "*"] {
            let line = format!("printf %s {}", quote(OsStr::new(word)));
            assert_eq!(shell(&line).capture(LIMIT, &Cancel::new()).unwrap().stdout, word);
        }
    }
}
