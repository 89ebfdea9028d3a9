//! What Kconfig says, as a formula: the value of each symbol follows from what a person set, exactly as `sym_calc_value()` of
//! scripts/kconfig/symbol.c computes it.
//!
//! Only what is asked about is written down. A symbol that is mentioned but not *expanded* has literals and no rule yet; the
//! search assumes that it keeps its value until a conflict, or a try, shows that this matters.

mod choice;
mod text;

use std::collections::HashMap;
use std::time::Instant;

use kconfig::{
    Configuration, Expression, ExpressionId, Model, PropertyKind, SymbolId, SymbolType, Tristate, UserValue,
};
use rustsat::types::Lit;

use crate::circuit::{Circuit, Level};
use text::Text;

/// Something a person may set differently from now: one change.
#[derive(Clone, Debug)]
pub enum Knob {
    /// A bool or tristate, and the value it is set to.
    Logical(SymbolId, Level),
    /// An int, hex or string, and the values it may be set to.
    Text(SymbolId, Vec<(std::sync::Arc<str>, Lit)>),
    /// A choice, and its members with what says that one is chosen.
    Choice(Vec<(SymbolId, Lit)>),
}

/// A formula over the symbols of a configuration.
pub struct Encoder<'m> {
    pub model: &'m Model,
    /// What is now.
    pub base: Configuration<'m>,
    pub circuit: Circuit,
    /// Each symbol's rule holds only where its guard does, so that a conflict names the rules it is made of.
    guarded: bool,
    /// Guards, and whose rules they switch on.
    pub guards: Vec<(Lit, SymbolId)>,
    levels: HashMap<SymbolId, Level>,
    expressions: HashMap<ExpressionId, Level>,
    texts: HashMap<SymbolId, Text>,
    /// Symbols mentioned and not expanded, in the order they were met.
    pub waiting: Vec<SymbolId>,
    expanded: Vec<bool>,
    /// Literals of "it was changed", and what was.
    pub knobs: Vec<(Lit, Knob)>,
    /// Literals of "its value is none of those we can name", of ints, hexes and strings.
    pub unnamed: Vec<(Lit, SymbolId)>,
    /// Int, hex and string symbols, and what they are compared with.
    compared: Option<HashMap<SymbolId, Vec<SymbolId>>>,
    /// Texts that are asked for.
    pub asked: HashMap<SymbolId, std::sync::Arc<str>>,
    unfinished: Vec<SymbolId>,
}

impl<'m> Encoder<'m> {
    /// Nothing yet, beside what is now.
    pub fn new(base: Configuration<'m>, deadline: Option<Instant>, guarded: bool) -> Encoder<'m> {
        let model = base.model();
        Encoder {
            model,
            base,
            circuit: Circuit::new(deadline),
            guarded,
            guards: Vec::new(),
            levels: HashMap::new(),
            expressions: HashMap::new(),
            texts: HashMap::new(),
            waiting: Vec::new(),
            expanded: vec![false; model.symbols().count()],
            knobs: Vec::new(),
            unnamed: Vec::new(),
            compared: None,
            asked: HashMap::new(),
            unfinished: Vec::new(),
        }
    }

    /// The guard of a symbol's rules.
    fn guard(&mut self, id: SymbolId) -> Lit {
        if !self.guarded {
            return self.circuit.yes();
        }
        if let Some((guard, _)) = self.guards.iter().find(|(_, of)| *of == id) {
            return *guard;
        }
        let guard = self.circuit.fresh();
        self.guards.push((guard, id));
        guard
    }

    /// The value of a symbol as n, m or y.
    pub fn value(&mut self, id: SymbolId) -> Level {
        if let Some(level) = self.levels.get(&id) {
            return *level;
        }
        let symbol = self.model.symbol(id);
        let level = match symbol.kind {
            SymbolType::Tristate if symbol.constant => {
                let value = self.base.logical(id);
                self.circuit.level(value)
            }
            SymbolType::Unknown if self.guarded && !symbol.constant => {
                let level = self.circuit.fresh_level(true);
                let guard = self.guard(id);
                self.circuit.add(&[!guard, !level.some]);
                level
            }
            SymbolType::Boolean | SymbolType::Tristate => {
                self.waiting.push(id);
                self.circuit.fresh_level(symbol.kind == SymbolType::Boolean)
            }
            // `curr.tri` of all others is n.
            _ => self.circuit.level(Tristate::No),
        };
        self.levels.insert(id, level);
        level
    }

    /// What is assumed of a symbol that is not expanded: its value of now.
    pub fn as_now(&mut self, id: SymbolId) -> Vec<Lit> {
        let level = self.value(id);
        match self.base.logical(id) {
            Tristate::No => vec![!level.some],
            Tristate::Yes => vec![level.yes],
            Tristate::Module if level.some == level.yes => vec![level.some],
            Tristate::Module => vec![level.some, !level.yes],
        }
    }

    /// All symbols that have literals, and whether they are expanded.
    pub fn mentioned(&self) -> impl Iterator<Item = (SymbolId, Level, bool)> + '_ {
        let kind = |id: SymbolId| self.model.symbol(id).kind;
        let logical = self.levels.iter().filter(move |(id, _)| kind(**id).is_logical());
        logical.map(|(&id, &level)| (id, level, self.expanded[id.index()]))
    }

