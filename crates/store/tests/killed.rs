//! SIGKILL at any moment, several times over, with a second run beside it: what is visible is complete.
#![allow(clippy::disallowed_methods, reason = "a test starts itself again, to kill that")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base::{Cancel, Events, Result};
use common::server::{Server, send_range};
use store::{FetchOptions, Inputs, LockFile, Origin, Policy, Project, Sha256, Source, Store};

/// Names the folder to work in, in the process that is to be killed.
const VICTIM: &str = "ALLNO_TEST_VICTIM";
const FILES: usize = 40;

fn build(tree: &Path, value: usize) -> Result<()> {
    for number in 0..FILES {
        fs::create_dir_all(tree.join(format!("d{}", number % 5))).unwrap();
        fs::write(tree.join(format!("d{}/f{number}", number % 5)), format!("{value} {number}").repeat(300))
            .unwrap();
    }
    Ok(())
}

fn realize(store: &Store, project: &Project, value: usize) -> PathBuf {
    let inputs = Inputs::new().with("value", value.to_string());
    let realized = store
        .realize("thing", &inputs, project, &Events::silent(), &Cancel::new(), |tree| build(tree, value));
    realized.unwrap().path.clone()
}

/// Two files that are always changed together.
fn work(store: &Store, project: &Project, value: usize) {
    let workspace = store.workspace("objects", project, &Events::silent(), &Cancel::new()).unwrap();
    let read = |name: &str| fs::read_to_string(workspace.path.join(name)).ok();
    assert_eq!(read("one"), read("two"), "half-written objects were handed out as complete");
    assert_eq!(workspace.reused, read("one").is_some());
    for name in ["one", "two"] {
        fs::write(workspace.path.join(name), value.to_string()).unwrap();
    }
    workspace.finish().unwrap();
}

fn source(value: usize) -> (Source, Vec<u8>) {
    let content = format!("source {value} ").repeat(20_000).into_bytes();
    let source = Source {
        name: "source".into(),
        version: value.to_string(),
        file: "source.tar".into(),
        sha256: Some(Sha256::of(&content)),
        origins: vec![Origin::Url(format!("https://up.example/{value}"))],
    };
    (source, content)
}

fn fetch(store: &Store, server: &Server, lock: &Path, value: usize) {
    let (source, content) = source(value);
    let options = FetchOptions { mirror: Some(server.url()), ..Default::default() };
    let mut lock = LockFile::read(lock).unwrap();
    let fetched =
        store.fetch_locked(&source, &mut lock, true, &options, &Events::silent(), &Cancel::new()).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), content);
    lock.write().unwrap();
}

fn serve() -> Server {
    Server::start(|asked, _, stream| {
        let value = asked.path.rsplit('/').next().unwrap().parse().unwrap();
        send_range(stream, asked, "\"tag\"", &source(value).1)
    })
}

/// The process that is killed: works until then. As a test of its own it does nothing.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM).map(PathBuf::from) else { return };
    let server = serve();
    for round in 0.. {
        let store = Store::open(folder.join("store")).unwrap();
        let project = Project::at(&folder).unwrap();
        for value in round..round + 3 {
            realize(&store, &project, value % 7);
            work(&store, &project, value);
            fetch(&store, &server, &folder.join("allno.lock"), value % 7);
        }
        if round % 3 == 0 {
            store.collect(Policy::Unreferenced, false, &Cancel::new()).unwrap();
        }
    }
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, folder)
        .stdout(Stdio::null())
        .stderr(fs::File::options().create(true).append(true).open(folder.join("stderr")).unwrap())
        .spawn()
        .unwrap()
}

