//! Which columns of a table hold what, by their usual names, and in which units.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use spx_core::sky::{parse_declination, parse_right_ascension};

use super::CatalogRow;
use super::shape::SHAPES;

/// Usual names of ids, the first of these groups that a table has counts. Case, underscores, dots
/// and hyphens do not.
const IDS: [&[&str]; 4] = [
    &["targetid"],
    &["sourceid", "source"],
    &["objid", "objectid", "id", "identifier"],
    &["mainid", "name", "objname", "objectname", "targetname", "designation", "object", "target"],
];

/// Usual names of right ascension and declination, likewise.
const POSITIONS: [(&str, &[&str]); 9] = [
    ("ra", &["dec", "de"]),
    ("raicrs", &["deicrs", "decicrs"]),
    ("raj2000", &["dej2000", "decj2000"]),
    ("radeg", &["dedeg", "decdeg"]),
    ("ra2000", &["de2000", "dec2000"]),
    ("alphaj2000", &["deltaj2000"]),
    ("rightascension", &["declination"]),
    ("sra", &["sdec"]),
    ("ramean", &["decmean"]),
];

/// Usual names of proper motions along right ascension, cos(dec) included, and along declination.
const MOTIONS: [&[&str]; 2] = [&["pmra", "pmracosdec", "pmracosd"], &["pmdec", "pmde"]];

/// Usual names of the epoch of a position.
const EPOCHS: [&[&str]; 2] = [&["refepoch"], &["epoch"]];

/// How a catalog is read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogOptions {
    /// Epoch of positions \[Julian year\] where the catalog has no such column, or no value in it.
    pub epoch: Option<f64>,
    /// The column of ids, by its full name; found by usual names where `None`.
    pub id_column: Option<String>,
    /// The column of right ascensions, likewise.
    pub ra_column: Option<String>,
    /// The column of declinations, likewise.
    pub dec_column: Option<String>,
    /// Whether galaxies have shapes.
    pub shapes: bool,
}

/// A column as a table declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableField {
    pub(super) name: String,
    /// Empty where none is declared.
    pub(super) unit: String,
}

/// A value of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TableCell<'a> {
    Null,
    Text(Cow<'a, str>),
    Integer(i128),
    Real(f64),
}

/// How the values of a coordinate become degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
enum AngleUnit {
    /// Numbers are degrees, texts as they are written.
    Undeclared,
    /// Numbers times this are degrees.
    Degrees(f64),
    /// Texts of hours, minutes and seconds.
    HoursMinutesSeconds,
    /// Texts of degrees, minutes and seconds.
    DegreesMinutesSeconds,
}

/// Which columns hold what.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CatalogColumns {
    pub(super) id: usize,
    /// Right ascension and declination.
    pub(super) position: [usize; 2],
    pub(super) motion: Option<[usize; 2]>,
    pub(super) epoch: Option<usize>,
    /// Sersic index, effective radius, axis ratio, position angle.
    shape: [Option<usize>; 4],
    names: Vec<String>,
    angles: [AngleUnit; 2],
    /// Of the motions, to mas/yr.
    motion_scales: [f64; 2],
    /// Of the shape, to arcsec and deg.
    shape_scales: [f64; 4],
    /// What the user should know of the choice.
    pub(super) notes: Vec<String>,
}

