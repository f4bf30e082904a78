//! Which data release a spectral image belongs to, and how it was made.
//!
//! The card VERSION of the primary HDU decides the release; where a file has none, its path in the
//! archive does (`qr3/level2/...`), and then the version of the processing in its name. IRSA's
//! Quick Release 2 is made by pipeline 6, Quick Release 3 and Data Release 1 by pipeline 7: their
//! gains, point spread functions and wavelengths differ.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::detector::Detector;

/// A release of spectral images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataRelease {
    /// Quick Release 2, pipeline 6.
    Qr2,
    /// Quick Release 3, pipeline 7.
    Qr3,
    /// Data Release 1, pipeline 7.
    Dr1,
}

/// A release that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown release `{0}`: expected qr2, qr3 or dr1")]
pub struct UnknownRelease(String);

impl DataRelease {
    /// All of them, oldest first.
    pub const ALL: [Self; 3] = [Self::Qr2, Self::Qr3, Self::Dr1];

    /// The first version of a processing (`26` of `l2b-v26-2026-196`) that pipeline 7 made.
    const FIRST_OF_SEVEN: u32 = 26;

    /// As in paths of the archive: `qr2`, `qr3`, `dr1`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qr2 => "qr2",
            Self::Qr3 => "qr3",
            Self::Dr1 => "dr1",
        }
    }

    /// Number of the pipeline, 6 or 7, which decides gain, point spread functions and wavelengths.
    pub fn pipeline(self) -> u8 {
        match self {
            Self::Qr2 => 6,
            Self::Qr3 | Self::Dr1 => 7,
        }
    }

    /// The release of a card VERSION (PEP 440): pipeline 6 or 7; `None` for any other.
    pub fn of_version(version: &str) -> Option<Self> {
        match *version_numbers(version).first()? {
            6 => Some(Self::Qr2),
            7 => Some(Self::Qr3),
            _ => None,
        }
    }

    /// The release that a directory of a path names.
    pub fn of_path(path: &Path) -> Option<Self> {
        let folders = path.parent()?.components().rev();
        folders.filter_map(|part| part.as_os_str().to_str()?.parse().ok()).next()
    }
}

impl fmt::Display for DataRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DataRelease {
    type Err = UnknownRelease;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|release| release.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| UnknownRelease(text.to_owned()))
    }
}

/// The leading numbers of a version: `[6, 5, 4]` of `6.5.4+psffix1`.
fn version_numbers(version: &str) -> Vec<u64> {
    let public = version.trim().trim_start_matches(['v', 'V']);
    let end = public.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(public.len());
    public[..end].split('.').map_while(|number| number.parse().ok()).collect()
}

/// How a file was made. A later one is greater: by version, then by date; a repetition
/// (`l2b_retry`) wins where both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Processing {
    /// Version of the product, `21` of `l2b-v21-2025-354`.
    pub version: u32,
    /// Year of processing.
    pub year: u16,
    /// Day of that year, from 1.
    pub day: u16,
    /// Whether it was repeated: `l2b_retry-v27-2026-242`.
    pub retry: bool,
}

impl fmt::Display for Processing {
    /// As in names and paths of the archive: `l2b_retry-v27-2026-242`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retry = if self.retry { "_retry" } else { "" };
        write!(f, "l2b{retry}-v{}-{:04}-{:03}", self.version, self.year, self.day)
    }
}

/// A processing that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a processing such as l2b-v21-2025-354")]
pub struct UnknownProcessing(String);

impl FromStr for Processing {
    type Err = UnknownProcessing;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| UnknownProcessing(text.to_owned()))
    }
}

