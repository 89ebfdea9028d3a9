//! Text that need not be UTF-8, as `str`: bytes that are no UTF-8 become characters of a private range, and come back as they
//! were. Kconfig files and `.config` are bytes to the C tool; to us they are text, and nothing is lost.

use std::borrow::Cow;

/// Bytes as text, without a copy where they are UTF-8.
pub(crate) fn decode_owned(bytes: Vec<u8>) -> String {
    if bytes.contains(&0xf4) {
        return decode_slowly(&bytes);
    }
    String::from_utf8(bytes).unwrap_or_else(|error| decode_slowly(error.as_bytes()))
}

/// The first of the 128 characters that stand for the bytes 0x80 to 0xff (the end of Supplementary Private Use Area-B).
const FIRST: u32 = 0x10_ff80;

/// Bytes as text.
pub(crate) fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        // A text that already has such characters has its bytes taken apart, so that `encode` gives them back.
        Ok(text) if !bytes.contains(&0xf4) => text.to_string(),
        _ => decode_slowly(bytes),
    }
}

fn decode_slowly(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match u32::from(character) >= FIRST {
                true => escape(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut text),
                false => text.push(character),
            }
        }
        escape(chunk.invalid(), &mut text);
    }
    text
}

fn escape(bytes: &[u8], text: &mut String) {
    let stand_in = |byte: u8| char::from_u32(FIRST + u32::from(byte & 0x7f));
    text.extend(
        bytes.iter().filter_map(|&byte| if byte < 0x80 { Some(char::from(byte)) } else { stand_in(byte) }),
    );
}

/// Text as the bytes it came from.
pub(crate) fn encode(text: &str) -> Cow<'_, [u8]> {
    if !text.as_bytes().contains(&0xf4) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u32::from(character).checked_sub(FIRST) {
            Some(low) => bytes.push(0x80 | low as u8),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_come_back(bytes: Vec<u8>) {
            let text = decode(&bytes);
            prop_assert_eq!(encode(&text).into_owned(), bytes);
        }
    }

    #[test]
    fn even_the_private_range_comes_back() {
        let bytes = "a\u{10ff81}b\u{10ffff}".as_bytes();
        let text = decode(bytes);
        assert_eq!(encode(&text).as_ref(), bytes);
    }
}
