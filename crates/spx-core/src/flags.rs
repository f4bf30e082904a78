//! Quality flags: the names of the bits of a FLAGS plane, and selections of them.
//!
//! A file names its bits in its own cards, and those win over the list that is built in; that is
//! why the names are data here and no compile-time constants.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::header::{CardValue, Header};

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

/// What IRSA's mosaicker masks: all but SOURCE, OVERFLOW, OUTLIER, FULLSAMPLE and the
/// detector-state bits.
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

/// What spoils a measurement of flux besides: values beyond the range, and cosmic rays and the
/// like, which are wild.
const WILD: [&str; 2] = ["OVERFLOW", "OUTLIER"];

/// The bad flags of spxquery 0.4.1.
const SPXQUERY: [&str; 12] = [
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
        "unknown flag `{0}`: expected bit numbers (0 to 31), names such as HOT, or the presets mosaic (or irsa), photometry, spxquery, none"
    )]
    Unknown(String),
    /// A word that is neither a sum of flags nor the name of one.
    #[error(
        "unknown flag `{0}`: good_bits takes sums of bit values such as 12, lists such as 4,8 or HOT|COLD, `~` before them, or none"
    )]
    NotGood(String),
    /// A list with more than one kind of separator.
    #[error("`{0}`: separate flags by one of `,`, `+` and `|`")]
    Separators(String),
    /// A name that this file does not know.
    #[error("the file has no flag named {0}")]
    NotInFile(String),
}

/// The names of the bits of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagNames {
    bits: BTreeMap<String, u32>,
    /// Names that the file's own cards give.
    stated: BTreeSet<String>,
}

impl Default for FlagNames {
    /// The built-in list, as for a file that names no flag.
    fn default() -> Self {
        let bits = STANDARD.iter().map(|&(name, bit)| (name.to_owned(), bit)).collect();
        Self { bits, stated: BTreeSet::new() }
    }
}

impl FlagNames {
    /// The bits that a FLAGS header of Quick Release 3 gives to two cards that contradict each
    /// other: `MSKNnnnn = 'NAME'` names bit `nnnn`, of which `MSKMnnnn` must hold `1 << nnnn`.
    pub fn contradictions(header: &Header) -> Vec<String> {
        let masks = header.cards().iter().filter_map(|card| {
            let bit: u32 = card.keyword.strip_prefix("MSKM")?.parse().ok()?;
            let CardValue::Integer(mask) = card.value.as_ref()? else { return None };
            let expected = 1_i64.checked_shl(bit).filter(|_| bit < 32)?;
            // Bit 31 of a signed mask is its sign.
            let agrees = *mask == expected || (bit == 31 && *mask == i64::from(i32::MIN));
            let name = header.optional_text(&format!("MSKN{bit:04}")).ok().flatten().unwrap_or_default();
            (!agrees).then(|| format!("{name}: MSKN{bit:04} says bit {bit}, MSKM{bit:04} mask {mask}"))
        });
        masks.collect()
    }

    /// The names in a FLAGS header, `MP_<NAME> = bit` (QR2) or `MSKNnnnn = 'NAME'` (QR3), completed
    /// by the built-in list where the file names neither the flag nor its bit.
    pub fn from_header(header: &Header) -> Self {
        let mut bits = BTreeMap::new();
        for card in header.cards() {
            let named =
                match (&card.value, card.keyword.strip_prefix("MP_"), card.keyword.strip_prefix("MSKN")) {
                    (Some(CardValue::Integer(bit)), Some(name), _) => {
                        u32::try_from(*bit).ok().map(|b| (name, b))
                    }
                    (Some(CardValue::Text(name)), _, Some(bit)) => {
                        bit.parse().ok().map(|b| (name.as_str(), b))
                    }
                    _ => None,
                };
            if let Some((name, bit)) = named.filter(|&(_, bit)| bit < 32) {
                bits.insert(name.to_owned(), bit);
            }
        }
        let stated = bits.keys().cloned().collect();
        let taken: Vec<u32> = bits.values().copied().collect();
        for (name, bit) in STANDARD {
            if !taken.contains(&bit) {
                bits.entry(name.to_owned()).or_insert(bit);
            }
        }
        Self { bits, stated }
    }

