//! `allno config cost` before kbuild: which objects it says the next build compiles, and which the build then compiled.
//!
//! From one configuration, option by option: predict, build, compare; then the same on the way back. An interrupted trial goes on where
//! it was.

mod report;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::{Cancel, Context, Error, Events, Result};
use engine::build::{KernelSource, Toolchain, kernel, kernel_config, kernel_source};
use engine::rung::Requests;
use engine::{Session, SpecFile, cost};
use explain::Resolved;
use kconfig::{Assignment, Model, Start};
use need::{Answer, Goal, Limits, Wanted};

use crate::kconfig_diff::tree::{Choice, Tree};
use report::{Direction, Row};

const MAKE_LIMIT: Duration = Duration::from_secs(4 * 3600);
/// The configuration everything starts from.
const RUNGS: &[&str] = &["console", "programs", "filesystems", "net"];
/// Options of every kind: a leaf, a file system, a bus, a network, what half the kernel is compiled for, flags of the compiler, a
/// number in a generated header.
const OPTIONS: &[&str] = &[
    "BINFMT_SCRIPT",
    "SMP",
    "PROC_FS",
    "NET",
    "EXT4_FS",
    "RD_XZ",
    "EPOLL",
    "TMPFS",
    "IPV6",
    "E1000",
    "KALLSYMS",
    "HZ_1000",
    "SECCOMP",
    "UNIX98_PTYS",
    "MODULES",
    "PACKET",
    "SYSFS",
    "CGROUPS",
    "UNWINDER_FRAME_POINTER",
    "CC_OPTIMIZE_FOR_SIZE",
];

/// What to try.
#[derive(clap::Args)]
pub struct Options {
    /// Which tree.
    #[command(flatten)]
    tree: Choice,
    /// Only this option; several times for several
    #[arg(long, value_name = "NAME[=VALUE]")]
    option: Vec<String>,
    /// Where the object tree and the results so far are kept
    #[arg(long, default_value = "target/cost-trial", value_name = "DIR")]
    scratch: PathBuf,
    /// Write the table to this file, in Markdown
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Tries, and says whether every prediction was equal to what was built.
///
/// # Errors
/// No tree, no compiler, no space; a configuration that does not build; a run that was stopped.
pub fn run(options: &Options, cancel: &Cancel) -> Result<bool> {
    let tree = options.tree.open()?;
    let scratch = tree.folder_in(&options.scratch)?;
    make_folder(&scratch)?;
    kconfig::with_stack(|| Trial::new(&tree, &scratch, cancel)?.run(options))
}

fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).context(|| format!("cannot make {}", path.display()))
}

struct Trial {
    session: Session,
    source: KernelSource,
    toolchain: Toolchain,
    base: Requests,
    scratch: PathBuf,
    objects: PathBuf,
}

impl Trial {
    fn new(tree: &Tree, scratch: &Path, cancel: &Cancel) -> Result<Trial> {
        let names = RUNGS.map_quoted();
        let text = format!("[kernel]\nrungs = [{names}]\n");
        let spec_path = scratch.join("allno.toml");
        std::fs::write(&spec_path, text).context(|| format!("cannot write {}", spec_path.display()))?;
        let spec = SpecFile::find(Some(&spec_path), scratch)?;
        let session = Session {
            store: store::Store::open(scratch.join("store"))?,
            project: store::Project::at(scratch)?,
            events: Events::silent(),
            cancel: cancel.clone(),
            offline: true,
        };
        let source = kernel_source::as_it_is(&tree.path)?;
        let names: Vec<_> = RUNGS.iter().map(|name| (name.to_string(), None)).collect();
        let base = Requests::resolve(&names, source.series, &spec)?;
        let toolchain = Toolchain::find(&session)?;
        let objects = scratch.join("objects");
        Ok(Trial { session, source, toolchain, base, scratch: scratch.to_path_buf(), objects })
    }

