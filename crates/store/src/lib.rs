//! The store: everything allno fetched or built, found by what went into it.
//!
//! In the order data passes: a [`Source`] is fetched ([`Store::fetch`], pinned by [`LockFile`]), its archive is
//! unpacked ([`unpack`]) and built into an [`Artifact`] ([`Store::realize`]) whose key is the hash of its
//! [`Inputs`], perhaps with the help of a [`Workspace`]; [`Store::usage`], [`Store::collect`] and
//! [`Store::verify`] look after what has gathered.
//!
//! Invariants:
//! - What has its final name is complete: everything is made in scratch, checked, and renamed into place.
//! - A key is made of contents and settings, never of times, owners or places.
//! - What a living run holds ([`Artifact`], [`Fetched`], [`Workspace`]) is not removed by another run.
//!
//! Deliberately absent: what a kernel is, what a recipe says, and any printing.

mod apt;
mod artifact;
mod checkout;
mod fetch;
mod gc;
mod hash;
mod http;
mod inputs;
mod lockfile;
mod locks;
mod project;
pub mod release;
mod root;
mod scratch;
mod source;
mod spare;
mod tree;
mod unpack;
mod verify;
mod workspace;

pub use artifact::{Artifact, Rebuild};
pub use checkout::tree_digest;
pub use gc::{Collected, Entry, EntryKind, Policy};
pub use hash::{Hasher, NotAHash, Sha256};
pub use http::Limits;
pub use inputs::{Change, Inputs};
pub use lockfile::{LockFile, Locked};
pub use project::Project;
pub use root::{Store, default_root};
pub use source::{FetchOptions, Fetched, Origin, Source};
pub use tree::{Bytes, Known, digest};
pub use unpack::{apply_patch, unpack, unpack_package};
pub use verify::Problem;
pub use workspace::{Cache, Draft, Finished, Workspace};
