//! What a tree of Kconfig files says, once read: symbols, their properties, the menu tree. Nothing in here changes when
//! values do; those are in [`crate::Configuration`].

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::dialect::Dialect;
use crate::expression::{ExpressionId, Expressions};
use crate::message::Message;

/// n, m or y, in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Tristate {
    /// n
    #[default]
    No,
    /// m
    Module,
    /// y
    Yes,
}

impl Tristate {
    /// The letter `.config` has for it.
    pub fn letter(self) -> &'static str {
        match self {
            Tristate::No => "n",
            Tristate::Module => "m",
            Tristate::Yes => "y",
        }
    }

    /// Kconfig's `!`: y and n change places.
    pub(crate) fn inverse(self) -> Tristate {
        match self {
            Tristate::No => Tristate::Yes,
            Tristate::Module => Tristate::Module,
            Tristate::Yes => Tristate::No,
        }
    }
}

/// A symbol's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolType {
    /// Used, but defined nowhere; or a constant.
    Unknown,
    /// `bool`
    Boolean,
    /// `tristate`
    Tristate,
    /// `int`
    Int,
    /// `hex`
    Hex,
    /// `string`
    String,
}

impl SymbolType {
    /// The name the C tool prints (`sym_type_name()` of symbol.c).
    pub fn name(self) -> &'static str {
        match self {
            SymbolType::Unknown => "unknown",
            SymbolType::Boolean => "bool",
            SymbolType::Tristate => "tristate",
            SymbolType::Int => "integer",
            SymbolType::Hex => "hex",
            SymbolType::String => "string",
        }
    }

    /// Whether its values are n, m and y.
    pub fn is_logical(self) -> bool {
        matches!(self, SymbolType::Boolean | SymbolType::Tristate)
    }
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// Its index, counted from 0 in the order of definition.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A symbol of a [`Model`].
    SymbolId
);
id!(
    /// A node of the menu tree of a [`Model`].
    MenuId
);
id!(
    /// A property of a symbol or menu of a [`Model`].
    PropertyId
);
id!(
    /// A Kconfig file of a [`Model`].
    FileId
);

/// The constant y.
pub(crate) const YES: SymbolId = SymbolId(0);
/// The constant m.
pub(crate) const MODULE: SymbolId = SymbolId(1);
/// The constant n.
pub(crate) const NO: SymbolId = SymbolId(2);

/// A line of a Kconfig file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The line, from 1.
    pub line: u32,
}

/// A symbol: what `config NAME` defines, a constant, a name used and never defined, or (without a name) a choice.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// The name; `None` for a choice.
    pub name: Option<Arc<str>>,
    /// The type.
    pub kind: SymbolType,
    /// A quoted text, or y, m, n.
    pub constant: bool,
    /// The entries that define it, in the order of the files.
    pub menus: Vec<MenuId>,
    /// Its properties, in the order of the files.
    pub properties: Vec<PropertyId>,
    /// What it depends on: its entries' dependencies, or-ed.
    pub direct: Option<ExpressionId>,
    /// Who selects it.
    pub reverse: Option<ExpressionId>,
    /// Who implies it.
    pub implied: Option<ExpressionId>,
    /// The choice it is a member of.
    pub choice: Option<SymbolId>,
    /// The members, if it is a choice.
    pub members: Vec<SymbolId>,
    /// A choice (before 6.11 a choice may have a name).
    pub is_choice: bool,
    /// Not a choice, or a choice that may have no member set (before 6.11).
    pub(crate) optional: bool,
    pub(crate) warned: bool,
    /// `transitional`: it hands an old name's value on, and is never written.
    pub transitional: bool,
    /// `option allnoconfig_y` (until 5.12).
    pub(crate) allnoconfig_y: bool,
}

/// What kind of property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyKind {
    /// `prompt`
    Prompt,
    /// `comment`
    Comment,
    /// A menu's or menuconfig's prompt.
    Menu,
    /// `default`
    Default,
    /// `select`
    Select,
    /// `imply`
    Imply,
    /// `range`
    Range,
    /// That an entry stands here (before 6.11).
    Symbol,
}

impl PropertyKind {
    /// The name the C tool prints (`prop_get_type_name()` of symbol.c).
    pub fn name(self) -> &'static str {
        match self {
            PropertyKind::Prompt => "prompt",
            PropertyKind::Comment => "comment",
            PropertyKind::Menu => "menu",
            PropertyKind::Default => "default",
            PropertyKind::Select => "select",
            PropertyKind::Imply => "imply",
            PropertyKind::Range => "range",
            PropertyKind::Symbol => "symbol",
        }
    }
}

