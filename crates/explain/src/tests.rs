//! Whole answers on small texts, as a person sees them.

mod properties;

use kconfig::Dialect;

use crate::row::Row;
use crate::{Differences, Reach, diff, fixture};

/// Rows as lines: depth in pairs of spaces, place in a column.
fn drawn(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let place = if row.place.is_empty() { String::new() } else { format!("[{}] ", row.place) };
        format!("{}{place}{}\n", "  ".repeat(row.depth), row.text)
    };
    rows.iter().map(line).collect()
}

fn why(text: &str, requests: &[&str], name: &str) -> String {
    why_in(Dialect::of(6, 12), text, requests, name)
}

fn why_in(dialect: Dialect, text: &str, requests: &[&str], name: &str) -> String {
    let model = fixture::model_of(text, dialect);
    let mut resolved = fixture::asked(&model, requests);
    let id = resolved.find(name).unwrap();
    drawn(&resolved.why(id).rows())
}

const DISK: &str = r#"config EXPERT
	bool "expert"

config PCI
	bool "PCI support"
	select HAS_BUS

config HAS_BUS
	bool

menuconfig ATA
	tristate "Serial ATA"
	depends on BLOCK
	select SATA_HOST
	help
	  Disks.
	  depends on nothing.

if ATA

menu "Controllers"
	visible if EXPERT

config SATA_AHCI
	bool "AHCI"
	depends on \
		PCI
	help
	  AHCI.

endmenu

endif

config BLOCK
	bool "block layer" if EXPERT
	default y

config SATA_HOST
	bool
	select CRC

config CRC
	bool
	default y if FANCY

config FANCY
	bool "fancy"
	select CRC

config NEVER
	bool

config AWAY
	bool "away"
	depends on !CRC && NOWHERE
"#;

#[test]
fn what_was_asked_for_says_by_whom() {
    assert_eq!(
        why(DISK, &["PCI=y"], "PCI"),
        "[PCI=y] bool \"PCI support\", Kconfig:4\n  [my.toml:1] PCI=y was asked for: PCI is wanted\n"
    );
}

#[test]
fn a_chain_leads_to_what_a_person_asked_for() {
    assert_eq!(
        why(DISK, &["ATA=y"], "CRC"),
        concat!(
            "[CRC=y] bool without a prompt, Kconfig:43\n",
            "  [Kconfig:41] SATA_HOST=y selects CRC\n",
            "  [Kconfig:14] ATA=y selects SATA_HOST\n",
            "  [my.toml:1] ATA=y was asked for: ATA is wanted\n",
        )
    );
    // The shortest way, and who else.
    assert_eq!(
        why(DISK, &["ATA=y", "FANCY=y"], "CRC"),
        concat!(
            "[CRC=y] bool without a prompt, Kconfig:43\n",
            "  [Kconfig:49] FANCY=y selects CRC\n",
            "  [my.toml:2] FANCY=y was asked for: FANCY is wanted\n",
            "  selected too by SATA_HOST=y\n",
        )
    );
}

#[test]
fn a_refusal_names_each_condition_and_what_it_hangs_on() {
    assert_eq!(
        why(DISK, &["SATA_AHCI=y"], "SATA_AHCI"),
        concat!(
            "[SATA_AHCI=n] bool \"AHCI\", Kconfig:24\n",
            "  [my.toml:1] SATA_AHCI=y was asked for (SATA_AHCI is wanted) and is not granted\n",
            "  SATA_AHCI cannot be set; this refuses:\n",
            "    [Kconfig:19] if ATA   (ATA=n)\n",
            "      [Kconfig:11] ATA can be set\n",
            "    [Kconfig:22] menu \"Controllers\" visible if EXPERT   (EXPERT=n)\n",
            "      [Kconfig:1] EXPERT can be set\n",
            "    [Kconfig:26] depends on PCI   (PCI=n)\n",
            "      [Kconfig:4] PCI can be set\n",
        )
    );
}

