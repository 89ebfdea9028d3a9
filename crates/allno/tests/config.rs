//! `allno config` as a person and a program meet it: on a small tree of our own; and on 6.12, whose source the store has.

mod common;

use std::path::Path;

use common::{Allno, Run};
use serde_json::Value;

const KCONFIG: &str = r#"mainmenu "Small"

config EXPERT
	bool "Expert"

config PCI
	bool "PCI support"
	select HAS_BUS

config HAS_BUS
	bool

source "drivers/Kconfig"
"#;

const DRIVERS: &str = r#"if PCI

config E1000
	bool "Gigabit"
	depends on NET
	select CRC32

endif

config NET
	bool "Networking" if EXPERT

config CRC32
	bool

config SPEED
	int "Speed"
	range 1 9
	default 4
"#;

/// A kernel source as far as Kconfig goes, with a .config.
struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    fn new(config: &str) -> Small {
        let folder = tempfile::tempdir().unwrap();
        let small = Small { folder };
        std::fs::create_dir_all(small.path().join("tree/arch/x86")).unwrap();
        std::fs::create_dir_all(small.path().join("tree/drivers")).unwrap();
        small.write("tree/Makefile", "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 7\nEXTRAVERSION =\n");
        small.write("tree/Kconfig", KCONFIG);
        small.write("tree/drivers/Kconfig", DRIVERS);
        small.write("tree/.config", config);
        small
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn ask(&self, arguments: &[&str]) -> Run {
        let all = ["config"].iter().chain(arguments).chain(&["--tree", "tree"]).copied().collect::<Vec<_>>();
        Allno::new(self.path(), &all).store(&self.path().join("store")).run()
    }
}

#[test]
fn why_tells_the_chain_and_the_refusal() {
    let small = Small::new("CONFIG_EXPERT=y\nCONFIG_PCI=y\n# CONFIG_NET is not set\nCONFIG_E1000=y\n");
    assert_eq!(
        small.ask(&["why", "has_bus"]).ok().stdout(),
        concat!(
            "HAS_BUS=y   bool without a prompt, Kconfig:10\n",
            "  Kconfig:8       PCI=y selects HAS_BUS\n",
            "  tree/.config:2  PCI=y is set here\n",
        )
    );
    assert_eq!(
        small.ask(&["why", "CONFIG_E1000"]).ok().stdout(),
        concat!(
            "E1000=n   bool \"Gigabit\", drivers/Kconfig:3\n",
            "  tree/.config:4          E1000=y was asked for and is not granted\n",
            "  E1000 cannot be set; this refuses:\n",
            "    drivers/Kconfig:5     depends on NET   (NET=n)\n",
            "      drivers/Kconfig:10  NET can be set\n",
        )
    );
    let object = small.ask(&["why", "E1000", "--json"]).ok().json();
    assert_eq!((object["symbol"].as_str(), object["value"].as_str()), (Some("E1000"), Some("n")));
    assert_eq!(object["standing"]["obstacles"][0]["term"], "NET");
    assert_eq!(object["standing"]["obstacles"][0]["standings"][0]["reach"], "free");
}

#[test]
fn need_gives_the_fewest_changes_or_says_why_there_are_none() {
    let small = Small::new("CONFIG_EXPERT=y\nCONFIG_PCI=y\n# CONFIG_NET is not set\n");
    assert_eq!(
        small.ask(&["need", "e1000"]).ok().stdout(),
        concat!(
            "CONFIG_E1000=y  # Gigabit (drivers/Kconfig:3)\n",
            "CONFIG_NET=y    # Networking (drivers/Kconfig:10)\n",
            "1 more follows from this:\n",
            "  CRC32: n -> y\n",
        )
    );
    assert_eq!(small.ask(&["need", "PCI"]).ok().stdout(), "no change needed\n");
    let refused = small.ask(&["need", "SPEED=11", "--json"]);
    assert_eq!((refused.code(), refused.json()["answer"].as_str()), (1, Some("impossible")));
    assert_eq!(small.ask(&["need", "E100"]).code(), 2);
    assert_eq!(small.ask(&["need", "SPEED"]).code(), 2);
}

#[test]
fn a_name_nobody_knows_is_wrong_input_and_the_nearest_is_named() {
    let small = Small::new("");
    let run = small.ask(&["why", "E100", "--json"]);
    assert_eq!(run.code(), 2);
    let error = &run.json()["error"];
    assert_eq!(error["message"], "no Kconfig file of Linux 6.12.7 for x86_64 defines E100");
    assert_eq!(error["hints"][0], "allno config why E1000");
}

