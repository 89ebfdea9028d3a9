//! Answering everything that has no value yet (kernel: `conf_set_all_new_symbols()` of scripts/kconfig/conf.c).

use super::{Done, Exit, Session};
use crate::model::{MenuId, ROOT, SymbolType, Tristate};

/// The answer to all questions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Default,
    Value(Tristate),
    Random,
}

/// How likely the answers are, in percent.
#[derive(Clone, Copy)]
pub(super) struct Chances {
    bool_yes: i64,
    tristate_yes: i64,
    tristate_module: i64,
}

impl Session<'_, '_> {
    /// Gives the answer everywhere. Before 6.11 it must be called again with [`Answer::Random`] while it gives true.
    pub(super) fn set_all_new(&mut self, answer: Answer) -> Done<bool> {
        let chances = match answer {
            Answer::Random => self.chances()?,
            _ => Chances { bool_yes: 50, tristate_yes: 33, tristate_module: 33 },
        };
        if !self.model.dialect.plain_choices() {
            return Ok(self.legacy_set_all_new(answer, chances));
        }
        let model = self.model;
        for menu in model.below(ROOT) {
            let Some(id) = model.menu(menu).symbol else { continue };
            let symbol = model.symbol(id);
            let state = self.configuration.state(id);
            if model.menu(menu).prompt.is_none()
                || state.has_user
                || !symbol.kind.is_logical()
                || symbol.choice.is_some()
            {
                continue;
            }
            if symbol.is_choice {
                if answer == Answer::Random {
                    self.set_choice_randomly(menu);
                }
                continue;
            }
            let value = match answer {
                Answer::Default => continue,
                Answer::Value(value) => value,
                Answer::Random => self.draw(symbol.kind, chances),
            };
            let state = self.configuration.state_mut(id);
            (state.user, state.has_user) = (value, true);
        }
        self.configuration.invalidate();
        Ok(false)
    }

    /// A value by chance.
    pub(super) fn draw(&mut self, kind: SymbolType, chances: Chances) -> Tristate {
        let number = i64::from(self.random.next() % 100);
        match kind {
            SymbolType::Tristate if number < chances.tristate_yes => Tristate::Yes,
            SymbolType::Tristate if number < chances.tristate_yes + chances.tristate_module => {
                Tristate::Module
            }
            SymbolType::Tristate => Tristate::No,
            _ if number < chances.bool_yes => Tristate::Yes,
            _ => Tristate::No,
        }
    }

    /// `randomize_choice_values()`: an order of preference for the members without a value.
    fn set_choice_randomly(&mut self, menu: MenuId) {
        let model = self.model;
        let Some(choice) = model.menu(menu).symbol else { return };
        let members = || model.below(menu).filter_map(|menu| model.menu(menu).symbol);
        let mut count = members().filter(|&id| !self.configuration.state(id).has_user).count();
        while count > 0 {
            let mut left = i64::from(self.random.next()) % count as i64;
            for id in members() {
                if !self.configuration.state(id).has_user {
                    left -= 1;
                }
                if left < 0 {
                    let state = self.configuration.state_mut(id);
                    (state.user, state.has_user) = (Tristate::Yes, true);
                    self.configuration.put_last(choice, id);
                    break;
                }
            }
            count -= 1;
        }
    }

    /// KCONFIG_PROBABILITY
    fn chances(&mut self) -> Done<Chances> {
        let text = self.variable("KCONFIG_PROBABILITY").unwrap_or_default();
        let mut rest = text.as_str();
        let mut given = Vec::new();
        while !rest.is_empty() && given.len() < 3 {
            let (number, after) = crate::value::leading_number(rest, 10);
            if !(0..=100).contains(&number) {
                return self.bad_chances();
            }
            given.push(number);
            rest = after.strip_prefix(':').unwrap_or(after);
        }
        let chances = match given[..] {
            [all] => Chances { bool_yes: all, tristate_yes: all - all / 2, tristate_module: all / 2 },
            [yes, module] => Chances { bool_yes: yes + module, tristate_yes: yes, tristate_module: module },
            [all, yes, module] => Chances { bool_yes: all, tristate_yes: yes, tristate_module: module },
            _ => Chances { bool_yes: 50, tristate_yes: 33, tristate_module: 33 },
        };
        match chances.tristate_yes + chances.tristate_module > 100 {
            true => self.bad_chances(),
            false => Ok(chances),
        }
    }

    fn bad_chances(&mut self) -> Done<Chances> {
        self.complain("KCONFIG_PROBABILITY: Numerical result out of range\n");
        Err(Exit(1))
    }
}