#[test]
fn a_hidden_prompt_and_a_promptless_symbol_are_told_apart() {
    assert_eq!(
        why(DISK, &["BLOCK=n"], "BLOCK"),
        concat!(
            "[BLOCK=y] bool \"block layer\", Kconfig:35\n",
            "  [my.toml:1] BLOCK=n was asked for (BLOCK is wanted) and is not granted\n",
            "  [Kconfig:37] BLOCK: default y\n",
            "  it cannot be changed: its prompt is hidden by\n",
            "    [Kconfig:36] prompt if EXPERT   (EXPERT=n)\n",
            "      [Kconfig:1] EXPERT can be set\n",
        )
    );
    assert_eq!(
        why(DISK, &["HAS_BUS=y"], "HAS_BUS"),
        concat!(
            "[HAS_BUS=n] bool without a prompt, Kconfig:8\n",
            "  [my.toml:1] HAS_BUS=y was asked for (HAS_BUS is wanted) and is not granted: it has no prompt, so others decide\n",
            "  HAS_BUS has no prompt: it is set only by\n",
            "    [Kconfig:6] select by PCI=n, which can be set\n",
        )
    );
    assert_eq!(
        why(DISK, &[], "NEVER"),
        concat!(
            "[NEVER=n] bool without a prompt, Kconfig:51\n",
            "  NEVER has no prompt, and nothing in this kernel sets it\n",
        )
    );
}

#[test]
fn what_nobody_asked_for_can_be_asked_for() {
    assert_eq!(
        why(DISK, &[], "PCI"),
        concat!(
            "[PCI=n] bool \"PCI support\", Kconfig:4\n",
            "  nobody asked for it: n, as allnoconfig answers\n",
            "  it can be set: PCI=y\n",
        )
    );
}

#[test]
fn what_must_be_off_and_what_is_nowhere() {
    assert_eq!(
        why(DISK, &["FANCY=y"], "AWAY"),
        concat!(
            "[AWAY=n] bool \"away\", Kconfig:54\n",
            "  AWAY cannot be set; this refuses:\n",
            "    [Kconfig:56] depends on !CRC   (CRC=y)\n",
            "      [Kconfig:43] CRC=y has no prompt: it is set by\n",
            "        [Kconfig:49] select by FANCY=y\n",
            "    [Kconfig:56] depends on NOWHERE   (NOWHERE=n)\n",
            "      NOWHERE is defined nowhere in this kernel\n",
        )
    );
}

#[test]
fn what_a_select_keeps_on() {
    let text = "config A\n\tbool \"a\"\n\tselect B\nconfig B\n\tbool \"b\"\n";
    assert_eq!(
        why(text, &["A=y", "B=n"], "B"),
        concat!(
            "[B=y] bool \"b\", Kconfig:4\n",
            "  [my.toml:2] B=n was asked for (B is wanted) and is not granted: it is selected\n",
            "  [Kconfig:3] A=y selects B\n",
            "  [my.toml:1] A=y was asked for: A is wanted\n",
        )
    );
}

#[test]
fn a_choice_says_who_won() {
    let text = concat!(
        "choice\n\tprompt \"packing\"\n\tdefault GZIP\nconfig NONE\n\tbool \"none\"\nconfig GZIP\n\tbool \"gzip\"\n",
        "config XZ\n\tbool \"xz\"\nendchoice\n"
    );
    for dialect in [Dialect::of(6, 1), Dialect::of(6, 12)] {
        assert_eq!(
            why_in(dialect, text, &[], "XZ"),
            concat!(
                "[XZ=n] bool \"xz\", Kconfig:8\n",
                "  [Kconfig:1] the choice of \"packing\" is GZIP\n",
                "  it can be chosen: XZ=y\n",
            ),
            "{dialect}"
        );
        assert_eq!(
            why_in(dialect, text, &[], "GZIP"),
            "[GZIP=y] bool \"gzip\", Kconfig:6\n  [Kconfig:3] the choice's default GZIP\n",
            "{dialect}"
        );
        assert_eq!(
            why_in(dialect, text, &["XZ=y"], "GZIP"),
            concat!(
                "[GZIP=n] bool \"gzip\", Kconfig:6\n",
                "  [Kconfig:1] the choice of \"packing\" is XZ\n",
                "  it can be chosen: GZIP=y\n",
            ),
            "{dialect}"
        );
    }
}

#[test]
fn numbers_and_modules_have_their_bounds() {
    let text = concat!(
        "config MODULES\n\tbool \"modules\"\n\tmodules\nconfig BUS\n\ttristate \"bus\"\n",
        "config DRIVER\n\ttristate \"driver\"\n\tdepends on BUS\n",
        "config SIZE\n\tint \"size\"\n\trange 3 9\n\tdefault 4\n"
    );
    let answer = why(text, &["SIZE=12"], "SIZE");
    assert!(
        answer.contains(
            "SIZE=12 was asked for (SIZE is wanted) and is not granted\n  it may be from 3 to 9 (Kconfig:11)"
        ),
        "{answer}"
    );
    let answer = why(text, &["MODULES=y", "BUS=m", "DRIVER=y"], "DRIVER");
    assert!(answer.contains("DRIVER=y was asked for (DRIVER is wanted) and is not granted"), "{answer}");
    assert!(
        answer.contains("[Kconfig:8] depends on BUS   (BUS=m)\n      [Kconfig:4] BUS can be y"),
        "{answer}"
    );
}

