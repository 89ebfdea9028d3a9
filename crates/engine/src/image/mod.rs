//! The initramfs: the programs, the spec's large files and the node's small ones, each a segment of its own, so
//! that an edit packs only what it changes.

pub mod node;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use base::{Context, Error, Result, Size};
use initramfs::{Compression, Content, Entry, Kind, Manifest, Segment, Statistics};
use store::{Artifact, Hasher, Inputs, Known, Sha256};

use crate::build::Programs;
use crate::session::Session;
use node::NodeFiles;

/// Part of every key: raised when the packer's output changes.
const PACKER: &str = "2";
const SEGMENT: &str = "segment";
/// Beside the segment that begins an image: the state of the hash after it.
const STATE: &str = "segment.hash";
const IMAGE: &str = "initramfs";

/// A packed initramfs.
#[derive(Clone, Debug)]
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Hash of it.
    pub digest: String,
    _held: Option<Artifact>,
    /// What it begins with.
    programs: Option<Artifact>,
}

impl Image {
    /// Copies what the image begins with, so that the next image, after an edit, need not wait for that. Without the copy (the disk
    /// is full) all goes the same way, only later.
    pub fn copy_ahead(&self, session: &Session) {
        let Some(programs) = &self.programs else { return };
        if let Err(error) = session.store.keep_spare(programs, SEGMENT) {
            session.events.detail(format!("the next edit's boot begins a little later: {error}"));
        }
    }

    /// An archive of the person's own.
    ///
    /// # Errors
    /// There is no such file ([`base::Kind::Input`]).
    pub fn of_file(path: &Path) -> Result<Image> {
        let wrong = |cause: String| {
            Error::input(format!("cannot boot the initramfs {}", path.display())).note(cause).hint(
                "allno build --json says where the packed one is; copy it, allno initramfs edit the copy",
            )
        };
        let metadata = path.metadata().map_err(|cause| wrong(cause.to_string()))?;
        if !metadata.is_file() {
            return Err(wrong("it is no file".to_string()));
        }
        let told = |cause: std::io::Error| wrong(cause.to_string());
        let digest = Sha256::of_file(path).map_err(told)?;
        let path = std::path::absolute(path).map_err(told)?;
        Ok(Image { path, bytes: metadata.len(), digest: digest.to_string(), _held: None, programs: None })
    }
}

/// Packs what is not packed yet and joins the segments.
///
/// # Errors
/// A path that two recipes bring; a file that cannot be read.
pub fn pack(
    session: &Session,
    programs: &Programs,
    files: &NodeFiles,
    compression: Compression,
) -> Result<Image> {
    let task = session.events.task("packing", "initramfs");
    let mut packed = Statistics::default();
    let programs = pack_programs(session, programs, compression, &mut packed)?;
    let large = pack_large(session, &files.large, compression, &mut packed)?;
    let mut small = Vec::new();
    let small_packed = initramfs::pack(&files.small, compression, &mut small).map_err(packing)?;
    let mut inputs = Inputs::new()
        .with("packer", PACKER)
        .with("compression", compression.to_string())
        .with("programs", programs.digest.to_string())
        .with("small files", Sha256::of(&small).to_string());
    for (path, entry) in files.small.entries() {
        inputs.add(format!("/{}", String::from_utf8_lossy(path)), entry_key(entry));
    }
    if let Some(large) = &large {
        inputs.add("large files", large.digest.to_string());
    }
    let image = session.realize("initramfs", &inputs, |tree| {
        let mut segments = vec![Segment::File(programs.path.join(SEGMENT))];
        segments.extend(large.iter().map(|it| Segment::File(it.path.join(SEGMENT))));
        segments.push(Segment::Bytes(&small));
        join(&programs, &segments, tree)
    })?;
    let path = image.path.join(IMAGE);
    let bytes = path.metadata().map(|it| it.len()).context(|| format!("cannot read {}", path.display()))?;
    if image.fresh {
        let appended = packed.written + small_packed.written;
        let kept = bytes.saturating_sub(appended);
        task.end(
            "packed",
            format!(
                "initramfs {}   {} entries, {} packed, {} untouched",
                Size(bytes),
                packed.entries + small_packed.entries,
                Size(appended),
                Size(kept)
            ),
        );
    }
    Ok(Image { path, bytes, digest: image.digest.to_string(), _held: Some(image), programs: Some(programs) })
}

