//! Kconfig files as tokens (kernel: scripts/kconfig/lexer.l). References `$(…)` are expanded here, by [`crate::preprocess`].

use std::sync::Arc;

use crate::model::{FileId, Place};
use crate::preprocess::{Fatal, Preprocessor};

/// A token. The text of a word is in [`Lexer::text`] until the next token is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    EndOfLine,
    EndOfInput,
    Keyword(Keyword),
    /// A bare word, or what a reference came to.
    Word,
    /// A text in quotes.
    Quoted,
    /// The help text after `help`: its place is in [`Lexer::help`].
    Help,
    /// What follows `=`, `:=` or `+=` of a variable.
    AssignValue,
    Or,
    And,
    Not,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Open,
    Close,
    ColonEqual,
    PlusEqual,
}

/// A reserved word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Bool,
    Choice,
    Comment,
    Config,
    DefBool,
    DefTristate,
    Default,
    Depends,
    EndChoice,
    EndIf,
    EndMenu,
    Help,
    Hex,
    If,
    Imply,
    Int,
    MainMenu,
    Menu,
    MenuConfig,
    Modules,
    On,
    /// Until 6.10.
    Optional,
    Prompt,
    Range,
    Select,
    Source,
    String,
    /// Since 6.18.
    Transitional,
    Tristate,
    Visible,
    /// `option` of 5.10 to 5.12.
    Option,
}

impl Keyword {
    fn of(word: &[u8]) -> Option<Keyword> {
        // Nearly all words are names of symbols, in capitals.
        if !word.first().is_some_and(u8::is_ascii_lowercase) {
            return None;
        }
        Some(match word {
            b"bool" => Keyword::Bool,
            b"choice" => Keyword::Choice,
            b"comment" => Keyword::Comment,
            b"config" => Keyword::Config,
            b"def_bool" => Keyword::DefBool,
            b"def_tristate" => Keyword::DefTristate,
            b"default" => Keyword::Default,
            b"depends" => Keyword::Depends,
            b"endchoice" => Keyword::EndChoice,
            b"endif" => Keyword::EndIf,
            b"endmenu" => Keyword::EndMenu,
            b"help" => Keyword::Help,
            b"hex" => Keyword::Hex,
            b"if" => Keyword::If,
            b"imply" => Keyword::Imply,
            b"int" => Keyword::Int,
            b"mainmenu" => Keyword::MainMenu,
            b"menu" => Keyword::Menu,
            b"menuconfig" => Keyword::MenuConfig,
            b"modules" => Keyword::Modules,
            b"on" => Keyword::On,
            b"option" => Keyword::Option,
            b"optional" => Keyword::Optional,
            b"prompt" => Keyword::Prompt,
            b"range" => Keyword::Range,
            b"select" => Keyword::Select,
            b"source" => Keyword::Source,
            b"string" => Keyword::String,
            b"transitional" => Keyword::Transitional,
            b"tristate" => Keyword::Tristate,
            b"visible" => Keyword::Visible,
            _ => return None,
        })
    }
}

/// A file being read.
struct Buffer {
    file: FileId,
    text: Arc<String>,
    position: usize,
    line: u32,
    /// The line of the `source` that the next file came from.
    source_line: u32,
}

/// Reads tokens from a stack of files.
pub(crate) struct Lexer {
    buffers: Vec<Buffer>,
    /// The last word's text.
    pub text: String,
    /// The last help text's place in its file.
    pub help: (u32, u32),
    /// The line of the statement that the last token belongs to (`cur_lineno`).
    pub statement_line: u32,
    /// The file that is read now (`cur_filename`).
    pub file: FileId,
    /// Warnings of the lexer itself: place and text.
    pub warnings: Vec<(Place, String)>,
    previous: Token,
    before_previous: Token,
    in_help: bool,
    in_assignment: bool,
    /// Where the first file ended (`yylineno` stays there).
    last_line: u32,
    dialect: crate::dialect::Dialect,
}

impl Lexer {
    pub fn new(dialect: crate::dialect::Dialect) -> Lexer {
        Lexer {
            buffers: Vec::new(),
            text: String::new(),
            help: (0, 0),
            statement_line: 0,
            file: FileId(0),
            warnings: Vec::new(),
            previous: Token::EndOfLine,
            before_previous: Token::EndOfLine,
            in_help: false,
            in_assignment: false,
            last_line: 0,
            dialect,
        }
    }

