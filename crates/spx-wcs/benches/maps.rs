//! Throughput of the maps of one full frame, in pixels a second, on one thread.
//!
//! Bytes written per pixel: 16 for the pixel map (`[f64; 2]`), 16 for the wavelength map
//! (`Passband`), both into a row buffer that stays in the cache. The target is 8 ns a pixel for
//! both maps together.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a failed set-up ends the run; criterion's macros write no docs"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spx_core::header::Header;
use spx_core::map::{Passband, PixelMap, WavelengthMap};
use spx_core::sky::{Position, Rectangle};
use spx_wcs::{CelestialWcs, GridMap, OutputGrid, WaveTable};

const SIDE: usize = 2040;

fn header() -> Header {
    let text = include_str!("../../../testdata/real_headers/qr2_cutout_IMAGE_header.txt");
    let mut header = Header::parse(text).unwrap();
    header
        .set("CRPIX1", 1020.5, "")
        .set("CRPIX2", 1020.5, "")
        .set("CRPIX1W", 1.0, "")
        .set("CRPIX2W", 1.0, "");
    header
}

fn wave_table(header: &Header) -> WaveTable {
    let x = [1.0, 256.0, 511.0, 766.0, 1021.0, 1275.0, 1530.0, 1785.0, 2040.0];
    let y = [1., 36., 71., 105., 140., 141., 379., 617., 855., 1091., 1326., 1564., 1802., 2040.];
    let values: Vec<f64> =
        y.iter().flat_map(|y| x.iter().flat_map(move |x| [2.4 - 4e-4 * y, 0.05 + 1e-6 * x])).collect();
    WaveTable::new(&x, &y, &values, header).unwrap()
}

fn maps(c: &mut Criterion) {
    let header = header();
    let wcs = CelestialWcs::from_header(&header).unwrap();
    let [ra, dec] = wcs.pixel_to_sky(1000.0, 1000.0);
    let region = Rectangle::new(Position::new(ra, dec).unwrap(), 30.0, 30.0).unwrap();
    let grid = OutputGrid::new(region, OutputGrid::NATIVE_SCALE).unwrap();
    let (map, table) = (GridMap::new(&wcs, &grid), wave_table(&header));
    let mut positions = vec![[0.0; 2]; SIDE];
    let mut bands = vec![Passband { center: 0.0, width: 0.0 }; SIDE];

    let mut group = c.benchmark_group("full frame");
    group.throughput(Throughput::Elements((SIDE * SIDE) as u64)).sample_size(20);
    let mut pixel_rows = || {
        for y in 0..SIDE {
            map.map_row(0.0, y as f64, black_box(&mut positions));
        }
    };
    let mut wave_rows = || {
        for y in 0..SIDE {
            table.passband_row(0.0, y as f64, black_box(&mut bands));
        }
    };
    group.bench_function("pixel map", |b| b.iter(&mut pixel_rows));
    group.bench_function("wavelength map", |b| b.iter(&mut wave_rows));
    group.bench_function("both", |b| {
        b.iter(|| {
            pixel_rows();
            wave_rows();
        });
    });
    group.bench_function("spans", |b| b.iter(|| map.spans([SIDE; 2], [grid.ny(), grid.nx()], 4.0)));
    group.finish();
}

criterion_group!(benches, maps);
criterion_main!(benches);
