//! What a kernel source tree says beside Kconfig: which objects its Makefiles list, which options bring them, and which drivers
//! claim which devices.
//!
//! [`Objects::read`] walks the tree's Kbuild files once, for all configurations: every object stands with the [`Condition`] under
//! which it is made. Files come in through [`Files`].
//!
//! Devices come from a machine ([`sysfs`], [`lspci`]) or its description ([`device`]); who claims them, from a built kernel's modules
//! ([`modinfo`]) or from the drivers' sources ([`table`]), as patterns that [`alias`] matches.
//!
//! Deliberately absent: guesses. What a Makefile computes in a way that is not followed here (a shell command, a function of its
//! own) is an [`Unknown`] with its place, and a condition that hangs on it is neither true nor false.

pub mod alias;
mod condition;
pub mod device;
mod directory;
mod expand;
mod files;
mod lines;
pub mod lspci;
mod mentions;
pub mod modinfo;
mod objects;
mod reference;
pub mod sysfs;
pub mod table;
mod variables;

pub use condition::Condition;
pub use files::{Files, Folder};
pub use mentions::{Mention, mentions};
pub use objects::{Bringing, List, Object, Objects};
pub use variables::{Place, Unknown};

#[cfg(test)]
mod tests;