impl CatalogColumns {
    /// Finds the columns.
    ///
    /// # Errors
    /// The column that is missing, or in a unit that is not understood; the names between which the
    /// choice is not clear.
    pub(super) fn find(fields: &[TableField], options: &CatalogOptions) -> Result<Self, String> {
        let keys: Vec<String> = fields.iter().map(|field| key(&field.name)).collect();
        let names: Vec<String> = fields.iter().map(|field| field.name.trim().to_owned()).collect();
        let finder = Finder { keys: &keys, names: &names };
        let mut notes = Vec::new();
        let id = match &options.id_column {
            Some(name) => finder.named(name)?,
            None => finder.tiers(&IDS)?.ok_or_else(|| finder.missing("targetid", "source_id, id, Name"))?,
        };
        let position = match (&options.ra_column, &options.dec_column) {
            (Some(ra), Some(dec)) => [finder.named(ra)?, finder.named(dec)?],
            (None, None) => finder.position(&mut notes)?,
            _ => return Err("the columns of ra and dec must be chosen together".into()),
        };
        let motion = finder.motion()?;
        let epoch = if motion.is_some() { finder.tiers(&EPOCHS)? } else { None };
        if motion.is_some() && epoch.is_none() && options.epoch.is_none() {
            return Err(
                "it has proper motions, but no column ref_epoch, and no epoch is given for all".into()
            );
        }
        let shape = if options.shapes { finder.shape(&mut notes)? } else { [None; 4] };
        let mut columns = Self {
            id,
            position,
            motion,
            epoch,
            angles: [AngleUnit::Undeclared; 2],
            motion_scales: [1.0; 2],
            shape,
            shape_scales: [1.0; 4],
            names,
            notes,
        };
        columns.take_units(fields)?;
        Ok(columns)
    }

    fn take_units(&mut self, fields: &[TableField]) -> Result<(), String> {
        let refuse = |field: &TableField, wanted: &str| {
            format!("column {} is in {}, which is not {wanted}", field.name.trim(), field.unit.trim())
        };
        for (k, column) in self.position.into_iter().enumerate() {
            let field = &fields[column];
            let unit = angle_unit(&field.unit).ok_or_else(|| refuse(field, "a known unit of angles"))?;
            let hours = [AngleUnit::HoursMinutesSeconds, AngleUnit::Degrees(15.0)].contains(&unit);
            if k == 1 && hours {
                return Err(refuse(field, "a unit of declinations"));
            }
            self.angles[k] = unit;
        }
        for (k, column) in self.motion.into_iter().flatten().enumerate() {
            let field = &fields[column];
            self.motion_scales[k] =
                motion_scale(&field.unit).ok_or_else(|| refuse(field, "a known unit of proper motions"))?;
        }
        for (k, per_degree) in [(1, 3600.0), (3, 1.0)] {
            let Some(column) = self.shape[k] else { continue };
            self.shape_scales[k] = match angle_unit(&fields[column].unit) {
                Some(AngleUnit::Undeclared) => 1.0,
                Some(AngleUnit::Degrees(scale)) => scale * per_degree,
                _ => return Err(refuse(&fields[column], "a known unit of angles")),
            };
        }
        if let Some(column) = self.epoch {
            let field = &fields[column];
            let unit = key(&field.unit);
            if !["", "yr", "year", "years", "a", "jyear", "jyr", "julianyear", "julianyears"]
                .contains(&unit.as_str())
            {
                return Err(refuse(field, "in Julian years"));
            }
        }
        Ok(())
    }

    /// The columns that are read.
    pub(super) fn used(&self) -> Vec<usize> {
        let shape = self.shape.into_iter().flatten();
        let others = self.motion.into_iter().flatten().chain(self.epoch).chain(shape);
        [self.id].into_iter().chain(self.position).chain(others).collect()
    }

