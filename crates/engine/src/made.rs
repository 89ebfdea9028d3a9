//! From a spec to files: fetch, unpack, build kernel and user space side by side, pack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{Cancel, Error, Result, Snippet};
use machine::{Accelerator, Boots, Launch, MacAddress};
use serde::Serialize;
use store::{FetchOptions, Fetched, LockFile, Source};

use crate::build::userland::RecipeSource;
use crate::build::{Kernel, KernelSource, Programs, Toolchain, kernel, kernel_source, userland};
use crate::cost::Rebuilt;
use crate::decide::{DEFAULT_RUNG, DEFAULT_SERIES, Decisions, Overrides, decide};
use crate::doctor;
use crate::host::HostFacts;
use crate::image::{self, Image, node};
use crate::recipe::{Recipe, RecipeKind};
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
        // The compiler takes its time to say who it is.
        let toolchain = scope.spawn(|| Toolchain::find(session));
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
    let recipe = kernel_recipe(spec)?;
    let names = rung_names(spec, &decisions);
    check_early(spec, recipe.as_ref(), &names)?;
    let mut fetcher = Fetcher::new(session, spec, &spec.folder.join(LOCK_NAME), false)?;
    fetcher.fetch_all(recipe.as_ref(), &[])?;
    let source = kernel_tree(session, spec, recipe.as_ref(), &fetcher)?;
    let requests = Requests::resolve(&names, source.series, spec)?;
    Ok((source, requests))
}

