//! Climbs the ladder: each rung's kernel is built, the kernel of the rung below is seen to fail where the rung's own passes.

mod ahead;
mod attempt;
mod processor;
pub mod prove;
pub mod reach;
mod record;
pub mod report;
mod seen;
mod traffic;
mod user_space;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::{Context, Error, Result, Size, Snippet, Task};
use kconfig::{Assignment, Value};

use crate::boot::RUNS;
use crate::build::Kernel;
use crate::disk::BaseDisk;
use crate::ladder::{Added, Ladder, Step};
use crate::proof::{Below, Disk, Proof};
use crate::rung::{Requests, append_words};
use crate::session::Session;
use crate::spec::SpecFile;
use crate::workshop::Workshop;
use ahead::{Made, ahead};
use attempt::Attempt;
pub use record::{OptionRecord, ProofRecord, Record};
use seen::Seen;
use user_space::UserSpace;

/// A boot that is to fail gets as long as the one that passed took. Where it has shown by then what was foreseen, it gets this much
/// more, in which it could still prove that wrong …
const AFTERMATH: Duration = Duration::from_secs(1);
/// … and where it has not, as much again this many times …
const PATIENCE: u32 = 2;
/// … but no more than this, as long boots differ little among themselves …
const MOST_PATIENCE: Duration = Duration::from_secs(30);
/// … and this on top, for short ones.
const GRACE: Duration = Duration::from_secs(3);

/// Which part of the ladder.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The first rung to prove; the lowest unless given.
    pub from: Option<String>,
    /// The last one; the highest unless given.
    pub to: Option<String>,
}

/// Climbs, and tells `on_record` of each rung as it is done. While one rung boots, the kernel of the next is built.
///
/// # Errors
/// A rung that does not exist, a wrong rung, a kernel that does not build, QEMU that does not start. That a rung is not proved is no
/// error: its record says so.
pub fn climb(
    session: &Session,
    spec: &SpecFile,
    part: &Part,
    mut on_record: impl FnMut(&Record) -> Result<()>,
) -> Result<Vec<Record>> {
    ahead(
        session,
        spec,
        part,
        |climber, range, made| climber.build_rungs(range, made),
        |climber, rungs| climber.prove_rungs(rungs, &mut on_record),
    )
}

/// A rung that is built.
struct Built {
    position: usize,
    kernel: Kernel,
    added: Added,
    /// Whether it is to be proved, and does not only stand below the first that is.
    proved: bool,
}

struct Climber<'a> {
    workshop: Workshop<'a>,
    ladder: Ladder,
    folder: PathBuf,
    distribution: Mutex<Option<Arc<BaseDisk>>>,
}

impl<'a> Climber<'a> {
    /// Finds the part of the ladder, and fetches what it needs.
    fn open(
        session: &'a Session,
        spec: &SpecFile,
        part: &Part,
    ) -> Result<(Climber<'a>, RangeInclusive<usize>)> {
        let ladder = Ladder::read()?;
        let first = part.from.as_deref().map_or(Ok(0), |name| ladder.position(name))?;
        let last = part.to.as_deref().map_or(Ok(ladder.steps.len() - 1), |name| ladder.position(name))?;
        if first > last {
            let (from, to) = (&ladder.steps[first].rung.name, &ladder.steps[last].rung.name);
            return Err(Error::input(format!("the rung \"{to}\" stands below \"{from}\""))
                .hint(format!("allno climb --from {to} --to {from}")));
        }
        let mut recipes: Vec<String> = Vec::new();
        for proof in ladder.steps[..=last].iter().flat_map(|step| &step.rung.proof) {
            recipes.extend(proof.recipes.iter().map(|name| name.get_ref().clone()));
        }
        recipes.sort();
        recipes.dedup();
        let workshop = Workshop::open(session, spec, &recipes)?;
        let folder = spec.folder.join(RUNS).join("climb");
        let climber = Climber { workshop, ladder, folder, distribution: Mutex::default() };
        Ok((climber, first..=last))
    }
}

