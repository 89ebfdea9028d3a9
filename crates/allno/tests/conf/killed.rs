//! The memory of shell answers under kills, garbage and company: what comes out is always what came out the first time.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::common::{eventually, wait};

/// Forty commands, so that a kill meets them half done.
fn kconfig() -> String {
    (0..40)
        .map(|number| format!("config A{number}\n\tstring\n\tdefault \"$(shell,echo {number}; test -e x{number} || echo no)\"\n"))
        .collect()
}

/// Started by env(1), which gives Ctrl-C its meaning back where these tests run in a shell's background.
fn conf(folder: &Path, config: &str) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_allno")]);
    command.current_dir(folder).args(["conf", "--alldefconfig", "Kconfig"]);
    command.env("ALLNO_STORE", folder.join("store")).env("KCONFIG_CONFIG", config);
    command.env("KERNELVERSION", "6.12.0").env_remove("KCONFIG_ALLCONFIG").env_remove("srctree");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(mut command: Command) -> Output {
    let output = wait(command.spawn().unwrap(), Duration::from_secs(60));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn kills_and_garbage_change_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("Kconfig"), kconfig()).unwrap();
    finish(conf(folder, "first"));
    let first = std::fs::read(folder.join("first")).unwrap();
    let cache = folder.join("store/caches/kconfig/probes-1");
    std::fs::remove_file(&cache).unwrap();
    let mut killed = 0;
    for round in 0..12_u64 {
        let mut child = conf(folder, "killed").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 7));
        // A child that has ended by then is no less part of the test.
        killed += u32::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert!(killed > 0, "no run could be killed");
    finish(conf(folder, "again"));
    assert_eq!(std::fs::read(folder.join("again")).unwrap(), first);
    // Everything is remembered by now: the file is used, and garbage in it is not.
    let whole = std::fs::read(&cache).unwrap();
    for garbage in [&b"\xff\x00garbage"[..], &whole[whole.len() / 3..whole.len() / 2], b"", b"\n\n\t\t\t\n"] {
        std::fs::write(&cache, [garbage, &whole[..whole.len() / 2], garbage].concat()).unwrap();
        finish(conf(folder, "garbage"));
        assert_eq!(std::fs::read(folder.join("garbage")).unwrap(), first);
    }
}

#[test]
fn several_at_once_and_an_interrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("Kconfig"), kconfig()).unwrap();
    let names: Vec<String> = (0..6).map(|number| format!("config{number}")).collect();
    let children: Vec<_> = names.iter().map(|name| conf(folder, name).spawn().unwrap()).collect();
    for child in children {
        assert!(wait(child, Duration::from_secs(60)).status.success());
    }
    for name in &names[1..] {
        assert_eq!(std::fs::read(folder.join(name)).unwrap(), std::fs::read(folder.join(&names[0])).unwrap());
    }
    // Ctrl-C while a command hangs: conf ends by the signal, as the C tool does.
    std::fs::write(
        folder.join("Kconfig"),
        "config A\n\tstring\n\tdefault \"$(shell,echo $$ >pid; sleep 1000)\"\n",
    )
    .unwrap();
    let child = conf(folder, "hangs").spawn().unwrap();
    let pid = || std::fs::read_to_string(folder.join("pid")).ok().filter(|text| text.ends_with('\n'));
    eventually("the command runs", || pid().is_some());
    let id = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let status = wait(child, Duration::from_secs(60)).status;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2), "{status:?}");
    // The C tool would leave its command behind as well; the test does not.
    let group = rustix::process::Pid::from_raw(pid().unwrap().trim().parse().unwrap()).unwrap();
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
}
