//! Small trees whose answers can be seen by eye; random ones whose answers are found by trying everything.

mod random;

use kconfig::host::Texts;
use kconfig::{Configuration, Dialect, Model, Tristate, UserValue};

use crate::{Answer, Goal, Limits, Possible, need};

pub(crate) fn load(text: &str, dialect: Dialect) -> Model {
    kconfig::load("Kconfig", dialect, &Texts::kconfig(text)).unwrap().model
}

/// A configuration with these user values: "NAME=value".
pub(crate) fn configure<'m>(model: &'m Model, lines: &[&str]) -> Configuration<'m> {
    let mut configuration = Configuration::new(model);
    for line in lines {
        let (name, value) = line.split_once('=').unwrap();
        let id = model.find(name).unwrap();
        let value = match (model.symbol(id).kind.is_logical(), value) {
            (true, "y") => UserValue::Logical(Tristate::Yes),
            (true, "m") => UserValue::Logical(Tristate::Module),
            (true, _) => UserValue::Logical(Tristate::No),
            (false, text) => UserValue::Text(text.into()),
        };
        configuration.assign(id, value);
    }
    configuration.invalidate();
    configuration
}

fn ask(text: &str, lines: &[&str], goals: &[&str]) -> Answer {
    ask_in(Dialect::NEWEST, text, lines, goals)
}

fn ask_in(dialect: Dialect, text: &str, lines: &[&str], goals: &[&str]) -> Answer {
    let model = load(text, dialect);
    let configuration = configure(&model, lines);
    let goals: Vec<Goal> = goals.iter().map(|goal| Goal::parse(&model, goal).unwrap()).collect();
    need(&configuration, &goals, &Limits::default())
}

fn possible(answer: Answer) -> Possible {
    match answer {
        Answer::Possible(possible) => possible,
        other => panic!("{other}"),
    }
}

fn lines(answer: Answer) -> Vec<String> {
    let possible = possible(answer);
    assert!(possible.smallest);
    possible.changes.into_iter().map(|change| change.line).collect()
}

/// The symbols whose rules are in the way.
fn culprits(answer: Answer) -> Vec<String> {
    match answer {
        Answer::Impossible(impossible) => {
            impossible.reasons.into_iter().map(|reason| reason.symbol).collect()
        }
        other => panic!("{other}"),
    }
}

const CHAIN: &str = "
config NET
\tbool \"Networking\"
config ETHERNET
\tbool \"Ethernet\"
\tdepends on NET
config E1000
\tbool \"Intel PRO/1000\"
\tdepends on ETHERNET && !TINY
config TINY
\tbool \"Tiny\"
config OTHER
\tbool \"Other\"
\tselect NET
";

#[test]
fn what_is_so_already_needs_no_change() {
    assert_eq!(lines(ask(CHAIN, &["NET=y"], &["NET=y"])), Vec::<String>::new());
    assert_eq!(ask(CHAIN, &["NET=y"], &["NET=y"]).to_string(), "no change needed\n");
}

#[test]
fn dependencies_are_set_in_the_order_of_the_menu() {
    let answer = ask(CHAIN, &[], &["E1000"]);
    assert_eq!(lines(answer), ["CONFIG_NET=y", "CONFIG_ETHERNET=y", "CONFIG_E1000=y"]);
    let answer = ask(CHAIN, &["TINY=y", "NET=y", "ETHERNET=y"], &["CONFIG_E1000=y"]);
    assert_eq!(lines(answer), ["CONFIG_E1000=y", "# CONFIG_TINY is not set"]);
}

#[test]
fn several_goals_hold_together() {
    let answer = ask(CHAIN, &[], &["E1000=y", "TINY=y"]);
    assert_eq!(culprits(answer), ["E1000"]);
    let answer = ask(CHAIN, &[], &["ETHERNET", "OTHER"]);
    assert_eq!(lines(answer), ["CONFIG_ETHERNET=y", "CONFIG_OTHER=y"]);
}

#[test]
fn what_is_selected_is_switched_off_at_its_selector() {
    let answer = ask(CHAIN, &["OTHER=y"], &["NET=n"]);
    assert_eq!(lines(answer), ["# CONFIG_OTHER is not set"]);
    let answer = ask(CHAIN, &["OTHER=y", "NET=y"], &["NET=n"]);
    assert_eq!(lines(answer), ["# CONFIG_NET is not set", "# CONFIG_OTHER is not set"]);
}

#[test]
fn a_symbol_without_prompt_is_had_by_its_selectors_or_not_at_all() {
    let text = "
config HELPER
\tbool
config FIRST
\tbool \"First\"
\tdepends on MISSING
\tselect HELPER
config SECOND
\tbool \"Second\"
\tdepends on BASE
\tselect HELPER
config BASE
\tbool \"Base\"
config LONELY
\tbool
";
    assert_eq!(lines(ask(text, &[], &["HELPER"])), ["CONFIG_SECOND=y", "CONFIG_BASE=y"]);
    assert_eq!(culprits(ask(text, &[], &["FIRST"])), ["FIRST", "MISSING"]);
    assert_eq!(culprits(ask(text, &[], &["LONELY"])), ["LONELY"]);
    let said = ask(text, &[], &["FIRST"]).to_string();
    assert!(said.starts_with("FIRST=y is impossible on this architecture, because\n"), "{said}");
    assert!(said.contains("FIRST (Kconfig:4) can be set if MISSING"), "{said}");
    assert!(said.contains("MISSING: no Kconfig file"), "{said}");
}

