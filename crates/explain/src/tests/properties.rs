//! What holds of every answer, on random texts: an answer that can be tried is tried.

use kconfig::{Dialect, Model, SymbolId, Tristate, UserValue};
use proptest::prelude::*;

use crate::{Reach, Request, Resolved, diff, fixture};

/// How many symbols a text has.
const SYMBOLS: usize = 9;

/// One entry: its parts name only what stands before it, and select only what stands behind, so that there is no cycle.
#[derive(Clone, Debug)]
struct Entry {
    tristate: bool,
    prompt: bool,
    prompt_if: Option<String>,
    depends: Option<String>,
    default: Option<String>,
    select: Option<usize>,
    imply: Option<usize>,
    block: Option<String>,
}

fn expression(below: usize) -> BoxedStrategy<String> {
    if below == 0 {
        return Just("y".to_string()).boxed();
    }
    let symbol = (0..below).prop_map(|index| format!("S{index}"));
    let leaf = prop_oneof![
        4 => symbol.clone(),
        2 => symbol.clone().prop_map(|it| format!("!{it}")),
        1 => symbol.clone().prop_map(|it| format!("{it} = y")),
        1 => symbol.prop_map(|it| format!("{it} != n")),
    ];
    let two = (leaf.clone(), any::<bool>(), leaf.clone());
    let two =
        two.prop_map(|(left, and, right)| format!("({left} {} {right})", if and { "&&" } else { "||" }));
    prop_oneof![3 => leaf, 2 => two].boxed()
}

fn entry(index: usize) -> impl Strategy<Value = Entry> {
    let maybe = move || prop::option::weighted(0.3, expression(index));
    let later = move || prop::option::weighted(0.25, index + 1..SYMBOLS + 1);
    let parts =
        (any::<bool>(), prop::bool::weighted(0.8), maybe(), maybe(), maybe(), later(), later(), maybe());
    parts.prop_map(|(tristate, prompt, prompt_if, depends, default, select, imply, block)| Entry {
        tristate,
        prompt,
        prompt_if,
        depends,
        default,
        select,
        imply,
        block,
    })
}

fn text(entries: &[Entry]) -> String {
    let mut text = "config MODULES\n\tbool \"modules\"\n\tmodules\n".to_string();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(block) = &entry.block {
            text.push_str(&format!("if {block}\n"));
        }
        text.push_str(&format!("config S{index}\n\t{}", if entry.tristate { "tristate" } else { "bool" }));
        match (&entry.prompt, &entry.prompt_if) {
            (true, Some(condition)) => text.push_str(&format!(" \"s{index}\" if {condition}\n")),
            (true, None) => text.push_str(&format!(" \"s{index}\"\n")),
            (false, _) => text.push('\n'),
        }
        for (word, part) in [("depends on", &entry.depends), ("default", &entry.default)] {
            part.iter().for_each(|part| text.push_str(&format!("\t{word} {part}\n")));
        }
        for (word, target) in [("select", entry.select), ("imply", entry.imply)] {
            let target = target.filter(|&target| target < SYMBOLS);
            target.iter().for_each(|target| text.push_str(&format!("\t{word} S{target}\n")));
        }
        if entry.block.is_some() {
            text.push_str("endif\n");
        }
    }
    text
}

/// A choice of three, which depend on what stands before.
fn choice() -> impl Strategy<Value = String> {
    let maybe = || prop::option::weighted(0.3, expression(SYMBOLS));
    let default = prop::option::of((0..3_usize, maybe()));
    (maybe(), default, [maybe(), maybe(), maybe()]).prop_map(|(depends, default, members)| {
        let mut text = "choice\n\tprompt \"choice\"\n".to_string();
        depends.iter().for_each(|depends| text.push_str(&format!("\tdepends on {depends}\n")));
        if let Some((member, condition)) = default {
            let condition = condition.map(|condition| format!(" if {condition}")).unwrap_or_default();
            text.push_str(&format!("\tdefault C{member}{condition}\n"));
        }
        for (index, depends) in members.iter().enumerate() {
            text.push_str(&format!("config C{index}\n\tbool \"c{index}\"\n"));
            depends.iter().for_each(|depends| text.push_str(&format!("\tdepends on {depends}\n")));
        }
        text + "endchoice\n"
    })
}

/// A text, and the kernel whose language it is read in: choices are others since 6.11.
fn texts() -> impl Strategy<Value = (String, Dialect)> {
    let entries = (0..SYMBOLS).map(entry).collect::<Vec<_>>();
    let dialect = prop_oneof![Just(Dialect::of(6, 1)), Just(Dialect::of(6, 12))];
    (entries, choice(), dialect).prop_map(|(entries, choice, dialect)| (text(&entries) + &choice, dialect))
}

