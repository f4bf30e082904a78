//! HiPS: the sky as a hierarchy of HEALPix tiles (Fernique et al. 2017, IVOA Recommendation HiPS
//! 1.0), onto whose pixels exposures are drizzled without another resampling.
//!
//! [`make_hips`] cuts the sky into cells, drizzles the frames that reach each onto the pixels of
//! its tiles, and makes the orders above by averaging. The directory is one that Aladin and other
//! clients read:
//!
//! | file | |
//! |---|---|
//! | `Norder<k>/Dir<d>/Npix<n>.fits`, `.png` | tile n of order k: 512 x 512 pixels [MJy/sr], and its picture |
//! | `Norder3/Allsky.fits`, `.png` | all tiles of order 3, small |
//! | `Moc.fits` | where there are data |
//! | `properties` | what the standard asks for; written last |
//! | `hips.toml` | the settings |
//! | `zodi/` | fits of the zodiacal light, a file for each frame, for the cells that share it |
//! | `cells/<cell>` | what the tiles of a cell were made of, written after them |
//!
//! A run over more frames makes only the tiles of cells that they reach, and those above. One that
//! was killed goes on where it was.

mod cells;
mod color;
mod coverage;
mod hierarchy;
mod picture;
mod properties;
mod settings;
mod shared;
mod tile;

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, io};

use serde::Serialize;
use spx_core::atomic;

pub use picture::PixelCut;
pub use settings::HipsConfig;
pub(crate) use shared::{SharedHips, cell_memory, cells_of, prepare};
pub use tile::HipsTile;

use self::hierarchy::HipsLevels;
use self::picture::PictureStyle;
use self::settings::{HipsParameters, KnownPictures};
use crate::forecast::WorkForecast;
use crate::output::check_directory;
use crate::stages::lock;
use crate::{Listener, PipelineError, ResultContext as _};

/// What a run has made.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HipsReport {
    /// The directory.
    pub directory: PathBuf,
    /// Order of the finest tiles.
    pub order: u8,
    /// Frames that see the range of wavelengths.
    pub frames: usize,
    /// Cells that frames reach.
    pub cells: usize,
    /// Of these, cells that this run has made; the others were up to date.
    pub made: usize,
    /// Tiles of the finest order.
    pub tiles: usize,
    /// Share of the sky with data.
    pub coverage: f64,
    /// Values that are black and white in the pictures [MJy/sr].
    pub cut: PixelCut,
    /// Inputs that could not be read.
    pub failed: Vec<String>,
    /// How long it took \[s\].
    pub seconds: f64,
}

/// Makes a HiPS of the inputs, or brings one up to date; of three that are there, one in color.
///
/// # Errors
/// Usage where settings are wrong, or the directory has a HiPS of other settings; nothing found
/// where no input sees the range of wavelengths and the region; interrupted; otherwise what the
/// disk or the memory refuses. An input that cannot be read stands in the report, and the cells
/// that it reaches are made again until it can.
pub fn make_hips(config: &HipsConfig, listener: &dyn Listener) -> Result<HipsReport, PipelineError> {
    check_directory(&config.output_dir)?;
    if let Some(colors) = &config.colors {
        return color::make(config, colors, listener);
    }
    let start = Instant::now();
    let parameters = config.parameters()?;
    parameters.tell(config, listener);
    let root = config.output_dir.as_path();
    let cells = cells::find(config, &parameters, listener)?;
    fs::create_dir_all(root).with_context(|| root.display().to_string())?;
    let _lock = lock(root)?;
    let known = settings::settle(config)?;
    let made = cells::make(config, &parameters, &cells, listener)?;
    let mut report = HipsReport {
        directory: root.to_owned(),
        order: parameters.order,
        frames: cells.frames,
        cells: cells.list.len(),
        made: made.cells,
        failed: made.failed,
        ..HipsReport::default()
    };
    finish(config, &parameters, known, &mut report, listener)?;
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// What [`make_hips`] would do. Nothing is written.
///
/// # Errors
/// As that.
pub fn forecast_hips(config: &HipsConfig, listener: &dyn Listener) -> Result<WorkForecast, PipelineError> {
    check_directory(&config.output_dir)?;
    let forecast = WorkForecast::of(&config.output_dir);
    if let Some(colors) = &config.colors {
        let order = color::check(config, colors)?;
        return Ok(WorkForecast { products: vec![format!("color pictures of order {order}")], ..forecast });
    }
    let parameters = config.parameters()?;
    parameters.tell(config, listener);
    settings::compare(config)?;
    let cells = cells::find(config, &parameters, listener)?;
    let HipsParameters { order, cell_order, .. } = parameters;
    let memory = cells.list.iter().map(|(cell, frames)| {
        let pixels = frames.iter().map(|frame| (frame.file.shape[0] * frame.file.shape[1]) as u64);
        cell_memory(config, *cell, (frames.len(), pixels.max().unwrap_or_default()))
    });
    let memory = memory.collect::<Result<Vec<u64>, _>>()?.into_iter().max();
    let product = format!("tiles of order {order}, of {} cells of order {cell_order}", cells.list.len());
    Ok(WorkForecast {
        images: cells.frames,
        at_hand: cells.frames,
        products: vec![product],
        memory_bytes: memory,
        ..forecast
    })
}

/// Makes what follows from the finest tiles, where they or the pictures are other than before.
fn finish(
    config: &HipsConfig,
    parameters: &HipsParameters,
    known: KnownPictures,
    report: &mut HipsReport,
    listener: &dyn Listener,
) -> Result<(), PipelineError> {
    let (root, order) = (config.output_dir.as_path(), parameters.order);
    if let (Some(coverage), Some(cut), false) = (properties::coverage(root), known.cut, known.redraw) {
        (report.coverage, report.cut) = (coverage, cut);
        report.tiles = HipsTile::list(root, order)?.len();
        return Ok(());
    }
    remove_leftovers(root).with_context(|| root.display().to_string())?;
    hierarchy::complete(root, order, listener)?;
    let levels = HipsLevels::find(root, order)?;
    report.tiles = levels.finest().len();
    if report.tiles == 0 {
        return Err(PipelineError::nothing_found("none of the frames has a usable pixel in this range"));
    }
    report.cut = match known.cut {
        Some(cut) => cut,
        None => picture::find_cut(root, &levels, config.stretch)?,
    };
    listener.detail(&format!("pictures: {} from {} MJy/sr, {}", config.stretch, report.cut, config.colormap));
    let style = PictureStyle { colormap: config.colormap, stretch: config.stretch, cut: report.cut };
    picture::draw(root, &levels, (style, known.redraw), listener)?;
    settings::note(config, report.cut)?;
    report.coverage = coverage::write(root, order, levels.finest(), |tile| tile.read(root))?;
    properties::write(config, report, levels.finest(), properties::lines_of_range(parameters, report))
}

/// Removes what killed processes have left in the directory and those of its tiles, where nobody
/// else writes now.
fn remove_leftovers(root: &Path) -> io::Result<()> {
    atomic::remove_all_leftovers(root)?;
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("Norder") {
            atomic::remove_all_leftovers(&entry.path())?;
            for tiles in fs::read_dir(entry.path())?.filter_map(Result::ok).filter(|e| e.path().is_dir()) {
                atomic::remove_all_leftovers(&tiles.path())?;
            }
        }
    }
    Ok(())
}