    fn run(&self, options: &Options) -> Result<bool> {
        let ledger = self.scratch.join("rows.jsonl");
        let mut rows = report::read(&ledger)?;
        let wanted: Vec<String> = match options.option.as_slice() {
            [] => OPTIONS.iter().map(ToString::to_string).collect(),
            named => named.to_vec(),
        };
        let open = wanted.iter().filter(|name| !report::is_done(&rows, name)).cloned().collect::<Vec<_>>();
        if !open.is_empty() {
            make_folder(&self.objects)?;
            let folder = kernel_config::cache(&self.session);
            make_folder(&folder)?;
            let host = kernel_config::host(&self.session, &self.source, &self.toolchain, &folder)?;
            let model = kernel_config::read(&host, &self.source.version)?;
            eprintln!("the base: {} …", RUNGS.join(" "));
            self.build(&self.base)?;
            for name in open {
                let pair = self.try_option(&model, &name)?;
                report::append(&ledger, &pair)?;
                rows.extend(pair);
                eprintln!("{}", report::count(&rows));
            }
        }
        rows.retain(|row| wanted.contains(&row.option));
        let text = report::markdown(&self.source.version, &rows);
        print!("{text}");
        std::io::stdout().flush().context(|| "cannot print".into())?;
        if let Some(path) = &options.output {
            std::fs::write(path, &text).context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(rows.iter().all(Row::is_equal))
    }

    /// One option on the way there and back.
    fn try_option(&self, model: &Model, name: &str) -> Result<[Row; 2]> {
        let (changes, from, to) = self.changes(model, name)?;
        eprintln!("{name}: {}", changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        let there = self.base.with(&changes);
        let out = self.step(name, Direction { from: from.clone(), to: to.clone() }, &there)?;
        let back = self.step(name, Direction { from: to, to: from }, &self.base)?;
        Ok([out, back])
    }

    /// The fewest changes that give the option its other value, and both values.
    fn changes(&self, model: &Model, text: &str) -> Result<(Vec<Assignment>, String, String)> {
        let mut resolved = Resolved::of_requests(model, Start::AllNo, self.base.in_words());
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        let wrong = |what: String| Error::input(format!("{text}: {what}"));
        let id = model.find(name).ok_or_else(|| wrong("no such symbol".into()))?;
        let from = resolved.value(id);
        let wanted = match (text.contains('='), from.as_str()) {
            (true, _) => text.to_string(),
            (false, "n") => format!("{name}=y"),
            (false, _) => format!("{name}=n"),
        };
        let goal = Goal::parse(model, &wanted).map_err(|error| wrong(error.to_string()))?;
        let to = match &goal.value {
            Wanted::Logical(value) => value.letter().to_string(),
            Wanted::Text(text) => text.to_string(),
        };
        match need::need(resolved.configuration(), &[goal], &Limits::default()) {
            Answer::Possible(found) => {
                let lines = found.changes.iter().map(|change| format!("{}={}", change.symbol, change.to));
                let parsed = lines.map(|line| line.parse().map_err(|error| wrong(format!("{error}"))));
                Ok((parsed.collect::<Result<_>>()?, from, to))
            }
            other => Err(wrong(other.to_string())),
        }
    }

    /// Predicts, builds and compares.
    fn step(&self, option: &str, direction: Direction, requests: &Requests) -> Result<Row> {
        let folder = self.scratch.join("sketch");
        let _ = std::fs::remove_dir_all(&folder);
        make_folder(&folder)?;
        let began = Instant::now();
        let Trial { session, source, toolchain, objects, .. } = self;
        let prediction = cost::predict(session, source, requests, toolchain, objects, &folder)?;
        let predicting = began.elapsed();
        let began = Instant::now();
        let made = self.build(requests)?;
        let building = began.elapsed();
        let predicted = prediction.objects();
        let row = Row {
            option: option.to_string(),
            from: direction.from,
            to: direction.to,
            symbols: prediction.changed.len(),
            predicted: predicted.len(),
            made: made.len(),
            missing: made.difference(&predicted).cloned().collect(),
            surplus: predicted.difference(&made).cloned().collect(),
            predicting_ms: predicting.as_millis() as u64,
            building_ms: building.as_millis() as u64,
        };
        eprintln!("{}", row.line());
        if row.is_equal() {
            let _ = std::fs::remove_dir_all(&folder);
        } else {
            let kept = self.scratch.join(format!("unequal-{option}-{}", row.to));
            let _ = std::fs::remove_dir_all(&kept);
            let _ = std::fs::rename(&folder, &kept);
            let _ = std::fs::copy(self.scratch.join("build.log"), kept.join("build.log"));
        }
        Ok(row)
    }

    /// Builds for real; the objects that were compiled.
    fn build(&self, requests: &Requests) -> Result<BTreeSet<String>> {
        let log = self.scratch.join("build.log");
        let _ = std::fs::remove_file(&log);
        let Trial { session, source, toolchain, objects, .. } = self;
        kernel_config::resolve(session, source, requests, toolchain, objects)?;
        let mut made = BTreeSet::new();
        kernel::kbuild(source, toolchain, objects)?
            .args(["V=2".to_string(), format!("-j{}", toolchain.jobs), "bzImage".to_string()])
            .run(&log, MAKE_LIMIT, &session.cancel, &mut |line| {
                made.extend(cost::made(line).filter(cost::is_object).map(|it| it.target));
            })?;
        Ok(made)
    }
}

/// Names as a TOML list has them.
trait Quoted {
    fn map_quoted(&self) -> String;
}

impl Quoted for &[&str] {
    fn map_quoted(&self) -> String {
        self.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    }
}
