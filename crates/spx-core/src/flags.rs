//! Quality flags: the names of the bits of a FLAGS plane, and selections of them.
//!
//! A file names its bits in its own cards, and those win over the list that is built in; that is why the
//! names are data here and no compile-time constants.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::header::{Header, Value};

/// The bits as of Quick Releases 2 and 3.
const STANDARD: [(&str, u32); 25] = [
    ("TRANSIENT", 0),
    ("OVERFLOW", 1),
    ("SUR_ERROR", 2),
    ("PHANTOM", 4),
    ("REFERENCE", 5),
    ("NONFUNC", 6),
    ("DICHROIC", 7),
    ("MISSING_DATA", 9),
    ("HOT", 10),
    ("COLD", 11),
    ("FULLSAMPLE", 12),
    ("PHANMISS", 14),
    ("NONLINEAR", 15),
    ("PERSIST", 17),
    ("OUTLIER", 19),
    ("CROSSTALK", 20),
    ("SOURCE", 21),
    ("GHOST", 22),
    ("GHOST_FPA", 23),
    ("GHOST_EXT", 24),
    ("STREAK", 25),
    ("BLOOM", 26),
    ("SNOWBALL", 27),
    ("HALO", 28),
    ("SATELLITE_HALO", 29),
];

/// What IRSA's mosaicker masks: all but SOURCE, OVERFLOW, OUTLIER, FULLSAMPLE and the detector-state bits.
const MOSAIC: [&str; 19] = [
    "TRANSIENT",
    "SUR_ERROR",
    "NONFUNC",
    "DICHROIC",
    "MISSING_DATA",
    "HOT",
    "COLD",
    "PHANMISS",
    "NONLINEAR",
    "PERSIST",
    "CROSSTALK",
    "GHOST",
    "GHOST_FPA",
    "GHOST_EXT",
    "STREAK",
    "BLOOM",
    "SNOWBALL",
    "HALO",
    "SATELLITE_HALO",
];

/// What spoils a measurement of flux: the bad flags of photometry and of the zodiacal fit.
const PHOTOMETRY: [&str; 12] = [
    "TRANSIENT",
    "OVERFLOW",
    "SUR_ERROR",
    "NONFUNC",
    "DICHROIC",
    "MISSING_DATA",
    "HOT",
    "COLD",
    "PHANMISS",
    "NONLINEAR",
    "PERSIST",
    "OUTLIER",
];

/// What can be wrong with a flag or a selection of flags.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FlagError {
    /// A word that is neither a bit number, nor the name of a flag, nor a preset.
    #[error(
        "`{0}` is no flag: give bit numbers (0 to 31), names such as HOT, or one of the presets mosaic, photometry, none"
    )]
    Unknown(String),
    /// A name that this file does not know.
    #[error("the file has no flag named {0}")]
    NotInFile(String),
}

/// The names of the bits of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagNames(BTreeMap<String, u32>);

impl Default for FlagNames {
    fn default() -> Self {
        Self(STANDARD.iter().map(|&(name, bit)| (name.to_owned(), bit)).collect())
    }
}

impl FlagNames {
    /// The names in a FLAGS header, `MP_<NAME> = bit` (QR2) or `MSKNnnnn = 'NAME'` (QR3), completed by the
    /// built-in list where the file names neither the flag nor its bit.
    pub fn from_header(header: &Header) -> Self {
        let mut names = BTreeMap::new();
        for card in header.cards() {
            let named =
                match (&card.value, card.keyword.strip_prefix("MP_"), card.keyword.strip_prefix("MSKN")) {
                    (Some(Value::Integer(bit)), Some(name), _) => u32::try_from(*bit).ok().map(|b| (name, b)),
                    (Some(Value::Text(name)), _, Some(bit)) => bit.parse().ok().map(|b| (name.as_str(), b)),
                    _ => None,
                };
            if let Some((name, bit)) = named.filter(|&(_, bit)| bit < 32) {
                names.insert(name.to_owned(), bit);
            }
        }
        let taken: Vec<u32> = names.values().copied().collect();
        for (name, bit) in STANDARD {
            if !taken.contains(&bit) {
                names.entry(name.to_owned()).or_insert(bit);
            }
        }
        Self(names)
    }

    /// The bit number of a name.
    pub fn bit(&self, name: &str) -> Option<u32> {
        self.0.get(name).copied()
    }

    /// Names and bit numbers, by bit.
    pub fn by_bit(&self) -> Vec<(u32, &str)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, &bit)| (bit, name.as_str())).collect();
        all.sort_unstable();
        all
    }

    /// The mask of one flag, 0 where the file does not know it.
    pub fn mask(&self, name: &str) -> u32 {
        self.bit(name).map_or(0, |bit| 1 << bit)
    }
}

/// A selection of flags by preset, bit number or name, to be resolved with the names of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagSelection {
    /// What IRSA's mosaicker masks.
    Mosaic,
    /// The bad flags of photometry.
    Photometry,
    /// These flags; none where empty.
    List(Vec<Flag>),
}

/// One flag, by its bit or by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flag {
    /// Bit number, 0 to 31.
    Bit(u32),
    /// Name in capitals.
    Name(String),
}

