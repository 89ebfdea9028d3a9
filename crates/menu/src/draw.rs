//! Drawing a [`State`]. Everything is cut at the edges of what it is drawn on.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::layout::{Layout, SMALLEST};
use crate::rows;
use crate::state::{ChoiceScreen, Focus, InputScreen, MenuScreen, Screen, State, TextScreen};
use crate::theme::Theme;

/// What keys there are beside menuconfig's own.
const MENU_KEYS: &str = "z hidden  / search  ? help  w why  = need";
const TEXT_KEYS: &str = "Enter leaves";
const SEARCH_KEYS: &str = "1-9 go there  Tab next  w why  = need";

/// Draws on the whole buffer; gives the place of the cursor.
pub(crate) fn draw(state: &State<'_>, theme: &Theme, buffer: &mut Buffer) -> Option<Position> {
    let mut canvas = Canvas { buffer, theme };
    let area = canvas.buffer.area;
    canvas.fill(area, theme.screen);
    if area.width < SMALLEST.width || area.height < SMALLEST.height {
        let (width, height) = (SMALLEST.width, SMALLEST.height);
        canvas.put(0, 0, &format!("Too small: {width} x {height}"), theme.screen, area.width);
        canvas.put(0, 1, "are needed", theme.screen, area.width);
        return None;
    }
    let screen = state.top()?;
    let layout = state.layout_of(screen);
    canvas.heading(state, layout.dialog.y);
    let cursor = match screen {
        Screen::Menu(menu) => canvas.menu(state, menu, &layout),
        Screen::Choice(choice) => canvas.choice(state, choice, &layout),
        Screen::Input(input) => canvas.input(input, &layout),
        Screen::Text(text) => canvas.text(text, &layout),
        Screen::Question { button } => {
            canvas.dialog("", &layout);
            canvas.buttons(&layout, &[" Yes ", "  No  "], Some(*button))
        }
    };
    canvas.footer(state, screen);
    cursor
}

/// Text as a terminal may have it: no control characters, and one for each byte that is no UTF-8.
fn shown(text: &str) -> String {
    // The engine's stand-ins for such bytes are the last 128 characters there are.
    let is_byte = |character: char| u32::from(character) >= 0x10_ff80;
    let one = |character: char| if is_byte(character) { '\u{fffd}' } else { character };
    text.chars().map(one).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

struct Canvas<'a> {
    buffer: &'a mut Buffer,
    theme: &'a Theme,
}

