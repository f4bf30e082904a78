//! The synthetic sky: what there is to be measured.

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use spx_core::elementary::{asin, atan2, cos, exp, hypot, ln, powf, sin, sin_cos};
use spx_core::map::Passband;
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;

use crate::error::{SimError, check};

/// Wavelength at which fluxes are given \[um\].
pub(crate) const REFERENCE_UM: f64 = 2.0;

/// A point source with a power-law spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedStar {
    /// Its name in the truth table.
    pub id: String,
    /// Where it is.
    pub position: Position,
    /// f_nu at 2 um \[uJy\].
    pub flux_2um: f64,
    /// f_nu = flux_2um * (wavelength / 2 um)^slope.
    pub slope: f64,
}

impl SimulatedStar {
    /// f_nu \[uJy\] at a wavelength \[um\].
    pub fn flux(&self, wavelength: f64) -> f64 {
        power_law(self.flux_2um, self.slope, wavelength)
    }
}

/// A point source that shines in one narrow line.
#[derive(Debug, Clone, PartialEq)]
pub struct LineSource {
    /// Its name.
    pub id: String,
    /// Where it is.
    pub position: Position,
    /// Wavelength of the line \[um\].
    pub wavelength: f64,
    /// f_nu integrated over the wavelength \[uJy um\]: a passband that holds the line sees this
    /// over its width.
    pub strength: f64,
}

impl LineSource {
    /// Mean of f_nu \[uJy\] over a passband.
    pub fn flux(&self, band: Passband) -> f64 {
        if (self.wavelength - band.center).abs() < band.width / 2.0 {
            self.strength / band.width
        } else {
            0.0
        }
    }
}

/// How the surface brightness of a source falls with the distance from its center; the radius is
/// the source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SurfaceProfile {
    /// A Gaussian; half of the flux lies within the radius.
    #[default]
    Gaussian,
    /// exp(-distance / radius), a galaxy's disk.
    Exponential,
    /// Uniform within the radius, a nebula.
    Uniform,
}

/// A round source with a power-law spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtendedSource {
    /// Its name in the truth table.
    pub id: String,
    /// Its center.
    pub position: Position,
    /// f_nu of all of it at 2 um \[uJy\].
    pub flux_2um: f64,
    /// f_nu = flux_2um * (wavelength / 2 um)^slope.
    pub slope: f64,
    /// Its profile.
    pub profile: SurfaceProfile,
    /// Radius \[arcsec\]; the profile says what it is.
    pub radius: f64,
}

impl ExtendedSource {
    /// f_nu of all of it \[uJy\] at a wavelength \[um\].
    pub fn flux(&self, wavelength: f64) -> f64 {
        power_law(self.flux_2um, self.slope, wavelength)
    }

    /// Distance from the center beyond which at most 1e-4 of the flux lies \[arcsec\].
    pub fn reach(&self) -> f64 {
        match self.profile {
            SurfaceProfile::Gaussian => 4.3 * self.sigma(),
            SurfaceProfile::Exponential => 12.0 * self.radius,
            SurfaceProfile::Uniform => self.radius,
        }
    }

    /// Standard deviation of a Gaussian profile \[arcsec\]: half of its flux lies within sqrt(2 ln
    /// 2) of it.
    pub fn sigma(&self) -> f64 {
        self.radius / (2.0 * std::f64::consts::LN_2).sqrt()
    }

    /// Surface brightness \[MJy/sr\] at a distance from its center \[arcsec\] and a wavelength
    /// \[um\], before it is blurred by the telescope.
    pub fn surface_brightness(&self, distance: f64, wavelength: f64) -> f64 {
        let area = std::f64::consts::TAU * self.radius.powi(2);
        let per_arcsec2 = match self.profile {
            SurfaceProfile::Gaussian => {
                let variance = self.sigma().powi(2);
                exp(-0.5 * distance * distance / variance) / (std::f64::consts::TAU * variance)
            }
            SurfaceProfile::Exponential => exp(-distance / self.radius) / area,
            SurfaceProfile::Uniform if distance <= self.radius => 2.0 / area,
            SurfaceProfile::Uniform => 0.0,
        };
        self.flux(wavelength) * per_arcsec2 / UJY_PER_ARCSEC2_PER_MJY_PER_SR
    }
}

fn power_law(flux_2um: f64, slope: f64, wavelength: f64) -> f64 {
    flux_2um * powf(wavelength / REFERENCE_UM, slope)
}

