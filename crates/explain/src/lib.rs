//! Why a kernel's configuration is as it is.
//!
//! [`Resolved`] is a configuration that knows who asked for what; [`Resolved::show`] gives every value with its origin,
//! [`Resolved::why`] the way that led to one value and what stands against another, [`diff`] what two configurations differ in,
//! by cause. All answers are data; [`Row`]s are the same for a person.
//!
//! Everything here hangs on Kconfig's recursion: run it inside [`kconfig::with_stack`].
//!
//! Deliberately absent: any input or output, and a second opinion on Kconfig. Values are the engine's.

mod cause;
mod chain;
mod diff;
mod nearest;
mod obstacle;
mod request;
mod resolved;
mod row;
mod show;
mod why;

pub use diff::{Difference, Differences, Group, diff};
pub use nearest::{Unknown, distance};
pub use obstacle::{Obstacle, Reach, Setter, Standing};
pub use request::{Request, Valued};
pub use resolved::Resolved;
pub use row::{Row, Weight};
pub use show::{Counts, Dropped, Origin, Shown, Written};
pub use why::{Step, Why};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
