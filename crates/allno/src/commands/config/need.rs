//! `allno config need`: the fewest changes after which options have the values one wants.

use base::{Error, Result};
use explain::Resolved;
use need::{Answer as Needed, Goal, GoalError, Limits};
use serde_json::json;

use super::world::World;
use super::{Answer, Context, find};
use crate::arguments::ConfigNeed;
use crate::output;

/// The exit code of "it cannot be": the thing asked for failed.
const REFUSED: u8 = 1;

/// Runs it. Must be called on a deep stack.
pub fn run(context: &Context, arguments: &ConfigNeed) -> Result<Answer> {
    let world = World::load(context, &arguments.of)?;
    let mut resolved = world.resolved(context);
    let goals = arguments.wanted.iter().map(|text| goal(&resolved, &world, text));
    let goals = goals.collect::<Result<Vec<Goal>>>()?;
    let needed = need::need(resolved.configuration(), &goals, &Limits::default());
    let mut object = output::object(&needed)?;
    object["kernel_version"] = json!(world.version);
    let answer = Answer::new(context.global, &object, || needed.to_string())?;
    Ok(match needed {
        Needed::Possible(_) => answer,
        Needed::Impossible(_) | Needed::GaveUp(_) => answer.with_code(REFUSED),
    })
}

/// `NAME` or `NAME=VALUE`; names are forgiven as in `why`.
pub fn goal(resolved: &Resolved, world: &World, text: &str) -> Result<Goal> {
    Goal::parse(&world.model, text).or_else(|error| match &error {
        GoalError::Unknown(_) => {
            let (name, value) = text.split_once('=').unwrap_or((text, "y"));
            let id = find(resolved, name, world)?;
            let exact = format!("{}={value}", world.model.name(id));
            Goal::parse(&world.model, &exact).map_err(|error| Error::input(error.to_string()))
        }
        _ => Err(Error::input(error.to_string())),
    })
}
