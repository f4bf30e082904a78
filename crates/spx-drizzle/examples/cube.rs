//! Drizzles exposures that are plain arrays into a cube and prints the spectrum of a star in it.
//!
//! `cargo run -p spx-drizzle --example cube`
//!
//! Each of 40 exposures sees the field with another offset and rotation. The wavelength runs over
//! the rows of the image, so that every exposure sees the star at another wavelength, and the cube
//! collects its spectrum: here a continuum of 1 with an emission line at 2.06 um.
#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use std::error::Error;

use spx_core::elementary::{exp, hypot, sin_cos};
use spx_drizzle::detector::Detector;
use spx_drizzle::map::{Passband, PixelMap, WavelengthMap};
use spx_drizzle::{
    Cube, DrizzleOptions, DrizzlePlan, Drizzler, Exposure, ExposureExtras, WavelengthGrid, Weight,
};

const SIDE: usize = 120;

/// A rotation about the center of the image, then a shift onto the output grid.
struct Pointing {
    sin: f64,
    cos: f64,
    shift: [f64; 2],
}

impl PixelMap for Pointing {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let (x, y) = (x - 60.0, y - 60.0);
        let [dx, dy] = self.shift;
        Some([30.0 + self.cos * x - self.sin * y + dx, 30.0 + self.sin * x + self.cos * y + dy])
    }
}

/// Wavelength falls with the row; the bandwidth is that of a resolving power of 41.
struct LinearFilter;

impl WavelengthMap for LinearFilter {
    fn passband(&self, _: f64, y: f64) -> Passband {
        let center = 2.44 - 0.8 * y / SIDE as f64;
        Passband { center, width: center / 41.0 }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let channels = WavelengthGrid::native(Detector::new(3)?);
    let plan = DrizzlePlan::new([60, 60], channels, DrizzleOptions::default())?;
    let mut drizzler = Drizzler::new(plan);
    for k in 0..40 {
        let k = f64::from(k);
        let (sin, cos) = sin_cos(0.01 * k);
        let map = Pointing { sin, cos, shift: [0.37 * k - 7.0, 2.8 * k - 56.0] };
        let flux = observe(&map);
        drizzler.add(&Exposure {
            shape: [SIDE, SIDE],
            rows: 0..SIDE,
            flux: &flux,
            variance: &vec![1e-4; SIDE * SIDE],
            flags: &[],
            foreground: None,
            excluded: 0,
            pixel_map: &map,
            wavelength_map: &LinearFilter,
            extra: ExposureExtras { weight: Weight::Constant(1.0), ..ExposureExtras::default() },
        })?;
    }
    let cube = Cube::from_data(&drizzler);
    println!("wavelength [um]  peak [MJy/sr]  exposures");
    for (z, bin) in cube.wavelengths.iter().enumerate() {
        let (peak, inputs) = (cube.science[[z, 30, 30]], cube.inputs_per_plane[z]);
        println!("{:15.4}  {peak:13.3}  {inputs:9}", bin.center());
    }
    Ok(())
}

/// What an exposure sees of a star at pixel (30, 30) of the output.
#[expect(clippy::cast_possible_truncation, reason = "images are in single precision")]
fn observe(map: &Pointing) -> Vec<f32> {
    let pixel = |k: usize| {
        let (x, y) = ((k % SIDE) as f64, (k / SIDE) as f64);
        let [u, v] = map.map(x, y).unwrap_or([f64::INFINITY; 2]);
        let distance = hypot(u - 30.0, v - 30.0);
        let line = exp(-0.5 * ((LinearFilter.passband(x, y).center - 2.06) / 0.02).powi(2));
        ((1.0 + 3.0 * line) * exp(-0.5 * (distance / 1.5).powi(2))) as f32
    };
    (0..SIDE * SIDE).map(pixel).collect()
}