/// A value for each symbol, "" for none; the first is that of MODULES.
fn wishes() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(
        prop_oneof![3 => Just(""), 3 => Just("y"), 1 => Just("m"), 1 => Just("n")],
        SYMBOLS + 4,
    )
}

fn resolved<'m>(model: &'m Model, wishes: &[&str]) -> Resolved<'m> {
    let names = std::iter::once("MODULES".to_string()).chain((0..SYMBOLS).map(|index| format!("S{index}")));
    let names = names.chain((0..3).map(|index| format!("C{index}")));
    let asked = names.zip(wishes).filter(|(_, wish)| !wish.is_empty());
    let requests: Vec<String> = asked.map(|(name, wish)| format!("{name}={wish}")).collect();
    fixture::asked(model, &requests.iter().map(String::as_str).collect::<Vec<_>>())
}

fn symbols(model: &Model) -> Vec<SymbolId> {
    let defined = model.symbols().filter(|(_, symbol)| !symbol.menus.is_empty() && !symbol.is_choice);
    defined.map(|(id, _)| id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn show_has_the_lines_of_the_file((text, dialect) in texts(), wishes in wishes()) {
        let model = fixture::model_of(&text, dialect);
        let mut resolved = resolved(&model, &wishes);
        let shown = resolved.show();
        let file = resolved.configuration().to_dot_config();
        let lines: Vec<(String, String)> =
            Request::read_all("", &file).into_iter().map(|it| (it.name, it.value)).collect();
        let ours: Vec<(String, String)> =
            shown.symbols.iter().map(|it| (it.symbol.clone(), it.value.clone())).collect();
        prop_assert_eq!(ours, lines);
        prop_assert_eq!(shown.counts.set + shown.counts.unset, shown.symbols.len());
        prop_assert_eq!(shown.counts.set, shown.counts.asked + shown.counts.selected + shown.counts.default);
        // What is on has a reason.
        for line in shown.symbols.iter().filter(|line| line.value != "n") {
            prop_assert!(!matches!(line.origin.how, "nothing" | "unasked"), "{line:?}\n{text}");
        }
    }

    #[test]
    fn what_can_be_set_can_and_what_cannot_cannot((text, dialect) in texts(), wishes in wishes()) {
        let model = fixture::model_of(&text, dialect);
        let mut resolved = resolved(&model, &wishes);
        for id in symbols(&model) {
            let before = resolved.configuration().logical(id);
            let why = resolved.why(id);
            prop_assert_eq!(&why.chain[0].symbol, &why.symbol);
            if before != Tristate::No {
                continue;
            }
            let mut tried = resolved.configuration().clone();
            tried.assign(id, UserValue::Logical(Tristate::Yes));
            tried.invalidate();
            let after = tried.logical(id);
            match why.standing.reach {
                Reach::Free => prop_assert_eq!(after, Tristate::Yes, "{:?}\n{}", why, text),
                _ => prop_assert_ne!(after, Tristate::Yes, "{:?}\n{}", why, text),
            }
            if why.standing.reach == Reach::Blocked {
                prop_assert!(!why.standing.obstacles.is_empty(), "{:?}\n{}", why, text);
            }
            prop_assert!(why.rows().len() > 1);
        }
    }

    /// No step is told twice, and each leads to the next.
    #[test]
    fn a_chain_hangs_together((text, dialect) in texts(), wishes in wishes()) {
        let model = fixture::model_of(&text, dialect);
        let mut resolved = resolved(&model, &wishes);
        for id in symbols(&model) {
            let why = resolved.why(id);
            let mut names: Vec<&str> = why.chain.iter().map(|step| step.symbol.as_str()).collect();
            for pair in why.chain.windows(2) {
                let named = pair[0].by.iter().chain(&pair[0].values).any(|it| it.symbol == pair[1].symbol);
                prop_assert!(named, "{:?}\n{}", why.chain, text);
            }
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!(names.len(), count);
        }
    }

    #[test]
    fn every_difference_is_told_once((text, dialect) in texts(), left in wishes(), right in wishes()) {
        let model = fixture::model_of(&text, dialect);
        let (mut left, mut right) = (resolved(&model, &left), resolved(&model, &right));
        let found = diff(&mut left, &mut right);
        let mut told: Vec<&str> = found.groups.iter().map(|group| group.cause.symbol.as_str()).collect();
        told.extend(found.groups.iter().flat_map(|group| &group.follows).map(|it| it.symbol.as_str()));
        told.extend(found.together.iter().chain(&found.rest).map(|it| it.symbol.as_str()));
        let mut differing = Vec::new();
        for id in symbols(&model) {
            if left.value(id) != right.value(id) {
                differing.push(model.name(id));
            }
        }
        told.sort_unstable();
        differing.sort_unstable();
        prop_assert_eq!(&told, &differing, "{:?}\n{}", found, text);
        prop_assert_eq!(found.count, differing.len());
    }
}
