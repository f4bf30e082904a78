//! Writing tile-compressed images (FITS Standard 4.0, section 10).

use std::ops::Range;

use super::error::FitsError;
use super::header_form::{HeaderForm, card_images};
use super::number::{FitsNumber, NumberType, encode};
use super::packing::{OpenTiles, PackedTile, PackingFault, TilePacker, TilePacking, TilePlace, packed_tile};
use super::reader::{FitsReader, check_range};
use super::tiles::PackedRow;
use super::writer::{FitsWriter, OpenContent, TILE_FORMAT, WriteFault, does_not_fit, kind_of};
use crate::header::Header;

type Result<T> = std::result::Result<T, FitsError>;

/// Bytes that are copied at a time.
const COPIED: usize = 1 << 19;

impl FitsWriter {
    /// Appends a tile-compressed image HDU: RICE_1, a row a tile, lossless; the rest as for
    /// [`image`](Self::image). As first HDU it gets an empty primary before it. Its rows must be
    /// written whole and in their order.
    ///
    /// # Errors
    /// As [`image`](Self::image); also where `T` is no integer of up to 32 bits or the shape is not
    /// 2-D.
    pub fn image_rice<T: FitsNumber>(&mut self, shape: &[usize], cards: &Header) -> Result<()> {
        if shape.len() != 2 {
            return Err(FitsError::Unsupported("compressing what is not a 2-D image"));
        }
        if T::BITPIX < 0 || T::BITPIX == i64::BITPIX {
            return Err(FitsError::Unsupported("compressing other than integers of up to 32 bits"));
        }
        let bytes = kind_of::<T>().size();
        self.packed_image::<T>(shape, cards, TilePacking::Rice { bytes }, |[_, nx]| [1, nx])
    }

    /// Appends a tile-compressed image HDU: GZIP_2, lossless, tiles of [`packed_tile`], of any
    /// type and two or more axes; the rest as for [`image`](Self::image). As first HDU it gets an
    /// empty primary before it. It must be written in the order of its tiles: whole rows of them,
    /// or tile by tile.
    ///
    /// # Errors
    /// As [`image`](Self::image); also where the shape has fewer than two axes.
    pub fn image_gzip<T: FitsNumber>(&mut self, shape: &[usize], cards: &Header) -> Result<()> {
        self.packed_image::<T>(shape, cards, TilePacking::Gzip, packed_tile)
    }

    /// The same for real numbers that are rounded, RICE_1 with SUBTRACTIVE_DITHER_1, to be written
    /// by [`write_rounded`](Self::write_rounded) or
    /// [`write_rounded_tile`](Self::write_rounded_tile).
    ///
    /// # Errors
    /// As [`image_gzip`](Self::image_gzip).
    pub fn image_rounded(&mut self, shape: &[usize], cards: &Header) -> Result<()> {
        self.packed_image::<f32>(shape, cards, TilePacking::Rounded, packed_tile)
    }

    fn packed_image<T: FitsNumber>(
        &mut self,
        shape: &[usize],
        cards: &Header,
        packing: TilePacking,
        tile: impl Fn([usize; 2]) -> [usize; 2],
    ) -> Result<()> {
        let [outer @ .., ny, nx] = shape else {
            return Err(FitsError::Unsupported("compressing what has no two axes"));
        };
        let kind = kind_of::<T>();
        let tiles = OpenTiles {
            size: [*ny, *nx],
            planes: outer.iter().product(),
            tile: tile([*ny, *nx]),
            packing,
            kind,
            zero: T::ZERO,
            table: Vec::new(),
            longest: [0; 2],
            heap: 0,
        };
        let images = card_images(cards, None)?;
        let mut form = HeaderForm::default();
        form.table(packing.width(), tiles.count(), 0, packing.columns().len());
        for (k, (name, format)) in packing.columns().iter().enumerate() {
            form.text(&format!("TTYPE{}", k + 1), name, &format!("label for field {:>3}", k + 1));
            form.text(&format!("TFORM{}", k + 1), format, TILE_FORMAT);
        }
        form.logical("ZIMAGE", "extension contains compressed image");
        form.integer("ZBITPIX", T::BITPIX.into(), "data type of original image");
        form.count("ZNAXIS", shape.len(), "dimension of original image");
        for (k, &length) in shape.iter().rev().enumerate() {
            form.count(&format!("ZNAXIS{}", k + 1), length, "length of original image axis");
        }
        let [rows, columns] = tiles.tile;
        for (k, length) in [columns, rows].into_iter().chain(outer.iter().map(|_| 1)).enumerate() {
            form.count(&format!("ZTILE{}", k + 1), length, "size of tiles to be compressed");
        }
        packing.cards(&mut form);
        form.zero::<T>();
        form.images(&images);
        self.with_primary()?;
        let size = tiles.table_bytes() as u64;
        self.begin(form, size, OpenContent::Tiles(tiles))
    }

