//! Kconfig's grammar (kernel: scripts/kconfig/parser.y), read top down. Errors are found, said and left behind as the tables of
//! the C tool's parser do it: the rest of the line is left out, and reading goes on with the next statement.

use std::sync::Arc;

use crate::builder::Builder;
use crate::expression::{Comparison, ExpressionId};
use crate::host::Host;
use crate::lexer::{Keyword, Lexer, Token};
use crate::message::Message;
use crate::model::{FileId, MenuId, PropertyKind, SymbolId, SymbolType};
use crate::preprocess::{Fatal, Flavor, Preprocessor};

/// How deep menus, and parentheses in expressions, may be nested, so that the stack holds them (bison's YYMAXDEPTH stops
/// the C tool at about as much).
const DEEPEST: usize = 3_000;

/// How many files may be open at once.
const MOST_FILES: usize = 500;

/// Why a statement was left.
pub(super) enum Stop {
    /// A token that cannot stand there; it is the one looked at.
    Syntax,
    /// The end of reading.
    Fatal(Fatal),
}

impl From<Fatal> for Stop {
    fn from(fatal: Fatal) -> Stop {
        Stop::Fatal(fatal)
    }
}

type Parsed<T> = Result<T, Stop>;

/// What a list of statements stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    File,
    Menu,
    If,
    Choice,
    IfInChoice,
}

pub(crate) struct Parser<'h> {
    pub builder: Builder,
    pub preprocessor: Preprocessor<'h>,
    lexer: Lexer,
    host: &'h dyn Host,
    token: Option<Token>,
    /// Tokens that must pass before the next error is said (`yyerrstatus`).
    quiet: u8,
    depth: usize,
    /// Lines that say what was expected, beside the C tool's words: for people.
    pub expected: Vec<(crate::model::Place, String)>,
}

