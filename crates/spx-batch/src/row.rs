//! A measurement of one source in one image as tables hold it, and its line of CSV.
//!
//! What the CSV files cannot say of the columns, types, units, UCDs and descriptions, is in
//! [`spx_core::columns`]. The first nineteen have the names and the order of spxquery's per-image
//! tables.
//!
//! CSV is that of RFC 4180 with `\n`, one record a line, for no text here holds a line break:
//! catalogs with such ids are refused. Numbers are written so that they read back to the same bits;
//! NaN, "there is none", is empty; truth is `True` or `False`, as in the other tables.

use std::borrow::Cow;
use std::fmt::Write as _;

use memchr::{memchr, memchr3};
use serde::Serialize;
use spx_core::columns::{ColumnKind, TableColumn, measurement_column};

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BatchValue<'a> {
    Text(Cow<'a, str>),
    Real(f64),
    Integer(u32),
    Logical(bool),
}

/// The type of the cells of a kind.
macro_rules! cell_type {
    ($life:lifetime, Text) => { Cow<$life, str> };
    ($life:lifetime, Real) => { f64 };
    ($life:lifetime, Integer) => { u32 };
    ($life:lifetime, Logical) => { bool };
}

/// A cell of a kind as a [`BatchValue`] that borrows.
macro_rules! borrowed {
    (Text, $cell:expr) => {
        BatchValue::Text(Cow::Borrowed(&$cell))
    };
    ($kind:ident, $cell:expr) => {
        BatchValue::$kind($cell)
    };
}

/// A cell of a kind that lives on its own.
macro_rules! owned {
    (Text, $cell:expr) => {
        Cow::Owned($cell.into_owned())
    };
    ($kind:ident, $cell:expr) => {
        $cell
    };
}

macro_rules! columns {
    ($($name:ident: $kind:ident, $column:literal;)+) => {
        /// A measurement of one source in one image.
        #[derive(Debug, Clone, PartialEq, Default, Serialize)]
        pub struct BatchRow<'a> {
            $(#[doc = concat!("Column `", $column, "` of [`spx_core::columns`].")] pub $name: cell_type!('a, $kind),)+
        }

        /// The columns of every table, in order.
        pub const COLUMNS: [TableColumn; [$(stringify!($name)),+].len()] =
            [$(measurement_column($column).named(stringify!($name))),+];

        // The type of a field is that of its column.
        const _: () = {
            $(assert!(matches!(measurement_column($column).kind, ColumnKind::$kind));)+
        };

        impl<'a> BatchRow<'a> {
            /// Its cells in the order of [`COLUMNS`].
            pub(crate) fn values(&self) -> [BatchValue<'_>; COLUMNS.len()] {
                [$(borrowed!($kind, self.$name)),+]
            }

            /// A row of as many cells, each of its column's kind, as there are columns; `None` for
            /// others.
            pub(crate) fn from_values(values: impl IntoIterator<Item = BatchValue<'a>>) -> Option<Self> {
                let mut values = values.into_iter();
                Some(Self {
                    $($name: match values.next()? {
                        BatchValue::$kind(cell) => cell,
                        _ => return None,
                    }),+
                })
            }

            /// A row that lives on its own.
            pub fn into_owned(self) -> BatchRow<'static> {
                BatchRow { $($name: owned!($kind, self.$name)),+ }
            }
        }
    };
}

columns! {
    target_id: Text, "target_id";
    ra: Real, "catalog_ra";
    dec: Real, "catalog_dec";
    obs_id: Text, "obs_id";
    band: Text, "band";
    mjd: Real, "mjd";
    x: Real, "pix_x";
    y: Real, "pix_y";
    flux: Real, "flux";
    flux_error: Real, "flux_error";
    mag_ab: Real, "mag_ab";
    mag_ab_error: Real, "mag_ab_error";
    wavelength: Real, "wavelength";
    bandwidth: Real, "bandwidth";
    flag: Integer, "flag";
    bg_level: Real, "bg_level";
    bg_error: Real, "bg_error";
    aperture_radius: Real, "aperture_radius";
    filename: Text, "filename";
    snr: Real, "snr";
    is_upper_limit: Logical, "is_upper_limit";
    bad_flag: Integer, "bad_flag";
    is_good: Logical, "is_good";
    is_detected: Logical, "is_detected";
    masked_fraction: Real, "masked_fraction";
    aperture_correction: Real, "aperture_correction";
    psf_flux: Real, "psf_flux";
    psf_flux_error: Real, "psf_flux_error";
    psf_chi2: Real, "psf_chi2";
    method: Text, "method";
    fit_chi2: Real, "fit_chi2";
    fit_dof: Integer, "fit_dof";
    fit_neighbors: Integer, "fit_neighbors";
    fit_correlation: Real, "fit_correlation";
    not_separable: Logical, "not_separable";
    pixel_area: Real, "pixel_area";
    zodi_scale: Real, "zodi_scale";
    release: Text, "release";
    version: Text, "version";
    processing: Text, "processing";
    flux_correction: Text, "flux_correction";
    wavelength_source: Text, "wavelength_source";
    pixel_area_source: Text, "pixel_area_source";
    fallbacks: Text, "fallbacks";
}

