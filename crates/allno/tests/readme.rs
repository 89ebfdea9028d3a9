//! Every command of the README, run as it stands there, in order, in one folder.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{BUILD_LIMIT, eventually, wait};

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    std::fs::read_to_string(path).unwrap()
}

/// The lines of every fenced block of this language, block by block.
fn blocks(text: &str, language: &str) -> Vec<Vec<String>> {
    let fence = format!("```{language}\n");
    let starts = text.match_indices(&fence).map(|(at, _)| at + fence.len());
    starts.map(|at| text[at..].split("```").next().unwrap().lines().map(String::from).collect()).collect()
}

fn commands(text: &str) -> Vec<String> {
    let lines = blocks(text, "sh").into_iter().flatten();
    let commands = lines.map(|line| line.split('#').next().unwrap().trim().to_string());
    commands.filter(|line| !line.is_empty()).collect()
}

#[expect(clippy::disallowed_methods, reason = "the README's commands are a shell's")]
fn shell(line: &str, folder: &Path) -> Command {
    let binaries = Path::new(env!("CARGO_BIN_EXE_allno")).parent().unwrap().to_path_buf();
    let path = base::process::path_with(binaries, &std::env::var_os("PATH").unwrap()).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("PATH", path).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(line: &str, folder: &Path) -> String {
    let output = wait(shell(line, folder).spawn().unwrap(), BUILD_LIMIT);
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}\n{said}", output.status);
    said
}

#[test]
fn every_command_works_as_it_stands() {
    let text = readme();
    let folder = tempfile::tempdir().unwrap();
    let test_script =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/test")).unwrap();
    let commands = commands(&text);
    assert!(commands.len() > 10, "{commands:?}");
    let spec = blocks(&text, "toml").concat().join("\n");
    let spec_at = commands.iter().rposition(|line| line == "allno man").unwrap();
    for (index, line) in commands.iter().enumerate() {
        match line.as_str() {
            // This test is run by the one; the script this test is run by has the other as its last line.
            "make test" => {}
            "make boot" => assert!(test_script.contains("\nmake boot"), ".ci/test does not run make boot"),
            line if line.starts_with("cargo run") => {
                assert!(test_script.contains("--package bench"), "{line}")
            }
            "allno boot" => interactive(folder.path()),
            // Tried together with the boot it logs into.
            line if line.starts_with("allno ssh") => {}
            line => drop(run(line, folder.path())),
        }
        if index == spec_at {
            std::fs::write(folder.path().join("allno.toml"), &spec).unwrap();
        }
    }
}

/// `allno boot` on a terminal (script(1) gives it one), `allno ssh` into it from elsewhere, then Ctrl-].
fn interactive(folder: &Path) {
    let mut command = shell("script --quiet --command 'allno boot' /dev/null", folder);
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    eventually("allno ssh reaches the node", || {
        let output = wait(shell("allno ssh -- uname -a", folder).spawn().unwrap(), BUILD_LIMIT);
        said = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success()
    });
    assert!(said.contains("Linux node 6.12"), "{said}");
    use std::io::Write;
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"\x1d").unwrap();
    let output = wait(child, std::time::Duration::from_secs(60));
    let console = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && console.contains("node ready"), "{console}");
}
