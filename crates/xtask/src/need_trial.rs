//! `need` tried on random symbols: every answer before the kernel's own `conf`; and how long `why` takes for the same symbols.
//!
//! From the node's configuration, random bools and tristates are wanted as y. Changes that `need` finds are appended to `.config`, and
//! what `conf --olddefconfig` makes of it must have the symbol at y. What it calls impossible must be y in none of allyesconfig,
//! allmodconfig and many random configurations.

mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::{Cancel, Context, Error, Result};
use engine::SpecFile;
use engine::kconfig_host::{Environment, LiveHost};
use engine::rung::{Requests, Series};
use explain::Resolved;
use kconfig::{Dialect, Model, SymbolId, SymbolType, Tristate};
use need::{Answer, Goal, Limits, Wanted, need};

use crate::kconfig_diff::corpus::{self, Step, Typed};
use crate::kconfig_diff::referee::Referee;
use crate::kconfig_diff::server::Server;
use crate::kconfig_diff::step::{self, Outcome, Place, Tool};
use crate::kconfig_diff::tree::{Choice, Tree};
use report::{Kind, Report, Row};

/// The deadline of one run of the C tool.
const LIMIT: Duration = Duration::from_secs(120);
/// Symbols between two lines of progress.
const SHOWN_EVERY: usize = 100;

/// What to try.
#[derive(clap::Args)]
pub struct Options {
    /// Which tree.
    #[command(flatten)]
    tree: Choice,
    /// ARCH
    #[arg(long, default_value = "x86_64")]
    arch: String,
    /// How many symbols
    #[arg(long, default_value_t = 1000, value_name = "N")]
    count: usize,
    /// Which of them: the same seed tries the same symbols of a tree
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    /// Random configurations that could contradict an "impossible"
    #[arg(long, default_value_t = 100, value_name = "N")]
    random: u64,
    /// The value they are wanted at: y, m or n
    #[arg(long, default_value = "y", value_name = "VALUE", value_parser = ["y", "m", "n"])]
    value: String,
    /// Begin with the random configuration of this KCONFIG_SEED instead of the node's
    #[arg(long, value_name = "SEED")]
    from_random: Option<u64>,
    /// Only this symbol; several times for several, with the answers in full
    #[arg(long, value_name = "NAME[=VALUE]")]
    symbol: Vec<String>,
    /// Where the C tool is built and run
    #[arg(long, default_value = "target/kconfig-diff", value_name = "DIR")]
    scratch: PathBuf,
    /// Write the table to this file, in Markdown
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The C tool that has read the tree, and where it runs.
struct Conf {
    server: Server,
    environment: Vec<(String, String)>,
    folder: PathBuf,
}

impl Conf {
    /// One run in this mode, with these files before; its `.config`.
    fn run(
        &mut self,
        mode: &str,
        environment: &[(&str, &str)],
        before: &[(&str, &str)],
        cancel: &Cancel,
    ) -> Result<String> {
        let step = Step {
            name: mode.to_string(),
            arguments: vec![format!("--{mode}")],
            environment: environment
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            start: corpus::Start::Nothing,
            typed: Typed::Nothing,
            prints: false,
            writes_headers: false,
        };
        let before: BTreeMap<String, Vec<u8>> =
            before.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())).collect();
        let place =
            Place { environment: &self.environment, before: &before, folder: &self.folder, limit: LIMIT };
        let outcome: Outcome = step::run(Tool::Forked(&mut self.server), &step, &place, cancel)?;
        if outcome.ending != "ended with exit code 0" {
            return Err(Error::failed(format!("the C tool {} in {mode}", outcome.ending))
                .output(String::from_utf8_lossy(&outcome.stderr).lines().map(String::from)));
        }
        Ok(String::from_utf8_lossy(outcome.config()).into_owned())
    }
}

