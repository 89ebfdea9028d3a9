//! What is on the screen and what a key does to it. Nothing in here draws, waits, reads or writes: what has to be done outside
//! is an [`Effect`], and its result comes back by a call.

mod dialogs;
mod menus;

use std::io;

use kconfig::{Configuration, Dialect, MenuId, Relations, SymbolId, UserValue};
use ratatui::layout::Size;

use crate::Need;
use crate::input::Line;
use crate::key::Key;
use crate::layout::{self, Layout};
use crate::list::List;
use crate::reason;
use crate::rows::Row;
use crate::text_box::TextBox;
use crate::words;

/// The first dialect whose choices have no value of their own.
const PLAIN_CHOICES: Dialect = Dialect::of(6, 11);

/// What is to be done outside after a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing; the screen may have changed.
    None,
    /// Write a file; then [`State::saved`].
    Save {
        /// Its name.
        name: String,
        /// The whole configuration in the format of `.config`.
        bytes: Vec<u8>,
    },
    /// Read a file; then [`State::loaded`].
    Load {
        /// Its name.
        name: String,
    },
    /// Tell why a symbol has its value; then [`State::explained`].
    Why(SymbolId),
    /// Find what leads to a value; then [`State::needed`].
    Need {
        /// The symbol.
        symbol: SymbolId,
        /// y, m, n, a number or a text.
        value: String,
    },
    /// It is over.
    End(End),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There was nothing left to save.
    Saved,
    /// There were changes, and they are lost, as the user said.
    Discarded,
    /// [`crate::Outside::is_cancelled`] ended it; changes are lost.
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Focus {
    Line,
    Ok,
    Help,
}

/// What a line is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Value(MenuId),
    Search,
    Save,
    Load,
    Need(SymbolId),
}

#[derive(Clone, Debug)]
pub(crate) struct MenuScreen {
    pub menu: MenuId,
    pub rows: Vec<Row>,
    pub list: List,
    pub button: usize,
    /// The node that the cursor is to be on.
    active: Option<MenuId>,
}

#[derive(Clone, Debug)]
pub(crate) struct ChoiceScreen {
    pub menu: MenuId,
    /// The nodes, what they are called, and whether they are set.
    pub rows: Vec<(MenuId, String, bool)>,
    pub list: List,
    pub button: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct InputScreen {
    pub purpose: Purpose,
    pub title: String,
    pub words: String,
    pub line: Line,
    pub focus: Focus,
}

#[derive(Clone, Debug)]
pub(crate) struct TextScreen {
    pub text: TextBox,
    /// What was looked for, and after how many changes.
    query: Option<(String, u64)>,
    /// What the first button would set.
    pub changes: Vec<(SymbolId, UserValue)>,
    pub button: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Screen {
    Menu(MenuScreen),
    Choice(ChoiceScreen),
    Input(InputScreen),
    Text(TextScreen),
    Question { button: usize },
}

/// What a key does to the dialogs.
enum Next {
    Stay,
    Close,
    Open(Screen),
    /// Instead of this one.
    Replace(Screen),
    Do(Effect),
    /// After this one is gone.
    CloseAndDo(Effect),
    /// From the whole program.
    Leave,
}

/// The browser, apart from terminal, files and clock.
pub struct State<'m> {
    configuration: Configuration<'m>,
    /// The file it came from.
    name: String,
    /// What that file holds, if it is there.
    saved: Option<Vec<u8>>,
    size: Size,
    show_hidden: bool,
    message: Option<String>,
    /// What the line under the cursor is.
    status: String,
    /// One Escape was pressed.
    escape: bool,
    /// It ends once the file is written.
    leaving: bool,
    /// How often something was set.
    changes: u64,
    relations: Relations,
    screens: Vec<Screen>,
}

impl<'m> State<'m> {
    /// The root of the menus, on a screen of 80 x 24. `saved` is what the file called `name` holds, if it is there.
    pub fn new(configuration: Configuration<'m>, name: &str, saved: Option<Vec<u8>>) -> State<'m> {
        let mut state = State {
            configuration,
            name: name.into(),
            saved,
            size: Size { width: 80, height: 24 },
            show_hidden: false,
            message: None,
            status: String::new(),
            escape: false,
            leaving: false,
            changes: 0,
            relations: Relations::default(),
            screens: Vec::new(),
        };
        let root = state.menu(state.configuration.model().root(), None);
        state.screens.push(root);
        state.refresh();
        state
    }

    /// The configuration as it is now.
    pub fn configuration(&mut self) -> &mut Configuration<'m> {
        &mut self.configuration
    }

