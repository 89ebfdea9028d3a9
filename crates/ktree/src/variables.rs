//! The variables of a Makefile, each word with the condition under which it is there.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::condition::Condition;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Path below the tree.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// Something a Makefile does that is not followed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Where.
    pub place: Place,
    /// What: "$(shell …)".
    pub what: String,
}

/// A word of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// When it is in the list.
    pub condition: Condition,
    /// The line that put it there.
    pub place: Place,
}

/// What an assignment gave.
#[derive(Clone, Debug)]
pub enum Content {
    /// Expanded where it was assigned (`:=`).
    Words(Vec<Word>),
    /// Expanded where it is used (`=`).
    Raw(String, Place),
}

/// One assignment's share of a variable.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// What it gave.
    pub content: Content,
    /// When it counts.
    pub condition: Condition,
}

/// A variable.
#[derive(Clone, Debug, Default)]
pub struct Variable {
    /// Whether += expands at once (GNU make manual, 6.6).
    pub is_simple: bool,
    /// All that was assigned, in order.
    pub chunks: Vec<Chunk>,
}

/// The variables that are set, by name.
#[derive(Clone, Debug, Default)]
pub struct Variables(HashMap<String, Variable>);

/// The kinds of assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assign {
    /// `:=`
    Simple,
    /// `=`
    Recursive,
    /// `+=`
    Append,
    /// `?=`
    Default,
}

impl Variables {
    /// The variable of this name.
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.0.get(name)
    }

    /// Sets a variable to words, whatever the configuration.
    pub fn set_words(&mut self, name: &str, words: Vec<Word>) {
        let chunk = Chunk { content: Content::Words(words), condition: Condition::Always };
        self.0.insert(name.to_string(), Variable { is_simple: true, chunks: vec![chunk] });
    }

    /// Assigns where `condition` holds; elsewhere the variable stays as it was.
    pub fn assign(&mut self, name: &str, how: Assign, content: Content, condition: Condition) {
        if condition == Condition::Never {
            return;
        }
        let variable = self.0.entry(name.to_string()).or_default();
        match how {
            Assign::Append => variable.chunks.push(Chunk { content, condition }),
            Assign::Default => {
                let mut unset = Condition::Always;
                for chunk in &variable.chunks {
                    unset = unset.and(&chunk.condition.negated());
                }
                variable.chunks.push(Chunk { content, condition: condition.and(&unset) });
            }
            Assign::Simple | Assign::Recursive => {
                variable.is_simple = how == Assign::Simple;
                let elsewhere = condition.negated();
                for chunk in &mut variable.chunks {
                    chunk.condition = chunk.condition.and(&elsewhere);
                }
                variable.chunks.retain(|chunk| chunk.condition != Condition::Never);
                variable.chunks.push(Chunk { content, condition });
            }
        }
    }

    /// Whether += to it expands at once.
    pub fn is_simple(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|it| it.is_simple)
    }
}
