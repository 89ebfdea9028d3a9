//! The outside world for the Kconfig engine: files below a working folder, an environment, shell commands run in the background
//! and remembered ([`LiveHost`]); the same from a recording ([`ReplayHost`]); the streams of `conf` ([`ConfStreams`]); and the
//! environment that a tree's Makefile would make ([`tree_environment`]).

mod ahead;
mod command;
mod compiler_probe;
mod guard;
mod plain;
mod probe_cache;
mod replay;
mod scripts;
mod shell;
mod sight;
mod streams;
mod tools;
mod tree;
mod variables;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::Cancel;
use kconfig::host::{Host, ShellAnswer};

use ahead::Ahead;
use guard::{Guard, Guarded, NoKey, ToolQuestion};
use probe_cache::{Key, ProbeCache};
use shell::{OUTPUT_LIMIT, Outcome, QUESTION_LIMIT, Shell};
use sight::Sight;

pub use command::{Stdio, run_conf};
pub use replay::{Answers, ReplayHost};
pub use streams::{ConfStreams, WorldHost};
pub use tree::{Tree, tree_environment, tree_host};
pub use variables::Environment;

/// How long one shell command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);
/// Largest file that is read as Kconfig or `.config`; the largest of the kernel has 350 kB.
const FILE_LIMIT: u64 = 64 << 20;
/// An answer is not kept when something it depends on changed this shortly before the run began, or since: times of files are
/// no finer than that everywhere (2 s on FAT, network clocks).
const QUIET_SECONDS: i64 = 3;
/// How many tools one command may stand for.
const QUESTION_ROUNDS: usize = 4;
/// An answer found while a disk is full may be "no" for that reason alone.
const ROOM: u64 = 16 << 20;

/// Takes what commands print on standard error.
type Sink = Box<dyn Fn(&[u8]) + Send + Sync>;

/// The machine it runs on.
pub struct LiveHost {
    folder: PathBuf,
    environment: Arc<Environment>,
    cache: Arc<ProbeCache>,
    keeps: bool,
    began: i64,
    errors: Sink,
    state: Mutex<State>,
    ahead: Mutex<Ahead>,
}

struct State {
    shell: Shell,
    guard: Guard,
    answers: HashMap<String, ShellAnswer>,
    /// Whether there is such a folder in the working folder, by the first part of a path.
    folders: HashMap<String, bool>,
    /// What was started and has not been waited for, in order.
    started: Vec<Started>,
    /// How many programs the kernel had killed for want of memory before the first of these was started.
    out_of_memory: Option<u64>,
}

struct Started {
    command: String,
    /// The key before it was started; `None` while a tool has to be asked first, or when there is none.
    before: Option<Guarded>,
    /// Whether its answer may be kept.
    keep: bool,
    /// The tool's question, if it is one.
    question: Option<Guarded>,
}

impl LiveHost {
    /// A host that works in `folder` (made absolute) and sees `environment`. Commands run at most two minutes each, as many at
    /// once as there are processors; what they print on standard error is dropped.
    ///
    /// # Errors
    /// `folder` is not there.
    pub fn new(folder: &Path, environment: Environment, cancel: &Cancel) -> io::Result<LiveHost> {
        let folder = folder.canonicalize()?;
        let environment = Arc::new(environment);
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let shell = Shell::new(&folder, &environment, jobs, COMMAND_LIMIT, cancel.clone());
        let cache = Arc::new(ProbeCache::none());
        let guard =
            Guard::new(Sight::new(&folder, Arc::clone(&environment)), Arc::clone(&cache), HashMap::new());
        let state = State {
            shell,
            guard,
            answers: HashMap::new(),
            folders: HashMap::new(),
            started: Vec::new(),
            out_of_memory: None,
        };
        let tree = folder.join(environment.filled("srctree").unwrap_or_default());
        let ahead = Mutex::new(Ahead::new(tree, Arc::clone(&environment)));
        Ok(LiveHost {
            folder,
            environment,
            cache,
            keeps: false,
            began: now(),
            errors: Box::new(|_| {}),
            state: Mutex::new(state),
            ahead,
        })
    }

    /// Keeps answers in a file in `folder` (made when needed), and takes from it those that still hold.
    pub fn with_cache(mut self, folder: &Path) -> LiveHost {
        self.cache = Arc::new(ProbeCache::open(folder));
        self.keeps = true;
        let guard = self.fresh_guard(HashMap::new());
        self.state().guard = guard;
        self
    }

    /// Passes on what commands print on standard error, in the order they were asked for. An answer that came with such words is
    /// never kept, so they are heard each time.
    pub fn with_errors(mut self, errors: impl Fn(&[u8]) + Send + Sync + 'static) -> LiveHost {
        self.errors = Box::new(errors);
        self
    }

