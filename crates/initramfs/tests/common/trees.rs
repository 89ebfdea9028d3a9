//! Images of several segments that replace each other's entries, and what they unpack to.

use std::collections::BTreeMap;
use std::io::Read;

use initramfs::{Content, Entry, ImageReader, Kind, Manifest, NodeId, NodeKind, Rules, Tree, TreeEntry};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// By name: mode with type, owner, group, time, content or target, and the first of all its names.
pub type Meaning = BTreeMap<Vec<u8>, (u32, u32, u32, u32, Vec<u8>, Vec<u8>)>;

/// The tree that the kernel makes of an image without fault, and the number of its segments.
pub fn meaning(image: &[u8]) -> (Meaning, usize) {
    let mut reader = ImageReader::new(image).unwrap();
    let mut tree = Tree::new(Rules::Kernel);
    let mut contents = Vec::new();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        let number = contents.len() as u64;
        let (name, target) = (entry.name().to_vec(), entry.target().to_vec());
        let (header, link_scope) = (entry.header(), entry.link_scope());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        contents.push(content);
        tree.apply(&TreeEntry { number, name: &name, header, target: &target, link_scope });
    }
    assert_eq!(reader.summary().problems, []);
    let mut first: BTreeMap<NodeId, Vec<u8>> = BTreeMap::new();
    let mut meaning = Meaning::new();
    tree.walk(|path, name| {
        let node = tree.node(name.node);
        let content = match &node.kind {
            NodeKind::File { content, .. } => contents[*content as usize].clone(),
            NodeKind::Symlink(target) => target.to_vec(),
            NodeKind::Character { major, minor } | NodeKind::Block { major, minor } => {
                format!("{major}:{minor}").into_bytes()
            }
            _ => Vec::new(),
        };
        let first = first.entry(name.node).or_insert(path.to_vec()).clone();
        let mode = node.kind.file_type() | node.mode;
        meaning.insert(path.to_vec(), (mode, node.uid, node.gid, node.mtime, content, first));
    });
    (meaning, reader.summary().segments.len())
}

pub fn entry() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![
        3 => Just(Kind::Directory),
        3 => vec(any::<u8>(), 0..300).prop_map(|bytes| Kind::File(Content::Bytes(bytes))),
        1 => select(vec!["a", "b/c", "/d", "."]).prop_map(|to| Kind::Symlink(to.as_bytes().to_vec())),
        1 => (0..9_u32).prop_map(|minor| Kind::CharacterDevice { major: 5, minor }),
        1 => Just(Kind::Fifo),
        2 => select(vec!["a", "b", "c/a"]).prop_map(|to| Kind::Hardlink(to.as_bytes().to_vec())),
    ];
    (kind, 0..=0o7777_u32, 0..9_u32, 0..9_u32, 0..9_u32).prop_map(|(kind, mode, uid, gid, mtime)| Entry {
        kind,
        mode,
        uid,
        gid,
        mtime,
        origin: None,
    })
}

/// A segment of few names, so that segments replace each other's entries by each of the kernel's rules.
pub fn manifest() -> impl Strategy<Value = Manifest> {
    let path = vec(select(vec!["a", "b", "c", "d"]), 1..4).prop_map(|parts| parts.join("/"));
    vec((path, entry()), 0..12).prop_map(|wishes| {
        let mut manifest = Manifest::new();
        for (path, entry) in wishes {
            let mut with = manifest.clone();
            if with.add(path, entry).is_ok() && with.check().is_ok() {
                manifest = with;
            }
        }
        manifest
    })
}
