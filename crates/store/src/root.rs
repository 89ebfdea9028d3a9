//! The store's place on the disk and what stands where in it.
//!
//! ```text
//! version                          "1"; another number is another layout
//! sources/<sha256>/<file>          a fetched file; `about` beside it says where it came from
//! artifacts/<name>-<key>/          tree/ (what was built), inputs (the key's parts), digest (of the tree);
//!                                  note-*, spare-*: beside its content, and gone when it goes
//! workspaces/<name>/               tree/ (object files, reused), in-use (while somebody works in it)
//! caches/<name>/                    a tool's own cache (ccache), which looks after its content itself
//! partial/<id>/                    a download that broke off: data, validator
//! locks/                           one file per entry above, locked while it is made or used
//! scratch/<pid>-<random>/          a running allno's
//! projects/<id>/                   folder (whose it is), artifact/, source/, workspace/: what it used last
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Context, Error, Result};

use crate::locks::{Lock, Mode};
use crate::scratch::{self, Scratch};

/// The layout this code reads and writes.
const LAYOUT: &str = "1\n";
/// Marks a folder that backups may leave out (bford.info/cachedir).
const CACHE_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
                         # Made by allno; everything here can be fetched or built again.\n";
/// The store's own folders.
const FOLDERS: [&str; 8] =
    ["sources", "artifacts", "workspaces", "caches", "partial", "locks", "scratch", "projects"];
/// Longest name of an artifact or a workspace: with key and suffixes it stays under NAME_MAX (255).
const NAME_LIMIT: usize = 120;

/// Where the store is: `$ALLNO_STORE`, else `$XDG_CACHE_HOME/allno`, else `~/.cache/allno`.
///
/// # Errors
/// [`base::Kind::Input`] when none of these variables says so.
pub fn default_root() -> Result<PathBuf> {
    root_from(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn root_from(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    // A relative XDG_CACHE_HOME is to be ignored (XDG Base Directory Specification, "Basics").
    let cache = || variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let home = || variable("HOME").map(|home| home.join(".cache"));
    variable("ALLNO_STORE").or_else(|| cache().or_else(home).map(|cache| cache.join("allno"))).ok_or_else(
        || {
            Error::input("there is no place for the store")
                .note("neither ALLNO_STORE, XDG_CACHE_HOME nor HOME is set")
                .hint("export ALLNO_STORE=/a/folder/with/space")
        },
    )
}

/// A store, open. Clones share it; it may be used from several threads and by several processes at once.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    scratch: Scratch,
}

impl Store {
    /// Opens the store at `root`, making it when it is not there, and removes what killed runs left.
    ///
    /// # Errors
    /// The folder cannot be made or written ([`base::Kind::Host`]), or holds a store of another layout.
    pub fn open(root: impl AsRef<Path>) -> Result<Store> {
        let root = root.as_ref();
        let unusable = |error: Error| {
            let message = format!("the store at {} cannot be used", root.display());
            let mut host = Error::host(message).note(error.message());
            for note in error.notes() {
                host = host.note(note);
            }
            host.hint("put the store elsewhere: export ALLNO_STORE=/a/folder/with/space")
        };
        let made = FOLDERS.iter().try_for_each(|folder| fs::create_dir_all(root.join(folder)));
        made.and_then(|()| root.canonicalize())
            .context(|| format!("cannot make {}", root.display()))
            .and_then(|root| {
                scratch::sweep(&root.join("scratch"))?;
                let scratch = Scratch::make(&root.join("scratch"))?;
                check_layout(&root, &scratch)?;
                Ok(Store(Arc::new(Inner { root, scratch })))
            })
            .map_err(unusable)
    }

    /// The store's folder, absolute.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    pub(crate) fn scratch(&self) -> &Scratch {
        &self.0.scratch
    }

    pub(crate) fn sources(&self) -> PathBuf {
        self.root().join("sources")
    }

    pub(crate) fn artifacts(&self) -> PathBuf {
        self.root().join("artifacts")
    }

    pub(crate) fn workspaces(&self) -> PathBuf {
        self.root().join("workspaces")
    }

    pub(crate) fn caches(&self) -> PathBuf {
        self.root().join("caches")
    }

    pub(crate) fn projects(&self) -> PathBuf {
        self.root().join("projects")
    }

    /// The lock file of one entry; `kind` is the singular of its folder's name.
    pub(crate) fn lock_path(&self, kind: &str, entry: &str) -> PathBuf {
        self.root().join("locks").join(format!("{kind}-{entry}"))
    }

    /// The lock on one entry if nobody holds it in the way.
    pub(crate) fn try_lock(&self, kind: &str, entry: &str, mode: Mode) -> Result<Option<Lock>> {
        Lock::take_now(&self.lock_path(kind, entry), mode)
    }
}

/// Reads or writes the file `version`.
fn check_layout(root: &Path, scratch: &Scratch) -> Result<()> {
    let path = root.join("version");
    match fs::read_to_string(&path) {
        Ok(text) if text == LAYOUT => Ok(()),
        Ok(text) => Err(Error::host("it was made by another version of allno")
            .note(format!("its layout is {:?}, this allno knows {:?}", text.trim(), LAYOUT.trim()))
            .note(format!("everything in it can be made again: rm -r {}", root.display()))),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            scratch.write(&root.join("CACHEDIR.TAG"), CACHE_TAG.as_bytes())?;
            scratch.write(&path, LAYOUT.as_bytes())
        }
        Err(cause) => Err(cause).context(|| format!("cannot read {}", path.display())),
    }
}

/// Refuses a name that would not be one plain file name.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+~".contains(&byte);
    if !name.is_empty() && name.len() <= NAME_LIMIT && !name.starts_with('.') && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(Error::input(format!("{name:?} cannot be a name in the store"))
            .note(format!("a name is 1 to {NAME_LIMIT} letters, digits and -_.+~, not beginning with a dot")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_follows_the_environment() {
        let root = |set: &[(&str, &str)]| {
            root_from(|name| set.iter().find(|(each, _)| *each == name).map(|(_, value)| value.into()))
        };
        assert_eq!(root(&[("ALLNO_STORE", "/s"), ("HOME", "/h")]).unwrap(), Path::new("/s"));
        assert_eq!(root(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]).unwrap(), Path::new("/x/allno"));
        assert_eq!(
            root(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")]).unwrap(),
            Path::new("/h/.cache/allno")
        );
        assert_eq!(root(&[]).unwrap_err().kind(), base::Kind::Input);
    }

    #[test]
    fn a_store_of_another_layout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        drop(Store::open(folder.path()).unwrap());
        fs::write(folder.path().join("version"), "2\n").unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert_eq!(error.kind(), base::Kind::Host);
        assert!(error.to_string().contains("another version of allno"), "{error}");
    }

    #[test]
    fn a_place_that_cannot_be_a_folder_is_the_hosts_lack() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error = Store::open(folder.path().join("file/store")).unwrap_err();
        assert_eq!(error.kind(), base::Kind::Host);
    }

    #[test]
    fn names_are_plain() {
        for name in ["kernel-6.12", "a", "linux+fix~1"] {
            check_name(name).unwrap();
        }
        for name in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(121)] {
            assert_eq!(check_name(name).unwrap_err().kind(), base::Kind::Input, "{name:?}");
        }
    }
}
