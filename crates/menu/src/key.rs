//! What a person can press.

/// A key, as the browser understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Character(char),
    /// Enter
    Enter,
    /// Escape; twice goes back.
    Escape,
    /// Nothing came within a second after Escape: one is then enough.
    Pause,
    /// Tab
    Tab,
    /// Shift and Tab
    BackTab,
    /// Left
    Left,
    /// Right
    Right,
    /// Up
    Up,
    /// Down
    Down,
    /// Page up
    PageUp,
    /// Page down
    PageDown,
    /// Home
    Home,
    /// End
    End,
    /// Backspace
    Backspace,
    /// Delete
    Delete,
    /// Ctrl-U: empties a line.
    Erase,
    /// Ctrl-C
    Interrupt,
}

impl Key {
    /// The character in lower case, as menuconfig takes most keys.
    pub(crate) fn lower(self) -> Option<char> {
        match self {
            Key::Character(character) => Some(character.to_ascii_lowercase()),
            _ => None,
        }
    }
}
