//! Any text as a spec: refused as wrong input that points into it, or understood; then what it asks of the kernel is
//! resolved or refused in the same way.
#![no_main]

use engine::SpecFile;
use engine::rung::{Requests, Series};
use engine::spec::{Place, Spec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let place = Place { path: "allno.toml".into(), text: text.to_string() };
    let spec = match place.parse::<Spec>() {
        Ok(spec) => SpecFile { spec, folder: "/".into(), place },
        Err(error) => return refused(&error, text),
    };
    let asked = spec.spec.kernel.rungs.iter().flatten();
    let rungs: Vec<_> =
        asked.map(|rung| (rung.get_ref().clone(), Some(spec.place.snippet(rung.span())))).collect();
    if let Err(error) = Requests::resolve(&rungs, Series(6, 12), &spec) {
        refused(&error, text);
    }
});

/// The person's mistake, shown where it stands.
fn refused(error: &base::Error, text: &str) {
    assert_eq!(error.kind(), base::Kind::Input, "{error}");
    if let Some(snippet) = error.snippet() {
        assert!((1..=text.split('\n').count()).contains(&snippet.line), "{error}");
        assert!(snippet.text.get(snippet.columns.clone()).is_some(), "{error}");
    }
}
