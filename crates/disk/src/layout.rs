//! Where everything lies on the disks made here. Three partitions, each beginning on a mebibyte, as every partitioner does so
//! that writes fall on whole blocks of any drive:
//!
//! | partition | begins at | size | holds |
//! |---|---|---|---|
//! | 1 | 1 MiB | 1 MiB | GRUB's core, which a BIOS cannot find in a file |
//! | 2 | 2 MiB | 64 MiB | the EFI system partition: the kernel, and GRUB's menu |
//! | 3 | 66 MiB | the rest but the last mebibyte | the root file system; last, so that it can grow |

use crate::gpt::Partition;
use crate::{Error, Guid, Result, SECTOR};

const MIB: u64 = 1 << 20;
/// FAT32 begins at 65,525 clusters (Microsoft's FAT specification, "FAT type determination"), with one sector each 33 MB; the
/// rest is room for more kernels.
const ESP_BYTES: u64 = 64 * MIB;
const GRUB_AT: u64 = MIB;
const GRUB_BYTES: u64 = MIB;
const ESP_AT: u64 = GRUB_AT + GRUB_BYTES;
const ROOT_AT: u64 = ESP_AT + ESP_BYTES;
/// The second copy of the partition table lies in it.
const END_BYTES: u64 = MIB;
/// The smallest root partition that is worth a file system.
const LEAST_ROOT: u64 = 16 * MIB;
/// The smallest disk.
pub const LEAST_DISK: u64 = ROOT_AT + LEAST_ROOT + END_BYTES;
/// The number of the root partition, as in /dev/sda3.
pub const ROOT_NUMBER: u32 = 3;

/// Where everything lies on one disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The disk's size.
    pub disk: u64,
    /// Where the root partition begins.
    pub root_at: u64,
    /// The root partition's size.
    pub root_bytes: u64,
}

/// The names by which a disk and its partitions are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// The disk.
    pub disk: Guid,
    /// GRUB's partition.
    pub grub: Guid,
    /// The EFI system partition.
    pub esp: Guid,
    /// The root partition: the kernel's root=PARTUUID=.
    pub root: Guid,
}

impl Layout {
    /// The layout of a disk of `disk` bytes.
    ///
    /// # Errors
    /// It is not whole sectors, or smaller than [`LEAST_DISK`].
    pub fn of_disk(disk: u64) -> Result<Layout> {
        if disk < LEAST_DISK {
            return Err(Error::TooSmall { have: disk, need: LEAST_DISK });
        }
        if !disk.is_multiple_of(SECTOR) {
            return Err(Error::unsupported(format!(
                "a disk has whole sectors of {SECTOR} bytes, and {disk} are not"
            )));
        }
        let root_bytes = (disk - END_BYTES - ROOT_AT) / MIB * MIB;
        Ok(Layout { disk, root_at: ROOT_AT, root_bytes })
    }

    /// The layout of the smallest disk whose root partition has at least `root` bytes.
    ///
    /// # Errors
    /// No disk is that large.
    pub fn of_root(root: u64) -> Result<Layout> {
        let whole = root.max(LEAST_ROOT).checked_next_multiple_of(MIB);
        let disk = whole.and_then(|root| root.checked_add(ROOT_AT + END_BYTES));
        let disk = disk.filter(|disk| *disk <= i64::MAX as u64);
        Layout::of_disk(disk.ok_or_else(|| Error::unsupported(format!("no disk holds {root} bytes")))?)
    }

    /// Where GRUB's core lies, and how much room it has.
    pub fn grub(&self) -> (u64, u64) {
        (GRUB_AT, GRUB_BYTES)
    }

    /// Where the EFI system partition lies, and its size.
    pub fn esp(&self) -> (u64, u64) {
        (ESP_AT, ESP_BYTES)
    }

    /// The partitions of its table.
    pub fn partitions(&self, names: &Names) -> Vec<Partition> {
        let partition = |kind, unique, name: &str, (at, bytes): (u64, u64)| Partition {
            kind,
            unique,
            first: at / SECTOR,
            last: (at + bytes) / SECTOR - 1,
            name: name.to_string(),
        };
        vec![
            partition(Guid::BIOS_BOOT, names.grub, "GRUB", self.grub()),
            partition(Guid::EFI_SYSTEM, names.esp, "EFI system", self.esp()),
            partition(Guid::LINUX_ROOT_X86_64, names.root, "root", (self.root_at, self.root_bytes)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_and_its_root_agree() {
        let layout = Layout::of_disk(1 << 30).unwrap();
        assert_eq!(layout.root_bytes, (1024 - 67) * MIB);
        assert_eq!(Layout::of_root(layout.root_bytes).unwrap(), layout);
        assert_eq!(Layout::of_root(layout.root_bytes - 1).unwrap(), layout);
        assert_eq!(Layout::of_disk(LEAST_DISK).unwrap().root_bytes, LEAST_ROOT);
    }

    #[test]
    fn what_cannot_be_a_disk_is_refused() {
        assert!(matches!(Layout::of_disk(LEAST_DISK - 1), Err(Error::TooSmall { .. })));
        assert!(matches!(Layout::of_disk((1 << 30) + 1), Err(Error::Unsupported { .. })));
        for root in [u64::MAX, u64::MAX - (1 << 30), i64::MAX as u64] {
            assert!(Layout::of_root(root).is_err(), "{root}");
        }
    }
}
