//! Entries: `config`, `menuconfig`, and the lines that belong to them.

use super::{Parsed, Parser};
use crate::lexer::{Keyword, Token};
use crate::model::{MenuId, PropertyKind, SymbolId, SymbolType};

impl Parser<'_> {
    pub(super) fn parse_config(&mut self, menuconfig: bool) -> Parsed<()> {
        self.take()?;
        let symbol = self.take_name()?;
        self.take_end_of_line()?;
        self.builder.model.symbols[symbol.index()].optional = true;
        self.builder.add_entry(Some(symbol));
        let entry = self.builder.entry;
        while self.parse_option()? {}
        if menuconfig {
            match self.builder.model.menu(entry).prompt {
                Some(prompt) => {
                    self.builder.model.properties[prompt.index()].kind = PropertyKind::Menu;
                }
                None => self.warn("menuconfig statement without prompt"),
            }
        } else if self.builder.model.dialect.plain_choices() && self.builder.choice.is_some() {
            self.check_member(entry, symbol);
        }
        Ok(())
    }

    /// A member of a choice (6.11 and later).
    pub(super) fn check_member(&mut self, entry: MenuId, symbol: SymbolId) {
        let place = self.builder.model.menu(entry).place;
        if self.builder.model.menu(entry).prompt.is_none() {
            self.builder.complain_at(place, "error: choice member must have a prompt");
            self.builder.errors += 1;
        }
        if self.builder.model.symbol(symbol).kind != SymbolType::Boolean {
            self.builder.complain_at(place, "error: choice member must be bool");
            self.builder.errors += 1;
        }
        let choice = self.builder.choice.and_then(|choice| self.builder.model.menu(choice).symbol);
        if let Some(choice) = choice.filter(|_| self.builder.model.symbol(symbol).choice.is_none()) {
            self.builder.model.symbols[symbol.index()].choice = Some(choice);
            self.builder.model.symbols[choice.index()].members.push(symbol);
        }
    }

    pub(super) fn parse_option(&mut self) -> Parsed<bool> {
        let Token::Keyword(keyword) = self.peek()? else { return Ok(false) };
        match keyword {
            Keyword::Bool | Keyword::Tristate | Keyword::Int | Keyword::Hex | Keyword::String => {
                self.parse_type(keyword)?;
            }
            Keyword::Prompt => self.parse_prompt()?,
            Keyword::Default | Keyword::DefBool | Keyword::DefTristate => {
                self.take()?;
                let value = self.parse_expression()?;
                let condition = self.parse_condition()?;
                self.take_end_of_line()?;
                self.builder.add_property(PropertyKind::Default, Some(value), condition);
                match keyword {
                    Keyword::DefBool => self.builder.set_type(SymbolType::Boolean),
                    Keyword::DefTristate => self.builder.set_type(SymbolType::Tristate),
                    _ => {}
                }
            }
            Keyword::Select | Keyword::Imply => {
                self.take()?;
                let symbol = self.take_name()?;
                let condition = self.parse_condition()?;
                self.take_end_of_line()?;
                let kind =
                    if keyword == Keyword::Select { PropertyKind::Select } else { PropertyKind::Imply };
                self.builder.add_symbol(kind, symbol, condition);
            }
            Keyword::Range => {
                self.take()?;
                let low = self.parse_symbol()?;
                let high = self.parse_symbol()?;
                let condition = self.parse_condition()?;
                self.take_end_of_line()?;
                let range = self.builder.model.expressions.range(low, high);
                self.builder.add_property(PropertyKind::Range, Some(range), condition);
            }
            Keyword::Modules => self.parse_modules()?,
            Keyword::Option => self.parse_old_option()?,
            Keyword::Transitional => {
                self.take()?;
                self.take_end_of_line()?;
                if let Some(symbol) = self.builder.model.menu(self.builder.entry).symbol {
                    self.builder.model.symbols[symbol.index()].transitional = true;
                }
            }
            Keyword::Depends => self.parse_depends()?,
            Keyword::Help => self.parse_help()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn parse_modules(&mut self) -> Parsed<()> {
        self.take()?;
        self.take_end_of_line()?;
        self.become_modules();
        Ok(())
    }

    pub(super) fn become_modules(&mut self) {
        let Some(symbol) = self.builder.model.menu(self.builder.entry).symbol else { return };
        if let Some(before) = self.builder.modules {
            let model = &self.builder.model;
            let (name, before) = (model.name(symbol).to_string(), model.name(before).to_string());
            self.error(&format!(
                "symbol '{name}' redefines option 'modules' already defined by symbol '{before}'"
            ));
        }
        self.builder.modules = Some(symbol);
    }

    /// `option modules`, `option defconfig_list`, `option allnoconfig_y` (until 5.12).
    pub(super) fn parse_old_option(&mut self) -> Parsed<()> {
        self.take()?;
        let word = match self.peek()? {
            Token::Word => std::mem::take(&mut self.lexer.text),
            _ => return self.refuse("modules, defconfig_list or allnoconfig_y"),
        };
        self.take()?;
        self.take_end_of_line()?;
        let symbol = self.builder.model.menu(self.builder.entry).symbol;
        match (word.as_str(), symbol) {
            ("modules", _) => self.become_modules(),
            ("allnoconfig_y", Some(symbol)) => {
                self.builder.model.symbols[symbol.index()].allnoconfig_y = true;
            }
            ("defconfig_list", Some(symbol)) => {
                self.builder.model.defconfig_list.get_or_insert(symbol);
            }
            _ => return self.refuse("modules, defconfig_list or allnoconfig_y"),
        }
        Ok(())
    }

    pub(super) fn parse_type(&mut self, keyword: Keyword) -> Parsed<()> {
        self.take()?;
        if self.peek()? == Token::Quoted {
            let text = self.take_quoted("")?;
            let condition = self.parse_condition()?;
            self.builder.add_prompt(PropertyKind::Prompt, &text, condition);
        }
        self.take_end_of_line()?;
        self.builder.set_type(match keyword {
            Keyword::Bool => SymbolType::Boolean,
            Keyword::Tristate => SymbolType::Tristate,
            Keyword::Int => SymbolType::Int,
            Keyword::Hex => SymbolType::Hex,
            _ => SymbolType::String,
        });
        Ok(())
    }

    pub(super) fn parse_prompt(&mut self) -> Parsed<()> {
        self.take()?;
        let text = self.take_quoted("the prompt's text in quotes")?;
        let condition = self.parse_condition()?;
        self.take_end_of_line()?;
        self.builder.add_prompt(PropertyKind::Prompt, &text, condition);
        Ok(())
    }

    pub(super) fn parse_help(&mut self) -> Parsed<()> {
        self.take()?;
        self.take_end_of_line()?;
        self.lexer.expect_help();
        self.take()?;
        let help = self.lexer.help;
        let entry = self.builder.entry;
        let menu = self.builder.model.menu(entry);
        let name = menu.symbol.map_or("<choice>", |symbol| self.builder.model.name(symbol)).to_string();
        if menu.help.is_some() {
            let text =
                format!("'{name}' defined with more than one help text -- only the last one will be used");
            self.warn(&text);
        }
        let file = &self.builder.model.files[self.lexer.file.index()];
        let blank = |byte: u8| matches!(byte, b' ' | b'\t'..=b'\r');
        if file.text.as_bytes()[help.0 as usize..help.1 as usize].iter().all(|&byte| blank(byte)) {
            self.warn(&format!("'{name}' defined with blank help text"));
        }
        self.builder.model.menus[entry.index()].help = Some(help);
        Ok(())
    }
}