    /// A row of the table, whose cells `cell` gives by the number of their column.
    ///
    /// # Errors
    /// What is wrong with a value.
    pub(super) fn row<'a>(
        &self,
        cell: impl Fn(usize) -> TableCell<'a>,
    ) -> Result<(String, CatalogRow), String> {
        let id = id_text(&cell(self.id)).map_err(|problem| format!("{} {problem}", self.names[self.id]))?;
        let about = |problem: String| if id.is_empty() { problem } else { format!("{id}: {problem}") };
        let [ra, dec] = self.position;
        let angle = |k: usize, column: usize| {
            degrees(&cell(column), self.angles[k], k == 0)
                .map_err(|problem| about(format!("{} {problem}", self.names[column])))
        };
        let number = |column: usize| {
            real(&cell(column)).map_err(|problem| about(format!("{} {problem}", self.names[column])))
        };
        let mut motion = [f64::NAN; 2];
        for (k, column) in self.motion.into_iter().flatten().enumerate() {
            motion[k] = number(column)? * self.motion_scales[k];
        }
        let epoch = match self.epoch.map(|column| (column, cell(column))) {
            // As catalogs print it: J2016.0.
            Some((column, TableCell::Text(text))) => {
                let text = text.trim().trim_start_matches(['J', 'j']).to_owned();
                real(&TableCell::Text(text.into()))
                    .map_err(|problem| about(format!("{} {problem}", self.names[column])))?
            }
            Some((column, _)) => number(column)?,
            None => f64::NAN,
        };
        let mut shape = [f64::NAN; 4];
        for (k, column) in self.shape.into_iter().enumerate().filter_map(|(k, c)| Some((k, c?))) {
            shape[k] = number(column)? * self.shape_scales[k];
        }
        let row = CatalogRow { ra: angle(0, ra)?, dec: angle(1, dec)?, motion, epoch, shape };
        Ok((id, row))
    }
}

/// Whether a table has columns of positions, whatever else it lacks.
pub(super) fn has_positions(fields: &[TableField]) -> bool {
    let has = |name: &str| fields.iter().any(|field| key(&field.name) == name);
    POSITIONS.iter().any(|(ra, dec)| has(ra) && dec.iter().any(|dec| has(dec)))
}

/// A name or unit without case, blanks and punctuation.
fn key(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Looks columns up.
struct Finder<'a> {
    keys: &'a [String],
    names: &'a [String],
}

