//! From a spec to files: fetch, unpack, build kernel and user space side by side, pack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{Error, Result, Snippet, process};
use machine::{Boots, Launch};
use serde::Serialize;

use crate::build::kernel::Naming;
use crate::build::userland::RecipeSource;
use crate::build::{Kernel, KernelSource, Programs, Toolchain, kernel, kernel_source, userland};
use crate::cost::Rebuilt;
use crate::decide::{DEFAULT_RUNG, DEFAULT_SERIES, Decisions, Overrides, decide};
use crate::doctor;
use crate::fetcher::Fetcher;
use crate::host::HostFacts;
use crate::image::{self, Image, node};
use crate::recipe::Recipe;
use crate::rung::{Requests, Series, append_words};
use crate::session::Session;
use crate::spec::SpecFile;

/// The lock file's name, beside the spec.
pub const LOCK_NAME: &str = "allno.lock";

/// Everything a boot needs.
#[derive(Clone, Debug)]
pub struct Made {
    /// What was decided.
    pub decisions: Decisions,
    /// The kernel.
    pub kernel: Kernel,
    /// Its version.
    pub kernel_version: String,
    /// The initramfs.
    pub image: Image,
    /// The kernel's command line.
    pub append: String,
    /// The lock file.
    pub lock: PathBuf,
    /// What this host can do.
    pub host: HostFacts,
    programs: Programs,
}

/// What `allno build --json` prints; documented in docs/json.md.
#[derive(Clone, Debug, Serialize)]
pub struct Built {
    /// The compressed kernel, which every loader takes.
    pub kernel: PathBuf,
    /// The ELF kernel with symbols.
    pub vmlinux: PathBuf,
    /// The ELF kernel without symbols.
    pub vmlinux_stripped: PathBuf,
    /// The `.config`.
    pub config: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The kernel's command line.
    pub append: String,
    /// QEMU and its arguments.
    pub qemu: Vec<String>,
    /// The private key that opens root's and the user's account; null when only its owner knows it.
    pub ssh_key: Option<PathBuf>,
    /// The port on 127.0.0.1 that `qemu` forwards to the guest's port 22.
    pub ssh_port: Option<u16>,
    /// The ordinary user's name.
    pub user: String,
    /// The lock file.
    pub lock: PathBuf,
    /// The kernel's version.
    pub kernel_version: String,
    /// SHA-256 over the kernel's files, and over the initramfs's: equal digests, equal bytes.
    pub digests: BTreeMap<&'static str, String>,
    /// What of the kernel was compiled again just now, by the option that caused it; null when the store had the kernel, or when
    /// there was nothing from an earlier build.
    pub rebuilt: Option<Rebuilt>,
}

/// Builds what is missing.
///
/// `update`: take the sources the recipes name today, not those in the lock file.
///
/// # Errors
/// Whatever goes wrong first.
pub fn make(session: &Session, spec: &SpecFile, overrides: &Overrides, update: bool) -> Result<Made> {
    let (decided, toolchain) = std::thread::scope(|scope| {
        // The compiler takes its time to say who it is; and QEMU is to start at once, when all is there.
        let toolchain = scope.spawn(|| {
            process::watch_ahead();
            Toolchain::find(session)
        });
        let decided = Decided::of(session, spec, overrides);
        (decided, toolchain.join().unwrap_or_else(|_| Err(Error::failed("asking the compiler panicked"))))
    });
    let Decided { decisions, kernel_recipe, names, files } = decided?;
    let toolchain = toolchain?;
    let lock_path = spec.folder.join(LOCK_NAME);
    let mut fetcher = Fetcher::new(session, spec, &lock_path, update)?;
    let sources = fetcher.fetch_all(kernel_recipe.as_ref(), &decisions.recipes)?;
    let source = kernel_tree(session, spec, kernel_recipe.as_ref(), &fetcher)?;
    let requests = Requests::resolve(&names, source.series, spec)?;
    let host = HostFacts::of(&session.store, &session.cancel)?;
    let append = append(spec, &decisions, &names, &host, overrides)?;
    let (kernel, programs) = side_by_side(session, &source, &requests, &decisions, &sources, &toolchain)?;
    let image = match &overrides.initramfs {
        Some(path) => Image::of_file(path)?,
        None => image::pack(session, &programs, &files, decisions.compression)?,
    };
    Ok(Made {
        kernel,
        kernel_version: source.version,
        image,
        append,
        lock: lock_path,
        host,
        programs,
        decisions,
    })
}

/// What [`make`] knows before it asks anybody.
struct Decided {
    decisions: Decisions,
    kernel_recipe: Option<Recipe>,
    names: Vec<(String, Option<Snippet>)>,
    files: node::NodeFiles,
}

