//! `allno config menu` where there is no terminal for it.

use std::process::{Command, Output, Stdio};

#[allow(clippy::disallowed_methods)]
fn menu(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allno"));
    command.args(["config", "menu"]).args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn without_a_terminal_it_says_what_does_without_one() {
    let output = menu(&["--offline"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("needs a terminal") && said.contains("allno config show"), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_program_is_told_so_too() {
    let output = menu(&["--json"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\"input\"") && !said.contains('\u{1b}'), "{said}");
}
