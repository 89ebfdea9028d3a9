//! Variables, functions and `$(shell …)` (kernel: scripts/kconfig/preprocess.c, and
//! Documentation/kbuild/kconfig-macro-language.rst).

use std::collections::HashMap;

use crate::host::Host;
use crate::message::Message;
use crate::model::Place;

/// Ends the reading at once, as `exit(1)` does in the C tool. What it says is already in it, with its newline.
#[derive(Debug)]
pub(crate) struct Fatal(pub Vec<Message>);

impl Fatal {
    pub fn new(text: String) -> Fatal {
        Fatal(vec![Message::error(text)])
    }
}

/// Stands for an answer that is not there yet. A command that would contain it waits for the next round.
const UNANSWERED: char = '\u{10fffe}';

/// How deep references may be nested, so that the stack holds them.
const DEEPEST: usize = 2_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// `=`
    Recursive,
    /// `:=`
    Simple,
    /// `+=`
    Append,
}

struct Variable {
    value: String,
    flavor: Flavor,
    expansions: u32,
}

/// The state of expanding.
pub(crate) struct Preprocessor<'a> {
    host: &'a dyn Host,
    variables: HashMap<String, Variable>,
    /// Environment variables asked for, in order.
    pub environment: Vec<(String, String)>,
    /// Commands and what they printed, in order of asking.
    pub answers: Vec<(String, Vec<u8>)>,
    /// Where the lexer is.
    pub place: Place,
    /// The names of the files, by id.
    pub files: Vec<std::sync::Arc<str>>,
    /// What `$(info …)` and `$(warning-if …)` said.
    pub messages: Vec<Message>,
    /// Some command has no answer yet: all that is read now is only to find more commands.
    pub incomplete: bool,
    depth: usize,
}

