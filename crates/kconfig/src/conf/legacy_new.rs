//! Answering everything that has no value yet, before 6.11 (kernel 6.1: `conf_set_all_new_symbols()` of scripts/kconfig/conf.c).

use super::Session;
use super::all_new::{Answer, Chances};
use crate::model::{SymbolId, Tristate};

impl Session<'_, '_> {
    pub(super) fn legacy_set_all_new(&mut self, answer: Answer, chances: Chances) -> bool {
        let mut changed = self.legacy_answer(answer, chances);
        self.configuration.invalidate();
        let model = self.model;
        if answer != Answer::Random {
            for &id in &model.order {
                let symbol = model.symbol(id);
                let open = symbol.is_choice && !self.configuration.state(id).has_user;
                if open || symbol.choice.is_some() {
                    self.configuration.state_mut(id).need_choice_values = true;
                }
            }
        }
        for &id in &model.order {
            if self.configuration.state(id).has_user || !model.symbol(id).is_choice {
                continue;
            }
            self.configuration.calculate(id);
            if answer == Answer::Random {
                changed |= self.legacy_set_choice_randomly(id);
            } else {
                self.configuration.legacy_set_members(id);
                changed = true;
            }
        }
        changed
    }

    fn legacy_answer(&mut self, answer: Answer, chances: Chances) -> bool {
        let model = self.model;
        let mut changed = false;
        for &id in &model.order {
            let state = self.configuration.state(id);
            if state.has_user || state.valid || !self.configuration.kind(id).is_logical() {
                continue;
            }
            changed = true;
            let value = match answer {
                Answer::Default => continue,
                Answer::Value(value) => value,
                Answer::Random => self.draw(model.symbol(id).kind, chances),
            };
            let keep_open = model.symbol(id).is_choice && answer == Answer::Random;
            let state = self.configuration.state_mut(id);
            state.user = value;
            state.has_user |= !keep_open;
        }
        changed
    }

    /// `randomize_choice_values()`
    fn legacy_set_choice_randomly(&mut self, choice: SymbolId) -> bool {
        if self.configuration.state(choice).logical != Tristate::Yes {
            return false;
        }
        let members = &self.model.symbol(choice).members;
        if members.is_empty() {
            return false;
        }
        let drawn = self.random.next() as usize % members.len();
        for (index, &member) in members.iter().enumerate() {
            let state = self.configuration.state_mut(member);
            state.user = if index == drawn { Tristate::Yes } else { Tristate::No };
            (state.has_user, state.valid) = (true, false);
        }
        let state = self.configuration.state_mut(choice);
        state.user_selected = Some(members[drawn]);
        (state.has_user, state.valid) = (true, false);
        true
    }
}