    /// Writes down the rules of a bool or tristate; of a member of a choice, those of the choice.
    pub fn expand(&mut self, id: SymbolId) {
        self.value(id);
        if std::mem::replace(&mut self.expanded[id.index()], true) {
            return;
        }
        if self.model.dialect().plain_choices()
            && let Some(menu) = self.model.choice_menu_of(id)
        {
            self.expand_choice(menu);
        } else {
            self.expand_plain(id);
        }
    }

    /// Forgets those that are expanded by now.
    pub fn settle(&mut self) {
        let expanded = &self.expanded;
        self.waiting.retain(|id| !expanded[id.index()]);
    }

    /// Whether there are modules.
    fn modules(&mut self) -> Lit {
        self.value(self.model.modules()).some
    }

    /// m is y for a bool, and where there are no modules.
    fn promote(&mut self, id: SymbolId, level: Level) -> Level {
        if level.some == level.yes {
            return level;
        }
        match self.model.symbol(id).kind {
            SymbolType::Tristate => {
                let modules = self.modules();
                let without = self.circuit.all(&[level.some, !modules]);
                Level { some: level.some, yes: self.circuit.any(&[level.yes, without]) }
            }
            _ => Level { some: level.some, yes: level.some },
        }
    }

    /// How far a person can set it (`sym_calc_visibility()`).
    fn visibility(&mut self, id: SymbolId) -> Level {
        let symbol = self.model.symbol(id);
        let mut prompts = Vec::new();
        for &property in &symbol.properties {
            let property = self.model.property(property);
            if matches!(property.kind, PropertyKind::Prompt | PropertyKind::Menu) {
                let mut level = self.condition(property.condition);
                if let Some(choice) = symbol.choice.filter(|_| self.is_legacy_member(id))
                    && symbol.kind == SymbolType::Tristate
                {
                    let chosen = self.value(choice).yes;
                    level.some = self.circuit.choose(chosen, level.yes, level.some);
                }
                prompts.push(level);
            }
        }
        let visible = self.circuit.greatest(&prompts);
        self.promote(id, visible)
    }

    fn is_legacy_member(&self, id: SymbolId) -> bool {
        !self.model.dialect().plain_choices() && self.model.symbol(id).choice.is_some()
    }

    fn expand_plain(&mut self, id: SymbolId) {
        let symbol = self.model.symbol(id);
        let guard = self.guard(id);
        let visible = self.visibility(id);
        let no = self.circuit.level(Tristate::No);
        let (direct, reverse, implied) = match symbol.choice {
            Some(_) => (no, no, no),
            None => {
                let direct = self.condition(symbol.direct);
                let reverse = symbol.reverse.map_or(no, |it| self.expression(it));
                let implied = symbol.implied.map_or(no, |it| self.expression(it));
                (self.promote(id, direct), self.promote(id, reverse), self.promote(id, implied))
            }
        };
        let (has_user, user) = self.user(id, visible);
        let default = self.default(id, direct, implied);
        let user = self.circuit.least(&[user, visible]);
        let is_set = self.circuit.all(&[visible.some, has_user]);
        let free = self.circuit.choose_level(is_set, user, default);
        let value = self.circuit.greatest(&[free, reverse]);
        let mut value = self.promote(id, value);
        if self.is_legacy_member(id) {
            let chosen = self.legacy_member(id, visible);
            let by_choice = Level { some: chosen, yes: chosen };
            value = self.circuit.choose_level(visible.yes, by_choice, value);
        }
        if symbol.is_choice {
            value = self.legacy_choice(value);
        }
        let level = self.value(id);
        self.circuit.tie_levels(guard, level, value);
    }

