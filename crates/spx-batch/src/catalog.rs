//! Catalogs of sources: identifiers, positions, proper motions.
//!
//! Ten million sources take about 300 MB: the ids stand in one text, the positions in one array. What a row is refused
//! for is remembered with its line.

mod ecsv;
mod parquet;
mod text;

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use spx_core::sky::Position;

use crate::{BatchError, hash};

/// How many refused rows are remembered in full.
const REMEMBERED: usize = 1000;

/// A motion along the sky, and the epoch of the position that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogMotion {
    /// Along right ascension, cos(dec) included [mas/yr].
    pub ra_cos_dec: f64,
    /// Along declination [mas/yr].
    pub dec: f64,
    /// Julian epoch of the position \[yr\].
    pub epoch: f64,
}

/// A source of a catalog.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogTarget<'a> {
    /// Its id, as it stands in the catalog.
    pub id: &'a str,
    /// Its position at the epoch of the catalog.
    pub position: Position,
    /// Its motion, where the catalog has one.
    pub motion: Option<CatalogMotion>,
}

/// A row that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedCatalogRow {
    /// Line of a text, or row of a table, from 1.
    pub line: u64,
    /// Why.
    pub problem: String,
}

impl fmt::Display for RejectedCatalogRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// Sources, in the order of their file.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    ids: String,
    /// Where each id ends.
    ends: Vec<usize>,
    positions: Vec<Position>,
    /// One for each position, or none at all.
    motions: Vec<Option<CatalogMotion>>,
    rejected: Vec<RejectedCatalogRow>,
    rejected_count: usize,
}

/// What kind of file a catalog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogFormat {
    /// Values between commas, names in the first line.
    Csv,
    /// Astropy's enhanced CSV (APE 6).
    Ecsv,
    /// IVOA VOTable, in XML.
    VoTable,
    /// Apache Parquet.
    Parquet,
}

impl CatalogFormat {
    /// Tells by the first bytes.
    ///
    /// # Errors
    /// Where the file cannot be read, or is empty.
    pub fn of(path: &Path) -> Result<Self, BatchError> {
        let mut start = Vec::new();
        let file = File::open(path).map_err(BatchError::io(path))?;
        file.take(512).read_to_end(&mut start).map_err(BatchError::io(path))?;
        let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&start).trim_ascii_start();
        if text.is_empty() {
            return Err(wrong(path, "it is empty"));
        }
        Ok(match text {
            text if text.starts_with(b"PAR1") => Self::Parquet,
            text if text.starts_with(b"# %ECSV") => Self::Ecsv,
            text if text.starts_with(b"<") => Self::VoTable,
            _ => Self::Csv,
        })
    }
}

/// An error of a catalog as a whole.
fn wrong(path: &Path, problem: impl ToString) -> BatchError {
    BatchError::Catalog { path: path.to_owned(), problem: problem.to_string() }
}

impl Catalog {
    /// Reads CSV, ECSV or Parquet. Columns are known by their names in any letter case: `targetid` or `target_id`,
    /// `ra`, `dec` \[deg\], and if there are any, `pmra`, `pmdec` \[mas/yr\] and `ref_epoch` \[yr\]; `epoch` stands for
    /// a `ref_epoch` that is not there. Other columns do not count.
    ///
    /// VOTables are not read here: a caller who has a reader fills a [`CatalogBuilder`].
    ///
    /// # Errors
    /// Where the file cannot be read, is a VOTable, lacks a column, has one in another unit, or has no good row.
    pub fn read(path: &Path, epoch: Option<f64>) -> Result<Self, BatchError> {
        match CatalogFormat::of(path)? {
            CatalogFormat::Csv => text::read(path, b',', 0, epoch),
            CatalogFormat::Ecsv => ecsv::read(path, epoch),
            CatalogFormat::Parquet => parquet::read(path, epoch),
            CatalogFormat::VoTable => Err(wrong(path, "VOTables are not read here")),
        }
    }

