//! How far a kernel of one's own gets: the spec's kernel is booted in the place of every rung's.

use std::time::Duration;

use base::Result;
use kconfig::Value;
use serde::{Deserialize, Serialize};

use super::{Climber, Part, file_bytes};
use crate::build::Kernel;
use crate::made::spec_rungs;
use crate::proof::Proof;
use crate::rung::Requests;
use crate::session::Session;
use crate::spec::SpecFile;

/// How long each thing a proof expects may take. Nobody knows how long this kernel needs where it passes, so it is plenty: Debian's
/// login comes after 30 s on a busy machine without KVM.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many machines run at once.
const AT_ONCE: usize = 2;

/// What the kernel did on one rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// The rung's name.
    pub rung: String,
    /// Whether all its proofs passed.
    pub reached: bool,
    /// The proofs, in order.
    pub proofs: Vec<Tried>,
}

/// One proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// What it shows.
    pub about: String,
    /// The machine's name.
    pub machine: String,
    /// Whether everything came that it expects.
    pub passed: bool,
    /// The lines that show it.
    pub lines: Vec<String>,
}

/// The kernel that was tried, and how far it got; `allno climb --own-kernel --json` prints it (docs/json.md).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// The kernel's version.
    pub kernel_version: String,
    /// How many options its spec asks for.
    pub asked: usize,
    /// How many lines of its configuration set an option.
    pub config_lines: usize,
    /// How many options are =y.
    pub y_count: usize,
    /// The size of the compressed kernel.
    pub bzimage_bytes: u64,
    /// The size of the ELF kernel with its symbols.
    pub vmlinux_bytes: u64,
    /// Rung by rung.
    pub rungs: Vec<Reach>,
}

impl Reached {
    /// How many of the rungs it reached.
    pub fn count(&self) -> usize {
        self.rungs.iter().filter(|rung| rung.reached).count()
    }
}

/// Boots the spec's own kernel on every rung of `part`, and tells `on_reach` of each.
///
/// # Errors
/// As [`super::climb`]. That a rung is not reached is no error.
pub fn reach(
    session: &Session,
    spec: &SpecFile,
    part: &Part,
    mut on_reach: impl FnMut(&Reach) -> Result<()>,
) -> Result<Reached> {
    let (climber, range) = Climber::open(session, spec, part)?;
    let names = spec_rungs(spec);
    let mut requests = Requests::resolve(&names, climber.workshop.source.series, spec)?;
    let asked = requests.iter().count();
    climber.build_in_arguments(&names, &mut requests)?;
    let kernel = climber.workshop.kernel("own", &requests)?;
    let mut rungs: Vec<Reach> = Vec::new();
    let steps = &climber.ladder.steps;
    let proofs: Vec<(usize, usize)> = range
        .flat_map(|position| (0..steps[position].rung.proof.len()).map(move |it| (position, it)))
        .collect();
    for some in proofs.chunks(AT_ONCE) {
        session.cancel.check()?;
        for ((position, index), tried) in some.iter().zip(climber.try_proofs(some, &kernel)?) {
            let rung = &steps[*position].rung;
            match rungs.last_mut().filter(|_| *index > 0) {
                Some(reach) => reach.add(tried),
                None => rungs.push(Reach::of(&rung.name, tried)),
            }
            if let Some(reach) = rungs.last().filter(|_| index + 1 == rung.proof.len()) {
                on_reach(reach)?;
            }
        }
    }
    let config = kernel.read_config()?;
    Ok(Reached {
        kernel_version: climber.workshop.source.version.clone(),
        asked,
        config_lines: config.iter().filter(|(_, value)| **value != Value::No).count(),
        y_count: config.count_yes(),
        bzimage_bytes: file_bytes(&kernel.bz_image)?,
        vmlinux_bytes: file_bytes(&kernel.vmlinux)?,
        rungs,
    })
}

impl Reach {
    fn of(rung: &str, tried: Tried) -> Reach {
        Reach { rung: rung.to_string(), reached: tried.passed, proofs: vec![tried] }
    }

    fn add(&mut self, tried: Tried) {
        self.reached &= tried.passed;
        self.proofs.push(tried);
    }
}

impl Climber<'_> {
    /// Boots these proofs (rung and proof by position) at once: what fails is mostly waited for.
    fn try_proofs(&self, which: &[(usize, usize)], kernel: &Kernel) -> Result<Vec<Tried>> {
        let mut prepared = Vec::new();
        for &(position, index) in which {
            // Of any kernel it is asked what it does, not what it leaves out.
            let proof = self.ladder.steps[position].rung.proof[index].clone();
            let proof = Proof { off: Vec::new(), bzimage_at_most: None, ..proof };
            let user_space = self.user_space(&proof, kernel)?;
            let setting = self.setting(position, &self.run_name(position, index, "own"), user_space)?;
            prepared.push((position, proof, setting));
        }
        let mut boots = Vec::new();
        for (position, proof, setting) in &prepared {
            let booting = self.booting(*position, proof, "this kernel");
            boots.push((booting, proof, self.attempt(proof, kernel, setting).start()?));
        }
        let mut all = Vec::new();
        for (_booting, proof, boot) in boots {
            let seen = boot.finish(Some(PATIENCE))?;
            all.push(Tried {
                about: proof.about.clone(),
                machine: proof.machine.get_ref().clone(),
                passed: seen.passed,
                lines: match seen.passed {
                    true => seen.lines,
                    // The failure that the rung foresees says most, where it is that.
                    false => seen.below.iter().cloned().chain(seen.evidence()).collect(),
                },
            });
        }
        Ok(all)
    }
}
