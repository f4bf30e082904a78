//! World coordinates of SPHEREx spectral images: celestial positions, wavelengths, output grids,
//! and the map from an input pixel to an output pixel.
//!
//! - [`CelestialWcs`]: TAN with SIP distortion, SIN, ZEA and CAR, both ways;
//! - [`OutputGrid`]: the undistorted grid that a mosaic or cube is drizzled onto;
//! - [`GridMap`]: input pixel to output pixel, as a [`PixelMap`](spx_core::map::PixelMap);
//! - [`WaveTable`]: wavelength and bandwidth of a pixel, as a
//!   [`WavelengthMap`](spx_core::map::WavelengthMap).
//!
//! Pixel coordinates are 0-based with integers at pixel centers, image shapes `[ny, nx]`, angles
//! degrees (ICRS), wavelengths um. FITS cards count pixels from 1; only this crate converts.
//!
//! **No I/O of any kind:** headers and tables go in, maps come out.

mod celestial;
mod error;
mod grid;
mod healpix;
mod pixel_map;
mod projection;
mod sip;
mod wave_tab;

pub use celestial::{CelestialWcs, ProjectionNumbers};
pub use error::WcsError;
pub use grid::{GridForm, OutputGrid};
pub use healpix::HealpixRing;
pub use pixel_map::GridMap;
pub use projection::{SkyFrame, SkyProjection};
pub use wave_tab::WaveTable;

// What a caller needs of the types that the crates share.
pub use spx_core::{header, image, map, sky};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeOfWcs;
