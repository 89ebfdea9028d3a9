//! What every room of allno stands on: [`Error`]s with a kind and a hint, [`Event`]s that one place
//! draws, [`Cancel`]lation, and child [`process`]es that never outlive their parent.
//!
//! Deliberately absent: anything that prints, and anything that knows what a kernel is.

mod both;
mod cancel;
mod error;
mod event;
mod file;
pub mod process;
mod size;

pub use both::{both, both_stopped_by};
pub use cancel::Cancel;
pub use error::{Context, Error, Kind, Result, Snippet};
pub use event::{Event, Events, Task, Total, Unit};
pub use file::write_whole;
pub use size::Size;
