//! Photometry of point sources in spectral images.
//!
//! A [`Photometer`] is made once for an image, from arrays and options; it [measures](Photometer::measure) one source
//! after another, at the cost of the pixels around each:
//!
//! - flux in a circular aperture, by the exact overlap of circle and pixel, over a local background;
//! - its error, AB magnitude, upper limit, flags, and whatever had to stand in for what was asked for;
//! - on demand an aperture correction and a PSF-weighted flux, from the PSF of the source's zone.
//!
//! Around it stand [`QualityOptions`], which tell good measurements from bad, and [`ProperMotion`], which carries a
//! position to the time of an exposure.
//!
//! **This crate does no I/O and knows nothing of world coordinates.** Callers give positions in pixels (0-based,
//! integers at pixel centers), the solid angle of the pixel there, and its passband. Surface brightness comes in
//! MJy/sr; fluxes go out in uJy. A negative flux is a measurement; what cannot be measured has a [`NoMeasurement`] that
//! says why.
//!
//! ```
//! use spx_core::flags::FlagNames;
//! use spx_core::map::Passband;
//! use spx_core::pixels::Pixels;
//! use spx_photometry::{ImageView, Photometer, PhotometryOptions, Scratch, SourceOnImage};
//!
//! // A source of 1 MJy/sr in one pixel over an even background.
//! let names = FlagNames::default();
//! let mut image = vec![0.25f32; 40 * 40];
//! image[20 * 40 + 20] += 1.0;
//! let view = ImageView {
//!     shape: [40, 40],
//!     image: Pixels::Native(&image),
//!     flags: Pixels::Native(&[0; 40 * 40]),
//!     variance: Pixels::Native(&[1e-4; 40 * 40]),
//!     foreground: None,
//!     flag_names: &names,
//!     psf_fwhm: Some(5.2),
//!     parent_offset: [0.0; 2],
//!     checked: false,
//! };
//! let options = PhotometryOptions::default();
//! let photometer = Photometer::new(view, &options, None)?;
//! let passband = Passband { center: 2.1, width: 0.05 };
//! let source = SourceOnImage { position: [20.0, 20.0], pixel_area: 37.9, passband };
//! let measured = photometer.measure(&source, &mut Scratch::default())?;
//! let expected = 37.9 * spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
//! assert!((measured.flux / expected - 1.0).abs() < 1e-6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aperture;
mod background;
mod epoch;
mod error;
mod image;
mod magnitude;
mod measure;
mod median;
mod options;
mod overlap;
mod psf;
mod psf_flux;
mod quality;
mod statistics;
mod tile;

pub use aperture::{CircularAperture, CircularApertureSum};
pub use epoch::{ProperMotion, julian_epoch};
pub use error::{NoMeasurement, NoPsfFlux, PhotometryError};
pub use image::{ForegroundModel, ImageView, check_variances};
pub use magnitude::{AB_ZERO_POINT_UJY, Magnitude};
pub use measure::{Fallbacks, Measurement, Photometer, Scratch, SourceOnImage, check_place};
pub use options::{
    ApertureMethod, ApertureOptions, BackgroundMethod, BackgroundOptions, ErrorModel, PhotometryOptions,
};
pub use overlap::pixel_overlap;
pub use psf::{PsfKind, PsfModel, ZonePsf, has_zone_erratum, regular_zones};
pub use psf_flux::PsfFlux;
pub use quality::{MeasurementQuality, QualityCriteria, QualityOptions};
