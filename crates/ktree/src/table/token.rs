//! C in pieces, as far as tables of devices go: words, numbers, texts, signs, and the preprocessor's lines.

use std::rc::Rc;

/// A piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name.
    Word(Rc<str>),
    /// A number as it is written: a macro may make it the end of a name (`PCI_DEVICE_ID_INTEL_##82371AB`).
    Number(Rc<str>),
    /// A text, its escapes left as they are.
    Text(Rc<str>),
    /// A sign; those of two characters that are looked for are one: `##`, `<<`, `>>`, `...`.
    Sign(&'static str),
}

/// `#define NAME(parameters) body`
#[derive(Clone, Debug)]
pub(super) struct Macro {
    /// The parameters' names; a macro without parentheses has none.
    pub parameters: Option<Vec<Rc<str>>>,
    /// What it stands for.
    pub body: Rc<[Token]>,
}

/// A file in pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    /// The pieces, the preprocessor's lines taken out: of `#if` and `#else` both sides stay.
    pub tokens: Vec<Token>,
    /// The macros, in order.
    pub macros: Vec<(Rc<str>, Macro)>,
    /// What `#include "…"` names.
    pub includes: Vec<String>,
}

const SIGNS: &[&str] = &[
    "...", "##", "<<", ">>", "->", "==", "!=", "<=", ">=", "&&", "||", "{", "}", "(", ")", "[", "]", ";",
    ",", ".", "=", "&", "|", "^", "~", "+", "-", "*", "/", "%", "<", ">", "!", "?", ":", "#",
];

/// Takes a file apart. Never fails: bytes that are no C are passed over.
pub(super) fn pieces(text: &str) -> Pieces {
    let mut pieces = Pieces::default();
    let text = without_comments(text);
    let mut code = String::with_capacity(text.len());
    for line in logical_lines(&text) {
        match line.trim_start().strip_prefix('#') {
            Some(directive) => directive_of(directive.trim_start(), &mut pieces),
            None => {
                code.push_str(&line);
                code.push('\n');
            }
        }
    }
    pieces.tokens = tokens(&code);
    pieces
}

fn directive_of(directive: &str, pieces: &mut Pieces) {
    if let Some(rest) = directive.strip_prefix("define") {
        pieces.macros.extend(definition(rest));
    } else if let Some(rest) = directive.strip_prefix("include") {
        let quoted = rest.trim().strip_prefix('"').and_then(|rest| rest.split('"').next());
        pieces.includes.extend(quoted.map(str::to_string));
    }
}

fn definition(text: &str) -> Option<(Rc<str>, Macro)> {
    let text = text.trim_start();
    let end = text.find(|letter: char| !is_word(letter)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    // Only a parenthesis right behind the name begins parameters.
    let (parameters, body) = match rest.strip_prefix('(') {
        Some(rest) => {
            let (list, body) = rest.split_once(')')?;
            let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
            (Some(names.map(|name| Rc::from(name.trim_end_matches("..."))).collect()), body)
        }
        None => (None, rest),
    };
    Some((Rc::from(name), Macro { parameters, body: tokens(body).into() }))
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Comments become a blank each; their line ends stay, so that a directive still ends where it did.
fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut kept = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let end = text
                    .get(at + 2..)
                    .and_then(|rest| rest.find("*/"))
                    .map_or(bytes.len(), |end| at + 4 + end);
                kept.push(b' ');
                at = end;
            }
            quote @ (b'"' | b'\'') => {
                let end = quoted_end(bytes, at, quote);
                kept.extend(&bytes[at..end]);
                at = end;
            }
            byte => {
                kept.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Behind the closing quote, or the end of the line where there is none.
fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' => return at,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Lines, those that end in a backslash joined with the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let joined = match open.take() {
            Some(before) => before + line,
            None => line.to_string(),
        };
        match joined.trim_end().strip_suffix('\\') {
            Some(head) => open = Some(format!("{head} ")),
            None => lines.push(joined),
        }
    }
    lines.extend(open);
    lines
}

fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte.is_ascii_digit() {
            let end = end_of_word(bytes, at);
            tokens.push(Token::Number(Rc::from(&text[at..end])));
            at = end;
        } else if is_word(byte as char) {
            let end = end_of_word(bytes, at);
            tokens.push(Token::Word(Rc::from(&text[at..end])));
            at = end;
        } else if byte == b'"' || byte == b'\'' {
            let end = quoted_end(bytes, at, byte).min(bytes.len());
            let inside = text.get(at + 1..end.saturating_sub(1).max(at + 1)).unwrap_or_default();
            tokens.push(Token::Text(Rc::from(inside)));
            at = end;
        } else {
            let rest = &bytes[at..];
            let sign = SIGNS.iter().find(|sign| rest.starts_with(sign.as_bytes()));
            tokens.extend(sign.map(|sign| Token::Sign(sign)));
            at += sign.map_or(1, |sign| sign.len());
        }
    }
    tokens
}

fn end_of_word(bytes: &[u8], start: usize) -> usize {
    let length = bytes[start..].iter().take_while(|&&byte| is_word(byte as char)).count();
    start + length
}

/// The value of `0x8086`, `12UL`, `017`.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['u', 'U', 'l', 'L']);
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => u64::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    parsed.ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_falls_into_its_pieces() {
        let text = "/* no */ #include \"a.h\" // x\n#include \"b.h\"\n#define V(a, b) \\\n  .v = a ## b, /* y */ \"t\"\n\
                    #define ONE 0x10UL\nint x[] = { 010, 'c', \"a/*b\" };\n#if 0\ny\n#endif\n";
        let pieces = pieces(text);
        assert_eq!(pieces.includes, ["a.h", "b.h"]);
        assert_eq!(pieces.macros.len(), 2);
        assert_eq!(pieces.macros[0].1.parameters.as_ref().unwrap().len(), 2);
        assert_eq!(*pieces.macros[1].1.body, [Token::Number("0x10UL".into())]);
        assert!(pieces.tokens.contains(&Token::Text("a/*b".into())));
        assert!(pieces.tokens.contains(&Token::Number("010".into())));
        assert!(pieces.tokens.contains(&Token::Word("y".into())));
        assert_eq!(["0x10UL", "010", "12u", "82371AB"].map(number), [Some(16), Some(8), Some(12), None]);
    }

    proptest! {
        #[test]
        fn any_text_falls_apart(text in "(\\PC|\n|\"|/|\\*|#|\\\\){0,300}") {
            pieces(&text);
        }
    }
}
