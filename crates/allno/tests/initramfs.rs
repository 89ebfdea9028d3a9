//! `allno initramfs ls`, `cat`, `unpack` and `diff` as a person and a program meet them: streams, exit codes, bad archives.
#![allow(clippy::disallowed_methods, reason = "the program under test is started here")]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use initramfs::{Compression, Entry, Manifest};
use serde_json::{Value, json};

fn allno(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allno"));
    command.current_dir(folder).arg("initramfs").args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

/// Runs it; nothing here may take longer than two minutes.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    finish(allno(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn finish(mut child: std::process::Child) -> Output {
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let deadline = Instant::now() + Duration::from_secs(120);
    std::thread::scope(|scope| {
        let out = scope.spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).map(|_| bytes)
        });
        let errors = scope.spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).map(|_| bytes)
        });
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("it hangs");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Output { status, stdout: out.join().unwrap().unwrap(), stderr: errors.join().unwrap().unwrap() }
    })
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn object(output: &Output) -> Value {
    let (_, text, errors) = told(output);
    assert_eq!(text.lines().count(), 1, "{text}{errors}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn packed(manifest: &Manifest, compression: Compression) -> Vec<u8> {
    let mut bytes = Vec::new();
    initramfs::pack(manifest, compression, &mut bytes).unwrap();
    bytes
}

/// Two segments; /etc/motd stands in both.
fn archive(folder: &Path) -> Vec<u8> {
    let mut first = Manifest::new();
    first.add("init", Entry::bytes(0o755, "#!/bin/sh\n").mtime(86_400)).unwrap();
    first.add("etc/motd", Entry::bytes(0o644, "old\n")).unwrap();
    first.add("dev/console", Entry::character_device(0o600, 5, 1)).unwrap();
    first.add(b"odd \xff", Entry::symlink(b"\xe9".to_vec())).unwrap();
    first.add("bin/busybox", Entry::bytes(0o4755, "program").owner(1, 2)).unwrap();
    first.add("bin/sh", Entry::hardlink("bin/busybox")).unwrap();
    let mut second = Manifest::new();
    second.add("etc/motd", Entry::bytes(0o644, "newer\n")).unwrap();
    let (first, second) =
        (packed(&first, Compression::Zstd { level: 3 }), packed(&second, Compression::None));
    let mut image = Vec::new();
    let segments = [initramfs::Segment::Bytes(&first), initramfs::Segment::Bytes(&second)];
    initramfs::write_image(&segments, &mut image).unwrap();
    fs::write(folder.join("initrd"), &image).unwrap();
    image
}

#[test]
fn names_go_to_a_pipe_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let output = run(folder.path(), &["ls", "initrd"]);
    assert_eq!(output.status.code(), Some(0));
    let expected =
        b"bin\nbin/busybox\nbin/sh\ndev\ndev/console\netc\netc/motd\ninit\nodd \xff\netc\netc/motd\n";
    assert_eq!(output.stdout.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn a_long_listing_has_segments_and_says_what_counts() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let (code, text, _) = told(&run(folder.path(), &["ls", "-l", "initrd"]));
    assert_eq!(code, 0);
    for line in [
        "crw------- 1 0 0 5, 1 1970-01-01 00:00:00 dev/console",
        "-rw-r--r-- 1 0 0    4 1970-01-01 00:00:00 etc/motd   (replaced in segment 2)",
        "-rwxr-xr-x 1 0 0   10 1970-01-02 00:00:00 init",
        "-rwsr-xr-x 2 1 2    7 1970-01-01 00:00:00 bin/sh",
        "-rw-r--r-- 1 0 0    6 1970-01-01 00:00:00 etc/motd",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line:?} in\n{text}");
    }
    assert!(text.starts_with("segment 1  at byte 0: zstd "), "{text}");
    assert!(text.contains("\nsegment 2  at byte "), "{text}");
}

#[test]
fn a_program_gets_the_same_facts() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let value = object(&run(folder.path(), &["ls", "--json", "initrd"]));
    assert_eq!(value["segments"].as_array().unwrap().len(), 2);
    assert_eq!(value["segments"][0]["compression"], "zstd");
    let entries = value["entries"].as_array().unwrap();
    let named = |name: &str| entries.iter().position(|entry| entry["name"] == name).unwrap();
    let motd = &entries[named("etc/motd")];
    assert_eq!(motd["replaced_by"], json!(entries.len() - 1));
    assert_eq!(entries[named("dev/console")]["device"], json!([5, 1]));
    assert_eq!(entries[named("init")]["mtime"], 86_400);
    let odd = &entries[named("odd \u{fffd}")];
    assert_eq!((&odd["name_bytes"], &odd["target_bytes"]), (&json!(b"odd \xff"), &json!([0xe9])));
    assert_eq!((&motd["name_bytes"], &value["problems"]), (&Value::Null, &json!([])));
}

