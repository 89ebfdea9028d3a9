//! Kernel trees and the C conf built from each.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::common::{Project, usual_store, wait};

/// Longest run of make for anything but a kernel.
pub const LIMIT: Duration = Duration::from_secs(600);

/// A kernel tree and what was built from it for all tests.
pub struct Tree {
    /// The source, which nobody may write to.
    pub source: PathBuf,
    /// "6.12.117"
    pub version: String,
    /// The C conf.
    pub conf: PathBuf,
    _folder: tempfile::TempDir,
}

/// Linux 6.1: the older dialect, with choices as symbols.
pub fn linux_6_1() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| Tree::of("6.1"))
}

/// Linux 6.12.
pub fn linux_6_12() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| Tree::of("6.12"))
}

impl Tree {
    fn of(series: &'static str) -> Tree {
        let (source, version) = in_store(series).unwrap_or_else(|| {
            // Nothing was built of it yet; a question about its configuration unpacks it.
            let project = Project::new(&format!("[kernel]\nseries = \"{series}\"\n"));
            project.allno(&["config", "why", "PCI"]).run().ok();
            in_store(series).expect("the store holds the source that was just asked about")
        });
        let folder = tempfile::tempdir().unwrap();
        let objects = folder.path().join("objects");
        std::fs::create_dir(&objects).unwrap();
        make(&source, &objects, "x86_64", &["build_config"]);
        let conf = folder.path().join("conf");
        std::fs::rename(objects.join("scripts/kconfig/conf"), &conf).unwrap();
        Tree { source, version, conf, _folder: folder }
    }

    /// A folder for objects in which make takes `script` for its conf: built there by make once, then replaced.
    pub fn objects_with_conf(&self, folder: &Path, script: &str) -> PathBuf {
        let objects = folder.to_path_buf();
        std::fs::create_dir_all(&objects).unwrap();
        make(&self.source, &objects, "x86_64", &["build_config"]);
        let conf = objects.join("scripts/kconfig/conf");
        std::fs::remove_file(&conf).unwrap();
        executable(&conf, script);
        objects
    }
}

/// The unpacked source of a series in the usual store, and its version.
fn in_store(series: &str) -> Option<(PathBuf, String)> {
    let artifacts = std::fs::read_dir(usual_store().join("artifacts")).ok()?;
    let mut found: Vec<(PathBuf, String)> = artifacts
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("linux-source-"))
        .map(|entry| entry.path().join("tree"))
        .filter_map(|tree| Some((tree.clone(), version(&tree)?)))
        // Another test's patched tree has a word in its version.
        .filter(|(_, version)| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
        .filter(|(_, version)| version.starts_with(&format!("{series}.")))
        .collect();
    found.sort();
    found.pop()
}

fn version(tree: &Path) -> Option<String> {
    let makefile = std::fs::read_to_string(tree.join("Makefile")).ok()?;
    let part = |name: &str| {
        let line = makefile.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
        line.map(str::trim)
    };
    let extra = part("EXTRAVERSION").unwrap_or_default();
    Some(format!("{}.{}.{}{extra}", part("VERSION")?, part("PATCHLEVEL")?, part("SUBLEVEL")?))
}

/// The script that stands for `allno conf` at scripts/kconfig/conf.
pub fn allno_conf() -> String {
    format!("#!/bin/sh\nexec {} conf \"$@\"\n", env!("CARGO_BIN_EXE_allno"))
}

pub fn executable(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// This process's environment without what an outer make or a person's own kernel work puts there.
pub fn plain_environment() -> Vec<(OsString, OsString)> {
    const OUTER: [&str; 12] = [
        "MAKEFLAGS",
        "MFLAGS",
        "MAKELEVEL",
        "MAKEOVERRIDES",
        "ARCH",
        "CROSS_COMPILE",
        "LLVM",
        "CC",
        "LD",
        "O",
        "KCONFIG_CONFIG",
        "KBUILD_OUTPUT",
    ];
    std::env::vars_os().filter(|(name, _)| !OUTER.iter().any(|outer| name == outer)).collect()
}

/// Runs make on `source` for `objects`; it must end well.
pub fn make(source: &Path, objects: &Path, arch: &str, words: &[&str]) -> String {
    let mut command = Command::new("make");
    command.env_clear().envs(plain_environment());
    command
        .arg("-C")
        .arg(source)
        .arg(format!("O={}", objects.display()))
        .arg(format!("ARCH={arch}"))
        .args(words);
    let output = run(&mut command, LIMIT);
    let text = both(&output);
    assert!(output.status.success(), "make {words:?} of {} failed:\n{text}", source.display());
    text
}

/// Runs a program to its end.
pub fn run(command: &mut Command, limit: Duration) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|cause| panic!("{command:?} cannot be started: {cause}"));
    wait(child, limit)
}

/// Both streams of a program, as text.
pub fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
