//! What a user sets (kernel: `sym_set_tristate_value()`, `sym_set_string_value()`, `choice_set_value()` of
//! scripts/kconfig/symbol.c).

use std::sync::Arc;

use super::Configuration;
use crate::model::{MenuId, SymbolId, SymbolType, Tristate};
use crate::value;

impl Configuration<'_> {
    /// Whether the user may set a bool or tristate to the value (`sym_tristate_within_range()`).
    pub fn is_allowed(&self, id: SymbolId, value: Tristate) -> bool {
        let kind = self.kind(id);
        let state = self.state(id);
        if state.visible == Tristate::No
            || !kind.is_logical()
            || (kind == SymbolType::Boolean && value == Tristate::Module)
            || state.visible <= state.reverse
        {
            return false;
        }
        if !self.model.dialect.plain_choices() && self.is_member(id) && state.visible == Tristate::Yes {
            return value == Tristate::Yes;
        }
        value >= state.reverse && value <= state.visible
    }

    /// Sets a bool or tristate; false if that is not allowed.
    pub fn set_logical(&mut self, id: SymbolId, value: Tristate) -> bool {
        let before = self.state(id).logical;
        if self.model.dialect.plain_choices() {
            if !self.is_allowed(id, value) {
                return false;
            }
            let state = self.state_mut(id);
            (state.user, state.has_user) = (value, true);
        } else {
            if before != value && !self.is_allowed(id, value) {
                return false;
            }
            self.state_mut(id).has_user = true;
            if value == Tristate::Yes
                && let Some(choice) = self.model.symbol(id).choice
            {
                self.legacy_choose(choice, id);
            }
            self.state_mut(id).user = value;
        }
        if before != value {
            self.invalidate();
        }
        true
    }

    fn legacy_choose(&mut self, choice: SymbolId, id: SymbolId) {
        let state = self.state_mut(choice);
        state.user_selected = Some(id);
        state.has_user = true;
        for &member in &self.model.symbol(choice).members {
            let state = self.state_mut(member);
            state.has_user |= state.visible != Tristate::No;
        }
    }

    /// Sets a member of a choice (`choice_set_value()`, 6.11 and later).
    pub(crate) fn choose(&mut self, menu: MenuId, id: SymbolId) {
        let model = self.model;
        let Some(choice) = model.menu(menu).symbol else { return };
        let mut changed = false;
        for entry in model.below(menu) {
            let Some(member) = model.menu(entry).symbol else { continue };
            let value = if member == id { Tristate::Yes } else { Tristate::No };
            let state = self.state_mut(member);
            if state.visible == Tristate::No {
                continue;
            }
            changed |= state.logical != value;
            (state.user, state.has_user) = (value, true);
            self.put_first(choice, member);
        }
        if changed {
            self.invalidate();
        }
    }

    /// The member of a choice that is set, if it is in force (`sym_calc_choice()`; before 6.11 `sym_get_choice_value()`).
    pub fn selected_member(&mut self, choice: MenuId) -> Option<SymbolId> {
        let id = self.model.menu(choice).symbol.filter(|&id| self.model.symbol(id).is_choice)?;
        if self.model.dialect.plain_choices() {
            return self.calculate_choice(choice);
        }
        self.calculate(id);
        self.state(id).selected
    }

    /// Sets a member of a choice, as a user picks it from the list; false if that is not allowed.
    pub fn choose_member(&mut self, choice: MenuId, member: SymbolId) -> bool {
        if !self.model.dialect.plain_choices() {
            self.calculate(member);
            return self.set_logical(member, Tristate::Yes);
        }
        self.calculate_visibility(member);
        let is_member = self.model.choice_menu_of(member) == Some(choice);
        if !is_member || self.state(member).visible == Tristate::No {
            return false;
        }
        self.choose(choice, member);
        true
    }

    /// Sets a bool or tristate to the next value that is allowed, from n over m to y and back to n
    /// (`sym_toggle_tristate_value()`); gives the value it has then.
    pub fn toggle(&mut self, id: SymbolId) -> Tristate {
        if self.model.dialect.plain_choices()
            && let Some(choice) = self.model.choice_menu_of(id)
        {
            self.choose_member(choice, id);
            return self.logical(id);
        }
        let before = self.logical(id);
        let mut value = before;
        loop {
            value = match value {
                Tristate::No => Tristate::Module,
                Tristate::Module => Tristate::Yes,
                Tristate::Yes => Tristate::No,
            };
            if self.set_logical(id, value) || value == before {
                return self.logical(id);
            }
        }
    }

    /// The type as it is now: a tristate is a bool where there can be no modules (`sym_get_type()`).
    pub fn type_now(&mut self, id: SymbolId) -> SymbolType {
        self.calculate(id);
        self.kind(id)
    }

    /// Sets a symbol of any type from text, as a user would type it (`sym_set_string_value()`); false if that is not allowed.
    pub fn set_text(&mut self, id: SymbolId, text: &str) -> bool {
        let kind = self.model.symbol(id).kind;
        if kind.is_logical() {
            return match text.bytes().next() {
                Some(b'y' | b'Y') => self.set_logical(id, Tristate::Yes),
                Some(b'm' | b'M') => self.set_logical(id, Tristate::Module),
                Some(b'n' | b'N') => self.set_logical(id, Tristate::No),
                _ => false,
            };
        }
        if !self.is_text_allowed(id, text) {
            return false;
        }
        let prefixed = text.starts_with("0x") || text.starts_with("0X");
        let text = match kind == SymbolType::Hex && !prefixed {
            true => Arc::from(format!("0x{text}")),
            false if self.state(id).user_text.as_deref() == Some(text) => {
                self.state_mut(id).has_user = true;
                return true;
            }
            false => Arc::from(text),
        };
        let state = self.state_mut(id);
        (state.user_text, state.has_user) = (Some(text), true);
        self.invalidate();
        true
    }

    /// Whether an int, hex or string may have the value (`sym_string_within_range()`).
    pub fn is_text_allowed(&mut self, id: SymbolId, text: &str) -> bool {
        let kind = self.model.symbol(id).kind;
        let base = match kind {
            SymbolType::Int => 10,
            SymbolType::Hex => 16,
            SymbolType::String => return true,
            _ => return false,
        };
        if !value::is_valid(kind, text) {
            return false;
        }
        let Some((low, high)) = self.range_symbols(id) else { return true };
        let number = value::to_number(text, base);
        number >= self.range_number(low, base) && number <= self.range_number(high, base)
    }

    /// Sets a user value whatever is visible now, as reading it from a `.config` does; values are not computed anew until
    /// [`Configuration::invalidate`].
    pub fn assign(&mut self, id: SymbolId, value: super::UserValue) {
        let choice = self.model.choice_menu_of(id).and_then(|menu| self.model.menu(menu).symbol);
        let legacy = !self.model.dialect.plain_choices();
        let state = self.state_mut(id);
        state.has_user = true;
        match value {
            super::UserValue::Logical(value) => {
                state.user = value;
                if let Some(choice) = choice {
                    if !legacy {
                        self.put_first(choice, id);
                    } else if value == Tristate::Yes {
                        self.legacy_choose(choice, id);
                    }
                }
            }
            super::UserValue::Text(text) => state.user_text = Some(text),
        }
    }

    /// Takes a user value back.
    pub fn unset(&mut self, id: SymbolId) {
        let state = self.state_mut(id);
        state.has_user = false;
        state.user = Tristate::No;
        state.user_text = None;
    }
}
