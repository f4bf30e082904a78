//! Settings of a HiPS, and those that its directory was made with.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::release::ReleaseChoice;
use spx_core::sky::Position;
use spx_drizzle::FillValue;
use spx_plot::{Colormap, Stretch};

use super::picture::PixelCut;
use crate::archive::needed_position;
use crate::calibration::CalibrationSettings;
use crate::drizzle::{
    MemorySettings, MosaicConfig, OutputSettings, PixelSettings, RegionSettings, ResamplingSettings,
    SamplingSettings, WaveRange, sees,
};
use crate::flag_selection as text;
use crate::settings::{SettingHeading, resolve, write_configuration};
use crate::zodi::ZodiSettings;
use crate::{Listener, PipelineError};

/// Settings of [`make_hips`](super::make_hips).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("HiPS"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[um]` is a unit")]
pub struct HipsConfig {
    /// Range of wavelengths, MIN..MAX [um]
    #[serde(with = "text")]
    #[schemars(with = "serde_json::Value", extend("examples" = ["2.0..2.2"], "x-value" = "MIN..MAX"))]
    #[schemars(extend("x-excludes" = ["channel"]))]
    pub wave: Option<WaveRange>,
    /// Detector, 1 to 6; 0 for all that see the range
    #[schemars(range(min = 0, max = 6))]
    pub detector: u8,
    /// Channel of the detector as range, 1 to 17, in place of wave
    #[schemars(extend("examples" = [8], "x-excludes" = ["wave"]))]
    pub channel: Option<usize>,
    /// Only combine three existing HiPS, red, green, blue, into color pictures
    #[schemars(extend("examples" = [["red/", "green/", "blue/"]], "x-value" = "DIR"))]
    pub colors: Option<Vec<PathBuf>>,
    /// Order of the finest tiles, 3 to 9: pixels of 6.44" at 6, of 3.22" at 7
    #[schemars(range(min = 3, max = 9))]
    pub order: u8,
    /// Right ascension of the center of the region [deg]; without a region all that the frames
    /// reach
    #[schemars(example = 270.0, extend("x-value" = "DEG", "x-angle" = "ra"))]
    pub ra: Option<f64>,
    /// Declination of the center of the region [deg]
    #[schemars(example = 66.56, extend("x-value" = "DEG", "x-angle" = "dec"))]
    pub dec: Option<f64>,
    /// Radius of the region [deg]; cells of order 3, or finer, that it touches are made whole
    #[schemars(example = 5.0, extend("x-value" = "DEG"))]
    pub radius: Option<f64>,
    /// Title of the survey
    pub title: String,
    /// Identifier of the survey, an IVOID
    #[schemars(extend("x-value" = "IVOID"))]
    pub creator_did: String,
    /// Values that are black and white in the pictures [MJy/sr]; by default from the noise and the
    /// brightest pixels of the first run
    #[schemars(extend("examples" = ["-0.02..1.5"], "x-value" = "MIN..MAX", "x-hyphen" = true))]
    #[serde(with = "text")]
    #[schemars(with = "serde_json::Value")]
    pub cut: Option<PixelCut>,
    /// Curve between black and white: linear, asinh, log, sqrt
    pub stretch: Stretch,
    /// Colors of the pictures
    pub colormap: Colormap,

    /// Spectral images, or directories that hold them (*.fits, *.fits.gz, searched recursively), or
    /// lists of both (@FILE, or - for standard input: one path per line)
    #[schemars(extend("examples" = [["frames/"]], "x-value" = "PATH", "x-heading" = "Input and output"))]
    pub input: Option<Vec<PathBuf>>,
    /// Which releases are used: newest (of each exposure the newest processing), qr2, qr3 or dr1
    #[schemars(with = "String")]
    #[schemars(extend("enum" = ["newest", "qr2", "qr3", "dr1"], "x-heading" = "Input and output"))]
    pub release: ReleaseChoice,
    /// Directory of the HiPS
    #[schemars(extend("x-value" = "DIR", "x-short" = "o", "x-heading" = "Input and output"))]
    pub output_dir: PathBuf,
    /// How much memory it may take.
    #[serde(flatten)]
    pub memory: MemorySettings,
    /// How pixels are spread.
    #[serde(flatten)]
    pub sampling: SamplingSettings,
    /// Which pixels count, and how much.
    #[serde(flatten)]
    pub pixels: PixelSettings,
    /// Weights and masks.
    #[serde(flatten)]
    pub resampling: ResamplingSettings,
    /// Wavelengths and flux scale.
    #[serde(flatten)]
    pub calibration: CalibrationSettings,
    /// The zodiacal light.
    #[serde(flatten)]
    pub zodi: ZodiSettings,
}

