//! `spx cube plot`: a picture of one plane, or a colour composite of three ranges of wavelength.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::anyhow;
use clap::Args;
use ndarray::Array2;
use serde::Serialize;
use spx_core::sky::Position;
use spx_drizzle::WavelengthGrid;
use spx_drizzle::file::CubeFile;
use spx_plot::{
    Channel, Colormap, CompositeFigure, Format, Limits, Marker, PlaneFigure, Scaling, Size, Stretch,
    render_composite, render_plane,
};
use spx_wcs::CelestialWcs;

use super::combine::{Quantity, Range, mean_plane, middle_plane, plane_at, read_plane, thirds_with_data};
use super::output::{self, Kind, Output, parse_size, plot_failure};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;

/// Draw one plane of a cube, or a colour composite of three ranges of wavelength, with sky axes.
///
/// Without --plane, --wave and --rgb it is the middle one of the planes that have data. North is up and east to the left, as the cube has it;
/// pixels without data are grey, in a composite those without data in any of the colours.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube plot cube.fits -o middle.png
  spx cube plot cube.fits -o plane.svg --wave 2.06 --limits 0,0.5 --cmap magma
  spx cube plot cube.fits -o colours.png --rgb --mark 186.45,33.55,star
  spx cube plot cube.fits -o lines.png --rgb 2.3..2.44,1.95..2.1,1.64..1.8
  spx cube plot cube.fits -o depth.png --array count

Percentiles suit fields with many sources. In an empty field they bring out the
noise: give --limits there.")]
pub(crate) struct PlotArgs {
    /// A cube that `spx drizzle` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Picture to write, .png or .svg; repeat for several
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
        allow_negative_numbers = true
    )]
    wave: Option<f64>,
    /// Red, green and blue: for each a range of wavelength [um]. Planes whose centres lie in a range (or, where
    /// there are none, that overlap it) are averaged with inverse variances as weights. Without ranges (put it
    /// last or before another option) the planes that have data are cut in three, the longest wavelengths red
    #[arg(long, value_name = "A..B,C..D,E..F", num_args = 0..=1, group = "what", help_heading = "What to draw")]
    rgb: Option<Option<RgbRanges>>,
    /// What to draw of the plane
    #[arg(long, value_enum, default_value_t = Quantity::Sci, hide_default_value = true)]
    #[arg(help_heading = "What to draw", conflicts_with = "rgb")]
    array: Quantity,
    /// Put a circle at a position [deg], with a name beside it; repeat for several
    #[arg(long, value_name = "RA,DEC[,LABEL]", help_heading = "What to draw", allow_hyphen_values = true)]
    mark: Vec<Mark>,

    /// From values to brightness: linear, sqrt, log, asinh [default: asinh; with --array count linear; with
    /// --rgb one asinh curve for all three colours, after Lupton et al. 2004]
    #[arg(long, value_name = "NAME", help_heading = "Colours")]
    stretch: Option<Stretch>,
    /// The values that become darkest and brightest; with --rgb for each colour
    #[arg(long, value_name = "LO,HI", group = "range", help_heading = "Colours", allow_hyphen_values = true)]
    limits: Option<Pair>,
    /// The same as percentiles of the pixels with data [default: 0.5,99.5; with --array count 0,100; with --rgb
    /// 10,99.7]
    #[arg(long, value_name = "LO,HI", group = "range", help_heading = "Colours", allow_hyphen_values = true)]
    percentile: Option<Pair>,
    /// Colour map: viridis, plasma, inferno, magma, cividis, turbo, rainbow, gray [default: viridis]
    #[arg(long, value_name = "NAME", help_heading = "Colours", conflicts_with = "rgb")]
    cmap: Option<Colormap>,
    /// Size of the picture [px] [default: 1000x900]
    #[arg(long, value_name = "WxH", value_parser = parse_size, help_heading = "Colours")]
    size: Option<Size>,
}

