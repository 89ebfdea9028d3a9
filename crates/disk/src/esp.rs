//! The file system of an EFI system partition: FAT32 (UEFI specification, 13.3; Microsoft's "FAT: General Overview of On-Disk Format",
//! 1.03), written in one go: the same bytes for the same files.
//!
//! Names are of eight letters and three, in capitals, which every reader takes whatever case it asks for. Nothing is fragmented.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};

use crate::bytes::put;
use crate::{Error, Result, SECTOR};

/// Sectors before the first table: boot sector, its information, copies of both at 6, and room, as every formatter leaves.
const RESERVED: u64 = 32;
const INFORMATION_AT: u16 = 1;
const COPY_AT: u16 = 6;
const TABLES: u64 = 2;
/// Fewest clusters of FAT32; with fewer a reader takes it for FAT16 ("FAT Type Determination").
const LEAST_CLUSTERS: u64 = 65_525;
/// Numbers of clusters have 28 bits, and the last ones mean something else.
const MOST_CLUSTERS: u64 = 0x0fff_fff5;
/// The first cluster of data, where the root folder begins.
const FIRST: u32 = 2;
const END_OF_CHAIN: u32 = 0x0fff_ffff;
const ENTRY: usize = 32;
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
const LABEL: u8 = 0x08;
const NAME: &[u8; 11] = b"EFI        ";
/// 1980-01-01, the first day FAT can say: no moment is an input.
const DATE: u16 = 1 << 5 | 1;

/// A folder or a file's content.
enum Node<'a> {
    Folder(Folder<'a>),
    File(&'a [u8]),
}

type Folder<'a> = BTreeMap<[u8; 11], Node<'a>>;

/// Writes the file system into `volume`, which is `bytes` long and zero, with the files: names with folders
/// ("EFI/BOOT/BOOTX64.EFI") and contents. `number` is the volume's serial number.
///
/// # Errors
/// The files do not fit, a name has another form, or `bytes` is no size of FAT32; writing.
pub fn write(
    volume: &mut (impl Write + Seek),
    bytes: u64,
    number: u32,
    files: &[(&str, &[u8])],
) -> Result<()> {
    let mut root = Folder::new();
    for (name, content) in files {
        add(&mut root, name, content)?;
    }
    let shape = Shape::of(bytes)?;
    let mut writer = Writer { out: volume, shape, table: vec![0x0fff_fff8, END_OF_CHAIN] };
    let at = writer.reserve(writer.folder_bytes(root.len() + 1))?;
    let mut entries = entry(*NAME, LABEL, 0, 0).to_vec();
    writer.folder(&root, at, &mut entries)?;
    writer.put_at(at, &entries)?;
    writer.finish(number)
}

fn add<'a>(folder: &mut Folder<'a>, name: &str, content: &'a [u8]) -> Result<()> {
    match name.split_once('/') {
        None => {
            folder.insert(short(name)?, Node::File(content));
            Ok(())
        }
        Some((first, rest)) => {
            match folder.entry(short(first)?).or_insert_with(|| Node::Folder(Folder::new())) {
                Node::Folder(inner) => add(inner, rest, content),
                Node::File(_) => Err(Error::unsupported(format!("{first} is a file and a folder"))),
            }
        }
    }
}

/// "BOOTX64.EFI" as a folder has it: eight and three bytes, filled with spaces.
fn short(name: &str) -> Result<[u8; 11]> {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte));
    if stem.is_empty() || stem.len() > 8 || extension.len() > 3 || !plain(stem) || !plain(extension) {
        return Err(Error::unsupported(format!("\"{name}\" is not a name of eight letters and three")));
    }
    let mut short = [b' '; 11];
    put(&mut short, 0, stem.to_ascii_uppercase().as_bytes());
    put(&mut short, 8, extension.to_ascii_uppercase().as_bytes());
    Ok(short)
}

/// How the volume is divided. A cluster is one sector.
#[derive(Clone, Copy)]
struct Shape {
    sectors: u32,
    table_sectors: u64,
    clusters: u64,
}

impl Shape {
    fn of(bytes: u64) -> Result<Shape> {
        let none = || Error::unsupported(format!("{bytes} bytes are no FAT32 volume"));
        let sectors = u32::try_from(bytes / SECTOR).map_err(|_| none())?;
        let room = u64::from(sectors).checked_sub(RESERVED).ok_or_else(none)?;
        // Each cluster takes its sector and four bytes in each table; the first two numbers of a table are no clusters.
        let table_sectors = (4 * (room + 2)).div_ceil(SECTOR + 4 * TABLES);
        let clusters = room - TABLES * table_sectors;
        match (LEAST_CLUSTERS..=MOST_CLUSTERS).contains(&clusters) {
            true => Ok(Shape { sectors, table_sectors, clusters }),
            false => Err(none()),
        }
    }

    fn data_at(&self) -> u64 {
        (RESERVED + TABLES * self.table_sectors) * SECTOR
    }
}

