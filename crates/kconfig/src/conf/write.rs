//! Writing `.config` and defconfig (kernel: `conf_write()`, `conf_write_defconfig()` of scripts/kconfig/confdata.c).

use super::Session;
use crate::configuration::Configuration;
use crate::model::{MenuId, PropertyKind, ROOT, SymbolId, SymbolType, Tristate};

/// How a bool or tristate that is n is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    /// `CONFIG_X=n`
    Plain,
    /// `# CONFIG_X is not set`
    Unset,
    /// Not at all.
    Absent,
}

impl<'m> Configuration<'m> {
    /// The whole `.config`, as the C tool would write it, with the usual prefix.
    pub fn to_dot_config(&mut self) -> String {
        self.dot_config("CONFIG_")
    }

    /// The whole `.config` as the bytes of a file: what came from a file that is no UTF-8 goes out as it came.
    pub fn to_dot_config_bytes(&mut self) -> Vec<u8> {
        crate::text::encode(&self.to_dot_config()).into_owned()
    }

    pub(crate) fn dot_config(&mut self, prefix: &str) -> String {
        let model = self.model;
        let mut text = String::with_capacity(256 << 10);
        self.heading("#", "#", "#", &mut text);
        let mut written = vec![false; model.symbols.len()];
        let mut new_line = false;
        let mut next = model.menu(ROOT).first;
        while let Some(menu) = next {
            match model.menu(menu).symbol {
                None => {
                    if self.is_menu_visible(menu) {
                        let title = model.prompt_text(menu).unwrap_or("(null)");
                        text.push_str("\n#\n# ");
                        text.push_str(title);
                        text.push_str("\n#\n");
                        new_line = false;
                    }
                }
                Some(id) if !model.symbol(id).is_choice && !written[id.index()] => {
                    self.calculate(id);
                    if self.state(id).write {
                        if std::mem::take(&mut new_line) {
                            text.push('\n');
                        }
                        written[id.index()] = true;
                        self.assignment(id, prefix, No::Unset, true, &mut text);
                    }
                }
                Some(_) => {}
            }
            next = self.after(menu, &mut text, &mut new_line);
        }
        text
    }

    /// The next node, with the ends of the menus that are left.
    fn after(&mut self, menu: MenuId, text: &mut String, new_line: &mut bool) -> Option<MenuId> {
        let model = self.model;
        if let Some(first) = model.menu(menu).first {
            return Some(first);
        }
        let mut menu = menu;
        loop {
            let is_menu = model.menu(menu).symbol.is_none()
                && menu != ROOT
                && model
                    .menu(menu)
                    .prompt
                    .is_some_and(|prompt| model.property(prompt).kind == PropertyKind::Menu);
            if is_menu && self.is_menu_visible(menu) {
                text.push_str("# end of ");
                text.push_str(model.prompt_text(menu).unwrap_or("(null)"));
                text.push('\n');
                *new_line = true;
            }
            if let Some(next) = model.menu(menu).next {
                return Some(next);
            }
            menu = model.menu(menu).parent?;
        }
    }

    /// `conf_write_heading()`
    pub(super) fn heading(&self, prefix: &str, decoration: &str, postfix: &str, text: &mut String) {
        let title = self.model.prompt_text(ROOT).unwrap_or("(null)");
        text.push_str(&format!(
            "{prefix}\n{decoration} Automatically generated file; DO NOT EDIT.\n{decoration} {title}\n{postfix}\n"
        ));
    }

    /// A symbol's line (`__print_symbol()`).
    pub(super) fn assignment(&self, id: SymbolId, prefix: &str, no: No, quoted: bool, text: &mut String) {
        let symbol = self.model.symbol(id);
        let name = self.model.name(id);
        let value = self.current(id);
        match symbol.kind {
            SymbolType::Unknown => return,
            SymbolType::Boolean | SymbolType::Tristate if value == "n" && no != No::Plain => {
                if no == No::Unset {
                    text.extend(["# ", prefix, name, " is not set\n"]);
                }
                return;
            }
            _ => text.extend([prefix, name, "="]),
        }
        match symbol.kind == SymbolType::String && quoted {
            true => text.push_str(&quote(value)),
            false => text.push_str(value),
        }
        text.push('\n');
    }

    /// Whether a node of the tree is shown (`menu_is_visible()` of menu.c).
    pub fn is_menu_visible(&mut self, id: MenuId) -> bool {
        let model = self.model;
        let menu = model.menu(id);
        let Some(prompt) = menu.prompt else { return false };
        if menu.visibility.is_some() && self.evaluate(menu.visibility) == Tristate::No {
            return false;
        }
        match menu.symbol {
            Some(symbol) => self.calculate(symbol),
            None => self.visible[prompt.index()] = self.evaluate(model.property(prompt).condition),
        }
        if self.visible[prompt.index()] != Tristate::No {
            return true;
        }
        let Some(symbol) = menu.symbol.filter(|&symbol| self.state(symbol).logical != Tristate::No) else {
            return false;
        };
        let visible = model.children(id).any(|child| self.is_menu_visible(child));
        if visible && !model.dialect.plain_choices() {
            self.state_mut(symbol).has_user = true;
        }
        visible
    }

