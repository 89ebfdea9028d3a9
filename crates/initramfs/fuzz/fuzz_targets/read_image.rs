//! Any bytes as an image: the reader must come back, stay within its limit and tell places that exist.
#![no_main]

use libfuzzer_sys::fuzz_target;

const LIMIT: u64 = 16 << 20;

fuzz_target!(|image: &[u8]| {
    let mut entries = 0;
    let summary = initramfs::read_image(image, LIMIT, |_, entry| {
        entries += 1;
        assert!(entry.name.len() < initramfs::PATH_MAX);
        assert_eq!(entry.data.len() as u64, u64::from(entry.header.size));
    });
    assert_eq!(summary.entries(), entries);
    let compressed = summary.segments.iter().filter(|segment| segment.form != initramfs::Form::Plain);
    assert!(compressed.map(|segment| segment.unpacked).sum::<u64>() <= LIMIT);
    for segment in &summary.segments {
        assert!(segment.offset + segment.size <= image.len() as u64);
    }
    for problem in &summary.problems {
        assert!(problem.inside.unwrap_or(problem.offset) <= image.len() as u64);
        assert!(!problem.to_string().is_empty());
    }
    let _ = initramfs::write_image(&[initramfs::Segment::Bytes(image)], &mut std::io::sink());
});
