//! Values with a text of their own in a configuration file, such as a selection of flags: a string
//! (`"mosaic"`, `"0,HOT"`), a number, or a list (`[0, "HOT"]`).

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
use spx_core::flags::{FlagError, FlagNames};
use spx_core::mef::MefFile;

use crate::PipelineError;
use crate::settings::unknown;

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a text such as \"mosaic\" or \"0,HOT\", a number, or an array of them"
)]
enum Form {
    One(Item),
    List(Vec<Item>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Integer(i64),
    Real(f64),
    Text(String),
}

impl Item {
    fn into_text(self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// Refuses names that no release has, before images are downloaded whose own cards would refuse
/// them. `mask` gives the selection by the names of a file.
///
/// # Errors
/// Usage, with the name.
pub(crate) fn check_names(
    mask: impl FnOnce(&FlagNames) -> Result<u32, FlagError>,
) -> Result<(), PipelineError> {
    let names = FlagNames::default();
    match mask(&names) {
        Ok(_) => Ok(()),
        Err(FlagError::NotInFile(name)) => {
            let known = names.by_bit().into_iter().map(|(_, name)| name);
            let hint = "flags of later releases can be given by their bits, 0 to 31";
            Err(PipelineError::usage(unknown("flag", known, &name)).with_hint(hint))
        }
        Err(error) => Err(PipelineError::usage(error)),
    }
}

/// As [`check_names`], for files at hand, whose own cards may name other flags: those of the first
/// that can be opened count, too.
///
/// # Errors
/// Usage, with the name.
pub(crate) fn check_names_of<'a>(
    mask: impl Fn(&FlagNames) -> Result<u32, FlagError>,
    files: impl IntoIterator<Item = &'a Path>,
) -> Result<(), PipelineError> {
    if mask(&FlagNames::default()).is_ok() {
        return Ok(());
    }
    let opened = files.into_iter().find_map(|file| MefFile::open(file).ok());
    match opened {
        Some(file) if mask(&file.metadata().flag_names).is_err() => check_names(mask),
        _ => Ok(()),
    }
}

/// Writes a value as its text.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<T: Display, S: Serializer>(value: &Option<T>, s: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => required::serialize(value, s),
        None => s.serialize_none(),
    }
}

/// Reads a value from a text, a number or a list of them.
///
/// # Errors
/// Where the type does not take the text.
pub fn deserialize<'de, T, D>(d: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    required::deserialize(d).map(Some)
}

/// The same for a value that is always there.
pub mod required {
    use super::*;

    /// Writes a value as its text.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    /// Reads a value from a text, a number or a list of them.
    ///
    /// # Errors
    /// Where the type does not take the text.
    pub fn deserialize<'de, T, D>(d: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = match Form::deserialize(d)? {
            Form::One(item) => item.into_text(),
            Form::List(items) => items.into_iter().map(Item::into_text).collect::<Vec<_>>().join(","),
        };
        text.parse().map_err(D::Error::custom)
    }
}