/// Writes the image into `tree`, and hashes it meanwhile on another processor; all but its first segment, which is `programs` and
/// whose hash is kept.
fn join(programs: &Artifact, segments: &[Segment], tree: &Path) -> Result<Known> {
    std::thread::scope(|scope| {
        let hash = scope.spawn(|| {
            let state = std::fs::read(programs.path.join(STATE)).ok();
            let known = state.and_then(|state| Hasher::resume(&state));
            let rest = if known.is_some() { &segments[1..] } else { segments };
            let mut hasher = known.unwrap_or_default();
            initramfs::write_image(rest, &mut hasher).map(|_| hasher.finish())
        });
        let written = write(programs, segments, &tree.join(IMAGE));
        let hashed = hash.join().map_err(|_| Error::failed("hashing the initramfs panicked"))?;
        Ok(Known::default().with(IMAGE, written?, hashed.map_err(packing)?))
    })
}

/// Writes the image to `path`, behind the spare copy of its first segment if there is one; returns its length.
fn write(programs: &Artifact, segments: &[Segment], path: &Path) -> Result<u64> {
    let failed = || format!("cannot write {}", path.display());
    let written = match programs.take_spare(SEGMENT, path) {
        Some(begun) => {
            let mut out = OpenOptions::new().append(true).open(path).context(failed)?;
            initramfs::continue_image(begun, &segments[1..], &mut out)
        }
        None => initramfs::write_image(segments, &mut File::create(path).context(failed)?),
    };
    written.map_err(packing)
}

pub(crate) fn packing(error: initramfs::Error) -> Error {
    Error::failed("cannot pack the initramfs").note(error.to_string())
}

pub(crate) fn entry_key(entry: &Entry) -> String {
    let kind = match &entry.kind {
        Kind::File(Content::Bytes(bytes)) => format!("file {}", Sha256::of(bytes).short(16)),
        Kind::File(Content::Path(path)) => format!("file {}", path.display()),
        Kind::Symlink(target) => format!("link to {}", String::from_utf8_lossy(target)),
        Kind::CharacterDevice { major, minor } => format!("character device {major}:{minor}"),
        other => format!("{other:?}").to_lowercase(),
    };
    format!("{kind}, mode {:04o}, owner {}:{}", entry.mode, entry.uid, entry.gid)
}

fn pack_programs(
    session: &Session,
    programs: &Programs,
    compression: Compression,
    packed: &mut Statistics,
) -> Result<Artifact> {
    let mut inputs = Inputs::new().with("packer", PACKER).with("compression", compression.to_string());
    for (index, (recipe, artifact)) in programs.trees.iter().enumerate() {
        inputs.add(format!("{index} {}", recipe.name), artifact.digest.to_string());
    }
    segment(session, "initramfs-programs", &inputs, compression, packed, true, || lay_over(programs))
}

fn pack_large(
    session: &Session,
    large: &Manifest,
    compression: Compression,
    packed: &mut Statistics,
) -> Result<Option<Artifact>> {
    let mut inputs = Inputs::new().with("packer", PACKER).with("compression", compression.to_string());
    let mut any = false;
    for (path, entry) in large.entries() {
        let Kind::File(Content::Path(from)) = &entry.kind else { continue };
        any = true;
        let digest = Sha256::of_file(from).context(|| format!("cannot read {}", from.display()))?;
        inputs.add(
            format!("/{}", String::from_utf8_lossy(path)),
            format!("{digest}, mode {:04o}, owner {}:{}", entry.mode, entry.uid, entry.gid),
        );
    }
    if !any {
        return Ok(None);
    }
    segment(session, "initramfs-files", &inputs, compression, packed, false, || Ok(large.clone())).map(Some)
}

/// A packed segment, from the store or packed now; what had to be packed is added to `packed`. `first`: an image begins
/// with it, so the hash is kept there.
fn segment(
    session: &Session,
    name: &str,
    inputs: &Inputs,
    compression: Compression,
    packed: &mut Statistics,
    first: bool,
    manifest: impl FnOnce() -> Result<Manifest>,
) -> Result<Artifact> {
    session.realize(name, inputs, |tree| {
        let path = tree.join(SEGMENT);
        let out = File::create(&path).context(|| format!("cannot write {}", path.display()))?;
        let written = initramfs::pack(&manifest()?, compression, out).map_err(packing)?;
        packed.entries += written.entries;
        packed.written += written.written;
        if first {
            let mut hasher = Hasher::new();
            initramfs::write_image(&[Segment::File(path)], &mut hasher).map_err(packing)?;
            let state = tree.join(STATE);
            std::fs::write(&state, hasher.state()).context(|| format!("cannot write {}", state.display()))?;
        }
        Ok(())
    })
}

