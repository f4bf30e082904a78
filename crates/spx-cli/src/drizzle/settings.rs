//! What a user may set of `spx drizzle`, and the parameters that come of it.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::flags::{FlagError, FlagNames, FlagSelection};
use spx_core::sky::{Position, Rectangle};
use spx_drizzle::{DrizzleOptions, ErrorMethod, Kernel, WavelengthGrid};
use spx_wcs::OutputGrid;

use super::resampling::{ResamplingParameters, ResamplingSettings};
use crate::archive::settings::ArchiveSettings;
use crate::zodi::ZodiSettings;
use spx_pipeline::archive::ArchiveAccess;
use spx_pipeline::flag_selection;
use spx_pipeline::zodi::ZodiTreatment;

/// Every key of the configuration. What is not given has the default that the help names.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DrizzleSettings {
    /// Right ascension of the centre [deg]
    #[arg(long, value_name = "DEG", env = "SPX_RA", allow_negative_numbers = true, help_heading = "Region")]
    pub(crate) ra: Option<f64>,
    /// Declination of the centre [deg]
    #[arg(long, value_name = "DEG", env = "SPX_DEC", allow_negative_numbers = true, help_heading = "Region")]
    pub(crate) dec: Option<f64>,
    /// Width of the cube along right ascension [arcmin]
    #[arg(long, value_name = "ARCMIN", env = "SPX_WIDTH", allow_negative_numbers = true)]
    #[arg(help_heading = "Region")]
    pub(crate) width: Option<f64>,
    /// Height of the cube along declination [arcmin]
    #[arg(long, value_name = "ARCMIN", env = "SPX_HEIGHT", allow_negative_numbers = true)]
    #[arg(help_heading = "Region")]
    pub(crate) height: Option<f64>,
    /// Detector, 1 to 6; 0 makes a cube for each detector that the inputs have [default: 0]
    #[arg(long, value_name = "N", env = "SPX_DETECTOR", help_heading = "Region")]
    pub(crate) detector: Option<u8>,

    /// Spectral images, or directories that hold them (*.fits, *.fits.gz, searched recursively); without it
    /// the archive is asked for images of the region
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "Input and output")]
    pub(crate) input: Option<Vec<PathBuf>>,
    /// Directory for drizzle_D3.fits (and so on) and the resolved configuration [default: drizzle_output]
    #[arg(short, long, value_name = "DIR", env = "SPX_OUTPUT_DIR", help_heading = "Input and output")]
    pub(crate) output_dir: Option<PathBuf>,
    /// Replace existing cubes
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_OVERWRITE", help_heading = "Input and output")]
    pub(crate) overwrite: Option<bool>,
    /// File of running sums: made where it is not there, else the exposures are added to those in it, each once, and the
    /// cube is that of all of them
    #[arg(long, value_name = "FILE", env = "SPX_ACCUMULATE", help_heading = "Input and output")]
    pub(crate) accumulate: Option<PathBuf>,
    /// With --accumulate: write no cube, which `spx cube finalize` makes of the sums [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_SUMS_ONLY", help_heading = "Input and output")]
    pub(crate) sums_only: Option<bool>,
    /// Also write the exact wavelengths as alternate WCS `T` (an eighth HDU) [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_EXACT_WAVELENGTH_WCS")]
    #[arg(help_heading = "Input and output")]
    pub(crate) exact_wavelength_wcs: Option<bool>,
    /// Refuse a run that would need more memory than this [GiB] [default: nine tenths of what is available]
    #[arg(long, value_name = "GIB", env = "SPX_MAX_MEMORY", help_heading = "Input and output")]
    pub(crate) max_memory: Option<f64>,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) archive: ArchiveSettings,

    /// Spatial kernel: bilinear, square, turbo, point, gaussian, lanczos2, lanczos3 [default: bilinear]
    #[arg(long, value_name = "NAME", env = "SPX_KERNEL", help_heading = "Drizzle")]
    pub(crate) kernel: Option<Kernel>,
    /// Size of a droplet in units of the input pixel, above 0 and at most 1 [default: 0.8]
    #[arg(long, value_name = "X", env = "SPX_XY_SHRINK", allow_negative_numbers = true)]
    #[arg(help_heading = "Drizzle")]
    pub(crate) xy_shrink: Option<f64>,
    /// Width of a droplet in units of the bandwidth, above 0 and at most 1 [default: as --xy-shrink]
    #[arg(long, value_name = "X", env = "SPX_Z_SHRINK", allow_negative_numbers = true)]
    #[arg(help_heading = "Drizzle")]
    pub(crate) z_shrink: Option<f64>,
    /// Output pixels in a native pixel of 6.15", along each axis [default: 1]
    #[arg(long, value_name = "X", env = "SPX_XY_OVERSAMPLE", allow_negative_numbers = true)]
    #[arg(help_heading = "Drizzle")]
    pub(crate) xy_oversample: Option<f64>,
    /// Output planes in a native channel; other than 1 the axis has constant resolving power [default: 1]
    #[arg(long, value_name = "X", env = "SPX_Z_OVERSAMPLE", allow_negative_numbers = true)]
    #[arg(help_heading = "Drizzle")]
    pub(crate) z_oversample: Option<f64>,
    /// Edges of the planes [um], increasing, instead of the detector's channels
    #[arg(long, value_name = "E1,E2,...", value_delimiter = ',', env = "SPX_Z_EDGES")]
    #[arg(help_heading = "Drizzle")]
    pub(crate) z_edges: Option<Vec<f64>>,

    /// Leave out pixels with these flags: bit numbers and names, or mosaic, photometry, none
    /// [default: mosaic]
    #[arg(long, value_name = "LIST|PRESET", env = "SPX_EXCLUDE_FLAGS", allow_negative_numbers = true)]
    #[arg(help_heading = "Pixels and weights")]
    #[serde(with = "flag_selection", skip_serializing_if = "Option::is_none")]
    pub(crate) exclude_flags: Option<FlagSelection>,
    /// Upper limit of the weight 1/variance [(MJy/sr)^-2] [default: 1e10]
    #[arg(long, value_name = "X", env = "SPX_IVAR_MAX", allow_negative_numbers = true)]
    #[arg(help_heading = "Pixels and weights")]
    pub(crate) ivar_max: Option<f64>,
    /// Drop contributions whose share of the pixel is below this [default: 0]
    #[arg(long, value_name = "X", env = "SPX_MIN_OVERLAP", allow_negative_numbers = true)]
    #[arg(help_heading = "Pixels and weights")]
    pub(crate) min_overlap: Option<f64>,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) resampling: ResamplingSettings,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) zodi: ZodiSettings,

    /// Of a mosaic nothing but SCI and WHT; an option of that command.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) only_mean: Option<bool>,

    /// A mosaic in place of cubes; set by the command, not by the user.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) mosaic: bool,
}

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    /// The cube of a detector.
    Cube(Detector),
    /// One image of all.
    Mosaic,
}

