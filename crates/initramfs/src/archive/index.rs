//! What an archive's tree holds, kept so that one name is found without reading the archive: a few reads by
//! position, however many names there are.
//!
//! | bytes | what |
//! |---|---|
//! | 64 | magic, then 64-bit little-endian numbers: size of the archive, its time (seconds, nanoseconds), hash of its last bytes, number of records, bytes of names, bytes of changes |
//! | 80 each | records, sorted by name |
//! | | names, each with a symbolic link's target behind it |
//! | | changes since, each a record and its name; a later one counts |

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::decompress::Form;
use crate::newc::{Header, file_type};

const MAGIC: u64 = u64::from_le_bytes(*b"allnoIX1");
const HEADER_SIZE: u64 = 64;
const RECORD_SIZE: usize = 80;
/// Bytes at the archive's end that tell whether it is still the one the index is of.
const TAIL_SIZE: u64 = 4096;
/// More bytes of changes than this are not kept: the index is made anew.
const CHANGES_MAX: u64 = 1 << 20;

/// As many archives are kept in mind.
const KEPT_MAX: usize = 64;

/// What stands at a name of the tree that an archive unpacks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Mode with the type, owner, time, node numbers and size; the link count is how many names it has.
    pub header: Header,
    /// A symbolic link's target.
    pub target: Vec<u8>,
    /// Where a file's content stands.
    pub(crate) place: Place,
}

/// Where an entry stands in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The byte at which its segment begins.
    pub segment: u64,
    /// How the segment is stored.
    pub form: Form,
    /// The byte at which its header begins: of the archive for a plain segment, else of what it unpacks to.
    pub entry: u64,
}

/// The names of an archive.
pub(crate) struct Index {
    source: Data,
    records: u64,
    names_size: u64,
    changes: Vec<(Vec<u8>, Found)>,
    changes_size: u64,
    /// The file it is kept in.
    file: Option<PathBuf>,
}

enum Data {
    File(File),
    Memory(Vec<u8>),
}

/// What an archive was when its index was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity([u64; 4]);

impl Identity {
    fn of(archive: &File) -> io::Result<Identity> {
        let metadata: Metadata = archive.metadata()?;
        let size = metadata.len();
        let mut tail = vec![0; size.min(TAIL_SIZE) as usize];
        let start = size - tail.len() as u64;
        archive.read_exact_at(&mut tail, start)?;
        Ok(Identity([size, metadata.mtime() as u64, metadata.mtime_nsec() as u64, hash(&tail)]))
    }
}