impl Canvas<'_> {
    /// Writes text in at most `width` columns; gives the column after it.
    fn put(&mut self, x: u16, y: u16, text: &str, style: Style, width: u16) -> u16 {
        let area = self.buffer.area;
        if x >= area.right() || y >= area.bottom() {
            return x;
        }
        self.buffer.set_stringn(x, y, shown(text), usize::from(width), style).0
    }

    fn fill(&mut self, area: Rect, style: Style) {
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                self.buffer[(x, y)].set_symbol(" ").set_style(Style::reset()).set_style(style);
            }
        }
    }

    fn heading(&mut self, state: &State<'_>, rows: u16) {
        let width = self.buffer.area.width;
        let style = self.theme.screen;
        self.put(1, 0, &state.heading(), style, width - 1);
        if rows < 2 {
            return;
        }
        let trail: String = state.trail().iter().map(|step| format!("→ {step} ")).collect();
        let room = usize::from(width - 2);
        let length = trail.chars().count();
        let line = match length > room {
            true => "[...] ".chars().chain(trail.chars().skip(length + 6 - room)).collect(),
            false => format!("{trail}{}", "─".repeat(room - length)),
        };
        self.put(1, 1, &line, style, width - 2);
    }

    fn frame(&mut self, area: Rect, first: Style, second: Style) {
        if area.width < 2 || area.height < 2 {
            return;
        }
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        let across = "─".repeat(usize::from(area.width - 2));
        self.put(area.x, area.y, "┌", first, 1);
        self.put(area.x + 1, area.y, &across, first, area.width - 2);
        self.put(right, area.y, "┐", second, 1);
        for y in area.y + 1..bottom {
            self.put(area.x, y, "│", first, 1);
            self.put(right, y, "│", second, 1);
        }
        self.put(area.x, bottom, "└", first, 1);
        self.put(area.x + 1, bottom, &across, second, area.width - 2);
        self.put(right, bottom, "┘", second, 1);
    }

    /// The dialog's frame, title, explanation and rule.
    fn dialog(&mut self, title: &str, layout: &Layout) {
        let theme = self.theme;
        let dialog = layout.dialog;
        if let (true, Some(shadow)) = (layout.shadow, theme.shadow) {
            self.fill(Rect::new(dialog.x + 2, dialog.y + 1, dialog.width, dialog.height), shadow);
        }
        self.fill(dialog, theme.dialog);
        self.frame(dialog, theme.light_edge, theme.dark_edge);
        let across = "─".repeat(usize::from(dialog.width - 2));
        self.put(dialog.x, layout.rule, "├", theme.light_edge, 1);
        self.put(dialog.x + 1, layout.rule, &across, theme.light_edge, dialog.width - 2);
        self.put(dialog.right() - 1, layout.rule, "┤", theme.dark_edge, 1);
        if !title.is_empty() {
            let room = usize::from(dialog.width - 4);
            let title: String = shown(title).chars().take(room).collect();
            let x = dialog.x + (dialog.width - title.chars().count() as u16) / 2 - 1;
            self.put(x, dialog.y, &format!(" {title} "), theme.title, dialog.width - 2);
        }
        for (row, words) in (dialog.y + 1..).zip(&layout.words) {
            self.put(dialog.x + 2, row, words, theme.dialog, dialog.width - 4);
        }
    }

    /// Buttons side by side in the middle; gives the place of the cursor on the one that is marked. Where there is no room for
    /// all, blanks go first, then buttons before the marked one.
    fn buttons(&mut self, layout: &Layout, labels: &[&str], marked: Option<usize>) -> Option<Position> {
        let theme = self.theme;
        let dialog = layout.dialog;
        let room = usize::from(dialog.width - 2);
        let wide = |labels: &[&str]| labels.iter().map(|label| label.len() + 2).sum::<usize>();
        let mut labels = labels.to_vec();
        if wide(&labels) > room {
            labels.iter_mut().for_each(|label| *label = label.trim());
        }
        let mut first = 0;
        while wide(&labels[first..]) > room && first < marked.unwrap_or(0) {
            first += 1;
        }
        let gaps = labels.len() - 1 - first;
        let free = room.saturating_sub(wide(&labels[first..]));
        let gap = free.checked_div(gaps).unwrap_or(0).min(if gaps > 1 { 4 } else { 6 });
        let mut x = dialog.x + 1 + ((free - gap * gaps) / 2) as u16;
        let (y, end) = (layout.buttons, dialog.right() - 1);
        let mut cursor = None;
        for (index, label) in labels.iter().enumerate().skip(first).take_while(|(_, it)| !it.is_empty()) {
            let (style, key) = match marked == Some(index) {
                true => (theme.button_selected, theme.button_key_selected),
                false => (theme.button, theme.button_key),
            };
            let letter = x + 1 + (label.len() - label.trim_start().len()) as u16;
            if letter >= end {
                break;
            }
            self.put(x, y, &format!("<{label}>"), style, end - x);
            self.put(letter, y, &label.trim_start()[..1], key, 1);
            if marked == Some(index) {
                cursor = Some(Position::new(letter, y));
            }
            x += (label.len() + 2 + gap) as u16;
        }
        cursor
    }

    /// The marks at a box that more is above or below.
    fn arrows(&mut self, area: Rect, x: u16, above: bool, below: bool) {
        let style = self.theme.arrow;
        if above {
            self.put(x, area.y, "↑(-)", style, 4);
        }
        if below {
            self.put(x, area.bottom() - 1, "↓(+)", style, 4);
        }
    }

    fn menu(&mut self, state: &State<'_>, menu: &MenuScreen, layout: &Layout) -> Option<Position> {
        let theme = self.theme;
        self.dialog(state.title_of(menu.menu), layout);
        let inner = layout.inner;
        self.frame(inner, theme.dark_edge, theme.light_edge);
        let width = layout.width();
        let indent = match width {
            wide if wide >= 80 => (wide - 70) / 2,
            wide if wide >= 50 => 4,
            _ => 1,
        };
        let x = inner.x + 1 + indent as u16;
        let room = (width - indent) as u16;
        let mut cursor = None;
        let seen = menu.rows.iter().enumerate().skip(menu.list.scroll).take(layout.height());
        for (y, (index, row)) in (inner.y + 1..).zip(seen) {
            let selected = index == menu.list.cursor;
            let style = match selected {
                true => theme.selected,
                false if row.hidden => theme.hidden,
                false => theme.item,
            };
            self.put(x, y, &row.text, style, room);
            if row.kind != rows::Kind::Inert
                && let Some((at, letter)) = rows::hotkey(&row.text)
                && at < usize::from(room)
            {
                let capital = row.text.chars().nth(at).unwrap_or(letter).to_string();
                let key = if selected { theme.key_selected } else { theme.key };
                self.put(x + at as u16, y, &capital, if row.hidden { style } else { key }, 1);
            }
            if selected {
                cursor = Some(Position::new(x + 1, y));
            }
        }
        let below = menu.list.scroll + layout.height() < menu.rows.len();
        self.arrows(inner, x, menu.list.scroll > 0, below);
        let labels = ["Select", " Exit ", " Help ", " Save ", " Load "];
        let on_button = self.buttons(layout, &labels, Some(menu.button));
        if menu.button > 0 { on_button } else { cursor.or(on_button) }
    }

    fn choice(&mut self, state: &State<'_>, choice: &ChoiceScreen, layout: &Layout) -> Option<Position> {
        let theme = self.theme;
        self.dialog(state.title_of(choice.menu), layout);
        let inner = layout.inner;
        self.frame(inner, theme.dark_edge, theme.light_edge);
        let width = layout.width();
        let longest = choice.rows.iter().map(|row| row.1.chars().count() + 4).max().unwrap_or(0);
        let x = inner.x + 1 + (width.saturating_sub(longest) / 2) as u16;
        let room = inner.right().saturating_sub(x + 1);
        let mut cursor = None;
        let seen = choice.rows.iter().enumerate().skip(choice.list.scroll).take(layout.height());
        for (y, (index, (_, text, set))) in (inner.y + 1..).zip(seen) {
            let selected = index == choice.list.cursor;
            let style = if selected { theme.selected } else { theme.item };
            let is_comment = text.starts_with("*** ");
            let mark = match (is_comment, set) {
                (true, _) => "    ",
                (false, true) => "(X) ",
                (false, false) => "( ) ",
            };
            self.put(x, y, &format!("{mark}{text}"), style, room);
            if !is_comment && room > 4 {
                let first: String = text.chars().take(1).collect();
                self.put(x + 4, y, &first, if selected { theme.key_selected } else { theme.key }, 1);
            }
            if selected {
                cursor = Some(Position::new(x + 1, y));
            }
        }
        let below = choice.list.scroll + layout.height() < choice.rows.len();
        self.arrows(inner, x + 1, choice.list.scroll > 0, below);
        let on_button = self.buttons(layout, &["Select", " Help "], Some(choice.button));
        if choice.button > 0 { on_button } else { cursor.or(on_button) }
    }

    fn input(&mut self, input: &InputScreen, layout: &Layout) -> Option<Position> {
        let theme = self.theme;
        self.dialog(&input.title, layout);
        let inner = layout.inner;
        self.frame(inner, theme.light_edge, theme.dark_edge);
        let (text, at) = input.line.seen(layout.width());
        self.put(inner.x + 1, inner.y + 1, &text, theme.item, inner.width - 2);
        let marked = match input.focus {
            Focus::Line => None,
            Focus::Ok => Some(0),
            Focus::Help => Some(1),
        };
        let on_button = self.buttons(layout, &["  Ok  ", " Help "], marked);
        on_button.or(Some(Position::new(inner.x + 1 + at as u16, inner.y + 1)))
    }

    fn text(&mut self, screen: &TextScreen, layout: &Layout) -> Option<Position> {
        let theme = self.theme;
        self.dialog(&screen.text.title, layout);
        let inner = layout.inner;
        for (y, (text, marked)) in (inner.y + 1..).zip(screen.text.seen(layout.height())) {
            let style = if marked { theme.marked } else { theme.dialog };
            self.put(inner.x + 1, y, text, style, inner.width - 2);
            if marked {
                self.put(inner.x, y, ">", style, 1);
            }
        }
        let percent = format!("({:3}%)", screen.text.percent(layout.height()));
        self.put(layout.dialog.right().saturating_sub(9), layout.rule, &percent, theme.title, 7);
        match screen.changes.is_empty() {
            true => self.buttons(layout, &[" Exit "], Some(0)),
            false => self.buttons(layout, &["Apply ", " Exit "], Some(screen.button)),
        }
    }

    fn footer(&mut self, state: &State<'_>, screen: &Screen) {
        let area = self.buffer.area;
        let (y, width) = (area.height - 1, usize::from(area.width - 2));
        let keys = match screen {
            Screen::Menu(_) if state.shows_hidden() => "z hide  / search  ? help  w why  = need",
            Screen::Menu(_) | Screen::Choice(_) => MENU_KEYS,
            Screen::Text(text) if text.text.symbol().is_some() => SEARCH_KEYS,
            Screen::Text(text) if !text.changes.is_empty() => "a or Enter sets all of it",
            Screen::Text(_) => TEXT_KEYS,
            Screen::Input(_) => "Enter takes it  Tab buttons  Ctrl-U empties",
            Screen::Question { .. } => "",
        };
        let (said, is_message) = state.footer();
        let said = shown(said);
        let style = if is_message { self.theme.selected } else { self.theme.footer };
        let length = said.chars().count();
        if length > width {
            let cut: String = said.chars().take(width.saturating_sub(1)).collect();
            self.put(1, y, &format!("{cut}…"), style, area.width - 2);
            return;
        }
        self.put(1, y, &said, style, area.width - 2);
        let room = width.saturating_sub(if length == 0 { 0 } else { length + 2 });
        // As many of the hints as there is room for, the last ones first: they are not menuconfig's.
        let mut hints = keys;
        while hints.len() > room {
            let Some((_, rest)) = hints.split_once("  ") else { return };
            hints = rest;
        }
        let x = area.width - 1 - hints.len() as u16;
        self.put(x, y, hints, self.theme.footer, hints.len() as u16);
    }
}
