//! Asking, line by line (kernel: `conf()`, `check_conf()` and what they call in scripts/kconfig/conf.c).

use super::{Done, Exit, Mode, Session};
use crate::model::{MenuId, PropertyKind, ROOT, SymbolId, SymbolType, Tristate};

/// PATH_MAX: what one line may hold, with its NUL.
const LINE: usize = 4096;

impl Session<'_, '_> {
    /// `xfgets()` after `fflush(stdout)`
    fn hear(&mut self) {
        self.flush();
        match self.host.hear(LINE - 1) {
            Some(line) => self.line = line,
            None => self.complain("\nError in reading or end of file.\n"),
        }
        if !self.host.on_terminal() {
            let line = self.line.clone();
            self.host.say(&line);
        }
    }

    /// `strip()`
    fn strip_line(&mut self) {
        let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
        let start = self.line.iter().position(|byte| !space(byte)).unwrap_or(self.line.len());
        let end = self.line.iter().rposition(|byte| !space(byte)).map_or(start, |at| at + 1);
        self.line = self.line[start..end].to_vec();
    }

    fn byte(&self, index: usize) -> u8 {
        self.line.get(index).copied().unwrap_or(0)
    }

    /// `printf("%*c", width, c)` and the like: blanks before.
    fn blanks(&self, width: usize) -> String {
        " ".repeat(width)
    }

    /// `menu_get_parent_menu()`
    fn menu_around(&self, menu: MenuId) -> MenuId {
        let mut menu = menu;
        while menu != ROOT {
            let prompt = self.model.menu(menu).prompt;
            if prompt.is_some_and(|prompt| self.model.property(prompt).kind == PropertyKind::Menu) {
                break;
            }
            menu = self.model.menu(menu).parent.unwrap_or(ROOT);
        }
        menu
    }

    /// `check_conf()`: asks for what is new below a node.
    pub(super) fn check(&mut self, menu: MenuId) -> Done<()> {
        if !self.configuration.is_menu_visible(menu) {
            return Ok(());
        }
        if let Some(id) = self.model.menu(menu).symbol
            && self.is_new(id)
        {
            match self.mode {
                Mode::ListNew => {
                    if self.model.symbol(id).name.is_some() {
                        let (prefix, mut text) = (self.prefix(), String::new());
                        self.configuration.assignment(id, &prefix, super::write::No::Plain, true, &mut text);
                        self.say(&text);
                    }
                }
                Mode::HelpNew => {
                    self.say("-----\n");
                    self.print_help(menu);
                    self.say("-----\n");
                }
                _ => {
                    if self.restarts == 0 {
                        self.say("*\n* Restart config...\n*\n");
                    }
                    self.restarts += 1;
                    let root = self.menu_around(menu);
                    self.root = Some(root);
                    self.ask(root)?;
                }
            }
        }
        for child in self.children(menu) {
            self.check(child)?;
        }
        Ok(())
    }

    fn children(&self, menu: MenuId) -> Vec<MenuId> {
        self.model.children(menu).collect()
    }

    fn is_new(&self, id: SymbolId) -> bool {
        let legacy_choice = !self.model.dialect.plain_choices() && self.model.symbol(id).is_choice;
        let state = self.configuration.state(id);
        !state.has_user
            && (self.configuration.can_change(id) || (legacy_choice && state.logical == Tristate::Yes))
    }

    /// `conf()`: asks for everything below a node.
    pub(super) fn ask(&mut self, menu: MenuId) -> Done<()> {
        if !self.configuration.is_menu_visible(menu) {
            return Ok(());
        }
        let node = self.model.menu(menu);
        if let Some(prompt) = node.prompt {
            let kind = self.model.property(prompt).kind;
            if kind == PropertyKind::Menu && self.mode != Mode::OldAsk && self.root != Some(menu) {
                return self.check(menu);
            }
            if matches!(kind, PropertyKind::Menu | PropertyKind::Comment)
                && let Some(text) = self.model.prompt_text(menu)
            {
                let blanks = self.blanks(self.indent - 1);
                self.say(&format!("{blanks}*\n{blanks}* {text}\n{blanks}*\n"));
            }
        }
        if let Some(id) = node.symbol {
            if self.model.symbol(id).is_choice {
                let below = match self.model.dialect.plain_choices() {
                    true => self.ask_choice(menu).map(|()| false)?,
                    false => self.legacy_ask_choice(menu, id)?,
                };
                if !below {
                    return Ok(());
                }
            } else if matches!(
                self.model.symbol(id).kind,
                SymbolType::Int | SymbolType::Hex | SymbolType::String
            ) {
                self.ask_text(menu, id)?;
            } else {
                self.ask_logical(menu, id);
            }
        }
        let deeper = if node.symbol.is_some() { 2 } else { 0 };
        self.indent += deeper;
        for child in self.children(menu) {
            self.ask(child)?;
        }
        self.indent -= deeper;
        Ok(())
    }

