//! Settings of the run of a source, and the parameters that come of them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_archive::Cutout;
use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_plot::LightCurveOptions;

use crate::PipelineError;
use crate::archive::{ArchiveAccess, ArchiveSettings, CutoutSettings, detectors};
use crate::catalog::CatalogColumnSettings;
use crate::flag_selection::check_names;
use crate::photometry::figure::FigureSettings;
use crate::photometry::settings::{PhotometryParameters, PhotometrySettings};
use crate::photometry::source::{SkyTarget, SourceSettings};
use crate::photometry::table::{ColumnNames, TableForm};

/// 2026.0 \[MJD\]: early in the survey, so that a nearby star is searched for close to where it is.
const SEARCH_MJD: f64 = 61_041.0;

/// Settings of a list of sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = crate::settings::SettingHeading("Sources"))]
pub struct TargetSettings {
    /// Catalog of several sources, such as spx batch reads, instead of --name, --ra and --dec: each
    /// has a run of its own in sources/, and results/ has one table and one figure of all
    #[schemars(extend("examples" = ["stars.csv"], "x-value" = "FILE"))]
    pub targets: Option<PathBuf>,
    /// Which columns of it count.
    #[serde(flatten)]
    pub columns: CatalogColumnSettings,
}

/// Settings of the run of a source, from the archive to its light curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = crate::settings::SettingHeading("Output"))]
pub struct RunConfig {
    /// Name of the source; the state of the run is NAME.toml
    #[schemars(extend("x-heading" = "Source", "x-value" = "NAME"))]
    pub name: String,
    /// The source.
    #[serde(flatten)]
    pub source: SourceSettings,
    /// Several sources.
    #[serde(flatten)]
    pub targets: TargetSettings,
    /// Directory for everything that the run makes: NAME.toml, data/, results/
    #[schemars(extend("x-value" = "DIR", "x-short" = "o"))]
    pub output_dir: PathBuf,
    /// Names of the columns: spxquery, or irsa for those of IRSA's Spectrophotometry Tool
    #[schemars(extend("x-value" = "NAMES"))]
    pub columns: ColumnNames,
    /// Formats of the table in results/, lightcurve.csv and so on; .vot for votable
    pub format: Vec<TableForm>,
    /// Draw the ten measurements that fit worst and six others, in results/cutouts.png: pixels,
    /// model, residuals, and which pixels were used
    pub cutouts: bool,
    /// Detectors, such as D1,D3; all by default
    #[schemars(extend("examples" = [["D1", "D3"]], "x-heading" = "Archive"))]
    pub bands: Option<Vec<String>>,
    /// Parts of images.
    #[serde(flatten)]
    pub cutout: CutoutSettings,
    /// The archive.
    #[serde(flatten)]
    pub archive: ArchiveSettings,
    /// How the source is measured.
    #[serde(flatten)]
    pub photometry: PhotometrySettings,
    /// The figure.
    #[serde(flatten)]
    pub figure: FigureSettings,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            name: "source".to_owned(),
            source: SourceSettings::default(),
            targets: TargetSettings::default(),
            output_dir: "output".into(),
            columns: ColumnNames::default(),
            format: vec![TableForm::Csv, TableForm::Ecsv],
            cutouts: false,
            bands: None,
            cutout: CutoutSettings::default(),
            archive: ArchiveSettings::default(),
            photometry: PhotometrySettings::default(),
            figure: FigureSettings::default(),
        }
    }
}

/// Settings that have been checked.
pub(super) struct RunParameters {
    pub(super) target: SkyTarget,
    /// Where images are searched for, and the center of cutouts: the source in 2026.0.
    pub(super) place: Position,
    pub(super) bands: Vec<Detector>,
    pub(super) cutout: Option<Cutout>,
    pub(super) archive: ArchiveAccess,
    pub(super) photometry: PhotometryParameters,
    pub(super) figure: LightCurveOptions,
}

impl RunConfig {
    /// The file in the output directory in which the runs of a list keep their settings.
    pub const LIST_FILE: &str = "targets_config.toml";

    /// The file with the state of the run: `NAME.toml` in the output directory.
    ///
    /// # Errors
    /// Usage where the name cannot be that of a file.
    pub fn state_file(&self) -> Result<PathBuf, PipelineError> {
        self.check_name()?;
        Ok(self.output_dir.join(format!("{}.toml", self.name)))
    }

    /// The file in which the run keeps its settings: `NAME_config.toml` in the output directory,
    /// for a list of sources `targets_config.toml`.
    ///
    /// # Errors
    /// Usage where the name cannot be that of a file.
    pub fn saved_file(&self) -> Result<PathBuf, PipelineError> {
        if self.targets.targets.is_some() {
            return Ok(self.output_dir.join(Self::LIST_FILE));
        }
        self.check_name()?;
        Ok(self.output_dir.join(format!("{}_config.toml", self.name)))
    }

    fn check_name(&self) -> Result<(), PipelineError> {
        let name = &self.name;
        if !is_file_name(name) {
            return Err(PipelineError::usage(format!(
                "name = {name:?} is not allowed: files are named after it"
            )));
        }
        Ok(())
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is missing or out of range.
    pub(super) fn parameters(&self) -> Result<RunParameters, PipelineError> {
        self.check_name()?;
        if self.targets != TargetSettings::default() {
            let text = "targets, id_column, ra_column and dec_column are for a list of sources";
            return Err(PipelineError::usage(text));
        }
        let target = self.source.target()?;
        let place = target.position_at(SEARCH_MJD).unwrap_or(target.position);
        let photometry = self.photometry.parameters_of(&self.source)?;
        check_names(|names| self.photometry.bad_flags.mask(names))?;
        let figure = self.figure.options(photometry.quality.sigma_threshold)?;
        Ok(RunParameters {
            target,
            place,
            bands: detectors(self.bands.as_deref())?,
            cutout: self.cutout.cutout(place)?,
            archive: self.archive.access()?,
            photometry,
            figure,
        })
    }
}

/// Whether files can be named after a source.
pub(super) fn is_file_name(name: &str) -> bool {
    let plain = |c: char| !(c.is_control() || "/\\:*?\"<>|".contains(c));
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_source_is_looked_for_where_it_is() {
        let of = |text: &str| {
            let settings: RunConfig = toml::from_str(text).unwrap();
            settings.parameters()
        };
        let star = "ra = 269.452\ndec = 4.6934\ncutout_size = \"60px\"\n";
        let still = of(star).unwrap();
        assert_eq!(still.place, still.target.position);
        // Ten years of 10.4 arcsec.
        let moving = of(&format!("{star}pm_ra = -801.551\npm_dec = 10362.394\n")).unwrap();
        let moved = moving.place.separation(moving.target.position) * 3600.0;
        assert!((moved - 103.93).abs() < 0.02, "{moved}");
        assert_eq!(moving.cutout.unwrap().center, moving.place.into());
        for (more, word) in [
            ("name = \"../x\"\n", "name"),
            ("cutout_center = \"1,x\"\n", "cent"),
            ("bands = [\"D7\"]\n", "bands"),
            ("pm_ra = nan\n", "finite"),
        ] {
            let error = of(&format!("{star}{more}")).err().unwrap().one_line();
            assert!(error.contains(word), "{error}");
        }
    }
}
