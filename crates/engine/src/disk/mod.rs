//! A disk that boots by itself: a distribution's user space, or one imported, under a kernel of ours, with GRUB for a BIOS and the
//! kernel itself as a program for UEFI firmware.
//!
//! In the order data passes: [`plan`] (what follows from the spec), [`user_space`] and [`root`] (or [`import`]) beside the kernel,
//! and [`image`], which puts them together. What the root file system gets of ours stands in the folder disk/.
//!
//! The kernel's arguments are built in, root=PARTUUID= among them: firmware that starts a disk it has never seen passes none. So
//! the partition's name is decided before anything is built, and kernel and user space are made side by side.

mod base_disk;
mod image;
mod import;
mod namespace;
mod overlay;
pub mod plan;
mod root;
mod user_space;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use base::{Cancel, Context, Error, Result, Size, Snippet};
use kconfig::{Assignment, Value};
use machine::{Drive, Launch, Network};
use serde::Serialize;

pub(crate) use base_disk::{BaseDisk, WholeDisk};
pub use machine::{Bus, Firmware, ImageFormat};
pub use plan::{Options, Plan};

use crate::build::kernel::Naming;
use crate::build::{Kernel, Toolchain, kernel};
use crate::data;
use crate::decide::DEFAULT_RUNG;
use crate::doctor;
use crate::host::HostFacts;
use crate::made::{kernel_recipe, kernel_with};
use crate::rung::append_words;
use crate::session::Session;
use crate::spec::SpecFile;
use image::DiskImage;
use overlay::Overlay;
use plan::UserSpacePlan;
use root::Root;
use user_space::Pinned;

/// The machine a disk is shown to start on: it has SATA by itself and takes the other buses.
const MACHINE: &str = "q35";
/// The rung of a kernel that starts from a disk.
const RUNG: &str = "disk";
/// A distribution's memory in MiB where the spec names none: apt alone takes more than a node does.
const DEFAULT_MEMORY: u32 = 512;
/// Longest command line that can be built in, without its final NUL (kernel: arch/x86/include/asm/setup.h COMMAND_LINE_SIZE).
const COMMAND_LINE_LIMIT: usize = 2047;

/// What `allno disk --json` prints; documented in docs/json.md.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// The image.
    pub image: PathBuf,
    /// What kind of file it is.
    pub format: ImageFormat,
    /// The disk's size in bytes.
    pub size: u64,
    /// The kernel on it.
    pub kernel: PathBuf,
    /// Its version.
    pub kernel_version: String,
    /// The kernel's `.config`.
    pub config: PathBuf,
    /// The arguments built into it.
    pub append: String,
    /// The root partition's PARTUUID.
    pub root: String,
    /// The packages of its user space, a line each: name, version, architecture; null where it was imported.
    pub packages: Option<PathBuf>,
    /// The private key that opens root's and the user's account; null when only its owner knows it, or nobody.
    pub ssh_key: Option<PathBuf>,
    /// The ordinary user's name; null where the user space was imported.
    pub user: Option<String>,
    /// The port on 127.0.0.1 that the lines of `qemu` forward to the guest's port 22.
    pub ssh_port: u16,
    /// QEMU and its arguments, by firmware and bus: "bios-virtio", "uefi-nvme". What the guest writes is thrown away.
    pub qemu: BTreeMap<String, Vec<String>>,
    /// SHA-256: equal digests, equal bytes.
    pub digests: BTreeMap<&'static str, String>,
}

/// Builds what is missing and puts the disk together.
///
/// # Errors
/// Whatever goes wrong first.
pub fn make(session: &Session, spec: &SpecFile, options: &Options) -> Result<Made> {
    if let Some(output) = &options.output {
        refuse_existing(output)?;
    }
    let mut plan = plan::plan(spec, options, &session.cancel)?;
    require_tools(spec, &plan, options, &session.cancel)?;
    let imported =
        options.import.as_ref().map(|path| import::make(session, spec, &plan, path)).transpose()?;
    if let Some(partition) = imported.as_ref().and_then(|root| root.partition) {
        plan.names.root = partition;
    }
    let origin = Origin::of(session, spec, &plan, imported, options.update)?;
    let (kernel, root) = side_by_side(session, spec, &plan, origin, options.update)?;
    let raw = image::assemble(session, &plan, &kernel.kernel, &kernel.version, &root.root)?;
    let made = match plan.format {
        ImageFormat::Raw => raw.clone(),
        ImageFormat::Qcow2 => image::to_qcow2(session, &raw)?,
    };
    let path = match &options.output {
        Some(output) => deliver(session, &made, output)?,
        None => made.path.clone(),
    };
    report(session, spec, &plan, kernel, root, (&raw, &made, path))
}

/// A kernel of a disk and what is known of it.
struct DiskKernel {
    kernel: Kernel,
    version: String,
    append: String,
}

/// A root file system and where its packages are listed.
struct DiskRoot {
    root: Root,
    packages: Option<PathBuf>,
}

