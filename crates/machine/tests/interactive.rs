//! The console in a person's hands, on a real pseudo-terminal (made by script(1) of util-linux).

use std::io::Write;
use std::time::{Duration, Instant};

use base::Cancel;
use base::process::Program;
use machine::{Cursor, Guest, Pattern, Wait, interactive};

const LIMIT: Duration = Duration::from_secs(30);
/// Tells this test program that it is the one on the terminal.
const CHILD: &str = "ALLNO_TEST_TERMINAL";

/// Runs on the terminal: a guest that answers each line, attached; then says how the terminal was left.
#[test]
fn child_on_the_terminal() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    assert!(interactive::is_terminal());
    let folder = tempfile::tempdir().unwrap();
    let script = "echo ready; while IFS= read -r line; do echo \"got $line\"; done";
    let program = Program::new("sh").args(["-c", script]);
    let (log, errors) = (folder.path().join("console.log"), folder.path().join("qemu.log"));
    let mut guest = Guest::start(&program, &log, &errors, None, None).unwrap();
    let local_modes = || rustix::termios::tcgetattr(rustix::stdio::stdin()).unwrap().local_modes;
    let before = local_modes();
    interactive::attach(&mut guest, Cursor::default(), &Cancel::new()).unwrap();
    let restored = before == local_modes();
    let logged = std::fs::read_to_string(&log).unwrap();
    let complete = logged == "ready\ngot hello\u{3}\n";
    let mut out = std::io::stdout();
    writeln!(out, "\r\nrestored {restored}, logged {complete}: {logged:?}").unwrap();
}

#[test]
fn keys_go_to_the_guest_until_the_escape_and_the_terminal_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let line = format!("{} --exact child_on_the_terminal --nocapture", base::process::quote(own.as_os_str()));
    let program = Program::new("script").args(["-qefc", &line, "/dev/null"]).env(CHILD, "1");
    let (log, errors) = (folder.path().join("screen"), folder.path().join("errors"));
    // The terminal's far side is read and typed on like a guest's console.
    let mut screen = Guest::start(&program, &log, &errors, None, None).unwrap();
    let cancel = Cancel::new();
    let mut cursor = Cursor::default();
    let mut see = |screen: &Guest, text: &str| {
        let wanted = [Pattern::literal(text)];
        let wait = Wait { wanted: &wanted, fatal: &[], deadline: Instant::now() + LIMIT, cancel: &cancel };
        let seen = screen.console().wait(&mut cursor, &wait);
        seen.unwrap_or_else(|stopped| panic!("{stopped:?} {:?}", screen.stderr_lines()))
    };
    see(&screen, "ready");
    // Ctrl-C is the guest's too.
    screen.write(b"hello\x03\n").unwrap();
    see(&screen, "got hello");
    screen.write(&[interactive::ESCAPE]).unwrap();
    see(&screen, "restored true, logged true");
    let exit = screen.wait_exit(LIMIT, &cancel).unwrap().unwrap();
    assert_eq!(exit.code, Some(0), "the test on the terminal passed");
}
