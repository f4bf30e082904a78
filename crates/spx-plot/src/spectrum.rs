//! Spectra: points with bandwidths and errors, and model curves.

use crate::{Format, PlotError, Size};

/// One measurement of a spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectrumPoint {
    /// Wavelength [um].
    pub wavelength: f64,
    /// Half of the bandwidth [um], drawn as a horizontal bar; NaN or 0 for none.
    pub half_bandwidth: f64,
    /// Flux density, in the unit that the axis label names.
    pub flux: f64,
    /// One standard deviation of the flux, drawn as a vertical bar; NaN or 0 for none.
    pub error: f64,
}

/// A set of points drawn in one colour.
///
/// Points whose wavelength or flux is not finite are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Name in the legend.
    pub label: String,
    /// The points, in any order.
    pub points: Vec<SpectrumPoint>,
}

/// A model or a truth, drawn as a line behind the points.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name in the legend.
    pub label: String,
    /// Wavelength [um] and flux, in the order in which they are joined; the line breaks where either is not
    /// finite.
    pub points: Vec<[f64; 2]>,
}

/// A figure of one or several spectra.
#[derive(Debug, Clone)]
pub struct SpectrumFigure {
    /// Size of the picture; 1000 x 700 px by default.
    pub size: Size,
    /// Title above the frame; empty for none.
    pub title: String,
    /// Label of the horizontal axis.
    pub wavelength_label: String,
    /// Label of the vertical axis.
    pub flux_label: String,
    /// The measurements.
    pub spectra: Vec<Spectrum>,
    /// The curves.
    pub curves: Vec<Curve>,
    /// Range of the wavelength axis [um]; `None` to enclose all points with their bars.
    pub wavelength_range: Option<[f64; 2]>,
    /// Range of the flux axis; `None` to enclose all points and their error bars, of which at most three times
    /// the median length counts.
    pub flux_range: Option<[f64; 2]>,
}

impl SpectrumFigure {
    /// A figure of these spectra, labelled `Wavelength (µm)` and `Flux density (µJy)`.
    pub fn new(spectra: Vec<Spectrum>) -> Self {
        Self {
            size: Size { width: 1000, height: 700 },
            title: String::new(),
            wavelength_label: "Wavelength (µm)".to_owned(),
            flux_label: "Flux density (µJy)".to_owned(),
            spectra,
            curves: Vec::new(),
            wavelength_range: None,
            flux_range: None,
        }
    }
}

/// Draws spectra. A legend appears where there is more than one spectrum or curve.
///
/// # Errors
/// Where the size or a range is impossible, or no point is finite.
pub fn render_spectrum(_figure: &SpectrumFigure, _format: Format) -> Result<Vec<u8>, PlotError> {
    Err(PlotError::Draw("spectra are not drawn yet".to_owned()))
}