    /// Writes pixels of an image of [`image_rounded`](Self::image_rounded) as
    /// [`write_pixels`](Self::write_pixels) does. `steps` has for each pixel the step that it may
    /// be rounded to: no value is off by more than half of the smallest step of its tile.
    ///
    /// # Errors
    /// As [`write_pixels`](Self::write_pixels); also where there is not a step for each pixel.
    pub fn write_rounded(&mut self, first: usize, data: &[f32], steps: &[f32]) -> Result<()> {
        if data.len() != steps.len() {
            return Err(UNEVEN);
        }
        self.write_tiles(first, data.len(), |packer, tile, done| {
            packer.pack_rounded(&tile.of(&data[done..]), &tile.of(&steps[done..]), tile.number)
        })
    }

    /// Writes the next tile of a compressed image: its pixels, row by row of the tile.
    ///
    /// # Errors
    /// Where the HDU is no such image or is complete, the tile has another number of pixels, a
    /// value does not fit, or the disk is full.
    pub fn write_tile<T: FitsNumber>(&mut self, pixels: &[T]) -> Result<()> {
        let OpenContent::Tiles(tiles) = &self.open()?.content else {
            return Err(FitsError::NotAnImage { hdu: self.label() });
        };
        let (packing, form) = (tiles.packing, (tiles.kind, tiles.zero));
        self.write_next(pixels.len(), |packer, _| packer.pack(pixels, packing, form))
    }

    /// The same of an image of [`image_rounded`](Self::image_rounded), with a step for each pixel
    /// as for [`write_rounded`](Self::write_rounded).
    ///
    /// # Errors
    /// As [`write_tile`](Self::write_tile) and [`write_rounded`](Self::write_rounded).
    pub fn write_rounded_tile(&mut self, pixels: &[f32], steps: &[f32]) -> Result<()> {
        if pixels.len() != steps.len() {
            return Err(UNEVEN);
        }
        self.write_next(pixels.len(), |packer, tile| packer.pack_rounded(pixels, steps, tile.number))
    }

    /// Copies the next tiles of the current image from the same places of the current image of
    /// another file, as they are packed there.
    ///
    /// # Errors
    /// Where the images are not packed alike, or have not so many tiles left, or either file fails.
    pub fn copy_tiles(&mut self, from: &mut FitsReader, count: usize) -> Result<()> {
        let label = self.label();
        let OpenContent::Tiles(tiles) = &self.open()?.content else {
            return Err(FitsError::NotAnImage { hdu: label });
        };
        let Some((image, source)) = from.packed_image()?.filter(|(image, _)| image.is_like(tiles)) else {
            return Err(UNLIKE);
        };
        check_range(tiles.done(), count, tiles.count(), || label)?;
        let rows = image.packed_tiles(source, tiles.done()..tiles.done() + count, tiles.packing)?;
        let mut bytes = Vec::new();
        // Those that follow each other in the file go together.
        for rows in rows.chunk_by(|a, b| a.place.end == b.place.start) {
            let place = rows[0].place.start..rows[rows.len() - 1].place.end;
            let heap = self.heap_end()?;
            for PackedRow { row, column, place } in rows {
                self.note_tile(row, *column, place.end - place.start)?;
            }
            for start in place.clone().step_by(COPIED) {
                let length = (place.end - start).min(COPIED as u64);
                bytes.resize(usize::try_from(length).unwrap_or(COPIED), 0);
                source.read_at(start, &mut bytes)?;
                self.write_data(heap + (start - place.start), &bytes)?;
            }
        }
        Ok(())
    }

    /// Copies pixels of the current image of another file to the same places of the current image,
    /// as they stand there, neither of them packed. In the place of some stand others: `replaced`
    /// gives the first pixel of each run of them, in their order, and their values.
    ///
    /// # Errors
    /// Where the images are not stored alike, one of them has fewer pixels, a run lies elsewhere,
    /// or a value does not fit; where either file fails.
    pub fn copy_pixels<'a, T: FitsNumber>(
        &mut self,
        from: &mut FitsReader,
        pixels: Range<usize>,
        replaced: impl IntoIterator<Item = (usize, &'a [T])>,
    ) -> Result<()> {
        let label = self.label();
        let OpenContent::Image { kind, zero, count } = self.open()?.content else {
            return Err(FitsError::NotAnImage { hdu: label });
        };
        let Some((image, source)) = from.plain_image()? else { return Err(UNLIKE) };
        let scaling = &image.scaling;
        if (image.kind, scaling.scale, scaling.zero) != (kind, 1.0, zero as f64) {
            return Err(UNLIKE);
        }
        let available = count.min(image.shape.iter().product());
        check_range(pixels.start, pixels.len(), available, || label.clone())?;
        let size = kind.size();
        let mut bytes = Vec::new();
        let mut replaced = replaced.into_iter();
        let mut next = replaced.next();
        for start in pixels.clone().step_by(COPIED / size) {
            let end = pixels.end.min(start + COPIED / size);
            bytes.resize((end - start) * size, 0);
            source.read_at(image.data + (start * size) as u64, &mut bytes)?;
            while let Some((first, run)) = next.filter(|(first, _)| (start..end).contains(first)) {
                let (here, rest) = run.split_at(run.len().min(end - first));
                put(here, (kind, zero), &mut bytes[(first - start) * size..])
                    .map_err(|fault| does_not_fit(fault, "write pixels", &label, first))?;
                next = if rest.is_empty() { replaced.next() } else { Some((end, rest)) };
            }
            self.write_data((start * size) as u64, &bytes)?;
        }
        match next {
            None => Ok(()),
            Some(_) => Err(FitsError::Unsupported("replacing pixels in another order than theirs")),
        }
    }

