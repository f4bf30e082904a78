//! A cube of stars and of blank sky.
//!
//! Each exposure is simulated twice: as it is observed, and with the expected IMAGE beside the same
//! VARIANCE and FLAGS. A cube of the latter shows what weights that know the *sources* do to the
//! flux, without noise; the difference of the two shows what weights that know the *noise* do. The
//! noise of that difference is much smaller when the same with equal weights, which are linear in
//! the pixels and cannot be biased by noise, is subtracted from it.

use anyhow::{Context, Result};
use fastrand::Rng;
use spx_core::detector::Detector;
use spx_core::elementary::{cos, powf};
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_sim::compare::measure;
use spx_sim::{
    ExposureOptions, FrameExtent, Pointing, RealisticOptions, SimulatedSky, SimulatedStar, SurveyOptions,
    survey,
};

use crate::report::{Demand, TruthReport};
use crate::runner::{MeasuredCube, SimulationSize, SpxRunner, center};
use crate::statistics::{mean, weighted_mean};

/// Side of the cube \[arcmin\], and of the cutouts \[px\]: the cube's diagonal and some more.
const SIDE: f64 = 13.0;
const CUTOUT: usize = 190;
/// Distance of the stars \[arcsec\].
const SPACING: f64 = 62.0;
/// Flux that is one standard deviation of a PSF fit on one exposure \[uJy\], nearly.
pub(crate) const UJY_PER_SIGMA: f64 = 44.0;
/// Radius of the apertures \[px\]; all light lies within.
const APERTURE: f64 = 4.5;
/// Half of the side of the square over which the noise is weighted with the star \[px\].
const REACH: i64 = 4;
/// The weights that are compared; none weights all pixels alike.
const WEIGHTS: [&str; 4] = ["none", "ivm-smooth", "exptime", "ivm"];
/// Decades of the flux in standard deviations an exposure.
const DECADES: [[f64; 2]; 4] = [[0.1, 1.0], [1.0, 10.0], [10.0, 100.0], [100.0, 1000.0]];

/// Measures fluxes, centroids, blank sky and VARIANCE of a cube from 220 exposures with stars of
/// 0.1 to 1,000 standard deviations an exposure, for each weight, with the zodiacal light fitted
/// and static.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub fn cube(spx: &SpxRunner, size: SimulationSize) -> Result<TruthReport> {
    let sky = sky()?;
    for (name, noisy) in [("observed", true), ("expected", false)] {
        spx.simulate(name, &sky, &exposures(size.choose(220, 50), noisy)?)?;
    }
    let mut report = TruthReport::default();
    for background in ["fit", "static"] {
        let plain = CubePair::make(spx, "none", background)?;
        for weight in WEIGHTS {
            let pair = match weight {
                "none" => None,
                _ => Some(CubePair::make(spx, weight, background)?),
            };
            let demands = weight != "ivm";
            let label = format!("{weight}, {background}");
            let lowest = if demands { 1.0 } else { f64::INFINITY };
            pair.as_ref().unwrap_or(&plain).report(Some(&plain), &sky, &label, lowest, &mut report)?;
        }
    }
    let defaults = CubePair::make_with(spx, "default", &[])?;
    // Other pixels take part than in the plain cube, so that the noise of faint stars stays.
    defaults.report(None, &sky, "all defaults", 10.0, &mut report)?;
    if spx.knows("drizzle", "--reject")? {
        let rejecting = CubePair::make_with(spx, "reject", &["--reject=4.5"])?;
        rejecting.report(None, &sky, "--reject 4.5", 10.0, &mut report)?;
    }
    Ok(report)
}

/// Stars on a grid over the half of the cube that has the larger right ascension.
fn sky() -> Result<SimulatedSky> {
    let center = center()?;
    let mut rng = Rng::with_seed(14);
    let mut stars = Vec::new();
    let half = SIDE * 30.0;
    for row in -5_i32..=5 {
        for column in 0..5_i32 {
            let mut jitter = || (rng.f64() - 0.5) * 6.0;
            let (east, north) = (
                half / 2.0 + f64::from(column - 2) * SPACING + jitter(),
                f64::from(row) * SPACING + jitter(),
            );
            let dec = center.dec() + north / 3600.0;
            let ra = center.ra() + east / 3600.0 / cos(center.dec().to_radians());
            // Each decade is seen in each part of the field.
            let decade = DECADES[stars.len() % DECADES.len()];
            let sigmas = decade[0] * powf(decade[1] / decade[0], rng.f64());
            let (id, flux_2um) = (format!("{}", stars.len()), UJY_PER_SIGMA * sigmas);
            stars.push(SimulatedStar { id, position: Position::new(ra, dec)?, flux_2um, slope: 0.0 });
        }
    }
    Ok(SimulatedSky { stars, ..SimulatedSky::default() })
}

