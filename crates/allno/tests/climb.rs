//! `allno climb`: the lowest rungs for real, options taken away, the report of the whole ladder in a browser, and what a person
//! types wrong.

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use common::Project;
use serde_json::Value;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn the_lowest_rungs_are_proved_and_the_machine_says_why() {
    let project = Project::new("");
    let run = project.allno(&["climb", "--to", "programs", "--json", "--report", "out"]).run();
    let records = run.json();
    assert!(run.output.status.success(), "{records}\n{}", run.stderr());
    let records = records.as_array().expect("one array");
    let names: Vec<&str> = records.iter().map(|record| record["rung"].as_str().unwrap()).collect();
    assert_eq!(names, ["allnoconfig", "console", "initramfs", "programs"]);
    for record in records {
        assert_eq!(record["proved"], true, "{record}");
        assert!(record["bzimage_bytes"].as_u64().unwrap() > 500_000, "{record}");
        assert!(record["objects_compiled"].as_u64().is_some(), "{record}");
    }
    let says = |index: usize, key: &str, text: &str| {
        let lines = records[index][key].to_string();
        assert!(lines.contains(text), "{key} of {} lacks {text}: {lines}", names[index]);
    };
    says(0, "after", "panic+0x");
    says(1, "before", "not one byte");
    says(1, "after", "Linux version");
    says(2, "before", "No working init found");
    says(3, "before", "Failed to execute /init (error -2)");
    says(3, "after", "hello from process 1");
    let page = std::fs::read_to_string(project.path().join("out/index.html")).unwrap();
    assert!(page.contains("hello from process 1"));
    assert!(project.path().join("out/report.md").is_file());
    assert!(project.path().join("runs/climb/programs-1-below/console.log").is_file());
}

#[test]
fn an_option_is_taken_away_and_the_boot_says_whether_it_was_needed() {
    let project = Project::new("");
    let prove = |arguments: &[&str]| -> Vec<Value> {
        let run = project.allno(&[&["climb", "--json", "--prove"], arguments].concat()).run();
        let verdicts = run.json();
        assert!(run.output.status.success(), "{verdicts}\n{}", run.stderr());
        verdicts.as_array().expect("one array").clone()
    };
    let mut verdicts = prove(&["initramfs", "--report", "out"]);
    // Silence is a failure, too, as the same machine spoke with the option.
    verdicts.extend(prove(&["console", "--option", "CONFIG_SERIAL_8250_CONSOLE", "--report", "out"]));
    let options: Vec<&str> = verdicts.iter().map(|it| it["option"].as_str().unwrap()).collect();
    assert_eq!(options, ["BLK_DEV_INITRD=y", "RD_GZIP=y", "SERIAL_8250_CONSOLE=y"]);
    for (verdict, says) in verdicts.iter().zip(["No working init found", "gzip", "not one byte"]) {
        assert_eq!(verdict["finding"], "needed", "{verdict}");
        assert!(verdict["evidence"].to_string().contains(says), "{says} is not said: {verdict}");
    }
    assert!(verdicts[0]["fell"].to_string().contains("\"RD_GZIP\""), "{}", verdicts[0]);
    // Both calls are in the one table.
    let table = std::fs::read_to_string(project.path().join("out/prove.md")).unwrap();
    assert!(options.iter().all(|option| table.contains(&format!("`{option}`"))), "{table}");
}

/// A spec's own kernel is tried on the rungs: it reaches what it has the options for, and the first rung above shows what it lacks.
#[test]
fn a_kernel_of_ones_own_reaches_as_far_as_its_options() {
    let project = Project::new("[kernel]\nrungs = [\"console\", \"initramfs\"]\n");
    let run =
        project.allno(&["climb", "--own-kernel", "--from", "console", "--to", "programs", "--json"]).run();
    let reached = run.ok().json();
    let rungs: Vec<(&str, bool)> = reached["rungs"]
        .as_array()
        .expect("rungs")
        .iter()
        .map(|rung| (rung["rung"].as_str().unwrap(), rung["reached"].as_bool().unwrap()))
        .collect();
    assert_eq!(rungs, [("console", true), ("initramfs", true), ("programs", false)], "{reached}");
    assert!(reached["rungs"][2]["proofs"].to_string().contains("Failed to execute /init"), "{reached}");
    assert_eq!(reached["asked"], 7, "{reached}");
}

#[test]
fn what_is_typed_wrong_is_named() {
    let project = Project::new("");
    let refused = |arguments: &[&str], says: &[&str]| {
        let run = project.allno(arguments).run();
        assert_eq!(run.output.status.code(), Some(2), "{}", run.stderr());
        for text in says {
            assert!(run.stderr().contains(text), "{text} is not in: {}", run.stderr());
        }
    };
    refused(&["climb", "--to", "consol"], &["consol", "did you mean \"console\""]);
    refused(
        &["climb", "--from", "programs", "--to", "console"],
        &["stands below", "--from console --to programs"],
    );
    refused(&["climb", "--prove", "nosuch"], &["no rung \"nosuch\""]);
    refused(
        &["climb", "--prove", "console", "--option", "SERIAL_825"],
        &["SERIAL_825 ", "did you mean \"SERIAL_8250\"?"],
    );
    refused(&["climb", "--option", "TTY"], &["--prove"]);
    refused(&["climb", "--own-kernel", "--prove"], &["--own-kernel", "cannot be used with"]);
    refused(&["climb", "--records", "gone.json", "--report", "out"], &["gone.json", "climb.json"]);
    project.write("other.json", "{\"rungs\": 3}");
    refused(&["climb", "--records", "other.json", "--report", "out"], &["other.json", "no records"]);
    assert!(!project.path().join("out").exists(), "nothing half-made is left");
}

/// The page of the committed result, as Chromium shows it: its text is there, and its console has no error.
#[test]
fn the_report_of_the_whole_climb_opens_in_a_browser() {
    let project = Project::new("");
    let committed = repository("docs/climb/climb.json");
    let arguments = ["climb", "--records", committed.to_str().unwrap(), "--report", "out"];
    let run = project.allno(&arguments).run();
    assert!(run.output.status.success(), "{}", run.stderr());
    let page = project.path().join("out/index.html");
    let shown = Program::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", project.path().join("profile").display()))
        .args(["--dump-dom".to_string(), format!("file://{}", page.display())])
        .capture(Duration::from_secs(120), &base::Cancel::new())
        .expect("chromium (allno doctor --install --tests)");
    assert!(shown.status.success(), "{}", shown.stderr);
    let records: Value = serde_json::from_slice(&std::fs::read(&committed).unwrap()).unwrap();
    for record in records.as_array().unwrap() {
        assert_eq!(record["proved"], true, "{record}");
        let id = format!("<section id=\"{}\">", record["rung"].as_str().unwrap());
        assert!(shown.stdout.contains(&id), "{id} is not on the page");
    }
    // What a page writes to its console, Chromium logs as ...:CONSOLE(line)] "text".
    let said: Vec<&str> = shown.stderr.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(said.is_empty(), "{said:?}");
    // The Markdown beside it is what is committed.
    let markdown = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    assert_eq!(markdown(project.path().join("out/report.md")), markdown(repository("docs/climb/report.md")));
}