    /// The bit number of a name.
    pub fn bit(&self, name: &str) -> Option<u32> {
        self.bits.get(name).copied()
    }

    /// True where the file's own cards name the flag; the built-in list does otherwise.
    pub fn is_stated(&self, name: &str) -> bool {
        self.stated.contains(name)
    }

    /// Names and bit numbers, by bit.
    pub fn by_bit(&self) -> Vec<(u32, &str)> {
        let mut all: Vec<_> = self.bits.iter().map(|(name, &bit)| (bit, name.as_str())).collect();
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
    /// What IRSA's mosaicker masks; `irsa` is another name of it.
    Mosaic,
    /// The bad flags of photometry and of the zodiacal fit: those of the mosaicker, OVERFLOW and
    /// OUTLIER. Flags that only one release has are passed over in files of the other.
    Photometry,
    /// The bad flags of spxquery, which knows none of CROSSTALK, STREAK, BLOOM, SNOWBALL, halos and
    /// ghosts.
    Spxquery,
    /// These flags; none where empty.
    List(Vec<Flag>),
    /// All of several selections, one of which is a preset.
    Union(Vec<Self>),
    /// All but these.
    Not(Box<Self>),
}

/// One flag, by its bit or by its name, or several by their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flag {
    /// Bit number, 0 to 31.
    Bit(u32),
    /// Name in capitals.
    Name(String),
    /// Sum of `1 << bit`.
    Values(u32),
}

