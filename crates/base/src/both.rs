//! Two parts of one piece of work, at once.

use std::sync::OnceLock;

use crate::{Cancel, Error, Result};

/// Does `left` here and `right` on a second thread, and returns what both made. Each is given a flag that is set when the other has
/// failed, or when `cancel` is.
///
/// # Errors
/// Of the part that failed first: what the other says after it was told to stop is no news, however it says it.
/// [`crate::Kind::Cancelled`] when `cancel` was set before either failed.
pub fn both<A, B: Send>(
    cancel: &Cancel,
    left: impl FnOnce(&Cancel) -> Result<A>,
    right: impl FnOnce(&Cancel) -> Result<B> + Send,
) -> Result<(A, B)> {
    let part = cancel.child();
    both_stopped_by(cancel, &part, || left(&part), || right(&part))
}

/// The same for parts that look at the flag `part`, a child of `cancel`, already.
///
/// # Errors
/// As [`both`].
pub fn both_stopped_by<A, B: Send>(
    cancel: &Cancel,
    part: &Cancel,
    left: impl FnOnce() -> Result<A>,
    right: impl FnOnce() -> Result<B> + Send,
) -> Result<(A, B)> {
    let first: OnceLock<Error> = OnceLock::new();
    let fail = |error: Error| {
        // Set only once: the later error is the one that is dropped.
        let _ = first.set(if cancel.is_set() { Error::cancelled() } else { error });
        part.set();
    };
    let (left, right) = std::thread::scope(|scope| {
        let right = scope.spawn(|| right().map_err(fail));
        let left = left().map_err(fail);
        (left, right.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    match (left, right) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        _ => Err(first.into_inner().unwrap_or_else(|| Error::failed("a part failed and said nothing"))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn until_stopped(cancel: &Cancel) {
        cancel.poll(Duration::from_secs(60), || Ok(None::<()>)).unwrap_err();
    }

    #[test]
    fn both_answers_come_back() {
        assert_eq!(both(&Cancel::new(), |_| Ok(1), |_| Ok("two")).unwrap(), (1, "two"));
    }

    /// Whoever it is: the news is the first failure, not how the other put its being stopped.
    #[test]
    fn the_first_failure_is_the_one_that_is_told() {
        let fails = |_: &Cancel| -> Result<()> { Err(Error::failed("the compiler said no")) };
        let stopped = |cancel: &Cancel| -> Result<()> {
            until_stopped(cancel);
            Err(Error::failed("a shell was cut off"))
        };
        let all = Cancel::new();
        assert_eq!(both(&all, fails, stopped).unwrap_err().message(), "the compiler said no");
        assert_eq!(both(&all, stopped, fails).unwrap_err().message(), "the compiler said no");
        assert!(!all.is_set());
    }

    #[test]
    fn a_stop_from_above_is_a_stop() {
        let all = Cancel::new();
        let stopped = |cancel: &Cancel| -> Result<()> {
            all.set();
            until_stopped(cancel);
            Err(Error::failed("a shell was cut off"))
        };
        assert_eq!(both(&all, stopped, stopped).unwrap_err().kind(), crate::Kind::Cancelled);
    }
}
