//! Computing values (kernel: `sym_calc_value()`, `sym_calc_visibility()` of scripts/kconfig/symbol.c, `expr_calc_value()` of
//! expr.c).

use std::sync::Arc;

use super::Configuration;
use crate::expression::{Comparison, Expression, ExpressionId};
use crate::model::{PropertyKind, SymbolId, SymbolType, Tristate};
use crate::value;

/// How deep one value may hang on others before the chain is cut: a tree of Kconfig files is a few hundred deep, and the
/// stack must hold it (see [`crate::with_stack`]).
const DEEPEST: usize = 60_000;

impl Configuration<'_> {
    /// An expression's value; y for none.
    pub fn evaluate(&mut self, id: Option<ExpressionId>) -> Tristate {
        let Some(id) = id else { return Tristate::Yes };
        if self.expressions.is_empty() {
            return self.evaluate_node(id);
        }
        match self.expressions[id.0 as usize] {
            0 => Tristate::No,
            1 => Tristate::Module,
            2 => Tristate::Yes,
            _ => {
                let value = self.evaluate_node(id);
                self.expressions[id.0 as usize] = value as u8;
                value
            }
        }
    }

    fn evaluate_node(&mut self, id: ExpressionId) -> Tristate {
        match self.model.expressions.get(id) {
            Expression::Symbol(symbol) => {
                self.calculate(symbol);
                self.state(symbol).logical
            }
            Expression::And(left, right) => {
                let left = self.evaluate(Some(left));
                left.min(self.evaluate(Some(right)))
            }
            Expression::Or(left, right) => {
                let left = self.evaluate(Some(left));
                left.max(self.evaluate(Some(right)))
            }
            Expression::Not(inner) => self.evaluate(Some(inner)).inverse(),
            Expression::Compare(sign, left, right) => self.evaluate_comparison(sign, left, right),
            Expression::Range(..) => Tristate::No,
        }
    }

    fn evaluate_comparison(&mut self, sign: Comparison, left: SymbolId, right: SymbolId) -> Tristate {
        self.calculate(left);
        self.calculate(right);
        let kind = |id: SymbolId| self.model.symbol(id).kind;
        let order = value::compare((self.current(left), kind(left)), (self.current(right), kind(right)));
        if sign.holds(order) { Tristate::Yes } else { Tristate::No }
    }

    /// Computes a symbol's value, if it is not valid.
    pub(crate) fn calculate(&mut self, id: SymbolId) {
        if self.state(id).valid || self.depth > DEEPEST {
            return;
        }
        self.depth += 1;
        self.calculate_now(id);
        self.depth -= 1;
    }

    fn calculate_now(&mut self, id: SymbolId) {
        let model = self.model;
        let symbol = model.symbol(id);
        let plain_choices = model.dialect.plain_choices();
        if let Some(choice) = symbol.choice.filter(|_| self.state(id).need_choice_values) {
            self.state_mut(id).need_choice_values = false;
            self.calculate(choice);
        }
        self.state_mut(id).valid = true;
        if symbol.kind == SymbolType::Unknown {
            let state = self.state_mut(id);
            state.text = symbol.name.clone();
            state.logical = Tristate::No;
            return;
        }
        self.state_mut(id).write = false;
        self.calculate_visibility(id);
        let empty = self.empty_text(symbol.kind);
        let state = self.state_mut(id);
        state.write |= state.visible != Tristate::No;
        // What is seen if the computation comes back to this symbol.
        state.logical = Tristate::No;
        state.text = empty.clone();
        state.selected = None;
        let (mut logical, mut text) = (Tristate::No, empty);
        match self.kind(id) {
            SymbolType::Boolean | SymbolType::Tristate => logical = self.calculate_logical(id),
            _ => text = self.calculate_text(id).or(text),
        }
        if model.has_transitional && !self.state(id).has_user && !symbol.is_choice {
            self.keep_old_name(id, logical, &text);
        }
        let state = self.state_mut(id);
        state.logical = logical;
        state.text = text;
        state.selected = None;
        if symbol.is_choice && !plain_choices && logical == Tristate::Yes {
            let selected = self.legacy_select(id);
            self.state_mut(id).selected = selected;
        }
        self.keep_in_range(id);
        if id == model.modules {
            self.modules = self.state(id).logical;
        }
        if symbol.is_choice && !plain_choices {
            self.legacy_write_members(id);
        }
        if symbol.is_choice || symbol.transitional {
            self.state_mut(id).write = false;
            if self.state(id).need_choice_values {
                self.legacy_set_members(id);
            }
        }
    }

    /// A value that comes from a transitional symbol the user had set counts as the user's, so that nobody is asked for it.
    fn keep_old_name(&mut self, id: SymbolId, logical: Tristate, text: &Option<Arc<str>>) {
        let Some(property) = self.default_in_force(id) else { return };
        let Some(old) = self.single_symbol(self.model.property(property).value) else { return };
        if self.model.symbol(old).transitional && self.state(old).has_user {
            let state = self.state_mut(id);
            (state.user, state.user_text, state.has_user) = (logical, text.clone(), true);
        }
    }

    fn empty_text(&self, kind: SymbolType) -> Option<Arc<str>> {
        let from_zero = self.model.dialect.numbers_begin_at_zero();
        match kind {
            SymbolType::Int if from_zero => Some(Arc::from("0")),
            SymbolType::Hex if from_zero => Some(Arc::from("0x0")),
            SymbolType::Int | SymbolType::Hex | SymbolType::String => Some(Arc::from("")),
            _ => None,
        }
    }

    fn calculate_logical(&mut self, id: SymbolId) -> Tristate {
        let value = match self.value_from_choice(id) {
            Some(value) => value,
            None => self.calculate_from_rules(id),
        };
        match value == Tristate::Module && self.kind(id) == SymbolType::Boolean {
            true => Tristate::Yes,
            false => value,
        }
    }

    /// The value its choice gives a member.
    fn value_from_choice(&mut self, id: SymbolId) -> Option<Tristate> {
        if self.model.dialect.plain_choices() {
            let menu = self.model.choice_menu_of(id)?;
            self.calculate_choice(menu);
            return Some(self.state(id).logical);
        }
        let choice = self.model.symbol(id).choice?;
        let selected = self.state(choice).selected == Some(id);
        let value = if selected { Tristate::Yes } else { Tristate::No };
        (self.state(id).visible == Tristate::Yes).then_some(value)
    }

    /// The user's value as far as it is visible, else defaults and implies; at least what selects demand.
    fn calculate_from_rules(&mut self, id: SymbolId) -> Tristate {
        let state = self.state(id);
        let value = match state.visible != Tristate::No && state.has_user {
            true => state.user.min(state.visible),
            false => self.calculate_default(id),
        };
        let state = self.state(id);
        if state.direct < state.reverse {
            self.warn_unmet(id);
        }
        value.max(self.state(id).reverse)
    }

    fn calculate_default(&mut self, id: SymbolId) -> Tristate {
        let mut value = Tristate::No;
        let state = self.state_mut(id);
        state.write |= state.reverse != Tristate::No;
        if self.model.symbol(id).is_choice {
            return value;
        }
        if let Some(property) = self.default_in_force(id) {
            let default = self.evaluate(self.model.property(property).value);
            value = default.min(self.visible[property.index()]);
            self.state_mut(id).write |= value != Tristate::No;
        }
        let state = self.state_mut(id);
        if state.implied != Tristate::No {
            state.write = true;
            value = value.max(state.implied).min(state.direct);
        }
        value
    }

    fn calculate_text(&mut self, id: SymbolId) -> Option<Arc<str>> {
        let state = self.state(id);
        if state.visible != Tristate::No && state.has_user {
            return state.user_text.clone();
        }
        let property = self.default_in_force(id)?;
        let default = self.single_symbol(self.model.property(property).value)?;
        self.state_mut(id).write = true;
        self.calculate(default);
        Some(self.raw_text(default))
    }

    /// `curr.val`: of a bool or tristate it is "n" whatever the value.
    pub(crate) fn raw_text(&self, id: SymbolId) -> Arc<str> {
        self.state(id).text.clone().unwrap_or_else(|| Arc::from("n"))
    }

    /// The symbol an expression consists of (`prop_get_symbol()`).
    pub(crate) fn single_symbol(&self, id: Option<ExpressionId>) -> Option<SymbolId> {
        match self.model.expressions.get(id?) {
            Expression::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// `sym_validate_range()`
    fn keep_in_range(&mut self, id: SymbolId) {
        let base = match self.model.symbol(id).kind {
            SymbolType::Int => 10,
            SymbolType::Hex => 16,
            _ => return,
        };
        let Some((low, high)) = self.range_symbols(id) else { return };
        let value = value::to_number(self.current(id), base);
        let bound = match value >= self.range_number(low, base) {
            true if value <= self.range_number(high, base) => return,
            true => high,
            false => low,
        };
        self.state_mut(id).text = Some(self.raw_text(bound));
    }

    /// The two ends of the range in force.
    pub(crate) fn range_symbols(&mut self, id: SymbolId) -> Option<(SymbolId, SymbolId)> {
        let range = self.range_in_force(id)?;
        match self.model.expressions.get(self.model.property(range).value?) {
            Expression::Range(low, high) => Some((low, high)),
            _ => None,
        }
    }

    /// `sym_get_range_val()`
    pub(crate) fn range_number(&mut self, id: SymbolId, base: u32) -> i64 {
        self.calculate(id);
        let base = match self.model.symbol(id).kind {
            SymbolType::Int => 10,
            SymbolType::Hex => 16,
            _ => base,
        };
        value::to_number(&self.raw_text(id), base)
    }

    /// `sym_calc_visibility()`
    pub(crate) fn calculate_visibility(&mut self, id: SymbolId) {
        let model = self.model;
        let symbol = model.symbol(id);
        if symbol.transitional {
            self.state_mut(id).visible = Tristate::Yes;
            return;
        }
        let mut visible = Tristate::No;
        for &property in &symbol.properties {
            if !matches!(model.property(property).kind, PropertyKind::Prompt | PropertyKind::Menu) {
                continue;
            }
            let mut value = self.evaluate(model.property(property).condition);
            if !model.dialect.plain_choices()
                && let Some(choice) = symbol.choice
                && symbol.kind == SymbolType::Tristate
                && value == Tristate::Module
                && self.state(choice).logical == Tristate::Yes
            {
                value = Tristate::No;
            }
            self.visible[property.index()] = value;
            visible = visible.max(value);
        }
        let no_modules = symbol.kind != SymbolType::Tristate || self.modules == Tristate::No;
        if visible == Tristate::Module && no_modules {
            visible = Tristate::Yes;
        }
        self.state_mut(id).visible = visible;
        if self.is_member(id) {
            return;
        }
        let direct = self.evaluate(symbol.direct);
        self.state_mut(id).direct = self.yes_for_module(id, direct);
        let reverse = symbol.reverse.map_or(Tristate::No, |reverse| self.evaluate(Some(reverse)));
        self.state_mut(id).reverse = self.yes_for_module(id, reverse);
        let implied = symbol.implied.map_or(Tristate::No, |implied| self.evaluate(Some(implied)));
        self.state_mut(id).implied = self.yes_for_module(id, implied);
    }

    /// A bool that would be m is y.
    fn yes_for_module(&self, id: SymbolId, value: Tristate) -> Tristate {
        match value == Tristate::Module && self.kind(id) == SymbolType::Boolean {
            true => Tristate::Yes,
            false => value,
        }
    }

    /// `sym_warn_unmet_dep()`
    fn warn_unmet(&mut self, id: SymbolId) {
        let symbol = self.model.symbol(id);
        let letter = if self.state(id).direct == Tristate::Module { "m" } else { "n" };
        let mut text = format!(
            "\nWARNING: unmet direct dependencies detected for {}\n  Depends on [{letter}]: ",
            self.model.name(id)
        );
        self.explain_into(symbol.direct, &mut text);
        text.push('\n');
        self.reverse_into(symbol.reverse, Tristate::Yes, "  Selected by [y]:\n", &mut text);
        self.reverse_into(symbol.reverse, Tristate::Module, "  Selected by [m]:\n", &mut text);
        self.error(text);
        self.unmet += 1;
    }

    /// The terms of a reverse dependency that have the value, one a line (`expr_gstr_print_revdep()`).
    pub(crate) fn reverse_into(
        &mut self,
        id: Option<ExpressionId>,
        value: Tristate,
        title: &str,
        text: &mut String,
    ) {
        let mut titled = false;
        for term in self.model.expressions.terms(id) {
            if self.evaluate(Some(term)) != value {
                continue;
            }
            if !std::mem::replace(&mut titled, true) {
                text.push_str(title);
            }
            text.push_str("  - ");
            self.explain_into(Some(term), text);
            text.push('\n');
        }
    }
}
