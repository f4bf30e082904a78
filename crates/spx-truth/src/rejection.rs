//! Rejection of outliers: hits that no flag tells, on stars of all brightnesses and blank sky.
//!
//! The same exposures are simulated with and without hits. A star's change is the difference of its
//! fluxes in the cube of the exposures with hits, outliers rejected, and in that of those without,
//! nothing rejected; the noise of both is nearly the same.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use spx_core::detector::Detector;
use spx_core::elementary::{cos, hypot, ln, powf};
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_sim::compare::measure;
use spx_sim::{
    ExposureOptions, FrameExtent, Pointing, RealisticOptions, SimulatedExposure, SimulatedSky, SimulatedStar,
    SurveyOptions, observe, survey,
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
/// Pixels as near to a star are its core \[px\].
const CORE: f64 = 2.0;
/// Share of pixels with a hit.
const HITS: f64 = 0.001;

/// Thresholds that are compared.
const SIGMAS: [f64; 5] = [3.0, 3.5, 4.0, 4.5, 5.0];
/// Strengths of hits that are put on a sky without stars \[standard deviations\], on one pixel in
/// so many; exponential ones have this mean.
const STRENGTHS: [f64; 8] = [3.0, 4.0, 4.5, 5.0, 5.5, 6.0, 8.0, 12.0];
const EVERY: usize = 1009;
const MEAN_STRENGTH: f64 = 22.5;

/// Measures what rejection does to stars and blank sky, with the default flags and with OUTLIER
/// pixels judged instead of left out; by the threshold, what it finds and what it costs; and by the
/// strength of a hit, how often it is found.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub fn rejection(spx: &SpxRunner, size: SimulationSize) -> Result<TruthReport> {
    let sky = sky()?;
    let mut report = TruthReport::default();
    let count = size.choose(220, 60);
    for (name, hits) in [("clean", 0.0), ("hit", HITS)] {
        spx.simulate(name, &sky, &exposures(count, hits)?)?;
    }
    let clean = drizzle(spx, "clean", &[])?.cube;
    let without_hits = RejectionFigures::new(&sky, &clean, &clean)?;
    report.add("no hits, nothing rejected: width of blank sky", without_hits.width, Demand::None);
    let rejected = drizzle(spx, "clean", &["--reject=4.5"])?;
    RejectionFigures::new(&sky, &rejected.cube, &clean)?.tell(
        &mut report,
        "no hits, --reject 4.5",
        Demanded::AllStars,
    );
    let ways: [(&str, &[&str], Demanded); 4] = [
        ("--reject 4.5", &["--reject=4.5"], Demanded::BrightStars),
        ("nothing rejected", &[], Demanded::Nothing),
        ("OUTLIER judged", &["--reject=4.5", "--exclude-flags=mosaic"], Demanded::Nothing),
        ("OUTLIER kept", &["--exclude-flags=mosaic"], Demanded::Nothing),
    ];
    for (label, options, demanded) in ways {
        let cube = drizzle(spx, "hit", options)?.cube;
        RejectionFigures::new(&sky, &cube, &clean)?.tell(&mut report, label, demanded);
    }
    places(spx, count, (&sky, &clean), &mut report)?;
    thresholds(spx, count, (&sky, &clean), &mut report)?;
    strengths(spx, count, &mut report)?;
    Ok(report)
}

/// What the hits in the cores of stars do to the stars, and what all others do.
fn places(
    spx: &SpxRunner,
    count: usize,
    (sky, clean): (&SimulatedSky, &MeasuredCube),
    report: &mut TruthReport,
) -> Result<()> {
    let hit = exposures(count, HITS)?;
    let parts = [
        ("cores", true, "hits in cores", Demanded::BrightStars),
        ("elsewhere", false, "hits elsewhere", Demanded::AllStars),
    ];
    for (name, in_cores, label, demanded) in parts {
        let hits = AtomicUsize::new(0);
        spx.simulate_changed(name, sky, &exposures(count, 0.0)?, |k, exposure| {
            let hit = observe(sky, &hit[k].0, &hit[k].1)?.planes;
            let cores = cores(sky, exposure)?;
            let planes = &mut exposure.planes;
            for pixel in (0..cores.len()).filter(|pixel| cores[*pixel] == in_cores) {
                if planes.image[pixel] < hit.image[pixel] {
                    hits.fetch_add(1, Ordering::Relaxed);
                }
                (planes.image[pixel], planes.variance[pixel]) = (hit.image[pixel], hit.variance[pixel]);
            }
            Ok(())
        })?;
        let left = drizzle(spx, name, &[])?.cube;
        let nothing = format!("{label}, nothing rejected");
        RejectionFigures::new(sky, &left, clean)?.tell(report, &nothing, Demanded::Nothing);
        let judged = drizzle(spx, name, &["--reject=4.5"])?;
        let label = format!("{label}, --reject 4.5");
        if in_cores {
            // All stars lie in the cube, and no pixel is rejected without hits.
            let found = share(judged.rejected, hits.into_inner());
            report.add(format!("{label}: hits found"), found, Demand::None);
        }
        RejectionFigures::new(sky, &judged.cube, clean)?.tell(report, &label, demanded);
    }
    Ok(())
}

