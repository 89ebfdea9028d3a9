//! Building into the store: once, whole, with a reason, and side by side.

mod common;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use base::{Cancel, Error, Event, Events, Kind, Result};
use common::Place;
use store::{Artifact, Inputs, Rebuild, Store};

impl Place {
    fn realize(&self, inputs: &Inputs, build: impl FnOnce(&Path) -> Result<()>) -> Result<Artifact> {
        self.store.realize("kernel", inputs, &self.project, &Events::silent(), &Cancel::new(), build)
    }
}

fn one_file(text: &str) -> impl FnOnce(&Path) -> Result<()> {
    let text = text.to_string();
    move |tree| {
        fs::write(tree.join("vmlinux"), text).unwrap();
        Ok(())
    }
}

fn never(_: &Path) -> Result<()> {
    panic!("built what was there")
}

#[test]
fn what_was_built_is_found_again() {
    let place = Place::new();
    let inputs = Inputs::new().with("config", "PCI=y").with("cc", "gcc 12");
    let expected = place.store.artifact_path("kernel", &inputs).unwrap();
    let built = place.realize(&inputs, one_file("x")).unwrap();
    assert!(built.fresh && built.path == expected && built.key == inputs.key());
    assert_eq!(fs::read_to_string(built.path.join("vmlinux")).unwrap(), "x");
    assert_eq!(built.digest, store::digest(&built.path, &Cancel::new()).unwrap());
    let found = place.realize(&inputs, never).unwrap();
    assert_eq!((found.fresh, found.reason, found.digest), (false, None, built.digest));
    // Another handle, as another process would have.
    let other = Store::open(place.store.root()).unwrap();
    other.realize("kernel", &inputs, &place.project, &Events::silent(), &Cancel::new(), never).unwrap();
}

