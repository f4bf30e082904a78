//! Packing the tiles of an image (FITS Standard 4.0, section 10): rows of RICE_1, and squares of a
//! plane, lossless by GZIP_2, or real numbers rounded to steps that the caller allows and coded by
//! RICE_1.

use std::borrow::Cow;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::dither::{Dither, quantize};
use super::error::FitsError;
use super::header_form::HeaderForm;
use super::number::{FitsNumber, NumberType, encode};
use super::rice;

/// Values of a block of RICE_1.
pub(super) const RICE_BLOCK: usize = 32;
/// Side of a square tile \[pixel\]: enough pixels to pack well, few enough to be unpacked for a
/// spectrum. They are the tiles in which a drizzle keeps its sums.
const TILE_SIDE: usize = 64;
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

/// Tiles of an image that are packed one after the other: rectangles of each plane.
#[derive(Debug)]
pub(super) struct OpenTiles {
    /// Rows and columns of a plane.
    pub(super) size: [usize; 2],
    pub(super) planes: usize,
    /// Rows and columns of a tile.
    pub(super) tile: [usize; 2],
    pub(super) packing: TilePacking,
    pub(super) kind: NumberType,
    pub(super) zero: i64,
    /// The rows of the table, one a tile that is written.
    pub(super) table: Vec<u8>,
    /// The longest of each column, packed.
    pub(super) longest: [usize; 2],
    /// Bytes of all of them, packed.
    pub(super) heap: usize,
}

impl OpenTiles {
    /// Rows and columns of tiles in a plane.
    fn per_plane(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis].div_ceil(self.tile[axis]))
    }

    pub(super) fn count(&self) -> usize {
        self.planes * self.per_plane().iter().product::<usize>()
    }

    /// Bytes of the table of all of them.
    pub(super) fn table_bytes(&self) -> usize {
        self.packing.width() * self.count()
    }

    /// Tiles that are written.
    pub(super) fn done(&self) -> usize {
        self.table.len() / self.packing.width()
    }

    /// The tile that is written next.
    pub(super) fn next(&self) -> TilePlace {
        let [rows, columns] = self.per_plane();
        let number = self.done();
        let (row, column) = (number / columns % rows * self.tile[0], number % columns * self.tile[1]);
        TilePlace {
            number,
            first: (number / (rows * columns) * self.size[0] + row) * self.size[1] + column,
            columns_before: column,
            lengths: [self.tile[0].min(self.size[0] - row), self.tile[1].min(self.size[1] - column)],
            columns_of_image: self.size[1],
        }
    }
}

/// Where a tile lies in its image.
#[derive(Debug, Clone, Copy)]
pub(super) struct TilePlace {
    pub(super) number: usize,
    /// Its first pixel in the image.
    pub(super) first: usize,
    /// Columns of the image before it.
    pub(super) columns_before: usize,
    /// Its rows and columns.
    pub(super) lengths: [usize; 2],
    pub(super) columns_of_image: usize,
}

impl TilePlace {
    pub(super) fn pixels(&self) -> usize {
        self.lengths.iter().product()
    }

    /// The pixel of the image that its k-th is.
    pub(super) fn pixel(&self, k: usize) -> usize {
        self.first + k / self.lengths[1] * self.columns_of_image + k % self.lengths[1]
    }

    /// Its pixels out of whole rows of the image, of which the first is its first.
    pub(super) fn of<'a, T: Copy>(&self, rows: &'a [T]) -> Cow<'a, [T]> {
        let ([height, width], columns) = (self.lengths, self.columns_before);
        if width == self.columns_of_image {
            return Cow::Borrowed(&rows[..height * width]);
        }
        let rows = rows.chunks_exact(self.columns_of_image).take(height);
        Cow::Owned(rows.flat_map(|row| &row[columns..columns + width]).copied().collect())
    }
}

/// Rows and columns of the tiles into which a writer packs planes of this shape, `[ny, nx]`:
/// squares of 64 pixels, smaller at the upper edges.
pub fn packed_tile([ny, nx]: [usize; 2]) -> [usize; 2] {
    [ny, nx].map(|length| length.clamp(1, TILE_SIDE))
}

