//! Waiting for sshd: the banner counts, not the connection; and what the OpenSSH client makes of our options.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use base::process::Program;
use base::{Cancel, Kind};
use machine::expect::{Checking, check};
use machine::{Access, Cursor, Ending, Expectation, Fatal, Guest, ReservedPort, Wait, key};

const LIMIT: Duration = Duration::from_secs(30);

fn guest(folder: &Path, script: &str) -> Guest {
    let program = Program::new("sh").args(["-c", script]);
    Guest::start(&program, &folder.join("console.log"), &folder.join("qemu.log"), None, None).unwrap()
}

fn access(folder: &Path, address: SocketAddr) -> Access {
    let (key, known_hosts) = (folder.join("id_ed25519"), folder.join("known_hosts"));
    Access { address, user: "root".into(), key, known_hosts }
}

#[test]
fn the_banner_is_waited_for_while_connections_come_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let guest = guest(folder.path(), "exec sleep 60");
    let reserved = ReservedPort::new(None).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], reserved.port()));
    let server = std::thread::spawn(move || {
        // Nobody listens at first; then somebody accepts and is silent, as SLiRP is, or hangs up.
        std::thread::sleep(Duration::from_millis(100));
        let listener = TcpListener::bind(address).unwrap();
        let silent = listener.accept().unwrap();
        drop(listener.accept().unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_10.0\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(200));
        drop(silent);
    });
    let cancel = Cancel::new();
    let wait = Wait { wanted: &[], fatal: &[], deadline: Instant::now() + LIMIT, cancel: &cancel };
    access(folder.path(), address).wait_ready(guest.console(), Cursor::default(), &wait).unwrap();
    server.join().unwrap();
}

#[test]
fn a_panic_ends_the_wait_for_sshd() {
    let folder = tempfile::tempdir().unwrap();
    let guest = guest(folder.path(), "sleep 0.2; echo Kernel panic; exec sleep 60");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let access = access(folder.path(), listener.local_addr().unwrap());
    let (fatal, cancel) = ([Fatal::literal("panic", "Kernel panic")], Cancel::new());
    let wait = Wait { wanted: &[], fatal: &fatal, deadline: Instant::now() + LIMIT, cancel: &cancel };
    let stopped = access.wait_ready(guest.console(), Cursor::default(), &wait).unwrap_err();
    assert!(matches!(&stopped.ending, Ending::Fatal { name, .. } if name == "panic"), "{stopped:?}");
    assert!(stopped.wanted[0].starts_with("sshd on 127.0.0.1:"), "{stopped:?}");
    // The same for a command that hangs: the listener never answers the client.
    let outcomes = check(
        &[Expectation::ssh("uname", None)],
        &guest,
        Checking { access: Some(&access), fatal: &fatal, cancel: &cancel },
        |_| {},
    );
    assert!(outcomes[0].failure.as_ref().unwrap().sentence().contains("the guest died"), "{outcomes:?}");
}

#[test]
fn a_panic_ends_a_command_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let guest = guest(folder.path(), "sleep 0.3; echo Kernel panic; exec sleep 60");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let access = access(folder.path(), listener.local_addr().unwrap());
    let (fatal, cancel) = ([Fatal::literal("panic", "Kernel panic")], Cancel::new());
    let wait = Wait { wanted: &[], fatal: &fatal, deadline: Instant::now() + LIMIT, cancel: &cancel };
    match access.run_watched("uname", guest.console(), Cursor::default(), &wait) {
        Err(machine::ssh::Interrupted::Stopped(stopped)) => {
            assert!(matches!(stopped.ending, Ending::Fatal { .. }), "{stopped:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// The real client reads our options back to us (ssh -G), so that paths with odd characters are what it will use.
#[test]
fn the_client_understands_our_options() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("a b%d\"c");
    key::ensure(&folder, &Cancel::new()).unwrap();
    let access = access(&folder, SocketAddr::from(([127, 0, 0, 1], 2222)));
    let line = access.shell_line("").replacen("ssh ", "ssh -G ", 1);
    let captured = Program::new("sh").args(["-c", &line]).capture(LIMIT, &Cancel::new()).unwrap();
    assert!(captured.status.success(), "{}", captured.stderr);
    let has = |wanted: &str| captured.stdout.lines().any(|line| line == wanted);
    for wanted in [
        "batchmode yes",
        "stricthostkeychecking accept-new",
        "identitiesonly yes",
        "user root",
        "port 2222",
        "hostname 127.0.0.1",
    ] {
        assert!(has(wanted), "{wanted}:\n{}", captured.stdout);
    }
    // Nothing listens on port 9 of loopback: the client fails and says so, and we keep its words.
    let nowhere = Access { address: SocketAddr::from(([127, 0, 0, 1], 9)), ..access };
    let captured = nowhere.run("true", LIMIT, &Cancel::new()).unwrap();
    assert_eq!(captured.status.code(), Some(255));
    assert!(captured.stderr.contains("onnect"), "{}", captured.stderr);
    assert_eq!(nowhere.run("true", LIMIT, &cancelled()).unwrap_err().kind(), Kind::Cancelled);
}

fn cancelled() -> Cancel {
    let cancel = Cancel::new();
    cancel.set();
    cancel
}
