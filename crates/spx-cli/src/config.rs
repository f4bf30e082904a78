//! Configuration: a TOML file, below the environment, below the command line.
//!
//! A command's settings are one struct in which every field is an `Option`: clap fills it from arguments and
//! environment, serde from a file, and [`resolve`] lays one over the other. Structs that commands share are flattened
//! into it, so that a file is flat. Unknown keys are errors.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::de::DeTable;

use crate::exit::Failure;

/// Lays the settings of the command line (and environment) over those of a file.
///
/// # Errors
/// Where the file cannot be read, is no TOML, or has an unknown key or a value of the wrong type; the
/// message has the line.
pub(crate) fn resolve<S>(file: Option<&Path>, given: &S) -> Result<S, Failure>
where
    S: Serialize + DeserializeOwned,
{
    let mut table = match file {
        None => toml::Table::new(),
        Some(path) => read::<S>(path).map_err(Failure::usage)?,
    };
    table.extend(toml::Table::try_from(given)?);
    table.try_into().map_err(Failure::usage)
}

/// Parses the file as `S` for its strictness, and gives the table for merging.
fn read<S: Serialize + DeserializeOwned>(path: &Path) -> anyhow::Result<toml::Table> {
    let context = || format!("configuration {}", path.display());
    let text = std::fs::read_to_string(path).with_context(context)?;
    parse::<S>(&text).with_context(context)
}

/// Serde does not know where in the text a value of a flattened struct stands, nor which keys are left over; so each
/// key is tried by itself.
fn parse<S: Serialize + DeserializeOwned>(text: &str) -> anyhow::Result<toml::Table> {
    let document = DeTable::parse(text)?;
    for (key, value) in document.get_ref() {
        let alone = &text[key.span().start..value.span().end];
        let line = text[..key.span().start].matches('\n').count() + 1;
        let at = || format!("line {line}: `{alone}`");
        let settings: S = toml::from_str(alone).map_err(|e| anyhow!("{}: {}", at(), e.message()))?;
        if toml::Table::try_from(&settings)?.is_empty() {
            return Err(anyhow!("{}: there is no key `{}`", at(), key.get_ref()));
        }
    }
    let settings: S = toml::from_str(text)?;
    Ok(toml::Table::try_from(&settings)?)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Settings {
        a: Option<f64>,
        b: Option<Vec<f64>>,
        #[serde(flatten)]
        shared: Shared,
    }

    #[derive(Debug, PartialEq, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Shared {
        s: Option<usize>,
        #[serde(skip)]
        no_s: bool,
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_command_line_lies_over_the_file() {
        let file = file("a = 1.0\nb = [\n1, 2.5]\ns = 3\n");
        let given = Settings { a: Some(2.0), ..Settings::default() };
        let resolved = resolve(Some(file.path()), &given).unwrap();
        assert_eq!(
            resolved,
            Settings { a: Some(2.0), b: Some(vec![1.0, 2.5]), shared: Shared { s: Some(3), no_s: false } }
        );
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_named_with_their_line() {
        let cases = [
            ("a = 1\nc = 2\n", "line 2: `c = 2`: there is no key `c`"),
            ("a = 1\nno_s = true\n", "there is no key `no_s`"),
            ("a = 'x'\n", "line 1: `a = 'x'`"),
            ("\n\ns = 'x'\n", "line 3: `s = 'x'`: invalid type"),
            ("a = \n", "line 1"),
        ];
        for (text, word) in cases {
            let file = file(text);
            let error = resolve(Some(file.path()), &Settings::default()).unwrap_err();
            assert_eq!(error.outcome(), crate::exit::Outcome::Usage);
            let message = error.to_string();
            assert!(message.contains(word) && message.contains("line"), "{message}");
        }
    }
}
