//! Runs the commands of `$(shell …)` as popen(3) runs them for `do_shell()` of scripts/kconfig/preprocess.c, several at once.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::Cancel;
use base::process::{Program, Running};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::compiler_probe::{CompilerProbe, ProbeFolder};
use super::variables::Environment;

/// `do_shell()` reads no more than its buffer holds.
pub(super) const OUTPUT_LIMIT: usize = 4096;
/// A tool that tells what it uses may say more.
pub(super) const QUESTION_LIMIT: usize = 256 << 10;
/// What a command prints on standard error is passed on up to here.
const ERRORS_LIMIT: u64 = 1 << 20;
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The first bytes of its standard output.
    pub output: Vec<u8>,
    /// Its standard error.
    pub errors: Vec<u8>,
    /// Whether the shell ended by itself, and not by a signal.
    pub ended: bool,
}

/// A command that has ended, or could not be run.
pub(super) type Finished = (String, Result<Outcome, String>);

/// A few threads that run commands in the order they come.
pub(super) struct Shell {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    jobs: usize,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    program: Program,
    folder: PathBuf,
    environment: Environment,
    limit: Duration,
    cancel: Cancel,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(String, usize)>,
    running: usize,
    finished: Vec<Finished>,
    closed: bool,
}

impl Shell {
    /// A shell that works in `folder` with exactly `environment`; `jobs` commands at once, each at most `limit` long.
    pub fn new(
        folder: &Path,
        environment: &Environment,
        jobs: usize,
        limit: Duration,
        cancel: Cancel,
    ) -> Shell {
        // popen(3) runs _PATH_BSHELL; the last word is $0, by which the shell names itself in its messages.
        let program = in_place(Program::new("/bin/sh"), folder, environment);
        let shared = Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            program,
            folder: folder.to_path_buf(),
            environment: environment.clone(),
            limit,
            cancel: cancel.child(),
        };
        Shell { shared: Arc::new(shared), threads: Vec::new(), jobs: jobs.max(1) }
    }

    /// Starts `command` in the background, or puts it in the queue; of its output the first `limit` bytes count.
    pub fn start(&mut self, command: &str, limit: usize) {
        self.shared.lock().waiting.push_back((command.to_string(), limit));
        self.shared.changed.notify_one();
        if self.threads.len() < self.jobs {
            let shared = Arc::clone(&self.shared);
            self.threads.push(std::thread::spawn(move || shared.work()));
        }
    }

    /// Waits until all that was started has ended. Each command has its own deadline.
    pub fn finish(&mut self) -> Vec<Finished> {
        let mut state = self.shared.lock();
        while state.running > 0 || !state.waiting.is_empty() {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut state.finished)
    }
}

