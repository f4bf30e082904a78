//! DATASUM and CHECKSUM (FITS Standard 4.0, section 4.4.2.7 and appendix J): sums of 32-bit words
//! in ones' complement.

use super::error::FitsError;
use super::hdu::{BLOCK_BYTES, HduEntry};
use super::source::ByteSource;

/// A sum of 32-bit big-endian words in ones' complement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct WordSum(u32);

impl WordSum {
    /// Adds bytes, whose number must be a multiple of four.
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        // Half of the range of u64 is enough for 2^31 words between two folds.
        let words = |sum: u64, word: &[u8; 4]| sum + u64::from(u32::from_be_bytes(*word));
        let fold = |sum: u64| (sum & 0xffff_ffff) + (sum >> 32);
        let sum = bytes.as_chunks().0.iter().fold(u64::from(self.0), words);
        // After two rounds nothing is left above 32 bits.
        Self(u32::try_from(fold(fold(sum))).unwrap_or(u32::MAX))
    }

    /// Adds bytes that stand at byte `offset` of the data; their first and last words may be
    /// others' as well.
    pub(super) fn add_at(self, offset: u64, bytes: &[u8]) -> Self {
        let before = usize::try_from(offset % 4).unwrap_or(0);
        let (first, rest) = bytes.split_at(bytes.len().min((4 - before) % 4));
        let word = |at: usize, bytes: &[u8]| {
            let mut word = [0; 4];
            word[at..at + bytes.len()].copy_from_slice(bytes);
            word
        };
        self.add(&word(before, first)).add(rest).add(&word(0, rest.as_chunks::<4>().1))
    }

    /// The sum as DATASUM gives it.
    pub(super) fn value(self) -> u32 {
        self.0
    }

    /// The sum of both.
    pub(super) fn plus(self, other: Self) -> Self {
        self.add(&other.0.to_be_bytes())
    }

    /// The 16 characters of CHECKSUM with which an HDU of this sum, CHECKSUM being sixteen zeros,
    /// has the sum of minus zero.
    pub(super) fn encoded(self) -> String {
        let mut text = [0; 16];
        for (k, byte) in (!self.0).to_be_bytes().into_iter().enumerate() {
            for (j, letter) in four_letters(byte).into_iter().enumerate() {
                // The string begins at the fourth byte of a word of its card: everything moves by
                // one.
                text[(4 * j + k + 1) % 16] = letter;
            }
        }
        text.map(char::from).iter().collect()
    }
}

/// The sum of the data that were written, so that they need not be read again for it.
#[derive(Debug, Default)]
pub(super) struct WrittenData {
    pub(super) sum: WordSum,
    /// The byte behind the last one.
    pub(super) end: u64,
    /// Whether bytes came that may have been written before.
    pub(super) is_unordered: bool,
}

impl WrittenData {
    pub(super) fn add(&mut self, offset: u64, bytes: &[u8]) {
        self.is_unordered |= offset < self.end;
        self.end = offset + bytes.len() as u64;
        self.sum = self.sum.add_at(offset, bytes);
    }
}

/// Four letters or digits whose sum is a byte's value above that of four zeros.
fn four_letters(byte: u8) -> [u8; 4] {
    let quarter = b'0' + byte / 4;
    let mut letters = [quarter + byte % 4, quarter, quarter, quarter];
    // Pairs move apart until none is a punctuation mark.
    while letters.iter().any(|letter| !letter.is_ascii_alphanumeric()) {
        for pair in letters.chunks_exact_mut(2) {
            if pair.iter().any(|letter| !letter.is_ascii_alphanumeric()) {
                pair[0] += 1;
                pair[1] -= 1;
            }
        }
    }
    letters
}

/// The sum of a range of whole blocks.
pub(super) fn sum(
    mut read: impl FnMut(u64, &mut [u8]) -> std::io::Result<()>,
    range: std::ops::Range<u64>,
) -> std::io::Result<WordSum> {
    const CHUNK: usize = BLOCK_BYTES * 91;
    let mut bytes = vec![0; CHUNK];
    let mut sum = WordSum::default();
    let mut at = range.start;
    while at < range.end {
        let count = usize::try_from(range.end - at).map_or(CHUNK, |left| left.min(CHUNK));
        read(at, &mut bytes[..count])?;
        sum = sum.add(&bytes[..count]);
        at += count as u64;
    }
    Ok(sum)
}

/// Compares an HDU, all of which is there, with the sums in its header; `None` where there are
/// none.
pub(super) fn verify(source: &ByteSource, hdu: &HduEntry) -> Result<Option<bool>, FitsError> {
    let of = |keyword: &str| hdu.text(keyword).ok().flatten().filter(|text| !text.is_empty());
    let (data_sum, checksum) = (of("DATASUM"), of("CHECKSUM"));
    if data_sum.is_none() && checksum.is_none() {
        return Ok(None);
    }
    // The fill counts: it is not zero in every table of text.
    let data = sum(|at, out| source.read_at(at, out), hdu.data..hdu.end())?;
    let right = data_sum.is_none_or(|text| text.trim().parse() == Ok(data.value()));
    if !right || checksum.is_none() {
        return Ok(Some(right));
    }
    let header = sum(|at, out| source.read_at(at, out), hdu.start..hdu.data)?;
    Ok(Some(matches!(header.plus(data).value(), 0 | u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_keep_the_sum() {
        for byte in 0..=255u8 {
            let letters = four_letters(byte);
            assert!(letters.iter().all(u8::is_ascii_alphanumeric), "{byte}");
            let sum: u32 = letters.iter().map(|&l| u32::from(l - b'0')).sum();
            assert_eq!(sum, byte.into());
        }
    }

    #[test]
    fn parts_have_the_sum_of_the_whole() {
        let bytes: Vec<u8> = (0..=255).rev().chain(3..=60).chain([0; 2]).collect();
        let whole = WordSum::default().add(&bytes);
        for cuts in [[0, 1], [1, 2], [2, 9], [5, 103], [6, 6], [7, 315]] {
            let parts = [0..cuts[0], cuts[0]..cuts[1], cuts[1]..bytes.len()];
            let add =
                |sum: WordSum, part: std::ops::Range<usize>| sum.add_at(part.start as u64, &bytes[part]);
            assert_eq!(parts.into_iter().fold(WordSum::default(), add), whole, "{cuts:?}");
        }
    }

    #[test]
    fn the_example_of_the_standard() {
        // Appendix J.6: the sum 868229149 is encoded as hcHjjc9ghcEghc9g.
        assert_eq!(WordSum(868_229_149).encoded(), "hcHjjc9ghcEghc9g");
    }
}
