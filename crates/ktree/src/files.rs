//! Where the files of a tree come from.

use std::path::PathBuf;

/// The largest Makefile that is read; the largest of 6.12 has 80 kB.
const LARGEST: u64 = 4 << 20;

/// The files of a source tree.
pub trait Files {
    /// The text of the file at this path below the tree ("drivers/net/Makefile"); none where there is no such file.
    fn read(&self, path: &str) -> Option<String>;
    /// Whether there is a file or folder at this path.
    fn exists(&self, path: &str) -> bool;
}

/// A tree in a folder.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Files for Folder {
    fn read(&self, path: &str) -> Option<String> {
        let path = self.0.join(path);
        let is_sane = path.metadata().is_ok_and(|it| it.is_file() && it.len() <= LARGEST);
        let bytes = is_sane.then(|| std::fs::read(path).ok()).flatten()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn exists(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }
}
