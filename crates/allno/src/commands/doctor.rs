//! `allno doctor`: a table a person reads from the top, what is missing first.

use base::{Result, Size};
use engine::doctor::{Report, Room, Scope, Status, Tool};

use super::{Answer, Context};
use crate::arguments::Doctor;
use crate::layout;
use crate::terminal::{Look, Style, stdout_width};

/// Examines the host, installs what is missing if asked to, and shows what it found. Exit code 0 when the
/// host is ready, else 3.
pub fn run(context: &Context, arguments: &Doctor) -> Result<Answer> {
    let store = context.store_path()?;
    let project = super::current()?;
    let scope = Scope { store: &store, project: &project, tests: arguments.tests };
    let examine = || engine::doctor::examine(&scope, &context.cancel);
    let mut report = examine()?;
    if arguments.install && !report.missing_packages().is_empty() {
        engine::doctor::install(&report, context.global.offline, &context.events, &context.cancel)?;
        report = examine()?;
    }
    // Who asked to install has asked no question: only what is still wrong is of interest then.
    let all = !arguments.install || context.global.verbose;
    let look = Look::of_stdout(context.global.color);
    let answer = Answer::new(context.global, &report, || table(&report, look, stdout_width(), all))?;
    Ok(answer.with_code(if report.ready { 0 } else { base::Kind::Host.exit_code() }))
}

/// The answer: what is missing, then, if `all` is wanted, what is here and the host; and what to do.
fn table(report: &Report, look: Look, width: usize, all: bool) -> String {
    let mut text = String::new();
    let name_width = report.tools.iter().map(|tool| tool.name.len()).max().unwrap_or(0);
    let shown = |tool: &&Tool| all || (tool.required && !tool.is_usable());
    let mut tools: Vec<&Tool> = report.tools.iter().filter(shown).collect();
    tools.sort_by_key(|tool| (tool.is_usable(), !tool.required));
    for tool in tools {
        text.push_str(&tool_line(tool, name_width, look, width));
    }
    if all {
        text.push('\n');
        text.push_str(&host_lines(report, look, width));
        text.push('\n');
    }
    text.push_str(&verdict(report, look, all));
    text
}

fn tool_line(tool: &Tool, name_width: usize, look: Look, width: usize) -> String {
    let (word, style) = match (tool.status, tool.required) {
        (Status::Found, _) => ("ok", Style::Good),
        (Status::Missing, true) => ("missing", Style::Error),
        (Status::Missing, false) => ("optional", Style::Warning),
        (Status::TooOld, _) => ("too old", Style::Error),
        (Status::Lacking, _) => ("unable", Style::Error),
    };
    let version = match (&tool.version, tool.status, &tool.least) {
        (Some(version), Status::TooOld, Some(least)) => format!("{version} < {least}"),
        (Some(version), _, _) => version.clone(),
        (None, _, _) => String::new(),
    };
    let need = tool.needed_for.join(", ");
    let need = layout::fit(&need, width.saturating_sub(12 + name_width + 2 + 12).max(20));
    let padding = " ".repeat(10_usize.saturating_sub(word.len()));
    let line =
        format!("  {}{padding}{:name_width$}  {version:<10}  {need}", look.paint(style, word), tool.name);
    format!("{}\n", line.trim_end())
}

fn host_lines(report: &Report, look: Look, width: usize) -> String {
    let machine = &report.machine;
    let memory = machine.memory.map_or_else(String::new, |bytes| format!(", {} memory", Size(bytes)));
    let available =
        machine.memory_available.map_or_else(String::new, |bytes| format!(" ({} available)", Size(bytes)));
    let processors = match machine.processors {
        1 => "1 processor".to_string(),
        count => format!("{count} processors"),
    };
    let mut lines = line(look, Style::Word, "host", &report.distribution.name);
    lines.push_str(&line(
        look,
        Style::Word,
        "",
        &format!("{}, {processors}{memory}{available}", machine.architecture),
    ));
    lines.push_str(&line(look, Style::Word, "boots by", &layout::wrap(&accelerator(report), width)));
    for room in &report.space {
        lines.push_str(&room_line(room, look));
    }
    lines
}

/// What boots use and why. A KVM that does not run kernels is told apart from one that is not there.
fn accelerator(report: &Report) -> String {
    let name = report.accelerator.to_uppercase();
    if report.accelerator == "kvm" { name } else { format!("{name}: {}", report.kvm.sentence()) }
}

fn room_line(room: &Room, look: Look) -> String {
    let free = room.free.map_or_else(|| "unknown".to_string(), |free| Size(free).to_string());
    let text = format!("{}: {free} free, {} needed for {}", room.path.display(), Size(room.needed), room.why);
    if room.enough {
        line(look, Style::Word, "space", &text)
    } else {
        line(look, Style::Error, "no space", &text)
    }
}

fn verdict(report: &Report, look: Look, all: bool) -> String {
    let mut lines = String::new();
    if report.ready {
        lines.push_str(&line(look, Style::Good, "ready", "all that is needed is here"));
    } else {
        let lacking: Vec<&str> = report
            .tools
            .iter()
            .filter(|tool| tool.required && !tool.is_usable())
            .map(|tool| tool.name.as_str())
            .chain(report.space.iter().filter(|room| !room.enough).map(|_| "room on the disk"))
            .collect();
        lines.push_str(&line(look, Style::Error, "lacks", &lacking.join(", ")));
    }
    if let Some(command) = &report.install {
        lines.push_str(&line(look, Style::Good, "try", "allno doctor --install"));
        lines.push_str(&line(look, Style::Good, "or", command));
    }
    if let (Some(command), true) = (&report.install_optional, all) {
        lines.push_str(&line(look, Style::Faint, "optional", command));
    }
    lines
}

fn line(look: Look, style: Style, word: &str, text: &str) -> String {
    let padding = " ".repeat(10_usize.saturating_sub(word.len()));
    format!("  {}{padding}{text}\n", look.paint(style, word))
}
