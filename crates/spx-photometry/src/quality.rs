//! Which measurements are good.

use spx_core::flags::{FlagError, FlagNames, FlagSelection};

use crate::{Measurement, PhotometryError};

/// What makes a measurement good.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityOptions {
    /// Least ratio of flux to error.
    pub sigma_threshold: f64,
    /// A pixel in the aperture with one of these flags spoils the measurement.
    pub bad_flags: FlagSelection,
}

impl Default for QualityOptions {
    fn default() -> Self {
        Self { sigma_threshold: 5.0, bad_flags: FlagSelection::Photometry }
    }
}

impl QualityOptions {
    /// The criteria for files with these names of flags.
    ///
    /// # Errors
    /// Where a listed flag is not among the names.
    pub fn resolve(&self, names: &FlagNames) -> Result<QualityCriteria, FlagError> {
        Ok(QualityCriteria { sigma_threshold: self.sigma_threshold, bad_flags: self.bad_flags.mask(names)? })
    }

    /// Checks the threshold.
    ///
    /// # Errors
    /// [`PhotometryError::Option`] where it is NaN.
    pub fn validate(&self) -> Result<(), PhotometryError> {
        let threshold = self.sigma_threshold;
        crate::options::check(!threshold.is_nan(), "sigma_threshold", threshold, "it must be a number")
    }
}

/// [`QualityOptions`] with the bits of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityCriteria {
    /// Least ratio of flux to error.
    pub sigma_threshold: f64,
    /// The bits.
    pub bad_flags: u32,
}

/// What speaks against a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasurementQuality {
    /// The ratio of flux to error is below the threshold, or no number.
    pub low_snr: bool,
    /// Bad flags in the aperture.
    pub bad_flags: u32,
}

impl MeasurementQuality {
    /// True where nothing does.
    pub fn is_good(self) -> bool {
        !self.low_snr && self.bad_flags == 0
    }
}

impl QualityCriteria {
    /// Classifies a measurement.
    pub fn classify(&self, measurement: &Measurement) -> MeasurementQuality {
        self.classify_values(measurement.snr, measurement.flags)
    }

    /// Classifies a ratio of flux to error and the flags in the aperture.
    pub fn classify_values(&self, snr: f64, flags: u32) -> MeasurementQuality {
        let enough = snr >= self.sigma_threshold;
        MeasurementQuality { low_snr: !enough, bad_flags: flags & self.bad_flags }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_is_bright_and_unflagged() {
        let criteria = QualityOptions::default().resolve(&FlagNames::default()).unwrap();
        assert!(criteria.classify_values(5.0, 1 << 21).is_good());
        assert!(criteria.classify_values(4.99, 0).low_snr);
        assert!(criteria.classify_values(f64::NAN, 0).low_snr);
        let hot = criteria.classify_values(100.0, 1 << 10 | 1 << 21);
        assert_eq!(hot, MeasurementQuality { low_snr: false, bad_flags: 1 << 10 });
        assert!(!hot.is_good());
    }
}
