//! The command line, as getopt_long(3) takes it: options may be shortened and stand anywhere.

use super::random::Random;
use super::{Done, Exit};
use crate::host::ConfHost;

/// What the command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `--oldaskconfig`
    OldAsk,
    /// `--syncconfig`
    Sync,
    /// `--oldconfig`
    Old,
    /// `--allnoconfig`
    AllNo,
    /// `--allyesconfig`
    AllYes,
    /// `--allmodconfig`
    AllModule,
    /// `--alldefconfig`
    AllDefault,
    /// `--randconfig`
    Random,
    /// `--defconfig`
    DefConfig,
    /// `--savedefconfig`
    SaveDefConfig,
    /// `--listnewconfig`
    ListNew,
    /// `--helpnewconfig`
    HelpNew,
    /// `--olddefconfig`
    OldDefault,
    /// `--yes2modconfig`
    YesToModule,
    /// `--mod2yesconfig`
    ModuleToYes,
    /// `--mod2noconfig`
    ModuleToNo,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Help,
    Silent,
    Mode(Mode),
}

/// Name, what it chooses, and whether it takes a file.
const LONG: &[(&str, Choice, bool)] = &[
    ("help", Choice::Help, false),
    ("silent", Choice::Silent, false),
    ("oldaskconfig", Choice::Mode(Mode::OldAsk), false),
    ("oldconfig", Choice::Mode(Mode::Old), false),
    ("syncconfig", Choice::Mode(Mode::Sync), false),
    ("defconfig", Choice::Mode(Mode::DefConfig), true),
    ("savedefconfig", Choice::Mode(Mode::SaveDefConfig), true),
    ("allnoconfig", Choice::Mode(Mode::AllNo), false),
    ("allyesconfig", Choice::Mode(Mode::AllYes), false),
    ("allmodconfig", Choice::Mode(Mode::AllModule), false),
    ("alldefconfig", Choice::Mode(Mode::AllDefault), false),
    ("randconfig", Choice::Mode(Mode::Random), false),
    ("listnewconfig", Choice::Mode(Mode::ListNew), false),
    ("helpnewconfig", Choice::Mode(Mode::HelpNew), false),
    ("olddefconfig", Choice::Mode(Mode::OldDefault), false),
    ("yes2modconfig", Choice::Mode(Mode::YesToModule), false),
    ("mod2yesconfig", Choice::Mode(Mode::ModuleToYes), false),
    ("mod2noconfig", Choice::Mode(Mode::ModuleToNo), false),
];

/// The parsed command line.
pub(super) struct Options {
    pub mode: Mode,
    /// The file of defconfig and savedefconfig.
    pub file: String,
    pub silent: bool,
    pub kconfig: String,
}

impl Options {
    pub fn parse(arguments: &[String], host: &mut dyn ConfHost, random: &mut Random) -> Done<Options> {
        let program = arguments.first().map_or("conf", String::as_str);
        let mut options =
            Options { mode: Mode::OldAsk, file: String::new(), silent: false, kconfig: String::new() };
        let mut operands = Vec::new();
        let mut left = arguments.iter().skip(1);
        while let Some(argument) = left.next() {
            if argument == "--" {
                operands.extend(left.by_ref());
            } else if let Some(long) = argument.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                };
                match find(name) {
                    Ok((full, choice, takes_file)) => {
                        let value = match (takes_file, value) {
                            (true, None) => left.next().map(String::as_str),
                            (false, Some(_)) => {
                                let text = format!("option '--{full}' doesn't allow an argument");
                                complain(host, program, &text);
                                continue;
                            }
                            (_, value) => value,
                        };
                        if takes_file && value.is_none() {
                            complain(host, program, &format!("option '--{full}' requires an argument"));
                            continue;
                        }
                        options.choose(choice, value, program, host, random)?;
                    }
                    Err(text) => complain(host, program, &text),
                }
            } else if let Some(short) = argument.strip_prefix('-').filter(|short| !short.is_empty()) {
                for letter in short.chars() {
                    match letter {
                        'h' => options.choose(Choice::Help, None, program, host, random)?,
                        's' => options.choose(Choice::Silent, None, program, host, random)?,
                        _ => complain(host, program, &format!("invalid option -- '{letter}'")),
                    }
                }
            } else {
                operands.push(argument);
            }
        }
        let Some(kconfig) = operands.first() else {
            complain(host, program, "Kconfig file missing");
            host.say(usage(program).as_bytes());
            return Err(Exit(1));
        };
        options.kconfig = kconfig.to_string();
        Ok(options)
    }

    fn choose(
        &mut self,
        choice: Choice,
        value: Option<&str>,
        program: &str,
        host: &mut dyn ConfHost,
        random: &mut Random,
    ) -> Done<()> {
        match choice {
            Choice::Help => {
                host.say(usage(program).as_bytes());
                return Err(Exit(1));
            }
            Choice::Silent => self.silent = true,
            Choice::Mode(mode) => {
                self.mode = mode;
                if let Some(value) = value {
                    self.file = value.into();
                }
                if mode == Mode::Random {
                    *random = Random::new(seed(host));
                }
            }
        }
        Ok(())
    }
}

