//! Configurations from files: a TOML file, below the environment, below the command line.

use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml::{Table, Value};

use super::{Configuration, SettingDeclaration, settings_of};

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not TOML, or a key or value in it is wrong.
    #[error("configuration {}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        problem: String,
    },
    /// Settings that were given otherwise do not make a configuration.
    #[error("{problem}")]
    Given {
        /// What is wrong, with the key.
        problem: String,
    },
}

/// The settings of another command, of which a command takes what both have.
#[derive(Debug, Clone)]
pub struct RelatedSettings {
    /// What the other command is called.
    pub command: &'static str,
    /// All of them.
    pub known: Vec<SettingDeclaration>,
    /// Keys that mean something else there.
    pub differing: &'static [&'static str],
}

/// Settings out of the configuration of another command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenSettings {
    /// What the other command is called.
    pub command: &'static str,
    /// Keys of the file that were passed over.
    pub passed_over: Vec<String>,
}

/// Lays the settings that are given (on the command line, in the environment) over those of a file;
/// what neither has is at its default.
///
/// Keys of `given` are those of files, with underscores.
///
/// # Errors
/// Where the file cannot be read or is not TOML, and for unknown keys, values of the wrong type,
/// and numbers that are out of their limits or not finite; the message has the line, and for an
/// unknown key the nearest known one.
pub fn resolve<C: Configuration>(file: Option<&Path>, given: Table) -> Result<C, SettingsError> {
    resolve_related(file, given, &[]).map(|(resolved, _)| resolved)
}

/// As [`resolve`]; but the file may also be a configuration of one of the related commands: where
/// more of its keys are known there, those that both commands have in the same meaning are taken,
/// and the second value tells which were not.
///
/// # Errors
/// As [`resolve`]; a key that neither command knows is an error.
pub fn resolve_related<C: Configuration>(
    file: Option<&Path>,
    given: Table,
    related: &[RelatedSettings],
) -> Result<(C, Option<TakenSettings>), SettingsError> {
    let (mut table, mut taken) = (Table::new(), None);
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let parsed = parse::<C>(&text, home().as_deref(), related);
        (table, taken) = parsed.map_err(|problem| SettingsError::File { path: path.to_owned(), problem })?;
    }
    let settings = settings_of::<C>();
    let mut over = Table::new();
    for (key, mut value) in given {
        expand_path(&settings, &key, &mut value, home().as_deref());
        check::<C>(&settings, &key, &value)
            .map_err(|problem| SettingsError::Given { problem: format!("{key}: {problem}") })?;
        over.insert(key, value);
    }
    for setting in settings.iter().filter(|setting| over.contains_key(&setting.key)) {
        setting.excludes.iter().for_each(|other| {
            table.remove(other);
        });
    }
    table.extend(over);
    let resolved = table.try_into();
    let resolved = resolved.map_err(|error| SettingsError::Given { problem: error.message().to_owned() });
    resolved.map(|resolved| (resolved, taken))
}

/// Checks one setting of a configuration by itself.
///
/// # Errors
/// Where there is no such key, or it does not take this value.
pub fn check_setting<C: Configuration>(key: &str, value: &Value) -> Result<(), String> {
    check::<C>(&settings_of::<C>(), key, value)
}

fn check<C: Configuration>(settings: &[SettingDeclaration], key: &str, value: &Value) -> Result<(), String> {
    let Some(setting) = settings.iter().find(|setting| setting.key == key) else {
        return Err(unknown("key", settings.iter().map(|setting| setting.key.as_str()), key));
    };
    setting.check_limits(value)?;
    let alone = Table::from_iter([(key.to_owned(), value.clone())]);
    let read: Result<C, _> = alone.try_into();
    read.map(|_| ()).map_err(|error| match (setting.kind.choices(), value) {
        (Some(names), Value::String(text)) => unknown("value", names.iter().map(String::as_str), text),
        (_, Value::Integer(number)) if *number < 0 && error.message().contains("expected u") => {
            format!("{number} is not allowed: it must be at least 0")
        }
        _ => error.message().to_owned(),
    })
}

