//! Why an option cannot be set, in a line.

use kconfig::{Configuration, Expression, PropertyKind, SymbolId, SymbolType, Tristate};

/// What stands between the user and an option; nothing if it can be set.
pub(crate) fn obstacle(configuration: &mut Configuration<'_>, id: SymbolId) -> Option<String> {
    let model = configuration.model();
    let symbol = model.symbol(id);
    if symbol.menus.is_empty() {
        return Some("Hidden because no Kconfig file read for this architecture defines it".into());
    }
    let visible = configuration.visibility(id);
    if visible != Tristate::No {
        let held = configuration.selected(id);
        return (symbol.kind.is_logical() && held >= visible)
            .then(|| format!("Held at {} by: {}", held.letter(), holders(configuration, id, held)));
    }
    let is_prompt = |kind: PropertyKind| matches!(kind, PropertyKind::Prompt | PropertyKind::Menu);
    let mut needs = Vec::new();
    for &property in symbol.properties.iter().filter(|&&it| is_prompt(model.property(it).kind)) {
        let factors = model.expressions().factors(model.property(property).condition);
        let missing = factors.into_iter().filter(|&it| configuration.evaluate(Some(it)) == Tristate::No);
        let missing: Vec<_> = missing.collect();
        let parts = missing.into_iter().map(|it| in_brackets(&configuration.explain(Some(it))));
        needs.push(parts.collect::<Vec<_>>().join(" && "));
    }
    match needs.is_empty() {
        true => Some("Hidden because it has no prompt: only select, imply and default set it".into()),
        false => Some(format!("Hidden because it needs {}", needs.join(", or elsewhere "))),
    }
}

/// An alternative inside a chain of `&&` needs brackets.
fn in_brackets(text: &str) -> String {
    if text.contains("||") { format!("({text})") } else { text.to_string() }
}

/// Who selects it to the value.
fn holders(configuration: &mut Configuration<'_>, id: SymbolId, value: Tristate) -> String {
    let model = configuration.model();
    let terms = model.expressions().terms(model.symbol(id).reverse).into_iter();
    let holding: Vec<_> = terms.filter(|&term| configuration.evaluate(Some(term)) == value).collect();
    let names = holding.iter().map(|&term| {
        let mut symbols = Vec::new();
        model.expressions().symbols_in(term, &mut symbols);
        symbols.first().map_or("?", |&symbol| model.name(symbol)).to_string()
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Why a value was refused.
pub(crate) fn refusal(configuration: &mut Configuration<'_>, id: SymbolId, value: Tristate) -> String {
    if let Some(obstacle) = obstacle(configuration, id) {
        return format!("{obstacle} (w: why, =: what it needs)");
    }
    let model = configuration.model();
    let (visible, held) = (configuration.visibility(id), configuration.selected(id));
    let name = model.name(id);
    if value == Tristate::Module && configuration.type_now(id) == SymbolType::Boolean {
        return match model.symbol(id).kind {
            SymbolType::Tristate => format!("{name} cannot be a module: modules are off"),
            _ => format!("{name} is built in or left out; it cannot be a module"),
        };
    }
    if value < held {
        return format!(
            "{name} is held at {} or more by: {}",
            held.letter(),
            holders(configuration, id, held)
        );
    }
    format!("{name} can be {} at most: what it depends on is no more", visible.letter())
}

/// Why a number or text was refused.
pub(crate) fn text_refusal(configuration: &mut Configuration<'_>, id: SymbolId, text: &str) -> String {
    if let Some(obstacle) = obstacle(configuration, id) {
        return obstacle;
    }
    let model = configuration.model();
    let kind = match model.symbol(id).kind {
        SymbolType::Int => "a whole number such as 42",
        SymbolType::Hex => "a hexadecimal number such as 0x2a",
        _ => "a text",
    };
    let range =
        range(configuration, id).map_or(String::new(), |(low, high)| format!(", from {low} to {high}"));
    format!("\"{text}\" cannot be: it must be {kind}{range}")
}

/// The ends of the range that holds.
pub(crate) fn range(configuration: &mut Configuration<'_>, id: SymbolId) -> Option<(String, String)> {
    let model = configuration.model();
    let range = configuration.range_in_force(id).and_then(|range| model.property(range).value)?;
    match model.expressions().get(range) {
        Expression::Range(low, high) => {
            Some((configuration.text(low).to_string(), configuration.text(high).to_string()))
        }
        _ => None,
    }
}