impl Climber<'_> {
    /// The kernel of a rung.
    fn kernel(&self, position: usize) -> Result<(Kernel, Added)> {
        let mut added = self.ladder.added(position, self.workshop.source.series, &self.workshop.spec)?;
        let name = &self.ladder.steps[position].rung.name;
        self.build_in_arguments(&self.ladder.steps[position].names, &mut added.requests)?;
        let kernel = self.workshop.kernel(name, &added.requests);
        let kernel = kernel.map_err(|error| error.note(format!("on the way to the rung \"{name}\"")))?;
        Ok((kernel, added))
    }

    /// Builds the kernels of the rungs, and the one below them.
    fn build_rungs(&self, range: RangeInclusive<usize>, made: &Made<Built>) -> Result<()> {
        let first = *range.start();
        for position in first.saturating_sub(1)..=*range.end() {
            self.workshop.session.cancel.check()?;
            let (kernel, added) = self.kernel(position)?;
            made.leave(Built { position, kernel, added, proved: position >= first })?;
        }
        Ok(())
    }

    /// Proves the rungs as they come.
    fn prove_rungs(
        &self,
        rungs: Receiver<Built>,
        on_record: &mut impl FnMut(&Record) -> Result<()>,
    ) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut below: Option<Kernel> = None;
        for Built { position, kernel, added, proved } in rungs {
            if proved {
                let record = self.prove(position, &kernel, &added, below.as_ref())?;
                on_record(&record)?;
                records.push(record);
            }
            below = Some(kernel);
        }
        Ok(records)
    }

    /// Where a kernel of these rungs has its arguments built in (`CMDLINE_BOOL`), they name the distribution's root.
    fn build_in_arguments(&self, names: &[(String, Option<Snippet>)], requests: &mut Requests) -> Result<()> {
        let asked = |name: &str| requests.iter().any(|request| request.assignment.name == name);
        if !asked("CMDLINE_BOOL") || asked("CMDLINE") {
            return Ok(());
        }
        let mut words = vec![self.distribution()?.root_word()];
        words.extend(append_words(names)?);
        let arguments = Assignment { name: "CMDLINE".into(), value: Value::Text(words.join(" ")) };
        requests.set(arguments, "the disk", "Its root partition's name, and the words of the rungs.");
        Ok(())
    }

    /// Boots the rung and, where there is one, the rung below.
    fn prove(
        &self,
        position: usize,
        kernel: &Kernel,
        added: &Added,
        below: Option<&Kernel>,
    ) -> Result<Record> {
        let step = &self.ladder.steps[position];
        let mut proofs = Vec::new();
        for (index, proof) in step.rung.proof.iter().enumerate() {
            proofs.push(self.prove_one(position, index, proof, kernel, below)?);
        }
        self.record(step, kernel, added, proofs)
    }

    fn prove_one(
        &self,
        position: usize,
        index: usize,
        proof: &Proof,
        kernel: &Kernel,
        below: Option<&Kernel>,
    ) -> Result<ProofRecord> {
        let setting = |which: &str, user_space| {
            self.setting(position, &self.run_name(position, index, which), user_space)
        };
        let upper = setting("with", self.user_space(proof, kernel)?)?;
        let lower = match (below, &proof.below) {
            // A rung that adds no option is proved by its user space: the same kernel, with that of the rung below.
            (Some(below), Some(_)) if below.digest == kernel.digest => {
                Some((below, setting("below", self.user_space_below(position, kernel)?)?))
            }
            (Some(below), Some(_)) => Some((below, setting("below", self.user_space(proof, below)?)?)),
            _ => None,
        };
        let both = if lower.is_some() { "the rung and the one below" } else { "the rung" };
        let _booting = self.booting(position, proof, both);
        // Both at once. The time of the one that passes says how long the other deserves.
        let lower = lower.as_ref().map(|(below, setting)| self.attempt(proof, below, setting).start());
        let lower = lower.transpose()?;
        let with = self.attempt(proof, kernel, &upper).run(None)?;
        let lower = lower.map(|boot| {
            let within = patience(&with, boot.says_below());
            boot.finish(Some(within))
        });
        Ok(verdict(proof, with, lower.transpose()?))
    }

    /// The run directory of a boot: the rung, which of its proofs, and what is tried.
    fn run_name(&self, position: usize, index: usize, which: &str) -> String {
        format!("{}-{}-{which}", self.ladder.steps[position].rung.name, index + 1)
    }

    /// Boots one proof of the rung at `position` on `kernel`, in the run directory of this name; `what` is for the person
    /// who waits. `within`: the longest any expectation may wait, if it is less than its own.
    fn boot(
        &self,
        proof: &Proof,
        position: usize,
        kernel: &Kernel,
        (name, what): (&str, &str),
        within: Option<Duration>,
    ) -> Result<Seen> {
        let setting = self.setting(position, name, self.user_space(proof, kernel)?)?;
        let _booting = self.booting(position, proof, what);
        self.attempt(proof, kernel, &setting).run(within)
    }

    /// A bar while a person waits for machines: which rung on which.
    fn booting(&self, position: usize, proof: &Proof, which: &str) -> Task {
        let rung = &self.ladder.steps[position].rung.name;
        let machine = proof.machine.get_ref();
        self.workshop.session.events.task("booting", format!("{rung} on {machine}   {which}"))
    }

    fn setting(&self, position: usize, name: &str, user_space: UserSpace) -> Result<Setting> {
        let words = append_words(&self.ladder.steps[position].names)?;
        Ok(Setting { user_space, words, folder: self.folder.join(name) })
    }

    fn attempt<'a>(&'a self, proof: &'a Proof, kernel: &'a Kernel, setting: &'a Setting) -> Attempt<'a> {
        let Setting { user_space, words, folder } = setting;
        Attempt { workshop: &self.workshop, proof, kernel, user_space, words, folder }
    }

    /// What the proof's machine is given.
    fn user_space(&self, proof: &Proof, kernel: &Kernel) -> Result<UserSpace> {
        UserSpace::of(&self.workshop, proof, self.base(proof)?.as_deref(), kernel)
    }

    /// The user space of the rung below.
    fn user_space_below(&self, position: usize, kernel: &Kernel) -> Result<UserSpace> {
        let lower = position.checked_sub(1).and_then(|below| self.ladder.steps[below].rung.proof.last());
        let lower = lower.ok_or_else(|| Error::failed("nothing stands below the lowest rung"))?;
        self.user_space(lower, kernel)
    }

    /// The distribution's root file system, where the proof has one.
    fn base(&self, proof: &Proof) -> Result<Option<Arc<BaseDisk>>> {
        (proof.disk == Some(Disk::Distribution)).then(|| self.distribution()).transpose()
    }

    /// The distribution's root file system, made once.
    fn distribution(&self) -> Result<Arc<BaseDisk>> {
        let mut made = self.distribution.lock().unwrap_or_else(PoisonError::into_inner);
        if made.is_none() {
            *made = Some(Arc::new(BaseDisk::make(self.workshop.session, &self.workshop.spec)?));
        }
        made.clone().ok_or_else(|| Error::failed("no distribution's disk was made"))
    }

    fn record(
        &self,
        step: &Step,
        kernel: &Kernel,
        added: &Added,
        proofs: Vec<ProofRecord>,
    ) -> Result<Record> {
        let requests: Vec<_> = added.requests.iter().collect();
        let options = added.new.iter().map(|&index| OptionRecord::of(requests[index])).collect();
        let append = step.rung.append.iter().map(|append| append.word.clone()).collect();
        Ok(Record::new(
            &step.rung,
            options,
            append,
            record::Measures {
                y_count: kernel.read_config()?.count_yes() as u64,
                bzimage_bytes: file_bytes(&kernel.bz_image)?,
                vmlinux_bytes: file_bytes(&kernel.vmlinux)?,
                effort: kernel.effort,
            },
            proofs,
        ))
    }
}