    /// The folder that relative paths start from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The environment that commands and Kconfig files see.
    pub fn variables(&self) -> &Environment {
        &self.environment
    }

    /// The answer to one command, waited for.
    ///
    /// # Errors
    /// It cannot be run, or takes too long.
    pub fn answer(&self, command: &str) -> io::Result<Vec<u8>> {
        if self.ask(command).is_none() {
            self.finish()?;
        }
        Ok(self.ask(command).map(|answer| answer.output).unwrap_or_default())
    }

    /// All commands asked so far and what they printed: with the same files and environment, [`ReplayHost`] gives the same
    /// configuration from them.
    pub fn recorded(&self) -> Answers {
        let state = self.state();
        let all: BTreeMap<String, Vec<u8>> =
            state.answers.iter().map(|(command, answer)| (command.clone(), answer.output.clone())).collect();
        Answers::from(all)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh_guard(&self, learned: HashMap<Key, String>) -> Guard {
        let sight = Sight::new(&self.folder, Arc::clone(&self.environment));
        Guard::new(sight, Arc::clone(&self.cache), learned)
    }

    /// Whether nothing that the answer depends on changed while it was found.
    fn holds(&self, guarded: &Guarded) -> bool {
        guarded.newest < self.began - QUIET_SECONDS
    }

    /// Adds to the cache what was found out now and may be kept.
    fn keep(&self, state: &mut State, started: &[Started], outcomes: &HashMap<String, Outcome>) {
        // A compiler that found no room, or was killed, says "no" as one that does not know an option.
        if !self.keeps || !self.has_room() || killed_for_memory() != state.out_of_memory {
            return;
        }
        let text_of = |command: &str| {
            let outcome = outcomes.get(command).filter(|it| it.ended && it.errors.is_empty())?;
            std::str::from_utf8(&outcome.output).ok()
        };
        let mut learned = state.guard.learned().clone();
        let mut kept: Vec<(Key, &str, &str)> = Vec::new();
        for started in started {
            if let (Some(guarded), Some(text)) = (&started.question, text_of(&started.command)) {
                learned.insert(guarded.key, text.to_string());
                if self.holds(guarded) {
                    kept.push((guarded.key, text, &started.command));
                }
            }
        }
        let mut guard = self.informed_guard(state, started, learned);
        for started in started.iter().filter(|started| started.keep) {
            let Some(text) = text_of(&started.command) else { continue };
            let Ok(after) = guard.key(&started.command) else { continue };
            let same = started.before.as_ref().is_none_or(|before| *before == after);
            if same && self.holds(&after) {
                kept.push((after.key, text, &started.command));
            }
        }
        self.cache.add(kept.iter().map(|(key, text, command)| (key, *text, *command)));
        state.guard = guard;
    }

    /// A guard that looks at everything again (what is there now was there before, or its times tell) and knows what the tools
    /// of these commands use. A script may name several tools, of which the first unknown one is asked each time.
    fn informed_guard(
        &self,
        state: &mut State,
        started: &[Started],
        mut learned: HashMap<Key, String>,
    ) -> Guard {
        for _ in 0..QUESTION_ROUNDS {
            let mut guard = self.fresh_guard(learned.clone());
            let mut questions: HashMap<String, Guarded> = HashMap::new();
            for started in started.iter().filter(|started| started.keep) {
                if let Err(NoKey::Ask(question)) = guard.key(&started.command) {
                    questions.insert(question.command, question.guarded);
                }
            }
            if questions.is_empty() {
                return guard;
            }
            questions.keys().for_each(|command| state.shell.start(command, QUESTION_LIMIT));
            for (command, outcome) in state.shell.finish() {
                let answer = outcome.ok().filter(|it| it.ended && it.errors.is_empty());
                let text = answer.and_then(|it| String::from_utf8(it.output).ok());
                if let (Some(text), Some(guarded)) = (text, questions.get(&command)) {
                    if self.holds(guarded) {
                        self.cache.add([(&guarded.key, text.as_str(), command.as_str())]);
                    }
                    learned.insert(guarded.key, text);
                }
            }
        }
        self.fresh_guard(learned)
    }

    fn has_room(&self) -> bool {
        let temporary = self.environment.text("TMPDIR").unwrap_or_else(|| "/tmp".to_string());
        [self.folder.as_path(), Path::new(&temporary)].into_iter().all(|folder| {
            rustix::fs::statvfs(folder).is_ok_and(|disk| {
                let inodes = disk.f_files == 0 || disk.f_favail > 16;
                inodes && disk.f_bavail.saturating_mul(disk.f_frsize) >= ROOM
            })
        })
    }
}

impl State {
    fn start(&mut self, started: Started) {
        let limit = if started.question.is_some() { QUESTION_LIMIT } else { OUTPUT_LIMIT };
        self.shell.start(&started.command, limit);
        self.started.push(started);
    }

