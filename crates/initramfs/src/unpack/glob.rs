//! Patterns for names in an archive, as a shell has them, over bytes.

/// A pattern: `*` and `?` stand for anything but `/`, `**` for anything, `[a-z]` and `[!a-z]` for one byte;
/// `\` takes the meaning from what follows. A pattern that fits a directory fits what is in it.
///
/// ```
/// let pattern = initramfs::Pattern::new("etc/*.conf");
/// assert!(pattern.matches(b"etc/resolv.conf") && !pattern.matches(b"etc/ssh/sshd.conf"));
/// assert!(initramfs::Pattern::new("/etc").matches(b"etc/ssh/sshd.conf"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Some,
    All,
    Set { ranges: Vec<(u8, u8)>, negated: bool },
}

impl Pattern {
    /// The pattern as a person writes it; a leading `/` or `./` is dropped, as from names, and what is no
    /// complete `[...]` stands for itself.
    pub fn new(text: impl AsRef<[u8]>) -> Pattern {
        let mut rest = text.as_ref();
        while let Some(shorter) = rest.strip_prefix(b"./").or_else(|| rest.strip_prefix(b"/")) {
            rest = shorter;
        }
        while let Some(shorter) = rest.strip_suffix(b"/") {
            rest = shorter;
        }
        let mut tokens = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            let (token, after) = match (*first, after) {
                (b'*', [b'*', after @ ..]) => (Token::All, after),
                (b'*', _) => (Token::Some, after),
                (b'?', _) => (Token::One, after),
                (b'\\', [byte, after @ ..]) => (Token::Byte(*byte), after),
                (b'[', _) => set(after).unwrap_or((Token::Byte(b'['), after)),
                (byte, _) => (Token::Byte(byte), after),
            };
            tokens.push(token);
            rest = after;
        }
        Pattern { tokens }
    }

    /// Whether it fits a path without leading `/`, or a directory above it.
    pub fn matches(&self, path: &[u8]) -> bool {
        // The tokens that can come next, all at once: time is bounded by the product of both lengths.
        let mut states = vec![false; self.tokens.len() + 1];
        states[0] = true;
        self.pass_empty(&mut states);
        for byte in path {
            if *byte == b'/' && states[self.tokens.len()] {
                return true;
            }
            let mut next = vec![false; states.len()];
            for (at, token) in self.tokens.iter().enumerate().filter(|(at, _)| states[*at]) {
                if token.takes(*byte) {
                    let stays = matches!(token, Token::Some | Token::All);
                    next[if stays { at } else { at + 1 }] = true;
                }
            }
            states = next;
            self.pass_empty(&mut states);
        }
        states[self.tokens.len()]
    }

    /// `*` and `**` may stand for nothing.
    fn pass_empty(&self, states: &mut [bool]) {
        for (at, token) in self.tokens.iter().enumerate() {
            if states[at] && matches!(token, Token::Some | Token::All) {
                states[at + 1] = true;
            }
        }
    }
}

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Token::Byte(own) => *own == byte,
            Token::One | Token::Some => byte != b'/',
            Token::All => true,
            Token::Set { ranges, negated } => {
                byte != b'/'
                    && ranges.iter().any(|(first, last)| (*first..=*last).contains(&byte)) != *negated
            }
        }
    }
}

/// A set of bytes behind its `[`, and what comes behind its `]`.
fn set(text: &[u8]) -> Option<(Token, &[u8])> {
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    // A `]` that comes first stands for itself.
    let end = start + 1 + text.get(start + 1..)?.iter().position(|byte| *byte == b']')?;
    let mut ranges = Vec::new();
    let mut rest = &text[start..end];
    while let Some((first, after)) = rest.split_first() {
        rest = match after {
            [b'-', last, after @ ..] => {
                ranges.push((*first, *last));
                after
            }
            _ => {
                ranges.push((*first, *first));
                after
            }
        };
    }
    Some((Token::Set { ranges, negated }, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_a_shell_means() {
        for (pattern, fits, does_not) in [
            ("init", vec!["init", "init/x"], vec!["init2", "bin/init", ""]),
            ("/etc/", vec!["etc", "etc/motd"], vec!["etcetera"]),
            ("./bin/*", vec!["bin/sh", "bin/a/b"], vec!["bin", "sbin/sh"]),
            ("**/sh", vec!["bin/sh", "usr/bin/sh"], vec!["sh", "bin/bash"]),
            ("*.ko", vec!["a.ko", ".ko"], vec!["lib/a.ko", "a.ko.xz"]),
            ("lib/**.ko", vec!["lib/a/b/c.ko"], vec!["lib/a/b/c.o"]),
            ("tty[0-3S]?", vec!["tty1x", "ttyS0"], vec!["tty4x", "tty1", "tty1/"]),
            ("[!a]", vec!["b", "]"], vec!["a", "bb", "/"]),
            ("[]x]", vec!["]", "x"], vec!["["]),
            ("\\*", vec!["*"], vec!["a"]),
            ("[a", vec!["[a"], vec!["a"]),
            ("", vec!["", "/x"], vec!["a"]),
        ] {
            for path in fits {
                assert!(Pattern::new(pattern).matches(path.as_bytes()), "{pattern} {path}");
            }
            for path in does_not {
                assert!(!Pattern::new(pattern).matches(path.as_bytes()), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let pattern = Pattern::new("*a".repeat(50));
        assert!(!pattern.matches(&[b'a'; 4000][..].iter().chain(b"b").copied().collect::<Vec<u8>>()));
    }
}
