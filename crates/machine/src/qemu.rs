//! QEMU's command line, and what its complaints mean.

use std::ffi::OsString;
use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use base::process::Program;
use base::{Cancel, Error, Result};
use serde::{Deserialize, Serialize};

use crate::definition::Machine;
use crate::drive::{Drive, Firmware};

/// The emulator for x86-64 guests.
pub const QEMU: &str = "qemu-system-x86_64";
/// Longest command line x86 Linux takes, without its final NUL (arch/x86/include/asm/setup.h COMMAND_LINE_SIZE 2048).
pub const APPEND_LIMIT: usize = 2047;
/// Where SLiRP's first DHCP lease lies, and so where a forwarded port leads when nothing else is said (QEMU: net/slirp.c).
pub const GUEST_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// QEMU's software emulation; works everywhere.
    Tcg,
    /// The processor itself, through /dev/kvm.
    Kvm,
}

/// A network card's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// The one a guest has unless told otherwise: fixed, so that runs repeat, and locally administered and unicast
    /// (IEEE 802: second-lowest bit of the first byte set, lowest clear).
    pub const DEFAULT: MacAddress = MacAddress([0x52, 0x54, 0x00, 0x0a, 0x11, 0x10]);
}

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl FromStr for MacAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<MacAddress, String> {
        let wrong = || format!("\"{text}\" is not a MAC address such as 52:54:00:0a:11:10");
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() || text.contains('+') {
            return Err(wrong());
        }
        if bytes[0] & 1 != 0 || bytes == [0; 6] {
            return Err(format!("{text} is not the address of one card (it is a group's, or zero)"));
        }
        Ok(MacAddress(bytes))
    }
}

impl Serialize for MacAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<MacAddress, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The guest's network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Network {
    /// No card.
    None,
    /// QEMU's user-mode network (SLiRP), with a port on 127.0.0.1 leading to the guest's port 22.
    User {
        /// The guest's address, where the forwarded port leads; 10.0.2.15 unless given.
        guest: Option<Ipv4Addr>,
        /// The network, "10.0.2.0/24" unless given.
        network: Option<String>,
        /// The host's address in it, "10.0.2.2" unless given.
        host: Option<Ipv4Addr>,
        /// Keep the guest from reaching anything outside (the forwarded port still works).
        restrict: bool,
    },
    /// A tap device of the host, made beforehand.
    Tap {
        /// Its name.
        interface: String,
    },
}

impl Network {
    /// SLiRP with its own defaults.
    pub fn user() -> Network {
        Network::User { guest: None, network: None, host: None, restrict: false }
    }
}

/// One boot, everything decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The machine.
    pub machine: Machine,
    /// What executes the instructions.
    pub accelerator: Accelerator,
    /// The guest's memory in MiB.
    pub memory: u32,
    /// How many processors.
    pub processors: u32,
    /// What starts the disk, where no kernel is given.
    #[serde(default)]
    pub firmware: Firmware,
    /// The disk, if it has one.
    #[serde(default)]
    pub disk: Option<Drive>,
    /// The kernel image; without one the machine's firmware starts the disk, and initramfs and command line have no place.
    pub kernel: Option<PathBuf>,
    /// The initramfs, if there is one.
    pub initramfs: Option<PathBuf>,
    /// The kernel's command line.
    pub append: String,
    /// The network.
    pub network: Network,
    /// The network card's address.
    pub mac: MacAddress,
    /// Whether the machine's random number generator is plugged in.
    pub random: bool,
    /// Wait for gdb on this port of 127.0.0.1 before the first instruction.
    pub gdb: Option<u16>,
    /// Further arguments of the user's.
    pub extra: Vec<String>,
    /// A whole QEMU line of the user's instead of all the above but kernel, initramfs and append: a program and its
    /// arguments with the placeholders {kernel} {initramfs} {append} {port}.
    pub own_line: Option<Vec<String>>,
}

/// What stands for the forwarded port until one is chosen.
pub const PORT_PLACEHOLDER: &str = "{port}";

impl Launch {
    /// Whether QEMU may have files of somebody's open, which it has to close in peace: a disk, or whatever the user's arguments name.
    pub fn holds_files(&self) -> bool {
        self.disk.is_some() || !self.extra.is_empty() || self.own_line.is_some()
    }

    /// One processor and this many MiB, and nothing plugged in yet.
    pub fn new(machine: Machine, accelerator: Accelerator, memory: u32) -> Launch {
        Launch {
            machine,
            accelerator,
            memory,
            processors: 1,
            firmware: Firmware::Bios,
            disk: None,
            kernel: None,
            initramfs: None,
            append: String::new(),
            network: Network::None,
            mac: MacAddress::DEFAULT,
            random: false,
            gdb: None,
            extra: Vec::new(),
            own_line: None,
        }
    }

