//! A line that is typed, with a cursor in it.

use crate::key::Key;

/// The longest line, in characters; menuconfig's is as long (MAX_LEN of scripts/kconfig/lxdialog/dialog.h).
const MOST: usize = 2048;

/// A line and the place in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    characters: Vec<char>,
    /// Before which character the cursor stands.
    pub cursor: usize,
}

impl Line {
    /// A line that holds `text`, with the cursor at its end.
    pub fn new(text: &str) -> Line {
        let characters: Vec<char> = text.chars().take(MOST).collect();
        Line { cursor: characters.len(), characters }
    }

    /// What is typed.
    pub fn text(&self) -> String {
        self.characters.iter().collect()
    }

    /// The part that is seen in `width` columns, and where the cursor stands in it.
    pub fn seen(&self, width: usize) -> (String, usize) {
        let start = (self.cursor + 1).saturating_sub(width.max(1));
        (self.characters.iter().skip(start).take(width).collect(), self.cursor - start)
    }

    /// Edits; false if the key does not.
    pub fn key(&mut self, key: Key) -> bool {
        match key {
            Key::Character(character) if !character.is_control() => {
                if self.characters.len() < MOST {
                    self.characters.insert(self.cursor, character);
                    self.cursor += 1;
                }
            }
            Key::Backspace => {
                if self.cursor > 0 {
                    self.cursor -= 1;
                    self.characters.remove(self.cursor);
                }
            }
            Key::Delete => {
                if self.cursor < self.characters.len() {
                    self.characters.remove(self.cursor);
                }
            }
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.characters.len()),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.characters.len(),
            Key::Erase => *self = Line::default(),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_inserts_and_removes_at_the_cursor() {
        let mut line = Line::new("ac");
        let keys = [Key::Left, Key::Character('b'), Key::End, Key::Character('d'), Key::Home, Key::Delete];
        keys.iter().for_each(|&key| assert!(line.key(key)));
        assert_eq!((line.text().as_str(), line.cursor), ("bcd", 0));
        line.key(Key::Backspace);
        assert_eq!(line.text(), "bcd");
        line.key(Key::Erase);
        assert_eq!(line, Line::default());
        assert!(!line.key(Key::Up));
    }

    #[test]
    fn a_long_line_shows_the_part_around_the_cursor() {
        let mut line = Line::new("0123456789");
        assert_eq!(line.seen(5), ("6789".into(), 4));
        line.key(Key::Home);
        assert_eq!(line.seen(5), ("01234".into(), 0));
        assert_eq!(line.seen(0), (String::new(), 0));
    }
}
