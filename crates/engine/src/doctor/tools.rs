//! Looking at one tool: is it here, which version, is that new enough.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base::process::{Program, find};
use base::{Cancel, Error, Kind, Result};
use serde::{Deserialize, Serialize};

/// How long a tool may take to say its version.
const LIMIT: Duration = Duration::from_secs(10);
/// How many tools are asked at once: most of the time is spent waiting for interpreters to start.
const AT_ONCE: usize = 6;

/// A tool as data/host-tools.toml describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    pub name: String,
    pub command: Option<String>,
    pub header: Option<String>,
    pub file: Option<PathBuf>,
    pub probe: Option<Probe>,
    pub version: Option<Vec<String>>,
    pub least: Option<String>,
    #[serde(rename = "for")]
    pub needed_for: Vec<String>,
    #[serde(default)]
    pub optional: bool,
    #[serde(default)]
    pub tests: bool,
    pub debian: Option<String>,
    pub fedora: Option<String>,
    pub arch: Option<String>,
}

/// Arguments for the command, and a word its output must hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Probe {
    pub arguments: Vec<String>,
    pub shows: String,
}

/// The package that brings a tool, by distribution.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Packages {
    /// Debian and its children.
    pub debian: Option<String>,
    /// Fedora and its kin.
    pub fedora: Option<String>,
    /// Arch and its kin.
    pub arch: Option<String>,
}

/// Whether a tool can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is here.
    Found,
    /// It is not.
    Missing,
    /// It is here, and older than what is needed.
    TooOld,
    /// It is here and does not do what is needed of it.
    Lacking,
}

/// What was found about one tool.
#[derive(Clone, Debug, Serialize)]
pub struct Tool {
    /// What recipes call it.
    pub name: String,
    /// Whether it can be used.
    pub status: Status,
    /// Where it is.
    pub path: Option<PathBuf>,
    /// What it says its version is.
    pub version: Option<String>,
    /// The oldest version that works.
    pub least: Option<String>,
    /// Whether the node cannot be built or booted without it.
    pub required: bool,
    /// What needs it.
    pub needed_for: Vec<String>,
    /// What brings it.
    pub packages: Packages,
}

impl Tool {
    /// Whether it is here and does what is needed.
    pub fn is_usable(&self) -> bool {
        self.status == Status::Found
    }

    /// "flex is missing; kernel configuration needs it".
    pub fn sentence(&self) -> String {
        let what = match self.status {
            Status::Found => "is here".to_string(),
            Status::Missing => "is missing".to_string(),
            Status::Lacking => "cannot do what is needed".to_string(),
            Status::TooOld => format!(
                "is too old: {} is here, {} is needed",
                self.version.as_deref().unwrap_or("an unknown version"),
                self.least.as_deref().unwrap_or("a newer one"),
            ),
        };
        if self.needed_for.is_empty() {
            format!("{} {what}", self.name)
        } else {
            format!("{} {what}; needed for: {}", self.name, self.needed_for.join(", "))
        }
    }
}

impl Definition {
    /// A program nobody described: its name is all that is known.
    pub(super) fn unknown(name: &str) -> Definition {
        Definition {
            name: name.to_string(),
            command: Some(name.to_string()),
            header: None,
            file: None,
            probe: None,
            version: None,
            least: None,
            needed_for: Vec::new(),
            optional: false,
            tests: false,
            debian: None,
            fedora: None,
            arch: None,
        }
    }

    fn tool(&self, status: Status, path: Option<PathBuf>, version: Option<String>) -> Tool {
        Tool {
            name: self.name.clone(),
            status,
            path,
            version,
            least: self.least.clone(),
            required: !self.optional,
            needed_for: self.needed_for.clone(),
            packages: Packages {
                debian: self.debian.clone(),
                fedora: self.fedora.clone(),
                arch: self.arch.clone(),
            },
        }
    }

    /// Looks at the tool; asks it for its version and its abilities only if `closely`.
    fn examine(&self, closely: bool, cancel: &Cancel) -> Result<Tool> {
        if let Some(header) = &self.header {
            let found = has_header(header, closely, cancel)?;
            return Ok(self.tool(if found { Status::Found } else { Status::Missing }, None, None));
        }
        if let Some(file) = &self.file {
            let found = file.is_file().then(|| file.clone());
            let status = if found.is_some() { Status::Found } else { Status::Missing };
            return Ok(self.tool(status, found, None));
        }
        let Some(path) = self.command.as_deref().and_then(find) else {
            return Ok(self.tool(Status::Missing, None, None));
        };
        if !closely {
            return Ok(self.tool(Status::Found, Some(path), None));
        }
        if let Some(probe) = &self.probe {
            let able = ask(&path, &probe.arguments, cancel)?
                .is_some_and(|text| text.split_whitespace().any(|word| word == probe.shows));
            return Ok(self.tool(if able { Status::Found } else { Status::Lacking }, Some(path), None));
        }
        let version = match &self.version {
            Some(arguments) => ask(&path, arguments, cancel)?.as_deref().and_then(version_in),
            None => None,
        };
        // A version that cannot be read is no reason to refuse the tool.
        let old = match (&version, &self.least) {
            (Some(version), Some(least)) => is_older(version, least),
            _ => false,
        };
        Ok(self.tool(if old { Status::TooOld } else { Status::Found }, Some(path), version))
    }
}

