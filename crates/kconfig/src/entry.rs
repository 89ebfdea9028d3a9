//! Where a Kconfig file defines an option, and what that place demands
//! (kernel: Documentation/kbuild/kconfig-language.rst).

/// One `depends on`, or the `if` or `menu` around an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Line number in the file, from 1.
    pub line: usize,
    /// The expression, as written.
    pub expression: String,
}

/// One definition of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The option's name.
    pub name: String,
    /// Line number of `config NAME`, from 1.
    pub line: usize,
    /// Whether it has a prompt, so that a person can set it at all.
    pub has_prompt: bool,
    /// All that must hold: its own `depends on` and those of the blocks around it in this file.
    pub demands: Vec<Demand>,
}

/// The definitions of `name` in one Kconfig file's text. What surrounds the file (an `if` around the
/// `source` line that reads it) is not seen.
pub fn definitions_in(text: &str, name: &str) -> Vec<Definition> {
    let mut found: Vec<Definition> = Vec::new();
    let mut blocks: Vec<Vec<Demand>> = Vec::new();
    let mut entry = Entry::Other;
    let mut help_indent = None;
    for (index, line) in joined_lines(text) {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim();
        if words.is_empty() {
            continue;
        }
        if let Some(limit) = help_indent {
            if indent > limit {
                continue;
            }
            help_indent = None;
        }
        let (keyword, rest) = words.split_once([' ', '\t']).unwrap_or((words, ""));
        let rest = rest.trim();
        match keyword {
            "config" | "menuconfig" => {
                entry = if rest == name { Entry::Wanted } else { Entry::Other };
                if entry == Entry::Wanted {
                    let demands = blocks.iter().flatten().cloned().collect();
                    found.push(Definition { name: name.into(), line: index + 1, has_prompt: false, demands });
                }
            }
            "if" => {
                blocks.push(vec![Demand { line: index + 1, expression: without_comment(rest) }]);
                entry = Entry::Other;
            }
            "menu" | "choice" => {
                blocks.push(Vec::new());
                entry = Entry::Block;
            }
            "endif" | "endmenu" | "endchoice" => {
                blocks.pop();
                entry = Entry::Other;
            }
            "comment" | "source" | "mainmenu" => entry = Entry::Other,
            "help" | "---help---" => help_indent = Some(indent),
            "depends" => {
                let expression = without_comment(rest.strip_prefix("on").unwrap_or(rest));
                let demand = Demand { line: index + 1, expression };
                match entry {
                    Entry::Wanted => {
                        found.last_mut().into_iter().for_each(|it| it.demands.push(demand.clone()))
                    }
                    Entry::Block => blocks.last_mut().into_iter().for_each(|it| it.push(demand.clone())),
                    Entry::Other => {}
                }
            }
            "prompt" | "bool" | "tristate" | "int" | "hex" | "string" if entry == Entry::Wanted => {
                let prompt = rest.starts_with(['"', '\'']);
                found.last_mut().into_iter().for_each(|it| it.has_prompt |= prompt);
            }
            _ => {}
        }
    }
    found
}

#[derive(PartialEq, Eq)]
enum Entry {
    /// The option that was asked for.
    Wanted,
    /// A menu or choice, whose `depends on` counts for all inside.
    Block,
    /// Anything else.
    Other,
}

/// Lines with their index, a trailing backslash joining the next one.
fn joined_lines(text: &str) -> Vec<(usize, String)> {
    let mut result: Vec<(usize, String)> = Vec::new();
    let mut continued = false;
    for (index, line) in text.lines().enumerate() {
        let (line, continues) = match line.strip_suffix('\\') {
            Some(stem) => (stem, true),
            None => (line, false),
        };
        match result.last_mut() {
            Some((_, previous)) if continued => previous.push_str(line.trim_start()),
            _ => result.push((index, line.to_string())),
        }
        continued = continues;
    }
    result
}

fn without_comment(expression: &str) -> String {
    expression.split(" #").next().unwrap_or_default().trim().to_string()
}

/// The option names in a dependency expression, each once, in order.
pub fn symbols_of(expression: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut quoted = false;
    for part in expression.split_inclusive('"') {
        if !quoted {
            for word in part.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')) {
                let constant = matches!(word, "" | "y" | "m" | "n" | "if");
                if !constant && !names.iter().any(|name| name == word) {
                    names.push(word.to_string());
                }
            }
        }
        quoted ^= part.ends_with('"');
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
menuconfig ATA
	tristate "Serial ATA"
	depends on HAS_IOMEM
	help
	  If you want a disk:
	  config SATA_AHCI is below.

if ATA

menu "Controllers"
	depends on HAS_DMA

config SATA_AHCI
	tristate "AHCI SATA support"
	depends on PCI && \
		(X86 || ARM)   # as it stands
	select SATA_HOST
endmenu

endif # ATA

config SATA_HOST
	bool
"#;

    #[test]
    fn demands_come_from_the_entry_and_the_blocks_around_it() {
        let found = definitions_in(TEXT, "SATA_AHCI");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].has_prompt), (14, true));
        let demands: Vec<_> = found[0].demands.iter().map(|it| (it.line, it.expression.as_str())).collect();
        assert_eq!(demands, [(9, "ATA"), (12, "HAS_DMA"), (16, "PCI && (X86 || ARM)")]);
    }

    #[test]
    fn an_entry_without_a_prompt_is_known_as_such() {
        let found = definitions_in(TEXT, "SATA_HOST");
        assert!(!found[0].has_prompt);
        assert!(found[0].demands.is_empty());
        assert!(definitions_in(TEXT, "NOWHERE").is_empty());
    }

    #[test]
    fn expressions_name_their_options() {
        assert_eq!(symbols_of("PCI && (X86 || !ARM) && PCI=y"), ["PCI", "X86", "ARM"]);
        assert_eq!(symbols_of("CC_VERSION_TEXT = \"gcc 12\" || 64BIT"), ["CC_VERSION_TEXT", "64BIT"]);
    }
}
