//! Rice coding of integers, RICE_1 (FITS Standard 4.0, section 10.4.1; Rice, Yeh & Miller 1993,
//! NASA/CR-193079; White & Becker 1998; Pence, Seaman & White 2009, PASP 121, 414).
//!
//! The first value stands as it is, then blocks of differences of neighbors, folded to be positive.
//! A block begins with one more than the number `fs` of low bits that each of its differences has;
//! the rest of a difference is as many zeros, ended by a one, as it is large. A block of no
//! differences has 0 there, one of noise its differences as they are.

/// How integers of a size are coded.
struct Coding {
    /// Bits of the code of a block.
    code_bits: u32,
    /// The code less one of a block whose differences stand as they are.
    verbatim: u32,
    /// Bits of a value.
    value_bits: u32,
}

/// By BYTEPIX: 1, 2 or 4.
const fn coding(bytes: usize) -> Coding {
    match bytes {
        1 => Coding { code_bits: 3, verbatim: 6, value_bits: 8 },
        2 => Coding { code_bits: 4, verbatim: 14, value_bits: 16 },
        _ => Coding { code_bits: 5, verbatim: 25, value_bits: 32 },
    }
}

/// The most values that so many bytes can hold, coded in blocks of `block`.
pub(super) fn most_values(packed: u64, bytes: usize, block: usize) -> u64 {
    // A block of no differences takes the bits of its code alone.
    packed.saturating_mul(8).div_ceil(coding(bytes).code_bits.into()).saturating_mul(block as u64)
}

/// Bits of a stream, the most significant first.
struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bytes that went into `buffer`, or would have if there were as many.
    next: usize,
    /// Bits that were not yet taken, from the top.
    buffer: u64,
    /// How many those are.
    bits: u32,
}

impl<'a> BitReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, buffer: 0, bits: 0 }
    }

    /// Makes at least 56 bits available, zeros behind the end.
    #[inline(always)]
    fn refill(&mut self) {
        if let Some(word) = self.bytes.get(self.next..).and_then(<[u8]>::first_chunk::<8>) {
            self.buffer |= u64::from_be_bytes(*word) >> self.bits;
            let taken = (63 - self.bits) >> 3;
            self.next += taken as usize;
            self.bits += taken * 8;
        } else {
            while self.bits <= 56 {
                let byte = self.bytes.get(self.next).copied().unwrap_or(0);
                self.buffer |= u64::from(byte) << (56 - self.bits);
                self.next += 1;
                self.bits += 8;
            }
        }
    }

    /// Takes up to 32 bits, which are available.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "no more than 32 bits are left")]
    fn take(&mut self, count: u32) -> u32 {
        // In two steps, for a shift by 64 is none.
        let value = (self.buffer >> 1) >> (63 - count);
        self.buffer <<= count;
        self.bits -= count;
        value as u32
    }

    /// Counts the zeros before the next one and takes them with it; leaves at least 23 bits
    /// available. `None` behind the end.
    #[inline(always)]
    fn zeros(&mut self) -> Option<u32> {
        let mut count = 0;
        loop {
            let zeros = self.buffer.leading_zeros();
            if zeros < self.bits {
                self.buffer <<= zeros;
                self.buffer <<= 1;
                self.bits -= zeros + 1;
                return Some(count + zeros);
            }
            count += self.bits;
            (self.buffer, self.bits) = (0, 0);
            if self.next > self.bytes.len() {
                return None;
            }
            self.refill();
        }
    }

    /// Whether more was taken than there was.
    fn overrun(&self) -> bool {
        self.next * 8 > self.bytes.len() * 8 + self.bits as usize
    }
}

/// Values from their code: `out` is filled, of integers of `bytes` = 1 (without sign), 2 or 4
/// bytes.
///
/// # Errors
/// What is wrong, where the code ends early.
#[expect(clippy::cast_possible_truncation, reason = "the bits of an integer of that size")]
pub(super) fn decode(packed: &[u8], bytes: usize, block: usize, out: &mut [i32]) -> Result<(), &'static str> {
    match bytes {
        1 => decode_as::<1>(packed, block, out, |value| i32::from(value as u8)),
        2 => decode_as::<2>(packed, block, out, |value| i32::from((value as u16).cast_signed())),
        _ => decode_as::<4>(packed, block, out, u32::cast_signed),
    }
}

#[inline(always)]
fn decode_as<const BYTES: usize>(
    packed: &[u8],
    block: usize,
    out: &mut [i32],
    value: impl Fn(u32) -> i32,
) -> Result<(), &'static str> {
    const SHORT: &str = "the Rice code ends early";
    let Coding { code_bits, verbatim, value_bits } = const { coding(BYTES) };
    let mut bits = BitReader::new(packed);
    bits.refill();
    let mut last = bits.take(value_bits);
    for values in out.chunks_mut(block) {
        bits.refill();
        let code = bits.take(code_bits);
        if code == 0 {
            values.fill(value(last));
        } else if code == verbatim + 1 {
            for out in values {
                bits.refill();
                last = last.wrapping_add(unfold(bits.take(value_bits)));
                *out = value(last);
            }
        } else {
            let low = code - 1;
            for out in values {
                bits.refill();
                let high = bits.zeros().ok_or(SHORT)?;
                if bits.bits < low {
                    bits.refill();
                }
                last = last.wrapping_add(unfold((high << low) | bits.take(low)));
                *out = value(last);
            }
        }
        if bits.overrun() {
            return Err(SHORT);
        }
    }
    Ok(())
}

