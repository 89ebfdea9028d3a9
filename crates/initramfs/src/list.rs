//! The kernel's list of what is to be in an archive (usr/gen_init_cpio.c), read and written, with what it
//! cannot say on lines of its own. `README.md` of this crate has the format for people.
//!
//! One entry a line, words between white space, `#` in the first column begins a comment:
//!
//! ```text
//! file <name> <location> <mode> <uid> <gid> [<further names>]
//! dir <name> <mode> <uid> <gid>
//! nod <name> <mode> <uid> <gid> <b or c> <major> <minor>
//! slink <name> <target> <mode> <uid> <gid>
//! pipe <name> <mode> <uid> <gid>
//! sock <name> <mode> <uid> <gid>
//! ```
//!
//! What we add, so that every archive can be said:
//!
//! - `link <name> <other name>`: one more name of the file or node at `<other name>`, at this place of the
//!   archive. gen_init_cpio has further names of files only, and only right behind the first.
//! - `#mtime <seconds>`: the entries below have this time. To gen_init_cpio it is a comment.
//! - A keyword with a `\` behind it (`file\`, `dir\`, ...): in the names, locations and targets of this
//!   line `\` and three octal digits are a byte, and `${` is nothing special. No keyword of
//!   gen_init_cpio ends so: it says "unknown file type" and leaves the line out, where it would have
//!   made another name of it.
//!
//! What both can say is written as gen_init_cpio reads it.

mod parse;

use crate::error::{Error, Result, show};
use crate::manifest::{Content, Entry, Kind, Manifest, PATH_MAX, check_values};
use crate::newc::TRAILER;

/// Largest number that `%d` of gen_init_cpio reads as it is.
const ID_MAX: u32 = i32::MAX as u32;
/// Bytes of a line with its newline that gen_init_cpio reads as one: `LINE_SIZE` is 2 * PATH_MAX + 50, and
/// fgets keeps one for the NUL.
const LINE_MAX: usize = 2 * PATH_MAX + 49;

/// Entries in the order of an archive, with their names as they stand in it. Where a
/// [`Manifest`] sorts, adds directories and refuses what the kernel would skip, a list says exactly what
/// is written: it can hold what was read from somebody else's archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    entries: Vec<(Vec<u8>, Entry)>,
}

impl List {
    /// A list with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry at the end. One leading `/` of `name` is dropped, as gen_init_cpio does; "." is the
    /// root directory. A [`Kind::Hardlink`] is one more name of the last file or node of its target's name,
    /// whichever of them comes first.
    ///
    /// Errors: a name that is empty, holds a NUL or a component `..`, is longer than the kernel takes or
    /// ends an archive; a value that does not fit the header.
    pub fn push(&mut self, name: impl AsRef<[u8]>, mut entry: Entry) -> Result<()> {
        let name = archive_name(name.as_ref())?;
        if let Kind::Hardlink(target) = &entry.kind {
            // Whatever else it says of itself is not used.
            entry = Entry { origin: entry.origin, ..Entry::hardlink(archive_name(target)?) };
        }
        check_values(&name, &entry)?;
        self.entries.push((name, entry));
        Ok(())
    }

    /// The entries with their names, in order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&[u8], &Entry)> + Clone {
        self.entries.iter().map(|(name, entry)| (name.as_slice(), entry))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The list as text for a file. Errors: content that is in memory and has no location.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut mtime = None;
        let mut at = 0;
        while let Some((name, entry)) = self.entries.get(at) {
            // A link has the time of what it names.
            if mtime != Some(entry.mtime) && !matches!(entry.kind, Kind::Hardlink(_)) {
                mtime = Some(entry.mtime);
                text.extend(format!("#mtime {}\n", entry.mtime).bytes());
            }
            let mut line = first_line(name, entry)?;
            at += 1;
            at += add_names(&mut line, name, entry, &self.entries[at..]);
            text.extend(line.text());
        }
        Ok(text)
    }
}

impl From<&Manifest> for List {
    fn from(manifest: &Manifest) -> List {
        List { entries: manifest.entries().map(|(path, entry)| (path.to_vec(), entry.clone())).collect() }
    }
}

/// A name as it stands in an archive.
fn archive_name(given: &[u8]) -> Result<Vec<u8>> {
    let bad = |why| Err(Error::Path { path: show(given), why });
    let name = given.strip_prefix(b"/").unwrap_or(given);
    if name.is_empty() {
        return bad("the name is empty (the root directory is called \".\")");
    }
    if name.contains(&0) {
        return bad("the name holds a NUL byte");
    }
    if name.len() >= PATH_MAX {
        return bad("the name has more than 4095 bytes");
    }
    if name == TRAILER {
        return bad("this name ends an archive and cannot be a file's");
    }
    if name.split(|byte| *byte == b'/').any(|component| component == b"..") {
        return bad("the name holds a component \"..\"");
    }
    Ok(name.to_vec())
}

