//! What we pack, read by the tools of the field; and what they write, read by us.
#![allow(clippy::disallowed_methods)] // Tests run their referees themselves.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::tools::referee;
use crate::common::{packed, read, read_clean, sample};
use initramfs::{COMPRESSIONS, Compression, Fault};

/// Runs a tool with `input` on its standard input; its output must be clean.
fn run(tool: &str, arguments: &[&str], directory: &Path, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(tool)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {} {complaint}", output.status);
    output.stdout
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

const LISTING: &str = "\
drwxr-xr-x   2 0        0               0 Jan  1  1970 bin
-rwsr-xr-x   3 0        0               0 Jan  1  1970 bin/busybox
-rwsr-xr-x   3 0        0               0 Jan  1  1970 bin/ls
-rwsr-xr-x   3 0        0             501 Jan  1  1970 bin/sh
lrwxrwxrwx   1 0        0               7 Jan  1  1970 bin/vi -> busybox
drwxr-xr-x   2 0        0               0 Jan  1  1970 dev
crw-------   1 0        0          5,   1 Jan  1  1970 dev/console
brw-rw----   1 0        6        254,  16 Jan  1  1970 dev/vda
-rw-r--r--   1 0        0               0 Jan  1  1970 empty
drwxr-xr-x   2 0        0               0 Jan  1  1970 etc
-rw-------   1 0        42             15 Jan  1  1970 etc/shadow
drwxr-xr-x   2 0        0               0 Jan  1  1970 home
drwxr-xr-x   2 0        0               0 Jan  1  1970 home/user
drwx------   2 1000     1000            0 Jan  1  1970 home/user/.ssh
-rwxr-xr-x   1 0        0              23 Jan  2  1970 init
drwxr-xr-x   2 0        0               0 Jan  1  1970 run
prw--w--w-   1 0        0               0 Jan  1  1970 run/pipe
";

#[test]
fn gnu_cpio_lists_what_we_pack() {
    if !referee("cpio") {
        return;
    }
    let bytes = packed(&sample(), Compression::None);
    let listing = run("cpio", &["-itvn", "--quiet"], Path::new("/"), &bytes);
    assert_eq!(text(listing), LISTING);
}

#[test]
fn each_compressor_accepts_its_own_and_gives_the_archive_back() {
    let plain = packed(&sample(), Compression::None);
    for compression in COMPRESSIONS {
        let (tool, test, unpack): (_, &[&str], &[&str]) = match compression {
            Compression::None => continue,
            Compression::Gzip { .. } => ("gzip", &["-t"], &["-dc"]),
            Compression::Zstd { .. } => ("zstd", &["-t", "-q"], &["-dc", "-q"]),
            Compression::Xz { .. } => ("xz", &["-t"], &["-dc"]),
            Compression::Lz4 => ("lz4", &["-t", "-q"], &["-dc", "-q"]),
        };
        if !referee(tool) {
            continue;
        }
        let bytes = packed(&sample(), compression);
        run(tool, test, Path::new("/"), &bytes);
        assert_eq!(run(tool, unpack, Path::new("/"), &bytes), plain, "{compression}");
    }
}

#[test]
fn xz_has_the_one_check_that_the_kernel_knows() {
    if !referee("xz") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("segment.xz");
    fs::write(&file, packed(&sample(), Compression::Xz { level: 6 })).unwrap();
    let listing = text(run("xz", &["-l", "--robot", "segment.xz"], folder.path(), b""));
    let checks: Vec<_> = listing
        .lines()
        .filter(|line| line.starts_with("file\t") || line.starts_with("totals\t"))
        .map(|line| line.split('\t').nth(6).unwrap())
        .collect();
    assert_eq!(checks, ["CRC32", "CRC32"], "{listing}");
}

#[test]
fn bsdcpio_lists_what_we_pack() {
    if !referee("bsdcpio") {
        return;
    }
    let bytes = packed(&sample(), Compression::None);
    let listing = text(run("bsdcpio", &["-itvn", "--quiet"], Path::new("/"), &bytes));
    let squeezed = |text: &str| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split_whitespace().map(String::from).collect()).collect()
    };
    let listing: Vec<_> = squeezed(&listing.replace(", ", ","));
    let expected = squeezed(&LISTING.replace(",   1", ",1").replace(",  16", ",16"));
    for (ours, theirs) in expected.iter().zip(&listing) {
        // bsdcpio writes dates and sizes of nodes in its own way: mode, links, owner, group and name count.
        assert_eq!((&ours[..4], &ours[8]), (&theirs[..4], &theirs[8]));
    }
    assert_eq!(listing.len(), expected.len());
}

/// A folder with what an ordinary user can make: a hard link, a symbolic link, a pipe, an empty file,
/// a name that is not UTF-8, and the names in it, parents first.
fn tree() -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("etc/deep")).unwrap();
    fs::write(root.join("etc/deep/file"), "some content\n").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join(OsStr::from_bytes(b"\xff\xfe")), vec![1; 70_000]).unwrap();
    fs::hard_link(root.join("etc/deep/file"), root.join("etc/again")).unwrap();
    symlink(OsStr::from_bytes(b"target \xe9"), root.join("link")).unwrap();
    run("mkfifo", &["pipe"], root, b"");
    let names = b".\nempty\netc\netc/again\netc/deep\netc/deep/file\nlink\npipe\n\xff\xfe\n".to_vec();
    (folder, names)
}

