//! Values for the symbols of a [`Model`], and how they follow from what a user set (kernel: scripts/kconfig/symbol.c).
//!
//! The order of computing is the C tool's: where a value depends on itself, the order decides.

mod choice;
mod evaluate;
mod legacy_choice;
mod set;

use std::sync::Arc;

use crate::expression::ExpressionId;
use crate::message::{Message, Stream};
use crate::model::{Model, PropertyId, PropertyKind, SymbolId, SymbolType, Tristate};

/// What a user set, or a file had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserValue {
    /// Of a bool or tristate.
    Logical(Tristate),
    /// Of an int, hex or string.
    Text(Arc<str>),
}

/// A symbol's state.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// `curr.tri`
    pub logical: Tristate,
    /// `curr.val` of int, hex, string and unknown symbols.
    pub text: Option<Arc<str>>,
    /// `curr.val` of a choice before 6.11: its selected member.
    pub selected: Option<SymbolId>,
    /// `def[S_DEF_USER].tri`
    pub user: Tristate,
    /// `def[S_DEF_USER].val`
    pub user_text: Option<Arc<str>>,
    /// `def[S_DEF_USER].val` of a choice before 6.11.
    pub user_selected: Option<SymbolId>,
    /// `visible`
    pub visible: Tristate,
    /// `dir_dep.tri`
    pub direct: Tristate,
    /// `rev_dep.tri`
    pub reverse: Tristate,
    /// `implied.tri`
    pub implied: Tristate,
    /// SYMBOL_DEF_USER
    pub has_user: bool,
    /// SYMBOL_VALID
    pub valid: bool,
    /// SYMBOL_WRITE
    pub write: bool,
    /// SYMBOL_NEED_SET_CHOICE_VALUES
    pub need_choice_values: bool,
}

/// Values for all symbols of a model.
#[derive(Clone, Debug)]
pub struct Configuration<'m> {
    pub(crate) model: &'m Model,
    pub(crate) states: Vec<State>,
    /// `visible.tri` of each property.
    pub(crate) visible: Vec<Tristate>,
    /// Values of shared expressions; 3 where none is known.
    expressions: Vec<u8>,
    /// The members of each choice (6.11 and later), the one that wins first (`choice_members`).
    pub(crate) members: Vec<Vec<SymbolId>>,
    /// `modules_val`
    modules: Tristate,
    /// `conf_changed`
    pub(crate) changed: bool,
    /// Warnings about unmet dependencies (`sym_warnings`).
    pub(crate) unmet: usize,
    /// What was said, in order.
    pub(crate) messages: Vec<Message>,
    depth: usize,
}

const UNKNOWN: u8 = 3;

impl<'m> Configuration<'m> {
    /// No user value anywhere, and nothing computed yet.
    pub fn new(model: &'m Model) -> Configuration<'m> {
        let states = model.symbols.iter().map(|symbol| {
            let mut state = State {
                logical: Tristate::No,
                text: None,
                selected: None,
                user: Tristate::No,
                user_text: None,
                user_selected: None,
                visible: Tristate::No,
                direct: Tristate::No,
                reverse: Tristate::No,
                implied: Tristate::No,
                has_user: false,
                valid: false,
                write: false,
                need_choice_values: false,
            };
            if symbol.constant && symbol.kind == SymbolType::Tristate {
                state.valid = true;
                state.text = symbol.name.clone();
                state.logical = match symbol.name.as_deref() {
                    Some("y") => Tristate::Yes,
                    Some("m") => Tristate::Module,
                    _ => Tristate::No,
                };
            }
            state
        });
        Configuration {
            model,
            states: states.collect(),
            visible: vec![Tristate::No; model.properties.len()],
            expressions: vec![
                UNKNOWN;
                if model.expressions.are_shared() { model.expressions.count() } else { 0 }
            ],
            members: model.symbols.iter().map(|symbol| symbol.members.clone()).collect(),
            modules: Tristate::No,
            changed: true,
            unmet: 0,
            messages: Vec::new(),
            depth: 0,
        }
    }

    /// The model it is of.
    pub fn model(&self) -> &'m Model {
        self.model
    }

    pub(crate) fn state(&self, id: SymbolId) -> &State {
        &self.states[id.index()]
    }

    pub(crate) fn state_mut(&mut self, id: SymbolId) -> &mut State {
        &mut self.states[id.index()]
    }

    /// The value of a bool or tristate, computed if need be.
    pub fn logical(&mut self, id: SymbolId) -> Tristate {
        self.calculate(id);
        self.state(id).logical
    }

    /// The value as `.config` would have it without quotes (`sym_get_string_value()`), computed if need be.
    pub fn text(&mut self, id: SymbolId) -> Arc<str> {
        self.calculate(id);
        self.current_text(id)
    }

