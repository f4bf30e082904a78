//! Mean fluxes of channels, drawn over the points of a spectrum that has many.

use super::points::{DrawnValue, MeasuredFlux, ShownFlux};
use crate::scale::percentiles;
use spx_core::elementary::{ln, powf};

/// Widths of bins in ln(wavelength): one over the resolving power, 41 up to 3.82 um and about 120
/// above.
const WIDTHS: [f64; 2] = [1.0 / 41.0, 1.0 / 120.0];
const FINE_FROM: f64 = 3.82;
/// Points without flags that a bin needs for a mean.
const LEAST: usize = 3;
/// Means are drawn where there are at least so many points for each.
const POINTS_PER_MEAN: usize = 3;
/// Points farther from the median than this, in their own errors, do not count.
const CLIP: f64 = 5.0;

/// The logarithm of a mean that is fainter than so many errors says nothing.
pub(super) const LEAST_SIGMA: f64 = 2.0;

/// Means of channels.
#[derive(Debug, Default)]
pub(super) struct Channels {
    /// Mean wavelengths \[um\] with mean values.
    pub(super) means: Vec<(f64, DrawnValue)>,
    /// How many are too faint for a logarithmic axis.
    pub(super) too_faint: usize,
}

impl Channels {
    /// The means of all bins that have enough points; none where they would say little more than
    /// the points.
    pub(super) fn of(fluxes: &[MeasuredFlux], unit: ShownFlux, is_logarithmic: bool) -> Self {
        let mut points = fluxes.to_vec();
        points.sort_by(|a, b| a.wavelength.total_cmp(&b.wavelength));
        let bins: Vec<&[MeasuredFlux]> = points.chunk_by(|a, b| bin(a) == bin(b)).collect();
        if bins.len() * POINTS_PER_MEAN > points.len() {
            return Self::default();
        }
        let means: Vec<(f64, DrawnValue)> =
            bins.into_iter().filter(|bin| bin.len() >= LEAST).map(mean).collect();
        let is_shown = |flux: &DrawnValue| !is_logarithmic || flux.at > LEAST_SIGMA * flux.error;
        let shown = means.iter().filter(|(_, flux)| is_shown(flux));
        let shown = shown.map(|&(wavelength, flux)| (wavelength, unit.value(flux, wavelength)));
        let shown: Vec<_> = shown.filter(|(_, value)| value.at.is_finite()).collect();
        Self { too_faint: means.len() - shown.len(), means: shown }
    }
}

/// Number of the bin that a point falls into; those of the finer ones follow.
fn bin(p: &MeasuredFlux) -> (bool, i64) {
    let fine = p.wavelength >= FINE_FROM;
    #[expect(clippy::cast_possible_truncation, reason = "some hundreds")]
    let number = (ln(p.wavelength / FINE_FROM) / WIDTHS[usize::from(fine)]).floor() as i64;
    (fine, number)
}

/// The weighted mean of the points that lie near their median.
fn mean(points: &[MeasuredFlux]) -> (f64, DrawnValue) {
    let mut values: Vec<f64> = points.iter().map(|p| p.flux).collect();
    let median = percentiles(&mut values, 50.0, 50.0, f64::total_cmp).map_or(0.0, |(median, _)| median);
    let near = |p: &&MeasuredFlux| (p.flux - median).abs() <= CLIP * p.error;
    let mut sums = [0.0; 3];
    for p in points.iter().filter(near) {
        let weight = p.error.powi(-2);
        for (sum, term) in sums.iter_mut().zip([1.0, p.wavelength, p.flux]) {
            *sum += weight * term;
        }
    }
    let [weight, wavelength, value] = sums;
    if weight > 0.0 {
        (wavelength / weight, DrawnValue { at: value / weight, error: powf(weight, -0.5) })
    } else {
        (points[0].wavelength, DrawnValue { at: median, error: 0.0 })
    }
}
