//! Artifacts: what was built, found by the hash of what went in.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Cancel, Context, Error, Events, Kind, Result};

use crate::hash::Sha256;
use crate::inputs::{Change, Inputs};
use crate::locks::{Lock, Mode};
use crate::project::Project;
use crate::root::{Store, check_name};
use crate::tree::{self, Known};

/// Hexadecimal digits of the key in an entry's name. 80 bits: two keys never meet by chance, and the whole
/// key is checked against the entry's inputs anyway.
const KEY_DIGITS: usize = 20;
const KIND: &str = "artifact";
/// What [`Artifact::keep_note`] keeps.
const NOTE: &str = "note";

/// Something built. While it (or a clone) lives, gc of another run leaves it alone.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The name it was asked for by.
    pub name: String,
    /// The tree that was built. Not to be changed.
    pub path: PathBuf,
    /// The hash of its inputs.
    pub key: Sha256,
    /// The hash of its content, see [`crate::digest`].
    pub digest: Sha256,
    /// Whether it was built just now.
    pub fresh: bool,
    /// Why it was built, when it was.
    pub reason: Option<Rebuild>,
    _use: Arc<Lock>,
}

/// Why an artifact had to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebuild {
    /// This project has never built it.
    First,
    /// These inputs are not what they were when this project built it last.
    Changed(Vec<Change>),
    /// Nothing changed, but the store does not hold it any more (gc took it, or it was damaged).
    Lost,
}

impl fmt::Display for Rebuild {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rebuild::First => formatter.write_str("not built here before"),
            Rebuild::Lost => formatter.write_str("no longer in the store; its inputs are unchanged"),
            Rebuild::Changed(changes) => {
                let changes: Vec<String> = changes.iter().map(Change::to_string).collect();
                formatter.write_str(&changes.join("; "))
            }
        }
    }
}

impl Artifact {
    /// Keeps `text` beside the artifact: what it took to build it, which is not of its content. It goes when the artifact
    /// goes.
    ///
    /// # Errors
    /// `name` is not a plain name; the store cannot be written.
    pub fn keep_note(&self, name: &str, text: &str) -> Result<()> {
        let path = self.beside(NOTE, name)?;
        base::write_whole(&path, text).context(|| format!("cannot write {}", path.display()))
    }

    /// What [`Artifact::keep_note`] kept, if it did.
    pub fn note(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.beside(NOTE, name).ok()?).ok()
    }

    /// Where what is called `name` and is not of the artifact's content stands; `kind`: "note", "spare".
    pub(crate) fn beside(&self, kind: &str, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        Ok(self.path.with_file_name(format!("{kind}-{name}")))
    }
}

impl Store {
    /// Where the artifact's tree is, or will be once it is built. A build runs elsewhere, so what it writes
    /// down about its own place has to be mapped to this path.
    ///
    /// # Errors
    /// `name` is not a plain name.
    pub fn artifact_path(&self, name: &str, inputs: &Inputs) -> Result<PathBuf> {
        Ok(self.artifacts().join(entry_name(name, inputs)?).join("tree"))
    }

    /// The artifact with these inputs: from the store if it is there, else built by `build` into the empty
    /// folder it is given. While another run builds the same one, this waits for it and says so.
    ///
    /// When `build` succeeds, permission bits are made uniform (files 0444 or 0555, folders 0755), the content
    /// hash is taken and the whole is renamed into place; when it fails, nothing remains. What `build` hashed while
    /// it wrote, it says, and that is not read again.
    ///
    /// # Errors
    /// Those of `build`; [`Kind::Host`] when the disk is full; [`Kind::Cancelled`].
    pub fn realize<B: Into<Known>>(
        &self,
        name: &str,
        inputs: &Inputs,
        project: &Project,
        events: &Events,
        cancel: &Cancel,
        build: impl FnOnce(&Path) -> Result<B>,
    ) -> Result<Artifact> {
        let entry = entry_name(name, inputs)?;
        let mut build = Some(build);
        let mut reason = None;
        loop {
            if let Some(mut artifact) = self.held(name, &entry, inputs, events, cancel)? {
                self.refer(project, KIND, name, &entry, &inputs.text())?;
                artifact.fresh = reason.is_some();
                artifact.reason = reason;
                return Ok(artifact);
            }
            let doing = format!("building {name}");
            let lock = Lock::take(&self.lock_path(KIND, &entry), Mode::Exclusive, &doing, events, cancel)?;
            let folder = self.artifacts().join(&entry);
            if read_entry(&folder, inputs).is_some() {
                continue;
            }
            if folder.exists() {
                events.warn(format!("the store's {entry} was damaged; it is built again"));
                self.scratch().discard(&folder)?;
            }
            let build = build.take().ok_or_else(|| {
                Error::failed(format!("{name} was removed from the store as soon as it was built"))
                    .hint("do not remove files from a store in use by hand: allno gc")
            })?;
            let why = self.why(project, name, inputs);
            events.detail(format!("building {name}: {why}"));
            self.build_entry(name, &folder, inputs, cancel, build)?;
            reason = Some(why);
            // Let go, so that `held` can take it shared like everybody else.
            drop(lock);
        }
    }

