//! The lines of a menu, to the letter as menuconfig shows them (kernel: `build_conf()` of scripts/kconfig/mconf.c).

use kconfig::{Configuration, Dialect, MenuId, PropertyKind, SymbolId, SymbolType, Tristate};

/// What can be done with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A menu to go into.
    Menu,
    /// A bool, tristate or choice.
    Toggle,
    /// A number or text.
    Text,
    /// Nothing.
    Inert,
}

/// A line of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub menu: MenuId,
    pub text: String,
    pub kind: Kind,
    /// Shown only because hidden ones are.
    pub hidden: bool,
}

/// The lines of a menu; `show_hidden` adds those whose conditions do not hold.
pub(crate) fn rows(configuration: &mut Configuration<'_>, menu: MenuId, show_hidden: bool) -> Vec<Row> {
    let mut builder = Builder { configuration, current: menu, show_hidden, indent: 0, rows: Vec::new() };
    builder.build(menu);
    builder.rows
}

/// Whether nothing of a menu can be seen (`menu_is_empty()` of menu.c).
fn is_empty(configuration: &mut Configuration<'_>, menu: MenuId) -> bool {
    let model = configuration.model();
    !model.children(menu).any(|child| configuration.is_menu_visible(child))
}

/// The first dialect whose choices have no value of their own.
const PLAIN_CHOICES: Dialect = Dialect::of(6, 11);

struct Builder<'c, 'm> {
    configuration: &'c mut Configuration<'m>,
    current: MenuId,
    show_hidden: bool,
    indent: usize,
    rows: Vec<Row>,
}

impl Builder<'_, '_> {
    fn build(&mut self, menu: MenuId) {
        let model = self.configuration.model();
        let visible = self.configuration.is_menu_visible(menu);
        let node = model.menu(menu);
        let shown = if self.show_hidden { node.prompt.is_some() } else { visible };
        if !shown {
            return;
        }
        let goes_on = match node.symbol {
            None => self.heading(menu, !visible),
            Some(id) if model.symbol(id).is_choice => self.choice(menu, id, !visible),
            Some(_) if menu == self.current => {
                let text = format!("---{}", self.title(menu));
                self.push(menu, text, Kind::Inert, !visible);
                true
            }
            Some(id) => self.option(menu, id, !visible),
        };
        if goes_on {
            let deeper = if node.symbol.is_none() && menu == self.current { 0 } else { 2 };
            self.indent += deeper;
            model.children(menu).for_each(|child| self.build(child));
            self.indent -= deeper;
        }
    }

    fn push(&mut self, menu: MenuId, text: String, kind: Kind, hidden: bool) {
        self.rows.push(Row { menu, text, kind, hidden });
    }

    /// The prompt, indented.
    fn title(&self, menu: MenuId) -> String {
        let prompt = self.configuration.model().prompt_text(menu).unwrap_or_default();
        format!("{}{prompt}", " ".repeat(self.indent + 1))
    }

    /// A menu or comment; true if what is below stands in the same list.
    fn heading(&mut self, menu: MenuId, hidden: bool) -> bool {
        let model = self.configuration.model();
        let Some(prompt) = model.menu(menu).prompt.filter(|_| menu != self.current) else { return true };
        let title = self.title(menu);
        match model.property(prompt).kind {
            PropertyKind::Menu => {
                let arrow = self.arrow(menu);
                self.push(menu, format!("   {title}  {arrow}"), Kind::Menu, hidden);
                return false;
            }
            PropertyKind::Comment => {
                let blanks = " ".repeat(self.indent + 1);
                self.push(menu, format!("   {blanks}*** {} ***", title.trim_start()), Kind::Inert, hidden);
            }
            _ => self.push(menu, format!("---{title}"), Kind::Inert, hidden),
        }
        true
    }

