//! The fit of the zodiacal light to a full frame in memory, on one thread.
//!
//! `cargo bench -p spx-core --bench zodi`
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spx_core::detector::Detector;
use spx_core::flags::FlagNames;
use spx_core::foreground::{ForegroundInput, ForegroundMode, ForegroundOptions, fit};
use spx_core::image::PixelPlanes;
use spx_core::map::{Passband, WavelengthMap};

struct Ramp;

impl WavelengthMap for Ramp {
    fn passband(&self, _: f64, y: f64) -> Passband {
        Passband { center: 1.7 + 0.0003 * y, width: 0.05 }
    }
}

fn zodi(c: &mut Criterion) {
    const NX: usize = Detector::NPIX;
    const PIXELS: usize = NX * NX;
    let mut rng = fastrand::Rng::with_seed(1);
    let mut noise = || (0..4).map(|_| rng.f32() - 0.5).sum::<f32>() * 0.04;
    let planes = PixelPlanes {
        image: (0..PIXELS).map(|_| 0.3 + noise()).collect(),
        // Some bad pixels, and a patch of sources in every row.
        flags: (0..PIXELS).map(|k| i32::from(k % 211 == 0) << 10 | i32::from(k % NX < 100) << 21).collect(),
        variance: vec![1e-4; PIXELS],
        zodi: vec![0.3; PIXELS],
    };
    let input = ForegroundInput {
        shape: [NX; 2],
        planes: planes.from_pixel(0),
        flag_names: &FlagNames::default(),
        detector: Detector::new(3).unwrap(),
        wavelengths: &Ramp,
        excluded: &[],
    };
    let mut group = c.benchmark_group("zodi");
    group.throughput(Throughput::Elements(PIXELS as u64));
    for mode in [ForegroundMode::Fit, ForegroundMode::Spectral] {
        let options = ForegroundOptions { mode, ..ForegroundOptions::default() };
        group.bench_function(mode.to_string(), |b| b.iter(|| fit(black_box(&input), &options)));
    }
    group.finish();
}

criterion_group!(benches, zodi);
criterion_main!(benches);
