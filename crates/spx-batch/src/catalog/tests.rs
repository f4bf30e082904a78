//! Catalogs in every form, good and bad.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use spx_core::progress::Silent;

use super::*;

mod forms;

fn read(path: &Path, epoch: Option<f64>) -> Result<Catalog, BatchError> {
    Catalog::read(path, &CatalogOptions { epoch, ..CatalogOptions::default() }, &Silent)
}

fn catalog(text: impl AsRef<[u8]>, epoch: Option<f64>) -> Result<Catalog, BatchError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    read(file.path(), epoch)
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/catalog").join(name)
}

fn problems(catalog: &Catalog) -> Vec<String> {
    catalog.rejected().iter().map(RejectedCatalogRow::to_string).collect()
}

fn ids(catalog: &Catalog) -> Vec<&str> {
    (0..catalog.len()).map(|n| catalog.target(n).id).collect()
}

#[test]
fn names_in_any_case_and_other_columns() {
    let text = "\u{feff}z,TargetID,RA,Dec\n0.5,39633458707826492,265.623,66.531\n,00012,0, -90\n,12,360.0,+9e1\n\
                ,\"NGC 4395, \"\"a\"\"\",10,20\n";
    let catalog = catalog(text, None).unwrap();
    assert_eq!(ids(&catalog), ["39633458707826492", "00012", "12", "NGC 4395, \"a\""]);
    assert_eq!(catalog.target(2).position, Position::new(0.0, 90.0).unwrap());
    assert_eq!(catalog.rejected_count(), 0);
    assert_eq!(catalog.farthest_motion(2030.0), 0.0);
}

#[test]
fn bad_rows_are_told_with_their_lines() {
    let text = "targetid,ra,dec\na,1,2\nb,361,2\nc,1,-90.5\nd,nan,2\ne,,2\nf,x,2\n,1,2\ng,1\na,1,2\nh,1,inf\n\
                i,3,4\na,5,6\n";
    let catalog = catalog(text, None).unwrap();
    assert_eq!(ids(&catalog), ["a", "i"]);
    let found = problems(&catalog);
    let words = [
        "line 3: b",
        "line 4: c",
        "line 5: d: no number for ra",
        "line 6: e",
        "line 7: f: ra `x`",
        "line 8: it has no id",
        "line 9: the row ends before dec",
        "line 10: a: line 2 has",
        "line 11: h",
        "line 13: a: line 2 has",
    ];
    assert_eq!(found.len(), words.len(), "{found:?}");
    for (problem, word) in found.iter().zip(words) {
        assert!(problem.contains(word), "{problem}: {word}");
    }
    assert_eq!(catalog.rejected_count(), 10);
}

#[test]
fn ids_with_control_characters_are_refused() {
    let catalog = catalog("targetid,ra,dec\n\"a\nb\",1,2\nc,1,2\n", None).unwrap();
    assert_eq!(ids(&catalog), ["c"]);
    assert!(problems(&catalog)[0].contains("line 2: the id \"a\\nb\""));
}

#[test]
fn what_is_no_catalogue() {
    for (text, word) in [
        ("", "it is empty"),
        ("   \n", "it is empty"),
        ("targetid,ra,dec\n", "it has no rows"),
        ("x,ra,dec\n1,2,3\n", "no column targetid"),
        ("targetid,RAB1950,dec\n1,2,3\n", "it has: targetid, RAB1950, dec"),
        ("targetid,ra,dec\n1,400,3\n2,400,3\n", "none of its 2 rows can be used; line 2: 1"),
        ("targetid,ra,dec,pmra,pmdec\n1,2,3,4,5\n", "no column ref_epoch"),
        ("<VOTABLE/>", "it has no column"),
    ] {
        let error = catalog(text, None).unwrap_err().to_string();
        assert!(error.contains(word), "{error}: {word}");
    }
    assert!(matches!(read(Path::new("/nowhere"), None), Err(BatchError::Io { .. })));
}

