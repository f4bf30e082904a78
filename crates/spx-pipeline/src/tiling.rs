//! Tiles of the sky: HEALPix cells, frames with their outlines, and which frames reach which tile.
//! Surveys and HiPS are made of them.

use twox_hash::XxHash3_128;

mod assign;
mod frames;
mod tiles;

pub(crate) use assign::frames_of_tiles;
pub(crate) use frames::find_frames;
pub use frames::{SurveyFrame, read_frames, write_frames};
pub(crate) use tiles::unit_vector;
pub use tiles::{SkyTile, TileOrder};

/// A text that changes with these bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("{:032x}", XxHash3_128::oneshot(bytes))
}
