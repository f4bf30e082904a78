//! Files that are made to do harm, and files that are shortened while they are read: each is
//! refused with a message, soon, and without more memory than its bytes can stand for.
#![cfg(feature = "fits")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test")]

use std::io::Write as _;
use std::time::{Duration, Instant};

use spx_core::fits::{FitsError, FitsReader, FitsWriter};
use spx_core::header::Header;

mod common;
use common::read_everything;

/// A header of cards as they stand, END and blanks.
fn header(cards: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> = cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    bytes.extend(format!("{:<80}", "END").into_bytes());
    bytes.resize(bytes.len().next_multiple_of(2880), b' ');
    bytes
}

fn primary() -> Vec<u8> {
    header(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"])
}

/// A file of a primary and an extension with these cards and data.
fn file(cards: &[&str], data: &[u8]) -> Vec<u8> {
    let mut bytes = primary();
    bytes.extend(header(cards));
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    bytes
}

/// A tile-compressed image of 8 x 8 pixels: 8 rows of descriptors, then a heap; some cards are
/// exchanged.
fn tiles(changed: &[&str], data: &[u8]) -> Vec<u8> {
    let mut cards = vec![
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 8",
        "NAXIS2  = 8",
        "PCOUNT  = 256",
        "GCOUNT  = 1",
        "TFIELDS = 1",
        "TTYPE1  = 'COMPRESSED_DATA'",
        "TFORM1  = '1PB(32)'",
        "ZIMAGE  = T",
        "ZBITPIX = 32",
        "ZNAXIS  = 2",
        "ZNAXIS1 = 8",
        "ZNAXIS2 = 8",
        "ZTILE1  = 8",
        "ZTILE2  = 1",
        "ZCMPTYPE= 'RICE_1'",
        "EXTNAME = 'FLAGS'",
    ];
    for &change in changed {
        match cards.iter_mut().find(|card| card[..8] == change[..8]) {
            Some(card) => *card = change,
            None => cards.push(change),
        }
    }
    file(&cards, data)
}

/// Descriptors of so many bytes from so far on in the heap.
fn descriptors(count: i32, offset: i32) -> Vec<u8> {
    let mut data = [count.to_be_bytes(), offset.to_be_bytes()].concat().repeat(8);
    data.extend([0x5a; 256]);
    data
}

/// The message with which a file is refused, within two seconds.
fn refused(what: &str, bytes: Vec<u8>) -> String {
    let start = Instant::now();
    let result = FitsReader::from_bytes(bytes).and_then(|mut file| read_everything(&mut file));
    assert!(start.elapsed() < Duration::from_secs(2), "{what} takes {:?}", start.elapsed());
    result.expect_err(what).to_string()
}

#[test]
fn compressed_images_that_lie() {
    let sound = || descriptors(32, 0);
    for (changed, data, message) in [
        (&["ZCMPTYPE= 'HCOMPRESS_1'"][..], sound(), "HDU 1 (FLAGS) is compressed by HCOMPRESS_1"),
        (&["ZCMPTYPE= 'PLIO_1'"], sound(), "funpack"),
        (&["ZTILE1  = 0"], sound(), "ZTILE1 = 0"),
        (&["ZTILE2  = -5"], sound(), "ZTILE2 = -5"),
        (&["ZQUANTIZ= 'SUBTRACTIVE_DITHER_1'", "ZDITHER0= -100000", "ZBITPIX = -32"], sound(), "ZDITHER0"),
        (&["ZBITPIX = 7"], sound(), "ZBITPIX = 7"),
        (&["ZNAXIS1 = 100000", "ZNAXIS2 = 100000", "ZTILE1  = 100000"], sound(), "rows for"),
        (&["ZNAXIS1 = 10000000000", "ZTILE1  = 10000000000"], sound(), "cannot have been packed"),
        (
            &["ZNAXIS1 = 9223372036854775807", "ZNAXIS2 = 9223372036854775807"],
            sound(),
            "larger than any file",
        ),
        (&["ZNAXIS1 = -8"], sound(), "ZNAXIS1 = -8"),
        (&["ZNAXIS  = 1000000"], sound(), "ZNAXIS = 1000000"),
        (&["ZNAME1  = 'BYTEPIX'", "ZVAL1   = 8"], sound(), "BYTEPIX"),
        (&["ZNAME1  = 'BLOCKSIZE'", "ZVAL1   = 0"], sound(), "BLOCKSIZE"),
        (&[], descriptors(2_000_000_000, 0), "not in the heap"),
        (&[], descriptors(32, 1_000_000), "not in the heap"),
        (&[], descriptors(-1, 0), "has no data"),
        (&[], descriptors(1, 0), "tile 0"),
        (&["ZCMPTYPE= 'GZIP_1'"], sound(), "gzip"),
        (&["TTYPE1  = 'ELSE'"], sound(), "has no data"),
        (&["THEAP   = -1"], sound(), "THEAP"),
        (&["PCOUNT  = -1"], sound(), "PCOUNT"),
        (&["PCOUNT  = 9223372036854775807"], sound(), "ends within HDU 1 (FLAGS)"),
        (&["TFIELDS = 100000000"], sound(), "TFIELDS"),
        (&["TFORM1  = '99999999999999999999PB'"], sound(), "TFORM1"),
        (&["TFORM1  = '1000000D'"], sound(), "TFORM1"),
    ] {
        let found = refused(message, tiles(changed, &data));
        assert!(found.contains(message), "{changed:?}: {found}");
    }
}

#[test]
fn headers_that_lie() {
    let image = |cards: &[&'static str]| {
        let mut all = vec!["XTENSION= 'IMAGE'", "EXTNAME = 'IMAGE'"];
        all.extend(cards);
        file(&all, &[])
    };
    for (bytes, message) in [
        (
            image(&["BITPIX  = -32", "NAXIS   = 2", "NAXIS1  = 100000", "NAXIS2  = 100000"]),
            "ends within HDU 1 (IMAGE)",
        ),
        (
            image(&["BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 4294967296", "NAXIS2  = 4294967296"]),
            "larger than any",
        ),
        (image(&["BITPIX  = 8", "NAXIS   = 999"]), "NAXIS1 is missing"),
        (image(&["BITPIX  = 8", "NAXIS   = -1"]), "NAXIS = -1"),
        (image(&["BITPIX  = 0", "NAXIS   = 0"]), "BITPIX = 0"),
        (image(&["BITPIX  = BBB", "NAXIS   = 0"]), "BITPIX is missing"),
        (image(&["BITPIX  = 8", "NAXIS   = 1", "NAXIS1  ="]), "NAXIS1 is missing"),
        (
            [primary(), header(&["XTENSION= 'IMAGE'"])[..1000].to_vec()].concat(),
            "ends within the header of HDU 1",
        ),
    ] {
        let found = refused(message, bytes);
        assert!(found.contains(message), "{message}: {found}");
    }
    // A card of nothing but letters is nobody's form: the file opens, and its header is refused by
    // the card.
    let long = format!("A={}", "B".repeat(76));
    let table = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 0", "NAXIS2  = 0", &long];
    let mut odd = FitsReader::from_bytes(file(&table, &[])).unwrap();
    odd.move_to_index(1).unwrap();
    assert_eq!(odd.table_rows().unwrap(), 0);
    let rows =
        ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 0", "NAXIS2  = 1000000000000"];
    assert!(refused("rows", file(&rows, &[])).contains("NAXIS2 = 1000000000000"));
    let endless =
        [primary(), format!("{:<80}", "XTENSION= 'IMAGE'").into_bytes(), vec![b' '; 50_000_000]].concat();
    assert!(refused("endless", endless).contains("no END card"));
}

#[test]
fn gzipped_files_that_swell() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    assert!(refused("zeros", gzip(&vec![0; 100_000_000])).contains("not a FITS file"));
    let swollen = header(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 100000000000"]);
    assert!(refused("claims", gzip(&swollen)).contains("more than the packed file can hold"));
    // It does hold what it declares.
    let zeros = header(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 300000000"]);
    let bomb = gzip(&[zeros, vec![0; 300_000_000_usize.next_multiple_of(2880)]].concat());
    assert!(refused("zeros that are declared", bomb).contains("use gunzip first"));
    // Behind the last HDU nothing is unpacked.
    let tail = gzip(&[primary(), vec![0; 100_000_000]].concat());
    let mut file = FitsReader::from_bytes(tail).unwrap();
    assert_eq!(file.hdu_count().unwrap(), 1);
    let whole = gzip(&file_of_an_image());
    let cut = refused("cut", whole[..whole.len() / 2].to_vec());
    assert!(cut.contains("cannot unpack the gzipped file in HDU 1"), "{cut}");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    assert!(refused("flipped", flipped).contains("cannot unpack"));
    // Damage that makes a header of a later HDU something else shows in the sum of the stream.
    let mut other = primary();
    other.extend(vec![b'x'; 2880]);
    let mut damaged = gzip(&other);
    let end = damaged.len();
    damaged[end - 8] ^= 1;
    assert!(refused("damaged", damaged).contains("cannot unpack the gzipped file in HDU 1"));
    assert_eq!(FitsReader::from_bytes(gzip(&other)).unwrap().hdu_count().unwrap(), 1);
}

/// A file with an image of numbers without order.
fn file_of_an_image() -> Vec<u8> {
    let data: Vec<u8> = (0..40_000u32).flat_map(|k| k.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    file(&["XTENSION= 'IMAGE'", "BITPIX  = 32", "NAXIS   = 1", "NAXIS1  = 40000", "EXTNAME = 'IMAGE'"], &data)
}

#[test]
fn missing_hdus_tell_why() {
    let mut cut = file_of_an_image();
    cut.truncate(100_000);
    let mut reader = FitsReader::from_bytes(cut).unwrap();
    let error = reader.move_to("WCS-WAVE").unwrap_err().to_string();
    assert!(error.contains("the last 65760 bytes of HDU 1 (IMAGE) are missing"), "{error}");
    let damaged = [file_of_an_image(), vec![b'x'; 2880]].concat();
    let error = FitsReader::from_bytes(damaged).unwrap().move_to("WCS-WAVE").unwrap_err().to_string();
    assert!(error.contains("2880 bytes after them are not an HDU"), "{error}");
}

#[test]
fn a_file_may_be_shortened_while_it_is_read() {
    const COUNT: usize = 1 << 18;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.fits");
    let values: Vec<f32> = (0..COUNT).map(|k| k as f32).collect();
    let mut broken = 0;
    for round in 0..100 {
        std::fs::remove_file(&path).ok();
        let mut writer = FitsWriter::create(&path).unwrap();
        writer.image::<f32>(&[COUNT], &Header::new()).unwrap();
        writer.write_pixels(0, &values).unwrap();
        writer.finish().unwrap();
        let image = FitsReader::open(&path).unwrap().mapped_image::<f32>().unwrap();
        let Some(image) = image else { return }; // where files are not mapped
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // At one of many moments, to one of many lengths.
                std::thread::sleep(Duration::from_micros(round * 13 % 700));
                let file = std::fs::File::options().write(true).open(&path).unwrap();
                file.set_len(round * 7919 % 50 * 20_000).unwrap();
            });
            let mut wrong = 0;
            for k in 0..COUNT {
                let value = image.pixels().get(k);
                // Behind the new end of the file the system has zeros up to the end of the page.
                wrong += usize::from(value != k as f32 && !value.is_nan() && value != 0.0);
            }
            assert_eq!(wrong, 0);
        });
        // All of it once more, now that the file is short.
        let missing = (0..COUNT).filter(|&k| image.pixels().get(k).is_nan()).count();
        assert!(missing > 0 && !image.is_intact(), "round {round}");
        broken += 1;
        let error = FitsReader::open(&path).and_then(|mut file| {
            let shape = file.image_shape()?;
            file.read_pixels(0, &mut vec![0f32; shape[0]])
        });
        assert!(matches!(error, Err(FitsError::NotFits(_) | FitsError::Truncated { .. })), "{error:?}");
    }
    assert_eq!(broken, 100);
}
