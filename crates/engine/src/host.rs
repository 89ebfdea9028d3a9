//! What this host can do, found once per boot of the host and kept beside the store.

use std::path::Path;

use base::{Cancel, Result};
use machine::Accelerator;
use self::kvm::Verdict;
use serde::{Deserialize, Serialize};
use store::Store;

/// Facts that do not change until the host boots again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostFacts {
    /// Of the host's boot (proc(5), /proc/sys/kernel/random/boot_id).
    boot_id: String,
    /// Whether KVM really runs kernels.
    pub kvm: Verdict,
    /// The time stamp counter's frequency in kHz, where there is one.
    pub tsc_khz: Option<u32>,
}

const FILE: &str = "host.json";

impl HostFacts {
    /// The facts, from the store's `host.json` if that is of this boot, else found out now.
    ///
    /// # Errors
    /// Cancelled.
    pub fn of(store: &Store, cancel: &Cancel) -> Result<HostFacts> {
        let path = store.root().join(FILE);
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string();
        if let Some(known) = read(&path).filter(|known| known.boot_id == boot_id && !boot_id.is_empty()) {
            return Ok(known);
        }
        cancel.check()?;
        let facts = HostFacts { boot_id, kvm: kvm::probe(), tsc_khz: kvm::host_tsc_khz() };
        // Only a note to save time: without it the next run finds out again.
        if let Ok(text) = serde_json::to_string(&facts) {
            let scratch = path.with_extension(format!("{}", std::process::id()));
            let _ = std::fs::write(&scratch, text).and_then(|()| std::fs::rename(&scratch, &path));
        }
        Ok(facts)
    }

    /// KVM where it really runs kernels, else TCG.
    pub fn accelerator(&self) -> Accelerator {
        match self.kvm {
            Verdict::Works { .. } => Accelerator::Kvm,
            _ => Accelerator::Tcg,
        }
    }
}

fn read(path: &Path) -> Option<HostFacts> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

mod kvm {
    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    pub enum Verdict { Works {}, Absent }
    impl Verdict { pub fn short(&self) -> Option<String> { None } }
    pub fn probe() -> Verdict { Verdict::Absent }
    pub fn host_tsc_khz() -> Option<u32> { Some(2600000) }
}
