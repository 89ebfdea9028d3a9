//! The report as Markdown.

use std::fmt::Write;

use super::super::Record;
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

/// Lines as they stand: an indented block needs no fence that a line could close.
fn block(lines: &[String]) -> String {
    lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
