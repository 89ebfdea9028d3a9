//! The real QEMU: every machine of ours starts with what we tell it, and its end, its refusals and its ports are as we think.

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::{Cancel, Kind};
use common::{Then, kernel, skip_referees};
use machine::expect::{Checking, Expected, check, power_off};
use machine::{
    Accelerator, Cursor, Ending, Expectation, Fatal, Guest, Launch, Machine, Network, Pattern, Wait,
};

const LIMIT: Duration = Duration::from_secs(60);

fn machines() -> Vec<Machine> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../machines");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| Machine::parse(&path, &std::fs::read_to_string(&path).unwrap()).unwrap())
        .filter(|machine| !machine.qemu.is_empty())
        .collect()
}

fn microvm() -> Machine {
    machines().into_iter().find(|machine| machine.name == "microvm").unwrap()
}

/// A boot of the tiny kernel, in a folder whose name QEMU could misread.
fn launch(folder: &Path, machine: Machine, text: &str, then: Then) -> Launch {
    let folder = folder.join("a, b%");
    std::fs::create_dir_all(&folder).unwrap();
    let (image, initramfs) = (folder.join("kernel"), folder.join("initramfs"));
    std::fs::write(&image, kernel(text, then)).unwrap();
    std::fs::write(&initramfs, b"no archive").unwrap();
    Launch {
        kernel: Some(image),
        initramfs: Some(initramfs),
        append: "console=ttyS0".into(),
        network: Network::user(),
        random: true,
        ..Launch::new(machine, Accelerator::Tcg, 64)
    }
}

fn start(folder: &Path, launch: &Launch) -> Guest {
    launch.start(&folder.join("console.log"), &folder.join("qemu.log"), None).unwrap()
}

fn wait_for(guest: &Guest, text: &str) -> Result<machine::Seen, Box<machine::Stopped>> {
    let cancel = Cancel::new();
    let wanted = [Pattern::literal(text)];
    let wait = Wait { wanted: &wanted, fatal: &[], deadline: Instant::now() + LIMIT, cancel: &cancel };
    guest.console().wait(&mut Cursor::default(), &wait)
}

#[test]
fn every_machine_of_ours_starts_with_network_and_random_numbers() {
    if skip_referees() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for machine in machines() {
        let name = machine.name.clone();
        let launch = launch(folder.path(), machine, "hello from the guest\r\n", Then::Reset);
        let guest = start(folder.path(), &launch);
        match wait_for(&guest, "hello from the guest") {
            Ok(seen) => assert!(seen.line.ends_with("hello from the guest"), "{name}: {seen:?}"),
            Err(stopped) => panic!("{name}: {:?}", guest.explain(*stopped)),
        }
        let exit = guest.wait_exit(LIMIT, &Cancel::new()).unwrap().unwrap();
        assert_eq!(exit.code, Some(0), "{name}: {:?}", guest.stderr_lines());
        assert_eq!(guest.stderr_lines(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn expectations_are_settled_each_with_its_time() {
    if skip_referees() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let guest = start(folder.path(), &launch(folder.path(), microvm(), "one\r\ntwo 42\r\n", Then::Reset));
    let fatal = [Fatal::literal("panic", "Kernel panic")];
    let cancel = Cancel::new();
    let expectations = [
        Expectation { what: Expected::Regex(r"^two \d+$".into()), within: 60.0 },
        Expectation::console("one"),
        Expectation::console("three"),
        Expectation::ssh("true", None),
        Expectation { what: Expected::QemuExit(0), within: 60.0 },
    ];
    let checking = Checking { access: None, fatal: &fatal, cancel: &cancel };
    let mut told = 0;
    let outcomes = check(&expectations, &guest, checking, |_| told += 1);
    let passed: Vec<bool> = outcomes.iter().map(|outcome| outcome.passed()).collect();
    assert_eq!(passed, [true, true, false, false, true], "{outcomes:#?}");
    assert_eq!(told, 5);
    assert_eq!(outcomes[0].seen.as_deref(), Some("two 42"));
    let json = serde_json::to_value(&outcomes[2]).unwrap();
    assert_eq!((&json["failure"]["reason"], &json["failure"]["ending"]), (&"stopped".into(), &"exit".into()));
}

#[test]
fn a_hanging_guest_is_switched_off_and_its_port_was_ours_alone() {
    if skip_referees() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut guest = start(folder.path(), &launch(folder.path(), microvm(), "up\r\n", Then::Hang));
    wait_for(&guest, "up").unwrap();
    let port = guest.port().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "QEMU listens on {port}");
    let off = power_off(&mut guest, None, LIMIT, &Cancel::new());
    assert!(!off.clean);
    // QEMU takes SIGTERM as an orderly end.
    assert_eq!(off.exit.unwrap().code, Some(0));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn refusals_are_explained() {
    if skip_referees() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut Launch)| {
        let mut launch = launch(folder.path(), microvm(), "", Then::Hang);
        change(&mut launch);
        let guest = start(folder.path(), &launch);
        let stopped = wait_for(&guest, "anything").unwrap_err();
        assert!(matches!(stopped.ending, Ending::Exit { .. }), "{stopped:?}");
        guest.explain(*stopped)
    };
    let error = refused(&|launch| launch.extra = vec!["-nonsense".into()]);
    assert_eq!(error.message(), "QEMU did not start");
    assert!(error.notes().iter().any(|note| note.contains("-nonsense")), "{error:?}");
    let error = refused(&|launch| launch.kernel = Some(PathBuf::from("/nowhere/vmlinux")));
    assert!(error.to_string().contains("/nowhere/vmlinux"), "{error:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = refused(&|launch| {
        launch.network = Network::None;
        launch.extra = vec!["-netdev".into(), format!("user,id=x,hostfwd=tcp:127.0.0.1:{port}-:22")];
    });
    assert_eq!(error.kind(), Kind::Host, "{error:?}");
}

#[test]
fn gdb_is_waited_for() {
    if skip_referees() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut launch = launch(folder.path(), microvm(), "ran\r\n", Then::Reset);
    let reserved = machine::ReservedPort::new(None).unwrap();
    launch.gdb = Some(reserved.port());
    let guest = start(folder.path(), &launch);
    let connect = || Ok(std::net::TcpStream::connect(("127.0.0.1", reserved.port())).ok());
    let mut stream = Cancel::new().poll(LIMIT, connect).unwrap().expect("QEMU listens for gdb");
    assert!(guest.console().text_from(Cursor::default()).is_empty());
    // gdb's remote protocol: "continue", with its checksum.
    std::io::Write::write_all(&mut stream, b"$c#63").unwrap();
    wait_for(&guest, "ran").unwrap();
}

#[test]
fn a_line_of_ones_own_boots_too() {
    if skip_referees() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut launch = launch(folder.path(), microvm(), "mine\r\n", Then::Reset);
    let line = "qemu-system-x86_64 -M pc -accel tcg -m 64 -nodefaults -display none -serial stdio -no-reboot \
                -kernel {kernel} -initrd {initramfs} -append {append} \
                -nic user,model=e1000,hostfwd=tcp:127.0.0.1:{port}-:22";
    launch.own_line = Some(machine::qemu::split_line(line).unwrap());
    let guest = start(folder.path(), &launch);
    assert!(guest.port().is_some());
    wait_for(&guest, "mine").unwrap();
}
