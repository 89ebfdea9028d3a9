//! The one place that draws what happens: a thread that eats [`base::Event`]s and writes to standard error.
//!
//! On a terminal, tasks under way are bars at the bottom and each ended task leaves a line above them.
//! Elsewhere only the lines are written, and a task that takes long says now and then that it lives.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::{Event, Events, Size, Total, Unit};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::layout;
use crate::terminal::{Look, Style, Unechoed, stderr_width, tame, write_stderr};

/// Without a terminal, a task that has run so long says that it began.
const FIRST_SIGN: Duration = Duration::from_secs(5);
/// Without a terminal, a task says how far it is this often.
const NEXT_SIGN: Duration = Duration::from_secs(60);
/// How often tasks are looked at for a sign of life.
const TICK: Duration = Duration::from_millis(250);
/// A bar appears only once its task has run this long, so that short ones don't flicker.
const BAR_DELAY: Duration = Duration::from_millis(150);
/// No task has this number (they count from 1): its end means that drawing ends.
const STOP: u64 = 0;

/// The drawing thread.
pub struct Drawing {
    sender: Sender<Event>,
    thread: JoinHandle<()>,
    _unechoed: Option<Unechoed>,
}

impl Drawing {
    /// Starts to draw; events go to [`Drawing::events`].
    pub fn start(look: Look, verbose: bool) -> Drawing {
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || {
            let mut canvas = Canvas::new(look, verbose, stderr_width, Box::new(write_stderr));
            canvas.follow(&receiver);
        });
        let _unechoed = if look.terminal { Unechoed::new() } else { None };
        Drawing { sender, thread, _unechoed }
    }

    /// Where events are to be sent.
    pub fn events(&self) -> Events {
        Events::to(self.sender.clone())
    }

    /// Draws what was sent so far, takes the bars away and ends.
    pub fn finish(self) {
        let _ = self.sender.send(Event::Dropped { id: STOP });
        let _ = self.thread.join();
    }
}

/// A task under way.
struct Running {
    doing: &'static str,
    what: String,
    progress: Option<(u64, Option<Total>, Unit)>,
    began: Instant,
    next_sign: Instant,
    bar: Option<ProgressBar>,
}

/// Where drawn bytes go: standard error, or a test's buffer.
type Sink = Box<dyn FnMut(&[u8])>;

/// What is on the screen.
struct Canvas {
    look: Look,
    verbose: bool,
    width: fn() -> usize,
    write: Sink,
    bars: MultiProgress,
    running: BTreeMap<u64, Running>,
}

