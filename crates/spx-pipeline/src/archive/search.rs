//! Asking the archive which images there are.

use spx_archive::{ArchiveClient, ArchiveError, SearchResult, Selection};
use spx_core::progress::Progress;

use crate::PipelineError;

/// More images than this are an error where nothing else is said; it protects from a download of
/// terabytes.
pub const MAX_IMAGES: usize = 500;

/// Searches by TAP, or by SIA2.
///
/// # Errors
/// Nothing found where there is no image; usage where there are more than the limit.
pub fn search(
    client: &ArchiveClient,
    selection: &Selection,
    sia: bool,
    progress: &dyn Progress,
) -> Result<SearchResult, PipelineError> {
    let found = match sia {
        true => client.search_sia(selection, progress),
        false => client.search(selection, progress),
    };
    let search = found.map_err(|error| match error {
        ArchiveError::TooMany { .. } => PipelineError::usage(error).with_hint("--max-images allows more"),
        other => other.into(),
    })?;
    if search.observations.is_empty() {
        return Err(PipelineError::nothing_found("the archive has no such image"));
    }
    Ok(search)
}
