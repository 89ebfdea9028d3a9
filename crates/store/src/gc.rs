//! What the store holds, who uses it, and shrinking it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use base::{Cancel, Context, Result};

use crate::locks::Mode;
use crate::root::Store;
use crate::tree::{self, Bytes};

/// What an entry of the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A fetched file.
    Source,
    /// Something built (an unpacked kernel source too).
    Artifact,
    /// A build's intermediate files.
    Workspace,
    /// A tool's own cache.
    Cache,
    /// A download that broke off.
    Partial,
}

impl EntryKind {
    const ALL: [EntryKind; 5] =
        [EntryKind::Source, EntryKind::Artifact, EntryKind::Workspace, EntryKind::Cache, EntryKind::Partial];

    /// A stable word for programs and for the names of locks.
    pub fn word(self) -> &'static str {
        match self {
            EntryKind::Source => "source",
            EntryKind::Artifact => "artifact",
            EntryKind::Workspace => "workspace",
            EntryKind::Cache => "cache",
            EntryKind::Partial => "partial",
        }
    }

    fn folder(self, store: &Store) -> PathBuf {
        match self {
            EntryKind::Source => store.sources(),
            EntryKind::Artifact => store.artifacts(),
            EntryKind::Workspace => store.workspaces(),
            EntryKind::Cache => store.caches(),
            EntryKind::Partial => store.root().join("partial"),
        }
    }
}

/// One thing in the store.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its name in its folder of the store.
    pub entry: String,
    /// The name a person knows it by: an artifact's name, a source's file name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// How much it takes.
    pub bytes: Bytes,
    /// The folders of the projects that used it last.
    pub used_by: Vec<PathBuf>,
    /// When a run used it last, where that is known.
    pub last_used: Option<SystemTime>,
}

/// What to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// No entry; only what killed runs left.
    Nothing,
    /// What no project refers to any more.
    Unreferenced,
    /// Everything.
    Everything,
    /// What was used longest ago, until the store takes at most so many bytes on the disk.
    DownTo(u64),
}

/// What was removed, or with a dry run would be.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// What went.
    pub removed: Vec<Entry>,
    /// What should have gone and is in use by a running allno.
    pub in_use: Vec<Entry>,
    /// What stays.
    pub kept: Vec<Entry>,
}

impl Collected {
    /// How much was freed.
    pub fn freed(&self) -> Bytes {
        self.removed.iter().fold(Bytes::default(), |mut sum, entry| {
            sum += entry.bytes;
            sum
        })
    }
}

