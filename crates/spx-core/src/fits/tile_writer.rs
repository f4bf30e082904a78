//! Writing tile-compressed images (FITS Standard 4.0, section 10).

use std::ops::Range;

use super::error::FitsError;
use super::header_form::{HeaderForm, card_images};
use super::number::FitsNumber;
use super::packing::{OpenTiles, PackedTile, PackingFault, TilePacker, TilePacking, packed_tile_rows};
use super::reader::{FitsReader, check_range};
use super::writer::{FitsWriter, OpenContent, TILE_FORMAT, WriteFault, does_not_fit, kind_of};
use crate::header::Header;

type Result<T> = std::result::Result<T, FitsError>;

/// Pixels that are copied at a time.
const COPIED: usize = 1 << 17;

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
            return Err(FitsError::Unsupported("compressing what is no 2-D image"));
        }
        if T::BITPIX < 0 || T::BITPIX == i64::BITPIX {
            return Err(FitsError::Unsupported("compressing other than integers of up to 32 bits"));
        }
        let bytes = kind_of::<T>().size();
        self.packed_image::<T>(shape, cards, TilePacking::Rice { bytes }, 1)
    }

    /// Appends a tile-compressed image HDU: GZIP_2, a band of rows a tile, lossless, of any type
    /// and two or more axes; the rest as for [`image`](Self::image). As first HDU it gets an empty
    /// primary before it. Its planes must be written whole and in their order.
    ///
    /// # Errors
    /// As [`image`](Self::image); also where the shape has fewer than two axes.
    pub fn image_gzip<T: FitsNumber>(&mut self, shape: &[usize], cards: &Header) -> Result<()> {
        self.packed_image::<T>(shape, cards, TilePacking::Gzip, plane_tile_rows(shape))
    }

    /// The same for real numbers that are rounded, RICE_1 with SUBTRACTIVE_DITHER_1, to be written
    /// by [`write_rounded`](Self::write_rounded).
    ///
    /// # Errors
    /// As [`image_gzip`](Self::image_gzip).
    pub fn image_rounded(&mut self, shape: &[usize], cards: &Header) -> Result<()> {
        self.packed_image::<f32>(shape, cards, TilePacking::Rounded, plane_tile_rows(shape))
    }

    fn packed_image<T: FitsNumber>(
        &mut self,
        shape: &[usize],
        cards: &Header,
        packing: TilePacking,
        rows: usize,
    ) -> Result<()> {
        let [outer @ .., ny, nx] = shape else {
            return Err(FitsError::Unsupported("compressing what has no two axes"));
        };
        let kind = kind_of::<T>();
        let tiles = OpenTiles {
            size: [*ny, *nx],
            planes: outer.iter().product(),
            rows,
            packing,
            kind,
            zero: T::ZERO,
            done: 0,
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
        for (k, length) in [*nx, rows].into_iter().chain(outer.iter().map(|_| 1)).enumerate() {
            form.count(&format!("ZTILE{}", k + 1), length, "size of tiles to be compressed");
        }
        packing.cards(&mut form);
        form.zero::<T>();
        form.images(&images);
        self.with_primary()?;
        let size = (packing.width() * tiles.count()) as u64;
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
            return Err(FitsError::Unsupported("rounding without a step for each pixel"));
        }
        self.write_tiles(first, data.len(), |packer, number, tile| {
            packer.pack_rounded(&data[tile.clone()], &steps[tile], number)
        })
    }

    /// Copies pixels of the current image of another file to the same places of the current image,
    /// as they stand there, whether packed or not. Of a packed image they must be whole tiles, of
    /// which the first is the next one.
    ///
    /// # Errors
    /// Where the images are not stored alike, one of them has fewer pixels, or either file fails.
    pub fn copy_pixels(&mut self, from: &mut FitsReader, pixels: Range<usize>) -> Result<()> {
        const UNLIKE: FitsError = FitsError::Unsupported("copying pixels of an image of another form");
        let label = self.label();
        let hdu = self.open()?;
        let data = hdu.data();
        if let OpenContent::Tiles(tiles) = &hdu.content {
            let Some((image, source)) = from.packed_image()? else { return Err(UNLIKE) };
            if !image.is_like(tiles) {
                return Err(UNLIKE);
            }
            return self.write_tiles(pixels.start, pixels.len(), |_, number, _| {
                image.packed_tile(source, number).map_err(PackingFault::Other)
            });
        }
        let OpenContent::Image { kind, zero, count } = hdu.content else {
            return Err(FitsError::NotAnImage { hdu: label });
        };
        let Some((image, source)) = from.plain_image()? else { return Err(UNLIKE) };
        let scaling = &image.scaling;
        if (image.kind, scaling.scale, scaling.zero) != (kind, 1.0, zero as f64) {
            return Err(UNLIKE);
        }
        let available = count.min(image.shape.iter().product());
        check_range(pixels.start, pixels.len(), available, || label.clone())?;
        let mut bytes = Vec::new();
        for start in pixels.clone().step_by(COPIED) {
            bytes.resize(COPIED.min(pixels.end - start) * kind.size(), 0);
            let before = (start * kind.size()) as u64;
            source.read_at(image.data + before, &mut bytes)?;
            self.write_at(data + before, &bytes)?;
        }
        Ok(())
    }

    /// Packs and writes so many pixels of the current image from number `first` on: whole tiles, of
    /// which the first is the next one. `pack` is given the number of a tile and its range of these
    /// pixels.
    pub(super) fn write_tiles(
        &mut self,
        first: usize,
        length: usize,
        pack: impl Fn(&mut TilePacker, usize, Range<usize>) -> std::result::Result<PackedTile, PackingFault>,
    ) -> Result<()> {
        let label = self.label();
        let mut done = 0;
        while done < length {
            let OpenContent::Tiles(tiles) = &self.open()?.content else {
                return Err(FitsError::NotAnImage { hdu: label });
            };
            if tiles.done == tiles.count() {
                let available = tiles.planes * tiles.size[0] * tiles.size[1];
                return check_range(first, length, available, || label.clone());
            }
            let ([start, pixels], number) = (tiles.next(), tiles.done);
            if start != first + done || pixels > length - done {
                return Err(FitsError::Unsupported(
                    "rows of a compressed image in another order than theirs",
                ));
            }
            let packed =
                pack(&mut self.packer, number, done..done + pixels).map_err(|fault| match fault {
                    PackingFault::DoesNotFit(place) => {
                        does_not_fit(WriteFault::DoesNotFit(place), "write pixels", &label, start)
                    }
                    PackingFault::Other(error) => error,
                })?;
            self.write_tile(&packed)?;
            done += pixels;
        }
        Ok(())
    }

    /// Writes the next tile of a compressed image.
    fn write_tile(&mut self, packed: &PackedTile) -> Result<()> {
        let hdu = self.open()?;
        let data = hdu.data();
        let OpenContent::Tiles(tiles) = &mut hdu.content else { return Ok(()) };
        let length = packed.bytes.len();
        let descriptor =
            [length, tiles.heap].map(|n| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes()).concat();
        if u32::try_from(tiles.heap + length).is_err() {
            return Err(FitsError::Unsupported("a compressed image of more than 4 GiB"));
        }
        let width = tiles.packing.width();
        let mut row = vec![0; width];
        let column = usize::from(tiles.packing == TilePacking::Rounded && packed.rounding.is_none());
        row[8 * column..8 * (column + 1)].copy_from_slice(&descriptor);
        if tiles.packing == TilePacking::Rounded {
            let [scale, zero] = packed.rounding.unwrap_or_default().map(f64::to_be_bytes);
            row[16..24].copy_from_slice(&scale);
            row[24..].copy_from_slice(&zero);
        }
        let (to, heap) =
            (data + (width * tiles.done) as u64, data + (width * tiles.count() + tiles.heap) as u64);
        tiles.done += 1;
        tiles.longest[column] = tiles.longest[column].max(length);
        tiles.heap += length;
        hdu.size += length as u64;
        self.write_at(to, &row)?;
        self.write_at(heap, &packed.bytes)
    }
}

/// Rows of the tiles of an image of this shape.
fn plane_tile_rows(shape: &[usize]) -> usize {
    match shape {
        [.., ny, nx] => packed_tile_rows([*ny, *nx]),
        _ => 1,
    }
}
