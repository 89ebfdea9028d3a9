//! What this host can do, found once per boot of the host and kept beside the store.

use base::{Cancel, Result};
use machine::Accelerator;
use machine::kvm::{Host, Probe, Verdict, probe};
use serde::{Deserialize, Serialize};
use store::Store;

use crate::note;

/// Facts that do not change until the host boots again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostFacts {
    /// Whether KVM really runs kernels, and the host this was found on.
    pub kvm: Probe,
    /// The time stamp counter's frequency in kHz, where there is one.
    pub tsc_khz: Option<u64>,
}

/// The note's name in the store's folder.
const FILE: &str = "host.json";

impl HostFacts {
    /// The facts, from the store's `host.json` where they still hold, else found out now.
    ///
    /// # Errors
    /// Cancelled.
    pub fn of(store: &Store, cancel: &Cancel) -> Result<HostFacts> {
        let host = Host::current();
        let known = note::read(store, FILE).filter(|known: &HostFacts| known.kvm.host == host);
        if let Some(known) = known.clone().filter(|known| known.kvm.holds_for(&host)) {
            return Ok(known);
        }
        cancel.check()?;
        let tsc_khz = known.map_or_else(machine::host_tsc_khz, |known| known.tsc_khz);
        let facts = HostFacts { kvm: probe(), tsc_khz };
        note::keep(store, FILE, &facts);
        Ok(facts)
    }

    /// KVM where it really runs kernels, else TCG.
    pub fn accelerator(&self) -> Accelerator {
        if self.kvm.verdict.works() { Accelerator::Kvm } else { Accelerator::Tcg }
    }

    /// "KVM" or "TCG", with why not KVM where a person would expect it.
    pub fn sentence(&self) -> String {
        match &self.kvm.verdict {
            Verdict::Works { .. } => "KVM".to_string(),
            Verdict::Absent { .. } => "TCG".to_string(),
            Verdict::NoPermission { .. } => {
                "TCG (KVM is present but may not be used: allno doctor)".to_string()
            }
            Verdict::DoesNotRunKernels { .. } => {
                "TCG (KVM is present but does not run kernels: allno doctor)".to_string()
            }
        }
    }

    /// The word on the kernel's command line that spares it measuring the CPU's frequency, where that is known: on a busy host
    /// its own calibration against the PIT fails. Under TCG the guest's time stamp counter is the host's (QEMU: cpu_get_tsc).
    pub fn clock_word(&self) -> Option<String> {
        let khz = self.tsc_khz.filter(|_| self.accelerator() == Accelerator::Tcg)?;
        Some(format!("tsc_early_khz={khz}"))
    }

    /// "kvm" or "tcg".
    pub fn word(&self) -> &'static str {
        match self.accelerator() {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        }
    }
}
