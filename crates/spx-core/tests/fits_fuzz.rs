//! FITS files changed at random: whatever comes in, reading ends, with values or with an error.
//! Half a second of it in the suite, or SPX_FUZZ_SECONDS; `cargo xtask fuzz` looks for the inputs
//! that reach new code.
#![cfg(feature = "fits")]
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "a test")]

use std::io::Read as _;
use std::time::{Duration, Instant};

use fastrand::Rng;
use spx_core::fits::FitsReader;
use spx_core::header::Header;

mod common;
use common::read_everything;

/// Values of cards and words that have done harm somewhere.
const HARMFUL: [&str; 18] = [
    "0",
    "-1",
    "1",
    "8",
    "-32",
    "2147483647",
    "-2147483648",
    "9223372036854775807",
    "4294967296",
    "1E300",
    "T",
    "'",
    "'RICE_1'",
    "'GZIP_2'",
    "'HCOMPRESS_1'",
    "'1QD(0)'",
    "''",
    "NaN",
];

/// The HDUs of the reference file, each behind a primary of its own: one of a few kB each.
fn seeds() -> Vec<Vec<u8>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/fits/oracle.fits.gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    let starts: Vec<usize> =
        (0..bytes.len()).step_by(2880).filter(|&at| bytes[at..].starts_with(b"XTENSION")).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let primary = &bytes[..2880];
    let hdus = starts.iter().zip(ends).map(|(&start, end)| [primary, &bytes[start..end]].concat());
    hdus.filter(|hdu| hdu.len() < 40_000).collect()
}

/// Changes a file at a few places.
fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.usize(1..6) {
        let at = rng.usize(..bytes.len());
        match rng.u8(..6) {
            0 => bytes[at] = rng.u8(..),
            1 => bytes[at] ^= 1 << rng.u8(..8),
            // The value of a card.
            2 | 3 => {
                let card = at.min(bytes.len().saturating_sub(80)) / 80 * 80;
                let value = format!("= {:<20}", HARMFUL[rng.usize(..HARMFUL.len())]);
                bytes[card + 8..card + 8 + value.len()].copy_from_slice(value.as_bytes());
            }
            // A card or a piece of data in another place.
            4 => {
                let to = rng.usize(..bytes.len());
                let len = rng.usize(..160).min(bytes.len() - at.max(to));
                bytes.copy_within(at..at + len, to);
            }
            _ => bytes.truncate(at.max(81)),
        }
    }
}

#[test]
fn changed_files_do_no_harm() {
    let seconds = std::env::var("SPX_FUZZ_SECONDS").map_or(0.5, |text| text.parse().unwrap());
    let seed = std::env::var("SPX_FUZZ_SEED").map_or(1, |text| text.parse().unwrap());
    let (mut rng, seeds) = (Rng::with_seed(seed), seeds());
    let (begin, mut executions, mut read) = (Instant::now(), 0u64, 0u64);
    while begin.elapsed() < Duration::from_secs_f64(seconds) {
        let mut bytes = seeds[rng.usize(..seeds.len())].clone();
        mutate(&mut bytes, &mut rng);
        let start = Instant::now();
        let header: String = bytes.iter().skip(2880).take(2880).map(|&byte| char::from(byte)).collect();
        Header::parse(&header).ok();
        read +=
            u64::from(FitsReader::from_bytes(bytes).and_then(|mut file| read_everything(&mut file)).is_ok());
        assert!(start.elapsed() < Duration::from_secs(10), "execution {executions} of seed {seed} hangs");
        executions += 1;
    }
    eprintln!("{executions} files, {read} of them read to the end, seed {seed}");
    assert!(executions > 100 && read < executions);
}
