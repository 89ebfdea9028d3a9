//! The report as Markdown.

use std::fmt::Write;

use super::super::Record;
use super::super::prove::{Verdict, count};
use super::{INTRODUCTION, QUANTITIES, TITLE, sentence};

/// The text.
pub fn markdown(records: &[Record]) -> String {
    let mut text = format!("# {TITLE}\n\n{INTRODUCTION}\n\n");
    if records.is_empty() {
        return text;
    }
    let titles: Vec<&str> = QUANTITIES.iter().map(|quantity| quantity.title).collect();
    let _ = writeln!(text, "| rung | adds | {} | proved |", titles.join(" | "));
    let _ = writeln!(text, "|---|---:|{}---|", "---:|".repeat(titles.len()));
    for record in records {
        let cells: Vec<String> = QUANTITIES
            .iter()
            .map(|quantity| (quantity.of)(record).map_or("–".into(), |(_, shown)| shown))
            .collect();
        let proved = if record.proved { "yes" } else { "no" };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {proved} |",
            record.rung,
            record.options.len(),
            cells.join(" | ")
        );
    }
    for record in records {
        let _ = writeln!(text, "\n## {}\n\n{}\n", record.rung, record.about);
        for option in &record.reasons {
            let _ = writeln!(text, "- `{}` {} ({})", option.set, option.why, option.place);
            if let Some(why) = &option.unproved {
                let _ = writeln!(text, "  Unproved here: {why}");
            }
        }
        for proof in &record.proofs {
            let _ = writeln!(text, "\n**{}** On {}.", proof.about, proof.machine);
            for (title, lines) in [("Without it:", &proof.before), ("With it:", &proof.after)] {
                if !lines.is_empty() {
                    let _ = writeln!(text, "\n{title}\n\n{}", block(lines));
                }
            }
        }
        let _ = writeln!(text, "\n{}", sentence(record));
    }
    text
}

/// A table of options that were taken away, one by one, rung after rung.
pub fn verdict_table(verdicts: &[Verdict]) -> String {
    let mut text = "# What happens without each option\n\nEach option of a rung was taken away, alone, from the kernel of that \
                    rung; the kernel was built and the rung's proofs booted, until one failed.\n"
        .to_string();
    let _ = writeln!(text, "\n{}.\n", count(verdicts));
    text.push_str("| rung | option | finding | seen without it | went with it |\n|---|---|---|---|---|\n");
    for verdict in verdicts {
        let seen = verdict.evidence.iter().take(3).map(|line| cell(line)).collect::<Vec<_>>().join("<br>");
        let fell = match verdict.fell.len() {
            0..=4 => verdict.fell.join(", "),
            more => format!("{}, and {} more", verdict.fell[..3].join(", "), more - 3),
        };
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {seen} | {fell} |",
            verdict.rung,
            verdict.option,
            verdict.finding.word()
        );
    }
    text
}

/// Most characters of a line in a cell.
const CELL: usize = 160;

/// A line in a cell of a table, where a bar ends it and markup counts.
fn cell(line: &str) -> String {
    let mut shown: String = line.chars().take(CELL).collect();
    if line.chars().nth(CELL).is_some() {
        shown.push('…');
    }
    shown.replace('|', "\\|").replace('<', "&lt;").replace('`', "'")
}

/// Lines as they stand: an indented block needs no fence that a line could close.
fn block(lines: &[String]) -> String {
    lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
