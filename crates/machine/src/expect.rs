//! What a boot should do, as values, and whether it did.
//!
//! Each text is searched in the whole console from its start, so the order in the spec does not matter.

use std::time::{Duration, Instant};

use base::{Cancel, Error};
use serde::{Deserialize, Serialize};

use crate::console::{Cursor, Ending, Stopped, Wait, readable, seconds};
use crate::guest::{Exit, Guest};
use crate::pattern::{Fatal, Pattern};
use crate::ssh::{Access, Interrupted};

/// How long an expectation waits unless it says otherwise, in seconds. A loaded host with TCG takes its time.
pub const DEFAULT_WITHIN: f64 = 60.0;
/// Most seconds an expectation may wait: a day.
const LONGEST_WITHIN: f64 = 86_400.0;
/// How many lines of a command's output an outcome carries.
const OUTPUT_LINES: usize = 20;

/// One thing a boot should do, as `[[expect]]` in a spec says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Expectation {
    /// What should happen.
    pub what: Expected,
    /// In how many seconds: a console text and QEMU's end counted from QEMU's start, an SSH command from when its turn
    /// comes.
    pub within: f64,
}

/// What should happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The console shows this text.
    Console(String),
    /// The console shows a line that this regular expression matches.
    Regex(String),
    /// A command run in the guest over SSH.
    Ssh {
        /// The line for the guest's shell.
        command: String,
        /// What its standard output must contain.
        prints: Option<String>,
        /// Its exit code.
        exit: i32,
        /// The account, unless the run's own.
        user: Option<String>,
    },
    /// QEMU ends with this exit code: 0 when the guest powers off or reboots.
    QemuExit(i32),
}

/// An expectation as written: exactly one of console, regex, ssh and qemu_exit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    console: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssh: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qemu_exit: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prints: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<i32>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<f64>,
}

impl TryFrom<Written> for Expectation {
    type Error = String;

    fn try_from(written: Written) -> Result<Expectation, String> {
        let Written { console, regex, ssh, qemu_exit, prints, exit, user, within } = written;
        if ssh.is_none() && (prints.is_some() || exit.is_some() || user.is_some()) {
            return Err(
                "prints, exit and as belong to an ssh expectation (for QEMU's exit code: qemu_exit)".into()
            );
        }
        let what = match (console, regex, ssh, qemu_exit) {
            (Some(text), None, None, None) if !text.is_empty() => Expected::Console(text),
            (None, Some(expression), None, None) => {
                Pattern::regex(&expression).map_err(|error| error.to_string())?;
                Expected::Regex(expression)
            }
            (None, None, Some(command), None) if !command.trim().is_empty() => {
                Expected::Ssh { command, prints, exit: exit.unwrap_or(0), user }
            }
            (None, None, None, Some(code)) => Expected::QemuExit(code),
            _ => {
                return Err(
                    "an expectation is one of console, regex, ssh and qemu_exit, and not empty".into()
                );
            }
        };
        let within = within.unwrap_or(DEFAULT_WITHIN);
        if !(within > 0.0 && within <= LONGEST_WITHIN) {
            return Err(format!("within is a number of seconds above 0, at most {LONGEST_WITHIN}"));
        }
        Ok(Expectation { what, within })
    }
}

impl From<Expectation> for Written {
    fn from(expectation: Expectation) -> Written {
        let mut written = Written { within: Some(expectation.within), ..Written::default() };
        match expectation.what {
            Expected::Console(text) => written.console = Some(text),
            Expected::Regex(expression) => written.regex = Some(expression),
            Expected::QemuExit(code) => written.qemu_exit = Some(code),
            Expected::Ssh { command, prints, exit, user } => {
                written = Written { ssh: Some(command), prints, exit: Some(exit), user, ..written };
            }
        }
        written
    }
}

impl Expectation {
    /// The console shows `text` within the default time.
    pub fn console(text: &str) -> Expectation {
        Expectation { what: Expected::Console(text.to_string()), within: DEFAULT_WITHIN }
    }

