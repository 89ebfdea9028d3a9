//! What conf says, and in which order: both streams into one pipe, as a log gets them, against the C tool.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::wait;
use crate::tree::{Tree, linux_6_1, linux_6_12};

const KCONFIG: &str = r#"mainmenu "A sample"
$(warning-if,y,a warning)
$(info,some information)
config A
	bool "a question"
	help
	  A help text.
config N
	int "a number"
	range 1 10
config S
	string "a text"
	default "$(shell,echo from a shell)"
config H
	hex "a hex number"
	default 0x10
choice
	prompt "one of"
config C1
	bool "the first"
config C2
	bool "the second"
endchoice
config X
	bool "x"
	select Y
config Y
	bool "y"
	depends on A
"#;

/// Arguments, and what is typed.
const CASES: &[(&[&str], &str)] = &[
    (&["--oldaskconfig"], "y\n?\n5\nfoo\n\n2\n\n\n\n"),
    (&["--oldconfig"], "n\n?\n11\n3\n\n\n0x\n1\ny\nn\n"),
    (&[], "y\n"),
    (&["--syncconfig"], "y\n2\n\n\n\n\n\n"),
    (&["--allyesconfig"], ""),
    (&["-s", "--allyesconfig"], ""),
    (&["--alldef", "-s"], ""),
    (&["--listnewconfig"], ""),
    (&["--helpnewconfig"], ""),
    (&["--randconfig"], ""),
    (&["--olddefconfig"], ""),
    (&["--defconfig=none"], ""),
    (&["--savedefconfig", "out.config"], ""),
    (&["--savedefconfig=no/such/folder"], ""),
    (&["--all"], ""),
    (&["--no-such-mode"], ""),
    (&["-x"], ""),
    (&["--defconfig"], ""),
    (&["--help"], ""),
    (&["-h"], ""),
    (&["--"], ""),
];

/// All that can be seen of one run: exit code, both streams as they came, and every file it left.
fn seen(tree: &Tree, conf: &Path, arguments: &[&str], typed: &str, kconfig: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("work");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("Kconfig"), KCONFIG).unwrap();
    let log = folder.path().join("log");
    let file = File::create(&log).unwrap();
    let mut command = Command::new(conf);
    command.current_dir(&inside).args(arguments).args(kconfig);
    command.env("KERNELVERSION", &tree.version).env("KCONFIG_SEED", "5");
    command.env("ALLNO_STORE", folder.path().join("store"));
    for name in ["KCONFIG_CONFIG", "KCONFIG_ALLCONFIG", "KCONFIG_DEFCONFIG_LIST", "srctree"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file);
    let mut child = command.spawn().unwrap();
    // Whoever asks nothing may have ended before it could read.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    let output = wait(child, Duration::from_secs(60));
    let said = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
    let mut seen = format!("exit {:?}\n{said}", output.status.code());
    let mut folders = vec![inside.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { folders.push(entry) } else { files.push(entry) }
        }
    }
    files.sort();
    for file in files {
        let name = file.strip_prefix(&inside).unwrap().display();
        seen.push_str(&format!("--- {name}\n{}", String::from_utf8_lossy(&std::fs::read(&file).unwrap())));
    }
    seen
}

/// Ours goes by the same name from the same place, as it is told in messages.
fn compare(tree: &Tree) {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("conf");
    let with = |binary: &Path| {
        let _ = std::fs::remove_file(&conf);
        std::os::unix::fs::symlink(binary, &conf).unwrap();
        let mut all = Vec::new();
        for (arguments, typed) in CASES {
            for kconfig in [Some("Kconfig"), Some("missing"), None] {
                all.push(seen(tree, &conf, arguments, typed, kconfig));
            }
        }
        all
    };
    let theirs = with(&tree.conf);
    let ours = with(Path::new(env!("CARGO_BIN_EXE_allno")));
    let kinds: std::collections::BTreeSet<&String> = theirs.iter().collect();
    assert!(kinds.len() > CASES.len(), "the referee says too little: {}", kinds.len());
    for (index, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
        let (arguments, typed) = CASES[index / 3];
        assert_eq!(theirs, ours, "{arguments:?} {typed:?} of {}, file {} (left: C)", tree.version, index % 3);
    }
}

#[test]
fn conf_says_what_the_c_tool_says_6_1() {
    compare(linux_6_1());
}

#[test]
fn conf_says_what_the_c_tool_says_6_12() {
    compare(linux_6_12());
}
