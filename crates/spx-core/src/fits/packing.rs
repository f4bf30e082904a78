//! Packing the tiles of an image (FITS Standard 4.0, section 10): rows of RICE_1, and bands of rows
//! of a plane, lossless by GZIP_2, or real numbers rounded to steps that the caller allows and
//! coded by RICE_1.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::dither::{Dither, quantize};
use super::error::FitsError;
use super::header_form::HeaderForm;
use super::number::{FitsNumber, NumberType, encode};
use super::rice;

/// Values of a block of RICE_1.
pub(super) const RICE_BLOCK: usize = 32;
/// Pixels that a tile has, about: enough to pack well, few enough to be unpacked for a spectrum.
const TILE_PIXELS: usize = 1 << 12;
/// How rounded values are dithered.
pub(super) const DITHER: Dither = Dither::Subtractive { zeros: false, seed: 1 };
/// What stands for NaN among rounded values.
pub(super) const NULL: i32 = i32::MIN;

/// How the tiles of an image are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TilePacking {
    /// RICE_1, lossless, of integers of so many bytes.
    Rice { bytes: usize },
    /// GZIP_2, lossless.
    Gzip,
    /// RICE_1 of rounded values; tiles that cannot be rounded are gzipped as they are.
    Rounded,
}

impl TilePacking {
    /// Descriptors, scale and zero of a row of the table \[bytes\].
    pub(super) fn width(self) -> usize {
        if self == Self::Rounded { 32 } else { 8 }
    }

    /// Columns of the table, by their names.
    pub(super) fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rounded => &[
                ("COMPRESSED_DATA", "1PB(0)"),
                ("GZIP_COMPRESSED_DATA", "1PB(0)"),
                ("ZSCALE", "1D"),
                ("ZZERO", "1D"),
            ],
            Self::Rice { .. } | Self::Gzip => &[("COMPRESSED_DATA", "1PB(0)")],
        }
    }

    /// Cards of the method.
    pub(super) fn cards(self, form: &mut HeaderForm) {
        let rice = |form: &mut HeaderForm, bytes: usize| {
            form.text("ZCMPTYPE", "RICE_1", "compression algorithm");
            form.text("ZNAME1", "BLOCKSIZE", "compression block size");
            form.count("ZVAL1", RICE_BLOCK, "pixels per block");
            form.text("ZNAME2", "BYTEPIX", "bytes per pixel (1, 2, 4, or 8)");
            form.count("ZVAL2", bytes, "bytes per pixel (1, 2, 4, or 8)");
        };
        match self {
            Self::Rice { bytes } => rice(form, bytes),
            Self::Gzip => form.text("ZCMPTYPE", "GZIP_2", "compression algorithm"),
            Self::Rounded => {
                rice(form, 4);
                form.text("ZQUANTIZ", "SUBTRACTIVE_DITHER_1", "dithering of rounded values");
                form.integer("ZDITHER0", 1, "first of the random numbers");
                form.integer("ZBLANK", NULL.into(), "what stands for NaN");
            }
        }
    }
}

/// Tiles of an image that are packed one after the other: bands of rows of each plane.
#[derive(Debug)]
pub(super) struct OpenTiles {
    /// Of a plane.
    pub(super) size: [usize; 2],
    pub(super) planes: usize,
    /// Rows of a tile.
    pub(super) rows: usize,
    pub(super) packing: TilePacking,
    pub(super) kind: NumberType,
    pub(super) zero: i64,
    /// Tiles that are written.
    pub(super) done: usize,
    /// The longest of each column, packed.
    pub(super) longest: [usize; 2],
    /// Bytes of all of them, packed.
    pub(super) heap: usize,
}

impl OpenTiles {
    /// Tiles of a plane.
    pub(super) fn bands(&self) -> usize {
        self.size[0].div_ceil(self.rows)
    }

    pub(super) fn count(&self) -> usize {
        self.planes * self.bands()
    }

    /// First pixel and number of pixels of the next tile.
    pub(super) fn next(&self) -> [usize; 2] {
        let [ny, nx] = self.size;
        let (plane, row) = (self.done / self.bands(), self.done % self.bands() * self.rows);
        [(plane * ny + row) * nx, self.rows.min(ny - row) * nx]
    }
}

/// Rows of the tiles, which hold about 4096 pixels, into which a writer packs a plane of this
/// shape.
pub fn packed_tile_rows([ny, nx]: [usize; 2]) -> usize {
    (TILE_PIXELS / nx.max(1)).clamp(1, ny.max(1))
}

