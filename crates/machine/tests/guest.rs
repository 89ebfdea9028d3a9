//! The console and its waits against programs that stand in for QEMU: one that talks, hangs, ends, floods, or complains.

use std::path::Path;
use std::time::{Duration, Instant};

use base::process::Program;
use base::{Cancel, Kind};
use machine::{Console, Cursor, Ending, Fatal, Guest, Pattern, Wait};

const LIMIT: Duration = Duration::from_secs(30);

fn start(folder: &Path, script: &str) -> Guest {
    let program = Program::new("sh").args(["-c", script]);
    Guest::start(&program, &folder.join("console.log"), &folder.join("qemu.log"), None, None).unwrap()
}

fn wait(
    console: &Console,
    cursor: &mut Cursor,
    wanted: &[&str],
    limit: Duration,
) -> Result<machine::Seen, Box<machine::Stopped>> {
    let wanted: Vec<Pattern> = wanted.iter().map(|text| Pattern::literal(text)).collect();
    let fatal = [Fatal::literal("panic", "Kernel panic"), Fatal::literal("init", "Attempted to kill init")];
    let cancel = Cancel::new();
    let deadline = Instant::now() + limit;
    console.wait(cursor, &Wait { wanted: &wanted, fatal: &fatal, deadline, cancel: &cancel })
}

#[test]
fn waits_go_on_where_the_last_left_off_and_the_log_has_all() {
    let folder = tempfile::tempdir().unwrap();
    let guest = start(
        folder.path(),
        "printf 'one\\r\\ntw'; sleep 0.2; printf 'o\\r\\none more\\r\\n'; exec sleep 60",
    );
    let mut cursor = Cursor::default();
    let seen = wait(guest.console(), &mut cursor, &["two", "nothing"], LIMIT).unwrap();
    assert_eq!((seen.which, seen.line.as_str()), (0, "two"));
    assert_eq!(cursor, Cursor(8));
    let seen = wait(guest.console(), &mut cursor, &["one"], LIMIT).unwrap();
    assert_eq!(seen.line, "one more");
    let mut from_the_start = Cursor::default();
    let first = wait(guest.console(), &mut from_the_start, &["one"], LIMIT).unwrap();
    assert!(first.at < seen.at, "the first chunk came before the second");
    drop(guest);
    let log = std::fs::read(folder.path().join("console.log")).unwrap();
    assert_eq!(log, b"one\r\ntwo\r\none more\r\n");
}

#[test]
fn a_regex_waits_for_the_rest_of_an_unfinished_line() {
    let folder = tempfile::tempdir().unwrap();
    let script = "for part in tw o ' ' 4 2; do printf \"$part\"; done; printf '\\nlogin: '; exec sleep 60";
    let guest = start(folder.path(), script);
    let cancel = Cancel::new();
    let mut cursor = Cursor::default();
    for (expression, line) in [("^two [0-9]+$", "two 42"), ("login: $", "login:")] {
        let wanted = [Pattern::regex(expression).unwrap()];
        let wait = Wait { wanted: &wanted, fatal: &[], deadline: Instant::now() + LIMIT, cancel: &cancel };
        assert_eq!(guest.console().wait(&mut cursor, &wait).unwrap().line, line);
    }
}

#[test]
fn a_fatal_text_ends_the_wait_with_the_rest_of_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let guest = start(
        folder.path(),
        "echo booting; echo 'Kernel panic - not syncing: no init'; sleep 0.02; echo '---[ end ]---'; exec sleep 60",
    );
    let stopped = wait(guest.console(), &mut Cursor::default(), &["login:"], LIMIT).unwrap_err();
    let Ending::Fatal { name, line } = &stopped.ending else { panic!("{stopped:?}") };
    assert_eq!((name.as_str(), line.as_str()), ("panic", "Kernel panic - not syncing: no init"));
    assert_eq!(stopped.wanted, ["\"login:\""]);
    assert_eq!(stopped.last_lines.last().unwrap(), "---[ end ]---");
    let error = guest.explain(*stopped);
    assert_eq!(error.kind(), Kind::Failed);
    assert!(error.hints()[0].contains("sh -c"), "{error:?}");
}

#[test]
fn a_wanted_text_before_a_panic_counts() {
    let folder = tempfile::tempdir().unwrap();
    let guest = start(folder.path(), "printf 'node ready\\nKernel panic\\n'");
    let mut cursor = Cursor::default();
    assert!(wait(guest.console(), &mut cursor, &["node ready"], LIMIT).is_ok());
    let stopped = wait(guest.console(), &mut cursor, &["login:"], LIMIT).unwrap_err();
    assert!(matches!(stopped.ending, Ending::Fatal { .. }), "{stopped:?}");
}