/// Two numbers with a comma.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pair(f64, f64);

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once(',').and_then(|(a, b)| Some((number(a)?, number(b)?)));
        numbers.map(|(a, b)| Self(a, b)).ok_or("expected two numbers, LO,HI")
    }
}

/// Three ranges of wavelength: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq)]
struct RgbRanges([Range; 3]);

impl FromStr for RgbRanges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ranges = text.split(',').map(parse_range).collect::<Result<Vec<Range>, _>>()?;
        let count = ranges.len();
        ranges.try_into().map(Self).map_err(|_| format!("expected three ranges, A..B,C..D,E..F, not {count}"))
    }
}

fn parse_range(text: &str) -> Result<Range, String> {
    let ends = text.split_once("..").and_then(|(a, b)| Some((number(a)?, number(b)?)));
    let (min, max) = ends.ok_or_else(|| format!("`{text}` is no range A..B in um"))?;
    if min < max {
        Ok(Range { min, max })
    } else {
        Err(format!("`{text}`: the first end must be below the second"))
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|v: &f64| v.is_finite())
}

/// A position to mark, and its name.
#[derive(Debug, Clone, PartialEq)]
struct Mark {
    position: Position,
    label: String,
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, ',');
        let mut angle = || parts.next().and_then(number).ok_or("expected RA,DEC or RA,DEC,LABEL in degrees");
        let position = Position::new(angle()?, angle()?).map_err(|e| e.to_string())?;
        Ok(Self { position, label: parts.next().unwrap_or_default().trim().to_owned() })
    }
}

/// Runs the command.
pub(crate) fn run(args: &PlotArgs, global: &Global) -> CommandResult {
    let outputs = output::outputs(&args.output, &["png", "svg"], args.overwrite)?;
    let mut cube = super::open(&args.file)?;
    let picture = Picture::read(args, &mut cube)?;
    if !picture.has_data() {
        ui::warning(&format!("{}: no pixel of this picture has data", args.file.display()));
    }
    let wcs = super::celestial(&args.file, &cube)?;
    let [_, ny, nx] = cube.shape();
    let markers = markers(&args.mark, &wcs, [ny, nx]);
    for output in &outputs {
        let Kind::Figure(format) = output.kind else { continue };
        let bytes = picture.draw(args, &super::detector_name(&cube), &wcs, &markers, format)?;
        output.write(&bytes, args.overwrite)?;
    }
    report(&outputs, args, &picture, global)?;
    Ok(Outcome::Done)
}

/// The data of a picture.
enum Picture {
    Plane(Layer),
    /// Red, green, blue.
    Composite(Box<[Layer; 3]>),
}

/// An image, and the planes of the cube that it was made of.
struct Layer {
    planes: Vec<usize>,
    /// From the lower edge of the first plane to the upper edge of the last.
    range: Range,
    image: Array2<f32>,
}

impl Layer {
    /// Of planes in order, at least one.
    fn new(planes: &[usize], image: Array2<f32>, axis: &WavelengthGrid) -> Self {
        let (first, last) = (axis.bin(planes[0]), axis.bin(planes[planes.len() - 1]));
        Self { planes: planes.to_vec(), range: Range { min: first.min, max: last.max }, image }
    }
}

impl Picture {
    fn read(args: &PlotArgs, cube: &mut CubeFile) -> Result<Self, Failure> {
        let axis = cube.wavelengths().clone();
        let Some(ranges) = args.rgb else {
            let z = plane(args, cube)?;
            return Ok(Self::Plane(Layer::new(&[z], read_plane(cube, args.array, z)?, &axis)));
        };
        let [red, green, blue] = colours(args, ranges, cube)?;
        let mut layer = |planes: &[usize]| -> Result<Layer, Failure> {
            Ok(Layer::new(planes, mean_plane(cube, planes)?, &axis))
        };
        Ok(Self::Composite(Box::new([layer(&red)?, layer(&green)?, layer(&blue)?])))
    }

