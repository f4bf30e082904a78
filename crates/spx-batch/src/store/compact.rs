//! Compacting a store: the files of a cell become one.
//!
//! The footer of a compacted file tells of which part each exposure is. A file of a part stands for
//! all of its measurements, whatever a compacted file holds of it, so that a run that is killed
//! between writing the one and removing the others changes nothing for who reads the store through
//! [`LightCurveStore`], and a part that is measured again replaces its rows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use parquet::file::reader::FileReader as _;
use spx_core::atomic;
use spx_core::sky::Position;

use super::read::{RowIds, StoredRows, open};
use super::{LightCurveStore, StoredIds, StoredMeasurement, write_file};
use crate::BatchError;

/// The key of the footer: lines of part, observation and band.
pub(super) const PARTS: &str = "spx.parts";
/// The file that the others become.
const COMPACTED: &str = "compacted.parquet";

/// Observation and band.
type ExposureName = (String, String);

/// What compacting a store came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactedStore {
    /// Cells with measurements.
    pub cells: usize,
    /// Those of them whose files became one.
    pub rewritten: usize,
    /// Files that are gone.
    pub files: usize,
    /// Rows of the cells that were rewritten.
    pub rows: u64,
}

impl LightCurveStore {
    /// Makes the files of each cell one. Cells that have one already are not touched; of parts that
    /// have the same exposure, which are about to be measured again, the files stay. It takes
    /// memory for the rows of a cell. Between cells `cancelled` is asked whether to stop.
    ///
    /// # Errors
    /// Where a file cannot be read, what the disk reports, and [`BatchError::Cancelled`]. In any
    /// case every measurement is there.
    pub fn compact(&self, cancelled: &dyn Fn() -> bool) -> Result<CompactedStore, BatchError> {
        let mut done = CompactedStore::default();
        // Two at a time would write the list of parts over each other's.
        let _alone = Self::lock_file(&self.root.join(".compact"))?;
        for cell in self.cells()? {
            if cancelled() {
                return Err(BatchError::Cancelled);
            }
            let _lock = self.lock(cell)?;
            let files = self.files_to_compact(cell)?;
            done.cells += usize::from(!self.parts(cell)?.is_empty());
            let Some(parts) = files else { continue };
            self.note_compacted(&parts)?;
            let rows = self.compact_cell(cell, &parts)?;
            done.rewritten += 1;
            done.files += parts.len();
            done.rows += rows;
        }
        Ok(done)
    }

    /// The files of a cell, each with the exposures that stand in another file instead.
    pub(super) fn current_files(
        &self,
        cell: u64,
    ) -> Result<Vec<(PathBuf, HashSet<ExposureName>)>, BatchError> {
        let files = self.parts(cell)?.into_iter().map(|path| {
            let mut replaced = HashSet::new();
            if path.ends_with(COMPACTED) {
                let has_file = |part: &str| path.with_file_name(format!("{part}.parquet")).exists();
                let exposures = self.exposures(cell)?.into_iter();
                replaced.extend(exposures.filter(|(_, part)| has_file(part)).map(|(exposure, _)| exposure));
            }
            Ok((path, replaced))
        });
        files.collect()
    }

    /// The files of parts that become one with the compacted file; `None` where nothing is to be
    /// done.
    fn files_to_compact(&self, cell: u64) -> Result<Option<Vec<PathBuf>>, BatchError> {
        let mut parts = self.parts(cell)?;
        let before = parts.len();
        parts.retain(|path| !path.ends_with(COMPACTED));
        if parts.is_empty() || before == 1 {
            return Ok(None);
        }
        let compacted = self.exposures(cell)?;
        let mut seen: HashMap<ExposureName, PathBuf> = HashMap::new();
        let mut alone = HashSet::new();
        for path in &parts {
            let name = part_name(path);
            for exposure in exposures_of(path)? {
                if compacted.get(&exposure).is_some_and(|part| *part != name) {
                    alone.insert(path.clone());
                }
                if let Some(other) = seen.insert(exposure, path.clone()) {
                    alone.extend([other, path.clone()]);
                }
            }
        }
        parts.retain(|path| !alone.contains(path));
        let enough = parts.len() > usize::from(compacted.is_empty());
        Ok(Some(parts).filter(|_| enough))
    }