struct Writer<'a, W> {
    out: &'a mut W,
    shape: Shape,
    /// The next cluster of each, as far as they are used.
    table: Vec<u32>,
}

impl<W: Write + Seek> Writer<'_, W> {
    /// A chain of clusters for so many bytes; returns the first, 0 for none.
    fn reserve(&mut self, bytes: u64) -> Result<u32> {
        let count = bytes.div_ceil(SECTOR);
        let used = self.table.len() as u64 - u64::from(FIRST);
        if used + count > self.shape.clusters {
            let clusters = self.shape.clusters;
            return Err(Error::TooSmall { have: clusters * SECTOR, need: (used + count) * SECTOR });
        }
        if count == 0 {
            return Ok(0);
        }
        let first = self.table.len() as u32;
        self.table.extend((1..count as u32).map(|it| first + it));
        self.table.push(END_OF_CHAIN);
        Ok(first)
    }

    fn put_at(&mut self, cluster: u32, bytes: &[u8]) -> Result<()> {
        let at = self.shape.data_at() + u64::from(cluster - FIRST) * SECTOR;
        self.out.seek(SeekFrom::Start(at))?;
        Ok(self.out.write_all(bytes)?)
    }

    fn folder_bytes(&self, entries: usize) -> u64 {
        (entries * ENTRY) as u64
    }

    /// Writes what is in `folder`, which begins at cluster `own`, and adds its entries to `entries`.
    fn folder(&mut self, folder: &Folder, own: u32, entries: &mut Vec<u8>) -> Result<()> {
        // What a folder in it calls "..": 0 where that is the root.
        let above = if own == FIRST { 0 } else { own };
        for (name, node) in folder {
            match node {
                Node::File(content) => {
                    let length = u32::try_from(content.len())
                        .map_err(|_| Error::unsupported("a file on FAT has at most 4 GiB"))?;
                    let at = self.reserve(content.len() as u64)?;
                    if at != 0 {
                        self.put_at(at, content)?;
                    }
                    entries.extend(entry(*name, ARCHIVE, at, length));
                }
                Node::Folder(inner) => {
                    let at = self.reserve(self.folder_bytes(inner.len() + 2))?;
                    let mut within = entry(*b".          ", DIRECTORY, at, 0).to_vec();
                    within.extend(entry(*b"..         ", DIRECTORY, above, 0));
                    self.folder(inner, at, &mut within)?;
                    self.put_at(at, &within)?;
                    entries.extend(entry(*name, DIRECTORY, at, 0));
                }
            }
        }
        Ok(())
    }

    /// Writes the tables, the boot sector and its information.
    fn finish(&mut self, number: u32) -> Result<()> {
        let table: Vec<u8> = self.table.iter().flat_map(|next| next.to_le_bytes()).collect();
        for copy in 0..TABLES {
            self.out.seek(SeekFrom::Start((RESERVED + copy * self.shape.table_sectors) * SECTOR))?;
            self.out.write_all(&table)?;
        }
        let used = self.table.len() as u64 - u64::from(FIRST);
        let information = information((self.shape.clusters - used) as u32, self.table.len() as u32);
        for at in [0, COPY_AT] {
            self.out.seek(SeekFrom::Start(u64::from(at) * SECTOR))?;
            self.out.write_all(&boot_sector(&self.shape, number))?;
            self.out.write_all(&information)?;
        }
        Ok(())
    }
}

/// One entry of a folder.
fn entry(name: [u8; 11], attributes: u8, cluster: u32, length: u32) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    put(&mut entry, 0, &name);
    entry[11] = attributes;
    for at in [16, 18, 24] {
        put(&mut entry, at, &DATE.to_le_bytes());
    }
    put(&mut entry, 20, &((cluster >> 16) as u16).to_le_bytes());
    put(&mut entry, 26, &(cluster as u16).to_le_bytes());
    put(&mut entry, 28, &length.to_le_bytes());
    entry
}

fn boot_sector(shape: &Shape, number: u32) -> [u8; SECTOR as usize] {
    let mut sector = [0; SECTOR as usize];
    put(&mut sector, 0, &[0xeb, 0x58, 0x90]);
    put(&mut sector, 3, b"MSWIN4.1");
    put(&mut sector, 11, &(SECTOR as u16).to_le_bytes());
    // Sectors of a cluster, sectors before the tables, tables.
    sector[13] = 1;
    put(&mut sector, 14, &(RESERVED as u16).to_le_bytes());
    sector[16] = TABLES as u8;
    // A fixed disk, with the geometry that is given to those that have none.
    sector[21] = 0xf8;
    put(&mut sector, 24, &63_u16.to_le_bytes());
    put(&mut sector, 26, &255_u16.to_le_bytes());
    put(&mut sector, 32, &shape.sectors.to_le_bytes());
    put(&mut sector, 36, &(shape.table_sectors as u32).to_le_bytes());
    put(&mut sector, 44, &FIRST.to_le_bytes());
    put(&mut sector, 48, &INFORMATION_AT.to_le_bytes());
    put(&mut sector, 50, &COPY_AT.to_le_bytes());
    sector[64] = 0x80;
    // The next three are there.
    sector[66] = 0x29;
    put(&mut sector, 67, &number.to_le_bytes());
    put(&mut sector, 71, NAME);
    put(&mut sector, 82, b"FAT32   ");
    put(&mut sector, 510, &[0x55, 0xaa]);
    sector
}

