//! The GUID partition table (UEFI specification 2.10, chapter 5): written whole, and read with suspicion.

use std::io::{Read, Seek, SeekFrom, Write};

use crate::bytes::{le32, le64, put, read_at};
use crate::crc32::crc32;
use crate::{Error, Guid, Result, SECTOR};

const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Revision 1.0, the only one.
const REVISION: u32 = 0x0001_0000;
/// A header's bytes; the rest of its sector is zero.
const HEADER_BYTES: usize = 92;
const ENTRY_BYTES: usize = 128;
/// What every partitioner writes, the least the specification asks for (16,384 bytes).
const ENTRIES: usize = 128;
/// Sectors of the array of entries.
const ARRAY_SECTORS: u64 = (ENTRIES * ENTRY_BYTES) as u64 / SECTOR;
/// The first sector after protective MBR, header and array.
const FIRST_USABLE: u64 = 2 + ARRAY_SECTORS;
/// UTF-16 units of a name.
const NAME_UNITS: usize = 36;
/// The most that is read of an array: a thousand times what anybody writes, and nothing to a machine.
const ARRAY_LIMIT: u64 = 16 << 20;
/// The type of the protective MBR's one partition (UEFI specification, 5.2.3).
const PROTECTIVE: u8 = 0xee;

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its type.
    pub kind: Guid,
    /// Its own name: Linux's PARTUUID.
    pub unique: Guid,
    /// Its first sector.
    pub first: u64,
    /// Its last sector.
    pub last: u64,
    /// Its label, at most 36 UTF-16 units.
    pub name: String,
}

/// Writes the protective MBR, both headers and both arrays of a disk of `disk` bytes. What else is in the first sector is kept:
/// a boot loader's code.
///
/// # Errors
/// Partitions that leave the disk, overlap or are more than 128 ([`Error::Damaged`]); writing.
pub fn write(
    image: &mut (impl Read + Write + Seek),
    disk: u64,
    unique: Guid,
    partitions: &[Partition],
) -> Result<()> {
    let sectors = disk / SECTOR;
    if sectors < 2 * FIRST_USABLE + 1 {
        return Err(Error::TooSmall { have: disk, need: (2 * FIRST_USABLE + 1) * SECTOR });
    }
    let last_usable = sectors - ARRAY_SECTORS - 2;
    check(partitions, last_usable)?;
    let array = array(partitions);
    let sum = crc32(&array);
    let main = header(unique, 1, sectors - 1, 2, last_usable, sum);
    let spare = header(unique, sectors - 1, 1, last_usable + 1, last_usable, sum);
    let mut first = read_at(image, 0, SECTOR as usize)?;
    first.resize(SECTOR as usize, 0);
    protect(&mut first, sectors);
    for (sector, bytes) in
        [(0, &first), (1, &main), (2, &array), (last_usable + 1, &array), (sectors - 1, &spare)]
    {
        image.seek(SeekFrom::Start(sector * SECTOR))?;
        image.write_all(bytes)?;
    }
    Ok(())
}

fn check(partitions: &[Partition], last_usable: u64) -> Result<()> {
    if partitions.len() > ENTRIES {
        return Err(Error::damaged(format!("{} partitions are more than {ENTRIES}", partitions.len())));
    }
    let mut places: Vec<(u64, u64)> = partitions.iter().map(|it| (it.first, it.last)).collect();
    places.sort_unstable();
    let inside =
        places.iter().all(|(first, last)| FIRST_USABLE <= *first && first <= last && *last <= last_usable);
    let apart = places.windows(2).all(|pair| pair[0].1 < pair[1].0);
    match inside && apart {
        true => Ok(()),
        false => Err(Error::damaged("the partitions overlap, or do not lie on the disk")),
    }
}

fn array(partitions: &[Partition]) -> Vec<u8> {
    let mut array = vec![0; ENTRIES * ENTRY_BYTES];
    for (entry, partition) in array.chunks_mut(ENTRY_BYTES).zip(partitions) {
        put(entry, 0, &partition.kind.on_disk());
        put(entry, 16, &partition.unique.on_disk());
        put(entry, 32, &partition.first.to_le_bytes());
        put(entry, 40, &partition.last.to_le_bytes());
        for (index, unit) in partition.name.encode_utf16().take(NAME_UNITS).enumerate() {
            put(entry, 56 + 2 * index, &unit.to_le_bytes());
        }
    }
    array
}

