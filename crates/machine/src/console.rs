//! The guest's console: everything it said, when, and waits for what it should say.
//!
//! One thread reads (see [`crate::Guest`]) and wakes whoever waits; a waiter looks only at what it has not seen yet.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::{Cancel, Error};
use serde::Serialize;

use crate::guest::Exit;
use crate::pattern::{Fatal, Pattern};

/// Most console bytes kept in memory; beyond it the older half is let go (console.log keeps all).
const KEPT_LIMIT: usize = 64 << 20;
/// How many of the last lines a failed wait carries.
pub const LAST_LINES: usize = 20;
/// Longest line a failed wait carries, in bytes.
const LINE_LIMIT: usize = 1024;
/// How often a wait looks at the cancel flag. What arrives wakes it at once.
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);
/// After a fatal text the rest of the message is awaited: until the console was silent for this long …
const FATAL_SILENCE: Duration = Duration::from_millis(100);
/// … but no longer than this.
const FATAL_PATIENCE: Duration = Duration::from_millis(500);
/// A regular expression's match at the very end of an unfinished line counts once nothing more came for this long: a guest
/// prints byte by byte, and `[0-9]+$` would match too early.
const LINE_SILENCE: Duration = Duration::from_millis(20);

/// A position in the console, in bytes since the start. A wait moves it behind what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cursor(pub u64);

/// What to wait for and what ends the wait otherwise. QEMU's exit always does.
#[derive(Clone, Copy, Debug)]
pub struct Wait<'a> {
    /// Any of these ends the wait well. With none the wait is a sleep that notices trouble.
    pub wanted: &'a [Pattern],
    /// Any of these ends it badly, unless a wanted text stands before it.
    pub fatal: &'a [Fatal],
    /// When to give up.
    pub deadline: Instant,
    /// Asked to stop.
    pub cancel: &'a Cancel,
}

/// A wanted text that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Its index among the wanted patterns.
    pub which: usize,
    /// When its last byte arrived, since QEMU's start.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    /// The whole line it stands in (as far as it had arrived), readable.
    pub line: String,
}

/// How a wait ended without what it waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "ending")]
pub enum Ending {
    /// The time was up.
    Deadline,
    /// A fatal text came.
    Fatal {
        /// The text's name.
        name: String,
        /// The line it stands in.
        line: String,
    },
    /// QEMU ended.
    Exit {
        /// How.
        exit: Exit,
    },
    /// Somebody asked to stop.
    Cancelled,
}

/// A wait that did not get what it waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// What it waited for, as shown to a person.
    pub wanted: Vec<String>,
    /// How it ended.
    #[serde(flatten)]
    pub ending: Ending,
    /// When the wait's end came about, since QEMU's start: for a fatal text its arrival, else the wait's end.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    /// How long it had waited.
    #[serde(serialize_with = "seconds")]
    pub waited: Duration,
    /// When the console last said something, since QEMU's start.
    #[serde(serialize_with = "seconds")]
    pub silent_since: Duration,
    /// The console's last lines.
    pub last_lines: Vec<String>,
}

/// A duration as seconds with a fraction, as every JSON of a run has it.
pub(crate) fn seconds<S: serde::Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value.as_secs_f64() * 1e6).round() / 1e6)
}

impl Stopped {
    /// One sentence: what was waited for and how it ended.
    pub fn sentence(&self) -> String {
        let at = self.at.as_secs_f64();
        let what = match self.wanted.as_slice() {
            [] => "watched the console".to_string(),
            wanted => format!("waited for {}", wanted.join(" or ")),
        };
        match &self.ending {
            Ending::Deadline => format!(
                "{what} for {:.1} s; the console has been silent since {:.1} s",
                self.waited.as_secs_f64(),
                self.silent_since.as_secs_f64()
            ),
            Ending::Fatal { line, .. } => format!("{what}; the guest died at {at:.1} s: {line}"),
            Ending::Exit { exit } => format!("{what}; QEMU {exit} at {at:.1} s"),
            Ending::Cancelled => "stopped on request".to_string(),
        }
    }

