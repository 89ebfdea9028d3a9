//! What it costs to prove one option of a rung: `allno climb --prove`, against make in the same object tree and one boot by hand.
//! Neither has a compiler cache.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Cancel, Context, Error, Result};
use serde_json::Value;

use crate::overhead::{built_store, copy_without_kernel, kernel_source, make};
use crate::rival::{ratio, shown, until};

const LIMIT: Duration = Duration::from_secs(4 * 3600);
const BOOT_LIMIT: Duration = Duration::from_secs(120);

/// One option taken away.
struct Proved {
    option: String,
    build: Duration,
    boot: Duration,
}

pub fn measure(allno: &Path, rung: &str) -> Result<()> {
    let folder = tempfile::tempdir().context(|| "no scratch folder".into())?;
    let store = built_store(allno, folder.path())?;
    let fresh = tempfile::tempdir_in(store.join("scratch")).context(|| "no scratch folder".into())?;
    copy_without_kernel(&store, fresh.path())?;
    let all = proved(allno, rung, fresh.path(), folder.path())?;
    // The same way through the same configurations: the rung's own first, not timed, then each with one option less.
    let source = kernel_source(fresh.path())?;
    let objects =
        tempfile::tempdir_in(fresh.path().join("scratch")).context(|| "no scratch folder".into())?;
    make(&source, objects.path(), &config(fresh.path(), rung)?)?;
    let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
    for Proved { option, build, boot } in &all {
        let name = option.split('=').next().unwrap_or(option);
        let made = make(&source, objects.path(), &config(fresh.path(), &format!("{rung}-without-{name}"))?)?;
        let booted = boot_again(folder.path(), rung, name)?;
        println!(
            "{option}: {:.1} s to build and {:.1} s to boot; make {:.1} s, boot {:.1} s",
            build.as_secs_f64(),
            boot.as_secs_f64(),
            made.as_secs_f64(),
            booted.as_secs_f64()
        );
        ours.push(*build + *boot);
        by_hand.push(made + booted);
    }
    println!("\neach option of the rung {rung} taken away, median of {}", ours.len());
    println!("  allno climb --prove   {}", shown(&ours));
    println!("  make and one boot     {}", shown(&by_hand));
    println!("  ratio                 {:.3}", ratio(&ours, &by_hand));
    Ok(())
}

fn proved(allno: &Path, rung: &str, store: &Path, folder: &Path) -> Result<Vec<Proved>> {
    let answer = Program::new(allno)
        .args(["climb", "--prove", rung, "--json", "--store"])
        .arg(store)
        .directory(folder)
        .env("CCACHE_DISABLE", "1")
        .succeed(LIMIT, &Cancel::new())?;
    let verdicts: Vec<Value> = serde_json::from_str(&answer)
        .map_err(|cause| Error::failed("climb --prove --json is not JSON").note(cause.to_string()))?;
    let seconds = |value: &Value| Duration::from_secs_f64(value.as_f64().unwrap_or_default().max(0.0));
    let built = verdicts.iter().filter(|verdict| seconds(&verdict["boot_seconds"]) > Duration::ZERO);
    let proved = |verdict: &Value| Proved {
        option: verdict["option"].as_str().unwrap_or_default().to_string(),
        build: seconds(&verdict["build_seconds"]),
        boot: seconds(&verdict["boot_seconds"]),
    };
    let all: Vec<Proved> = built.map(proved).collect();
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
