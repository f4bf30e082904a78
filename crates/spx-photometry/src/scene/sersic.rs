//! Galaxies: Sersic profiles (Sersic 1963; Graham & Driver 2005, PASA 22, 118) seen through the
//! point spread function.
//!
//! The profile is integrated over a lattice of five cells a pixel, finely where it is steep, and
//! convolved with the effective function sampled on the same lattice. Far from the center, where
//! the profile changes slowly, its Laplacian and the second moment of the function are enough.

use libm::tgamma;
use spx_core::elementary::{exp, powf, sin_cos};

use super::PointSpread;
use crate::options::check;
use crate::{PhotometryError, ProfileTile};

/// Cells a pixel along either axis.
const CELLS: i32 = 5;
/// Within so many reaches of the point spread function of the center the profile is convolved.
const CONVOLVED: f64 = 2.0;
/// Cells are halved at most so often.
const DEPTH: u32 = 10;
/// Share of the light within the reach of a profile.
const REACHED: f64 = 0.97;
/// No profile reaches farther \[px\].
const FARTHEST: f64 = 32.0;

/// A galaxy's profile on the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SersicShape {
    /// Sersic index, 0.5 to 6: 0.5 is a Gaussian, 1 an exponential disk, 4 de Vaucouleurs' law.
    pub index: f64,
    /// Half of the light lies within this, along the major axis \[arcsec\]; above 0, at most 20.
    pub r_eff: f64,
    /// Minor over major axis, above 0 to 1.
    pub axis_ratio: f64,
    /// Of the major axis, from north through east \[deg\].
    pub position_angle: f64,
}

/// A galaxy's profile on an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SersicOnImage {
    index: f64,
    /// From pixels off the center to radii in units of the effective radius.
    to_radius: [[f64; 2]; 2],
    /// Of the exponent, so that half of the light lies within a radius of 1.
    b: f64,
    /// Light per pixel where the exponential is 1.
    scale: f64,
}

impl SersicShape {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`PhotometryError::Option`] naming the first that is out of its range.
    pub fn validate(&self) -> Result<(), PhotometryError> {
        let Self { index, r_eff, axis_ratio, position_angle } = *self;
        check((0.5..=6.0).contains(&index), "sersic", index, "it must be from 0.5 to 6")?;
        check(r_eff > 0.0 && r_eff <= 20.0, "r_eff", r_eff, "it must be above 0 and at most 20 arcsec")?;
        let ratio = axis_ratio > 0.0 && axis_ratio <= 1.0;
        check(ratio, "axis_ratio", axis_ratio, "it must be above 0 and at most 1")?;
        check(position_angle.is_finite(), "pa", position_angle, "it must be a number")
    }

    /// The profile on an image; `jacobian` takes pixels to arcseconds, `[[east by x, east by y],
    /// [north by x, north by y]]`.
    pub fn on_image(&self, jacobian: [[f64; 2]; 2]) -> SersicOnImage {
        let [east, north] = jacobian;
        let (sin, cos) = sin_cos(self.position_angle.to_radians());
        let major = std::array::from_fn(|k| (east[k] * sin + north[k] * cos) / self.r_eff);
        let minor =
            std::array::from_fn(|k| (east[k] * cos - north[k] * sin) / (self.r_eff * self.axis_ratio));
        SersicOnImage::new(self.index, [major, minor])
    }
}

impl SersicOnImage {
    /// `to_radius` takes pixels off the center to components of the radius in units of the
    /// effective radius.
    pub fn new(index: f64, to_radius: [[f64; 2]; 2]) -> Self {
        let [[a, b], [c, d]] = to_radius;
        let exponent = exponent_of_share(index, 0.5);
        let area = (a * d - b * c).abs();
        let light = std::f64::consts::TAU * index * powf(exponent, -2.0 * index) * tgamma(2.0 * index);
        Self { index, to_radius, b: exponent, scale: area / light }
    }

    /// The effective radius along the major axis \[px\].
    pub fn r_eff(&self) -> f64 {
        // The least stretching of the matrix is its smaller singular value.
        let [[a, b], [c, d]] = self.to_radius;
        let (sum, determinant) = (a * a + b * b + c * c + d * d, a * d - b * c);
        let root = (sum * sum - 4.0 * determinant * determinant).max(0.0).sqrt();
        (2.0 / (sum - root)).sqrt()
    }

    /// All that distinguishes it from another.
    pub(super) fn key(&self) -> [f64; 5] {
        let [[a, b], [c, d]] = self.to_radius;
        [self.index, a, b, c, d]
    }

    /// No farther than this from the center is the profile looked at, the point spread function
    /// aside \[px\].
    pub(super) fn reach(&self) -> f64 {
        (self.r_eff() * powf(exponent_of_share(self.index, REACHED) / self.b, self.index)).min(FARTHEST)
    }

    /// Share of the light per pixel at a distance from the center \[px\].
    fn density(&self, dx: f64, dy: f64) -> f64 {
        let [[a, b], [c, d]] = self.to_radius;
        let (u, v) = (a * dx + b * dy, c * dx + d * dy);
        self.scale * exp(-self.b * powf(u * u + v * v, 0.5 / self.index))
    }

