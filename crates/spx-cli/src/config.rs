//! Configuration: a TOML file, below the environment, below the command line.
//!
//! A command's settings are one struct in which every field is an `Option`: clap fills it from arguments and
//! environment, serde from a file, and [`resolve`] lays one over the other. Unknown keys are errors.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

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
    let settings: S = toml::from_str(&text).with_context(context)?;
    Ok(toml::Table::try_from(&settings)?)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Default, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Settings {
        a: Option<f64>,
        b: Option<Vec<f64>>,
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_command_line_lies_over_the_file() {
        let file = file("a = 1.0\nb = [1, 2.5]\n");
        let given = Settings { a: Some(2.0), b: None };
        let resolved = resolve(Some(file.path()), &given).unwrap();
        assert_eq!(resolved, Settings { a: Some(2.0), b: Some(vec![1.0, 2.5]) });
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_named_with_their_line() {
        for (text, word) in [("a = 1\nc = 2\n", "c"), ("a = 'x'\n", "a = 'x'"), ("a = \n", "line 1")] {
            let file = file(text);
            let error = resolve(Some(file.path()), &Settings::default()).unwrap_err();
            assert_eq!(error.outcome(), crate::exit::Outcome::Usage);
            let message = error.to_string();
            assert!(message.contains(word) && message.contains("line"), "{message}");
        }
    }
}
