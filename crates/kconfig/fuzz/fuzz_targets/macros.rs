//! Any text as a variable's value, called with arguments: expanding comes to an end.
#![no_main]

use kconfig::Dialect;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/memory/mod.rs"]
mod memory;

fuzz_target!(|text: &str| {
    let text = text.replace('\n', " ");
    let tree = format!("f = {text}\ng := $(f,a,$(f))\nconfig A\n\tdef_bool $(f,y)$(g)\n\thelp\n\t  \"$(f)\"\n");
    let world = memory::Memory::with(&tree);
    let _ = kconfig::load("Kconfig", Dialect::NEWEST, &world);
});
