//! Building: the same bytes each time, whole after any death and on any disk, and refusals that help.

#[path = "../common/mod.rs"]
mod common;

mod full_disk;

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use common::{
    Allno, OtherUser, Project, Random, SmallDisk, compiler_cache, copy_sources, path, referee, tiny,
    unpacked_kernel, wait,
};
use rustix::process::{Pid, Signal, kill_process};

/// A kernel that only just starts an initramfs and prints, and busybox: a third of the node's work.
const SMALL: &str = "[kernel]\nrungs = [\"console\", \"programs\", \"pvh\"]\n[userland]\nrecipes = [\"busybox\"]\n\
                     [accounts]\nauthorized_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\"]\n\
                     [initramfs]\ninit = \"init\"\n[[expect]]\nconsole = \"small: up\"\n[[expect]]\nqemu_exit = 0\n";
const INIT: &str = "#!/bin/sh\necho small: up\nexec reboot -f\n";

fn small() -> Project {
    let project = Project::new(SMALL);
    project.write("init", INIT);
    project
}

/// A fresh store for tests that build in it. It always lies in the same place, one test at a time, as the compiler cache finds a
/// kernel's objects again only where the kernel's tree has the same path.
struct FreshStore {
    /// Unmounted before its folder is removed.
    disk: Option<SmallDisk>,
    folder: PathBuf,
    path: PathBuf,
    _mine: File,
}

impl FreshStore {
    /// In `folder`, with the sources that `project` needs and its lock names: a machine whose package lists are old would look for
    /// others. The folder is gone when this is dropped.
    fn of(project: &Project, folder: PathBuf) -> FreshStore {
        let lock = tmp().join(format!("{}.lock", folder.file_name().unwrap().display()));
        let mine = File::create(lock).unwrap();
        rustix::fs::flock(&mine, rustix::fs::FlockOperation::LockExclusive).unwrap();
        if folder.exists() {
            SmallDisk::unmount_left(&folder);
            remove(&folder);
        }
        let disk = SmallDisk::where_possible(&folder);
        project.allno(&["build"]).run().ok();
        let path = folder.join("store");
        copy_sources(project, &path);
        FreshStore { disk, folder, path, _mine: mine }
    }

    /// Of the person who runs the tests, with the compiler cache of their usual store: for what is not about compiling.
    fn usual(project: &Project) -> FreshStore {
        FreshStore::of(project, tmp().join("building"))
    }

    fn allno(&self, project: &Project, arguments: &[&str]) -> Allno {
        project.allno(arguments).store(&self.path).env("CCACHE_DIR", compiler_cache())
    }
}

impl Drop for FreshStore {
    fn drop(&mut self) {
        self.disk = None;
        remove(&self.folder);
    }
}

/// Where a test may leave something for its next run.
fn tmp() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn remove(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => panic!("{}: {cause}", folder.display()),
        _ => {}
    }
}

/// A compiler cache lent to a store of another user, and taken back at the end: a later run of the test compiles from it.
struct LentCache {
    home: PathBuf,
    there: PathBuf,
}

impl LentCache {
    fn to(folder: &Path) -> LentCache {
        let (home, there) = (tmp().join("compiler-cache"), folder.join("compiler-cache"));
        std::fs::create_dir_all(&home).unwrap();
        referee("cp", &["-r", home.to_str().unwrap(), there.to_str().unwrap()]);
        LentCache { home, there }
    }

    fn take_back(self) {
        remove(&self.home);
        referee("cp", &["-r", self.there.to_str().unwrap(), self.home.to_str().unwrap()]);
    }
}

/// A folder that another user may reach, with a much longer name than the usual store has. No other clone's tests use it.
fn folder_of_the_other_user() -> PathBuf {
    let mut hasher = std::hash::DefaultHasher::new();
    tmp().hash(&mut hasher);
    let name = format!(
        "the-folder-of-another-user-of-allno-whose-store-has-a-much-longer-name-{:x}",
        hasher.finish()
    );
    std::env::temp_dir().join(name)
}