#[test]
fn show_has_every_line_with_its_origin_and_what_was_dropped() {
    let small = Small::new("CONFIG_PCI=y\nCONFIG_E1000=y\nCONFIG_SPEED=99\ngarbage\n");
    let run = small.ask(&["show"]).ok();
    assert!(run.stderr().contains("tree/.config:4: unexpected data: garbage"), "{}", run.stderr());
    assert_eq!(
        run.stdout(),
        concat!(
            "PCI=y      tree/.config:1  set here\n",
            "HAS_BUS=y  Kconfig:8       selected by PCI\n",
            "SPEED=9    tree/.config:3  asked for as 99\n",
            "  options   3 set: 2 asked for, 1 selected or implied, 0 by default; 1 are n (--all shows them)\n",
            "  dropped   E1000=y (tree/.config:2) is n: it takes NET (NET=n), drivers/Kconfig:5\n",
            "  dropped   SPEED=99 (tree/.config:3) is 9: it may be from 1 to 9 (drivers/Kconfig:18)\n",
        )
    );
    let all = small.ask(&["show", "--all"]).ok().stdout();
    assert!(all.starts_with("EXPERT=n   Kconfig:3 "), "{all}");
    let object = small.ask(&["show", "--json"]).ok().json();
    let names: Vec<&str> =
        object["symbols"].as_array().unwrap().iter().filter_map(|it| it["symbol"].as_str()).collect();
    assert_eq!(names, ["EXPERT", "PCI", "HAS_BUS", "SPEED"]);
    assert_eq!(object["symbols"][2]["origin"]["by"][0]["symbol"], "PCI");
    assert_eq!(object["dropped"][0]["asked"]["place"], "tree/.config:2");
    assert_eq!(object["kernel_version"], "6.12.7");
}

#[test]
fn diff_names_causes_and_what_follows() {
    let small = Small::new("");
    small.write("a", "CONFIG_SPEED=3\n");
    small.write("b", "CONFIG_EXPERT=y\nCONFIG_PCI=y\nCONFIG_NET=y\nCONFIG_E1000=y\nCONFIG_SPEED=5\n");
    assert_eq!(
        small.ask(&["diff", "a", "b"]).ok().stdout(),
        concat!(
            "7 differences: 5 a person can set, 2 that follow\n",
            "  b:2      PCI: n → y\n",
            "    HAS_BUS: n → y\n",
            "  b:1      EXPERT: n → y\n",
            "    b:3    NET: n → y\n",
            "      b:4  E1000: n → y\n",
            "        CRC32: n → y\n",
            "  b:5      SPEED: 3 → 5\n",
        )
    );
    let object = small.ask(&["diff", "a", "b", "--json"]).ok().json();
    assert_eq!(object["count"], 7);
    assert_eq!(object["groups"][0]["follows"][0]["symbol"], "HAS_BUS");
    assert_eq!(small.ask(&["diff", "a", "a"]).ok().stdout(), "no difference\n");
}

#[test]
fn wrong_input_is_said_where_it_is() {
    let small = Small::new("CONFIG_PCI=y\n");
    let refused = |arguments: &[&str], part: &str| {
        let run = small.ask(arguments);
        assert_eq!(run.code(), 2, "{}", run.stderr());
        assert!(run.stderr().contains(part), "{}", run.stderr());
    };
    refused(&["show", "--config", "/dev/zero"], "larger than 16 MiB");
    refused(&["show", "--config", "tree"], "cannot read the configuration tree");
    refused(&["diff", "tree/.config", "tree/.config", "--config", "x"], "--config is for one configuration");
    refused(&["show", "--config", "none"], "cannot read the configuration none");
    refused(&["show", "--arch", "pdp11"], "no architecture \"pdp11\"");
    refused(&["show", "--spec", "x.toml"], "cannot be used with");
    refused(&["diff", "tree/.config", "x.toml"], "a spec has its own kernel");
    small.write("tree/drivers/Kconfig", "config\n\tbool \"nameless\"\n");
    refused(&["show"], "drivers/Kconfig:1");
    std::fs::remove_file(small.path().join("tree/drivers/Kconfig")).unwrap();
    refused(&["show"], "drivers/Kconfig");
}

