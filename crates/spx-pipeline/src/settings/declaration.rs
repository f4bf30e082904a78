//! What is known of a setting: its key, documentation, type, limits and default.

use std::fmt;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::Transform;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::Configuration;

/// A setting of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingDeclaration {
    /// Its name in files, with underscores.
    pub key: String,
    /// The group that help and templates list it under.
    pub heading: String,
    /// What it means, on one line, with its unit in brackets: the first paragraph of the
    /// documentation of the field.
    pub documentation: String,
    /// Which values it takes.
    pub kind: SettingKind,
    /// Limits of its value, or of each item of a list.
    pub limits: SettingLimits,
    /// Name of its value in help, such as `DEG`.
    pub value_name: String,
    /// Its option of one letter.
    pub short: Option<char>,
    /// Its values may begin with a hyphen without being options.
    pub hyphen: bool,
    /// Former names of its option.
    pub aliases: Vec<String>,
    /// Keys whose values in a file do not count where this one is given otherwise.
    pub excludes: Vec<String>,
    /// The value where none is given; `None` where the setting then does nothing, or must be given.
    pub default: Option<toml::Value>,
    /// A value to show where there is no default.
    pub example: Option<toml::Value>,
    /// It must be given.
    pub needed: bool,
}

/// Names of values that are files or directories.
const PATH_NAMES: [&str; 3] = ["FILE", "DIR", "PATH"];

/// The values that a setting takes.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingKind {
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A right ascension: a number of degrees, also read from sexagesimal forms.
    RightAscension,
    /// A declination, likewise.
    Declination,
    /// One of these names.
    Choice(Vec<String>),
    /// Any text.
    Text,
    /// A file or directory; `~` stands for the home directory, also where no shell expands it.
    Path,
    /// Several of a kind; separated by commas on a command line, but for paths.
    List(Box<SettingKind>),
    /// A text, a number or a list, as its own type reads it.
    Free,
}

/// Limits of a number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SettingLimits {
    /// Least value.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
    /// The value must be above this.
    pub above: Option<f64>,
    /// Infinity and NaN are values, too.
    pub infinite: bool,
}

/// Puts the settings of a struct under a heading: an attribute
/// `#[schemars(transform = SettingHeading("Archive"))]`.
#[derive(Debug, Clone, Copy)]
pub struct SettingHeading(pub &'static str);

impl Transform for SettingHeading {
    fn transform(&mut self, schema: &mut Schema) {
        let properties = schema.get_mut("properties").and_then(Json::as_object_mut);
        for property in
            properties.into_iter().flat_map(|map| map.values_mut()).filter_map(Json::as_object_mut)
        {
            property.entry("x-heading").or_insert_with(|| self.0.into());
        }
    }
}

/// The settings of a configuration, in the order of its fields.
pub fn settings_of<C: Configuration>() -> Vec<SettingDeclaration> {
    let generator =
        SchemaSettings::default().with(|settings| settings.inline_subschemas = true).into_generator();
    let schema = generator.into_root_schema_for::<C>();
    let nothing = Map::new();
    let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&nothing);
    let property = |key: String| {
        let schema = properties.get(&key)?.as_object()?;
        Some(SettingDeclaration::new(key, schema))
    };
    keys::<C>().into_iter().filter_map(property).collect()
}

/// The keys in the order of the fields, which a schema does not keep.
fn keys<C: Configuration>() -> Vec<String> {
    struct Keys(Vec<String>);
    struct KeysVisitor;

    impl<'de> Visitor<'de> for KeysVisitor {
        type Value = Keys;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a configuration")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(Keys(keys))
        }
    }

    impl<'de> Deserialize<'de> for Keys {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(KeysVisitor)
        }
    }

    let text = serde_json::to_string(&C::default()).unwrap_or_default();
    serde_json::from_str::<Keys>(&text).map_or_else(|_| Vec::new(), |keys| keys.0)
}

impl SettingDeclaration {
    fn new(key: String, schema: &Map<String, Json>) -> Self {
        let text = |name: &str| schema.get(name).and_then(Json::as_str).unwrap_or_default();
        let is = |name: &str| schema.get(name).and_then(Json::as_bool).unwrap_or_default();
        let value_name = text("x-value");
        let mut kind = SettingKind::new(schema);
        if PATH_NAMES.contains(&value_name) {
            kind.make_path();
        }
        let names = |key: &str| {
            let names = schema.get(key).and_then(Json::as_array).into_iter().flatten();
            names.filter_map(Json::as_str).map(str::to_owned).collect()
        };
        let example = schema.get("examples").and_then(|examples| examples.get(0));
        Self {
            heading: match text("x-heading") {
                "" => "Other".to_owned(),
                heading => heading.to_owned(),
            },
            documentation: short(text("description")),
            limits: SettingLimits::new(schema, is("x-infinite")),
            value_name: match value_name {
                "" => kind.value_name().to_owned(),
                name => name.to_owned(),
            },
            short: text("x-short").chars().next(),
            hyphen: is("x-hyphen") || kind.is_angle(),
            aliases: names("x-alias"),
            excludes: names("x-excludes"),
            default: schema.get("default").and_then(to_toml),
            example: example.and_then(to_toml),
            needed: is("x-needed"),
            key,
            kind,
        }
    }

