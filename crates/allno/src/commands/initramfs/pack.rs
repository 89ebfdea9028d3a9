//! `allno initramfs pack`: from a folder or a list to an archive.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use base::{Context as _, Error, Result, Size, Snippet};
use initramfs::{Compression, Error as Refusal, List, Packer, ScanOptions, Statistics};
use serde_json::{Value, json};

use super::output::{self, Output};
use super::{Answer, Context, shown, text};
use crate::arguments::{InitramfsForm, InitramfsPack};

/// The largest list that is read.
const LIST_MAX: u64 = 1 << 30;
/// As many names that came or went are told to a person.
const TOLD: usize = 10;

/// Packs it.
pub fn run(context: &Context, arguments: &InitramfsPack) -> Result<Answer> {
    let compression = form(&arguments.form)?.unwrap_or(Compression::Gzip { level: 6 });
    let options = ScanOptions { preserve: arguments.preserve, mtime: source_date_epoch()?.unwrap_or(0) };
    let from = &arguments.from;
    let listed = match from.is_dir() {
        true => folder(from, options, &arguments.output)?,
        false => initramfs::Listed { list: list(from, options.mtime)?, ..Default::default() },
    };
    let packer = Packer::new(compression);
    let statistics = output::make(context, &arguments.output, compression, |output| match output {
        Output::Plain(file) => packer.pack_list(&listed.list, file),
        Output::Compressed(stopping) => packer.pack_list(&listed.list, stopping),
    })?;
    for (names, what) in [
        (&listed.added, "not in the list, packed as it is"),
        (&listed.removed, "in the list, no longer in the folder"),
    ] {
        tell(context, names, what);
    }
    let mut object = object(&arguments.output, &statistics, compression);
    for (key, names) in [("added", &listed.added), ("removed", &listed.removed)] {
        object[key] = names.iter().map(|name| text(name)).collect();
    }
    Answer::new(context.global, &object, || line(&arguments.output, &statistics, compression))
}

/// What was made, for programs: docs/json.md.
pub fn object(output: &Path, statistics: &Statistics, compression: Compression) -> Value {
    json!({
        "archive": output.to_string_lossy(),
        "compression": compression.to_string(),
        "entries": statistics.entries,
        "uncompressed": statistics.uncompressed,
        "size": statistics.written,
    })
}

/// One line on what was made.
pub fn line(output: &Path, statistics: &Statistics, compression: Compression) -> String {
    let Statistics { entries, uncompressed, written } = *statistics;
    let sizes = match compression {
        Compression::None => Size(written).to_string(),
        form => format!("{form} {} of {}", Size(written), Size(uncompressed)),
    };
    format!("  packed     {}   {entries} entries, {sizes}\n", output.display())
}

fn tell(context: &Context, names: &[Vec<u8>], what: &str) {
    for name in names.iter().take(TOLD) {
        context.events.line("note", format!("{}: {what}", shown(name)));
    }
    if names.len() > TOLD {
        context.events.line("note", format!("and {} more", names.len() - TOLD));
    }
}

/// What --compress and --level ask for.
pub fn form(form: &InitramfsForm) -> Result<Option<Compression>> {
    let wrong = |cause: Refusal| Error::input(cause.to_string());
    let compression = match &form.compress {
        Some(name) => Some(name.parse::<Compression>().map_err(wrong)?),
        None => None,
    };
    match form.level {
        None => Ok(compression),
        Some(level) => {
            let base = compression.unwrap_or(Compression::Gzip { level });
            base.with_level(level).map(Some).map_err(wrong)
        }
    }
}

/// The time that archives are to carry (reproducible-builds.org, SOURCE_DATE_EPOCH).
pub fn source_date_epoch() -> Result<Option<u32>> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    value.to_str().and_then(|value| value.parse().ok()).map(Some).ok_or_else(|| {
        Error::input(format!("SOURCE_DATE_EPOCH is {}", value.to_string_lossy()))
            .note("an archive holds seconds since 1970, up to 4294967295")
            .hint("unset SOURCE_DATE_EPOCH")
    })
}

/// The folder's entries, by the list beside it where there is one.
fn folder(folder: &Path, options: ScanOptions, output: &Path) -> Result<initramfs::Listed> {
    refuse_within(folder, output)?;
    let beside = list_beside(folder)?;
    let scanned = match beside.is_file() {
        true => {
            let listed = list(&beside, options.mtime)?;
            initramfs::scan_listed(folder, &listed, options)
        }
        false => {
            initramfs::scan(folder, options).map(|list| initramfs::Listed { list, ..Default::default() })
        }
    };
    scanned.map_err(|cause| refusal(folder, cause))
}

/// `DIR.list`, where unpack writes what the folder cannot hold.
fn list_beside(folder: &Path) -> Result<PathBuf> {
    // "." has no name to write ".list" behind.
    let mut name =
        folder.canonicalize().context(|| format!("cannot find {}", folder.display()))?.into_os_string();
    name.push(".list");
    Ok(name.into())
}

/// An archive within the folder would go into itself the next time.
fn refuse_within(folder: &Path, output: &Path) -> Result<()> {
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(folder_path), Ok(parent)) = (folder.canonicalize(), parent.canonicalize()) else { return Ok(()) };
    match parent.starts_with(&folder_path) {
        true => Err(Error::input(format!("{} lies within {}", output.display(), folder.display()))
            .note("it would be packed into itself the next time")
            .hint("give --output a place outside the folder")),
        false => Ok(()),
    }
}

/// A list in the format of the kernel's gen_init_cpio.
fn list(path: &Path, mtime: u32) -> Result<List> {
    let file = super::source::open(path, &base::Cancel::new())?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(&*file, LIST_MAX + 1), &mut bytes)
        .map_err(|cause| super::unreadable(path, cause))?;
    if bytes.len() as u64 > LIST_MAX {
        return Err(Error::input(format!("{} is larger than 1 GiB", path.display())));
    }
    if bytes.starts_with(b"07070") || bytes.contains(&0) {
        return Err(Error::input(format!("{} is neither a folder nor a list", path.display()))
            .note("a list is text: file, dir, nod, slink, pipe and sock lines, as the kernel's gen_init_cpio reads")
            .hint(format!("allno initramfs ls {}", path.display())));
    }
    let variable =
        |name: &[u8]| std::env::var_os(std::ffi::OsStr::from_bytes(name)).map(OsStringExt::into_vec);
    List::parse(&bytes, mtime, variable).map_err(|cause| match cause {
        Refusal::List { line, why } => at_line(path, &bytes, line, why),
        other => refusal(path, other),
    })
}

fn at_line(path: &Path, bytes: &[u8], line: usize, why: String) -> Error {
    let source = String::from_utf8_lossy(bytes);
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let length = source[start..].lines().next().map_or(0, str::len);
    Error::input(why).at(Snippet::of(path, &source, start..start + length))
}

/// What the library says, as a person and the exit code are to have it. `output` is what was to be written.
pub fn refusal(output: &Path, cause: Refusal) -> Error {
    match cause {
        Refusal::Write { source } => Err::<(), _>(source)
            .context(|| format!("cannot write {}", output.display()))
            .expect_err("an error was given"),
        Refusal::Read { path, source } => super::unreadable(&path, source),
        other => Error::input(crate::terminal::tame(&other.to_string())),
    }
}
