//! One boot of a proof, and what was seen.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::{Context, Error, Result};
use kconfig::Value;
use machine::expect::{Checking, Outcome, check};
use machine::{
    Access, Cursor, Drive, Fatal, Guest, ImageFormat, Launch, Network, Pattern, ReservedPort, RunFolder,
    Wait, monitor,
};
use serde_json::json;

use super::file_bytes;
use super::processor::{self, Standing};
use super::seen::{EVIDENCE_LINES, Seen, complaints};
use super::traffic::Traffic;
use super::user_space::UserSpace;
use crate::boot::fatal_texts;
use crate::build::Kernel;
use crate::data;
use crate::proof::{Below, Expression, Proof};
use crate::workshop::Workshop;

/// How long the machine of the first rung runs before its processor is looked at.
const UNTIL_PANIC: Duration = Duration::from_secs(60);
/// The guest's memory in MiB.
const MEMORY: u32 = 256;
/// How long a line that has come already may take to be found.
const LOOK_BACK: Duration = Duration::from_millis(50);

/// Everything one boot needs.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub workshop: &'a Workshop<'a>,
    pub proof: &'a Proof,
    pub kernel: &'a Kernel,
    pub user_space: &'a UserSpace,
    /// The rungs' words for the command line.
    pub words: &'a [String],
    /// The run's folder.
    pub folder: &'a Path,
}

/// A boot that has begun.
pub(super) enum Boot<'a> {
    /// It did not: the kernel is not one to boot.
    Refused(Seen),
    /// It runs.
    Running(Box<Running<'a>>),
}

/// A machine that runs.
pub(super) struct Running<'a> {
    attempt: Attempt<'a>,
    size: u64,
    run: RunFolder,
    traffic: Option<Traffic>,
    /// The monitor's socket, and the folder it lies in.
    monitor: Option<(PathBuf, tempfile::TempDir)>,
    /// The port that leads to the guest's.
    port: Option<u16>,
    line: String,
    guest: Guest,
    began: Instant,
}

impl<'a> Attempt<'a> {
    /// Boots and looks. `within`: the longest any expectation may wait, if it is less than its own.
    ///
    /// # Errors
    /// QEMU does not start, or the run was stopped; not that an expectation failed.
    pub fn run(self, within: Option<Duration>) -> Result<Seen> {
        self.start()?.finish(within)
    }

