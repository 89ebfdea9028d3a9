//! The kernel: from allnoconfig and what was asked for to a bzImage and a vmlinux.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::{ProcessorTime, Program};
use base::{Context, Error, Result, Size, Task, Total, Unit};
use kconfig::DotConfig;
use serde::{Deserialize, Serialize};
use store::{Artifact, Finished, Inputs, Workspace};

use super::kernel_source::KernelSource;
use super::toolchain::{Toolchain, clean};
use super::{kernel_config, survival};
use crate::cost::{self, Before, Made, Rebuilt};
use crate::rung::Requests;
use crate::session::Session;

const CONFIG_LIMIT: Duration = Duration::from_secs(600);
const MAKE_LIMIT: Duration = Duration::from_secs(4 * 3600);
/// Part of the key: raised when this file makes other bytes of the same inputs.
const WAY: &str = "3";

/// A built kernel's files, and what is known of it.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The compressed image every loader takes.
    pub bz_image: PathBuf,
    /// The ELF image with its symbols, for gdb; QEMU can start it too (PVH).
    pub vmlinux: PathBuf,
    /// The ELF image without symbols: the fastest to start.
    pub vmlinux_stripped: PathBuf,
    /// The `.config` it was built with.
    pub config: PathBuf,
    /// Hash over all these files.
    pub digest: String,
    /// Whether it was built just now.
    pub fresh: bool,
    /// What building it took, when that is on record.
    pub effort: Option<Effort>,
    /// What that build compiled again, by cause; none where it began with nothing, or did not take place.
    pub rebuilt: Option<Rebuilt>,
    _held: Artifact,
}

impl Kernel {
    /// The configuration it was built with.
    ///
    /// # Errors
    /// The store was tampered with.
    pub fn read_config(&self) -> Result<DotConfig> {
        Ok(DotConfig::parse(&read(&self.config)?))
    }
}

/// What it took to build a kernel in the object tree as the kernel before had left it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// How many objects of the kernel were compiled or assembled (kbuild's CC and AS lines).
    pub objects_compiled: u64,
    /// The processor time of make and all it started, for the configuration too, in seconds.
    pub cpu_seconds: f64,
}

/// The name of the note that holds an [`Effort`].
const EFFORT: &str = "effort.json";

/// Under which names a kernel is kept and built, and how strictly.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// The artifact's: a project keeps the newest of each name.
    pub artifact: &'a str,
    /// The object tree's, behind the source's: kernels that are built one from another share one.
    pub objects: &'a str,
    /// Whether it is enough that it can be built, though an option that was asked for did not survive.
    pub as_it_comes: bool,
}

impl Naming<'_> {
    /// Those of a spec's own kernel.
    pub const OF_SPEC: Naming<'static> = Naming { artifact: "kernel", objects: "", as_it_comes: false };
    /// Those of a disk's kernel, which has little more than the node's.
    pub const OF_DISK: Naming<'static> = Naming { artifact: "kernel-disk", ..Naming::OF_SPEC };
}

/// Builds the kernel, or finds it in the store.
///
/// # Errors
/// A dropped option ([`base::Kind::Input`]), or a failing make.
pub fn build(
    session: &Session,
    naming: Naming,
    source: &KernelSource,
    requests: &Requests,
    toolchain: &Toolchain,
) -> Result<Kernel> {
    let inputs = Inputs::new()
        .with("way of building", WAY)
        .with("source", &source.digest)
        .with("date", source.date.to_string())
        .with("requests", requests.fragment())
        .with("compiler", &toolchain.compiler)
        .with("linker", &toolchain.linker);
    let mut done = None;
    let artifact = session.realize(naming.artifact, &inputs, |tree| {
        done = Some(Builder::new(session, naming, source, requests, toolchain).build_into(tree)?);
        Ok(())
    })?;
    let (effort, rebuilt) = done.map_or((None, None), |(effort, rebuilt)| (Some(effort), rebuilt));
    if let Some(effort) = &effort {
        artifact.keep_note(EFFORT, &serde_json::to_string(effort).unwrap_or_default())?;
    }
    let effort = effort.or_else(|| serde_json::from_str(&artifact.note(EFFORT)?).ok());
    let file = |name: &str| artifact.path.join(name);
    Ok(Kernel {
        bz_image: file("bzImage"),
        vmlinux: file("vmlinux"),
        vmlinux_stripped: file("vmlinux.stripped"),
        config: file("config"),
        digest: artifact.digest.to_string(),
        fresh: artifact.fresh,
        effort,
        rebuilt,
        _held: artifact,
    })
}

/// The name of the source's object tree in the store.
fn workspace(source: &KernelSource, naming: Naming) -> String {
    format!("{}-{WAY}{}", source.objects, naming.objects)
}

