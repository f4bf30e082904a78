//! `spx mosaic`: spectral images to one image over a range of wavelengths.

use std::str::FromStr;

use anyhow::anyhow;
use clap::Args;
use spx_core::detector::Detector;

use super::{DrizzleSettings, make};
use crate::config;
use crate::exit::{CommandResult, Failure};
use crate::global::{ConfigFile, Global};

/// Combine spectral images into one image over a range of wavelengths.
///
/// A mosaic is a cube with one bin: pixels are chosen, weighted and spread as by `spx drizzle`, with the same options. The
/// file, mosaic.fits, has the images SCI, ERR, VARIANCE, WHT (sum of the weights), CON (which inputs contributed) and DQ
/// (flags). Exposures of all detectors that see the range go into it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx mosaic --ra 186.4536 --dec 33.5468 --width 30 --height 30 --wave 2.0..2.2 --input data/ -o output
  spx mosaic --ra 186.4536 --dec 33.5468 --width 30 --height 30 --detector 3 --channel 8 -o output
  spx mosaic --config output/mosaic.toml --kernel square --input data/*.fits -o square

In a configuration, z_edges = [2.0, 2.2] is the range.")]
pub(crate) struct MosaicArgs {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    settings: DrizzleSettings,
    /// Range of wavelengths [um]
    #[arg(
        long,
        value_name = "MIN..MAX",
        env = "SPX_WAVE",
        conflicts_with = "channel",
        help_heading = "Region"
    )]
    wave: Option<WaveRange>,
    /// Channel of the detector, 1 to 17, as range
    #[arg(long, value_name = "N", env = "SPX_CHANNEL", help_heading = "Region")]
    channel: Option<usize>,
    /// Only SCI and WHT, and what --planes, --err and --variances name: takes less than half the memory, and less time
    /// [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_ONLY_MEAN", help_heading = "Optional planes")]
    only_mean: Option<bool>,
    /// Continue an earlier run in the same output directory: stages that are done, with the same parameters, are not
    /// repeated
    #[arg(long)]
    resume: bool,
}

/// `2.0..2.2`, in um.
#[derive(Debug, Clone, Copy, PartialEq)]
struct WaveRange([f64; 2]);

impl FromStr for WaveRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |word: &str| word.trim().parse::<f64>().ok();
        let range = text.split_once("..").and_then(|(min, max)| Some([number(min)?, number(max)?]));
        let range = range.filter(|[min, max]| *min > 0.0 && min < max && max.is_finite());
        range.map(Self).ok_or_else(|| format!("`{text}` is no range of wavelengths, such as 2.0..2.2"))
    }
}

impl MosaicArgs {
    /// File, environment and command line merged, defaults filled in.
    fn resolve(&self) -> Result<DrizzleSettings, Failure> {
        let given = DrizzleSettings { only_mean: self.only_mean, ..self.settings.clone() }.normalised();
        let mut settings: DrizzleSettings = config::resolve(self.file.config.as_deref(), &given)?;
        if let Some(WaveRange(range)) = self.wave {
            settings.z_edges = Some(range.into());
        }
        if let Some(channel) = self.channel {
            settings.z_edges =
                Some(channel_edges(settings.detector, channel).map_err(Failure::usage)?.into());
        }
        let edges = settings.z_edges.as_deref().unwrap_or_default();
        if edges.len() != 2 {
            return Err(Failure::usage(anyhow!(
                "a mosaic has one bin: give --wave MIN..MAX, --channel N, or two z_edges"
            )));
        }
        Ok(DrizzleSettings { mosaic: true, ..settings.completed() })
    }
}

fn channel_edges(detector: Option<u8>, channel: usize) -> anyhow::Result<[f64; 2]> {
    let number = detector.filter(|n| *n > 0).ok_or_else(|| anyhow!("--channel needs --detector, 1 to 6"))?;
    let channels = Detector::new(number.into())?.channels();
    let found = channel.checked_sub(1).and_then(|k| channels.get(k));
    let found = found
        .ok_or_else(|| anyhow!("channel = {channel} is not allowed: there are 1 to {}", channels.len()))?;
    Ok([found.wl_min, found.wl_max])
}

/// Runs the command.
pub(crate) fn run(args: &MosaicArgs, global: &Global) -> CommandResult {
    make(&args.resolve()?, args.resume, global)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_wavelengths() {
        assert_eq!("2.0..2.2".parse(), Ok(WaveRange([2.0, 2.2])));
        assert_eq!(" 1 .. 1.5 ".parse(), Ok(WaveRange([1.0, 1.5])));
        for bad in ["2.2..2.0", "2..2", "2", "..", "0..1", "a..b", "1..inf", "1..2..3"] {
            assert!(bad.parse::<WaveRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn channels_count_from_one() {
        let [min, _] = channel_edges(Some(3), 1).unwrap();
        assert_eq!(min, Detector::ALL[2].channels()[0].wl_min);
        for (detector, channel) in [(None, 1), (Some(0), 1), (Some(3), 0), (Some(3), 18)] {
            assert!(channel_edges(detector, channel).is_err());
        }
    }
}
