//! Simulated SPHEREx exposures: a synthetic sky, observed as the survey does, in files as the
//! archive's.
//!
//! 1. [`SimulatedSky::field`] makes stars with power-law spectra and an extended source over
//!    zodiacal light;
//! 2. [`survey`] plans exposures whose dithers carry a field across all wavelengths of each
//!    detector;
//! 3. [`observe`] renders one exposure, a full frame or a cutout, with noise, flags and NaN pixels;
//! 4. [`write_mef`] writes it in the layout of Quick Release 2 or 3, [`write_truth`] writes the sky
//!    as a table, [`write_calibration`] the calibration products.
//!
//! What is simulated exactly, so that a measurement can be compared with the truth: positions
//! through the full TAN-SIP projection, wavelengths by the table in the file, the flux of a source
//! at each pixel's own wavelength, spread by a point spread function that is integrated over the
//! pixel, over the pixel's own solid angle.
//!
//! There are two kinds of exposures. Plain ones have a Gaussian point spread function, noise that
//! does not depend on the light, and few bad pixels: what one expects of a measurement can be
//! written down. [Realistic ones](RealisticOptions) are like the archive's: VARIANCE follows the
//! *observed* rate, the point spread function varies over the detector, bad pixels come at the real
//! rates with wild values, and both releases have their peculiarities. Neither has diffraction
//! spikes, ghosts, moving or variable sources.
//!
//! The same seeds give the same bits on any number of threads, and a cutout has the pixels of the
//! full frame.
//!
//! Pixels are 0-based with integers at pixel centers; fluxes in uJy, surface brightness in MJy/sr,
//! wavelengths in um, angles in degrees unless said otherwise.

/// The example of the README, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;

mod airglow;
mod bits;
mod calendar;
mod calibration;
mod cards;
pub mod compare;
mod correction;
mod epsf;
mod error;
mod expose;
mod gaussian;
mod layout;
mod mef_writer;
mod optics;
mod options;
mod psf;
mod realistic;
mod render;
mod sky;
mod survey;
mod truth;

/// What callers need of spx-core.
pub use spx_core::{detector::Detector, sky::Position};

pub use calibration::{
    write_calibration, write_calibration_attended, write_qr2_calibration, write_qr2_calibration_attended,
};
pub use correction::{flux_correction_plane, write_flux_corrections};
pub use error::SimError;
pub use expose::{SimulatedExposure, observe, observe_attended};
pub use layout::{FrameExtent, PixelWindow, SimulatedRelease};
pub use mef_writer::{write_mef, write_mef_attended};
pub use optics::{qr3_wave_table, wave_table};
pub use options::{DefectRates, DetectorNoise, ExposureOptions, RealisticOptions};
pub use sky::{
    ExtendedSource, FieldOptions, LineSource, SimulatedSky, SimulatedStar, SurfaceProfile, ZodiModel,
};
pub use survey::{Pointing, SurveyOptions, survey};
pub use truth::write_truth;
