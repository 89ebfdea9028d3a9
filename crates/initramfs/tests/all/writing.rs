//! What we write is the same for any number of cores, and the tools of the field see it as it was meant.
#![allow(clippy::disallowed_methods)] // Tests run their referees themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::read_clean;
use crate::common::tools::{referee, threecpio};
use initramfs::{COMPRESSIONS, Compression, Content, Entry, Kind, List, Manifest, Packer};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes that compress somewhat, the same every time.
fn content(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 30 == 0 { (state >> 16) as u8 } else { b'a' + (state >> 29) as u8 }
    };
    (0..length).map(|_| byte()).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    // What stands beside the file's bytes: its header with the name, the trailer.
    const BESIDE: usize = 112 + 124;
    let around = |border: usize| (border - BESIDE - 2..=border - BESIDE + 2).collect::<Vec<_>>();
    // Several of the parts that each form is cut into, and around the borders of gzip's and LZ4's.
    let cases = [
        (Compression::None, vec![0, 1, 1000]),
        (Compression::Gzip { level: 6 }, [vec![0, 1, 1000, 2 << 20], around(128 << 10)].concat()),
        (Compression::Gzip { level: 1 }, vec![1 << 20]),
        (Compression::Lz4, [vec![0, 1, 1000, 17 << 20], around(8 << 20)].concat()),
        (Compression::Zstd { level: 1 }, vec![0, 1, 1000, 17 << 20]),
        (Compression::Xz { level: 0 }, vec![0, 1, 1000, 17 << 20]),
    ];
    let all = content(17 << 20);
    for (compression, sizes) in cases {
        for size in sizes {
            let mut manifest = Manifest::new();
            manifest.add("f", Entry::bytes(0o644, &all[..size])).unwrap();
            let packed = |threads| {
                let mut bytes = Vec::new();
                Packer::new(compression).threads(threads).pack(&manifest, &mut bytes).unwrap();
                bytes
            };
            let one = packed(1);
            for threads in [2, 5] {
                assert!(packed(threads) == one, "{compression}, {size} bytes, {threads} threads");
            }
            assert!(read_clean(&one)[0].data == all[..size], "{compression}, {size} bytes");
        }
    }
}

#[test]
fn every_level_on_many_threads_reads_back() {
    let mut manifest = Manifest::new();
    let data = content(1_500_000);
    manifest.add("f", Entry::bytes(0o644, data.clone())).unwrap();
    for level in 0..=9 {
        let compression = Compression::Gzip { level };
        let mut bytes = Vec::new();
        Packer::new(compression).threads(4).pack(&manifest, &mut bytes).unwrap();
        assert!(read_clean(&bytes)[0].data == data, "{compression}");
        if referee("gzip") {
            run("gzip", &["-t"], Path::new("/"), &bytes);
        }
    }
}

#[test]
fn what_cannot_be_compressed_hardly_grows() {
    let mut manifest = Manifest::new();
    let mut state = 7_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    manifest.add("f", Entry::bytes(0o644, (0..3_000_000).map(|_| noise()).collect::<Vec<_>>())).unwrap();
    for compression in COMPRESSIONS {
        let mut bytes = Vec::new();
        let statistics = Packer::new(compression).pack(&manifest, &mut bytes).unwrap();
        assert_eq!(statistics.written, bytes.len() as u64);
        assert!(statistics.written < statistics.uncompressed * 101 / 100, "{compression}: {statistics:?}");
        read_clean(&bytes);
    }
}

fn run(tool: &str, arguments: &[&str], folder: &Path, input: &[u8]) -> String {
    // By a file: what a tool does not read of a pipe would stop us.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), input).unwrap();
    let output = Command::new(tool)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(file.reopen().unwrap())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {} {complaint}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A line of a tool's long listing as all of them can say it: mode, names, owner, size or node, name and target.
fn told(line: &str) -> String {
    let line = line.split(" link to ").next().unwrap().replace(", ", ",");
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let node = words[4].replace(' ', "");
    words[4] = &node;
    // The day; a year that is not this one.
    words.drain(5..8);
    words.join(" ").replace(",  ", ",")
}

fn listing(text: &str) -> Vec<String> {
    let joined = |line: &str| {
        // "5,   1" is one word.
        let (before, after) = line.split_once(", ").unwrap_or((line, ""));
        if after.is_empty() || !before.ends_with(|c: char| c.is_ascii_digit()) {
            return told(line);
        }
        told(&format!("{before},{}", after.trim_start()))
    };
    text.lines().map(joined).collect()
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-zA-Z0-9_.+-]{0,12}".prop_filter("not a name", |name| !name.ends_with('.'))
}

