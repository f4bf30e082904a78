//! Binary tables: the form of their columns, and cells of fixed and of variable length (FITS
//! Standard 4.0, section 7.3).

use super::error::FitsError;
use super::hdu::HduEntry;
use super::number::{FitsNumber, NumberType, Scaling, decode};
use super::source::ByteSource;

/// Rows of which a table without any columns may consist.
const MAX_EMPTY_ROWS: u64 = 1 << 20;
/// Bytes of a table that are read at a time.
const CHUNK: usize = 1 << 18;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitsColumn {
    /// TTYPE, without trailing blanks.
    pub name: String,
    /// TFORM, e.g. `252E`.
    pub format: String,
    /// TUNIT; empty where there is none.
    pub unit: String,
    /// Elements in a cell; of a string column the characters; of a column of variable length 1.
    pub repeat: usize,
}

/// A TFORM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CellFormat {
    /// Elements in a cell; of a string column the characters.
    pub(super) repeat: usize,
    /// What they are.
    pub(super) kind: CellKind,
    /// Bytes of a cell in the row.
    pub(super) width: usize,
}

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellKind {
    /// Numbers.
    Number(NumberType),
    /// One string of `repeat` characters.
    Text,
    /// A descriptor (number of elements, place in the heap) of 32 (`P`) or 64 bits (`Q`), of an
    /// array of that type, `None` where it is none of numbers.
    Array { wide: bool, of: Option<NumberType> },
    /// Bits, logicals, complex numbers, several strings.
    Other,
}

impl CellFormat {
    /// From `rT` or `rTa`; `None` where it is none of the standard's.
    pub(super) fn parse(format: &str) -> Option<Self> {
        let format = format.trim();
        let digits = format.bytes().take_while(u8::is_ascii_digit).count();
        let repeat = if digits == 0 { 1 } else { format[..digits].parse().ok()? };
        let mut rest = format[digits..].chars();
        let letter = rest.next()?;
        let rest = rest.as_str();
        let number = |kind: NumberType| (CellKind::Number(kind), repeat, kind.size());
        let (kind, count, size) = match letter {
            'B' => number(NumberType::U8),
            'I' => number(NumberType::I16),
            'J' => number(NumberType::I32),
            'K' => number(NumberType::I64),
            'E' => number(NumberType::F32),
            'D' => number(NumberType::F64),
            'A' => (if several_strings(rest, repeat) { CellKind::Other } else { CellKind::Text }, repeat, 1),
            'L' => (CellKind::Other, repeat, 1),
            'X' => (CellKind::Other, usize::div_ceil(repeat, 8), 1),
            'C' => (CellKind::Other, repeat, 8),
            'M' => (CellKind::Other, repeat, 16),
            'P' | 'Q' if repeat <= 1 => {
                let of = Self::parse(rest.get(..1)?).and_then(|of| match of.kind {
                    CellKind::Number(kind) => Some(kind),
                    _ => None,
                });
                let wide = letter == 'Q';
                (CellKind::Array { wide, of }, repeat, if wide { 16 } else { 8 })
            }
            _ => return None,
        };
        Some(Self { repeat, kind, width: count.checked_mul(size)? })
    }
}

/// `20A5`: four strings of five characters.
fn several_strings(rest: &str, repeat: usize) -> bool {
    rest.parse().is_ok_and(|width: usize| width != repeat)
}

/// A column and its place in the row.
#[derive(Debug, Clone)]
struct PlacedColumn {
    column: FitsColumn,
    format: CellFormat,
    /// Bytes of the row before it.
    offset: usize,
    scaling: Scaling,
}

/// The form of a binary table.
#[derive(Debug, Clone)]
pub(super) struct TableLayout {
    /// Bytes of a row.
    width: usize,
    rows: usize,
    /// Byte of the file at which the rows begin.
    data: u64,
    /// Bytes of the file in which arrays of variable length stand.
    heap: std::ops::Range<u64>,
    columns: Vec<PlacedColumn>,
    /// The HDU, for messages.
    label: String,
}