    /// Goes on with another file, and comes back at its end.
    pub fn enter(&mut self, file: FileId, text: Arc<String>) {
        let source_line = self.statement_line;
        if let Some(buffer) = self.buffers.last_mut() {
            buffer.source_line = source_line;
        }
        self.buffers.push(Buffer { file, text, position: 0, line: 1, source_line: 0 });
        self.file = file;
    }

    /// The files that are open, the innermost first, with the line that each has reached: of those that wait, their `source`
    /// line, and the line after it where the lexer stands.
    pub fn open_files(&self) -> impl Iterator<Item = (FileId, u32, u32)> {
        self.buffers.iter().rev().map(|buffer| (buffer.file, buffer.source_line, buffer.line))
    }

    /// How many files are open.
    pub fn depth(&self) -> usize {
        self.buffers.len()
    }

    /// The lexer's own line (`yylineno`).
    pub fn line(&self) -> u32 {
        self.buffers.last().map_or(self.last_line, |buffer| buffer.line)
    }

    fn place(&self) -> Place {
        Place { file: self.file, line: self.line() }
    }

    /// The next token takes a help text.
    pub fn expect_help(&mut self) {
        self.in_help = true;
    }

    /// The next token, without the ends of empty lines.
    pub fn next(&mut self, preprocessor: &mut Preprocessor<'_>) -> Result<Token, Fatal> {
        let token = loop {
            let token = self.scan(preprocessor)?;
            let fresh = matches!(self.previous, Token::EndOfLine | Token::Help);
            if fresh && token == Token::EndOfLine {
                continue;
            }
            if fresh {
                self.statement_line = self.line();
            }
            break token;
        };
        if self.before_previous == Token::EndOfLine
            && self.previous == Token::Word
            && matches!(token, Token::Equal | Token::ColonEqual | Token::PlusEqual)
        {
            self.in_assignment = true;
        }
        self.before_previous = self.previous;
        self.previous = token;
        Ok(token)
    }

    fn scan(&mut self, preprocessor: &mut Preprocessor<'_>) -> Result<Token, Fatal> {
        if self.buffers.is_empty() {
            return Ok(Token::EndOfInput);
        }
        if self.in_help {
            return Ok(self.scan_help());
        }
        if self.in_assignment {
            return Ok(self.scan_assignment());
        }
        loop {
            let Some(buffer) = self.buffers.last_mut() else { return Ok(Token::EndOfInput) };
            let bytes = buffer.text.as_bytes();
            let start = buffer.position;
            let Some(&byte) = bytes.get(start) else { return Ok(self.end_of_file()) };
            let following = bytes.get(start + 1).copied();
            let (length, token) = match byte {
                b' ' | b'\t' => {
                    buffer.position += 1;
                    continue;
                }
                b'\n' => {
                    buffer.line += 1;
                    (1, Token::EndOfLine)
                }
                b'#' => {
                    buffer.position = line_end(bytes, start);
                    continue;
                }
                b'\\' if following == Some(b'\n') => {
                    buffer.line += 1;
                    buffer.position += 2;
                    continue;
                }
                b'|' if following == Some(b'|') => (2, Token::Or),
                b'&' if following == Some(b'&') => (2, Token::And),
                b'!' if following == Some(b'=') => (2, Token::Unequal),
                b'!' => (1, Token::Not),
                b'=' => (1, Token::Equal),
                b'<' if following == Some(b'=') => (2, Token::LessOrEqual),
                b'<' => (1, Token::Less),
                b'>' if following == Some(b'=') => (2, Token::GreaterOrEqual),
                b'>' => (1, Token::Greater),
                b'(' => (1, Token::Open),
                b')' => (1, Token::Close),
                b':' if following == Some(b'=') => (2, Token::ColonEqual),
                b'+' if following == Some(b'=') => (2, Token::PlusEqual),
                b'"' | b'\'' => {
                    buffer.position += 1;
                    return self.scan_quoted(byte, preprocessor);
                }
                byte if is_word(byte) || byte == b'$' => match self.scan_word(preprocessor)? {
                    Some(token) => return Ok(token),
                    None => continue,
                },
                _ => {
                    self.warn_ignored();
                    continue;
                }
            };
            buffer.position += length;
            return Ok(token);
        }
    }

