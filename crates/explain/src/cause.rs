//! What gave a symbol its value: one step, by the rules the engine computed it with (kernel: `sym_calc_value()` of
//! scripts/kconfig/symbol.c).

use kconfig::{ExpressionId, MenuId, PropertyId, PropertyKind, SymbolId, Tristate, UserValue};

use crate::resolved::Resolved;

/// What a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody asked for it.
    Asked,
    /// Nobody did, and allnoconfig's answer is n.
    Unasked,
    /// These selects.
    Selected(Vec<PropertyId>),
    /// These implies.
    Implied(Vec<PropertyId>),
    /// This default.
    Default(PropertyId),
    /// It is a choice's member that is set although nobody asked for it; by this default of the choice, or as its first member.
    Chosen(MenuId, Option<PropertyId>),
    /// It is a choice's member, and this other one is set.
    Outvoted(MenuId, Option<SymbolId>),
    /// Nothing gives it a value.
    Nothing,
}

impl Resolved<'_> {
    /// What gave a symbol its value.
    pub(crate) fn cause(&mut self, id: SymbolId) -> Cause {
        let visible = self.configuration.visibility(id);
        if let Some(choice) = self.choice_of(id).filter(|_| visible != Tristate::No) {
            return self.cause_in_choice(id, choice);
        }
        let user = self.configuration.user_value(id).filter(|_| visible != Tristate::No);
        if !self.model.symbol(id).kind.is_logical() {
            return match user {
                Some(_) => self.asked_or_unasked(id),
                None => self.default_or_nothing(id),
            };
        }
        let value = self.configuration.logical(id);
        let reached = |this: &mut Self, made: Tristate| made >= this.enough(id, value);
        if let Some(UserValue::Logical(user)) = user
            && reached(self, user.min(visible))
        {
            return self.asked_or_unasked(id);
        }
        if value == Tristate::No {
            return Cause::Nothing;
        }
        if self.configuration.selected(id) >= value {
            return Cause::Selected(self.in_force(id, PropertyKind::Select));
        }
        let default = self.configuration.default_in_force(id);
        if let Some(default) = default {
            let property = self.model.property(default);
            let made = self.configuration.evaluate(property.value);
            let made = made.min(self.configuration.evaluate(property.condition));
            if reached(self, made) {
                return Cause::Default(default);
            }
        }
        match self.in_force(id, PropertyKind::Imply) {
            implies if implies.is_empty() => self.default_or_nothing(id),
            implies => Cause::Implied(implies),
        }
    }

    fn asked_or_unasked(&self, id: SymbolId) -> Cause {
        if self.requests.contains_key(&id) { Cause::Asked } else { Cause::Unasked }
    }

    fn default_or_nothing(&mut self, id: SymbolId) -> Cause {
        self.configuration.default_in_force(id).map_or(Cause::Nothing, Cause::Default)
    }

    fn cause_in_choice(&mut self, id: SymbolId, choice: MenuId) -> Cause {
        if self.configuration.logical(id) == Tristate::No {
            return Cause::Outvoted(choice, self.winner(choice));
        }
        let asked = self.requests.get(&id).is_some_and(|request| request.value.starts_with(['y', 'm']));
        if asked { Cause::Asked } else { Cause::Chosen(choice, self.choice_default(choice)) }
    }

    /// The member of a choice that is set.
    pub(crate) fn winner(&mut self, choice: MenuId) -> Option<SymbolId> {
        let members = self.members(choice);
        members.into_iter().find(|&member| self.configuration.logical(member) == Tristate::Yes)
    }

    /// The members of a choice, in the order of the files.
    pub(crate) fn members(&self, choice: MenuId) -> Vec<SymbolId> {
        let symbols = self.model.below(choice).filter_map(|menu| self.model.menu(menu).symbol);
        symbols.filter(|&member| self.choice_of(member) == Some(choice)).collect()
    }

    /// The default of a choice that holds and whose member can be seen.
    fn choice_default(&mut self, choice: MenuId) -> Option<PropertyId> {
        let symbol = self.model.menu(choice).symbol?;
        let model = self.model;
        for (id, property) in model.properties_of(symbol, PropertyKind::Default) {
            let member = self.single(property.value);
            let seen = member.is_some_and(|it| self.configuration.visibility(it) != Tristate::No);
            if seen && self.configuration.evaluate(property.condition) != Tristate::No {
                return Some(id);
            }
        }
        None
    }

    /// The selects or implies that make a symbol what it is: those that give the most.
    pub(crate) fn in_force(&mut self, id: SymbolId, kind: PropertyKind) -> Vec<PropertyId> {
        let all = if kind == PropertyKind::Select { &self.selects } else { &self.implies };
        let all = all.get(&id).cloned().unwrap_or_default();
        let weighed: Vec<(Tristate, PropertyId)> =
            all.into_iter().map(|property| (self.weight(property), property)).collect();
        let most = weighed.iter().map(|(weight, _)| *weight).max().unwrap_or_default();
        let most = weighed.into_iter().filter(|(weight, _)| *weight == most && most != Tristate::No);
        most.map(|(_, property)| property).collect()
    }

    /// How much a select or imply demands.
    fn weight(&mut self, property: PropertyId) -> Tristate {
        let Some(owner) = self.owner(property) else { return Tristate::No };
        let condition: Option<ExpressionId> = self.model.property(property).condition;
        self.configuration.logical(owner).min(self.configuration.evaluate(condition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const TEXT: &str = concat!(
        "config MODULES\n\tbool \"modules\"\n\tmodules\n",
        "config A\n\tbool \"a\"\n\tselect LIB if B\n\tselect OTHER\n",
        "config B\n\tbool \"b\"\n\timply MAYBE\n",
        "config LIB\n\ttristate\n",
        "config OTHER\n\tbool \"o\"\n",
        "config MAYBE\n\ttristate \"maybe\" if C\n",
        "config C\n\tbool \"c\"\n",
        "config AUTO\n\tbool\n\tdefault B if C\n\tdefault y if A\n",
        "config SIZE\n\tint \"size\" if C\n\tdefault 3 if A\n\tdefault 4\n",
        "config NONE\n\tbool\n"
    );

    fn cause(requests: &[&str], name: &str) -> Cause {
        let model = fixture::model(TEXT);
        let mut resolved = fixture::asked(&model, requests);
        let id = resolved.find(name).unwrap();
        resolved.cause(id)
    }

    #[test]
    fn each_rule_is_recognized() {
        assert_eq!(cause(&["A=y"], "A"), Cause::Asked);
        assert_eq!(cause(&["A=y"], "B"), Cause::Unasked);
        assert!(matches!(cause(&["A=y", "B=y"], "LIB"), Cause::Selected(by) if by.len() == 1));
        assert_eq!(cause(&["A=y"], "LIB"), Cause::Nothing);
        // Selected, though the answer was n.
        assert!(matches!(cause(&["A=y", "OTHER=n"], "OTHER"), Cause::Selected(_)));
        // Asked for and selected: it would be so without the select.
        assert_eq!(cause(&["A=y", "OTHER=y"], "OTHER"), Cause::Asked);
        assert!(matches!(cause(&["B=y"], "MAYBE"), Cause::Implied(_)));
        assert!(matches!(cause(&["A=y"], "AUTO"), Cause::Default(_)));
        assert!(matches!(cause(&[], "SIZE"), Cause::Default(_)));
        assert_eq!(cause(&["C=y", "SIZE=9"], "SIZE"), Cause::Asked);
        assert_eq!(cause(&[], "NONE"), Cause::Nothing);
    }

    #[test]
    fn a_choice_is_won_or_lost() {
        const CHOICE: &str = concat!(
            "choice\n\tprompt \"which\"\n\tdefault TWO if EXTRA\nconfig ONE\n\tbool \"1\"\nconfig TWO\n\tbool \"2\"\n",
            "endchoice\nconfig EXTRA\n\tbool \"e\"\n"
        );
        for dialect in [kconfig::Dialect::of(6, 1), kconfig::Dialect::of(6, 12)] {
            let model = fixture::model_of(CHOICE, dialect);
            let cause = |requests: &[&str], name: &str| {
                let mut resolved = fixture::asked(&model, requests);
                let id = resolved.find(name).unwrap();
                resolved.cause(id)
            };
            assert!(matches!(cause(&[], "ONE"), Cause::Chosen(_, None)), "{dialect}");
            assert!(matches!(cause(&["EXTRA=y"], "TWO"), Cause::Chosen(_, Some(_))), "{dialect}");
            assert_eq!(cause(&["TWO=y"], "TWO"), Cause::Asked, "{dialect}");
            assert!(matches!(cause(&["TWO=y"], "ONE"), Cause::Outvoted(_, Some(_))), "{dialect}");
        }
    }
}
