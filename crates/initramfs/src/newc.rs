//! The header that stands before every entry of a newc archive, and the constants of the format.
//!
//! Sources: Documentation/driver-api/early-userspace/buffer-format.rst and `parse_header` in
//! init/initramfs.c (kernel); cpio(5) of libarchive.

/// Magic of a header whose checksum field is unused.
pub const MAGIC: &[u8; 6] = b"070701";
/// Magic of a header whose checksum field holds the 32-bit sum of a file's bytes ("crc" in GNU cpio).
pub const MAGIC_CHECKSUM: &[u8; 6] = b"070702";
/// Magic of the old portable format, which the kernel refuses with "use -H newc".
pub const MAGIC_OLD: &[u8; 6] = b"070707";
/// Bytes of a header: the magic and 13 fields of 8 hexadecimal digits.
pub const HEADER_SIZE: usize = 6 + 13 * 8;
/// Name of the entry that ends an archive and makes the kernel forget the hard links seen so far.
pub const TRAILER: &[u8] = b"TRAILER!!!";
/// Headers, and the data after name and header, start at a multiple of this.
pub const ALIGNMENT: u64 = 4;

/// The bits of a mode that say what kind of entry it is, and their values (inode(7)).
pub mod file_type {
    /// All bits of the type.
    pub const MASK: u32 = 0o170000;
    /// Socket.
    pub const SOCKET: u32 = 0o140000;
    /// Symbolic link.
    pub const SYMLINK: u32 = 0o120000;
    /// Regular file.
    pub const REGULAR: u32 = 0o100000;
    /// Block device.
    pub const BLOCK: u32 = 0o060000;
    /// Directory.
    pub const DIRECTORY: u32 = 0o040000;
    /// Character device.
    pub const CHARACTER: u32 = 0o020000;
    /// Named pipe.
    pub const FIFO: u32 = 0o010000;
}

/// The fields of a header, in the order they stand in the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Inode number; with the device numbers and the type it tells which entries are one file.
    pub inode: u32,
    /// Type ([`file_type`]) and permission bits.
    pub mode: u32,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Number of names of the file; from 2 on the kernel looks for hard links.
    pub link_count: u32,
    /// Time of last change, seconds since 1970.
    pub mtime: u32,
    /// Bytes of data after the name: a file's content, a symbolic link's target.
    pub size: u32,
    /// Device that held the file: major number.
    pub device_major: u32,
    /// Device that held the file: minor number.
    pub device_minor: u32,
    /// Major number of a device node.
    pub node_major: u32,
    /// Minor number of a device node.
    pub node_minor: u32,
    /// Bytes of the name, the NUL at its end included.
    pub name_size: u32,
    /// Sum of the data's bytes modulo 2^32 if the magic is [`MAGIC_CHECKSUM`].
    pub checksum: u32,
}

impl Header {
    /// The type bits of the mode.
    pub fn file_type(&self) -> u32 {
        self.mode & file_type::MASK
    }

    /// Bytes from the start of the header to the data: header and name, padded.
    pub fn data_offset(&self) -> u64 {
        align(HEADER_SIZE as u64 + u64::from(self.name_size))
    }

    /// Bytes from the start of the header to where the next one may stand.
    pub fn span(&self) -> u64 {
        align(self.data_offset() + u64::from(self.size))
    }

    /// The header's bytes with the magic [`MAGIC`].
    pub fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        bytes[..6].copy_from_slice(MAGIC);
        for (slot, value) in bytes[6..].chunks_exact_mut(8).zip(self.fields()) {
            for (at, digit) in slot.iter_mut().enumerate() {
                *digit = b"0123456789ABCDEF"[(value >> (28 - 4 * at) & 0xf) as usize];
            }
        }
        bytes
    }

    /// Reads the 13 fields after the magic; the error is the number of the first field that is not 8
    /// hexadecimal digits.
    pub fn from_fields(digits: &[u8; HEADER_SIZE - 6]) -> Result<Self, usize> {
        let mut fields = [0u32; 13];
        for (number, (field, digits)) in fields.iter_mut().zip(digits.chunks_exact(8)).enumerate() {
            for digit in digits {
                let value = (*digit as char).to_digit(16).ok_or(number)?;
                *field = *field << 4 | value;
            }
        }
        let [inode, mode, uid, gid, link_count, mtime, size, device_major, device_minor, ..] = fields;
        let [.., node_major, node_minor, name_size, checksum] = fields;
        Ok(Header {
            inode,
            mode,
            uid,
            gid,
            link_count,
            mtime,
            size,
            device_major,
            device_minor,
            node_major,
            node_minor,
            name_size,
            checksum,
        })
    }

    fn fields(&self) -> [u32; 13] {
        [
            self.inode,
            self.mode,
            self.uid,
            self.gid,
            self.link_count,
            self.mtime,
            self.size,
            self.device_major,
            self.device_minor,
            self.node_major,
            self.node_minor,
            self.name_size,
            self.checksum,
        ]
    }
}

/// `offset` rounded up to [`ALIGNMENT`].
pub fn align(offset: u64) -> u64 {
    offset.next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_format_puts_them() {
        let header = Header {
            inode: 1,
            mode: 2,
            uid: 3,
            gid: 4,
            link_count: 5,
            mtime: 6,
            size: 7,
            device_major: 8,
            device_minor: 9,
            node_major: 10,
            node_minor: 11,
            name_size: 12,
            checksum: 0xfedc_ba98,
        };
        let bytes = header.to_bytes();
        let expected = "070701\
            00000001000000020000000300000004000000050000000600000007\
            00000008000000090000000A0000000B0000000CFEDCBA98";
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
        assert_eq!(bytes.len(), 110);
        assert_eq!(Header::from_fields(bytes[6..].try_into().unwrap()), Ok(header));
    }

    #[test]
    fn a_field_that_is_not_hexadecimal_is_named() {
        let mut bytes = Header::default().to_bytes();
        bytes[6 + 8 * 6 + 3] = b'+';
        assert_eq!(Header::from_fields(bytes[6..].try_into().unwrap()), Err(6));
    }

    #[test]
    fn name_and_data_are_padded_to_four() {
        // 110 + 2 = 112 needs no padding, 110 + 3 = 113 needs three bytes.
        assert_eq!(Header { name_size: 2, size: 0, ..Header::default() }.span(), 112);
        assert_eq!(Header { name_size: 3, size: 0, ..Header::default() }.span(), 116);
        assert_eq!(Header { name_size: 3, size: 1, ..Header::default() }.span(), 120);
        let largest = Header { name_size: u32::MAX, size: u32::MAX, ..Header::default() };
        assert_eq!(largest.span() % 4, 0, "no overflow: sizes are added in 64 bits");
    }
}
