//! `spx photometry`: one source on local files.

use std::path::PathBuf;

use clap::Args;
use spx_pipeline::clock::now;
use spx_pipeline::measuring::MeasuringCommand;
use spx_pipeline::outcome::InputOutcome;
use spx_pipeline::output::{check_output, write_output};
use spx_pipeline::photometry::{PhotometryConfig, PhotometryEntry, TableForm, photometry};
use spx_plot::FigureFormat;

use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::setting_args::SettingArgs;
use crate::ui;

/// Measure a source on local spectral images.
///
/// Aperture photometry over a local background, on each file. The table has a line for every file,
/// including those on which the source cannot be measured, with the reason. Fluxes are in uJy,
/// wavelengths in um.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx photometry data/D3/*.fits --ra 213.9427 --dec 11.4954
  spx photometry data/ --ra 213.9427 --dec 11.4954 -o cloverleaf.ecsv
  spx photometry data/ --ra 269.4520 --dec 4.6934 --pm-ra -801.551 --pm-dec 10362.394 --ref-epoch 2016
  spx photometry d3.fits --ra 10.1 --dec 40.9 --aperture-method fixed --aperture-diameter 4 --psf-flux
  spx photometry data/ --ra 213.9427 --dec 11.4954 --neighbors gaia --cutouts cutouts.png -o table.csv")]
pub(crate) struct PhotometryArgs {
    /// Spectral images, or directories that are searched for them (*.fits, *.fits.gz)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File for the table; its extension .csv, .ecsv, .json or .vot sets the format; by default CSV
    /// on standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Draw the ten measurements that fit worst and six others: pixels, model, residuals, and which
    /// pixels were used (.png, .svg, .pdf)
    #[arg(long, value_name = "PNG", value_parser = figure_file)]
    cutouts: Option<FigureFile>,
    /// Replace existing files
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    settings: SettingArgs<PhotometryConfig>,
}

/// A figure to be written.
#[derive(Debug, Clone)]
struct FigureFile {
    path: PathBuf,
    format: FigureFormat,
}

fn figure_file(text: &str) -> Result<FigureFile, String> {
    let path = PathBuf::from(text);
    let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    let format = ending.parse().map_err(|_| "the name must end in .png, .svg or .pdf")?;
    Ok(FigureFile { path, format })
}

/// Runs the command.
pub(crate) fn run(args: &PhotometryArgs, global: &Global) -> CommandResult {
    let config = args.settings.resolve_measuring(MeasuringCommand::Photometry, global)?;
    let form = args.output.as_deref().map(TableForm::of).transpose()?;
    let files = args.output.iter().chain(args.cutouts.iter().map(|figure| &figure.path));
    files.into_iter().try_for_each(|path| check_output(path, args.overwrite))?;
    ui::catch_interrupts()?;
    let format = args.cutouts.as_ref().map(|figure| figure.format);
    let report = photometry(&args.files, &config, format, &global.terminal())?;
    if let (Some(figure), Some(drawn)) = (&args.cutouts, &report.cutouts) {
        write_output(&figure.path, drawn, args.overwrite)?;
    }
    let table = report.table(args.output.as_ref().map(|_| now()));
    if let (Some(path), Some(form)) = (&args.output, form) {
        write_output(path, &table.render(form)?, args.overwrite)?;
    }
    match (global.json, &args.output) {
        (true, _) => ui::data_bytes(&table.render(TableForm::Json)?)?,
        (false, None) => ui::bare_csv(&table.render(TableForm::Csv)?)?,
        (false, Some(_)) => {}
    }
    summarize(&report.entries, global)
}

/// Says how many files ended how, and which failed.
pub(crate) fn summarize(entries: &[PhotometryEntry], global: &Global) -> CommandResult {
    let [mut used, mut rejected, mut failed] = [0; 3];
    for entry in entries {
        let (outcome, reason) = entry.status();
        match outcome {
            InputOutcome::Used => used += 1,
            InputOutcome::Rejected => rejected += 1,
            InputOutcome::Failed => {
                failed += 1;
                // The download has reported its own.
                let reason = reason.unwrap_or_default();
                if !reason.starts_with("download: ") {
                    ui::warning(&format!("{}: {reason}", entry.file));
                }
            }
        }
    }
    let files = if entries.len() == 1 { "1 file" } else { &format!("{} files", entries.len()) };
    ui::note(global.verbosity(), &format!("{files}: {used} used, {rejected} rejected, {failed} failed"));
    Ok(match (used, failed) {
        (_, 1..) => Outcome::Failed,
        (0, 0) => Outcome::NothingFound,
        _ => Outcome::Done,
    })
}
