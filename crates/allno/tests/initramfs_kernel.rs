//! Thousands of entries that meet at the same names, unpacked by a kernel in one boot: it leaves what the library says.
//! `SEED=N` repeats a run.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write;

use common::{Project, Random, booted};
use initramfs::newc::file_type;
use initramfs::{ImageReader, NodeKind, Rules, Tree};

/// Folders, each with its own entries.
const CASES: u32 = 2500;

/// Each path below /t: type and mode, owner and group, link count, what makes names one file, target, content.
type Seen = BTreeMap<String, (String, String)>;

#[test]
fn the_kernel_leaves_what_the_library_says() {
    let project = Project::new("");
    let built = project.allno(&["build", "--json"]).run().ok().json();
    let node = built["initramfs"].as_str().unwrap();
    let busybox = project.allno(&["initramfs", "cat", node, "bin/busybox"]).run().ok().output.stdout;
    let seed = match std::env::var("SEED") {
        Ok(seed) => seed.parse().expect("SEED is a number"),
        Err(_) => u64::from(std::process::id()),
    };
    println!("seed {seed}");
    let cases = entries(&mut Random(seed));
    let image = [process_1(&busybox), cases.clone()].concat();
    std::fs::write(project.path().join("image"), image).unwrap();
    let console = booted(project.path(), &built, "image");
    let kernel = by_kernel(&console);
    let library = by_library(&cases);
    assert!(library.len() > CASES as usize * 2, "only {} names", library.len());
    for (path, seen) in &library {
        let folder = path.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        assert_eq!(kernel.get(path), Some(seen), "{path}, the kernel's left:\n{}", told(&cases, &folder));
    }
    assert_eq!(kernel.len(), library.len());
}

/// Entries of few names and every kind that can be made without a device: files of one and several names, folders, links up, down,
/// across and round, sockets; names written in several ways; trailers in between.
fn entries(random: &mut Random) -> Vec<u8> {
    let mut bytes = entry("t", file_type::DIRECTORY | 0o755, &[0, 1, 0, 0], b"");
    let mut number = 0;
    for case in 0..CASES {
        let folder = format!("t/{case}");
        bytes.extend(entry(&folder, file_type::DIRECTORY | 0o755, &[0, 1, 0, 0], b""));
        for _ in 0..2 + random.below(8) {
            number += 1;
            let kind = match random.below(11) {
                0..4 => file_type::REGULAR,
                4..7 => file_type::DIRECTORY,
                7..9 => file_type::SYMLINK,
                _ => file_type::SOCKET,
            };
            // Not 1777: there Debian's kernels follow no link of another owner, and upstream's do (fs.protected_symlinks).
            let mode = kind | random.one_of([0o644, 0o755, 0o4755, 0o600, 0o1755]);
            let data = match kind {
                file_type::REGULAR if random.below(10) < 7 => format!("c{number}"),
                file_type::SYMLINK => random
                    .one_of(["a", "b", "../CASE/b", "/t/CASE/c", "a/b", ".", "c"])
                    .replace("CASE", &case.to_string()),
                _ => String::new(),
            };
            // Two numbers for a case, so that names meet there, too.
            let (inode, links) = match random.below(2) {
                0 => (1_000_000 + number, 1),
                _ => (case * 10 + random.below(2) as u32, 2),
            };
            let owners = [random.below(4) as u32, random.below(4) as u32];
            let name = name(random, &folder);
            bytes.extend(entry(&name, mode, &[inode, links, owners[0], owners[1]], data.as_bytes()));
        }
        if random.below(3) == 0 {
            bytes.extend(entry("TRAILER!!!", 0, &[0, 1, 0, 0], b""));
        }
    }
    bytes.extend(entry("TRAILER!!!", 0, &[0, 1, 0, 0], b""));
    bytes
}

fn name(random: &mut Random, folder: &str) -> String {
    let letter = |random: &mut Random| random.one_of(["a", "b", "c"]);
    if random.below(20) == 0 {
        return format!("{folder}/a/../{}", letter(random));
    }
    let mut name = format!("{folder}{}{}", random.one_of(["/", "//", "/./"]), letter(random));
    for _ in 0..random.one_of([0, 0, 0, 1, 1, 2]) {
        let _ = write!(name, "/{}", letter(random));
    }
    name
}

