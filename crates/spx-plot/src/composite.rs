//! Color composites of three image planes (Lupton et al. 2004, PASP 116, 133).

use ndarray::ArrayView2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::canvas::Canvas;
use crate::colormap::{Rgb, to_byte};
use crate::encode::encode;
use crate::frame::Style;
use crate::image_figure::{ImageFigure, no_data};
use crate::plane::shape_of;
use crate::resample::resample;
use crate::value_scale::NO_DATA;
use crate::{
    DisplayLimits, FigureFormat, Marker, PixelToSky, PlotError, Size, SkyFormat, SkyOverlay, Stretch,
};
use spx_core::elementary::{asinh, sinh};

/// One color of a composite.
#[derive(Debug, Clone)]
pub struct Channel<'a> {
    /// The image, indexed `[y][x]`.
    pub plane: ArrayView2<'a, f32>,
    /// Its name in the legend, e.g. `4.05 µm`; empty for none.
    pub label: String,
}

/// How three values become one color.
///
/// Either way each channel is first scaled by its own limits, so that the lower becomes 0 and the
/// upper 1; this balances channels of different brightness.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Scaling {
    /// That of Lupton et al.: one asinh curve of the mean intensity, `asinh(sinh(q) I) / q`, scales
    /// all three, so that colors of bright sources are kept; a color beyond white is divided by its
    /// largest part.
    Lupton {
        /// Limits of each channel.
        limits: DisplayLimits,
        /// Softening: the higher, the brighter faint things get; 3 is mild, 8 strong.
        q: f64,
    },
    /// Each channel on its own; bright sources turn white.
    PerChannel {
        /// Limits of each channel.
        limits: DisplayLimits,
        /// The curve between them.
        stretch: Stretch,
    },
}

/// Lupton's scaling with q = 3 and [`DisplayLimits::COMPOSITE`].
impl Default for Scaling {
    fn default() -> Self {
        Self::Lupton { limits: DisplayLimits::COMPOSITE, q: 3.0 }
    }
}

/// A figure of three planes as one color image.
///
/// A pixel counts as no data, and is drawn grey, where any of the three is not finite.
#[derive(Clone)]
pub struct CompositeFigure<'a> {
    /// Red, green and blue, usually in the order of falling wavelength; all of one shape.
    pub channels: [Channel<'a>; 3],
    /// How values become colors.
    pub scaling: Scaling,
    /// From pixels to the sky; `None` for axes in pixels.
    pub sky: Option<PixelToSky<'a>>,
    /// How positions are written along the axes.
    pub sky_format: SkyFormat,
    /// What lies over the image, where `sky` is known; scale bar and compass by default.
    pub overlay: SkyOverlay,
    /// Size of the picture; by default 1000 px wide or high, the other side following the field.
    pub size: Size,
    /// Title above the frame; empty for none.
    pub title: String,
    /// Circles, e.g. around catalogue stars.
    pub markers: Vec<Marker>,
}

