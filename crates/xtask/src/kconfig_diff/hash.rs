//! Digests of what a run depends on and of what it made.

use sha2::{Digest, Sha256};

/// SHA-256 over byte strings, each preceded by its length, so that no two lists have the same input.
#[derive(Default)]
pub struct Hash(Sha256);

impl Hash {
    /// Adds one byte string.
    pub fn add(&mut self, bytes: &[u8]) -> &mut Hash {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The first 128 bits, as 32 hexadecimal digits.
    pub fn finish(&self) -> String {
        self.0.clone().finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A number made of a name and nothing else, for choices that must be the same in every run.
pub fn number(name: &str) -> u64 {
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
