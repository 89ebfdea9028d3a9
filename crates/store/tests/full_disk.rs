//! A full disk: the error is the host's, and nothing half-written is left. As root on a small tmpfs; where
//! that cannot be mounted, through a builder that reports what the kernel would.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::process::Program;
use base::{Cancel, Context, Events, Kind, Result};
use common::{Place, leftovers, names};
use store::{Inputs, LockFile, Project, Store};

/// One test at a time: a child that another thread is just starting holds every file that is open here until its exec, and
/// a removed file that somebody holds still fills the disk.
static ALONE: Mutex<()> = Mutex::new(());

/// A tmpfs of 2 MiB, unmounted when dropped.
struct Small {
    path: PathBuf,
    _folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Small {
    /// `None` where this user may not mount.
    fn mount() -> Option<Small> {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small");
        fs::create_dir(&path).unwrap();
        let mount = Program::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(&path);
        let mounted = mount.capture(Duration::from_secs(20), &Cancel::new()).unwrap().status.success();
        mounted.then_some(Small { path, _folder: folder, _alone })
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmount = Program::new("umount").arg("--lazy").arg(&self.path);
        let _ = unmount.capture(Duration::from_secs(20), &Cancel::new());
    }
}

fn realize(
    store: &Store,
    project: &Project,
    value: &str,
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let inputs = Inputs::new().with("value", value);
    store.realize("thing", &inputs, project, &Events::silent(), &Cancel::new(), build).map(drop)
}

fn write(path: PathBuf, length: usize) -> Result<()> {
    fs::write(&path, vec![1; length]).context(|| format!("cannot write {}", path.display()))
}

#[test]
fn a_build_that_fills_the_disk() {
    let Some(small) = Small::mount() else { return injected() };
    let store = Store::open(small.path.join("store")).unwrap();
    let project = Project::at(&small.path).unwrap();
    let error = realize(&store, &project, "big", |tree| write(tree.join("big"), 4 << 20)).unwrap_err();
    assert_eq!(error.kind(), Kind::Host, "{error}");
    assert!(error.to_string().contains("disk is full"), "{error}");
    // A program that says so itself.
    let error = realize(&store, &project, "program", |tree| {
        let log = tempfile::NamedTempFile::new().unwrap();
        let fill = Program::new("sh").args(["-c", "head -c 4000000 /dev/zero > fill"]).directory(tree);
        fill.env("LC_ALL", "C").run(log.path(), Duration::from_secs(60), &Cancel::new(), &mut |_| {})
    })
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Host, "{error}");
    assert_eq!((leftovers(store.root()), names(&store, "artifacts").len()), (Vec::new(), 0));
    realize(&store, &project, "small", |tree| write(tree.join("small"), 1000)).unwrap();
}

#[test]
fn a_disk_that_fills_up_at_any_step() {
    let Some(small) = Small::mount() else { return injected() };
    let store = Store::open(small.path.join("store")).unwrap();
    let project = Project::at(&small.path).unwrap();
    let (mut failed, mut worked) = (0, 0);
    for pages in 0..30 {
        // Fill everything but a few pages, so that another step is the one that fails.
        let filler = small.path.join("filler");
        let mut file = File::create(&filler).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(pages * 4096)).unwrap();
        let build = |tree: &Path| write(tree.join("one"), 6000).and_then(|()| write(tree.join("two"), 3000));
        match realize(&store, &project, &pages.to_string(), build) {
            Ok(()) => worked += 1,
            Err(error) => {
                failed += 1;
                assert_eq!(error.kind(), Kind::Host, "{pages} pages left: {error}");
            }
        }
        match LockFile::read(&small.path.join("allno.lock")).unwrap().write() {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), Kind::Host, "{error}"),
        }
        LockFile::read(&small.path.join("allno.lock")).unwrap();
        drop(file);
        fs::remove_file(filler).unwrap();
        assert_eq!(leftovers(store.root()), Vec::<PathBuf>::new(), "{pages} pages left");
        let problems = store.verify(&Events::silent(), &Cancel::new()).unwrap();
        assert!(problems.is_empty(), "{pages} pages left: {problems:?}");
        store.collect(store::Policy::Everything, false, &Cancel::new()).unwrap();
    }
    assert!(failed > 3 && worked > 3, "{failed} failed, {worked} worked");
}

#[test]
fn a_store_on_a_full_disk_cannot_be_opened_and_a_download_leaves_nothing() {
    let Some(small) = Small::mount() else { return injected() };
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/f", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::Read;
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(&vec![0; 4_000_000]);
    });
    let store = Store::open(small.path.join("store")).unwrap();
    let source = store::Source {
        name: "big".into(),
        version: "1".into(),
        file: "big.tar".into(),
        sha256: Some(store::Sha256::of(&vec![0; 4_000_000])),
        origins: vec![store::Origin::Url(url)],
    };
    let error = store.fetch(&source, &Default::default(), &Events::silent(), &Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::Host, "{error}");
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert_eq!((names(&store, "sources").len(), names(&store, "partial").len()), (0, 0));
    drop(store);
    let mut file = File::create(small.path.join("filler")).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let error = Store::open(small.path.join("another")).unwrap_err();
    assert_eq!(error.kind(), Kind::Host, "{error}");
    drop(folder);
}

/// Without a disk to fill: a builder that fails as a full disk makes it fail.
fn injected() {
    let place = Place::new();
    let error = realize(&place.store, &place.project, "x", |tree| {
        fs::write(tree.join("half"), "half").unwrap();
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull)).context(|| "cannot write".into())
    })
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Host);
    assert_eq!((place.leftovers().len(), place.names("artifacts").len()), (0, 0));
}