/// The object tree as the source's last build left it, of whatever requests. Where there is none the kernel is built; also one
/// that the store has, as a build that was broken off takes the tree with it, but not the kernels made in it before.
///
/// # Errors
/// As [`build`]; another run has broken off a build there in the meantime.
pub fn objects(
    session: &Session,
    naming: Naming,
    source: &KernelSource,
    requests: &Requests,
    toolchain: &Toolchain,
) -> Result<Finished> {
    let name = workspace(source, naming);
    let finished = || session.store.finished_workspace(&name, &session.events, &session.cancel);
    if let Some(finished) = finished()? {
        return Ok(finished);
    }
    session.events.detail("no build has left its objects: they are made first");
    if !build(session, naming, source, requests, toolchain)?.fresh {
        let draft = session.store.draft()?;
        Builder::new(session, naming, source, requests, toolchain).build_into(&draft.path)?;
    }
    finished()?.ok_or_else(|| {
        Error::failed(format!("another run has broken off its build in {name}, and its objects are gone"))
            .hint("run it again")
    })
}

struct Builder<'a> {
    session: &'a Session,
    naming: Naming<'a>,
    source: &'a KernelSource,
    requests: &'a Requests,
    toolchain: &'a Toolchain,
    processor_time: ProcessorTime,
}

impl<'a> Builder<'a> {
    fn new(
        session: &'a Session,
        naming: Naming<'a>,
        source: &'a KernelSource,
        requests: &'a Requests,
        toolchain: &'a Toolchain,
    ) -> Builder<'a> {
        Builder { session, naming, source, requests, toolchain, processor_time: ProcessorTime::default() }
    }

    /// Configures and makes in a reusable object tree, then copies the results into `out`.
    fn build_into(&self, out: &Path) -> Result<(Effort, Option<Rebuilt>)> {
        let Session { store, events, cancel, .. } = self.session;
        let task = events.task("building", format!("linux {}", self.source.version));
        let name = workspace(self.source, self.naming);
        let objects = store.workspace(&name, &self.session.project, events, cancel)?;
        let before = if objects.reused { Before::of(&objects.path) } else { None };
        let log = out.join("build.log");
        let made = self.make_all(&objects, &log, &task);
        let cpu_seconds = self.processor_time.total().as_secs_f64();
        let (config, made) = match made {
            Ok(made) => made,
            // After an error of its own make has removed the target it was at, so the rest can be trusted; what was
            // killed, or ran out of room, may have left half an object.
            Err(error) if matches!(error.kind(), base::Kind::Failed | base::Kind::Input) => {
                objects.finish()?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        self.install(&objects.path, out)?;
        // The log holds paths and the order of parallel jobs: it must not be part of what is hashed.
        std::fs::rename(&log, objects.path.join("allno-build.log"))
            .context(|| "cannot keep the log".into())?;
        let rebuilt = before.map(|it| it.rebuilt(&objects.path, &self.source.tree, &made)).transpose()?;
        objects.finish()?;
        let size = out.join("bzImage").metadata().map(|it| it.len()).context(|| "no bzImage".into())?;
        task.end(
            "built",
            format!(
                "kernel {}   {} options =y ({} asked for), bzImage {}",
                self.source.version,
                config.count_yes(),
                self.requests.len(),
                Size(size)
            ),
        );
        for (cause, words) in rebuilt.iter().flat_map(Rebuilt::rows) {
            events.detail(format!("compiled again: {cause}: {words}"));
        }
        let compiled = made.iter().filter(|made| cost::is_object(made)).count();
        Ok((Effort { objects_compiled: compiled as u64, cpu_seconds }, rebuilt))
    }

    /// The configuration, and what kbuild made.
    fn make_all(&self, objects: &Workspace, log: &Path, task: &Task) -> Result<(DotConfig, Vec<Made>)> {
        self.configure(&objects.path, log)?;
        let config = self.check(&objects.path)?;
        // Where objects are left from an earlier build, how many are made anew is known only once they are.
        let expected = (!objects.reused).then(|| lines_expected(config.count_yes()));
        let made = self.make(&objects.path, log, task, expected)?;
        Ok((config, made))
    }

    fn program(&self, objects: &Path) -> Result<Program> {
        Ok(kbuild(self.source, self.toolchain, objects)?.counted(&self.processor_time))
    }

    /// Our engine resolves the configuration; the tree's own tool then must not change a line of it.
    fn configure(&self, objects: &Path, log: &Path) -> Result<()> {
        kernel_config::resolve(self.session, self.source, self.requests, self.toolchain, objects)?;
        let ours = read(&objects.join(".config"))?;
        self.program(objects)?
            .arg("olddefconfig")
            .run(log, CONFIG_LIMIT, &self.session.cancel, &mut |_| {})
            .map_err(|error| keep_log(error.because_of("the kernel's configuration failed"), log, objects))?;
        kernel_config::compare(&ours, &read(&objects.join(".config"))?)
    }

    fn check(&self, objects: &Path) -> Result<DotConfig> {
        let config = DotConfig::parse(&read(&objects.join(".config"))?);
        if self.naming.as_it_comes {
            return Ok(config);
        }
        survival::check(self.requests, &config, || {
            let host = kernel_config::host(self.session, self.source, self.toolchain, objects)?;
            kernel_config::read(&host, &self.source.version)
        })?;
        Ok(config)
    }

    /// `expected`: about how many lines it will print. Returns what it made, and why: V=2 has kbuild say so in the same lines.
    fn make(&self, objects: &Path, log: &Path, task: &Task, expected: Option<u64>) -> Result<Vec<Made>> {
        let mut all = Vec::new();
        let program = self.program(objects)?.args([
            "V=2".to_string(),
            format!("-j{}", self.toolchain.jobs),
            "bzImage".into(),
        ]);
        program
            .run(log, MAKE_LIMIT, &self.session.cancel, &mut |line| {
                let Some(made) = cost::made(line) else { return };
                let done = all.len() as u64 + 1;
                let total = expected.filter(|expected| *expected >= done).map(Total::About);
                task.progress_on(done, total, Unit::Steps, &made.target);
                all.push(made);
            })
            .map_err(|error| keep_log(error.because_of("the kernel did not build"), log, objects))?;
        Ok(all)
    }

    fn install(&self, objects: &Path, out: &Path) -> Result<()> {
        for (from, to) in [
            ("arch/x86/boot/bzImage", "bzImage"),
            ("vmlinux", "vmlinux"),
            (".config", "config"),
            ("System.map", "System.map"),
        ] {
            std::fs::copy(objects.join(from), out.join(to)).context(|| format!("cannot keep {from}"))?;
        }
        Program::new("strip")
            .args(["--strip-all", "-o"])
            .args([out.join("vmlinux.stripped"), out.join("vmlinux")])
            .succeed(Duration::from_secs(120), &self.session.cancel)
            .map(drop)
    }
}

/// `make` for a kernel's object tree, without a target: what it is told decides whether objects of an earlier run are as they
/// would be made now.
///
/// # Errors
/// With ccache: as [`super::toolchain::CompilerCache::by_lists`].
pub fn kbuild(source: &KernelSource, toolchain: &Toolchain, objects: &Path) -> Result<Program> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = clean(Program::new("make"), toolchain, None);
    let program = match toolchain.ccache.as_ref().filter(|_| source.released) {
        Some(ccache) => ccache.by_lists(program, path, objects)?,
        None => program.env("PATH", path),
    };
    let program = program
        .env("HOME", objects)
        .env("KBUILD_BUILD_USER", "allno")
        .env("KBUILD_BUILD_HOST", "allno")
        // The number in "#1" of uname -v would count the builds of this object tree.
        .env("KBUILD_BUILD_VERSION", "1")
        .env("KBUILD_BUILD_TIMESTAMP", timestamp(source.date));
    let assign = |name: &str, value: &Path| {
        let mut word = std::ffi::OsString::from(name);
        word.push(value);
        word
    };
    Ok(program
        .args(["-C".into(), source.tree.clone().into_os_string(), assign("O=", objects)])
        .args([format!("ARCH={}", kernel_config::ARCH), format!("CC={}", toolchain.command())])
        .arg(format!("HOSTCC={}", toolchain.command())))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).context(|| format!("cannot read {}", path.display()))
}

