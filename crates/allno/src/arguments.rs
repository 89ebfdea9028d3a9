//! What a person can type. Help, man pages and shell completions all come from these definitions.

mod initramfs;

use std::ffi::OsString;
use std::path::PathBuf;

pub use initramfs::*;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

/// Grow a Linux from allnoconfig: build it, boot it, and prove what it does.
#[derive(Debug, Parser)]
#[command(name = "allno", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Options that every subcommand takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the thing asked for failed; 2 the input is wrong; 3 this host lacks something.
With no SPEC, allno.toml in the current folder is used, else the built-in node.";

/// Options that every subcommand takes.
#[derive(Args, Debug)]
pub struct Global {
    /// Print one JSON object on standard output, for programs (docs/json.md)
    #[arg(long, global = true)]
    pub json: bool,
    /// Use only what the store holds; no network
    #[arg(long, global = true)]
    pub offline: bool,
    /// Say more: why each thing is built, which command runs
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// The folder that holds what was fetched and built [default: $ALLNO_STORE, else ~/.cache/allno]
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub store: Option<PathBuf>,
    /// When to use colours; auto is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build what is missing, then boot it
    Boot(Boot),
    /// Build the kernel and the initramfs
    Build(Build),
    /// Climb the ladder from allnoconfig: every rung proved by boots
    Climb(Climb),
    /// Configure a kernel as its own scripts/kconfig/conf does
    Conf(Conf),
    /// Show a kernel's configuration, and say why it is as it is
    Config(Config),
    /// Make a disk that boots by itself: a distribution's user space under this kernel
    Disk(Disk),
    /// Say what this host lacks, and the command that adds it
    Doctor(Doctor),
    /// List, unpack, pack, change and compare initramfs archives
    Initramfs(Initramfs),
    /// Log into the machine that runs
    Ssh(Ssh),
    /// Show what the store holds, and shrink it
    Gc(Gc),
    /// Print the completions for a shell
    Completions(Completions),
    /// Print the manual page, or write all of them into a folder
    Man(Man),
}

/// Which spec to use.
#[derive(Args, Debug)]
pub struct Spec {
    /// The spec, or a folder that holds allno.toml
    #[arg(value_name = "SPEC", value_hint = ValueHint::AnyPath)]
    pub spec: Option<PathBuf>,
}

/// `allno boot`
#[derive(Args, Debug)]
pub struct Boot {
    /// Which spec.
    #[command(flatten)]
    pub spec: Spec,
    /// Check what the spec expects of the running machine, then power it off
    #[arg(long)]
    pub check: bool,
    /// The machine to boot on: microvm, q35, pc, or one from the spec
    #[arg(long, value_name = "MACHINE")]
    pub machine: Option<String>,
    /// Add this to the end of the kernel's command line
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// Boot this archive in the place of the packed initramfs
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub initramfs: Option<PathBuf>,
    /// Wait for gdb before the first instruction, and print the line that connects it
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "1234")]
    pub gdb: Option<u16>,
    /// How much memory the machine gets, as 256M or 1G
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<u64>,
}

/// `allno build`
#[derive(Args, Debug)]
pub struct Build {
    /// Which spec.
    #[command(flatten)]
    pub spec: Spec,
    /// Look for newer sources within the spec's series and write them into allno.lock
    #[arg(long)]
    pub update: bool,
}

/// `allno climb`
#[derive(Args, Debug)]
pub struct Climb {
    /// Which spec: of it the kernel's source counts, and with --own-kernel its rungs and options.
    #[command(flatten)]
    pub spec: Spec,
    /// The first rung to prove [default: the lowest]
    #[arg(long, value_name = "RUNG")]
    pub from: Option<String>,
    /// The last rung to prove [default: the highest]
    #[arg(long, value_name = "RUNG")]
    pub to: Option<String>,
    /// Take each option of a rung away in turn, build and boot: which are needed? Without RUNG, of every rung
    #[arg(long, value_name = "RUNG", num_args = 0..=1, default_missing_value = "", conflicts_with = "records")]
    pub prove: Option<String>,
    /// Take only this option away, as PACKET; may be given more than once
    #[arg(long = "option", value_name = "NAME", requires = "prove")]
    pub options: Vec<String>,
    /// Boot the spec's own kernel in the place of every rung's: how far does it get?
    #[arg(long, conflicts_with_all = ["prove", "records", "report"])]
    pub own_kernel: bool,
    /// Write the report into this folder: index.html, report.md and climb.json; with --prove prove.md and prove.json, where verdicts on other rungs stay
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub report: Option<PathBuf>,
    /// Boot nothing: write the report of an earlier climb, from its climb.json
    #[arg(long, value_name = "FILE", requires = "report", conflicts_with_all = ["from", "to"], value_hint = ValueHint::FilePath)]
    pub records: Option<PathBuf>,
}