impl TableLayout {
    /// From the header, whose data lie within the file.
    pub(super) fn new(hdu: &HduEntry) -> Result<Self, FitsError> {
        let axes = hdu.axes("NAXIS")?;
        let &[width, rows] = axes.as_slice() else {
            return Err(hdu.invalid("NAXIS", "a table has two axes"));
        };
        if hdu.integer("BITPIX")? != Some(8) {
            return Err(hdu.invalid("BITPIX", "a table has 8"));
        }
        if width == 0 && rows as u64 > MAX_EMPTY_ROWS {
            return Err(hdu.invalid("NAXIS2", "so many rows of no bytes"));
        }
        let (main, end) = ((width as u64) * (rows as u64), hdu.data + hdu.size);
        let heap = match hdu.integer("THEAP")? {
            None => hdu.data + main,
            Some(at) => match u64::try_from(at) {
                Ok(at) if at >= main && at <= hdu.size => hdu.data + at,
                _ => return Err(hdu.invalid("THEAP", "it must lie behind the rows")),
            },
        };
        let columns = columns(hdu, width)?;
        Ok(Self { width, rows, data: hdu.data, heap: heap..end, columns, label: hdu.label() })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = &FitsColumn> {
        self.columns.iter().map(|placed| &placed.column)
    }

    /// Whether there is a column of that name; letter case does not count.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    fn find(&self, name: &str) -> Result<&PlacedColumn, FitsError> {
        let found = self.columns.iter().find(|placed| placed.column.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| FitsError::NoSuchColumn { name: name.to_owned(), hdu: self.label.clone() })
    }

    /// Elements in a cell; of a string column the characters.
    pub(super) fn repeat(&self, name: &str) -> Result<usize, FitsError> {
        Ok(self.find(name)?.column.repeat)
    }

    /// `column X of HDU 1 (NAME)`.
    fn at(&self, name: &str) -> String {
        format!("column {name} of {}", self.label)
    }

    /// Fills `out` with elements of a column of numbers, from the first of row `row` on.
    pub(super) fn read<T: FitsNumber>(
        &self,
        source: &ByteSource,
        name: &str,
        row: usize,
        out: &mut [T],
    ) -> Result<(), FitsError> {
        let column = self.find(name)?;
        let CellFormat { repeat, kind, width } = column.format;
        if let CellKind::Array { .. } = kind {
            let cell = self.read_cell(source, name, row)?;
            super::reader::check_range(0, out.len(), cell.len(), || self.at(name))?;
            out.copy_from_slice(&cell[..out.len()]);
            return Ok(());
        }
        let CellKind::Number(number) = kind else {
            return Err(FitsError::Unsupported("reading numbers from a column that holds none"));
        };
        let first = row.saturating_mul(repeat);
        super::reader::check_range(first, out.len(), self.rows.saturating_mul(repeat), || self.at(name))?;
        let mut done = 0;
        self.cells(source, column, row..row + out.len().div_ceil(repeat.max(1)), |cell| {
            let count = repeat.min(out.len() - done);
            let values = &mut out[done..done + count];
            decode(&cell[..width.min(count * number.size())], number, &column.scaling, values)
                .map_err(|index| self.does_not_fit(name, first + done + index))?;
            done += count;
            Ok(())
        })
    }

    fn does_not_fit(&self, name: &str, index: usize) -> FitsError {
        FitsError::DoesNotFit { operation: "read the column", hdu: self.at(name), index }
    }

    /// Shows the bytes of a column's cells, row after row.
    fn cells(
        &self,
        source: &ByteSource,
        column: &PlacedColumn,
        rows: std::ops::Range<usize>,
        mut see: impl FnMut(&[u8]) -> Result<(), FitsError>,
    ) -> Result<(), FitsError> {
        let step = (CHUNK / self.width.max(1)).max(1);
        let mut bytes = Vec::new();
        for first in rows.clone().step_by(step) {
            let count = step.min(rows.end - first);
            // From the first cell of the column to the end of the last one.
            let start = self.data + (first as u64) * (self.width as u64) + column.offset as u64;
            bytes.resize((count - 1) * self.width + column.format.width, 0);
            source.read_at(start, &mut bytes)?;
            (0..count).try_for_each(|k| see(&bytes[k * self.width..k * self.width + column.format.width]))?;
        }
        Ok(())
    }