    /// The number of sources.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// A source by its number from 0.
    ///
    /// # Panics
    /// Where there are not so many.
    pub fn target(&self, number: usize) -> CatalogTarget<'_> {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        CatalogTarget {
            id: &self.ids[start..self.ends[number]],
            position: self.positions[number],
            motion: self.motions.get(number).copied().flatten(),
        }
    }

    /// The positions in order.
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }

    /// How far the fastest source may be from its catalogued position at a time \[deg\].
    pub fn farthest_motion(&self, julian_epoch: f64) -> f64 {
        let moved = |m: &CatalogMotion| m.ra_cos_dec.hypot(m.dec) * (julian_epoch - m.epoch).abs() / 3.6e6;
        self.motions.iter().flatten().map(moved).fold(0.0, f64::max)
    }

    /// The first rows that are not used, by line.
    pub fn rejected(&self) -> &[RejectedCatalogRow] {
        &self.rejected
    }

    /// How many rows are not used.
    pub fn rejected_count(&self) -> usize {
        self.rejected_count
    }

    /// Sixteen hexadecimal digits that change with any id, position or motion, and with their order.
    pub fn digest(&self) -> String {
        let mut digest = hash::Fnv::default();
        digest.add(self.ids.as_bytes());
        self.ends.iter().for_each(|end| digest.add(&(*end as u64).to_le_bytes()));
        for position in &self.positions {
            digest.add(&position.ra().to_le_bytes());
            digest.add(&position.dec().to_le_bytes());
        }
        for (number, motion) in self.motions.iter().enumerate() {
            let Some(motion) = motion else { continue };
            digest.add(&(number as u64).to_le_bytes());
            [motion.ra_cos_dec, motion.dec, motion.epoch].iter().for_each(|v| digest.add(&v.to_le_bytes()));
        }
        format!("{:016x}", digest.finish())
    }
}

/// A row of a catalog as it was found; numbers that are missing are NaN.
#[derive(Debug, Clone, Copy)]
pub struct CatalogRow<'a> {
    /// The source's id.
    pub id: &'a str,
    /// Right ascension \[deg\].
    pub ra: f64,
    /// Declination \[deg\].
    pub dec: f64,
    /// Motion along right ascension and declination [mas/yr].
    pub motion: [f64; 2],
    /// Epoch of the position \[yr\].
    pub epoch: f64,
}

/// Which of a file's columns hold what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogColumns {
    /// The id.
    pub id: usize,
    /// Right ascension and declination.
    pub position: [usize; 2],
    /// Proper motions.
    pub motion: Option<[usize; 2]>,
    /// The epoch.
    pub epoch: Option<usize>,
}

impl CatalogColumns {
    /// Finds columns by their names; `has_epoch` where an epoch is known for all.
    ///
    /// # Errors
    /// The column that is missing.
    pub fn find<'a>(names: impl Iterator<Item = &'a str>, has_epoch: bool) -> Result<Self, String> {
        let names: Vec<String> = names.map(|name| name.trim().to_ascii_lowercase()).collect();
        let find = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
        let need = |wanted: &[&str]| {
            find(wanted)
                .ok_or_else(|| format!("it has no column {}; it has: {}", wanted[0], names.join(", ")))
        };
        let columns = Self {
            id: need(&["targetid", "target_id"])?,
            position: [need(&["ra"])?, need(&["dec"])?],
            motion: find(&["pmra"]).zip(find(&["pmdec"])).map(|(ra, dec)| [ra, dec]),
            epoch: find(&["ref_epoch"]),
        };
        if columns.motion.is_some() && columns.epoch.is_none() && !has_epoch {
            return Err(
                "it has proper motions, but no column ref_epoch, and no epoch is given for all".into()
            );
        }
        Ok(columns)
    }
}

/// Refuses units other than degrees, as a file declares them.
///
/// # Errors
/// Says which column has which unit.
pub fn check_unit(name: &str, unit: &str) -> Result<(), String> {
    match unit.trim() {
        "" | "deg" | "degree" | "degrees" => Ok(()),
        other => Err(format!("column {name} is in {other}, and not in degrees")),
    }
}

/// Takes rows one by one.
#[derive(Debug, Default)]
pub struct CatalogBuilder {
    catalog: Catalog,
    /// Of each source.
    lines: Vec<u64>,
    epoch: Option<f64>,
}

impl CatalogBuilder {
    /// A builder; `epoch` \[yr\] counts where a row has none.
    pub fn new(epoch: Option<f64>) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// Takes a row, or remembers why not.
    pub fn push(&mut self, line: u64, row: CatalogRow<'_>) {
        match self.check(&row) {
            Err(problem) => self.reject(line, problem),
            Ok((position, motion)) => {
                let catalog = &mut self.catalog;
                catalog.ids.push_str(row.id);
                catalog.ends.push(catalog.ids.len());
                if motion.is_some() && catalog.motions.is_empty() {
                    catalog.motions.resize(catalog.positions.len(), None);
                }
                catalog.positions.push(position);
                if motion.is_some() || !catalog.motions.is_empty() {
                    catalog.motions.push(motion);
                }
                self.lines.push(line);
            }
        }
    }