/// FNV-1a, 64 bits: it tells archives apart, not enemies.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Index {
    /// The file in `folder` for the index of the archive at this absolute path.
    pub(crate) fn file_for(folder: &Path, archive: &Path) -> PathBuf {
        let path = std::os::unix::ffi::OsStrExt::as_bytes(archive.as_os_str());
        folder.join(format!("{:016x}.index", hash(path)))
    }

    /// The index in `file`, if it is of the archive as it is now.
    pub(crate) fn load(file: &Path, archive: &File) -> Option<Index> {
        let source = File::options().read(true).write(true).open(file).ok()?;
        let mut header = [0; HEADER_SIZE as usize];
        source.read_exact_at(&mut header, 0).ok()?;
        let [magic, size, seconds, nanoseconds, tail, records, names_size, changes_size] = numbers(&header);
        let whole = records.checked_mul(RECORD_SIZE as u64).and_then(|records| {
            records.checked_add(names_size)?.checked_add(changes_size)?.checked_add(HEADER_SIZE)
        });
        let sound = magic == MAGIC
            && changes_size <= CHANGES_MAX
            && whole.is_some_and(|whole| source.metadata().is_ok_and(|metadata| metadata.len() >= whole))
            && Identity::of(archive).ok()? == Identity([size, seconds, nanoseconds, tail]);
        if !sound {
            return None;
        }
        let mut changes = vec![0; changes_size as usize];
        let data = Data::File(source);
        data.read_exact(&mut changes, HEADER_SIZE + records * RECORD_SIZE as u64 + names_size).ok()?;
        let changes = parse_changes(&changes)?;
        Some(Index { source: data, records, names_size, changes, changes_size, file: Some(file.into()) })
    }

    /// An index of these names for the archive as it is now, kept in `file` where one is given and can be written.
    pub(crate) fn make(
        mut names: Vec<(Vec<u8>, Found)>,
        archive: &File,
        file: Option<PathBuf>,
    ) -> io::Result<Index> {
        names.sort_by(|(first, _), (second, _)| first.cmp(second));
        let mut bytes = vec![0; HEADER_SIZE as usize];
        let mut blob = Vec::new();
        for (name, found) in &names {
            bytes.extend(record(name, found, blob.len() as u64));
            blob.extend_from_slice(name);
            blob.extend_from_slice(&found.target);
        }
        let (records, names_size) = (names.len() as u64, blob.len() as u64);
        bytes.extend(blob);
        bytes[..HEADER_SIZE as usize].copy_from_slice(&header(
            Identity::of(archive)?,
            records,
            names_size,
            0,
        ));
        let kept = file.and_then(|file| Some((keep(&bytes, &file).ok()?, file)));
        let (source, file) = match kept {
            Some((kept, file)) => (Data::File(kept), Some(file)),
            // An index that cannot be kept serves this once.
            None => (Data::Memory(bytes), None),
        };
        Ok(Index { source, records, names_size, changes: Vec::new(), changes_size: 0, file })
    }

    /// What stands at a name, which is a path without `.`, `..` and needless slashes.
    pub(crate) fn get(&self, name: &[u8]) -> io::Result<Option<Found>> {
        if let Some((_, found)) = self.changes.iter().rev().find(|(changed, _)| changed == name) {
            return Ok(Some(found.clone()));
        }
        let (_, at) = self.search(name)?;
        at.filter(|(found, _)| found == name).map(|(_, record)| self.found(&record)).transpose()
    }

    /// Whether anything stands below a directory.
    pub(crate) fn holds_something(&self, directory: &[u8]) -> io::Result<bool> {
        let below = [directory, b"/"].concat();
        if self.changes.iter().any(|(name, _)| name.starts_with(&below)) {
            return Ok(true);
        }
        Ok(self.search(&below)?.1.is_some_and(|(name, _)| name.starts_with(&below)))
    }

    /// The first record whose name is not before `name`.
    #[expect(clippy::type_complexity, reason = "a name and the bytes of its record")]
    fn search(&self, name: &[u8]) -> io::Result<(u64, Option<(Vec<u8>, [u8; RECORD_SIZE])>)> {
        let (mut first, mut end, mut best) = (0, self.records, None);
        while first < end {
            let middle = first + (end - first) / 2;
            let mut record = [0; RECORD_SIZE];
            self.source.read_exact(&mut record, HEADER_SIZE + middle * RECORD_SIZE as u64)?;
            let found = self.name(&record)?;
            if found.as_slice() < name {
                first = middle + 1;
            } else {
                end = middle;
                best = Some((found, record));
            }
        }
        Ok((first, best))
    }

    fn name(&self, record: &[u8; RECORD_SIZE]) -> io::Result<Vec<u8>> {
        self.text(long(record, 0), word(record, 8))
    }

    fn text(&self, at: u64, length: u32) -> io::Result<Vec<u8>> {
        if at.checked_add(u64::from(length)).is_none_or(|end| end > self.names_size) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut text = vec![0; length as usize];
        self.source.read_exact(&mut text, HEADER_SIZE + self.records * RECORD_SIZE as u64 + at)?;
        Ok(text)
    }

    fn found(&self, record: &[u8; RECORD_SIZE]) -> io::Result<Found> {
        let target = self.text(long(record, 0) + u64::from(word(record, 8)), word(record, 12))?;
        parse(record, target).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Notes what has been appended to the archive, which is as it will be found next time.
    pub(crate) fn change(&mut self, changes: Vec<(Vec<u8>, Found)>, archive: &File) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (name, found) in &changes {
            bytes.extend(record(name, found, 0));
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&found.target);
        }
        if let Data::File(file) = &self.source {
            let at = HEADER_SIZE + self.records * RECORD_SIZE as u64 + self.names_size + self.changes_size;
            file.write_all_at(&bytes, at)?;
            self.changes_size += bytes.len() as u64;
            let identity = Identity::of(archive)?;
            // Until this is written the index is of an archive that is no longer there, and not used.
            file.write_all_at(&header(identity, self.records, self.names_size, self.changes_size), 0)?;
        }
        self.changes.extend(changes);
        Ok(())
    }

    /// Forgets what is kept.
    pub(crate) fn discard(self) {
        if let Some(file) = self.file {
            // One that stays is not taken for the archive's: its size, time and end are others.
            let _ = fs::remove_file(file);
        }
    }
}

