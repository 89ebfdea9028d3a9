//! What the kernel makes of entries that meet: the rules of init/initramfs.c, each by a case of its own.

use crate::common::{entry, file, of_type};
use initramfs::newc::{Header, file_type};
use initramfs::{Dropped, ImageReader, Node, NodeKind, Outcome, Rules, Tree, TreeEntry};

fn of(kind: u32, name: &str, data: &[u8]) -> Vec<u8> {
    entry(of_type(kind | 0o755), format!("{name}\0").as_bytes(), data)
}

fn directory(name: &str) -> Vec<u8> {
    of(file_type::DIRECTORY, name, b"")
}

fn link(name: &str, target: &str) -> Vec<u8> {
    of(file_type::SYMLINK, name, target.as_bytes())
}

fn regular(name: &str, data: &str) -> Vec<u8> {
    file(format!("{name}\0").as_bytes(), data.as_bytes())
}

/// One of the names of file `inode`.
fn name_of(inode: u32, name: &str, data: &str) -> Vec<u8> {
    let header = Header { inode, mode: file_type::REGULAR | 0o600, link_count: 2, ..Header::default() };
    entry(header, format!("{name}\0").as_bytes(), data.as_bytes())
}

fn node(kind: u32, name: &str, minor: u32) -> Vec<u8> {
    let header = Header { node_major: 1, node_minor: minor, ..of_type(kind | 0o600) };
    entry(header, format!("{name}\0").as_bytes(), b"")
}

/// The tree of these entries, and what became of each.
fn tree(rules: Rules, entries: &[Vec<u8>]) -> (Tree, Vec<Outcome>, Vec<Option<u64>>) {
    let image = entries.concat();
    let mut tree = Tree::new(rules);
    let (mut outcomes, mut replaced) = (Vec::new(), Vec::new());
    let mut reader = ImageReader::new(&image[..]).unwrap();
    while let Some(entry) = reader.next_entry().unwrap() {
        let number = outcomes.len() as u64;
        let (header, link_scope) = (entry.header(), entry.link_scope());
        let (name, target) = (entry.name(), entry.target());
        let applied = tree.apply(&TreeEntry { number, name, header, target, link_scope });
        outcomes.push(applied.outcome);
        replaced.push(applied.replaced);
    }
    (tree, outcomes, replaced)
}

fn kernel(entries: &[Vec<u8>]) -> Tree {
    tree(Rules::Kernel, entries).0
}

/// The last entry, which must be left out.
fn left_out(rules: Rules, entries: &[Vec<u8>]) -> Dropped {
    match tree(rules, entries).1.last() {
        Some(Outcome::Dropped(why)) => *why,
        other => panic!("{other:?}"),
    }
}

fn at<'t>(tree: &'t Tree, path: &str) -> &'t Node {
    tree.node(tree.find(path.as_bytes()).unwrap_or_else(|| panic!("no {path}")))
}

/// The number of the entry whose data a file has.
fn content(tree: &Tree, path: &str) -> u64 {
    match at(tree, path).kind {
        NodeKind::File { content, .. } => content,
        ref other => panic!("{other:?}"),
    }
}

fn paths(tree: &Tree) -> Vec<String> {
    let mut paths = Vec::new();
    tree.walk(|path, _| paths.push(String::from_utf8(path.to_vec()).unwrap()));
    paths
}

#[test]
fn names_are_one_however_they_are_written() {
    let tree = kernel(&[
        directory("a"),
        regular("a/x", "0"),
        regular("/a//x", "1"),
        regular("./a/./x", "2"),
        regular("a/../a/x", "3"),
    ]);
    assert_eq!((paths(&tree), content(&tree, "a/x")), (vec!["a".into(), "a/x".into()], 4));
}

#[test]
fn what_has_no_directory_is_left_out() {
    assert_eq!(left_out(Rules::Kernel, &[regular("a/x", "")]), Dropped::NoDirectory);
    assert_eq!(left_out(Rules::Kernel, &[regular("a", ""), regular("a/x", "")]), Dropped::NotADirectory);
    let (strict, outcomes, _) = tree(Rules::Strict, &[regular("a/b/x", "")]);
    assert!(matches!(outcomes[0], Outcome::Made(_)));
    assert_eq!(paths(&strict), ["a", "a/b", "a/b/x"]);
}

#[test]
fn names_go_through_symbolic_links_in_the_kernel_alone() {
    let entries = [directory("usr"), directory("usr/bin"), link("bin", "usr/bin"), regular("bin/sh", "")];
    assert_eq!(paths(&kernel(&entries)), ["bin", "usr", "usr/bin", "usr/bin/sh"]);
    assert_eq!(left_out(Rules::Strict, &entries), Dropped::ThroughSymlink);
    let absolute = [directory("a"), link("a/up", "/../a"), regular("a/up/x", "")];
    assert_eq!(paths(&kernel(&absolute)), ["a", "a/up", "a/x"]);
    assert_eq!(
        left_out(Rules::Kernel, &[link("a", "b"), link("b", "a"), regular("a/x", "")]),
        Dropped::SymlinkLoop
    );
}

