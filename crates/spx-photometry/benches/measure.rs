//! Overlaps a second.
//!
//! `cargo bench -p spx-photometry`
#![allow(missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use spx_photometry::Aperture;

fn aperture(c: &mut Criterion) {
    c.bench_function("aperture of 3 px", |b| {
        b.iter(|| black_box(Aperture { x: 10.2, y: 9.7, radius: 1.5 }).sum([20, 20], |_, _| Some(1.0)));
    });
}

criterion_group!(benches, aperture);
criterion_main!(benches);
