//! From the tables of images to light curves, in bounded memory.
//!
//! 1. Every line goes to the file of its [bucket](crate::bucket_of).
//! 2. Each bucket is sorted by (target_id, mjd), rows that agree in both by their text; a bucket
//!    that is larger than its share of the memory is sorted in pieces, which are then merged.
//! 3. The sorted rows become one CSV file a source, or one Parquet file a bucket, or both.
//!
//! All is made in a hidden directory and moved to its place at the end, so that light curves of an
//! earlier run stay as they are until then. The result does not depend on the number of threads, on
//! the order of the tables or, but for the buckets themselves, on their number.

mod buckets;
mod curves;
mod sort;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use spx_core::progress::Progress;

use crate::{BatchError, ImageTableFormat, columnar, file_stem, row, row::BatchRow};
use buckets::Buckets;
use curves::Output;

/// Directory of the light curves as text.
pub const LIGHT_CURVES: &str = "lightcurves";
/// Directory of the Parquet data set.
const DATA_SET: &str = "lightcurves.parquet";
/// Its files, one in each `bucket=N`.
const DATA_FILE: &str = "lightcurves.parquet";
/// Directory of the buckets that are kept.
const KEPT: &str = "buckets";
/// Where all is made.
const STAGING: &str = ".aggregate.part";
/// The most buckets: each has an open file.
const MOST_BUCKETS: usize = 512;

/// How tables are aggregated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateOptions {
    /// Number of buckets, from 1 to 512.
    pub buckets: usize,
    /// Keep the sorted buckets as text, in `buckets/`.
    pub keep_buckets: bool,
    /// What is written.
    pub format: ImageTableFormat,
    /// Memory for the rows that are being sorted, on all threads together \[bytes\], at least 1
    /// MiB.
    pub memory: usize,
    /// How the rows were made, for the metadata of Parquet files (key `spx.settings`).
    pub settings: String,
}

impl Default for AggregateOptions {
    fn default() -> Self {
        Self {
            buckets: 64,
            keep_buckets: false,
            format: ImageTableFormat::Csv,
            memory: 48 << 20,
            settings: String::new(),
        }
    }
}

impl AggregateOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`BatchError::Option`] with the first that is out of its range.
    pub fn validate(&self) -> Result<(), BatchError> {
        let checks = [
            ("num_buckets", self.buckets, (1..=MOST_BUCKETS).contains(&self.buckets), "from 1 to 512"),
            ("memory", self.memory, self.memory >= 1 << 20, "at least 1048576"),
        ];
        match checks.into_iter().find(|(_, _, good, _)| !good) {
            Some((name, value, _, range)) => Err(BatchError::Option { name, value, range }),
            None => Ok(()),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Aggregated {
    /// Rows of all light curves.
    pub rows: u64,
    /// Light curves.
    pub sources: u64,
}

/// What a light curve holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CurveCounts {
    /// Its measurements.
    pub rows: u32,
    /// Those that are good.
    pub good: u32,
}

/// Makes the light curves of the sources in `tables` (files `.csv` or `.parquet` of
/// [`ImageTables`](crate::ImageTables)) below the directory `output`, replacing those of an earlier
/// run. Only one call may be at work in a directory.
///
/// # Errors
/// Where an option is out of range, a table cannot be read, or the disk refuses; the earlier light
/// curves are then as they were. [`BatchError::Cancelled`] where `progress` asks for it.
pub fn aggregate(
    tables: &[PathBuf],
    output: &Path,
    options: &AggregateOptions,
    progress: &dyn Progress,
) -> Result<Aggregated, BatchError> {
    aggregate_counting(tables, output, options, progress, &|_, _| ())
}

/// As [`aggregate`]; `count` hears of each light curve by its id, from several threads.
///
/// # Errors
/// As [`aggregate`].
pub fn aggregate_counting(
    tables: &[PathBuf],
    output: &Path,
    options: &AggregateOptions,
    progress: &dyn Progress,
    count: &(dyn Fn(&str, CurveCounts) + Sync),
) -> Result<Aggregated, BatchError> {
    options.validate()?;
    let staging = Staging::new(output)?;
    let threads = rayon::current_num_threads();
    let buckets = Buckets::create(&staging.0.join("unsorted"), options, threads)?;
    buckets.fill(tables, threads, progress)?;
    let (rows, sources) = (AtomicU64::new(0), AtomicU64::new(0));
    progress.start("light curves", options.buckets as u64);
    let sorted = buckets.files.into_par_iter().enumerate().try_for_each(|(number, bucket)| {
        if progress.cancelled() {
            return Err(BatchError::Cancelled);
        }
        let mut out = Output::create(&staging.0, number, options, count)?;
        sort::sorted(&bucket.path, options.memory / threads, |id, line| out.push(id, line))?;
        fs::remove_file(&bucket.path).map_err(BatchError::io(&bucket.path))?;
        let made = out.finish()?;
        rows.fetch_add(made.rows, Ordering::Relaxed);
        sources.fetch_add(made.sources, Ordering::Relaxed);
        progress.advance(1);
        Ok(())
    });
    progress.finish();
    sorted?;
    for name in [LIGHT_CURVES, DATA_SET, KEPT] {
        let target = output.join(name);
        publish(&staging.0.join(name), &target).map_err(BatchError::io(&target))?;
    }
    Ok(Aggregated { rows: rows.into_inner(), sources: sources.into_inner() })
}

/// True where a directory has light curves in every form that the options ask for.
pub fn has_light_curves(output: &Path, options: &AggregateOptions) -> bool {
    let there = |wanted: bool, name: &str| !wanted || output.join(name).is_dir();
    there(options.format.csv(), LIGHT_CURVES)
        && there(options.format.parquet(), DATA_SET)
        && there(options.keep_buckets, KEPT)
}

/// The light curve of one source below a directory, by time; empty where it has none. Of a Parquet
/// data set the one bucket is opened that the source belongs to.
///
/// # Errors
/// Where a file cannot be read, or there are no light curves at all.
pub fn light_curve(output: &Path, target_id: &str) -> Result<Vec<BatchRow<'static>>, BatchError> {
    let mut rows = Vec::new();
    let curves = output.join(LIGHT_CURVES);
    let data_set = output.join(DATA_SET);
    if curves.is_dir() {
        let path = curves.join(format!("{}.csv", file_stem(target_id)));
        return if path.exists() { read_curve(&path) } else { Ok(rows) };
    }
    let buckets = fs::read_dir(&data_set).map_err(BatchError::io(&data_set))?.count();
    let path = data_file(&data_set, crate::bucket_of(target_id, buckets.max(1)));
    columnar::read(&path, Some(target_id), |row| {
        rows.push(row.into_owned());
        Ok(())
    })?;
    Ok(rows)
}

