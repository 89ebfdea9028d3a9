//! Memory does not follow what an image says: neither sizes of headers nor what its data unpacks to.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{file, of_type};
use initramfs::newc::{Header, file_type};
use initramfs::{Fault, ImageReader, ImageSummary};

/// The system's allocator, counting.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as our caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as our caller says.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One measurement at a time: tests run side by side.
static TURN: Mutex<()> = Mutex::new(());

/// More than every buffer of the reader, less than anything that follows the image.
const LIMIT: usize = 4 << 20;

/// Reads an image to its end; memory must stay below the limit.
fn list(image: &[u8]) -> ImageSummary {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let mut reader = ImageReader::new(image).unwrap();
    while reader.next_entry().unwrap().is_some() {}
    let summary = reader.into_summary();
    let used = MOST.load(Ordering::Relaxed) - before;
    assert!(used < LIMIT, "{used} bytes were in use");
    summary
}

/// What a compressor makes of `head`, a gigabyte of zeros and `tail`.
fn bomb(head: &[u8], tail: &[u8], mut encoder: impl Write) {
    const ZEROS: u64 = 1 << 30;
    encoder.write_all(head).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(ZEROS), &mut encoder).unwrap();
    encoder.write_all(tail).unwrap();
}

#[test]
fn a_gigabyte_of_zeros_lists_in_constant_memory() {
    let _turn = TURN.lock();
    let mut header = Header { size: 1 << 30, ..of_type(file_type::REGULAR | 0o644) };
    header.name_size = 6;
    let head = [&header.to_bytes()[..], b"zeros\0"].concat();
    let tail = file(b"last\0", b"");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb(&head, &tail, &mut gzip);
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    bomb(&head, &tail, &mut zstd);
    for image in [gzip.finish().unwrap(), zstd.finish().unwrap()] {
        assert!(image.len() < 2 << 20);
        let summary = list(&image);
        assert_eq!((summary.entries(), summary.problems.len()), (2, 0));
        assert!(summary.segments[0].unpacked > 1 << 30);
    }
}

#[test]
fn a_bomb_without_an_entry_is_a_fault_at_its_end() {
    let _turn = TURN.lock();
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    bomb(&file(b"x\0", b""), b"junk", &mut zstd);
    let summary = list(&zstd.finish().unwrap());
    assert_eq!(summary.stopped_at().unwrap().fault, Fault::JunkInside);
}

#[test]
fn four_gigabytes_that_are_not_there_are_not_allocated() {
    let _turn = TURN.lock();
    for (kind, name_size, size) in [
        (file_type::REGULAR, 6, u32::MAX),
        (file_type::SYMLINK, 6, u32::MAX),
        (file_type::DIRECTORY, 6, u32::MAX),
        (file_type::REGULAR, u32::MAX, 0),
        (file_type::REGULAR, u32::MAX, u32::MAX),
    ] {
        let header = Header { name_size, size, ..of_type(kind | 0o644) };
        let plain = [&header.to_bytes()[..], b"large\0", &[0; 64]].concat();
        for image in [zstd::encode_all(&plain[..], 1).unwrap(), plain] {
            let summary = list(&image);
            let fault = &summary.stopped_at().unwrap().fault;
            assert!(matches!(fault, Fault::Truncated { announced, .. } if *announced > 1 << 31), "{fault:?}");
        }
    }
}

#[test]
fn problems_without_number_are_counted_not_kept() {
    let _turn = TURN.lock();
    let odd = file(b"\0", b"").repeat(100_000);
    let summary = list(&zstd::encode_all(&odd[..], 1).unwrap());
    assert_eq!(summary.problems.len() as u64 + summary.problems_left_out, 100_000);
    assert_eq!(summary.problems.len(), initramfs::PROBLEMS_MAX);
}
