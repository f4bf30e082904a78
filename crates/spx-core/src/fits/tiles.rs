//! Tile-compressed images (FITS Standard 4.0, section 10): RICE_1, GZIP_1, GZIP_2 and NOCOMPRESS,
//! of integers, of real numbers and of quantized ones. HCOMPRESS_1 and PLIO_1 are refused.
//!
//! Nothing is allocated that the packed bytes could not fill: a header that declares more pixels
//! than its data can hold is refused.

use std::collections::VecDeque;
use std::io::Read as _;
use std::ops::Range;

use super::dither::{Dither, restore};
use super::error::FitsError;
use super::hdu::HduEntry;
use super::image::image_scaling;
use super::number::{FitsNumber, NumberType, Scaling, decode};
use super::packing::{DITHER, OpenTiles, RICE_BLOCK, TilePacking};
use super::rice;
use super::source::{ByteSource, DEFLATE_RATIO};
use super::table::TableLayout;

/// A column of packed tiles.
const PACKED: &str = "COMPRESSED_DATA";
/// Tiles of real numbers that were not quantized, gzipped.
const PACKED_REAL: &str = "GZIP_COMPRESSED_DATA";
/// Tiles as they are.
const UNPACKED: &str = "UNCOMPRESSED_DATA";

/// Pixels of the tiles that stay unpacked: a row of squares of 64 of an image of 4096 columns.
const RECENT_PIXELS: usize = 1 << 18;

/// How tiles are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TileMethod {
    Rice { bytes: usize, block: usize },
    Gzip { shuffled: bool },
    None,
}

/// A tile's numbers.
#[derive(Debug, Clone)]
enum TileNumbers {
    Integers(Vec<i32>),
    Bytes(Vec<u8>, NumberType),
}

/// A row of the table of tiles.
pub(super) struct PackedRow {
    /// Its bytes.
    pub(super) row: Vec<u8>,
    /// Which of its columns tells where the tile is.
    pub(super) column: usize,
    /// Where in the file it is.
    pub(super) place: Range<u64>,
}

/// A tile-compressed image.
#[derive(Debug, Clone)]
pub(super) struct TiledImage {
    /// Slowest axis first.
    pub(super) shape: Vec<usize>,
    /// Fastest axis first.
    axes: Vec<usize>,
    /// Lengths of a tile, fastest axis first.
    tile: Vec<usize>,
    method: TileMethod,
    kind: NumberType,
    /// BSCALE, BZERO and the null of integers.
    scaling: Scaling,
    /// ZSCALE and ZZERO of quantized real numbers, where they are cards.
    quantized: Option<[f64; 2]>,
    /// ZBLANK or BLANK where it is a card.
    null: Option<i64>,
    dither: Dither,
    table: TableLayout,
    label: String,
    /// The tiles that were unpacked last: who reads row by row asks for a row of tiles again and
    /// again.
    recent: VecDeque<(usize, TileNumbers)>,
}

impl TiledImage {
    /// From the header, whose data lie within the file.
    pub(super) fn new(hdu: &HduEntry) -> Result<Self, FitsError> {
        let table = TableLayout::new(hdu)?;
        let axes = hdu.axes("ZNAXIS")?;
        let kind = hdu.integer("ZBITPIX")?.and_then(NumberType::from_bitpix);
        let kind = kind.ok_or_else(|| hdu.invalid("ZBITPIX", "it is not a type of number"))?;
        let scaling = image_scaling(hdu, kind)?;
        let quantized = match (hdu.real("ZSCALE")?, hdu.real("ZZERO")?) {
            (None, None) => None,
            (scale, zero) => Some([scale.unwrap_or(1.0), zero.unwrap_or(0.0)]),
        };
        let image = Self {
            shape: axes.iter().rev().copied().collect(),
            tile: tile_lengths(hdu, &axes)?,
            method: method(hdu)?,
            dither: dither(hdu)?,
            label: hdu.label(),
            null: hdu.integer("ZBLANK")?.or(scaling.null),
            recent: VecDeque::new(),
            axes,
            kind,
            scaling,
            quantized,
            table,
        };
        image.check(hdu)?;
        Ok(image)
    }

    /// Rows and columns of a tile, where each of them lies in one plane.
    pub(super) fn tile_shape(&self) -> Option<[usize; 2]> {
        match self.tile.as_slice() {
            [columns, rows, planes @ ..] if planes.iter().all(|n| *n == 1) => Some([*rows, *columns]),
            _ => None,
        }
    }

