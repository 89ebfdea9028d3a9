//! An error a person can act on: what, where, why, and what to type next.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// Whose doing an error is; the exit code of the command follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The thing asked for failed (a build step, a boot that did not reach what it should). Exit code 1.
    Failed,
    /// The user's input is wrong (a spec, an argument, a missing file). Exit code 2.
    Input,
    /// This host lacks something (a tool, disk space, the network). Exit code 3.
    Host,
    /// The user asked to stop (Ctrl-C). Exit code 1, and drawn without alarm.
    Cancelled,
}

impl Kind {
    /// The exit code of the `allno` command for this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed | Kind::Cancelled => 1,
            Kind::Input => 2,
            Kind::Host => 3,
        }
    }

    /// A stable word for programs (`--json`).
    pub fn word(self) -> &'static str {
        match self {
            Kind::Failed => "failed",
            Kind::Input => "input",
            Kind::Host => "host",
            Kind::Cancelled => "cancelled",
        }
    }
}

/// A place in a text file a person wrote, with the line itself, to be shown under the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The file, as the person would name it.
    pub path: PathBuf,
    /// Line number, from 1.
    pub line: usize,
    /// The line's text, without its line end.
    pub text: String,
    /// The bytes of `text` that are meant (may be empty).
    pub columns: Range<usize>,
}

impl Snippet {
    /// The snippet for the byte range `span` of `source`, the content of the file `path`.
    /// A span outside the text is clipped to it.
    pub fn of(path: impl Into<PathBuf>, source: &str, span: Range<usize>) -> Snippet {
        let start = floor_boundary(source, span.start.min(source.len()));
        let end = floor_boundary(source, span.end.clamp(start, source.len()));
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |at| start + at);
        let line = source[..start].matches('\n').count() + 1;
        let text = source[line_start..line_end].trim_end_matches('\r').to_string();
        // A span may begin or end in the line end, which is not shown.
        let column = |at: usize| (at - line_start).min(text.len());
        Snippet { path: path.into(), line, columns: column(start)..column(end), text }
    }
}

/// The nearest character boundary at or before `at`.
fn floor_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What went wrong, for a person and for a program.
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: Kind,
    message: String,
    snippet: Option<Snippet>,
    notes: Vec<String>,
    output: Vec<String>,
    hints: Vec<String>,
}

/// A result with allno's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of the given kind; `message` is one sentence without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            snippet: None,
            notes: Vec::new(),
            output: Vec::new(),
            hints: Vec::new(),
        }))
    }

    /// [`Kind::Failed`]: what was asked for failed.
    pub fn failed(message: impl Into<String>) -> Error {
        Error::new(Kind::Failed, message)
    }

    /// [`Kind::Input`]: the user's input is wrong.
    pub fn input(message: impl Into<String>) -> Error {
        Error::new(Kind::Input, message)
    }

    /// [`Kind::Host`]: this host lacks something.
    pub fn host(message: impl Into<String>) -> Error {
        Error::new(Kind::Host, message)
    }

    /// [`Kind::Cancelled`]: the user asked to stop.
    pub fn cancelled() -> Error {
        Error::new(Kind::Cancelled, "stopped on request")
    }

    /// Shows this place under the message.
    pub fn at(mut self, snippet: Snippet) -> Error {
        self.0.snippet = Some(snippet);
        self
    }

    /// Adds a fact: a cause, what was found, what was expected.
    pub fn note(mut self, note: impl Into<String>) -> Error {
        self.0.notes.push(note.into());
        self
    }

    /// Replaces the note that begins with `start`, or adds one.
    pub fn replace_note(mut self, start: &str, note: impl Into<String>) -> Error {
        self.0.notes.retain(|known| !known.starts_with(start));
        self.note(note)
    }

    /// Adds the last lines of a program's output or of a console.
    pub fn output(mut self, lines: impl IntoIterator<Item = String>) -> Error {
        self.0.output.extend(lines);
        self
    }

    /// Adds what to do next, preferably a command to type.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hints.push(hint.into());
        self
    }

    /// Puts `message` first and keeps the old message as the first note: `message`, because `self`.
    pub fn because_of(mut self, message: impl Into<String>) -> Error {
        let cause = std::mem::replace(&mut self.0.message, message.into());
        self.0.notes.insert(0, cause);
        self
    }

    /// Whose doing it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The message, one sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The place in a file, if it is about one.
    pub fn snippet(&self) -> Option<&Snippet> {
        self.0.snippet.as_ref()
    }

    /// Causes and facts, outermost first.
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// The last lines some program printed.
    pub fn output_lines(&self) -> &[String] {
        &self.0.output
    }

    /// What to do next.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.message)?;
        if let Some(snippet) = &self.0.snippet {
            write!(formatter, " ({}:{})", snippet.path.display(), snippet.line)?;
        }
        for note in &self.0.notes {
            write!(formatter, ": {note}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// The error becomes [`Kind::Failed`] with this message and the cause as a note. No space left on
    /// the device becomes [`Kind::Host`], as that is what the user has to mend.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| {
            use std::io::ErrorKind::{QuotaExceeded, StorageFull};
            if matches!(cause.kind(), StorageFull | QuotaExceeded) {
                Error::host(message())
                    .note(format!("the disk is full ({cause})"))
                    .hint("free some space, or see what the store holds: allno gc --dry-run")
            } else {
                Error::failed(message()).note(cause.to_string())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_names_the_line_and_columns_of_a_span() {
        let source = "one\ntwo = 3\r\nthree";
        let snippet = Snippet::of("a.toml", source, 8..9);
        assert_eq!((snippet.line, snippet.text.as_str(), snippet.columns), (2, "two = 3", 4..5));
        for span in [1..2, 2..2, 1..3, 0..9] {
            let snippet = Snippet::of("a.toml", "#\r", span.clone());
            assert!(snippet.text.get(snippet.columns.clone()).is_some(), "{span:?}: {snippet:?}");
        }
        assert_eq!(Snippet::of("a.toml", source, 90..99).line, 3);
        assert_eq!(Snippet::of("a.toml", "é", 1..2).columns, 0..2);
    }

    #[test]
    fn a_full_disk_is_the_hosts_doing() {
        let full: std::io::Result<()> = Err(std::io::ErrorKind::StorageFull.into());
        assert_eq!(full.context(|| "cannot write".into()).unwrap_err().kind(), Kind::Host);
    }

    #[test]
    fn because_of_keeps_the_cause() {
        let error = Error::host("no route").because_of("cannot fetch musl");
        assert_eq!(error.to_string(), "cannot fetch musl: no route");
        assert_eq!(error.kind(), Kind::Host);
    }
}
