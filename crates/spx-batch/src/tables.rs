//! The tables of single images, and the record of what each was made with.
//!
//! Beside `<image>_photometry.csv` (and `.parquet`) stands `<image>_photometry.toml`. It is written
//! last and removed first, so that an image whose record is there, of the same making and with
//! tables of the size that it tells, is done.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use parquet::errors::ParquetError;
use serde::{Deserialize, Serialize};
use spx_core::atomic::{self, AtomicFile};
use spx_core::release::{FluxCorrection, ReleaseIdentity};

use crate::BatchError;
use crate::columnar::RowWriter;
use crate::hash::fnv1a;
use crate::row::{self, BatchRow};

/// The form of a record; another one is not of this version's making.
const VERSION: u32 = 2;
/// Text is written in pieces of this size \[bytes\].
const CHUNK: usize = 1 << 16;

/// In which forms tables are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageTableFormat {
    /// Text.
    #[default]
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Both.
    Both,
}

impl ImageTableFormat {
    /// True where text is wanted.
    pub fn csv(self) -> bool {
        self != Self::Parquet
    }

    /// True where Parquet is wanted.
    pub fn parquet(self) -> bool {
        self != Self::Csv
    }
}

impl fmt::Display for ImageTableFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Both => "both",
        })
    }
}

impl FromStr for ImageTableFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Csv, Self::Parquet, Self::Both];
        let found = all.into_iter().find(|format| format.to_string() == text);
        found.ok_or_else(|| format!("unknown format `{text}`: expected csv, parquet or both"))
    }
}

/// A source that lies on an image and has no measurement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unmeasured {
    /// Its id.
    pub target_id: String,
    /// Why.
    pub reason: String,
}

/// The scale of the zodiacal light that was subtracted from an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RecordedZodi {
    /// Number of the detector.
    pub detector: u8,
    /// The zodiacal light is this times its model.
    pub scale: f64,
    /// The scale was fitted to this image; `false` where it should have been and could not.
    pub fitted: bool,
}

/// What the tables of an image were made with, and what they hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRecord {
    version: u32,
    /// Changes with the columns of the tables.
    columns: String,
    /// File name of the image.
    pub image: String,
    /// Observation and detector of the image.
    #[serde(default)]
    pub exposure: String,
    /// Release, version and processing of the image.
    #[serde(default)]
    pub identity: ReleaseIdentity,
    /// What became of its flux scale.
    #[serde(default)]
    pub flux_correction: FluxCorrection,
    /// Its content, in any form that changes with it.
    pub image_content: String,
    /// [Digest](crate::Catalog::digest) of the catalog.
    #[serde(rename = "catalogue")]
    pub catalog: String,
    /// The settings of the photometry, in any form that changes with them; Parquet files have them
    /// in their metadata (key `spx.settings`).
    pub photometry: String,
    /// Rows of the tables.
    pub measured: usize,
    /// What was unusual about the image.
    pub remark: Option<String>,
    /// The zodiacal light, where its scale was to be fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zodi: Option<RecordedZodi>,
    /// Rows with less background for what was cut off the image, and sources without a row for it.
    #[serde(default, skip_serializing_if = "is_whole")]
    pub cut_off: [usize; 2],
    csv_bytes: Option<u64>,
    parquet_bytes: Option<u64>,
    /// Sources on the image without a row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmeasured: Vec<Unmeasured>,
}

impl ImageRecord {
    /// A record of an image before it is measured.
    pub fn new(image: &str, image_content: &str, catalog: &str, photometry: &str) -> Self {
        Self {
            version: VERSION,
            columns: columns(),
            image: image.to_owned(),
            exposure: String::new(),
            identity: ReleaseIdentity::default(),
            flux_correction: FluxCorrection::default(),
            image_content: image_content.to_owned(),
            catalog: catalog.to_owned(),
            photometry: photometry.to_owned(),
            measured: 0,
            remark: None,
            zodi: None,
            cut_off: [0; 2],
            csv_bytes: None,
            parquet_bytes: None,
            unmeasured: Vec::new(),
        }
    }
}

fn is_whole(cut_off: &[usize; 2]) -> bool {
    *cut_off == [0; 2]
}

/// What changes with the columns of the tables.
fn columns() -> String {
    format!("{:016x}", fnv1a(row::header().as_bytes()))
}

/// What is known of an earlier run's tables.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// They are what this run would make.
    Done(Box<ImageRecord>),
    /// There are none.
    Never,
    /// They are of another making, or incomplete.
    Again(&'static str),
}

