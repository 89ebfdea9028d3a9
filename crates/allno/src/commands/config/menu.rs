//! `allno config menu`: the browser on a terminal, with `why` and `need` at hand.

use std::io;
use std::path::{Path, PathBuf};

use base::{Cancel, Error, Result};
use explain::{Request, Resolved};
use kconfig::{Configuration, Model, Start, SymbolId, SymbolType, Tristate, UserValue};
use menu::{End, Need};
use need::{Answer as Needed, Goal, Limits, Wanted};
use serde_json::json;

use super::table;
use super::world::{Wishes, World};
use super::{Answer, Context};
use crate::arguments::{ConfigMenu, ConfigOf};
use crate::terminal::{Look, stdout_width};

/// Where the configuration of a spec goes, unless it is saved under another name.
const OF_SPEC: &str = "kernel.config";
/// The spec that is taken when none is named.
const SPEC_HERE: &str = "allno.toml";
/// What a tree's configuration is called.
const DOT_CONFIG: &str = ".config";
/// Larger than any `.config`: that of a distribution has 300 kB.
const LARGEST: u64 = 16 << 20;
/// The columns that the frame of a text takes.
const FRAME: usize = 8;

/// Runs it. Must be called on a deep stack.
pub fn run(context: &Context, arguments: &ConfigMenu) -> Result<Answer> {
    menu::check_terminal().map_err(refused)?;
    let missing = missing_config(&arguments.of);
    let world = match &missing {
        // A tree that was not configured yet begins with defaults, as menuconfig has it.
        Some(_) => World::load(
            context,
            &ConfigOf { config: Some(PathBuf::from("/dev/null")), ..arguments.of.clone() },
        )?,
        None => World::load(context, &arguments.of)?,
    };
    let mut resolved = world.resolved(context);
    let configuration = resolved.configuration().clone();
    let (start, requests) = match &world.wishes {
        Wishes::Requests(requests) => (Start::AllNo, requests.clone()),
        Wishes::File(name, text) => {
            (Start::OldDefault, Request::read_all(name, &String::from_utf8_lossy(text)))
        }
    };
    let (name, saved) = match (&world.wishes, missing) {
        (_, Some(missing)) => (missing.display().to_string(), None),
        (Wishes::File(name, text), None) => (name.clone(), Some(text.clone())),
        (Wishes::Requests(_), None) => {
            (OF_SPEC.to_string(), Some(configuration.clone().to_dot_config_bytes()))
        }
    };
    let mut desk = Desk {
        model: &world.model,
        start,
        requests,
        before: configuration.clone(),
        cancel: &context.cancel,
        written: None,
    };
    let colored = Look::of_stdout(context.global.color).colored;
    match menu::run(configuration, &name, saved, colored, &mut desk).map_err(refused)? {
        End::Cancelled => Err(Error::cancelled()),
        end => tell(context, end, desk.written, spec_file(&arguments.of)),
    }
}

fn refused(error: menu::Error) -> Error {
    match error {
        menu::Error::Terminal(_) => Error::failed(error.to_string()),
        _ => Error::input(error.to_string()).hint("without a terminal: allno config show"),
    }
}

/// The file of the spec that is meant, if it is one's own.
fn spec_file(of: &ConfigOf) -> Option<PathBuf> {
    let here = of.tree.is_none() && Path::new(SPEC_HERE).is_file();
    of.spec.clone().or_else(|| here.then(|| PathBuf::from(SPEC_HERE)))
}

fn tell(context: &Context, end: End, written: Option<String>, spec: Option<PathBuf>) -> Result<Answer> {
    let object = json!({ "written": written, "discarded": end == End::Discarded });
    Answer::new(context.global, &object, || {
        let discarded = if end == End::Discarded { "the last changes were not saved\n" } else { "" };
        match (&written, spec) {
            (Some(name), Some(spec)) => format!(
                "{discarded}configuration written to {name}\nwhat to put into the spec: allno config diff {} {name}\n",
                spec.display()
            ),
            (Some(name), None) => format!("{discarded}configuration written to {name}\n"),
            (None, _) => discarded.to_string(),
        }
    })
}

