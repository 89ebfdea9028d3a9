use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::kconfig_diff::corpus::{Part, Start, Typed};

fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The C tool is a script too; it cannot read Kconfig once, so that every run of it starts afresh.
fn ground(folder: &Path, theirs: &str, ours: &str) -> Ground {
    Ground {
        conf: script(folder, "theirs.sh", theirs),
        many: script(folder, "many.sh", "exit 1"),
        other: Other::Conf(script(folder, "ours.sh", ours)),
        environments: vec![vec![("ARCH".into(), "x86".into())]],
        tree: folder.to_path_buf(),
        scratch: folder.join("scratch"),
        limit: Duration::from_secs(20),
        kept: AtomicUsize::new(0),
        kept_messages: AtomicUsize::new(0),
    }
}

fn compare(ground: &Ground) -> Compared {
    Worker::new(ground, ground.tree.join("work")).compare(&unit(), &Cancel::new()).unwrap()
}

fn step(name: &str, start: Start) -> Step {
    Step {
        name: name.into(),
        arguments: vec![format!("--{name}")],
        environment: Vec::new(),
        start,
        typed: Typed::Nothing,
        prints: false,
        writes_headers: false,
    }
}

/// A random configuration, then olddefconfig on it.
fn unit() -> Unit {
    let steps = vec![step("randconfig", Start::Nothing), step("olddefconfig", Start::First(".config"))];
    Unit { name: "x86/random/1".into(), architecture: 0, part: Part::Random, fresh: true, steps }
}

fn is_identical(compared: &Compared) -> bool {
    compared.steps.iter().all(|step| step.answer)
}

/// Writes a .config on randconfig, adds a line to it on olddefconfig.
const CONF: &str = r##"case $1 in
--randconfig) echo "CONFIG_A=y" > .config; echo "# $ARCH" >> .config ;;
--olddefconfig) echo "CONFIG_B=m" >> .config ;;
esac"##;

#[test]
fn the_same_tool_on_both_sides_is_identical() {
    let folder = tempfile::tempdir().unwrap();
    let compared = compare(&ground(folder.path(), CONF, CONF));
    assert!(is_identical(&compared) && compared.steps.iter().all(|step| step.messages));
    assert_ne!(compared.steps[0].digest, compared.steps[1].digest);
}

#[test]
fn a_wrong_value_is_found_and_the_next_step_starts_from_the_c_tools_file() {
    let folder = tempfile::tempdir().unwrap();
    let compared = compare(&ground(folder.path(), CONF, &CONF.replace("CONFIG_A=y", "CONFIG_A=m")));
    assert!(!compared.steps[0].answer && compared.steps[1].answer && compared.steps[0].messages);
    let shown = compared.steps[0].difference.join("\n");
    assert!(shown.contains("  - CONFIG_A=y\n  + CONFIG_A=m"), "{shown}");
    assert!(shown.contains("--unit x86/random/1"), "{shown}");
    let kept = folder.path().join("scratch/different/x86+random+1/randconfig/ours/.config");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "CONFIG_A=m\n# x86\n");
}

#[test]
fn exit_codes_messages_and_headers_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let compared = |change: &str| compare(&ground(folder.path(), CONF, &format!("{CONF}\n{change}")));
    assert!(!is_identical(&compared("exit 1")));
    assert!(!is_identical(&compared("touch include/config/NET")));
    let said = compared("echo '# configuration written' >&2");
    assert!(is_identical(&said) && said.steps.iter().all(|step| !step.messages));
}

#[test]
fn a_hang_is_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    let mut ground = ground(folder.path(), CONF, "exec sleep 60");
    ground.limit = Duration::from_millis(300);
    let compared = compare(&ground);
    assert!(compared.steps[0].difference[0].contains("did not end"), "{:?}", compared.steps[0].difference);
}

#[test]
fn a_c_tool_that_prints_without_end_is_nothing_to_compare_with() {
    let folder = tempfile::tempdir().unwrap();
    let compared = compare(&ground(folder.path(), "kill -XFSZ $$", CONF));
    assert!(compared.steps[0].endless && !compared.steps[0].answer);
    let both = compare(&ground(folder.path(), "kill -XFSZ $$", "kill -XFSZ $$"));
    assert!(!both.steps[0].endless && both.steps[0].answer);
}

#[test]
fn the_same_lines_in_another_order_differ() {
    let shown = different_lines(".config", b"A\nB\nC\n", b"A\nC\nB\n").join("\n");
    assert_eq!(shown, ".config, line 2: - conf, + the other\n  - B (the same lines in another order)\n  + C");
}
