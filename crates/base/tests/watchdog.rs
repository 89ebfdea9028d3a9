//! A child does not outlive us, even when we are killed and can do nothing about it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "the test starts itself to kill it"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const VICTIM: &str = "ALLNO_TEST_VICTIM";

/// Only as the process that is killed: starts a child of two generations and waits.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let script = "sleep 1000 & echo $! $$; wait";
    let (reader, writer) = std::io::pipe().unwrap();
    let program = base::process::Program::new("/bin/sh").args(["-c", script]);
    let running = program.start(Stdio::null(), writer.into(), Stdio::null(), false).unwrap();
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    println!("\nchildren {line}");
    std::io::stdout().flush().unwrap();
    std::thread::sleep(Duration::from_secs(1000));
    drop(running);
}

#[test]
fn children_die_with_a_killed_parent() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.filter_map(|line| line.strip_prefix("children ").map(String::from)).next().unwrap();
    let children: Vec<PathBuf> = line.split(' ').map(|pid| PathBuf::from("/proc").join(pid)).collect();
    assert!(children.len() == 2 && children.iter().all(|child| child.exists()), "{line}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while children.iter().any(|child| is_alive(child.as_path())) {
        assert!(Instant::now() < deadline, "a child outlived its parent: {line}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A killed process whose parent is gone may stay as a zombie where process 1 does not reap.
fn is_alive(process: &Path) -> bool {
    std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
