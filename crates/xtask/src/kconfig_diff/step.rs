//! One run of one `conf` in a folder of its own: what it makes and says.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::process::{Program, Running, ending};
use base::{Cancel, Context, Error, Result};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use super::corpus::{Start, Step, Typed};
use super::garble::{answers, garble};
use super::hash::Hash;
use super::server::Server;
use super::tree::files;

/// Kbuild's file of symbols: where it is, a step that is not to write headers writes none.
const AUTO_CONF: &str = "include/config/auto.conf";
/// At the end of its input `conf` may ask the same question for ever; that ends when a file gets so long.
const FILE_LIMIT: u64 = 16 << 20;

/// How a tool is started.
pub enum Tool<'a> {
    /// As a program of its own: its path, arguments before those of the step, and what its environment has beside the
    /// architecture's.
    Fresh(&'a Path, &'a [&'a str], &'a [(String, String)]),
    /// As a fork of one that has read the Kconfig files.
    Forked(&'a mut Server),
}

/// Files for the standard streams.
pub struct Streams {
    /// What is typed.
    pub stdin: PathBuf,
    /// What is printed.
    pub stdout: PathBuf,
    /// What is printed as an error.
    pub stderr: PathBuf,
}

/// Where and with what a step runs.
pub struct Place<'a> {
    /// The environment of the architecture.
    pub environment: &'a [(String, String)],
    /// The files that stand there before.
    pub before: &'a BTreeMap<String, Vec<u8>>,
    /// A scratch folder: files/ is made anew in it.
    pub folder: &'a Path,
    /// The deadline.
    pub limit: Duration,
}

/// What a step left behind.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// "ended with exit code 0".
    pub ending: String,
    /// Every file of the folder, by its path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// How long it took, milliseconds.
    pub milliseconds: u64,
}

impl Outcome {
    /// Whether what was asked for is the same: how it ended, files and, for a step that prints its answer, standard output.
    pub fn has_the_same_answer(&self, other: &Outcome, prints: bool) -> bool {
        self.ending == other.ending && self.files == other.files && (!prints || self.stdout == other.stdout)
    }

    /// Whether it printed until the size of its files ended it: `conf` asks again for ever when a choice has no visible
    /// member, before 6.12 also for a number that has no valid default.
    pub fn is_endless(&self) -> bool {
        self.ending == format!("was killed by signal {}", Signal::XFSZ.as_raw())
    }

    /// Whether it ended by itself.
    pub fn has_ended(&self) -> bool {
        self.ending.starts_with("ended with exit code")
    }

    /// Whether it said the same.
    pub fn has_the_same_messages(&self, other: &Outcome) -> bool {
        self.stdout == other.stdout && self.stderr == other.stderr
    }

    /// Its .config, if it wrote one.
    pub fn config(&self) -> &[u8] {
        self.files.get(".config").map_or(&[], Vec::as_slice)
    }

    /// A digest of its files, to be kept with the result.
    pub fn digest(&self) -> String {
        let mut hash = Hash::default();
        for (path, content) in &self.files {
            hash.add(path.as_bytes()).add(content);
        }
        hash.finish()
    }
}

/// What stands in a step's folder before, made from what the C tool left.
pub fn prepared(step: &Step, first: &[u8], last: &Outcome) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    match &step.start {
        Start::Nothing => {}
        Start::First(name) => {
            files.insert(name.to_string(), first.to_vec());
        }
        Start::Garbled(name, seed) => {
            files.insert(name.to_string(), garble(first, *seed));
        }
        Start::Again(seed) => {
            // conf touches dependencies by emptying them; a byte in each shows which.
            files = last.files.clone();
            files.values_mut().filter(|content| content.is_empty()).for_each(|content| content.push(b'x'));
            files.insert(".config".into(), garble(last.config(), *seed));
        }
    }
    if !step.writes_headers {
        files.insert(AUTO_CONF.into(), Vec::new());
    }
    files
}

/// The command of a step for a tool that is started afresh.
pub fn command(
    program: &Path,
    leading: &[&str],
    more: &[(String, String)],
    step: &Step,
    architecture: &[(String, String)],
    folder: &Path,
) -> Program {
    let mut command =
        Program::new(program).args(leading.iter().copied()).args(&step.arguments).arg("Kconfig");
    command = command.directory(folder).clean_environment();
    for (name, value) in architecture.iter().chain(&step.environment).chain(more) {
        command = command.env(name, value);
    }
    command
}

/// Runs a step.
///
/// # Errors
/// The tool cannot be started, or the scratch folder cannot be used. A deadline that passes is an outcome.
pub fn run(tool: Tool, step: &Step, place: &Place, cancel: &Cancel) -> Result<Outcome> {
    let inside = place.folder.join("files");
    lay_out(&inside, place.before)?;
    let streams = streams(step, place.folder)?;
    let began = Instant::now();
    let status = match tool {
        Tool::Fresh(program, leading, more) => {
            let command = command(program, leading, more, step, place.environment, &inside);
            let (stdout, stderr) = (create(&streams.stdout)?, create(&streams.stderr)?);
            let stdin =
                File::open(&streams.stdin).context(|| format!("cannot read {}", streams.stdin.display()))?;
            let mut running = command.start(stdin.into(), stdout.into(), stderr.into(), false)?;
            limit_files(&running);
            running.wait(place.limit, cancel)?
        }
        Tool::Forked(server) => {
            server.run(&step.arguments, &step.environment, &inside, &streams, place.limit, cancel)?
        }
    };
    let took = began.elapsed();
    let ending = match status {
        Some(status) => ending(status),
        None => format!("did not end within {} s", place.limit.as_secs_f64()),
    };
    Ok(Outcome {
        ending,
        files: contents(&inside)?,
        stdout: read(&streams.stdout)?,
        stderr: read(&streams.stderr)?,
        milliseconds: took.as_millis() as u64,
    })
}

/// Limits the size of files a program and its children may write.
pub fn limit_files(running: &Running) {
    let limit = Rlimit { current: Some(FILE_LIMIT), maximum: Some(FILE_LIMIT) };
    // It may have ended already; then nothing is left to limit.
    let _ = prlimit(Pid::from_raw(running.id() as i32), Resource::Fsize, limit);
}

fn streams(step: &Step, folder: &Path) -> Result<Streams> {
    let stdin = match step.typed {
        Typed::Nothing => PathBuf::from("/dev/null"),
        Typed::Answers(seed) => {
            let path = folder.join("stdin");
            std::fs::write(&path, answers(seed)).context(|| format!("cannot write {}", path.display()))?;
            path
        }
    };
    let streams = Streams { stdin, stdout: folder.join("stdout"), stderr: folder.join("stderr") };
    // A tool that never comes to open them has printed nothing.
    create(&streams.stdout)?;
    create(&streams.stderr)?;
    Ok(streams)
}

/// Makes `folder` hold these files and no others.
pub fn lay_out(folder: &Path, content: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::failed(format!("cannot empty {}", folder.display())).note(cause.to_string()));
        }
        _ => {}
    }
    std::fs::create_dir_all(folder).context(|| format!("cannot make {}", folder.display()))?;
    for (path, bytes) in content {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).context(|| format!("cannot make {}", parent.display()))?;
        std::fs::write(&path, bytes).context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn contents(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = Vec::new();
    files(folder, &mut found)?;
    let mut contents = BTreeMap::new();
    for path in found {
        let below = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        contents.insert(below, read(&path)?);
    }
    Ok(contents)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).context(|| format!("cannot read {}", path.display()))
}

fn create(path: &Path) -> Result<File> {
    File::create(path).context(|| format!("cannot write {}", path.display()))
}