#[test]
fn a_file_is_the_one_the_kernel_would_leave() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    for (path, content) in [
        ("etc/motd", "newer\n"),
        ("/etc//motd", "newer\n"),
        ("bin/busybox", "program"),
        ("init", "#!/bin/sh\n"),
    ] {
        let (code, text, errors) = told(&run(folder.path(), &["cat", "initrd", path]));
        assert_eq!((code, text.as_str(), errors.as_str()), (0, content, ""), "{path}");
    }
    for (path, part) in [("etc", "no file"), ("nothing", "has no nothing"), ("odd", "has no odd")] {
        let (code, text, errors) = told(&run(folder.path(), &["cat", "initrd", path]));
        assert_eq!((code, text.as_str()), (2, ""), "{path}");
        assert!(errors.contains(part) && errors.contains("allno initramfs ls -l initrd"), "{errors}");
    }
}

#[test]
fn standard_input_is_an_archive_too() {
    let folder = tempfile::tempdir().unwrap();
    let image = archive(folder.path());
    let mut child = allno(folder.path(), &["cat", "-", "etc/motd"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&image).unwrap();
    assert_eq!(told(&finish(child)).1, "newer\n");
    let file = fs::File::open(folder.path().join("initrd")).unwrap();
    let from_file = allno(folder.path(), &["cat", "-", "etc/motd"]).stdin(file).output().unwrap();
    assert_eq!(told(&from_file).1, "newer\n");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::new();
    for number in 0..20_000 {
        manifest.add(format!("a rather long name {number}"), Entry::bytes(0o644, "")).unwrap();
    }
    fs::write(folder.path().join("many"), packed(&manifest, Compression::None)).unwrap();
    for arguments in [&["ls", "many"][..], &["ls", "-l", "many"], &["ls", "--json", "many"]] {
        let mut child =
            allno(folder.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut head = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut head).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{arguments:?}");
    }
}

#[test]
fn unpacking_says_what_it_did_and_what_it_kept() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let output = run(folder.path(), &["unpack", "--list", "initrd", "tree"]);
    let (code, text, errors) = told(&output);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(text.contains("11 entries into tree") && text.contains("tree.list"), "{text}");
    assert_eq!(fs::read(folder.path().join("tree/etc/motd")).unwrap(), b"newer\n");
    assert!(!folder.path().join("tree/dev/console").exists());
    assert!(
        fs::symlink_metadata(folder.path().join("tree").join(OsStr::from_bytes(b"odd \xff")))
            .unwrap()
            .is_symlink()
    );
    let list = fs::read_to_string(folder.path().join("tree.list")).unwrap();
    assert!(list.contains("nod /dev/console 0600 0 0 c 5 1\n"), "{list}");
    // Once more: the list is not overwritten, and with root's way the files are kept.
    let (code, _, errors) = told(&run(folder.path(), &["unpack", "--list", "initrd", "tree"]));
    assert!(code == 2 && errors.contains("tree.list is there already"), "{errors}");
    fs::remove_file(folder.path().join("tree.list")).unwrap();
    fs::write(folder.path().join("tree/etc/motd"), "mine\n").unwrap();
    let value = object(&run(folder.path(), &["unpack", "--list", "--json", "initrd", "tree"]));
    assert_eq!(value["error"]["kind"], "failed");
    assert!(value["folders"][0]["kept"].as_array().unwrap().iter().any(|kept| kept["name"] == "etc/motd"));
    assert_eq!(fs::read(folder.path().join("tree/etc/motd")).unwrap(), b"mine\n");
    let (code, ..) = told(&run(folder.path(), &["unpack", "--list", "--force", "initrd", "tree"]));
    assert_eq!((code, fs::read(folder.path().join("tree/etc/motd")).unwrap()), (0, b"newer\n".to_vec()));
}

