//! The spec: what a person wrote, as they wrote it. Nothing is decided here; [`crate::plan`] decides.

mod parse;
mod values;

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

pub(crate) use parse::with_nearest;
pub use parse::{Place, SpecFile};
pub use values::{Bytes, FileMode};

/// The file a spec is looked for in when none is named.
pub const FILE_NAME: &str = "allno.toml";
/// The spec used where there is no [`FILE_NAME`]: the node itself.
pub const BUILT_IN: &str = include_str!("../../../../examples/node.toml");

/// The whole spec. Every table and key may be left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// `[kernel]`
    pub kernel: Kernel,
    /// `[userland]`
    pub userland: Userland,
    /// `[initramfs]`
    pub initramfs: Initramfs,
    /// `[accounts]`
    pub accounts: Accounts,
    /// `[network]`
    pub network: Network,
    /// `[machine]`
    pub machine: Machine,
    /// `[sources]`
    pub sources: Sources,
    /// `[disk]`
    pub disk: Disk,
    /// `[[file]]`, each one entry of the initramfs, and of a disk's root file system.
    pub file: Vec<File>,
    /// `[[expect]]`, each one thing the boot must show.
    pub expect: Vec<Spanned<machine::Expectation>>,
}

/// `[kernel]`: which kernel, and what it must be able to do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kernel {
    /// A stable series, "6.12" or "6.1". Default "6.12".
    pub series: Option<Spanned<String>>,
    /// One's own source: a tree, a git checkout, or a tarball; relative to the spec.
    pub path: Option<Spanned<PathBuf>>,
    /// Patches applied on top, in this order; relative to the spec.
    pub patches: Vec<Spanned<PathBuf>>,
    /// The rungs of the ladder it must reach. Default: the node's.
    pub rungs: Option<Vec<Spanned<String>>>,
    /// Options on top: "IKCONFIG=y", "SMP=n", "LOCALVERSION=\"-mine\"".
    pub config: Vec<Spanned<String>>,
    /// Words added to the kernel's command line.
    pub append: Option<Spanned<String>>,
}

/// `[userland]`: the programs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Userland {
    /// Recipes by name, or by path when they end in `.toml`. Default: busybox, openssh, iputils.
    pub recipes: Option<Vec<Spanned<String>>>,
    /// What OpenSSH can do: "built-in" (ed25519 alone) or "full" (RSA and ECDSA too, by OpenSSL).
    pub crypto: Option<Spanned<String>>,
}

/// `[initramfs]`: how it is packed, and who is process 1.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Initramfs {
    /// "none", "gzip", "zstd", "xz" or "lz4". Default "none": it starts fastest from a local disk.
    pub compression: Option<Spanned<String>>,
    /// A file that takes the place of the generated /init.
    pub init: Option<Spanned<PathBuf>>,
}

/// `[accounts]`: who may log in. There are no passwords.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// The ordinary user's name. Default "user".
    pub user: Option<Spanned<String>>,
    /// Public keys that open both accounts: a key line, or a file holding such lines. Default: a pair
    /// made for this machine.
    pub authorized_keys: Vec<Spanned<String>>,
}

/// `[network]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// "10.0.2.15/24" or "dhcp".
    pub address: Option<Spanned<String>>,
    /// The router.
    pub gateway: Option<Spanned<String>>,
    /// Resolvers; the kernel's `ip=` carries two.
    pub dns: Option<Vec<Spanned<String>>>,
    /// The node's name. Default "node".
    pub hostname: Option<Spanned<String>>,
    /// The network device inside the guest. Default: the machine's.
    pub interface: Option<Spanned<String>>,
    /// An existing tap interface of the host, instead of QEMU's own user network.
    pub tap: Option<Spanned<String>>,
    /// The loopback port forwarded to the guest's port 22. Default: a free one.
    pub ssh_port: Option<Spanned<u16>>,
}

/// `[machine]`: what it is booted on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// A machine's name: microvm, q35, pc, … Default: the fastest that works.
    pub name: Option<Spanned<String>>,
    /// Memory, "256M". Default 256M.
    pub memory: Option<Spanned<Bytes>>,
    /// Words added to QEMU's command line.
    pub extra: Vec<String>,
    /// A QEMU line of one's own, as words, with {kernel}, {vmlinux}, {initramfs}, {append} and {port}.
    pub qemu: Option<Vec<String>>,
}

/// `[sources]`: where sources come from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sources {
    /// A server that holds what upstream's servers hold, at MIRROR/host/path; it is asked instead of them.
    pub mirror: Option<Spanned<String>>,
}

/// `[disk]`: the disk that `allno disk` makes, with a distribution's user space.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// The disk's size, "1G", which is also the default. What it is put on may be larger: its root file system grows.
    pub size: Option<Spanned<Bytes>>,
    /// "raw" or "qcow2". Default "raw".
    pub format: Option<Spanned<String>>,
    /// Whose user space: "debian" (the default) or "devuan".
    pub distribution: Option<Spanned<String>>,
    /// Its suite. Default: the distribution's, "bookworm" of Debian.
    pub suite: Option<Spanned<String>>,
    /// The address that the distribution's dists/ and pool/ stand below. Default: the mirrors this machine's apt uses.
    pub mirror: Option<Spanned<String>>,
    /// Whether the suites of updates and of security updates are used, too, where the mirrors are apt's. Default true.
    pub updates: Option<bool>,
    /// The keys that sign the mirror's indices, a file for apt. Default: those of this host.
    pub keyring: Option<Spanned<PathBuf>>,
    /// Packages on top of those that make the system.
    pub packages: Vec<Spanned<String>>,
}

/// `[[file]]`: one entry of the initramfs; exactly one of `from`, `text`, `link` and `directory`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where it stands in the guest, absolute.
    pub to: Spanned<String>,
    /// A file of the host, relative to the spec.
    #[serde(default)]
    pub from: Option<Spanned<PathBuf>>,
    /// Its content, written here.
    #[serde(default)]
    pub text: Option<String>,
    /// The target of a symbolic link.
    #[serde(default)]
    pub link: Option<String>,
    /// True for a directory.
    #[serde(default)]
    pub directory: bool,
    /// Permission bits, "0644". Default: 0755 for a directory or where the host's file is executable, else 0644.
    #[serde(default)]
    pub mode: Option<Spanned<FileMode>>,
    /// Owner's user id. Default 0.
    #[serde(default)]
    pub user: u32,
    /// Owner's group id. Default 0.
    #[serde(default)]
    pub group: u32,
}
