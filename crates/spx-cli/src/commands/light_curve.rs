//! `spx lightcurve`: one source of a batch, as a table or a figure.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use spx_pipeline::batch::{BatchRow, header};
use spx_pipeline::survey::source_light_curve;
use spx_plot::{LightCurveFigure, LightCurveOptions, LightCurvePoint, render_light_curve};

use crate::cube::output::{Kind, Output, outputs, plot_failure};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::text::{Align, Table, number};
use crate::ui;

/// Show one source of a finished batch, or of the light curves of a survey.
///
/// Without --output, prints a table. Of a Parquet data set, only the file that has the source is
/// opened.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx lightcurve 39633458707826492 batch_output
  spx lightcurve 'NGC 4395' batch_output -o ngc4395.png -o ngc4395.csv
  spx lightcurve 12 batch_output --json
  spx lightcurve 39633458707826492 survey -o curve.png")]
pub(crate) struct LightCurveArgs {
    /// The source's id, as it stands in the catalog
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
    /// Output directory of the batch, or directory of the survey
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// File to write, by its ending: .csv for all columns, .png or .svg for a figure; may be given
    /// several times
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    overwrite: bool,
    /// Draw AB magnitudes rather than fluxes
    #[arg(long)]
    use_magnitude: bool,
}

/// Runs the command.
pub(crate) fn run(args: &LightCurveArgs, global: &Global) -> CommandResult {
    let outputs = outputs(&args.output, &["csv", "png", "svg"], args.overwrite)?;
    if !args.directory.exists() && Path::new(&args.id).is_dir() {
        let (id, directory) = (&args.id, args.directory.display());
        return Err(Failure::usage(anyhow!("the id comes first: spx lightcurve {directory} {id}")));
    }
    let rows = source_light_curve(&args.directory, &args.id, &global.terminal())?;
    for output in &outputs {
        let contents = match output.kind {
            Kind::Csv => csv(&rows).into_bytes(),
            Kind::Figure(format) => render_light_curve(&figure(args, &rows), format).map_err(plot_failure)?,
        };
        Output::write(output, &contents, args.overwrite)?;
    }
    match (global.json, outputs.is_empty()) {
        (true, _) => ui::data(&format!("{}\n", serde_json::to_string_pretty(&rows)?))?,
        (false, true) => ui::data(&table(&rows))?,
        (false, false) => {}
    }
    Ok(Outcome::Done)
}

fn csv(rows: &[BatchRow<'_>]) -> String {
    let mut text = header();
    text.push('\n');
    rows.iter().for_each(|row| row.write_line(&mut text));
    text
}

fn table(rows: &[BatchRow<'_>]) -> String {
    let mut table = Table::new([
        ("obs_id", Align::Left),
        ("band", Align::Left),
        ("mjd", Align::Right),
        ("wavelength", Align::Right),
        ("flux", Align::Right),
        ("error", Align::Right),
        ("mag_ab", Align::Right),
        ("flag", Align::Right),
        ("good", Align::Left),
    ]);
    for row in rows {
        table.row([
            row.obs_id.to_string(),
            row.band.to_string(),
            format!("{:.5}", row.mjd),
            format!("{:.4}", row.wavelength),
            number(Some(row.flux)),
            number(Some(row.flux_error)),
            number(Some(row.mag_ab)),
            row.flag.to_string(),
            if row.is_good { "yes" } else { "no" }.to_owned(),
        ]);
    }
    format!("{}wavelength in um, flux and error in uJy\n", table.render(""))
}

fn figure(args: &LightCurveArgs, rows: &[BatchRow<'_>]) -> LightCurveFigure {
    let point = |row: &BatchRow<'_>| LightCurvePoint {
        mjd: row.mjd,
        wavelength: row.wavelength,
        bandwidth: row.bandwidth,
        flux: row.flux,
        error: row.flux_error,
        flagged: !row.is_good,
    };
    LightCurveFigure {
        title: args.id.clone(),
        points: rows.iter().map(point).collect(),
        options: LightCurveOptions { use_magnitude: args.use_magnitude, ..LightCurveOptions::default() },
    }
}
