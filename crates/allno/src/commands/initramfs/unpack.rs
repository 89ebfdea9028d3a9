//! `allno initramfs unpack`: an archive's files below one folder.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Error, Result};
use initramfs::{ImageReader, ImageSummary, List, Only, Owners, Pattern, UnpackOptions, Unpacker, Unpacking};
use serde_json::{Value, json};

use super::{TOLD, faults, list_command, odd_bytes, problems_object, shown, text, unreadable};
use crate::arguments::InitramfsUnpack;
use crate::commands::{Answer, Context};

/// Unpacks the archive and says what was done, and what was not.
pub fn run(context: &Context, arguments: &InitramfsUnpack) -> Result<Answer> {
    let archive = &arguments.archive;
    let source = super::source::open(archive, &context.cancel)?;
    let only = match &arguments.only {
        Some(pattern) => Some(only(archive, source.clone(), pattern)?),
        None => None,
    };
    let mut work = Work::new(arguments, only)?;
    let mut reader = ImageReader::new(source).map_err(|cause| unreadable(archive, cause))?.read_ahead();
    while let Some(mut entry) = reader.next_entry().map_err(|cause| unreadable(archive, cause))? {
        context.cancel.check()?;
        work.unpacker(entry.segment())?.unpack(&mut entry).map_err(|error| failed(arguments, error))?;
    }
    work.finish_target()?;
    let summary = reader.into_summary();
    let answer =
        Answer::new(context.global, &object(arguments, &work.done, &summary), || report(&work.done))?;
    Ok(match outcome(arguments, &work.done, &summary) {
        Some(error) => answer.with_error(error),
        None => answer,
    })
}

fn only(archive: &Path, source: Arc<File>, pattern: &OsString) -> Result<Only> {
    let only =
        Only::scan(Pattern::new(pattern.as_bytes()), source).map_err(|cause| unreadable(archive, cause))?;
    if only.matches() == 0 {
        let (archive, pattern) = (archive.display(), pattern.display());
        return Err(Error::input(format!("nothing in {archive} is called {pattern}"))
            .hint(format!("allno initramfs ls {archive}")));
    }
    Ok(only)
}

/// What the file system refuses is no fault of the archive.
fn failed(arguments: &InitramfsUnpack, error: initramfs::Error) -> Error {
    use std::io::ErrorKind;
    let (archive, folder) = (arguments.archive.display(), arguments.folder.display());
    match &error {
        initramfs::Error::Image { .. } => Error::input(error.to_string()),
        initramfs::Error::Unpack { source, doing, .. } => match source.kind() {
            ErrorKind::PermissionDenied if doing.contains("node") => {
                Error::host("this account may not make device nodes")
                    .note(error.to_string())
                    .hint(format!("allno initramfs unpack --list {archive} {folder}"))
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Error::host(format!("cannot unpack into {folder}"))
                    .note(format!("the disk is full ({source})"))
                    .note(error.to_string())
                    .hint("free some space there, or unpack elsewhere")
            }
            _ => Error::failed(format!("cannot unpack into {folder}")).note(error.to_string()),
        },
        _ => Error::failed(error.to_string()),
    }
}

/// A folder that was unpacked into.
struct Done {
    folder: PathBuf,
    list: Option<PathBuf>,
    unpacking: Unpacking,
}

/// The folders of an archive: one for all segments, or one for each.
struct Work<'a> {
    arguments: &'a InitramfsUnpack,
    owners: Owners,
    only: Option<Only>,
    target: Option<(Option<usize>, PathBuf, Unpacker)>,
    done: Vec<Done>,
}

