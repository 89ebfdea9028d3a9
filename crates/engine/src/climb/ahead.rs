//! Builds that run ahead of the boots: while one kernel boots, the next is built.

use std::ops::RangeInclusive;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

use base::{Cancel, Error, Result};

use super::{Climber, Part};
use crate::session::Session;
use crate::spec::SpecFile;

/// How many things built may wait for their boots: not a whole ladder.
const AHEAD: usize = 2;
/// By how much the builds give way to the boots beside them (nice(2)): what a boot says has its time, a build has not.
const GIVE_WAY: i32 = 10;

/// How long boots that have ended may take to say why.
const MOMENT: Duration = Duration::from_secs(1);

/// Where builds leave what they made.
pub(super) struct Made<T> {
    to: SyncSender<T>,
    stop: Cancel,
}

impl<T> Made<T> {
    /// Leaves it there; waits while there is no room.
    ///
    /// # Errors
    /// [`base::Kind::Cancelled`]: the boots have ended, with an error of their own.
    pub fn leave(&self, made: T) -> Result<()> {
        self.to.send(made).or_else(|_| {
            // Not before that error is known, or this one would be taken for the first.
            self.stop.poll(MOMENT, || Ok(None::<()>))?;
            Err(Error::cancelled())
        })
    }
}

/// Opens the climber of `part`, builds on a second thread and boots here what is left for it.
///
/// # Errors
/// Of what failed first; it stops the other.
pub(super) fn ahead<T: Send, R>(
    session: &Session,
    spec: &SpecFile,
    part: &Part,
    build: impl FnOnce(&Climber, RangeInclusive<usize>, &Made<T>) -> Result<()> + Send,
    boot: impl FnOnce(&Climber, Receiver<T>) -> Result<R>,
) -> Result<R> {
    // Both work with one climber, whose session is stopped when either fails.
    let stop = session.cancel.child();
    let session_of_both = session.part(&stop);
    let (climber, range) = Climber::open(&session_of_both, spec, part)?;
    let climber = &climber;
    let (sender, made) = mpsc::sync_channel(AHEAD);
    let boots = || boot(climber, made);
    let made_by = Made { to: sender, stop: stop.clone() };
    let builds = move || {
        // Of this thread, and of what it starts. Refused, it only takes longer.
        let _ = rustix::process::nice(GIVE_WAY);
        // It goes with this thread: that it is gone tells the boots that there is no more.
        build(climber, range, &made_by)
    };
    base::both_stopped_by(&session.cancel, &stop, boots, builds).map(|(result, ())| result)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However early the builds notice that nobody receives any more, the news is why.
    #[test]
    fn the_reason_of_the_boots_end_is_told_and_not_that_the_builds_were_stopped() {
        let all = Cancel::new();
        let stop = all.child();
        let (to, made) = mpsc::sync_channel::<u32>(AHEAD);
        let by = Made { to, stop: stop.clone() };
        let boots = || {
            drop(made);
            std::thread::sleep(Duration::from_millis(50));
            Err::<(), _>(Error::failed("the rung is not proved"))
        };
        let builds = move || (0..).try_for_each(|kernel| by.leave(kernel));
        let error = base::both_stopped_by(&all, &stop, boots, builds).unwrap_err();
        assert_eq!(error.message(), "the rung is not proved");
    }
}
