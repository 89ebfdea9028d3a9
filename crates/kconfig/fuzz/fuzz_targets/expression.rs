//! Any text as a condition: simplifying must not change what a condition means, in either way of doing it.
#![no_main]

use kconfig::{Configuration, Dialect, Tristate};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/memory/mod.rs"]
mod memory;

fuzz_target!(|text: &str| {
    if text.contains(['\n', '\\', '$', '#']) {
        return;
    }
    let symbols = "config MODULES\n\tdef_bool y\n\tmodules\nconfig A\n\tdef_tristate m\nconfig B\n\tdef_bool y\nconfig C\n\tdef_bool n\n";
    // The same condition, simplified (a prompt's) and as written (a default's value).
    let tree = format!("{symbols}config X\n\ttristate\n\tdefault y if {text}\nconfig Y\n\ttristate\n\tdefault {text}\n");
    let world = memory::Memory::with(&tree);
    let mut values = Vec::new();
    for dialect in [Dialect::of(6, 1), Dialect::NEWEST] {
        let Ok(loaded) = kconfig::load("Kconfig", dialect, &world) else { return };
        let mut configuration = Configuration::new(&loaded.model);
        let modules = loaded.model.find("MODULES").expect("it is defined");
        let _ = configuration.logical(modules);
        let value = |configuration: &mut Configuration, name: &str| {
            configuration.logical(loaded.model.find(name).expect("it is defined"))
        };
        let simplified: Tristate = value(&mut configuration, "X");
        values.push(simplified);
    }
    assert_eq!(values.first(), values.last());
});