    /// Whether a user value is there, and which: that of now, or another one.
    fn user(&mut self, id: SymbolId, visible: Level) -> (Lit, Level) {
        let no = self.circuit.no();
        let now = match self.base.user_value(id) {
            Some(UserValue::Logical(value)) => Some(value),
            _ => None,
        };
        if self.model.symbol(id).is_choice {
            // Before 6.11, members set it, each as it is set.
            return (self.circuit.fresh(), self.circuit.fresh_level(false));
        }
        let has_now = self.circuit.constant(now.is_some());
        let user_now = self.circuit.level(now.unwrap_or_default());
        if visible.some == no || self.is_legacy_member(id) {
            return (has_now, user_now);
        }
        let changed = self.circuit.fresh();
        let user = self.circuit.fresh_level(self.model.symbol(id).kind == SymbolType::Boolean);
        // Only what can be set, and as it would come out.
        self.circuit.add(&[!changed, visible.some]);
        self.circuit.add(&[!changed, !user.some, visible.some]);
        self.circuit.add(&[!changed, !user.yes, visible.yes]);
        if user.some != user.yes {
            let modules = self.modules();
            self.circuit.add(&[!changed, !user.some, user.yes, modules]);
        }
        self.knobs.push((changed, Knob::Logical(id, user)));
        let chosen = self.circuit.choose_level(changed, user, user_now);
        (self.circuit.any(&[changed, has_now]), chosen)
    }

    /// What it is where nobody set it: the first default that holds, and implies.
    fn default(&mut self, id: SymbolId, direct: Level, implied: Level) -> Level {
        let no = self.circuit.level(Tristate::No);
        if self.model.symbol(id).is_choice {
            return no;
        }
        let mut rules = Vec::new();
        for (_, property) in self.model.properties_of(id, PropertyKind::Default) {
            let condition = self.condition(property.condition);
            let value = self.condition(property.value);
            rules.push((condition.some, self.circuit.least(&[value, condition])));
            if condition.some == self.circuit.yes() {
                break;
            }
        }
        let mut default = no;
        for (holds, value) in rules.into_iter().rev() {
            default = self.circuit.choose_level(holds, value, default);
        }
        let most = self.circuit.greatest(&[default, implied]);
        let by_implies = self.circuit.least(&[most, direct]);
        self.circuit.choose_level(implied.some, by_implies, default)
    }

    /// An expression that is y when absent.
    fn condition(&mut self, id: Option<ExpressionId>) -> Level {
        match id {
            Some(id) => self.expression(id),
            None => self.circuit.level(Tristate::Yes),
        }
    }

    fn expression(&mut self, id: ExpressionId) -> Level {
        if let Some(level) = self.expressions.get(&id) {
            return *level;
        }
        let level = match self.model.expressions().get(id) {
            Expression::Symbol(symbol) => self.value(symbol),
            Expression::Not(inner) => {
                let inner = self.expression(inner);
                self.circuit.inverse(inner)
            }
            Expression::Or(..) => {
                let terms = self.model.expressions().terms(Some(id));
                let terms: Vec<Level> = terms.into_iter().map(|term| self.expression(term)).collect();
                self.circuit.greatest(&terms)
            }
            Expression::And(left, right) => {
                let both = [self.expression(left), self.expression(right)];
                self.circuit.least(&both)
            }
            Expression::Compare(sign, left, right) => {
                let holds = self.compare(sign, left, right);
                Level { some: holds, yes: holds }
            }
            Expression::Range(..) => self.circuit.level(Tristate::No),
        };
        self.expressions.insert(id, level);
        level
    }
}
