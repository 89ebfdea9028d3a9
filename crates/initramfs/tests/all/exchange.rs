//! Trees that GNU cpio, bsdcpio and 3cpio archive, unpacked by us and by them: all the same.
#![allow(clippy::disallowed_methods)] // Tests run their referees themselves.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::common::tools::{referee, threecpio};
use initramfs::{ImageReader, Owners, Source, UnpackOptions, Unpacker};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rustix::fs::{CWD, FileType, Mode, Timespec, Timestamps, makedev};

/// Something to stand in a tree. What cannot be made there is left out.
#[derive(Clone, Debug)]
enum Thing {
    Directory,
    File(usize),
    Symlink(Vec<u8>),
    Fifo,
    Device(FileType, u32, u32),
    Link(Index),
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        4 => Just(Thing::Directory),
        4 => prop_oneof![Just(0), 1..5000_usize, Just(300_000)].prop_map(Thing::File),
        2 => select(vec![&b"a"[..], b"../b", b"/absolute", b"\xe9 space", b"dangling/x"])
            .prop_map(|target| Thing::Symlink(target.to_vec())),
        1 => Just(Thing::Fifo),
        1 => (0..4096_u32, 0..1_u32 << 20).prop_map(|(a, b)| Thing::Device(FileType::CharacterDevice, a, b)),
        1 => (0..4096_u32, 0..1_u32 << 20).prop_map(|(a, b)| Thing::Device(FileType::BlockDevice, a, b)),
        2 => any::<Index>().prop_map(Thing::Link),
    ]
}

/// A path, a thing, its permission bits, its time.
type Wish = (Vec<&'static [u8]>, Thing, u32, u32);

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let name = select(vec![&b"a"[..], b"b", b"dir", b"two words", b"\xc3\xa9t\xc3\xa9", b"x.y", b"-dash"]);
    vec((vec(name, 1..4), thing(), 0..0o1000_u32, 0..u32::MAX / 2), 1..25)
}

/// Makes the tree and returns its names, parents first, "." among them.
fn make(root: &Path, wishes: &[Wish]) -> Vec<Vec<u8>> {
    let mut made: Vec<(Vec<u8>, u32, u32)> = Vec::new();
    let mut files: Vec<Vec<u8>> = Vec::new();
    for (parts, thing, mode, mtime) in wishes {
        let name = parts.join(&b'/');
        let path = root.join(OsStr::from_bytes(&name));
        // find(1) lists no name that goes through a symbolic link, and we rightly refuse one.
        if path.ancestors().skip(1).take_while(|it| *it != root).any(Path::is_symlink) {
            continue;
        }
        let outcome = match thing {
            Thing::Directory => fs::create_dir(&path),
            Thing::File(_) if path.symlink_metadata().is_ok() => continue,
            Thing::File(size) => fs::write(&path, vec![b'0' + (size % 70) as u8; *size]),
            Thing::Symlink(target) => symlink(OsStr::from_bytes(target), &path),
            Thing::Fifo => mknod(&path, FileType::Fifo, 0, 0),
            Thing::Device(..) if !root_user() => continue,
            Thing::Device(kind, major, minor) => mknod(&path, *kind, *major, *minor),
            Thing::Link(_) if files.is_empty() => continue,
            Thing::Link(which) => {
                fs::hard_link(root.join(OsStr::from_bytes(which.get::<Vec<u8>>(&files))), &path)
            }
        };
        if outcome.is_err() {
            continue;
        }
        if matches!(thing, Thing::File(_)) {
            files.push(name.clone());
        }
        if !matches!(thing, Thing::Symlink(_) | Thing::Link(_)) {
            // Whoever makes it must be able to read it.
            fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o700)).unwrap();
        }
        made.push((name, *mode, *mtime));
    }
    for (name, _, mtime) in made.iter().rev() {
        let time = Timespec { tv_sec: i64::from(*mtime), tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        let path = root.join(OsStr::from_bytes(name));
        rustix::fs::utimensat(CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    let mut names: Vec<_> = made.into_iter().map(|(name, ..)| name).collect();
    names.push(b".".to_vec());
    names.sort();
    names
}

fn mknod(path: &Path, kind: FileType, major: u32, minor: u32) -> std::io::Result<()> {
    Ok(rustix::fs::mknodat(CWD, path, kind, Mode::RUSR, makedev(major, minor))?)
}

fn root_user() -> bool {
    rustix::process::geteuid().is_root()
}

/// What stands in a folder, by path: mode with type, owner, device, time, content or target, first name.
type Found = BTreeMap<Vec<u8>, (u32, u32, u64, i64, Vec<u8>, Vec<u8>)>;

fn look(root: &Path) -> Found {
    let mut found = Found::new();
    let mut first: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut open = vec![Vec::new()];
    while let Some(folder) = open.pop() {
        let mut names: Vec<_> = fs::read_dir(root.join(OsStr::from_bytes(&folder)))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().as_bytes().to_vec())
            .collect();
        names.sort();
        for name in names {
            let name = if folder.is_empty() { name } else { [&folder[..], b"/", &name].concat() };
            let path = root.join(OsStr::from_bytes(&name));
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_file() {
                fs::read(&path).unwrap()
            } else if metadata.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().as_bytes().to_vec()
            } else {
                Vec::new()
            };
            let first = match metadata.nlink() {
                links if links > 1 && !metadata.is_dir() => {
                    first.entry(metadata.ino()).or_insert(name.clone()).clone()
                }
                _ => Vec::new(),
            };
            if metadata.is_dir() {
                open.push(name.clone());
            }
            // The device number of what is no device says nothing.
            let device =
                if metadata.mode() & 0o170_000 & !0o040_000 == 0o020_000 { metadata.rdev() } else { 0 };
            let (mode, mtime) = (metadata.mode(), metadata.mtime());
            found.insert(name, (mode, metadata.uid(), device, mtime, content, first));
        }
    }
    found
}

