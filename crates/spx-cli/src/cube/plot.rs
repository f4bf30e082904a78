//! `spx cube plot`: pictures of one plane, of all planes, of a mean or a line, of three ranges of
//! wavelength as colors, of spectra.

mod parse;
mod picture;

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use spx_plot::{Colormap, DisplayLimits, Scaling, Size, Stretch};

use super::output::{self, Kind, Output, parse_size};
use super::{RADII, WAVELENGTHS};
use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::setting_args::number;
use crate::ui;
pub(super) use parse::parse_range;
use parse::{Mark, Pair, RgbRanges, parse_percentiles};
use picture::{Layer, Picture};
use spx_pipeline::cube::{PlaneQuantity, WavelengthRange};

/// Draw planes of a cube, a color composite of three ranges of wavelength, or spectra
///
/// --plane or --wave draws one plane (by default the middle one of those that have data), --montage
/// all of them on one scale, --mean the mean of a range, --line a line map, --rgb a color
/// composite, --spectrum the spectra of positions. Images have axes in sky coordinates, a scale bar
/// and a compass; pixels without data are gray, in a composite those without data in any of the
/// colors.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube plot cube.fits -o middle.png
  spx cube plot cube.fits -o plane.svg --wave 2.06 --limits 0,0.5 --cmap magma
  spx cube plot cube.fits -o colors.png --rgb --mark 186.45,33.55,star
  spx cube plot cube.fits -o lines.png --rgb 2.3..2.44,1.95..2.1,1.64..1.8
  spx cube plot cube.fits -o depth.png --array count
  spx cube plot cube.fits -o all.pdf --montage --grid
  spx cube plot cube.fits -o paa.png --line 1.86..1.9 --continuum 1.75..1.84,1.92..2.0
  spx cube plot cube.fits -o spectra.pdf --radius 12 --spectrum 186.45,33.55,star --spectrum 186.47,33.56,sky

On paper, 96 pixels make an inch.")]
pub(crate) struct PlotArgs {
    /// A cube that `spx drizzle` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Picture to write, .png, .svg or .pdf; repeat for several
    #[arg(short, long, value_name = "OUT", required = true)]
    output: Vec<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    overwrite: bool,

