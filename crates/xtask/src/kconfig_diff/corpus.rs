//! What is compared: units of steps, each step one run of `conf`. The list is a function of the tree and the options alone.

use std::collections::BTreeSet;

use base::Result;
use clap::ValueEnum;

use super::hash::number;
use super::tree::{Architecture, Tree};

/// In one of so many units the C tool is started afresh for each step, in the all* modes of x86 always.
const FRESH: u64 = 40;
/// One unit of updates for so many random configurations.
const UPDATES: u64 = 50;
/// Seeds of the updates begin here, so that they are no seeds of the random configurations.
const FIRST_UPDATE: u64 = 1_000_000;

/// A part of the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Part {
    /// allnoconfig, allyesconfig, allmodconfig, alldefconfig of every architecture
    All,
    /// Every file of arch/*/configs, by --defconfig=
    Defconfig,
    /// A random configuration with mistakes put in, through every other mode of conf
    Update,
    /// Random configurations, each then through olddefconfig, as it is and with mistakes put in
    Random,
}

/// Steps that follow each other, the smallest thing that is recorded.
#[derive(Clone, Debug)]
pub struct Unit {
    /// "x86/random/17".
    pub name: String,
    /// Its architecture, an index into those of the tree.
    pub architecture: usize,
    /// The part of the corpus it belongs to.
    pub part: Part,
    /// Whether the C tool is started afresh for each step, too.
    pub fresh: bool,
    /// At least one.
    pub steps: Vec<Step>,
}

/// One run of `conf`.
#[derive(Clone, Debug)]
pub struct Step {
    /// "olddefconfig", or another word where a unit has several of them.
    pub name: String,
    /// Without the last one, Kconfig.
    pub arguments: Vec<String>,
    /// Beside that of the architecture.
    pub environment: Vec<(String, String)>,
    /// What stands in the folder before.
    pub start: Start,
    /// What is typed.
    pub typed: Typed,
    /// Whether standard output is what was asked for, and no message.
    pub prints: bool,
    /// Whether include/config/auto.conf is absent before, so that conf writes it, its header and its dependencies.
    pub writes_headers: bool,
}

/// What stands in a step's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing.
    Nothing,
    /// The first step's .config, as the C tool wrote it, under this name.
    First(&'static str),
    /// The same with mistakes of this seed.
    Garbled(&'static str, u64),
    /// All files of the step before, and its .config with mistakes of this seed; files that were empty hold a byte.
    Again(u64),
}

/// What is typed into a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing: /dev/null.
    Nothing,
    /// The answers of this seed.
    Answers(u64),
}

impl Step {
    fn new(mode: &str, start: Start) -> Step {
        Step {
            name: mode.split('=').next().unwrap_or(mode).to_string(),
            arguments: vec![format!("--{mode}")],
            environment: Vec::new(),
            start,
            typed: Typed::Nothing,
            prints: false,
            writes_headers: false,
        }
    }

    fn named(mut self, name: &str) -> Step {
        self.name = name.to_string();
        self
    }

    fn env(mut self, name: &str, value: impl Into<String>) -> Step {
        self.environment.push((name.to_string(), value.into()));
        self
    }

    fn printing(mut self) -> Step {
        self.prints = true;
        self
    }

    fn writing_headers(mut self) -> Step {
        self.writes_headers = true;
        self
    }

    fn typing(mut self, seed: u64) -> Step {
        self.typed = Typed::Answers(seed);
        self
    }
}

/// Every unit of a tree, one architecture after the other, x86 first.
///
/// `random` is the number of random configurations per architecture.
pub fn units(tree: &Tree, architectures: &[Architecture], random: u64) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    let mut order: Vec<_> = architectures.iter().enumerate().collect();
    order.sort_by_key(|(_, architecture)| architecture.folder != "x86");
    for (at, architecture) in order {
        let mut add = |part, name: &str, steps| units.push(unit(architecture, at, part, name, steps));
        for mode in ["allnoconfig", "alldefconfig", "allmodconfig", "allyesconfig"] {
            add(Part::All, mode, vec![Step::new(mode, Start::Nothing)]);
        }
        // A variant has the files of its folder, and they are for the folder's name.
        let is_variant = architecture.name != architecture.folder;
        let paths = if is_variant { Vec::new() } else { tree.configurations(&architecture.folder)? };
        for path in paths {
            let name = path.rsplit_once("/configs/").map_or(path.as_str(), |(_, name)| name);
            add(Part::Defconfig, name, vec![Step::new(&format!("defconfig={path}"), Start::Nothing)]);
        }
        for seed in 1..=random.div_ceil(UPDATES) {
            add(Part::Update, &seed.to_string(), updates(FIRST_UPDATE + seed * 1000 + at as u64));
        }
        for seed in 1..=random {
            let garbled = Start::Garbled(".config", FIRST_UPDATE * 2 + seed * 1000 + at as u64);
            let steps = vec![
                randconfig(seed),
                Step::new("olddefconfig", Start::First(".config")),
                Step::new("olddefconfig", garbled).named("olddefconfig-garbled"),
            ];
            add(Part::Random, &seed.to_string(), steps);
        }
    }
    Ok(units)
}

