//! What the tests of the whole command share: a project folder, the command with a deadline, its JSON.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than the slowest build on two busy cores; a test that hangs is ended and fails.
pub const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);

/// A folder with a spec in it, gone at the end.
pub struct Project {
    pub folder: tempfile::TempDir,
}

impl Project {
    /// A project whose allno.toml is `spec`.
    pub fn new(spec: &str) -> Project {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("allno.toml"), spec).expect("a writable folder");
        Project { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a writable folder");
    }

    /// The command in this folder, with the store of the person who runs the tests: what one test built no other builds.
    pub fn allno(&self, arguments: &[&str]) -> Allno {
        Allno::new(self.path(), arguments)
    }

    /// Boots with --check and returns the report, which must say that all was met.
    pub fn boot(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["boot", "--check", "--json"];
        all.extend(arguments);
        let run = self.allno(&all).run();
        let report = run.json();
        assert!(run.output.status.success(), "{}\n{}", report, run.stderr());
        assert_eq!(report["passed"], true, "{report}");
        report
    }
}

/// One call of the command.
pub struct Allno {
    command: Command,
}

impl Allno {
    pub fn new(folder: &Path, arguments: &[&str]) -> Allno {
        Allno::of(Path::new(env!("CARGO_BIN_EXE_allno")), folder, arguments)
    }

    #[expect(clippy::disallowed_methods, reason = "a test starts the command itself")]
    pub fn of(binary: &Path, folder: &Path, arguments: &[&str]) -> Allno {
        let mut command = Command::new(binary);
        command.current_dir(folder).args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Allno { command }
    }

    pub fn store(mut self, store: &Path) -> Allno {
        self.command.env("ALLNO_STORE", store);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Allno {
        self.command.env(name, value);
        self
    }

    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    pub fn start(mut self) -> Child {
        let mut child = None;
        // A copy of the command made just now may for a moment be open for writing in a child that another test is starting.
        eventually("the command can be started", || match self.command.spawn() {
            Err(cause) if cause.kind() == std::io::ErrorKind::ExecutableFileBusy => false,
            spawned => {
                child = Some(spawned.expect("the command starts"));
                true
            }
        });
        child.expect("the command started")
    }

    pub fn run(self) -> Run {
        let child = self.start();
        Run { output: wait(child, BUILD_LIMIT) }
    }
}

/// Waits for a child with a deadline, reading both its streams.
pub fn wait(child: Child, limit: Duration) -> Output {
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(limit) {
        Ok(output) => output.expect("its output can be read"),
        Err(_) => {
            let process = rustix::process::Pid::from_raw(id as i32).expect("a process id");
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            panic!("allno took longer than {} s", limit.as_secs());
        }
    }
}

/// What one call did.
pub struct Run {
    pub output: Output,
}

impl Run {
    pub fn code(&self) -> i32 {
        self.output.status.code().expect("allno was not killed")
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout()).unwrap_or_else(|error| {
            panic!("standard output is not one JSON object ({error}):\n{}\n{}", self.stdout(), self.stderr())
        })
    }

    /// Asserts that it ended well.
    pub fn ok(self) -> Run {
        assert!(self.output.status.success(), "{}\n{}", self.stdout(), self.stderr());
        self
    }
}

/// The store of the person who runs the tests.
pub fn usual_store() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    set("ALLNO_STORE")
        .or_else(|| set("XDG_CACHE_HOME").map(|it| it.join("allno")))
        .or_else(|| set("HOME").map(|it| it.join(".cache/allno")))
        .expect("a store")
}

/// Where compiled objects are kept: also for stores of a test's own, where it is not about compiling.
pub fn compiler_cache() -> PathBuf {
    std::env::var_os("CCACHE_DIR").map_or_else(|| usual_store().join("caches/ccache"), PathBuf::from)
}

