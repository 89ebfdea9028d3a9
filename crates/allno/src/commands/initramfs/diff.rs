//! `allno initramfs diff`: what the kernel makes of two archives, side by side.

use std::path::Path;

use base::{Error, Result};
use initramfs::{Aspect, Deviation, Difference, Snapshot};
use serde_json::{Value, json};

use super::ls::{mode, type_word};
use super::{faults, list_command, odd_bytes, shown, text, unreadable};
use crate::arguments::InitramfsDiff;
use crate::commands::{Answer, Context};
use crate::terminal::{Look, Style};

/// Says what is different. Exit code 0 if nothing is, 1 if something is, 2 if an archive is faulty.
pub fn run(context: &Context, arguments: &InitramfsDiff) -> Result<Answer> {
    let (left, right) = (read(context, &arguments.left)?, read(context, &arguments.right)?);
    for (archive, snapshot) in [(&arguments.left, &left), (&arguments.right, &right)] {
        // What only a part of an archive says would look like a difference.
        if let Some(error) = faults(archive, snapshot.summary()) {
            return Err(error.hint(list_command(archive)));
        }
    }
    let found = left.diff(&right, arguments.times);
    let look = Look::of_stdout(context.global.color);
    let differences: Vec<Value> = found.iter().map(difference_object).collect();
    let object = json!({ "same": found.is_empty(), "differences": differences });
    let answer = Answer::new(context.global, &object, || found.iter().map(|one| line(one, look)).collect())?;
    Ok(answer.with_code(if found.is_empty() { 0 } else { 1 }))
}

fn read(context: &Context, archive: &Path) -> Result<Snapshot> {
    let source = super::source::open(archive, &context.cancel)?;
    let snapshot = Snapshot::read(source, || context.cancel.is_set());
    context.cancel.check()?;
    snapshot.map_err(|cause: std::io::Error| -> Error { unreadable(archive, cause) })
}

fn line(difference: &Difference, look: Look) -> String {
    let path = shown(&difference.path);
    match &difference.change {
        Deviation::Added => format!("{} {path}\n", look.paint(Style::Good, "+")),
        Deviation::Removed => format!("{} {path}\n", look.paint(Style::Error, "-")),
        Deviation::Changed(aspects) => {
            let aspects: Vec<String> = aspects.iter().map(aspect_text).collect();
            format!("{} {path}: {}\n", look.paint(Style::Warning, "~"), aspects.join(", "))
        }
    }
}

fn aspect_text(aspect: &Aspect) -> String {
    match aspect {
        Aspect::Type(a, b) => format!("{} → {}", type_word(*a), type_word(*b)),
        Aspect::Mode(a, b) => format!("mode {} → {}", &mode(*a)[1..], &mode(*b)[1..]),
        Aspect::Owner(a, b) => format!("owner {}:{} → {}:{}", a.0, a.1, b.0, b.1),
        Aspect::Device(a, b) => format!("device {}:{} → {}:{}", a.0, a.1, b.0, b.1),
        Aspect::Target(a, b) => format!("target {} → {}", shown(a), shown(b)),
        Aspect::Size(a, b) => format!("size {a} → {b}"),
        Aspect::Content => "content".to_string(),
        Aspect::Links(a, b) => format!("links {a} → {b}"),
        Aspect::Time(a, b) => format!("mtime {a} → {b}"),
    }
}

/// docs/json.md, "initramfs diff".
fn difference_object(difference: &Difference) -> Value {
    let (change, aspects) = match &difference.change {
        Deviation::Added => ("added", &[][..]),
        Deviation::Removed => ("removed", &[][..]),
        Deviation::Changed(aspects) => ("changed", &aspects[..]),
    };
    json!({
        "name": text(&difference.path),
        "name_bytes": odd_bytes(&difference.path),
        "change": change,
        "aspects": aspects.iter().map(aspect_object).collect::<Vec<_>>(),
    })
}

fn aspect_object(aspect: &Aspect) -> Value {
    let (what, left, right) = match aspect {
        Aspect::Type(a, b) => ("type", json!(type_word(*a)), json!(type_word(*b))),
        Aspect::Mode(a, b) => ("mode", json!(a), json!(b)),
        Aspect::Owner(a, b) => ("owner", json!([a.0, a.1]), json!([b.0, b.1])),
        Aspect::Device(a, b) => ("device", json!([a.0, a.1]), json!([b.0, b.1])),
        Aspect::Target(a, b) => ("target", json!(text(a)), json!(text(b))),
        Aspect::Size(a, b) => ("size", json!(a), json!(b)),
        Aspect::Content => ("content", Value::Null, Value::Null),
        Aspect::Links(a, b) => ("links", json!(a), json!(b)),
        Aspect::Time(a, b) => ("mtime", json!(a), json!(b)),
    };
    json!({ "what": what, "left": left, "right": right })
}
