//! Shell commands whose answer lies in their own text: comparisons of words and picking one of them. scripts/Kconfig.include
//! makes many of these from one answer of the compiler; no shell is started for them.
//!
//! Only forms are known on which POSIX leaves no doubt ("test", "set", "echo", "Lists" of Shell & Utilities), on words that no
//! shell changes. Everything else is a shell's business.

/// What the shell would print for `command`, if its text alone tells.
pub(super) fn answer(command: &str) -> Option<String> {
    match command.strip_prefix("{ ") {
        Some(rest) => choice(rest),
        None => picked(command),
    }
}

/// `{ test A = B; } >/dev/null 2>&1 && echo "X" || echo "Y"`: $(if-success,…).
fn choice(rest: &str) -> Option<String> {
    let (test, rest) = rest.split_once("; } >/dev/null 2>&1 && echo \"")?;
    let (yes, rest) = rest.split_once("\" || echo \"")?;
    let no = rest.strip_suffix('"')?;
    let said = if holds(&words(test)?)? { yes } else { no };
    // The one that is not said has to be read by the shell as well.
    [yes, no].iter().all(|word| word.is_empty() || is_plain(word)).then(|| format!("{said}\n"))
}

/// `set -- A B && echo $1`: $(shell,set -- $(cc-info) && echo $1).
fn picked(command: &str) -> Option<String> {
    let (words, number) = command.strip_prefix("set -- ")?.split_once(" && echo $")?;
    let words = self::words(words)?;
    let index = match number.as_bytes() {
        [digit @ b'1'..=b'9'] => usize::from(digit - b'1'),
        _ => return None,
    };
    // Unset, it is nothing at all; a word with a blank was quoted, and would be split again.
    let word = words.get(index).map_or("", String::as_str);
    (word.is_empty() || is_plain(word)).then(|| format!("{word}\n"))
}

/// Whether a `test` of two or three operands holds.
fn holds(words: &[String]) -> Option<bool> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["test", "-z", word] => Some(word.is_empty()),
        ["test", "-n", word] => Some(!word.is_empty()),
        ["test", left, operator, right] => match operator {
            "=" => Some(left == right),
            "!=" => Some(left != right),
            _ => {
                let (left, right) = (number(left)?, number(right)?);
                match operator {
                    "-eq" => Some(left == right),
                    "-ne" => Some(left != right),
                    "-gt" => Some(left > right),
                    "-ge" => Some(left >= right),
                    "-lt" => Some(left < right),
                    "-le" => Some(left <= right),
                    _ => None,
                }
            }
        },
        _ => None,
    }
}

/// A decimal number that every shell reads alike: no sign, no leading zero.
fn number(word: &str) -> Option<u32> {
    let digits = !word.is_empty() && word.bytes().all(|it| it.is_ascii_digit());
    (digits && (word == "0" || !word.starts_with('0'))).then(|| word.parse().ok()).flatten()
}

/// The words of a command: unquoted plain ones and operators, and plain text with blanks in double quotes.
fn words(text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (word, after) = quoted.split_once('"')?;
                (word.is_empty() || word.split(' ').all(|part| part.is_empty() || is_plain(part)))
                    .then_some(())?;
                found.push(word.to_string());
                after
            }
            None => {
                let end = rest.find(' ').unwrap_or(rest.len());
                let word = &rest[..end];
                (is_plain(word) || OPERATORS.contains(&word)).then_some(())?;
                found.push(word.to_string());
                &rest[end..]
            }
        };
        let after = rest.trim_start_matches(' ');
        // Words that touch are one word.
        (rest.is_empty() || after.len() < rest.len()).then_some(())?;
        rest = after;
    }
    Some(found)
}

const OPERATORS: &[&str] = &["=", "!=", "-z", "-n", "-eq", "-ne", "-gt", "-ge", "-lt", "-le"];

