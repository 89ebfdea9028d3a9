//! Devices: what they are, how the kernel came to know of them, and what somebody wants them for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the kernel comes to know of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// The firmware's ACPI tables name it (DSDT, SSDT).
    Acpi,
    /// The bus is scanned: each address is asked for its configuration space, through the ports 0xCF8 and 0xCFC (type 1) or
    /// through memory (ECAM).
    Pci,
    /// The kernel's command line names it: `virtio_mmio.device=SIZE@ADDRESS:INTERRUPT`.
    CommandLine,
    /// Nobody names it: a driver or the platform's code looks at the place where a PC has it.
    Isa,
    /// The hypervisor's store of keys names it (Xenbus).
    Xenbus,
    /// The firmware's device tree names it.
    DeviceTree,
    /// The driver of the device it hangs on finds it.
    Driver,
    /// There is no hardware: the kernel makes it for itself.
    Kernel,
}

impl Found {
    /// In a few words, for a person.
    pub fn words(self) -> &'static str {
        match self {
            Found::Acpi => "ACPI tables",
            Found::Pci => "PCI bus scan",
            Found::CommandLine => "command line",
            Found::Isa => "fixed PC address",
            Found::Xenbus => "Xenbus",
            Found::DeviceTree => "device tree",
            Found::Driver => "the driver above it",
            Found::Kernel => "the kernel itself",
        }
    }

    /// The options without which no device is found this way, each with the reason.
    ///
    /// Kernel: drivers/acpi/scan.c, drivers/pci/probe.c, drivers/virtio/virtio_mmio.c (`vm_cmdline_set`),
    /// drivers/xen/xenbus/xenbus_probe_frontend.c, drivers/of/platform.c.
    pub fn options(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Found::Acpi => &[("ACPI", "reads the tables that name the device")],
            Found::Pci => &[("PCI", "scans the bus the device is on")],
            Found::CommandLine => &[
                ("VIRTIO_MMIO", "the transport of the devices the command line names"),
                ("VIRTIO_MMIO_CMDLINE_DEVICES", "reads virtio_mmio.device= on the command line"),
            ],
            Found::Xenbus => {
                &[("XEN_PVHVM", "lets a fully virtualized guest speak to Xen, whose store names the device")]
            }
            Found::DeviceTree => &[("OF", "reads the tree that names the device")],
            Found::Isa | Found::Driver | Found::Kernel => &[],
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.words())
    }
}

/// What a device is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Other devices hang on it.
    Transport,
    /// A serial port or the like.
    Console,
    /// Disks, and the controllers they hang on.
    Disk,
    /// Network cards.
    Network,
    /// Random numbers.
    Entropy,
    /// Switching off, and the firmware's events.
    Power,
    /// Time of day, timers.
    Clock,
    /// Keyboard and mouse.
    Input,
    /// Screens.
    Display,
    /// Works without a driver: bridges, processors, resources that are only named.
    Passive,
    /// All else: sound, USB, management.
    Other,
}

impl Purpose {
    /// Whether a machine without it is not what one set out for: no disk, no network, no console. What is left is a matter of
    /// taste.
    pub fn is_wanted(self) -> bool {
        use Purpose::{Console, Disk, Entropy, Network, Power, Transport};
        matches!(self, Transport | Console | Disk | Network | Entropy | Power)
    }

    /// One word, for a person.
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Transport => "transport",
            Purpose::Console => "console",
            Purpose::Disk => "disk",
            Purpose::Network => "network",
            Purpose::Entropy => "entropy",
            Purpose::Power => "power",
            Purpose::Clock => "clock",
            Purpose::Input => "input",
            Purpose::Display => "display",
            Purpose::Passive => "passive",
            Purpose::Other => "other",
        }
    }

    /// What a device of this modalias is for: by its class on PCI, by its name elsewhere.
    pub fn of(modalias: &str) -> Purpose {
        if let Some(pci) = PciIdentity::parse(modalias) {
            return pci.purpose();
        }
        let rules = RULES.iter().find(|(pattern, _)| crate::alias::matches(pattern, modalias));
        rules.map_or(Purpose::Other, |(_, purpose)| *purpose)
    }
}

