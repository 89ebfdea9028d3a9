//! What a person gets wrong about a disk: named, located, and nothing left behind.

use crate::common::{Project, Run, usual_store};
use crate::server::Server;
use crate::{SPEC, made};

fn refused(run: Run, code: i32, wanted: &[&str]) {
    let text = run.stderr();
    assert_eq!(run.code(), code, "{text}");
    for wanted in wanted {
        assert!(text.contains(wanted), "no {wanted:?} in:\n{text}");
    }
}

fn disk(spec: &str, code: i32, wanted: &[&str]) {
    refused(Project::new(spec).allno(&["disk"]).run(), code, wanted);
}

#[test]
fn what_the_spec_cannot_mean_is_refused_at_its_line() {
    disk("[disk]\nsize = \"64M\"\n", 2, &["allno.toml:2", "are needed"]);
    disk("[disk]\nsize = \"big\"\n", 2, &["allno.toml:2", "256M"]);
    disk("[disk]\nformat = \"vmdk\"\n", 2, &["allno.toml:2", "qcow2"]);
    disk("[disk]\ndistribution = \"debain\"\n", 2, &["allno.toml:2", "debian"]);
    disk("[disk]\ndistribution = \"devuan\"\n", 2, &["allno.toml:2", "no mirror of devuan", "mirror ="]);
    disk("[disk]\nmirorr = \"x\"\n", 2, &["allno.toml:2", "`mirror`"]);
    disk("[disk]\npackages = [\"a;b\"]\n", 2, &["allno.toml:2", "not a package's name"]);
    let project = Project::new("");
    refused(project.allno(&["disk", "--format", "vhd"]).run(), 2, &["qcow2"]);
    refused(
        project.allno(&["disk", "-o", "allno.toml"]).run(),
        2,
        &["is there already", "never written over"],
    );
}

#[test]
fn a_mirror_that_refuses_is_named_with_its_line() {
    // Nobody listens on the port of tcpmux.
    disk(
        "[disk]\nmirror = \"http://127.0.0.1:1/debian\"\n",
        3,
        &["allno.toml:2", "127.0.0.1:1/debian/dists/bookworm"],
    );
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path().to_path_buf());
    let spec = format!("[disk]\nmirror = \"http://127.0.0.1:{}/debian\"\n", server.port());
    disk(&spec, 3, &["allno.toml:2", "404"]);
    std::fs::create_dir_all(folder.path().join("debian/dists/bookworm")).unwrap();
    std::fs::write(folder.path().join("debian/dists/bookworm/InRelease"), "no index\n").unwrap();
    disk(&spec, 3, &["allno.toml:2", "it has no date"]);
}

/// The packages are here; the disk that was asked for has no room for them.
#[test]
fn a_disk_too_small_for_its_packages_is_told_what_is_enough() {
    let project = Project::new(SPEC);
    made(&project, &[]);
    let run = project.allno(&["disk", "--size", "200M", "-o", "small.img"]).run();
    refused(run, 2, &["too small for this user space", "its files take", "or more"]);
    assert!(!project.path().join("small.img").exists());
    let names = std::fs::read_dir(usual_store().join("artifacts")).unwrap();
    let half = names.filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.file_name().unwrap().to_string_lossy().starts_with("disk-root-") && !path.join("digest").exists()
    });
    assert_eq!(half.count(), 0);
}
