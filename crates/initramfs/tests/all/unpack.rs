//! Unpacking: what it makes, what it leaves alone, and that nothing is ever written outside its folder.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::common::{entry, file, of_type, packed, sample};
use initramfs::newc::{Header, file_type};
use initramfs::{
    COMPRESSIONS, Compression, ImageReader, ImageSummary, Kind, NodeKind, Only, Owners, Pattern, Rules, Tree,
    TreeEntry, UnpackOptions, Unpacker, Unpacking,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A folder to unpack into, and things beside it that must stay as they are.
struct Place {
    outer: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("inner")).unwrap();
        fs::create_dir(outer.path().join("beside")).unwrap();
        fs::write(outer.path().join("beside/secret"), "secret").unwrap();
        fs::write(outer.path().join("file"), "outside").unwrap();
        Place { outer }
    }

    fn inner(&self) -> PathBuf {
        self.outer.path().join("inner")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.inner().join(path)
    }

    /// Everything outside the folder: name, inode, mode, owner, links, content.
    fn outside(&self) -> Vec<String> {
        ["", "beside", "beside/secret", "file"]
            .iter()
            .map(|name| {
                let path = self.outer.path().join(name);
                let metadata = fs::symlink_metadata(&path).unwrap();
                let names: Vec<_> = match fs::read_dir(&path) {
                    Ok(entries) => entries.map(|entry| entry.unwrap().file_name()).collect(),
                    Err(_) => Vec::new(),
                };
                let (inode, mode, uid, size) =
                    (metadata.ino(), metadata.mode(), metadata.uid(), metadata.size());
                let links = if metadata.is_dir() { 0 } else { metadata.nlink() };
                let content = fs::read(&path).unwrap_or_default();
                format!("{name} {inode} {mode:o} {uid} {size} {links} {names:?} {content:?}")
            })
            .collect()
    }

    fn options(&self, force: bool) -> UnpackOptions {
        UnpackOptions { owners: Owners::Listed, force, location: self.inner(), only: None }
    }

    fn unpack(&self, image: &[u8], options: UnpackOptions) -> (Unpacking, ImageSummary) {
        let before = self.outside();
        let folder = fs::File::open(self.inner()).unwrap();
        let mut unpacker = Unpacker::new(folder.into(), options);
        let mut reader = ImageReader::new(image).unwrap();
        while let Some(mut entry) = reader.next_entry().unwrap() {
            unpacker.unpack(&mut entry).unwrap();
        }
        let unpacking = unpacker.finish().unwrap();
        assert_eq!(self.outside(), before, "something outside the folder changed");
        assert_eq!(self.leftovers(&self.inner()), 0, "temporary names are left");
        (unpacking, reader.into_summary())
    }

    fn leftovers(&self, folder: &Path) -> usize {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| match entry.file_type().unwrap().is_dir() {
                true => self.leftovers(&entry.path()),
                false => usize::from(entry.file_name().to_string_lossy().starts_with(".allno")),
            })
            .sum()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

fn of(kind: u32, name: &str, data: &str) -> Vec<u8> {
    entry(of_type(kind | 0o755), format!("{name}\0").as_bytes(), data.as_bytes())
}

fn link(name: &str, target: &str) -> Vec<u8> {
    of(file_type::SYMLINK, name, target)
}

fn directory(name: &str) -> Vec<u8> {
    of(file_type::DIRECTORY, name, "")
}

fn regular(name: &str, data: &str) -> Vec<u8> {
    file(format!("{name}\0").as_bytes(), data.as_bytes())
}

fn name_of(inode: u32, name: &str, data: &str) -> Vec<u8> {
    let header = Header { inode, mode: file_type::REGULAR | 0o600, link_count: 2, ..Header::default() };
    entry(header, format!("{name}\0").as_bytes(), data.as_bytes())
}

