//! Reading a tree of Kconfig files into a [`Model`] (kernel: `conf_parse()` of scripts/kconfig/parser.y).
//!
//! `$(shell …)` would be asked one after the other. Instead, the files are read once to find the commands whose text is known,
//! the host runs these side by side, and the files are read again, until every answer is there.

use std::fmt;

use crate::builder::Builder;
use crate::dialect::Dialect;
use crate::host::Host;
use crate::message::Message;
use crate::model::{FileId, MenuId, Model, NO, Place, PropertyKind, ROOT};
use crate::parser::Parser;
use crate::preprocess::Fatal;

/// More rounds than any real tree needs: each finds commands that need answers of the one before.
const MOST_ROUNDS: usize = 20;

/// A model, and what it was made from.
#[derive(Debug)]
pub struct Loaded {
    /// What the files say.
    pub model: Model,
    /// The answers of shell commands that went into it, in the order of asking: with the same files, environment and answers
    /// the model is the same.
    pub answers: Vec<(String, Vec<u8>)>,
}

/// Why there is no model.
#[derive(Debug)]
pub struct LoadError {
    /// What the C tool would have said, in its words and order.
    pub messages: Vec<Message>,
    /// Where something else was expected, and what: "file:line: expected …".
    pub expected: Vec<String>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.messages.iter().map(|message| message.text.trim());
        let text = texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
        formatter.write_str(&text)
    }
}

impl std::error::Error for LoadError {}

/// Reads the Kconfig file of this name and all it sources.
///
/// # Errors
/// What the C tool ends with: a file that is not there, a broken statement (after all statements were read), a dependency on
/// itself, `$(error …)`; and commands that cannot be run.
pub fn load(name: &str, dialect: Dialect, host: &dyn Host) -> Result<Loaded, LoadError> {
    for _ in 0..MOST_ROUNDS {
        let mut parser = Parser::new(Builder::new(dialect), host);
        let parsed = parser.parse(name);
        if parser.preprocessor.incomplete {
            let failed = |cause: std::io::Error| failure(vec![Message::error(format!("{cause}\n"))]);
            host.finish().map_err(failed)?;
            continue;
        }
        return complete(parser, parsed);
    }
    Err(failure(vec![Message::error(format!("{name}: commands that never come to an end\n"))]))
}

fn failure(messages: Vec<Message>) -> LoadError {
    LoadError { messages, expected: Vec::new() }
}

fn complete(parser: Parser<'_>, parsed: Result<(), Fatal>) -> Result<Loaded, LoadError> {
    let Parser { mut builder, mut preprocessor, expected, .. } = parser;
    let shown =
        |model: &Model, (place, text): &(Place, String)| format!("{}: {text}", model.show_place(*place));
    let expected: Vec<String> = expected.iter().map(|it| shown(&builder.model, it)).collect();
    builder.model.messages.append(&mut preprocessor.messages);
    let give_up = |mut builder: Builder, mut more: Vec<Message>| {
        builder.model.messages.append(&mut more);
        Err(LoadError { messages: builder.model.messages, expected: expected.clone() })
    };
    if let Err(Fatal(messages)) = parsed {
        return give_up(builder, messages);
    }
    builder.model.environment = preprocessor.environment;
    if builder.errors > 0 {
        return give_up(builder, Vec::new());
    }
    builder.model.modules = builder.modules.unwrap_or(NO);
    if builder.model.menu(ROOT).prompt.is_none() {
        builder.entry = ROOT;
        builder.add_prompt(PropertyKind::Menu, "Main menu", None);
    }
    builder.model.has_transitional = builder.model.symbols.iter().any(|symbol| symbol.transitional);
    builder.finalize();
    builder.put_in_order();
    let ids = builder.model.symbols().map(|(id, _)| id).collect::<Vec<_>>();
    builder.model.choice_menus = ids.into_iter().map(|id| builder.model.choice_menu(id)).collect();
    let errors = crate::cycle::check(&mut builder.model);
    if errors > 0 {
        return give_up(builder, Vec::new());
    }
    builder.model.expressions.seal();
    Ok(Loaded { model: builder.model, answers: preprocessor.answers })
}

impl Model {
    /// An empty place, for what stands nowhere.
    pub(crate) fn no_place() -> Place {
        Place { file: FileId(0), line: 0 }
    }

    /// The node of the first entry of a symbol.
    pub fn first_entry(&self, id: crate::model::SymbolId) -> Option<MenuId> {
        self.symbol(id).menus.first().copied()
    }
}
