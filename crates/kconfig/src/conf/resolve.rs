//! A configuration without the command around it: what `allnoconfig` or `olddefconfig` would make of a text, on a model that
//! is loaded already.

use std::io;

use super::options::Mode;
use super::random::Random;
use super::{Exit, Session};
use crate::configuration::Configuration;
use crate::host::{ConfHost, Host, ShellAnswer};
use crate::message::{Message, Stream};
use crate::model::Model;

/// What a configuration begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// `allnoconfig` with the text as KCONFIG_ALLCONFIG: n is the answer to all it does not say.
    AllNo,
    /// `olddefconfig` with the text as `.config`: defaults are the answer.
    OldDefault,
}

impl<'m> Configuration<'m> {
    /// The configuration that follows from a text in the format of `.config`, with what the tool would say while it reads it;
    /// there the text goes by `name`.
    pub fn resolve(
        model: &'m Model,
        start: Start,
        name: &str,
        text: &[u8],
    ) -> (Configuration<'m>, Vec<Message>) {
        let (variable, mode) = match start {
            Start::AllNo => ("KCONFIG_ALLCONFIG", Mode::AllNo),
            Start::OldDefault => ("KCONFIG_CONFIG", Mode::OldDefault),
        };
        let mut host = OneFile { variable, name, text, said: Vec::new() };
        let mut session = Session {
            host: &mut host,
            model,
            configuration: Configuration::new(model),
            mode,
            talkative: false,
            warnings: 0,
            random: Random::new(1),
            indent: 1,
            restarts: 0,
            root: None,
            line: Vec::new(),
            scratch: None,
        };
        let ended = match start {
            Start::AllNo => session.read_seed(),
            Start::OldDefault => session.read_config(None).map(drop),
        };
        // Neither can fail: the file is there.
        debug_assert_eq!(ended, Ok(()));
        let answered = match start {
            Start::AllNo => session.set_all_new(super::all_new::Answer::Value(crate::Tristate::No)).map(drop),
            Start::OldDefault => Ok::<(), Exit>(()),
        };
        debug_assert_eq!(answered, Ok(()));
        session.configuration.invalidate();
        session.configuration.calculate_all();
        session.flush();
        let configuration = session.configuration;
        (configuration, host.said)
    }
}

/// A world of one file.
struct OneFile<'a> {
    variable: &'static str,
    name: &'a str,
    text: &'a [u8],
    said: Vec<Message>,
}

impl Host for OneFile<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match path == self.name {
            true => Ok(self.text.to_vec()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn environment(&self, name: &str) -> Option<String> {
        (name == self.variable).then(|| self.name.to_string())
    }

    fn ask(&self, _command: &str) -> Option<ShellAnswer> {
        None
    }

    fn finish(&self) -> io::Result<()> {
        Ok(())
    }
}

impl ConfHost for OneFile<'_> {
    fn exists(&self, path: &str) -> bool {
        path == self.name
    }

    fn is_folder(&self, _path: &str) -> bool {
        false
    }

    fn write(&self, _path: &str, _content: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, _path: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn make_folder(&self, _path: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn say(&mut self, bytes: &[u8]) {
        self.said.push(Message { stream: Stream::Output, text: String::from_utf8_lossy(bytes).into_owned() });
    }

    fn complain(&mut self, bytes: &[u8]) {
        self.said.push(Message { stream: Stream::Error, text: String::from_utf8_lossy(bytes).into_owned() });
    }

    fn hear(&mut self, _limit: usize) -> Option<Vec<u8>> {
        None
    }

    fn input_ended(&self) -> bool {
        true
    }

    fn on_terminal(&self) -> bool {
        false
    }

    fn number(&self) -> u32 {
        0
    }

    fn seed(&self) -> u32 {
        0
    }
}
