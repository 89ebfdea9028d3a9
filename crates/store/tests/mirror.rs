//! The machine's own Debian mirror as referee: what apt is set up with really gives what we ask it for.
//! Needs a network; `ALLNO_SKIP_REFEREES=1` lets it skip.

use base::{Cancel, Events};
use store::{FetchOptions, LockFile, Origin, Source, Store};

fn skipped() -> bool {
    std::env::var_os("ALLNO_SKIP_REFEREES").is_some_and(|value| value == "1")
}

#[test]
fn upstreams_tarball_comes_from_the_pool() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let pool = "pool/main/m/musl/musl_1.2.5.orig.tar.gz";
    let source = Source {
        name: "musl".into(),
        version: "1.2.5".into(),
        file: "musl-1.2.5.tar.gz".into(),
        sha256: Some("a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4".parse().unwrap()),
        origins: vec![
            Origin::DebianPath("pool/main/m/musl/no-such-file.tar.gz".into()),
            Origin::DebianPath(pool.into()),
        ],
    };
    let options = FetchOptions::default();
    let fetched = store.fetch(&source, &options, &Events::silent(), &Cancel::new()).unwrap();
    assert_eq!(fetched.origin, format!("debian {pool}"));
    let tree = folder.path().join("musl");
    store::unpack(&fetched.path, &tree, true, &Cancel::new()).unwrap();
    assert_eq!(std::fs::read_to_string(tree.join("VERSION")).unwrap().trim(), "1.2.5");
}

#[test]
fn a_package_is_what_apt_offers_and_is_found_again_by_its_path() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // A small one: it only depends on the kernel source's real package.
    let source = Source {
        name: "linux".into(),
        version: "6.1".into(),
        file: "unused.tar.xz".into(),
        sha256: None,
        origins: vec![Origin::DebianPackage { name: "linux-source".into() }],
    };
    let mut lock = LockFile::read(&folder.path().join("allno.lock")).unwrap();
    let mut fetch = |store: &str| {
        let store = Store::open(folder.path().join(store)).unwrap();
        let options = FetchOptions::default();
        store.fetch_locked(&source, &mut lock, false, &options, &Events::silent(), &Cancel::new()).unwrap()
    };
    let first = fetch("one");
    assert!(first.origin.starts_with("debian pool/") && first.origin.ends_with("_all.deb"), "{first:?}");
    assert!(first.version.starts_with("6."), "{first:?}");
    let again = fetch("other");
    assert!(again.fresh);
    assert_eq!((again.sha256, again.version, again.origin), (first.sha256, first.version, first.origin));
}

#[test]
fn a_package_nobody_has_is_refused_with_what_apt_said() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let source = Source {
        name: "linux".into(),
        version: "0".into(),
        file: "linux.tar.xz".into(),
        sha256: None,
        origins: vec![Origin::DebianPackage { name: "linux-source-0.01".into() }],
    };
    let error =
        store.fetch(&source, &FetchOptions::default(), &Events::silent(), &Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), base::Kind::Host);
    assert!(error.to_string().contains("Unable to locate package linux-source-0.01"), "{error}");
}
