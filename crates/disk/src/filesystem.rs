//! What a file system says of itself in its first kibibytes.

use std::io::{Read, Seek};

use crate::bytes::{le16, le32, read_at};
use crate::{Error, Guid, Result};

/// How much is looked at: btrfs's superblock is the last, at 64 KiB.
const LOOKED_AT: usize = 68 << 10;
/// ext2, ext3 and ext4: the superblock's place (kernel: fs/ext4/super.c), and its magic number's in it.
const EXT_AT: usize = 1024;
const EXT_MAGIC: u16 = 0xef53;
/// Feature bits that ext2 and ext3 never had (kernel: fs/ext4/ext4.h, EXT4_FEATURE_INCOMPAT_*): extents, 64 bit, flexible groups.
const EXT4_ONLY: u32 = 0x0040 | 0x0080 | 0x0200;
/// The journal is being used: the file system was not unmounted (EXT4_FEATURE_INCOMPAT_RECOVER).
const RECOVER: u32 = 0x0004;
const SIXTY_FOUR_BIT: u32 = 0x0080;
/// Largest block: 64 KiB (EXT4_MAX_BLOCK_LOG_SIZE 16).
const LARGEST_LOG_BLOCK: u32 = 6;

/// What is on a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// ext2, ext3 or ext4, which the kernel's ext4 driver mounts.
    Ext(Ext),
    /// Another one, by its name.
    Other(&'static str),
    /// Nothing that is known.
    Unknown,
}

/// An ext2, ext3 or ext4 file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ext {
    /// "ext4" where it uses what only ext4 has.
    pub name: &'static str,
    /// Its size in bytes.
    pub bytes: u64,
    /// How many of them are free.
    pub free: u64,
    /// Its UUID.
    pub uuid: Guid,
    /// Its label; what is not UTF-8 is replaced.
    pub label: String,
    /// How many inodes it has, and how many are free.
    pub inodes: (u32, u32),
    /// Whether its journal has to be replayed first: it was copied while it was in use.
    pub was_in_use: bool,
}

