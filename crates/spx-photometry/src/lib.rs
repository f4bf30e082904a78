//! Photometry of point sources in spectral images.
//!
//! A [`Photometer`] is made once for an image, from arrays and options; it
//! [measures](Photometer::measure) one source after another, at the cost of the pixels around each:
//!
//! - flux in a circular aperture, by the exact overlap of circle and pixel, over a local
//!   background;
//! - its error, AB magnitude, upper limit, flags, and whatever had to stand in for what was asked
//!   for;
//! - on demand an aperture correction and a PSF-weighted flux, from the PSF of the source's zone.
//!
//! A [`Scene`] measures all sources of an image together, where they overlap.
//!
//! Around these stand [`QualityOptions`], which tell good measurements from bad, and
//! [`ProperMotion`], which carries a position to the time of an exposure.
//!
//! **This crate does no I/O and knows nothing of world coordinates.** Callers give positions in
//! pixels (0-based, integers at pixel centers), the solid angle of the pixel there, and its
//! passband. Surface brightness comes in MJy/sr; fluxes go out in uJy. A negative flux is a
//! measurement; what cannot be measured has a [`NoMeasurement`] that says why.
//!
//! `examples/measure.rs` and the README measure a simulated star.

mod aperture;
mod background;
mod epoch;
mod error;
mod magnitude;
mod measure;
mod median;
mod noise;
mod options;
mod overlap;
mod psf;
mod psf_flux;
mod quality;
mod scene;
mod stamp;
mod statistics;
mod tile;
mod view;

pub use spx_core::{flags, header, image, map, pixels, sky, units};

pub use aperture::{CircularAperture, CircularApertureSum};
pub use epoch::{ProperMotion, julian_epoch};
pub use error::{NoMeasurement, NoPsfFlux, PhotometryError};
pub use magnitude::{AB_ZERO_POINT_UJY, Magnitude};
pub use measure::{Fallbacks, Measurement, Photometer, Scratch, SourceOnImage, check_place};
pub use options::{
    ApertureMethod, ApertureOptions, BackgroundMethod, BackgroundOptions, ErrorModel, FlagRule, FwhmSource,
    PhotometryOptions,
};
pub use overlap::pixel_overlap;
pub use psf::{
    ProfileTile, PsfCache, PsfKind, PsfModel, PsfPlanes, PsfZones, SourcePsf, has_zone_erratum, regular_zones,
};
pub use psf_flux::PsfFlux;
pub use quality::{MeasurementQuality, QualityOptions};
pub use scene::{
    NoSceneFlux, PointSpread, PsfOnImage, Scene, SceneBackground, SceneFit, SceneFlux, SceneOptions,
    SceneSource, SersicOnImage, SersicShape,
};
pub use stamp::{MeasurementStamp, PixelUse};
pub use view::{ForegroundModel, ImageView, RegionBeyond};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct ReadmeExamples;
