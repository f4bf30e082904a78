//! The first pass: every line to the file of its bucket.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use spx_core::progress::Progress;

use super::AggregateOptions;
use crate::row::{self, fields};
use crate::{BatchError, bucket_of, columnar};

/// The files of all buckets, written to by several threads.
pub(super) struct Buckets {
    pub(super) files: Vec<Bucket>,
    /// How much a thread gathers before it writes [bytes].
    pending: usize,
}

pub(super) struct Bucket {
    pub(super) path: PathBuf,
    file: Mutex<File>,
}

impl Buckets {
    pub(super) fn create(
        directory: &Path,
        options: &AggregateOptions,
        threads: usize,
    ) -> Result<Self, BatchError> {
        fs::create_dir(directory).map_err(BatchError::io(directory))?;
        let create = |number: usize| {
            let path = directory.join(number.to_string());
            let file = Mutex::new(File::create_new(&path).map_err(BatchError::io(&path))?);
            Ok(Bucket { path, file })
        };
        let files = (0..options.buckets).map(create).collect::<Result<_, BatchError>>()?;
        let pending = (options.memory / (options.buckets * threads)).clamp(1 << 10, 1 << 16);
        Ok(Self { files, pending })
    }

    /// Distributes the rows of tables.
    pub(super) fn fill(
        &self,
        tables: &[PathBuf],
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<(), BatchError> {
        progress.start("sort by source", tables.len() as u64);
        let next = AtomicUsize::new(0);
        let filled = (0..threads).into_par_iter().try_for_each(|_| {
            let mut filler = Filler { buckets: self, lines: vec![String::new(); self.files.len()] };
            while let Some(table) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
                if progress.cancelled() {
                    return Err(BatchError::Cancelled);
                }
                filler.add(table)?;
                progress.advance(1);
            }
            (0..self.files.len()).try_for_each(|bucket| filler.flush(bucket))
        });
        progress.finish();
        filled
    }
}

/// One thread's way to the buckets.
struct Filler<'a> {
    buckets: &'a Buckets,
    /// Whole lines for each bucket.
    lines: Vec<String>,
}

impl Filler<'_> {
    fn add(&mut self, table: &Path) -> Result<(), BatchError> {
        if table.extension().is_some_and(|extension| extension == "parquet") {
            return columnar::read(table, None, |row| {
                let bucket = bucket_of(&row.target_id, self.lines.len());
                row.write_line(&mut self.lines[bucket]);
                self.flush_if_full(bucket)
            });
        }
        let file = File::open(table).map_err(BatchError::io(table))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut line = String::new();
        let mut number = 0;
        while reader.read_line(&mut line).map_err(BatchError::io(table))? > 0 {
            number += 1;
            let Some(text) = line.strip_suffix('\n') else {
                return Err(BatchError::table(table)(format!("line {number} breaks off")));
            };
            if number == 1 {
                if text != row::header() {
                    return Err(BatchError::table(table)("its columns are not those of this version"));
                }
            } else {
                let bucket = bucket_of(&fields(text).next().unwrap_or_default(), self.lines.len());
                self.lines[bucket].push_str(&line);
                self.flush_if_full(bucket)?;
            }
            line.clear();
        }
        Ok(())
    }

    fn flush_if_full(&mut self, bucket: usize) -> Result<(), BatchError> {
        if self.lines[bucket].len() < self.buckets.pending { Ok(()) } else { self.flush(bucket) }
    }

    fn flush(&mut self, bucket: usize) -> Result<(), BatchError> {
        let Bucket { path, file } = &self.buckets.files[bucket];
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(self.lines[bucket].as_bytes()).map_err(BatchError::io(path))?;
        self.lines[bucket].clear();
        Ok(())
    }
}
