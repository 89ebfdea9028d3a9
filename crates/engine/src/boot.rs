//! Starts what was made and asks it what the spec expects; leaves a run directory.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base::{Context, Error, Events, Result};
use machine::expect::{Checking, Expected, Failure, Outcome, PowerOff, check, power_off};
use machine::run::RunningGuest;
use machine::{
    Access, Cursor, Ending, Expectation, Fatal, Guest, Network, Observer, ReservedPort, RunFolder,
    interactive,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::lint::{self, InitramfsFinding};
use crate::made::{Built, Made};
use crate::session::Session;
use crate::spec::SpecFile;

/// Where run directories stand, beside the spec.
pub const RUNS: &str = "runs";
/// How long a guest may take to power off: busybox's init gives its children two seconds, and a loaded host takes its time.
const POWER_OFF_LIMIT: Duration = Duration::from_secs(20);
/// What the kernel says when it starts process 1 (kernel: init/main.c, `run_init_process`).
const INIT_MARK: &[u8] = b"Run /init as init process";

/// How to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Check the expectations, power off.
    Check,
    /// Hand the console to the person.
    Interactive,
}

/// What came of a boot; `allno boot --json` prints it (docs/json.md).
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether every expectation was met.
    pub passed: bool,
    /// The run directory.
    pub run: PathBuf,
    /// "microvm"
    pub machine: String,
    /// "tcg" or "kvm"
    pub accelerator: String,
    /// One per expectation, in the spec's order.
    pub expectations: Vec<Outcome>,
    /// How the guest was switched off.
    pub power_off: Option<PowerOff>,
    /// What the linter found in the initramfs.
    pub findings: Vec<InitramfsFinding>,
    /// What was booted.
    pub built: Built,
}

/// Boots.
///
/// # Errors
/// QEMU does not start, or an expectation is not met: with the console's last lines, what was waited for and the line that
/// does it again.
pub fn boot(session: &Session, spec: &SpecFile, made: &Made, mode: Mode, gdb: Option<u16>) -> Result<Report> {
    let built = made.built(spec)?;
    let warned = || {
        let findings = lint::findings(made, &session.cancel);
        findings.iter().for_each(|finding| session.events.warn(finding.line()));
        findings
    };
    // A console that a person types at is no place for warnings; a check has a second processor for them meanwhile.
    let early = (mode == Mode::Interactive).then(warned);
    let mut running = Running::start(session, spec, made, &built, mode, gdb)?;
    let expectations: Vec<Expectation> = spec.spec.expect.iter().map(|it| it.get_ref().clone()).collect();
    let (outcomes, power, findings) = match mode {
        Mode::Interactive => {
            interactive::attach(&mut running.guest, Cursor(0), &session.cancel)?;
            made.image.copy_ahead(session);
            (Vec::new(), None, early.unwrap_or_default())
        }
        Mode::Check => std::thread::scope(|scope| {
            let linting = scope.spawn(|| {
                made.image.copy_ahead(session);
                warned()
            });
            let outcomes = running.check(session, &expectations)?;
            session.cancel.check()?;
            let power = running.power_off(session, &expectations);
            let findings = linting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, Error>((outcomes, Some(power), findings))
        })?,
    };
    let report = Report {
        passed: outcomes.iter().all(Outcome::passed),
        run: running.folder.path().to_path_buf(),
        machine: made.decisions.machine.name.clone(),
        accelerator: made.host.word().to_string(),
        expectations: outcomes,
        power_off: power,
        findings,
        built,
    };
    running.folder.finish(&report)?;
    Ok(report)
}

impl Report {
    /// The error of a boot that did not do what was expected; `None` when it did.
    pub fn failure(&self, spec: &SpecFile) -> Option<Error> {
        let (outcome, failure) = self.expectations.iter().find_map(|it| Some((it, it.failure.as_ref()?)))?;
        let failed = self.expectations.iter().filter(|it| !it.passed()).count();
        let mut error = Error::failed(told(outcome, failure));
        if let Some(expectation) = spec.spec.expect.get(outcome.index) {
            error = error.at(spec.place.snippet(expectation.span()));
        }
        if failed > 1 {
            error = error.note(format!(
                "{failed} of {} expectations failed; this is the first",
                self.expectations.len()
            ));
        }
        error = error.output(failure.lines().to_vec());
        for finding in self.findings.iter().filter(|finding| finding.fatal) {
            error = error.note(finding.line());
        }
        error = error.note(format!("console: {}", self.run.join("console.log").display()));
        Some(error.hint(format!("sh {}", self.run.join("qemu.sh").display())))
    }
}

/// A guest under way with its run directory.
struct Running {
    guest: Guest,
    folder: RunFolder,
    access: Option<Access>,
    holds_files: bool,
}

