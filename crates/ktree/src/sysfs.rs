//! The devices of a running machine, from its /sys or a copy of it (kernel: Documentation/admin-guide/sysfs-rules.rst).
//!
//! Read are the folders `bus/*/devices`: of each device its modalias, its driver, the node of the firmware it belongs to and
//! where it hangs. Nothing outside the folder is read, wherever its links lead, and no file longer than a page.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::device::{Bound, Device, Found};

/// A file of sysfs is a page at most (kernel: fs/sysfs/file.c).
const LONGEST_FILE: u64 = 4096;
/// More devices than a large server has (some tens of thousands of functions of network cards).
const MOST_DEVICES: usize = 1 << 17;
/// Buses whose devices are the kernel's own bookkeeping, or were bought with the processor and the memory.
const NO_HARDWARE: &[&str] = &[
    "auxiliary",
    "clockevents",
    "clocksource",
    "container",
    "cpu",
    "dax",
    "edac",
    "event_source",
    "faux",
    "gpio",
    "hid",
    "machinecheck",
    "memory",
    "memory_tiering",
    "node",
    "nvmem",
    "workqueue",
];
/// Platform devices that no hardware stands behind (kernel: drivers/regulator/dummy.c, kernel/time/alarmtimer.c,
/// net/wireless/reg.c, arch/x86/kernel/pcspeaker.c is not among them: a PC has that).
const MADE_BY_THE_KERNEL: &[&str] = &["reg-dummy", "alarmtimer", "regulatory", "snd-soc-dummy"];
/// The length of PCI Express's configuration space, which only ECAM reaches past the first 256 bytes (kernel: include/linux/pci.h,
/// PCI_CFG_SPACE_EXP_SIZE).
const EXTENDED_CONFIGURATION: u64 = 4096;

/// Why a folder's devices cannot be read.
#[derive(Debug)]
pub enum NotSysfs {
    /// It cannot be read at all.
    Unreadable(io::Error),
    /// It has no folder `bus`, or none of a bus with devices in it.
    NoBuses,
    /// There are buses, and no device on them says what it is.
    NoDevices,
}

/// What a machine's /sys says.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The devices, by bus and address.
    pub devices: Vec<Device>,
    /// Whether some device has more configuration space than type 1 reaches, or the firmware says where ECAM is (the table
    /// MCFG): nothing where the machine has no PCI bus.
    pub ecam: Option<Ecam>,
    /// Whether the root of the PCI bus came from the firmware's ACPI tables.
    pub acpi_root: bool,
    /// Whether the firmware's ACPI tables were read.
    pub acpi: bool,
}

/// How PCI's configuration space was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecam {
    /// Through memory: some device shows 4,096 bytes of it.
    Used,
    /// The firmware tells where it is, and no device shows that it was used.
    Offered,
    /// By type 1 alone.
    Absent,
}

/// A device as its folder has it, before those that are one piece of hardware are put together.
struct Entry {
    bus: String,
    name: String,
    identities: Vec<String>,
    bound: Option<Bound>,
    /// Folder of the firmware's node for it.
    node: Option<PathBuf>,
    found: Found,
}

/// Reads the folder.
///
/// # Errors
/// It is no copy of /sys, or says nothing of devices.
pub fn read(root: &Path) -> Result<Machine, NotSysfs> {
    let root = root.canonicalize().map_err(NotSysfs::Unreadable)?;
    let buses = match fs::read_dir(root.join("bus")) {
        Ok(buses) => buses,
        Err(_) if root.is_dir() => return Err(NotSysfs::NoBuses),
        Err(cause) => return Err(NotSysfs::Unreadable(cause)),
    };
    let mut names: Vec<String> = buses.flatten().filter_map(|it| it.file_name().into_string().ok()).collect();
    names.sort();
    let mut found: BTreeMap<PathBuf, Entry> = BTreeMap::new();
    let mut any = false;
    let mut extended = false;
    for bus in names.iter().filter(|bus| !NO_HARDWARE.contains(&bus.as_str())) {
        let Ok(devices) = fs::read_dir(root.join("bus").join(bus).join("devices")) else { continue };
        any = true;
        for device in devices.flatten() {
            let Some(folder) = within(&root, &device.path()) else { continue };
            let Ok(name) = device.file_name().into_string() else { continue };
            if found.len() >= MOST_DEVICES {
                break;
            }
            if bus == "pci" {
                let length = fs::metadata(folder.join("config")).map(|it| it.len()).unwrap_or_default();
                extended |= length >= EXTENDED_CONFIGURATION;
            }
            if let Some(entry) = entry(&root, bus, name, &folder) {
                found.insert(folder, entry);
            }
        }
    }
    if !any {
        return Err(NotSysfs::NoBuses);
    }
    if found.is_empty() {
        return Err(NotSysfs::NoDevices);
    }
    Ok(machine(&root, found, extended))
}