/// Every known way out of the folder: the entries, and how many of them are refused.
fn ways_out(outer: &Path) -> Vec<(&'static str, Vec<Vec<u8>>, usize)> {
    let absolute = outer.join("beside").display().to_string();
    vec![
        ("dots", vec![regular("../escaped", "x")], 1),
        ("dots within", vec![directory("a"), regular("a/../../escaped", "x")], 1),
        ("dots to a file", vec![regular("../file", "x"), regular("../beside/secret", "x")], 2),
        ("dots alone", vec![regular("..", "x"), directory("..")], 2),
        ("directory by dots", vec![directory("../escaped"), directory("../beside")], 2),
        ("link by dots", vec![link("../escaped", "x")], 1),
        ("node by dots", vec![of(file_type::FIFO, "../escaped", "")], 1),
        ("hard link by dots", vec![name_of(1, "../beside/secret", ""), name_of(1, "a", "x")], 2),
        ("through a link", vec![link("out", "../beside"), regular("out/secret", "x")], 1),
        ("through an absolute link", vec![link("out", &absolute), regular("out/secret", "x")], 1),
        ("through two links", vec![link("a", ".."), link("b", "a"), regular("b/escaped", "x")], 1),
        ("deep link", vec![directory("d"), link("d/out", "../../beside"), directory("d/out/new")], 1),
        ("a link's parent twice", vec![link("out", ".."), directory("out"), regular("out/escaped", "x")], 0),
        (
            "directory over a link",
            vec![link("out", "../beside"), directory("out"), regular("out/secret", "x")],
            0,
        ),
        (
            "link over a directory",
            vec![directory("out"), link("out", "../beside"), regular("out/secret", "x")],
            1,
        ),
        ("file over a link", vec![link("out", "../file"), regular("out", "x")], 0),
        ("link over a file", vec![regular("out", "x"), link("out", "../file"), regular("out", "y")], 0),
        (
            "hard link through a link",
            vec![link("out", "../file"), name_of(1, "out", ""), name_of(1, "b", "x")],
            0,
        ),
        ("hard link to a link", vec![name_of(1, "a", ""), link("a", "../file"), name_of(1, "b", "x")], 1),
        ("node over a link", vec![link("out", "../file"), of(file_type::FIFO, "out", "")], 0),
        ("link to oneself", vec![link("a", "a"), regular("a/b", "x")], 1),
        ("backwards", vec![directory("d"), regular("d/./../../file", "x")], 1),
        ("nul in the name", vec![regular("../file\0/x", "x")], 1),
    ]
}

#[test]
fn nothing_is_written_outside_by_any_way_out() {
    for force in [false, true] {
        for compression in [None, Some(())] {
            let names: Vec<_> = ways_out(Path::new("/")).into_iter().map(|(name, ..)| name).collect();
            for name in names {
                let place = Place::new();
                let ways = ways_out(place.outer.path());
                let (_, entries, refused) = ways.into_iter().find(|(found, ..)| *found == name).unwrap();
                let mut image = [regular("first", "1"), entries.concat(), regular("last", "2")].concat();
                if compression.is_some() {
                    image = zstd::encode_all(&image[..], 3).unwrap();
                }
                let (unpacking, _) = place.unpack(&image, place.options(force));
                assert_eq!(unpacking.refused.len(), refused, "{name}: {:?}", unpacking.refused);
                assert_eq!((place.read("first"), place.read("last")), ("1".into(), "2".into()), "{name}");
            }
        }
    }
}

#[test]
fn a_leading_slash_is_dropped() {
    let place = Place::new();
    let image = [directory("/etc"), regular("/etc/motd", "hi"), regular("//x", "1")].concat();
    let (unpacking, _) = place.unpack(&image, place.options(false));
    assert_eq!(
        (unpacking.refused, place.read("etc/motd"), place.read("x")),
        (vec![], "hi".into(), "1".into())
    );
}

