//! Cutouts as the archive makes them: every HDU is kept, the four planes are cut, of the cards only
//! NAXIS and CRPIX of the three WCS change.
//!
//! Plain HDUs are copied and cut as bytes, so that no other card and no pixel can change. Only a
//! tile-compressed FLAGS is unpacked and packed again.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use spx_core::fits::{FitsError, FitsReader, FitsWriter};
use spx_core::sky::Position;
use spx_wcs::CelestialWcs;
use thiserror::Error;

use crate::index::{Image, is_gzip};
use crate::layout::{BLOCK, Hdu, hdus, set_number, value};

/// A rectangle of an image \[px\].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutoutWindow {
    /// First column, 0-based.
    pub(crate) x0: usize,
    /// First row, 0-based.
    pub(crate) y0: usize,
    /// Columns.
    pub(crate) nx: usize,
    /// Rows.
    pub(crate) ny: usize,
}

/// Why there is no cutout.
#[derive(Debug, Error)]
pub(crate) enum CutoutError {
    /// The request makes no sense, or the place is not in the image: HTTP 400.
    #[error("{0}")]
    Request(String),
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The compressed plane cannot be read or written.
    #[error(transparent)]
    Fits(#[from] FitsError),
}

/// A length or a coordinate of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Pixels,
    /// Holds the degrees of one.
    Angle(f64),
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Request {
    center: [f64; 2],
    center_unit: Unit,
    size: [f64; 2],
    size_unit: Unit,
}

impl Request {
    /// Reads `center=x,y[unit]` and `size=w[,h][unit]`. Pixels of a center are FITS pixels, counted
    /// from 1.
    pub(crate) fn parse(center: &str, size: &str) -> Result<Self, CutoutError> {
        let bad = |what: &str, text: &str| CutoutError::Request(format!("{what}={text} cannot be read"));
        let (numbers, center_unit) = numbers(center).ok_or_else(|| bad("center", center))?;
        let [x, y] = numbers[..] else { return Err(bad("center", center)) };
        let (numbers, size_unit) = self::numbers(size).ok_or_else(|| bad("size", size))?;
        let size = match numbers[..] {
            [w] => [w, w],
            [w, h] => [w, h],
            _ => return Err(bad("size", size)),
        };
        if size.iter().any(|v| *v <= 0.0) {
            return Err(CutoutError::Request("the size of a cutout must be positive".into()));
        }
        Ok(Self { center: [x, y], center_unit, size, size_unit })
    }