    /// `conf_askvalue()`; false if there is nothing to ask.
    fn ask_value(&mut self, id: SymbolId, default: Option<&str>) -> bool {
        let has_user = self.configuration.state(id).has_user;
        if !has_user {
            self.say("(NEW) ");
        }
        self.line = b"\n".to_vec();
        let known = matches!(self.mode, Mode::Old | Mode::Sync) && has_user;
        if !self.configuration.can_change(id) || known {
            self.say(&format!("{}\n", default.unwrap_or_default()));
            return false;
        }
        self.hear();
        true
    }

    fn prompt(&self, menu: MenuId) -> String {
        let text = self.model.prompt_text(menu).unwrap_or("(null)");
        format!("{}{text} ", self.blanks(self.indent - 1))
    }

    /// `conf_string()`
    fn ask_text(&mut self, menu: MenuId, id: SymbolId) -> Done<()> {
        loop {
            let default = self.configuration.current_text(id);
            let name = self.model.name(id);
            let text = format!("{}({name}) [{default}] ", self.prompt(menu));
            self.say(&text);
            if !self.ask_value(id, Some(&default)) {
                return Ok(());
            }
            let answer = match (self.byte(0), self.byte(1)) {
                (b'\n', _) => Some(default.to_string()),
                (b'?', b'\n') => {
                    self.print_help(menu);
                    None
                }
                _ => {
                    let end = self.line.len().saturating_sub(1);
                    Some(crate::text::decode(&self.line[..end]))
                }
            };
            if answer.is_some_and(|answer| self.configuration.set_text(id, &answer)) {
                return Ok(());
            }
            self.flush();
            if self.host.input_ended() {
                self.complain(&format!("\nerror: no value for new symbol '{name}' at end of input\n"));
                return Err(Exit(1));
            }
        }
    }

    /// `conf_sym()`
    fn ask_logical(&mut self, menu: MenuId, id: SymbolId) {
        loop {
            let before = self.configuration.state(id).logical;
            let mut text = self.prompt(menu);
            if let Some(name) = &self.model.symbol(id).name {
                text.push_str(&format!("({name}) "));
            }
            text.push('[');
            text.push_str(&before.letter().to_uppercase());
            for value in [Tristate::No, Tristate::Module, Tristate::Yes] {
                if value != before && self.configuration.is_allowed(id, value) {
                    text.push('/');
                    text.push_str(value.letter());
                }
            }
            text.push_str("/?] ");
            self.say(&text);
            let current = self.configuration.current_text(id);
            if !self.ask_value(id, Some(&current)) {
                return;
            }
            self.strip_line();
            let rest = self.line.get(1..).unwrap_or_default().to_vec();
            let value = match (self.byte(0), &rest[..]) {
                (b'n' | b'N', b"" | b"o") => Tristate::No,
                (b'm' | b'M', b"") => Tristate::Module,
                (b'y' | b'Y', b"" | b"es") => Tristate::Yes,
                (0, _) => before,
                (b'?', _) => {
                    self.print_help(menu);
                    continue;
                }
                _ => continue,
            };
            if self.configuration.set_logical(id, value) {
                return;
            }
            self.print_help(menu);
        }
    }

    /// `conf_choice()`
    fn ask_choice(&mut self, menu: MenuId) -> Done<()> {
        let mut new = false;
        loop {
            let selected = self.configuration.calculate_choice(menu);
            let Some(member) = self.pick(menu, selected, &mut new)? else { continue };
            if let Some(id) = self.model.menu(member).symbol {
                self.configuration.choose(menu, id);
            }
            return Ok(());
        }
    }

