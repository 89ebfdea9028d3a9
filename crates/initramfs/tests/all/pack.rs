//! What stands at which byte of a packed segment, and what packing refuses.

use std::fs::{self, File};
use std::io::{self, Write};

use crate::common::{packed, read, read_clean, sample};
use initramfs::newc::{ALIGNMENT, HEADER_SIZE, file_type};
use initramfs::{
    COMPRESSIONS, Compression, Content, Entry, Fault, Kind, Manifest, Segment, continue_image, pack,
    write_image,
};

#[test]
fn an_empty_manifest_is_a_trailer() {
    let bytes = packed(&Manifest::new(), Compression::None);
    let expected = "070701\
        00000000000000000000000000000000000000010000000000000000\
        000000000000000000000000000000000000000B00000000TRAILER!!!\0\0\0\0";
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn one_file_byte_by_byte() {
    let mut manifest = Manifest::new();
    manifest.add("init", Entry::bytes(0o755, "hello").owner(1, 2).mtime(3)).unwrap();
    let bytes = packed(&manifest, Compression::None);
    let expected = "070701\
        00000001000081ED00000001000000020000000100000003\
        0000000500000000000000000000000000000000\
        0000000500000000init\0\0hello\0\0\0";
    // 110 + 5 bytes of name, one NUL to 116; 5 bytes of data, three NULs to 124.
    assert_eq!(std::str::from_utf8(&bytes[..124]).unwrap(), expected);
    assert!(bytes[124..].starts_with(b"070701"));
}

#[test]
fn everything_is_aligned_and_the_trailer_ends_it() {
    let bytes = packed(&sample(), Compression::None);
    let mut reader = initramfs::ImageReader::new(&bytes[..]).unwrap();
    while let Some(entry) = reader.next_entry().unwrap() {
        assert_eq!(entry.offset() % ALIGNMENT, 0);
        assert_eq!(entry.data_at().unwrap() % ALIGNMENT, 0);
        assert_eq!(bytes[entry.offset() as usize + HEADER_SIZE + entry.name().len()], 0);
    }
    let [segment] = reader.into_summary().segments[..] else { panic!("not one segment") };
    assert!(segment.trailer);
    assert_eq!(segment.size, bytes.len() as u64);
}

#[test]
fn hard_links_share_everything_and_the_last_name_has_the_data() {
    let mut manifest = Manifest::new();
    manifest.add("b", Entry::bytes(0o640, "content").owner(7, 8).mtime(9)).unwrap();
    manifest.add("a", Entry::hardlink("b")).unwrap();
    manifest.add("c", Entry::hardlink("b").owner(99, 99)).unwrap();
    manifest.add("d", Entry::bytes(0o644, "alone")).unwrap();
    let found = read_clean(&packed(&manifest, Compression::None));
    let [a, b, c, d] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&a.data[..], &b.data[..], &c.data[..]), (&b""[..], &b""[..], &b"content"[..]));
    for name in [a, b, c] {
        assert_eq!((name.header.inode, name.header.link_count), (1, 3));
        assert_eq!(name.header.mode, file_type::REGULAR | 0o640);
        assert_eq!((name.header.uid, name.header.gid, name.header.mtime), (7, 8, 9));
    }
    assert_eq!((d.header.inode, d.header.link_count), (2, 1));
}

#[test]
fn a_file_of_this_machine_is_read_when_it_is_packed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    let content: Vec<u8> = (0..600_001).map(|at| (at % 251) as u8).collect();
    fs::write(&path, &content).unwrap();
    let mut from_path = Manifest::new();
    from_path.add("usr/x", Entry::file(0o644, &path)).unwrap();
    let mut from_bytes = Manifest::new();
    from_bytes.add("usr/x", Entry::bytes(0o644, content)).unwrap();
    for compression in COMPRESSIONS {
        assert_eq!(packed(&from_path, compression), packed(&from_bytes, compression));
    }
}

#[test]
fn inputs_that_cannot_be_content_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large");
    File::create(&large).unwrap().set_len(1 << 32).unwrap();
    let cases = [
        (large, "4294967296 bytes"),
        (folder.path().join("absent"), "cannot read"),
        (folder.path().to_path_buf(), "not a regular file"),
        ("/dev/zero".into(), "not a regular file"),
    ];
    for (path, expected) in cases {
        let mut manifest = Manifest::new();
        manifest
            .add("x", Entry { kind: Kind::File(Content::Path(path.clone())), ..Entry::fifo(0o644) })
            .unwrap();
        let message = pack(&manifest, Compression::None, io::sink()).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains(&path.display().to_string()), "{message}");
    }
}

/// A disk that is full after so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_wherever_it_happens() {
    for compression in COMPRESSIONS {
        let size = packed(&sample(), compression).len();
        for room in (0..size).step_by(7).chain([size - 1]) {
            assert!(pack(&sample(), compression, Full(room)).is_err(), "{compression}: {room} of {size}");
        }
        pack(&sample(), compression, Full(size)).unwrap();
    }
}