/// The `.config` that is meant, if there is none yet.
fn missing_config(of: &ConfigOf) -> Option<PathBuf> {
    let tree = of.tree.as_ref()?;
    let file = of.config.clone().unwrap_or_else(|| tree.join(DOT_CONFIG));
    (!file.exists()).then_some(file)
}

/// What the browser finds outside.
struct Desk<'m> {
    model: &'m Model,
    start: Start,
    /// What the configuration came from.
    requests: Vec<Request>,
    /// As it was at the start.
    before: Configuration<'m>,
    cancel: &'m Cancel,
    /// The file that was written last.
    written: Option<String>,
}

impl Desk<'_> {
    /// What was set since the start.
    fn changes(&self, now: &Configuration<'_>) -> Vec<Request> {
        let named = self.model.symbols().filter(|(_, symbol)| symbol.name.is_some() && !symbol.constant);
        let set = named.filter_map(|(id, symbol)| {
            let value =
                now.user_value(id).filter(|value| self.before.user_value(id).as_ref() != Some(value))?;
            let value = match value {
                UserValue::Logical(value) => value.letter().to_string(),
                UserValue::Text(text) if symbol.kind == SymbolType::String => {
                    kconfig::Value::Text(text.to_string()).to_string()
                }
                UserValue::Text(text) => text.to_string(),
            };
            let name = self.model.name(id).to_string();
            Some(Request { name, value, place: "set in the menu".to_string(), reason: None })
        });
        set.collect()
    }
}

impl menu::Outside for Desk<'_> {
    /// The file before becomes `.old`, as the kernel's tools have it.
    fn save(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = Path::new(name);
        let beside = |end: &str| {
            let mut name = path.as_os_str().to_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        let new = beside(&format!(".{}.tmp", std::process::id()));
        let written = std::fs::write(&new, bytes).and_then(|()| {
            if path.is_file() {
                std::fs::rename(path, beside(".old"))?;
            }
            std::fs::rename(&new, path)
        });
        if written.is_err() {
            // What is there of it helps nobody.
            let _ = std::fs::remove_file(&new);
        } else {
            self.written = Some(name.to_string());
        }
        written
    }

    fn load(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let metadata = std::fs::metadata(name)?;
        if !metadata.is_file() || metadata.len() > LARGEST {
            return Err(io::Error::other("it is no .config"));
        }
        std::fs::read(name)
    }

    fn why(&mut self, configuration: &mut Configuration<'_>, symbol: SymbolId) -> Vec<String> {
        let mut requests = self.requests.clone();
        requests.extend(self.changes(configuration));
        let mut resolved = Resolved::of_requests(self.model, self.start, requests);
        let rows = resolved.why(symbol).rows();
        let plain = Look { terminal: false, colored: false };
        let text = table::rows(&rows, plain, stdout_width().saturating_sub(FRAME));
        text.lines().map(String::from).collect()
    }

    fn need(&mut self, configuration: &mut Configuration<'_>, symbol: SymbolId, value: &str) -> Need {
        let wanted = match (self.model.symbol(symbol).kind.is_logical(), value) {
            (true, "y") => Wanted::Logical(Tristate::Yes),
            (true, "m") => Wanted::Logical(Tristate::Module),
            (true, _) => Wanted::Logical(Tristate::No),
            (false, text) => Wanted::Text(text.into()),
        };
        let answer = need::need(configuration, &[Goal { symbol, value: wanted }], &Limits::default());
        let lines = answer.to_string().lines().map(String::from).collect();
        let changes = match answer {
            Needed::Possible(possible) => {
                possible.changes.into_iter().map(|change| (change.id, change.value)).collect()
            }
            _ => Vec::new(),
        };
        Need { lines, changes }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_set()
    }
}
