//! What we pack, read by the tools of the field.
#![allow(clippy::disallowed_methods)] // Tests run their referees themselves.

mod common;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{packed, sample};
use initramfs::{COMPRESSIONS, Compression};

/// Whether `tool` may be used. A missing referee fails the test unless ALLNO_SKIP_REFEREES=1.
fn referee(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok();
    let skip = std::env::var_os("ALLNO_SKIP_REFEREES").is_some_and(|value| value == "1");
    assert!(found || skip, "{tool} is missing: install it, or set ALLNO_SKIP_REFEREES=1 to do without");
    found
}

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
-rwsr-xr-x   3 0        0            5001 Jan  1  1970 bin/sh
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