/// `allno disk`
#[derive(Args, Debug)]
#[command(after_help = DISK)]
pub struct Disk {
    /// Which spec.
    #[command(flatten)]
    pub spec: Spec,
    /// Copy the image there; a file that is there already is never written over [default: it stays in the store]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// The image's format: raw or qcow2
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<engine::disk::ImageFormat>,
    /// The disk's size, as 800M or 4G; on a larger disk it grows at the next boot
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub size: Option<u64>,
    /// Take the root file system of this disk image, raw or qcow2, in the place of a distribution's packages
    #[arg(long, value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    pub import: Option<PathBuf>,
    /// Take what kernel series and mirror have today, and write it into allno.lock
    #[arg(long)]
    pub update: bool,
}

const DISK: &str = "\
It starts by a BIOS (GRUB) and by UEFI (the kernel itself), on virtio, SATA and NVMe. Root is not needed where this host has user
name spaces and ranges in /etc/subuid. What the spec says of it stands in its table [disk]; docs/disk.md has the whole.";

/// `allno conf`
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = CONF)]
pub struct Conf {
    /// The arguments of scripts/kconfig/conf: a mode, and the Kconfig file
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

const CONF: &str = "\
A drop-in for scripts/kconfig/conf of the tree it runs for: the same arguments (allno conf --help lists them), environment,
files, words and exit codes. Started by a link named conf it is conf.";

/// `allno config`
#[derive(Args, Debug)]
pub struct Config {
    /// What to ask.
    #[command(subcommand)]
    pub question: ConfigQuestion,
}

/// The questions of `allno config`.
#[derive(Debug, Subcommand)]
pub enum ConfigQuestion {
    /// Show every value and where it comes from
    Show(ConfigShow),
    /// Say why an option has its value, and what refuses another
    Why(ConfigWhy),
    /// Find the fewest changes that give options the values one wants, or say why there are none
    Need(ConfigNeed),
    /// Say what the next build would compile again if options had other values, and what comes or goes
    Cost(ConfigCost),
    /// Say what two configurations differ in, by cause
    Diff(ConfigDiff),
    /// Say which options a machine's devices need, and how the kernel finds each device
    Hardware(ConfigHardware),
    /// Browse and change it on a full screen, on the keys of menuconfig
    Menu(ConfigMenu),
}

/// Which configuration a question is about.
#[derive(Args, Clone, Debug)]
#[command(after_help = CONFIG_OF)]
pub struct ConfigOf {
    /// The spec whose kernel is meant, or a folder that holds allno.toml
    #[arg(long, value_name = "SPEC", value_hint = ValueHint::AnyPath, conflicts_with = "tree")]
    pub spec: Option<PathBuf>,
    /// A kernel source, in the place of a spec's
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub tree: Option<PathBuf>,
    /// The tree's architecture, as ARCH= of make takes it
    #[arg(long, value_name = "ARCH", default_value = "x86_64", requires = "tree")]
    pub arch: String,
    /// A .config, in the place of what the spec asks for [with --tree: DIR/.config]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

const CONFIG_DIFF: &str = "\
The kernel is that of --tree, else of the spec that is compared (B before A), else of --spec, of allno.toml in the current
folder, or of the built-in node.";

const CONFIG_OF: &str = "\
Without --tree it is the kernel of the spec: --spec, else allno.toml in the current folder, else the built-in node.";

/// `allno config show`
#[derive(Args, Debug)]
pub struct ConfigShow {
    /// Which configuration.
    #[command(flatten)]
    pub of: ConfigOf,
    /// Show what is n, too
    #[arg(long)]
    pub all: bool,
}

/// `allno config why`
#[derive(Args, Debug)]
pub struct ConfigWhy {
    /// The option: E1000, CONFIG_E1000 or e1000
    #[arg(value_name = "SYMBOL")]
    pub symbol: String,
    /// Which configuration.
    #[command(flatten)]
    pub of: ConfigOf,
}

/// `allno config need`
#[derive(Args, Debug)]
pub struct ConfigNeed {
    /// The options and their values: E1000, E1000=m, HZ=1000; y where no value is named. They hold together
    #[arg(value_name = "SYMBOL[=VALUE]", required = true)]
    pub wanted: Vec<String>,
    /// Which configuration.
    #[command(flatten)]
    pub of: ConfigOf,
}

/// `allno config cost`
#[derive(Args, Debug)]
#[command(after_help = CONFIG_COST)]
pub struct ConfigCost {
    /// The options and their values: SMP, SMP=n, HZ_1000=y; where no value is named, the other one. They hold together
    #[arg(value_name = "SYMBOL[=VALUE]", required = true)]
    pub wanted: Vec<String>,
    /// The spec whose kernel is meant, or a folder that holds allno.toml
    #[arg(long, value_name = "SPEC", value_hint = ValueHint::AnyPath)]
    pub spec: Option<PathBuf>,
    /// Name every object and consequence
    #[arg(long)]
    pub all: bool,
}

const CONFIG_COST: &str = "\
It compares with the objects of the last build, and leaves them as they are; where there are none it builds the kernel first.
kbuild itself is asked, in a sketch of them: headers are generated and commands compared as in a build, but what would be
compiled is only written down. An object is what kbuild's lines CC and AS make for the kernel.";

/// `allno config diff`
#[derive(Args, Debug)]
#[command(after_help = CONFIG_DIFF)]
pub struct ConfigDiff {
    /// What to compare: a .config, a spec (a name that ends in .toml), or a folder that holds allno.toml
    #[arg(value_name = "A", value_hint = ValueHint::AnyPath)]
    pub left: PathBuf,
    /// What to compare it with
    #[arg(value_name = "B", value_hint = ValueHint::AnyPath)]
    pub right: PathBuf,
    /// Whose Kconfig files: of a spec that is compared, its own.
    #[command(flatten)]
    pub of: ConfigOf,
    /// Name every consequence
    #[arg(long)]
    pub all: bool,
}

/// `allno config hardware`
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct ConfigHardware {
    /// A machine of machines/: pc, q35, microvm, firecracker, ec2-nitro, ec2-xen, …
    #[arg(value_name = "MACHINE", group = "what")]
    pub machine: Option<String>,
    /// The devices of a running machine: /sys, or a copy of it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, group = "what")]
    pub sysfs: Option<PathBuf>,
    /// What `lspci -nn` printed; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "what")]
    pub lspci: Option<PathBuf>,
    /// Ask only these who drives what [default: both, as far as they are within reach]
    #[arg(long, value_name = "SOURCE", value_enum)]
    pub from: Option<TablesFrom>,
    /// Show, and add options for, what one can do without, too: screens, keyboards, sensors, bridges
    #[arg(long)]
    pub all: bool,
    /// Which configuration.
    #[command(flatten)]
    pub of: ConfigOf,
}

/// Whose device tables say which driver takes which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TablesFrom {
    /// The modules of Debian's kernel, of the series of the tree if there is one.
    Distribution,
    /// The sources of the tree itself, read without a compiler.
    Tree,
}

/// `allno config menu`
#[derive(Args, Debug)]
pub struct ConfigMenu {
    /// Which configuration; a spec's is saved as kernel.config, a tree's where it came from.
    #[command(flatten)]
    pub of: ConfigOf,
}

/// `allno doctor`
#[derive(Args, Debug)]
pub struct Doctor {
    /// Install the missing packages (Debian and its children; as root, else by sudo)
    #[arg(long)]
    pub install: bool,
    /// Also look at what only allno's own tests need
    #[arg(long)]
    pub tests: bool,
}

/// `allno ssh`
#[derive(Args, Debug)]
pub struct Ssh {
    /// The run directory of the machine [default: the one that was started last]
    #[arg(long, value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    pub run: Option<PathBuf>,
    /// The command to run there [default: a login shell]
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `allno gc`
#[derive(Args, Debug)]
pub struct Gc {
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    /// Read every file of the store again, compare it with its hash, and remove what is damaged; of the rest nothing, unless
    /// --all or --size say so
    #[arg(long)]
    pub verify: bool,
    /// Remove everything that is not in use just now
    #[arg(long, conflicts_with = "size")]
    pub all: bool,
    /// Remove what was used longest ago until the store is no larger than this, as 500M or 10G
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub size: Option<u64>,
}

/// `allno completions`
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `allno man`
#[derive(Args, Debug)]
pub struct Man {
    /// The folder to write allno.1, allno-boot.1 and the others into
    #[arg(value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
}

/// A number of bytes with a decimal unit, as disks are sold: 500M, 10G, "10 GB".
fn bytes(text: &str) -> Result<u64, String> {
    with_unit(text, 1000)
}

/// A number of bytes with a binary unit, as memory is sold and as QEMU's -m takes it: 256M, 1G.
fn memory(text: &str) -> Result<u64, String> {
    with_unit(text, 1024)
}

fn with_unit(text: &str, step: u64) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let power = match unit.trim().to_ascii_uppercase().trim_end_matches('B').trim_end_matches('I') {
        "" if !unit.trim().is_empty() => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err("expected a number and a unit, as in 500M or 10G".to_string()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(step.pow(power)))
        .ok_or_else(|| "the number is missing or too large".to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_need_a_unit_and_fit() {
        assert_eq!(bytes("10G"), Ok(10_000_000_000));
        assert_eq!(bytes("10 GB"), Ok(10_000_000_000));
        assert_eq!(memory("256M"), Ok(256 << 20));
        assert_eq!(memory("1GiB"), Ok(1 << 30));
        assert_eq!(bytes("7b"), Ok(7));
        for wrong in ["", "10", "G", "-1G", "1.5G", "10X", "99999999999999T", "1GG"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn gdb_takes_a_port_only_after_an_equals_sign() {
        let gdb = |line: &[&str]| match Arguments::try_parse_from(line).unwrap().command {
            Command::Boot(boot) => (boot.gdb, boot.spec.spec),
            other => panic!("{other:?}"),
        };
        assert_eq!(gdb(&["allno", "boot", "--gdb", "here"]), (Some(1234), Some("here".into())));
        assert_eq!(gdb(&["allno", "boot", "--gdb=99"]), (Some(99), None));
        assert_eq!(gdb(&["allno", "boot"]), (None, None));
    }
}
