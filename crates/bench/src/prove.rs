//! What it costs to prove the options of a rung: `allno climb --prove`, which builds one kernel while another boots, against make in
//! the same object tree and then a boot by hand, for one option after the other. Neither has a compiler cache.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::process::Program;
use base::{Cancel, Context, Error, Result};
use serde_json::Value;

use crate::overhead::{built_store, copy_without_kernel, kernel_source, make};
use crate::rival::until;

const LIMIT: Duration = Duration::from_secs(4 * 3600);
const BOOT_LIMIT: Duration = Duration::from_secs(120);

pub fn measure(allno: &Path, rung: &str) -> Result<()> {
    let folder = tempfile::tempdir().context(|| "no scratch folder".into())?;
    let store = built_store(allno, folder.path())?;
    let fresh = tempfile::tempdir_in(store.join("scratch")).context(|| "no scratch folder".into())?;
    copy_without_kernel(&store, fresh.path())?;
    let climb = |arguments: &[&str]| {
        let program = Program::new(allno).args(["climb", "--json", "--store"]).arg(fresh.path());
        let program = program.args(arguments).directory(folder.path()).env("CCACHE_DISABLE", "1");
        program.succeed(LIMIT, &Cancel::new())
    };
    // Both ways begin with the rung's own kernel in the object tree.
    climb(&["--from", rung, "--to", rung])?;
    let began = Instant::now();
    let answer = climb(&["--prove", rung])?;
    let ours = began.elapsed();
    let source = kernel_source(fresh.path())?;
    let objects =
        tempfile::tempdir_in(fresh.path().join("scratch")).context(|| "no scratch folder".into())?;
    make(&source, objects.path(), &config(fresh.path(), rung)?)?;
    let mut by_hand = Duration::ZERO;
    let options = proved(&answer, rung)?;
    for option in &options {
        let made =
            make(&source, objects.path(), &config(fresh.path(), &format!("{rung}-without-{option}"))?)?;
        let booted = boot_again(folder.path(), rung, option)?;
        println!("without {option}: make {:.1} s, boot {:.1} s", made.as_secs_f64(), booted.as_secs_f64());
        by_hand += made + booted;
    }
    println!("\nthe rung {rung}, each of {} options taken away", options.len());
    println!("  allno climb --prove   {:.1} s, the boots with all options included", ours.as_secs_f64());
    println!("  make and one boot     {:.1} s", by_hand.as_secs_f64());
    println!("  ratio                 {:.3}", ours.as_secs_f64() / by_hand.as_secs_f64());
    Ok(())
}

/// The options that took a build and a boot.
fn proved(answer: &str, rung: &str) -> Result<Vec<String>> {
    let verdicts: Vec<Value> = serde_json::from_str(answer)
        .map_err(|cause| Error::failed("climb --prove --json is not JSON").note(cause.to_string()))?;
    let booted = |verdict: &&Value| verdict["boot_seconds"].as_f64().is_some_and(|it| it > 0.0);
    let name = |verdict: &Value| {
        let option = verdict["option"].as_str().unwrap_or_default();
        option.split('=').next().unwrap_or(option).to_string()
    };
    let all: Vec<String> = verdicts.iter().filter(booted).map(name).collect();
    match all.is_empty() {
        true => Err(Error::input(format!("no option of the rung \"{rung}\" takes a build and a boot"))),
        false => Ok(all),
    }
}

/// The configuration of the kernel that is kept as `kernel-NAME`.
fn config(store: &Path, name: &str) -> Result<PathBuf> {
    let cannot = || "cannot read the store".to_string();
    let entries = std::fs::read_dir(store.join("artifacts")).context(cannot)?;
    let prefix = format!("kernel-{name}-");
    let digest = |rest: &str| !rest.contains('-');
    let found = entries
        .flatten()
        .find(|entry| entry.file_name().to_str().and_then(|it| it.strip_prefix(&prefix)).is_some_and(digest));
    let found = found.ok_or_else(|| Error::failed(format!("the store has no {prefix}…")))?;
    Ok(found.path().join("tree/config"))
}

/// The boot that said whether the option is needed, by its own script, to the last line it showed.
fn boot_again(folder: &Path, rung: &str, option: &str) -> Result<Duration> {
    let ending = format!("-without-{option}");
    let runs = std::fs::read_dir(folder.join("runs/climb")).context(|| "no runs".into())?;
    let mut runs: Vec<PathBuf> = runs
        .flatten()
        .filter(|run| run.file_name().to_string_lossy().ends_with(&ending))
        .filter(|run| run.file_name().to_string_lossy().starts_with(&format!("{rung}-")))
        .map(|run| run.path())
        .collect();
    runs.sort();
    let run = runs.pop().ok_or_else(|| Error::failed(format!("no run without {option}")))?;
    let console = std::fs::read(run.join("console.log")).context(|| "no console.log".into())?;
    let console = String::from_utf8_lossy(&console).into_owned();
    let last = console.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if last.is_empty() {
        return Err(Error::input(format!(
            "without {option} the machine is silent: no line says when a boot is over"
        )));
    }
    let words = ["sh".to_string(), run.join("qemu.sh").display().to_string()];
    Ok(until(&words, last, BOOT_LIMIT)?.1)
}
