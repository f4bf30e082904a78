//! Files that commands write.

use std::io;
use std::path::Path;

use anyhow::Context as _;
use spx_core::atomic;

use crate::exit::Failure;

/// Writes a file, which appears only when it is complete.
///
/// # Errors
/// Usage where it is there and not to be replaced; otherwise what the disk says.
pub(crate) fn write(path: &Path, contents: &[u8], overwrite: bool) -> Result<(), Failure> {
    match atomic::write(path, contents, overwrite) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::exists(path)),
        other => Ok(other.with_context(|| path.display().to_string())?),
    }
}
