//! One image plane with sky axes and a colour bar.

use ndarray::ArrayView2;

use crate::{Colormap, Format, Limits, PlotError, Size, SkyFormat, Stretch};

/// From a pixel (x, y), 0-based with integers at pixel centres, to `[ra, dec]` in degrees; NaN where there is
/// no such position.
pub type PixelToSky<'a> = &'a dyn Fn(f64, f64) -> [f64; 2];

/// A circle around a position, with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Marker {
    /// Horizontal pixel coordinate, 0-based.
    pub x: f64,
    /// Vertical pixel coordinate, 0-based.
    pub y: f64,
    /// Radius in pixels of the image; `None` for a circle of fixed size in the picture.
    pub radius: Option<f64>,
    /// Text beside the circle; empty for none.
    pub label: String,
}

/// A figure of one image plane.
///
/// The first pixel, `[0, 0]`, is drawn lower left; which way is north is up to the data.
#[derive(Clone)]
pub struct PlaneFigure<'a> {
    /// The image, indexed `[y][x]`; what is not finite counts as no data and is drawn grey.
    pub plane: ArrayView2<'a, f32>,
    /// From pixels to the sky; `None` for axes in pixels.
    pub sky: Option<PixelToSky<'a>>,
    /// How positions are written along the axes.
    pub sky_format: SkyFormat,
    /// Size of the picture; 1000 x 900 px by default.
    pub size: Size,
    /// Title above the frame; empty for none.
    pub title: String,
    /// Label of the colour bar, with the unit, e.g. `Surface brightness (MJy/sr)`.
    pub value_label: String,
    /// Colours; viridis by default.
    pub colormap: Colormap,
    /// From values to colours; asinh by default.
    pub stretch: Stretch,
    /// The values that get the first and the last colour; percentiles 0.5 and 99.5 by default.
    pub limits: Limits,
    /// Circles, e.g. around catalogue stars; those with their centre outside the image are left out.
    pub markers: Vec<Marker>,
}

impl<'a> PlaneFigure<'a> {
    /// A figure of `plane`, with the defaults that the fields name.
    pub fn new(plane: ArrayView2<'a, f32>) -> Self {
        Self {
            plane,
            sky: None,
            sky_format: SkyFormat::default(),
            size: Size::default(),
            title: String::new(),
            value_label: "Surface brightness (MJy/sr)".to_owned(),
            colormap: Colormap::default(),
            stretch: Stretch::default(),
            limits: Limits::default(),
            markers: Vec::new(),
        }
    }
}

/// Draws an image plane.
///
/// # Errors
/// Where the plane has no pixels, or the size or the limits are impossible. A plane without a single finite
/// value is drawn grey, with the words `no data` and a colour bar without numbers.
pub fn render_plane(_figure: &PlaneFigure<'_>, _format: Format) -> Result<Vec<u8>, PlotError> {
    Err(PlotError::Draw("planes are not drawn yet".to_owned()))
}
