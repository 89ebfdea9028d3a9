//! Disk images as bytes, without root and without loop devices: a partition table written and read ([`gpt`], [`mbr`]), the file
//! system of an EFI system partition ([`esp`]), GRUB put in front of it all ([`grub`]), copies that keep holes ([`sparse`]),
//! and what the images of others say of themselves ([`filesystem`], [`qcow2`], [`find`]).
//!
//! Everything read here may be hostile: each length and each place is checked against what is there before it is used.
//!
//! Deliberately absent: making an ext4 file system (`mke2fs -d` does), what stands in it, and any choice.

mod bytes;
mod crc32;
mod error;
pub mod esp;
pub mod filesystem;
pub mod find;
pub mod gpt;
pub mod grub;
mod guid;
pub mod layout;
pub mod mbr;
pub mod qcow2;
pub mod sparse;

pub use error::{Error, Result};
pub use guid::Guid;
pub use layout::Layout;

/// Bytes of a logical sector of every disk made or read here. (A disk of 4,096-byte sectors is another format.)
pub const SECTOR: u64 = 512;