impl FlagSelection {
    /// No flag at all.
    pub const NONE: Self = Self::List(Vec::new());

    /// The mask of the selected bits in a file with these names.
    ///
    /// # Errors
    /// [`FlagError::NotInFile`] for a listed name that the file does not know. The presets pass over
    /// names that a file lacks, for releases differ in them.
    pub fn mask(&self, names: &FlagNames) -> Result<u32, FlagError> {
        let preset = |list: &[&str]| list.iter().fold(0, |mask, name| mask | names.mask(name));
        match self {
            Self::Mosaic => Ok(preset(&MOSAIC)),
            Self::Photometry => Ok(preset(&PHOTOMETRY)),
            Self::List(flags) => flags.iter().try_fold(0, |mask, flag| {
                let bit = match flag {
                    Flag::Bit(bit) => *bit,
                    Flag::Name(name) => names.bit(name).ok_or_else(|| FlagError::NotInFile(name.clone()))?,
                };
                Ok(mask | 1 << bit)
            }),
        }
    }
}

impl FromStr for FlagSelection {
    type Err = FlagError;

    /// Reads a preset or a list separated by commas: `mosaic`, `none`, `0,2,HOT`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "mosaic" => Ok(Self::Mosaic),
            "photometry" => Ok(Self::Photometry),
            "none" | "" => Ok(Self::NONE),
            _ => {
                text.split(',').map(|word| parse_flag(word.trim())).collect::<Result<_, _>>().map(Self::List)
            }
        }
    }
}

/// Names are checked for their form only: which of them exist is known when a file is open.
fn parse_flag(word: &str) -> Result<Flag, FlagError> {
    let unknown = || FlagError::Unknown(word.to_owned());
    if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return word.parse().ok().filter(|bit| *bit < 32).map(Flag::Bit).ok_or_else(unknown);
    }
    let name = word.to_ascii_uppercase();
    let preset = matches!(name.as_str(), "MOSAIC" | "PHOTOMETRY" | "NONE");
    let formed = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if formed && !preset { Ok(Flag::Name(name)) } else { Err(unknown()) }
}

impl fmt::Display for FlagSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mosaic => f.write_str("mosaic"),
            Self::Photometry => f.write_str("photometry"),
            Self::List(flags) if flags.is_empty() => f.write_str("none"),
            Self::List(flags) => {
                for (k, flag) in flags.iter().enumerate() {
                    let comma = if k == 0 { "" } else { "," };
                    match flag {
                        Flag::Bit(bit) => write!(f, "{comma}{bit}")?,
                        Flag::Name(name) => write!(f, "{comma}{name}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(list: impl IntoIterator<Item = u32>) -> u32 {
        list.into_iter().fold(0, |mask, bit| mask | 1 << bit)
    }

    #[test]
    fn presets_are_the_documented_bits() {
        let names = FlagNames::default();
        let mosaic = bits([0, 2, 6, 7, 9, 10, 11, 14, 15, 17, 20].into_iter().chain(22..=29));
        assert_eq!(FlagSelection::Mosaic.mask(&names), Ok(mosaic));
        let photometry = bits([0, 1, 2, 6, 7, 9, 10, 11, 14, 15, 17, 19]);
        assert_eq!(FlagSelection::Photometry.mask(&names), Ok(photometry));
        assert_eq!(FlagSelection::NONE.mask(&names), Ok(0));
    }

    #[test]
    fn the_names_of_the_file_win() {
        let qr2 = Header::parse("MP_HOT  =  3\nHIERARCH MP_SOURCE = 21\nHIERARCH MP_NOVEL = 20").unwrap();
        let names = FlagNames::from_header(&qr2);
        assert_eq!(names.bit("HOT"), Some(3));
        assert_eq!(names.bit("NOVEL"), Some(20));
        assert_eq!(names.bit("CROSSTALK"), None, "its bit is another flag's in this file");
        assert_eq!(names.bit("COLD"), Some(11), "from the built-in list");
        let qr3 = Header::parse("MSKN0010= 'COLD'").unwrap();
        assert_eq!(FlagNames::from_header(&qr3).bit("COLD"), Some(10));
        assert_eq!(FlagNames::from_header(&qr3).bit("HOT"), None);
    }

    #[test]
    fn lists_parse_and_print() {
        let list: FlagSelection = "0, hot ,31".parse().unwrap();
        assert_eq!(list.to_string(), "0,HOT,31");
        assert_eq!(list.mask(&FlagNames::default()), Ok(bits([0, 10, 31])));
        for preset in ["mosaic", "photometry", "none"] {
            assert_eq!(preset.parse::<FlagSelection>().unwrap().to_string(), preset);
        }
        for bad in ["32", "-1", "1,,2", "HOT COLD", "1;2", "0,mosaic"] {
            assert!(bad.parse::<FlagSelection>().is_err(), "{bad}");
        }
        let unknown: FlagSelection = "LUKEWARM".parse().unwrap();
        assert_eq!(unknown.mask(&FlagNames::default()), Err(FlagError::NotInFile("LUKEWARM".into())));
    }
}