    /// `conf_choice()` before 6.11; true if what is below is to be asked for as usual.
    fn legacy_ask_choice(&mut self, menu: MenuId, choice: SymbolId) -> Done<bool> {
        let is_mod = |this: &Self| this.configuration.state(choice).logical == Tristate::Module;
        let mut new = !self.configuration.state(choice).has_user;
        if self.configuration.can_change(choice) {
            self.ask_logical(menu, choice);
            self.configuration.calculate(choice);
        } else if is_mod(self) {
            let text = format!("{}\n", self.prompt(menu).trim_end_matches(' '));
            self.say(&text);
        }
        if self.configuration.state(choice).logical != Tristate::Yes {
            return Ok(is_mod(self));
        }
        loop {
            let selected = self.configuration.state(choice).selected;
            let mut ignored = false;
            let new_members = if new { &mut new } else { &mut ignored };
            let Some(member) = self.pick(menu, selected, new_members)? else { continue };
            if let Some(id) = self.model.menu(member).symbol {
                self.configuration.set_logical(id, Tristate::Yes);
            }
            for child in self.children(member) {
                self.indent += 2;
                self.ask(child)?;
                self.indent -= 2;
            }
            return Ok(is_mod(self));
        }
    }

    /// Shows a choice's members and takes the number of one; nothing if it must be asked again.
    fn pick(&mut self, menu: MenuId, selected: Option<SymbolId>, new: &mut bool) -> Done<Option<MenuId>> {
        let title = self.model.prompt_text(menu).unwrap_or("(null)");
        let blanks = self.blanks(self.indent - 1);
        self.say(&format!("{blanks}{title}\n"));
        self.line.clear();
        let (mut count, mut default) = (0usize, 0);
        for child in self.children(menu) {
            if !self.configuration.is_menu_visible(child) {
                continue;
            }
            let text = self.model.prompt_text(child).unwrap_or("(null)");
            let Some(id) = self.model.menu(child).symbol else {
                self.say(&format!("{blanks}* {text}\n"));
                continue;
            };
            count += 1;
            let mark = if selected == Some(id) { '>' } else { ' ' };
            if mark == '>' {
                default = count;
            }
            let mut line = format!("{blanks}{mark} {count}. {text} ({})", self.model.name(id));
            if !self.configuration.state(id).has_user {
                line.push_str(" (NEW)");
                *new |= self.model.dialect.plain_choices();
            }
            self.say(&format!("{line}\n"));
        }
        self.say(&format!("{blanks}choice"));
        let number = if count == 1 {
            self.say("[1]: 1\n");
            1
        } else {
            self.say(&format!("[1-{count}?]: "));
            match self.pick_number(menu, count, default, *new) {
                Some(number) => number,
                None => return Ok(None),
            }
        };
        let mut left = number;
        for child in self.children(menu) {
            if self.model.menu(child).symbol.is_none() || !self.configuration.is_menu_visible(child) {
                continue;
            }
            left -= 1;
            if left == 0 {
                if self.line.last() == Some(&b'?') {
                    self.print_help(child);
                    return Ok(None);
                }
                return Ok(Some(child));
            }
        }
        self.give_up_at_end()
    }

    /// The C tool would ask for ever.
    fn give_up_at_end<T>(&mut self) -> Done<Option<T>> {
        if self.host.input_ended() { Err(Exit(1)) } else { Ok(None) }
    }

    fn pick_number(&mut self, menu: MenuId, count: usize, default: usize, new: bool) -> Option<i64> {
        match self.mode {
            Mode::Old | Mode::Sync if !new => {
                self.say(&format!("{default}\n"));
                Some(default as i64)
            }
            Mode::Old | Mode::Sync | Mode::OldAsk => {
                self.hear();
                self.strip_line();
                match self.byte(0) {
                    b'?' => {
                        self.print_help(menu);
                        None
                    }
                    0 => Some(default as i64),
                    byte if byte.is_ascii_digit() => {
                        let text = crate::text::decode(&self.line);
                        Some(crate::value::leading_number(&text, 10).0)
                    }
                    _ => None,
                }
            }
            _ => Some(count as i64),
        }
    }
}
