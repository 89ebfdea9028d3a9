//! What a change of the configuration costs: which objects the next build compiles again, and which option is behind each.
//!
//! Who decides what is out of date is make, with kbuild's own rules, and here it still does. It runs in a [`sketch`] of the object
//! tree, where what is only a preparation of the build (syncconfig, generated headers, programs of the build) is really made, and
//! where a shell of ours (shell.sh) writes down each recipe that would compile, assemble, archive or link for the kernel, and
//! leaves a stand-in with a new time. So times, commands and the contents of generated headers are compared by kbuild itself, and
//! nothing is compiled. The object tree is only read.
//!
//! An object, here, is what kbuild's rules for C and assembler make for the kernel: its lines CC and AS whose target ends in ".o".
//! Not counted are programs of the build (scripts/, tools/) and what the link makes of its own result (the tables of kallsyms,
//! .vmlinux.export.o).

mod cause;
mod commands;
mod elf;
mod log;
mod report;
mod sketch;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Context, Result};
use ktree::{Folder, Objects};
use serde::Serialize;

pub use elf::Bytes;
pub use report::{Group, Rebuilt};

use cause::{Causes, Commands};

pub use log::{Made, Why, is_object, made};

use crate::build::{KernelSource, Toolchain, kernel, kernel_config};
use crate::rung::Requests;
use crate::session::Session;

/// A preparation compiles two files and the programs of the build that are missing.
const MAKE_LIMIT: Duration = Duration::from_secs(1200);

/// What the next build would do.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Every target that kbuild would make, in the order in which it said so.
    pub made: Vec<Made>,
    /// The symbols whose values differ from those the objects were built with, as make sees them.
    pub changed: Vec<Changed>,
    before: Values,
    after: Values,
    objects: PathBuf,
    tree: PathBuf,
    commands: Commands,
}

type Values = BTreeMap<String, String>;

/// A symbol with two values, as make sees them: "" for n and for what has no line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Without CONFIG_.
    pub symbol: String,
    /// In the configuration of the last build.
    pub from: String,
    /// In the next one.
    pub to: String,
}

/// Finds out what the next build of `requests` would make in `objects`, an object tree that a build has finished. `folder` is
/// empty and belongs to this call.
///
/// # Errors
/// The configuration cannot be resolved; make fails in the sketch; the disk is full.
pub fn predict(
    session: &Session,
    source: &KernelSource,
    requests: &Requests,
    toolchain: &Toolchain,
    objects: &Path,
    folder: &Path,
) -> Result<Prediction> {
    let sketch = folder.join("tree");
    sketch::make(objects, &sketch)?;
    let before = values(&sketch)?;
    kernel_config::resolve(session, source, requests, toolchain, &sketch)?;
    kernel_config::synchronize(session, source, toolchain, &sketch)?;
    let after = values(&sketch)?;
    let changed = differences(&before, &after);
    let shell = sketch::shell(folder)?;
    let mut word = std::ffi::OsString::from("SHELL=");
    word.push(&shell);
    let mut made_lines = Vec::new();
    kernel::kbuild(source, toolchain, &sketch)?
        .arg(word)
        .args(["V=2".to_string(), format!("-j{}", toolchain.jobs), "bzImage".to_string()])
        .run(&folder.join("log"), MAKE_LIMIT, &session.cancel, &mut |line| made_lines.extend(made(line)))
        .map_err(|error| error.because_of("kbuild cannot be asked what it would compile"))?;
    let commands = commands::of_sketch(objects, &sketch, &made_lines);
    let (objects, tree) = (objects.to_path_buf(), source.tree.clone());
    Ok(Prediction { made: made_lines, changed, before, after, objects, tree, commands })
}

/// The symbols of include/config/auto.conf and their values.
///
/// # Errors
/// There is no such file: no build has been here.
fn values(objects: &Path) -> Result<Values> {
    let path = objects.join("include/config/auto.conf");
    let text = std::fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
    let pairs = text.lines().filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

fn differences(before: &Values, after: &Values) -> Vec<Changed> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |values: &Values, name: &str| values.get(name).cloned().unwrap_or_default();
    let all = names.into_iter().map(|name| Changed {
        symbol: name.clone(),
        from: value(before, name),
        to: value(after, name),
    });
    all.filter(|it| it.from != it.to).collect()
}