    /// Whether a port of 127.0.0.1 has to be chosen for this boot.
    pub fn wants_port(&self) -> bool {
        match &self.own_line {
            Some(line) => line.iter().any(|word| word.contains(PORT_PLACEHOLDER)),
            None => matches!(self.network, Network::User { .. }),
        }
    }

    /// The QEMU to start, with `port` leading to the guest's port 22; without one the line holds {port} (for a plan).
    ///
    /// # Errors
    /// [`base::Kind::Input`]: no such machine in QEMU, the machine lacks a device that is asked for, an unknown
    /// placeholder, a command line the kernel would cut, a port or memory of nothing.
    pub fn program(&self, port: Option<u16>) -> Result<Program> {
        if self.append.len() > APPEND_LIMIT {
            return Err(Error::input(format!(
                "the kernel's command line has {} bytes; the kernel takes {APPEND_LIMIT}",
                self.append.len()
            )));
        }
        let port = port.map_or(PORT_PLACEHOLDER.to_string(), |port| port.to_string());
        match &self.own_line {
            Some(line) => self.own_program(line, &port),
            None => Ok(Program::new(QEMU).args(self.arguments(&port)?)),
        }
    }

    fn arguments(&self, port: &str) -> Result<Vec<OsString>> {
        if self.machine.qemu.is_empty() {
            return Err(Error::input(format!("QEMU has no machine \"{}\"", self.machine.name))
                .note("it is real hardware or another monitor's"));
        }
        if self.memory == 0 || self.processors == 0 {
            return Err(Error::input("a machine needs some memory and a processor"));
        }
        let mut arguments = Arguments::default();
        // Nothing from the host's configuration, no default devices, no window, no monitor.
        arguments.add(["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]);
        arguments.add(&self.machine.qemu);
        match self.accelerator {
            Accelerator::Tcg => arguments.add(["-accel", "tcg"]),
            Accelerator::Kvm => arguments.add(["-accel", "kvm", "-cpu", "host"]),
        }
        arguments.add(["-m", &format!("{}M", self.memory), "-smp", &self.processors.to_string()]);
        // signal=off: on a terminal Ctrl-C is the guest's.
        arguments.add(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
        self.add_network(&mut arguments, port)?;
        self.add_random(&mut arguments)?;
        if let Some(port) = self.gdb {
            arguments.add(["-gdb", &format!("tcp:127.0.0.1:{port}"), "-S"]);
        }
        arguments.add(self.firmware.arguments());
        if let Some(disk) = &self.disk {
            arguments.add(disk.arguments(self.kernel.is_none()));
        }
        // These three are not option lists: QEMU takes them as they are, commas and all.
        if let Some(kernel) = &self.kernel {
            arguments.add([OsString::from("-kernel"), kernel.clone().into()]);
            if let Some(initramfs) = &self.initramfs {
                arguments.add([OsString::from("-initrd"), initramfs.clone().into()]);
            }
            arguments.add(["-append", &self.append]);
        }
        arguments.add(&self.extra);
        Ok(arguments.0)
    }

    fn add_network(&self, arguments: &mut Arguments, port: &str) -> Result<()> {
        let backend = match &self.network {
            Network::None => return Ok(()),
            Network::User { guest, network, host, restrict } => {
                let guest = guest.unwrap_or(GUEST_ADDRESS);
                let mut backend = format!("user,id=net0,hostfwd=tcp:127.0.0.1:{port}-{guest}:22");
                if let Some(network) = network {
                    backend += &format!(",net={}", double_commas(network));
                }
                if let Some(host) = host {
                    backend += &format!(",host={host}");
                }
                if *restrict {
                    backend += ",restrict=on";
                }
                backend
            }
            Network::Tap { interface } => {
                format!("tap,id=net0,ifname={},script=no,downscript=no", double_commas(interface))
            }
        };
        let device = self.device(self.machine.network_device.as_deref(), "network card")?;
        arguments.add(["-netdev", &backend]);
        arguments.add(["-device", &format!("{device},mac={}", self.mac)]);
        Ok(())
    }

    fn add_random(&self, arguments: &mut Arguments) -> Result<()> {
        if !self.random {
            return Ok(());
        }
        let device = self.device(self.machine.rng_device.as_deref(), "random number generator")?;
        arguments.add(["-object", "rng-random,id=rng0,filename=/dev/urandom"]);
        arguments.add(["-device", device]);
        Ok(())
    }

    fn device<'a>(&self, device: Option<&'a str>, what: &str) -> Result<&'a str> {
        device.ok_or_else(|| Error::input(format!("the machine \"{}\" has no {what}", self.machine.name)))
    }

    fn own_program(&self, line: &[String], port: &str) -> Result<Program> {
        let (program, rest) =
            line.split_first().ok_or_else(|| Error::input("the QEMU line of your own is empty"))?;
        let mut filled = Program::new(program);
        for word in rest {
            filled = filled.arg(self.fill(word, port)?);
        }
        Ok(filled)
    }

    /// Replaces the placeholders in one word of the user's line.
    fn fill(&self, word: &str, port: &str) -> Result<OsString> {
        let mut filled = OsString::new();
        let mut rest = word;
        while let Some(open) = rest.find('{') {
            filled.push(&rest[..open]);
            let close = rest[open..].find('}').map(|at| open + at);
            match close.map(|close| &rest[open + 1..close]) {
                Some("kernel") => filled.push(
                    self.kernel
                        .as_deref()
                        .ok_or_else(|| Error::input("the QEMU line asks for {kernel} and there is none"))?,
                ),
                Some("initramfs") => {
                    filled.push(self.initramfs.as_deref().ok_or_else(|| {
                        Error::input("the QEMU line asks for {initramfs} and there is none")
                    })?)
                }
                Some("append") => filled.push(&self.append),
                Some("port") => filled.push(port),
                name => {
                    return Err(Error::input(format!(
                        "unknown placeholder {{{}}}",
                        name.unwrap_or_default()
                    ))
                    .note(format!("in the QEMU line's word \"{word}\""))
                    .note("there are {kernel} {initramfs} {append} {port}"));
                }
            }
            rest = &rest[close.map_or(rest.len(), |close| close + 1)..];
        }
        filled.push(rest);
        Ok(filled)
    }
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn add<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(&mut self, words: I) {
        self.0.extend(words.into_iter().map(|word| word.as_ref().to_os_string()));
    }
}

/// A value inside one of QEMU's option lists, where a comma is written twice (QEMU: docs, "Invocation").
pub fn double_commas(value: &str) -> String {
    value.replace(',', ",,")
}

/// The words of a line as a person writes it for a shell: white space separates, quotes and backslash keep.
/// Nothing is expanded.
///
/// # Errors
/// [`base::Kind::Input`]: a quote or backslash with nothing after it.
pub fn split_line(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = line.chars();
    let unfinished = || Error::input("the QEMU line ends inside a quote").note(line.to_string());
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                let next = characters.next().ok_or_else(unfinished)?;
                if next != '\n' {
                    word.get_or_insert_default().push(next);
                }
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err(unfinished());
    }
    words.extend(word);
    Ok(words)
}

