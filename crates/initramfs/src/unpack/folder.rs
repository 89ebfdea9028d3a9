//! The folder that is unpacked into. Every path is walked from it by the kernel with symbolic links and `..`
//! forbidden, so nothing outside it can be reached, whatever stands in it and whoever changes it meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

/// Directories that are kept open: what is unpacked next mostly stands beside what was unpacked last.
const OPEN_MAX: usize = 64;
/// How often a path is walked again that somebody renamed parts of meanwhile (EAGAIN, openat2(2)).
const WALKS_MAX: u32 = 100;

pub(super) struct Folder {
    root: Rc<OwnedFd>,
    /// Whether this kernel has openat2 (Linux 5.6), as far as was seen.
    has_openat2: Cell<bool>,
    open: RefCell<HashMap<Vec<u8>, Rc<OwnedFd>>>,
}

impl Folder {
    pub(super) fn new(root: OwnedFd) -> Self {
        Folder { root: Rc::new(root), has_openat2: Cell::new(true), open: RefCell::default() }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The directory at `path`, for the calls that take one. Errors: `NOENT`; `LOOP` or `NOTDIR` if a
    /// part of it is no directory.
    pub(super) fn directory(&self, path: &[u8]) -> Result<Rc<OwnedFd>> {
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        if let Some(found) = self.open.borrow().get(path) {
            return Ok(found.clone());
        }
        let found = Rc::new(self.open_at(path, OFlags::PATH | OFlags::DIRECTORY)?);
        let mut open = self.open.borrow_mut();
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(path.to_vec(), found.clone());
        Ok(found)
    }

    /// Opens what stands at `path`; no part of it may be a symbolic link.
    pub(super) fn open_at(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if path.is_empty() {
            return rustix::fs::openat(&self.root, c".", flags, Mode::empty());
        }
        if self.has_openat2.get() {
            match self.openat2(path, flags) {
                // A sandbox may not know the call and refuse it.
                Err(Errno::NOSYS | Errno::PERM) => self.has_openat2.set(false),
                outcome => return outcome,
            }
        }
        self.open_by_steps(path, flags)
    }

    fn openat2(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for _ in 1..WALKS_MAX {
            match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                outcome => return outcome,
            }
        }
        rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    /// The same component by component, each opened without following a link.
    fn open_by_steps(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at: Option<OwnedFd> = None;
        let mut components = path.split(|byte| *byte == b'/').peekable();
        while let Some(component) = components.next() {
            if component == b".." || component.is_empty() {
                return Err(Errno::XDEV);
            }
            let flags = if components.peek().is_some() { step } else { flags };
            let from = at.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
            at = Some(rustix::fs::openat(from, component, flags, Mode::empty())?);
        }
        at.ok_or(Errno::NOENT)
    }

    /// Makes a directory that its owner can use; what stands there already is an error (`EXIST`).
    pub(super) fn make_directory(&self, parent: impl AsFd, leaf: &[u8]) -> Result<()> {
        rustix::fs::mkdirat(parent, leaf, Mode::RWXU)
    }

    /// Removes what stands there; a directory is an error (`ISDIR`).
    pub(super) fn remove_file(&self, parent: impl AsFd, leaf: &[u8]) -> Result<()> {
        rustix::fs::unlinkat(parent, leaf, AtFlags::empty())
    }

    /// Removes a directory if it is empty.
    pub(super) fn remove_directory(&self, parent: impl AsFd, leaf: &[u8]) -> Result<()> {
        // What was at its path is there no more.
        self.open.borrow_mut().clear();
        rustix::fs::unlinkat(parent, leaf, AtFlags::REMOVEDIR)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::tree::split;

    #[test]
    fn nothing_outside_is_opened_by_either_way() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        fs::create_dir_all(inner.join("a/b")).unwrap();
        fs::create_dir(outer.path().join("secret")).unwrap();
        symlink("../secret", inner.join("up")).unwrap();
        symlink("a", inner.join("within")).unwrap();
        symlink(outer.path(), inner.join("a/absolute")).unwrap();
        let folder = Folder::new(fs::File::open(&inner).unwrap().into());
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        for openat2 in [true, false] {
            for wrong in ["..", "a/../..", "up", "within", "within/b", "a/absolute", "a/absolute/secret"] {
                folder.has_openat2.set(openat2);
                assert!(folder.open_at(wrong.as_bytes(), flags).is_err(), "{wrong}, openat2 {openat2}");
            }
            for right in ["", "a", "a/b"] {
                folder.has_openat2.set(openat2);
                folder.open_at(right.as_bytes(), flags).unwrap();
            }
        }
    }

    #[test]
    fn paths_are_split_at_their_last_slash() {
        assert_eq!(split(b"a/b/c"), (&b"a/b"[..], &b"c"[..]));
        assert_eq!(split(b"c"), (&b""[..], &b"c"[..]));
    }
}