impl Product {
    pub(crate) fn detector(self) -> Option<Detector> {
        match self {
            Self::Cube(detector) => Some(detector),
            Self::Mosaic => None,
        }
    }

    /// The name of its file, without the ending.
    pub(crate) fn stem(self) -> String {
        match self {
            Self::Cube(detector) => format!("drizzle_{detector}"),
            Self::Mosaic => "mosaic".to_owned(),
        }
    }
}

impl std::fmt::Display for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cube(detector) => write!(f, "{detector}"),
            Self::Mosaic => f.write_str("mosaic"),
        }
    }
}

/// Settings that have been checked and completed.
#[derive(Debug, Clone)]
pub(crate) struct DrizzleParameters {
    pub(crate) region: Rectangle,
    pub(crate) grid: OutputGrid,
    pub(crate) detector: Option<Detector>,
    /// One mosaic of all detectors, in place of a cube for each.
    pub(crate) mosaic: bool,
    /// Files and directories; where empty, what the archive has.
    pub(crate) input: Vec<PathBuf>,
    pub(crate) archive: ArchiveAccess,
    pub(crate) output_dir: PathBuf,
    pub(crate) overwrite: bool,
    pub(crate) accumulate: Option<PathBuf>,
    pub(crate) sums_only: bool,
    pub(crate) exact_wavelength_wcs: bool,
    pub(crate) max_memory: Option<f64>,
    pub(crate) options: DrizzleOptions,
    pub(crate) xy_oversample: f64,
    pub(crate) z_oversample: f64,
    z_edges: Option<Vec<f64>>,
    exclude_flags: FlagSelection,
    pub(crate) resampling: ResamplingParameters,
    pub(crate) zodi: ZodiTreatment,
}

