//! Figures of spx: image planes, color composites, spectra, light curves.
//!
//! Each figure is a struct that holds its data and its options, and a function that draws it:
//! [`render_plane`], [`render_composite`], [`render_spectrum`], [`render_light_curve`] and
//! others. They return the encoded file, PNG, SVG or PDF, as bytes. The same figure gives the same
//! bytes on every machine: text is set in a font that is part of the crate.
//!
//! **No I/O at all**: no files, no system fonts, no network, no printing. The caller writes the
//! bytes.
//!
//! ```
//! use ndarray::Array2;
//! use spx_plot::{FigureFormat, PlaneFigure, render_plane};
//!
//! let plane = Array2::from_shape_fn((30, 40), |(y, x)| (x + y) as f32);
//! let mut figure = PlaneFigure::new(plane.view());
//! figure.title = "A slope".to_owned();
//! figure.sky = Some(&|x, y| [10.0 - 0.01 * x, 20.0 + 0.01 * y]);
//! let bytes: Vec<u8> = render_plane(&figure, FigureFormat::Png)?;
//! # Ok::<(), spx_plot::PlotError>(())
//! ```
//!
//! A source's spectrum and light curve:
//!
//! ```
//! use spx_plot::{
//!     FigureFormat, LightCurveFigure, LightCurveOptions, LightCurvePoint, render_light_curve,
//! };
//!
//! let points = [(61_027.2, 0.9), (61_031.6, 1.7)].map(|(mjd, wavelength)| LightCurvePoint {
//!     mjd,
//!     wavelength,
//!     bandwidth: wavelength / 41.0,
//!     flux: 500.0,
//!     error: 20.0,
//!     flagged: false,
//! });
//! let options = LightCurveOptions { use_magnitude: true, ..LightCurveOptions::default() };
//! let title = "A source".to_owned();
//! let figure = LightCurveFigure { title, points: points.to_vec(), options };
//! let bytes: Vec<u8> = render_light_curve(&figure, FigureFormat::Svg)?;
//! # Ok::<(), spx_plot::PlotError>(())
//! ```
//!
//! Figures are made of pieces that know nothing of the data: `canvas` (a list of shapes) and
//! `encode` and `pdf` (files from it), `axes` and `sky_axes` (where ticks stand), `frame` (frame,
//! labels, color bar, title), `panel` (a frame with two axes of numbers).
//!
//! Conventions are those of spx: pixels are 0-based with integers at their centers, arrays are
//! indexed `[y][x]`, positions are ICRS degrees, wavelengths um.

mod axes;
mod canvas;
mod channel_figure;
mod clip;
mod colormap;
mod composite;
mod cutouts;
mod encode;
mod error;
mod flux_unit;
mod font;
mod frame;
mod image_figure;
mod legend;
mod light_curve;
mod markers;
mod montage;
mod options;
mod overlay;
mod panel;
mod pdf;
mod pixel_shape;
mod plane;
mod resample;
mod scale;
mod significance;
mod sky_axes;
mod spectrum;
#[cfg(test)]
mod testing;
mod value_scale;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct PlotReadmeExample;

pub use channel_figure::{ChannelFigure, ChannelMeasurement, ChannelPoint, render_channels};
pub use colormap::Colormap;
pub use composite::{Channel, CompositeFigure, Scaling, render_composite};
pub use cutouts::{CutoutPixel, CutoutsFigure, MeasurementCutout, render_cutouts};
pub use encode::encode_rgba;
pub use error::PlotError;
pub use flux_unit::{FluxDensity, FluxUnit};
pub use light_curve::{
    LightCurveFigure, LightCurveOptions, LightCurvePoint, LightCurveQuantity, render_light_curve,
    render_light_curves,
};
pub use markers::Marker;
pub use montage::{MontageFigure, MontagePlane, render_montage};
pub use options::{FigureFormat, Size, SkyFormat};
pub use overlay::SkyOverlay;
pub use plane::{PixelToSky, PlaneFigure, render_plane};
pub use scale::{DisplayLimits, Stretch};
pub use spectrum::{Curve, Spectrum, SpectrumFigure, SpectrumPoint, render_spectrum};
