//! The source's own spectrum, smoothed: what its light curve is compared with.

use super::points::MeasuredFlux;
use crate::scale::percentiles;
use spx_core::elementary::{exp, ln};

/// Half the width in ln(wavelength) of the neighborhood in which a line is fitted, as a channel of
/// the resolving power 41 is wide; it grows where there are too few points.
const HALF_WIDTH: f64 = 1.0 / 41.0;
/// Farther than this a neighborhood does not reach: a line would not follow the spectrum.
const FARTHEST: f64 = 0.2;
/// Points that a fit of a line should have, and must have.
const ENOUGH: usize = 8;
const FEWEST: usize = 4;
/// Points farther from the line than this, in standard deviations of the scatter, do not count.
const CLIP: f64 = 3.0;
/// Where all points of a neighborhood are brighter than so many errors, the line is a power law.
const BRIGHT: f64 = 3.0;
/// A scatter is larger than by chance where its sum of squares lies so many of its standard
/// deviations above what errors make.
const CHANCE: f64 = 3.0;
/// How often the spectrum and the brightness of each visit are found from each other.
const ROUNDS: usize = 3;

/// Fluxes \[uJy\] in order of wavelength, those of all visits brought to the same brightness.
pub(super) struct SmoothSpectrum(Vec<SmoothedPoint>);

#[derive(Clone, Copy)]
pub(super) struct SmoothedPoint {
    /// ln(wavelength).
    x: f64,
    flux: f64,
    weight: f64,
    visit: usize,
}

impl SmoothedPoint {
    pub(super) fn new(p: &MeasuredFlux) -> Self {
        Self { x: ln(p.wavelength), flux: p.flux, weight: p.error.powi(-2), visit: 0 }
    }
}

/// The spectrum at a wavelength \[uJy\], with its standard deviation.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReferenceFlux {
    pub(super) flux: f64,
    pub(super) error: f64,
}

