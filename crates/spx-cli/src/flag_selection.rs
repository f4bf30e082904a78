//! A selection of flags in a configuration file: a string (`"mosaic"`, `"0,HOT"`) or a list (`[0, "HOT"]`).

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
use spx_core::flags::FlagSelection;

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a preset, a list such as \"0,HOT\", or an array of bits and names")]
enum Form {
    Text(String),
    List(Vec<Item>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Bit(i64),
    Name(String),
}

pub(crate) fn serialize<S: Serializer>(value: &Option<FlagSelection>, s: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(selection) => s.collect_str(selection),
        None => s.serialize_none(),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<FlagSelection>, D::Error> {
    let text = match Form::deserialize(d)? {
        Form::Text(text) => text,
        Form::List(items) => {
            let words: Vec<String> = items
                .into_iter()
                .map(|item| match item {
                    Item::Bit(bit) => bit.to_string(),
                    Item::Name(name) => name,
                })
                .collect();
            words.join(",")
        }
    };
    text.parse().map(Some).map_err(D::Error::custom)
}
