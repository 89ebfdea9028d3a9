//! The command as a person and a program meet it: exit codes, streams, wrong input, help, pages, completions.
#![allow(clippy::disallowed_methods, reason = "the program under test is started here")]

use std::io::Read;
use std::process::{Command, Output, Stdio};

fn allno(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allno"));
    command.args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR").env_remove("ALLNO_STORE");
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    told(allno(arguments).output().unwrap())
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_goes_to_standard_output_and_names_every_subcommand() {
    let (code, help, errors) = run(&["--help"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    for word in [
        "boot",
        "build",
        "disk",
        "doctor",
        "ssh",
        "gc",
        "completions",
        "man",
        "--json",
        "--offline",
        "--store",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(!help.contains('\x1b'), "{help}");
    for subcommand in ["boot", "build", "disk", "doctor", "ssh", "gc"] {
        let (code, help, _) = run(&[subcommand, "--help"]);
        assert!(code == 0 && help.contains("--verbose"), "{subcommand}: {help}");
    }
}

#[test]
fn wrong_input_ends_with_2_and_names_the_nearest() {
    for (arguments, near) in [
        (&["doctr"][..], "doctor"),
        (&["boot", "--chek"], "--check"),
        (&["gc", "--size", "10"], "500M"),
        (&["boot", "--color", "sometimes"], "never"),
        (&[], "Usage"),
    ] {
        let (code, output, errors) = run(arguments);
        assert_eq!((code, output.as_str()), (2, ""), "{arguments:?}");
        assert!(errors.contains(near), "{arguments:?}: {errors}");
    }
}

#[test]
fn wrong_input_is_an_object_for_a_program() {
    let (code, output, _) = run(&["--json", "doctr"]);
    let object: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((code, object["error"]["kind"].as_str()), (2, Some("input")));
    assert!(object["error"]["hints"][0].as_str().unwrap().contains("doctor"), "{object}");
    assert_eq!(output.lines().count(), 1);
}

#[test]
fn a_spec_that_is_not_there_is_wrong_input() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let (store, nowhere) = (store.to_str().unwrap(), folder.path().join("nowhere.toml"));
    for arguments in [&["build"], &["boot"]] {
        let named = [arguments[0], nowhere.to_str().unwrap(), "--store", store, "--json"];
        let (code, output, errors) = run(&named);
        let object: serde_json::Value = serde_json::from_str(&output).unwrap();
        assert_eq!((code, object["error"]["kind"].as_str()), (2, Some("input")), "{errors}");
        assert!(errors.starts_with("error: ") && errors.contains("nowhere.toml"), "{errors}");
        assert!(errors.contains("\n  try  "), "{errors}");
    }
    // What never ends is given up.
    let (code, _, errors) = run(&["build", "/dev/zero", "--store", store]);
    assert!(code == 2 && errors.contains("larger than 1 MiB"), "{errors}");
    // A folder stands for the allno.toml in it.
    let (code, _, errors) = run(&["build", folder.path().to_str().unwrap(), "--store", store]);
    assert!(code == 2 && errors.contains("/allno.toml"), "{errors}");
}

#[test]
fn the_doctor_tells_a_program_all_it_found() {
    let (code, output, errors) = run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(code, if report["ready"].as_bool().unwrap() { 0 } else { 3 }, "{errors}");
    let make = report["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "make").unwrap();
    assert_eq!((make["status"].as_str(), make["required"].as_bool()), (Some("found"), Some(true)));
    assert_eq!(make["packages"]["debian"], "make");
    for key in ["space", "distribution", "machine", "install", "install_optional"] {
        assert!(report.get(key).is_some(), "{key}");
    }
}

#[test]
fn a_host_without_tools_ends_with_3_and_the_line_to_type() {
    let bare = tempfile::tempdir().unwrap();
    let (code, output, _) = told(allno(&["doctor"]).env("PATH", bare.path()).output().unwrap());
    assert_eq!(code, 3);
    let first = output.lines().next().unwrap();
    assert!(first.starts_with("  missing   "), "what is missing comes first: {output}");
    assert!(output.contains("\n  lacks     "), "{output}");
    assert!(!output.contains('\x1b'), "{output}");
    let (code, output, _) = told(allno(&["doctor", "--json"]).env("PATH", bare.path()).output().unwrap());
    let report: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((code, report["ready"].as_bool()), (3, Some(false)));
}

#[test]
fn colours_follow_the_option() {
    let colored = |arguments: &[&str]| run(arguments).1.contains("\x1b[");
    assert!(colored(&["doctor", "--color=always"]));
    assert!(!colored(&["doctor", "--color", "never"]));
    assert!(!colored(&["doctor"]), "there is no terminal");
}

/// What `allno arguments` writes to a terminal (made by util-linux's script).
fn on_a_terminal(arguments: &str, variables: &[(&str, &str)]) -> String {
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_allno"));
    let mut script = Command::new("script");
    script
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::null())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR");
    script.envs(variables.iter().copied());
    String::from_utf8_lossy(&script.output().unwrap().stdout).into_owned()
}

#[test]
fn a_terminal_is_coloured_unless_no_color_says_no() {
    assert!(on_a_terminal("doctor", &[]).contains("\x1b[32m"));
    for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        assert!(!on_a_terminal("doctor", &[plain]).contains("\x1b[3"), "{plain:?}");
    }
    assert!(on_a_terminal("doctor", &[("NO_COLOR", "")]).contains("\x1b[32m"), "empty does not count");
    assert!(!on_a_terminal("doctr --color=never", &[]).contains("\x1b[3"));
    assert!(!on_a_terminal("doctr", &[("NO_COLOR", "1")]).contains("\x1b[3"));
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    for arguments in [&["doctor"][..], &["completions", "bash"], &["man"], &["--help"]] {
        let mut child = allno(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 3)), "{arguments:?}: {code:?} {errors}");
        assert_eq!(errors, "", "{arguments:?}");
    }
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, _) = run(&["completions", shell]);
        assert!(code == 0 && script.contains("doctor") && script.contains("offline"), "{shell}");
    }
    let (code, script, _) = run(&["completions", "bash"]);
    assert_eq!(code, 0);
    let mut check = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut check.stdin.take().unwrap(), script.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success());
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let (code, names, _) = run(&["man", pages.to_str().unwrap()]);
    assert_eq!(code, 0);
    for page in [
        "allno.1",
        "allno-boot.1",
        "allno-build.1",
        "allno-disk.1",
        "allno-doctor.1",
        "allno-ssh.1",
        "allno-gc.1",
    ] {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH") && text.contains("json"), "{page}");
        assert!(names.contains(page), "{names}");
    }
    assert!(std::fs::read_to_string(pages.join("allno-boot.1")).unwrap().contains("check"));
    assert!(run(&["man"]).1.contains(".TH allno 1"));
}