/// Whether this QEMU has the user-mode network (it is built with libslirp).
///
/// # Errors
/// There is no such QEMU, or it does not answer within 20 s.
pub fn has_user_network(program: &str, cancel: &Cancel) -> Result<bool> {
    // The default machine needs no firmware for -netdev help, and no display.
    let asked = Program::new(program).args(["-display", "none", "-netdev", "help"]);
    let captured = asked.capture(Duration::from_secs(20), cancel)?;
    Ok(captured.stdout.lines().any(|line| line.trim() == "user"))
}

/// The last lines QEMU itself printed to the file `path`, without its chatter about modules.
pub(crate) fn stderr_lines(path: &Path) -> Vec<String> {
    const REACH: u64 = 64 << 10;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(REACH)))?;
        let mut bytes = Vec::new();
        file.take(REACH).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let lines = bytes.split(|&byte| byte == b'\n').map(crate::console::readable);
    let chatter = |line: &String| line.contains("terminating on signal");
    let mut lines: Vec<String> = lines.filter(|line| !line.is_empty() && !chatter(line)).collect();
    lines.split_off(lines.len().saturating_sub(crate::console::LAST_LINES))
}

/// What a complaint of QEMU's means for the person, where we know it.
pub(crate) fn known_failure(stderr: &[String]) -> Option<Error> {
    let said = |text: &str| stderr.iter().any(|line| line.contains(text));
    if said("network backend 'user' is not compiled") || said("does not accept value 'user'") {
        return Some(Error::host("this QEMU was built without its user-mode network (libslirp)").hint(
            "install a QEMU that has it (Debian: apt install qemu-system-x86), or use network = \"tap\"",
        ));
    }
    if said("Could not set up host forwarding rule") {
        return Some(
            Error::host("the port that should lead to the guest's port 22 is taken").hint("run it again"),
        );
    }
    if said("Could not access KVM kernel module") || said("failed to initialize kvm") {
        return Some(Error::host("QEMU cannot use KVM here").hint("allno doctor"));
    }
    if said("could not open /dev/net/tun") || said("could not configure /dev/net/tun") {
        return Some(
            Error::host("QEMU may not use the tap device")
                .hint("make it beforehand: ip tuntap add NAME mode tap user $USER && ip link set NAME up"),
        );
    }
    if said("cannot set up guest memory") {
        return Some(
            Error::host("there is not enough memory for the guest")
                .hint("give it less, or end other programs"),
        );
    }
    None
}

#[cfg(test)]
mod tests;
