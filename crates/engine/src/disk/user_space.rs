//! A distribution's user space: a tar archive made by mmdebstrap, pinned by the indices of its suites.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Context, Error, Kind, Result, Size, Task, Total, Unit};
use store::release::{Release, seconds};
use store::{Artifact, Inputs, Limits, LockFile, Locked, Sha256};

use super::namespace;
use super::plan::{Suite, UserSpacePlan};
use crate::data::disk_file;
use crate::made::LOCK_NAME;
use crate::session::Session;
use crate::spec::SpecFile;

/// Part of the key: raised when this file makes other bytes of the same inputs.
const WAY: &str = "1";
/// A slow line and a busy host; it takes a minute or two.
const LIMIT: Duration = Duration::from_secs(3600);
const ARCHITECTURE: &str = "amd64";
const ARCHIVE: &str = "user-space.tar";
const PACKAGES: &str = "packages";
/// How many lines "I: …" mmdebstrap prints (counted, 1.3.5); it sizes the bar and nothing else.
const STEPS: u64 = 12;

/// A user space in the store.
#[derive(Clone, Debug)]
pub struct UserSpace {
    /// The tar archive.
    pub archive: PathBuf,
    /// The packages in it, a line each: name, version, architecture.
    pub packages: PathBuf,
    /// Hash over both.
    pub digest: String,
    /// The moment of the newest index it was made of, in seconds since 1970.
    pub date: u64,
    _held: Artifact,
}

/// A suite with the index that is meant.
#[derive(Clone, Debug)]
pub struct Pinned<'a> {
    suite: &'a Suite,
    sha256: Sha256,
    date: String,
    /// Asked for just now, or from the lock file.
    fresh: bool,
}

/// The user space of these indices: from the store, else made now. They are written into `allno.lock`.
///
/// # Errors
/// A mirror that refuses or has moved on, a package that is not there, a host on which it cannot be made.
pub fn make(
    session: &Session,
    spec: &SpecFile,
    plan: &UserSpacePlan,
    pinned: &[Pinned],
) -> Result<UserSpace> {
    let inputs = inputs(plan, pinned)?;
    let date = pinned.iter().filter_map(|it| seconds(&it.date)).max().unwrap_or(0);
    let maker = Maker { session, spec, plan, pinned, date };
    let artifact = session.realize("user-space", &inputs, |tree| maker.make_into(tree))?;
    let mut lock = LockFile::read(&spec.folder.join(LOCK_NAME))?;
    for it in pinned {
        let suite = &it.suite.name;
        let origin = format!("debian dists/{suite}/InRelease");
        let locked = Locked { version: it.date.clone(), file: "InRelease".into(), sha256: it.sha256, origin };
        lock.insert(&lock_name(plan, suite), locked);
    }
    lock.write()?;
    Ok(UserSpace {
        archive: artifact.path.join(ARCHIVE),
        packages: artifact.path.join(PACKAGES),
        digest: artifact.digest.to_string(),
        date,
        _held: artifact,
    })
}

fn lock_name(plan: &UserSpacePlan, suite: &str) -> String {
    format!("{}-{suite}", plan.distribution.name)
}

/// Which index of each suite is meant: the one that `allno.lock` names; with `update`, or where it names none, the mirror's
/// present one.
///
/// # Errors
/// A mirror that refuses, pointing at its line.
pub fn pin<'a>(
    session: &Session,
    spec: &SpecFile,
    plan: &'a UserSpacePlan,
    update: bool,
) -> Result<Vec<Pinned<'a>>> {
    let lock = LockFile::read(&spec.folder.join(LOCK_NAME))?;
    let pin = |suite: &'a Suite| {
        let locked = lock.entry(&lock_name(plan, &suite.name)).filter(|_| !update);
        if let Some(locked) = locked.filter(|locked| seconds(&locked.version).is_some()) {
            return Ok(Pinned { suite, sha256: locked.sha256, date: locked.version.clone(), fresh: false });
        }
        if session.offline {
            return Err(Error::host(format!(
                "--offline, and allno.lock does not say which {} is meant",
                suite.name
            )));
        }
        let release = ask(session, spec, suite)?;
        Ok(Pinned { suite, sha256: release.sha256, date: release.date, fresh: true })
    };
    plan.suites.iter().map(pin).collect()
}

fn ask(session: &Session, spec: &SpecFile, suite: &Suite) -> Result<Release> {
    let Session { store, events, cancel, .. } = session;
    store
        .release(&suite.mirror, &suite.name, Limits::default(), events, cancel)
        .map_err(|error| at_mirror(spec, error))
}