impl TryFrom<String> for Processing {
    type Error = UnknownProcessing;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Processing> for String {
    fn from(processing: Processing) -> Self {
        processing.to_string()
    }
}

impl Processing {
    fn parse(text: &str) -> Option<Self> {
        let made = text.strip_prefix("l2b")?;
        let (retry, made) = match made.strip_prefix("_retry") {
            Some(made) => (true, made),
            None => (false, made),
        };
        let mut parts = made.strip_prefix("-v")?.split('-');
        let mut number = || parts.next().and_then(|n| n.parse::<u32>().ok());
        let (version, year, day) = (number()?, number()?, number()?);
        let (year, day) = (year.try_into().ok()?, day.try_into().ok()?);
        parts.next().is_none().then_some(Self { version, year, day, retry })
    }

    fn release(self) -> DataRelease {
        if self.version < DataRelease::FIRST_OF_SEVEN { DataRelease::Qr2 } else { DataRelease::Qr3 }
    }
}

/// What the name of a spectral image says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductName<'a> {
    /// The observation.
    pub obs_id: &'a str,
    /// The detector.
    pub detector: Detector,
    /// How the file was made.
    pub processing: Processing,
}

impl<'a> ProductName<'a> {
    /// Reads `level2_<obs_id>D<d>_spx_l2b-v<ver>-<YYYY-DDD>.fits` and
    /// `..._spx_l2b_retry-v<ver>-<YYYY-DDD>.fits`, with whatever follows the date after `_`
    /// (`_cutout`) and follows `.fits` (compression, the query of a saved cutout), in upper or
    /// lower case; `None` for any other name.
    pub fn parse(name: &'a str) -> Option<Self> {
        let stem = name.get(..name.to_ascii_lowercase().find(".fits")?)?;
        let (exposure, made) = stem.strip_prefix("level2_")?.split_once("_spx_")?;
        let (obs_id, detector) = exposure.rsplit_once('D')?;
        let dates = made.find('-')?;
        let end = made[dates..].find('_').map_or(made.len(), |end| dates + end);
        let processing = Processing::parse(&made[..end])?;
        Some(Self { obs_id, detector: detector.parse().ok()?, processing })
    }
}

/// Release, version and processing of a file. Of two of one exposure the greater is to be used.
///
/// They compare by pipeline, then processing by the name, then the numbers of VERSION; what is not
/// known is less than what is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReleaseIdentity {
    /// `None` where neither VERSION nor path nor name tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<DataRelease>,
    /// Card VERSION of the primary HDU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Version, date and repetition, by the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing: Option<Processing>,
}

impl ReleaseIdentity {
    /// What the path of a file and its card VERSION say.
    pub fn new(path: &Path, version: Option<&str>) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let processing = ProductName::parse(&name).map(|name| name.processing);
        let of_path = DataRelease::of_path(path);
        let stated = version.and_then(DataRelease::of_version);
        // VERSION tells the pipeline, and among the releases of pipeline 7 the path.
        let release = match (stated, of_path) {
            (Some(stated), Some(path)) if stated.pipeline() == path.pipeline() => Some(path),
            (Some(stated), _) => Some(stated),
            // A version of no known pipeline is not overruled.
            (None, _) if version.is_some_and(|version| !version_numbers(version).is_empty()) => None,
            (None, path) => path.or_else(|| processing.map(Processing::release)),
        };
        Self { release, version: version.map(str::to_owned), processing }
    }

    /// The version of a pipeline that is neither 6 nor 7: what such files mean is not known.
    pub fn foreign_version(&self) -> Option<&str> {
        let version = self.version.as_deref().filter(|version| !version_numbers(version).is_empty())?;
        DataRelease::of_version(version).is_none().then_some(version)
    }

    /// Number of the pipeline, 6 or 7, where it is known.
    pub fn pipeline(&self) -> Option<u8> {
        self.release.map(DataRelease::pipeline)
    }

    fn rank(&self) -> impl Ord + '_ {
        let numbers = self.version.as_deref().map(version_numbers);
        (self.pipeline(), self.processing, numbers, self.release, self.version.as_deref())
    }
}

impl Ord for ReleaseIdentity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for ReleaseIdentity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ReleaseIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let release = self.release.map_or("unknown release", DataRelease::name);
        match (&self.processing, &self.version) {
            (Some(processing), _) => write!(f, "{release} {processing}"),
            (None, Some(version)) => write!(f, "{release} version {version}"),
            (None, None) => f.write_str(release),
        }
    }
}