    /// `command` over SSH prints `prints` and ends with 0 within the default time.
    pub fn ssh(command: &str, prints: Option<&str>) -> Expectation {
        let (command, prints) = (command.to_string(), prints.map(String::from));
        Expectation { what: Expected::Ssh { command, prints, exit: 0, user: None }, within: DEFAULT_WITHIN }
    }

    /// Whether the guest has to be reachable by SSH for it.
    pub fn needs_ssh(&self) -> bool {
        matches!(self.what, Expected::Ssh { .. })
    }

    /// How messages show it: `"node ready"`, `/login:/`, `ssh: uname -r`, `QEMU's exit code 0`.
    pub fn shown(&self) -> String {
        match &self.what {
            Expected::Console(text) => format!("\"{text}\""),
            Expected::Regex(expression) => format!("/{expression}/"),
            Expected::Ssh { command, user: None, .. } => format!("ssh: {command}"),
            Expected::Ssh { command, user: Some(user), .. } => format!("ssh as {user}: {command}"),
            Expected::QemuExit(code) => format!("QEMU's exit code {code}"),
        }
    }
}

/// What came of one expectation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Its place in the list.
    pub index: usize,
    /// How messages show it.
    pub expected: String,
    /// When it was settled, since QEMU's start; for a console text when the text came.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    /// What was seen: the console's line, the command's first line of output, the exit code.
    pub seen: Option<String>,
    /// Why it failed; none when it was met.
    pub failure: Option<Failure>,
}

impl Outcome {
    /// Whether it was met.
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

/// Why an expectation was not met.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Failure {
    /// A wait ended otherwise.
    Stopped(Box<Stopped>),
    /// The command ended otherwise or printed something else.
    Command {
        /// One sentence.
        sentence: String,
        /// Its exit code.
        exit: Option<i32>,
        /// The last lines it printed, standard error after standard output.
        output: Vec<String>,
    },
    /// QEMU ended with another code.
    WrongExit {
        /// How it ended.
        exit: Exit,
    },
    /// It could not be tried.
    Impossible {
        /// One sentence.
        sentence: String,
    },
}

impl Failure {
    /// One sentence.
    pub fn sentence(&self) -> String {
        match self {
            Failure::Stopped(stopped) => stopped.sentence(),
            Failure::Command { sentence, .. } | Failure::Impossible { sentence } => sentence.clone(),
            Failure::WrongExit { exit } => format!("QEMU {exit}"),
        }
    }

    /// The lines to show under it.
    pub fn lines(&self) -> &[String] {
        match self {
            Failure::Stopped(stopped) => &stopped.last_lines,
            Failure::Command { output, .. } => output,
            Failure::WrongExit { .. } | Failure::Impossible { .. } => &[],
        }
    }
}

/// What checking needs besides the guest.
#[derive(Clone, Copy, Debug)]
pub struct Checking<'a> {
    /// How to reach the guest by SSH, if it can be reached.
    pub access: Option<&'a Access>,
    /// The texts that end all hope.
    pub fatal: &'a [Fatal],
    /// Asked to stop.
    pub cancel: &'a Cancel,
}

/// Checks the expectations one after the other and tells `on_outcome` of each as it is settled. All are tried, as one run
/// should tell all it can; after the guest's death the rest fail at once.
pub fn check(
    expectations: &[Expectation],
    guest: &Guest,
    checking: Checking,
    mut on_outcome: impl FnMut(&Outcome),
) -> Vec<Outcome> {
    let mut reached_ssh = false;
    let mut outcomes = Vec::new();
    for (index, expectation) in expectations.iter().enumerate() {
        let verdict = match &expectation.what {
            Expected::Console(text) => check_console(guest, checking, expectation, Pattern::literal(text)),
            Expected::Regex(expression) => match Pattern::regex(expression) {
                Ok(pattern) => check_console(guest, checking, expectation, pattern),
                Err(error) => Err(impossible(guest, &error)),
            },
            Expected::Ssh { .. } => check_ssh(guest, checking, expectation, &mut reached_ssh),
            Expected::QemuExit(code) => check_exit(guest, checking, expectation, *code),
        };
        let (at, seen, failure) = match verdict {
            Ok((at, seen)) => (at, Some(seen), None),
            Err((at, failure)) => (at, None, Some(failure)),
        };
        let outcome = Outcome { index, expected: expectation.shown(), at, seen, failure };
        on_outcome(&outcome);
        outcomes.push(outcome);
    }
    outcomes
}

