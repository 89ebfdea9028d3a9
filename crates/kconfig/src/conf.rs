//! The command of the kernel's own tool: its options, modes, files, words and exit codes (kernel: scripts/kconfig/conf.c and
//! confdata.c).

mod all_new;
mod ask;
mod autoconf;
mod help;
mod legacy_new;
mod options;
mod random;
mod read;
mod resolve;
mod write;

pub use help::{Jump, Relations};
pub use options::Mode;
pub use resolve::Start;

use std::mem::ManuallyDrop;

use crate::configuration::Configuration;
use crate::dialect::Dialect;
use crate::expression::Expressions;
use crate::host::ConfHost;
use crate::message::{Message, Stream};
use crate::model::Model;
use options::Options;
use random::Random;

/// Ends the command with an exit code; everything was said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub i32);

type Done<T> = Result<T, Exit>;

/// One run of the command.
pub(crate) struct Session<'h, 'm> {
    host: &'h mut dyn ConfHost,
    model: &'m Model,
    configuration: Configuration<'m>,
    mode: Mode,
    /// Neither `-s` nor syncconfig: "configuration written to …" is said.
    talkative: bool,
    /// Warnings while reading configurations (`conf_warnings`).
    warnings: usize,
    random: Random,
    indent: usize,
    /// `conf_cnt`
    restarts: usize,
    root: Option<crate::model::MenuId>,
    line: Vec<u8>,
    /// Expressions to rewrite while comparing, for help texts.
    scratch: Option<Expressions>,
}

/// Runs `conf` with these arguments, the first of which is its own name; gives its exit code.
pub fn run(arguments: &[String], host: &mut dyn ConfHost) -> i32 {
    code(run_inside(arguments, host, &mut None))
}

/// [`run`], for a process that ends with it: the model's memory is not given back, which would take longer than reading some
/// of its files.
pub fn run_last(arguments: &[String], host: &mut dyn ConfHost) -> i32 {
    let mut model = ManuallyDrop::new(None);
    code(run_inside(arguments, host, &mut model))
}

fn code(done: Done<()>) -> i32 {
    done.map_or_else(|Exit(code)| code, |()| 0)
}

/// `place`: where the model is kept, so that its end is the caller's.
fn run_inside(arguments: &[String], host: &mut dyn ConfHost, place: &mut Option<Model>) -> Done<()> {
    let mut random = Random::new(1);
    let options = Options::parse(arguments, host, &mut random)?;
    let dialect = dialect(host);
    let loaded = crate::load::load(&options.kconfig, dialect, &*host);
    let model = match loaded {
        Ok(loaded) => &*place.insert(loaded.model),
        Err(error) => {
            say_all(host, &error.messages);
            return Err(Exit(1));
        }
    };
    say_all(host, model.messages());
    let mut session = Session {
        host,
        model,
        configuration: Configuration::new(model),
        mode: options.mode,
        talkative: !options.silent && options.mode != Mode::Sync,
        warnings: 0,
        random,
        indent: 1,
        restarts: 0,
        root: None,
        line: Vec::new(),
        scratch: None,
    };
    let result = session.run(&options);
    session.flush();
    result
}

/// The dialect of the tree: by KERNELVERSION, which the kernel's Makefile exports, else by the Makefile below srctree, else the
/// newest.
fn dialect(host: &dyn ConfHost) -> Dialect {
    let exported = host.environment("KERNELVERSION").and_then(|version| Dialect::from_version(&version));
    exported.or_else(|| dialect_of_makefile(host)).unwrap_or(Dialect::NEWEST)
}

fn dialect_of_makefile(host: &dyn ConfHost) -> Option<Dialect> {
    let text = crate::text::decode(&crate::parser::read_below_srctree(host, "Makefile")?);
    let number = |name: &str| {
        let line = text.lines().take(20).find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='));
        line?.trim().parse().ok()
    };
    Some(Dialect::of(number("VERSION")?, number("PATCHLEVEL")?))
}

fn say_all(host: &mut dyn ConfHost, messages: &[Message]) {
    for message in messages {
        let bytes = crate::text::encode(&message.text);
        match message.stream {
            Stream::Output => host.say(&bytes),
            Stream::Error => host.complain(&bytes),
        }
    }
}

impl Session<'_, '_> {
    /// Says what evaluation had to say.
    fn flush(&mut self) {
        let messages = self.configuration.take_messages();
        say_all(self.host, &messages);
    }

    fn say(&mut self, text: &str) {
        self.flush();
        self.host.say(&crate::text::encode(text));
    }

    fn complain(&mut self, text: &str) {
        self.flush();
        self.host.complain(&crate::text::encode(text));
    }