/// A packed tile.
#[derive(Debug, Default)]
pub(super) struct PackedTile {
    pub(super) bytes: Vec<u8>,
    /// Scale and zero; `None` where the values stand as they are.
    pub(super) rounding: Option<[f64; 2]>,
}

/// Packs values losslessly.
///
/// # Errors
/// The place of the first that does not fit the type.
pub(super) fn pack<T: FitsNumber>(
    values: &[T],
    packing: TilePacking,
    (kind, zero): (NumberType, i64),
) -> Result<PackedTile, PackingFault> {
    let bytes = match packing {
        TilePacking::Rice { bytes } => rice::encode(&integers(values, bytes, zero)?, bytes, RICE_BLOCK),
        TilePacking::Gzip | TilePacking::Rounded => {
            let mut bytes = Vec::new();
            encode(values, kind, zero, &mut bytes).map_err(PackingFault::DoesNotFit)?;
            let plain = packing == TilePacking::Rounded;
            // Of double precision most bytes are noise, in which nothing is to be found.
            let level = if kind.size() == 8 { LEVEL_OF_NOISE } else { LEVEL };
            gzip(if plain { bytes } else { shuffle(&bytes, kind.size()) }, level)?
        }
    };
    Ok(PackedTile { bytes, rounding: None })
}

/// Packs real numbers rounded to multiples of the smallest of the steps that stand beside finite
/// values; as they are where there is no step, or a value is infinite or too many steps away.
pub(super) fn pack_rounded(values: &[f32], steps: &[f32], tile: usize) -> Result<PackedTile, PackingFault> {
    let finite = || values.iter().zip(steps).filter(|(value, _)| value.is_finite());
    let steps = finite().map(|(_, step)| *step).filter(|step| *step > 0.0);
    let step = steps.fold(f32::INFINITY, f32::min);
    let least = finite().fold(f32::INFINITY, |least, (value, _)| least.min(*value));
    let rounding = [f64::from(step), f64::from(least)];
    if step.is_finite()
        && least.is_finite()
        && let Some(numbers) = quantize(values, rounding, NULL, tile)
    {
        return Ok(PackedTile { bytes: rice::encode(&numbers, 4, RICE_BLOCK), rounding: Some(rounding) });
    }
    pack(values, TilePacking::Rounded, (NumberType::F32, 0))
}

/// Why a tile cannot be packed.
pub(super) enum PackingFault {
    /// The value at this place does not fit the type.
    DoesNotFit(usize),
    Other(FitsError),
}

impl From<std::io::Error> for PackingFault {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.into())
    }
}

/// Integers of so many bytes, `zero` subtracted.
fn integers<T: FitsNumber>(values: &[T], bytes: usize, zero: i64) -> Result<Vec<i32>, PackingFault> {
    let number = |(place, value): (usize, &T)| {
        let number =
            value.to_integer().and_then(|number| number.checked_sub(zero)).filter(|&number| match bytes {
                1 => (0..256).contains(&number),
                2 => i16::try_from(number).is_ok(),
                _ => true,
            });
        number.and_then(|number| i32::try_from(number).ok()).ok_or(PackingFault::DoesNotFit(place))
    };
    values.iter().enumerate().map(number).collect()
}

/// The highest bytes of all numbers, then the next ones.
fn shuffle(bytes: &[u8], size: usize) -> Vec<u8> {
    match size {
        1 => bytes.to_vec(),
        2 => shuffle_numbers::<2>(bytes),
        4 => shuffle_numbers::<4>(bytes),
        _ => shuffle_numbers::<8>(bytes),
    }
}

/// The size is known to the compiler, which takes half the time.
fn shuffle_numbers<const SIZE: usize>(bytes: &[u8]) -> Vec<u8> {
    let numbers = bytes.as_chunks::<SIZE>().0;
    let mut out = vec![0; bytes.len()];
    for (k, plane) in out.chunks_exact_mut(numbers.len().max(1)).enumerate() {
        plane.iter_mut().zip(numbers).for_each(|(out, number)| *out = number[k]);
    }
    out
}

/// Without name and time, so that the same bytes give the same stream.
fn gzip(bytes: Vec<u8>, level: u32) -> Result<Vec<u8>, PackingFault> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(&bytes)?;
    Ok(encoder.finish()?)
}

/// Higher levels take twice the time for one part in a hundred.
const LEVEL: u32 = 4;
/// A third of the time for one part in forty.
const LEVEL_OF_NOISE: u32 = 1;