/// What became of the flux scale of an exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FluxCorrection {
    /// It is not known of which release the exposure is.
    #[default]
    Unknown,
    /// An image of pipeline 7, which has the scale that the others are brought to.
    NotNeeded,
    /// An image of pipeline 6 that was multiplied by `l3_flux_corrections`.
    Applied,
    /// An image of pipeline 6 that was not: its scale is another.
    Missing,
}

impl FluxCorrection {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::NotNeeded, Self::Applied, Self::Missing];

    /// The name in tables and cards.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotNeeded => "not_needed",
            Self::Applied => "applied",
            Self::Missing => "missing",
        }
    }
}

/// Where wavelength and bandwidth come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WavelengthSource {
    /// The table WCS-WAVE of the file, good to about 1 nm.
    #[default]
    Table,
    /// The same, shifted to the scale of pipeline 7.
    Shifted,
    /// The calibration product spectral_wcs.
    Calibration,
}

impl WavelengthSource {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Table, Self::Shifted, Self::Calibration];

    /// The name in tables and cards.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Shifted => "shifted",
            Self::Calibration => "calibration",
        }
    }

    /// By how much the tables of pipeline 6 are to be shifted to the scale of pipeline 7 \[um\]: a
    /// fifth of a channel in D5 and D6 (measured by clients of the archive on both releases),
    /// nothing in the others.
    pub fn shift_of_pipeline_6(detector: Detector) -> f64 {
        if detector.number() > 4 { 0.0064 } else { 0.0 }
    }
}

/// How an exposure was calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExposureCalibration {
    /// Its flux scale.
    pub flux_correction: FluxCorrection,
    /// Its wavelengths.
    pub wavelength_source: WavelengthSource,
}

/// Which releases are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReleaseChoice {
    /// Of each exposure the newest processing, whatever its release.
    #[default]
    Newest,
    /// One release alone.
    Only(DataRelease),
    /// Of each exposure the newest processing in each release.
    Any,
}

/// A choice of releases that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown release `{0}`: expected newest, qr2, qr3, dr1 or any")]
pub struct UnknownReleaseChoice(String);

impl ReleaseChoice {
    /// Whether files of a release may be used. What does not tell its release may, unless one
    /// release is asked for.
    pub fn allows(self, release: Option<DataRelease>) -> bool {
        match self {
            Self::Newest | Self::Any => true,
            Self::Only(only) => release == Some(only),
        }
    }

    /// What files of one exposure must share to supersede one another: nothing, or the release.
    pub fn group(self, release: Option<DataRelease>) -> Option<DataRelease> {
        if self == Self::Any { release } else { None }
    }

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Only(release) => release.name(),
            Self::Any => "any",
        }
    }
}

impl fmt::Display for ReleaseChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ReleaseChoice {
    type Err = UnknownReleaseChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "newest" => Ok(Self::Newest),
            "any" => Ok(Self::Any),
            _ => text.parse().map(Self::Only).map_err(|_| UnknownReleaseChoice(text.to_owned())),
        }
    }
}

