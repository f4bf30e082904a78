//! Mosaics of a survey: one for each tile and each detector that sees the range of wavelengths.

use std::path::{Path, PathBuf};

use super::directory::{SurveyDirectory, SurveyJob};
use crate::drizzle::{MosaicConfig, OutputSettings, RegionSettings, mosaic_memory};
use crate::settings::resolve;
use crate::zodi::ZodiSettings;
use crate::{PipelineError, ResultContext as _};

/// The settings of all mosaics, checked; place, input and output are those of the jobs.
///
/// # Errors
/// Usage, where they are wrong.
pub(super) fn mosaic_settings(file: &Path) -> Result<MosaicConfig, PipelineError> {
    let name = || file.display().to_string();
    let mut config: MosaicConfig = resolve(Some(file), toml::Table::new()).map_err(PipelineError::usage)?;
    if config.grid != MosaicConfig::default().grid {
        let text = "the grids of tiles are TAN, north up: other grids are not supported in a survey";
        return Err(PipelineError::usage(text).with_context(name()));
    }
    let compress = config.output.compress;
    config.output = OutputSettings { compress, ..OutputSettings::default() };
    let [ra, dec, width, height] = [0.0, 0.0, 1.0, 1.0].map(Some);
    // A channel is one of a detector's; any other range is checked for all of them.
    let detector = u8::from(config.channel.is_some());
    let region = RegionSettings { ra, dec, width, height, detector };
    mosaic_memory(&MosaicConfig { region, ..config.clone() }, None, (1, 1)).with_context(name)?;
    config.region = RegionSettings::default();
    Ok(config)
}

/// The settings of the mosaics of a survey.
///
/// # Errors
/// Usage, where the file is not there or is damaged.
pub(super) fn mosaic_config(directory: &SurveyDirectory) -> Result<MosaicConfig, PipelineError> {
    resolve(Some(&directory.mosaic()), toml::Table::new()).map_err(PipelineError::usage)
}

/// The mosaic of a job.
pub(super) fn mosaic_of(
    directory: &SurveyDirectory,
    job: &SurveyJob,
    input: PathBuf,
) -> Result<MosaicConfig, PipelineError> {
    let config = mosaic_config(directory)?;
    Ok(MosaicConfig {
        region: job.region(),
        output: OutputSettings {
            input: Some(vec![input]),
            output_dir: directory.work(&job.job),
            overwrite: true,
            compress: config.output.compress,
        },
        zodi: ZodiSettings { kept: Some(directory.fits()), ..config.zodi.clone() },
        ..config
    })
}
