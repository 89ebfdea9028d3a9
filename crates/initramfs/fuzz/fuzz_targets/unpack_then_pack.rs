//! Any bytes are unpacked, packed from the list, and unpacked again: the second time gives what the first gave,
//! and nothing appears beside the folders.
#![no_main]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use initramfs::{Compression, Content, Entry, ImageReader, Kind, List, Owners, UnpackOptions, Unpacker, Unpacking};
use libfuzzer_sys::fuzz_target;

const LIMIT: u64 = 1 << 20;
const ENTRIES_MAX: usize = 200;

fn unpack(image: &[u8], folder: &Path) -> Unpacking {
    fs::create_dir(folder).unwrap();
    let location = folder.to_path_buf();
    let options = UnpackOptions { owners: Owners::Listed, force: false, location, only: None };
    let mut unpacker = Unpacker::new(File::open(folder).unwrap().into(), options);
    let mut reader = ImageReader::new(image).unwrap().limit(LIMIT);
    for _ in 0..ENTRIES_MAX {
        let Some(mut entry) = reader.next_entry().unwrap() else { break };
        unpacker.unpack(&mut entry).unwrap();
    }
    unpacker.finish().unwrap()
}

/// What a list says, with the files' bytes in the place of their paths.
fn said(list: &List) -> BTreeMap<Vec<u8>, (Entry, Vec<u8>)> {
    let entries = list.entries().map(|(name, entry)| match &entry.kind {
        Kind::File(Content::Path(path)) => {
            let bytes = fs::read(path).unwrap();
            let kind = Kind::File(Content::Bytes(Vec::new()));
            (name.to_vec(), (Entry { kind, ..entry.clone() }, bytes))
        }
        _ => (name.to_vec(), (entry.clone(), Vec::new())),
    });
    entries.collect()
}

fuzz_target!(|image: &[u8]| {
    let scratch = tempfile::tempdir().unwrap();
    let first = unpack(image, &scratch.path().join("first")).list.unwrap();
    let text = first.to_bytes().unwrap();
    let parsed = List::parse(&text, 0, |_| None).unwrap();
    assert_eq!(said(&parsed), said(&first));
    let mut packed = Vec::new();
    initramfs::pack_list(&parsed, Compression::None, &mut packed).unwrap();
    let second = unpack(&packed, &scratch.path().join("second"));
    assert_eq!(second.refused, []);
    assert_eq!(said(&second.list.unwrap()), said(&first));
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 2);
});
