//! The flags that a file names, and the presets that hold them.

use std::path::Path;

use serde::Serialize;
use spx_core::flags::FlagSelection;
use spx_core::mef::MefFile;

use crate::PipelineError;

/// A flag of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlagListing {
    /// From 0.
    pub bit: u32,
    /// Its name.
    pub name: String,
    /// True where the file's own cards name it; otherwise it is of the built-in list, and other
    /// releases have it.
    pub in_file: bool,
    /// The presets of `--bad-flags` and `--exclude-flags` that hold it.
    pub presets: Vec<&'static str>,
}

/// The flags of a spectral image, by bit. Its pixels are not read.
///
/// # Errors
/// Where the file is not a spectral image; the message names the file and the HDU.
pub fn list_flags(path: &Path) -> Result<Vec<FlagListing>, PipelineError> {
    let file = MefFile::open(path)?;
    let names = &file.metadata().flag_names;
    let listing = |(bit, name): (u32, &str)| FlagListing {
        bit,
        name: name.to_owned(),
        in_file: names.is_stated(name),
        presets: FlagSelection::presets_with(name),
    };
    Ok(names.by_bit().into_iter().map(listing).collect())
}
