//! Which options a Makefile's lines hang on, as text: for questions about compiler flags, whose functions are not followed.

use std::collections::BTreeSet;

use crate::files::Files;
use crate::lines;

/// A line of a Makefile and the options in sight of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// Its text.
    pub text: String,
    /// Its number.
    pub line: usize,
    /// The symbols in it, and in the conditions it stands under.
    pub symbols: BTreeSet<String>,
}

/// The lines of a Makefile that hang on an option.
pub fn mentions(files: &dyn Files, path: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut open: Vec<BTreeSet<String>> = Vec::new();
    for line in lines::read(&files.read(path).unwrap_or_default()) {
        let own = symbols(&line.text);
        match line.text.split([' ', '\t', '(']).next().unwrap_or_default() {
            "ifeq" | "ifneq" | "ifdef" | "ifndef" => open.push(own),
            // The other branch hangs on the same options.
            "else" => open.last_mut().into_iter().for_each(|it| it.extend(own.clone())),
            "endif" => drop(open.pop()),
            _ => {
                let symbols: BTreeSet<String> = open.iter().flatten().cloned().chain(own).collect();
                if !symbols.is_empty() {
                    found.push(Mention { text: line.text, line: line.number, symbols });
                }
            }
        }
    }
    found
}

fn symbols(text: &str) -> BTreeSet<String> {
    let names = text.split("CONFIG_").skip(1).map(|rest| {
        let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(rest.len());
        rest[..end].to_string()
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static str);

    impl Files for One {
        fn read(&self, _: &str) -> Option<String> {
            Some(self.0.to_string())
        }

        fn exists(&self, _: &str) -> bool {
            true
        }
    }

    #[test]
    fn a_flag_stands_under_its_conditions() {
        let text = "CFLAGS += -O2\nifdef CONFIG_FRAME_POINTER\nCFLAGS += -fno-omit-frame-pointer\nelse\n\
                    CFLAGS += -fomit-frame-pointer\nendif\nflags-$(CONFIG_MK8) := -march=k8\n";
        let found = mentions(&One(text), "Makefile");
        let shown: Vec<_> = found.iter().map(|it| (it.line, it.symbols.first().unwrap().as_str())).collect();
        assert_eq!(shown, [(3, "FRAME_POINTER"), (5, "FRAME_POINTER"), (7, "MK8")]);
    }
}