fn complain(host: &mut dyn ConfHost, program: &str, text: &str) {
    host.complain(format!("{program}: {text}\n").as_bytes());
}

/// The option of a name that may be shortened.
fn find(name: &str) -> Result<(&'static str, Choice, bool), String> {
    if let Some(&exact) = LONG.iter().find(|(full, ..)| *full == name) {
        return Ok(exact);
    }
    let matching: Vec<_> = LONG.iter().filter(|(full, ..)| full.starts_with(name)).collect();
    match matching[..] {
        [one] => Ok(*one),
        [] => Err(format!("unrecognized option '--{name}'")),
        _ => {
            let names: String = matching.iter().map(|(full, ..)| format!(" '--{full}'")).collect();
            Err(format!("option '--{name}' is ambiguous; possibilities:{names}"))
        }
    }
}

/// `set_randconfig_seed()`
fn seed(host: &mut dyn ConfHost) -> u32 {
    let given = host.environment("KCONFIG_SEED").filter(|text| !text.is_empty()).and_then(|text| {
        let (number, rest) = crate::value::leading_number(&text, 0);
        rest.is_empty().then_some(number as u32)
    });
    let seed = given.unwrap_or_else(|| host.seed());
    host.say(format!("KCONFIG_SEED=0x{seed:X}\n").as_bytes());
    seed
}

/// What each mode is said to do in the usage.
const MODES: &[(&str, &str)] = &[
    ("--listnewconfig", "List new options"),
    ("--helpnewconfig", "List new options and help text"),
    ("--oldaskconfig", "Start a new configuration using a line-oriented program"),
    ("--oldconfig", "Update a configuration using a provided .config as base"),
    (
        "--syncconfig",
        "Similar to oldconfig but generates configuration in\n                          include/{generated/,config/}",
    ),
    ("--olddefconfig", "Same as oldconfig but sets new symbols to their default value"),
    ("--defconfig <file>", "New config with default defined in <file>"),
    ("--savedefconfig <file>", "Save the minimal current configuration to <file>"),
    ("--allnoconfig", "New config where all options are answered with no"),
    ("--allyesconfig", "New config where all options are answered with yes"),
    ("--allmodconfig", "New config where all options are answered with mod"),
    ("--alldefconfig", "New config with all symbols set to default"),
    ("--randconfig", "New config with random answer to all options"),
    ("--yes2modconfig", "Change answers from yes to mod if possible"),
    ("--mod2yesconfig", "Change answers from mod to yes if possible"),
    ("--mod2noconfig", "Change answers from mod to no if possible"),
];

/// `conf_usage()`: the words are the interface of a drop-in.
fn usage(program: &str) -> String {
    let mut text = format!("Usage: {program} [options] <kconfig-file>\n\nGeneric options:\n");
    let line = |name: &str, what: &str| format!("  {name:<23} {what}\n");
    text.push_str(&line("-h, --help", "Print this message and exit."));
    text.push_str(&line("-s, --silent", "Do not print log."));
    text.push_str("\nMode options:\n");
    MODES.iter().for_each(|(name, what)| text.push_str(&line(name, what)));
    text.push_str("  (If none of the above is given, --oldaskconfig is the default)\n");
    text
}
