//! Whether KVM runs kernels here: asked by running what a kernel does, not by looking for a device node.
//!
//! /dev/kvm can exist, open, make a machine, run firmware, and still not run a kernel: a KVM inside a virtual
//! machine may emulate part of the instructions and lack some of them. So the probe enters 64-bit long mode and takes the
//! steps in [`STEPS`], each of which every Linux takes while it boots, under a watchdog.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod code;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod probe;

/// How long the probe's guest may run before it counts as hanging. A working KVM needs some milliseconds; the rest is for a
/// host with other work.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// What the probe's guest does, in this order; each with where Linux does the same.
pub const STEPS: [&str; 9] = [
    "enter 64-bit long mode",
    "read and write the MSRs of a kernel (arch/x86/kernel/cpu/common.c syscall_init)",
    "cmpxchg16b (mm/slub.c __update_freelist_fast)",
    "take a page fault and map the page (arch/x86/mm/fault.c)",
    "change a mapping (invlpg, CR3; arch/x86/mm/tlb.c)",
    "go to user mode and back by syscall and sysret (arch/x86/entry/entry_64.S)",
    "save and restore the floating-point state (arch/x86/kernel/fpu)",
    "sleep until the local APIC's timer interrupts (arch/x86/kernel/apic)",
    "execute ten million instructions",
];

/// What the probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// All steps were taken.
    Works {
        /// How long the guest took, in microseconds.
        microseconds: u64,
    },
    /// There is no KVM on this host.
    Absent {
        /// Why we think so.
        reason: String,
    },
    /// There is, and this user may not use it.
    NoPermission {
        /// What to do.
        hint: String,
    },
    /// It is there and may be used, and a kernel would not run on it.
    DoesNotRunKernels {
        /// What was tried last.
        tried: String,
        /// What happened.
        happened: String,
    },
}

impl Verdict {
    /// Whether to use KVM.
    pub fn works(&self) -> bool {
        matches!(self, Verdict::Works { .. })
    }

    /// One sentence for a person.
    pub fn sentence(&self) -> String {
        match self {
            Verdict::Works { .. } => "KVM works".to_string(),
            Verdict::Absent { reason } => format!("there is no KVM here ({reason})"),
            Verdict::NoPermission { hint } => format!("KVM is here and may not be used; {hint}"),
            Verdict::DoesNotRunKernels { tried, happened } => {
                format!("KVM is present but does not run kernels: it was to {tried}, and {happened}")
            }
        }
    }
}

/// What a verdict depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The kernel's release (uname -r).
    pub kernel_release: String,
    /// The host's boot (/proc/sys/kernel/random/boot_id).
    pub boot_id: String,
    /// The processor's model name (/proc/cpuinfo).
    pub processor: String,
}

impl Host {
    /// This host, now.
    pub fn current() -> Host {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Host {
            kernel_release: rustix::system::uname().release().to_string_lossy().into_owned(),
            boot_id: boot_id.trim().to_string(),
            processor: model.map_or(String::new(), |(_, model)| model.to_string()),
        }
    }
}

/// A verdict with the host it was found on; a caller may keep it as long as [`Probe::holds_for`] says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What was found.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Where.
    pub host: Host,
}

impl Probe {
    /// Whether the verdict still holds on `host`. A missing device or permission may come at any time and is quickly looked
    /// up, so such a verdict never holds longer.
    pub fn holds_for(&self, host: &Host) -> bool {
        let lasting = matches!(self.verdict, Verdict::Works { .. } | Verdict::DoesNotRunKernels { .. });
        lasting && self.host == *host
    }
}

/// Probes KVM; takes some milliseconds, at most a little more than [`DEADLINE`].
pub fn probe() -> Probe {
    Probe { verdict: verdict(), host: Host::current() }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn verdict() -> Verdict {
    probe::verdict()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn verdict() -> Verdict {
    Verdict::Absent { reason: "x86-64 guests need an x86-64 Linux host".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_ends_with_a_verdict() {
        let probe = probe();
        let json = serde_json::to_string(&probe).unwrap();
        assert_eq!(serde_json::from_str::<Probe>(&json).unwrap(), probe);
        assert!(!probe.verdict.sentence().is_empty());
        // Shown with --nocapture; the verdict is the host's matter.
        std::io::Write::write_all(&mut std::io::stderr(), format!("{json}\n").as_bytes()).unwrap();
        let lasting = !matches!(probe.verdict, Verdict::Absent { .. } | Verdict::NoPermission { .. });
        assert_eq!(probe.holds_for(&Host::current()), lasting);
        let elsewhere = Host { boot_id: "another".into(), ..Host::current() };
        assert!(!probe.holds_for(&elsewhere));
    }
}
