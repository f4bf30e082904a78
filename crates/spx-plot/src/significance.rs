//! How much a flux tells, by which its point is drawn.

/// A fainter flux, in errors, is no detection.
pub(crate) const FAINT_SIGMA: f64 = 5.0;
/// A flux so many errors below zero is no noise: something is wrong with the measurement.
pub(crate) const NEGATIVE_SIGMA: f64 = -5.0;

/// Classes of fluxes, the same in all figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Significance {
    /// A filled point.
    Detected,
    /// Below the threshold of detections: an open one.
    Faint,
    /// Below [`NEGATIVE_SIGMA`]: a diamond where it is.
    FarNegative,
    /// Of unknown error, and so of unknown significance: a dot.
    WithoutError,
}

impl Significance {
    /// Of a flux with this error; `threshold` is the least of detections, in errors.
    pub(crate) fn of(flux: f64, error: f64, threshold: f64) -> Self {
        match flux / error {
            _ if error.is_nan() || error <= 0.0 => Self::WithoutError,
            snr if snr < NEGATIVE_SIGMA => Self::FarNegative,
            snr if snr >= threshold => Self::Detected,
            _ => Self::Faint,
        }
    }

    /// Its name in a legend.
    pub(crate) fn name(self, threshold: f64) -> String {
        match self {
            Self::Detected => format!("S/N ≥ {threshold}"),
            Self::Faint => format!("S/N < {threshold}"),
            Self::FarNegative => format!("below −{}σ", -NEGATIVE_SIGMA),
            Self::WithoutError => "without error".to_owned(),
        }
    }
}
