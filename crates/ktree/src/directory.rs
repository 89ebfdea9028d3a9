//! One folder's Makefile, or Kbuild file: its lists, with the condition of every word.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::condition::Condition;
use crate::expand::{Scope, Stop};
use crate::files::Files;
use crate::lines::{self, Line};
use crate::reference::{Piece, pieces};
use crate::variables::{Assign, Content, Place, Unknown, Variables, Word};

/// Includes within includes.
const DEEPEST: usize = 10;

/// What scripts/Makefile.build sets before it reads a folder's file: these expand at once.
const PRESET: &[&str] = &[
    "obj-y",
    "obj-m",
    "lib-y",
    "lib-m",
    "always-y",
    "always-m",
    "targets",
    "subdir-y",
    "subdir-m",
    "asflags-y",
    "ccflags-y",
    "rustflags-y",
    "cppflags-y",
    "ldflags-y",
    "subdir-asflags-y",
    "subdir-ccflags-y",
];

/// Reads Makefiles.
pub struct Reader<'a> {
    files: &'a dyn Files,
    unknown: &'a RefCell<Vec<Unknown>>,
    /// The variables so far.
    pub variables: Variables,
    /// Indices of what may add to any list.
    pub statements: Vec<usize>,
    /// The names that are exported.
    pub exported: Vec<String>,
    frames: Vec<Frame>,
    in_recipe: bool,
    in_define: bool,
    depth: usize,
}

/// An `if…` that is open.
struct Frame {
    now: Condition,
    taken: Condition,
}

