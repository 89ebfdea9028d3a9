//! Any bytes as a tree of one file that may source itself, in an old and a new dialect: reading comes back, and what was read
//! can be evaluated and written.
#![no_main]

use kconfig::{Configuration, Dialect};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/memory/mod.rs"]
mod memory;

fuzz_target!(|bytes: &[u8]| {
    let world = memory::Memory::with("");
    world.files.borrow_mut().insert("Kconfig".into(), bytes.to_vec());
    for dialect in [Dialect::of(6, 1), Dialect::NEWEST] {
        match kconfig::load("Kconfig", dialect, &world) {
            Ok(loaded) => {
                let mut configuration = Configuration::new(&loaded.model);
                let text = configuration.to_dot_config();
                assert!(text.starts_with("#\n# Automatically generated"));
                let _ = configuration.to_defconfig();
            }
            Err(error) => assert!(!error.messages.is_empty()),
        }
    }
});
