//! The device tables in a tree's own sources: what is left when there is no built kernel, and what no module says of the drivers
//! that a distribution builds in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::{Context, Result};
use ktree::alias::AliasTable;
use ktree::table::{Claimed, FileSource, Tables};
use serde::Serialize;
use store::Inputs;

use crate::session::Session;

/// Part of the key: raised when `ktree::table` reads another table from the same sources.
const WAY: &str = "3";
/// The table's name in the store.
const TABLE: &str = "sources";
/// The line of the stored table that has what else is known of it.
const COUNT: &str = "not-understood ";
/// Where drivers stand. Those of other architectures do not concern us.
const FOLDERS: &[&str] = &["drivers", "sound", "net", "virt", "fs"];

/// What the sources say.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sources {
    /// How many sources have a device table.
    pub drivers: usize,
    /// How many claims they make.
    pub claims: usize,
    /// Entries of tables that could not be worked out without a compiler.
    pub not_understood: usize,
    /// Who claims what; a driver is a source without ".c".
    #[serde(skip)]
    pub table: AliasTable,
}

/// Reads the tree at `tree`. `digest`: of its content, if that is known; the result is kept then.
///
/// # Errors
/// A folder that cannot be read; Ctrl-C.
pub fn sources(session: &Session, tree: &Path, arch: &str, digest: Option<&str>) -> Result<Sources> {
    let Some(digest) = digest else { return read(session, tree, arch).map(|(sources, _)| sources) };
    let inputs = Inputs::new().with("way of reading", WAY).with("source", digest).with("architecture", arch);
    let artifact = session.realize("device-tables-of-source", &inputs, |out| {
        let (_, text) = read(session, tree, arch)?;
        fs::write(out.join(TABLE), text).context(|| "cannot keep the table".to_string())
    })?;
    let path = artifact.path.join(TABLE);
    let text = fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
    let count = text.lines().next().and_then(|line| line.strip_prefix(COUNT)?.parse().ok());
    Ok(Sources::of(AliasTable::parse(&text), count.unwrap_or(0)))
}

impl Sources {
    fn of(table: AliasTable, not_understood: usize) -> Sources {
        Sources { drivers: table.drivers().count(), claims: table.len(), not_understood, table }
    }
}

/// The sources, and their text for the store.
fn read(session: &Session, tree: &Path, arch: &str) -> Result<(Sources, String)> {
    let task = session.events.task("reading", "the device tables of the drivers' sources");
    let mut files = Vec::new();
    for folder in FOLDERS.iter().map(ToString::to_string).chain([format!("arch/{arch}")]) {
        if tree.join(&folder).is_dir() {
            list(tree, Path::new(&folder), &mut files)?;
        }
    }
    files.sort();
    let found = claims_of(session, tree, &files)?;
    let mut table = AliasTable::new();
    let mut not_understood = 0;
    for (number, claimed) in found {
        not_understood += claimed.not_understood;
        let driver = files[number].with_extension("").to_string_lossy().into_owned();
        claimed.patterns.iter().for_each(|pattern| table.claim(&driver, pattern));
    }
    let sources = Sources::of(table, not_understood);
    let text = format!("{COUNT}{not_understood}\n{}", sources.table.text());
    task.end(
        "read",
        format!("the device tables of {} sources, {} claims of devices", sources.drivers, sources.claims),
    );
    Ok((sources, text))
}

fn list(tree: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = || format!("cannot read {}", tree.join(folder).display());
    for entry in fs::read_dir(tree.join(folder)).context(failed)? {
        let entry = entry.context(failed)?;
        let kind = entry.file_type().context(failed)?;
        let path = folder.join(entry.file_name());
        if kind.is_dir() {
            list(tree, &path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|it| it == "c") {
            files.push(path);
        }
    }
    Ok(())
}

#[derive(Debug)]
struct TreeFiles<'t>(&'t Path);

impl FileSource for TreeFiles<'_> {
    fn text(&self, path: &Path) -> Option<String> {
        let bytes = fs::read(self.0.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What each source that claims something claims, by its number; on all processors.
fn claims_of(session: &Session, tree: &Path, files: &[PathBuf]) -> Result<Vec<(usize, Claimed)>> {
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(usize, Claimed)>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let source = TreeFiles(tree);
                let tables = Tables::new(&source);
                while session.cancel.check().is_ok() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(number) else { return };
                    let claimed =
                        source.text(file).map(|text| tables.claimed(file, &text)).unwrap_or_default();
                    if claimed != Claimed::default()
                        && let Ok(mut found) = found.lock()
                    {
                        found.push((number, claimed));
                    }
                }
            });
        }
    });
    session.cancel.check()?;
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|(number, _)| *number);
    Ok(found)
}