    /// Whole numbers, one a row, with all their digits, those of unsigned types (TZERO) too; `None`
    /// where TNULL stands.
    pub(super) fn read_integers(
        &self,
        source: &ByteSource,
        name: &str,
        rows: std::ops::Range<usize>,
    ) -> Result<Vec<Option<i128>>, FitsError> {
        let column = self.find(name)?;
        let Scaling { scale, zero, null } = column.scaling;
        let number = match column.format {
            CellFormat { kind: CellKind::Number(number), repeat: 1, .. } if !number.is_real() => number,
            _ => return Err(FitsError::Unsupported("reading whole numbers from a column of another type")),
        };
        if scale != 1.0 || zero.fract() != 0.0 || zero.abs() > 2f64.powi(63) {
            return Err(FitsError::Unsupported("reading whole numbers from a column that is scaled"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole, and no larger than 2^63")]
        let zero = zero as i128;
        super::reader::check_range(rows.start, rows.len(), self.rows, || self.at(name))?;
        let mut numbers = Vec::with_capacity(rows.len());
        self.cells(source, column, rows, |cell| {
            let mut held = [0_i64];
            decode(cell, number, &Scaling::NONE, &mut held)
                .map_err(|_| self.does_not_fit(name, numbers.len()))?;
            numbers.push((null != Some(held[0])).then(|| i128::from(held[0]) + zero));
            Ok(())
        })?;
        Ok(numbers)
    }

    /// All elements of one cell, of fixed or variable length.
    pub(super) fn read_cell<T: FitsNumber>(
        &self,
        source: &ByteSource,
        name: &str,
        row: usize,
    ) -> Result<Vec<T>, FitsError> {
        let column = self.find(name)?;
        super::reader::check_range(row, 1, self.rows, || self.at(name))?;
        let CellKind::Array { of, .. } = column.format.kind else {
            let mut cell = vec![T::default(); column.format.repeat];
            self.read(source, name, row, &mut cell)?;
            return Ok(cell);
        };
        let Some(number) = of else {
            return Err(FitsError::Unsupported("reading numbers from a column that holds none"));
        };
        let bytes = self.array(source, name, row, number.size())?;
        let mut cell = vec![T::default(); bytes.len() / number.size()];
        decode(&bytes, number, &column.scaling, &mut cell).map_err(|index| self.does_not_fit(name, index))?;
        Ok(cell)
    }

    /// The descriptor of an array of variable length: how many elements it has, and the byte of the
    /// heap at which they begin.
    fn descriptor(&self, source: &ByteSource, name: &str, row: usize) -> Result<[i64; 2], FitsError> {
        let column = self.find(name)?;
        let CellKind::Array { wide, .. } = column.format.kind else {
            return Err(FitsError::Unsupported("reading arrays of variable length from other columns"));
        };
        super::reader::check_range(row, 1, self.rows, || self.at(name))?;
        let mut descriptor = [0; 2];
        if column.format.repeat == 1 {
            self.cells(source, column, row..row + 1, |cell| {
                let kind = if wide { NumberType::I64 } else { NumberType::I32 };
                decode(cell, kind, &Scaling::NONE, &mut descriptor)
                    .map_err(|index| self.does_not_fit(name, index))
            })?;
        }
        Ok(descriptor)
    }

    /// The bytes of whole rows, which are there.
    pub(super) fn row_bytes(
        &self,
        source: &ByteSource,
        rows: std::ops::Range<usize>,
    ) -> Result<Vec<u8>, FitsError> {
        super::reader::check_range(rows.start, rows.len(), self.rows, || self.label.clone())?;
        let mut bytes = vec![0; rows.len() * self.width];
        source.read_at(self.data + rows.start as u64 * self.width as u64, &mut bytes)?;
        Ok(bytes)
    }

    /// Where in the file so many bytes of the heap from byte `offset` of it on stand; `None` where
    /// they are not all there.
    pub(super) fn in_heap(&self, offset: u64, length: u64) -> Option<std::ops::Range<u64>> {
        let start = self.heap.start.checked_add(offset)?;
        let end = start.checked_add(length)?;
        (end <= self.heap.end).then_some(start..end)
    }

    /// How many elements an array of variable length has.
    pub(super) fn array_len(&self, source: &ByteSource, name: &str, row: usize) -> Result<usize, FitsError> {
        Ok(usize::try_from(self.descriptor(source, name, row)?[0]).unwrap_or(0))
    }

    /// Bytes of an element of the arrays of variable length in a column.
    pub(super) fn element_size(&self, name: &str) -> Result<usize, FitsError> {
        match self.find(name)?.format.kind {
            CellKind::Array { of: Some(kind), .. } => Ok(kind.size()),
            _ => Err(FitsError::Unsupported("reading numbers from a column that holds none")),
        }
    }

    /// The bytes of an array of variable length, whose elements have so many.
    pub(super) fn array(
        &self,
        source: &ByteSource,
        name: &str,
        row: usize,
        size: usize,
    ) -> Result<Vec<u8>, FitsError> {
        let descriptor = self.descriptor(source, name, row)?;
        let place = || {
            let [count, offset] = descriptor.map(u64::try_from);
            let length = count.ok()?.checked_mul(size as u64)?;
            Some((self.in_heap(offset.ok()?, length)?.start, usize::try_from(length).ok()?))
        };
        let Some((start, length)) = place() else {
            let [count, offset] = descriptor;
            let problem = format!("row {row}: {count} elements from byte {offset} on are not in the heap");
            return Err(FitsError::Damaged { hdu: self.at(name), problem });
        };
        let mut bytes = vec![0; length];
        source.read_at(start, &mut bytes)?;
        Ok(bytes)
    }

    /// Strings, one a row, without trailing blanks; a NUL ends a string.
    pub(super) fn read_text(
        &self,
        source: &ByteSource,
        name: &str,
        rows: std::ops::Range<usize>,
    ) -> Result<Vec<String>, FitsError> {
        let column = self.find(name)?;
        if column.format.kind != CellKind::Text {
            return Err(FitsError::Unsupported(
                "reading strings from a column that is not of one string a row",
            ));
        }
        super::reader::check_range(rows.start, rows.len(), self.rows, || self.at(name))?;
        let mut strings = Vec::with_capacity(rows.len());
        self.cells(source, column, rows, |cell| {
            let text = cell.split(|&byte| byte == 0).next().unwrap_or_default();
            strings.push(String::from_utf8_lossy(text).trim_end().to_owned());
            Ok(())
        })?;
        Ok(strings)
    }
}

/// The columns that the header describes, side by side in rows of so many bytes.
fn columns(hdu: &HduEntry, width: usize) -> Result<Vec<PlacedColumn>, FitsError> {
    let count = hdu.integer("TFIELDS")?.unwrap_or(0);
    if !(0..=999).contains(&count) {
        return Err(hdu.invalid("TFIELDS", "there are 0 to 999 columns"));
    }
    let mut offset = 0usize;
    let mut columns = Vec::new();
    for k in 1..=count {
        let keyword = format!("TFORM{k}");
        let text =
            |stem: &str| Ok::<_, FitsError>(hdu.text(&format!("{stem}{k}"))?.unwrap_or_default().to_owned());
        let format = text("TFORM")?;
        let Some(cell) = CellFormat::parse(&format) else {
            return Err(hdu.invalid(&keyword, "it is not a format of a binary table"));
        };
        let (name, unit) = (text("TTYPE")?, text("TUNIT")?);
        let repeat = if matches!(cell.kind, CellKind::Array { .. }) { 1 } else { cell.repeat };
        let scaling = Scaling {
            scale: hdu.real(&format!("TSCAL{k}"))?.unwrap_or(1.0),
            zero: hdu.real(&format!("TZERO{k}"))?.unwrap_or(0.0),
            null: hdu.integer(&format!("TNULL{k}")).ok().flatten(),
        };
        columns.push(PlacedColumn {
            column: FitsColumn { name, format, unit, repeat },
            format: cell,
            offset,
            scaling,
        });
        offset = match offset.checked_add(cell.width) {
            Some(end) if end <= width => end,
            _ => {
                return Err(
                    hdu.invalid(&keyword, &format!("the columns are wider than a row of {width} bytes"))
                );
            }
        };
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_cells() {
        let parse = |text| CellFormat::parse(text).map(|f| (f.repeat, f.width));
        assert_eq!(parse("252E"), Some((252, 1008)));
        assert_eq!(parse("D"), Some((1, 8)));
        assert_eq!(parse("9X"), Some((9, 2)));
        assert_eq!(parse("1PB(300)"), Some((1, 8)));
        assert_eq!(parse("QD"), Some((1, 16)));
        for bad in ["", "12", "2PB", "1P", "F8.3", "99999999999999999999E", "18446744073709551615D", "É"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        let kind = |text| CellFormat::parse(text).unwrap().kind;
        assert_eq!(
            (kind("12A"), kind("12A12"), kind("12A3")),
            (CellKind::Text, CellKind::Text, CellKind::Other)
        );
    }
}
