//! Small Kconfig texts for tests.

use std::io;

use kconfig::host::{Host, ShellAnswer};
use kconfig::{Dialect, Model, Start, load};

use crate::{Request, Resolved};

struct OneText<'a>(&'a str);

impl Host for OneText<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match path {
            "Kconfig" => Ok(self.0.as_bytes().to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
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

/// The model of a text, in 6.12's language.
pub fn model(text: &str) -> Model {
    model_of(text, Dialect::of(6, 12))
}

/// The model of a text in some dialect.
pub fn model_of(text: &str, dialect: Dialect) -> Model {
    load("Kconfig", dialect, &OneText(text)).expect("a sound Kconfig").model
}

/// What follows from requests such as "A=y", from nothing else.
pub fn asked<'m>(model: &'m Model, requests: &[&str]) -> Resolved<'m> {
    let requests = requests.iter().zip(1..).map(|(request, line)| {
        let (name, value) = request.split_once('=').expect("NAME=value");
        let reason = Some(format!("{name} is wanted"));
        Request { name: name.into(), value: value.into(), place: format!("my.toml:{line}"), reason }
    });
    Resolved::of_requests(model, Start::AllNo, requests.collect())
}