impl Store {
    /// Everything in the store, sorted by kind and name.
    ///
    /// # Errors
    /// The store cannot be read; [`base::Kind::Cancelled`].
    pub fn usage(&self, cancel: &Cancel) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for kind in EntryKind::ALL {
            let references = self.references(kind.word())?;
            for entry in tree::names(&kind.folder(self))? {
                cancel.check()?;
                let path = kind.folder(self).join(&entry);
                let Ok(entry) = entry.into_string() else { continue };
                // It may be removed by another run while we look.
                let Ok(bytes) = tree::size(&path) else { continue };
                let mut used_by: Vec<PathBuf> = references
                    .iter()
                    .filter(|reference| reference.entry == entry)
                    .map(|reference| reference.project.clone())
                    .collect();
                used_by.sort();
                used_by.dedup();
                let stamp = fs::metadata(self.lock_path(kind.word(), &entry));
                let last_used = stamp.and_then(|metadata| metadata.modified()).ok();
                let name = self.spoken_name(kind, &entry);
                entries.push(Entry { kind, entry, name, path, bytes, used_by, last_used });
            }
        }
        entries.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        Ok(entries)
    }

    fn spoken_name(&self, kind: EntryKind, entry: &str) -> String {
        let name = match kind {
            EntryKind::Source => entry.parse().ok().and_then(|sha256| {
                let (path, _) = self.read_source(sha256)?;
                Some(path.file_name()?.to_string_lossy().into_owned())
            }),
            EntryKind::Artifact => entry.rsplit_once('-').map(|(name, _)| name.to_string()),
            EntryKind::Workspace | EntryKind::Cache | EntryKind::Partial => None,
        };
        name.unwrap_or_else(|| entry.to_string())
    }

    /// Removes what `policy` says, except what a running allno uses, and with it what has no use left at all: what
    /// killed runs left and the memory of projects that are gone. With `dry_run` nothing is removed.
    ///
    /// # Errors
    /// The store cannot be read or written; [`base::Kind::Cancelled`], with whole entries gone and none half gone.
    pub fn collect(&self, policy: Policy, dry_run: bool, cancel: &Cancel) -> Result<Collected> {
        if !dry_run {
            crate::scratch::sweep(&self.root().join("scratch"))?;
            self.forget_gone_projects()?;
        }
        let mut collected = Collected::default();
        let (mut victims, kept) = choose(policy, self.usage(cancel)?);
        collected.kept = kept;
        // For DownTo: what is in use does not count as freed, so younger ones may have to go instead.
        victims.reverse();
        let mut to_free = match policy {
            Policy::DownTo(limit) => {
                let total: u64 = victims.iter().map(|entry| entry.bytes.on_disk).sum();
                total.saturating_sub(limit)
            }
            _ => u64::MAX,
        };
        while let Some(entry) = victims.pop() {
            cancel.check()?;
            if to_free == 0 {
                collected.kept.push(entry);
            } else if self.take_away(&entry, dry_run)? {
                if policy != Policy::Everything {
                    to_free = to_free.saturating_sub(entry.bytes.on_disk);
                }
                collected.removed.push(entry);
            } else {
                collected.in_use.push(entry);
            }
        }
        if !dry_run {
            self.drop_stale_locks()?;
        }
        Ok(collected)
    }

    /// Removes one entry unless it is in use; says whether it was, or with a dry run would be, removed.
    fn take_away(&self, entry: &Entry, dry_run: bool) -> Result<bool> {
        let lock_path = self.lock_path(entry.kind.word(), &entry.entry);
        if dry_run && !lock_path.exists() {
            return Ok(true);
        }
        let Some(_lock) = self.try_lock(entry.kind.word(), &entry.entry, Mode::Exclusive)? else {
            return Ok(false);
        };
        if !dry_run {
            self.scratch().discard(&entry.path)?;
            fs::remove_file(&lock_path).context(|| format!("cannot remove {}", lock_path.display()))?;
        }
        Ok(true)
    }

    /// Removes the locks of entries that are gone.
    fn drop_stale_locks(&self) -> Result<()> {
        let entries: BTreeSet<String> = EntryKind::ALL
            .iter()
            .map(|kind| Ok((kind.word(), tree::names(&kind.folder(self))?)))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flat_map(|(word, names)| {
                names.into_iter().map(move |name| format!("{word}-{}", name.to_string_lossy()))
            })
            .collect();
        for name in tree::names(&self.root().join("locks"))? {
            let Some(name) = name.to_str().filter(|name| !entries.contains(*name)) else { continue };
            let path = self.root().join("locks").join(name);
            // Whoever is about to make the entry holds its lock.
            if let Some(_lock) = crate::locks::Lock::take_now(&path, Mode::Exclusive)? {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }

    /// Removes one entry, whatever the policy, for a damaged one that is to be made again. Returns whether it
    /// went; it does not while a running allno uses it.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn discard(&self, kind: EntryKind, entry: &str) -> Result<bool> {
        crate::root::check_name(entry)?;
        let path = kind.folder(self).join(entry);
        let entry = Entry {
            kind,
            entry: entry.to_string(),
            name: String::new(),
            path,
            bytes: Bytes::default(),
            used_by: Vec::new(),
            last_used: None,
        };
        self.take_away(&entry, false)
    }
}

/// Splits into what may go, in the order in which it should, and what stays.
fn choose(policy: Policy, entries: Vec<Entry>) -> (Vec<Entry>, Vec<Entry>) {
    match policy {
        Policy::Nothing => (Vec::new(), entries),
        Policy::Everything => (entries, Vec::new()),
        Policy::Unreferenced => entries.into_iter().partition(|entry| entry.used_by.is_empty()),
        Policy::DownTo(_) => {
            let mut entries = entries;
            entries.sort_by_key(|entry| entry.last_used);
            (entries, Vec::new())
        }
    }
}