/// About how many lines kbuild prints for a kernel built from nothing, by its options =y: the first for a bare one, the rest
/// for each further option. Counted: 1060 for 395 options, 1327 for 439, 1601 for 499 (all 6.12), 1507 for 460 (6.1). It sizes
/// the bar and nothing else.
fn lines_expected(options: usize) -> u64 {
    1090 + (options.saturating_sub(395) as u64 * 54).div_ceil(10)
}

/// A time in seconds since 1970 as date(1) prints it in the C locale, which is what `uname -v` shows when nobody sets it:
/// "Sat Nov 14 12:56:01 UTC 2026".
fn timestamp(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = seconds / 86_400;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let mut left = days;
    let mut year = 1970;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 0;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    let (weekday, day) = (DAYS[(days % 7) as usize], left + 1);
    format!("{weekday} {} {day:2} {hour:02}:{minute:02}:{second:02} UTC {year}", MONTHS[month])
}

/// The scratch folder goes away with a failed build; its log moves to the object tree's folder's side, where the
/// error's last note says it is.
fn keep_log(error: Error, log: &Path, objects: &Path) -> Error {
    super::keep_log(error, log, &objects.with_extension("log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_expected_are_near_those_counted() {
        for (options, counted) in [(395, 1060), (439, 1327), (499, 1601), (460, 1507)] {
            let off = lines_expected(options).abs_diff(counted);
            assert!(off * 20 <= counted, "{options} options: {off} of {counted} lines off");
        }
    }

    #[test]
    fn a_timestamp_reads_as_date_prints_it() {
        for seconds in [0, 951_782_400, 1_709_164_800, 1_794_660_961, 4_107_542_399] {
            let captured = Program::new("date")
                .args(["-u", "-d", &format!("@{seconds}"), "+%a %b %e %H:%M:%S UTC %Y"])
                .env("LC_ALL", "C")
                .capture(Duration::from_secs(10), &base::Cancel::new())
                .unwrap();
            assert_eq!(timestamp(seconds), captured.stdout.trim_end());
        }
    }
}
