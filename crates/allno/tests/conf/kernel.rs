//! A kernel whose tree uses `allno conf` from its first configuration to its last object, and one that uses the C tool: the same
//! bytes, and the same files that kbuild decides by.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::common::{compiler_cache, referee};
use crate::tree::{allno_conf, both, executable, linux_6_12, plain_environment, run};

const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);
/// Enough to start a program and say something, and a module, so that modules.* of include/config are there too.
const FRAGMENT: &str = "CONFIG_64BIT=y\nCONFIG_PRINTK=y\nCONFIG_TTY=y\nCONFIG_SERIAL_8250=y\nCONFIG_SERIAL_8250_CONSOLE=y\n\
                        CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_MODULES=y\nCONFIG_CRC4=m\n";

/// What allno puts before ccache when it builds a kernel of a release.
const BEFORE_CCACHE: &str = include_str!("../../../engine/src/build/ccache.sh");

struct Build {
    source: PathBuf,
    objects: PathBuf,
    /// Holds [`BEFORE_CCACHE`].
    programs: PathBuf,
}

impl Build {
    fn make(&self, environment: &[(&str, &Path)], words: &[&str]) -> String {
        let mut command = Command::new("make");
        command.env_clear().envs(plain_environment()).envs(environment.iter().copied());
        command.env("KBUILD_BUILD_TIMESTAMP", "Sat Nov 14 12:56:01 UTC 2026");
        command.envs([("KBUILD_BUILD_USER", "a"), ("KBUILD_BUILD_HOST", "b"), ("KBUILD_BUILD_VERSION", "1")]);
        command.env("CCACHE_DIR", compiler_cache());
        if let Some(ccache) = base::process::find("ccache") {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path = base::process::path_with(self.programs.clone(), &path).unwrap();
            command.env("PATH", path).env("ALLNO_CCACHE", ccache);
        }
        command.arg("-C").arg(&self.source).arg(format!("O={}", self.objects.display()));
        command.args(["ARCH=x86_64", &format!("CC={}", compiler())]).args(words);
        let output = run(&mut command, BUILD_LIMIT);
        assert!(output.status.success(), "{words:?}:\n{}", both(&output));
        both(&output)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.objects.join(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
    }
}

fn compiler() -> &'static str {
    if base::process::find("ccache").is_some() { "ccache gcc" } else { "gcc" }
}

/// The files below include/config, by which kbuild sees what changed.
fn touched(build: &Build) -> Vec<String> {
    let folder = build.objects.join("include/config");
    let text = referee("find", &[folder.to_str().unwrap(), "-type", "f", "-printf", "%P\n"]);
    let mut names: Vec<String> = text.lines().map(str::to_string).collect();
    names.sort();
    names
}

#[test]
fn a_kernel_configured_by_allno_conf_is_the_same() {
    let pair = Pair::configured(FRAGMENT.as_bytes());
    let files = ["include/generated/rustc_cfg", "lib/crc4.ko"];
    pair.build_and_compare(&["bzImage", "modules"], &files);
    edited(&pair);
    // The first configuration brings include/config along; syncconfig comes with the edit.
    let asked = std::fs::read_to_string(&pair.asked).unwrap();
    assert!(asked.contains("--allnoconfig Kconfig") && asked.contains("--syncconfig Kconfig"), "{asked}");
}

/// The kernel of the default node, configured from what that node's configuration says.
#[test]
#[ignore = "two whole kernels; by hand: cargo test -p allno --test conf -- --ignored"]
fn the_nodes_kernel_configured_by_allno_conf_is_the_same() {
    let project = crate::common::Project::new("");
    let built = project.allno(&["build", "--json"]).run().ok().json();
    let config = std::fs::read(crate::common::path(&built, "config")).unwrap();
    let pair = Pair::configured(&config);
    // allno build hides a person's own compilers, rustc too.
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        text.lines().filter(|line| !line.contains("RUST")).map(str::to_string).collect()
    };
    assert_eq!(lines(&pair.ours.read(".config")), lines(&config));
    pair.build_and_compare(&["bzImage"], &[]);
}

/// Two object trees of one source: one whose conf is the C tool, one whose conf is `allno conf`.
struct Pair {
    referee: Build,
    ours: Build,
    store: PathBuf,
    /// Where ours writes down how it was called: proof that make used it.
    asked: PathBuf,
    folder: tempfile::TempDir,
}

