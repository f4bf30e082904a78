//! Figures of spx: image planes, colour composites, spectra.
//!
//! Each figure is a struct that holds its data and its options, and a function that draws it:
//! [`render_plane`], [`render_composite`], [`render_spectrum`]. They return the encoded file, PNG or SVG, as
//! bytes. The same figure gives the same bytes, always: text is set in a font that is part of the crate.
//!
//! **No I/O at all**: no files, no system fonts, no network, no printing. The caller writes the bytes.
//!
//! Conventions are those of spx: pixels are 0-based with integers at their centres, arrays are indexed
//! `[y][x]`, positions are ICRS degrees, wavelengths um.

mod axes;
mod canvas;
mod clip;
mod colormap;
mod composite;
mod encode;
mod error;
mod font;
mod frame;
mod image_figure;
mod legend;
mod markers;
mod options;
mod plane;
mod resample;
mod scale;
mod sky_axes;
mod spectrum;
#[cfg(test)]
mod testing;

pub use colormap::Colormap;
pub use composite::{Channel, CompositeFigure, Scaling, render_composite};
pub use error::PlotError;
pub use markers::Marker;
pub use options::{Format, Size, SkyFormat};
pub use plane::{PixelToSky, PlaneFigure, render_plane};
pub use scale::{Limits, Stretch};
pub use spectrum::{Curve, Spectrum, SpectrumFigure, SpectrumPoint, render_spectrum};
