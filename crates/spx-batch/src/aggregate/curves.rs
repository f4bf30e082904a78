//! The third pass: sorted rows to files.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

use super::{AggregateOptions, Aggregated, CurveCounts, DATA_SET, KEPT, LIGHT_CURVES, data_file};
use crate::columnar::RowWriter;
use crate::row::{self, BatchRow};
use crate::{BatchError, file_stem};

/// A light curve is written when it has so many bytes, and again with what follows.
const LONG: usize = 1 << 20;

/// What is made of one bucket.
pub(super) struct Output<'c> {
    count: &'c (dyn Fn(&str, CurveCounts) + Sync),
    curves: Option<Curves>,
    rows: Option<(PathBuf, RowWriter<File>)>,
    kept: Option<(PathBuf, BufWriter<File>)>,
    /// Of the row before.
    id: Option<String>,
    /// Of the current light curve.
    counts: CurveCounts,
    made: Aggregated,
}

impl<'c> Output<'c> {
    /// Files below a directory for the bucket of a number.
    pub(super) fn create(
        directory: &Path,
        bucket: usize,
        options: &AggregateOptions,
        count: &'c (dyn Fn(&str, CurveCounts) + Sync),
    ) -> Result<Self, BatchError> {
        let (counts, made) = (CurveCounts::default(), Aggregated::default());
        let mut output = Self { count, curves: None, rows: None, kept: None, id: None, counts, made };
        if options.format.csv() {
            let directory = directory.join(LIGHT_CURVES);
            fs::create_dir_all(&directory).map_err(BatchError::io(&directory))?;
            output.curves = Some(Curves { directory, text: String::new(), file: None });
        }
        if options.format.parquet() {
            let (path, file) = create(data_file(&directory.join(DATA_SET), bucket))?;
            let writer = RowWriter::new(file, true, &options.settings).map_err(failed(&path))?;
            output.rows = Some((path, writer));
        }
        if options.keep_buckets {
            let (path, file) = create(directory.join(KEPT).join(format!("bucket_{bucket:04}.csv")))?;
            let mut file = BufWriter::new(file);
            writeln!(file, "{}", row::header()).map_err(BatchError::io(&path))?;
            output.kept = Some((path, file));
        }
        Ok(output)
    }

    /// Takes the next line.
    pub(super) fn push(&mut self, id: &str, line: &str) -> Result<(), BatchError> {
        self.made.rows += 1;
        if self.id.as_deref() != Some(id) {
            self.end_curve()?;
            self.id = Some(id.to_owned());
            self.made.sources += 1;
        }
        let row = BatchRow::parse_line(line).map_err(BatchError::table(Path::new(id)))?;
        self.counts.rows += 1;
        self.counts.good += u32::from(row.is_good);
        if let (Some(curves), Some(id)) = (&mut self.curves, &self.id) {
            curves.push(id, line)?;
        }
        if let Some((path, writer)) = &mut self.rows {
            writer.push(&row).map_err(failed(path))?;
        }
        if let Some((path, file)) = &mut self.kept {
            writeln!(file, "{line}").map_err(BatchError::io(path))?;
        }
        Ok(())
    }

    /// Ends all files.
    pub(super) fn finish(mut self) -> Result<Aggregated, BatchError> {
        self.end_curve()?;
        if let Some((path, writer)) = self.rows {
            let file = writer.finish().map_err(failed(&path))?;
            file.sync_all().map_err(BatchError::io(&path))?;
        }
        if let Some((path, mut file)) = self.kept {
            file.flush().map_err(BatchError::io(&path))?;
        }
        Ok(self.made)
    }

    fn end_curve(&mut self) -> Result<(), BatchError> {
        let Some(id) = &self.id else { return Ok(()) };
        (self.count)(id, std::mem::take(&mut self.counts));
        match &mut self.curves {
            Some(curves) => curves.end(id),
            None => Ok(()),
        }
    }
}

fn create(path: PathBuf) -> Result<(PathBuf, File), BatchError> {
    let directory = path.parent().unwrap_or(&path);
    fs::create_dir_all(directory).map_err(BatchError::io(directory))?;
    let file = File::create_new(&path).map_err(BatchError::io(&path))?;
    Ok((path, file))
}

fn failed(path: &Path) -> impl FnOnce(ParquetError) -> BatchError + '_ {
    |error| BatchError::io(path)(std::io::Error::other(error))
}

/// Light curves as text, one after the other.
struct Curves {
    directory: PathBuf,
    /// What of the current one is not yet in its file.
    text: String,
    file: Option<File>,
}

impl Curves {
    fn push(&mut self, id: &str, line: &str) -> Result<(), BatchError> {
        if self.text.is_empty() && self.file.is_none() {
            self.text.push_str(&row::header());
            self.text.push('\n');
        }
        self.text.push_str(line);
        self.text.push('\n');
        if self.text.len() < LONG { Ok(()) } else { self.write(id) }
    }

    fn write(&mut self, id: &str) -> Result<(), BatchError> {
        let path = self.directory.join(format!("{}.csv", file_stem(id)));
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::create_new(&path).map_err(BatchError::io(&path))?),
        };
        file.write_all(self.text.as_bytes()).map_err(BatchError::io(&path))?;
        self.text.clear();
        Ok(())
    }

    fn end(&mut self, id: &str) -> Result<(), BatchError> {
        self.write(id)?;
        self.file = None;
        Ok(())
    }
}
