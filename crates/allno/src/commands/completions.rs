//! `allno completions`: what a shell needs to complete our command line.

use clap::CommandFactory;

use super::Answer;
use crate::arguments::{Arguments, Completions};

/// The completions for one shell.
pub fn run(arguments: &Completions) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "allno", &mut script);
    Answer::text(String::from_utf8_lossy(&script).into_owned())
}
