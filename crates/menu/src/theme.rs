//! Colours: menuconfig's own (`set_bluetitle_theme()` of scripts/kconfig/lxdialog/util.c), or none.

use ratatui::style::{Color, Modifier, Style};

/// The styles of all that is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    pub screen: Style,
    pub footer: Style,
    pub shadow: Option<Style>,
    pub dialog: Style,
    pub title: Style,
    /// The left and upper edges of a dialog, the right and lower ones of a box in it.
    pub light_edge: Style,
    pub dark_edge: Style,
    pub item: Style,
    pub selected: Style,
    pub hidden: Style,
    pub key: Style,
    pub key_selected: Style,
    pub arrow: Style,
    pub button: Style,
    pub button_key: Style,
    pub button_selected: Style,
    pub button_key_selected: Style,
    pub marked: Style,
}

impl Theme {
    /// Blue and grey.
    pub fn colored() -> Theme {
        let on = |foreground, background| Style::new().fg(foreground).bg(background);
        let bold = |style: Style| style.add_modifier(Modifier::BOLD);
        let dialog = on(Color::Black, Color::Gray);
        let selected = bold(on(Color::White, Color::Blue));
        Theme {
            screen: bold(on(Color::Cyan, Color::Blue)),
            footer: bold(on(Color::White, Color::Blue)),
            shadow: Some(on(Color::DarkGray, Color::Black)),
            dialog,
            title: bold(on(Color::Blue, Color::Gray)),
            light_edge: bold(on(Color::White, Color::Gray)),
            dark_edge: dialog,
            item: dialog,
            selected,
            hidden: on(Color::DarkGray, Color::Gray),
            key: bold(on(Color::Blue, Color::Gray)),
            key_selected: bold(on(Color::Yellow, Color::Blue)),
            arrow: bold(on(Color::Green, Color::Gray)),
            button: dialog,
            button_key: on(Color::Red, Color::Gray),
            button_selected: selected,
            button_key_selected: bold(on(Color::Yellow, Color::Blue)),
            marked: bold(on(Color::Blue, Color::Gray)),
        }
    }

    /// For a terminal without colours, and for NO_COLOR.
    pub fn plain() -> Theme {
        let (none, bold) = (Style::new(), Style::new().add_modifier(Modifier::BOLD));
        let reversed = Style::new().add_modifier(Modifier::REVERSED);
        Theme {
            screen: none,
            footer: bold,
            shadow: None,
            dialog: none,
            title: bold,
            light_edge: none,
            dark_edge: none,
            item: none,
            selected: reversed,
            hidden: Style::new().add_modifier(Modifier::DIM),
            key: bold,
            key_selected: reversed.add_modifier(Modifier::BOLD),
            arrow: bold,
            button: none,
            button_key: bold,
            button_selected: reversed,
            button_key_selected: reversed,
            marked: bold,
        }
    }
}
