//! `allno man`: the manual pages, from the same definition as `--help`.

use std::path::Path;

use base::{Context, Result};
use clap::CommandFactory;

use super::Answer;
use crate::arguments::{Arguments, Man};

/// The page allno.1, or every page written into a folder and their names.
pub fn run(arguments: &Man) -> Result<Answer> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    // Global options reach the subcommands only in a built command.
    command.build();
    match &arguments.directory {
        None => Ok(Answer::text(String::from_utf8_lossy(&page(&command)?).into_owned())),
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .context(|| format!("cannot make the folder {}", directory.display()))?;
            write_all(&command, directory).map(Answer::text)
        }
    }
}

/// Writes each page; their names, one a line.
fn write_all(command: &clap::Command, directory: &Path) -> Result<String> {
    let mut names = String::new();
    let subcommands = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    for command in std::iter::once(command).chain(subcommands) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = directory.join(format!("{name}.1"));
        std::fs::write(&path, page(command)?).context(|| format!("cannot write {}", path.display()))?;
        names.push_str(&format!("{}\n", path.display()));
    }
    Ok(names)
}

fn page(command: &clap::Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .context(|| "cannot make the manual page".to_string())?;
    Ok(page)
}