#[test]
fn nothing_visible_is_ever_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let (mut entries_seen, mut sources_seen) = (0, 0);
    for round in 0..40u64 {
        // Two at once; both are killed, at moments that differ from round to round.
        let mut victims = [start(folder.path()), start(folder.path())];
        for victim in &mut victims {
            std::thread::sleep(Duration::from_millis(15 + round * 37 % 90));
            victim.kill().unwrap();
            let ended = victim.wait().unwrap();
            use std::os::unix::process::ExitStatusExt;
            let said = fs::read_to_string(folder.path().join("stderr")).unwrap();
            assert_eq!(ended.signal(), Some(9), "it did not live to be killed: {said}");
        }
        let store = Store::open(&root).unwrap();
        let problems = store.verify(&Events::silent(), &Cancel::new()).unwrap();
        assert!(problems.is_empty(), "round {round}: {problems:?}");
        for artifact in fs::read_dir(root.join("artifacts")).unwrap() {
            entries_seen += 1;
            let tree = artifact.unwrap().path().join("tree");
            let files = (0..5).map(|folder| fs::read_dir(tree.join(format!("d{folder}"))).unwrap().count());
            assert_eq!(files.sum::<usize>(), FILES);
        }
        sources_seen += fs::read_dir(root.join("sources")).unwrap().count();
        LockFile::read(&folder.path().join("allno.lock")).unwrap();
        // The dead ones' scratch is gone; ours is there.
        let scratch: Vec<_> =
            fs::read_dir(root.join("scratch")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(scratch.len(), 2, "round {round}: {scratch:?}");
    }
    assert!(entries_seen > 0 && sources_seen > 0, "no victim lived long enough to build or fetch anything");
    // And on it goes.
    let store = Store::open(&root).unwrap();
    let project = Project::at(folder.path()).unwrap();
    let server = serve();
    for value in 0..7 {
        realize(&store, &project, value);
        fetch(&store, &server, &folder.path().join("allno.lock"), value);
    }
    work(&store, &project, 1);
    assert!(store.verify(&Events::silent(), &Cancel::new()).unwrap().is_empty());
}

#[test]
fn a_killed_download_is_gone_on_with() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/f", listener.local_addr().unwrap());
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "downloading_victim", "--nocapture"])
        .env(VICTIM, folder.path())
        .env("ALLNO_TEST_URL", &url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let head = |length: usize, status: &str, more: &str| {
        format!(
            "HTTP/1.1 {status}\r\nETag: \"1\"\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n"
        )
    };
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).unwrap() > 0);
    stream.write_all(head(content().len(), "200 OK", "").as_bytes()).unwrap();
    stream.write_all(&content()[..1000]).unwrap();
    // Killed as soon as the bytes are in the file.
    let store = folder.path().join("store");
    let data = || -> Option<u64> {
        let partial = fs::read_dir(store.join("partial")).ok()?.next()?.ok()?;
        Some(fs::metadata(partial.path().join("data")).ok()?.len())
    };
    let written = Cancel::new().poll(Duration::from_secs(30), || Ok(data().filter(|length| *length == 1000)));
    assert!(written.unwrap().is_some(), "nothing was written");
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!(fs::read_dir(store.join("sources")).unwrap().count(), 0);
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let count = stream.read(&mut request).unwrap();
        let rest = &content()[1000..];
        let range = format!("Content-Range: bytes 1000-{}/{}\r\n", content().len() - 1, content().len());
        stream.write_all(head(rest.len(), "206 Partial Content", &range).as_bytes()).unwrap();
        stream.write_all(rest).unwrap();
        String::from_utf8_lossy(&request[..count]).to_lowercase()
    });
    download(folder.path(), &url);
    assert!(server.join().unwrap().contains("range: bytes=1000-"));
}

fn content() -> Vec<u8> {
    (0..50_000u32).flat_map(|number| number.to_le_bytes()).collect()
}

fn download(folder: &Path, url: &str) {
    let source = Source {
        name: "source".into(),
        version: "1".into(),
        file: "source.tar".into(),
        sha256: Some(Sha256::of(&content())),
        origins: vec![Origin::Url(url.to_string())],
    };
    let store = Store::open(folder.join("store")).unwrap();
    store.fetch(&source, &FetchOptions::default(), &Events::silent(), &Cancel::new()).unwrap();
}

/// As [`victim`], for a download.
#[test]
fn downloading_victim() {
    let (Some(folder), Ok(url)) = (std::env::var_os(VICTIM), std::env::var("ALLNO_TEST_URL")) else { return };
    download(Path::new(&folder), &url);
}
