//! GUIDs, in the two byte orders they come in.

use std::fmt;
use std::str::FromStr;

/// A GUID (RFC 9562), held in the order its text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// None at all: an unused entry of a partition table.
    pub const NIL: Guid = Guid([0; 16]);
    /// The type of a BIOS boot partition, where GRUB's core lies (GRUB manual, "BIOS installation").
    pub const BIOS_BOOT: Guid = Guid::literal(0x2168_6148_6449_6e6f_744e_6565_6445_4649);
    /// The type of an EFI system partition (UEFI specification, 5.3.3).
    pub const EFI_SYSTEM: Guid = Guid::literal(0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b);
    /// The type of an x86-64 root file system (UAPI group, Discoverable Partitions Specification).
    pub const LINUX_ROOT_X86_64: Guid = Guid::literal(0x4f68_bce3_e8cd_4db1_96e7_fbca_f984_b709);
    /// The type of any Linux file system (the same specification).
    pub const LINUX_DATA: Guid = Guid::literal(0x0fc6_3daf_8483_4772_8e79_3d69_d847_7de4);

    const fn literal(value: u128) -> Guid {
        Guid(value.to_be_bytes())
    }

    /// A GUID made of a hash's first 16 bytes: version 8 of the standard variant (RFC 9562, 5.8).
    pub fn of_hash(mut bytes: [u8; 16]) -> Guid {
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Guid(bytes)
    }

    /// From the order a partition table has: the first three fields little-endian (UEFI specification, appendix A).
    pub fn from_disk(bytes: [u8; 16]) -> Guid {
        Guid(swapped(bytes))
    }

    /// In the order a partition table has.
    pub fn on_disk(self) -> [u8; 16] {
        swapped(self.0)
    }

    /// In the order its text has, which is a file system's.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// From the order its text has.
    pub fn from_bytes(bytes: [u8; 16]) -> Guid {
        Guid(bytes)
    }
}

fn swapped(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[0..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

impl fmt::Display for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if [4, 6, 8, 10].contains(&index) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for Guid {
    type Err = String;

    fn from_str(text: &str) -> Result<Guid, String> {
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        let digits: String = text.chars().filter(|letter| *letter != '-').collect();
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(&digits, 16) {
            Ok(value) if plain && lengths == [8, 4, 4, 4, 12] => Ok(Guid::literal(value)),
            _ => Err(format!("\"{text}\" is not a GUID such as {}", Guid::EFI_SYSTEM)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_and_the_text_are_one_guid() {
        let text = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
        assert_eq!(Guid::EFI_SYSTEM.to_string(), text);
        assert_eq!(text.parse(), Ok(Guid::EFI_SYSTEM));
        assert_eq!(text.to_uppercase().parse(), Ok(Guid::EFI_SYSTEM));
        assert_eq!(Guid::EFI_SYSTEM.on_disk()[..8], [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11]);
        assert_eq!(Guid::from_disk(Guid::EFI_SYSTEM.on_disk()), Guid::EFI_SYSTEM);
        // The BIOS boot partition's type is the text "Hah!IdontNeedEFI" as it lies on the disk.
        assert_eq!(&Guid::BIOS_BOOT.on_disk(), b"Hah!IdontNeedEFI");
    }

    #[test]
    fn what_is_no_guid_is_refused() {
        for wrong in
            ["", "c12a7328", "c12a7328-f81f-11d2-ba4b-00a0c93ec93", "+12a7328-f81f-11d2-ba4b-00a0c93ec93b"]
        {
            assert!(wrong.parse::<Guid>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_hash_becomes_a_guid_of_version_8() {
        let text = Guid::of_hash([0xff; 16]).to_string();
        assert_eq!(text, "ffffffff-ffff-8fff-bfff-ffffffffffff");
    }
}