/// Checks each key of the file by itself, so that messages have its line, and gives the table for
/// merging. Of a configuration of a related command, what this one shares.
fn parse<C: Configuration>(
    text: &str,
    home: Option<&Path>,
    related: &[RelatedSettings],
) -> Result<(Table, Option<TakenSettings>), String> {
    let document = DeTable::parse(text).map_err(|error| error.to_string())?;
    let mut table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let settings = settings_of::<C>();
    let other = nearest_command(&table, &settings, related);
    let mut taken = other.map(|other| TakenSettings { command: other.command, passed_over: Vec::new() });
    if let (Some(other), Some(taken)) = (other, &mut taken) {
        let is_foreign = |key: &&String| {
            let mine = has(&settings, key);
            has(&other.known, key) && (!mine || other.differing.contains(&key.as_str()))
        };
        taken.passed_over = table.keys().filter(is_foreign).cloned().collect();
        taken.passed_over.iter().for_each(|key| {
            table.remove(key);
        });
    }
    for (key, span) in document.get_ref() {
        let Some(value) = table.get_mut(key.get_ref().as_ref()) else { continue };
        let setting = settings.iter().find(|setting| setting.key == *key.get_ref());
        let read = match (setting, &*value) {
            (Some(setting), Value::String(text)) if setting.kind.is_angle() => {
                setting.parse(text).map(|degrees| *value = degrees)
            }
            // A list may be written as on the command line, without brackets.
            (Some(setting), Value::String(text)) if setting.kind.is_list() && !setting.kind.is_path() => {
                setting.parse(text).map(|list| *value = list)
            }
            (Some(setting), single) if setting.kind.is_list() && !single.is_array() => {
                *value = Value::Array(vec![single.clone()]);
                Ok(())
            }
            _ => Ok(()),
        };
        expand_path(&settings, key.get_ref(), value, home);
        read.and_then(|()| check::<C>(&settings, key.get_ref(), value)).map_err(|problem| {
            let line = text[..key.span().start].matches('\n').count() + 1;
            let quoted = text[key.span().start..span.span().end.max(key.span().end)].lines().next();
            format!("line {line}: `{}`: {problem}", quoted.unwrap_or_default())
        })?;
    }
    Ok((table, taken))
}

fn has(settings: &[SettingDeclaration], key: &str) -> bool {
    settings.iter().any(|setting| setting.key == key)
}

/// The command whose configuration a file is: another than that of `settings` where that knows more
/// of its keys.
fn nearest_command<'r>(
    table: &Table,
    settings: &[SettingDeclaration],
    related: &'r [RelatedSettings],
) -> Option<&'r RelatedSettings> {
    let unknown = |settings: &[SettingDeclaration]| table.keys().filter(|key| !has(settings, key)).count();
    let nearest = related.iter().min_by_key(|other| (unknown(&other.known), other.known.len()));
    nearest.filter(|other| unknown(&other.known) < unknown(settings))
}

/// A word that is none of the known ones, and the nearest of them, or all where they are few.
pub(crate) fn unknown<'a>(what: &str, known: impl Iterator<Item = &'a str>, word: &str) -> String {
    let likeness = |name: &&str| strsim::jaro_winkler(name, word);
    let known: Vec<&str> = known.collect();
    let nearest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match (nearest.filter(|name| likeness(name) > 0.7), known.as_slice()) {
        (Some(name), _) => format!("unknown {what} `{word}`; did you mean `{name}`?"),
        (None, [first @ .., last]) if (1..8).contains(&first.len()) => {
            format!("unknown {what} `{word}`: expected {} or {last}", first.join(", "))
        }
        _ => format!("unknown {what} `{word}`"),
    }
}

fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

/// Expands the paths of a setting that has some.
fn expand_path(settings: &[SettingDeclaration], key: &str, value: &mut Value, home: Option<&Path>) {
    if settings.iter().any(|setting| setting.key == key && setting.names_files()) {
        expand_home(value, home);
    }
}