/// What was in the folder before: links that lead out of it are not followed, nor replaced without `force`.
#[test]
fn links_that_were_there_before_lead_nowhere() {
    let image =
        [directory("out"), regular("out/secret", "x"), regular("link", "x"), link("other", "x")].concat();
    for force in [false, true] {
        let place = Place::new();
        symlink("../beside", place.at("out")).unwrap();
        symlink("../file", place.at("link")).unwrap();
        symlink("../file", place.at("other")).unwrap();
        let (unpacking, _) = place.unpack(&image, place.options(force));
        if force {
            assert_eq!(unpacking.kept, [] as [&[u8]; 0]);
            assert_eq!((place.read("out/secret"), place.read("link")), ("x".into(), "x".into()));
            assert_eq!(fs::read_link(place.at("other")).unwrap(), Path::new("x"));
        } else {
            let kept: Vec<_> = unpacking.kept.iter().map(|path| OsStr::from_bytes(path)).collect();
            assert_eq!(kept, ["link", "other", "out", "out/secret"]);
            assert_eq!(fs::read_link(place.at("out")).unwrap(), Path::new("../beside"));
        }
    }
}

#[test]
fn files_that_were_there_before_are_kept_unless_forced() {
    let image = [
        regular("file", "new"),
        directory("directory"),
        regular("directory/inside", "new"),
        regular("full", "new"),
        name_of(1, "one", ""),
        name_of(1, "two", "both"),
        regular("one", "again"),
    ]
    .concat();
    for force in [false, true] {
        let place = Place::new();
        fs::write(place.at("file"), "old").unwrap();
        fs::create_dir(place.at("directory")).unwrap();
        fs::set_permissions(place.at("directory"), fs::Permissions::from_mode(0o711)).unwrap();
        fs::write(place.at("directory/mine"), "mine").unwrap();
        fs::create_dir_all(place.at("full/of")).unwrap();
        fs::write(place.at("one"), "old").unwrap();
        let (unpacking, _) = place.unpack(&image, place.options(force));
        assert_eq!(place.read("directory/mine"), "mine");
        assert_eq!(place.read("directory/inside"), "new");
        assert!(place.at("full/of").is_dir());
        let mode = fs::metadata(place.at("directory")).unwrap().mode() & 0o777;
        if force {
            assert_eq!(
                (place.read("file"), place.read("one"), place.read("two"), mode),
                ("new".into(), "again".into(), "again".into(), 0o755)
            );
            assert_eq!(unpacking.refused.len(), 1, "a directory that holds something is not replaced");
        } else {
            assert_eq!(
                (place.read("file"), place.read("one"), place.read("two"), mode),
                ("old".into(), "old".into(), "both".into(), 0o711)
            );
            let kept: Vec<_> = unpacking.kept.iter().map(|path| OsStr::from_bytes(path)).collect();
            assert_eq!(kept, ["file", "full", "one"]);
        }
    }
}

#[test]
fn later_entries_replace_earlier_ones_as_in_the_kernel() {
    let image = [
        regular("a", "1"),
        regular("a", "2"),
        directory("d"),
        regular("d", "file over an empty directory"),
        regular("e", "1"),
        directory("e"),
        regular("e/inside", "x"),
        regular("e", "a directory that holds something stays"),
        link("l", "a"),
        regular("l", "file over a link"),
        regular("m", "1"),
        link("m", "a"),
        name_of(1, "x", ""),
        name_of(1, "y", "old"),
        regular("x", "all names change"),
        regular("n", "1"),
        of(file_type::FIFO, "n", ""),
    ]
    .concat();
    let place = Place::new();
    let (unpacking, _) = place.unpack(&image, place.options(false));
    for (path, text) in [
        ("a", "2"),
        ("d", "file over an empty directory"),
        ("e/inside", "x"),
        ("l", "file over a link"),
        ("m", "2"),
        ("x", "all names change"),
        ("y", "all names change"),
    ] {
        assert_eq!(place.read(path), text, "{path}");
    }
    assert_eq!(fs::metadata(place.at("x")).unwrap().ino(), fs::metadata(place.at("y")).unwrap().ino());
    assert!(!place.at("n").exists(), "a node is in the list alone");
    assert_eq!(unpacking.refused.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>(), [b"e"]);
    let list = unpacking.list.unwrap();
    let names: Vec<_> = list.entries().map(|(name, _)| OsStr::from_bytes(name).to_owned()).collect();
    assert_eq!(names, ["a", "d", "e", "e/inside", "l", "m", "y", "x", "n"]);
    assert!(matches!(list.entries().last().unwrap().1.kind, Kind::Fifo));
}