#[test]
fn proper_motions_come_with_their_epoch() {
    let text = "target_id,ra,dec,PMRA,pmdec,ref_epoch\na,1,2,3,4,2016\nb,1,2,,,\nc,1,2,3,4,\nd,1,2,3,,2016\n";
    let given = catalog(text, Some(2000.0)).unwrap();
    let motion = |epoch| Some(CatalogMotion { ra_cos_dec: 3.0, dec: 4.0, epoch });
    assert_eq!(given.target(0).motion, motion(2016.0));
    assert_eq!(given.target(1).motion, None);
    assert_eq!(given.target(2).motion, motion(2000.0));
    assert_eq!(problems(&given).len(), 1);
    assert!(problems(&given)[0].contains("line 5: d: a proper motion of 3, NaN"));
    assert!((given.farthest_motion(2020.0) - 20.0 * 5.0 / 3.6e6).abs() < 1e-15);
    let alone = catalog(text, None).unwrap();
    assert!(problems(&alone)[0].contains("line 4: c: it has a proper motion, but no epoch"));
}

#[test]
fn ecsv_in_both_forms_of_its_header() {
    let flow = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: targetid, datatype: int64}\n\
                # - {name: ra, unit: deg, datatype: float64}\n# - {name: dec, unit: deg, datatype: float64}\n\
                # schema: astropy-2.0\ntargetid,ra,dec\n39633458707826492,1.5,2.5\nx,y,2\n";
    let found = catalog(flow, None).unwrap();
    assert_eq!(ids(&found), ["39633458707826492"]);
    assert!(problems(&found)[0].starts_with("line 11: x: ra `y`"));
    let block = "# %ECSV 1.0\n# ---\n# datatype:\n# - name: targetid\n#   datatype: string\n# - name: ra\n\
                 #   unit: deg\n#   datatype: float64\n# - {name: dec, unit: deg, datatype: float64}\n\
                 targetid ra dec\n\"NGC 1\" 1.5 2.5\n";
    assert_eq!(ids(&catalog(block, None).unwrap()), ["NGC 1"]);
    let radians = catalog(flow.replace("name: ra, unit: deg", "name: ra, unit: rad"), None).unwrap();
    assert_eq!(radians.target(0).position.ra(), 1.5f64.to_degrees());
    // Neither descriptions nor other lists of the header declare columns.
    let told = flow
        .replace("name: ra, unit: deg", "name: ra")
        .replace("datatype: float64}", "datatype: float64, description: 'a guess, name: dec, unit: rad'}");
    let told =
        told.replace("# schema", "# meta: !!omap\n# - columns:\n#   - {name: ra, unit: rad}\n# schema");
    assert_eq!(catalog(&told, None).unwrap().target(0).position.ra(), 1.5);
    let unknown = flow.replace("name: ra, unit: deg", "name: ra, unit: furlong");
    assert!(catalog(&unknown, None).unwrap_err().to_string().contains("column ra is in furlong"));
}