    /// Whether its tiles are those of an image that is being written, packed in the same way and
    /// with the same columns.
    pub(super) fn is_like(&self, tiles: &OpenTiles) -> bool {
        let rice = |bytes| TileMethod::Rice { bytes, block: RICE_BLOCK };
        let (method, dither) = match tiles.packing {
            TilePacking::Rice { bytes } => (rice(bytes), Dither::No),
            TilePacking::Gzip => (TileMethod::Gzip { shuffled: true }, Dither::No),
            TilePacking::Rounded => (rice(4), DITHER),
        };
        let planes: usize = self.axes.iter().skip(2).product();
        let zero = self.scaling.scale == 1.0 && self.scaling.zero == tiles.zero as f64;
        // The numbers behind them are those of the longest array.
        let form = |format: &str| format.split('(').next().map(str::to_owned);
        let columns = self.table.columns().map(|column| (column.name.as_str(), form(&column.format)));
        let same_columns = columns.eq(tiles.packing.columns().iter().map(|(name, f)| (*name, form(f))));
        self.tile_shape() == Some(tiles.tile)
            && (self.axes[1], self.axes[0], planes) == (tiles.size[0], tiles.size[1], tiles.planes)
            && (self.kind, self.method, self.dither) == (tiles.kind, method, dither)
            && zero
            && same_columns
    }

