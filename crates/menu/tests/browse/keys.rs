//! Keys, and what they make of the configuration.

use super::*;

#[test]
fn marks_are_those_of_menuconfig() {
    for dialect in DIALECTS {
        let model = model(dialect, TREE);
        let mut browser = Browser::new(&model, "");
        assert_eq!(
            browser.lines(),
            [
                "[*] Loadable modules (NEW)",
                "Devices  --->",
                "Speed (Slow)  --->",
                "[ ] Extra things (NEW)  ----",
            ]
        );
        browser.go("Devices");
        browser.type_in("\n");
        assert_eq!(
            browser.lines(),
            [
                "< > Bus of devices (NEW)",
                "< > Helper of cards (NEW)",
                "(0x300) Base address (NEW)",
                "()  Label (NEW)",
                "*** No more devices ***"
            ]
        );
        browser.type_in("m");
        browser.go("Card");
        browser.type_in("m");
        assert_eq!(
            browser.lines()[..4],
            [
                "<M> Bus of devices",
                "<M>   Card on the bus",
                "(4)   Slots for cards (NEW)",
                "{M} Helper of cards (NEW)"
            ]
        );
        browser.go("Bus of");
        browser.type_in("y");
        browser.go("Card");
        browser.type_in("y");
        assert_eq!(
            browser.lines()[..4],
            [
                "<*> Bus of devices",
                "<*>   Card on the bus",
                "(4)   Slots for cards (NEW)",
                "-*- Helper of cards"
            ]
        );
    }
}

#[test]
fn y_makes_a_module_where_no_more_is_possible_and_says_so() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "CONFIG_MODULES=y\nCONFIG_BUS=m\n");
    browser.go("Devices");
    browser.type_in("\n");
    browser.go("Card");
    browser.type_in("y");
    assert_eq!((browser.value("CARD"), browser.value("HELPER")), ("m".into(), "m".into()));
    assert!(browser.footer().contains("became a module"), "{}", browser.footer());
    browser.go("Helper");
    browser.type_in("n");
    assert_eq!(browser.value("HELPER"), "m");
    assert_eq!(browser.said(), "HELPER is held at m or more by: CARD");
}

#[test]
fn space_goes_from_n_over_m_to_y() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    browser.go("Devices");
    browser.type_in(" ");
    for expected in ["m", "y", "n", "m"] {
        browser.type_in(" ");
        assert_eq!(browser.value("BUS"), expected);
    }
    browser.type_in("\x1b\x1b");
    browser.go("Loadable");
    browser.type_in("n");
    browser.go("Devices");
    browser.type_in("\n");
    assert_eq!(browser.line(), "[*] Bus of devices", "without modules a module is built in");
    browser.type_in("m");
    assert_eq!(browser.said(), "BUS cannot be a module: modules are off");
}

#[test]
fn a_choice_is_a_list_of_which_one_is_set() {
    for dialect in DIALECTS {
        let model = model(dialect, TREE);
        let mut browser = Browser::new(&model, "");
        browser.go("Speed");
        browser.type_in("\n");
        let screen = browser.screen();
        assert!(screen.contains("( ) Fast") && screen.contains("(X) Slow"), "{screen}");
        assert!(!screen.contains("Beyond"), "{screen}");
        assert!(browser.line().contains("(X) Slow"), "{}", browser.line());
        browser.type_in("f ");
        assert_eq!((browser.value("FAST"), browser.value("SLOW")), ("y".into(), "n".into()));
        assert_eq!(browser.line(), "Speed (Fast)  --->");
        let text = browser.state.configuration().to_dot_config();
        assert!(text.contains("CONFIG_FAST=y\n# CONFIG_SLOW is not set\n"), "{text}");
    }
}