impl Finder<'_> {
    /// The column that the user names.
    fn named(&self, name: &str) -> Result<usize, String> {
        let exact = self.names.iter().position(|other| other == name);
        let same: Vec<usize> =
            (0..self.names.len()).filter(|&k| self.names[k].eq_ignore_ascii_case(name)).collect();
        match (exact, same.as_slice()) {
            (Some(column), _) | (None, &[column]) => Ok(column),
            (None, []) => Err(match self.nearest(name) {
                Some(other) => {
                    format!("it has no column {name}; did you mean `{other}`? It has: {}", self.all())
                }
                None => format!("it has no column {name}; it has: {}", self.all()),
            }),
            (None, _) => Err(self.ambiguous(&same)),
        }
    }

    /// The column of one of these names; none or one, else it is not clear which is meant.
    fn one_of(&self, wanted: &[&str]) -> Result<Option<usize>, String> {
        let found: Vec<usize> =
            (0..self.keys.len()).filter(|&k| wanted.contains(&self.keys[k].as_str())).collect();
        match found.as_slice() {
            [] => Ok(None),
            [column] => Ok(Some(*column)),
            _ => Err(self.ambiguous(&found)),
        }
    }

    fn tiers(&self, tiers: &[&[&str]]) -> Result<Option<usize>, String> {
        for wanted in tiers {
            if let Some(column) = self.one_of(wanted)? {
                return Ok(Some(column));
            }
        }
        Ok(None)
    }

    /// Right ascension and declination of the first pair of names; other pairs are noted.
    fn position(&self, notes: &mut Vec<String>) -> Result<[usize; 2], String> {
        let mut chosen: Option<[usize; 2]> = None;
        for (ra, dec) in POSITIONS {
            if chosen.is_some() && !self.keys.iter().any(|key| key == ra) {
                continue;
            }
            let Some(pair) = self.one_of(&[ra])?.zip(self.one_of(dec)?) else { continue };
            let pair = [pair.0, pair.1];
            match chosen {
                None => chosen = Some(pair),
                Some(used) => notes.push(format!(
                    "positions are those of columns {} and {}; {} and {} are not used",
                    self.names[used[0]], self.names[used[1]], self.names[pair[0]], self.names[pair[1]]
                )),
            }
        }
        chosen.ok_or_else(|| {
            let has_ra = self.keys.iter().any(|key| POSITIONS.iter().any(|(ra, _)| key == ra));
            self.missing(if has_ra { "dec" } else { "ra" }, "RA_ICRS and DE_ICRS, _RAJ2000 and _DEJ2000")
        })
    }

    fn motion(&self) -> Result<Option<[usize; 2]>, String> {
        match (self.one_of(MOTIONS[0])?, self.one_of(MOTIONS[1])?) {
            (Some(ra), Some(dec)) => Ok(Some([ra, dec])),
            (None, None) => Ok(None),
            (Some(one), None) => Err(format!("it has column {}, but no column pmdec", self.names[one])),
            (None, Some(one)) => Err(format!("it has column {}, but no column pmra", self.names[one])),
        }
    }

    /// The columns of a shape; none where index or radius is missing.
    fn shape(&self, notes: &mut Vec<String>) -> Result<[Option<usize>; 4], String> {
        let mut found = [None; 4];
        for (column, names) in found.iter_mut().zip(SHAPES) {
            let first = names.iter().map(|name| self.one_of(&[name])).find(|one| !matches!(one, Ok(None)));
            *column = first.transpose()?.flatten();
        }
        let half = match found {
            [Some(index), None, ..] => Some((index, "r_eff")),
            [None, Some(radius), ..] => Some((radius, "sersic")),
            _ => None,
        };
        if let Some((column, missing)) = half {
            let name = &self.names[column];
            notes.push(format!("it has column {name}, but no column {missing}: its sources are points"));
        }
        Ok(if found[0].is_some() && found[1].is_some() { found } else { [None; 4] })
    }

    fn ambiguous(&self, columns: &[usize]) -> String {
        let names: Vec<&str> = columns.iter().map(|&k| self.names[k].as_str()).collect();
        format!("columns {} could both be meant; rename one of them, or choose one", names.join(" and "))
    }

    fn missing(&self, name: &str, others: &str) -> String {
        format!("it has no column {name} (nor another usual name: {others}); it has: {}", self.all())
    }

    /// The column whose name is most like one, where any is.
    fn nearest(&self, name: &str) -> Option<&String> {
        let likeness = |other: &&String| strsim::jaro_winkler(&other.to_lowercase(), &name.to_lowercase());
        let nearest = self.names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        nearest.filter(|other| likeness(other) > 0.7)
    }

    fn all(&self) -> String {
        let shown: Vec<&str> = self.names.iter().take(100).map(String::as_str).collect();
        shown.join(", ")
    }
}

/// A unit, perhaps with a factor before it: astropy writes hours to VOTables as `15deg`.
fn angle_unit(unit: &str) -> Option<AngleUnit> {
    let unit = unit.trim().trim_matches(['\'', '"']).trim().to_lowercase();
    let marks: String = unit.chars().filter(|c| !c.is_whitespace()).collect();
    let of_factor = marks.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if let Ok(factor) = marks[..marks.len() - of_factor.len()].parse::<f64>() {
        return match angle_unit(of_factor)? {
            AngleUnit::Degrees(scale) => Some(AngleUnit::Degrees(factor * scale)),
            _ => None,
        };
    }
    Some(match marks.as_str() {
        "" => AngleUnit::Undeclared,
        "deg" | "degree" | "degrees" | "°" => AngleUnit::Degrees(1.0),
        "rad" | "radian" | "radians" => AngleUnit::Degrees(1f64.to_degrees()),
        "mrad" => AngleUnit::Degrees(1e-3f64.to_degrees()),
        "h" | "hr" | "hour" | "hours" | "hourangle" => AngleUnit::Degrees(15.0),
        "arcmin" | "amin" => AngleUnit::Degrees(1.0 / 60.0),
        "arcsec" | "asec" => AngleUnit::Degrees(1.0 / 3600.0),
        "mas" | "milliarcsec" => AngleUnit::Degrees(1.0 / 3.6e6),
        "uas" | "microarcsec" => AngleUnit::Degrees(1.0 / 3.6e9),
        "h:m:s" | "hms" | "hh:mm:ss" | "hh:mm:ss.s" => AngleUnit::HoursMinutesSeconds,
        "d:m:s" | "dms" | "dd:mm:ss" | "dd:mm:ss.s" => AngleUnit::DegreesMinutesSeconds,
        _ => return None,
    })
}

