//! Reading Kconfig files ahead of the parser: a thread follows the `source` lines, so that the 1,700 files of a kernel are in
//! memory when they are asked for.
//!
//! A file is handed out only if it is still the one that was read: the same inode, size and times.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::read_file;
use super::variables::Environment;

/// How deep `source` may nest; a file that sources itself comes to this end.
const DEPTH_LIMIT: usize = 32;
/// More files than any tree has.
const COUNT_LIMIT: usize = 20_000;

/// What is known of a file, to see whether it has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Stamp {
        Stamp {
            inode: (file.dev(), file.ino()),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// What was read and not handed out yet; `None` once it is.
type Files = HashMap<PathBuf, Option<(Stamp, Vec<u8>)>>;

/// Files read so far, and the thread that reads more.
pub(super) struct Ahead {
    /// Where names of `source` lines start from.
    tree: PathBuf,
    environment: Arc<Environment>,
    files: Arc<Mutex<Files>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Nothing is read yet. What files source is looked for in `tree`.
    pub fn new(tree: PathBuf, environment: Arc<Environment>) -> Ahead {
        let (files, stop, thread) = Default::default();
        Ahead { tree, environment, files, stop, thread }
    }

    /// The content of the Kconfig file at `path`; the first one sets the thread off.
    pub fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let known = lock(&self.files).insert(path.to_path_buf(), None).flatten();
        if let Some((stamp, content)) = known
            && stamp == Stamp::of(&path.metadata()?)
        {
            return Ok(content);
        }
        let content = read_file(path)?;
        if self.thread.is_none() {
            let reader = Reader {
                files: Arc::clone(&self.files),
                stop: Arc::clone(&self.stop),
                tree: self.tree.clone(),
                environment: Arc::clone(&self.environment),
            };
            let first = sourced_in(&content);
            // Without a thread the files are read as they are asked for.
            self.thread = std::thread::Builder::new().spawn(move || reader.follow(&first, &mut 0, 0)).ok();
        }
        Ok(content)
    }
}

fn lock(files: &Mutex<Files>) -> MutexGuard<'_, Files> {
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Reader {
    files: Arc<Mutex<Files>>,
    stop: Arc<AtomicBool>,
    tree: PathBuf,
    environment: Arc<Environment>,
}

impl Reader {
    /// Reads the files of these names and what they source, in the order in which a parser comes to them.
    fn follow(&self, names: &[String], count: &mut usize, depth: usize) {
        for name in names {
            *count += 1;
            if self.stop.load(Ordering::Relaxed) || *count > COUNT_LIMIT || depth > DEPTH_LIMIT {
                return;
            }
            if let Some(names) = self.expanded(name).and_then(|name| self.fetch(&name)) {
                self.follow(&names, count, depth + 1);
            }
        }
    }

    /// Reads a file; what it sources. Nothing but plain files: on a pipe this thread would wait for ever.
    fn fetch(&self, name: &str) -> Option<Vec<String>> {
        let path = self.tree.join(name);
        let metadata = path.metadata().ok().filter(Metadata::is_file)?;
        let content = read_file(&path).ok()?;
        let names = sourced_in(&content);
        // What the parser has had by now it does not want again.
        lock(&self.files).entry(path).or_insert_with(|| Some((Stamp::of(&metadata), content)));
        Some(names)
    }

    /// A name with the variables of the environment in it; `None` where a macro stands in it.
    fn expanded(&self, name: &str) -> Option<String> {
        let mut text = String::new();
        let mut rest = name;
        while let Some((before, after)) = rest.split_once("$(") {
            let (variable, after) = after.split_once(')')?;
            text.push_str(before);
            text.push_str(&self.environment.text(variable)?);
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }
}

/// What stands between the quotes of the lines `source "NAME"`.
fn sourced_in(content: &[u8]) -> Vec<String> {
    let name = |line: &[u8]| {
        let word = line.trim_ascii_start().strip_prefix(b"source")?.trim_ascii().strip_prefix(b"\"")?;
        Some(std::str::from_utf8(word.split(|byte| *byte == b'"').next()?).ok()?.to_string())
    };
    content.split(|byte| *byte == b'\n').filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::create_dir_all(tree.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(tree.path().join(name), text).unwrap();
        }
        tree
    }

    fn ahead_in(tree: &Path) -> Ahead {
        Ahead::new(tree.to_path_buf(), Arc::new([("SRCARCH", "x86")].into_iter().collect()))
    }

    #[test]
    fn what_is_sourced_is_read_ahead() {
        let tree = tree(&[
            (
                "Kconfig",
                "source \"arch/$(SRCARCH)/Kconfig\"\nsource \"gone\"\nsource \"$(shell,x)\"\nsource\n",
            ),
            ("arch/x86/Kconfig", "\tsource \"Kconfig\"\nconfig A\n"),
        ]);
        let mut ahead = ahead_in(tree.path());
        ahead.read(&tree.path().join("Kconfig")).unwrap();
        ahead.thread.take().unwrap().join().unwrap();
        let mut known: Vec<PathBuf> = ahead.files.lock().unwrap().keys().cloned().collect();
        known.sort();
        assert_eq!(known, [tree.path().join("Kconfig"), tree.path().join("arch/x86/Kconfig")]);
    }

    #[test]
    fn a_file_that_changed_is_read_again() {
        let tree = tree(&[("Kconfig", "config A\n")]);
        let path = tree.path().join("Kconfig");
        let mut ahead = ahead_in(tree.path());
        assert_eq!(ahead.read(&path).unwrap(), b"config A\n");
        std::fs::write(tree.path().join("new"), "config B\n").unwrap();
        std::fs::rename(tree.path().join("new"), &path).unwrap();
        assert_eq!(ahead.read(&path).unwrap(), b"config B\n");
        std::fs::remove_file(&path).unwrap();
        assert!(ahead.read(&path).is_err());
    }
}