    /// The plane of this number, from 0
    #[arg(
        long,
        value_name = "N",
        group = "what",
        help_heading = "What to draw",
        allow_negative_numbers = true
    )]
    plane: Option<usize>,
    /// The plane that holds this wavelength [um]
    #[arg(
        long,
        value_name = "UM",
        group = "what",
        help_heading = "What to draw",
        allow_negative_numbers = true,
        value_parser = number(WAVELENGTHS)
    )]
    wave: Option<f64>,
    /// Red, green and blue: for each a range of wavelength [um]. Planes whose centers lie in a
    /// range (or, where there are none, that overlap it) are averaged with inverse variances as
    /// weights. Without ranges (put it last or before another option) the planes that have data are
    /// divided into three, with the longest wavelengths in red
    #[arg(long, value_name = "A..B,C..D,E..F", num_args = 0..=1, group = "what", help_heading = "What to draw")]
    rgb: Option<Option<RgbRanges>>,
    /// All planes side by side, with one scale; or those of a range of wavelength [um]
    #[arg(long, value_name = "A..B", num_args = 0..=1, value_parser = parse_range, group = "what")]
    #[arg(help_heading = "What to draw")]
    montage: Option<Option<WavelengthRange>>,
    /// The mean of the planes of a range of wavelength [um], weighted by inverse variance
    #[arg(long, value_name = "A..B", value_parser = parse_range, group = "what", help_heading = "What to draw")]
    #[arg(conflicts_with = "array")]
    mean: Option<WavelengthRange>,
    /// The intensity of a line in a range of wavelength [um], over the continuum of --continuum
    #[arg(long, value_name = "A..B", value_parser = parse_range, group = "what", help_heading = "What to draw")]
    #[arg(requires = "continuum", conflicts_with = "array")]
    line: Option<WavelengthRange>,
    /// With --line: ranges of wavelength [um] on one side of the line or on both, through which the
    /// continuum is a straight line
    #[arg(long, value_name = "A..B[,C..D]", value_parser = parse_range, value_delimiter = ',', requires = "line")]
    #[arg(help_heading = "What to draw", conflicts_with_all = ["plane", "wave", "rgb", "montage", "mean", "spectrum"])]
    continuum: Vec<WavelengthRange>,
    /// The spectrum of the pixel that holds a position [deg], with a name for the legend; repeat
    /// for several
    #[arg(long, value_name = "RA,DEC[,LABEL]", group = "what", help_heading = "What to draw")]
    #[arg(allow_hyphen_values = true, conflicts_with_all = ["mark", "grid", "plain", "stretch", "range", "cmap"])]
    spectrum: Vec<Mark>,
    /// With --spectrum: of all pixels whose centers lie within this radius [arcsec]
    #[arg(long, value_name = "ARCSEC", requires = "spectrum", help_heading = "What to draw")]
    #[arg(value_parser = number(RADII), conflicts_with_all = ["plane", "wave", "rgb", "montage", "mean", "line"])]
    radius: Option<f64>,
    /// What to draw of a plane
    #[arg(long, value_name = "NAME", value_parser = quantity(), default_value = "sci", hide_default_value = true)]
    #[arg(help_heading = "What to draw", conflicts_with_all = ["rgb", "spectrum"])]
    array: PlaneQuantity,
    /// Draw a circle at a position [deg], with a name beside it; repeat for several
    #[arg(long, value_name = "RA,DEC[,LABEL]", help_heading = "What to draw", allow_hyphen_values = true)]
    mark: Vec<Mark>,
    /// Lines of equal right ascension and declination
    #[arg(long, help_heading = "What to draw")]
    grid: bool,
    /// No scale bar and no compass
    #[arg(long, help_heading = "What to draw")]
    plain: bool,

    /// Curve from values to brightness: linear, sqrt, log or asinh; by default asinh, for --array
    /// count linear, for --rgb one asinh curve for all three colors (Lupton et al. 2004)
    #[arg(long, value_name = "NAME", help_heading = "Colors")]
    stretch: Option<Stretch>,
    /// The values that become darkest and brightest; with --rgb for each color
    #[arg(long, value_name = "LO,HI", group = "range", help_heading = "Colors", allow_hyphen_values = true)]
    limits: Option<Pair>,
    /// The same as percentiles of the pixels with data. By default the darkest value lies 1.5
    /// widths of the noise below the median, the brightest at percentile 99.5 (--rgb 99.7), but at
    /// least 15 (--rgb 25, --stretch log 500) widths above the median; --array variance and error
    /// have 0.5,99.5, count 0,100. Maps in RdBu reach equally far to both sides of zero: to
    /// percentile 99.5 of the absolute values, but at least 15 widths; --line in other colors
    /// begins 5 widths below the median
    #[arg(long, value_name = "LO,HI", group = "range", help_heading = "Colors", allow_hyphen_values = true)]
    #[arg(value_parser = parse_percentiles)]
    percentile: Option<Pair>,
    /// Color map: viridis (the default), plasma, inferno, magma, cividis, turbo, rainbow, gray, or
    /// RdBu, which is white at zero and whose stretch runs to both sides from there; _r after the
    /// name reverses it. For --line by default RdBu_r: blue below zero, red above
    #[arg(long, value_name = "NAME", help_heading = "Colors", conflicts_with = "rgb")]
    cmap: Option<Colormap>,
    /// Size of the picture [px]; by default in the shape of the field, with 1000 on the longer
    /// side; --montage 1600x1200; --spectrum 1000x700
    #[arg(long, value_name = "WxH", value_parser = parse_size, help_heading = "Colors")]
    size: Option<Size>,
}

/// Reads a quantity by its name, and lists the names in help.
fn quantity() -> impl TypedValueParser<Value = PlaneQuantity> {
    PossibleValuesParser::new(PlaneQuantity::NAMES.map(|(name, _)| name))
        .try_map(|name| name.parse::<PlaneQuantity>())
}

