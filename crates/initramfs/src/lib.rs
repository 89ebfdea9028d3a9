//! The kernel's initramfs format.

mod compression;
mod error;
mod image;
mod lz4;
mod manifest;
pub mod newc;
mod write;

pub use compression::{ALL as COMPRESSIONS, Compression};
pub use error::{Error, Result};
pub use image::{Segment, write_image};
pub use manifest::{Content, Entry, FILE_SIZE_MAX, Kind, MAJOR_MAX, MINOR_MAX, Manifest, NAME_MAX, PATH_MAX};
pub use write::{Statistics, pack};
