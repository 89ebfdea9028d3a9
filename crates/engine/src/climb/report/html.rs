//! The report as one static page.

use std::fmt::Write;

use super::super::{ProofRecord, Record};
use super::chart::chart;
use super::{INTRODUCTION, QUANTITIES, TITLE, sentence};

/// The page's looks: readable at any width, by day and by night, on paper too.
const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1c1f23; --paper: #fdfdfb; --faint: #5b6470; --line: #d9dcdf; --bar: #2f6f9f;
        --good: #1e7b3c; --bad: #b3261e; --block: #f1f2ef; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6e8; --paper: #16181b; --faint: #9aa4ae; --line: #33383d;
        --bar: #6ab0de; --good: #67c587; --bad: #f2817a; --block: #1f2226; } }
body { font: 17px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; max-width: 46rem;
       padding: 1.5rem 1rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; } h2 { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1.2rem; }
h3 { margin-bottom: .3rem; } nav ol { columns: 14rem; } a { color: var(--bar); }
figure { margin: 1.5rem 0; } figcaption { color: var(--faint); font-size: .9rem; }
svg { width: 100%; height: auto; font: 13px system-ui, sans-serif; } svg text { fill: var(--ink); }
svg .name { text-anchor: end; } svg rect { fill: var(--bar); }
dl { margin: 0; } dt { font-family: ui-monospace, monospace; font-weight: 600; margin-top: .8rem; overflow-wrap: anywhere; }
dd { margin: 0 0 0 1rem; } small, .measure { color: var(--faint); font-size: .88rem; }
pre { background: var(--block); border-left: .25rem solid var(--line); padding: .6rem .8rem; margin: .3rem 0 1rem;
      white-space: pre-wrap; overflow-wrap: anywhere; font-size: .84rem; }
pre.below { border-color: var(--bad); } pre.with { border-color: var(--good); }
.no { color: var(--bad); } .yes { color: var(--good); }
";

/// The page.
pub fn html(records: &[Record]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{TITLE}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{TITLE}</h1>\n<p>{INTRODUCTION}</p>\n"
    );
    if !records.is_empty() {
        contents(&mut page, records);
        figures(&mut page, records);
        records.iter().for_each(|record| rung(&mut page, record));
    }
    page + "</body>\n</html>\n"
}

fn contents(page: &mut String, records: &[Record]) {
    page.push_str("<nav aria-label=\"Rungs\"><ol>\n");
    for record in records {
        let (name, class, word) = (escape(&record.rung), class(record.proved), word(record.proved));
        let _ =
            writeln!(page, "<li><a href=\"#{name}\">{name}</a> <span class=\"{class}\">{word}</span></li>");
    }
    page.push_str("</ol></nav>\n");
}

fn figures(page: &mut String, records: &[Record]) {
    for quantity in &QUANTITIES {
        let drawing = chart(records, quantity);
        if !drawing.is_empty() {
            let (title, caption) = (escape(quantity.title), escape(quantity.caption));
            let _ = writeln!(
                page,
                "<figure>\n<h3>{title}</h3>\n{drawing}<figcaption>{caption}</figcaption>\n</figure>"
            );
        }
    }
}

fn rung(page: &mut String, record: &Record) {
    let name = escape(&record.rung);
    let _ = writeln!(
        page,
        "<section id=\"{name}\">\n<h2>{name} <span class=\"{}\">{}</span></h2>\n<p>{}</p>",
        class(record.proved),
        word(record.proved),
        escape(&record.about)
    );
    if record.reasons.is_empty() {
        page.push_str("<p>It adds no option to the kernel: what it needs is a program.</p>\n");
    } else {
        page.push_str("<dl>\n");
        for option in &record.reasons {
            let _ = writeln!(
                page,
                "<dt>{}</dt><dd>{} <small>{}</small>{}</dd>",
                escape(&option.set),
                escape(&option.why),
                escape(&option.place),
                option.unproved.as_ref().map_or(String::new(), |why| {
                    format!("<br><span class=\"no\">Unproved here:</span> {}", escape(why))
                })
            );
        }
        page.push_str("</dl>\n");
    }
    record.proofs.iter().for_each(|it| proof(page, it));
    let _ = writeln!(page, "<p class=\"measure\">{}</p>\n</section>", escape(&sentence(record)));
}

fn proof(page: &mut String, proof: &ProofRecord) {
    let _ = writeln!(page, "<h3>{} <small>on {}</small></h3>", escape(&proof.about), escape(&proof.machine));
    if !proof.before.is_empty() {
        let _ = writeln!(
            page,
            "<div>Without it:</div>\n<pre class=\"below\">{}</pre>",
            escape(&proof.before.join("\n"))
        );
    }
    let _ =
        writeln!(page, "<div>With it:</div>\n<pre class=\"with\">{}</pre>", escape(&proof.after.join("\n")));
}

fn class(proved: bool) -> &'static str {
    if proved { "yes" } else { "no" }
}

fn word(proved: bool) -> &'static str {
    if proved { "proved" } else { "not proved" }
}

/// Text as HTML: in an element or in a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
