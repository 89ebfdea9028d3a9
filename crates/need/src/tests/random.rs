//! Random trees of a few symbols, every answer against that of trying all there is to set.

use kconfig::{Configuration, Dialect, Model, SymbolId, Tristate, UserValue};
use proptest::prelude::*;

use super::{configure, load};
use crate::search::is_reached;
use crate::{Answer, Goal, Limits, Wanted, need};

const NAMES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];
const LEVELS: [Tristate; 3] = [Tristate::No, Tristate::Module, Tristate::Yes];

/// An expression over the symbols before `before`, so that nothing depends on itself.
fn expression(before: usize) -> BoxedStrategy<String> {
    if before == 0 {
        return prop_oneof![Just("y".to_string()), Just("m".to_string()), Just("MODULES".to_string())]
            .boxed();
    }
    let name = (0..before).prop_map(|index| NAMES[index].to_string());
    let leaf = prop_oneof![
        6 => name.clone(),
        1 => Just("m".to_string()),
        1 => Just("MODULES".to_string()),
        1 => (name.clone(), prop_oneof![Just("="), Just("!=")], prop_oneof![Just("y"), Just("m"), Just("n")])
            .prop_map(|(name, sign, value)| format!("{name}{sign}{value}")),
        1 => prop_oneof![Just("NUMBER > 3"), Just("NUMBER = 2"), Just("NUMBER < 2")].prop_map(String::from),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("!({inner})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} && {right})")),
            (inner.clone(), inner).prop_map(|(left, right)| format!("({left} || {right})")),
        ]
    })
    .boxed()
}

/// An entry; what it selects or implies comes later than all it depends on.
fn entry(index: usize) -> BoxedStrategy<String> {
    let maybe = |what: &'static str| {
        prop::option::weighted(0.4, expression(index)).prop_map(move |it| match it {
            Some(it) => format!("\t{what} {it}\n"),
            None => String::new(),
        })
    };
    let default = prop::option::weighted(0.4, (expression(index), expression(index)));
    let target = (index + 1..NAMES.len().max(index + 2)).prop_map(|it| NAMES.get(it).copied());
    let reverse =
        prop::option::weighted(0.35, (prop_oneof![Just("select"), Just("imply")], target, expression(index)));
    (any::<bool>(), prop::bool::weighted(0.75), maybe("depends on"), default, reverse)
        .prop_map(move |(boolean, prompt, depends, default, reverse)| {
            let name = NAMES[index];
            let mut text = format!("config {name}\n\t{}", if boolean { "bool" } else { "tristate" });
            text += &if prompt { format!(" \"{name}\"\n") } else { "\n".to_string() };
            text += &depends;
            if let Some((value, condition)) = default {
                text += &format!("\tdefault {value} if {condition}\n");
            }
            if let Some((how, Some(target), condition)) = reverse {
                text += &format!("\t{how} {target} if {condition}\n");
            }
            text
        })
        .boxed()
}

fn tree() -> impl Strategy<Value = String> {
    let choice =
        (expression(2), expression(2), prop::option::of(0..2usize)).prop_map(|(left, right, default)| {
            let default =
                default.map_or(String::new(), |it| format!("\tdefault {}\n", ["LEFT", "RIGHT"][it]));
            format!(
                "choice\n\tprompt \"Choice\"\n{default}config LEFT\n\tbool \"Left\"\n\tdepends on {left}\n\
             config RIGHT\n\tbool \"Right\"\n\tdepends on {right}\nendchoice\n"
            )
        });
    let entries: Vec<BoxedStrategy<String>> = (0..NAMES.len()).map(entry).collect();
    (entries, choice, any::<bool>()).prop_map(|(entries, choice, linked)| {
        let head = match linked {
            true => LINKED,
            false => {
                "config MODULES\n\tbool \"Modules\"\n\tmodules\n\
                    config NUMBER\n\tint \"Number\"\n\trange 1 5 if MODULES\n\tdefault 2\n"
            }
        };
        format!("{head}{}{choice}config LAST\n\tbool\n\tdefault y if RIGHT && F\n", entries.concat())
    })
}

/// A number that has its value and its range from another one.
const LINKED: &str = "config MODULES\n\tbool \"Modules\"\n\tmodules\n\
    config LIMIT\n\tint \"Limit\"\n\tdefault 2\n\
    config NUMBER\n\tint \"Number\" if !MODULES\n\trange 1 LIMIT if MODULES\n\tdefault LIMIT\n";

