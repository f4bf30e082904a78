//! The cube of a simulated field against the truth: star positions, fluxes, and the noise of blank
//! sky.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and prints its figures"
)]

mod common;

use common::{TestWeighting, center, drizzle, drizzle_weighted, exposures, grid};
use spx_core::detector::Detector;
use spx_core::map::{Passband, PixelMap};
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_drizzle::{
    CubeData, DrizzleOptions, DrizzlePlan, Drizzler, Exposure, ExposureExtras, Kernel, WavelengthGrid,
};
use spx_sim::compare::{measure, median};
use spx_sim::{FieldOptions, SimulatedSky};

fn plane(cube: &dyn CubeData, z: usize, fill: impl Fn(&dyn CubeData, usize, &mut [f32])) -> Vec<f32> {
    let [_, ny, nx] = cube.shape();
    let mut plane = vec![0.0; ny * nx];
    fill(cube, z, &mut plane);
    plane
}

/// 100 stars, 40 exposures: mean centroid offset below 0.02 px, total flux within 0.5 %.
#[test]
fn stars_are_where_and_as_bright_as_they_are() {
    let field = FieldOptions {
        flux_range: [3_000.0, 100_000.0],
        separation: 60.0,
        extended_flux: None,
        ..FieldOptions::default()
    };
    let grid = grid(24.0);
    let sky = SimulatedSky::field(center(), 0.18, 100, 7, &field).unwrap();
    let cube = drizzle(&exposures(&sky, 40, 340), &grid, DrizzleOptions::default());
    let (mut dx, mut dy, mut found, mut expected) = (Vec::new(), Vec::new(), 0.0, 0.0);
    let mut ratios = Vec::new();
    for z in 0..cube.shape()[0] {
        let science = plane(&cube, z, |c, z, out| c.science(z, out));
        let wavelength = cube.wavelengths().bin(z).center();
        for star in &sky.stars {
            let [x, y] = grid.wcs().sky_to_pixel(star.position).unwrap();
            let Some(spot) = measure(&science, grid.shape(), [x, y], 4.5) else { continue };
            let flux = spot.sum * UJY_PER_ARCSEC2_PER_MJY_PER_SR * grid.wcs().pixel_area(x, y);
            found += flux;
            expected += star.flux(wavelength);
            ratios.push(flux / star.flux(wavelength));
            dx.push(spot.offset[0]);
            dy.push(spot.offset[1]);
        }
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (dx, dy) = (mean(&dx), mean(&dy));
    println!(
        "{} measurements: mean offset ({dx:+.4}, {dy:+.4}) px, flux ratio total {:.4}, median {:.4}",
        ratios.len(),
        found / expected,
        median(&mut ratios).unwrap()
    );
    assert!(ratios.len() > 800, "too few stars were seen whole: {}", ratios.len());
    assert!(dx.abs() < 0.02 && dy.abs() < 0.02);
    assert!((found / expected - 1.0).abs() < 0.005);
}

/// Without sources, SCI over its error has unit width, for each voxel is a weighted mean of
/// independent pixels and VARIANCE is that mean's. Neighbors share input pixels: a triangle of
/// weights two pixels wide in x and in y correlates next neighbors by (1/6) / (2/3) = 1/4 in
/// either direction, so that the mean of N x N voxels is 1 + (N - 1) / (2 N) times as wide as if
/// they were independent: 1.44 for N = 8. (With few exposures the phases of the grids do not
/// average out: a single one at phase p has 1 / ((1-p)^2 + p^2) in place of 3/2, whose mean over p
/// is pi/2; hence the tolerance.)
#[test]
fn blank_sky_has_the_noise_that_variance_tells() {
    const N: usize = 8;
    let grid = grid(20.0);
    let cube = drizzle(&exposures(&SimulatedSky::default(), 40, 300), &grid, DrizzleOptions::default());
    let [nz, ny, nx] = cube.shape();
    let (mut single, mut blocks) = (Vec::new(), Vec::new());
    for z in 0..nz {
        let science = plane(&cube, z, |c, z, out| c.science(z, out));
        let variance = plane(&cube, z, |c, z, out| c.variance(z, out));
        let noise: Vec<f64> =
            science.iter().zip(&variance).map(|(s, v)| f64::from(*s) / f64::from(*v).sqrt()).collect();
        single.extend(noise.iter().copied().filter(|v| v.is_finite()));
        for (y, x) in (0..ny / N).flat_map(|y| (0..nx / N).map(move |x| (y * N, x * N))) {
            let sum: f64 = (y..y + N).flat_map(|y| &noise[y * nx + x..y * nx + x + N]).sum();
            blocks.push(sum / N as f64);
        }
    }
    blocks.retain(|v| v.is_finite());
    let rms = |v: &[f64]| (v.iter().map(|x| x * x).sum::<f64>() / v.len() as f64).sqrt();
    let mean = single.iter().sum::<f64>() / single.len() as f64;
    let (one, many) = (rms(&single), rms(&blocks));
    let expected = 1.0 + (N as f64 - 1.0) / (2.0 * N as f64);
    println!(
        "{} voxels: mean {mean:+.4}, width {one:.4}; {} blocks: width {many:.3}, expected {expected:.3}",
        single.len(),
        blocks.len()
    );
    assert!(single.len() > 300_000 && blocks.len() > 3_000);
    assert!(mean.abs() < 0.02 && (one - 1.0).abs() < 0.01);
    assert!((many / expected - 1.0).abs() < 0.06);
}

/// The archive's variance grows with the measured rate, so that 1/variance favors pixels that
/// fluctuate downwards: stars come out too faint. With the variance smoothed over the image they do
/// not.
#[test]
fn smoothed_variances_cure_the_bias_of_inverse_variance() {
    let field = FieldOptions {
        flux_range: [300.0, 3_000.0],
        separation: 60.0,
        extended_flux: None,
        ..FieldOptions::default()
    };
    let grid = grid(20.0);
    let sky = SimulatedSky::field(center(), 0.15, 60, 11, &field).unwrap();
    let mut images = exposures(&sky, 30, 300);
    for planes in images.iter_mut().map(|image| &mut image.planes) {
        // The noise of the counted photons: a pixel that is one sigma high tells two hundredths
        // more variance.
        for ((v, measured), zodi) in planes.variance.iter_mut().zip(&planes.image).zip(&planes.zodi) {
            *v *= (1.0 + 0.02 * (measured - 1.1 * zodi) / v.sqrt()).max(0.3);
        }
    }
    let ratio = |weighting| {
        let cube = drizzle_weighted(&images, &grid, DrizzleOptions::default(), weighting);
        let (mut found, mut expected) = (0.0, 0.0);
        for z in 0..cube.shape()[0] {
            let science = plane(&cube, z, |c, z, out| c.science(z, out));
            for star in &sky.stars {
                let [x, y] = grid.wcs().sky_to_pixel(star.position).unwrap();
                let Some(spot) = measure(&science, grid.shape(), [x, y], 3.5) else { continue };
                found += spot.sum * UJY_PER_ARCSEC2_PER_MJY_PER_SR * grid.wcs().pixel_area(x, y);
                expected += star.flux(cube.wavelengths().bin(z).center());
            }
        }
        found / expected
    };
    let (raw, smooth, none) =
        (ratio(TestWeighting::Raw), ratio(TestWeighting::Smoothed), ratio(TestWeighting::Constant));
    println!("flux over truth: 1/variance {raw:.4}, smoothed {smooth:.4}, constant {none:.4}");
    assert!(raw < none - 0.01, "the bias is there to be cured");
    assert!((smooth - none).abs() < 0.2 * (none - raw));
}

/// A narrow line in a cube is as wide as R_DATA tells: every row of an image sees another line,
/// every exposure has another wavelength, and one plane's values along the rows are its response.
#[test]
fn a_narrow_line_has_the_resolution_that_is_stated() {
    const LINES: usize = 600;
    let detector = Detector::new(3).unwrap();
    for z_oversample in [1.0, 3.0] {
        let grid = match z_oversample {
            1.0 => WavelengthGrid::native(detector),
            z => WavelengthGrid::oversampled(detector, z).unwrap(),
        };
        let bin = grid.bin(grid.bins() / 2);
        let (bandwidth, step) = (bin.center() / 41.0, 4.0 * bin.center() / 41.0 / LINES as f64);
        let line = |row: usize| bin.center() + step * (row as f64 - 0.5 * LINES as f64);
        let options = DrizzleOptions { kernel: Kernel::Point, ..DrizzleOptions::default() };
        let mut drizzler = Drizzler::new(DrizzlePlan::new([LINES, 1], grid.clone(), options).unwrap());
        for k in 0..1200 {
            let center = bin.center() + (f64::from(k) - 599.5) / 300.0 * bandwidth;
            let sees = |row: usize| f32::from((line(row) - center).abs() < 0.5 * bandwidth);
            let exposure = Exposure {
                shape: [LINES, 1],
                rows: 0..LINES,
                flux: &(0..LINES).map(sees).collect::<Vec<f32>>(),
                variance: &[1.0; LINES],
                flags: &[],
                foreground: None,
                excluded: 0,
                pixel_map: &Identity,
                wavelength_map: &Passband { center, width: bandwidth },
                extra: ExposureExtras::default(),
            };
            drizzler.add(&exposure).unwrap();
        }
        let response = plane(&drizzler, grid.bins() / 2, |c, z, out| c.science(z, out));
        let half = 0.5 * response.iter().copied().fold(0.0, f32::max);
        let width = step * response.iter().filter(|v| **v > half).count() as f64;
        let (found, stated) =
            (bin.center() / width, bin.data_resolving_power(bandwidth, options.effective_z_shrink()));
        println!("R_EFF {:.1}, R_DATA {stated:.1}, found {found:.1}", bin.resolving_power());
        assert!((found / stated - 1.0).abs() < 0.01 && bin.resolving_power() > 1.1 * stated);
    }
}

struct Identity;

impl PixelMap for Identity {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        Some([x, y])
    }
}
