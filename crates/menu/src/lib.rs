//! A full-screen browser of a kernel's configuration, on the keys of the kernel's own menuconfig.
//!
//! [`State`] is the browser itself: keys in, [`Effect`]s out, and no terminal, file or clock; [`run`] puts it on a terminal.
//! What has to come from outside (files, why an option has its value, what another value needs) comes through [`Outside`].
//!
//! Deliberately absent: how `why` and `need` find their answers, and where files are.

mod draw;
mod input;
mod key;
mod layout;
mod list;
mod reason;
mod rows;
mod search;
mod state;
mod terminal;
mod text_box;
mod theme;
mod words;

use std::io;

use kconfig::{Configuration, SymbolId, UserValue};
use ratatui::buffer::Buffer;
use ratatui::layout::Position;

pub use key::Key;
pub use state::{Effect, End, State};

/// What leads to a value that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// The answer for a person, line by line.
    pub lines: Vec<String>,
    /// What has to be set for it; the user can have it set. Empty if there is nothing to set or no way.
    pub changes: Vec<(SymbolId, UserValue)>,
}

/// What the browser needs from outside.
pub trait Outside {
    /// Writes a file as a whole, or leaves it as it is.
    ///
    /// # Errors
    /// It cannot be written; the user sees why.
    fn save(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Reads a configuration file.
    ///
    /// # Errors
    /// It cannot be read; the user sees why.
    fn load(&mut self, name: &str) -> io::Result<Vec<u8>>;

    /// Why a symbol has its value, line by line. What the user set stays as it is.
    fn why(&mut self, configuration: &mut Configuration<'_>, symbol: SymbolId) -> Vec<String>;

    /// What has to change for a symbol to have a value: y, m or n, a number or a text. What the user set stays as it is.
    fn need(&mut self, configuration: &mut Configuration<'_>, symbol: SymbolId, value: &str) -> Need;

    /// Whether a signal asked to end; looked at ten times a second.
    fn is_cancelled(&self) -> bool;
}

/// Why the browser does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Standard input or output is no terminal.
    #[error(
        "the menu needs a terminal, and standard input or output is none; without one: allno config show"
    )]
    NoTerminal,
    /// A terminal that cannot place text.
    #[error(
        "the terminal is dumb (TERM): the menu cannot place text on it; set TERM to what it is, such as xterm"
    )]
    DumbTerminal,
    /// It failed.
    #[error("the terminal failed: {0}")]
    Terminal(io::Error),
}

/// Browses a configuration on the terminal until the user is done. `name` is the file it came from and `saved` what that holds
/// (nothing if it is not there): what differs from it at the end is asked about. To be called inside [`kconfig::with_stack`].
///
/// # Errors
/// There is no terminal, or it fails. It is given back as it was in any case, also when something panics.
pub fn run(
    configuration: Configuration<'_>,
    name: &str,
    saved: Option<Vec<u8>>,
    colored: bool,
    outside: &mut dyn Outside,
) -> Result<End, Error> {
    let mut state = State::new(configuration, name, saved);
    terminal::run(&mut state, outside, colored)
}

/// Whether there is a terminal that [`run`] can use.
///
/// # Errors
/// There is none, or it cannot place text.
pub fn check_terminal() -> Result<(), Error> {
    terminal::check()
}

/// Gives the terminal back as it was, if the browser has it: for a way out that runs no destructors. What [`run`] returns from,
/// and panics, need no call.
pub fn restore_terminal() {
    terminal::give_back();
}

/// Draws the browser; gives the place of the cursor. The buffer is as large as [`State::resize`] was told.
pub fn draw(state: &State<'_>, colored: bool, buffer: &mut Buffer) -> Option<Position> {
    let theme = if colored { theme::Theme::colored() } else { theme::Theme::plain() };
    draw::draw(state, &theme, buffer)
}