impl Canvas {
    fn new(look: Look, verbose: bool, width: fn() -> usize, write: Sink) -> Canvas {
        let target =
            if look.terminal { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        Canvas { look, verbose, width, write, bars, running: BTreeMap::new() }
    }

    /// Draws until the channel ends or [`STOP`] arrives.
    fn follow(&mut self, receiver: &Receiver<Event>) {
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(Event::Dropped { id: STOP }) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.show_life(Instant::now());
        }
        for task in self.running.values() {
            if let Some(bar) = &task.bar {
                bar.finish_and_clear();
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Started { id, doing, what } => self.begin(id, doing, what, Instant::now()),
            Event::Progress { id, done, total, unit, detail } => {
                self.advance(id, (done, total, unit), &detail)
            }
            Event::Ended { id, done, what, took } => {
                self.remove(id);
                self.line(done, &what, &layout::duration(took));
            }
            Event::Dropped { id } => self.remove(id),
            Event::Line { word, text } => self.line(&word, &text, ""),
            Event::Warning(text) => {
                let word = self.look.paint(Style::Warning, "warning");
                self.print(&format!("{word}: {}\n", tame(&text)));
            }
            Event::Waiting(text) => self.line("waiting", &text, ""),
            Event::Detail(text) if self.verbose => {
                for line in text.lines() {
                    let indent = " ".repeat(layout::TEXT_COLUMN);
                    self.print(&format!("{indent}{}\n", self.look.paint(Style::Faint, &tame(line))));
                }
            }
            Event::Detail(_) => {}
            Event::Console(bytes) => self.print_bytes(&bytes),
        }
    }

    fn begin(&mut self, id: u64, doing: &'static str, what: String, now: Instant) {
        let task =
            Running { doing, what, progress: None, began: now, next_sign: now + FIRST_SIGN, bar: None };
        self.running.insert(id, task);
    }

    /// What a bar says left of itself, cut or padded to its room.
    fn bar_text(&self, id: u64, detail: &str) -> String {
        let task = self.running.get(&id);
        let what = task.map_or("", |task| task.what.as_str());
        let text = if detail.is_empty() { what.to_string() } else { format!("{what}  {detail}") };
        let room =
            (self.width)().saturating_sub(layout::TEXT_COLUMN + right_columns(task.and_then(kind))).max(8);
        let text = layout::fit(&text, room);
        let padding = " ".repeat(room.saturating_sub(text.chars().count()));
        format!("{text}{padding}")
    }

    fn advance(&mut self, id: u64, progress: (u64, Option<Total>, Unit), detail: &str) {
        let Some(task) = self.running.get_mut(&id) else { return };
        let (done, total, unit) = progress;
        let before = kind(task);
        task.progress = Some(progress);
        let changed = before != kind(task);
        let Some(bar) = task.bar.clone() else { return };
        let text = self.bar_text(id, detail);
        if changed {
            bar.set_style(style(Some(Counted::of(total, unit))));
        }
        if let Some(total) = total {
            bar.set_length(total.number().max(done));
        }
        bar.set_message(text);
        bar.set_position(done);
    }

    fn remove(&mut self, id: u64) {
        if let Some(bar) = self.running.remove(&id).and_then(|task| task.bar) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    /// Shows that what runs is alive: by bars on a terminal, else by a line now and then.
    fn show_life(&mut self, now: Instant) {
        if self.look.terminal {
            self.move_bars(now);
        } else {
            self.say_life(now);
        }
    }

    /// Gives a bar to each task that is old enough for one, and moves the clocks of the others.
    fn move_bars(&mut self, now: Instant) {
        let mut due = Vec::new();
        for (&id, task) in &self.running {
            match &task.bar {
                Some(bar) => bar.tick(),
                None if now.duration_since(task.began) >= BAR_DELAY => due.push(id),
                None => {}
            }
        }
        for id in due {
            let text = self.bar_text(id, "");
            let Some(task) = self.running.get_mut(&id) else { continue };
            let bar = ProgressBar::no_length()
                .with_style(style(kind(task)))
                .with_prefix(task.doing)
                .with_message(text)
                .with_elapsed(now.duration_since(task.began));
            // Only a bar that belongs to the others is drawn by them; one outside draws for itself.
            let bar = self.bars.add(bar);
            if let Some((done, total, _)) = task.progress {
                total.inspect(|total| bar.set_length(total.number().max(done)));
                bar.set_position(done);
            }
            bar.tick();
            task.bar = Some(bar);
        }
    }

    fn say_life(&mut self, now: Instant) {
        let mut lines = Vec::new();
        for task in self.running.values_mut().filter(|task| now >= task.next_sign) {
            let ran = now.duration_since(task.began);
            task.next_sign = now + NEXT_SIGN;
            let count = task.progress.map(|progress| format!("  {}", count(progress))).unwrap_or_default();
            let right = if ran < NEXT_SIGN { "…".to_string() } else { layout::duration(ran) };
            lines.push((task.doing, format!("{}{count}", task.what), right));
        }
        for (doing, text, right) in lines {
            self.line(doing, &text, &right);
        }
    }

    fn line(&mut self, word: &str, text: &str, right: &str) {
        let line = layout::line(self.look, (self.width)(), word, text, right);
        self.print(&line);
    }

    fn print(&mut self, text: &str) {
        self.print_bytes(text.as_bytes());
    }

    fn print_bytes(&mut self, bytes: &[u8]) {
        let write = &mut self.write;
        self.bars.suspend(|| write(bytes));
    }
}

/// "231 of 640", "231 of about 640", "12 MB of 150 MB", "7".
fn count((done, total, unit): (u64, Option<Total>, Unit)) -> String {
    let show = |number: u64| match unit {
        Unit::Bytes => Size(number).to_string(),
        Unit::Steps => number.to_string(),
    };
    match total {
        Some(Total::Exactly(total)) => format!("{} of {}", show(done), show(total)),
        Some(Total::About(total)) => format!("{} of about {}", show(done), show(total)),
        None => show(done),
    }
}

/// What is counted of a task that has said how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    unit: Unit,
    /// Whether there is a total, and whether it is an estimate.
    of: Option<Estimated>,
}

/// Whether a total is an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Estimated(bool);

impl Counted {
    fn of(total: Option<Total>, unit: Unit) -> Counted {
        Counted { unit, of: total.map(|total| Estimated(matches!(total, Total::About(_)))) }
    }

    /// How far a bar is, with the numbers it keeps itself.
    fn text(self, done: u64, length: Option<u64>) -> String {
        let total = self.of.zip(length).map(|(estimated, length)| match estimated {
            Estimated(true) => Total::About(length),
            Estimated(false) => Total::Exactly(length),
        });
        count((done, total, self.unit))
    }
}

/// What a bar can show of a task: `None` before the first progress.
fn kind(task: &Running) -> Option<Counted> {
    task.progress.map(|(_, total, unit)| Counted::of(total, unit))
}

/// indicatif's template for a kind of bar.
fn template(kind: Option<Counted>) -> &'static str {
    match kind {
        None => "  {prefix:<10}{msg}  {took:>9}",
        Some(Counted { of: Some(_), .. }) => "  {prefix:<10}{msg}  {bar:14} {count:>19} {took:>9}",
        Some(Counted { of: None, .. }) => "  {prefix:<10}{msg}  {count:>9} {took:>9}",
    }
}

