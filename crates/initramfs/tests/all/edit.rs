//! Changes of an archive in place: whatever it holds, the tree has the change and is otherwise what it was.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use crate::common::packed;
use crate::trees::{Meaning, entry, manifest, meaning};
use initramfs::newc::file_type;
use initramfs::{Archive, Content, Entry, Kind, Segment, write_image};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Debug)]
enum Wish {
    Put(String, Entry),
    Remove(String),
}

fn wish() -> impl Strategy<Value = Wish> {
    let path = || vec(select(vec!["a", "b", "c", "d"]), 1..4).prop_map(|parts| parts.join("/"));
    let single = entry().prop_filter("links are not put", |entry| !matches!(entry.kind, Kind::Hardlink(_)));
    prop_oneof![
        (path(), single).prop_map(|(path, entry)| Wish::Put(path, entry)),
        path().prop_map(Wish::Remove)
    ]
}

fn type_bits(kind: &Kind) -> u32 {
    match kind {
        Kind::Directory => file_type::DIRECTORY,
        Kind::File(_) => file_type::REGULAR,
        Kind::Symlink(_) => file_type::SYMLINK,
        Kind::CharacterDevice { .. } => file_type::CHARACTER,
        Kind::Fifo => file_type::FIFO,
        other => panic!("{other:?}"),
    }
}

/// Takes a name out, and what is below it.
fn take(tree: &mut Meaning, name: &[u8]) {
    tree.retain(|other, _| other != name && !below(other, name));
    *tree = with_first_names(std::mem::take(tree));
}

fn below(name: &[u8], directory: &[u8]) -> bool {
    name.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
}

/// The tree with the entry in it.
fn put(tree: &mut Meaning, name: &[u8], entry: &Entry) {
    let stays = entry.kind == Kind::Directory
        && tree.get(name).is_some_and(|(mode, ..)| mode & file_type::MASK == file_type::DIRECTORY);
    if !stays {
        take(tree, name);
    }
    for (at, _) in name.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let parent = name[..at].to_vec();
        let directory = (file_type::DIRECTORY | 0o755, 0, 0, 0, vec![], parent.clone());
        tree.entry(parent).or_insert(directory);
    }
    let content = match &entry.kind {
        Kind::File(Content::Bytes(bytes)) => bytes.clone(),
        Kind::Symlink(target) => target.clone(),
        Kind::CharacterDevice { major, minor } => format!("{major}:{minor}").into_bytes(),
        _ => vec![],
    };
    let Entry { mode, uid, gid, mtime, .. } = *entry;
    tree.insert(name.to_vec(), (type_bits(&entry.kind) | mode, uid, gid, mtime, content, name.to_vec()));
}

/// The same with the first names of files set anew: one may be gone.
fn with_first_names(tree: Meaning) -> Meaning {
    let mut first = BTreeMap::new();
    let named = tree.into_iter().map(|(name, mut found)| {
        found.5 = first.entry(found.5).or_insert(name.clone()).clone();
        (name, found)
    });
    named.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_change_changes_what_it_says_and_nothing_else(
        parts in vec((manifest(), select(initramfs::COMPRESSIONS.to_vec())), 1..4),
        wishes in vec(wish(), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (image, cache) = (folder.path().join("image"), folder.path().join("cache"));
        let segments: Vec<_> = parts.iter().map(|(part, compression)| packed(part, *compression)).collect();
        let borrowed: Vec<_> = segments.iter().map(|segment| Segment::Bytes(segment)).collect();
        write_image(&borrowed, &mut File::create(&image).unwrap()).unwrap();
        for wish in wishes {
            let before = fs::read(&image).unwrap();
            let mut expected = with_first_names(meaning(&before).0);
            let archive = Archive::open(&image, Some(&cache)).unwrap();
            prop_assert_eq!(archive.repaired(), None);
            let outcome = match &wish {
                Wish::Put(path, entry) => {
                    let Ok(name) = archive.resolve_parent(path.as_bytes()) else { continue };
                    if name.is_empty() {
                        continue;
                    }
                    put(&mut expected, &name, entry);
                    archive.put(&name, entry.clone())
                }
                Wish::Remove(path) => {
                    let Ok(name) = archive.resolve_parent(path.as_bytes()) else { continue };
                    let there = expected.contains_key(&name);
                    take(&mut expected, &name);
                    let outcome = archive.remove(&name, true);
                    prop_assert!(there || outcome.is_err());
                    outcome
                }
            };
            let after = fs::read(&image).unwrap();
            match outcome {
                Ok(_) => prop_assert_eq!(with_first_names(meaning(&after).0), with_first_names(expected), "{:?}", wish),
                Err(error) => {
                    let told = error.to_string();
                    let known = ["squash it", "not in the archive", "no directory"];
                    prop_assert!(known.iter().any(|known| told.contains(known)), "{:?}: {}", wish, told);
                    prop_assert!(after == before);
                }
            }
            prop_assert_eq!(left_over(folder.path()), Vec::<String>::new());
        }
    }
}

/// Files beside the archive and the cache.
fn left_over(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "image" && name != "cache").collect()
}