impl Prediction {
    /// The objects that would be compiled, sorted.
    pub fn objects(&self) -> BTreeSet<String> {
        self.made.iter().filter(|it| is_object(it)).map(|it| it.target.clone()).collect()
    }

    /// The whole answer.
    pub fn cost(&self) -> Cost {
        let files = Folder(self.tree.clone());
        let causes = Causes::new(&self.made, &self.changed, &self.commands, &files, SOURCE_ARCH);
        let rebuilt = Rebuilt::new(&causes.all(), &self.changed);
        let (before, after, unknown) = match Objects::read(&files, SOURCE_ARCH) {
            Some(objects) => linked(&objects, &self.before, &self.after),
            None => {
                (BTreeSet::new(), BTreeSet::new(), vec!["this tree has no Kbuild file at its root".into()])
            }
        };
        let parts = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<Part> {
            let names = one.difference(other);
            names.map(|name| Part { object: name.clone(), bytes: self.bytes(name) }).collect()
        };
        let (appearing, vanishing) = (parts(&after, &before), parts(&before, &after));
        Cost { changed: self.changed.clone(), rebuilt, appearing, vanishing, unknown }
    }

    fn bytes(&self, object: &str) -> Option<Bytes> {
        elf::bytes(&std::fs::read(self.objects.join(object)).ok()?)
    }
}

/// The folder of [`kernel_config::ARCH`] below arch/ (kernel: SRCARCH).
const SOURCE_ARCH: &str = "x86";

/// What the Makefiles link into the kernel for each of two configurations, and what in them is not followed.
fn linked(
    objects: &Objects,
    before: &Values,
    after: &Values,
) -> (BTreeSet<String>, BTreeSet<String>, Vec<String>) {
    let mut open = BTreeSet::new();
    let mut of = |values: &Values| -> BTreeSet<String> {
        let built = objects.built(&|name| values.get(name).cloned());
        open.extend(built.open.into_values().flatten());
        let linked = built
            .made
            .into_iter()
            .filter(|(_, list)| matches!(list, ktree::List::BuiltIn | ktree::List::Library));
        linked.map(|(path, _)| path).collect()
    };
    let (before, after) = (of(before), of(after));
    let words = open.into_iter().map(|index| {
        let unknown = &objects.unknown[index];
        format!("{}: {}", unknown.place, unknown.what)
    });
    (before, after, words.collect())
}

/// What a change costs.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// The symbols whose values differ.
    pub changed: Vec<Changed>,
    /// What is compiled again, by cause.
    pub rebuilt: Rebuilt,
    /// The objects that become part of the kernel, by the Makefiles.
    pub appearing: Vec<Part>,
    /// The objects that are no part of it any more.
    pub vanishing: Vec<Part>,
    /// What the Makefiles do that is not followed and that `appearing` and `vanishing` hang on: "file:line: what".
    pub unknown: Vec<String>,
}

/// An object of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its path below the object tree.
    pub object: String,
    /// Its bytes when it was last built; null if it never was. The linker may leave out some of them.
    pub bytes: Option<Bytes>,
}

/// What is known of an object tree before a build: afterwards it says why what was compiled was.
#[derive(Debug)]
pub struct Before {
    values: Values,
    commands: HashMap<String, String>,
}

impl Before {
    /// Reads it; none where no build has been.
    pub fn of(objects: &Path) -> Option<Before> {
        Some(Before { values: values(objects).ok()?, commands: commands::all(objects) })
    }

    /// What the build that said `made` compiled again, by cause. `tree` is the source.
    ///
    /// # Errors
    /// The object tree lost its configuration.
    pub fn rebuilt(mut self, objects: &Path, tree: &Path, made: &[Made]) -> Result<Rebuilt> {
        let changed = differences(&self.values, &values(objects)?);
        let both = made.iter().filter_map(|it| {
            let (target, old) = self.commands.remove_entry(&it.target)?;
            let new = commands::kept(objects, &target)?;
            Some((target, (old, new)))
        });
        let both: Commands = both.collect();
        let files = Folder(tree.to_path_buf());
        let causes = Causes::new(made, &changed, &both, &files, SOURCE_ARCH).all();
        Ok(Rebuilt::new(&causes, &changed))
    }
}

/// Whether the last build in `objects` was of these requests.
pub fn is_of(objects: &Path, requests: &Requests) -> bool {
    std::fs::read_to_string(objects.join(kernel_config::FRAGMENT)).is_ok_and(|it| it == requests.fragment())
}
