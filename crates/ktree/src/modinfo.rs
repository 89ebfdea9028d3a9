//! What a built module says of itself: the strings of its ELF section `.modinfo` (kernel: include/linux/moduleparam.h,
//! `MODULE_INFO`; the aliases are put there by modpost).

/// The sections a module may have; the kernel's own limit is that of ELF, 65,280 (elf.h, SHN_LORESERVE).
const MOST_SECTIONS: usize = 65_280;

/// `NAME=VALUE` of each string of `.modinfo`, in order. Nothing where the bytes are no 64-bit little-endian ELF object, or one
/// without that section: every offset and length is checked.
pub fn strings(object: &[u8]) -> Vec<(String, String)> {
    section(object, b".modinfo").map(fields).unwrap_or_default()
}

/// `NAME=VALUE` strings that end in NUL bytes: the section's content, and that of modules.builtin.modinfo, which has the module's
/// name in front (`e1000.alias=…`).
pub fn fields(content: &[u8]) -> Vec<(String, String)> {
    let texts = content.split(|&byte| byte == 0).filter_map(|bytes| std::str::from_utf8(bytes).ok());
    texts.filter_map(|text| text.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

/// The content of a section of a 64-bit little-endian ELF file (System V ABI, "Object Files").
fn section<'o>(object: &'o [u8], name: &[u8]) -> Option<&'o [u8]> {
    if object.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = number(object, 0x28, 8)?;
    let size = number(object, 0x3a, 2)?;
    let count = number(object, 0x3c, 2)?;
    let names = number(object, 0x3e, 2)?;
    if size < 64 || count > MOST_SECTIONS {
        return None;
    }
    let header = |index: usize| object.get(table.checked_add(index.checked_mul(size)?)?..);
    let content = |header: &[u8]| {
        let (offset, length) = (number(header, 0x18, 8)?, number(header, 0x20, 8)?);
        object.get(offset..offset.checked_add(length)?)
    };
    let names = content(header(names)?)?;
    (0..count).find_map(|index| {
        let header = header(index)?;
        let own = names.get(number(header, 0, 4)?..)?;
        let end = own.iter().position(|&byte| byte == 0)?;
        (&own[..end] == name).then(|| content(header)).flatten()
    })
}

/// A little-endian number of so many bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    let number = bytes.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A smallest ELF object: header, `.modinfo`, names, three section headers.
    fn object(modinfo: &[u8]) -> Vec<u8> {
        let names = b"\0.modinfo\0.shstrtab\0";
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let at_modinfo = bytes.len();
        bytes.extend(modinfo);
        let at_names = bytes.len();
        bytes.extend(names);
        let table = bytes.len();
        let section = |name: u32, offset: usize, length: usize| {
            let mut header = vec![0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[0x18..0x20].copy_from_slice(&(offset as u64).to_le_bytes());
            header[0x20..0x28].copy_from_slice(&(length as u64).to_le_bytes());
            header
        };
        bytes.extend(section(0, 0, 0));
        bytes.extend(section(1, at_modinfo, modinfo.len()));
        bytes.extend(section(10, at_names, names.len()));
        bytes[0x28..0x30].copy_from_slice(&(table as u64).to_le_bytes());
        bytes[0x3a..0x3c].copy_from_slice(&64_u16.to_le_bytes());
        bytes[0x3c..0x3e].copy_from_slice(&3_u16.to_le_bytes());
        bytes[0x3e..0x40].copy_from_slice(&2_u16.to_le_bytes());
        bytes
    }

    #[test]
    fn the_strings_of_a_module_are_read() {
        let found = strings(&object(b"name=e1000\0\0alias=pci:v1*\0junk\0"));
        let wanted = [("name", "e1000"), ("alias", "pci:v1*")];
        assert_eq!(found, wanted.map(|(name, value)| (name.to_string(), value.to_string())));
        assert!(strings(b"\x7fELF\x01\x01").is_empty());
    }

    proptest! {
        #[test]
        fn damaged_objects_give_something_or_nothing(at in 0_usize..300, byte: u8, cut in 0_usize..300) {
            let mut bytes = object(b"name=e1000\0alias=pci:v1*\0");
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(length - cut % length);
            strings(&bytes);
        }

        #[test]
        fn noise_is_no_module(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            strings(&bytes);
            fields(&bytes);
        }
    }
}