/// Looks at every tool, some at once where they are asked something.
///
/// # Errors
/// Only [`Kind::Cancelled`].
pub(super) fn examine(definitions: &[Definition], closely: bool, cancel: &Cancel) -> Result<Vec<Tool>> {
    if !closely {
        return definitions.iter().map(|definition| definition.examine(closely, cancel)).collect();
    }
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(usize, Result<Tool>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(definitions.len()) {
            scope.spawn(|| {
                while let Some((index, definition)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    definitions.get(index).map(|definition| (index, definition))
                } {
                    let tool = definition.examine(closely, cancel);
                    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, tool));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, tool)| tool).collect()
}

/// What the program prints, both streams. `None` when it cannot be run or takes too long.
fn ask(program: &Path, arguments: &[String], cancel: &Cancel) -> Result<Option<String>> {
    let program = Program::new(program).args(arguments).env("LC_ALL", "C");
    unless_cancelled(program.capture(LIMIT, cancel).map(|captured| captured.stdout + &captured.stderr))
}

/// Whether the host's compiler finds the header. Where it stands in its usual place, or there is no compiler, none is
/// asked unless `closely`.
fn has_header(header: &str, closely: bool, cancel: &Cancel) -> Result<bool> {
    let usual = Path::new("/usr/include").join(header).exists();
    if (usual && !closely) || find("gcc").is_none() {
        return Ok(usual);
    }
    let preprocess =
        Program::new("gcc").args(["-E", "-include", header, "-x", "c", "/dev/null", "-o", "/dev/null"]);
    Ok(unless_cancelled(preprocess.capture(LIMIT, cancel))?.is_some_and(|captured| captured.status.success()))
}

fn unless_cancelled<T>(outcome: Result<T, Error>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == Kind::Cancelled => Err(error),
        Err(_) => Ok(None),
    }
}

/// The first word like 1.2 or 1.2.3 in what a program says of itself.
fn version_in(text: &str) -> Option<String> {
    let not_version = |letter: char| !(letter.is_ascii_digit() || letter == '.');
    text.lines()
        .take(5)
        .flat_map(|line| line.split(not_version))
        .map(|word| word.trim_matches('.'))
        .find(|word| word.contains('.') && word.split('.').all(|part| !part.is_empty()))
        .map(str::to_string)
}

/// Whether `version` is before `least`, number by number; a missing number counts as 0.
fn is_older(version: &str, least: &str) -> bool {
    let numbers =
        |text: &str| -> Vec<u64> { text.split('.').map(|part| part.parse().unwrap_or(u64::MAX)).collect() };
    let (version, least) = (numbers(version), numbers(least));
    let length = version.len().max(least.len());
    let at = |list: &[u64], index: usize| list.get(index).copied().unwrap_or(0);
    (0..length)
        .map(|index| at(&version, index).cmp(&at(&least, index)))
        .find(|order| order.is_ne())
        .is_some_and(std::cmp::Ordering::is_lt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, version) in [
            ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright", "12.2.0"),
            ("GNU Make 4.3\nBuilt for x86_64-pc-linux-gnu", "4.3"),
            ("\nThis is perl 5, version 36, subversion 0 (v5.36.0) built", "5.36.0"),
            ("OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.11", "9.2"),
            ("*** LZ4 command line interface 64-bits v1.9.4, by Yann Collet ***", "1.9.4"),
            ("1.11.1", "1.11.1"),
            ("flex 2.6.4", "2.6.4"),
        ] {
            assert_eq!(version_in(said).as_deref(), Some(version), "{said}");
        }
        assert_eq!(version_in("no number... here 12"), None);
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(is_older("2.5.4", "2.5.35"));
        assert!(is_older("1.06", "1.06.95"));
        assert!(!is_older("1.07.1", "1.06.95"));
        assert!(!is_older("4.0", "4.0"));
        assert!(!is_older("12.2.0", "5.1"));
        assert!(!is_older("4", "4.0"));
    }

    #[test]
    fn a_tool_too_old_or_unable_is_not_usable() {
        let definition = |text: &str| toml::from_str::<Definition>(text).unwrap();
        let look = |text: &str| definition(text).examine(true, &Cancel::new()).unwrap();
        let old = look("name='sh'\ncommand='echo'\nversion=['sh 1.2']\nleast='1.10'\nfor=['x']");
        assert_eq!((old.status, old.version.as_deref()), (Status::TooOld, Some("1.2")));
        assert!(old.sentence().contains("1.2 is here, 1.10 is needed"), "{}", old.sentence());
        let probe = "name='e'\ncommand='echo'\nprobe={arguments=['tap user'],shows='user'}\nfor=['x']";
        assert_eq!(look(probe).status, Status::Found);
        assert_eq!(look(&probe.replace("tap user", "tap users")).status, Status::Lacking);
        assert_eq!(look("name='x'\ncommand='no-such-tool'\nfor=['x']").status, Status::Missing);
        assert_eq!(look("name='x'\nheader='no-such-header.h'\nfor=['x']").status, Status::Missing);
        assert_eq!(look("name='x'\nheader='stdio.h'\nfor=['x']").status, Status::Found);
    }
}
