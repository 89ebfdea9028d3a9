//! What the linter finds, on archives with one thing wrong each, and what it leaves alone.

use initramfs::{Compression, Entry, Finding, Manifest, Severity, lint, pack};

/// A 64-bit little-endian ELF header for x86-64, with a loader if one is named.
fn elf(class: u8, loader: Option<&str>) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0];
    bytes.extend(if class == 2 { 62_u16 } else { 3 }.to_le_bytes());
    bytes.resize(32, 0);
    if class == 1 {
        bytes.resize(64, 0);
        return bytes;
    }
    bytes.extend(64_u64.to_le_bytes());
    bytes.resize(54, 0);
    bytes.extend(56_u16.to_le_bytes());
    bytes.extend(u16::from(loader.is_some()).to_le_bytes());
    bytes.resize(64, 0);
    if let Some(loader) = loader {
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(120_u64.to_le_bytes());
        bytes.resize(96, 0);
        bytes.extend(((loader.len() + 1) as u64).to_le_bytes());
        bytes.resize(120, 0);
        bytes.extend(loader.as_bytes());
        bytes.push(0);
    }
    bytes
}

fn archive(files: &[(&str, Entry)]) -> Vec<u8> {
    let mut manifest = Manifest::new();
    for (path, entry) in files {
        manifest.add(path, entry.clone()).unwrap();
    }
    let mut out = Vec::new();
    pack(&manifest, Compression::Gzip { level: 6 }, &mut out).unwrap();
    out
}

fn shell() -> (&'static str, Entry) {
    ("bin/sh", Entry::bytes(0o755, elf(2, None)))
}

fn script(text: &str) -> (&'static str, Entry) {
    ("init", Entry::bytes(0o755, text))
}

fn found_with(archive: &[u8], options: &[(&str, &str)]) -> Vec<Finding> {
    let value = |name: &str| options.iter().find(|(it, _)| *it == name).map(|(_, value)| value.to_string());
    let options: Option<initramfs::Options> = if options.is_empty() { None } else { Some(&value) };
    lint(archive, b"/init", options, || false).unwrap()
}

fn codes(archive: &[u8], options: &[(&str, &str)]) -> Vec<&'static str> {
    found_with(archive, options).iter().map(|finding| finding.code).collect()
}

/// A kernel that can do all that these archives want.
const ABLE: &[(&str, &str)] = &[
    ("BLK_DEV_INITRD", "y"),
    ("RD_GZIP", "y"),
    ("BINFMT_ELF", "y"),
    ("BINFMT_SCRIPT", "y"),
    ("64BIT", "y"),
    ("X86", "y"),
    ("INITRAMFS_SOURCE", "\"\""),
];

fn able_but(without: &str) -> Vec<(&'static str, &'static str)> {
    ABLE.iter().copied().filter(|(name, _)| *name != without).collect()
}

#[test]
fn a_sound_archive_has_no_findings() {
    let sound = archive(&[script("#!/bin/sh\nexec sh\n"), shell()]);
    assert!(found_with(&sound, &[]).is_empty());
    assert!(found_with(&sound, ABLE).is_empty());
    // By a link, and with a loader that is there.
    let sound = archive(&[
        ("init", Entry::symlink("sbin/start")),
        ("sbin/start", Entry::bytes(0o755, elf(2, Some("/lib64/ld.so")))),
        ("lib64/ld.so", Entry::bytes(0o755, elf(2, None))),
    ]);
    assert!(found_with(&sound, ABLE).is_empty(), "{:?}", found_with(&sound, ABLE));
}

