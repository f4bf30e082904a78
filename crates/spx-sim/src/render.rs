//! Sources on the detector, integrated over pixels.

use spx_core::elementary::{exp, hypot};
use spx_core::map::{Passband, WavelengthMap as _};
use spx_core::progress::Progress;
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_wcs::{CelestialWcs, WaveTable};

use crate::error::{SimError, check_cancelled};
use crate::gaussian::below;
use crate::layout::PixelWindow;
use crate::psf::PsfField;
use crate::sky::{ExtendedSource, SimulatedSky, SurfaceProfile};

/// Reach of a source in standard deviations; beyond lies 1e-8 of its flux.
const REACH: f64 = 6.0;

/// Sources farther from the tangent point cannot touch the frame, whose corners are 2.5 degrees
/// away, and the distortion polynomials mean nothing there \[deg\].
const FARTHEST: f64 = 4.0;

/// What maps the frame to sky and wavelength; both in pixels of the full frame.
pub(crate) struct DetectorFrame<'a> {
    pub(crate) wcs: &'a CelestialWcs,
    pub(crate) waves: &'a WaveTable,
    pub(crate) psf: PsfField<'a>,
    pub(crate) center: Position,
    pub(crate) window: PixelWindow,
}

impl DetectorFrame<'_> {
    /// Light of stars in the window \[MJy/sr\], row-major.
    pub(crate) fn stars(&self, sky: &SimulatedSky, progress: &dyn Progress) -> Result<Vec<f32>, SimError> {
        let mut plane = vec![0.0; self.window.nx * self.window.ny];
        for star in &sky.stars {
            check_cancelled(progress)?;
            self.add(&mut plane, star.position, 0.0, |band| star.flux(band.center));
        }
        Ok(plane)
    }

    /// Adds the light of all other sources.
    pub(crate) fn add_others(
        &self,
        plane: &mut [f32],
        sky: &SimulatedSky,
        progress: &dyn Progress,
    ) -> Result<(), SimError> {
        for source in &sky.extended {
            check_cancelled(progress)?;
            match source.profile {
                SurfaceProfile::Gaussian => {
                    let sigma = source.sigma();
                    self.add(plane, source.position, sigma, |band| source.flux(band.center));
                }
                SurfaceProfile::Exponential | SurfaceProfile::Uniform => self.spread(plane, source),
            }
        }
        for line in &sky.lines {
            self.add(plane, line.position, 0.0, |band| line.flux(band));
        }
        Ok(())
    }

    /// Adds a Gaussian source of standard deviation `sigma` \[arcsec\], 0 for a point, whose flux
    /// \[uJy\] depends on the passband: each pixel gets the share of the flux at its own wavelength
    /// that falls on it, over its own solid angle.
    fn add(&self, plane: &mut [f32], position: Position, sigma: f64, flux: impl Fn(Passband) -> f64) {
        if position.separation(self.center) > FARTHEST + REACH * sigma / 3600.0 {
            return;
        }
        let Some([x, y]) = self.wcs.sky_to_pixel(position) else { return };
        let PixelWindow { x0, y0, nx, ny } = self.window;
        for part in self.psf.blurred([x, y], sigma).parts {
            let columns = shares(x - x0 as f64, part.sigma[0], nx);
            let rows = shares(y - y0 as f64, part.sigma[1], ny);
            for (j, row) in (rows.first..).zip(&rows.shares) {
                for (i, column) in (columns.first..).zip(&columns.shares) {
                    let [px, py] = [(x0 + i) as f64, (y0 + j) as f64];
                    let per_arcsec2 = part.share * row * column / self.wcs.pixel_area(px, py);
                    let ujy = flux(self.waves.passband(px, py));
                    #[expect(clippy::cast_possible_truncation, reason = "the plane is f32")]
                    let light = (ujy * per_arcsec2 / UJY_PER_ARCSEC2_PER_MJY_PER_SR) as f32;
                    plane[j * nx + i] += light;
                }
            }
        }
    }

    /// Adds an extended source of another profile: its surface brightness at the true distances,
    /// averaged over the pixel and the point spread function by nine places along each axis.
    fn spread(&self, plane: &mut [f32], source: &ExtendedSource) {
        if source.position.separation(self.center) > FARTHEST + source.reach() / 3600.0 {
            return;
        }
        let Some(center) = self.wcs.sky_to_pixel(source.position) else { return };
        let variance = |axis: usize| {
            let parts = self.psf.at(center).parts;
            parts.iter().map(|part| part.share * part.sigma[axis].powi(2)).sum::<f64>() + 1.0 / 12.0
        };
        let nodes = [0, 1].map(|axis| gaussian_nodes(variance(axis).sqrt()));
        // Nothing is as far from its center in pixels as in arcsec over 5.
        let reach = source.reach() / 5.0 + 4.0;
        let PixelWindow { x0, y0, nx, .. } = self.window;
        for (index, pixel) in plane.iter_mut().enumerate() {
            let [px, py] = [(x0 + index % nx) as f64, (y0 + index / nx) as f64];
            if hypot(px - center[0], py - center[1]) > reach {
                continue;
            }
            let wavelength = self.waves.passband(px, py).center;
            let mut light = 0.0;
            for (dy, weight_y) in nodes[1] {
                for (dx, weight_x) in nodes[0] {
                    let [ra, dec] = self.wcs.pixel_to_sky(px + dx, py + dy);
                    let Ok(place) = Position::new(ra, dec) else { continue };
                    let distance = place.separation(source.position) * 3600.0;
                    light += weight_x * weight_y * source.surface_brightness(distance, wavelength);
                }
            }
            #[expect(clippy::cast_possible_truncation, reason = "the plane is f32")]
            let light = light as f32;
            *pixel += light;
        }
    }
}