/// The tables in a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchTables {
    /// Those of one making that have rows, with what they hold, sorted by name.
    pub tables: Vec<RecordedTable>,
    /// Sources without a row, with the file names of the images on which they lie.
    pub unmeasured: Vec<(String, Unmeasured)>,
    /// How many images have tables of another making, or incomplete ones.
    pub others: usize,
}

/// A table, and what its record says of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordedTable {
    /// The table.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// File name of the image.
    pub image: String,
    /// Content of the image: a table that is written again for another image may well have the
    /// size that it had.
    pub image_content: String,
    /// Observation and detector of the image.
    pub exposure: String,
    /// Release, version and processing of the image.
    pub identity: ReleaseIdentity,
    /// What became of its flux scale.
    pub flux_correction: FluxCorrection,
}

/// Where the tables of one image are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTables {
    directory: PathBuf,
    stem: String,
}

impl ImageTables {
    /// Tables in `directory` of an image by its file name:
    /// `<name without .fits, .fits.gz>_photometry.*`.
    pub fn new(directory: &Path, image: &str) -> Self {
        let plain = image.strip_suffix(".gz").unwrap_or(image);
        let plain = plain.strip_suffix(".fits").or_else(|| plain.strip_suffix(".fit")).unwrap_or(plain);
        Self { directory: directory.to_owned(), stem: format!("{plain}_photometry") }
    }

    /// The table as text.
    pub fn csv(&self) -> PathBuf {
        self.with("csv")
    }

    /// The table as Parquet.
    pub fn parquet(&self) -> PathBuf {
        self.with("parquet")
    }

    /// The one that aggregation reads: text, which need not be parsed, where both are there.
    pub fn best(&self, format: ImageTableFormat) -> PathBuf {
        if format.csv() { self.csv() } else { self.parquet() }
    }

    /// The record, where it is there and of this version.
    fn read(&self) -> Option<ImageRecord> {
        let text = fs::read_to_string(self.record()).ok()?;
        toml::from_str::<ImageRecord>(&text).ok().filter(|r| r.version == VERSION && r.columns == columns())
    }

    fn record(&self) -> PathBuf {
        self.with("toml")
    }

    fn with(&self, extension: &str) -> PathBuf {
        self.directory.join(format!("{}.{extension}", self.stem))
    }

    /// Whether the tables are what a run would make that begins with `fresh`.
    pub fn recorded(&self, fresh: &ImageRecord, format: ImageTableFormat) -> Recorded {
        if !self.record().exists() {
            let unfinished = self.csv().exists() || self.parquet().exists();
            return if unfinished { Recorded::Again("its table has no record") } else { Recorded::Never };
        }
        let Some(found) = self.read() else {
            return Recorded::Again("the record of its table is of another version, or damaged");
        };
        let size = |path: PathBuf| fs::metadata(path).map(|m| m.len()).ok();
        let whole = |wanted: bool, path: PathBuf, bytes: Option<u64>| {
            !wanted || bytes.is_some() && size(path) == bytes
        };
        if found.photometry != fresh.photometry {
            return Recorded::Again("its table was made with other photometry settings");
        }
        if found.catalog != fresh.catalog {
            return Recorded::Again("its table was made with another catalog");
        }
        if found.image != fresh.image {
            return Recorded::Again("its table was made from another file");
        }
        if found.image_content != fresh.image_content {
            return Recorded::Again("its image was replaced");
        }
        if !whole(format.csv(), self.csv(), found.csv_bytes)
            || !whole(format.parquet(), self.parquet(), found.parquet_bytes)
        {
            return Recorded::Again("its table is missing or has changed");
        }
        Recorded::Done(Box::new(found))
    }

    /// The tables in a directory that were made with this catalog (by its digest) and these
    /// settings.
    ///
    /// # Errors
    /// Where the directory cannot be listed.
    pub fn made_with(
        directory: &Path,
        catalog: &str,
        photometry: &str,
        format: ImageTableFormat,
    ) -> Result<BatchTables, BatchError> {
        let mut found = BatchTables::default();
        for entry in fs::read_dir(directory).map_err(BatchError::io(directory))? {
            let path = entry.map_err(BatchError::io(directory))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(stem) = name.strip_suffix(".toml").filter(|stem| !stem.starts_with('.')) else {
                continue;
            };
            let tables = Self { directory: directory.to_owned(), stem: stem.to_owned() };
            let (image, content) =
                tables.read().map_or_else(Default::default, |r| (r.image, r.image_content));
            let fresh = ImageRecord::new(&image, &content, catalog, photometry);
            match tables.recorded(&fresh, format) {
                Recorded::Done(mut record) => {
                    let unmeasured = record.unmeasured.drain(..);
                    found.unmeasured.extend(unmeasured.map(|source| (record.image.clone(), source)));
                    if record.measured == 0 {
                        continue;
                    }
                    let bytes = if format.csv() { record.csv_bytes } else { record.parquet_bytes };
                    found.tables.push(RecordedTable {
                        path: tables.best(format),
                        bytes: bytes.unwrap_or_default(),
                        image: record.image,
                        image_content: record.image_content,
                        exposure: record.exposure,
                        identity: record.identity,
                        flux_correction: record.flux_correction,
                    });
                }
                Recorded::Never | Recorded::Again(_) => found.others += 1,
            }
        }
        found.tables.sort();
        found.unmeasured.sort();
        Ok(found)
    }

