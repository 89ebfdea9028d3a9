use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::{COMPRESSIONS, Manifest, NodeKind, Rules, Segment, Tree, pack, write_image};

/// By name: mode with type, owner, names of the file, content or target.
type Meaning = BTreeMap<Vec<u8>, (u32, u32, u32, Vec<u8>)>;

/// The tree of an archive, which must be without fault.
fn meaning(bytes: &[u8]) -> Meaning {
    let mut reader = ImageReader::new(bytes).unwrap();
    let mut tree = Tree::new(Rules::Kernel);
    let mut contents = Vec::new();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        let number = contents.len() as u64;
        let target = entry.target().to_vec();
        let applied = tree.apply(&entry.tree_entry(number));
        assert!(
            !matches!(applied.outcome, crate::Outcome::Dropped(_)),
            "{:?}: {applied:?}",
            show(entry.name())
        );
        let mut content = target;
        if entry.header().file_type() == file_type::REGULAR {
            entry.read_to_end(&mut content).unwrap();
        }
        contents.push(content);
    }
    let problems: Vec<_> = reader.summary().problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{problems:?}");
    let mut meaning = Meaning::new();
    tree.walk(|path, name| {
        let node = tree.node(name.node);
        let content = match &node.kind {
            NodeKind::File { content, .. } => contents[*content as usize].clone(),
            NodeKind::Symlink(target) => target.to_vec(),
            NodeKind::Character { major, minor } => format!("{major}:{minor}").into_bytes(),
            _ => Vec::new(),
        };
        let links = if matches!(node.kind, NodeKind::Directory { .. }) { 1 } else { node.link_count };
        meaning.insert(path.to_vec(), (node.kind.file_type() | node.mode, node.uid, links, content));
    });
    meaning
}

struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with an archive of these segments.
    fn with(segments: &[Vec<u8>]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        let segments: Vec<Segment> = segments.iter().map(|segment| Segment::Bytes(segment)).collect();
        write_image(&segments, &mut File::create(folder.archive()).unwrap()).unwrap();
        folder
    }

    fn archive(&self) -> PathBuf {
        self.0.path().join("initrd.img")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.archive()).unwrap()
    }

    fn open(&self) -> Archive {
        Archive::open(&self.archive(), Some(&self.0.path().join("cache"))).unwrap()
    }

    fn put(&self, name: &str, entry: Entry) -> Edited {
        self.open().put(name.as_bytes(), entry).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn early() -> Vec<u8> {
    let mut manifest = Manifest::new();
    manifest.add("kernel/x86/microcode/GenuineIntel.bin", Entry::bytes(0o644, vec![9; 100])).unwrap();
    packed(&manifest, Compression::None)
}

fn packed(manifest: &Manifest, compression: Compression) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack(manifest, compression, &mut bytes).unwrap();
    bytes
}

