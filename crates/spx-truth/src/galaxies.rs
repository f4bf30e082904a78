//! Galaxies in scenes, and catalogs that are a little off.
//!
//! A galaxy is simulated as many points whose places follow a Sersic profile, so that the simulator
//! shares nothing with the convolution of the fit.

use anyhow::Result;
use spx_core::elementary::{cos, exp, powf, sin_cos};
use spx_core::sky::Position;
use spx_sim::SimulatedRelease;

use crate::photometry::{MeasuredTable, catalog_of, measure_catalog};
use crate::report::{Demand, TruthReport};
use crate::runner::{SimulationSize, SpxRunner};
use crate::scene_frame::{SceneFrame, compare};
use crate::statistics::{median, width};

/// Sersic indices and effective radii \[arcsec\].
const SHAPES: [(f64, f64); 6] = [(1.0, 2.0), (1.0, 5.0), (1.0, 10.0), (4.0, 2.0), (4.0, 5.0), (4.0, 10.0)];
/// Minor over major axis.
const AXIS_RATIO: f64 = 0.6;
/// Points of a galaxy.
const POINTS: usize = 400;
/// Each of them \[uJy\].
const POINT_FLUX: f64 = 1000.0;
/// From one point to the next, so that angles are spread evenly \[rad\].
const GOLDEN_ANGLE: f64 = 2.399_963_229_728_653;
/// How far off a catalog is \[px\].
const OFF: f64 = 0.1;

/// Total fluxes of galaxies whose shapes are known.
pub(crate) fn galaxies(
    spx: &SpxRunner,
    size: SimulationSize,
    release: SimulatedRelease,
    report: &mut TruthReport,
) -> Result<()> {
    let side = size.choose(720, 240);
    let mut frame = SceneFrame::new(34, side)?;
    let mut catalog = "targetid,ra,dec,sersic,r_eff,axis_ratio,pa\n".to_owned();
    let places = frame.grid(60, 1.0);
    for (k, place) in places.iter().enumerate() {
        let (index, r_eff) = SHAPES[k % SHAPES.len()];
        let angle = 180.0 * frame.random();
        let center = frame.sky(*place)?;
        let (ra, dec) = (center.ra(), center.dec());
        catalog.push_str(&format!("G{k},{ra},{dec},{index},{r_eff},{AXIS_RATIO},{angle}\n"));
        for [major, minor] in points(index, r_eff, frame.random()) {
            let (sin, cos_angle) = sin_cos(angle.to_radians());
            let (east, north) = (major * sin + minor * cos_angle, major * cos_angle - minor * sin);
            let ra = center.ra() + east / 3600.0 / cos(center.dec().to_radians());
            frame.star_at(Position::new(ra, center.dec() + north / 3600.0)?, POINT_FLUX);
        }
    }
    frame.simulate(spx, release)?;
    let table = measure_catalog(spx, "frame", &catalog, &["--method=scene"])?;
    spx.forget("frame")?;
    for (kind, (index, r_eff)) in SHAPES.into_iter().enumerate() {
        let of_kind = (0..places.len()).filter(|k| k % SHAPES.len() == kind);
        let ratios: Vec<f64> = of_kind
            .filter_map(|k| Some(table.number(&format!("G{k}"), "flux")? / (POINT_FLUX * POINTS as f64)))
            .collect();
        let what =
            format!("{} galaxies, n {index}, {r_eff}\", {}: flux over truth", ratios.len(), release.name());
        report.add(what, median(&ratios), Demand::Near(1.0, 0.01));
    }
    Ok(())
}

/// Bright lone stars whose places in the catalog are `OFF` px off in any direction.
pub(crate) fn misplaced(
    spx: &SpxRunner,
    size: SimulationSize,
    release: SimulatedRelease,
    report: &mut TruthReport,
) -> Result<()> {
    let mut frame = SceneFrame::new(35, size.choose(720, 240))?;
    let mut listed = Vec::new();
    for [x, y] in frame.grid(24, 2.0) {
        let flux = 3000.0 * powf(10.0, frame.random());
        frame.star([x, y], flux)?;
        let (sin, cos) = sin_cos(std::f64::consts::TAU * frame.random());
        let mut star = frame.stars()[frame.stars().len() - 1].clone();
        star.position = frame.sky([x + OFF * cos, y + OFF * sin])?;
        listed.push(star);
    }
    frame.simulate(spx, release)?;
    let measure = |stars: &[_]| -> Result<MeasuredTable> {
        measure_catalog(spx, "frame", &catalog_of(stars), &["--method=scene"])
    };
    let [right, off] = [measure(frame.stars())?, measure(&listed)?];
    spx.forget("frame")?;
    let ratios = |table: &MeasuredTable| compare(table, frame.stars().iter()).1;
    let label = format!("{} stars, {}", listed.len(), release.name());
    report.add(format!("{label}: flux over truth"), median(&ratios(&right)), Demand::Near(1.0, 0.003));
    // Least squares with equal weights give sum P(x) P(x - d) / sum P(x - d)^2: with the ePSF of
    // D3 (noise area 2.3 px), over all phases and directions, 0.9897 with a width of 0.039, for so
    // narrow a function is sampled differently at either place. Where photons of the star itself
    // are the noise, the weights go toward those of a plain sum, which loses nothing.
    let what = format!("{label}, catalog {OFF} px off: flux over truth");
    report.add(what, median(&ratios(&off)), Demand::AtLeast(0.9897));
    let scatter = format!("{label}, catalog {OFF} px off: width of flux over truth");
    report.add(scatter, width(&ratios(&off)), Demand::AtMost(0.039));
    Ok(())
}

/// Places along major and minor axis \[arcsec\]: at equal shares of the light, at angles that are
/// spread evenly from a random one on.
fn points(index: f64, r_eff: f64, start: f64) -> Vec<[f64; 2]> {
    // Light within an exponent t goes as the integral of t^(2n - 1) exp(-t); t as u^2, for it rises
    // steeply.
    let steps = 20_000;
    let exponent = |k: usize| (8.0 * k as f64 / steps as f64).powi(2);
    let mut within = vec![0.0];
    for k in 0..steps {
        let (from, to) = (exponent(k), exponent(k + 1));
        let middle = 0.5 * (from + to);
        within.push(within[k] + powf(middle, 2.0 * index - 1.0) * exp(-middle) * (to - from));
    }
    let at = |share: f64| exponent(within.partition_point(|light| *light < share * within[steps]));
    let half = at(0.5);
    let place = |k: usize| {
        let radius = r_eff * powf(at((k as f64 + 0.5) / POINTS as f64) / half, index);
        let (sin, cos) = sin_cos(std::f64::consts::TAU * start + GOLDEN_ANGLE * k as f64);
        [radius * cos, AXIS_RATIO * radius * sin]
    };
    (0..POINTS).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of the points lie within the effective radius; of an exponential disk 80 % within
    /// 1.784 of it (Graham & Driver 2005).
    #[test]
    fn points_follow_the_profile() {
        let within = |index: f64, radius: f64| {
            let far = |[major, minor]: &[f64; 2]| major.powi(2) + (minor / AXIS_RATIO).powi(2);
            let places = points(index, 1.0, 0.3);
            places.iter().filter(|place| far(place) < radius * radius).count() as f64 / POINTS as f64
        };
        for index in [1.0, 4.0] {
            assert!((within(index, 1.0) - 0.5).abs() < 0.005, "{index}");
        }
        assert!((within(1.0, 1.784) - 0.8).abs() < 0.005, "{}", within(1.0, 1.784));
    }
}