impl<'a> Preprocessor<'a> {
    pub fn new(host: &'a dyn Host) -> Preprocessor<'a> {
        Preprocessor {
            host,
            variables: HashMap::new(),
            environment: Vec::new(),
            answers: Vec::new(),
            place: Place { file: crate::model::FileId(0), line: 0 },
            files: Vec::new(),
            messages: Vec::new(),
            incomplete: false,
            depth: 0,
        }
    }

    fn file(&self) -> &str {
        self.files.get(self.place.file.index()).map_or("", |name| name)
    }

    fn fatal(&self, text: &str) -> Fatal {
        Fatal::new(format!("{}:{}: {text}\n", self.file(), self.place.line))
    }

    /// Whether the text hangs on an answer that is not there yet.
    pub fn is_unanswered(text: &str) -> bool {
        text.contains(UNANSWERED)
    }

    /// Defines a variable (`variable_add()`).
    pub fn define(&mut self, name: &str, value: &str, flavor: Flavor) -> Result<(), Fatal> {
        let known = self.variables.get(name).map(|variable| variable.flavor);
        let append = flavor == Flavor::Append && known.is_some();
        let flavor = match (flavor, known) {
            (Flavor::Append, Some(known)) => known,
            (Flavor::Append, None) => Flavor::Recursive,
            (flavor, _) => flavor,
        };
        let value = match flavor {
            Flavor::Simple => self.expand(value, &[])?,
            _ => value.to_string(),
        };
        match self.variables.get_mut(name) {
            Some(variable) if append => {
                variable.value.push(' ');
                variable.value.push_str(&value);
            }
            Some(variable) => (variable.value, variable.flavor) = (value, flavor),
            None => {
                self.variables.insert(name.into(), Variable { value, flavor, expansions: 0 });
            }
        }
        Ok(())
    }

    /// The first token of a line, expanded, and how many bytes of the line it took (`expand_one_token()`).
    pub fn expand_token(&mut self, line: &str) -> Result<(String, usize), Fatal> {
        self.expand_until(line, &[], |byte| !crate::lexer::is_word(byte))
    }

    /// The reference that follows a `$`, and how many bytes it took (`expand_dollar()`).
    pub fn expand_reference(&mut self, after_dollar: &str) -> Result<(String, usize), Fatal> {
        self.expand_dollar(after_dollar, &[])
    }

    fn expand(&mut self, text: &str, arguments: &[String]) -> Result<String, Fatal> {
        Ok(self.expand_until(text, arguments, |_| false)?.0)
    }

    fn expand_until(
        &mut self,
        text: &str,
        arguments: &[String],
        ends: impl Fn(u8) -> bool,
    ) -> Result<(String, usize), Fatal> {
        let bytes = text.as_bytes();
        let (mut expanded, mut copied, mut position) = (String::new(), 0, 0);
        while position < bytes.len() {
            if bytes[position] == b'$' {
                expanded.push_str(&text[copied..position]);
                let (value, used) = self.expand_dollar(&text[position + 1..], arguments)?;
                expanded.push_str(&value);
                position += 1 + used;
                copied = position;
            } else if ends(bytes[position]) {
                break;
            } else {
                position += 1;
            }
        }
        expanded.push_str(&text[copied..position]);
        Ok((expanded, position))
    }

    /// `expand_dollar_with_args()`: only `$(` is special.
    fn expand_dollar(&mut self, text: &str, arguments: &[String]) -> Result<(String, usize), Fatal> {
        let Some(inside) = text.strip_prefix('(') else { return Ok(("$".into(), 0)) };
        let mut nesting = 0usize;
        let end = inside.bytes().position(|byte| {
            match byte {
                b'(' => nesting += 1,
                b')' if nesting == 0 => return true,
                b')' => nesting -= 1,
                _ => {}
            }
            false
        });
        let Some(end) = end else {
            return Err(self.fatal(&format!("unterminated reference to '{inside}': missing ')'")));
        };
        if self.depth >= DEEPEST {
            return Err(self.fatal("Too deep recursive expansion"));
        }
        self.depth += 1;
        let value = self.evaluate(&inside[..end], arguments);
        self.depth -= 1;
        Ok((value?, end + 2))
    }

    /// `eval_clause()`
    fn evaluate(&mut self, clause: &str, arguments: &[String]) -> Result<String, Fatal> {
        if let Some(argument) = argument_number(clause).and_then(|number| arguments.get(number - 1)) {
            return Ok(argument.clone());
        }
        let parts = split_arguments(clause);
        if parts.len() > 16 {
            return Err(self.fatal("too many function arguments"));
        }
        let mut expanded = Vec::with_capacity(parts.len());
        for part in parts {
            expanded.push(self.expand(part, arguments)?);
        }
        let name = expanded.remove(0);
        if let Some(value) = self.expand_variable(&name, &expanded)? {
            return Ok(value);
        }
        if let Some(value) = self.call(&name, &expanded)? {
            return Ok(value);
        }
        if expanded.is_empty() {
            return Ok(self.environment_variable(&name).unwrap_or_default());
        }
        Ok(String::new())
    }

    fn expand_variable(&mut self, name: &str, arguments: &[String]) -> Result<Option<String>, Fatal> {
        let Some(variable) = self.variables.get_mut(name) else { return Ok(None) };
        if arguments.is_empty() && variable.expansions > 0 {
            let text = format!("Recursive variable '{name}' references itself (eventually)");
            return Err(self.fatal(&text));
        }
        if variable.expansions > 1000 {
            return Err(self.fatal("Too deep recursive expansion"));
        }
        let value = variable.value.clone();
        if variable.flavor != Flavor::Recursive {
            return Ok(Some(value));
        }
        variable.expansions += 1;
        let expanded = self.expand(&value, arguments)?;
        if let Some(variable) = self.variables.get_mut(name) {
            variable.expansions -= 1;
        }
        Ok(Some(expanded))
    }

    fn environment_variable(&mut self, name: &str) -> Option<String> {
        if name.is_empty() {
            return None;
        }
        if let Some((_, value)) = self.environment.iter().find(|(known, _)| known == name) {
            return Some(value.clone());
        }
        let value = self.host.environment(name)?;
        self.environment.push((name.into(), value.clone()));
        Some(value)
    }

    /// The built-in functions (`function_table`).
    fn call(&mut self, name: &str, arguments: &[String]) -> Result<Option<String>, Fatal> {
        let wanted = match name {
            "filename" | "lineno" => 0,
            "info" | "shell" => 1,
            "error-if" | "warning-if" => 2,
            _ => return Ok(None),
        };
        if arguments.len() != wanted {
            let what = if arguments.len() < wanted { "few" } else { "many" };
            return Err(self.fatal(&format!("too {what} function arguments passed to '{name}'")));
        }
        let place = format!("{}:{}", self.file(), self.place.line);
        Ok(Some(match name {
            "filename" => self.file().to_string(),
            "lineno" => self.place.line.to_string(),
            "shell" => self.shell(&arguments[0]),
            "info" => {
                self.messages.push(Message::output(format!("{}\n", arguments[0])));
                String::new()
            }
            "error-if" if arguments[0] == "y" => return Err(self.fatal(&arguments[1])),
            "warning-if" if arguments[0] == "y" => {
                self.messages.push(Message::error(format!("{place}: {}\n", arguments[1])));
                String::new()
            }
            _ => String::new(),
        }))
    }

    /// `do_shell()`
    fn shell(&mut self, command: &str) -> String {
        let answer = match Self::is_unanswered(command) {
            true => None,
            false => self.host.ask(command),
        };
        let Some(answer) = answer else {
            self.incomplete = true;
            return UNANSWERED.to_string();
        };
        let text = shorten(&answer.output);
        self.answers.push((command.into(), answer.output));
        text
    }
}

/// What `$(shell …)` makes of a command's output: at most 4095 bytes, without newlines at its end, those inside as blanks, and
/// only to the first NUL.
fn shorten(output: &[u8]) -> String {
    let mut kept = &output[..output.len().min(4096)];
    if kept.len() == 4096 {
        kept = &kept[..4095];
    }
    let end = kept.iter().rposition(|&byte| byte != b'\n').map_or(0, |at| at + 1);
    let mut bytes = kept[..end].to_vec();
    if let Some(nul) = memchr::memchr(0, &bytes) {
        bytes.truncate(nul);
    }
    bytes.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
    crate::text::decode(&bytes)
}

/// The number of `$(1)`, `$(2)` …, as strtoul(3) reads it.
fn argument_number(clause: &str) -> Option<usize> {
    let (number, rest) = crate::value::leading_number(clause, 10);
    let begins_with_digit = clause.bytes().any(|byte| byte.is_ascii_digit());
    (rest.is_empty() && begins_with_digit)
        .then(|| usize::try_from(number).ok())
        .flatten()
        .filter(|&it| it > 0)
}

/// Splits at the commas that are in no parentheses.
fn split_arguments(clause: &str) -> Vec<&str> {
    let (mut parts, mut nesting, mut start) = (Vec::new(), 0i32, 0);
    for (at, byte) in clause.bytes().enumerate() {
        match byte {
            b',' if nesting == 0 => {
                parts.push(&clause[start..at]);
                start = at + 1;
            }
            b'(' => nesting += 1,
            b')' => nesting -= 1,
            _ => {}
        }
    }
    parts.push(&clause[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_outside_of_parentheses() {
        assert_eq!(split_arguments("foo,$(x,1),b"), ["foo", "$(x,1)", "b"]);
        assert_eq!(argument_number("2"), Some(2));
        assert_eq!(argument_number("2a"), None);
        assert_eq!(argument_number(""), None);
    }

    #[test]
    fn output_is_shortened_as_the_c_tool_does() {
        assert_eq!(shorten(b"a\nb\n\n"), "a b");
        assert_eq!(shorten(&[b'x'; 5000]).len(), 4095);
        assert_eq!(shorten(b"a\0b"), "a");
    }
}