impl SmoothSpectrum {
    /// Of measurements with positive wavelengths, seen in `visits`.
    pub(super) fn new(fluxes: &[MeasuredFlux], visits: &[[f64; 2]]) -> Self {
        let mut kept: Vec<SmoothedPoint> = fluxes
            .iter()
            .map(|p| SmoothedPoint {
                visit: visits.partition_point(|[_, last]| *last < p.mjd),
                ..SmoothedPoint::new(p)
            })
            .filter(|p| p.x.is_finite() && p.weight.is_finite() && p.weight > 0.0)
            .collect();
        kept.sort_by(|a, b| a.x.total_cmp(&b.x));
        let measured = kept.clone();
        let mut spectrum = Self(kept);
        // A smooth spectrum of a variable source would else follow the visit that has points
        // nearby.
        for _ in 0..if visits.len() > 1 { ROUNDS } else { 0 } {
            let factors = spectrum.brightness(&measured, visits.len());
            for (point, measured) in spectrum.0.iter_mut().zip(&measured) {
                let factor = factors[point.visit];
                (point.flux, point.weight) = (measured.flux / factor, measured.weight * factor * factor);
            }
        }
        spectrum
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The brightness of each visit over that of all, by the median of its points over the
    /// spectrum, each as weighty as it is exact; 1 where that does not tell.
    fn brightness(&self, measured: &[SmoothedPoint], visits: usize) -> Vec<f64> {
        let mut ratios = vec![Vec::new(); visits + 1];
        for p in measured {
            let model = self.at_logarithm(p.x).flux;
            if model * model * p.weight > BRIGHT * BRIGHT {
                ratios[p.visit].push((p.flux / model, model * model * p.weight));
            }
        }
        let (mut weights, mut sum) = (0.0, 0.0);
        let mut medians = vec![f64::NAN; visits + 1];
        for (visit, ratios) in ratios.iter_mut().enumerate().filter(|(_, ratios)| ratios.len() >= FEWEST) {
            medians[visit] = weighted_median(ratios);
            weights += ratios.len() as f64;
            sum += ratios.len() as f64 * medians[visit];
        }
        let factor = |median: f64| {
            let factor = median * weights / sum;
            if (0.1..10.0).contains(&factor) { factor } else { 1.0 }
        };
        medians.into_iter().map(factor).collect()
    }

    /// The value at a wavelength \[um\], by a line or a power law through the points around it,
    /// from which outliers are taken twice; NaN where there are too few points.
    pub(super) fn at(&self, wavelength: f64) -> ReferenceFlux {
        self.at_logarithm(ln(wavelength))
    }

    fn at_logarithm(&self, x: f64) -> ReferenceFlux {
        let mut near: Vec<SmoothedPoint> = self.neighborhood(x).to_vec();
        if near.len() < FEWEST {
            return ReferenceFlux { flux: f64::NAN, error: f64::NAN };
        }
        let is_bright = near.iter().all(|p| p.flux > 0.0 && p.flux * p.flux * p.weight > BRIGHT * BRIGHT);
        if is_bright {
            near.iter_mut().for_each(|p| (p.flux, p.weight) = (ln(p.flux), p.weight * p.flux * p.flux));
        }
        let mut line = FittedLine::new(&near, x);
        for _ in 0..2 {
            let residuals: Vec<f64> =
                near.iter().map(|p| (p.flux - line.at(p.x)).powi(2) * p.weight).collect();
            // The median of squares of unit width, which outliers do not move.
            let median = percentiles(&mut residuals.clone(), 50.0, 50.0, f64::total_cmp);
            let scatter = median.map_or(1.0, |(median, _)| median / 0.455).max(1.0);
            let clipped = near.iter().zip(&residuals).filter(|(_, r)| **r <= CLIP * CLIP * scatter);
            near = clipped.map(|(p, _)| *p).collect();
            line = FittedLine::new(&near, x);
        }
        let (value, error) = (line.at(x), line.error());
        if is_bright {
            ReferenceFlux { flux: exp(value), error: exp(value) * error }
        } else {
            ReferenceFlux { flux: value, error }
        }
    }

    /// The points around a place, at least [`ENOUGH`] where there are so many within reach.
    fn neighborhood(&self, x: f64) -> &[SmoothedPoint] {
        let points = &self.0;
        let mut start = points.partition_point(|p| p.x < x - HALF_WIDTH);
        let mut end = points.partition_point(|p| p.x <= x + HALF_WIDTH);
        while end - start < ENOUGH {
            let within = |distance: &f64| *distance <= FARTHEST;
            let below = start.checked_sub(1).map(|k| x - points[k].x).filter(within);
            let above = points.get(end).map(|p| p.x - x).filter(within);
            match (below, above) {
                (Some(below), Some(above)) if below < above => start -= 1,
                (Some(_), None) => start -= 1,
                (_, Some(_)) => end += 1,
                (None, None) => break,
            }
        }
        &points[start..end]
    }
}

/// A line by weighted least squares, seen from a place; level where the points lie at one.
pub(super) struct FittedLine {
    from: f64,
    /// The sum of the weights, the mean place from there and the mean flux.
    pub(super) weight: f64,
    pub(super) mean: f64,
    pub(super) flux: f64,
    slope: f64,
    /// Of the slope.
    variance: f64,
}

impl FittedLine {
    pub(super) fn new(points: &[SmoothedPoint], from: f64) -> Self {
        let sum = |of: &dyn Fn(&SmoothedPoint) -> f64| points.iter().map(|p| p.weight * of(p)).sum::<f64>();
        let weight = sum(&|_| 1.0);
        let (mean, flux) = (sum(&|p| p.x - from) / weight, sum(&|p| p.flux) / weight);
        let spread = sum(&|p| (p.x - from - mean).powi(2));
        let slope = sum(&|p| (p.x - from - mean) * (p.flux - flux)) / spread;
        let (slope, variance) = if spread > 1e-12 * weight { (slope, 1.0 / spread) } else { (0.0, 0.0) };
        Self { from, weight, mean, flux, slope, variance }
    }

    fn at(&self, x: f64) -> f64 {
        self.flux + self.slope * (x - self.from - self.mean)
    }

    /// How many times wider the points scatter about the line than their errors say; 1 where that
    /// may be chance.
    pub(super) fn excess(&self, points: &[SmoothedPoint]) -> f64 {
        let freedom = points.len().saturating_sub(2) as f64;
        let squares = points.iter().map(|p| (p.flux - self.at(p.x)).powi(2) * p.weight).sum::<f64>();
        let by_chance = freedom + CHANCE * (2.0 * freedom).sqrt();
        if freedom > 0.0 && squares > by_chance { (squares / freedom).sqrt() } else { 1.0 }
    }

    /// Standard deviation at the place.
    fn error(&self) -> f64 {
        (1.0 / self.weight + self.mean * self.mean * self.variance).sqrt()
    }
}

/// The value below and above which half of the weight lies.
fn weighted_median(values: &mut [(f64, f64)]) -> f64 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    let middle = values.iter().find(|(_, weight)| {
        sum += weight;
        sum >= half
    });
    middle.map_or(f64::NAN, |(value, _)| *value)
}
