//! A sky that is not easy, made without spx: VARIANCE affine in the observed rate with the photon
//! noise of the stars, undersampled stars whose width changes over the frame, a PSF cube that is
//! not centered, and flagged pixels with wild values at the rates of real files.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    dead_code,
    reason = "tests"
)]

use fastrand::Rng;
use spx_core::elementary::{cos, exp, hypot, ln};
use spx_core::flags::FlagNames;
use spx_core::map::Passband;
use spx_core::pixels::Pixels;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_photometry::{ForegroundModel, ImageView, PsfKind, PsfModel, SourceOnImage, regular_zones};

/// Solid angle of a pixel [arcsec^2].
pub(crate) const AREA: f64 = 37.9;
/// Electrons in an exposure for 1 MJy/sr; read noise [electrons]; photon noise of a ramp.
const GAIN: f64 = 713.0;
const READ: f64 = 5.0;
const RAMP: f64 = 1.2;
const ZODI: f64 = 0.3;
/// Bits and rates: OUTLIER, TRANSIENT, SUR_ERROR, NONFUNC, PERSIST.
const BAD: [(u32, f64); 5] = [(19, 0.017), (0, 0.005), (2, 0.004), (6, 0.003), (17, 0.002)];
/// Where the core of the cube's PSF lies \[px\].
const OFFSET: [f64; 2] = [-0.053, 0.04];

/// Quick Release of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Release {
    Two,
    Three,
}

/// A frame with stars on it.
pub(crate) struct RealisticFrame {
    pub(crate) side: usize,
    pub(crate) image: Vec<f32>,
    pub(crate) flags: Vec<i32>,
    pub(crate) variance: Vec<f32>,
    pub(crate) zodi: Vec<f32>,
    /// Stars and their fluxes \[uJy\].
    pub(crate) stars: Vec<(SourceOnImage, f64)>,
    names: FlagNames,
    fwhm: f64,
}

/// Standard deviation of the core of a star [px] at a place.
fn sigma(fwhm: f64, side: usize, [x, y]: [f64; 2]) -> f64 {
    let along = |c: f64| c / side as f64 - 0.5;
    fwhm / 6.156 / 2.354_82 * (1.0 + 0.06 * along(x) - 0.04 * along(y))
}

/// Two Gaussians about zero: standard deviations in units of the core's, and their shares.
const PARTS: [(f64, f64); 2] = [(1.0, 0.88), (2.2, 0.12)];

/// Integral of a normal distribution up to `x` (Abramowitz & Stegun 7.1.26 is too coarse; this is
/// the continued fraction and the series of erf, good to 1e-12).
fn below(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let tail = if z < 2.5 {
        let (mut term, mut sum, mut k) = (z, z, 0.0);
        while f64::abs(term) > 1e-17 {
            k += 1.0;
            term *= -z * z / k;
            sum += term / (2.0 * k + 1.0);
        }
        0.5 - sum / std::f64::consts::PI.sqrt()
    } else {
        let fraction = (1..60).rev().fold(0.0, |f, k| 0.5 * f64::from(k) / (z + f));
        0.5 * exp(-z * z) / (std::f64::consts::PI.sqrt() * (z + fraction))
    };
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// Share of a star's light in the pixel at a distance from it.
pub(crate) fn pixel_share(sigma: f64, dx: f64, dy: f64) -> f64 {
    PARTS
        .iter()
        .map(|(width, share)| {
            let s = width * sigma;
            let along = |d: f64| below((d + 0.5) / s) - below((d - 0.5) / s);
            share * along(dx) * along(dy)
        })
        .sum()
}

fn density(sigma: f64, dx: f64, dy: f64) -> f64 {
    let part = |(width, share): &(f64, f64)| {
        let s2 = (width * sigma).powi(2);
        share / s2 * exp(-0.5 * (dx * dx + dy * dy) / s2)
    };
    PARTS.iter().map(part).sum()
}

pub(crate) fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * ln(1.0 - rng.f64())).sqrt() * cos(std::f64::consts::TAU * rng.f64())
}

