//! `spx drizzle` and `spx mosaic`: arguments and summaries.

use clap::Args;
use spx_pipeline::PipelineError;
use spx_pipeline::drizzle::{
    CubeReport, DrizzleConfig, DrizzleReport, MosaicConfig, drizzle, forecast_drizzle, forecast_mosaic,
    mosaic, resume_drizzle, resume_mosaic,
};
use spx_pipeline::outcome::InputOutcome;

use super::forecast::show_forecast;
use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::setting_args::SettingArgs;
use crate::ui;

/// Combine spectral images into data cubes (x, y, wavelength), one per detector or one for all.
///
/// Every input pixel is projected onto the output grid and shared among the voxels that it overlaps
/// in position and wavelength, by default weighted by the inverse of the smoothed variance. The
/// cube has seven HDUs: PRIMARY, SCI, VARIANCE, AND_MASK, OR_MASK, COUNT, WAVELENGTH.
///
/// Without --input the archive is queried for images of the region, which are downloaded to data/
/// in the output directory, or read from a mirror. --resume continues a run that was interrupted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx drizzle --ra 186.4536 --dec 33.5468 --width 30 --height 30 --detector 3 -o output
  spx drizzle --ra 186.4536 --dec 33.5468 --width 30 --height 30 --detector 3 --input data/ -o output
  spx drizzle --config ngc4395.toml --input data/*.fits --z-oversample 2
  spx drizzle --ra 10.1 --dec 40.9 --width 20 --height 20 --input d3.fits --exclude-flags photometry,GHOST
  spx drizzle --config ngc4395.toml --input data/ --channels all -o output
  spx drizzle --config ngc4395.toml --input week7/ --accumulate sums_D3.fits --overwrite

`spx config init` writes a commented configuration; its keys are these options with underscores.")]
pub(crate) struct DrizzleArgs {
    #[command(flatten)]
    settings: SettingArgs<DrizzleConfig>,
    /// Continue an earlier run in the same output directory: stages that are done, with the same
    /// settings and inputs, are not repeated
    #[arg(long)]
    resume: bool,
    /// Show what would be read, downloaded and made, without changing anything on disk
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
}

/// Combine spectral images into one image over a range of wavelengths.
///
/// A mosaic is a cube with one bin: pixels are selected, weighted and spread as by `spx drizzle`,
/// with the same options. The file, mosaic.fits, has the images SCI, ERR, VARIANCE, WHT (sum of the
/// weights), CON (which inputs contributed) and DQ (flags). It combines exposures of all detectors
/// that see the range.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx mosaic --ra 186.4536 --dec 33.5468 --width 30 --height 30 --wave 2.0..2.2 --input data/ -o output
  spx mosaic --ra 186.4536 --dec 33.5468 --width 30 --height 30 --detector 3 --channel 8 -o output
  spx mosaic --config output/mosaic.toml --kernel square --input data/*.fits -o square

In a configuration, z_edges = [2.0, 2.2] is the range, too.")]
pub(crate) struct MosaicArgs {
    #[command(flatten)]
    settings: SettingArgs<MosaicConfig>,
    /// Continue an earlier run in the same output directory: stages that are done, with the same
    /// settings and inputs, are not repeated
    #[arg(long)]
    resume: bool,
    /// Show what would be read, downloaded and made, without changing anything on disk
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
}

/// Runs `spx drizzle`.
pub(crate) fn run_drizzle(args: &DrizzleArgs, global: &Global) -> CommandResult {
    let config = args.settings.resolve()?;
    ui::catch_interrupts()?;
    if args.dry_run {
        return show_forecast(&forecast_drizzle(&config, &global.terminal())?, global);
    }
    let make = if args.resume { resume_drizzle } else { drizzle };
    report(make(&config, &global.terminal()), global)
}

/// Runs `spx mosaic`.
pub(crate) fn run_mosaic(args: &MosaicArgs, global: &Global) -> CommandResult {
    let config = args.settings.resolve()?;
    ui::catch_interrupts()?;
    if args.dry_run {
        return show_forecast(&forecast_mosaic(&config, &global.terminal())?, global);
    }
    let make = if args.resume { resume_mosaic } else { mosaic };
    report(make(&config, &global.terminal()), global)
}

/// Reports what was made.
fn report(made: Result<DrizzleReport, PipelineError>, global: &Global) -> CommandResult {
    let made = made?;
    let mut outcome = Outcome::Done;
    for cube in &made.cubes {
        summarize(cube, global);
        if cube.failed > 0 {
            outcome = Outcome::Failed;
        }
    }
    for failure in &made.failures {
        ui::error(failure);
        outcome = Outcome::Failed;
    }
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&made.cubes)?))?;
    } else {
        for cube in &made.cubes {
            ui::data(&format!("{}\n", cube.file))?;
        }
    }
    Ok(outcome)
}

/// One paragraph a cube on standard error.
fn summarize(cube: &CubeReport, global: &Global) {
    let [nz, ny, nx] = cube.shape;
    let CubeReport { detector, used, rejected, failed, .. } = cube;
    let mut text = format!(
        "{detector}: {nx} x {ny} x {nz} voxels; inputs: {used} used, {rejected} rejected, {failed} failed"
    );
    if !cube.accumulated.is_empty() {
        text.push_str(&format!("; {} of them in earlier runs", cube.accumulated.len()));
    }
    ui::note(global.verbosity(), &text);
    for input in &cube.inputs {
        let Some(reason) = &input.reason else { continue };
        let line = format!("{}: {reason}", input.file);
        match input.status {
            InputOutcome::Used => ui::warning(&line),
            InputOutcome::Rejected => ui::note(global.verbosity(), &format!("  rejected {line}")),
            // Those that could not even be opened were reported when that happened.
            InputOutcome::Failed if input.exposure.is_some() => ui::warning(&line),
            InputOutcome::Failed => {}
        }
    }
}