#[test]
fn we_read_what_the_cpios_write() {
    let writers: [(&str, &[&str]); 3] = [
        ("cpio", &["-o", "-H", "newc", "--quiet"]),
        ("cpio", &["-o", "-H", "crc", "--quiet"]),
        ("bsdcpio", &["-o", "-H", "newc", "--quiet"]),
    ];
    for (tool, arguments) in writers {
        if !referee(tool) {
            continue;
        }
        let (folder, names) = tree();
        let archive = run(tool, arguments, folder.path(), &names);
        let (found, summary) = read(&archive);
        let told: Vec<_> = summary.problems.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "{tool} {arguments:?}: {told:#?}");
        assert_eq!(summary.segments.len(), 1);
        assert!(summary.segments[0].trailer);
        let mut wanted: Vec<_> = names.split(|byte| *byte == b'\n').filter(|name| !name.is_empty()).collect();
        let mut given: Vec<_> = found.iter().map(|entry| &entry.name[..]).collect();
        wanted.sort();
        given.sort();
        assert_eq!(given, wanted, "{tool} {arguments:?}");
        for entry in &found {
            let path = folder.path().join(OsStr::from_bytes(&entry.name));
            let real = fs::symlink_metadata(&path).unwrap();
            let (header, seconds) = (entry.header, real.mtime() as u32);
            assert_eq!((header.mode, header.uid, header.gid), (real.mode(), real.uid(), real.gid()));
            assert_eq!(header.mtime, seconds);
            if real.is_symlink() {
                assert_eq!(entry.data, b"target \xe9");
            } else if real.is_file() {
                let names_of_it = found.iter().filter(|other| other.header.inode == header.inode);
                let content: Vec<u8> = names_of_it.flat_map(|other| other.data.clone()).collect();
                assert_eq!(content, fs::read(&path).unwrap(), "{tool} {arguments:?} {path:?}");
            }
        }
    }
}

#[test]
fn a_wrong_checksum_is_noticed() {
    if !referee("cpio") {
        return;
    }
    let (folder, names) = tree();
    let mut archive = run("cpio", &["-o", "-H", "crc", "--quiet"], folder.path(), &names);
    let at = archive.windows(12).position(|window| window == b"some content").unwrap();
    archive[at] = b'S';
    let (_, summary) = read(&archive);
    assert_eq!(summary.problems.len(), 1);
    assert!(matches!(summary.problems[0].fault, Fault::Checksum { .. }), "{}", summary.problems[0]);
}

#[test]
fn we_read_what_the_compressors_write() {
    let plain = packed(&sample(), Compression::None);
    let wanted = read_clean(&plain);
    let writers: [(&str, &[&str]); 10] = [
        ("gzip", &["-9c"]),
        ("zstd", &["-19", "-qc"]),
        ("zstd", &["--ultra", "-22", "-qc"]),
        ("xz", &["--check=crc32", "-9c"]),
        ("xz", &["--check=none", "-c"]),
        ("xz", &["--format=lzma", "-c"]),
        ("xz", &["--check=crc32", "--x86", "--lzma2", "-c"]),
        ("bzip2", &["-1c"]),
        ("bzip2", &["-9c"]),
        ("lz4", &["-l", "-9", "-qc"]),
    ];
    for (tool, arguments) in writers {
        if referee(tool) {
            let bytes = run(tool, arguments, Path::new("/"), &plain);
            assert_eq!(read_clean(&bytes), wanted, "{tool} {arguments:?}");
        }
    }
}

#[test]
fn compressed_forms_that_the_kernel_refuses_are_named() {
    let plain = packed(&sample(), Compression::None);
    let writers: [(&str, &[&str], &str); 2] =
        [("xz", &["-c"], "--check=crc32"), ("lz4", &["-qc"], "neither")];
    for (tool, arguments, expected) in writers {
        if referee(tool) {
            let (_, summary) = read(&run(tool, arguments, Path::new("/"), &plain));
            let told = summary.problems.last().map(ToString::to_string).unwrap_or_default();
            assert!(told.contains(expected), "{tool} {arguments:?}: {told}");
        }
    }
}

#[test]
fn gnu_cpio_and_bsdcpio_unpack_hard_links_as_one_file() {
    for tool in ["cpio", "bsdcpio"] {
        if !referee(tool) {
            continue;
        }
        let mut manifest = initramfs::Manifest::new();
        manifest.add("b", initramfs::Entry::bytes(0o644, "content")).unwrap();
        manifest.add("a", initramfs::Entry::hardlink("b")).unwrap();
        manifest.add("d/c", initramfs::Entry::hardlink("b")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        run(tool, &["-id", "--quiet"], folder.path(), &packed(&manifest, Compression::None));
        let inode = |name| fs::metadata(folder.path().join(name)).unwrap().ino();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"content", "{tool}");
        assert_eq!((inode("a"), inode("a")), (inode("b"), inode("d/c")), "{tool}");
    }
}

#[test]
fn gzip_and_xz_accept_the_padding_of_an_image() {
    // zstd and lz4 do not: an image is not a compressed file.
    for compression in [Compression::Gzip { level: 6 }, Compression::Xz { level: 6 }] {
        if referee(compression.name()) {
            let segment = packed(&sample(), compression);
            let mut image = Vec::new();
            initramfs::write_image(&[initramfs::Segment::Bytes(&segment)], &mut image).unwrap();
            run(compression.name(), &["-tq"], Path::new("/"), &image);
        }
    }
}
