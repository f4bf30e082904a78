//! Values of settings: read from a command line, checked, and shown.

use std::fmt;

use spx_core::sky::{parse_declination, parse_right_ascension};
use toml::Value;

use super::{SettingDeclaration, SettingKind, SettingLimits};

impl SettingDeclaration {
    /// Reads a value as a command line or the environment gives it.
    ///
    /// # Errors
    /// What was expected, where the text is no value of this kind or is out of the limits.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let value = self.kind.parse(text)?;
        self.check_limits(&value)?;
        Ok(value)
    }

    /// Compares a number, or each of a list, with the limits.
    ///
    /// # Errors
    /// The limits, where the value is outside.
    pub(super) fn check_limits(&self, value: &Value) -> Result<(), String> {
        #[expect(clippy::cast_precision_loss, reason = "limits are small numbers")]
        match value {
            Value::Float(number) => self.limits.check(*number),
            Value::Integer(number) => self.limits.check(*number as f64),
            Value::Array(items) => items.iter().try_for_each(|item| self.check_limits(item)),
            _ => Ok(()),
        }
    }

    /// The documentation with limits, choices and default, as help shows it.
    pub fn help(&self) -> String {
        let mut text = self.documentation.clone();
        match self.kind {
            SettingKind::RightAscension => text.push_str("; also as 12h25m48.9s or 12:25:48.9"),
            SettingKind::Declination => text.push_str("; also as +33d32m48s or +33:32:48"),
            _ => {}
        }
        let limits = self.limits.to_string();
        if !limits.is_empty() {
            text.push_str(&format!(" [{limits}]"));
        }
        if let Some(choices) = self.kind.choices() {
            text.push_str(&format!(" [values: {}]", choices.join(", ")));
        }
        if let Some(default) = &self.default {
            text.push_str(&format!(" [default: {}]", shown(default)));
        }
        text
    }
}

impl SettingKind {
    fn parse(&self, text: &str) -> Result<Value, String> {
        Ok(match self {
            Self::Boolean => Value::Boolean(match text {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err("expected true or false".to_owned()),
            }),
            Self::Integer => Value::Integer(text.trim().parse().map_err(|_| "expected a whole number")?),
            Self::Number => Value::Float(text.trim().parse().map_err(|_| "expected a number")?),
            Self::RightAscension => {
                Value::Float(parse_right_ascension(text).map_err(|error| error.to_string())?)
            }
            Self::Declination => Value::Float(parse_declination(text).map_err(|error| error.to_string())?),
            Self::Choice(_) | Self::Text | Self::Path | Self::Free => Value::String(text.to_owned()),
            Self::List(item) => {
                let items = text.split(',').map(|item_text| item.parse(item_text.trim()));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
        })
    }

    /// The names that can be chosen from, also as items of a list.
    pub fn choices(&self) -> Option<&[String]> {
        match self {
            Self::Choice(names) => Some(names),
            Self::List(item) => item.choices(),
            _ => None,
        }
    }

    /// Whether its values are right ascensions or declinations.
    pub fn is_angle(&self) -> bool {
        matches!(self, Self::RightAscension | Self::Declination)
    }

    /// Whether it takes several values.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// Whether its values are files or directories.
    pub fn is_path(&self) -> bool {
        match self {
            Self::Path => true,
            Self::List(item) => item.is_path(),
            _ => false,
        }
    }
}

impl SettingLimits {
    /// From one number to another.
    pub const fn between(min: f64, max: f64) -> Self {
        Self { min: Some(min), max: Some(max), above: None, infinite: false }
    }

    /// Above a number, and at most another.
    pub const fn above(least: f64, max: f64) -> Self {
        Self { min: None, max: Some(max), above: Some(least), infinite: false }
    }

    /// Reads a number.
    ///
    /// # Errors
    /// What was expected, where the text is no number or lies outside.
    pub fn parse(&self, text: &str) -> Result<f64, String> {
        let number = text.trim().parse().map_err(|_| "expected a number")?;
        self.check(number).map(|()| number)
    }

    fn check(&self, number: f64) -> Result<(), String> {
        let Self { min, max, above, infinite } = *self;
        if !infinite && !number.is_finite() {
            return Err(format!("{number} is not allowed: it must be a finite number"));
        }
        let outside = min.is_some_and(|min| number < min)
            || max.is_some_and(|max| number > max)
            || above.is_some_and(|above| number <= above);
        if outside { Err(format!("{number} is not allowed: it must be {self}")) } else { Ok(()) }
    }
}

impl fmt::Display for SettingLimits {
    /// Such as `from 1 to 64`; nothing where there are no limits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.above, self.min, self.max) {
            (Some(above), _, Some(max)) => write!(f, "above {above} and at most {max}"),
            (Some(above), _, None) => write!(f, "above {above}"),
            (None, Some(min), Some(max)) => write!(f, "from {min} to {max}"),
            (None, Some(min), None) => write!(f, "at least {min}"),
            (None, None, Some(max)) => write!(f, "at most {max}"),
            (None, None, None) => Ok(()),
        }
    }
}

/// A value as it is typed on a command line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) if *number != 0.0 && !(1e-4..1e7).contains(&number.abs()) => {
            format!("{number:e}")
        }
        Value::Float(number) => number.to_string(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
