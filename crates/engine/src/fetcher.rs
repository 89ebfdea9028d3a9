//! Fetching the sources of a kernel and of recipes, by the lock file beside the spec.

use std::collections::BTreeMap;
use std::path::Path;

use base::{Error, Result};
use store::{FetchOptions, Fetched, LockFile, Source};

use crate::build::userland::RecipeSource;
use crate::recipe::{Recipe, RecipeKind};
use crate::rung::Series;
use crate::session::Session;
use crate::spec::SpecFile;

/// Fetches sources and keeps the lock file.
pub(crate) struct Fetcher<'a> {
    session: &'a Session,
    spec: &'a SpecFile,
    lock: LockFile,
    update: bool,
    fetched: BTreeMap<String, Fetched>,
}

impl<'a> Fetcher<'a> {
    /// Reads the lock file. `update`: take the sources the recipes name today, not those in it.
    ///
    /// # Errors
    /// It is damaged.
    pub fn new(
        session: &'a Session,
        spec: &'a SpecFile,
        lock_path: &Path,
        update: bool,
    ) -> Result<Fetcher<'a>> {
        let lock = LockFile::read(lock_path)?;
        Ok(Fetcher { session, spec, lock, update, fetched: BTreeMap::new() })
    }

    /// Fetches all sources at once, and writes the lock file if it says something new.
    ///
    /// # Errors
    /// Those that cannot be had, all together.
    pub fn fetch_all(
        &mut self,
        kernel: Option<&Recipe>,
        recipes: &[Recipe],
    ) -> Result<BTreeMap<String, RecipeSource>> {
        let wanted: Vec<Source> = kernel
            .into_iter()
            .chain(recipes)
            .map(Recipe::source)
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        let part = Session { cancel: self.session.cancel.child(), ..self.session.clone() };
        let results: Vec<Result<(Fetched, LockFile)>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                wanted.iter().map(|source| scope.spawn(|| self.fetch(&part, source))).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|it| it.unwrap_or_else(|_| Err(Error::failed("a fetch panicked")))).collect()
        });
        let mut failures = Vec::new();
        for (source, result) in wanted.iter().zip(results) {
            match result {
                Ok((fetched, lock)) => {
                    self.lock.adopt(&lock, &source.name);
                    self.fetched.insert(source.name.clone(), fetched);
                }
                Err(error) => failures.push(error),
            }
        }
        // What did arrive is recorded even when another source failed.
        if !self.fetched.is_empty() {
            self.lock.write()?;
        }
        match together(failures, wanted.len()) {
            Some(error) => Err(error),
            None => {
                recipes.iter().map(|recipe| Ok((recipe.name.clone(), self.recipe_source(recipe)?))).collect()
            }
        }
    }

    /// One source, by a copy of the lock file, as several are fetched at once.
    fn fetch(&self, session: &Session, source: &Source) -> Result<(Fetched, LockFile)> {
        let options = FetchOptions {
            offline: session.offline,
            mirror: self.spec.spec.sources.mirror.as_ref().map(|it| it.get_ref().clone()),
            project: Some(session.project.clone()),
            ..FetchOptions::default()
        };
        let mut lock = self.lock.clone();
        let Session { store, events, cancel, .. } = session;
        let update = self.update || is_of_another_series(&lock, source);
        let fetched = store.fetch_locked(source, &mut lock, update, &options, events, cancel)?;
        Ok((fetched, lock))
    }

    /// What was fetched as `name`.
    ///
    /// # Errors
    /// It was not asked for.
    pub fn fetched(&self, name: &str) -> Result<&Fetched> {
        self.fetched.get(name).ok_or_else(|| Error::failed(format!("{name} was not fetched")))
    }

    fn recipe_source(&self, recipe: &Recipe) -> Result<RecipeSource> {
        if recipe.kind == RecipeKind::Headers {
            return Ok(RecipeSource::Kernel);
        }
        let Some(path) = &recipe.path else {
            let fetched = self.fetched(&recipe.name)?;
            return Ok(RecipeSource::Archive {
                path: fetched.path.clone(),
                sha256: fetched.sha256.to_string(),
                held: Some(fetched.clone()),
            });
        };
        if path.is_dir() {
            let digest = store::tree_digest(path, &self.session.events, &self.session.cancel)?.to_string();
            return Ok(RecipeSource::Folder { path: path.clone(), digest });
        }
        let sha256 = store::Sha256::of_file(path).map_err(|cause| {
            Error::input(format!("recipe {}: cannot read its path", recipe.name))
                .note(format!("{}: {cause}", path.display()))
        })?;
        Ok(RecipeSource::Archive { path: path.clone(), sha256: sha256.to_string(), held: None })
    }
}

