//! Round trips through files, and the errors that users meet.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::header::Header;
use crate::pixels::PlaneSample;

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A file with one f32 image of shape [100, 60] named IMAGE, element k being k; checksums in it.
fn sample(path: &Path) {
    let mut cards = Header::new();
    cards.set("EXTNAME", "IMAGE", "");
    let mut file = FitsWriter::create(path).unwrap();
    file.image::<u8>(&[], &Header::new()).unwrap();
    file.image::<f32>(&[100, 60], &cards).unwrap();
    file.write_pixels(0, &ramp()).unwrap();
    file.checksum().unwrap();
    file.finish().unwrap();
}

fn ramp() -> Vec<f32> {
    (0..6000u16).map(f32::from).collect()
}

fn round_trip<T: FitsNumber>(data: &[T]) -> Vec<T> {
    let dir = directory();
    let path = dir.path().join("x.fits");
    let mut file = FitsWriter::create(&path).unwrap();
    file.image::<T>(&[data.len()], &Header::new()).unwrap();
    file.write_pixels(0, data).unwrap();
    file.finish().unwrap();
    let mut out = vec![T::default(); data.len()];
    FitsReader::open(&path).unwrap().read_pixels(0, &mut out).unwrap();
    out
}

#[test]
fn every_type_survives() {
    assert_eq!(round_trip(&[0u8, 255]), [0, 255]);
    assert_eq!(round_trip(&[i16::MIN, i16::MAX]), [i16::MIN, i16::MAX]);
    assert_eq!(round_trip(&[0u16, 40_000, u16::MAX]), [0, 40_000, u16::MAX]);
    assert_eq!(round_trip(&[i32::MIN, -1, i32::MAX]), [i32::MIN, -1, i32::MAX]);
    assert_eq!(round_trip(&[0u32, 1 << 31, u32::MAX]), [0, 1 << 31, u32::MAX]);
    assert_eq!(round_trip(&[i64::MIN, 1 << 60]), [i64::MIN, 1 << 60]);
    let floats = round_trip(&[1.5f32, f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE]);
    assert!(floats[0] == 1.5 && floats[1].is_nan() && floats[2] == f32::INFINITY);
    assert_eq!(floats[3].to_bits(), (-0.0f32).to_bits());
    let doubles = round_trip(&[0.1f64, f64::NAN, 1e300]);
    assert!(doubles[0] == 0.1 && doubles[1].is_nan() && doubles[2] == 1e300);
}

#[test]
fn unsigned_images_follow_the_bzero_convention() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    let mut file = FitsWriter::create(&path).unwrap();
    file.image::<u32>(&[2, 3], &Header::new()).unwrap();
    file.write_pixels(0, &[1u32 << 31; 6]).unwrap();
    file.finish().unwrap();
    let header = FitsReader::open(&path).unwrap().header().unwrap();
    assert_eq!(header.integer("BITPIX"), Ok(32));
    assert_eq!(header.real("BZERO"), Ok(2_147_483_648.0));
    assert_eq!((header.integer("NAXIS1"), header.integer("NAXIS2")), (Ok(3), Ok(2)));
}

#[test]
fn parts_of_an_image_can_be_read_and_written() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    sample(&path);
    let mut file = FitsReader::open(&path).unwrap();
    file.move_to("image").unwrap();
    assert_eq!(file.image_shape().unwrap(), [100, 60]);
    let mut part = [0f32; 5];
    file.read_pixels(5990, &mut part).unwrap();
    assert_eq!(part, [5990.0, 5991.0, 5992.0, 5993.0, 5994.0]);
    let mut converted = [0i32; 2];
    file.read_pixels(7, &mut converted).unwrap();
    assert_eq!(converted, [7, 8]);
    let error = file.read_pixels(5996, &mut part).unwrap_err().to_string();
    assert_eq!(error, "HDU 1 (IMAGE) has 6000 elements, not 5996 + 5");
    file.move_to_index(0).unwrap();
    assert_eq!(file.image_shape().unwrap(), [0usize; 0]);
    assert!(file.read_pixels(0, &mut part).is_err());
}

