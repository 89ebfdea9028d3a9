//! `allno conf --olddefconfig` on the node's configuration, against the C conf of the same tree: with the answers of its
//! probes known and without, and the memory each takes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use base::process::{Program, ending};
use base::{Cancel, Context, Error, Result};
use engine::kconfig_host::{Environment, Tree, tree_host};

use crate::overhead::kernel_source;
use crate::rival::{built, median, ratio, shown, text};

const LIMIT: Duration = Duration::from_secs(600);

/// The times of one way of doing it, and the memory it took at most, in KiB.
#[derive(Default)]
struct Series {
    times: Vec<Duration>,
    memory: u64,
}

pub fn measure(allno: &Path, pairs: usize) -> Result<()> {
    let folder = tempfile::tempdir().context(|| "no scratch folder".into())?;
    let node = built(allno, folder.path())?;
    let config = PathBuf::from(text(&node, "config")?);
    // artifacts/kernel-…/tree/config
    let store = config.ancestors().nth(4).ok_or_else(|| Error::failed("the store is not where it was"))?;
    let tree = kernel_source(store)?;
    let conf = build_conf(&tree, &folder.path().join("objects"))?;
    let environment = environment(&tree, folder.path())?;
    let bench = Bench { environment, config, folder: folder.path().to_path_buf() };

    let known = bench.folder.join("known");
    let expected = bench.run(&conf, &[], None)?.2;
    // The first run fills the store; it must be right as well.
    bench.check(&expected, &bench.run(allno, &["conf"], Some(&known))?.2)?;
    let (mut theirs, mut warm, mut cold) = (Series::default(), Series::default(), Series::default());
    for pair in 1..=pairs {
        theirs.add(bench.run(&conf, &[], None)?);
        let (time, memory, config) = bench.run(allno, &["conf"], Some(&known))?;
        bench.check(&expected, &config)?;
        warm.add((time, memory, config));
        let empty = bench.folder.join(format!("empty-{pair}"));
        let (time, memory, config) = bench.run(allno, &["conf"], Some(&empty))?;
        bench.check(&expected, &config)?;
        cold.add((time, memory, config));
    }
    println!("olddefconfig of the node's configuration, the same .config from all, median of {pairs}");
    println!("  conf                          {}", theirs.shown());
    println!("  allno conf, probes known      {}", warm.shown());
    println!("  allno conf, no probe known    {}", cold.shown());
    println!("  ratio, probes known           {:.4}", ratio(&warm.times, &theirs.times));
    println!("  ratio, no probe known         {:.4}", ratio(&cold.times, &theirs.times));
    println!("  times faster                  {:.1}", 1.0 / ratio(&warm.times, &theirs.times));
    println!("  median in ms, probes known    {:.0}", median(&warm.times).as_secs_f64() * 1000.0);
    Ok(())
}

impl Series {
    fn add(&mut self, (time, memory, _): (Duration, u64, Vec<u8>)) {
        self.times.push(time);
        self.memory = self.memory.max(memory);
    }

    fn shown(&self) -> String {
        format!("{}, largest process {:.1} MB", shown(&self.times), self.memory as f64 * 1024.0 / 1e6)
    }
}

struct Bench {
    environment: Environment,
    config: PathBuf,
    folder: PathBuf,
}