#[test]
fn a_build_says_why() {
    let place = Place::new();
    let old = Inputs::new().with("config", "PCI=y").with("cc", "gcc 12");
    let new = Inputs::new().with("config", "PCI=n").with("cc", "gcc 12");
    assert_eq!(place.realize(&old, one_file("old")).unwrap().reason, Some(Rebuild::First));
    let (sender, heard) = channel();
    let built = place
        .store
        .realize("kernel", &new, &place.project, &Events::to(sender), &Cancel::new(), one_file("new"))
        .unwrap();
    let Some(Rebuild::Changed(changes)) = &built.reason else { panic!("{:?}", built.reason) };
    assert_eq!(changes.len(), 1);
    let said = heard.iter().find_map(|event| match event {
        Event::Detail(text) => Some(text),
        _ => None,
    });
    assert_eq!(said.unwrap(), r#"building kernel: config: "PCI=y" is now "PCI=n""#);
    // Back to what is still there: nothing to build, and the next change is told from here.
    place.realize(&old, never).unwrap();
    fs::remove_dir_all(built.path.parent().unwrap()).unwrap();
    drop(built);
    let back = place.realize(&new, one_file("new")).unwrap();
    assert!(matches!(back.reason, Some(Rebuild::Changed(_))));
    fs::remove_dir_all(back.path.parent().unwrap()).unwrap();
    drop(back);
    assert_eq!(place.realize(&new, one_file("new")).unwrap().reason, Some(Rebuild::Lost));
}

#[test]
fn a_spare_copy_is_taken_once_and_may_be_written_to() {
    let place = Place::new();
    let built = place.realize(&Inputs::new().with("a", "1"), one_file("kernel")).unwrap();
    let to = place.folder.path().join("mine");
    assert_eq!(built.take_spare("vmlinux", &to), None);
    place.store.keep_spare(&built, "vmlinux").unwrap();
    place.store.keep_spare(&built, "vmlinux").unwrap();
    assert_eq!(built.take_spare("vmlinux", &to), Some(6));
    assert_eq!(built.take_spare("vmlinux", &place.folder.path().join("nobody's")), None);
    fs::write(&to, "mine").unwrap();
    assert_eq!(fs::read_to_string(built.path.join("vmlinux")).unwrap(), "kernel");
    assert!(place.store.verify(&Events::silent(), &Cancel::new()).unwrap().is_empty());
    assert_eq!(place.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn of_two_runs_that_want_the_spare_copy_one_gets_it() {
    let place = Place::new();
    let inputs = Inputs::new().with("a", "1");
    let built = place.realize(&inputs, one_file("kernel")).unwrap();
    for _ in 0..50 {
        place.store.keep_spare(&built, "vmlinux").unwrap();
        let taken = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for run in 0..2 {
                let to = place.folder.path().join(run.to_string());
                let (built, taken) = (&built, &taken);
                scope.spawn(move || {
                    if built.take_spare("vmlinux", &to).is_some() {
                        taken.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(fs::read_to_string(&to).unwrap(), "kernel");
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 1);
    }
}

#[test]
fn a_spare_copy_that_was_cut_short_is_not_taken() {
    let place = Place::new();
    let built = place.realize(&Inputs::new().with("a", "1"), one_file("kernel")).unwrap();
    place.store.keep_spare(&built, "vmlinux").unwrap();
    fs::write(built.path.with_file_name("spare-vmlinux"), "ker").unwrap();
    let to = place.folder.path().join("mine");
    assert_eq!(built.take_spare("vmlinux", &to), None);
    assert!(!to.exists());
}

#[test]
fn a_failed_or_stopped_build_leaves_nothing() {
    let place = Place::new();
    let inputs = Inputs::new().with("a", "1");
    let half = |tree: &Path| {
        fs::write(tree.join("half"), "x").unwrap();
        Err(Error::failed("the compiler crashed"))
    };
    let error = place.realize(&inputs, half).unwrap_err();
    assert_eq!(error.message(), "the compiler crashed");
    assert_eq!((place.names("artifacts").len(), place.leftovers().len()), (0, 0));
    let cancel = Cancel::new();
    let stop = |tree: &Path| {
        fs::write(tree.join("whole"), "x").unwrap();
        cancel.set();
        Ok(())
    };
    let stopped = place.store.realize("kernel", &inputs, &place.project, &Events::silent(), &cancel, stop);
    assert_eq!(stopped.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!((place.names("artifacts").len(), place.leftovers().len()), (0, 0));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = place.realize(&inputs, |_| panic!("a bug of the builder"));
    }));
    assert!(panicked.is_err());
    assert_eq!(place.leftovers().len(), 0);
    assert!(place.realize(&inputs, one_file("x")).unwrap().fresh);
}

#[test]
fn a_program_that_ran_out_of_disk_is_the_hosts_lack() {
    let place = Place::new();
    let error = place
        .realize(&Inputs::new(), |_| {
            Err(Error::failed("make ended with exit code 2")
                .output(["ld: final link failed: No space left on device".to_string()]))
        })
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Host);
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert!(!error.output_lines().is_empty());
}

#[test]
fn a_damaged_entry_is_built_again() {
    for damage in ["digest", "inputs", "tree"] {
        let place = Place::new();
        let inputs = Inputs::new().with("a", "1");
        let path = place.realize(&inputs, one_file("x")).unwrap().path;
        let victim = path.with_file_name(damage);
        if victim.is_dir() {
            fs::remove_dir_all(victim).unwrap();
        } else {
            fs::write(victim, "nonsense").unwrap();
        }
        let (sender, heard) = channel();
        let again = place
            .store
            .realize("kernel", &inputs, &place.project, &Events::to(sender), &Cancel::new(), one_file("x"))
            .unwrap();
        assert!(again.fresh, "{damage}");
        assert!(heard.iter().any(|event| matches!(event, Event::Warning(text) if text.contains("damaged"))));
        assert!(place.store.verify(&Events::silent(), &Cancel::new()).unwrap().is_empty());
    }
}

#[test]
fn side_by_side_one_builds_and_the_others_wait_and_say_so() {
    let place = Place::new();
    let inputs = Inputs::new().with("a", "1");
    let builds = AtomicUsize::new(0);
    let (sender, heard) = channel();
    let (begun, wait_for_begin) = channel();
    std::thread::scope(|scope| {
        let (place, inputs, builds) = (&place, &inputs, &builds);
        scope.spawn(move || {
            place
                .realize(inputs, |tree| {
                    builds.fetch_add(1, Ordering::SeqCst);
                    begun.send(()).unwrap();
                    // Ends once the other one is known to wait.
                    let Event::Waiting(text) = heard.recv().unwrap() else { panic!() };
                    let us = format!("process {}, which is building kernel", std::process::id());
                    assert_eq!(text, format!("waiting for {us}"));
                    one_file("x")(tree)
                })
                .unwrap()
        });
        wait_for_begin.recv().unwrap();
        let other = Store::open(place.store.root()).unwrap();
        let events = Events::to(sender);
        let found = other.realize("kernel", inputs, &place.project, &events, &Cancel::new(), never).unwrap();
        assert!(!found.fresh);
    });
    assert_eq!(builds.load(Ordering::SeqCst), 1);
}

#[test]
fn different_builds_do_not_wait_for_each_other() {
    let place = Place::new();
    let (outer, inner) = (Inputs::new().with("a", "1"), Inputs::new().with("a", "2"));
    let built = place.realize(&outer, |tree| {
        let inner = place.realize(&inner, one_file("inner"))?;
        fs::copy(inner.path.join("vmlinux"), tree.join("copy")).unwrap();
        Ok(())
    });
    assert_eq!(fs::read_to_string(built.unwrap().path.join("copy")).unwrap(), "inner");
}

#[test]
fn files_cannot_be_changed_by_mistake_and_go_with_a_plain_rm() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let built = place
        .realize(&Inputs::new(), |tree| {
            fs::create_dir(tree.join("bin")).unwrap();
            fs::write(tree.join("bin/busybox"), "x").unwrap();
            fs::set_permissions(tree.join("bin/busybox"), fs::Permissions::from_mode(0o4755)).unwrap();
            fs::set_permissions(tree.join("bin"), fs::Permissions::from_mode(0o500)).unwrap();
            Ok(())
        })
        .unwrap();
    let mode = |name: &str| fs::metadata(built.path.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("bin/busybox"), mode("bin")), (0o555, 0o755));
    fs::remove_dir_all(place.folder.path().join("store")).unwrap();
}

#[test]
fn a_change_in_the_store_is_found() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let built = place.realize(&Inputs::new(), one_file("x")).unwrap();
    let verify = || place.store.verify(&Events::silent(), &Cancel::new()).unwrap();
    assert!(verify().is_empty());
    let file = built.path.join("vmlinux");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "y").unwrap();
    let problems = verify();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].what.contains("its tree has changed"), "{}", problems[0].what);
    // Not while somebody uses it.
    assert!(!place.store.discard(problems[0].kind, &problems[0].entry).unwrap());
    drop(built);
    assert!(place.store.discard(problems[0].kind, &problems[0].entry).unwrap());
    assert!(verify().is_empty());
}
