//! Sources on the detector: Gaussians integrated over pixels.

use spx_core::map::WavelengthMap as _;
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_wcs::{CelestialWcs, WaveTable};

use crate::expose::PixelWindow;
use crate::gaussian::{FWHM_PER_SIGMA, below};
use crate::sky::SimulatedSky;

/// Reach of a source in standard deviations; beyond lies 1e-8 of its flux.
const REACH: f64 = 6.0;

/// Sources farther from the tangent point cannot touch the frame, whose corners are 2.5 degrees away, and the
/// distortion polynomials mean nothing there \[deg\].
const FARTHEST: f64 = 4.0;

/// What maps the frame to sky and wavelength; both in pixels of the full frame.
pub(crate) struct DetectorFrame<'a> {
    pub(crate) wcs: &'a CelestialWcs,
    pub(crate) waves: &'a WaveTable,
    pub(crate) centre: Position,
    pub(crate) window: PixelWindow,
}

impl DetectorFrame<'_> {
    /// Light of all sources in the window \[MJy/sr\], row-major.
    pub(crate) fn sources(&self, sky: &SimulatedSky, fwhm_arcsec: f64) -> Vec<f32> {
        let mut plane = vec![0.0; self.window.nx * self.window.ny];
        let psf = fwhm_arcsec / FWHM_PER_SIGMA;
        for star in &sky.stars {
            self.add(&mut plane, star.position, psf, |wavelength| star.flux(wavelength));
        }
        for source in &sky.extended {
            let sigma = psf.hypot(source.sigma());
            self.add(&mut plane, source.position, sigma, |wavelength| source.flux(wavelength));
        }
        plane
    }

    /// Adds a Gaussian of standard deviation `sigma` \[arcsec\] whose flux \[uJy\] depends on the wavelength
    /// \[um\]: each pixel gets the share of the flux at its own wavelength that falls on it, over its own solid
    /// angle.
    fn add(&self, plane: &mut [f32], position: Position, sigma: f64, flux: impl Fn(f64) -> f64) {
        if position.separation(self.centre) > FARTHEST + REACH * sigma / 3600.0 {
            return;
        }
        let Some([x, y]) = self.wcs.sky_to_pixel(position) else { return };
        let sigma = sigma / self.wcs.pixel_area(x, y).sqrt();
        let PixelWindow { x0, y0, nx, ny } = self.window;
        let columns = shares(x - x0 as f64, sigma, nx);
        let rows = shares(y - y0 as f64, sigma, ny);
        for (j, row) in (rows.first..).zip(&rows.shares) {
            for (i, column) in (columns.first..).zip(&columns.shares) {
                let [px, py] = [(x0 + i) as f64, (y0 + j) as f64];
                let per_arcsec2 = row * column / self.wcs.pixel_area(px, py);
                let ujy = flux(self.waves.passband(px, py).center);
                #[expect(clippy::cast_possible_truncation, reason = "the plane is f32")]
                let light = (ujy * per_arcsec2 / UJY_PER_ARCSEC2_PER_MJY_PER_SR) as f32;
                plane[j * nx + i] += light;
            }
        }
    }
}

/// PixelShares of a Gaussian's flux in consecutive pixels of one axis.
struct PixelShares {
    first: usize,
    shares: Vec<f64>,
}

/// The pixels of `0..length` within reach of a Gaussian at `centre`, and the integral over each.
fn shares(centre: f64, sigma: f64, length: usize) -> PixelShares {
    let reach = REACH * sigma + 1.0;
    let last = length as f64 - 1.0;
    if centre + reach < 0.0 || centre - reach > last {
        return PixelShares { first: 0, shares: Vec::new() };
    }
    let clamp = |value: f64| value.clamp(0.0, last);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..length")]
    let (first, end) = (clamp((centre - reach).floor()) as usize, clamp((centre + reach).ceil()) as usize);
    let edges: Vec<f64> = (first..=end + 1).map(|k| below(k as f64 - 0.5 - centre, sigma)).collect();
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
