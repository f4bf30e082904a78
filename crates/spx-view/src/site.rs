//! What the server and its routes share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use spx_pipeline::cube::CubeFile;

/// What is served.
pub(crate) struct Site {
    /// At least one.
    pub(crate) cubes: Vec<ServedCube>,
    /// JSON.
    pub(crate) meta: String,
    /// CSV.
    pub(crate) catalog: Option<String>,
    /// The first part of every path.
    pub(crate) token: String,
    pub(crate) port: u16,
}

/// A cube that is served.
pub(crate) struct ServedCube {
    pub(crate) path: PathBuf,
    /// `[nz, ny, nx]`.
    pub(crate) shape: [usize; 3],
    /// For planes, which take long.
    pub(crate) planes: Arc<Mutex<CubeFile>>,
    /// For pixels and spectra, which do not wait for planes.
    pub(crate) points: Arc<Mutex<CubeFile>>,
}
