//! The sums of the zodiacal fit over the rows that are read at a time, on one thread; 16 bytes are read of each
//! pixel, from the cache.
//!
//! `cargo bench -p spx-core --bench zodi`
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spx_core::detector::Detector;
use spx_core::flags::FlagNames;
use spx_core::image::PixelPlanes;
use spx_core::zodi::{ZodiOptions, ZodiSums};

fn zodi(c: &mut Criterion) {
    const NX: usize = Detector::NPIX;
    const PIXELS: usize = 8 * NX;
    let number = |k: usize| (k % 97) as f32 * 1e-3;
    let planes = PixelPlanes {
        image: (0..PIXELS).map(|k| 0.3 + number(k)).collect(),
        // Some bad pixels, and a patch of sources in every row.
        flags: (0..PIXELS).map(|k| i32::from(k % 211 == 0) << 10 | i32::from(k % NX < 100) << 21).collect(),
        variance: (0..PIXELS).map(|k| 1e-4 * (1.0 + number(k))).collect(),
        zodi: vec![0.3; PIXELS],
    };
    let mut group = c.benchmark_group("zodi");
    group.throughput(Throughput::Elements(PIXELS as u64));
    group.bench_function("fit", |b| {
        b.iter(|| {
            let mut sums = ZodiSums::new([8, NX], &FlagNames::default());
            sums.add(0, black_box(&planes).from_pixel(0));
            sums.fit(&ZodiOptions::default())
        });
    });
    group.finish();
}

criterion_group!(benches, zodi);
criterion_main!(benches);