/// A word that means itself: no quoting, no expansion, no option, no tilde, and `=` only as an operator.
fn is_plain(word: &str) -> bool {
    let first = word.bytes().next();
    first.is_some_and(|it| it.is_ascii_alphanumeric() || matches!(it, b'/' | b'.'))
        && word.bytes().all(|it| {
            it.is_ascii_alphanumeric() || matches!(it, b'/' | b'.' | b'_' | b'-' | b'+' | b',' | b':')
        })
}

#[cfg(test)]
mod tests {
    use base::process::Program;
    use proptest::prelude::*;

    use super::*;

    fn shell(command: &str) -> String {
        let program = Program::new("/bin/sh").args(["-c", command, "sh"]);
        program.capture(std::time::Duration::from_secs(20), &base::Cancel::new()).unwrap().stdout
    }

    #[test]
    fn what_kconfig_include_asks_is_known() {
        for (command, expected) in [
            ("set -- GCC 120200 && echo $1", "GCC\n"),
            ("set -- GCC 120200 && echo $2", "120200\n"),
            ("set -- GCC 120200 && echo $3", "\n"),
            ("{ test \"GCC\" = GCC; } >/dev/null 2>&1 && echo \"y\" || echo \"n\"", "y\n"),
            ("{ test \"GNU\" = LLVM; } >/dev/null 2>&1 && echo \"y\" || echo \"n\"", "n\n"),
            ("{ test -z \"GCC 120200\"; } >/dev/null 2>&1 && echo \"y\" || echo \"\"", "\n"),
            ("{ test 107900 -ge 107800; } >/dev/null 2>&1 && echo \"y\" || echo \"n\"", "y\n"),
        ] {
            assert_eq!(answer(command).as_deref(), Some(expected), "{command}");
            assert_eq!(shell(command), expected, "{command}");
        }
    }

    #[test]
    fn what_a_shell_would_change_is_left_to_it() {
        for command in [
            "set -- $HOME && echo $1",
            "set -- a* && echo $1",
            "set -- a && echo $1 $2",
            "set -- a && echo $10",
            "set -- \"a  b\" && echo $1",
            "set -- -n && echo $1",
            "{ test -e /dev/null; } >/dev/null 2>&1 && echo \"y\" || echo \"n\"",
            "{ test 010 -eq 8; } >/dev/null 2>&1 && echo \"y\" || echo \"n\"",
            "{ test a = b; true; } >/dev/null 2>&1 && echo \"y\" || echo \"n\"",
            "{ test \"`id`\" = b; } >/dev/null 2>&1 && echo \"y\" || echo \"n\"",
            "{ test \"a\"b = ab; } >/dev/null 2>&1 && echo \"y\" || echo \"n\"",
            "{ test a = b; } >/dev/null 2>&1 && echo \"$x\" || echo \"n\"",
            "{ test ! = b; } >/dev/null 2>&1 && echo \"y\" || echo \"n\"",
            "{ test ~ = b; } >/dev/null 2>&1 && echo \"y\" || echo \"n\"",
            "echo y",
            "",
        ] {
            assert_eq!(answer(command), None, "{command}");
        }
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-Za-z0-9./_+,:-]{0,6}",
            "\"[A-Za-z0-9 ./_+,:=-]{0,8}\"",
            "(=|!=|-z|-n|-eq|-ne|-gt|-ge|-lt|-le|!|-o|-a)",
            "[0-9]{1,10}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Where it answers, the shell of this machine gives the same answer.
        #[test]
        fn the_shell_agrees(words in prop::collection::vec(word(), 0..4), number in 1..5, yes in "[a-z-]{0,3}") {
            let words = words.join(" ");
            for command in [
                format!("set -- {words} && echo ${number}"),
                format!("{{ test {words}; }} >/dev/null 2>&1 && echo \"{yes}\" || echo \"n\""),
            ] {
                if let Some(answer) = answer(&command) {
                    prop_assert_eq!(answer, shell(&command), "{}", command);
                }
            }
        }
    }
}
