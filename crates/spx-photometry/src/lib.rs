//! Photometry of point sources in spectral images: circular apertures with the exact overlap of circle and
//! pixel.

mod aperture;
mod overlap;

pub use aperture::{Aperture, ApertureSum};
pub use overlap::pixel_overlap;