#[test]
fn zstd_stays_within_the_window_that_the_kernel_takes() {
    let mut manifest = Manifest::new();
    manifest.add("f", Entry::bytes(0o644, vec![1; 1 << 20])).unwrap();
    for level in [1, 3, 19, 22] {
        let bytes = packed(&manifest, Compression::Zstd { level });
        // RFC 8878, 3.1.1.1: no single-segment flag, so a window descriptor follows the magic and the
        // frame header descriptor: exponent in the upper five bits, above 2^10.
        assert_eq!(bytes[4] & 0x20, 0, "level {level}");
        assert_eq!(bytes[4] & 0x04, 4, "a checksum, level {level}");
        assert!(10 + (bytes[5] >> 3) <= 27, "level {level}: {:#x}", bytes[5]);
        read_clean(&bytes);
    }
}

#[test]
fn an_image_pads_every_segment_and_aligns_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut segments = Vec::new();
    for compression in COMPRESSIONS {
        let path = folder.path().join(compression.name());
        fs::write(&path, packed(&sample(), compression)).unwrap();
        segments.push(path);
    }
    let parts: Vec<Segment> = segments.iter().map(Segment::from).collect();
    let image_path = folder.path().join("image");
    let written = write_image(&parts, &mut File::create(&image_path).unwrap()).unwrap();
    let image = fs::read(&image_path).unwrap();
    assert_eq!(written, image.len() as u64);

    let mut expected = Vec::new();
    for path in &segments {
        expected.extend(fs::read(path).unwrap());
        expected.extend([0; 4]);
        expected.resize(expected.len().next_multiple_of(4), 0);
    }
    assert!(image == expected);
    for part in &segments {
        let mut begun = fs::read(part).unwrap();
        let written = continue_image(begun.len() as u64, &parts, &mut begun).unwrap();
        let mut whole = Vec::new();
        let all = [&[Segment::from(part)], &parts[..]].concat();
        assert_eq!(written, write_image(&all, &mut whole).unwrap());
        assert!(begun == whole);
    }
    let (_, summary) = read(&image);
    assert_eq!(summary.problems, []);
    let forms: Vec<_> = summary.segments.iter().map(|segment| segment.form.name()).collect();
    assert_eq!(forms, ["none", "gzip", "zstd", "xz", "lz4"]);
    assert_eq!(summary.entries(), 5 * sample().len() as u64);
}

fn microcode() -> Manifest {
    let mut manifest = Manifest::new();
    manifest.add("kernel/x86/microcode/GenuineIntel.bin", Entry::bytes(0o644, "code")).unwrap();
    manifest
}

#[test]
fn microcode_stays_first_and_uncompressed() {
    let early = packed(&microcode(), Compression::None);
    let main = packed(&sample(), Compression::Gzip { level: 6 });
    write_image(&[Segment::Bytes(&early), Segment::Bytes(&main)], &mut Vec::new()).unwrap();
    // As large as real microcode is: it is known by its header, wherever its data ends.
    for size in [4, 200_000] {
        let mut manifest = Manifest::new();
        let code = Entry::bytes(0o644, vec![7; size]);
        manifest.add("kernel/x86/microcode/GenuineIntel.bin", code).unwrap();
        let early = packed(&manifest, Compression::None);
        let late = write_image(&[Segment::Bytes(&main), Segment::Bytes(&early)], &mut Vec::new());
        let message = late.unwrap_err().to_string();
        assert!(message.starts_with("segment 2 (in memory)") && message.contains("first"), "{message}");
        let begun = main.len() as u64;
        let late = continue_image(begun, &[Segment::Bytes(&early)], &mut Vec::new()).unwrap_err();
        assert_eq!(late.to_string(), message);
    }
    let message = pack(&microcode(), Compression::Lz4, io::sink()).unwrap_err().to_string();
    assert!(message.contains("GenuineIntel.bin") && message.contains("none"), "{message}");
}

#[test]
fn what_is_no_segment_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "01 not an archive").unwrap();
    let mut old = packed(&sample(), Compression::None);
    old[5] = b'7';
    let cases: [(Segment, &str); 6] = [
        (Segment::from(&file), "notes.txt"),
        (Segment::from(folder.path()), "cannot read"),
        (Segment::Bytes(b""), "holds nothing"),
        (Segment::Bytes(&[0; 5]), "holds nothing"),
        (Segment::Bytes(b"#!/bin/sh"), "neither"),
        (Segment::Bytes(&old), "-H newc"),
    ];
    for (segment, expected) in cases {
        let message = write_image(std::slice::from_ref(&segment), &mut Vec::new()).unwrap_err().to_string();
        assert!(message.contains(expected), "{segment:?}: {message}");
    }
}

#[test]
fn lz4_without_its_separator_swallows_what_follows() {
    // What the padding is for: without it the kernel takes the next segment for an LZ4 block.
    let lz4 = packed(&sample(), Compression::Lz4);
    let image = [&lz4[..], &packed(&sample(), Compression::Gzip { level: 6 })].concat();
    let (_, summary) = read(&image);
    assert!(matches!(summary.problems[0].fault, Fault::Damaged(_)), "{:?}", summary.problems);
}