/// Place of the time among the columns.
pub(crate) const MJD: usize = 5;

/// The line of the columns' names, without its end.
pub fn header() -> String {
    COLUMNS.map(|column| column.name).join(",")
}

impl<'a> BatchRow<'a> {
    /// Appends its line, with its end.
    pub fn write_line(&self, out: &mut String) {
        for (k, value) in self.values().into_iter().enumerate() {
            if k > 0 {
                out.push(',');
            }
            // Writing to a string cannot fail.
            match value {
                BatchValue::Text(text) => push_text(out, &text),
                BatchValue::Real(real) if real.is_nan() => {}
                BatchValue::Real(real) => push_real(out, real),
                BatchValue::Integer(bits) => write!(out, "{bits}").unwrap_or_default(),
                BatchValue::Logical(truth) => out.push_str(if truth { "True" } else { "False" }),
            }
        }
        out.push('\n');
    }

    /// Reads a line without its end.
    ///
    /// # Errors
    /// What is wrong, with the column.
    pub fn parse_line(line: &'a str) -> Result<Self, String> {
        let mut cells = Vec::with_capacity(COLUMNS.len());
        for text in fields(line) {
            let column = COLUMNS.get(cells.len()).ok_or("the line has too many cells")?;
            let wrong = || format!("column {}: `{text}` is not a {:?}", column.name, column.kind);
            cells.push(match column.kind {
                ColumnKind::Real if text.is_empty() => BatchValue::Real(f64::NAN),
                ColumnKind::Real => BatchValue::Real(text.parse().map_err(|_| wrong())?),
                ColumnKind::Integer => BatchValue::Integer(text.parse().map_err(|_| wrong())?),
                ColumnKind::Logical => BatchValue::Logical(truth(&text).ok_or_else(wrong)?),
                ColumnKind::Text => BatchValue::Text(text),
            });
        }
        Self::from_values(cells).ok_or_else(|| "the line has too few cells".to_owned())
    }
}

/// The shortest digits that read back, with an exponent where there would be many zeros: as `{:?}`
/// writes them.
fn push_real(out: &mut String, real: f64) {
    // Far faster, and the same but for numbers that lie in the middle between two candidates, of
    // which it takes the even one; these have few digits, so that their last bits are zero. Beyond
    // the bounds it writes another form.
    if (1e-4..1e11).contains(&real.abs()) && real.to_bits().trailing_zeros() < 8 {
        out.push_str(zmij::Buffer::new().format_finite(real));
    } else {
        write!(out, "{real:?}").unwrap_or_default();
    }
}

fn push_text(out: &mut String, text: &str) {
    if memchr3(b',', b'"', b'\r', text.as_bytes()).is_none() {
        return out.push_str(text);
    }
    out.push('"');
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

/// A truth value, in the form of Python, or as earlier versions wrote it.
fn truth(text: &str) -> Option<bool> {
    match text {
        "True" | "true" => Some(true),
        "False" | "false" => Some(false),
        _ => None,
    }
}

/// The cells of a line.
pub(crate) fn fields(line: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let (field, behind) = split_field(text);
        rest = behind;
        Some(field)
    })
}

