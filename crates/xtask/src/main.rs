//! Chores of this repository that are no part of allno.
//!
//!     cargo xtask kconfig-diff --tree DIR        # allno conf against the C conf of a kernel tree, byte for byte
//!     cargo xtask kconfig-diff --series 6.12     # the tree that allno build left in its store
//!     cargo xtask need-trial --series 6.12       # need on random symbols, each answer before that C conf
//!     cargo xtask alias-trial --series 6.12      # the option of each module of Debian's kernel, before its configuration
//!     cargo xtask cost-trial --series 6.12       # what config cost predicts, before what kbuild compiles
//!     cargo xtask tutorial-table                 # the ladder's kernels beside the tutorial's list, built and booted

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore prints its progress and its table")]

mod alias_trial;
mod cost_trial;
mod kconfig_diff;
mod need_trial;
mod tutorial_table;

use std::process::ExitCode;

use base::Cancel;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository that are no part of allno")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Map each module of Debian's kernel to its option, before the configuration it was built with
    AliasTrial(alias_trial::Options),
    /// Compare `allno conf` with the kernel's own scripts/kconfig/conf, byte for byte
    KconfigDiff(kconfig_diff::Options),
    /// Compare what `allno config cost` predicts with what kbuild then compiles
    CostTrial(cost_trial::Options),
    /// Try `need` on random symbols, every answer before the kernel's own scripts/kconfig/conf
    NeedTrial(need_trial::Options),
    /// Build the tutorial's list and our rungs, and boot each on every rung
    TutorialTable(tutorial_table::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cancel = Cancel::new();
    let flag = cancel.clone();
    if let Err(cause) = ctrlc::set_handler(move || flag.set()) {
        eprintln!("error: cannot watch for Ctrl-C: {cause}");
        return ExitCode::FAILURE;
    }
    let outcome = match arguments.chore {
        Chore::AliasTrial(options) => alias_trial::run(&options, &cancel),
        Chore::KconfigDiff(options) => kconfig_diff::run(&options, &cancel),
        Chore::CostTrial(options) => cost_trial::run(&options, &cancel),
        Chore::NeedTrial(options) => need_trial::run(&options, &cancel),
        Chore::TutorialTable(options) => tutorial_table::run(&options, &cancel),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            error.output_lines().iter().for_each(|line| eprintln!("   | {line}"));
            error.hints().iter().for_each(|hint| eprintln!("  try  {hint}"));
            ExitCode::from(error.kind().exit_code())
        }
    }
}
