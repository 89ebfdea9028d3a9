//! A disk image out of a kernel and a root file system: partition table, EFI system partition, GRUB.

use std::fs::File;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Cancel, Context, Error, Result, Size};
use disk::{esp, gpt, grub};
use machine::ImageFormat;
use store::{Artifact, Inputs, Sha256};

use super::plan::Plan;
use super::root::Root;
use super::{sparse_copy, told};
use crate::build::Kernel;
use crate::data::disk_file;
use crate::image::node::fill;
use crate::session::Session;

/// Part of the key: raised when this file makes other bytes of the same inputs.
const WAY: &str = "2";
/// Where Debian's grub-pc-bin puts GRUB for a BIOS; grub-mkimage looks there by itself.
const GRUB_FOLDER: &str = "/usr/lib/grub/i386-pc";
/// What GRUB has to know before it can read its menu, in its core: the BIOS's disks, the partition table and the file system; the
/// menu, and what the menu says.
const GRUB_MODULES: [&str; 11] =
    ["biosdisk", "part_gpt", "fat", "normal", "linux", "serial", "terminal", "test", "echo", "ls", "reboot"];
/// The second partition of whatever disk the BIOS started; there the folder grub.
const GRUB_PREFIX: &str = "(,gpt2)/grub";
const GRUB_LIMIT: Duration = Duration::from_secs(60);
const CONVERT_LIMIT: Duration = Duration::from_secs(3600);
/// Where firmware looks on a disk it has never seen (UEFI specification, 3.5.1.1). GRUB's menu names the same file.
const KERNEL_FILE: &str = "EFI/BOOT/BOOTX64.EFI";
const MENU_FILE: &str = "grub/grub.cfg";

/// A disk image in the store.
#[derive(Clone, Debug)]
pub struct DiskImage {
    /// The file.
    pub path: PathBuf,
    /// Hash of it.
    pub digest: String,
    _held: Artifact,
}

/// The raw image: from the store, else put together now.
///
/// # Errors
/// GRUB is not on this host, or fails; the kernel does not fit.
pub fn assemble(
    session: &Session,
    plan: &Plan,
    kernel: &Kernel,
    version: &str,
    root: &Root,
) -> Result<DiskImage> {
    let boot_path = Path::new(GRUB_FOLDER).join("boot.img");
    let boot = std::fs::read(&boot_path).map_err(|cause| {
        Error::host("GRUB for a BIOS is not on this machine")
            .note(format!("{}: {cause}", boot_path.display()))
            .hint("allno doctor --install")
    })?;
    let core = grub_core(&session.cancel)?;
    let menu = fill(disk_file("grub.cfg")?, &[("KERNEL_VERSION", version.to_string())].into());
    let inputs = Inputs::new()
        .with("way of building", WAY)
        .with("disk", root.layout.disk.to_string())
        .with("names", format!("{:?}", plan.names))
        .with("root", &root.digest)
        .with(
            "kernel",
            Sha256::of_file(&kernel.bz_image).context(|| "cannot read the kernel".into())?.to_string(),
        )
        .with("boot.img", Sha256::of(&boot).to_string())
        .with("core", Sha256::of(&core).to_string())
        .with("menu", &menu);
    let artifact = session.realize("disk", &inputs, |tree| {
        let task = session.events.task("assembling", "disk");
        let bz_image = std::fs::read(&kernel.bz_image).context(|| "cannot read the kernel".into())?;
        let path = tree.join(file_name(ImageFormat::Raw));
        let parts = Parts { plan, root, boot: &boot, core: &core, kernel: &bz_image, menu: menu.as_bytes() };
        parts.write(&path, &session.cancel)?;
        task.end(
            "assembled",
            format!("disk {}   GRUB for a BIOS, {KERNEL_FILE} for UEFI", Size(root.layout.disk)),
        );
        Ok(())
    })?;
    Ok(DiskImage::of(artifact, ImageFormat::Raw))
}

