//! What can be wrong with a disk image.

use std::io;

/// What can be wrong with a disk image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes are not what they should be.
    #[error("{what}")]
    Damaged {
        /// One sentence.
        what: String,
    },
    /// The disk has no room for what should be on it.
    #[error("the disk has {have} bytes, and {need} are needed")]
    TooSmall {
        /// What it has.
        have: u64,
        /// What is needed.
        need: u64,
    },
    /// It is a form that is known and not read here.
    #[error("{what}")]
    Unsupported {
        /// One sentence.
        what: String,
    },
}

/// A result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn damaged(what: impl Into<String>) -> Error {
        Error::Damaged { what: what.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Error {
        Error::Unsupported { what: what.into() }
    }
}
