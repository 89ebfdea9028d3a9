//! allno's figures, each measured against its rival in the same run, in turn, as a ratio of medians.
//!
//!     cargo run --release -p bench -- first-line    # QEMU's start to init's first line, against Debian's cloud kernel
//!     cargo run --release -p bench -- edit          # an edit of /init to its assertion, against QEMU by hand
//!     cargo run --release -p bench -- overhead      # allno build against make on the same configuration
//!     cargo run --release -p bench -- prove         # an option of a rung taken away and booted, against make and one boot
//!     cargo run --release -p bench -- kconfig       # allno conf against the kernel's conf, time and memory
//!     cargo run --release -p bench -- initramfs     # allno initramfs against 3cpio, GNU cpio and the compressors
//!     cargo run --release -p bench -- reproducible  # the whole node built twice from nothing, compared by cmp
//!
//! Run it on an idle machine. It drives `target/release/allno`, or the command that --allno names.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod edit;
mod first_line;
mod initramfs;
mod kconfig;
mod overhead;
mod prove;
mod reproducible;
mod rival;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "allno's figures against their rivals")]
struct Arguments {
    /// The allno command
    #[arg(long, default_value = "target/release/allno")]
    allno: PathBuf,
    #[command(subcommand)]
    figure: Figure,
}

#[derive(Subcommand)]
enum Figure {
    /// QEMU's start to the first line of /init, against Debian's cloud kernel with the same initramfs
    FirstLine {
        /// Alternating pairs
        #[arg(long, default_value_t = 9)]
        pairs: usize,
    },
    /// An edit of /init to its assertion, against QEMU by hand on the same files
    Edit {
        /// Alternating pairs
        #[arg(long, default_value_t = 15)]
        pairs: usize,
    },
    /// allno build against make on the same configuration, both without a compiler cache
    Overhead {
        /// Alternating pairs
        #[arg(long, default_value_t = 1)]
        pairs: usize,
    },
    /// allno climb --prove on a rung, against make in one object tree and a boot by hand for each of its options
    Prove {
        /// The rung
        #[arg(default_value = "programs")]
        rung: String,
    },
    /// allno conf --olddefconfig on the node's configuration, against the conf of the same tree
    Kconfig {
        /// Rounds of the three
        #[arg(long, default_value_t = 11)]
        pairs: usize,
    },
    /// allno initramfs against 3cpio, GNU cpio and the compressors: list, extract, create, edit
    Initramfs {
        /// Rounds of each
        #[arg(long, default_value_t = 11)]
        pairs: usize,
        /// Where the inputs and 3cpio are kept
        #[arg(long, default_value = "target/bench-initramfs")]
        cache: PathBuf,
    },
    /// Run a command and print its time and memory: the other figures start it
    #[command(hide = true)]
    Once {
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        line: Vec<std::ffi::OsString>,
    },
    /// The whole node built twice from nothing, by two users where this one is root; fails unless cmp finds no difference
    Reproducible,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Figure::Once { line } = &arguments.figure {
        return end(kconfig::once(line));
    }
    let outcome = arguments
        .allno
        .canonicalize()
        .map_err(|cause| {
            base::Error::input(format!("no {}: {cause}", arguments.allno.display()))
                .hint("cargo build --release")
        })
        .and_then(|allno| match arguments.figure {
            Figure::FirstLine { pairs } => first_line::measure(&allno, pairs),
            Figure::Edit { pairs } => edit::measure(&allno, pairs),
            Figure::Overhead { pairs } => overhead::measure(&allno, pairs),
            Figure::Prove { rung } => prove::measure(&allno, &rung),
            Figure::Kconfig { pairs } => kconfig::measure(&allno, pairs),
            Figure::Initramfs { pairs, cache } => initramfs::measure(&allno, pairs, &cache),
            Figure::Reproducible => reproducible::measure(&allno),
            Figure::Once { .. } => Ok(()),
        });
    end(outcome)
}

fn end(outcome: base::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            error.output_lines().iter().for_each(|line| println!("   | {line}"));
            error.hints().iter().for_each(|hint| println!("  try  {hint}"));
            ExitCode::from(error.kind().exit_code())
        }
    }
}
