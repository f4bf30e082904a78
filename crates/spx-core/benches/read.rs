//! Reading the four planes of a full frame (2040 x 2040, 66.6 MB) into reused memory, and fitting
//! the zodiacal light where they stand in the file, beside a copy of as many bytes in memory: the
//! quotient of the rates is the share of the memory bandwidth that reading reaches. The file is in
//! the page cache, so the disk plays no part.
//!
//! `cargo bench -p spx-core`
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::cell::RefCell;
use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use spx_core::detector::Detector;
use spx_core::fits::{ColumnSpec, FitsWriter};
use spx_core::foreground::{ForegroundInput, ForegroundOptions, fit};
use spx_core::header::Header;
use spx_core::image::PixelPlanes;
use spx_core::map::Passband;
use spx_core::mef::MefFile;

const PIXELS: usize = Detector::NPIX * Detector::NPIX;

/// A file with the HDUs that a reader asks for.
fn write(path: &Path) {
    let shape = [Detector::NPIX, Detector::NPIX];
    let mut fits = FitsWriter::create(path).unwrap();
    fits.image::<u8>(&[], &Header::new()).unwrap();
    let plane = vec![0.5f32; PIXELS];
    for name in ["IMAGE", "FLAGS", "VARIANCE", "ZODI"] {
        let mut cards = Header::new();
        let unit = if name == "VARIANCE" { "MJy2 / sr2" } else { "MJy / sr" };
        cards.set("EXTNAME", name, "").set("BUNIT", unit, "").set("DETECTOR", 3, "").set("OBSID", "x", "");
        if name == "FLAGS" {
            fits.image::<i32>(&shape, &cards).unwrap();
            fits.write_pixels(0, &vec![0i32; PIXELS]).unwrap();
        } else {
            fits.image::<f32>(&shape, &cards).unwrap();
            fits.write_pixels(0, &plane).unwrap();
        }
    }
    let column = |name, format, dim| ColumnSpec { name, format, unit: "", dim };
    let columns = [column("X", "2J", None), column("Y", "2J", None), column("VALUES", "8E", Some("(2,2,2)"))];
    fits.table("WCS-WAVE", 1, &columns, &Header::new()).unwrap();
    fits.finish().unwrap();
}

fn read(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("frame.fits");
    write(&path);
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Bytes(16 * PIXELS as u64));
    let planes = RefCell::new(PixelPlanes::default());
    group.bench_function("four planes", |b| {
        b.iter_batched(
            || (MefFile::open(&path).unwrap(), planes.take()),
            |(file, reuse)| *planes.borrow_mut() = file.read(0..Detector::NPIX, reuse).unwrap().planes,
            BatchSize::PerIteration,
        );
    });
    group.bench_function("the rows for the zodiacal light, where they stand", |b| {
        b.iter_batched(
            || MefFile::open(&path).unwrap(),
            |file| {
                let image = file.whole(PixelPlanes::default()).unwrap();
                let metadata = image.metadata();
                let input = ForegroundInput {
                    shape: metadata.shape,
                    planes: image.views(),
                    flag_names: &metadata.flag_names,
                    detector: metadata.id.detector,
                    wavelengths: &Passband { center: 2.0, width: 0.05 },
                    excluded: &[],
                };
                fit(&input, &ForegroundOptions::default())
            },
            BatchSize::PerIteration,
        );
    });
    let (from, mut to) = (vec![1u64; 2 * PIXELS], vec![0u64; 2 * PIXELS]);
    group.bench_function("copy in memory", |b| {
        b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)))
    });
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