    /// `conf_message()`
    fn tell(&mut self, text: &str) {
        if self.talkative {
            self.say(&format!("#\n# {text}\n#\n"));
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.host.environment(name)
    }

    /// A variable that is set and not empty.
    fn set_variable(&self, name: &str) -> Option<String> {
        self.variable(name).filter(|value| !value.is_empty())
    }

    /// What stands before names (`CONFIG_prefix()` of lkc.h).
    fn prefix(&self) -> String {
        self.variable("CONFIG_").unwrap_or_else(|| "CONFIG_".into())
    }

    /// `conf_get_configname()`
    fn config_name(&self) -> String {
        self.variable("KCONFIG_CONFIG").unwrap_or_else(|| ".config".into())
    }

    fn run(&mut self, options: &Options) -> Done<()> {
        self.read_first(options)?;
        if self.warnings > 0 && self.variable("KCONFIG_WERROR").is_some() {
            return Err(Exit(1));
        }
        let mut write = true;
        if self.mode == Mode::Sync && self.set_variable("KCONFIG_NOSILENTUPDATE").is_some() {
            if self.configuration.changed {
                self.complain("\n*** The configuration requires explicit update.\n\n");
                return Err(Exit(1));
            }
            write = false;
        }
        self.change()?;
        if self.configuration.unmet > 0 && self.variable("KCONFIG_WERROR").is_some() {
            return Err(Exit(1));
        }
        self.write_last(options, write)
    }

    /// Reads what the mode begins with.
    fn read_first(&mut self, options: &Options) -> Done<()> {
        match self.mode {
            Mode::DefConfig => {
                if !self.read_config(Some(&options.file))? {
                    let file = &options.file;
                    self.complain(&format!("***\n*** Can't find default configuration \"{file}\"!\n***\n"));
                    return Err(Exit(1));
                }
                Ok(())
            }
            Mode::AllNo | Mode::AllYes | Mode::AllModule | Mode::AllDefault | Mode::Random => {
                self.read_seed()
            }
            _ => self.read_config(None).map(|_| ()),
        }
    }

    /// KCONFIG_ALLCONFIG
    fn read_seed(&mut self) -> Done<()> {
        let Some(name) = self.variable("KCONFIG_ALLCONFIG") else { return Ok(()) };
        if !name.is_empty() && name != "1" {
            if !self.read_user(&name)? {
                self.complain(&format!("*** Can't read seed configuration \"{name}\"!\n"));
                return Err(Exit(1));
            }
            return Ok(());
        }
        let name = match self.mode {
            Mode::AllNo => "allno.config",
            Mode::AllYes => "allyes.config",
            Mode::AllModule => "allmod.config",
            Mode::AllDefault => "alldef.config",
            _ => "allrandom.config",
        };
        if !self.read_user(name)? && !self.read_user("all.config")? {
            self.complain(&format!(
                "*** KCONFIG_ALLCONFIG set, but no \"{name}\" or \"all.config\" file found\n"
            ));
            return Err(Exit(1));
        }
        Ok(())
    }

    /// Does what the mode does to the configuration.
    fn change(&mut self) -> Done<()> {
        use crate::model::Tristate::{Module, No, Yes};
        match self.mode {
            Mode::AllNo => self.set_all_new(all_new::Answer::Value(No)).map(drop),
            Mode::AllYes => self.set_all_new(all_new::Answer::Value(Yes)).map(drop),
            Mode::AllModule => self.set_all_new(all_new::Answer::Value(Module)).map(drop),
            Mode::AllDefault | Mode::DefConfig => self.set_all_new(all_new::Answer::Default).map(drop),
            Mode::Random => {
                // Before 6.11: again until nothing is left to be set.
                while self.set_all_new(all_new::Answer::Random)? {}
                Ok(())
            }
            Mode::YesToModule => self.rewrite(Yes, Module),
            Mode::ModuleToYes => self.rewrite(Module, Yes),
            Mode::ModuleToNo => self.rewrite(Module, No),
            Mode::OldAsk => {
                let root = self.model.root();
                self.root = Some(root);
                self.ask(root)?;
                self.mode = Mode::Old;
                self.ask_new()
            }
            Mode::Old | Mode::ListNew | Mode::HelpNew | Mode::Sync => self.ask_new(),
            Mode::SaveDefConfig | Mode::OldDefault => Ok(()),
        }
    }

    /// "Update until a loop caused no more changes"
    fn ask_new(&mut self) -> Done<()> {
        loop {
            self.restarts = 0;
            self.check(self.model.root())?;
            if self.restarts == 0 {
                return Ok(());
            }
        }
    }

    /// `conf_rewrite_tristates()`
    fn rewrite(&mut self, from: crate::model::Tristate, to: crate::model::Tristate) -> Done<()> {
        for &id in &self.model.order {
            let tristate = self.configuration.kind(id) == crate::model::SymbolType::Tristate;
            let state = self.configuration.state_mut(id);
            if tristate && state.user == from {
                state.user = to;
            }
        }
        self.configuration.invalidate();
        Ok(())
    }

    fn write_last(&mut self, options: &Options, write: bool) -> Done<()> {
        match self.mode {
            Mode::SaveDefConfig => {
                if !self.write_defconfig(&options.file) {
                    let file = &options.file;
                    self.complain(&format!("n*** Error while saving defconfig to: {file}\n\n"));
                    return Err(Exit(1));
                }
                return Ok(());
            }
            Mode::ListNew | Mode::HelpNew => return Ok(()),
            _ => {}
        }
        if write && !self.write_config() {
            self.complain("\n*** Error during writing of the configuration.\n\n");
            return Err(Exit(1));
        }
        let sync = options.mode == Mode::Sync;
        if !self.write_autoconf(sync) && sync {
            self.complain("\n*** Error during sync of the configuration.\n\n");
            return Err(Exit(1));
        }
        Ok(())
    }
}
