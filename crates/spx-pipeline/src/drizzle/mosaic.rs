//! Mosaics: spectral images to one image over a range of wavelengths. A mosaic is a cube with one
//! bin, in another file.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_drizzle::ErrorMethod;

use super::grid::GridSettings;
use super::resampling::ResamplingSettings;
use super::settings::{
    DrizzleConfig, DrizzleParameters, DrizzleProduct, MemorySettings, OutputSettings, PixelSettings,
    RegionSettings, SamplingSettings,
};
use crate::PipelineError;
use crate::archive::ArchiveSettings;
use crate::calibration::CalibrationSettings;
use crate::flag_selection as text;
use crate::settings::SettingHeading;
use crate::zodi::ZodiSettings;

/// Settings of [`mosaic`](super::mosaic).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Region"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[um]` is a unit")]
pub struct MosaicConfig {
    /// Where on the sky.
    #[serde(flatten)]
    pub region: RegionSettings,
    /// How the pixels of the output lie.
    #[serde(flatten)]
    pub grid: GridSettings,
    /// Range of wavelengths, MIN..MAX [um]
    #[serde(with = "text")]
    #[schemars(with = "serde_json::Value", extend("examples" = ["2.0..2.2"], "x-value" = "MIN..MAX"))]
    #[schemars(extend("x-excludes" = ["channel", "z_edges"]))]
    pub wave: Option<WaveRange>,
    /// Channel of the detector as range, 1 to 17, in place of wave
    #[schemars(extend("examples" = [8], "x-excludes" = ["wave", "z_edges"]))]
    pub channel: Option<usize>,
    /// The two ends of the range [um], in place of wave
    #[schemars(extend("examples" = [[2.0, 2.2]], "x-value" = "MIN,MAX", "x-excludes" = ["wave", "channel"]))]
    pub z_edges: Option<Vec<f64>>,
    /// What goes in and where the output goes.
    #[serde(flatten)]
    pub output: OutputSettings,
    /// How much memory it may take.
    #[serde(flatten)]
    pub memory: MemorySettings,
    /// The archive, where no input is given.
    #[serde(flatten)]
    pub archive: ArchiveSettings,
    /// How pixels are spread.
    #[serde(flatten)]
    pub sampling: SamplingSettings,
    /// Which pixels count, and how much.
    #[serde(flatten)]
    pub pixels: PixelSettings,
    /// Weights, masks, optional planes.
    #[serde(flatten)]
    pub resampling: ResamplingSettings,
    /// Only SCI and WHT, and what planes, err and variances name: takes less than half the memory,
    /// and less time
    #[schemars(extend("x-heading" = "Optional planes"))]
    pub only_mean: bool,
    /// Wavelengths and flux scale.
    #[serde(flatten)]
    pub calibration: CalibrationSettings,
    /// The zodiacal light.
    #[serde(flatten)]
    pub zodi: ZodiSettings,
}

/// `2.0..2.2`, in um.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WaveRange(pub [f64; 2]);

impl FromStr for WaveRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |word: &str| word.trim().parse::<f64>().ok();
        let range = text.split_once("..").and_then(|(min, max)| Some([number(min)?, number(max)?]));
        let range = range.filter(|[min, max]| *min > 0.0 && min < max && max.is_finite());
        range
            .map(Self)
            .ok_or_else(|| format!("expected a range of wavelengths such as 2.0..2.2, not `{text}`"))
    }
}

impl fmt::Display for WaveRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.0[0], self.0[1])
    }
}