/// Gives the light curves below a directory, each by time, one after the other: those of a Parquet
/// data set by bucket and id, otherwise those of text by the names of their files. One is in memory
/// at a time.
///
/// # Errors
/// Where a file cannot be read, or there are no light curves at all; what `give` returns.
pub fn each_light_curve<E: From<BatchError>>(
    output: &Path,
    mut give: impl FnMut(Vec<BatchRow<'static>>) -> Result<(), E>,
) -> Result<(), E> {
    let data_set = output.join(DATA_SET);
    if !data_set.is_dir() {
        let curves = output.join(LIGHT_CURVES);
        let entries = fs::read_dir(&curves).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(BatchError::io(&curves))?;
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if is_ours(&path).map_err(BatchError::io(&path))? {
                give(read_curve(&path)?)?;
            }
        }
        return Ok(());
    }
    let buckets = fs::read_dir(&data_set).map_err(BatchError::io(&data_set))?.count();
    for bucket in 0..buckets {
        let mut curve: Vec<BatchRow<'static>> = Vec::new();
        let mut failed = None;
        columnar::read(&data_file(&data_set, bucket), None, |row| {
            if failed.is_none() && curve.first().is_some_and(|first| first.target_id != row.target_id) {
                failed = give(std::mem::take(&mut curve)).err();
            }
            curve.push(row.into_owned());
            Ok(())
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if !curve.is_empty() {
            give(curve)?;
        }
    }
    Ok(())
}

/// Reads a light curve from text.
fn read_curve(path: &Path) -> Result<Vec<BatchRow<'static>>, BatchError> {
    let text = fs::read_to_string(path).map_err(BatchError::io(path))?;
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let wrong = |problem| BatchError::table(path)(format!("line {}: {problem}", number + 1));
        rows.push(BatchRow::parse_line(line).map_err(wrong)?.into_owned());
    }
    Ok(rows)
}

/// The file of a bucket in a data set.
fn data_file(data_set: &Path, bucket: usize) -> PathBuf {
    data_set.join(format!("bucket={bucket}")).join(DATA_FILE)
}

/// The hidden directory; it goes with all that is in it.
struct Staging(PathBuf);

impl Staging {
    fn new(output: &Path) -> Result<Self, BatchError> {
        let path = output.join(STAGING);
        // What a run that was killed left.
        if path.exists() {
            fs::remove_dir_all(&path).map_err(BatchError::io(&path))?;
        }
        fs::create_dir_all(&path).map_err(BatchError::io(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Moves the files of a staged directory, which need not be there, to their place, and removes
/// those of an earlier run that have no successor. Files that are not ours stay.
fn publish(staged: &Path, target: &Path) -> io::Result<()> {
    if target.is_dir() {
        for entry in fs::read_dir(target)? {
            let path = entry?.path();
            let successor = staged.join(path.file_name().unwrap_or_default());
            if is_bucket(&path) && !successor.exists() {
                publish(&successor, &path)?;
            } else if !successor.exists() && is_ours(&path)? {
                fs::remove_file(&path)?;
            }
        }
    }
    if staged.is_dir() {
        fs::create_dir_all(target)?;
        for entry in fs::read_dir(staged)? {
            let path = entry?.path();
            let place = target.join(path.file_name().unwrap_or_default());
            if path.is_dir() { publish(&path, &place)? } else { fs::rename(&path, &place)? }
        }
    }
    // It goes only where nothing is in it.
    fs::remove_dir(target).ok();
    Ok(())
}

fn is_bucket(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("bucket="))
        && path.is_dir()
}

/// True for a file that an earlier run has made.
fn is_ours(path: &Path) -> io::Result<bool> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => Ok(path.file_name().is_some_and(|name| name == DATA_FILE) && path.is_file()),
        Some("csv") if path.is_file() => {
            let mut start = vec![0; row::header().len()];
            let read = io::Read::read(&mut fs::File::open(path)?, &mut start)?;
            Ok(start[..read] == *row::header().as_bytes())
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests;