/// Which pixels of an exposure lie in the core of a star.
fn cores(sky: &SimulatedSky, exposure: &SimulatedExposure) -> Result<Vec<bool>> {
    let (wcs, window) = (exposure.pointing.wcs()?, exposure.window);
    let mut cores = vec![false; window.nx * window.ny];
    for star in &sky.stars {
        let [x, y] = wcs.sky_to_pixel(star.position).context("a star beyond the frame")?;
        let [x, y] = [x - window.x0 as f64, y - window.y0 as f64];
        for (pixel, core) in cores.iter_mut().enumerate() {
            let [column, row] = [pixel % window.nx, pixel / window.nx].map(|at| at as f64);
            *core |= hypot(column - x, row - y) <= CORE;
        }
    }
    Ok(cores)
}

/// What a threshold finds of exponential hits on a sky without stars, and what it costs where there
/// are stars.
fn thresholds(
    spx: &SpxRunner,
    count: usize,
    (sky, clean): (&SimulatedSky, &MeasuredCube),
    report: &mut TruthReport,
) -> Result<()> {
    // Evenly spread over all strengths.
    let exponential = |k: usize| {
        let share = (k as f64 * 0.618_033_988_75).fract();
        -MEAN_STRENGTH * ln(1.0 - share)
    };
    blank(spx, "blank", count, |_| 0.0)?;
    blank(spx, "blank-hit", count, exponential)?;
    for sigma in SIGMAS {
        let option = format!("--reject={sigma}");
        let run = |input| drizzle(spx, input, &[&option]);
        let (hit, none) = (run("blank-hit")?, run("blank")?);
        let label = format!("SIGMA {sigma}");
        report.add(format!("{label}: exponential hits found, no stars"), hit.found(&none), Demand::None);
        let of_clean = share(none.rejected, none.judged);
        report.add(format!("{label}: pixels rejected without hits"), of_clean, Demand::None);
        RejectionFigures::new(sky, &run("hit")?.cube, clean)?.tell(report, &label, Demanded::Nothing);
    }
    Ok(())
}

/// How often a hit of a certain strength is found on a sky without stars.
fn strengths(spx: &SpxRunner, count: usize, report: &mut TruthReport) -> Result<()> {
    let none = drizzle(spx, "blank", &["--reject=4.5"])?;
    for strength in STRENGTHS {
        spx.forget("blank-hit")?;
        blank(spx, "blank-hit", count, |_| strength)?;
        let hit = drizzle(spx, "blank-hit", &["--reject=4.5"])?;
        let what = format!("--reject 4.5: found of hits of {strength} sigma, no stars");
        report.add(what, hit.found(&none), Demand::None);
    }
    Ok(())
}

/// Simulates a sky without stars, with hits whose strengths depend on their number.
#[expect(clippy::cast_possible_truncation, reason = "images are in single precision")]
fn blank(spx: &SpxRunner, name: &str, count: usize, strength: impl Fn(usize) -> f64 + Sync) -> Result<()> {
    spx.simulate_changed(name, &SimulatedSky::default(), &exposures(count, 0.0)?, |k, exposure| {
        let planes = &mut exposure.planes;
        // Another pixel of each exposure comes first.
        let pixels = (k * 37 % EVERY..planes.image.len()).step_by(EVERY);
        for (number, pixel) in (k * planes.image.len() / EVERY..).zip(pixels) {
            planes.image[pixel] += strength(number) as f32 * planes.variance[pixel].sqrt();
        }
        Ok(())
    })?;
    Ok(())
}

/// Exposures of the field, with hits in a share of the pixels.
fn exposures(count: usize, hits: f64) -> Result<Vec<(Pointing, ExposureOptions)>> {
    let detectors = vec![Detector::new(3)?];
    let plan = SurveyOptions { observations: count, detectors, margin: 60.0, ..SurveyOptions::default() };
    let frame = FrameExtent::Around { position: center()?, size: CUTOUT };
    let realism = RealisticOptions { unflagged_hits: hits, ..RealisticOptions::default() };
    let options = ExposureOptions { frame, realism: Some(realism), ..ExposureOptions::default() };
    Ok(survey(center()?, &plan)?.into_iter().map(|pointing| (pointing, options.clone())).collect())
}