#[test]
fn of_a_choice_one_change_chooses() {
    let text = "
config ROOM
\tbool \"Room\"
choice
\tprompt \"Which\"
config LEFT
\tbool \"Left\"
config RIGHT
\tbool \"Right\"
\tdepends on ROOM
endchoice
config NEEDS_RIGHT
\tbool
\tdefault y if RIGHT
";
    assert_eq!(lines(ask(text, &["LEFT=y"], &["NEEDS_RIGHT"])), ["CONFIG_ROOM=y", "CONFIG_RIGHT=y"]);
    assert_eq!(culprits(ask(text, &["LEFT=y"], &["LEFT", "RIGHT"])).len(), 2);
    assert_eq!(lines(ask(text, &["ROOM=y", "RIGHT=y"], &["RIGHT=n"])).len(), 1);
    let old = Dialect::of(6, 1);
    assert_eq!(lines(ask_in(old, text, &["ROOM=y", "LEFT=y"], &["RIGHT"])), ["CONFIG_RIGHT=y"]);
}

const MODULES: &str = "
config MODULES
\tbool \"Modules\"
\tmodules
config DRIVER
\ttristate \"Driver\"
\tdepends on BUS
config BUS
\ttristate \"Bus\"
config PLUG
\ttristate \"Plug\"
\tdepends on m
";

#[test]
fn a_module_needs_modules() {
    assert_eq!(lines(ask(MODULES, &["BUS=y"], &["DRIVER=m"])), ["CONFIG_MODULES=y", "CONFIG_DRIVER=m"]);
    assert_eq!(lines(ask(MODULES, &["BUS=y"], &["DRIVER=y"])), ["CONFIG_DRIVER=y"]);
    let answer = ask(MODULES, &["MODULES=y", "BUS=m"], &["DRIVER=y"]);
    assert_eq!(lines(answer), ["CONFIG_DRIVER=y", "CONFIG_BUS=y"]);
    assert_eq!(lines(ask(MODULES, &[], &["PLUG=m"])), ["CONFIG_MODULES=y", "CONFIG_PLUG=m"]);
    assert_eq!(culprits(ask(MODULES, &["MODULES=y"], &["PLUG=y"])), ["PLUG"]);
}

#[test]
fn numbers_and_texts_are_set_too() {
    let text = "
config SHIFT
\tint \"Shift\"
\trange 12 25
\tdefault 17
config BIG
\tbool \"Big\"
\tdepends on SHIFT > 20
config WORD
\tstring \"Word\"
config GREETS
\tbool
\tdefault y if WORD = \"hello\"
config COMPILER
\tint
\tdefault 120200
config NEW
\tbool \"New\"
\tdepends on COMPILER >= 130000
";
    assert_eq!(lines(ask(text, &[], &["BIG"])), ["CONFIG_SHIFT=25", "CONFIG_BIG=y"]);
    assert_eq!(lines(ask(text, &[], &["SHIFT=12"])), ["CONFIG_SHIFT=12"]);
    assert_eq!(culprits(ask(text, &[], &["SHIFT=11"])), ["SHIFT"]);
    assert_eq!(lines(ask(text, &[], &["GREETS"])), ["CONFIG_WORD=\"hello\""]);
    assert_eq!(culprits(ask(text, &[], &["NEW"])), ["NEW", "COMPILER"]);
}

#[test]
fn consequences_are_told() {
    let text = "
config A
\tbool \"A\"
\tselect B
\timply C
config B
\tbool
config C
\tbool \"C\"
config D
\tint
\tdefault 5 if B
\tdefault 4
";
    let possible = possible(ask(text, &[], &["A"]));
    let shown: Vec<String> =
        possible.consequences.iter().map(|it| format!("{} {} {}", it.symbol, it.from, it.to)).collect();
    assert_eq!(shown, ["B n y", "C n y", "D 4 5"]);
}

#[test]
fn what_the_type_forbids_is_said_at_once() {
    let model = load(CHAIN, Dialect::NEWEST);
    assert!(Goal::parse(&model, "NONESUCH").is_err());
    assert!(Goal::parse(&model, "NET=4").is_err());
    assert_eq!(culprits(ask(CHAIN, &[], &["NET=m"])), ["NET"]);
}

#[test]
fn an_answer_is_json_too() {
    let json = serde_json::to_value(ask(CHAIN, &[], &["NET"])).unwrap();
    assert_eq!(json["answer"], "possible");
    assert_eq!(json["changes"][0]["line"], "CONFIG_NET=y");
    assert_eq!(json["changes"][0]["place"], "Kconfig:2");
    assert_eq!(json["smallest"], true);
}

#[test]
fn a_limit_is_kept() {
    let model = load(CHAIN, Dialect::NEWEST);
    let configuration = configure(&model, &[]);
    let goal = Goal::parse(&model, "E1000").unwrap();
    let limits = Limits { steps: 1, ..Limits::default() };
    assert!(matches!(need(&configuration, &[goal], &limits), Answer::GaveUp(_)));
}