/// The built-in node's kernel, fetched and unpacked if need be.
mod on_a_kernel {
    use super::*;

    fn ask(arguments: &[&str]) -> Run {
        let project = common::Project::new("[kernel]\nseries = \"6.12\"\nconfig = [\"SATA_AHCI=y\"]\n");
        let all: Vec<&str> = ["config"].iter().chain(arguments).copied().collect();
        project.allno(&all).run().ok()
    }

    #[test]
    fn the_nodes_reasons_are_told() {
        let pci = ask(&["why", "PCI"]).stdout();
        assert!(pci.starts_with("PCI=y   bool \"PCI support\", drivers/pci/Kconfig:"), "{pci}");
        assert!(pci.contains("\n  rungs/pci.toml:"), "{pci}");
        let crc = ask(&["why", "CRC32"]).stdout();
        assert!(crc.contains("ACPI=y selects CRC32\n  rungs/acpi.toml:"), "{crc}");
        let e1000 = ask(&["why", "E1000"]).stdout();
        assert!(e1000.contains("\n  rungs/e1000.toml:"), "{e1000}");
        let ahci = ask(&["why", "SATA_AHCI"]).stdout();
        assert!(ahci.contains("  allno.toml:3") && ahci.contains("is not granted\n"), "{ahci}");
        for part in ["if ATA   (ATA=n)\n", "depends on BLOCK   (BLOCK=n)\n", "BLOCK can be set\n"] {
            assert!(ahci.contains(part), "{ahci}");
        }
    }

    /// Whichever rung a person names, alone or in an example: all that it asks for survives, with what it stands on.
    #[test]
    fn every_rung_brings_what_it_stands_on() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let names = |folder: &str| -> Vec<std::path::PathBuf> {
            std::fs::read_dir(repository.join(folder)).unwrap().map(|it| it.unwrap().path()).collect()
        };
        let mut specs: Vec<String> = Vec::new();
        for rung in names("rungs") {
            specs.push(format!("[kernel]\nrungs = [{:?}]\n", rung.file_stem().unwrap().to_str().unwrap()));
        }
        for example in names("examples").iter().filter(|it| it.extension().is_some_and(|it| it == "toml")) {
            specs.push(std::fs::read_to_string(example).unwrap());
        }
        assert!(specs.len() > 50, "{}", specs.len());
        // Two at a time: each is a process of its own.
        std::thread::scope(|scope| {
            for half in specs.chunks(specs.len().div_ceil(2)) {
                // One project for all: its lock says which kernel it is.
                scope.spawn(move || {
                    let project = common::Project::new("");
                    half.iter().for_each(|spec| nothing_is_dropped(&project, spec));
                });
            }
        });
    }

    fn nothing_is_dropped(project: &common::Project, spec: &str) {
        project.write("allno.toml", spec);
        let shown = project.allno(&["config", "show", "--json"]).run().ok().json();
        let dropped: Vec<&str> = shown["dropped"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it["asked"]["name"].as_str())
            .collect();
        assert!(dropped.is_empty(), "{dropped:?} of\n{spec}");
    }

    #[test]
    fn show_is_the_config_that_the_build_uses() {
        let shown = ask(&["show", "--json"]).json();
        let config = |shown: &Value| -> Vec<String> {
            let lines = shown["symbols"].as_array().unwrap().iter();
            lines
                .map(|it| format!("{}={}", it["symbol"].as_str().unwrap(), it["value"].as_str().unwrap()))
                .collect()
        };
        let ours = config(&shown);
        assert!(ours.len() > 1000, "{}", ours.len());
        assert_eq!(shown["dropped"][0]["asked"]["name"], "SATA_AHCI");
        // The same again from the file: nothing but the origins changes.
        let project = common::Project::new("");
        let file: String = ours
            .iter()
            .map(|line| match line.strip_suffix("=n") {
                Some(name) => format!("# CONFIG_{name} is not set\n"),
                None => format!("CONFIG_{line}\n"),
            })
            .collect();
        project.write("file", &file);
        let again = project.allno(&["config", "show", "--json", "--config", "file"]).run().ok().json();
        assert_eq!(config(&again), ours);
        assert_eq!(again["dropped"].as_array().map(Vec::len), Some(0), "{}", again["dropped"]);
        let diff = project.allno(&["config", "diff", "file", "allno.toml"]).run().ok().stdout();
        assert_eq!(diff, "no difference\n");
    }
}
