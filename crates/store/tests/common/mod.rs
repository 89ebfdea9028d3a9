//! What the store's tests share: a store in a folder of its own, a look at what stands in it, and a server that plays
//! upstream.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod server;

use std::fs;
use std::path::{Path, PathBuf};

use store::{Project, Store};

/// A store and a project in a folder that is gone at the end. Each test adds methods of its own.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub store: Store,
    pub project: Project,
}

impl Place {
    pub fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let project = Project::at(folder.path()).unwrap();
        Place { folder, store, project }
    }

    /// Another project, in a folder called `name`.
    pub fn project_called(&self, name: &str) -> Project {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        Project::at(&folder).unwrap()
    }

    /// What stands in a folder of the store.
    pub fn names(&self, folder: &str) -> Vec<String> {
        names(&self.store, folder)
    }

    /// What this and other runs left half-done in the store.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        leftovers(self.store.root())
    }
}

/// What stands in a folder of `store`.
pub fn names(store: &Store, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(store.root().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What is left in the runs' scratch folders of the store at `root` of things that were not finished.
pub fn leftovers(root: &Path) -> Vec<PathBuf> {
    let runs = fs::read_dir(root.join("scratch")).unwrap().map(|entry| entry.unwrap().path());
    runs.filter(|path| path.is_dir())
        .flat_map(|run| fs::read_dir(run).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect()
}