impl Flag {
    fn mask(&self, names: &FlagNames) -> Result<u32, FlagError> {
        match self {
            Self::Bit(bit) => Ok(1 << bit),
            Self::Name(name) => {
                names.bit(name).map(|bit| 1 << bit).ok_or_else(|| FlagError::NotInFile(name.clone()))
            }
            Self::Values(values) => Ok(*values),
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bit(number) | Self::Values(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

fn mask_of(flags: &[Flag], names: &FlagNames) -> Result<u32, FlagError> {
    flags.iter().try_fold(0, |mask, flag| Ok(mask | flag.mask(names)?))
}

impl FlagSelection {
    /// No flag at all.
    pub const NONE: Self = Self::List(Vec::new());

    /// The presets by their names, but for `none`. Each is a list of names, of which a file has
    /// those of its release.
    pub const PRESETS: [(&str, Self); 4] = [
        ("photometry", Self::Photometry),
        ("mosaic", Self::Mosaic),
        ("irsa", Self::Mosaic),
        ("spxquery", Self::Spxquery),
    ];

    /// The names of the presets that hold a flag.
    pub fn presets_with(name: &str) -> Vec<&'static str> {
        let holds = |preset: &Self| match preset {
            Self::Photometry => MOSAIC.contains(&name) || WILD.contains(&name),
            Self::Mosaic => MOSAIC.contains(&name),
            Self::Spxquery => SPXQUERY.contains(&name),
            Self::List(_) | Self::Union(_) | Self::Not(_) => false,
        };
        Self::PRESETS.iter().filter(|(_, preset)| holds(preset)).map(|(name, _)| *name).collect()
    }

    /// The mask of the selected bits in a file with these names.
    ///
    /// # Errors
    /// [`FlagError::NotInFile`] for a listed name that the file does not know. The presets pass
    /// over names that a file lacks, for releases differ in them.
    pub fn mask(&self, names: &FlagNames) -> Result<u32, FlagError> {
        let preset = |list: &[&str]| list.iter().fold(0, |mask, name| mask | names.mask(name));
        match self {
            Self::Mosaic => Ok(preset(&MOSAIC)),
            Self::Photometry => Ok(preset(&MOSAIC) | preset(&WILD)),
            Self::Spxquery => Ok(preset(&SPXQUERY)),
            Self::List(flags) => mask_of(flags, names),
            Self::Union(parts) => parts.iter().try_fold(0, |mask, part| Ok(mask | part.mask(names)?)),
            Self::Not(others) => Ok(!others.mask(names)?),
        }
    }
}

impl FlagSelection {
    fn union(mut parts: Vec<Self>) -> Self {
        let flags = |part: &Self| match part {
            Self::List(flags) => Some(flags.clone()),
            _ => None,
        };
        match parts.iter().map(flags).collect::<Option<Vec<_>>>() {
            Some(lists) => Self::List(lists.concat()),
            None if parts.len() == 1 => parts.remove(0),
            None => Self::Union(parts),
        }
    }
}

impl FromStr for FlagSelection {
    type Err = FlagError;

    /// Reads a preset or a list, in which presets may stand, too: `mosaic`, `none`, `0,2,HOT`,
    /// `HOT|COLD`, `photometry,GHOST`, and `~` before it for all other flags.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (reversed, text) = reversed(text);
        let selection = match text.to_ascii_lowercase().as_str() {
            "none" | "" => Self::NONE,
            _ => Self::union(list(text, parse_selected)?),
        };
        Ok(if reversed { Self::Not(Box::new(selection)) } else { selection })
    }
}

/// The flags that may be ignored, in the notation of STScI's `Resample`: all others exclude a
/// pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoodBits {
    /// Flags are not looked at.
    All,
    /// These may be ignored; where empty, none may.
    Only(Vec<Flag>),
    /// All but these may be ignored.
    AllBut(Vec<Flag>),
}

impl GoodBits {
    /// The mask of the bits that exclude a pixel of a file with these names.
    ///
    /// # Errors
    /// [`FlagError::NotInFile`] for a name that the file does not know.
    pub fn excluded(&self, names: &FlagNames) -> Result<u32, FlagError> {
        match self {
            Self::All => Ok(0),
            Self::Only(flags) => Ok(!mask_of(flags, names)?),
            Self::AllBut(flags) => mask_of(flags, names),
        }
    }
}

impl FromStr for GoodBits {
    type Err = FlagError;

    /// Reads a sum of bit values (`12`), a list of such or of names (`4,8`, `4+8`, `JUMP|HOT`),
    /// either with `~` before it, or `none`. Unlike in [`FlagSelection`], numbers are values and
    /// not bit numbers.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (reversed, text) = reversed(text);
        if text.eq_ignore_ascii_case("none") && !reversed {
            return Ok(Self::All);
        }
        let flags = list(text, parse_value)?;
        // 0 is no flag.
        let flags = flags.into_iter().filter(|flag| *flag != Flag::Values(0)).collect();
        Ok(if reversed { Self::AllBut(flags) } else { Self::Only(flags) })
    }
}

impl fmt::Display for GoodBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, flags) = match self {
            Self::All => return f.write_str("none"),
            Self::Only(flags) => ("", flags),
            Self::AllBut(flags) => ("~", flags),
        };
        f.write_str(prefix)?;
        if flags.is_empty() { f.write_str("0") } else { f.write_str(&joined(flags)) }
    }
}

