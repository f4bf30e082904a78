//! Settings of a drizzle, and the parameters that come of them.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::flags::{FlagError, FlagNames, FlagSelection};
use spx_core::release::ReleaseChoice;
use spx_core::sky::{Position, Rectangle};
use spx_drizzle::file::CubeCompression;
use spx_drizzle::{DrizzleOptions, DrizzlePlan, Kernel, WavelengthGrid};
use spx_wcs::OutputGrid;

use super::grid::GridSettings;
use super::resampling::{ResamplingParameters, ResamplingSettings};
use crate::PipelineError;
use crate::archive::{ArchiveAccess, ArchiveSettings};
use crate::calibration::{CalibrationPaths, CalibrationSettings};
use crate::flag_selection as text;
use crate::settings::SettingHeading;
use crate::zodi::{ForegroundTreatment, ZodiSettings};

/// Flags of pixels that are left out where nothing else is said. IRSA's mosaicker keeps OUTLIER,
/// 1.7 % of all pixels with wild values, and rejects outliers afterwards. Rejection leaves of them
/// 0.08 of a voxel's error on the sky and 0.6 % on stars (`cargo xtask truth rejection`).
const DEFAULT_FLAGS: FlagSelection = FlagSelection::Photometry;

/// Settings of [`drizzle`](super::drizzle).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Input and output"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[um]` is a unit")]
pub struct DrizzleConfig {
    /// Where on the sky.
    #[serde(flatten)]
    pub region: RegionSettings,
    /// How the pixels of the output lie.
    #[serde(flatten)]
    pub grid: GridSettings,
    /// What goes in and where the output goes.
    #[serde(flatten)]
    pub output: OutputSettings,
    /// File of running sums, made if it does not exist; exposures are added to those in it, each
    /// once, and the cube is made from all of them
    #[schemars(extend("examples" = ["sums_D3.fits"], "x-value" = "FILE"))]
    pub accumulate: Option<PathBuf>,
    /// With accumulate: write no cube; `spx cube finalize` makes it from the sums
    pub sums_only: bool,
    /// Planes of a cube: those of one detector, or of all in one file
    pub channels: CubeChannels,
    /// With accumulate: images named by their files whose exposures are in the sums are reported as
    /// rejected, or skipped (skip); with skip, a run that has nothing to add changes nothing
    pub known: KnownExposures,
    /// Also write the exact wavelengths as alternate WCS `T` (an eighth HDU)
    pub exact_wavelength_wcs: bool,
    /// How much memory it may take.
    #[serde(flatten)]
    pub memory: MemorySettings,
    /// The archive, where no input is given.
    #[serde(flatten)]
    pub archive: ArchiveSettings,
    /// How pixels are spread.
    #[serde(flatten)]
    pub sampling: SamplingSettings,
    /// Output planes in a native channel; other than 1 the axis has constant resolving power
    #[schemars(extend("exclusiveMinimum" = 0, "x-heading" = "Drizzle"))]
    pub z_oversample: f64,
    /// Edges of the planes [um], increasing, instead of the detector's channels
    #[schemars(extend("examples" = [[1.65, 1.85, 2.05, 2.25]], "x-value" = "E1,E2,...", "x-heading" = "Drizzle"))]
    pub z_edges: Option<Vec<f64>>,
    /// Which pixels count, and how much.
    #[serde(flatten)]
    pub pixels: PixelSettings,
    /// Weights, masks, optional planes.
    #[serde(flatten)]
    pub resampling: ResamplingSettings,
    /// Wavelengths and flux scale.
    #[serde(flatten)]
    pub calibration: CalibrationSettings,
    /// The zodiacal light.
    #[serde(flatten)]
    pub zodi: ZodiSettings,
}

/// How much memory a drizzle may take, which cubes, mosaics and HiPS share.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Input and output"))]
pub struct MemorySettings {
    /// Refuse a run that would need more memory than this \[GiB\]; by default nine tenths of what
    /// is available
    #[schemars(extend("examples" = [8.0], "x-value" = "GIB"))]
    pub max_memory: Option<f64>,
}