impl Running {
    fn start(
        session: &Session,
        spec: &SpecFile,
        made: &Made,
        built: &Built,
        mode: Mode,
        gdb: Option<u16>,
    ) -> Result<Running> {
        let launch = made.launch(spec, gdb);
        let folder = RunFolder::create(&spec.folder.join(RUNS), SystemTime::now())?;
        let port = match launch.wants_port() {
            true => Some(ReservedPort::new(built.ssh_port)?),
            false => None,
        };
        let number = port.as_ref().map(ReservedPort::port);
        let program = launch.program(number)?;
        session.events.line("booting", booting(made, spec));
        if let Some(gdb) = gdb {
            let line = format!("gdb {} -ex 'target remote 127.0.0.1:{gdb}'", made.kernel.vmlinux.display());
            session.events.line("gdb", format!("the guest waits for: {line}"));
        }
        let observer = match mode {
            Mode::Check => Some(first_line_observer(session.events.clone())),
            Mode::Interactive => None,
        };
        let started = Guest::start(&program, &folder.console_log(), &folder.qemu_log(), port, observer);
        // Whether it started or not; a guest has begun meanwhile.
        folder.write_plan(&json!({ "built": built, "launch": launch }))?;
        folder.write_line(&program.shell_line())?;
        let guest = started?;
        let access = access(made, &folder, number);
        if let (Mode::Interactive, Some(access)) = (mode, &access) {
            session.events.line("log in", format!("allno ssh   or   {}", access.shell_line("")));
            session.events.line("console", interactive::ESCAPE_HINT);
        }
        folder.write_running(&RunningGuest::of(guest.id(), access.clone())?)?;
        Ok(Running { guest, folder, access, holds_files: launch.holds_files() })
    }

    fn check(&mut self, session: &Session, expectations: &[Expectation]) -> Result<Vec<Outcome>> {
        let fatal = fatal_texts();
        let checking = Checking { access: self.access.as_ref(), fatal: &fatal, cancel: &session.cancel };
        let folder = &mut self.folder;
        let (mut log_error, mut last) = (None, None);
        let outcomes = check(expectations, &self.guest, checking, |outcome| {
            show(&session.events, outcome, &expectations[outcome.index], &mut last);
            let mut fields = Map::new();
            fields.insert("expected".into(), outcome.expected.clone().into());
            fields.insert("passed".into(), Value::Bool(outcome.passed()));
            if let Err(error) = folder.event(outcome.at, "expectation", fields) {
                log_error = Some(error);
            }
        });
        match log_error {
            Some(error) => Err(error),
            None => Ok(outcomes),
        }
    }

    /// Switches the guest off: over SSH when SSH was asked of it, else by ending QEMU, at once where it has nothing to close. Waiting
    /// for a login that nobody needs would cost an edit its second.
    fn power_off(&mut self, session: &Session, expectations: &[Expectation]) -> PowerOff {
        let uses_ssh = expectations.iter().any(Expectation::needs_ssh);
        let asked = self.access.as_ref().filter(|_| uses_ssh).map(|access| (access, "poweroff"));
        if asked.is_none() && !self.holds_files {
            self.guest.cut_power();
        }
        power_off(&mut self.guest, asked, POWER_OFF_LIMIT, &session.cancel)
    }
}

fn booting(made: &Made, spec: &SpecFile) -> String {
    match &spec.spec.machine.qemu {
        Some(_) => "with your own QEMU line".to_string(),
        None => format!("qemu {}, {}", made.decisions.machine.name, made.host.sentence()),
    }
}

/// `last`: how the guest ended for the last one that failed; it ends every wait.
fn show(events: &Events, outcome: &Outcome, expectation: &Expectation, last: &mut Option<Ending>) {
    let time = format!("{:.2} s", outcome.at.as_secs_f64());
    match (&outcome.failure, &outcome.seen, &expectation.what) {
        (Some(failure), _, _) => events.line("failed", told_once(outcome, failure, last)),
        (None, Some(seen), Expected::Ssh { .. }) => {
            events.line(time, format!("{} → {seen}", outcome.expected))
        }
        (None, _, _) => events.line(time, outcome.expected.clone()),
    }
}

/// [`told`]; "likewise" where the guest ended as `last` says, which is told in full once.
fn told_once(outcome: &Outcome, failure: &Failure, last: &mut Option<Ending>) -> String {
    let now = match failure {
        Failure::Stopped(stopped) => match &stopped.ending {
            ending @ (Ending::Fatal { .. } | Ending::Exit { .. }) => Some(ending.clone()),
            Ending::Deadline | Ending::Cancelled => None,
        },
        _ => None,
    };
    let repeated = now.is_some() && now == *last;
    *last = now;
    if repeated { format!("waited for {}; likewise", outcome.expected) } else { told(outcome, failure) }
}

