//! `spx spectrum`: the 102 channels of a source, as a table or a figure.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use serde_json::json;
use spx_pipeline::batch::spectrum_of_rows;
use spx_pipeline::made::MadeHow;
use spx_pipeline::spectrum::{
    ChannelFigureSettings, SourceSpectrum, SpectrumForm, channel_figure, read_spectrum,
};
use spx_pipeline::survey::source_light_curve;
use spx_plot::{FigureFormat, FluxDensity, Size, render_channels};

use crate::cube::output::{parse_size, plot_failure};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;
use spx_pipeline::output::{check_output, write_output};

/// Combine the measurements of a source into one spectrum: the means of the 102 spectral channels
///
/// Measurements come from the directory of a run (`spx run`), or from tables of `spx photometry`
/// and light curves of `spx batch` (.csv, .ecsv, .json), which must be of one source. Rows that are
/// not good are left out, outliers are rejected. With --source ID the input is the directory of a
/// batch, or of a survey, of whose light curves only the file of that source is read. Without
/// --output the table is CSV on standard output.
#[derive(Debug, Args)]
#[command(after_help = "\
Columns:
  channel, band              from 1 to 102, and its detector
  wavelength, bandwidth      means [um]; for an empty channel those of the channel
  flux, flux_error           mean and its error [uJy], scaled up where the
                             measurements scatter by more than their errors
  mag_ab, mag_ab_error       AB magnitude
  n_used, n_rejected         measurements in the mean, and outliers
  chi2                       of the measurements about the mean
  channel_center, _width     of the channel [um]

Examples:
  spx spectrum output/ -o cloverleaf.ecsv -o cloverleaf.png
  spx spectrum output/ -o cloverleaf.pdf --flux-density lambda_f_lambda --log-wavelength
  spx spectrum batch_output/lightcurves/12.csv
  spx spectrum first.csv second.csv -o both.fits
  spx spectrum survey --source 39633458707826492 -o source.ecsv")]
pub(crate) struct SourceSpectrumArgs {
    /// Directories of runs, and tables of measurements; with --source one directory of a batch or a
    /// survey
    #[arg(value_name = "RUN|TABLE", required = true)]
    inputs: Vec<PathBuf>,
    /// A source of a batch or a survey, by its id in the catalog
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = parse_id)]
    source: Option<String>,
    /// Write a table (.csv, .ecsv, .vot, .fits) or a figure (.png, .svg, .pdf); repeat for several
    #[arg(short, long, value_name = "OUT")]
    output: Vec<PathBuf>,
    /// Fluxes of the figure: f_nu (µJy, mJy, Jy), f_lambda (W/m^2/µm) or lambda_f_lambda (W/m^2)
    #[arg(long, value_name = "NAME", default_value_t)]
    flux_density: FluxDensity,
    /// Draw AB magnitudes
    #[arg(long, conflicts_with = "flux_density")]
    use_magnitude: bool,
    /// Logarithmic wavelength axis of the figure
    #[arg(long)]
    log_wavelength: bool,
    /// Size of the figure [px]; by default 1100x800
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    size: Option<Size>,
    /// Replace existing files
    #[arg(long)]
    overwrite: bool,
}

/// An id may begin with a hyphen, but an option is none.
fn parse_id(text: &str) -> Result<String, String> {
    match text {
        "" => Err("an id is needed".to_owned()),
        text if text.starts_with("--") => Err(format!("an id is needed, and {text} is an option")),
        text => Ok(text.to_owned()),
    }
}

/// What a file is to hold.
enum SpectrumOutput {
    Table(SpectrumForm),
    Figure(FigureFormat),
}

impl SourceSpectrumArgs {
    fn output(&self, path: &Path) -> Result<SpectrumOutput, Failure> {
        check_output(path, self.overwrite)?;
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let figure = ending.parse().map(SpectrumOutput::Figure).ok();
        SpectrumForm::of(path).map(SpectrumOutput::Table).or(figure).ok_or_else(|| {
            let endings = ".csv, .ecsv, .vot, .fits, .png, .svg or .pdf";
            Failure::usage(anyhow!("--output {}: the name must end in {endings}", path.display()))
        })
    }
}

/// Runs the command.
pub(crate) fn run(args: &SourceSpectrumArgs, global: &Global) -> CommandResult {
    let outputs: Vec<_> = args.output.iter().map(|path| args.output(path)).collect::<Result<_, _>>()?;
    let defaults = ChannelFigureSettings::default();
    let settings = ChannelFigureSettings {
        flux_density: args.flux_density,
        use_magnitude: args.use_magnitude,
        log_wavelength: args.log_wavelength,
        size: args.size.unwrap_or(defaults.size),
    };
    let spectrum = match (&args.source, args.inputs.as_slice()) {
        (None, inputs) => read_spectrum(inputs)?,
        (Some(id), [directory]) => {
            let rows = source_light_curve(directory, id)?;
            spectrum_of_rows(id, &rows).with_made(MadeHow::of(directory))
        }
        (Some(_), _) => return Err(Failure::usage(anyhow!("--source takes one directory"))),
    };
    spectrum.made.told().iter().for_each(|line| ui::detail(global.verbosity(), line));
    let (used, rejected) = spectrum
        .channels
        .iter()
        .fold((0, 0), |(used, rejected), channel| (used + channel.used, rejected + channel.rejected));
    let left_out = spectrum.measurements.len().saturating_sub(used + rejected);
    ui::detail(
        global.verbosity(),
        &format!("{used} measurements in the means, {rejected} outliers, {left_out} not good"),
    );
    for (path, output) in args.output.iter().zip(&outputs) {
        match output {
            SpectrumOutput::Table(form) => spectrum.write(path, *form, args.overwrite)?,
            SpectrumOutput::Figure(format) => {
                let drawn = render_channels(&channel_figure(&spectrum, &settings), *format);
                write_output(path, &drawn.map_err(plot_failure)?, args.overwrite)?;
            }
        }
    }
    match (global.json, outputs.is_empty()) {
        (true, _) => ui::data(&format!("{}\n", serde_json::to_string_pretty(&json(&spectrum))?))?,
        (false, true) => ui::bare_csv(&spectrum.render(SpectrumForm::Csv)?)?,
        (false, false) => {}
    }
    let (filled, measurements) = (spectrum.filled(), spectrum.measurements.len());
    let text = format!("{measurements} measurements; {filled} of {} channels", spectrum.channels.len());
    ui::note(global.verbosity(), &text);
    Ok(if filled > 0 { Outcome::Done } else { Outcome::NothingFound })
}

/// The channels that have a flux.
fn json(spectrum: &SourceSpectrum) -> serde_json::Value {
    let filled = spectrum.channels.iter().filter(|channel| !channel.is_empty());
    let channels = filled.map(|c| {
        json!({
            "channel": c.number + 1,
            "band": c.channel().detector.to_string(),
            "wavelength": c.wavelength,
            "bandwidth": c.bandwidth,
            "flux": c.flux,
            "flux_error": c.error,
            "n_used": c.used,
            "n_rejected": c.rejected,
            "chi2": c.chi2,
        })
    });
    json!({"source": spectrum.name, "channels": channels.collect::<Vec<_>>()})
}
