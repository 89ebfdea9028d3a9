//! The kernel's initramfs format.

mod compression;
mod decompress;
mod error;
mod image;
mod lz4;
mod manifest;
pub mod newc;
mod problem;
mod read;
mod write;

pub use compression::{ALL as COMPRESSIONS, Compression};
pub use decompress::Form;
pub use error::{Error, Result};
pub use image::{ImageSummary, Segment, SegmentSummary, read_image, write_image};
pub use manifest::{Content, Entry, FILE_SIZE_MAX, Kind, MAJOR_MAX, MINOR_MAX, Manifest, NAME_MAX, PATH_MAX};
pub use problem::{Fault, Problem};
pub use read::{ArchiveEntry, ArchiveReader};
pub use write::{Statistics, pack};