/// Zodiacal light: a power law in wavelength that varies gently over the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZodiModel {
    /// Surface brightness at 2 um in the middle of the frame \[MJy/sr\].
    pub level: f64,
    /// Exponent of the power law.
    pub slope: f64,
    /// Relative change from the middle to the right edge and to the upper edge of the frame.
    pub gradient: [f64; 2],
}

impl Default for ZodiModel {
    fn default() -> Self {
        Self { level: 0.3, slope: -0.5, gradient: [0.05, -0.03] }
    }
}

impl ZodiModel {
    /// Surface brightness \[MJy/sr\] at a pixel of the full frame and a wavelength \[um\].
    pub fn at(&self, x: f64, y: f64, wavelength: f64) -> f64 {
        let tilt = self.gradient[0] * (x - 1020.0) / 1020.0 + self.gradient[1] * (y - 1020.0) / 1020.0;
        self.level * (1.0 + tilt) * powf(wavelength / REFERENCE_UM, self.slope)
    }
}

/// How [`SimulatedSky::field`] is populated.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldOptions {
    /// Faintest and brightest star at 2 um \[uJy\]; magnitudes are spread evenly between.
    pub flux_range: [f64; 2],
    /// Range of the exponents of the spectra.
    pub slope_range: [f64; 2],
    /// Distance that neighbors keep where there is room \[arcsec\].
    pub separation: f64,
    /// f_nu at 2 um of the first star, which then stands in the center of the field \[uJy\].
    pub central_flux: Option<f64>,
    /// f_nu at 2 um of the extended source, if there is to be one \[uJy\].
    pub extended_flux: Option<f64>,
    /// Half-light radius of the extended source \[arcsec\].
    pub extended_radius: f64,
    /// Zodiacal light.
    pub zodi: ZodiModel,
}

impl Default for FieldOptions {
    fn default() -> Self {
        Self {
            flux_range: [300.0, 30_000.0],
            slope_range: [-2.0, 1.0],
            separation: 90.0,
            central_flux: Some(10_000.0),
            extended_flux: Some(200_000.0),
            extended_radius: 40.0,
            zodi: ZodiModel::default(),
        }
    }
}

impl FieldOptions {
    fn check(&self) -> Result<(), SimError> {
        let [low, high] = self.flux_range;
        check(low > 0.0 && low <= high, "flux_range", self.flux_range, "must be positive and increasing")?;
        let [low, high] = self.slope_range;
        check(low <= high, "slope_range", self.slope_range, "must be increasing")?;
        check(self.separation >= 0.0, "separation", self.separation, "must not be negative")?;
        check(self.extended_radius > 0.0, "extended_radius", self.extended_radius, "must be positive")
    }
}

/// A synthetic sky.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SimulatedSky {
    /// Point sources.
    pub stars: Vec<SimulatedStar>,
    /// Extended sources.
    pub extended: Vec<ExtendedSource>,
    /// Sources of a narrow line.
    pub lines: Vec<LineSource>,
    /// Zodiacal light.
    pub zodi: ZodiModel,
}

impl SimulatedSky {
    /// A field of `stars` stars within `radius` \[deg\] of a center, and an extended source half
    /// way to its edge; the same seed gives the same field.
    ///
    /// Stars are spread evenly. Each keeps its distance from those before it if one of 50 places
    /// drawn for it allows that, and stands at the loneliest of them if not.
    ///
    /// # Errors
    /// Where the radius is not in (0, 30] or an option makes no sense.
    pub fn field(
        center: Position,
        radius: f64,
        stars: usize,
        seed: u64,
        options: &FieldOptions,
    ) -> Result<Self, SimError> {
        options.check()?;
        check(
            radius > 0.0 && radius <= 30.0,
            "radius",
            radius,
            "must lie above 0 and be at most 30 degrees",
        )?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut sky = Self { zodi: options.zodi, ..Self::default() };
        if let Some(flux_2um) = options.extended_flux {
            let position = offset(center, radius / 2.0, rng.random_range(0.0..360.0))?;
            let id = "E0001".to_owned();
            sky.extended.push(ExtendedSource {
                id,
                position,
                flux_2um,
                slope: -0.5,
                profile: SurfaceProfile::Gaussian,
                radius: options.extended_radius,
            });
        }
        let mut placed = PlacedStars::new(options.separation);
        for k in 0..stars {
            let star = match options.central_flux.filter(|_| k == 0) {
                Some(flux_2um) => (center, flux_2um),
                None => (sky.place(center, radius, &placed, &mut rng)?, log_uniform(options, &mut rng)),
            };
            let [low, high] = options.slope_range;
            let slope = low + (high - low) * rng.random::<f64>();
            let (position, flux_2um) = star;
            placed.insert(position);
            sky.stars.push(SimulatedStar { id: format!("S{:04}", k + 1), position, flux_2um, slope });
        }
        Ok(sky)
    }