/// Tries, and says whether no answer was wrong and none was missing.
///
/// # Errors
/// No tree, no compiler, no space; a run that was stopped.
pub fn run(options: &Options, cancel: &Cancel) -> Result<bool> {
    let tree = options.tree.open()?;
    let scratch = tree.folder_in(&options.scratch)?;
    let folder = scratch.join(format!("work/need-{}", std::process::id()));
    let outcome = run_in(options, &tree, &scratch, &folder, cancel);
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

fn run_in(options: &Options, tree: &Tree, scratch: &Path, folder: &Path, cancel: &Cancel) -> Result<bool> {
    let referee = Referee::build(tree, scratch, cancel)?;
    let architectures = tree.architectures()?;
    let architecture = architectures
        .iter()
        .find(|it| it.name == options.arch)
        .ok_or_else(|| Error::input(format!("no ARCH {} in this tree", options.arch)))?;
    let environment = tree.environments(std::slice::from_ref(architecture), scratch, cancel)?.remove(0);
    let server = Server::start(&referee.many, &environment, &folder.join("server"), cancel)?
        .ok_or_else(|| Error::failed("the C tool cannot read this tree"))?;
    let mut conf = Conf { server, environment, folder: folder.to_path_buf() };
    let base = match options.from_random {
        Some(seed) => conf.run("randconfig", &[("KCONFIG_SEED", &seed.to_string())], &[], cancel)?,
        None => node_configuration(tree, &mut conf, cancel)?,
    };
    let host_folder = folder.join("host");
    std::fs::create_dir_all(&host_folder).context(|| format!("cannot make {}", host_folder.display()))?;
    let variables: Environment = conf.environment.iter().cloned().collect();
    let host = LiveHost::new(&host_folder, variables, cancel)
        .context(|| format!("cannot work in {}", host_folder.display()))?;
    let dialect = Dialect::from_version(&tree.version).unwrap_or(Dialect::NEWEST);
    let began = Instant::now();
    let (title, rows) = kconfig::with_stack(|| -> Result<(String, Vec<Row>)> {
        let loaded = kconfig::load("Kconfig", dialect, &host).map_err(|error| {
            Error::failed("this tree's Kconfig files cannot be read").note(error.to_string())
        })?;
        eprintln!("linux {}: read in {:.1} s", tree.version, began.elapsed().as_secs_f64());
        let model = &loaded.model;
        let mut resolved = Resolved::of_config(model, ".config", base.as_bytes());
        let goals = goals(model, options)?;
        let from = match options.from_random {
            Some(seed) => format!("the random configuration {seed}"),
            None => "the node's configuration".to_string(),
        };
        let title = format!(
            "linux {}, {}, from {from}, wanted {}, seed {}",
            tree.version, options.arch, options.value, options.seed
        );
        Ok((title, answers(&mut resolved, &goals, !options.symbol.is_empty(), cancel)?))
    })?;
    let rows = confirm(rows, &base, &mut conf, options.random, cancel)?;
    let report = Report { title, rows, random: options.random };
    println!("{}", report.markdown());
    if let Some(path) = &options.output {
        let text = format!("{HEADING}\n{}", report.markdown());
        std::fs::write(path, text).context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(report.is_right())
}

const HEADING: &str = "# `need` before the kernel's own `conf`

Made by `cargo xtask need-trial`. From the node's configuration (the rung \"node\"), random bools and tristates, with and without a
prompt, are wanted as y. Where `need` finds changes, these lines are appended to `.config`, and after `conf --olddefconfig`, built from
the same tree, the symbol must be y. Where it says \"impossible\", the symbol must be y in none of allyesconfig, allmodconfig and the
random configurations (`--randconfig` with KCONFIG_SEED=1, 2, …). Times are those of one answer, on a tree that is loaded;
`why` is asked about the same symbols.
";

/// The configuration of the node, as `allno build` asks for it.
fn node_configuration(tree: &Tree, conf: &mut Conf, cancel: &Cancel) -> Result<String> {
    let series = Series::parse(&tree.version)
        .ok_or_else(|| Error::input(format!("{} is no kernel version", tree.version)))?;
    // Where no spec stands, the built-in node is one.
    let spec = SpecFile::find(None, &conf.folder)?;
    let requests = Requests::resolve(&[("node".to_string(), None)], series, &spec)?;
    let fragment = requests.fragment();
    conf.run("allnoconfig", &[("KCONFIG_ALLCONFIG", "fragment")], &[("fragment", &fragment)], cancel)
}

/// What is wanted: the symbols asked for, else random ones.
fn goals(model: &Model, options: &Options) -> Result<Vec<Goal>> {
    if !options.symbol.is_empty() {
        let parse = |text: &String| Goal::parse(model, text).map_err(|error| Error::input(error.to_string()));
        return options.symbol.iter().map(parse).collect();
    }
    let is_wanted = |symbol: &kconfig::Symbol| {
        let logical = matches!(symbol.kind, SymbolType::Boolean | SymbolType::Tristate);
        logical && symbol.name.is_some() && !symbol.constant && !symbol.menus.is_empty()
    };
    let mut all: Vec<SymbolId> =
        model.symbols().filter(|(_, symbol)| is_wanted(symbol)).map(|(id, _)| id).collect();
    let value = match options.value.as_str() {
        "n" => Tristate::No,
        "m" => Tristate::Module,
        _ => Tristate::Yes,
    };
    let mut random = options.seed;
    let mut chosen = Vec::new();
    while chosen.len() < options.count && !all.is_empty() {
        let at = (next(&mut random) % all.len() as u64) as usize;
        chosen.push(Goal { symbol: all.swap_remove(at), value: Wanted::Logical(value) });
    }
    Ok(chosen)
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Asks `need` and `why` for each.
fn answers(resolved: &mut Resolved<'_>, goals: &[Goal], is_shown: bool, cancel: &Cancel) -> Result<Vec<Row>> {
    let model = resolved.model();
    let mut rows = Vec::new();
    for goal in goals {
        cancel.check()?;
        let began = Instant::now();
        let answer = need(resolved.configuration(), std::slice::from_ref(goal), &Limits::default());
        let took = began.elapsed();
        let began = Instant::now();
        let reasons = resolved.why(goal.symbol).rows();
        let why = began.elapsed();
        if reasons.is_empty() {
            return Err(Error::failed(format!("why has no word on {}", goal.show(model))));
        }
        if is_shown {
            println!("{} ({:.0} ms)\n{answer}", goal.show(model), took.as_secs_f64() * 1e3);
        }
        let (kind, detail, lines) = match answer {
            Answer::Possible(found) => {
                let lines: Vec<String> = found.changes.iter().map(|change| change.line.clone()).collect();
                let kind = match lines.len() {
                    0 => Kind::Unchanged,
                    _ if found.smallest => Kind::Smallest,
                    _ => Kind::Possible,
                };
                let detail = format!("{} looked at, {} steps", found.looked_at, found.steps);
                (kind, detail, lines)
            }
            Answer::Impossible(impossible) => {
                let names: Vec<&str> = impossible.reasons.iter().map(|it| it.symbol.as_str()).collect();
                (Kind::Impossible, names.join(" "), Vec::new())
            }
            Answer::GaveUp(gave_up) => (Kind::GaveUp, gave_up.why, Vec::new()),
        };
        let wanted = match &goal.value {
            Wanted::Logical(value) => value.letter().to_string(),
            Wanted::Text(text) => text.to_string(),
        };
        let name = model.name(goal.symbol).to_string();
        rows.push(Row { name, wanted, kind, detail, lines, took, why, failure: None });
    }
    Ok(rows)
}

/// Puts the answers before the C tool.
fn confirm(
    mut rows: Vec<Row>,
    base: &str,
    conf: &mut Conf,
    random: u64,
    cancel: &Cancel,
) -> Result<Vec<Row>> {
    let all = rows.len();
    for (index, row) in rows.iter_mut().enumerate().filter(|(_, row)| row.kind.is_possible()) {
        if index % SHOWN_EVERY == 0 {
            eprintln!("{index} of {all} before conf");
        }
        let text = format!("{base}{}\n", row.lines.join("\n"));
        let result = conf.run("olddefconfig", &[], &[(".config", &text)], cancel)?;
        if !row.is_in(&result) {
            row.failure = Some(format!("conf has it otherwise after: {}", row.lines.join(", ")));
        }
    }
    if !rows.iter().any(|row| row.kind == Kind::Impossible) {
        return Ok(rows);
    }
    let mut modes: Vec<(&str, Option<u64>)> = vec![("allyesconfig", None), ("allmodconfig", None)];
    modes.extend((1..=random).map(|seed| ("randconfig", Some(seed))));
    for (mode, seed) in modes {
        let text = seed.map(|seed| seed.to_string());
        let environment: Vec<(&str, &str)> =
            text.iter().map(|seed| ("KCONFIG_SEED", seed.as_str())).collect();
        let result = conf.run(mode, &environment, &[], cancel)?;
        for row in rows.iter_mut().filter(|row| row.kind == Kind::Impossible) {
            if row.is_in(&result) {
                row.failure = Some(format!("{mode} {} has it", text.as_deref().unwrap_or_default()));
            }
        }
    }
    Ok(rows)
}
