//! Locks between runs of allno: flock(2) on small files, so a killed holder lets go by itself.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base::{Cancel, Context, Error, Event, Events, Result};
use rustix::fs::{FlockOperation, flock};

/// Longest wait for another run: no step takes so long, so past it something is stuck.
const WAIT_LIMIT: Duration = Duration::from_secs(12 * 3600);
/// How long a holder gets to write down who it is before we say that we wait.
const NOTE_DELAY: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Many at once: "I use this".
    Shared,
    /// One alone: "I make or remove this".
    Exclusive,
}

/// A lock held; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock at `path` unless somebody holds it in the way.
    pub(crate) fn take_now(path: &Path, mode: Mode) -> Result<Option<Lock>> {
        let operation = match mode {
            Mode::Shared => FlockOperation::NonBlockingLockShared,
            Mode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        let failed = || format!("cannot lock {}", path.display());
        loop {
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)
                .context(failed)?;
            match flock(&file, operation) {
                Ok(()) if is_the_file_at(&file, path) => return Ok(Some(Lock(file))),
                // Removed between our open and our lock: that lock protects nothing.
                Ok(()) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(cause) => return Err(std::io::Error::from(cause)).context(failed),
            }
        }
    }

    /// Takes the lock at `path`, waiting for others; says once whom for. `doing` is what a waiter will read
    /// about us: "building kernel".
    pub(crate) fn take(
        path: &Path,
        mode: Mode,
        doing: &str,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Lock> {
        let mut waited = 0;
        let mut said = false;
        let taken = cancel.poll(WAIT_LIMIT, || {
            let lock = Lock::take_now(path, mode)?;
            if lock.is_none() {
                waited += 1;
                let note = holder(path);
                if !said && (note.is_some() || waited > NOTE_DELAY.as_millis() / 20) {
                    said = true;
                    let whom = note.unwrap_or_else(|| "another run of allno".to_string());
                    events.send(Event::Waiting(format!("waiting for {whom}")));
                }
            }
            Ok(lock)
        })?;
        let mut lock = taken.ok_or_else(|| {
            let whom = holder(path).unwrap_or_else(|| "another run of allno".to_string());
            Error::failed(format!("waited {} hours for {whom}", WAIT_LIMIT.as_secs() / 3600))
        })?;
        match mode {
            Mode::Exclusive => lock.sign(doing)?,
            Mode::Shared => lock.touch(),
        }
        Ok(lock)
    }

    /// Writes down who holds it and what for.
    pub(crate) fn sign(&mut self, doing: &str) -> Result<()> {
        let note = format!("{}\n{doing}\n", std::process::id());
        let written =
            self.0.rewind().and_then(|()| self.0.set_len(0)).and_then(|()| self.0.write_all(note.as_bytes()));
        written.context(|| "cannot write a lock file".into())
    }

    /// Keeps when the locked thing was last used, as the lock file's modification time. It is for gc's
    /// order only and enters no key; that it cannot be set is no reason to fail.
    pub(crate) fn touch(&self) {
        let _ = self.0.set_modified(SystemTime::now());
    }
}

/// Whether `path` still names the file that is open.
fn is_the_file_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// "process 4711, which is building kernel", from the note of a holder that is alive.
pub(crate) fn holder(path: &Path) -> Option<String> {
    let mut note = String::new();
    File::open(path).ok()?.take(4096).read_to_string(&mut note).ok()?;
    let (pid, rest) = note.split_once('\n')?;
    let doing = rest.strip_suffix('\n')?;
    let pid: u32 = pid.parse().ok()?;
    Path::new("/proc").join(pid.to_string()).exists().then(|| format!("process {pid}, which is {doing}"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_waiter_says_once_whom_it_waits_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held =
            Lock::take(&path, Mode::Exclusive, "building kernel", &Events::silent(), &Cancel::new()).unwrap();
        assert!(Lock::take_now(&path, Mode::Shared).unwrap().is_none());
        let (sender, heard) = channel();
        let waiter = std::thread::spawn({
            let path = path.clone();
            move || Lock::take(&path, Mode::Exclusive, "building kernel", &Events::to(sender), &Cancel::new())
        });
        let Event::Waiting(text) = heard.recv().unwrap() else { panic!("no waiting event") };
        assert_eq!(text, format!("waiting for process {}, which is building kernel", std::process::id()));
        drop(held);
        waiter.join().unwrap().unwrap();
        assert!(heard.recv().is_err(), "said more than once");
    }

    #[test]
    fn a_wait_ends_when_asked_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let _held = Lock::take_now(&path, Mode::Exclusive).unwrap().unwrap();
        let cancel = Cancel::new();
        cancel.set();
        let error = Lock::take(&path, Mode::Shared, "x", &Events::silent(), &cancel).unwrap_err();
        assert_eq!(error.kind(), base::Kind::Cancelled);
    }

    #[test]
    fn a_lock_on_a_removed_file_is_taken_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let _old = Lock::take_now(&path, Mode::Exclusive).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(Lock::take_now(&path, Mode::Exclusive).unwrap().is_some());
        assert!(path.exists());
    }
}
