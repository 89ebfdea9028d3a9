//! Dependencies of a symbol on itself (kernel: `sym_check_deps()` of scripts/kconfig/symbol.c).

use crate::expression::{Expression, ExpressionId};
use crate::message::Message;
use crate::model::{Model, PropertyId, PropertyKind, ROOT, SymbolId};

/// By what a symbol leads to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    None,
    Direct,
    Reverse,
    Implied,
    Value,
}

#[derive(Clone, Copy)]
struct Step {
    symbol: SymbolId,
    property: Option<PropertyId>,
    way: Way,
}

struct Check<'m> {
    model: &'m Model,
    /// SYMBOL_CHECK
    open: Vec<bool>,
    /// SYMBOL_CHECKED
    done: Vec<bool>,
    steps: Vec<Step>,
    messages: Vec<Message>,
}

/// Checks all symbols; says each cycle, and gives the number of errors.
pub(crate) fn check(model: &mut Model) -> usize {
    let mut check = Check {
        model,
        open: vec![false; model.symbols.len()],
        done: vec![false; model.symbols.len()],
        steps: Vec::new(),
        messages: Vec::new(),
    };
    let errors = if model.dialect.checks_by_menu() { check.by_menu() } else { check.by_table() };
    let mut messages = check.messages;
    model.messages.append(&mut messages);
    errors
}

