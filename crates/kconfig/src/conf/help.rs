//! Help texts with a symbol's relations (kernel: `menu_get_ext_help()`, `get_symbol_str()` of scripts/kconfig/menu.c).

use super::Session;
use crate::configuration::Configuration;
use crate::expression::Expressions;
use crate::model::{MenuId, PropertyId, PropertyKind, ROOT, SymbolId, SymbolType, Tristate};

/// The buffer of `str_printf()`, with its NUL.
const MOST: usize = 10_000;

impl Session<'_, '_> {
    pub(super) fn print_help(&mut self, menu: MenuId) {
        let mut relations = Relations { prefix: self.prefix(), expressions: self.scratch.take() };
        let text = relations.help(&mut self.configuration, menu);
        self.scratch = relations.expressions;
        self.say(&format!("\n{text}\n"));
    }
}

/// Where in a text a node of the menu tree can be gone to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The byte at which the line begins that names it.
    pub offset: usize,
    /// The node: that of the prompt if it can be seen, else the nearest around it that can.
    pub target: MenuId,
}

/// Texts about symbols and nodes of the menu tree, in the C tools' words.
#[derive(Debug)]
pub struct Relations {
    prefix: String,
    /// Expressions to rewrite while comparing.
    expressions: Option<Expressions>,
}

impl Default for Relations {
    /// With the usual prefix, CONFIG_.
    fn default() -> Relations {
        Relations { prefix: "CONFIG_".into(), expressions: None }
    }
}

impl Relations {
    /// A node's help text and its symbol's relations (`menu_get_ext_help()`).
    pub fn help(&mut self, configuration: &mut Configuration<'_>, menu: MenuId) -> String {
        let mut text = String::new();
        let model = configuration.model;
        let symbol = model.menu(menu).symbol;
        match model.help(menu) {
            Some(help) => {
                if let Some(name) = symbol.and_then(|id| model.symbol(id).name.clone()) {
                    text.push_str(&format!("{}{name}:\n\n", self.prefix));
                }
                let mut line = format!("{help}\n");
                cut(&mut line);
                text.push_str(&line);
            }
            None => text.push_str("There is no help available for this option.\n"),
        }
        if let Some(id) = symbol {
            self.symbol(configuration, id, &mut text, None);
        }
        text
    }

    /// A symbol's value, type, definitions, dependencies, places in the menu tree, and who selects it (`get_symbol_str()`). With
    /// `jumps`, places that can be gone to are numbered from 1 to 9, over and over. The value must have been computed.
    pub fn symbol(
        &mut self,
        configuration: &mut Configuration<'_>,
        id: SymbolId,
        text: &mut String,
        mut jumps: Option<&mut Vec<Jump>>,
    ) {
        let model = configuration.model;
        let symbol = model.symbol(id);
        if symbol.name.is_some() {
            let (name, value) = (model.name(id), configuration.current_text(id));
            text.push_str(&format!("Symbol: {name} [={value}]\nType  : {}\n", symbol.kind.name()));
            if matches!(symbol.kind, SymbolType::Int | SymbolType::Hex)
                && let Some(range) = configuration.range_in_force(id)
            {
                text.push_str("Range : ");
                configuration.explain_into(model.property(range).value, text);
                text.push('\n');
            }
        }
        for &menu in symbol.menus.iter().filter(|&&menu| model.menu(menu).prompt.is_some()) {
            configuration.defined_at(menu, text);
            if let Some(prompt) = model.menu(menu).prompt {
                self.prompt_lines(configuration, prompt, text, jumps.as_deref_mut());
            }
        }
        for &menu in symbol.menus.iter().filter(|&&menu| model.menu(menu).prompt.is_none()) {
            configuration.defined_at(menu, text);
            configuration.dependency_line(model.menu(menu).depends, "  Depends on: ", text);
        }
        let kinds = [
            (PropertyKind::Select, "Selects: ", "Selected", symbol.reverse),
            (PropertyKind::Imply, "Implies: ", "Implied", symbol.implied),
        ];
        for (kind, title, by, reverse) in kinds {
            configuration.targets(id, kind, title, text);
            if reverse.is_some() {
                for value in [Tristate::Yes, Tristate::Module, Tristate::No] {
                    let title = format!("{by} by [{}]:\n", value.letter());
                    configuration.reverse_into(reverse, value, &title, text);
                }
            }
        }
        text.push_str("\n\n");
    }

    /// `get_prompt_str()`
    fn prompt_lines(
        &mut self,
        configuration: &mut Configuration<'_>,
        id: PropertyId,
        text: &mut String,
        mut jumps: Option<&mut Vec<Jump>>,
    ) {
        let model = configuration.model;
        let prompt = model.property(id);
        let mut line = format!("  Prompt: {}\n", prompt.text.as_deref().unwrap_or("(null)"));
        cut(&mut line);
        text.push_str(&line);
        let depends = model.menu(prompt.menu).depends;
        configuration.dependency_line(depends, "  Depends on: ", text);
        let expressions = self.expressions.get_or_insert_with(|| model.expressions.clone());
        if depends != prompt.condition && !expressions.same(depends, prompt.condition) {
            configuration.dependency_line(prompt.condition, "  Visible if: ", text);
        }
        text.push_str("  Location:\n");
        let (mut path, mut target) = (Vec::new(), None);
        let mut menu = prompt.menu;
        while menu != ROOT && path.len() < 8 {
            path.push(menu);
            // The C tool looks whether each can be seen; looking computes values.
            if configuration.is_menu_visible(menu) && target.is_none() {
                target = Some(menu);
            }
            menu = model.menu(menu).parent.unwrap_or(ROOT);
        }
        for (depth, &menu) in path.iter().rev().enumerate() {
            let title = model.prompt_text(menu).unwrap_or("(null)");
            let mut indent = 2 * depth + 4;
            if let Some(jumps) = jumps.as_deref_mut().filter(|_| target == Some(menu)) {
                jumps.push(Jump { offset: text.len(), target: menu });
                text.push_str(&format!("({})", (jumps.len() - 1) % 9 + 1));
                indent -= 3;
            }
            text.push_str(&format!("{}-> {title}", " ".repeat(indent)));
            if let Some(symbol) = model.menu(menu).symbol {
                let value = configuration.current_text(symbol);
                text.push_str(&format!(" ({} [={value}])", model.name(symbol)));
            }
            text.push('\n');
        }
    }
}

impl Configuration<'_> {
    fn defined_at(&self, menu: MenuId, text: &mut String) {
        let place = self.model.show_place(self.model.menu(menu).place);
        text.push_str(&format!("Defined at {place}\n"));
    }

    fn dependency_line(&self, id: Option<crate::expression::ExpressionId>, prefix: &str, text: &mut String) {
        if !self.model.expressions.is_yes(id) {
            text.push_str(prefix);
            self.explain_into(id, text);
            text.push('\n');
        }
    }

    fn targets(&self, id: SymbolId, kind: PropertyKind, title: &str, text: &mut String) {
        let mut before = title;
        for (_, property) in self.model.properties_of(id, kind) {
            text.push_str(before);
            self.explain_into(property.value, text);
            before = " && ";
        }
        if before != title {
            text.push('\n');
        }
    }
}

/// What one `str_printf()` can hold.
fn cut(text: &mut String) {
    if text.len() >= MOST {
        let end = (0..MOST).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
}