/// The first cell of a line, and what stands behind its comma.
fn split_field(text: &str) -> (Cow<'_, str>, Option<&str>) {
    let Some(quoted) = text.strip_prefix('"') else {
        return match memchr(b',', text.as_bytes()) {
            Some(at) => (Cow::Borrowed(&text[..at]), Some(&text[at + 1..])),
            None => (Cow::Borrowed(text), None),
        };
    };
    let mut end = 0;
    loop {
        end += quoted[end..].find('"').unwrap_or(quoted.len() - end);
        if !quoted[end..].starts_with("\"\"") {
            break;
        }
        end += 2;
    }
    let inner = &quoted[..end];
    let field =
        if inner.contains('"') { Cow::Owned(inner.replace("\"\"", "\"")) } else { Cow::Borrowed(inner) };
    let behind = quoted.get(end + 1..).unwrap_or_default();
    (field, behind.strip_prefix(','))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_columns_are_those_of_scripts() {
        let expected = "target_id,ra,dec,obs_id,band,mjd,x,y,flux,flux_error,mag_ab,mag_ab_error,wavelength,bandwidth,\
                        flag,bg_level,bg_error,aperture_radius,filename,";
        assert!(header().starts_with(expected));
        assert_eq!(COLUMNS[MJD].name, "mjd");
    }

    #[test]
    fn lines_that_are_no_rows() {
        let line = |change: fn(&mut Vec<&str>)| {
            let cell = |column: &TableColumn| if column.kind == ColumnKind::Logical { "true" } else { "0" };
            let mut cells: Vec<&str> = COLUMNS.iter().map(cell).collect();
            change(&mut cells);
            BatchRow::parse_line(&cells.join(",")).map(|_| ()).unwrap_err()
        };
        assert!(line(|cells| cells[1] = "east").contains("column ra: `east`"));
        assert!(line(|cells| cells[14] = "-1").contains("column flag"));
        assert!(line(|cells| cells[20] = "yes").contains("is_upper_limit"));
        let cells = COLUMNS.map(|column| if column.kind == ColumnKind::Logical { "true" } else { "0" });
        let mut text = String::new();
        BatchRow::parse_line(&cells.join(",")).unwrap().write_line(&mut text);
        assert!(text.contains(",True,") && !text.contains("true"), "{text}");
        assert!(line(|cells| cells.push("0")).contains("too many"));
        assert!(line(|cells| cells.truncate(9)).contains("too few"));
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_rust_writes_them(
            any in prop::num::f64::ANY,
            digits in -1e9..1e9f64,
            exponent in -8..20i32,
            rounded in -100_000..100_000i32,
            single in prop::num::f32::NORMAL,
        ) {
            let scaled = [digits * 10f64.powi(exponent - 9), f64::from(rounded) * 10f64.powi(exponent - 4)];
            for real in [any, f64::from(single)].into_iter().chain(scaled) {
                let mut out = String::new();
                push_real(&mut out, real);
                prop_assert_eq!(out, format!("{real:?}"));
            }
        }

        #[test]
        fn a_row_reads_back_and_the_csv_crate_agrees(
            texts in prop::collection::vec("\\PC{0,12}|[a\",\r ]{0,8}", COLUMNS.len()),
            reals in prop::collection::vec(prop::num::f64::ANY, COLUMNS.len()),
            flag in any::<u32>(),
            truth in any::<bool>(),
        ) {
            let mut texts = texts.into_iter();
            let mut reals = reals.into_iter();
            let row = BatchRow::from_values(COLUMNS.iter().map(|column| match column.kind {
                ColumnKind::Text => BatchValue::Text(texts.next().unwrap().into()),
                ColumnKind::Real => BatchValue::Real(reals.next().unwrap()),
                ColumnKind::Integer => BatchValue::Integer(flag),
                ColumnKind::Logical => BatchValue::Logical(truth),
            })).unwrap();
            let mut text = String::new();
            row.write_line(&mut text);
            let line = text.strip_suffix('\n').unwrap();
            let read = BatchRow::parse_line(line).unwrap();
            for (a, b) in row.values().into_iter().zip(read.values()) {
                match (a, b) {
                    (BatchValue::Real(a), BatchValue::Real(b)) => {
                        prop_assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan());
                    }
                    (a, b) => prop_assert_eq!(a, b),
                }
            }
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            let ours: Vec<_> = fields(line).collect();
            prop_assert_eq!(record.iter().collect::<Vec<_>>(), ours.iter().map(|f| &**f).collect::<Vec<_>>());
        }
    }
}