impl Check<'_> {
    fn by_table(&mut self) -> usize {
        let order = self.model.order.iter();
        order.filter(|&&id| self.symbol(id).is_some()).count()
    }

    fn by_menu(&mut self) -> usize {
        let mut errors = 0;
        for menu in self.model.below(ROOT) {
            let Some(id) = self.model.menu(menu).symbol else { continue };
            errors += usize::from(self.symbol(id).is_some());
            if self.model.symbol(id).transitional {
                errors += self.transitional(menu, id);
            }
            if self.model.symbol(id).is_choice {
                errors += self.choice_members(menu);
            }
        }
        errors
    }

    /// `transitional_check_sanity()`
    fn transitional(&mut self, menu: crate::model::MenuId, id: SymbolId) -> usize {
        let node = self.model.menu(menu);
        let conditional =
            [node.depends, node.visibility].iter().any(|&it| !self.model.expressions.is_yes(it));
        let place = match self.model.symbol(id).properties.first() {
            _ if conditional => node.place,
            Some(&property) => self.model.property(property).place,
            None => return 0,
        };
        let place = self.model.show_place(place);
        let text = format!("{place}: error: transitional symbols can only have help sections\n");
        self.messages.push(Message::error(text));
        1
    }

    /// `choice_check_sanity()`
    fn choice_members(&mut self, choice: crate::model::MenuId) -> usize {
        let mut errors = 0;
        for menu in self.model.below(choice) {
            let Some(id) = self.model.menu(menu).symbol else { continue };
            let before = self.messages.len();
            for &property in &self.model.symbol(id).properties {
                let property = self.model.property(property);
                let parent = |menu| self.model.menu(menu).parent;
                let outside = property.menu != menu && parent(property.menu) != parent(menu);
                let text = match property.kind {
                    PropertyKind::Default => "defaults for choice values not supported",
                    PropertyKind::Prompt if outside => "choice value has a prompt outside its choice group",
                    _ => continue,
                };
                let place = self.model.show_place(property.place);
                self.messages.push(Message::error(format!("{place}: error: {text}\n")));
            }
            errors += usize::from(self.messages.len() > before);
        }
        errors
    }

    /// The choice a symbol is a member of, as the check sees it.
    fn choice_of(&self, id: SymbolId) -> Option<SymbolId> {
        match self.model.dialect.plain_choices() {
            true => self.model.choice_menu_of(id).and_then(|menu| self.model.menu(menu).symbol),
            false => self.model.symbol(id).choice,
        }
    }

    fn members(&self, choice: SymbolId) -> Vec<SymbolId> {
        match self.model.dialect.plain_choices() {
            true => {
                let menu = self.model.first_entry(choice);
                let below = menu.into_iter().flat_map(|menu| self.model.below(menu));
                below.filter_map(|menu| self.model.menu(menu).symbol).collect()
            }
            false => self.model.symbol(choice).members.clone(),
        }
    }

    fn enter(&mut self, symbol: SymbolId) {
        self.steps.push(Step { symbol, property: None, way: Way::None });
    }

    fn step(&mut self, property: Option<PropertyId>, way: Way) {
        if let Some(step) = self.steps.last_mut() {
            step.property = property.or(step.property);
            step.way = way;
        }
    }

    /// `sym_check_deps()`: the symbol at which a cycle closes.
    fn symbol(&mut self, id: SymbolId) -> Option<SymbolId> {
        if self.open[id.index()] {
            self.report(id);
            return Some(id);
        }
        if self.done[id.index()] {
            return None;
        }
        if let Some(choice) = self.choice_of(id) {
            self.enter(id);
            let found = self.symbol(choice);
            self.steps.pop();
            return found;
        }
        if self.model.symbol(id).is_choice {
            return self.choice(id);
        }
        (self.open[id.index()], self.done[id.index()]) = (true, true);
        let found = self.dependencies(id);
        self.open[id.index()] = false;
        found
    }

    fn choice(&mut self, choice: SymbolId) -> Option<SymbolId> {
        self.enter(choice);
        let members = self.members(choice);
        for &id in members.iter().chain([&choice]) {
            (self.open[id.index()], self.done[id.index()]) = (true, true);
        }
        let mut found = self.dependencies(choice);
        self.open[choice.index()] = false;
        if found.is_none() {
            found = members.iter().find_map(|&member| self.dependencies(member));
        }
        members.iter().for_each(|member| self.open[member.index()] = false);
        self.steps.pop();
        found.map(|found| if self.choice_of(found) == Some(choice) { choice } else { found })
    }

    /// `sym_check_sym_deps()`
    fn dependencies(&mut self, id: SymbolId) -> Option<SymbolId> {
        self.enter(id);
        let found = self.dependencies_inside(id);
        self.steps.pop();
        found
    }

    fn dependencies_inside(&mut self, id: SymbolId) -> Option<SymbolId> {
        let model = self.model;
        let symbol = model.symbol(id);
        let ways =
            [(Way::Direct, symbol.direct), (Way::Reverse, symbol.reverse), (Way::Implied, symbol.implied)];
        for (way, expression) in ways {
            self.step(None, way);
            if let Some(found) = self.expression(expression) {
                return Some(found);
            }
        }
        for &property_id in &symbol.properties {
            let property = model.property(property_id);
            if matches!(property.kind, PropertyKind::Select | PropertyKind::Imply) {
                continue;
            }
            self.step(Some(property_id), Way::None);
            if let Some(found) = self.expression(property.condition) {
                return Some(found);
            }
            if property.kind != PropertyKind::Default || symbol.is_choice {
                continue;
            }
            self.step(Some(property_id), Way::Value);
            if let Some(found) = self.expression(property.value) {
                return Some(found);
            }
        }
        None
    }

    fn expression(&mut self, id: Option<ExpressionId>) -> Option<SymbolId> {
        match self.model.expressions.get(id?) {
            Expression::And(left, right) | Expression::Or(left, right) => {
                self.expression(Some(left)).or_else(|| self.expression(Some(right)))
            }
            Expression::Not(inner) => self.expression(Some(inner)),
            Expression::Symbol(symbol) => self.symbol(symbol),
            Expression::Compare(_, left, right) => self.symbol(left).or_else(|| self.symbol(right)),
            Expression::Range(..) => None,
        }
    }

    /// `sym_check_print_recursive()`
    fn report(&mut self, last: SymbolId) {
        let steps_before = self.steps.len();
        let mut last = last;
        if let Some(choice) = self.choice_of(last) {
            self.enter(last);
            last = choice;
        }
        let mut text = String::new();
        match self.steps.iter().rposition(|step| step.symbol == last) {
            None => text.push_str("unexpected recursive dependency error\n"),
            Some(first) => {
                for index in first..self.steps.len() {
                    let step = self.steps[index];
                    let next = self.steps.get(index + 1).map_or(last, |step| step.symbol);
                    match self.model.dialect.plain_choices() {
                        true => self.describe(step, next, last, &mut text),
                        false => self.describe_legacy(step, next, last, &mut text),
                    }
                }
                text.push_str(
                    "For a resolution refer to Documentation/kbuild/kconfig-language.rst\n\
                     subsection \"Kconfig recursive dependency limitations\"\n\n",
                );
            }
        }
        self.messages.push(Message::error(text));
        self.steps.truncate(steps_before);
    }

    fn leads(&self, step: Step, next: SymbolId, property: Option<PropertyId>) -> String {
        let (name, next) = (self.model.name(step.symbol), self.model.name(next));
        let kind = property.map_or("unknown", |id| self.model.property(id).kind.name());
        match step.way {
            Way::Direct => format!("symbol {name} depends on {next}"),
            Way::Reverse => format!("symbol {name} is selected by {next}"),
            Way::Implied => format!("symbol {name} is implied by {next}"),
            Way::Value => format!("symbol {name} {kind} value contains {next}"),
            Way::None => format!("symbol {name} {kind} is visible depending on {next}"),
        }
    }

    fn describe(&self, step: Step, next: SymbolId, last: SymbolId, text: &mut String) {
        if step.symbol == last {
            text.push_str("error: recursive dependency detected!\n");
        }
        let line = match self.model.first_entry(next).filter(|_| self.model.symbol(next).is_choice) {
            Some(choice) => {
                let place = self.model.show_place(self.model.menu(choice).place);
                format!("symbol {} is part of choice block at {place}", self.model.name(step.symbol))
            }
            None => self.leads(step, next, step.property),
        };
        text.push_str(&format!("\t{line}\n"));
    }

    fn describe_legacy(&self, step: Step, next: SymbolId, last: SymbolId, text: &mut String) {
        let symbol = self.model.symbol(step.symbol);
        let member = symbol.choice.is_some();
        let first = symbol.properties.first().copied();
        let property = if symbol.is_choice || member { first } else { step.property.or(first) };
        let place = property.map_or(Model::no_place(), |id| self.model.property(id).place);
        let place = self.model.show_place(place);
        if step.symbol == last {
            text.push_str(&format!("{place}:error: recursive dependency detected!\n"));
        }
        let (name, next_name) = (self.model.name(step.symbol), self.model.name(next));
        let line = if symbol.is_choice {
            format!("choice {name} contains symbol {next_name}")
        } else if member {
            format!("symbol {name} is part of choice {next_name}")
        } else {
            self.leads(step, next, property)
        };
        text.push_str(&format!("{place}:\t{line}\n"));
    }
}