/// The failures of several fetches as one error, as a person without a network wants to see at once what was tried for
/// each; `wanted` is how many were tried.
fn together(mut failures: Vec<Error>, wanted: usize) -> Option<Error> {
    // What was only stopped is no news beside what failed.
    if failures.iter().any(|error| error.kind() != base::Kind::Cancelled) {
        failures.retain(|error| error.kind() != base::Kind::Cancelled);
    }
    let first = failures.first()?;
    if failures.len() == 1 || first.kind() == base::Kind::Cancelled {
        return Some(first.clone());
    }
    let kinds = failures.iter().map(Error::kind);
    let kind = kinds.clone().find(|kind| *kind != base::Kind::Host).unwrap_or(base::Kind::Host);
    let mut error = Error::new(kind, format!("{} of {wanted} sources cannot be had", failures.len()));
    for failure in &failures {
        error = failure.notes().iter().fold(error.note(failure.message()), |error, note| error.note(note));
        for hint in failure.hints() {
            if !error.hints().contains(hint) {
                error = error.hint(hint);
            }
        }
    }
    Some(error)
}

/// What the kernel's recipes are called, whatever the series.
const KERNEL: &str = "linux";

/// Whether the lock file's kernel is of another series than the one wanted now: what was locked then says nothing of it.
fn is_of_another_series(lock: &LockFile, source: &Source) -> bool {
    let locked = lock.entry(&source.name).filter(|_| source.name == KERNEL);
    locked.is_some_and(|locked| Series::parse(&locked.version) != Series::parse(&source.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_together_and_a_stop_is_no_failure() {
        assert!(together(Vec::new(), 3).is_none());
        let unreachable = |name: &str| {
            let error = Error::host(format!("cannot fetch {name}")).note(format!("upstream {name}: refused"));
            error.hint("look at the network")
        };
        let stopped = || Error::cancelled();
        let one = together(vec![stopped(), unreachable("musl")], 3).unwrap();
        assert_eq!(one.message(), "cannot fetch musl");
        let all = together(vec![unreachable("musl"), stopped(), unreachable("busybox")], 3).unwrap();
        assert_eq!((all.kind(), all.message()), (base::Kind::Host, "2 of 3 sources cannot be had"));
        assert_eq!(
            all.notes(),
            [
                "cannot fetch musl",
                "upstream musl: refused",
                "cannot fetch busybox",
                "upstream busybox: refused"
            ]
        );
        assert_eq!(all.hints(), ["look at the network"]);
        let wrong = Error::failed("cannot fetch iputils").note("wrong hash");
        assert_eq!(together(vec![unreachable("musl"), wrong], 2).unwrap().kind(), base::Kind::Failed);
        assert_eq!(together(vec![stopped(), stopped()], 2).unwrap().kind(), base::Kind::Cancelled);
    }

    #[test]
    fn a_locked_kernel_counts_for_its_own_series_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allno.lock");
        let hash = "a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4";
        let text = format!(
            "format = 1\n[[source]]\nname = \"linux\"\nversion = \"6.12.117\"\nfile = \"f.tar\"\nsha256 = \"{hash}\"\n\
             origin = \"debian pool/main/l/f.tar\"\n"
        );
        std::fs::write(&path, text).unwrap();
        let lock = LockFile::read(&path).unwrap();
        let source = |name: &str, version: &str| Source {
            name: name.into(),
            version: version.into(),
            file: "f.tar".into(),
            sha256: None,
            origins: Vec::new(),
        };
        assert!(!is_of_another_series(&lock, &source("linux", "6.12.109")));
        assert!(is_of_another_series(&lock, &source("linux", "6.1.187")));
        assert!(!is_of_another_series(&lock, &source("musl", "1.2.5")));
    }
}