/// What stands in a cycle, or hangs on itself, ends.
#[test]
fn alternatives_are_all_named_and_nothing_is_followed_twice() {
    let text = concat!(
        "config A\n\tbool \"a\"\n\tdepends on B || C || (D && E)\nconfig B\n\tbool \"b\"\n\tdepends on D\n",
        "config C\n\tbool \"c\"\nconfig D\n\tbool \"d\"\nconfig E\n\tbool\n"
    );
    assert_eq!(
        why(text, &[], "A"),
        concat!(
            "[A=n] bool \"a\", Kconfig:1\n",
            "  A cannot be set; this refuses:\n",
            "    [Kconfig:3] depends on B || C || D && E   (B=n, C=n, D=n, E=n)\n",
            "      [Kconfig:4] B=n: its prompt is hidden by\n",
            "        [Kconfig:6] depends on D   (D=n)\n",
            "          [Kconfig:9] D can be set\n",
            "      [Kconfig:7] C can be set\n",
            "      [Kconfig:9] D can be set\n",
            "      [Kconfig:11] E has no prompt, and nothing in this kernel sets it\n",
        )
    );
}

fn differences(text: &str, left: &[&str], right: &[&str]) -> Differences {
    let model = fixture::model(text);
    let mut left = fixture::asked(&model, left);
    let mut right = fixture::asked(&model, right);
    diff(&mut left, &mut right)
}

#[test]
fn differences_are_grouped_by_cause() {
    let found = differences(DISK, &["ATA=y"], &["EXPERT=y", "FANCY=y", "BLOCK=n"]);
    assert_eq!(
        drawn(&found.rows(false)),
        concat!(
            "5 differences: 2 a person can set, 3 that follow\n",
            "  [my.toml:1] EXPERT: n → y\n",
            "    ATA: y → n\n",
            "    BLOCK: y → n\n",
            "    SATA_HOST: y → n\n",
            "  [my.toml:2] FANCY: n → y\n",
        )
    );
}

#[test]
fn a_cause_that_another_brings_in_reach_stands_below_it() {
    let found = differences(DISK, &[], &["PCI=y", "ATA=y", "EXPERT=y", "SATA_AHCI=y", "BLOCK=y"]);
    assert_eq!(
        drawn(&found.rows(false)),
        concat!(
            "7 differences: 4 a person can set, 3 that follow\n",
            "  [my.toml:2] ATA: n → y\n",
            "    SATA_HOST: n → y\n",
            "    CRC: n → y\n",
            "  [my.toml:1] PCI: n → y\n",
            "    HAS_BUS: n → y\n",
            "  [my.toml:3] EXPERT: n → y\n",
            "    [my.toml:4] SATA_AHCI: n → y\n",
        )
    );
}

#[test]
fn what_needs_two_causes_follows_from_both() {
    let text = "config A\n\tbool \"a\"\nconfig B\n\tbool \"b\"\nconfig BOTH\n\tdef_bool A && B\nconfig S\n\tstring \"s\"\n";
    let found = differences(text, &["S=\"x\""], &["A=y", "B=y", "S=\"y\""]);
    assert_eq!(
        drawn(&found.rows(false)),
        concat!(
            "4 differences: 3 a person can set, 1 that follow\n",
            "  [my.toml:1] A: n → y\n  [my.toml:2] B: n → y\n  [my.toml:3] S: \"x\" → \"y\"\n",
            "these follow from several of the above together\n  BOTH: n → y\n",
        )
    );
    assert_eq!(differences(text, &["A=y"], &["A=y"]).rows(false)[0].text, "no difference");
}

#[test]
fn a_selected_symbol_is_a_consequence_also_when_it_has_a_prompt() {
    let text = "config A\n\tbool \"a\"\n\tselect B\nconfig B\n\tbool \"b\"\n";
    for (left, right) in [(&["A=y"][..], &[][..]), (&[], &["A=y"]), (&["A=y", "B=y"], &["B=n"])] {
        let found = differences(text, left, right);
        assert_eq!((found.groups.len(), found.groups[0].follows.len()), (1, 1), "{found:?}");
    }
}

#[test]
fn a_choice_turns_over_by_one_cause() {
    let text = "choice\n\tprompt \"p\"\nconfig ONE\n\tbool \"1\"\nconfig TWO\n\tbool \"2\"\nendchoice\n";
    let found = differences(text, &["ONE=y"], &["TWO=y"]);
    assert_eq!(found.groups.len(), 1, "{found:?}");
    assert_eq!(found.groups[0].cause.symbol, "TWO");
    assert_eq!(found.groups[0].follows[0].symbol, "ONE");
}

