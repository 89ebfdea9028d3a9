//! Installing what is missing: Debian and its children only, as root or through sudo.

use std::io::IsTerminal;
use std::process::Stdio;
use std::time::Duration;

use base::process::{Program, find};
use base::{Cancel, Context, Error, Events, Result};

use super::Report;
use super::host::Family;

/// How long the package manager may take; a slow line and half a gigabyte are well within it.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// How long apt may take to work out what it would do.
const SIMULATION_LIMIT: Duration = Duration::from_secs(120);
/// How long `sudo -n true` may take.
const SUDO_LIMIT: Duration = Duration::from_secs(10);

/// How we may become root.
enum Way {
    /// We are.
    Root,
    /// sudo needs no password.
    Sudo,
    /// sudo asks for a password, and there is somebody to answer.
    SudoAsking,
}

/// Installs exactly the missing packages of `report`; afterwards the caller looks again. Nothing missing: does
/// nothing. Nothing that the host has is lost: see [`install_once`].
///
/// # Errors
/// [`base::Kind::Host`] with the exact line to type: another distribution, neither root nor sudo, apt would remove a
/// package, or the package manager failed.
pub fn install(report: &Report, offline: bool, events: &Events, cancel: &Cancel) -> Result<()> {
    let packages = report.missing_packages();
    if packages.is_empty() {
        return Ok(());
    }
    if report.distribution.family != Family::Debian {
        return Err(type_it(
            report,
            format!("allno installs packages on Debian only; this is {}", report.distribution.name),
        ));
    }
    if offline {
        return Err(type_it(report, "packages are missing, and --offline forbids to fetch them".to_string()));
    }
    let way = way(report, cancel)?;
    let task = events.task("installing", packages.join(" "));
    let mut replaced = Vec::new();
    let first = install_once(&way, report, &packages, &mut replaced, events, cancel);
    if let Err(refused) = first {
        cancel.check()?;
        // Package lists that were never fetched, or that name versions the mirror no longer has.
        events.detail(format!("apt-get install failed ({refused}); trying again with new package lists"));
        run(&way, &["update"], events, cancel)
            .and_then(|()| install_once(&way, report, &packages, &mut replaced, events, cancel))
            .map_err(|error| {
                if error.kind() == base::Kind::Cancelled {
                    return error;
                }
                let mut told = type_it(report, "the missing packages could not be installed".to_string())
                    .output(error.output_lines().iter().cloned());
                told = told.note(error.message());
                error.notes().iter().fold(told, |told, note| told.note(note))
            })?;
    }
    task.end("installed", packages.join(" "));
    Ok(())
}

/// Installs `packages`, and again, in the version that fits, what apt removes because it does not fit beside them (a tool of a newer
/// release than the rest, say from backports). That is added to `replaced`, so that another try brings back what this one did not.
///
/// # Errors
/// apt would remove something that allno knows nothing of, which is for a person to decide; apt failed.
fn install_once(
    way: &Way,
    report: &Report,
    packages: &[String],
    replaced: &mut Vec<String>,
    events: &Events,
    cancel: &Cancel,
) -> Result<()> {
    // Only a question, which any user may ask.
    let simulation =
        Program::new("apt-get").arg("--simulate").args(install_words(packages)).env("LC_ALL", "C");
    let removed = removed_in(&simulation.capture(SIMULATION_LIMIT, cancel)?.stdout);
    let ours = |package: &&String| {
        report.tools.iter().any(|tool| tool.packages.debian.as_deref() == Some(package.as_str()))
    };
    let others: Vec<&str> = removed.iter().filter(|it| !ours(it)).map(String::as_str).collect();
    if !others.is_empty() {
        return Err(Error::host(format!("apt would remove {}", others.join(" "))));
    }
    replaced.extend(removed);
    run(way, &install_words(packages), events, cancel)?;
    if replaced.is_empty() {
        return Ok(());
    }
    events.warn(format!(
        "{} did not fit beside what was installed; apt puts the version that fits in its place",
        replaced.join(" ")
    ));
    run(way, &install_words(replaced), events, cancel)
}

