//! Catalogs in every form, good and bad.

use std::fs;

use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::*;

fn catalog(text: &str, epoch: Option<f64>) -> Result<Catalog, BatchError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    Catalog::read(file.path(), epoch)
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
        "line 7: ra `x`",
        "line 8: it has no targetid",
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
    assert!(problems(&catalog)[0].contains("line 2: the targetid \"a\\nb\""));
}

#[test]
fn what_is_no_catalogue() {
    for (text, word) in [
        ("", "it is empty"),
        ("   \n", "it is empty"),
        ("targetid,ra,dec\n", "it has no rows"),
        ("id,ra,dec\n1,2,3\n", "no column targetid"),
        ("targetid,RAJ2000,dec\n1,2,3\n", "no column ra; it has: targetid, raj2000, dec"),
        ("targetid,ra,dec\n1,400,3\n2,400,3\n", "none of its 2 rows can be used; line 2: 1"),
        ("targetid,ra,dec,pmra,pmdec\n1,2,3,4,5\n", "no column ref_epoch"),
        ("<VOTABLE/>", "VOTables"),
    ] {
        let error = catalog(text, None).unwrap_err().to_string();
        assert!(error.contains(word), "{error}: {word}");
    }
    assert!(matches!(Catalog::read(Path::new("/nowhere"), None), Err(BatchError::Io { .. })));
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
    assert!(problems(&found)[0].starts_with("line 11: ra `y`"));
    let block = "# %ECSV 1.0\n# ---\n# datatype:\n# - name: targetid\n#   datatype: string\n# - name: ra\n\
                 #   unit: deg\n#   datatype: float64\n# - {name: dec, unit: deg, datatype: float64}\n\
                 targetid ra dec\n\"NGC 1\" 1.5 2.5\n";
    assert_eq!(ids(&catalog(block, None).unwrap()), ["NGC 1"]);
    let radians = flow.replace("name: ra, unit: deg", "name: ra, unit: rad");
    assert!(catalog(&radians, None).unwrap_err().to_string().contains("column ra is in rad"));
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
    let found = Catalog::read(text.path(), None).unwrap();
    assert_eq!(ids(&found), ["a"]);
    assert_eq!(found.target(0).position, Position::new(1.5, -1.0).unwrap());
    assert!(problems(&found)[0].starts_with("line 2: b: no number for ra"));
    assert!(problems(&found)[1].starts_with("line 3: c: "));
    let integers = parquet_file("optional int64", |column| {
        let ColumnWriter::Int64ColumnWriter(w) = column else { panic!() };
        w.write_batch(&[39_633_458_707_826_492, -3], Some(&[1, 0, 1]), None).unwrap();
    });
    let found = Catalog::read(integers.path(), None).unwrap();
    assert_eq!(ids(&found), ["39633458707826492"]);
    assert_eq!(problems(&found)[0], "line 2: it has no targetid");
    let truths = parquet_file("required boolean", |column| {
        let ColumnWriter::BoolColumnWriter(w) = column else { panic!() };
        w.write_batch(&[true; 3], None, None).unwrap();
    });
    let error = Catalog::read(truths.path(), None).unwrap_err().to_string();
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
