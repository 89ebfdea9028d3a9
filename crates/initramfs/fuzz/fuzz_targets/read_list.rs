//! Any bytes as a list: it is read or refused, and what was read is written so that it reads back; packed, it is an archive
//! without fault.
#![no_main]

use initramfs::{Content, Entry, ImageReader, Kind, List};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let variable = |name: &[u8]| (name.len() < 3).then(|| [b"${", name, b"}x"].concat());
    let list = match List::parse(text, 7, variable) {
        Ok(list) => list,
        Err(error) => {
            assert!(error.to_string().starts_with("line "));
            return;
        }
    };
    let written = list.to_bytes().expect("a list that was read has locations");
    assert_eq!(List::parse(&written, 0, |_| None).expect("it reads back"), list);
    // No file of this machine is read.
    let mut in_memory = List::new();
    for (name, entry) in list.entries() {
        let kind = match &entry.kind {
            Kind::File(_) => Kind::File(Content::Bytes(b"content".to_vec())),
            other => other.clone(),
        };
        in_memory.push(name, Entry { kind, ..entry.clone() }).expect("it was in a list");
    }
    let mut archive = Vec::new();
    // A hard link may lead nowhere.
    if initramfs::pack_list(&in_memory, initramfs::Compression::None, &mut archive).is_err() {
        return;
    }
    let mut reader = ImageReader::new(&archive[..]).expect("bytes can be read");
    let mut count = 0;
    while reader.next_entry().expect("bytes can be read").is_some() {
        count += 1;
    }
    assert_eq!((count, reader.summary().problems.len()), (in_memory.len(), 0));
});