    /// The value as it stands, not computed.
    pub(crate) fn current_text(&self, id: SymbolId) -> Arc<str> {
        let state = self.state(id);
        match self.model.symbol(id).kind.is_logical() {
            true => Arc::from(state.logical.letter()),
            false => state.text.clone().unwrap_or_else(|| Arc::from("")),
        }
    }

    /// The value without a copy.
    pub(crate) fn current(&self, id: SymbolId) -> &str {
        let state = self.state(id);
        match self.model.symbol(id).kind.is_logical() {
            true => state.logical.letter(),
            false => state.text.as_deref().unwrap_or_default(),
        }
    }

    /// What the user set.
    pub fn user_value(&self, id: SymbolId) -> Option<UserValue> {
        let state = self.state(id);
        match self.model.symbol(id).kind.is_logical() {
            _ if !state.has_user => None,
            true => Some(UserValue::Logical(state.user)),
            false => state.user_text.clone().map(UserValue::Text),
        }
    }

    /// How far the user can set it: n means not at all.
    pub fn visibility(&mut self, id: SymbolId) -> Tristate {
        self.calculate(id);
        self.state(id).visible
    }

    /// What selects demand of it at least.
    pub fn selected(&mut self, id: SymbolId) -> Tristate {
        self.calculate(id);
        self.state(id).reverse
    }

    /// What implies would make it.
    pub fn implied(&mut self, id: SymbolId) -> Tristate {
        self.calculate(id);
        self.state(id).implied
    }

    /// Whether `.config` has a line for it.
    pub fn is_written(&mut self, id: SymbolId) -> bool {
        self.calculate(id);
        self.state(id).write
    }

    /// Whether the user can change it (`sym_is_changeable()`).
    pub fn is_changeable(&mut self, id: SymbolId) -> bool {
        self.calculate(id);
        self.can_change(id)
    }

    pub(crate) fn can_change(&self, id: SymbolId) -> bool {
        let plain_choice = self.model.dialect.plain_choices() && self.model.symbol(id).is_choice;
        !plain_choice && self.state(id).visible > self.state(id).reverse
    }

    /// Whether it is a member of a choice.
    pub(crate) fn is_member(&self, id: SymbolId) -> bool {
        self.model.symbol(id).choice.is_some()
    }

    /// The type, with tristate taken for bool where there can be no modules (`sym_get_type()`).
    pub(crate) fn kind(&self, id: SymbolId) -> SymbolType {
        let kind = self.model.symbol(id).kind;
        let set_by_choice = !self.model.dialect.plain_choices()
            && self.is_member(id)
            && self.state(id).visible == Tristate::Yes;
        match kind == SymbolType::Tristate && (set_by_choice || self.modules == Tristate::No) {
            true => SymbolType::Boolean,
            false => kind,
        }
    }

    /// Forgets all computed values (`sym_clear_all_valid()`).
    pub fn invalidate(&mut self) {
        self.forget();
        self.changed = true;
        self.calculate(self.model.modules);
    }

    pub(crate) fn forget(&mut self) {
        for id in &self.model.order {
            self.states[id.index()].valid = false;
        }
        self.expressions.fill(UNKNOWN);
    }

    /// Computes every symbol, in the C tool's order.
    pub fn calculate_all(&mut self) {
        for &id in &self.model.order {
            self.calculate(id);
        }
    }

    /// The first property of the kind whose condition holds; its visibility is kept.
    fn first_visible(&mut self, id: SymbolId, kind: PropertyKind) -> Option<PropertyId> {
        let model = self.model;
        for &property in &model.symbol(id).properties {
            if model.property(property).kind == kind {
                let visible = self.evaluate(model.property(property).condition);
                self.visible[property.index()] = visible;
                if visible != Tristate::No {
                    return Some(property);
                }
            }
        }
        None
    }

    /// The default that holds (`sym_get_default_prop()`).
    pub fn default_in_force(&mut self, id: SymbolId) -> Option<PropertyId> {
        self.first_visible(id, PropertyKind::Default)
    }

    /// The range that holds (`sym_get_range_prop()`).
    pub fn range_in_force(&mut self, id: SymbolId) -> Option<PropertyId> {
        self.first_visible(id, PropertyKind::Range)
    }

    pub(crate) fn error(&mut self, text: String) {
        self.messages.push(Message { stream: Stream::Error, text });
    }

    /// Takes what was said since the last time.
    pub fn take_messages(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }

    /// An expression with its symbols' values, as the C tool shows it (`expr_gstr_print()`).
    pub fn explain(&self, id: Option<ExpressionId>) -> String {
        let mut text = String::new();
        self.explain_into(id, &mut text);
        text
    }

    pub(crate) fn explain_into(&self, id: Option<ExpressionId>, text: &mut String) {
        self.model.print(id, &mut |(part, symbol)| {
            text.push_str(part);
            if let Some(symbol) = symbol
                && self.model.symbol(symbol).kind != SymbolType::Unknown
            {
                text.push_str(" [=");
                text.push_str(self.current(symbol));
                text.push(']');
            }
        });
    }
}