impl Default for DrizzleConfig {
    fn default() -> Self {
        Self {
            region: RegionSettings::default(),
            grid: GridSettings::default(),
            output: OutputSettings::default(),
            accumulate: None,
            sums_only: false,
            channels: CubeChannels::default(),
            known: KnownExposures::default(),
            exact_wavelength_wcs: false,
            memory: MemorySettings::default(),
            archive: ArchiveSettings::default(),
            sampling: SamplingSettings::default(),
            z_oversample: 1.0,
            z_edges: None,
            pixels: PixelSettings::default(),
            resampling: ResamplingSettings::default(),
            calibration: CalibrationSettings::default(),
            zodi: ZodiSettings::default(),
        }
    }
}

/// What a cube holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CubeChannels {
    /// The channels of a detector: one file for each
    #[default]
    Detector,
    /// Those of all detectors among the inputs, one after the other in one file, drizzle_all.fits
    All,
}

/// What becomes of images that are named by their files and whose exposures are in the running
/// sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KnownExposures {
    /// Each is reported
    #[default]
    Report,
    /// They are skipped, as those that are found in directories
    Skip,
}

/// Settings of the region and the detector.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Region"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[arcmin]` is a unit")]
pub struct RegionSettings {
    /// Right ascension of the center [deg, ICRS]
    #[schemars(extend("examples" = [186.4536], "x-value" = "DEG", "x-needed" = true, "x-angle" = "ra"))]
    pub ra: Option<f64>,
    /// Declination of the center [deg, ICRS]
    #[schemars(extend("examples" = [33.5468], "x-value" = "DEG", "x-needed" = true, "x-angle" = "dec"))]
    pub dec: Option<f64>,
    /// Width of the output along right ascension, on the tangent plane at the center [arcmin]
    #[schemars(extend("examples" = [30.0], "x-value" = "ARCMIN", "x-needed" = true))]
    pub width: Option<f64>,
    /// Height of the output along declination [arcmin]
    #[schemars(extend("examples" = [30.0], "x-value" = "ARCMIN", "x-needed" = true))]
    pub height: Option<f64>,
    /// Detector, 1 to 6; 0 for all detectors among the inputs
    #[schemars(range(min = 0, max = 6))]
    pub detector: u8,
}

/// Settings of the inputs and the output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Input and output"))]
pub struct OutputSettings {
    /// Spectral images, or directories that hold them (*.fits, *.fits.gz, searched recursively), or
    /// lists of both (@FILE, or - for standard input: one path per line); without it the archive is
    /// queried for images of the region
    #[schemars(extend("examples" = [["data/"]], "x-value" = "PATH"))]
    pub input: Option<Vec<PathBuf>>,
    /// Directory for the output and the resolved configuration
    #[schemars(extend("x-value" = "DIR", "x-short" = "o"))]
    pub output_dir: PathBuf,
    /// Replace existing output
    pub overwrite: bool,
    /// Compress the arrays of the output (tile-compressed FITS): lossless, or rounded, with SCI
    /// within 0.02 of its error, VARIANCE within 4 %, and all else exact; running sums are
    /// compressed too, always without loss
    #[schemars(extend("examples" = ["lossless"], "x-value" = "HOW"))]
    pub compress: Option<OutputCompression>,
}

/// How the arrays of the output are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputCompression {
    /// Every bit is kept
    Lossless,
    /// SCI and VARIANCE are rounded, to 0.02 of the error and to 4 %
    Rounded,
}

impl Default for OutputSettings {
    fn default() -> Self {
        Self { input: None, output_dir: "drizzle_output".into(), overwrite: false, compress: None }
    }
}

/// Settings of the kernel and of the sampling of the sky.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Drizzle"))]
pub struct SamplingSettings {
    /// Spatial kernel
    #[schemars(with = "String")]
    #[schemars(extend("enum" = Kernel::ALL.map(Kernel::name)))]
    pub kernel: Kernel,
    /// Size of a droplet in units of the input pixel
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub xy_shrink: f64,
    /// Width of a droplet in units of the bandwidth, above 0 and at most 1; by default as xy_shrink
    #[schemars(extend("examples" = [0.8]))]
    pub z_shrink: Option<f64>,
    /// Output pixels in a native pixel of 6.15", along each axis
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub xy_oversample: f64,
}

