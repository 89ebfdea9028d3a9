//! Every option earns its place: a plan, a change to it, a verdict. The plan is a rung's kernel with its proofs, the change one
//! option less, and the verdict what then fails, if anything.

use std::ops::RangeInclusive;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use base::{Error, Result};
use kconfig::{DotConfig, Value};
use serde::{Deserialize, Serialize};

use super::ahead::{Made, ahead};
use super::seen::Seen;
use super::{Climber, Part, patience};
use crate::build::Kernel;
use crate::ladder::Added;
use crate::rung::{Request, Requests};
use crate::session::Session;
use crate::spec::{SpecFile, with_nearest};

/// What came of taking one option away; `allno climb --prove --json` prints it (docs/json.md).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The rung's name.
    pub rung: String,
    /// The option, "PRINTK=y".
    pub option: String,
    /// Where it is asked for.
    pub place: String,
    /// Why, by the rung.
    pub why: String,
    /// What came of it.
    pub finding: Finding,
    /// The proof that failed without it; none where none did.
    pub proof: Option<String>,
    /// What its boot showed instead.
    pub evidence: Vec<String>,
    /// The options that went with it.
    pub fell: Vec<String>,
    /// How long configuring and building took, in seconds.
    pub build_seconds: f64,
    /// How long its boots took, in seconds.
    pub boot_seconds: f64,
}

/// The kinds of outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A proof fails without it.
    Needed,
    /// Every proof holds without it.
    NotNeeded,
    /// It is on though nobody asks for it: others select it, or it is its own default.
    OnAnyway,
    /// No boot here can show it: the rung says why.
    Unproved,
}

impl Verdict {
    /// Of an option that nothing is known of yet.
    fn begun(rung: &str, request: &Request) -> Verdict {
        Verdict {
            rung: rung.to_string(),
            option: request.option(),
            place: request.origin.clone(),
            why: request.why.clone(),
            finding: Finding::NotNeeded,
            proof: None,
            evidence: Vec::new(),
            fell: Vec::new(),
            build_seconds: 0.0,
            boot_seconds: 0.0,
        }
    }
}

/// "4 options: 3 needed, 1 not needed, 0 on anyway, 0 unproved"
pub fn count(verdicts: &[Verdict]) -> String {
    let of = |finding: Finding| verdicts.iter().filter(|verdict| verdict.finding == finding).count();
    let kinds = [Finding::Needed, Finding::NotNeeded, Finding::OnAnyway, Finding::Unproved];
    let counted: Vec<String> = kinds.map(|kind| format!("{} {}", of(kind), kind.word())).into();
    format!("{} options: {}", verdicts.len(), counted.join(", "))
}

impl Finding {
    /// The word for a person.
    pub fn word(self) -> &'static str {
        match self {
            Finding::Needed => "needed",
            Finding::NotNeeded => "not needed",
            Finding::OnAnyway => "on anyway",
            Finding::Unproved => "unproved",
        }
    }
}

/// What the builds hand to the boots, in the ladder's order.
enum Work {
    /// A rung's kernel with all its options: its proofs have to hold, and what they take measures the boots that follow.
    Rung { position: usize, kernel: Box<Kernel> },
    /// One with an option less, and what is known of it so far.
    Without { option: String, kernel: Box<Kernel>, verdict: Verdict },
    /// A verdict that no boot can change.
    Decided(Verdict),
    /// The rung has no more.
    RungDone,
}

/// Takes each option of the rungs of `part` away in turn, or only those `chosen` (as "PACKET") if there are any; tells `on_verdict`
/// of each, and `on_rung` of all so far when a rung is done. While one kernel boots, the next is built.
///
/// # Errors
/// As [`super::climb`]; a rung that is not proved even with all its options; one of `chosen` that no rung of `part` brings.
pub fn prove(
    session: &Session,
    spec: &SpecFile,
    part: &Part,
    chosen: &[String],
    mut on_verdict: impl FnMut(&Verdict),
    mut on_rung: impl FnMut(&[Verdict]) -> Result<()>,
) -> Result<Vec<Verdict>> {
    ahead(
        session,
        spec,
        part,
        |climber, range, made| climber.build_each(range, chosen, made),
        |climber, work| climber.boot_each(work, &mut on_verdict, &mut on_rung),
    )
}