/// The recipes' trees over each other, by the rule of `recipes/README.md`: a later path may take the place of an
/// earlier symbolic link; any other path in two trees is an error.
pub(crate) fn lay_over(programs: &Programs) -> Result<Manifest> {
    let mut entries: std::collections::BTreeMap<String, (Entry, &str)> = Default::default();
    for (recipe, artifact) in &programs.trees {
        let mut found = Vec::new();
        walk(&artifact.path, "", &mut found)?;
        for (path, entry) in found {
            let clash = entries.get(&path).filter(|(known, _)| {
                let both_folders = known.kind == Kind::Directory && entry.kind == Kind::Directory;
                !both_folders && !matches!(known.kind, Kind::Symlink(_))
            });
            if let Some((_, owner)) = clash {
                return Err(Error::input(format!("/{path} comes with both {owner} and {}", recipe.name))
                    .hint("leave one of the two recipes out of [userland] recipes"));
            }
            entries.insert(path, (entry, &recipe.name));
        }
    }
    let mut manifest = Manifest::new();
    for (path, (entry, owner)) in entries {
        manifest.add(&path, entry.origin(owner)).map_err(packing)?;
    }
    Ok(manifest)
}

/// All below `folder`, with the modes of a program tree: everything is root's, and executable or not.
fn walk(folder: &Path, prefix: &str, found: &mut Vec<(String, Entry)>) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let failed = || format!("cannot read {}", folder.display());
    for entry in std::fs::read_dir(folder).context(failed)? {
        let entry = entry.context(failed)?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| Error::failed("a program's path is not UTF-8"))?;
        let path = if prefix.is_empty() { name.to_string() } else { format!("{prefix}/{name}") };
        let metadata = entry.metadata().context(failed)?;
        if metadata.is_dir() {
            found.push((path.clone(), Entry::directory(0o755)));
            walk(&entry.path(), &path, found)?;
        } else if metadata.is_symlink() {
            let target = std::fs::read_link(entry.path()).context(failed)?;
            found.push((path, Entry::symlink(target.as_os_str().as_bytes())));
        } else {
            let mode = if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
            found.push((path, Entry::file(mode, entry.path())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use base::{Cancel, Events};
    use store::{Project, Store};

    use super::*;

    fn archive(path: &str, text: &str) -> Vec<u8> {
        let mut manifest = Manifest::new();
        manifest.add(path, Entry::bytes(0o644, text)).unwrap();
        let mut packed = Vec::new();
        initramfs::pack(&manifest, Compression::None, &mut packed).unwrap();
        packed
    }

    #[test]
    fn an_image_behind_a_spare_copy_is_the_same_and_the_programs_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let project = Project::at(folder.path()).unwrap();
        let first = archive("bin/sh", "a program, and its length is odd");
        let keep = |tree: &Path| std::fs::write(tree.join(SEGMENT), &first).context(|| "no file".into());
        let inputs = Inputs::new().with("a", "1");
        let programs =
            store.realize("programs", &inputs, &project, &Events::silent(), &Cancel::new(), keep).unwrap();
        let (large, small) = (archive("data", "large"), archive("init", "small"));
        let segments =
            [Segment::File(programs.path.join(SEGMENT)), Segment::Bytes(&large), Segment::Bytes(&small)];
        let image = |name: &str| {
            let path = folder.path().join(name);
            let length = write(&programs, &segments, &path).unwrap();
            let bytes = std::fs::read(path).unwrap();
            assert_eq!(length, bytes.len() as u64);
            bytes
        };
        let whole = image("whole");
        store.keep_spare(&programs, SEGMENT).unwrap();
        assert_eq!(image("behind the copy"), whole);
        assert_eq!(image("whole again"), whole);
        assert_eq!(std::fs::read(programs.path.join(SEGMENT)).unwrap(), first);
    }
}
