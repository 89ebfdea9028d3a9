//! Building: the same bytes each time, whole after any death, and refusals that help.

mod common;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use common::{
    Allno, OtherUser, Project, Random, compiler_cache, copy_sources, path, referee, tiny, unpacked_kernel,
    wait,
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

/// A fresh store in `folder` that needs no network for `project`, whose lock then says which sources it uses: a machine whose
/// package lists are old would look for others.
fn store_with_sources(project: &Project, folder: &Path) -> PathBuf {
    project.allno(&["build"]).run().ok();
    let store = folder.join("store");
    copy_sources(project, &store);
    store
}

/// A fresh store for the tests that are not about compiling. It always lies in the same place, one test at a time, as the
/// compiler cache finds a kernel's objects again only where the kernel's tree has the same path.
struct FreshStore {
    path: PathBuf,
    _mine: File,
}

impl FreshStore {
    /// With the sources that `project` needs.
    fn of(project: &Project) -> FreshStore {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("building");
        std::fs::create_dir_all(&folder).unwrap();
        let mine = File::create(folder.join("lock")).unwrap();
        rustix::fs::flock(&mine, rustix::fs::FlockOperation::LockExclusive).unwrap();
        remove(&folder.join("store"));
        FreshStore { path: store_with_sources(project, &folder), _mine: mine }
    }

    fn allno(&self, project: &Project, arguments: &[&str]) -> Allno {
        project.allno(arguments).store(&self.path).env("CCACHE_DIR", compiler_cache())
    }
}

impl Drop for FreshStore {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => panic!("{}: {cause}", folder.display()),
        _ => {}
    }
}

/// Two builds, in different folders, at different times, one with a compiler cache and one without, by different users where
/// the test may change user, and the second killed with SIGKILL at many random moments, from its first second to where it compiles
/// the kernel: the same bytes, a store that verifies, and no compiler is left running by any of the dead.
#[test]
fn two_builds_give_the_same_bytes_though_one_is_killed_many_times() {
    let project = tiny();
    let first = project.allno(&["build", "--json"]).run().ok().json();
    let folder =
        tempfile::Builder::new().prefix("a-much-longer-name-than-the-other-store-has").tempdir().unwrap();
    let store = store_with_sources(&project, folder.path());
    let other = OtherUser::of(folder.path(), project.path());
    let build = || other.allno(&["build", "--json", "--offline"], &store).env("CCACHE_DISABLE", "1").start();
    let mut random = Random(u64::from(std::process::id()) * 2_654_435_761 + 1);
    println!("seed {}", random.0);
    // The kernel's source takes the first ten seconds to unpack, a kernel's compilation the rest.
    let early = (0..10).map(|_| 0..2_000);
    let late = (0..3).map(|_| 9_000..14_000);
    for (round, span) in early.chain(late).enumerate() {
        let moment = Duration::from_millis(span.start + random.below(span.end - span.start));
        let mut child = build();
        std::thread::sleep(moment);
        assert!(child.try_wait().unwrap().is_none(), "the build ended before kill {round}");
        kill(&child, Signal::KILL);
        child.wait().unwrap();
        common::eventually("no process of the killed build is left", || !anybody_in(&store));
    }
    let output = wait(build(), common::BUILD_LIMIT);
    let second = common::Run { output }.ok().json();
    assert_ne!(path(&first, "kernel"), path(&second, "kernel"));
    for file in ["kernel", "vmlinux", "config", "initramfs"] {
        referee("cmp", &[first[file].as_str().unwrap(), second[file].as_str().unwrap()]);
    }
    let verified = other.allno(&["gc", "--verify"], &store).run();
    assert_eq!(verified.code(), 0, "{}{}", verified.stdout(), verified.stderr());
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
    let store = FreshStore::of(&project);
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
    let store = FreshStore::of(&project);
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

/// Whether any process works in `store`: its current folder or its command line lies there.
fn anybody_in(store: &Path) -> bool {
    let store = store.canonicalize().unwrap();
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
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