/// A list of distinct names in two directories, each of its entries after what it needs.
fn list() -> impl Strategy<Value = List> {
    let owner = || 100_000..200_000_u32;
    let kind = prop_oneof![
        Just(Kind::Directory),
        (0..3000_usize).prop_map(|size| Kind::File(Content::Bytes(content(size)))),
        name().prop_map(|target| Kind::Symlink(target.into_bytes())),
        (0..4096_u32, 0..1_u32 << 20).prop_map(|(major, minor)| Kind::CharacterDevice { major, minor }),
        (0..4096_u32, 0..1_u32 << 20).prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
        Just(Kind::Fifo),
        Just(Kind::Socket),
    ];
    let entry = (kind, 0..=0o7777_u32, owner(), owner());
    let wish = (any::<bool>(), name(), entry, 0..4_usize);
    vec(wish, 1..12).prop_map(|wishes| {
        let mut list = List::new();
        list.push("dir", Entry::directory(0o755).owner(100_000, 100_000)).unwrap();
        let mut seen = std::collections::HashSet::from(["dir".to_string()]);
        for (below, name, (kind, mode, uid, gid), links) in wishes {
            let name = if below { format!("dir/{name}") } else { name };
            if !seen.insert(name.clone()) {
                continue;
            }
            let is_file = matches!(kind, Kind::File(_));
            list.push(&name, Entry { kind, mode, uid, gid, mtime: 86_400, origin: None }).unwrap();
            for link in (0..links).filter(|_| is_file) {
                let link = format!("{name}-{link}");
                if seen.insert(link.clone()) {
                    list.push(link, Entry::hardlink(name.clone())).unwrap();
                }
            }
        }
        list
    })
}

/// What the list means, in the words of [`told`].
fn meant(list: &List) -> Vec<String> {
    let entries: Vec<_> = list.entries().collect();
    let names_of = |name: &[u8]| {
        let links =
            entries.iter().filter(|(_, entry)| matches!(&entry.kind, Kind::Hardlink(to) if to == name));
        1 + links.count()
    };
    let mut lines = Vec::new();
    for (at, (name, entry)) in entries.iter().enumerate() {
        let (target, meant) = match &entry.kind {
            Kind::Hardlink(target) => {
                (target.as_slice(), entries.iter().find(|(name, _)| name == target).unwrap().1)
            }
            _ => (*name, *entry),
        };
        let last =
            !entries[at + 1..].iter().any(|(_, it)| matches!(&it.kind, Kind::Hardlink(to) if to == target));
        let (letter, links, size) = match &meant.kind {
            Kind::Directory => ('d', 2, "0".into()),
            Kind::File(Content::Bytes(bytes)) => {
                ('-', names_of(target), if last { bytes.len() } else { 0 }.to_string())
            }
            Kind::Symlink(target) => ('l', 1, target.len().to_string()),
            Kind::CharacterDevice { major, minor } => ('c', 1, format!("{major},{minor}")),
            Kind::BlockDevice { major, minor } => ('b', 1, format!("{major},{minor}")),
            Kind::Fifo => ('p', 1, "0".into()),
            Kind::Socket => ('s', 1, "0".into()),
            other => panic!("{other:?}"),
        };
        let mode = permissions(meant.mode);
        let (uid, gid) = (meant.uid, meant.gid);
        let name = String::from_utf8_lossy(name);
        let arrow = match &meant.kind {
            Kind::Symlink(target) => format!(" -> {}", String::from_utf8_lossy(target)),
            _ => String::new(),
        };
        lines.push(format!("{letter}{mode} {links} {uid} {gid} {size} {name}{arrow}"));
    }
    lines
}

/// "rwsr-xr-T", as ls(1) writes it.
fn permissions(mode: u32) -> String {
    let triple = |shift: u32, special: u32, letter: char| {
        let bit = |bit: u32, letter| if mode >> shift & bit != 0 { letter } else { '-' };
        let execute = match (mode & special != 0, mode >> shift & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
        };
        format!("{}{}{execute}", bit(4, 'r'), bit(2, 'w'))
    };
    [triple(6, 0o4000, 's'), triple(3, 0o2000, 's'), triple(0, 0o1000, 't')].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_tool_sees_what_was_meant(list in list()) {
        let meant = meant(&list);
        for compression in COMPRESSIONS {
            let mut bytes = Vec::new();
            Packer::new(compression).pack_list(&list, &mut bytes).unwrap();
            if compression == Compression::None {
                for tool in ["cpio", "bsdcpio"] {
                    if referee(tool) {
                        let seen = run(tool, &["-itvn", "--quiet"], Path::new("/"), &bytes);
                        prop_assert_eq!(&listing(&seen), &meant, "{}", tool);
                    }
                }
            }
            if let Some(threecpio) = threecpio() {
                let archive = tempfile::NamedTempFile::new().unwrap();
                fs::write(archive.path(), &bytes).unwrap();
                let path = archive.path().to_str().unwrap();
                let seen = run(threecpio.to_str().unwrap(), &["-tv", path], Path::new("/"), b"");
                prop_assert_eq!(&listing(&seen), &meant, "3cpio, {}", compression);
            }
        }
    }
}
