//! `$(…)` in a Makefile's text.

/// A stretch of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// As it stands.
    Literal(&'t str),
    /// What stands inside `$(…)` or `${…}`, or the letter of `$x`.
    Reference(&'t str),
}

/// Splits text into literals and references; `$$` is a literal dollar. An open bracket without its end is taken to the end of the text.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        if at > 0 {
            found.push(Piece::Literal(&rest[..at]));
        }
        let after = &rest[at + 1..];
        let Some(first) = after.chars().next() else {
            rest = "";
            break;
        };
        let close = match first {
            '(' => Some(')'),
            '{' => Some('}'),
            _ => None,
        };
        rest = match close {
            Some(close) => {
                let inner = &after[1..];
                let end = closing(inner, first, close);
                found.push(Piece::Reference(&inner[..end]));
                inner.get(end + 1..).unwrap_or_default()
            }
            None if first == '$' => {
                found.push(Piece::Literal("$"));
                &after[1..]
            }
            None => {
                found.push(Piece::Reference(&after[..first.len_utf8()]));
                &after[first.len_utf8()..]
            }
        };
    }
    if !rest.is_empty() {
        found.push(Piece::Literal(rest));
    }
    found
}

/// Where the bracket that is open ends; the text's length without an end.
fn closing(text: &str, open: char, close: char) -> usize {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        if letter == open {
            depth += 1;
        } else if letter == close {
            if depth == 0 {
                return at;
            }
            depth -= 1;
        }
    }
    text.len()
}

/// Splits at white space that stands outside of references.
pub fn tokens(text: &str) -> Vec<&str> {
    split(text, |letter| letter.is_whitespace()).into_iter().filter(|it| !it.is_empty()).collect()
}

/// Splits a function's arguments at the commas outside of references.
pub fn arguments(text: &str) -> Vec<&str> {
    split(text, |letter| letter == ',')
}

fn split(text: &str, is_end: impl Fn(char) -> bool) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            letter if depth == 0 && is_end(letter) => {
                found.push(&text[start..at]);
                start = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_nest() {
        assert_eq!(
            pieces("obj-$(subst m,y,$(CONFIG_X))$$a${B}"),
            [
                Piece::Literal("obj-"),
                Piece::Reference("subst m,y,$(CONFIG_X)"),
                Piece::Literal("$"),
                Piece::Literal("a"),
                Piece::Reference("B"),
            ]
        );
        assert_eq!(tokens(" a.o $(if $(B), c.o) d "), ["a.o", "$(if $(B), c.o)", "d"]);
        assert_eq!(arguments("$(a,b),c"), ["$(a,b)", "c"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ab$(){}, ä]{0,40}") {
            pieces(&text);
            tokens(&text);
            arguments(&text);
        }
    }
}