    /// Share of the light in a square of this side \[px\].
    fn cell(&self, [dx, dy]: [f64; 2], side: f64, depth: u32) -> f64 {
        let distance = dx.abs().max(dy.abs());
        if depth == 0 || distance > 12.0 * side {
            return self.density(dx, dy) * side * side;
        }
        if distance > 2.0 * side {
            // Gauss and Legendre, two points along each axis.
            let off = side / (2.0 * 3_f64.sqrt());
            let corners = [[-off, -off], [off, -off], [-off, off], [off, off]];
            return 0.25
                * side
                * side
                * corners.map(|[x, y]| self.density(dx + x, dy + y)).iter().sum::<f64>();
        }
        let quarter = 0.25 * side;
        let quarters = [[-quarter, -quarter], [quarter, -quarter], [-quarter, quarter], [quarter, quarter]];
        quarters.map(|[x, y]| self.cell([dx + x, dy + y], 0.5 * side, depth - 1)).iter().sum()
    }

    /// Shares of the light of a galaxy at `position` in the pixels of a rectangle.
    pub(super) fn fill(&self, psf: &dyn PointSpread, position: [f64; 2], reach: f64, tile: &mut ProfileTile) {
        let bounds = tile.bounds();
        let center = position.map(f64::round);
        let near = (CONVOLVED * reach).ceil();
        let samples = SampledPsf::new(psf, position, reach);
        let lattice = self.lattice(near, samples.reach);
        tile.set(bounds, |x, y| {
            let off = [x as f64 - center[0], y as f64 - center[1]];
            if off[0].abs().max(off[1].abs()) <= near {
                #[expect(clippy::cast_possible_truncation, reason = "whole numbers within reach")]
                return samples.convolve(&lattice, off.map(|c| c as i32));
            }
            let [dx, dy] = [x as f64 - position[0], y as f64 - position[1]];
            let here = self.density(dx, dy);
            let around: f64 = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
                .map(|[i, j]| self.density(dx + i, dy + j))
                .iter()
                .sum();
            here + 0.5 * samples.moment * (around - 4.0 * here)
        });
    }

    #[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
    fn lattice(&self, near: f64, beyond: i32) -> CenteredLattice {
        CenteredLattice::new(near as i32 * CELLS + beyond, |x, y| {
            let side = 1.0 / f64::from(CELLS);
            self.cell([f64::from(x) * side, f64::from(y) * side], side, DEPTH)
        })
    }
}

/// Values on a square lattice about its middle.
struct CenteredLattice {
    reach: i32,
    values: Vec<f64>,
}

impl CenteredLattice {
    fn new(reach: i32, value: impl Fn(i32, i32) -> f64) -> Self {
        let axis = -reach..=reach;
        let values = axis.clone().flat_map(|y| axis.clone().map(move |x| (x, y))).map(|(x, y)| value(x, y));
        Self { reach, values: values.collect() }
    }

    /// From column `x` on, of row `y`.
    #[expect(clippy::cast_sign_loss, reason = "counted from the corner")]
    fn row(&self, x: i32, y: i32) -> &[f64] {
        let side = 2 * self.reach + 1;
        &self.values[((y + self.reach) * side + x + self.reach) as usize..]
    }
}

/// The point spread function on the lattice of the profile, about the pixel of the source.
struct SampledPsf {
    reach: i32,
    lattice: CenteredLattice,
    /// Second moment along an axis [px^2].
    moment: f64,
}

impl SampledPsf {
    #[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
    fn new(psf: &dyn PointSpread, position: [f64; 2], reach: f64) -> Self {
        let behind = position.map(|c| c - c.round());
        let reach = (reach * f64::from(CELLS)).ceil() as i32 + CELLS / 2 + 1;
        let share = |k: i32, behind: f64| f64::from(k) / f64::from(CELLS) - behind;
        let plain = CenteredLattice::new(reach + 1, |x, y| {
            psf.share(position, [share(x, behind[0]), share(y, behind[1])])
        });
        // The light of a cell does not sit at its middle: without this the galaxy would be
        // convolved with the cell, too.
        let lattice = CenteredLattice::new(reach, |x, y| {
            let at = |x: i32, y: i32| plain.row(x, y)[0];
            let around = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1);
            at(x, y) - (around - 4.0 * at(x, y)) / 24.0
        });
        let axis = -reach..=reach;
        let (mut sum, mut moment) = (0.0, 0.0);
        for (x, y) in axis.clone().flat_map(|y| axis.clone().map(move |x| (x, y))) {
            let value = lattice.row(x, y)[0];
            sum += value;
            moment += 0.5 * value * (share(x, behind[0]).powi(2) + share(y, behind[1]).powi(2));
        }
        Self { reach, lattice, moment: moment / sum }
    }

    /// The convolution in a pixel. The profile is the same seen from the other side, so that both
    /// lattices are read in the same direction.
    fn convolve(&self, profile: &CenteredLattice, [x, y]: [i32; 2]) -> f64 {
        #[expect(clippy::cast_sign_loss, reason = "a length")]
        let side = (2 * self.reach + 1) as usize;
        let mut sum = 0.0;
        for t in -self.reach..=self.reach {
            let from = profile.row(-self.reach - x * CELLS, t - y * CELLS);
            sum += super::normal::dot(&self.lattice.row(-self.reach, t)[..side], &from[..side]);
        }
        sum
    }
}

