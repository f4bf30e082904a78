//! Hashes that are the same on every machine and in every version of spx.

use sha2::{Digest as _, Sha256};

/// FNV-1a of 64 bits (Fowler, Noll, Vo; RFC 9923).
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(crate) fn finish(self) -> u64 {
        self.0
    }
}

/// FNV-1a of some bytes.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = Fnv::default();
    hash.add(bytes);
    hash.finish()
}

/// The bucket of a source among `buckets`: FNV-1a (64 bits) of the UTF-8 bytes of its id, modulo
/// `buckets`.
///
/// # Panics
/// Where there are no buckets.
pub fn bucket_of(target_id: &str, buckets: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the rest is below a usize")]
    let bucket = (fnv1a(target_id.as_bytes()) % buckets as u64) as usize;
    bucket
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of RFC 9923, appendix C.
    #[test]
    fn vectors_of_fnv() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn consecutive_ids_fill_the_buckets_evenly() {
        let mut counts = [0usize; 64];
        for id in 39_633_458_707_826_492u64..39_633_458_707_826_492 + 64_000 {
            counts[bucket_of(&id.to_string(), 64)] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