/// Places and weights that stand for a Gaussian: nine, over three standard deviations to either
/// side.
fn gaussian_nodes(sigma: f64) -> [(f64, f64); 9] {
    let mut nodes = std::array::from_fn(|k| {
        let u = (k as f64 - 4.0) * 0.75;
        (u * sigma, exp(-0.5 * u * u))
    });
    let sum: f64 = nodes.iter().map(|node: &(f64, f64)| node.1).sum();
    nodes.iter_mut().for_each(|node| node.1 /= sum);
    nodes
}

/// Shares of a Gaussian's flux in consecutive pixels of one axis.
struct PixelShares {
    first: usize,
    shares: Vec<f64>,
}

/// The pixels of `0..length` within reach of a Gaussian at `center`, and the integral over each.
fn shares(center: f64, sigma: f64, length: usize) -> PixelShares {
    let reach = REACH * sigma + 1.0;
    let last = length as f64 - 1.0;
    if center + reach < 0.0 || center - reach > last {
        return PixelShares { first: 0, shares: Vec::new() };
    }
    let clamp = |value: f64| value.clamp(0.0, last);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..length")]
    let (first, end) = (clamp((center - reach).floor()) as usize, clamp((center + reach).ceil()) as usize);
    let edges: Vec<f64> = (first..=end + 1).map(|k| below(k as f64 - 0.5 - center, sigma)).collect();
    PixelShares { first, shares: edges.windows(2).map(|pair| pair[1] - pair[0]).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_symmetric() {
        let all = shares(20.3, 0.36, 41);
        assert!((all.shares.iter().sum::<f64>() - 1.0).abs() < 1e-8);
        let middle = shares(20.0, 0.9, 41);
        let mirrored: Vec<f64> = middle.shares.iter().rev().copied().collect();
        assert!(middle.shares.iter().zip(&mirrored).all(|(a, b)| (a - b).abs() < 1e-15));
        assert_eq!(middle.first + middle.shares.len() / 2, 20);
        let wide = shares(20.3, 0.9, 41);
        let centroid: f64 = (wide.first..).zip(&wide.shares).map(|(k, share)| k as f64 * share).sum();
        assert!((centroid - 20.3).abs() < 1e-5, "{centroid}");
    }

    #[test]
    fn shares_stop_at_the_edges() {
        assert!(shares(-50.0, 1.0, 10).shares.is_empty());
        assert!(shares(60.0, 1.0, 10).shares.is_empty());
        let half = shares(-0.5, 1.0, 10);
        assert!((half.shares.iter().sum::<f64>() - 0.5).abs() < 1e-8);
        assert_eq!(shares(4.0, 1e3, 10).shares.len(), 10);
    }
}
