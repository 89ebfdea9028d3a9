//! A text that is scrolled, with places in it to jump to (kernel: `dialog_textbox()` of scripts/kconfig/lxdialog/textbox.c).

use kconfig::{MenuId, SymbolId};

use crate::key::Key;

/// A text to read.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextBox {
    pub title: String,
    lines: Vec<String>,
    /// Lines that name a place in the menus, in order.
    pub jumps: Vec<(usize, MenuId)>,
    /// Lines with which a symbol begins, in order.
    pub symbols: Vec<(usize, SymbolId)>,
    /// Which of the symbols is marked.
    pub marked: usize,
    /// The first row that is seen.
    top: usize,
    /// The lines cut to the width: which line a row is of, and its text.
    rows: Vec<(usize, String)>,
    width: usize,
}

impl TextBox {
    pub fn new(title: &str, text: &str) -> TextBox {
        let lines = text.trim_end().lines().map(expand).collect();
        TextBox { title: title.into(), lines, ..TextBox::default() }
    }

    /// Takes the content of another one, and stays at the same line and mark as far as there are any.
    pub fn renew(&mut self, other: TextBox) {
        let line = self.rows.get(self.top).map_or(0, |row| row.0);
        let (width, marked) = (self.width, self.marked);
        *self = TextBox { marked: marked.min(other.symbols.len().saturating_sub(1)), ..other };
        self.lay_out(width, 0);
        self.top = self.rows.partition_point(|row| row.0 < line);
    }

    /// Lays the text out for a width, and keeps the line that is seen first.
    pub fn lay_out(&mut self, width: usize, height: usize) {
        if width != self.width {
            let line = self.rows.get(self.top).map_or(0, |row| row.0);
            self.width = width;
            let rows = self.lines.iter().enumerate();
            self.rows =
                rows.flat_map(|(index, line)| cut(line, width).map(move |row| (index, row))).collect();
            self.top = self.rows.partition_point(|row| row.0 < line);
        }
        self.top = self.top.min(self.last_top(height));
    }

    fn last_top(&self, height: usize) -> usize {
        self.rows.len().saturating_sub(height)
    }

    /// The rows that are seen, each with whether it is of the marked symbol's first line.
    pub fn seen(&self, height: usize) -> impl Iterator<Item = (&str, bool)> {
        let marked = self.symbols.get(self.marked).filter(|_| self.symbols.len() > 1).map(|mark| mark.0);
        let rows = self.rows.iter().skip(self.top).take(height);
        rows.map(move |(line, text)| (text.as_str(), marked == Some(*line)))
    }

    /// How far the end of what is seen is through the text, in percent.
    pub fn percent(&self, height: usize) -> usize {
        match self.rows.len() {
            0 => 100,
            rows => (self.top + height).min(rows) * 100 / rows,
        }
    }

    /// The symbol that is marked.
    pub fn symbol(&self) -> Option<SymbolId> {
        self.symbols.get(self.marked).map(|mark| mark.1)
    }

    /// The place a digit leads to: of those seen the first with that number.
    pub fn target(&self, digit: char, height: usize) -> Option<MenuId> {
        let number = digit.to_digit(10).filter(|&digit| digit > 0)? as usize;
        let first = self.rows.get(self.top)?.0;
        let last = (self.top + height).min(self.rows.len()).checked_sub(1)?;
        let last = self.rows.get(last)?.0;
        let jumps = self.jumps.iter().enumerate();
        jumps
            .filter(|(index, (line, _))| index % 9 + 1 == number && (first..=last).contains(line))
            .map(|(_, jump)| jump.1)
            .next()
    }

    /// Scrolls or marks; false if the key does neither.
    pub fn key(&mut self, key: Key, height: usize) -> bool {
        let page = height.max(1);
        let top = match key {
            Key::Up | Key::Character('k' | 'K') => self.top.saturating_sub(1),
            Key::Down | Key::Character('j' | 'J') => self.top + 1,
            Key::PageUp | Key::Character('b' | 'B' | 'u') => self.top.saturating_sub(page),
            Key::PageDown | Key::Character(' ' | 'd') => self.top + page,
            Key::Home | Key::Character('g') => 0,
            Key::End | Key::Character('G') => usize::MAX,
            Key::Tab | Key::BackTab => return self.mark(key == Key::Tab, height),
            _ => return false,
        };
        self.top = top.min(self.last_top(height));
        self.mark_what_is_seen(height);
        true
    }

