//! How narrow a line can be in a cube.
//!
//! A pixel of bandwidth D records a narrow line at any wavelength within D/2 of its center. Its
//! droplet spreads that flux over `D z_shrink`, and the plane collects what falls into its bin.
//! Where the centers of the pixels are spread evenly in wavelength, the response of a plane to a
//! line is therefore the convolution of three top-hats: bandwidth, droplet, and bin. R_DATA is the
//! wavelength over the full width of that response at half its maximum. R_EFF, center over width of
//! the bin, tells the sampling alone, and is larger.

use spx_core::detector::{Detector, SpectralChannel};

use crate::Bin;

impl Bin {
    /// The resolving power that data of this bandwidth \[um\] have in the bin, for droplets of
    /// `z_shrink` bandwidths.
    pub fn data_resolving_power(self, bandwidth: f64, z_shrink: f64) -> f64 {
        self.center() / full_width([bandwidth, bandwidth * z_shrink, self.width()])
    }

    /// The same for a detector, with the bandwidth of the channel that is nearest to the bin.
    pub fn detector_resolving_power(self, detector: Detector, z_shrink: f64) -> f64 {
        let center = self.center();
        let distance = |channel: &SpectralChannel| (0.5 * (channel.wl_min + channel.wl_max) - center).abs();
        let nearest = detector.channels().iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest
            .map_or(f64::NAN, |channel| self.data_resolving_power(center / channel.resolving_power, z_shrink))
    }
}

/// The full width at half maximum of the convolution of three top-hats of these widths.
fn full_width(widths: [f64; 3]) -> f64 {
    const HALVINGS: usize = 60;
    let half_maximum = 0.5 * response(widths, 0.0);
    let (mut inside, mut outside) = (0.0, 0.5 * widths.iter().sum::<f64>());
    for _ in 0..HALVINGS {
        let middle = 0.5 * (inside + outside);
        if response(widths, middle) > half_maximum { inside = middle } else { outside = middle }
    }
    inside + outside
}

/// The convolution at a distance from its center, but for a factor: a sum of eight squares, for the
/// integral of a step, taken three times, is a square over 2, and a top-hat is the difference of
/// two steps.
fn response([a, b, c]: [f64; 3], distance: f64) -> f64 {
    let signs = [1.0, -1.0];
    let corners = signs.iter().flat_map(|s| signs.iter().flat_map(move |t| signs.map(|u| (*s, *t, u))));
    let term =
        |(s, t, u): (f64, f64, f64)| s * t * u * (0.5 * (s * a + t * b + u * c) - distance).max(0.0).powi(2);
    corners.map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_of_known_convolutions() {
        // Two top-hats make a triangle or a trapezoid, whose width is that of the wider one.
        assert!((full_width([1.0, 1.0, 1e-6]) - 1.0).abs() < 1e-5);
        assert!((full_width([2.0, 0.3, 1e-6]) - 2.0).abs() < 1e-5);
        // Three equal ones make a parabola of three pieces: 3/4 in the middle, (3/2 - x)^2 / 2
        // outside.
        assert!((full_width([1.0; 3]) - (3.0 - 3f64.sqrt())).abs() < 1e-12);
    }
}
