//! What happens while allno works, as values on a channel; one consumer (the command) draws them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// What a task's progress counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things done: files compiled, programs linked.
    Steps,
}

/// How much there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// Known.
    Exactly(u64),
    /// Estimated.
    About(u64),
}

impl Total {
    /// The number, whether known or estimated.
    pub fn number(self) -> u64 {
        match self {
            Total::Exactly(number) | Total::About(number) => number,
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A task began: "fetching" "linux 6.12.117".
    Started {
        /// Names the task in later events.
        id: u64,
        /// Present participle: "fetching", "building".
        doing: &'static str,
        /// What it works on.
        what: String,
    },
    /// How far a task has come.
    Progress {
        /// The task.
        id: u64,
        /// So much is done.
        done: u64,
        /// Of so much, where that is known.
        total: Option<Total>,
        /// What is counted.
        unit: Unit,
        /// What it works on just now (a file), or empty.
        detail: String,
    },
    /// A task ended well; one line remains: "built  kernel  505 options, bzImage 3.1 MB  220 s".
    Ended {
        /// The task.
        id: u64,
        /// Past participle: "fetched", "built".
        done: &'static str,
        /// What it worked on, and what came of it.
        what: String,
        /// How long it took.
        took: Duration,
    },
    /// A task ended without a line of its own (it failed, or there was nothing to do).
    Dropped {
        /// The task.
        id: u64,
    },
    /// A line worth saying by itself: `word` is the left column ("booting", "passed", "note").
    Line {
        /// The left column.
        word: String,
        /// The rest of the line.
        text: String,
    },
    /// Something the person should know though all goes on.
    Warning(String),
    /// Waiting for another run of allno, said once per wait.
    Waiting(String),
    /// Said only with `-v`.
    Detail(String),
    /// Bytes from the guest's console, shown raw when the console is shown.
    Console(Vec<u8>),
}

/// Where events go. Clones feed the same consumer. Sending never blocks and never fails.
#[derive(Clone, Debug, Default)]
pub struct Events(Option<Sender<Event>>);

static NEXT_TASK: AtomicU64 = AtomicU64::new(1);

impl Events {
    /// Events that go to the consumer at the other end of `sender`.
    pub fn to(sender: Sender<Event>) -> Events {
        Events(Some(sender))
    }

    /// Events that nobody hears, for tests.
    pub fn silent() -> Events {
        Events(None)
    }

    /// Sends one event.
    pub fn send(&self, event: Event) {
        if let Some(sender) = &self.0 {
            // The consumer may be gone already when the command ends; then nobody misses the event.
            let _ = sender.send(event);
        }
    }

    /// A line of its own: left column and text.
    pub fn line(&self, word: impl Into<String>, text: impl Into<String>) {
        self.send(Event::Line { word: word.into(), text: text.into() });
    }

    /// Something the person should know though all goes on.
    pub fn warn(&self, text: impl Into<String>) {
        self.send(Event::Warning(text.into()));
    }

    /// Said only with `-v`.
    pub fn detail(&self, text: impl Into<String>) {
        self.send(Event::Detail(text.into()));
    }

    /// Begins a task. It ends by [`Task::end`]; dropping it takes its bar away without a line.
    pub fn task(&self, doing: &'static str, what: impl Into<String>) -> Task {
        let id = NEXT_TASK.fetch_add(1, Ordering::Relaxed);
        self.send(Event::Started { id, doing, what: what.into() });
        Task { id, events: self.clone(), began: Instant::now(), ended: false }
    }
}

/// A task under way: a bar on a terminal, a line when it ends.
#[derive(Debug)]
pub struct Task {
    id: u64,
    events: Events,
    began: Instant,
    ended: bool,
}

impl Task {
    /// So far `done` of `total`.
    pub fn progress(&self, done: u64, total: Option<u64>, unit: Unit) {
        self.progress_on(done, total.map(Total::Exactly), unit, "");
    }

    /// So far `done` of `total`, working on `detail` just now.
    pub fn progress_on(&self, done: u64, total: Option<Total>, unit: Unit, detail: &str) {
        self.events.send(Event::Progress { id: self.id, done, total, unit, detail: detail.to_string() });
    }

    /// The task ended well; leaves one line.
    pub fn end(mut self, done: &'static str, what: impl Into<String>) {
        self.ended = true;
        self.events.send(Event::Ended { id: self.id, done, what: what.into(), took: self.began.elapsed() });
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.ended {
            self.events.send(Event::Dropped { id: self.id });
        }
    }
}
