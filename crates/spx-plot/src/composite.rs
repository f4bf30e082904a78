//! Colour composites of three image planes (Lupton et al. 2004, PASP 116, 133).

use ndarray::ArrayView2;

use crate::{Format, Limits, Marker, PixelToSky, PlotError, Size, SkyFormat, Stretch};

/// One colour of a composite.
#[derive(Debug, Clone)]
pub struct Channel<'a> {
    /// The image, indexed `[y][x]`.
    pub plane: ArrayView2<'a, f32>,
    /// Its name in the legend, e.g. `4.05 µm`; empty for none.
    pub label: String,
}

/// How three values become one colour.
///
/// Either way each channel is first scaled by its own limits, so that the lower becomes 0 and the upper 1; this
/// balances channels of different brightness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scaling {
    /// Equation 2 of Lupton et al.: one asinh curve of the mean intensity, `asinh(sinh(q) I) / q`, scales all three, so that
    /// colours of bright sources are kept; a colour beyond white is divided by its largest part.
    Lupton {
        /// Limits of each channel.
        limits: Limits,
        /// Softening: the higher, the brighter faint things get; 3 is mild, 8 strong.
        q: f64,
    },
    /// Each channel on its own; bright sources turn white.
    PerChannel {
        /// Limits of each channel.
        limits: Limits,
        /// The curve between them.
        stretch: Stretch,
    },
}

impl Default for Scaling {
    fn default() -> Self {
        Self::Lupton { limits: Limits::default(), q: 3.0 }
    }
}

/// A figure of three planes as one colour image.
///
/// A pixel counts as no data, and is drawn grey, where any of the three is not finite.
#[derive(Clone)]
pub struct CompositeFigure<'a> {
    /// Red, green and blue, usually in the order of falling wavelength; all of one shape.
    pub channels: [Channel<'a>; 3],
    /// How values become colours.
    pub scaling: Scaling,
    /// From pixels to the sky; `None` for axes in pixels.
    pub sky: Option<PixelToSky<'a>>,
    /// How positions are written along the axes.
    pub sky_format: SkyFormat,
    /// Size of the picture; 1000 x 900 px by default.
    pub size: Size,
    /// Title above the frame; empty for none.
    pub title: String,
    /// Circles, e.g. around catalogue stars.
    pub markers: Vec<Marker>,
}

impl<'a> CompositeFigure<'a> {
    /// A figure of these channels (red, green, blue), with the defaults that the fields name.
    pub fn new(channels: [Channel<'a>; 3]) -> Self {
        Self {
            channels,
            scaling: Scaling::default(),
            sky: None,
            sky_format: SkyFormat::default(),
            size: Size::default(),
            title: String::new(),
            markers: Vec::new(),
        }
    }
}

/// Draws a colour composite.
///
/// # Errors
/// Where the planes differ in shape or have no pixels, or the size, the limits or `q` are impossible.
pub fn render_composite(_figure: &CompositeFigure<'_>, _format: Format) -> Result<Vec<u8>, PlotError> {
    Err(PlotError::Draw("composites are not drawn yet".to_owned()))
}
