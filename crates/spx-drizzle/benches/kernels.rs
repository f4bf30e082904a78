//! Each kernel on one thread, as `cargo xtask bench-peers kernels` compares it with STScI's
//! drizzle: an image of 2040 x 2040 pixels, turned by 17 degrees about its middle onto an output as
//! large, in one bin.
//!
//! Prints a line for each kernel: its name, the seconds that adding one image and its weights takes
//! where nothing but the mean and the context are kept, and those of adding an image with variance
//! and flags where all is, with the context; each the least of several. And one line, `map`, for
//! the map of a real image's pixels onto a TAN grid by spx-wcs. Seconds are those of the thread on
//! its processor, where the system tells them. `cargo bench -p spx-drizzle --bench kernels [--
//! KERNEL...]`
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark")]

use std::time::Instant;

use spx_core::elementary::sin_cos;
use spx_core::header::Header;
use spx_core::map::{Passband, PixelMap, Spans};
use spx_core::progress::Silent;
use spx_core::sky::{Position, Rectangle};
use spx_drizzle::{
    DrizzleOptions, DrizzlePlan, Drizzler, Droplets, Exposure, ExposureExtras, Kernel, OutputPlanes,
    WavelengthGrid, Weight,
};
use spx_wcs::{CelestialWcs, GridMap, OutputGrid};

const SIDE: usize = 2040;
const IMAGES: usize = 4;
const RUNS: usize = 3;

struct TurnedMap {
    sin: f64,
    cos: f64,
}

impl PixelMap for TurnedMap {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let (x, y) = (x - 1020.0, y - 1020.0);
        Some([self.cos * x + (1020.2 - self.sin * y), self.sin * x + (1020.7 + self.cos * y)])
    }
}

/// Seconds that this thread has run.
fn clock(begin: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| begin.elapsed().as_secs_f64(), |ns| 1e-9 * ns)
}

fn least(count: usize, mut work: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let seconds = (0..RUNS).map(|_| {
        let before = clock(begin);
        work();
        (clock(begin) - before) / count as f64
    });
    seconds.fold(f64::INFINITY, f64::min)
}

fn main() {
    // On the pool's only thread, so that it is the one that is timed.
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(measure);
}

fn measure() {
    map();
    let pixels = SIDE * SIDE;
    let (flux, variance, flags) = (vec![0.1f32; pixels], vec![1e-4f32; pixels], vec![0i32; pixels]);
    let weights = vec![1e4f32; pixels];
    let (sin, cos) = sin_cos(17f64.to_radians());
    let whole = Exposure {
        shape: [SIDE; 2],
        rows: 0..SIDE,
        flux: &flux,
        variance: &variance,
        flags: &flags,
        foreground: None,
        excluded: 0,
        pixel_map: &TurnedMap { sin, cos },
        wavelength_map: &Passband { center: 1.5, width: 0.1 },
        extra: ExposureExtras::default(),
    };
    let extra = ExposureExtras { weight: Weight::Map(&weights), ..ExposureExtras::default() };
    let plain = Exposure { variance: &[], flags: &[], extra, ..whole.clone() };
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    for kernel in Kernel::ALL.into_iter().filter(|k| wanted.is_empty() || wanted.contains(&k.to_string())) {
        let seconds = |only_mean, exposure| {
            add(kernel, &OutputPlanes { only_mean, context: true, ..OutputPlanes::default() }, exposure)
        };
        println!("{kernel} {:.4} {:.4}", seconds(true, &plain), seconds(false, &whole));
    }
}

/// Seconds of adding an exposure.
fn add(kernel: Kernel, planes: &OutputPlanes, exposure: &Exposure<'_>) -> f64 {
    let options = DrizzleOptions { kernel, ..DrizzleOptions::default() };
    let axis = WavelengthGrid::custom(vec![1.0, 2.0]).unwrap();
    let plan = DrizzlePlan::new([SIDE; 2], axis, options).unwrap().with_planes(planes.clone());
    let (mut drizzler, spans) = (Drizzler::new(plan), Spans::whole([SIDE; 2]));
    least(IMAGES, || {
        let load = |plan: &DrizzlePlan, (): &(), out: &mut Droplets<'_>| plan.collect(exposure, &spans, out);
        let answers = drizzler.add_all(&[(); IMAGES], load, &Silent).unwrap();
        answers.into_iter().for_each(|answer| drop(answer.unwrap()));
    })
}

fn map() {
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/real_headers/qr2_cutout_IMAGE_header.txt");
    let header = Header::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
    let celestial = CelestialWcs::from_header(&header).unwrap();
    let center = Position::new(header.real("CRVAL1").unwrap(), header.real("CRVAL2").unwrap()).unwrap();
    let arcmin = SIDE as f64 * OutputGrid::NATIVE_SCALE / 60.0;
    let region = Rectangle::new(center, arcmin, arcmin).unwrap();
    let map = GridMap::new(&celestial, &OutputGrid::new(region, OutputGrid::NATIVE_SCALE).unwrap());
    let mut positions = vec![[0.0; 2]; SIDE * SIDE];
    let seconds = least(1, || {
        for (y, row) in positions.chunks_exact_mut(SIDE).enumerate() {
            map.map_row(0.0, y as f64, std::hint::black_box(row));
        }
    });
    println!("map {seconds:.4} {seconds:.4}");
}