    /// Lays everything out for a screen of this many columns and rows.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.size = Size { width, height };
        self.refresh();
    }

    /// Whether one Escape was pressed, so that [`Key::Pause`] is of interest.
    pub fn awaits_escape(&self) -> bool {
        self.escape
    }

    /// Does what a key does.
    pub fn key(&mut self, key: Key) -> Effect {
        self.message = None;
        let escaped = std::mem::take(&mut self.escape);
        let next = match key {
            Key::Interrupt => self.interrupt(),
            Key::Escape if !escaped => {
                self.escape = true;
                self.message = Some("Esc again goes back".into());
                return Effect::None;
            }
            Key::Pause if !escaped => return Effect::None,
            Key::Escape | Key::Pause => Next::Close,
            key => self.dispatch(key),
        };
        let effect = self.go(next);
        self.refresh();
        effect
    }

    fn dispatch(&mut self, key: Key) -> Next {
        let Some(mut screen) = self.screens.pop() else { return Next::Leave };
        let next = match &mut screen {
            Screen::Menu(menu) => self.menu_key(menu, key),
            Screen::Choice(choice) => self.choice_key(choice, key),
            Screen::Input(input) => self.input_key(input, key),
            Screen::Text(text) => self.text_key(text, key),
            Screen::Question { button } => self.question_key(button, key),
        };
        self.screens.push(screen);
        next
    }

    fn go(&mut self, next: Next) -> Effect {
        match next {
            Next::Stay => {}
            Next::Open(screen) => self.screens.push(screen),
            Next::Replace(screen) => {
                self.screens.pop();
                self.screens.push(screen);
            }
            Next::Do(effect) => return effect,
            Next::CloseAndDo(effect) => {
                self.screens.pop();
                return effect;
            }
            Next::Close if self.screens.len() > 1 => drop(self.screens.pop()),
            Next::Close | Next::Leave => return self.leave(),
        }
        Effect::None
    }

    /// Ctrl-C: the question, or, if that is asked already, no more.
    fn interrupt(&mut self) -> Next {
        match self.screens.last() {
            Some(Screen::Question { .. }) => Next::Do(Effect::End(End::Discarded)),
            _ => Next::Leave,
        }
    }

    fn leave(&mut self) -> Effect {
        let bytes = self.configuration.to_dot_config_bytes();
        if self.saved.as_deref() == Some(&bytes) {
            return Effect::End(End::Saved);
        }
        self.screens.push(Screen::Question { button: 0 });
        Effect::None
    }

    fn save(&mut self, name: &str) -> Effect {
        Effect::Save { name: name.into(), bytes: self.configuration.to_dot_config_bytes() }
    }

    /// What became of [`Effect::Save`]; gives [`Effect::End`] if that was the last thing to do.
    pub fn saved(&mut self, name: &str, result: io::Result<()>) -> Effect {
        let leaving = std::mem::take(&mut self.leaving);
        match result {
            Ok(()) => {
                self.saved = Some(self.configuration.to_dot_config_bytes());
                self.name = name.into();
                self.message = Some(format!("Saved in {name}"));
                if leaving {
                    return Effect::End(End::Saved);
                }
            }
            Err(error) => {
                let text = format!("{name} could not be written:\n\n{error}\n\nNothing is lost yet.");
                self.open_text("Not saved", &text);
            }
        }
        self.refresh();
        Effect::None
    }

    /// What became of [`Effect::Load`]: what the file holds.
    pub fn loaded(&mut self, name: &str, result: io::Result<Vec<u8>>) {
        match result {
            Ok(bytes) => {
                let model = self.configuration.model();
                let start = kconfig::Start::OldDefault;
                let (configuration, messages) = Configuration::resolve(model, start, name, &bytes);
                self.configuration = configuration;
                self.saved = Some(bytes);
                self.name = name.into();
                self.changes += 1;
                self.message = Some(format!("Read from {name}"));
                let said: String = messages.into_iter().map(|message| message.text).collect();
                if !said.is_empty() {
                    self.open_text("Read, with remarks", &said);
                }
            }
            Err(error) => self.open_text("Not read", &format!("{name} could not be read:\n\n{error}\n")),
        }
        self.refresh();
    }

    /// Shows a message until the next key.
    pub fn say(&mut self, message: &str) {
        self.message = Some(message.into());
    }

    /// The answer to [`Effect::Why`].
    pub fn explained(&mut self, symbol: SymbolId, lines: &[String]) {
        let title = format!("Why {}", self.configuration.model().name(symbol));
        self.open_text(&title, &lines.join("\n"));
        self.refresh();
    }

