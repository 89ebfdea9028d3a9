//! Any bytes as a lock file: refused as wrong input that points into the text, or read, and then written so that it reads
//! the same again.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use store::LockFile;

/// The reader takes a path, as it tells it in its errors.
static PATH: LazyLock<std::path::PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("allno-fuzz-{}.lock", std::process::id())));

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*PATH, bytes).expect("a writable scratch folder");
    match LockFile::read(&PATH) {
        Ok(lock) => {
            std::fs::write(&*PATH, lock.text()).expect("a writable scratch folder");
            assert_eq!(LockFile::read(&PATH).expect("what we write is right"), lock);
        }
        Err(error) => {
            assert_eq!(error.kind(), base::Kind::Input, "{error}");
            let lines = String::from_utf8_lossy(bytes).split('\n').count();
            if let Some(snippet) = error.snippet() {
                assert!((1..=lines).contains(&snippet.line), "{error}");
                assert!(snippet.text.get(snippet.columns.clone()).is_some(), "{error}");
            }
        }
    }
});