impl Decided {
    fn of(session: &Session, spec: &SpecFile, overrides: &Overrides) -> Result<Decided> {
        let decisions = decide(spec, overrides, &session.cancel)?;
        let kernel_recipe = kernel_recipe(spec)?;
        let names = rung_names(spec, &decisions);
        check_early(spec, kernel_recipe.as_ref(), &names)?;
        let files = node::files(spec, &decisions.settings)?;
        doctor::require_for(kernel_recipe.iter().chain(&decisions.recipes), &session.cancel)?;
        Ok(Decided { decisions, kernel_recipe, names, files })
    }
}

/// The kernel's source alone and what is asked of its configuration, as [`make`] has them; nothing is built.
///
/// # Errors
/// Whatever is wrong with the spec, or keeps the source away.
pub fn kernel_of(session: &Session, spec: &SpecFile) -> Result<(KernelSource, Requests)> {
    let decisions = decide(spec, &Overrides::default(), &session.cancel)?;
    let names = rung_names(spec, &decisions);
    kernel_with(session, spec, &names, false)
}

/// [`kernel_of`] with these rungs instead of the machine's and the spec's; `update` as in [`make`].
pub(crate) fn kernel_with(
    session: &Session,
    spec: &SpecFile,
    names: &[(String, Option<Snippet>)],
    update: bool,
) -> Result<(KernelSource, Requests)> {
    let recipe = kernel_recipe(spec)?;
    check_early(spec, recipe.as_ref(), names)?;
    let mut fetcher = Fetcher::new(session, spec, &spec.folder.join(LOCK_NAME), update)?;
    fetcher.fetch_all(recipe.as_ref(), &[])?;
    let source = kernel_tree(session, spec, recipe.as_ref(), &fetcher)?;
    let requests = Requests::resolve(names, source.series, spec)?;
    Ok((source, requests))
}

impl Made {
    /// The boot, everything decided.
    pub fn launch(&self, spec: &SpecFile, gdb: Option<u16>) -> Launch {
        let decisions = &self.decisions;
        Launch {
            kernel: Some(match decisions.machine.boots {
                Boots::Vmlinux => self.kernel.vmlinux_stripped.clone(),
                Boots::BzImage => self.kernel.bz_image.clone(),
            }),
            initramfs: Some(self.image.path.clone()),
            append: self.append.clone(),
            network: decisions.network.clone(),
            random: true,
            gdb,
            extra: spec.spec.machine.extra.clone(),
            own_line: spec.spec.machine.qemu.as_ref().map(|line| self.own_line(line)),
            ..Launch::new(decisions.machine.clone(), self.host.accelerator(), decisions.memory)
        }
    }

    /// {vmlinux} is ours; the other placeholders are the machine crate's, whose {kernel} is the bzImage here.
    fn own_line(&self, line: &[String]) -> Vec<String> {
        let file = |path: &Path| path.display().to_string();
        let fill = |word: &String| {
            word.replace("{vmlinux}", &file(&self.kernel.vmlinux_stripped))
                .replace("{kernel}", &file(&self.kernel.bz_image))
        };
        line.iter().map(fill).collect()
    }

    /// What `allno build --json` prints.
    ///
    /// # Errors
    /// The machine cannot do what the spec asks.
    pub fn built(&self, spec: &SpecFile) -> Result<Built> {
        let launch = self.launch(spec, None);
        let wanted = spec.spec.network.ssh_port.as_ref().map(|port| *port.get_ref());
        let port = match launch.wants_port() {
            true => Some(machine::ReservedPort::new(wanted)?.port()),
            false => None,
        };
        Ok(Built {
            kernel: self.kernel.bz_image.clone(),
            vmlinux: self.kernel.vmlinux.clone(),
            vmlinux_stripped: self.kernel.vmlinux_stripped.clone(),
            config: self.kernel.config.clone(),
            initramfs: self.image.path.clone(),
            append: self.append.clone(),
            qemu: launch.program(port)?.words(),
            ssh_key: self.decisions.ssh_key.clone(),
            ssh_port: port,
            user: self.decisions.settings.user.clone(),
            lock: self.lock.clone(),
            kernel_version: self.kernel_version.clone(),
            digests: BTreeMap::from([
                ("kernel", self.kernel.digest.clone()),
                ("initramfs", self.image.digest.clone()),
            ]),
            rebuilt: self.kernel.rebuilt.clone(),
        })
    }

    /// The programs' names and versions, "busybox 1.37.0".
    pub fn program_titles(&self) -> Vec<String> {
        self.programs.trees.iter().map(|(recipe, _)| recipe.title()).collect()
    }
}

