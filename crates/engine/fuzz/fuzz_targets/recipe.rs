//! Any text as a recipe of one's own: refused as wrong input, or understood, and what it would fetch can be told.
#![no_main]

use engine::recipe::Recipe;
use engine::spec::Place;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let place = Place { path: "recipe.toml".into(), text: text.to_string() };
    let outcome = place.parse::<Recipe>().and_then(|recipe| {
        assert!(!recipe.title().ends_with(' '));
        recipe.with_variant("full").source()
    });
    if let Err(error) = outcome {
        assert_eq!(error.kind(), base::Kind::Input, "{error}");
    }
});