fn unit(architecture: &Architecture, at: usize, part: Part, name: &str, steps: Vec<Step>) -> Unit {
    let part_name = part.to_possible_value().map_or(String::new(), |value| value.get_name().to_string());
    let name = format!("{}/{part_name}/{name}", architecture.name);
    let always = part == Part::All && architecture.folder == "x86";
    let fresh = always || number(&name).is_multiple_of(FRESH);
    Unit { name, architecture: at, part, fresh, steps }
}

/// Most with the usual probabilities, some with others (KCONFIG_PROBABILITY takes one to three numbers).
fn randconfig(seed: u64) -> Step {
    let step = Step::new("randconfig", Start::Nothing).env("KCONFIG_SEED", seed.to_string());
    match seed % 10 {
        3 => step.env("KCONFIG_PROBABILITY", "10"),
        6 => step.env("KCONFIG_PROBABILITY", "15:70"),
        9 => step.env("KCONFIG_PROBABILITY", "90:20:60"),
        _ => step,
    }
}

/// Every mode but those of the other parts, on one random configuration with mistakes put in.
fn updates(seed: u64) -> Vec<Step> {
    let first = || Start::First(".config");
    let garbled = |by: u64| Start::Garbled(".config", seed + by);
    let fragment = |by: u64| Start::Garbled("fragment", seed + by);
    vec![
        randconfig(seed),
        Step::new("olddefconfig", garbled(1)),
        Step::new("olddefconfig", garbled(2))
            .named("olddefconfig-unknown")
            .env("KCONFIG_WARN_UNKNOWN_SYMBOLS", "1"),
        Step::new("olddefconfig", garbled(3)).named("olddefconfig-werror").env("KCONFIG_WERROR", "1"),
        Step::new("olddefconfig", Start::First("elsewhere/config"))
            .named("olddefconfig-elsewhere")
            .env("KCONFIG_CONFIG", "elsewhere/config")
            .env("KCONFIG_OVERWRITECONFIG", "1"),
        Step::new("olddefconfig", Start::Garbled("default", seed + 4))
            .named("olddefconfig-list")
            .env("KCONFIG_DEFCONFIG_LIST", "absent default"),
        Step::new("listnewconfig", garbled(5)).printing(),
        Step::new("helpnewconfig", garbled(6)).printing(),
        Step::new("oldconfig", garbled(7)),
        Step::new("oldconfig", garbled(8)).named("oldconfig-typed").typing(seed + 8),
        Step::new("oldaskconfig", first()).typing(seed + 9),
        Step::new("savedefconfig=defconfig", first()),
        Step::new("savedefconfig=defconfig", garbled(10)).named("savedefconfig-garbled"),
        Step::new("yes2modconfig", first()),
        Step::new("mod2yesconfig", first()),
        Step::new("mod2noconfig", garbled(11)),
        Step::new("allnoconfig", fragment(12))
            .named("allnoconfig-fragment")
            .env("KCONFIG_ALLCONFIG", "fragment"),
        Step::new("allmodconfig", fragment(13))
            .named("allmodconfig-fragment")
            .env("KCONFIG_ALLCONFIG", "fragment"),
        Step::new("alldefconfig", Start::Garbled("all.config", seed + 14))
            .named("alldefconfig-all.config")
            .env("KCONFIG_ALLCONFIG", "1"),
        Step::new("randconfig", fragment(15))
            .named("randconfig-fragment")
            .env("KCONFIG_ALLCONFIG", "fragment")
            .env("KCONFIG_SEED", seed.to_string()),
        Step::new("defconfig=fragment", fragment(16)).named("defconfig-fragment"),
        Step::new("olddefconfig", Start::Nothing).named("olddefconfig-nothing"),
        Step::new("olddefconfig", first()).named("olddefconfig-folder").env("KCONFIG_CONFIG", "include"),
        Step::new("alldefconfig", Start::Nothing).named("alldefconfig-prefix").env("CONFIG_", "MY_"),
        Step::new("alldefconfig", Start::Nothing).named("alldefconfig-absent").env("KCONFIG_ALLCONFIG", "1"),
        Step::new("allyesconfig", Start::Nothing)
            .named("allyesconfig-absent")
            .env("KCONFIG_ALLCONFIG", "absent"),
        Step::new("defconfig=absent", Start::Nothing).named("defconfig-absent"),
        Step::new("randconfig", Start::Nothing)
            .named("randconfig-hexadecimal")
            .env("KCONFIG_SEED", format!("0x{seed:X}")),
        Step::new("randconfig", Start::Nothing)
            .named("randconfig-negative")
            .env("KCONFIG_SEED", format!("-{seed}")),
        Step::new("randconfig", Start::Nothing)
            .named("randconfig-probability")
            .env("KCONFIG_SEED", seed.to_string())
            .env("KCONFIG_PROBABILITY", "60:70"),
        Step::new("olddefconfig", first()).named("olddefconfig-headers").writing_headers(),
        Step::new("syncconfig", garbled(18)).named("syncconfig-asked").env("KCONFIG_NOSILENTUPDATE", "1"),
        Step::new("syncconfig", first())
            .named("syncconfig-elsewhere")
            .env("KCONFIG_AUTOCONFIG", "out/auto.conf")
            .env("KCONFIG_AUTOHEADER", "out/generated/autoconf.h")
            .env("KCONFIG_RUSTCCFG", "rustc_cfg")
            .writing_headers(),
        Step::new("syncconfig", first()).writing_headers(),
        Step::new("syncconfig", Start::Again(seed + 17)).named("syncconfig-again").writing_headers(),
    ]
}

