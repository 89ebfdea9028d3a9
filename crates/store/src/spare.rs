//! Spare copies: a file of an artifact, copied while there is time, for a run that will want that file with more behind it. To
//! take one is a rename.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use base::{Context, Result};

use crate::artifact::Artifact;
use crate::root::Store;

/// What stands beside the tree.
const SPARE: &str = "spare";

impl Store {
    /// Copies `file` of the artifact's tree, unless a spare copy is there. It stands beside the tree, is none of its content and
    /// goes when the artifact goes.
    ///
    /// # Errors
    /// `file` is not a plain name; it cannot be read; the store cannot be written. Then there is no copy, and no part of one.
    pub fn keep_spare(&self, artifact: &Artifact, file: &str) -> Result<()> {
        let spare = artifact.beside(SPARE, file)?;
        if spare.exists() {
            return Ok(());
        }
        let failed = || format!("cannot write {}", spare.display());
        let spot = self.scratch().path();
        let mut original = File::open(artifact.path.join(file)).context(failed)?;
        // Not fs::copy: the original may not be written to, the copy may.
        let mut copy = File::create(&spot.0).context(failed)?;
        io::copy(&mut original, &mut copy).context(failed)?;
        fs::rename(&spot.0, &spare).context(failed)
    }
}

impl Artifact {
    /// Moves the spare copy of `file` to `to`, where it may be written to, and returns its length in bytes. None if there is none:
    /// another run may have taken it, or it is not as long as the original, as after a loss of power.
    pub fn take_spare(&self, file: &str, to: &Path) -> Option<u64> {
        fs::rename(self.beside(SPARE, file).ok()?, to).ok()?;
        let length = |path: &Path| fs::metadata(path).map(|metadata| metadata.len()).ok();
        let found = length(to).filter(|found| length(&self.path.join(file)) == Some(*found));
        if found.is_none() {
            let _ = fs::remove_file(to);
        }
        found
    }
}