fn tree() -> Manifest {
    let mut manifest = Manifest::new();
    let mut add = |path: &str, entry| manifest.add(path, entry).unwrap();
    add("init", Entry::bytes(0o755, "#!/bin/sh\n").owner(3, 3));
    add("usr/bin/busybox", Entry::bytes(0o4755, vec![7; 5000]));
    add("usr/bin/sh", Entry::hardlink("usr/bin/busybox"));
    add("usr/bin/a", Entry::hardlink("usr/bin/busybox"));
    add("bin", Entry::symlink("usr/bin"));
    add("sbin", Entry::symlink("/bin"));
    add("loop", Entry::symlink("loop"));
    add("etc/empty", Entry::directory(0o755));
    add("etc/motd", Entry::bytes(0o644, "hello\n"));
    add("etc/large", Entry::bytes(0o644, (0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>()));
    add("dev/console", Entry::character_device(0o600, 5, 1));
    manifest
}

fn forms() -> impl Iterator<Item = Folder> {
    COMPRESSIONS.into_iter().map(|compression| Folder::with(&[early(), packed(&tree(), compression)]))
}

#[test]
fn an_edit_appends_and_touches_nothing_before_it() {
    for folder in forms() {
        let before = folder.bytes();
        let mut expected = meaning(&before);
        for round in 0..3 {
            let text = format!("round {round}").into_bytes();
            let change = folder.put("etc/motd", Entry::bytes(0o640, text.clone()).owner(4, 4));
            let Edited::Appended { bytes } = change else { panic!("{change:?}") };
            assert!(bytes < 600, "{bytes}");
            expected.insert(b"etc/motd".to_vec(), (0o100640, 4, 1, text));
            let after = folder.bytes();
            assert!(after.starts_with(&before) && after.len() % 4 == 0);
            assert_eq!(meaning(&after), expected);
        }
        // The index that the edits kept up to date says what a new one would.
        let kept = folder.open();
        let anew = Archive::open(
            &{
                drop(kept);
                folder.archive()
            },
            None,
        )
        .unwrap();
        let found = anew.get(b"etc/motd").unwrap().unwrap();
        drop(anew);
        assert_eq!(folder.open().get(b"etc/motd").unwrap().unwrap().place, found.place);
        assert_eq!(folder.files(), ["cache", "initrd.img"]);
    }
}

#[test]
fn content_is_found_wherever_it_stands() {
    for folder in forms() {
        let read = |name: &str| {
            let archive = folder.open();
            let found = archive.get(&archive.resolve(name.as_bytes()).unwrap()).unwrap().unwrap();
            let mut content = Vec::new();
            archive.content(&found, &mut content).unwrap();
            content
        };
        for _ in 0..2 {
            assert_eq!(read("init"), b"#!/bin/sh\n");
            assert_eq!(read("/sbin//./a"), vec![7; 5000]);
            assert_eq!(read("etc/large").len(), 800_000);
            folder.put("init", Entry::bytes(0o755, "#!/bin/sh\n"));
        }
        let large: Vec<u8> = (0..90_000_u32).flat_map(u32::to_be_bytes).collect();
        folder.put("etc/large", Entry::bytes(0o644, large.clone()));
        assert_eq!(read("etc/large"), large);
    }
}

#[test]
fn paths_are_walked_as_the_kernel_does() {
    let folder = Folder::with(&[packed(&tree(), Compression::None)]);
    let archive = folder.open();
    let resolve = |path: &str| archive.resolve(path.as_bytes()).map(|name| show(&name));
    assert_eq!(resolve("/bin/sh").unwrap(), "usr/bin/sh");
    assert_eq!(resolve("sbin/../bin/new").unwrap(), "usr/bin/new");
    assert_eq!(resolve("/").unwrap(), "");
    assert_eq!(resolve("../..").unwrap(), "");
    assert!(resolve("loop/x").unwrap_err().to_string().contains("round"));
    assert!(resolve("init/x").unwrap_err().to_string().contains("no directory"));
    assert_eq!(archive.resolve_parent(b"sbin").unwrap(), b"sbin");
    assert_eq!(archive.resolve_parent(b"sbin/sh").unwrap(), b"usr/bin/sh");
}

#[test]
fn what_is_new_gets_the_directories_above_it() {
    for folder in forms() {
        let mut expected = meaning(&folder.bytes());
        folder.put("opt/a/b/c", Entry::bytes(0o600, "new"));
        folder.put("opt/a/b/d", Entry::symlink("c"));
        folder.put("etc/empty", Entry::bytes(0o644, "no longer a directory"));
        folder.put("dev/console", Entry::character_device(0o622, 5, 1));
        folder.put("etc", Entry::directory(0o700));
        for name in ["opt", "opt/a", "opt/a/b"] {
            expected.insert(name.into(), (0o40755, 0, 1, vec![]));
        }
        expected.insert(b"opt/a/b/c".to_vec(), (0o100600, 0, 1, b"new".to_vec()));
        expected.insert(b"opt/a/b/d".to_vec(), (0o120777, 0, 1, b"c".to_vec()));
        expected.insert(b"etc/empty".to_vec(), (0o100644, 0, 1, b"no longer a directory".to_vec()));
        expected.insert(b"dev/console".to_vec(), (0o20622, 0, 1, b"5:1".to_vec()));
        expected.insert(b"etc".to_vec(), (0o40700, 0, 1, vec![]));
        assert_eq!(meaning(&folder.bytes()), expected);
    }
}

#[test]
fn what_no_later_entry_can_say_rewrites_the_segment() {
    for folder in forms() {
        let mut expected = meaning(&folder.bytes());
        let front = early();
        let rewritten = |change| match change {
            Edited::Rewritten { segments, why } => (segments, why),
            other => panic!("{other:?}"),
        };
        // One name of three.
        let (segments, why) = rewritten(folder.put("usr/bin/sh", Entry::bytes(0o755, "another")));
        assert!(segments == [2] && why.contains("all names"), "{segments:?} {why}");
        for name in ["usr/bin/a", "usr/bin/busybox"] {
            expected.get_mut(name.as_bytes()).unwrap().2 = 2;
        }
        expected.insert(b"usr/bin/sh".to_vec(), (0o100755, 0, 1, b"another".to_vec()));
        assert_eq!(meaning(&folder.bytes()), expected);
        // Other numbers.
        let (_, why) = rewritten(folder.put("dev/console", Entry::character_device(0o600, 4, 64)));
        assert!(why.contains("numbers"), "{why}");
        expected.insert(b"dev/console".to_vec(), (0o20600, 0, 1, b"4:64".to_vec()));
        assert_eq!(meaning(&folder.bytes()), expected);
        // A directory that holds something.
        let (_, why) = rewritten(folder.put("etc", Entry::bytes(0o644, "file")));
        assert!(why.contains("directory"), "{why}");
        expected.retain(|name, _| !name.starts_with(b"etc"));
        expected.insert(b"etc".to_vec(), (0o100644, 0, 1, b"file".to_vec()));
        assert_eq!(meaning(&folder.bytes()), expected);
        // The early segment stays first, uncompressed, and as it is.
        assert!(folder.bytes().starts_with(&front));
        let name = "kernel/x86/microcode/GenuineIntel.bin";
        let (segments, _) = rewritten(folder.put(name, Entry::bytes(0o644, "newer")));
        assert_eq!(segments, [1]);
        expected.insert(name.into(), (0o100644, 0, 1, b"newer".to_vec()));
        assert_eq!(meaning(&folder.bytes()), expected);
        let bytes = folder.bytes();
        let mut reader = ImageReader::new(&bytes[..]).unwrap();
        while reader.next_entry().unwrap().is_some() {}
        assert!(reader.summary().segments[0].early);
        assert_eq!(folder.files(), ["cache", "initrd.img"]);
    }
}

#[test]
fn names_are_removed_from_every_segment() {
    for folder in forms() {
        folder.put("etc/motd", Entry::bytes(0o644, "once more"));
        let mut expected = meaning(&folder.bytes());
        let remove = |name: &str, all| folder.open().remove(name.as_bytes(), all);
        let Edited::Rewritten { segments, .. } = remove("etc/motd", false).unwrap() else { panic!() };
        assert_eq!(segments, [2, 3]);
        expected.remove(&b"etc/motd"[..]);
        assert_eq!(meaning(&folder.bytes()), expected);
        // The name that has the data, and then the next.
        for (name, left) in [("usr/bin/sh", 2), ("usr/bin/busybox", 1)] {
            remove(name, false).unwrap();
            expected.remove(name.as_bytes());
            expected.values_mut().filter(|it| it.3.len() == 5000).for_each(|it| it.2 = left);
            assert_eq!(meaning(&folder.bytes()), expected);
        }
        assert_eq!(expected[&b"usr/bin/a"[..]].3, vec![7; 5000]);
        let message = remove("usr", false).unwrap_err().to_string();
        assert!(message.contains("holds something"), "{message}");
        remove("usr", true).unwrap();
        expected.retain(|name, _| !name.starts_with(b"usr"));
        assert_eq!(meaning(&folder.bytes()), expected);
        assert!(remove("usr", true).unwrap_err().to_string().contains("not in the archive"));
    }
}

/// Cuts an append at every byte, and before its first 16 bytes are written: the next command finds the old archive.
#[test]
fn an_append_that_was_cut_is_taken_back() {
    let mut small = Manifest::new();
    small.add("etc/motd", Entry::bytes(0o644, "hello\n")).unwrap();
    for compression in COMPRESSIONS {
        let folder = Folder::with(&[packed(&small, compression)]);
        let before = folder.bytes();
        let old = meaning(&before);
        folder.put("etc/motd", Entry::bytes(0o644, vec![b'0'; 300]));
        let after = folder.bytes();
        let new = meaning(&after);
        let start = append::place(before.len() as u64) as usize;
        let mut marked = after.clone();
        marked.truncate(start);
        Appender::begin(&folder.open().file, before.len() as u64).unwrap();
        marked.extend(&folder.bytes()[start..start + 16]);
        marked.extend(&after[start + 16..]);
        for length in before.len()..=marked.len() {
            fs::write(folder.archive(), &marked[..length]).unwrap();
            let archive = folder.open();
            assert_eq!(archive.repaired().is_some(), length > start, "{length} of {}", marked.len());
            drop(archive);
            let repaired = folder.bytes();
            assert!(repaired.starts_with(&before) && repaired.len() <= length, "{length}");
            assert!(
                repaired.len() - before.len() < 8 && repaired[before.len()..].iter().all(|byte| *byte == 0)
            );
            assert_eq!(meaning(&repaired), old, "{length}");
        }
        fs::write(folder.archive(), &after).unwrap();
        assert_eq!(folder.open().repaired(), None);
        assert_eq!(meaning(&folder.bytes()), new);
    }
}

#[test]
fn a_failed_append_leaves_what_was_there() {
    let folder = Folder::with(&[packed(&tree(), Compression::Gzip { level: 6 })]);
    let before = folder.bytes();
    let entry = Entry::file(0o644, folder.0.path().join("absent"));
    let message = folder.open().put(b"etc/motd", entry).unwrap_err().to_string();
    assert!(message.contains("absent"), "{message}");
    assert_eq!(folder.bytes(), before);
    let rewriting = folder.open().put(b"usr/bin/sh", Entry::file(0o644, folder.0.path().join("absent")));
    assert!(rewriting.is_err());
    assert_eq!((folder.bytes(), folder.files()), (before, vec!["cache".into(), "initrd.img".into()]));
}

#[test]
fn two_commands_do_not_change_one_archive() {
    let folder = Folder::with(&[packed(&tree(), Compression::None)]);
    let first = folder.open();
    let Err(error) = Archive::open(&folder.archive(), None) else { panic!("opened twice") };
    assert!(error.to_string().contains("another command"), "{error}");
    drop(first);
    Archive::open(&folder.archive(), None).unwrap();
}

#[test]
fn an_archive_that_the_kernel_would_stop_in_is_not_changed() {
    let folder = Folder::with(&[packed(&tree(), Compression::None)]);
    for junk in [&b"junk"[..], b"ALLNO is no mark by itself", b"0707", b"\x1f\x8b\x08\0half"] {
        let bytes = [&folder.bytes(), junk].concat();
        let archive = folder.0.path().join("junk.img");
        fs::write(&archive, &bytes).unwrap();
        let Err(error) = Archive::open(&archive, None) else { panic!("{junk:?}") };
        assert!(error.to_string().contains("would stop at byte"), "{error}");
        assert_eq!(fs::read(&archive).unwrap(), bytes);
    }
}