/// A file of one row group with a column of ids, and coordinates that may be null.
fn parquet_file(id: &str, write: impl FnOnce(&mut ColumnWriter<'_>)) -> tempfile::NamedTempFile {
    let message = format!(
        "message c {{ {id} TargetId; optional double ra; required float dec; optional int32 other; }}"
    );
    let schema = parse_message_type(&message).unwrap().into();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer =
        SerializedFileWriter::new(file.reopen().unwrap(), schema, WriterProperties::new().into()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut write = Some(write);
    while let Some(mut column) = group.next_column().unwrap() {
        match column.untyped() {
            ColumnWriter::DoubleColumnWriter(w) => {
                w.write_batch(&[1.5, 2.5], Some(&[1, 0, 1]), None).map(drop)
            }
            ColumnWriter::FloatColumnWriter(w) => w.write_batch(&[-1.0, -2.0, 91.0], None, None).map(drop),
            other => {
                match write.take() {
                    Some(write) => write(other),
                    None => {
                        let ColumnWriter::Int32ColumnWriter(w) = other else { panic!() };
                        w.write_batch(&[], Some(&[0, 0, 0]), None).unwrap();
                    }
                }
                Ok(())
            }
        }
        .unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    file
}

#[test]
fn parquet_with_texts_and_integers() {
    let text = parquet_file("required binary", |column| {
        let ColumnWriter::ByteArrayColumnWriter(w) = column else { panic!() };
        w.write_batch(&["a", "b", "c"].map(ByteArray::from), None, None).unwrap();
    });
    let found = read(text.path(), None).unwrap();
    assert_eq!(ids(&found), ["a"]);
    assert_eq!(found.target(0).position, Position::new(1.5, -1.0).unwrap());
    assert!(problems(&found)[0].starts_with("line 2: b: no number for ra"));
    assert!(problems(&found)[1].starts_with("line 3: c: "));
    let integers = parquet_file("optional int64", |column| {
        let ColumnWriter::Int64ColumnWriter(w) = column else { panic!() };
        w.write_batch(&[39_633_458_707_826_492, -3], Some(&[1, 0, 1]), None).unwrap();
    });
    let found = read(integers.path(), None).unwrap();
    assert_eq!(ids(&found), ["39633458707826492"]);
    assert_eq!(problems(&found)[0], "line 2: it has no id");
    let truths = parquet_file("required boolean", |column| {
        let ColumnWriter::BoolColumnWriter(w) = column else { panic!() };
        w.write_batch(&[true; 3], None, None).unwrap();
    });
    let error = read(truths.path(), None).unwrap_err().to_string();
    assert!(error.contains("column TargetId is of type BOOLEAN"), "{error}");
}

#[test]
fn the_digest_changes_with_everything() {
    let base = "targetid,ra,dec,pmra,pmdec,ref_epoch\na,1,2,3,4,2016\nb,5,6,,,\n";
    let digest = |text: &str| catalog(text, None).unwrap().digest();
    let mut seen = vec![digest(base)];
    for (from, to) in [
        ("a,1", "c,1"),
        ("a,1", "a,1.0000001"),
        ("2016", "2015"),
        ("a,1,2,3,4,2016\nb,5,6,,,", "b,5,6,,,\na,1,2,3,4,2016"),
        ("b,5,6,,,", ""),
    ] {
        seen.push(digest(&base.replace(from, to)));
    }
    let number = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), number);
    assert_eq!(digest(base), digest(&base.replace("b,5,6", "b,5.0,6.0")));
}

/// The position of the only source.
fn only(text: impl AsRef<[u8]>) -> (String, f64, f64) {
    let found = catalog(text, None).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((found.len(), problems(&found)), (1, Vec::<String>::new()));
    let target = found.target(0);
    (target.id.to_owned(), target.position.ra(), target.position.dec())
}

#[test]
fn texts_of_every_kind() {
    let expected = ("NGC 1".to_owned(), 186.5, -33.25);
    for text in [
        "name;ra;dec\nNGC 1;186.5;-33.25\n",
        "name\tra\tdec\nNGC 1\t186.5\t-33.25\n",
        "name|ra|dec\nNGC 1|186.5|-33.25\n",
        "# a comment\n# another, with a comma\n\nname,ra,dec\n# within\nNGC 1,186.5,-33.25\n",
        "  name      ra      dec\n\"NGC 1\"   186.5   -33.25\n",
        "# name,ra,dec\nNGC 1,186.5,-33.25\n",
        "name,ra [deg],dec (deg)\r\nNGC 1,186.5,-33.25\r\n",
        "#\n#Table J_x\n_RAJ2000;_DEJ2000;Name\ndeg;deg;\n--------;--------;-----\n186.50000;-33.25000;NGC 1\n",
        "_RAJ2000\t_DEJ2000\tName\n\"h:m:s\"\t\"d:m:s\"\t\n---\t---\t---\n12 26 00.0\t-33 15 00\tNGC 1\n",
        "name,ra,dec\nNGC 1,12:26:00,-33:15:00\n",
        "name,ra,dec\nNGC 1,12h26m00s,-33d15m00s\n",
    ] {
        let (id, ra, dec) = only(text);
        assert!((ra - expected.1).abs() < 1e-12 && (dec - expected.2).abs() < 1e-12, "{text}: {ra} {dec}");
        assert_eq!(id, expected.0, "{text}");
    }
}

#[test]
fn gzipped_texts_and_their_limits() {
    use std::io::Write as _;
    let packed = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(only(packed(b"name,ra,dec\nNGC 1,186.5,-33.25\n")).0, "NGC 1");
    for endless in [vec![b'x'; 20 << 20], [b"name,ra,dec\n\"".as_slice(), &vec![b'x'; 20 << 20]].concat()] {
        let error = catalog(packed(&endless), None).unwrap_err().to_string();
        assert!(error.contains("a row has more than 16777216 bytes"), "{error}");
    }
}

#[test]
fn the_user_can_stop_any_reading() {
    struct Stopped;
    impl Progress for Stopped {
        fn cancelled(&self) -> bool {
            true
        }
    }
    let text = tempfile::NamedTempFile::new().unwrap();
    for (path, content) in [
        (text.path().to_owned(), Some("name,ra,dec\nNGC 1,186.5,-33.25\n")),
        (text.path().to_owned(), Some("<VOTABLE/>")),
        (golden("zstd_v1.parquet"), None),
    ] {
        content.inspect(|content| fs::write(&path, content).unwrap());
        let stopped = Catalog::read(&path, &CatalogOptions::default(), &Stopped);
        assert!(matches!(stopped, Err(BatchError::Cancelled)), "{stopped:?}");
    }
}

#[test]
fn parquet_of_every_codec_without_the_fields_of_structs() {
    for codec in ["none", "snappy", "gzip", "brotli", "lz4", "zstd"] {
        for version in [1, 2] {
            let found = read(&golden(&format!("{codec}_v{version}.parquet")), None);
            let found = found.unwrap_or_else(|e| panic!("{codec}: {e}"));
            assert_eq!((found.len(), found.rejected_count()), (294, 6), "{codec}");
            assert_eq!(problems(&found)[0], "line 8: 18446744073709551608: no number for dec");
            let target = found.target(10);
            assert_eq!(target.id, "18446744073709551604");
            assert_eq!((target.position.ra(), target.position.dec()), (0.110_000_11, 11.0));
        }
    }
}

#[test]
fn damaged_parquet_is_refused() {
    let good = fs::read(golden("zstd_v1.parquet")).unwrap();
    for at in (4..good.len() - 8).step_by(97) {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        catalog(&bytes, None).ok();
    }
    assert!(catalog(&good[..good.len() / 2], None).is_err());
    // Found by cargo xtask fuzz.
    let error = read(&golden("negative_offset.parquet"), None).unwrap_err().to_string();
    assert!(error.contains("starts or ends before the file does"), "{error}");
}

#[test]
fn astropys_parquet_has_units() {
    let found = read(&golden("astropy_rad.parquet"), None).unwrap();
    assert_eq!(ids(&found), ["a", "b", "c"]);
    let target = found.target(2);
    assert!((target.position.ra() - 30.0).abs() < 1e-12 && (target.position.dec() - 5.0).abs() < 1e-12);
    let motion = target.motion.unwrap();
    assert_eq!((motion.ra_cos_dec, motion.dec, motion.epoch), (-100.0, 50.0, 2015.5));
    assert_eq!(found.target(1).motion, None);
}

#[test]
fn units_and_bars_of_other_forms() {
    let same = read(&golden("astropy_rad.parquet"), None).unwrap();
    for name in ["arrow_rad.parquet", "votable_rad.parquet", "sources.tbl", "two_tables.fits"] {
        let found = read(&golden(name), None).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((ids(&found), found.rejected_count()), (vec!["a", "b", "c"], 0), "{name}");
        for number in 0..3 {
            let (target, other) = (found.target(number), same.target(number));
            assert!((target.position.ra() - other.position.ra()).abs() < 1e-11, "{name}");
            assert!((target.position.dec() - other.position.dec()).abs() < 1e-11, "{name}");
            assert_eq!(target.motion.map(|m| m.epoch), other.motion.map(|m| m.epoch), "{name}");
            let moved = |target: &CatalogTarget<'_>| target.motion.map_or(0.0, |m| m.ra_cos_dec);
            assert!((moved(&target) - moved(&other)).abs() < 1e-9, "{name}");
        }
        let is_noted = name == "two_tables.fits";
        let note = "sources are those of HDU 2; HDU 1 is not used: columns RA and R_A could both be meant";
        assert_eq!(
            found.notes().iter().any(|said| said.contains(note)),
            is_noted,
            "{name}: {:?}",
            found.notes()
        );
    }
    let nulls = "\\fixlen = T\n| name |   ra|  dec| pmra|pmdec|\n| char |    d|    d|    d|    d|\n|      |  rad|  rad|     |     |\n\
                 |  null| null| null| null| null|\n NGC 1   1.5   0.5  null  null\n  null   1.0   0.5   1.0   1.0\n";
    let found = catalog(nulls, Some(2000.0)).unwrap();
    assert_eq!((ids(&found), found.target(0).motion), (vec!["NGC 1"], None));
    assert_eq!(found.target(0).position.ra(), 1.5f64.to_degrees());
    assert_eq!(problems(&found), ["line 7: it has no id"]);
}

#[test]
fn fits_tables_are_catalogs() {
    let found = read(&golden("sources.fits.gz"), None).unwrap();
    assert_eq!(ids(&found), ["a", "b", "c"]);
    let same = read(&golden("astropy_rad.parquet"), None).unwrap();
    for number in 0..3 {
        let (target, other) = (found.target(number), same.target(number));
        assert_eq!((target.position, target.motion), (other.position, other.motion));
    }
    assert_eq!(found.digest(), same.digest());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(golden("sources.fits.gz")).unwrap())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(catalog(&unpacked, None).unwrap().digest(), same.digest());
    let cut = catalog(&unpacked[..unpacked.len() - 2880], None).unwrap_err().to_string();
    assert!(cut.contains("the file ends within"), "{cut}");
    for (from, to, words) in [
        ("rad     ", "parsec  ", ["RA_ICRS", "parsec"]),
        ("'RA_ICRS '", "'xx_ICRS '", ["no column ra", "xx_ICRS"]),
        ("'arcsec yr-1'", "'km s-1     '", ["pmRA", "km s-1"]),
    ] {
        let mut other = unpacked.clone();
        let at = other.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        other[at..at + to.len()].copy_from_slice(to.as_bytes());
        let error = catalog(&other, None).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let image = catalog(&unpacked[..2880], None).unwrap_err().to_string();
    assert!(image.contains("no binary table"), "{image}");
}

/// Ids above 2^53, and above 2^63, keep their digits: TZERO = 2^63 makes unsigned numbers.
#[test]
fn unsigned_ids_of_fits_tables_keep_their_digits() {
    let cards = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 24",
        "NAXIS2  = 3",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "TFIELDS = 3",
        "TTYPE1  = 'OBJID   '",
        "TFORM1  = 'K       '",
        "TZERO1  = 9223372036854775808",
        "TTYPE2  = 'RA      '",
        "TFORM2  = 'D       '",
        "TTYPE3  = 'DEC     '",
        "TFORM3  = 'D       '",
        "END",
    ];
    let block = |cards: &[&str]| {
        let text: String = cards.iter().map(|card| format!("{card:<80}")).collect();
        format!("{text:<2880}").into_bytes()
    };
    let mut file = block(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "EXTEND  = T", "END"]);
    file.extend(block(&cards));
    let numbers = [1, 123_456_789_012_345_679, u64::MAX];
    let rows = numbers
        .iter()
        .flat_map(|id| [(id ^ (1 << 63)).to_be_bytes(), 10f64.to_be_bytes(), (-5f64).to_be_bytes()].concat());
    file.extend(rows);
    file.resize(file.len().next_multiple_of(2880), 0);
    let found = catalog(&file, None).unwrap();
    assert_eq!(ids(&found), numbers.map(|id| id.to_string()));
}

