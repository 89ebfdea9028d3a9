//! Completing the menu tree: dependencies go down to entries and properties, selects become reverse dependencies, dependent
//! entries become submenus (kernel: `menu_finalize()` of scripts/kconfig/menu.c).

use crate::builder::Builder;
use crate::expression::{Comparison, Expression, ExpressionId, Types};
use crate::message::Message;
use crate::model::{MODULE, MenuId, NO, PropertyId, PropertyKind, ROOT, SymbolId, SymbolType, YES};

/// Runs an expression operation that looks at types: the parts of the model it needs, borrowed apart.
macro_rules! simplify {
    ($builder:expr, $operation:ident, $($argument:expr),*) => {{
        let types = Types { symbols: &$builder.model.symbols };
        $builder.model.expressions.$operation($($argument,)* &types)
    }};
}

impl Builder {
    /// Completes the whole tree. The root must have a prompt.
    pub fn finalize(&mut self) {
        for menu in &mut self.model.menus {
            menu.own_depends = menu.depends;
        }
        for property in &mut self.model.properties {
            property.own_condition = property.condition;
        }
        if !self.model.expressions.are_shared() {
            self.keep_what_was_written();
        }
        self.finalize_below(ROOT, false);
        let forced = std::mem::take(&mut self.model.expressions.forced);
        for (symbol, value) in forced {
            let name = self.model.name(symbol);
            let text = format!("boolean symbol {name} tested for 'm'? test forced to '{value}'\n");
            self.message(Message::output(text));
        }
    }

    /// Where expressions are rewritten in place, what was written is kept as a copy.
    fn keep_what_was_written(&mut self) {
        let expressions = &mut self.model.expressions;
        for menu in &mut self.model.menus {
            menu.own_depends = menu.own_depends.map(|id| expressions.copy(id));
        }
        for property in &mut self.model.properties {
            property.own_condition = property.own_condition.map(|id| expressions.copy(id));
        }
    }

    fn modules_symbol(&self) -> SymbolId {
        self.modules.unwrap_or(NO)
    }

    /// 'm' rewritten, simplified, and with what is around (`rewrite_m`, `expr_transform`, `expr_alloc_and`,
    /// `expr_eliminate_dups`).
    fn complete(&mut self, around: Option<ExpressionId>, own: Option<ExpressionId>) -> Option<ExpressionId> {
        let modules = self.modules_symbol();
        let own = self.model.expressions.rewrite_module(own, modules);
        let own = simplify!(self, transform, own);
        let around = around.map(|around| self.model.expressions.copy(around));
        let both = self.model.expressions.and_maybe(around, own);
        simplify!(self, eliminate_duplicates, both)
    }

    fn finalize_below(&mut self, parent: MenuId, inside_choice: bool) {
        let symbol = self.model.menu(parent).symbol;
        let choice = symbol.filter(|&symbol| self.model.symbol(symbol).is_choice);
        if self.model.menu(parent).first.is_some() {
            self.finalize_children(parent, choice);
        } else if let Some(symbol) = symbol
            && !(inside_choice && self.model.dialect.plain_choices())
        {
            self.make_submenu(parent, symbol);
            let direct = self.model.symbol(symbol).direct;
            let depends = self.model.menu(parent).depends;
            self.model.symbols[symbol.index()].direct = self.model.expressions.or_maybe(direct, depends);
        }
        self.flatten(parent, choice);
        if let Some(symbol) = symbol {
            self.check_once(parent, symbol);
            self.keep_choice_set(parent, symbol);
        }
    }

    fn finalize_children(&mut self, parent: MenuId, choice: Option<SymbolId>) {
        let around = match choice.filter(|_| !self.model.dialect.plain_choices()) {
            Some(choice) => {
                self.share_type(parent, choice);
                Some(self.model.expressions.symbol(choice))
            }
            None => self.model.menu(parent).depends,
        };
        let mut next = self.model.menu(parent).first;
        while let Some(menu) = next {
            self.finalize_node(menu, around);
            next = self.model.menu(menu).next;
        }
        let mut next = self.model.menu(parent).first;
        while let Some(menu) = next {
            self.finalize_below(menu, choice.is_some());
            next = self.model.menu(menu).next;
        }
    }

