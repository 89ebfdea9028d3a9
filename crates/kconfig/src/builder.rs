//! Putting a [`Model`] together while its files are read (kernel: scripts/kconfig/menu.c, and `sym_lookup()` of symbol.c).

use std::sync::Arc;

use crate::dialect::Dialect;
use crate::expression::{ExpressionId, Expressions};
use crate::message::Message;
use crate::model::{
    File, FileId, MODULE, Menu, MenuId, Model, NO, Names, Place, Property, PropertyId, PropertyKind, ROOT,
    Symbol, SymbolId, SymbolType, YES, hash_name,
};

/// A model in the making, and the place the reader has reached.
pub(crate) struct Builder {
    pub model: Model,
    /// `current_menu`: new entries go below it.
    pub menu: MenuId,
    /// `current_entry`: options go to it.
    pub entry: MenuId,
    /// `current_choice`
    pub choice: Option<MenuId>,
    /// `modules_sym`
    pub modules: Option<SymbolId>,
    /// The place of the statement being read.
    pub place: Place,
    /// Where the next entry is linked.
    last: Link,
    files: Names<FileId>,
    /// Errors so far (`yynerrs`).
    pub errors: usize,
}

#[derive(Clone, Copy)]
enum Link {
    First(MenuId),
    Next(MenuId),
}

impl Builder {
    pub fn new(dialect: Dialect) -> Builder {
        let place = Place { file: FileId(0), line: 0 };
        let constant = |name: &str| Symbol {
            constant: true,
            kind: SymbolType::Tristate,
            ..empty_symbol(Some(Arc::from(name)), dialect)
        };
        let mut symbols = vec![constant("y"), constant("m"), constant("n")];
        symbols.reserve(20_000);
        let model = Model {
            dialect,
            symbols,
            properties: Vec::with_capacity(65_536),
            menus: vec![empty_menu(None, None, place)],
            files: Vec::new(),
            expressions: Expressions::new(dialect.shared_expressions()),
            plain: Names::with_capacity_and_hasher(32_768, Default::default()),
            constants: Names::default(),
            order: Vec::new(),
            modules: NO,
            choice_menus: Vec::new(),
            has_transitional: false,
            defconfig_list: None,
            environment: Vec::new(),
            messages: Vec::new(),
        };
        Builder {
            model,
            menu: ROOT,
            entry: ROOT,
            choice: None,
            modules: None,
            place,
            last: Link::First(ROOT),
            files: Names::default(),
            errors: 0,
        }
    }

    fn legacy(&self) -> bool {
        !self.model.dialect.plain_choices()
    }

    /// The symbol of a name, made if it is new (`sym_lookup()`).
    pub fn lookup(&mut self, name: &str, constant: bool) -> SymbolId {
        match name {
            "y" => return YES,
            "m" => return MODULE,
            "n" => return NO,
            _ => {}
        }
        let names = if constant { &self.model.constants } else { &self.model.plain };
        if let Some(&id) = names.get(name) {
            return id;
        }
        let id = SymbolId(self.model.symbols.len() as u32);
        let name: Arc<str> = Arc::from(name);
        let mut symbol = empty_symbol(Some(name.clone()), self.model.dialect);
        symbol.constant = constant;
        self.model.symbols.push(symbol);
        let names = if constant { &mut self.model.constants } else { &mut self.model.plain };
        names.insert(name, id);
        id
    }

    /// The symbol of a choice: a new one, or before 6.11 that of the same name.
    pub fn lookup_choice(&mut self, name: Option<&str>) -> SymbolId {
        let known = name.and_then(|name| {
            let mut symbols = self.model.symbols.iter();
            symbols.position(|symbol| symbol.is_choice && symbol.name.as_deref() == Some(name))
        });
        let id = known.map_or(SymbolId(self.model.symbols.len() as u32), |index| SymbolId(index as u32));
        if known.is_none() {
            let mut symbol = empty_symbol(name.map(Arc::from), self.model.dialect);
            symbol.is_choice = true;
            self.model.symbols.push(symbol);
        }
        id
    }

    /// The file of a name; a file that is read twice is one.
    pub fn add_file(&mut self, name: &str, text: Arc<String>) -> FileId {
        if let Some(&known) = self.files.get(name) {
            return known;
        }
        let id = FileId(self.model.files.len() as u32);
        let name: Arc<str> = Arc::from(name);
        self.files.insert(name.clone(), id);
        self.model.files.push(File { name, text });
        id
    }

    pub fn message(&mut self, message: Message) {
        self.model.messages.push(message);
    }

    /// "file:line: text" on standard error.
    pub fn complain_at(&mut self, place: Place, text: &str) {
        let line = format!("{}: {text}\n", self.model.show_place(place));
        self.message(Message::error(line));
    }

    fn warn_at(&mut self, place: Place, text: &str) {
        let line = format!("{}:warning: {text}\n", self.model.show_place(place));
        self.message(Message::error(line));
    }

    /// `menu_add_entry()`
    pub fn add_entry(&mut self, symbol: Option<SymbolId>) {
        let id = MenuId(self.model.menus.len() as u32);
        self.model.menus.push(empty_menu(symbol, Some(self.menu), self.place));
        match self.last {
            Link::First(menu) => self.model.menus[menu.index()].first = Some(id),
            Link::Next(menu) => self.model.menus[menu.index()].next = Some(id),
        }
        self.last = Link::Next(id);
        self.entry = id;
        if let Some(symbol) = symbol {
            self.model.symbols[symbol.index()].menus.push(id);
            if self.legacy() {
                let value = self.model.expressions.symbol(symbol);
                self.add_property(PropertyKind::Symbol, Some(value), None);
            }
        }
    }

