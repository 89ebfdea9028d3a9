//! What the language means, on small trees. That a whole kernel's tree means the same to the C tool is shown by
//! `cargo xtask kconfig-diff`; these say what it is about, and cover what no tree at hand has.

mod memory;

use memory::Memory;

/// The lines of `.config` that `mode` makes of a tree and a configuration.
fn resolved(kconfig: &str, config: &str, mode: &str, version: &str) -> Vec<String> {
    let mut memory = Memory::with(kconfig).set("KERNELVERSION", version);
    memory.put(".config", config);
    assert_eq!(memory.conf(mode), 0, "{}", memory.errors);
    memory.config()
}

#[test]
fn selects_reach_through_dependencies_and_are_complained_about() {
    let kconfig = "config A\n\tbool \"a\"\n\tselect B\n\nconfig B\n\tbool \"b\"\n\tdepends on C\n\nconfig C\n\tbool \"c\"\n";
    let mut memory = Memory::with(kconfig);
    memory.put(".config", "CONFIG_A=y\n");
    assert_eq!(memory.conf("--olddefconfig"), 0);
    assert_eq!(memory.config(), ["CONFIG_A=y", "CONFIG_B=y", "# CONFIG_C is not set"]);
    assert_eq!(
        memory.errors,
        "\nWARNING: unmet direct dependencies detected for B\n  Depends on [n]: C [=n]\n  Selected by [y]:\n  - A [=y]\n"
    );
}

#[test]
fn defaults_ranges_and_types() {
    let kconfig = "config N\n\tint \"n\"\n\trange 3 9\n\tdefault 20\n\nconfig H\n\thex \"h\"\n\tdefault 0x10\n\nconfig S\n\tstring \"s\"\n\tdefault \"a\\\"b\"\n\nconfig T\n\tdef_bool N > 8 && H = 16 && S != \"\"\n";
    let lines = resolved(kconfig, "", "--olddefconfig", "6.12");
    assert_eq!(lines, ["CONFIG_N=9", "CONFIG_H=0x10", "CONFIG_S=\"a\\\"b\"", "CONFIG_T=y"]);
}

#[test]
fn a_module_is_yes_where_there_are_no_modules() {
    let kconfig = "config MODULES\n\tbool \"modules\"\n\tmodules\n\nconfig A\n\ttristate \"a\"\n";
    let with = |modules: &str| resolved(kconfig, &format!("CONFIG_A=m\n{modules}"), "--olddefconfig", "6.12");
    assert_eq!(with("CONFIG_MODULES=y\n"), ["CONFIG_MODULES=y", "CONFIG_A=m"]);
    assert_eq!(with(""), ["# CONFIG_MODULES is not set", "CONFIG_A=y"]);
}

#[test]
fn of_a_choice_the_last_member_set_wins_in_every_dialect() {
    let kconfig = "choice\n\tprompt \"one of\"\n\tdefault B\n\nconfig A\n\tbool \"a\"\n\nconfig B\n\tbool \"b\"\n\nendchoice\n";
    for version in ["6.1", "6.12"] {
        assert_eq!(resolved(kconfig, "", "--olddefconfig", version), ["# CONFIG_A is not set", "CONFIG_B=y"]);
        assert_eq!(
            resolved(kconfig, "CONFIG_B=y\nCONFIG_A=y\n", "--olddefconfig", version),
            ["CONFIG_A=y", "# CONFIG_B is not set"]
        );
    }
}

/// `transitional` came with 6.18 (scripts/kconfig/tests/transitional there; no such tree is at hand).
#[test]
fn a_transitional_symbol_hands_its_value_on_and_is_not_written() {
    let kconfig = "config NEW\n\tbool \"new\"\n\tdefault OLD\n\nconfig OLD\n\tbool\n\ttransitional\n\nconfig NUMBER\n\tint \"number\"\n\tdefault OLD_NUMBER\n\nconfig OLD_NUMBER\n\tint\n\ttransitional\n";
    let config = "CONFIG_OLD=y\nCONFIG_OLD_NUMBER=42\n";
    assert_eq!(resolved(kconfig, config, "--olddefconfig", "6.18"), ["CONFIG_NEW=y", "CONFIG_NUMBER=42"]);
    let mut memory = Memory::with(kconfig).set("KERNELVERSION", "6.18");
    memory.put(".config", config);
    assert_eq!(memory.conf("--listnewconfig"), 0);
    assert_eq!(memory.output, "", "nothing is new");
    let refused =
        Memory::with("config A\n\tbool\n\ttransitional\n\tdefault y\n").set("KERNELVERSION", "6.18");
    let mut refused = refused;
    assert_eq!(refused.conf("--olddefconfig"), 1);
    assert_eq!(refused.errors, "Kconfig:4: error: transitional symbols can only have help sections\n");
}

/// `depends on A if B` came with 7.0.
#[test]
fn a_conditional_dependency_holds_only_under_its_condition() {
    let kconfig =
        "config A\n\tbool \"a\"\n\nconfig B\n\tbool \"b\"\n\nconfig C\n\tbool \"c\"\n\tdepends on A if B\n";
    let with = |config: &str| resolved(kconfig, config, "--olddefconfig", "7.0").join(" ");
    assert!(with("CONFIG_C=y\n").ends_with("CONFIG_C=y"));
    assert!(!with("CONFIG_C=y\nCONFIG_B=y\n").contains("CONFIG_C"));
    assert!(with("CONFIG_C=y\nCONFIG_B=y\nCONFIG_A=y\n").ends_with("CONFIG_C=y"));
}

