//! Which points can be drawn, to which class each belongs, and the ranges that they span.

use spx_core::elementary::{hypot, log10};
use spx_core::units::AB_ZERO_POINT_UJY;

use super::channels::Channels;
use super::dates::visits;
use super::smooth::{ReferenceFlux, SmoothSpectrum};
use super::{LightCurveFigure, LightCurveOptions, LightCurvePoint, LightCurveQuantity};
use crate::panel::{bar, checked, padded_log, widened};
use crate::scale::percentiles;
use crate::significance::Significance;
use crate::{FluxUnit, PlotError};

/// An upper limit lies this many errors above the flux, or above zero where that is negative.
pub(super) const LIMIT_SIGMA: f64 = 3.0;
/// A light curve relative to the spectrum needs at least so many points that it can show and that
/// are not flagged.
const LEAST_FOR_RELATIVE: usize = 20;
/// A point with a larger relative error tells nothing of variation.
const LARGEST_RELATIVE_ERROR: f64 = 0.5;

/// By this part of its length an axis is longer, at most, for what lies far below zero.
const LONGEST_BELOW: f64 = 3.0;

/// How a point is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PointClass {
    /// A pixel of the aperture has a bad flag: a gray cross.
    Flagged,
    /// Far below zero: a diamond where it is.
    FarNegative,
    /// Below the threshold of detections: an open circle.
    Faint,
    /// Of unknown error, and so of unknown significance: a dot.
    WithoutError,
    /// Where limits are asked for, a faint point that is smaller than its error: an arrow.
    UpperLimit,
    /// A filled disc.
    Detected,
}

impl PointClass {
    /// Whether its marks or its error bars have colors.
    pub(super) fn is_colored(self, has_bars: bool) -> bool {
        match self {
            Self::Flagged => false,
            Self::FarNegative => has_bars,
            Self::Faint | Self::WithoutError | Self::UpperLimit | Self::Detected => true,
        }
    }

    fn of(point: &LightCurvePoint, options: &LightCurveOptions) -> Self {
        match Significance::of(point.flux, point.error, options.sigma_threshold) {
            _ if point.flagged => Self::Flagged,
            Significance::WithoutError => Self::WithoutError,
            Significance::FarNegative => Self::FarNegative,
            Significance::Detected => Self::Detected,
            Significance::Faint if options.show_limits && point.flux < point.error => Self::UpperLimit,
            Significance::Faint => Self::Faint,
        }
    }
}

/// A value with its error on a vertical axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DrawnValue {
    pub(super) at: f64,
    /// In the same unit; 0 for none.
    pub(super) error: f64,
}

/// A point with a place in the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DrawablePoint {
    pub(super) mjd: f64,
    pub(super) wavelength: f64,
    pub(super) half_bandwidth: f64,
    /// In the spectrum: flux or magnitude; of an upper limit the limit.
    pub(super) value: DrawnValue,
    /// In the light curve: the same, or relative to the spectrum; NaN where that is too faint.
    pub(super) relative: DrawnValue,
    /// Flux and error as they were given \[uJy\].
    flux: DrawnValue,
    pub(super) class: PointClass,
}

/// What the vertical axes show of fluxes.
#[derive(Debug, Clone, Copy)]
pub(super) enum ShownFlux {
    Magnitude,
    Density(FluxUnit),
}

impl ShownFlux {
    fn of(figure: &LightCurveFigure) -> Self {
        let options = &figure.options;
        if options.use_magnitude {
            return Self::Magnitude;
        }
        Self::Density(FluxUnit::suited(
            options.flux_density,
            figure.points.iter().map(|p| [p.wavelength, p.flux]),
        ))
    }

    /// A flux \[uJy\] at a wavelength \[um\] as it is drawn.
    pub(super) fn value(self, flux: DrawnValue, wavelength: f64) -> DrawnValue {
        match self {
            Self::Magnitude => magnitude(flux),
            Self::Density(unit) => {
                DrawnValue { at: unit.value(wavelength, flux.at), error: unit.value(wavelength, flux.error) }
            }
        }
    }

    /// The name of the axis.
    pub(super) fn label(self) -> String {
        match self {
            Self::Magnitude => "AB magnitude".to_owned(),
            Self::Density(unit) => unit.label(),
        }
    }
}

impl DrawablePoint {
    fn new(p: &LightCurvePoint, options: &LightCurveOptions, unit: ShownFlux) -> Option<Self> {
        let class = PointClass::of(p, options);
        let flux = DrawnValue { at: p.flux, error: bar(p.error) };
        let shown = match class {
            PointClass::UpperLimit => {
                DrawnValue { at: p.flux.max(0.0) + LIMIT_SIGMA * flux.error, error: 0.0 }
            }
            _ => flux,
        };
        let value = unit.value(shown, p.wavelength);
        let half_bandwidth = bar(p.bandwidth) / 2.0;
        let LightCurvePoint { mjd, wavelength, .. } = *p;
        // The logarithm of what is not positive is not finite.
        let finite = [p.mjd, p.wavelength, p.flux, value.at].into_iter().all(f64::is_finite);
        finite.then_some(Self { mjd, wavelength, half_bandwidth, value, relative: value, flux, class })
    }
}

