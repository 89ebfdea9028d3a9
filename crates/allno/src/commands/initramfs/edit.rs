//! `allno initramfs edit`: one file of an archive, changed where it is.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base::process::{Program, ending};
use base::{Context as _, Error, Result, Size};
use initramfs::newc::file_type;
use initramfs::{Archive, Content, Edited, Entry, Found, Kind};
use serde_json::json;

use super::pack::{refusal, source_date_epoch};
use super::{Answer, Context, shown, text};
use crate::arguments::InitramfsEdit;

/// How long a person may have a file in the editor.
const EDITING: Duration = Duration::from_secs(30 * 24 * 3600);
/// Mode of a file that is new, where nothing else says one.
const NEW_MODE: u32 = 0o644;

/// Changes it.
pub fn run(context: &Context, arguments: &InitramfsEdit) -> Result<Answer> {
    let path = &arguments.archive;
    let told = |cause| refusal(path, cause);
    let archive = open(context, path)?;
    let name = archive.resolve(arguments.path.as_bytes()).map_err(told)?;
    let old = archive.get(&name).map_err(told)?;
    let edit = Edit { archive, name, old, arguments };
    let name = edit.name.clone();
    let change = match (&arguments.with, arguments.mode) {
        (Some(with), mode) => edit.with(with, mode)?,
        (None, Some(mode)) => edit.mode(mode)?,
        (None, None) => edit.in_editor(context)?,
    };
    answer(context, path, &[name], &change)
}

/// The archive, its index beside the store's other caches. What a killed command left is told.
pub fn open(context: &Context, path: &Path) -> Result<Archive> {
    let cache = context.store_path().ok().map(|store| store.join("caches/initramfs"));
    let archive = Archive::open(path, cache.as_deref()).map_err(|cause| refusal(path, cause))?;
    if let Some(bytes) = archive.repaired() {
        let archive = path.display();
        context.events.warn(format!("{archive}: an append that was cut is taken back ({bytes} bytes)"));
    }
    Ok(archive)
}

/// What was done, for a person or a program.
pub fn answer(context: &Context, archive: &Path, names: &[Vec<u8>], change: &Edited) -> Result<Answer> {
    let all = names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    let (word, bytes, segments, why) = match change {
        Edited::Nothing => ("nothing", 0, &[][..], None),
        Edited::Appended { bytes } => ("appended", *bytes, &[][..], None),
        Edited::Rewritten { segments, why } => ("rewritten", 0, &segments[..], Some(*why)),
    };
    let object = json!({
        "archive": archive.to_string_lossy(),
        "names": names.iter().map(|name| text(name)).collect::<Vec<_>>(),
        "change": word,
        "appended": bytes,
        "segments": segments,
        "why": why,
    });
    Answer::new(context.global, &object, || match change {
        Edited::Nothing => format!("  unchanged  {all}\n"),
        Edited::Appended { bytes } => {
            format!("  appended   {all}   {}, all before it untouched\n", Size(*bytes))
        }
        Edited::Rewritten { segments, why } => {
            let numbers: Vec<String> = segments.iter().map(ToString::to_string).collect();
            let plural = if numbers.len() == 1 { "" } else { "s" };
            format!("  rewritten  {all}   segment{plural} {}: {why}\n", numbers.join(", "))
        }
    })
}

struct Edit<'a> {
    archive: Archive,
    name: Vec<u8>,
    old: Option<Found>,
    arguments: &'a InitramfsEdit,
}