/// The packages that `apt-get --simulate` says would go: `Remv NAME [VERSION] …`, with `:ARCHITECTURE` after a foreign one's name.
fn removed_in(printed: &str) -> Vec<String> {
    let removed = printed.lines().filter_map(|line| line.strip_prefix("Remv "));
    removed.filter_map(|line| line.split_whitespace().next()).map(str::to_string).collect()
}

fn install_words(packages: &[String]) -> Vec<&str> {
    let words = ["install", "--yes", "--no-install-recommends", "--"];
    words.into_iter().chain(packages.iter().map(String::as_str)).collect()
}

fn way(report: &Report, cancel: &Cancel) -> Result<Way> {
    if rustix::process::geteuid().is_root() {
        return Ok(Way::Root);
    }
    if find("sudo").is_none() {
        return Err(type_it(report, "not root, and there is no sudo".to_string()));
    }
    // -n: never ask; a sudo without a terminal would wait for ever.
    let silent = Program::new("sudo").args(["-n", "true"]).capture(SUDO_LIMIT, cancel)?;
    if silent.status.success() {
        Ok(Way::Sudo)
    } else if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        Ok(Way::SudoAsking)
    } else {
        Err(type_it(report, "not root, and sudo asks for a password".to_string()))
    }
}

/// Runs apt-get with nobody to answer its questions: every question has a default.
fn run(way: &Way, words: &[&str], events: &Events, cancel: &Cancel) -> Result<()> {
    let apt = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120", "--quiet"];
    let words = apt.iter().copied().chain(words.iter().copied());
    if let Way::SudoAsking = way {
        return run_asking(words, cancel);
    }
    let program = match way {
        Way::Root => Program::new("env"),
        Way::Sudo | Way::SudoAsking => Program::new("sudo").args(["-n", "env"]),
    };
    let log = std::env::temp_dir().join(format!("allno-install-{}.log", std::process::id()));
    let outcome = program.args(words).run(&log, LIMIT, cancel, &mut |line| events.detail(line));
    if outcome.is_ok() {
        let _ = std::fs::remove_file(&log);
    }
    outcome
}

/// sudo talks to the person's terminal, so it stays in the terminal's group; what apt-get prints is shown.
fn run_asking<'a>(words: impl Iterator<Item = &'a str>, cancel: &Cancel) -> Result<()> {
    let stderr = std::io::stderr();
    let output =
        rustix::io::dup(&stderr).map_err(std::io::Error::from).context(|| "cannot copy stderr".into())?;
    let program = Program::new("sudo").arg("env").args(words);
    let mut running = program.start(Stdio::inherit(), Stdio::from(output), Stdio::inherit(), true)?;
    match running.wait(LIMIT, cancel)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Error::failed(format!("sudo apt-get {}", base::process::ending(status)))),
        None => Err(Error::failed(format!("sudo apt-get took longer than {} s", LIMIT.as_secs()))),
    }
}

/// The error that says why nothing is installed, what is missing, and what to type oneself.
fn type_it(report: &Report, why: String) -> Error {
    let mut error = Error::host(why);
    for tool in report.tools.iter().filter(|tool| tool.required && !tool.is_usable()) {
        error = error.note(tool.sentence());
    }
    match &report.install {
        Some(line) => error.hint(line),
        None => error.hint("install them with this distribution's package manager"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_remove_is_read() {
        let printed = "Reading package lists...\nThe following packages will be REMOVED:\n  qemu-utils\n\
                       Remv qemu-utils [1:10.0.2+ds-2~bpo12+1]\nRemv other:i386 [1.0] [more:i386 ]\n\
                       Inst qemu-system-x86 (1:7.2 Debian:12.14/oldstable [amd64])\nConf qemu-system-x86 (1:7.2)\n";
        assert_eq!(removed_in(printed), ["qemu-utils", "other:i386"]);
        assert!(removed_in("Inst Remv (1)\n").is_empty());
    }
}
