//! Why something is impossible: a smallest set of rules of the tree that cannot hold together with what is wanted.

use std::time::Instant;

use kconfig::{Configuration, ExpressionId, PropertyKind, SymbolId, SymbolType};
use rustsat::types::Lit;

use crate::circuit::Verdict;
use crate::encode::Encoder;
use crate::search::{apply, demand, learn, solution};
use crate::{Goal, Reason};

/// Symbols that a rule lists; the rest is counted.
const MOST_LISTED: usize = 6;
/// Longest condition that is shown.
const LONGEST: usize = 300;

/// What the proof came to.
pub enum Proof {
    /// The rules of these symbols contradict what is wanted.
    Impossible(Vec<SymbolId>),
    /// No contradiction was found.
    Open,
    /// The limit was reached.
    Stopped,
}

/// Proves from the rules alone, each with a guard, that the goals cannot be reached whatever a person sets.
pub fn prove<'m>(base: &Configuration<'m>, goals: &[Goal], deadline: Option<Instant>) -> Proof {
    let mut encoder = Encoder::new(base.clone(), deadline, true);
    if !demand(&mut encoder, goals) {
        return Proof::Open;
    }
    loop {
        let guards: Vec<Lit> = encoder.guards.iter().map(|(guard, _)| *guard).collect();
        match encoder.circuit.solve(&guards) {
            Verdict::Stopped => return Proof::Stopped,
            Verdict::Conflict(core) => return Proof::Impossible(shrink(&mut encoder, core)),
            Verdict::Possible => {
                // What the solver says of a symbol without rules is a guess, of now or of after.
                let changes = solution(&encoder);
                let mut now = encoder.base.clone();
                let mut after = apply(&now, &changes);
                if !learn(&mut encoder, &mut now) && !learn(&mut encoder, &mut after) {
                    return Proof::Open;
                }
            }
        }
    }
}

/// Leaves out what is not needed, one after the other.
fn shrink(encoder: &mut Encoder<'_>, core: Vec<Lit>) -> Vec<SymbolId> {
    let mut core = core;
    let mut index = 0;
    while index < core.len() {
        let mut rest = core.clone();
        rest.remove(index);
        match encoder.circuit.solve(&rest) {
            // Those before `index` are in every core of what is left.
            Verdict::Conflict(smaller) => core.retain(|literal| smaller.contains(literal)),
            Verdict::Possible => index += 1,
            Verdict::Stopped => break,
        }
    }
    // In the order in which they were met: from what is wanted down to what refuses it.
    encoder.guards.iter().filter(|(guard, _)| core.contains(guard)).map(|(_, id)| *id).collect()
}

/// What the rules of a symbol of a proof say, for a person.
pub fn reason(configuration: &mut Configuration<'_>, id: SymbolId, core: &[SymbolId]) -> Reason {
    let model = configuration.model();
    let symbol = model.symbol(id);
    let place = symbol.menus.first().map(|&menu| model.show_place(model.menu(menu).place));
    let name = model.name(id).to_string();
    if symbol.kind == SymbolType::Unknown {
        let why =
            "no Kconfig file that is read for this architecture defines it, so it is always n".to_string();
        return Reason { symbol: name, place, why };
    }
    let mut rules = Vec::new();
    let mut has_prompt = false;
    for (_, property) in symbol.properties.iter().map(|&it| (it, model.property(it))) {
        let at = model.show_place(property.place);
        match property.kind {
            PropertyKind::Prompt | PropertyKind::Menu => {
                has_prompt = true;
                rules.push(format!("can be set{}", when(configuration, property.condition, core)));
            }
            PropertyKind::Default => {
                let value = model.show(property.value);
                rules.push(format!(
                    "is {value} by default{} ({at})",
                    when(configuration, property.condition, core)
                ));
            }
            PropertyKind::Range => {
                let range = model.show(property.value);
                rules.push(format!(
                    "is within {range}{} ({at})",
                    when(configuration, property.condition, core)
                ));
            }
            _ => {}
        }
    }
    if !has_prompt {
        rules.insert(0, "has no prompt, so nobody can set it".into());
    }
    if let Some(choice) = model.choice_menu_of(id) {
        let at = model.show_place(model.menu(choice).place);
        rules.push(format!("is one of a choice, of which one is set ({at})"));
    }
    rules.extend(by_others(configuration, "selected", symbol.reverse));
    rules.extend(by_others(configuration, "implied", symbol.implied));
    if symbol.reverse.is_none() && symbol.kind.is_logical() && !has_prompt {
        rules.push("nothing selects it".into());
    }
    Reason { symbol: name, place, why: rules.join("; ") }
}

/// " if A && B"; of a long condition only what the symbols of the proof stand in.
fn when(configuration: &mut Configuration<'_>, condition: Option<ExpressionId>, core: &[SymbolId]) -> String {
    if condition.is_none() {
        return String::new();
    }
    let text = configuration.explain(condition);
    if text.chars().count() <= LONGEST {
        return format!(" if {text}");
    }
    let expressions = configuration.model().expressions();
    let mut kept = Vec::new();
    for factor in expressions.factors(condition) {
        let mut symbols = Vec::new();
        expressions.symbols_in(factor, &mut symbols);
        if symbols.iter().any(|symbol| core.contains(symbol)) {
            kept.push(shorten(configuration.explain(Some(factor))));
        }
    }
    match kept.is_empty() {
        true => format!(" if {}", shorten(text)),
        false => format!(" if {} and more", kept.join(" && ")),
    }
}

fn by_others(configuration: &Configuration<'_>, how: &str, by: Option<ExpressionId>) -> Option<String> {
    let terms = configuration.model().expressions().terms(by);
    if terms.is_empty() {
        return None;
    }
    let shown: Vec<String> =
        terms.iter().take(MOST_LISTED).map(|&term| shorten(configuration.explain(Some(term)))).collect();
    let more = match terms.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("is {how} by {}{more}", shown.join(", ")))
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}
