//! Exposures that come in several files.

use crate::Listener;
use crate::inputs::InputFile;

/// The same exposure in two files may be two cutouts of it, so both are used; but the user should know. Files are sorted.
pub(super) fn warn_of_duplicates(files: &[InputFile], listener: &dyn Listener) {
    let pairs: Vec<_> = files.windows(2).filter(|w| w[0].id == w[1].id).collect();
    if let Some(first) = pairs.first() {
        listener.warning(&format!(
            "{} files repeat an exposure, and all are used: {} and {} are both {}",
            pairs.len(),
            first[0].name,
            first[1].name,
            first[0].id
        ));
    }
}