/// What a unit of proper motions times this is in mas/yr; mas/yr where none is declared.
fn motion_scale(unit: &str) -> Option<f64> {
    let unit: String = unit.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    if unit.is_empty() {
        return Some(1.0);
    }
    let angles = [
        ("milliarcsec", 1.0),
        ("microarcsec", 1e-3),
        ("arcsec", 1e3),
        ("arcmin", 6e4),
        ("asec", 1e3),
        ("mas", 1.0),
        ("uas", 1e-3),
        ("degree", 3.6e6),
        ("deg", 3.6e6),
        ("rad", 3.6e6 * 1f64.to_degrees()),
        ("\"", 1e3),
    ];
    let (angle, time) =
        angles.iter().find_map(|(name, scale)| unit.strip_prefix(name).map(|rest| (*scale, rest)))?;
    let time = match time.strip_prefix('/') {
        Some(time) => time,
        None => {
            let time = time.trim_start_matches(['.', '*', '\u{b7}']);
            ["**-1", "**(-1)", "^-1", "^(-1)", "-1"].iter().find_map(|power| time.strip_suffix(power))?
        }
    };
    let per_year = match time {
        "yr" | "year" | "a" | "jyr" | "julianyear" => 1.0,
        "cy" | "century" => 0.01,
        "d" | "day" => 365.25,
        _ => return None,
    };
    Some(angle * per_year)
}

/// True for the ways in which tables print that there is no value.
fn is_missing(text: &str) -> bool {
    text.is_empty()
        || ["--", "nan", "null", "none", "n/a", "masked"].iter().any(|m| text.eq_ignore_ascii_case(m))
}

fn real(cell: &TableCell<'_>) -> Result<f64, String> {
    Ok(match cell {
        TableCell::Null => f64::NAN,
        TableCell::Integer(value) => *value as f64,
        TableCell::Real(value) => *value,
        TableCell::Text(text) => match text.trim() {
            text if is_missing(text) => f64::NAN,
            text => text.parse().map_err(|_| format!("`{}` is not a number", short(text)))?,
        },
    })
}

fn degrees(cell: &TableCell<'_>, unit: AngleUnit, is_ra: bool) -> Result<f64, String> {
    let TableCell::Text(text) = cell else {
        let value = real(cell)?;
        return match unit {
            AngleUnit::Undeclared => Ok(value),
            AngleUnit::Degrees(scale) => Ok(value * scale),
            _ if value.is_nan() => Ok(value),
            _ => Err(format!("{value} is a number in a column of sexagesimal values")),
        };
    };
    let text = text.trim();
    if is_missing(text) {
        return Ok(f64::NAN);
    }
    if let (AngleUnit::Degrees(scale), Ok(value)) = (unit, text.parse::<f64>()) {
        return Ok(value * scale);
    }
    let marked = text.contains(['h', 'H', 'd', 'D', '°']);
    let parsed = match (unit, is_ra) {
        // 12:25:48 in a column in degrees may be either.
        (AngleUnit::Degrees(_), true) if !marked => {
            return Err(format!("`{}` is sexagesimal in a column with another unit", short(text)));
        }
        // Degrees, minutes and seconds are read as those of a declination are.
        (AngleUnit::DegreesMinutesSeconds, true) => {
            return match text.split_once(|c: char| !c.is_ascii_digit() && c != '+') {
                Some((whole, rest)) => {
                    parse_right_ascension(&format!("{whole}d{}", marks(rest))).map_err(|e| e.to_string())
                }
                None => real(cell),
            };
        }
        (_, true) => parse_right_ascension(text),
        (_, false) => parse_declination(text),
    };
    parsed.map_err(|e| e.to_string())
}