    /// The pixels of an image of shape `[ny, nx]` that are meant, clipped to it.
    pub(crate) fn window(
        &self,
        wcs: &CelestialWcs,
        [ny, nx]: [usize; 2],
    ) -> Result<CutoutWindow, CutoutError> {
        let outside = || CutoutError::Request("the cutout does not overlap the image".into());
        let [x, y] = match self.center_unit {
            Unit::Pixels => self.center.map(|v| v - 1.0),
            Unit::Angle(degree) => {
                let [ra, dec] = self.center.map(|v| v * degree);
                let position = Position::new(ra.rem_euclid(360.0), dec)
                    .map_err(|e| CutoutError::Request(e.to_string()))?;
                wcs.sky_to_pixel(position).ok_or_else(outside)?
            }
        };
        let pixels = match self.size_unit {
            Unit::Pixels => self.size,
            Unit::Angle(degree) => {
                let scale = wcs.pixel_area(x, y).sqrt() / 3600.0;
                self.size.map(|v| v * degree / scale)
            }
        };
        let (x0, nx) = clip(x, pixels[0], nx).ok_or_else(outside)?;
        let (y0, ny) = clip(y, pixels[1], ny).ok_or_else(outside)?;
        Ok(CutoutWindow { x0, y0, nx, ny })
    }
}

/// Numbers with a comma between them and a unit behind the last; degrees where there is none.
fn numbers(text: &str) -> Option<(Vec<f64>, Unit)> {
    let text = text.trim();
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.').map_or(0, |at| at + 1);
    let unit = match text[end..].trim() {
        "px" | "pix" | "pixels" => Unit::Pixels,
        "arcsec" => Unit::Angle(1.0 / 3600.0),
        "arcmin" => Unit::Angle(1.0 / 60.0),
        "" | "deg" => Unit::Angle(1.0),
        "rad" => Unit::Angle(1f64.to_degrees()),
        _ => return None,
    };
    let numbers: Option<Vec<f64>> =
        text[..end].split(',').map(|n| n.trim().parse().ok().filter(|v: &f64| v.is_finite())).collect();
    Some((numbers?, unit))
}

/// The first pixel and the count of `size` pixels around `center`, as far as they lie in
/// `0..available`.
fn clip(center: f64, size: f64, available: usize) -> Option<(usize, usize)> {
    let available = available as f64;
    let size = size.round().max(1.0);
    // Halves go up on either side of 0, so that a clipped cutout is a part of the whole one.
    let start = (center - (size - 1.0) / 2.0 + 0.5).floor();
    let (first, end) = (start.max(0.0), (start + size).min(available));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clipped to the image")]
    (first < end).then_some((first as usize, (end - first) as usize))
}

/// The bytes of a cutout.
pub(crate) fn cut(image: &Image, window: &CutoutWindow, gzip: bool) -> Result<Vec<u8>, CutoutError> {
    let bytes = if is_gzip(&image.file) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(File::open(&image.file)?).read_to_end(&mut plain)?;
        assemble(&mut Cursor::new(plain), &image.file, image.shape, window)?
    } else {
        assemble(&mut File::open(&image.file)?, &image.file, image.shape, window)?
    };
    if !gzip {
        return Ok(bytes);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes)?;
    Ok(encoder.finish()?)
}

fn assemble<R: Read + Seek>(
    source: &mut R,
    path: &Path,
    shape: [usize; 2],
    window: &CutoutWindow,
) -> Result<Vec<u8>, CutoutError> {
    let mut bytes = Vec::new();
    for hdu in hdus(source)? {
        if hdu.image_shape() == Some(shape) {
            cut_image(source, &hdu, shape, window, &mut bytes)?;
        } else if hdu.compressed_shape() == Some(shape) {
            bytes.extend(cut_compressed(path, &hdu.name, shape, window)?);
        } else {
            let length = hdu.data.end - hdu.header.start;
            source.seek(SeekFrom::Start(hdu.header.start))?;
            source.take(length).read_to_end(&mut bytes)?;
        }
    }
    Ok(bytes)
}

/// The cards that name the reference pixel of an axis, in the three WCS.
const REFERENCES: [&str; 3] = ["", "A", "W"];

fn offsets(window: &CutoutWindow) -> [(usize, usize); 2] {
    [(1, window.x0), (2, window.y0)]
}

fn cut_image<R: Read + Seek>(
    source: &mut R,
    hdu: &Hdu,
    [ny, nx]: [usize; 2],
    window: &CutoutWindow,
    bytes: &mut Vec<u8>,
) -> Result<(), CutoutError> {
    let mut cards = hdu.cards.clone();
    set_number(&mut cards, "NAXIS1", &window.nx.to_string());
    set_number(&mut cards, "NAXIS2", &window.ny.to_string());
    for (axis, offset) in offsets(window) {
        for alternate in REFERENCES {
            let keyword = format!("CRPIX{axis}{alternate}");
            if let Some(reference) = value(&cards, &keyword).and_then(|v| v.parse::<f64>().ok()) {
                set_number(&mut cards, &keyword, &format!("{:?}", reference - offset as f64));
            }
        }
    }
    bytes.extend(cards);
    let pixel = usize::try_from(hdu.integer("BITPIX").unwrap_or(0).unsigned_abs() / 8).unwrap_or(0);
    debug_assert!(window.x0 + window.nx <= nx && window.y0 + window.ny <= ny);
    for y in window.y0..window.y0 + window.ny {
        source.seek(SeekFrom::Start(hdu.data.start + ((y * nx + window.x0) * pixel) as u64))?;
        source.take((window.nx * pixel) as u64).read_to_end(bytes)?;
    }
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    Ok(())
}

