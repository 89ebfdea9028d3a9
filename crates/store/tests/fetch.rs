//! Fetching from an upstream that behaves, misbehaves or is not there.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use base::{Cancel, Event, Events, Kind, Total};
use common::Place;
use common::server::{Server, send, send_as, send_range};
use store::{FetchOptions, Fetched, Limits, LockFile, Origin, Sha256, Source, Store};

/// Long enough to break in the middle of, with no repetition.
fn content() -> Vec<u8> {
    (0..60_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

impl Place {
    fn fetch(&self, source: &Source, options: &FetchOptions) -> base::Result<Fetched> {
        self.store.fetch(source, options, &Events::silent(), &Cancel::new())
    }

    /// Nothing was kept, not even in part.
    fn assert_empty(&self) {
        assert!(self.names("sources").is_empty(), "{:?}", self.names("sources"));
        assert!(self.names("partial").is_empty(), "{:?}", self.names("partial"));
    }
}

fn source(urls: &[&str]) -> Source {
    Source {
        name: "thing".into(),
        version: "1.0".into(),
        file: "thing-1.0.tar.gz".into(),
        sha256: Some(Sha256::of(&content())),
        origins: urls.iter().map(|url| Origin::Url(url.to_string())).collect(),
    }
}

fn from(server: &Server) -> FetchOptions {
    let limits = Limits { connect: Duration::from_secs(5), stall: Duration::from_millis(300) };
    FetchOptions {
        mirror: Some(server.url()),
        debian_mirrors: Some(Vec::new()),
        limits,
        ..Default::default()
    }
}

const URL: &str = "https://up.example/pub/thing-1.0.tar.gz";

#[test]
fn a_source_is_fetched_once_with_progress_and_named_by_its_origin() {
    let server = Server::start(|_, _, stream| send(stream, "200 OK", "", &content()));
    let place = Place::new();
    let (sender, heard) = channel();
    let fetched =
        place.store.fetch(&source(&[URL]), &from(&server), &Events::to(sender), &Cancel::new()).unwrap();
    assert_eq!(std::fs::read(&fetched.path).unwrap(), content());
    assert_eq!(fetched.path.file_name().unwrap(), "thing-1.0.tar.gz");
    assert_eq!(
        (fetched.origin.as_str(), fetched.version.as_str()),
        (format!("upstream {URL}").as_str(), "1.0")
    );
    assert!(fetched.fresh);
    let events: Vec<Event> = heard.iter().collect();
    let total = content().len() as u64;
    assert!(events.iter().any(|event| matches!(event,
        Event::Progress { done, total: Some(Total::Exactly(all)), .. } if *done == total && *all == total)));
    assert!(events.iter().any(|event| matches!(event, Event::Ended { done: "fetched", .. })));
    assert!(!place.fetch(&source(&[URL]), &from(&server)).unwrap().fresh);
    assert_eq!(server.asked().len(), 1, "asked again for what it had");
    assert_eq!(server.asked()[0].path, "/up.example/pub/thing-1.0.tar.gz");
    assert!(place.names("partial").is_empty());
}

#[test]
fn a_redirect_is_followed() {
    let server = Server::start(|asked, _, stream| match asked.path.as_str() {
        "/elsewhere" => send(stream, "200 OK", "", &content()),
        _ => send(stream, "302 Found", "Location: /elsewhere\r\n", b""),
    });
    let place = Place::new();
    assert!(place.fetch(&source(&[URL]), &from(&server)).unwrap().fresh);
    let endless = Server::start(|_, _, stream| send(stream, "302 Found", "Location: /again\r\n", b""));
    let error = Place::new().fetch(&source(&[URL]), &from(&endless)).unwrap_err();
    assert!(error.to_string().contains("redirect"), "{error}");
}

#[test]
fn every_origin_that_failed_is_named_with_what_it_said() {
    let server = Server::start(|asked, _, stream| match asked.path.as_str() {
        path if path.contains("missing") => send(stream, "404 Not Found", "", b"no"),
        path if path.contains("wrong") => send(stream, "200 OK", "", b"something else"),
        _ => send(stream, "503 Service Unavailable", "", b""),
    });
    let place = Place::new();
    let mut source = source(&["https://up.example/missing", "https://up.example/wrong"]);
    source.origins.push(Origin::DebianPath("pool/main/t/thing_1.0.orig.tar.gz".into()));
    let options = FetchOptions { debian_mirrors: Some(vec![server.url()]), ..from(&server) };
    let error = place.fetch(&source, &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    let notes = error.notes().join("\n");
    assert_eq!(error.notes().len(), 3, "{notes}");
    assert!(
        notes.contains("upstream https://up.example/missing") && notes.contains("404 Not Found"),
        "{notes}"
    );
    assert!(notes.contains(&Sha256::of(b"something else").to_string()), "{notes}");
    assert!(notes.contains(&Sha256::of(&content()).to_string()), "{notes}");
    assert!(notes.contains("debian pool/main/t/thing_1.0.orig.tar.gz") && notes.contains("503"), "{notes}");
    place.assert_empty();
}

#[test]
fn the_next_origin_is_used_and_a_wrong_hash_is_warned_of() {
    let server = Server::start(|asked, _, stream| match asked.path.as_str() {
        "/pool/main/t/thing%20_1.0.tar.gz" => send(stream, "200 OK", "", &content()),
        _ => send(stream, "200 OK", "", b"something else"),
    });
    let place = Place::new();
    let mut source = source(&[URL]);
    source.origins.push(Origin::DebianPath("pool/main/t/thing _1.0.tar.gz".into()));
    let options = FetchOptions { debian_mirrors: Some(vec![server.url()]), ..from(&server) };
    let (sender, heard) = channel();
    let fetched = place.store.fetch(&source, &options, &Events::to(sender), &Cancel::new()).unwrap();
    assert_eq!(fetched.origin, "debian pool/main/t/thing _1.0.tar.gz");
    let warned =
        heard.iter().any(|event| matches!(event, Event::Warning(text) if text.contains("wrong hash")));
    assert!(warned);
}

#[test]
fn a_debian_file_of_another_content_has_its_own_hash_and_is_found_again_by_the_lock_file() {
    let server = Server::start(|asked, _, stream| match asked.path.as_str() {
        "/pool/main/t/thing_1.0+dfsg.orig.tar.xz" => send(stream, "200 OK", "", b"packed anew"),
        _ => send(stream, "404 Not Found", "", b""),
    });
    let mut source = source(&[URL]);
    source.origins.push(Origin::DebianFile {
        path: "pool/main/t/thing_1.0+dfsg.orig.tar.xz".into(),
        sha256: Sha256::of(b"packed anew"),
    });
    let options = FetchOptions { debian_mirrors: Some(vec![server.url()]), ..from(&server) };
    let place = Place::new();
    let mut lock = LockFile::read(&place.folder.path().join("allno.lock")).unwrap();
    // The second time by the lock file, into an empty store.
    for place in [&place, &Place::new()] {
        let (events, cancel) = (Events::silent(), Cancel::new());
        let fetched =
            place.store.fetch_locked(&source, &mut lock, false, &options, &events, &cancel).unwrap();
        assert_eq!(fetched.sha256, Sha256::of(b"packed anew"));
        assert_eq!(fetched.origin, "debian pool/main/t/thing_1.0+dfsg.orig.tar.xz");
    }
    assert_eq!(server.asked().len(), 3, "upstream was asked for what the lock file does not name");
}

#[test]
fn nobody_there_is_the_hosts_lack() {
    // A port that was free a moment ago and that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = FetchOptions {
        mirror: Some(format!("http://127.0.0.1:{port}")),
        debian_mirrors: Some(vec!["http://no-such-host.invalid/debian".into()]),
        ..Default::default()
    };
    let place = Place::new();
    let mut source = source(&[URL]);
    source.origins.push(Origin::DebianPath("pool/x".into()));
    let error = place.fetch(&source, &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Host, "{error}");
    assert!(error.notes()[0].contains("connection refused"), "{error}");
    assert!(error.notes()[1].contains("no such host"), "{error}");
    place.assert_empty();
}

#[test]
fn a_server_that_does_not_speak_tls_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Stays open until the other side has read it and gone.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let place = Place::new();
    let options = FetchOptions { mirror: Some(mirror), ..Default::default() };
    let error = place.fetch(&source(&[URL]), &options).unwrap_err();
    assert!(error.notes()[0].contains("TLS"), "{error}");
}

#[test]
fn a_broken_transfer_goes_on_where_it_broke() {
    let server = Server::start(|asked, before, stream| match before {
        0 => send_as(stream, "200 OK", "ETag: \"v1\"\r\n", content().len(), &content()[..100_000]),
        _ => send_range(stream, asked, "\"v1\"", &content()),
    });
    let place = Place::new();
    let fetched = place.fetch(&source(&[URL]), &from(&server)).unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), content());
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].range.as_deref(), Some("bytes=100000-"));
    assert_eq!(asked[1].if_range.as_deref(), Some("\"v1\""));
}