impl<'a> Reader<'a> {
    /// A reader with these variables from outside.
    pub fn new(files: &'a dyn Files, unknown: &'a RefCell<Vec<Unknown>>, outer: &Variables) -> Reader<'a> {
        Reader {
            files,
            unknown,
            variables: outer.clone(),
            statements: Vec::new(),
            exported: Vec::new(),
            frames: Vec::new(),
            in_recipe: false,
            in_define: false,
            depth: 0,
        }
    }

    /// Readies it for the file of a folder ("drivers/net"; "." is the tree's root).
    pub fn enter(&mut self, folder: &str) {
        let place = Place { file: "scripts/Makefile.build".into(), line: 1 };
        let word =
            |text: &str| vec![Word { text: text.into(), condition: Condition::Always, place: place.clone() }];
        self.variables.set_words("src", word(folder));
        self.variables.set_words("obj", word(folder));
        for name in PRESET {
            self.variables.set_words(name, Vec::new());
        }
    }

    /// Reads a file; false if there is none.
    pub fn read(&mut self, path: &str) -> bool {
        let Some(text) = self.files.read(path) else { return false };
        let file: Arc<str> = path.into();
        let depth = self.frames.len();
        for line in lines::read(&text) {
            self.line(&line, Place { file: file.clone(), line: line.number });
        }
        self.frames.truncate(depth);
        (self.in_recipe, self.in_define) = (false, false);
        true
    }

    /// The words of a list.
    pub fn list(&self, name: &str) -> Vec<Word> {
        let place = Place { file: "scripts/Makefile.build".into(), line: 1 };
        match self.variables.get(name) {
            Some(_) => self.scope(&place).words(&format!("$({name})")),
            None => Vec::new(),
        }
    }

    fn scope(&self, place: &Place) -> Scope<'_> {
        Scope {
            files: self.files,
            variables: &self.variables,
            unknown: self.unknown,
            place: place.clone(),
            locals: Vec::new(),
            depth: Cell::new(0),
        }
    }

    fn guard(&self) -> Condition {
        self.frames.iter().fold(Condition::Always, |all, frame| all.and(&frame.now))
    }

    fn line(&mut self, line: &Line, place: Place) {
        let text = line.text.as_str();
        if self.in_define {
            self.in_define = text != "endef";
            return;
        }
        let (head, rest) = text.split_once(|it: char| it.is_whitespace() || it == '(').unwrap_or((text, ""));
        let rest = if text[head.len()..].starts_with('(') { &text[head.len()..] } else { rest };
        if self.conditional(head, rest.trim(), &place) {
            return;
        }
        if line.has_tab && self.in_recipe {
            return;
        }
        self.in_recipe = false;
        match head {
            "define" => self.in_define = true,
            "export" | "override" | "private" => {
                if head == "export" {
                    let names = rest.split_once([':', '=', '+', '?']).map_or(rest, |(name, _)| name);
                    self.exported.extend(names.split_whitespace().map(String::from));
                }
                self.statement(rest.trim(), &place);
            }
            "unexport" | "undefine" | "vpath" => {}
            "include" | "-include" | "sinclude" => self.include(rest, &place),
            _ => self.statement(text, &place),
        }
    }

    fn conditional(&mut self, head: &str, rest: &str, place: &Place) -> bool {
        let negates = matches!(head, "ifneq" | "ifndef");
        match head {
            "ifeq" | "ifneq" | "ifdef" | "ifndef" => {
                let now = self.test(head, rest, place);
                let now = if negates { now.negated() } else { now };
                self.frames.push(Frame { taken: now.clone(), now });
            }
            "else" => {
                let (inner, rest) = rest.split_once([' ', '(', '\t']).unwrap_or((rest, ""));
                let is_test = matches!(inner, "ifeq" | "ifneq" | "ifdef" | "ifndef");
                let test = match is_test {
                    // The bracket was the separator.
                    true if !rest.trim_start().starts_with(['(', '"', '\'']) && inner.ends_with("eq") => {
                        self.test(inner, &format!("({rest}"), place)
                    }
                    true => self.test(inner, rest.trim(), place),
                    false => Condition::Always,
                };
                let test = if matches!(inner, "ifneq" | "ifndef") { test.negated() } else { test };
                if let Some(frame) = self.frames.last_mut() {
                    frame.now = frame.taken.negated().and(&test);
                    frame.taken = frame.taken.or(&test);
                }
            }
            "endif" => drop(self.frames.pop()),
            _ => return false,
        }
        true
    }

    /// What `ifeq` and `ifdef` ask, without the negation.
    fn test(&self, head: &str, rest: &str, place: &Place) -> Condition {
        let scope = self.scope(place);
        if head.ends_with("def") {
            return match rest.strip_prefix("CONFIG_") {
                Some(symbol) if !symbol.contains('$') => Condition::is(symbol, "").negated(),
                _ => match scope.alternatives(rest) {
                    Ok(names) => names.iter().fold(Condition::Never, |all, name| {
                        all.or(&scope.is_filled(&format!("$({})", name.text)).and(&name.condition))
                    }),
                    Err(stop) => scope.unknown(&stop),
                },
            };
        }
        match two_texts(rest) {
            Some((left, right)) => scope.equal(left, right),
            None => scope.unknown(&Stop(format!("{head} {rest}"))),
        }
    }

    fn include(&mut self, rest: &str, place: &Place) {
        let guard = self.guard();
        if guard == Condition::Never || self.depth >= DEEPEST {
            return;
        }
        for word in self.scope(place).words(rest) {
            let path = normal(&word.text);
            if path.contains('$') || path.starts_with("include/config/") {
                continue;
            }
            self.frames.push(Frame { now: word.condition.clone(), taken: word.condition });
            self.depth += 1;
            self.read(&path);
            self.depth -= 1;
            self.frames.pop();
        }
    }

    fn statement(&mut self, text: &str, place: &Place) {
        let Some((name, how, value)) = assignment(text) else {
            match pieces(text).first() {
                // A rule, or a word of make's own.
                Some(Piece::Literal(_)) | None => self.in_recipe = true,
                Some(Piece::Reference(inner)) => self.bare(inner, text, place),
            }
            return;
        };
        let guard = self.guard();
        let names = match self.scope(place).alternatives(name) {
            Ok(names) => names,
            Err(stop) => {
                // It could be any list's name only if it is spelled like one.
                if ["obj-", "lib-", "subdir-"].iter().any(|it| name.starts_with(it)) {
                    let Condition::Unknown(index) = self.scope(place).unknown(&stop) else { return };
                    self.statements.push(index);
                }
                return;
            }
        };
        for it in names {
            let name = it.text.trim();
            let is_simple = match how {
                Some(Assign::Simple) => true,
                Some(Assign::Append) => self.variables.is_simple(name),
                Some(_) => false,
                None => true,
            };
            let content = match (how, is_simple) {
                (None, _) => {
                    let condition = self.scope(place).unknown(&Stop("!=".to_string()));
                    Content::Words(vec![Word { text: "$(shell)".into(), condition, place: place.clone() }])
                }
                (_, true) => Content::Words(self.scope(place).words(value)),
                (_, false) => Content::Raw(value.to_string(), place.clone()),
            };
            self.variables.assign(name, how.unwrap_or(Assign::Simple), content, guard.and(&it.condition));
        }
    }

    /// A line that begins with a reference: a rule with a computed target, or a call for its effect.
    fn bare(&mut self, inner: &str, text: &str, place: &Place) {
        let function = inner.split_whitespace().next().unwrap_or_default();
        let whole = pieces(text).len() == 1;
        if whole && matches!(function, "eval" | "call" | "foreach") && text.contains("eval") {
            let stop = Stop(format!("$({function} …) with eval"));
            if let Condition::Unknown(index) = self.scope(place).unknown(&stop) {
                self.statements.push(index);
            }
        } else if !whole {
            self.in_recipe = true;
        }
    }
}

