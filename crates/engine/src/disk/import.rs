//! A root file system out of a disk image from elsewhere.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::{Program, ending};
use base::{Cancel, Context, Error, Result, Size};
use disk::Layout;
use disk::filesystem::{Ext, FileSystem};
use disk::find::{Place, places};
use store::{Inputs, Sha256};

use super::plan::{Plan, size_error};
use super::root::Root;
use super::{told, told_input};
use crate::session::Session;
use crate::spec::SpecFile;

/// Part of the key: raised when this file makes other bytes of the same inputs.
const WAY: &str = "2";
/// debugfs looks up one name.
const LOOK_LIMIT: Duration = Duration::from_secs(60);
/// Turning a qcow2 image into a raw one.
const CONVERT_LIMIT: Duration = Duration::from_secs(3600);
const FILE: &str = "root";
/// Beside it: the PARTUUID it had, or nothing.
const PARTITION: &str = "partition";
const RAW: &str = ".raw";
/// What the kernel starts as process 1, in its order (kernel: init/main.c, `kernel_init`).
const INITS: [&str; 4] = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];

/// The root file system of the image at `path`: from the store, else copied now.
///
/// # Errors
/// [`base::Kind::Input`]: no such image, none that can be read, or none with a root file system, with what it has instead; the
/// size that was asked for is too small for it.
pub fn make(session: &Session, spec: &SpecFile, plan: &Plan, path: &Path) -> Result<Root> {
    let wrong = |cause: String| Error::input(format!("cannot import {}", path.display())).note(cause);
    let metadata = path.metadata().map_err(|cause| wrong(cause.to_string()))?;
    if !metadata.is_file() {
        return Err(wrong("it is no regular file".into()));
    }
    let mut file = File::open(path).map_err(|cause| wrong(cause.to_string()))?;
    let qcow2 = disk::qcow2::read(&mut file).map_err(|error| told_input(error, wrong("".into())))?;
    let sha256 = Sha256::of_file(path).map_err(|cause| wrong(cause.to_string()))?;
    let inputs = Inputs::new().with("way of importing", WAY).with("image", sha256.to_string());
    let artifact = session.realize("disk-import", &inputs, |tree| {
        let task = session.events.task("importing", path.display().to_string());
        let raw = match qcow2 {
            Some(_) => to_raw(path, &tree.join(RAW), &session.cancel)?,
            // debugfs takes what follows a question mark for options.
            None => link(path, &tree.join(RAW))?,
        };
        let taken = take(&raw, path, &tree.join(FILE), &session.cancel)?;
        std::fs::remove_file(&raw).context(|| "cannot remove a scratch file".into())?;
        task.end("imported", format!("{}   {taken}", path.display()));
        Ok(())
    })?;
    let root = artifact.path.join(FILE);
    let bytes = root.metadata().context(|| format!("cannot read {}", root.display()))?.len();
    let mut file = File::open(&root).context(|| format!("cannot read {}", root.display()))?;
    let found = disk::filesystem::probe(&mut file, 0, bytes)
        .map_err(|error| told(error, "cannot read the file system"))?;
    let FileSystem::Ext(ext) = found else {
        return Err(Error::failed("an imported file system is not one any more").hint("allno gc --verify"));
    };
    if ext.was_in_use {
        session.events.warn("the image was copied while it was in use; the first boot replays its journal");
    }
    let layout = layout(spec, plan, &ext)?;
    // Its fstab may name it so.
    let partition =
        std::fs::read_to_string(artifact.path.join(PARTITION)).ok().and_then(|text| text.parse().ok());
    Ok(Root { path: root, digest: artifact.digest.to_string(), layout, partition, _held: artifact })
}

/// A disk that the file system fits on, or of the size that was asked for.
fn layout(spec: &SpecFile, plan: &Plan, ext: &Ext) -> Result<Layout> {
    if !plan.size_is_asked {
        return Layout::of_root(ext.bytes).map_err(|error| told(error, "no disk can hold the file system"));
    }
    let layout = plan.layout(spec)?;
    match ext.bytes <= layout.root_bytes {
        true => Ok(layout),
        false => {
            let error =
                Error::input(format!("a disk of {} is too small for this file system", Size(plan.size)));
            let (takes, room) = (Size(ext.bytes), Size(layout.root_bytes));
            Err(size_error(spec, error.note(format!("it has {takes}, and the root partition has {room}"))))
        }
    }
}

