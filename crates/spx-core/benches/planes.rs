//! Reading the images of a file, each into new memory, on one thread, as `cargo xtask bench-peers
//! fits` compares it with CFITSIO.
//!
//! Prints a line for each image: its EXTNAME, and the nanoseconds that a pixel takes, the least of
//! several runs. They are those of the thread on its processor, where the system tells them.
//! `cargo bench -p spx-core --bench planes -- FILE`
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark")]

use std::path::Path;
use std::time::Instant;

use spx_core::fits::{FitsNumber, FitsReader};

const RUNS: usize = 5;
/// Reads of a run: the system counts in steps of some milliseconds.
const READS: usize = 40;

/// Seconds that this thread has run.
fn clock(begin: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| begin.elapsed().as_secs_f64(), |ns| 1e-9 * ns)
}

/// Seconds that reading the image at hand takes.
fn read<T: FitsNumber>(file: &mut FitsReader, pixels: usize) -> f64 {
    let begin = Instant::now();
    let before = clock(begin);
    for _ in 0..READS {
        let mut plane = vec![T::default(); pixels];
        file.read_pixels(0, &mut plane).unwrap();
        std::hint::black_box(&plane);
    }
    (clock(begin) - before) / READS as f64
}

fn main() {
    // Beside the file there is cargo's own `--bench`.
    let Some(path) = std::env::args().skip(1).find(|word| !word.starts_with("--")) else { return };
    let mut file = FitsReader::open(Path::new(&path)).unwrap();
    for index in 1..file.hdu_count().unwrap() {
        file.move_to_index(index).unwrap();
        let pixels = file.image_shape().unwrap().iter().product();
        let header = file.header().unwrap();
        let is_real = header.integer("BITPIX").unwrap() < 0;
        let name = header.text("EXTNAME").unwrap().to_owned();
        let mut one =
            || if is_real { read::<f32>(&mut file, pixels) } else { read::<i32>(&mut file, pixels) };
        let least = (0..RUNS).map(|_| one()).fold(f64::INFINITY, f64::min);
        println!("{name} {:.3}", 1e9 * least / pixels as f64);
    }
}
