//! Catalogs of sources: identifiers, positions, proper motions, shapes of galaxies.
//!
//! Ten million sources take about 300 MB: the ids stand in one text, the positions in one array.
//! What a row is refused for is remembered with its line.

mod arrow_schema;
mod columns;
mod ecsv;
mod fits;
mod ipac;
mod parquet;
mod shape;
mod sorted;
mod source;
mod text;
mod votable;
mod zstd;

use std::fmt;
use std::path::Path;

use spx_core::elementary::hypot;
use spx_core::progress::Progress;
use spx_core::sky::Position;

pub use columns::CatalogOptions;
pub use shape::CatalogShape;
pub use sorted::{CatalogCircle, NearSources, SortedCatalog};
use source::CatalogFormat;
use source::CatalogSource;

use crate::{BatchError, hash};

/// More rows than this no catalog has.
const MOST_ROWS: usize = 1_000_000_000;

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
    /// The profile of a galaxy; `None` for a point.
    pub shape: Option<CatalogShape>,
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
    /// Likewise.
    shapes: Vec<Option<CatalogShape>>,
    rejected: Vec<RejectedCatalogRow>,
    rejected_count: usize,
    notes: Vec<String>,
}

/// An error of a catalog as a whole.
fn wrong(path: &Path, problem: impl ToString) -> BatchError {
    BatchError::Catalog { path: path.to_owned(), problem: problem.to_string() }
}

impl Catalog {
    /// Reads a catalog: text (CSV, ECSV, tabs, semicolons, blanks; VizieR's;
    /// IPAC tables), VOTable, FITS table
    /// or Parquet, all but Parquet also gzipped. Columns are found by their usual names, in any
    /// case: ids (`targetid`, `source_id`, `id`, `Name`), positions (`ra` and `dec`, `RA_ICRS` and
    /// `DE_ICRS`, `_RAJ2000` and `_DEJ2000`), and if there are any, proper motions (`pmra`,
    /// `pmdec`, cos(dec) included) and `ref_epoch`. Units are taken from the file; where it
    /// declares none, positions are degrees or sexagesimal (right ascension in hours), motions
    /// mas/yr. Where the options ask for shapes, galaxies have theirs from columns of the Sersic
    /// index (`sersic`), the effective radius (`r_eff`, `shape_r`; arcsec), and, if there are any,
    /// axis ratio (`axis_ratio`, `ab_ratio`) and position angle (`pa`, `phi`; deg). Other columns
    /// do not count.
    ///
    /// # Errors
    /// Where the file cannot be read, lacks a column, has two that could be meant or one in an
    /// unknown unit, or has no good row; [`BatchError::Cancelled`] where the user asked to stop.
    pub fn read(path: &Path, options: &CatalogOptions, progress: &dyn Progress) -> Result<Self, BatchError> {
        let source = CatalogSource::open(path, progress)?;
        match source.format {
            CatalogFormat::Text => text::read(path, source, options, progress),
            CatalogFormat::VoTable => votable::read(path, source, options, progress),
            CatalogFormat::Parquet | CatalogFormat::Fits if source.piped => Err(wrong(
                path,
                "it comes through a pipe, which works only for texts and VOTables: save it as a file",
            )),
            CatalogFormat::Parquet if source.gzipped => {
                Err(wrong(path, "it is a gzipped Parquet file: unpack it"))
            }
            CatalogFormat::Parquet => parquet::read(path, options, progress),
            CatalogFormat::Fits => fits::read(path, options, progress),
            CatalogFormat::Other(what) => Err(wrong(path, format!("it is {what}"))),
        }
    }

    /// What the user should know of how the catalog was read, such as that its server cut it off.
    pub fn notes(&self) -> &[String] {
        &self.notes
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
            shape: self.shapes.get(number).copied().flatten(),
        }
    }

    /// Appends sources of another catalog, by their numbers.
    ///
    /// # Panics
    /// Where the other has no such source.
    pub fn append(&mut self, other: &Self, numbers: &[usize]) {
        numbers.iter().for_each(|number| self.push(&other.target(*number)));
    }

    /// Appends a source.
    pub fn push(&mut self, target: &CatalogTarget<'_>) {
        let before = self.len();
        self.ids.push_str(target.id);
        self.ends.push(self.ids.len());
        self.positions.push(target.position);
        push_some(&mut self.motions, before, target.motion);
        push_some(&mut self.shapes, before, target.shape);
    }

    /// The positions in order.
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }

    /// How far the fastest source may be from its catalogued position at a time \[deg\].
    pub fn farthest_motion(&self, julian_epoch: f64) -> f64 {
        let moved = |m: &CatalogMotion| hypot(m.ra_cos_dec, m.dec) * (julian_epoch - m.epoch).abs() / 3.6e6;
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

    /// Sixteen hexadecimal digits that change with any id, position, motion or shape, and with
    /// their order.
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
        for (number, shape) in self.shapes.iter().enumerate() {
            let Some(CatalogShape { index, r_eff, axis_ratio, position_angle }) = shape else { continue };
            digest.add(b"shape");
            digest.add(&(number as u64).to_le_bytes());
            [index, r_eff, axis_ratio, position_angle].iter().for_each(|v| digest.add(&v.to_le_bytes()));
        }
        format!("{:016x}", digest.finish())
    }
}

