//! allno's engine: from what a person wrote to a machine that booted, and what was learned from it.
//!
//! In the order data passes: [`spec`] (what was written), [`decide`] (what follows from it alone), [`made`]
//! (fetch, [`build`], [`image`]), [`boot`] (start it and ask what was expected); or, for a machine with a disk of its own,
//! [`disk`].
//!
//! Deliberately absent: printing. Everything that happens is a [`base::Event`]; one consumer draws.

pub mod boot;
pub mod build;
pub mod climb;
pub mod cost;
mod data;
pub mod decide;
pub mod disk;
pub mod doctor;
mod fetcher;
pub mod hardware;
pub mod host;
pub mod image;
pub mod kconfig_host;
pub mod ladder;
pub mod lint;
pub mod made;
mod note;
pub mod proof;
pub mod recipe;
pub mod renamed;
pub mod rung;
pub mod session;
pub mod spec;
mod workshop;

pub use decide::Overrides;
pub use made::{Built, Made, make};
pub use session::Session;
pub use spec::SpecFile;