/// What was expected and why it did not come, each once.
fn told(outcome: &Outcome, failure: &Failure) -> String {
    let sentence = failure.sentence();
    match sentence.contains(&outcome.expected) {
        true => sentence,
        false => format!("{}: {sentence}", outcome.expected),
    }
}

/// How the guest is reached: the forwarded port on loopback, or its own address behind a tap device.
fn access(made: &Made, folder: &RunFolder, port: Option<u16>) -> Option<Access> {
    let key = made.decisions.ssh_key.clone()?;
    let address = match (&made.decisions.network, port) {
        (_, Some(port)) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        (Network::Tap { .. }, None) => SocketAddr::from((made.decisions.address?, 22)),
        _ => return None,
    };
    Some(Access { address, user: "root".to_string(), key, known_hosts: folder.known_hosts() })
}

/// What a kernel prints when no wanted text will come any more (kernel: kernel/panic.c, kernel/exit.c, init/do_mounts.c).
pub(crate) fn fatal_texts() -> Vec<Fatal> {
    vec![
        Fatal::literal("kernel-panic", "Kernel panic - not syncing"),
        Fatal::literal("end-of-panic", "---[ end Kernel panic"),
        Fatal::literal("init-killed", "Attempted to kill init"),
        Fatal::literal("no-init", "No working init found"),
    ]
}

/// Says when the first line of /init came: the line after the kernel's own about starting it.
fn first_line_observer(events: Events) -> Observer {
    let mut seen: Vec<u8> = Vec::new();
    let mut marked = false;
    let mut done = false;
    Box::new(move |at: Duration, bytes: &[u8]| {
        if done {
            return;
        }
        seen.extend_from_slice(bytes);
        if !marked {
            match find(&seen, INIT_MARK) {
                Some(place) => {
                    seen.drain(..place + INIT_MARK.len());
                    marked = true;
                }
                None => {
                    let keep = seen.len().saturating_sub(INIT_MARK.len());
                    seen.drain(..keep);
                    return;
                }
            }
        }
        if let Some(end) = find(&seen, b"\n")
            && seen.len() > end + 1
        {
            done = true;
            events.line(format!("{:.2} s", at.as_secs_f64()), "first line of /init");
        }
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Logs into the newest running guest of the project, or that of the run directory `run`; returns the exit code.
///
/// # Errors
/// No guest runs, or it cannot be reached by SSH.
pub fn login(folder: &Path, run: Option<&Path>, command: &[String], cancel: &base::Cancel) -> Result<u8> {
    let found = match run {
        Some(run) => read_running(run)?,
        None => machine::run::newest_running(&folder.join(RUNS)).map(|(_, running)| running),
    };
    let running = found.ok_or_else(|| {
        Error::input("no guest of this project runs")
            .note(format!("looked in {}", folder.join(RUNS).display()))
            .hint("start one, in another terminal: allno boot")
    })?;
    let access = running.access.ok_or_else(|| {
        Error::input("the running guest cannot be reached by SSH")
            .note("no private key is known for the keys in [accounts], or its network leads nowhere")
    })?;
    let mut client = access.login(command)?;
    let day = Duration::from_secs(30 * 24 * 3600);
    let status = client.wait(day, cancel)?;
    Ok(status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn read_running(run: &Path) -> Result<Option<RunningGuest>> {
    let path = run.join("running.json");
    let text = match std::fs::read(&path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.context(|| format!("cannot read {}", path.display()))?,
    };
    let running: RunningGuest = serde_json::from_slice(&text).map_err(|cause| {
        Error::input(format!("{} is not a run's", path.display())).note(cause.to_string())
    })?;
    Ok(running.is_alive().then_some(running))
}

#[cfg(test)]
mod tests {
    use machine::Stopped;

    use super::*;

    #[test]
    fn what_ended_the_guest_is_told_in_full_once() {
        let mut last = None;
        let at = Duration::from_secs(1);
        let mut line = |expected: &str, ending: Ending| {
            let wanted = vec![expected.to_string()];
            let stopped =
                Stopped { wanted, ending, at, waited: at, silent_since: at, last_lines: Vec::new() };
            let outcome = Outcome { index: 0, expected: expected.into(), at, seen: None, failure: None };
            told_once(&outcome, &Failure::Stopped(Box::new(stopped)), &mut last)
        };
        let died = || Ending::Fatal { name: "kernel-panic".into(), line: "Kernel panic".into() };
        let dead = "waited for ssh: id; the guest died at 1.0 s: Kernel panic";
        assert_eq!(line("ssh: id", died()), dead);
        assert_eq!(line("\"ready\"", died()), "waited for \"ready\"; likewise");
        let silent = "waited for ssh: id for 1.0 s; the console has been silent since 1.0 s";
        assert_eq!(line("ssh: id", Ending::Deadline), silent);
        assert_eq!(line("ssh: id", Ending::Deadline), silent);
        assert_eq!(line("ssh: id", died()), dead);
    }
}