impl DrawablePoint {
    /// The value over that of the spectrum, its error with that of the spectrum; `None` where that
    /// is too faint to tell.
    fn over(&self, spectrum: ReferenceFlux, use_magnitude: bool) -> Option<DrawnValue> {
        let ReferenceFlux { flux: model, error: model_error } = spectrum;
        let largest = LARGEST_RELATIVE_ERROR * model;
        if !(model > 0.0 && model_error < largest && self.flux.error < largest) {
            return None;
        }
        let with_model = |ratio: f64, error: f64| hypot(error, ratio * model_error / model);
        Some(match self.class {
            _ if use_magnitude => {
                let zero = magnitude(DrawnValue { at: model, error: model_error });
                let error = hypot(self.value.error, zero.error);
                DrawnValue { at: self.value.at - zero.at, error }
            }
            PointClass::UpperLimit => {
                let limit = self.flux.at.max(0.0) + LIMIT_SIGMA * self.flux.error;
                DrawnValue { at: limit / model, error: 0.0 }
            }
            _ => {
                let ratio = self.flux.at / model;
                DrawnValue { at: ratio, error: with_model(ratio, self.flux.error / model) }
            }
        })
    }
}

/// AB magnitude of a flux \[uJy\].
fn magnitude(flux: DrawnValue) -> DrawnValue {
    DrawnValue {
        at: AB_ZERO_POINT_UJY - 2.5 * log10(flux.at),
        error: 2.5 / std::f64::consts::LN_10 * flux.error / flux.at,
    }
}

/// A flux \[uJy\] with a positive error at a wavelength \[um\].
#[derive(Debug, Clone, Copy)]
pub(super) struct MeasuredFlux {
    pub(super) mjd: f64,
    pub(super) wavelength: f64,
    pub(super) flux: f64,
    pub(super) error: f64,
}

/// The points of a figure that can be drawn, at least one.
pub(super) struct Drawable {
    pub(super) points: Vec<DrawablePoint>,
    /// All measurements without flags, those that have no magnitude among them: leaving these out
    /// would bias every mean.
    pub(super) fluxes: Vec<MeasuredFlux>,
    /// Means over the points of the spectrum.
    pub(super) channels: Channels,
    /// What the vertical axes show.
    pub(super) unit: ShownFlux,
    /// How many cannot.
    pub(super) left_out: usize,
    /// First and last date of each visit \[MJD\].
    pub(super) visits: Vec<[f64; 2]>,
    /// Whether the light curve is relative to the spectrum.
    pub(super) is_relative: bool,
}

impl Drawable {
    /// Of the wavelengths that are asked for, or of all where none lies there.
    pub(super) fn new(figure: &LightCurveFigure) -> Result<Self, PlotError> {
        let options = &figure.options;
        let unit = ShownFlux::of(figure);
        let wanted = options.wavelength_min.unwrap_or(0.0)..=options.wavelength_max.unwrap_or(f64::INFINITY);
        let inside = |p: &&LightCurvePoint| wanted.contains(&p.wavelength);
        let is_any = figure.points.iter().any(|p| inside(&p));
        let measured: Vec<&LightCurvePoint> = figure.points.iter().filter(|p| !is_any || inside(p)).collect();
        let points: Vec<DrawablePoint> =
            measured.iter().filter_map(|p| DrawablePoint::new(p, options, unit)).collect();
        if points.is_empty() {
            let what = if options.use_magnitude {
                "date, wavelength and magnitude"
            } else {
                "date, wavelength and flux"
            };
            return Err(PlotError::NoPoints { what, points: figure.points.len() });
        }
        let left_out = measured.len() - points.len();
        let usable = |p: &&LightCurvePoint| {
            !p.flagged && p.error > 0.0 && [p.wavelength, p.flux, p.error].into_iter().all(f64::is_finite)
        };
        let flux = |p: &LightCurvePoint| {
            let LightCurvePoint { mjd, wavelength, flux, error, .. } = *p;
            MeasuredFlux { mjd, wavelength, flux, error }
        };
        let fluxes: Vec<MeasuredFlux> = measured.into_iter().filter(usable).map(flux).collect();
        let channels = if options.show_channels {
            Channels::of(&fluxes, unit, options.use_magnitude || options.log_flux)
        } else {
            Channels::default()
        };
        let visits = visits(points.iter().map(|p| p.mjd));
        let mut drawable = Self { points, fluxes, channels, unit, left_out, visits, is_relative: false };
        if options.light_curve == LightCurveQuantity::Relative {
            drawable.make_relative(options.use_magnitude);
        }
        Ok(drawable)
    }

