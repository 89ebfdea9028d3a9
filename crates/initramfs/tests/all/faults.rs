//! What the reader says about archives that are odd in one way, each made by hand.

use crate::common::{entry, file, of_type, packed, read, read_clean, sample};
use initramfs::newc::{Header, file_type};
use initramfs::{Compression, Entry, Fault, Manifest};

/// The names read from the bytes, and the faults with their offsets.
fn faults(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<(u64, Fault)>) {
    let (found, summary) = read(bytes);
    let faults = summary.problems.into_iter().map(|problem| (problem.offset, problem.fault));
    (found.into_iter().map(|entry| entry.name).collect(), faults.collect())
}

#[test]
fn entries_that_the_kernel_skips_are_passed_over() {
    let long_name = [vec![b'x'; 4096], vec![0]].concat();
    let cases =
        [(file(&long_name, b""), Fault::NameSize(4097)), (file(b"", b"some data"), Fault::NameSize(0))];
    for (odd, fault) in cases {
        let bytes = [odd, file(b"next\0", b"data")].concat();
        assert_eq!(faults(&bytes), (vec![b"next".to_vec()], vec![(0, fault)]));
    }
}

#[test]
fn oddities_are_told_and_the_entry_given() {
    let link = of_type(file_type::SYMLINK | 0o777);
    let cases = [
        (file(b"\0", b""), &b""[..], Fault::NameEmpty),
        (file(b"a\0b\0", b""), b"a\0b", Fault::NameHoldsNul),
        (file(b"a/../../b\0", b""), b"a/../../b", Fault::NameClimbs),
        (entry(of_type(0o644), b"f\0", b""), b"f", Fault::UnknownType(0o644)),
        (entry(of_type(file_type::DIRECTORY), b"d\0", b"1"), b"d", Fault::UnexpectedData),
        (entry(link, b"l\0", b""), b"l", Fault::SymlinkTarget),
        (entry(link, b"l\0", b"a\0b"), b"l", Fault::SymlinkTarget),
        (entry(link, b"l\0", &[b'x'; 4096]), b"l", Fault::SymlinkTarget),
    ];
    for (odd, name, fault) in cases {
        let bytes = [odd, file(b"next\0", b"")].concat();
        assert_eq!(faults(&bytes), (vec![name.to_vec(), b"next".to_vec()], vec![(0, fault)]));
    }
}

#[test]
fn what_stops_the_kernel_stops_the_reader() {
    let good = file(b"good\0", b"1234");
    let at = good.len() as u64;
    let mut not_hexadecimal = file(b"x\0", b"");
    not_hexadecimal[6 + 11 * 8] = b' ';
    let mut old = file(b"x\0", b"");
    old[5] = b'7';
    let cases = [
        (file(b"no end", b""), at, Fault::NameNotTerminated),
        (not_hexadecimal, at, Fault::NotHexadecimal(11)),
        (old, at, Fault::OldFormat),
        (b"070703".repeat(30), at, Fault::NoMagic),
        (b"0707".to_vec(), at, Fault::TruncatedHeader),
        (b"070701".to_vec(), at, Fault::TruncatedHeader),
        (b"junk".to_vec(), at, Fault::NoMagic),
        ([&[0; 2][..], &file(b"x\0", b"")].concat(), at + 2, Fault::Unaligned),
    ];
    for (odd, offset, fault) in cases {
        let bytes = [&good[..], &odd].concat();
        assert_eq!(faults(&bytes), (vec![b"good".to_vec()], vec![(offset, fault)]));
    }
}

#[test]
fn symbolic_links_and_names_are_bytes() {
    let mut manifest = Manifest::new();
    manifest.add(b"\xff", Entry::symlink(b"\xc3\x28".to_vec())).unwrap();
    let bytes = packed(&manifest, Compression::None);
    let [found] = &read_clean(&bytes)[..] else { panic!("not one entry") };
    assert_eq!((&found.name[..], &found.data[..]), (&b"\xff"[..], &b"\xc3\x28"[..]));
}

#[test]
fn padding_that_is_missing_at_the_end_is_told() {
    let mut bytes = file(b"x\0", b"1");
    bytes.truncate(bytes.len() - 3);
    assert_eq!(faults(&bytes), (vec![b"x".to_vec()], vec![(0, Fault::TruncatedPadding)]));
    // The padding of a name belongs to it: the kernel waits for it before it looks at the name.
    let mut bytes = packed(&Manifest::new(), Compression::None);
    bytes.truncate(bytes.len() - 3);
    assert_eq!(faults(&bytes), (vec![], vec![(0, Fault::Truncated { announced: 124, present: 121 })]));
}

