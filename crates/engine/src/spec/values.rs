//! Values a person writes as text: "256M", "0755".

use std::str::FromStr;

use serde::Deserialize;

/// A number of bytes written with a binary suffix: "64K", "256M", "2G".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Bytes, String> {
        let expected = || format!("expected a size such as \"256M\" or \"2G\", found \"{text}\"");
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let shift = match &text[digits.len()..] {
            "" => 0,
            "K" | "k" | "KiB" => 10,
            "M" | "m" | "MiB" => 20,
            "G" | "g" | "GiB" => 30,
            _ => return Err(expected()),
        };
        let number: u64 = digits.parse().map_err(|_| expected())?;
        number.checked_mul(1 << shift).map(Bytes).ok_or_else(expected)
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Bytes, String> {
        text.parse()
    }
}

/// Permission bits in octal, with the set-user-id, set-group-id and sticky bits: "0644", "4755".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FileMode(pub u32);

impl TryFrom<String> for FileMode {
    type Error = String;

    fn try_from(text: String) -> Result<FileMode, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if bits <= 0o7777 => Ok(FileMode(bits)),
            _ => Err(format!("expected permission bits in octal such as \"0644\", found \"{text}\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_binary_suffixes() {
        assert_eq!("256M".parse(), Ok(Bytes(256 << 20)));
        assert_eq!("2G".parse(), Ok(Bytes(2 << 30)));
        for wrong in ["", "M", "1T", "-1M", "1.5G", "99999999999999G"] {
            assert!(wrong.parse::<Bytes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(FileMode::try_from("0755".to_string()), Ok(FileMode(0o755)));
        for wrong in ["rwx", "0999", "77777", ""] {
            assert!(FileMode::try_from(wrong.to_string()).is_err(), "{wrong}");
        }
    }
}
