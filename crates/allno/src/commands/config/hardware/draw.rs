//! The answer as lines of a terminal, readable in 100 columns.

use std::fmt::Write;

use engine::hardware::{Distribution, Sources};
use ktree::device::PciIdentity;

use super::answer::{Add, DeviceAnswer, Driver, OptionState, Standing};
use crate::terminal::{Look, Style, tame};

/// Where a device's own lines begin.
const INDENT: usize = 11;
/// The columns of what finds or drives a device, before its options.
const WHO: usize = 24;
/// The columns of words on the left of the first and last lines.
const WORD: usize = 12;
/// Lines are no longer, whatever the terminal: further ones go on below.
const WIDEST: usize = 100;
/// Consequences are counted, and this many named.
const FOLLOWS_SHOWN: usize = 8;

/// Who was asked.
pub(super) struct TablesLine<'a> {
    pub distribution: Option<&'a Distribution>,
    pub sources: Option<&'a Sources>,
    pub version: &'a str,
}

/// What stands above the devices.
pub(super) struct Head<'a> {
    pub name: &'a str,
    pub about: &'a str,
    pub discovery: &'a str,
    pub source: Option<&'a str>,
    /// The ways to PCI's configuration space.
    pub space: &'a [OptionState],
    pub tables: TablesLine<'a>,
}

/// The whole answer.
pub(super) fn whole(
    head: &Head<'_>,
    devices: &[DeviceAnswer],
    add: &Add,
    all: bool,
    look: Look,
    width: usize,
) -> String {
    let width = width.min(WIDEST);
    let mut text = format!("{}   {}\n", look.paint(Style::Strong, &tame(head.name)), tame(head.about));
    text.push_str(&labelled(look, Style::Word, "found by", head.discovery, width));
    if let Some(source) = head.source {
        text.push_str(&labelled(look, Style::Word, "known from", source, width));
    }
    if !head.space.is_empty() {
        let ways = head.space.iter().map(|option| {
            let value = option.value.as_deref().unwrap_or_default();
            format!("{}={value} ({})", option.symbol, option.why.as_deref().unwrap_or_default())
        });
        let ways = format!("configuration space by {}", ways.collect::<Vec<_>>().join(", "));
        text.push_str(&labelled(look, Style::Word, "PCI", &ways, width));
    }
    text.push_str(&labelled(look, Style::Word, "drivers by", &tables(&head.tables), width));
    let is_shown = |device: &DeviceAnswer| {
        all || device.wanted || device.standing == Standing::Missing && device.optional
    };
    for device in devices.iter().filter(|device| is_shown(device)) {
        text.push('\n');
        text.push_str(&one(device, look, width));
    }
    let hidden = devices.iter().filter(|device| !is_shown(device)).count();
    text.push('\n');
    if hidden > 0 {
        let what = format!(
            "{hidden} more devices need no driver, or work can be done without them (--all shows them)"
        );
        text.push_str(&labelled(look, Style::Faint, "not shown", &what, width));
    }
    text.push_str(&added(add, look, width));
    text
}

fn tables(tables: &TablesLine<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(debian) = tables.distribution {
        parts.push(format!(
            "the modules of Debian's {} ({} of them, {} claims)",
            debian.version, debian.modules, debian.claims
        ));
    }
    if let Some(sources) = tables.sources {
        parts.push(format!(
            "the sources of {} ({} with device tables, {} claims; {} entries not worked out)",
            tables.version, sources.drivers, sources.claims, sources.not_understood
        ));
    }
    format!("{}; which option brings which driver: the Makefiles of {}", parts.join(" and "), tables.version)
}

fn one(device: &DeviceAnswer, look: Look, width: usize) -> String {
    let (word, style) = match device.standing {
        Standing::There => ("there", Style::Good),
        Standing::Missing if device.wanted => ("missing", Style::Warning),
        Standing::Missing => ("off", Style::Faint),
        Standing::NeedsNone => ("no need", Style::Faint),
        Standing::Unclaimed => ("nobody's", Style::Faint),
    };
    let own = &device.device;
    let mut title = short(own.identity());
    if let Some(name) = &own.name {
        let _ = write!(title, "  {name}");
    }
    let mut notes = vec![device.purpose.word().to_string()];
    if device.optional {
        notes.push("not on every one".into());
    }
    if own.expected {
        notes.push("not seen, hangs on it as a rule".into());
    }
    if !own.address.is_empty() {
        notes.push(own.address.clone());
    }
    let mut text = padded(look, style, word, INDENT);
    text.push_str(&format!(
        "{}   {}\n",
        look.paint(Style::Strong, &tame(&title)),
        look.paint(Style::Faint, &tame(&notes.join(", ")))
    ));
    let found = match &own.on {
        Some(on) => format!("{} ({})", own.found, short(on)),
        None => own.found.to_string(),
    };
    text.push_str(&line(look, &found, &device.transport, None, width));
    if device.drivers.is_empty() {
        let why = match device.standing {
            Standing::NeedsNone => "needs no driver",
            _ => "no driver of these tables claims it",
        };
        text.push_str(&format!("{}{}\n", " ".repeat(INDENT), look.paint(Style::Faint, why)));
    }
    if let Some(driver) = device.taken.and_then(|taken| device.drivers.get(taken)) {
        text.push_str(&driven(driver, look, width));
    }
    text.push_str(&others(device, look, width));
    for option in &device.goes_with {
        let why = option.why.as_deref().filter(|_| !option.is_on());
        text.push_str(&line(look, "goes with it", std::slice::from_ref(option), why, width));
    }
    text
}

