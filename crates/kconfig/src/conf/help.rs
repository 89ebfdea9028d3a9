//! Help texts with a symbol's relations (kernel: `menu_get_ext_help()`, `get_symbol_str()` of scripts/kconfig/menu.c).

use super::Session;
use crate::model::{MenuId, PropertyId, PropertyKind, ROOT, SymbolId, SymbolType, Tristate};

/// The buffer of `str_printf()`, with its NUL.
const MOST: usize = 10_000;

impl Session<'_, '_> {
    pub(super) fn print_help(&mut self, menu: MenuId) {
        let text = self.help(menu);
        self.say(&format!("\n{text}\n"));
    }

    fn help(&mut self, menu: MenuId) -> String {
        let mut text = String::new();
        let symbol = self.model.menu(menu).symbol;
        match self.model.help(menu) {
            Some(help) => {
                if let Some(name) = symbol.and_then(|id| self.model.symbol(id).name.clone()) {
                    text.push_str(&format!("{}{name}:\n\n", self.prefix()));
                }
                let mut line = format!("{help}\n");
                cut(&mut line);
                text.push_str(&line);
            }
            None => text.push_str("There is no help available for this option.\n"),
        }
        if let Some(id) = symbol {
            self.relations(id, &mut text);
        }
        text
    }

    /// `get_symbol_str()`
    fn relations(&mut self, id: SymbolId, text: &mut String) {
        let model = self.model;
        let symbol = model.symbol(id);
        if symbol.name.is_some() {
            let (name, value) = (model.name(id), self.configuration.current_text(id));
            text.push_str(&format!("Symbol: {name} [={value}]\nType  : {}\n", symbol.kind.name()));
            if matches!(symbol.kind, SymbolType::Int | SymbolType::Hex)
                && let Some(range) = self.configuration.range_in_force(id)
            {
                text.push_str("Range : ");
                self.configuration.explain_into(model.property(range).value, text);
                text.push('\n');
            }
        }
        for &menu in symbol.menus.iter().filter(|&&menu| model.menu(menu).prompt.is_some()) {
            self.defined_at(menu, text);
            if let Some(prompt) = model.menu(menu).prompt {
                self.prompt_lines(prompt, text);
            }
        }
        for &menu in symbol.menus.iter().filter(|&&menu| model.menu(menu).prompt.is_none()) {
            self.defined_at(menu, text);
            self.dependency_line(model.menu(menu).depends, "  Depends on: ", text);
        }
        let kinds = [
            (PropertyKind::Select, "Selects: ", "Selected", symbol.reverse),
            (PropertyKind::Imply, "Implies: ", "Implied", symbol.implied),
        ];
        for (kind, title, by, reverse) in kinds {
            self.targets(id, kind, title, text);
            if reverse.is_some() {
                for value in [Tristate::Yes, Tristate::Module, Tristate::No] {
                    let title = format!("{by} by [{}]:\n", value.letter());
                    self.configuration.reverse_into(reverse, value, &title, text);
                }
            }
        }
        text.push_str("\n\n");
    }

    fn defined_at(&self, menu: MenuId, text: &mut String) {
        let place = self.model.show_place(self.model.menu(menu).place);
        text.push_str(&format!("Defined at {place}\n"));
    }

    fn dependency_line(&self, id: Option<crate::expression::ExpressionId>, prefix: &str, text: &mut String) {
        if !self.model.expressions.is_yes(id) {
            text.push_str(prefix);
            self.configuration.explain_into(id, text);
            text.push('\n');
        }
    }

    fn targets(&self, id: SymbolId, kind: PropertyKind, title: &str, text: &mut String) {
        let mut before = title;
        for (_, property) in self.model.properties_of(id, kind) {
            text.push_str(before);
            self.configuration.explain_into(property.value, text);
            before = " && ";
        }
        if before != title {
            text.push('\n');
        }
    }

    /// `get_prompt_str()`
    fn prompt_lines(&mut self, id: PropertyId, text: &mut String) {
        let model = self.model;
        let prompt = model.property(id);
        let mut line = format!("  Prompt: {}\n", prompt.text.as_deref().unwrap_or("(null)"));
        cut(&mut line);
        text.push_str(&line);
        let depends = model.menu(prompt.menu).depends;
        self.dependency_line(depends, "  Depends on: ", text);
        let expressions = self.scratch.get_or_insert_with(|| model.expressions.clone());
        if depends != prompt.condition && !expressions.same(depends, prompt.condition) {
            self.dependency_line(prompt.condition, "  Visible if: ", text);
        }
        text.push_str("  Location:\n");
        let mut path = Vec::new();
        let mut menu = prompt.menu;
        while menu != ROOT && path.len() < 8 {
            path.push(menu);
            // The C tool looks whether each can be seen; looking computes values.
            self.configuration.is_menu_visible(menu);
            menu = model.menu(menu).parent.unwrap_or(ROOT);
        }
        for (depth, &menu) in path.iter().rev().enumerate() {
            let title = model.prompt_text(menu).unwrap_or("(null)");
            text.push_str(&format!("{}-> {title}", " ".repeat(2 * depth + 4)));
            if let Some(symbol) = model.menu(menu).symbol {
                let value = self.configuration.current_text(symbol);
                text.push_str(&format!(" ({} [={value}])", model.name(symbol)));
            }
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