#[test]
fn climbing_stays_within_the_root_and_is_refused_when_unpacking() {
    let entries = [directory("a"), regular("a/../../x", "")];
    assert_eq!(paths(&kernel(&entries)), ["a", "x"]);
    assert_eq!(left_out(Rules::Strict, &entries), Dropped::Climbs);
    assert_eq!(left_out(Rules::Strict, &[regular("..", "")]), Dropped::Climbs);
}

#[test]
fn a_file_of_the_same_name_is_overwritten_in_place() {
    // So all its names change.
    let (tree, outcomes, replaced) =
        tree(Rules::Kernel, &[name_of(1, "a", ""), name_of(1, "b", "old"), regular("a", "new")]);
    assert!(matches!(outcomes[2], Outcome::Changed(_)));
    assert_eq!(replaced, [None, None, Some(0)]);
    assert_eq!((content(&tree, "a"), content(&tree, "b")), (2, 2));
    assert_eq!((at(&tree, "b").mode, at(&tree, "b").link_count), (0o644, 2));
}

#[test]
fn the_data_of_a_file_with_several_names_may_stand_at_any() {
    for data in 0..3_u64 {
        let names: Vec<_> = (0..3)
            .map(|name| name_of(7, ["a", "b", "c"][name as usize], if name == data { "x" } else { "" }))
            .collect();
        let tree = kernel(&names);
        assert_eq!(tree.find(b"a"), tree.find(b"c"));
        assert_eq!(content(&tree, "b"), data);
        assert_eq!(at(&tree, "a").link_count, 3);
    }
}

#[test]
fn links_are_of_one_type_and_one_archive() {
    let trailer = entry(of_type(0), b"TRAILER!!!\0", b"");
    let separate = kernel(&[name_of(1, "a", "1"), trailer, name_of(1, "b", "2")]);
    assert_ne!(separate.find(b"a"), separate.find(b"b"));
    let header = Header { inode: 1, link_count: 2, ..of_type(file_type::FIFO | 0o600) };
    let types = kernel(&[name_of(1, "a", "1"), entry(header, b"b\0", b"")]);
    assert_ne!(types.find(b"a"), types.find(b"b"));
    // Without a trailer the next archive goes on.
    let joined = kernel(&[name_of(1, "a", "1"), name_of(1, "b", "2")]);
    assert_eq!((joined.find(b"a"), content(&joined, "a")), (joined.find(b"b"), 1));
}

#[test]
fn a_link_to_what_is_gone_is_left_out() {
    let replaced = [name_of(1, "a", "1"), directory("a"), name_of(1, "b", "2")];
    assert_eq!(left_out(Rules::Kernel, &replaced), Dropped::LinkGone);
    // The kernel removes a name before it links it to itself.
    let twice = [name_of(1, "a", "1"), name_of(1, "a", "2")];
    assert_eq!(left_out(Rules::Kernel, &twice), Dropped::LinkGone);
    assert_eq!(paths(&kernel(&twice)), [""; 0]);
}

#[test]
fn a_directory_that_holds_something_stays() {
    for other in [regular("d", "x"), link("d", "x"), node(file_type::FIFO, "d", 0)] {
        let full = [directory("d"), regular("d/x", ""), other.clone()];
        assert_eq!(left_out(Rules::Kernel, &full), Dropped::DirectoryInTheWay);
        assert_eq!(paths(&kernel(&full)), ["d", "d/x"]);
        assert_eq!(paths(&kernel(&[directory("d"), other])), ["d"]);
    }
    let tree = kernel(&[link("bin", "usr/bin"), directory("bin")]);
    assert_eq!(at(&tree, "bin").kind.file_type(), file_type::DIRECTORY);
}

#[test]
fn a_node_keeps_its_numbers_and_changes_its_owner() {
    let character = |minor| node(file_type::CHARACTER, "n", minor);
    assert_eq!(
        at(&kernel(&[character(1), character(2)]), "n").kind,
        NodeKind::Character { major: 1, minor: 1 }
    );
    let other = kernel(&[character(1), node(file_type::BLOCK, "n", 2)]);
    assert_eq!(at(&other, "n").kind, NodeKind::Block { major: 1, minor: 2 });
}

#[test]
fn what_the_kernel_passes_over_is_left_out() {
    let long = "x".repeat(256);
    for (entry, why) in [
        (regular(&long, ""), Dropped::NameTooLong),
        (regular(&format!("{long}/x"), ""), Dropped::NameTooLong),
        (regular("", ""), Dropped::NoName),
        (of(file_type::DIRECTORY, "d", b"data"), Dropped::UnexpectedData),
        (of(file_type::SYMLINK, "l", b""), Dropped::Target),
        (of(file_type::SYMLINK, "l", &[b'x'; 4097]), Dropped::Target),
        (of(0, "u", b""), Dropped::UnknownType),
        (regular(".", ""), Dropped::DirectoryInTheWay),
    ] {
        assert_eq!(left_out(Rules::Kernel, &[entry]), why);
    }
}

