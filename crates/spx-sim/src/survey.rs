//! The plan of exposures: where the telescope points, how it is rolled, when, and what the file is
//! called.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_wcs::CelestialWcs;

use crate::calendar::{date, iso_week};
use crate::error::{SimError, check};
use crate::layout::SimulatedRelease;
use crate::optics::{SCALE_ARCSEC, celestial};
use crate::sky::{offset, position_angle};

/// Days from one observation to the next: four to an orbit of 98 minutes.
const CADENCE_DAYS: f64 = 98.0 / 1440.0 / 4.0;

/// One exposure of one detector.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointing {
    /// Tangent point of the projection, CRVAL.
    pub position: Position,
    /// Angle from north to the detector's axes at the tangent point, as it enters the PC matrix
    /// \[deg\].
    pub roll_deg: f64,
    /// Start of the exposure \[MJD, UTC\].
    pub mjd: f64,
    /// Such as `2025W51_1A_0684_2`; the same for all detectors of an observation.
    pub obs_id: String,
    /// The detector.
    pub detector: Detector,
    /// Of the noise and the bad pixels.
    pub seed: u64,
}

impl Pointing {
    /// The name of its file as the archive forms it, e.g.
    /// `level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits`.
    pub fn file_name(&self, release: SimulatedRelease) -> String {
        format!("level2_{}{}_spx_{}.fits", self.obs_id, self.detector, self.processing(release))
    }

    /// The path of its file in the archive, below `/ibe/data/spherex/`, e.g.
    /// `qr2/level2/2025W51_1A/l2b-v21-2025-354/3/level2_...fits`.
    pub fn archive_path(&self, release: SimulatedRelease) -> String {
        // The period is the observation id without the two numbers of the pointing.
        let period = self.obs_id.rsplitn(3, '_').last().unwrap_or(&self.obs_id);
        let (processing, number) = (self.processing(release), self.detector.number());
        format!("{}/level2/{period}/{processing}/{number}/{}", release.name(), self.file_name(release))
    }

    /// `l2b-v21-2025-354`: pipeline level and date, here two days after the observation, and not
    /// before the release.
    fn processing(&self, release: SimulatedRelease) -> String {
        #[expect(clippy::cast_possible_truncation, reason = "a day number")]
        let day = date((self.mjd.floor() as i64 + 2).max(release.first_processing_day()));
        format!("l2b-v{}-{}-{:03}", release.processing_version(), day.year, day.day_of_year)
    }

    /// The celestial WCS of the full frame.
    ///
    /// # Errors
    /// None are known; the header is read back as any other.
    pub fn wcs(&self) -> Result<CelestialWcs, SimError> {
        Ok(CelestialWcs::from_header(&celestial(self.position.ra(), self.position.dec(), self.roll_deg))?)
    }
}

/// How [`survey`] points.
#[derive(Debug, Clone, PartialEq)]
pub struct SurveyOptions {
    /// Observations of each detector.
    pub observations: usize,
    /// The detectors, in the order in which they are wanted.
    pub detectors: Vec<Detector>,
    /// Start of the first observation \[MJD, UTC\].
    pub first_mjd: f64,
    /// Most of the dither along the rows of the detector, across the scan in wavelength \[arcmin\].
    pub dither: f64,
    /// Roll of the first observation, against north in the field's center \[deg\].
    pub roll: f64,
    /// Most of the change in roll from one observation to another \[deg\]; every second half of the
    /// survey is turned by 180 degrees besides, as the real one is after half a year.
    pub roll_spread: f64,
    /// Distance of the field's center from the lower and the upper edge of the detector \[px\] at
    /// the ends of the scan. A negative one lets it pass the edge.
    pub margin: f64,
    /// Of dithers, rolls and the seeds of the exposures.
    pub seed: u64,
}

impl Default for SurveyOptions {
    fn default() -> Self {
        Self {
            observations: 24,
            detectors: Detector::ALL.to_vec(),
            first_mjd: 61_027.214_984_375,
            dither: 30.0,
            roll: 24.7,
            roll_spread: 8.0,
            margin: 30.0,
            seed: 1,
        }
    }
}

/// Plans exposures of a field, by observation, then detector, with times increasing.
///
/// The wavelength of a detector runs along y over its whole height of 3.5 degrees, so the
/// observations carry the field from one end of each detector to the other in even steps: with 20
/// and more of them every channel sees it. Across that scan and in roll they are dithered at
/// random. Unlike in the survey, all detectors look at the field in each observation.
///
/// # Errors
/// Where an option makes no sense.
pub fn survey(center: Position, options: &SurveyOptions) -> Result<Vec<Pointing>, SimError> {
    options.check()?;
    let mut pointings = Vec::with_capacity(options.observations * options.detectors.len());
    for k in 0..options.observations {
        let mjd = options.first_mjd + k as f64 * CADENCE_DAYS;
        let turn = if 2 * k >= options.observations { 180.0 } else { 0.0 };
        for &detector in &options.detectors {
            // Drawn by a generator of its own, so that the choice of detectors does not change the
            // others.
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            rng.set_stream((k as u64) << 8 | u64::from(detector.number()));
            let (position, roll_deg) = options.place(center, k, turn, &mut rng)?;
            let obs_id = observation_id(mjd, k);
            pointings.push(Pointing { position, roll_deg, mjd, obs_id, detector, seed: rng.random() });
        }
    }
    Ok(pointings)
}

