//! Rejection of outliers: hits that no flag tells, on stars of all brightnesses and blank sky.
//!
//! The same exposures are simulated with and without hits. A star's change is the difference of its
//! fluxes in the cube of the exposures with hits, outliers rejected, and in that of those without,
//! nothing rejected; the noise of both is nearly the same.

use anyhow::{Context, Result};
use spx_core::detector::Detector;
use spx_core::elementary::{cos, powf};
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_sim::compare::measure;
use spx_sim::{
    ExposureOptions, FrameExtent, RealisticOptions, SimulatedSky, SimulatedStar, SurveyOptions, survey,
};

use crate::report::{Demand, TruthReport};
use crate::runner::{MeasuredCube, SimulationSize, SpxRunner, center};
use crate::statistics::{mean, median, share, width};

/// Side of the cube \[arcmin\], and of the cutouts \[px\].
const SIDE: f64 = 9.0;
const CUTOUT: usize = 140;
/// Stars in the half of the cube with the larger right ascension, from 3 mJy to 3 Jy.
const STARS: [i32; 2] = [4, 6];
const SPACING: f64 = 60.0;
/// Radius of the apertures \[px\]; all light lies within.
const APERTURE: f64 = 4.5;
/// Share of pixels with a hit.
const HITS: f64 = 0.001;

/// Measures what rejection does to stars and blank sky, with the default flags and with OUTLIER
/// pixels judged instead of left out.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub fn rejection(spx: &SpxRunner, size: SimulationSize) -> Result<TruthReport> {
    let sky = sky()?;
    let mut report = TruthReport::default();
    let count = size.choose(220, 60);
    for (name, hits) in [("clean", 0.0), ("hit", HITS)] {
        let detectors = vec![Detector::new(3)?];
        let plan = SurveyOptions { observations: count, detectors, margin: 60.0, ..SurveyOptions::default() };
        let frame = FrameExtent::Around { position: center()?, size: CUTOUT };
        let realism = RealisticOptions { unflagged_hits: hits, ..RealisticOptions::default() };
        let options = ExposureOptions { frame, realism: Some(realism), ..ExposureOptions::default() };
        let exposures = survey(center()?, &plan)?.into_iter().map(|pointing| (pointing, options.clone()));
        spx.simulate(name, &sky, &exposures.collect::<Vec<_>>())?;
    }
    let clean = drizzle(spx, "clean", &[])?;
    let ways: [(&str, &[&str]); 4] = [
        ("--reject 4.5", &["--reject=4.5"]),
        ("nothing rejected", &[]),
        ("OUTLIER judged", &["--reject=4.5", "--exclude-flags=mosaic"]),
        ("OUTLIER kept", &["--exclude-flags=mosaic"]),
    ];
    for (label, options) in ways {
        let demands = label == "--reject 4.5";
        let when = |demand: Demand| if demands { demand } else { Demand::None };
        let cube = drizzle(spx, "hit", options)?;
        let changes = sky.stars.iter().map(|star| Ok(flux(&cube, star)? / flux(&clean, star)? - 1.0));
        let changes = changes.collect::<Result<Vec<f64>>>()?;
        report.add(
            format!("{label}: median change of a star"),
            median(&changes),
            when(Demand::Near(0.0, 0.001)),
        );
        for (range, demand) in [([3.0, 30.0], Demand::None), ([30.0, 3000.0], when(Demand::AtMost(0.002)))] {
            let within =
                |star: &SimulatedStar| (range[0]..=range[1] * 1.001).contains(&(star.flux_2um / 1e3));
            let stars = sky.stars.iter().zip(&changes).filter(|(star, _)| within(star));
            let worst = stars.fold(0.0, |worst, (_, change)| f64::max(worst, change.abs()));
            let what = format!("{label}: largest change of a star, {} to {} mJy", range[0], range[1]);
            report.add(what, (worst, 0.0), demand);
        }
        let pulls = blank_sky(&cube);
        let beyond = pulls.iter().filter(|pull| pull.abs() > 5.0).count();
        let (wide, what) = (width(&pulls), format!("{label}: width of blank sky over sqrt(VARIANCE)"));
        report.add(what, wide, when(Demand::Near(1.01, 0.01)));
        report.add(
            format!("{label}: blank sky over a voxel's sigma"),
            mean(&pulls),
            when(Demand::Near(0.0, 0.03)),
        );
        report.add(
            format!("{label}: voxels beyond 5 sigma"),
            share(beyond, pulls.len()),
            when(Demand::AtMost(0.0003)),
        );
    }
    Ok(report)
}

fn sky() -> Result<SimulatedSky> {
    let center = center()?;
    let [columns, rows] = STARS;
    let mut stars = Vec::new();
    for k in 0..columns * rows {
        let east = SIDE * 30.0 / 2.0 + (f64::from(k % columns) - 1.5) * SPACING + 1.7 * f64::from(k % 5);
        let north = (f64::from(k / columns) - 2.5) * SPACING + 1.3 * f64::from(k % 7);
        let dec = center.dec() + north / 3600.0;
        let ra = center.ra() + east / 3600.0 / cos(center.dec().to_radians());
        // Neighbors differ in brightness.
        let step = f64::from((7 * k) % (columns * rows)) / f64::from(columns * rows - 1);
        let (id, flux_2um) = (k.to_string(), 3e3 * powf(1000.0, step));
        stars.push(SimulatedStar { id, position: Position::new(ra, dec)?, flux_2um, slope: 0.0 });
    }
    Ok(SimulatedSky { stars, ..SimulatedSky::default() })
}

fn drizzle(spx: &SpxRunner, input: &str, options: &[&str]) -> Result<MeasuredCube> {
    let position = center()?;
    let [ra, dec] = [format!("--ra={}", position.ra()), format!("--dec={}", position.dec())];
    let side = [format!("--width={SIDE}"), format!("--height={SIDE}")];
    let place = ["drizzle", &ra, &dec, &side[0], &side[1], "--detector=3", "--overwrite"];
    let files = ["--input", input, "--output-dir", "cube"];
    spx.run(&[&place[..], &files[..], options].concat())?;
    MeasuredCube::read(&spx.path("cube").join("drizzle_D3.fits"))
}

/// The flux of a star, over all planes \[uJy\].
fn flux(cube: &MeasuredCube, star: &SimulatedStar) -> Result<f64> {
    let [x, y] = cube.grid.wcs().sky_to_pixel(star.position).context("a star beyond the cube")?;
    let area = UJY_PER_ARCSEC2_PER_MJY_PER_SR * cube.grid.wcs().pixel_area(x, y);
    let spots =
        (0..cube.shape[0]).filter_map(|z| measure(cube.plane(z), cube.grid.shape(), [x, y], APERTURE));
    Ok(spots.map(|spot| spot.sum * area).sum())
}

/// SCI over its error, voxel by voxel, of the half without stars.
fn blank_sky(cube: &MeasuredCube) -> Vec<f64> {
    let [_, _, nx] = cube.shape;
    let voxels = cube.science.iter().zip(&cube.variance).enumerate();
    // Right ascension falls as x grows: the stars stand at small x.
    let blank = voxels.filter(|(k, (value, _))| k % nx > nx / 2 + 10 && value.is_finite());
    blank.map(|(_, (value, variance))| f64::from(*value) / f64::from(*variance).sqrt()).collect()
}