#[test]
fn the_root_itself_can_be_changed() {
    let root = entry(of_type(file_type::DIRECTORY | 0o700), b".\0", b"");
    let (tree, outcomes, replaced) = tree(Rules::Kernel, &[root.clone(), root]);
    assert_eq!((tree.node(Tree::ROOT).mode, outcomes[0]), (0o700, Outcome::Changed(Tree::ROOT)));
    assert_eq!((replaced, tree.root_entry()), (vec![None, Some(0)], Some(1)));
}

#[test]
fn resolving_follows_links_to_the_end() {
    let tree = kernel(&[
        regular("real", "x"),
        link("a", "b"),
        link("b", "/real"),
        link("gone", "x"),
        link("me", "me"),
    ]);
    assert_eq!(tree.resolve(b"a"), tree.find(b"/real"));
    assert_ne!(tree.find(b"a"), tree.find(b"real"));
    assert_eq!((tree.resolve(b"gone"), tree.resolve(b"me")), (None, None));
}

#[test]
fn the_deepest_tree_is_walked() {
    let mut name = String::new();
    let mut entries = Vec::new();
    for _ in 0..2000 {
        name.push_str(if name.is_empty() { "d" } else { "/d" });
        entries.push(directory(&name));
    }
    assert_eq!(paths(&kernel(&entries)).len(), 2000);
}

/// Booted: what cannot be made changes the directory in its place all the same.
#[test]
fn a_directory_in_the_way_gets_the_owner_of_what_is_not_made() {
    let full = [directory("d"), regular("d/x", "")];
    let owned = |mode, data: &[u8]| {
        let header = Header { uid: 5, gid: 6, ..of_type(mode) };
        entry(header, b"d\0", data)
    };
    for (other, mode, uid) in [
        (owned(file_type::CHARACTER | 0o1777, b""), 0o1777, 5),
        (owned(file_type::FIFO | 0o600, b""), 0o600, 5),
        (owned(file_type::SYMLINK | 0o777, b"x"), 0o755, 5),
        (owned(file_type::REGULAR | 0o600, b"x"), 0o755, 0),
    ] {
        let entries = [&full[..], &[other]].concat();
        assert_eq!(left_out(Rules::Kernel, &entries), Dropped::DirectoryInTheWay);
        let tree = kernel(&entries);
        assert_eq!((at(&tree, "d").mode, at(&tree, "d").uid), (mode, uid));
    }
}

/// Booted: the kernel removes what stands at a name before it makes anything by that name.
#[test]
fn a_name_that_goes_through_what_it_replaces_leads_nowhere() {
    let through_link = [link("c", "."), node(file_type::CHARACTER, "c/c/c", 1)];
    assert_eq!(left_out(Rules::Kernel, &through_link), Dropped::NoDirectory);
    assert_eq!(paths(&kernel(&through_link)), [""; 0]);
    let through_itself = [directory("a"), regular("a/../a", "x")];
    assert_eq!(left_out(Rules::Kernel, &through_itself), Dropped::NoDirectory);
    assert_eq!(paths(&kernel(&through_itself)), [""; 0]);
}

/// Booted: the kernel goes by the first name alone, and through a symbolic link that stands there by now.
#[test]
fn a_link_is_to_whatever_stands_at_the_first_name() {
    let replaced = [name_of(1, "a", "1"), link("a", "x"), name_of(1, "b", "2")];
    let tree = kernel(&replaced);
    assert_eq!(paths(&tree), ["a", "b", "x"]);
    assert_eq!((tree.find(b"a"), content(&tree, "x")), (tree.find(b"b"), 2));
    assert_eq!(left_out(Rules::Strict, &replaced), Dropped::LinkGone);
    // What the link leads to is written in place.
    let there = kernel(&[&[regular("x", "old")][..], &replaced].concat());
    assert_eq!((content(&there, "x"), at(&there, "x").mode), (3, 0o600));
    let empty = [name_of(1, "a", ""), link("a", "x"), regular("x", "old"), name_of(1, "b", "")];
    assert_eq!(content(&kernel(&empty), "x"), 2);
    let round = [name_of(1, "a", "1"), link("a", "a"), name_of(1, "b", "2")];
    assert_eq!(paths(&kernel(&round)), ["a", "b"]);
    let socket = kernel(&[name_of(1, "a", "1"), node(file_type::SOCKET, "a", 0), name_of(1, "b", "2")]);
    assert_eq!(socket.find(b"a"), socket.find(b"b"));
}