impl Data {
    fn read_exact(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Data::File(file) => file.read_exact_at(buffer, at),
            Data::Memory(bytes) => {
                let start = usize::try_from(at).map_err(io::Error::other)?;
                let there = bytes.get(start..).and_then(|rest| rest.get(..buffer.len()));
                buffer.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

/// Writes the index beside its place and renames it, so that no half of one is ever found there.
fn keep(bytes: &[u8], file: &Path) -> io::Result<File> {
    let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    forget_oldest(folder)?;
    let scratch = file.with_extension("new");
    // Names of private archives are nobody else's business.
    let mut options = File::options();
    let mut kept = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&scratch)?;
    let written = kept.write_all(bytes).and_then(|()| fs::rename(&scratch, file));
    if let Err(error) = written {
        let _ = fs::remove_file(&scratch);
        return Err(error);
    }
    Ok(kept)
}

/// Makes room in the folder: archives come and go, and nobody else removes their indexes.
fn forget_oldest(folder: &Path) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "index") {
            kept.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    kept.sort();
    let many = (kept.len() + 1).saturating_sub(KEPT_MAX);
    kept.iter().take(many).try_for_each(|(_, oldest)| fs::remove_file(oldest))
}

fn header(identity: Identity, records: u64, names: u64, changes: u64) -> [u8; HEADER_SIZE as usize] {
    let [size, seconds, nanoseconds, tail] = identity.0;
    let mut bytes = [0; HEADER_SIZE as usize];
    let fields = [MAGIC, size, seconds, nanoseconds, tail, records, names, changes];
    for (slot, field) in bytes.chunks_exact_mut(8).zip(fields) {
        slot.copy_from_slice(&field.to_le_bytes());
    }
    bytes
}

fn numbers(bytes: &[u8; HEADER_SIZE as usize]) -> [u64; 8] {
    std::array::from_fn(|field| long(bytes, field * 8))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].try_into().map_or(0, u64::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].try_into().map_or(0, u32::from_le_bytes)
}

/// The forms by their numbers in a record.
const FORMS: [Form; 7] = [Form::Plain, Form::Gzip, Form::Zstd, Form::Xz, Form::Lzma, Form::Bzip2, Form::Lz4];

fn record(name: &[u8], found: &Found, name_at: u64) -> [u8; RECORD_SIZE] {
    let Found { header, target, place } = found;
    let form = FORMS.iter().position(|form| *form == place.form).unwrap_or_default();
    let mut bytes = [0; RECORD_SIZE];
    bytes[..8].copy_from_slice(&name_at.to_le_bytes());
    let words = [
        name.len() as u32,
        target.len() as u32,
        header.mode,
        header.uid,
        header.gid,
        header.mtime,
        header.link_count,
        header.size,
        header.node_major,
        header.node_minor,
        form as u32,
    ];
    for (slot, word) in bytes[8..].chunks_exact_mut(4).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    bytes[56..64].copy_from_slice(&place.segment.to_le_bytes());
    bytes[64..72].copy_from_slice(&place.entry.to_le_bytes());
    bytes
}

fn parse(record: &[u8; RECORD_SIZE], target: Vec<u8>) -> Option<Found> {
    let word = |number: usize| word(record, 8 + number * 4);
    let header = Header {
        mode: word(2),
        uid: word(3),
        gid: word(4),
        mtime: word(5),
        link_count: word(6),
        size: word(7),
        node_major: word(8),
        node_minor: word(9),
        ..Header::default()
    };
    let form = *FORMS.get(word(10) as usize)?;
    let place = Place { segment: long(record, 56), form, entry: long(record, 64) };
    Some(Found { header, target, place })
}

fn parse_changes(mut bytes: &[u8]) -> Option<Vec<(Vec<u8>, Found)>> {
    let mut changes = Vec::new();
    while !bytes.is_empty() {
        let record = bytes.first_chunk::<RECORD_SIZE>()?;
        let (name, target) = (word(record, 8) as usize, word(record, 12) as usize);
        let name = bytes.get(RECORD_SIZE..RECORD_SIZE.checked_add(name)?)?;
        let rest = &bytes[RECORD_SIZE + name.len()..];
        let target = rest.get(..target)?;
        changes.push((name.to_vec(), parse(record, target.to_vec())?));
        bytes = &rest[target.len()..];
    }
    Some(changes)
}