    /// The smallest configuration from which this one follows (`conf_write_defconfig()`).
    pub fn to_defconfig(&mut self) -> String {
        self.defconfig("CONFIG_")
    }

    pub(super) fn defconfig(&mut self, prefix: &str) -> String {
        let model = self.model;
        let mut text = String::new();
        self.invalidate();
        let plain = model.dialect.plain_choices();
        for menu in model.below(ROOT) {
            let Some(id) = model.menu(menu).symbol else {
                continue;
            };
            if model.symbol(id).is_choice {
                continue;
            }
            self.calculate(id);
            if !std::mem::take(&mut self.state_mut(id).write) || !self.can_change(id) {
                continue;
            }
            let default = self.default_text(id);
            if self.current(id) == &*default {
                continue;
            }
            let by_default = match plain {
                true => model.choice_menu_of(id).and_then(|menu| self.choice_default(menu)),
                false => model
                    .symbol(id)
                    .choice
                    .filter(|&choice| {
                        !model.symbol(choice).optional && model.symbol(id).kind == SymbolType::Boolean
                    })
                    .and_then(|choice| self.legacy_choice_default(choice)),
            };
            if by_default == Some(id) && self.state(id).logical == Tristate::Yes {
                continue;
            }
            self.assignment(id, prefix, No::Unset, true, &mut text);
        }
        text
    }

    /// The value a symbol would have without the user (`sym_get_string_default()`).
    pub fn default_text(&mut self, id: SymbolId) -> std::sync::Arc<str> {
        let model = self.model;
        let kind = model.symbol(id).kind;
        self.calculate_visibility(id);
        self.calculate(model.modules);
        let (mut logical, mut text) = (Tristate::No, std::sync::Arc::from(""));
        if let Some(property) = self.default_in_force(id) {
            let value = model.property(property).value;
            if kind.is_logical() {
                logical = self.evaluate(value).min(self.visible[property.index()]);
            } else if let Some(default) = self.single_symbol(value) {
                self.calculate(default);
                text = self.raw_text(default);
            }
        }
        logical = logical.max(self.state(id).reverse);
        let no_modules = self.state(model.modules).logical == Tristate::No;
        if logical == Tristate::Module && ((!self.is_member(id) && no_modules) || kind == SymbolType::Boolean)
        {
            logical = Tristate::Yes;
        }
        logical = logical.max(self.state(id).implied);
        let from_zero = model.dialect.numbers_begin_at_zero() && text.is_empty();
        match kind {
            SymbolType::Boolean | SymbolType::Tristate => std::sync::Arc::from(logical.letter()),
            SymbolType::Int if from_zero => std::sync::Arc::from("0"),
            SymbolType::Hex if from_zero => std::sync::Arc::from("0x0"),
            _ => text,
        }
    }
}

/// A text in quotes (`escape_string_value()`).
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

impl Session<'_, '_> {
    /// Writes `.config`; the one before becomes `.config.old`. False if that fails.
    pub(super) fn write_config(&mut self) -> bool {
        let name = self.config_name();
        if name.is_empty() {
            self.complain("config name is empty\n");
            return false;
        }
        if self.host.is_folder(&name) {
            self.complain(&format!("{name}: Is a directory\n"));
            return false;
        }
        if !self.make_parents(&name) {
            return false;
        }
        if !self.configuration.changed {
            self.configuration.invalidate();
        }
        let prefix = self.prefix();
        let text = self.configuration.dot_config(&prefix);
        let bytes = crate::text::encode(&text).into_owned();
        self.flush();
        if self.set_variable("KCONFIG_OVERWRITECONFIG").is_some() {
            if self.host.write(&name, &bytes).is_err() {
                return false;
            }
        } else {
            if self.host.read(&name).is_ok_and(|before| before == bytes) {
                self.tell(&format!("No change to {name}"));
                self.configuration.changed = false;
                return true;
            }
            let temporary = format!("{name}.{}.tmp", self.host.number());
            if self.host.write(&temporary, &bytes).is_err() {
                return false;
            }
            // There may be none yet.
            let _ = self.host.rename(&name, &format!("{name}.old"));
            if self.host.rename(&temporary, &name).is_err() {
                return false;
            }
        }
        self.tell(&format!("configuration written to {name}"));
        self.configuration.changed = false;
        true
    }

    /// Makes the folders that a file goes into (`make_parent_dir()`).
    pub(super) fn make_parents(&mut self, name: &str) -> bool {
        let ends = name.bytes().enumerate().filter(|&(at, byte)| byte == b'/' && at > 0);
        for (end, _) in ends {
            let folder = &name[..end];
            if folder.ends_with('/') || self.host.is_folder(folder) {
                continue;
            }
            if self.host.make_folder(folder).is_err() {
                return false;
            }
        }
        true
    }

    pub(super) fn write_defconfig(&mut self, name: &str) -> bool {
        let prefix = self.prefix();
        let text = self.configuration.defconfig(&prefix);
        self.flush();
        self.host.write(name, &crate::text::encode(&text)).is_ok()
    }
}
