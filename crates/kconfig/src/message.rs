//! What the C tool prints while it reads and evaluates, in its words.

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// A message with its newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub stream: Stream,
    /// The text.
    pub text: String,
}

impl Message {
    /// A message for standard error.
    pub(crate) fn error(text: impl Into<String>) -> Message {
        Message { stream: Stream::Error, text: text.into() }
    }

    /// A message for standard output.
    pub(crate) fn output(text: impl Into<String>) -> Message {
        Message { stream: Stream::Output, text: text.into() }
    }
}