    /// Divides the values of the light curve by the source's own smooth spectrum, where that is
    /// bright enough for it.
    fn make_relative(&mut self, use_magnitude: bool) {
        let spectrum = SmoothSpectrum::new(&self.fluxes, &self.visits);
        if spectrum.len() < LEAST_FOR_RELATIVE {
            return;
        }
        let relative: Vec<Option<DrawnValue>> = self
            .points
            .iter()
            .map(|point| point.over(spectrum.at(point.wavelength), use_magnitude))
            .collect();
        let told = self.points.iter().zip(&relative);
        let told = told.filter(|(p, relative)| p.class != PointClass::Flagged && relative.is_some());
        if told.count() < LEAST_FOR_RELATIVE {
            return;
        }
        self.is_relative = true;
        let nowhere = DrawnValue { at: f64::NAN, error: 0.0 };
        for (point, relative) in self.points.iter_mut().zip(relative) {
            point.relative = relative.unwrap_or(nowhere);
        }
    }

    /// Points that the light curve does not show: the spectrum is too faint there, or has too few
    /// points nearby.
    pub(super) fn not_compared(&self) -> usize {
        self.points.iter().filter(|p| p.relative.at.is_nan()).count()
    }

    /// The points that matter for limits and colors: those without flags, if there are any.
    fn relevant(&self) -> impl Iterator<Item = &DrawablePoint> {
        let none = self.points.iter().all(|p| p.class == PointClass::Flagged);
        self.points.iter().filter(move |p| none || p.class != PointClass::Flagged)
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

    /// The range of values above 0 in the spectrum for a logarithmic axis; `None` where there are
    /// none.
    pub(super) fn values_above_zero(&self, options: &LightCurveOptions) -> Option<[f64; 2]> {
        let bar = |p: &DrawablePoint| if options.show_errorbars { p.value.error } else { 0.0 };
        let points = self.relevant().map(|p| (p.value.at, bar(p)));
        let means = self.channels.means.iter().map(|(_, mean)| (mean.at, mean.error));
        padded_log(points.chain(means), options.ylim_padding_fraction)
    }

    /// The range of the values in the spectrum, with means of channels inside.
    pub(super) fn spectrum_values(&self, options: &LightCurveOptions) -> Result<[f64; 2], PlotError> {
        let means =
            self.channels.means.iter().flat_map(|(_, mean)| [mean.at - mean.error, mean.at + mean.error]);
        self.values(|p| p.value, means, self.far_negative(), options)
    }

    /// The range of the values in the light curve; relative to the spectrum, what is far below zero
    /// would hide all else.
    pub(super) fn relative_values(&self, options: &LightCurveOptions) -> Result<[f64; 2], PlotError> {
        let far = self.far_negative().filter(|_| !self.is_relative);
        self.values(|p| p.relative, std::iter::empty(), far, options)
    }

    /// The values of points far below zero.
    fn far_negative(&self) -> impl Iterator<Item = f64> {
        self.points.iter().filter(|p| p.class == PointClass::FarNegative).map(|p| p.value.at)
    }

    /// A range of values, by percentiles of what is drawn, with `others` inside, detections where
    /// that makes it no longer than three times, and what lies `far` below zero where it leaves the
    /// rest a quarter of the axis: one such value must not hide all others.
    fn values(
        &self,
        of: fn(&DrawablePoint) -> DrawnValue,
        others: impl Iterator<Item = f64>,
        far: impl Iterator<Item = f64>,
        options: &LightCurveOptions,
    ) -> Result<[f64; 2], PlotError> {
        let (low, high) = (options.ylim_percentile_min, options.ylim_percentile_max);
        let only_far = self.relevant().all(|p| p.class == PointClass::FarNegative);
        let ends = |sign: f64| {
            let reach = |p| {
                let DrawnValue { at, error } = of(p);
                // Bars of infinite length say nothing about the range.
                at + sign * if options.show_errorbars { error } else { 0.0 }
            };
            // What lies far below zero has a rule of its own: more of it than the percentile
            // leaves out would else make the axis.
            let near = |p: &&DrawablePoint| only_far || p.class != PointClass::FarNegative;
            let mut ends: Vec<f64> =
                self.relevant().filter(near).map(reach).filter(|end| !end.is_nan()).collect();
            percentiles(&mut ends, low, high, f64::total_cmp).unwrap_or_default()
        };
        let (low, high) = (ends(-1.0).0, ends(1.0).1);
        let near = (low - (high - low))..=(high + (high - low));
        let detected = self.points.iter().filter(|p| p.class == PointClass::Detected).map(|p| of(p).at);
        let detected = detected.filter(|at| near.contains(at));
        let enclose = |[low, high]: [f64; 2], at: f64| [low.min(at), high.max(at)];
        let [low, high] = detected.chain(others).fold([low, high], enclose);
        let lowest = low - LONGEST_BELOW * (high - low);
        let range = far.filter(|at| *at >= lowest).fold([low, high], enclose);
        checked("values", widened(range, options.ylim_padding_fraction))
    }
}

fn padded_ends(values: impl Iterator<Item = f64>, least: f64, part: f64) -> [f64; 2] {
    let ends = |[low, high]: [f64; 2], value: f64| [low.min(value), high.max(value)];
    let [low, high] = values.fold([f64::INFINITY, f64::NEG_INFINITY], ends);
    let more = if high > low { part * (high - low) } else { least };
    [low - more, high + more]
}
