//! Which measurements are good, and which are detections. The two are separate: averages of rows
//! that were selected by their ratio of flux to error are biased, at a true ratio of 3 by more than
//! a factor of two.

use serde::{Deserialize, Serialize};

use crate::{Measurement, PhotometryError};

/// What makes a measurement a detection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityOptions {
    /// Least ratio of flux to error of a detection.
    pub sigma_threshold: f64,
}

impl Default for QualityOptions {
    fn default() -> Self {
        Self { sigma_threshold: 5.0 }
    }
}

/// What is to be said of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasurementQuality {
    /// The data are good: no pixel that the flux holds has a bad flag. Says nothing of the flux.
    pub is_good: bool,
    /// The ratio of flux to error reaches the threshold.
    pub is_detected: bool,
}

impl QualityOptions {
    /// Checks the threshold.
    ///
    /// # Errors
    /// [`PhotometryError::Option`] where it is NaN.
    pub fn validate(&self) -> Result<(), PhotometryError> {
        let threshold = self.sigma_threshold;
        crate::options::check(!threshold.is_nan(), "sigma_threshold", threshold, "it must be a number")
    }

    /// Classifies a measurement.
    pub fn classify(&self, measurement: &Measurement) -> MeasurementQuality {
        MeasurementQuality {
            is_good: measurement.bad_flags_used == 0,
            is_detected: measurement.snr >= self.sigma_threshold,
        }
    }
}
