//! Other ways to the same node: a kernel of one's own, a network of one's own, a debugger.

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use common::{BUILD_LIMIT, Project, eventually_beside, path, referee, unpacked_kernel, wait};

/// The same kernel as in building.rs: it is compiled once.
const SMALL: &str = "rungs = [\"console\", \"programs\", \"pvh\"]\n[userland]\nrecipes = [\"busybox\"]\n\
                     [initramfs]\ninit = \"init\"\n[[expect]]\nqemu_exit = 0\n";

fn small(kernel: &str, init: &str, expect: &str) -> Project {
    let project = Project::new(&format!("[kernel]\n{kernel}\n{SMALL}[[expect]]\nconsole = \"{expect}\"\n"));
    project.write("init", &format!("#!/bin/sh\n{init}\nsleep 0.2\nexec reboot -f\n"));
    project
}

/// A tree of one's own is built where it is; with a patch, a patched copy is.
#[test]
fn a_kernel_tree_of_ones_own_boots_plain_and_patched() {
    small("", "echo up", "up").allno(&["build"]).run().ok();
    let tree = unpacked_kernel();
    let own = format!("path = {tree:?}");
    small(&own, "echo kernel $(uname -r)", "kernel 6.12.").boot(&[]);
    let patched = small(&format!("{own}\npatches = [\"name.patch\"]"), "echo kernel $(uname -r)", "-grown");
    let makefile = std::fs::read_to_string(tree.join("Makefile")).unwrap();
    let lines: Vec<&str> = makefile.lines().collect();
    let at = lines.iter().position(|line| *line == "EXTRAVERSION =").unwrap();
    let patch = format!(
        "--- a/Makefile\n+++ b/Makefile\n@@ -{},3 +{},3 @@\n {}\n-EXTRAVERSION =\n+EXTRAVERSION = -grown\n {}\n",
        at,
        at,
        lines[at - 1],
        lines[at + 1]
    );
    patched.write("name.patch", &patch);
    patched.boot(&[]);
    assert_eq!(
        std::fs::read_to_string(tree.join("Makefile")).unwrap(),
        makefile,
        "one's own tree was changed"
    );
    patched.write("name.patch", &patch.replace("-EXTRAVERSION =", "-EXTRAVERSION = -rc1"));
    let run = patched.allno(&["build"]).run();
    assert_eq!(run.code(), 2, "{}", run.stderr());
    assert!(run.stderr().contains("name.patch"), "{}", run.stderr());
}

#[test]
fn a_folder_that_is_no_kernel_is_refused() {
    let project = small("path = \".\"", "echo up", "up");
    let run = project.allno(&["build"]).run();
    assert_eq!(run.code(), 2);
    assert!(run.stderr().contains("not a kernel source tree"), "{}", run.stderr());
}

/// A node behind a tap device, in a network namespace of its own: no packet leaves it.
#[test]
fn a_tap_device_leads_to_the_node() {
    if !rustix::process::getuid().is_root() {
        assert!(
            std::env::var_os("ALLNO_SKIP_REFEREES").is_some(),
            "a tap device needs root; ALLNO_SKIP_REFEREES=1 skips"
        );
        return;
    }
    let space = Namespace::new();
    for line in [
        "link set lo up",
        "tuntap add dev tap0 mode tap",
        "address add 192.0.2.1/24 dev tap0",
        "link set tap0 up",
    ] {
        let mut arguments = vec!["-n", space.0.as_str()];
        arguments.extend(line.split(' '));
        referee("ip", &arguments);
    }
    let project = Project::new(
        "[network]\ntap = \"tap0\"\naddress = \"192.0.2.2/24\"\ngateway = \"192.0.2.1\"\n\
         [[expect]]\nssh = \"ping -c1 192.0.2.1\"\nprints = \"1 received\"\n",
    );
    project.allno(&["build"]).run().ok();
    let allno = env!("CARGO_BIN_EXE_allno");
    let mut command = common::Allno::of(
        std::path::Path::new("ip"),
        project.path(),
        &["netns", "exec", &space.0, allno, "boot", "--check", "--json", "--offline"],
    );
    command.command().current_dir(project.path());
    let report = command.run().ok().json();
    assert_eq!(report["passed"], true, "{report}");
}

/// A network namespace, gone at the end.
struct Namespace(String);