/// A line of an entry: prompt, default, select, …
#[derive(Clone, Debug)]
pub struct Property {
    /// What it is.
    pub kind: PropertyKind,
    /// The text of a prompt.
    pub text: Option<Arc<str>>,
    /// When it holds: its `if` and all the dependencies around it.
    pub condition: Option<ExpressionId>,
    /// Its `if` alone, as written.
    pub own_condition: Option<ExpressionId>,
    /// The default's value, the selected symbol, the range.
    pub value: Option<ExpressionId>,
    /// The entry it stands in.
    pub menu: MenuId,
    /// Where it stands.
    pub place: Place,
}

/// A node of the menu tree: an entry, menu, choice, comment or `if`.
#[derive(Clone, Debug)]
pub struct Menu {
    /// The symbol an entry or choice defines.
    pub symbol: Option<SymbolId>,
    /// The node around it in the finished tree.
    pub parent: Option<MenuId>,
    /// The block of the files it stands in: the `menu`, `choice` or `if` around it.
    pub around: Option<MenuId>,
    /// The next on the same level.
    pub next: Option<MenuId>,
    /// The first inside.
    pub first: Option<MenuId>,
    /// Its prompt.
    pub prompt: Option<PropertyId>,
    /// `visible if`
    pub visibility: Option<ExpressionId>,
    /// What it depends on, those around it included.
    pub depends: Option<ExpressionId>,
    /// Its own `depends on` lines as written.
    pub own_depends: Option<ExpressionId>,
    /// The help text's place in its file.
    pub(crate) help: Option<(u32, u32)>,
    /// Where it stands.
    pub place: Place,
}

/// A Kconfig file that was read.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name as `source` gave it.
    pub name: Arc<str>,
    pub(crate) text: Arc<String>,
}

/// FNV-1a, as `hash_str()` of scripts/include/hash.h has it (the C tool's order depends on it), also for our own tables.
#[derive(Clone, Copy)]
pub(crate) struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(2_166_136_261)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }

    fn finish(&self) -> u64 {
        // The table takes its tag from the upper bits.
        u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

pub(crate) type Names<Value> = HashMap<Arc<str>, Value, BuildHasherDefault<Fnv>>;

/// The hash of a symbol's name, as the C tool computes it: its characters are C's `char`, signed or not as on the host.
pub(crate) fn hash_name(name: &str) -> u32 {
    crate::text::encode(name).iter().fold(2_166_136_261, |hash, &byte| {
        let character = i32::from(byte as std::ffi::c_char) as u32;
        (hash ^ character).wrapping_mul(0x0100_0193)
    })
}

/// All that a tree of Kconfig files says.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) dialect: Dialect,
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) properties: Vec<Property>,
    pub(crate) menus: Vec<Menu>,
    pub(crate) files: Vec<File>,
    pub(crate) expressions: Expressions,
    pub(crate) plain: Names<SymbolId>,
    pub(crate) constants: Names<SymbolId>,
    /// The symbols in the C tool's table order.
    pub(crate) order: Vec<SymbolId>,
    pub(crate) modules: SymbolId,
    /// The choice node of each symbol, once the tree is complete.
    pub(crate) choice_menus: Vec<Option<MenuId>>,
    /// Whether any symbol is transitional.
    pub(crate) has_transitional: bool,
    /// `option defconfig_list` (until 5.12).
    pub(crate) defconfig_list: Option<SymbolId>,
    /// Names and values of the environment variables that the files asked for, in the order of asking.
    pub(crate) environment: Vec<(String, String)>,
    /// What was said while reading: warnings, and the output of `$(info …)`.
    pub(crate) messages: Vec<Message>,
}

/// The root of the menu tree.
pub(crate) const ROOT: MenuId = MenuId(0);

impl Model {
    /// The dialect it was read in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A symbol.
    pub fn symbol(&self, id: SymbolId) -> &Symbol {
        &self.symbols[id.index()]
    }

    /// A property.
    pub fn property(&self, id: PropertyId) -> &Property {
        &self.properties[id.index()]
    }

    /// A node of the menu tree.
    pub fn menu(&self, id: MenuId) -> &Menu {
        &self.menus[id.index()]
    }

    /// The expressions.
    pub fn expressions(&self) -> &Expressions {
        &self.expressions
    }

    /// The root of the menu tree.
    pub fn root(&self) -> MenuId {
        ROOT
    }

