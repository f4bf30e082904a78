//! Images that stand in the file as plain numbers (FITS Standard 4.0, sections 3.3 and 4.4.2).

use super::error::FitsError;
use super::hdu::HduEntry;
use super::number::{FitsNumber, NumberType, Scaling, decode};
use super::source::ByteSource;

/// Bytes of an image that are read at a time, where they are converted.
const CHUNK: usize = 1 << 18;

/// The form of an image.
#[derive(Debug, Clone)]
pub(super) struct ImageLayout {
    /// Slowest axis first; empty where there are no data.
    pub(super) shape: Vec<usize>,
    pub(super) kind: NumberType,
    pub(super) scaling: Scaling,
    /// Byte of the file at which the pixels begin.
    pub(super) data: u64,
}

impl ImageLayout {
    /// From the header, whose data lie within the file.
    pub(super) fn new(hdu: &HduEntry) -> Result<Self, FitsError> {
        let mut shape = hdu.axes("NAXIS")?;
        shape.reverse();
        let kind = hdu.integer("BITPIX")?.and_then(NumberType::from_bitpix);
        let kind = kind.ok_or_else(|| hdu.invalid("BITPIX", "it is not a type of number"))?;
        Ok(Self { shape, kind, scaling: image_scaling(hdu, kind)?, data: hdu.data })
    }

    /// Fills `out` with pixels from number `first` on, which are there.
    pub(super) fn read<T: FitsNumber>(
        &self,
        source: &ByteSource,
        label: impl Fn() -> String,
        first: usize,
        out: &mut [T],
    ) -> Result<(), FitsError> {
        let size = self.kind.size();
        let mut bytes = vec![0; CHUNK.min(out.len() * size)];
        for (k, values) in out.chunks_mut(CHUNK / size).enumerate() {
            let before = first + k * (CHUNK / size);
            let bytes = &mut bytes[..values.len() * size];
            source.read_at(self.data + (before as u64) * (size as u64), bytes)?;
            decode(bytes, self.kind, &self.scaling, values).map_err(|index| FitsError::DoesNotFit {
                operation: "read pixels",
                hdu: label(),
                index: before + index,
            })?;
        }
        Ok(())
    }
}

/// BSCALE, BZERO and, of integers, BLANK.
pub(super) fn image_scaling(hdu: &HduEntry, kind: NumberType) -> Result<Scaling, FitsError> {
    Ok(Scaling {
        scale: hdu.real("BSCALE")?.unwrap_or(1.0),
        zero: hdu.real("BZERO")?.unwrap_or(0.0),
        null: if kind.is_real() { None } else { hdu.integer("BLANK")? },
    })
}
