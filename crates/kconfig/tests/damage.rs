//! Any bytes: reading must come back, say something, and not panic. The fuzz targets look further; this runs every time.

mod memory;

use kconfig::{Configuration, Dialect};
use memory::Memory;
use proptest::prelude::*;

/// A bit of everything, to be cut and flipped.
const TREE: &str = "mainmenu \"m $(shell,x)\"\nf = $(if,$(1),\"$(2)\")\nmenu \"menu\"\n\tvisible if A\n\nconfig A\n\tbool \"a\" if B || !C\n\tdefault y if B=m\n\tselect D if (E && F) != n\n\thelp\n\t  Text.\n\n\t  More.\n\nchoice\n\tprompt \"c\"\n\tdefault G\nconfig G\n\tbool \"g\"\nendchoice\nif A\nconfig H\n\tint \"h\"\n\trange 1 A\n\tdefault 0x5\nsource \"Kconfig\"\nendif\nendmenu\n";

fn survives(bytes: &[u8], version: Dialect) {
    let memory = Memory::with("");
    memory.files.borrow_mut().insert("Kconfig".into(), bytes.to_vec());
    if let Ok(loaded) = kconfig::load("Kconfig", version, &memory) {
        let mut configuration = Configuration::new(&loaded.model);
        let _ = configuration.to_dot_config();
        let _ = configuration.to_defconfig();
    }
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes: Vec<u8>, old: bool) {
        survives(&bytes, if old { Dialect::of(6, 1) } else { Dialect::NEWEST });
    }

    #[test]
    fn damaged_trees_do_no_harm(cut in 0..TREE.len(), at in 0..TREE.len(), byte: u8, old: bool) {
        let mut bytes = TREE.as_bytes()[..cut.max(1)].to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        survives(&bytes, if old { Dialect::of(6, 1) } else { Dialect::NEWEST });
    }

    #[test]
    fn any_configuration_file_does_no_harm(bytes: Vec<u8>, version in prop::sample::select(vec!["6.1", "6.12"])) {
        let mut memory = Memory::with("config A\n\ttristate \"a\"\nconfig S\n\tstring \"s\"\n").set("KERNELVERSION", version);
        memory.files.borrow_mut().insert(".config".into(), bytes);
        prop_assert_eq!(memory.conf("--olddefconfig"), 0);
    }
}

#[test]
fn depth_is_refused_and_not_overflown() {
    let deep = |text: String| {
        kconfig::with_stack(move || {
            let memory = Memory::with(&text);
            kconfig::load("Kconfig", Dialect::NEWEST, &memory).map(|_| ())
        })
    };
    let parentheses = format!("config A\n\tbool\n\tdefault {}A{}\n", "(".repeat(10_000), ")".repeat(10_000));
    assert!(deep(parentheses).is_err());
    assert!(deep("menu \"m\"\n".repeat(10_000)).is_err());
    assert!(deep(format!("x := {}{}\n", "$(".repeat(10_000), ")".repeat(10_000))).is_err());
}

#[test]
fn a_long_chain_of_dependencies_is_computed() {
    kconfig::with_stack(|| {
        let mut text = String::from("config S0\n\tbool \"s\"\n");
        for index in 1..20_000 {
            text.push_str(&format!("config S{index}\n\tdef_bool S{}\n", index - 1));
        }
        let memory = Memory::with(&text);
        let loaded = kconfig::load("Kconfig", Dialect::NEWEST, &memory).unwrap();
        let mut configuration = Configuration::new(&loaded.model);
        let first = loaded.model.find("S0").unwrap();
        assert!(configuration.logical(first) == kconfig::Tristate::No && configuration.set_text(first, "y"));
        let last = loaded.model.find("S19999").unwrap();
        assert_eq!(configuration.logical(last), kconfig::Tristate::Yes);
    });
}
