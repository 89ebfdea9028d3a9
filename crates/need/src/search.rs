//! The search for the fewest changes.
//!
//! Assumed is that nothing is changed, and that symbols whose rules are not written down keep their values. Where that cannot
//! be, the solver names assumptions that conflict. If symbols without rules are among them, their rules are written down; if there are
//! only "unchanged" ones, one of these must be changed, whatever the rest of the tree says: the bound rises by one, by a
//! totalizer over them (core-guided optimization as in OLL, Morgado et al., 2014). So the first solution has the fewest changes, though most of
//! the tree was never looked at. It is tried on a real configuration; symbols that come out otherwise get their rules and the
//! search goes on.

use std::collections::HashMap;

use kconfig::{Configuration, SymbolId, Tristate, UserValue};
use rustsat::encodings::card::{BoundUpper, BoundUpperIncremental, Totalizer};
use rustsat::types::Lit;

use crate::circuit::Verdict;
use crate::encode::{Encoder, Knob};
use crate::{Goal, Wanted};

/// Solutions that evaluate otherwise for no reason we can name; then we give up.
const MOST_REFUSED: usize = 40;
/// Questions about which of several equal answers is given.
const MOST_PREFERENCES: usize = 24;

/// How the search ended.
pub enum Outcome<'m> {
    /// The changes, and what becomes of them.
    Found(Box<Found<'m>>),
    /// Not within what is written down.
    Nothing,
    /// The limit was reached.
    Stopped,
    /// Solutions were found that did not hold.
    Refused,
}

/// A set of changes that does it.
pub struct Found<'m> {
    /// What a person sets.
    pub changes: Vec<(SymbolId, UserValue)>,
    /// The configuration with them.
    pub after: Configuration<'m>,
    /// Whether fewer changes are impossible.
    pub is_smallest: bool,
    /// How many symbols' rules were needed.
    pub expanded: usize,
    /// How often the solver was asked.
    pub asked: usize,
}

/// At most `bound` of the inputs of a totalizer.
struct Sum {
    totalizer: Totalizer,
    bound: usize,
}

/// The state of a search.
pub struct Search<'e, 'm> {
    encoder: &'e mut Encoder<'m>,
    goals: &'e [Goal],
    /// Assumptions of the bound: "this is not changed", or "no more than so many of these are".
    bound: Vec<Lit>,
    sums: HashMap<Lit, Sum>,
    /// Knobs that have their assumption.
    assumed: usize,
    unnamed: usize,
    refused: usize,
    asked: usize,
}

/// Whether the configuration is as wanted.
pub fn is_reached(configuration: &mut Configuration<'_>, goals: &[Goal]) -> bool {
    goals.iter().all(|goal| match &goal.value {
        Wanted::Logical(value) => configuration.logical(goal.symbol) == *value,
        Wanted::Text(text) => configuration.text(goal.symbol) == *text,
    })
}

/// Writes down what is wanted; false if it can be no value at all.
pub fn demand(encoder: &mut Encoder<'_>, goals: &[Goal]) -> bool {
    for goal in goals {
        if let Wanted::Text(text) = &goal.value {
            encoder.asked.insert(goal.symbol, text.clone());
        }
    }
    for goal in goals {
        let literals = match &goal.value {
            Wanted::Logical(value) => {
                encoder.expand(goal.symbol);
                encoder.level_is(goal.symbol, *value)
            }
            Wanted::Text(text) => match encoder.text_value(goal.symbol, text) {
                Some(literal) => vec![literal],
                None => return false,
            },
        };
        for literal in literals {
            encoder.circuit.add(&[literal]);
        }
    }
    true
}

impl<'e, 'm> Search<'e, 'm> {
    /// A search; the goals are in the formula already.
    pub fn new(encoder: &'e mut Encoder<'m>, goals: &'e [Goal]) -> Search<'e, 'm> {
        Search {
            encoder,
            goals,
            bound: Vec::new(),
            sums: HashMap::new(),
            assumed: 0,
            unnamed: 0,
            refused: 0,
            asked: 0,
        }
    }

