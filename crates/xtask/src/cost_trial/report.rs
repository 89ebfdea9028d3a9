//! The results, kept line by line while the trial runs, and their table.

use std::io::Write;
use std::path::Path;

use base::{Context, Result};
use serde::{Deserialize, Serialize};

/// From a value to another.
pub struct Direction {
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
}

/// One change, predicted and built.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Row {
    /// The option.
    pub option: String,
    /// Its value before.
    pub from: String,
    /// Its value after.
    pub to: String,
    /// How many symbols differ.
    pub symbols: usize,
    /// How many objects were predicted.
    pub predicted: usize,
    /// How many kbuild compiled.
    pub made: usize,
    /// What kbuild compiled and the prediction did not name.
    pub missing: Vec<String>,
    /// What the prediction named and kbuild did not compile.
    pub surplus: Vec<String>,
    /// How long the prediction took.
    pub predicting_ms: u64,
    /// How long the build took.
    pub building_ms: u64,
}

impl Row {
    /// Whether both sets are the same.
    pub fn is_equal(&self) -> bool {
        self.missing.is_empty() && self.surplus.is_empty()
    }

    /// The row for the terminal.
    pub fn line(&self) -> String {
        let verdict = match self.is_equal() {
            true => "equal".to_string(),
            false => format!("DIFFERENT: missing {:?}, surplus {:?}", self.missing, self.surplus),
        };
        format!(
            "  {} {}→{}: {} predicted in {:.1} s, {} compiled in {:.1} s: {verdict}",
            self.option,
            self.from,
            self.to,
            self.predicted,
            self.predicting_ms as f64 / 1e3,
            self.made,
            self.building_ms as f64 / 1e3
        )
    }
}

/// Whether an option has been tried in both directions.
pub fn is_done(rows: &[Row], option: &str) -> bool {
    let name = option.split_once('=').map_or(option, |(name, _)| name);
    rows.iter().filter(|row| row.option == option || row.option == name).count() >= 2
}

/// The rows of an earlier run.
pub fn read(ledger: &Path) -> Result<Vec<Row>> {
    let text = match std::fs::read_to_string(ledger) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.context(|| format!("cannot read {}", ledger.display()))?,
    };
    // A line that a kill cut off is tried again.
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Keeps rows.
pub fn append(ledger: &Path, rows: &[Row]) -> Result<()> {
    let failed = || format!("cannot write {}", ledger.display());
    let mut file = std::fs::File::options().create(true).append(true).open(ledger).context(failed)?;
    for row in rows {
        let line = serde_json::to_string(row).map_err(|cause| base::Error::failed(cause.to_string()))?;
        writeln!(file, "{line}").context(failed)?;
    }
    Ok(())
}

/// "12 changes compared, 12 equal, 0 different"
pub fn count(rows: &[Row]) -> String {
    let equal = rows.iter().filter(|row| row.is_equal()).count();
    format!("{} changes compared: {equal} equal, {} different", rows.len(), rows.len() - equal)
}

/// The table.
pub fn markdown(version: &str, rows: &[Row]) -> String {
    let mut text = format!("{HEADING}\nLinux {version}, x86_64. {}.\n\n{TABLE}", count(rows));
    for row in rows {
        let verdict = if row.is_equal() { "equal".to_string() } else { differences(row) };
        text.push_str(&format!(
            "| {} | {} → {} | {} | {} | {} | {verdict} | {:.1} s | {:.1} s |\n",
            row.option,
            row.from,
            row.to,
            row.symbols,
            row.predicted,
            row.made,
            row.predicting_ms as f64 / 1e3,
            row.building_ms as f64 / 1e3
        ));
    }
    text
}

fn differences(row: &Row) -> String {
    let first = |names: &[String]| names.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
    format!(
        "missing {}: {}; surplus {}: {}",
        row.missing.len(),
        first(&row.missing),
        row.surplus.len(),
        first(&row.surplus)
    )
}

const HEADING: &str = "# `allno config cost` before kbuild

Made by `cargo xtask cost-trial --series 6.12 --output docs/cost-trial.md`. From one configuration (the rungs console, programs,
filesystems and net), each option gets its other value by the fewest changes that do it, and then its first value again, in one object
tree. Before each build the objects that it will compile are predicted; then it is built, and the two sets are compared name by name.
An object is what kbuild's rules for C and assembler make for the kernel (its lines CC and AS for a target .o), without programs of
the build and without what the link makes of its own result. \"symbols\" are those whose values differ. The times are of a machine
that did other things as well.
";
const TABLE: &str = "| option | change | symbols | predicted | compiled | sets | prediction | build |
|---|---|--:|--:|--:|---|--:|--:|
";
