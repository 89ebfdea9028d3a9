//! Shrinking the store without taking away what somebody uses.

mod common;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base::{Cancel, Events};
use common::Place;
use store::{Artifact, Collected, EntryKind, Inputs, Policy, Project, Store};

impl Place {
    /// Builds `length` bytes called `name`; `value` is its only input.
    fn build(&self, name: &str, value: &str, length: usize, project: &Project) -> Artifact {
        let inputs = Inputs::new().with("value", value);
        self.store
            .realize(name, &inputs, project, &Events::silent(), &Cancel::new(), |tree| {
                fs::write(tree.join("file"), vec![7; length]).unwrap();
                Ok(())
            })
            .unwrap()
    }

    fn workspace(&self, project: &Project) -> store::Workspace {
        self.store.workspace("objects", project, &Events::silent(), &Cancel::new()).unwrap()
    }

    /// Puts a source where a fetch would.
    fn source(&self, content: &str) -> PathBuf {
        let folder =
            self.store.root().join("sources").join(store::Sha256::of(content.as_bytes()).to_string());
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("about"), "origin\tupstream https://a.example/f\n").unwrap();
        fs::write(folder.join("f.tar.gz"), content).unwrap();
        folder
    }

    fn collect(&self, policy: Policy, dry_run: bool) -> Collected {
        self.store.collect(policy, dry_run, &Cancel::new()).unwrap()
    }

    fn entries(&self) -> Vec<(EntryKind, String)> {
        let usage = self.store.usage(&Cancel::new()).unwrap();
        usage.into_iter().map(|entry| (entry.kind, entry.name)).collect()
    }
}

fn names(entries: &[store::Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}

#[test]
fn usage_says_what_is_there_how_big_and_whose() {
    let place = Place::new();
    let (mine, yours) = (place.project_called("mine"), place.project_called("yours"));
    place.build("kernel", "1", 10_000, &mine);
    place.build("kernel", "1", 10_000, &yours);
    place.source("source");
    let usage = place.store.usage(&Cancel::new()).unwrap();
    assert_eq!(names(&usage), ["f.tar.gz", "kernel"]);
    let kernel = &usage[1];
    assert!(kernel.bytes.apparent > 10_000 && kernel.bytes.on_disk >= 10_000, "{:?}", kernel.bytes);
    assert_eq!(kernel.used_by, [mine.folder(), yours.folder()]);
    assert!(kernel.last_used.is_some());
    assert!(usage[0].used_by.is_empty());
}

#[test]
fn what_no_project_uses_goes_and_the_rest_stays() {
    let place = Place::new();
    let (mine, yours) = (place.project_called("mine"), place.project_called("yours"));
    drop(place.build("kernel", "old", 1, &mine));
    drop(place.build("kernel", "new", 1, &mine));
    drop(place.build("busybox", "1", 1, &yours));
    place.workspace(&mine).finish().unwrap();
    place.source("unused");
    assert_eq!(place.collect(Policy::Nothing, false).kept.len(), 5);
    let planned = place.collect(Policy::Unreferenced, true);
    assert_eq!(names(&planned.removed), ["f.tar.gz", "kernel"]);
    assert_eq!(place.entries().len(), 5, "a dry run removed something");
    let done = place.collect(Policy::Unreferenced, false);
    assert_eq!(names(&done.removed), names(&planned.removed));
    assert!(done.freed().on_disk > 0);
    assert_eq!(
        place.entries(),
        [
            (EntryKind::Artifact, "busybox".to_string()),
            (EntryKind::Artifact, "kernel".to_string()),
            (EntryKind::Workspace, "objects".to_string())
        ]
    );
    // A project that is gone keeps nothing.
    fs::remove_dir(yours.folder()).unwrap();
    assert_eq!(names(&place.collect(Policy::Unreferenced, false).removed), ["busybox"]);
    assert!(!place.build("kernel", "new", 1, &mine).fresh);
}

#[test]
fn what_a_running_allno_holds_stays_until_it_is_done() {
    let place = Place::new();
    let mine = place.project_called("mine");
    let held = place.build("kernel", "1", 1, &mine);
    let clone = held.clone();
    let workspace = place.workspace(&mine);
    // Another handle, as another process would have.
    let other = Store::open(place.store.root()).unwrap();
    for dry_run in [true, false] {
        let collected = other.collect(Policy::Everything, dry_run, &Cancel::new()).unwrap();
        assert!(collected.removed.is_empty());
        assert_eq!(names(&collected.in_use), ["kernel", "objects"]);
    }
    assert!(clone.path.join("file").exists() && workspace.path.is_dir());
    drop(held);
    assert_eq!(names(&other.collect(Policy::Everything, false, &Cancel::new()).unwrap().in_use).len(), 2);
    drop(clone);
    workspace.finish().unwrap();
    assert_eq!(other.collect(Policy::Everything, false, &Cancel::new()).unwrap().removed.len(), 2);
    for folder in ["artifacts", "workspaces", "locks"] {
        assert_eq!(place.names(folder), [""; 0], "{folder}");
    }
}

#[test]
fn a_tools_cache_counts_and_stays_while_it_is_used() {
    let place = Place::new();
    let mine = place.project_called("mine");
    let open = || place.store.cache("ccache", &mine, &Events::silent(), &Cancel::new()).unwrap();
    let (one, other) = (open(), open());
    fs::write(one.path.join("object"), [1; 10_000]).unwrap();
    assert_eq!(one.path, other.path);
    let usage = place.store.usage(&Cancel::new()).unwrap();
    assert!(usage[0].kind == EntryKind::Cache && usage[0].bytes.on_disk >= 10_000, "{usage:?}");
    drop(one);
    assert_eq!(names(&place.collect(Policy::Everything, false).in_use), ["ccache"]);
    drop(other);
    assert!(place.collect(Policy::Unreferenced, false).removed.is_empty());
    assert_eq!(names(&place.collect(Policy::Everything, false).removed), ["ccache"]);
}

#[test]
fn down_to_a_size_takes_what_was_used_longest_ago() {
    let place = Place::new();
    let mine = place.project_called("mine");
    for (age, name) in [(30, "oldest"), (20, "middle"), (10, "youngest")] {
        let built = place.build(name, "1", 1 << 20, &mine);
        let entry = built.path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_string();
        drop(built);
        let stamp = place.store.root().join("locks").join(format!("artifact-{entry}"));
        let time = SystemTime::now() - Duration::from_secs(age * 86_400);
        fs::File::options().write(true).open(stamp).unwrap().set_modified(time).unwrap();
    }
    // Using it makes it young again.
    drop(place.build("oldest", "1", 1 << 20, &mine));
    let collected = place.collect(Policy::DownTo(5 << 19), false);
    assert_eq!(names(&collected.removed), ["middle"]);
    assert_eq!(names(&collected.kept), ["youngest", "oldest"]);
    assert!(place.collect(Policy::DownTo(1 << 30), false).removed.is_empty());
    assert_eq!(place.collect(Policy::DownTo(0), false).removed.len(), 2);
}
