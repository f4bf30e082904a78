//! What is left of the sky as a function of wavelength: medians in bins, joined by a monotone cubic
//! (Fritsch & Carlson 1980, SIAM J. Numer. Anal. 17, 238).

use serde::{Deserialize, Serialize};

use super::clip::median;
use crate::detector::Detector;
use crate::elementary::hypot;

/// Bins over the channels of a detector, in which the residual is reported.
pub const SPECTRUM_BINS: usize = 48;
/// Nodes of the spectrum that is subtracted. The monotone cubic cuts the peak of a line between two
/// nodes; with 48 it would leave up to 1 % of an airglow line in a channel. The noise of a channel
/// does not depend on the number.
const NODES: usize = 3 * SPECTRUM_BINS;
/// Bins of fewer pixels are left out.
const FEWEST: usize = 20;
/// How often the medians of what is still left are added: a line is curved within a bin, so the
/// median of the bin is not the value at its center.
const ROUNDS: usize = 3;
/// A median absolute deviation times this is the standard error of the median of one normal value.
const ERROR: f64 = 1.4826 * 1.2533;

/// The residual of an image in a bin of wavelength.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ResidualBin {
    /// Mean wavelength of the pixels \[um\].
    pub wavelength: f64,
    /// Median of the image less the scaled zodiacal model [MJy/sr].
    pub level: f64,
    /// Its statistical error [MJy/sr].
    pub error: f64,
    /// How many pixels there are.
    pub pixels: usize,
}

impl ResidualBin {
    /// Level over error.
    pub fn significance(&self) -> f64 {
        self.level / self.error
    }
}

/// A spectrum of the sky: nodes, joined by a monotone cubic; constant beyond the outermost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForegroundSpectrum {
    /// Wavelengths \[um\], increasing.
    wavelengths: Vec<f64>,
    /// [MJy/sr]
    levels: Vec<f64>,
    /// [MJy/sr/um]
    slopes: Vec<f64>,
}

/// Which bin a wavelength belongs to; those beyond the channels to the outermost.
struct BinRule {
    low: f64,
    per_um: f64,
    count: usize,
}

impl BinRule {
    fn new(detector: Detector, count: usize) -> Self {
        let channels = detector.channels();
        let (low, high) = (channels[0].wl_min, channels[channels.len() - 1].wl_max);
        Self { low, per_um: count as f64 / (high - low), count }
    }

    fn bin(&self, wavelength: f32) -> Option<usize> {
        let place = (f64::from(wavelength) - self.low) * self.per_um;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        (!place.is_nan()).then(|| place.clamp(0.0, (self.count - 1) as f64) as usize)
    }
}

/// Medians of residuals by wavelength; pixels whose residual or wavelength is NaN are left out.
pub(super) fn bins(
    residuals: &[f32],
    wavelengths: &[f32],
    detector: Detector,
    count: usize,
) -> Vec<ResidualBin> {
    let rule = BinRule::new(detector, count);
    let mut values: Vec<_> = (0..count).map(|_| Vec::with_capacity(residuals.len() / count)).collect();
    let mut sums = vec![0.0; count];
    for (residual, wavelength) in residuals.iter().zip(wavelengths) {
        if let Some(bin) = rule.bin(*wavelength).filter(|_| !residual.is_nan()) {
            values[bin].push(*residual);
            sums[bin] += f64::from(*wavelength);
        }
    }
    let measured = values.iter_mut().zip(sums).filter(|(values, _)| values.len() >= FEWEST);
    measured
        .filter_map(|(values, sum)| {
            let level = median(values)?;
            values.iter_mut().for_each(|value| *value = (*value - level).abs());
            let (count, spread) = (values.len() as f64, f64::from(median(values)?));
            let error = ERROR * spread / count.sqrt();
            let level = f64::from(level);
            Some(ResidualBin { wavelength: sum / count, level, error, pixels: values.len() })
        })
        .collect()
}

impl ForegroundSpectrum {
    /// The spectrum whose subtraction leaves medians of zero in each bin; `None` where no bin has
    /// pixels enough.
    pub(super) fn fit(residuals: &[f32], wavelengths: &[f32], detector: Detector) -> Option<Self> {
        let mut spectrum: Option<Self> = None;
        let mut left = residuals.to_vec();
        for _ in 0..ROUNDS {
            let found = bins(&left, wavelengths, detector, NODES);
            let nodes = found.iter().map(|bin| bin.wavelength).collect();
            let add = |k: usize, bin: &ResidualBin| {
                bin.level + spectrum.as_ref().map_or(0.0, |spectrum| spectrum.levels[k])
            };
            let levels = found.iter().enumerate().map(|(k, bin)| add(k, bin)).collect();
            let next = Self::through(nodes, levels)?;
            for ((left, residual), wavelength) in left.iter_mut().zip(residuals).zip(wavelengths) {
                *left = residual - next.at(*wavelength);
            }
            spectrum = Some(next);
        }
        spectrum
    }

    /// The monotone cubic through nodes in order of wavelength; `None` where there is none.
    fn through(wavelengths: Vec<f64>, levels: Vec<f64>) -> Option<Self> {
        let last = wavelengths.len().checked_sub(1)?;
        let secant = |k: usize| (levels[k + 1] - levels[k]) / (wavelengths[k + 1] - wavelengths[k]);
        let mut slopes: Vec<f64> = (0..=last)
            .map(|k| match k {
                _ if last == 0 => 0.0,
                0 => secant(0),
                _ if k == last => secant(last - 1),
                _ if secant(k - 1) * secant(k) <= 0.0 => 0.0,
                _ => 0.5 * (secant(k - 1) + secant(k)),
            })
            .collect();
        for k in 0..last {
            let step = secant(k);
            if step == 0.0 {
                (slopes[k], slopes[k + 1]) = (0.0, 0.0);
                continue;
            }
            // Within a circle of radius 3 in units of the secant the cubic is monotone.
            let reach = hypot(slopes[k] / step, slopes[k + 1] / step);
            if reach > 3.0 {
                slopes[k] *= 3.0 / reach;
                slopes[k + 1] *= 3.0 / reach;
            }
        }
        Some(Self { wavelengths, levels, slopes })
    }

    /// Surface brightness [MJy/sr] at a wavelength \[um\]; 0 for NaN.
    pub fn at_um(&self, wavelength: f64) -> f64 {
        let last = self.wavelengths.len() - 1;
        if wavelength.is_nan() {
            return 0.0;
        }
        let k = self.wavelengths.partition_point(|node| *node <= wavelength);
        if k == 0 || k > last {
            return self.levels[k.min(last)];
        }
        let (low, high) = (k - 1, k);
        let width = self.wavelengths[high] - self.wavelengths[low];
        let t = (wavelength - self.wavelengths[low]) / width;
        let (t2, t3) = (t * t, t * t * t);
        (2.0 * t3 - 3.0 * t2 + 1.0) * self.levels[low]
            + (3.0 * t2 - 2.0 * t3) * self.levels[high]
            + width * ((t3 - 2.0 * t2 + t) * self.slopes[low] + (t3 - t2) * self.slopes[high])
    }

    #[expect(clippy::cast_possible_truncation, reason = "pixels are f32")]
    pub(super) fn at(&self, wavelength: f32) -> f32 {
        self.at_um(f64::from(wavelength)) as f32
    }
}
