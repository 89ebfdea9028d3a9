//! A machine's disk, and the firmware that may start it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::qemu::double_commas;

/// OVMF's code and the variables it begins with (Debian: package ovmf).
const OVMF: (&str, &str) = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd");

/// The program in a machine's flash memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// SeaBIOS: QEMU's own.
    #[default]
    Bios,
    /// OVMF with fresh variables, as a machine has that never saw the disk.
    Uefi,
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

    /// QEMU's arguments for it.
    pub(crate) fn arguments(self) -> Vec<String> {
        let flash = |unit, file, more| format!("if=pflash,unit={unit},format=raw,file={file},{more}");
        match self {
            Firmware::Bios => Vec::new(),
            Firmware::Uefi => [flash(0, OVMF.0, "readonly=on"), flash(1, OVMF.1, "snapshot=on")]
                .into_iter()
                .flat_map(|flash| ["-drive".to_string(), flash])
                .collect(),
        }
    }
}

/// How a disk is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bus {
    /// /dev/vda, on PCI.
    Virtio,
    /// /dev/vda, on the board itself.
    VirtioMmio,
    /// /dev/sda
    Sata,
    /// /dev/nvme0n1
    Nvme,
}

impl Bus {
    /// Those a firmware boots from.
    pub const BOOTABLE: [Bus; 3] = [Bus::Virtio, Bus::Sata, Bus::Nvme];

    /// As a person writes it: "virtio", "virtio-mmio", "sata" or "nvme".
    pub fn word(self) -> &'static str {
        match self {
            Bus::Virtio => "virtio",
            Bus::VirtioMmio => "virtio-mmio",
            Bus::Sata => "sata",
            Bus::Nvme => "nvme",
        }
    }

    fn device(self) -> &'static str {
        match self {
            Bus::Virtio => "virtio-blk-pci",
            Bus::VirtioMmio => "virtio-blk-device",
            Bus::Sata => "ide-hd,bus=ide.0",
            Bus::Nvme => "nvme,serial=allno",
        }
    }
}

/// What kind of file a disk image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// The disk's bytes, with holes where they are zero.
    Raw,
    /// QEMU's own.
    Qcow2,
}

impl ImageFormat {
    /// "raw" or "qcow2", as QEMU calls it.
    pub fn word(self) -> &'static str {
        match self {
            ImageFormat::Raw => "raw",
            ImageFormat::Qcow2 => "qcow2",
        }
    }
}

impl std::str::FromStr for ImageFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<ImageFormat, String> {
        match text {
            "raw" => Ok(ImageFormat::Raw),
            "qcow2" => Ok(ImageFormat::Qcow2),
            other => Err(format!("expected \"raw\" or \"qcow2\", found \"{other}\"")),
        }
    }
}

/// A disk. What the guest writes goes to a temporary file of QEMU's: the image stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// The image.
    pub image: PathBuf,
    /// What kind of file it is.
    pub format: ImageFormat,
    /// How it is connected.
    pub bus: Bus,
}

impl Drive {
    /// QEMU's arguments for it. `first`: the firmware is to try it before anything else, the network for example. QEMU gives a
    /// kernel of its own command line that place.
    pub(crate) fn arguments(&self, first: bool) -> [String; 4] {
        let image = double_commas(&self.image.display().to_string());
        let format = self.format.word();
        let index = if first { ",bootindex=0" } else { "" };
        [
            "-drive".into(),
            format!("if=none,id=disk0,format={format},file={image},snapshot=on,cache=unsafe"),
            "-device".into(),
            format!("{},drive=disk0{index}", self.bus.device()),
        ]
    }
}