impl TryFrom<String> for ReleaseChoice {
    type Error = UnknownReleaseChoice;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ReleaseChoice> for String {
    fn from(choice: ReleaseChoice) -> Self {
        choice.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_exposure_and_processing() {
        let name = ProductName::parse("level2_2025W20_2D_0684_2D3_spx_l2b-v21-2025-354.fits").unwrap();
        assert_eq!((name.obs_id, name.detector.number()), ("2025W20_2D_0684_2", 3));
        assert_eq!(name.processing, Processing { version: 21, year: 2025, day: 354, retry: false });
        assert_eq!(name.processing.to_string(), "l2b-v21-2025-354");
        for end in
            [".fits", ".fits.gz", ".FITS", ".fits.fz", "_cutout.fits", ".fits?center=186.4,33.5&size=0.1"]
        {
            let name = format!("level2_2025W20_2D_0684_2D3_spx_l2b_retry-v27-2026-242{end}");
            let name = ProductName::parse(&name).unwrap();
            assert_eq!((name.obs_id, name.processing.retry), ("2025W20_2D_0684_2", true));
            assert_eq!(name.processing.to_string(), "l2b_retry-v27-2026-242");
        }
        for bad in [
            "",
            "level2_x.fits",
            "level2_aD9_spx_l2b-v1-2025-1.fits",
            "level2_aD1_spx_l2b-v1-2025.fits",
            "level2_aD1_spx_l2b-v1-2025-1-1.fits",
            "level2_aD1_spx_l2b-v1-2025-1",
        ] {
            assert_eq!(ProductName::parse(bad), None, "{bad}");
        }
    }

    fn identity(path: &str, version: Option<&str>) -> ReleaseIdentity {
        ReleaseIdentity::new(Path::new(path), version)
    }

    #[test]
    fn version_decides_then_path_then_name() {
        let of = |path: &str, version| identity(path, version).release.map(DataRelease::name);
        let name = "level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits";
        assert_eq!(of(name, Some("7.0.5")), Some("qr3"), "VERSION decides");
        assert_eq!(of(&format!("/data/qr3/level2/{name}"), Some("6.5.4+psffix1")), Some("qr2"));
        assert_eq!(of("/data/dr1/level2/a.fits", Some("7.1")), Some("dr1"));
        assert_eq!(of(&format!("/data/qr3/level2/{name}"), None), Some("qr3"), "then the path");
        assert_eq!(of(name, None), Some("qr2"), "then the name");
        assert_eq!(of("level2_2026W30_1B_0051_1D6_spx_l2b-v27-2026-222.fits", None), Some("qr3"));
        assert_eq!(of("a.fits", None), None);
        assert_eq!(of(&format!("qr2/{name}"), Some("8.0")), None, "of a pipeline that is not known");
        assert_eq!(identity(name, Some("8.0")).foreign_version(), Some("8.0"));
        for known in [None, Some("6.4"), Some("7.0.5"), Some("unknown")] {
            assert_eq!(identity(name, known).foreign_version(), None);
        }
    }

    #[test]
    fn later_processings_are_greater() {
        let of = |name: &str, version: &str| {
            identity(&format!("level2_2025W51_1A_0684_2D3_spx_{name}.fits"), Some(version))
        };
        let mut made = [
            of("copy", "7.0.5"),
            of("l2b_retry-v27-2026-242", "7.0.5"),
            of("l2b-v27-2026-242", "7.0.5"),
            of("l2b-v24-2027-001", "6.5.5"),
            of("copy", "6.10.1"),
            of("copy", "6.9.2"),
            of("l2b-v27-2026-243", "7.0.5"),
        ];
        made.sort();
        let shown: Vec<String> = made.iter().map(ToString::to_string).collect();
        let expected = [
            "qr2 version 6.9.2",
            "qr2 version 6.10.1",
            "qr2 l2b-v24-2027-001",
            "qr3 version 7.0.5",
            "qr3 l2b-v27-2026-242",
            "qr3 l2b_retry-v27-2026-242",
            "qr3 l2b-v27-2026-243",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn choices_of_releases() {
        for name in ["newest", "qr2", "qr3", "dr1", "any"] {
            assert_eq!(name.parse::<ReleaseChoice>().unwrap().to_string(), name);
        }
        assert!(
            "qr9".parse::<ReleaseChoice>().unwrap_err().to_string().contains("newest, qr2, qr3, dr1 or any")
        );
        let only: ReleaseChoice = "qr3".parse().unwrap();
        assert!(only.allows(Some(DataRelease::Qr3)) && !only.allows(Some(DataRelease::Dr1)));
        assert!(!only.allows(None) && ReleaseChoice::Newest.allows(None));
    }
}