    /// A place for another star.
    fn place(
        &self,
        center: Position,
        radius: f64,
        placed: &PlacedStars,
        rng: &mut ChaCha8Rng,
    ) -> Result<Position, SimError> {
        let mut best = (center, -1.0);
        for _ in 0..50 {
            // Even over the cap: 1 - cos of the distance is uniform, and so is its half, sin^2 of
            // the half.
            let half = sin(radius.to_radians() / 2.0) * rng.random::<f64>().sqrt();
            let candidate = offset(center, 2.0 * asin(half).to_degrees(), rng.random_range(0.0..360.0))?;
            let edges = self.extended.iter();
            let edges = edges.map(|e| e.position.separation(candidate) - 2.0 * e.radius / 3600.0);
            let nearest = edges.fold(placed.nearest(candidate), f64::min) * 3600.0;
            if nearest > best.1 {
                best = (candidate, nearest);
            }
            if nearest >= placed.separation {
                break;
            }
        }
        Ok(best.0)
    }
}

/// The stars that have a place, in bands of declination: only those nearby count.
struct PlacedStars {
    /// How far apart they shall be \[arcsec\].
    separation: f64,
    /// Height of a band, no less than the separation \[deg\].
    height: f64,
    bands: BTreeMap<i64, Vec<Position>>,
}

impl PlacedStars {
    fn new(separation: f64) -> Self {
        // A little more, for stars at just that distance.
        Self { separation, height: (separation / 3600.0).max(1e-3) * 1.001, bands: BTreeMap::new() }
    }

    #[expect(clippy::cast_possible_truncation, reason = "there are at most 180 000 bands")]
    fn band(&self, position: Position) -> i64 {
        (position.dec() / self.height).floor() as i64
    }

    fn insert(&mut self, position: Position) {
        let band = self.band(position);
        self.bands.entry(band).or_default().push(position);
    }

    /// Distance to the nearest star, where one is nearer than the separation; otherwise that, or
    /// more \[deg\].
    fn nearest(&self, position: Position) -> f64 {
        let band = self.band(position);
        let near = self.bands.range(band - 1..=band + 1).flat_map(|(_, stars)| stars);
        // Haversines: sin(apart / 2) is at most this, since both declinations are below the limit.
        let limit = position.dec().abs() + self.height;
        let share =
            if limit < 90.0 { sin(self.height.to_radians() / 2.0) / cos(limit.to_radians()) } else { 1.0 };
        let reach = 2.0 * asin(share.min(1.0)).to_degrees();
        let in_reach = |star: &&Position| {
            let apart = (star.ra() - position.ra()).abs();
            apart.min(360.0 - apart) <= reach
        };
        near.filter(in_reach).fold(f64::INFINITY, |least, star| least.min(star.separation(position)))
    }
}

/// Evenly spread magnitudes.
fn log_uniform(options: &FieldOptions, rng: &mut ChaCha8Rng) -> f64 {
    let [low, high] = options.flux_range.map(ln);
    exp(low + (high - low) * rng.random::<f64>())
}

/// The position at a distance \[deg\] and a position angle \[deg, north through east\].
pub(crate) fn offset(from: Position, distance: f64, angle: f64) -> Result<Position, SimError> {
    let (sin_d, cos_d) = sin_cos(distance.to_radians());
    let (sin_a, cos_a) = sin_cos(angle.to_radians());
    let (sin_dec, cos_dec) = sin_cos(from.dec().to_radians());
    let z = sin_dec * cos_d + cos_dec * sin_d * cos_a;
    let (y, x) = (sin_d * sin_a, cos_dec * cos_d - sin_dec * sin_d * cos_a);
    let ra = (from.ra() + atan2(y, x).to_degrees()).rem_euclid(360.0);
    Ok(Position::new(ra, atan2(z, hypot(x, y)).to_degrees())?)
}

/// The direction from one position to another \[deg, north through east\].
pub(crate) fn position_angle(from: Position, to: Position) -> f64 {
    let (sin_ra, cos_ra) = sin_cos((to.ra() - from.ra()).to_radians());
    let (sin_from, cos_from) = sin_cos(from.dec().to_radians());
    let (sin_to, cos_to) = sin_cos(to.dec().to_radians());
    atan2(cos_to * sin_ra, sin_to * cos_from - cos_to * cos_ra * sin_from).to_degrees()
}

#[cfg(test)]
mod tests {
    use spx_core::elementary::log2;

    use super::*;