/// `~` and `~/...` as shells have them, also behind the `@` of a list; in quotes, and behind the
/// equals sign of an option, no shell has expanded them.
fn expand_home(value: &mut Value, home: Option<&Path>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| expand_home(item, home)),
        Value::String(text) => {
            let (list, path) = text.strip_prefix('@').map_or(("", text.as_str()), |path| ("@", path));
            let rest = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
            if let (Some(rest), Some(home)) = (rest, home) {
                *text = format!("{list}{}{rest}", home.display());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::settings::SettingHeading;

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    #[schemars(transform = SettingHeading("Sizes"))]
    struct SizesConfig {
        /// Width [px]
        #[schemars(extend("exclusiveMinimum" = 0))]
        width: f64,
        /// Edges
        edges: Option<Vec<f64>>,
        /// Where they are measured
        side: SideName,
        #[serde(flatten)]
        place: PlaceConfig,
    }

    #[derive(Debug, PartialEq, Clone, Copy, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum SideName {
        Inside,
        Outside,
    }

    #[derive(Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct PlaceConfig {
        /// Where it goes
        #[schemars(extend("x-value" = "DIR"))]
        output_dir: PathBuf,
        /// What it is made of
        #[schemars(extend("x-value" = "PATH"))]
        input: Option<Vec<PathBuf>>,
    }

    impl Default for SizesConfig {
        fn default() -> Self {
            Self { width: 3.0, edges: None, side: SideName::Inside, place: PlaceConfig::default() }
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn what_is_given_lies_over_the_file() {
        let file = file("width = 1\nedges = [\n1, 2.5]\noutput_dir = 'a'\n");
        let given = Table::from_iter([("width".to_owned(), Value::Float(2.0))]);
        let resolved: SizesConfig = resolve(Some(file.path()), given).unwrap();
        let place = PlaceConfig { output_dir: "a".into(), input: None };
        let expected = SizesConfig { width: 2.0, edges: Some(vec![1.0, 2.5]), place, ..Default::default() };
        assert_eq!(resolved, expected);
        assert_eq!(resolve::<SizesConfig>(None, Table::new()).unwrap(), SizesConfig::default());
    }

    #[test]
    fn lists_need_no_brackets() {
        for (text, edges) in
            [("edges = '1, 2.5'", Some(vec![1.0, 2.5])), ("edges = 2", Some(vec![2.0])), ("", None)]
        {
            let file = file(&format!("{text}\ninput = 'a,b'\n"));
            let resolved: SizesConfig = resolve(Some(file.path()), Table::new()).unwrap();
            assert_eq!((resolved.edges, resolved.place.input), (edges, Some(vec!["a,b".into()])));
        }
        let file = file("edges = '1,x'\n");
        let message = resolve::<SizesConfig>(Some(file.path()), Table::new()).unwrap_err().to_string();
        assert!(message.contains("line 1: `edges = '1,x'`: expected a number"), "{message}");
    }

    #[test]
    fn errors_name_the_line_and_the_nearest_key() {
        for (text, word) in [
            ("width = 1\nwdith = 2\n", "line 2: `wdith = 2`: unknown key `wdith`; did you mean `width`?"),
            ("width = 1\nz = 2\n", "line 2: `z = 2`: unknown key `z`"),
            ("[place]\nwidth = 1\n", "line 1: `place"),
            ("width = 'x'\n", "line 1: `width = 'x'`: invalid type"),
            ("\n\nedges = [1, 'x']\n", "line 3: `edges = [1, 'x']`: invalid type"),
            ("width = 0.0\n", "line 1: `width = 0.0`: 0 is not allowed: it must be above 0"),
            ("edges = [1.0, inf]\n", "inf is not allowed: it must be a finite number"),
            ("width = nan\n", "NaN is not allowed"),
            ("side = 'outsde'\n", "unknown value `outsde`; did you mean `outside`?"),
            ("side = 'x'\n", "line 1: `side = 'x'`: unknown value `x`"),
            ("width = \n", "line 1"),
        ] {
            let file = file(text);
            let message = resolve::<SizesConfig>(Some(file.path()), Table::new()).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn positions_are_read_in_sexagesimal_forms() {
        use crate::archive::QueryConfig;
        for (ra, dec) in
            [("'12h25m48.9s'", "'-00:30:00'"), ("'12:25:48.9'", "'-0d30m'"), ("186.45375", "-0.5")]
        {
            let file = file(&format!("ra = {ra}\ndec = {dec}\n"));
            let place = resolve::<QueryConfig>(Some(file.path()), Table::new()).unwrap().place;
            assert!((place.ra.unwrap() - 186.45375).abs() < 1e-12, "{ra}");
            assert_eq!(place.dec, Some(-0.5), "{dec}");
        }
        for (text, words) in [
            ("dec = '95:00:00'", ["line 1", "declination"]),
            ("dec = '12h'", ["line 1", "not in hours"]),
            ("ra = 'NGC 4395'", ["line 1", "is not a right ascension"]),
        ] {
            let error =
                resolve::<QueryConfig>(Some(file(text).path()), Table::new()).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn a_tilde_stands_for_the_home_directory() {
        for (path, expected) in [
            ("~", "/home/ada"),
            ("~/cubes", "/home/ada/cubes"),
            ("@~/list", "@/home/ada/list"),
            ("~ada/x", "~ada/x"),
            ("a/~", "a/~"),
        ] {
            let text = format!("output_dir = '{path}'\ninput = ['b', '{path}']\n");
            let (table, _) = parse::<SizesConfig>(&text, Some(Path::new("/home/ada")), &[]).unwrap();
            assert_eq!(table["output_dir"].as_str(), Some(expected));
            assert_eq!(table["input"][1].as_str(), Some(expected));
        }
        let drizzle = settings_of::<crate::drizzle::DrizzleConfig>();
        let paths = ["input", "output_dir", "calibration", "data_mirror", "like", "weight_map", "accumulate"];
        for key in paths.into_iter().chain(["spectral_wcs", "flux_corrections"]) {
            let mut value = Value::from("~/x");
            expand_path(&drizzle, key, &mut value, Some(Path::new("/home/ada")));
            assert_eq!(value.as_str(), Some("/home/ada/x"), "{key}");
        }
        let mut other = Value::from("~0");
        expand_path(&drizzle, "good_bits", &mut other, Some(Path::new("/home/ada")));
        assert_eq!(other.as_str(), Some("~0"));
    }
}
