//! The kernel's own pytest suite for conf, scripts/kconfig/tests.

use std::process::Command;

use crate::tree::{LIMIT, Tree, allno_conf, both, executable, linux_6_1, linux_6_12, run};

/// Runs the suite with `conf` at scripts/kconfig/conf of the folder it runs in, where its conftest.py looks for it. How many
/// cases passed; all must.
fn passed(tree: &Tree, prepare: impl Fn(&std::path::Path)) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("conf");
    prepare(&conf);
    std::fs::create_dir_all(folder.path().join("scripts/kconfig")).unwrap();
    executable(&folder.path().join("scripts/kconfig/conf"), &with_patient_input(&conf));
    let mut command = Command::new("pytest-3");
    command.current_dir(folder.path()).args(["-p", "no:cacheprovider", "--color=no"]);
    command.arg(tree.source.join("scripts/kconfig/tests"));
    // The tree belongs to the store; KERNELVERSION is how a tree's Makefile tells which dialect it is.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("KERNELVERSION", &tree.version);
    command.env("ALLNO_STORE", folder.path().join("store"));
    let output = run(&mut command, LIMIT);
    let text = both(&output);
    assert!(output.status.success(), "{} of {}:\n{text}", conf.display(), tree.version);
    let last = text.lines().rev().find(|line| line.contains(" passed")).unwrap_or_else(|| panic!("{text}"));
    let count = last.trim_matches(['=', ' ']).split(' ').next().and_then(|word| word.parse().ok());
    count.unwrap_or_else(|| panic!("{text}"))
}

/// A script that runs `conf` and leaves somebody at its input. The suite types Enter until it sees that conf has ended, and a conf
/// that ended since it last looked breaks its pipe: with the C tool 2 of 2,500 times on a busy machine.
fn with_patient_input(conf: &std::path::Path) -> String {
    // A shell gives /dev/null to what it starts with `&`, so the input has another number for a moment.
    format!(
        "#!/bin/sh\nexec 3<&0\n\"{}\" \"$@\" 3<&-\nstatus=$?\ncat <&3 >/dev/null 2>&1 &\nexit $status\n",
        conf.display()
    )
}

/// As many cases pass with ours as with the C tool of the same tree.
fn compare(tree: &Tree) {
    let referee = passed(tree, |conf| assert!(std::fs::copy(&tree.conf, conf).unwrap() > 0));
    assert!(referee > 10, "only {referee} cases");
    assert_eq!(passed(tree, |conf| executable(conf, &allno_conf())), referee);
    // A link by that name will do as well.
    let link =
        |conf: &std::path::Path| std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_allno"), conf).unwrap();
    assert_eq!(passed(tree, link), referee);
}

#[test]
fn the_kernels_own_suite_passes_6_1() {
    compare(linux_6_1());
}

#[test]
fn the_kernels_own_suite_passes_6_12() {
    compare(linux_6_12());
}
