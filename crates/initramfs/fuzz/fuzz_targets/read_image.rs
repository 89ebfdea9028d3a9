//! Any bytes as an image: the reader must come back, stay within its limit and tell places that exist.
#![no_main]

use std::io::Read as _;

use libfuzzer_sys::fuzz_target;

const LIMIT: u64 = 16 << 20;

fuzz_target!(|image: &[u8]| {
    let mut entries = 0;
    let mut reader = initramfs::ImageReader::new(image).unwrap().limit(LIMIT);
    while let Some(mut entry) = reader.next_entry().unwrap() {
        assert!(entry.name().len() < initramfs::PATH_MAX);
        assert!(entry.target().len() < initramfs::PATH_MAX);
        let size = u64::from(entry.header().size);
        // Some are read, some are skipped, some half and half.
        let outcome = match entries % 3 {
            0 => Ok(size),
            1 => std::io::copy(&mut entry, &mut std::io::sink()),
            _ => std::io::copy(&mut entry.take(size / 2), &mut std::io::sink()).map(|_| size),
        };
        entries += u64::from(outcome.is_ok_and(|read| read == size));
    }
    let summary = reader.into_summary();
    assert!(summary.entries() <= entries);
    assert!(summary.stopped_at().is_some() || summary.entries() == entries);
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
