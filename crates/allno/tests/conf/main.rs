//! `allno conf` in the place of the kernel's scripts/kconfig/conf, which is the referee: the kernel's own tests, its streams,
//! its environment, and a kernel built with either.
#![allow(clippy::disallowed_methods, reason = "make, the C conf and the command under test are started here")]

#[path = "../common/mod.rs"]
mod common;
mod environment;
mod kernel;
mod killed;
mod streams;
mod suite;
mod tree;
