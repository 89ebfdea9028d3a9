//! Ints, hexes and strings: one literal for each value that can matter, of which one holds.

use std::collections::HashMap;
use std::sync::Arc;

use kconfig::{
    Comparison, Dialect, Expression, PropertyKind, SymbolId, SymbolType, Tristate, UserValue, compare_values,
    to_number,
};
use rustsat::types::Lit;

use super::{Encoder, Knob};
use crate::circuit::Level;

/// More values of one symbol are not told apart; the kernel's have a dozen at most.
const MOST_VALUES: usize = 64;

/// The values a symbol can have.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    /// Values by name.
    values: Vec<(Arc<str>, Lit)>,
    /// That it is none of them.
    unnamed: Option<Lit>,
}

impl Text {
    fn of(&self, text: &str) -> Option<Lit> {
        self.values.iter().find(|(known, _)| &**known == text).map(|(_, literal)| *literal)
    }
}

/// What a comparison has on one side.
struct Side {
    kind: SymbolType,
    text: Text,
}

impl Encoder<'_> {
    /// Whether a comparison holds.
    pub(super) fn compare(&mut self, sign: Comparison, left: SymbolId, right: SymbolId) -> Lit {
        let (left, right) = (self.side(left), self.side(right));
        let holds =
            |first: &str, second: &str| sign.holds(compare_values((first, left.kind), (second, right.kind)));
        let mut pairs = Vec::new();
        for (first, left) in &left.text.values {
            for (second, right) in &right.text.values {
                pairs.push((*left, *right, holds(first, second)));
            }
        }
        let is_complete = left.text.unnamed.is_none() && right.text.unnamed.is_none();
        if is_complete
            && let Some(&(_, _, first)) = pairs.first()
            && pairs.iter().all(|(_, _, holds)| *holds == first)
        {
            return self.circuit.constant(first);
        }
        let output = self.circuit.fresh();
        for (left, right, holds) in pairs {
            self.circuit.add(&[!left, !right, if holds { output } else { !output }]);
        }
        output
    }

    fn side(&mut self, id: SymbolId) -> Side {
        let kind = self.model.symbol(id).kind;
        let text = match kind.is_logical() {
            true => {
                let level = self.value(id);
                let [no, module, yes] = self.circuit.split(level);
                let all = [("n", no), ("m", module), ("y", yes)];
                let possible = all.into_iter().filter(|(_, literal)| *literal != self.circuit.no());
                Text { values: possible.map(|(name, it)| (Arc::from(name), it)).collect(), unnamed: None }
            }
            false => self.text(id),
        };
        Side { kind, text }
    }

    /// `curr.val` of a symbol: a bool's is "n" whatever its value.
    fn raw(&mut self, id: SymbolId) -> Text {
        let symbol = self.model.symbol(id);
        match symbol.kind.is_logical() {
            true => {
                let name = symbol.name.clone().filter(|_| symbol.constant);
                Text {
                    values: vec![(name.unwrap_or_else(|| Arc::from("n")), self.circuit.yes())],
                    unnamed: None,
                }
            }
            false => self.text(id),
        }
    }

    /// The values of an int, hex, string or undefined symbol; its rules are written down at once.
    pub(super) fn text(&mut self, id: SymbolId) -> Text {
        let symbol = self.model.symbol(id);
        if symbol.kind == SymbolType::Unknown {
            let name = symbol.name.clone().unwrap_or_else(|| Arc::from(""));
            return Text { values: vec![(name, self.circuit.yes())], unnamed: None };
        }
        if let Some(text) = self.texts.get(&id) {
            return text.clone();
        }
        if self.unfinished.contains(&id) {
            return Text { values: Vec::new(), unnamed: Some(self.circuit.yes()) };
        }
        self.unfinished.push(id);
        let text = self.make_text(id);
        self.unfinished.retain(|unfinished| *unfinished != id);
        self.texts.insert(id, text.clone());
        text
    }

    fn make_text(&mut self, id: SymbolId) -> Text {
        let guard = self.guard(id);
        let defaults = self.default_texts(id);
        let ranges = self.ranges(id);
        let empty = self.empty_text(id);
        let user_now = match self.base.user_value(id) {
            Some(UserValue::Text(text)) => Some(text),
            _ => None,
        };
        let mut names: Vec<Arc<str>> = vec![empty.clone()];
        names.extend(user_now.clone());
        let from_others = defaults.iter().map(|(_, text)| text);
        let from_others = from_others.chain(ranges.iter().flat_map(|(_, low, high)| [low, high]));
        let mut is_open = false;
        for text in from_others {
            names.extend(text.values.iter().map(|(name, _)| name.clone()));
            is_open |= text.unnamed.is_some();
        }
        let visible = self.visibility(id).some;
        let can_set = visible != self.circuit.no();
        if can_set {
            is_open |= self.interesting(id, &mut names);
        }
        names.sort();
        names.dedup();
        if names.len() > MOST_VALUES {
            names.clear();
            is_open = true;
        }
        let mut values: Vec<(Arc<str>, Lit)> = Vec::new();
        for name in names {
            let literal = self.circuit.fresh();
            values.push((name, literal));
        }
        // With guards, that there are no other values is a rule that can be named too.
        let unnamed = (is_open || self.guarded).then(|| self.circuit.fresh());
        let text = Text { values, unnamed };
        match unnamed {
            Some(unnamed) if is_open => self.unnamed.push((unnamed, id)),
            Some(unnamed) => self.circuit.add(&[!guard, !unnamed]),
            None => {}
        }
        self.one_of(guard, &text);
        let raw = self.raw_value(id, &text, visible, user_now, &defaults, &empty);
        self.clamp(guard, id, &text, &raw, &ranges);
        text
    }

    fn one_of(&mut self, guard: Lit, text: &Text) {
        let literals: Vec<Lit> =
            text.values.iter().map(|(_, literal)| *literal).chain(text.unnamed).collect();
        self.circuit.at_most_one(&literals);
        let clause: Vec<Lit> = literals.into_iter().chain([!guard]).collect();
        self.circuit.add(&clause);
    }

    /// The value before it is brought into its range: a literal for each name, true where that name is it.
    fn raw_value(
        &mut self,
        id: SymbolId,
        text: &Text,
        visible: Lit,
        user_now: Option<Arc<str>>,
        defaults: &[(Lit, Text)],
        empty: &Arc<str>,
    ) -> Text {
        let values: Vec<(Arc<str>, Lit)> =
            text.values.iter().map(|(name, _)| (name.clone(), self.circuit.fresh())).collect();
        let is_open = self.unnamed.iter().any(|(literal, _)| Some(*literal) == text.unnamed);
        let raw = Text { values, unnamed: is_open.then(|| self.circuit.fresh()) };
        let yes = self.circuit.yes();
        self.one_of(yes, &raw);
        let has_now = self.circuit.constant(user_now.is_some());
        let mut is_set = self.circuit.all(&[visible, has_now]);
        if visible != self.circuit.no() {
            let changed = self.circuit.fresh();
            self.circuit.add(&[!changed, visible]);
            let mut knob = Vec::new();
            for ((name, raw), (_, last)) in raw.values.iter().zip(&text.values) {
                if kconfig::is_valid_value(self.model.symbol(id).kind, name) {
                    // Only what would come out as it was set.
                    self.circuit.add(&[!changed, !*raw, *last]);
                    knob.push((name.clone(), *raw));
                } else {
                    self.circuit.add(&[!changed, !*raw]);
                }
            }
            self.knobs.push((changed, Knob::Text(id, knob)));
            let set_as_now = self.circuit.all(&[is_set, !changed]);
            if let Some(now) = user_now {
                self.imply(&[set_as_now], &raw, &now);
            }
            is_set = self.circuit.any(&[is_set, changed]);
        }
        let mut open = !is_set;
        for (holds, default) in defaults {
            for (name, value) in &default.values {
                self.imply(&[open, *holds, *value], &raw, name);
            }
            open = self.circuit.all(&[open, !*holds]);
        }
        self.imply(&[open], &raw, empty);
        raw
    }

    /// Where all conditions hold, the value is `name`; where it has no name, anything but the named ones is as good.
    fn imply(&mut self, conditions: &[Lit], text: &Text, name: &str) {
        if let Some(value) = text.of(name) {
            let clause: Vec<Lit> = conditions.iter().map(|&it| !it).chain([value]).collect();
            self.circuit.add(&clause);
        }
    }

    /// The value brought into the range that holds (`sym_validate_range()`).
    fn clamp(&mut self, guard: Lit, id: SymbolId, text: &Text, raw: &Text, ranges: &[(Lit, Text, Text)]) {
        let base = if self.model.symbol(id).kind == SymbolType::Hex { 16 } else { 10 };
        let mut open = guard;
        for (holds, low, high) in ranges {
            let here = self.circuit.all(&[open, *holds]);
            for (low_name, low) in &low.values {
                for (high_name, high) in &high.values {
                    for (name, value) in &raw.values {
                        let number = to_number(name, base);
                        let result = match number >= to_number(low_name, base) {
                            true if number <= to_number(high_name, base) => name,
                            true => high_name,
                            false => low_name,
                        };
                        self.imply(&[here, *low, *high, *value], text, result);
                    }
                }
            }
            open = self.circuit.all(&[open, !*holds]);
        }
        for (name, value) in &raw.values {
            self.imply(&[open, *value], text, name);
        }
    }

    fn default_texts(&mut self, id: SymbolId) -> Vec<(Lit, Text)> {
        let mut found = Vec::new();
        for (_, property) in self.model.properties_of(id, PropertyKind::Default) {
            let holds = self.condition(property.condition).some;
            if holds == self.circuit.no() {
                continue;
            }
            let value = property.value.map(|value| self.model.expressions().get(value));
            let text = match value {
                Some(Expression::Symbol(symbol)) => self.raw(symbol),
                _ => Text { values: vec![(self.empty_text(id), self.circuit.yes())], unnamed: None },
            };
            found.push((holds, text));
            if holds == self.circuit.yes() {
                break;
            }
        }
        found
    }

    fn ranges(&mut self, id: SymbolId) -> Vec<(Lit, Text, Text)> {
        let mut found = Vec::new();
        if !matches!(self.model.symbol(id).kind, SymbolType::Int | SymbolType::Hex) {
            return found;
        }
        for (_, property) in self.model.properties_of(id, PropertyKind::Range) {
            let holds = self.condition(property.condition).some;
            if let Some(Expression::Range(low, high)) =
                property.value.map(|value| self.model.expressions().get(value))
            {
                let bounds = (self.raw(low), self.raw(high));
                found.push((holds, bounds.0, bounds.1));
            }
        }
        found
    }

    /// What it is without a value.
    fn empty_text(&self, id: SymbolId) -> Arc<str> {
        let dialect: Dialect = self.model.dialect();
        Arc::from(match self.model.symbol(id).kind {
            SymbolType::Int if dialect.numbers_begin_at_zero() => "0",
            SymbolType::Hex if dialect.numbers_begin_at_zero() => "0x0",
            _ => "",
        })
    }

    /// Adds the values a person might set it to: what is asked for, what it is compared with, and the numbers beside. Says
    /// whether others could matter too.
    fn interesting(&mut self, id: SymbolId, names: &mut Vec<Arc<str>>) -> bool {
        names.extend(self.asked.get(&id).cloned());
        let mut others = self.compared().get(&id).cloned().unwrap_or_default();
        for other in others.clone() {
            // What those that take its value are compared with matters to it too.
            names.extend(self.asked.get(&other).cloned());
            others.extend(self.compared().get(&other).cloned().unwrap_or_default());
        }
        others.retain(|&other| other != id);
        let kind = self.model.symbol(id).kind;
        let mut is_open = false;
        for other in others {
            let symbol = self.model.symbol(other);
            let Some(name) = symbol.name.clone().filter(|_| symbol.kind == SymbolType::Unknown) else {
                is_open = true;
                continue;
            };
            match kind {
                SymbolType::Int => {
                    let number = to_number(&name, 10);
                    let near = [number.saturating_sub(1), number, number.saturating_add(1)];
                    names.extend(near.map(|number| Arc::from(number.to_string())));
                }
                SymbolType::Hex => {
                    let number = to_number(&name, 16).max(0);
                    let near = [number.saturating_sub(1).max(0), number, number.saturating_add(1)];
                    names.extend(near.map(|number| Arc::from(format!("{number:#x}"))));
                }
                _ => names.push(name),
            }
        }
        is_open
    }

    /// For each int, hex and string what it meets: what it is compared with, and what takes its value by default or as an end of a
    /// range.
    fn compared(&mut self) -> &HashMap<SymbolId, Vec<SymbolId>> {
        let model = self.model;
        self.compared.get_or_insert_with(|| {
            let mut compared: HashMap<SymbolId, Vec<SymbolId>> = HashMap::new();
            let is_text = |id: SymbolId| {
                matches!(model.symbol(id).kind, SymbolType::Int | SymbolType::Hex | SymbolType::String)
            };
            let mut meet = |one: SymbolId, other: SymbolId| {
                let others = compared.entry(one).or_default();
                if is_text(one) && !others.contains(&other) {
                    others.push(other);
                }
            };
            for expression in model.expressions().all() {
                if let Expression::Compare(_, left, right) = expression {
                    meet(left, right);
                    meet(right, left);
                }
            }
            for (id, symbol) in model.symbols().filter(|(id, _)| is_text(*id)) {
                let properties = symbol.properties.iter().map(|&property| model.property(property));
                let properties = properties
                    .filter(|it| matches!(it.kind, PropertyKind::Default | PropertyKind::Range))
                    .filter_map(|it| it.value);
                for value in properties {
                    let mut sources = Vec::new();
                    model.expressions().symbols_in(value, &mut sources);
                    sources.into_iter().for_each(|source| meet(source, id));
                }
            }
            compared
        })
    }

    /// The literal that says an int, hex or string has the value; `None` if it never can.
    pub fn text_value(&mut self, id: SymbolId, value: &str) -> Option<Lit> {
        let text = self.text(id);
        text.of(value)
    }
}

impl Encoder<'_> {
    /// The level a symbol is wanted at, as literals.
    pub fn level_is(&mut self, id: SymbolId, value: Tristate) -> Vec<Lit> {
        let level: Level = self.value(id);
        let [no, module, yes] = self.circuit.split(level);
        vec![match value {
            Tristate::No => no,
            Tristate::Module => module,
            Tristate::Yes => yes,
        }]
    }
}
