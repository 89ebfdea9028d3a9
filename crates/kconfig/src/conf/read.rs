//! Reading `.config` (kernel: `conf_read_simple()` and `conf_read()` of scripts/kconfig/confdata.c).

use std::sync::Arc;

use super::{Done, Session};
use crate::model::{PropertyKind, SymbolId, SymbolType, Tristate};

/// What a file said of a symbol (`def[]` and its flag).
#[derive(Clone, Default)]
pub(super) struct Told {
    pub is_told: bool,
    pub logical: Tristate,
    pub text: Option<Arc<str>>,
    pub selected: Option<SymbolId>,
}

/// Which values a file is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A user's (S_DEF_USER).
    User,
    /// Those of the last build, in auto.conf (S_DEF_AUTO).
    Auto,
}

/// A line of a configuration that assigns something.
struct Line<'a> {
    name: &'a str,
    value: String,
}

impl Session<'_, '_> {
    /// The user's configuration, for the modes that begin with one; false if there is none.
    pub(super) fn read_config(&mut self, name: Option<&str>) -> Done<bool> {
        self.configuration.changed = false;
        let found = match name {
            Some(name) => self.read_user(name)?,
            None => self.read_default()?,
        };
        self.configuration.calculate(self.model.modules);
        if !found {
            return Ok(false);
        }
        let unsaved = self.count_unsaved();
        if self.model.dialect.plain_choices() {
            self.configuration.changed |= unsaved || self.warnings > 0;
        } else {
            let reset = self.legacy_reset(unsaved);
            self.configuration.changed |= unsaved || reset || self.warnings > 0;
        }
        Ok(true)
    }

    /// `.config`, else the first of KCONFIG_DEFCONFIG_LIST that is there.
    fn read_default(&mut self) -> Done<bool> {
        let name = self.config_name();
        if self.read_user(&name)? {
            return Ok(true);
        }
        self.configuration.changed = true;
        let list = self.variable("KCONFIG_DEFCONFIG_LIST").unwrap_or_default();
        let mut names: Vec<String> = list.split_ascii_whitespace().map(String::from).collect();
        if names.is_empty() {
            names = self.names_of_defconfig_list();
        }
        for name in names {
            if let Some(bytes) = crate::parser::read_below_srctree(self.host, &name) {
                self.tell(&format!("using defaults found in {name}"));
                self.take_lines(&name, &bytes)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The defaults of the symbol with `option defconfig_list` (until 5.12).
    fn names_of_defconfig_list(&mut self) -> Vec<String> {
        let Some(list) = self.model.defconfig_list else { return Vec::new() };
        let model = self.model;
        self.configuration.calculate(list);
        let mut names = Vec::new();
        for (_, property) in model.properties_of(list, PropertyKind::Default) {
            if self.configuration.evaluate(property.condition) == Tristate::No {
                continue;
            }
            if let Some(symbol) = self.configuration.single_symbol(property.value) {
                names.push(model.name(symbol).to_string());
            }
        }
        names
    }

    /// Reads a file of user values; false if it is not there.
    pub(super) fn read_user(&mut self, name: &str) -> Done<bool> {
        let Some(bytes) = crate::parser::read_below_srctree(self.host, name) else { return Ok(false) };
        self.take_lines(name, &bytes)?;
        Ok(true)
    }

    fn take_lines(&mut self, name: &str, bytes: &[u8]) -> Done<()> {
        let told = self.read_lines(name, bytes, Purpose::User);
        for &id in &self.model.order {
            let told = &told[id.index()];
            let state = self.configuration.state_mut(id);
            state.has_user = told.is_told;
            state.user = told.logical;
            state.user_text = told.text.clone();
            state.user_selected = told.selected;
        }
        Ok(())
    }

    /// All lines of a file, in the tool's way: what is wrong is said, and the rest taken.
    pub(super) fn read_lines(&mut self, name: &str, bytes: &[u8], purpose: Purpose) -> Vec<Told> {
        let plain = self.model.dialect.plain_choices();
        self.warnings = 0;
        let mut told = vec![Told::default(); self.model.symbols.len()];
        if !plain {
            self.model.symbols().filter(|(_, symbol)| symbol.is_choice).for_each(|(id, _)| {
                told[id.index()].is_told = true;
            });
        }
        if purpose == Purpose::User || !plain {
            self.configuration.forget();
        }
        let prefix = self.prefix();
        let unknown = self.variable("KCONFIG_WARN_UNKNOWN_SYMBOLS").is_some();
        let text = crate::text::decode(bytes);
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let place = format!("{name}:{}", index + 1);
            let line = match self.split_line(line, &prefix, &place) {
                Some(line) => line,
                None => continue,
            };
            let Some(id) = self.model.find(line.name) else {
                match purpose {
                    Purpose::Auto => self.touch_dependency(line.name),
                    Purpose::User => {
                        if unknown {
                            self.warn(&place, &format!("unknown symbol: {}", line.name));
                        }
                        self.configuration.changed = true;
                        true
                    }
                };
                continue;
            };
            if told[id.index()].is_told {
                let name = self.model.name(id);
                self.warn(&place, &format!("override: reassigning to symbol {name}"));
            }
            if !self.take_value(&place, id, &line.value, purpose, &mut told[id.index()]) {
                continue;
            }
            if plain {
                if purpose == Purpose::User
                    && let Some(menu) = self.model.choice_menu_of(id)
                    && let Some(choice) = self.model.menu(menu).symbol
                {
                    self.configuration.put_first(choice, id);
                }
            } else if let Some(choice) = self.model.symbol(id).choice {
                self.tell_choice(&place, id, choice, &mut told);
            }
        }
        told
    }

    /// Before 6.11: what a member's value means for its choice.
    fn tell_choice(&mut self, place: &str, id: SymbolId, choice: SymbolId, told: &mut [Told]) {
        let value = told[id.index()].logical;
        let before = told[choice.index()].logical;
        let name = self.model.name(id);
        match value {
            Tristate::No => {}
            Tristate::Module => {
                if before == Tristate::Yes {
                    self.warn(place, &format!("{name} creates inconsistent choice state"));
                    told[choice.index()].is_told = false;
                }
            }
            Tristate::Yes => {
                if before != Tristate::No {
                    self.warn(place, &format!("override: {name} changes choice state"));
                }
                told[choice.index()].selected = Some(id);
            }
        }
        told[choice.index()].logical = before.max(value);
    }

    /// `conf_warning()`
    fn warn(&mut self, place: &str, text: &str) {
        self.complain(&format!("{place}:warning: {text}\n"));
        self.warnings += 1;
    }

    /// The name and value of a line; nothing for comments and what is no assignment.
    fn split_line<'a>(&mut self, line: &'a str, prefix: &str, place: &str) -> Option<Line<'a>> {
        let exact = self.model.dialect.exact_lines();
        let bare = match line.strip_suffix('\n') {
            Some(bare) => bare.strip_suffix('\r').unwrap_or(bare),
            None => line,
        };
        // C's strings end at the first NUL.
        let bare = bare.split('\0').next().unwrap_or_default();
        if bare.is_empty() && (exact || line.ends_with('\n')) {
            return None;
        }
        if let Some(comment) = bare.strip_prefix('#') {
            let (name, rest) = comment.strip_prefix(' ')?.strip_prefix(prefix)?.split_once(' ')?;
            let unset = if exact { rest == "is not set" } else { rest.starts_with("is not set") };
            return unset.then(|| Line { name, value: "n".into() });
        }
        let Some(assignment) = bare.strip_prefix(prefix) else {
            self.warn(place, &format!("unexpected data: {}", bare.trim_end_matches(['\r', '\n'])));
            return None;
        };
        match assignment.split_once('=') {
            Some((name, value)) => Some(Line { name, value: value.into() }),
            None => {
                if exact {
                    self.warn(place, &format!("unexpected data: {bare}"));
                }
                None
            }
        }
    }

