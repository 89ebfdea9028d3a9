//! `allno config`: questions about a kernel's configuration.

mod cost;
mod hardware;
mod menu;
mod need;
mod table;
mod world;

pub use world::read_config;

use std::path::{Path, PathBuf};

use base::{Error, Result};
use explain::{Resolved, Unknown};
use kconfig::SymbolId;
use serde_json::json;

use self::world::{Wishes, World, resolve, wishes_of};
use super::{Answer, Context};
use crate::arguments::{Config, ConfigDiff, ConfigQuestion, ConfigShow, ConfigWhy};
use crate::output;
use crate::terminal::{Look, stdout_width};

/// More columns than any line has.
const UNBOUNDED: usize = 100_000;

/// Answers the question.
pub fn run(context: &Context, arguments: &Config) -> Result<Answer> {
    // Kconfig's values hang on each other by recursion.
    kconfig::with_stack(|| match &arguments.question {
        ConfigQuestion::Show(show) => run_show(context, show),
        ConfigQuestion::Why(why) => run_why(context, why),
        ConfigQuestion::Need(need) => need::run(context, need),
        ConfigQuestion::Cost(cost) => cost::run(context, cost),
        ConfigQuestion::Diff(diff) => run_diff(context, diff),
        ConfigQuestion::Hardware(hardware) => hardware::run(context, hardware),
        ConfigQuestion::Menu(menu) => menu::run(context, menu),
    })
}

fn look(context: &Context) -> Look {
    Look::of_stdout(context.global.color)
}

/// The columns to lay out for: lines that go to a file or another program stay whole.
fn width(context: &Context) -> usize {
    if look(context).terminal { stdout_width() } else { UNBOUNDED }
}

/// `allno config show`
fn run_show(context: &Context, arguments: &ConfigShow) -> Result<Answer> {
    let world = World::load(context, &arguments.of)?;
    let shown = world.resolved(context).show();
    let mut object = output::object(&shown)?;
    object["kernel_version"] = json!(world.version);
    Answer::new(context.global, &object, || {
        table::whole(&shown, arguments.all, look(context), width(context))
    })
}

/// `allno config why`
fn run_why(context: &Context, arguments: &ConfigWhy) -> Result<Answer> {
    let world = World::load(context, &arguments.of)?;
    let mut resolved = world.resolved(context);
    let id = find(&resolved, &arguments.symbol, &world)?;
    let why = resolved.why(id);
    let mut object = output::object(&why)?;
    object["kernel_version"] = json!(world.version);
    Answer::new(context.global, &object, || table::rows(&why.rows(), look(context), width(context)))
}

/// The symbol of a name; one that is not there is wrong input.
fn find(resolved: &Resolved, name: &str, world: &World) -> Result<SymbolId> {
    resolved.find(name).map_err(|Unknown { name, nearest }| {
        let message = format!("no Kconfig file of Linux {} for {} defines {name}", world.version, world.arch);
        let asked = Error::input(message);
        let asked = match nearest.len() {
            0 | 1 => asked,
            _ => asked.note(format!("near it: {}", nearest.join(", "))),
        };
        let here = engine::renamed::name_here(&name, |other| resolved.find(other).is_ok());
        match (here, nearest.first()) {
            (Some(here), _) => {
                asked.note(format!("this series calls it {here}")).hint(format!("allno config why {here}"))
            }
            (None, Some(first)) => asked.hint(format!("allno config why {first}")),
            (None, None) => asked.note("no name of an option is near it"),
        }
    })
}

/// `allno config diff`
fn run_diff(context: &Context, arguments: &ConfigDiff) -> Result<Answer> {
    let (world, left, right) = sides(context, arguments)?;
    let mut left = resolve(context, &world.model, &left);
    let mut right = match &right {
        Some(right) => resolve(context, &world.model, right),
        None => world.resolved(context),
    };
    let found = explain::diff(&mut left, &mut right);
    let mut object = output::object(&found)?;
    object["kernel_version"] = json!(world.version);
    Answer::new(context.global, &object, || {
        table::rows(&found.rows(arguments.all), look(context), width(context))
    })
}

/// The kernel both sides are of, the left side, and the right one where it is not the kernel's own.
fn sides(context: &Context, arguments: &ConfigDiff) -> Result<(World, Wishes, Option<Wishes>)> {
    let ConfigDiff { left, right, of, .. } = arguments;
    if of.config.is_some() {
        return Err(Error::input("--config is for one configuration: diff takes two files as they are")
            .hint("allno config diff A B"));
    }
    let spec = |side: &Path| is_spec(side).then(|| Some(side.to_path_buf()));
    // The kernel is that of --tree, else of the right spec, else of the left one, else of the spec here.
    let world = match (&of.tree, spec(right), spec(left)) {
        (Some(_), None, None) => {
            let mut of = of.clone();
            of.config = Some(right.clone());
            World::load(context, &of)?
        }
        (Some(_), ..) => {
            return Err(Error::input("a spec has its own kernel: --tree goes with two .config files")
                .hint("allno config diff --tree DIR A B"));
        }
        (None, Some(right), _) => World::of_spec(context, right, None)?,
        (None, None, Some(left)) => World::of_spec(context, left, None)?,
        (None, None, None) => World::of_spec(context, of.spec.clone(), None)?,
    };
    let wishes = |side: &PathBuf, is_worlds: bool| -> Result<Option<Wishes>> {
        match (is_worlds, is_spec(side)) {
            (true, _) => Ok(None),
            (false, false) => wishes_of(side).map(Some),
            (false, true) => {
                let other = World::of_spec(context, Some(side.clone()), None)?;
                if other.version != world.version {
                    let (side, theirs, ours) = (side.display(), &other.version, &world.version);
                    context.events.warn(format!("{side} is of Linux {theirs}: both are compared on {ours}"));
                }
                Ok(Some(other.wishes))
            }
        }
    };
    let right_is_worlds = of.tree.is_some() || is_spec(right);
    let left_is_worlds = !right_is_worlds && is_spec(left);
    let right = wishes(right, right_is_worlds)?;
    let (left, world) = match wishes(left, left_is_worlds)? {
        Some(left) => (left, world),
        None => {
            let mut world = world;
            let wishes = std::mem::replace(&mut world.wishes, Wishes::Requests(Vec::new()));
            (wishes, world)
        }
    };
    Ok((world, left, right))
}

/// Whether a side of a comparison is a spec: a folder, or a file named as one.
fn is_spec(side: &Path) -> bool {
    side.is_dir() || side.extension().is_some_and(|it| it == "toml")
}
