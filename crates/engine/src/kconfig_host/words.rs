//! Reads a shell command far enough to know which programs and files its answer depends on; what it cannot read for
//! certain it refuses, and the answer is then asked for anew each time.
//!
//! The grammar is that of POSIX.1-2017, Shell Command Language, chapters 2.2 (quoting), 2.3 (tokens), 2.7 (redirection) and
//! 2.9 (commands), without compound commands, substitutions and patterns.

use std::collections::BTreeSet;

/// A shell command, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// Its simple commands, in order.
    pub commands: Vec<Simple>,
    /// The shell variables it expands, by name.
    pub variables: BTreeSet<String>,
}

/// One simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Simple {
    /// `NAME=value` before the program.
    pub assignments: Vec<(String, Word)>,
    /// The program and its arguments.
    pub words: Vec<Word>,
    /// Files it reads by `<`.
    pub inputs: Vec<Word>,
}

/// One word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Its text, quotes removed, with expansions left as they were written.
    pub text: String,
    /// Whether its text is known only when the command runs: it holds a variable, a parameter or the process id.
    pub expands: bool,
    /// Whether any of it was quoted.
    pub quoted: bool,
}

/// Why a command cannot be read for certain.
pub(super) type Refusal = &'static str;

/// Reserved words after which another command begins (POSIX 2.4). The loops and `case` are refused.
const OPENING: [&str; 8] = ["!", "{", "}", "if", "then", "else", "elif", "fi"];
const REFUSED: [&str; 8] = ["for", "while", "until", "case", "do", "done", "esac", "function"];

/// Reads `command`.
pub(super) fn read(command: &str) -> Result<Script, Refusal> {
    let mut reader = Reader { rest: command.chars().peekable(), script: Script::default() };
    let mut simple = Simple::default();
    loop {
        match reader.token()? {
            Token::End => break,
            Token::Separator => reader.close(&mut simple),
            Token::Input => simple.inputs.push(reader.target()?),
            Token::Output => {
                if !harmless_output(&reader.target()?) {
                    return Err("it writes a file");
                }
            }
            Token::Word(word) => take(word, &mut simple)?,
        }
    }
    reader.close(&mut simple);
    Ok(reader.script)
}

/// Puts a word where it belongs in the command that is being read.
fn take(word: Word, simple: &mut Simple) -> Result<(), Refusal> {
    let bare = !word.quoted && !word.expands;
    if simple.words.is_empty() {
        if bare && simple.assignments.is_empty() && OPENING.contains(&word.text.as_str()) {
            return Ok(());
        }
        if bare && REFUSED.contains(&word.text.as_str()) {
            return Err("it holds a loop or a case");
        }
        if let Some((name, value)) = assignment(&word) {
            simple.assignments.push((name, value));
            return Ok(());
        }
    }
    simple.words.push(word);
    Ok(())
}

/// `NAME=value`, where the word begins with a plain name.
pub(super) fn assignment(word: &Word) -> Option<(String, Word)> {
    let (name, value) = word.text.split_once('=')?;
    is_name(name).then(|| (name.to_string(), Word { text: value.to_string(), ..word.clone() }))
}

/// Whether `text` may be a variable's name (POSIX 3.235).
pub(super) fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first == '_' || first.is_ascii_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
}

/// `>/dev/null`, `2>&1`.
fn harmless_output(target: &Word) -> bool {
    target.text == "/dev/null" || matches!(target.text.as_str(), "&1" | "&2" | "&-")
}

enum Token {
    Word(Word),
    /// `;`, `&&`, `||`, `|`, a newline, a parenthesis: what follows is another command.
    Separator,
    Input,
    Output,
    End,
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    script: Script,
}