fn report(
    session: &Session,
    spec: &SpecFile,
    plan: &Plan,
    kernel: DiskKernel,
    root: DiskRoot,
    (raw, made, image): (&DiskImage, &DiskImage, PathBuf),
) -> Result<Made> {
    let host = HostFacts::of(&session.store, &session.cancel)?;
    let wanted = spec.spec.network.ssh_port.as_ref().map(|port| *port.get_ref());
    let port = machine::ReservedPort::new(wanted)?.port();
    let asked = spec.spec.machine.memory.is_some();
    let memory = if asked { plan.decisions.memory } else { DEFAULT_MEMORY };
    let machine = data::machine(MACHINE)?;
    let mut qemu = BTreeMap::new();
    for firmware in Firmware::ALL {
        for bus in Bus::BOOTABLE {
            let launch = Launch {
                firmware,
                disk: Some(Drive { image: image.clone(), format: plan.format, bus }),
                network: Network::user(),
                random: true,
                ..Launch::new(machine.clone(), host.accelerator(), memory)
            };
            let line = launch.program(Some(port))?.words();
            qemu.insert(format!("{}-{}", firmware.word(), bus.word()), line);
        }
    }
    let own = plan.user_space.is_some();
    Ok(Made {
        image: image.clone(),
        format: plan.format,
        size: root.root.layout.disk,
        kernel: kernel.kernel.bz_image.clone(),
        kernel_version: kernel.version,
        config: kernel.kernel.config.clone(),
        append: kernel.append,
        root: plan.names.root.to_string(),
        packages: root.packages,
        ssh_key: plan.decisions.ssh_key.clone().filter(|_| own),
        user: own.then(|| plan.decisions.settings.user.clone()),
        ssh_port: port,
        qemu,
        digests: BTreeMap::from([
            ("kernel", kernel.kernel.digest.clone()),
            ("root", root.root.digest.clone()),
            ("disk", raw.digest.clone()),
            ("image", made.digest.clone()),
        ]),
    })
}

/// Everything that will be run is here before anything is begun.
fn require_tools(spec: &SpecFile, plan: &Plan, options: &Options, cancel: &Cancel) -> Result<()> {
    doctor::require_for(kernel_recipe(spec)?.iter(), cancel)?;
    let mut tools = vec!["grub-mkimage", "GRUB for a BIOS"];
    match &options.import {
        Some(_) => tools.extend(["debugfs", "qemu-img"]),
        None => tools.extend(["mmdebstrap", "mke2fs", "debugfs", "unshare"]),
    }
    if plan.format == ImageFormat::Qcow2 {
        tools.push("qemu-img");
    }
    doctor::require(tools, cancel)
}

/// Where the root file system comes from. What a person may have got wrong shows here, before a compiler is started.
enum Origin<'a> {
    Imported(Root),
    Packages(&'a UserSpacePlan, Overlay, Vec<Pinned<'a>>),
}

impl<'a> Origin<'a> {
    fn of(
        session: &Session,
        spec: &SpecFile,
        plan: &'a Plan,
        imported: Option<Root>,
        update: bool,
    ) -> Result<Origin<'a>> {
        match (imported, &plan.user_space) {
            (Some(root), _) => Ok(Origin::Imported(root)),
            (None, Some(user_space)) => {
                let overlay = Overlay::of(spec, &plan.decisions, user_space, plan.file_system.0)?;
                let pinned = user_space::pin(session, spec, user_space, update)?;
                Ok(Origin::Packages(user_space, overlay, pinned))
            }
            (None, None) => Err(Error::failed("no user space was planned")),
        }
    }

    fn make(self, session: &Session, spec: &SpecFile, plan: &Plan) -> Result<DiskRoot> {
        match self {
            Origin::Imported(root) => Ok(DiskRoot { root, packages: None }),
            Origin::Packages(user_plan, overlay, pinned) => {
                let user_space = user_space::make(session, spec, user_plan, &pinned)?;
                let root = root::make(session, spec, plan, &user_space, &overlay)?;
                Ok(DiskRoot { root, packages: Some(user_space.packages.clone()) })
            }
        }
    }
}

/// The kernel and the root file system at once: one waits for the network while the other compiles. When one fails the other is
/// stopped, and the first error is the one reported.
fn side_by_side(
    session: &Session,
    spec: &SpecFile,
    plan: &Plan,
    origin: Origin,
    update: bool,
) -> Result<(DiskKernel, DiskRoot)> {
    // Both write the lock file, the kernel's part only while its source is fetched.
    let (source, prepared) = prepare_kernel(session, spec, plan, update)?;
    let (kernel, root) = base::both(
        &session.cancel,
        |cancel| {
            let session = session.part(cancel);
            let toolchain = Toolchain::find(&session)?;
            kernel::build(&session, Naming::OF_DISK, &source, &prepared.requests, &toolchain)
        },
        |cancel| origin.make(&session.part(cancel), spec, plan),
    )?;
    Ok((DiskKernel { kernel, version: source.version, append: prepared.append }, root))
}

