//! Pure text: how durations, lines of progress and errors are laid out. No stream is written here.

use std::time::Duration;

use base::Error;

use crate::terminal::{Look, Style, tame};

/// Where the text of a line starts: two spaces, the left word, then this column.
pub const TEXT_COLUMN: usize = 12;

/// Longest line of a program's output that an error shows, in characters: a compiler's own command can be ten times that.
const OUTPUT_LIMIT: usize = 240;

/// A duration as a person reads it: three significant digits, milliseconds below one second, minutes
/// from ten minutes on.
pub fn duration(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 99.95 {
        format!("{seconds:.1} s")
    } else if seconds < 599.5 {
        format!("{seconds:.0} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

/// How long something has run so far: whole seconds.
pub fn clock(ran: Duration) -> String {
    match ran.as_secs() {
        seconds @ ..600 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// One line: the left word, the text, and `right` at the right edge of `width` columns.
/// A text too long for its line pushes `right` on, two spaces away; nothing is cut.
pub fn line(look: Look, width: usize, word: &str, text: &str, right: &str) -> String {
    let word = tame(word);
    let text = tame(text);
    let gap = TEXT_COLUMN.saturating_sub(2 + word.chars().count()).max(2);
    let left = 2 + word.chars().count() + gap + text.chars().count();
    let mut line = format!("  {}{}{}", look.paint(word_style(&word), &word), " ".repeat(gap), text);
    if !right.is_empty() {
        let space = width.saturating_sub(left + right.chars().count()).max(2);
        line.push_str(&" ".repeat(space));
        line.push_str(&look.paint(Style::Faint, right));
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

/// The colour of a left word, by what it says.
fn word_style(word: &str) -> Style {
    match word {
        "passed" | "ready" => Style::Good,
        "failed" | "missing" => Style::Error,
        "note" | "waiting" => Style::Warning,
        _ => Style::Word,
    }
}

/// `text` in lines of at most `width` columns, each further one indented to the text's column.
pub fn wrap(text: &str, width: usize) -> String {
    let room = width.saturating_sub(TEXT_COLUMN).max(20);
    let mut wrapped = String::new();
    let mut column = 0;
    for word in tame(text).split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > room {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(TEXT_COLUMN));
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

/// The text of `doing what detail` cut to `room` columns, for the line of a bar.
pub fn fit(text: &str, room: usize) -> String {
    let text = tame(text);
    if text.chars().count() <= room {
        return text;
    }
    let mut short: String = text.chars().take(room.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// An error, for a person.
pub fn error(look: Look, error: &Error) -> String {
    if error.kind() == base::Kind::Cancelled {
        // What was under way when the person stopped it is no news to them.
        return "stopped on request\n".to_string();
    }
    let frame = |mark: &str| look.paint(Style::Frame, mark);
    let message = look.paint(Style::Strong, &tame(error.message()));
    let mut drawn = format!("{}: {message}\n", look.paint(Style::Error, "error"));
    if let Some(snippet) = error.snippet() {
        drawn.push_str(&format!("  {} {}:{}\n", frame("-->"), snippet.path.display(), snippet.line));
        drawn.push_str(&format!("   {}  {}\n", frame("|"), tame(&snippet.text)));
        if let Some(carets) = carets(&snippet.text, snippet.columns.clone()) {
            drawn.push_str(&format!("   {}  {}\n", frame("|"), look.paint(Style::Error, &carets)));
        }
    }
    for line in error.output_lines() {
        drawn.push_str(&format!("     {} {}\n", frame("|"), fit(line, OUTPUT_LIMIT)));
    }
    for note in error.notes() {
        drawn.push_str(&paragraph(&frame("="), note));
    }
    for (index, hint) in error.hints().iter().enumerate() {
        drawn.push_str(&hint_line(look, if index == 0 { "try" } else { "or" }, hint));
    }
    drawn
}

/// `   = note`, with further lines of the note under the first.
fn paragraph(mark: &str, note: &str) -> String {
    let mut drawn = String::new();
    for (index, line) in note.lines().enumerate() {
        let mark = if index == 0 { mark } else { " " };
        drawn.push_str(&format!("   {mark} {}\n", tame(line)));
    }
    drawn
}

/// `  try  command`.
fn hint_line(look: Look, word: &str, hint: &str) -> String {
    let padding = " ".repeat(5 - word.len());
    format!("  {}{padding}{}\n", look.paint(Style::Good, word), tame(hint))
}

/// The marks under the bytes `columns` of `text`: as many characters as are meant, at least one.
fn carets(text: &str, columns: std::ops::Range<usize>) -> Option<String> {
    if columns.start >= text.trim_end().len() && columns.is_empty() {
        return None;
    }
    let before = text.get(..columns.start)?.chars().count();
    let meant = text.get(columns)?.chars().count().max(1);
    Some(format!("{}{}", " ".repeat(before), "^".repeat(meant)))
}

#[cfg(test)]
mod tests {
    use base::Snippet;

    use super::*;

    const PLAIN: Look = Look { terminal: false, colored: false };
    const COLORED: Look = Look { terminal: true, colored: true };

    #[test]
    fn durations_have_three_digits() {
        for (milliseconds, shown) in [
            (0, "0 ms"),
            (340, "340 ms"),
            (999, "999 ms"),
            (1_000, "1.00 s"),
            (3_421, "3.42 s"),
            (9_996, "10.0 s"),
            (42_130, "42.1 s"),
            (220_400, "220 s"),
            (599_600, "10 min 0 s"),
            (725_000, "12 min 5 s"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), shown);
        }
        assert_eq!(duration(Duration::from_micros(999_600)), "1.00 s");
    }

    #[test]
    fn a_line_has_three_columns() {
        let drawn = line(PLAIN, 60, "built", "kernel   505 options", "220 s");
        assert_eq!(drawn, "  built     kernel   505 options                       220 s\n");
        assert_eq!(drawn.trim_end().chars().count(), 60);
        assert_eq!(line(PLAIN, 80, "0.21 s", "first line of /init", ""), "  0.21 s    first line of /init\n");
        assert_eq!(
            line(PLAIN, 20, "built", "more than fits here", "1 s"),
            "  built     more than fits here  1 s\n"
        );
        assert_eq!(line(PLAIN, 40, "reconfigured", "x", ""), "  reconfigured  x\n");
    }

    #[test]
    fn long_text_wraps_between_words() {
        let indent = " ".repeat(TEXT_COLUMN);
        assert_eq!(wrap("short", 80), "short");
        assert_eq!(wrap("one two three four five six", 32), format!("one two three four\n{indent}five six"));
        let long = "x".repeat(90);
        assert_eq!(wrap(&long, 80), long);
    }

    #[test]
    fn colours_do_not_move_the_right_edge() {
        let drawn = line(COLORED, 60, "built", "kernel", "220 s");
        let mut bare = String::new();
        let mut escape = false;
        for letter in drawn.chars() {
            match letter {
                '\x1b' => escape = true,
                'm' if escape => escape = false,
                letter if !escape => bare.push(letter),
                _ => {}
            }
        }
        assert_eq!(bare, line(PLAIN, 60, "built", "kernel", "220 s"));
        assert_ne!(bare, drawn);
    }

    #[test]
    fn an_error_shows_what_where_why_and_what_next() {
        let source = "[kernel]\nconfig = [\"SATA_AHCI=y\"]\n";
        let refused = Error::input("CONFIG_SATA_AHCI was asked for and did not survive")
            .at(Snippet::of("allno.toml", source, 19..32))
            .note("drivers/ata/Kconfig:112  depends on ATA && PCI\nATA is n")
            .hint("allno config need SATA_AHCI --write")
            .hint("take the line out");
        assert_eq!(
            error(PLAIN, &refused),
            "\
error: CONFIG_SATA_AHCI was asked for and did not survive
  --> allno.toml:2
   |  config = [\"SATA_AHCI=y\"]
   |            ^^^^^^^^^^^^^
   = drivers/ata/Kconfig:112  depends on ATA && PCI
     ATA is n
  try  allno config need SATA_AHCI --write
  or   take the line out
"
        );
    }

    #[test]
    fn a_failed_step_shows_its_last_lines_before_the_notes() {
        let failed = Error::failed("make ended with exit code 2")
            .note("command: make")
            .output(["cc: \x1b[1mno\x1b[m".to_string(), "make: *** stop".to_string()]);
        assert_eq!(
            error(PLAIN, &failed),
            "\
error: make ended with exit code 2
     | cc: \u{fffd}[1mno\u{fffd}[m
     | make: *** stop
   = command: make
"
        );
        assert_eq!(error(PLAIN, &Error::cancelled()), "stopped on request\n");
    }

    #[test]
    fn carets_count_characters_and_never_leave_the_line() {
        assert_eq!(carets("é = 1", 0..2).as_deref(), Some("^"));
        assert_eq!(carets("é = 1", 5..6).as_deref(), Some("    ^"));
        assert_eq!(carets("abc", 3..3), None);
        assert_eq!(carets("abc", 1..1).as_deref(), Some(" ^"));
        assert_eq!(carets("é", 1..2), None);
        assert_eq!(carets("abc", 2..9), None);
    }
}
