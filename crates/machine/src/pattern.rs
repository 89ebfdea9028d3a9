//! What a wait looks for in the console: a literal text or a regular expression.

use base::{Error, Result};
use regex::bytes::{Regex, RegexBuilder};

/// Longest stretch of an unfinished line that a regular expression looks at again when more of it arrives, in bytes.
const LINE_REACH: u64 = 16 << 10;
/// Largest compiled regular expression, in bytes.
const COMPILED_LIMIT: usize = 1 << 20;

/// A literal text or a regular expression, ready to search console bytes.
#[derive(Clone, Debug)]
pub struct Pattern {
    shown: String,
    regex: Regex,
    /// For a literal: the most bytes a match can span. A regular expression matches inside one line.
    span: Option<u64>,
}

impl Pattern {
    /// The text itself. A line end in it also matches the console's CR LF.
    pub fn literal(text: &str) -> Pattern {
        let escaped = regex::escape(text).replace('\n', r"\r*\n");
        // An escaped text always compiles unless it is absurdly long; then it matches its first part.
        let regex = RegexBuilder::new(&escaped).unicode(false).size_limit(16 << 20).build();
        let regex = regex.unwrap_or_else(|_| literal_regex(&text.as_bytes()[..1 << 10]));
        Pattern { shown: format!("\"{text}\""), regex, span: Some(2 * text.len() as u64 + 1) }
    }

    /// A regular expression (the regex crate's syntax) that is matched within one line; `^` and `$` are the line's
    /// ends. The last, unfinished line counts too, as a prompt has no line end; a match that ends where the console does
    /// is taken once nothing more comes.
    ///
    /// # Errors
    /// [`base::Kind::Input`]: not a regular expression, or too big.
    pub fn regex(expression: &str) -> Result<Pattern> {
        let regex = RegexBuilder::new(expression)
            .multi_line(true)
            .crlf(true)
            .size_limit(COMPILED_LIMIT)
            .build()
            .map_err(|cause| {
                Error::input(format!("\"{expression}\" is not a regular expression")).note(cause.to_string())
            })?;
        Ok(Pattern { shown: format!("/{expression}/"), regex, span: None })
    }

    /// How messages show it: `"text"` or `/expression/`.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether it is found in this text.
    pub fn matches(&self, text: &str) -> bool {
        self.find(text.as_bytes(), 0, 0).is_some()
    }

    /// Whether it is a literal text, so that a match is final whatever follows.
    pub(crate) fn is_literal(&self) -> bool {
        self.span.is_some()
    }

    /// The first match at or after `from` (absolute), as (start, end). `text` begins at the absolute offset `base`.
    pub(crate) fn find(&self, text: &[u8], base: u64, from: u64) -> Option<(u64, u64)> {
        let start = from.saturating_sub(base).min(text.len() as u64) as usize;
        let found = self.regex.find_at(text, start)?;
        Some((base + found.start() as u64, base + found.end() as u64))
    }

    /// Where to search on when nothing was found in `text` (which begins at `base`) from `from` on and more will
    /// arrive: no match that is still incomplete begins before it.
    pub(crate) fn resume(&self, text: &[u8], base: u64, from: u64) -> u64 {
        let end = base + text.len() as u64;
        let resume = match self.span {
            Some(span) => end.saturating_sub(span),
            None => {
                let low = from.max(end.saturating_sub(LINE_REACH)).max(base);
                let line = text[(low - base) as usize..].iter().rposition(|&byte| byte == b'\n');
                line.map_or(low, |at| low + at as u64 + 1)
            }
        };
        resume.max(from)
    }
}

fn literal_regex(bytes: &[u8]) -> Regex {
    let hex: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    RegexBuilder::new(&format!("(?-u){hex}")).build().expect("hex escapes are a regular expression")
}

/// A text that means no wanted text will come any more ("Kernel panic - not syncing").
#[derive(Clone, Debug)]
pub struct Fatal {
    /// A stable name for programs ("kernel-panic").
    pub name: String,
    /// What is seen.
    pub pattern: Pattern,
}

impl Fatal {
    /// The fatal text `text`, called `name`.
    pub fn literal(name: &str, text: &str) -> Fatal {
        Fatal { name: name.to_string(), pattern: Pattern::literal(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` byte by byte, as a wait would see it, and returns the first match.
    fn bytewise(pattern: &Pattern, text: &[u8]) -> Option<(u64, u64)> {
        let mut from = 0;
        for end in 0..=text.len() {
            if let Some(found) = pattern.find(&text[..end], 0, from) {
                return Some(found);
            }
            from = pattern.resume(&text[..end], 0, from);
        }
        None
    }

    #[test]
    fn a_literal_is_found_across_any_cut() {
        let pattern = Pattern::literal("node ready");
        assert_eq!(bytewise(&pattern, b"no node node ready\r\n"), Some((8, 18)));
        assert_eq!(bytewise(&pattern, b"node  ready"), None);
        assert_eq!(bytewise(&Pattern::literal("a\nb"), b"xa\r\nb"), Some((1, 5)));
        assert_eq!(bytewise(&Pattern::literal("[  0.1] (x)*"), b"..[  0.1] (x)*"), Some((2, 14)));
        assert_eq!(bytewise(&Pattern::literal("gr\u{fc}n"), "\u{fc}gr\u{fc}n".as_bytes()), Some((2, 7)));
    }

    #[test]
    fn a_regex_stays_in_its_line_and_sees_the_unfinished_one() {
        let login = Pattern::regex("^[a-z]+ login: $").unwrap();
        assert_eq!(bytewise(&login, b"boot\r\nnode login: "), Some((6, 18)));
        assert_eq!(bytewise(&login, b"a node login: "), None);
        let version = Pattern::regex(r"Linux version 6\.\d").unwrap();
        assert_eq!(bytewise(&version, b"Linux\nLinux version 6.1"), Some((6, 23)));
        assert!(Pattern::regex("(").is_err());
        assert!(Pattern::regex("a{1000}{1000}").is_err());
    }

    #[test]
    fn an_endless_line_is_not_searched_again_and_again() {
        let text = vec![b'x'; 1 << 20];
        let resume = Pattern::regex("never").unwrap().resume(&text, 0, 0);
        assert_eq!(resume, (1 << 20) - LINE_REACH);
        assert_eq!(Pattern::literal("never").resume(&text, 0, 0), (1 << 20) - 11);
    }

    proptest::proptest! {
        #[test]
        fn cuts_change_nothing(text in "[ab\n]{0,40}", wanted in "[ab]{1,5}") {
            let whole = text.find(&wanted).map(|at| (at as u64, (at + wanted.len()) as u64));
            proptest::prop_assert_eq!(bytewise(&Pattern::literal(&wanted), text.as_bytes()), whole);
            let expression = Pattern::regex(&format!("^b?{wanted}")).unwrap();
            let mut start = 0;
            let line = text.split_inclusive('\n').find_map(|line| {
                let at = start;
                start += line.len();
                let end = if line.starts_with(&format!("b{wanted}")) { wanted.len() + 1 } else { wanted.len() };
                let found = line.starts_with(&wanted) || end > wanted.len();
                found.then_some(at as u64)
            });
            let found = bytewise(&expression, text.as_bytes()).map(|found| found.0);
            proptest::prop_assert_eq!(found, line);
        }
    }
}