#[test]
fn junk_within_compressed_data_is_told_with_both_places() {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&file(b"inside\0", b"")).unwrap();
    gzip.write_all(b"\x1f\x8bjunk").unwrap();
    let image = [&[0; 6][..], &gzip.finish().unwrap()].concat();
    let (found, summary) = read(&image);
    assert_eq!(found.len(), 1);
    let told = summary.problems[0].to_string();
    assert_eq!(
        told,
        "byte 120 of the data compressed at byte 6: compressed data holds something other than newc archives"
    );
}

#[test]
fn checksummed_archives_are_read() {
    let mut bytes = entry(
        Header { checksum: 0x1_02, ..of_type(file_type::REGULAR | 0o644) },
        b"sum\0",
        &[0xff, 0x03, 0x00],
    );
    bytes[5] = b'2';
    assert_eq!(faults(&bytes), (vec![b"sum".to_vec()], vec![]));
    let data = bytes.len() - 4;
    bytes[data] = 0xfe;
    let fault = Fault::Checksum { announced: 0x102, found: 0x101 };
    assert_eq!(faults(&bytes).1, [(0, fault)]);
}

#[test]
fn archives_behind_one_another_are_segments() {
    let one = packed(&sample(), Compression::None);
    let (found, summary) = read(&[&one[..], &[0; 512], &one].concat());
    assert_eq!(summary.problems, []);
    let places: Vec<_> = summary.segments.iter().map(|segment| (segment.offset, segment.size)).collect();
    let size = one.len() as u64;
    assert_eq!(places, [(0, size), (size + 512, size)]);
    assert_eq!(found.len(), 2 * sample().len());
}

#[test]
fn nothing_and_nuls_are_empty_images() {
    for image in [&[][..], &[0; 1], &[0; 4096]] {
        let (found, summary) = read(image);
        assert_eq!((found.len(), summary.segments.len(), summary.problems.len()), (0, 0, 0));
    }
}

#[test]
fn a_form_that_is_not_read_says_what_to_do() {
    // Old gzip (pack): the kernel has an entry for it and no code that reads it.
    let image = [&file(b"x\0", b"")[..], b"\x1f\x9e\0\0"].concat();
    let (found, summary) = read(&image);
    assert_eq!((found.len(), summary.segments.len(), summary.segments[1].form.name()), (1, 2, "old gzip"));
    let told = summary.stopped_at().unwrap().to_string();
    assert!(told.starts_with("byte 112: ") && told.contains("unpack it first"), "{told}");
}

#[test]
fn compressed_data_at_the_start_must_begin_with_a_header() {
    use std::io::Write as _;
    let gzip = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let (nuls, nothing, good) = (gzip(&[0; 8]), gzip(b""), gzip(&file(b"x\0", b"1")));
    let first = |image: &[u8]| read(image).1.problems.into_iter().next().map(|problem| problem.fault);
    assert_eq!(first(&nuls), Some(Fault::NoMagic));
    assert_eq!(first(&nothing), Some(Fault::EmptyFirst));
    assert_eq!(first(&[&good[..], &nuls, &nothing, &good].concat()), None);
}

#[test]
fn what_follows_a_plain_archive_is_aligned_too() {
    let gzip = packed(&sample(), Compression::Gzip { level: 6 });
    let plain = file(b"x\0", b"1");
    let at = |nuls: usize| faults(&[&plain[..], &vec![0; nuls], &gzip].concat()).1;
    assert_eq!(at(0), []);
    assert_eq!(at(4), []);
    assert_eq!(at(3), [(plain.len() as u64 + 3, Fault::Unaligned)]);
    // After a compressed one the kernel does not mind.
    assert_eq!(faults(&[&gzip[..], &[0; 3], &gzip].concat()).1, []);
}

#[test]
fn a_symbolic_link_called_trailer_is_a_link() {
    let link = entry(of_type(file_type::SYMLINK | 0o777), b"TRAILER!!!\0", b"target");
    let (found, summary) = read(&[&link[..], &file(b"x\0", b"")].concat());
    assert_eq!((found.len(), summary.segments.len(), summary.segments[0].trailer), (2, 1, false));
}