/// A newc entry by hand (Documentation/driver-api/early-userspace/buffer-format.rst): nothing of ours decides how it stands there.
/// `numbers` are inode, link count, user and group.
fn entry(name: &str, mode: u32, numbers: &[u32; 4], data: &[u8]) -> Vec<u8> {
    let [inode, links, user, group] = *numbers;
    let sizes = (data.len() as u32, name.len() as u32 + 1);
    let fields = [inode, mode, user, group, links, 0, sizes.0, 0, 0, 0, 0, sizes.1, 0];
    let mut text = "070701".to_string();
    for field in fields {
        let _ = write!(text, "{field:08X}");
    }
    let mut bytes = text.into_bytes();
    for part in [[name.as_bytes(), b"\0"].concat().as_slice(), data] {
        bytes.extend(part);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// A busybox, and a process 1 that shows with it what lies below /t.
fn process_1(busybox: &[u8]) -> Vec<u8> {
    let init = b"#!/busybox sh\nexec 2>&1\ncd /\n\
                 /busybox find t -exec /busybox stat -c 'S|%n|%f|%u|%g|%h|%i|%N' {} +\n\
                 /busybox find t -type f -exec /busybox grep -H '' {} + | /busybox sed 's/^/C|/'\n\
                 exec /busybox reboot -f\n";
    let executable = file_type::REGULAR | 0o755;
    [entry("busybox", executable, &[1, 1, 0, 0], busybox), entry("init", executable, &[2, 1, 0, 0], init)]
        .concat()
}

fn by_kernel(console: &str) -> Seen {
    let mut contents: BTreeMap<&str, &str> = BTreeMap::new();
    let lines = || console.lines().map(|line| line.trim_end_matches('\r'));
    for line in lines().filter_map(|line| line.strip_prefix("C|")) {
        let (path, content) = line.split_once(':').unwrap();
        contents.insert(path, content);
    }
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = Seen::new();
    let mut rows: Vec<&str> = lines().filter_map(|line| line.strip_prefix("S|")).collect();
    rows.sort_by_key(|row| row.split('|').next());
    for row in rows {
        let fields: Vec<&str> = row.split('|').collect();
        let [path, mode, user, group, links, inode, shown] = fields[..] else { panic!("{row}") };
        let mode = u32::from_str_radix(mode, 16).unwrap();
        let target = shown.split_once("' -> '").map_or("", |(_, target)| target.trim_end_matches('\''));
        let content = contents.get(path).copied().unwrap_or_default();
        let same = first.entry(inode.into()).or_insert(path.into()).clone();
        seen.insert(path.into(), row_of(mode, user, group, links, (&same, target, content)));
    }
    seen
}

fn by_library(bytes: &[u8]) -> Seen {
    let mut reader = ImageReader::new(bytes).unwrap();
    let mut tree = Tree::new(Rules::Kernel);
    let mut data = Vec::new();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        tree.apply(&entry.tree_entry(data.len() as u64));
        let mut content = String::new();
        std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
        data.push(content);
    }
    let mut names = BTreeMap::new();
    tree.walk(|path, name| {
        names.insert(String::from_utf8(path.to_vec()).unwrap(), name.node);
    });
    let mut first = std::collections::HashMap::new();
    let mut seen = Seen::new();
    for (path, id) in names {
        let node = tree.node(id);
        let (target, content) = match &node.kind {
            NodeKind::Symlink(target) => (String::from_utf8_lossy(target).into_owned(), ""),
            NodeKind::File { content, .. } => (String::new(), data[*content as usize].as_str()),
            _ => (String::new(), ""),
        };
        let same = first.entry(id).or_insert(path.clone()).clone();
        let mode = node.kind.file_type() | node.mode;
        let (user, group, links) = (node.uid.to_string(), node.gid.to_string(), node.link_count.to_string());
        seen.insert(path.clone(), row_of(mode, &user, &group, &links, (&same, &target, content)));
    }
    seen
}

/// The entries of a folder, for whoever looks into a difference.
fn told(bytes: &[u8], folder: &str) -> String {
    let mut reader = ImageReader::new(bytes).unwrap();
    let mut text = String::new();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        let name = String::from_utf8(entry.name().to_vec()).unwrap();
        let (header, scope) = (entry.header(), entry.link_scope());
        let mut content = String::from_utf8_lossy(entry.target()).into_owned();
        std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
        if name == folder || name.starts_with(&format!("{folder}/")) {
            let owner = format!("{}:{}", header.uid, header.gid);
            let same = format!("inode {} of {scope}, {} links", header.inode, header.link_count);
            let _ = writeln!(text, "{name} {:o} {owner} {same} {content:?}", header.mode);
        }
    }
    text
}

/// What is compared: a folder's link count is the file system's business, and so is a symbolic link's mode.
fn row_of(
    mode: u32,
    user: &str,
    group: &str,
    links: &str,
    (same, target, content): (&str, &str, &str),
) -> (String, String) {
    let kind = mode & file_type::MASK;
    let mode = if kind == file_type::SYMLINK { kind } else { mode };
    let links = if kind == file_type::DIRECTORY { "" } else { links };
    (format!("{mode:o} {user}:{group} {links} as {same}"), format!("{target}{content}"))
}
