//! When a line of a Makefile counts: a formula over the values of options.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A formula over the values of options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Whatever the configuration.
    Always,
    /// In no configuration.
    Never,
    /// `$(CONFIG_symbol)` is `value`; of a symbol that is n or has no line, it is "".
    Is {
        /// The symbol, without CONFIG_.
        symbol: Arc<str>,
        /// Its value as a Makefile sees it.
        value: Arc<str>,
    },
    /// It hangs on something that is not followed: the index into [`crate::Objects::unknown`].
    Unknown(usize),
    /// Not so.
    Not(Arc<Condition>),
    /// All of these.
    All(Arc<[Condition]>),
    /// At least one of these.
    Any(Arc<[Condition]>),
}

impl Condition {
    /// `$(CONFIG_symbol)` is `value`.
    pub fn is(symbol: &str, value: &str) -> Condition {
        Condition::Is { symbol: symbol.into(), value: value.into() }
    }

    /// Both.
    pub fn and(&self, other: &Condition) -> Condition {
        match (self, other) {
            (Condition::Never, _) | (_, Condition::Never) => Condition::Never,
            (Condition::Always, it) | (it, Condition::Always) => it.clone(),
            (one, other) if one == other => one.clone(),
            (Condition::Is { symbol, value }, Condition::Is { symbol: other, value: theirs })
                if symbol == other && value != theirs =>
            {
                Condition::Never
            }
            (one, other) => {
                let mut parts = one.parts_of_all();
                for part in other.parts_of_all() {
                    if parts.iter().any(|it| contradict(it, &part)) {
                        return Condition::Never;
                    }
                    if !parts.contains(&part) {
                        parts.push(part);
                    }
                }
                Condition::All(parts.into())
            }
        }
    }

    /// At least one.
    pub fn or(&self, other: &Condition) -> Condition {
        match (self, other) {
            (Condition::Always, _) | (_, Condition::Always) => Condition::Always,
            (Condition::Never, it) | (it, Condition::Never) => it.clone(),
            (one, other) if one == other => one.clone(),
            (Condition::Any(parts), other) if parts.contains(other) => self.clone(),
            (Condition::Any(parts), other) => {
                Condition::Any(parts.iter().chain([other]).cloned().collect::<Vec<_>>().into())
            }
            (one, other) => Condition::Any([one.clone(), other.clone()].into()),
        }
    }

    /// The contrary.
    pub fn negated(&self) -> Condition {
        match self {
            Condition::Always => Condition::Never,
            Condition::Never => Condition::Always,
            Condition::Not(inner) => (**inner).clone(),
            other => Condition::Not(Arc::new(other.clone())),
        }
    }

    fn parts_of_all(&self) -> Vec<Condition> {
        match self {
            Condition::All(parts) => parts.to_vec(),
            other => vec![other.clone()],
        }
    }

    /// Whether it holds; none where that hangs on something unknown. `value` gives the value of a symbol as `.config` has it, without
    /// quotes; none and "n" count as "".
    pub fn holds(&self, value: &dyn Fn(&str) -> Option<String>) -> Option<bool> {
        match self {
            Condition::Always => Some(true),
            Condition::Never => Some(false),
            Condition::Is { symbol, value: wanted } => {
                let found = value(symbol).filter(|it| it != "n").unwrap_or_default();
                Some(found == **wanted)
            }
            Condition::Unknown(_) => None,
            Condition::Not(inner) => inner.holds(value).map(|it| !it),
            Condition::All(parts) => decide(parts, false, value),
            Condition::Any(parts) => decide(parts, true, value),
        }
    }

    /// The symbols that must have some value for it to hold ("E1000" of `obj-$(CONFIG_E1000)`), without those that must be n.
    pub fn symbols(&self) -> BTreeSet<Arc<str>> {
        let mut found = BTreeSet::new();
        self.visit(true, &mut |part, is_wanted| {
            if let Condition::Is { symbol, value } = part
                && value.is_empty() != is_wanted
            {
                found.insert(symbol.clone());
            }
        });
        found
    }