    /// The answer to [`Effect::Need`].
    pub fn needed(&mut self, symbol: SymbolId, value: &str, need: Need) {
        self.message = None;
        let title = format!("What {}={value} needs", self.configuration.model().name(symbol));
        let mut screen = text_screen(TextBox::new(&title, &need.lines.join("\n")));
        screen.changes = need.changes;
        self.screens.push(Screen::Text(screen));
        self.refresh();
    }

    fn open_text(&mut self, title: &str, text: &str) {
        self.screens.push(Screen::Text(text_screen(TextBox::new(title, text))));
    }

    fn menu(&self, menu: MenuId, active: Option<MenuId>) -> Screen {
        Screen::Menu(MenuScreen { menu, rows: Vec::new(), list: List::default(), button: 0, active })
    }

    /// Something was set.
    fn set(&mut self) {
        self.changes += 1;
    }

    /// Brings what is on top up to date.
    fn refresh(&mut self) {
        self.status.clear();
        let Some(mut screen) = self.screens.pop() else { return };
        let layout = self.layout_of(&screen);
        match &mut screen {
            Screen::Menu(menu) => self.refresh_menu(menu, layout.height()),
            Screen::Choice(choice) => self.refresh_choice(choice),
            Screen::Text(text) => {
                self.refresh_search(text);
                text.text.lay_out(layout.width(), layout.height());
                if let Some(symbol) = text.text.symbol() {
                    self.status = self.configuration.model().name(symbol).to_string();
                }
            }
            Screen::Input(_) | Screen::Question { .. } => {}
        }
        self.screens.push(screen);
    }

    fn describe(&mut self, menu: MenuId) {
        let Some(id) = self.configuration.model().menu(menu).symbol else { return };
        let shown = self.configuration.is_menu_visible(menu);
        let name = self.configuration.model().symbol(id).name.as_deref().unwrap_or_default();
        let obstacle = if shown { None } else { reason::obstacle(&mut self.configuration, id) };
        self.status = match obstacle {
            Some(obstacle) if name.is_empty() => obstacle,
            Some(obstacle) => format!("{name}: {obstacle}"),
            None => name.to_string(),
        };
    }

    /// Where the dialog and its parts stand.
    pub(crate) fn layout_of(&self, screen: &Screen) -> Layout {
        match screen {
            Screen::Menu(_) => layout::large(self.size, words::MENU),
            Screen::Choice(choice) => {
                let longest = choice.rows.iter().map(|row| row.1.chars().count()).max().unwrap_or(0);
                let width = (longest + 14).max(65);
                layout::small(self.size, words::CHOICE, width, choice.rows.len().max(1))
            }
            Screen::Input(input) => layout::small(self.size, &input.words, 75, 1),
            Screen::Text(_) => layout::text(self.size),
            Screen::Question { .. } => {
                let words = format!("Save the changes in {}? {}", self.name, words::UNSAVED);
                layout::small(self.size, &words, 60, 0)
            }
        }
    }

    pub(crate) fn top(&self) -> Option<&Screen> {
        self.screens.last()
    }

    /// The title of the whole screen.
    pub(crate) fn heading(&self) -> String {
        format!("{} - {}", self.name, self.root_title())
    }

    pub(crate) fn root_title(&self) -> &str {
        let model = self.configuration.model();
        model.prompt_text(model.root()).unwrap_or("Main menu")
    }

    pub(crate) fn title_of(&self, menu: MenuId) -> &str {
        self.configuration.model().prompt_text(menu).unwrap_or("Main menu")
    }

    /// The way to where one is.
    pub(crate) fn trail(&self) -> Vec<String> {
        let steps = self.screens.iter().filter_map(|screen| match screen {
            Screen::Menu(menu) if menu.menu != self.configuration.model().root() => {
                Some(self.title_of(menu.menu).to_string())
            }
            Screen::Text(text) => text.query.as_ref().map(|(query, _)| format!("Search ({query})")),
            _ => None,
        });
        steps.collect()
    }

    /// What was just said, else what the line under the cursor is; and whether it was just said.
    pub(crate) fn footer(&self) -> (&str, bool) {
        match &self.message {
            Some(message) => (message, true),
            None => (&self.status, false),
        }
    }

    pub(crate) fn shows_hidden(&self) -> bool {
        self.show_hidden
    }
}

fn text_screen(text: TextBox) -> TextScreen {
    TextScreen { text, query: None, changes: Vec::new(), button: 0 }
}