    fn arrow(&mut self, menu: MenuId) -> &'static str {
        if is_empty(self.configuration, menu) { "----" } else { "--->" }
    }

    fn choice(&mut self, menu: MenuId, id: SymbolId, hidden: bool) -> bool {
        let model = self.configuration.model();
        let selected = self.configuration.selected_member(menu);
        let mut set = None;
        for child in model.children(menu) {
            if self.configuration.is_menu_visible(child)
                && selected.is_some()
                && model.menu(child).symbol == selected
            {
                set = Some(child);
            }
        }
        let legacy = model.dialect() < PLAIN_CHOICES;
        let value = self.configuration.logical(id);
        let changeable = legacy && self.configuration.is_changeable(id);
        let mark = match changeable {
            true => self.brackets(id, value),
            false => "   ".to_string(),
        };
        let kind = if set.is_some() || changeable { Kind::Toggle } else { Kind::Inert };
        let mut text = format!("{mark}{}", self.title(menu));
        let of_member =
            set.and_then(|set| model.prompt_text(set)).filter(|_| !legacy || value == Tristate::Yes);
        if let Some(member) = of_member {
            text.push_str(&format!(" ({member})  --->"));
        }
        self.push(menu, text, kind, hidden);
        if !legacy {
            return false;
        }
        if let Some(set) = set.filter(|&set| value == Tristate::Yes && model.menu(set).first.is_some()) {
            self.indent += 2;
            self.build(set);
            self.indent -= 2;
        }
        value != Tristate::Yes
    }

    /// `[*]`, `<M>`, without regard to who may change it.
    fn brackets(&mut self, id: SymbolId, value: Tristate) -> String {
        let letter = letter(value);
        match self.configuration.type_now(id) {
            SymbolType::Tristate => format!("<{letter}>"),
            _ => format!("[{}]", if value == Tristate::No { ' ' } else { '*' }),
        }
    }

    fn option(&mut self, menu: MenuId, id: SymbolId, hidden: bool) -> bool {
        let model = self.configuration.model();
        let kind = self.configuration.type_now(id);
        let changeable = self.configuration.is_changeable(id);
        let new = match self.configuration.user_value(id).is_none() && changeable {
            true => " (NEW)",
            false => "",
        };
        if !kind.is_logical() {
            let value = format!("({})", self.configuration.text(id));
            // At least one blank, then as far as a mark of three would be.
            let blanks = (self.indent + 4).saturating_sub(value.chars().count()).max(1);
            let prompt = model.prompt_text(menu).unwrap_or_default();
            self.push(menu, format!("{value}{}{prompt}{new}", " ".repeat(blanks)), Kind::Text, hidden);
            return true;
        }
        let value = self.configuration.logical(id);
        let set_by_choice =
            model.dialect() < PLAIN_CHOICES && model.symbol(id).choice.is_some() && value == Tristate::Yes;
        let letter = letter(value);
        let mark = match (kind, changeable) {
            _ if set_by_choice => "   ".to_string(),
            (SymbolType::Tristate, true) if self.configuration.selected(id) == Tristate::Module => {
                format!("{{{letter}}}")
            }
            (_, true) => self.brackets(id, value),
            (SymbolType::Tristate, false) => format!("-{letter}-"),
            (_, false) => format!("-{}-", if value == Tristate::No { ' ' } else { '*' }),
        };
        let row = if set_by_choice { Kind::Inert } else { Kind::Toggle };
        let mut text = format!("{mark}{}{new}", self.title(menu));
        let is_menu = model.menu(menu).prompt.is_some_and(|it| model.property(it).kind == PropertyKind::Menu);
        if is_menu {
            text.push_str("  ");
            text.push_str(self.arrow(menu));
        }
        self.push(menu, text, row, hidden);
        !is_menu
    }
}

fn letter(value: Tristate) -> char {
    match value {
        Tristate::No => ' ',
        Tristate::Module => 'M',
        Tristate::Yes => '*',
    }
}

/// Where the letter stands that jumps to a line, and the letter in lower case: the first that is not in brackets and is no key
/// of its own (`first_alpha()` of lxdialog/util.c, which does not know `w`).
pub(crate) fn hotkey(text: &str) -> Option<(usize, char)> {
    let mut depth = 0_usize;
    for (index, character) in text.chars().enumerate() {
        match character {
            '<' | '[' | '(' => depth += 1,
            '>' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let lower = character.to_ascii_lowercase();
        if depth == 0 && lower.is_ascii_alphabetic() && !"ynmhw".contains(lower) {
            return Some((index, lower));
        }
    }
    None
}