    fn is_started(&self, command: &str) -> bool {
        self.started.iter().any(|started| started.command == command)
    }
}

impl Host for LiveHost {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        // An object tree has few of the source's folders: most Kconfig files need not be looked for there.
        let part =
            path.split_once('/').filter(|(folder, rest)| !folder.is_empty() && rest.contains("Kconfig"));
        if let Some((folder, _)) = part {
            let mut state = self.state();
            if !*state.folders.entry(folder.into()).or_insert_with(|| self.folder.join(folder).is_dir()) {
                return Err(io::ErrorKind::NotFound.into());
            }
        }
        let path = self.folder.join(path);
        // A Kconfig file is a file: what may be a pipe is read once and as it comes.
        let is_kconfig = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"Kconfig"));
        if !is_kconfig {
            return match read_file(&path) {
                // The C tool opens a folder like a file, and gets no line of it (scripts/kconfig/confdata.c,
                // `__conf_read_simple`).
                Err(cause) if cause.kind() == io::ErrorKind::IsADirectory => Ok(Vec::new()),
                other => other,
            };
        }
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).read(&path)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.text(name)
    }

    fn ask(&self, command: &str) -> Option<ShellAnswer> {
        let mut state = self.state();
        if let Some(answer) = state.answers.get(command) {
            return Some(answer.clone());
        }
        if state.is_started(command) {
            return None;
        }
        if let Some(text) = plain::answer(command) {
            let answer = ShellAnswer { output: text.into_bytes() };
            state.answers.insert(command.to_string(), answer.clone());
            return Some(answer);
        }
        let key = if self.keeps { state.guard.key(command) } else { Err(NoKey::Refused("nothing is kept")) };
        if let Ok(guarded) = &key
            && let Some(text) = self.cache.get(&guarded.key)
        {
            let answer = ShellAnswer { output: text.into_bytes() };
            state.answers.insert(command.to_string(), answer.clone());
            return Some(answer);
        }
        if self.keeps && state.started.is_empty() {
            state.out_of_memory = killed_for_memory();
        }
        let keep = !matches!(key, Err(NoKey::Refused(_)));
        let (before, question) = match key {
            Ok(guarded) => (Some(guarded), None),
            Err(NoKey::Ask(question)) => (None, Some(question)),
            Err(NoKey::Refused(_)) => (None, None),
        };
        state.start(Started { command: command.to_string(), before, keep, question: None });
        if let Some(ToolQuestion { command, guarded }) = question.filter(|it| !state.is_started(&it.command))
        {
            state.start(Started { command, before: None, keep: false, question: Some(guarded) });
        }
        None
    }

    fn finish(&self) -> io::Result<()> {
        let mut state = self.state();
        let mut outcomes = HashMap::new();
        let mut failure = None;
        for (command, outcome) in state.shell.finish() {
            match outcome {
                Ok(outcome) => drop(outcomes.insert(command, outcome)),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let started = std::mem::take(&mut state.started);
        for one in started.iter().filter(|one| one.question.is_none()) {
            let Some(outcome) = outcomes.get(&one.command) else { continue };
            if !outcome.errors.is_empty() {
                (self.errors)(&outcome.errors);
            }
            state.answers.insert(one.command.clone(), ShellAnswer { output: outcome.output.clone() });
        }
        self.keep(&mut state, &started, &outcomes);
        failure.map_or(Ok(()), |error| Err(io::Error::other(error)))
    }
}

/// A file's bytes. A pipe is as good as a file (`KCONFIG_ALLCONFIG=<(…)`).
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    // With room for all of it a file takes one read, and one that finds its end: there are 1,700 of them.
    let length = file.metadata().map_or(0, |metadata| metadata.len().min(FILE_LIMIT));
    let mut content = Vec::with_capacity(length as usize + 1);
    file.take(FILE_LIMIT + 1).read_to_end(&mut content)?;
    match content.len() as u64 > FILE_LIMIT {
        true => Err(io::Error::other(format!("{} is larger than {} MiB", path.display(), FILE_LIMIT >> 20))),
        false => Ok(content),
    }
}

/// The kernel's count of programs killed for want of memory (proc(5), /proc/vmstat), where it is told.
fn killed_for_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.parse().ok()
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[cfg(test)]
mod tests;