    fn field(seed: u64) -> SimulatedSky {
        let center = Position::new(0.1, 66.56).unwrap();
        SimulatedSky::field(center, 0.5, 100, seed, &FieldOptions::default()).unwrap()
    }

    #[test]
    fn a_field_is_what_its_options_say() {
        let sky = field(1);
        assert_eq!(sky, field(1));
        assert_ne!(sky, field(2));
        let center = Position::new(0.1, 66.56).unwrap();
        assert_eq!((sky.stars.len(), sky.extended.len()), (100, 1));
        assert_eq!(sky.stars[0].position, center);
        for (k, star) in sky.stars.iter().enumerate() {
            assert!(star.position.separation(center) <= 0.5 + 1e-9);
            assert!((300.0..=30_000.0).contains(&star.flux_2um));
            assert!(sky.stars[..k].iter().all(|o| o.position.separation(star.position) * 3600.0 >= 90.0));
        }
    }

    /// Stars in bands are those that all stars would give.
    #[test]
    fn nearest_stars_are_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for (dec, separation) in [(0.0, 90.0), (66.56, 300.0), (-89.9, 90.0), (89.0, 4000.0)] {
            let center = Position::new(0.1, dec).unwrap();
            let mut any =
                || offset(center, rng.random_range(0.0..2.0), rng.random_range(0.0..360.0)).unwrap();
            let mut placed = PlacedStars::new(separation);
            let stars: Vec<Position> = (0..3000).map(|_| any()).collect();
            stars.iter().for_each(|star| placed.insert(*star));
            for _ in 0..300 {
                let place = any();
                let all = stars.iter().fold(f64::INFINITY, |least, star| least.min(star.separation(place)));
                let found = placed.nearest(place);
                assert!(found == all || all.min(found) * 3600.0 >= separation, "{dec} {found} {all}");
            }
        }
    }

    #[test]
    fn spectra_are_power_laws() {
        let sky = field(3);
        let star = &sky.stars[7];
        assert_eq!(star.flux(2.0), star.flux_2um);
        assert!(log2(star.flux(4.0) / star.flux_2um) - star.slope < 1e-12);
        let source = &sky.extended[0];
        let ratio = source.surface_brightness(source.radius, 3.0) / source.surface_brightness(0.0, 3.0);
        assert!((ratio - 0.5).abs() < 1e-12, "a Gaussian's half-light radius is its half-width");
    }

    /// Rings from the center to the reach.
    #[test]
    fn profiles_hold_their_flux() {
        for profile in [SurfaceProfile::Gaussian, SurfaceProfile::Exponential, SurfaceProfile::Uniform] {
            let source = ExtendedSource { profile, ..field(3).extended[0].clone() };
            let step = source.reach() / 10_000.0;
            let ring = |k: u32| {
                let distance = (f64::from(k) + 0.5) * step;
                source.surface_brightness(distance, 2.0) * std::f64::consts::TAU * distance * step
            };
            let flux: f64 = (0..10_000).map(ring).sum::<f64>() * UJY_PER_ARCSEC2_PER_MJY_PER_SR;
            assert!((flux / source.flux_2um - 1.0).abs() < 2e-4, "{profile:?}: {flux}");
        }
    }

    #[test]
    fn a_line_is_seen_by_the_passbands_that_hold_it() {
        let position = Position::new(0.0, 0.0).unwrap();
        let line = LineSource { id: "L".into(), position, wavelength: 4.05, strength: 20.0 };
        assert!((line.flux(Passband { center: 4.04, width: 0.04 }) - 500.0).abs() < 1e-9);
        assert_eq!(line.flux(Passband { center: 4.02, width: 0.04 }), 0.0);
    }

    #[test]
    fn offsets_have_the_right_length_and_direction() {
        for dec in [-89.9, -30.0, 0.0, 90.0] {
            let from = Position::new(359.9, dec).unwrap();
            for angle in [0.0, 77.0, 180.0, 300.0] {
                let to = offset(from, 0.7, angle).unwrap();
                assert!((from.separation(to) - 0.7).abs() < 1e-9);
                let back = (position_angle(from, to) - angle).rem_euclid(360.0);
                assert!(back.min(360.0 - back) < 1e-6, "{back}");
            }
        }
    }

    #[test]
    fn bad_options_are_refused() {
        let center = Position::new(0.0, 0.0).unwrap();
        let options = FieldOptions { flux_range: [0.0, 1.0], ..FieldOptions::default() };
        assert!(SimulatedSky::field(center, 1.0, 1, 1, &options).is_err());
        assert!(SimulatedSky::field(center, f64::NAN, 1, 1, &FieldOptions::default()).is_err());
    }
}
