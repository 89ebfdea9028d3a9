//! Answers about a configuration as lines of a terminal: places in one column, texts in the next.

use explain::{Dropped, Row, Shown, Weight, Written};

use crate::layout;
use crate::terminal::{Look, Style, tame};

/// Places longer than this push their text on.
const WIDEST_PLACE: usize = 44;
/// Assignments longer than this push their place on.
const WIDEST_ASSIGNMENT: usize = 36;
/// The same on a terminal, where the last column needs the room.
const ON_A_TERMINAL: (usize, usize) = (28, 26);
/// Texts are wrapped only where this much room is left for them.
const LEAST_ROOM: usize = 30;

/// Rows with their places aligned.
pub fn rows(rows: &[Row], look: Look, width: usize) -> String {
    let widths = rows.iter().filter(|row| row.weight != Weight::Head && !row.place.is_empty());
    let column = widths.map(|row| indent(row) + row.place.chars().count()).max().unwrap_or(0);
    let column = column.min(WIDEST_PLACE) + 2;
    rows.iter().map(|row| line(row, column, look, width)).collect()
}

fn indent(row: &Row) -> usize {
    2 * row.depth
}

fn line(row: &Row, column: usize, look: Look, width: usize) -> String {
    let place = tame(&row.place);
    if row.weight == Weight::Head {
        let text =
            look.paint(if row.place.is_empty() { Style::Strong } else { Style::Faint }, &tame(&row.text));
        let gap = if place.is_empty() { "" } else { "   " };
        return format!("{}{}{gap}{text}\n", " ".repeat(indent(row)), look.paint(Style::Strong, &place));
    }
    let mut line = " ".repeat(indent(row));
    let start = match place.is_empty() {
        true => indent(row),
        false => {
            let padding = column.saturating_sub(indent(row) + place.chars().count()).max(2);
            line.push_str(&look.paint(Style::Word, &place));
            line.push_str(&" ".repeat(padding));
            indent(row) + place.chars().count() + padding
        }
    };
    let style = match row.weight {
        Weight::Obstacle => Style::Warning,
        Weight::Try => Style::Good,
        Weight::Aside => Style::Faint,
        Weight::Head | Weight::Fact => {
            line.push_str(&wrapped(&tame(&row.text), start, width, |part| part.to_string()));
            line.push('\n');
            return line;
        }
    };
    line.push_str(&wrapped(&tame(&row.text), start, width, |part| look.paint(style, part)));
    line.push('\n');
    line
}

/// The text in lines that end before `width`, each further one under the first, two columns in.
fn wrapped(text: &str, start: usize, width: usize, paint: impl Fn(&str) -> String) -> String {
    let room = width.saturating_sub(start);
    if room < LEAST_ROOM || text.chars().count() <= room {
        return paint(text);
    }
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        let indent = if lines.len() > 1 { 2 } else { 0 };
        if used > 0 && used + 1 + length + indent > room {
            lines.push(String::new());
            used = 0;
        }
        let last = lines.last_mut().expect("a line");
        if used > 0 {
            last.push(' ');
            used += 1;
        }
        last.push_str(word);
        used += length;
    }
    let lines: Vec<String> = lines.iter().map(|line| paint(line.trim_end())).collect();
    lines.join(&format!("\n{}", " ".repeat(start + 2)))
}

