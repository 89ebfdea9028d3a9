//! Whatever a manifest holds comes back out of the bytes, in every compression.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::common::{Found, packed, read, read_clean, read_limited};
use initramfs::newc::file_type;
use initramfs::{COMPRESSIONS, Compression, Content, Entry, Form, Kind, Manifest, Segment, write_image};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What may be asked of a manifest; some of it contradicts the rest and is then refused.
#[derive(Clone, Debug)]
enum Wish {
    Entry(Entry),
    Hardlink(Index),
}

fn bytes_without_nul(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(1..=255_u8, length)
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    // Few short components make directories that are shared; raw ones make names that are not UTF-8.
    let shared = select(vec!["a", "b", "bin", "..."]).prop_map(|name| name.as_bytes().to_vec());
    let raw = bytes_without_nul(1..20).prop_map(|name| {
        name.iter().map(|byte| if *byte == b'/' { b'-' } else { *byte }).collect::<Vec<_>>()
    });
    let component =
        prop_oneof![3 => shared, 1 => raw].prop_filter("not a name", |name| name != b"." && name != b"..");
    vec(component, 1..5).prop_map(|components| components.join(&b'/'))
}

fn entry() -> impl Strategy<Value = Entry> {
    let file = vec(any::<u8>(), 0..2000).prop_map(|bytes| Kind::File(Content::Bytes(bytes)));
    let kind = prop_oneof![
        Just(Kind::Directory),
        file,
        bytes_without_nul(1..300).prop_map(Kind::Symlink),
        (0..4096_u32, 0..1_u32 << 20).prop_map(|(major, minor)| Kind::CharacterDevice { major, minor }),
        (0..4096_u32, 0..1_u32 << 20).prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
        Just(Kind::Fifo),
        Just(Kind::Socket),
    ];
    (kind, 0..=0o7777_u32, any::<u32>(), any::<u32>(), any::<u32>())
        .prop_map(|(kind, mode, uid, gid, mtime)| Entry { kind, mode, uid, gid, mtime, origin: None })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let wish = prop_oneof![
        4 => entry().prop_map(Wish::Entry),
        1 => any::<Index>().prop_map(Wish::Hardlink),
    ];
    vec((path(), wish), 0..40).prop_map(|wishes| {
        let mut manifest = Manifest::new();
        let mut files = Vec::new();
        for (path, wish) in wishes {
            let entry = match wish {
                Wish::Entry(entry) => entry,
                Wish::Hardlink(_) if files.is_empty() => continue,
                Wish::Hardlink(which) => Entry::hardlink(which.get::<Vec<u8>>(&files).clone()),
            };
            let is_file = matches!(entry.kind, Kind::File(_));
            if manifest.add(&path, entry).is_ok() && is_file {
                files.push(path);
            }
        }
        manifest
    })
}

/// By path: mode, owner, group, time, device numbers, content.
type Meaning = BTreeMap<Vec<u8>, (u32, u32, u32, u32, u32, u32, Vec<u8>)>;

/// What the entries of one archive say, by path and with hard links resolved.
fn meaning(found: &[Found]) -> Meaning {
    let mut contents: HashMap<u32, Vec<u8>> = HashMap::new();
    for entry in found {
        contents.entry(entry.header.inode).or_default().extend(&entry.data);
    }
    found
        .iter()
        .map(|Found { header: h, name, .. }| {
            let content = contents[&h.inode].clone();
            (name.clone(), (h.mode, h.uid, h.gid, h.mtime, h.node_major, h.node_minor, content))
        })
        .collect()
}

/// The same, of the manifest.
fn wanted(manifest: &Manifest) -> Meaning {
    let all = manifest.entries().map(|(path, entry)| {
        let entry = match &entry.kind {
            Kind::Hardlink(target) => manifest.get(target).unwrap(),
            _ => entry,
        };
        let (kind, major, minor, content) = match entry.kind.clone() {
            Kind::Directory => (file_type::DIRECTORY, 0, 0, vec![]),
            Kind::File(Content::Bytes(bytes)) => (file_type::REGULAR, 0, 0, bytes),
            Kind::Symlink(target) => (file_type::SYMLINK, 0, 0, target),
            Kind::CharacterDevice { major, minor } => (file_type::CHARACTER, major, minor, vec![]),
            Kind::BlockDevice { major, minor } => (file_type::BLOCK, major, minor, vec![]),
            Kind::Fifo => (file_type::FIFO, 0, 0, vec![]),
            Kind::Socket => (file_type::SOCKET, 0, 0, vec![]),
            Kind::File(Content::Path(_)) | Kind::Hardlink(_) => unreachable!(),
        };
        let Entry { mode, uid, gid, mtime, .. } = *entry;
        (path.to_vec(), (kind | mode, uid, gid, mtime, major, minor, content))
    });
    all.collect()
}

