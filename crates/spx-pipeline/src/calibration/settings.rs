//! Settings of calibration products, and where they are looked for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PipelineError;
use crate::flag_selection::required as text;
use crate::settings::SettingHeading;

/// Settings of calibration products that photometry, cubes and mosaics share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Calibration"))]
pub struct CalibrationSettings {
    /// Where to look for calibration products: auto (the data mirror, and the cache that `spx
    /// calibration fetch` fills), a directory with products, at any depth, under the names that the
    /// archive gives them (spectral_wcs_D1_....fits), or none
    #[serde(with = "text")]
    #[schemars(with = "serde_json::Value", extend("x-value" = "auto|DIR|none"))]
    pub calibration: CalibrationChoice,
    /// Products spectral_wcs (CWAVE, CBAND), files or directories that hold them: wavelengths for
    /// science
    #[schemars(extend("x-value" = "PATH"))]
    pub spectral_wcs: Option<Vec<PathBuf>>,
    /// Products l3_flux_corrections, files or directories that hold them: they bring images of
    /// Quick Release 2 to the flux scale of Quick Release 3
    #[schemars(extend("x-value" = "PATH"))]
    pub flux_corrections: Option<Vec<PathBuf>>,
    /// Where there is no spectral_wcs, add 0.0064 um to the wavelengths of D5 and D6 of Quick
    /// Release 2, which brings them to the scale of Quick Release 3
    pub shift_wavelengths: bool,
}

impl Default for CalibrationSettings {
    fn default() -> Self {
        Self {
            calibration: CalibrationChoice::default(),
            spectral_wcs: None,
            flux_corrections: None,
            shift_wavelengths: true,
        }
    }
}

impl CalibrationSettings {
    /// Settings that say where files are, not what they are.
    pub(crate) const PLACES: [&str; 3] = ["calibration", "spectral_wcs", "flux_corrections"];

    /// The products that cubes need.
    pub fn paths(&self) -> CalibrationPaths {
        CalibrationPaths {
            choice: self.calibration.clone(),
            spectral_wcs: self.spectral_wcs.clone().unwrap_or_default(),
            flux_corrections: self.flux_corrections.clone().unwrap_or_default(),
            shift_wavelengths: self.shift_wavelengths,
            ..CalibrationPaths::default()
        }
    }
}

/// Where the products of a run are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CalibrationPaths {
    /// Where those are looked for that are not named.
    pub choice: CalibrationChoice,
    /// Files and directories with wavelengths.
    pub spectral_wcs: Vec<PathBuf>,
    /// Files and directories with solid angles.
    pub solid_angle_map: Vec<PathBuf>,
    /// Files and directories with point spread functions.
    pub epsf: Vec<PathBuf>,
    /// Files and directories with factors of the flux scale.
    pub flux_corrections: Vec<PathBuf>,
    /// Whether wavelengths of pipeline 6 are brought to the scale of pipeline 7 where there is no
    /// product.
    pub shift_wavelengths: bool,
}

/// Where to look for calibration products.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CalibrationChoice {
    /// In the data mirror, and in the cache.
    #[default]
    Auto,
    /// In a directory, at any depth, by the names that the archive gives them.
    Directory(PathBuf),
    /// Nowhere.
    Nowhere,
}

impl FromStr for CalibrationChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err("expected auto, none or a directory".to_owned()),
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::Nowhere),
            directory => Ok(Self::Directory(directory.into())),
        }
    }
}

impl fmt::Display for CalibrationChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Directory(directory) => directory.display().fmt(f),
            Self::Nowhere => f.write_str("none"),
        }
    }
}

impl CalibrationChoice {
    /// The directories with the paths of the archive to look in, where none is named.
    pub(super) fn mirrors(&self, mirror: Option<&Path>) -> Vec<PathBuf> {
        match self {
            Self::Auto => mirror.map(Path::to_owned).into_iter().chain(cache_directory()).collect(),
            Self::Nowhere | Self::Directory(_) => Vec::new(),
        }
    }

    /// The directory that is named.
    ///
    /// # Errors
    /// Usage where it does not exist.
    pub(super) fn directory(&self) -> Result<Option<PathBuf>, PipelineError> {
        match self {
            Self::Directory(directory) if directory.is_dir() => Ok(Some(directory.clone())),
            Self::Directory(directory) => Err(PipelineError::usage(format!(
                "calibration = {}: it is not a directory",
                directory.display()
            ))),
            Self::Auto | Self::Nowhere => Ok(None),
        }
    }
}

/// Where calibration products are kept: `spx/calibration` in the user's cache (`$XDG_CACHE_HOME`,
/// else `~/.cache`; XDG Base Directory Specification 0.8); `None` where the environment names
/// neither.
pub fn cache_directory() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("spx/calibration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_and_shown() {
        for word in ["auto", "none", "/data/calibration"] {
            assert_eq!(word.parse::<CalibrationChoice>().unwrap().to_string(), word);
        }
        assert!("".parse::<CalibrationChoice>().is_err());
        let missing = CalibrationChoice::Directory("/nowhere/at/all".into());
        assert!(missing.directory().is_err());
        assert!(CalibrationChoice::Nowhere.mirrors(Some(Path::new("/"))).is_empty());
    }
}