/// The whole configuration: what is set; with `all` what is n too. What was dropped stands last, where it is seen.
pub fn whole(shown: &Shown, all: bool, look: Look, width: usize) -> String {
    let lines: Vec<&Written> =
        shown.symbols.iter().filter(|line| all || line.value != "n" || line.origin.how == "asked").collect();
    let assignments = lines.iter().map(|line| line.symbol.len() + 1 + line.value.chars().count());
    let caps = if look.terminal { ON_A_TERMINAL } else { (WIDEST_ASSIGNMENT, WIDEST_PLACE) };
    let first = assignments.max().unwrap_or(0).min(caps.0) + 2;
    let places = lines.iter().filter_map(|line| place_of(line)).map(str::len);
    let second = places.max().unwrap_or(0).min(caps.1) + 2;
    let mut text = String::new();
    for line in lines {
        let assignment = tame(&format!("{}={}", line.symbol, line.value));
        let place = tame(place_of(line).unwrap_or_default());
        let words = tame(&line.origin.words());
        // A long line is cut only for the eye.
        // What is too long pushes the next on, and no further than it must.
        let place_at = (assignment.chars().count() + 2).max(first);
        let words_at = (place_at + place.chars().count() + 2).max(first + second);
        let room = width.saturating_sub(words_at).max(LEAST_ROOM);
        let words = if look.terminal { layout::fit(&words, room) } else { words };
        let gap = |from: usize, text: &str, to: usize| " ".repeat(to - from - text.chars().count());
        let asked = line.origin.how == "asked";
        let painted = format!(
            "{}{}{}{}{}",
            look.paint(if line.value == "n" { Style::Faint } else { Style::Strong }, &assignment),
            gap(0, &assignment, place_at),
            look.paint(Style::Word, &place),
            gap(place_at, &place, words_at),
            look.paint(if asked { Style::Good } else { Style::Faint }, &words),
        );
        text.push_str(painted.trim_end());
        text.push('\n');
    }
    text.push_str(&sums(shown, all, look));
    for dropped in &shown.dropped {
        text.push_str(&dropped_lines(dropped, look, width));
    }
    text
}

/// The line that gave it its value, else where it is defined.
fn place_of(line: &Written) -> Option<&str> {
    line.origin.place.as_deref().or(line.defined.as_deref())
}

fn sums(shown: &Shown, all: bool, look: Look) -> String {
    let counts = &shown.counts;
    let hidden = if all || counts.unset == 0 { "" } else { " (--all shows them)" };
    let set = format!(
        "{} set: {} asked for, {} selected or implied, {} by default; {} are n{hidden}",
        counts.set, counts.asked, counts.selected, counts.default, counts.unset
    );
    layout::line(look, usize::MAX >> 1, "options", &set, "")
}

fn dropped_lines(dropped: &Dropped, look: Look, width: usize) -> String {
    let asked = &dropped.asked;
    let value = match &dropped.value {
        Some(value) => format!("is {value}"),
        None => "is not there".to_string(),
    };
    let near = match dropped.nearest.as_slice() {
        [] => String::new(),
        near => format!("; near it: {}", near.join(", ")),
    };
    let text = format!("{}={} ({}) {value}: {}{near}", asked.name, asked.value, asked.place, dropped.because);
    let padding = " ".repeat(layout::TEXT_COLUMN - 2 - "dropped".len());
    format!("  {}{padding}{}\n", look.paint(Style::Warning, "dropped"), layout::wrap(&text, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { terminal: false, colored: false };

    fn row(weight: Weight, depth: usize, place: &str, text: &str) -> Row {
        Row { depth, place: place.into(), text: text.into(), weight }
    }

    #[test]
    fn places_stand_in_one_column_and_texts_in_the_next() {
        let all = [
            row(Weight::Head, 0, "PCI=y", "bool"),
            row(Weight::Fact, 1, "a.toml:8", "one"),
            row(Weight::Obstacle, 1, "", "refused by"),
            row(Weight::Fact, 2, "drivers/Kconfig:10", "two"),
        ];
        assert_eq!(
            rows(&all, PLAIN, 80),
            concat!(
                "PCI=y   bool\n",
                "  a.toml:8              one\n",
                "  refused by\n",
                "    drivers/Kconfig:10  two\n",
            )
        );
    }

    #[test]
    fn long_texts_go_on_below_themselves() {
        let text = "word ".repeat(12);
        let drawn = rows(&[row(Weight::Fact, 1, "a:1", text.trim())], PLAIN, 40);
        for line in drawn.lines() {
            assert!(line.chars().count() <= 40, "{drawn}");
        }
        assert!(drawn.lines().nth(1).unwrap().starts_with("         word"), "{drawn}");
        assert_eq!(drawn.split_whitespace().count(), 13);
    }
}
