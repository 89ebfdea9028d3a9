//! Unpacking some names of an image.

use std::collections::HashSet;
use std::io;

use super::glob::Pattern;
use super::is_linked;
use crate::newc::Header;
use crate::read::ImageReader;
use crate::source::Source;
use crate::tree::plain_path;

/// Which names to unpack. The data of a file with several names may stand at one that was not asked for, so
/// an image is looked through first.
#[derive(Clone, Debug)]
pub struct Only {
    pattern: Pattern,
    /// Files that have a name that was asked for: link scope, device and inode.
    files: HashSet<(u64, u32, u32, u32)>,
    /// How many entries have such a name.
    matches: u64,
}

impl Only {
    /// Looks through the image for names that `pattern` fits. Errors: what the source says.
    pub fn scan<S: Source + Clone>(pattern: Pattern, source: S) -> io::Result<Only> {
        let mut only = Only { pattern, files: HashSet::new(), matches: 0 };
        let mut reader = ImageReader::new(source)?;
        while let Some(entry) = reader.next_entry()? {
            if only.names(&plain_path(entry.name())) {
                only.matches += 1;
                if is_linked(&entry.header()) {
                    only.files.insert(key(&entry.header(), entry.link_scope()));
                }
            }
        }
        Ok(only)
    }

    /// How many entries of the image have such a name.
    pub fn matches(&self) -> u64 {
        self.matches
    }

    /// Whether this path was asked for.
    pub(super) fn names(&self, path: &[u8]) -> bool {
        self.pattern.matches(path)
    }

    /// Whether this is a name of a file of which another name was asked for.
    pub(super) fn needs_data_of(&self, header: &Header, link_scope: u64) -> bool {
        is_linked(header) && self.files.contains(&key(header, link_scope))
    }
}

fn key(header: &Header, link_scope: u64) -> (u64, u32, u32, u32) {
    (link_scope, header.device_major, header.device_minor, header.inode)
}