impl SurveyOptions {
    fn check(&self) -> Result<(), SimError> {
        check(self.observations <= 40_000, "observations", self.observations, "must be at most 40000")?;
        let mjd = 45.0..=100_000.0;
        check(mjd.contains(&self.first_mjd), "first_mjd", self.first_mjd, "must be a modified Julian day")?;
        check((0.0..=90.0).contains(&self.dither), "dither", self.dither, "must be 0 to 90 arcmin")?;
        check(self.roll.is_finite(), "roll", self.roll, "must be finite")?;
        check(
            (0.0..=180.0).contains(&self.roll_spread),
            "roll_spread",
            self.roll_spread,
            "must be 0 to 180",
        )?;
        check((-500.0..1000.0).contains(&self.margin), "margin", self.margin, "must be -500 to 1000 pixels")
    }

    /// Tangent point and roll of observation `k`.
    fn place(
        &self,
        center: Position,
        k: usize,
        turn: f64,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Position, f64), SimError> {
        let size = Detector::NPIX as f64;
        let mut around_zero = |most: f64| most * (2.0 * rng.random::<f64>() - 1.0);
        let step = (k as f64 + 0.5) / self.observations as f64;
        let x = size / 2.0 + around_zero(self.dither * 60.0 / SCALE_ARCSEC);
        let y = self.margin + step * (size - 2.0 * self.margin) + around_zero(10.0);
        let spread = if k == 0 { 0.0 } else { around_zero(self.roll_spread) };
        point(center, [x, y], self.roll + turn + spread)
    }
}

/// The tangent point and the roll there for which a position falls on a pixel; `roll_deg` is the
/// roll as seen from the position, whose north differs from that at the tangent point near the
/// poles.
fn point(target: Position, pixel: [f64; 2], roll_deg: f64) -> Result<(Position, f64), SimError> {
    // Distance and direction from the tangent point to the pixel do not depend on where on the sky
    // it is.
    let origin = Position::new(180.0, 0.0)?;
    let wcs = CelestialWcs::from_header(&celestial(origin.ra(), origin.dec(), roll_deg))?;
    let [ra, dec] = wcs.pixel_to_sky(pixel[0], pixel[1]);
    let on_pixel = Position::new(ra, dec)?;
    let direction = position_angle(origin, on_pixel);
    let tangent = offset(target, origin.separation(on_pixel), direction + 180.0)?;
    // A roll turns the pixels from north over west, position angles count over east.
    let turn = position_angle(tangent, target) - direction;
    Ok((tangent, (roll_deg - turn).rem_euclid(360.0)))
}

/// `2025W51_1A_0684_2`: year and week, a period, four pointings to a number.
fn observation_id(mjd: f64, k: usize) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a day number")]
    let (year, week) = iso_week(mjd.floor() as i64);
    format!("{year}W{week:02}_1A_{:04}_{}", k / 4, k % 4 + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn at(ra: f64, dec: f64) -> Position {
        Position::new(ra, dec).unwrap()
    }

    #[test]
    fn names_are_the_archives() {
        let pointing = Pointing {
            position: at(10.0, 41.0),
            roll_deg: 0.0,
            mjd: 61027.2,
            obs_id: "2025W51_1A_0684_2".into(),
            detector: Detector::new(3).unwrap(),
            seed: 0,
        };
        let name = "level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits";
        assert_eq!(pointing.file_name(SimulatedRelease::Qr2), name);
        let path = format!("qr2/level2/2025W51_1A/l2b-v21-2025-354/3/{name}");
        assert_eq!(pointing.archive_path(SimulatedRelease::Qr2), path);
        assert!(pointing.archive_path(SimulatedRelease::Qr3).starts_with("qr3/level2/2025W51_1A/"));
    }

    #[test]
    fn the_field_scans_each_detector() {
        for (ra, dec) in [(10.0, 41.0), (359.99, 0.0), (270.0, 66.56), (120.0, -89.0), (5.0, 90.0)] {
            let center = at(ra, dec);
            let options = SurveyOptions::default();
            let plan = survey(center, &options).unwrap();
            assert_eq!(plan.len(), 24 * 6);
            let ids: HashSet<_> = plan.iter().map(|p| (&p.obs_id, p.detector)).collect();
            assert_eq!(ids.len(), plan.len());
            assert!(plan.is_sorted_by(|a, b| a.mjd <= b.mjd));
            for detector in Detector::ALL {
                let pixels = plan.iter().filter(|p| p.detector == detector);
                let mut rows: Vec<f64> = pixels
                    .map(|p| {
                        let [x, y] = p.wcs().unwrap().sky_to_pixel(center).unwrap();
                        assert!((x - 1020.0).abs() < 292.5, "dither of {x} at {dec}");
                        y
                    })
                    .collect();
                rows.sort_by(f64::total_cmp);
                assert!(
                    rows[0] > 0.0 && rows[0] < 120.0 && rows[23] > 1920.0 && rows[23] < 2040.0,
                    "{rows:?}"
                );
                assert!(rows.windows(2).all(|w| w[1] - w[0] < 105.0), "no channel is skipped: {rows:?}");
            }
        }
    }

    #[test]
    fn one_detector_is_planned_as_among_all() {
        let center = at(10.0, 41.0);
        let all = survey(center, &SurveyOptions::default()).unwrap();
        let third = Detector::new(3).unwrap();
        let one = SurveyOptions { detectors: vec![third], ..SurveyOptions::default() };
        let expected: Vec<_> = all.into_iter().filter(|p| p.detector == third).collect();
        assert_eq!(survey(center, &one).unwrap(), expected);
    }
}