/// Minutes and seconds behind a number of degrees, with their marks.
fn marks(rest: &str) -> String {
    match rest.split_once(|c: char| !c.is_ascii_digit() && c != '.') {
        Some((minutes, seconds)) => format!("{minutes}m{seconds}"),
        None => rest.to_owned(),
    }
}

fn id_text(cell: &TableCell<'_>) -> Result<String, String> {
    Ok(match cell {
        TableCell::Null => String::new(),
        TableCell::Text(text) => text.trim().to_owned(),
        TableCell::Integer(value) => value.to_string(),
        TableCell::Real(value) if value.is_nan() => String::new(),
        // Above 2^53 it is not the id that was meant.
        TableCell::Real(value) if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 => {
            format!("{value:.0}")
        }
        TableCell::Real(value) => {
            return Err(format!("{value} is a floating-point number that cannot be an exact id"));
        }
    })
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(columns: &[(&str, &str)]) -> Vec<TableField> {
        columns.iter().map(|(n, u)| TableField { name: (*n).into(), unit: (*u).into() }).collect()
    }

    fn found(columns: &[(&str, &str)]) -> Result<CatalogColumns, String> {
        CatalogColumns::find(&fields(columns), &CatalogOptions::default())
    }

    /// Position and motion of a row of texts.
    fn row(columns: &[(&str, &str)], cells: &[&'static str]) -> Result<(String, CatalogRow), String> {
        found(columns)?.row(|k| TableCell::Text(cells[k].into()))
    }

    #[test]
    fn usual_names_are_known() {
        for names in [
            ["TARGETID", "RA", "DEC"],
            ["source_id", "ra", "dec"],
            ["Source", "RA_ICRS", "DE_ICRS"],
            ["Name", "_RAJ2000", "_DEJ2000"],
            ["main_id", "ra", "dec"],
            ["objID", "raMean", "decMean"],
            ["id", "ALPHA_J2000", "DELTA_J2000"],
            ["Object", "RAdeg", "DEdeg"],
            ["designation", "_RA.icrs", "_DE.icrs"],
        ] {
            let columns = found(&names.map(|name| (name, ""))).unwrap_or_else(|e| panic!("{names:?}: {e}"));
            assert_eq!((columns.id, columns.position), (0, [1, 2]));
            assert!(columns.notes.is_empty());
        }
    }

    #[test]
    fn names_that_are_not_clear_are_refused_with_both() {
        for (names, both) in [
            (["RA", "DEC", "targetid", "ra", "dec"], ["RA", "ra"]),
            (["targetid", "target_id", "ra", "dec", "x"], ["targetid", "target_id"]),
            (["_RAJ2000", "RAJ2000", "DEJ2000", "id", "x"], ["_RAJ2000", "RAJ2000"]),
            (["id", "ra", "dec", "DE", "x"], ["dec", "DE"]),
        ] {
            let error = found(&names.map(|name| (name, ""))).unwrap_err();
            assert!(error.contains(&format!("columns {} and {} could both", both[0], both[1])), "{error}");
        }
        let columns = [("id", ""), ("RA", ""), ("ra", ""), ("dec", "")];
        let options = CatalogOptions {
            ra_column: Some("ra".into()),
            dec_column: Some("DEC".into()),
            ..CatalogOptions::default()
        };
        assert_eq!(CatalogColumns::find(&fields(&columns), &options).unwrap().position, [2, 3]);
        let other = found(&[("id", ""), ("ra", ""), ("dec", ""), ("RA_ICRS", ""), ("DE_ICRS", "")]).unwrap();
        assert_eq!(other.position, [1, 2]);
        assert!(other.notes[0].contains("RA_ICRS and DE_ICRS are not used"), "{:?}", other.notes);
    }

    #[test]
    fn units_are_honored() {
        let at = |units: [&str; 2], cells: [&'static str; 2]| {
            let columns = [("id", ""), ("ra", units[0]), ("dec", units[1])];
            let (_, row) = row(&columns, &["s", cells[0], cells[1]]).unwrap_or_else(|e| panic!("{e}"));
            (row.ra, row.dec)
        };
        for (units, cells) in [
            (["", ""], ["187.5", "-30.5"]),
            (["deg", "deg"], ["187.5", "-30.5"]),
            (["h", "deg"], ["12.5", "-30.5"]),
            (["15deg", "0.5 deg"], ["12.5", "-61"]),
            (["rad", "rad"], ["3.272492347489368", "-0.5323254218582705"]),
            (["arcsec", "arcmin"], ["675000", "-1830"]),
            (["\"h:m:s\"", "\"d:m:s\""], ["12 30 00.0", "-30 30 00"]),
            (["", ""], ["12:30:00", "-30:30:00"]),
            (["d:m:s", "d:m:s"], ["187:30:00", "-30:30:00"]),
            (["", ""], ["12h30m00s", "-30d30m00s"]),
        ] {
            let (ra, dec) = at(units, cells);
            assert!(
                (ra - 187.5).abs() < 1e-11 && (dec + 30.5).abs() < 1e-12,
                "{units:?} {cells:?}: {ra} {dec}"
            );
        }
        for (unit, scale) in [
            ("mas/yr", 1.0),
            ("mas.yr**-1", 1.0),
            ("mas yr-1", 1.0),
            ("mas / yr", 1.0),
            ("arcsec/yr", 1e3),
            ("arcsec.a-1", 1e3),
            ("deg/yr", 3.6e6),
            ("arcsec/century", 10.0),
            ("uas/yr", 1e-3),
        ] {
            assert_eq!(motion_scale(unit), Some(scale), "{unit}");
        }
    }

    #[test]
    fn units_that_are_not_understood_are_refused_with_the_column() {
        let base =
            [("id", ""), ("ra", "deg"), ("dec", "deg"), ("pmra", ""), ("pmdec", ""), ("ref_epoch", "")];
        for (column, unit, word) in [
            (1, "furlong", "column ra is in furlong"),
            (1, "15 h:m:s", "column ra is in 15 h:m:s"),
            (1, "15", "column ra is in 15"),
            (2, "h", "column dec is in h"),
            (3, "km/s", "column pmra is in km/s"),
            (4, "s/yr", "column pmdec is in s/yr"),
            (5, "d", "column ref_epoch is in d"),
        ] {
            let mut columns = base;
            columns[column].1 = unit;
            let error = found(&columns).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let error = found(&[("id", ""), ("ra", ""), ("dec", ""), ("pmra", "")]).unwrap_err();
        assert!(error.contains("column pmra, but no column pmdec"), "{error}");
        let error = row(&[("id", ""), ("ra", "deg"), ("dec", "deg")], &["s", "12:30:00", "1"]).unwrap_err();
        assert!(error.contains("s: ra `12:30:00` is sexagesimal"), "{error}");
    }

    #[test]
    fn ids_keep_their_digits() {
        let text = |cell| id_text(&cell);
        assert_eq!(text(TableCell::Integer(u64::MAX.into())).unwrap(), "18446744073709551615");
        assert_eq!(text(TableCell::Real(12.0)).unwrap(), "12");
        assert_eq!(text(TableCell::Text(" 0012 ".into())).unwrap(), "0012");
        assert!(text(TableCell::Real(39_633_458_707_826_492.0)).unwrap_err().contains("exact id"));
        assert!(text(TableCell::Real(0.5)).is_err());
    }

    #[test]
    fn epochs_are_read_as_they_are_printed() {
        let columns =
            [("id", ""), ("ra", ""), ("dec", ""), ("pmRA", "mas/yr"), ("pmDE", "mas/yr"), ("Epoch", "yr")];
        let (_, row) = row(&columns, &["s", "1", "2", "3", "--", "J2016.0"]).unwrap();
        assert_eq!((row.epoch, row.motion[0], row.motion[1].is_nan()), (2016.0, 3.0, true));
    }
}