impl Default for SamplingSettings {
    fn default() -> Self {
        let DrizzleOptions { kernel, xy_shrink, z_shrink, .. } = DrizzleOptions::default();
        Self { kernel, xy_shrink, z_shrink, xy_oversample: 1.0 }
    }
}

/// Settings of the pixels that take part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Pixels and weights"))]
pub struct PixelSettings {
    /// Leave out pixels with these flags: bit numbers and names, or a preset: photometry (the
    /// default: what IRSA's mosaicker masks, OVERFLOW and OUTLIER), mosaic (without these two, also
    /// called irsa), spxquery, none
    #[serde(with = "text")]
    #[schemars(with = "serde_json::Value", extend("examples" = ["photometry"], "x-value" = "LIST|PRESET"))]
    pub exclude_flags: Option<FlagSelection>,
    /// Upper limit of the weight 1/variance [(MJy/sr)^-2]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub ivar_max: f64,
    /// Drop contributions whose share of the pixel is below this
    #[schemars(range(min = 0))]
    pub min_overlap: f64,
}

impl Default for PixelSettings {
    fn default() -> Self {
        let DrizzleOptions { ivar_max, min_overlap, .. } = DrizzleOptions::default();
        Self { exclude_flags: None, ivar_max, min_overlap }
    }
}

/// What a drizzle makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrizzleProduct {
    /// The cube of a detector.
    Cube(Detector),
    /// One image of all.
    Mosaic,
}

impl DrizzleProduct {
    /// The detector of a cube.
    pub fn detector(self) -> Option<Detector> {
        match self {
            Self::Cube(detector) => Some(detector),
            Self::Mosaic => None,
        }
    }

    /// The name of its file, without the ending.
    pub fn stem(self) -> String {
        match self {
            Self::Cube(detector) => format!("drizzle_{detector}"),
            Self::Mosaic => "mosaic".to_owned(),
        }
    }
}

impl std::fmt::Display for DrizzleProduct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cube(detector) => write!(f, "{detector}"),
            Self::Mosaic => f.write_str("mosaic"),
        }
    }
}

/// Settings that have been checked.
#[derive(Debug, Clone)]
pub(super) struct DrizzleParameters {
    pub(super) region: Rectangle,
    pub(super) grid: OutputGrid,
    /// The reference image that it is taken from.
    like: Option<PathBuf>,
    pub(super) detector: Option<Detector>,
    /// Files and directories; where empty, what the archive has.
    pub(super) input: Vec<PathBuf>,
    pub(super) archive: ArchiveAccess,
    pub(super) output_dir: PathBuf,
    pub(super) overwrite: bool,
    pub(super) accumulate: Option<PathBuf>,
    pub(super) sums_only: bool,
    pub(super) channels: CubeChannels,
    pub(super) known: KnownExposures,
    pub(super) compression: CubeCompression,
    pub(super) exact_wavelength_wcs: bool,
    pub(super) max_memory: Option<f64>,
    pub(super) options: DrizzleOptions,
    pub(super) xy_oversample: f64,
    pub(super) z_oversample: f64,
    pub(super) z_edges: Option<Vec<f64>>,
    exclude_flags: FlagSelection,
    pub(super) resampling: ResamplingParameters,
    pub(super) calibration: CalibrationPaths,
    pub(super) zodi: ForegroundTreatment,
}

impl DrizzleConfig {
    /// The output grid, the wavelength axis of a detector's cube, and the options: what the drizzle
    /// will be.
    ///
    /// # Errors
    /// Usage, naming the first setting that is missing or out of range.
    pub fn plan(&self, detector: Detector) -> Result<DrizzlePlan, PipelineError> {
        self.parameters()?.plan(DrizzleProduct::Cube(detector))
    }