/// The kernel's recipe, unless the spec brings a kernel of its own.
pub(crate) fn kernel_recipe(spec: &SpecFile) -> Result<Option<Recipe>> {
    let kernel = &spec.spec.kernel;
    match (&kernel.series, &kernel.path) {
        (Some(series), Some(_)) => {
            Err(spec.error(series.span(), "[kernel] has both series and path: leave out one of them"))
        }
        (_, Some(_)) => Ok(None),
        (Some(series), None) => {
            Recipe::kernel(series.get_ref(), Some(spec.place.snippet(series.span()))).map(Some)
        }
        (None, None) => Recipe::kernel(DEFAULT_SERIES, None).map(Some),
    }
}

/// Finds what is wrong with the spec before anything is fetched: what the kernel's tree will say later anyway.
fn check_early(spec: &SpecFile, recipe: Option<&Recipe>, rungs: &[(String, Option<Snippet>)]) -> Result<()> {
    spec.spec.kernel.patches.iter().try_for_each(|path| spec.existing_file(path).map(drop))?;
    spec.spec.kernel.path.iter().try_for_each(|path| spec.existing(path).map(drop))?;
    // One's own tree names its series only once it is unpacked; the options are the same but for a few.
    let series = recipe.and_then(|recipe| recipe.series.as_deref()).unwrap_or(DEFAULT_SERIES);
    let series =
        Series::parse(series).ok_or_else(|| Error::failed(format!("{series} is no kernel series")))?;
    Requests::resolve(rungs, series, spec).map(drop)
}

fn rung_names(spec: &SpecFile, decisions: &Decisions) -> Vec<(String, Option<Snippet>)> {
    let asked = spec_rungs(spec);
    // A machine's rungs are only added to a node's; whoever names rungs decides alone.
    match &spec.spec.kernel.rungs {
        Some(_) => asked,
        None => {
            let needs = decisions.machine.needs.iter().map(|name| (name.clone(), None));
            asked.into_iter().chain(needs).collect()
        }
    }
}

/// The rungs the spec names, or the default one.
pub(crate) fn spec_rungs(spec: &SpecFile) -> Vec<(String, Option<Snippet>)> {
    match &spec.spec.kernel.rungs {
        Some(rungs) => {
            rungs.iter().map(|it| (it.get_ref().clone(), Some(spec.place.snippet(it.span())))).collect()
        }
        None => vec![(DEFAULT_RUNG.to_string(), None)],
    }
}

fn append(
    spec: &SpecFile,
    decisions: &Decisions,
    rungs: &[(String, Option<Snippet>)],
    host: &HostFacts,
    overrides: &Overrides,
) -> Result<String> {
    let mut words = append_words(rungs)?;
    words.extend(host.clock_word());
    words.extend(decisions.ip.as_ref().map(ToString::to_string));
    words.extend(spec.spec.kernel.append.as_ref().map(|it| it.get_ref().trim().to_string()));
    words.extend(overrides.append.as_ref().map(|it| it.trim().to_string()));
    words.retain(|word| !word.is_empty());
    Ok(words.join(" "))
}

pub(crate) fn kernel_tree(
    session: &Session,
    spec: &SpecFile,
    recipe: Option<&Recipe>,
    fetcher: &Fetcher,
) -> Result<KernelSource> {
    if let Some(recipe) = recipe {
        let fetched = fetcher.fetched(&recipe.name)?;
        let sha256 = fetched.sha256.to_string();
        let mut source = kernel_source::from_archive(session, &fetched.path, &sha256, spec)?;
        source.released = spec.spec.kernel.patches.is_empty();
        return Ok(source);
    }
    let path = spec.spec.kernel.path.as_ref().ok_or_else(|| Error::input("[kernel] names no kernel"))?;
    let found = spec.existing(path)?;
    if found.is_dir() {
        return kernel_source::from_tree(session, path, spec);
    }
    let sha256 = store::Sha256::of_file(&found)
        .map_err(|cause| spec.error(path.span(), format!("cannot read it: {cause}")))?;
    kernel_source::from_archive(session, &found, &sha256.to_string(), spec)
}

/// The kernel and the user space at once: configure scripts run on one core while the kernel's make uses the rest.
/// When one fails the other is stopped, and the first error is the one reported.
fn side_by_side(
    session: &Session,
    source: &KernelSource,
    requests: &Requests,
    decisions: &Decisions,
    sources: &BTreeMap<String, RecipeSource>,
    toolchain: &Toolchain,
) -> Result<(Kernel, Programs)> {
    base::both(
        &session.cancel,
        |cancel| kernel::build(&session.part(cancel), Naming::OF_SPEC, source, requests, toolchain),
        |cancel| userland::build(&session.part(cancel), &decisions.recipes, sources, source, toolchain),
    )
}
