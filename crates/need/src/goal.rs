//! What is wanted.

use std::fmt;
use std::sync::Arc;

use kconfig::{Model, SymbolId, SymbolType, Tristate};

/// The value a symbol is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Of a bool or tristate: exactly this.
    Logical(Tristate),
    /// Of an int, hex or string, as `.config` has it without quotes.
    Text(Arc<str>),
}

/// A symbol and the value it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Which.
    pub symbol: SymbolId,
    /// The value.
    pub value: Wanted,
}

/// What a person wrote cannot be a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoalError {
    /// No symbol has this name.
    Unknown(String),
    /// The symbol needs a value: NAME=VALUE.
    NoValue(String, SymbolType),
    /// The value is not one of the symbol's type.
    Value(String, String, SymbolType),
}

impl fmt::Display for GoalError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GoalError::Unknown(name) => write!(formatter, "no symbol {name} in this tree"),
            GoalError::NoValue(name, kind) => {
                write!(formatter, "{name} is of type {}: write {name}=VALUE", kind.name())
            }
            GoalError::Value(name, value, kind) => {
                write!(formatter, "{name} is of type {}: \"{value}\" is no value for it", kind.name())
            }
        }
    }
}

impl std::error::Error for GoalError {}

impl Goal {
    /// From "NAME=VALUE", or "NAME" for y, with or without `CONFIG_` in front and quotes around the value.
    ///
    /// # Errors
    /// No such symbol; a value that its type does not have.
    pub fn parse(model: &Model, text: &str) -> Result<Goal, GoalError> {
        let (name, value) = match text.trim().split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (text.trim(), None),
        };
        let name = name.strip_prefix("CONFIG_").unwrap_or(name);
        let symbol = model.find(name).filter(|&id| !model.symbol(id).constant);
        let symbol = symbol.ok_or_else(|| GoalError::Unknown(name.into()))?;
        let kind = model.symbol(symbol).kind;
        if kind.is_logical() || kind == SymbolType::Unknown {
            let value = match value.unwrap_or("y") {
                "y" | "Y" => Tristate::Yes,
                "m" | "M" => Tristate::Module,
                "n" | "N" => Tristate::No,
                other => return Err(GoalError::Value(name.into(), other.into(), kind)),
            };
            return Ok(Goal { symbol, value: Wanted::Logical(value) });
        }
        let value = value.ok_or_else(|| GoalError::NoValue(name.into(), kind))?;
        let bare = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(value);
        if !kconfig::is_valid_value(kind, bare) {
            return Err(GoalError::Value(name.into(), bare.into(), kind));
        }
        Ok(Goal { symbol, value: Wanted::Text(Arc::from(bare)) })
    }

    /// "NAME=VALUE"
    pub fn show(&self, model: &Model) -> String {
        let name = model.name(self.symbol);
        match &self.value {
            Wanted::Logical(value) => format!("{name}={}", value.letter()),
            Wanted::Text(text) => format!("{name}={text}"),
        }
    }
}