impl<'h> Parser<'h> {
    pub fn new(builder: Builder, host: &'h dyn Host) -> Parser<'h> {
        let lexer = Lexer::new(builder.model.dialect);
        let preprocessor = Preprocessor::new(host);
        Parser { builder, preprocessor, lexer, host, token: None, quiet: 0, depth: 0, expected: Vec::new() }
    }

    /// Reads a file of this name: as it stands, else below `srctree` (`zconf_fopen()`).
    fn open(&mut self, name: &str) -> Option<(FileId, Arc<String>)> {
        let bytes = read_below_srctree(self.host, name)?;
        let text = Arc::new(crate::text::decode_owned(bytes));
        let file = self.builder.add_file(name, text.clone());
        if self.preprocessor.files.len() == file.index() {
            self.preprocessor.files.push(self.builder.model.files[file.index()].name.clone());
        }
        Some((file, text))
    }

    /// Reads everything, beginning with the file of this name.
    pub fn parse(&mut self, name: &str) -> Result<(), Fatal> {
        let Some((file, text)) = self.open(name) else {
            return Err(Fatal::new(format!("can't find file {name}\n")));
        };
        self.lexer.enter(file, text);
        match self.parse_input() {
            Ok(()) => Ok(()),
            Err(Stop::Fatal(fatal)) => Err(fatal),
            Err(Stop::Syntax) => Ok(()),
        }
    }

    fn parse_input(&mut self) -> Parsed<()> {
        if self.peek()? == Token::Keyword(Keyword::MainMenu) {
            match self.parse_main_menu() {
                Err(Stop::Syntax) => self.recover("invalid statement")?,
                other => other?,
            }
        }
        self.parse_statements(Block::File)
    }

    fn parse_main_menu(&mut self) -> Parsed<()> {
        self.take()?;
        let text = self.take_quoted("the text of mainmenu in quotes")?;
        self.take_end_of_line()?;
        self.builder.add_prompt(PropertyKind::Menu, &text, None);
        Ok(())
    }

    // Tokens.

    fn peek(&mut self) -> Parsed<Token> {
        if let Some(token) = self.token {
            return Ok(token);
        }
        let token = self.lexer.next(&mut self.preprocessor)?;
        for (place, text) in std::mem::take(&mut self.lexer.warnings) {
            let place = self.builder.model.show_place(place);
            self.builder.message(Message::error(format!("{place}:warning: {text}\n")));
        }
        self.builder.model.messages.append(&mut self.preprocessor.messages);
        self.builder.place.file = self.lexer.file;
        self.builder.place.line = self.lexer.statement_line;
        self.token = Some(token);
        Ok(token)
    }

    /// Takes the token that was looked at (a shift: three of them end the silence after an error).
    fn take(&mut self) -> Parsed<Token> {
        let token = self.peek()?;
        self.token = None;
        self.quiet = self.quiet.saturating_sub(1);
        Ok(token)
    }

    fn refuse<T>(&mut self, wanted: &str) -> Parsed<T> {
        if self.quiet == 0 {
            self.expected.push((self.builder.place, format!("expected {wanted}")));
        }
        Err(Stop::Syntax)
    }

    fn take_end_of_line(&mut self) -> Parsed<()> {
        match self.peek()? {
            Token::EndOfLine => self.take().map(|_| ()),
            _ => self.refuse("the end of the line"),
        }
    }

    fn take_quoted(&mut self, wanted: &str) -> Parsed<String> {
        match self.peek()? {
            Token::Quoted => {
                let text = std::mem::take(&mut self.lexer.text);
                self.take()?;
                Ok(text)
            }
            _ => self.refuse(wanted),
        }
    }

    /// A bare word as a symbol.
    fn take_name(&mut self) -> Parsed<SymbolId> {
        match self.peek()? {
            Token::Word => {
                let id = self.builder.lookup(&self.lexer.text, false);
                self.take()?;
                Ok(id)
            }
            _ => self.refuse("the name of a symbol"),
        }
    }

    fn take_keyword(&mut self, keyword: Keyword) -> Parsed<bool> {
        let found = self.peek()? == Token::Keyword(keyword);
        if found {
            self.take()?;
        }
        Ok(found)
    }

    // Errors.

    /// `yyerror()`, unless an error was said less than three tokens ago.
    fn say_syntax_error(&mut self) {
        if self.quiet == 0 {
            self.builder.errors += 1;
            let mut place = self.builder.place;
            place.line += u32::from(!self.builder.model.dialect.shared_files());
            self.builder.complain_at(place, "syntax error");
        }
    }

    /// After an error: the rest of the line is left out, and the statement is complained about.
    fn recover(&mut self, complaint: &str) -> Parsed<()> {
        self.say_syntax_error();
        self.quiet = 3;
        loop {
            match self.peek()? {
                Token::EndOfLine => break,
                Token::EndOfInput => return Err(Stop::Syntax),
                _ => {
                    self.token = None;
                    self.quiet = 3;
                }
            }
        }
        self.take()?;
        self.error(complaint);
        Ok(())
    }

    /// `zconf_error()`
    pub(super) fn error(&mut self, text: &str) {
        self.builder.errors += 1;
        self.builder.complain_at(self.builder.place, text);
    }

    fn warn(&mut self, text: &str) {
        self.builder.complain_at(self.builder.place, &format!("warning: {text}"));
    }

    // Statements.

    fn parse_statements(&mut self, block: Block) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let place = self.builder.model.show_place(self.builder.place);
            return Err(Fatal::new(format!("{place}: memory exhausted\n")).into());
        }
        loop {
            let token = self.peek()?;
            match (token, block) {
                (Token::EndOfInput, Block::File) => break,
                (Token::Keyword(Keyword::EndMenu | Keyword::EndChoice | Keyword::EndIf), block)
                    if block != Block::File =>
                {
                    break;
                }
                _ => {}
            }
            match self.parse_statement(token, block) {
                Err(Stop::Syntax) if token == Token::EndOfInput => {
                    self.say_syntax_error();
                    return Err(Stop::Syntax);
                }
                Err(Stop::Syntax) => self.recover("invalid statement")?,
                other => other?,
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn parse_statement(&mut self, token: Token, block: Block) -> Parsed<()> {
        let in_choice = matches!(block, Block::Choice | Block::IfInChoice);
        match token {
            Token::Keyword(Keyword::Config) => self.parse_config(false),
            Token::Keyword(Keyword::Comment) => self.parse_comment(),
            Token::Keyword(Keyword::If) if in_choice => self.parse_if(Block::IfInChoice),
            Token::Keyword(Keyword::If) => self.parse_if(Block::If),
            // Before 6.? a choice may hold `source`; the grammar never had it, nor the others.
            _ if in_choice => self.refuse("config, comment, if or endchoice"),
            Token::Keyword(Keyword::MenuConfig) => self.parse_config(true),
            Token::Keyword(Keyword::Menu) => self.parse_menu(),
            Token::Keyword(Keyword::Choice) => self.parse_choice(),
            Token::Keyword(Keyword::Source) => self.parse_source(),
            Token::Word => self.parse_assignment(),
            _ => self.refuse("config, menuconfig, menu, choice, comment, if, source or a variable"),
        }
    }

    fn parse_assignment(&mut self) -> Parsed<()> {
        let name = std::mem::take(&mut self.lexer.text);
        self.take()?;
        let flavor = match self.peek()? {
            Token::Equal => Flavor::Recursive,
            Token::ColonEqual => Flavor::Simple,
            Token::PlusEqual => Flavor::Append,
            _ => return self.recover(&format!("unknown statement \"{name}\"")),
        };
        self.take()?;
        let value = match self.peek()? {
            Token::AssignValue => {
                let value = std::mem::take(&mut self.lexer.text);
                self.take()?;
                value
            }
            _ => String::new(),
        };
        self.take_end_of_line()?;
        self.preprocessor.place = self.builder.place;
        // The C tool defines the variable when it has taken the end of the line: its line is the next.
        self.preprocessor.place.line = self.lexer.line();
        Ok(self.preprocessor.define(&name, &value, flavor)?)
    }

    fn parse_source(&mut self) -> Parsed<()> {
        self.take()?;
        let name = self.take_quoted("a file's name in quotes")?;
        self.take_end_of_line()?;
        if self.preprocessor.incomplete && Preprocessor::is_unanswered(&name) {
            return Ok(());
        }
        Ok(self.source(&name)?)
    }

    /// `zconf_nextfile()`
    fn source(&mut self, name: &str) -> Result<(), Fatal> {
        let place = self.builder.place;
        let recursive = self.lexer.open_files().any(|(file, ..)| self.builder.model.file(file) == name);
        let opened = if recursive { None } else { self.open(name) };
        if recursive {
            return Err(Fatal(vec![Message::error(self.inclusion_path(name))]));
        }
        let Some((file, text)) = opened else {
            let place = self.builder.model.show_place(place);
            return Err(Fatal::new(format!("{place}: can't open file \"{name}\"\n")));
        };
        if self.lexer.depth() >= MOST_FILES {
            let place = self.builder.model.show_place(place);
            return Err(Fatal::new(format!("{place}: more than {MOST_FILES} files in one another\n")));
        }
        self.lexer.enter(file, text);
        Ok(())
    }

    fn inclusion_path(&self, name: &str) -> String {
        let mut text = format!("Recursive inclusion detected.\nInclusion path:\n  current file : {name}\n");
        let innermost = self.builder.place.line;
        for (index, (file, source_line, line)) in self.lexer.open_files().enumerate() {
            let from = self.builder.model.file(file);
            let shared = self.builder.model.dialect.shared_files();
            let at = match (shared, index) {
                (true, 0) => innermost,
                (true, _) => source_line,
                (false, _) => line - 1,
            };
            text.push_str(&format!("  included from: {from}:{at}\n"));
            if !shared && from == name {
                break;
            }
        }
        text
    }

    // Blocks.

    fn parse_menu(&mut self) -> Parsed<()> {
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

    fn parse_if(&mut self, block: Block) -> Parsed<()> {
        self.take()?;
        let condition = self.parse_expression()?;
        self.take_end_of_line()?;
        self.builder.add_entry(None);
        self.builder.add_dependency(condition);
        let menu = self.builder.add_menu();
        self.parse_block(block, menu)
    }

    fn parse_block(&mut self, block: Block, menu: MenuId) -> Parsed<()> {
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
    fn parse_end(&mut self, block: Block) -> Parsed<()> {
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

    fn parse_comment(&mut self) -> Parsed<()> {
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

    fn parse_depends(&mut self) -> Parsed<()> {
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

    fn parse_choice(&mut self) -> Parsed<()> {
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

    fn parse_choice_option(&mut self) -> Parsed<bool> {
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

    // Entries.

    fn parse_config(&mut self, menuconfig: bool) -> Parsed<()> {
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
    fn check_member(&mut self, entry: MenuId, symbol: SymbolId) {
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

    fn parse_option(&mut self) -> Parsed<bool> {
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

    fn parse_modules(&mut self) -> Parsed<()> {
        self.take()?;
        self.take_end_of_line()?;
        self.become_modules();
        Ok(())
    }

    fn become_modules(&mut self) {
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
    fn parse_old_option(&mut self) -> Parsed<()> {
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

    fn parse_type(&mut self, keyword: Keyword) -> Parsed<()> {
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

    fn parse_prompt(&mut self) -> Parsed<()> {
        self.take()?;
        let text = self.take_quoted("the prompt's text in quotes")?;
        let condition = self.parse_condition()?;
        self.take_end_of_line()?;
        self.builder.add_prompt(PropertyKind::Prompt, &text, condition);
        Ok(())
    }

    fn parse_help(&mut self) -> Parsed<()> {
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

    // Expressions.

    /// `if …`, or nothing.
    fn parse_condition(&mut self) -> Parsed<Option<ExpressionId>> {
        match self.take_keyword(Keyword::If)? {
            true => self.parse_expression().map(Some),
            false => Ok(None),
        }
    }

    fn parse_expression(&mut self) -> Parsed<ExpressionId> {
        let mut left = self.parse_conjunction()?;
        while self.peek()? == Token::Or {
            self.take()?;
            let right = self.parse_conjunction()?;
            left = self.builder.model.expressions.or(left, right);
        }
        Ok(left)
    }

    fn parse_conjunction(&mut self) -> Parsed<ExpressionId> {
        let mut left = self.parse_operand()?;
        while self.peek()? == Token::And {
            self.take()?;
            let right = self.parse_operand()?;
            left = self.builder.model.expressions.and(left, right);
        }
        Ok(left)
    }

    fn parse_operand(&mut self) -> Parsed<ExpressionId> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let place = self.builder.model.show_place(self.builder.place);
            return Err(Fatal::new(format!("{place}: memory exhausted\n")).into());
        }
        let parsed = self.parse_operand_inside();
        self.depth -= 1;
        parsed
    }

    fn parse_operand_inside(&mut self) -> Parsed<ExpressionId> {
        match self.peek()? {
            Token::Not => {
                self.take()?;
                let inner = self.parse_operand()?;
                Ok(self.builder.model.expressions.not(inner))
            }
            Token::Open => {
                self.take()?;
                let inner = self.parse_expression()?;
                if self.peek()? != Token::Close {
                    return self.refuse("\")\"");
                }
                self.take()?;
                Ok(inner)
            }
            _ => self.parse_comparison(),
        }
    }

    fn parse_comparison(&mut self) -> Parsed<ExpressionId> {
        let left = self.parse_symbol()?;
        let sign = match self.peek()? {
            Token::Equal => Comparison::Equal,
            Token::Unequal => Comparison::Unequal,
            Token::Less => Comparison::Less,
            Token::LessOrEqual => Comparison::LessOrEqual,
            Token::Greater => Comparison::Greater,
            Token::GreaterOrEqual => Comparison::GreaterOrEqual,
            _ => return Ok(self.builder.model.expressions.symbol(left)),
        };
        self.take()?;
        let right = self.parse_symbol()?;
        Ok(self.builder.model.expressions.compare(sign, left, right))
    }

    fn parse_symbol(&mut self) -> Parsed<SymbolId> {
        match self.peek()? {
            Token::Quoted => {
                let id = self.builder.lookup(&self.lexer.text, true);
                self.take()?;
                Ok(id)
            }
            Token::Word => self.take_name(),
            _ => self.refuse("a symbol, a text in quotes, \"!\" or \"(\""),
        }
    }
}

/// A file of this name: as it stands, else below `srctree` (`zconf_fopen()` of scripts/kconfig/lexer.l).
pub(crate) fn read_below_srctree(host: &dyn Host, name: &str) -> Option<Vec<u8>> {
    if let Ok(bytes) = host.read(name) {
        return Some(bytes);
    }
    if name.starts_with('/') {
        return None;
    }
    let tree = host.environment("srctree")?;
    host.read(&format!("{tree}/{name}")).ok()
}
