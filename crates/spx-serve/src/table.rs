//! Tables in memory, as queries read them and answers carry them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::sphere::{Polygon, Region};

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(Arc<str>),
    Region(Arc<Region>),
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    pub(crate) fn polygon(polygon: &Polygon) -> Self {
        Self::Region(Arc::new(Region::Polygon(polygon.clone())))
    }

    pub(crate) fn count(count: u64) -> Self {
        i64::try_from(count).map_or(Self::Null, Self::Integer)
    }

    /// A number, if it is one.
    pub(crate) fn real(&self) -> Option<f64> {
        match self {
            // Integers here are ids, sizes and counts; only ids exceed 2^53, and they are compared
            // as integers.
            Self::Integer(v) => Some(*v as f64),
            Self::Real(v) => Some(*v),
            _ => None,
        }
    }

    /// The order of two cells; `None` where either is null or they cannot be compared.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            _ => self.real()?.partial_cmp(&other.real()?),
        }
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::text(value)
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::text(value)
    }
}

/// How a column is written in a VOTable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `char` of any length.
    Text,
    /// `int`
    Int,
    /// `long`
    Long,
    /// `double`
    Double,
    /// An array of `double` with `xtype="polygon"` (DALI 1.1, section 3.3.7).
    Polygon,
    /// `char` with `xtype="adql:REGION"`, holding `POLYGON ICRS ...`.
    Region,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) unit: &'static str,
    pub(crate) ucd: &'static str,
    pub(crate) utype: &'static str,
    pub(crate) description: &'static str,
}

impl Column {
    pub(crate) const fn of(name: String, kind: Kind) -> Self {
        Self { name, kind, unit: "", ucd: "", utype: "", description: "" }
    }
}

/// A column with a unit and a description.
pub(crate) fn column(name: &str, kind: Kind, unit: &'static str, description: &'static str) -> Column {
    Column { unit, description, ..Column::of(name.to_owned(), kind) }
}

/// A table; its name has the schema before a full stop, or none.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: Cow<'static, str>,
    pub(crate) description: &'static str,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Value>>,
    /// There were more rows than the limit.
    pub(crate) overflow: bool,
}