/// When it was met and what was seen, or when and why it failed.
type Verdict = Result<(Duration, String), (Duration, Failure)>;

fn impossible(guest: &Guest, error: &Error) -> (Duration, Failure) {
    (guest.console().began().elapsed(), Failure::Impossible { sentence: error.to_string() })
}

fn since_start(guest: &Guest, expectation: &Expectation) -> Instant {
    guest.console().began() + Duration::from_secs_f64(expectation.within)
}

fn check_console(guest: &Guest, checking: Checking, expectation: &Expectation, pattern: Pattern) -> Verdict {
    let deadline = since_start(guest, expectation);
    let wait = Wait { wanted: &[pattern], fatal: checking.fatal, deadline, cancel: checking.cancel };
    match guest.console().wait(&mut Cursor::default(), &wait) {
        // It may have come too late and been found only because another expectation took so long.
        Ok(seen) if seen.at.as_secs_f64() > expectation.within => {
            let sentence = format!("{} came only at {:.1} s", expectation.shown(), seen.at.as_secs_f64());
            Err((seen.at, Failure::Impossible { sentence }))
        }
        Ok(seen) => Ok((seen.at, seen.line)),
        Err(stopped) => Err((stopped.at, Failure::Stopped(stopped))),
    }
}

fn check_exit(guest: &Guest, checking: Checking, expectation: &Expectation, code: i32) -> Verdict {
    let deadline = since_start(guest, expectation);
    let wait = Wait { wanted: &[], fatal: checking.fatal, deadline, cancel: checking.cancel };
    match guest.console().wait(&mut Cursor::default(), &wait) {
        Err(stopped) => match &stopped.ending {
            Ending::Exit { exit } if exit.code == Some(code) => Ok((stopped.at, exit.to_string())),
            Ending::Exit { exit } => Err((stopped.at, Failure::WrongExit { exit: exit.clone() })),
            _ => {
                let wanted = vec![expectation.shown()];
                Err((stopped.at, Failure::Stopped(Box::new(Stopped { wanted, ..*stopped }))))
            }
        },
        Ok(seen) => Err((seen.at, Failure::Impossible { sentence: "nothing was waited for".into() })),
    }
}

fn check_ssh(guest: &Guest, checking: Checking, expectation: &Expectation, reached: &mut bool) -> Verdict {
    let Expected::Ssh { command, prints, exit, user } = &expectation.what else {
        return Err(impossible(guest, &Error::failed("not an ssh expectation")));
    };
    let Some(access) = checking.access else {
        return Err(impossible(guest, &Error::input("this boot has no network to reach the guest by SSH")));
    };
    let access = user.as_deref().map_or(access.clone(), |user| access.as_user(user));
    let deadline = Instant::now() + Duration::from_secs_f64(expectation.within);
    let wait = Wait { wanted: &[], fatal: checking.fatal, deadline, cancel: checking.cancel };
    let stopped = |mut stopped: Box<Stopped>| {
        stopped.wanted.insert(0, expectation.shown());
        stopped.wanted.truncate(1);
        (stopped.at, Failure::Stopped(stopped))
    };
    if !*reached {
        access.wait_ready(guest.console(), Cursor::default(), &wait).map_err(stopped)?;
        *reached = true;
    }
    let captured = match access.run_watched(command, guest.console(), Cursor::default(), &wait) {
        Ok(captured) => captured,
        Err(Interrupted::Stopped(why)) => return Err(stopped(why)),
        Err(Interrupted::Failed(error)) => return Err(impossible(guest, &error)),
    };
    let at = guest.console().began().elapsed();
    let code = captured.status.code();
    let missing = prints.as_ref().filter(|text| !captured.stdout.contains(text.as_str()));
    let sentence = match (code, missing) {
        (code, None) if code == Some(*exit) => return Ok((at, first_line(&captured.stdout))),
        (code, Some(text)) if code == Some(*exit) => {
            format!("{} did not print \"{text}\"", expectation.shown())
        }
        (Some(255), _) => format!("{}: the SSH client gave up", expectation.shown()),
        (Some(code), _) => format!("{} ended with exit code {code} instead of {exit}", expectation.shown()),
        (None, _) => format!("{}: the SSH client was killed", expectation.shown()),
    };
    let lines = captured.stdout.lines().chain(captured.stderr.lines());
    let mut output: Vec<String> = lines.map(|line| readable(line.as_bytes())).collect();
    let output = output.split_off(output.len().saturating_sub(OUTPUT_LINES));
    Err((at, Failure::Command { sentence, exit: code, output }))
}