/// Purposes of what is not PCI. Sources: the ACPI specification, 5.6.7 ("Device Class-Specific Objects"), for ACPI00xx and PNP0Cxx;
/// kernel, drivers/acpi/acpi_pnp.c, for the other PNP names, include/acpi/acpi_drivers.h for LNX…, include/uapi/linux/virtio_ids.h,
/// include/scsi/scsi_proto.h for the types of SCSI.
const RULES: &[(&str, Purpose)] = &[
    ("acpi:PNP050[01]:*", Purpose::Console),
    ("acpi:PNP0A0[38]:*", Purpose::Transport),
    ("acpi:LNRO0005:*", Purpose::Transport),
    ("acpi:PNP0C0C:*", Purpose::Power),
    ("acpi:LNXPWRBN:*", Purpose::Power),
    ("acpi:ACPI0013:*", Purpose::Power),
    ("acpi:PNP0B00:*", Purpose::Clock),
    ("acpi:PNP0103:*", Purpose::Clock),
    ("acpi:PNP0303:*", Purpose::Input),
    ("acpi:PNP0F1?:*", Purpose::Input),
    ("acpi:PNP0F03:*", Purpose::Input),
    ("acpi:PNP0C02:*", Purpose::Passive),
    ("acpi:PNP0C0[1F]:*", Purpose::Passive),
    ("acpi:PNP0A06:*", Purpose::Passive),
    ("acpi:ACPI0007:*", Purpose::Passive),
    ("acpi:ACPI0010:*", Purpose::Passive),
    ("acpi:LNXCPU:*", Purpose::Passive),
    ("acpi:LNXSYBUS:*", Purpose::Passive),
    ("acpi:LNXSYSTM:*", Purpose::Passive),
    ("virtio:d00000001v*", Purpose::Network),
    ("virtio:d00000002v*", Purpose::Disk),
    ("virtio:d00000003v*", Purpose::Console),
    ("virtio:d00000004v*", Purpose::Entropy),
    ("virtio:d00000008v*", Purpose::Disk),
    ("virtio:d00000013v*", Purpose::Network),
    ("virtio:d0000001Av*", Purpose::Disk),
    ("virtio:d00000010v*", Purpose::Display),
    ("virtio:d00000012v*", Purpose::Input),
    ("xen:vif", Purpose::Network),
    ("xen:vbd", Purpose::Disk),
    ("xen:console", Purpose::Console),
    ("xen:vkbd", Purpose::Input),
    ("xen:vfb", Purpose::Display),
    ("scsi:t-0x00*", Purpose::Disk),
    ("platform:serial8250", Purpose::Console),
    ("platform:virtio-mmio*", Purpose::Transport),
    ("platform:rtc_cmos", Purpose::Clock),
    ("platform:i8042", Purpose::Input),
    ("serio:*", Purpose::Input),
];

/// The vendor of virtio's devices on PCI (virtio 1.2, 4.1.2).
const VIRTIO_VENDOR: u32 = 0x1af4;

/// What the modalias of a PCI device says (kernel: drivers/pci/pci-sysfs.c, `modalias_show`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciIdentity {
    /// Vendor and device.
    pub vendor: u32,
    /// The device's number, the vendor's to give.
    pub device: u32,
    /// The vendor of the board; 0 where it is not known.
    pub subsystem_vendor: u32,
    /// The board; 0 where it is not known.
    pub subsystem_device: u32,
    /// Base class, subclass and interface, a byte each.
    pub class: u32,
}

impl PciIdentity {
    /// From `pci:v00008086d0000100Esv…sd…bc02sc00i00`.
    pub fn parse(modalias: &str) -> Option<PciIdentity> {
        let mut rest = modalias.strip_prefix("pci:")?;
        let mut field = |name: &str, digits: usize| {
            let after = rest.strip_prefix(name)?;
            let number = u32::from_str_radix(after.get(..digits)?, 16).ok()?;
            rest = &after[digits..];
            Some(number)
        };
        let identity = PciIdentity {
            vendor: field("v", 8)?,
            device: field("d", 8)?,
            subsystem_vendor: field("sv", 8)?,
            subsystem_device: field("sd", 8)?,
            class: field("bc", 2)? << 16 | field("sc", 2)? << 8 | field("i", 2)?,
        };
        rest.is_empty().then_some(identity)
    }

    /// The base class and subclass, as `lspci -nn` has them in brackets.
    pub fn class_and_subclass(self) -> u32 {
        self.class >> 8
    }

    /// The number of the virtio device behind this function, if it is one (virtio 1.2, 4.1.2.1 and 4.1.2.3): 0x1040 and up
    /// carry it, the transitional ones have their own.
    pub fn virtio_device(self) -> Option<u32> {
        if self.vendor != VIRTIO_VENDOR {
            return None;
        }
        match self.device {
            0x1000 => Some(1),
            0x1001 => Some(2),
            0x1002 => Some(5),
            0x1003 => Some(3),
            0x1004 => Some(8),
            0x1005 => Some(4),
            0x1009 => Some(9),
            0x1040..=0x107f => Some(self.device - 0x1040),
            _ => None,
        }
    }

