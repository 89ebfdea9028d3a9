//! The live host: what is asked, what is remembered, and what makes it ask again.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A folder with programs of our own, each of which counts its runs.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { folder: tempfile::tempdir().unwrap() };
        for folder in ["tree/scripts", "bin", "cache"] {
            std::fs::create_dir_all(bench.path(folder)).unwrap();
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn host(&self, set: &[(&str, &str)]) -> LiveHost {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let all = [("PATH", path.as_str())].into_iter().chain(set.iter().copied());
        let host = LiveHost::new(&self.path("tree"), all.collect(), &Cancel::new()).unwrap();
        let mut host = host.with_cache(&self.path("cache"));
        // The files were made just now; the margin for coarse clocks is tested by itself.
        host.began += 1000;
        host
    }

    /// The answer, and whether it came from the cache.
    fn ask(&self, set: &[(&str, &str)], command: &str) -> (String, bool) {
        ask(&self.host(set), command)
    }
}

fn ask(host: &LiveHost, command: &str) -> (String, bool) {
    let known = host.ask(command);
    let cached = known.is_some();
    let answer = known.unwrap_or_else(|| {
        host.finish().unwrap();
        host.ask(command).unwrap()
    });
    (String::from_utf8(answer.output).unwrap(), cached)
}

fn no() -> [(&'static str, &'static str); 0] {
    []
}

#[test]
fn an_answer_is_found_in_the_background_and_remembered() {
    let bench = Bench::new();
    let host = bench.host(&no());
    assert_eq!(host.ask("echo one"), None);
    assert_eq!(host.ask("echo two"), None);
    assert_eq!(host.ask("echo one"), None);
    host.finish().unwrap();
    assert_eq!(host.ask("echo one").unwrap().output, b"one\n");
    assert_eq!(host.ask("echo two").unwrap().output, b"two\n");
    assert_eq!(host.recorded().len(), 2);
    assert_eq!(bench.ask(&no(), "echo one"), ("one\n".to_string(), true));
}

#[test]
fn a_script_that_was_edited_is_asked_again() {
    let bench = Bench::new();
    bench.script("tree/scripts/a.sh", "#!/bin/sh\n$(dirname $0)/b.sh\n");
    bench.script("tree/scripts/b.sh", "#!/bin/sh\necho 1 $ARCH\n");
    let command = "./scripts/a.sh";
    assert_eq!(bench.ask(&no(), command), ("1\n".to_string(), false));
    assert_eq!(bench.ask(&no(), command), ("1\n".to_string(), true));
    bench.script("tree/scripts/b.sh", "#!/bin/sh\necho 2 $ARCH\n");
    assert_eq!(bench.ask(&no(), command), ("2\n".to_string(), false));
    assert_eq!(bench.ask(&no(), command), ("2\n".to_string(), true));
    assert_eq!(bench.ask(&[("ARCH", "x")], command), ("2 x\n".to_string(), false));
    assert_eq!(bench.ask(&[("OTHER", "x")], command), ("2\n".to_string(), true));
}

#[test]
fn a_file_that_appears_is_seen() {
    let bench = Bench::new();
    for command in ["test -e there && echo y || echo n", "test -e a/b && echo y || echo n"] {
        assert_eq!(bench.ask(&no(), command), ("n\n".to_string(), false));
        assert_eq!(bench.ask(&no(), command), ("n\n".to_string(), true));
    }
    std::fs::write(bench.path("tree/there"), "").unwrap();
    assert_eq!(bench.ask(&no(), "test -e there && echo y || echo n"), ("y\n".to_string(), false));
    std::fs::remove_file(bench.path("tree/there")).unwrap();
    assert_eq!(bench.ask(&no(), "test -e there && echo y || echo n"), ("n\n".to_string(), true));
}

/// A real compiler: remembered, and asked again when another stands before it in PATH or one of its helpers changes.
#[test]
fn a_compiler_that_was_replaced_is_asked_again() {
    let bench = Bench::new();
    let command = "gcc -Werror -c -x c /dev/null -o /dev/null && echo y || echo n";
    assert!(!bench.ask(&no(), command).1);
    assert_eq!(bench.ask(&no(), command), ("y\n".to_string(), true));
    // The same compiler by another way is another compiler.
    std::os::unix::fs::symlink("/usr/bin/gcc", bench.path("bin/gcc")).unwrap();
    assert_eq!(bench.ask(&no(), command), ("y\n".to_string(), false));
    assert_eq!(bench.ask(&no(), command), ("y\n".to_string(), true));
    // An `as` of our own, which gcc finds before its own by COMPILER_PATH.
    let set = [("COMPILER_PATH", bench.path("as").display().to_string())];
    let set = [(set[0].0, set[0].1.as_str())];
    std::fs::create_dir(bench.path("as")).unwrap();
    std::os::unix::fs::symlink("/usr/bin/as", bench.path("as/as")).unwrap();
    assert_eq!(bench.ask(&set, command), ("y\n".to_string(), false));
    assert_eq!(bench.ask(&set, command), ("y\n".to_string(), true));
    std::fs::remove_file(bench.path("as/as")).unwrap();
    std::os::unix::fs::symlink("/bin/false", bench.path("as/as")).unwrap();
    assert_eq!(bench.ask(&set, command), ("n\n".to_string(), false));
}