#[test]
fn the_end_of_qemu_ends_the_wait_after_all_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let guest = start(folder.path(), "echo last words; echo no such machine >&2; exit 3");
    let mut cursor = Cursor::default();
    assert!(wait(guest.console(), &mut cursor, &["last words"], LIMIT).is_ok());
    let stopped = wait(guest.console(), &mut cursor, &["more"], LIMIT).unwrap_err();
    let Ending::Exit { exit } = &stopped.ending else { panic!("{stopped:?}") };
    assert_eq!(exit.code, Some(3));
    let error = guest.explain(*stopped);
    assert!(error.notes().iter().any(|note| note == "QEMU said: no such machine"), "{error:?}");
}

#[test]
fn a_refusal_of_qemus_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let guest =
        start(folder.path(), "echo \"network backend 'user' is not compiled into this binary\" >&2; exit 1");
    let stopped = wait(guest.console(), &mut Cursor::default(), &["x"], LIMIT).unwrap_err();
    assert_eq!(guest.explain(*stopped).kind(), Kind::Host);
}

#[test]
fn silence_ends_at_the_deadline_and_says_since_when() {
    let folder = tempfile::tempdir().unwrap();
    let guest = start(folder.path(), "echo hello; exec sleep 60");
    let mut cursor = Cursor::default();
    let seen = wait(guest.console(), &mut cursor, &["hello"], LIMIT).unwrap();
    let stopped = wait(guest.console(), &mut cursor, &["world"], Duration::from_millis(50)).unwrap_err();
    assert_eq!(stopped.ending, Ending::Deadline);
    assert_eq!(stopped.silent_since, seen.at);
    assert!(stopped.waited >= Duration::from_millis(50));
    let json = serde_json::to_value(&stopped).unwrap();
    assert_eq!(json["ending"], "deadline");
    assert_eq!(json["last_lines"][0], "hello");
}

#[test]
fn cancelling_ends_a_wait() {
    let folder = tempfile::tempdir().unwrap();
    let guest = start(folder.path(), "exec sleep 60");
    let cancel = Cancel::new();
    cancel.set();
    let wait = Wait { wanted: &[], fatal: &[], deadline: Instant::now() + LIMIT, cancel: &cancel };
    let stopped = guest.console().wait(&mut Cursor::default(), &wait).unwrap_err();
    assert_eq!(stopped.ending, Ending::Cancelled);
    assert_eq!(guest.explain(*stopped).kind(), Kind::Cancelled);
}

#[test]
fn a_flood_is_read_to_its_end_and_memory_stays_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let guest = start(folder.path(), "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo the end");
    let mut cursor = Cursor::default();
    let seen = wait(guest.console(), &mut cursor, &["the end"], LIMIT).unwrap();
    assert_eq!(seen.line, "the end");
    assert_eq!(cursor, Cursor(100_000_008));
    assert!(guest.console().text_from(Cursor::default()).len() <= 64 << 20);
    drop(guest);
    assert_eq!(std::fs::metadata(folder.path().join("console.log")).unwrap().len(), 100_000_009);
}

#[test]
fn what_is_typed_reaches_the_guest_and_stop_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = start(folder.path(), "read line; echo got $line; exec sleep 60");
    guest.write(b"hello\n").unwrap();
    wait(guest.console(), &mut Cursor::default(), &["got hello"], LIMIT).unwrap();
    assert_eq!(guest.wait_exit(Duration::from_millis(20), &Cancel::new()).unwrap(), None);
    assert_eq!(guest.stop().unwrap().signal, Some(15));
}

#[test]
fn a_grandchild_that_keeps_the_console_open_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let guest = start(folder.path(), "sleep 60 & exit 0");
    assert_eq!(guest.wait_exit(LIMIT, &Cancel::new()).unwrap().unwrap().code, Some(0));
}

#[test]
fn a_missing_emulator_is_the_hosts_lack() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new("no-such-qemu");
    let error =
        Guest::start(&program, &folder.path().join("c"), &folder.path().join("e"), None, None).unwrap_err();
    assert_eq!(error.kind(), Kind::Host);
}

#[test]
fn an_observer_hears_every_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let observer: machine::Observer = Box::new(move |at, bytes| {
        let _ = sender.send((at, bytes.to_vec()));
    });
    let program = Program::new("sh").args(["-c", "echo a; sleep 0.1; echo b"]);
    let folder = folder.path();
    let guest = Guest::start(&program, &folder.join("c"), &folder.join("e"), None, Some(observer)).unwrap();
    guest.wait_exit(LIMIT, &Cancel::new()).unwrap().unwrap();
    drop(guest);
    let chunks: Vec<(Duration, Vec<u8>)> = receiver.iter().collect();
    assert_eq!(chunks.concat_bytes(), b"a\nb\n");
    assert!(chunks.is_sorted_by_key(|chunk| chunk.0));
}

trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for Vec<(Duration, Vec<u8>)> {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|chunk| chunk.1.clone()).collect()
    }
}