impl Default for HipsConfig {
    fn default() -> Self {
        Self {
            wave: None,
            detector: 0,
            channel: None,
            colors: None,
            order: 6,
            ra: None,
            dec: None,
            radius: None,
            title: "SPHEREx".to_owned(),
            creator_did: "ivo://spx/P/SPHEREx".to_owned(),
            cut: None,
            stretch: Stretch::default(),
            colormap: Colormap::Gray,
            input: None,
            release: ReleaseChoice::default(),
            output_dir: "hips".into(),
            memory: MemorySettings::default(),
            sampling: SamplingSettings::default(),
            pixels: PixelSettings::default(),
            resampling: ResamplingSettings::default(),
            calibration: CalibrationSettings::default(),
            zodi: ZodiSettings::default(),
        }
    }
}

/// Settings that have been checked.
#[derive(Debug, Clone)]
pub(super) struct HipsParameters {
    pub(super) order: u8,
    /// Order of the cells that are drizzled at once.
    pub(super) cell_order: u8,
    /// \[um\]
    pub(super) range: [f64; 2],
    pub(super) detectors: Vec<Detector>,
    /// Center and radius \[deg\].
    pub(super) region: Option<(Position, f64)>,
    pub(super) input: Vec<PathBuf>,
}

/// A cell has 8 x 8 tiles, where tiles are fine enough: 4096 x 4096 pixels.
const CELL_LEVELS: u8 = 3;
/// The coarsest tiles of the standard, and cells: the outlines of coarser ones are no rectangles on
/// a tangent plane.
pub(super) const LEAST_ORDER: u8 = 3;

impl HipsConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is missing or out of range.
    pub(super) fn parameters(&self) -> Result<HipsParameters, PipelineError> {
        let order = self.order;
        if !(LEAST_ORDER..=9).contains(&order) {
            return Err(PipelineError::usage(format!(
                "order = {order} is not allowed: it must be from 3 to 9"
            )));
        }
        if matches!(self.resampling.fillval, Some(FillValue::Value(value)) if value.is_finite()) {
            return Err(PipelineError::usage(
                "fillval does not go with a HiPS: pixels without data are blank",
            ));
        }
        let mosaic = self.mosaic();
        mosaic.check()?;
        let range = mosaic.range()?;
        if self.sampling.xy_oversample != SamplingSettings::default().xy_oversample {
            return Err(PipelineError::usage(
                "xy_oversample cannot be used for a HiPS: order sets the size of its pixels",
            ));
        }
        let region = match (self.radius, self.ra.or(self.dec)) {
            (None, None) => None,
            (Some(radius), _) if radius > 0.0 && radius <= 180.0 => {
                Some((needed_position(self.ra, self.dec)?, radius))
            }
            (Some(radius), _) => {
                let problem =
                    format!("radius = {radius} is not allowed: it must be above 0 and at most 180 deg");
                return Err(PipelineError::usage(problem));
            }
            (None, Some(_)) => return Err(PipelineError::usage("ra, dec and radius are needed together")),
        };
        if self.release == ReleaseChoice::Any {
            let problem = "release = any would count exposures that are in both releases twice";
            return Err(PipelineError::usage(problem));
        }
        let input = self.input.clone().ok_or_else(|| PipelineError::usage("--input is needed"))?;
        let wanted = |detector: &Detector| {
            (self.detector == 0 || detector.number() == self.detector) && sees(*detector, range)
        };
        Ok(HipsParameters {
            order,
            cell_order: order.saturating_sub(CELL_LEVELS).max(LEAST_ORDER),
            range,
            detectors: Detector::ALL.into_iter().filter(wanted).collect(),
            region,
            input,
        })
    }

    /// The mosaic that each cell is.
    pub(super) fn mosaic(&self) -> MosaicConfig {
        // The grid is given; that of the region only has to be one.
        let region = RegionSettings {
            ra: Some(0.0),
            dec: Some(0.0),
            width: Some(1.0),
            height: Some(1.0),
            detector: self.detector,
        };
        MosaicConfig {
            region,
            wave: self.wave,
            channel: self.channel,
            output: OutputSettings { input: Some(Vec::new()), ..OutputSettings::default() },
            memory: self.memory.clone(),
            sampling: self.sampling.clone(),
            pixels: self.pixels.clone(),
            resampling: self.resampling.clone(),
            only_mean: true,
            calibration: self.calibration.clone(),
            zodi: ZodiSettings {
                kept: self.zodi.kept.clone().or_else(|| Some(self.output_dir.join("zodi"))),
                ..self.zodi.clone()
            },
            ..MosaicConfig::default()
        }
    }

    /// The settings that shape the tiles.
    pub(crate) fn shaping(&self) -> Self {
        let Self { title, creator_did, .. } = Self::default();
        let default = Self::default();
        Self {
            ra: None,
            dec: None,
            radius: None,
            title,
            creator_did,
            cut: None,
            stretch: default.stretch,
            colormap: default.colormap,
            input: None,
            output_dir: default.output_dir,
            memory: MemorySettings::default(),
            zodi: ZodiSettings { kept: None, ..self.zodi.clone() },
            ..self.clone()
        }
    }

    fn file(&self) -> PathBuf {
        self.output_dir.join("hips.toml")
    }
}

