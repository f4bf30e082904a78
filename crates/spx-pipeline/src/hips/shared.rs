//! A HiPS whose cells are made one by one, by any number of processes.
//!
//! Tiles of a cell are written under a lock that any number of processes have at a time; what
//! follows from the tiles is made under one that a single process has, so that no tile changes
//! meanwhile. `properties` goes before a tile changes, and is written last.

use std::fs;
use std::path::Path;

use spx_core::detector::Detector;

use super::HipsReport;
use super::cells::{CellMaker, cell_grid};
use super::settings::{self, HipsConfig, HipsParameters};
use crate::drizzle::{CubeReport, mosaic_memory};
use crate::inputs::InputFile;
use crate::stages::{share_lock, wait_for_lock};
use crate::tiling::{SkyTile, TileOrder};
use crate::{Listener, PipelineError, ResultContext as _};

/// Memory of the pixels of a cell besides the drizzle \[bytes a pixel\].
const PIXEL_BYTES: u64 = 4;

/// Such a HiPS.
pub(crate) struct SharedHips<'a> {
    config: HipsConfig,
    parameters: HipsParameters,
    maker: CellMaker<'a>,
    listener: &'a dyn Listener,
}

/// Makes the directory of a HiPS, where it is not there.
///
/// # Errors
/// Usage, where one of other settings is there; interrupted.
pub(crate) fn prepare(config: &HipsConfig, listener: &dyn Listener) -> Result<(), PipelineError> {
    let root = config.output_dir.as_path();
    fs::create_dir_all(root).with_context(|| root.display().to_string())?;
    let _alone = wait_for_lock(root, listener)?;
    settings::settle(config).map(|_| ())
}

/// The order of the cells, and the detectors that see the range of wavelengths.
///
/// # Errors
/// Usage, where settings are wrong, or ask for a HiPS in color.
pub(crate) fn cells_of(config: &HipsConfig) -> Result<(TileOrder, Vec<Detector>), PipelineError> {
    if config.colors.is_some() {
        return Err(PipelineError::usage(
            "colors: a HiPS in color is made from three existing ones, by `spx hips`",
        ));
    }
    config.parameters().map(|parameters| (TileOrder::new(parameters.cell_order), parameters.detectors))
}

/// Upper bound of the memory that a cell of so many frames, of so many pixels at most, needs on one
/// thread \[bytes\].
///
/// # Errors
/// Usage, where settings are wrong.
pub(crate) fn cell_memory(
    config: &HipsConfig,
    cell: SkyTile,
    frames: (usize, u64),
) -> Result<u64, PipelineError> {
    let HipsParameters { order, cell_order, .. } = config.parameters()?;
    let grid = cell_grid(cell, cell_order, order)?;
    let pixels = (grid.nx() * grid.ny()) as u64;
    Ok(mosaic_memory(&config.mosaic(), Some(grid), frames)? + PIXEL_BYTES * pixels)
}

impl<'a> SharedHips<'a> {
    /// A HiPS in a directory that is [prepared](prepare).
    ///
    /// # Errors
    /// Usage, where settings are wrong, or calibration products are not to be had.
    pub(crate) fn new(config: HipsConfig, listener: &'a dyn Listener) -> Result<Self, PipelineError> {
        let parameters = config.parameters()?;
        let maker = CellMaker::new(&config, &parameters, listener)?;
        Ok(Self { config, parameters, maker, listener })
    }

    /// Makes the tiles of a cell of frames by time.
    ///
    /// # Errors
    /// Interrupted; what disk or memory refuse. A frame that cannot be read stands in the report.
    pub(crate) fn make(&self, cell: SkyTile, files: Vec<InputFile>) -> Result<CubeReport, PipelineError> {
        let drizzled = self.maker.drizzle(cell, files)?;
        let _shared = share_lock(self.root(), self.listener)?;
        self.maker.write(cell, &drizzled)?;
        Ok(drizzled.report)
    }

    /// Makes what follows from the tiles, where these or the pictures are other than before; of so
    /// many frames. Without tiles there is nothing to make.
    ///
    /// # Errors
    /// Interrupted; usage where the directory is of other settings; what the disk reports.
    pub(crate) fn finish(&self, frames: usize) -> Result<(), PipelineError> {
        let _alone = wait_for_lock(self.root(), self.listener)?;
        let known = settings::settle(&self.config)?;
        let mut report = HipsReport { order: self.parameters.order, frames, ..HipsReport::default() };
        match super::finish(&self.config, &self.parameters, known, &mut report, self.listener) {
            Err(PipelineError::NothingFound(_)) => Ok(()),
            done => done,
        }
    }

    fn root(&self) -> &Path {
        &self.config.output_dir
    }
}
