//! A 64-bit hash (FNV-1a) for values that are kept on disk. The hash of the standard library can
//! change between releases. It does not resist attacks, and need not: whoever can write the session
//! files can write any number into them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// The hash of a byte string.
pub fn hash(bytes: &[u8]) -> u64 {
    extend(0xcbf2_9ce4_8422_2325, bytes)
}

/// The hash of a value of one kind. A turn and a response with the same text get different hashes.
pub fn tagged(tag: u8, bytes: &[u8]) -> u64 {
    extend(hash(&[tag]), bytes)
}

/// Continues a hash: the result is that of the earlier bytes followed by `bytes`.
pub fn extend(before: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(before, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A map whose keys are hashes already, so they are not hashed again.
pub type ByHash<T> = HashMap<u64, T, BuildHasherDefault<AsItIs>>;

/// A set of hashes.
pub type Hashes = HashSet<u64, BuildHasherDefault<AsItIs>>;

#[derive(Clone, Copy, Debug, Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = extend(self.0, bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The checksum of a whole file. It takes eight bytes at a time to be fast, because it is computed
/// at every start.
pub fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| {
        (sum ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    });
    extend(sum, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_are_those_of_the_stores_that_are_out_there() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
        assert_ne!(tagged(b'r', b"1"), tagged(b'k', b"1"));
    }

    #[test]
    fn a_checksum_sees_every_byte() {
        let bytes: Vec<u8> = (0..100).collect();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x80;
            assert_ne!(checksum(&bytes), checksum(&other), "{at}");
        }
        assert_ne!(checksum(&[0; 8]), checksum(&[0; 16]));
    }
}
