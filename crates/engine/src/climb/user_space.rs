//! What a proof's machine runs and reads: its initramfs and its disk.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Context, Error, Result};
use initramfs::{Compression, Content, Entry, Kind, Manifest};
use store::{Artifact, Inputs, Sha256};

use crate::build::{Kernel, Programs};
use crate::data::LADDER_FOLDER;
use crate::disk::{BaseDisk, WholeDisk};
use crate::image::{lay_over, packing};
use crate::proof::{Disk, Proof};
use crate::workshop::Workshop;

/// How long compiling one small program, or making a small file system, may take.
const TOOL_LIMIT: Duration = Duration::from_secs(120);
/// The compression of every initramfs of the ladder: the one the initramfs rung can read.
const COMPRESSION: Compression = Compression::Gzip { level: 6 };
/// Folders that scripts mount on.
const FOLDERS: [&str; 6] = ["/dev", "/proc", "/sys", "/mnt", "/tmp", "/root"];
/// The line on [`Disk::Text`], and in the file `greeting` of [`Disk::Ext4`].
const GREETING: &str = "a line from the disk\n";
/// The size of a disk, in bytes.
const DISK_BYTES: u64 = 16 << 20;
const IMAGE: &str = "initramfs";

/// A file in the store, held there.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The file.
    pub path: PathBuf,
    _artifact: Artifact,
}

/// What a proof's machine is given.
#[derive(Clone, Debug)]
pub(super) struct UserSpace {
    /// The initramfs, if it has one.
    pub initramfs: Option<Held>,
    /// The disk, if it has one. A machine gets it as a snapshot: what it writes is thrown away.
    pub disk: Option<HeldDisk>,
    /// The word that names the disk's root to the kernel, where it has a distribution's.
    pub root_word: Option<String>,
    /// The key that opens it over SSH, where that can be asked.
    pub key: Option<PathBuf>,
}

/// A disk in the store, held there.
#[derive(Clone, Debug)]
pub(super) enum HeldDisk {
    /// One of the ladder's own.
    Small(Held),
    /// One with a kernel on it.
    Whole(WholeDisk),
}

impl HeldDisk {
    /// The raw image.
    pub fn path(&self) -> PathBuf {
        match self {
            HeldDisk::Small(held) => held.path.clone(),
            HeldDisk::Whole(disk) => disk.path(),
        }
    }
}

impl UserSpace {
    /// Makes what the proof asks for.
    ///
    /// # Errors
    /// A file of `ladder/` that does not exist or compile; a recipe that does not build.
    pub fn of(
        workshop: &Workshop,
        proof: &Proof,
        base: Option<&BaseDisk>,
        kernel: &Kernel,
    ) -> Result<UserSpace> {
        let root = proof.init.as_ref().map(|init| Root::of(workshop, proof, init.get_ref())).transpose()?;
        let initramfs = root.as_ref().filter(|_| proof.disk != Some(Disk::Root));
        let mut user_space = UserSpace {
            initramfs: initramfs.map(|root| root.initramfs(workshop)).transpose()?,
            disk: None,
            root_word: None,
            key: None,
        };
        match (proof.disk, base) {
            (None, _) => {}
            (Some(Disk::Distribution), Some(base)) => {
                let disk = base.with(workshop.session, kernel, &workshop.source.version)?;
                user_space.disk = Some(HeldDisk::Whole(disk));
                user_space.root_word = Some(base.root_word());
                user_space.key = Some(base.key()?.to_path_buf());
            }
            (Some(Disk::Distribution), None) => return Err(Error::failed("no distribution's disk was made")),
            (Some(kind), _) => user_space.disk = Some(HeldDisk::Small(disk(workshop, kind, root.as_ref())?)),
        }
        Ok(user_space)
    }
}

/// A root file system: process 1, the recipes' programs and some folders.
struct Root {
    init: Entry,
    programs: Programs,
    inputs: Inputs,
}

impl Root {
    fn of(workshop: &Workshop, proof: &Proof, init: &str) -> Result<Root> {
        let file = LADDER_FOLDER.file(init)?;
        let entry = match init.ends_with(".c") {
            true => Entry::file(0o755, compile(workshop, &file.text)?.path),
            false => Entry::bytes(0o755, file.text.as_bytes()),
        };
        let names: Vec<String> = proof.recipes.iter().map(|name| name.get_ref().clone()).collect();
        let programs = workshop.programs(&names)?;
        let mut inputs = Inputs::new()
            .with("init", Sha256::of(file.text.as_bytes()).to_string())
            .with("folders", FOLDERS.join(" "))
            .with("compiler", &workshop.toolchain.compiler);
        for (recipe, artifact) in &programs.trees {
            inputs.add(&recipe.name, artifact.digest.to_string());
        }
        Ok(Root { init: entry, programs, inputs })
    }