/// A path without "." and "..", as far as they have something to go back from.
pub fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|it| *it != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// "(a,b)", "'a' 'b'" or "\"a\" \"b\"" of `ifeq`.
fn two_texts(rest: &str) -> Option<(&str, &str)> {
    if let Some(inner) = rest.strip_prefix('(') {
        let inner = inner.trim_end().strip_suffix(')')?;
        let parts = crate::reference::arguments(inner);
        return match parts.as_slice() {
            [left, right] => Some((left.trim(), right.trim())),
            _ => None,
        };
    }
    let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
    let (left, rest) = rest[1..].split_once(quote)?;
    let right = rest.trim().strip_prefix(['"', '\''])?.strip_suffix(['"', '\''])?;
    Some((left, right))
}

/// Name, kind (none for `!=`) and value of an assignment; none for a rule.
fn assignment(text: &str) -> Option<(&str, Option<Assign>, &str)> {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            '=' => {
                let (length, how) = match text[..at].chars().next_back() {
                    Some('+') => (1, Some(Assign::Append)),
                    Some('?') => (1, Some(Assign::Default)),
                    Some('!') => (1, None),
                    _ => (0, Some(Assign::Recursive)),
                };
                return Some((text[..at - length].trim(), how, text[at + 1..].trim()));
            }
            ':' if text[at..].starts_with(":=") || text[at..].starts_with("::=") => {
                let value = text[at..].trim_start_matches(':');
                return Some((text[..at].trim(), Some(Assign::Simple), value[1..].trim()));
            }
            ':' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_told_from_rules() {
        let found = assignment;
        assert_eq!(found("obj-$(A) += b.o"), Some(("obj-$(A)", Some(Assign::Append), "b.o")));
        assert_eq!(found("a:=b"), Some(("a", Some(Assign::Simple), "b")));
        assert_eq!(found("a = b:c"), Some(("a", Some(Assign::Recursive), "b:c")));
        assert_eq!(found("a != cmd"), Some(("a", None, "cmd")));
        assert_eq!(found("$(obj)/a.o: b := c"), None);
        assert_eq!(found("$(foo:a=b): c"), None);
    }

    #[test]
    fn ifeq_takes_brackets_and_quotes() {
        assert_eq!(two_texts("($(A), y)"), Some(("$(A)", "y")));
        assert_eq!(two_texts("(,$(filter $(X),$(Y)))"), Some(("", "$(filter $(X),$(Y))")));
        assert_eq!(two_texts("\"$(A)\" \"y\""), Some(("$(A)", "y")));
        assert_eq!(two_texts("what"), None);
    }
}
