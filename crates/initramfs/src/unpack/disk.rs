//! What unpacking does to the file system, one entry at a time.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, makedev,
};
use rustix::io::Errno;

use super::{Owners, Place, Unpacker, is_linked, mode_on_disk, refusal};
use crate::error::{Error, Result};
use crate::newc::Header;
use crate::read::{CopyError, ImageEntry};
use crate::source::Source;
use crate::tree::{Applied, NodeId, NodeKind, Outcome, plain_path, split};

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is there.
    Done,
    /// Something else was there before and was left.
    Kept,
    /// Its data is not all there, or not what its sum says.
    Damaged,
    /// It cannot be made; why.
    Refused(&'static str),
}

/// Up to so many bytes it costs less to write a file that is then not wanted than to look first.
const WRITE_LIGHTLY: u32 = 1 << 20;

const DIRECTORY_IN_THE_WAY: &str = "a directory that is not empty stands at its name";

impl Unpacker {
    /// The directory of a path, made if it is missing. None if something that is to be kept stands there.
    fn parent(&mut self, path: &[u8]) -> Result<Option<Rc<OwnedFd>>> {
        match self.folder.directory(path) {
            Ok(found) => return Ok(Some(found)),
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {}
            Err(error) => return Err(refusal(path, "open", error)),
        }
        // The first part that is missing, and all below it.
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let ends: Vec<usize> = ends.chain([path.len()]).collect();
        for end in ends {
            let part = &path[..end];
            match self.folder.directory(part) {
                Ok(_) => continue,
                Err(Errno::NOENT) => {}
                // The tree has a directory here, so this is none of ours.
                Err(Errno::LOOP | Errno::NOTDIR) if self.options.force => self.remove_path(part)?,
                Err(Errno::LOOP | Errno::NOTDIR) => return Ok(None),
                Err(error) => return Err(refusal(part, "open", error)),
            }
            let (above, leaf) = split(part);
            let above = self.folder.directory(above).map_err(|error| refusal(part, "open", error))?;
            self.folder.make_directory(&above, leaf).map_err(|error| refusal(part, "make", error))?;
            self.directories.insert(part.to_vec());
        }
        self.folder.directory(path).map(Some).map_err(|error| refusal(path, "open", error))
    }

    /// Removes what stands at an entry's place, if its directory is there.
    pub(super) fn remove(&mut self, place: &Place) -> Result<()> {
        self.remove_path(&place.on_disk)
    }