#[test]
fn numbers_are_held_to_their_range() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "CONFIG_BUS=y\n");
    browser.go("Devices");
    browser.type_in("\n");
    browser.go("Slots");
    browser.type_in("\n");
    browser.key(Key::Erase);
    browser.type_in("9\n");
    assert!(browser.footer().contains("from 1 to 8"), "{}", browser.footer());
    assert_eq!(browser.value("SLOTS"), "4");
    browser.key(Key::Backspace);
    browser.type_in("8\n");
    assert_eq!(browser.value("SLOTS"), "8");
    browser.go("Base");
    browser.type_in("\n");
    browser.key(Key::Erase);
    browser.type_in("zz\n");
    assert!(browser.footer().contains("hexadecimal"), "{}", browser.footer());
    browser.key(Key::Erase);
    browser.type_in("2f\n");
    assert_eq!(browser.value("BASE"), "0x2f", "0x comes by itself");
    browser.go("Label");
    browser.type_in("\na \"b\"\n");
    assert!(browser.state.configuration().to_dot_config().contains(r#"CONFIG_LABEL="a \"b\"""#));
}

#[test]
fn letters_jump_to_their_lines() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    browser.type_in("d");
    assert_eq!(browser.line(), "Devices  --->");
    browser.type_in("s");
    assert_eq!(browser.line(), "Speed (Slow)  --->");
    browser.type_in("e");
    assert_eq!(browser.line(), "[ ] Extra things (NEW)  ----", "E is a hotkey here, and does not leave");
    browser.type_in("D\n");
    assert_eq!(browser.line(), "< > Bus of devices (NEW)");
}

#[test]
fn two_escapes_go_back_and_one_does_after_a_pause() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    browser.type_in("d\n");
    assert!(browser.screen().contains("→ Devices ─"));
    browser.key(Key::Escape);
    assert!(browser.state.awaits_escape());
    browser.key(Key::Down);
    assert!(browser.screen().contains("→ Devices ─"), "another key takes the Escape back");
    browser.type_in("\x1b\x1b");
    assert!(!browser.screen().contains("→ Devices ─"));
    browser.type_in("\n");
    browser.key(Key::Escape);
    browser.key(Key::Pause);
    assert_eq!(browser.line(), "Devices  --->", "the cursor is where one came from");
    browser.key(Key::Pause);
    assert_eq!(browser.end, None);
    browser.type_in("\x1b\x1b");
    assert_eq!(browser.end, Some(End::Saved), "nothing was changed");
}

#[test]
fn changes_are_asked_about_at_the_end() {
    let model = model(Dialect::of(6, 12), TREE);
    let changed = |keys: &str| {
        let mut browser = Browser::new(&model, "");
        browser.go("Extra");
        browser.type_in("y");
        browser.type_in(keys);
        browser
    };
    let mut kept = changed("\x1b\x1by");
    assert_eq!(kept.end, Some(End::Saved));
    let file = kept.files.borrow()[".config"].clone();
    assert_eq!(file, kept.state.configuration().to_dot_config_bytes());
    assert_eq!(changed("\x1b\x1bn").end, Some(End::Discarded));
    let mut asked = changed("\x1b\x1b");
    assert!(asked.screen().contains("Save the changes in .config?"), "{}", asked.screen());
    let mut back = changed("\x1b\x1b\x1b\x1b");
    assert_eq!((back.end, back.value("EXTRA")), (None, "y".into()));
    back.key(Key::Interrupt);
    assert_eq!(back.end, None, "Ctrl-C asks");
    back.key(Key::Interrupt);
    assert_eq!(back.end, Some(End::Discarded));
    let mut undone = changed("n\x1b\x1b");
    assert_eq!(undone.end, Some(End::Saved), "what was taken back is no change");
    assert_eq!(undone.value("EXTRA"), "n");
}

#[test]
fn a_file_that_cannot_be_written_ends_nothing() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    browser.disk_full = true;
    browser.type_in("ey\x1b\x1by");
    assert_eq!(browser.end, None);
    assert!(browser.screen().contains("no space left"), "{}", browser.screen());
    browser.disk_full = false;
    browser.type_in("\n\x1b\x1by");
    assert_eq!(browser.end, Some(End::Saved));
}

#[test]
fn buttons_do_what_they_say() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    // Save under another name, change, load it again.
    browser.keys(&[Key::Left, Key::Left, Key::Enter, Key::Erase]);
    browser.type_in("other\n");
    assert_eq!(browser.said(), "Saved in other");
    assert!(browser.screen().starts_with(" other - Test Configuration"));
    browser.go("Extra");
    browser.type_in("y");
    browser.keys(&[Key::Left, Key::Enter, Key::Enter]);
    assert_eq!(browser.value("EXTRA"), "n");
    // A file that is not there.
    browser.keys(&[Key::Left, Key::Enter]);
    browser.type_in("x\n");
    assert!(browser.screen().contains("otherx could not be read"), "{}", browser.screen());
    browser.type_in("q");
    // Help, then Exit.
    browser.keys(&[Key::Tab, Key::Tab, Key::Enter]);
    assert!(browser.screen().contains("There is no help"), "{}", browser.screen());
    browser.keys(&[Key::Enter, Key::Right, Key::Enter]);
    assert_eq!(browser.end, Some(End::Saved));
}