    /// The name of its option on a command line.
    pub fn option(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Whether its values are files or directories, or may be.
    pub(super) fn names_files(&self) -> bool {
        self.kind.is_path() || self.value_name.split('|').any(|name| PATH_NAMES.contains(&name))
    }

    /// The variable of the environment that sets it.
    pub fn environment(&self) -> String {
        format!("SPX_{}", self.key.to_ascii_uppercase())
    }
}

impl SettingKind {
    fn new(schema: &Map<String, Json>) -> Self {
        if let Some(choices) = choices(schema) {
            return Self::Choice(choices);
        }
        match schema.get("x-angle").and_then(Json::as_str) {
            Some("ra") => return Self::RightAscension,
            Some("dec") => return Self::Declination,
            _ => {}
        }
        // An optional value of a type that is described by itself.
        let inner = schema.get("anyOf").and_then(Json::as_array).into_iter().flatten();
        if let Some(inner) = inner.filter_map(Json::as_object).find(|inner| type_of(inner) != Some("null")) {
            return Self::new(inner);
        }
        let items = || schema.get("items").and_then(Json::as_object).map_or(Self::Free, Self::new);
        match type_of(schema) {
            Some("boolean") => Self::Boolean,
            Some("integer") => Self::Integer,
            Some("number") => Self::Number,
            Some("string") => Self::Text,
            Some("array") => Self::List(Box::new(items())),
            _ => Self::Free,
        }
    }

    fn make_path(&mut self) {
        match self {
            Self::List(item) => item.make_path(),
            other => *other = Self::Path,
        }
    }

    fn value_name(&self) -> &'static str {
        match self {
            Self::Boolean => "BOOL",
            Self::Integer => "N",
            Self::Number => "X",
            Self::RightAscension | Self::Declination => "DEG",
            Self::Choice(_) => "NAME",
            Self::Text | Self::Free => "TEXT",
            Self::Path => "PATH",
            Self::List(_) => "LIST",
        }
    }
}

/// The type beside `null`.
fn type_of(schema: &Map<String, Json>) -> Option<&str> {
    match schema.get("type")? {
        Json::Array(types) => types.iter().filter_map(Json::as_str).find(|name| *name != "null"),
        other => other.as_str(),
    }
}

/// The names of an enum: a list, or alternatives that each are one name.
fn choices(schema: &Map<String, Json>) -> Option<Vec<String>> {
    let name = |value: &Json| value.as_str().map(str::to_owned);
    if let Some(names) = schema.get("enum").and_then(Json::as_array) {
        return Some(names.iter().filter_map(name).collect());
    }
    let alternatives = schema.get("oneOf").and_then(Json::as_array)?;
    alternatives.iter().map(|alternative| name(alternative.get("const")?)).collect()
}

impl SettingLimits {
    fn new(schema: &Map<String, Json>, infinite: bool) -> Self {
        let number = |name: &str| schema.get(name).and_then(Json::as_f64);
        // The limits of the integer type itself are not worth a word.
        let (least, greatest) = match schema.get("format").and_then(Json::as_str) {
            Some("uint8") => (Some(0.0), Some(255.0)),
            Some("uint16") => (Some(0.0), Some(65_535.0)),
            Some(format) if format.starts_with("uint") => (Some(0.0), None),
            _ => (None, None),
        };
        Self {
            min: number("minimum").filter(|min| Some(*min) != least),
            max: number("maximum").filter(|max| Some(*max) != greatest),
            above: number("exclusiveMinimum"),
            infinite,
        }
    }
}

/// The first paragraph on one line, without the backslashes that keep rustdoc from links.
fn short(description: &str) -> String {
    let first = description.split("\n\n").next().unwrap_or_default();
    first.replace('\n', " ").replace("\\[", "[").replace("\\]", "]")
}

fn to_toml(value: &Json) -> Option<toml::Value> {
    if value.is_null() { None } else { toml::Value::try_from(value).ok() }
}
