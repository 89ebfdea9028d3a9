//! One module per subcommand. Each turns its arguments into a call of the engine and the result into an [`Answer`].

mod boot;
mod build;
mod climb;
mod completions;
pub mod conf;
mod config;
mod disk;
mod doctor;
mod gc;
mod initramfs;
mod man;
mod ssh;

use std::path::{Path, PathBuf};

use base::{Cancel, Context as _, Error, Events, Result};
use engine::{Session, SpecFile};
use serde::Serialize;
use serde_json::Value;

use crate::arguments::{Arguments, Command, Global, Spec};
use crate::draw::Drawing;
use crate::output;
use crate::terminal::Look;

/// What every subcommand gets.
pub struct Context<'a> {
    /// The options that all subcommands share.
    pub global: &'a Global,
    /// Where what happens is told.
    pub events: Events,
    /// Set by Ctrl-C.
    pub cancel: Cancel,
}

/// What a subcommand leaves: it is written once all that happened is drawn.
#[derive(Debug, Default)]
pub struct Answer {
    /// The exit code.
    pub code: u8,
    /// For standard output.
    pub output: Output,
    /// What went wrong although there is an answer: a boot that did not do what was expected.
    pub error: Option<Error>,
}

/// What goes to standard output.
#[derive(Debug, Default)]
pub enum Output {
    /// Nothing.
    #[default]
    Nothing,
    /// Text for a person.
    Text(String),
    /// The one object for a program.
    Object(Value),
}

impl Answer {
    /// Done, with text for a person, or `value` for a program that asked by `--json`.
    pub fn new(global: &Global, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<Answer> {
        let output = match global.json {
            true => Output::Object(output::object(value)?),
            false => Output::Text(text()),
        };
        Ok(Answer { output, ..Answer::default() })
    }

    /// Done, with text whoever asked.
    pub fn text(text: String) -> Answer {
        Answer { output: Output::Text(text), ..Answer::default() }
    }

    /// Done, but with this exit code.
    pub fn with_code(self, code: u8) -> Answer {
        Answer { code, ..self }
    }

    /// An answer that tells of a failure: exit code, error for the person, and `error` in the object.
    pub fn with_error(mut self, error: Error) -> Answer {
        if let Output::Object(Value::Object(object)) = &mut self.output {
            object.insert("error".to_string(), output::error_fields(&error));
        }
        self.code = error.kind().exit_code();
        self.error = Some(error);
        self
    }
}

/// Does what was asked for. Everything that happened is drawn when this returns.
pub fn run(arguments: &Arguments, look: Look, cancel: Cancel) -> Result<Answer> {
    let drawing = Drawing::start(look, arguments.global.verbose);
    let context = Context { global: &arguments.global, events: drawing.events(), cancel };
    let answer = match &arguments.command {
        Command::Boot(boot) => boot::run(&context, boot),
        Command::Build(build) => build::run(&context, build),
        Command::Climb(climb) => climb::run(&context, climb),
        Command::Conf(conf) => conf::run(&context, conf),
        Command::Config(config) => config::run(&context, config),
        Command::Disk(disk) => disk::run(&context, disk),
        Command::Doctor(doctor) => doctor::run(&context, doctor),
        Command::Initramfs(initramfs) => initramfs::run(&context, initramfs),
        Command::Ssh(ssh) => ssh::run(&context, ssh),
        Command::Gc(gc) => gc::run(&context, gc),
        Command::Completions(completions) => Ok(completions::run(completions)),
        Command::Man(man) => man::run(man),
    };
    drawing.finish();
    answer
}

impl Context<'_> {
    /// Where the store is or would be.
    pub fn store_path(&self) -> Result<PathBuf> {
        match &self.global.store {
            Some(store) => std::path::absolute(store).context(|| format!("cannot find {}", store.display())),
            None => store::default_root(),
        }
    }

    /// The spec that was named, and a session for it.
    pub fn session(&self, named: &Spec) -> Result<(Session, SpecFile)> {
        let spec = SpecFile::find(named.spec.as_deref(), &current()?)?;
        let session = Session {
            store: store::Store::open(self.store_path()?)?,
            project: store::Project::at(&spec.folder)?,
            events: self.events.clone(),
            cancel: self.cancel.clone(),
            offline: self.global.offline,
        };
        Ok((session, spec))
    }
}

/// The current folder.
pub fn current() -> Result<PathBuf> {
    std::env::current_dir().context(|| "the current folder is gone".to_string())
}

/// A path as a person at `here` would type it.
pub fn spoken(path: &Path, here: &Path) -> String {
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
