use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<List> {
    List::parse(text.as_bytes(), 7, |name| match name {
        b"HERE" => Some(b"/some/where".to_vec()),
        b"TWICE" => Some(b"${HERE}/again".to_vec()),
        b"EVER" => Some(b"${EVER}".to_vec()),
        b"LONG" => Some(vec![b'x'; 5000]),
        _ => None,
    })
}

fn why(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

fn path_of(list: &List, at: usize) -> String {
    match &list.entries[at].1.kind {
        Kind::File(Content::Path(path)) => path.display().to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_is_read_as_the_kernels_usage_text_has_it() {
    let list = parse(
        "# A simple initramfs\n\
         dir /dev 0755 0 0\n\
         nod /dev/console 0600 0 0 c 5 1\n\
         nod\tdev/vda 60660 0 6 b 254 0 a remark\n\
         \n   \t\n\
         slink /bin/sh ../usr/bin/sh 0777 1 2\n\
         pipe /run/p 622 0 0\n\
         #mtime 99\n\
         sock /run/s 0755 0 0\r\n\
         file /a ./b 100644 0 0 c /d\n\
         link /e /a",
    )
    .unwrap();
    let expected = [
        ("dev", Entry::directory(0o755).mtime(7)),
        ("dev/console", Entry::character_device(0o600, 5, 1).mtime(7)),
        ("dev/vda", Entry::block_device(0o660, 254, 0).owner(0, 6).mtime(7)),
        ("bin/sh", Entry::symlink("../usr/bin/sh").owner(1, 2).mtime(7)),
        ("run/p", Entry::fifo(0o622).mtime(7)),
        ("run/s", Entry::socket(0o755).mtime(99)),
        ("a", Entry::file(0o644, "./b").mtime(99)),
        ("c", Entry::hardlink("a")),
        ("d", Entry::hardlink("a")),
        ("e", Entry::hardlink("a")),
    ];
    let expected = expected.map(|(name, entry)| (name.as_bytes().to_vec(), entry));
    assert_eq!(list.entries, expected);
}

#[test]
fn variables_are_replaced_as_gen_init_cpio_does() {
    let list = parse(
        "file a ${HERE}/x 0644 0 0\nfile b ${TWICE} 0644 0 0\nfile c ${NONE}x${ 0644 0 0\n\
         file\\ d ${HERE} 0644 0 0\n",
    )
    .unwrap();
    assert_eq!(path_of(&list, 0), "/some/where/x");
    assert_eq!(path_of(&list, 1), "/some/where/again");
    assert_eq!(path_of(&list, 2), "x${");
    assert_eq!(path_of(&list, 3), "${HERE}");
    assert!(why("file a ${EVER} 0644 0 0").contains("never end"));
    assert!(why("file a ${LONG} 0644 0 0").contains("4095"));
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_what_to_write() {
    for (text, line, expected) in [
        ("dir", 1, "dir <name> <mode> <uid> <gid>"),
        ("\n\ndir /x 0755 0", 3, "dir <name> <mode> <uid> <gid>"),
        ("dir /x 0799 0 0", 1, "\"0799\" is no mode"),
        ("dir /x 100755 0 0", 1, "bits above 7777"),
        ("dir /x 0755 -1 0", 1, "\"-1\" is no user"),
        ("dir /x 0755 +1 0", 1, "\"+1\" is no user"),
        ("folder /x 0755 0 0", 1, "file, dir, nod"),
        ("nod /x 0755 0 0 p 1 1", 1, "b for a block"),
        ("nod /x 0755 0 0 c 4096 1", 1, "4095"),
        ("slink /x 0777 0 0", 1, "slink <name> <target>"),
        ("dir / 0755 0 0", 1, "\".\""),
        ("dir /a/../b 0755 0 0", 1, "\"..\""),
        ("dir TRAILER!!! 0755 0 0", 1, "ends an archive"),
        ("dir\\ /\\0 0755 0 0", 1, "three octal digits"),
        ("dir\\ /\\777 0755 0 0", 1, "377"),
        ("dir\\ /\\000 0755 0 0", 1, "NUL"),
        ("dir /\0 0755 0 0", 1, "NUL"),
    ] {
        let message = why(text);
        assert!(message.starts_with(&format!("line {line}: ")) && message.contains(expected), "{message}");
    }
}

#[test]
fn what_gen_init_cpio_cannot_say_stands_in_lines_of_our_own() {
    let mut list = List::new();
    list.push("a", Entry::file(0o644, "/from/a")).unwrap();
    list.push("b", Entry::hardlink("a")).unwrap();
    list.push("d", Entry::directory(0o755).mtime(5)).unwrap();
    list.push("d/c", Entry::hardlink("a")).unwrap();
    list.push("two words", Entry::directory(0o755).mtime(5)).unwrap();
    list.push(b"\xff", Entry::symlink("back\\slash ").mtime(5)).unwrap();
    list.push("cost", Entry::file(0o600, "${x}").mtime(5)).unwrap();
    list.push("owner", Entry::fifo(0o600).owner(u32::MAX, 0).mtime(5)).unwrap();
    let text = String::from_utf8(list.to_bytes().unwrap()).unwrap();
    let expected = "#mtime 0\n\
                    file /a /from/a 0644 0 0 /b\n\
                    #mtime 5\n\
                    dir /d 0755 0 0\n\
                    link /d/c /a\n\
                    dir\\ /two\\040words 0755 0 0\n\
                    slink\\ /\\377 back\\134slash\\040 0777 0 0\n\
                    file\\ /cost ${x} 0600 0 0\n\
                    pipe\\ /owner 0600 4294967295 0\n";
    assert_eq!(text, expected);
}

#[test]
fn content_in_memory_cannot_be_listed() {
    let mut list = List::new();
    list.push("a", Entry::bytes(0o644, "x")).unwrap();
    assert!(list.to_bytes().unwrap_err().to_string().contains("write it to one first"));
}

#[test]
fn many_names_stay_within_the_line_that_gen_init_cpio_reads() {
    let mut list = List::new();
    list.push("first", Entry::file(0o644, "x").mtime(7)).unwrap();
    for number in 0..3000 {
        list.push(format!("name-{number}"), Entry::hardlink("first")).unwrap();
    }
    let text = list.to_bytes().unwrap();
    assert!(text.split(|byte| *byte == b'\n').all(|line| line.len() < LINE_MAX));
    assert!(text.split(|byte| *byte == b'\n').any(|line| line.len() > LINE_MAX - 20));
    assert_eq!(List::parse(&text, 0, |_| None).unwrap(), list);
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let readable = "[a-zA-Z0-9#$\\{\\}\\\\/._ éß-]{1,12}".prop_map(String::into_bytes);
    prop_oneof![3 => readable, 1 => vec(1..=255_u8, 1..40)]
}

fn entry() -> impl Strategy<Value = Entry> {
    use std::os::unix::ffi::OsStringExt;
    let path = |bytes| std::path::PathBuf::from(std::ffi::OsString::from_vec(bytes));
    let kind = prop_oneof![
        Just(Kind::Directory),
        bytes().prop_map(move |bytes| Kind::File(Content::Path(path(bytes)))),
        bytes().prop_map(Kind::Symlink),
        (0..4096_u32, 0..1_u32 << 20).prop_map(|(major, minor)| Kind::CharacterDevice { major, minor }),
        (0..4096_u32, 0..1_u32 << 20).prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
        Just(Kind::Fifo),
        Just(Kind::Socket),
    ];
    (kind, 0..=0o7777_u32, any::<u32>(), any::<u32>(), 0..4_u32)
        .prop_map(|(kind, mode, uid, gid, mtime)| Entry { kind, mode, uid, gid, mtime, origin: None })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(wishes in vec((bytes(), entry(), any::<bool>()), 0..20)) {
        let mut list = List::new();
        let mut file: Option<Vec<u8>> = None;
        for (name, entry, linked) in wishes {
            if let (true, Some(file)) = (linked, &file) {
                let _ = list.push(&name, Entry::hardlink(file.clone()));
            } else if list.push(&name, entry).is_ok() {
                let (name, entry) = list.entries.last().unwrap();
                file = matches!(entry.kind, Kind::File(_)).then(|| name.clone());
            }
        }
        let text = list.to_bytes().unwrap();
        prop_assert!(str::from_utf8(&text).is_ok());
        prop_assert_eq!(List::parse(&text, 3, |_| None).unwrap(), list);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "((file|dir|nod|slink|pipe|sock|link|#mtime)\\\\?[ \\\\$\\{\\}/a-c0-9\\n]{0,30}){0,9}") {
        if let Ok(list) = List::parse(text.as_bytes(), 0, |_| None) {
            prop_assert_eq!(List::parse(&list.to_bytes().unwrap(), 0, |_| None).unwrap(), list);
        }
    }
}
