//! What a kernel source tree says beside Kconfig: which objects its Makefiles list, and which options bring them.
//!
//! [`Objects::read`] walks the tree's Kbuild files once, for all configurations: every object stands with the [`Condition`] under
//! which it is made. Files come in through [`Files`].
//!
//! Deliberately absent: guesses. What a Makefile computes in a way that is not followed here (a shell command, a function of its
//! own) is an [`Unknown`] with its place, and a condition that hangs on it is neither true nor false.

mod condition;
mod directory;
mod expand;
mod files;
mod lines;
mod mentions;
mod objects;
mod reference;
mod variables;

pub use condition::Condition;
pub use files::{Files, Folder};
pub use mentions::{Mention, mentions};
pub use objects::{Bringing, List, Object, Objects};
pub use variables::{Place, Unknown};

#[cfg(test)]
mod tests;