    /// These settings with every value filled in that depends on another.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let mut config = self.clone();
        config.sampling.z_shrink.get_or_insert(self.sampling.xy_shrink);
        config.resampling.weight.get_or_insert(self.resampling.weighting());
        if self.resampling.good_bits.is_none() {
            config.pixels.exclude_flags.get_or_insert(DEFAULT_FLAGS);
        }
        config
    }

    /// Settings that follow others, where they were not given, line by line.
    ///
    /// # Errors
    /// None that is known of.
    pub(super) fn followed(&self) -> Result<Vec<String>, PipelineError> {
        let given = toml::Table::try_from(self)?;
        let resolved = toml::Table::try_from(self.resolved())?;
        let follows = resolved.iter().filter(|(key, _)| !given.contains_key(*key));
        Ok(follows.map(|(key, value)| format!("{key} = {value}, by default")).collect())
    }

    /// The configuration as it stands in the history of a cube: what shapes the result, not where
    /// it was made.
    pub(super) fn history(&self, product: DrizzleProduct) -> Vec<String> {
        let mut table = toml::Table::try_from(self.of_product(product)).unwrap_or_default();
        let archive = toml::Table::try_from(&self.archive).unwrap_or_default();
        let elsewhere = NOT_IN_HISTORY.iter().copied().chain(CalibrationSettings::PLACES);
        for key in elsewhere.chain(archive.keys().map(String::as_str)) {
            table.remove(key);
        }
        table.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    }

    /// The resolved settings of one output.
    fn of_product(&self, product: DrizzleProduct) -> Self {
        self.resolved().for_product(product)
    }

    /// The settings of one output alone.
    pub(super) fn for_product(&self, product: DrizzleProduct) -> Self {
        let mut config = self.clone();
        if let Some(detector) = product.detector() {
            config.region.detector = detector.number();
        }
        config
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is missing or out of range.
    pub(super) fn parameters(&self) -> Result<DrizzleParameters, PipelineError> {
        let scale = OutputGrid::NATIVE_SCALE / positive(self.sampling.xy_oversample, "xy_oversample")?;
        let (grid, region) = self.grid.grid(&self.region, scale)?;
        let xy_oversample = match self.grid.like {
            Some(_) => OutputGrid::NATIVE_SCALE / grid.pixel_scale(),
            None => self.sampling.xy_oversample,
        };
        let z_oversample = positive(self.z_oversample, "z_oversample")?;
        if self.z_edges.is_some() && z_oversample != 1.0 {
            return Err(exclude("z_edges", "z_oversample"));
        }
        if self.pixels.exclude_flags.is_some() && self.resampling.good_bits.is_some() {
            return Err(exclude("exclude_flags", "good_bits"));
        }
        if self.archive.search.release == ReleaseChoice::Any {
            let problem = "release = any would count exposures that are in both releases twice";
            return Err(PipelineError::usage(problem));
        }
        if self.sums_only && self.accumulate.is_none() {
            return Err(PipelineError::usage("sums_only needs accumulate, the file for the sums"));
        }
        if self.grid.like.is_some() && self.accumulate.is_some() {
            // `spx cube finalize` makes the grid of the settings alone.
            return Err(exclude("like", "accumulate"));
        }
        if self.channels == CubeChannels::All && self.accumulate.is_some() {
            // Sums are of one detector; `spx cube join` takes the cubes made of them.
            return Err(exclude("channels = all", "accumulate"));
        }
        if self.channels == CubeChannels::All && self.region.detector != 0 {
            return Err(exclude("channels = all", "detector"));
        }
        let resampling = self.resampling.parameters()?;
        let parameters = DrizzleParameters {
            region,
            grid,
            like: self.grid.like.clone(),
            detector: self.region.detector()?,
            input: self.output.input.clone().unwrap_or_default(),
            archive: self.archive.access()?,
            output_dir: self.output.output_dir.clone(),
            overwrite: self.output.overwrite,
            accumulate: self.accumulate.clone(),
            sums_only: self.sums_only,
            channels: self.channels,
            known: self.known,
            compression: match self.output.compress {
                None => CubeCompression::None,
                Some(OutputCompression::Lossless) => CubeCompression::Lossless,
                Some(OutputCompression::Rounded) => CubeCompression::Rounded,
            },
            exact_wavelength_wcs: self.exact_wavelength_wcs,
            max_memory: self.memory.max_memory.map(|gib| positive(gib, "max_memory")).transpose()?,
            options: DrizzleOptions {
                kernel: self.sampling.kernel,
                xy_shrink: self.sampling.xy_shrink,
                z_shrink: self.resolved().sampling.z_shrink,
                ivar_max: self.pixels.ivar_max,
                min_overlap: self.pixels.min_overlap,
                pixel_scale_ratio: resampling.pixel_scale_ratio,
                fill: resampling.fill,
            },
            xy_oversample,
            z_oversample,
            z_edges: self.z_edges.clone(),
            exclude_flags: self.pixels.exclude_flags.clone().unwrap_or(DEFAULT_FLAGS),
            resampling,
            calibration: self.calibration.paths(),
            zodi: self.zodi.treatment()?,
        };
        parameters.options.validate().map_err(PipelineError::usage)?;
        for detector in Detector::ALL {
            parameters.wavelengths(DrizzleProduct::Cube(detector))?;
        }
        Ok(parameters)
    }
}