#[test]
fn what_keeps_init_from_starting() {
    for (files, expected) in [
        (vec![shell()], "no-init"),
        (vec![("init", Entry::symlink("nowhere"))], "no-init"),
        (vec![("init", Entry::directory(0o755))], "init-no-file"),
        (vec![script("")], "init-empty"),
        (vec![("init", Entry::bytes(0o644, "#!/bin/sh\n")), shell()], "not-executable"),
        (vec![script("echo up\n"), shell()], "no-shebang"),
        (vec![script("#!/bin/sh\r\necho up\r\n"), shell()], "carriage-return"),
        (vec![script("#!/bin/bash\n"), shell()], "no-interpreter"),
        (vec![script("#!/bin/sh\n"), ("bin/sh", Entry::bytes(0o644, elf(2, None)))], "not-executable"),
        (vec![script("#!/bin/sh\n"), ("bin/sh", Entry::symlink("busybox"))], "no-interpreter"),
        (vec![script("#!/init\n")], "loop"),
        (vec![("init", Entry::bytes(0o755, elf(2, Some("/lib64/ld.so"))))], "no-loader"),
    ] {
        let found = found_with(&archive(&files), &[]);
        assert_eq!(found[0].code, expected, "{found:?}");
        assert_eq!(found[0].severity, Severity::Error);
        assert!(!found[0].remedy.is_empty());
    }
}

#[test]
fn what_the_kernel_lacks() {
    let sound = archive(&[script("#!/bin/sh\n"), shell()]);
    for (without, expected) in [
        ("BLK_DEV_INITRD", "no-initrd"),
        ("RD_GZIP", "compression"),
        ("BINFMT_SCRIPT", "no-script"),
        ("BINFMT_ELF", "wrong-elf"),
        ("64BIT", "wrong-elf"),
    ] {
        assert_eq!(codes(&sound, &able_but(without)), [expected], "without {without}");
    }
    let narrow = archive(&[("init", Entry::bytes(0o755, elf(1, None)))]);
    assert_eq!(codes(&narrow, ABLE), ["wrong-elf"]);
    let emulating = [ABLE, &[("IA32_EMULATION", "y")]].concat();
    assert!(codes(&narrow, &emulating).is_empty());
    let arm: Vec<_> = able_but("X86").into_iter().chain([("ARM64", "y")]).collect();
    assert_eq!(codes(&sound, &arm), ["wrong-elf"]);
}

#[test]
fn another_programs_trouble_is_a_warning() {
    let files = [script("#!/bin/sh\n"), shell(), ("etc/late", Entry::bytes(0o755, "#!/usr/bin/perl\n"))];
    let found = found_with(&archive(&files), ABLE);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].code, found[0].severity), ("no-interpreter", Severity::Warning));
    assert_eq!(found[0].path.as_deref(), Some(&b"etc/late"[..]));
}

#[test]
fn the_console_and_what_brings_it() {
    let sound = [script("#!/bin/sh\n"), shell()];
    let own = [able_but("INITRAMFS_SOURCE").as_slice(), &[("INITRAMFS_SOURCE", "\"my.cpio\"")]].concat();
    assert_eq!(codes(&archive(&sound), &own), ["console"]);
    let wrong = [sound.as_slice(), &[("dev/console", Entry::bytes(0o600, "x"))]].concat();
    assert_eq!(codes(&archive(&wrong), ABLE), ["console"]);
    let right = [sound.as_slice(), &[("dev/console", Entry::character_device(0o600, 5, 1))]].concat();
    assert!(codes(&archive(&right), &own).is_empty());
}

#[test]
fn a_directory_after_its_contents_and_damage() {
    // Written by hand: the manifest would put the directory first.
    let entry = |name: &str, mode: u32, data: &[u8]| {
        let mut bytes = b"070701".to_vec();
        for field in [1, mode, 0, 0, 1, 0, data.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0] {
            bytes.extend(format!("{field:08x}").as_bytes());
        }
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let late = [
        entry("bin/sh", 0o100_755, &elf(2, None)),
        entry("bin", 0o40_755, b""),
        entry("init", 0o100_755, b"#!/bin/sh\n"),
        entry(&"x".repeat(300), 0o100_644, b""),
    ]
    .concat();
    assert_eq!(codes(&late, &[]), ["no-interpreter", "directory-late", "name-too-long"]);
    let cut = &late[..late.len() - 700];
    assert!(codes(cut, &[]).contains(&"damaged"), "{:?}", codes(cut, &[]));
    let mut sound = archive(&[script("#!/bin/sh\n"), shell()]);
    sound.truncate(sound.len() - 9);
    assert_eq!(codes(&sound, &[]), ["damaged"]);
}
