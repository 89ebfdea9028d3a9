//! `allno config cost`: what the next build would compile, and what comes into the kernel, if options had other values.

use base::{Context as _, Error, Result, Size};
use engine::build::{Toolchain, kernel, kernel_config};
use engine::cost::{self, Cost, Part};
use engine::made::kernel_of;
use explain::{Differences, Resolved};
use kconfig::{Assignment, Start, Tristate};
use need::{Answer as Needed, Change, Limits};
use serde::Serialize;

use super::world::{Wishes, World};
use super::{Answer, Context, look, need as needing, table, width};
use crate::arguments::{ConfigCost, Spec};
use crate::layout;
use crate::terminal::Look;

/// The exit code of "it cannot be": the thing asked for failed.
const REFUSED: u8 = 1;

/// What `--json` prints; documented in docs/json.md.
#[derive(Serialize)]
struct Told<'a> {
    wanted: Vec<String>,
    changes: &'a [Change],
    /// What differs by the change alone, by cause.
    options: &'a Differences,
    /// Whether the last build was of what the spec asks for now; if not, its differences are in the cost, too.
    up_to_date: bool,
    #[serde(flatten)]
    cost: &'a Cost,
    took_ms: u64,
    kernel_version: &'a str,
}

/// Runs it. Must be called on a deep stack.
pub fn run(context: &Context, arguments: &ConfigCost) -> Result<Answer> {
    let (session, spec) = context.session(&Spec { spec: arguments.spec.clone() })?;
    let (source, requests) = kernel_of(&session, &spec)?;
    let toolchain = Toolchain::find(&session)?;
    let folder = kernel_config::cache(&session);
    std::fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
    let host = kernel_config::host(&session, &source, &toolchain, &folder)?;
    let wishes = Wishes::Requests(requests.in_words());
    let world =
        World::of_host(&host, source.version.clone(), kernel_config::ARCH, wishes, source.tree.clone())?;
    let mut resolved = world.resolved(context);
    let goals = arguments.wanted.iter().map(|text| needing::goal(&resolved, &world, &other(&resolved, text)));
    let goals = goals.collect::<Result<Vec<_>>>()?;
    let needed = match need::need(resolved.configuration(), &goals, &Limits::default()) {
        Needed::Possible(needed) => needed,
        refused => {
            let object = crate::output::object(&refused)?;
            return Ok(Answer::new(context.global, &object, || refused.to_string())?.with_code(REFUSED));
        }
    };
    let lines = needed.changes.iter().map(|change| assignment(&change.line));
    let next = requests.with(&lines.collect::<Result<Vec<_>>>()?);
    let mut after = Resolved::of_requests(&world.model, Start::AllNo, next.in_words());
    let options = explain::diff(&mut resolved, &mut after);

    let objects = kernel::objects(&session, kernel::Naming::OF_SPEC, &source, &requests, &toolchain)?;
    let up_to_date = cost::is_of(&objects.path, &requests);
    if !up_to_date {
        context.events.warn(
            "the last build was of other options than the spec has now: what they make compile is counted, too (allno build first)",
        );
    }
    let draft = session.store.draft()?;
    let task = session.events.task("asking", "kbuild what it would compile");
    let began = std::time::Instant::now();
    let prediction = cost::predict(&session, &source, &next, &toolchain, &objects.path, &draft.path)?;
    let cost = prediction.cost();
    let took_ms = began.elapsed().as_millis() as u64;
    task.end("asked", "kbuild, in a sketch of the last build's objects; nothing was compiled");
    let told = Told {
        wanted: goals.iter().map(|goal| goal.show(&world.model)).collect(),
        changes: &needed.changes,
        options: &options,
        up_to_date,
        cost: &cost,
        took_ms,
        kernel_version: &world.version,
    };
    Answer::new(context.global, &told, || text(&told, arguments.all, look(context), width(context)))
}