/// Settings that say where and how a cube is made, besides those of the archive.
const NOT_IN_HISTORY: [&str; 9] = [
    "input",
    "output_dir",
    "overwrite",
    "compress",
    "accumulate",
    "sums_only",
    "channels",
    "known",
    "max_memory",
];

impl RegionSettings {
    /// The region, checked.
    pub(super) fn rectangle(&self) -> Result<Rectangle, PipelineError> {
        let need = |value: Option<f64>, name: &str| {
            value.ok_or_else(|| {
                PipelineError::usage(format!("--{name} is needed (or `{name}` in the configuration)"))
            })
        };
        let center = Position::new(need(self.ra, "ra")?, need(self.dec, "dec")?);
        let center = center.map_err(PipelineError::usage)?;
        Rectangle::new(center, need(self.width, "width")?, need(self.height, "height")?)
            .map_err(PipelineError::usage)
    }

    /// The detector, `None` for all.
    pub(super) fn detector(&self) -> Result<Option<Detector>, PipelineError> {
        match self.detector {
            0 => Ok(None),
            n => Detector::new(n.into()).map(Some).map_err(|error| {
                PipelineError::usage(error).with_context("detector: 0 stands for all that are present")
            }),
        }
    }
}

fn positive(value: f64, name: &str) -> Result<f64, PipelineError> {
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(PipelineError::usage(format!("{name} = {value} is not allowed: it must be above 0")))
}

fn exclude(one: &str, other: &str) -> PipelineError {
    PipelineError::usage(format!("{one} and {other} exclude each other: give one of them"))
}

impl DrizzleParameters {
    /// The mask of the flags that exclude a pixel of a file with these names.
    ///
    /// # Errors
    /// Where the file does not know a flag.
    pub(super) fn excluded(&self, names: &FlagNames) -> Result<u32, FlagError> {
        match &self.resampling.good_bits {
            Some(good) => good.excluded(names),
            None => self.exclude_flags.mask(names),
        }
    }

    /// Files that settings name and that shape the output: the reference image, the weights.
    pub(super) fn named_files(&self) -> Vec<&Path> {
        self.like.iter().chain(&self.resampling.weight_map).map(PathBuf::as_path).collect()
    }

    /// The wavelength axis of a detector's cube, or of the mosaic.
    pub(super) fn wavelengths(&self, product: DrizzleProduct) -> Result<WavelengthGrid, PipelineError> {
        let grid = match (&self.z_edges, product) {
            (Some(edges), _) => WavelengthGrid::custom(edges.clone()),
            (None, DrizzleProduct::Mosaic) => {
                return Err(PipelineError::usage("a mosaic needs a range of wavelengths"));
            }
            (None, DrizzleProduct::Cube(detector)) if self.z_oversample == 1.0 => {
                Ok(WavelengthGrid::native(detector))
            }
            (None, DrizzleProduct::Cube(detector)) => {
                WavelengthGrid::oversampled(detector, self.z_oversample)
            }
        };
        grid.map_err(PipelineError::usage)
    }

    /// What the drizzle of a cube or a mosaic will be.
    pub(super) fn plan(&self, product: DrizzleProduct) -> Result<DrizzlePlan, PipelineError> {
        let plan = DrizzlePlan::new(self.grid.shape(), self.wavelengths(product)?, self.options);
        Ok(plan.map_err(PipelineError::usage)?.with_planes(self.resampling.planes.clone()))
    }
}