#[test]
fn hidden_lines_are_shown_with_what_they_need() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "CONFIG_EXTRA=y\n");
    browser.go("Extra");
    browser.type_in("\nz");
    assert_eq!(
        browser.lines(),
        ["---   Extra things", "[ ]   A thing (NEW)", "- -   Another thing"].map(|line| line.replacen(
            "   ",
            " ",
            usize::from(line.starts_with("---"))
        ))
    );
    browser.go("Another");
    assert_eq!(browser.said(), "OTHER: Hidden because it needs BUS [=n]");
    browser.type_in("y");
    assert_eq!(browser.value("OTHER"), "n");
    assert!(browser.footer().starts_with("Hidden because it needs BUS [=n]"), "{}", browser.footer());
    browser.type_in("z");
    assert_eq!(browser.lines().len(), 2);
}

#[test]
fn why_and_need_are_asked_about_the_line() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    browser.go("Extra");
    browser.type_in("w");
    assert!(browser.screen().contains("EXTRA has its reasons"));
    browser.type_in("q=\n");
    assert!(browser.screen().contains("EXTRA needs much"));
    browser.type_in("\n");
    browser.go("Devices");
    browser.type_in("w");
    assert_eq!(browser.said(), "This line is no option");
    browser.go("Speed");
    browser.type_in("w");
    assert_eq!(browser.asked, ["why EXTRA", "need EXTRA=y", "why SLOW"]);
    browser.type_in("q\nw");
    assert_eq!(browser.asked.last().unwrap(), "why SLOW", "in the list of a choice too");
}

#[test]
fn what_is_needed_can_be_set_at_once() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "CONFIG_EXTRA=y\n");
    browser.changes = vec![yes(&model, "BUS"), yes(&model, "OTHER")];
    browser.go("Extra");
    browser.type_in("\nz");
    browser.go("Another");
    browser.type_in("=\n");
    assert!(browser.screen().contains("<Apply >"), "{}", browser.screen());
    browser.type_in("\n");
    assert_eq!((browser.value("BUS"), browser.value("OTHER")), ("y".into(), "y".into()));
    assert_eq!(browser.said(), "2 options set");
    assert_eq!(browser.asked, ["need OTHER=y"]);
}

#[test]
fn a_value_that_cannot_be_is_not_asked_for() {
    let model = model(Dialect::of(6, 12), TREE);
    let mut browser = Browser::new(&model, "");
    browser.go("Extra");
    browser.type_in("=m\n");
    assert_eq!(browser.said(), "y or n");
    browser.type_in("Y\n");
    assert_eq!(browser.asked, ["need EXTRA=y"]);
}

#[test]
fn tristate_choices_of_older_trees_have_a_mark_of_their_own() {
    let text = r#"
config MODULES
	bool "Modules"
	option modules
	default y
choice
	tristate "Drivers"
config A
	tristate "Driver A"
config B
	tristate "Driver B"
endchoice
"#;
    let model = model(Dialect::of(5, 10), text);
    let mut browser = Browser::new(&model, "");
    browser.go("Drivers");
    browser.type_in("m");
    assert_eq!(browser.lines()[1..], ["<M> Drivers", "< >   Driver A (NEW)", "< >   Driver B (NEW)"]);
    browser.go("Driver A");
    browser.type_in("m");
    browser.go("Driver B");
    browser.type_in("m");
    assert_eq!((browser.value("A"), browser.value("B")), ("m".into(), "m".into()));
    browser.go("Drivers");
    browser.type_in("y");
    assert_eq!(browser.lines()[1..], ["<*> Drivers (Driver A)  --->"]);
    browser.type_in("\nd ");
    assert_eq!((browser.value("A"), browser.value("B")), ("n".into(), "y".into()));
}