    /// Starts the machine; nobody looks yet.
    ///
    /// # Errors
    /// QEMU does not start.
    pub fn start(self) -> Result<Boot<'a>> {
        let size = file_bytes(&self.kernel.bz_image)?;
        if let Some(refusal) = self.refusal(size)? {
            let below = self.below().filter(|pattern| pattern.matches(&refusal)).map(|_| refusal.clone());
            return Ok(Boot::Refused(Seen { below, ..Seen::of(false, vec![refusal]) }));
        }
        let run = RunFolder::at(self.folder)?;
        let traffic = self.proof.traffic.then(Traffic::open).transpose()?;
        let monitor = self.proof.processor_in.is_some().then(tempfile::tempdir).transpose();
        let monitor = monitor.context(|| "no scratch folder".into())?;
        let monitor = monitor.map(|folder| (folder.path().join("monitor"), folder));
        let launch = self.launch(traffic.as_ref(), monitor.as_ref().map(|(socket, _)| socket.as_path()))?;
        let reserved = if launch.wants_port() { Some(ReservedPort::new(None)?) } else { None };
        let port = reserved.as_ref().map(ReservedPort::port);
        let program = launch.program(port)?;
        run.write_plan(&json!({ "proof": self.proof.about, "launch": launch }))?;
        let line = program.shell_line();
        run.write_line(&line)?;
        let guest = Guest::start(&program, &run.console_log(), &run.qemu_log(), reserved, None)?;
        let began = Instant::now();
        let running = Running { attempt: self, size, run, traffic, monitor, port, line, guest, began };
        Ok(Boot::Running(Box::new(running)))
    }

    /// Why this kernel fails the proof before it is booted, if it does.
    fn refusal(&self, size: u64) -> Result<Option<String>> {
        if let Some(most) = self.proof.bzimage_at_most.filter(|most| size > *most) {
            return Ok(Some(format!("the bzImage has {size} bytes, more than {most}")));
        }
        if self.proof.off.is_empty() {
            return Ok(None);
        }
        let config = self.kernel.read_config()?;
        let on = self.proof.off.iter().filter(|name| config.value(name) == Value::Yes);
        let on: Vec<&str> = on.map(String::as_str).collect();
        Ok((!on.is_empty()).then(|| format!("on though nobody asked: {}", on.join(", "))))
    }

    /// What the proof looks for without the rung, if that is a line.
    fn below(&self) -> Option<Pattern> {
        match &self.proof.below {
            Some(Below::Line(expression)) => Pattern::regex(expression).ok(),
            _ => None,
        }
    }

    fn launch(&self, traffic: Option<&Traffic>, socket: Option<&Path>) -> Result<Launch> {
        let proof = self.proof;
        let mut machine = data::machine(proof.machine.get_ref())?;
        let disk = self.user_space.disk.as_ref().zip(proof.bus).map(|(disk, bus)| Drive {
            image: disk.path(),
            format: ImageFormat::Raw,
            bus,
        });
        let mut extra = proof.extra.clone();
        extra.extend(socket.into_iter().flat_map(monitor::arguments));
        machine.network_device = proof.card.clone().or(machine.network_device);
        let network = match proof.network() {
            true => Network::user(),
            false => Network::None,
        };
        let mut words = self.words.to_vec();
        words.extend(self.workshop.host.clock_word());
        let root = self.user_space.root_word.as_deref().unwrap_or_default();
        words.extend(proof.append.as_ref().map(|append| append.replace("{root}", root)));
        words.extend(traffic.map(Traffic::word));
        Ok(Launch {
            processors: proof.processors.unwrap_or(1),
            firmware: proof.firmware.unwrap_or_default(),
            disk,
            kernel: proof.firmware.is_none().then(|| self.kernel.bz_image.clone()),
            initramfs: self.user_space.initramfs.as_ref().map(|held| held.path.clone()),
            append: words.join(" "),
            network,
            random: proof.random,
            extra,
            ..Launch::new(machine, self.workshop.host.accelerator(), MEMORY)
        })
    }

    /// How a distribution is reached.
    fn access(&self, run: &RunFolder, port: Option<u16>) -> Option<Access> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port?));
        let key = self.user_space.key.clone()?;
        Some(Access { address, user: "root".to_string(), key, known_hosts: run.known_hosts() })
    }

    fn look_at_processor(&self, guest: &Guest, socket: &Path, function: &str) -> Result<Seen> {
        let map = self.kernel.bz_image.with_file_name("System.map");
        let standing = processor::find(socket, &map, function, UNTIL_PANIC, &self.workshop.session.cancel)?;
        let (passed, lines) = match standing {
            Standing::Inside(lines) => (true, lines),
            Standing::Elsewhere(lines) => (false, lines),
        };
        Ok(Seen {
            silent: guest.console().text_from(Cursor::default()).is_empty(),
            ..Seen::of(passed, lines)
        })
    }

    fn look_at_console(
        &self,
        guest: &mut Guest,
        access: Option<&Access>,
        traffic: Option<(&Traffic, u16)>,
        within: Option<Duration>,
    ) -> Result<Seen> {
        let cancel = &self.workshop.session.cancel;
        let fatal = fatal_texts();
        let shorter = |own: f64| within.map_or(own, |within| own.min(within.as_secs_f64()));
        if let Some(failure) = self.type_all(guest, &fatal, shorter(machine::expect::DEFAULT_WITHIN))? {
            return Ok(Seen::of(false, vec![failure]));
        }
        let mut lines = Vec::new();
        // First: what it expects comes of it.
        if let Some((traffic, port)) = traffic {
            match traffic.exchange(
                port,
                Duration::from_secs_f64(shorter(machine::expect::DEFAULT_WITHIN)),
                cancel,
            )? {
                Ok(more) => lines.extend(more),
                Err(failure) => return Ok(Seen::of(false, vec![failure])),
            }
        }
        let checking = Checking { access, fatal: &fatal, cancel };
        for expectation in &self.proof.expect {
            let mut expectation = expectation.get_ref().clone();
            expectation.within = shorter(expectation.within);
            let outcomes = check(&[expectation], guest, checking, |_| {});
            cancel.check()?;
            for Outcome { seen, failure, expected, .. } in outcomes {
                if let Some(failure) = failure {
                    return Ok(Seen::of(false, vec![failure_line(&expected, &failure.sentence())]));
                }
                lines.extend(seen);
            }
        }
        if let Some(Expression(never)) = &self.proof.never {
            if let Some(line) = self.complaint(guest)? {
                return Ok(Seen::of(false, vec![format!("the console says: {line}")]));
            }
            lines.push(format!("no line of the console matches /{never}/"));
        }
        Ok(Seen::of(true, lines))
    }

    /// The first line of the console so far that the proof's `never` matches, and its `except` does not.
    fn complaint(&self, guest: &Guest) -> Result<Option<String>> {
        let regex = |expression: &Option<Expression>| {
            expression.as_ref().map(|Expression(text)| Pattern::regex(text)).transpose()
        };
        let (never, except) = (regex(&self.proof.never)?, regex(&self.proof.except)?);
        let matches =
            |pattern: &Option<Pattern>, line: &str| pattern.as_ref().is_some_and(|it| it.matches(line));
        let text = guest.console().text_from(Cursor::default());
        let text = String::from_utf8_lossy(&text);
        let found = text.lines().find(|line| matches(&never, line) && !matches(&except, line));
        Ok(found.map(|line| line.trim_end().to_string()))
    }

    /// The first line of the console so far that matches.
    fn find(&self, guest: &Guest, pattern: &Pattern) -> Option<machine::Seen> {
        let wait = Wait {
            wanted: std::slice::from_ref(pattern),
            fatal: &[],
            deadline: Instant::now() + LOOK_BACK,
            cancel: &self.workshop.session.cancel,
        };
        guest.console().wait(&mut Cursor::default(), &wait).ok()
    }

    /// Types what the proof says; why not, if the text to type after does not come.
    fn type_all(&self, guest: &mut Guest, fatal: &[Fatal], within: f64) -> Result<Option<String>> {
        let mut cursor = Cursor::default();
        for typed in &self.proof.typed {
            let wanted = [Pattern::literal(&typed.after)];
            let deadline = guest.console().began() + Duration::from_secs_f64(within);
            let wait = Wait { wanted: &wanted, fatal, deadline, cancel: &self.workshop.session.cancel };
            if let Err(stopped) = guest.console().wait(&mut cursor, &wait) {
                return Ok(Some(stopped.sentence()));
            }
            guest.write(format!("{}\n", typed.line).as_bytes())?;
        }
        Ok(None)
    }

    /// What every boot is asked: whether it spoke, when it reached process 1, and the line of the rung below.
    fn complete(&self, seen: &mut Seen, guest: &Guest) -> Result<()> {
        let console = guest.console();
        let text = console.text_from(Cursor::default());
        seen.silent = text.is_empty();
        seen.complaints = complaints(&String::from_utf8_lossy(&text))?;
        let find = |pattern: &Pattern| self.find(guest, pattern);
        // kernel: init/main.c, run_init_process. It is said before it is tried.
        let started = Pattern::regex("Run /\\S+ as init process").ok().and_then(|pattern| find(&pattern));
        let ran = find(&Pattern::literal("No working init found")).is_none();
        seen.init_ms = started.filter(|_| ran).map(|line| line.at.as_millis() as u64);
        seen.below = self.below().and_then(|pattern| find(&pattern)).map(|it| it.line);
        if !seen.passed {
            seen.last = console.last_lines(EVIDENCE_LINES);
        }
        Ok(())
    }
}