/// A wrapper script may do anything.
#[test]
fn what_cannot_be_judged_is_asked_each_time() {
    let bench = Bench::new();
    bench.script("bin/gcc", "#!/bin/sh\necho wrapped\n");
    bench.script("tree/scripts/time.sh", "#!/bin/sh\necho it is; date +%N\n");
    bench.script("tree/scripts/odd.sh", "#!/usr/bin/perl\nprint 1\n");
    std::fs::write(bench.path("tree/a.c"), "").unwrap();
    for command in [
        "gcc --version",
        "date",
        "./scripts/time.sh",
        "./scripts/odd.sh 2>/dev/null",
        "cat /proc/uptime | wc -l; uname -r",
        "ld -v; ls",
        "python3 -c 'import time; print(time.time())'",
        "x86_64-linux-gnu-gcc -I. -E -x c /dev/null",
        "x86_64-linux-gnu-gcc -E a.c",
        "mkdir -p made",
        "PATH=/x true",
        "trap 'date' EXIT",
        "grep -r x .",
        "$1 echo",
    ] {
        for _ in 0..2 {
            let host = bench.host(&no());
            assert!(host.ask(command).is_none(), "{command} was remembered");
            host.finish().unwrap();
        }
    }
}

#[test]
fn words_on_standard_error_are_heard_each_time_and_in_order() {
    let bench = Bench::new();
    for _ in 0..2 {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let host = bench.host(&no()).with_errors(move |bytes| sink.lock().unwrap().extend_from_slice(bytes));
        assert!(host.ask("printf a >&2").is_none());
        assert!(host.ask("printf b >&2").is_none());
        host.finish().unwrap();
        assert_eq!(*heard.lock().unwrap(), b"ab");
    }
}

/// Files that changed while, or just before, an answer was found may have changed after it was.
#[test]
fn an_answer_about_young_files_is_not_kept() {
    let bench = Bench::new();
    std::fs::write(bench.path("tree/young"), "").unwrap();
    for _ in 0..2 {
        let mut host = bench.host(&no());
        host.began -= 1000;
        assert!(host.ask("test -e young && echo y").is_none());
        host.finish().unwrap();
    }
}

#[test]
fn the_variables_that_count_are_in_the_key() {
    let bench = Bench::new();
    let command = "LC_ALL=C ld --version | head -n 1";
    assert!(!bench.ask(&no(), command).1);
    assert!(bench.ask(&[("KCONFIG_SEED", "1"), ("MAKEFLAGS", "j")], command).1);
    for name in ["LD_LIBRARY_PATH", "LANG", "TMPDIR"] {
        assert!(!bench.ask(&[(name, "/tmp/none")], command).1, "{name}");
    }
    let command = "test -n \"$CC\" && $CC -x c - -E </dev/null >/dev/null && echo y";
    assert!(!bench.ask(&[("CC", "gcc")], command).1);
    assert!(!bench.ask(&[("CC", "gcc")], command).1, "a quoted variable as an argument is refused");
    let command = "echo 'int x;' | $CC -x c - -c -o /dev/null && echo y";
    assert!(!bench.ask(&[("CC", "gcc")], command).1);
    assert!(bench.ask(&[("CC", "gcc")], command).1);
    assert!(!bench.ask(&[("CC", "gcc -m64")], command).1);
}

#[test]
fn files_environment_and_failures() {
    let bench = Bench::new();
    std::fs::write(bench.path("tree/Kconfig"), "config A\n").unwrap();
    let host = bench.host(&[("ARCH", "x86")]);
    assert_eq!(host.read("Kconfig").unwrap(), b"config A\n");
    assert_eq!(host.read("none").unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(host.read("/dev/zero").is_err(), "an endless file");
    assert_eq!(host.read("/proc").unwrap(), b"", "a folder, as fopen(3) has it");
    assert_eq!(host.environment("ARCH").as_deref(), Some("x86"));
    assert_eq!(host.environment("NONE"), None);
    assert!(LiveHost::new(&bench.path("none"), Environment::default(), &Cancel::new()).is_err());
}

#[test]
fn a_recording_gives_the_same_answers_and_no_others() {
    let bench = Bench::new();
    let host = bench.host(&no());
    for command in ["echo one", "printf 'a\\377b'"] {
        assert!(host.ask(command).is_none());
    }
    host.finish().unwrap();
    let file = bench.path("answers.json");
    host.recorded().write(&file).unwrap();
    let answers = Answers::read(&file).unwrap();
    assert_eq!(answers, host.recorded());
    let replay = ReplayHost::new(&bench.path("tree"), Environment::default(), answers);
    assert_eq!(replay.ask("echo one").unwrap().output, b"one\n");
    assert_eq!(replay.ask("printf 'a\\377b'").unwrap().output, b"a\xffb");
    replay.finish().unwrap();
    assert_eq!(replay.ask("echo three"), None);
    assert!(replay.finish().unwrap_err().to_string().contains("echo three"));
    std::fs::write(&file, "[1]").unwrap();
    assert_eq!(Answers::read(&file).unwrap_err().kind(), base::Kind::Input);
}

/// Several hosts write the same file at once; nothing is torn.
#[test]
fn hosts_share_a_cache() {
    let bench = Bench::new();
    let (tree, cache) = (bench.path("tree"), bench.path("cache"));
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (tree, cache) = (&tree, &cache);
            scope.spawn(move || {
                let environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
                let mut host = LiveHost::new(tree, environment, &Cancel::new()).unwrap().with_cache(cache);
                host.began += 1000;
                for round in 0..20 {
                    assert!(host.ask(&format!("echo {number} {round}")).is_none());
                    host.finish().unwrap();
                }
            });
        }
    });
    let environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    let host = LiveHost::new(&tree, environment, &Cancel::new()).unwrap().with_cache(&cache);
    for number in 0..4 {
        for round in 0..20 {
            let answer = host.ask(&format!("echo {number} {round}")).unwrap();
            assert_eq!(answer.output, format!("{number} {round}\n").into_bytes());
        }
    }
}
