//! What is written, entry by entry: inode numbers given out, hard links resolved, before a byte is.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{Error, Result, show};
use crate::manifest::{Content, Entry, Kind};
use crate::newc::{Header, file_type};

/// Where an entry's data comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Data<'a> {
    /// There is none.
    Nothing,
    /// These bytes.
    Bytes(&'a [u8]),
    /// A file of this machine, all of it; its size goes into the header when it is opened.
    File(&'a Path),
}

/// One entry as it goes out. The name's size, and the data's of a file, are filled in by the writer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned<'a> {
    pub name: &'a [u8],
    pub header: Header,
    pub data: Data<'a>,
}

/// Plans the entries in their order. Inode numbers are 1, 2, 3 in that order, one for all names of a file;
/// its data stands at the last name, as GNU cpio has it: readers that look at one entry after the other then
/// know that an empty first name is not an empty file.
///
/// Errors: a hard link that leads nowhere, to itself or to what has one name only.
pub(crate) fn plan<'a>(
    entries: impl Iterator<Item = (&'a [u8], &'a Entry)> + Clone,
) -> Result<Vec<Planned<'a>>> {
    let mut groups = Groups::of(entries.clone())?;
    let mut inode = 0;
    let planned = entries.map(|(name, entry)| {
        let Some(group) = groups.of_entry(name, entry) else {
            inode += 1;
            return alone(name, entry, inode);
        };
        let number = *group.inode.get_or_insert_with(|| {
            inode += 1;
            inode
        });
        group.left -= 1;
        let whole = alone(name, group.entry, number);
        let header = Header { link_count: group.names, ..whole.header };
        let data = if group.left == 0 { whole.data } else { Data::Nothing };
        Planned { header, data, ..whole }
    });
    Ok(planned.collect())
}

/// A file or node that has several names.
struct Group<'a> {
    entry: &'a Entry,
    names: u32,
    left: u32,
    inode: Option<u32>,
}

/// The groups by the name that the links give.
struct Groups<'a>(HashMap<&'a [u8], Group<'a>>);

impl<'a> Groups<'a> {
    fn of(entries: impl Iterator<Item = (&'a [u8], &'a Entry)> + Clone) -> Result<Self> {
        let mut names: HashMap<&[u8], (u32, &[u8])> = HashMap::new();
        for (name, entry) in entries.clone() {
            if let Kind::Hardlink(target) = &entry.kind {
                names.entry(target.as_slice()).or_insert((1, name)).0 += 1;
            }
        }
        let mut groups = HashMap::new();
        if names.is_empty() {
            return Ok(Groups(groups));
        }
        for (name, entry) in entries {
            if let (Some((count, _)), false) = (names.get(name), matches!(entry.kind, Kind::Hardlink(_))) {
                groups.insert(name, Group { entry, names: *count, left: *count, inode: None });
            }
        }
        for (target, (_, path)) in names {
            let why = match groups.get(target).map(|group| &group.entry.kind) {
                Some(Kind::Directory) => "which is a directory",
                Some(Kind::Symlink(_)) => "which is a symbolic link: the kernel makes a link of each entry",
                Some(_) => continue,
                None => "which is not there, or a hard link itself",
            };
            return Err(Error::Hardlink { path: show(path), target: show(target), why });
        }
        Ok(Groups(groups))
    }

    fn of_entry(&mut self, name: &[u8], entry: &Entry) -> Option<&mut Group<'a>> {
        if self.0.is_empty() {
            return None;
        }
        match &entry.kind {
            Kind::Hardlink(target) => self.0.get_mut(target.as_slice()),
            _ => self.0.get_mut(name).filter(|group| std::ptr::eq(group.entry, entry)),
        }
    }
}

/// The entry as if it had one name.
fn alone<'a>(name: &'a [u8], entry: &'a Entry, inode: u32) -> Planned<'a> {
    let Entry { mode, uid, gid, mtime, .. } = *entry;
    let (kind, link_count, node, data) = match &entry.kind {
        // 2, as usr/gen_init_cpio.c writes it: nothing reads a directory's count, and the real one would
        // change with every segment appended.
        Kind::Directory => (file_type::DIRECTORY, 2, (0, 0), Data::Nothing),
        Kind::File(Content::Bytes(bytes)) => (file_type::REGULAR, 1, (0, 0), Data::Bytes(bytes)),
        Kind::File(Content::Path(from)) => (file_type::REGULAR, 1, (0, 0), Data::File(from)),
        Kind::Symlink(target) => (file_type::SYMLINK, 1, (0, 0), Data::Bytes(target)),
        Kind::CharacterDevice { major, minor } => (file_type::CHARACTER, 1, (*major, *minor), Data::Nothing),
        Kind::BlockDevice { major, minor } => (file_type::BLOCK, 1, (*major, *minor), Data::Nothing),
        Kind::Fifo => (file_type::FIFO, 1, (0, 0), Data::Nothing),
        Kind::Socket => (file_type::SOCKET, 1, (0, 0), Data::Nothing),
        Kind::Hardlink(_) => unreachable!("a link is written with the entry it names"),
    };
    let header = Header {
        inode,
        mode: kind | mode,
        uid,
        gid,
        link_count,
        mtime,
        node_major: node.0,
        node_minor: node.1,
        ..Header::default()
    };
    Planned { name, header, data }
}
