//! The terminal: raw mode and the other screen while the browser runs, and back again on every way out.

use std::io::{self, IsTerminal, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::draw::draw;
use crate::key::Key;
use crate::state::{Effect, End, State};
use crate::theme::Theme;
use crate::{Error, Outside};

/// How long a signal waits to be seen.
const LOOK: Duration = Duration::from_millis(100);
/// How long one Escape waits for another (the same as ncurses' ESCDELAY).
const ESCAPE: Duration = Duration::from_secs(1);

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, until this is dropped.
struct Taken(());

impl Taken {
    fn take() -> io::Result<Taken> {
        TAKEN.store(true, Ordering::SeqCst);
        let taken = Taken(());
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)?;
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back as it was, if it is ours.
pub(crate) fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // There is nobody left to tell.
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// A panic's words are written before anything is dropped: they must not go to the other screen.
fn give_back_before_a_panic_speaks() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let speak = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            speak(panic);
        }));
    });
}

/// Whether there is a terminal, and one that can place text.
pub(crate) fn check() -> Result<(), Error> {
    if !io::stdin().is_terminal() || !stdout().is_terminal() {
        return Err(Error::NoTerminal);
    }
    match std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
        true => Err(Error::DumbTerminal),
        false => Ok(()),
    }
}

/// Runs until the user is done.
pub(crate) fn run(state: &mut State<'_>, outside: &mut dyn Outside, colored: bool) -> Result<End, Error> {
    check()?;
    give_back_before_a_panic_speaks();
    let taken = Taken::take().map_err(Error::Terminal)?;
    let end = converse(state, outside, colored).map_err(Error::Terminal);
    drop(taken);
    end
}

fn converse(state: &mut State<'_>, outside: &mut dyn Outside, colored: bool) -> io::Result<End> {
    let theme = if colored { Theme::colored() } else { Theme::plain() };
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    terminal.clear()?;
    loop {
        terminal.autoresize()?;
        let size = terminal.size()?;
        state.resize(size.width, size.height);
        show(&mut terminal, state, &theme)?;
        let Some(key) = wait(state.awaits_escape(), outside)? else { return Ok(End::Cancelled) };
        let mut effect = match key {
            Pressed::Key(key) => state.key(key),
            Pressed::Nothing => Effect::None,
        };
        while effect != Effect::None {
            effect = match effect {
                Effect::End(end) => return Ok(end),
                Effect::Need { .. } => {
                    // It may take seconds.
                    state.say("Looking for the changes …");
                    show(&mut terminal, state, &theme)?;
                    carry_out(effect, state, outside)
                }
                effect => carry_out(effect, state, outside),
            };
        }
    }
}

fn show(
    terminal: &mut Terminal<CrosstermBackend<io::Stdout>>,
    state: &State<'_>,
    theme: &Theme,
) -> io::Result<()> {
    let drawn = terminal.draw(|frame| {
        if let Some(cursor) = draw(state, theme, frame.buffer_mut()) {
            frame.set_cursor_position(cursor);
        }
    });
    drawn.map(drop)
}

enum Pressed {
    Key(Key),
    /// The screen changed, or a key we have no use for.
    Nothing,
}

/// Waits for a key; nothing if it is to end.
fn wait(escaped: bool, outside: &mut dyn Outside) -> io::Result<Option<Pressed>> {
    let began = Instant::now();
    // crossterm may hold keys that came together with the last one: the first look waits for nothing.
    let mut limit = Duration::ZERO;
    loop {
        if outside.is_cancelled() || !look(limit)? {
            return Ok(None);
        }
        limit = LOOK;
        if event::poll(Duration::ZERO)? {
            return Ok(Some(match event::read()? {
                Event::Key(key) => key_of(key).map_or(Pressed::Nothing, Pressed::Key),
                _ => Pressed::Nothing,
            }));
        }
        if escaped && began.elapsed() >= ESCAPE {
            return Ok(Some(Pressed::Key(Key::Pause)));
        }
    }
}

/// Waits a moment for input; false if the terminal is gone. crossterm would read its end for ever.
fn look(limit: Duration) -> io::Result<bool> {
    let stdin = io::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    let limit = Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
    match poll(&mut watched, Some(&limit)) {
        // A signal may be a new size of the screen.
        Ok(_) | Err(Errno::INTR) => {}
        Err(cause) => return Err(cause.into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(!watched[0].revents().intersects(gone))
}

fn key_of(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(match event.code {
        KeyCode::Char('c') if control => Key::Interrupt,
        KeyCode::Char('u') if control => Key::Erase,
        KeyCode::Char('h') if control => Key::Backspace,
        KeyCode::Char(_) if control => return None,
        KeyCode::Char(character) => Key::Character(character),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::F(1) => Key::Character('?'),
        _ => return None,
    })
}

fn carry_out(effect: Effect, state: &mut State<'_>, outside: &mut dyn Outside) -> Effect {
    match effect {
        Effect::Save { name, bytes } => {
            let result = outside.save(&name, &bytes);
            return state.saved(&name, result);
        }
        Effect::Load { name } => {
            let result = outside.load(&name);
            state.loaded(&name, result);
        }
        Effect::Why(symbol) => {
            let lines = outside.why(state.configuration(), symbol);
            state.explained(symbol, &lines);
        }
        Effect::Need { symbol, value } => {
            let need = outside.need(state.configuration(), symbol, &value);
            state.needed(symbol, &value, need);
        }
        Effect::None | Effect::End(_) => {}
    }
    Effect::None
}
