//! Looking for symbols (kernel: `sym_re_search()` of scripts/kconfig/symbol.c, `get_relations_str()` of menu.c).

use kconfig::{Configuration, PropertyKind, Relations, SymbolId};
use regex::{Regex, RegexBuilder};

use crate::reason;
use crate::text_box::TextBox;

/// What a compiled pattern may take, in bytes.
const PATTERN_LIMIT: usize = 1 << 20;
/// So many symbols are shown; the text for more would take seconds.
const MOST: usize = 2000;

/// The symbols a pattern fits, and how they are shown.
pub(crate) fn search(configuration: &mut Configuration<'_>, typed: &str) -> TextBox {
    let title = "Search Results";
    let pattern = without_prefix(typed.trim());
    let compile =
        |pattern: &str| RegexBuilder::new(pattern).case_insensitive(true).size_limit(PATTERN_LIMIT).build();
    let (part, whole) = match (compile(pattern), compile(&format!("^(?:{pattern})$"))) {
        (Ok(part), Ok(whole)) if !pattern.is_empty() => (part, whole),
        (Err(error), _) | (_, Err(error)) => {
            return TextBox::new(title, &format!("\"{pattern}\" is no regular expression.\n\n{error}\n"));
        }
        _ => return TextBox::new(title, "Nothing was typed to look for.\n"),
    };
    let found = found(configuration, &part, &whole);
    match found.is_empty() {
        true => TextBox::new(title, &format!("No option has \"{pattern}\" in its name or prompt.\n")),
        false => show(configuration, title, &found),
    }
}

/// Without `CONFIG_`, in capitals or not.
fn without_prefix(typed: &str) -> &str {
    match typed.get(..7) {
        Some(prefix) if prefix.eq_ignore_ascii_case("CONFIG_") => &typed[7..],
        _ => typed,
    }
}

/// Those whose whole name fits, those with a part that does, those with it in a prompt; each sorted by name.
fn found(configuration: &Configuration<'_>, part: &Regex, whole: &Regex) -> Vec<SymbolId> {
    let model = configuration.model();
    let mut found: Vec<(u8, &str, SymbolId)> = Vec::new();
    for (id, symbol) in model.symbols() {
        let Some(name) = symbol.name.as_deref().filter(|_| !symbol.constant) else { continue };
        let prompted = |kind| {
            let mut prompts = model.properties_of(id, kind);
            prompts.any(|(_, prompt)| prompt.text.as_deref().is_some_and(|text| part.is_match(text)))
        };
        let rank = match () {
            () if whole.is_match(name) => 0,
            () if part.is_match(name) => 1,
            () if prompted(PropertyKind::Prompt) || prompted(PropertyKind::Menu) => 2,
            () => continue,
        };
        found.push((rank, name, id));
    }
    found.sort_unstable();
    found.into_iter().map(|(_, _, id)| id).collect()
}

fn show(configuration: &mut Configuration<'_>, title: &str, found: &[SymbolId]) -> TextBox {
    let mut relations = Relations::default();
    let (mut text, mut jumps, mut starts) = (String::new(), Vec::new(), Vec::new());
    for &id in found.iter().take(MOST) {
        configuration.text(id);
        starts.push((text.len(), id));
        relations.symbol(configuration, id, &mut text, Some(&mut jumps));
        if let Some(obstacle) = reason::obstacle(configuration, id) {
            text.truncate(text.trim_end().len());
            text.push_str(&format!("\n{obstacle}\n\n\n"));
        }
    }
    if found.len() > MOST {
        text.push_str(&format!("… and {} more: look for something longer.\n", found.len() - MOST));
    }
    let symbols = in_lines(&text, starts.into_iter());
    let jumps = in_lines(&text, jumps.iter().map(|jump| (jump.offset, jump.target)));
    let mut shown = TextBox::new(title, &text);
    (shown.symbols, shown.jumps) = (symbols, jumps);
    shown
}

/// Growing offsets in a text as numbers of lines.
fn in_lines<T>(text: &str, offsets: impl Iterator<Item = (usize, T)>) -> Vec<(usize, T)> {
    let (mut line, mut counted) = (0, 0);
    let numbered = offsets.map(|(offset, what)| {
        line += text[counted..offset].bytes().filter(|&byte| byte == b'\n').count();
        counted = offset;
        (line, what)
    });
    numbered.collect()
}
