//! Which points can be drawn, and the ranges that they span.

use spx_core::units::AB_ZERO_POINT_UJY;

use super::{LightCurveFigure, LightCurveOptions, LightCurvePoint, PointQuality};
use crate::PlotError;
use crate::panel::{bar, checked, widened};
use crate::scale::percentiles;

/// An upper limit lies this many errors above the flux, or above zero where that is negative.
pub(super) const LIMIT_SIGMA: f64 = 3.0;

/// A point with a place in the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DrawablePoint {
    pub(super) mjd: f64,
    pub(super) wavelength: f64,
    pub(super) half_bandwidth: f64,
    /// Flux \[uJy\] or magnitude; of an upper limit the limit.
    pub(super) value: f64,
    /// In the same unit; 0 for none.
    pub(super) error: f64,
    /// What the vertical axis should show of it: its error bar, or from the flux to its limit.
    ends: [f64; 2],
    pub(super) quality: PointQuality,
}

impl DrawablePoint {
    fn new(p: &LightCurvePoint, use_magnitude: bool) -> Option<Self> {
        let (flux, error) = match p.quality {
            PointQuality::UpperLimit => (p.flux.max(0.0) + LIMIT_SIGMA * bar(p.error), 0.0),
            _ => (p.flux, bar(p.error)),
        };
        let (value, error) = if use_magnitude {
            (AB_ZERO_POINT_UJY - 2.5 * flux.log10(), 2.5 / std::f64::consts::LN_10 * error / flux)
        } else {
            (flux, error)
        };
        let ends = match p.quality {
            PointQuality::UpperLimit if !use_magnitude => [p.flux, value],
            _ => [value - error, value + error],
        };
        let half_bandwidth = bar(p.bandwidth) / 2.0;
        let LightCurvePoint { mjd, wavelength, quality, .. } = *p;
        let point = Self { mjd, wavelength, half_bandwidth, value, error, ends, quality };
        // The logarithm of what is not positive is not finite. A NaN flux would pass as a limit
        // above zero.
        let finite = [p.mjd, p.wavelength, p.flux, value].into_iter().all(f64::is_finite);
        finite.then_some(point)
    }
}

/// The points of a figure that can be drawn, at least one.
pub(super) struct Drawable {
    pub(super) points: Vec<DrawablePoint>,
    /// How many cannot.
    pub(super) left_out: usize,
}

impl Drawable {
    pub(super) fn new(figure: &LightCurveFigure) -> Result<Self, PlotError> {
        let use_magnitude = figure.options.use_magnitude;
        let points: Vec<DrawablePoint> =
            figure.points.iter().filter_map(|p| DrawablePoint::new(p, use_magnitude)).collect();
        if points.is_empty() {
            let what =
                if use_magnitude { "date, wavelength and magnitude" } else { "date, wavelength and flux" };
            return Err(PlotError::NoPoints { what, points: figure.points.len() });
        }
        let left_out = figure.points.len() - points.len();
        Ok(Self { points, left_out })
    }

    /// The points that matter for limits and colors: those that are not rejected, if there are any.
    fn relevant(&self) -> impl Iterator<Item = &DrawablePoint> {
        let none = self.points.iter().all(|p| p.quality == PointQuality::Rejected);
        self.points.iter().filter(move |p| none || p.quality != PointQuality::Rejected)
    }

    /// The range of a coordinate of all points with the bars along it, with a part of it more at
    /// either end; of one value without bar a range around it, of length 2 `least`.
    pub(super) fn extent(
        &self,
        of: fn(&DrawablePoint) -> f64,
        bar: fn(&DrawablePoint) -> f64,
        least: f64,
        part: f64,
    ) -> [f64; 2] {
        let ends = self.points.iter().flat_map(|p| [of(p) - bar(p), of(p) + bar(p)]);
        padded_ends(ends, least, part)
    }

    /// The range of the coordinate that colors show.
    pub(super) fn colored(&self, of: fn(&DrawablePoint) -> f64, least: f64) -> [f64; 2] {
        padded_ends(self.relevant().map(of), least, 0.0)
    }

    /// The range of the values, by percentiles.
    pub(super) fn values(&self, options: &LightCurveOptions) -> Result<[f64; 2], PlotError> {
        let (low, high) = (options.ylim_percentile_min, options.ylim_percentile_max);
        let ends = |k: usize| {
            let mut ends: Vec<f64> = self.relevant().map(|p| p.ends[k]).collect();
            percentiles(&mut ends, low, high, f64::total_cmp).unwrap_or_default()
        };
        checked("values", widened([ends(0).0, ends(1).1], options.ylim_padding_fraction))
    }
}

fn padded_ends(values: impl Iterator<Item = f64>, least: f64, part: f64) -> [f64; 2] {
    let ends = |[low, high]: [f64; 2], value: f64| [low.min(value), high.max(value)];
    let [low, high] = values.fold([f64::INFINITY, f64::NEG_INFINITY], ends);
    let more = if high > low { part * (high - low) } else { least };
    [low - more, high + more]
}