    /// Before 6.11: a choice without a type takes that of its first member with one, and the members take the choice's.
    fn share_type(&mut self, parent: MenuId, choice: SymbolId) {
        let children: Vec<MenuId> = self.model.children(parent).collect();
        let kind_of = |this: &Self, menu: MenuId| {
            this.model.menu(menu).symbol.map(|symbol| this.model.symbol(symbol).kind)
        };
        if self.model.symbol(choice).kind == SymbolType::Unknown {
            self.entry = parent;
            let mut kinds = children.iter().filter_map(|&menu| kind_of(self, menu));
            let first = kinds.find(|&kind| kind != SymbolType::Unknown);
            if let Some(kind) = first {
                self.set_type(kind);
            }
        }
        for menu in children {
            self.entry = menu;
            if kind_of(self, menu) == Some(SymbolType::Unknown) {
                self.set_type(self.model.symbol(choice).kind);
            }
        }
    }

    fn finalize_node(&mut self, menu: MenuId, around: Option<ExpressionId>) {
        let own = self.model.menu(menu).depends;
        let base = self.complete(around, own);
        self.model.menus[menu.index()].depends = base;
        match self.model.menu(menu).symbol {
            Some(symbol) => {
                for index in 0..self.model.symbol(symbol).properties.len() {
                    let id = self.model.symbol(symbol).properties[index];
                    if self.model.property(id).menu == menu {
                        self.finalize_property(id, Some(symbol), base);
                    }
                }
            }
            None => {
                if let Some(prompt) = self.model.menu(menu).prompt {
                    self.finalize_property(prompt, None, base);
                }
            }
        }
    }

    fn finalize_property(&mut self, id: PropertyId, symbol: Option<SymbolId>, base: Option<ExpressionId>) {
        let own = self.model.property(id).condition;
        let condition = self.complete(base, own);
        self.model.properties[id.index()].condition = condition;
        let kind = self.model.property(id).kind;
        if !matches!(kind, PropertyKind::Select | PropertyKind::Imply) {
            return;
        }
        let (Some(symbol), Some(value)) = (symbol, self.model.property(id).value) else { return };
        let Expression::Symbol(target) = self.model.expressions.get(value) else { return };
        let expressions = &mut self.model.expressions;
        let by = expressions.symbol(symbol);
        let condition = condition.map(|condition| expressions.copy(condition));
        let both = expressions.and_maybe(Some(by), condition);
        let target = &mut self.model.symbols[target.index()];
        let reverse = if kind == PropertyKind::Select { &mut target.reverse } else { &mut target.implied };
        *reverse = expressions.or_maybe(*reverse, both);
    }

    /// The entries after a symbol that depend on it go below it.
    fn make_submenu(&mut self, parent: MenuId, symbol: SymbolId) {
        let prompt = self.model.menu(parent).prompt;
        let base = prompt.and_then(|prompt| self.model.property(prompt).condition);
        let mut base_compared = None;
        let mut last = None;
        let mut next = self.model.menu(parent).next;
        while let Some(menu) = next {
            let condition = match self.model.menu(menu).prompt {
                Some(prompt) => self.model.property(prompt).condition,
                None => self.model.menu(menu).depends,
            };
            if !self.model.expressions.contains(condition, symbol) {
                break;
            }
            if !self.model.expressions.depends_on(condition, symbol) {
                let base = match base_compared {
                    Some(base) => base,
                    None => *base_compared.insert(self.compared_with_no(base)),
                };
                let mut condition = self.compared_with_no(condition);
                let mut rest = self.model.expressions.copy(base);
                self.model.expressions.eliminate_equal(&mut condition, &mut rest);
                if !self.model.expressions.is_yes(Some(rest)) {
                    break;
                }
            }
            self.finalize_below(menu, false);
            self.model.menus[menu.index()].parent = Some(parent);
            last = Some(menu);
            next = self.model.menu(menu).next;
        }
        if let Some(last) = last {
            self.model.menus[parent.index()].first = self.model.menu(parent).next;
            self.model.menus[parent.index()].next = self.model.menu(last).next;
            self.model.menus[last.index()].next = None;
        }
    }

