//! The browser driven by keys on small trees of Kconfig: what the screen shows, and what the configuration becomes.

mod anything;
mod keys;
mod screens;
mod searching;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;

use kconfig::host::Texts;
use kconfig::{Configuration, Dialect, Model, Start, Tristate, UserValue};
use menu::{Effect, End, Key, Need, State};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

fn model(dialect: Dialect, text: &str) -> Model {
    kconfig::load("Kconfig", dialect, &Texts::kconfig(text)).map_err(|error| error.to_string()).unwrap().model
}

/// The menus most tests are about.
const TREE: &str = r#"
mainmenu "Test Configuration"
config MODULES
	bool "Loadable modules"
	modules
	default y
menu "Devices"
config BUS
	tristate "Bus of devices"
	help
	  The bus that
	  devices are on.
config CARD
	tristate "Card on the bus"
	depends on BUS
	select HELPER
config SLOTS
	int "Slots for cards"
	range 1 8
	default 4
	depends on BUS
config HELPER
	tristate "Helper of cards"
config BASE
	hex "Base address"
	default 0x300
config LABEL
	string "Label"
comment "No more devices"
endmenu
choice
	prompt "Speed"
	default SLOW
config FAST
	bool "Fast"
config SLOW
	bool "Slow"
config WARP
	bool "Beyond all"
	depends on BUS
endchoice
menuconfig EXTRA
	bool "Extra things"
if EXTRA
config THING
	bool "A thing"
config OTHER
	bool "Another thing"
	depends on BUS
endif
config HIDDEN
	bool
	default y if BUS
menu "Nothing yet"
	depends on BUS
config LATER
	bool "Later"
endmenu
"#;

/// A browser, and what went out of it.
struct Browser<'m> {
    state: State<'m>,
    /// Files that were written.
    files: RefCell<HashMap<String, Vec<u8>>>,
    /// What was asked, and how it ended.
    asked: Vec<String>,
    end: Option<End>,
    disk_full: bool,
    changes: Vec<(kconfig::SymbolId, UserValue)>,
    size: (u16, u16),
}

impl<'m> Browser<'m> {
    fn new(model: &'m Model, config: &str) -> Browser<'m> {
        let (configuration, _) =
            Configuration::resolve(model, Start::OldDefault, ".config", config.as_bytes());
        let mut copy = configuration.clone();
        let saved = Some(copy.to_dot_config_bytes());
        Browser {
            state: State::new(configuration, ".config", saved),
            files: RefCell::default(),
            asked: Vec::new(),
            end: None,
            disk_full: false,
            changes: Vec::new(),
            size: (80, 24),
        }
    }

    fn size(&mut self, width: u16, height: u16) {
        self.size = (width, height);
        self.state.resize(width, height);
    }

    fn key(&mut self, key: Key) {
        assert_eq!(self.end, None, "{key:?} after the end");
        let mut effect = self.state.key(key);
        while effect != Effect::None {
            effect = self.carry_out(effect);
        }
    }

    fn keys(&mut self, keys: &[Key]) {
        keys.iter().for_each(|&key| self.key(key));
    }

    fn carry_out(&mut self, effect: Effect) -> Effect {
        match effect {
            Effect::None => {}
            Effect::Save { name, bytes } => {
                if self.disk_full {
                    return self.state.saved(&name, Err(io::Error::other("no space left")));
                }
                self.files.borrow_mut().insert(name.clone(), bytes);
                return self.state.saved(&name, Ok(()));
            }
            Effect::Load { name } => {
                let file = self.files.borrow().get(&name).cloned();
                self.state.loaded(&name, file.ok_or_else(|| io::ErrorKind::NotFound.into()));
            }
            Effect::Why(symbol) => {
                let name = self.state.configuration().model().name(symbol).to_string();
                self.asked.push(format!("why {name}"));
                self.state.explained(symbol, &[format!("{name} has its reasons")]);
            }
            Effect::Need { symbol, value } => {
                let name = self.state.configuration().model().name(symbol).to_string();
                self.asked.push(format!("need {name}={value}"));
                let lines = vec![format!("{name} needs much")];
                self.state.needed(symbol, &value, Need { lines, changes: self.changes.clone() });
            }
            Effect::End(end) => self.end = Some(end),
        }
        Effect::None
    }

    /// Types a text; `\n` is Enter, `\x1b` is Escape.
    fn type_in(&mut self, text: &str) {
        for character in text.chars() {
            self.key(match character {
                '\n' => Key::Enter,
                '\x1b' => Key::Escape,
                character => Key::Character(character),
            });
        }
    }

    /// Moves to the line with this text in it.
    fn go(&mut self, text: &str) {
        self.key(Key::Home);
        for _ in 0..200 {
            if self.line().contains(text) {
                return;
            }
            self.key(Key::Down);
        }
        panic!("no line with {text:?}:\n{}", self.screen());
    }

    /// The line under the cursor, as far as it is in the box of a list.
    fn line(&mut self) -> String {
        let (buffer, cursor) = self.draw(false);
        let y = cursor.expect("a cursor").1;
        row(&buffer, y).trim_matches(['│', ' ', '┃']).to_string()
    }

    fn draw(&mut self, colored: bool) -> (Buffer, Option<(u16, u16)>) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.size.0, self.size.1));
        let cursor = menu::draw(&self.state, colored, &mut buffer);
        (buffer, cursor.map(|cursor| (cursor.x, cursor.y)))
    }

    fn screen(&mut self) -> String {
        let (buffer, _) = self.draw(false);
        (0..self.size.1).map(|y| row(&buffer, y).trim_end().to_string() + "\n").collect()
    }

    fn footer(&mut self) -> String {
        let (buffer, _) = self.draw(false);
        row(&buffer, self.size.1 - 1).trim().to_string()
    }

    /// The footer without the hints on the right.
    fn said(&mut self) -> String {
        self.footer().split("  ").next().unwrap_or_default().to_string()
    }

    /// The lines of a list's box.
    fn lines(&mut self) -> Vec<String> {
        let screen = self.screen();
        let boxed = screen.lines().filter_map(|line| line.strip_prefix("  │ │")?.rsplit_once("│ │"));
        boxed.map(|(line, _)| line.trim().to_string()).filter(|line| !line.is_empty()).collect()
    }

    fn value(&mut self, name: &str) -> String {
        let id = self.state.configuration().model().find(name).expect(name);
        self.state.configuration().text(id).to_string()
    }
}

fn row(buffer: &Buffer, y: u16) -> String {
    (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect()
}

/// The dialects whose choices differ.
const DIALECTS: [Dialect; 2] = [Dialect::of(6, 1), Dialect::of(6, 12)];

fn yes(model: &Model, name: &str) -> (kconfig::SymbolId, UserValue) {
    (model.find(name).unwrap(), UserValue::Logical(Tristate::Yes))
}