impl<'a> Work<'a> {
    fn new(arguments: &'a InitramfsUnpack, only: Option<Only>) -> Result<Work<'a>> {
        let root = rustix::process::geteuid().is_root();
        let owners = if root && !arguments.list { Owners::Real } else { Owners::Listed };
        let mut work = Work { arguments, owners, only, target: None, done: Vec::new() };
        make_folder(&arguments.folder)?;
        if !arguments.segments {
            work.target = Some((None, arguments.folder.clone(), work.open(arguments.folder.clone())?));
        }
        Ok(work)
    }

    /// Where the entries of this segment go.
    fn unpacker(&mut self, segment: usize) -> Result<&mut Unpacker> {
        let wanted = self.arguments.segments.then_some(segment);
        if self.target.as_ref().is_none_or(|(open, ..)| *open != wanted) {
            self.finish_target()?;
            let folder = self.arguments.folder.join((segment + 1).to_string());
            make_folder(&folder)?;
            let unpacker = self.open(folder.clone())?;
            self.target = Some((wanted, folder, unpacker));
        }
        self.target
            .as_mut()
            .map(|(_, _, unpacker)| unpacker)
            .ok_or_else(|| Error::failed("no folder is open"))
    }

    fn open(&self, folder: PathBuf) -> Result<Unpacker> {
        if self.owners == Owners::Listed && !self.arguments.force {
            let list = list_path(&folder);
            if list.symlink_metadata().is_ok() {
                return Err(Error::input(format!("{} is there already", list.display()))
                    .hint("allno initramfs unpack --force, which replaces it"));
            }
        }
        let opened = File::open(&folder).map_err(|cause| folder_error(&folder, &cause))?;
        let location = std::path::absolute(&folder).map_err(|cause| folder_error(&folder, &cause))?;
        let (owners, force, only) = (self.owners, self.arguments.force, self.only.clone());
        Ok(Unpacker::new(opened.into(), UnpackOptions { owners, force, location, only }))
    }

    fn finish_target(&mut self) -> Result<()> {
        let Some((_, folder, unpacker)) = self.target.take() else { return Ok(()) };
        let unpacking = unpacker.finish().map_err(|error| failed(self.arguments, error))?;
        let list = match &unpacking.list {
            Some(list) => Some(write_list(&folder, list)?),
            None => None,
        };
        self.done.push(Done { folder, list, unpacking });
        Ok(())
    }
}

fn folder_error(folder: &Path, cause: &std::io::Error) -> Error {
    Error::input(format!("cannot unpack into {}", folder.display())).note(cause.to_string())
}

fn make_folder(folder: &Path) -> Result<()> {
    match std::fs::create_dir(folder) {
        Err(_) if folder.is_dir() => Ok(()),
        Err(cause) => Err(folder_error(folder, &cause)),
        Ok(()) => Ok(()),
    }
}

/// DIR.list, beside DIR.
fn list_path(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let mut name = absolute.components().as_path().as_os_str().to_os_string();
    name.push(".list");
    name.into()
}

/// Writes the list under another name and renames it once it is whole.
fn write_list(folder: &Path, list: &List) -> Result<PathBuf> {
    let path = list_path(folder);
    let bytes = list.to_bytes().map_err(|error| Error::failed(error.to_string()))?;
    let mut partial = path.clone().into_os_string();
    partial.push(format!(".{}.partial", std::process::id()));
    let written = File::create(&partial)
        .and_then(|mut file| file.write_all(&bytes))
        .and_then(|()| std::fs::rename(&partial, &path));
    written.map_err(|cause| {
        let _ = std::fs::remove_file(&partial);
        Error::failed(format!("cannot write {}", path.display())).note(cause.to_string())
    })?;
    Ok(path)
}

/// What was wrong with the archive, else what was there before.
fn outcome(arguments: &InitramfsUnpack, done: &[Done], summary: &ImageSummary) -> Option<Error> {
    let refused: Vec<_> = done.iter().flat_map(|done| &done.unpacking.refused).collect();
    let kept: Vec<_> = done.iter().flat_map(|done| &done.unpacking.kept).collect();
    let fault = faults(&arguments.archive, summary).map(|error| error.hint(list_command(&arguments.archive)));
    let more = |count: usize| (count > TOLD).then(|| format!("and {} more", count - TOLD));
    if let Some(error) =
        fault.clone().or_else(|| (!refused.is_empty()).then(|| refusal(arguments, refused.len())))
    {
        let told = refused.iter().take(TOLD).map(|entry| {
            let place = match &summary.segments[entry.segment] {
                plain if plain.form == initramfs::Form::Plain => format!("byte {}", entry.offset),
                packed => format!("byte {} of the data compressed at byte {}", entry.offset, packed.offset),
            };
            format!("{place}, {} was not unpacked: {}", shown(&entry.name), entry.why)
        });
        let error = told.chain(more(refused.len())).fold(error, Error::note);
        return Some(error);
    }
    if kept.is_empty() {
        return None;
    }
    let count = if kept.len() == 1 { "1 file".to_string() } else { format!("{} files", kept.len()) };
    let error =
        Error::failed(format!("{count} of {} were there before and were kept", arguments.folder.display()));
    let told = kept.iter().take(TOLD).map(|path| shown(path)).chain(more(kept.len()));
    Some(told.fold(error, Error::note).hint("allno initramfs unpack --force, which replaces them"))
}

fn refusal(arguments: &InitramfsUnpack, count: usize) -> Error {
    let entries = if count == 1 { "1 entry".to_string() } else { format!("{count} entries") };
    Error::input(format!("{}: {entries} could not be unpacked", arguments.archive.display()))
        .hint(list_command(&arguments.archive))
}

fn report(done: &[Done]) -> String {
    let mut text = String::new();
    for Done { folder, list, unpacking } in done {
        let entries =
            if unpacking.entries == 1 { "1 entry".into() } else { format!("{} entries", unpacking.entries) };
        text.push_str(&format!("  unpacked  {entries} into {}\n", folder.display()));
        if let Some(list) = list {
            text.push_str(&format!("  listed    owners, modes and nodes in {}\n", list.display()));
        }
    }
    text
}

/// docs/json.md, "initramfs unpack".
fn object(arguments: &InitramfsUnpack, done: &[Done], summary: &ImageSummary) -> Value {
    let folders: Vec<Value> = done.iter().map(folder_object).collect();
    json!({
        "archive": arguments.archive.to_string_lossy(),
        "folders": folders,
        "problems": problems_object(summary),
        "problems_left_out": summary.problems_left_out,
    })
}

fn folder_object(done: &Done) -> Value {
    let refused: Vec<Value> = done
        .unpacking
        .refused
        .iter()
        .map(|entry| {
            json!({
                "segment": entry.segment,
                "offset": entry.offset,
                "name": text(&entry.name),
                "name_bytes": odd_bytes(&entry.name),
                "why": entry.why,
            })
        })
        .collect();
    let kept = done.unpacking.kept.iter();
    let kept: Vec<Value> =
        kept.map(|path| json!({ "name": text(path), "name_bytes": odd_bytes(path) })).collect();
    json!({
        "folder": std::path::absolute(&done.folder).unwrap_or_else(|_| done.folder.clone()),
        "list": done.list,
        "entries": done.unpacking.entries,
        "kept": kept,
        "refused": refused,
    })
}
