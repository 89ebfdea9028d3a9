//! Runs the probe's guest under a watchdog.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kvm_bindings::{
    KVM_MAX_CPUID_ENTRIES, Msrs, kvm_msr_entry, kvm_regs, kvm_segment, kvm_sregs, kvm_userspace_memory_region,
};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};

use super::code::{self, MEMORY_SIZE};
use super::{DEADLINE, STEPS, Verdict};

/// How long the guest's thread may take to notice that it should stop.
const STOP_LIMIT: Duration = Duration::from_secs(1);

pub(super) fn verdict() -> Verdict {
    let kvm = match Kvm::new() {
        Ok(kvm) => kvm,
        Err(cause) => return cannot_open(cause.into()),
    };
    match Guest::new(&kvm, Memory::new()) {
        Ok(guest) => run_watched(guest, DEADLINE),
        Err((tried, cause)) => {
            let cause = std::io::Error::from(cause);
            Verdict::DoesNotRunKernels { tried: tried.into(), happened: format!("it said: {cause}") }
        }
    }
}

/// Runs the guest in a thread of its own, at most for `limit`.
fn run_watched(mut guest: Guest, limit: Duration) -> Verdict {
    let progress = Arc::new(Progress::default());
    let (sender, receiver) = mpsc::channel();
    let shared = progress.clone();
    let began = Instant::now();
    let thread = std::thread::spawn(move || {
        let outcome = guest.run(&shared);
        let _ = sender.send(outcome);
    });
    match receiver.recv_timeout(limit) {
        Ok(Outcome::Done) => Verdict::Works { microseconds: began.elapsed().as_micros() as u64 },
        Ok(Outcome::Failed(happened)) => progress.verdict(happened),
        Err(_) => {
            let stopped = stop(&thread, &progress, &receiver);
            let how = if stopped { "" } else { " and could not be interrupted" };
            progress.verdict(format!("it hung for {:.1} s{how}", limit.as_secs_f64()))
        }
    }
}

fn cannot_open(cause: std::io::Error) -> Verdict {
    match cause.kind() {
        ErrorKind::PermissionDenied => {
            let hint = "add yourself to its group and log in again: sudo usermod -aG kvm $USER".into();
            Verdict::NoPermission { hint }
        }
        ErrorKind::NotFound => Verdict::Absent { reason: "no /dev/kvm".into() },
        _ => Verdict::Absent { reason: format!("/dev/kvm cannot be opened: {cause}") },
    }
}

#[derive(Default)]
struct Progress {
    steps: AtomicUsize,
    stop: AtomicBool,
}

impl Progress {
    /// The step after the last one taken failed.
    fn verdict(&self, happened: String) -> Verdict {
        let index = self.steps.load(Ordering::SeqCst).min(STEPS.len() - 1);
        Verdict::DoesNotRunKernels { tried: STEPS[index].to_string(), happened }
    }
}

enum Outcome {
    Done,
    Failed(String),
}

struct Guest {
    vcpu: VcpuFd,
    _vm: VmFd,
    _memory: Memory,
}

