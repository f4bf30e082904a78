//! Rows of a part on their way to its files. Those of each exposure wait in a temporary file, in
//! the order of the store, and are merged when the part is written, so that memory does not grow
//! with their number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use rayon::prelude::*;
use spx_core::sky::Position;

use super::{LightCurveStore, STORED_NUMBERS, StoredIds, StoredMeasurement, fine_cell};
use crate::BatchError;

/// Bytes of a waiting row: source, numbers, flags, whether it is good.
const BYTES: usize = 4 + 4 * STORED_NUMBERS.len() + 4 + 1;

/// The sources with these ids and positions in the order of a store, by cell of order 29, then by
/// id: cells and numbers.
pub(crate) fn store_order(ids: &StoredIds, positions: &[Position]) -> Vec<(u64, u32)> {
    let numbered = positions.par_iter().enumerate();
    let mut sorted: Vec<(u64, u32)> = numbered
        .map(|(number, position)| (fine_cell(*position), u32::try_from(number).unwrap_or(u32::MAX)))
        .collect();
    sorted.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| ids.compare(a.1, b.1)));
    sorted
}

/// The rows of an exposure, in a temporary file that has no name and goes with them.
#[derive(Debug)]
pub struct WaitingRows {
    file: BufWriter<File>,
    rows: usize,
}

impl WaitingRows {
    /// No rows yet, beside the files of the store.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn new(store: &LightCurveStore) -> Result<Self, BatchError> {
        let root = &store.root;
        let file = fs::create_dir_all(root).and_then(|()| tempfile::tempfile_in(root));
        Ok(Self { file: BufWriter::with_capacity(1 << 16, file.map_err(BatchError::io(root))?), rows: 0 })
    }

    /// Adds the measurement of a source, of which cell, exposure and time do not count. Sources
    /// come in the order of their numbers.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn push(&mut self, row: &StoredMeasurement) -> io::Result<()> {
        let mut bytes = [0; BYTES];
        let (words, good) = bytes.as_chunks_mut::<4>();
        words[0] = row.target.to_le_bytes();
        words[1] = row.flag.to_le_bytes();
        for (word, number) in words[2..].iter_mut().zip(row.numbers) {
            *word = number.to_le_bytes();
        }
        good[0] = row.is_good.into();
        self.rows += 1;
        self.file.write_all(&bytes)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

/// An exposure with its rows.
#[derive(Debug)]
pub struct WaitingExposure {
    /// Observation and band.
    pub name: (String, String),
    /// Middle of the exposure \[MJD, UTC\].
    pub mjd: f64,
    /// Its measurements.
    pub rows: WaitingRows,
}

/// Rows that are read again, one after another.
struct RowsInOrder {
    file: BufReader<File>,
    left: usize,
    mjd: f64,
}

impl RowsInOrder {
    fn new(exposure: WaitingExposure) -> io::Result<Self> {
        let WaitingRows { file, rows } = exposure.rows;
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Self { file: BufReader::with_capacity(1 << 16, file), left: rows, mjd: exposure.mjd })
    }

    /// The next row, of cell 0 and exposure 0.
    fn next(&mut self) -> io::Result<Option<StoredMeasurement>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut bytes = [0; BYTES];
        self.file.read_exact(&mut bytes)?;
        let (words, good) = bytes.as_chunks::<4>();
        Ok(Some(StoredMeasurement {
            cell: 0,
            target: u32::from_le_bytes(words[0]),
            exposure: 0,
            mjd: self.mjd,
            numbers: std::array::from_fn(|k| f32::from_le_bytes(words[2 + k])),
            flag: u32::from_le_bytes(words[1]),
            is_good: good[0] != 0,
        }))
    }
}

/// The rows of all exposures of a part by cell, id, time and exposure.
pub(super) struct MergedExposures<'a> {
    files: Vec<RowsInOrder>,
    /// The next row of each exposure that has one.
    heads: Vec<Option<StoredMeasurement>>,
    /// Their sources, with the exposures' numbers.
    next: BinaryHeap<Reverse<(u32, u32)>>,
    positions: &'a [Position],
    /// Source and cell of the last row.
    last: Option<(u32, u64)>,
}

impl<'a> MergedExposures<'a> {
    /// With the names of the exposures by their numbers.
    pub(super) fn new(
        mut exposures: Vec<WaitingExposure>,
        positions: &'a [Position],
    ) -> io::Result<(Self, Vec<(String, String)>)> {
        exposures.sort_by(|a, b| a.mjd.total_cmp(&b.mjd).then_with(|| a.name.cmp(&b.name)));
        let names: Vec<_> = exposures.iter().map(|exposure| exposure.name.clone()).collect();
        let files = exposures.into_iter().map(RowsInOrder::new).collect::<io::Result<Vec<_>>>()?;
        let heads = vec![None; files.len()];
        let mut merged = Self { files, heads, next: BinaryHeap::new(), positions, last: None };
        (0..names.len()).try_for_each(|number| merged.read(number))?;
        Ok((merged, names))
    }

    /// Reads the next row of an exposure.
    fn read(&mut self, exposure: usize) -> io::Result<()> {
        let row = self.files[exposure].next()?;
        if let Some(row) = row {
            let number = u32::try_from(exposure).unwrap_or(u32::MAX);
            self.next.push(Reverse((row.target, number)));
        }
        self.heads[exposure] = row;
        Ok(())
    }

    fn cell(&mut self, target: u32) -> u64 {
        match self.last {
            Some((last, cell)) if last == target => cell,
            _ => {
                let cell = fine_cell(self.positions[target as usize]);
                self.last = Some((target, cell));
                cell
            }
        }
    }
}

impl Iterator for MergedExposures<'_> {
    type Item = io::Result<StoredMeasurement>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, exposure)) = self.next.pop()?;
        let row = self.heads[exposure as usize]?;
        if let Err(error) = self.read(exposure as usize) {
            return Some(Err(error));
        }
        Some(Ok(StoredMeasurement { cell: self.cell(row.target), exposure, ..row }))
    }
}
