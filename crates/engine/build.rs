//! Embeds the data folders (recipes, rungs, machines, node, ladder, disk, distributions), so that the binary works from anywhere and a new
//! data file needs no code.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(env("CARGO_MANIFEST_DIR")).join("../..");
    let mut code = String::new();
    for folder in ["recipes", "rungs", "machines", "node", "ladder", "disk", "distributions"] {
        embed(&mut code, &folder.to_uppercase(), &root.join(folder));
    }
    std::fs::write(PathBuf::from(env("OUT_DIR")).join("data.rs"), code).expect("OUT_DIR is writable");
}

fn env(name: &str) -> String {
    println!("cargo:rerun-if-env-changed={name}");
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

/// `pub const NAME: &[(&str, &str)]`: file name and content of each file in `folder`, sorted.
fn embed(code: &mut String, constant: &str, folder: &Path) {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|cause| panic!("{}: {cause}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|extension| extension != "md"))
        .collect();
    files.sort();
    writeln!(code, "pub(crate) const {constant}: &[(&str, &str)] = &[").expect("a string takes all");
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).expect("data files have plain names");
        let path = file.canonicalize().expect("it was just listed");
        writeln!(code, "    ({name:?}, include_str!({:?})),", path.to_str().expect("a UTF-8 path"))
            .expect("a string takes all");
    }
    writeln!(code, "];").expect("a string takes all");
}