/// What failed and the error number.
type SetupResult<T> = Result<T, (&'static str, kvm_ioctls::Error)>;

impl Guest {
    fn new(kvm: &Kvm, memory: Memory) -> SetupResult<Guest> {
        let vm = kvm.create_vm().map_err(|cause| ("make a virtual machine", cause))?;
        // Where Intel's processors without "unrestricted guest" keep a task and a page table; QEMU's place.
        vm.set_tss_address(0xfffb_d000).map_err(|cause| ("set the address of a task", cause))?;
        vm.create_irq_chip().map_err(|cause| ("make interrupt controllers", cause))?;
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: MEMORY_SIZE as u64,
            userspace_addr: memory.address(),
        };
        // SAFETY: the region is the whole of `memory`, which lives as long as the machine.
        unsafe { vm.set_user_memory_region(region) }.map_err(|cause| ("give it memory", cause))?;
        let vcpu = vm.create_vcpu(0).map_err(|cause| ("make a processor", cause))?;
        set_up(kvm, &vcpu)?;
        Ok(Guest { vcpu, _vm: vm, _memory: memory })
    }

    fn run(&mut self, progress: &Progress) -> Outcome {
        interruptible();
        loop {
            let happened = match self.vcpu.run() {
                Ok(VcpuExit::IoOut(code::REPORT_PORT, &[code::ALL_DONE])) => return Outcome::Done,
                Ok(VcpuExit::IoOut(code::REPORT_PORT, &[report])) if report & code::WRONG == 0 => {
                    progress.steps.store(report.into(), Ordering::SeqCst);
                    continue;
                }
                Ok(VcpuExit::IoOut(code::REPORT_PORT, _)) => "it gave a wrong result".to_string(),
                Ok(VcpuExit::Shutdown) => "it ended in a triple fault".to_string(),
                Ok(VcpuExit::InternalError) => "KVM could not emulate an instruction".to_string(),
                Ok(VcpuExit::FailEntry(reason, _)) => {
                    format!("the processor refused to enter it ({reason:#x})")
                }
                Ok(VcpuExit::Intr) => String::new(),
                Ok(other) => format!("it left with {other:?}"),
                Err(cause) => match std::io::Error::from(cause) {
                    cause if cause.kind() == ErrorKind::Interrupted => String::new(),
                    cause => format!("KVM said: {cause}"),
                },
            };
            if progress.stop.load(Ordering::SeqCst) {
                return Outcome::Failed("it hung".into());
            }
            if !happened.is_empty() {
                let place = self.vcpu.get_regs().map(|regs| regs.rip.wrapping_sub(code::CODE));
                let place = place.map_or(String::new(), |offset| format!(" (at {offset:#x} of the probe)"));
                return Outcome::Failed(happened + &place);
            }
        }
    }
}

/// The host's processor model, the MSRs QEMU sets too, and 64-bit long mode.
fn set_up(kvm: &Kvm, vcpu: &VcpuFd) -> SetupResult<()> {
    let cpuid = kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES);
    let cpuid = cpuid.map_err(|cause| ("ask for the processor's features", cause))?;
    vcpu.set_cpuid2(&cpuid).map_err(|cause| ("set the processor's features", cause))?;
    // SYSENTER's three, the page attributes as after a reset (Intel SDM volume 3, 12.12.4), the time stamp counter.
    let entries = [(0x174, 0), (0x175, 0), (0x176, 0), (0x277, 0x0007_0406_0007_0406), (0x10, 0)]
        .map(|(index, data)| kvm_msr_entry { index, data, ..Default::default() });
    let msrs = Msrs::from_entries(&entries).map_err(|_| ("set MSRs", kvm_ioctls::Error::new(libc::E2BIG)))?;
    match vcpu.set_msrs(&msrs) {
        Ok(count) if count == entries.len() => {}
        Ok(_) => return Err(("set the MSRs that QEMU sets", kvm_ioctls::Error::new(libc::EINVAL))),
        Err(cause) => return Err(("set the MSRs that QEMU sets", cause)),
    }
    let sregs = vcpu.get_sregs().map_err(|cause| ("read the processor's state", cause))?;
    vcpu.set_sregs(&long_mode(sregs)).map_err(|cause| ("enter 64-bit long mode", cause))?;
    // Bit 1 of the flags is always set.
    let regs = kvm_regs { rip: code::CODE, rsp: 0x1_0000, rflags: 2, ..Default::default() };
    vcpu.set_regs(&regs).map_err(|cause| ("enter 64-bit long mode", cause))
}

