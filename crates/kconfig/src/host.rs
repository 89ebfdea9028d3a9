//! What the engine needs from outside, as traits: the crate itself opens no file, reads no environment and starts no program.

use std::collections::BTreeMap;
use std::io;

/// What a shell command of a Kconfig file printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellAnswer {
    /// Standard output as it came. The engine shortens it as `do_shell()` of scripts/kconfig/preprocess.c does.
    pub output: Vec<u8>,
}

/// Where Kconfig files, environment variables and the answers of `$(shell …)` come from.
///
/// Paths are those of the Kconfig files and the environment, relative to the host's working folder.
pub trait Host {
    /// A file's bytes.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// An environment variable.
    fn environment(&self, name: &str) -> Option<String>;

    /// The answer to a shell command, if it is known. If not, the host starts the command in the background (or notes it
    /// for later) and answers `None`; after the next [`Host::finish`] the same question has an answer.
    fn ask(&self, command: &str) -> Option<ShellAnswer>;

    /// Waits for all commands that [`Host::ask`] started. An error (a command that cannot be started, a deadline) ends the
    /// loading.
    fn finish(&self) -> io::Result<()>;
}

/// Kconfig files in memory, by name; no environment, and a command has no answer.
#[derive(Clone, Debug, Default)]
pub struct Texts(pub BTreeMap<String, String>);

impl Texts {
    /// One file, "Kconfig".
    pub fn kconfig(text: impl Into<String>) -> Texts {
        Texts(BTreeMap::from([("Kconfig".to_string(), text.into())]))
    }
}

impl Host for Texts {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn environment(&self, _name: &str) -> Option<String> {
        None
    }

    fn ask(&self, _command: &str) -> Option<ShellAnswer> {
        None
    }

    fn finish(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What `conf` needs beside a [`Host`]: files to write, and somebody to talk with.
pub trait ConfHost: Host {
    /// Whether there is something at `path`.
    fn exists(&self, path: &str) -> bool;

    /// Whether `path` is a folder.
    fn is_folder(&self, path: &str) -> bool;

    /// Writes a file in place (made or truncated).
    fn write(&self, path: &str, content: &[u8]) -> io::Result<()>;

    /// Renames a file over another.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes one folder.
    fn make_folder(&self, path: &str) -> io::Result<()>;

    /// Bytes to standard output. Buffered as the host likes, but in order with [`ConfHost::complain`] on a terminal.
    fn say(&mut self, bytes: &[u8]);

    /// Bytes to standard error.
    fn complain(&mut self, bytes: &[u8]);

    /// The next line of standard input with its newline, at most `limit` bytes; `None` at its end.
    fn hear(&mut self, limit: usize) -> Option<Vec<u8>>;

    /// Whether standard input is at its end (`feof`: a read has met it).
    fn input_ended(&self) -> bool;

    /// Whether both standard input and standard output are terminals.
    fn on_terminal(&self) -> bool;

    /// A number for names of temporary files (the process id).
    fn number(&self) -> u32;

    /// A seed that differs from run to run, for `randconfig` without KCONFIG_SEED.
    fn seed(&self) -> u32;
}
