//! What a tree is made of, and what becomes of an entry.

use std::collections::BTreeMap;

use crate::newc::{Header, file_type};

/// A file, directory, link or node of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(super) u32);

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Directory {
        /// The directory it is in; the root is in itself.
        parent: NodeId,
        /// What it holds.
        names: BTreeMap<Box<[u8]>, Name>,
    },
    /// A regular file.
    File {
        /// Its size in bytes.
        size: u32,
        /// The number of the entry whose data it holds.
        content: u64,
    },
    /// A symbolic link to this target.
    Symlink(Box<[u8]>),
    /// A character device.
    Character {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// What it leads to.
    pub node: NodeId,
    /// The number of the entry that made the name, or last changed what it leads to by this name. None for
    /// a directory that no entry made.
    pub entry: Option<u64>,
}

/// A node with what all kinds have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Permission bits.
    pub mode: u32,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Time of last change, seconds since 1970; the kernel sets it with INITRAMFS_PRESERVE_MTIME only.
    pub mtime: u32,
    /// How many names lead to it.
    pub link_count: u32,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What it did.
    pub outcome: Outcome,
    /// The number of the entry whose name it took over, or whose node it changed.
    pub replaced: Option<u64>,
    /// Whether something stood at its name.
    pub existed: bool,
}

/// What an entry did to a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It made this node.
    Made(NodeId),
    /// It changed this node, which had its name already.
    Changed(NodeId),
    /// It made one more name of this node; a file has its data now if it brought some.
    Linked(NodeId),
    /// Nothing: the kernel leaves it out, without a word.
    Dropped(Dropped),
}

/// Why an entry is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Its directory is not there (yet).
    NoDirectory,
    /// What should be its directory is something else.
    NotADirectory,
    /// Its name goes round in symbolic links.
    SymlinkLoop,
    /// A part of its name is longer than NAME_MAX.
    NameTooLong,
    /// It has no name.
    NoName,
    /// A directory that is not empty, or the root, stands at its name.
    DirectoryInTheWay,
    /// It is another name of a file whose first name is gone.
    LinkGone,
    /// It has data and is neither a file nor a symbolic link.
    UnexpectedData,
    /// Its target is empty or too long.
    Target,
    /// Its mode is no kind of file.
    UnknownType,
    /// [`Rules::Strict`](crate::Rules::Strict): its name goes through a symbolic link.
    ThroughSymlink,
    /// [`Rules::Strict`](crate::Rules::Strict): its name holds `..`.
    Climbs,
}

impl Dropped {
    /// Why, as the end of a sentence about the entry.
    pub fn why(self) -> &'static str {
        match self {
            Dropped::NoDirectory => "its directory does not come before it",
            Dropped::NotADirectory => "what should be its directory is something else",
            Dropped::SymlinkLoop => "its name goes round in symbolic links",
            Dropped::NameTooLong => "a part of its name has more than 255 bytes",
            Dropped::NoName => "it has no name",
            Dropped::DirectoryInTheWay => "a directory that is not empty stands at its name",
            Dropped::LinkGone => "it is a hard link to a file that was replaced",
            Dropped::UnexpectedData => "it has data and is no regular file",
            Dropped::Target => "its target is empty or too long",
            Dropped::UnknownType => "its mode is no kind of file",
            Dropped::ThroughSymlink => "its name goes through a symbolic link",
            Dropped::Climbs => "its name holds a component \"..\"",
        }
    }
}

impl NodeKind {
    /// The type bits of a mode that stand for it.
    pub fn file_type(&self) -> u32 {
        match self {
            NodeKind::Directory { .. } => file_type::DIRECTORY,
            NodeKind::File { .. } => file_type::REGULAR,
            NodeKind::Symlink(_) => file_type::SYMLINK,
            NodeKind::Character { .. } => file_type::CHARACTER,
            NodeKind::Block { .. } => file_type::BLOCK,
            NodeKind::Fifo => file_type::FIFO,
            NodeKind::Socket => file_type::SOCKET,
        }
    }

    /// What an entry that is no symbolic link makes in `parent`.
    pub(super) fn of(header: &Header, number: u64, parent: NodeId) -> NodeKind {
        let (major, minor) = (header.node_major, header.node_minor);
        match header.file_type() {
            file_type::DIRECTORY => NodeKind::Directory { parent, names: BTreeMap::new() },
            file_type::CHARACTER => NodeKind::Character { major, minor },
            file_type::BLOCK => NodeKind::Block { major, minor },
            file_type::FIFO => NodeKind::Fifo,
            file_type::SOCKET => NodeKind::Socket,
            _ => NodeKind::File { size: header.size, content: number },
        }
    }
}
