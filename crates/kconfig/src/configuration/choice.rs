//! Choices since 6.11: of the visible members exactly one is set (kernel: `sym_calc_choice()` of scripts/kconfig/symbol.c).

use super::Configuration;
use crate::model::{MenuId, PropertyKind, SymbolId, Tristate};

impl Configuration<'_> {
    /// The choice's default: the first default whose member is visible, else the first visible member
    /// (`sym_choice_default()`).
    pub(crate) fn choice_default(&mut self, menu: MenuId) -> Option<SymbolId> {
        let model = self.model;
        let choice = model.menu(menu).symbol?;
        if let Some(member) = self.declared_default(choice) {
            return Some(member);
        }
        let mut members = model.below(menu).filter_map(|menu| model.menu(menu).symbol);
        members.find(|&member| self.state(member).visible != Tristate::No)
    }

    /// The first `default` of a choice whose condition holds and whose member is visible.
    pub(super) fn declared_default(&mut self, choice: SymbolId) -> Option<SymbolId> {
        let model = self.model;
        for &id in &model.symbol(choice).properties {
            let property = model.property(id);
            if property.kind != PropertyKind::Default {
                continue;
            }
            self.visible[id.index()] = self.evaluate(property.condition);
            if self.visible[id.index()] == Tristate::No {
                continue;
            }
            let member = self.single_symbol(property.value);
            if let Some(member) = member.filter(|&member| self.state(member).visible != Tristate::No) {
                return Some(member);
            }
        }
        None
    }

    /// Computes all members of a choice; gives the one that is set.
    pub(crate) fn calculate_choice(&mut self, menu: MenuId) -> Option<SymbolId> {
        let model = self.model;
        let choice = model.menu(menu).symbol?;
        let selected = self.select(menu, choice);
        for entry in model.below(menu) {
            let Some(member) = model.menu(entry).symbol else { continue };
            let state = self.state_mut(member);
            if state.visible == Tristate::No {
                continue;
            }
            state.logical = if selected == Some(member) { Tristate::Yes } else { Tristate::No };
            state.valid = true;
            state.write = true;
        }
        selected
    }

    fn select(&mut self, menu: MenuId, choice: SymbolId) -> Option<SymbolId> {
        let model = self.model;
        // The user's y, in the order of priority.
        for index in 0..self.members[choice.index()].len() {
            let member = self.members[choice.index()][index];
            self.calculate_visibility(member);
            let state = self.state(member);
            if state.visible != Tristate::No && state.has_user && state.user == Tristate::Yes {
                return Some(member);
            }
        }
        // The default, unless the user said n.
        let default = self.choice_default(menu);
        let refused = |state: &super::State| state.has_user && state.user == Tristate::No;
        if let Some(default) = default.filter(|&default| !refused(self.state(default))) {
            return Some(default);
        }
        // The first the user said nothing about.
        let mut members = model.below(menu).filter_map(|menu| model.menu(menu).symbol);
        let undecided = |state: &super::State| state.visible != Tristate::No && !state.has_user;
        if let Some(member) = members.find(|&member| undecided(self.state(member))) {
            return Some(member);
        }
        // The n that counts least.
        let members = self.members[choice.index()].iter().rev();
        members.copied().find(|&member| self.state(member).visible != Tristate::No)
    }

    /// The members of a choice, the one whose user value counts most first (6.11 and later).
    pub fn members_by_priority(&self, choice: SymbolId) -> &[SymbolId] {
        &self.members[choice.index()]
    }

    /// Puts a member before all others of its choice (`list_move()`).
    pub(crate) fn put_first(&mut self, choice: SymbolId, member: SymbolId) {
        let members = &mut self.members[choice.index()];
        if let Some(at) = members.iter().position(|&it| it == member) {
            members[..=at].rotate_right(1);
        }
    }

    /// Puts a member behind all others of its choice (`list_move_tail()`).
    pub(crate) fn put_last(&mut self, choice: SymbolId, member: SymbolId) {
        let members = &mut self.members[choice.index()];
        if let Some(at) = members.iter().position(|&it| it == member) {
            members[at..].rotate_left(1);
        }
    }
}