    /// The symbol that `modules` stands in; the constant n if none.
    pub fn modules(&self) -> SymbolId {
        self.modules
    }

    /// All symbols with their ids, constants and choices included.
    pub fn symbols(&self) -> impl Iterator<Item = (SymbolId, &Symbol)> {
        self.symbols.iter().enumerate().map(|(index, symbol)| (SymbolId(index as u32), symbol))
    }

    /// The symbol of a name, constants apart (`sym_find()` of symbol.c). A name may be known only because something asks for it;
    /// then its type is [`SymbolType::Unknown`].
    pub fn find(&self, name: &str) -> Option<SymbolId> {
        match name {
            "y" => Some(YES),
            "m" => Some(MODULE),
            "n" => Some(NO),
            _ => self.plain.get(name).copied(),
        }
    }

    /// A symbol's name; of a choice "<choice>".
    pub fn name(&self, id: SymbolId) -> &str {
        self.symbol(id).name.as_deref().unwrap_or("<choice>")
    }

    /// The properties of a symbol of one kind.
    pub fn properties_of(
        &self,
        id: SymbolId,
        kind: PropertyKind,
    ) -> impl Iterator<Item = (PropertyId, &Property)> {
        let ids = self.symbol(id).properties.iter();
        ids.map(|&id| (id, self.property(id))).filter(move |(_, property)| property.kind == kind)
    }

    /// The name of a Kconfig file.
    pub fn file(&self, id: FileId) -> &str {
        &self.files[id.index()].name
    }

    /// The lines of a file from `place` on, with their numbers.
    pub fn lines_from(&self, place: Place) -> impl Iterator<Item = (u32, &str)> {
        let skipped = place.line.saturating_sub(1);
        let lines = self.files[place.file.index()].text.lines();
        (1..).zip(lines).skip(skipped as usize)
    }

    /// All files that were read.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| &*file.name)
    }

    /// "file:line"
    pub fn show_place(&self, place: Place) -> String {
        format!("{}:{}", self.file(place.file), place.line)
    }

    /// What was said while reading.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// A menu's children.
    pub fn children(&self, id: MenuId) -> impl Iterator<Item = MenuId> {
        std::iter::successors(self.menu(id).first, |&child| self.menu(child).next)
    }

    /// The next node of a walk in depth through what lies under `root` (`menu_next()` of menu.c).
    pub fn next_below(&self, menu: MenuId, root: MenuId) -> Option<MenuId> {
        let mut menu = menu;
        if let Some(first) = self.menu(menu).first {
            return Some(first);
        }
        while menu != root && self.menu(menu).next.is_none() {
            menu = self.menu(menu).parent?;
        }
        if menu == root { None } else { self.menu(menu).next }
    }

    /// All nodes under `root`, in depth.
    pub fn below(&self, root: MenuId) -> impl Iterator<Item = MenuId> {
        std::iter::successors(self.next_below(root, root), move |&menu| self.next_below(menu, root))
    }

    /// The text of a node's prompt, else its symbol's name (`menu_get_prompt()` of menu.c).
    pub fn prompt_text(&self, id: MenuId) -> Option<&str> {
        let menu = self.menu(id);
        match menu.prompt {
            Some(prompt) => self.property(prompt).text.as_deref(),
            None => menu.symbol.and_then(|symbol| self.symbol(symbol).name.as_deref()),
        }
    }

    /// A node's help text.
    pub fn help(&self, id: MenuId) -> Option<String> {
        let menu = self.menu(id);
        let (start, _) = menu.help?;
        Some(crate::lexer::help_text(&self.files[menu.place.file.index()].text[start as usize..]).0)
    }

    /// The choice node a symbol is a member of.
    pub fn choice_menu_of(&self, id: SymbolId) -> Option<MenuId> {
        self.choice_menus.get(id.index()).copied().flatten()
    }

    /// The choice node a symbol is a member of, looked up in the tree as it is (`sym_get_choice_menu()` of symbol.c): that around its first entry with a
    /// prompt.
    pub(crate) fn choice_menu(&self, id: SymbolId) -> Option<MenuId> {
        let menu = self.symbol(id).menus.iter().copied().find(|&menu| self.menu(menu).prompt.is_some())?;
        let mut around = self.menu(menu).parent;
        while let Some(menu) = around {
            if let Some(symbol) = self.menu(menu).symbol {
                return self.symbol(symbol).is_choice.then_some(menu);
            }
            around = self.menu(menu).parent;
        }
        None
    }
}