#[test]
fn segments_and_patterns_choose() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let (code, _, errors) = told(&run(folder.path(), &["unpack", "--list", "--segments", "initrd", "parts"]));
    assert_eq!((code, errors.as_str()), (0, ""));
    for (path, text) in [("parts/1/etc/motd", "old\n"), ("parts/2/etc/motd", "newer\n")] {
        assert_eq!(fs::read_to_string(folder.path().join(path)).unwrap(), text);
    }
    assert!(folder.path().join("parts/1.list").exists() && folder.path().join("parts/2.list").exists());
    let (code, ..) = told(&run(folder.path(), &["unpack", "--list", "--only", "bin/b*", "initrd", "some"]));
    assert_eq!(code, 0);
    assert_eq!(fs::read(folder.path().join("some/bin/busybox")).unwrap(), b"program");
    assert_eq!(fs::read_dir(folder.path().join("some")).unwrap().count(), 1);
    let (code, _, errors) = told(&run(folder.path(), &["unpack", "--only", "nothing", "initrd", "none"]));
    assert!(code == 2 && errors.contains("nothing in initrd is called nothing"), "{errors}");
    assert!(!folder.path().join("none").exists());
}

#[test]
fn differences_are_of_what_the_kernel_makes() {
    let folder = tempfile::tempdir().unwrap();
    let first = archive(folder.path());
    let mut change = Manifest::new();
    change.add("etc/motd", Entry::bytes(0o600, "newest\n")).unwrap();
    change.add("etc/hostname", Entry::bytes(0o644, "node\n")).unwrap();
    change.add("init", Entry::symlink("bin/sh")).unwrap();
    fs::write(folder.path().join("edited"), [first, packed(&change, Compression::None)].concat()).unwrap();
    let (code, text, _) = told(&run(folder.path(), &["diff", "initrd", "edited"]));
    let expected =
        "+ etc/hostname\n~ etc/motd: mode rw-r--r-- → rw-------, size 6 → 7\n~ init: file → symlink\n";
    assert_eq!((code, text.as_str()), (1, expected));
    let value = object(&run(folder.path(), &["diff", "--json", "edited", "initrd"]));
    assert_eq!((&value["same"], &value["differences"][0]["change"]), (&json!(false), &json!("removed")));
    // The same files in another order, in one segment, compressed otherwise.
    run(folder.path(), &["unpack", "--list", "initrd", "tree"]);
    let (code, text, _) = told(&run(folder.path(), &["diff", "initrd", "initrd"]));
    assert_eq!((code, text.as_str()), (0, ""));
}

/// Every kind of damage: a clear error with the place, exit code 2, soon, and nothing under a final name.
#[test]
fn bad_archives_are_wrong_input() {
    let folder = tempfile::tempdir().unwrap();
    let good = archive(folder.path());
    let mut manifest = Manifest::new();
    manifest.add("large", Entry::bytes(0o644, "0123456789".repeat(100_000))).unwrap();
    let mut huge = packed(&manifest, Compression::None);
    huge[6 + 6 * 8..][..8].copy_from_slice(b"FFFFFFFF");
    let mut unnamed = packed(&manifest, Compression::None);
    unnamed[6 + 11 * 8..][..8].copy_from_slice(b"00000000");
    let cut = |compression| {
        let whole = packed(&manifest, compression);
        whole[..whole.len() * 2 / 3].to_vec()
    };
    let cases = [
        ("empty", vec![], "holds no entry"),
        ("zeros", vec![0; 4096], "holds no entry"),
        ("text", b"hello".to_vec(), "byte 0: neither"),
        ("huge", huge, "byte 0, large: the archive ends within an entry"),
        ("unnamed", unnamed, "byte 0: a name of 0 bytes"),
        ("tail", [&good[..], b"junk"].concat(), "neither"),
        ("cut", cut(Compression::None), "byte 0, large: the archive ends"),
        ("gzip", cut(Compression::Gzip { level: 6 }), "byte 0"),
        ("zstd", cut(Compression::Zstd { level: 3 }), "byte 0"),
        ("xz", cut(Compression::Xz { level: 6 }), "byte 0"),
        ("lz4", cut(Compression::Lz4), "byte 0"),
    ];
    for (name, bytes, part) in cases {
        fs::write(folder.path().join(name), bytes).unwrap();
        for arguments in
            [vec!["ls", name], vec!["ls", "-l", name], vec!["cat", name, "large"], vec!["diff", name, name]]
        {
            let (code, _, errors) = told(&run(folder.path(), &arguments));
            assert!(code == 2 && errors.contains(part), "{arguments:?}: {code} {errors}");
            let tries = arguments[0] != "ls";
            assert_eq!(errors.contains(&format!("allno initramfs ls -l {name}")), tries, "{errors}");
        }
        let target = format!("{name}.tree");
        let output = run(folder.path(), &["unpack", "--json", name, &target]);
        let value = object(&output);
        assert_eq!((output.status.code(), &value["error"]["kind"]), (Some(2), &json!("input")), "{name}");
        assert!(!folder.path().join(target).join("large").exists(), "{name}");
    }
    for (name, part) in [(".", "no file"), ("absent", "No such file"), ("/dev/zero", "no file")] {
        let (code, _, errors) = told(&run(folder.path(), &["ls", name]));
        assert!(code == 2 && errors.contains(part), "{name}: {errors}");
    }
}

