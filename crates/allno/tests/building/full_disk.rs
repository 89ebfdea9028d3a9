//! `allno build` on a disk that fills up: an error a person can act on, a store that is whole, and a build that goes on once
//! there is room. The disk is a small tmpfs.

use std::path::Path;

use crate::common::{
    Project, Run, SmallDisk, TINY, compiler_cache, copy_sources, may_mount, tiny, unpacked_kernel,
};

/// A store on a tmpfs of its own, with the sources that the project in `project` was built from.
struct SmallStore {
    disk: SmallDisk,
    _folder: tempfile::TempDir,
}

impl SmallStore {
    /// `size` is tmpfs's own: "512m".
    fn with_sources(size: &str, project: &Project) -> SmallStore {
        project.allno(&["build"]).run().ok();
        let folder = tempfile::tempdir().unwrap();
        let disk = SmallDisk::new(folder.path().join("store"), size);
        copy_sources(project, &disk.0);
        SmallStore { disk, _folder: folder }
    }

    /// Builds here; the compiler cache is the usual one, as this is not about compiling.
    fn build(&self, project: &Project) -> Run {
        project.allno(&["build", "--offline"]).store(&self.disk.0).env("CCACHE_DIR", compiler_cache()).run()
    }

    /// The build ended because the disk is full, said so, and left a store without half of anything in it.
    fn assert_full(&self, run: &Run) {
        let text = run.stderr();
        assert_eq!(run.code(), 3, "{text}");
        assert!(text.contains("disk is full") && text.contains("allno gc"), "{text}");
        for line in text.lines().filter_map(|line| line.split("log: ").nth(1)) {
            assert!(Path::new(line.trim()).is_file(), "no such log: {line}");
        }
        let scratch = self.disk.0.join("scratch");
        assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0, "something is left in scratch");
    }
}

fn assert_whole(store: &SmallStore, project: &Project) {
    let verified = project.allno(&["gc", "--verify", "--dry-run"]).store(&store.disk.0).run();
    assert_eq!(verified.code(), 0, "{}{}", verified.stdout(), verified.stderr());
}

#[test]
fn a_disk_that_fills_up_while_a_source_is_unpacked() {
    if !may_mount("full_disk::a_disk_that_fills_up_while_a_source_is_unpacked") {
        return;
    }
    let project = tiny();
    let store = SmallStore::with_sources("512m", &project);
    let run = store.build(&project);
    store.assert_full(&run);
    assert_eq!(std::fs::read_dir(store.disk.0.join("artifacts")).unwrap().count(), 0);
    assert_whole(&store, &project);
}

/// The kernel's tree lies elsewhere, so that it is the compilers that run out of room.
#[test]
fn a_disk_that_fills_up_while_programs_are_compiled() {
    if !may_mount("full_disk::a_disk_that_fills_up_while_programs_are_compiled") {
        return;
    }
    tiny().allno(&["build"]).run().ok();
    let project = tiny();
    let own_tree = format!("[kernel]\npath = \"{}\"\n", unpacked_kernel().display());
    project.write("allno.toml", &TINY.replace("[kernel]\n", &own_tree));
    let store = SmallStore::with_sources("100m", &project);
    let run = store.build(&project);
    store.assert_full(&run);
    assert_whole(&store, &project);
    store.disk.grow("600m");
    store.build(&project).ok();
    assert_whole(&store, &project);
}
