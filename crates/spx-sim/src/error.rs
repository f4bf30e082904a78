//! What can go wrong in a simulation.

use std::io;
use std::path::{Path, PathBuf};

use spx_core::fits::FitsError;
use spx_core::progress::Progress;
use spx_core::sky::SkyError;
use spx_wcs::WcsError;
use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SimError {
    /// An option that makes no sense.
    #[error("{name} = {value}: {problem}")]
    Option {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The user asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A cutout that shares no pixel with the frame.
    #[error("the cutout around ({ra}, {dec}) does not overlap the frame of {id}")]
    NoOverlap {
        /// Right ascension of the center asked for \[deg\].
        ra: f64,
        /// Declination of the center asked for \[deg\].
        dec: f64,
        /// Observation and detector.
        id: String,
    },
    /// A position that leaves the sphere.
    #[error(transparent)]
    SimulatedSky(#[from] SkyError),
    /// A simulated header that cannot be read back.
    #[error("simulated header: {0}")]
    Wcs(#[from] WcsError),
    /// The FITS file cannot be written.
    #[error("{}: {source}", path.display())]
    Fits {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FitsError,
    },
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl SimError {
    /// The error of a FITS file; where the user has asked to stop, that.
    pub(crate) fn of_fits(path: &Path, source: FitsError, progress: &dyn Progress) -> Self {
        match source {
            _ if progress.cancelled() => Self::Cancelled,
            FitsError::Io(source) => Self::Io { path: path.to_owned(), source },
            source => Self::Fits { path: path.to_owned(), source },
        }
    }
}

/// Refuses an option unless it is fine.
pub(crate) fn check(
    fine: bool,
    name: &'static str,
    value: impl std::fmt::Debug,
    problem: &'static str,
) -> Result<(), SimError> {
    if fine { Ok(()) } else { Err(SimError::Option { name, value: format!("{value:?}"), problem }) }
}

/// [`SimError::Cancelled`] once the user has asked to stop.
pub(crate) fn check_cancelled(progress: &dyn Progress) -> Result<(), SimError> {
    if progress.cancelled() { Err(SimError::Cancelled) } else { Ok(()) }
}

/// An error once the user has asked to stop, which [`SimError::of_fits`] understands.
pub(crate) fn look(progress: &dyn Progress) -> Result<(), FitsError> {
    if progress.cancelled() { Err(io::Error::other("cancelled").into()) } else { Ok(()) }
}