#[test]
fn packed_catalogs_and_other_forms_are_told() {
    for (begin, words) in [
        (&b"BZh91AY&SY"[..], "packed with bzip2: unpack it"),
        (b"\xfd7zXZ\0", "packed with xz: unpack it"),
        (b"PK\x03\x04", "packed with zip"),
        (b"\xff\xfei\0d\0,\0r\0a\0", "in UTF-16: save it as UTF-8"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"ARROW1\0\0", "an Arrow"),
        (b"[{\"id\": 1}]", "JSON"),
        (b"Title: A table\nAuthors: A. Author\n", "format=\"mrt\""),
    ] {
        let error = catalog(begin, None).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_misspelt_column_is_told_with_the_nearest() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "name,ra_gaia,dec_gaia\n7,1,2\n").unwrap();
    let read = |ra: &str| {
        let (ra_column, dec_column) = (Some(ra.to_owned()), Some("DEC_gaia".to_owned()));
        let options = CatalogOptions { ra_column, dec_column, ..CatalogOptions::default() };
        Catalog::read(file.path(), &options, &Silent)
    };
    assert_eq!(read("ra_gaia").unwrap().target(0).position, Position::new(1.0, 2.0).unwrap());
    let error = read("ra_gia").unwrap_err().to_string();
    assert!(error.contains("no column ra_gia; did you mean `ra_gaia`? It has: name, ra_gaia"), "{error}");
    assert!(read("zzz").unwrap_err().to_string().contains("no column zzz; it has: name"));
}

