//! Units of columns in the schema that Arrow keeps beside that of Parquet (key `ARROW:schema`),
//! where pyarrow, pandas and polars write the metadata of fields.
//!
//! The value is base64 of an encapsulated message (Arrow columnar format 1.5) with a FlatBuffer of
//! the tables Message, Schema, Field and KeyValue (format/Message.fbs, format/Schema.fbs). A
//! FlatBuffer's table begins with the distance back to its list of offsets, and offsets lead from
//! where they stand; every one is checked against the end of the bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Numbers of fields in their tables.
const MESSAGE_HEADER: usize = 2;
const SCHEMA_FIELDS: usize = 1;
const FIELD_NAME: usize = 0;
const FIELD_METADATA: usize = 6;
const KEY: usize = 0;
const VALUE: usize = 1;

/// Names of the columns that have a unit, and the units; empty where the schema cannot be read.
pub(super) fn units(encoded: &str) -> Vec<(String, String)> {
    let Ok(bytes) = STANDARD.decode(encoded.trim()) else { return Vec::new() };
    columns(&bytes).unwrap_or_default()
}

fn columns(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    // Length, since Arrow 0.15 behind a mark.
    let message = bytes.strip_prefix(&[0xff; 4]).unwrap_or(bytes).get(4..)?;
    let root = FlatTable { bytes: message, at: number(message, 0)? };
    let fields = root.table(MESSAGE_HEADER)?.tables(SCHEMA_FIELDS)?;
    Some(fields.filter_map(|field| Some((field.text(FIELD_NAME)?.to_owned(), unit(field)?))).collect())
}

/// The unit in the metadata of a field.
fn unit(field: FlatTable<'_>) -> Option<String> {
    let is_unit = |key: &str| ["unit", "units"].iter().any(|name| key.eq_ignore_ascii_case(name));
    let mut metadata = field.tables(FIELD_METADATA)?;
    Some(metadata.find(|pair| pair.text(KEY).is_some_and(is_unit))?.text(VALUE)?.to_owned())
}

/// A table of a FlatBuffer, by where it begins.
#[derive(Clone, Copy)]
struct FlatTable<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> FlatTable<'a> {
    /// Where a field stands; `None` where the table has none.
    fn field(&self, index: usize) -> Option<usize> {
        let back = i32::from_le_bytes(*self.bytes.get(self.at..)?.first_chunk()?);
        let list = self.at.checked_add_signed(isize::try_from(back.checked_neg()?).ok()?)?;
        let entry = 4 + 2 * index;
        if entry + 2 > short(self.bytes, list)? {
            return None;
        }
        match short(self.bytes, list.checked_add(entry)?)? {
            0 => None,
            offset => self.at.checked_add(offset),
        }
    }

    /// What a field refers to.
    fn target(&self, index: usize) -> Option<usize> {
        let at = self.field(index)?;
        at.checked_add(number(self.bytes, at)?)
    }

    fn table(&self, index: usize) -> Option<Self> {
        Some(Self { at: self.target(index)?, ..*self })
    }

    fn text(&self, index: usize) -> Option<&'a str> {
        let at = self.target(index)?;
        let text = self.bytes.get(at..)?.get(4..)?.get(..number(self.bytes, at)?)?;
        std::str::from_utf8(text).ok()
    }

    /// The tables of a list, up to the end of the bytes.
    fn tables(&self, index: usize) -> Option<impl Iterator<Item = Self> + use<'a>> {
        let (start, bytes) = (self.target(index)?, self.bytes);
        let entry = move |k: usize| {
            let at = start.checked_add(4)?.checked_add(k.checked_mul(4)?)?;
            Some(Self { bytes, at: at.checked_add(number(bytes, at)?)? })
        };
        Some((0..number(bytes, start)?).map_while(entry))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By pyarrow 22: `pa.schema([pa.field('ra', pa.float64(), metadata={'unit': 'rad'})])`.
    const SCHEMA: &str = "/////6gAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAEAAAAYAAAA\
        AAASABgACAAGAAcADAAAABAAFAASAAAAAAABAxQAAABMAAAACAAAABAAAAAAAAAAAgAAAHJhAAABAAAADAAAAAgADAAEAAgACAAA\
        ABAAAAAEAAAAAwAAAHJhZAAEAAAAdW5pdAAABgAIAAYABgAAAAAAAgA=";

    #[test]
    fn units_of_fields_are_found() {
        assert_eq!(units(SCHEMA), [("ra".to_owned(), "rad".to_owned())]);
        assert!(units("not base64!").is_empty());
    }

    #[test]
    fn damaged_schemas_do_no_harm() {
        let good = STANDARD.decode(SCHEMA.replace(char::is_whitespace, "")).unwrap();
        for at in 0..good.len() {
            columns(&good[..at]);
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                columns(&bytes);
            }
        }
    }
}
