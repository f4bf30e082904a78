//! What became of each input, for the user, for `--json` and for the history in the cube.

use std::path::Path;

use serde::{Deserialize, Serialize};
use spx_core::foreground::ResidualBin;

use spx_core::release::{ExposureCalibration, ReleaseIdentity};
use spx_drizzle::SkyCorrection;

use super::settings::DrizzleProduct;
use crate::calibration::mixed_scales_warning;
use crate::inputs::{InputError, InputFile};
use crate::outcome::InputOutcome;

/// One input and its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputReport {
    /// The name of the file.
    pub file: String,
    /// Observation and detector; `None` where the file could not even be opened.
    pub exposure: Option<String>,
    /// Its release, version and processing.
    #[serde(flatten)]
    pub identity: ReleaseIdentity,
    /// Flux scale and wavelengths, where its pixels were read.
    #[serde(flatten)]
    pub calibration: Option<ExposureCalibration>,
    /// What became of it.
    pub status: InputOutcome,
    /// Why it was not used, or what was unusual.
    pub reason: Option<String>,
    /// The scale of the zodiacal light that was subtracted.
    pub zodi_scale: Option<f64>,
    /// Its statistical error, where it was fitted to this input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zodi_scale_error: Option<f64>,
    /// Pixels that the fit used, after clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zodi_pixels: Option<usize>,
    /// The bin of wavelength in which the sky, less that light, stands out most from zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zodi_residual: Option<ResidualBin>,
    /// Its bit in the context, where that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u32>,
    /// Pixels of it that were rejected as outliers, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outliers: Option<u64>,
    /// What was subtracted from it to match its background with those of the others, where that was
    /// asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<SkyCorrection>,
}

impl InputReport {
    pub(super) fn of(source: &InputFile, status: InputOutcome, reason: Option<String>) -> Self {
        Self {
            exposure: Some(source.id.to_string()),
            identity: source.identity.clone(),
            ..Self::new(&source.name, status, reason)
        }
    }

    pub(super) fn failed(error: &InputError) -> Self {
        Self::new(&error.name, InputOutcome::Failed, Some(error.problem.clone()))
    }

    fn new(file: &str, status: InputOutcome, reason: Option<String>) -> Self {
        Self {
            file: file.to_owned(),
            exposure: None,
            identity: ReleaseIdentity::default(),
            calibration: None,
            status,
            reason,
            zodi_scale: None,
            zodi_scale_error: None,
            zodi_pixels: None,
            zodi_residual: None,
            context: None,
            outliers: None,
            background: None,
        }
    }

    /// A line for the cube's history.
    pub(super) fn history(&self) -> String {
        let mut line = format!("input {}: {}", self.file, self.status);
        if let Some(scale) = self.zodi_scale {
            line.push_str(&format!(", zodi scale {scale}"));
        }
        if let Some(bit) = self.context {
            line.push_str(&format!(", context bit {bit}"));
        }
        if let Some(outliers) = self.outliers {
            line.push_str(&format!(", {outliers} outliers"));
        }
        if let Some(SkyCorrection { offset, slopes: [along_x, along_y] }) = self.background {
            line.push_str(&format!(", background {offset:.6e}"));
            if along_x != 0.0 || along_y != 0.0 {
                line.push_str(&format!(" {along_x:+.3e} x {along_y:+.3e} y"));
            }
        }
        if let Some(release) = self.identity.release {
            line.push_str(&format!(", {release}"));
        }
        if let Some(ExposureCalibration { flux_correction, wavelength_source }) = self.calibration {
            let (flux, waves) = (flux_correction.name(), wavelength_source.name());
            line.push_str(&format!(", flux correction {flux}, wavelengths {waves}"));
        }
        if let Some(reason) = &self.reason {
            line.push_str(&format!(" ({reason})"));
        }
        line
    }
}

/// What a drizzle has made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DrizzleReport {
    /// Cubes, or the mosaic.
    pub cubes: Vec<CubeReport>,
    /// Why others could not be made.
    pub failures: Vec<String>,
}

/// A cube that was written, or the sums of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CubeReport {
    /// `D1` to `D6`, of all six `D1-D6`, or `mosaic`.
    pub detector: String,
    /// The file of the cube, or of the sums where nothing else is written.
    pub file: String,
    /// The file of running sums, where one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accumulator: Option<String>,
    /// `[nz, ny, nx]`.
    pub shape: [usize; 3],
    /// Share of the voxels without data within what the inputs cover; `None` where they cover
    /// nothing.
    #[serde(default)]
    pub holes: Option<f64>,
    /// Inputs that contribute, with those of earlier runs.
    pub used: usize,
    /// Inputs of which no pixel takes part.
    pub rejected: usize,
    /// Inputs that could not be read.
    pub failed: usize,
    /// Exposures of earlier runs, which are in the running sums.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accumulated: Vec<InputReport>,
    /// Inputs of this run.
    pub inputs: Vec<InputReport>,
    /// Calibration products at hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration: Vec<String>,
}

impl CubeReport {
    /// The report of a cube or mosaic that becomes the file `path`.
    pub(super) fn new(
        product: DrizzleProduct,
        path: &Path,
        shape: [usize; 3],
        accumulated: Vec<InputReport>,
        inputs: Vec<InputReport>,
    ) -> Self {
        Self::of(product.to_string(), path.display().to_string(), shape, accumulated, inputs)
    }

    /// The report of a file of this detector.
    pub(super) fn of(
        detector: String,
        file: String,
        shape: [usize; 3],
        accumulated: Vec<InputReport>,
        inputs: Vec<InputReport>,
    ) -> Self {
        let mut report = Self {
            detector,
            file,
            accumulator: None,
            shape,
            holes: None,
            used: 0,
            rejected: 0,
            failed: 0,
            accumulated,
            inputs,
            calibration: Vec::new(),
        };
        report.used = report.count(InputOutcome::Used);
        report.rejected = report.count(InputOutcome::Rejected);
        report.failed = report.count(InputOutcome::Failed);
        report
    }

    /// Says so where the inputs that contribute are on two flux scales.
    pub fn mixed_scales(&self) -> Option<String> {
        let used = self.all().filter(|input| input.status == InputOutcome::Used);
        let flux = |i: &InputReport| i.calibration.unwrap_or_default().flux_correction;
        mixed_scales_warning(used.map(|input| (&input.identity, flux(input))))
    }

    /// Counts the inputs of one end, of earlier runs too.
    fn count(&self, status: InputOutcome) -> usize {
        self.all().filter(|i| i.status == status).count()
    }

    /// File and reason of inputs that could not be read.
    pub(crate) fn failures(&self) -> Vec<String> {
        let failed = self.inputs.iter().filter(|input| input.status == InputOutcome::Failed);
        failed
            .map(|input| format!("{}: {}", input.file, input.reason.as_deref().unwrap_or_default()))
            .collect()
    }

    /// What went in or should have: those that could not even be opened, those of earlier runs,
    /// those of this one.
    pub fn all(&self) -> impl Iterator<Item = &InputReport> {
        let (closed, opened): (Vec<_>, Vec<_>) = self.inputs.iter().partition(|i| i.exposure.is_none());
        closed.into_iter().chain(&self.accumulated).chain(opened)
    }
}