/// A VOTable with these fields and rows.
fn votable(fields: &str, rows: &str, behind: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<VOTABLE version=\"1.4\"><RESOURCE type=\"results\"><TABLE>{fields}<DATA>\
         <TABLEDATA>{rows}</TABLEDATA></DATA></TABLE>{behind}</RESOURCE></VOTABLE>"
    )
}

fn votable_fields(id: &str, unit: &str) -> String {
    format!(
        "<FIELD name=\"TARGETID\" datatype=\"{id}\"/><FIELD name=\"RA\" datatype=\"double\" unit=\"{unit}\"/>\
         <FIELD name=\"dec\" datatype=\"float\" unit=\"deg\"/>"
    )
}

#[test]
fn votables_are_catalogs() {
    let row = |id: &str, ra: &str| format!("<TR><TD>{id}</TD><TD>{ra}</TD><TD>2.5</TD></TR>");
    let rows = [row("39633458707826492", "1.5"), row("2", "NaN"), row("39633458707826492", "3")].concat();
    let found = catalog(votable(&votable_fields("long", "deg"), &rows, ""), None).unwrap();
    assert_eq!(ids(&found), ["39633458707826492"]);
    assert_eq!((found.target(0).position.ra(), found.target(0).position.dec()), (1.5, 2.5));
    assert!(problems(&found)[0].starts_with("line 2: 2: no number for ra"), "{:?}", problems(&found));
    assert!(problems(&found)[1].starts_with("line 3: 39633458707826492: line 1 has"));
    assert!(found.notes().is_empty());
    let radians = catalog(votable(&votable_fields("double", "rad"), &row("7", "1.5"), ""), None).unwrap();
    assert_eq!((ids(&radians), radians.target(0).position.ra()), (vec!["7"], 1.5f64.to_degrees()));
}