    /// Writes the tables, then the record, replacing earlier ones. A table in a form that is not
    /// wanted, which would be out of date now, is removed.
    ///
    /// # Errors
    /// What the system reports; the image is then not done.
    pub fn write<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = BatchRow<'a>> + Clone,
        record: ImageRecord,
        format: ImageTableFormat,
    ) -> Result<ImageRecord, BatchError> {
        let written = self.start(rows, record, format)?;
        let record = written.record().clone();
        written.finish().map(|()| record)
    }

    /// The first part of [`write`](Self::write): the tables under temporary names, not yet flushed
    /// to the disk. What is left to do waits for the disk and needs no processor.
    ///
    /// # Errors
    /// As there.
    pub fn start<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = BatchRow<'a>> + Clone,
        mut record: ImageRecord,
        format: ImageTableFormat,
    ) -> Result<WrittenTables, BatchError> {
        remove(&self.record())?;
        let mut files = Vec::new();
        record.measured = rows.len();
        record.csv_bytes = match format.csv() {
            true => Some(put(self.csv(), &mut files, |file| write_text(file, rows.clone()))?),
            false => remove(&self.csv()).map(|()| None)?,
        };
        record.parquet_bytes = match format.parquet() {
            true => {
                let write =
                    |file: &mut File| write_rows(file, rows, &record.photometry).map_err(io::Error::other);
                Some(put(self.parquet(), &mut files, write)?)
            }
            false => remove(&self.parquet()).map(|()| None)?,
        };
        Ok(WrittenTables { files, record, path: self.record() })
    }
}

/// Tables that were written and have not their names yet. Dropped, they are gone, and the image is
/// not done.
#[derive(Debug)]
pub struct WrittenTables {
    /// Each with its name.
    files: Vec<(PathBuf, AtomicFile)>,
    record: ImageRecord,
    /// Of the record.
    path: PathBuf,
}

impl WrittenTables {
    /// The record, as it will be written.
    pub fn record(&self) -> &ImageRecord {
        &self.record
    }

    /// Flushes the tables to the disk, gives them their names and writes the record.
    ///
    /// # Errors
    /// What the system reports; the image is then not done.
    pub fn finish(self) -> Result<(), BatchError> {
        for (path, file) in self.files {
            file.commit().map_err(BatchError::io(&path))?;
        }
        let told = toml::to_string(&self.record).map_err(BatchError::table(&self.path))?;
        atomic::write(&self.path, told.as_bytes(), true).map_err(BatchError::io(&self.path))
    }
}