fn machine(root: &Path, found: BTreeMap<PathBuf, Entry>, extended: bool) -> Machine {
    let tables = root.join("firmware/acpi/tables");
    let offered = tables.join("MCFG").exists();
    let has_pci = found.values().any(|entry| entry.bus == "pci");
    let ecam = match (extended, offered) {
        (true, _) => Ecam::Used,
        (false, true) => Ecam::Offered,
        (false, false) => Ecam::Absent,
    };
    let acpi_root = fs::read_dir(root.join("devices")).is_ok_and(|tops| {
        let named = |name: &str| name.starts_with("pci");
        tops.flatten().any(|top| {
            named(&top.file_name().to_string_lossy())
                && top.path().join("firmware_node").symlink_metadata().is_ok()
        })
    });
    let acpi = tables.exists() || found.values().any(|entry| entry.bus == "acpi");
    Machine { devices: put_together(found), ecam: has_pci.then_some(ecam), acpi_root, acpi }
}

/// The device of a folder, if it says what it is.
fn entry(root: &Path, bus: &str, name: String, folder: &Path) -> Option<Entry> {
    let mut identities = Vec::new();
    let uevent = || {
        let text = file(folder, "uevent")?;
        text.lines().find_map(|line| line.strip_prefix("MODALIAS=").map(str::to_string))
    };
    identities.extend(file(folder, "modalias").filter(|text| !text.trim().is_empty()).or_else(uevent));
    if bus == "pnp" {
        let ids = file(folder, "id").unwrap_or_default();
        identities.extend(ids.split_whitespace().map(|id| format!("pnp:d{id}")));
    }
    let identities: Vec<String> = identities.iter().map(|it| it.trim().to_string()).collect();
    if identities.is_empty() {
        return None;
    }
    let node = within(root, &folder.join("firmware_node"));
    let found = how_found(bus, &name, folder, node.is_some());
    Some(Entry { bound: bound(folder), bus: bus.to_string(), name, identities, node, found })
}

fn how_found(bus: &str, name: &str, folder: &Path, has_node: bool) -> Found {
    let above = folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    match bus {
        "acpi" => Found::Acpi,
        "pci" => Found::Pci,
        "xen" => Found::Xenbus,
        "pnp" if has_node => Found::Acpi,
        "pnp" => Found::Isa,
        "platform" if has_node => Found::Acpi,
        "platform" if folder.join("of_node").symlink_metadata().is_ok() => Found::DeviceTree,
        // drivers/virtio/virtio_mmio.c: the parent of what the command line names.
        "platform" if above.as_deref() == Some("virtio-mmio-cmdline") => Found::CommandLine,
        "platform"
            if MADE_BY_THE_KERNEL.iter().any(|it| name == *it || name.starts_with(&format!("{it}."))) =>
        {
            Found::Kernel
        }
        "platform" | "isa" | "eisa" => Found::Isa,
        _ => Found::Driver,
    }
}

/// The link `driver`, and the driver's own link `module`.
fn bound(folder: &Path) -> Option<Bound> {
    let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let driver = fs::read_link(folder.join("driver")).ok().and_then(name)?;
    let module = fs::read_link(folder.join("driver/module")).ok().and_then(name);
    Some(Bound { driver, module })
}

/// A file's text, if it is no longer than sysfs's are.
fn file(folder: &Path, name: &str) -> Option<String> {
    let path = folder.join(name);
    // A pipe in a made-up copy would never be at its end.
    if !fs::symlink_metadata(&path).ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    fs::File::open(path).ok()?.take(LONGEST_FILE).read_to_end(&mut text).ok()?;
    String::from_utf8(text).ok()
}

/// Where a path really is, if that is inside the root.
fn within(root: &Path, path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|real| real.starts_with(root))
}

