//! Asks a FITS file for everything that can be asked of it.

use spx_core::fits::{FitsError, FitsReader};

/// The most elements of an image that are read at once.
const MOST: usize = 1 << 22;

/// Reads all headers, images and columns of a file, and compares its sums.
///
/// # Errors
/// The first.
pub(crate) fn read_everything(file: &mut FitsReader) -> Result<(), FitsError> {
    for hdu in 0..file.hdu_count()? {
        file.move_to_index(hdu)?;
        match file.image_shape() {
            Ok(shape) => {
                let none = shape.is_empty() || shape.contains(&0);
                let count: usize = if none { 0 } else { shape.iter().product() };
                file.mapped_image::<f32>()?;
                let mut pixels = vec![0f64; count.min(MOST)];
                file.read_pixels(count - pixels.len(), &mut pixels)?;
            }
            Err(FitsError::NotAnImage { .. }) => read_table(file)?,
            Err(error) => return Err(error),
        }
        file.header()?;
        file.verify_checksum()?;
    }
    Ok(())
}

fn read_table(file: &mut FitsReader) -> Result<(), FitsError> {
    let (columns, rows) = match file.columns() {
        Err(FitsError::NotATable { .. }) => return Ok(()),
        columns => (columns?, file.table_rows()?),
    };
    for column in columns {
        for row in 0..rows.min(100) {
            match file.read_cell::<f64>(&column.name, row) {
                Ok(_) => {}
                Err(FitsError::Unsupported(_)) => {
                    let text = file.read_text_column(&column.name, row, 1);
                    if !matches!(text, Err(FitsError::Unsupported(_))) {
                        text?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
