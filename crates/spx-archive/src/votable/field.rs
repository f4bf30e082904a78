//! Columns and their values.

use super::VoTableError;

/// The primitive types of VOTable (section 2.1 of the Recommendation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// True, false or null.
    Boolean,
    /// One bit.
    Bit,
    /// 8 bits, 0 to 255.
    UnsignedByte,
    /// 16 bits.
    Short,
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
    /// A byte of text.
    Char,
    /// A UCS-2 character.
    UnicodeChar,
    /// 32 bits.
    Float,
    /// 64 bits.
    Double,
    /// Two floats.
    FloatComplex,
    /// Two doubles.
    DoubleComplex,
}

impl DataType {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "bit" => Self::Bit,
            "unsignedByte" => Self::UnsignedByte,
            "short" => Self::Short,
            "int" => Self::Int,
            "long" => Self::Long,
            "char" => Self::Char,
            "unicodeChar" => Self::UnicodeChar,
            "float" => Self::Float,
            "double" => Self::Double,
            "floatComplex" => Self::FloatComplex,
            "doubleComplex" => Self::DoubleComplex,
            _ => return None,
        })
    }

    /// Bytes of `items` values in BINARY and BINARY2; `None` on overflow.
    pub(super) fn bytes(self, items: usize) -> Option<usize> {
        let each = match self {
            Self::Bit => return Some(items.div_ceil(8)),
            Self::Boolean | Self::UnsignedByte | Self::Char => 1,
            Self::Short | Self::UnicodeChar => 2,
            Self::Int | Self::Float => 4,
            Self::Long | Self::Double | Self::FloatComplex => 8,
            Self::DoubleComplex => 16,
        };
        items.checked_mul(each)
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Char | Self::UnicodeChar)
    }
}

/// How many values a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArraySize {
    /// One.
    Scalar,
    /// This many.
    Fixed(usize),
    /// Any number.
    Variable,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its UCD, where it has one.
    pub ucd: Option<String>,
    /// Its unit, where it has one.
    pub unit: Option<String>,
    /// The type of its values.
    pub datatype: DataType,
    /// How many a cell holds.
    pub size: ArraySize,
    /// The integer that stands for null, where there is one.
    pub null: Option<i64>,
}

impl Field {
    /// Reads `arraysize`: `n`, `*`, `n*`, or several with `x` between them; all dimensions are one row of
    /// values here.
    pub(super) fn array_size(text: Option<&str>, longest: usize) -> Result<ArraySize, String> {
        let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else { return Ok(ArraySize::Scalar) };
        if text.ends_with('*') {
            return Ok(ArraySize::Variable);
        }
        let mut items: usize = 1;
        for length in text.split('x') {
            let length: usize = length.trim().parse().map_err(|_| format!("arraysize `{text}` is none"))?;
            items = items
                .checked_mul(length)
                .filter(|&n| n <= longest)
                .ok_or_else(|| format!("arraysize `{text}` is more than is accepted"))?;
        }
        Ok(if text == "1" { ArraySize::Scalar } else { ArraySize::Fixed(items) })
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> VoTableError {
        VoTableError::Field { name: self.name.clone(), problem: problem.into() }
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// None.
    Null,
    /// A boolean or a bit.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A real number, perhaps NaN.
    Real(f64),
    /// Text.
    Text(String),
    /// Booleans or bits; `None` is null.
    Bools(Vec<Option<bool>>),
    /// Integers.
    Ints(Vec<i64>),
    /// Real numbers; complex ones as pairs.
    Reals(Vec<f64>),
}

impl Cell {
    /// Text; `None` where the value is null or something else.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number; `None` where the value is null, NaN or something else.
    pub fn real(&self) -> Option<f64> {
        match self {
            Self::Real(value) => Some(*value).filter(|v| !v.is_nan()),
            // Times and wavelengths that come as integers are far below 2^53.
            Self::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// An integer; `None` where the value is null or something else.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }
}
