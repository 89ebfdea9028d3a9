//! Reading a list.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::List;
use crate::error::{Error, Result, show};
use crate::manifest::{Content, Entry, Kind, PATH_MAX};
use crate::newc::file_type;

/// How often `${}` may be replaced in one location. gen_init_cpio goes on for ever where a variable names
/// itself.
const EXPANSIONS_MAX: usize = 1000;
/// What begins the comment that sets times.
const MTIME: &[u8] = b"#mtime ";

impl List {
    /// Reads a list. Entries above the first `#mtime` line have the time `mtime`. `variable` gives the values
    /// that `${NAME}` in a location stands for; one it does not know is empty, as in gen_init_cpio.
    ///
    /// Errors: [`Error::List`] with the line. We are stricter than gen_init_cpio, which leaves a line out that
    /// it does not understand: a list with a fault is refused as a whole.
    pub fn parse(text: &[u8], mtime: u32, variable: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<List> {
        let mut list = List::new();
        let mut mtime = mtime;
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if line.starts_with(b"#") {
                mtime = line.strip_prefix(MTIME).and_then(seconds).unwrap_or(mtime);
                continue;
            }
            parse_line(&mut list, line, mtime, &variable).map_err(|why| {
                let why = match why {
                    Error::List { why, .. } => why,
                    other => other.to_string(),
                };
                Error::List { line: number + 1, why }
            })?;
        }
        Ok(list)
    }
}

fn seconds(digits: &[u8]) -> Option<u32> {
    str::from_utf8(digits).ok()?.trim_ascii_end().parse().ok()
}

fn wrong(why: impl Into<String>) -> Error {
    Error::List { line: 0, why: why.into() }
}

/// The words of one line behind its keyword.
struct Words<'a> {
    words: Box<dyn Iterator<Item = &'a [u8]> + 'a>,
    escaped: bool,
    usage: &'static str,
}

impl<'a> Words<'a> {
    fn word(&mut self) -> Result<&'a [u8]> {
        self.words.next().ok_or_else(|| wrong(format!("words are missing; write \"{}\"", self.usage)))
    }

    /// A name, a target or a location.
    fn text(&mut self) -> Result<Vec<u8>> {
        let word = self.word()?;
        if self.escaped { unescaped(word) } else { Ok(word.to_vec()) }
    }

    fn number(&mut self, what: &str, radix: u32) -> Result<u32> {
        let word = self.word()?;
        let digits = str::from_utf8(word).ok().filter(|text| !text.starts_with('+'));
        digits.and_then(|digits| u32::from_str_radix(digits, radix).ok()).ok_or_else(|| {
            let kind = if radix == 8 { "an octal number" } else { "a number" };
            wrong(format!("{:?} is no {what}: {kind} stands here in \"{}\"", show(word), self.usage))
        })
    }

    /// Mode, owner, group. The bits of the type may stand in the mode, as long as they are the right ones.
    fn filled(&mut self, kind: Kind, type_bits: u32, mtime: u32) -> Result<Entry> {
        let mode = self.number("mode", 8)?;
        if mode & !(type_bits | 0o7777) != 0 {
            return Err(wrong(format!("mode {mode:o} has bits above 7777: give the permission bits alone")));
        }
        let mode = mode & 0o7777;
        let (uid, gid) = (self.number("user", 10)?, self.number("group", 10)?);
        Ok(Entry { kind, mode, uid, gid, mtime, origin: None })
    }
}

/// White space as isspace(3) has it, without the newline.
fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r')
}