#[test]
fn a_cycle_is_told_step_by_step() {
    let kconfig = "config A\n\tbool \"a\"\n\tdepends on B\n\nconfig B\n\tbool \"b\"\n\tdepends on A\n";
    let mut memory = Memory::with(kconfig);
    assert_eq!(memory.conf("--olddefconfig"), 1);
    assert!(memory.errors.starts_with(
        "error: recursive dependency detected!\n\tsymbol A depends on B\n\tsymbol B depends on A\n"
    ));
}

#[test]
fn a_file_that_sources_itself_is_told_with_the_way() {
    let mut memory = Memory::with("source \"other\"\n");
    memory.put("other", "\nsource \"Kconfig\"\n");
    assert_eq!(memory.conf("--olddefconfig"), 1);
    assert_eq!(
        memory.errors,
        "Recursive inclusion detected.\nInclusion path:\n  current file : Kconfig\n  included from: other:2\n  included from: Kconfig:1\n"
    );
}

#[test]
fn reading_goes_on_behind_a_broken_statement() {
    let mut memory =
        Memory::with("config A\n\tbool \"a\" nonsense\n\nfoo bar\n\nconfig B\n\tbool\n\tdefault\n");
    assert_eq!(memory.conf("--olddefconfig"), 1);
    let lines: Vec<&str> = memory.errors.lines().collect();
    assert!(lines.contains(&"Kconfig:2: invalid statement"), "{lines:?}");
    assert!(lines.contains(&"Kconfig:4: unknown statement \"foo\""), "{lines:?}");
    assert!(lines.contains(&"Kconfig:8: invalid statement"), "{lines:?}");
    let error = kconfig::load("Kconfig", kconfig::Dialect::NEWEST, &memory).unwrap_err();
    assert_eq!(error.expected[0], "Kconfig:2: expected the end of the line");
}

/// The lines are those of the C tools of 6.12 and 6.1.
#[test]
fn what_ends_too_early_is_said_at_the_line_where_reading_ended() {
    let kconfig = "config A\n\tbool \"a\"\n\thelp\n\t  Text.\nV := y\nmenu \"m\"\n\nmenuconfig B\n\tbool\n";
    let said = |version: &str| {
        let mut memory = Memory::with(kconfig).set("KERNELVERSION", version);
        assert_eq!(memory.conf("--alldefconfig"), 1);
        memory.errors
    };
    assert_eq!(
        said("6.12"),
        "Kconfig:5: syntax error\nKconfig:5: unknown statement \"V\"\n\
         Kconfig:10: warning: menuconfig statement without prompt\nKconfig:10: syntax error\n\
         Kconfig:6: missing end statement for this entry\n"
    );
    assert_eq!(
        said("6.1"),
        "Kconfig:6: syntax error\nKconfig:5: unknown statement \"V\"\n\
         <none>:10: warning: menuconfig statement without prompt\n<none>:11: syntax error\n\
         Kconfig:6: missing end statement for this entry\n"
    );
}

#[test]
fn commands_are_asked_together_and_in_rounds() {
    let kconfig = "one := $(shell,first)\ntwo := $(shell,second)\nthree := $(shell,third $(one))\n\nconfig A\n\tdef_bool $(three)\n";
    let mut memory = Memory::with(kconfig);
    memory.answers =
        [("first", "1\n"), ("second", ""), ("third 1", "y\n")].map(|(a, b)| (a.into(), b.into())).into();
    let loaded = kconfig::load("Kconfig", kconfig::Dialect::NEWEST, &memory).unwrap();
    assert_eq!(memory.asked.borrow()[..2], ["first", "second"], "the third waits for the first");
    let asked: Vec<&str> = loaded.answers.iter().map(|(command, _)| command.as_str()).collect();
    assert_eq!(asked, ["first", "second", "third 1"]);
    let mut configuration = kconfig::Configuration::new(&loaded.model);
    let id = loaded.model.find("A").unwrap();
    assert_eq!(configuration.logical(id), kconfig::Tristate::Yes);
}

#[test]
fn garbage_in_a_configuration_is_named_and_the_rest_used() {
    let mut memory = Memory::with("config A\n\tbool \"a\"\n\nconfig N\n\tint \"n\"\n\tdefault 1\n")
        .set("KERNELVERSION", "6.12");
    memory.put(".config", "CONFIG_A=y\nrubbish\nCONFIG_N=many\nCONFIG_A=n\nCONFIG_A\n");
    assert_eq!(memory.conf("--olddefconfig"), 0);
    assert_eq!(memory.config(), ["# CONFIG_A is not set", "CONFIG_N=1"]);
    assert_eq!(
        memory.errors,
        ".config:2:warning: unexpected data: rubbish\n\
         .config:3:warning: symbol value 'many' invalid for N\n\
         .config:4:warning: override: reassigning to symbol A\n\
         .config:5:warning: unexpected data: CONFIG_A\n"
    );
}