    /// The exposures of a cell's compacted file, and the part of each.
    fn exposures(&self, cell: u64) -> Result<BTreeMap<ExposureName, String>, BatchError> {
        let path = self.folder(cell).join(COMPACTED);
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        let reader = open(&path)?;
        let pairs = reader.metadata().file_metadata().key_value_metadata().into_iter().flatten();
        let text = pairs.filter(|pair| pair.key == PARTS).find_map(|pair| pair.value.clone());
        let line = |line: &str| {
            let mut fields = line.split('\t').map(str::to_owned);
            let (part, observation, band) = (fields.next()?, fields.next()?, fields.next()?);
            Some(((observation, band), part))
        };
        let lines = text.as_deref().unwrap_or_default().lines().map(line);
        lines.collect::<Option<_>>().ok_or_else(|| BatchError::table(&path)("its list of parts is damaged"))
    }

    /// Writes the compacted file of a cell from these files and the one that is there, then removes
    /// them. Gives its rows.
    fn compact_cell(&self, cell: u64, parts: &[PathBuf]) -> Result<u64, BatchError> {
        let mut merged = MergedRows { exposures: self.exposures(cell)?, ..MergedRows::default() };
        let names: HashSet<String> = parts.iter().map(|path| part_name(path)).collect();
        let target = self.folder(cell).join(COMPACTED);
        merged.exposures.retain(|_, part| !names.contains(part));
        if target.exists() {
            let kept = merged.exposures.clone();
            merged.add(&target, &|exposure| kept.contains_key(exposure))?;
        }
        for path in parts {
            merged.exposures.extend(exposures_of(path)?.into_iter().map(|e| (e, part_name(path))));
            merged.add(path, &|_| true)?;
        }
        let rows = merged.rows.len() as u64;
        merged.write(&target)?;
        for path in parts {
            fs::remove_file(path).map_err(BatchError::io(path))?;
        }
        Ok(rows)
    }

    /// Removes the rows of a part from the compacted file of a cell.
    pub(super) fn drop_from_compacted(&self, cell: u64, part: &str) -> Result<(), BatchError> {
        let mut exposures = self.exposures(cell)?;
        let before = exposures.len();
        exposures.retain(|_, other| other != part);
        if exposures.len() == before {
            return Ok(());
        }
        let path = self.folder(cell).join(COMPACTED);
        if exposures.is_empty() {
            return fs::remove_file(&path).map_err(BatchError::io(&path));
        }
        let mut merged = MergedRows { exposures: exposures.clone(), ..MergedRows::default() };
        merged.add(&path, &|exposure| exposures.contains_key(exposure))?;
        merged.write(&path)
    }

    fn compacted_list(&self) -> PathBuf {
        self.root.join("compacted.list")
    }

    /// The parts that compacted files may have rows of.
    pub(super) fn compacted_parts(&self) -> Result<BTreeSet<String>, BatchError> {
        let path = self.compacted_list();
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            text => Ok(text.map_err(BatchError::io(&path))?.lines().map(str::to_owned).collect()),
        }
    }

    /// Notes these parts before a compacted file has rows of them.
    fn note_compacted(&self, parts: &[PathBuf]) -> Result<(), BatchError> {
        let mut known = self.compacted_parts()?;
        let before = known.len();
        known.extend(parts.iter().map(|path| part_name(path)));
        if known.len() == before {
            return Ok(());
        }
        let (path, text) =
            (self.compacted_list(), known.into_iter().map(|part| part + "\n").collect::<String>());
        atomic::write(&path, text.as_bytes(), true).map_err(BatchError::io(&path))
    }
}