    /// `conf_set_sym_val()`; false if the value cannot be the symbol's.
    fn take_value(
        &mut self,
        place: &str,
        id: SymbolId,
        value: &str,
        purpose: Purpose,
        told: &mut Told,
    ) -> bool {
        let kind = self.model.symbol(id).kind;
        let taken = match kind {
            SymbolType::Boolean | SymbolType::Tristate => match value.bytes().next() {
                Some(b'm') if kind == SymbolType::Tristate => Some(Tristate::Module),
                Some(b'y') => Some(Tristate::Yes),
                Some(b'n') => Some(Tristate::No),
                _ => None,
            }
            .map(|logical| (told.logical, told.is_told) = (logical, true)),
            SymbolType::String if purpose == Purpose::User => {
                let Some(quoted) = value.strip_prefix('"') else { return true };
                let Some(text) = unescape(quoted) else {
                    self.warn(place, "invalid string found");
                    return false;
                };
                (told.text, told.is_told) = (Some(Arc::from(text)), true);
                Some(())
            }
            SymbolType::Unknown => Some(()),
            _ => crate::value::is_valid(kind, value)
                .then(|| (told.text, told.is_told) = (Some(Arc::from(value)), true)),
        };
        if taken.is_none() && purpose == Purpose::User {
            let name = self.model.name(id);
            self.warn(place, &format!("symbol value '{value}' invalid for {name}"));
        }
        taken.is_some()
    }

    /// Computes everything, and tells whether the result differs from what the file said.
    fn count_unsaved(&mut self) -> bool {
        let mut unsaved = false;
        for &id in &self.model.order {
            self.configuration.calculate(id);
            if self.model.symbol(id).is_choice {
                continue;
            }
            let state = self.configuration.state(id);
            unsaved |= match (state.has_user, state.write) {
                (true, true) if self.model.symbol(id).kind.is_logical() => state.user != state.logical,
                (true, true) => state.text != state.user_text,
                (false, false) => false,
                _ => true,
            };
        }
        unsaved
    }

    /// Before 6.11: values of symbols that cannot be seen, or are out of range, are forgotten.
    fn legacy_reset(&mut self, unsaved: bool) -> bool {
        let mut unsaved = unsaved;
        let before = unsaved;
        for &id in &self.model.order {
            if !self.configuration.state(id).has_user || self.configuration.is_member(id) {
                continue;
            }
            if self.configuration.state(id).visible == Tristate::No && !unsaved {
                self.configuration.state_mut(id).has_user = false;
            }
            let kind = self.model.symbol(id).kind;
            if !matches!(kind, SymbolType::String | SymbolType::Int | SymbolType::Hex) {
                continue;
            }
            let text = self.configuration.state(id).user_text.clone().unwrap_or_else(|| Arc::from(""));
            if !self.configuration.is_text_allowed(id, &text) {
                let state = self.configuration.state_mut(id);
                (state.valid, state.has_user) = (false, false);
                unsaved = true;
            }
        }
        unsaved != before
    }
}

/// The text up to the closing quote, without backslashes before what they protect; nothing if there is no closing quote.
fn unescape(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?),
            character => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn strings_lose_their_backslashes() {
        assert_eq!(unescape(r#"a\"b\\c" rest"#).as_deref(), Some(r#"a"b\c"#));
        assert_eq!(unescape("open"), None);
    }
}
