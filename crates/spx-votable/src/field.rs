//! Columns and their values.

use std::fmt;

use crate::{VoTableError, printable};

/// The primitive types of VOTable (section 2.1 of the Recommendation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoTableType {
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

impl VoTableType {
    const ALL: [Self; 12] = [
        Self::Boolean,
        Self::Bit,
        Self::UnsignedByte,
        Self::Short,
        Self::Int,
        Self::Long,
        Self::Char,
        Self::UnicodeChar,
        Self::Float,
        Self::Double,
        Self::FloatComplex,
        Self::DoubleComplex,
    ];

    /// The name in the attribute `datatype`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Bit => "bit",
            Self::UnsignedByte => "unsignedByte",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Char => "char",
            Self::UnicodeChar => "unicodeChar",
            Self::Float => "float",
            Self::Double => "double",
            Self::FloatComplex => "floatComplex",
            Self::DoubleComplex => "doubleComplex",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|datatype| datatype.name() == name)
    }

    /// Bytes of `items` values in BINARY and BINARY2; `None` on overflow.
    pub(crate) fn bytes(self, items: usize) -> Option<usize> {
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

    pub(crate) fn is_text(self) -> bool {
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
pub struct VoTableField {
    /// Its name.
    pub name: String,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its UCD, where it has one.
    pub ucd: Option<String>,
    /// Its unit, where it has one.
    pub unit: Option<String>,
    /// The type of its values.
    pub datatype: VoTableType,
    /// How many a cell holds.
    pub size: ArraySize,
    /// The integer that stands for null, where there is one.
    pub null: Option<i64>,
    /// System and equinox of the COOSYS that it refers to.
    pub frame: Option<String>,
}

impl VoTableField {
    /// Reads `arraysize`: `n`, `*`, `n*`, or several with `x` between them; all dimensions are one
    /// row of values here.
    pub(crate) fn array_size(text: Option<&str>, longest: usize) -> Result<ArraySize, String> {
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

    pub(crate) fn error(&self, problem: impl Into<String>) -> VoTableError {
        VoTableError::Field { name: printable(&self.name), problem: printable(&problem.into()) }
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum VoTableCell {
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

/// The cell as TABLEDATA has it: nothing for null, the values of an array with spaces between them,
/// real numbers with as many digits as it takes to read the same bits.
impl fmt::Display for VoTableCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn array<T>(f: &mut fmt::Formatter<'_>, values: &[T], show: impl Fn(&T) -> String) -> fmt::Result {
            f.write_str(&values.iter().map(show).collect::<Vec<_>>().join(" "))
        }
        let truth = |value: &Option<bool>| match value {
            Some(true) => "T",
            Some(false) => "F",
            None => "?",
        };
        match self {
            Self::Null => Ok(()),
            Self::Bool(value) => f.write_str(truth(&Some(*value))),
            Self::Int(value) => write!(f, "{value}"),
            Self::Real(value) => f.write_str(&real_text(*value)),
            Self::Text(text) => f.write_str(text),
            Self::Bools(values) => array(f, values, |value| truth(value).to_owned()),
            Self::Ints(values) => array(f, values, i64::to_string),
            Self::Reals(values) => array(f, values, |&value| real_text(value)),
        }
    }
}

/// A real number as VOTable spells it.
fn real_text(value: f64) -> String {
    match value {
        value if value == f64::INFINITY => "+Inf".to_owned(),
        value if value == f64::NEG_INFINITY => "-Inf".to_owned(),
        value => format!("{value:?}"),
    }
}

impl VoTableCell {
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