#[test]
fn a_later_run_goes_on_too() {
    let broken = Server::start(|asked, _, stream| {
        let start = if asked.range.is_some() { 50_000 } else { 0 };
        let head = format!(
            "ETag: \"v1\"\r\nContent-Range: bytes {start}-{}/{}\r\n",
            content().len() - 1,
            content().len()
        );
        let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
        send_as(stream, status, &head, content().len() - start, &content()[start..start + 50_000])
    });
    let place = Place::new();
    // A name of its own, so that both servers are asked for the same address.
    let address = broken.url();
    let error = place
        .fetch(&source(&[&format!("{address}/f")]), &FetchOptions { mirror: None, ..from(&broken) })
        .unwrap_err();
    assert!(error.to_string().contains("the connection was closed, after 100 kB"), "{error}");
    assert_eq!(place.names("partial").len(), 1);
    drop(broken);
    let port = address.strip_prefix("http://").unwrap();
    let Ok(listener) = TcpListener::bind(port) else { panic!("the port {port} was taken by somebody else") };
    let whole = Server::on(listener, |asked, _, stream| send_range(stream, asked, "\"v1\"", &content()));
    let fetched = place
        .fetch(&source(&[&format!("{address}/f")]), &FetchOptions { mirror: None, ..from(&whole) })
        .unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), content());
    assert_eq!(whole.asked()[0].range.as_deref(), Some("bytes=100000-"));
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_from_the_start() {
    // It honours If-Range: the whole new file comes.
    let honest = Server::start(|asked, before, stream| match before {
        0 => send_as(stream, "200 OK", "ETag: \"v1\"\r\n", 9999, &[7; 5000]),
        _ => send_range(stream, asked, "\"v2\"", &content()),
    });
    assert_eq!(
        std::fs::read(Place::new().fetch(&source(&[URL]), &from(&honest)).unwrap().path).unwrap(),
        content()
    );
    // It appends the rest of another file all the same: the hash tells, and a third try is not made.
    let careless = Server::start(|asked, before, stream| match before {
        0 => send_as(stream, "200 OK", "ETag: \"v1\"\r\n", 9999, &[7; 5000]),
        1 => send_range(stream, asked, "\"v1\"", &content()),
        _ => send_range(stream, asked, "\"v2\"", &content()),
    });
    let place = Place::new();
    let error = place.fetch(&source(&[URL]), &from(&careless)).unwrap_err();
    assert!(error.to_string().contains("wrong hash"), "{error}");
    place.assert_empty();
    assert!(place.fetch(&source(&[URL]), &from(&careless)).unwrap().fresh);
}