    /// Whether any pixel has data in all layers.
    fn has_data(&self) -> bool {
        let layers = self.layers();
        let finite = |at| layers.iter().all(|l| l.image.get(at).is_some_and(|v: &f32| v.is_finite()));
        layers[0].image.indexed_iter().any(|(at, _): ((usize, usize), _)| finite(at))
    }

    fn layers(&self) -> &[Layer] {
        match self {
            Self::Plane(layer) => std::slice::from_ref(layer),
            Self::Composite(layers) => layers.as_slice(),
        }
    }

    fn draw(
        &self,
        args: &PlotArgs,
        detector: &str,
        wcs: &CelestialWcs,
        markers: &[Marker],
        format: Format,
    ) -> Result<Vec<u8>, Failure> {
        let sky = |x: f64, y: f64| wcs.pixel_to_sky(x, y);
        match self {
            Self::Plane(layer) => {
                let mut figure = PlaneFigure::new(layer.image.view());
                figure.sky = Some(&sky);
                figure.markers = markers.to_vec();
                figure.title = format!("{detector}, {} µm (plane {})", layer.range, layer.planes[0]);
                figure.value_label = value_label(args.array).to_owned();
                figure.colormap = args.cmap.unwrap_or_default();
                figure.size = args.size.unwrap_or_default();
                let (limits, stretch) = match args.array {
                    Quantity::Count => (Limits::Percentile(0.0, 100.0), Stretch::Linear),
                    _ => (figure.limits, figure.stretch),
                };
                figure.limits = args.limits().unwrap_or(limits);
                figure.stretch = args.stretch.unwrap_or(stretch);
                render_plane(&figure, format)
            }
            Self::Composite(layers) => {
                let channels = layers
                    .each_ref()
                    .map(|layer| Channel {
                        plane: layer.image.view(), label: format!("{} µm", layer.range)
                    });
                let mut figure = CompositeFigure::new(channels);
                figure.sky = Some(&sky);
                figure.markers = markers.to_vec();
                figure.title = detector.to_owned();
                figure.size = args.size.unwrap_or_default();
                figure.scaling = args.scaling();
                render_composite(&figure, format)
            }
        }
        .map_err(plot_failure)
    }
}

impl PlotArgs {
    fn limits(&self) -> Option<Limits> {
        let range = self.limits.map(|Pair(low, high)| Limits::Range(low, high));
        range.or(self.percentile.map(|Pair(low, high)| Limits::Percentile(low, high)))
    }

    /// How the colours of a composite are scaled.
    fn scaling(&self) -> Scaling {
        let given = self.limits();
        match (Scaling::default(), self.stretch) {
            (Scaling::Lupton { limits, .. } | Scaling::PerChannel { limits, .. }, Some(stretch)) => {
                Scaling::PerChannel { limits: given.unwrap_or(limits), stretch }
            }
            (Scaling::Lupton { limits, q }, None) => Scaling::Lupton { limits: given.unwrap_or(limits), q },
            (other, None) => other,
        }
    }
}

/// The planes of red, green and blue, each at least one.
fn colours(args: &PlotArgs, ranges: Option<RgbRanges>, cube: &CubeFile) -> Result<[Vec<usize>; 3], Failure> {
    let axis = cube.wavelengths();
    let Some(RgbRanges(ranges)) = ranges else {
        let thirds = thirds_with_data(cube).map(|[short, middle, long]| [long, middle, short]);
        return thirds.ok_or_else(|| nothing_there(args, axis, "no plane has data"));
    };
    let with_data = |range: Range| -> Result<Vec<usize>, Failure> {
        let mut planes = range.planes(axis);
        planes.retain(|&z| cube.inputs_per_plane()[z] > 0);
        let problem = || format!("no plane with data lies in {}..{} um", range.min, range.max);
        if planes.is_empty() { Err(nothing_there(args, axis, &problem())) } else { Ok(planes) }
    };
    let [red, green, blue] = ranges;
    Ok([with_data(red)?, with_data(green)?, with_data(blue)?])
}