impl Pair {
    /// Both configured by allnoconfig with this file as KCONFIG_ALLCONFIG.
    fn configured(config: &[u8]) -> Pair {
        let tree = linux_6_12();
        let folder = tempfile::tempdir().unwrap();
        let fragment = folder.path().join("fragment");
        std::fs::write(&fragment, config).unwrap();
        let asked = folder.path().join("asked");
        let programs = folder.path().join("programs");
        std::fs::create_dir(&programs).unwrap();
        executable(&programs.join("ccache"), BEFORE_CCACHE);
        let build = |name: &str, conf: &str| {
            let objects = tree.objects_with_conf(&folder.path().join(name), conf);
            Build { source: tree.source.clone(), objects, programs: programs.clone() }
        };
        let referee = build("c", &format!("#!/bin/sh\nexec {} \"$@\"\n", tree.conf.display()));
        let noted =
            allno_conf().replace("#!/bin/sh\n", &format!("#!/bin/sh\necho \"$*\" >>{}\n", asked.display()));
        let ours = build("allno", &noted);
        let pair = Pair { referee, ours, store: folder.path().join("store"), asked, folder };
        pair.make(&[("KCONFIG_ALLCONFIG", &fragment)], &["allnoconfig"]);
        pair
    }

    /// What make says in either, at the same time: the referee's first.
    fn make(&self, environment: &[(&str, &Path)], words: &[&str]) -> [String; 2] {
        let environment = [environment, &[("ALLNO_STORE", self.store.as_path())]].concat();
        let environment = environment.as_slice();
        std::thread::scope(|scope| {
            let ours = scope.spawn(move || self.ours.make(environment, words));
            let referee = self.referee.make(environment, words);
            [referee, ours.join().expect("ours is made, too")]
        })
    }

    /// Makes these targets in both; kernel, configuration and `files` must have the same bytes.
    fn build_and_compare(&self, targets: &[&str], files: &[&str]) {
        // One after the other: with an empty compiler cache the second finds what the first compiled.
        for build in [&self.referee, &self.ours] {
            build.make(&[("ALLNO_STORE", &self.store)], &[&[jobs().as_str()], targets].concat());
        }
        let always = [
            ".config",
            "include/generated/autoconf.h",
            "include/config/auto.conf",
            "include/config/auto.conf.cmd",
            "arch/x86/boot/bzImage",
            "vmlinux",
        ];
        for file in always.iter().chain(files) {
            let same = self.referee.read(file) == self.ours.read(file);
            assert!(same, "{file} differs in {}", self.folder.path().display());
        }
        assert_eq!(touched(&self.referee), touched(&self.ours));
        let asked = std::fs::read_to_string(&self.asked).unwrap();
        assert!(asked.contains("--allnoconfig Kconfig"), "{asked}");
    }
}

/// As many as there are processors, as make is told.
fn jobs() -> String {
    format!("-j{}", std::thread::available_parallelism().map_or(1, usize::from))
}

/// An option is turned off: make builds the same objects again with either, and the same kernel.
fn edited(pair: &Pair) {
    let Pair { referee, ours, .. } = pair;
    for build in [referee, ours] {
        let config = String::from_utf8(build.read(".config")).unwrap();
        assert!(config.contains("CONFIG_CRC4=m\n"), "{config}");
        std::fs::write(build.objects.join(".config"), config.replace("CONFIG_CRC4=m\n", "CONFIG_CRC4=y\n"))
            .unwrap();
    }
    let logs = pair.make(&[], &[&jobs(), "bzImage", "modules"]).map(|log| {
        let mut built: Vec<String> =
            log.lines().filter(|line| line.starts_with("  ")).map(str::to_string).collect();
        built.sort();
        built
    });
    assert_eq!(logs[0], logs[1]);
    assert!(logs[0].iter().any(|line| line.ends_with("lib/crc4.o")), "{:?}", logs[0]);
    assert!(!logs[0].iter().any(|line| line.ends_with("init/main.o")), "{:?}", logs[0]);
    for file in [".config", "include/config/auto.conf", "vmlinux", "arch/x86/boot/bzImage"] {
        assert!(referee.read(file) == ours.read(file), "{file} differs after the edit");
    }
}
