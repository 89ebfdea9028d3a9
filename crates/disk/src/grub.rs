//! GRUB for BIOS, put on a disk without root: what grub-bios-setup does to a disk with a BIOS boot partition, done to bytes.
//!
//! The two programs and their patchable places are documented in GRUB's own headers (include/grub/i386/pc/boot.h,
//! include/grub/offsets.h) and its setup program (util/setup.c):
//! the BIOS loads the first sector (boot.img), which loads the first sector of the core (diskboot.img, at the head of what
//! grub-mkimage makes), which loads the rest of the core by a list of blocks. Sectors are patched into both.

use std::io::{Read, Seek, SeekFrom, Write};

use crate::bytes::{le16, put, read_at};
use crate::{Error, Result, SECTOR};

/// boot.img: the core's first sector, 8 bytes (GRUB_BOOT_MACHINE_KERNEL_SECTOR).
const KERNEL_SECTOR: usize = 0x5c;
/// boot.img: a jump over the check for drives a BIOS names wrongly, 2 bytes; no operation there makes the check happen
/// (GRUB_BOOT_MACHINE_DRIVE_CHECK; on a hard disk setup.c writes no operations).
const DRIVE_CHECK: usize = 0x66;
const NO_OPERATIONS: [u8; 2] = [0x90, 0x90];
/// boot.img's code ends where the disk's signature and its partition table begin (GRUB_BOOT_MACHINE_WINDOWS_NT_MAGIC); the
/// table is the disk's own.
const CODE_BYTES: usize = 0x1b8;
/// diskboot.img: the last entry of the block list: start 8, length 2, segment 2 bytes
/// (GRUB_DISK_SECTOR_SIZE - sizeof (struct grub_boot_blocklist)).
const BLOCK_LIST: usize = 0x1f4;

/// Puts GRUB onto a disk image: `boot` (boot.img) into the first sector, beside what partition table there is, and `core`
/// (of grub-mkimage -O i386-pc) at byte `at`, where it has `room` bytes.
///
/// # Errors
/// The two are not what they should be, or do not fit; writing.
pub fn install(
    image: &mut (impl Read + Write + Seek),
    boot: &[u8],
    core: &[u8],
    at: u64,
    room: u64,
) -> Result<()> {
    if boot.len() as u64 != SECTOR || boot[510..] != [0x55, 0xaa] {
        return Err(Error::damaged("GRUB's boot.img is not a boot sector"));
    }
    let sectors = (core.len() as u64).div_ceil(SECTOR);
    if core.len() as u64 > room {
        return Err(Error::TooSmall { have: room, need: core.len() as u64 });
    }
    // grub-mkimage has filled in the length: all but this first sector.
    if core.len() < 2 * SECTOR as usize || u64::from(le16(core, BLOCK_LIST + 8)) + 1 != sectors {
        return Err(Error::damaged("what grub-mkimage made is not a core for a BIOS"));
    }
    let start = at / SECTOR;
    let mut first = read_at(image, 0, SECTOR as usize)?;
    first.resize(SECTOR as usize, 0);
    first[..CODE_BYTES].copy_from_slice(&boot[..CODE_BYTES]);
    put(&mut first, KERNEL_SECTOR, &start.to_le_bytes());
    put(&mut first, DRIVE_CHECK, &NO_OPERATIONS);
    put(&mut first, 510, &[0x55, 0xaa]);
    let mut core = core.to_vec();
    put(&mut core, BLOCK_LIST, &(start + 1).to_le_bytes());
    for (place, bytes) in [(0, &first), (at, &core)] {
        image.seek(SeekFrom::Start(place))?;
        image.write_all(bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boot() -> Vec<u8> {
        let mut boot = vec![1; 512];
        put(&mut boot, 510, &[0x55, 0xaa]);
        boot
    }

    fn core(sectors: u16) -> Vec<u8> {
        let mut core = vec![2; 512 * usize::from(sectors) - 100];
        put(&mut core, BLOCK_LIST + 8, &(sectors - 1).to_le_bytes());
        core
    }

    #[test]
    fn both_programs_learn_where_the_next_is_and_the_table_stays() {
        let mut image = Cursor::new(vec![9; 1 << 20]);
        install(&mut image, &boot(), &core(3), 0x8000, 0x8000).unwrap();
        let image = image.into_inner();
        assert_eq!(image[KERNEL_SECTOR..KERNEL_SECTOR + 8], 64_u64.to_le_bytes());
        assert_eq!((image[0], image[DRIVE_CHECK], image[446], image[511]), (1, 0x90, 9, 0xaa));
        assert_eq!(image[0x8000 + BLOCK_LIST..][..8], 65_u64.to_le_bytes());
        assert_eq!((image[0x8000], image[0x8000 + 1435], image[0x8000 + 1436]), (2, 2, 9));
    }

    #[test]
    fn what_is_not_grub_or_does_not_fit_is_refused() {
        let install = |boot: &[u8], core: &[u8], room| {
            install(&mut Cursor::new(vec![0; 1 << 16]), boot, core, 0x8000, room)
        };
        assert!(install(&boot()[1..], &core(3), 0x8000).is_err());
        assert!(install(&vec![0; 512], &core(3), 0x8000).is_err());
        assert!(matches!(install(&boot(), &core(3), 1000), Err(Error::TooSmall { .. })));
        assert!(install(&boot(), &core(3)[..1000], 0x8000).is_err());
        assert!(install(&boot(), &[0; 100], 0x8000).is_err());
    }
}