    /// By class (PCI Code and ID Assignment Specification; kernel: include/linux/pci_ids.h).
    fn purpose(self) -> Purpose {
        if self.virtio_device().is_some() || (self.vendor, self.device) == (0x5853, 1) {
            return Purpose::Transport;
        }
        match self.class >> 16 {
            0x01 => Purpose::Disk,
            0x02 => Purpose::Network,
            0x03 => Purpose::Display,
            0x05 | 0x06 | 0x0b => Purpose::Passive,
            0x07 => Purpose::Console,
            0x09 => Purpose::Input,
            _ => Purpose::Other,
        }
    }
}

impl fmt::Display for PciIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PciIdentity { vendor, device, subsystem_vendor, subsystem_device, class } = self;
        write!(formatter, "pci:v{vendor:08X}d{device:08X}sv{subsystem_vendor:08X}sd{subsystem_device:08X}")?;
        write!(formatter, "bc{:02X}sc{:02X}i{:02X}", class >> 16 & 0xff, class >> 8 & 0xff, class & 0xff)
    }
}

/// The driver that has a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// The driver's name: the link `driver` of the device.
    pub driver: String,
    /// Its module, built in or not, where the kernel says it.
    pub module: Option<String>,
}

/// A device of some machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Where it is: "0000:00:03.0", "PNP0501:00"; empty where a machine's description does not say.
    pub address: String,
    /// What it is, as drivers are matched: its modalias; further ones where the firmware names it too.
    pub identities: Vec<String>,
    /// What a person calls it.
    pub name: Option<String>,
    /// How the kernel comes to know of it.
    pub found: Found,
    /// The device it hangs on: the first identity of that.
    pub on: Option<String>,
    /// The driver that has it, where a running kernel was asked.
    pub bound: Option<Bound>,
    /// Whether it was not seen, but hangs on such devices as a rule: the disk behind its controller.
    pub expected: bool,
    /// Where the fact comes from, where it was not seen.
    pub source: Option<String>,
}

impl Device {
    /// A device of one identity.
    pub fn new(identity: impl Into<String>, found: Found) -> Device {
        Device {
            address: String::new(),
            identities: vec![identity.into()],
            name: None,
            found,
            on: None,
            bound: None,
            expected: false,
            source: None,
        }
    }

    /// What it is, by its first identity.
    pub fn identity(&self) -> &str {
        self.identities.first().map(String::as_str).unwrap_or_default()
    }

    /// The most wanted thing one of its identities stands for.
    pub fn purpose(&self) -> Purpose {
        self.identities.iter().map(|identity| Purpose::of(identity)).min().unwrap_or(Purpose::Other)
    }

    /// What hangs on such a device as a rule, and is only seen once its driver runs: a disk that is a SCSI disk to the kernel
    /// whatever its cable, the virtio device behind its PCI function, Xen's network and disk.
    pub fn expected_behind(&self) -> Vec<Device> {
        let mut behind: Vec<(String, &str, Found)> = Vec::new();
        for identity in &self.identities {
            if let Some(pci) = PciIdentity::parse(identity) {
                if let Some(number) = pci.virtio_device() {
                    let vendor = pci.subsystem_vendor;
                    let vendor = if vendor == 0 { VIRTIO_VENDOR } else { vendor };
                    behind.push((
                        format!("virtio:d{number:08X}v{vendor:08X}"),
                        virtio_name(number),
                        Found::Driver,
                    ));
                }
                if (pci.vendor, pci.device) == (0x5853, 1) {
                    behind.push(("xen:vbd".into(), "Xen disk", Found::Xenbus));
                    behind.push(("xen:vif".into(), "Xen network card", Found::Xenbus));
                }
                // SCSI, IDE, RAID, ATA, SATA and SAS: libata and the SCSI drivers hand their disks to the SCSI layer.
                if matches!(pci.class_and_subclass(), 0x0100 | 0x0101 | 0x0104..=0x0107)
                    && pci.virtio_device().is_none()
                {
                    behind.push((SCSI_DISK.into(), "disk behind the controller", Found::Driver));
                }
            }
            if identity.starts_with("virtio:d00000008v") {
                behind.push((SCSI_DISK.into(), "disk behind the controller", Found::Driver));
            }
        }
        let device = |(identity, name, found): (String, &str, Found)| Device {
            name: Some(name.to_string()),
            on: Some(self.identity().to_string()),
            expected: true,
            ..Device::new(identity, found)
        };
        behind.into_iter().map(device).collect()
    }
}

/// Options that no device table names and that a device of this modalias is of little use without, each with the reason
/// (kernel: drivers/tty/serial/8250/Kconfig).
pub fn goes_with(modalias: &str) -> &'static [(&'static str, &'static str)] {
    let is_serial = ["acpi:PNP050[01]:*", "platform:serial8250"];
    match is_serial.iter().any(|pattern| crate::alias::matches(pattern, modalias)) {
        true => &[(
            "SERIAL_8250_CONSOLE",
            "lets console=ttyS0 speak; without it the port works and the boot is silent",
        )],
        false => &[],
    }
}