fn joined(parts: &[impl fmt::Display]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Whether `~` stands before it, and what stands behind, without a pair of parentheses around it.
fn reversed(text: &str) -> (bool, &str) {
    let text = text.trim();
    let rest = text.strip_prefix('~');
    let inner = rest.unwrap_or(text).trim();
    let bare = inner.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(inner);
    (rest.is_some(), bare.trim())
}

/// The words between separators, all of which must be the same.
fn list<T>(text: &str, parse: fn(&str) -> Result<T, FlagError>) -> Result<Vec<T>, FlagError> {
    let used: Vec<char> = [',', '+', '|'].into_iter().filter(|c| text.contains(*c)).collect();
    match used.as_slice() {
        [] => Ok(vec![parse(text)?]),
        [separator] => text.split(*separator).map(|word| parse(word.trim())).collect(),
        _ => Err(FlagError::Separators(text.to_owned())),
    }
}

fn parse_value(word: &str) -> Result<Flag, FlagError> {
    match word.parse() {
        Ok(values) => Ok(Flag::Values(values)),
        Err(_) => match parse_flag(word) {
            Ok(Flag::Name(name)) => Ok(Flag::Name(name)),
            _ => Err(FlagError::NotGood(word.to_owned())),
        },
    }
}

fn parse_selected(word: &str) -> Result<FlagSelection, FlagError> {
    let preset = FlagSelection::PRESETS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    match preset {
        Some((_, preset)) => Ok(preset),
        None => Ok(FlagSelection::List(vec![parse_flag(word)?])),
    }
}

/// Names are checked for their form only: which of them exist is known when a file is open.
fn parse_flag(word: &str) -> Result<Flag, FlagError> {
    let unknown = || FlagError::Unknown(word.to_owned());
    if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return word.parse().ok().filter(|bit| *bit < 32).map(Flag::Bit).ok_or_else(unknown);
    }
    let name = word.to_ascii_uppercase();
    let preset = FlagSelection::PRESETS.iter().any(|(preset, _)| preset.eq_ignore_ascii_case(word));
    let preset = preset || name == "NONE";
    let formed = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if formed && !preset { Ok(Flag::Name(name)) } else { Err(unknown()) }
}