impl Namespace {
    fn new() -> Namespace {
        let name = format!("allno-{}", std::process::id());
        referee("ip", &["netns", "add", &name]);
        Namespace(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        referee("ip", &["netns", "delete", &self.0]);
    }
}

/// `--gdb` stops before the first instruction, prints gdb's line, and goes on when a debugger says so. The debugger is this
/// test, in gdb's own remote protocol (gdb manual, appendix E).
#[test]
fn a_debugger_is_waited_for() {
    let project = small("", "echo up", "up");
    project.allno(&["build"]).run().ok();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mut child = project.allno(&["boot", "--check", &format!("--gdb={port}")]).start();
    let mut stub = None;
    eventually_beside(&mut child, "QEMU waits for gdb", || {
        stub = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok();
        stub.is_some()
    });
    let mut stub = stub.unwrap();
    stub.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stub.write_all(b"+$?#3f").unwrap();
    // An acknowledgement, then a packet: $, its text, # and two digits. They may come in pieces.
    let mut answer = String::new();
    while answer.split_once('#').is_none_or(|(_, digits)| digits.len() < 2) {
        let mut piece = [0; 64];
        let count = stub.read(&mut piece).unwrap();
        assert!(count > 0, "QEMU closed the connection after {answer:?}");
        answer.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    assert!(answer.contains("T05") || answer.contains("S05"), "{answer}");
    stub.write_all(b"+$c#63").unwrap();
    let output = wait(child, BUILD_LIMIT);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("target remote") && said.contains("vmlinux"), "{said}");
}

/// What the linter says of an init, the kernel says when it boots it.
#[test]
fn the_kernel_agrees_with_the_linter() {
    for (init, code, error) in [
        ("#!/bin/sh\r\necho up\r\n", "carriage-return", -2),
        ("#!/bin/bash\necho up\n", "no-interpreter", -2),
        ("echo up\n", "no-shebang", -8),
    ] {
        let expect = format!("Failed to execute /init (error {error})");
        let spec = format!(
            "[kernel]\n{}[[expect]]\nconsole = \"{expect}\"\n",
            SMALL.replace("[[expect]]\nqemu_exit = 0\n", "")
        );
        let project = Project::new(&spec);
        project.write("init", init);
        let report = project.boot(&[]);
        assert_eq!(report["findings"][0]["code"], code, "{report}");
        assert_eq!(report["findings"][0]["fatal"], true, "{report}");
        let archive = path(&report["built"], "initramfs").display().to_string();
        let run = project.allno(&["initramfs", "lint", &archive]).run();
        assert_eq!(run.code(), 1);
        assert!(run.stdout().contains(code), "{}", run.stdout());
    }
    let sound = small("", "echo up", "up").boot(&[]);
    assert_eq!(sound["findings"].as_array().map(Vec::len), Some(0), "{sound}");
}

/// An archive of one's own, edited by a segment of a few bytes, takes the place of the packed one.
#[test]
fn an_edited_archive_boots_and_shows_the_edit() {
    let project = small("", "echo up", "up");
    let built = project.allno(&["build", "--json"]).run().ok().json();
    std::fs::copy(path(&built, "initramfs"), project.path().join("my.img")).unwrap();
    referee("chmod", &["u+w", project.path().join("my.img").to_str().unwrap()]);
    project.write("other", "#!/bin/sh\necho up and edited\nexec reboot -f\n");
    project.allno(&["initramfs", "edit", "my.img", "init", "--with", "other"]).run().ok();
    let report = project.boot(&["--initramfs", "my.img"]);
    let console = std::fs::read_to_string(path(&report, "run").join("console.log")).unwrap();
    assert!(console.contains("up and edited"), "{console}");
    let run = project.allno(&["boot", "--check", "--initramfs", "nosuch.img"]).run();
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr().contains("nosuch.img") && run.stderr().contains("initramfs edit"),
        "{}",
        run.stderr()
    );
}

/// A failing boot's qemu.sh starts the same machine by hand.
#[test]
fn the_run_directorys_script_boots_the_same() {
    let project = small("", "echo up", "up");
    let report = project.boot(&[]);
    let script = path(&report, "run").join("qemu.sh");
    assert!(referee("timeout", &["50", "sh", script.to_str().unwrap()]).contains("up"));
}