#[test]
fn answers_are_objects_too() {
    let model = fixture::model(DISK);
    let mut resolved = fixture::asked(&model, &["SATA_AHCI=y"]);
    let id = resolved.find("SATA_AHCI").unwrap();
    let why = resolved.why(id);
    assert_eq!(why.standing.reach, Reach::Blocked);
    let object = serde_json::to_value(&why).unwrap();
    assert_eq!(object["standing"]["reach"], "blocked");
    assert_eq!(object["type"], "bool");
    assert_eq!(object["standing"]["obstacles"][2]["standings"][0]["reach"], "free");
    assert_eq!(object["asked"]["place"], "my.toml:1");
}

#[test]
fn an_expression_reads_as_it_was_written() {
    let text = concat!(
        "config A\n\tbool \"a\"\n\tdepends on \"x86\" = \"arm\" && !(B && C) && (B || V >= 120) && B=y\n",
        "config B\n\tbool \"b\"\nconfig C\n\tdef_bool y\nconfig V\n\tint\n\tdefault 7\n"
    );
    let answer = why(text, &["B=y"], "A");
    assert!(answer.contains("depends on \"x86\" = \"arm\"\n"), "{answer}");
    assert!(
        answer.contains("depends on !B || !C   (B=y, C=y)")
            || answer.contains("depends on !(B && C)   (B=y, C=y)"),
        "{answer}"
    );
    let answer = why(text, &[], "A");
    assert!(answer.contains("depends on B || V >= 120   (B=n, V=7)"), "{answer}");
}

#[test]
fn a_default_that_does_not_count_says_what_it_lacks() {
    let text = concat!(
        "config TOP\n\tbool \"top\"\nif TOP\nconfig AUTO\n\tdef_bool y if MORE\nconfig MORE\n\tbool \"more\"\nendif\n",
        "config USER\n\tbool \"user\"\n\tdepends on AUTO\n"
    );
    assert_eq!(
        why(text, &[], "USER"),
        concat!(
            "[USER=n] bool \"user\", Kconfig:9\n",
            "  USER cannot be set; this refuses:\n",
            "    [Kconfig:11] depends on AUTO   (AUTO=n)\n",
            "      [Kconfig:4] AUTO has no prompt: it is set only by\n",
            "        [Kconfig:5] default y if MORE, which takes TOP and MORE\n",
        )
    );
}

#[test]
fn what_a_macro_answered_is_shown_with_it() {
    let text = concat!(
        "yes = y\nversion = 90\nconfig HAS\n\tdef_bool $(yes)\nconfig TOOL\n\tint\n\tdefault $(version)\n",
        "config NEW\n\tbool \"new\"\n\tdepends on TOOL >= 100\n",
        "\tdepends on HAS = n || TOOL > 200\n"
    );
    assert!(why(text, &[], "HAS").contains("  [Kconfig:4] HAS: default y from $(yes)\n"));
    assert_eq!(
        why(text, &[], "NEW"),
        concat!(
            "[NEW=n] bool \"new\", Kconfig:8\n",
            "  NEW cannot be set; this refuses:\n",
            "    [Kconfig:10] depends on TOOL >= 100   (TOOL=90)\n",
            "      [Kconfig:5] TOOL=90 has no prompt: it is set by\n",
            "        [Kconfig:7] default 90 from $(version)\n",
            "    [Kconfig:11] depends on HAS = n || TOOL > 200   (HAS=y, TOOL=90)\n",
            "      [Kconfig:3] HAS=y has no prompt: it is set by\n",
            "        [Kconfig:4] default y from $(yes)\n",
            "      [Kconfig:5] TOOL=90 has no prompt\n",
        )
    );
}

#[test]
fn a_choice_that_depends_on_something_says_on_what() {
    let text = concat!(
        "config TOP\n\tbool \"top\"\n\tselect DEBUG\nconfig DEBUG\n\tbool\n",
        "choice\n\tprompt \"info\"\n\tdepends on DEBUG\nconfig NONE\n\tbool \"none\"\nconfig FULL\n\tbool \"full\"\nendchoice\n"
    );
    assert_eq!(
        why(text, &["TOP=y"], "NONE"),
        concat!(
            "[NONE=y] bool \"none\", Kconfig:9\n",
            "  [Kconfig:6] NONE is the first of its choice that can be seen, as DEBUG=y\n",
            "  [Kconfig:3] TOP=y selects DEBUG\n",
            "  [my.toml:1] TOP=y was asked for: TOP is wanted\n",
        )
    );
}