#[test]
fn cards_survive() {
    let mut cards = Header::new();
    cards.set("EXTNAME", "IMAGE", "extension name");
    cards.set("NAXIS", 7, "structural, to be skipped").set("CHECKSUM", "abc", "");
    cards.set("OMEGA_MEDIAN", 37.861739642774666, "[arcsec**2] solid angle");
    cards.set("L2 N_HOT", 1, "number of pixels flagged hot");
    cards.set("REFCAT.VERSION", "SPHEREx_RefCat_v0.73", "");
    cards.set("CDELT1", 1.0, "").set("TINY", -4.19871698895e-12, "").set("FLAG", true, "");
    let long = "it's a long string; ".repeat(20);
    cards.set("LONG", long.as_str(), "at the end").set("A LONGER KEYWORD", long.as_str(), "");
    cards.note("HISTORY", &"word ".repeat(40)).note("COMMENT", "note");
    for k in 0..100 {
        cards.set(&format!("K{k}"), k, "to fill several blocks");
    }

    let dir = directory();
    let path = dir.path().join("x.fits");
    let mut file = FitsWriter::create(&path).unwrap();
    file.image::<u8>(&[], &Header::new()).unwrap();
    file.image::<f32>(&[2, 2], &cards).unwrap();
    file.write_pixels(0, &[1f32, 2.0, 3.0, 4.0]).unwrap();
    file.finish().unwrap();

    let mut file = FitsReader::open(&path).unwrap();
    assert!(file.header().unwrap().cards().iter().all(|card| card.value.is_some()), "no comments");
    file.move_to("IMAGE").unwrap();
    let header = file.header().unwrap();
    assert_eq!(header.integer("NAXIS"), Ok(2));
    assert_eq!(header.get("CHECKSUM"), None);
    assert_eq!(header.text("LONG"), Ok(long.trim_end()));
    assert_eq!(header.text("A LONGER KEYWORD"), Ok(long.trim_end()));
    assert_eq!(header.integer("K99"), Ok(99));
    for keyword in ["OMEGA_MEDIAN", "L2 N_HOT", "REFCAT.VERSION", "CDELT1", "TINY", "FLAG"] {
        assert_eq!(header.get(keyword), cards.get(keyword), "{keyword}");
        assert_eq!(header.comment(keyword), cards.comment(keyword), "{keyword}");
    }
    let history: String =
        header.cards().iter().filter(|c| c.keyword == "HISTORY").map(|c| &*c.comment).collect();
    assert_eq!(history, "word ".repeat(40).trim_end());
    assert_eq!(first_pixels(&path, "IMAGE", 4), [1.0, 2.0, 3.0, 4.0]);
}

fn first_pixels(path: &Path, hdu: &str, count: usize) -> Vec<f32> {
    let mut file = FitsReader::open(path).unwrap();
    file.move_to(hdu).unwrap();
    let mut out = vec![0f32; count];
    file.read_pixels(0, &mut out).unwrap();
    out
}

#[test]
fn rice_images_show_the_image() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    let data: Vec<i32> = (0..3000).map(|k| if k % 7 == 0 { 1 << 21 } else { k * k % 64 }).collect();
    let mut cards = Header::new();
    cards.set("EXTNAME", "FLAGS", "").set("MSKN0021", "SOURCE", "");
    let mut file = FitsWriter::create(&path).unwrap();
    file.image_rice::<i32>(&[50, 60], &cards).unwrap();
    file.write_pixels(0, &data).unwrap();
    file.checksum().unwrap();
    cards.set("EXTNAME", "PLAIN", "");
    file.image::<i32>(&[50, 60], &cards).unwrap();
    file.finish().unwrap();
    assert!(FitsWriter::create(&dir.path().join("y")).unwrap().image_rice::<f32>(&[1, 1], &cards).is_err());

    let mut file = FitsReader::open(&path).unwrap();
    assert_eq!(file.hdu_names().unwrap(), ["PRIMARY", "FLAGS", "PLAIN"]);
    file.move_to("FLAGS").unwrap();
    assert_eq!(file.image_shape().unwrap(), [50, 60]);
    let header = file.header().unwrap();
    assert_eq!((header.integer("NAXIS1"), header.integer("BITPIX")), (Ok(60), Ok(32)));
    assert_eq!(header.get("ZIMAGE"), None);
    assert_eq!(header.text("MSKN0021"), Ok("SOURCE"));
    let mut out = vec![0i32; 3000];
    file.read_pixels(0, &mut out).unwrap();
    assert_eq!(out, data);
    assert_eq!(file.verify_checksum().unwrap(), Some(true));
}