/// One of `of` slices of a list, decided by each unit's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Which, from 1.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

impl std::str::FromStr for Slice {
    type Err = String;

    fn from_str(text: &str) -> Result<Slice, String> {
        let wrong = || format!("a slice is K/N with 1 <= K <= N, as in 1/50, not {text}");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let (number, of) = (number.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
        if number == 0 || number > of { Err(wrong()) } else { Ok(Slice { number, of }) }
    }
}

/// What of the corpus is wanted.
#[derive(Default)]
pub struct Selection {
    /// Values of ARCH; none means all.
    pub architectures: BTreeSet<String>,
    /// Parts; none means all.
    pub parts: BTreeSet<Part>,
    /// A slice of what is left.
    pub slice: Option<Slice>,
    /// Units by name; none means all.
    pub names: BTreeSet<String>,
}

impl Selection {
    /// Whether `unit` is wanted.
    pub fn has(&self, unit: &Unit) -> bool {
        let architecture = unit.name.split('/').next().unwrap_or("");
        let sliced = |slice: Slice| number(&format!("slice {}", unit.name)) % slice.of == slice.number - 1;
        (self.architectures.is_empty() || self.architectures.contains(architecture))
            && (self.parts.is_empty() || self.parts.contains(&unit.part))
            && (self.names.is_empty() || self.names.contains(&unit.name))
            && self.slice.is_none_or(sliced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small_tree() -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Makefile", "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n");
        write("scripts/kconfig/conf.c", "");
        write("arch/x86/Kconfig", "");
        write("arch/x86/configs/i386_defconfig", "");
        write("arch/powerpc/Kconfig", "");
        write("arch/powerpc/configs/44x/akebono_defconfig", "");
        write("arch/Kconfig", "");
        let tree = Tree::open(folder.path()).unwrap();
        (folder, tree)
    }

    #[test]
    fn every_architecture_has_every_part_and_names_are_unique() {
        let (_folder, tree) = small_tree();
        let architectures = tree.architectures().unwrap();
        let names: Vec<&str> = architectures.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["powerpc", "x86", "x86_64", "i386"]);
        let units = units(&tree, &architectures, 3).unwrap();
        let names: BTreeSet<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(names.len(), units.len());
        assert_eq!(units.len(), 4 * (4 + 1 + 3) + 2);
        assert!(names.contains("powerpc/defconfig/44x/akebono_defconfig"));
        assert!(units.iter().filter(|it| it.part == Part::All).any(|it| it.fresh));
        for unit in &units {
            let steps: BTreeSet<&str> = unit.steps.iter().map(|step| step.name.as_str()).collect();
            assert_eq!(steps.len(), unit.steps.len(), "{}", unit.name);
        }
    }

    #[test]
    fn slices_part_the_corpus() {
        let (_folder, tree) = small_tree();
        let units = units(&tree, &tree.architectures().unwrap(), 20).unwrap();
        let of = 5;
        let sizes: Vec<usize> = (1..=of)
            .map(|number| Selection { slice: Some(Slice { number, of }), ..Selection::default() })
            .map(|selection| units.iter().filter(|unit| selection.has(unit)).count())
            .collect();
        assert_eq!(sizes.iter().sum::<usize>(), units.len());
        assert!(sizes.iter().all(|size| *size > 0), "{sizes:?}");
        assert!("0/5".parse::<Slice>().is_err() && "6/5".parse::<Slice>().is_err());
        assert_eq!("5/5".parse::<Slice>().unwrap(), Slice { number: 5, of: 5 });
    }
}