impl Climber<'_> {
    /// Builds the kernels of the rungs and, after each, those with one option less.
    fn build_each(&self, range: RangeInclusive<usize>, chosen: &[String], made: &Made<Work>) -> Result<()> {
        for (position, names) in self.options_in(range, chosen)? {
            let (kernel, Added { requests, .. }) = self.kernel(position)?;
            let config = kernel.read_config()?;
            made.leave(Work::Rung { position, kernel: Box::new(kernel) })?;
            for request in requests.iter().filter(|request| names.contains(&request.assignment.name)) {
                self.workshop.session.cancel.check()?;
                made.leave(self.without(position, &requests, request, &config)?)?;
            }
            made.leave(Work::RungDone)?;
        }
        Ok(())
    }

    /// The options to take away, rung by rung: all that it brings, or of them those `chosen`.
    fn options_in(
        &self,
        range: RangeInclusive<usize>,
        chosen: &[String],
    ) -> Result<Vec<(usize, Vec<String>)>> {
        let mut all = Vec::new();
        for position in range {
            let Added { requests, new } =
                self.ladder.added(position, self.workshop.source.series, &self.workshop.spec)?;
            let brought = requests.iter().enumerate().filter(|(index, _)| new.contains(index));
            let names: Vec<String> = brought.map(|(_, it)| it.assignment.name.clone()).collect();
            all.push((position, names));
        }
        let known: Vec<String> = all.iter().flat_map(|(_, names)| names.clone()).collect();
        if let Some(unknown) = chosen.iter().find(|name| !known.contains(name)) {
            let error = Error::input(format!("{unknown} is no option that these rungs bring"));
            return Err(with_nearest(error, unknown, &known, "they bring"));
        }
        for (_, names) in &mut all {
            names.retain(|name| chosen.is_empty() || chosen.contains(name));
        }
        all.retain(|(_, names)| !names.is_empty());
        Ok(all)
    }

    /// The kernel with one option less, if its boot is to decide.
    fn without(&self, position: usize, all: &Requests, request: &Request, with: &DotConfig) -> Result<Work> {
        let rung = &self.ladder.steps[position].rung.name;
        let option = &request.assignment.name;
        let mut verdict = Verdict::begun(rung, request);
        if let Some(reason) = &request.unproved {
            verdict.finding = Finding::Unproved;
            verdict.evidence.push(reason.clone());
            return Ok(Work::Decided(verdict));
        }
        let began = Instant::now();
        let name = format!("{rung}-without-{option}");
        let kernel = self.workshop.kernel_as_it_comes(&name, &all.without(option))?;
        verdict.build_seconds = began.elapsed().as_secs_f64();
        let config = kernel.read_config()?;
        if config.value(option) == request.assignment.value {
            verdict.finding = Finding::OnAnyway;
            return Ok(Work::Decided(verdict));
        }
        verdict.fell = fallen(with, &config, option);
        Ok(Work::Without { option: option.clone(), kernel: Box::new(kernel), verdict })
    }

    /// Boots what was built, as it comes.
    fn boot_each(
        &self,
        work: Receiver<Work>,
        on_verdict: &mut impl FnMut(&Verdict),
        on_rung: &mut impl FnMut(&[Verdict]) -> Result<()>,
    ) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::new();
        let mut measured = None;
        for work in work {
            let verdict = match (work, &measured) {
                (Work::Rung { position, kernel }, _) => {
                    measured = Some((position, self.boot_all(position, &kernel)?));
                    continue;
                }
                (Work::RungDone, _) => {
                    on_rung(&verdicts)?;
                    continue;
                }
                (Work::Without { option, kernel, mut verdict }, Some((position, passed))) => {
                    self.boot_without(*position, passed, &kernel, &option, &mut verdict)?;
                    verdict
                }
                (Work::Without { option, .. }, None) => {
                    return Err(Error::failed(format!("a kernel without {option} came before its rung's")));
                }
                (Work::Decided(verdict), _) => verdict,
            };
            on_verdict(&verdict);
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    /// Boots all proofs of a rung with all its options.
    fn boot_all(&self, position: usize, kernel: &Kernel) -> Result<Vec<Seen>> {
        let rung = &self.ladder.steps[position].rung;
        let mut all = Vec::new();
        for (index, proof) in rung.proof.iter().enumerate() {
            let name = self.run_name(position, index, "with");
            let seen = self.boot(proof, position, kernel, (&name, "with all its options"), None)?;
            if !seen.passed {
                return Err(Error::failed(format!(
                    "the rung \"{}\" is not proved with all its options",
                    rung.name
                ))
                .output(seen.evidence())
                .hint(format!("allno climb --from {0} --to {0}", rung.name)));
            }
            all.push(seen);
        }
        Ok(all)
    }

    /// Boots the proofs one after the other until one fails. `passed`: the same with the option.
    fn boot_without(
        &self,
        position: usize,
        passed: &[Seen],
        kernel: &Kernel,
        option: &str,
        verdict: &mut Verdict,
    ) -> Result<()> {
        let rung = &self.ladder.steps[position].rung;
        let began = Instant::now();
        for (index, (proof, with)) in rung.proof.iter().zip(passed).enumerate() {
            let name = self.run_name(position, index, &format!("without-{option}"));
            let what = format!("without {option}");
            let within = Some(patience(with, false));
            let seen = self.boot(proof, position, kernel, (&name, &what), within)?;
            if seen.passed {
                continue;
            }
            // Silence is a failure only because the same machine spoke with the option; every proof passed with it.
            verdict.finding = Finding::Needed;
            verdict.proof = Some(proof.about.clone());
            verdict.evidence = seen.evidence_beside(with);
            break;
        }
        verdict.boot_seconds = began.elapsed().as_secs_f64();
        Ok(())
    }
}

/// The options that are on in `with` and off in `without`, besides `name`.
fn fallen(with: &DotConfig, without: &DotConfig, name: &str) -> Vec<String> {
    let on = with.iter().filter(|(_, value)| **value == Value::Yes).map(|(option, _)| option);
    let fallen = on.filter(|option| *option != name && without.value(option) != Value::Yes);
    fallen.map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_falls_with_an_option_is_named() {
        let with = DotConfig::parse("CONFIG_TTY=y\nCONFIG_SERIAL=y\nCONFIG_B=y\nCONFIG_S=\"y\"\n");
        let without = DotConfig::parse("# CONFIG_TTY is not set\nCONFIG_B=y\n");
        assert_eq!(fallen(&with, &without, "TTY"), ["SERIAL"]);
    }
}
