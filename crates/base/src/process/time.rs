//! The processor time that programs took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// Adds up the processor time of the programs it is given to ([`super::Program::counted`]), whatever else runs beside them. Clones
/// count together.
#[derive(Clone, Debug, Default)]
pub struct ProcessorTime(Arc<AtomicU64>);

impl ProcessorTime {
    /// User and system time so far, of the programs that have ended and of all that they started and waited for.
    pub fn total(&self) -> Duration {
        let ticks = self.0.load(Ordering::Relaxed);
        Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second().max(1) as f64)
    }

    /// Counts the child `pid` if it has ended, and returns whether it has: what nobody has waited for yet still stands in /proc.
    pub(super) fn take(&self, pid: Pid) -> bool {
        // It is only looked at (WNOWAIT); who started it waits for it afterwards.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if matches!(waitid(WaitId::Pid(pid), look), Ok(None)) {
            return false;
        }
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        self.0.fetch_add(ticks(&stat.unwrap_or_default()), Ordering::Relaxed);
        true
    }
}

/// The clock ticks in a /proc/PID/stat (proc(5)): utime, stime, cutime and cstime, its fields 14 to 17. Zero where it does not say.
fn ticks(stat: &str) -> u64 {
    // The second field is the name in parentheses, which may hold spaces; the state behind it is field 3.
    let fields = stat.rfind(')').map_or("", |end| &stat[end + 1..]).split_ascii_whitespace();
    fields.skip(14 - 3).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::super::Program;
    use super::*;
    use crate::Cancel;

    #[test]
    fn a_stat_line_gives_own_and_childrens_time() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194560 99 0 0 0 10 20 300 4000 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), 4330);
        assert_eq!(ticks(""), 0);
    }

    #[test]
    fn a_programs_children_count_and_programs_beside_it_do_not() {
        let busy = |program: Program| {
            let spin = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'";
            program.args(["-c", &format!("{spin}; true")]).succeed(Duration::from_secs(60), &Cancel::new())
        };
        let (counted, other) = (ProcessorTime::default(), ProcessorTime::default());
        busy(Program::new("sh").counted(&counted)).unwrap();
        let once = counted.total();
        assert!(once > Duration::ZERO);
        busy(Program::new("sh")).unwrap();
        assert_eq!(counted.total(), once);
        assert_eq!(other.total(), Duration::ZERO);
    }
}