struct PreparedKernel {
    requests: crate::rung::Requests,
    append: String,
}

fn prepare_kernel(
    session: &Session,
    spec: &SpecFile,
    plan: &Plan,
    update: bool,
) -> Result<(crate::build::KernelSource, PreparedKernel)> {
    let names: Vec<(String, Option<Snippet>)> = match &spec.spec.kernel.rungs {
        // Whoever names rungs decides alone.
        Some(rungs) => {
            rungs.iter().map(|it| (it.get_ref().clone(), Some(spec.place.snippet(it.span())))).collect()
        }
        None => [DEFAULT_RUNG, RUNG].map(|name| (name.to_string(), None)).into(),
    };
    let append = append(spec, plan, &names)?;
    let (source, mut requests) = kernel_with(session, spec, &names, update)?;
    let arguments = Assignment { name: "CMDLINE".into(), value: Value::Text(append.clone()) };
    requests.set(
        arguments,
        "the disk",
        "Its root partition's name, and the words of its rungs and of the spec.",
    );
    Ok((source, PreparedKernel { requests, append }))
}

/// The arguments that are built in. Nothing of this host is among them: the disk may start anywhere.
fn append(spec: &SpecFile, plan: &Plan, rungs: &[(String, Option<Snippet>)]) -> Result<String> {
    let mut words = vec![plan.root_word()];
    words.extend(append_words(rungs)?);
    words.extend(spec.spec.kernel.append.as_ref().map(|it| it.get_ref().trim().to_string()));
    words.retain(|word| !word.is_empty());
    let append = words.join(" ");
    match append.len() > COMMAND_LINE_LIMIT {
        false => Ok(append),
        true => {
            let error = Error::input(format!(
                "the kernel's arguments have {} bytes; it takes {COMMAND_LINE_LIMIT}",
                append.len()
            ));
            let asked = spec.spec.kernel.append.as_ref();
            Err(asked.map_or(error.clone(), |asked| error.at(spec.place.snippet(asked.span()))))
        }
    }
}

/// A disk that somebody may be using is not written over.
fn refuse_existing(output: &Path) -> Result<()> {
    match output.symlink_metadata() {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(Error::input(format!("{} is there already", output.display()))
            .note("a disk is never written over: somebody's work may be on it")
            .hint(format!("rm {}   or another name", base::process::quote(output.as_os_str())))),
    }
}

/// Copies the image to where the person wants it, whole or not at all.
fn deliver(session: &Session, made: &DiskImage, output: &Path) -> Result<PathBuf> {
    let output = std::path::absolute(output).context(|| format!("cannot find {}", output.display()))?;
    let cannot = || format!("cannot write {}", output.display());
    let mut name = std::ffi::OsString::from(".");
    name.push(output.file_name().ok_or_else(|| Error::input(cannot()).note("it names no file"))?);
    name.push(format!(".{}.new", std::process::id()));
    let new = output.with_file_name(name);
    let copied = copy_to(&made.path, &new, &session.cancel)
        .and_then(|()| refuse_existing(&output))
        .and_then(|()| std::fs::rename(&new, &output).context(cannot));
    if copied.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    copied.map(|()| output)
}

fn copy_to(from: &Path, to: &Path, cancel: &Cancel) -> Result<()> {
    let cannot = || format!("cannot write {}", to.display());
    let mut from = File::open(from).context(cannot)?;
    let length = from.metadata().context(cannot)?.len();
    let mut out = File::create(to).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => Error::input(cannot()).note("there is no such folder"),
        _ => Error::input(cannot()).note(cause.to_string()),
    })?;
    out.set_len(length).context(cannot)?;
    sparse_copy(&mut from, &mut out, 0, length, cancel)?;
    out.flush().context(cannot)
}

/// [`disk::sparse::copy`], which a person can stop.
fn sparse_copy(from: &mut impl Read, to: &mut File, at: u64, length: u64, cancel: &Cancel) -> Result<()> {
    let stop = |_| match cancel.is_set() {
        true => Err(std::io::Error::other("stopped")),
        false => Ok(()),
    };
    let copied = disk::sparse::copy(from, to, at, length, stop);
    cancel.check()?;
    copied.map(drop).context(|| format!("cannot copy {}", Size(length)))
}

/// What the bytes of a disk are wrong in, where they are ours.
fn told(error: disk::Error, message: &str) -> Error {
    match error {
        disk::Error::Io(cause) => {
            Err::<(), _>(cause).context(|| message.to_string()).expect_err("it was an error")
        }
        other => Error::failed(message).note(other.to_string()),
    }
}

/// What the bytes of a disk are wrong in, where they are the person's: `error` says which.
fn told_input(wrong: disk::Error, error: Error) -> Error {
    error.note(wrong.to_string())
}
