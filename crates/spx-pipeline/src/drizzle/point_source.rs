//! A point source in the middle of the output, which exposures show through their own point spread
//! functions: drizzled as the pixels are, it is the point spread function of the cube.

use std::ops::Range;

use spx_core::image::SpectralImage;
use spx_drizzle::file::PointSourcePlace;
use spx_photometry::{ProfileTile, PsfModel, PsfZones};
use spx_wcs::OutputGrid;

use crate::calibration::Calibration;
use crate::frame::{Frame, FrameMaps};
use crate::inputs::InputError;

/// How much of the output is written around the source \[arcsec\]: what the functions of both
/// releases reach, and a kernel more.
const RADIUS: f64 = 7.0 * OutputGrid::NATIVE_SCALE;

/// Where the source lies in the output.
pub(super) fn place(grid: &OutputGrid) -> PointSourcePlace {
    let radius = RADIUS / grid.pixel_scale();
    let [ny, nx] = grid.shape();
    let middle = |n: usize| 0.5 * (n as f64 - 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of the grid")]
    let around = |n: usize| -> Range<usize> {
        let first = (middle(n) - radius).ceil().max(0.0) as usize;
        first..n - first
    };
    let center = grid.center();
    PointSourcePlace {
        position: [center.ra(), center.dec()],
        pixel: [middle(nx), middle(ny)],
        columns: around(nx),
        rows: around(ny),
    }
}

/// The point spread functions of an exposure: those of a calibration product, else its own.
pub(super) struct ExposurePsf<'a> {
    product: Option<&'a PsfModel>,
    own: Option<PsfModel>,
}

impl<'a> ExposurePsf<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// Where there are none, or they are damaged.
    pub(super) fn read(frame: &mut Frame, calibration: &'a Calibration) -> Result<Self, InputError> {
        let path = frame.metadata().path.clone();
        if let Some(product) = calibration.psf(frame.metadata().id.detector) {
            let product = product.load_psf().map_err(|e| InputError::new(&path, e))?;
            return Ok(Self { product: Some(product), own: None });
        }
        match frame.psf()? {
            Some(own) => Ok(Self { product: None, own: Some(own) }),
            None => {
                Err(InputError::new(&path, "planes = psf needs a point spread function, and there is none"))
            }
        }
    }

    /// What the pixels of the rows of an image hold of the source, in units of its light for each
    /// area of a pixel of the output. 0 where the source is out of reach.
    ///
    /// # Errors
    /// Where the cards of the image's place in the frame are not as they should be.
    pub(super) fn of_source(
        &self,
        grid: &OutputGrid,
        image: &SpectralImage,
        maps: &FrameMaps,
    ) -> Result<Vec<f32>, InputError> {
        let nx = image.metadata.shape[1];
        let mut values = vec![0.0; image.rows.len() * nx];
        let path = &image.metadata.path;
        let [x0, y0] = image.metadata.parent_offset().map_err(|e| InputError::new(path, e))?;
        let found = maps.celestial.sky_to_pixel(grid.center());
        let model = self.product.or(self.own.as_ref());
        let at = |[x, y]: [f64; 2]| model?.at([x + x0, y + y0], PsfZones::default());
        let Some(([x, y], psf)) = found.and_then(|pixel| Some((pixel, at(pixel)?))) else {
            return Ok(values);
        };
        let bounds = [within(x, psf.reach(), 0..nx), within(y, psf.reach(), image.rows.clone())];
        let mut tile = ProfileTile::default();
        psf.fill([x, y], bounds.clone(), &mut tile);
        let middle = grid.shape().map(|n| 0.5 * (n as f64 - 1.0));
        let area = grid.wcs().pixel_area(middle[1], middle[0]) / maps.celestial.pixel_area(x, y);
        let [columns, rows] = bounds;
        for y in rows {
            for x in columns.clone() {
                #[expect(clippy::cast_possible_truncation, reason = "as the fluxes of an image")]
                let value = (area * tile.at(x, y)) as f32;
                values[(y - image.rows.start) * nx + x] = value;
            }
        }
        Ok(values)
    }
}

/// The whole numbers of a range within a distance.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range")]
fn within(center: f64, distance: f64, range: Range<usize>) -> Range<usize> {
    let clamped = |v: f64| v.clamp(range.start as f64, range.end as f64) as usize;
    clamped((center - distance).ceil())..clamped((center + distance).floor() + 1.0)
}