/// What stands around a boot.
struct Setting {
    user_space: UserSpace,
    words: Vec<String>,
    folder: PathBuf,
}

fn file_bytes(path: &Path) -> Result<u64> {
    path.metadata().map(|it| it.len()).context(|| format!("cannot read {}", path.display()))
}

/// How long a boot that is to fail deserves, by one that passed on the same machine. `said`: it has shown already what it was
/// foreseen to show.
fn patience(passed: &Seen, said: bool) -> Duration {
    let more = if said { AFTERMATH } else { (passed.took * PATIENCE).min(MOST_PATIENCE) + GRACE };
    passed.took + more
}

/// What both boots together say.
fn verdict(proof: &Proof, with: Seen, lower: Option<Seen>) -> ProofRecord {
    let (before, holds_below) = match (lower, &proof.below) {
        (None, expected) => (Vec::new(), expected.is_none()),
        (Some(_), None) => (Vec::new(), false),
        (Some(seen), Some(expected)) => {
            let as_expected = match expected {
                Below::Passes => seen.passed,
                Below::Silence => !seen.passed && seen.silent && !with.silent,
                Below::Line(_) => !seen.passed && seen.below.is_some(),
            };
            let line = match &seen.below {
                _ if seen.passed => vec!["the rung below shows all of it, too".to_string()],
                Some(line) => vec![line.clone()],
                None => seen.evidence(),
            };
            (line, as_expected)
        }
    };
    ProofRecord {
        about: proof.about.clone(),
        machine: proof.machine.get_ref().clone(),
        before,
        after: with.lines,
        init_ms: with.init_ms,
        proved: with.passed && holds_below,
    }
}

/// One line on a rung, for a person.
pub fn line(record: &Record) -> String {
    let effort = match (record.objects_compiled, record.cpu_seconds) {
        (Some(objects), Some(seconds)) => format!(", {objects} compiled, {seconds:.0} CPU s"),
        _ => String::new(),
    };
    let init = record.init_ms.map(|time| format!(", init at {time} ms")).unwrap_or_default();
    format!(
        "+{} options, {} =y, bzImage {}{effort}{init}",
        record.options.len(),
        record.y_count,
        Size(record.bzimage_bytes)
    )
}