impl MosaicConfig {
    /// The range of wavelengths \[um\].
    pub(crate) fn range(&self) -> Result<[f64; 2], PipelineError> {
        match (self.wave, self.channel, self.z_edges.as_deref()) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                Err(PipelineError::usage("wave, channel and z_edges exclude each other: give one of them"))
            }
            (Some(WaveRange(range)), None, None) => Ok(range),
            (None, Some(channel), None) => channel_edges(self.region.detector()?, channel),
            (None, None, Some(&[min, max])) => Ok([min, max]),
            _ => Err(PipelineError::usage(
                "a mosaic has one bin: give --wave MIN..MAX, --channel N, or two z_edges",
            )),
        }
    }

    /// The cube with one bin that the mosaic is.
    fn as_cube(&self) -> Result<DrizzleConfig, PipelineError> {
        Ok(DrizzleConfig {
            region: self.region.clone(),
            grid: self.grid.clone(),
            output: self.output.clone(),
            memory: self.memory.clone(),
            archive: self.archive.clone(),
            sampling: self.sampling.clone(),
            z_edges: Some(self.range()?.into()),
            pixels: self.pixels.clone(),
            resampling: self.resampling.clone(),
            calibration: self.calibration.clone(),
            zodi: self.zodi.clone(),
            ..DrizzleConfig::default()
        })
    }

    /// Settings that follow others, where they were not given, line by line.
    ///
    /// # Errors
    /// Usage where the settings are wrong.
    pub(super) fn followed(&self) -> Result<Vec<String>, PipelineError> {
        self.as_cube()?.followed()
    }

    /// The configuration as it stands in the history of the mosaic: that of the cube that it is.
    pub(super) fn history(&self) -> Result<Vec<String>, PipelineError> {
        let mut lines = self.as_cube()?.history(DrizzleProduct::Mosaic);
        if self.only_mean {
            lines.push("only_mean = true".to_owned());
            lines.sort();
        }
        Ok(lines)
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is missing or out of range.
    pub(super) fn parameters(&self) -> Result<DrizzleParameters, PipelineError> {
        let mut parameters = self.as_cube()?.parameters()?;
        let [min, max] = self.range()?;
        let seen = |detector: &Detector| sees(*detector, [min, max]);
        match self.region.detector()? {
            Some(detector) if !seen(&detector) => {
                return Err(PipelineError::usage(format!("{detector} does not see {min} to {max} um")));
            }
            None if !Detector::ALL.iter().any(seen) => {
                return Err(PipelineError::usage(format!("no detector sees {min} to {max} um")));
            }
            _ => {}
        }
        let planes = &mut parameters.resampling.planes;
        planes.only_mean = self.only_mean;
        if self.only_mean && planes.error == Some(ErrorMethod::FromVariances) && planes.variances.is_empty() {
            return Err(PipelineError::usage("only_mean keeps no variance that err = from_var could use"));
        }
        planes.weight = true;
        if !self.only_mean {
            planes.context = true;
            planes.error.get_or_insert(ErrorMethod::FromVariances);
        }
        Ok(parameters)
    }
}

/// Light of a detector may come from so far beyond its channels, as a share of the wavelength.
const WINGS: f64 = 0.03;

/// Whether a detector sees light of a range \[um\].
pub(crate) fn sees(detector: Detector, [min, max]: [f64; 2]) -> bool {
    let channels = detector.channels();
    let low = channels.iter().fold(f64::INFINITY, |low, channel| low.min(channel.wl_min));
    let high = channels.iter().fold(0.0f64, |high, channel| high.max(channel.wl_max));
    low * (1.0 - WINGS) < max && high * (1.0 + WINGS) > min
}

fn channel_edges(detector: Option<Detector>, channel: usize) -> Result<[f64; 2], PipelineError> {
    let detector = detector.ok_or_else(|| PipelineError::usage("--channel needs --detector, from 1 to 6"))?;
    let channels = detector.channels();
    let found = channel.checked_sub(1).and_then(|k| channels.get(k)).ok_or_else(|| {
        let last = channels.len();
        PipelineError::usage(format!("channel = {channel} is not allowed: it must be from 1 to {last}"))
    })?;
    Ok([found.wl_min, found.wl_max])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_wavelengths() {
        assert_eq!("2.0..2.2".parse(), Ok(WaveRange([2.0, 2.2])));
        assert_eq!(" 1 .. 1.5 ".parse(), Ok(WaveRange([1.0, 1.5])));
        assert_eq!(WaveRange([1.0, 1.5]).to_string().parse(), Ok(WaveRange([1.0, 1.5])));
        for bad in ["2.2..2.0", "2..2", "2", "..", "0..1", "a..b", "1..inf", "1..2..3"] {
            assert!(bad.parse::<WaveRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_is_given_in_one_of_three_ways() {
        let range = |text: &str| toml::from_str::<MosaicConfig>(text).unwrap().range();
        assert_eq!(range("wave = '2..2.2'").unwrap(), [2.0, 2.2]);
        assert_eq!(range("z_edges = [1.0, 2.0]").unwrap(), [1.0, 2.0]);
        let [min, _] = range("detector = 3\nchannel = 1").unwrap();
        assert_eq!(min, Detector::ALL[2].channels()[0].wl_min);
        for bad in [
            "",
            "channel = 1",
            "detector = 3\nchannel = 0",
            "detector = 3\nchannel = 18",
            "z_edges = [1.0, 2.0, 3.0]",
            "wave = '1..2'\nchannel = 1\ndetector = 3",
            "wave = '2..2.2'\nz_edges = [1.0, 2.0]",
        ] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