impl Edit<'_> {
    fn refusal(&self, cause: initramfs::Error) -> Error {
        refusal(&self.arguments.archive, cause)
    }

    /// The entry with what the old one says, or root's.
    fn entry(&self, kind: Kind, mode: u32) -> Result<Entry> {
        let header = self.old.as_ref().map(|old| old.header).unwrap_or_default();
        let mtime = source_date_epoch()?.unwrap_or(header.mtime);
        Ok(Entry { kind, mode, uid: header.uid, gid: header.gid, mtime, origin: None })
    }

    fn put(self, entry: Entry) -> Result<Edited> {
        let archive = &self.arguments.archive;
        self.archive.put(&self.name, entry).map_err(|cause| refusal(archive, cause))
    }

    fn with(self, with: &Path, mode: Option<u32>) -> Result<Edited> {
        let metadata = fs::metadata(with).map_err(|cause| super::unreadable(with, cause))?;
        // Only a file has content whose mode is the content's business.
        let file = self.old.as_ref().filter(|old| old.is(file_type::REGULAR));
        let old_mode = file.map(|old| old.header.mode & 0o7777);
        let mode = mode.or(old_mode).unwrap_or(metadata.mode() & 0o777);
        let entry = self.entry(Kind::File(Content::Path(with.into())), mode)?;
        self.put(entry)
    }

    /// The same entry with another mode.
    fn mode(self, mode: u32) -> Result<Edited> {
        let Some(old) = &self.old else { return Err(self.absent()) };
        let (major, minor) = (old.header.node_major, old.header.node_minor);
        let kind = match old.header.mode & file_type::MASK {
            file_type::DIRECTORY => Kind::Directory,
            file_type::CHARACTER => Kind::CharacterDevice { major, minor },
            file_type::BLOCK => Kind::BlockDevice { major, minor },
            file_type::FIFO => Kind::Fifo,
            file_type::SOCKET => Kind::Socket,
            _ => Kind::File(Content::Bytes(self.content()?)),
        };
        if old.header.mode & 0o7777 == mode {
            return Ok(Edited::Nothing);
        }
        let entry = self.entry(kind, mode)?;
        self.put(entry)
    }

    fn absent(&self) -> Error {
        let archive = self.arguments.archive.display();
        Error::input(format!("{} is not in {archive}", shown(&self.name)))
            .hint(format!("allno initramfs ls {archive}"))
            .hint("--with FILE makes it")
    }

    fn content(&self) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        if let Some(old) = &self.old {
            self.archive.content(old, &mut content).map_err(|cause| self.refusal(cause))?;
        }
        Ok(content)
    }

    fn in_editor(self, context: &Context) -> Result<Edited> {
        if let Some(old) = self.old.as_ref().filter(|old| !old.is(file_type::REGULAR)) {
            let what = if old.is(file_type::DIRECTORY) { "a directory" } else { "a node" };
            return Err(Error::input(format!("{} is {what}", shown(&self.name)))
                .hint("--mode changes its mode")
                .hint("--with FILE puts a file in its place"));
        }
        let content = self.content()?;
        let copy = Copy::of(&content, &self.name)?;
        copy.open(context)?;
        let edited = fs::read(&copy.file).context(|| format!("cannot read {}", copy.file.display()))?;
        if edited == content {
            return Ok(Edited::Nothing);
        }
        let mode = self.old.as_ref().map_or(NEW_MODE, |old| old.header.mode & 0o7777);
        let entry = self.entry(Kind::File(Content::Bytes(edited)), mode)?;
        self.put(entry).map_err(|error| {
            let kept = copy.keep();
            error.note(format!("what you wrote is in {}", kept.display()))
        })
    }
}

/// The copy that the editor gets, in a folder that nobody else may look into.
struct Copy {
    folder: PathBuf,
    file: PathBuf,
    kept: std::cell::Cell<bool>,
}

impl Copy {
    fn of(content: &[u8], name: &[u8]) -> Result<Copy> {
        let leaf = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
        let folder = std::env::temp_dir().join(format!("allno-edit-{}", std::process::id()));
        let cannot = || format!("cannot make {}", folder.display());
        fs::DirBuilder::new().mode(0o700).create(&folder).context(cannot)?;
        let file = folder.join(std::ffi::OsString::from_vec(leaf.to_vec()));
        let copy = Copy { folder: folder.clone(), file, kept: false.into() };
        let mut made = fs::File::create_new(&copy.file).context(cannot)?;
        made.write_all(content).context(cannot)?;
        Ok(copy)
    }

    /// The person's editor, as git and crontab choose it: $VISUAL, $EDITOR, vi. It may hold arguments.
    fn open(&self, context: &Context) -> Result<()> {
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".into());
        let mut line = editor.clone();
        line.push(" \"$@\"");
        let program = Program::new("sh").arg("-c").arg(line).arg("editor").arg(&self.file);
        let mut running = program.start(Stdio::inherit(), Stdio::inherit(), Stdio::inherit(), true)?;
        match running.wait(EDITING, &context.cancel)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Error::failed(format!("{} {}", editor.display(), ending(status)))
                .note("nothing was changed")
                .hint("set VISUAL or EDITOR, or give the content by --with FILE")),
            None => Err(Error::failed("the editor was open for a month")),
        }
    }

    /// It stays, for the person to find.
    fn keep(&self) -> PathBuf {
        self.kept.set(true);
        self.file.clone()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.kept.get() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
