//! Answers, for people ([`std::fmt::Display`]) and for programs ([`serde::Serialize`]).

use std::fmt;

use kconfig::{Configuration, SymbolId, SymbolType, UserValue};
use serde::Serialize;

use crate::Goal;
use crate::search::Found;

/// Consequences that are listed in the text for people; the rest is counted.
const MOST_SHOWN: usize = 20;

/// What came out.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It can be had.
    Possible(Possible),
    /// It cannot be had, whatever is set.
    Impossible(Impossible),
    /// Neither was shown.
    GaveUp(GaveUp),
}

/// The fewest changes.
#[derive(Clone, Debug, Serialize)]
pub struct Possible {
    /// What a person sets; nothing if all is as wanted already.
    pub changes: Vec<Change>,
    /// What else becomes different by it; what is switched off first.
    pub consequences: Vec<Consequence>,
    /// Whether it is proved that fewer changes are not enough.
    pub smallest: bool,
    /// How many symbols' rules the search looked at.
    pub looked_at: usize,
    /// How often the solver was asked.
    pub steps: usize,
}

/// One line to set.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The symbol.
    #[serde(skip)]
    pub id: SymbolId,
    /// What it is set to.
    #[serde(skip)]
    pub value: UserValue,
    /// Its name without `CONFIG_`.
    pub symbol: String,
    /// Its value before.
    pub from: String,
    /// Its value after.
    pub to: String,
    /// The line of `.config`.
    pub line: String,
    /// Its prompt.
    pub prompt: Option<String>,
    /// "file:line" of its entry.
    pub place: Option<String>,
}

/// What changes without being set.
#[derive(Clone, Debug, Serialize)]
pub struct Consequence {
    /// The symbol's name.
    pub symbol: String,
    /// Its value before.
    pub from: String,
    /// Its value after.
    pub to: String,
}

/// The conditions that are in the way.
#[derive(Clone, Debug, Serialize)]
pub struct Impossible {
    /// What was wanted: "NAME=VALUE".
    pub wanted: Vec<String>,
    /// Rules of the tree that together forbid it; without any one of them it would not be forbidden.
    pub reasons: Vec<Reason>,
}

/// The rules of one symbol.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    /// The symbol's name.
    pub symbol: String,
    /// "file:line" of its entry; none if it is defined nowhere.
    pub place: Option<String>,
    /// What the rules say.
    pub why: String,
}

/// Neither changes nor a proof.
#[derive(Clone, Debug, Serialize)]
pub struct GaveUp {
    /// What was wanted: "NAME=VALUE".
    pub wanted: Vec<String>,
    /// Why there is no answer.
    pub why: String,
}

impl Possible {
    /// All is as wanted.
    pub(crate) fn unchanged() -> Possible {
        Possible { changes: Vec::new(), consequences: Vec::new(), smallest: true, looked_at: 0, steps: 0 }
    }
}

/// The answer that a found set of changes is.
pub(crate) fn possible(base: &mut Configuration<'_>, mut found: Found<'_>, goals: &[Goal]) -> Possible {
    let model = base.model();
    let mut changes = Vec::new();
    for (id, value) in &found.changes {
        let symbol = model.symbol(*id);
        let menu = symbol.menus.iter().copied().find(|&menu| model.menu(menu).prompt.is_some());
        let to = found.after.text(*id).to_string();
        let change = Change {
            id: *id,
            value: value.clone(),
            symbol: model.name(*id).to_string(),
            from: base.text(*id).to_string(),
            line: line(model.name(*id), symbol.kind, &to),
            to,
            prompt: menu.and_then(|menu| model.prompt_text(menu)).map(String::from),
            place: menu.map(|menu| model.show_place(model.menu(menu).place)),
        };
        changes.push((menu, change));
    }
    changes.sort_by_key(|(menu, _)| *menu);
    let consequences = consequences(base, &mut found, goals);
    Possible {
        changes: changes.into_iter().map(|(_, change)| change).collect(),
        consequences,
        smallest: found.is_smallest,
        looked_at: found.expanded,
        steps: found.asked,
    }
}

fn consequences(base: &mut Configuration<'_>, found: &mut Found<'_>, goals: &[Goal]) -> Vec<Consequence> {
    let model = base.model();
    let mut consequences = Vec::new();
    for (id, symbol) in model.symbols() {
        let named = symbol.name.is_some() && !symbol.constant && symbol.kind != SymbolType::Unknown;
        let is_known = found.changes.iter().any(|(changed, _)| *changed == id)
            || goals.iter().any(|goal| goal.symbol == id);
        if !named || is_known {
            continue;
        }
        let is_same = match symbol.kind.is_logical() {
            true => base.logical(id) == found.after.logical(id),
            false => base.text(id) == found.after.text(id),
        };
        if !is_same && (base.is_written(id) || found.after.is_written(id)) {
            consequences.push(Consequence {
                symbol: model.name(id).to_string(),
                from: base.text(id).to_string(),
                to: found.after.text(id).to_string(),
            });
        }
    }
    // What is lost comes first.
    consequences.sort_by_key(|consequence| consequence.to != "n");
    consequences
}

/// The line of `.config` (`conf_write_symbol()` of scripts/kconfig/confdata.c).
fn line(name: &str, kind: SymbolType, value: &str) -> String {
    match kind {
        SymbolType::String => {
            format!("CONFIG_{name}=\"{}\"", value.replace('\\', r"\\").replace('"', r#"\""#))
        }
        _ if kind.is_logical() && value == "n" => format!("# CONFIG_{name} is not set"),
        _ => format!("CONFIG_{name}={value}"),
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Possible(possible) => possible.fmt(formatter),
            Answer::Impossible(impossible) => impossible.fmt(formatter),
            Answer::GaveUp(gave_up) => {
                writeln!(formatter, "no answer on {}: {}", gave_up.wanted.join(" "), gave_up.why)
            }
        }
    }
}

impl fmt::Display for Possible {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return writeln!(formatter, "no change needed");
        }
        let width = self.changes.iter().map(|change| change.line.chars().count()).max().unwrap_or(0);
        for change in &self.changes {
            let prompt = change.prompt.as_deref().unwrap_or_default();
            let place = change.place.as_deref().unwrap_or_default();
            writeln!(formatter, "{:<width$}  # {prompt} ({place})", change.line)?;
        }
        if !self.smallest {
            writeln!(formatter, "fewer changes may do as well")?;
        }
        if self.consequences.is_empty() {
            return Ok(());
        }
        match self.consequences.len() {
            1 => writeln!(formatter, "1 more follows from this:")?,
            count => writeln!(formatter, "{count} more follow from this:")?,
        }
        for consequence in self.consequences.iter().take(MOST_SHOWN) {
            let Consequence { symbol, from, to } = consequence;
            writeln!(formatter, "  {symbol}: {} -> {}", shown(from), shown(to))?;
        }
        match self.consequences.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => writeln!(formatter, "  and {more} others"),
        }
    }
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "\"\"" } else { value }
}

impl fmt::Display for Impossible {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} is impossible on this architecture, because", self.wanted.join(" "))?;
        for reason in &self.reasons {
            match &reason.place {
                Some(place) => writeln!(formatter, "  {} ({place}) {}", reason.symbol, reason.why)?,
                None => writeln!(formatter, "  {}: {}", reason.symbol, reason.why)?,
            }
        }
        Ok(())
    }
}
