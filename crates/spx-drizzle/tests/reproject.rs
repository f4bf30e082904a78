//! The square kernel with whole pixels on grids of all projections, against `reproject_exact`
//! (testdata/reproject, made by `cargo xtask golden reproject`).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test panics, and prints its figures")]
#![allow(clippy::cast_possible_truncation, reason = "images are in single precision")]

use std::path::Path;

use serde_json::Value;
use spx_core::header::Header;
use spx_drizzle::map::{Passband, PixelMap};
use spx_drizzle::{
    Cube, DrizzleOptions, DrizzlePlan, Drizzler, Exposure, ExposureExtras, Kernel, WavelengthGrid, Weight,
};
use spx_wcs::{CelestialWcs, GridMap, OutputGrid};

const SIDE: usize = 44;

fn reference() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/reproject/reference.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn header(cards: &Value) -> Header {
    Header::parse(cards.as_str().unwrap()).unwrap()
}

/// The image of the script: as good as noise, so that every overlap counts.
fn image() -> Vec<f32> {
    let value = |x: usize, y: usize| (7919 * x + 10473 * y) * (x + 3 * y + 1) % 1000;
    (0..SIDE * SIDE).map(|k| (value(k % SIDE, k / SIDE) as f64 / 1000.0) as f32).collect()
}

/// The mean on a grid.
fn drizzle(map: &dyn PixelMap, shape: [usize; 2]) -> Vec<f32> {
    let options = DrizzleOptions { kernel: Kernel::Square, xy_shrink: 1.0, ..DrizzleOptions::default() };
    let axis = WavelengthGrid::custom(vec![1.0, 2.0]).unwrap();
    let mut drizzler = Drizzler::new(DrizzlePlan::new(shape, axis, options).unwrap());
    let (flux, variance) = (image(), vec![1.0; SIDE * SIDE]);
    let exposure = Exposure {
        shape: [SIDE; 2],
        rows: 0..SIDE,
        flux: &flux,
        variance: &variance,
        flags: &[],
        foreground: None,
        excluded: 0,
        pixel_map: map,
        wavelength_map: &Passband { center: 1.5, width: 0.1 },
        extra: ExposureExtras { weight: Weight::Constant(1.0), ..ExposureExtras::default() },
    };
    drizzler.add(&exposure).unwrap();
    Cube::from_data(&drizzler).science.iter().copied().collect()
}

#[test]
fn surface_brightness_is_that_of_reproject() {
    let reference = reference();
    let input = CelestialWcs::from_header(&header(&reference["image"])).unwrap();
    let cases = reference["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let shape = [0, 1].map(|k| usize::try_from(case["shape"][k].as_u64().unwrap()).unwrap());
        let grid = OutputGrid::from_header(&header(&case["cards"]), shape).unwrap();
        let found = drizzle(&GridMap::new(&input, &grid), shape);
        let wanted: Vec<f64> =
            case["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        assert_eq!(found.len(), wanted.len());
        let off = found.iter().zip(&wanted).map(|(found, wanted)| (f64::from(*found) - wanted).abs());
        let worst = off.fold(0.0, f64::max);
        println!("{}: {worst:.1e}", case["name"]);
        assert!(worst < 3e-7, "{}: off by {worst}", case["name"]);
    }
}
