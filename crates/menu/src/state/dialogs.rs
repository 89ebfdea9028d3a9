//! Keys where something is typed, read or asked (kernel: `conf_string()`, `conf_save()`, `conf_load()`, `search_conf()` and
//! `handle_exit()` of scripts/kconfig/mconf.c).

use kconfig::{MenuId, SymbolId, SymbolType, Tristate};

use super::menus::{moved, search_input};
use super::{Effect, End, Focus, InputScreen, Next, Purpose, Screen, State, TextScreen, text_screen};
use crate::input::Line;
use crate::key::Key;
use crate::search;
use crate::text_box::TextBox;
use crate::{layout, reason, words};

impl State<'_> {
    pub(super) fn value_input(&mut self, menu: MenuId) -> Screen {
        let title = self.title_of(menu).to_string();
        let symbol = self.configuration.model().menu(menu).symbol;
        let value = symbol.map(|id| self.configuration.text(id).to_string()).unwrap_or_default();
        let kind = symbol.map(|id| self.configuration.model().symbol(id).kind);
        let mut words = match kind {
            Some(SymbolType::Int) => words::INT,
            Some(SymbolType::Hex) => words::HEX,
            _ => words::STRING,
        }
        .to_string();
        if let Some((low, high)) = symbol.and_then(|id| reason::range(&mut self.configuration, id)) {
            words.push_str(&format!(" From {low} to {high}."));
        }
        input(Purpose::Value(menu), title, words, &value)
    }

    pub(super) fn file_input(&mut self, purpose: Purpose) -> Screen {
        let (title, words) = match purpose {
            Purpose::Save => ("Save", words::SAVE),
            _ => ("Load", words::LOAD),
        };
        input(purpose, title.into(), words.into(), &self.name)
    }

    pub(super) fn need_input(&mut self, id: SymbolId) -> Screen {
        let kind = self.configuration.type_now(id);
        let value = match kind.is_logical() {
            true if self.configuration.logical(id) == Tristate::Yes => "n".to_string(),
            true => "y".to_string(),
            false => self.configuration.text(id).to_string(),
        };
        let title = format!("What {} needs", self.configuration.model().name(id));
        input(Purpose::Need(id), title, words::NEED.into(), &value)
    }

    pub(super) fn input_key(&mut self, screen: &mut InputScreen, key: Key) -> Next {
        if screen.focus == Focus::Line && self.is_letter_wanted(screen.purpose, key) {
            screen.line = Line::default();
        }
        if screen.focus == Focus::Line && screen.line.key(key) {
            return Next::Stay;
        }
        match (key, key.lower()) {
            (Key::Tab | Key::Down | Key::Right, _) => {
                screen.focus = match screen.focus {
                    Focus::Line => Focus::Ok,
                    Focus::Ok => Focus::Help,
                    Focus::Help => Focus::Line,
                }
            }
            (Key::BackTab | Key::Up | Key::Left, _) => {
                screen.focus = match screen.focus {
                    Focus::Line => Focus::Help,
                    Focus::Ok => Focus::Line,
                    Focus::Help => Focus::Ok,
                }
            }
            (Key::Enter, _) | (_, Some(' ')) if screen.focus == Focus::Help => {
                return self.input_help(screen);
            }
            (Key::Enter, _) | (_, Some(' ' | 'o')) => return self.accept(screen),
            (_, Some('h')) => return self.input_help(screen),
            (_, Some('x')) => return Next::Close,
            _ => {}
        }
        Next::Stay
    }

    /// Whether the key is the whole of what is to be typed: y, m or n.
    fn is_letter_wanted(&self, purpose: Purpose, key: Key) -> bool {
        let Purpose::Need(id) = purpose else { return false };
        let is_logical = self.configuration.model().symbol(id).kind.is_logical();
        is_logical && matches!(key, Key::Character(_))
    }

    fn input_help(&mut self, screen: &InputScreen) -> Next {
        let text = match screen.purpose {
            Purpose::Value(menu) => return self.help_on(Some(menu)),
            Purpose::Search => words::SEARCH_HELP,
            Purpose::Save => words::SAVE_HELP,
            Purpose::Load => words::LOAD_HELP,
            Purpose::Need(_) => words::NEED_HELP,
        };
        Next::Open(Screen::Text(text_screen(TextBox::new(&screen.title, text))))
    }

    fn accept(&mut self, screen: &InputScreen) -> Next {
        let typed = screen.line.text();
        match screen.purpose {
            Purpose::Value(menu) => self.accept_value(menu, &typed),
            Purpose::Search => {
                let found = search::search(&mut self.configuration, &typed);
                let query = Some((typed.trim().to_string(), self.changes));
                Next::Replace(Screen::Text(TextScreen { query, ..text_screen(found) }))
            }
            Purpose::Save | Purpose::Load if typed.is_empty() => Next::Close,
            Purpose::Save => Next::CloseAndDo(self.save(&typed)),
            Purpose::Load => Next::CloseAndDo(Effect::Load { name: typed }),
            Purpose::Need(id) => self.accept_need(id, &typed),
        }
    }

    fn accept_value(&mut self, menu: MenuId, typed: &str) -> Next {
        let Some(id) = self.configuration.model().menu(menu).symbol else { return Next::Close };
        let is_text = self.configuration.model().symbol(id).kind == SymbolType::String;
        let typed = if is_text { typed } else { typed.trim() };
        if !self.configuration.set_text(id, typed) {
            self.message = Some(reason::text_refusal(&mut self.configuration, id, typed));
            return Next::Stay;
        }
        self.set();
        Next::Close
    }

    fn accept_need(&mut self, id: SymbolId, typed: &str) -> Next {
        let model = self.configuration.model();
        let kind = model.symbol(id).kind;
        let value = if kind == SymbolType::String { typed } else { typed.trim() };
        let value = if kind.is_logical() { value.to_ascii_lowercase() } else { value.to_string() };
        let possible = match kind {
            SymbolType::Boolean => matches!(value.as_str(), "y" | "n"),
            SymbolType::Tristate => matches!(value.as_str(), "y" | "m" | "n"),
            SymbolType::Unknown => false,
            _ => kconfig::is_valid_value(kind, &value),
        };
        if !possible {
            self.message = Some(match kind {
                SymbolType::Unknown => format!("{} has no type: nothing defines it", model.name(id)),
                SymbolType::Boolean => "y or n".into(),
                SymbolType::Tristate => "y, m or n".into(),
                _ => format!("\"{value}\" is no value of type {}", kind.name()),
            });
            return Next::Stay;
        }
        Next::CloseAndDo(Effect::Need { symbol: id, value })
    }

    /// Search results made before something was set are made again.
    pub(super) fn refresh_search(&mut self, screen: &mut TextScreen) {
        let Some((query, at)) = &mut screen.query else { return };
        if std::mem::replace(at, self.changes) != self.changes {
            let found = search::search(&mut self.configuration, query);
            screen.text.renew(found);
        }
    }

    pub(super) fn text_key(&mut self, screen: &mut TextScreen, key: Key) -> Next {
        let height = layout::text(self.size).height();
        let applies = !screen.changes.is_empty();
        if applies && let Some(button) = moved(screen.button, key, 2) {
            screen.button = button;
            return Next::Stay;
        }
        if screen.text.key(key, height) {
            return Next::Stay;
        }
        match (key, key.lower()) {
            (Key::Enter, _) if applies && screen.button == 0 => self.apply(screen),
            (_, Some('a')) if applies => self.apply(screen),
            (Key::Enter, _) | (_, Some('e' | 'x' | 'q')) => Next::Close,
            (_, Some('/')) => Next::Open(search_input()),
            (Key::Character(digit @ '1'..='9'), _) => match screen.text.target(digit, height) {
                Some(target) => {
                    let around = self.configuration.model().menu(target).parent;
                    Next::Open(self.menu(around.unwrap_or(target), Some(target)))
                }
                None => Next::Stay,
            },
            (_, Some(letter @ ('w' | '='))) => match screen.text.symbol() {
                Some(symbol) => self.ask(letter, symbol),
                None => Next::Stay,
            },
            _ => Next::Stay,
        }
    }

    /// Sets what an answer asks for.
    fn apply(&mut self, screen: &mut TextScreen) -> Next {
        let changes = std::mem::take(&mut screen.changes);
        let count = changes.len();
        changes.into_iter().for_each(|(id, value)| self.configuration.assign(id, value));
        self.configuration.invalidate();
        self.set();
        self.message = Some(format!("{count} {} set", if count == 1 { "option" } else { "options" }));
        Next::Close
    }

    pub(super) fn question_key(&mut self, button: &mut usize, key: Key) -> Next {
        if let Some(moved) = moved(*button, key, 2) {
            *button = moved;
            return Next::Stay;
        }
        let yes = match (key, key.lower()) {
            (_, Some('y')) => true,
            (_, Some('n')) => false,
            (Key::Enter, _) | (_, Some(' ')) => *button == 0,
            _ => return Next::Stay,
        };
        if !yes {
            return Next::Do(Effect::End(End::Discarded));
        }
        self.leaving = true;
        let name = self.name.clone();
        Next::CloseAndDo(self.save(&name))
    }
}

fn input(purpose: Purpose, title: String, words: String, value: &str) -> Screen {
    Screen::Input(InputScreen { purpose, title, words, line: Line::new(value), focus: Focus::Line })
}
