//! `spx lightcurve`: sources of a batch, as a table or a figure.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use spx_pipeline::PipelineError;
use spx_pipeline::batch::{BatchRow, header};
use spx_pipeline::made::MadeHow;
use spx_pipeline::survey::source_light_curve;
use spx_plot::{FigureFormat, LightCurveFigure, LightCurveOptions, LightCurvePoint, render_light_curves};

use crate::cube::output::{Kind, Output, outputs, plot_failure};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::text::{Align, Table, number};
use crate::ui;

/// Show sources of a finished batch, or of the light curves of a survey.
///
/// Without --output, prints a table. In a Parquet data set, only the files that contain the sources
/// are opened. Ids that begin with a hyphen and are not numbers must follow `--`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx lightcurve 39633458707826492 batch_output
  spx lightcurve 'NGC 4395' batch_output -o ngc4395.png -o ngc4395.csv
  spx lightcurve 12 17 23 batch_output -o three.png
  spx lightcurve -o -a1.csv -- -a1 batch_output
  spx lightcurve 12 batch_output --json
  spx lightcurve 39633458707826492 survey -o curve.png")]
pub(crate) struct LightCurveArgs {
    /// Ids of sources, as in the catalog
    #[arg(value_name = "ID", required = true, num_args = 1.., allow_negative_numbers = true)]
    ids: Vec<String>,
    /// Output directory of the batch, or directory of the survey
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// File to write; the extension sets its content: .csv for all columns, .png, .svg or .pdf for
    /// a figure; may be given several times
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
    let outputs = outputs(&args.output, &["csv", "png", "svg", "pdf"], args.overwrite)?;
    if !args.directory.exists() && Path::new(&args.ids[0]).is_dir() {
        let (id, directory) = (&args.ids[0], args.directory.display());
        return Err(Failure::usage(anyhow!("the id comes first: spx lightcurve {directory} {id}")));
    }
    let (mut curves, mut missing) = (Vec::new(), 0);
    // An id that is named twice counts once.
    for id in args.ids.iter().enumerate().filter(|(k, id)| !args.ids[..*k].contains(id)).map(|(_, id)| id) {
        match source_light_curve(&args.directory, id) {
            Ok(rows) => curves.push((id.as_str(), rows)),
            Err(error @ PipelineError::NothingFound(_)) if args.ids.len() > 1 => {
                ui::warning(&error.one_line());
                missing += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if curves.is_empty() {
        if global.json {
            ui::data("[]\n")?;
        }
        return Ok(Outcome::NothingFound);
    }
    MadeHow::of(&args.directory).told().iter().for_each(|line| ui::detail(global.verbosity(), line));
    for (id, rows) in &curves {
        let good = rows.iter().filter(|row| row.is_good).count();
        ui::detail(global.verbosity(), &format!("{id}: {} measurements, {good} of them good", rows.len()));
    }
    for output in &outputs {
        let contents = match output.kind {
            Kind::Csv => format!("{}{}", made(args), csv(&curves)).into_bytes(),
            Kind::Figure(format) => figure(args, &curves, format)?,
        };
        Output::write(output, &contents, args.overwrite)?;
    }
    let rows = || curves.iter().flat_map(|(_, rows)| rows);
    match (global.json, outputs.is_empty()) {
        (true, _) => {
            let all: Vec<&BatchRow<'_>> = rows().collect();
            ui::data(&format!("{}\n", serde_json::to_string_pretty(&all)?))?;
        }
        (false, true) => ui::data(&tables(&curves))?,
        (false, false) => {}
    }
    Ok(if missing > 0 { Outcome::Failed } else { Outcome::Done })
}

/// Sources with their rows.
type Curves<'a> = [(&'a str, Vec<BatchRow<'static>>)];

/// How the rows were made, as comments.
fn made(args: &LightCurveArgs) -> String {
    MadeHow::of(&args.directory).comments(&args.ids.join(", "))
}

fn csv(curves: &Curves<'_>) -> String {
    let mut text = header();
    text.push('\n');
    curves.iter().flat_map(|(_, rows)| rows).for_each(|row| row.write_line(&mut text));
    text
}

/// A table for each source, below its id where there are several.
fn tables(curves: &Curves<'_>) -> String {
    let all: Vec<String> = match curves {
        [(_, rows)] => vec![table(rows)],
        several => several.iter().map(|(id, rows)| format!("{id}\n{}", table(rows))).collect(),
    };
    format!("{}wavelength in um, flux and error in uJy\n", all.concat())
}

fn table(rows: &[BatchRow<'_>]) -> String {
    let mut table = Table::new([
        ("obs_id", Align::Left),
        ("band", Align::Left),
        ("mjd", Align::Right),
        ("wave", Align::Right),
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
            format!("{:.4}", row.mjd),
            format!("{:.4}", row.wavelength),
            number(Some(row.flux)),
            number(Some(row.flux_error)),
            number(Some(row.mag_ab)),
            row.flag.to_string(),
            if row.is_good { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table.render("")
}

fn figure(args: &LightCurveArgs, curves: &Curves<'_>, format: FigureFormat) -> Result<Vec<u8>, Failure> {
    let point = |row: &BatchRow<'_>| LightCurvePoint {
        mjd: row.mjd,
        wavelength: row.wavelength,
        bandwidth: row.bandwidth,
        flux: row.flux,
        error: row.flux_error,
        flagged: !row.is_good,
    };
    let figure = |(id, rows): &(&str, Vec<BatchRow<'_>>)| LightCurveFigure {
        title: (*id).to_owned(),
        points: rows.iter().map(point).collect(),
        options: LightCurveOptions { use_magnitude: args.use_magnitude, ..LightCurveOptions::default() },
    };
    let figures: Vec<LightCurveFigure> = curves.iter().map(figure).collect();
    render_light_curves(&figures, format).map_err(plot_failure)
}