/// Planes of any type, cut into bands, come back as they were, plane by plane and in parts.
#[test]
fn gzipped_images_show_the_image() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    let shape = [2, 3, 90, 400];
    let count = shape.iter().product::<usize>();
    let counts: Vec<u16> = (0..count).map(|k| u16::try_from(k % 65_536).unwrap()).collect();
    let mut values: Vec<f32> = counts.iter().map(|n| f32::from(*n) * 0.37 - 9.0).collect();
    (values[5], values[count - 1]) = (f32::NAN, f32::INFINITY);
    let mut cards = Header::new();
    let mut file = FitsWriter::create(&path).unwrap();
    cards.set("EXTNAME", "COUNT", "");
    file.image_gzip::<u16>(&shape, &cards).unwrap();
    for (k, plane) in counts.chunks(90 * 400).enumerate() {
        file.write_pixels(k * 90 * 400, plane).unwrap();
    }
    assert!(file.write_pixels(count, &[1u16]).is_err(), "behind the end");
    file.checksum().unwrap();
    cards.set("EXTNAME", "SCI", "");
    file.image_gzip::<f32>(&shape, &cards).unwrap();
    assert!(file.write_pixels(1, &values).is_err(), "not from a tile on");
    file.write_pixels(0, &values).unwrap();
    file.checksum().unwrap();
    cards.set("EXTNAME", "MASK", "");
    file.image_gzip::<u32>(&[90, 400], &cards).unwrap();
    file.write_pixels(0, &vec![u32::MAX; 36_000]).unwrap();
    file.finish().unwrap();

    let mut file = FitsReader::open(&path).unwrap();
    file.move_to("COUNT").unwrap();
    assert_eq!(file.image_shape().unwrap(), shape);
    let mut out = vec![0u16; count];
    file.read_pixels(0, &mut out).unwrap();
    assert!(out == counts);
    let mut part = vec![0u16; 1000];
    file.read_pixels(77_777, &mut part).unwrap();
    assert!(part == counts[77_777..78_777]);
    assert_eq!(file.verify_checksum().unwrap(), Some(true));
    file.move_to("SCI").unwrap();
    let mut out = vec![0f32; count];
    file.read_pixels(0, &mut out).unwrap();
    assert!(out.iter().map(|v| v.to_bits()).eq(values.iter().map(|v| v.to_bits())));
    file.move_to("MASK").unwrap();
    let mut out = vec![0u32; 36_000];
    file.read_pixels(0, &mut out).unwrap();
    assert!(out.iter().all(|flags| *flags == u32::MAX));
}

