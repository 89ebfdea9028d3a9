//! What is drawn.

use super::*;

#[test]
fn a_menu_on_the_usual_terminal() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    assert_eq!(browser.screen(), include_str!("menu_80x24.txt"));
}

#[test]
fn no_screen_is_too_small_or_too_large_to_draw_on() {
    let model = model(Dialect::of(6, 12), TREE);
    for keys in ["", "d\n", "d\n?", "/", "/.\n", "/.\n\t", "ey\x1b\x1b", "s\n", "ew", "e=\n", "d\nbm\nl\n"] {
        let mut browser = Browser::new(&model, "");
        browser.type_in(keys);
        for (width, height) in [(1, 1), (0, 0), (5, 40), (300, 3), (24, 9), (40, 12), (66, 20), (300, 100)] {
            browser.size(width, height);
            browser.draw(true);
            browser.keys(&[Key::Down, Key::PageDown, Key::Up]);
            browser.draw(true);
        }
    }
}

#[test]
fn a_narrow_screen_shows_the_marked_button() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    browser.size(40, 12);
    assert!(browser.screen().contains("<Select> <Exit> <Help> <Save> <Load>"), "{}", browser.screen());
    browser.size(24, 9);
    for label in ["<Select>", "<Exit>", "<Help>", "<Save>", "<Load>"] {
        assert!(browser.screen().contains(label), "{label}\n{}", browser.screen());
        browser.key(Key::Right);
    }
    assert_eq!(browser.footer(), "MODULES  w why  = need");
}

#[test]
fn the_cursor_stays_in_sight_when_the_screen_shrinks() {
    let options: String = (0..99).map(|at| format!("config X{at}\n\tbool \"Option {at:02}\"\n")).collect();
    let model = model(Dialect::of(6, 12), &options);
    let mut browser = Browser::new(&model, "");
    browser.size(100, 70);
    browser.go("Option 50");
    for (width, height) in [(80, 24), (40, 10), (24, 9), (80, 60), (65, 19)] {
        browser.size(width, height);
        assert!(browser.line().contains("Option 50"), "{width} x {height}: {}", browser.line());
    }
    browser.size(80, 24);
    let screen = browser.screen();
    assert!(screen.contains("↑(-)") && screen.contains("↓(+)"), "{screen}");
}

#[test]
fn without_colours_nothing_but_attributes_tells_lines_apart() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    let (plain, _) = browser.draw(false);
    let (colored, _) = browser.draw(true);
    let reset = ratatui::style::Color::Reset;
    assert!(plain.content().iter().all(|cell| cell.fg == reset && cell.bg == reset));
    assert!(colored.content().iter().any(|cell| cell.bg == ratatui::style::Color::Blue));
    assert!(plain.content().iter().any(|cell| cell.modifier.contains(ratatui::style::Modifier::REVERSED)));
}

#[test]
fn a_prompt_cannot_talk_to_the_terminal() {
    let model =
        model(Dialect::of(6, 12), "config A\n\tbool \"A \u{1b}[2J\u{7} prompt\"\n\thelp\n\t  x\u{1b}]0;y\n");
    let mut browser = Browser::new(&model, "");
    for keys in ["", "?"] {
        browser.type_in(keys);
        let (buffer, _) = browser.draw(true);
        assert!(buffer.content().iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
    }
}

#[test]
fn help_shows_text_and_relations() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    browser.type_in("d\n?");
    let screen = browser.screen();
    for line in [
        "CONFIG_BUS:",
        "The bus that",
        "devices are on.",
        "Symbol: BUS [=n]",
        "Type  : tristate",
        "-> Devices",
    ] {
        assert!(screen.contains(line), "{line}\n{screen}");
    }
    browser.type_in("\n\x1b\x1b");
    browser.go("Devices");
    browser.type_in("h");
    assert!(browser.screen().contains("Keys and marks"));
}
