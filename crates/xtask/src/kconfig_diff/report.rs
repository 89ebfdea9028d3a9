//! The table at the end.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::ValueEnum;

use super::corpus::{Part, Unit};
use super::ledger::Compared;

/// What was counted of one row.
#[derive(Clone, Copy, Default)]
struct Row {
    wanted: usize,
    compared: usize,
    identical: usize,
    messages: usize,
    fresh: usize,
    endless: usize,
    milliseconds: u64,
}

impl Row {
    fn add(&mut self, other: &Row) {
        self.wanted += other.wanted;
        self.compared += other.compared;
        self.identical += other.identical;
        self.messages += other.messages;
        self.fresh += other.fresh;
        self.endless += other.endless;
        self.milliseconds += other.milliseconds;
    }

    fn cells(&self, name: &str) -> String {
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            self.wanted,
            self.compared,
            self.identical,
            self.compared - self.identical,
            self.messages,
            self.fresh,
            self.endless,
            self.milliseconds / 1000,
        )
    }
}

/// The counts of a tree.
pub struct Report {
    version: String,
    architectures: Vec<(String, Row)>,
    parts: BTreeMap<Part, Row>,
    total: Row,
}

impl Report {
    /// Counts what is known of `units`; an architecture's rows stand in the order of `architectures`.
    pub fn of<'a>(
        version: &str,
        architectures: &[String],
        units: impl Iterator<Item = (&'a Unit, Option<&'a Compared>)>,
    ) -> Report {
        let mut rows = vec![Row::default(); architectures.len()];
        let mut parts: BTreeMap<Part, Row> = BTreeMap::new();
        let mut total = Row::default();
        for (unit, compared) in units {
            let row = row(unit, compared);
            rows[unit.architecture].add(&row);
            parts.entry(unit.part).or_default().add(&row);
            total.add(&row);
        }
        let named = architectures.iter().cloned().zip(rows).filter(|(_, row)| row.wanted > 0);
        Report { version: version.to_string(), architectures: named.collect(), parts, total }
    }

    /// Whether everything that was compared is identical.
    pub fn is_identical(&self) -> bool {
        self.total.compared == self.total.identical
    }

    /// One line.
    pub fn line(&self) -> String {
        let total = &self.total;
        format!(
            "linux {}: compared {}, identical {}, different {}; messages identical {}; {} with a conf started afresh",
            self.version,
            total.compared,
            total.identical,
            total.compared - total.identical,
            total.messages,
            total.fresh
        )
    }

    /// Tables by architecture and by part of the corpus, in Markdown.
    pub fn markdown(&self) -> String {
        const COLUMNS: &str = "runs | compared | identical | different | messages identical | conf started afresh | \
                               conf without end | seconds |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
        let mut text = format!("## Linux {}\n\n{}\n\n| ARCH | {COLUMNS}", self.version, self.line());
        for (name, row) in &self.architectures {
            text += &row.cells(name);
        }
        text += &self.total.cells("all");
        let _ = write!(text, "\n| part | {COLUMNS}");
        for (part, row) in &self.parts {
            text += &row.cells(part.to_possible_value().as_ref().map_or("", |value| value.get_name()));
        }
        text
    }
}

fn row(unit: &Unit, compared: Option<&Compared>) -> Row {
    let mut row = Row { wanted: unit.steps.len(), ..Row::default() };
    if let Some(compared) = compared {
        let endless = compared.steps.iter().filter(|step| !step.answer && step.endless).count();
        row.endless = endless;
        row.compared = compared.steps.len() - endless;
        row.identical = compared.steps.iter().filter(|step| step.answer).count();
        row.messages = compared.steps.iter().filter(|step| step.messages).count();
        row.fresh = if compared.fresh { compared.steps.len() } else { 0 };
        row.milliseconds = compared.steps.iter().map(|step| step.theirs + step.ours).sum();
    }
    row
}