/// No value is off by more than half of the smallest step of its tile, NaN stays, and a tile
/// without steps or with infinite values keeps every bit.
#[test]
fn rounded_images_show_the_image_nearly() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    let shape = [3, 64, 300];
    let plane = 64 * 300;
    let noise = |k: usize| (k * 7919 % 10_007) as f32 / 10_007.0 - 0.5;
    let mut values: Vec<f32> = (0..3 * plane).map(|k| 40.0 * noise(k) + (k % 300) as f32).collect();
    let mut steps = vec![0.25f32; 3 * plane];
    (values[7], steps[8]) = (f32::NAN, f32::NAN);
    steps[plane..2 * plane].fill(f32::NAN);
    values[2 * plane] = f32::INFINITY;
    let mut cards = Header::new();
    cards.set("EXTNAME", "SCI", "").set("BUNIT", "MJy/sr", "");
    let mut file = FitsWriter::create(&path).unwrap();
    file.image_rounded(&shape, &cards).unwrap();
    assert!(file.write_rounded(0, &values, &steps[1..]).is_err());
    for k in 0..3 {
        let part = k * plane..(k + 1) * plane;
        file.write_rounded(k * plane, &values[part.clone()], &steps[part]).unwrap();
    }
    file.checksum().unwrap();
    file.finish().unwrap();
    let mut file = FitsReader::open(&path).unwrap();
    file.move_to("SCI").unwrap();
    assert_eq!(file.verify_checksum().unwrap(), Some(true));
    let mut out = vec![0f32; 3 * plane];
    file.read_pixels(0, &mut out).unwrap();
    assert!(out[7].is_nan() && out[2 * plane] == f32::INFINITY);
    let off: Vec<f32> = out.iter().zip(&values).map(|(a, b)| (a - b).abs()).collect();
    let worst = off[..plane].iter().copied().fold(0.0, f32::max);
    assert!((0.12..0.12501).contains(&worst), "{worst}");
    assert!(out[plane..2 * plane] == values[plane..2 * plane], "without steps");
}

#[test]
fn tables_hold_arrays_and_strings() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    let spec = |name, format, unit, dim| ColumnSpec { name, format, unit, dim };
    let columns = [
        spec("X", "9J", "", Some("(9)")),
        spec("VALUES", "252E", "um", Some("(2,9,14)")),
        spec("NAME", "12A", "", None),
    ];
    let values: Vec<f32> = (0..504u16).map(f32::from).collect();
    let mut file = FitsWriter::create(&path).unwrap();
    file.table("WCS-WAVE", 2, &columns, &Header::new()).unwrap();
    file.write_column("X", 1, &[1i32, 2, 3, 4, 5, 6, 7, 8, 2040]).unwrap();
    file.write_column("VALUES", 0, &values).unwrap();
    file.write_text_column("NAME", 0, &["NGC 4395", ""]).unwrap();
    assert!(file.write_text_column("NAME", 0, &["longer than the cell"]).is_err());
    assert!(file.write_column("VALUES", 1, &values).is_err());
    assert!(file.write_column("NONE", 0, &values).is_err());
    file.checksum().unwrap();
    file.finish().unwrap();

    let mut file = FitsReader::open(&path).unwrap();
    file.move_to("WCS-WAVE").unwrap();
    assert_eq!(file.table_rows().unwrap(), 2);
    assert_eq!(file.column_len("values").unwrap(), 252);
    assert_eq!(file.columns().unwrap()[1].unit, "um");
    assert_eq!(file.header().unwrap().text("TDIM2"), Ok("(2,9,14)"));
    let mut x = [0i32; 9];
    file.read_column("X", 1, &mut x).unwrap();
    assert_eq!(x[8], 2040);
    let mut read = vec![0f32; 504];
    file.read_column("VALUES", 0, &mut read).unwrap();
    assert_eq!(read, values);
    assert_eq!(file.read_text_column("NAME", 0, 2).unwrap(), ["NGC 4395", ""]);
    assert!(file.read_text_column("NAME", 1, 2).is_err());
    assert!(file.read_column("X", 2, &mut x).is_err());
    assert_eq!(file.verify_checksum().unwrap(), Some(true));
    assert_eq!(file.image_shape().unwrap_err().to_string(), "HDU 1 (WCS-WAVE) is not an image");
    assert_eq!(file.column_len("Z").unwrap_err().to_string(), "no column Z in HDU 1 (WCS-WAVE)");
    file.move_to("PRIMARY").unwrap();
    assert_eq!(file.verify_checksum().unwrap(), None);
}

