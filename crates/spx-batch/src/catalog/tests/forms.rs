//! Tables in which a value could be taken for that of another column, row or frame.

use ::parquet::data_type::FixedLenByteArray;

use super::*;

fn refused(text: &str) -> String {
    catalog(text, None).unwrap_err().to_string()
}

#[test]
fn rows_of_another_number_of_values_are_no_sources() {
    // A name with a blank, a missing value, the row names of R; which is which cannot be known.
    let blanks = "name ra dec mag # V\nM 31 10.68 41.27 3.4\nM33 23.46 30.66\n\"M 51\" 202.47 47.2 8.4 # fine\n\
                  1 M101 14.05 54.35 7.9\nM83 204.25 -29.87 7.5\n";
    let found = catalog(blanks, None).unwrap();
    assert_eq!(ids(&found), ["M 51", "M83"]);
    let told = problems(&found);
    assert_eq!(told.len(), 3);
    assert!(told[0].contains("line 2: the row has 5 values for 4 columns"), "{told:?}");
    assert!(told[1].contains("line 3: the row has 3 values for 4 columns"), "{told:?}");
    assert!(told[2].contains("line 5: the row has 5 values for 4 columns"), "{told:?}");
    let commas = "name,ra,dec,mag\nNGC 1,2,186,33,8\nNGC 2,186,33,8,\nNGC 3,186,33\n";
    let found = catalog(commas, None).unwrap();
    assert_eq!(ids(&found), ["NGC 2", "NGC 3"]);
    assert!(problems(&found)[0].contains("values that hold the delimiter must be quoted"));
}

#[test]
fn dashes_below_the_names_say_where_columns_stand() {
    let vizier = "Source mag  RA_ICRS  DE_ICRS  Plx\n             deg      deg      mas\n\
                  ------ ---- -------- -------- ---\n    77      186.4536  33.5468 1.0\n    78  1.0 186.4537 -33.5468\n";
    let found = catalog(vizier, None).unwrap();
    assert_eq!(ids(&found), ["77", "78"]);
    assert_eq!(found.target(1).position, Position::new(186.4537, -33.5468).unwrap());
    let two_lines = "Name   ra  dec \n---- ---- ----\nNGC1 1.25  2.5\nM 1       -2.5\nM 2  3.25 -2.5\n";
    let found = catalog(two_lines, None).unwrap();
    assert_eq!(ids(&found), ["NGC1", "M 2"]);
    assert!(problems(&found)[0].contains("line 4: M 1: no number for ra"));
}

#[test]
fn frames_and_columns_that_are_not_what_they_seem() {
    let found = catalog("Name,RA (J2000),Dec (J2000)\na,12:00:00,1\n", None).unwrap();
    assert_eq!(found.target(0).position.ra(), 180.0);
    assert!(refused("Name,RA (B1950),Dec (B1950)\na,1,2\n").contains("column RA is in B1950"));
    assert!(refused("id,ra,dec\r1,2,3\r").contains("only with carriage returns"));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "id,ra,dec,ra\n1,2,3,4\n").unwrap();
    let options = CatalogOptions {
        ra_column: Some("ra".into()),
        dec_column: Some("dec".into()),
        ..CatalogOptions::default()
    };
    let error = Catalog::read(file.path(), &options, &Silent).unwrap_err().to_string();
    assert!(error.contains("columns ra and ra could both be meant"), "{error}");
}

#[test]
fn masks_of_columns_are_heeded() {
    let masked = "id,ra,ra.mask,dec,dec.mask\na,1,False,2,False\nb,3,True,4,False\nc,5,False,6,\n";
    let found = catalog(masked, None).unwrap();
    assert_eq!(ids(&found), ["a", "c"]);
    assert_eq!(problems(&found), ["line 3: b: no number for ra"]);
}

/// A VOTable with a source, from its parts.
fn votable(resource: &str, field: &str, behind: &str) -> String {
    format!(
        "<VOTABLE><RESOURCE>{resource}<TABLE><FIELD name='id' datatype='long'/>{field}\
         <FIELD name='dec' datatype='double' unit='deg'/><DATA><TABLEDATA><TR><TD>7</TD><TD>1</TD><TD>2</TD></TR>\
         </TABLEDATA></DATA></TABLE>{behind}</RESOURCE></VOTABLE>"
    )
}

