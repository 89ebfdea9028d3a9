//! `.config` files, and the Kconfig entries behind their options.
//!
//! Deliberately absent: any evaluation of Kconfig. What an option's value *is* comes from the tree's own
//! `conf`; this crate reads its result and finds where an option is defined and what that place demands.

mod dot_config;
mod entry;

pub use dot_config::{Assignment, AssignmentError, DotConfig, Value};
pub use entry::{Definition, Demand, definitions_in, symbols_of};
