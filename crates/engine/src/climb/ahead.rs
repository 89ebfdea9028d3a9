//! Builds that run ahead of the boots: while one kernel boots, the next is built.

use std::ops::RangeInclusive;
use std::sync::mpsc::{self, Receiver, SyncSender};

use base::{Cancel, Error, Result};

use super::{Climber, Part};
use crate::session::Session;
use crate::spec::SpecFile;

/// How many things built may wait for their boots: not a whole ladder.
const AHEAD: usize = 2;
/// By how much the builds give way to the boots beside them (nice(2)): what a boot says has its time, a build has not.
const GIVE_WAY: i32 = 10;

/// Where builds leave what they made.
pub(super) struct Made<T>(SyncSender<T>);

impl<T> Made<T> {
    /// Leaves it there; waits while there is no room.
    ///
    /// # Errors
    /// [`base::Kind::Cancelled`]: the boots have ended, with an error of their own.
    pub fn leave(&self, made: T) -> Result<()> {
        self.0.send(made).map_err(|_| Error::cancelled())
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
    let stopping = |error: Error| {
        stop.set();
        error
    };
    let (sender, made) = mpsc::sync_channel(AHEAD);
    let boots = |_: &Cancel| boot(climber, made).map_err(stopping);
    let builds = move |_: &Cancel| {
        // Of this thread, and of what it starts. Refused, it only takes longer.
        let _ = rustix::process::nice(GIVE_WAY);
        // The sender goes with this thread: that it is gone tells the boots that there is no more.
        build(climber, range, &Made(sender)).map_err(stopping)
    };
    base::both(&session.cancel, boots, builds).map(|(result, ())| result)
}