/// Adds a value to a list that is empty as long as all are `None`; `before` values came before.
fn push_some<T: Clone>(list: &mut Vec<Option<T>>, before: usize, value: Option<T>) {
    if value.is_some() && list.is_empty() {
        list.resize(before, None);
    }
    if value.is_some() || !list.is_empty() {
        list.push(value);
    }
}

/// A row of a catalog as it was found, without its id; numbers that are missing are NaN.
#[derive(Debug, Clone, Copy)]
struct CatalogRow {
    /// Right ascension \[deg\].
    ra: f64,
    /// Declination \[deg\].
    dec: f64,
    /// Motion along right ascension and declination [mas/yr].
    motion: [f64; 2],
    /// Epoch of the position \[yr\].
    epoch: f64,
    /// Sersic index, effective radius \[arcsec\], axis ratio, position angle \[deg\].
    shape: [f64; 4],
}

/// Takes rows one by one.
#[derive(Debug, Default)]
struct CatalogBuilder {
    catalog: Catalog,
    /// Of each source.
    lines: Vec<u64>,
    epoch: Option<f64>,
}

impl CatalogBuilder {
    /// A builder; `epoch` \[yr\] counts where a row has none.
    fn new(epoch: Option<f64>) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// Takes a row of a table, or remembers what is wrong with it.
    fn take(&mut self, line: u64, row: Result<(String, CatalogRow), String>) {
        match row {
            Ok((id, row)) => self.push(line, &id, &row),
            Err(problem) => self.reject(line, problem),
        }
    }

    /// Takes a row, or remembers why not.
    fn push(&mut self, line: u64, id: &str, row: &CatalogRow) {
        match self.check(id, row) {
            Err(problem) => self.reject(line, problem),
            Ok(target) => {
                self.catalog.push(&target);
                self.lines.push(line);
            }
        }
    }

    /// Remembers a row that could not be read.
    fn reject(&mut self, line: u64, problem: String) {
        self.catalog.rejected_count += 1;
        if self.catalog.rejected.len() < REMEMBERED {
            self.catalog.rejected.push(RejectedCatalogRow { line, problem });
        }
    }

    fn check<'r>(&self, id: &'r str, row: &CatalogRow) -> Result<CatalogTarget<'r>, String> {
        if id.is_empty() {
            return Err("it has no id".into());
        }
        if id.chars().any(char::is_control) {
            return Err(format!("the id {id:?} has a line break or another control character"));
        }
        let about = |problem: String| format!("{id}: {problem}");
        if row.ra.is_nan() || row.dec.is_nan() {
            return Err(about(format!("no number for {}", if row.ra.is_nan() { "ra" } else { "dec" })));
        }
        let position = Position::new(row.ra, row.dec).map_err(|e| about(e.to_string()))?;
        let shape = shape::check(row.shape).map_err(about)?;
        let [east, north] = row.motion;
        if east.is_nan() && north.is_nan() || (east, north) == (0.0, 0.0) {
            return Ok(CatalogTarget { id, position, motion: None, shape });
        }
        let epoch = if row.epoch.is_nan() { self.epoch.unwrap_or(f64::NAN) } else { row.epoch };
        let motion = CatalogMotion { ra_cos_dec: east, dec: north, epoch };
        match (east.is_finite() && north.is_finite(), (1000.0..3000.0).contains(&epoch)) {
            (false, _) => Err(about(format!("a proper motion of {east}, {north} mas/yr"))),
            (_, false) => Err(about("it has a proper motion, but no epoch between 1000 and 3000".into())),
            (true, true) => Ok(CatalogTarget { id, position, motion: Some(motion), shape }),
        }
    }

    /// The catalog, without the rows that repeat an id: the first counts.
    ///
    /// # Errors
    /// Where no row is left; `path` is for the message.
    fn finish(mut self, path: &Path, notes: Vec<String>) -> Result<Catalog, BatchError> {
        self.drop_repeats();
        let mut catalog = Catalog { notes, ..self.catalog };
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
            self.reject(line, format!("{id}: line {first} has this id already"));
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
            self.catalog.push(&old.target(number));
            self.lines.push(line);
        }
    }
}

#[cfg(test)]
mod tests;
