//! A machine as data: one kind of (virtual) hardware and how QEMU makes it.

use std::path::Path;

use base::{Error, Result, Snippet};
use ktree::device::Found;
use serde::{Deserialize, Serialize};

/// Which of the kernel's images the machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Boots {
    /// The uncompressed ELF image, entered through its PVH note (kernel option PVH).
    #[serde(rename = "vmlinux")]
    Vmlinux,
    /// The compressed image that every PC loader takes.
    #[serde(rename = "bzImage")]
    BzImage,
}

/// One kind of machine, as `machines/NAME.toml` describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// What `--machine` takes; the file's name without `.toml`.
    pub name: String,
    /// One line for a person.
    pub about: String,
    /// QEMU's arguments that make this machine (`-M`, `-cpu`, …), one word each; nothing that depends on a
    /// boot. Empty where QEMU does not have the machine.
    #[serde(default)]
    pub qemu: Vec<String>,
    /// QEMU's device for the network card, on the network `net0` ("virtio-net-device,netdev=net0"); absent: the machine
    /// has none.
    #[serde(default)]
    pub network_device: Option<String>,
    /// QEMU's device for the random number generator, fed by `rng0` ("virtio-rng-device,rng=rng0"); absent: the machine
    /// has none.
    #[serde(default)]
    pub rng_device: Option<String>,
    /// The network card's name inside Linux ("eth0").
    #[serde(default)]
    pub interface: Option<String>,
    /// The image it starts.
    pub boots: Boots,
    /// The rungs a kernel needs to run on it.
    #[serde(default)]
    pub needs: Vec<String>,
    /// How the kernel comes to know what is there. No part of a boot's plan.
    #[serde(default, skip_serializing)]
    pub discovery: Discovery,
    /// What is there. No part of a boot's plan either.
    #[serde(default, skip_serializing)]
    pub device: Vec<DeviceEntry>,
}

/// `[discovery]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// Another machine: what it says holds here too, and its devices are here as well.
    #[serde(default)]
    pub like: Option<String>,
    /// How PCI's configuration space is reached; absent: there is no PCI bus.
    #[serde(default)]
    pub pci: Option<ConfigurationSpace>,
    /// The firmware's part and what to know of it, a few sentences for a person.
    #[serde(default)]
    pub about: String,
    /// Where the devices and all this are known from.
    #[serde(default)]
    pub source: String,
}

/// How a PC reaches the configuration space of PCI devices (kernel: arch/x86/pci/direct.c, arch/x86/pci/mmconfig-shared.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigurationSpace {
    /// By type 1 alone: the ports 0xCF8 and 0xCFC, 256 bytes of each device.
    #[serde(rename = "type-1")]
    Type1,
    /// In memory too, where the firmware's table MCFG says (ECAM, in the kernel MMCONFIG): all 4,096 bytes.
    Ecam,
}

/// `[[device]]`: a device the machine has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceEntry {
    /// What it is: its modalias, as /sys has it. Parts that are not known are 0.
    pub identity: String,
    /// What a person calls it.
    pub name: String,
    /// How the kernel comes to know of it.
    pub found: Found,
    /// The identity of the device it hangs on.
    #[serde(default)]
    pub on: Option<String>,
    /// Not every machine of the kind has it.
    #[serde(default)]
    pub optional: bool,
    /// The identity of the device, of the machine this one is like, in whose place it is.
    #[serde(default)]
    pub instead_of: Option<String>,
    /// Where it is known from, if not from the machine's source.
    #[serde(default)]
    pub source: Option<String>,
}

impl Machine {
    /// Reads the machine that `text`, the content of the file `path`, describes.
    ///
    /// # Errors
    /// [`base::Kind::Input`] with the line: not TOML, an unknown or missing key, a wrong type, or a name that is not
    /// the file's.
    pub fn parse(path: impl AsRef<Path>, text: &str) -> Result<Machine> {
        let path = path.as_ref();
        let machine: Machine = toml::from_str(text).map_err(|cause| {
            let error = Error::input(cause.message().to_string());
            match cause.span() {
                Some(span) => error.at(Snippet::of(path, text, span)),
                None => error.note(format!("in {}", path.display())),
            }
        })?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if machine.name != stem {
            return Err(Error::input(format!("the machine calls itself \"{}\"", machine.name))
                .note(format!("its file is {}, so its name has to be \"{stem}\"", path.display())));
        }
        Ok(machine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROVM: &str = r#"name = "microvm"
about = "the fastest"
qemu = ["-M", "microvm"]
network_device = "virtio-net-device,netdev=net0"
rng_device = "virtio-rng-device,rng=rng0"
interface = "eth0"
boots = "vmlinux"
needs = ["console"]
"#;

    #[test]
    fn a_machine_is_read_whole() {
        let machine = Machine::parse("machines/microvm.toml", MICROVM).unwrap();
        assert_eq!(machine.boots, Boots::Vmlinux);
        assert_eq!(machine.qemu, ["-M", "microvm"]);
        assert_eq!(machine.network_device.as_deref(), Some("virtio-net-device,netdev=net0"));
        let again: Machine = serde_json::from_str(&serde_json::to_string(&machine).unwrap()).unwrap();
        assert_eq!(again, machine);
    }

    #[test]
    fn devices_and_how_they_are_found_are_read_and_stay_out_of_plans() {
        let text = format!(
            "{MICROVM}[discovery]\npci = \"type-1\"\n[[device]]\nidentity = \"acpi:PNP0501:\"\nname = \"serial port\"\n\
             found = \"acpi\"\n"
        );
        let machine = Machine::parse("microvm.toml", &text).unwrap();
        assert_eq!(machine.discovery.pci, Some(ConfigurationSpace::Type1));
        assert_eq!((machine.device[0].found, machine.device[0].optional), (Found::Acpi, false));
        assert!(!serde_json::to_string(&machine).unwrap().contains("PNP0501"));
        let wrong = text.replace("found = \"acpi\"", "found = \"magic\"");
        assert_eq!(Machine::parse("microvm.toml", &wrong).unwrap_err().snippet().unwrap().line, 14);
    }

    #[test]
    fn a_wrong_key_type_or_name_is_refused_with_its_line() {
        let unknown = MICROVM.replace("interface", "interfaec");
        let error = Machine::parse("microvm.toml", &unknown).unwrap_err();
        assert_eq!(error.snippet().unwrap().line, 6);
        assert!(error.message().contains("interfaec"), "{error}");
        let wrong = MICROVM.replace("\"vmlinux\"", "\"zImage\"");
        assert_eq!(Machine::parse("microvm.toml", &wrong).unwrap_err().snippet().unwrap().line, 7);
        assert!(Machine::parse("q35.toml", MICROVM).is_err());
    }
}
