//! What a user may set of `spx run`, and the parameters that come of it.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde::{Deserialize, Serialize};
use spx_archive::{Cutout, CutoutCentre, CutoutSize};
use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_plot::LightCurveOptions;

use crate::archive::settings::ArchiveSettings;
use crate::photometry::exposure::Target;
use crate::photometry::figure::FigureSettings;
use crate::photometry::settings::{PhotometryParameters, PhotometrySettings};
use crate::photometry::source::SourceSettings;
use crate::photometry::table::Names;
use spx_pipeline::archive::ArchiveAccess;

/// 2026.0 \[MJD\]: early in the survey, so that a nearby star is looked for close to where it is.
const SEARCH_MJD: f64 = 61_041.0;

/// Every key of the configuration. What is not given has the default that the help names.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunSettings {
    /// Name of the source; the state of the run is NAME.toml [default: source]
    #[arg(long, value_name = "NAME", env = "SPX_NAME", help_heading = "Source")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) source: SourceSettings,
    /// Directory for everything that the run makes: NAME.toml, data/, results/ [default: output]
    #[arg(short, long, value_name = "DIR", env = "SPX_OUTPUT_DIR", help_heading = "Output")]
    pub(crate) output_dir: Option<PathBuf>,
    /// Names of the columns: spxquery, or irsa for those of IRSA's Spectrophotometry Tool [default: spxquery]
    #[arg(long, value_name = "NAMES", env = "SPX_COLUMNS", help_heading = "Output")]
    pub(crate) columns: Option<Names>,
    /// Detectors, such as D1,D3; all by default
    #[arg(long, value_name = "LIST", value_delimiter = ',', env = "SPX_BANDS", help_heading = "Archive")]
    pub(crate) bands: Option<Vec<String>>,
    /// Cutouts of this size instead of full frames, such as 60px, 3arcmin, 0.1 (degrees) or 200,400px
    #[arg(long, value_name = "SIZE", env = "SPX_CUTOUT_SIZE", help_heading = "Archive")]
    pub(crate) cutout_size: Option<String>,
    /// Centre of the cutouts, such as 304.7,42.5 (deg) or 1020,1020px; by default the source, where it moves as in 2026.0
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true, help_heading = "Archive")]
    pub(crate) cutout_center: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) archive: ArchiveSettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) photometry: PhotometrySettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) figure: FigureSettings,
}

/// Settings that have been checked and completed.
pub(super) struct RunParameters {
    pub(super) name: String,
    pub(super) target: Target,
    /// Where images are looked for, and the centre of cutouts: the source in 2026.0.
    pub(super) place: Position,
    pub(super) output_dir: PathBuf,
    pub(super) columns: Names,
    pub(super) bands: Vec<Detector>,
    pub(super) cutout: Option<Cutout>,
    pub(super) archive: ArchiveAccess,
    pub(super) data_mirror: Option<PathBuf>,
    pub(super) photometry: PhotometryParameters,
    pub(super) figure: LightCurveOptions,
}

impl RunSettings {
    /// Folds negative switches into the settings.
    pub(crate) fn normalised(mut self) -> Self {
        self.photometry = self.photometry.normalised();
        self
    }

    /// These settings with every default filled in.
    pub(crate) fn completed(self) -> Self {
        Self {
            name: self.name.or_else(|| Some("source".to_owned())),
            output_dir: self.output_dir.or_else(|| Some("output".into())),
            columns: self.columns.or(Some(Names::default())),
            archive: self.archive.completed(),
            photometry: self.photometry.completed(),
            ..self
        }
    }

    /// The name and the directory, by which the state of a run is found.
    ///
    /// # Errors
    /// Where the name cannot be that of a file.
    pub(super) fn place(&self) -> anyhow::Result<(String, PathBuf)> {
        let name = self.name.clone().unwrap_or_default();
        let plain = |c: char| !(c.is_control() || "/\\:*?\"<>|".contains(c));
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
            return Err(anyhow!("name = {name:?} is not allowed: files are called by it"));
        }
        Ok((name, self.output_dir.clone().unwrap_or_default()))
    }

    /// Checks completed settings.
    ///
    /// # Errors
    /// The first setting that is missing or out of range, by its name.
    pub(super) fn parameters(&self) -> anyhow::Result<RunParameters> {
        let (name, output_dir) = self.place()?;
        let target = self.source.target()?;
        let place = target.position_at(SEARCH_MJD).unwrap_or(target.position);
        let bands = self.bands.iter().flatten().map(|band| band.parse::<Detector>());
        let photometry = self.photometry.parameters()?;
        let figure = self.figure.options(photometry.quality.sigma_threshold)?;
        let cutout = match (&self.cutout_size, &self.cutout_center) {
            (None, None) => None,
            (None, Some(_)) => return Err(anyhow!("cutout_center needs cutout_size")),
            (Some(size), centre) => {
                let size: CutoutSize = size.parse()?;
                let centre = centre.as_ref().map_or(Ok(place.into()), |c| c.parse::<CutoutCentre>());
                Some(Cutout { size, centre: centre? })
            }
        };
        Ok(RunParameters {
            name,
            target,
            place,
            output_dir,
            columns: self.columns.unwrap_or_default(),
            bands: bands.collect::<Result<_, _>>().context("bands")?,
            cutout,
            archive: self.archive.parameters()?,
            data_mirror: self.archive.data_mirror.clone(),
            photometry,
            figure,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_source_is_looked_for_where_it_is() {
        let of = |text: &str| {
            let settings: RunSettings = toml::from_str(text).unwrap();
            settings.completed().parameters()
        };
        let star = "ra = 269.452\ndec = 4.6934\ncutout_size = \"60px\"\n";
        let still = of(star).unwrap();
        assert_eq!(still.place, still.target.position);
        // Ten years of 10.4 arcsec.
        let moving = of(&format!("{star}pm_ra = -801.551\npm_dec = 10362.394\n")).unwrap();
        let moved = moving.place.separation(moving.target.position) * 3600.0;
        assert!((moved - 103.93).abs() < 0.02, "{moved}");
        assert_eq!(moving.cutout.unwrap().centre, moving.place.into());
        for (more, word) in [
            ("name = \"../x\"\n", "name"),
            ("cutout_center = \"1,x\"\n", "centre"),
            ("bands = [\"D7\"]\n", "bands"),
            ("pm_ra = nan\n", "finite"),
            ("figsize = [1.0]\n", "figsize"),
            ("date_cmap = \"jet\"\n", "jet"),
        ] {
            let error = format!("{:#}", of(&format!("{star}{more}")).err().unwrap());
            assert!(error.contains(word), "{error}");
        }
    }
}