impl fmt::Display for FlagSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mosaic => f.write_str("mosaic"),
            Self::Photometry => f.write_str("photometry"),
            Self::Spxquery => f.write_str("spxquery"),
            Self::List(flags) if flags.is_empty() => f.write_str("none"),
            Self::List(flags) => f.write_str(&joined(flags)),
            Self::Union(parts) => f.write_str(&joined(parts)),
            Self::Not(others) => write!(f, "~{others}"),
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
    fn names_and_masks_must_agree() {
        let mut header = Header::new();
        header.set("MSKN0020", "CROSSTALK", "").set("MSKM0020", 1_i64 << 20, "");
        header.set("MSKN0031", "LAST", "").set("MSKM0031", i64::from(i32::MIN), "");
        assert!(FlagNames::contradictions(&header).is_empty());
        header.set("MSKM0020", 1_i64 << 21, "");
        let found = FlagNames::contradictions(&header);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("CROSSTALK") && found[0].contains("2097152"), "{found:?}");
    }

    #[test]
    fn presets_are_the_documented_bits() {
        let names = FlagNames::default();
        let mosaic = bits([0, 2, 6, 7, 9, 10, 11, 14, 15, 17, 20].into_iter().chain(22..=29));
        assert_eq!(FlagSelection::Mosaic.mask(&names), Ok(mosaic));
        assert_eq!(FlagSelection::Photometry.mask(&names), Ok(mosaic | bits([1, 19])));
        let spxquery = bits([0, 1, 2, 6, 7, 9, 10, 11, 14, 15, 17, 19]);
        assert_eq!(FlagSelection::Spxquery.mask(&names), Ok(spxquery));
        assert_eq!("irsa".parse(), Ok(FlagSelection::Mosaic));
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
    fn presets_take_the_names_of_the_file_and_pass_over_those_it_lacks() {
        // COLD and CROSSTALK have changed places, bits 22 to 29 have other names.
        let mut cards = vec!["HIERARCH MP_CROSSTALK = 11".to_owned(), "MP_COLD = 20".to_owned()];
        cards.extend((22..=29).map(|bit| format!("HIERARCH MP_OTHER{bit} = {bit}")));
        let names = FlagNames::from_header(&Header::parse(&cards.join("\n")).unwrap());
        let mosaic = bits([0, 2, 6, 7, 9, 10, 11, 14, 15, 17, 20]);
        assert_eq!(FlagSelection::Mosaic.mask(&names), Ok(mosaic));
        assert_eq!(FlagSelection::Photometry.mask(&names), Ok(mosaic | bits([1, 19])));
        assert_eq!(FlagSelection::Spxquery.mask(&names), Ok(mosaic & !bits([11]) | bits([1, 19])));
        assert!(names.is_stated("COLD") && names.is_stated("OTHER22") && !names.is_stated("HOT"));
        for (word, preset) in FlagSelection::PRESETS {
            let named = names.by_bit().into_iter();
            let held = named.filter(|(_, name)| FlagSelection::presets_with(name).contains(&word));
            assert_eq!(preset.mask(&names), Ok(bits(held.map(|(bit, _)| bit))), "{word}");
        }
    }

    #[test]
    fn lists_parse_and_print() {
        let list: FlagSelection = "0, hot ,31".parse().unwrap();
        assert_eq!(list.to_string(), "0,HOT,31");
        assert_eq!(list.mask(&FlagNames::default()), Ok(bits([0, 10, 31])));
        let mask = |preset: FlagSelection| preset.mask(&FlagNames::default()).unwrap();
        let (mosaic, spxquery) = (mask(FlagSelection::Mosaic), mask(FlagSelection::Spxquery));
        for (text, told, selected) in [
            ("HOT|COLD", "HOT,COLD", bits([10, 11])),
            ("1+ 2", "1,2", bits([1, 2])),
            ("~(0,hot)", "~0,HOT", !bits([0, 10])),
            ("~none", "~none", !0),
            ("spxquery, GHOST", "spxquery,GHOST", spxquery | bits([22])),
            ("~1+irsa", "~1,mosaic", !(mosaic | bits([1]))),
        ] {
            let list: FlagSelection = text.parse().unwrap();
            assert_eq!((list.to_string().as_str(), list.mask(&FlagNames::default())), (told, Ok(selected)));
            assert_eq!(told.parse(), Ok(list));
        }
        for preset in ["mosaic", "photometry", "spxquery", "none"] {
            assert_eq!(preset.parse::<FlagSelection>().unwrap().to_string(), preset);
        }
        for bad in ["32", "-1", "1,,2", "HOT COLD", "1;2", "0,none", "1,2+3", "~~1"] {
            assert!(bad.parse::<FlagSelection>().is_err(), "{bad}");
        }
        let unknown: FlagSelection = "LUKEWARM".parse().unwrap();
        assert_eq!(unknown.mask(&FlagNames::default()), Err(FlagError::NotInFile("LUKEWARM".into())));
    }

    /// Every notation of `Resample`; `testdata/resample` has its own answers.
    #[test]
    fn good_bits_in_every_notation() {
        let names = FlagNames::default();
        let excluded = |text: &str| text.parse::<GoodBits>().unwrap().excluded(&names).unwrap();
        for same in ["12", "4,8", "4+8", " 4 | 8 ", "(4,8)", "12,4"] {
            assert_eq!(excluded(same), !12, "{same}");
        }
        assert_eq!(excluded("hot,COLD"), !bits([10, 11]));
        assert_eq!(excluded("~4+8"), 12);
        assert_eq!(excluded("~(HOT|COLD)"), bits([10, 11]));
        assert_eq!((excluded("0"), excluded("none"), excluded("~0")), (!0, 0, 0));
        for text in ["12", "4,8", "HOT,COLD", "~4,8", "none", "0", "~0"] {
            assert_eq!(text.parse::<GoodBits>().unwrap().to_string(), text);
        }
        for bad in ["", "-1", "4294967296", "4,8+2", "4,,8", "~none", "1.5", "mosaic"] {
            assert!(bad.parse::<GoodBits>().is_err(), "{bad}");
        }
    }
}
