//! Writing cubes and mosaics.

use std::collections::BTreeSet;
use std::path::Path;

use spx_core::header::Header;
use spx_core::progress::Progress;
use spx_core::release::{DataRelease, ExposureCalibration};
use spx_drizzle::file::{self, CubeCompression, CubeInfo, KeptFile};
use spx_drizzle::{Drizzler, ReachedTiles, Timing};
use spx_wcs::OutputGrid;

use super::point_source;
use super::report::{CubeReport, InputReport};
use super::settings::{CubeChannels, DrizzleParameters, DrizzleProduct};
use crate::PipelineError;
use crate::outcome::InputOutcome;

/// What a cube is written with.
pub(super) struct CubeWriter<'a> {
    pub(super) parameters: &'a DrizzleParameters,
    pub(super) product: DrizzleProduct,
    /// The history, line by line, for the history.
    pub(super) history: &'a [String],
    pub(super) overwrite: bool,
}

/// Cards that say of which releases the inputs are that contribute, and how they were calibrated.
fn provenance(report: &CubeReport) -> Header {
    let used: Vec<&InputReport> = report.all().filter(|input| input.status == InputOutcome::Used).collect();
    let listed = |name: &dyn Fn(&InputReport) -> Option<String>| {
        let names: BTreeSet<String> = used.iter().filter_map(|input| name(input)).collect();
        let text = names.into_iter().collect::<Vec<_>>().join(",");
        // A card holds 68 characters.
        if text.len() > 68 { format!("{}...", &text[..65]) } else { text }
    };
    let mut h = Header::new();
    h.set("RELEASES", listed(&|i| i.identity.release.map(|r| r.to_string())), "releases of the inputs");
    for release in DataRelease::ALL {
        let of_it = used.iter().filter(|input| input.identity.release == Some(release)).count();
        if of_it > 0 {
            let of_it = i64::try_from(of_it).unwrap_or(i64::MAX);
            h.set(&format!("N_{}", release.name().to_uppercase()), of_it, &format!("inputs of {release}"));
        }
    }
    let calibrated =
        |name: fn(ExposureCalibration) -> &'static str| listed(&|i| Some(name(i.calibration?).to_owned()));
    h.set("VERSIONS", listed(&|i| i.identity.version.clone()), "versions of the pipeline of the inputs")
        .set("FLUXCORR", calibrated(|c| c.flux_correction.name()), "l3_flux_corrections on images of qr2")
        .set("WAVESRC", calibrated(|c| c.wavelength_source.name()), "where wavelengths come from")
        .set("MIXSCALE", report.mixed_scales().is_some(), "inputs are on two flux scales");
    h
}

impl CubeWriter<'_> {
    /// What of the provenance stands in cards.
    fn provenance(&self, report: &CubeReport) -> Header {
        let mut header = provenance(report);
        let form = self.parameters.resampling.match_background.name();
        header.set("BKGMATCH", form, "backgrounds of the inputs are matched by");
        header
    }

    /// Writes the cube; where a part of the one that is there is kept, the rest of it.
    ///
    /// # Errors
    /// Nothing found where no exposure contributes; otherwise what the disk refuses.
    pub(super) fn write(
        &self,
        path: &Path,
        drizzler: &Drizzler,
        (report, timing): (&CubeReport, Timing),
        kept: Option<(&mut KeptFile, &ReachedTiles)>,
        progress: &dyn Progress,
    ) -> Result<(), PipelineError> {
        self.refuse_empty(report)?;
        let info = self.info(report, timing);
        progress.start(&format!("write {}", self.product), file::steps(drizzler));
        let written = match (self.product, kept) {
            (DrizzleProduct::Cube(_), Some(kept)) => file::rewrite(path, drizzler, &info, kept, progress),
            (DrizzleProduct::Cube(_), None) => file::write(path, drizzler, &info, self.overwrite, progress),
            (DrizzleProduct::Mosaic, _) => {
                file::write_mosaic(path, drizzler, &info, self.overwrite, progress)
            }
        };
        progress.finish();
        written.map_err(PipelineError::from)
    }

    /// What the file says beside its arrays.
    pub(super) fn info(&self, report: &CubeReport, timing: Timing) -> CubeInfo {
        let parameters = self.parameters;
        let inputs = report.all().map(InputReport::history);
        let history = self.history.iter().map(|line| format!("config {line}"));
        CubeInfo {
            detector: self.product.detector(),
            inputs: report.used,
            rejected: report.rejected,
            failed: report.failed,
            options: parameters.options,
            xy_oversample: parameters.xy_oversample,
            z_oversample: parameters.z_oversample,
            base_pixel_scale: OutputGrid::NATIVE_SCALE,
            celestial: parameters.grid.header(),
            exact_wavelength_wcs: parameters.exact_wavelength_wcs,
            point_source: Some(point_source::place(&parameters.grid)),
            // A part of a file of all channels is packed when that is written.
            compression: match parameters.channels {
                CubeChannels::Detector => parameters.compression,
                CubeChannels::All => CubeCompression::None,
            },
            weighting: parameters.resampling.weight.to_string(),
            timing,
            provenance: self.provenance(report),
            history: history.chain(inputs).collect(),
        }
    }

    /// Refuses what has no data.
    ///
    /// # Errors
    /// Nothing found where no exposure contributes, failed where inputs could not be read besides.
    pub(super) fn refuse_empty(&self, report: &CubeReport) -> Result<(), PipelineError> {
        if report.used > 0 {
            return Ok(());
        }
        let all: Vec<&InputReport> = report.all().collect();
        let reasons: Vec<String> = all
            .iter()
            .take(3)
            .map(|i| format!("{}: {}", i.file, i.reason.as_deref().unwrap_or_default()))
            .collect();
        let error = format!(
            "no {}: of {} exposures none has a usable pixel there ({}{})",
            match self.product {
                DrizzleProduct::Cube(detector) => format!("{detector} cube"),
                DrizzleProduct::Mosaic => "mosaic".to_owned(),
            },
            all.len(),
            reasons.join("; "),
            if all.len() > reasons.len() { "; ..." } else { "" }
        );
        Err(match report.failed {
            0 => PipelineError::nothing_found(error),
            _ => PipelineError::failed(error),
        })
    }
}
