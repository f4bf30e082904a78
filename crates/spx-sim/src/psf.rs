//! Where the light of a point source falls: a sum of elliptical Gaussians, which can be integrated
//! over pixels exactly.
//!
//! The same function gives the light in the pixels of a simulated star and the samples that the
//! files hold: the optical function of Quick Release 2 and the effective one of Quick Release 3
//! (Anderson & King 2000, PASP 112, 1360).

use std::f64::consts::TAU;

use spx_core::detector::Detector;
use spx_core::elementary::{exp, hypot, sin};
use spx_wcs::CelestialWcs;

use crate::gaussian::{FWHM_PER_SIGMA, below};
use crate::options::{ExposureOptions, RealisticOptions};

/// Share of the light in the wings of the realistic function, and their width over that of its
/// core.
const WING_SHARE: f64 = 0.12;
const WING_WIDTH: f64 = 2.0;

/// Periods of the variation of the width over the frame \[px\].
const PERIODS: [f64; 2] = [1700.0, 1900.0];

/// Relative difference between the widths along x and y where it is largest.
const ELLIPTICITY: f64 = 0.03;

/// One Gaussian of a point spread function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GaussianPart {
    /// Its share of the light.
    pub(crate) share: f64,
    /// Standard deviations along x and y \[px\].
    pub(crate) sigma: [f64; 2],
}

/// The point spread function at one place of a detector.
#[derive(Debug, Clone)]
pub(crate) struct SourceShape {
    pub(crate) parts: Vec<GaussianPart>,
}

impl SourceShape {
    /// The optical function at 101 x 101 points, ten a pixel, scaled to sum 1, as in the cube of
    /// Quick Release 2; its core lies `offset` \[px\] from the middle of the plane.
    pub(crate) fn optical_plane(&self, offset: [f64; 2]) -> Vec<f64> {
        let mut plane = self.samples(101, 10.0, |axis, d, sigma| per_length(d - offset[axis], sigma));
        let sum: f64 = plane.iter().sum();
        plane.iter_mut().for_each(|value| *value /= sum);
        plane
    }

    /// The effective function at 33 x 33 points, five a pixel, as in the table of Quick Release 3:
    /// a pixel's share of the light is 25 times the sample at its center. Light beyond the samples
    /// is not in their sum.
    pub(crate) fn effective_plane(&self) -> Vec<f64> {
        let mut plane = self.samples(33, 5.0, |_, d, sigma| in_pixel(d, sigma));
        plane.iter_mut().for_each(|value| *value /= 25.0);
        plane
    }

    /// The function at `size` x `size` points about the source, x fastest. Each part is a product
    /// of a factor along x and one along y: `along(axis, offset, sigma)` \[px\].
    fn samples(&self, size: u32, oversampling: f64, along: impl Fn(usize, f64, f64) -> f64) -> Vec<f64> {
        let middle = f64::from(size - 1) / 2.0;
        let factors = |axis: usize| -> Vec<Vec<f64>> {
            let at = |k: u32| (f64::from(k) - middle) / oversampling;
            let of_point = |k| self.parts.iter().map(|part| along(axis, at(k), part.sigma[axis])).collect();
            (0..size).map(of_point).collect()
        };
        let (columns, rows) = (factors(0), factors(1));
        let value = |column: &[f64], row: &[f64]| -> f64 {
            self.parts.iter().zip(column).zip(row).map(|((part, x), y)| part.share * x * y).sum()
        };
        rows.iter().flat_map(|row| columns.iter().map(|column| value(column, row))).collect()
    }
}

/// Share of a Gaussian's light within half a pixel of a distance \[px\]: of the effective function.
fn in_pixel(d: f64, sigma: f64) -> f64 {
    below(d + 0.5, sigma) - below(d - 0.5, sigma)
}

/// Its light per length at a distance: of the optical function.
fn per_length(d: f64, sigma: f64) -> f64 {
    exp(-0.5 * (d / sigma).powi(2)) / (TAU.sqrt() * sigma)
}

/// The point spread functions of a detector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PsfField<'a> {
    pub(crate) detector: Detector,
    /// Of the full frame.
    pub(crate) wcs: &'a CelestialWcs,
    /// Full width at half maximum of the optical function in the middle of its range \[arcsec\].
    pub(crate) fwhm_arcsec: f64,
    /// `None`: one Gaussian of the same width \[arcsec\] everywhere.
    pub(crate) realism: Option<&'a RealisticOptions>,
}