    /// Searches to the end; the solver is asked at most `most` times.
    pub fn run(mut self, most: usize) -> Outcome<'m> {
        loop {
            self.assume_new();
            let (assumptions, owners) = self.assumptions();
            self.asked += 1;
            if self.asked > most {
                return Outcome::Stopped;
            }
            match self.encoder.circuit.solve(&assumptions) {
                Verdict::Stopped => return Outcome::Stopped,
                Verdict::Conflict(core) => {
                    let expandable: Vec<SymbolId> =
                        core.iter().filter_map(|literal| owners.get(literal).copied()).collect();
                    if expandable.is_empty() && core.is_empty() {
                        return Outcome::Nothing;
                    }
                    if expandable.is_empty() {
                        self.raise(&core);
                    }
                    self.expand(&expandable);
                }
                Verdict::Possible => {
                    let changes = solution(self.encoder);
                    let mut after = apply(&self.encoder.base, &changes);
                    if is_reached(&mut after, self.goals) {
                        let (changes, after) = self.prefer(&assumptions, changes, after);
                        return Outcome::Found(Box::new(self.found(changes, after)));
                    }
                    if !learn(self.encoder, &mut after) {
                        self.refuse();
                        if self.refused > MOST_REFUSED {
                            return Outcome::Refused;
                        }
                    }
                }
            }
        }
    }

    fn found(&self, changes: Vec<(SymbolId, UserValue)>, after: Configuration<'m>) -> Found<'m> {
        Found {
            changes,
            after,
            is_smallest: self.refused == 0 && self.unnamed == 0,
            expanded: self.encoder.mentioned().filter(|(_, _, expanded)| *expanded).count(),
            asked: self.asked,
        }
    }

    /// What was met since the last time is assumed to be unchanged; values without a name are of no use to a person.
    fn assume_new(&mut self) {
        for (changed, _) in &self.encoder.knobs[self.assumed..] {
            self.bound.push(!*changed);
        }
        self.assumed = self.encoder.knobs.len();
        for index in self.unnamed..self.encoder.unnamed.len() {
            let (unnamed, _) = self.encoder.unnamed[index];
            self.encoder.circuit.add(&[!unnamed]);
        }
        self.unnamed = self.encoder.unnamed.len();
    }

    /// The bound first: a conflict within it is worth more than one that needs other symbols' rules.
    fn assumptions(&mut self) -> (Vec<Lit>, HashMap<Lit, SymbolId>) {
        self.encoder.settle();
        let mut assumptions = self.bound.clone();
        let mut owners = HashMap::new();
        for id in self.encoder.waiting.clone() {
            for literal in self.encoder.as_now(id) {
                assumptions.push(literal);
                owners.insert(literal, id);
            }
        }
        (assumptions, owners)
    }

    fn expand(&mut self, ids: &[SymbolId]) {
        ids.iter().for_each(|&id| self.encoder.expand(id));
    }

    /// These cannot all hold: from now on, one of them need not.
    fn raise(&mut self, core: &[Lit]) {
        self.bound.retain(|literal| !core.contains(literal));
        for literal in core {
            if let Some(mut sum) = self.sums.remove(literal) {
                sum.bound += 1;
                self.assume_sum(sum);
            }
        }
        if core.len() > 1 {
            let totalizer: Totalizer = core.iter().map(|&literal| !literal).collect();
            self.assume_sum(Sum { totalizer, bound: 1 });
        }
    }

    fn assume_sum(&mut self, mut sum: Sum) {
        let circuit = &mut self.encoder.circuit;
        let range = sum.bound..=sum.bound;
        // Memory is the only thing that can fail; then the bound is lost and the answer is checked all the same.
        let _ = sum.totalizer.encode_ub_change(range, &mut circuit.solver, &mut circuit.variables);
        if let Ok([literal]) = sum.totalizer.enforce_ub(sum.bound).as_deref() {
            self.bound.push(*literal);
            self.sums.insert(*literal, sum);
        }
    }

    /// Of as many changes, those nearest to what is wanted: what was met first in the search. So a symbol is set itself, rather than
    /// something that selects it. That there are no modules any more is the last thing to be chosen.
    fn prefer(
        &mut self,
        assumptions: &[Lit],
        mut changes: Vec<(SymbolId, UserValue)>,
        mut after: Configuration<'m>,
    ) -> (Vec<(SymbolId, UserValue)>, Configuration<'m>) {
        let modules = self.encoder.model.modules();
        let is_modules = |knob: &Knob| matches!(knob, Knob::Logical(id, _) if *id == modules);
        let (last, first): (Vec<_>, Vec<_>) =
            self.encoder.knobs.iter().partition(|(_, knob)| is_modules(knob));
        let literals: Vec<Lit> = first.iter().chain(&last).map(|(changed, _)| *changed).collect();
        let changed = |this: &Self| -> Vec<usize> {
            (0..literals.len()).filter(|&index| this.encoder.circuit.holds(literals[index])).collect()
        };
        let mut current = changed(self);
        let mut assumed = assumptions.to_vec();
        let mut end = literals.len();
        for _ in 0..MOST_PREFERENCES {
            let Some(&last) = current.iter().rev().find(|&&index| index < end) else { break };
            let others = literals[last + 1..end].iter().map(|&literal| !literal);
            assumed.extend(others);
            assumed.push(!literals[last]);
            self.asked += 1;
            match self.encoder.circuit.solve(&assumed) {
                Verdict::Possible => {
                    let found = solution(self.encoder);
                    let mut evaluated = apply(&self.encoder.base, &found);
                    if !is_reached(&mut evaluated, self.goals) {
                        break;
                    }
                    current = changed(self);
                    (changes, after) = (found, evaluated);
                }
                Verdict::Conflict(_) => {
                    assumed.pop();
                    assumed.push(literals[last]);
                }
                Verdict::Stopped => break,
            }
            end = last;
        }
        (changes, after)
    }

    /// Forbids exactly the changes of the solver's solution.
    fn refuse(&mut self) {
        self.refused += 1;
        let circuit = &mut self.encoder.circuit;
        let mut clause = Vec::new();
        for (changed, knob) in &self.encoder.knobs {
            if !circuit.holds(*changed) {
                clause.push(*changed);
                continue;
            }
            clause.push(!*changed);
            match knob {
                Knob::Logical(_, level) => {
                    for literal in [level.some, level.yes] {
                        clause.push(if circuit.holds(literal) { !literal } else { literal });
                    }
                }
                Knob::Choice(members) => {
                    clause.extend(
                        members.iter().map(|(_, it)| *it).filter(|it| circuit.holds(*it)).map(|it| !it),
                    );
                }
                Knob::Text(_, values) => {
                    clause.extend(
                        values.iter().map(|(_, it)| *it).filter(|it| circuit.holds(*it)).map(|it| !it),
                    );
                }
            }
        }
        clause.sort_unstable();
        clause.dedup();
        circuit.add(&clause);
    }
}

