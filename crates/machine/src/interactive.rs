//! The guest's console in the person's hands: every key goes to the guest until Ctrl-].

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ChildStdin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base::{Cancel, Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use crate::console::{Console, Cursor};
use crate::guest::{Exit, Guest};

/// The key that ends QEMU: Ctrl-], as in telnet.
pub const ESCAPE: u8 = 0x1d;
/// What to tell the person beforehand.
pub const ESCAPE_HINT: &str = "Ctrl-] ends QEMU; every other key goes to the guest";
/// How often the cancel flag is looked at.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// Whether a person sits at both ends: standard input and output are terminals.
pub fn is_terminal() -> bool {
    isatty(rustix::stdio::stdin()) && isatty(rustix::stdio::stdout())
}

/// The terminal's rows and columns. A serial line does not carry them, so the guest has to be told (`stty rows R cols C`, or
/// LINES and COLUMNS in init's environment).
pub fn window_size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(rustix::stdio::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// The terminal's state before it was made raw, while it is raw.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

/// Gives the terminal back as it was, if it is raw. For a panic hook or a last way out; the ordinary ones do it by
/// themselves.
pub fn restore_terminal() {
    let mut saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(state) = saved.take() {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &state);
    }
}

/// A terminal in raw mode; dropping it (a panic too) restores the terminal.
struct Raw;

impl Raw {
    fn new() -> Result<Raw> {
        let cannot = || "cannot set up the terminal".to_string();
        let before = tcgetattr(rustix::stdio::stdin()).map_err(std::io::Error::from).context(cannot)?;
        let mut raw = before.clone();
        raw.make_raw();
        *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let set = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw);
        let guard = Raw;
        set.map_err(std::io::Error::from).context(cannot)?;
        Ok(guard)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore_terminal();
    }
}

/// Connects the person's terminal with the guest's console from `from` on, until QEMU ends, the person types Ctrl-]
/// (QEMU is ended), the terminal goes away, or somebody asks to stop. The console is logged all the while. Returns
/// how QEMU ended; call it only when [`is_terminal`] says so.
///
/// # Errors
/// The terminal cannot be set up, or the console was handed out before.
pub fn attach(guest: &mut Guest, from: Cursor, cancel: &Cancel) -> Result<Option<Exit>> {
    let input = guest.take_input();
    let mut input = input.ok_or_else(|| base::Error::failed("the console is in other hands"))?;
    let raw = Raw::new()?;
    let (ended, end) = std::io::pipe().context(|| "cannot make a pipe".into())?;
    let console = guest.console().clone();
    let screen = std::thread::spawn(move || {
        show(&console, from);
        // Closing the pipe wakes the other side.
        drop(end);
    });
    let outcome = type_along(&mut input, &ended.into(), cancel);
    let exit = guest.stop();
    let _ = screen.join();
    drop(raw);
    outcome.map(|()| exit)
}

/// Copies the console to the terminal until QEMU has ended.
fn show(console: &Console, mut cursor: Cursor) {
    let mut screen = std::io::stdout();
    loop {
        match console.next(&mut cursor, Instant::now() + Duration::from_secs(60)) {
            Some(bytes) => match screen.write_all(&bytes).and_then(|()| screen.flush()) {
                Ok(()) => {}
                Err(_) => return,
            },
            None if console.ended().is_some() => return,
            None => {}
        }
    }
}

/// Copies what is typed to the guest until Ctrl-], the terminal's end, QEMU's end (`ended` is closed) or a request to stop.
fn type_along(input: &mut ChildStdin, ended: &OwnedFd, cancel: &Cancel) -> Result<()> {
    let keyboard = rustix::stdio::stdin();
    let mut buffer = [0; 4096];
    loop {
        cancel.check()?;
        let mut watched =
            [PollFd::new(&keyboard, PollFlags::IN), PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)];
        let timeout = Timespec { tv_sec: 0, tv_nsec: CANCEL_INTERVAL.subsec_nanos().into() };
        match poll(&mut watched, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(cause) => {
                return Err(std::io::Error::from(cause)).context(|| "cannot read the terminal".into());
            }
        }
        if !watched[1].revents().is_empty() {
            return Ok(());
        }
        let count = match rustix::io::read(keyboard, &mut buffer[..]) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
            // The terminal is gone.
            Err(_) => return Ok(()),
        };
        let typed = &buffer[..count];
        let (typed, escape) = match typed.iter().position(|&byte| byte == ESCAPE) {
            Some(at) => (&typed[..at], true),
            None => (typed, false),
        };
        // A write fails when QEMU is gone; `ended` then says so.
        let _ = input.write_all(typed).and_then(|()| input.flush());
        if escape {
            return Ok(());
        }
    }
}
