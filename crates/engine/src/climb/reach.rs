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

/// What the kernel did on one rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// The rung's name.
    pub rung: String,
    /// Whether all its proofs passed.
    pub reached: bool,
    /// The proofs, in order, up to the first that failed.
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
    let mut rungs = Vec::new();
    for position in range {
        session.cancel.check()?;
        let reach = climber.try_rung(position, &kernel)?;
        on_reach(&reach)?;
        rungs.push(reach);
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

impl Climber<'_> {
    fn try_rung(&self, position: usize, kernel: &Kernel) -> Result<Reach> {
        let rung = &self.ladder.steps[position].rung;
        let mut proofs: Vec<Tried> = Vec::new();
        for (index, proof) in rung.proof.iter().enumerate() {
            // Of any kernel it is asked what it does, not what it leaves out.
            let proof = Proof { off: Vec::new(), bzimage_at_most: None, ..proof.clone() };
            let name = self.run_name(position, index, "own");
            let seen = self.boot(&proof, position, kernel, (&name, "this kernel"), Some(PATIENCE))?;
            proofs.push(Tried {
                about: proof.about.clone(),
                machine: proof.machine.get_ref().clone(),
                passed: seen.passed,
                lines: match seen.passed {
                    true => seen.lines.clone(),
                    // The failure that the rung foresees says most, where it is that.
                    false => seen.below.iter().cloned().chain(seen.evidence()).collect(),
                },
            });
            if !seen.passed {
                break;
            }
        }
        let reached = proofs.iter().all(|tried| tried.passed);
        Ok(Reach { rung: rung.name.clone(), reached, proofs })
    }
}