/// Runs the command.
pub(crate) fn run(args: &PlotArgs, global: &Global) -> CommandResult {
    let outputs = output::outputs(&args.output, &["png", "svg", "pdf"], args.overwrite)?;
    let mut cube = spx_pipeline::cube::open_cube(&args.file)?;
    let picture = Picture::read(args, &mut cube)?;
    picture.told(args).iter().for_each(|line| ui::detail(global.verbosity(), line));
    if !picture.has_data() {
        ui::warning(&format!("{}: no pixel of this picture has data", args.file.display()));
    }
    let markers = picture.markers(&args.mark);
    for output in &outputs {
        let Kind::Figure(format) = output.kind else { continue };
        output.write(&picture.draw(args, &markers, format)?, args.overwrite)?;
    }
    report(&outputs, args, &picture, global)?;
    Ok(Outcome::Done)
}

impl PlotArgs {
    fn limits(&self) -> Option<DisplayLimits> {
        let range = self.limits.map(|Pair(low, high)| DisplayLimits::Range(low, high));
        range.or(self.percentile.map(|Pair(low, high)| DisplayLimits::Percentile(low, high)))
    }

    /// The color map.
    fn colors(&self) -> Colormap {
        let default = if self.line.is_some() { Colormap::RdBuReversed } else { Colormap::default() };
        self.cmap.unwrap_or(default)
    }

    /// How the colors of a composite are scaled.
    fn scaling(&self) -> Scaling {
        let given = self.limits();
        match (Scaling::default(), self.stretch) {
            (Scaling::Lupton { limits, .. } | Scaling::PerChannel { limits, .. }, Some(stretch)) => {
                Scaling::PerChannel { limits: given.unwrap_or(limits.for_stretch(stretch)), stretch }
            }
            (Scaling::Lupton { limits, q }, None) => Scaling::Lupton { limits: given.unwrap_or(limits), q },
            (other, None) => other,
        }
    }
}

#[derive(Serialize)]
struct Report {
    outputs: Vec<String>,
    file: String,
    array: PlaneQuantity,
    /// One; or those of red, green and blue; or of a montage; none of spectra.
    layers: Vec<ReportLayer>,
}

#[derive(Serialize)]
struct ReportLayer {
    planes: Vec<usize>,
    /// [um]
    wavelength_min: f64,
    wavelength_max: f64,
}

/// Names the files on standard output, or says as JSON what they show.
fn report(outputs: &[Output], args: &PlotArgs, picture: &Picture, global: &Global) -> anyhow::Result<()> {
    let outputs: Vec<String> = outputs.iter().map(|o| o.path.display().to_string()).collect();
    if !global.json {
        return Ok(ui::data(&format!("{}\n", outputs.join("\n")))?);
    }
    let layer = |layer: &Layer| ReportLayer {
        planes: layer.planes.clone(),
        wavelength_min: layer.range.min,
        wavelength_max: layer.range.max,
    };
    let report = Report {
        outputs,
        file: args.file.display().to_string(),
        array: args.array,
        layers: picture.layers().iter().map(layer).collect(),
    };
    Ok(ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?)
}

#[cfg(test)]
mod tests {
    use clap::Command;
    use spx_plot::{MontageFigure, SpectrumFigure};

    use super::*;

    /// Defaults that depend on other options are told in words, which must be those of the library.
    #[test]
    fn help_tells_the_defaults_of_the_library() {
        let command = PlotArgs::augment_args(Command::new("plot"));
        let tells = |option: &str, words: &[String]| {
            let argument = command.get_arguments().find(|a| a.get_id().as_str() == option).unwrap();
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            words.iter().for_each(|word| assert!(help.contains(word), "--{option}: {word}: {help}"));
        };
        let size = |what: &str, Size { width, height }| format!("{what} {width}x{height}");
        let sizes = [MontageFigure::new(Vec::new()).size, SpectrumFigure::new(Vec::new()).size];
        tells("size", &[size("--montage", sizes[0]), size("--spectrum", sizes[1])]);
        tells("stretch", &[format!("by default {}", Stretch::default())]);
        let (plane, composite) = (DisplayLimits::PLANE, DisplayLimits::COMPOSITE);
        let DisplayLimits::AboveNoise { below, high, sigmas } = plane else { panic!("{plane:?}") };
        let DisplayLimits::AboveNoise { high: rgb, sigmas: wide, .. } = composite else {
            panic!("{composite:?}")
        };
        let words = [
            format!("{below} widths"),
            format!("percentile {high} (--rgb {rgb})"),
            format!("at least {sigmas} (--rgb {wide}, --stretch log {})", DisplayLimits::LOG_SIGMAS),
        ];
        tells("percentile", &words);
    }
}
