//! `allno initramfs pack`, `edit`, `rm` and `squash` as a person meets them: the kernel's own tool as referee, a command that is
//! killed, a disk that is full.
#![allow(clippy::disallowed_methods, reason = "the program under test is started here")]

#[path = "../common/mod.rs"]
mod common;

mod debian;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::usual_store;
use initramfs::{ImageReader, NodeKind, Rules, Tree};
use serde_json::Value;

fn allno(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allno"));
    command.current_dir(folder).arg("initramfs").args(arguments).stdin(Stdio::null());
    command.env("ALLNO_STORE", folder.join("store")).env_remove("SOURCE_DATE_EPOCH").env_remove("VISUAL");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    told(allno(folder, arguments).output().unwrap())
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let (code, output, errors) = run(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}: {output}{errors}");
    output
}

/// A folder with a small tree called `tree`.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    fs::write(tree.join("init"), "#!/bin/sh\nexec sh\n").unwrap();
    fs::set_permissions(tree.join("init"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(tree.join("usr/bin/busybox"), vec![7; 300_000]).unwrap();
    fs::hard_link(tree.join("usr/bin/busybox"), tree.join("usr/bin/sh")).unwrap();
    symlink("usr/bin", tree.join("bin")).unwrap();
    fs::create_dir(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/motd"), "hello\n").unwrap();
    folder
}

/// One line for each entry: name, mode, owner, names, node, content's length or target.
fn entries(bytes: &[u8]) -> Vec<String> {
    let mut reader = ImageReader::new(bytes).unwrap();
    let mut lines = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let header = entry.header();
        let size = if entry.target().is_empty() { header.size } else { 0 };
        // gen_init_cpio counts two names of everything but files.
        let links = if header.mode & 0o170000 == 0o100000 { header.link_count } else { 0 };
        let (name, target) = (String::from_utf8_lossy(entry.name()), String::from_utf8_lossy(entry.target()));
        lines.push(format!(
            "{name} {:o} {}:{} {links} {}:{} {} {size} {target}",
            header.mode, header.uid, header.gid, header.node_major, header.node_minor, header.mtime
        ));
    }
    assert_eq!(reader.summary().problems, []);
    lines
}

/// usr/gen_init_cpio.c of a kernel in the usual store, compiled. A missing kernel fails unless ALLNO_SKIP_REFEREES=1.
fn gen_init_cpio(folder: &Path) -> Option<PathBuf> {
    let artifacts = fs::read_dir(usual_store().join("artifacts")).into_iter().flatten().flatten();
    let sources = artifacts.map(|entry| entry.path().join("tree/usr/gen_init_cpio.c"));
    let source = sources.filter(|source| source.exists()).max();
    let skip = std::env::var_os("ALLNO_SKIP_REFEREES").is_some_and(|value| value == "1");
    assert!(
        source.is_some() || skip,
        "no kernel in the usual store: allno build, or set ALLNO_SKIP_REFEREES=1"
    );
    let binary = folder.join("gen_init_cpio");
    let compiled = Command::new("gcc").args(["-O1", "-o"]).arg(&binary).arg(source?).status().unwrap();
    assert!(compiled.success());
    Some(binary)
}

#[test]
fn the_kernels_own_tool_makes_the_same_of_a_list() {
    let folder = project();
    let path = folder.path();
    let Some(tool) = gen_init_cpio(path) else { return };
    fs::write(path.join("content"), "content").unwrap();
    // -t is not for files in 6.1, only in 6.12: they keep their own time.
    let time = std::time::UNIX_EPOCH + Duration::from_secs(77);
    fs::File::options().write(true).open(path.join("content")).unwrap().set_modified(time).unwrap();
    let list = "# A list\n\
                dir /dev 0755 0 0\n\
                nod /dev/console 0600 0 0 c 5 1\n\
                nod \t/dev/vda\t0660 0 6 b 254 16\n\
                \n\
                slink /bin usr/bin 0777 0 0\n\
                file /init ${HERE}/content 0755 1 2\n\
                file /a ${HERE}/${TWICE} 04755 0 0 b /c\n\
                pipe run 0622 3 4\n\
                sock /sock 01755 5 6\n\
                dir . 0700 7 8\n";
    fs::write(path.join("list"), list).unwrap();
    let variables = [("HERE", path.to_str().unwrap()), ("TWICE", "con${REST}"), ("REST", "tent")];
    let theirs = |list: &str| {
        let output =
            Command::new(&tool).args(["-t", "77", list]).envs(variables).current_dir(path).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        entries(&output.stdout)
    };
    let pack = |list: &str| {
        let mut command = allno(path, &["pack", list, "-o", "ours", "--compress", "none"]);
        let (code, _, errors) =
            told(command.envs(variables).env("SOURCE_DATE_EPOCH", "77").output().unwrap());
        assert_eq!(code, 0, "{errors}");
        entries(&fs::read(path.join("ours")).unwrap())
    };
    let expected = theirs("list");
    assert_eq!(expected.len(), 11);
    assert_eq!(pack("list"), expected);
    // What we print of it the kernel's tool reads as well.
    let printed = initramfs::List::parse(list.as_bytes(), 77, |name| {
        let found = variables.iter().find(|(variable, _)| variable.as_bytes() == name);
        found.map(|(_, value)| value.as_bytes().to_vec())
    });
    fs::write(path.join("printed"), printed.unwrap().to_bytes().unwrap()).unwrap();
    assert_eq!(theirs("printed"), expected);
    assert_eq!(pack("printed"), expected);
}

#[test]
fn a_list_with_a_fault_is_refused_at_its_line() {
    let folder = project();
    fs::write(folder.path().join("list"), "dir /dev 0755 0 0\nnod /dev/null 0666 0 0 x 1 3\n").unwrap();
    fs::write(folder.path().join("out"), "what was there").unwrap();
    let (code, _, errors) = run(folder.path(), &["pack", "list", "-o", "out"]);
    assert!(code == 2 && errors.contains("list:2") && errors.contains("b for a block"), "{errors}");
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), b"what was there");
    let (code, _, errors) = run(folder.path(), &["pack", "absent", "-o", "out"]);
    assert!(code == 2 && errors.contains("absent"), "{errors}");
    let (code, _, errors) = run(folder.path(), &["pack", "tree", "-o", "tree/out"]);
    assert!(code == 2 && errors.contains("lies within"), "{errors}");
    for (form, expected) in [("--compress=rar", "zstd"), ("--level=77", "from 0 to 9")] {
        let (code, _, errors) = run(folder.path(), &["pack", "tree", "-o", "out", form]);
        assert!(code == 2 && errors.contains(expected), "{errors}");
    }
}

