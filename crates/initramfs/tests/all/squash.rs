//! An image squashed unpacks to the tree that it unpacked to before.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::common::packed;
use crate::trees::{manifest, meaning};
use initramfs::newc::file_type;
use initramfs::{Compression, Entry, ImageReader, Manifest, Segment, squash, write_image};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn image(segments: &[Vec<u8>]) -> (Vec<u8>, File) {
    let borrowed: Vec<_> = segments.iter().map(|segment| Segment::Bytes(segment)).collect();
    let mut bytes = Vec::new();
    write_image(&borrowed, &mut bytes).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    (bytes, file)
}

fn squashed(file: &File, compression: Compression) -> Vec<u8> {
    let mut bytes = Vec::new();
    let statistics = squash(file, Path::new("image"), compression, &mut bytes).unwrap();
    assert_eq!(statistics.written, bytes.len() as u64);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_tree_stays_what_it_was(
        parts in vec((manifest(), select(initramfs::COMPRESSIONS.to_vec())), 1..5),
        compression in select(initramfs::COMPRESSIONS.to_vec()),
    ) {
        let segments: Vec<_> = parts.iter().map(|(part, compression)| packed(part, *compression)).collect();
        let (bytes, file) = image(&segments);
        let (before, _) = meaning(&bytes);
        let (after, count) = meaning(&squashed(&file, compression));
        prop_assert_eq!(after, before);
        prop_assert_eq!(count, 1);
    }
}

#[test]
fn early_segments_stay_in_front_as_they_are() {
    let mut early = Manifest::new();
    early.add("kernel/x86/microcode/AuthenticAMD.bin", Entry::bytes(0o644, vec![1; 77])).unwrap();
    let mut first = Manifest::new();
    first.add(".", Entry::directory(0o711)).unwrap();
    first.add("init", Entry::bytes(0o755, "old")).unwrap();
    first.add("kernel/x86/mine", Entry::bytes(0o644, "mine")).unwrap();
    let mut second = Manifest::new();
    second.add("init", Entry::bytes(0o700, "new")).unwrap();
    let early = packed(&early, Compression::None);
    let gzip = Compression::Gzip { level: 6 };
    let (bytes, file) = image(&[early.clone(), packed(&first, gzip), packed(&second, Compression::None)]);
    let squashed = squashed(&file, gzip);
    assert!(squashed.starts_with(&early));
    let (after, count) = meaning(&squashed);
    assert_eq!((after, count), (meaning(&bytes).0, 2));
    let mut reader = ImageReader::new(&squashed[..]).unwrap();
    let mut root = None;
    while let Some(entry) = reader.next_entry().unwrap() {
        if entry.name() == b"." {
            root = Some(entry.header().mode);
        }
    }
    assert_eq!(root, Some(file_type::DIRECTORY | 0o711));
    assert!(reader.summary().segments[0].early && !reader.summary().segments[1].early);
}

#[test]
fn a_damaged_image_is_not_squashed() {
    let mut manifest = Manifest::new();
    manifest.add("init", Entry::bytes(0o755, vec![7; 1000])).unwrap();
    let whole = packed(&manifest, Compression::Zstd { level: 3 });
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&whole[..whole.len() - 5]).unwrap();
    let error =
        squash(&file, Path::new("image"), Compression::None, std::io::sink()).unwrap_err().to_string();
    assert!(error.contains("image cannot be squashed: the kernel would stop at byte 0"), "{error}");
}
