//! A flag that says "stop", which every wait looks at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Set once (by Ctrl-C), seen by every wait. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    own: Arc<AtomicBool>,
    above: Option<Arc<Cancel>>,
}

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// A flag for a part of the work: it is set when this one is, and setting it leaves this one alone.
    pub fn child(&self) -> Cancel {
        Cancel { own: Arc::default(), above: Some(Arc::new(self.clone())) }
    }

    /// Asks everything that shares this flag to stop.
    pub fn set(&self) {
        self.own.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked to stop.
    pub fn is_set(&self) -> bool {
        self.own.load(Ordering::SeqCst) || self.above.as_ref().is_some_and(|above| above.is_set())
    }

    /// Fails with [`crate::Kind::Cancelled`] once the flag is set.
    pub fn check(&self) -> Result<()> {
        if self.is_set() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Asks `ready` every 20 ms until it answers, the time is up (`Ok(None)`) or somebody asked to stop.
    pub fn poll<T>(
        &self,
        limit: Duration,
        mut ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(answer) = ready()? {
                return Ok(Some(answer));
            }
            self.check()?;
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_hears_its_parent_but_not_the_other_way() {
        let (all, other) = (Cancel::new(), Cancel::new());
        let part = all.child();
        part.set();
        assert!(part.is_set() && !all.is_set() && !other.is_set());
        let part = all.child();
        all.clone().set();
        assert!(part.is_set());
    }
}