fn exposures(number: usize, noisy_image: bool) -> Result<Vec<(Pointing, ExposureOptions)>> {
    let detectors = vec![Detector::new(3)?];
    let plan = SurveyOptions { observations: number, detectors, margin: 60.0, ..SurveyOptions::default() };
    let frame = FrameExtent::Around { position: center()?, size: CUTOUT };
    let realism = Some(RealisticOptions { noisy_image, ..RealisticOptions::default() });
    let options = ExposureOptions { frame, realism, ..ExposureOptions::default() };
    Ok(survey(center()?, &plan)?.into_iter().map(|pointing| (pointing, options.clone())).collect())
}

/// The cubes of what was observed and of what was expected.
struct CubePair {
    observed: MeasuredCube,
    expected: MeasuredCube,
}

impl CubePair {
    fn make(spx: &SpxRunner, weight: &str, background: &str) -> Result<Self> {
        let weight_option = format!("--weight={weight}");
        let mut options = vec![weight_option.as_str(), "--exclude-flags=photometry"];
        if background == "static" {
            options.push("--static-zodi");
        }
        Self::make_with(spx, &format!("{weight}_{background}"), &options)
    }

    fn make_with(spx: &SpxRunner, name: &str, options: &[&str]) -> Result<Self> {
        let make = |input: &str| -> Result<MeasuredCube> {
            let output = format!("cube_{name}_{input}");
            let position = center()?;
            let [ra, dec] = [format!("--ra={}", position.ra()), format!("--dec={}", position.dec())];
            let side = [format!("--width={SIDE}"), format!("--height={SIDE}")];
            let place = ["drizzle", &ra, &dec, &side[0], &side[1], "--detector=3", "--overwrite"];
            let files = ["--input", input, "--output-dir", &output];
            spx.run(&[&place[..], &files[..], options].concat())?;
            MeasuredCube::read(&spx.path(&output).join("drizzle_D3.fits"))
        };
        Ok(Self { observed: make("observed")?, expected: make("expected")? })
    }

    /// Adds all figures; `plain` has the same pixels with equal weights. Demands are made of stars
    /// from `lowest` standard deviations on.
    fn report(
        &self,
        plain: Option<&Self>,
        sky: &SimulatedSky,
        label: &str,
        lowest: f64,
        report: &mut TruthReport,
    ) -> Result<()> {
        let demands = lowest.is_finite();
        let when = |condition: bool, demand: Demand| if condition { demand } else { Demand::None };
        let mut offsets = [Vec::new(), Vec::new()];
        for decade in DECADES {
            let within = |star: &&SimulatedStar| {
                let sigmas = star.flux_2um / UJY_PER_SIGMA;
                (decade[0]..decade[1]).contains(&sigmas)
            };
            let (mut bias, mut weights) = (Vec::new(), Vec::new());
            for star in sky.stars.iter().filter(within) {
                let measured = self.star(plain, star)?;
                bias.push(measured.bias);
                weights.push(star.flux_2um.powi(2));
                offsets[0].push(measured.offset[0]);
                offsets[1].push(measured.offset[1]);
            }
            let what = format!("cube, {label}: flux bias, {} to {} sigma", decade[0], decade[1]);
            let demand = when(decade[0] >= lowest, Demand::Near(0.0, 0.003));
            report.add(what, weighted_mean(&bias, &weights), demand);
        }
        for (axis, offsets) in ["x", "y"].iter().zip(&offsets) {
            let what = format!("cube, {label}: offset of centroids in {axis} [px]");
            report.add(what, mean(offsets), when(demands, Demand::Near(0.0, 0.02)));
        }
        let (sky_mean, chi2) = self.blank_sky();
        let what = format!("cube, {label}: blank sky over a voxel's sigma");
        report.add(what, mean(&sky_mean), when(demands, Demand::Near(0.0, 0.03)));
        let what = format!("cube, {label}: true variance over VARIANCE");
        report.add(what, mean(&chi2), when(demands, Demand::Near(1.0, 0.03)));
        Ok(())
    }