impl Boot<'_> {
    /// Whether the console has the line that the rung below shows.
    pub fn says_below(&self) -> bool {
        match self {
            Boot::Refused(seen) => seen.below.is_some(),
            Boot::Running(running) => {
                let Running { attempt, guest, .. } = running.as_ref();
                attempt.below().is_some_and(|pattern| attempt.find(guest, &pattern).is_some())
            }
        }
    }

    /// Looks whether all comes that the proof expects, and ends the machine. `within`: the longest any expectation may wait, if
    /// it is less than its own.
    ///
    /// # Errors
    /// QEMU did not start, or the run was stopped; not that an expectation failed.
    pub fn finish(self, within: Option<Duration>) -> Result<Seen> {
        match self {
            Boot::Refused(seen) => Ok(seen),
            Boot::Running(running) => running.finish(within),
        }
    }
}

impl Running<'_> {
    fn finish(mut self, within: Option<Duration>) -> Result<Seen> {
        let attempt = self.attempt;
        let mut seen = match attempt.proof.processor_in.as_ref().zip(self.monitor.as_ref()) {
            Some((function, (socket, _))) => attempt.look_at_processor(&self.guest, socket, function)?,
            None => {
                let access = attempt.access(&self.run, self.port);
                let traffic = self.traffic.as_ref().zip(self.port);
                attempt.look_at_console(&mut self.guest, access.as_ref(), traffic, within)?
            }
        };
        attempt.workshop.session.cancel.check()?;
        if let Some(most) = attempt.proof.bzimage_at_most.filter(|_| seen.passed) {
            seen.lines.insert(0, format!("the bzImage has {} bytes, at most {most}", self.size));
        }
        attempt.complete(&mut seen, &self.guest)?;
        seen.took = self.began.elapsed();
        // A QEMU that refuses its arguments is no kernel that fails.
        let stderr = self.guest.stderr_lines();
        self.guest.stop();
        if seen.silent && !seen.passed && !stderr.is_empty() {
            return Err(Error::failed("QEMU did not start").output(stderr).note(self.line));
        }
        self.run.finish(&json!({ "passed": seen.passed, "evidence": seen.evidence() }))?;
        Ok(seen)
    }
}

fn failure_line(expected: &str, sentence: &str) -> String {
    if sentence.contains(expected) { sentence.to_string() } else { format!("{expected}: {sentence}") }
}
