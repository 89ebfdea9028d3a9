//! The whole configuration, each value with its origin.

use kconfig::SymbolId;
use serde::Serialize;

use crate::cause::Cause;
use crate::nearest;
use crate::obstacle::{Reach, Standing};
use crate::request::{Request, Valued};
use crate::resolved::Resolved;

/// How many selects a line names.
const NAMED: usize = 3;

/// A line of `.config`, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The symbol's name.
    pub symbol: String,
    /// Its value as `.config` writes it.
    pub value: String,
    /// "bool", "tristate", "integer", "hex", "string"
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether a person can change it now.
    pub settable: bool,
    /// Where it is defined first, "file:line".
    pub defined: Option<String>,
    /// Where the value comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// One of the words of [`crate::Step::how`].
    pub how: &'static str,
    /// The line that did it.
    pub place: Option<String>,
    /// Who selects or implies it; of a choice the member that is set.
    pub by: Vec<Valued>,
    /// A default's value and condition, a single select's condition, a choice's prompt; of what was asked for the value, where
    /// it could not be had.
    pub says: Option<String>,
    /// The reason somebody gave.
    pub reason: Option<String>,
}

/// A request that was not granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// What was asked for.
    pub asked: Request,
    /// The value it has instead; null for what no Kconfig file defines.
    pub value: Option<String>,
    /// Why, in a sentence.
    pub because: String,
    /// The nearest names, where no Kconfig file defines it.
    pub nearest: Vec<String>,
}

/// How many lines there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Set to something other than n.
    pub set: usize,
    /// Of those: asked for by somebody.
    pub asked: usize,
    /// Of those: selected or implied.
    pub selected: usize,
    /// Of those: by a default or as a choice's first member.
    pub default: usize,
    /// n.
    pub unset: usize,
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The lines of `.config`, in its order.
    pub symbols: Vec<Written>,
    /// What was asked for and not granted.
    pub dropped: Vec<Dropped>,
    /// How many there are of each kind.
    pub counts: Counts,
}

impl Resolved<'_> {
    /// Every symbol that `.config` has a line for, in its order, with where the value comes from.
    pub fn show(&mut self) -> Shown {
        let mut symbols = Vec::new();
        let mut counts = Counts::default();
        for id in self.written() {
            let line = self.line(id);
            counts.add(&line);
            symbols.push(line);
        }
        Shown { symbols, dropped: self.dropped(), counts }
    }

    /// The symbols that `.config` has a line for, in its order (`conf_write()` of scripts/kconfig/confdata.c).
    pub fn written(&mut self) -> Vec<SymbolId> {
        let model = self.model;
        let mut seen = vec![false; model.symbols().count()];
        let mut found = Vec::new();
        for menu in model.below(model.root()) {
            let Some(id) = model.menu(menu).symbol else { continue };
            let symbol = model.symbol(id);
            if symbol.is_choice || symbol.transitional || std::mem::replace(&mut seen[id.index()], true) {
                continue;
            }
            if self.configuration.is_written(id) {
                found.push(id);
            }
        }
        found
    }

    fn line(&mut self, id: SymbolId) -> Written {
        let cause = self.cause(id);
        let step = self.step(id, &cause, None);
        let by = match &cause {
            Cause::Selected(by) | Cause::Implied(by) => {
                let mut owners: Vec<Valued> = Vec::new();
                for &property in by {
                    let owner = self.owner(property).map(|owner| self.valued(owner));
                    owners.extend(owner.filter(|owner| !owners.contains(owner)));
                }
                owners
            }
            _ => step.by.into_iter().collect(),
        };
        let mut says = step.says.filter(|_| by.len() < 2);
        if let Some(asked) = self.requests.get(&id).filter(|_| cause == Cause::Asked).cloned()
            && !self.is_granted(id, &asked.value)
        {
            says = Some(asked.value);
        }
        let Valued { symbol, value } = self.valued(id);
        let settable = self.configuration.is_changeable(id);
        let origin = Origin { how: step.how, place: step.place, by, says, reason: step.reason };
        let kind = self.model.symbol(id).kind.name();
        Written { symbol, value, kind, settable, defined: self.first_place(id), origin }
    }

    fn dropped(&mut self) -> Vec<Dropped> {
        let mut refused: Vec<SymbolId> = self.requests.keys().copied().collect();
        refused.sort_by_key(|&id| self.model.first_entry(id).map(|menu| menu.index()));
        let mut dropped = Vec::new();
        for id in refused {
            let asked = self.requests[&id].clone();
            if !self.is_granted(id, &asked.value) {
                let because = self.why(id).short();
                dropped.push(Dropped { value: Some(self.value(id)), because, nearest: Vec::new(), asked });
            }
        }
        for asked in self.unknown.clone() {
            // Asked to be off, it is.
            if asked.value != "n" {
                let nearest = nearest::nearest(self.model, &asked.name);
                let because = "no Kconfig file of this kernel and architecture defines it".to_string();
                dropped.push(Dropped { value: None, because, nearest, asked });
            }
        }
        dropped
    }
}

