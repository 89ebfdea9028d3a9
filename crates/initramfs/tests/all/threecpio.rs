//! The archives that 3cpio is tested with (archives/3cpio).

use std::fs;
use std::path::Path;

use crate::common::read;
use initramfs::{Fault, ImageReader, Owners, Snapshot, UnpackOptions, Unpacker};

fn archive(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/archives/3cpio");
    fs::read(folder.join(name).with_extension("cpio")).unwrap()
}

fn names(image: &[u8]) -> Vec<String> {
    let (found, _) = read(image);
    found.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect()
}

const SINGLE: [&str; 3] = [".", "path", "path/file"];
const SHELL: [&str; 5] = [".", "usr", "usr/bin", "usr/bin/ash", "usr/bin/sh"];

#[test]
fn every_compression_gives_the_same_entries() {
    assert_eq!(names(&archive("single")), SINGLE);
    assert_eq!(names(&archive("shell")), SHELL);
    for form in ["gzip", "bzip2", "lzma", "xz", "lz4", "lzo", "zstd"] {
        let image = archive(if form == "lzo" { "lzop" } else { form });
        let (found, summary) = read(&image);
        assert_eq!(summary.problems, [], "{form}");
        assert_eq!(names(&image), [&SINGLE[..], &SHELL].concat(), "{form}");
        let forms: Vec<_> = summary.segments.iter().map(|segment| segment.form.name()).collect();
        assert_eq!(forms, ["none", form]);
        assert!(summary.segments.iter().all(|segment| segment.trailer), "{form}");
        assert_eq!((found[2].data.as_slice(), found[6].data.as_slice()), (&b"content\n"[..], &b"sh"[..]));
        // Whatever the form, the kernel makes the same tree.
        let snapshot = |image: &[u8]| Snapshot::read(image, || false).unwrap();
        assert_eq!(snapshot(&image).diff(&snapshot(&archive("zstd")), true), []);
    }
}

#[test]
fn lzo_is_noticed_when_it_is_damaged() {
    let whole = archive("lzop");
    for cut in 520..whole.len() {
        let (_, summary) = read(&whole[..cut]);
        assert!(matches!(summary.stopped_at().unwrap().fault, Fault::Damaged(_)), "{cut}");
    }
}

#[test]
fn a_hundred_megabytes_of_zeros_are_passed_over() {
    let image = archive("bigdata");
    let mut reader = ImageReader::new(&image[..]).unwrap();
    let mut sizes = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        sizes.push(entry.header().size);
    }
    assert_eq!((sizes.last(), reader.summary().problems.len()), (Some(&102_500_000), 0));
    assert_eq!(reader.summary().segments.len(), 3);
}

#[test]
fn nothing_goes_through_the_link() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_path_buf();
    let options = UnpackOptions { owners: Owners::Listed, force: true, location, only: None };
    let mut unpacker = Unpacker::new(fs::File::open(folder.path()).unwrap().into(), options);
    let image = archive("path-traversal");
    let mut reader = ImageReader::new(&image[..]).unwrap();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        unpacker.unpack(&mut entry).unwrap();
    }
    let refused = unpacker.finish().unwrap().refused;
    assert_eq!((refused.len(), &refused[0].name[..]), (1, &b"tmp/trav.txt"[..]));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_link(folder.path().join("tmp")).unwrap(), Path::new("/tmp"));
}
