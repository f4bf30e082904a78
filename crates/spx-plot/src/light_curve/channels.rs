//! Mean fluxes of channels, drawn over the points of a spectrum that has many.

use super::points::{DrawnValue, MeasuredFlux, ShownFlux};
use super::smooth::{FittedLine, SmoothedPoint};
use crate::scale::percentiles;
use spx_core::elementary::{exp, ln, powf};

/// Widths of bins in ln(wavelength): one over the resolving power, 41 up to 3.82 um and about 120
/// above.
const WIDTHS: [f64; 2] = [1.0 / 41.0, 1.0 / 120.0];
const FINE_FROM: f64 = 3.82;
/// Points without flags that a bin needs for a mean.
const LEAST: usize = 3;
/// Means are drawn where there are at least so many points for each.
const POINTS_PER_MEAN: usize = 3;
/// Points farther from the median than this do not count, in their own errors or in the width of
/// their scatter, where that is larger.
const CLIP: f64 = 5.0;
/// Percentile of the absolute deviations that tells the scatter, and its value for normal noise of
/// width 1. Two visits of a variable source are no outliers of each other while the second has a
/// quarter of the points; one of a few points is.
const THREE_QUARTERS: [f64; 2] = [75.0, 1.1503];
const HALF: [f64; 2] = [50.0, 0.6745];
const FEW: usize = 5;

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

/// The weighted mean of the points that lie near their median, with its standard deviation: at
/// least that which the scatter of the points about a line tells, for a variable source scatters
/// more than its errors.
fn mean(points: &[MeasuredFlux]) -> (f64, DrawnValue) {
    let at = |percent: f64, mut values: Vec<f64>| {
        percentiles(&mut values, percent, percent, f64::total_cmp).map_or(0.0, |(value, _)| value)
    };
    let median = at(50.0, points.iter().map(|p| p.flux).collect());
    let deviations = || points.iter().map(|p| (p.flux - median).abs()).collect();
    let [percent, width] = if points.len() < FEW { HALF } else { THREE_QUARTERS };
    let scatter = at(percent, deviations()) / width;
    let near = |p: &&MeasuredFlux| (p.flux - median).abs() <= CLIP * p.error.max(scatter);
    let near: Vec<SmoothedPoint> = points.iter().filter(near).map(SmoothedPoint::new).collect();
    let line = FittedLine::new(&near, 0.0);
    if line.weight <= 0.0 {
        return (points[0].wavelength, DrawnValue { at: median, error: 0.0 });
    }
    let error = powf(line.weight, -0.5) * line.excess(&near).max(1.0);
    (exp(line.mean), DrawnValue { at: line.flux, error })
}