fn first_line(text: &str) -> String {
    readable(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().as_bytes())
}

/// How a guest was switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PowerOff {
    /// Whether the guest did it itself, asked over SSH or of its own accord.
    pub clean: bool,
    /// How QEMU ended.
    pub exit: Option<Exit>,
}

/// Switches the guest off: it is asked over SSH by `command` ("poweroff", as `access`'s user), and when QEMU has not ended
/// within `limit`, or nobody can be asked, QEMU is ended.
pub fn power_off(
    guest: &mut Guest,
    access: Option<(&Access, &str)>,
    limit: Duration,
    cancel: &Cancel,
) -> PowerOff {
    if let Some((exit, _)) = guest.console().ended() {
        return PowerOff { clean: exit.code == Some(0), exit: Some(exit) };
    }
    if let Some((access, command)) = access {
        let deadline = Instant::now() + limit;
        let wait = Wait { wanted: &[], fatal: &[], deadline, cancel };
        // The connection breaks when the guest goes; how the command ended says nothing.
        let _ = access.run_watched(command, guest.console(), guest.console().cursor_at_end(), &wait);
        let left = deadline.saturating_duration_since(Instant::now());
        if let Ok(Some(exit)) = guest.wait_exit(left, cancel) {
            return PowerOff { clean: exit.code == Some(0), exit: Some(exit) };
        }
    }
    PowerOff { clean: false, exit: guest.stop() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Spec {
        expect: Vec<Expectation>,
    }

    #[test]
    fn expectations_are_read_as_written() {
        let text = r#"
            [[expect]]
            console = "node ready"
            within = 2.5
            [[expect]]
            regex = "^login:"
            [[expect]]
            ssh = "uname -r"
            prints = "6.12"
            as = "ann"
            [[expect]]
            qemu_exit = 0
        "#;
        let spec: Spec = toml::from_str(text).unwrap();
        let shown: Vec<String> = spec.expect.iter().map(Expectation::shown).collect();
        assert_eq!(shown, ["\"node ready\"", "/^login:/", "ssh as ann: uname -r", "QEMU's exit code 0"]);
        assert_eq!((spec.expect[0].within, spec.expect[1].within), (2.5, DEFAULT_WITHIN));
        for expectation in spec.expect {
            let again = serde_json::to_string(&expectation).unwrap();
            assert_eq!(serde_json::from_str::<Expectation>(&again).unwrap(), expectation);
        }
    }

    #[test]
    fn what_says_nothing_or_too_much_is_refused_at_its_line() {
        for wrong in [
            "console = ''",
            "console = 'a'\nssh = 'b'",
            "console = 'a'\nprints = 'b'",
            "regex = '('",
            "ssh = ' '",
            "consol = 'a'",
            "console = 'a'\nwithin = 0",
            "console = 'a'\nwithin = nan",
            "within = 3",
        ] {
            let error = toml::from_str::<Spec>(&format!("# spec\n[[expect]]\n{wrong}\n")).unwrap_err();
            assert!(error.span().is_some_and(|span| span.start > 0), "{wrong}: {error}");
        }
    }
}