    fn manifest(&self) -> Result<Manifest> {
        let mut manifest = lay_over(&self.programs)?;
        for folder in FOLDERS {
            if manifest.get(folder).is_none() {
                manifest.add(folder, Entry::directory(0o755)).map_err(packing)?;
            }
        }
        manifest.add("/init", self.init.clone()).map_err(packing)?;
        Ok(manifest)
    }

    fn initramfs(&self, workshop: &Workshop) -> Result<Held> {
        let inputs = self.inputs.clone().with("compression", COMPRESSION.to_string());
        let artifact = workshop.session.realize("ladder-initramfs", &inputs, |tree| {
            let mut manifest = self.manifest()?;
            manifest.add("/dev/console", Entry::character_device(0o600, 5, 1)).map_err(packing)?;
            let path = tree.join(IMAGE);
            let out = File::create(&path).context(|| format!("cannot write {}", path.display()))?;
            initramfs::pack(&manifest, COMPRESSION, out).map_err(packing)?;
            Ok(())
        })?;
        Ok(Held { path: artifact.path.join(IMAGE), _artifact: artifact })
    }

    /// Writes it into `folder` as files of the host.
    fn write(&self, folder: &Path) -> Result<()> {
        for (path, entry) in self.manifest()?.entries() {
            let name = OsStr::from_bytes(path);
            let to = folder.join(name.to_str().unwrap_or_default().trim_start_matches('/'));
            write_entry(&to, entry).context(|| format!("cannot write {}", to.display()))?;
        }
        Ok(())
    }
}

fn write_entry(to: &Path, entry: &Entry) -> std::io::Result<()> {
    match &entry.kind {
        Kind::Directory => std::fs::create_dir_all(to),
        Kind::Symlink(target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), to),
        Kind::File(Content::Path(from)) => std::fs::copy(from, to).map(drop),
        Kind::File(Content::Bytes(bytes)) => std::fs::write(to, bytes),
        other => Err(std::io::Error::other(format!("{other:?} has no place on a disk made here"))),
    }?;
    match entry.kind {
        Kind::File(_) => std::fs::set_permissions(to, std::fs::Permissions::from_mode(entry.mode)),
        _ => Ok(()),
    }
}

/// A program with no C library, as the kernel alone has to run it.
fn compile(workshop: &Workshop, text: &str) -> Result<Held> {
    let inputs = Inputs::new().with("program", text).with("compiler", &workshop.toolchain.compiler);
    let artifact = workshop.session.realize("ladder-program", &inputs, |tree| {
        let source = tree.join("program.c");
        std::fs::write(&source, text).context(|| format!("cannot write {}", source.display()))?;
        let compiler = Program::new("gcc")
            .args(["-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-Os", "-s", "-o"])
            .args([tree.join("program"), source]);
        compiler.succeed(TOOL_LIMIT, &workshop.session.cancel).map(drop)
    })?;
    Ok(Held { path: artifact.path.join("program"), _artifact: artifact })
}

fn disk(workshop: &Workshop, kind: Disk, root: Option<&Root>) -> Result<Held> {
    let mut inputs = Inputs::new()
        .with("kind", format!("{kind:?}"))
        .with("bytes", DISK_BYTES.to_string())
        .with("greeting", GREETING);
    let root = root.filter(|_| kind == Disk::Root);
    for (name, value) in root.iter().flat_map(|root| root.inputs.iter()) {
        inputs.add(name, value);
    }
    let artifact = workshop.session.realize("ladder-disk", &inputs, |tree| {
        let (path, content) = (tree.join("disk"), tree.join("content"));
        let told = || format!("cannot write {}", path.display());
        if kind == Disk::Text {
            std::fs::write(&path, GREETING).context(told)?;
        }
        let file = File::options().create(true).append(true).open(&path);
        file.and_then(|file| file.set_len(DISK_BYTES)).context(told)?;
        if kind == Disk::Text {
            return Ok(());
        }
        std::fs::create_dir(&content).context(told)?;
        match root {
            Some(root) => root.write(&content)?,
            None => std::fs::write(content.join("greeting"), GREETING).context(told)?,
        }
        make_ext4(workshop, &content, &path)?;
        std::fs::remove_dir_all(&content).context(told)
    })?;
    Ok(Held { path: artifact.path.join("disk"), _artifact: artifact })
}

fn make_ext4(workshop: &Workshop, content: &Path, disk: &Path) -> Result<()> {
    let tool = Program::new("mke2fs")
        .args(["-q", "-t", "ext4", "-U", "6e6c6c61-6f00-4000-8000-000000000001"])
        .args(["-E", "hash_seed=6e6c6c61-6f00-4000-8000-000000000002,root_owner=0:0"])
        // Debian has it where an ordinary user's PATH does not lead.
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .env("E2FSPROGS_FAKE_TIME", "1")
        .args(["-d".as_ref(), content.as_os_str(), disk.as_os_str()]);
    tool.succeed(TOOL_LIMIT, &workshop.session.cancel).map(drop)
}