    /// The finished artifact if the store has it, held against gc.
    fn held(
        &self,
        name: &str,
        entry: &str,
        inputs: &Inputs,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Option<Artifact>> {
        let folder = self.artifacts().join(entry);
        if read_entry(&folder, inputs).is_none() {
            return Ok(None);
        }
        let doing = format!("using {name}");
        let lock = Lock::take(&self.lock_path(KIND, entry), Mode::Shared, &doing, events, cancel)?;
        Ok(read_entry(&folder, inputs).map(|digest| Artifact {
            name: name.to_string(),
            path: folder.join("tree"),
            key: inputs.key(),
            digest,
            fresh: false,
            reason: None,
            _use: Arc::new(lock),
        }))
    }

    /// Compares with what the project used last.
    fn why(&self, project: &Project, name: &str, inputs: &Inputs) -> Rebuild {
        match self.last_inputs(project, name) {
            None => Rebuild::First,
            Some(old) if old == *inputs => Rebuild::Lost,
            Some(old) => Rebuild::Changed(inputs.difference(&old)),
        }
    }

    /// Builds in scratch and renames to `folder`.
    fn build_entry<B: Into<Known>>(
        &self,
        name: &str,
        folder: &Path,
        inputs: &Inputs,
        cancel: &Cancel,
        build: impl FnOnce(&Path) -> Result<B>,
    ) -> Result<()> {
        let spot = self.scratch().path();
        let top = spot.0.join("tree");
        let failed = || format!("cannot write {name} to the store");
        fs::create_dir_all(&top).context(failed)?;
        let known = build(&top).map_err(|error| blame_full_disk(error, &top))?.into();
        cancel.check()?;
        tree::open_folders(&top).context(failed)?;
        let mut nodes = tree::list(&top, &|_| false).context(failed)?;
        tree::normalise(&top, &mut nodes).context(failed)?;
        let digest = tree::digest_of(&top, &nodes, &known, cancel)?;
        fs::write(spot.0.join("inputs"), inputs.text()).context(failed)?;
        fs::write(spot.0.join("digest"), format!("{digest}\n")).context(failed)?;
        fs::rename(&spot.0, folder).context(failed)
    }
}

/// `<name>-<first digits of the key>`.
fn entry_name(name: &str, inputs: &Inputs) -> Result<String> {
    check_name(name)?;
    Ok(format!("{name}-{}", inputs.key().short(KEY_DIGITS)))
}

/// The recorded digest of the entry in `folder`, if it is complete and was made from these inputs.
fn read_entry(folder: &Path, inputs: &Inputs) -> Option<Sha256> {
    let recorded = fs::read_to_string(folder.join("inputs")).ok()?;
    let digest = fs::read_to_string(folder.join("digest")).ok()?;
    let complete = recorded == inputs.text() && folder.join("tree").is_dir();
    complete.then(|| digest.trim_end().parse().ok())?
}

/// A program that ran out of disk space says so only in its output, or not at all; the remedy is the user's all the same.
/// `folder`: where it wrote.
pub(crate) fn blame_full_disk(error: Error, folder: &Path) -> Error {
    /// strerror(ENOSPC) and strerror(EDQUOT), as the C library writes them in the C locale; and what the kernel's
    /// scripts/basic/fixdep.c says instead.
    const SIGNS: [&str; 3] =
        ["No space left on device", "Disk quota exceeded", "not all data was written to the output"];
    /// Less than one more object takes: make removes what it was writing before it ends.
    const ROOM: u64 = 1 << 20;
    let says = |line: &String| SIGNS.iter().any(|sign| line.contains(sign));
    let said = error.output_lines().iter().chain(error.notes()).any(says);
    let no_room =
        || rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM);
    if error.kind() != Kind::Failed || !(said || no_room()) {
        return error;
    }
    let mut host = Error::host(error.message()).note("the disk is full");
    for note in error.notes() {
        host = host.note(note);
    }
    for hint in error.hints() {
        host = host.hint(hint);
    }
    host.output(error.output_lines().to_vec())
        .hint("free some space, or see what the store holds: allno gc --dry-run")
}