fn header(unique: Guid, own: u64, other: u64, array_at: u64, last_usable: u64, array_sum: u32) -> Vec<u8> {
    let mut header = vec![0; SECTOR as usize];
    put(&mut header, 0, SIGNATURE);
    put(&mut header, 8, &REVISION.to_le_bytes());
    put(&mut header, 12, &(HEADER_BYTES as u32).to_le_bytes());
    put(&mut header, 24, &own.to_le_bytes());
    put(&mut header, 32, &other.to_le_bytes());
    put(&mut header, 40, &FIRST_USABLE.to_le_bytes());
    put(&mut header, 48, &last_usable.to_le_bytes());
    put(&mut header, 56, &unique.on_disk());
    put(&mut header, 72, &array_at.to_le_bytes());
    put(&mut header, 80, &(ENTRIES as u32).to_le_bytes());
    put(&mut header, 84, &(ENTRY_BYTES as u32).to_le_bytes());
    put(&mut header, 88, &array_sum.to_le_bytes());
    // The sum is taken with its own field zero.
    let sum = crc32(&header[..HEADER_BYTES]);
    put(&mut header, 16, &sum.to_le_bytes());
    header
}

/// One partition of type 0xee over the whole disk, so that a tool that knows only MBRs sees no free room.
fn protect(sector: &mut [u8], sectors: u64) {
    sector[446..510].fill(0);
    let size = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    // Cylinder, head and sector of LBA 1, and the end that stands for "beyond what these can say".
    put(sector, 446, &[0x00, 0x00, 0x02, 0x00, PROTECTIVE, 0xff, 0xff, 0xff]);
    put(sector, 454, &1_u32.to_le_bytes());
    put(sector, 458, &size.to_le_bytes());
    put(sector, 510, &[0x55, 0xaa]);
}

/// The partitions of `image`, `disk` bytes long; `None` where there is no GPT. Where the first copy is damaged the second is
/// read, as the specification says.
///
/// # Errors
/// Both copies are damaged ([`Error::Damaged`], with what is wrong with the first); reading.
pub fn read(image: &mut (impl Read + Seek), disk: u64) -> Result<Option<Vec<Partition>>> {
    let sectors = disk / SECTOR;
    let first = match read_copy(image, 1, sectors) {
        Ok(Some(partitions)) => return Ok(Some(partitions)),
        Ok(None) => None,
        Err(Error::Io(cause)) => return Err(cause.into()),
        Err(wrong) => Some(wrong),
    };
    match (read_copy(image, sectors.saturating_sub(1), sectors), first) {
        (Ok(Some(partitions)), _) => Ok(Some(partitions)),
        (Err(Error::Io(cause)), _) => Err(cause.into()),
        (_, Some(wrong)) => Err(wrong),
        (Err(wrong), None) => Err(wrong),
        (Ok(None), None) => Ok(None),
    }
}

/// The copy whose header is at sector `at`.
fn read_copy(image: &mut (impl Read + Seek), at: u64, sectors: u64) -> Result<Option<Vec<Partition>>> {
    let header = read_at(image, at.saturating_mul(SECTOR), SECTOR as usize)?;
    if header.len() < SECTOR as usize || &header[..8] != SIGNATURE {
        return Ok(None);
    }
    let length = le32(&header, 12) as usize;
    if !(HEADER_BYTES..=SECTOR as usize).contains(&length) {
        return Err(Error::damaged(format!("the GPT header says it has {length} bytes")));
    }
    let mut unsummed = header[..length].to_vec();
    unsummed[16..20].fill(0);
    if crc32(&unsummed) != le32(&header, 16) {
        return Err(Error::damaged("the GPT header's checksum is wrong"));
    }
    let (array_at, count, size) = (le64(&header, 72), le32(&header, 80), le32(&header, 84));
    let bytes = u64::from(count) * u64::from(size);
    if !(ENTRY_BYTES as u32..=4096).contains(&size) || bytes > ARRAY_LIMIT || array_at >= sectors {
        return Err(Error::damaged(format!(
            "the GPT says it has {count} entries of {size} bytes at sector {array_at}"
        )));
    }
    let array = read_at(image, array_at * SECTOR, bytes as usize)?;
    if array.len() as u64 != bytes || crc32(&array) != le32(&header, 88) {
        return Err(Error::damaged("the checksum of the GPT's entries is wrong"));
    }
    array
        .chunks_exact(size as usize)
        .enumerate()
        .filter_map(|(index, entry)| partition(index, entry, sectors).transpose())
        .collect::<Result<Vec<_>>>()
        .map(Some)
}