    /// A directory only goes if it is empty, and ours or anything may.
    fn remove_path(&mut self, path: &[u8]) -> Result<()> {
        let (above, leaf) = split(path);
        let ours = self.directories.remove(path) || self.options.force;
        let removed =
            self.folder.directory(above).and_then(|above| match self.folder.remove_file(&above, leaf) {
                Err(Errno::ISDIR) if ours => self.folder.remove_directory(&above, leaf),
                outcome => outcome,
            });
        match removed {
            // What others put into a directory of ours stays, and so does the directory. What stands in the
            // way of a directory was kept, and nothing went below it.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR | Errno::LOOP) => {
                Ok(())
            }
            Err(error) => Err(refusal(path, "remove", error)),
        }
    }

    pub(super) fn make_directory(&mut self, place: &Place) -> Result<Settled> {
        let path = &place.on_disk;
        let (above, leaf) = split(path);
        let Some(parent) = self.parent(above)? else { return Ok(Settled::Kept) };
        match self.folder.make_directory(&parent, leaf) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let there = rustix::fs::statat(&parent, leaf, AtFlags::SYMLINK_NOFOLLOW);
                let there = there.map_err(|error| refusal(path, "look at", error))?;
                if FileType::from_raw_mode(there.st_mode) == FileType::Directory {
                    // One that was there before keeps its owner and mode.
                    if self.options.force {
                        self.directories.insert(path.clone());
                    }
                    return Ok(Settled::Done);
                }
                if !place.replace {
                    return Ok(Settled::Kept);
                }
                self.remove_path(path)?;
                self.folder.make_directory(&parent, leaf).map_err(|error| refusal(path, "make", error))?;
            }
            Err(error) => return Err(refusal(path, "make", error)),
        }
        self.directories.insert(path.clone());
        Ok(Settled::Done)
    }

    pub(super) fn make_symlink(&mut self, place: &Place, target: &[u8], header: &Header) -> Result<Settled> {
        let target = target.split(|byte| *byte == 0).next().unwrap_or_default();
        let path = &place.on_disk;
        let (above, leaf) = split(path);
        let Some(parent) = self.parent(above)? else { return Ok(Settled::Kept) };
        match rustix::fs::symlinkat(target, &parent, leaf) {
            Ok(()) => {
                self.set_link_owner(&parent, leaf, header).map_err(|error| refusal(path, "own", error))?;
                Ok(Settled::Done)
            }
            Err(Errno::EXIST) if place.replace => {
                let temporary =
                    self.under_new_name(path, |name| rustix::fs::symlinkat(target, &parent, name))?;
                self.set_link_owner(&parent, &temporary, header)
                    .map_err(|error| refusal(path, "own", error))?;
                self.settle(place, &parent, &temporary)
            }
            Err(Errno::EXIST) => Ok(Settled::Kept),
            Err(error) => Err(refusal(path, "make", error)),
        }
    }

    /// Owner and time of a symbolic link or node itself.
    fn set_link_owner(&self, parent: impl AsFd, leaf: &[u8], header: &Header) -> rustix::io::Result<()> {
        if self.options.owners == Owners::Real {
            let (uid, gid) = owner(header);
            rustix::fs::chownat(&parent, leaf, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        rustix::fs::utimensat(parent, leaf, &times(header.mtime), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Does something with a name that is not there yet; the name.
    fn under_new_name(
        &mut self,
        path: &[u8],
        mut make: impl FnMut(&[u8]) -> rustix::io::Result<()>,
    ) -> Result<Vec<u8>> {
        loop {
            let name = self.temporary_name();
            match make(&name) {
                Ok(()) => return Ok(name),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(refusal(path, "make", error)),
            }
        }
    }

    /// Gives what is finished its name.
    fn settle(&mut self, place: &Place, parent: &OwnedFd, temporary: &[u8]) -> Result<Settled> {
        let (_, leaf) = split(&place.on_disk);
        let outcome = match self.rename(place.replace, parent, temporary, leaf) {
            // An empty directory makes room for a file, as in the kernel.
            Err(Errno::ISDIR) if place.replace => {
                self.remove_path(&place.on_disk)?;
                self.rename(true, parent, temporary, leaf)
            }
            outcome => outcome,
        };
        let settled = match outcome {
            Ok(()) => return Ok(Settled::Done),
            Err(Errno::EXIST) => Ok(Settled::Kept),
            Err(Errno::ISDIR) if self.options.force => Ok(Settled::Refused(DIRECTORY_IN_THE_WAY)),
            Err(Errno::ISDIR) => Ok(Settled::Kept),
            Err(error) => Err(refusal(&place.on_disk, "name", error)),
        };
        let _ = rustix::fs::unlinkat(parent, temporary, AtFlags::empty());
        settled
    }

    fn rename(&self, replace: bool, parent: &OwnedFd, from: &[u8], to: &[u8]) -> rustix::io::Result<()> {
        if replace {
            return rustix::fs::renameat(parent, from, parent, to);
        }
        match rustix::fs::renameat_with(parent, from, parent, to, RenameFlags::NOREPLACE) {
            // A file system that cannot do both at once.
            Err(Errno::INVAL | Errno::NOSYS) => {
                match rustix::fs::statat(parent, to, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => rustix::fs::renameat(parent, from, parent, to),
                    Err(error) => Err(error),
                    Ok(_) => Err(Errno::EXIST),
                }
            }
            outcome => outcome,
        }
    }

    pub(super) fn make_file<S: Source + Clone>(
        &mut self,
        place: &Place,
        node: NodeId,
        applied: &Applied,
        entry: &mut ImageEntry<'_, S>,
    ) -> Result<Settled> {
        let header = entry.header();
        let linked = matches!(applied.outcome, Outcome::Linked(_));
        let (above, leaf) = split(&place.on_disk);
        let Some(parent) = self.parent(above)? else { return Ok(Settled::Kept) };
        if linked && header.size == 0 {
            let settled = self.link(place, node, &parent)?;
            return Ok(self.note_link(place, node, settled));
        }
        // What is large is not written for nothing.
        let large = header.size > WRITE_LIGHTLY;
        if large && !place.replace && rustix::fs::statat(&parent, leaf, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(Settled::Kept);
        }
        let Some(temporary) = self.write(place, &parent, entry)? else { return Ok(Settled::Damaged) };
        let settled = self.settle(place, &parent, &temporary)?;
        if settled != Settled::Done {
            return Ok(settled);
        }
        if linked || matches!(applied.outcome, Outcome::Changed(_)) {
            self.share(place, node, &parent)?;
        }
        if is_linked(&header) {
            return Ok(self.note_link(place, node, settled));
        }
        Ok(settled)
    }

    fn note_link(&mut self, place: &Place, node: NodeId, settled: Settled) -> Settled {
        if settled == Settled::Done {
            let names = self.linked.entry(node).or_default();
            if !names.contains(&place.on_disk) {
                names.push(place.on_disk.clone());
            }
        }
        settled
    }

    /// Writes an entry's data under a new name beside its place; None if the data is damaged.
    fn write<S: Source + Clone>(
        &mut self,
        place: &Place,
        parent: &OwnedFd,
        entry: &mut ImageEntry<'_, S>,
    ) -> Result<Option<Vec<u8>>> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut made = None;
        let temporary = self.under_new_name(&place.on_disk, |name| {
            made = Some(rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR)?);
            Ok(())
        })?;
        let Some(made) = made else { return Ok(None) };
        let mut file = File::from(made);
        let problems = entry.summary().problems.len() as u64 + entry.summary().problems_left_out;
        let copied = entry.copy_to(&mut file);
        let summary = entry.summary();
        let sound = summary.problems.len() as u64 + summary.problems_left_out == problems;
        let outcome = match copied {
            Ok(()) if sound => match self.set_file_owner(&file, &entry.header()) {
                Ok(()) => return Ok(Some(temporary)),
                Err(error) => Err(refusal(&place.on_disk, "own", error)),
            },
            Ok(()) | Err(CopyError::Damaged) => Ok(None),
            Err(CopyError::Read(source)) => Err(Error::Image { source }),
            Err(CopyError::Write(source)) => {
                let path = crate::error::show(&place.on_disk);
                Err(Error::Unpack { path, doing: "write", source })
            }
        };
        let _ = rustix::fs::unlinkat(parent, &temporary, AtFlags::empty());
        outcome
    }

    fn set_file_owner(&self, file: impl AsFd, header: &Header) -> rustix::io::Result<()> {
        if self.options.owners == Owners::Real {
            let (uid, gid) = owner(header);
            rustix::fs::fchown(&file, uid, gid)?;
        }
        // After the owner: changing that takes set-user-ID away.
        let mode = mode_on_disk(self.options.owners, header.mode, 0o600);
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        rustix::fs::futimens(file, &times(header.mtime))
    }

    /// The paths in the folder of a file with several names, but for this one and those that were replaced.
    fn other_names(&self, place: &Place, node: NodeId) -> Vec<Vec<u8>> {
        let mut names = self.linked.get(&node).cloned().unwrap_or_default();
        // A file that says it has one name can stand where the first name of one with several stood.
        let last = self.last.get(&node).and_then(|at| self.log.get(*at)).filter(|last| last.node == node);
        if let Some(path) = last.map(|last| plain_path(&last.name)).filter(|path| !names.contains(path)) {
            names.push(path);
        }
        names.retain(|name| {
            *name != place.on_disk
                && !self.kept.contains(name)
                && (self.tree.find(name) == Some(node) || self.carriers.contains(name))
        });
        names
    }

    /// Makes one more name of a file or node that stands in the folder.
    fn link(&mut self, place: &Place, node: NodeId, parent: &OwnedFd) -> Result<Settled> {
        let (_, leaf) = split(&place.on_disk);
        for name in self.other_names(place, node) {
            let (above, first) = split(&name);
            let Ok(from) = self.folder.directory(above) else { continue };
            match rustix::fs::linkat(&from, first, parent, leaf, AtFlags::empty()) {
                Ok(()) => return Ok(Settled::Done),
                Err(Errno::EXIST) if place.replace => {
                    let link = |to: &[u8]| rustix::fs::linkat(&from, first, parent, to, AtFlags::empty());
                    let temporary = self.under_new_name(&place.on_disk, link)?;
                    let settled = self.settle(place, parent, &temporary)?;
                    // Two names of one file: rename leaves both.
                    let _ = rustix::fs::unlinkat(parent, &temporary, AtFlags::empty());
                    return Ok(settled);
                }
                Err(Errno::EXIST) => return Ok(Settled::Kept),
                // This name was replaced meanwhile: another one serves as well.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(refusal(&place.on_disk, "link", error)),
            }
        }
        Ok(Settled::Refused("it is a hard link to a file that was not unpacked"))
    }

    /// The other names of a file that has new data get it too.
    fn share(&mut self, place: &Place, node: NodeId, parent: &OwnedFd) -> Result<()> {
        let (_, leaf) = split(&place.on_disk);
        for name in self.other_names(place, node) {
            let (above, _) = split(&name);
            let Ok(to) = self.folder.directory(above) else { continue };
            let link = |temporary: &[u8]| rustix::fs::linkat(parent, leaf, &to, temporary, AtFlags::empty());
            let temporary = self.under_new_name(&name, link)?;
            let there = Place { path: name.clone(), on_disk: name, replace: true };
            self.settle(&there, &to, &temporary)?;
        }
        Ok(())
    }

    pub(super) fn make_node(
        &mut self,
        place: &Place,
        node: NodeId,
        applied: &Applied,
        header: &Header,
    ) -> Result<Settled> {
        let path = &place.on_disk;
        let (above, leaf) = split(path);
        let Some(parent) = self.parent(above)? else { return Ok(Settled::Kept) };
        if matches!(applied.outcome, Outcome::Linked(_)) {
            let settled = self.link(place, node, &parent)?;
            return Ok(self.note_link(place, node, settled));
        }
        // One that is there already keeps its numbers, as in the kernel: the tree has them.
        let (kind, major, minor) = match self.tree.node(node).kind {
            NodeKind::Character { major, minor } => (FileType::CharacterDevice, major, minor),
            NodeKind::Block { major, minor } => (FileType::BlockDevice, major, minor),
            NodeKind::Socket => (FileType::Socket, 0, 0),
            _ => (FileType::Fifo, 0, 0),
        };
        let make =
            || rustix::fs::mknodat(&parent, leaf, kind, Mode::RUSR | Mode::WUSR, makedev(major, minor));
        match make() {
            Ok(()) => {}
            Err(Errno::EXIST) if place.replace => {
                self.remove_path(path)?;
                match make() {
                    Err(Errno::EXIST) => return Ok(Settled::Refused(DIRECTORY_IN_THE_WAY)),
                    outcome => outcome.map_err(|error| refusal(path, "make", error))?,
                }
            }
            Err(Errno::EXIST) => return Ok(Settled::Kept),
            Err(error) => return Err(refusal(path, "make the node", error)),
        }
        self.set_node_owner(path, header).map_err(|error| refusal(path, "own", error))?;
        Ok(if header.link_count >= 2 { self.note_link(place, node, Settled::Done) } else { Settled::Done })
    }

    fn set_node_owner(&self, path: &[u8], header: &Header) -> rustix::io::Result<()> {
        let (above, leaf) = split(path);
        let parent = self.folder.directory(above)?;
        let (uid, gid) = owner(header);
        rustix::fs::chownat(&parent, leaf, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        // chmod has no way not to follow a link that somebody puts there meanwhile; by a descriptor it has.
        let node = self.folder.open_at(path, OFlags::PATH)?;
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&node));
        let mode = Mode::from_raw_mode(header.mode & 0o7777);
        rustix::fs::chmodat(CWD, name, mode, AtFlags::empty())?;
        rustix::fs::utimensat(&parent, leaf, &times(header.mtime), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Owner, mode and time of a directory, once everything in it is made.
    pub(super) fn finish_directory(&mut self, path: &[u8]) -> Result<()> {
        let in_tree = self.tree.find(if path.is_empty() { b"." } else { path });
        let Some(node) = in_tree.map(|node| self.tree.node(node).clone()) else { return Ok(()) };
        if !matches!(node.kind, NodeKind::Directory { .. }) {
            return Ok(());
        }
        let header = Header { mode: node.mode, uid: node.uid, gid: node.gid, ..Header::default() };
        let set = || {
            let directory = self.folder.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            if self.options.owners == Owners::Real {
                let (uid, gid) = owner(&header);
                rustix::fs::fchown(&directory, uid, gid)?;
            }
            let mode = mode_on_disk(self.options.owners, node.mode, 0o700);
            rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode))?;
            rustix::fs::futimens(directory, &times(node.mtime))
        };
        set().map_err(|error| refusal(path, "own", error))
    }
}

/// Owner and group; the largest number means "no change" to chown(2), in the kernel's unpacking too.
fn owner(header: &Header) -> (Option<Uid>, Option<Gid>) {
    let known = |id: u32| (id != u32::MAX).then_some(id);
    (known(header.uid).map(Uid::from_raw), known(header.gid).map(Gid::from_raw))
}

/// Access and change at this second.
fn times(mtime: u32) -> Timestamps {
    let time = Timespec { tv_sec: i64::from(mtime), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