/// What is still running is killed.
impl Drop for Shell {
    fn drop(&mut self) {
        self.shared.cancel.set();
        {
            let mut state = self.shared.lock();
            state.closed = true;
            state.waiting.clear();
        }
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A program that works in `folder` with exactly `environment`.
fn in_place(program: Program, folder: &Path, environment: &Environment) -> Program {
    let program = program.directory(folder).clean_environment();
    environment.iter().fold(program, |program, (name, value)| program.env(name, value))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some((command, limit)) = state.waiting.pop_front() {
                state.running += 1;
                drop(state);
                let outcome = self.run(&command, limit);
                state = self.lock();
                state.running -= 1;
                state.finished.push((command, outcome));
                self.changed.notify_all();
            } else if state.closed {
                return;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn run(&self, command: &str, limit: usize) -> Result<Outcome, String> {
        self.try_run(command, limit)
            .map_err(|error| format!("cannot run the shell command {command:?}: {error}"))
    }

    fn try_run(&self, command: &str, limit: usize) -> Result<Outcome, String> {
        // Without PATH a shell has one of its own.
        let probe = CompilerProbe::of(command).filter(|_| self.environment.filled("PATH").is_some());
        match probe {
            Some(probe) => self.compile(&probe),
            None => self.run_shell(command, limit),
        }
    }

    fn compile(&self, probe: &CompilerProbe) -> Result<Outcome, String> {
        let folder = ProbeFolder::new(&self.folder);
        let words = probe.words.iter().map(String::as_str);
        let compiler = Program::new(&probe.words[0]).args(words.skip(1));
        let compiler = compiler.args(["-c", "-x", "c", "/dev/null", "-o"]).arg(folder.object());
        let compiler = in_place(compiler, &self.folder, &self.environment);
        let mut outcome = Outcome { ended: true, ..Outcome::default() };
        // A compiler that is not there is one that does not take the option.
        let mut succeeded = false;
        if let Ok(mut running) = compiler.start(Stdio::null(), Stdio::null(), Stdio::null(), false) {
            let status = running.wait(self.limit, &self.cancel).map_err(|error| error.to_string())?;
            let status = status.ok_or_else(|| self.too_long())?;
            succeeded = status.success();
            outcome.ended = status.code().is_some();
        }
        outcome.output = if succeeded { probe.yes.clone() } else { probe.no.clone() }.into_bytes();
        Ok(outcome)
    }

    fn run_shell(&self, command: &str, limit: usize) -> Result<Outcome, String> {
        let tell = |error: io::Error| error.to_string();
        let deadline = Instant::now() + self.limit;
        let (mut reader, writer) = io::pipe().map_err(tell)?;
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let mut errors = File::from(rustix::fs::memfd_create("allno", flags).map_err(|it| tell(it.into()))?);
        let for_child = errors.try_clone().map_err(tell)?;
        let program = self.program.clone().args(["-c", command, "sh"]);
        let mut running = program
            .start(Stdio::null(), writer.into(), for_child.into(), false)
            .map_err(|error| error.to_string())?;
        let output = self.read(&mut reader, limit, deadline, &mut running)?;
        // A command that prints more meets a closed pipe, as after pclose(3).
        drop(reader);
        let left = deadline.saturating_duration_since(Instant::now());
        let status = running.wait(left, &self.cancel).map_err(|error| error.to_string())?;
        let status = status.ok_or_else(|| self.too_long())?;
        let mut said = Vec::new();
        errors.rewind().and_then(|()| errors.take(ERRORS_LIMIT).read_to_end(&mut said)).map_err(tell)?;
        Ok(Outcome { output, errors: said, ended: status.code().is_some() })
    }

    /// The first bytes of what comes out, until its end.
    fn read(
        &self,
        reader: &mut io::PipeReader,
        limit: usize,
        deadline: Instant,
        running: &mut Running,
    ) -> Result<Vec<u8>, String> {
        let mut output = vec![0; limit];
        let mut length = 0;
        while length < limit {
            self.await_readable(reader, deadline, running)?;
            match reader.read(&mut output[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause.to_string()),
            }
        }
        output.truncate(length);
        Ok(output)
    }

    fn await_readable(
        &self,
        reader: &io::PipeReader,
        deadline: Instant,
        running: &mut Running,
    ) -> Result<(), String> {
        loop {
            if self.cancel.is_set() {
                running.kill();
                return Err("stopped on request".to_string());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                running.kill();
                return Err(self.too_long());
            }
            let wait = left.min(CANCEL_INTERVAL);
            let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
            let mut watched = [PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN)];
            match poll(&mut watched, Some(&wait)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(cause) => return Err(io::Error::from(cause).to_string()),
            }
        }
    }

    fn too_long(&self) -> String {
        format!("it took longer than {} s", self.limit.as_secs_f32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(limit: Duration) -> Shell {
        let environment: Environment = [("PATH", "/usr/bin:/bin"), ("WORD", "seen")].into_iter().collect();
        Shell::new(Path::new("/"), &environment, 3, limit, Cancel::new())
    }

    fn run(command: &str) -> Result<Outcome, String> {
        let mut shell = shell(Duration::from_secs(20));
        shell.start(command, OUTPUT_LIMIT);
        shell.finish().pop().unwrap().1
    }

    #[test]
    fn a_command_sees_its_folder_and_exactly_its_environment() {
        assert_eq!(run("pwd; echo $WORD$HOME; env | wc -l").unwrap().output, b"/\nseen\n3\n");
        assert_eq!(run("read line && echo $line || echo end").unwrap().output, b"end\n");
    }

    #[test]
    fn a_shells_message_reads_as_under_popen() {
        let outcome = run("no-such-program-x").unwrap();
        let said = String::from_utf8(outcome.errors).unwrap();
        assert!(said.starts_with("sh: "), "{said}");
        assert!(outcome.ended);
    }

    #[test]
    fn a_long_answer_is_cut_and_its_writer_ended() {
        let outcome = run("yes 12345678").unwrap();
        assert_eq!(outcome.output.len(), OUTPUT_LIMIT);
    }

    #[test]
    fn a_killed_command_is_told_apart() {
        assert!(!run("kill -9 $$").unwrap().ended);
        assert!(run("exit 3").unwrap().ended);
    }

    #[test]
    fn a_command_that_hangs_is_ended_by_its_deadline() {
        for command in ["sleep 100", "exec >&-; sleep 100"] {
            let mut shell = shell(Duration::from_millis(200));
            shell.start(command, OUTPUT_LIMIT);
            shell.start("echo quick", OUTPUT_LIMIT);
            let mut finished = shell.finish();
            finished.sort_by_key(|(command, _)| command == "echo quick");
            assert!(finished[0].1.as_ref().unwrap_err().contains("longer than"), "{finished:?}");
            assert_eq!(finished[1].1.as_ref().unwrap().output, b"quick\n");
        }
    }

    /// The same question, put so that the shell has to answer it.
    #[test]
    fn a_compiler_is_asked_as_the_shell_would() {
        let environment: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
        for option in
            ["-Werror", "-Werror -m64", "-Werror -mno-such-option", "-Werror -fno-such", "-O2 -std=c99"]
        {
            for compiler in ["gcc", "nosuchcc"] {
                let line = format!(
                    "{{ trap \"rm -rf .tmp_$$\" EXIT; mkdir .tmp_$$; {compiler} {option} -c -x c /dev/null -o .tmp_$$/tmp.o; }} \
                     >/dev/null 2>&1 && echo \"y\" || echo \"n\""
                );
                assert!(CompilerProbe::of(&line).is_some());
                let folder = tempfile::tempdir().unwrap();
                let answer = |line: &str| {
                    let mut shell =
                        Shell::new(folder.path(), &environment, 1, Duration::from_secs(20), Cancel::new());
                    shell.start(line, OUTPUT_LIMIT);
                    shell.finish().pop().unwrap().1.unwrap()
                };
                assert_eq!(answer(&line), answer(&format!("true; {line}")), "{line}");
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            }
        }
    }

    #[test]
    fn many_commands_all_end() {
        let mut shell = shell(Duration::from_secs(20));
        for number in 0..50 {
            shell.start(&format!("echo {number}"), OUTPUT_LIMIT);
        }
        let mut numbers: Vec<u32> = shell
            .finish()
            .into_iter()
            .map(|(_, outcome)| String::from_utf8(outcome.unwrap().output).unwrap().trim().parse().unwrap())
            .collect();
        numbers.sort();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
        assert!(shell.finish().is_empty());
    }
}