    /// Rows of the table of tiles, which [is like](Self::is_like) that of an image that is being
    /// written, with the place in the file of each tile's bytes.
    pub(super) fn packed_tiles(
        &self,
        source: &ByteSource,
        tiles: Range<usize>,
        packing: TilePacking,
    ) -> Result<Vec<PackedRow>, FitsError> {
        let bytes = self.table.row_bytes(source, tiles.clone())?;
        let rows = bytes.chunks_exact(packing.width()).zip(tiles).map(|(row, tile)| {
            let number = |at: usize| row[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
            let column = usize::from(packing == TilePacking::Rounded && number(0) == 0);
            let (length, offset) = (number(8 * column), number(8 * column + 4));
            match self.table.in_heap(offset.into(), length.into()).filter(|_| length > 0) {
                Some(place) => Ok(PackedRow { row: row.to_vec(), column, place }),
                None => Err(self.damaged(tile, "it has no data")),
            }
        });
        rows.collect()
    }

    /// The values of a tile, row by row of it.
    pub(super) fn read_tile<T: FitsNumber>(
        &mut self,
        source: &ByteSource,
        tile: usize,
    ) -> Result<Vec<T>, FitsError> {
        super::reader::check_range(tile, 1, self.table.rows(), || self.label.clone())?;
        let pixels = self.place(tile).pixels();
        self.values(source, tile, pixels)
    }

    /// Compares what the header declares with what the data can hold.
    fn check(&self, hdu: &HduEntry) -> Result<(), FitsError> {
        let times = |product: u64, length: usize| product.checked_mul(length as u64);
        let counts = self.axes.iter().zip(&self.tile).map(|(n, tile)| n.div_ceil(*tile));
        let (tiles, pixels) =
            (counts.clone().try_fold(1, times), self.axes.iter().copied().try_fold(1, times));
        let (Some(tiles), Some(pixels)) = (tiles, pixels) else {
            return Err(hdu.invalid("ZNAXIS1", "the image is larger than any file"));
        };
        if self.axes.is_empty() || pixels == 0 {
            return Ok(());
        }
        if tiles != self.table.rows() as u64 {
            return Err(hdu.damaged(format!("{} rows for {tiles} tiles", self.table.rows())));
        }
        if pixels > self.most_pixels(hdu.size, tiles) {
            return Err(
                hdu.damaged(format!("{pixels} pixels cannot have been packed into {} bytes", hdu.size))
            );
        }
        Ok(())
    }

    /// How many pixels so many tiles of so many packed bytes in all can hold at most.
    fn most_pixels(&self, packed: u64, tiles: u64) -> u64 {
        let gzipped = packed.saturating_mul(DEFLATE_RATIO) / self.kind.size() as u64;
        match self.method {
            TileMethod::Rice { bytes, block } => {
                gzipped.max(rice::most_values(packed, bytes, block).saturating_add(tiles * block as u64))
            }
            TileMethod::Gzip { .. } | TileMethod::None => gzipped,
        }
    }

    fn damaged(&self, tile: usize, problem: impl std::fmt::Display) -> FitsError {
        FitsError::Damaged { hdu: format!("{}, tile {tile}", self.label), problem: problem.to_string() }
    }

    /// Fills `out` with pixels from number `first` on, which are there.
    pub(super) fn read<T: FitsNumber>(
        &mut self,
        source: &ByteSource,
        first: usize,
        out: &mut [T],
    ) -> Result<(), FitsError> {
        let wanted = first..first + out.len();
        // Only tiles at the places of the slowest axis that are wanted.
        let slowest = self.axes.len() - 1;
        let plane: usize = self.axes[..slowest].iter().product();
        let step = self.tile[slowest];
        let below: usize = (0..slowest).map(|k| self.axes[k].div_ceil(self.tile[k])).product();
        for tile in first / plane / step * below..((wanted.end - 1) / plane / step + 1) * below {
            let place = self.place(tile);
            if !place.runs(&self.axes).any(|run| overlaps(&run, &wanted)) {
                continue;
            }
            let values: Vec<T> = self.values(source, tile, place.pixels())?;
            for (run, values) in place.runs(&self.axes).zip(values.chunks_exact(place.lengths[0])) {
                let (start, end) = (run.start.max(wanted.start), run.end.min(wanted.end));
                if start < end {
                    out[start - first..end - first]
                        .copy_from_slice(&values[start - run.start..end - run.start]);
                }
            }
        }
        Ok(())
    }

    /// Where a tile lies in the image.
    fn place(&self, tile: usize) -> TileBox {
        let mut rest = tile;
        let (mut origin, mut lengths) = (Vec::new(), Vec::new());
        for (&axis, &length) in self.axes.iter().zip(&self.tile) {
            let count = axis.div_ceil(length);
            let start = rest % count * length;
            rest /= count;
            origin.push(start);
            lengths.push(length.min(axis - start));
        }
        TileBox { origin, lengths }
    }

    /// The values of a tile of so many pixels.
    fn values<T: FitsNumber>(
        &mut self,
        source: &ByteSource,
        tile: usize,
        pixels: usize,
    ) -> Result<Vec<T>, FitsError> {
        let quantization = self.quantization(source, tile)?;
        let known = self.recent.iter().position(|(recent, _)| *recent == tile);
        let numbers = match known.and_then(|place| self.recent.remove(place)) {
            Some((_, numbers)) => numbers,
            None => self.numbers(source, tile, pixels, quantization.is_some())?,
        };
        let mut out = vec![T::default(); pixels];
        let converted = match (&numbers, quantization) {
            (TileNumbers::Integers(numbers), Some([scale, zero])) => {
                let null = self.null(source, tile)?;
                let values = restore(numbers, [scale, zero], null, self.dither, tile);
                convert(&values, &mut out, |&value| {
                    T::from_real(if self.scaling.is_plain() {
                        value
                    } else {
                        value * self.scaling.scale + self.scaling.zero
                    })
                })
            }
            (TileNumbers::Integers(numbers), None) => {
                let scaling = Scaling { null: self.null(source, tile)?, ..self.scaling };
                if scaling.is_plain() && scaling.null.is_none() {
                    convert(numbers, &mut out, |&number| T::from_integer(number.into()))
                } else {
                    convert(numbers, &mut out, |&number| scaling.of_integer(number.into()))
                }
            }
            (TileNumbers::Bytes(bytes, kind), _) => {
                let scaling = Scaling { null: self.null(source, tile)?, ..self.scaling };
                decode(bytes, *kind, &scaling, &mut out)
            }
        };
        let tile_pixels = self.tile.iter().fold(1, |product: usize, n| product.saturating_mul(*n));
        while self.recent.len() >= (RECENT_PIXELS / tile_pixels.max(1)).max(1) {
            self.recent.pop_front();
        }
        self.recent.push_back((tile, numbers));
        converted.map_err(|index| FitsError::DoesNotFit {
            operation: "read pixels",
            hdu: format!("{}, tile {tile}", self.label),
            index,
        })?;
        Ok(out)
    }

    /// The scale and the zero of a tile of quantized real numbers; `None` where it holds values as
    /// they are.
    fn quantization(&self, source: &ByteSource, tile: usize) -> Result<Option<[f64; 2]>, FitsError> {
        let known = self.table.has("ZSCALE") || self.quantized.is_some();
        if !self.kind.is_real() || !known || self.array_len(source, PACKED, tile)? == 0 {
            return Ok(None);
        }
        let of = |name: &str, card: f64| -> Result<f64, FitsError> {
            let mut cell = [card];
            if self.table.has(name) {
                self.table.read(source, name, tile, &mut cell)?;
            }
            Ok(cell[0])
        };
        let [scale, zero] = self.quantized.unwrap_or([1.0, 0.0]);
        Ok(Some([of("ZSCALE", scale)?, of("ZZERO", zero)?]))
    }

    /// What stands for an undefined value in a tile.
    fn null(&self, source: &ByteSource, tile: usize) -> Result<Option<i64>, FitsError> {
        if !self.table.has("ZBLANK") {
            return Ok(self.null);
        }
        let mut cell = [0i64];
        self.table.read(source, "ZBLANK", tile, &mut cell)?;
        Ok(Some(cell[0]))
    }

    /// The packed bytes of a tile in one of the columns; 0 where there is no such column.
    fn array_len(&self, source: &ByteSource, column: &str, tile: usize) -> Result<usize, FitsError> {
        if self.table.has(column) { self.table.array_len(source, column, tile) } else { Ok(0) }
    }

    /// Unpacks a tile.
    fn numbers(
        &self,
        source: &ByteSource,
        tile: usize,
        pixels: usize,
        quantized: bool,
    ) -> Result<TileNumbers, FitsError> {
        let kind = if quantized { NumberType::I32 } else { self.kind };
        if self.array_len(source, PACKED, tile)? > 0 {
            let packed = self.table.array(source, PACKED, tile, 1)?;
            return self.unpack(&packed, tile, pixels, kind, quantized);
        }
        if self.array_len(source, PACKED_REAL, tile)? > 0 {
            let packed = self.table.array(source, PACKED_REAL, tile, 1)?;
            let bytes = self.gunzip(&packed, tile, pixels * kind.size())?;
            return self.sized(bytes, tile, pixels, kind);
        }
        if self.array_len(source, UNPACKED, tile)? > 0 {
            let bytes = self.table.array(source, UNPACKED, tile, self.table.element_size(UNPACKED)?)?;
            return self.sized(bytes, tile, pixels, kind);
        }
        Err(self.damaged(tile, "it has no data"))
    }

    /// Unpacks bytes of the column COMPRESSED_DATA.
    fn unpack(
        &self,
        packed: &[u8],
        tile: usize,
        pixels: usize,
        kind: NumberType,
        quantized: bool,
    ) -> Result<TileNumbers, FitsError> {
        let numbers = match self.method {
            TileMethod::Rice { bytes, block } => {
                if kind.is_real() || kind == NumberType::I64 {
                    return Err(self.damaged(tile, "Rice coding is for integers of up to 32 bits"));
                }
                if pixels as u64 > rice::most_values(packed.len() as u64, bytes, block) {
                    return Err(self.damaged(tile, "the Rice code ends early"));
                }
                let mut numbers = vec![0; pixels];
                rice::decode(packed, bytes, block, &mut numbers).map_err(|e| self.damaged(tile, e))?;
                return Ok(TileNumbers::Integers(numbers));
            }
            TileMethod::Gzip { shuffled } => {
                let bytes = self.gunzip(packed, tile, pixels * kind.size())?;
                let bytes = if shuffled { unshuffle(&bytes, kind.size()) } else { bytes };
                self.sized(bytes, tile, pixels, kind)?
            }
            TileMethod::None => self.sized(packed.to_vec(), tile, pixels, kind)?,
        };
        match numbers {
            TileNumbers::Bytes(bytes, kind) if quantized => {
                let mut integers = vec![0; pixels];
                decode(&bytes, kind, &Scaling::NONE, &mut integers)
                    .map_err(|_| self.damaged(tile, "a quantized value has more than 32 bits"))?;
                Ok(TileNumbers::Integers(integers))
            }
            numbers => Ok(numbers),
        }
    }

    /// Unpacks a gzip stream of at most so many bytes.
    fn gunzip(&self, packed: &[u8], tile: usize, most: usize) -> Result<Vec<u8>, FitsError> {
        if most as u64 > (packed.len() as u64).saturating_mul(DEFLATE_RATIO) {
            return Err(self.damaged(tile, "the gzip stream is too short"));
        }
        let mut bytes = Vec::with_capacity(most);
        // One byte more than there should be shows that there are too many.
        let mut decoder = flate2::read::GzDecoder::new(packed).take(most as u64 + 1);
        decoder.read_to_end(&mut bytes).map_err(|e| self.damaged(tile, format!("gzip: {e}")))?;
        Ok(bytes)
    }

    /// Bytes of so many numbers.
    fn sized(
        &self,
        bytes: Vec<u8>,
        tile: usize,
        pixels: usize,
        kind: NumberType,
    ) -> Result<TileNumbers, FitsError> {
        if bytes.len() == pixels * kind.size() {
            return Ok(TileNumbers::Bytes(bytes, kind));
        }
        let problem = format!("{} bytes for {pixels} pixels of {} bytes", bytes.len(), kind.size());
        Err(self.damaged(tile, problem))
    }
}

/// A tile's place, fastest axis first.
struct TileBox {
    origin: Vec<usize>,
    lengths: Vec<usize>,
}

impl TileBox {
    fn pixels(&self) -> usize {
        self.lengths.iter().product()
    }