#[test]
fn votables_that_were_cut_off_or_failed_are_told() {
    let row = "<TR><TD>1</TD><TD>1.5</TD><TD>2.5</TD></TR>";
    let overflow = "<INFO name=\"QUERY_STATUS\" value=\"OVERFLOW\"/>";
    let found = catalog(votable(&votable_fields("long", "deg"), row, overflow), None).unwrap();
    assert!(found.notes()[0].contains("OVERFLOW"), "{:?}", found.notes());
    let failed = "<VOTABLE><RESOURCE type='results'><INFO name='QUERY_STATUS' value='ERROR'>no such table</INFO>\
        </RESOURCE></VOTABLE>";
    assert!(catalog(failed, None).unwrap_err().to_string().contains("no such table"));
    let late = "<INFO name=\"QUERY_STATUS\" value=\"ERROR\">timeout</INFO>";
    let error = catalog(votable(&votable_fields("long", "deg"), row, late), None).unwrap_err().to_string();
    assert!(error.contains("its server failed after 1 rows: timeout"), "{error}");
    let unexact = row.replace("<TD>1<", "<TD>39633458707826492<");
    let error = catalog(votable(&votable_fields("double", "deg"), &unexact, ""), None).unwrap_err();
    assert!(error.to_string().contains("floating-point"), "{error}");
    let endless = "<VOTABLE><RESOURCE><TABLE><FIELD name='id' datatype='char' arraysize='0'/>\
        <FIELD name='ra' datatype='double' arraysize='0'/><FIELD name='dec' datatype='double' arraysize='0'/>\
        <DATA><BINARY><STREAM encoding='base64'>AAAA</STREAM></BINARY></DATA></TABLE></RESOURCE></VOTABLE>";
    assert!(catalog(endless, None).unwrap_err().to_string().contains("take no bytes"));
}

