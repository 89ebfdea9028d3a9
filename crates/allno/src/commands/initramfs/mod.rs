//! `allno initramfs`: looking into archives, taking them apart, comparing them, making and changing them.

mod cat;
mod diff;
mod edit;
mod lint;
mod ls;
mod output;
mod pack;
mod rm;
mod source;
mod squash;
mod unpack;

use std::io::{self, Write};
use std::path::Path;

use base::{Error, Result};
use initramfs::{ImageSummary, SegmentSummary};
use serde_json::{Value, json};

use super::{Answer, Context};
use crate::arguments::{Initramfs, InitramfsAction};

/// Does what was asked for.
pub fn run(context: &Context, arguments: &Initramfs) -> Result<Answer> {
    match &arguments.action {
        InitramfsAction::Ls(ls) => ls::run(context, ls),
        InitramfsAction::Cat(cat) => cat::run(context, cat),
        InitramfsAction::Unpack(unpack) => unpack::run(context, unpack),
        InitramfsAction::Diff(diff) => diff::run(context, diff),
        InitramfsAction::Lint(lint) => lint::run(context, lint),
        InitramfsAction::Pack(pack) => pack::run(context, pack),
        InitramfsAction::Edit(edit) => edit::run(context, edit),
        InitramfsAction::Rm(rm) => rm::run(context, rm),
        InitramfsAction::Squash(squash) => squash::run(context, squash),
    }
}

/// As many problems of an archive are told to a person.
const TOLD: usize = 10;

/// What is wrong with an archive, as wrong input that names the place; None if nothing is.
fn faults(path: &Path, summary: &ImageSummary) -> Option<Error> {
    let archive = path.display();
    let told = |problem: &initramfs::Problem| crate::terminal::tame(&problem.to_string());
    // Where the reading ended is what matters most.
    let stopped = summary.stopped_at();
    let Some(first) = stopped.or(summary.problems.first()) else {
        let empty = summary.entries() == 0;
        return empty.then(|| Error::input(format!("{archive} holds no entry")));
    };
    let mut error = Error::input(format!("{archive}: {}", told(first)));
    let others = summary.problems.iter().filter(|problem| !std::ptr::eq(*problem, first));
    let more = summary.problems.len() as u64 - 1 + summary.problems_left_out;
    for problem in others.take(TOLD) {
        error = error.note(told(problem));
    }
    if more > TOLD as u64 {
        error = error.note(format!("and {} more", more - TOLD as u64));
    }
    Some(match stopped {
        Some(stop) if is_cut(path, stop) => error
            .note("an edit of it was cut there: what comes before is whole")
            .hint(format!("the next allno initramfs edit or rm of {archive} takes it back")),
        Some(_) => error.note("the kernel would stop there; what comes after it was not read"),
        None => error,
    })
}

/// The command that shows what can be read of an archive.
fn list_command(archive: &Path) -> String {
    format!("allno initramfs ls -l {}", archive.display())
}

/// Whether the reading ended where a command that was killed had begun to append.
fn is_cut(archive: &Path, stop: &initramfs::Problem) -> bool {
    let unknown = matches!(stop.fault, initramfs::Fault::NoMagic) && stop.inside.is_none();
    unknown
        && std::fs::File::open(archive)
            .is_ok_and(|file| initramfs::was_cut(&file, stop.offset).is_ok_and(|cut| cut))
}

/// An archive that cannot be read.
fn unreadable(archive: &Path, cause: io::Error) -> Error {
    Error::input(format!("cannot read {}", archive.display())).note(cause.to_string())
}

/// What is wrong with an archive, for programs.
fn problems_object(summary: &ImageSummary) -> Value {
    let problems = summary.problems.iter().map(|problem| {
        let name = problem.name.as_deref();
        json!({
            "offset": problem.offset,
            "inside": problem.inside,
            "name": name.map(text),
            "name_bytes": name.and_then(odd_bytes),
            "what": problem.fault.to_string(),
            "stops": problem.fault.stops(),
        })
    });
    Value::Array(problems.collect())
}

/// Bytes as JSON can have them.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Bytes that [`text`] cannot say: all of them, as numbers.
fn odd_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(bytes).is_err().then(|| bytes.to_vec())
}

/// Bytes for a person's terminal: what is not printable is escaped.
fn shown(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                letter if letter.is_control() => shown.extend(letter.escape_default()),
                letter => shown.push(letter),
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// One line on a segment.
fn segment_line(number: usize, segment: &SegmentSummary) -> String {
    let SegmentSummary { offset, size, form, unpacked, entries, trailer, early } = segment;
    let sizes = match form {
        initramfs::Form::Plain => base::Size(*size).to_string(),
        form => format!("{} {} → {}", form.name(), base::Size(*size), base::Size(*unpacked)),
    };
    let entries = if *entries == 1 { "1 entry".to_string() } else { format!("{entries} entries") };
    let early = if *early { ", read before anything is unpacked" } else { "" };
    let trailer = if *trailer { "" } else { ", no trailer" };
    format!("segment {}  at byte {offset}: {sizes}, {entries}{early}{trailer}", number + 1)
}

/// Writes to standard output; what a reader that went away does not take is no failure.
struct Out {
    inner: io::BufWriter<io::StdoutLock<'static>>,
    gone: bool,
}

impl Out {
    fn new() -> Out {
        Out { inner: io::BufWriter::with_capacity(64 << 10, io::stdout().lock()), gone: false }
    }

    /// Whether nobody reads any more.
    fn gone(&self) -> bool {
        self.gone
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let outcome = if self.gone { Ok(()) } else { self.inner.write_all(bytes) };
        self.settle(outcome)
    }

    fn finish(mut self) -> Result<()> {
        let outcome = if self.gone { Ok(()) } else { self.inner.flush() };
        let settled = self.settle(outcome);
        // What is left in the buffer is for nobody.
        let _ = self.inner.into_parts();
        settled
    }

    fn settle(&mut self, outcome: io::Result<()>) -> Result<()> {
        match outcome {
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(())
            }
            Err(cause) => Err(Error::failed("cannot write to standard output").note(cause.to_string())),
            Ok(()) => Ok(()),
        }
    }
}
