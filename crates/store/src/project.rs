//! Who uses what: for each project, the entries it used last. These are what gc keeps, and the old side of
//! "why was it built again".

use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use base::{Context, Result};

use crate::hash::Sha256;
use crate::inputs::Inputs;
use crate::root::Store;
use crate::tree;

/// A user's project: the folder its spec lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    folder: PathBuf,
    id: String,
}

impl Project {
    /// The project in `folder`.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn at(folder: &Path) -> Result<Project> {
        let folder = folder.canonicalize().context(|| format!("cannot find {}", folder.display()))?;
        let id = Sha256::of(folder.as_os_str().as_bytes()).short(16);
        Ok(Project { folder, id })
    }

    /// Its folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// What one project used last under one name.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) project: PathBuf,
    /// The name of the entry in its folder of the store.
    pub(crate) entry: String,
}

impl Store {
    /// Notes that `project` now uses this entry under `name`. `kind` is artifact, source, workspace or cache;
    /// `entry` is the entry's name in its folder, followed by anything one wants to find again.
    pub(crate) fn refer(
        &self,
        project: &Project,
        kind: &str,
        name: &str,
        entry: &str,
        more: &str,
    ) -> Result<()> {
        let folder = self.projects().join(&project.id);
        let path = folder.join(kind).join(name);
        let content = format!("{entry}\n{more}");
        if fs::read_to_string(&path).is_ok_and(|old| old == content) {
            return Ok(());
        }
        fs::create_dir_all(folder.join(kind)).context(|| format!("cannot make {}", folder.display()))?;
        let owner = folder.join("folder");
        if !owner.exists() {
            self.scratch().write(&owner, project.folder.as_os_str().as_bytes())?;
        }
        self.scratch().write(&path, content.as_bytes())
    }

    /// The inputs of the artifact `project` used last under `name`, if it has used one.
    pub(crate) fn last_inputs(&self, project: &Project, name: &str) -> Option<Inputs> {
        let path = self.projects().join(&project.id).join("artifact").join(name);
        let text = fs::read_to_string(path).ok()?;
        Inputs::parse(text.split_once('\n')?.1).ok()
    }

    /// All references of one kind, of the projects whose folder is still there.
    pub(crate) fn references(&self, kind: &str) -> Result<Vec<Reference>> {
        let mut references = Vec::new();
        for id in tree::names(&self.projects())? {
            let folder = self.projects().join(id);
            let Some(project) = owner(&folder).filter(|project| project.is_dir()) else { continue };
            for name in tree::names(&folder.join(kind))? {
                let Ok(text) = fs::read_to_string(folder.join(kind).join(name)) else { continue };
                let entry = text.lines().next().unwrap_or_default().to_string();
                references.push(Reference { project: project.clone(), entry });
            }
        }
        Ok(references)
    }

    /// Forgets the projects whose folder is gone.
    pub(crate) fn forget_gone_projects(&self) -> Result<()> {
        for id in tree::names(&self.projects())? {
            let folder = self.projects().join(id);
            if owner(&folder).is_some_and(|project| !project.exists()) {
                self.scratch().discard(&folder)?;
            }
        }
        Ok(())
    }
}

/// The project folder that a folder below `projects/` stands for.
fn owner(folder: &Path) -> Option<PathBuf> {
    let bytes = fs::read(folder.join("folder")).ok()?;
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_inputs_are_found_again_until_the_project_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        fs::create_dir(folder.path().join("mine")).unwrap();
        let project = Project::at(&folder.path().join("mine")).unwrap();
        assert_eq!(store.last_inputs(&project, "kernel"), None);
        for value in ["old", "new"] {
            let inputs = Inputs::new().with("config", value);
            store.refer(&project, "artifact", "kernel", "kernel-x", &inputs.text()).unwrap();
            assert_eq!(store.last_inputs(&project, "kernel"), Some(inputs));
        }
        let references = store.references("artifact").unwrap();
        assert_eq!(references.len(), 1);
        assert_eq!(
            (references[0].entry.as_str(), references[0].project.as_path()),
            ("kernel-x", project.folder())
        );
        fs::remove_dir(project.folder()).unwrap();
        assert!(store.references("artifact").unwrap().is_empty());
        store.forget_gone_projects().unwrap();
        assert!(tree::names(&store.projects()).unwrap().is_empty());
    }
}