    /// The same as an error with the console's last lines. The caller adds QEMU's own words and its command
    /// ([`crate::Guest::explain`]).
    pub fn into_error(self) -> Error {
        match self.ending {
            Ending::Cancelled => Error::cancelled(),
            _ => Error::failed(self.sentence()).output(self.last_lines),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    text: Vec<u8>,
    /// The absolute offset of `text[0]`.
    base: u64,
    /// For each chunk its absolute end and when it came.
    chunks: VecDeque<(u64, Duration)>,
    ended: Option<(Exit, Duration)>,
}

impl State {
    fn end(&self) -> u64 {
        self.base + self.text.len() as u64
    }

    fn arrival(&self, end: u64) -> Duration {
        let index = self.chunks.partition_point(|chunk| chunk.0 < end);
        self.chunks.get(index).map_or(Duration::ZERO, |chunk| chunk.1)
    }

    fn last_arrival(&self) -> Duration {
        self.chunks.back().map_or(Duration::ZERO, |chunk| chunk.1)
    }

    fn append(&mut self, bytes: &[u8], at: Duration) {
        self.text.extend_from_slice(bytes);
        self.chunks.push_back((self.end(), at));
        if self.text.len() > KEPT_LIMIT {
            let gone = self.text.len() - KEPT_LIMIT / 2;
            self.text.drain(..gone);
            self.base += gone as u64;
            while self.chunks.front().is_some_and(|chunk| chunk.0 <= self.base) {
                self.chunks.pop_front();
            }
        }
    }

    /// The line around the match, readable.
    fn line(&self, start: u64, end: u64) -> String {
        let start = (start.max(self.base) - self.base) as usize;
        let end = (end.max(self.base) - self.base) as usize;
        let low = self.text[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let high =
            self.text[end..].iter().position(|&byte| byte == b'\n').map_or(self.text.len(), |at| end + at);
        readable(&self.text[low.max(start.saturating_sub(LINE_LIMIT))..high.min(end + LINE_LIMIT)])
    }

    fn last_lines(&self, count: usize) -> Vec<String> {
        let reach = self.text.len().saturating_sub(count * LINE_LIMIT);
        let lines = self.text[reach..].split(|&byte| byte == b'\n').map(readable);
        let mut lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        lines.split_off(lines.len().saturating_sub(count))
    }
}

/// A console line without control characters and escape sequences, for a message.
pub fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(2 * LINE_LIMIT)]);
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            // ECMA-48 CSI: ESC [ parameters, then one byte from @ to ~.
            '\u{1b}' if characters.peek() == Some(&'[') => {
                characters.next();
                while characters.next().is_some_and(|next| !('@'..='~').contains(&next)) {}
            }
            '\t' => shown.push(' '),
            other if other.is_control() => {}
            other => shown.push(other),
        }
    }
    shown.truncate(shown.trim_end().len());
    shown
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    began: Instant,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The console of one QEMU. Clones see the same.
#[derive(Clone, Debug)]
pub struct Console(Arc<Shared>);