    fn end_of_file(&mut self) -> Token {
        if !matches!(self.previous, Token::EndOfLine | Token::Help) {
            self.warnings.push((self.place(), "no new line at end of file".into()));
        }
        self.last_line = self.line();
        self.buffers.pop();
        match self.buffers.last() {
            Some(buffer) => {
                self.file = buffer.file;
                Token::EndOfLine
            }
            None => Token::EndOfInput,
        }
    }

    /// A character that means nothing here: said and left out.
    fn warn_ignored(&mut self) {
        let place = self.place();
        let Some(buffer) = self.buffers.last_mut() else { return };
        let Some(character) = buffer.text[buffer.position..].chars().next() else { return };
        buffer.position += character.len_utf8();
        // The C tool goes byte by byte.
        let mut bytes = [0; 4];
        for &byte in crate::text::encode(character.encode_utf8(&mut bytes)).iter() {
            let shown = crate::text::decode(&[byte]);
            self.warnings.push((place, format!("ignoring unsupported character '{shown}'")));
        }
    }

    /// A word, a keyword, or an expanded token; nothing if that expanded to nothing.
    fn scan_word(&mut self, preprocessor: &mut Preprocessor<'_>) -> Result<Option<Token>, Fatal> {
        let place = self.place();
        let Some(buffer) = self.buffers.last_mut() else { return Ok(None) };
        let bytes = buffer.text.as_bytes();
        let start = buffer.position;
        let length = bytes[start..].iter().take_while(|&&byte| is_word(byte) || byte == b'$').count();
        let word = &bytes[start..start + length];
        if !word.contains(&b'$') {
            buffer.position += length;
            if let Some(keyword) = Keyword::of(word).filter(|&keyword| knows(self.dialect, keyword)) {
                return Ok(Some(Token::Keyword(keyword)));
            }
            self.text.clear();
            self.text.push_str(&buffer.text[start..start + length]);
            return Ok(Some(Token::Word));
        }
        let line = &buffer.text[start..line_end(bytes, start)];
        preprocessor.place = place;
        let (expanded, used) = preprocessor.expand_token(line)?;
        buffer.position += used;
        self.text = expanded;
        Ok((!self.text.is_empty()).then_some(Token::Word))
    }

    fn scan_quoted(&mut self, quote: u8, preprocessor: &mut Preprocessor<'_>) -> Result<Token, Fatal> {
        self.text.clear();
        loop {
            let place = self.place();
            let Some(buffer) = self.buffers.last_mut() else { return Ok(Token::Quoted) };
            let bytes = buffer.text.as_bytes();
            let start = buffer.position;
            let Some(&byte) = bytes.get(start) else { return Ok(Token::Quoted) };
            match byte {
                b'$' => {
                    let line = &buffer.text[start + 1..line_end(bytes, start)];
                    preprocessor.place = place;
                    let (expanded, used) = preprocessor.expand_reference(line)?;
                    buffer.position += 1 + used;
                    self.text.push_str(&expanded);
                }
                b'\\' => {
                    let next = buffer.text[start + 1..].chars().next().filter(|&next| next != '\n');
                    buffer.position += 1 + next.map_or(0, char::len_utf8);
                    self.text.extend(next);
                }
                b'\n' => {
                    let place = Place { file: self.file, line: self.statement_line };
                    self.warnings.push((place, "multi-line strings not supported".into()));
                    return Ok(Token::Quoted);
                }
                b'\'' | b'"' => {
                    buffer.position += 1;
                    if byte == quote {
                        return Ok(Token::Quoted);
                    }
                    self.text.push(char::from(byte));
                }
                _ => {
                    let special = |byte: &u8| matches!(byte, b'$' | b'\'' | b'"' | b'\\' | b'\n');
                    let end = bytes[start..].iter().position(special).map_or(bytes.len(), |at| start + at);
                    self.text.push_str(&buffer.text[start..end]);
                    buffer.position = end;
                }
            }
        }
    }

    /// The rest of the line after a variable's `=`, without the blanks before it.
    fn scan_assignment(&mut self) -> Token {
        let Some(buffer) = self.buffers.last_mut() else { return Token::EndOfInput };
        let bytes = buffer.text.as_bytes();
        let blanks =
            bytes[buffer.position..].iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count();
        let start = buffer.position + blanks;
        let end = line_end(bytes, start);
        if start < end {
            buffer.position = end;
            self.text.clear();
            self.text.push_str(&buffer.text[start..end]);
            return Token::AssignValue;
        }
        self.in_assignment = false;
        buffer.position = end;
        if end == bytes.len() {
            return self.end_of_file();
        }
        buffer.position += 1;
        buffer.line += 1;
        Token::EndOfLine
    }

