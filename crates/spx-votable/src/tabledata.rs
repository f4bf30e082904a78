//! Values as text: the cells of TABLEDATA (section 5.1 of the Recommendation).

use crate::field::{ArraySize, VoTableCell, VoTableField, VoTableType};

/// Reads a cell. Nothing at all is null, whatever the type.
pub(crate) fn parse(field: &VoTableField, text: &str) -> Result<VoTableCell, String> {
    if field.datatype.is_text() {
        return Ok(if text.is_empty() { VoTableCell::Null } else { VoTableCell::Text(text.to_owned()) });
    }
    let text = text.trim();
    if text.is_empty() {
        return Ok(VoTableCell::Null);
    }
    match (field.datatype, field.size) {
        (VoTableType::Boolean, ArraySize::Scalar) => {
            Ok(boolean(text)?.map_or(VoTableCell::Null, VoTableCell::Bool))
        }
        (VoTableType::Boolean, _) => {
            text.split_whitespace().map(boolean).collect::<Result<_, _>>().map(VoTableCell::Bools)
        }
        (VoTableType::Bit, size) => bits(text, size),
        (VoTableType::FloatComplex | VoTableType::DoubleComplex, size) => {
            let pairs = if size == ArraySize::Scalar { ArraySize::Fixed(1) } else { size };
            reals(text).and_then(|v| counted(v, pairs, 2)).map(VoTableCell::Reals)
        }
        (VoTableType::Float | VoTableType::Double, ArraySize::Scalar) => real(text).map(VoTableCell::Real),
        (VoTableType::Float | VoTableType::Double, size) => {
            reals(text).and_then(|v| counted(v, size, 1)).map(VoTableCell::Reals)
        }
        (_, ArraySize::Scalar) => {
            let value = integer(text).ok_or_else(|| no_value(text, "an integer"))?;
            Ok(if field.null == Some(value) { VoTableCell::Null } else { VoTableCell::Int(value) })
        }
        (_, size) => {
            let values: Option<Vec<_>> = text.split_whitespace().map(integer).collect();
            let values = values.ok_or_else(|| no_value(text, "a row of integers"))?;
            counted(values, size, 1).map(VoTableCell::Ints)
        }
    }
}

/// A decimal integer, or a hexadecimal one after `0x`.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn real(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| no_value(text, "a number"))
}

fn reals(text: &str) -> Result<Vec<f64>, String> {
    text.split_whitespace().map(real).collect()
}

fn boolean(text: &str) -> Result<Option<bool>, String> {
    match text {
        "T" | "t" | "1" => Ok(Some(true)),
        "F" | "f" | "0" => Ok(Some(false)),
        "?" => Ok(None),
        _ if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        _ if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err(no_value(text, "a boolean")),
    }
}

/// Bits stand with blanks between them or without.
fn bits(text: &str, size: ArraySize) -> Result<VoTableCell, String> {
    let bits: Option<Vec<_>> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| match c {
            '0' => Some(Some(false)),
            '1' => Some(Some(true)),
            _ => None,
        })
        .collect();
    let bits = bits.ok_or_else(|| no_value(text, "a row of bits"))?;
    match (size, bits.as_slice()) {
        (ArraySize::Scalar, [Some(bit)]) => Ok(VoTableCell::Bool(*bit)),
        (ArraySize::Scalar, _) => Err(no_value(text, "a bit")),
        _ => counted(bits, size, 1).map(VoTableCell::Bools),
    }
}

fn counted<T>(values: Vec<T>, size: ArraySize, each: usize) -> Result<Vec<T>, String> {
    let fits = match size {
        ArraySize::Fixed(n) => values.len() == n * each,
        ArraySize::Scalar => values.len() == each,
        ArraySize::Variable => values.len().is_multiple_of(each),
    };
    if fits { Ok(values) } else { Err(format!("{} values are not as many as declared", values.len())) }
}

fn no_value(text: &str, what: &str) -> String {
    format!("`{}` is not {what}", text.chars().take(40).collect::<String>())
}
