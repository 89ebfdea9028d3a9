//! A Makefile's lines as GNU make reads them: comments off, continued lines joined, recipes set aside (GNU make manual, 3.1.1 and
//! 5.1).

/// A line that is no recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its text, without the white space around it.
    pub text: String,
    /// The number of its first line in the file.
    pub number: usize,
    /// Whether it begins with a tab: after a rule it belongs to the recipe.
    pub has_tab: bool,
}

/// The lines of a Makefile, without empty ones.
pub fn read(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut open: Option<Line> = None;
    for (index, raw) in text.lines().enumerate() {
        let raw = raw.trim_end_matches('\r');
        let (part, goes_on) = match raw.strip_suffix('\\') {
            // An even number of backslashes is text.
            Some(part) if !part.chars().rev().take_while(|it| *it == '\\').count().is_multiple_of(2) => {
                (raw, false)
            }
            Some(part) => (part, true),
            None => (raw, false),
        };
        let line = open.get_or_insert_with(|| Line {
            text: String::new(),
            number: index + 1,
            has_tab: raw.starts_with('\t'),
        });
        if !line.text.is_empty() {
            line.text.push(' ');
        }
        line.text.push_str(part.trim());
        if !goes_on {
            lines.extend(open.take());
        }
    }
    lines.extend(open);
    for line in &mut lines {
        let end = comment_at(&line.text).unwrap_or(line.text.len());
        line.text.truncate(end);
        line.text = line.text.trim().to_string();
    }
    lines.retain(|line| !line.text.is_empty());
    lines
}

/// Where a comment begins: at a # that has no backslash before it.
fn comment_at(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|&at| bytes[at] == b'#' && (at == 0 || bytes[at - 1] != b'\\'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn continued_lines_are_one_and_comments_none() {
        let text = "# head\nobj-y := a.o \\\n\tb.o # more\n\n\trecipe\nx := \\#y\n# gone \\\nalso gone\n";
        let found: Vec<_> = read(text).into_iter().map(|it| (it.number, it.has_tab, it.text)).collect();
        assert_eq!(
            found,
            [
                (2, false, "obj-y := a.o b.o".to_string()),
                (5, true, "recipe".to_string()),
                (6, false, "x := \\#y".to_string()),
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z#\\\\\\n\\t $()]{0,80}") {
            for line in read(&text) {
                prop_assert!(!line.text.is_empty() && line.number <= text.lines().count());
            }
        }
    }
}
