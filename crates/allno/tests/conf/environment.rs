//! The environment we make for a tree, against the one its Makefile makes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base::Cancel;
use engine::kconfig_host::{Environment, Tree as Asked, tree_host};

use crate::tree::{Tree, executable, linux_6_1, linux_6_12, make, plain_environment};

/// Stands for conf: keeps the environment it was started with.
const DUMP: &str = "#!/bin/sh\nenv -0 > environment.dump\n";

/// What Kconfig files and the scripts they run may look at beside what we make: it must be unset when ours is.
const VISIBLE: [&str; 14] = [
    "SUBARCH",
    "HEADER_ARCH",
    "CLANG_FLAGS",
    "USERCFLAGS",
    "USERLDFLAGS",
    "CROSS_COMPILE_COMPAT",
    "RUSTC_VERSION_TEXT",
    "LC_ALL",
    "CONFIG_",
    "KCONFIG_WERROR",
    "KCONFIG_WARN_UNKNOWN_SYMBOLS",
    "KRUSTFLAGS",
    "RUST_LIB_SRC",
    "abs_srctree",
];

/// The environment that make gives to conf.
fn of_make(tree: &Tree, objects: &Path, arch: &str, words: &[&str]) -> Environment {
    let file = objects.join("environment.dump");
    let _ = std::fs::remove_file(&file);
    make(&tree.source, objects, arch, &[words, &["allnoconfig"]].concat());
    let dump = std::fs::read(&file).expect("make started conf");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    dump.split(|byte| *byte == 0)
        .filter_map(|item| {
            let at = item.iter().position(|byte| *byte == b'=')?;
            Some((text(&item[..at]), text(&item[at + 1..])))
        })
        .collect()
}

/// Compares every variable we made or that Kconfig could see; unset and empty are the same to make and to Kconfig.
fn compare(tree: &Tree, objects: &Path, arch: &str, words: &[(&str, &str)]) {
    let base: Environment = plain_environment().into_iter().collect();
    let typed: Vec<String> = words.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
    let made_by_make = of_make(tree, objects, arch, &typed);
    let variables: Vec<(String, String)> =
        words.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let asked = Asked { source: &tree.source, objects, arch, variables: &variables };
    let host = tree_host(&asked, base.clone(), None, &Cancel::new()).unwrap();
    let ours = host.variables();
    let mut names: BTreeSet<String> = VISIBLE.iter().map(|name| name.to_string()).collect();
    let changed = ours.iter().filter(|(name, value)| base.get(&name.to_string_lossy()) != Some(*value));
    names.extend(changed.map(|(name, _)| name.to_string_lossy().into_owned()));
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        let (theirs, ours) = (made_by_make.filled(&name), ours.filled(&name));
        assert_eq!(theirs, ours, "{name} of {} {arch} {typed:?} (left: make)", tree.version);
    }
}

fn compare_all(tree: &Tree, special: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let objects = tree.objects_with_conf(&folder.path().join("objects"), DUMP);
    for arch in
        ["x86_64", "i386", "x86", "arm64", "sparc64", "parisc64", "powerpc", "mips", "loongarch", "um"]
    {
        compare(tree, &objects, arch, &[]);
    }
    for arch in special {
        compare(tree, &objects, arch, &[]);
    }
    compare(tree, &objects, "riscv", &[("CROSS_COMPILE", "riscv64-linux-gnu-"), ("HOSTCC", "gcc")]);
    compare(tree, &objects, "x86_64", &[("CC", "gcc"), ("LD", "ld.bfd"), ("PAHOLE", "none")]);
    // A compiler that only says it is clang.
    let clang = pretended_clang(folder.path());
    compare(tree, &objects, "x86_64", &[("CC", clang.to_str().unwrap())]);
    compare(tree, &objects, "arm64", &[("CC", clang.to_str().unwrap()), ("LLVM_IAS", "1")]);
}

fn pretended_clang(folder: &Path) -> PathBuf {
    let path = folder.join("clang");
    executable(
        &path,
        "#!/bin/sh\ncase \" $* \" in *' --version '*) echo 'clang version 15.0.6 #1' ;; esac\n",
    );
    path
}

#[test]
fn the_environment_is_that_of_the_makefile_6_1() {
    compare_all(linux_6_1(), &["ia64", "arm", "alpha"]);
}

#[test]
fn the_environment_is_that_of_the_makefile_6_12() {
    compare_all(linux_6_12(), &["arc", "m68k", "s390", "sh"]);
}
