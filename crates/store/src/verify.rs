//! Checking what the store holds against its hashes.

use std::path::Path;

use base::{Cancel, Error, Events, Kind, Result, Total, Unit};

use crate::gc::EntryKind;
use crate::hash::Sha256;
use crate::inputs::Inputs;
use crate::root::Store;
use crate::tree;

/// Something in the store that is not what it should be.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What it is.
    pub kind: EntryKind,
    /// Its name in its folder of the store; [`Store::discard`] takes it.
    pub entry: String,
    /// What is wrong with it, one sentence.
    pub what: String,
}

impl Store {
    /// Computes every source's hash and every artifact's key and digest again.
    ///
    /// # Errors
    /// [`Kind::Cancelled`]. Everything else is a [`Problem`] of the entry it is about.
    pub fn verify(&self, events: &Events, cancel: &Cancel) -> Result<Vec<Problem>> {
        let mut entries = named(EntryKind::Source, &self.sources())?;
        entries.extend(named(EntryKind::Artifact, &self.artifacts())?);
        let task = events.task("verifying", self.root().display().to_string());
        let mut problems = Vec::new();
        let total = entries.len() as u64;
        for (done, (kind, entry)) in entries.into_iter().enumerate() {
            task.progress_on(done as u64, Some(Total::Exactly(total)), Unit::Steps, &entry);
            let checked = match kind {
                EntryKind::Source => self.verify_source(&entry),
                _ => self.verify_artifact(&entry, cancel),
            };
            match checked {
                Ok(()) => {}
                Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                Err(error) => problems.push(Problem { kind, entry, what: error.to_string() }),
            }
        }
        task.end("verified", format!("{total} entries, {} damaged", problems.len()));
        Ok(problems)
    }

    fn verify_source(&self, entry: &str) -> Result<()> {
        let wanted: Sha256 =
            entry.parse().map_err(|cause: crate::NotAHash| Error::failed(cause.to_string()))?;
        let (path, _) = self.read_source(wanted).ok_or_else(|| Error::failed("it has no file"))?;
        let found = Sha256::of_file(&path).map_err(|cause| Error::failed(cause.to_string()))?;
        same("its content", found, wanted)
    }

    fn verify_artifact(&self, entry: &str, cancel: &Cancel) -> Result<()> {
        let folder = self.artifacts().join(entry);
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(name))
                .map_err(|cause| Error::failed(format!("its {name} cannot be read")).note(cause.to_string()))
        };
        let inputs = Inputs::parse(&read("inputs")?)?;
        let (_, key) = entry.rsplit_once('-').ok_or_else(|| Error::failed("its name has no key"))?;
        if inputs.key().short(key.len()) != key || key.is_empty() {
            return Err(Error::failed("its inputs have another key than its name"));
        }
        let wanted = read("digest")?.trim_end().parse().map_err(|cause: crate::NotAHash| {
            Error::failed("its digest is damaged").note(cause.to_string())
        })?;
        same("its tree", tree::digest(&folder.join("tree"), cancel)?, wanted)
    }
}

/// The entries in one folder of the store.
fn named(kind: EntryKind, folder: &Path) -> Result<Vec<(EntryKind, String)>> {
    let names = tree::names(folder)?;
    Ok(names.into_iter().map(|name| (kind, name.to_string_lossy().into_owned())).collect())
}

fn same(what: &str, found: Sha256, wanted: Sha256) -> Result<()> {
    if found == wanted {
        Ok(())
    } else {
        Err(Error::failed(format!("{what} has changed: sha256 {found} where {wanted} was expected")))
    }
}
