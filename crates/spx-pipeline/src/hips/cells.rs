//! Cells of the sky: the frames that reach each, and the tiles that they make.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rayon::prelude::*;
use spx_drizzle::CubeData as _;
use spx_wcs::OutputGrid;

use super::settings::{HipsConfig, HipsParameters};
use super::tile::{HipsTile, LEVELS, SIDE, corner, remove_file};
use crate::calibration::Calibration;
use crate::drizzle::{CubeReport, drizzle_mean};
use crate::inputs::InputFile;
use crate::newest::{InputSelection, NewestInputs, newest_inputs};
use crate::output::write_output;
use crate::settings::configuration_text;
use crate::tiling::{SkyTile, SurveyFrame, TileOrder, digest, find_frames, frames_of_tiles};
use crate::{Listener, PipelineError, ResultContext as _};

/// The cells that frames reach.
#[derive(Debug)]
pub(super) struct HipsCells {
    /// Each with its frames, by time.
    pub(super) list: Vec<(SkyTile, Vec<SurveyFrame>)>,
    /// All frames.
    pub(super) frames: usize,
    /// Inputs that could not even be opened.
    failed: Vec<String>,
}

/// What was made.
#[derive(Debug, Default)]
pub(super) struct MadeCells {
    pub(super) cells: usize,
    /// Inputs that could not be read.
    pub(super) failed: Vec<String>,
}

/// Finds the frames that see the range of wavelengths, and the cells that they reach.
///
/// # Errors
/// Nothing found, where there are none.
pub(super) fn find(
    config: &HipsConfig,
    parameters: &HipsParameters,
    listener: &dyn Listener,
) -> Result<HipsCells, PipelineError> {
    let (found, failed) = find_frames(&parameters.input, Vec::new(), listener)?;
    let files = found.iter().map(|frame| frame.file.clone()).collect();
    let selection = InputSelection {
        release: config.release,
        bands: parameters.detectors.clone(),
        ..InputSelection::default()
    };
    let NewestInputs { kept, damaged, .. } = newest_inputs(files, &selection)?;
    config.mosaic().check_flags(kept.iter().map(|file| file.path.as_path()))?;
    let kept: BTreeSet<PathBuf> = kept.into_iter().map(|file: InputFile| file.path).collect();
    let failed: Vec<_> = failed.into_iter().chain(damaged).map(|error| error.to_string()).collect();
    failed.iter().for_each(|error| listener.warning(error));
    if found.is_empty() {
        return Err(match failed.len() {
            0 => PipelineError::nothing_found("no spectral image (*.fits, *.fits.gz) in the inputs"),
            n => PipelineError::failed(format!("none of the {n} inputs could be used")),
        });
    }
    let frames: Vec<SurveyFrame> =
        found.into_iter().filter(|frame| kept.contains(&frame.file.path)).collect();
    let order = TileOrder::new(parameters.cell_order);
    let cells = match parameters.region {
        Some((center, radius)) => order.tiles_in_circle(center, radius),
        None => order.all(),
    };
    let rectangles = cells.iter().map(|cell| cell.rectangle()).collect::<Result<Vec<_>, _>>()?;
    let reached = frames_of_tiles(&rectangles, &frames);
    let list: Vec<_> = cells
        .into_iter()
        .zip(reached)
        .filter(|(_, frames)| !frames.is_empty())
        .map(|(cell, of_it)| (cell, of_it.into_iter().map(|k| frames[k as usize].clone()).collect()))
        .collect();
    if list.is_empty() {
        let (all, [min, max]) = (kept.len(), parameters.range);
        let text = format!("none of {all} frames that see {min} to {max} um reaches the region");
        return Err(PipelineError::nothing_found(text));
    }
    Ok(HipsCells { list, frames: frames.len(), failed })
}

/// Makes the tiles of the cells that are not up to date.
///
/// # Errors
/// As [`make_hips`](super::make_hips).
pub(super) fn make(
    config: &HipsConfig,
    parameters: &HipsParameters,
    cells: &HipsCells,
    listener: &dyn Listener,
) -> Result<MadeCells, PipelineError> {
    let maker = CellMaker::new(config, parameters, listener)?;
    let mut made = MadeCells { failed: cells.failed.clone(), ..MadeCells::default() };
    for (cell, frames) in &cells.list {
        let inputs = maker.inputs(frames);
        let record = config.output_dir.join("cells").join(cell.to_string());
        if fs::read_to_string(&record).is_ok_and(|text| text == inputs) {
            continue;
        }
        if listener.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let files = frames.iter().map(|frame| frame.file.clone()).collect();
        let drizzled = maker.drizzle(*cell, files)?;
        // Written last, once all is there again.
        remove_file(&record)?;
        maker.write(*cell, &drizzled)?;
        let failed = drizzled.report.failures();
        failed.iter().for_each(|problem| listener.warning(problem));
        made.cells += 1;
        if failed.is_empty() {
            fs::create_dir_all(config.output_dir.join("cells"))
                .with_context(|| record.display().to_string())?;
            write_output(&record, inputs.as_bytes(), true)?;
        }
        made.failed.extend(failed);
    }
    made.failed.sort();
    made.failed.dedup();
    Ok(made)
}