impl DrizzleSettings {
    /// Folds the negative switch into the setting.
    pub(crate) fn normalised(mut self) -> Self {
        self.zodi = self.zodi.normalised();
        self
    }

    /// These settings with every default filled in.
    pub(crate) fn completed(self) -> Self {
        let options = DrizzleOptions::default();
        Self {
            detector: self.detector.or(Some(0)),
            output_dir: self.output_dir.or_else(|| Some("drizzle_output".into())),
            overwrite: self.overwrite.or(Some(false)),
            sums_only: self.sums_only.or(Some(false)),
            exact_wavelength_wcs: self.exact_wavelength_wcs.or(Some(false)),
            archive: self.archive.completed(),
            kernel: self.kernel.or(Some(options.kernel)),
            xy_shrink: self.xy_shrink.or(Some(options.xy_shrink)),
            z_shrink: self.z_shrink.or(self.xy_shrink).or(Some(options.xy_shrink)),
            xy_oversample: self.xy_oversample.or(Some(1.0)),
            z_oversample: self.z_oversample.or(Some(1.0)),
            exclude_flags: match self.resampling.good_bits {
                Some(_) => self.exclude_flags,
                None => self.exclude_flags.or(Some(FlagSelection::Mosaic)),
            },
            ivar_max: self.ivar_max.or(Some(options.ivar_max)),
            min_overlap: self.min_overlap.or(Some(options.min_overlap)),
            zodi: self.zodi.completed(),
            ..self
        }
    }