/// Two builds, in different folders, at different times, by different users where the test may change user, each with a compiler
/// cache of its own (that of the second is empty at first), and the second killed with SIGKILL at many random moments, from its first
/// second to where it compiles the kernel: the same bytes, a store that verifies, and no compiler is left running by any of the
/// dead. (`bench reproducible` is without a compiler cache.)
#[test]
fn a_build_killed_many_times_gives_the_same_bytes_as_one_undisturbed() {
    let project = tiny();
    let first = project.allno(&["build", "--json"]).run().ok().json();
    let fresh = FreshStore::of(&project, folder_of_the_other_user());
    let (folder, store) = (&fresh.folder, &fresh.path);
    let cache = LentCache::to(folder);
    let other = OtherUser::of(folder, project.path());
    let build =
        || other.allno(&["build", "--json", "--offline"], store).env("CCACHE_DIR", &cache.there).start();
    let mut random = Random(u64::from(std::process::id()) * 2_654_435_761 + 1);
    println!("seed {}", random.0);
    for round in 0..13 {
        let mut child = build();
        // Unpacking the kernel's source takes longer than the first rounds last; the others let the kernel's build begin.
        if round >= 10 {
            let begun = || anybody_in(&store.join("workspaces"));
            common::eventually_beside(&mut child, "the kernel is built", begun);
        }
        std::thread::sleep(Duration::from_millis(random.below(if round < 10 { 2_000 } else { 4_000 })));
        assert!(child.try_wait().unwrap().is_none(), "the build ended before kill {round}");
        kill(&child, Signal::KILL);
        child.wait().unwrap();
        common::eventually("no process of the killed build is left", || !anybody_in(store));
    }
    let output = wait(build(), common::BUILD_LIMIT);
    let second = common::Run { output }.ok().json();
    assert_ne!(path(&first, "kernel"), path(&second, "kernel"));
    for file in ["kernel", "vmlinux", "config", "initramfs"] {
        referee("cmp", &[first[file].as_str().unwrap(), second[file].as_str().unwrap()]);
    }
    let verified = other.allno(&["gc", "--verify"], store).run();
    assert_eq!(verified.code(), 0, "{}{}", verified.stdout(), verified.stderr());
    cache.take_back();
}

/// Why a compiler cache may go by kbuild's own lists (engine: build/ccache.sh): what a C file of a release includes has the assembler
/// read nothing.
#[test]
fn no_header_of_a_release_reads_a_file_by_the_assembler() {
    let mut releases = 0;
    for entry in std::fs::read_dir(common::usual_store().join("artifacts")).unwrap() {
        let tree = entry.unwrap().path().join("tree");
        let makefile = std::fs::read_to_string(tree.join("Makefile")).unwrap_or_default();
        if !makefile.contains("\nPATCHLEVEL = ") {
            continue;
        }
        releases += 1;
        let words = ["-rl", "--include=*.[ch]", "incbin", tree.to_str().unwrap()];
        let files = referee("grep", &words);
        let ours = |file: &&str| !file.starts_with("arch/") || file.starts_with("arch/x86/");
        let names = files.lines().filter_map(|line| line.strip_prefix(tree.to_str()?)?.strip_prefix('/'));
        let mut found: Vec<&str> = names.filter(ours).filter(|it| !it.starts_with("tools/")).collect();
        found.sort();
        // They are not included by others; that each speaks of it is what ccache.sh looks for.
        assert_eq!(
            found,
            ["arch/x86/boot/compressed/mkpiggy.c", "kernel/configs.c", "kernel/kheaders.c"],
            "{}",
            tree.display()
        );
    }
    assert!(releases > 0, "the usual builds have unpacked a kernel");
}

/// Ctrl-C: the command ends with 1 soon, its children are gone, the store is whole.
#[test]
fn an_interrupted_build_leaves_nothing_behind() {
    let project = tiny();
    let store = FreshStore::usual(&project);
    let mut child = store.allno(&project, &["build", "--offline"]).start();
    common::eventually_beside(&mut child, "the build runs a child", || anybody_in(&store.path));
    kill(&child, Signal::INT);
    let output = wait(child, Duration::from_secs(30));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    common::eventually("no process of the interrupted build is left", || !anybody_in(&store.path));
    assert_eq!(store.allno(&project, &["gc", "--verify"]).run().code(), 0);
}