/// Unpacks the wanted pixels of a tile-compressed plane and packs them again, in a file of its own.
fn cut_compressed(
    path: &Path,
    name: &str,
    [_, nx]: [usize; 2],
    window: &CutoutWindow,
) -> Result<Vec<u8>, CutoutError> {
    let mut reader = FitsReader::open(path)?;
    reader.move_to(name)?;
    let mut header = reader.header()?;
    for (axis, offset) in offsets(window) {
        for alternate in REFERENCES {
            let keyword = format!("CRPIX{axis}{alternate}");
            if let Ok(Some(reference)) = header.optional_real(&keyword) {
                let comment = header.comment(&keyword).unwrap_or_default().to_owned();
                header.set(&keyword, reference - offset as f64, &comment);
            }
        }
    }
    let mut pixels = vec![0_i32; window.nx * window.ny];
    for (row, out) in pixels.chunks_exact_mut(window.nx).enumerate() {
        reader.read_pixels((window.y0 + row) * nx + window.x0, out)?;
    }
    let temporary = Temporary::new();
    let mut writer = FitsWriter::create(&temporary.0)?;
    writer.image_rice::<i32>(&[window.ny, window.nx], &header)?;
    writer.write_pixels(0, &pixels)?;
    writer.finish()?;
    let mut file = File::open(&temporary.0)?;
    let made = hdus(&mut file)?;
    let last = made.last().ok_or_else(|| io::Error::other("no HDU was written"))?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(last.header.start))?;
    file.take(last.data.end - last.header.start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A name for a short-lived file, which is removed at the end.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("spx-serve-{}-{serial}.fits", std::process::id());
        let path = std::env::temp_dir().join(name);
        // What an earlier process of the same number left there.
        let _ = std::fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_in_all_units() {
        for (text, unit) in [
            ("200px", Unit::Pixels),
            ("200pix", Unit::Pixels),
            ("200pixels", Unit::Pixels),
            ("200arcsec", Unit::Angle(1.0 / 3600.0)),
            ("200arcmin", Unit::Angle(1.0 / 60.0)),
            ("200deg", Unit::Angle(1.0)),
            ("200", Unit::Angle(1.0)),
            ("200rad", Unit::Angle(180.0 / std::f64::consts::PI)),
        ] {
            assert_eq!(Request::parse("1,2", text).unwrap().size_unit, unit, "{text}");
        }
        let request = Request::parse("304.7, -42.5deg", "200,400px").unwrap();
        assert_eq!((request.center, request.size), ([304.7, -42.5], [200.0, 400.0]));
        for (center, size) in [("1", "1"), ("1,2,3", "1"), ("1,2", ""), ("1,2", "1,2,3"), ("a,b", "1")] {
            assert!(Request::parse(center, size).is_err(), "{center} {size}");
        }
        for size in ["0px", "-1", "1furlong", "nan", "inf"] {
            assert!(Request::parse("1,2", size).is_err(), "{size}");
        }
    }

    #[test]
    fn windows_are_clipped() {
        assert_eq!(clip(10.0, 5.0, 100), Some((8, 5)));
        assert_eq!(clip(0.0, 5.0, 100), Some((0, 3)));
        assert_eq!(clip(99.4, 5.0, 100), Some((97, 3)));
        assert_eq!(clip(-3.0, 5.0, 100), None);
        assert_eq!(clip(50.0, 1e9, 100), Some((0, 100)));
        assert_eq!(clip(50.2, 0.01, 100), Some((50, 1)));
    }
}