/// The plane that the user asks for.
fn plane(args: &PlotArgs, cube: &CubeFile) -> Result<usize, Failure> {
    let axis = cube.wavelengths();
    match (args.plane, args.wave) {
        (Some(z), _) if z >= axis.bins() => Err(Failure::usage(anyhow!(
            "{}: there is no plane {z}; the planes are 0 to {}",
            args.file.display(),
            axis.bins() - 1
        ))),
        (Some(z), _) => Ok(z),
        (None, Some(wave)) => plane_at(axis, wave)
            .ok_or_else(|| nothing_there(args, axis, &format!("no plane holds {wave} um"))),
        (None, None) => Ok(middle_plane(cube)),
    }
}

fn nothing_there(args: &PlotArgs, axis: &WavelengthGrid, problem: &str) -> Failure {
    let (file, lower, upper) = (args.file.display(), axis.lower(), axis.upper());
    Failure::nothing_found(anyhow!("{file}: {problem}; the cube covers {lower} to {upper} um"))
}

fn markers(marks: &[Mark], wcs: &CelestialWcs, [ny, nx]: [usize; 2]) -> Vec<Marker> {
    let mut markers = Vec::new();
    for mark in marks {
        let at = wcs.sky_to_pixel(mark.position);
        let inside =
            |[x, y]: &[f64; 2]| (-0.5..=nx as f64 - 0.5).contains(x) && (-0.5..=ny as f64 - 0.5).contains(y);
        match at.filter(inside) {
            Some([x, y]) => markers.push(Marker { x, y, radius: None, label: mark.label.clone() }),
            None => {
                let (ra, dec) = (mark.position.ra(), mark.position.dec());
                ui::warning(&format!("--mark {ra},{dec} lies outside the cube and is left out"));
            }
        }
    }
    markers
}

fn value_label(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Sci => "Surface brightness (MJy/sr)",
        Quantity::Variance => "Variance (MJy²/sr²)",
        Quantity::Snr => "Signal-to-noise ratio",
        Quantity::Count => "Contributions",
    }
}

#[derive(Serialize)]
struct Report {
    outputs: Vec<String>,
    file: String,
    array: Quantity,
    /// One, or those of red, green and blue.
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
    use super::*;

    #[test]
    fn ranges_parse() {
        let RgbRanges([red, _, blue]) = "3..4.5, 2..3,1.0..2".parse().unwrap();
        assert_eq!((red, blue), (Range { min: 3.0, max: 4.5 }, Range { min: 1.0, max: 2.0 }));
        for bad in [
            "",
            "1..2",
            "1..2,2..3",
            "1..2,2..3,3..4,4..5",
            "2..1,1..2,2..3",
            "1-2,2-3,3-4",
            "1..nan,1..2,1..2",
        ] {
            assert!(bad.parse::<RgbRanges>().is_err(), "{bad}");
        }
    }

    #[test]
    fn pairs_parse() {
        assert_eq!("-0.1, 2e3".parse(), Ok(Pair(-0.1, 2000.0)));
        for bad in ["1", "1,", "a,b", "1,2,3", "1,inf"] {
            assert!(bad.parse::<Pair>().is_err(), "{bad}");
        }
    }

    #[test]
    fn marks_parse() {
        let mark: Mark = "186.45,-33.55, NGC 1, north".parse().unwrap();
        assert_eq!((mark.position.dec(), mark.label.as_str()), (-33.55, "NGC 1, north"));
        assert_eq!("0,0".parse::<Mark>().unwrap().label, "");
        for bad in ["1", "1,", "1,91", "a,b", ""] {
            assert!(bad.parse::<Mark>().is_err(), "{bad}");
        }
    }
}