/// A line that is being written: its words, and whether gen_init_cpio can read it.
struct Line {
    keyword: &'static str,
    words: Vec<(Vec<u8>, bool)>,
    plain: bool,
}

impl Line {
    fn new(keyword: &'static str) -> Line {
        Line { keyword, words: Vec::new(), plain: true }
    }

    /// A name or a target.
    fn text_word(&mut self, bytes: Vec<u8>) {
        self.plain &= is_plain(&bytes);
        self.words.push((bytes, true));
    }

    fn word(&mut self, word: String) {
        self.words.push((word.into_bytes(), false));
    }

    fn mode_and_owner(&mut self, entry: &Entry) {
        self.plain &= entry.uid <= ID_MAX && entry.gid <= ID_MAX;
        self.word(format!("{:04o}", entry.mode));
        self.word(entry.uid.to_string());
        self.word(entry.gid.to_string());
    }

    fn len(&self) -> usize {
        self.keyword.len() + 1 + self.words.iter().map(|(word, _)| word.len() + 1).sum::<usize>()
    }

    fn text(&self) -> Vec<u8> {
        let mut text = self.keyword.as_bytes().to_vec();
        if !self.plain {
            text.push(b'\\');
        }
        for (word, escapable) in &self.words {
            text.push(b' ');
            match *escapable && !self.plain {
                true => text.extend(escaped(word)),
                false => text.extend(word),
            }
        }
        text.push(b'\n');
        text
    }
}

/// The name as people write it in such lists.
fn rooted(name: &[u8]) -> Vec<u8> {
    [b"/", name].concat()
}

fn first_line(name: &[u8], entry: &Entry) -> Result<Line> {
    let mut line = Line::new(match &entry.kind {
        Kind::Directory => "dir",
        Kind::File(_) => "file",
        Kind::Symlink(_) => "slink",
        Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } => "nod",
        Kind::Fifo => "pipe",
        Kind::Socket => "sock",
        Kind::Hardlink(_) => "link",
    });
    line.text_word(rooted(name));
    match &entry.kind {
        Kind::File(Content::Path(from)) => {
            let from = std::os::unix::ffi::OsStrExt::as_bytes(from.as_os_str()).to_vec();
            // It would be taken for a variable.
            line.plain &= !from.windows(2).any(|pair| pair == b"${");
            line.text_word(from);
        }
        Kind::File(Content::Bytes(_)) => {
            let why = "its content is in memory; a list names files: write it to one first".into();
            return Err(Error::Value { path: show(name), why });
        }
        Kind::Symlink(target) => line.text_word(target.clone()),
        Kind::Hardlink(target) => {
            line.text_word(rooted(target));
            return Ok(line);
        }
        _ => {}
    }
    line.mode_and_owner(entry);
    if let Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } = &entry.kind {
        let block = matches!(entry.kind, Kind::BlockDevice { .. });
        line.word(if block { "b" } else { "c" }.to_string());
        line.word(major.to_string());
        line.word(minor.to_string());
    }
    Ok(line)
}

/// Puts the names of a file that follow it onto its line, as long as gen_init_cpio can read that; says how
/// many.
fn add_names(line: &mut Line, name: &[u8], entry: &Entry, following: &[(Vec<u8>, Entry)]) -> usize {
    if !line.plain || !matches!(entry.kind, Kind::File(_)) {
        return 0;
    }
    let links = following.iter().take_while(|(link, other)| {
        let ours = matches!(&other.kind, Kind::Hardlink(target) if target == name);
        let fits = is_plain(link) && line.len() + 2 + link.len() <= LINE_MAX;
        if ours && fits {
            line.text_word(rooted(link));
        }
        ours && fits
    });
    links.count()
}

/// Whether gen_init_cpio reads these bytes as one word and a person can: UTF-8 without blanks and controls.
fn is_plain(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && str::from_utf8(bytes)
            .is_ok_and(|text| !text.contains(|c: char| c.is_whitespace() || c.is_control()))
}

/// The bytes with everything but printing ASCII as `\` and three octal digits.
fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => text.extend(b"\\134"),
            b'!'..=b'~' => text.push(*byte),
            _ => text.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    text
}

#[cfg(test)]
mod tests;
