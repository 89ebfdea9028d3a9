//! An image of several segments, unpacked and packed again from the list: the kernel makes the same tree of it.

use std::fs::File;
use std::path::Path;

use crate::common::packed;
use crate::trees::{manifest, meaning};
use initramfs::{
    Compression, ImageReader, List, Owners, ScanOptions, Segment, UnpackOptions, Unpacker, Unpacking,
    pack_list, scan_listed, write_image,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn unpack(image: &[u8], folder: &Path) -> Unpacking {
    let options = UnpackOptions { owners: Owners::Listed, force: false, location: folder.into(), only: None };
    let mut unpacker = Unpacker::new(File::open(folder).unwrap().into(), options);
    let mut reader = ImageReader::new(image).unwrap();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        unpacker.unpack(&mut entry).unwrap();
    }
    unpacker.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_kernel_makes_the_same_tree_of_both(
        parts in vec((manifest(), select(initramfs::COMPRESSIONS.to_vec())), 1..5),
    ) {
        let segments: Vec<_> = parts.iter().map(|(part, compression)| packed(part, *compression)).collect();
        let borrowed: Vec<_> = segments.iter().map(|segment| Segment::Bytes(segment)).collect();
        let mut image = Vec::new();
        write_image(&borrowed, &mut image).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let unpacking = unpack(&image, folder.path());
        // Names that go through symbolic links are the kernel's to follow.
        prop_assume!(unpacking.refused.is_empty());
        let list = unpacking.list.unwrap();
        let text = list.to_bytes().unwrap();
        prop_assert_eq!(&List::parse(&text, 0, |_| None).unwrap(), &list);
        let again = |list: &List| {
            let mut bytes = Vec::new();
            pack_list(list, Compression::None, &mut bytes).unwrap();
            meaning(&bytes).0
        };
        let expected = meaning(&image).0;
        prop_assert_eq!(again(&list), expected.clone());
        // The folder as it stands, by the list: nothing was changed in it.
        let listed = scan_listed(folder.path(), &list, ScanOptions::default()).unwrap();
        prop_assert_eq!((&listed.added, &listed.removed), (&vec![], &vec![]));
        prop_assert_eq!(again(&listed.list), expected);
    }
}
