//! What somebody asked for, and where.

use serde::Serialize;

/// A value somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The symbol's name, without `CONFIG_`.
    pub name: String,
    /// The value as `.config` writes it: y, m, n, a number, a text in quotes.
    pub value: String,
    /// "rungs/ssh.toml:14", ".config:7"
    pub place: String,
    /// The reason that was given with it.
    pub reason: Option<String>,
}

/// A symbol's name and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Valued {
    /// The symbol's name.
    pub symbol: String,
    /// The value as `.config` writes it.
    pub value: String,
}

impl Request {
    /// The line `.config` has for it.
    pub fn line(&self) -> String {
        match self.value.as_str() {
            "n" => format!("# CONFIG_{} is not set\n", self.name),
            value => format!("CONFIG_{}={value}\n", self.name),
        }
    }

    /// The assignments of a `.config` or a fragment that goes by the name `file`, in order (kernel: `conf_read_simple()` of
    /// scripts/kconfig/confdata.c). Lines that assign nothing are left out.
    pub fn read_all(file: &str, text: &str) -> Vec<Request> {
        let mut found = Vec::new();
        for (line, number) in text.lines().zip(1_usize..) {
            let assigned = match line.strip_prefix("# CONFIG_") {
                Some(comment) => comment.strip_suffix(" is not set").map(|name| (name, "n")),
                None => line.strip_prefix("CONFIG_").and_then(|line| line.split_once('=')),
            };
            if let Some((name, value)) = assigned {
                let (name, value) = (name.to_string(), value.to_string());
                found.push(Request { name, value, place: format!("{file}:{number}"), reason: None });
            }
        }
        found
    }
}

impl std::fmt::Display for Valued {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}={}", self.symbol, self.value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_found_with_their_place() {
        let text = "# a comment\nCONFIG_A=y\r\nnonsense\n# CONFIG_B is not set\nCONFIG_C=\"a = b\"\n# CONFIG_D is gone\n";
        let found = Request::read_all("x/.config", text);
        let shown: Vec<_> = found.iter().map(|it| format!("{} {} {}", it.place, it.name, it.value)).collect();
        assert_eq!(shown, ["x/.config:2 A y", "x/.config:4 B n", "x/.config:5 C \"a = b\""]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(name in "[A-Z0-9_]{1,12}", value in "y|m|n|[0-9]{1,5}|\"[a-z =]{0,9}\"") {
            let request = Request { name, value, place: "f:1".into(), reason: None };
            prop_assert_eq!(Request::read_all("f", &request.line()), [request]);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            Request::read_all("f", &text);
        }
    }
}
