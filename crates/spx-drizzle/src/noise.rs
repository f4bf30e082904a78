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

impl DrizzleOptions {
    /// R of the kernel: the standard deviation of the mean over many output pixels of one plane is
    /// R times what it would be were their errors independent. `pixel_scale_ratio` is the side of
    /// an output pixel over that of an input pixel.
    ///
    /// It holds for many exposures at random phases, equal weights, and areas that are large
    /// against droplet and pixel. The square kernel is taken as not turned, as Fruchter & Hook do.
    /// Planes of a cube are correlated besides, where droplets lie across their edges.
    pub fn noise_factor(&self, pixel_scale_ratio: f64) -> f64 {
        let ratio = pixel_scale_ratio;
        match self.kernel {
            Kernel::Point => 1.0,
            Kernel::Bilinear => 1.5,
            Kernel::Square | Kernel::Turbo => {
                let r = self.xy_shrink / ratio;
                if r < 1.0 { 1.0 / (1.0 - r / 3.0) } else { r / (1.0 - 1.0 / (3.0 * r)) }
            }
            Kernel::Gaussian => {
                along_axis(|d| GaussianKernel::new(self.xy_shrink, ratio).profile(d), 6.0 / ratio)
            }
            Kernel::Lanczos2 => along_axis(|d| LanczosKernel::new(2, ratio).value(d), 2.0 / ratio),
            Kernel::Lanczos3 => along_axis(|d| LanczosKernel::new(3, ratio).value(d), 3.0 / ratio),
        }
    }
}

/// R^2 along one axis of a kernel that is 0 beyond `reach`, by the rule of midpoints.
fn along_axis(k: impl Fn(f64) -> f64, reach: f64) -> f64 {
    const STEPS: i32 = 200; // a pixel
    #[expect(clippy::cast_possible_truncation, reason = "kernels reach few pixels")]
    let pixels = (reach + 1.0).ceil() as i32;
    let (mut together, mut alone) = (0.0, 0.0);
    for step in 0..STEPS {
        let phase = (f64::from(step) + 0.5) / f64::from(STEPS);
        let shares = (-pixels..=pixels).map(|m| k(phase + f64::from(m)));
        let (sum, squares) = shares.fold((0.0, 0.0), |(sum, squares), s| (sum + s, squares + s * s));
        together += sum * sum;
        alone += squares;
    }
    together / alone
}
