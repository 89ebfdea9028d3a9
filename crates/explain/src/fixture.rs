//! Small Kconfig texts for tests.

use kconfig::host::Texts;
use kconfig::{Dialect, Model, Start, load};

use crate::{Request, Resolved};

/// The model of a text, in 6.12's language.
pub fn model(text: &str) -> Model {
    model_of(text, Dialect::of(6, 12))
}

/// The model of a text in some dialect.
pub fn model_of(text: &str, dialect: Dialect) -> Model {
    load("Kconfig", dialect, &Texts::kconfig(text)).expect("a sound Kconfig").model
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
