//! `allno conf` against the C `conf` that is built from the same tree: exit code, files and messages, byte for byte.
//!
//! Reading the Kconfig files, with all their probes, is nine tenths of a run of the C tool. So it reads them once per
//! architecture and is forked for each run (many.c); in a sample it is started afresh as well, and must answer the same.
//! Whatever was compared is written down at once, so that a run can be stopped and goes on.

mod compare;
pub(crate) mod corpus;
mod garble;
mod hash;
mod ledger;
pub(crate) mod referee;
mod report;
pub(crate) mod server;
pub(crate) mod step;
pub(crate) mod tree;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use base::{Cancel, Context, Error, Result};

use compare::{Ground, Other, Worker};
use corpus::{Part, Selection, Slice, Unit, units};
use ledger::{Compared, Ledger};
use referee::Referee;
use report::Report;
use tree::Tree;

/// Differing units shown while they come.
const SHOWN: usize = 12;
/// Lines shown of one.
const SHOWN_LINES: usize = 24;

/// What to compare.
#[derive(clap::Args)]
pub struct Options {
    /// A kernel source tree; several times for several. Nothing is written into it
    #[arg(long, value_name = "DIR", required_unless_present = "series")]
    tree: Vec<PathBuf>,
    /// The tree of this series ("6.12") that `allno build` left in its store; several times for several
    #[arg(long, value_name = "SERIES")]
    series: Vec<String>,
    /// The allno command
    #[arg(long, default_value = "target/release/allno", value_name = "FILE")]
    allno: PathBuf,
    /// Compare this program, which takes conf's arguments, instead of `allno conf`: to try the comparison itself
    #[arg(long, value_name = "FILE", conflicts_with = "allno")]
    conf: Option<PathBuf>,
    /// Only this value of ARCH; several times for several
    #[arg(long, value_name = "ARCH")]
    arch: Vec<String>,
    /// Only this part of the corpus; several times for several
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Only this unit, "x86/random/17"; several times for several. It is run even if its result is known
    #[arg(long, value_name = "NAME")]
    unit: Vec<String>,
    /// Random configurations per value of ARCH
    #[arg(long, default_value_t = 100, value_name = "N")]
    random: u64,
    /// Only the K-th of N slices, decided by names
    #[arg(long, value_name = "K/N")]
    slice: Option<Slice>,
    /// Where the C tool is built, results are written down and files of differences are kept
    #[arg(long, default_value = "target/kconfig-diff", value_name = "DIR")]
    scratch: PathBuf,
    /// Runs at the same time [default: one per processor]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// The deadline of each run
    #[arg(long, default_value_t = 900, value_name = "SECONDS")]
    deadline: u64,
    /// Write the tables to this file, in Markdown
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Compares, draws, and says whether nothing differed.
///
/// # Errors
/// No tree, no allno, no compiler, no space; a run that was stopped.
pub fn run(options: &Options, cancel: &Cancel) -> Result<bool> {
    let mut tables = String::new();
    let mut identical = true;
    let mut trees = Vec::new();
    for path in &options.tree {
        trees.push(Tree::open(path)?);
    }
    for series in &options.series {
        trees.push(Tree::of_series(series)?);
    }
    for tree in trees {
        let report = run_tree(options, &tree, cancel)?;
        println!("\n{}", report.markdown());
        println!("{}", report.line());
        identical &= report.is_identical();
        tables += &format!("\n{}", report.markdown());
    }
    if let Some(path) = &options.output {
        let text = format!("{HEADING}{tables}");
        std::fs::write(path, text).context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(identical)
}

const HEADING: &str = "# `allno conf` against the kernel's own `conf`

Made by `cargo xtask kconfig-diff`. One run is one configuration through both tools, the C one built from the same tree; it is
identical if the exit code and every file are, byte for byte, and for listnewconfig and helpnewconfig what was printed too.
Messages are standard output and standard error, compared beside that.

- all: allnoconfig, allyesconfig, allmodconfig, alldefconfig
- defconfig: every file of arch/*/configs, fragments too, by `--defconfig=`
- random: `--randconfig` with KCONFIG_SEED=1, 2, … (with other KCONFIG_PROBABILITY for some), and the result through `--olddefconfig`,
  as it is and with lines dropped, changed, repeated and garbage put in
- update: such a garbled configuration through every other mode and environment variable of conf, with include/config and
  include/generated where they are written

The compiler is the host's gcc for every architecture. The C tool reads the Kconfig files once per architecture and is forked
for each run. Where a choice has no visible member, it asks for ever (\"conf without end\"): nothing to compare with; allno
stops with an error. In the runs of the column \"conf started afresh\" it is started anew as well, must answer the same, and allno
begins without any answer of a probe.
";

fn run_tree(options: &Options, tree: &Tree, cancel: &Cancel) -> Result<Report> {
    let architectures = tree.architectures()?;
    let names: Vec<String> = architectures.iter().map(|it| it.name.clone()).collect();
    if let Some(unknown) = options.arch.iter().find(|name| !names.contains(name)) {
        return Err(Error::input(format!("no ARCH {unknown}")).hint(format!("one of {}", names.join(" "))));
    }
    let wanted = select(options, units(tree, &architectures, options.random)?)?;
    let other = match &options.conf {
        Some(program) => Other::Conf(program_at(program)?),
        None => Other::Allno(program_at(&options.allno)?),
    };
    let scratch = tree.folder_in(&options.scratch)?;
    let referee = Referee::build(tree, &scratch, cancel)?;
    let environments = tree.environments(&architectures, &scratch, cancel)?;
    let results =
        scratch.join(format!("results-{}.jsonl", &key(tree, &referee, &environments, &other)?[..8]));
    let ground = Ground {
        conf: referee.conf,
        many: referee.many,
        other,
        environments,
        tree: tree.path.clone(),
        scratch,
        limit: Duration::from_secs(options.deadline),
        kept: AtomicUsize::new(0),
        kept_messages: AtomicUsize::new(0),
    };
    let mut ledger = Ledger::open(&results)?;
    work(&ground, &wanted, &mut ledger, options, &format!("linux {}", tree.version), cancel)?;
    let known = wanted.iter().map(|unit| (unit, ledger.get(&unit.name)));
    Ok(Report::of(&tree.version, &names, known))
}

fn select(options: &Options, units: Vec<Unit>) -> Result<Vec<Unit>> {
    let selection = Selection {
        architectures: options.arch.iter().cloned().collect(),
        parts: options.only.iter().copied().collect(),
        slice: options.slice,
        names: options.unit.iter().cloned().collect(),
    };
    let wanted: Vec<Unit> = units.into_iter().filter(|unit| selection.has(unit)).collect();
    if wanted.is_empty() {
        return Err(
            Error::input("nothing of the corpus is selected").hint("leave out --only, --unit or --slice")
        );
    }
    Ok(wanted)
}

/// Another number when units of the same name become something else.
const CORPUS: &str = "1";

/// What results depend on: the corpus, the tree, both tools, the environments.
fn key(
    tree: &Tree,
    referee: &Referee,
    environments: &[Vec<(String, String)>],
    other: &Other,
) -> Result<String> {
    let (Other::Allno(program) | Other::Conf(program)) = other;
    let mut hash = hash::Hash::default();
    hash.add(CORPUS.as_bytes()).add(tree.digest.as_bytes());
    for program in [&referee.conf, &referee.many, program] {
        let bytes = std::fs::read(program).context(|| format!("cannot read {}", program.display()))?;
        hash.add(&bytes);
    }
    for (name, value) in environments.iter().flatten() {
        hash.add(name.as_bytes()).add(value.as_bytes());
    }
    Ok(hash.finish())
}

/// Runs what is not known yet, on several threads, and writes it down.
fn work(
    ground: &Ground,
    wanted: &[Unit],
    ledger: &mut Ledger,
    options: &Options,
    title: &str,
    cancel: &Cancel,
) -> Result<()> {
    let known = |unit: &Unit| ledger.get(&unit.name).is_some_and(|it| it.steps.len() == unit.steps.len());
    let open: Vec<&Unit> = wanted.iter().filter(|unit| !options.unit.is_empty() || !known(unit)).collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = options.jobs.unwrap_or(processors).clamp(1, open.len().max(1));
    let mut progress = Progress::new(title, open.iter().map(|unit| unit.steps.len()).sum());
    let queue = Mutex::new(open.into_iter());
    let stop = cancel.child();
    std::thread::scope(|scope| {
        let (send, receive) = channel();
        for number in 0..jobs {
            let (send, queue, stop) = (send.clone(), &queue, &stop);
            let folder = ground.scratch.join(format!("work/{}-{number}", std::process::id()));
            scope.spawn(move || {
                let mut worker = Worker::new(ground, folder);
                while let Some(unit) = queue.lock().ok().and_then(|mut queue| queue.next()) {
                    if stop.is_set() || send.send(worker.compare(unit, stop)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        let outcome = note(&receive, ledger, &mut progress);
        stop.set();
        outcome
    })
    .map_err(|error| error.note("what was compared is kept; the same command goes on"))
}

/// Writes down what comes, until all threads are done.
fn note(receive: &Receiver<Result<Compared>>, ledger: &mut Ledger, progress: &mut Progress) -> Result<()> {
    loop {
        match receive.recv_timeout(progress.interval) {
            Ok(compared) => {
                let compared = compared?;
                progress.done += compared.steps.len();
                progress.found(&compared);
                ledger.add(compared)?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                progress.draw(true);
                return Ok(());
            }
        }
        progress.draw(false);
    }
}

/// The line on the terminal, and differences as they come.
struct Progress {
    title: String,
    began: Instant,
    drawn: Option<Instant>,
    interval: Duration,
    terminal: bool,
    wanted: usize,
    done: usize,
    different: usize,
    shown: usize,
}

impl Progress {
    fn new(title: &str, wanted: usize) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        Progress {
            title: title.to_string(),
            began: Instant::now(),
            drawn: None,
            interval: Duration::from_secs(if terminal { 1 } else { 30 }),
            terminal,
            wanted,
            done: 0,
            different: 0,
            shown: 0,
        }
    }

    fn found(&mut self, compared: &Compared) {
        let different: Vec<_> = compared.steps.iter().filter(|step| !step.answer && !step.endless).collect();
        self.different += different.len();
        for step in different {
            if self.shown >= SHOWN {
                return;
            }
            self.shown += 1;
            self.clear();
            println!("different: {} {}", compared.unit, step.step);
            step.difference.iter().take(SHOWN_LINES).for_each(|line| println!("    {line}"));
        }
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }

    fn draw(&mut self, last: bool) {
        if !last && self.drawn.is_some_and(|at| at.elapsed() < self.interval) {
            return;
        }
        self.drawn = Some(Instant::now());
        let ran = self.began.elapsed().as_secs_f64();
        let left = match self.done {
            0 => "?".to_string(),
            done => clock(ran / done as f64 * (self.wanted - done) as f64),
        };
        let (title, done, wanted, different) = (&self.title, self.done, self.wanted, self.different);
        self.clear();
        let line = format!(
            "{title}: {done} of {wanted} runs, {different} different, {} so far, {left} left",
            clock(ran)
        );
        if self.terminal && !last { eprint!("{line}") } else { eprintln!("{line}") }
    }
}

/// "75 s", "12 min 3 s".
fn clock(seconds: f64) -> String {
    match seconds.round() as u64 {
        seconds @ ..100 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

fn program_at(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|cause| {
        Error::input(format!("no {}: {cause}", path.display())).hint("cargo build --release --package allno")
    })
}
