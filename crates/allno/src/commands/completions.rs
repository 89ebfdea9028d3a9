//! `allno completions`: what a shell needs to complete our command line.

use base::Result;
use clap::CommandFactory;

use crate::arguments::{Arguments, Completions};
use crate::output;

/// Prints the completions for one shell.
pub fn run(arguments: &Completions) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "allno", &mut script);
    output::text(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
