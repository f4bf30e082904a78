//! A deep field: sources that overlap, on as many visits as a pole of the ecliptic has.
//!
//! The mean over all visits shows what noise hides on one: a bias of 0.3 % of a source of one
//! standard deviation a visit is half a standard deviation of the mean of 20,000.

use anyhow::Result;
use spx_core::detector::Detector;
use spx_core::elementary::{cos, sin_cos};
use spx_core::sky::Position;
use spx_sim::{
    ExposureOptions, FrameExtent, RealisticOptions, SimulatedRelease, SimulatedSky, SimulatedStar,
    SurveyOptions, survey,
};

use crate::cube::UJY_PER_SIGMA;
use crate::photometry::{MeasuredTable, catalog_of, measure_images};
use crate::report::{Demand, TruthReport};
use crate::runner::{SimulationSize, SpxRunner, center};
use crate::statistics::{mean, width};

/// Fluxes in standard deviations of a visit to a lone star.
const SIGNALS: [f64; 9] = [100.0, 3.0, 30.0, 10.0, 1.0, 10.0, 30.0, 0.3, 100.0];
/// Distance of the stars on their grid \[arcsec\], 3 px, and side of the cutouts \[px\].
const SPACING: f64 = 18.45;
const CUTOUT: usize = 30;
/// Observations by all six detectors, and those that are on the disk at a time.
const OBSERVATIONS: usize = 3_334;
const AT_A_TIME: usize = 100;

/// Measures nine stars, one every three pixels, and a pair at 1.5 px on 20,004 visits by `--method
/// scene`.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub fn deep(spx: &SpxRunner, size: SimulationSize) -> Result<TruthReport> {
    let sky = field()?;
    let observations = size.choose(OBSERVATIONS, 24);
    let plan = SurveyOptions { observations, margin: 20.0, ..SurveyOptions::default() };
    let frame = FrameExtent::Around { position: center()?, size: CUTOUT };
    let exposures: Vec<_> = survey(center()?, &plan)?
        .into_iter()
        .enumerate()
        .map(|(k, pointing)| {
            // Both releases, all detectors of an observation in the same one.
            let release = [SimulatedRelease::Qr2, SimulatedRelease::Qr3][k / Detector::ALL.len() % 2];
            let realism = Some(RealisticOptions::default());
            (pointing, ExposureOptions { release, frame, realism, ..ExposureOptions::default() })
        })
        .collect();
    let catalog = catalog_of(&sky.stars);
    let mut found: Vec<Vec<(f64, f64)>> = vec![Vec::new(); sky.stars.len()];
    for visits in exposures.chunks(AT_A_TIME * Detector::ALL.len()) {
        spx.simulate("visits", &sky, visits)?;
        for table in measure_images(spx, "visits", &catalog, &["--method=scene"])? {
            for (star, found) in sky.stars.iter().zip(&mut found) {
                found.extend(good(&table, &star.id));
            }
        }
        spx.forget("visits")?;
    }
    let mut report = TruthReport::default();
    let visits = exposures.len();
    for (star, found) in sky.stars.iter().zip(&found) {
        let signal = star.flux_2um / UJY_PER_SIGMA;
        let label = format!("deep field, {} of {visits} visits, {signal} sigma a visit", found.len());
        let ratios: Vec<f64> = found.iter().map(|(flux, _)| flux / star.flux_2um).collect();
        report.add(format!("{label}: mean flux over truth"), mean(&ratios), Demand::Near(1.0, 0.003));
        let pulls: Vec<f64> = found.iter().map(|(flux, error)| (flux - star.flux_2um) / error).collect();
        report.add(format!("{label}: width of pulls"), width(&pulls), Demand::Near(1.015, 0.065));
    }
    Ok(report)
}

/// Flux and error where a star is measured and good.
fn good(table: &MeasuredTable, id: &str) -> Option<(f64, f64)> {
    let is_good = table.text(id, "is_good").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    Some((table.number(id, "flux")?, table.number(id, "flux_error")?)).filter(|_| is_good)
}

/// A square of stars, and beside the middle one, which is faint, one of ten times its flux.
fn field() -> Result<SimulatedSky> {
    let center = center()?;
    let at = |east: f64, north: f64| -> Result<Position> {
        let ra = center.ra() + east / 3600.0 / cos(center.dec().to_radians());
        Ok(Position::new(ra, center.dec() + north / 3600.0)?)
    };
    let mut stars = Vec::new();
    let mut star = |signal: f64, position: Position| {
        let (id, flux_2um) = (format!("S{}", stars.len()), UJY_PER_SIGMA * signal);
        stars.push(SimulatedStar { id, position, flux_2um, slope: 0.0 });
    };
    for (k, signal) in SIGNALS.into_iter().enumerate() {
        let (column, row) = ((k % 3) as f64 - 1.0, (k / 3) as f64 - 1.0);
        star(signal, at(SPACING * column, SPACING * row)?);
    }
    let (sin, cos) = sin_cos(40.0_f64.to_radians());
    star(10.0, at(0.5 * SPACING * cos, 0.5 * SPACING * sin)?);
    Ok(SimulatedSky { stars, ..SimulatedSky::default() })
}
