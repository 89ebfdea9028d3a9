//! A configuration that knows who asked for what.

use std::collections::HashMap;

use kconfig::{
    Configuration, Expression, ExpressionId, MenuId, Model, Place, PropertyId, PropertyKind, Start, Stream,
    SymbolId, SymbolType, Tristate,
};

use crate::nearest::{self, Unknown};
use crate::request::{Request, Valued};

/// How tightly the parts of an expression hold together, the loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Compare,
    Not,
}

/// A configuration, and the requests it came from.
#[derive(Clone, Debug)]
pub struct Resolved<'m> {
    pub(crate) model: &'m Model,
    pub(crate) configuration: Configuration<'m>,
    /// The last request for each symbol, which is the one that counts.
    pub(crate) requests: HashMap<SymbolId, Request>,
    /// Requests for what is defined nowhere.
    pub(crate) unknown: Vec<Request>,
    /// The selects of each symbol.
    pub(crate) selects: HashMap<SymbolId, Vec<PropertyId>>,
    /// The implies of each symbol.
    pub(crate) implies: HashMap<SymbolId, Vec<PropertyId>>,
    warnings: Vec<String>,
}

impl<'m> Resolved<'m> {
    /// What follows from requests; a later one for the same symbol wins.
    pub fn of_requests(model: &'m Model, start: Start, requests: Vec<Request>) -> Resolved<'m> {
        let mut last: HashMap<&str, usize> = HashMap::new();
        for (index, request) in requests.iter().enumerate() {
            last.insert(&request.name, index);
        }
        // Each name once: reassigning is the requests' right, and no matter for a warning.
        let kept = requests.iter().enumerate().filter(|(index, request)| last[&*request.name] == *index);
        let text: String = kept.map(|(_, request)| request.line()).collect();
        Resolved::new(model, start, "requests", text.as_bytes(), requests)
    }

    /// What `olddefconfig` makes of the `.config` that goes by the name `file`.
    pub fn of_config(model: &'m Model, file: &str, text: &[u8]) -> Resolved<'m> {
        let requests = Request::read_all(file, &String::from_utf8_lossy(text));
        Resolved::new(model, Start::OldDefault, file, text, requests)
    }

    fn new(model: &'m Model, start: Start, name: &str, text: &[u8], requests: Vec<Request>) -> Resolved<'m> {
        let (configuration, said) = Configuration::resolve(model, start, name, text);
        let warnings = said.iter().filter(|it| it.stream == Stream::Error).map(|it| it.text.trim().into());
        let mut resolved = Resolved {
            model,
            configuration,
            requests: HashMap::new(),
            unknown: Vec::new(),
            selects: demands(model, PropertyKind::Select),
            implies: demands(model, PropertyKind::Imply),
            warnings: warnings.collect(),
        };
        for request in requests {
            match model.find(&request.name).filter(|&id| !model.symbol(id).menus.is_empty()) {
                Some(id) => drop(resolved.requests.insert(id, request)),
                None => resolved.unknown.push(request),
            }
        }
        resolved
    }

    /// The model it is of.
    pub fn model(&self) -> &'m Model {
        self.model
    }

    /// A copy of the configuration, to try something.
    pub fn clone_configuration(&self) -> Configuration<'m> {
        self.configuration.clone()
    }

    /// The values themselves.
    pub fn configuration(&mut self) -> &mut Configuration<'m> {
        &mut self.configuration
    }

    /// What the engine said while it read and computed: lines it could not take, unmet dependencies.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The symbol a person means by a name.
    ///
    /// # Errors
    /// No Kconfig file defines it: the nearest names.
    pub fn find(&self, typed: &str) -> Result<SymbolId, Unknown> {
        nearest::find(self.model, typed)
    }

    /// A symbol's value as `.config` writes it.
    pub fn value(&mut self, id: SymbolId) -> String {
        as_written(self.model, &mut self.configuration, id)
    }

    /// A symbol's name and value.
    pub(crate) fn valued(&mut self, id: SymbolId) -> Valued {
        Valued { symbol: self.model.name(id).to_string(), value: self.value(id) }
    }

    /// Name and value of all symbols in an expression, each once, in order.
    pub(crate) fn values_in(&mut self, expression: Option<ExpressionId>) -> Vec<Valued> {
        self.symbols_in(expression).into_iter().map(|id| self.valued(id)).collect()
    }

