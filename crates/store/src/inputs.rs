//! What went into an artifact: the parts of its key, kept beside it as text, so that "why was this built
//! again" is the difference of two such lists.

use std::collections::HashMap;
use std::fmt;

use base::{Error, Result};

use crate::hash::Sha256;

/// The parts of a key, in order: a name and a value each. A value may be anything, long or short; what a
/// person should see in "why was this built again" belongs in a part of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs(Vec<(String, String)>);

/// One part that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The part's name.
    pub name: String,
    /// Its value before; `None` when it was not there.
    pub old: Option<String>,
    /// Its value now; `None` when it is gone.
    pub new: Option<String>,
}

impl Inputs {
    /// No parts yet.
    pub fn new() -> Inputs {
        Inputs::default()
    }

    /// Adds a part.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Inputs {
        self.0.push((name.into(), value.into()));
        self
    }

    /// Adds a part, for writing a list down in one go.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Inputs {
        self.add(name, value);
        self
    }

    /// The parts in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of the first part called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(each, _)| *each == name).map(|(_, value)| value)
    }

    /// One line per part: name, tab, value, with `\\`, `\t`, `\n` and `\r` written as escapes. As no name
    /// or value can then hold a tab or a line end, two different lists never share a text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            escape(name, &mut text);
            text.push('\t');
            escape(value, &mut text);
            text.push('\n');
        }
        text
    }

    /// Reads what [`Inputs::text`] wrote.
    ///
    /// # Errors
    /// The text is not such a text (the file was damaged).
    pub fn parse(text: &str) -> Result<Inputs> {
        let damaged = |line: &str| Error::failed("a list of inputs is damaged").note(format!("line: {line}"));
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(damaged("the last one has no end"));
        }
        let part = |line: &str| {
            let (name, value) = line.split_once('\t')?;
            Some((unescape(name)?, unescape(value)?))
        };
        let lines = text.split_terminator('\n');
        lines.map(|line| part(line).ok_or_else(|| damaged(line))).collect::<Result<Vec<_>>>().map(Inputs)
    }

    /// The key: the hash of [`Inputs::text`], so `sha256sum inputs` shows it too.
    pub fn key(&self) -> Sha256 {
        Sha256::of(self.text().as_bytes())
    }

    /// What is different from `old`, in this list's order, parts that are gone last. A name that stands in
    /// a list more than once is matched by its turn.
    pub fn difference(&self, old: &Inputs) -> Vec<Change> {
        let before = old.by_turn();
        let now = self.by_turn();
        let value_in = |list: &[(Turn<'_>, &str)]| -> HashMap<(String, usize), String> {
            list.iter().map(|((name, turn), value)| ((name.to_string(), *turn), value.to_string())).collect()
        };
        let (old_values, new_values) = (value_in(&before), value_in(&now));
        let mut changes = Vec::new();
        for ((name, turn), value) in &now {
            let old = old_values.get(&(name.to_string(), *turn));
            if old.map(String::as_str) != Some(*value) {
                changes.push(Change {
                    name: name.to_string(),
                    old: old.cloned(),
                    new: Some(value.to_string()),
                });
            }
        }
        for ((name, turn), value) in &before {
            if !new_values.contains_key(&(name.to_string(), *turn)) {
                changes.push(Change { name: name.to_string(), old: Some(value.to_string()), new: None });
            }
        }
        if changes.is_empty() && self != old {
            let order =
                |list: &Inputs| Some(list.iter().map(|(name, _)| name).collect::<Vec<_>>().join(", "));
            changes.push(Change { name: "order of inputs".into(), old: order(old), new: order(self) });
        }
        changes
    }

    /// The parts, each name with how many of the same name stand before it.
    fn by_turn(&self) -> Vec<(Turn<'_>, &str)> {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        self.iter()
            .map(|(name, value)| {
                let turn = seen.entry(name).or_default();
                *turn += 1;
                ((name, *turn), value)
            })
            .collect()
    }
}

type Turn<'a> = (&'a str, usize);