impl Found {
    /// Whether it is of this type ([`file_type`]).
    pub fn is(&self, kind: u32) -> bool {
        self.header.mode & file_type::MASK == kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(number: u32) -> Found {
        let header =
            Header { mode: number, uid: 1, gid: 2, mtime: 3, link_count: 4, size: 5, ..Header::default() };
        let place = Place { segment: 6, form: Form::Lz4, entry: u64::from(number) };
        Found { header, target: number.to_string().into_bytes(), place }
    }

    fn archive() -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[7; 10_000]).unwrap();
        file
    }

    #[test]
    fn every_name_is_found_and_no_other() {
        let archive = archive();
        for count in [0_u32, 1, 2, 3, 1000] {
            let names = (0..count).rev().map(|number| (format!("d/{number:04}").into_bytes(), found(number)));
            let index = Index::make(names.collect(), archive.as_file(), None).unwrap();
            for number in 0..count {
                let name = format!("d/{number:04}");
                assert_eq!(index.get(name.as_bytes()).unwrap(), Some(found(number)));
            }
            for absent in ["", "d", "d/", "d/0000x", "e"] {
                assert_eq!(index.get(absent.as_bytes()).unwrap(), None, "{absent}");
            }
            assert_eq!(index.holds_something(b"d").unwrap(), count > 0);
            assert!(!index.holds_something(b"d/0000").unwrap() && !index.holds_something(b"c").unwrap());
        }
    }

    #[test]
    fn an_index_is_kept_changed_and_not_used_for_another_archive() {
        let (archive, folder) = (archive(), tempfile::tempdir().unwrap());
        let file = Index::file_for(folder.path(), archive.path());
        let load = || Index::load(&file, archive.as_file());
        assert!(load().is_none());
        let names = vec![(b"a".to_vec(), found(1)), (b"b".to_vec(), found(2))];
        Index::make(names, archive.as_file(), Some(file.clone())).unwrap();
        let mut index = load().unwrap();
        archive.as_file().write_all_at(b"more", 10_000).unwrap();
        index
            .change(vec![(b"b".to_vec(), found(3)), (b"c/d".to_vec(), found(4))], archive.as_file())
            .unwrap();
        for index in [index, load().unwrap()] {
            assert_eq!(index.get(b"a").unwrap(), Some(found(1)));
            assert_eq!(index.get(b"b").unwrap(), Some(found(3)));
            assert!(index.holds_something(b"c").unwrap());
        }
        // The same size, but another end.
        archive.as_file().write_all_at(b"MORE", 10_000).unwrap();
        assert!(load().is_none());
    }

    #[test]
    fn the_oldest_of_too_many_is_forgotten() {
        let (archive, folder) = (archive(), tempfile::tempdir().unwrap());
        let file = |number: usize| folder.path().join(format!("{number}.index"));
        for number in 0..KEPT_MAX + 3 {
            Index::make(vec![], archive.as_file(), Some(file(number))).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
            File::options().write(true).open(file(number)).unwrap().set_modified(time).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT_MAX);
        assert!(!file(2).exists() && file(3).exists());
    }

    #[test]
    fn a_broken_index_is_not_used() {
        let (archive, folder) = (archive(), tempfile::tempdir().unwrap());
        let file = folder.path().join("index");
        let names = vec![(b"a".to_vec(), found(1)), (b"b".to_vec(), found(2))];
        Index::make(names, archive.as_file(), Some(file.clone())).unwrap();
        let whole = fs::read(&file).unwrap();
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            assert!(Index::load(&file, archive.as_file()).is_none(), "{length}");
        }
        for at in (0..whole.len()).filter(|at| *at >= HEADER_SIZE as usize || *at < 8) {
            let mut broken = whole.clone();
            broken[at] ^= 0xff;
            fs::write(&file, &broken).unwrap();
            if let Some(index) = Index::load(&file, archive.as_file()) {
                let _ = (index.get(b"a"), index.get(b"b"), index.holds_something(b"a"));
            }
        }
    }
}