#[test]
fn a_server_that_cannot_resume_sends_all_again() {
    for refusal in ["200 OK", "416 Range Not Satisfiable"] {
        let server = Server::start(move |asked, before, stream| match before {
            0 => send_as(stream, "200 OK", "ETag: \"v1\"\r\n", content().len(), &content()[..1000]),
            _ if asked.range.is_some() && refusal != "200 OK" => send(stream, refusal, "", b""),
            _ => send(stream, "200 OK", "", &content()),
        });
        let place = Place::new();
        let first = place.fetch(&source(&[URL]), &from(&server));
        // After 416 the one more try is used up; the next run begins anew.
        let fetched = first.or_else(|_| place.fetch(&source(&[URL]), &from(&server))).unwrap();
        assert_eq!(std::fs::read(fetched.path).unwrap(), content(), "{refusal}");
    }
}

#[test]
fn a_stalled_server_is_left_after_the_limit() {
    let server = Server::start(|asked, _, stream| {
        if asked.path.contains("silent") {
            std::thread::sleep(Duration::from_secs(20));
        }
        send_as(stream, "200 OK", "", content().len(), &content()[..10])?;
        std::thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    let place = Place::new();
    for url in [URL, "https://up.example/silent"] {
        let began = Instant::now();
        let error = place.fetch(&source(&[url]), &from(&server)).unwrap_err();
        assert!(error.to_string().contains("nothing came for 0.3 s"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(18), "waited for the server, not for the limit");
    }
}

#[test]
fn ctrl_c_ends_a_stalled_download_before_its_limit() {
    let (left, outcome) = channel();
    let server = Server::start(move |_, _, stream| {
        send_as(stream, "200 OK", "", content().len(), &content()[..10])?;
        // Says nothing more: either the client goes (end of file or a reset), or this times out (20 s).
        let gone = !matches!(stream.read(&mut [0]), Err(cause) if cause.kind() == ErrorKind::WouldBlock);
        left.send(gone).unwrap();
        Ok(())
    });
    let place = Place::new();
    let cancel = Cancel::new();
    let mut options = from(&server);
    options.limits.stall = Duration::from_secs(600);
    let (sender, heard) = channel();
    let error = std::thread::scope(|scope| {
        let stopper = cancel.clone();
        scope.spawn(move || {
            // Once the first bytes are in, stop.
            heard.iter().find(|event| matches!(event, Event::Progress { done: 10.., .. })).unwrap();
            stopper.set();
            heard.iter().for_each(drop);
        });
        place.store.fetch(&source(&[URL]), &options, &Events::to(sender), &cancel).unwrap_err()
    });
    assert_eq!(error.kind(), Kind::Cancelled);
    assert!(outcome.recv().unwrap(), "the client waited until the server gave up");
}

#[test]
fn a_wrong_length_is_noticed() {
    // Too short a promise: the rest is cut off, and the hash tells.
    let short = Server::start(|_, _, stream| send_as(stream, "200 OK", "", 100, &content()));
    let error = Place::new().fetch(&source(&[URL]), &from(&short)).unwrap_err();
    assert!(error.to_string().contains("wrong hash"), "{error}");
    // Too long a promise that is never kept.
    let long = Server::start(|_, _, stream| send_as(stream, "200 OK", "", 1 << 40, &content()));
    let place = Place::new();
    let error = place.fetch(&source(&[URL]), &from(&long)).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    assert!(place.names("sources").is_empty());
    // No promise at all: the end of the connection is the end of the file.
    let none = Server::start(|_, _, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        stream.write_all(&content())
    });
    assert!(Place::new().fetch(&source(&[URL]), &from(&none)).unwrap().fresh);
}

#[test]
fn offline_asks_nobody_and_names_what_is_missing() {
    let server = Server::start(|_, _, stream| send(stream, "200 OK", "", &content()));
    let place = Place::new();
    let offline = FetchOptions { offline: true, ..from(&server) };
    let error = place.fetch(&source(&[URL]), &offline).unwrap_err();
    assert_eq!(error.kind(), Kind::Host);
    assert!(error.to_string().contains("thing-1.0.tar.gz"), "{error}");
    assert!(error.hints()[0].contains("allno build"), "{error:?}");
    assert!(server.asked().is_empty());
    place.fetch(&source(&[URL]), &from(&server)).unwrap();
    assert!(!place.fetch(&source(&[URL]), &offline).unwrap().fresh);
    // Without a hash the origin is what it is found by.
    let unpinned = Source { sha256: None, ..source(&[URL]) };
    assert!(!place.fetch(&unpinned, &offline).unwrap().fresh);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn two_runs_at_once_download_once() {
    let server = Server::start(|_, _, stream| {
        std::thread::sleep(Duration::from_millis(300));
        send(stream, "200 OK", "", &content())
    });
    let place = Place::new();
    let mut options = from(&server);
    options.limits.stall = Duration::from_secs(20);
    let fresh = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let store = Store::open(place.store.root()).unwrap();
                    store.fetch(&source(&[URL]), &options, &Events::silent(), &Cancel::new()).unwrap().fresh
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).filter(|fresh| *fresh).count()
    });
    assert_eq!((fresh, server.asked().len()), (1, 1));
}