/// The option with a value: where none is named, the other one.
fn other(resolved: &Resolved, text: &str) -> String {
    if text.contains('=') {
        return text.to_string();
    }
    let is_on = resolved.find(text).is_ok_and(|id| {
        let mut configuration = resolved.clone_configuration();
        resolved.model().symbol(id).kind.is_logical() && configuration.logical(id) != Tristate::No
    });
    if is_on { format!("{text}=n") } else { text.to_string() }
}

/// A line of `.config` as an assignment.
fn assignment(line: &str) -> Result<Assignment> {
    let words = match line.strip_prefix("# CONFIG_").and_then(|it| it.strip_suffix(" is not set")) {
        Some(name) => format!("{name}=n"),
        None => line.to_string(),
    };
    words.parse().map_err(|error| Error::failed(format!("need found a line that cannot be set: {error}")))
}

fn text(told: &Told, all: bool, look: Look, width: usize) -> String {
    let mut text = String::new();
    let mut line = |word: &str, words: &str| {
        text.push_str(&layout::line(look, width, word, &layout::wrap(words, width), ""));
    };
    let set: Vec<&str> = told.changes.iter().map(|change| change.line.as_str()).collect();
    line("set", set.first().unwrap_or(&"nothing: it is so already"));
    set.iter().skip(1).for_each(|it| line("", it));
    let rebuilt = &told.cost.rebuilt;
    let count = rebuilt.objects;
    line("compiles", &format!("{count} {}", if count == 1 { "object" } else { "objects" }));
    for (cause, words) in rebuilt.rows() {
        line("", &format!("{cause}: {words}"));
    }
    line("appear", &parts(&told.cost.appearing, "unknown until they are built", all));
    line("vanish", &parts(&told.cost.vanishing, "unknown", all));
    for unknown in &told.cost.unknown {
        line("unknown", unknown);
    }
    text + &table::rows(&told.options.rows(all), look, width)
}

/// "12 objects: 34,567 bytes and …; of 3 unknown until they are built (a.o, b.o, …)"
fn parts(parts: &[Part], unknown: &str, all: bool) -> String {
    const NAMED: usize = 3;
    if parts.is_empty() {
        return "nothing".to_string();
    }
    let mut sum = cost::Bytes::default();
    parts.iter().filter_map(|part| part.bytes).for_each(|bytes| sum += bytes);
    let open = parts.iter().filter(|part| part.bytes.is_none()).count();
    let size = match (open, open == parts.len()) {
        (_, true) => format!("bytes {unknown}"),
        (0, _) => format!("{} when last built, and {} of zeros", Size(sum.stored), Size(sum.zeroed)),
        (open, _) => format!(
            "{} and {} of zeros when last built; the bytes of {open} are {unknown}",
            Size(sum.stored),
            Size(sum.zeroed)
        ),
    };
    let shown = if all { parts.len() } else { NAMED };
    let mut names: Vec<&str> = parts.iter().take(shown).map(|part| part.object.as_str()).collect();
    if parts.len() > shown {
        names.push("…");
    }
    let count = parts.len();
    format!("{count} {}: {size} ({})", if count == 1 { "object" } else { "objects" }, names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_config_are_assignments() {
        assert_eq!(assignment("# CONFIG_SMP is not set").unwrap().to_string(), "# CONFIG_SMP is not set");
        assert_eq!(assignment("CONFIG_HZ=100").unwrap().to_string(), "CONFIG_HZ=100");
        assert!(assignment("nonsense").is_err());
    }

    #[test]
    fn bytes_that_are_not_known_are_not_invented() {
        let part = |bytes| Part { object: "a.o".into(), bytes };
        let known = Some(cost::Bytes { stored: 100, zeroed: 8 });
        assert_eq!(parts(&[], "x", false), "nothing");
        assert_eq!(
            parts(&[part(None)], "unknown until built", false),
            "1 object: bytes unknown until built (a.o)"
        );
        let both = parts(&[part(known), part(None)], "unknown", false);
        assert!(both.contains("100") && both.contains("of 1 are unknown"), "{both}");
    }
}