    fn mark(&mut self, forward: bool, height: usize) -> bool {
        let last = self.symbols.len().saturating_sub(1);
        self.marked = match forward {
            true => (self.marked + 1).min(last),
            false => self.marked.saturating_sub(1),
        };
        if let Some(&(line, _)) = self.symbols.get(self.marked) {
            let row = self.rows.partition_point(|row| row.0 < line);
            if row < self.top || row >= self.top + height {
                self.top = row.min(self.last_top(height));
            }
        }
        true
    }

    /// After scrolling, the mark is on a symbol that is seen.
    fn mark_what_is_seen(&mut self, height: usize) {
        let Some(first) = self.rows.get(self.top).map(|row| row.0) else { return };
        let end = (self.top + height).min(self.rows.len());
        let last = self.rows.get(end.saturating_sub(1)).map_or(first, |row| row.0);
        let marked = self.symbols.get(self.marked).map_or(0, |mark| mark.0);
        if (first..=last).contains(&marked) {
            return;
        }
        let next = self.symbols.partition_point(|mark| mark.0 < first);
        let begins_here = self.symbols.get(next).is_some_and(|mark| mark.0 <= last);
        self.marked = if begins_here { next } else { next.saturating_sub(1) };
    }
}

/// Tabs to the columns where they lead, every eighth.
fn expand(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut column = 0;
    for character in line.chars() {
        let wide = if character == '\t' { 8 - column % 8 } else { 1 };
        match character {
            '\t' => text.extend(std::iter::repeat_n(' ', wide)),
            _ => text.push(character),
        }
        column += wide;
    }
    text
}

/// A line cut at blanks into rows no wider than `width`; those after the first are indented a little more.
fn cut(line: &str, width: usize) -> impl Iterator<Item = String> + use<> {
    let width = width.max(1);
    let characters: Vec<char> = line.chars().collect();
    let blanks = characters.iter().take_while(|&&character| character == ' ').count();
    let indent = if blanks + 4 < width / 2 { blanks + 4 } else { 0 };
    let (mut rows, mut start) = (Vec::new(), 0);
    loop {
        let before = if start == 0 { 0 } else { indent };
        let room = width - before;
        let rest = &characters[start..];
        let end = match rest.len() <= room {
            true => rest.len(),
            // A blank at which to cut, not among those that indent.
            false => {
                rest[..=room].iter().rposition(|&it| it == ' ').filter(|&at| at > blanks).unwrap_or(room)
            }
        };
        rows.push(" ".repeat(before) + rest[..end].iter().collect::<String>().trim_end());
        start += end;
        while start < characters.len() && characters[start] == ' ' {
            start += 1;
        }
        if start >= characters.len() {
            return rows.into_iter();
        }
    }
}

/// Text as rows no wider than `width`.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut rows = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let row = rows.last_mut().map(|row| (row.chars().count(), row));
        match row {
            Some((0, row)) => row.push_str(word),
            Some((length, row)) if length + 1 + word.chars().count() <= width => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.to_string()),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_at_blanks() {
        let rows = |line, width| cut(line, width).collect::<Vec<_>>();
        assert_eq!(rows("  a bb ccc", 20), ["  a bb ccc"]);
        assert_eq!(rows("one two three four five", 12), ["one two", "    three", "    four", "    five"]);
        assert_eq!(rows("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(rows("", 3), [""]);
        assert_eq!(rows("a b", 0), ["a", "b"]);
    }

    #[test]
    fn scrolling_stops_at_the_ends() {
        let mut text = TextBox::new("t", "1\n2\n3\n4\n5\n6\n7");
        text.lay_out(10, 3);
        let seen = |text: &TextBox| text.seen(3).map(|row| row.0.to_string()).collect::<String>();
        for (key, expected) in [
            (Key::Up, "123"),
            (Key::Down, "234"),
            (Key::PageDown, "567"),
            (Key::Down, "567"),
            (Key::Character('b'), "234"),
            (Key::Character('G'), "567"),
            (Key::Character('g'), "123"),
        ] {
            assert!(text.key(key, 3));
            assert_eq!(seen(&text), expected, "{key:?}");
        }
        assert_eq!(text.percent(3), 42);
        assert!(!text.key(Key::Character('w'), 3));
    }

    #[test]
    fn a_narrower_screen_keeps_the_line_at_the_top() {
        let mut text = TextBox::new("t", "aa aa aa\nbb bb bb\ncc cc cc\ndd dd dd");
        text.lay_out(80, 2);
        text.key(Key::Down, 2);
        text.lay_out(3, 2);
        assert_eq!(text.seen(2).next(), Some(("bb", false)));
        text.lay_out(80, 2);
        assert_eq!(text.seen(2).next(), Some(("bb bb bb", false)));
    }

    #[test]
    fn tabs_lead_to_every_eighth_column() {
        assert_eq!(expand("a\tb\t\tc"), "a       b               c");
    }
}