#[test]
fn the_lock_file_is_preferred_and_an_update_chooses_anew() {
    let server = Server::start(|asked, _, stream| match asked.path.as_str() {
        "/up.example/new" => send(stream, "200 OK", "", b"new"),
        "/up.example/old" => send(stream, "200 OK", "", &content()),
        _ => send(stream, "404 Not Found", "", b""),
    });
    let place = Place::new();
    let options = FetchOptions { project: Some(place.project.clone()), ..from(&server) };
    let path = place.folder.path().join("allno.lock");
    let fetch = |place: &Place, source: &Source, update: bool| -> base::Result<Fetched> {
        let mut lock = LockFile::read(&path).unwrap();
        let fetched = place.store.fetch_locked(
            source,
            &mut lock,
            update,
            &options,
            &Events::silent(),
            &Cancel::new(),
        )?;
        lock.write().unwrap();
        Ok(fetched)
    };
    let old = source(&["https://up.example/old"]);
    let new = Source {
        version: "2.0".into(),
        file: "thing-2.0.tar.gz".into(),
        sha256: Some(Sha256::of(b"new")),
        ..source(&["https://up.example/new"])
    };
    fetch(&place, &old, false).unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(!written.contains("127.0.0.1"), "{written}");
    assert_eq!(LockFile::read(&path).unwrap().entry("thing").unwrap().version, "1.0");
    // The recipe moved on; the lock file did not.
    assert_eq!(fetch(&place, &new, false).unwrap().version, "1.0");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    // Into an empty store, from the origin the lock file names.
    let elsewhere = Place::new();
    let fetched = fetch(&elsewhere, &new, false).unwrap();
    assert!(fetched.fresh && fetched.version == "1.0");
    // It cannot be had any more.
    let gone = written.replace("up.example/old", "up.example/gone");
    std::fs::write(&path, &gone).unwrap();
    let error = fetch(&Place::new(), &new, false).unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
    assert!(error.hints().iter().any(|hint| hint.contains("allno build --update")), "{error:?}");
    assert_eq!(fetch(&place, &new, true).unwrap().version, "2.0");
    let locked = LockFile::read(&path).unwrap();
    assert_eq!(locked.entry("thing").unwrap().sha256, Sha256::of(b"new"));
}
