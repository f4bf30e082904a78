//! The zodiacal light: its scale on skies that make it hard to find, what the fit leaves of
//! extended sources and of airglow.

use anyhow::{Context, Result};
use fastrand::Rng;
use spx_core::detector::Detector;
use spx_core::elementary::{cos, powf};
use spx_core::sky::Position;
use spx_sim::{
    ExposureOptions, ExtendedSource, FrameExtent, Pointing, RealisticOptions, SimulatedSky, SimulatedStar,
    SurfaceProfile, SurveyOptions, ZodiModel, survey,
};

use crate::report::{Demand, TruthReport};
use crate::runner::{MeasuredCube, SimulationSize, SpxRunner, center};
use crate::statistics::mean;

/// Measures the scale on blank and crowded skies, the flux of a galaxy and a nebula in cutouts of
/// 150 pixels, and what airglow leaves in a cube.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub fn zodiacal(spx: &SpxRunner, size: SimulationSize) -> Result<TruthReport> {
    let mut report = TruthReport::default();
    scales(spx, size, &mut report)?;
    extended(spx, size, &mut report)?;
    airglow(spx, size, &mut report)?;
    Ok(report)
}

/// Exposures of a detector, cutouts around the center.
pub(crate) fn exposures(
    detector: i64,
    number: usize,
    pixels: usize,
    change: impl Fn(&mut ExposureOptions, &mut RealisticOptions),
) -> Result<Vec<(Pointing, ExposureOptions)>> {
    let detectors = vec![Detector::new(detector)?];
    let plan = SurveyOptions { observations: number, detectors, margin: 60.0, ..SurveyOptions::default() };
    let frame = FrameExtent::Around { position: center()?, size: pixels };
    let mut options = ExposureOptions { frame, ..ExposureOptions::default() };
    let mut realism = RealisticOptions::default();
    change(&mut options, &mut realism);
    options.realism = Some(realism);
    Ok(survey(center()?, &plan)?.into_iter().map(|pointing| (pointing, options.clone())).collect())
}