fn to_raw(path: &Path, raw: &Path, cancel: &Cancel) -> Result<PathBuf> {
    // The format is named, not guessed: a raw disk whose first bytes a guest wrote must not be read as something else.
    let program =
        Program::new("qemu-img").args(["convert", "-f", "qcow2", "-O", "raw", "--"]).arg(path).arg(raw);
    let captured = program.capture(CONVERT_LIMIT, cancel)?;
    match captured.status.success() {
        true => Ok(raw.to_path_buf()),
        false => Err(Error::input(format!("cannot import {}", path.display()))
            .note(format!("qemu-img {}", ending(captured.status)))
            .output(captured.stderr.lines().map(String::from))),
    }
}

fn link(path: &Path, raw: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).context(|| format!("cannot find {}", path.display()))?;
    std::os::unix::fs::symlink(absolute, raw).context(|| "cannot write to the store".into())?;
    Ok(raw.to_path_buf())
}

/// Copies the root file system of `raw` to `to`; returns which it is, for a person. `shown` is the image's name.
fn take(raw: &Path, shown: &Path, to: &Path, cancel: &Cancel) -> Result<String> {
    let cannot = || format!("cannot read {}", shown.display());
    let mut image = File::open(raw).context(cannot)?;
    let bytes = image.metadata().context(cannot)?.len();
    let places = places(&mut image, bytes)
        .map_err(|error| told_input(error, Error::input(format!("cannot import {}", shown.display()))))?;
    let mut looked = Vec::new();
    let mut with_init = Vec::new();
    for place in &places {
        let init = match &place.file_system {
            FileSystem::Ext(_) => init_of(raw, place, cancel)?,
            _ => None,
        };
        looked.push(format!("{}: {}", name(place), described(place, init)));
        if matches!((&place.file_system, init), (FileSystem::Ext(_), Some(_))) {
            with_init.push(place);
        }
    }
    let chosen = with_init.iter().find(|place| place.says_root).or(with_init.first());
    let Some(chosen) = chosen else {
        let error = Error::input(format!("{} has no root file system", shown.display()));
        let error = looked.into_iter().fold(error, |error, line| error.note(line));
        return Err(error.note("looked for ext2, ext3 or ext4 with one of ".to_string() + &INITS.join(", ")));
    };
    let FileSystem::Ext(ext) = &chosen.file_system else { return Err(Error::failed("chose no file system")) };
    copy(&mut image, chosen.offset, ext.bytes, to, cancel)?;
    let unique = chosen.unique.map_or(String::new(), |unique| unique.to_string());
    std::fs::write(to.with_file_name(PARTITION), unique).context(|| "cannot write to the store".into())?;
    Ok(format!("{} of {}, {}", name(chosen), Size(ext.bytes), ext.name))
}

fn copy(image: &mut File, offset: u64, length: u64, to: &Path, cancel: &Cancel) -> Result<()> {
    use std::io::{Seek, SeekFrom};
    let cannot = || "cannot copy the file system".to_string();
    let mut out = File::create(to).context(cannot)?;
    out.set_len(length).context(cannot)?;
    image.seek(SeekFrom::Start(offset)).context(cannot)?;
    super::sparse_copy(image, &mut out, 0, length, cancel)
}

fn name(place: &Place) -> String {
    place.number.map_or("the whole image".to_string(), |number| format!("partition {number}"))
}

fn described(place: &Place, init: Option<&str>) -> String {
    match (&place.file_system, init) {
        (FileSystem::Ext(ext), Some(init)) => format!("{} with {init}", ext.name),
        (FileSystem::Ext(ext), None) => format!("{} with no init", ext.name),
        (FileSystem::Other(name), _) => {
            format!("{name}, which the kernel of a disk does not mount as its root")
        }
        (FileSystem::Unknown, _) => "nothing that is known".to_string(),
    }
}

/// The first of [`INITS`] that the file system has.
fn init_of(raw: &Path, place: &Place, cancel: &Cancel) -> Result<Option<&'static str>> {
    let image = format!("{}?offset={}", raw.display(), place.offset);
    for init in INITS {
        // -c: a damaged bitmap is no reason not to find a file. It reads; -w would write.
        let program = Program::new("debugfs").args(["-c", "-R", &format!("stat {init}"), &image]);
        let captured = program.env("LC_ALL", "C").capture(LOOK_LIMIT, cancel)?;
        if captured.stdout.contains("Type: regular") || captured.stdout.contains("Type: symlink") {
            return Ok(Some(init));
        }
    }
    Ok(None)
}