/// A difference from its folded form: 0, -1, 1, -2, 2, ...
#[inline(always)]
fn unfold(folded: u32) -> u32 {
    (folded >> 1) ^ (folded & 1).wrapping_neg()
}

/// Bits of a stream being written.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    buffer: u64,
    bits: u32,
}

impl BitWriter {
    /// Appends up to 32 bits.
    #[expect(clippy::cast_possible_truncation, reason = "one byte after the other")]
    fn put(&mut self, value: u32, count: u32) {
        self.buffer = (self.buffer << count) | u64::from(value);
        self.bits += count;
        while self.bits >= 8 {
            self.bits -= 8;
            self.bytes.push((self.buffer >> self.bits) as u8);
        }
    }

    /// Appends zeros and a one.
    fn put_zeros(&mut self, mut zeros: u32) {
        while zeros >= 31 {
            self.put(0, 31);
            zeros -= 31;
        }
        self.put(1, zeros + 1);
    }

    /// Fills the last byte with zeros.
    fn finish(mut self) -> Vec<u8> {
        if self.bits > 0 {
            self.put(0, 8 - self.bits);
        }
        self.bytes
    }
}

/// The code of values, of integers of `bytes` = 1 (without sign), 2 or 4 bytes.
pub(super) fn encode(values: &[i32], bytes: usize, block: usize) -> Vec<u8> {
    let Coding { code_bits, verbatim, value_bits } = coding(bytes);
    let mask = u32::MAX >> (32 - value_bits);
    let mut out = BitWriter::default();
    let Some(&first) = values.first() else { return Vec::new() };
    out.put(first.cast_unsigned() & mask, value_bits);
    let mut last = first;
    for values in values.chunks(block) {
        let fold = |difference: i32| {
            // The difference in integers of this size, which wraps around.
            let difference = difference << (32 - value_bits) >> (32 - value_bits);
            ((difference << 1) ^ (difference >> 31)).cast_unsigned() & mask
        };
        let neighbors = std::iter::once(last).chain(values.iter().copied());
        let folded: Vec<u32> =
            values.iter().zip(neighbors).map(|(&value, before)| fold(value.wrapping_sub(before))).collect();
        last = values[values.len() - 1];
        let sum: u64 = folded.iter().map(|&f| u64::from(f)).sum();
        let low = low_bits(sum, values.len() as u64);
        if low >= verbatim {
            out.put(verbatim + 1, code_bits);
            folded.iter().for_each(|&folded| out.put(folded, value_bits));
        } else if sum == 0 {
            out.put(0, code_bits);
        } else {
            out.put(low + 1, code_bits);
            for &folded in &folded {
                out.put_zeros(folded >> low);
                out.put(folded & ((1 << low) - 1), low);
            }
        }
    }
    out.finish()
}

/// The number of low bits with which differences of that sum take least room: about the binary
/// logarithm of their mean, less one.
fn low_bits(sum: u64, count: u64) -> u32 {
    let half_mean = (sum.saturating_sub(count / 2 + 1) / count) >> 1;
    u64::BITS - half_mean.leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_code_is_read_back(
            values in proptest::collection::vec((any::<i32>(), 0u32..32).prop_map(|(v, s)| v >> s), 1..200),
            bytes in prop_oneof![Just(1usize), Just(2), Just(4)],
            block in prop_oneof![Just(16usize), Just(32)],
        ) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "cut to integers of that size"
            )]
            let values: Vec<i32> = values.iter().map(|&v| match bytes {
                1 => i32::from(v as u8),
                2 => i32::from(v as i16),
                _ => v,
            }).collect();
            let packed = encode(&values, bytes, block);
            prop_assert!(values.len() as u64 <= most_values(packed.len() as u64, bytes, block));
            let mut out = vec![0; values.len()];
            decode(&packed, bytes, block, &mut out).unwrap();
            prop_assert_eq!(&out, &values);
            // Without its last byte the code is short, but for a fill that happens to be a whole
            // byte.
            let _ = decode(&packed[..packed.len() - 1], bytes, block, &mut out);
        }

        #[test]
        fn no_bytes_are_a_danger(packed in proptest::collection::vec(any::<u8>(), 0..100), bytes in 1usize..5) {
            let _ = decode(&packed, bytes, 32, &mut [0; 1000]);
        }
    }

    #[test]
    fn a_short_code_is_told() {
        let packed = encode(&[7; 100], 4, 32);
        assert_eq!(packed.len(), 4 + 3, "the first value, and five bits for each of four blocks");
        let mut out = [0; 200];
        assert!(decode(&packed, 4, 32, &mut out).is_err());
        assert!(decode(&[], 4, 32, &mut out).is_err());
        assert!(decode(&packed, 4, 32, &mut out[..100]).is_ok());
    }
}
