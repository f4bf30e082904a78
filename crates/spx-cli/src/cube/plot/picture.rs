//! What `spx cube plot` draws: a plane, all planes, a composite, or spectra.

use anyhow::anyhow;
use ndarray::Array2;
use spx_pipeline::cube::{
    CelestialWcs, CubeFile, CubeSpectrum, LinePlanes, PlaneAxis, PlaneQuantity, SkyRegion, WavelengthRange,
    cube_celestial, cube_detector, flux_label, line_plane, mean_plane, middle_plane, plane_at, read_plane,
    shrunk, thirds_with_data,
};
use spx_pipeline::photometry::figure::source_title;
use spx_plot::{
    Channel, CompositeFigure, DisplayLimits, FigureFormat, FluxDensity, Marker, MontageFigure, MontagePlane,
    PlaneFigure, SkyOverlay, Spectrum, SpectrumFigure, Stretch, render_composite, render_montage,
    render_plane, render_spectrum,
};

use super::PlotArgs;
use super::parse::{Mark, RgbRanges};
use crate::cube::output::plot_failure;
use crate::exit::Failure;
use crate::ui;

/// The data of a picture.
pub(super) struct Picture {
    detector: String,
    wcs: CelestialWcs,
    /// `[nz, ny, nx]`.
    shape: [usize; 3],
    content: Content,
}

enum Content {
    Plane(Layer),
    /// A mean, or with `true` a line.
    Range(Layer, bool),
    Montage {
        layers: Vec<Layer>,
        /// Pixels of the cube along the side of a pixel of a layer.
        factor: usize,
    },
    /// Red, green, blue.
    Composite(Box<[Layer; 3]>),
    /// Names and spectra.
    Spectra(Vec<(String, CubeSpectrum)>),
}

/// An image, and the planes of the cube that it was made of.
pub(super) struct Layer {
    pub(super) planes: Vec<usize>,
    /// From the lower edge of the first plane to the upper edge of the last.
    pub(super) range: WavelengthRange,
    image: Array2<f32>,
}

impl Layer {
    fn told(&self) -> String {
        let planes = match self.planes.as_slice() {
            [plane] => format!("plane {plane}"),
            [first, .., last] => format!("{} planes from {first} to {last}", self.planes.len()),
            [] => "no plane".to_owned(),
        };
        format!("{planes}: {} um", self.range)
    }

    /// Of planes in order, at least one.
    fn new(planes: &[usize], image: Array2<f32>, axis: &PlaneAxis) -> Self {
        let (first, last) = (axis.bin(planes[0]), axis.bin(planes[planes.len() - 1]));
        Self { planes: planes.to_vec(), range: WavelengthRange { min: first.min, max: last.max }, image }
    }
}

/// Images of a montage are shrunk by whole factors, but not below this side; they are small in the
/// picture, and all are held in memory.
const MONTAGE_SIDE: usize = 600;

impl Picture {
    pub(super) fn read(args: &PlotArgs, cube: &mut CubeFile) -> Result<Self, Failure> {
        let wcs = cube_celestial(&args.file, cube)?;
        let shape = cube.shape();
        Ok(Self { detector: cube_detector(cube), wcs, shape, content: Content::read(args, cube)? })
    }

    /// Whether any pixel has data, in a composite in all colors.
    pub(super) fn has_data(&self) -> bool {
        match &self.content {
            Content::Composite(layers) => {
                let finite = |at| layers.iter().all(|l| l.image.get(at).is_some_and(|v: &f32| v.is_finite()));
                layers[0].image.indexed_iter().any(|(at, _): ((usize, usize), _)| finite(at))
            }
            Content::Spectra(_) => true,
            _ => self.layers().iter().any(|layer| layer.image.iter().any(|v| v.is_finite())),
        }
    }

    /// The images; none of spectra.
    pub(super) fn layers(&self) -> &[Layer] {
        match &self.content {
            Content::Plane(layer) | Content::Range(layer, _) => std::slice::from_ref(layer),
            Content::Montage { layers, .. } => layers,
            Content::Composite(layers) => layers.as_slice(),
            Content::Spectra(_) => &[],
        }
    }

