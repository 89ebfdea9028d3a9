//! `allno gc`: what the store holds, and shrinking it.

use std::time::{SystemTime, UNIX_EPOCH};

use base::{Error, Result, Size};
use serde_json::{Value, json};
use store::{Bytes, Entry, Policy, Problem, Store};

use super::{Answer, Context};
use crate::arguments::Gc;
use crate::terminal::{Look, Style};

/// Verifies if asked to, removes what the options say, and shows what went and what stays.
pub fn run(context: &Context, arguments: &Gc) -> Result<Answer> {
    let store = Store::open(context.store_path()?)?;
    let problems = match arguments.verify {
        true => verify(context, &store, arguments.dry_run)?,
        false => Vec::new(),
    };
    let collected = store.collect(policy(arguments), arguments.dry_run, &context.cancel)?;
    let groups = [("removed", &collected.removed), ("in use", &collected.in_use), ("kept", &collected.kept)];
    let look = Look::of_stdout(context.global.color);
    let freed = collected.freed();
    let value = object(&store, arguments, &problems, &groups, freed);
    let answer =
        Answer::new(context.global, &value, || table(&store, &groups, freed, arguments.dry_run, look))?;
    Ok(match damage(&problems, arguments.dry_run) {
        Some(error) => answer.with_error(error),
        None => answer,
    })
}

fn policy(arguments: &Gc) -> Policy {
    match (arguments.all, arguments.size) {
        (true, _) => Policy::Everything,
        (false, Some(limit)) => Policy::DownTo(limit),
        // Who wants to know whether the store is whole does not want it smaller.
        (false, None) if arguments.verify => Policy::Nothing,
        (false, None) => Policy::Unreferenced,
    }
}

/// Compares everything with its hash; what is damaged goes, so that the next build makes it again.
fn verify(context: &Context, store: &Store, dry_run: bool) -> Result<Vec<Problem>> {
    let problems = store.verify(&context.events, &context.cancel)?;
    if !dry_run {
        for problem in &problems {
            if !store.discard(problem.kind, &problem.entry)? {
                context.events.warn(format!("{} is damaged and in use; it stays", problem.entry));
            }
        }
    }
    Ok(problems)
}

fn damage(problems: &[Problem], dry_run: bool) -> Option<Error> {
    let count = match problems.len() {
        0 => return None,
        1 => "1 entry of the store was damaged".to_string(),
        count => format!("{count} entries of the store were damaged"),
    };
    let error = problems.iter().fold(Error::failed(count), |error, problem| {
        error.note(format!("{} {}: {}", problem.kind.word(), problem.entry, problem.what))
    });
    Some(match dry_run {
        true => error.hint("allno gc --verify"),
        false => error.hint("allno build, which makes what was removed again"),
    })
}

/// docs/json.md, "gc".
fn object(
    store: &Store,
    arguments: &Gc,
    problems: &[Problem],
    groups: &[(&str, &Vec<Entry>)],
    freed: Bytes,
) -> Value {
    let entries: Vec<Value> = groups
        .iter()
        .flat_map(|(state, entries)| entries.iter().map(|entry| entry_object(state, entry)))
        .collect();
    let problems: Vec<Value> = problems
        .iter()
        .map(|problem| json!({ "kind": problem.kind.word(), "entry": problem.entry, "what": problem.what }))
        .collect();
    json!({
        "store": store.root(),
        "dry_run": arguments.dry_run,
        "freed": freed.on_disk,
        "problems": problems,
        "entries": entries,
    })
}

fn entry_object(state: &str, entry: &Entry) -> Value {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
    json!({
        "state": state,
        "kind": entry.kind.word(),
        "name": entry.name,
        "path": entry.path,
        "bytes": entry.bytes.on_disk,
        "used_by": entry.used_by,
        "last_used": entry.last_used.and_then(seconds),
    })
}

/// What went, what stays, and the sums.
fn table(store: &Store, groups: &[(&str, &Vec<Entry>)], freed: Bytes, dry_run: bool, look: Look) -> String {
    let mut text = String::new();
    let longest = groups.iter().flat_map(|(_, entries)| entries.iter()).map(|entry| entry.name.len()).max();
    for (state, entries) in groups {
        let (word, style) = match *state {
            "removed" if dry_run => ("would go", Style::Warning),
            "removed" => ("removed", Style::Warning),
            "in use" => ("in use", Style::Word),
            _ => ("kept", Style::Good),
        };
        for entry in entries.iter() {
            let padding = " ".repeat(10_usize.saturating_sub(word.len()));
            let users = match entry.used_by.as_slice() {
                [] => String::new(),
                [one] => format!("   {}", one.display()),
                [one, more @ ..] => format!("   {} and {} more", one.display(), more.len()),
            };
            text.push_str(&format!(
                "  {}{padding}{:<9}  {:<width$}  {:>9}{}\n",
                look.paint(style, word),
                entry.kind.word(),
                entry.name,
                Size(entry.bytes.on_disk).to_string(),
                look.paint(Style::Faint, &users),
                width = longest.unwrap_or(0),
            ));
        }
    }
    let left: u64 = groups
        .iter()
        .filter(|(state, _)| dry_run || *state != "removed")
        .flat_map(|(_, entries)| entries.iter())
        .map(|entry| entry.bytes.on_disk)
        .sum();
    let freed = match (dry_run, freed.on_disk) {
        (_, 0) => "nothing to remove".to_string(),
        (true, bytes) => format!("{} would be freed", Size(bytes)),
        (false, bytes) => format!("{} freed", Size(bytes)),
    };
    text.push_str(&format!(
        "  {}     {}: {}, {freed}\n",
        look.paint(Style::Word, "store"),
        store.root().display(),
        Size(left)
    ));
    text
}
