//! Where there are data: a MOC (Fernique et al. 2022, IVOA Recommendation MOC 2.0), of cells of 64
//! x 64 pixels, and larger ones where all of their parts are in it.

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;
use spx_core::atomic::AtomicFile;
use spx_core::fits::{ColumnSpec, FitsError, FitsWriter};
use spx_core::header::Header;

use super::tile::{HipsTile, SIDE, corner};
use crate::{PipelineError, ResultContext as _};

/// Orders between a tile and the cells.
const LEVELS: u8 = 3;
/// Cells along a side of a tile.
const CELLS: usize = 1 << LEVELS;
/// Pixels along a side of a cell.
const PIXELS: usize = SIDE / CELLS;

/// Writes `Moc.fits` of the tiles of an order, and gives the share of the sky that it holds.
///
/// # Errors
/// What the disk reports.
pub(super) fn write(
    root: &Path,
    order: u8,
    tiles: &[HipsTile],
    read: impl Fn(&HipsTile) -> Result<Vec<f32>, PipelineError> + Sync,
) -> Result<f64, PipelineError> {
    let cells: Result<Vec<Vec<u64>>, PipelineError> =
        tiles.par_iter().map(|tile| Ok(cells_with_data(tile.index, &read(tile)?))).collect();
    let cells: BTreeSet<u64> = cells?.into_iter().flatten().collect();
    let order = order + LEVELS;
    let share = cells.len() as f64 / (12 * (1u64 << (2 * order))) as f64;
    let numbers = unique_numbers(order, cells);
    let path = root.join("Moc.fits");
    write_table(&path, order, &numbers)?;
    Ok(share)
}

/// The cells of a tile that hold a pixel with data.
fn cells_with_data(tile: u64, pixels: &[f32]) -> Vec<u64> {
    let has_data = |k: &u64| {
        let [column, row] = corner(*k, CELLS);
        let first = row * PIXELS * SIDE + column * PIXELS;
        (0..PIXELS).any(|y| pixels[first + y * SIDE..][..PIXELS].iter().any(|value| value.is_finite()))
    };
    (0..(CELLS * CELLS) as u64).filter(has_data).map(|k| (tile << (2 * LEVELS)) + k).collect()
}

/// Order and number of the cells in one number each, 4 * 4^order + number, four that make a larger
/// one replaced by it; sorted.
fn unique_numbers(order: u8, mut cells: BTreeSet<u64>) -> Vec<i64> {
    let mut found = Vec::new();
    for order in (0..=order).rev() {
        let whole: BTreeSet<u64> = cells
            .iter()
            .filter(|cell| order > 0 && *cell % 4 == 0 && (1..4).all(|k| cells.contains(&(*cell + k))))
            .map(|cell| cell / 4)
            .collect();
        let alone = cells.iter().filter(|cell| !whole.contains(&(*cell / 4)) || order == 0);
        found.extend(alone.map(|cell| (4u64 << (2 * order)) + cell));
        cells = whole;
    }
    found.sort_unstable();
    found.into_iter().filter_map(|number| i64::try_from(number).ok()).collect()
}

fn write_table(path: &Path, order: u8, numbers: &[i64]) -> Result<(), PipelineError> {
    let context = || path.display().to_string();
    let mut cards = Header::new();
    cards
        .set("MOCVERS", "2.0", "version of the standard")
        .set("MOCDIM", "SPACE", "")
        .set("PIXTYPE", "HEALPIX", "")
        .set("ORDERING", "NUNIQ", "4 * 4^order + number")
        .set("COORDSYS", "C", "ICRS")
        .set("MOCORD_S", i64::from(order), "finest order")
        .set("MOCORDER", i64::from(order), "finest order, as MOC 1.1 has it")
        .set("MOCTOOL", concat!("spx ", env!("CARGO_PKG_VERSION")), "");
    let file = AtomicFile::new(path, true).with_context(context)?;
    let write = || -> Result<(), FitsError> {
        let mut fits = FitsWriter::create(file.path())?;
        let column = ColumnSpec { name: "UNIQ", format: "1K", unit: "", dim: None };
        fits.table("MOC", numbers.len(), &[column], &cards)?;
        fits.write_column("UNIQ", 0, numbers)?;
        fits.checksum()?;
        fits.finish()
    };
    write().with_context(context)?;
    file.commit().with_context(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_parts_make_a_whole() {
        let cells = |numbers: &[u64]| unique_numbers(2, numbers.iter().copied().collect());
        assert_eq!(cells(&[0, 1, 2]), [64, 65, 66]);
        assert_eq!(cells(&[0, 1, 2, 3, 5]), [16, 69]);
        assert_eq!(cells(&(0..16).collect::<Vec<_>>()), [4]);
        assert_eq!(cells(&(16..32).chain([191]).collect::<Vec<_>>()), [5, 255]);
    }
}