/// Control registers and segments of 64-bit long mode (Intel SDM volume 3, 2.5 and 10.8.5).
fn long_mode(mut sregs: kvm_sregs) -> kvm_sregs {
    /// Protection and paging on, the floating-point unit as Linux has it (PG, WP, NE, ET, MP, PE).
    const CR0: u64 = 0x8001_0033;
    /// 8-byte page table entries, SSE's state saved (OSXMMEXCPT, OSFXSR, PAE).
    const CR4: u64 = 0x620;
    /// Long mode enabled and active (LMA, LME).
    const EFER: u64 = 0x500;
    sregs.cr0 = CR0;
    sregs.cr3 = code::PML4;
    sregs.cr4 = CR4;
    sregs.efer = EFER;
    let segment = |selector: u16, type_: u8, long: u8| kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector,
        type_,
        present: 1,
        s: 1,
        l: long,
        db: 1 - long,
        g: 1,
        ..Default::default()
    };
    sregs.cs = segment(code::KERNEL_CODE, 11, 1);
    let data = segment(code::KERNEL_DATA, 3, 0);
    (sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss) = (data, data, data, data, data);
    sregs.tr = kvm_segment {
        base: code::TSS,
        limit: 0x67,
        selector: code::TASK,
        type_: 11,
        present: 1,
        ..Default::default()
    };
    (sregs.gdt.base, sregs.gdt.limit) = (code::GDT, 0x3f);
    (sregs.idt.base, sregs.idt.limit) = (code::IDT, 0xfff);
    sregs
}

/// The guest's memory, aligned to pages.
struct Memory(*mut u8);

// SAFETY: the memory belongs to this value alone (and to the guest).
unsafe impl Send for Memory {}

impl Memory {
    const LAYOUT: std::alloc::Layout = match std::alloc::Layout::from_size_align(MEMORY_SIZE, 4096) {
        Ok(layout) => layout,
        Err(_) => panic!("a power of two"),
    };

    fn new() -> Memory {
        // SAFETY: the layout is not empty.
        let start = unsafe { std::alloc::alloc_zeroed(Memory::LAYOUT) };
        if start.is_null() {
            std::alloc::handle_alloc_error(Memory::LAYOUT);
        }
        // SAFETY: just allocated with this size, zeroed, and nobody else's.
        code::fill(unsafe { std::slice::from_raw_parts_mut(start, MEMORY_SIZE) });
        Memory(start)
    }

    fn address(&self) -> u64 {
        self.0 as u64
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout. The machine that uses it is dropped before (field order of `Guest`).
        unsafe { std::alloc::dealloc(self.0, Memory::LAYOUT) };
    }
}

/// The signal that makes KVM_RUN return; its handler does nothing.
fn kick_signal() -> libc::c_int {
    libc::SIGRTMIN() + 3
}

extern "C" fn nothing(_: libc::c_int) {}

/// Lets the kick signal interrupt this thread's KVM_RUN instead of ending the process.
fn interruptible() {
    // SAFETY: an all-zero sigaction is valid: no flags (so no restart), an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler touches nothing, and the signal is used by nothing else here.
    unsafe { libc::sigaction(kick_signal(), &action, std::ptr::null_mut()) };
}

/// Makes the guest's thread return; whether it did. Signals again and again, as one that comes just before KVM_RUN is
/// lost.
fn stop(
    thread: &std::thread::JoinHandle<()>,
    progress: &Progress,
    outcome: &mpsc::Receiver<Outcome>,
) -> bool {
    use std::os::unix::thread::JoinHandleExt;
    progress.stop.store(true, Ordering::SeqCst);
    let deadline = Instant::now() + STOP_LIMIT;
    while Instant::now() < deadline && !thread.is_finished() {
        // SAFETY: the thread has not been joined, so its handle is valid; the handler was set before the guest ran.
        unsafe { libc::pthread_kill(thread.as_pthread_t(), kick_signal()) };
        if outcome.recv_timeout(Duration::from_millis(10)).is_ok() {
            return true;
        }
    }
    thread.is_finished()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_hangs_is_stopped() {
        // Where there is no KVM there is nothing to stop.
        let Ok(kvm) = Kvm::new() else { return };
        let memory = Memory::new();
        // SAFETY: the memory is this test's alone until the guest is made. jmp to itself.
        unsafe { std::ptr::copy_nonoverlapping([0xeb, 0xfe].as_ptr(), memory.0.add(code::CODE as usize), 2) };
        let Ok(guest) = Guest::new(&kvm, memory) else { return };
        let verdict = run_watched(guest, Duration::from_millis(200));
        let Verdict::DoesNotRunKernels { tried, happened } = verdict else { panic!("{verdict:?}") };
        assert_eq!((tried.as_str(), happened.as_str()), (STEPS[0], "it hung for 0.2 s"));
    }
}