    /// The symbols in an expression that are neither constants nor choices, each once, in order.
    pub(crate) fn symbols_in(&self, expression: Option<ExpressionId>) -> Vec<SymbolId> {
        let mut found = Vec::new();
        if let Some(expression) = expression {
            self.model.expressions().symbols_in(expression, &mut found);
        }
        let mut kept = Vec::new();
        for id in found {
            let symbol = self.model.symbol(id);
            // A number or word in a comparison is a symbol nobody defines.
            let named = !symbol.constant && symbol.name.is_some() && !symbol.is_choice;
            if named && !self.is_literal(id) && !kept.contains(&id) {
                kept.push(id);
            }
        }
        kept
    }

    fn is_literal(&self, id: SymbolId) -> bool {
        let symbol = self.model.symbol(id);
        symbol.menus.is_empty() && !self.model.name(id).starts_with(|first: char| first.is_ascii_uppercase())
    }

    /// The symbol an expression consists of.
    pub(crate) fn single(&self, expression: Option<ExpressionId>) -> Option<SymbolId> {
        match self.model.expressions().get(expression?) {
            Expression::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// An expression as a person would write it: texts in quotes, comparisons with room around them.
    pub(crate) fn show_expression(&self, expression: Option<ExpressionId>) -> String {
        expression.map_or_else(|| "y".to_string(), |expression| self.show_inside(expression, Binding::Or))
    }

    /// A default's value and condition: "y if A", and where its value came from a macro what was written: "y from $(…)".
    pub(crate) fn show_default(&self, property: PropertyId) -> String {
        let default = self.model.property(property);
        let mut shown = self.show_expression(default.value);
        if let Some(written) = self.macro_of(property) {
            shown.push_str(&format!(" from {written}"));
        }
        if default.own_condition.is_some() {
            shown.push_str(&format!(" if {}", self.show_expression(default.own_condition)));
        }
        shown
    }

    /// The macro a default's line holds in the place of its value: "$(cc-option,-m64)".
    pub(crate) fn macro_of(&self, property: PropertyId) -> Option<String> {
        let default = self.model.property(property);
        // A number is a symbol nobody defines.
        let plain = |id: SymbolId| self.model.symbol(id).constant || self.model.symbol(id).menus.is_empty();
        self.single(default.value).filter(|&value| plain(value))?;
        let (_, line) = self.model.lines_from(default.place).next()?;
        let (_, written) = line.trim().split_once([' ', '\t'])?;
        let value = written.split(" if ").next()?.trim();
        let plain = value.trim_matches('"');
        plain.starts_with("$(").then(|| plain.to_string())
    }

    fn show_inside(&self, expression: ExpressionId, around: Binding) -> String {
        let (binding, shown) = match self.model.expressions().get(expression) {
            Expression::Symbol(id) => (Binding::Not, self.operand(id)),
            Expression::Not(inner) => (Binding::Not, format!("!{}", self.show_inside(inner, Binding::Not))),
            Expression::And(left, right) => {
                let side = |side| self.show_inside(side, Binding::And);
                (Binding::And, format!("{} && {}", side(left), side(right)))
            }
            Expression::Or(left, right) => {
                let side = |side| self.show_inside(side, Binding::Or);
                (Binding::Or, format!("{} || {}", side(left), side(right)))
            }
            Expression::Compare(sign, left, right) => {
                let shown = format!("{} {} {}", self.operand(left), sign.sign(), self.operand(right));
                (Binding::Compare, shown)
            }
            Expression::Range(low, high) => {
                (Binding::Not, format!("{} {}", self.operand(low), self.operand(high)))
            }
        };
        if binding < around { format!("({shown})") } else { shown }
    }

    /// A symbol in an expression.
    fn operand(&self, id: SymbolId) -> String {
        let symbol = self.model.symbol(id);
        let name = self.model.name(id);
        let number = name.parse::<i128>().is_ok() || name.starts_with("0x");
        match symbol.constant && !number && !["y", "m", "n"].contains(&name) {
            true => format!("\"{name}\""),
            false => name.to_string(),
        }
    }

    /// The symbol whose entry a property stands in.
    pub(crate) fn owner(&self, property: PropertyId) -> Option<SymbolId> {
        self.model.menu(self.model.property(property).menu).symbol
    }

    /// Whether any of its entries has a prompt.
    pub(crate) fn has_prompt(&self, id: SymbolId) -> bool {
        self.prompts(id).next().is_some()
    }

    /// The prompts of a symbol.
    pub(crate) fn prompts(&self, id: SymbolId) -> impl Iterator<Item = PropertyId> + use<'m> {
        let model = self.model;
        let ids = model.symbol(id).properties.iter().copied();
        ids.filter(move |&id| matches!(model.property(id).kind, PropertyKind::Prompt | PropertyKind::Menu))
    }

    /// The text of its first prompt.
    pub(crate) fn prompt_text(&self, id: SymbolId) -> Option<String> {
        let prompt = self.prompts(id).next()?;
        self.model.property(prompt).text.as_deref().map(String::from)
    }

    /// "file:line", with the file's path in the tree.
    pub(crate) fn place(&self, place: Place) -> String {
        self.model.show_place(place)
    }

    /// Where a symbol's first entry stands.
    pub(crate) fn first_place(&self, id: SymbolId) -> Option<String> {
        let entry = self.model.first_entry(id)?;
        Some(self.place(self.model.menu(entry).place))
    }

    /// The choice a symbol is a member of.
    pub(crate) fn choice_of(&self, id: SymbolId) -> Option<MenuId> {
        let around = self.model.choice_menu_of(id)?;
        self.model.menu(around).symbol.filter(|&choice| self.model.symbol(choice).is_choice).map(|_| around)
    }

    /// The least value that counts as "on" where y is wanted: m is enough for what knows no m.
    pub(crate) fn enough(&mut self, id: SymbolId, wanted: Tristate) -> Tristate {
        let modules = self.configuration.logical(self.model.modules());
        match self.model.symbol(id).kind == SymbolType::Tristate && modules != Tristate::No {
            true => wanted,
            false => wanted.min(Tristate::Module),
        }
    }

    /// Whether a symbol has the value that was asked for.
    pub(crate) fn is_granted(&mut self, id: SymbolId, asked: &str) -> bool {
        let value = self.value(id);
        match self.model.symbol(id).kind {
            SymbolType::Boolean | SymbolType::Tristate => {
                value.as_bytes().first() == asked.as_bytes().first()
            }
            SymbolType::Int | SymbolType::Hex => number(&value) == number(asked),
            _ => value == asked,
        }
    }
}

/// A symbol's value as `.config` writes it.
pub(crate) fn as_written(model: &Model, configuration: &mut Configuration, id: SymbolId) -> String {
    let text = configuration.text(id);
    match model.symbol(id).kind {
        SymbolType::String => quote(&text),
        // What is defined nowhere counts as n.
        SymbolType::Unknown => "n".to_string(),
        _ => text.to_string(),
    }
}

/// The properties of one kind by the symbol they are about.
fn demands(model: &Model, kind: PropertyKind) -> HashMap<SymbolId, Vec<PropertyId>> {
    let mut found: HashMap<SymbolId, Vec<PropertyId>> = HashMap::new();
    for (id, _) in model.symbols() {
        for (property, demand) in model.properties_of(id, kind) {
            if let Some(value) = demand.value
                && let Expression::Symbol(target) = model.expressions().get(value)
            {
                found.entry(target).or_default().push(property);
            }
        }
    }
    found
}

/// A text as `.config` writes it (kernel: `escape_string_value()` of scripts/kconfig/confdata.c).
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A decimal or hexadecimal number, as far as `.config` has them.
fn number(text: &str) -> Option<i128> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const TEXT: &str = concat!(
        "config A\n\tbool \"a\"\nconfig N\n\tint \"n\"\n\tdefault 3\nconfig S\n\tstring \"s\"\n\tdefault \"x\"\n",
        "config H\n\thex \"h\"\n\tdefault 0x10\n"
    );