    /// Remembers a row that could not be read.
    pub fn reject(&mut self, line: u64, problem: String) {
        self.catalog.rejected_count += 1;
        if self.catalog.rejected.len() < REMEMBERED {
            self.catalog.rejected.push(RejectedCatalogRow { line, problem });
        }
    }

    fn check(&self, row: &CatalogRow<'_>) -> Result<(Position, Option<CatalogMotion>), String> {
        if row.id.is_empty() {
            return Err("it has no targetid".into());
        }
        if row.id.chars().any(char::is_control) {
            return Err(format!("the targetid {:?} has a line break or another control character", row.id));
        }
        let about = |problem: String| format!("{}: {problem}", row.id);
        if row.ra.is_nan() || row.dec.is_nan() {
            return Err(about(format!("no number for {}", if row.ra.is_nan() { "ra" } else { "dec" })));
        }
        let position = Position::new(row.ra, row.dec).map_err(|e| about(e.to_string()))?;
        let [east, north] = row.motion;
        if east.is_nan() && north.is_nan() || (east, north) == (0.0, 0.0) {
            return Ok((position, None));
        }
        let epoch = if row.epoch.is_nan() { self.epoch.unwrap_or(f64::NAN) } else { row.epoch };
        let motion = CatalogMotion { ra_cos_dec: east, dec: north, epoch };
        match (east.is_finite() && north.is_finite(), (1000.0..3000.0).contains(&epoch)) {
            (false, _) => Err(about(format!("a proper motion of {east}, {north} mas/yr"))),
            (_, false) => Err(about("it has a proper motion, but no epoch between 1000 and 3000".into())),
            (true, true) => Ok((position, Some(motion))),
        }
    }

    /// The catalog, without the rows that repeat an id: the first counts.
    ///
    /// # Errors
    /// Where no row is left; `path` is for the message.
    pub fn finish(mut self, path: &Path) -> Result<Catalog, BatchError> {
        self.drop_repeats();
        let mut catalog = self.catalog;
        catalog.rejected.sort_by_key(|rejected| rejected.line);
        if catalog.is_empty() {
            let why = catalog.rejected.first().map_or("it has no rows".to_owned(), |first| {
                format!("none of its {} rows can be used; {first}", catalog.rejected_count)
            });
            return Err(wrong(path, why));
        }
        Ok(catalog)
    }

    fn drop_repeats(&mut self) {
        let mut hashed: Vec<(u64, u32)> = (0u32..)
            .zip(&self.lines)
            .map(|(number, _)| (hash::fnv1a(self.catalog.target(number as usize).id.as_bytes()), number))
            .collect();
        hashed.sort_unstable();
        let mut repeats: Vec<(u32, u32)> = Vec::new();
        for group in hashed.chunk_by(|a, b| a.0 == b.0) {
            for (k, (_, number)) in group.iter().enumerate() {
                let id = self.catalog.target(*number as usize).id;
                let same = |(_, other): &&(u64, u32)| self.catalog.target(*other as usize).id == id;
                if let Some((_, first)) = group[..k].iter().find(same) {
                    repeats.push((*number, *first));
                }
            }
        }
        if repeats.is_empty() {
            return;
        }
        repeats.sort_unstable();
        for (number, first) in &repeats {
            let (line, first) = (self.lines[*number as usize], self.lines[*first as usize]);
            let id = self.catalog.target(*number as usize).id.to_owned();
            self.reject(line, format!("{id}: line {first} has this targetid already"));
        }
        let old = std::mem::take(&mut self.catalog);
        let lines = std::mem::take(&mut self.lines);
        self.catalog.rejected = old.rejected.clone();
        self.catalog.rejected_count = old.rejected_count;
        let mut repeats = repeats.into_iter().map(|(number, _)| number as usize).peekable();
        for (number, line) in lines.into_iter().enumerate() {
            if repeats.next_if_eq(&number).is_some() {
                continue;
            }
            let target = old.target(number);
            let motion = target.motion.map_or([f64::NAN; 3], |m| [m.ra_cos_dec, m.dec, m.epoch]);
            let (ra, dec) = (target.position.ra(), target.position.dec());
            let [east, north, epoch] = motion;
            self.push(line, CatalogRow { id: target.id, ra, dec, motion: [east, north], epoch });
        }
    }
}

#[cfg(test)]
mod tests;