struct Parts<'a> {
    plan: &'a Plan,
    root: &'a Root,
    boot: &'a [u8],
    core: &'a [u8],
    kernel: &'a [u8],
    menu: &'a [u8],
}

impl Parts<'_> {
    fn write(&self, path: &Path, cancel: &Cancel) -> Result<()> {
        let layout = &self.root.layout;
        let cannot = || format!("cannot write {}", path.display());
        let wrong = |error| told(error, "the disk cannot be put together");
        let mut image = File::options().create_new(true).read(true).write(true).open(path).context(cannot)?;
        image.set_len(layout.disk).context(cannot)?;
        let (esp_at, esp_bytes) = layout.esp();
        // In memory first, so that its zeros take no room on the disk.
        let mut volume = Cursor::new(vec![0; esp_bytes as usize]);
        let number = u32::from_le_bytes(self.plan.names.esp.bytes()[..4].try_into().unwrap_or_default());
        esp::write(&mut volume, esp_bytes, number, &[(KERNEL_FILE, self.kernel), (MENU_FILE, self.menu)])
            .map_err(wrong)?;
        sparse_copy(&mut volume.get_ref().as_slice(), &mut image, esp_at, esp_bytes, cancel)?;
        let mut root = File::open(&self.root.path).context(cannot)?;
        sparse_copy(&mut root, &mut image, layout.root_at, layout.root_bytes, cancel)?;
        let names = &self.plan.names;
        gpt::write(&mut image, layout.disk, names.disk, &layout.partitions(names)).map_err(wrong)?;
        let (at, room) = layout.grub();
        grub::install(&mut image, self.boot, self.core, at, room).map_err(wrong)?;
        image.flush().context(cannot)
    }
}

impl DiskImage {
    fn of(artifact: Artifact, format: ImageFormat) -> DiskImage {
        let path = artifact.path.join(file_name(format));
        DiskImage { path, digest: artifact.digest.to_string(), _held: artifact }
    }
}

fn file_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Raw => "disk.img",
        ImageFormat::Qcow2 => "disk.qcow2",
    }
}

/// GRUB's core; grub-mkimage makes the same bytes of the same modules.
fn grub_core(cancel: &Cancel) -> Result<Vec<u8>> {
    let scratch = tempfile::tempdir().context(|| "no scratch folder".into())?;
    let core = scratch.path().join("core");
    let program = Program::new("grub-mkimage")
        .args(["--format=i386-pc", "--directory", GRUB_FOLDER, "--prefix", GRUB_PREFIX, "--output"])
        .arg(&core)
        .args(GRUB_MODULES);
    program.succeed(GRUB_LIMIT, cancel)?;
    std::fs::read(core).context(|| "cannot read what grub-mkimage made".into())
}

/// The image as QEMU's own format: from the store, else converted now.
///
/// # Errors
/// qemu-img fails.
pub fn to_qcow2(session: &Session, raw: &DiskImage) -> Result<DiskImage> {
    let tool = Program::new("qemu-img").arg("--version").succeed(GRUB_LIMIT, &session.cancel)?;
    let inputs = Inputs::new()
        .with("way of converting", WAY)
        .with("disk", &raw.digest)
        .with("tool", tool.lines().next().unwrap_or_default());
    let artifact = session.realize("disk-qcow2", &inputs, |tree| {
        let task = session.events.task("converting", "disk to qcow2");
        let path = tree.join(file_name(ImageFormat::Qcow2));
        // -m 1: one piece after the other, so that they lie in the same order each time.
        let program = Program::new("qemu-img").args(["convert", "-f", "raw", "-O", "qcow2", "-m", "1"]);
        program.arg(&raw.path).arg(&path).succeed(CONVERT_LIMIT, &session.cancel)?;
        let bytes = path.metadata().context(|| "no qcow2 image".into())?.len();
        task.end("converted", format!("disk to qcow2   {}", Size(bytes)));
        Ok(())
    })?;
    Ok(DiskImage::of(artifact, ImageFormat::Qcow2))
}