impl HipsParameters {
    /// What was chosen where the settings leave it open.
    pub(super) fn tell(&self, config: &HipsConfig, listener: &dyn Listener) {
        let Self { order, cell_order, range: [min, max], detectors, .. } = self;
        let detectors: Vec<String> = detectors.iter().map(ToString::to_string).collect();
        let detectors = detectors.join(", ");
        listener.detail(&format!(
            "order {order}, made by cells of order {cell_order}; {min} to {max} um, seen by {detectors}"
        ));
        config.mosaic().tell(listener);
    }
}

/// Refuses a directory that was made with other settings.
///
/// # Errors
/// Usage, where other settings shaped its tiles, or are not to be read.
pub(super) fn compare(config: &HipsConfig) -> Result<(), PipelineError> {
    if config.file().exists() { settle(config).map(|_| ()) } else { Ok(()) }
}

/// What is known of the pictures of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownPictures {
    /// Their limits.
    pub(super) cut: Option<PixelCut>,
    /// They were drawn in another way.
    pub(super) redraw: bool,
}

/// Compares the settings with those that the directory was made with.
///
/// # Errors
/// Usage, where other settings shaped its tiles.
pub(super) fn settle(config: &HipsConfig) -> Result<KnownPictures, PipelineError> {
    let file = config.file();
    if !file.exists() {
        write_configuration(&file, COMMENT, config)?;
        return Ok(KnownPictures { cut: config.cut, redraw: false });
    }
    let before: HipsConfig = resolve(Some(&file), toml::Table::new()).map_err(PipelineError::usage)?;
    if before.shaping() != config.shaping() {
        let text = "it was made with other settings: choose another directory, or remove this one";
        return Err(PipelineError::usage(text).with_context(file.display().to_string()));
    }
    let cut = config.cut.or(before.cut);
    let style = |config: &HipsConfig| (config.colormap, config.stretch, config.title.clone());
    Ok(KnownPictures { cut, redraw: cut != before.cut || style(config) != style(&before) })
}

/// Notes the settings, with the limits of the pictures, once those are drawn.
///
/// # Errors
/// What the disk reports.
pub(super) fn note(config: &HipsConfig, cut: PixelCut) -> Result<(), PipelineError> {
    write_configuration(&config.file(), COMMENT, &HipsConfig { cut: Some(cut), ..config.clone() })
}

const COMMENT: &str = "What this HiPS was made with.";