/// The columns right of the message in [`template`].
fn right_columns(kind: Option<Counted>) -> usize {
    match kind {
        None => 2 + 9,
        Some(Counted { of: Some(_), .. }) => 2 + 14 + 1 + 19 + 1 + 9,
        Some(Counted { of: None, .. }) => 2 + 9 + 1 + 9,
    }
}

fn style(kind: Option<Counted>) -> ProgressStyle {
    let counted = kind.unwrap_or(Counted { unit: Unit::Steps, of: None });
    ProgressStyle::with_template(template(kind))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
        .with_key("took", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = out.write_str(&layout::clock(state.elapsed()));
        })
        .with_key("count", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = out.write_str(&counted.text(state.pos(), state.len()));
        })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A canvas without a terminal, and what it wrote.
    fn canvas(verbose: bool) -> (Canvas, Arc<Mutex<Vec<u8>>>) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let copy = written.clone();
        let look = Look { terminal: false, colored: false };
        let write = Box::new(move |bytes: &[u8]| copy.lock().unwrap().extend_from_slice(bytes));
        (Canvas::new(look, verbose, || 60, write), written)
    }

    fn text(written: &Arc<Mutex<Vec<u8>>>) -> String {
        String::from_utf8(written.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn what_ended_leaves_one_line_and_what_was_dropped_none() {
        let (mut canvas, written) = canvas(false);
        let (sender, receiver) = channel();
        let events = Events::to(sender);
        let kernel = events.task("building", "kernel");
        kernel.progress_on(3, Some(Total::Exactly(640)), Unit::Steps, "init/main.o");
        let other = events.task("fetching", "musl");
        drop(other);
        events.warn("the clock is wrong");
        events.detail("not said");
        kernel.end("built", "kernel   505 options");
        events.line("passed", "3 of 3");
        drop(events);
        canvas.follow(&receiver);
        let text = text(&written);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], "warning: the clock is wrong");
        assert!(
            lines[1].starts_with("  built     kernel   505 options  ") && lines[1].ends_with(" ms"),
            "{text}"
        );
        assert_eq!(lines[1].chars().count(), 60);
        assert_eq!(lines[2], "  passed    3 of 3");
    }

    #[test]
    fn details_need_verbose() {
        let (mut canvas, written) = canvas(true);
        canvas.take(Event::Detail("rebuilt: a\nbecause: b".into()));
        assert_eq!(text(&written), "            rebuilt: a\n            because: b\n");
    }

    #[test]
    fn a_log_shows_that_a_long_task_lives() {
        let (mut canvas, written) = canvas(false);
        let start = Instant::now();
        canvas.begin(7, "building", "kernel".into(), start);
        canvas.show_life(start + Duration::from_secs(4));
        assert_eq!(text(&written), "");
        canvas.show_life(start + Duration::from_secs(5));
        canvas.show_life(start + Duration::from_secs(6));
        canvas.take(Event::Progress {
            id: 7,
            done: 231,
            total: Some(Total::About(640)),
            unit: Unit::Steps,
            detail: "fs/namei.o".into(),
        });
        canvas.show_life(start + Duration::from_secs(66));
        canvas.remove(7);
        canvas.show_life(start + Duration::from_secs(300));
        let text = text(&written);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].starts_with("  building  kernel  ") && lines[0].ends_with(" …"), "{text}");
        assert!(
            lines[1].starts_with("  building  kernel  231 of about 640  ") && lines[1].ends_with(" 66.0 s"),
            "{text}"
        );
    }

    #[test]
    fn the_end_comes_although_a_sender_lives_on() {
        let drawing = Drawing::start(Look { terminal: false, colored: false }, false);
        let events = drawing.events();
        let task = events.task("building", "kernel");
        drawing.finish();
        drop(task);
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(count((231, Some(Total::Exactly(640)), Unit::Steps)), "231 of 640");
        assert_eq!(count((231, Some(Total::About(640)), Unit::Steps)), "231 of about 640");
        let bytes = (12_000_000, Some(Total::Exactly(150_000_000)), Unit::Bytes);
        assert_eq!(count(bytes), "12 MB of 150 MB");
        assert_eq!(count((7, None, Unit::Steps)), "7");
        for total in [None, Some(Total::Exactly(9)), Some(Total::About(9))] {
            let counted = Counted::of(total, Unit::Steps);
            assert_eq!(counted.text(7, Some(9)), count((7, total, Unit::Steps)));
        }
    }

    #[test]
    fn every_style_is_a_template_that_parses() {
        for total in [None, Some(Total::About(1))] {
            let kind = Some(Counted::of(total, Unit::Bytes));
            assert!(ProgressStyle::with_template(template(kind)).is_ok());
        }
        assert!(ProgressStyle::with_template(template(None)).is_ok());
    }
}