/// How many clusters are free, and where to look for one.
fn information(free: u32, next: u32) -> [u8; SECTOR as usize] {
    let mut sector = [0; SECTOR as usize];
    put(&mut sector, 0, b"RRaA");
    put(&mut sector, 484, b"rrAa");
    put(&mut sector, 488, &free.to_le_bytes());
    put(&mut sector, 492, &next.to_le_bytes());
    put(&mut sector, 510, &[0x55, 0xaa]);
    sector
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::bytes::{le16, le32};

    const BYTES: u64 = 64 << 20;

    fn made(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
        let mut volume = Cursor::new(vec![0; BYTES as usize]);
        write(&mut volume, BYTES, 0x1234_5678, files)?;
        Ok(volume.into_inner())
    }

    /// A file's content, found as firmware does: from the root folder's cluster, entry by entry, chain by chain.
    fn read(volume: &[u8], path: &str) -> Option<Vec<u8>> {
        let tables = usize::from(le16(volume, 14)) * 512;
        let data = tables + 2 * le32(volume, 36) as usize * 512;
        let chain = |first: u32| {
            let mut content = Vec::new();
            let mut cluster = first;
            while (2..0x0fff_fff8).contains(&cluster) {
                content.extend_from_slice(&volume[data + (cluster as usize - 2) * 512..][..512]);
                cluster = le32(volume, tables + 4 * cluster as usize);
            }
            content
        };
        let mut content = chain(le32(volume, 44));
        for part in path.split('/') {
            let name = short(part).unwrap();
            let entry = content.chunks(32).find(|entry| entry[..11] == name && entry[11] != LABEL)?.to_vec();
            content = chain(u32::from(le16(&entry, 20)) << 16 | u32::from(le16(&entry, 26)));
            if entry[11] == ARCHIVE {
                content.truncate(le32(&entry, 28) as usize);
            }
        }
        Some(content)
    }

    #[test]
    fn files_are_found_and_the_bytes_are_the_same_each_time() {
        let kernel: Vec<u8> = (0..3_000_001_u32).map(|it| it as u8).collect();
        let files: [(&str, &[u8]); 4] =
            [("EFI/BOOT/BOOTX64.EFI", &kernel), ("grub/grub.cfg", b"menu"), ("EMPTY", b""), ("EFI/A", b"a")];
        let volume = made(&files).unwrap();
        assert_eq!(volume, made(&files).unwrap());
        for (name, content) in files {
            assert_eq!(read(&volume, name).as_deref(), Some(content), "{name}");
        }
        assert_eq!(read(&volume, "EFI/BOOT/NONE"), None);
        // Both boot sectors and both tables are the same.
        assert_eq!(volume[..1024], volume[6 * 512..8 * 512]);
        let table = le32(&volume, 36) as usize * 512;
        assert_eq!(volume[32 * 512..][..table], volume[32 * 512 + table..][..table]);
        // The folder above a folder of the root is 0, the one above BOOT is EFI.
        let above = |folder: &str| read(&volume, folder).map(|content| le16(&content, 32 + 26)).unwrap();
        assert_eq!((above("EFI"), above("GRUB")), (0, 0));
        assert_ne!(above("EFI/BOOT"), 0);
    }

    #[test]
    fn a_table_has_a_number_for_every_cluster() {
        for bytes in [64 << 20, (64 << 20) + 512, 40 << 20, 1 << 30, 100 << 30] {
            let shape = Shape::of(bytes).unwrap();
            assert!(shape.table_sectors * 128 >= shape.clusters + 2, "{bytes}");
            assert!(shape.data_at() + shape.clusters * 512 <= bytes, "{bytes}");
        }
    }

    #[test]
    fn what_does_not_fit_or_cannot_be_named_is_an_error() {
        let content = vec![7; BYTES as usize];
        assert!(matches!(made(&[("a", &content)]), Err(Error::TooSmall { .. })));
        for name in ["", "ninechars", "a.long", "a.b.c", "ä", "a/", "/a", "a b"] {
            assert!(matches!(made(&[(name, b"")]), Err(Error::Unsupported { .. })), "{name}");
        }
        assert!(made(&[("a", b""), ("a/b", b"")]).is_err());
        for bytes in [0, 1 << 20, 1 << 50] {
            assert!(write(&mut Cursor::new(vec![0; 0]), bytes, 0, &[]).is_err(), "{bytes}");
        }
    }
}