    /// The ranges of pixels of the image that the tile's lines are, in their order.
    fn runs<'a>(&'a self, axes: &'a [usize]) -> impl Iterator<Item = Range<usize>> + 'a {
        let lines: usize = self.lengths[1..].iter().product();
        (0..lines).map(move |line| {
            let (mut rest, mut start, mut stride) = (line, self.origin[0], axes[0]);
            for ((axis, origin), length) in axes.iter().zip(&self.origin).zip(&self.lengths).skip(1) {
                start += (origin + rest % length) * stride;
                rest /= length;
                stride *= axis;
            }
            start..start + self.lengths[0]
        })
    }
}

fn overlaps(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

fn convert<N, T>(numbers: &[N], out: &mut [T], value: impl Fn(&N) -> Option<T>) -> Result<(), usize> {
    for (k, (out, number)) in out.iter_mut().zip(numbers).enumerate() {
        *out = value(number).ok_or(k)?;
    }
    Ok(())
}

/// Puts the bytes of each number together again: first come the highest bytes of all, last the
/// lowest.
fn unshuffle(bytes: &[u8], size: usize) -> Vec<u8> {
    let count = bytes.len() / size;
    let mut out = vec![0; bytes.len()];
    for (k, plane) in bytes.chunks_exact(count.max(1)).take(size).enumerate() {
        out.iter_mut().skip(k).step_by(size).zip(plane).for_each(|(out, byte)| *out = *byte);
    }
    out
}

/// ZTILEn; without them a tile is a row.
fn tile_lengths(hdu: &HduEntry, axes: &[usize]) -> Result<Vec<usize>, FitsError> {
    let length = |(k, &axis): (usize, &usize)| {
        let keyword = format!("ZTILE{}", k + 1);
        let usual = if k == 0 { axis.max(1) } else { 1 };
        match hdu.integer(&keyword)? {
            None => Ok(usual),
            Some(length) if length >= 1 => Ok(usize::try_from(length).unwrap_or(usize::MAX).min(axis.max(1))),
            Some(_) => Err(hdu.invalid(&keyword, "a tile has at least one pixel")),
        }
    };
    axes.iter().enumerate().map(length).collect()
}

/// ZCMPTYPE and the parameters ZNAMEn, ZVALn.
fn method(hdu: &HduEntry) -> Result<TileMethod, FitsError> {
    match hdu.text("ZCMPTYPE")?.unwrap_or_default() {
        "RICE_1" | "RICE_ONE" => {}
        "GZIP_1" => return Ok(TileMethod::Gzip { shuffled: false }),
        "GZIP_2" => return Ok(TileMethod::Gzip { shuffled: true }),
        "NOCOMPRESS" => return Ok(TileMethod::None),
        other => return Err(FitsError::Compression { hdu: hdu.label(), method: other.to_owned() }),
    }
    let (mut bytes, mut block) = (4, 32);
    for k in 1..=99 {
        let Some(name) = hdu.text(&format!("ZNAME{k}"))? else { break };
        let keyword = format!("ZVAL{k}");
        let value = |allowed: &[usize]| {
            let value = hdu.integer(&keyword)?.and_then(|value| usize::try_from(value).ok());
            let known = value.filter(|value| allowed.contains(value));
            known.ok_or_else(|| hdu.invalid(&keyword, &format!("{name} must be one of {allowed:?}")))
        };
        match name {
            "BYTEPIX" => bytes = value(&[1, 2, 4])?,
            "BLOCKSIZE" => block = value(&[8, 16, 32, 64, 128, 256])?,
            _ => {}
        }
    }
    Ok(TileMethod::Rice { bytes, block })
}

/// ZQUANTIZ and ZDITHER0.
fn dither(hdu: &HduEntry) -> Result<Dither, FitsError> {
    let zeros = match hdu.text("ZQUANTIZ")?.unwrap_or_default() {
        "" | "NONE" | "NO_DITHER" => return Ok(Dither::No),
        "SUBTRACTIVE_DITHER_1" => false,
        "SUBTRACTIVE_DITHER_2" => true,
        _ => return Err(hdu.invalid("ZQUANTIZ", "this quantization is not supported")),
    };
    match hdu.integer("ZDITHER0")?.map(usize::try_from) {
        Some(Ok(seed)) if (1..=10_000).contains(&seed) => Ok(Dither::Subtractive { zeros, seed }),
        _ => Err(hdu.invalid("ZDITHER0", "it must be 1 to 10000")),
    }
}