    fn scan_help(&mut self) -> Token {
        self.in_help = false;
        let Some(buffer) = self.buffers.last_mut() else { return Token::EndOfInput };
        let start = buffer.position;
        let (end, lines) = help_end(&buffer.text.as_bytes()[start..]);
        self.help = (start as u32, (start + end) as u32);
        buffer.position = start + end;
        buffer.line += lines;
        Token::Help
    }
}

fn knows(dialect: crate::dialect::Dialect, keyword: Keyword) -> bool {
    match keyword {
        Keyword::Optional => !dialect.plain_choices(),
        Keyword::Transitional => dialect.has_transitional(),
        Keyword::Option => !dialect.has_bare_modules(),
        Keyword::Modules => dialect.has_bare_modules(),
        _ => true,
    }
}

/// `[A-Za-z0-9_-]`
pub(crate) fn is_word(byte: u8) -> bool {
    const WORD: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] =
                (byte as u8).is_ascii_alphanumeric() || byte == b'_' as usize || byte == b'-' as usize;
            byte += 1;
        }
        table
    };
    WORD[usize::from(byte)]
}

fn line_end(bytes: &[u8], start: usize) -> usize {
    memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at)
}

/// One step through a help text: what the scanner would match.
enum HelpPiece {
    Blank { width: u32 },
    EmptyLine,
    Line(usize, usize),
    End,
}

/// Walks through a help text as the scanner's HELP state does; gives how many bytes and lines it takes.
fn walk_help(bytes: &[u8], mut piece: impl FnMut(HelpPiece)) -> (usize, u32) {
    let (mut position, mut lines) = (0, 0);
    let (mut first_width, mut last_width) = (0, 0);
    while position < bytes.len() {
        let blanks = bytes[position..].iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count();
        let after = position + blanks;
        if bytes.get(after) == Some(&b'\n') {
            position = after + 1;
            lines += 1;
            if bytes.get(position).is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b'\n')) {
                piece(HelpPiece::End);
                return (position, lines);
            }
            piece(HelpPiece::EmptyLine);
        } else if blanks > 0 {
            let widen = |width: u32, &byte: &u8| if byte == b'\t' { (width & !7) + 8 } else { width + 1 };
            let width = bytes[position..after].iter().fold(0, widen);
            position = after;
            last_width = width;
            if first_width > 0 {
                if width < first_width {
                    piece(HelpPiece::End);
                    return (position, lines);
                }
                piece(HelpPiece::Blank { width: width - first_width });
            }
        } else {
            let end = line_end(bytes, position);
            let text = &bytes[position..end];
            let kept = text.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |at| at + 1);
            piece(HelpPiece::Line(position, position + kept));
            position = end;
            if first_width == 0 {
                first_width = last_width;
            }
        }
    }
    piece(HelpPiece::End);
    (position, lines)
}

fn help_end(bytes: &[u8]) -> (usize, u32) {
    walk_help(bytes, |_| {})
}

/// The help text that begins `text`, without its indentation, and where it ends.
pub(crate) fn help_text(text: &str) -> (String, usize) {
    let mut help = String::new();
    let (end, _) = walk_help(text.as_bytes(), |piece| match piece {
        HelpPiece::Blank { width } => {
            // The C tool's loop leaves a full 8 for the end.
            (0..width).for_each(|_| help.push(' '));
        }
        HelpPiece::EmptyLine => help.push('\n'),
        HelpPiece::Line(start, end) => help.push_str(&text[start..end]),
        HelpPiece::End => {}
    });
    (help, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_ends_where_the_indentation_does() {
        let text = "\t  One\n\n\t    two  \n\tconfig X\n";
        let (help, end) = help_text(text);
        assert_eq!(help, "One\n\n  two\n");
        assert_eq!(&text[end..], "config X\n");
    }

    #[test]
    fn help_ends_before_a_line_at_the_margin() {
        let (help, end) = help_text("  a\nconfig X\n");
        assert_eq!((help.as_str(), end), ("a", 4));
    }

    #[test]
    fn help_may_end_with_the_file() {
        assert_eq!(help_text("").0, "");
        assert_eq!(help_text("  last line").0, "last line");
    }
}