/// A disk of the SCSI layer: type 0 (kernel: include/scsi/scsi_proto.h, TYPE_DISK; drivers/scsi/scsi_sysfs.c for the modalias).
pub const SCSI_DISK: &str = "scsi:t-0x00";

/// What a virtio device is (kernel: include/uapi/linux/virtio_ids.h).
fn virtio_name(number: u32) -> &'static str {
    match number {
        1 => "virtio network card",
        2 => "virtio disk",
        3 => "virtio console",
        4 => "virtio random numbers",
        5 => "virtio memory balloon",
        8 => "virtio SCSI controller",
        9 => "virtio 9p file sharing",
        16 => "virtio graphics",
        18 => "virtio input",
        19 => "virtio socket",
        26 => "virtio file system",
        _ => "virtio device",
    }
}

/// Adds behind each device what hangs on such devices as a rule, where nothing of the kind was seen.
pub fn with_expected(devices: Vec<Device>) -> Vec<Device> {
    let is_seen = |wanted: &Device, on: &Device| {
        devices.iter().any(|seen| {
            let same = seen.identities.iter().any(|identity| same_kind(identity, wanted.identity()));
            same && seen.on.as_deref().is_none_or(|parent| on.identities.iter().any(|it| it == parent))
        })
    };
    let mut all = Vec::new();
    for device in &devices {
        let mut behind: Vec<Device> = device.expected_behind();
        behind.retain(|wanted| !is_seen(wanted, device));
        let mut further = Vec::new();
        for one in &behind {
            let mut next = one.expected_behind();
            next.retain(|wanted| !is_seen(wanted, one));
            further.extend(next);
        }
        all.push(device.clone());
        all.extend(behind);
        all.extend(further);
    }
    all
}

/// Whether two modaliases mean the same kind of device: virtio's vendor does not count.
fn same_kind(left: &str, right: &str) -> bool {
    let kind = |text: &str| match text.strip_prefix("virtio:d") {
        Some(rest) => format!("virtio:d{}", rest.split('v').next().unwrap_or_default()),
        None => text.to_string(),
    };
    kind(left) == kind(right)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AHCI: &str = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01";

    #[test]
    fn a_pci_modalias_is_read_and_written_alike() {
        let identity = PciIdentity::parse(AHCI).unwrap();
        assert_eq!((identity.vendor, identity.device, identity.class), (0x8086, 0x2922, 0x01_06_01));
        assert_eq!(identity.to_string(), AHCI);
        for wrong in [
            "pci:",
            "pci:v8086",
            "virtio:d00000001v00001AF4",
            "pci:v0000808+d00002922sv00001AF4sd00001100bc01sc06i01",
        ] {
            assert_eq!(PciIdentity::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn purposes_follow_class_and_name() {
        for (modalias, purpose) in [
            (AHCI, Purpose::Disk),
            ("pci:v00008086d00001237sv00000000sd00000000bc06sc00i00", Purpose::Passive),
            ("pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00", Purpose::Transport),
            ("virtio:d00000001v00001AF4", Purpose::Network),
            ("acpi:PNP0501:", Purpose::Console),
            ("xen:vbd", Purpose::Disk),
            ("acpi:QEMU0002:", Purpose::Other),
        ] {
            assert_eq!(Purpose::of(modalias), purpose, "{modalias}");
        }
    }

    #[test]
    fn what_hangs_on_a_controller_is_expected_once() {
        let with = with_expected(vec![Device::new(AHCI, Found::Pci)]);
        assert_eq!(with.len(), 2);
        assert_eq!((with[1].identity(), with[1].expected), (SCSI_DISK, true));
        let mut disk = Device::new(SCSI_DISK, Found::Driver);
        disk.on = Some(AHCI.to_string());
        assert_eq!(with_expected(vec![Device::new(AHCI, Found::Pci), disk]).len(), 2);
        let card = "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00";
        let with = with_expected(vec![Device::new(card, Found::Pci)]);
        assert_eq!(with[1].identity(), "virtio:d00000001v00001AF4");
        let scsi = "pci:v00001AF4d00001048sv00001AF4sd00001100bc01sc00i00";
        let with = with_expected(vec![Device::new(scsi, Found::Pci)]);
        assert_eq!(
            with.iter().map(Device::identity).collect::<Vec<_>>(),
            [scsi, "virtio:d00000008v00001AF4", SCSI_DISK]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_an_identity_or_none(text in "\\PC{0,80}") {
            PciIdentity::parse(&text);
            Purpose::of(&text);
            with_expected(vec![Device::new(text, Found::Pci)]);
        }
    }
}
