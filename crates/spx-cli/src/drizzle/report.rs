//! What became of each input, for the user, for `--json` and for the history in the cube.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::settings::Product;
use spx_pipeline::inputs::{InputError, InputFile};

/// The end of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Pixels of it are in the cube.
    Used,
    /// It was read, and no pixel took part.
    Rejected,
    /// It could not be read.
    Failed,
}

/// One input and its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InputReport {
    pub(crate) file: String,
    pub(crate) exposure: Option<String>,
    pub(crate) status: Status,
    /// Why it was not used, or what was unusual.
    pub(crate) reason: Option<String>,
    /// The scale of the zodiacal light that was subtracted.
    pub(crate) zodi_scale: Option<f64>,
    /// Its bit in the context, where that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<u32>,
}

impl InputReport {
    pub(crate) fn of(source: &InputFile, status: Status, reason: Option<String>) -> Self {
        Self { exposure: Some(source.id.to_string()), ..Self::new(&source.name, status, reason) }
    }

    pub(crate) fn failed(error: &InputError) -> Self {
        Self::new(&error.name, Status::Failed, Some(error.problem.clone()))
    }

    fn new(file: &str, status: Status, reason: Option<String>) -> Self {
        Self { file: file.to_owned(), exposure: None, status, reason, zodi_scale: None, context: None }
    }

    /// A line for the cube's history.
    pub(crate) fn history(&self) -> String {
        let status = match self.status {
            Status::Used => "used",
            Status::Rejected => "rejected",
            Status::Failed => "failed",
        };
        let mut line = format!("input {}: {status}", self.file);
        if let Some(scale) = self.zodi_scale {
            line.push_str(&format!(", zodi scale {scale}"));
        }
        if let Some(bit) = self.context {
            line.push_str(&format!(", context bit {bit}"));
        }
        if let Some(reason) = &self.reason {
            line.push_str(&format!(" ({reason})"));
        }
        line
    }
}

/// A cube that was written, or the sums of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CubeReport {
    pub(crate) detector: String,
    pub(crate) file: String,
    /// The file of running sums, where one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accumulator: Option<String>,
    /// `[nz, ny, nx]`.
    pub(crate) shape: [usize; 3],
    pub(crate) used: usize,
    pub(crate) rejected: usize,
    pub(crate) failed: usize,
    /// Exposures of earlier runs, which are in the running sums.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accumulated: Vec<InputReport>,
    /// Inputs of this run.
    pub(crate) inputs: Vec<InputReport>,
}

impl CubeReport {
    /// The report of a cube or mosaic that becomes the file `path`.
    pub(crate) fn new(
        product: Product,
        path: &Path,
        shape: [usize; 3],
        accumulated: Vec<InputReport>,
        inputs: Vec<InputReport>,
    ) -> Self {
        let mut report = Self {
            detector: product.to_string(),
            file: path.display().to_string(),
            accumulator: None,
            shape,
            used: 0,
            rejected: 0,
            failed: 0,
            accumulated,
            inputs,
        };
        report.used = report.count(Status::Used);
        report.rejected = report.count(Status::Rejected);
        report.failed = report.count(Status::Failed);
        report
    }

    /// Counts the inputs of one end, of earlier runs too.
    fn count(&self, status: Status) -> usize {
        self.all().filter(|i| i.status == status).count()
    }

    /// What went in or should have: those that could not even be opened, those of earlier runs, those of this one.
    pub(crate) fn all(&self) -> impl Iterator<Item = &InputReport> {
        let (closed, opened): (Vec<_>, Vec<_>) = self.inputs.iter().partition(|i| i.exposure.is_none());
        closed.into_iter().chain(&self.accumulated).chain(opened)
    }
}
