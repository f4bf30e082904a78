//! `spx hips`: the sky as a hierarchy of tiles, for Aladin and other clients.

use clap::Args;
use spx_pipeline::hips::{HipsConfig, HipsReport, forecast_hips, make_hips};

use super::forecast::show_forecast;
use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::setting_args::SettingArgs;
use crate::ui;

/// Make a HiPS (the sky as a hierarchy of tiles) of a range of wavelengths.
///
/// Exposures are drizzled straight onto the HEALPix pixels of the finest tiles, without a second
/// resampling; tiles of the lower orders are means. The directory has the tiles as FITS and PNG,
/// Allsky, Moc.fits and properties, and any web server shows it to Aladin. A run with more frames
/// makes only the cells that they reach; one that was killed continues where it stopped. With
/// --colors, three such directories are combined into one of color pictures.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx hips --wave 2.0..2.2 --input frames/ -o hips
  spx hips --detector 3 --channel 8 --order 7 --ra 270 --dec 66.56 --radius 5 --input frames/ -o deep
  spx hips --colors hips_4um/ hips_2um/ hips_1um/ -o color
  spx hips --config hips/hips.toml --cut -0.02..1.5 --colormap magma

`spx config init hips` writes a commented configuration; its keys are these options with underscores.")]
pub(crate) struct HipsArgs {
    #[command(flatten)]
    settings: SettingArgs<HipsConfig>,
    /// Tell what would be read and made, and change nothing on the disk
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(args: &HipsArgs, global: &Global) -> CommandResult {
    let config = args.settings.resolve()?;
    ui::catch_interrupts()?;
    if args.dry_run {
        return show_forecast(&forecast_hips(&config, &global.terminal())?, global);
    }
    let report = make_hips(&config, &global.terminal())?;
    let HipsReport { order, frames, cells, made, tiles, coverage, cut, failed, seconds, .. } = &report;
    ui::note(
        global.verbosity(),
        &format!(
            "order {order}: {tiles} tiles, {:.4} % of the sky; {frames} frames, {cells} cells, {made} of them made; \
             pictures {cut} MJy/sr; {seconds:.1} s",
            100.0 * coverage
        ),
    );
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        ui::data(&format!("{}\n", report.directory.display()))?;
    }
    Ok(if failed.is_empty() { Outcome::Done } else { Outcome::Failed })
}