/// What the figures of a cube have to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Demanded {
    Nothing,
    /// All, but for stars of 3 to 30 mJy: a hit in the core of one is kept.
    BrightStars,
    AllStars,
}

/// What hits and their rejection did to a cube.
struct RejectionFigures {
    /// Median relative change of a star.
    median: (f64, f64),
    /// The largest changes of faint and of bright stars.
    largest: [(&'static str, f64); 2],
    /// Of SCI over its error on blank sky.
    width: (f64, f64),
    mean: (f64, f64),
    beyond: (f64, f64),
}

impl RejectionFigures {
    /// Compares stars with those of a cube without hits.
    fn new(sky: &SimulatedSky, cube: &MeasuredCube, clean: &MeasuredCube) -> Result<Self> {
        let changes = sky.stars.iter().map(|star| Ok(flux(cube, star)? / flux(clean, star)? - 1.0));
        let changes = changes.collect::<Result<Vec<f64>>>()?;
        let largest = [("3 to 30 mJy", 3.0), ("30 mJy to 3 Jy", 30.0)].map(|(range, least)| {
            let most = if least < 30.0 { 30.0 } else { f64::INFINITY };
            let within = |star: &SimulatedStar| (least..most).contains(&(star.flux_2um / 1e3 + 1e-6));
            let stars = sky.stars.iter().zip(&changes).filter(|(star, _)| within(star));
            (range, stars.fold(0.0, |worst, (_, change)| f64::max(worst, change.abs())))
        });
        let pulls = blank_sky(cube);
        let beyond = pulls.iter().filter(|pull| pull.abs() > 5.0).count();
        Ok(Self {
            median: median(&changes),
            largest,
            width: width(&pulls),
            mean: mean(&pulls),
            beyond: share(beyond, pulls.len()),
        })
    }

    /// Tells them, perhaps with what is demanded.
    fn tell(&self, report: &mut TruthReport, label: &str, demanded: Demanded) {
        let when = |of: bool, demand: Demand| if of { demand } else { Demand::None };
        let all = demanded != Demanded::Nothing;
        let mut add = |what: String, value, demand| report.add(format!("{label}: {what}"), value, demand);
        add("median change of a star".into(), self.median, when(all, Demand::Near(0.0, 0.001)));
        let demands = [demanded == Demanded::AllStars, all].map(|of| when(of, Demand::AtMost(0.002)));
        for ((range, largest), demand) in self.largest.into_iter().zip(demands) {
            add(format!("largest change of a star, {range}"), (largest, 0.0), demand);
        }
        add("width of blank sky over sqrt(VARIANCE)".into(), self.width, when(all, Demand::Near(1.01, 0.01)));
        add("blank sky over a voxel's sigma".into(), self.mean, when(all, Demand::Near(0.0, 0.03)));
        add("voxels beyond 5 sigma".into(), self.beyond, when(all, Demand::AtMost(0.0003)));
    }
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

/// A cube, and how many pixels were rejected of those that could be judged.
struct JudgedCube {
    cube: MeasuredCube,
    judged: usize,
    rejected: usize,
}

impl JudgedCube {
    /// The share of hits on one pixel in [`EVERY`] that were found, less what was rejected of the
    /// same exposures without hits.
    fn found(&self, none: &Self) -> (f64, f64) {
        let of_hits = self.rejected as f64 - none.rejected as f64;
        let (all, chance) = (self.judged as f64 / EVERY as f64, none.rejected as f64);
        let share = of_hits / all;
        (share, ((share * (1.0 - share)).max(1.0 / all) / all + chance / (all * all)).sqrt())
    }
}

fn drizzle(spx: &SpxRunner, input: &str, options: &[&str]) -> Result<JudgedCube> {
    let position = center()?;
    let [ra, dec] = [format!("--ra={}", position.ra()), format!("--dec={}", position.dec())];
    let side = [format!("--width={SIDE}"), format!("--height={SIDE}")];
    let place = ["drizzle", &ra, &dec, &side[0], &side[1], "--detector=3", "--overwrite"];
    let files = ["--input", input, "--output-dir", "cube"];
    let told = spx.told(&[&place[..], &files[..], options].concat())?;
    let cube = MeasuredCube::read(&spx.path("cube").join("drizzle_D3.fits"))?;
    let [rejected, judged] = counts(&told).unwrap_or_default();
    Ok(JudgedCube { cube, judged, rejected })
}

/// The numbers of `R of J pixels are rejected as outliers`.
fn counts(told: &str) -> Option<[usize; 2]> {
    let (before, _) = told.split_once(" pixels are rejected as outliers")?;
    let mut words = before.split_whitespace().rev();
    let judged = words.next()?.parse().ok()?;
    Some([words.nth(1)?.parse().ok()?, judged])
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
