//! Why an image, an option or a point spread function is refused, and why a source has no
//! measurement.

use spx_core::flags::FlagError;
use spx_core::header::HeaderError;
use thiserror::Error;

/// What makes photometry on a whole image impossible.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PhotometryError {
    /// An option outside its range.
    #[error("{name} = {value} is not allowed: {problem}")]
    Option {
        /// The option's name, as in a configuration file.
        name: &'static str,
        /// The value that was given.
        value: f64,
        /// What it must be.
        problem: &'static str,
    },
    /// An option that needs a point spread function, without one.
    #[error("{0} needs the point spread function of the image, and there is none")]
    NeedsPsf(&'static str),
    /// An array that does not have one value for each pixel.
    #[error("{array} holds {found} values, expected {ny} x {nx}")]
    ArrayLength {
        /// `image`, `flags`, `variance` or `foreground`.
        array: &'static str,
        /// Its length.
        found: usize,
        /// Rows of the image.
        ny: usize,
        /// Columns of the image.
        nx: usize,
    },
    /// A point spread function whose arrays do not fit together.
    #[error("point spread function: {0}")]
    Psf(String),
    /// A card that is needed is missing or wrong.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A flag that the file does not know.
    #[error(transparent)]
    Flag(#[from] FlagError),
}

/// Why a source has no measurement.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum NoMeasurement {
    /// The source has no position on the image (NaN), or lies off it.
    #[error("off the image{}", place(*x, *y))]
    OffImage {
        /// Column \[px\].
        x: f64,
        /// Row \[px\].
        y: f64,
    },
    /// The aperture reaches beyond the image.
    #[error(
        "at the edge: the aperture of radius {radius:.2} px at ({x:.1}, {y:.1}) reaches beyond the {}",
        if *.cut { "cutout; a larger one would contain it" } else { "image" }
    )]
    AtEdge {
        /// Column \[px\].
        x: f64,
        /// Row \[px\].
        y: f64,
        /// Radius of the aperture \[px\].
        radius: f64,
        /// Some of what is missing was on the detector, and was cut off.
        cut: bool,
    },
    /// The solid angle of the pixel is no positive number [arcsec^2].
    #[error("the pixel area {0} arcsec^2 is not a positive number")]
    PixelArea(f64),
    /// Pixels in the aperture have no finite value.
    #[error("{pixels} pixels in the aperture have no finite value")]
    NotFinite {
        /// How many.
        pixels: usize,
    },
    /// Too much of the source's light falls on bad pixels and such without a finite value.
    #[error(
        "{:.0} % of the source's light falls on bad pixels (max_masked_fraction: {:.0} %)",
        100.0 * .fraction,
        100.0 * .limit
    )]
    Masked {
        /// Its share.
        fraction: f64,
        /// The option `max_masked_fraction`.
        limit: f64,
    },
    /// Pixels in the aperture are bad or have no finite value, and there is no PSF to make up for
    /// them.
    #[error(
        "{pixels} pixels in the aperture are bad, and the image has no point spread function to replace them"
    )]
    CannotFill {
        /// How many.
        pixels: usize,
    },
    /// The annulus is empty, for its outer radius is limited to less than its inner radius.
    #[error("the background annulus begins at {inner:.2} px, but max_outer_radius is {outer:.2} px")]
    EmptyAnnulus {
        /// Inner radius \[px\].
        inner: f64,
        /// The greatest outer radius \[px\].
        outer: f64,
    },
    /// Too few usable pixels for a background.
    #[error("{found} usable background pixels, {needed} needed")]
    Background {
        /// How many there are, SOURCE pixels among them.
        found: usize,
        /// The option `min_usable_pixels`.
        needed: usize,
    },
    /// A variance in the aperture needs repair, and the image has none that is positive.
    #[error("no pixel of the image has a positive variance")]
    NoVariance,
    /// The source has no flux in a fit.
    #[error(transparent)]
    Fit(#[from] crate::NoSceneFlux),
    /// The point spread function of the source's zone is unusable, or has no light in the aperture.
    #[error("the point spread function of zone {zone} gives the aperture no light")]
    Psf {
        /// 0-based plane.
        zone: usize,
    },
}

/// A position, where there is one.
fn place(x: f64, y: f64) -> String {
    if x.is_finite() && y.is_finite() { format!(": ({x:.1}, {y:.1}) px") } else { String::new() }
}

/// Why a source that was measured has no PSF-weighted flux.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum NoPsfFlux {
    /// Too much of the profile falls on pixels that are flagged bad, not finite, without variance
    /// or off the image.
    #[error("only {:.0} % of the profile falls on usable pixels", 100.0 * .fraction)]
    Masked {
        /// Share of the profile on usable pixels.
        fraction: f64,
    },
}
