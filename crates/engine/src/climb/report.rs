//! The report of a climb: one page that can be read as a tutorial, in any browser and offline, and the same as Markdown.

mod chart;
mod html;
mod markdown;

pub use html::html;
pub use markdown::{markdown, verdict_table};

use std::path::{Path, PathBuf};

use base::{Context, Error, Result, Size};
use serde::de::DeserializeOwned;

use super::Record;
use super::prove::Verdict;
use crate::ladder::Ladder;

/// Most bytes of a file of records that are read.
const RECORDS_LIMIT: u64 = 64 << 20;

/// Writes the report into `folder`: index.html, report.md, and climb.json that both are made of. Returns the page's path.
///
/// # Errors
/// The folder cannot be written.
pub fn write(folder: &Path, records: &[Record]) -> Result<PathBuf> {
    let files =
        [("climb.json", json(records)?), ("report.md", markdown(records)), ("index.html", html(records))];
    write_files(folder, files)?;
    Ok(folder.join("index.html"))
}

/// Writes the verdicts on options into `folder`: prove.md, and prove.json that it is made of. Those of other rungs that are there
/// already stay, so that the whole ladder can be proved rung by rung; and unless these are of `whole_rungs`, those of other options.
/// Returns the text's path.
///
/// # Errors
/// The folder cannot be written, or has a prove.json that is none.
pub fn write_verdicts(folder: &Path, verdicts: &[Verdict], whole_rungs: bool) -> Result<PathBuf> {
    let path = folder.join("prove.json");
    let known = if path.exists() { read(&path)? } else { Vec::new() };
    let verdicts = merged(known, verdicts, whole_rungs, &Ladder::read()?);
    write_files(folder, [("prove.json", json(&verdicts)?), ("prove.md", verdict_table(&verdicts))])?;
    Ok(folder.join("prove.md"))
}

/// The verdicts of `new` in the place of those known on the same options, or rungs; in the ladder's order.
fn merged(mut known: Vec<Verdict>, new: &[Verdict], whole_rungs: bool, ladder: &Ladder) -> Vec<Verdict> {
    if whole_rungs {
        known.retain(|verdict| !new.iter().any(|it| it.rung == verdict.rung));
    }
    for verdict in new {
        match known.iter_mut().find(|it| it.rung == verdict.rung && it.option == verdict.option) {
            Some(place) => *place = verdict.clone(),
            None => known.push(verdict.clone()),
        }
    }
    let rung = |verdict: &Verdict| ladder.steps.iter().position(|step| step.rung.name == verdict.rung);
    known.sort_by_key(|verdict| rung(verdict).unwrap_or(usize::MAX));
    known
}

fn json<T: serde::Serialize>(values: &[T]) -> Result<String> {
    let json = serde_json::to_string_pretty(values)
        .map_err(|cause| Error::failed("the records have no JSON form").note(cause.to_string()))?;
    Ok(json + "\n")
}

/// Each file whole or not at all.
fn write_files<const COUNT: usize>(folder: &Path, files: [(&str, String); COUNT]) -> Result<()> {
    let told = || format!("cannot write the report into {}", folder.display());
    std::fs::create_dir_all(folder).context(told)?;
    for (name, text) in files {
        base::write_whole(&folder.join(name), text).context(told)?;
    }
    Ok(())
}

/// The records of an earlier climb, from its climb.json, or the verdicts of its prove.json.
///
/// # Errors
/// The file cannot be read, is too large, or holds something else.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let wrong = |cause: String| {
        Error::input(format!("{} holds no records of a climb", path.display()))
            .note(cause)
            .hint("allno climb --report DIR writes DIR/climb.json, with --prove DIR/prove.json")
    };
    let told = |cause: std::io::Error| wrong(cause.to_string());
    let metadata = path.metadata().map_err(told)?;
    if !metadata.is_file() || metadata.len() > RECORDS_LIMIT {
        return Err(wrong("it is no file, or too large for one".to_string()));
    }
    let text = std::fs::read(path).map_err(told)?;
    serde_json::from_slice(&text).map_err(|cause| wrong(cause.to_string()))
}

/// One measured quantity of every rung, for a chart or a column.
struct Quantity {
    /// What is measured.
    title: &'static str,
    /// Why a reader should look.
    caption: &'static str,
    /// The number of a rung, and how it is written; none where the rung has no such number.
    of: fn(&Record) -> Option<(f64, String)>,
}

/// The quantities, in the order of the page.
const QUANTITIES: [Quantity; 4] = [
    Quantity {
        title: "Size of the kernel (bzImage)",
        caption: "What the boot loader has to read, compressed.",
        of: |record| Some((record.bzimage_bytes as f64, Size(record.bzimage_bytes).to_string())),
    },
    Quantity {
        title: "Options =y",
        caption: "Of them most are facts of the architecture that nobody asked for: the first bar.",
        of: |record| Some((record.y_count as f64, record.y_count.to_string())),
    },
    Quantity {
        title: "Time to process 1",
        caption: "From QEMU's start to the kernel's handing over to init, in milliseconds. Machines differ from rung to rung, \
                  and a kernel that is built meanwhile slows the boots down.",
        of: |record| record.init_ms.map(|time| (time as f64, format!("{time} ms"))),
    },
    Quantity {
        title: "Objects compiled",
        caption: "After the rung below, in the same object tree: what the rung costs to try.",
        of: |record| record.objects_compiled.map(|count| (count as f64, count.to_string())),
    },
];

