//! What holds other statements: menus, choices, `if`, and their ends.

use super::{Block, Parsed, Parser, Stop};
use crate::expression::Comparison;
use crate::lexer::{Keyword, Token};
use crate::model::{MenuId, PropertyKind, SymbolType};

impl Parser<'_> {
    pub(super) fn parse_menu(&mut self) -> Parsed<()> {
        self.take()?;
        let text = self.take_quoted("the menu's text in quotes")?;
        self.take_end_of_line()?;
        self.builder.add_entry(None);
        self.builder.add_prompt(PropertyKind::Menu, &text, None);
        loop {
            match self.peek()? {
                Token::Keyword(Keyword::Visible) => {
                    self.take()?;
                    let condition = self.parse_condition()?;
                    self.take_end_of_line()?;
                    self.builder.add_visibility(condition);
                }
                Token::Keyword(Keyword::Depends) => self.parse_depends()?,
                _ => break,
            }
        }
        let menu = self.builder.add_menu();
        self.parse_block(Block::Menu, menu)
    }

    pub(super) fn parse_if(&mut self, block: Block) -> Parsed<()> {
        self.take()?;
        let condition = self.parse_expression()?;
        self.take_end_of_line()?;
        self.builder.add_entry(None);
        self.builder.add_dependency(condition);
        let menu = self.builder.add_menu();
        self.parse_block(block, menu)
    }

    pub(super) fn parse_block(&mut self, block: Block, menu: MenuId) -> Parsed<()> {
        let ended = self.parse_statements(block).and_then(|()| self.parse_end(block));
        if matches!(ended, Err(Stop::Syntax)) {
            // The end of all input: each open block is told of, the innermost first.
            let place = self.builder.model.menu(menu).place;
            self.builder.complain_at(place, "missing end statement for this entry");
            if self.builder.menu == menu {
                self.builder.end_menu();
            }
        }
        ended
    }

    /// The `end…` of a block (`zconf_endtoken()`).
    pub(super) fn parse_end(&mut self, block: Block) -> Parsed<()> {
        let found = match self.take()? {
            Token::Keyword(Keyword::EndMenu) => "menu",
            Token::Keyword(Keyword::EndChoice) => "choice",
            _ => "if",
        };
        if self.peek()? != Token::EndOfLine {
            self.recover("invalid statement")?;
            return self.parse_statements(block).and_then(|()| self.parse_end(block));
        }
        self.take()?;
        let wanted = match block {
            Block::Menu => "menu",
            Block::Choice => "choice",
            _ => "if",
        };
        if block == Block::Choice {
            self.builder.choice = None;
        }
        if found != wanted {
            self.error(&format!("unexpected '{found}' within {wanted} block"));
            self.builder.errors += 1;
            return Ok(());
        }
        let began = self.builder.model.menu(self.builder.menu).place;
        if began.file != self.lexer.file {
            self.error(&format!("'{found}' in different file than '{wanted}'"));
            self.builder.complain_at(began, &format!("location of the '{wanted}'"));
            self.builder.errors += 1;
            return Ok(());
        }
        self.builder.end_menu();
        Ok(())
    }

    pub(super) fn parse_comment(&mut self) -> Parsed<()> {
        self.take()?;
        let text = self.take_quoted("the comment's text in quotes")?;
        self.take_end_of_line()?;
        self.builder.add_entry(None);
        self.builder.add_prompt(PropertyKind::Comment, &text, None);
        while self.peek()? == Token::Keyword(Keyword::Depends) {
            self.parse_depends()?;
        }
        Ok(())
    }

    pub(super) fn parse_depends(&mut self) -> Parsed<()> {
        self.take()?;
        if !self.take_keyword(Keyword::On)? {
            return self.refuse("\"on\" after depends");
        }
        let expression = self.parse_expression()?;
        let condition = match self.builder.model.dialect.has_conditional_depends() {
            true => self.parse_condition()?,
            false => None,
        };
        self.take_end_of_line()?;
        let expressions = &mut self.builder.model.expressions;
        let expression = match condition {
            Some(condition) => {
                let off = expressions.compare_all(Some(condition), Comparison::Equal, crate::model::NO);
                expressions.or(expression, off)
            }
            None => expression,
        };
        self.builder.add_dependency(expression);
        Ok(())
    }

    pub(super) fn parse_choice(&mut self) -> Parsed<()> {
        self.take()?;
        let legacy = !self.builder.model.dialect.plain_choices();
        let mut name = None;
        if legacy && self.peek()? == Token::Word {
            name = Some(std::mem::take(&mut self.lexer.text));
            self.take()?;
        }
        self.take_end_of_line()?;
        let symbol = self.builder.lookup_choice(name.as_deref());
        self.builder.add_entry(Some(symbol));
        if !legacy {
            self.builder.set_type(SymbolType::Boolean);
        }
        while self.parse_choice_option()? {}
        let entry = self.builder.entry;
        if !legacy && self.builder.model.menu(entry).prompt.is_none() {
            let place = self.builder.model.menu(entry).place;
            self.builder.complain_at(place, "error: choice must have a prompt");
            self.builder.errors += 1;
        }
        let menu = self.builder.add_menu();
        self.builder.choice = Some(menu);
        self.parse_block(Block::Choice, menu)
    }

    pub(super) fn parse_choice_option(&mut self) -> Parsed<bool> {
        let legacy = !self.builder.model.dialect.plain_choices();
        let Token::Keyword(keyword) = self.peek()? else { return Ok(false) };
        match keyword {
            Keyword::Prompt => self.parse_prompt()?,
            Keyword::Bool if !legacy => self.parse_prompt()?,
            Keyword::Bool | Keyword::Tristate if legacy => self.parse_type(keyword)?,
            Keyword::Optional => {
                self.take()?;
                self.take_end_of_line()?;
                if let Some(symbol) = self.builder.model.menu(self.builder.entry).symbol {
                    self.builder.model.symbols[symbol.index()].optional = true;
                }
            }
            Keyword::Default => {
                self.take()?;
                let symbol = self.take_name()?;
                let condition = self.parse_condition()?;
                self.take_end_of_line()?;
                self.builder.add_symbol(PropertyKind::Default, symbol, condition);
            }
            Keyword::Depends => self.parse_depends()?,
            Keyword::Help => self.parse_help()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