impl Reader<'_> {
    fn close(&mut self, simple: &mut Simple) {
        let done = std::mem::take(simple);
        if done != Simple::default() {
            self.script.commands.push(done);
        }
    }

    fn eat(&mut self, letter: char) -> bool {
        self.rest.next_if_eq(&letter).is_some()
    }

    fn token(&mut self) -> Result<Token, Refusal> {
        while self.rest.next_if(|letter| matches!(letter, ' ' | '\t')).is_some() {}
        let Some(&letter) = self.rest.peek() else { return Ok(Token::End) };
        match letter {
            '\n' | '(' | ')' => {
                self.rest.next();
                Ok(Token::Separator)
            }
            ';' => {
                self.rest.next();
                if self.eat(';') { Err("it holds a loop or a case") } else { Ok(Token::Separator) }
            }
            '|' => {
                self.rest.next();
                self.eat('|');
                Ok(Token::Separator)
            }
            '&' => {
                self.rest.next();
                if self.eat('&') {
                    Ok(Token::Separator)
                } else {
                    Err("it starts something in the background")
                }
            }
            '<' | '>' => {
                self.rest.next();
                self.redirection(letter)
            }
            '#' => {
                while self.rest.next_if(|letter| *letter != '\n').is_some() {}
                self.token()
            }
            _ => self.word_or_number(),
        }
    }

    fn redirection(&mut self, letter: char) -> Result<Token, Refusal> {
        match (letter, self.rest.peek()) {
            ('<', Some('<' | '>')) | ('>', Some('|')) => Err("its redirection is not understood"),
            ('<', Some('&')) => Err("it reads a descriptor of ours"),
            ('<', _) => Ok(Token::Input),
            _ => {
                self.eat('>');
                Ok(Token::Output)
            }
        }
    }

    /// A word, unless it is the descriptor number of a redirection.
    fn word_or_number(&mut self) -> Result<Token, Refusal> {
        let word = self.word()?;
        let number = !word.quoted && !word.text.is_empty() && word.text.bytes().all(|it| it.is_ascii_digit());
        if number && matches!(self.rest.peek(), Some('<' | '>')) {
            return self.token();
        }
        Ok(Token::Word(word))
    }

    /// The target of a redirection; "&1" for a descriptor.
    fn target(&mut self) -> Result<Word, Refusal> {
        if self.eat('&') {
            let word = self.word()?;
            return Ok(Word { text: format!("&{}", word.text), ..word });
        }
        match self.token()? {
            Token::Word(word) => Ok(word),
            _ => Err("its redirection is not understood"),
        }
    }

    fn word(&mut self) -> Result<Word, Refusal> {
        let mut word = Word::default();
        while let Some(&letter) = self.rest.peek() {
            match letter {
                ' ' | '\t' | '\n' | ';' | '|' | '&' | '<' | '>' | '(' | ')' => break,
                _ => self.rest.next(),
            };
            match letter {
                '\'' => self.single(&mut word)?,
                '"' => self.double(&mut word)?,
                '\\' => {
                    word.quoted = true;
                    match self.rest.next() {
                        Some('\n') => {}
                        Some(letter) => word.text.push(letter),
                        None => return Err("it ends in a backslash"),
                    }
                }
                '$' => self.expansion(&mut word)?,
                '`' => return Err("it holds a command substitution"),
                '*' | '?' => return Err("it holds a pattern"),
                '~' if word.text.is_empty() && !word.quoted => return Err("it names a home folder"),
                letter => word.text.push(letter),
            }
        }
        // `[` alone is a command, and `]` its last argument; anything else with a bracket is a pattern.
        if !word.quoted && word.text != "[" && word.text.contains('[') {
            return Err("it holds a pattern");
        }
        Ok(word)
    }

    fn single(&mut self, word: &mut Word) -> Result<(), Refusal> {
        word.quoted = true;
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(letter) => word.text.push(letter),
                None => return Err("a quote is not closed"),
            }
        }
    }

    fn double(&mut self, word: &mut Word) -> Result<(), Refusal> {
        word.quoted = true;
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('$') => self.expansion(word)?,
                Some('`') => return Err("it holds a command substitution"),
                Some('\\') => match self.rest.next() {
                    Some('\n') => {}
                    Some(letter @ ('$' | '`' | '"' | '\\')) => word.text.push(letter),
                    Some(letter) => word.text.extend(['\\', letter]),
                    None => return Err("a quote is not closed"),
                },
                Some(letter) => word.text.push(letter),
                None => return Err("a quote is not closed"),
            }
        }
    }

    /// What follows a `$`.
    fn expansion(&mut self, word: &mut Word) -> Result<(), Refusal> {
        word.text.push('$');
        let braced = match self.rest.peek() {
            Some('(') => return Err("it holds a command substitution"),
            Some('{') => {
                self.rest.next();
                true
            }
            _ => false,
        };
        match self.rest.peek() {
            Some('$' | '?' | '!' | '#' | '@' | '*' | '-' | '0'..='9') => {
                word.expands = true;
                word.text.extend(self.rest.next());
            }
            Some('_' | 'a'..='z' | 'A'..='Z') => {
                let mut name = String::new();
                while let Some(letter) = self.rest.next_if(|it| *it == '_' || it.is_ascii_alphanumeric()) {
                    name.push(letter);
                }
                word.expands = true;
                word.text.push_str(&name);
                self.script.variables.insert(name);
            }
            // A lone dollar sign stands for itself.
            _ => {}
        }
        if braced && !self.eat('}') { Err("its expansion is not understood") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &str) -> Vec<Vec<String>> {
        let script = read(command).unwrap();
        let texts = |simple: Simple| simple.words.into_iter().map(|word| word.text).collect();
        script.commands.into_iter().map(texts).collect()
    }

    #[test]
    fn a_compiler_probe_is_read_to_its_programs() {
        let command = r#"{ trap "rm -rf .tmp_$$" EXIT; mkdir .tmp_$$; gcc -Werror -m64 -c -x c /dev/null -o .tmp_$$/tmp.o; } >/dev/null 2>&1 && echo "y" || echo "n""#;
        let programs: Vec<String> = words(command).into_iter().map(|words| words[0].clone()).collect();
        assert_eq!(programs, ["trap", "mkdir", "gcc", "echo", "echo"]);
        let script = read(command).unwrap();
        assert!(script.commands[1].words[1].expands);
        assert!(script.variables.is_empty());
    }

    #[test]
    fn quotes_assignments_and_variables() {
        let script = read("LC_ALL=C env \"CC=gcc -m32\" ./a.sh 'it''s' \\$x \"$HOME/x\" <in").unwrap();
        let simple = &script.commands[0];
        assert_eq!(simple.assignments[0].0, "LC_ALL");
        assert_eq!(assignment(&simple.words[1]).unwrap().1.text, "gcc -m32");
        assert_eq!(simple.words[3].text, "its");
        assert!(!simple.words[4].expands && simple.words[5].expands);
        assert_eq!(simple.inputs[0].text, "in");
        assert_eq!(script.variables.iter().collect::<Vec<_>>(), ["HOME"]);
    }

    #[test]
    fn what_is_not_certain_is_refused() {
        for command in [
            "echo $(date)",
            "echo `date`",
            "echo *",
            "echo a[12]",
            "echo ~",
            "cat <<EOF",
            "for i in a; do echo; done",
            "echo >file",
            "sleep 1 &",
            "echo ${x:-y}",
            "echo 'open",
            "case a in esac",
            "cat <&3",
            "echo \\",
        ] {
            assert!(read(command).is_err(), "{command}");
        }
    }

    #[test]
    fn a_numbers_redirection_is_no_word() {
        assert_eq!(words("gcc 2>/dev/null -x c - 2>&1"), [["gcc", "-x", "c", "-"]]);
        assert_eq!(words("test 1 = 2"), [["test", "1", "=", "2"]]);
    }

    /// Whatever the text: words or a refusal, soon.
    #[test]
    fn no_text_is_too_strange() {
        let letters: Vec<char> = " \t\n;|&<>()'\"\\$`*?[]{}#~!=ab12_é\0".chars().collect();
        let mut state = 88_172_645_463_325_252_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..state % 24 {
                // Marsaglia's xorshift64.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                text.push(letters[(state >> 33) as usize % letters.len()]);
            }
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let _ = read(&text);
        }
        assert!(read(&"(".repeat(100_000)).is_ok());
        assert!(read(&"#\n".repeat(100_000)).is_ok());
        assert!(read(&"1>".repeat(100_000)).is_err());
    }

    /// The shell itself is the referee: what we say the words are is what a program gets.
    #[test]
    fn the_shell_sees_the_same_words() {
        for command in [
            "printf '<%s>' a 'b c' \"d\\e\\\"f\" g\\ h \"i\nj\" k\\\nl",
            "printf '<%s>' \"it's\" '\"' \\\\ \"\\\\\" \"\\n\"",
            "printf '<%s>' { } ! if 1 [ ] a=b \"\" ''",
        ] {
            let program = base::process::Program::new("/bin/sh").args(["-c", command]);
            let limit = std::time::Duration::from_secs(10);
            let printed = program.capture(limit, &base::Cancel::new()).unwrap().stdout;
            let ours: String = words(command)[0][2..].iter().map(|word| format!("<{word}>")).collect();
            assert_eq!(ours, printed, "{command}");
        }
    }
}
