//! The `.config` format (kernel: scripts/kconfig/confdata.c, `conf_read_simple` and `conf_write`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// An option's value as `.config` writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `=y`
    Yes,
    /// `=m`
    Module,
    /// `# … is not set`, or absent.
    No,
    /// `="text"`, unescaped.
    Text(String),
    /// A number, in decimal or with 0x: kept as written.
    Number(String),
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Yes => formatter.write_str("y"),
            Value::Module => formatter.write_str("m"),
            Value::No => formatter.write_str("n"),
            Value::Number(number) => formatter.write_str(number),
            Value::Text(text) => {
                write!(formatter, "\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#))
            }
        }
    }
}

/// What is wrong with an assignment a person wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// No `=` in it.
    #[error("expected NAME=value such as \"IKCONFIG=y\", found \"{0}\"")]
    NoEquals(String),
    /// The name is not one Kconfig could have.
    #[error("\"{0}\" is not an option's name: letters, digits and _ only")]
    Name(String),
    /// The value is neither y, m, n, a number nor a quoted text.
    #[error("\"{0}\" is not a value: y, m, n, a number, or a text in double quotes")]
    Value(String),
}

/// `NAME=value`: what a person asks for, with or without `CONFIG_` in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The option's name without `CONFIG_`.
    pub name: String,
    /// The value asked for.
    pub value: Value,
}

impl FromStr for Assignment {
    type Err = AssignmentError;

    fn from_str(text: &str) -> Result<Assignment, AssignmentError> {
        let (name, value) =
            text.trim().split_once('=').ok_or_else(|| AssignmentError::NoEquals(text.into()))?;
        let name = name.strip_prefix("CONFIG_").unwrap_or(name);
        if !is_name(name) {
            return Err(AssignmentError::Name(name.into()));
        }
        let value = parse_value(value).ok_or_else(|| AssignmentError::Value(value.into()))?;
        Ok(Assignment { name: name.into(), value })
    }
}

impl fmt::Display for Assignment {
    /// The line `.config` has for it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::No => write!(formatter, "# CONFIG_{} is not set", self.name),
            value => write!(formatter, "CONFIG_{}={value}", self.name),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn parse_value(text: &str) -> Option<Value> {
    match text {
        "y" => return Some(Value::Yes),
        "m" => return Some(Value::Module),
        "n" => return Some(Value::No),
        _ => {}
    }
    if let Some(quoted) = text.strip_prefix('"') {
        return unquote(quoted).map(Value::Text);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
    };
    number.then(|| Value::Number(text.into()))
}

/// The text up to the closing quote, which must be the last character.
fn unquote(text: &str) -> Option<String> {
    let mut result = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(result),
            '\\' => result.push(characters.next()?),
            other => result.push(other),
        }
    }
}

/// The options of a `.config`. Lines it does not understand are comments, as they are to the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DotConfig(BTreeMap<String, Value>);

impl DotConfig {
    /// Reads a `.config`'s text; a later line wins over an earlier one.
    pub fn parse(text: &str) -> DotConfig {
        let mut options = BTreeMap::new();
        for line in text.lines() {
            if let Some(assignment) = parse_line(line) {
                options.insert(assignment.name, assignment.value);
            }
        }
        DotConfig(options)
    }

    /// The option's value; an option that is not there is [`Value::No`].
    pub fn value(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or(Value::No)
    }

    /// Every option with its value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many options are `=y`.
    pub fn count_yes(&self) -> usize {
        self.0.values().filter(|value| **value == Value::Yes).count()
    }
}

fn parse_line(line: &str) -> Option<Assignment> {
    if let Some(rest) = line.strip_prefix("# CONFIG_") {
        let name = rest.strip_suffix(" is not set")?;
        return is_name(name).then(|| Assignment { name: name.into(), value: Value::No });
    }
    line.starts_with("CONFIG_").then(|| line.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_config_is_read_as_the_kernel_reads_it() {
        let config = DotConfig::parse(concat!(
            "#\n# Automatically generated\n#\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n",
            "CONFIG_D=\"a \\\"b\\\" \\\\\"\nCONFIG_E=0x1f\nCONFIG_F=-3\nnonsense\nCONFIG_G=?\nCONFIG_A=n\n"
        ));
        assert_eq!(config.value("A"), Value::No);
        assert_eq!(config.value("B"), Value::No);
        assert_eq!(config.value("C"), Value::Module);
        assert_eq!(config.value("D"), Value::Text(r#"a "b" \"#.into()));
        assert_eq!(config.value("E"), Value::Number("0x1f".into()));
        assert_eq!(config.value("F"), Value::Number("-3".into()));
        assert_eq!(config.value("G"), Value::No);
        assert_eq!(config.count_yes(), 0);
    }

    #[test]
    fn a_wrong_assignment_says_what_was_expected() {
        assert!(matches!("IKCONFIG".parse::<Assignment>(), Err(AssignmentError::NoEquals(_))));
        assert!(matches!("IK CONFIG=y".parse::<Assignment>(), Err(AssignmentError::Name(_))));
        assert!(matches!("IKCONFIG=yes".parse::<Assignment>(), Err(AssignmentError::Value(_))));
        assert!(matches!("A=\"open".parse::<Assignment>(), Err(AssignmentError::Value(_))));
        assert_eq!("CONFIG_SMP=n".parse::<Assignment>().unwrap().to_string(), "# CONFIG_SMP is not set");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(name in "[A-Z0-9_]{1,20}", text in "[^\n\r]{0,40}") {
            let assignment = Assignment { name: name.clone(), value: Value::Text(text.clone()) };
            let config = DotConfig::parse(&assignment.to_string());
            prop_assert_eq!(config.value(&name), Value::Text(text));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            DotConfig::parse(&text);
            let _ = text.parse::<Assignment>();
        }
    }
}
