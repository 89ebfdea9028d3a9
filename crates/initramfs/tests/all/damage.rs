//! Cut and flipped archives: the reader says what is wrong, and never panics, hangs or invents entries.

use crate::common::{packed, read, read_clean, sample};
use initramfs::{COMPRESSIONS, Compression, Fault};

#[test]
fn every_truncation_is_noticed() {
    for compression in COMPRESSIONS {
        let whole = packed(&sample(), compression);
        let all = read_clean(&whole);
        for length in 0..whole.len() {
            let (found, summary) = read(&whole[..length]);
            assert_eq!(found, all[..found.len()], "{compression}, {length} bytes");
            let complete = summary.segments.first().is_some_and(|segment| segment.trailer);
            // An archive may end after any entry; that is seen by the missing trailer.
            assert!(
                !summary.problems.is_empty() || !complete,
                "{compression}: {length} of {} bytes pass for whole",
                whole.len()
            );
            if length > 1 && compression != Compression::None && compression != Compression::Lz4 {
                assert!(!summary.problems.is_empty(), "{compression}, {length} bytes");
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_survived_and_checksums_notice_it() {
    for compression in COMPRESSIONS {
        let whole = packed(&sample(), compression);
        let (all, clean) = read(&whole);
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (found, summary) = read(&flipped);
            let unnoticed = found == all && summary == clean;
            match compression {
                // The kernel's xz check covers everything; zstd has its sum over the content.
                Compression::Xz { .. } => assert!(!unnoticed, "xz, bit {bit}"),
                Compression::Zstd { .. } | Compression::Gzip { .. } => {
                    let same = found == all;
                    assert!(same || !summary.problems.is_empty(), "{compression}, bit {bit}");
                }
                Compression::None | Compression::Lz4 => {}
            }
        }
    }
}

#[test]
fn sizes_are_not_believed() {
    // A header that claims 4 GiB - 1 of name or data in a file of 124 bytes.
    let mut manifest = initramfs::Manifest::new();
    manifest.add("f", initramfs::Entry::bytes(0o644, "0123456789")).unwrap();
    let whole = packed(&manifest, Compression::None);
    for field in [6, 11] {
        let mut bytes = whole.clone();
        bytes[6 + field * 8..][..8].copy_from_slice(b"FFFFFFFF");
        let (found, summary) = read(&bytes);
        assert_eq!(found, []);
        let fault = &summary.stopped_at().unwrap().fault;
        assert!(
            matches!(fault, Fault::Truncated { announced, .. } if *announced > u64::from(u32::MAX)),
            "{fault:?}"
        );
    }
}

#[test]
fn a_segment_cut_short_does_not_hide_what_came_before() {
    let first = packed(&sample(), Compression::None);
    let second = packed(&sample(), Compression::Zstd { level: 3 });
    let mut image = [&first[..], &[0; 4]].concat();
    let start = image.len() as u64;
    image.extend(&second[..second.len() - 10]);
    let (found, summary) = read(&image);
    assert!(found.len() >= sample().len());
    assert_eq!(summary.segments.len(), 2);
    let last = summary.problems.last().unwrap();
    assert!(matches!(last.fault, Fault::Damaged(_)) && last.offset == start, "{last}");
}