/// What the firmware names and a bus has too is one device: the bus's, with both names.
fn put_together(mut found: BTreeMap<PathBuf, Entry>) -> Vec<Device> {
    let nodes: Vec<(PathBuf, PathBuf)> = found
        .iter()
        .filter(|(_, entry)| entry.bus != "acpi")
        .filter_map(|(folder, entry)| entry.node.clone().map(|node| (folder.clone(), node)))
        .collect();
    let mut taken = Vec::new();
    for (folder, node) in nodes {
        let Some(identities) = found.get(&node).map(|entry| entry.identities.clone()) else { continue };
        if let Some(entry) = found.get_mut(&folder) {
            // The platform's name for it ("acpi:PNP0103:" or "platform:PNP0103:00") says no more.
            match entry.bus.as_str() {
                "pnp" | "platform" => {
                    let own = std::mem::take(&mut entry.identities);
                    entry.identities = identities;
                    entry.identities.extend(own);
                }
                _ => entry.identities.extend(identities),
            }
            entry.identities.dedup();
            taken.push(node);
        }
    }
    taken.iter().for_each(|node| drop(found.remove(node)));
    let above = |folder: &Path| {
        let mut parent = folder.parent();
        while let Some(path) = parent {
            if let Some(entry) = found.get(path) {
                return entry.identities.first().cloned();
            }
            parent = path.parent();
        }
        None
    };
    let mut devices: Vec<(String, Device)> = found
        .iter()
        .map(|(folder, entry)| {
            let device = Device {
                address: entry.name.clone(),
                identities: entry.identities.clone(),
                name: None,
                found: entry.found,
                on: above(folder),
                bound: entry.bound.clone(),
                expected: false,
                source: None,
            };
            (entry.bus.clone(), device)
        })
        .collect();
    devices.sort_by(|left, right| (&left.0, &left.1.address).cmp(&(&right.0, &right.1.address)));
    devices.into_iter().map(|(_, device)| device).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A made-up machine: an ACPI serial port that is a PNP device, a PCI card with a driver, a link that leads out.
    fn copy() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("sys");
        let make = |path: &str| fs::create_dir_all(root.join(path)).unwrap();
        let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        make("devices/pci0000:00/0000:00:03.0/virtio0");
        make("devices/LNXSYSTM:00/PNP0501:00");
        make("devices/pnp0/00:04");
        for bus in ["pci", "acpi", "pnp", "virtio", "cpu"] {
            make(&format!("bus/{bus}/devices"));
        }
        make("bus/pci/drivers/virtio-pci");
        make("module/virtio_pci");
        write(
            "devices/pci0000:00/0000:00:03.0/modalias",
            "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00\n",
        );
        fs::write(root.join("devices/pci0000:00/0000:00:03.0/config"), [0; 256]).unwrap();
        write(
            "devices/pci0000:00/0000:00:03.0/virtio0/uevent",
            "DRIVER=x\nMODALIAS=virtio:d00000001v00001AF4\n",
        );
        write("devices/LNXSYSTM:00/PNP0501:00/modalias", "acpi:PNP0501:\n");
        write("devices/pnp0/00:04/id", "PNP0501\n");
        let link = |target: &str, path: &str| symlink(target, root.join(path)).unwrap();
        link("../../../devices/pci0000:00/0000:00:03.0", "bus/pci/devices/0000:00:03.0");
        link("../../../devices/pci0000:00/0000:00:03.0/virtio0", "bus/virtio/devices/virtio0");
        link("../../../devices/LNXSYSTM:00/PNP0501:00", "bus/acpi/devices/PNP0501:00");
        link("../../../devices/pnp0/00:04", "bus/pnp/devices/00:04");
        link("../../../../outside", "bus/pnp/devices/00:05");
        link("../../LNXSYSTM:00/PNP0501:00", "devices/pnp0/00:04/firmware_node");
        link("../../../bus/pci/drivers/virtio-pci", "devices/pci0000:00/0000:00:03.0/driver");
        link("../../../../module/virtio_pci", "bus/pci/drivers/virtio-pci/module");
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/modalias"), "acpi:SECRET:").unwrap();
        folder
    }

    #[test]
    fn a_copy_is_read_and_the_two_names_of_one_port_are_one_device() {
        let folder = copy();
        let machine = read(&folder.path().join("sys")).unwrap();
        let seen: Vec<(&str, &str, Found)> =
            machine.devices.iter().map(|it| (it.address.as_str(), it.identity(), it.found)).collect();
        assert_eq!(
            seen,
            [
                ("0000:00:03.0", "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00", Found::Pci),
                ("00:04", "acpi:PNP0501:", Found::Acpi),
                ("virtio0", "virtio:d00000001v00001AF4", Found::Driver),
            ]
        );
        assert_eq!(machine.devices[1].identities, ["acpi:PNP0501:", "pnp:dPNP0501"]);
        let bound = Bound { driver: "virtio-pci".into(), module: Some("virtio_pci".into()) };
        assert_eq!(machine.devices[0].bound, Some(bound));
        assert_eq!(machine.devices[2].on.as_deref(), Some(machine.devices[0].identity()));
        assert_eq!((machine.ecam, machine.acpi, machine.acpi_root), (Some(Ecam::Absent), true, false));
    }

    #[test]
    fn a_folder_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path()), Err(NotSysfs::NoBuses)));
        assert!(matches!(read(&folder.path().join("none")), Err(NotSysfs::Unreadable(_))));
        fs::create_dir_all(folder.path().join("bus/pci/devices")).unwrap();
        assert!(matches!(read(folder.path()), Err(NotSysfs::NoDevices)));
    }
}
