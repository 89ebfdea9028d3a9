//! The checksum of a GPT: CRC-32 of IEEE 802.3, polynomial 0x04c11db7 reflected, begun and ended with all ones
//! (UEFI specification, 5.3.2 "GPT Header", names the one of zip and Ethernet).

const POLYNOMIAL: u32 = 0xedb8_8320;

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for &byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