impl<'a> PsfField<'a> {
    /// The point spread functions of a detector; `wcs` is that of its full frame.
    pub(crate) fn new(options: &'a ExposureOptions, detector: Detector, wcs: &'a CelestialWcs) -> Self {
        let fwhm_arcsec = options.optical_fwhm(detector);
        Self { detector, wcs, fwhm_arcsec, realism: options.realism.as_ref() }
    }

    /// The function at a pixel of the full frame.
    pub(crate) fn at(&self, place: [f64; 2]) -> SourceShape {
        self.blurred(place, 0.0)
    }

    /// The image of a Gaussian source of standard deviation `blur` \[arcsec\].
    pub(crate) fn blurred(&self, [x, y]: [f64; 2], blur: f64) -> SourceShape {
        let (sigma, scale) = (self.fwhm_arcsec / FWHM_PER_SIGMA, self.wcs.pixel_area(x, y).sqrt());
        let Some(realism) = self.realism else {
            let sigma = hypot(sigma, blur) / scale;
            return SourceShape { parts: vec![GaussianPart { share: 1.0, sigma: [sigma; 2] }] };
        };
        let phase = f64::from(self.detector.number());
        let wave = |d: f64, k: usize| sin(TAU * d / PERIODS[k] + phase);
        let sigma = sigma / scale * (1.0 + realism.width_variation * wave(x, 0) * wave(y, 1));
        let stretch = ELLIPTICITY * wave(y, 0);
        let sigma = [sigma * (1.0 + stretch), sigma * (1.0 - stretch)];
        let part = |share: f64, width: f64| GaussianPart {
            share,
            sigma: sigma.map(|s| hypot(width * s, blur / scale)),
        };
        SourceShape { parts: vec![part(1.0 - WING_SHARE, 1.0), part(WING_SHARE, WING_WIDTH)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optics::celestial;

    fn shape() -> SourceShape {
        let wcs = CelestialWcs::from_header(&celestial(10.0, 41.0, 24.7)).unwrap();
        let realism = RealisticOptions::default();
        let detector = Detector::new(4).unwrap();
        PsfField { detector, wcs: &wcs, fwhm_arcsec: 6.1, realism: Some(&realism) }.at([300.0, 1500.0])
    }

    /// The sum of the products of the factors of all parts.
    fn at(shape: &SourceShape, along: fn(f64, f64) -> f64, [dx, dy]: [f64; 2]) -> f64 {
        let parts = shape.parts.iter();
        parts.map(|p| p.share * along(dx, p.sigma[0]) * along(dy, p.sigma[1])).sum()
    }

    /// Simpson's rule over the pixel, which knows nothing of error functions.
    fn integrated(shape: &SourceShape, center: [f64; 2]) -> f64 {
        const N: usize = 40;
        let weight = |k: usize| if k == 0 || k == N { 1.0 } else { 2.0 + 2.0 * (k % 2) as f64 };
        let place = |k: usize| k as f64 / N as f64 - 0.5;
        let mut sum = 0.0;
        for j in 0..=N {
            for i in 0..=N {
                let point = [center[0] + place(i), center[1] + place(j)];
                sum += weight(i) * weight(j) * at(shape, per_length, point);
            }
        }
        sum / (3.0 * N as f64).powi(2)
    }

    #[test]
    fn the_light_of_a_pixel_is_the_optical_function_integrated_over_it() {
        let shape = shape();
        for center in [[0.0, 0.0], [0.3, -0.2], [1.4, 0.9], [-2.0, 2.6]] {
            let (exact, numerical) = (at(&shape, in_pixel, center), integrated(&shape, center));
            assert!((exact - numerical).abs() < 1e-7, "{center:?}: {exact} and {numerical}");
        }
    }

    #[test]
    fn samples_of_the_effective_function_are_the_light_of_pixels() {
        let (shape, plane) = (shape(), shape().effective_plane());
        for [i, j] in [[16_usize, 16], [19, 14], [5, 27]] {
            let center = [i, j].map(|k| (k as f64 - 16.0) / 5.0);
            let share = 25.0 * plane[j * 33 + i];
            assert!((share - integrated(&shape, center)).abs() < 1e-7);
        }
        let sum: f64 = plane.iter().sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    }

    #[test]
    fn the_optical_plane_is_where_it_is_said_to_be() {
        let plane = shape().optical_plane([-0.05, 0.05]);
        let moment = |of: fn(usize) -> usize| -> f64 {
            let moments = plane.iter().enumerate().map(|(k, value)| value * (of(k) as f64 - 50.0));
            moments.sum::<f64>() / 10.0
        };
        assert!((moment(|k| k % 101) + 0.05).abs() < 1e-4 && (moment(|k| k / 101) - 0.05).abs() < 1e-4);
        assert!((plane.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
