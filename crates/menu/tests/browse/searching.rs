//! Search.

use super::*;

fn found(browser: &mut Browser<'_>, pattern: &str) -> String {
    browser.type_in("/");
    browser.type_in(pattern);
    browser.type_in("\n");
    browser.screen()
}

#[test]
fn a_symbol_is_shown_with_value_prompt_place_and_reason() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "CONFIG_EXTRA=y\n");
    browser.size(100, 50);
    let screen = found(&mut browser, "config_other");
    for line in [
        "Search Results",
        "→ Search (config_other)",
        "Symbol: OTHER [=n]",
        "Type  : bool",
        "Prompt: Another thing",
        "Depends on: EXTRA [=y] && BUS [=n]",
        "(1) -> Extra things (EXTRA [=y])",
        "-> Another thing (OTHER [=n])",
        "Hidden because it needs BUS [=n]",
    ] {
        assert!(screen.contains(line), "{line}\n{screen}");
    }
    let screen = {
        browser.type_in("q");
        found(&mut browser, "^hidden$")
    };
    assert!(screen.contains("it has no prompt: only select, imply and default set it"), "{screen}");
}

#[test]
fn digits_jump_and_leaving_comes_back() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "CONFIG_BUS=y\n");
    browser.size(100, 60);
    found(&mut browser, "card|slots");
    browser.type_in("2");
    assert_eq!(browser.line(), "(4)   Slots for cards (NEW)");
    assert!(browser.screen().contains("→ Search (card|slots) → Bus of devices"), "{}", browser.screen());
    browser.type_in("\n");
    browser.key(Key::Erase);
    browser.type_in("7\n\x1b\x1b");
    assert!(browser.screen().contains("Symbol: SLOTS [=7]"), "as it is now:\n{}", browser.screen());
    browser.type_in("9");
    assert!(browser.screen().contains("Search Results"), "a number that is not there does nothing");
}

#[test]
fn whole_names_come_first_then_names_then_prompts() {
    let text = "config LONGBUS\n\tbool \"x\"\nconfig BUS\n\tbool \"x\"\nconfig ABUS\n\tbool \"x\"\nconfig CAR\n\tbool \"A bus\"\n";
    let model = model(Dialect::of(6, 12), text);
    let mut browser = Browser::new(&model, "");
    browser.size(100, 70);
    let screen = found(&mut browser, "bus");
    let at =
        |name: &str| screen.find(&format!("Symbol: {name} ")).unwrap_or_else(|| panic!("{name}:\n{screen}"));
    assert!(at("BUS") < at("ABUS") && at("ABUS") < at("LONGBUS") && at("LONGBUS") < at("CAR"), "{screen}");
}

#[test]
fn why_and_need_are_about_the_marked_symbol() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    found(&mut browser, "^(card|helper|bus)$");
    browser.type_in("w\n");
    browser.key(Key::Tab);
    browser.type_in("w\n");
    browser.key(Key::Tab);
    browser.type_in("=\n");
    assert_eq!(browser.asked, ["why BUS", "why CARD", "need HELPER=y"]);
}

#[test]
fn what_finds_nothing_or_is_no_pattern_is_said() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    assert!(found(&mut browser, "nosuch").contains("No option has \"nosuch\""));
    browser.type_in("q");
    assert!(found(&mut browser, "[").contains("is no regular expression"));
    browser.type_in("q");
    assert!(found(&mut browser, "").contains("Nothing was typed"));
    browser.type_in("q");
    assert!(found(&mut browser, &"(a{999}){999}".repeat(3)).contains("is no regular expression"));
}

#[test]
fn a_symbol_that_nothing_defines_is_found() {
    let model = model(Dialect::of(6, 12), "config A\n\tbool \"a\"\n\tdepends on GHOST\n");
    let mut browser = Browser::new(&model, "");
    let screen = found(&mut browser, "ghost");
    assert!(screen.contains("no Kconfig file read for this architecture defines it"), "{screen}");
}