impl crate::why::Why {
    /// Why a request was not granted, in a sentence.
    fn short(&self) -> String {
        let Standing { reach, obstacles, setters, .. } = &self.standing;
        match (reach, obstacles.first(), setters.first()) {
            (Reach::Blocked, Some(first), _) => {
                let more = match obstacles.len() {
                    1 => String::new(),
                    count => format!(" and {} more", count - 1),
                };
                let values: Vec<String> = first.values.iter().map(Valued::to_string).collect();
                let values =
                    if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) };
                format!("it takes {}{values}{more}, {}", first.term, first.place)
            }
            (Reach::Selected, _, Some(first)) => match &first.by {
                Some(by) => format!("{by} selects it, {}", first.place),
                None => "it is selected".to_string(),
            },
            (Reach::Promptless, _, _) => "it has no prompt: others decide".to_string(),
            _ if self.chain.first().is_some_and(|step| step.how == "outvoted") => self.chain[0].sentence(),
            _ => match &self.range {
                Some(range) => format!("it may be from {range}"),
                None => "it cannot have this value".to_string(),
            },
        }
    }
}

impl Counts {
    fn add(&mut self, line: &Written) {
        if line.value == "n" {
            self.unset += 1;
            return;
        }
        self.set += 1;
        match line.origin.how {
            "asked" => self.asked += 1,
            "selected" | "implied" => self.selected += 1,
            _ => self.default += 1,
        }
    }
}

impl Origin {
    /// Where the value comes from, in a few words.
    pub fn words(&self) -> String {
        let says = self.says.as_deref();
        let condition = says.map(|says| format!(" if {says}")).unwrap_or_default();
        match self.how {
            "asked" => match (says, &self.reason) {
                (Some(other), _) => format!("asked for as {other}"),
                (None, Some(reason)) => format!("asked for: {reason}"),
                (None, None) => "set here".to_string(),
            },
            "unasked" => "nobody asked for it".to_string(),
            "selected" => format!("selected by {}{condition}", names(&self.by)),
            "implied" => format!("implied by {}{condition}", names(&self.by)),
            "default" => format!("default {}", says.unwrap_or("y")),
            "choice" => match says {
                Some(says) => format!("the choice's default {says}"),
                None => "the first of its choice".to_string(),
            },
            "outvoted" => format!("its choice is {}", names(&self.by)),
            _ => "nothing sets it".to_string(),
        }
    }
}

fn names(by: &[Valued]) -> String {
    let shown: Vec<&str> = by.iter().take(NAMED).map(|it| it.symbol.as_str()).collect();
    match by.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const TEXT: &str = concat!(
        "config A\n\tbool \"a\"\n\tselect LIB\nconfig B\n\tbool \"b\"\n\tdepends on C\n",
        "config C\n\tbool \"c\"\nconfig LIB\n\tbool\nconfig AUTO\n\tdef_bool y\n",
        "config SIZE\n\tint \"size\"\n\trange 3 9\n\tdefault 4\n"
    );

    #[test]
    fn every_line_has_its_origin() {
        let model = fixture::model(TEXT);
        let mut resolved = fixture::asked(&model, &["A=y", "B=y", "SIZE=99", "GONE=y", "LIBB=y", "LIB=n"]);
        let shown = resolved.show();
        let lines: Vec<String> = shown
            .symbols
            .iter()
            .map(|it| {
                let place = it.origin.place.as_deref().unwrap_or("-");
                format!("{}={} {place} {}", it.symbol, it.value, it.origin.words())
            })
            .collect();
        assert_eq!(
            lines,
            [
                "A=y my.toml:1 asked for: A is wanted",
                "C=n - nobody asked for it",
                "LIB=y Kconfig:3 selected by A",
                "AUTO=y Kconfig:12 default y",
                "SIZE=9 my.toml:3 asked for as 99",
            ]
        );
        let dropped: Vec<String> = shown
            .dropped
            .iter()
            .map(|it| format!("{} {:?} {} {:?}", it.asked.line().trim(), it.value, it.because, it.nearest))
            .collect();
        assert_eq!(
            dropped,
            [
                "CONFIG_B=y Some(\"n\") it takes C (C=n), Kconfig:6 []",
                "# CONFIG_LIB is not set Some(\"y\") it has no prompt: others decide []",
                "CONFIG_SIZE=99 Some(\"9\") it may be from 3 to 9 (Kconfig:15) []",
                "CONFIG_GONE=y None no Kconfig file of this kernel and architecture defines it []",
                "CONFIG_LIBB=y None no Kconfig file of this kernel and architecture defines it [\"LIB\"]",
            ]
        );
        assert_eq!(shown.counts, Counts { set: 4, asked: 2, selected: 1, default: 1, unset: 1 });
    }

    #[test]
    fn the_lines_are_those_of_the_file() {
        let model = fixture::model(TEXT);
        let mut resolved = fixture::asked(&model, &["A=y", "C=y"]);
        let shown: Vec<String> = resolved.show().symbols.iter().map(|it| it.symbol.clone()).collect();
        let file = resolved.configuration().to_dot_config();
        let written = Request::read_all("", &file);
        assert_eq!(shown, written.iter().map(|it| it.name.clone()).collect::<Vec<_>>());
    }
}