impl RealisticFrame {
    /// A star every `spacing` pixels, whose flux \[uJy\] `flux` draws; `fwhm` is that of the optics
    /// \[arcsec\].
    pub(crate) fn new(
        seed: u64,
        side: usize,
        spacing: usize,
        fwhm: f64,
        with_bad: bool,
        mut flux: impl FnMut(&mut Rng) -> f64,
    ) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut stars = Vec::new();
        let cells = side / spacing;
        for (i, j) in (0..cells).flat_map(|j| (0..cells).map(move |i| (i, j))) {
            let mut at = |cell: usize| (cell * spacing + spacing / 2) as f64 + 2.0 * (rng.f64() - 0.5);
            let position = [at(i), at(j)];
            stars.push((position, flux(&mut rng)));
        }
        Self::with_stars(&mut rng, side, fwhm, with_bad, &stars)
    }

    /// Stars at these places with these fluxes \[uJy\].
    pub(crate) fn with_stars(
        rng: &mut Rng,
        side: usize,
        fwhm: f64,
        with_bad: bool,
        placed: &[([f64; 2], f64)],
    ) -> Self {
        let unit = UJY_PER_ARCSEC2_PER_MJY_PER_SR * AREA;
        let zodi: Vec<f32> = (0..side * side)
            .map(|k| (ZODI * (1.0 + 0.05 * ((k % side) as f64 / side as f64 - 0.5))) as f32)
            .collect();
        let mut rate: Vec<f64> = zodi.iter().map(|z| f64::from(*z)).collect();
        let mut flags = vec![0; side * side];
        let mut stars = Vec::new();
        for &(position, flux) in placed {
            let sigma = sigma(fwhm, side, position);
            let [x0, y0] = position.map(|c| c.round() as usize);
            for y in y0.saturating_sub(7)..(y0 + 8).min(side) {
                for x in x0.saturating_sub(7)..(x0 + 8).min(side) {
                    let light =
                        flux * pixel_share(sigma, x as f64 - position[0], y as f64 - position[1]) / unit;
                    rate[y * side + x] += light;
                    flags[y * side + x] |= i32::from(light > 0.03) << 21;
                }
            }
            let passband = Passband { center: 2.0, width: 0.05 };
            stars.push((SourceOnImage { position, pixel_area: AREA, passband }, flux));
        }
        let variance = |rate: f64| (READ * READ + RAMP * GAIN * rate.max(0.0)) / (GAIN * GAIN);
        let observed: Vec<f64> =
            rate.iter().map(|rate| rate + normal(rng) * variance(*rate).sqrt()).collect();
        let mut image: Vec<f32> = observed.iter().map(|v| *v as f32).collect();
        let variance: Vec<f32> = observed.iter().map(|v| variance(*v) as f32).collect();
        for (bit, rate) in BAD.into_iter().filter(|_| with_bad) {
            for k in 0..side * side {
                if rng.f64() < rate {
                    flags[k] |= 1 << bit;
                    image[k] += (normal(rng).powi(3) * 2.0) as f32;
                    if bit == 6 && rng.bool() {
                        image[k] = f32::NAN;
                    }
                }
            }
        }
        Self { side, image, flags, variance, zodi, stars, names: FlagNames::default(), fwhm }
    }

    pub(crate) fn view(&self, release: Release) -> ImageView<'_> {
        // The card of Quick Release 3 is that of stars as pixels see them.
        let card = if release == Release::Two { self.fwhm } else { hypot(self.fwhm, 6.16) };
        ImageView {
            shape: [self.side; 2],
            image: Pixels::Native(&self.image),
            flags: Pixels::Native(&self.flags),
            variance: Pixels::Native(&self.variance),
            foreground: Some(ForegroundModel { model: Pixels::Native(&self.zodi), scale: 1.0 }),
            flag_names: &self.names,
            psf_fwhm: Some(card),
            parent_offset: [0.0; 2],
        }
    }

    /// The point spread functions of a file of this frame.
    pub(crate) fn psf(&self, release: Release) -> PsfModel {
        let (zones, side, oversampling, kind) = match release {
            Release::Two => (11, 101, 10.0, PsfKind::Optical),
            Release::Three => (21, 33, 5.0, PsfKind::Effective),
        };
        let centers = regular_zones(zones, zones, self.side);
        let planes: Vec<f32> = centers
            .iter()
            .flat_map(|center| {
                let sigma = sigma(self.fwhm, self.side, *center);
                let along = |k: usize| (k as f64 - (side as f64 - 1.0) / 2.0) / oversampling;
                (0..side * side).map(move |k| {
                    let [dx, dy] = [along(k % side), along(k / side)];
                    (match release {
                        Release::Two => density(sigma, dx - OFFSET[0], dy - OFFSET[1]),
                        Release::Three => pixel_share(sigma, dx, dy) / 25.0,
                    }) as f32
                })
            })
            .collect();
        PsfModel::new(planes, side, oversampling, kind, centers).unwrap()
    }
}

/// Median, mean and its error, and half of the range of the middle 68.27 %.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Distribution {
    pub(crate) median: f64,
    pub(crate) mean: f64,
    pub(crate) error: f64,
    pub(crate) width: f64,
}

impl Distribution {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let at = |share: f64| values[((n - 1.0) * share).round() as usize];
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let width = 0.5 * (at(0.841_345) - at(0.158_655));
        Self { median: at(0.5), mean, error: deviation / n.sqrt(), width }
    }
}