/// The part of a file.
fn part_name(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The exposures of a file.
fn exposures_of(path: &Path) -> Result<BTreeSet<ExposureName>, BatchError> {
    let reader = open(path)?;
    let mut found = BTreeSet::new();
    for number in 0..reader.num_row_groups() {
        let rows = StoredRows::read(&reader, number).map_err(BatchError::table(path))?;
        for row in 0..rows.len() {
            let (observation, band) = rows.exposure(row).map_err(BatchError::table(path))?;
            if !found.contains(&(observation.to_owned(), band.to_owned())) {
                found.insert((observation.to_owned(), band.to_owned()));
            }
        }
    }
    Ok(found)
}

/// Rows of several files, with the sources and exposures that they name.
#[derive(Default)]
struct MergedRows {
    rows: Vec<StoredMeasurement>,
    /// Of the file to be written, and the part of each.
    exposures: BTreeMap<ExposureName, String>,
    names: Vec<ExposureName>,
    numbers: HashMap<ExposureName, u32>,
    ids: Vec<MergedId>,
    positions: Vec<Position>,
    targets: HashMap<(MergedId, [u64; 2]), u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum MergedId {
    Number(i64),
    Text(String),
}

impl MergedRows {
    /// Adds the rows of a file of which the exposure is wanted.
    fn add(&mut self, path: &Path, wanted: &dyn Fn(&ExposureName) -> bool) -> Result<(), BatchError> {
        let reader = open(path)?;
        for number in 0..reader.num_row_groups() {
            let rows = StoredRows::read(&reader, number);
            rows.and_then(|rows| self.add_rows(&rows, wanted)).map_err(BatchError::table(path))?;
        }
        Ok(())
    }

    fn add_rows(
        &mut self,
        rows: &StoredRows,
        wanted: &dyn Fn(&ExposureName) -> bool,
    ) -> Result<(), ParquetError> {
        for row in 0..rows.len() {
            let (observation, band) = rows.exposure(row)?;
            let exposure = (observation.to_owned(), band.to_owned());
            if !wanted(&exposure) {
                continue;
            }
            let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
            let number = *self.numbers.entry(exposure).or_insert_with_key(|exposure| {
                self.names.push(exposure.clone());
                next
            });
            let target = self.target(rows, row)?;
            self.rows.push(StoredMeasurement { target, exposure: number, ..rows.measurement(row) });
        }
        Ok(())
    }

    /// The number of the source of a row.
    fn target(&mut self, rows: &StoredRows, row: usize) -> Result<u32, ParquetError> {
        let id = match &rows.ids {
            RowIds::Numbers(ids) => MergedId::Number(ids[row]),
            RowIds::Texts(ids) => MergedId::Text(ids[row].as_utf8()?.to_owned()),
        };
        let [ra, dec] = [0, 1].map(|k| rows.places[k][row]);
        let key = (id, [ra.to_bits(), dec.to_bits()]);
        if let Some(target) = self.targets.get(&key) {
            return Ok(*target);
        }
        let target = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        let position = Position::new(ra, dec).map_err(|error| ParquetError::General(error.to_string()))?;
        self.ids.push(key.0.clone());
        self.positions.push(position);
        self.targets.insert(key, target);
        Ok(target)
    }

    /// Writes them, sorted as those of a part are.
    fn write(mut self, path: &Path) -> Result<(), BatchError> {
        let numbers = self.ids.iter().map(|id| match id {
            MergedId::Number(number) => Some(*number),
            MergedId::Text(_) => None,
        });
        let ids = match numbers.collect() {
            Some(numbers) => StoredIds::Numbers(numbers),
            None => StoredIds::Texts(self.ids.iter().map(MergedId::text).collect()),
        };
        super::sort(&mut self.rows, &ids, &self.names);
        let line = |((observation, band), part): (&ExposureName, &String)| {
            format!("{part}\t{observation}\t{band}\n")
        };
        let parts: String = self.exposures.iter().map(line).collect();
        let mut rows = self.rows.into_iter().map(Ok);
        write_file(path, &mut rows, (&ids, &self.positions), (&self.names, Some(&parts))).map(|_| ())
    }
}

impl MergedId {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}
