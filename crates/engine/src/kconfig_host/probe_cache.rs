//! Answers of earlier runs, in one file.
//!
//! One line per answer: `SUM<tab>KEY<tab>OUTPUT<tab>COMMAND`, the last two as JSON strings, SUM over what follows it. Lines are only
//! ever appended, each batch by one write(2) that begins with a newline, so that a line torn by a kill spoils itself alone. A
//! line that does not match its sum is passed over. Whatever goes wrong here only costs the time to ask again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use store::Sha256;

/// The file's name; another number is another format, or another idea of what a key is made of.
const FILE: &str = "probes-1";
/// Past this size the older half goes.
const SIZE_LIMIT: usize = 8 << 20;
const SUM_DIGITS: usize = 16;
const KEY_DIGITS: usize = 32;

/// A hash of everything an answer depends on.
pub(super) type Key = [u8; KEY_DIGITS];

/// The key made of `parts`. No part may hold a NUL.
pub(super) fn key_of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Key {
    let mut text = String::new();
    for part in parts {
        text.push_str(part);
        text.push('\0');
    }
    let digits = Sha256::of(text.as_bytes()).short(KEY_DIGITS);
    let mut key = [0; KEY_DIGITS];
    key.copy_from_slice(digits.as_bytes());
    key
}

/// The file, read once.
#[derive(Debug)]
pub(super) struct ProbeCache {
    path: PathBuf,
    text: Vec<u8>,
    lines: HashMap<Key, Range<usize>>,
}

impl ProbeCache {
    /// A cache that knows nothing.
    pub fn none() -> ProbeCache {
        ProbeCache { path: PathBuf::new(), text: Vec::new(), lines: HashMap::new() }
    }

    /// The cache in `folder`, which need not exist yet.
    pub fn open(folder: &Path) -> ProbeCache {
        let path = folder.join(FILE);
        let mut text = read(&path).unwrap_or_default();
        if text.len() > SIZE_LIMIT {
            text = keep_newer_half(&path, &text);
        }
        let mut lines = HashMap::new();
        let mut start = 0;
        for line in text.split(|byte| *byte == b'\n') {
            if let Some(key) = key_in(line) {
                lines.insert(key, start..start + line.len());
            }
            start += line.len() + 1;
        }
        ProbeCache { path, text, lines }
    }

    /// The answer under `key`.
    pub fn get(&self, key: &Key) -> Option<String> {
        let line = std::str::from_utf8(self.text.get(self.lines.get(key)?.clone())?).ok()?;
        let (sum, rest) = line.split_once('\t')?;
        if Sha256::of(rest.as_bytes()).short(SUM_DIGITS) != sum {
            return None;
        }
        serde_json::from_str(rest.split('\t').nth(1)?).ok()
    }

    /// Adds answers (key, output, command) to the file.
    pub fn add<'a>(&self, answers: impl IntoIterator<Item = (&'a Key, &'a str, &'a str)>) {
        let mut text = String::from("\n");
        for (key, output, command) in answers {
            let (Ok(key), Ok(output), Ok(command)) =
                (std::str::from_utf8(key), serde_json::to_string(output), serde_json::to_string(command))
            else {
                continue;
            };
            let rest = format!("{key}\t{output}\t{command}");
            text.push_str(&Sha256::of(rest.as_bytes()).short(SUM_DIGITS));
            text.push('\t');
            text.push_str(&rest);
            text.push('\n');
        }
        if text.len() > 1 {
            // Without the file everything is asked anew: slower, never wrong.
            let _ = append(&self.path, text.as_bytes());
        }
    }
}

fn key_in(line: &[u8]) -> Option<Key> {
    let after_sum = line.get(SUM_DIGITS..)?.strip_prefix(b"\t")?;
    let key: Key = after_sum.get(..KEY_DIGITS)?.try_into().ok()?;
    (after_sum.get(KEY_DIGITS) == Some(&b'\t')).then_some(key)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = File::open(path)?;
    // A pipe in the file's place would never end.
    if file.metadata()?.is_file() {
        file.take(4 * SIZE_LIMIT as u64).read_to_end(&mut text)?;
    }
    Ok(text)
}

fn append(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::options().create(true).append(true).open(path)?.write_all(text)
}

/// Writes the newer half beside the file and renames it over; what another run appends meanwhile may be lost.
fn keep_newer_half(path: &Path, text: &[u8]) -> Vec<u8> {
    let middle = text.len().saturating_sub(SIZE_LIMIT / 2);
    let start =
        text[middle..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| middle + at + 1);
    let kept = text[start..].to_vec();
    // Only a cache: unwritten, it stays as long as it was.
    let _ = base::write_whole(path, &kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_and_the_last_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("not/there/yet");
        let (one, two) = (key_of(["1"]), key_of(["2"]));
        let cache = ProbeCache::open(&place);
        assert_eq!(cache.get(&one), None);
        cache.add([(&one, "a\tb\n\"ü\"", "echo"), (&two, "", "true")]);
        ProbeCache::open(&place).add([(&two, "later", "true")]);
        let cache = ProbeCache::open(&place);
        assert_eq!(cache.get(&one).as_deref(), Some("a\tb\n\"ü\""));
        assert_eq!(cache.get(&two).as_deref(), Some("later"));
        assert_ne!(key_of(["ab", "c"]), key_of(["a", "bc"]));
    }

    /// Cut anywhere, with any byte changed, or garbage in between: an answer is the right one or none.
    #[test]
    fn a_damaged_file_gives_no_wrong_answer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let keys: Vec<Key> = (0..5).map(|number| key_of([number.to_string().as_str()])).collect();
        let cache = ProbeCache::open(folder.path());
        for (number, key) in keys.iter().enumerate() {
            cache.add([(key, format!("answer {number}").as_str(), "command")]);
        }
        let whole = fs::read(&file).unwrap();
        let check = |text: &[u8], at_least: usize| {
            fs::write(&file, text).unwrap();
            let cache = ProbeCache::open(folder.path());
            let mut right = 0;
            for (number, key) in keys.iter().enumerate() {
                if let Some(answer) = cache.get(key) {
                    assert_eq!(answer, format!("answer {number}"));
                    right += 1;
                }
            }
            assert!(right >= at_least, "{right} of at least {at_least}");
        };
        check(&whole, 5);
        for at in 0..whole.len() {
            check(&whole[..at], 0);
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            check(&changed, 3);
            // A torn line, then another run's.
            check(&[&whole[..at], &whole[..]].concat(), 5);
        }
    }

    #[test]
    fn a_file_that_has_grown_too_large_keeps_its_newer_half() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ProbeCache::open(folder.path());
        let (old, new) = (key_of(["old"]), key_of(["new"]));
        let long = "x".repeat(SIZE_LIMIT / 2);
        cache.add([(&old, "old", "")]);
        cache.add([(&key_of(["a"]), long.as_str(), ""), (&key_of(["b"]), long.as_str(), "")]);
        cache.add([(&new, "new", "")]);
        let cache = ProbeCache::open(folder.path());
        assert_eq!((cache.get(&old), cache.get(&new).as_deref()), (None, Some("new")));
        assert!(fs::metadata(folder.path().join(FILE)).unwrap().len() < SIZE_LIMIT as u64);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let cache = ProbeCache::open(&folder.path().join("file"));
        cache.add([(&key_of(["1"]), "1", "")]);
        assert_eq!(cache.get(&key_of(["1"])), None);
    }
}
