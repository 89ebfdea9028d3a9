//! What several tests share.
#![allow(dead_code)] // memory.rs is a program of its own and uses a part.

pub mod tools;

use std::io::Read as _;
use std::sync::Arc;

use initramfs::newc::{Header, align, file_type};
use initramfs::{Compression, Entry, ImageReader, ImageSummary, Manifest, pack};

/// More than any test unpacks.
pub const LIMIT: u64 = 64 << 20;

/// One of everything.
pub fn sample() -> Manifest {
    let mut manifest = Manifest::new();
    let mut add = |path: &[u8], entry| manifest.add(path, entry).unwrap();
    add(b"/init", Entry::bytes(0o755, "#!/bin/sh\nexec /bin/sh\n").mtime(86_400));
    add(b"etc/shadow", Entry::bytes(0o600, "root:*::0:::::\n").owner(0, 42));
    add(b"home/user/.ssh", Entry::directory(0o700).owner(1000, 1000));
    add(b"bin/busybox", Entry::bytes(0o4755, vec![7; 501]));
    add(b"bin/sh", Entry::hardlink("/bin/busybox"));
    add(b"bin/ls", Entry::hardlink("bin/busybox"));
    add(b"bin/vi", Entry::symlink("busybox"));
    add(b"dev/console", Entry::character_device(0o600, 5, 1));
    add(b"dev/vda", Entry::block_device(0o660, 254, 16).owner(0, 6));
    add(b"run/pipe", Entry::fifo(0o622));
    add(b"empty", Entry::bytes(0o644, ""));
    manifest
}

/// An entry with exactly this header (but for the sizes, where they are 0), name and data.
pub fn entry(header: Header, name: &[u8], data: &[u8]) -> Vec<u8> {
    let name_size = if header.name_size == 0 { name.len() as u32 } else { header.name_size };
    let size = if header.size == 0 { data.len() as u32 } else { header.size };
    let mut bytes = Header { name_size, size, ..header }.to_bytes().to_vec();
    bytes.extend(name);
    bytes.resize(align(bytes.len() as u64) as usize, 0);
    bytes.extend(data);
    bytes.resize(align(bytes.len() as u64) as usize, 0);
    bytes
}

/// A header of this mode.
pub fn of_type(mode: u32) -> Header {
    Header { mode, link_count: 1, ..Header::default() }
}

/// A regular file of mode 0644; the name has its NUL.
pub fn file(name: &[u8], data: &[u8]) -> Vec<u8> {
    entry(of_type(file_type::REGULAR | 0o644), name, data)
}

pub fn packed(manifest: &Manifest, compression: Compression) -> Vec<u8> {
    let mut bytes = Vec::new();
    let statistics = pack(manifest, compression, &mut bytes).unwrap();
    assert_eq!(statistics.written, bytes.len() as u64);
    assert_eq!(statistics.entries, manifest.len() as u64);
    bytes
}

/// An entry that outlives the image it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub segment: usize,
    pub offset: u64,
    pub header: Header,
    pub name: Vec<u8>,
    pub data: Vec<u8>,
}

/// Every entry whose data is there, and what is known of the image.
pub fn read(image: &[u8]) -> (Vec<Found>, ImageSummary) {
    read_limited(image, LIMIT)
}

/// As [`read`], up to so many unpacked bytes.
pub fn read_limited(image: &[u8], limit: u64) -> (Vec<Found>, ImageSummary) {
    let mut found = Vec::new();
    let mut reader = ImageReader::new(image).unwrap().limit(limit);
    while let Some(mut entry) = reader.next_entry().unwrap() {
        let (segment, header, name) = (entry.segment(), entry.header(), entry.name().to_vec());
        let mut data = Vec::new();
        if entry.read_to_end(&mut data).is_ok() {
            assert_eq!(data.len(), header.size as usize);
            found.push(Found { segment, offset: entry.offset(), header, name, data });
        }
    }
    let summary = reader.into_summary();
    assert_eq!(summary.entries(), found.len() as u64);
    assert_eq!(summary, skimmed(image, limit), "reading the data or skipping it tells the same");
    (found, summary)
}

/// The same image with no data read, unpacked in a thread.
fn skimmed(image: &[u8], limit: u64) -> ImageSummary {
    let image: Arc<[u8]> = image.into();
    let mut reader = ImageReader::new(image).unwrap().limit(limit).read_ahead();
    while reader.next_entry().unwrap().is_some() {}
    reader.into_summary()
}

/// As [`read`], for an image that must be without fault.
pub fn read_clean(image: &[u8]) -> Vec<Found> {
    let (found, summary) = read(image);
    let problems: Vec<_> = summary.problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    found
}