fn write_text<'a>(file: &mut File, rows: impl Iterator<Item = BatchRow<'a>>) -> io::Result<()> {
    let mut text = row::header();
    text.push('\n');
    for row in rows {
        row.write_line(&mut text);
        if text.len() >= CHUNK {
            file.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    file.write_all(text.as_bytes())
}

fn write_rows<'a>(
    file: &mut File,
    mut rows: impl Iterator<Item = BatchRow<'a>>,
    settings: &str,
) -> Result<(), ParquetError> {
    let mut writer = RowWriter::new(file, false, settings)?;
    rows.try_for_each(|row| writer.push(&row))?;
    writer.finish().map(|_| ())
}

/// Writes a file whole under a temporary name, adds it to `files`, and gives its size.
fn put(
    path: PathBuf,
    files: &mut Vec<(PathBuf, AtomicFile)>,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<u64, BatchError> {
    let write = || {
        let target = AtomicFile::new(&path, true)?;
        let mut file = File::create_new(target.path())?;
        write(&mut file)?;
        Ok((target, file.metadata()?.len()))
    };
    let (target, bytes) = write().map_err(BatchError::io(&path))?;
    files.push((path, target));
    Ok(bytes)
}

fn remove(path: &Path) -> Result<(), BatchError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BatchError::io(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<BatchRow<'static>> {
        ["b", "a"].map(|id| BatchRow { target_id: id.into(), mjd: 61_000.5, ..BatchRow::default() }).into()
    }

    #[test]
    fn an_image_is_done_when_all_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let tables = ImageTables::new(dir.path(), "level2_x.fits.gz");
        assert_eq!(tables.csv(), dir.path().join("level2_x_photometry.csv"));
        let fresh = ImageRecord::new("level2_x.fits.gz", "7 bytes", "c", "p");
        assert_eq!(tables.recorded(&fresh, ImageTableFormat::Csv), Recorded::Never);
        let unmeasured = vec![Unmeasured { target_id: "é".into(), reason: "at the edge".into() }];
        let record = ImageRecord { unmeasured, remark: Some("odd".into()), ..fresh.clone() };
        let record = tables.write(rows().into_iter(), record, ImageTableFormat::Both).unwrap();
        assert_eq!(record.measured, 2);
        for format in [ImageTableFormat::Csv, ImageTableFormat::Parquet, ImageTableFormat::Both] {
            assert_eq!(tables.recorded(&fresh, format), Recorded::Done(Box::new(record.clone())));
        }
        for (other, word) in [
            (ImageRecord::new("level2_x.fits.gz", "7 bytes", "c", "q"), "settings"),
            (ImageRecord::new("level2_x.fits.gz", "7 bytes", "d", "p"), "catalog"),
            (ImageRecord::new("level2_x.fits.gz", "8 bytes", "c", "p"), "replaced"),
        ] {
            let Recorded::Again(reason) = tables.recorded(&other, ImageTableFormat::Csv) else {
                panic!("{word}")
            };
            assert!(reason.contains(word), "{reason}");
        }
    }

    #[test]
    fn tables_of_one_making_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        for (image, catalog) in [("b.fits", "c"), ("a.fits", "c"), ("x.fits", "d"), ("y.fits", "c")] {
            let tables = ImageTables::new(dir.path(), image);
            tables
                .write(
                    rows().into_iter(),
                    ImageRecord::new(image, "7 bytes", catalog, "p"),
                    ImageTableFormat::Csv,
                )
                .unwrap();
        }
        fs::remove_file(ImageTables::new(dir.path(), "y.fits").csv()).unwrap();
        let empty = ImageTables::new(dir.path(), "0.fits");
        empty
            .write(std::iter::empty(), ImageRecord::new("0.fits", "7 bytes", "c", "p"), ImageTableFormat::Csv)
            .unwrap();
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        let found = ImageTables::made_with(dir.path(), "c", "p", ImageTableFormat::Csv).unwrap();
        let names: Vec<_> = found.tables.iter().map(|table| table.path.file_name().unwrap()).collect();
        assert_eq!(
            (names, found.others),
            (vec!["a_photometry.csv".as_ref(), "b_photometry.csv".as_ref()], 2)
        );
        assert_eq!(fs::metadata(&found.tables[0].path).unwrap().len(), found.tables[0].bytes);
    }

    #[test]
    fn what_is_incomplete_is_done_again() {
        let dir = tempfile::tempdir().unwrap();
        let tables = ImageTables::new(dir.path(), "i.fits");
        let fresh = ImageRecord::new("i.fits", "7 bytes", "c", "p");
        let again = |format| matches!(tables.recorded(&fresh, format), Recorded::Again(_));
        tables.write(rows().into_iter(), fresh.clone(), ImageTableFormat::Csv).unwrap();
        assert!(!again(ImageTableFormat::Csv) && again(ImageTableFormat::Both));
        let whole = fs::read(tables.csv()).unwrap();
        fs::write(tables.csv(), &whole[..whole.len() - 9]).unwrap();
        assert!(again(ImageTableFormat::Csv), "a table that was cut off");
        tables.write(rows().into_iter(), fresh.clone(), ImageTableFormat::Csv).unwrap();
        assert_eq!(fs::read(tables.csv()).unwrap(), whole);
        fs::write(tables.record(), "version = 1\n").unwrap();
        assert!(again(ImageTableFormat::Csv), "a damaged record");
        fs::remove_file(tables.record()).unwrap();
        assert!(again(ImageTableFormat::Csv), "no record");
        tables.write(rows().into_iter(), fresh.clone(), ImageTableFormat::Parquet).unwrap();
        assert!(!tables.csv().exists(), "what would be out of date is removed");
        fs::remove_file(tables.parquet()).unwrap();
        assert!(again(ImageTableFormat::Parquet), "the table is gone");
    }
}