/// The rival hangs on the first, panics on the second and allocates what a header says on the third.
#[test]
fn what_the_rival_stumbles_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::new();
    manifest.add("link", Entry::symlink(b"\xff\xfe".to_vec())).unwrap();
    manifest.add("x", Entry::bytes(0o644, vec![7; 300_000])).unwrap();
    let whole = packed(&manifest, Compression::Gzip { level: 6 });
    fs::write(folder.path().join("cut"), &whole[..whole.len() - 100]).unwrap();
    assert_eq!(run(folder.path(), &["ls", "cut"]).status.code(), Some(2));
    fs::write(folder.path().join("whole"), &whole).unwrap();
    let output = run(folder.path(), &["ls", "-l", "whole"]);
    assert!(
        output
            .stdout
            .windows(7)
            .any(|window| window == b"-> \xff\xfe\n-" || window.starts_with(b"-> \xff\xfe\n"))
    );
    assert_eq!(run(folder.path(), &["unpack", "--list", "whole", "tree"]).status.code(), Some(0));
    let target = fs::read_link(folder.path().join("tree/link")).unwrap();
    assert_eq!(target.as_os_str().as_bytes(), b"\xff\xfe");
}

/// Every file that has its name is whole, whenever the command ends.
#[test]
fn a_command_that_is_killed_leaves_no_half_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let content = |number: usize| vec![number as u8; 200_000 + number];
    let mut manifest = Manifest::new();
    for number in 0..150 {
        manifest.add(format!("file-{number}"), Entry::bytes(0o644, content(number))).unwrap();
    }
    for (name, compression) in [("plain", Compression::None), ("packed", Compression::Lz4)] {
        fs::write(folder.path().join(name), packed(&manifest, compression)).unwrap();
        for round in 0..12 {
            let target = format!("{name}-{round}");
            let mut command = allno(folder.path(), &["unpack", name, &target]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(6 * round));
            let _ = child.kill();
            child.wait().unwrap();
            let Ok(entries) = fs::read_dir(folder.path().join(&target)) else { continue };
            for entry in entries.map(Result::unwrap) {
                let file_name = entry.file_name().into_string().unwrap();
                if let Some(number) = file_name.strip_prefix("file-") {
                    let wanted = content(number.parse().unwrap());
                    assert!(fs::read(entry.path()).unwrap() == wanted, "{target}/{file_name}");
                }
            }
        }
    }
}

/// A disk that fills up.
#[test]
fn a_full_disk_is_told_and_leaves_no_half_of_a_file() {
    if !common::may_mount("a_full_disk_is_told_and_leaves_no_half_of_a_file") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::new();
    for number in 0..4 {
        manifest.add(format!("file-{number}"), Entry::bytes(0o644, vec![7; 400_000])).unwrap();
    }
    fs::write(folder.path().join("image"), packed(&manifest, Compression::Zstd { level: 1 })).unwrap();
    fs::write(folder.path().join("plain"), packed(&manifest, Compression::None)).unwrap();
    let _disk = common::SmallDisk::new(folder.path().join("disk"), "1m");
    for (image, target) in [("image", "disk/a"), ("plain", "disk/a")] {
        let (code, _, errors) = told(&run(folder.path(), &["unpack", "--force", image, target]));
        let names: Vec<_> = fs::read_dir(folder.path().join(target))
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        let whole = names == [400_000; 2];
        assert!(code == 3 && errors.contains("disk is full") && whole, "{image}: {code} {names:?} {errors}");
    }
}