    fn compared_with_no(&mut self, id: Option<ExpressionId>) -> ExpressionId {
        let compared = self.model.expressions.compare_all(id, Comparison::Unequal, NO);
        let transformed = simplify!(self, transform, Some(compared));
        simplify!(self, eliminate_duplicates, transformed).unwrap_or(compared)
    }

    /// What lies in an `if`, or below a symbol without a prompt, moves up behind it. Before 6.11, choice members are also
    /// made known here.
    fn flatten(&mut self, parent: MenuId, choice: Option<SymbolId>) {
        let legacy_choice = choice.filter(|_| !self.model.dialect.plain_choices());
        let mut next = self.model.menu(parent).first;
        while let Some(menu) = next {
            if let (Some(choice), Some(member)) = (legacy_choice, self.model.menu(menu).symbol)
                && self.model.symbol(member).choice.is_none()
            {
                self.add_member(menu, member, choice);
            }
            if let Some(first) = self.model.menu(menu).first
                && self.model.menu(menu).prompt.is_none()
            {
                let mut last = first;
                self.model.menus[last.index()].parent = Some(parent);
                while let Some(sibling) = self.model.menu(last).next {
                    last = sibling;
                    self.model.menus[last.index()].parent = Some(parent);
                }
                self.model.menus[last.index()].next = self.model.menu(menu).next;
                self.model.menus[menu.index()].next = Some(first);
                self.model.menus[menu.index()].first = None;
            }
            next = self.model.menu(menu).next;
        }
    }

    /// Before 6.11: marks a member of a choice and checks it.
    fn add_member(&mut self, menu: MenuId, member: SymbolId, choice: SymbolId) {
        self.model.symbols[member.index()].choice = Some(choice);
        if self.model.menu(menu).prompt.is_none() {
            self.warn_menu(menu, "choice value must have a prompt");
        }
        let properties = self.model.symbol(member).properties.clone();
        for &id in &properties {
            let property = self.model.property(id);
            let (kind, at) = (property.kind, property.menu);
            if kind == PropertyKind::Default {
                self.warn_property(id, "defaults for choice values not supported");
            }
            let around = self.model.menu(at).parent.and_then(|parent| self.model.menu(parent).symbol);
            if at != menu && kind == PropertyKind::Prompt && around != Some(choice) {
                self.warn_property(id, "choice value used outside its choice group");
            }
        }
        let tristate = |id: SymbolId| self.model.symbol(id).kind == SymbolType::Tristate;
        if tristate(choice) && !tristate(member) {
            let expressions = &mut self.model.expressions;
            let set = expressions.compare(Comparison::Equal, choice, YES);
            let depends = &mut self.model.menus[menu.index()].depends;
            *depends = expressions.and_maybe(Some(set), *depends);
            for id in properties {
                let property = &mut self.model.properties[id.index()];
                if property.menu == menu {
                    let set = expressions.copy(set);
                    property.condition = expressions.and_maybe(Some(set), property.condition);
                }
            }
        }
        self.model.symbols[choice.index()].members.push(member);
    }

    fn check_once(&mut self, parent: MenuId, symbol: SymbolId) {
        if std::mem::replace(&mut self.model.symbols[symbol.index()].warned, true) {
            return;
        }
        if self.model.symbol(symbol).kind == SymbolType::Unknown {
            self.warn_menu(parent, "config symbol defined without type");
        }
        let choice = self.model.symbol(symbol).is_choice;
        if choice && !self.model.dialect.plain_choices() && self.model.menu(parent).prompt.is_none() {
            self.warn_menu(parent, "choice must have a prompt");
        }
        self.check_properties(symbol);
    }

