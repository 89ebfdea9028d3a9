//! One look at the files an answer depends on: each path once, by what stat(2) says of it.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::variables::Environment;

/// The identity of a path that leads nowhere.
pub(super) const ABSENT: &str = "absent";

/// What is known of paths, at the time of the first question about each.
#[derive(Debug)]
pub(super) struct Sight {
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// The environment that commands see.
    pub environment: Arc<Environment>,
    /// The folders of PATH.
    search: Vec<PathBuf>,
    seen: HashMap<PathBuf, Identity>,
}

/// What makes a file this file with this content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Device, inode, size, times of change (ctime cannot be set back); or "absent".
    pub text: String,
    /// The later of its times of change, in seconds since 1970.
    pub newest: i64,
}

impl Sight {
    /// A look from `folder`.
    pub fn new(folder: &Path, environment: Arc<Environment>) -> Sight {
        let search = environment.get("PATH").map(|path| std::env::split_paths(path).collect());
        let search = search.unwrap_or_default();
        Sight { folder: folder.to_path_buf(), environment, search, seen: HashMap::new() }
    }

    /// The folders of PATH, an empty one being the current folder.
    pub fn search_path(&self) -> &[PathBuf] {
        &self.search
    }

    /// The identity of what `path` leads to.
    pub fn identity(&mut self, path: &Path) -> Identity {
        if let Some(known) = self.seen.get(path) {
            return known.clone();
        }
        let identity = match std::fs::metadata(self.folder.join(path)) {
            Ok(metadata) => Identity::of(&metadata),
            Err(cause) => Identity { text: absence(&cause), newest: i64::MIN },
        };
        self.seen.insert(path.to_path_buf(), identity.clone());
        identity
    }

    /// Where PATH leads a shell for `name`, all of the places: a compiler's name may belong to a cache that calls the next.
    pub fn in_path(&mut self, name: &str) -> Vec<PathBuf> {
        let candidates: Vec<PathBuf> = self.search.iter().map(|folder| folder.join(name)).collect();
        candidates.into_iter().filter(|path| self.identity(path).text != ABSENT).collect()
    }
}

fn absence(cause: &std::io::Error) -> String {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match cause.kind() {
        NotFound | NotADirectory => ABSENT.to_string(),
        _ => format!("unreadable {cause}"),
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        let kind = metadata.file_type();
        if !kind.is_file() && !kind.is_dir() {
            // A device's or a pipe's times tell of its use, not of its content.
            let text = format!("special {:x} {:x} {:o}", metadata.ino(), metadata.rdev(), metadata.mode());
            return Identity { text, newest: i64::MIN };
        }
        let text = format!(
            "{:x}.{:x}.{:x}.{}.{}.{}.{}.{:o}",
            metadata.dev(),
            metadata.ino(),
            if kind.is_file() { metadata.len() } else { 0 },
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
            metadata.mode(),
        );
        Identity { text, newest: metadata.mtime().max(metadata.ctime()) }
    }
}