#[test]
fn a_folder_packs_to_the_same_bytes_and_unpacks_to_itself() {
    let folder = project();
    let path = folder.path();
    for form in ["none", "gzip", "zstd", "xz", "lz4"] {
        done(path, &["pack", "tree", "-o", "one", "--compress", form]);
        done(path, &["pack", "tree/", "-o", "two", "--compress", form]);
        assert!(fs::read(path.join("one")).unwrap() == fs::read(path.join("two")).unwrap(), "{form}");
        // With the list beside it the folder is packed as it was, byte by byte.
        done(path, &["unpack", "one", "again", "--list"]);
        done(path, &["pack", "again", "-o", "three", "--compress", form]);
        assert!(fs::read(path.join("one")).unwrap() == fs::read(path.join("three")).unwrap(), "{form}");
        done(path, &["pack", "again.list", "-o", "four", "--compress", form]);
        assert!(fs::read(path.join("one")).unwrap() == fs::read(path.join("four")).unwrap(), "{form}");
        fs::remove_dir_all(path.join("again")).unwrap();
        fs::remove_file(path.join("again.list")).unwrap();
    }
}

fn content(folder: &Path, archive: &str, name: &str) -> String {
    done(folder, &["cat", archive, name])
}

#[test]
fn a_file_is_edited_in_the_editor_and_by_options() {
    let folder = project();
    let path = folder.path();
    done(path, &["pack", "tree", "-o", "image"]);
    let before = fs::read(path.join("image")).unwrap();
    let edit = |editor: &str, name: &str| {
        let mut command = allno(path, &["edit", "image", name, "--json"]);
        let (code, output, errors) = told(command.env("EDITOR", editor).output().unwrap());
        (code, serde_json::from_str::<Value>(&output).unwrap_or_default(), errors)
    };
    let (code, object, _) = edit("true", "etc/motd");
    assert_eq!((code, &object["change"]), (0, &Value::from("nothing")));
    assert!(fs::read(path.join("image")).unwrap() == before);
    let (code, _, errors) = edit("false", "etc/motd");
    assert!(code == 1 && errors.contains("nothing was changed"), "{errors}");
    assert!(fs::read(path.join("image")).unwrap() == before);
    let (code, object, errors) = edit("sed -i s/hello/goodbye/", "etc/motd");
    assert_eq!((code, &object["change"]), (0, &Value::from("appended")), "{errors}");
    assert!(fs::read(path.join("image")).unwrap().starts_with(&before));
    assert_eq!(content(path, "image", "etc/motd"), "goodbye\n");
    // Through a symbolic link; one name of two.
    fs::write(path.join("new"), "new").unwrap();
    let told = done(path, &["edit", "image", "/bin/sh", "--with", "new"]);
    assert!(told.contains("usr/bin/sh") && told.contains("segment 1"), "{told}");
    assert_eq!(content(path, "image", "usr/bin/sh"), "new");
    assert_eq!(content(path, "image", "usr/bin/busybox").len(), 300_000);
    done(path, &["edit", "image", "init", "--mode", "0700"]);
    assert!(
        done(path, &["ls", "-l", "image"])
            .lines()
            .any(|line| line.starts_with("-rwx------") && line.contains(" init"))
    );
    let (code, _, errors) = run(path, &["edit", "image", "etc", "--mode", "7778"]);
    assert!(code == 2 && errors.contains("octal"), "{errors}");
    let (code, _, errors) = edit("true", "etc");
    assert!(code == 2 && errors.contains("directory"), "{errors}");
}