    /// What it shows and on which scale, line by line, for those who ask for more.
    pub(super) fn told(&self, args: &PlotArgs) -> Vec<String> {
        let mut lines: Vec<String> = self.layers().iter().map(Layer::told).collect();
        let planes = || self.layers().iter().map(|layer| layer.image.view());
        let shown = |limits: DisplayLimits| limits.of_all(planes()).ok().flatten();
        match &self.content {
            Content::Spectra(spectra) => {
                lines.extend(spectra.iter().flat_map(|(_, spectrum)| spectrum.told(false)));
            }
            Content::Composite(_) => {
                let curve = args.stretch.map_or_else(|| "one asinh curve".to_owned(), |s| s.to_string());
                lines.push(format!("scale of each color: {curve}"));
            }
            _ => {
                let (limits, stretch) = args.scale();
                if let Some((low, high)) = shown(limits) {
                    let unit = value_label(args.array);
                    lines.push(format!(
                        "scale: {stretch} from {low:.5} to {high:.5}, {unit}; {}",
                        args.colors()
                    ));
                }
            }
        }
        lines
    }

    /// The marks that lie in the image; of others it is said that they do not.
    pub(super) fn markers(&self, marks: &[Mark]) -> Vec<Marker> {
        let [_, ny, nx] = self.shape;
        let mut markers = Vec::new();
        for mark in marks {
            let at = self.wcs.sky_to_pixel(mark.position);
            let inside = |[x, y]: &[f64; 2]| {
                (-0.5..=nx as f64 - 0.5).contains(x) && (-0.5..=ny as f64 - 0.5).contains(y)
            };
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

    pub(super) fn draw(
        &self,
        args: &PlotArgs,
        markers: &[Marker],
        format: FigureFormat,
    ) -> Result<Vec<u8>, Failure> {
        let markers = markers.to_vec();
        let overlay = SkyOverlay { grid: args.grid, scale_bar: !args.plain, compass: !args.plain };
        let sky = |x: f64, y: f64| self.wcs.pixel_to_sky(x, y);
        match &self.content {
            Content::Plane(layer) | Content::Range(layer, _) => {
                let mut figure = PlaneFigure::new(layer.image.view());
                figure.sky = Some(&sky);
                figure.overlay = overlay;
                figure.markers = markers;
                let (what, label) = match self.content {
                    Content::Range(_, true) => (", line over its continuum".to_owned(), LINE_LABEL),
                    Content::Range(_, false) => (", mean".to_owned(), value_label(args.array)),
                    // A mosaic has one plane, which needs no number.
                    _ if self.shape[0] == 1 => (String::new(), value_label(args.array)),
                    _ => (format!(" (plane {})", layer.planes[0]), value_label(args.array)),
                };
                figure.title = format!("{}, {} µm{what}", self.detector, layer.range);
                figure.value_label = label.to_owned();
                figure.colormap = args.colors();
                figure.size = args.size.unwrap_or(figure.size);
                (figure.limits, figure.stretch) = args.scale();
                render_plane(&figure, format)
            }
            Content::Montage { layers, factor } => {
                let grid = Shrunk(*factor);
                let sky = |x: f64, y: f64| self.wcs.pixel_to_sky(grid.out(x), grid.out(y));
                let mut figure = montage(layers);
                figure.sky = Some(&sky);
                figure.overlay = overlay;
                figure.markers = markers.into_iter().map(|m| grid.marker(m)).collect();
                figure.title = self.detector.clone();
                figure.value_label = value_label(args.array).to_owned();
                figure.colormap = args.colors();
                figure.size = args.size.unwrap_or(figure.size);
                (figure.limits, figure.stretch) = args.scale();
                render_montage(&figure, format)
            }
            Content::Composite(layers) => {
                let mut figure = CompositeFigure::new(layers.each_ref().map(|layer| Channel {
                    plane: layer.image.view(),
                    label: format!("{} µm", layer.range),
                }));
                figure.sky = Some(&sky);
                figure.overlay = overlay;
                figure.markers = markers;
                figure.title = self.detector.clone();
                figure.size = args.size.unwrap_or(figure.size);
                figure.scaling = args.scaling();
                render_composite(&figure, format)
            }
            Content::Spectra(spectra) => render_spectrum(&self.spectra(args, spectra), format),
        }
        .map_err(plot_failure)
    }

    fn spectra(&self, args: &PlotArgs, spectra: &[(String, CubeSpectrum)]) -> SpectrumFigure {
        let mut sets = Vec::new();
        for (name, report) in spectra {
            let points = report.figure_points();
            if !points.is_empty() {
                sets.push(Spectrum { label: name.clone(), points });
            }
        }
        let mut figure = SpectrumFigure::new(sets);
        figure.size = args.size.unwrap_or(figure.size);
        if args.radius.is_some() {
            figure.use_unit(FluxDensity::default());
        } else {
            figure.flux_label = flux_label(false).to_owned();
        }
        let place = match (args.spectrum.as_slice(), spectra) {
            ([Mark { label, .. }], [(name, _)]) if label.is_empty() => Some(name.clone()),
            ([Mark { position, label }], _) => Some(source_title(label, [position.ra(), position.dec()])),
            _ => None,
        };
        let within = args.radius.map(|radius| format!("within {radius}″"));
        let parts = [place, Some(self.detector.clone()), within];
        figure.title = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        figure
    }
}

/// Images of which a pixel is so many pixels of the cube wide.
struct Shrunk(usize);

impl Shrunk {
    /// A coordinate in the cube, from one in the image.
    fn out(&self, at: f64) -> f64 {
        let factor = self.0 as f64;
        factor * at + (factor - 1.0) / 2.0
    }

    fn marker(&self, marker: Marker) -> Marker {
        let factor = self.0 as f64;
        let within = |at: f64| (at - (factor - 1.0) / 2.0) / factor;
        Marker { x: within(marker.x), y: within(marker.y), ..marker }
    }
}

fn montage(layers: &[Layer]) -> MontageFigure<'_> {
    let label = |range: WavelengthRange| format!("{:.3} µm", (range.min + range.max) / 2.0);
    let planes =
        layers.iter().map(|layer| MontagePlane { plane: layer.image.view(), label: label(layer.range) });
    MontageFigure::new(planes.collect())
}

impl Content {
    fn read(args: &PlotArgs, cube: &mut CubeFile) -> Result<Self, Failure> {
        let axis = cube.wavelengths().clone();
        if let Some(ranges) = args.rgb {
            let [red, green, blue] = colors(args, ranges, cube)?;
            let mut layer = |planes: &[usize]| -> Result<Layer, Failure> {
                Ok(Layer::new(planes, mean_plane(cube, planes)?, &axis))
            };
            return Ok(Self::Composite(Box::new([layer(&red)?, layer(&green)?, layer(&blue)?])));
        }
        if let Some(range) = args.mean {
            let planes = with_data(args, range, cube)?;
            return Ok(Self::Range(Layer::new(&planes, mean_plane(cube, &planes)?, &axis), false));
        }
        if let Some(range) = args.line {
            let line = with_data(args, range, cube)?;
            let mut continuum = Vec::new();
            for range in &args.continuum {
                continuum.extend(with_data(args, *range, cube)?);
            }
            let planes = LinePlanes { line, continuum };
            let image = line_plane(cube, &planes)?;
            return Ok(Self::Range(Layer::new(&planes.line, image, &axis), true));
        }
        if let Some(range) = args.montage {
            return Self::montage(args, range, cube);
        }
        if !args.spectrum.is_empty() {
            return Self::spectra(args, cube);
        }
        let z = plane(args, cube)?;
        Ok(Self::Plane(Layer::new(&[z], read_plane(cube, args.array, z)?, &axis)))
    }

