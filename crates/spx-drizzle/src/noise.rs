//! How much the noise of large areas exceeds what independent pixels would have.
//!
//! A droplet gives to several output pixels, so their noise is correlated, and the noise of a sum
//! over many pixels is larger than VARIANCE tells, by the factor R of Fruchter & Hook (2002,
//! section 7, equations 9 and 10). They give it for the square kernel; it follows for any kernel
//! from the same argument: let many exposures fall at all phases of the output grid, and let k(d)
//! be the share that a pixel at distance d along one axis gets. Covariances at a distance of m
//! pixels are proportional to the integral of k(d) k(d + m), so that along one axis
//!
//! ```text
//! R^2 = sum over m of the integral of k(d) k(d + m) / integral of k(d)^2
//! ```
//!
//! and R of the plane is the product of those of its axes, which is R^2 where both are alike.

use crate::kernel::{GaussianKernel, LanczosKernel};
use crate::{DrizzleOptions, Kernel};

/// Steps in a pixel of the integrals over the phase.
const STEPS: i32 = 200;

impl DrizzleOptions {
    /// R of the kernel: the standard deviation of the mean over many output pixels of one plane is
    /// R times what it would be were their errors independent. `pixel_scale_ratio` is the side of
    /// an output pixel over that of an input pixel.
    ///
    /// It holds for many exposures at random phases, equal weights, and areas that are large
    /// against droplet and pixel; for smaller areas see
    /// [`noise_correlation`](Self::noise_correlation). The square kernel is taken as not turned, as
    /// Fruchter & Hook do. Planes of a cube are correlated besides, where droplets lie across their
    /// edges.
    pub fn noise_factor(&self, pixel_scale_ratio: f64) -> f64 {
        let ratio = pixel_scale_ratio;
        match self.kernel {
            Kernel::Point => 1.0,
            Kernel::Bilinear => 1.5,
            Kernel::Square | Kernel::Turbo => {
                let r = self.xy_shrink / ratio;
                if r < 1.0 { 1.0 / (1.0 - r / 3.0) } else { r / (1.0 - 1.0 / (3.0 * r)) }
            }
            Kernel::Gaussian | Kernel::Lanczos2 | Kernel::Lanczos3 => {
                let correlation = self.noise_correlation(ratio);
                2.0 * correlation.iter().sum::<f64>() - 1.0
            }
        }
    }

    /// The correlation of the errors of two output pixels of one plane that lie 0, 1, 2, ... pixels
    /// from each other along one axis; 0 beyond the last. Across both axes it is the product of
    /// both, so that the variance of a sum with weights `w` is
    /// `sum over i, j of w_i w_j sigma_i sigma_j c(|x_i - x_j|) c(|y_i - y_j|)`.
    ///
    /// It holds where [`noise_factor`](Self::noise_factor) does, for areas of any size.
    pub fn noise_correlation(&self, pixel_scale_ratio: f64) -> Vec<f64> {
        let ratio = pixel_scale_ratio;
        match self.kernel {
            Kernel::Point => vec![1.0],
            Kernel::Bilinear => correlation(|d| (1.0 - d.abs()).max(0.0), 1.0),
            Kernel::Square | Kernel::Turbo => {
                let half = 0.5 * self.xy_shrink / ratio;
                correlation(|d| ((d + half).min(0.5) - (d - half).max(-0.5)).max(0.0), half + 0.5)
            }
            Kernel::Gaussian => {
                correlation(|d| GaussianKernel::new(self.xy_shrink, ratio).profile(d), 6.0 / ratio)
            }
            Kernel::Lanczos2 => correlation(|d| LanczosKernel::new(2, ratio).value(d), 2.0 / ratio),
            Kernel::Lanczos3 => correlation(|d| LanczosKernel::new(3, ratio).value(d), 3.0 / ratio),
        }
    }
}

/// The integrals of `k(d) k(d + m)` over that of `k(d)^2` along one axis for m = 0, 1, ..., of a
/// kernel that is 0 beyond `reach`, by the rule of midpoints.
fn correlation(k: impl Fn(f64) -> f64, reach: f64) -> Vec<f64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "kernels reach few pixels")]
    let pixels = (reach + 1.0).ceil() as usize;
    let mut together = vec![0.0; 2 * pixels + 1];
    for step in 0..STEPS {
        let phase = (f64::from(step) + 0.5) / f64::from(STEPS);
        let shares: Vec<f64> = (0..=2 * pixels).map(|m| k(phase + m as f64 - pixels as f64)).collect();
        for (m, sum) in together.iter_mut().enumerate() {
            *sum += shares.iter().zip(&shares[m..]).map(|(a, b)| a * b).sum::<f64>();
        }
    }
    let alone = together[0];
    while together.last() == Some(&0.0) {
        together.pop();
    }
    together.iter().map(|sum| sum / alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of all correlations is R^2 along one axis, which is R of the plane, by the other
    /// derivation.
    #[test]
    fn correlations_add_up_to_the_noise_factor() {
        for kernel in Kernel::ALL {
            for (xy_shrink, ratio) in [(1.0, 1.0), (0.8, 1.0), (0.8, 0.5), (0.5, 2.0)] {
                let options = DrizzleOptions { kernel, xy_shrink, ..DrizzleOptions::default() };
                let correlation = options.noise_correlation(ratio);
                let (sum, expected) =
                    (2.0 * correlation.iter().sum::<f64>() - 1.0, options.noise_factor(ratio));
                assert_eq!(correlation[0], 1.0);
                assert!((sum / expected - 1.0).abs() < 1e-4, "{kernel} {ratio}: {sum} for {expected}");
            }
        }
    }
}
