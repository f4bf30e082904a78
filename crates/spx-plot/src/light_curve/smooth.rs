//! The source's own spectrum, smoothed: what its light curve is compared with.

use super::points::MeasuredFlux;
use spx_core::elementary::ln;

/// Half the width in ln(wavelength) of the neighborhood in which a line is fitted, as a channel of
/// the resolving power 41 is wide; it grows where there are too few points.
const HALF_WIDTH: f64 = 1.0 / 41.0;
/// Points that a fit of a line should have.
const ENOUGH: usize = 8;
/// Points farther from the line than this, in standard deviations of the scatter, do not count.
const CLIP: f64 = 3.0;

/// Fluxes \[uJy\] in order of wavelength.
pub(super) struct SmoothSpectrum(Vec<SmoothedPoint>);

#[derive(Clone, Copy)]
struct SmoothedPoint {
    /// ln(wavelength).
    x: f64,
    flux: f64,
    weight: f64,
}

impl SmoothSpectrum {
    /// Of measurements with positive wavelengths.
    pub(super) fn new(fluxes: &[MeasuredFlux]) -> Self {
        let mut kept: Vec<SmoothedPoint> = fluxes
            .iter()
            .map(|p| SmoothedPoint { x: ln(p.wavelength), flux: p.flux, weight: p.error.powi(-2) })
            .filter(|p| p.x.is_finite() && p.weight.is_finite() && p.weight > 0.0)
            .collect();
        kept.sort_by(|a, b| a.x.total_cmp(&b.x));
        Self(kept)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value at a wavelength \[um\], by a line through the points around it, from which
    /// outliers are taken twice; NaN where there are no points.
    pub(super) fn at(&self, wavelength: f64) -> f64 {
        let x = ln(wavelength);
        let mut near: Vec<SmoothedPoint> = self.neighborhood(x).to_vec();
        let mut line = fitted(&near, x);
        for _ in 0..2 {
            let residuals: Vec<f64> = near.iter().map(|p| (p.flux - line(p.x)).powi(2) * p.weight).collect();
            let scatter = (residuals.iter().sum::<f64>() / residuals.len().max(1) as f64).max(1.0);
            let mut clipped = near.iter().zip(&residuals).filter(|(_, r)| **r <= CLIP * CLIP * scatter);
            let kept: Vec<SmoothedPoint> = clipped.by_ref().map(|(p, _)| *p).collect();
            near = kept;
            line = fitted(&near, x);
        }
        line(x)
    }

    /// The points around a place, at least [`ENOUGH`] where there are so many.
    fn neighborhood(&self, x: f64) -> &[SmoothedPoint] {
        let points = &self.0;
        let mut start = points.partition_point(|p| p.x < x - HALF_WIDTH);
        let mut end = points.partition_point(|p| p.x <= x + HALF_WIDTH);
        while end - start < ENOUGH.min(points.len()) {
            let below = (start > 0).then(|| x - points[start - 1].x);
            let above = (end < points.len()).then(|| points[end].x - x);
            match (below, above) {
                (Some(below), Some(above)) if below < above => start -= 1,
                (Some(_), None) => start -= 1,
                _ => end += 1,
            }
        }
        &points[start..end]
    }
}

/// A line by weighted least squares, seen from `x`; level where the points lie at one place.
fn fitted(points: &[SmoothedPoint], x: f64) -> impl Fn(f64) -> f64 + use<> {
    let sum = |of: &dyn Fn(&SmoothedPoint) -> f64| points.iter().map(|p| p.weight * of(p)).sum::<f64>();
    let weight = sum(&|_| 1.0);
    let (mean, flux) = (sum(&|p| p.x - x) / weight, sum(&|p| p.flux) / weight);
    let spread = sum(&|p| (p.x - x - mean).powi(2));
    let slope = sum(&|p| (p.x - x - mean) * (p.flux - flux)) / spread;
    let slope = if spread > 1e-12 * weight { slope } else { 0.0 };
    move |at| flux + slope * (at - x - mean)
}