    fn montage(
        args: &PlotArgs,
        range: Option<WavelengthRange>,
        cube: &mut CubeFile,
    ) -> Result<Self, Failure> {
        let axis = cube.wavelengths().clone();
        let planes = range.map_or_else(|| (0..axis.bins()).collect(), |range| range.planes(&axis));
        if let Some(range) = range.filter(|_| planes.is_empty()) {
            let problem = format!("no plane lies in {}..{} um", range.min, range.max);
            return Err(nothing_there(args, &axis, &problem));
        }
        let [_, ny, nx] = cube.shape();
        let factor = (nx.max(ny) / MONTAGE_SIDE).max(1);
        let mut layers = Vec::new();
        for z in planes {
            layers.push(Layer::new(&[z], shrunk(&read_plane(cube, args.array, z)?, factor), &axis));
        }
        Ok(Self::Montage { layers, factor })
    }

    fn spectra(args: &PlotArgs, cube: &mut CubeFile) -> Result<Self, Failure> {
        let mut spectra = Vec::new();
        for Mark { position, label } in &args.spectrum {
            let name = match label.as_str() {
                "" => format!("{:.5}° {:+.5}°", position.ra(), position.dec()),
                label => label.to_owned(),
            };
            let region = SkyRegion::around(*position, args.radius).map_err(Failure::usage)?;
            let report = CubeSpectrum::extract(&args.file, cube, &region, None, false)?;
            if report.clipped {
                ui::warning(&format!("the circle around {name} reaches beyond the edge of the cube"));
            }
            spectra.push((name, report));
        }
        Ok(Self::Spectra(spectra))
    }
}

impl PlotArgs {
    /// Limits and stretch of a plane, from its defaults and what the user says.
    fn scale(&self) -> (DisplayLimits, Stretch) {
        let default = match (self.colors().is_diverging(), &self.line) {
            (true, _) => DisplayLimits::SIGNED,
            (false, Some(_)) => DisplayLimits::LINE,
            (false, None) => DisplayLimits::PLANE,
        };
        let (limits, stretch) = match self.array {
            PlaneQuantity::Count => (DisplayLimits::Percentile(0.0, 100.0), Stretch::Linear),
            PlaneQuantity::Variance | PlaneQuantity::Error => {
                (DisplayLimits::Percentile(0.5, 99.5), Stretch::default())
            }
            PlaneQuantity::Sci | PlaneQuantity::Snr => (default, Stretch::default()),
        };
        let stretch = self.stretch.unwrap_or(stretch);
        (self.limits().unwrap_or_else(|| limits.for_stretch(stretch)), stretch)
    }
}

/// The planes of red, green and blue, each at least one.
fn colors(args: &PlotArgs, ranges: Option<RgbRanges>, cube: &CubeFile) -> Result<[Vec<usize>; 3], Failure> {
    let axis = cube.wavelengths();
    let Some(RgbRanges(ranges)) = ranges else {
        let thirds = thirds_with_data(cube).map(|[short, middle, long]| [long, middle, short]);
        return thirds.ok_or_else(|| nothing_there(args, axis, "no plane has data"));
    };
    let [red, green, blue] = ranges;
    Ok([with_data(args, red, cube)?, with_data(args, green, cube)?, with_data(args, blue, cube)?])
}

/// The planes of a range that have data.
fn with_data(args: &PlotArgs, range: WavelengthRange, cube: &CubeFile) -> Result<Vec<usize>, Failure> {
    let axis = cube.wavelengths();
    let mut planes = range.planes(axis);
    planes.retain(|&z| cube.inputs_per_plane()[z] > 0);
    let problem = || format!("no plane with data lies in {}..{} um", range.min, range.max);
    if planes.is_empty() { Err(nothing_there(args, axis, &problem())) } else { Ok(planes) }
}

/// The plane that the user asks for.
fn plane(args: &PlotArgs, cube: &mut CubeFile) -> Result<usize, Failure> {
    let axis = cube.wavelengths();
    match (args.plane, args.wave) {
        (Some(z), _) if z >= axis.bins() => Err(Failure::usage(anyhow!(
            "{}: there is no plane {z}; the planes are 0 to {}",
            args.file.display(),
            axis.bins() - 1
        ))),
        (Some(z), _) => Ok(z),
        (None, Some(wave)) => plane_at(axis, wave)
            .ok_or_else(|| nothing_there(args, axis, &format!("no plane contains {wave} um"))),
        (None, None) => Ok(middle_plane(cube)?),
    }
}

fn nothing_there(args: &PlotArgs, axis: &PlaneAxis, problem: &str) -> Failure {
    let (file, lower, upper) = (args.file.display(), axis.lower(), axis.upper());
    Failure::nothing_found(anyhow!("{file}: {problem}; the cube covers {lower} to {upper} um"))
}

const LINE_LABEL: &str = "Line intensity (nW/m²/sr)";

fn value_label(quantity: PlaneQuantity) -> &'static str {
    match quantity {
        PlaneQuantity::Sci => "Surface brightness (MJy/sr)",
        PlaneQuantity::Variance => "Variance (MJy²/sr²)",
        PlaneQuantity::Error => "Standard deviation (MJy/sr)",
        PlaneQuantity::Snr => "Signal-to-noise ratio",
        PlaneQuantity::Count => "Contributions",
    }
}
