//! Settings, each declared once: as a field of a configuration, whose documentation is its help.
//!
//! A configuration is a flat struct with `Default`, of groups that are flattened into it. From its
//! JSON schema and its default value come the [`SettingDeclaration`]s, of which front ends make
//! options, and this module configuration files: [`resolve`] lays what a command line gives over a
//! file, [`template`] writes a file to begin with, and [`write_configuration`] keeps what a run was
//! made with.
//!
//! What a field's type does not say stands in its attribute `schemars`:
//!
//! | attribute | meaning |
//! |---|---|
//! | `range(min = 1, max = 64)`, `extend("exclusiveMinimum" = 0)` | limits, for lists of each item |
//! | `example = 186.5` | what a template shows where there is no default |
//! | `extend("enum" = NAMES)` | the values, for a type of another crate that does not list them in its schema |
//! | `extend("x-value" = "DEG")` | the name of the value in help; `FILE`, `DIR` and `PATH` make a setting a path |
//! | `extend("x-angle" = "ra")`, `"dec"` | a number of degrees that may also be written as `12h25m48.9s` or `12:25:48.9` |
//! | `extend("x-short" = "o")` | the option of one letter |
//! | `extend("x-hyphen" = true)` | its values may begin with a hyphen |
//! | `extend("x-alias" = ["old"])` | former names of the option |
//! | `extend("x-excludes" = ["other"])` | keys that it stands in place of: given above a file, it makes theirs there void |
//! | `extend("x-needed" = true)` | it must be given: templates set it |
//! | `extend("x-infinite" = true)` | infinity and NaN are values, too |
//! | `extend("x-heading" = "Region")` | its heading, where the group has several |
//!
//! The heading of a group is given by `#[schemars(transform = SettingHeading("Archive"))]`.

mod declaration;
mod read;
mod template;
mod value;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use declaration::{SettingDeclaration, SettingHeading, SettingKind, SettingLimits, settings_of};
pub(crate) use read::unknown;
pub use read::{RelatedSettings, SettingsError, TakenSettings, check_setting, resolve, resolve_related};
pub(crate) use template::configuration_text;
pub use template::{template, write_configuration};

/// A struct of settings that can be read from a file, made into options and written down.
///
/// Its fields have names that are unique over all groups. Each can be given alone, the others then
/// have their defaults (`#[serde(default)]` on the struct).
pub trait Configuration: Default + Serialize + DeserializeOwned + JsonSchema {}

impl<T: Default + Serialize + DeserializeOwned + JsonSchema> Configuration for T {}
