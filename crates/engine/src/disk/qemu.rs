//! QEMU's line for a machine that starts from a disk by its own firmware.

use std::path::Path;

use base::process::Program;
use base::{Error, Result};
use machine::qemu::{QEMU, double_commas};
use machine::{Accelerator, MacAddress, Machine};

use super::plan::Format;
use crate::data::MACHINE_FOLDER;

/// The machine: it has SATA by itself and takes the other two.
const MACHINE: &str = "q35";
/// OVMF's code and the variables it begins with (Debian: package ovmf).
const OVMF: (&str, &str) = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd");

/// What starts the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS, and then GRUB.
    Bios,
    /// OVMF with fresh variables, as a machine has that never saw the disk, and then the kernel itself.
    Uefi,
}

/// How the disk is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// /dev/vda
    Virtio,
    /// /dev/sda
    Sata,
    /// /dev/nvme0n1
    Nvme,
}

impl Firmware {
    /// Both.
    pub const ALL: [Firmware; 2] = [Firmware::Bios, Firmware::Uefi];

    /// "bios" or "uefi".
    pub fn word(self) -> &'static str {
        match self {
            Firmware::Bios => "bios",
            Firmware::Uefi => "uefi",
        }
    }
}

impl Bus {
    /// All three.
    pub const ALL: [Bus; 3] = [Bus::Virtio, Bus::Sata, Bus::Nvme];

    /// "virtio", "sata" or "nvme".
    pub fn word(self) -> &'static str {
        match self {
            Bus::Virtio => "virtio",
            Bus::Sata => "sata",
            Bus::Nvme => "nvme",
        }
    }

    /// QEMU's device for the drive `disk0`; bootindex: that no firmware tries the network first.
    fn device(self) -> &'static str {
        match self {
            Bus::Virtio => "virtio-blk-pci,drive=disk0,bootindex=0",
            Bus::Sata => "ide-hd,bus=ide.0,drive=disk0,bootindex=0",
            Bus::Nvme => "nvme,serial=allno,drive=disk0,bootindex=0",
        }
    }
}

/// One boot from a disk.
pub struct DiskLaunch<'a> {
    /// The image.
    pub image: &'a Path,
    /// What kind of file it is.
    pub format: Format,
    /// What starts it.
    pub firmware: Firmware,
    /// How it is connected.
    pub bus: Bus,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// Memory in MiB.
    pub memory: u32,
    /// The port on 127.0.0.1 that leads to the guest's port 22.
    pub port: u16,
}

/// The line. What the guest writes goes to a temporary file of QEMU's: the image stays as it is.
///
/// # Errors
/// The machine's data is not there.
pub fn program(launch: &DiskLaunch) -> Result<Program> {
    let place = MACHINE_FOLDER.place(MACHINE)?;
    let machine = Machine::parse(&place.path, &place.text)?;
    let missing =
        || Error::failed(format!("machines/{MACHINE}.toml has no network card or random number generator"));
    let card = machine.network_device.as_ref().ok_or_else(missing)?;
    let random = machine.rng_device.as_ref().ok_or_else(missing)?;
    let image = double_commas(&launch.image.display().to_string());
    let mut program = Program::new(QEMU)
        .args(["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"])
        .args(&machine.qemu)
        .args(match launch.accelerator {
            Accelerator::Tcg => ["-accel", "tcg"].as_slice(),
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "host"].as_slice(),
        })
        .args(["-m", &format!("{}M", launch.memory)])
        .args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"])
        .args(["-netdev", &format!("user,id=net0,hostfwd=tcp:127.0.0.1:{}-:22", launch.port)])
        .args(["-device", &format!("{card},mac={}", MacAddress::DEFAULT)])
        .args(["-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", random]);
    if launch.firmware == Firmware::Uefi {
        let flash = |unit, file, more| format!("if=pflash,unit={unit},format=raw,file={file},{more}");
        program = program.args(["-drive", &flash(0, OVMF.0, "readonly=on")]);
        program = program.args(["-drive", &flash(1, OVMF.1, "snapshot=on")]);
    }
    let drive =
        format!("if=none,id=disk0,format={},file={image},snapshot=on,cache=unsafe", launch.format.word());
    Ok(program.args(["-drive", &drive]).args(["-device", launch.bus.device()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_image_firmware_and_bus_and_writes_nothing() {
        let launch = DiskLaunch {
            image: Path::new("/a,b/disk.qcow2"),
            format: Format::Qcow2,
            firmware: Firmware::Uefi,
            bus: Bus::Nvme,
            accelerator: Accelerator::Tcg,
            memory: 256,
            port: 2222,
        };
        let line = program(&launch).unwrap().words().join(" ");
        for wanted in
            ["file=/a,,b/disk.qcow2,snapshot=on", "format=qcow2", "OVMF_CODE", "-device nvme,", ":2222-:22"]
        {
            assert!(line.contains(wanted), "no {wanted} in {line}");
        }
        let line = program(&DiskLaunch { firmware: Firmware::Bios, ..launch }).unwrap().words().join(" ");
        assert!(!line.contains("OVMF"), "{line}");
    }
}
