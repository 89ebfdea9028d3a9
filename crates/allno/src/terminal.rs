//! What the two output streams are: terminals or not, how wide, coloured or plain.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

use crate::arguments::Color;

/// The width that lines are laid out for where there is no terminal to ask.
pub const PLAIN_WIDTH: usize = 80;
/// Lines are not spread wider than this: past it the eye loses the row.
const WIDEST: usize = 110;
/// A narrower terminal than this is laid out as if it were so wide, and wraps.
const NARROWEST: usize = 40;

/// How one stream is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether a person watches it, so that bars make sense.
    pub terminal: bool,
    /// Whether to colour.
    pub colored: bool,
}

impl Look {
    /// The look of standard output.
    pub fn of_stdout(color: Color) -> Look {
        Look::of(&std::io::stdout(), color)
    }

    /// The look of standard error.
    pub fn of_stderr(color: Color) -> Look {
        Look::of(&std::io::stderr(), color)
    }

    fn of(stream: &impl IsTerminal, color: Color) -> Look {
        let terminal = stream.is_terminal();
        // https://no-color.org: set and not empty means no colour; a dumb terminal has none.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colored = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        Look { terminal, colored }
    }

    /// `text` in `style`, where colours are on.
    pub fn paint(self, style: Style, text: &str) -> String {
        if self.colored && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", style.code())
        } else {
            text.to_string()
        }
    }
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Something went wrong.
    Error,
    /// Something to know though all goes on.
    Warning,
    /// Something went as it should.
    Good,
    /// The word that names a line.
    Word,
    /// A frame: arrows, bars, carets.
    Frame,
    /// Of less weight.
    Faint,
    /// What matters in a line.
    Strong,
}

impl Style {
    /// The parameters of ECMA-48's Select Graphic Rendition.
    fn code(self) -> &'static str {
        match self {
            Style::Error => "1;31",
            Style::Warning => "1;33",
            Style::Good => "32",
            Style::Word => "36",
            Style::Frame => "1;34",
            Style::Faint => "2",
            Style::Strong => "1",
        }
    }
}

/// The columns to lay lines out for on standard error.
pub fn stderr_width() -> usize {
    width(std::io::stderr())
}

/// The columns to lay lines out for on standard output.
pub fn stdout_width() -> usize {
    width(std::io::stdout())
}

fn width(stream: impl std::os::fd::AsFd) -> usize {
    let columns =
        tcgetwinsize(stream).ok().map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0);
    // The last columns stay free: some terminals wrap as soon as the last one is written.
    columns.map_or(PLAIN_WIDTH, |columns| columns.saturating_sub(2)).clamp(NARROWEST, WIDEST)
}

/// The terminal's settings before [`Unechoed::new`] changed them.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// While this lives, the terminal does not show Ctrl-C as `^C` (ECHOCTL of termios(3)): bars leave the cursor in the last
/// column, where the echo would move it to the next line, and the bars could no longer be taken away.
pub struct Unechoed(());

impl Unechoed {
    /// Changes the terminal, if there is one and it is ours to change: in the background we would be stopped for it.
    pub fn new() -> Option<Unechoed> {
        let stdin = std::io::stdin();
        let settings = tcgetattr(&stdin).ok()?;
        if tcgetpgrp(&stdin).ok()? != getpgrp() || !settings.local_modes.contains(LocalModes::ECHOCTL) {
            return None;
        }
        let mut changed = settings.clone();
        changed.local_modes.remove(LocalModes::ECHOCTL);
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
        let guard = Unechoed(());
        tcsetattr(&stdin, OptionalActions::Now, &changed).ok()?;
        Some(guard)
    }
}

impl Drop for Unechoed {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was before allno began, raw console or bars; for every way out.
pub fn restore() {
    machine::interactive::restore_terminal();
    menu::restore_terminal();
    if let Some(settings) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &settings);
    }
}

/// Writes to standard output. A reader that went away (`allno … | head -1`) is no failure of ours.
pub fn write_stdout(bytes: &[u8]) -> base::Result<()> {
    let mut stdout = std::io::stdout().lock();
    tolerate_broken_pipe(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Writes to standard error; there is nowhere to report that this failed.
pub fn write_stderr(bytes: &[u8]) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
}

fn tolerate_broken_pipe(outcome: std::io::Result<()>) -> base::Result<()> {
    match outcome {
        Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => base::Context::context(other, || "cannot write to standard output".to_string()),
    }
}

/// The text with control characters made harmless: what a program or a guest printed must not steer
/// the person's terminal. Tabs become spaces, as carets are placed by counting characters.
pub fn tame(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\t' => ' ',
            letter if letter.is_control() => '\u{fffd}',
            letter => letter,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_they_are_on() {
        let look = |colored| Look { terminal: true, colored };
        assert_eq!(look(false).paint(Style::Error, "x"), "x");
        assert_eq!(look(true).paint(Style::Error, "x"), "\x1b[1;31mx\x1b[0m");
        assert_eq!(look(true).paint(Style::Error, ""), "");
    }

    #[test]
    fn a_guest_cannot_steer_the_terminal() {
        assert_eq!(tame("a\x1b[2Jb\tc\r"), "a\u{fffd}[2Jb c\u{fffd}");
    }
}