impl Made {
    /// The boot, everything decided.
    pub fn launch(&self, spec: &SpecFile, gdb: Option<u16>) -> Launch {
        let decisions = &self.decisions;
        Launch {
            machine: decisions.machine.clone(),
            accelerator: self.host.accelerator(),
            memory: decisions.memory,
            processors: 1,
            kernel: match decisions.machine.boots {
                Boots::Vmlinux => self.kernel.vmlinux_stripped.clone(),
                Boots::BzImage => self.kernel.bz_image.clone(),
            },
            initramfs: Some(self.image.path.clone()),
            append: self.append.clone(),
            network: decisions.network.clone(),
            mac: MacAddress::DEFAULT,
            random: true,
            gdb,
            extra: spec.spec.machine.extra.clone(),
            own_line: spec.spec.machine.qemu.as_ref().map(|line| self.own_line(line)),
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
fn kernel_recipe(spec: &SpecFile) -> Result<Option<Recipe>> {
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
    let asked: Vec<(String, Option<Snippet>)> = match &spec.spec.kernel.rungs {
        Some(rungs) => {
            rungs.iter().map(|it| (it.get_ref().clone(), Some(spec.place.snippet(it.span())))).collect()
        }
        None => vec![(DEFAULT_RUNG.to_string(), None)],
    };
    // A machine's rungs are only added to a node's; whoever names rungs decides alone.
    match &spec.spec.kernel.rungs {
        Some(_) => asked,
        None => {
            let needs = decisions.machine.needs.iter().map(|name| (name.clone(), None));
            asked.into_iter().chain(needs).collect()
        }
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
    if let (Accelerator::Tcg, Some(khz)) = (host.accelerator(), host.tsc_khz) {
        // On a busy host the kernel's own calibration against the PIT fails; under TCG the guest's time stamp
        // counter is the host's (QEMU: cpu_get_tsc).
        words.push(format!("tsc_early_khz={khz}"));
    }
    words.extend(decisions.ip.as_ref().map(ToString::to_string));
    words.extend(spec.spec.kernel.append.as_ref().map(|it| it.get_ref().trim().to_string()));
    words.extend(overrides.append.as_ref().map(|it| it.trim().to_string()));
    words.retain(|word| !word.is_empty());
    Ok(words.join(" "))
}

fn kernel_tree(
    session: &Session,
    spec: &SpecFile,
    recipe: Option<&Recipe>,
    fetcher: &Fetcher,
) -> Result<KernelSource> {
    if let Some(recipe) = recipe {
        let fetched = fetcher.fetched(&recipe.name)?;
        return kernel_source::from_archive(session, &fetched.path, &fetched.sha256.to_string(), spec);
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
    let part = Session { cancel: session.cancel.child(), ..session.clone() };
    let stop_on_error = |cancel: &Cancel, failed: bool| {
        if failed {
            cancel.set()
        }
    };
    std::thread::scope(|scope| {
        let user_space = scope.spawn(|| {
            let built = userland::build(&part, &decisions.recipes, sources, source, toolchain);
            stop_on_error(&part.cancel, built.is_err());
            built
        });
        let kernel = kernel::build(&part, source, requests, toolchain);
        stop_on_error(&part.cancel, kernel.is_err());
        let user_space =
            user_space.join().unwrap_or_else(|_| Err(Error::failed("the user-space build panicked")));
        match (kernel, user_space) {
            (Ok(kernel), Ok(programs)) => Ok((kernel, programs)),
            // The one that was stopped because the other failed is not the news.
            (Err(error), Err(other)) if error.kind() == base::Kind::Cancelled => Err(other),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    })
}

/// Fetches sources and keeps the lock file.
struct Fetcher<'a> {
    session: &'a Session,
    spec: &'a SpecFile,
    lock: LockFile,
    update: bool,
    fetched: BTreeMap<String, Fetched>,
}

impl<'a> Fetcher<'a> {
    fn new(session: &'a Session, spec: &'a SpecFile, lock_path: &Path, update: bool) -> Result<Fetcher<'a>> {
        let lock = LockFile::read(lock_path)?;
        Ok(Fetcher { session, spec, lock, update, fetched: BTreeMap::new() })
    }

    /// Fetches all sources at once, and writes the lock file if it says something new.
    fn fetch_all(
        &mut self,
        kernel: Option<&Recipe>,
        recipes: &[Recipe],
    ) -> Result<BTreeMap<String, RecipeSource>> {
        let wanted: Vec<Source> = kernel
            .into_iter()
            .chain(recipes)
            .map(Recipe::source)
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        let part = Session { cancel: self.session.cancel.child(), ..self.session.clone() };
        let results: Vec<Result<(Fetched, LockFile)>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                wanted.iter().map(|source| scope.spawn(|| self.fetch(&part, source))).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|it| it.unwrap_or_else(|_| Err(Error::failed("a fetch panicked")))).collect()
        });
        let mut failures = Vec::new();
        for (source, result) in wanted.iter().zip(results) {
            match result {
                Ok((fetched, lock)) => {
                    self.lock.adopt(&lock, &source.name);
                    self.fetched.insert(source.name.clone(), fetched);
                }
                Err(error) => failures.push(error),
            }
        }
        // What did arrive is recorded even when another source failed.
        if !self.fetched.is_empty() {
            self.lock.write()?;
        }
        match together(failures, wanted.len()) {
            Some(error) => Err(error),
            None => {
                recipes.iter().map(|recipe| Ok((recipe.name.clone(), self.recipe_source(recipe)?))).collect()
            }
        }
    }

    /// One source, by a copy of the lock file, as several are fetched at once.
    fn fetch(&self, session: &Session, source: &Source) -> Result<(Fetched, LockFile)> {
        let options = FetchOptions {
            offline: session.offline,
            mirror: self.spec.spec.sources.mirror.as_ref().map(|it| it.get_ref().clone()),
            project: Some(session.project.clone()),
            ..FetchOptions::default()
        };
        let mut lock = self.lock.clone();
        let Session { store, events, cancel, .. } = session;
        let update = self.update || is_of_another_series(&lock, source);
        let fetched = store.fetch_locked(source, &mut lock, update, &options, events, cancel)?;
        Ok((fetched, lock))
    }

    fn fetched(&self, name: &str) -> Result<&Fetched> {
        self.fetched.get(name).ok_or_else(|| Error::failed(format!("{name} was not fetched")))
    }

    fn recipe_source(&self, recipe: &Recipe) -> Result<RecipeSource> {
        if recipe.kind == RecipeKind::Headers {
            return Ok(RecipeSource::Kernel);
        }
        let Some(path) = &recipe.path else {
            let fetched = self.fetched(&recipe.name)?;
            return Ok(RecipeSource::Archive {
                path: fetched.path.clone(),
                sha256: fetched.sha256.to_string(),
                held: Some(fetched.clone()),
            });
        };
        if path.is_dir() {
            let digest = store::tree_digest(path, &self.session.events, &self.session.cancel)?.to_string();
            return Ok(RecipeSource::Folder { path: path.clone(), digest });
        }
        let sha256 = store::Sha256::of_file(path).map_err(|cause| {
            Error::input(format!("recipe {}: cannot read its path", recipe.name))
                .note(format!("{}: {cause}", path.display()))
        })?;
        Ok(RecipeSource::Archive { path: path.clone(), sha256: sha256.to_string(), held: None })
    }
}

/// The failures of several fetches as one error, as a person without a network wants to see at once what was tried for
/// each; `wanted` is how many were tried.
fn together(mut failures: Vec<Error>, wanted: usize) -> Option<Error> {
    // What was only stopped is no news beside what failed.
    if failures.iter().any(|error| error.kind() != base::Kind::Cancelled) {
        failures.retain(|error| error.kind() != base::Kind::Cancelled);
    }
    let first = failures.first()?;
    if failures.len() == 1 || first.kind() == base::Kind::Cancelled {
        return Some(first.clone());
    }
    let kinds = failures.iter().map(Error::kind);
    let kind = kinds.clone().find(|kind| *kind != base::Kind::Host).unwrap_or(base::Kind::Host);
    let mut error = Error::new(kind, format!("{} of {wanted} sources cannot be had", failures.len()));
    for failure in &failures {
        error = failure.notes().iter().fold(error.note(failure.message()), |error, note| error.note(note));
        for hint in failure.hints() {
            if !error.hints().contains(hint) {
                error = error.hint(hint);
            }
        }
    }
    Some(error)
}

/// What the kernel's recipes are called, whatever the series.
const KERNEL: &str = "linux";

/// Whether the lock file's kernel is of another series than the one wanted now: what was locked then says nothing of it.
fn is_of_another_series(lock: &LockFile, source: &Source) -> bool {
    let locked = lock.entry(&source.name).filter(|_| source.name == KERNEL);
    locked.is_some_and(|locked| Series::parse(&locked.version) != Series::parse(&source.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_together_and_a_stop_is_no_failure() {
        assert!(together(Vec::new(), 3).is_none());
        let unreachable = |name: &str| {
            let error = Error::host(format!("cannot fetch {name}")).note(format!("upstream {name}: refused"));
            error.hint("look at the network")
        };
        let stopped = || Error::cancelled();
        let one = together(vec![stopped(), unreachable("musl")], 3).unwrap();
        assert_eq!(one.message(), "cannot fetch musl");
        let all = together(vec![unreachable("musl"), stopped(), unreachable("busybox")], 3).unwrap();
        assert_eq!((all.kind(), all.message()), (base::Kind::Host, "2 of 3 sources cannot be had"));
        assert_eq!(
            all.notes(),
            [
                "cannot fetch musl",
                "upstream musl: refused",
                "cannot fetch busybox",
                "upstream busybox: refused"
            ]
        );
        assert_eq!(all.hints(), ["look at the network"]);
        let wrong = Error::failed("cannot fetch iputils").note("wrong hash");
        assert_eq!(together(vec![unreachable("musl"), wrong], 2).unwrap().kind(), base::Kind::Failed);
        assert_eq!(together(vec![stopped(), stopped()], 2).unwrap().kind(), base::Kind::Cancelled);
    }

    #[test]
    fn a_locked_kernel_counts_for_its_own_series_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allno.lock");
        let hash = "a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4";
        let text = format!(
            "format = 1\n[[source]]\nname = \"linux\"\nversion = \"6.12.117\"\nfile = \"f.tar\"\nsha256 = \"{hash}\"\n\
             origin = \"debian pool/main/l/f.tar\"\n"
        );
        std::fs::write(&path, text).unwrap();
        let lock = LockFile::read(&path).unwrap();
        let source = |name: &str, version: &str| Source {
            name: name.into(),
            version: version.into(),
            file: "f.tar".into(),
            sha256: None,
            origins: Vec::new(),
        };
        assert!(!is_of_another_series(&lock, &source("linux", "6.12.109")));
        assert!(is_of_another_series(&lock, &source("linux", "6.1.187")));
        assert!(!is_of_another_series(&lock, &source("musl", "1.2.5")));
    }
}
