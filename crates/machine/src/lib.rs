//! Virtual machines: what one is ([`Machine`]), whether KVM runs kernels here ([`kvm`]), the QEMU command
//! line and its start ([`qemu`], [`Guest`]), what the guest says ([`console`]) and does in silence ([`monitor`]), reaching
//! it by SSH ([`ssh`]),
//! what a run leaves behind ([`run`]) and what it should do ([`expect`]).
//!
//! Deliberately absent: what a kernel is built from, anything that prints a report. Every wait has a deadline and ends as
//! a value.

pub mod console;
mod definition;
mod drive;
pub mod expect;
mod guest;
pub mod interactive;
pub mod key;
pub mod kvm;
pub mod monitor;
mod pattern;
mod port;
pub mod qemu;
pub mod run;
pub mod ssh;
mod tsc;

pub use console::{Console, Cursor, Ending, Seen, Stopped, Wait};
pub use definition::{Boots, ConfigurationSpace, DeviceEntry, Discovery, Machine};
pub use drive::{Bus, Drive, Firmware, ImageFormat};
pub use expect::Expectation;
pub use guest::{Exit, Guest, Observer};
pub use pattern::{Fatal, Pattern};
pub use port::ReservedPort;
pub use qemu::{Accelerator, Launch, MacAddress, Network};
pub use run::RunFolder;
pub use ssh::Access;
pub use tsc::host_tsc_khz;
