//! Shell answers as a file, and a host that knows no others: the same inputs give the same configuration anywhere.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base::{Context, Error, Result};
use kconfig::host::{Host, ShellAnswer};
use serde::{Deserialize, Serialize};

use super::{Environment, FILE_LIMIT};

/// Shell commands and what they printed, as a JSON object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Answers(BTreeMap<String, Output>);

/// Text is a string; what is no UTF-8 is an array of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Output {
    Text(String),
    Bytes(Vec<u8>),
}

impl Answers {
    /// Reads answers that [`Answers::write`] wrote.
    ///
    /// # Errors
    /// The file cannot be read, or is no such object ([`base::Kind::Input`]).
    pub fn read(path: &Path) -> Result<Answers> {
        let mut text = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut text))
            .context(|| format!("cannot read the recorded answers {}", path.display()))?;
        serde_json::from_slice(&text).map_err(|cause| {
            Error::input(format!("{} holds no recorded answers", path.display())).note(cause.to_string())
        })
    }

    /// Writes them as a JSON object, one command a line, in order.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|cause| Error::failed("cannot write the answers").note(cause.to_string()))?;
        text.push(b'\n');
        std::fs::write(path, text).context(|| format!("cannot write {}", path.display()))
    }

    /// What `command` printed.
    pub fn get(&self, command: &str) -> Option<&[u8]> {
        self.0.get(command).map(|output| match output {
            Output::Text(text) => text.as_bytes(),
            Output::Bytes(bytes) => bytes,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<BTreeMap<String, Vec<u8>>> for Answers {
    fn from(all: BTreeMap<String, Vec<u8>>) -> Answers {
        let output = |bytes| match String::from_utf8(bytes) {
            Ok(text) => Output::Text(text),
            Err(error) => Output::Bytes(error.into_bytes()),
        };
        Answers(all.into_iter().map(|(command, bytes)| (command, output(bytes))).collect())
    }
}

/// A host that runs nothing: a command without a recorded answer ends the loading.
#[derive(Debug)]
pub struct ReplayHost {
    folder: PathBuf,
    environment: Environment,
    answers: Answers,
    missing: Mutex<Option<String>>,
}

impl ReplayHost {
    /// A host for the files below `folder`.
    pub fn new(folder: &Path, environment: Environment, answers: Answers) -> ReplayHost {
        ReplayHost { folder: folder.to_path_buf(), environment, answers, missing: Mutex::default() }
    }

    /// The folder that relative paths start from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Host for ReplayHost {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        super::read_file(&self.folder.join(path))
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.text(name)
    }

    fn ask(&self, command: &str) -> Option<ShellAnswer> {
        let known = self.answers.get(command).map(|output| ShellAnswer { output: output.to_vec() });
        if known.is_none() {
            let mut missing = self.missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            missing.get_or_insert_with(|| command.to_string());
        }
        known
    }

    fn finish(&self) -> io::Result<()> {
        match &*self.missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(command) => {
                Err(io::Error::other(format!("no recorded answer to the shell command {command:?}")))
            }
            None => Ok(()),
        }
    }
}
