//! Choices: of the visible members one is set.

use kconfig::{MenuId, PropertyKind, SymbolId, Tristate, UserValue};
use rustsat::types::Lit;

use super::{Encoder, Knob};
use crate::circuit::Level;

/// One that may be set.
#[derive(Clone, Copy)]
struct Member {
    id: SymbolId,
    /// What the user said of it.
    user: Option<Tristate>,
    visible: Lit,
    chosen: Lit,
}

impl Encoder<'_> {
    /// The rules of a choice since 6.11 (`sym_calc_choice()`): the user's member, the first of `default` that is visible, the first
    /// visible.
    pub(super) fn expand_choice(&mut self, menu: MenuId) {
        let model = self.model;
        let Some(choice) = model.menu(menu).symbol else { return };
        let mut members: Vec<Member> = Vec::new();
        for id in model.below(menu).filter_map(|menu| model.menu(menu).symbol) {
            let is_known = members.iter().any(|member| member.id == id);
            if is_known || model.choice_menu_of(id) != Some(menu) {
                continue;
            }
            self.expanded[id.index()] = true;
            self.guard(id);
            let visible = self.visibility(id).some;
            let chosen = self.circuit.fresh();
            self.circuit.add(&[!chosen, visible]);
            let user = match self.base.user_value(id) {
                Some(UserValue::Logical(value)) => Some(value),
                _ => None,
            };
            members.push(Member { id, user, visible, chosen });
        }
        let chosen: Vec<Lit> = members.iter().map(|member| member.chosen).collect();
        self.circuit.at_most_one(&chosen);
        for member in &members {
            // One that is visible means that one is set.
            let clause: Vec<Lit> = chosen.iter().copied().chain([!member.visible]).collect();
            self.circuit.add(&clause);
        }
        let changed = self.circuit.fresh();
        let knob = members.iter().map(|member| (member.id, member.chosen)).collect();
        self.knobs.push((changed, Knob::Choice(knob)));
        self.unchanged_choice(choice, &members, changed);
        for member in members {
            let (guard, level) = (self.guard(member.id), self.value(member.id));
            let value = Level { some: member.chosen, yes: member.chosen };
            self.circuit.tie_levels(guard, level, value);
        }
    }

    /// Which member is set where nobody changes it.
    fn unchanged_choice(&mut self, choice: SymbolId, members: &[Member], changed: Lit) {
        let find = |id: SymbolId| members.iter().find(|member| member.id == id).copied();
        let by_priority: Vec<SymbolId> = self.base.members_by_priority(choice).to_vec();
        let by_priority: Vec<Member> = by_priority.into_iter().filter_map(find).collect();
        let mut open = !changed;
        for member in by_priority.iter().filter(|member| member.user == Some(Tristate::Yes)) {
            open = self.take(open, member.visible, *member);
        }
        // The default, unless the user said n to it.
        let mut refused = Vec::new();
        let mut defaults = self.declared_defaults(choice, members);
        defaults.extend(members.iter().map(|member| (member.visible, *member)));
        for (holds, member) in defaults {
            if member.user == Some(Tristate::No) {
                refused.push(self.circuit.all(&[open, holds]));
                open = self.circuit.all(&[open, !holds]);
            } else {
                open = self.take(open, holds, member);
            }
        }
        let mut open = self.circuit.any(&refused);
        for member in members.iter().filter(|member| member.user.is_none()) {
            open = self.take(open, member.visible, *member);
        }
        for member in by_priority.iter().rev() {
            open = self.take(open, member.visible, *member);
        }
    }

    /// The members that `default` names, and where each would be set.
    fn declared_defaults(&mut self, choice: SymbolId, members: &[Member]) -> Vec<(Lit, Member)> {
        let model = self.model;
        let find = |id: SymbolId| members.iter().find(|member| member.id == id).copied();
        let mut defaults = Vec::new();
        for (_, property) in model.properties_of(choice, PropertyKind::Default) {
            let condition = self.condition(property.condition).some;
            let named = property.value.map(|value| model.expressions().get(value));
            if let Some(kconfig::Expression::Symbol(id)) = named
                && let Some(member) = find(id)
            {
                defaults.push((self.circuit.all(&[condition, member.visible]), member));
            }
        }
        defaults
    }

    /// Where `open` and `holds`, the member is set; gives where it is still open.
    fn take(&mut self, open: Lit, holds: Lit, member: Member) -> Lit {
        self.circuit.add(&[!open, !holds, member.chosen]);
        self.circuit.all(&[open, !holds])
    }

    /// Before 6.11: whether a fully visible member is the chosen one.
    pub(super) fn legacy_member(&mut self, id: SymbolId, visible: Level) -> Lit {
        let model = self.model;
        let Some(choice) = model.symbol(id).choice else { return self.circuit.no() };
        if let Some((_, chosen)) = self.legacy_chosen(choice).into_iter().find(|(member, _)| *member == id) {
            self.circuit.add(&[!chosen, visible.some]);
            return chosen;
        }
        self.circuit.no()
    }

    fn legacy_chosen(&mut self, choice: SymbolId) -> Vec<(SymbolId, Lit)> {
        let known = self.knobs.iter().find_map(|(_, knob)| match knob {
            Knob::Choice(members) if self.model.symbol(members.first()?.0).choice == Some(choice) => {
                Some(members.clone())
            }
            _ => None,
        });
        if let Some(members) = known {
            return members;
        }
        let model = self.model;
        let members: Vec<Member> = model
            .symbol(choice)
            .members
            .iter()
            .map(|&id| Member {
                id,
                user: None,
                visible: self.visibility(id).some,
                chosen: self.circuit.fresh(),
            })
            .collect();
        let chosen: Vec<Lit> = members.iter().map(|member| member.chosen).collect();
        self.circuit.at_most_one(&chosen);
        let changed = self.circuit.fresh();
        let mut open = !changed;
        let user = self.base.user_selected(choice);
        if let Some(member) = members.iter().find(|member| Some(member.id) == user) {
            open = self.take(open, member.visible, *member);
        }
        for (holds, member) in self.declared_defaults(choice, &members) {
            open = self.take(open, holds, member);
        }
        for member in &members {
            open = self.take(open, member.visible, *member);
        }
        let members: Vec<(SymbolId, Lit)> =
            members.into_iter().map(|member| (member.id, member.chosen)).collect();
        self.knobs.push((changed, Knob::Choice(members.clone())));
        members
    }

    /// Before 6.11: a choice's own value; it falls to n where no member can be set.
    pub(super) fn legacy_choice(&mut self, value: Level) -> Level {
        if self.model.dialect().plain_choices() {
            return value;
        }
        let falls = self.circuit.fresh();
        let no = self.circuit.level(Tristate::No);
        self.circuit.choose_level(falls, no, value)
    }
}