    #[test]
    fn later_requests_win_and_unknown_ones_are_kept() {
        let model = fixture::model(TEXT);
        let mut resolved = fixture::asked(&model, &["A=y", "GONE=y", "A=n", "N=0x7", "S=\"a \\\"b\\\"\""]);
        let a = resolved.find("A").unwrap();
        assert_eq!((resolved.value(a), resolved.requests[&a].place.as_str()), ("n".into(), "my.toml:3"));
        assert_eq!(resolved.unknown[0].name, "GONE");
        let s = resolved.find("s").unwrap();
        assert_eq!(resolved.value(s), "\"a \\\"b\\\"\"");
        assert!(resolved.is_granted(s, "\"a \\\"b\\\"\""));
        let h = resolved.find("H").unwrap();
        assert!(resolved.is_granted(h, "0x010") && !resolved.is_granted(h, "16x"));
    }

    #[test]
    fn a_config_is_read_as_the_tool_reads_it() {
        let model = fixture::model(TEXT);
        let text = b"CONFIG_A=y\nnonsense\nCONFIG_N=abc\nCONFIG_A=n\n";
        let mut resolved = Resolved::of_config(&model, "old.config", text);
        let (a, n) = (resolved.find("A").unwrap(), resolved.find("N").unwrap());
        assert_eq!((resolved.value(a), resolved.value(n)), ("n".into(), "3".into()));
        let warnings = resolved.warnings().join("\n");
        assert!(warnings.contains("old.config:2:warning: unexpected data: nonsense"), "{warnings}");
        assert!(warnings.contains("old.config:3:warning: symbol value 'abc' invalid for N"), "{warnings}");
    }
}