    /// Packs and writes so many pixels of the current image from number `first` on: whole rows of
    /// tiles, of which the first is the next one. `pack` is given a tile and the number of these
    /// pixels that lie before its row of tiles.
    pub(super) fn write_tiles(
        &mut self,
        first: usize,
        length: usize,
        pack: impl Fn(&mut TilePacker, &TilePlace, usize) -> std::result::Result<PackedTile, PackingFault>,
    ) -> Result<()> {
        let label = self.label();
        let mut done = 0;
        while done < length {
            let OpenContent::Tiles(tiles) = &self.open()?.content else {
                return Err(FitsError::NotAnImage { hdu: label });
            };
            if tiles.done() == tiles.count() {
                let available = tiles.planes * tiles.size[0] * tiles.size[1];
                return check_range(first, length, available, || label.clone());
            }
            let tile = tiles.next();
            let row = tile.lengths[0] * tile.columns_of_image;
            if tile.first != first + done + tile.columns_before || row > length - done {
                return Err(FitsError::Unsupported(
                    "rows of a compressed image in another order than theirs",
                ));
            }
            self.write_next(tile.pixels(), |packer, tile| pack(packer, tile, done))?;
            if tile.columns_before + tile.lengths[1] == tile.columns_of_image {
                done += row;
            }
        }
        Ok(())
    }

    /// Packs and writes the next tile of the current image, of so many pixels.
    fn write_next(
        &mut self,
        pixels: usize,
        pack: impl FnOnce(&mut TilePacker, &TilePlace) -> std::result::Result<PackedTile, PackingFault>,
    ) -> Result<()> {
        let OpenContent::Tiles(tiles) = &self.open()?.content else {
            return Err(FitsError::NotAnImage { hdu: self.label() });
        };
        if tiles.done() == tiles.count() {
            return check_range(tiles.count(), 1, tiles.count(), || self.label());
        }
        let (tile, packing) = (tiles.next(), tiles.packing);
        if tile.pixels() != pixels {
            return Err(FitsError::Unsupported("a tile of another shape than the next one"));
        }
        let packed = pack(&mut self.packer, &tile).map_err(|fault| match fault {
            PackingFault::DoesNotFit(place) => {
                let pixel = tile.pixel(place);
                does_not_fit(WriteFault::DoesNotFit(0), "write pixels", &self.label(), pixel)
            }
            PackingFault::Other(error) => error,
        })?;
        let mut row = vec![0; packing.width()];
        let column = usize::from(packing == TilePacking::Rounded && packed.rounding.is_none());
        if packing == TilePacking::Rounded {
            let [scale, zero] = packed.rounding.unwrap_or_default().map(f64::to_be_bytes);
            row[16..24].copy_from_slice(&scale);
            row[24..].copy_from_slice(&zero);
        }
        let heap = self.heap_end()?;
        self.note_tile(&row, column, packed.bytes.len() as u64)?;
        self.write_data(heap, &packed.bytes)
    }

    /// Byte of the data of a compressed image at which the next tile is written.
    fn heap_end(&mut self) -> Result<u64> {
        Ok(self.open()?.size)
    }

    /// Appends a row to the table of a compressed image, for a tile of so many packed bytes, whose
    /// length and place it has in one of its columns.
    fn note_tile(&mut self, row: &[u8], column: usize, length: u64) -> Result<()> {
        let hdu = self.open()?;
        let OpenContent::Tiles(tiles) = &mut hdu.content else { return Ok(()) };
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if u32::try_from(tiles.heap.saturating_add(bytes)).is_err() {
            return Err(FitsError::Unsupported("a compressed image of more than 4 GiB"));
        }
        let descriptor =
            [bytes, tiles.heap].map(|n| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes()).concat();
        let start = tiles.table.len();
        tiles.table.extend_from_slice(row);
        tiles.table[start + 8 * column..][..8].copy_from_slice(&descriptor);
        tiles.longest[column] = tiles.longest[column].max(bytes);
        tiles.heap += bytes;
        hdu.size += length;
        Ok(())
    }
}

/// Puts values in the place of the first bytes.
fn put<T: FitsNumber>(
    values: &[T],
    (kind, zero): (NumberType, i64),
    bytes: &mut [u8],
) -> std::result::Result<(), WriteFault> {
    let mut encoded = Vec::with_capacity(values.len() * kind.size());
    encode(values, kind, zero, &mut encoded).map_err(WriteFault::DoesNotFit)?;
    bytes[..encoded.len()].copy_from_slice(&encoded);
    Ok(())
}

const UNLIKE: FitsError = FitsError::Unsupported("copying pixels of an image of another form");
const UNEVEN: FitsError = FitsError::Unsupported("rounding without a step for each pixel");
