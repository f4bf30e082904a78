//! Options that several figures share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PlotError;
use crate::pixel_shape::PixelShape;

/// File format of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FigureFormat {
    /// 8-bit RGB.
    #[default]
    Png,
    /// Text and lines as vectors, images embedded as PNG.
    Svg,
    /// One page; text and lines as vectors, the font embedded.
    Pdf,
}

/// Size of a picture \[px\].
///
/// Text and lines grow with the square root of the area; they have their nominal size at 1000 x
/// 900.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// Width \[px\].
    pub width: u32,
    /// Height \[px\].
    pub height: u32,
}

impl Size {
    /// The shortest side that is drawn \[px\].
    pub const MIN_SIDE: u32 = 200;
    /// The longest side that is drawn \[px\].
    pub const MAX_SIDE: u32 = 6000;

    /// A size that follows a field of this many pixels: as wide or as high as the default, and as
    /// much of the other side as the field, its axes and its title need.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    pub(crate) fn for_field([ny, nx]: [usize; 2]) -> Self {
        // What axes, title and color bar take of 1000 x 900 px.
        const BESIDE: f64 = 260.0;
        const ABOVE_AND_BELOW: f64 = 140.0;
        let shape = (nx.max(1), ny.max(1));
        let [width, height] = PixelShape::of(shape).image(shape);
        let aspect = height / width;
        let height = (1000.0 - BESIDE) * aspect + ABOVE_AND_BELOW;
        if height <= 1000.0 {
            return Self { width: 1000, height: height.clamp(360.0, 1000.0).round() as u32 };
        }
        let width = (1000.0 - ABOVE_AND_BELOW) / aspect + BESIDE;
        Self { width: width.clamp(420.0, 1000.0).round() as u32, height: 1000 }
    }

    /// The factor by which text and lines are larger than at 1000 x 900 px. A narrow picture has
    /// smaller ones than its area would give, to leave room for the data.
    pub(crate) fn scale(self) -> f64 {
        let [width, height] = [self.width, self.height].map(f64::from);
        (width * height / 9e5).sqrt().min(width.min(height) / 450.0)
    }

    pub(crate) fn check(self) -> Result<(), PlotError> {
        let sides = Self::MIN_SIDE..=Self::MAX_SIDE;
        if sides.contains(&self.width) && sides.contains(&self.height) {
            Ok(())
        } else {
            Err(PlotError::Size { width: self.width, height: self.height })
        }
    }
}

impl Default for Size {
    fn default() -> Self {
        Self { width: 1000, height: 900 }
    }
}

/// How positions on the sky are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SkyFormat {
    /// Hours, minutes, seconds and degrees, arc minutes, arc seconds.
    #[default]
    Sexagesimal,
    /// Decimal degrees.
    Degrees,
}

/// The known name that is most like one, as a question; empty where none is.
pub(crate) fn nearest(known: &[&str], name: &str) -> String {
    let likeness = |known: &&&str| strsim::jaro_winkler(known, &name.to_ascii_lowercase());
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest
        .filter(|known| likeness(known) > 0.7)
        .map_or_else(String::new, |k| format!("; did you mean `{k}`?"))
}

/// Implements `FromStr`, `Display`, serialization and the JSON schema of an enum by a table of
/// names, and lists the names.
macro_rules! named {
    ($type:ident, $what:literal, $($variant:ident = $name:literal),+ $(,)?) => {
        impl $type {
            /// All of them, in the order in which they are documented.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name by which it is chosen.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name: String = ::serde::Deserialize::deserialize(deserializer)?;
                name.parse().map_err(::serde::de::Error::custom)
            }
        }

        impl ::schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({ "type": "string", "enum": [$($name),+] })
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $crate::PlotError;

            /// Case does not matter.
            fn from_str(name: &str) -> Result<Self, $crate::PlotError> {
                Self::ALL.iter().copied().find(|v| v.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
                    $crate::PlotError::Name {
                        what: $what,
                        name: name.to_owned(),
                        hint: $crate::options::nearest(&[$($name),+], name),
                        known: [$($name),+].join(", "),
                    }
                })
            }
        }
    };
}
pub(crate) use named;

named!(FigureFormat, "figure format", Png = "png", Svg = "svg", Pdf = "pdf");
named!(SkyFormat, "format of sky positions", Sexagesimal = "sexagesimal", Degrees = "degrees");

#[cfg(test)]
mod tests {
    use crate::{Colormap, LightCurveOptions};

    #[test]
    fn options_come_back_from_json() {
        let options = LightCurveOptions { marker_size_good: Some(3.0), ..LightCurveOptions::default() };
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<LightCurveOptions>(&text).unwrap(), options);
        let sparse: LightCurveOptions = serde_json::from_str(r#"{"date_cmap": "Magma"}"#).unwrap();
        assert_eq!(sparse, LightCurveOptions { date_cmap: Colormap::Magma, ..LightCurveOptions::default() });
        assert!(serde_json::from_str::<LightCurveOptions>(r#"{"date_cmap": "jet"}"#).is_err());
    }
}