    /// Before 6.11: a choice that is visible and not optional is at least m, as if it were selected.
    fn keep_choice_set(&mut self, parent: MenuId, symbol: SymbolId) {
        let Some(prompt) = self.model.menu(parent).prompt else { return };
        if self.model.dialect.plain_choices() || self.model.symbol(symbol).optional {
            return;
        }
        let condition = self.model.property(prompt).condition;
        let expressions = &mut self.model.expressions;
        let module = expressions.symbol(MODULE);
        let both = expressions.and_maybe(condition, Some(module));
        let reverse = &mut self.model.symbols[symbol.index()].reverse;
        *reverse = expressions.or_maybe(*reverse, both);
    }

    /// `sym_check_prop()`
    fn check_properties(&mut self, symbol: SymbolId) {
        for id in self.model.symbol(symbol).properties.clone() {
            match self.model.property(id).kind {
                PropertyKind::Default => self.check_default(symbol, id),
                PropertyKind::Select | PropertyKind::Imply => self.check_select(symbol, id),
                PropertyKind::Range => self.check_range(symbol, id),
                _ => {}
            }
        }
    }

    fn single_symbol(&self, id: PropertyId) -> Option<SymbolId> {
        match self.model.expressions.get(self.model.property(id).value?) {
            Expression::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    fn check_default(&mut self, symbol: SymbolId, id: PropertyId) {
        let kind = self.model.symbol(symbol).kind;
        let name = self.model.name(symbol).to_string();
        let Some(value) = self.single_symbol(id) else {
            if matches!(kind, SymbolType::String | SymbolType::Int | SymbolType::Hex) {
                let text = format!("default for config symbol '{name}' must be a single symbol");
                self.warn_property(id, &text);
            }
            return;
        };
        if matches!(kind, SymbolType::Int | SymbolType::Hex) && !self.is_number(symbol, value) {
            self.warn_property(id, &format!("'{name}': number is invalid"));
        }
        if self.model.symbol(symbol).is_choice {
            let choice = match self.model.dialect.plain_choices() {
                true => self.model.choice_menu(value).and_then(|menu| self.model.menu(menu).symbol),
                false => self.model.symbol(value).choice,
            };
            if choice != Some(symbol) {
                let name = self.model.name(value);
                let text = format!("choice default symbol '{name}' is not contained in the choice");
                self.warn_property(id, &text);
            }
        }
    }

    fn check_select(&mut self, symbol: SymbolId, id: PropertyId) {
        let word = if self.model.property(id).kind == PropertyKind::Select { "select" } else { "imply" };
        let name = self.model.name(symbol).to_string();
        if !self.model.symbol(symbol).kind.is_logical() {
            let text = format!("config symbol '{name}' uses {word}, but is not bool or tristate");
            self.warn_property(id, &text);
            return;
        }
        let Some(target) = self.single_symbol(id) else { return };
        let kind = self.model.symbol(target).kind;
        if kind != SymbolType::Unknown && !kind.is_logical() {
            let name = self.model.name(target);
            let text =
                format!("'{name}' has wrong type. '{word}' only accept arguments of bool and tristate type");
            self.warn_property(id, &text);
        }
    }

    fn check_range(&mut self, symbol: SymbolId, id: PropertyId) {
        if !matches!(self.model.symbol(symbol).kind, SymbolType::Int | SymbolType::Hex) {
            self.warn_property(id, "range is only allowed for int or hex symbols");
        }
        let Some(value) = self.model.property(id).value else { return };
        let Expression::Range(low, high) = self.model.expressions.get(value) else { return };
        if !self.is_number(symbol, low) || !self.is_number(symbol, high) {
            self.warn_property(id, "range is invalid");
        }
    }

    /// `menu_validate_number()`
    fn is_number(&self, symbol: SymbolId, value: SymbolId) -> bool {
        let other = self.model.symbol(value);
        match other.kind {
            SymbolType::Int | SymbolType::Hex => true,
            SymbolType::Unknown => {
                crate::value::is_valid(self.model.symbol(symbol).kind, self.model.name(value))
            }
            _ => false,
        }
    }
}