fn driven(driver: &Driver, look: Look, width: usize) -> String {
    let Some(way) = driver.best() else { return String::new() };
    line(look, driver.name(), &way.options, Some(&way.place), width)
}

/// The other drivers that would take it.
fn others(device: &DeviceAnswer, look: Look, width: usize) -> String {
    let rest = device.drivers.iter().enumerate().filter(|(number, _)| Some(*number) != device.taken);
    let names: Vec<String> = rest
        .map(|(_, driver)| {
            let options = driver
                .best()
                .map(|way| way.options.iter().map(|it| it.symbol.as_str()).collect::<Vec<_>>().join("+"));
            format!("{} ({})", driver.name(), options.unwrap_or_default())
        })
        .collect();
    if names.is_empty() {
        return String::new();
    }
    wrapped(look, Some(Style::Faint), &format!("would do too: {}", names.join(", ")), INDENT, width)
}

/// Who, its options, a place; what they lack below.
fn line(look: Look, who: &str, options: &[OptionState], place: Option<&str>, width: usize) -> String {
    let who = tame(who);
    let mut text = " ".repeat(INDENT);
    text.push_str(&who);
    let mut column = INDENT + who.chars().count();
    let gap = (INDENT + WHO).saturating_sub(column).max(2);
    if !options.is_empty() || place.is_some() {
        text.push_str(&" ".repeat(gap));
        column += gap;
    }
    for (number, option) in options.iter().enumerate() {
        let shown = format!("{}={}", option.symbol, option.value.as_deref().unwrap_or("not in this tree"));
        if number > 0 && column + 2 + shown.len() > width {
            text.push('\n');
            text.push_str(&" ".repeat(INDENT + WHO));
            column = INDENT + WHO;
        } else if number > 0 {
            text.push_str("  ");
            column += 2;
        }
        let style = if option.is_on() { Style::Good } else { Style::Warning };
        text.push_str(&look.paint(style, &shown));
        column += shown.chars().count();
    }
    if let Some(place) = place {
        let place = tame(place);
        match column + 3 + place.chars().count() <= width {
            true => text.push_str(&format!("   {}", look.paint(Style::Faint, &place))),
            false => {
                text.push('\n');
                text.push_str(wrapped(look, Some(Style::Faint), &place, INDENT + WHO, width).trim_end());
            }
        }
    }
    text.push('\n');
    for option in options {
        if !option.lacks.is_empty() {
            let lacks = format!("{} hangs on {}", option.symbol, option.lacks.join(" "));
            text.push_str(&wrapped(look, None, &lacks, INDENT + WHO, width));
        }
        if let Some(impossible) = &option.impossible {
            let why = format!("{} cannot be had: {impossible}", option.symbol);
            text.push_str(&wrapped(look, Some(Style::Warning), &why, INDENT + WHO, width));
        }
    }
    text
}

fn added(add: &Add, look: Look, width: usize) -> String {
    if add.wanted.is_empty() {
        return labelled(look, Style::Good, "all there", "nothing to add for these devices", width);
    }
    if let Some(refused) = &add.refused {
        let what = format!("{}: {}", add.wanted.join(" "), refused.trim());
        return labelled(look, Style::Warning, "no set", &what, width);
    }
    let least = if add.smallest { "the fewest that bring them" } else { "fewer may do" };
    let options = match add.set.len() {
        1 => "1 option".to_string(),
        count => format!("{count} options"),
    };
    let mut text = labelled(look, Style::Good, "add", &format!("{options}, {least}:"), width);
    text.push_str(&wrapped(look, Some(Style::Strong), &add.set.join(" "), 2 + WORD, width));
    if !add.follows.is_empty() {
        let named = add.follows.iter().take(FOLLOWS_SHOWN).cloned().collect::<Vec<_>>().join(" ");
        let more = match add.follows.len().saturating_sub(FOLLOWS_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        text.push_str(&labelled(look, Style::Faint, "follows", &format!("{named}{more}"), width));
    }
    let quoted: Vec<String> = add.set.iter().map(|option| format!("\"{option}\"")).collect();
    text.push_str(&labelled(
        look,
        Style::Faint,
        "in a spec",
        &format!("[kernel] config = [{}]", quoted.join(", ")),
        width,
    ));
    text
}

/// `8086:2922` of a PCI device's modalias, any other as it is.
fn short(identity: &str) -> String {
    match PciIdentity::parse(identity) {
        Some(pci) => format!("{:04x}:{:04x}", pci.vendor, pci.device),
        None => identity.to_string(),
    }
}

fn padded(look: Look, style: Style, word: &str, width: usize) -> String {
    let padding = " ".repeat(width.saturating_sub(2 + word.chars().count()).max(1));
    format!("  {}{padding}", look.paint(style, word))
}

fn labelled(look: Look, style: Style, word: &str, text: &str, width: usize) -> String {
    let body = wrapped(look, None, text, 2 + WORD, width);
    format!("{}{}", padded(look, style, word, 2 + WORD), body.trim_start())
}

/// The text in lines that begin at `indent` and end before `width`.
fn wrapped(look: Look, style: Option<Style>, text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent).max(30);
    let mut lines: Vec<String> = vec![String::new()];
    for word in tame(text).split(' ').filter(|word| !word.is_empty()) {
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + word.chars().count() > room {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    let paint = |line: &String| style.map_or_else(|| line.clone(), |style| look.paint(style, line));
    lines.iter().map(|line| format!("{}{}\n", " ".repeat(indent), paint(line))).collect()
}
