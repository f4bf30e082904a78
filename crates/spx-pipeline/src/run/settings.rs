//! Settings of the run of a source, and the parameters that come of them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_archive::{Cutout, CutoutCenter, CutoutSize};
use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_plot::LightCurveOptions;

use crate::archive::{ArchiveAccess, ArchiveSettings};
use crate::photometry::figure::FigureSettings;
use crate::photometry::settings::{PhotometryParameters, PhotometrySettings};
use crate::photometry::source::{SkyTarget, SourceSettings};
use crate::photometry::table::ColumnNames;
use crate::{PipelineError, ResultContext as _};

/// 2026.0 \[MJD\]: early in the survey, so that a nearby star is searched for close to where it is.
const SEARCH_MJD: f64 = 61_041.0;

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
    /// Directory for everything that the run makes: NAME.toml, data/, results/
    #[schemars(extend("x-value" = "DIR", "x-short" = "o"))]
    pub output_dir: PathBuf,
    /// Names of the columns: spxquery, or irsa for those of IRSA's Spectrophotometry Tool
    #[schemars(extend("x-value" = "NAMES"))]
    pub columns: ColumnNames,
    /// Detectors, such as D1,D3; all by default
    #[schemars(extend("examples" = [["D1", "D3"]], "x-heading" = "Archive"))]
    pub bands: Option<Vec<String>>,
    /// Cutouts of this size instead of full frames, such as 60px, 3arcmin, 0.1 (degrees) or
    /// 200,400px
    #[schemars(example = "60px", extend("x-heading" = "Archive", "x-value" = "SIZE"))]
    pub cutout_size: Option<String>,
    /// Center of the cutouts, such as 304.7,42.5 (deg) or 1020,1020px; by default the source, at
    /// its position of 2026.0
    #[schemars(example = "1020,1020px")]
    #[schemars(extend("x-heading" = "Archive", "x-value" = "X,Y", "x-hyphen" = true))]
    pub cutout_center: Option<String>,
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
            output_dir: "output".into(),
            columns: ColumnNames::default(),
            bands: None,
            cutout_size: None,
            cutout_center: None,
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
    /// The file with the state of the run: `NAME.toml` in the output directory.
    ///
    /// # Errors
    /// Usage where the name cannot be that of a file.
    pub fn state_file(&self) -> Result<PathBuf, PipelineError> {
        self.check_name()?;
        Ok(self.output_dir.join(format!("{}.toml", self.name)))
    }

    /// The file in which the run keeps its settings: `NAME_config.toml` in the output directory.
    ///
    /// # Errors
    /// Usage where the name cannot be that of a file.
    pub fn saved_file(&self) -> Result<PathBuf, PipelineError> {
        self.check_name()?;
        Ok(self.output_dir.join(format!("{}_config.toml", self.name)))
    }

    fn check_name(&self) -> Result<(), PipelineError> {
        let name = &self.name;
        let plain = |c: char| !(c.is_control() || "/\\:*?\"<>|".contains(c));
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
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
        let target = self.source.target()?;
        let place = target.position_at(SEARCH_MJD).unwrap_or(target.position);
        let photometry = self.photometry.parameters()?;
        let figure = self.figure.options(photometry.quality.sigma_threshold)?;
        Ok(RunParameters {
            target,
            place,
            bands: detectors(self.bands.as_deref())?,
            cutout: self.cutout(place)?,
            archive: self.archive.access()?,
            photometry,
            figure,
        })
    }

    fn cutout(&self, place: Position) -> Result<Option<Cutout>, PipelineError> {
        let (size, center) = match (&self.cutout_size, &self.cutout_center) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(PipelineError::usage("cutout_center needs cutout_size")),
            (Some(size), center) => (size, center),
        };
        let size: CutoutSize = size.parse().map_err(PipelineError::usage)?;
        let center = match center {
            None => place.into(),
            Some(center) => center.parse::<CutoutCenter>().map_err(PipelineError::usage)?,
        };
        Ok(Some(Cutout { size, center }))
    }
}

/// Detectors by their names; none stands for all.
///
/// # Errors
/// Usage where there is no such detector.
pub(crate) fn detectors(bands: Option<&[String]>) -> Result<Vec<Detector>, PipelineError> {
    let bands =
        bands.into_iter().flatten().map(|band| band.parse::<Detector>().map_err(PipelineError::usage));
    bands.collect::<Result<_, _>>().context("bands")
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
