//! One module per subcommand. Each turns its arguments into a call of the engine and the answer into output.

mod completions;
mod doctor;
mod man;

use std::path::{Path, PathBuf};

use base::{Cancel, Error, Events, Result};

use crate::arguments::{Arguments, Command, Global};
use crate::draw::Drawing;
use crate::terminal::Look;

/// What every subcommand gets.
pub struct Context<'a> {
    /// The options that all subcommands share.
    pub global: &'a Global,
    /// Where what happens is told.
    pub events: Events,
    /// Set by Ctrl-C.
    pub cancel: Cancel,
}

/// Does what was asked for; the exit code, when it is not told by an error.
pub fn run(arguments: &Arguments, look: Look, cancel: Cancel) -> Result<u8> {
    let drawing = Drawing::start(look, arguments.global.verbose);
    let context = Context { global: &arguments.global, events: drawing.events(), cancel };
    let outcome = match &arguments.command {
        Command::Doctor(doctor) => doctor::run(&context, doctor),
        Command::Completions(completions) => completions::run(completions),
        Command::Man(man) => man::run(man),
        _ => Err(Error::failed("wired in when the engine's facade lands")),
    };
    drawing.finish();
    outcome
}

/// The spec's file: what was named, the allno.toml in the folder that was named, or the one here.
/// `None` is the built-in node.
pub fn spec_path(named: Option<&Path>) -> Result<Option<PathBuf>> {
    const NAME: &str = "allno.toml";
    let Some(named) = named else {
        let here = PathBuf::from(NAME);
        return Ok(here.exists().then_some(here));
    };
    let file = if named.is_dir() { named.join(NAME) } else { named.to_path_buf() };
    if file.is_file() {
        return Ok(Some(file));
    }
    let error = Error::input(format!("there is no spec {}", file.display()));
    Err(error.hint("leave SPEC out for the built-in node, or name a file or a folder that holds allno.toml"))
}