/// What a person can do to one thing: nothing, or set it to one of these.
fn knobs(model: &Model) -> Vec<Vec<(SymbolId, UserValue)>> {
    let find = |name: &str| model.find(name).unwrap();
    let logical = |id: SymbolId, value: Tristate| (id, UserValue::Logical(value));
    let mut knobs: Vec<Vec<(SymbolId, UserValue)>> =
        NAMES.iter().map(|name| LEVELS.iter().map(|&value| logical(find(name), value)).collect()).collect();
    knobs.push([Tristate::No, Tristate::Yes].map(|value| logical(find("MODULES"), value)).to_vec());
    knobs.push(["LEFT", "RIGHT"].map(|name| logical(find(name), Tristate::Yes)).to_vec());
    let number = |text: &str| (find("NUMBER"), UserValue::Text(text.into()));
    knobs.push(["0", "1", "2", "3", "4", "5"].map(number).to_vec());
    if let Some(limit) = model.find("LIMIT") {
        knobs.push(["0", "1", "2", "3", "4", "5"].map(|text| (limit, UserValue::Text(text.into()))).to_vec());
    }
    knobs
}

/// Whether some set of at most `count` changes does it; the search is in depth over the knobs from `from` on.
fn reaches(
    base: &Configuration<'_>,
    knobs: &[Vec<(SymbolId, UserValue)>],
    set: &mut Vec<(SymbolId, UserValue)>,
    count: usize,
    goal: &Goal,
) -> bool {
    let mut configuration = crate::search::apply(base, set);
    if is_reached(&mut configuration, std::slice::from_ref(goal)) {
        return true;
    }
    if count == 0 {
        return false;
    }
    for (index, knob) in knobs.iter().enumerate() {
        for change in knob {
            set.push(change.clone());
            let found = reaches(base, &knobs[index + 1..], set, count - 1, goal);
            set.pop();
            if found {
                return true;
            }
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_is_worse_than_trying_everything(
        text in tree(),
        values in prop::collection::vec((0..NAMES.len(), 0..3usize), 0..4),
        modules in any::<bool>(),
        wanted in prop_oneof![Just("F"), Just("E"), Just("RIGHT"), Just("LAST"), Just("D")],
        level in 0..3usize,
        dialect in prop_oneof![2 => Just(Dialect::NEWEST), 1 => Just(Dialect::of(6, 1))],
    ) {
        let model = load(&text, dialect);
        let mut lines: Vec<String> = values
            .iter()
            .map(|(index, level)| format!("{}={}", NAMES[*index], LEVELS[*level].letter()))
            .collect();
        if modules {
            lines.push("MODULES=y".into());
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let base = configure(&model, &lines);
        let goal = Goal { symbol: model.find(wanted).unwrap(), value: Wanted::Logical(LEVELS[level]) };
        let knobs = knobs(&model);
        let is_exact = dialect.plain_choices() && model.find("LIMIT").is_none();
        match need(&base, std::slice::from_ref(&goal), &Limits::default()) {
            Answer::Possible(possible) => {
                let changes: Vec<_> = possible.changes.iter().map(|it| (it.id, it.value.clone())).collect();
                let mut after = crate::search::apply(&base, &changes);
                prop_assert!(is_reached(&mut after, std::slice::from_ref(&goal)));
                let is_proved = possible.smallest;
                prop_assert!(is_proved || !is_exact);
                if let Some(fewer) = changes.len().checked_sub(1).filter(|_| is_proved) {
                    let better = reaches(&base, &knobs, &mut Vec::new(), fewer, &goal);
                    prop_assert!(!better, "{} changes are not the fewest:\n{dialect} {lines:?}\n{text}", changes.len());
                }
            }
            Answer::Impossible(_) => {
                let found = reaches(&base, &knobs, &mut Vec::new(), 3, &goal);
                prop_assert!(!found, "possible after all:\n{dialect} {lines:?}\n{text}");
            }
            // Before 6.11, what a choice falls back to is only found by evaluating; and of a number that another one takes over,
            // not all values are tried.
            Answer::GaveUp(gave_up) => {
                prop_assert!(!is_exact, "{}:\n{dialect} {lines:?}\n{text}", gave_up.why);
            }
        }
    }
}
