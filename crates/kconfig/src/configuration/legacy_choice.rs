//! Choices before 6.11: a choice is a symbol with a value of its own, which holds the selected member (kernel 6.1:
//! `sym_calc_choice()` of scripts/kconfig/symbol.c, `set_all_choice_values()` of confdata.c).

use super::Configuration;
use crate::model::{SymbolId, Tristate};

impl Configuration<'_> {
    /// `sym_calc_choice()`: the member to be set; without one the choice's own value falls to n.
    pub(super) fn legacy_select(&mut self, choice: SymbolId) -> Option<SymbolId> {
        let model = self.model;
        let mut all_have_user = true;
        for &member in &model.symbol(choice).members {
            self.calculate_visibility(member);
            let state = self.state(member);
            all_have_user &= state.visible == Tristate::No || state.has_user;
        }
        // A choice is new as long as one of its visible members is.
        self.state_mut(choice).has_user &= all_have_user;
        let user = self.state(choice).user_selected;
        if let Some(member) = user.filter(|&member| self.state(member).visible != Tristate::No) {
            return Some(member);
        }
        let default = self.legacy_choice_default(choice);
        if default.is_none() {
            self.state_mut(choice).logical = Tristate::No;
        }
        default
    }

    /// `sym_choice_default()`
    pub(crate) fn legacy_choice_default(&mut self, choice: SymbolId) -> Option<SymbolId> {
        let model = self.model;
        self.declared_default(choice).or_else(|| {
            let mut members = model.symbol(choice).members.iter().copied();
            members.find(|&member| self.state(member).visible != Tristate::No)
        })
    }

    /// The member of a choice that the user selected (before 6.11).
    pub fn user_selected(&self, choice: SymbolId) -> Option<SymbolId> {
        self.state(choice).user_selected
    }

    pub(super) fn legacy_write_members(&mut self, choice: SymbolId) {
        if !self.state(choice).write {
            return;
        }
        for &member in &self.model.symbol(choice).members {
            let state = self.state_mut(member);
            state.write |= state.visible != Tristate::No;
        }
    }

    /// `set_all_choice_values()`: members the user said nothing about are n.
    pub(crate) fn legacy_set_members(&mut self, choice: SymbolId) {
        for &member in &self.model.symbol(choice).members {
            let state = self.state_mut(member);
            if !state.has_user {
                state.user = Tristate::No;
            }
        }
        let state = self.state_mut(choice);
        state.has_user = true;
        state.valid = false;
        state.need_choice_values = false;
    }
}