impl Bench {
    /// One run in a folder of its own: its time, its memory in KiB, and the .config it leaves.
    fn run(
        &self,
        program: &Path,
        leading: &[&str],
        store: Option<&Path>,
    ) -> Result<(Duration, u64, Vec<u8>)> {
        let cannot = || "cannot use the scratch folder".to_string();
        let folder = tempfile::tempdir_in(&self.folder).context(cannot)?;
        let config = folder.path().join(".config");
        std::fs::copy(&self.config, &config).context(cannot)?;
        // So that it writes no header files: they are the build's business.
        std::fs::create_dir_all(folder.path().join("include/config")).context(cannot)?;
        std::fs::write(folder.path().join("include/config/auto.conf"), b"").context(cannot)?;
        let this = std::env::current_exe().context(|| "cannot find this program".into())?;
        let mut command = Program::new(this).arg("once").arg(program).args(leading.iter().copied());
        command = command.args(["--olddefconfig", "Kconfig"]).directory(folder.path());
        for (name, value) in self.environment.iter() {
            command = command.env(name, value);
        }
        if let Some(store) = store {
            command = command.env("ALLNO_STORE", store);
        }
        let captured = command.capture(LIMIT, &Cancel::new())?;
        let mut words = captured.stdout.split_whitespace().rev().map(str::parse::<u64>);
        match (captured.status.success(), words.next(), words.next()) {
            (true, Some(Ok(memory)), Some(Ok(nanoseconds))) => {
                let config = std::fs::read(&config).context(cannot)?;
                Ok((Duration::from_nanos(nanoseconds), memory, config))
            }
            _ => Err(Error::failed(format!("{} failed", program.display()))
                .output(captured.stdout.lines().chain(captured.stderr.lines()).map(String::from))),
        }
    }

    fn check(&self, expected: &[u8], config: &[u8]) -> Result<()> {
        match expected == config {
            true => Ok(()),
            false => Err(Error::failed("allno conf and conf made different .config files")
                .hint("cargo xtask kconfig-diff says what differs")),
        }
    }
}

/// `bench once PROGRAM ARGUMENTS…`: runs it with its output thrown away, prints nanoseconds of processors and of the clock, and
/// the KiB of memory that the largest process among it and its children took. In a process of its own, as getrusage(2) knows
/// only of all children together.
pub fn once(line: &[std::ffi::OsString]) -> Result<()> {
    let (program, arguments) = line.split_first().ok_or_else(|| Error::input("once what?"))?;
    let program = Program::new(program).args(arguments);
    // What it leaves behind unwaited for, as 3cpio does a decompressor, becomes ours and is counted.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(std::io::Error::from)
        .context(|| "cannot adopt processes".into())?;
    let began = Instant::now();
    // In our group: a watchdog would be one more child.
    let mut running = program.start(Stdio::null(), Stdio::null(), Stdio::null(), true)?;
    let status = running.wait(LIMIT, &Cancel::new())?;
    let took = began.elapsed();
    while began.elapsed() < LIMIT {
        match rustix::process::wait(rustix::process::WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => break,
        }
    }
    match status {
        Some(status) if status.success() => {
            let (processor, memory) = children()?;
            println!("{} {} {memory}", processor.as_nanos(), took.as_nanos());
            Ok(())
        }
        Some(status) => Err(Error::failed(format!("it {}", ending(status)))),
        None => Err(Error::failed("it took too long")),
    }
}

/// What getrusage(2) says of all processes that were started and have ended: the time of processors they took, and the most
/// memory of any (ru_maxrss, KiB).
fn children() -> Result<(Duration, u64)> {
    // SAFETY: rusage is plain numbers, for which zero is a value; getrusage writes it and nothing else.
    let (outcome, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage), usage)
    };
    match outcome {
        0 => {
            let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
            Ok((time(usage.ru_utime) + time(usage.ru_stime), usage.ru_maxrss as u64))
        }
        _ => Err(std::io::Error::last_os_error()).context(|| "no resource usage".into()),
    }
}

/// The tree's own build makes its conf.
fn build_conf(tree: &Path, objects: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(objects).context(|| "no scratch folder".into())?;
    let output = format!("O={}", objects.display());
    let make = Program::new("make").arg("-C").arg(tree).args([output.as_str(), "ARCH=x86_64", "allnoconfig"]);
    let captured = make.capture(LIMIT, &Cancel::new())?;
    match captured.status.success() {
        true => Ok(objects.join("scripts/kconfig/conf")),
        false => {
            Err(Error::failed("make cannot build conf").output(captured.stderr.lines().map(String::from)))
        }
    }
}

/// What the tree's Makefile would add to our environment.
fn environment(tree: &Path, objects: &Path) -> Result<Environment> {
    let tree = Tree { source: tree, objects, arch: "x86_64", variables: &[] };
    Ok(tree_host(&tree, Environment::of_process(), None, &Cancel::new())?.variables().clone())
}
