//! From a module to its option, for all modules of Debian's kernel: what `allno config hardware` answers with, before the
//! configuration that the same kernel was built with.
//!
//! Debian's package says of each module where it stands in the tree; the tree's Makefiles say which option brings it; Debian's own
//! configuration must have that option at m, or at y for what it builds in. And how much of what the modules claim is read from the
//! sources alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use base::{Cancel, Context, Events, Result};
use engine::Session;
use engine::hardware::{self, Distribution, Sources};

use crate::kconfig_diff::tree::Choice;

/// The architecture of Debian's package.
const ARCH: &str = "x86";
/// The buses of the second table.
const BUSES: &[&str] = &["pci", "acpi", "pnp", "virtio", "platform", "serio", "of", "scsi", "xen"];

/// What to try.
#[derive(clap::Args)]
pub struct Options {
    /// Which tree.
    #[command(flatten)]
    tree: Choice,
    /// Write the tables to this file, in Markdown
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How it went with the modules.
#[derive(Default)]
struct Counts {
    modules: usize,
    claiming: usize,
    /// One option, or several that are needed together.
    one: usize,
    several: usize,
    unmapped: Vec<String>,
    confirmed: usize,
    /// Driver, options, what Debian's configuration has.
    contradicted: Vec<String>,
}

/// Tries, and says whether Debian's configuration contradicts no answer.
///
/// # Errors
/// No tree, no package within reach; a run that was stopped.
pub fn run(options: &Options, cancel: &Cancel) -> Result<bool> {
    let tree = options.tree.open()?;
    let session = session(cancel)?;
    let series = tree.version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    let distribution = hardware::distribution(&session, &series)?;
    // The tree's digest is of its Kconfig files, and the table is made of all sources: nothing is kept.
    let sources = hardware::sources(&session, &tree.path, ARCH, None)?;
    let counts = count(&tree.path, &distribution)?;
    let report = report(&tree.version, &distribution, &sources, &counts);
    print!("{report}");
    if let Some(path) = &options.output {
        std::fs::write(path, &report).context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(counts.contradicted.is_empty())
}

fn session(cancel: &Cancel) -> Result<Session> {
    let here = std::env::current_dir().context(|| "the current folder is gone".to_string())?;
    Ok(Session {
        store: store::Store::open(store::default_root()?)?,
        project: store::Project::at(&here)?,
        events: Events::silent(),
        cancel: cancel.clone(),
        offline: false,
    })
}

/// Every module before the configuration it was built with.
fn count(tree: &Path, distribution: &Distribution) -> Result<Counts> {
    let options = hardware::Options::read(tree, ARCH)?;
    let configured = configuration(&distribution.config);
    let claiming: BTreeSet<&str> = distribution.table.all().map(|(driver, _)| driver).collect();
    let mut counts = Counts { claiming: claiming.len(), ..Counts::default() };
    for driver in distribution.table.drivers() {
        counts.modules += 1;
        let ways = options.of(driver);
        match ways.len() {
            0 => counts.unmapped.push(driver.to_string()),
            1 => counts.one += 1,
            _ => counts.several += 1,
        }
        if ways.is_empty() {
            continue;
        }
        let is_on = |name: &String| matches!(configured.get(name.as_str()), Some(&"y" | &"m"));
        match ways.iter().any(|way| way.options.iter().all(is_on)) {
            true => counts.confirmed += 1,
            false => {
                let asked: Vec<String> = ways.iter().map(|way| way.options.join("+")).collect();
                counts.contradicted.push(format!("{driver}: {}", asked.join(" or ")));
            }
        }
    }
    Ok(counts)
}

/// Name and value of the options that are on.
fn configuration(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='));
    lines.collect()
}

fn report(version: &str, distribution: &Distribution, sources: &Sources, counts: &Counts) -> String {
    let mut text = format!(
        "# From modules to options\n\nMade by `cargo xtask alias-trial`. The modules of Debian's {}, by the Makefiles of linux {version}; \
         the referee is the configuration that the package was built with.\n\n| | |\n| --- | ---: |\n",
        distribution.package
    );
    let mut row = |name: &str, number: usize| {
        let _ = writeln!(text, "| {name} | {number} |");
    };
    row("drivers: modules, and what is built in under a name", counts.modules);
    row("… that claim devices", counts.claiming);
    row("brought by exactly one option, or several together", counts.one);
    row("brought by any of several", counts.several);
    row("brought by none that was found", counts.unmapped.len());
    row("the option is on in Debian's configuration", counts.confirmed);
    row("the option is not on there", counts.contradicted.len());
    for (title, list) in [("Not found", &counts.unmapped), ("Not on", &counts.contradicted)] {
        if !list.is_empty() {
            let _ = writeln!(text, "\n{title}:\n");
            list.iter().for_each(|driver| text.push_str(&format!("- {driver}\n")));
        }
    }
    let _ = writeln!(
        text,
        "\n## What the sources alone say\n\nPatterns of the modules that are read from the sources without a compiler, too; {} entries of \
         tables could not be worked out.\n\n| bus | of the modules | in the sources, too | share | in the sources alone |\n\
         | --- | ---: | ---: | ---: | ---: |",
        sources.not_understood
    );
    for bus in BUSES {
        let ours: BTreeSet<&str> = sources.table.of_bus(bus).map(|claim| claim.pattern).collect();
        let theirs: BTreeSet<&str> = distribution.table.of_bus(bus).map(|claim| claim.pattern).collect();
        let both = theirs.intersection(&ours).count();
        if theirs.is_empty() && ours.is_empty() {
            continue;
        }
        let share = 100.0 * both as f64 / theirs.len().max(1) as f64;
        let _ =
            writeln!(text, "| {bus} | {} | {both} | {share:.1} % | {} |", theirs.len(), ours.len() - both);
    }
    text
}