impl Console {
    pub(crate) fn new(began: Instant) -> Console {
        Console(Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), began }))
    }

    pub(crate) fn append(&self, bytes: &[u8]) -> Duration {
        let at = self.0.began.elapsed();
        self.0.lock().append(bytes, at);
        self.0.changed.notify_all();
        at
    }

    pub(crate) fn end(&self, exit: Exit) {
        self.0.lock().ended.get_or_insert((exit, self.0.began.elapsed()));
        self.0.changed.notify_all();
    }

    /// When QEMU was started.
    pub fn began(&self) -> Instant {
        self.0.began
    }

    /// How QEMU ended and when since its start, if it has. All it said before is there by then.
    pub fn ended(&self) -> Option<(Exit, Duration)> {
        self.0.lock().ended.clone()
    }

    /// The position behind all that came so far.
    pub fn cursor_at_end(&self) -> Cursor {
        Cursor(self.0.lock().end())
    }

    /// Everything from `cursor` on that is still kept (all, up to 64 MiB).
    pub fn text_from(&self, cursor: Cursor) -> Vec<u8> {
        let state = self.0.lock();
        let start = cursor.0.saturating_sub(state.base).min(state.text.len() as u64) as usize;
        state.text[start..].to_vec()
    }

    /// The last `count` lines that are not empty, readable.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        self.0.lock().last_lines(count)
    }

    /// Waits for the next bytes behind `cursor` and moves it past them; `None` when QEMU has ended and nothing is left, or
    /// at `deadline`.
    pub fn next(&self, cursor: &mut Cursor, deadline: Instant) -> Option<Vec<u8>> {
        let mut state = self.0.lock();
        loop {
            let end = state.end();
            if cursor.0 < end {
                let start = cursor.0.max(state.base) - state.base;
                *cursor = Cursor(end);
                return Some(state.text[start as usize..].to_vec());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended.is_some() || left.is_zero() {
                return None;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for what `wait` says, looking from `cursor` on, and moves `cursor` behind what was found. What stands
    /// first in the console decides, so a wanted text before a panic is still seen.
    ///
    /// # Errors
    /// A [`Stopped`]: the deadline, a fatal text, QEMU's exit or a request to stop.
    pub fn wait(&self, cursor: &mut Cursor, wait: &Wait) -> Result<Seen, Box<Stopped>> {
        let began = Instant::now();
        let patterns: Vec<&Pattern> =
            wait.wanted.iter().chain(wait.fatal.iter().map(|fatal| &fatal.pattern)).collect();
        let mut from = vec![cursor.0; patterns.len()];
        let mut state = self.0.lock();
        loop {
            if let Some((index, (start, end))) = first_match(&state, &patterns, &mut from) {
                if !patterns[index].is_literal() && end == state.end() && state.ended.is_none() {
                    let waited = self.0.changed.wait_timeout(state, LINE_SILENCE);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    if state.end() > end {
                        continue;
                    }
                }
                *cursor = Cursor(end);
                let at = state.arrival(end);
                if index < wait.wanted.len() {
                    return Ok(Seen { which: index, at, line: state.line(start, end) });
                }
                let state = self.settle(state);
                let name = wait.fatal[index - wait.wanted.len()].name.clone();
                let line = state.line(start, end);
                return Err(stopped(&state, wait, Ending::Fatal { name, line }, at, began));
            }
            let now = self.0.began.elapsed();
            if let Some((exit, at)) = state.ended.clone() {
                return Err(stopped(&state, wait, Ending::Exit { exit }, at, began));
            }
            if wait.cancel.is_set() {
                return Err(stopped(&state, wait, Ending::Cancelled, now, began));
            }
            let left = wait.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(stopped(&state, wait, Ending::Deadline, now, began));
            }
            let patience = left.min(CANCEL_INTERVAL);
            state = self.0.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets the rest of a fatal message arrive.
    fn settle<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + FATAL_PATIENCE;
        while state.ended.is_none() && Instant::now() < deadline {
            let before = state.end();
            let waited = self.0.changed.wait_timeout(state, FATAL_SILENCE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.end() == before {
                break;
            }
        }
        state
    }
}

/// The match that stands first, as (pattern's index, (start, end)); of several at one place the first pattern's.
/// Moves `from` on for those that found nothing.
fn first_match(state: &State, patterns: &[&Pattern], from: &mut [u64]) -> Option<(usize, (u64, u64))> {
    let mut first: Option<(usize, (u64, u64))> = None;
    for (index, pattern) in patterns.iter().enumerate() {
        match pattern.find(&state.text, state.base, from[index]) {
            Some(found) if first.is_none_or(|(_, earlier)| found.0 < earlier.0) => {
                first = Some((index, found))
            }
            Some(_) => {}
            None => from[index] = pattern.resume(&state.text, state.base, from[index]),
        }
    }
    first
}

fn stopped(state: &State, wait: &Wait, ending: Ending, at: Duration, began: Instant) -> Box<Stopped> {
    Box::new(Stopped {
        wanted: wait.wanted.iter().map(|pattern| pattern.shown().to_string()).collect(),
        ending,
        at,
        waited: began.elapsed(),
        silent_since: state.last_arrival(),
        last_lines: state.last_lines(LAST_LINES),
    })
}

/// Appends to console.log; after a failure (a full disk) it says so once and stops, as the boot itself can go on.
#[derive(Debug)]
pub(crate) struct ConsoleLog {
    file: Option<File>,
}

impl ConsoleLog {
    pub(crate) fn new(file: File) -> ConsoleLog {
        ConsoleLog { file: Some(file) }
    }

    /// Writes `bytes`; returns the failure once.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Option<std::io::Error> {
        let failure = self.file.as_mut()?.write_all(bytes).err()?;
        self.file = None;
        Some(failure)
    }
}
