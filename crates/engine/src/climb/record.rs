//! What is on record of a climbed rung; `allno climb --json` prints it (docs/json.md).

use serde::{Deserialize, Serialize};

use crate::build::kernel::Effort;
use crate::rung::{Request, Rung};

/// One rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The rung's name.
    pub rung: String,
    /// The capability, in one sentence.
    pub about: String,
    /// The options it adds, "PRINTK=y".
    pub options: Vec<String>,
    /// The words it adds to the kernel's command line.
    pub append: Vec<String>,
    /// Where each of the options was asked for, and why; in the order of `options`.
    pub reasons: Vec<OptionRecord>,
    /// How many options are =y.
    pub y_count: u64,
    /// The size of the compressed kernel.
    pub bzimage_bytes: u64,
    /// The size of the ELF kernel with its symbols.
    pub vmlinux_bytes: u64,
    /// How many objects were compiled for it, after the rung below in the same object tree.
    pub objects_compiled: Option<u64>,
    /// The processor time of that, in seconds.
    pub cpu_seconds: Option<f64>,
    /// From QEMU's start to the handing over to process 1, in milliseconds, of the last proof that has one.
    pub init_ms: Option<u64>,
    /// What the rung below showed: the lines of all proofs.
    pub before: Vec<String>,
    /// What the rung showed.
    pub after: Vec<String>,
    /// Whether every proof holds: it passed with the rung, and failed as foreseen without.
    pub proved: bool,
    /// The proofs one by one.
    pub proofs: Vec<ProofRecord>,
}

/// One option and its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptionRecord {
    /// "PRINTK=y"
    pub set: String,
    /// Why it is there.
    pub why: String,
    /// "rungs/console.toml:6"
    pub place: String,
    /// Why no boot here can show that it is needed, where that is so.
    pub unproved: Option<String>,
}

impl OptionRecord {
    /// The record of a request.
    pub(super) fn of(request: &Request) -> OptionRecord {
        OptionRecord {
            set: request.option(),
            why: request.why.clone(),
            place: request.origin.clone(),
            unproved: request.unproved.clone(),
        }
    }
}

/// One proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProofRecord {
    /// What it shows.
    pub about: String,
    /// The machine's name.
    pub machine: String,
    /// What the rung below showed.
    pub before: Vec<String>,
    /// What the rung showed.
    pub after: Vec<String>,
    /// From QEMU's start to the handing over to process 1, in milliseconds.
    pub init_ms: Option<u64>,
    /// Whether it holds.
    pub proved: bool,
}

/// What was measured of a rung's kernel.
pub(super) struct Measures {
    pub y_count: u64,
    pub bzimage_bytes: u64,
    pub vmlinux_bytes: u64,
    pub effort: Option<Effort>,
}

impl Record {
    /// Puts together what is known.
    pub(super) fn new(
        rung: &Rung,
        reasons: Vec<OptionRecord>,
        append: Vec<String>,
        measures: Measures,
        proofs: Vec<ProofRecord>,
    ) -> Record {
        let all = |lines: fn(&ProofRecord) -> &Vec<String>| proofs.iter().flat_map(lines).cloned().collect();
        Record {
            rung: rung.name.clone(),
            about: rung.about.clone(),
            options: reasons.iter().map(|option| option.set.clone()).collect(),
            append,
            reasons,
            y_count: measures.y_count,
            bzimage_bytes: measures.bzimage_bytes,
            vmlinux_bytes: measures.vmlinux_bytes,
            objects_compiled: measures.effort.map(|effort| effort.objects_compiled),
            cpu_seconds: measures.effort.map(|effort| effort.cpu_seconds),
            init_ms: proofs.iter().rev().find_map(|proof| proof.init_ms),
            before: all(|proof| &proof.before),
            after: all(|proof| &proof.after),
            proved: proofs.iter().all(|proof| proof.proved),
            proofs,
        }
    }
}
