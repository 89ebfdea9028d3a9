//! What proves a rung: a boot of its kernel on one machine, what must be seen of it, and what is seen without the rung.

use machine::{Bus, Expectation, Firmware, Pattern};
use serde::Deserialize;
use toml::Spanned;

/// `[[proof]]` of a rung. Its kernel is the ladder's up to the rung.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// What it shows, in a few words.
    pub about: String,
    /// The machine's name.
    pub machine: Spanned<String>,
    /// Process 1, /init of the initramfs: a file of `ladder/`. One ending in `.c` is compiled, with no C library; others are
    /// taken as they are. Without it there is no initramfs.
    #[serde(default)]
    pub init: Option<Spanned<String>>,
    /// The recipes whose programs the initramfs holds.
    #[serde(default)]
    pub recipes: Vec<Spanned<String>>,
    /// The disk it is given.
    #[serde(default)]
    pub disk: Option<Disk>,
    /// How the disk is connected.
    #[serde(default)]
    pub bus: Option<Bus>,
    /// The firmware that starts the disk; without one QEMU loads the kernel.
    #[serde(default)]
    pub firmware: Option<Firmware>,
    /// Whether the machine has its random number generator.
    #[serde(default)]
    pub random: bool,
    /// How many processors the machine has; one unless given.
    #[serde(default)]
    pub processors: Option<u32>,
    /// Further words for QEMU.
    #[serde(default)]
    pub extra: Vec<String>,
    /// Further words for the kernel's command line; {root} names the root of [`Disk::Distribution`].
    #[serde(default)]
    pub append: Option<String>,
    /// The network card: QEMU's device and options, `netdev=net0` among them. A distribution has the machine's own where none
    /// is named, others have none.
    #[serde(default)]
    pub card: Option<String>,
    /// Whether the network carries traffic both ways: the guest fetches a line from the host, at the port
    /// `traffic.port=` on its command line names, and the host one from the guest's port 22.
    #[serde(default)]
    pub traffic: bool,
    /// What is typed on the console, in order.
    #[serde(default)]
    pub typed: Vec<Typed>,
    /// Options that must be off in the kernel: what nobody has asked for yet.
    #[serde(default)]
    pub off: Vec<String>,
    /// The most bytes the bzImage may have.
    #[serde(default)]
    pub bzimage_at_most: Option<u64>,
    /// What must be seen with the rung.
    #[serde(default)]
    pub expect: Vec<Spanned<Expectation>>,
    /// What no line of the console may match once all is seen, as a regular expression.
    #[serde(default)]
    pub never: Option<Expression>,
    /// Lines that may match `never` all the same.
    #[serde(default)]
    pub except: Option<Expression>,
    /// Instead of `expect`: the kernel function the processor must stand in or below.
    #[serde(default)]
    pub processor_in: Option<String>,
    /// What is seen without the rung. Absent only where nothing stands below.
    #[serde(default)]
    pub below: Option<Below>,
}

impl Proof {
    /// Whether the machine has a network.
    pub fn network(&self) -> bool {
        self.card.is_some() || self.disk == Some(Disk::Distribution)
    }
}

/// What the same machine shows with the kernel and the user space of the rung below.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Below {
    /// All that the proof expects: the rung must not lose what the machine could do before.
    Passes,
    /// Not one byte on the console. It counts only because the same machine spoke with the rung.
    Silence,
    /// A line that this regular expression matches: of the console, or, where the kernel is not even booted because of
    /// `off` or `bzimage_at_most`, of what is said of it.
    Line(String),
}

/// A regular expression, known to be one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Expression(pub String);

impl TryFrom<String> for Expression {
    type Error = String;

    fn try_from(text: String) -> Result<Expression, String> {
        Pattern::regex(&text).map_err(|error| error.to_string())?;
        Ok(Expression(text))
    }
}

/// The words for [`Below::Silence`] and [`Below::Passes`].
const SILENCE: &str = "silence";
const PASSES: &str = "passes";

impl TryFrom<String> for Below {
    type Error = String;

    fn try_from(text: String) -> Result<Below, String> {
        if text == SILENCE {
            return Ok(Below::Silence);
        }
        if text == PASSES {
            return Ok(Below::Passes);
        }
        Pattern::regex(&text).map_err(|error| error.to_string())?;
        Ok(Below::Line(text))
    }
}

/// A line typed on the console.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typed {
    /// The text after which it is typed.
    pub after: String,
    /// The line, without its end.
    pub line: String,
}

/// A disk made for a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disk {
    /// One line of text, and nothing else.
    Text,
    /// An ext4 file system with one file.
    Ext4,
    /// An ext4 file system that takes the place of the initramfs: /init and the recipes' programs stand on it.
    Root,
    /// A distribution's user space under the rung's kernel, as `allno disk` makes it: with GRUB for a BIOS, and the kernel itself
    /// for UEFI. Its network card leads to its SSH.
    Distribution,
}
