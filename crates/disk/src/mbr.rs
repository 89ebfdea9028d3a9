//! The partition table of the master boot record, read only: images from elsewhere may have one.

use std::io::{Read, Seek};

use crate::bytes::{le32, read_at};
use crate::{Error, Result, SECTOR};

/// Types of extended partitions: CHS, LBA, Linux's own.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// The type of a GPT's protective partition.
const PROTECTIVE: u8 = 0xee;
/// The longest chain of logical partitions that is followed; Linux itself stops at 256 (block/partitions/check.c).
const CHAIN_LIMIT: usize = 256;

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number, as in /dev/sda5.
    pub number: u32,
    /// Its type.
    pub kind: u8,
    /// Its first sector.
    pub first: u64,
    /// How many sectors it has.
    pub sectors: u64,
}

/// The partitions of `image`, `disk` bytes long, logical ones too; `None` where there is no such table (the mark 55 aa is
/// missing, or what stands there cannot be a table: the boot sector of a file system has the same mark).
///
/// # Errors
/// Reading; a chain of logical partitions that has no end.
pub fn read(image: &mut (impl Read + Seek), disk: u64) -> Result<Option<Vec<Partition>>> {
    let sectors = disk / SECTOR;
    let Some(table) = table(image, 0)? else { return Ok(None) };
    // Bit 7 says "boot from this", the other bits are always 0 (Linux: block/partitions/msdos.c).
    if table.iter().any(|entry| entry.flags & 0x7f != 0) {
        return Ok(None);
    }
    let mut found = Vec::new();
    for (number, entry) in (1..).zip(&table) {
        if entry.kind == PROTECTIVE || !entry.lies_within(0, sectors) {
            continue;
        }
        if EXTENDED.contains(&entry.kind) {
            logical(image, entry.first, sectors, &mut found)?;
        } else {
            found.push(Partition { number, kind: entry.kind, first: entry.first, sectors: entry.count });
        }
    }
    Ok(Some(found))
}

/// Follows the chain of boot records in the extended partition at `start`: in each the first entry is a partition, relative to
/// the record, and the second leads on, relative to `start`.
fn logical(
    image: &mut (impl Read + Seek),
    start: u64,
    sectors: u64,
    found: &mut Vec<Partition>,
) -> Result<()> {
    let mut at = start;
    for number in (5..).take(CHAIN_LIMIT) {
        let Some(table) = table(image, at)? else { return Ok(()) };
        let [own, next, ..] = table;
        if own.lies_within(at, sectors) {
            found.push(Partition { number, kind: own.kind, first: at + own.first, sectors: own.count });
        }
        if !EXTENDED.contains(&next.kind) || !next.lies_within(start, sectors) {
            return Ok(());
        }
        at = start + next.first;
    }
    Err(Error::damaged(format!("the chain of logical partitions does not end after {CHAIN_LIMIT}")))
}

#[derive(Clone, Copy)]
struct Entry {
    flags: u8,
    kind: u8,
    first: u64,
    count: u64,
}

impl Entry {
    /// Whether it is used, and lies on the disk when counted from sector `base`.
    fn lies_within(&self, base: u64, sectors: u64) -> bool {
        self.kind != 0 && self.count > 0 && self.first > 0 && base + self.first + self.count <= sectors
    }
}

fn table(image: &mut (impl Read + Seek), sector: u64) -> Result<Option<[Entry; 4]>> {
    let bytes = read_at(image, sector * SECTOR, SECTOR as usize)?;
    if bytes.len() < SECTOR as usize || bytes[510..] != [0x55, 0xaa] {
        return Ok(None);
    }
    Ok(Some([446, 462, 478, 494].map(|at| Entry {
        flags: bytes[at],
        kind: bytes[at + 4],
        first: u64::from(le32(&bytes, at + 8)),
        count: u64::from(le32(&bytes, at + 12)),
    })))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::bytes::put;

    fn set(image: &mut [u8], sector: usize, entry: usize, kind: u8, first: u32, count: u32) {
        let at = sector * 512 + 446 + 16 * entry;
        image[at + 4] = kind;
        put(image, at + 8, &first.to_le_bytes());
        put(image, at + 12, &count.to_le_bytes());
        put(image, sector * 512 + 510, &[0x55, 0xaa]);
    }

    fn numbers(image: &[u8]) -> Vec<(u32, u64, u64)> {
        let found = read(&mut Cursor::new(image), image.len() as u64).unwrap().unwrap();
        found.iter().map(|it| (it.number, it.first, it.sectors)).collect()
    }

    #[test]
    fn primary_and_logical_partitions_are_found() {
        let mut image = vec![0; 512 * 100];
        set(&mut image, 0, 0, 0x83, 10, 5);
        set(&mut image, 0, 1, 0x05, 20, 60);
        set(&mut image, 0, 2, 0x83, 90, 50);
        set(&mut image, 20, 0, 0x83, 2, 8);
        set(&mut image, 20, 1, 0x05, 30, 20);
        set(&mut image, 50, 0, 0x83, 1, 19);
        // The third leaves the disk and is left out.
        assert_eq!(numbers(&image), [(1, 10, 5), (5, 22, 8), (6, 51, 19)]);
    }

    #[test]
    fn a_chain_that_leads_to_itself_ends() {
        let mut image = vec![0; 512 * 100];
        set(&mut image, 0, 0, 0x05, 20, 60);
        set(&mut image, 20, 0, 0x83, 2, 8);
        set(&mut image, 20, 1, 0x05, 5, 20);
        set(&mut image, 25, 1, 0x05, 5, 20);
        assert!(read(&mut Cursor::new(&image), 51_200).unwrap_err().to_string().contains("does not end"));
    }

    #[test]
    fn a_boot_sector_of_a_file_system_is_no_table() {
        let mut image = vec![0; 512 * 10];
        set(&mut image, 0, 0, 0x83, 1, 2);
        image[446] = 0x65;
        assert!(read(&mut Cursor::new(&image), 5120).unwrap().is_none());
        assert!(read(&mut Cursor::new(&[0; 512]), 512).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn any_first_sector_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let mut bytes = bytes;
            if bytes.len() >= 512 {
                put(&mut bytes, 510, &[0x55, 0xaa]);
                for at in [446, 462, 478, 494] {
                    bytes[at] &= 0x80;
                }
            }
            let _ = read(&mut Cursor::new(&bytes), bytes.len() as u64);
        }
    }
}