#[test]
fn cut_or_damaged_data_gets_no_name() {
    let whole =
        [regular("first", "1"), regular("large", &"content ".repeat(50_000)), regular("last", "2")].concat();
    for compression in COMPRESSIONS {
        let image = compress(&whole, compression);
        for cut in [image.len() * 2 / 3, image.len() / 2] {
            let place = Place::new();
            let (_, summary) = place.unpack(&image[..cut], place.options(false));
            assert!(summary.stopped_at().is_some(), "{compression}, {cut}");
            assert!(!place.at("large").exists() && !place.at("last").exists(), "{compression}, {cut}");
        }
    }
}

fn compress(bytes: &[u8], compression: Compression) -> Vec<u8> {
    use std::io::Write;
    match compression {
        Compression::None => bytes.to_vec(),
        Compression::Gzip { level } => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd { level } => zstd::encode_all(bytes, level as i32).unwrap(),
        Compression::Xz { level } => {
            let stream =
                liblzma::stream::Stream::new_easy_encoder(level, liblzma::stream::Check::Crc32).unwrap();
            let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Lz4 => {
            let block = lz4_flex::block::compress(bytes);
            [&0x184c_2102_u32.to_le_bytes()[..], &(block.len() as u32).to_le_bytes(), &block].concat()
        }
    }
}

#[test]
fn what_we_packed_comes_out_the_same_and_packs_to_the_same_bytes() {
    let original = packed(&sample(), Compression::None);
    let place = Place::new();
    let (unpacking, summary) = place.unpack(&original, place.options(false));
    assert_eq!((summary.problems, unpacking.refused), (vec![], vec![]));
    assert_eq!(
        fs::metadata(place.at("bin/sh")).unwrap().ino(),
        fs::metadata(place.at("bin/ls")).unwrap().ino()
    );
    assert_eq!(fs::read_link(place.at("bin/vi")).unwrap(), Path::new("busybox"));
    assert_eq!(fs::metadata(place.at("init")).unwrap().mtime(), 86_400);
    // Through the text of the list, as a person would.
    let text = unpacking.list.unwrap().to_bytes().unwrap();
    let list = initramfs::List::parse(&text, 0, |_| None).unwrap();
    let mut again = Vec::new();
    initramfs::pack_list(&list, Compression::None, &mut again).unwrap();
    assert!(again == original, "packed again it has other bytes");
}

#[test]
fn only_some_names() {
    let place = Place::new();
    let image = packed(&sample(), Compression::Gzip { level: 1 });
    // busybox, ls and sh are one file; its data stands at sh, which nobody asked for.
    let only = Only::scan(Pattern::new("bin/[bl]*"), &image[..]).unwrap();
    assert_eq!(only.matches(), 2);
    let options = UnpackOptions { only: Some(only), ..place.options(false) };
    let (unpacking, _) = place.unpack(&image, options);
    let mut names: Vec<_> =
        fs::read_dir(place.at("bin")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["busybox", "ls"]);
    assert_eq!(fs::read_dir(place.inner()).unwrap().count(), 1);
    let (one, two) =
        (fs::metadata(place.at("bin/busybox")).unwrap(), fs::metadata(place.at("bin/ls")).unwrap());
    assert_eq!((one.ino(), one.nlink(), one.size()), (two.ino(), 2, 501));
    let list = unpacking.list.unwrap();
    let listed: Vec<_> = list.entries().map(|(name, _)| OsStr::from_bytes(name).to_owned()).collect();
    assert_eq!(listed, ["bin/busybox", "bin/ls"]);
}

#[test]
fn names_and_targets_are_bytes() {
    let image = [
        entry(of_type(file_type::DIRECTORY | 0o755), b"\xff\0", b""),
        file(b"\xff/\xc3\x28\0", b"x"),
        entry(of_type(file_type::SYMLINK | 0o777), b"l\0", b"\xe9 target"),
    ]
    .concat();
    let place = Place::new();
    place.unpack(&image, place.options(false));
    assert_eq!(fs::read(place.inner().join(OsStr::from_bytes(b"\xff/\xc3\x28"))).unwrap(), b"x");
    assert_eq!(fs::read_link(place.at("l")).unwrap().as_os_str().as_bytes(), b"\xe9 target");
}

/// As root: what an ordinary user finds in the list is really made.
#[test]
fn root_makes_owners_modes_and_nodes() {
    if !rustix::process::geteuid().is_root() {
        let skip = std::env::var_os("ALLNO_SKIP_REFEREES").is_some();
        assert!(skip, "device nodes and owners need root; ALLNO_SKIP_REFEREES=1 skips");
        return;
    }
    let place = Place::new();
    let options = UnpackOptions { owners: Owners::Real, ..place.options(false) };
    let mut linked = Header {
        inode: 77,
        node_major: 1,
        node_minor: 3,
        link_count: 2,
        ..of_type(file_type::CHARACTER | 0o666)
    };
    linked.uid = 5;
    let image = [
        packed(&sample(), Compression::None),
        entry(linked, b"dev/null\0", b""),
        entry(linked, b"dev/nil\0", b""),
    ]
    .concat();
    let (unpacking, _) = place.unpack(&image, options);
    assert_eq!((unpacking.list, unpacking.refused), (None, vec![]));
    let metadata = |path: &str| fs::symlink_metadata(place.at(path)).unwrap();
    for (path, mode, uid, gid) in [
        ("bin/busybox", 0o104_755, 0, 0),
        ("home/user/.ssh", 0o040_700, 1000, 1000),
        ("etc/shadow", 0o100_600, 0, 42),
        ("dev/console", 0o020_600, 0, 0),
        ("dev/vda", 0o060_660, 0, 6),
        ("run/pipe", 0o010_622, 0, 0),
        ("dev/null", 0o020_666, 5, 0),
    ] {
        let found = metadata(path);
        assert_eq!((found.mode(), found.uid(), found.gid()), (mode, uid, gid), "{path}");
    }
    assert_eq!(metadata("dev/vda").rdev(), rustix::fs::makedev(254, 16));
    assert_eq!(metadata("dev/nil").ino(), metadata("dev/null").ino());
    assert_eq!(metadata("bin").mtime(), 0, "set after what is in it was made");
}

/// Names and targets that lead out of the folder in every combination.
fn tricky_entry() -> impl Strategy<Value = Vec<u8>> {
    let part = select(vec!["a", "b", "out", "..", ".", "", "beside", "file", "secret"]);
    let name = (vec(part, 1..4), any::<bool>()).prop_map(|(parts, absolute)| {
        let name = parts.join("/");
        if absolute { format!("/{name}") } else { name }
    });
    let target =
        select(vec!["..", ".", "../beside", "../file", "../beside/secret", "a", "/", "out", "../inner"]);
    let kind = select(vec![
        file_type::REGULAR,
        file_type::REGULAR,
        file_type::SYMLINK,
        file_type::SYMLINK,
        file_type::DIRECTORY,
        file_type::FIFO,
    ]);
    (name, target, kind, 1..3_u32, 1..3_u32).prop_map(|(name, target, kind, inode, link_count)| {
        let header = Header { inode, link_count, ..of_type(kind | 0o755) };
        let data = match kind {
            file_type::SYMLINK => target,
            file_type::REGULAR if inode == 1 => &name,
            _ => "",
        };
        entry(header, format!("{name}\0").as_bytes(), data.as_bytes())
    })
}

proptest! {
    #[test]
    fn no_entries_together_lead_out(
        entries in vec(tricky_entry(), 1..20),
        before in vec(tricky_entry(), 0..6),
        force in any::<bool>(),
        real in any::<bool>(),
    ) {
        let place = Place::new();
        let owners = if real && rustix::process::geteuid().is_root() { Owners::Real } else { Owners::Listed };
        // Something is there already, with links that lead out.
        place.unpack(&before.concat(), UnpackOptions { owners, ..place.options(false) });
        symlink("../beside", place.at("b")).ok();
        place.unpack(&entries.concat(), UnpackOptions { owners, ..place.options(force) });
    }

    #[test]
    fn what_stands_in_the_folder_is_what_the_rules_say(entries in vec(tricky_entry(), 1..20)) {
        let place = Place::new();
        let image = entries.concat();
        place.unpack(&image, place.options(false));
        let (wanted, implied) = by_the_rules(&image);
        let mut found = on_disk(&place.inner(), b"");
        found.retain(|path, _| !implied.contains(path));
        prop_assert_eq!(found, wanted);
    }
}

/// By path: type, content or target, and how many names it has. Nodes are in the list alone.
type Standing = BTreeMap<Vec<u8>, (u32, Vec<u8>, u32)>;

fn on_disk(root: &Path, below: &[u8]) -> Standing {
    let mut found = Standing::new();
    for entry in fs::read_dir(root.join(OsStr::from_bytes(below))).unwrap() {
        let name = entry.unwrap().file_name();
        let path = [below, if below.is_empty() { b"" } else { b"/" }, name.as_bytes()].concat();
        let real = root.join(OsStr::from_bytes(&path));
        let metadata = fs::symlink_metadata(&real).unwrap();
        let kind = metadata.mode() & file_type::MASK;
        let (content, links) = match kind {
            file_type::DIRECTORY => (Vec::new(), 0),
            file_type::SYMLINK => (fs::read_link(&real).unwrap().into_os_string().into_vec(), 1),
            _ => (fs::read(&real).unwrap(), metadata.nlink() as u32),
        };
        found.insert(path.clone(), (kind, content, links));
        if kind == file_type::DIRECTORY {
            found.extend(on_disk(root, &path));
        }
    }
    found
}

/// And the directories that no entry made: they are there if something that needs them is.
fn by_the_rules(image: &[u8]) -> (Standing, Vec<Vec<u8>>) {
    let mut tree = Tree::new(Rules::Strict);
    let mut data = Vec::new();
    let mut reader = ImageReader::new(image).unwrap();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        let (name, target) = (entry.name().to_vec(), entry.target().to_vec());
        let (header, link_scope, number) = (entry.header(), entry.link_scope(), data.len() as u64);
        tree.apply(&TreeEntry { number, name: &name, header, target: &target, link_scope });
        let mut bytes = Vec::new();
        entry.pieces(|piece| bytes.extend_from_slice(piece)).unwrap();
        data.push(bytes);
    }
    let (mut found, mut implied) = (Standing::new(), Vec::new());
    tree.walk(|path, name| {
        let node = tree.node(name.node);
        if name.entry.is_none() {
            implied.push(path.to_vec());
            return;
        }
        let (content, links) = match &node.kind {
            NodeKind::Directory { .. } => (Vec::new(), 0),
            NodeKind::File { content, .. } => (data[*content as usize].clone(), node.link_count),
            NodeKind::Symlink(target) => (target.to_vec(), 1),
            _ => return,
        };
        found.insert(path.to_vec(), (node.kind.file_type(), content, links));
    });
    (found, implied)
}