/// Makes the tiles of cells.
pub(super) struct CellMaker<'a> {
    config: HipsConfig,
    parameters: HipsParameters,
    settings: String,
    calibration: Calibration,
    listener: &'a dyn Listener,
}

/// A cell on its way to its tiles.
pub(super) struct DrizzledCell {
    /// Row-major `[y][x]` \[MJy/sr\], NaN where there are no data.
    plane: Vec<f32>,
    pub(super) report: CubeReport,
}

impl<'a> CellMaker<'a> {
    /// Looks for the calibration products.
    ///
    /// # Errors
    /// Usage, where they are not to be had.
    pub(super) fn new(
        config: &HipsConfig,
        parameters: &HipsParameters,
        listener: &'a dyn Listener,
    ) -> Result<Self, PipelineError> {
        let settings = configuration_text("", &config.shaping())?;
        let calibration = Calibration::find(&config.calibration.paths(), None);
        let calibration = calibration.map_err(PipelineError::into_usage)?;
        let (config, parameters) = (config.clone(), parameters.clone());
        Ok(Self { config, parameters, settings, calibration, listener })
    }

    /// What changes with the settings and the frames of a cell.
    fn inputs(&self, frames: &[SurveyFrame]) -> String {
        let mut text = self.settings.clone();
        for frame in frames {
            text.push_str(&format!("{} {}\n", frame.file.name, frame.bytes));
        }
        format!("{} {} frames\n", digest(text.as_bytes()), frames.len())
    }

    /// Drizzles frames, by time, onto a cell.
    pub(super) fn drizzle(
        &self,
        cell: SkyTile,
        files: Vec<InputFile>,
    ) -> Result<DrizzledCell, PipelineError> {
        let HipsParameters { order, cell_order, .. } = self.parameters;
        let grid = cell_grid(cell, cell_order, order)?;
        let side = grid.nx();
        let (drizzler, report) =
            drizzle_mean(&self.config.mosaic(), grid, files, &self.calibration, self.listener)?;
        let mut plane = vec![f32::NAN; side * side];
        if report.used > 0 {
            drizzler.science(0, &mut plane);
        }
        Ok(DrizzledCell { plane, report })
    }

    /// Writes the tiles of a cell, and removes those that were there and get no data. The HiPS is
    /// then not complete any more.
    pub(super) fn write(
        &self,
        cell: SkyTile,
        DrizzledCell { plane, .. }: &DrizzledCell,
    ) -> Result<(), PipelineError> {
        let root = self.config.output_dir.as_path();
        remove_file(&root.join("properties"))?;
        let HipsParameters { order, cell_order, .. } = self.parameters;
        let levels = order - cell_order;
        let side = SIDE << levels;
        let tiles: Vec<u64> = (0..1u64 << (2 * levels)).collect();
        tiles.par_iter().try_for_each(|k| {
            let tile = HipsTile { order, index: (cell.index() << (2 * levels)) + k };
            let pixels = cut(plane, side, corner(*k, side / SIDE));
            if pixels.iter().any(|value| value.is_finite()) {
                return tile.write(root, &pixels);
            }
            tile.remove(root)
        })
    }
}

/// The pixels of a cell.
pub(super) fn cell_grid(cell: SkyTile, cell_order: u8, order: u8) -> Result<OutputGrid, PipelineError> {
    OutputGrid::healpix(cell_order, cell.index(), order + LEVELS).map_err(PipelineError::failed)
}

/// The pixels of a tile of a plane of `side` x `side`.
fn cut(plane: &[f32], side: usize, [column, row]: [usize; 2]) -> Vec<f32> {
    let first = row * SIDE * side + column * SIDE;
    (0..SIDE).flat_map(|y| &plane[first + y * side..][..SIDE]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the grids of the tiles themselves.
    #[test]
    fn tiles_are_cut_where_their_grids_lie() {
        let cell = OutputGrid::healpix(3, 300, 6 + LEVELS).unwrap();
        for k in [0, 1, 2, 27, 63] {
            let tile = OutputGrid::healpix(6, (300 << 6) + k, 6 + LEVELS).unwrap();
            let [column, row] = corner(k, 8);
            let [ra, dec] = tile.wcs().pixel_to_sky(3.0, 500.0);
            let (x, y) = ((column * SIDE + 3) as f64, (row * SIDE + 500) as f64);
            let [a, b] = cell.wcs().pixel_to_sky(x, y);
            assert!((a - ra).abs() < 1e-9 && (b - dec).abs() < 1e-9, "{k}: {a} {b} for {ra} {dec}");
        }
        let plane: Vec<f32> = (0..1024 * 1024).map(|k| k as f32).collect();
        let pixels = cut(&plane, 1024, [1, 0]);
        assert_eq!((pixels[0], pixels[SIDE], pixels.len()), (512.0, 1536.0, SIDE * SIDE));
    }
}
