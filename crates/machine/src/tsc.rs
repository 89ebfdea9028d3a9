//! How fast this host's time stamp counter ticks. QEMU's software emulation hands the host's counter to the guest, so a
//! kernel told the figure (`tsc_early_khz=`) need not calibrate against a timer, which fails on a busy host.

/// The time stamp counter's frequency in kHz, measured in about 15 ms, to some parts in a million even while the host is
/// busy; `None` where there is no counter that ticks evenly (not x86-64, or not "invariant").
pub fn host_tsc_khz() -> Option<u64> {
    measure::khz()
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod measure {
    use std::arch::x86_64::{__cpuid, __rdtscp, _mm_lfence};
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    /// The stretch that is measured.
    const STRETCH: Duration = Duration::from_millis(12);
    /// How many readings are taken at each end, the best of which counts.
    const READINGS: u32 = 50;

    /// The counter and the clock (in nanoseconds) at one moment.
    struct Moment {
        ticks: u64,
        nanoseconds: u64,
        /// How far apart the readings of the clock before and after the counter's were.
        bracket: u64,
    }

    pub(super) fn khz() -> Option<u64> {
        if !is_invariant() {
            return None;
        }
        let first = moment();
        std::thread::sleep(STRETCH);
        let second = moment();
        let ticks = second.ticks.checked_sub(first.ticks)?;
        let nanoseconds = second.nanoseconds.checked_sub(first.nanoseconds)?;
        let khz = (u128::from(ticks) * 1_000_000).checked_div(u128::from(nanoseconds))?;
        u64::try_from(khz).ok().filter(|&khz| khz > 0)
    }

    /// CPUID 0x80000007 EDX bit 8: the counter ticks at one rate in all states (Intel SDM volume 3, 18.17.1). The
    /// instructions of CPUID and RDTSCP are there on every x86-64 that says so.
    fn is_invariant() -> bool {
        __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & 1 << 8 != 0
    }

    /// The reading with the tightest bracket: one that was not interrupted.
    fn moment() -> Moment {
        let readings = (0..READINGS).map(|_| reading());
        readings.min_by_key(|reading| reading.bracket).unwrap_or_else(reading)
    }

    fn reading() -> Moment {
        let before = now();
        let mut processor = 0;
        // SAFETY: every x86-64 processor with an invariant counter has RDTSCP; it writes to a local variable.
        let ticks = unsafe {
            let ticks = __rdtscp(&mut processor);
            _mm_lfence();
            ticks
        };
        let after = now();
        Moment { ticks, nanoseconds: before + (after - before) / 2, bracket: after - before }
    }

    /// CLOCK_MONOTONIC_RAW, which no time daemon bends.
    fn now() -> u64 {
        let time = clock_gettime(ClockId::MonotonicRaw);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod measure {
    pub(super) fn khz() -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_measurements_agree_although_the_host_is_busy() {
        let Some(quiet) = host_tsc_khz() else { return };
        let done = std::sync::atomic::AtomicBool::new(false);
        let busy: Vec<u64> = std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        std::hint::spin_loop()
                    }
                });
            }
            let busy = (0..5).filter_map(|_| host_tsc_khz()).collect();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            busy
        });
        let nearest = busy.iter().map(|&khz| khz.abs_diff(quiet)).min().unwrap();
        // 500 parts in a million: what Linux itself takes for agreement (arch/x86/kernel/tsc.c).
        assert!(nearest * 2000 <= quiet, "{quiet} kHz quiet, {busy:?} kHz busy");
    }
}