    /// `menu_add_menu()`
    pub fn add_menu(&mut self) -> MenuId {
        self.last = Link::First(self.entry);
        self.menu = self.entry;
        self.menu
    }

    /// `menu_end_menu()`
    pub fn end_menu(&mut self) {
        self.last = Link::Next(self.menu);
        if let Some(parent) = self.model.menu(self.menu).parent {
            self.menu = parent;
        }
    }

    /// `menu_add_dep()`
    pub fn add_dependency(&mut self, dependency: ExpressionId) {
        let entry = &mut self.model.menus[self.entry.index()];
        entry.depends = self.model.expressions.and_maybe(entry.depends, Some(dependency));
    }

    /// `menu_add_visibility()`
    pub fn add_visibility(&mut self, condition: Option<ExpressionId>) {
        let entry = &mut self.model.menus[self.entry.index()];
        entry.visibility = self.model.expressions.and_maybe(entry.visibility, condition);
    }

    /// `menu_set_type()`
    pub fn set_type(&mut self, kind: SymbolType) {
        let Some(id) = self.model.menu(self.entry).symbol else { return };
        let symbol = &mut self.model.symbols[id.index()];
        if symbol.kind == SymbolType::Unknown {
            symbol.kind = kind;
        } else if symbol.kind != kind {
            let (before, name) = (symbol.kind.name(), self.model.name(id).to_string());
            let text = format!("ignoring type redefinition of '{name}' from '{before}' to '{}'", kind.name());
            self.warn_at(self.model.menu(self.entry).place, &text);
        }
    }

    /// `menu_add_prop()`
    pub fn add_property(
        &mut self,
        kind: PropertyKind,
        value: Option<ExpressionId>,
        condition: Option<ExpressionId>,
    ) -> PropertyId {
        let id = PropertyId(self.model.properties.len() as u32);
        self.model.properties.push(Property {
            kind,
            text: None,
            condition,
            own_condition: None,
            value,
            menu: self.entry,
            place: self.place,
        });
        if let Some(symbol) = self.model.menu(self.entry).symbol {
            self.model.symbols[symbol.index()].properties.push(id);
        }
        id
    }

    /// `menu_add_prompt()`
    pub fn add_prompt(&mut self, kind: PropertyKind, text: &str, condition: Option<ExpressionId>) {
        let id = self.add_property(kind, None, condition);
        let space = |character: char| matches!(character, ' ' | '\t'..='\r');
        let trimmed = text.trim_start_matches(space);
        if trimmed.len() != text.len() {
            self.warn_at(self.place, "leading whitespace ignored");
        }
        if self.model.menu(self.entry).prompt.is_some() {
            self.warn_at(self.place, "prompt redefined");
        }
        if kind == PropertyKind::Prompt {
            let mut around = self.model.menu(self.entry).parent;
            while let Some(menu) = around {
                if let Some(visibility) = self.model.menu(menu).visibility {
                    let copy = self.model.expressions.copy(visibility);
                    let condition = self.model.properties[id.index()].condition;
                    self.model.properties[id.index()].condition =
                        self.model.expressions.and_maybe(condition, Some(copy));
                }
                around = self.model.menu(menu).parent;
            }
        }
        self.model.menus[self.entry.index()].prompt = Some(id);
        self.model.properties[id.index()].text = Some(Arc::from(trimmed));
    }

    /// `menu_add_symbol()`
    pub fn add_symbol(&mut self, kind: PropertyKind, symbol: SymbolId, condition: Option<ExpressionId>) {
        let value = self.model.expressions.symbol(symbol);
        self.add_property(kind, Some(value), condition);
    }

    /// The C tool's order of symbols: by bucket of its table, the newest of a bucket first.
    pub fn put_in_order(&mut self) {
        let buckets = self.model.dialect.buckets();
        let mut order: Vec<(u32, std::cmp::Reverse<u32>)> = self.model.symbols[3..]
            .iter()
            .zip(3..)
            .map(|(symbol, index)| {
                let bucket = symbol.name.as_deref().map_or(0, |name| hash_name(name) % buckets);
                (bucket, std::cmp::Reverse(index))
            })
            .collect();
        order.sort_unstable();
        self.model.order = order.into_iter().map(|(_, index)| SymbolId(index.0)).collect();
    }

    /// A warning on an entry (`menu_warn()`).
    pub fn warn_menu(&mut self, menu: MenuId, text: &str) {
        self.warn_at(self.model.menu(menu).place, text);
    }

    /// A warning on a property (`prop_warn()`).
    pub fn warn_property(&mut self, property: PropertyId, text: &str) {
        self.warn_at(self.model.property(property).place, text);
    }
}

fn empty_symbol(name: Option<Arc<str>>, dialect: Dialect) -> Symbol {
    Symbol {
        name,
        kind: SymbolType::Unknown,
        constant: false,
        menus: Vec::new(),
        properties: Vec::new(),
        direct: None,
        reverse: None,
        implied: None,
        choice: None,
        members: Vec::new(),
        is_choice: false,
        optional: dialect.plain_choices(),
        warned: false,
        transitional: false,
        allnoconfig_y: false,
    }
}

fn empty_menu(symbol: Option<SymbolId>, parent: Option<MenuId>, place: Place) -> Menu {
    Menu {
        symbol,
        parent,
        around: parent,
        next: None,
        first: None,
        prompt: None,
        visibility: None,
        depends: None,
        own_depends: None,
        help: None,
        place,
    }
}