#[test]
fn checksums_find_a_changed_byte() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    sample(&path);
    let mut file = FitsReader::open(&path).unwrap();
    file.move_to("IMAGE").unwrap();
    assert_eq!(file.verify_checksum().unwrap(), Some(true));
    let mut bytes = fs::read(&path).unwrap();
    bytes[5760 + 2880 / 2] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut file = FitsReader::open(&path).unwrap();
    file.move_to("IMAGE").unwrap();
    assert_eq!(file.verify_checksum().unwrap(), Some(false));
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let dir = directory();
    let paths = [dir.path().join("a.fits"), dir.path().join("b.fits")];
    paths.iter().for_each(|path| sample(path));
    assert_eq!(fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap());
}

#[test]
fn gzip_is_recognized_by_its_contents() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    sample(&path);
    let zipped = dir.path().join("zipped.fits");
    let bytes = gzip(&fs::read(&path).unwrap());
    fs::write(&zipped, &bytes).unwrap();
    assert_eq!(first_pixels(&zipped, "IMAGE", 6000), ramp());

    fs::write(&zipped, &bytes[..bytes.len() / 2]).unwrap();
    assert!(read_all(&zipped).is_err());
}

/// The pixels of the image IMAGE where they stand, if it can be had so.
fn mapped<T: PlaneSample + FitsNumber>(path: &Path) -> Option<Vec<T>> {
    let mut file = FitsReader::open(path).unwrap();
    file.move_to("IMAGE").unwrap();
    let image = file.mapped_image::<T>().unwrap()?;
    drop(file);
    Some(image.pixels().to_native().into_owned())
}

#[test]
fn plain_images_are_read_where_they_stand() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    sample(&path);
    assert_eq!(mapped::<f32>(&path), Some(ramp()));
    assert_eq!(mapped::<i32>(&path), None, "another type");

    let bytes = fs::read(&path).unwrap();
    let broken = dir.path().join("broken.fits");
    fs::write(&broken, gzip(&bytes)).unwrap();
    assert_eq!(mapped::<f32>(&broken), Some(ramp()), "unpacked");

    let mut file = FitsWriter::create(&dir.path().join("rice.fits")).unwrap();
    let mut cards = Header::new();
    cards.set("EXTNAME", "IMAGE", "");
    file.image_rice::<i32>(&[10, 10], &cards).unwrap();
    file.write_pixels(0, &[7i32; 100]).unwrap();
    file.finish().unwrap();
    assert_eq!(mapped::<i32>(&dir.path().join("rice.fits")), None, "compressed");
}

#[test]
fn scaled_and_incomplete_images_are_not_read_where_they_stand() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    for (scale, zero, plain) in [(1.0, 0.0, true), (2.0, 0.0, false), (1.0, 3.0, false)] {
        let mut cards = Header::new();
        // The writer keeps the cards of scaling to itself.
        cards.set("EXTNAME", "IMAGE", "").set("XSCALE", scale, "").set("XZERO", zero, "");
        let mut file = FitsWriter::create(&path).unwrap();
        file.image::<i32>(&[2, 3], &cards).unwrap();
        file.finish().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        for name in [b"XSCALE  ", b"XZERO   "] {
            let at = bytes.windows(8).position(|window| window == name).unwrap();
            bytes[at] = b'B';
        }
        fs::write(&path, &bytes).unwrap();
        assert_eq!(mapped::<i32>(&path), plain.then(|| vec![0; 6]), "{scale} {zero}");
        fs::remove_file(&path).unwrap();
    }
    sample(&path);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..20_000]).unwrap();
    let mut file = FitsReader::open(&path).unwrap();
    file.move_to("IMAGE").unwrap();
    let error = file.mapped_image::<f32>().unwrap_err().to_string();
    assert_eq!(error, "the file ends within HDU 1 (IMAGE): 14240 of 24000 bytes are there");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read_all(path: &Path) -> Result<Vec<f32>, FitsError> {
    let mut file = FitsReader::open(path)?;
    file.move_to("IMAGE")?;
    let mut out = vec![0f32; 6000];
    file.read_pixels(0, &mut out)?;
    Ok(out)
}

