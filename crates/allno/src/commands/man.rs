//! `allno man`: the manual pages, from the same definition as `--help`.

use std::path::Path;

use base::{Context, Result};
use clap::CommandFactory;

use crate::arguments::{Arguments, Man};
use crate::output;

/// Prints allno.1, or writes every page into a folder and prints their names.
pub fn run(arguments: &Man) -> Result<u8> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    // Global options reach the subcommands only in a built command.
    command.build();
    match &arguments.directory {
        None => output::text(&String::from_utf8_lossy(&page(&command)?))?,
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .context(|| format!("cannot make the folder {}", directory.display()))?;
            write_all(&command, directory)?;
        }
    }
    Ok(0)
}

fn write_all(command: &clap::Command, directory: &Path) -> Result<()> {
    let subcommands = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    for command in std::iter::once(command).chain(subcommands) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = directory.join(format!("{name}.1"));
        std::fs::write(&path, page(command)?).context(|| format!("cannot write {}", path.display()))?;
        output::text(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

fn page(command: &clap::Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .context(|| "cannot make the manual page".to_string())?;
    Ok(page)
}
