//! The drizzle of a cube on one thread: turning pixels into filed droplets, as on several threads,
//! and adding them from where they stand, as on one.
//!
//! An exposure of 1000 x 1000 pixels, rolled by 17 degrees, whose wavelength runs over a native
//! axis of 17 bins. Adding reads 12 bytes a pixel, and reads and writes the 40 bytes of each of the
//! four to eight voxels of a droplet, most of them in the cache from the droplet before; from
//! memory comes each voxel about once. The last benchmark copies as many bytes, for the share of
//! the memory bandwidth.
//!
//! `cargo bench -p spx-drizzle`
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spx_core::detector::Detector;
use spx_core::elementary::sin_cos;
use spx_core::map::{Passband, PixelMap, Spans, WavelengthMap};
use spx_core::progress::Silent;
use spx_drizzle::{
    DrizzleError, DrizzleOptions, DrizzlePlan, Drizzler, Droplets, Exposure, ExposureExtras, WavelengthGrid,
};

const SIDE: usize = 1000;

struct RolledMap;

impl PixelMap for RolledMap {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let (sin, cos) = sin_cos(17f64.to_radians());
        let (x, y) = (x - 500.0, y - 500.0);
        Some([500.2 + cos * x - sin * y, 500.7 + sin * x + cos * y])
    }
}

struct Scan;

impl WavelengthMap for Scan {
    fn passband(&self, _: f64, y: f64) -> Passband {
        let center = 2.4 - 0.7 * y / SIDE as f64;
        Passband { center, width: center / 41.0 }
    }
}

fn accumulate(c: &mut Criterion) {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let pixels = SIDE * SIDE;
    let (flux, variance, flags) = (vec![0.1f32; pixels], vec![1e-4f32; pixels], vec![0i32; pixels]);
    let exposure = Exposure {
        shape: [SIDE; 2],
        rows: 0..SIDE,
        flux: &flux,
        variance: &variance,
        flags: &flags,
        foreground: None,
        excluded: 0,
        pixel_map: &RolledMap,
        wavelength_map: &Scan,
        extra: ExposureExtras::default(),
    };
    let grid = WavelengthGrid::native(Detector::new(3).unwrap());
    let plan = DrizzlePlan::new([SIDE; 2], grid, DrizzleOptions::default()).unwrap();
    let spans = Spans::whole([SIDE; 2]);
    let mut group = c.benchmark_group("drizzle");
    group.throughput(Throughput::Elements(pixels as u64));
    let mut droplets = Droplets::default();
    group.bench_function("file", |b| {
        b.iter(|| {
            droplets.clear();
            plan.collect(black_box(&exposure), &spans, &mut droplets).unwrap();
        });
    });
    let mut drizzler = Drizzler::new(plan.clone());
    let load = |plan: &DrizzlePlan, (): &(), out: &mut Droplets| plan.collect(&exposure, &spans, out);
    // Several exposures in one go, as in a run.
    const EXPOSURES: usize = 8;
    group.throughput(Throughput::Elements((EXPOSURES * pixels) as u64));
    group.bench_function("add", |b| {
        b.iter(|| -> Result<_, DrizzleError> {
            drizzler.add_all(black_box(&[(); EXPOSURES]), load, &Silent)
        });
    });
    group.throughput(Throughput::Elements(pixels as u64));
    // 12 bytes read of a pixel, 40 bytes read and written of about two voxels.
    let words = pixels * (12 + 2 * 2 * 40) / 2 / 8;
    let (from, mut to) = (vec![1u64; words], vec![0u64; words]);
    group.bench_function("copy of as many bytes", |b| {
        b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)));
    });
    group.finish();
}

criterion_group!(benches, accumulate);
criterion_main!(benches);