/// Stars evenly over a field of this radius \[deg\].
fn crowd(number: usize, radius: f64) -> Result<SimulatedSky> {
    let (center, mut rng) = (center()?, Rng::with_seed(5));
    let stars = (0..number).map(|k| -> Result<SimulatedStar> {
        let mut around = || radius * (2.0 * rng.f64() - 1.0);
        let (east, north) = (around(), around());
        let ra = center.ra() + east / cos(center.dec().to_radians());
        let position = Position::new(ra, center.dec() + north)?;
        let flux_2um = 200.0 * powf(100_f64, rng.f64());
        Ok(SimulatedStar { id: k.to_string(), position, flux_2um, slope: 0.0 })
    });
    Ok(SimulatedSky { stars: stars.collect::<Result<_>>()?, ..SimulatedSky::default() })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of stars")]
fn scales(spx: &SpxRunner, size: SimulationSize, report: &mut TruthReport) -> Result<()> {
    let steep = ZodiModel { gradient: [0.3, -0.2], ..ZodiModel::default() };
    let blank = SimulatedSky::default();
    let pixels = size.choose(400, 250);
    let radius = pixels as f64 * 6.155 / 3600.0 * 0.75;
    let crowded = |per_pixel: f64| crowd((per_pixel * (1.5 * pixels as f64).powi(2)) as usize, radius);
    let skies = [
        ("blank sky", blank.clone(), 1.0),
        ("model too low by 5 %", blank.clone(), 1.05),
        ("steep gradient", SimulatedSky { zodi: steep, ..blank }, 1.0),
        ("crowded", crowded(0.02)?, 1.03),
        ("very crowded", crowded(0.06)?, 1.03),
        ("most crowded", crowded(0.107)?, 1.03),
    ];
    // The densest crowd leaves less background than a fit needs by default.
    let count = size.choose(skies.len(), 4);
    for (label, sky, truth) in skies.into_iter().take(count) {
        let list = exposures(3, size.choose(24, 6), pixels, |options, realism| {
            options.zodi_scale = truth;
            // A catalog of sources knows faint ones, and how far their light reaches.
            realism.source_threshold = 0.01;
        })?;
        let covered = source_share(&sky, &list[0])?;
        spx.simulate("scales", &sky, &list)?;
        let found = measured_scales(spx, "scales")?;
        spx.forget("scales")?;
        let what = format!("zodiacal scale over truth, {label}, {:.0} % SOURCE", 100.0 * covered);
        let (value, error) = mean(&found);
        report.add(what, (value / truth, error / truth), Demand::Near(1.0, 5e-4));
    }
    Ok(())
}

/// Share of the pixels of an exposure that are flagged SOURCE.
fn source_share(sky: &SimulatedSky, (pointing, options): &(Pointing, ExposureOptions)) -> Result<f64> {
    let flags = spx_sim::observe(sky, pointing, options)?.planes.flags;
    Ok(flags.iter().filter(|&&flags| flags & 1 << 21 != 0).count() as f64 / flags.len() as f64)
}

/// The scales that were fitted to the images of a directory, as the tables of measurements tell
/// them.
fn measured_scales(spx: &SpxRunner, input: &str) -> Result<Vec<f64>> {
    let position = center()?;
    let [ra, dec] = [format!("--ra={}", position.ra()), format!("--dec={}", position.dec())];
    let table = spx.run(&["photometry", input, &ra, &dec])?;
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(table.as_bytes());
    let column = reader.headers()?.iter().position(|name| name == "zodi_scale").context("zodi_scale")?;
    let mut scales = Vec::new();
    for record in reader.records() {
        let record = record?;
        scales.extend(record.get(column).and_then(|cell| cell.parse::<f64>().ok()));
    }
    Ok(scales)
}

/// A galaxy and a nebula in small cutouts: the flux within the mask that is left of theirs.
fn extended(spx: &SpxRunner, size: SimulationSize, report: &mut TruthReport) -> Result<()> {
    let position = center()?;
    let sources = [
        ("galaxy exp(-r/90\")", SurfaceProfile::Exponential, 90.0, 4e5, 450.0),
        ("uniform nebula of 200\"", SurfaceProfile::Uniform, 200.0, 4e5, 230.0),
    ];
    for (label, profile, radius, flux_2um, mask) in sources {
        let aperture = f64::min(mask, 330.0);
        let id = label.to_owned();
        let source = ExtendedSource { id, position, flux_2um, slope: 0.0, profile, radius };
        let sky = SimulatedSky { extended: vec![source.clone()], ..SimulatedSky::default() };
        spx.simulate("extended", &sky, &exposures(3, size.choose(40, 12), 150, |_, _| {})?)?;
        let region = format!("--background-exclude={},{},{mask}", position.ra(), position.dec());
        let mut ways = vec![("no mask", Vec::new(), Demand::None)];
        if spx.knows("drizzle", "--background-exclude")? {
            ways.push(("mask", vec![region.as_str()], Demand::Near(1.0, 0.01)));
        }
        for (way, options, demand) in ways {
            let cube = drizzle(spx, "extended", 3, 2.0 * aperture / 60.0 + 0.5, &options)?;
            let kept = flux_within(&cube, &source, aperture);
            report.add(format!("flux kept of a {label}, {way}"), mean(&kept), demand);
        }
        spx.forget("extended")?;
    }
    Ok(())
}

/// Flux within a radius \[arcsec\] over the truth, plane by plane; planes with gaps there are left
/// out.
pub(crate) fn flux_within(cube: &MeasuredCube, source: &ExtendedSource, radius: f64) -> Vec<f64> {
    let [nz, ny, nx] = cube.shape;
    let wcs = cube.grid.wcs();
    let inside: Vec<(usize, f64, f64)> = (0..ny * nx)
        .filter_map(|k| {
            let (x, y) = ((k % nx) as f64, (k / nx) as f64);
            let [ra, dec] = wcs.pixel_to_sky(x, y);
            let distance = Position::new(ra, dec).ok()?.separation(source.position) * 3600.0;
            (distance < radius).then(|| (k, distance, wcs.pixel_area(x, y)))
        })
        .collect();
    let truth: f64 = inside.iter().map(|p| source.surface_brightness(p.1, 2.0) * p.2).sum();
    let flux = |z: usize| inside.iter().map(|p| f64::from(cube.plane(z)[p.0]) * p.2).sum::<f64>();
    (0..nz).map(flux).filter(|flux| flux.is_finite()).map(|flux| flux / truth).collect()
}

/// What is left of He I in the planes of a cube of D1.
fn airglow(spx: &SpxRunner, size: SimulationSize, report: &mut TruthReport) -> Result<()> {
    let spectral = spx.knows("drizzle", "--background ")?;
    for strength in [0.0, 1.0, 3.0] {
        let list = exposures(1, size.choose(60, 40), 150, |_, realism| realism.airglow = strength)?;
        spx.simulate("airglow", &SimulatedSky::default(), &list)?;
        let mut ways = vec![("fit", Vec::new(), Demand::None)];
        if spectral {
            ways.push(("spectral", vec!["--background=spectral"], Demand::AtMost(0.2)));
        }
        for (way, options, demand) in ways {
            let cube = drizzle(spx, "airglow", 1, 8.0, &options)?;
            let what = format!("largest mean of a plane [voxel sigma], He I {strength} x zodi, {way}");
            report.add(what, worst_plane(&cube), demand);
        }
        spx.forget("airglow")?;
    }
    Ok(())
}

/// The largest absolute mean of SCI over its error among the planes, and the error of such a mean.
fn worst_plane(cube: &MeasuredCube) -> (f64, f64) {
    let count = cube.shape[1] * cube.shape[2];
    let means = (0..cube.shape[0]).map(|z| {
        let variance = &cube.variance[z * count..(z + 1) * count];
        let pixels = cube.plane(z).iter().zip(variance);
        let ratios: Vec<f64> = pixels
            .map(|(s, v)| f64::from(*s) / f64::from(*v).sqrt())
            .filter(|ratio| ratio.is_finite())
            .collect();
        // Neighbors share pixels: about four voxels are one independent value.
        let (value, error) = mean(&ratios);
        (value.abs(), 2.0 * error)
    });
    means.filter(|m| m.0.is_finite()).fold((0.0, 0.0), |worst, m| if m.0 > worst.0 { m } else { worst })
}

pub(crate) fn drizzle(
    spx: &SpxRunner,
    input: &str,
    detector: u8,
    side: f64,
    options: &[&str],
) -> Result<MeasuredCube> {
    let position = center()?;
    let [ra, dec] = [format!("--ra={}", position.ra()), format!("--dec={}", position.dec())];
    let side = [format!("--width={side}"), format!("--height={side}")];
    let detector_option = format!("--detector={detector}");
    let weight = ["--weight=ivm-smooth", "--exclude-flags=photometry"];
    let place = ["drizzle", &ra, &dec, &side[0], &side[1], &detector_option, "--overwrite"];
    let files = ["--input", input, "--output-dir", "cube"];
    spx.run(&[&place[..], &files[..], &weight[..], options].concat())?;
    MeasuredCube::read(&spx.path("cube").join(format!("drizzle_D{detector}.fits")))
}
