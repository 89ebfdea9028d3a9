//! A cursor in a list that scrolls, moving as menuconfig's does (kernel: `dialog_menu()` of scripts/kconfig/lxdialog/menubox.c).

use crate::key::Key;

/// Where the cursor is, and what part of the list is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// The line under the cursor, counted from the list's beginning.
    pub cursor: usize,
    /// The first line that is seen.
    pub scroll: usize,
}

impl List {
    /// Puts the cursor on a line and keeps what is seen, if it can: else the line comes into the middle.
    pub fn place(&mut self, cursor: usize, count: usize, height: usize) {
        let height = height.min(count);
        self.cursor = cursor.min(count.saturating_sub(1));
        let seen = self.scroll <= self.cursor && self.cursor < self.scroll + height;
        if seen && self.scroll + height <= count {
            return;
        }
        self.scroll = match self.cursor {
            cursor if cursor < height => 0,
            cursor if cursor >= count - height / 2 => count - height,
            cursor => cursor - height / 2,
        };
    }

    /// Moves; false if the key does not.
    pub fn key(&mut self, key: Key, count: usize, height: usize) -> bool {
        let height = height.min(count);
        let last = count.saturating_sub(height);
        match key {
            Key::Up | Key::Character('-') => {
                if self.cursor < self.scroll + 2 && self.scroll > 0 {
                    self.scroll -= 1;
                }
                self.cursor = self.cursor.saturating_sub(1).max(self.scroll);
            }
            Key::Down | Key::Character('+') => {
                if self.cursor + 3 > self.scroll + height && self.scroll < last {
                    self.scroll += 1;
                }
                self.cursor = (self.cursor + 1).min((self.scroll + height).saturating_sub(1));
            }
            Key::PageUp => {
                let scrolled = height.min(self.scroll);
                self.scroll -= scrolled;
                self.cursor = (self.cursor - scrolled).saturating_sub(height - scrolled).max(self.scroll);
            }
            Key::PageDown => {
                let scrolled = height.min(last - self.scroll);
                self.scroll += scrolled;
                let furthest = (self.scroll + height).saturating_sub(1);
                self.cursor = (self.cursor + scrolled + (height - scrolled)).min(furthest);
            }
            Key::Home => (self.cursor, self.scroll) = (0, 0),
            Key::End => (self.cursor, self.scroll) = (count.saturating_sub(1), last),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(list: List, keys: &[Key], count: usize, height: usize) -> (usize, usize) {
        let mut list = list;
        keys.iter().for_each(|&key| assert!(list.key(key, count, height)));
        (list.cursor, list.scroll)
    }

    #[test]
    fn two_lines_stay_ahead_of_the_cursor() {
        let down = [Key::Down; 20];
        assert_eq!(after(List::default(), &down[..4], 20, 5), (4, 1));
        assert_eq!(after(List::default(), &down[..19], 20, 5), (19, 15));
        assert_eq!(after(List::default(), &down, 20, 5), (19, 15));
        assert_eq!(after(List { cursor: 19, scroll: 15 }, &[Key::Up; 4], 20, 5), (15, 14));
    }

    #[test]
    fn pages_and_ends() {
        assert_eq!(after(List::default(), &[Key::PageDown], 20, 5), (5, 5));
        assert_eq!(after(List::default(), &[Key::PageDown; 9], 20, 5), (19, 15));
        assert_eq!(after(List { cursor: 12, scroll: 10 }, &[Key::PageUp; 3], 20, 5), (0, 0));
        assert_eq!(after(List::default(), &[Key::End], 20, 5), (19, 15));
        assert_eq!(after(List { cursor: 3, scroll: 2 }, &[Key::Home], 20, 5), (0, 0));
    }

    #[test]
    fn an_empty_list_has_nowhere_to_go() {
        for key in [Key::Up, Key::Down, Key::PageUp, Key::PageDown, Key::Home, Key::End] {
            assert_eq!(after(List::default(), &[key], 0, 5), (0, 0));
        }
    }

    #[test]
    fn a_line_out_of_sight_comes_into_the_middle() {
        let mut list = List::default();
        list.place(10, 20, 5);
        assert_eq!((list.cursor, list.scroll), (10, 8));
        list.place(11, 20, 5);
        assert_eq!((list.cursor, list.scroll), (11, 8));
        list.place(19, 20, 5);
        assert_eq!((list.cursor, list.scroll), (19, 15));
        list.place(7, 3, 5);
        assert_eq!((list.cursor, list.scroll), (2, 0));
    }
}
