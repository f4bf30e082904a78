//! What a spectral image holds.

mod flags;
mod hdus;
mod summary;

use std::path::Path;

use spx_core::image::PixelPlanes;

pub use flags::{FlagListing, list_flags};
pub use hdus::{HduContent, HduListing};
pub use summary::{
    FlagCount, ImageSky, ImageSummary, ImageTimes, NotFiniteCounts, ValueExtent, ZodiScaleReport,
};

use crate::PipelineError;

/// Reads a spectral image whole and sums it up; the memory of `planes` is used, and given back for
/// the next file.
///
/// # Errors
/// Where the file is not a spectral image; the message names the file and the HDU.
pub fn inspect(path: &Path, planes: &mut PixelPlanes) -> Result<ImageSummary, PipelineError> {
    let hdus = hdus::list(path)?;
    let (summary, used) = ImageSummary::read(path, hdus, std::mem::take(planes))?;
    *planes = used;
    Ok(summary)
}