/// A packed tile.
#[derive(Debug, Default)]
pub(super) struct PackedTile {
    pub(super) bytes: Vec<u8>,
    /// Scale and zero; `None` where the values stand as they are.
    pub(super) rounding: Option<[f64; 2]>,
}

/// Packs tiles, one after the other, in memory that it keeps: to take it anew for each takes longer
/// than to pack.
#[derive(Debug, Default)]
pub(super) struct TilePacker {
    /// Made for the first tile that needs it.
    deflate: Option<Compress>,
    plain: Vec<u8>,
    shuffled: Vec<u8>,
}

impl TilePacker {
    /// Packs values losslessly.
    ///
    /// # Errors
    /// The place of the first that does not fit the type.
    pub(super) fn pack<T: FitsNumber>(
        &mut self,
        values: &[T],
        packing: TilePacking,
        (kind, zero): (NumberType, i64),
    ) -> Result<PackedTile, PackingFault> {
        let bytes = match packing {
            TilePacking::Rice { bytes } => rice::encode(&integers(values, bytes, zero)?, bytes, RICE_BLOCK),
            TilePacking::Gzip | TilePacking::Rounded => {
                self.plain.clear();
                encode(values, kind, zero, &mut self.plain).map_err(PackingFault::DoesNotFit)?;
                if packing == TilePacking::Gzip {
                    shuffle(&self.plain, kind.size(), &mut self.shuffled);
                    std::mem::swap(&mut self.plain, &mut self.shuffled);
                }
                self.gzip()?
            }
        };
        Ok(PackedTile { bytes, rounding: None })
    }

    /// Packs real numbers rounded to multiples of the smallest of the steps that stand beside
    /// finite values; as they are where there is no step, or a value is infinite or too many steps
    /// away.
    pub(super) fn pack_rounded(
        &mut self,
        values: &[f32],
        steps: &[f32],
        tile: usize,
    ) -> Result<PackedTile, PackingFault> {
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
        self.pack(values, TilePacking::Rounded, (NumberType::F32, 0))
    }

    /// The plain bytes as a file of gzip (RFC 1952), without name and time, so that the same bytes
    /// give the same stream.
    fn gzip(&mut self) -> Result<Vec<u8>, PackingFault> {
        let bytes = &self.plain;
        let deflate = self.deflate.get_or_insert_with(|| Compress::new(Compression::new(LEVEL), false));
        deflate.reset();
        // Method 8, no flags, no time, the fastest algorithm, no system.
        let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
        // Bytes that do not pack become a little longer.
        out.reserve(bytes.len() + bytes.len() / 16 + 64);
        loop {
            let taken = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX);
            let status = deflate.compress_vec(&bytes[taken..], &mut out, FlushCompress::Finish);
            if status.map_err(std::io::Error::from)? == Status::StreamEnd {
                break;
            }
            out.reserve(bytes.len() / 2 + 64);
        }
        let mut sum = Crc::new();
        sum.update(bytes);
        out.extend(sum.sum().to_le_bytes());
        out.extend(sum.amount().to_le_bytes());
        Ok(out)
    }
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
fn shuffle(bytes: &[u8], size: usize, out: &mut Vec<u8>) {
    out.clear();
    match size {
        1 => out.extend_from_slice(bytes),
        2 => shuffle_numbers::<2>(bytes, out),
        4 => shuffle_numbers::<4>(bytes, out),
        _ => shuffle_numbers::<8>(bytes, out),
    }
}

/// The size is known to the compiler, which takes half the time.
fn shuffle_numbers<const SIZE: usize>(bytes: &[u8], out: &mut Vec<u8>) {
    let numbers = bytes.as_chunks::<SIZE>().0;
    for k in 0..SIZE {
        out.extend(numbers.iter().map(|number| number[k]));
    }
}

/// The next level takes more than twice the time for three parts in a hundred.
const LEVEL: u32 = 1;
