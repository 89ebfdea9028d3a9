//! What this host lacks, and the command that adds it.
//!
//! The tools are data (data/host-tools.toml). [`examine`] looks at each one, at the room on the disks and at
//! the machine; [`require`] is the short form that a build asks before it begins; [`install`] adds what is missing.

mod host;
mod install;
mod tools;

use std::path::Path;
use std::sync::LazyLock;

use base::{Cancel, Error, Result};
use machine::kvm::Verdict;
use serde::Serialize;
use store::Store;

use crate::host::HostFacts;

pub use host::{Distribution, Family, Machine, Room};
pub use install::install;
pub use tools::{Packages, Status, Tool};

use host::Space;
use tools::Definition;

/// data/host-tools.toml as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    tool: Vec<Definition>,
    space: Vec<Space>,
}

static DATA: LazyLock<Data> = LazyLock::new(|| {
    // Embedded, and parsed by a test.
    toml::from_str(include_str!("../data/host-tools.toml")).expect("data/host-tools.toml is well-formed")
});

/// Everything the doctor found (docs/json.md, "doctor").
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether all that is required is here.
    pub ready: bool,
    /// Every tool, in the data's order.
    pub tools: Vec<Tool>,
    /// The room where allno writes.
    pub space: Vec<Room>,
    /// The distribution.
    pub distribution: Distribution,
    /// Processors and memory.
    pub machine: Machine,
    /// What boots use: "kvm" or "tcg".
    pub accelerator: String,
    /// Whether KVM really runs kernels here.
    pub kvm: Verdict,
    /// The command that adds what is required and missing; `None` when nothing is, or when the
    /// distribution is not known.
    pub install: Option<String>,
    /// The command that adds what is optional and missing.
    pub install_optional: Option<String>,
}

impl Report {
    /// The packages that bring what is required and missing, each once. Empty where the distribution
    /// is not known.
    pub fn missing_packages(&self) -> Vec<String> {
        packages(&self.distribution, self.tools.iter().filter(|tool| tool.required))
    }

    /// What is missing, as an error of kind [`base::Kind::Host`]; `None` when the host is ready.
    pub fn error(&self) -> Option<Error> {
        let missing: Vec<&Tool> =
            self.tools.iter().filter(|tool| tool.required && !tool.is_usable()).collect();
        if !missing.is_empty() {
            return Some(lack(&missing, self.install.as_deref()));
        }
        let cramped = self.space.iter().find(|room| !room.enough)?;
        Some(cramped.error())
    }
}

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Where the store is or would be; it need not exist yet.
    pub store: &'a Path,
    /// The folder of the project.
    pub project: &'a Path,
    /// Also what only allno's own tests need.
    pub tests: bool,
}

/// Looks at everything in `scope`.
///
/// # Errors
/// Only [`base::Kind::Cancelled`]: whatever else goes wrong is a finding.
pub fn examine(scope: &Scope, cancel: &Cancel) -> Result<Report> {
    let tools = tools::examine(&wanted(scope.tests), true, cancel)?;
    let distribution = Distribution::here();
    let space = host::rooms(&DATA.space, scope.store, scope.project);
    let ready =
        tools.iter().all(|tool| tool.is_usable() || !tool.required) && space.iter().all(|room| room.enough);
    let line = |required: bool| {
        distribution
            .install_line(&packages(&distribution, tools.iter().filter(|tool| tool.required == required)))
    };
    let (install, install_optional) = (line(true), line(false));
    let kvm = kvm(scope.store, cancel)?;
    let accelerator = if kvm.works() { "kvm" } else { "tcg" }.to_string();
    let machine = Machine::here();
    Ok(Report { ready, tools, space, distribution, machine, accelerator, kvm, install, install_optional })
}

/// The tools to look at. The tests need some that are optional otherwise, and some of their own.
fn wanted(tests: bool) -> Vec<Definition> {
    let mut wanted: Vec<Definition> = DATA.tool.clone();
    if tests {
        wanted.iter_mut().filter(|tool| tool.tests).for_each(|tool| tool.optional = false);
    } else {
        wanted.retain(|tool| tool.optional || !tool.tests);
    }
    wanted
}

/// The verdict that boots from this store go by, so that both say the same. A store that is not there yet is
/// not made for the sake of a note in it.
fn kvm(store: &Path, cancel: &Cancel) -> Result<Verdict> {
    match store.is_dir().then(|| Store::open(store)) {
        Some(Ok(store)) => Ok(HostFacts::of(&store, cancel)?.kvm.verdict),
        _ => Ok(machine::kvm::probe().verdict),
    }
}