#[test]
fn galaxies_have_shapes_where_they_are_asked_for() {
    let read = |text: &str, shapes: bool| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        Catalog::read(file.path(), &CatalogOptions { shapes, ..CatalogOptions::default() }, &Silent).unwrap()
    };
    let text = "id,ra,dec,sersic,Shape_R,ab_ratio,phi\na,1,2,4,3.5,0.6,30\nb,1,3,,0,,\nc,1,4,1,2,,\n\
                d,1,5,7,2,1,0\ne,1,6,1,21,1,0\nf,1,7,1,2,1.2,0\ng,1,8,1,2,0.5,\nh,1,9,,2,1,0\n";
    let found = read(text, true);
    assert_eq!(ids(&found), ["a", "b", "c"]);
    let shape =
        |index, r_eff, axis_ratio, position_angle| CatalogShape { index, r_eff, axis_ratio, position_angle };
    let shapes: Vec<_> = (0..3).map(|k| found.target(k).shape).collect();
    assert_eq!(shapes, [Some(shape(4.0, 3.5, 0.6, 30.0)), None, Some(shape(1.0, 2.0, 1.0, 0.0))]);
    let problems = problems(&found);
    for (problem, word) in problems.iter().zip([
        "Sersic index of 7",
        "radius of 21",
        "ratio of 1.2",
        "no position",
        "index of NaN",
    ]) {
        assert!(problem.contains(word), "{problem}");
    }
    let points = read(text, false);
    assert_eq!((points.len(), points.target(0).shape), (8, None));
    assert_ne!(points.digest(), read(&text.replace("7,2,1", "1,2,1"), true).digest());
    // Units of the file, and a table with half of a shape.
    let units = votable_fields("long", "deg")
        + "<FIELD name='sersic' datatype='double'/><FIELD name='r_eff' datatype='double' unit='deg'/>\
           <FIELD name='ab_ratio' datatype='double'/><FIELD name='pa' datatype='double' unit='rad'/>";
    let row = "<TR><TD>1</TD><TD>1.5</TD><TD>2</TD><TD>1</TD><TD>0.001</TD><TD>0.5</TD><TD>1</TD></TR>";
    let galaxy = read(&votable(&units, row, ""), true).target(0).shape.unwrap();
    assert!((galaxy.r_eff - 3.6).abs() < 1e-12 && (galaxy.position_angle - 1f64.to_degrees()).abs() < 1e-12);
    let half = read("id,ra,dec,r_eff\na,1,2,3\n", true);
    assert_eq!(half.target(0).shape, None);
    assert!(half.notes()[0].contains("no column sersic: its sources are points"), "{:?}", half.notes());
    let mut both = read("id,ra,dec\nz,5,6\n", true);
    both.append(&found, &[2, 0]);
    assert_eq!(ids(&both), ["z", "c", "a"]);
    assert_eq!((both.target(0).shape, both.target(2).shape), (None, shapes[0]));
}
