//! The tools that judge what we read and write.
#![allow(clippy::disallowed_methods)] // Tests run their referees themselves.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether `tool` may be used. A missing referee fails the test unless ALLNO_SKIP_REFEREES=1.
pub fn referee(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let skip = std::env::var_os("ALLNO_SKIP_REFEREES").is_some_and(|value| value == "1");
    assert!(
        found.is_ok() || skip,
        "{tool} is missing: install it, or set ALLNO_SKIP_REFEREES=1 to do without"
    );
    found.is_ok()
}

/// 3cpio: the one in PATH, else one that cargo installs once beside the tests.
pub fn threecpio() -> Option<PathBuf> {
    static FOUND: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    let find = || {
        if Command::new("3cpio").arg("--version").stdout(Stdio::null()).status().is_ok() {
            return Some("3cpio".into());
        }
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("threecpio");
        let binary = root.join("bin/3cpio");
        if !binary.exists() {
            let install = ["install", "--quiet", "--locked", "threecpio", "--root"];
            let _ = Command::new(env!("CARGO")).args(install).arg(&root).status();
        }
        let skip = std::env::var_os("ALLNO_SKIP_REFEREES").is_some_and(|value| value == "1");
        assert!(binary.exists() || skip, "cargo install threecpio, or set ALLNO_SKIP_REFEREES=1");
        binary.exists().then_some(binary)
    };
    FOUND.get_or_init(find).clone()
}
