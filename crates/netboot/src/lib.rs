//! What a machine is told at boot time. For now the kernel's `ip=` argument.
//!
//! Deliberately absent: sockets. This crate makes and checks texts.

mod ip_argument;

pub use ip_argument::{IpArgument, IpError, StaticAddress};