    /// Checks completed settings.
    ///
    /// # Errors
    /// The first setting that is missing or out of range, by its name.
    pub(crate) fn parameters(&self) -> anyhow::Result<DrizzleParameters> {
        let need = |value: Option<f64>, name: &str| {
            value.ok_or_else(|| anyhow!("--{name} is needed (or `{name}` in the configuration)"))
        };
        let centre = Position::new(need(self.ra, "ra")?, need(self.dec, "dec")?)?;
        let region = Rectangle::new(centre, need(self.width, "width")?, need(self.height, "height")?)?;
        let positive = |value: Option<f64>, name: &str| {
            let value = value.unwrap_or(1.0);
            let fine = value > 0.0 && value.is_finite();
            fine.then_some(value)
                .ok_or_else(|| anyhow!("{name} = {value} is not allowed: it must be above 0"))
        };
        let xy_oversample = positive(self.xy_oversample, "xy_oversample")?;
        let z_oversample = positive(self.z_oversample, "z_oversample")?;
        if self.z_edges.is_some() && z_oversample != 1.0 {
            return Err(anyhow!("z_edges and z_oversample exclude each other: give one of them"));
        }
        if self.exclude_flags.is_some() && self.resampling.good_bits.is_some() {
            return Err(anyhow!("exclude_flags and good_bits exclude each other: give one of them"));
        }
        let sums_only = self.sums_only.unwrap_or_default();
        if sums_only && self.accumulate.is_none() {
            return Err(anyhow!("sums_only needs accumulate, the file for the sums"));
        }
        if self.mosaic && self.accumulate.is_some() {
            return Err(anyhow!("accumulate goes with cubes, not with a mosaic"));
        }
        let mut resampling = self.resampling.parameters()?;
        let planes = &mut resampling.planes;
        planes.only_mean = self.only_mean.unwrap_or_default();
        if planes.only_mean && !self.mosaic {
            return Err(anyhow!("only_mean goes with a mosaic: a cube has its variance, masks and counts"));
        }
        if planes.only_mean && planes.error == Some(ErrorMethod::FromVariances) && planes.variances.is_empty()
        {
            return Err(anyhow!("only_mean keeps no variance that err = from_var could take"));
        }
        if self.mosaic {
            planes.weight = true;
        }
        if self.mosaic && !planes.only_mean {
            planes.context = true;
            planes.error.get_or_insert(ErrorMethod::FromVariances);
        }
        let parameters = DrizzleParameters {
            region,
            grid: OutputGrid::new(region, OutputGrid::NATIVE_SCALE / xy_oversample)?,
            detector: match self.detector.unwrap_or(0) {
                0 => None,
                n => Some(Detector::new(n.into()).context("detector: 0 stands for all that are present")?),
            },
            mosaic: self.mosaic,
            input: self.input.clone().unwrap_or_default(),
            archive: self.archive.parameters()?,
            output_dir: self.output_dir.clone().unwrap_or_default(),
            overwrite: self.overwrite.unwrap_or_default(),
            accumulate: self.accumulate.clone(),
            sums_only,
            exact_wavelength_wcs: self.exact_wavelength_wcs.unwrap_or_default(),
            max_memory: self.max_memory.map(|gib| positive(Some(gib), "max_memory")).transpose()?,
            options: DrizzleOptions {
                pixel_scale_ratio: resampling.pixel_scale_ratio,
                fill: resampling.fill,
                ..self.options()
            },
            xy_oversample,
            z_oversample,
            z_edges: self.z_edges.clone(),
            exclude_flags: self.exclude_flags.clone().unwrap_or(FlagSelection::Mosaic),
            resampling,
            zodi: self.zodi.parameters()?,
        };
        parameters.options.validate()?;
        for detector in Detector::ALL {
            parameters.wavelengths(Product::Cube(detector))?;
        }
        Ok(parameters)
    }

    fn options(&self) -> DrizzleOptions {
        let defaults = DrizzleOptions::default();
        DrizzleOptions {
            kernel: self.kernel.unwrap_or_default(),
            xy_shrink: self.xy_shrink.unwrap_or(defaults.xy_shrink),
            z_shrink: self.z_shrink,
            ivar_max: self.ivar_max.unwrap_or(defaults.ivar_max),
            min_overlap: self.min_overlap.unwrap_or(defaults.min_overlap),
            ..defaults
        }
    }
}

impl DrizzleParameters {
    /// The mask of the flags that exclude a pixel of a file with these names.
    ///
    /// # Errors
    /// Where the file does not know a flag.
    pub(crate) fn excluded(&self, names: &FlagNames) -> Result<u32, FlagError> {
        match &self.resampling.good_bits {
            Some(good) => good.excluded(names),
            None => self.exclude_flags.mask(names),
        }
    }

    /// The wavelength axis of a detector's cube, or of the mosaic.
    pub(crate) fn wavelengths(&self, product: Product) -> anyhow::Result<WavelengthGrid> {
        let detector = match (&self.z_edges, product) {
            (Some(edges), _) => return Ok(WavelengthGrid::custom(edges.clone())?),
            (None, Product::Cube(detector)) => detector,
            (None, Product::Mosaic) => return Err(anyhow!("a mosaic needs a range of wavelengths")),
        };
        if self.z_oversample == 1.0 {
            return Ok(WavelengthGrid::native(detector));
        }
        Ok(WavelengthGrid::oversampled(detector, self.z_oversample)?)
    }
}
