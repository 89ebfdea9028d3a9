//! Kconfig's grammar (kernel: scripts/kconfig/parser.y), read top down. Errors are found, said and left behind as the tables of
//! the C tool's parser do it: the rest of the line is left out, and reading goes on with the next statement.

mod block;
mod condition;
mod entry;

use std::sync::Arc;

use crate::builder::Builder;
use crate::host::Host;
use crate::lexer::{Keyword, Lexer, Token};
use crate::message::Message;
use crate::model::{FileId, PropertyKind, SymbolId};
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
            let after = u32::from(!self.builder.model.dialect.shared_files());
            self.complain(after, "syntax error");
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
        self.complain(0, text);
    }

    fn warn(&mut self, text: &str) {
        self.complain(0, &format!("warning: {text}"));
    }

    /// A complaint so many lines after the place of the statement. Behind the end of all files the C tool knew no file before
    /// 6.9 (`zconf_curname()`).
    fn complain(&mut self, lines: u32, text: &str) {
        let mut place = self.builder.place;
        place.line += lines;
        if self.token == Some(Token::EndOfInput) && !self.builder.model.dialect.shared_files() {
            self.builder.message(Message::error(format!("<none>:{}: {text}\n", place.line)));
        } else {
            self.builder.complain_at(place, text);
        }
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
                    // Said once, for all the blocks that it ends.
                    self.quiet = 3;
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
            _ => return self.recover_unknown(&name),
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
        if self.peek()? != Token::EndOfLine {
            // Right after a help text the lexer does not take what follows for a value.
            return self.recover_unknown(&name);
        }
        self.take()?;
        self.preprocessor.place = self.builder.place;
        // The C tool defines the variable when it has taken the end of the line: its line is the next.
        self.preprocessor.place.line = self.lexer.line();
        Ok(self.preprocessor.define(&name, &value, flavor)?)
    }

    fn recover_unknown(&mut self, name: &str) -> Parsed<()> {
        self.recover(&format!("unknown statement \"{name}\""))
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
