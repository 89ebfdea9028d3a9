//! Keys in menus and choices (kernel: `conf()` and `conf_choice()` of scripts/kconfig/mconf.c, `dialog_menu()` and
//! `dialog_checklist()` of lxdialog).

use kconfig::{MenuId, PropertyKind, SymbolId, Tristate};

use super::{
    ChoiceScreen, Effect, Focus, InputScreen, MenuScreen, Next, PLAIN_CHOICES, Purpose, Screen, State,
    text_screen,
};
use crate::input::Line;
use crate::key::Key;
use crate::list::List;
use crate::reason;
use crate::rows::{self, Kind, Row};
use crate::text_box::TextBox;
use crate::{layout, words};

/// Select, Exit, Help, Save, Load.
const MENU_BUTTONS: usize = 5;

impl State<'_> {
    pub(super) fn refresh_menu(&mut self, screen: &mut MenuScreen, height: usize) {
        screen.rows = rows::rows(&mut self.configuration, screen.menu, self.show_hidden);
        let active = screen.active.and_then(|active| screen.rows.iter().rposition(|row| row.menu == active));
        let cursor = active.unwrap_or(screen.list.cursor);
        screen.list.place(cursor, screen.rows.len(), height);
        screen.active = screen.rows.get(screen.list.cursor).map(|row| row.menu);
        match screen.active {
            Some(menu) => self.describe(menu),
            None => self.status = words::EMPTY.into(),
        }
    }

    pub(super) fn menu_key(&mut self, screen: &mut MenuScreen, key: Key) -> Next {
        let height = layout::large(self.size, words::MENU).height();
        if jump_to_hotkey(screen, key, height) || screen.list.key(key, screen.rows.len(), height) {
            screen.active = screen.rows.get(screen.list.cursor).map(|row| row.menu);
            return Next::Stay;
        }
        if let Some(button) = moved(screen.button, key, MENU_BUTTONS) {
            screen.button = button;
            return Next::Stay;
        }
        let row = screen.rows.get(screen.list.cursor).cloned();
        let button = std::mem::take(&mut screen.button);
        match (key, key.lower()) {
            (Key::Enter, _) => match button {
                0 => row.map_or(Next::Stay, |row| self.select(&row)),
                1 => Next::Close,
                2 => self.help_on(row.map(|row| row.menu)),
                3 => Next::Open(self.file_input(Purpose::Save)),
                _ => Next::Open(self.file_input(Purpose::Load)),
            },
            (_, Some('e' | 'x')) => Next::Close,
            (_, Some('h' | '?')) => self.help_on(row.map(|row| row.menu)),
            (_, Some('/')) => Next::Open(search_input()),
            (_, Some('z')) => {
                self.show_hidden = !self.show_hidden;
                let now = if self.show_hidden { "shown" } else { "hidden again" };
                self.message = Some(format!("What cannot be set now is {now}"));
                Next::Stay
            }
            (_, Some(letter)) => row.map_or(Next::Stay, |row| self.letter(&row, letter)),
            _ => Next::Stay,
        }
    }

    /// A letter that does something to a line.
    fn letter(&mut self, row: &Row, letter: char) -> Next {
        let symbol = self.configuration.model().menu(row.menu).symbol;
        match (letter, symbol) {
            ('y' | 's', Some(id)) => self.change(row, id, Tristate::Yes),
            ('m', Some(id)) => self.change(row, id, Tristate::Module),
            ('n', Some(id)) => self.change(row, id, Tristate::No),
            (' ', Some(id)) => return self.toggle(row, id),
            (' ', None) => return self.select(row),
            ('w' | '=', Some(id)) => return self.ask(letter, id),
            ('y' | 's' | 'm' | 'n' | 'w' | '=', None) => {
                self.message = Some("This line is no option".into());
            }
            _ => {}
        }
        Next::Stay
    }

    /// `w` and `=` on a symbol.
    pub(super) fn ask(&mut self, letter: char, id: SymbolId) -> Next {
        let id = match self.configuration.model().symbol(id).name {
            Some(_) => Some(id),
            // A choice: the member that is set.
            None => self.menu_of(id).and_then(|menu| self.configuration.selected_member(menu)),
        };
        let Some(id) = id else {
            self.message = Some("None of this choice is set".into());
            return Next::Stay;
        };
        match letter {
            'w' => Next::Do(Effect::Why(id)),
            _ => Next::Open(self.need_input(id)),
        }
    }

    fn menu_of(&self, id: SymbolId) -> Option<MenuId> {
        self.configuration.model().first_entry(id)
    }

    fn is_legacy(&self) -> bool {
        self.configuration.model().dialect() < PLAIN_CHOICES
    }

    fn is_choice(&self, id: SymbolId) -> bool {
        self.configuration.model().symbol(id).is_choice
    }

    fn change(&mut self, row: &Row, id: SymbolId, value: Tristate) {
        match row.kind {
            Kind::Toggle if self.is_choice(id) && !self.is_legacy() => {
                self.message = Some("A choice: Enter shows what it may be".into());
            }
            Kind::Toggle => self.change_logical(id, value),
            Kind::Text => self.message = Some("A number or text: Enter changes it".into()),
            Kind::Menu | Kind::Inert => self.message = Some("This line cannot be changed here".into()),
        }
    }

    fn change_logical(&mut self, id: SymbolId, value: Tristate) {
        self.configuration.logical(id);
        if self.configuration.set_logical(id, value) {
            self.set();
        } else if value == Tristate::Yes && self.configuration.set_logical(id, Tristate::Module) {
            self.set();
            self.message = Some(words::ONLY_MODULE.into());
        } else {
            self.message = Some(reason::refusal(&mut self.configuration, id, value));
        }
    }

    fn toggle(&mut self, row: &Row, id: SymbolId) -> Next {
        if row.kind != Kind::Toggle {
            return self.select(row);
        }
        if self.is_choice(id) && !self.is_legacy() {
            return self.select(row);
        }
        let before = self.configuration.logical(id);
        let after = self.configuration.toggle(id);
        self.set();
        if after == before {
            if self.is_choice(id) {
                return self.select(row);
            }
            let wanted = if before == Tristate::Yes { Tristate::No } else { Tristate::Yes };
            self.message = Some(reason::refusal(&mut self.configuration, id, wanted));
        }
        Next::Stay
    }

    /// Enter on a line.
    fn select(&mut self, row: &Row) -> Next {
        let model = self.configuration.model();
        let node = model.menu(row.menu);
        let is_menu = node.prompt.is_some_and(|prompt| model.property(prompt).kind == PropertyKind::Menu);
        match (row.kind, node.symbol) {
            (Kind::Menu, _) => Next::Open(self.menu(row.menu, None)),
            (Kind::Text, Some(_)) => Next::Open(self.value_input(row.menu)),
            (Kind::Toggle, Some(id)) if self.is_choice(id) => {
                match !self.is_legacy() || self.configuration.logical(id) == Tristate::Yes {
                    true => Next::Open(self.choice(row.menu)),
                    false => Next::Stay,
                }
            }
            (Kind::Toggle, Some(_)) if is_menu => Next::Open(self.menu(row.menu, None)),
            (Kind::Toggle, _) => {
                self.message = Some("Y, M, N or Space changes it".into());
                Next::Stay
            }
            _ => Next::Stay,
        }
    }

    pub(super) fn help_on(&mut self, menu: Option<MenuId>) -> Next {
        let model = self.configuration.model();
        let text = match menu.filter(|&menu| model.menu(menu).symbol.is_some()) {
            Some(menu) => {
                let text = self.relations.help(&mut self.configuration, menu);
                TextBox::new(self.title_of(menu), &text)
            }
            None => TextBox::new("Keys and marks", words::README),
        };
        Next::Open(Screen::Text(text_screen(text)))
    }

    fn choice(&mut self, menu: MenuId) -> Screen {
        let mut screen = ChoiceScreen { menu, rows: Vec::new(), list: List::default(), button: 0 };
        self.refresh_choice(&mut screen);
        let set = screen.rows.iter().position(|row| row.2).unwrap_or(0);
        screen.list.cursor = set;
        Screen::Choice(screen)
    }

    pub(super) fn refresh_choice(&mut self, screen: &mut ChoiceScreen) {
        let model = self.configuration.model();
        let selected = self.configuration.selected_member(screen.menu);
        screen.rows.clear();
        for child in model.children(screen.menu) {
            if !self.configuration.is_menu_visible(child) {
                continue;
            }
            let title = model.prompt_text(child).unwrap_or_default();
            let symbol = model.menu(child).symbol;
            let text = if symbol.is_some() { title.to_string() } else { format!("*** {title} ***") };
            screen.rows.push((child, text, symbol.is_some() && symbol == selected));
        }
        let height = self.layout_of(&Screen::Choice(screen.clone())).height();
        screen.list.place(screen.list.cursor, screen.rows.len(), height);
        if let Some(&(menu, ..)) = screen.rows.get(screen.list.cursor) {
            self.describe(menu);
        }
    }

    pub(super) fn choice_key(&mut self, screen: &mut ChoiceScreen, key: Key) -> Next {
        let height = self.layout_of(&Screen::Choice(screen.clone())).height();
        let count = screen.rows.len();
        if let Some(letter) = key.lower().filter(|&letter| letter != 'w') {
            let first = |at: &usize| screen.rows[*at].1.to_ascii_lowercase().starts_with(letter);
            let from = screen.list.cursor;
            if let Some(at) = (from + 1..count).chain(0..from).find(first) {
                screen.list.place(at, count, height);
                return Next::Stay;
            }
        }
        if screen.list.key(key, count, height) {
            return Next::Stay;
        }
        if let Some(button) = moved(screen.button, key, 2) {
            screen.button = button;
            return Next::Stay;
        }
        let row = screen.rows.get(screen.list.cursor).map(|row| row.0);
        let symbol = row.and_then(|row| self.configuration.model().menu(row).symbol);
        match (key, key.lower()) {
            (_, Some('h' | '?')) => self.help_on(row.or(Some(screen.menu))),
            (Key::Enter, _) | (_, Some(' ' | 's')) => match (screen.button, symbol) {
                (1, _) => self.help_on(row.or(Some(screen.menu))),
                (_, Some(id)) => {
                    match self.configuration.choose_member(screen.menu, id) {
                        true => self.set(),
                        false => {
                            self.message = Some(reason::refusal(&mut self.configuration, id, Tristate::Yes));
                        }
                    }
                    Next::Close
                }
                (_, None) => Next::Close,
            },
            (_, Some('x')) => Next::Close,
            (_, Some(letter @ ('w' | '='))) => symbol.map_or(Next::Stay, |id| self.ask(letter, id)),
            _ => Next::Stay,
        }
    }
}