#[test]
fn names_are_removed_and_segments_squashed() {
    let folder = project();
    let path = folder.path();
    done(path, &["pack", "tree", "-o", "image", "--compress", "zstd"]);
    fs::write(path.join("new"), "new").unwrap();
    done(path, &["edit", "image", "etc/motd", "--with", "new"]);
    done(path, &["edit", "image", "etc/new", "--with", "new"]);
    let (code, _, errors) = run(path, &["rm", "image", "etc"]);
    assert!(code == 2 && errors.contains("rm --recursive image etc"), "{errors}");
    let (code, _, errors) = run(path, &["rm", "image", "etc/absent"]);
    assert!(code == 2 && errors.contains("not in image"), "{errors}");
    done(path, &["rm", "image", "etc/motd"]);
    done(path, &["squash", "image", "-o", "image"]);
    let names = done(path, &["ls", "image"]);
    assert!(!names.contains("motd") && names.contains("etc/new"), "{names}");
    assert!(fs::read(path.join("image")).unwrap().starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    done(path, &["rm", "-r", "image", "etc"]);
    assert!(!done(path, &["ls", "image"]).contains("etc"));
}

/// The names and contents that an archive unpacks to, or what is wrong with it.
fn tree(bytes: &[u8]) -> Result<Vec<(Vec<u8>, u32)>, String> {
    let mut reader = ImageReader::new(bytes).unwrap();
    let mut tree = Tree::new(Rules::Kernel);
    let mut number = 0;
    while let Some(entry) = reader.next_entry().unwrap() {
        tree.apply(&entry.tree_entry(number));
        number += 1;
    }
    if let Some(problem) = reader.summary().problems.first() {
        return Err(problem.to_string());
    }
    let mut names = Vec::new();
    tree.walk(|path, name| {
        let size = match tree.node(name.node).kind {
            NodeKind::File { size, .. } => size,
            _ => 0,
        };
        names.push((path.to_vec(), size));
    });
    Ok(names)
}

#[test]
fn a_command_that_is_killed_leaves_the_old_archive_or_the_new_one() {
    let folder = project();
    let path = folder.path();
    done(path, &["pack", "tree", "-o", "pristine", "--compress", "none"]);
    // Long enough to be killed in its middle.
    let large: Vec<u8> = (0..8_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(path.join("large"), &large).unwrap();
    let size = |bytes: &[u8]| {
        let names = tree(bytes).unwrap();
        names.iter().find(|(name, _)| name == b"etc/motd").unwrap().1
    };
    let (mut cut, mut whole) = (0, 0);
    for round in 0..24 {
        fs::copy(path.join("pristine"), path.join("image")).unwrap();
        let mut command = allno(path, &["edit", "image", "etc/motd", "--with", "large"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(1500 * round));
        let _ = child.kill();
        child.wait().unwrap();
        cut += usize::from(tree(&fs::read(path.join("image")).unwrap()).is_err());
        // Whatever happened, the next command finds the old archive or the new one, and works.
        fs::write(path.join("small"), "small").unwrap();
        done(path, &["edit", "image", "etc/small", "--with", "small"]);
        let bytes = fs::read(path.join("image")).unwrap();
        assert_eq!(content(path, "image", "etc/small"), "small");
        match size(&bytes) {
            6 => {}
            32_000_000 => whole += 1,
            other => panic!("{other}"),
        }
        let left = fs::read_dir(path)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".image"));
        assert_eq!(left.count(), 0);
    }
    // How many were cut hangs on the machine.
    println!("{cut} cut, {whole} whole");
}

#[test]
fn ctrl_c_stops_a_pack_and_leaves_what_was_there() {
    let folder = project();
    let path = folder.path();
    fs::write(path.join("image"), "before").unwrap();
    // Some seconds of xz; nothing repeats.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    fs::write(path.join("tree/noise"), noise.take(64 << 20).collect::<Vec<u8>>()).unwrap();
    let mut command = allno(path, &["pack", "tree", "-o", "image", "--compress", "xz"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    common::eventually_beside(&mut child, "it writes", || path.join(".image.allno-new").exists());
    let process = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert_eq!(fs::read(path.join("image")).unwrap(), b"before");
    assert!(!path.join(".image.allno-new").exists());
}

/// Reading is allowed, changing is not: the message says which.
#[test]
fn an_archive_of_somebody_else_is_not_changed() {
    let folder = project();
    let path = folder.path();
    done(path, &["pack", "tree", "-o", "image"]);
    let user = common::OtherUser::of(path, path);
    let image = path.join("image");
    if rustix::process::getuid().is_root() {
        common::referee("chown", &["0:0", image.to_str().unwrap()]);
    }
    fs::set_permissions(&image, fs::Permissions::from_mode(0o444)).unwrap();
    let before = fs::read(&image).unwrap();
    let store = path.join("store");
    for words in [&["rm", "image", "etc/motd"][..], &["edit", "image", "etc/motd", "--mode", "0600"]] {
        let run = user.allno(&[&["initramfs"], words].concat(), &store).run();
        assert_eq!(run.code(), 1, "{}", run.stderr());
        assert!(run.stderr().contains("cannot write image"), "{}", run.stderr());
    }
    assert_eq!(fs::read(&image).unwrap(), before);
}

#[test]
fn a_reader_says_that_an_edit_was_cut() {
    let folder = project();
    let path = folder.path();
    done(path, &["pack", "tree", "-o", "image", "--compress", "none"]);
    let length = fs::metadata(path.join("image")).unwrap().len();
    done(path, &["edit", "image", "etc/motd", "--with", "tree/init"]);
    // What stands there while the command is at it: 4 NULs, the mark, the old length.
    let mut bytes = fs::read(path.join("image")).unwrap();
    let at = (length as usize + 4).next_multiple_of(4);
    bytes[at..at + 8].copy_from_slice(b"ALLNO\xff<+");
    bytes[at + 8..at + 16].copy_from_slice(&length.to_le_bytes());
    fs::write(path.join("image"), &bytes).unwrap();
    let (code, _, errors) = run(path, &["ls", "image"]);
    assert!(
        code == 2 && errors.contains("an edit of it was cut") && errors.contains("takes it back"),
        "{errors}"
    );
    let (code, _, errors) = run(path, &["edit", "image", "init", "--mode", "0700"]);
    assert!(code == 0 && errors.contains("taken back"), "{errors}");
    assert_eq!(content(path, "image", "etc/motd"), "hello\n");
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    if !common::may_mount("a_full_disk_leaves_what_was_there") {
        return;
    }
    let folder = project();
    let disk = common::SmallDisk::new(folder.path().join("disk"), "1m");
    let path = folder.path();
    done(path, &["pack", "tree", "-o", "disk/image", "--compress", "none"]);
    let before = fs::read(disk.0.join("image")).unwrap();
    fs::write(path.join("large"), vec![1; 2_000_000]).unwrap();
    for arguments in [
        &["edit", "disk/image", "etc/motd", "--with", "large"][..],
        &["edit", "disk/image", "usr/bin/sh", "--with", "large"],
        &["pack", "large.list", "-o", "disk/image", "--compress", "none"],
    ] {
        fs::write(path.join("large.list"), "file /large large 0644 0 0\n").unwrap();
        let (code, _, errors) = run(path, arguments);
        assert!(code == 3 && errors.contains("disk is full"), "{arguments:?}: {code} {errors}");
        assert!(fs::read(disk.0.join("image")).unwrap() == before, "{arguments:?}");
        assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 1, "{arguments:?}");
    }
    done(path, &["edit", "disk/image", "etc/motd", "--with", "tree/etc/motd"]);
}

/// What process 1 tells of the archive it came out of.
const INIT: &str = "#!/bin/sh\n\
                    echo \"motd: $(cat /etc/motd)\"\n\
                    echo \"large: $(md5sum < /etc/large)\"\n\
                    echo \"gone: $(ls /etc/gone 2>/dev/null)\"\n\
                    echo \"mode: $(stat -c %a:%u:%g:%h /etc/first)\"\n\
                    exec reboot -f\n";

/// The kernel itself as referee: whatever the form, cut for many cores, edited, with a name of two changed and one removed.
#[test]
fn the_kernel_unpacks_what_we_pack_and_change() {
    let project = common::Project::new("");
    let built = project.allno(&["build", "--json"]).run().json();
    let path = project.path();
    let node = built["initramfs"].as_str().unwrap();
    done(path, &["unpack", node, "tree", "--list"]);
    // More than a block of LZ4 or xz, and than a job of zstd.
    let large: Vec<u8> = (0..5_000_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
    for (name, content) in
        [("init", INIT.as_bytes()), ("etc/large", &large), ("etc/first", b"two names"), ("etc/gone", b"gone")]
    {
        fs::write(path.join("tree").join(name), content).unwrap();
    }
    fs::hard_link(path.join("tree/etc/first"), path.join("tree/etc/second")).unwrap();
    fs::write(path.join("motd"), "edited").unwrap();
    let sum = Command::new("md5sum").arg("tree/etc/large").current_dir(path).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    for form in ["none", "gzip", "zstd", "xz", "lz4"] {
        let mut packed = vec!["pack", "tree", "-o", "image", "--compress", form];
        if form == "xz" {
            packed.extend(["--level", "1"]);
        }
        done(path, &packed);
        done(path, &["edit", "image", "etc/second", "--with", "motd"]);
        done(path, &["edit", "image", "etc/motd", "--with", "motd"]);
        done(path, &["edit", "image", "etc/first", "--mode", "0604"]);
        done(path, &["rm", "image", "etc/gone"]);
        let console = common::booted(path, &built, "image");
        for expected in ["motd: edited", &format!("large: {}", &sum[..32]), "gone: \r", "mode: 604:0:0:1"] {
            assert!(console.contains(expected), "{form}: no \"{expected}\" in:\n{console}");
        }
    }
}