/// Signatures: the name, the place and the bytes, from each format's own header file.
const SIGNATURES: [(&str, usize, &[u8]); 10] = [
    ("XFS", 0, b"XFSB"),
    ("btrfs", 0x1_0040, b"_BHRfS_M"),
    ("squashfs", 0, b"hsqs"),
    ("EROFS", 1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
    ("F2FS", 1024, &[0x10, 0x20, 0xf5, 0xf2]),
    ("LUKS (encrypted)", 0, b"LUKS\xba\xbe"),
    ("LVM", 512, b"LABELONE"),
    ("swap", 4086, b"SWAPSPACE2"),
    ("NTFS", 3, b"NTFS    "),
    ("ISO 9660", 0x8001, b"CD001"),
];

/// Looks at what begins at byte `offset` of `image` and has at most `length` bytes.
///
/// # Errors
/// Reading; an ext superblock that contradicts itself ([`Error::Damaged`]).
pub fn probe(image: &mut (impl Read + Seek), offset: u64, length: u64) -> Result<FileSystem> {
    let bytes = read_at(image, offset, LOOKED_AT.min(length.try_into().unwrap_or(usize::MAX)))?;
    if bytes.len() >= EXT_AT + 1024 && le16(&bytes, EXT_AT + 0x38) == EXT_MAGIC {
        return ext(&bytes[EXT_AT..EXT_AT + 1024], length).map(FileSystem::Ext);
    }
    let has = |at: usize, wanted: &[u8]| bytes.get(at..at + wanted.len()) == Some(wanted);
    if let Some((name, ..)) = SIGNATURES.iter().find(|(_, at, wanted)| has(*at, wanted)) {
        return Ok(FileSystem::Other(name));
    }
    if has(82, b"FAT32   ") || has(54, b"FAT16   ") || has(54, b"FAT12   ") {
        return Ok(FileSystem::Other("FAT"));
    }
    Ok(FileSystem::Unknown)
}

/// Reads a superblock (kernel: fs/ext4/ext4.h, `struct ext4_super_block`).
fn ext(bytes: &[u8], room: u64) -> Result<Ext> {
    let log = le32(bytes, 0x18);
    if log > LARGEST_LOG_BLOCK {
        return Err(Error::damaged(format!(
            "the ext4 superblock says its blocks have 2^{} bytes",
            u64::from(log) + 10
        )));
    }
    let incompatible = le32(bytes, 0x60);
    let high =
        |at: usize| if incompatible & SIXTY_FOUR_BIT != 0 { u64::from(le32(bytes, at)) << 32 } else { 0 };
    let blocks = u64::from(le32(bytes, 0x04)) | high(0x150);
    let free = u64::from(le32(bytes, 0x0c)) | high(0x158);
    let size = blocks.checked_mul(1024 << log).filter(|size| *size > 0 && *size <= room);
    let Some(size) = size else {
        return Err(Error::damaged(format!(
            "the ext4 superblock says it has {blocks} blocks of {} bytes, and there are {room} bytes",
            1024_u64 << log
        )));
    };
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&bytes[0x68..0x78]);
    let label = &bytes[0x78..0x88];
    let end = label.iter().position(|byte| *byte == 0).unwrap_or(label.len());
    Ok(Ext {
        name: if incompatible & EXT4_ONLY != 0 { "ext4" } else { "ext2 or ext3" },
        bytes: size,
        free: free.saturating_mul(1024 << log).min(size),
        uuid: Guid::from_bytes(uuid),
        label: String::from_utf8_lossy(&label[..end]).into_owned(),
        inodes: (le32(bytes, 0x00), le32(bytes, 0x10)),
        was_in_use: incompatible & RECOVER != 0,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::bytes::put;

    fn ext4() -> Vec<u8> {
        let mut image = vec![0; 4096];
        put(&mut image, EXT_AT, &1000_u32.to_le_bytes());
        put(&mut image, EXT_AT + 0x04, &256_u32.to_le_bytes());
        put(&mut image, EXT_AT + 0x0c, &100_u32.to_le_bytes());
        put(&mut image, EXT_AT + 0x10, &900_u32.to_le_bytes());
        put(&mut image, EXT_AT + 0x18, &2_u32.to_le_bytes());
        put(&mut image, EXT_AT + 0x38, &EXT_MAGIC.to_le_bytes());
        put(&mut image, EXT_AT + 0x60, &0x2c2_u32.to_le_bytes());
        put(&mut image, EXT_AT + 0x68, &Guid::LINUX_DATA.bytes());
        put(&mut image, EXT_AT + 0x78, b"root");
        image
    }

    #[test]
    fn a_superblock_is_read() {
        let found = probe(&mut Cursor::new(ext4()), 0, 1 << 20).unwrap();
        let FileSystem::Ext(ext) = found else { panic!("{found:?}") };
        assert_eq!((ext.name, ext.bytes, ext.free), ("ext4", 1 << 20, 409_600));
        assert_eq!((ext.label.as_str(), ext.uuid, ext.inodes), ("root", Guid::LINUX_DATA, (1000, 900)));
        assert!(!ext.was_in_use);
    }

    #[test]
    fn a_superblock_that_contradicts_itself_is_refused() {
        let room = |image: &[u8], room| probe(&mut Cursor::new(image), 0, room).map(drop);
        assert!(room(&ext4(), (1 << 20) - 1).unwrap_err().to_string().contains("256 blocks of 4096"));
        let mut image = ext4();
        put(&mut image, EXT_AT + 0x18, &60_u32.to_le_bytes());
        assert!(room(&image, 1 << 20).unwrap_err().to_string().contains("2^70"));
        let mut image = ext4();
        put(&mut image, EXT_AT + 0x150, &u32::MAX.to_le_bytes());
        assert!(room(&image, 1 << 20).is_err());
    }

    #[test]
    fn others_are_named() {
        for (name, at, signature) in SIGNATURES {
            let mut image = vec![0; LOOKED_AT];
            put(&mut image, at, signature);
            assert_eq!(probe(&mut Cursor::new(image), 0, 1 << 20).unwrap(), FileSystem::Other(name));
        }
        assert_eq!(probe(&mut Cursor::new([0; 100]), 0, 100).unwrap(), FileSystem::Unknown);
        assert_eq!(probe(&mut Cursor::new([0; 100]), 1 << 40, 100).unwrap(), FileSystem::Unknown);
    }

    proptest! {
        #[test]
        fn any_superblock_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..3000), room in any::<u64>()) {
            let mut bytes = bytes;
            if bytes.len() > EXT_AT + 0x3a {
                put(&mut bytes, EXT_AT + 0x38, &EXT_MAGIC.to_le_bytes());
            }
            let _ = probe(&mut Cursor::new(bytes), 0, room);
        }
    }
}