/// Goes to the next line of those seen that has the letter; false if none has, or the letter does something else.
fn jump_to_hotkey(screen: &mut MenuScreen, key: Key, height: usize) -> bool {
    let Some(letter) = key.lower().filter(char::is_ascii_alphabetic) else { return false };
    let (start, end) = (screen.list.scroll, (screen.list.scroll + height).min(screen.rows.len()));
    let has_it =
        |&at: &usize| rows::hotkey(&screen.rows[at].text).is_some_and(|(_, hotkey)| hotkey == letter);
    let found = (screen.list.cursor + 1..end).chain(start..end).find(has_it);
    screen.list.cursor = found.unwrap_or(screen.list.cursor);
    found.is_some()
}

/// Which of `count` buttons is marked after the key; nothing if the key moves none.
pub(super) fn moved(button: usize, key: Key, count: usize) -> Option<usize> {
    match key {
        Key::Right | Key::Tab => Some((button + 1) % count),
        Key::Left | Key::BackTab => Some((button + count - 1) % count),
        _ => None,
    }
}

pub(super) fn search_input() -> Screen {
    Screen::Input(InputScreen {
        purpose: Purpose::Search,
        title: "Search Configuration Parameter".into(),
        words: words::SEARCH.into(),
        line: Line::default(),
        focus: Focus::Line,
    })
}
