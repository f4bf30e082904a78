//! One image plane with sky axes and a color bar.

use ndarray::ArrayView2;

use crate::canvas::Canvas;
use crate::encode::encode;
use crate::frame::Style;
use crate::image_figure::{ColorBarSettings, ImageFigure, no_data};
use crate::resample::resample;
use crate::value_scale::ValueScale;
use crate::{Colormap, DisplayLimits, FigureFormat, Marker, PlotError, Size, SkyFormat, SkyOverlay, Stretch};

/// From a pixel (x, y), 0-based with integers at pixel centers, to `[ra, dec]` in degrees; NaN
/// where there is no such position.
pub type PixelToSky<'a> = &'a dyn Fn(f64, f64) -> [f64; 2];

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
    /// What lies over the image, where `sky` is known; scale bar and compass by default.
    pub overlay: SkyOverlay,
    /// Size of the picture; by default 1000 px wide or high, the other side following the field.
    pub size: Size,
    /// Title above the frame; empty for none.
    pub title: String,
    /// Label of the color bar, with the unit, e.g. `Surface brightness (MJy/sr)`.
    pub value_label: String,
    /// Colors; viridis by default. Those of a [diverging](Colormap::is_diverging) map run from zero
    /// to both sides.
    pub colormap: Colormap,
    /// From values to colors; asinh by default.
    pub stretch: Stretch,
    /// The values that get the first and the last color.
    pub limits: DisplayLimits,
    /// Circles, e.g. around catalogue stars; those with their center outside the image are left
    /// out.
    pub markers: Vec<Marker>,
}

impl<'a> PlaneFigure<'a> {
    /// A figure of `plane`, with the defaults that the fields name.
    pub fn new(plane: ArrayView2<'a, f32>) -> Self {
        Self {
            plane,
            sky: None,
            sky_format: SkyFormat::default(),
            overlay: SkyOverlay::default(),
            size: Size::for_field(plane.dim().into()),
            title: String::new(),
            value_label: "Surface brightness (MJy/sr)".to_owned(),
            colormap: Colormap::default(),
            stretch: Stretch::default(),
            limits: DisplayLimits::default(),
            markers: Vec::new(),
        }
    }
}

/// Draws an image plane.
///
/// # Errors
/// Where the plane has no pixels, or the size or the limits are impossible. A plane without a
/// single finite value is drawn grey, with the words `no data` and a color bar without numbers.
pub fn render_plane(figure: &PlaneFigure<'_>, format: FigureFormat) -> Result<Vec<u8>, PlotError> {
    encode(&draw(figure)?, format)
}

fn draw(figure: &PlaneFigure<'_>) -> Result<Canvas, PlotError> {
    let mut canvas = Canvas::new(figure.size)?;
    let style = Style::new(figure.size);
    let shape = shape_of(figure.plane)?;
    let scale =
        ValueScale { map: figure.colormap, stretch: figure.stretch, limits: figure.limits.of(figure.plane)? };
    let image = ImageFigure {
        shape,
        sky: figure.sky,
        sky_format: figure.sky_format,
        overlay: figure.overlay,
        title: &figure.title,
        legend: Vec::new(),
        bar: Some(ColorBarSettings { scale, name: &figure.value_label }),
        markers: &figure.markers,
    };
    let inside = image.draw(&mut canvas, &style, |width, height| {
        let values = resample(figure.plane, width, height);
        values.into_iter().map(|value| scale.color(value)).collect()
    })?;
    if scale.limits.is_none() {
        no_data(&mut canvas, inside, &style);
    }
    Ok(canvas)
}

/// Pixels along x and y of a plane that has any.
pub(crate) fn shape_of(plane: ArrayView2<'_, f32>) -> Result<(usize, usize), PlotError> {
    let (height, width) = plane.dim();
    if width == 0 || height == 0 {
        return Err(PlotError::NoPixels { width, height });
    }
    Ok((width, height))
}

#[cfg(test)]
mod tests;