impl<'a> CompositeFigure<'a> {
    /// A figure of these channels (red, green, blue), with the defaults that the fields name.
    pub fn new(channels: [Channel<'a>; 3]) -> Self {
        let size = Size::for_field(channels[0].plane.dim().into());
        Self {
            channels,
            scaling: Scaling::default(),
            sky: None,
            sky_format: SkyFormat::default(),
            overlay: SkyOverlay::default(),
            size,
            title: String::new(),
            markers: Vec::new(),
        }
    }
}

/// Draws a color composite.
///
/// # Errors
/// Where the planes differ in shape or have no pixels, or the size, the limits or `q` are
/// impossible.
pub fn render_composite(figure: &CompositeFigure<'_>, format: FigureFormat) -> Result<Vec<u8>, PlotError> {
    encode(&draw(figure)?, format)
}

/// Colors of the names in the legend: readable on paper, unlike pure green.
const NAMES: [Rgb; 3] = [[0xd6, 0x27, 0x28], [0x2c, 0xa0, 0x2c], [0x1f, 0x5f, 0xc4]];

fn draw(figure: &CompositeFigure<'_>) -> Result<Canvas, PlotError> {
    let mut canvas = Canvas::new(figure.size)?;
    let style = Style::new(figure.size);
    let shape = common_shape(&figure.channels)?;
    let mixer = Mixer::new(figure)?;
    let [red, green, blue] = &figure.channels;
    // With letters, for not every reader tells the colors apart.
    let named = |(letter, channel): (&str, &Channel<'_>)| match channel.label.as_str() {
        "" => String::new(),
        label => format!("{letter}: {label}"),
    };
    let names = [("R", red), ("G", green), ("B", blue)].map(named);
    let image = ImageFigure {
        shape,
        sky: figure.sky,
        sky_format: figure.sky_format,
        overlay: figure.overlay,
        title: &figure.title,
        legend: names.iter().map(String::as_str).zip(NAMES).collect(),
        bar: None,
        markers: &figure.markers,
    };
    let inside = image.draw(&mut canvas, &style, |width, height| {
        let [red, green, blue] = [red, green, blue].map(|c| resample(c.plane, width, height));
        red.into_iter().zip(green).zip(blue).map(|((r, g), b)| mixer.color([r, g, b])).collect()
    })?;
    if mixer.limits.contains(&None) {
        no_data(&mut canvas, inside, &style);
    }
    Ok(canvas)
}

/// Pixels along x and y, the same for all channels.
fn common_shape([red, green, blue]: &[Channel<'_>; 3]) -> Result<(usize, usize), PlotError> {
    let expected = red.plane.dim();
    for (channel, found) in [("green", green.plane.dim()), ("blue", blue.plane.dim())] {
        if found != expected {
            return Err(PlotError::CanvasShape { plane: channel.to_owned(), found, expected });
        }
    }
    shape_of(red.plane)
}

/// Turns three values into a color.
struct Mixer {
    scaling: Scaling,
    /// Lower and upper limit of each channel; `None` for a channel without data.
    limits: [Option<(f64, f64)>; 3],
}

impl Mixer {
    fn new(figure: &CompositeFigure<'_>) -> Result<Self, PlotError> {
        let limits = match figure.scaling {
            Scaling::Lupton { q, .. } if !(q > 0.0 && q <= MAX_Q) => {
                return Err(PlotError::Parameter { what: "the softening q", most: MAX_Q, value: q });
            }
            Scaling::Lupton { limits, .. } | Scaling::PerChannel { limits, .. } => limits,
        };
        let [red, green, blue] = &figure.channels;
        let limits = [limits.of(red.plane)?, limits.of(green.plane)?, limits.of(blue.plane)?];
        Ok(Self { scaling: figure.scaling, limits })
    }

    fn color(&self, values: [f32; 3]) -> Rgb {
        let mut scaled = [0.0; 3];
        for ((scaled, value), limits) in scaled.iter_mut().zip(values).zip(self.limits) {
            let Some((low, high)) = limits else { return NO_DATA };
            *scaled = (f64::from(value) - low) / (high - low);
        }
        if scaled.iter().any(|x| !x.is_finite()) {
            return NO_DATA;
        }
        match self.scaling {
            Scaling::PerChannel { stretch, .. } => scaled.map(|x| to_byte(stretch.apply(x))),
            Scaling::Lupton { q, .. } => lupton(scaled, q).map(to_byte),
        }
    }
}

/// `sinh` of more overflows what is left of a double.
const MAX_Q: f64 = 100.0;

/// The scaling of Lupton et al.: `R = r f(I) / I` and so on, with `I = (r + g + b) / 3` and their
/// asinh as f, here scaled so that f(1) = 1. A pixel whose intensity is not positive is black.
fn lupton(channels: [f64; 3], q: f64) -> [f64; 3] {
    let intensity = channels.iter().sum::<f64>() / 3.0;
    if intensity <= 0.0 {
        return [0.0; 3];
    }
    let factor = asinh(sinh(q) * intensity) / q / intensity;
    let bright = channels.map(|x| (x * factor).max(0.0));
    let most = bright.into_iter().fold(1.0, f64::max);
    bright.map(|x| x / most)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::testing::{Picture, assert_texts_are_free};

    fn figure_of<'a>(planes: [&'a Array2<f32>; 3], label: &str) -> CompositeFigure<'a> {
        CompositeFigure::new(planes.map(|p| Channel { plane: p.view(), label: label.to_owned() }))
    }

    #[test]
    fn white_stays_white_and_black_black() {
        let close = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(lupton([1.0; 3], 3.0), [1.0; 3]));
        assert!(close(lupton([0.0; 3], 3.0), [0.0; 3]));
        assert!(close(lupton([-1.0, -2.0, 0.5], 3.0), [0.0; 3]));
    }

    #[test]
    fn lupton_keeps_the_ratios_of_colors() {
        for brightness in [0.001, 0.1, 1.0, 50.0, 1e6] {
            let [r, g, b] = lupton([0.6 * brightness, 0.3 * brightness, 0.1 * brightness], 8.0);
            assert!((r / g - 2.0).abs() < 1e-9 && (g / b - 3.0).abs() < 1e-9, "{r} {g} {b}");
            assert!(r <= 1.0);
        }
    }

    #[test]
    fn noise_alone_is_dark() {
        // Sums of twelve numbers of a linear congruential generator (Numerical Recipes): nearly
        // normal.
        let mut state = 1_u32;
        let mut uniform = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32
        };
        let planes = [(); 3]
            .map(|()| Array2::from_shape_fn((100, 100), |_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0));
        let canvas = draw(&figure_of([&planes[0], &planes[1], &planes[2]], "")).unwrap();
        let parts = canvas.rasters[0].pixels.as_flattened();
        let mean = parts.iter().map(|p| f64::from(*p)).sum::<f64>() / parts.len() as f64;
        let bright = parts.iter().filter(|p| **p > 0x80).count() as f64 / parts.len() as f64;
        assert!(mean < 50.0 && bright < 0.01, "mean {mean}, share of bright ones {bright}");
    }

    #[test]
    fn channels_become_colors_at_their_places() {
        let nan = f32::NAN;
        let red = array![[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 1.0, nan]];
        let green = array![[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]];
        let blue = array![[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]];
        let mut figure = figure_of([&red, &green, &blue], "name");
        let limits = DisplayLimits::Range(0.0, 1.0);
        for scaling in
            [Scaling::Lupton { limits, q: 3.0 }, Scaling::PerChannel { limits, stretch: Stretch::Linear }]
        {
            figure.scaling = scaling;
            let canvas = draw(&figure).unwrap();
            let picture = Picture::decode(&render_composite(&figure, FigureFormat::Png).unwrap());
            let at = |x, y| picture.pixel(&canvas.rasters[0], (4, 2), x, y);
            assert_eq!([at(0, 1), at(1, 1), at(3, 1)], [[0xff; 3], [0; 3], NO_DATA]);
            // A single full channel has a third of the intensity, and so ends above full.
            assert_eq!([at(0, 0), at(1, 0), at(2, 0)], [[0xff, 0, 0], [0, 0xff, 0], [0, 0, 0xff]]);
            assert_eq!([at(2, 1), at(3, 0)], [[0xff, 0xff, 0], [0; 3]]);
        }
    }

    #[test]
    fn texts_are_free() {
        let plane = Array2::from_shape_fn((30, 40), |(y, x)| (x * y) as f32);
        let channel = |label: &str| Channel { plane: plane.view(), label: label.to_owned() };
        let mut figure = CompositeFigure::new([
            channel("4.05 µm"),
            channel("a channel whose name is rather long for a legend"),
            channel(""),
        ]);
        figure.title = "Three colors".to_owned();
        for (width, height) in [(1000, 900), (600, 500), (2400, 2000), (200, 200), (300, 1200)] {
            figure.size = Size { width, height };
            assert_texts_are_free(&draw(&figure).unwrap(), "composite");
        }
    }

    #[test]
    fn impossible_composites_are_errors() {
        let (wide, tall) = (Array2::zeros((2, 3)), Array2::zeros((3, 2)));
        let figure = figure_of([&wide, &wide, &tall], "");
        let error = render_composite(&figure, FigureFormat::Png).unwrap_err().to_string();
        assert_eq!(error, "the blue plane has 2 x 3 pixels, the first one 3 x 2");
        let mut figure = figure_of([&wide, &wide, &wide], "");
        for q in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            figure.scaling = Scaling::Lupton { limits: DisplayLimits::default(), q };
            let error = render_composite(&figure, FigureFormat::Png).unwrap_err();
            assert!(matches!(error, PlotError::Parameter { .. }), "{error}");
        }
    }

    #[test]
    fn a_channel_without_data_leaves_nothing_to_mix() {
        let (full, empty) = (Array2::zeros((2, 2)), Array2::from_elem((2, 2), f32::NAN));
        let figure = figure_of([&full, &empty, &full], "");
        let canvas = draw(&figure).unwrap();
        assert!(canvas.text_boxes().any(|(text, _)| text == "no data"));
        assert!(canvas.rasters[0].pixels.iter().all(|p| *p == NO_DATA));
    }
}
