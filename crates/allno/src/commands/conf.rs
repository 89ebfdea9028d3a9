//! `allno conf`: a drop-in for the kernel's scripts/kconfig/conf. Its arguments are that program's, to the last letter.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base::{Cancel, Context as _, Result};
use engine::kconfig_host::{Environment, Stdio, run_conf};

use super::{Answer, Context};
use crate::arguments::Conf;
use crate::terminal::write_stderr;

/// The name it goes by when it is not started by a name of its own.
const NAME: &str = "conf";

/// What was typed, when the whole line is `conf`'s: its name and arguments. A link named `conf` is `conf`, so that a tree's
/// scripts/kconfig/conf can be one.
pub fn whole_line(mut line: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    let name = line.next()?;
    if Path::new(&name).file_name().is_some_and(|name| name == NAME) {
        return Some(std::iter::once(name).chain(line).collect());
    }
    let word = line.next().filter(|word| word == NAME)?;
    Some(std::iter::once(word).chain(line).collect())
}

/// Runs `conf` as a program: no word of ours around it, its exit code.
pub fn main(line: &[OsString]) -> ExitCode {
    match run_line(line, store::default_root().ok()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            write_stderr(format!("{NAME}: {error}\n").as_bytes());
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Runs `conf` after options of ours (`allno --store PATH conf …`).
pub fn run(context: &Context, arguments: &Conf) -> Result<Answer> {
    let line: Vec<OsString> =
        std::iter::once(NAME.into()).chain(arguments.arguments.iter().cloned()).collect();
    Ok(Answer::default().with_code(run_line(&line, context.store_path().ok())?))
}

/// Without a place for a store, answers of shell commands are not kept.
fn run_line(line: &[OsString], store: Option<PathBuf>) -> Result<u8> {
    let arguments: Vec<String> = line.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let cache = store.map(|root| root.join("caches/kconfig"));
    let folder = super::current()?;
    let stdio = stdio().context(|| "cannot use the standard streams".to_string())?;
    // Ctrl-C ends it where it stands, as it ends the C program; what it started dies by its watchdog.
    let code =
        run_conf(&arguments, &folder, Environment::of_process(), cache.as_deref(), stdio, &Cancel::new())
            .context(|| "cannot run conf here".to_string())?;
    Ok((code & 0xff) as u8)
}

/// Our streams, without a buffer of Rust's between.
fn stdio() -> io::Result<Stdio> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let errors = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    Ok(Stdio {
        input_is_terminal: input.is_terminal(),
        output_is_terminal: output.is_terminal(),
        input: Box::new(BufReader::new(input)),
        output: Box::new(output),
        errors: Box::new(errors),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Option<Vec<String>> {
        let words = whole_line(words.iter().map(OsString::from))?;
        Some(words.into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    #[test]
    fn the_line_is_confs_by_its_first_word_or_its_own_name() {
        assert_eq!(line(&["allno", "conf", "-s", "Kconfig"]).unwrap(), ["conf", "-s", "Kconfig"]);
        assert_eq!(line(&["scripts/kconfig/conf", "--json"]).unwrap(), ["scripts/kconfig/conf", "--json"]);
        assert_eq!(line(&["conf"]).unwrap(), ["conf"]);
        assert_eq!(line(&["allno", "--store", "x", "conf"]), None);
        assert_eq!(line(&["allno"]), None);
        assert_eq!(line(&[]), None);
    }
}
