//! The house rules of ARCHITECTURE.md that a program can check: who may import whom, and how long a file may be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Crate, and those of ours it may import. ARCHITECTURE.md says why.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("disk", &[]),
    ("explain", &["kconfig"]),
    ("initramfs", &[]),
    ("kconfig", &[]),
    ("ktree", &[]),
    ("menu", &["kconfig"]),
    ("need", &["kconfig"]),
    ("netboot", &[]),
    ("store", &["base"]),
    ("machine", &["base", "ktree"]),
    ("engine", &["base", "disk", "explain", "initramfs", "kconfig", "ktree", "machine", "netboot", "store"]),
    (
        "allno",
        &["base", "engine", "explain", "initramfs", "kconfig", "ktree", "machine", "menu", "need", "store"],
    ),
    ("bench", &["base", "engine", "store"]),
    ("xtask", &["base", "engine", "explain", "kconfig", "need", "store"]),
];
const LONGEST_FILE: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn crates() -> Vec<(String, PathBuf)> {
    let mut found: Vec<_> = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), path))
        .collect();
    found.sort();
    found
}

#[test]
fn crates_import_only_what_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    for (name, path) in crates() {
        let may = allowed
            .get(name.as_str())
            .unwrap_or_else(|| panic!("{name} is not in MAY_IMPORT and ARCHITECTURE.md"));
        let manifest: toml::Table =
            std::fs::read_to_string(path.join("Cargo.toml")).unwrap().parse().unwrap();
        let Some(dependencies) = manifest.get("dependencies").and_then(|it| it.as_table()) else { continue };
        for dependency in dependencies.keys().filter(|it| allowed.contains_key(it.as_str())) {
            assert!(may.contains(&dependency.as_str()), "{name} may not import {dependency}");
        }
    }
}

#[test]
fn every_crate_and_dependency_stands_in_the_architecture() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    for name in dependencies.keys() {
        assert!(text.contains(&format!("`{name}`")), "ARCHITECTURE.md gives no reason for {name}");
    }
    for (name, _) in crates() {
        assert!(text.contains(&format!("`{name}`")), "ARCHITECTURE.md has no line on the crate {name}");
    }
}

#[test]
fn files_can_be_held_in_the_head() {
    for (name, path) in crates() {
        let mut folders = vec![path.join("src"), path.join("tests")];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries.map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if entry.extension().is_some_and(|it| it == "rs") {
                    let lines = std::fs::read_to_string(&entry).unwrap().lines().count();
                    assert!(lines <= LONGEST_FILE, "{name}: {} has {lines} lines", entry.display());
                }
            }
        }
    }
}

/// Leaf crates, and explain, touch no clock, no environment and no network, so that a corpus can test them whole.
#[test]
fn leaves_are_pure() {
    const FORBIDDEN: &[&str] =
        &["std::env::", "std::time::", "std::net::Tcp", "std::net::Udp", "std::process::"];
    for leaf in ["disk", "explain", "initramfs", "kconfig", "ktree", "netboot"] {
        for entry in std::fs::read_dir(root().join("crates").join(leaf).join("src")).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for word in FORBIDDEN {
                assert!(!code.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

/// A test of the whole command that `make test` leaves out proves nothing.
#[test]
fn make_test_runs_every_test_of_the_command() {
    let script = std::fs::read_to_string(root().join(".ci/test")).unwrap();
    for entry in
        std::fs::read_dir(root().join("crates/allno/tests")).unwrap().map(|entry| entry.unwrap().path())
    {
        let name = entry.file_stem().unwrap().to_string_lossy().into_owned();
        let is_test = entry.extension().is_some() || entry.join("main.rs").is_file();
        let word = format!("--test {name}");
        let named = script.lines().any(|line| line.ends_with(&word) || line.contains(&format!("{word} ")));
        assert!(!is_test || named, ".ci/test does not run {name}");
    }
}