/// Two at once: one waits and says for what, and both end with the same files.
#[test]
fn two_builds_at_once_share_the_work() {
    let project = tiny();
    let store = FreshStore::usual(&project);
    // The kernel's tree lies elsewhere: unpacking it is not what is shared here.
    let own_tree = format!("[kernel]\npath = \"{}\"\n", unpacked_kernel().display());
    project.write("allno.toml", &common::TINY.replace("[kernel]\n", &own_tree));
    let start = || store.allno(&project, &["build", "--json", "--offline"]).start();
    let mut first = start();
    common::eventually_beside(&mut first, "the first build works", || anybody_in(&store.path));
    let second = wait(start(), common::BUILD_LIMIT);
    let first = wait(first, common::BUILD_LIMIT);
    let said = String::from_utf8_lossy(&second.stderr).into_owned() + &String::from_utf8_lossy(&first.stderr);
    assert!(said.to_lowercase().contains("waiting"), "{said}");
    let kernel = |output: std::process::Output| path(&common::Run { output }.ok().json(), "kernel");
    assert_eq!(kernel(first), kernel(second));
}

/// An option that Kconfig drops is an error with the option, its origin, and what its dependencies want.
#[test]
fn a_dropped_option_is_refused_with_what_it_depends_on() {
    let spec =
        format!("{}config = [\"SATA_AHCI=y\"]\n", SMALL.split_inclusive('\n').take(2).collect::<String>());
    let run = Project::new(&spec).allno(&["build"]).run();
    assert_eq!(run.code(), 2, "{}", run.stderr());
    let text = run.stderr();
    for wanted in ["CONFIG_SATA_AHCI", "allno.toml:3", "drivers/ata/Kconfig", "(ATA=n)", "BLOCK can be set"] {
        assert!(text.contains(wanted), "no {wanted} in:\n{text}");
    }
}

/// Why a thing is built again: the input that changed, from what to what. The small kernel again, with one leaf option.
#[test]
fn verbose_says_which_input_changed() {
    let project = small();
    project.allno(&["build"]).run().ok();
    // Never built before, also not by an earlier run of this test.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    project.write("init", &format!("#!/bin/sh\necho small: up, changed at {now}\nexec reboot -f\n"));
    let run = project.allno(&["build", "-v"]).run().ok();
    let text = run.stderr();
    assert!(text.contains("/init"), "{text}");
    assert!(!text.contains("building kernel"), "an edit of /init built the kernel:\n{text}");
    let run = project.allno(&["build", "-v"]).run().ok();
    assert!(!run.stderr().contains("building"), "{}", run.stderr());
}

/// A build step that fails: its command, its last lines, and a log that is there.
#[test]
fn a_failing_step_shows_its_last_lines_and_its_log() {
    let project = tiny();
    project.write("hello/hello.c", "int main(void) { return nothing; }\n");
    let run = project.allno(&["build"]).run();
    assert_eq!(run.code(), 1, "{}", run.stderr());
    let text = run.stderr();
    assert!(text.contains("nothing") && text.contains("undeclared"), "{text}");
    let log = text
        .lines()
        .find_map(|line| line.split("log: ").nth(1))
        .unwrap_or_else(|| panic!("no log in:\n{text}"));
    assert!(std::fs::read_to_string(log.trim()).unwrap().contains("undeclared"), "{log}");
    project.write("hello/hello.c", common::HELLO_C);
    project.boot(&[]);
}

fn kill(child: &Child, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

/// Whether any process works in `store`, which may not be there yet: its current folder lies in it.
fn anybody_in(store: &Path) -> bool {
    let (Ok(store), Ok(processes)) = (store.canonicalize(), std::fs::read_dir("/proc")) else { return false };
    processes.flatten().map(|entry| entry.path()).any(|process| {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        let dead = stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']));
        let inside = std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&store));
        let kernel_or_us = !process
            .file_name()
            .is_some_and(|name| name.to_string_lossy().bytes().all(|it| it.is_ascii_digit()));
        inside && !dead && !kernel_or_us
    })
}

/// The command itself must not be needed from this folder.
#[test]
fn the_small_kernel_boots() {
    let project = small();
    let report = project.boot(&[]);
    assert_eq!(report["expectations"].as_array().unwrap().len(), 2);
    let _ = Allno::new(project.path(), &["gc", "--dry-run"]).run().ok();
}