fn unpack<S: Source + Clone + Send + 'static>(image: S, folder: &Path) {
    let owners = if root_user() { Owners::Real } else { Owners::Listed };
    let options = UnpackOptions { owners, force: false, location: folder.to_path_buf(), only: None };
    let mut unpacker = Unpacker::new(fs::File::open(folder).unwrap().into(), options);
    let mut reader = ImageReader::new(image).unwrap().read_ahead();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        unpacker.unpack(&mut entry).unwrap();
    }
    let unpacking = unpacker.finish().unwrap();
    assert_eq!((reader.into_summary().problems, unpacking.refused), (vec![], vec![]));
}

/// Runs a tool with a file on its standard input and writes its output to another.
fn run(tool: &Path, arguments: &[&OsStr], folder: &Path, input: &Path, output: &Path) {
    let ended = Command::new(tool)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .stdin(fs::File::open(input).unwrap())
        .stdout(fs::File::create(output).unwrap())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{tool:?} {arguments:?}: {complaint}");
}

fn words(text: &str) -> Vec<&OsStr> {
    text.split_whitespace().map(OsStr::new).collect()
}

/// With the times of files alone: not every tool sets those of the rest.
fn with_file_times(mut found: Found) -> Found {
    for (mode, _, _, mtime, ..) in found.values_mut() {
        if *mode & 0o170_000 != 0o100_000 {
            *mtime = 0;
        }
    }
    found
}

/// Archives the tree with each tool that makes such archives.
fn archives(tree: &Path, names: &[Vec<u8>], scratch: &Path) -> Vec<(String, std::path::PathBuf)> {
    let list = scratch.join("names");
    fs::write(&list, names.iter().flat_map(|name| [&name[..], b"\n"].concat()).collect::<Vec<u8>>()).unwrap();
    let mut archives = Vec::new();
    for (tool, arguments) in
        [("cpio", "-o -H newc --quiet"), ("cpio", "-o -H crc --quiet"), ("bsdcpio", "-o -H newc --quiet")]
    {
        if referee(tool) {
            let archive = scratch.join(format!("archive-{}", archives.len()));
            run(Path::new(tool), &words(arguments), tree, &list, &archive);
            archives.push((format!("{tool} {arguments}"), archive));
        }
    }
    archives
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_the_tools_write_we_unpack_as_they_do(wishes in wishes()) {
        let scratch = tempfile::tempdir().unwrap();
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let names = make(&tree, &wishes);
        let wanted = look(&tree);
        for (writer, archive) in archives(&tree, &names, scratch.path()) {
            for compressor in ["", "gzip -c", "zstd -qc", "xz -c --check=crc32", "lz4 -lqc", "bzip2 -c"] {
                let image = scratch.path().join("image");
                match words(compressor).split_first() {
                    None => { fs::copy(&archive, &image).unwrap(); }
                    Some((tool, arguments)) if referee(tool.to_str().unwrap()) => {
                        run(Path::new(tool), arguments, &tree, &archive, &image);
                    }
                    Some(_) => continue,
                }
                let folder = tempfile::tempdir_in(scratch.path()).unwrap();
                let file = std::sync::Arc::new(fs::File::open(&image).unwrap());
                unpack(file, folder.path());
                if root_user() {
                    prop_assert_eq!(look(folder.path()), wanted.clone(), "{} {}", writer, compressor);
                }
            }
            let nothing = Path::new("/dev/null");
            for (reader, arguments) in [("cpio", "-idm --quiet"), ("bsdcpio", "-idm --quiet")] {
                if referee(reader) && root_user() {
                    let folder = tempfile::tempdir_in(scratch.path()).unwrap();
                    run(Path::new(reader), &words(arguments), folder.path(), &archive, nothing);
                    let (theirs, ours) = (look(folder.path()), wanted.clone());
                    prop_assert_eq!(with_file_times(theirs), with_file_times(ours), "{} {}", writer, reader);
                }
            }
            // 3cpio panics on a target that is not UTF-8, and does not read what has sums.
            let readable = !writer.contains("crc")
                && wanted.values().all(|(.., content, _)| std::str::from_utf8(content).is_ok());
            if let (Some(tool), true, true) = (threecpio(), readable, root_user()) {
                let folder = tempfile::tempdir_in(scratch.path()).unwrap();
                let arguments = [OsStr::new("-x"), OsStr::new("-p"), OsStr::new("-C"), folder.path().as_os_str(), archive.as_os_str()];
                run(&tool, &arguments, scratch.path(), nothing, nothing);
                prop_assert_eq!(with_file_times(look(folder.path())), with_file_times(wanted.clone()), "{} 3cpio", writer);
            }
        }
    }
}