/// The heading and the paragraph every report begins with.
const TITLE: &str = "From allnoconfig up";
const INTRODUCTION: &str = "A kernel that can do nothing, and what it takes to make it do a little more, rung by rung. Each rung \
was built and booted twice: with the kernel of the rung below, to see what is missing, and with its own, to see that nothing \
else is. The lines below are what those machines said.";

/// A record's headline numbers, in one sentence.
fn sentence(record: &Record) -> String {
    let mut parts =
        vec![format!("{} options =y", record.y_count), format!("bzImage {}", Size(record.bzimage_bytes))];
    parts.push(format!("vmlinux {}", Size(record.vmlinux_bytes)));
    parts.extend(record.objects_compiled.map(|count| format!("{count} objects compiled")));
    parts.extend(record.cpu_seconds.map(|seconds| format!("{seconds:.0} s of processor time")));
    parts.extend(record.init_ms.map(|time| format!("process 1 after {time} ms")));
    format!("{}.", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::{OptionRecord, ProofRecord};
    use super::*;

    fn record() -> Record {
        let reason = OptionRecord {
            set: "PRINTK=y".into(),
            why: "The kernel's own <messages> & more.".into(),
            place: "rungs/console.toml:6".into(),
            unproved: Some("no such device".into()),
        };
        let proof = ProofRecord {
            about: "It speaks.".into(),
            machine: "pc".into(),
            before: vec!["(not one byte on the console)".into()],
            after: vec!["Linux version <6.12> | a`b".into()],
            init_ms: None,
            proved: true,
        };
        Record {
            rung: "console".into(),
            about: "Messages.".into(),
            options: vec!["PRINTK=y".into()],
            append: vec!["console=ttyS0".into()],
            reasons: vec![reason],
            y_count: 300,
            bzimage_bytes: 900_000,
            vmlinux_bytes: 4_000_000,
            objects_compiled: Some(12),
            cpu_seconds: Some(3.5),
            init_ms: None,
            before: proof.before.clone(),
            after: proof.after.clone(),
            proved: true,
            proofs: vec![proof],
        }
    }

    #[test]
    fn what_a_machine_said_cannot_become_markup() {
        let page = html(&[record()]);
        assert!(page.contains("Linux version &lt;6.12&gt;") && !page.contains("<6.12>"));
        assert!(page.contains("&lt;messages&gt; &amp; more"));
        assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
        assert!(
            !page.contains("http://") && !page.contains("https://"),
            "the page needs nothing from elsewhere"
        );
    }

    #[test]
    fn markdown_says_the_same() {
        let text = markdown(&[record()]);
        for part in
            ["## console", "PRINTK=y", "rungs/console.toml:6", "Linux version <6.12>", "no such device"]
        {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }

    fn verdict(rung: &str, option: &str) -> Verdict {
        serde_json::from_value(serde_json::json!({
            "rung": rung, "option": option, "place": "", "why": "", "finding": "needed", "proof": null,
            "evidence": [], "fell": [], "build_seconds": 0.0, "boot_seconds": 0.0,
        }))
        .unwrap()
    }

    #[test]
    fn verdicts_on_other_rungs_stay_and_all_are_in_the_ladders_order() {
        let known = vec![verdict("console", "OLD=y"), verdict("net", "NET=y")];
        let ladder = Ladder::read().unwrap();
        let all = merged(known, &[verdict("console", "TTY=y")], true, &ladder);
        let options: Vec<&str> = all.iter().map(|verdict| verdict.option.as_str()).collect();
        assert_eq!(options, ["TTY=y", "NET=y"]);
        let all = merged(all, &[verdict("initramfs", "RD_GZIP=y")], true, &ladder);
        assert_eq!(all[1].option, "RD_GZIP=y");
    }

    #[test]
    fn a_single_option_takes_the_place_of_the_one_known() {
        let known = vec![verdict("net", "NET=y"), verdict("net", "INET=y")];
        let mut again = verdict("net", "NET=y");
        again.evidence = vec!["again".into()];
        let new = [verdict("net", "UNIX=y"), again.clone()];
        let all = merged(known, &new, false, &Ladder::read().unwrap());
        assert_eq!(all, [again, verdict("net", "INET=y"), verdict("net", "UNIX=y")]);
    }

    #[test]
    fn no_rungs_make_a_page_too() {
        assert!(html(&[]).contains(TITLE));
        assert!(markdown(&[]).contains(TITLE));
    }
}