/// The configuration with these changes.
pub fn apply<'m>(base: &Configuration<'m>, changes: &[(SymbolId, UserValue)]) -> Configuration<'m> {
    let mut after = base.clone();
    for (id, value) in changes {
        after.assign(*id, value.clone());
    }
    after.invalidate();
    after.take_messages();
    after
}

/// What the solver's solution sets.
pub fn solution(encoder: &Encoder<'_>) -> Vec<(SymbolId, UserValue)> {
    let circuit = &encoder.circuit;
    let mut changes = Vec::new();
    for (changed, knob) in &encoder.knobs {
        if !circuit.holds(*changed) {
            continue;
        }
        match knob {
            Knob::Logical(id, level) => {
                changes.push((*id, UserValue::Logical(circuit.value(*level))));
            }
            Knob::Choice(members) => {
                let chosen = members.iter().find(|(_, chosen)| circuit.holds(*chosen));
                changes.extend(chosen.map(|(id, _)| (*id, UserValue::Logical(Tristate::Yes))));
            }
            Knob::Text(id, values) => {
                let value = values.iter().find(|(_, value)| circuit.holds(*value));
                changes.extend(value.map(|(text, _)| (*id, UserValue::Text(text.clone()))));
            }
        }
    }
    changes
}

/// Expands the symbols that come out otherwise than in the solver's solution; false if there are none.
pub fn learn<'m>(encoder: &mut Encoder<'m>, after: &mut Configuration<'m>) -> bool {
    let waiting = encoder.mentioned().filter(|(_, _, expanded)| !expanded);
    let mut wrong: Vec<SymbolId> = waiting
        .filter(|(id, level, _)| after.logical(*id) != encoder.circuit.value(*level))
        .map(|(id, _, _)| id)
        .collect();
    wrong.sort_unstable();
    wrong.iter().for_each(|&id| encoder.expand(id));
    !wrong.is_empty()
}