/// A field of a JSON object that holds a path.
pub fn path(value: &Value, name: &str) -> PathBuf {
    PathBuf::from(value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")))
}

/// Runs a program of the host and returns its standard output; it must end with 0 within a minute.
pub fn referee(program: &str, arguments: &[&str]) -> String {
    referee_within(program, arguments, Duration::from_secs(60))
}

/// [`referee`], with another limit.
#[expect(clippy::disallowed_methods, reason = "a referee is started by the test itself")]
fn referee_within(program: &str, arguments: &[&str], limit: Duration) -> String {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| panic!("the referee {program} is missing: {cause}"));
    let output = wait(child, limit);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How long [`eventually`] waits: unpacking a kernel takes a quarter of a minute alone, and minutes beside three other builds.
const EVENTUALLY: Duration = Duration::from_secs(600);

/// Asks `ready` until it says yes or the time is up.
pub fn eventually(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + EVENTUALLY;
    while !ready() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// [`eventually`], of what only happens while `child` runs: it must not end before, and what it said is shown if it does.
pub fn eventually_beside(child: &mut Child, what: &str, mut ready: impl FnMut() -> bool) {
    eventually(what, || {
        if ready() {
            return true;
        }
        if let Some(status) = child.try_wait().expect("a child of ours") {
            let mut said = String::new();
            let read = child.stderr.take().map(|mut stream| stream.read_to_string(&mut said));
            panic!("not {what}, as it ended before ({status}, {read:?}):\n{said}");
        }
        false
    });
}

/// An unpatched 6.12 tree that the usual store has unpacked; there is one after any build of a kernel of the default series.
pub fn unpacked_kernel() -> PathBuf {
    let artifacts = std::fs::read_dir(usual_store().join("artifacts")).expect("a store");
    let is_wanted = |tree: &PathBuf| {
        let makefile = std::fs::read_to_string(tree.join("Makefile"));
        makefile.is_ok_and(|text| text.contains("PATCHLEVEL = 12\n") && text.contains("EXTRAVERSION =\n"))
    };
    let mut trees = artifacts.map(|entry| entry.expect("a readable store").path().join("tree"));
    trees.find(is_wanted).expect("the usual build has unpacked a kernel")
}

/// The sources that the last build of `project` used, from the usual store to the store at `to`, which then needs no network.
pub fn copy_sources(project: &Project, to: &Path) {
    let to = to.join("sources");
    std::fs::create_dir_all(&to).expect("a writable folder");
    let lock = std::fs::read_to_string(project.path().join("allno.lock")).expect("a build leaves its lock");
    for hash in lock.lines().filter_map(|line| line.strip_prefix("sha256 = \"")?.strip_suffix('"')) {
        let source = usual_store().join("sources").join(hash);
        referee("cp", &["-r", &source.display().to_string(), &to.display().to_string()]);
    }
}

/// Debian's "nobody" where the test may change user, else whoever runs it.
pub struct OtherUser {
    home: PathBuf,
    project: PathBuf,
    binary: PathBuf,
}

impl OtherUser {
    /// `home` and `project` are given to them.
    pub fn of(home: &Path, project: &Path) -> OtherUser {
        // They may not reach the folder that cargo built in.
        let binary = home.join("allno");
        std::fs::copy(env!("CARGO_BIN_EXE_allno"), &binary).expect("a writable folder");
        if rustix::process::getuid().is_root() {
            for theirs in [home, project] {
                referee("chown", &["-R", "65534:65534", &theirs.display().to_string()]);
            }
        }
        OtherUser { home: home.into(), project: project.into(), binary }
    }

    /// Their command in the project's folder.
    pub fn allno(&self, arguments: &[&str], store: &Path) -> Allno {
        let mut allno = Allno::of(&self.binary, &self.project, arguments).store(store);
        if rustix::process::getuid().is_root() {
            use std::os::unix::process::CommandExt;
            allno = allno.env("HOME", &self.home);
            allno.command().uid(65534).gid(65534);
        }
        allno
    }
}

/// Whether the test `name` may mount. An ordinary user may not: then the test is run again, as the root of name spaces of
/// its own, and here nothing is left to do. Where that is forbidden, too, it fails unless ALLNO_SKIP_REFEREES=1.
pub fn may_mount(name: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    if std::env::var_os("ALLNO_SKIP_REFEREES").is_none() {
        let this = std::env::current_exe().expect("a path");
        let this = this.to_str().expect("UTF-8");
        let again = ["--user", "--map-root-user", "--mount", "--", this, "--exact", name];
        referee_within("unshare", &again, Duration::from_secs(1200));
    }
    false
}

/// A tmpfs of so many bytes ("512m"), for as long as this lives; see [`may_mount`].
pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    /// `at` does not exist yet.
    pub fn new(at: PathBuf, size: &str) -> SmallDisk {
        std::fs::create_dir(&at).expect("a writable folder");
        let size = format!("size={size}");
        referee("mount", &["-t", "tmpfs", "-o", &size, "none", at.to_str().expect("UTF-8")]);
        SmallDisk(at)
    }

    /// Makes the folder `at`: with 4 GiB in memory, where the test may mount and twice that is free. A kernel's source is ninety
    /// thousand files; a disk that discards what is deleted takes longer over them than all the rest of a test.
    pub fn where_possible(at: &Path) -> Option<SmallDisk> {
        const KIBIBYTES: u64 = 4 << 20;
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let available =
            meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.strip_suffix("kB"));
        let available: u64 = available.map_or(0, |number| number.trim().parse().expect("proc_meminfo(5)"));
        if available > 2 * KIBIBYTES && rustix::process::geteuid().is_root() {
            return Some(SmallDisk::new(at.into(), &format!("{KIBIBYTES}k")));
        }
        std::fs::create_dir(at).expect("a writable folder");
        None
    }

    /// Unmounts what a killed test may have left mounted at `at`.
    #[expect(clippy::disallowed_methods, reason = "it may fail")]
    pub fn unmount_left(at: &Path) {
        let _ = Command::new("umount").args(["--lazy", "--quiet"]).arg(at).stderr(Stdio::null()).status();
    }

    /// Makes it that large.
    pub fn grow(&self, size: &str) {
        let size = format!("remount,size={size}");
        referee("mount", &["-o", &size, self.0.to_str().expect("UTF-8")]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        referee("umount", &["--lazy", self.0.to_str().expect("UTF-8")]);
    }
}

/// A kernel that only just starts an initramfs and prints, and one program, process 1 itself: what is compiled more than once
/// is compiled in the shortest time.
pub const TINY: &str = "[kernel]\nrungs = [\"console\", \"programs\", \"pvh\"]\nappend = \"rdinit=/bin/hello\"\n\
                    [userland]\nrecipes = [\"./hello.toml\"]\n\
                    [accounts]\nauthorized_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\"]\n\
                    [[expect]]\nconsole = \"hello from source\"\n[[expect]]\nqemu_exit = 0\n";
const HELLO: &str = r#"
name = "hello"
about = "a program of one's own"
license = "CC0-1.0"
kind = "program"
path = "hello"
needs = ["musl"]
provides = ["bin/hello"]
[build]
script = 'mkdir -p "$OUT/bin"; musl-gcc -Os -static -o "$OUT/bin/hello" hello.c'
"#;
pub const HELLO_C: &str = "#include <stdio.h>\n#include <sys/reboot.h>\n#include <unistd.h>\n\
                       int main(void) { puts(\"hello from source\"); sleep(1); return reboot(RB_AUTOBOOT); }\n";

/// A project of [`TINY`].
pub fn tiny() -> Project {
    let project = Project::new(TINY);
    project.write("hello.toml", HELLO);
    std::fs::create_dir(project.path().join("hello")).unwrap();
    project.write("hello/hello.c", HELLO_C);
    project
}

/// A linear congruential generator (Knuth's MMIX constants): enough to pick moments, and a printed seed repeats them.
pub struct Random(pub u64);

impl Random {
    /// A number from 0, below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }

    pub fn one_of<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.below(N as u64) as usize]
    }
}

/// The console of the built kernel with this initramfs.
#[expect(clippy::disallowed_methods, reason = "the referee is started here")]
pub fn booted(folder: &Path, built: &Value, image: &str) -> String {
    let mut words: Vec<String> =
        built["qemu"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_string()).collect();
    let mut replace = |flag: &str, value: &str| {
        let at = words.iter().position(|word| word == flag).unwrap();
        words[at + 1] = value.to_string();
    };
    replace("-initrd", image);
    replace("-m", "512M");
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(folder);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = wait(child.expect("QEMU starts"), Duration::from_secs(300));
    let console = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{console}", output.status);
    console
}