/// The exponent within which this share of the light of a profile lies: for a half, `b` (Graham &
/// Driver 2005, eq. 5).
fn exponent_of_share(index: f64, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 60.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if lower_gamma(2.0 * index, middle) < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The regularized lower incomplete gamma function, by its series.
fn lower_gamma(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0, 1.0, 0.0);
    while term > 1e-16 * sum {
        k += 1.0;
        term *= x / (a + k);
        sum += term;
    }
    sum * powf(x, a) * exp(-x) / tgamma(a + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A round Gaussian that pixels have been integrated into.
    struct Gaussian(f64);

    impl PointSpread for Gaussian {
        fn reach(&self, _: [f64; 2]) -> Option<f64> {
            Some(5.5 * self.0)
        }

        fn share(&self, _: [f64; 2], [dx, dy]: [f64; 2]) -> f64 {
            let s2 = self.0 * self.0;
            exp(-0.5 * (dx * dx + dy * dy) / s2) / (std::f64::consts::TAU * s2)
        }
    }

    fn filled(galaxy: &SersicOnImage, position: [f64; 2], sigma: f64, n: usize) -> ProfileTile {
        let mut tile = ProfileTile::default();
        tile.set([0..n, 0..n], |_, _| 0.0);
        galaxy.fill(&Gaussian(sigma), position, 5.5 * sigma, &mut tile);
        tile
    }

    /// A Gaussian galaxy (n = 0.5) seen through a Gaussian is a Gaussian.
    #[test]
    fn a_gaussian_galaxy_is_widened() {
        let (sigma, r_eff, q) = (0.8, 1.5, 0.6);
        let shape = SersicShape { index: 0.5, r_eff, axis_ratio: q, position_angle: 30.0 };
        // North up, east to the left, one arcsecond a pixel.
        let galaxy = shape.on_image([[-1.0, 0.0], [0.0, 1.0]]);
        assert!((galaxy.r_eff() - r_eff).abs() < 1e-12);
        let position = [20.3, 19.8];
        let tile = filled(&galaxy, position, sigma, 41);
        // Half of the light within r: sigma = r / sqrt(2 ln 2).
        let (major, minor) = (r_eff / 1.177_41, q * r_eff / 1.177_41);
        let [wide, narrow] = [major, minor].map(|s| s * s + sigma * sigma);
        let (sin, cos) = sin_cos(30_f64.to_radians());
        for (x, y) in [(20, 20), (21, 19), (18, 23), (23, 21), (20, 25)] {
            let (dx, dy) = (x as f64 - position[0], y as f64 - position[1]);
            let (u, v) = (-dx * sin + dy * cos, -dx * cos - dy * sin);
            let wanted = exp(-0.5 * (u * u / wide + v * v / narrow))
                / (std::f64::consts::TAU * (wide * narrow).sqrt());
            let found = tile.at(x, y);
            assert!((found - wanted).abs() < 2e-5, "{x} {y}: {found} {wanted}");
        }
    }

    /// Light within circles of a round galaxy through a narrow function, against the incomplete
    /// gamma function; and a galaxy much smaller than the function is a point.
    #[test]
    fn light_is_where_the_law_says() {
        for index in [0.5, 1.0, 2.5, 4.0, 6.0] {
            assert!((lower_gamma(2.0 * index, exponent_of_share(index, 0.5)) - 0.5).abs() < 2e-5, "{index}");
            let galaxy = SersicOnImage::new(index, [[0.125, 0.0], [0.0, 0.125]]);
            let tile = filled(&galaxy, [40.1, 39.7], 0.6, 81);
            let within = |r: f64| -> f64 {
                let pixels = (0..81).flat_map(|y| (0..81).map(move |x| (x, y)));
                pixels
                    .map(|(x, y)| tile.at(x, y) * crate::pixel_overlap(x as f64 - 40.1, y as f64 - 39.7, r))
                    .sum()
            };
            for r in [16.0, 30.0] {
                let wanted =
                    lower_gamma(2.0 * index, exponent_of_share(index, 0.5) * powf(r / 8.0, 1.0 / index));
                assert!((within(r) - wanted).abs() < 3e-3, "{index}, {r}: {} {wanted}", within(r));
            }
        }
        let tiny = SersicOnImage::new(1.0, [[100.0, 0.0], [0.0, 100.0]]);
        let tile = filled(&tiny, [20.2, 20.4], 0.8, 41);
        for (x, y) in [(20, 20), (21, 20), (19, 22)] {
            let wanted = Gaussian(0.8).share([0.0; 2], [x as f64 - 20.2, y as f64 - 20.4]);
            // All of its light lies in the middle of a cell, whose width is nevertheless allowed
            // for.
            assert!((tile.at(x, y) - wanted).abs() < 1.5e-3, "{} {wanted}", tile.at(x, y));
        }
    }
}
