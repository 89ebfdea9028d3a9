//! SHA-256 (FIPS 180-4) as a value, and of files.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use sha2::Digest;
use sha2::digest::common::hazmat::SerializableState;

/// A SHA-256 hash. Shown and read as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAHash;

impl fmt::Display for NotAHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a SHA-256 hash is 64 hexadecimal digits")
    }
}

impl std::error::Error for NotAHash {}

impl Sha256 {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Sha256 {
        Sha256(sha2::Sha256::digest(bytes).into())
    }

    /// The hash of a file's content.
    pub fn of_file(path: &Path) -> io::Result<Sha256> {
        let mut hasher = Hasher::new();
        hasher.read_all(&mut File::open(path)?)?;
        Ok(hasher.finish())
    }

    /// The first `digits` hexadecimal digits.
    pub fn short(&self, digits: usize) -> String {
        let mut text = self.to_string();
        text.truncate(digits);
        text
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Sha256 {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Sha256, NotAHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(NotAHash);
        }
        let digit = |byte: u8| (byte as char).to_digit(16).ok_or(NotAHash);
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(Sha256(bytes))
    }
}

/// A hash under way, of what is written to it.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Of nothing yet.
    pub fn new() -> Hasher {
        Hasher::default()
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes in what is left to read; returns how many bytes that were.
    pub(crate) fn read_all(&mut self, reader: &mut impl Read) -> io::Result<u64> {
        let mut buffer = vec![0; 128 << 10];
        let mut total = 0;
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(count) => {
                    self.update(&buffer[..count]);
                    total += count as u64;
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
    }

    /// What it takes to go on from here in another run, [`Hasher::resume`]: the state, the hash so far, the hash of both.
    pub fn state(&self) -> Vec<u8> {
        let mut state = self.0.serialize().to_vec();
        state.extend(self.clone().finish().bytes());
        state.extend(Sha256::of(&state).bytes());
        state
    }

    /// Goes on where [`Hasher::state`] was taken. `None` if these are not its bytes, or those of a version that kept the
    /// state otherwise: the hash so far must come out of it.
    pub fn resume(state: &[u8]) -> Option<Hasher> {
        let (state, checksum) = state.split_last_chunk::<32>()?;
        let whole = Sha256::of(state).bytes() == checksum;
        let (state, so_far) = state.split_last_chunk::<32>().filter(|_| whole)?;
        let hasher = Hasher(sha2::Sha256::deserialize(&state.try_into().ok()?).ok()?);
        (hasher.clone().finish().bytes() == so_far).then_some(hasher)
    }

    /// The hash of all that was written.
    pub fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_hash_goes_on_where_it_was_left_and_only_there() {
        for length in [0, 1, 63, 64, 65, 1000] {
            let mut hasher = Hasher::new();
            hasher.update(&vec![7; length]);
            let state = hasher.state();
            let mut other = Hasher::resume(&state).unwrap();
            hasher.update(b"more");
            other.update(b"more");
            assert_eq!(hasher.finish(), other.finish());
            for byte in 0..state.len() {
                let mut changed = state.clone();
                changed[byte] ^= 1;
                assert!(Hasher::resume(&changed).is_none());
                assert!(Hasher::resume(&state[..byte]).is_none());
            }
        }
    }

    #[test]
    fn a_hash_is_shown_and_read_as_hexadecimal() {
        let hash = Sha256::of(b"abc");
        assert_eq!(hash.to_string(), ABC);
        assert_eq!(ABC.to_uppercase().parse(), Ok(hash));
        assert_eq!(hash.short(8), "ba7816bf");
        for wrong in ["", "ba78", &ABC.replace('b', "g"), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<Sha256>(), Err(NotAHash));
        }
    }
}
