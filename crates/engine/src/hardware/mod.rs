//! Hardware: the devices of a machine, and who claims them.
//!
//! A machine's description ([`of_machine`]) or what a running one shows (`ktree`'s `sysfs` and `lspci`) gives devices;
//! [`Tables`] says which drivers claim them, by the modules of a distribution's kernel and by the sources of the tree itself; which
//! option brings a driver is in the tree's Makefiles.

mod distribution;
mod options;
mod sources;

use base::{Error, Result};
use ktree::device::Device;
use machine::{Discovery, Machine};

use crate::data::{self, MACHINE_FOLDER};

pub use distribution::{Distribution, distribution};
pub use options::{DriverOption, Options};
pub use sources::{Sources, sources};

/// How many machines may be like another that is like another.
const DEEPEST: usize = 4;

/// A machine of machines/, with all that the one it is like has.
#[derive(Clone, Debug)]
pub struct Described {
    /// The machine.
    pub machine: Machine,
    /// How its devices are found.
    pub discovery: Discovery,
    /// What it has, and whether each machine of the kind has it.
    pub devices: Vec<(Device, bool)>,
}

/// The names of the machines.
pub fn machine_names() -> Vec<String> {
    MACHINE_FOLDER.names()
}

/// The machine of a name.
///
/// # Errors
/// [`base::Kind::Input`]: there is none; the nearest name is the hint.
pub fn of_machine(name: &str) -> Result<Described> {
    let mut described = with_likeness(name, 0)?;
    let names = machine_names().join(", ");
    if described.devices.is_empty() {
        return Err(Error::input(format!("machines/{name}.toml names no devices"))
            .note(format!("there are: {names}"))
            .hint("read them from the machine itself: allno config hardware --sysfs /sys"));
    }
    described.devices.sort_by_key(|(device, _)| device.found);
    Ok(described)
}

fn with_likeness(name: &str, depth: usize) -> Result<Described> {
    let machine = data::machine(name)?;
    let mut described =
        Described { discovery: machine.discovery.clone(), devices: Vec::new(), machine: machine.clone() };
    if let Some(like) = &machine.discovery.like {
        if depth >= DEEPEST {
            return Err(Error::input(format!("machines/{name}.toml is like too many others")));
        }
        let other = with_likeness(like, depth + 1)?;
        described.discovery = other.discovery;
        described.devices = other.devices;
    }
    for entry in &machine.device {
        if let Some(gone) = &entry.instead_of {
            described
                .devices
                .retain(|(device, _)| device.identity() != gone && device.on.as_deref() != Some(gone));
        }
        let source = entry.source.clone().or_else(|| Some(described.discovery.source.clone()));
        let device = Device {
            name: Some(entry.name.clone()),
            on: entry.on.clone(),
            source: source.filter(|source| !source.is_empty()),
            ..Device::new(&entry.identity, entry.found)
        };
        described.devices.push((device, entry.optional));
    }
    Ok(described)
}

#[cfg(test)]
mod tests {
    use ktree::device::{Found, PciIdentity};

    use super::*;

    /// What a wrong entry would do is found here and not by a person.
    #[test]
    fn every_machine_is_in_order() {
        for name in machine_names() {
            let described = of_machine(&name).unwrap();
            let identities: Vec<&str> =
                described.devices.iter().map(|(device, _)| device.identity()).collect();
            for (number, (device, _)) in described.devices.iter().enumerate() {
                let identity = device.identity();
                assert!(!identities[..number].contains(&identity), "{name}: {identity} stands there twice");
                assert!(device.source.is_some(), "{name}: nobody says where {identity} is from");
                let is_pci = PciIdentity::parse(identity).is_some();
                assert_eq!(is_pci, identity.starts_with("pci:"), "{name}: {identity} is no modalias");
                assert_eq!(is_pci, device.found == Found::Pci, "{name}: {identity}");
                if let Some(on) = &device.on {
                    assert!(
                        identities.contains(&on.as_str()),
                        "{name}: {identity} hangs on what is not there: {on}"
                    );
                }
            }
            let has_pci = described.devices.iter().any(|(device, _)| device.found == Found::Pci);
            assert_eq!(described.discovery.pci.is_some(), has_pci, "{name}");
            assert!(described.discovery.about.len() > 50, "{name} does not say how its devices are found");
        }
    }

    #[test]
    fn a_machine_like_another_has_its_devices_but_those_it_replaces() {
        let (plain, other) = (of_machine("q35").unwrap(), of_machine("q35-e1000").unwrap());
        let has = |described: &Described, start: &str| {
            described.devices.iter().any(|(device, _)| device.identity().starts_with(start))
        };
        assert!(has(&plain, "virtio:d00000001v") && !has(&plain, "pci:v00008086d0000100E"));
        assert!(!has(&other, "virtio:d00000001v") && has(&other, "pci:v00008086d0000100E"));
        assert_eq!(other.devices.len() + 1, plain.devices.len());
        assert!(of_machine("q36").unwrap_err().hints()[0].contains("q35"));
    }
}