/// Points at the spec's mirror, if it names one.
fn at_mirror(spec: &SpecFile, error: Error) -> Error {
    match &spec.spec.disk.mirror {
        Some(mirror) if error.kind() != Kind::Cancelled => error.at(spec.place.snippet(mirror.span())),
        _ => error,
    }
}

/// The mirrors' addresses are no part of it: the indices say what comes, whoever gives it.
fn inputs(plan: &UserSpacePlan, pinned: &[Pinned]) -> Result<Inputs> {
    let mut inputs = Inputs::new()
        .with("way of building", WAY)
        .with("distribution", &plan.distribution.name)
        .with("components", plan.distribution.components.join(" "))
        .with("architecture", ARCHITECTURE)
        .with("packages", plan.packages.join(" "))
        .with("customize", Sha256::of(disk_file("customize")?.as_bytes()).to_string());
    for it in pinned {
        inputs.add(format!("index of {}", it.suite.name), it.sha256.to_string());
    }
    Ok(inputs)
}

struct Maker<'a> {
    session: &'a Session,
    spec: &'a SpecFile,
    plan: &'a UserSpacePlan,
    pinned: &'a [Pinned<'a>],
    date: u64,
}

impl Maker<'_> {
    fn make_into(&self, tree: &Path) -> Result<()> {
        let Session { events, cancel, .. } = self.session;
        if self.session.offline {
            return Err(Error::host(
                "this user space is not in the store, and --offline forbids to fetch it",
            ));
        }
        self.mirrors_still_have_it()?;
        namespace::require(cancel)?;
        let what = format!("{} {}", self.plan.distribution.name, self.plan.suites[0].name);
        let task = events.task("installing", &what);
        let mut record = Record::default();
        let log = tree.join("log");
        let program = self.program(tree)?;
        let outcome = program.run(&log, LIMIT, cancel, &mut |line| record.take(line, &task));
        outcome.map_err(|error| {
            let kept = self.session.store.root().join("logs/mmdebstrap.log");
            self.explain(crate::build::keep_log(error, &log, &kept), &record)
        })?;
        self.check(&record)?;
        std::fs::remove_file(&log).context(|| "cannot remove a log".into())?;
        let packages: String = record.packages.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(tree.join(PACKAGES), packages)
            .context(|| "cannot write the packages' names".into())?;
        let bytes = tree.join(ARCHIVE).metadata().context(|| "mmdebstrap left no archive".into())?.len();
        let (count, asked) = (record.packages.len(), self.plan.packages.len());
        task.end("installed", format!("{what}   {count} packages ({asked} asked for), {}", Size(bytes)));
        Ok(())
    }

    /// A minute of work is not begun for a mirror that has moved on since the lock file was written.
    fn mirrors_still_have_it(&self) -> Result<()> {
        for it in self.pinned.iter().filter(|it| !it.fresh) {
            let now = ask(self.session, self.spec, it.suite)?;
            if now.sha256 != it.sha256 {
                return Err(self.moved_on(it));
            }
        }
        Ok(())
    }

    fn moved_on(&self, it: &Pinned) -> Error {
        let name = &it.suite.name;
        let error = Error::host(format!("the mirror no longer has the {name} that is meant"))
            .note(format!("meant is that of {}, with the index {}", it.date, it.sha256))
            .hint("take what it has now: allno disk --update")
            .hint("or name a mirror that keeps it, a snapshot: [disk] mirror");
        at_mirror(self.spec, error)
    }

    fn program(&self, tree: &Path) -> Result<Program> {
        let plan = self.plan;
        // The person's umask would show in what the packages' scripts make.
        let program = Program::new("sh").args(["-c", r#"umask 022; exec "$0" "$@""#]);
        let (program, mode) = match namespace::is_root() {
            // What mmdebstrap mounts is seen by nobody else, and gone with it, however it ends.
            true => (program.args(["unshare", "--mount", "--propagation", "private", "--"]), "root"),
            false => (program, "unshare"),
        };
        let mut program = program
            .env("SOURCE_DATE_EPOCH", self.date.to_string())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .arg("mmdebstrap")
            .arg(format!("--mode={mode}"))
            .args(["--variant=minbase", "--format=tar"])
            .arg(format!("--architectures={ARCHITECTURE}"))
            .arg(format!("--include={}", plan.packages.join(",")))
            .arg(format!("--customize-hook={}", disk_file("customize")?));
        if namespace::is_root() {
            // What a killed run leaves is then found and removed with the rest of scratch.
            program = program.env("TMPDIR", tree.parent().unwrap_or(tree));
        }
        for proxy in self.proxies() {
            program = program.arg(format!("--aptopt={proxy}"));
        }
        if let Some(keyring) = &plan.keyring {
            let mut word = std::ffi::OsString::from("--keyring=");
            word.push(keyring);
            program = program.arg(word);
        }
        program = program.arg(&plan.suites[0].name).arg(tree.join(ARCHIVE));
        Ok(program.args(sources(plan).lines()))
    }

    /// apt's proxies: mmdebstrap's apt does not read this host's configuration.
    fn proxies(&self) -> BTreeSet<String> {
        let suites = self.plan.suites.iter();
        let line = |suite: &Suite| {
            let scheme = suite.mirror.root.split(':').next().unwrap_or("http");
            suite.mirror.proxy.as_ref().map(|proxy| format!("Acquire::{scheme}::Proxy \"{proxy}\""))
        };
        suites.filter_map(line).collect()
    }

    fn check(&self, record: &Record) -> Result<()> {
        match self.pinned.iter().find(|it| !record.releases.contains(&it.sha256.to_string())) {
            // The mirror was updated between our question and apt's.
            Some(it) => Err(self.moved_on(it)),
            None => Ok(()),
        }
    }

    /// What mmdebstrap's failure means for the person.
    fn explain(&self, error: Error, record: &Record) -> Error {
        if error.kind() != Kind::Failed {
            return error;
        }
        let with = |mut told: Error| {
            told = error.notes().iter().fold(told, |told, note| told.note(note));
            told.output(error.output_lines().iter().cloned())
        };
        if let Some(name) = &record.unknown_package {
            let told = with(Error::input(format!("the distribution has no package \"{name}\"")));
            let asked = self.spec.spec.disk.packages.iter().find(|it| it.get_ref() == name);
            return asked.map_or(told.clone(), |it| told.at(self.spec.place.snippet(it.span())));
        }
        if record.unsigned {
            let told = with(Error::host("the mirror's index is not signed by a key that this host trusts"));
            let told = told.hint("name the file of its keys: [disk] keyring = \"FILE\"");
            return at_mirror(self.spec, told);
        }
        if record.unreachable {
            return at_mirror(self.spec, with(Error::host("the mirror does not give what its index names")));
        }
        error.because_of("the user space could not be made")
    }
}

/// The lines of sources.list for the suites.
pub fn sources(plan: &UserSpacePlan) -> String {
    let components = plan.distribution.components.join(" ");
    let line = |suite: &Suite| format!("deb {} {} {components}\n", suite.mirror.root, suite.name);
    plan.suites.iter().map(line).collect()
}

/// What mmdebstrap printed that matters.
#[derive(Debug, Default)]
struct Record {
    steps: u64,
    releases: BTreeSet<String>,
    packages: Vec<String>,
    unknown_package: Option<String>,
    unsigned: bool,
    unreachable: bool,
}

impl Record {
    fn take(&mut self, line: &str, task: &Task) {
        if let Some(step) = line.strip_prefix("I: ") {
            self.steps += 1;
            let total = Some(Total::About(STEPS)).filter(|_| self.steps <= STEPS);
            task.progress_on(self.steps, total, Unit::Steps, step);
        } else if let Some(hash) = line.strip_prefix("release ") {
            self.releases.insert(hash.to_string());
        } else if let Some(package) = line.strip_prefix("package ") {
            self.packages.push(package.to_string());
        } else if let Some(name) = line.split("Unable to locate package ").nth(1) {
            self.unknown_package = Some(name.trim().to_string());
        } else if line.contains("NO_PUBKEY") || line.contains("is not signed") {
            self.unsigned = true;
        } else if line.contains("Failed to fetch") || line.contains("Could not connect") {
            self.unreachable = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use base::Events;

    use super::*;

    #[test]
    fn what_mmdebstrap_prints_is_understood() {
        let task = Events::silent().task("installing", "x");
        let mut record = Record::default();
        for line in [
            "I: running apt-get update...",
            "release 77737f",
            "package apt 2.6.2 amd64",
            "E: Unable to locate package no-such-thing",
            "  The following signatures couldn't be verified: NO_PUBKEY 6ED0E7B82643E131",
            "Err:1 http://m.example/debian bookworm/main amd64 Packages",
        ] {
            record.take(line, &task);
        }
        assert_eq!((record.steps, record.packages.len(), record.releases.len()), (1, 1, 1));
        assert_eq!(record.unknown_package.as_deref(), Some("no-such-thing"));
        assert!(record.unsigned && !record.unreachable);
    }
}
