//! Any bytes as a `.config`: what can be read is used, and the result is a configuration that reads back unchanged.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/memory/mod.rs"]
mod memory;

const TREE: &str = "config MODULES\n\tbool \"m\"\n\tmodules\nconfig T\n\ttristate \"t\"\nconfig S\n\tstring \"s\"\nconfig N\n\tint \"n\"\n\trange 1 9\nconfig H\n\thex \"h\"\nchoice\n\tprompt \"c\"\nconfig P\n\tbool \"p\"\nconfig Q\n\tbool \"q\"\nendchoice\n";

fuzz_target!(|bytes: &[u8]| {
    for version in ["6.1", "6.12"] {
        let mut world = memory::Memory::with(TREE).set("KERNELVERSION", version);
        world.files.borrow_mut().insert(".config".into(), bytes.to_vec());
        assert_eq!(world.conf("--olddefconfig"), 0);
        let first = world.text(".config");
        assert_eq!(world.conf("--olddefconfig"), 0);
        assert_eq!(first, world.text(".config"));
    }
});
