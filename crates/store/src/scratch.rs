//! Scratch space: where everything is made before it is renamed into place, and where it goes to be
//! removed. A run's scratch is gone when the run is: by itself, or by the next one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base::{Context, Result};

use crate::locks::{Lock, Mode};
use crate::tree;

/// One run's scratch folder, `scratch/<pid>-<random>/`, with a lock file `<pid>-<random>.lock` beside it that
/// is held as long as the run lives. Who can take that lock knows that the run is dead, whoever has its pid
/// now.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    lock_path: PathBuf,
    next: AtomicU64,
    _lock: Lock,
}

impl Scratch {
    /// Makes a scratch folder below `parent`.
    pub(crate) fn make(parent: &Path) -> Result<Scratch> {
        loop {
            let name = unique_name();
            let lock_path = parent.join(format!("{name}.lock"));
            if lock_path.exists() {
                continue;
            }
            // The lock comes first: a folder without one would look like a dead run's.
            let Some(lock) = Lock::take_now(&lock_path, Mode::Exclusive)? else { continue };
            let folder = parent.join(name);
            fs::create_dir(&folder).context(|| format!("cannot make {}", folder.display()))?;
            return Ok(Scratch { folder, lock_path, next: AtomicU64::new(0), _lock: lock });
        }
    }

    /// A path in it that nothing has yet.
    pub(crate) fn path(&self) -> Spot {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Spot(self.folder.join(number.to_string()))
    }

    /// Moves `path` out of sight at once, then removes it.
    pub(crate) fn discard(&self, path: &Path) -> Result<()> {
        let spot = self.path();
        match fs::rename(path, &spot.0) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => {
                other.context(|| format!("cannot move {} away", path.display()))?;
                tree::remove(&spot.0)
            }
        }
    }

    /// Writes `content` to `path` so that a reader sees the old file or the new one, never a part.
    pub(crate) fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        let spot = self.path();
        fs::write(&spot.0, content)
            .and_then(|()| fs::rename(&spot.0, path))
            .context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now, the next run removes.
        let _ = tree::remove(&self.folder);
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// A place in scratch; what is there when it is dropped goes away.
#[derive(Debug)]
pub(crate) struct Spot(pub(crate) PathBuf);

impl Drop for Spot {
    fn drop(&mut self) {
        let _ = tree::remove(&self.0);
    }
}

/// `<pid>-<time in nanoseconds and a count>`: unique, and a person sees whose it is. Nothing is derived from it.
fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{}-{now:x}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Removes the scratch of runs that are gone. What cannot be removed is left for the next time.
pub(crate) fn sweep(parent: &Path) -> Result<()> {
    let names = tree::names(parent)?;
    for name in names.iter().filter_map(|name| name.to_str()) {
        let Some(stem) = name.strip_suffix(".lock") else { continue };
        let lock_path = parent.join(name);
        // Opening a lock file that was just removed would make it again: look first, remove ours last.
        if !lock_path.exists() {
            continue;
        }
        if let Ok(Some(_dead)) = Lock::take_now(&lock_path, Mode::Exclusive)
            && tree::remove(&parent.join(stem)).is_ok()
        {
            let _ = fs::remove_file(&lock_path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_runs_scratch_is_swept_and_a_living_ones_stays() {
        let folder = tempfile::tempdir().unwrap();
        let alive = Scratch::make(folder.path()).unwrap();
        fs::write(&alive.path().0, "x").unwrap();
        // A killed run leaves its folder and an unlocked lock file.
        fs::create_dir_all(folder.path().join("1-dead/tree")).unwrap();
        fs::write(folder.path().join("1-dead.lock"), "").unwrap();
        sweep(folder.path()).unwrap();
        assert!(alive.folder.is_dir());
        assert!(!folder.path().join("1-dead").exists());
        assert!(!folder.path().join("1-dead.lock").exists());
        drop(alive);
        assert!(tree::names(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn written_files_appear_whole() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(folder.path()).unwrap();
        let path = folder.path().join("file");
        scratch.write(&path, b"one").unwrap();
        scratch.write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(scratch.write(&folder.path().join("no/such"), b"x").is_err());
        assert!(tree::names(&scratch.folder).unwrap().is_empty(), "left something in scratch");
    }
}