    fn star(&self, plain: Option<&Self>, star: &SimulatedStar) -> Result<StarBias> {
        let cube = &self.expected;
        let [x, y] = cube.grid.wcs().sky_to_pixel(star.position).context("a star beyond the cube")?;
        let area = UJY_PER_ARCSEC2_PER_MJY_PER_SR * cube.grid.wcs().pixel_area(x, y);
        let (mut found, mut expected, mut offset) = (0.0, 0.0, [0.0; 2]);
        let (mut noise, mut signal, mut planes) = (0.0, 0.0, 0.0);
        for z in 0..cube.shape[0] {
            let spot = measure(cube.plane(z), cube.grid.shape(), [x, y], APERTURE);
            let Some(spot) = spot else { continue };
            found += spot.sum * area;
            expected += star.flux_2um;
            offset = [offset[0] + spot.offset[0], offset[1] + spot.offset[1]];
            planes += 1.0;
            let template = self.template(z, [x, y]);
            for &(k, value) in &template {
                noise += value * (self.noise(z, k) - plain.map_or(0.0, |plain| plain.noise(z, k)));
            }
            signal += template.iter().map(|(_, value)| value * value).sum::<f64>();
        }
        let offset = offset.map(|sum| sum / planes);
        Ok(StarBias { bias: found / expected - 1.0 + noise / signal, offset })
    }

    /// What the noise did to a pixel of a plane; nothing where there are no data.
    fn noise(&self, z: usize, k: usize) -> f64 {
        let value = f64::from(self.observed.plane(z)[k]) - f64::from(self.expected.plane(z)[k]);
        if value.is_finite() { value } else { 0.0 }
    }

    /// The star less its mean over a square, by pixel: the weights of a fit of star and constant.
    fn template(&self, z: usize, [x, y]: [f64; 2]) -> Vec<(usize, f64)> {
        let [_, ny, nx] = self.expected.shape;
        let plane = self.expected.plane(z);
        let mut pixels = Vec::new();
        #[expect(clippy::cast_possible_truncation, reason = "a pixel of the cube")]
        let [cx, cy] = [x, y].map(|v| v.round() as i64);
        for j in cy - REACH..=cy + REACH {
            for i in cx - REACH..=cx + REACH {
                let place = usize::try_from(i).ok().zip(usize::try_from(j).ok());
                let Some((i, j)) = place.filter(|p| p.0 < nx && p.1 < ny) else { continue };
                let value = f64::from(plane[j * nx + i]);
                if value.is_finite() {
                    pixels.push((j * nx + i, value));
                }
            }
        }
        let middle = pixels.iter().map(|p| p.1).sum::<f64>() / pixels.len().max(1) as f64;
        pixels.iter_mut().for_each(|pixel| pixel.1 -= middle);
        pixels
    }

    /// SCI over its error, and the squared noise over VARIANCE, in blocks of 8 x 8 voxels of the
    /// half without stars; the noise of blocks is nearly independent.
    fn blank_sky(&self) -> (Vec<f64>, Vec<f64>) {
        let [nz, ny, nx] = self.observed.shape;
        let (mut means, mut squares) = (Vec::new(), Vec::new());
        for z in 0..nz {
            for (j, i) in (1..ny / 8 - 1).flat_map(|j| (1..nx / 8 - 1).map(move |i| (8 * j, 8 * i))) {
                // Right ascension falls as x grows: the stars stand at small x.
                if i < nx / 2 + 12 {
                    continue;
                }
                let (mut sum, mut square, mut count) = (0.0, 0.0, 0.0);
                for k in (j..j + 8).flat_map(|j| (i..i + 8).map(move |i| j * nx + i)) {
                    let variance = f64::from(self.observed.variance[z * ny * nx + k]);
                    let value = f64::from(self.observed.plane(z)[k]);
                    if value.is_finite() && variance > 0.0 {
                        sum += value / variance.sqrt();
                        square += self.noise(z, k).powi(2) / variance;
                        count += 1.0;
                    }
                }
                if count > 0.0 {
                    means.push(sum / count);
                    squares.push(square / count);
                }
            }
        }
        (means, squares)
    }
}

/// What was found of a star.
struct StarBias {
    /// Of its flux, relative.
    bias: f64,
    /// Of its place \[px\].
    offset: [f64; 2],
}
