//! `allno disk`: made, judged by the tools of others, started by both firmwares on every bus, grown, added to by apt, imported; and
//! what a person gets wrong.

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod boots;
mod bytes;
mod imports;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::Cancel;
use base::process::Program;
use common::{Project, path};
use machine::{Access, Cursor, Guest, ReservedPort, Wait};
use serde_json::Value;

/// The suite alone: its index changes with point releases, so what one run of the tests made the next finds in the store.
pub const SPEC: &str = "[disk]\nupdates = false\n";
/// A distribution under emulation takes half a minute; beside five compilers ten times that has been seen not to be enough.
const BOOT_LIMIT: Duration = Duration::from_secs(900);
const COMMAND_LIMIT: Duration = Duration::from_secs(180);

/// What `allno disk --json` with these arguments answers.
pub fn made(project: &Project, arguments: &[&str]) -> Value {
    let mut all = vec!["disk", "--json"];
    all.extend(arguments);
    project.allno(&all).run().ok().json()
}

/// A machine that starts from a disk.
pub struct Booted {
    guest: Guest,
    access: Access,
    _folder: tempfile::TempDir,
}

impl Booted {
    /// Starts `image` as `how` ("uefi-nvme") says, and waits until sshd answers. With `keep` what it writes is kept in the image.
    pub fn start(made: &Value, how: &str, image: &Path, keep: bool) -> Booted {
        let folder = tempfile::tempdir().unwrap();
        let port = ReservedPort::new(None).unwrap();
        let old = format!("127.0.0.1:{}-", made["ssh_port"]);
        let new = format!("127.0.0.1:{}-", port.port());
        let words = made["qemu"][how].as_array().unwrap_or_else(|| panic!("no {how} in {made}"));
        let words: Vec<String> = words
            .iter()
            .map(|word| word.as_str().unwrap().replace(&old, &new))
            .map(|word| word.replace(made["image"].as_str().unwrap(), image.to_str().unwrap()))
            .map(|word| match keep && word.contains("id=disk0") {
                true => word.replace(",snapshot=on", ""),
                false => word,
            })
            .collect();
        let program = Program::new(&words[0]).args(&words[1..]);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port()));
        let (console, errors) = (folder.path().join("console"), folder.path().join("errors"));
        let guest = Guest::start(&program, &console, &errors, Some(port), None).unwrap();
        let key = made["ssh_key"].as_str().map_or_else(usual_key, PathBuf::from);
        let known_hosts = folder.path().join("known_hosts");
        let access = Access { address, user: "root".into(), key, known_hosts };
        let deadline = Instant::now() + BOOT_LIMIT;
        let fatal = [machine::Fatal::literal("panic", "Kernel panic")];
        let cancel = Cancel::new();
        let wait = Wait { wanted: &[], fatal: &fatal, deadline, cancel: &cancel };
        if let Err(stopped) = access.wait_ready(guest.console(), Cursor::default(), &wait) {
            panic!("{how}: {}\n{}", stopped.sentence(), text(&guest));
        }
        Booted { guest, access, _folder: folder }
    }

    /// What `command` prints; it must end with 0.
    pub fn run(&self, command: &str) -> String {
        self.run_as("root", command)
    }

    /// The same as another user.
    pub fn run_as(&self, user: &str, command: &str) -> String {
        let access = self.access.as_user(user);
        let mut captured = access.run(command, COMMAND_LIMIT, &Cancel::new()).unwrap();
        // On a busy host sshd closes a connection now and then in the seconds after its start, before it says a word (seen in two
        // boots of eight; nothing of the command has run then).
        for _ in 0..10 {
            if captured.status.success() || !captured.stderr.contains("kex_exchange_identification") {
                break;
            }
            std::thread::sleep(Duration::from_secs(2));
            captured = access.run(command, COMMAND_LIMIT, &Cancel::new()).unwrap();
        }
        let said = format!("{}{}", captured.stdout, captured.stderr);
        assert!(captured.status.success(), "{command}: {}\n{said}\n{}", captured.status, self.console());
        captured.stdout
    }

    /// What it has said.
    pub fn console(&self) -> String {
        text(&self.guest)
    }

    /// Powers it off and waits for QEMU's end.
    pub fn power_off(mut self) -> String {
        let _ = self.access.run("poweroff", COMMAND_LIMIT, &Cancel::new());
        let exit = self.guest.wait_exit(Duration::from_secs(120), &Cancel::new()).unwrap();
        let console = self.console();
        self.guest.stop();
        assert!(exit.is_some_and(|exit| exit.code == Some(0)), "it did not power off\n{console}");
        console
    }
}

fn text(guest: &Guest) -> String {
    String::from_utf8_lossy(&guest.console().text_from(Cursor::default())).into_owned()
}

/// The key of this machine, which an imported user space that allno made has.
fn usual_key() -> PathBuf {
    machine::key::ensure(&data_folder(), &Cancel::new()).unwrap().private
}

fn data_folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share"))).unwrap().join("allno")
}

/// The image of what was made.
pub fn image(made: &Value) -> PathBuf {
    path(made, "image")
}