fn parse_line(
    list: &mut List,
    line: &[u8],
    mtime: u32,
    variable: &impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<()> {
    let mut all = line.split(is_blank).filter(|word| !word.is_empty());
    let Some(keyword) = all.next() else { return Ok(()) };
    if line.contains(&0) {
        return Err(wrong("the line holds a NUL byte; write it as text"));
    }
    let (keyword, escaped) = match keyword.strip_suffix(b"\\") {
        Some(keyword) => (keyword, true),
        None => (keyword, false),
    };
    let usage = usage(keyword)?;
    let mut words = Words { words: Box::new(all), escaped, usage };
    let name = words.text()?;
    match keyword {
        b"file" => return parse_file(list, name, words, mtime, variable),
        b"link" => {
            let target = words.text()?;
            return list.push(name, Entry::hardlink(target));
        }
        _ => {}
    }
    let entry = match keyword {
        b"dir" => words.filled(Kind::Directory, file_type::DIRECTORY, mtime)?,
        b"pipe" => words.filled(Kind::Fifo, file_type::FIFO, mtime)?,
        b"sock" => words.filled(Kind::Socket, file_type::SOCKET, mtime)?,
        b"slink" => {
            let target = words.text()?;
            words.filled(Kind::Symlink(target), file_type::SYMLINK, mtime)?
        }
        _ => parse_node(&mut words, mtime)?,
    };
    // Words behind the last are not looked at, as in gen_init_cpio: people put remarks there.
    list.push(name, entry)
}

/// What a line with this keyword holds.
fn usage(keyword: &[u8]) -> Result<&'static str> {
    Ok(match keyword {
        b"file" => "file <name> <location> <mode> <uid> <gid> [<further names>]",
        b"dir" => "dir <name> <mode> <uid> <gid>",
        b"nod" => "nod <name> <mode> <uid> <gid> <b or c> <major> <minor>",
        b"slink" => "slink <name> <target> <mode> <uid> <gid>",
        b"pipe" => "pipe <name> <mode> <uid> <gid>",
        b"sock" => "sock <name> <mode> <uid> <gid>",
        b"link" => "link <name> <other name>",
        _ => {
            return Err(wrong(format!(
                "{:?} is no kind of entry; write file, dir, nod, slink, pipe, sock or link",
                show(keyword)
            )));
        }
    })
}

fn parse_node(words: &mut Words, mtime: u32) -> Result<Entry> {
    let entry = words.filled(Kind::Fifo, file_type::BLOCK | file_type::CHARACTER, mtime)?;
    let letter = words.word()?;
    let (major, minor) = (words.number("major number", 10)?, words.number("minor number", 10)?);
    let kind = match letter {
        b"b" => Kind::BlockDevice { major, minor },
        b"c" => Kind::CharacterDevice { major, minor },
        _ => {
            let given = show(letter);
            return Err(wrong(format!(
                "{given:?} is no kind of node; write b for a block or c for a character device"
            )));
        }
    };
    Ok(Entry { kind, ..entry })
}

fn parse_file(
    list: &mut List,
    name: Vec<u8>,
    mut words: Words,
    mtime: u32,
    variable: &impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<()> {
    let mut location = words.text()?;
    if !words.escaped {
        location = expanded(location, variable)?;
    }
    if location.contains(&0) {
        return Err(wrong("the location holds a NUL byte"));
    }
    let kind = Kind::File(Content::Path(PathBuf::from(OsString::from_vec(location))));
    let entry = words.filled(kind, file_type::REGULAR, mtime)?;
    list.push(&name, entry)?;
    for link in words.words.by_ref() {
        let link = if words.escaped { unescaped(link)? } else { link.to_vec() };
        list.push(link, Entry::hardlink(name.clone()))?;
    }
    Ok(())
}

/// The location with every `${NAME}` replaced, also those that come in by a value, as gen_init_cpio does.
fn expanded(mut location: Vec<u8>, variable: &impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Vec<u8>> {
    for _ in 0..EXPANSIONS_MAX {
        let Some(start) = location.windows(2).position(|pair| pair == b"${") else { return Ok(location) };
        let name = start + 2;
        let Some(length) = location[name..].iter().position(|byte| *byte == b'}') else {
            return Ok(location);
        };
        let value = variable(&location[name..name + length]).unwrap_or_default();
        location.splice(start..=name + length, value);
        if location.len() >= PATH_MAX {
            return Err(wrong("the location has more than 4095 bytes once its variables are replaced"));
        }
    }
    Err(wrong("a variable in the location stands for itself, so it would never end"))
}

/// The bytes that `\` and three octal digits stand for.
fn unescaped(word: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.first_chunk::<3>().and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits.filter(|it| !it.starts_with('+')).and_then(|it| u8::from_str_radix(it, 8).ok());
        bytes.push(byte.ok_or_else(|| {
            wrong(format!("{:?} holds a \\ without three octal digits up to 377 behind it", show(word)))
        })?);
        rest = &rest[3..];
    }
    Ok(bytes)
}
