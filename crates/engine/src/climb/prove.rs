//! Every option earns its place: a plan, a change to it, a verdict. The plan is a rung's kernel with its proofs, the change one
//! option less, and the verdict what then fails, if anything.

use std::time::Instant;

use base::{Error, Result};
use kconfig::{DotConfig, Value};
use serde::{Deserialize, Serialize};

use super::attempt::Seen;
use super::{Climber, Part, patience};
use crate::build::Kernel;
use crate::rung::{Request, Requests};
use crate::session::Session;
use crate::spec::SpecFile;

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

/// The boots of a rung with all its options: what they took, by which those with one less are measured.
struct Plan<'a> {
    requests: &'a Requests,
    kernel: &'a Kernel,
    position: usize,
    passed: Vec<Seen>,
}

/// Takes each option of the rungs of `part` away in turn; tells `on_verdict` of each, and `on_rung` of all so far when a rung is done.
///
/// # Errors
/// As [`super::climb`]; a rung that is not proved even with all its options.
pub fn prove(
    session: &Session,
    spec: &SpecFile,
    part: &Part,
    mut on_verdict: impl FnMut(&Verdict),
    mut on_rung: impl FnMut(&[Verdict]) -> Result<()>,
) -> Result<Vec<Verdict>> {
    let (climber, range) = Climber::open(session, spec, part)?;
    let mut verdicts = Vec::new();
    for position in range {
        let (kernel, added) = climber.kernel(position)?;
        let requests: Vec<&Request> = added.requests.iter().collect();
        if added.new.is_empty() {
            continue;
        }
        let passed = climber.boot_all(position, &kernel)?;
        let plan = Plan { requests: &added.requests, kernel: &kernel, position, passed };
        for &index in &added.new {
            session.cancel.check()?;
            let verdict = climber.judge(&plan, requests[index])?;
            on_verdict(&verdict);
            verdicts.push(verdict);
        }
        on_rung(&verdicts)?;
    }
    Ok(verdicts)
}

impl Climber<'_> {
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
                .output(seen.lines)
                .hint(format!("allno climb --from {0} --to {0}", rung.name)));
            }
            all.push(seen);
        }
        Ok(all)
    }

    /// One option less.
    fn judge(&self, plan: &Plan, request: &Request) -> Result<Verdict> {
        let rung = &self.ladder.steps[plan.position].rung.name;
        let name = &request.assignment.name;
        let mut verdict = Verdict {
            rung: rung.clone(),
            option: request.option(),
            place: request.origin.clone(),
            why: request.why.clone(),
            finding: Finding::NotNeeded,
            proof: None,
            evidence: Vec::new(),
            fell: Vec::new(),
            build_seconds: 0.0,
            boot_seconds: 0.0,
        };
        if let Some(reason) = &request.unproved {
            verdict.finding = Finding::Unproved;
            verdict.evidence.push(reason.clone());
            return Ok(verdict);
        }
        let began = Instant::now();
        let without = plan.requests.without(name);
        let kernel = self.workshop.kernel_as_it_comes(&format!("{rung}-without-{name}"), &without)?;
        verdict.build_seconds = began.elapsed().as_secs_f64();
        let config = kernel.read_config()?;
        if config.value(name) == request.assignment.value {
            verdict.finding = Finding::OnAnyway;
            return Ok(verdict);
        }
        verdict.fell = fallen(&plan.kernel.read_config()?, &config, name);
        self.boot_without(plan, &kernel, name, &mut verdict)?;
        Ok(verdict)
    }

    /// Boots the proofs one after the other until one fails.
    fn boot_without(&self, plan: &Plan, kernel: &Kernel, option: &str, verdict: &mut Verdict) -> Result<()> {
        let rung = &self.ladder.steps[plan.position].rung;
        let began = Instant::now();
        for (index, (proof, with)) in rung.proof.iter().zip(&plan.passed).enumerate() {
            let name = self.run_name(plan.position, index, &format!("without-{option}"));
            let what = format!("without {option}");
            let within = Some(patience(with, false));
            let seen = self.boot(proof, plan.position, kernel, (&name, &what), within)?;
            if seen.passed {
                continue;
            }
            // Silence is a failure only because the same machine spoke with the option; every proof passed with it.
            verdict.finding = Finding::Needed;
            verdict.proof = Some(proof.about.clone());
            verdict.evidence = seen.evidence();
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