#[test]
fn votables_that_are_cut_off_wherever_they_say_so() {
    let ra = "<FIELD name='ra' datatype='double' unit='deg'/>";
    let overflow = "<INFO name='QUERY_STATUS' value='OVERFLOW'/>";
    let truncated = "<INFO name='warning' value='truncated result (maxtup=50)'/>";
    for text in [
        votable(overflow, ra, ""),
        votable("", &format!("{overflow}{ra}"), ""),
        votable("", ra, overflow),
        votable("", ra, truncated),
    ] {
        let found = catalog(&text, None).unwrap();
        assert!(found.notes()[0].contains("truncated it after 1 rows"), "{text}");
    }
    let other = "<TABLE><FIELD name='x' datatype='int'/></TABLE>";
    let found = catalog(votable("", ra, other), None).unwrap();
    assert_eq!(found.notes(), ["sources are those of the first table of 2; the others are not used"]);
}

#[test]
fn votables_in_other_frames_or_of_other_types_are_refused() {
    let system = |system: &str, equinox: &str| {
        let resource = format!("<COOSYS ID='s' system='{system}' equinox='{equinox}'/>");
        votable(&resource, "<FIELD name='ra' ref='s' datatype='double' unit='deg'/>", "")
    };
    for (frame, equinox) in [("ICRS", ""), ("eq_FK5", "J2000"), ("eq_FK5", "2000.0"), ("FK5", "")] {
        assert_eq!(catalog(system(frame, equinox), None).unwrap().len(), 1, "{frame}");
    }
    for (frame, equinox) in [("eq_FK4", "B1950"), ("eq_FK5", "J1975"), ("galactic", ""), ("ecl_FK5", "")] {
        let error = refused(&system(frame, equinox));
        assert!(error.contains("column ra is in the frame") && error.contains(frame), "{error}");
    }
    for (form, word) in [
        ("datatype='boolean'", "column ra is boolean"),
        ("datatype='double' arraysize='2'", "column ra is an array of double"),
        ("datatype='doubleComplex'", "column ra is doubleComplex"),
    ] {
        let error = refused(&votable("", &format!("<FIELD name='ra' {form}/>"), ""));
        assert!(error.contains(word), "{error}");
    }
}

/// A Parquet file whose one position has the given type and value of `ra`.
fn parquet_of(ra: &str, write: impl Fn(&mut ColumnWriter<'_>)) -> tempfile::NamedTempFile {
    let message = format!("message c {{ required int64 id; {ra}; required double dec; }}");
    let schema = parse_message_type(&message).unwrap().into();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer =
        SerializedFileWriter::new(file.reopen().unwrap(), schema, WriterProperties::new().into()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for k in 0..3 {
        let mut column = group.next_column().unwrap().unwrap();
        match column.untyped() {
            ColumnWriter::Int64ColumnWriter(w) if k == 0 => {
                w.write_batch(&[7], None, None).unwrap();
            }
            ColumnWriter::DoubleColumnWriter(w) if k == 2 => {
                w.write_batch(&[2.0], None, None).unwrap();
            }
            other => write(other),
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    file
}

/// A big-endian integer, times a power of ten.
fn times_tens(number: u32, tens: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[28..].copy_from_slice(&number.to_be_bytes());
    for _ in 0..tens {
        let mut carry = 0;
        for byte in bytes.iter_mut().rev() {
            [carry, *byte] = (u16::from(*byte) * 10 + u16::from(carry)).to_be_bytes();
        }
    }
    bytes
}

#[test]
fn decimals_wider_than_128_bits_keep_their_value() {
    // 186.4536e45 and 300e60 do not fit into 128 bits.
    for (number, tens, value, scale) in
        [(1_864_536, 41, 186.4536, 45), (25, 58, 0.25, 60), (359, 60, 359.0, 60)]
    {
        let bytes = times_tens(number, tens);
        let message = format!("required fixed_len_byte_array(32) ra (DECIMAL(76,{scale}))");
        let file = parquet_of(&message, |column| {
            let ColumnWriter::FixedLenByteArrayColumnWriter(w) = column else { panic!() };
            w.write_batch(&[FixedLenByteArray::from(bytes.to_vec())], None, None).unwrap();
        });
        let ra = read(file.path(), None).unwrap().target(0).position.ra();
        assert!((ra - value).abs() < 1e-12 * value, "{ra} {value}");
    }
}

#[test]
fn dates_are_no_numbers() {
    for kind in ["DATE", "TIME_MILLIS"] {
        let file = parquet_of(&format!("required int32 ra ({kind})"), |column| {
            let ColumnWriter::Int32ColumnWriter(w) = column else { panic!() };
            w.write_batch(&[186], None, None).unwrap();
        });
        let error = read(file.path(), None).unwrap_err().to_string();
        assert!(error.contains("column ra is of type date or time"), "{error}");
    }
}
