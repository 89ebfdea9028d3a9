//! Workspaces: folders that keep a build's intermediate files (a kernel's object tree) from one build to the
//! next. They save time and are never trusted after a build that did not end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Cancel, Context, Events, Result};

use crate::locks::{Lock, Mode};
use crate::project::Project;
use crate::root::{Store, check_name};
use crate::scratch::Spot;

const KIND: &str = "workspace";
const CACHE_KIND: &str = "cache";
/// Stands in a workspace from the moment somebody begins to work in it until they say they are done.
const IN_USE: &str = "in-use";

/// A folder to work in, this run's alone. Dropped without [`Workspace::finish`] it counts as half written, and
/// the next run starts with an empty one.
#[derive(Debug)]
pub struct Workspace {
    /// The folder. Its path is the same each time, so a compiler cache works.
    pub path: PathBuf,
    /// Whether it holds what an earlier build left, complete.
    pub reused: bool,
    marker: PathBuf,
    _lock: Lock,
}

impl Store {
    /// The workspace `name`; waits, and says so, while another run works in it. `name` should hold what makes
    /// old files useless (the source's digest), as a build tool looks at times and not at contents.
    ///
    /// # Errors
    /// The disk is full or not writable; [`base::Kind::Cancelled`].
    pub fn workspace(
        &self,
        name: &str,
        project: &Project,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Workspace> {
        check_name(name)?;
        let doing = format!("working in {name}");
        let lock = Lock::take(&self.lock_path(KIND, name), Mode::Exclusive, &doing, events, cancel)?;
        let folder = self.workspaces().join(name);
        let marker = folder.join(IN_USE);
        if marker.exists() {
            events.detail(format!("{name}: an earlier build did not end; its files are thrown away"));
            self.scratch().discard(&folder)?;
        }
        let path = folder.join("tree");
        let reused = path.is_dir();
        fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
        mark(&marker)?;
        fs::create_dir_all(&path).context(|| format!("cannot make {}", path.display()))?;
        self.refer(project, KIND, name, name, "")?;
        Ok(Workspace { path, reused, marker, _lock: lock })
    }
}

/// A workspace that nobody works in, to be read. While it lives no build begins in it.
#[derive(Debug)]
pub struct Finished {
    /// The folder.
    pub path: PathBuf,
    _lock: Lock,
}

impl Store {
    /// The workspace `name` as its last build left it; none if there was no build, or one that did not end. Waits, and says so,
    /// while a run works in it.
    ///
    /// # Errors
    /// The lock cannot be taken; [`base::Kind::Cancelled`].
    pub fn finished_workspace(
        &self,
        name: &str,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Option<Finished>> {
        check_name(name)?;
        let doing = format!("reading {name}");
        let folder = self.workspaces().join(name);
        let path = folder.join("tree");
        if !path.is_dir() {
            return Ok(None);
        }
        let lock = Lock::take(&self.lock_path(KIND, name), Mode::Shared, &doing, events, cancel)?;
        let is_whole = path.is_dir() && !folder.join(IN_USE).exists();
        Ok(is_whole.then_some(Finished { path, _lock: lock }))
    }
}

/// A folder of this run's scratch, gone when this is dropped.
#[derive(Debug)]
pub struct Draft {
    /// The folder; it is there and empty.
    pub path: PathBuf,
    _spot: Spot,
}

impl Store {
    /// A new empty folder for files that nobody keeps.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn draft(&self) -> Result<Draft> {
        let spot = self.scratch().path();
        fs::create_dir(&spot.0).context(|| format!("cannot make {}", spot.0.display()))?;
        Ok(Draft { path: spot.0.clone(), _spot: spot })
    }
}

/// A folder that a tool keeps its own cache in. While it lives, gc of another run leaves it alone.
#[derive(Clone, Debug)]
pub struct Cache {
    /// The folder.
    pub path: PathBuf,
    _use: Arc<Lock>,
}

impl Store {
    /// The folder for the cache of the tool `name` (ccache), shared by all runs at once: the tool itself has to
    /// cope with that and with a kill. It counts in [`Store::usage`] and goes as [`Store::collect`] says.
    ///
    /// # Errors
    /// The disk is full or not writable; [`base::Kind::Cancelled`].
    pub fn cache(&self, name: &str, project: &Project, events: &Events, cancel: &Cancel) -> Result<Cache> {
        check_name(name)?;
        let doing = format!("using {name}");
        let lock = Lock::take(&self.lock_path(CACHE_KIND, name), Mode::Shared, &doing, events, cancel)?;
        let path = self.caches().join(name);
        fs::create_dir_all(&path).context(|| format!("cannot make {}", path.display()))?;
        self.refer(project, CACHE_KIND, name, name, "")?;
        Ok(Cache { path, _use: Arc::new(lock) })
    }
}

/// Writes the marker, on the disk before the first object file can be.
fn mark(marker: &Path) -> Result<()> {
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    File::create(marker)
        .and_then(|file| file.sync_all())
        .and_then(|()| marker.parent().map_or(Ok(()), sync))
        .context(|| format!("cannot write {}", marker.display()))
}

impl Workspace {
    /// Says that everything in it is complete, so that the next build may go on from here.
    ///
    /// # Errors
    /// The marker cannot be removed.
    pub fn finish(self) -> Result<()> {
        fs::remove_file(&self.marker).context(|| format!("cannot remove {}", self.marker.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_workspace_is_reused_and_a_broken_off_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let project = Project::at(folder.path()).unwrap();
        let open = || store.workspace("kernel", &project, &Events::silent(), &Cancel::new()).unwrap();
        let first = open();
        assert!(!first.reused);
        fs::write(first.path.join("a.o"), "object").unwrap();
        first.finish().unwrap();
        let read = || store.finished_workspace("kernel", &Events::silent(), &Cancel::new()).unwrap();
        assert!(read().unwrap().path.join("a.o").exists());
        let second = open();
        assert!(second.reused && second.path.join("a.o").exists());
        drop(second);
        assert!(read().is_none());
        let third = open();
        assert!(!third.reused && !third.path.join("a.o").exists());
    }
}