fn escape(from: &str, to: &mut String) {
    for character in from.chars() {
        match character {
            '\\' => to.push_str(r"\\"),
            '\t' => to.push_str(r"\t"),
            '\n' => to.push_str(r"\n"),
            '\r' => to.push_str(r"\r"),
            other => to.push(other),
        }
    }
}

fn unescape(from: &str) -> Option<String> {
    let mut to = String::with_capacity(from.len());
    let mut characters = from.chars();
    while let Some(character) = characters.next() {
        to.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            '\t' => return None,
            other => other,
        });
    }
    Some(to)
}

/// `config: "y" is now "n"`, on one line, long values cut where they begin to differ.
impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => {
                let same = common_prefix(old, new);
                write!(formatter, "{name}: {} is now {}", excerpt(old, same), excerpt(new, same))
            }
            (None, Some(new)) => write!(formatter, "{name}: new, {}", excerpt(new, 0)),
            (Some(old), None) => write!(formatter, "{name}: gone, was {}", excerpt(old, 0)),
            (None, None) => write!(formatter, "{name}: unchanged"),
        }
    }
}

/// How many characters two texts begin with in common.
fn common_prefix(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
}

/// At most [`SHOWN`] characters of `value`, quoted, from a little before the `from`-th on.
fn excerpt(value: &str, from: usize) -> String {
    /// Characters shown of a value; a hash of 64 digits fits.
    const SHOWN: usize = 72;
    let length = value.chars().count();
    if length <= SHOWN {
        return format!("{value:?}");
    }
    let start = from.saturating_sub(12).min(length - SHOWN);
    let piece: String = value.chars().skip(start).take(SHOWN).collect();
    let (before, after) = (if start > 0 { "…" } else { "" }, if start + SHOWN < length { "…" } else { "" });
    format!("{before}{piece:?}{after}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_difference_names_each_part_that_changed() {
        let old = Inputs::new().with("cc", "gcc 12").with("flag", "-O2").with("flag", "-g").with("gone", "1");
        let new =
            Inputs::new().with("cc", "gcc 13").with("flag", "-O2").with("flag", "-g0").with("more", "2");
        let changes: Vec<String> = new.difference(&old).iter().map(Change::to_string).collect();
        assert_eq!(
            changes,
            [
                r#"cc: "gcc 12" is now "gcc 13""#,
                r#"flag: "-g" is now "-g0""#,
                r#"more: new, "2""#,
                r#"gone: gone, was "1""#
            ]
        );
        assert!(new.difference(&new).is_empty());
    }

    #[test]
    fn another_order_is_another_key_and_is_said() {
        let one = Inputs::new().with("a", "1").with("b", "2");
        let other = Inputs::new().with("b", "2").with("a", "1");
        assert_ne!(one.key(), other.key());
        assert_eq!(one.difference(&other)[0].name, "order of inputs");
    }

    #[test]
    fn a_long_value_is_cut_around_the_difference() {
        let value = |last: &str| format!("{}{last}{}", "x".repeat(500), "y".repeat(500));
        let shown =
            Change { name: "config".into(), old: Some(value("A")), new: Some(value("B")) }.to_string();
        assert!(shown.contains("xAy") && shown.contains("xBy"), "{shown}");
        assert!(shown.len() < 250, "{shown}");
    }

    #[test]
    fn damaged_texts_are_refused() {
        for text in ["no tab\n", "a\tb", "a\tb\\\n", "a\tb\tc\n", "a\t\\x\n", "\n"] {
            assert!(Inputs::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_text_gives_the_list_back(parts in proptest::collection::vec((".*", "(?s).*"), 0..6)) {
            let mut inputs = Inputs::new();
            for (name, value) in parts {
                inputs.add(name, value);
            }
            prop_assert_eq!(Inputs::parse(&inputs.text()).unwrap(), inputs);
        }

        #[test]
        fn any_difference_is_found(
            one in proptest::collection::vec(("[ab]", "[01]?"), 0..4),
            other in proptest::collection::vec(("[ab]", "[01]?"), 0..4),
        ) {
            let (one, other) = (Inputs(one), Inputs(other));
            prop_assert_eq!(one.difference(&other).is_empty(), one == other);
            prop_assert_eq!(one.key() == other.key(), one == other);
        }
    }
}