/// Fails unless the named tools are here: all that are missing, in one error with the line that adds them.
/// Versions are not asked for, so this takes about a millisecond.
///
/// # Errors
/// [`base::Kind::Host`] with the tools, what needs them and the command that adds them. A name that the data
/// does not have is looked up as a program.
pub fn require<'a>(names: impl IntoIterator<Item = &'a str>, cancel: &Cancel) -> Result<()> {
    let mut definitions: Vec<Definition> = Vec::new();
    for name in names {
        let known = DATA.tool.iter().find(|definition| definition.name == name);
        definitions.push(known.cloned().unwrap_or_else(|| Definition::unknown(name)));
    }
    let tools = tools::examine(&definitions, false, cancel)?;
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !tool.is_usable()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let distribution = Distribution::here();
    let line = distribution.install_line(&packages(&distribution, missing.iter().copied()));
    Err(lack(&missing, line.as_deref()))
}

/// What every build needs, besides what its recipes name: names in data/host-tools.toml.
const EVERY_BUILD: [&str; 6] = ["gcc", "C library headers", "ld", "strip", "libelf", "lz4"];

/// Fails unless everything is here that building these recipes needs (the kernel's is one of them): a build that would stop
/// in the middle of somebody's makefile is not begun.
///
/// # Errors
/// As [`require`].
pub fn require_for<'a>(
    recipes: impl IntoIterator<Item = &'a crate::recipe::Recipe>,
    cancel: &Cancel,
) -> Result<()> {
    let mut names: Vec<&str> = EVERY_BUILD.to_vec();
    for tool in recipes.into_iter().flat_map(|recipe| &recipe.host_tools) {
        if !names.contains(&tool.as_str()) {
            names.push(tool);
        }
    }
    require(names, cancel)
}

/// The packages that bring those of `tools` that are not usable, each once, in order.
fn packages<'a>(distribution: &Distribution, tools: impl Iterator<Item = &'a Tool>) -> Vec<String> {
    let mut packages: Vec<String> = Vec::new();
    for tool in tools.filter(|tool| !tool.is_usable()) {
        if let Some(package) = distribution.package(&tool.packages)
            && !packages.iter().any(|have| have == package)
        {
            packages.push(package.to_string());
        }
    }
    packages
}

fn lack(missing: &[&Tool], install: Option<&str>) -> Error {
    let names: Vec<&str> = missing.iter().map(|tool| tool.name.as_str()).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    let mut error =
        Error::host(format!("this host lacks what is needed: {} {verb} missing", names.join(", ")));
    for tool in missing {
        error = error.note(tool.sentence());
    }
    match install {
        Some(line) => error.hint("allno doctor --install").hint(line),
        None => error.hint("install them with this distribution's package manager"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_defined_once_and_in_full() {
        for (index, tool) in DATA.tool.iter().enumerate() {
            assert!(DATA.tool[..index].iter().all(|other| other.name != tool.name), "{} twice", tool.name);
            let kinds = [tool.command.is_some(), tool.header.is_some(), tool.file.is_some()];
            let one = kinds.iter().filter(|given| **given).count() == 1;
            assert!(one, "{}: a command, a header or a file", tool.name);
            assert!(!tool.needed_for.is_empty(), "{}", tool.name);
            assert!(tool.least.is_none() || tool.version.is_some(), "{}: least needs version", tool.name);
        }
        assert_eq!(DATA.space.len(), 2);
    }

    #[test]
    fn the_tests_need_what_is_optional_otherwise() {
        let required = |tests, name| wanted(tests).iter().any(|tool| tool.name == name && !tool.optional);
        assert!(!required(false, "git") && required(true, "git"));
        assert!(!wanted(false).iter().any(|tool| tool.name == "cpio") && required(true, "cpio"));
        for name in EVERY_BUILD {
            assert!(required(false, name), "{name}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_need_and_its_package() {
        let error = require(["make", "no-such-tool-1", "no-such-tool-2"], &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), base::Kind::Host);
        assert!(error.message().contains("no-such-tool-1, no-such-tool-2 are missing"), "{error}");
        assert!(!error.to_string().contains("make"), "{error}");
        require(["make", "gcc"], &Cancel::new()).unwrap();
    }

    #[test]
    fn every_host_tool_of_every_recipe_is_known() {
        #[derive(serde::Deserialize)]
        struct Recipe {
            #[serde(default)]
            host_tools: Vec<String>,
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let recipe: Recipe = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
                for tool in recipe.host_tools {
                    let known = DATA.tool.iter().any(|definition| definition.name == tool);
                    assert!(known, "{}: {tool} is not in host-tools.toml", path.display());
                    seen += 1;
                }
            }
        }
        assert!(seen > 10, "only {seen} host tools found");
    }
}
