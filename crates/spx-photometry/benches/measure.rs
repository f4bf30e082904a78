//! Sources a second on one thread, on a full frame with a star every 28 pixels; and what is done
//! once for a frame.
//!
//! `cargo bench -p spx-photometry`
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{psf, scene};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spx_photometry::{BackgroundMethod, ImageView, Photometer, PhotometryOptions, Scratch};
use spx_sim::PixelWindow;

fn measure(c: &mut Criterion) {
    let (scene, psf) = (scene(1, PixelWindow::FULL, 28, true), psf());
    let view = || ImageView::new(&scene.image.metadata, scene.image.planes.from_pixel(0), Some(1.0)).unwrap();
    let mut group = c.benchmark_group("measure");
    group.throughput(Throughput::Elements(scene.truths.len() as u64));
    for background in [BackgroundMethod::Annulus, BackgroundMethod::Window] {
        for with_psf in [false, true] {
            let mut options = PhotometryOptions {
                aperture_correction: with_psf,
                psf_flux: with_psf,
                ..PhotometryOptions::default()
            };
            options.background.method = background;
            let photometer = Photometer::new(view(), &options, Some(&psf)).unwrap();
            let mut scratch = Scratch::default();
            let name =
                format!("{background}{}", if with_psf { ", aperture correction and PSF flux" } else { "" });
            group.bench_function(name, |b| {
                b.iter(|| {
                    let sources = scene.truths.iter().map(|truth| &truth.source);
                    sources
                        .filter(|source| black_box(photometer.measure(source, &mut scratch)).is_ok())
                        .count()
                });
            });
        }
    }
    group.finish();
    let options = PhotometryOptions::default();
    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::Elements(scene.image.planes.image.len() as u64));
    group.bench_function("check", |b| b.iter(|| Photometer::new(view(), &options, None).is_ok()));
    // With the median that stands in for variances, which the first source that needs it has to
    // wait for.
    let photometer = Photometer::new(view(), &options, None).unwrap();
    let mut scratch = Scratch::default();
    let needs_repair = |truth: &&common::Truth| {
        photometer
            .measure(&truth.source, &mut Scratch::default())
            .is_ok_and(|m| m.fallbacks.repaired_variances > 0)
    };
    let repaired = scene.truths.iter().find(needs_repair).unwrap();
    group.bench_function("check and repair", |b| {
        b.iter(|| {
            Photometer::new(view(), &options, None).unwrap().measure(&repaired.source, &mut scratch).is_ok()
        });
    });
    group.finish();
}

criterion_group!(benches, measure);
criterion_main!(benches);
