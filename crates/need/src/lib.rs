//! What must be set so that symbols get the values one wants: the fewest changes, or the proof that there are none.
//!
//! [`need`] writes the part of the Kconfig tree that matters as a formula (`encode`), has a SAT solver search it
//! (`search`), and tries what it finds on a real [`kconfig::Configuration`]: no answer is given that was not evaluated.
//!
//! Deep trees of dependencies need a deep stack: call it within [`kconfig::with_stack`].

mod answer;
mod circuit;
mod encode;
mod explain;
mod goal;
mod search;

use std::time::Duration;

use kconfig::{Configuration, SymbolType, Tristate};

pub use answer::{Answer, Change, Consequence, GaveUp, Impossible, Possible, Reason};
pub use goal::{Goal, GoalError, Wanted};

use encode::Encoder;
use explain::Proof;
use search::{Outcome, Search};

/// How much work an answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time for all of it; `None` is without end.
    pub time: Option<Duration>,
    /// How often the solver is asked at most.
    pub steps: usize,
}

impl Default for Limits {
    /// Far more than a symbol of Linux takes: ten seconds, a hundred thousand steps.
    fn default() -> Limits {
        Limits { time: Some(Duration::from_secs(10)), steps: 100_000 }
    }
}

/// The fewest changes to what a person can set after which all goals hold together.
pub fn need(configuration: &Configuration<'_>, goals: &[Goal], limits: &Limits) -> Answer {
    let mut base = configuration.clone();
    base.invalidate();
    base.take_messages();
    if search::is_reached(&mut base, goals) {
        return Answer::Possible(Possible::unchanged());
    }
    if let Some(reason) = goals.iter().find_map(|goal| refusal(&base, goal)) {
        return Answer::Impossible(Impossible { wanted: wanted(&base, goals), reasons: vec![reason] });
    }
    let deadline = circuit::deadline(limits.time);
    let mut encoder = Encoder::new(base.clone(), deadline, false);
    if !search::demand(&mut encoder, goals) {
        return gave_up(&base, goals, "there are too many values to tell apart");
    }
    match Search::new(&mut encoder, goals).run(limits.steps) {
        Outcome::Found(found) => Answer::Possible(answer::possible(&mut base, *found, goals)),
        Outcome::Stopped => gave_up(&base, goals, "it takes more time than it was given"),
        Outcome::Refused => gave_up(&base, goals, "what was found did not hold when it was evaluated"),
        Outcome::Nothing => match explain::prove(&base, goals, deadline) {
            Proof::Impossible(core) => {
                let reasons = core.iter().map(|&id| explain::reason(&mut base, id, &core)).collect();
                Answer::Impossible(Impossible { wanted: wanted(&base, goals), reasons })
            }
            Proof::Open => {
                gave_up(&base, goals, "it may depend on a number or text that cannot be worked out")
            }
            Proof::Stopped => gave_up(&base, goals, "the proof takes more time than it was given"),
        },
    }
}

fn gave_up(base: &Configuration<'_>, goals: &[Goal], why: &str) -> Answer {
    Answer::GaveUp(GaveUp { wanted: wanted(base, goals), why: why.to_string() })
}

fn wanted(base: &Configuration<'_>, goals: &[Goal]) -> Vec<String> {
    goals.iter().map(|goal| goal.show(base.model())).collect()
}

/// A value that the type alone forbids.
fn refusal(base: &Configuration<'_>, goal: &Goal) -> Option<Reason> {
    let model = base.model();
    let symbol = model.symbol(goal.symbol);
    let kind = symbol.kind;
    let why = match &goal.value {
        _ if kind == SymbolType::Unknown => {
            "no Kconfig file that is read for this architecture defines it, so it is always n".to_string()
        }
        Wanted::Logical(Tristate::Module) if kind == SymbolType::Boolean => {
            "it is a bool: y or n, no module".to_string()
        }
        Wanted::Logical(_) if !kind.is_logical() => format!("its type is {}", kind.name()),
        Wanted::Text(_) if kind.is_logical() => format!("its type is {}", kind.name()),
        Wanted::Text(text) if !kconfig::is_valid_value(kind, text) => {
            format!("\"{text}\" is no value of type {}", kind.name())
        }
        _ => return None,
    };
    let place = symbol.menus.first().map(|&menu| model.show_place(model.menu(menu).place));
    Some(Reason { symbol: model.name(goal.symbol).to_string(), place, why })
}

#[cfg(test)]
mod tests;