#[test]
fn truncated_files_are_errors() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    sample(&path);
    let bytes = fs::read(&path).unwrap();
    for length in [10, 80, 2880, 2890, 5760, 5761, 8640, 10_000, 20_000, 29_000] {
        let path = dir.path().join(format!("{length}.fits"));
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(read_all(&path).is_err(), "{length} bytes");
    }
}

#[test]
fn what_is_no_fits_file_is_called_so() {
    let dir = directory();
    let file = |name: &str, contents: &str| -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, contents).unwrap();
        path
    };
    let error = |path: &Path| FitsReader::open(path).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error(&file("a", "")), "not a FITS file: it is empty");
    assert_eq!(error(&file("b", "<!DOCTYPE html>")), "not a FITS file: it begins with `<!DOCTYPE`");
    assert_eq!(error(&file("d", "BZh91AY&SY")), "not a FITS file: it is packed by bzip2; unpack it first");
    let zipped = error(&file("e", "PK\x03\x04abcdef"));
    assert_eq!(zipped, "not a FITS file: it is packed by zip; unpack it first");
    assert_eq!(error(dir.path()), "not a FITS file: it is a directory");
    assert!(error(&dir.path().join("none.fits")).starts_with("No such file"));
    let broken = error(&file("c", &format!("SIMPLE  = nonsense{}", " ".repeat(5000))));
    assert!(broken.starts_with("the file ends within the header of HDU 0"), "{broken}");
}

#[test]
fn paths_are_taken_literally() {
    let dir = directory();
    for name in ["a[1].fits", "b+1.fits", "!c.fits", "d(e).fits", " f.fits", "~g.fits", "mem:.fits"] {
        let path = dir.path().join(name);
        sample(&path);
        assert_eq!(read_all(&path).unwrap(), ramp(), "{name}");
        assert!(path.is_file(), "{name}");
    }
    assert!(matches!(FitsWriter::create(&dir.path().join("a[1].fits")), Err(FitsError::Io(_))));
}

#[test]
fn missing_hdus_are_named() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    sample(&path);
    let mut file = FitsReader::open(&path).unwrap();
    let error = file.move_to("ZODI").unwrap_err();
    assert_eq!(error.to_string(), "no HDU ZODI; the file has PRIMARY, IMAGE");
    assert_eq!(file.move_to_index(2).unwrap_err().to_string(), "no HDU 2; the file has 2 HDUs");
    assert_eq!(file.hdu_label(), "HDU 0 (PRIMARY)");
}

#[test]
fn values_that_do_not_fit_are_errors() {
    let dir = directory();
    let path = dir.path().join("x.fits");
    sample(&path);
    let mut file = FitsReader::open(&path).unwrap();
    file.move_to("IMAGE").unwrap();
    let error = file.read_pixels(0, &mut [0u8; 300]).unwrap_err().to_string();
    assert!(error.starts_with("cannot read pixels of HDU 1 (IMAGE): "), "{error}");
}

#[test]
fn two_threads_read_at_once() {
    let dir = directory();
    let paths = [dir.path().join("a.fits"), dir.path().join("b.fits")];
    paths.iter().for_each(|path| sample(path));
    std::thread::scope(|scope| {
        for k in 0..4 {
            let path = &paths[k % 2];
            scope.spawn(move || {
                for _ in 0..50 {
                    assert_eq!(read_all(path).unwrap(), ramp());
                }
            });
        }
    });
}

#[test]
fn handles_can_be_sent() {
    fn sent<T: Send>() {}
    sent::<FitsReader>();
    sent::<FitsWriter>();
}

#[test]
fn a_file_needs_an_hdu() {
    let dir = directory();
    assert!(FitsWriter::create(&dir.path().join("x.fits")).unwrap().finish().is_err());
}