/// Rules that hold for every archive we write.
fn check_rules(manifest: &Manifest, found: &[Found]) {
    let mut seen = HashSet::from([b".".to_vec()]);
    let mut links: HashMap<u32, Vec<&Found>> = HashMap::new();
    for entry in found {
        let parent = entry.name.iter().rposition(|byte| *byte == b'/').map(|at| &entry.name[..at]);
        assert!(seen.contains(parent.unwrap_or(b".")), "a directory comes before what is in it");
        seen.insert(entry.name.clone());
        links.entry(entry.header.inode).or_default().push(entry);
    }
    for names in links.values() {
        let (last, others) = names.split_last().unwrap();
        if last.header.file_type() != file_type::DIRECTORY {
            assert!(names.iter().all(|name| name.header.link_count as usize == names.len()));
        }
        assert!(others.iter().all(|name| name.data.is_empty()), "the data stands at the last name");
    }
    let hard = manifest.entries().filter(|(_, entry)| matches!(entry.kind, Kind::Hardlink(_))).count();
    assert_eq!(links.len() + hard, found.len(), "an inode number for each file and no more");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_went_in_comes_out(manifest in manifest()) {
        let expected = wanted(&manifest);
        for compression in COMPRESSIONS {
            let bytes = packed(&manifest, compression);
            prop_assert_eq!(&bytes, &packed(&manifest, compression), "packing twice gives the same bytes");
            let (found, summary) = read(&bytes);
            prop_assert_eq!(&summary.problems, &[]);
            prop_assert_eq!(summary.segments.len(), 1);
            prop_assert_eq!(summary.segments[0].form.name(), compression.name());
            prop_assert_eq!(summary.segments[0].size, bytes.len() as u64);
            prop_assert!(summary.segments[0].trailer);
            prop_assert_eq!(meaning(&found), expected.clone());
            check_rules(&manifest, &found);
        }
    }

    #[test]
    fn segments_of_every_form_stand_in_one_image(
        parts in vec((manifest(), select(COMPRESSIONS.to_vec())), 1..6),
    ) {
        let segments: Vec<_> = parts.iter().map(|(part, compression)| packed(part, *compression)).collect();
        let mut image = Vec::new();
        let borrowed: Vec<_> = segments.iter().map(|segment| Segment::Bytes(segment)).collect();
        let written = write_image(&borrowed, &mut image).unwrap();
        prop_assert_eq!(written, image.len() as u64);
        let (found, summary) = read(&image);
        prop_assert_eq!(&summary.problems, &[]);
        prop_assert_eq!(summary.segments.len(), parts.len());
        for (number, (part, _)) in parts.iter().enumerate() {
            let of_segment: Vec<_> = found.iter().filter(|entry| entry.segment == number).cloned().collect();
            prop_assert_eq!(meaning(&of_segment), wanted(part));
        }
    }

    #[test]
    fn the_order_of_adding_does_not_matter(wishes in vec((path(), entry()), 0..12)) {
        // Entries that contradict each other are left out first, so that every order is accepted.
        let mut forward = Manifest::new();
        let kept: Vec<_> =
            wishes.into_iter().filter(|(path, entry)| forward.add(path, entry.clone()).is_ok()).collect();
        let mut backward = Manifest::new();
        for (path, entry) in kept.into_iter().rev() {
            backward.add(&path, entry).unwrap();
        }
        prop_assert_eq!(packed(&forward, Compression::None), packed(&backward, Compression::None));
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in vec(any::<u8>(), 0..4000), magic in select(vec![
        &b""[..], b"070701", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"\x02\x21\x4c\x18", b"BZh9",
    ])) {
        let image = [magic, &bytes].concat();
        let (_, summary) = read(&image);
        prop_assert!(summary.segments.iter().all(|segment| segment.offset + segment.size <= image.len() as u64));
    }
}

#[test]
fn several_lz4_blocks_come_back() {
    // Three blocks of 8 MiB, the last one short, so that block borders fall into the file.
    let content: Vec<u8> = (0..(17_u32 << 20) / 4).flat_map(|word| (word / 3).to_le_bytes()).collect();
    let mut manifest = Manifest::new();
    manifest.add("large", Entry::bytes(0o644, content.clone())).unwrap();
    let image = packed(&manifest, Compression::Lz4);
    assert!(read_clean(&image)[0].data == content);
}

#[test]
fn a_limit_ends_the_unpacking() {
    let mut manifest = Manifest::new();
    manifest.add("bomb", Entry::bytes(0o644, vec![0; 20 << 20])).unwrap();
    for compression in COMPRESSIONS.into_iter().filter(|form| *form != Compression::None) {
        let image = packed(&manifest, compression);
        let (found, summary) = read_limited(&image, 1000);
        assert_eq!(found, [], "nothing fits");
        let last = summary.problems.last().unwrap();
        assert_eq!(last.fault, initramfs::Fault::Limit(1000), "{compression}: {last}");
        assert_ne!(summary.segments[0].form, Form::Plain);
        // The limit is for all segments together.
        let small = packed(&Manifest::new(), compression);
        let mut two = Vec::new();
        write_image(&[Segment::Bytes(&small), Segment::Bytes(&small)], &mut two).unwrap();
        let fault = |limit| read_limited(&two, limit).1.problems.pop().map(|problem| problem.fault);
        assert_eq!((fault(247), fault(248)), (Some(initramfs::Fault::Limit(247)), None));
    }
}
