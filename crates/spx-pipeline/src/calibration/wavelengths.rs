//! The wavelengths of an exposure: by the calibration product where there is one, else by the table
//! in the file.

use spx_core::detector::Detector;
use spx_core::map::{Passband, WavelengthMap};
use spx_core::release::WavelengthSource;
use spx_wcs::WaveTable;

use super::LoadedProduct;

/// Wavelength and bandwidth of each pixel of an exposure.
#[derive(Debug)]
pub struct FrameWavelengths {
    table: WaveTable,
    /// What is added to the central wavelengths of the table \[um\].
    shift: f64,
    product: Option<LoadedProduct>,
    /// Pixel of the full frame at which pixel (0, 0) lies.
    offset: [f64; 2],
}

impl FrameWavelengths {
    /// The table of a file, `shifted` to the scale of pipeline 7 where it is to be, and the product
    /// of its detector. `offset` is the pixel of the full frame at which pixel (0, 0) lies.
    pub fn new(
        table: WaveTable,
        product: Option<LoadedProduct>,
        offset: [f64; 2],
        shifted: bool,
        detector: Detector,
    ) -> Self {
        let shift = if shifted { WavelengthSource::shift_of_pipeline_6(detector) } else { 0.0 };
        Self { table, shift, product, offset }
    }

    /// Where most of the wavelengths come from.
    pub fn source(&self) -> WavelengthSource {
        match (&self.product, self.shift) {
            (Some(_), _) => WavelengthSource::Calibration,
            (None, 0.0) => WavelengthSource::Table,
            (None, _) => WavelengthSource::Shifted,
        }
    }

    /// The passband at a position on the image, and where it comes from: the table where the
    /// product has no value.
    pub fn at(&self, x: f64, y: f64) -> (Passband, WavelengthSource) {
        let parent = [x + self.offset[0], y + self.offset[1]];
        if let Some(passband) = self.product.as_ref().and_then(|product| product.passband(parent)) {
            return (passband, WavelengthSource::Calibration);
        }
        let Passband { center, width } = self.table.passband(x, y);
        let source = if self.shift == 0.0 { WavelengthSource::Table } else { WavelengthSource::Shifted };
        (Passband { center: center + self.shift, width }, source)
    }
}

impl WavelengthMap for FrameWavelengths {
    fn passband(&self, x: f64, y: f64) -> Passband {
        self.at(x, y).0
    }

    fn passband_row(&self, x0: f64, y: f64, out: &mut [Passband]) {
        if self.product.is_none() {
            self.table.passband_row(x0, y, out);
            out.iter_mut().for_each(|band| band.center += self.shift);
            return;
        }
        for (band, k) in out.iter_mut().zip(0_i32..) {
            *band = self.passband(x0 + f64::from(k), y);
        }
    }
}