fn partition(index: usize, entry: &[u8], sectors: u64) -> Result<Option<Partition>> {
    let guid = |at: usize| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&entry[at..at + 16]);
        Guid::from_disk(bytes)
    };
    let (kind, first, last) = (guid(0), le64(entry, 32), le64(entry, 40));
    if kind == Guid::NIL {
        return Ok(None);
    }
    if first == 0 || first > last || last >= sectors {
        return Err(Error::damaged(format!(
            "partition {} says it lies on sectors {first} to {last} of a disk of {sectors}",
            index + 1
        )));
    }
    let units: Vec<u16> =
        entry[56..128].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    Ok(Some(Partition { kind, unique: guid(16), first, last, name: String::from_utf16_lossy(&units[..end]) }))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::layout::{LEAST_DISK, Layout, Names};

    fn disk() -> (Vec<u8>, Vec<Partition>) {
        let layout = Layout::of_disk(LEAST_DISK).unwrap();
        let guid = |value| Guid::of_hash([value; 16]);
        let names = Names { disk: guid(1), grub: guid(2), esp: guid(3), root: guid(4) };
        let partitions = layout.partitions(&names);
        let mut image = Cursor::new(vec![0; LEAST_DISK as usize]);
        write(&mut image, LEAST_DISK, names.disk, &partitions).unwrap();
        (image.into_inner(), partitions)
    }

    fn read_back(image: &[u8]) -> Result<Option<Vec<Partition>>> {
        read(&mut Cursor::new(image), image.len() as u64)
    }

    #[test]
    fn what_is_written_is_read_from_either_copy() {
        let (mut image, partitions) = disk();
        assert_eq!(read_back(&image).unwrap().unwrap(), partitions);
        image[512 + 60] ^= 1;
        assert_eq!(read_back(&image).unwrap().unwrap(), partitions);
        let end = image.len();
        image[end - 500] ^= 1;
        let error = read_back(&image).unwrap_err();
        assert_eq!(error.to_string(), "the GPT header's checksum is wrong");
    }

    #[test]
    fn a_boot_loader_in_the_first_sector_is_kept() {
        let mut image = Cursor::new(vec![7; LEAST_DISK as usize]);
        write(&mut image, LEAST_DISK, Guid::EFI_SYSTEM, &[]).unwrap();
        let image = image.into_inner();
        assert_eq!((image[0], image[439], image[510], image[511]), (7, 7, 0x55, 0xaa));
        assert_eq!(image[450], PROTECTIVE);
    }

    #[test]
    fn partitions_that_cannot_be_are_refused() {
        let partition = |first, last| Partition {
            kind: Guid::LINUX_DATA,
            unique: Guid::NIL,
            first,
            last,
            name: "x".repeat(99),
        };
        let write = |partitions: &[Partition]| {
            write(&mut Cursor::new(vec![0; 1 << 20]), 1 << 20, Guid::NIL, partitions)
        };
        write(&[partition(34, 99), partition(100, 2014)]).unwrap();
        for wrong in [
            [partition(33, 99), partition(100, 101)],
            [partition(34, 100), partition(100, 101)],
            [partition(34, 33), partition(100, 101)],
            [partition(34, 99), partition(100, 2015)],
        ] {
            assert!(write(&wrong).is_err(), "{wrong:?}");
        }
        assert!(super::write(&mut Cursor::new(vec![0; 512]), 512, Guid::NIL, &[]).is_err());
    }

    #[test]
    fn no_table_is_none() {
        assert!(read_back(&[0; 4096]).unwrap().is_none());
        assert!(read_back(&[]).unwrap().is_none());
    }

    #[test]
    fn an_array_of_absurd_length_is_refused_before_it_is_read() {
        let (mut image, _) = disk();
        let end = image.len();
        for header in [512, end - 512] {
            put(&mut image, header + 80, &u32::MAX.to_le_bytes());
            image[header + 16..header + 20].fill(0);
            let sum = crc32(&image[header..header + HEADER_BYTES]);
            put(&mut image, header + 16, &sum.to_le_bytes());
        }
        assert!(read_back(&image).unwrap_err().to_string().contains("4294967295 entries"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn damage_is_an_error_or_unseen_but_never_a_panic(
            changes in proptest::collection::vec((0_usize..34 * 512, any::<u8>()), 1..8),
            length in 0_usize..200 * 512,
        ) {
            let (image, _) = disk();
            let mut image = image[..length].to_vec();
            for (at, value) in changes {
                if let Some(byte) = image.get_mut(at) {
                    *byte = value;
                }
            }
            let _ = read_back(&image);
        }
    }
}