    /// Every symbol it names.
    pub fn all_symbols(&self) -> BTreeSet<Arc<str>> {
        let mut found = BTreeSet::new();
        self.visit(true, &mut |part, _| {
            if let Condition::Is { symbol, .. } = part {
                found.insert(symbol.clone());
            }
        });
        found
    }

    /// The unknowns it hangs on.
    pub fn unknowns(&self) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        self.visit(true, &mut |part, _| {
            if let Condition::Unknown(index) = part {
                found.insert(*index);
            }
        });
        found
    }

    fn visit(&self, is_wanted: bool, see: &mut dyn FnMut(&Condition, bool)) {
        match self {
            Condition::Not(inner) => inner.visit(!is_wanted, see),
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().for_each(|part| part.visit(is_wanted, see));
            }
            leaf => see(leaf, is_wanted),
        }
    }
}

/// One variable cannot have two values.
fn contradict(one: &Condition, other: &Condition) -> bool {
    match (one, other) {
        (Condition::Is { symbol, value }, Condition::Is { symbol: theirs, value: other }) => {
            symbol == theirs && value != other
        }
        (Condition::Not(inner), it) | (it, Condition::Not(inner)) => **inner == *it,
        _ => false,
    }
}

fn decide(parts: &[Condition], settles: bool, value: &dyn Fn(&str) -> Option<String>) -> Option<bool> {
    let mut answer = Some(!settles);
    for part in parts {
        match part.holds(value) {
            Some(it) if it == settles => return Some(settles),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

impl fmt::Display for Condition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |out: &mut fmt::Formatter<'_>, parts: &[Condition], sign: &str| {
            for (index, part) in parts.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { sign })?;
                match part {
                    Condition::All(_) | Condition::Any(_) => write!(out, "({part})")?,
                    other => write!(out, "{other}")?,
                }
            }
            Ok(())
        };
        match self {
            Condition::Always => out.write_str("always"),
            Condition::Never => out.write_str("never"),
            Condition::Is { symbol, value } if value.is_empty() => write!(out, "{symbol}=n"),
            Condition::Is { symbol, value } => write!(out, "{symbol}={value}"),
            Condition::Unknown(_) => out.write_str("unknown"),
            Condition::Not(inner) => match &**inner {
                Condition::Is { symbol, value } if value.is_empty() => write!(out, "{symbol}"),
                other => write!(out, "!({other})"),
            },
            Condition::All(parts) => list(out, parts, " && "),
            Condition::Any(parts) => list(out, parts, " || "),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn condition() -> impl Strategy<Value = Condition> {
        let leaf = prop_oneof![
            Just(Condition::Always),
            Just(Condition::Never),
            Just(Condition::Unknown(0)),
            ("[ABC]", prop_oneof![Just("y"), Just("m"), Just("")])
                .prop_map(|(symbol, value)| Condition::is(&symbol, value)),
        ];
        leaf.prop_recursive(4, 24, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(one, other)| one.and(&other)),
                (inner.clone(), inner.clone()).prop_map(|(one, other)| one.or(&other)),
                inner.prop_map(|it| it.negated()),
            ]
        })
    }

    proptest! {
        #[test]
        fn formulas_mean_what_they_say(one in condition(), other in condition(), values in "[ymn]{3}") {
            let value = |symbol: &str| {
                let at = (symbol.as_bytes()[0] - b'A') as usize;
                Some(values[at..=at].to_string())
            };
            let (left, right) = (one.holds(&value), other.holds(&value));
            // Simplifying may settle what three-valued logic leaves open, never the other way round.
            let agrees = |found: Option<bool>, plain: Option<bool>| plain.is_none() || found == plain;
            let and = match (left, right) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            let or = match (left, right) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
            prop_assert!(agrees(one.and(&other).holds(&value), and));
            prop_assert!(agrees(one.or(&other).holds(&value), or));
            prop_assert_eq!(one.negated().holds(&value), left.map(|it| !it));
        }
    }

    #[test]
    fn the_symbols_that_bring_are_those_that_must_be_set() {
        let both =
            Condition::is("A", "y").and(&Condition::is("B", "").negated()).and(&Condition::is("C", ""));
        let names: Vec<String> = both.symbols().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["A", "B"]);
        assert_eq!(both.to_string(), "A=y && B && C=n");
    }
}
