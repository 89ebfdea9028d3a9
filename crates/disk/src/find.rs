//! The partitions of an image from elsewhere, with what is on each.

use std::io::{Read, Seek};

use crate::filesystem::{FileSystem, probe};
use crate::{Guid, Result, SECTOR, gpt, mbr};

/// A place where a file system may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The partition's number; `None` where the whole image is one file system.
    pub number: Option<u32>,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub length: u64,
    /// What is there.
    pub file_system: FileSystem,
    /// Whether its type says that it is a root file system of x86-64.
    pub says_root: bool,
    /// Its own name, where it has one: its PARTUUID.
    pub unique: Option<Guid>,
}

/// Every partition of `image`, `disk` bytes long, in the order of their numbers, or the whole image where it has no partition
/// table. A partition whose file system contradicts itself counts as unknown.
///
/// # Errors
/// A damaged partition table; reading.
pub fn places(image: &mut (impl Read + Seek), disk: u64) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    if let Some(partitions) = gpt::read(image, disk)? {
        for (number, partition) in (1..).zip(partitions) {
            let offset = partition.first * SECTOR;
            let length = (partition.last - partition.first + 1) * SECTOR;
            let says_root = partition.kind == Guid::LINUX_ROOT_X86_64;
            let unique = Some(partition.unique).filter(|unique| *unique != Guid::NIL);
            places.push(Place { says_root, unique, ..place(image, Some(number), offset, length)? });
        }
        return Ok(places);
    }
    // A file system's own boot sector may look like a table, so the file system is asked first.
    let whole = place(image, None, 0, disk)?;
    if whole.file_system != FileSystem::Unknown {
        return Ok(vec![whole]);
    }
    for partition in mbr::read(image, disk)?.unwrap_or_default() {
        let (offset, length) = (partition.first * SECTOR, partition.sectors * SECTOR);
        places.push(place(image, Some(partition.number), offset, length)?);
    }
    Ok(if places.is_empty() { vec![whole] } else { places })
}

fn place(image: &mut (impl Read + Seek), number: Option<u32>, offset: u64, length: u64) -> Result<Place> {
    let file_system = match probe(image, offset, length) {
        Err(crate::Error::Damaged { .. }) => FileSystem::Unknown,
        other => other?,
    };
    Ok(Place { number, offset, length, file_system, says_root: false, unique: None })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::layout::{LEAST_DISK, Layout, Names};

    #[test]
    fn partitions_are_found_with_what_is_on_them() {
        let layout = Layout::of_disk(LEAST_DISK).unwrap();
        let names = Names { disk: Guid::NIL, grub: Guid::NIL, esp: Guid::NIL, root: Guid::NIL };
        let mut image = Cursor::new(vec![0; LEAST_DISK as usize]);
        gpt::write(&mut image, LEAST_DISK, names.disk, &layout.partitions(&names)).unwrap();
        image.get_mut()[layout.root_at as usize..][..4].copy_from_slice(b"XFSB");
        let found = places(&mut image, LEAST_DISK).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((found[2].offset, found[2].length), (layout.root_at, layout.root_bytes));
        assert_eq!((found[2].file_system.clone(), found[2].says_root), (FileSystem::Other("XFS"), true));
    }

    #[test]
    fn an_image_without_a_table_is_one_place() {
        let found = places(&mut Cursor::new(b"XFSB".to_vec()), 4).unwrap();
        assert_eq!((found.len(), found[0].number, found[0].offset), (1, None, 0));
        assert_eq!(places(&mut Cursor::new([]), 0).unwrap()[0].file_system, FileSystem::Unknown);
    }
}
