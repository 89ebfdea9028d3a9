//! How many bytes an object adds to what it is linked into.

/// The bytes of an object's sections that are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Bytes {
    /// Code and data.
    pub stored: u64,
    /// Data that begins as zeros and takes no room in the file.
    pub zeroed: u64,
}

impl std::ops::AddAssign for Bytes {
    fn add_assign(&mut self, other: Bytes) {
        self.stored += other.stored;
        self.zeroed += other.zeroed;
    }
}

/// Section flag: it occupies memory (ELF, "SHF_ALLOC").
const ALLOCATED: u64 = 2;
/// Section type: it occupies no room in the file (ELF, "SHT_NOBITS").
const NO_BITS: u32 = 8;

/// Sums the sections of an ELF object of 64 bits, little-endian (elf(5): Elf64_Ehdr, Elf64_Shdr); none for anything else.
pub fn bytes(object: &[u8]) -> Option<Bytes> {
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = object.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)))
    };
    // e_ident: magic, ELFCLASS64, ELFDATA2LSB.
    if object.get(..6)? != [0x7f, b'E', b'L', b'F', 2, 1] {
        return None;
    }
    let table = usize::try_from(number(0x28, 8)?).ok()?;
    let (size, count) = (number(0x3a, 2)? as usize, number(0x3c, 2)? as usize);
    let mut sum = Bytes::default();
    for index in 0..count {
        let at = table.checked_add(index.checked_mul(size)?)?;
        let (kind, flags, length) =
            (number(at.checked_add(4)?, 4)?, number(at.checked_add(8)?, 8)?, number(at.checked_add(32)?, 8)?);
        if flags & ALLOCATED == 0 {
            continue;
        }
        let part = if kind == u64::from(NO_BITS) { &mut sum.zeroed } else { &mut sum.stored };
        *part = part.checked_add(length)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sections_that_are_loaded_are_summed() {
        let mut object = vec![0; 0x40];
        object[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        object[0x28] = 0x40;
        object[0x3a] = 0x40;
        object[0x3c] = 3;
        for (kind, flags, length) in [(1_u8, 2_u8, 100_u8), (8, 3, 50), (1, 0, 70)] {
            let mut section = vec![0; 0x40];
            (section[4], section[8], section[32]) = (kind, flags, length);
            object.extend(section);
        }
        assert_eq!(bytes(&object), Some(Bytes { stored: 100, zeroed: 50 }));
        assert_eq!(bytes(&object[..0x90]), None);
        assert_eq!(bytes(b"!<arch>\n"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            bytes(&[&[0x7f, b'E', b'L', b'F', 2, 1][..], &tail].concat());
        }
    }
}
