//! A store of light curves: parts of a data set in the layout of HATS (Hierarchical Adaptive Tiling
//! Scheme, IVOA Note 2025), which processes write side by side and nobody aggregates.
//!
//! `dataset/Norder=5/Dir=D/Npix=N/PART.parquet` holds the measurements of one part, such as a group
//! of images, of the sources in HEALPix cell N; `hats.properties` and `partition_info.csv` tell
//! which cells there are. Rows are sorted by (`_healpix_29`, `target_id`, `mjd`). Numbers are in
//! single precision but for positions and time; those that are not there are NaN. Bytes of a kind
//! stand together (BYTE_STREAM_SPLIT) and are compressed by gzip, in Rust. Files of a cell can be
//! made one ([`LightCurveStore::compact`]).

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdshealpix::nested;
use parquet::basic::{Compression, Encoding, GzipLevel, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::reader::FileReader as _;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use spx_core::atomic::{self, AtomicFile};
use spx_core::sky::Position;

use spx_votable::{ArraySize, VoTableColumn, VoTableType, VoTableWriter};

use crate::BatchError;
use crate::columnar::put;
use crate::row::COLUMNS;
use compact::PARTS;
use read::open;
use waiting::MergedExposures;

mod compact;
mod read;
mod waiting;

pub use compact::CompactedStore;
pub use read::RetrievedMeasurement;
pub(crate) use waiting::store_order;
pub use waiting::{WaitingExposure, WaitingRows};

/// Order of the cells of the directories.
const ORDER: u8 = 5;
/// Order of the cells of the column `_healpix_29`.
pub(crate) const FINE_ORDER: u8 = 29;
/// Rows of a row group.
const GROUP: usize = 1 << 17;
/// Numbers of a measurement in single precision, in the order of their columns.
pub const STORED_NUMBERS: [&str; 10] = [
    "x",
    "y",
    "flux",
    "flux_error",
    "wavelength",
    "bandwidth",
    "bg_level",
    "bg_error",
    "pixel_area",
    "zodi_scale",
];

/// A measurement as the store keeps it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredMeasurement {
    /// Cell of order 29 of the source, by its position in the catalog.
    pub cell: u64,
    /// Number of the source in the catalog.
    pub target: u32,
    /// Number of the exposure in the part.
    pub exposure: u32,
    /// Middle of the exposure \[MJD, UTC\].
    pub mjd: f64,
    /// [`STORED_NUMBERS`], in the units of the tables of images.
    pub numbers: [f32; STORED_NUMBERS.len()],
    /// Flags of the pixels in the aperture.
    pub flag: u32,
    /// Whether it is good.
    pub is_good: bool,
}

/// The cell of order 29 of a position.
pub fn fine_cell(position: Position) -> u64 {
    nested::hash(FINE_ORDER, position.ra().to_radians(), position.dec().to_radians())
}

/// Ids of sources: numbers where every id of the catalog is the decimal form of one.
#[derive(Debug, Clone)]
pub enum StoredIds {
    /// By the number in the catalog.
    Numbers(Vec<i64>),
    /// By the number in the catalog.
    Texts(Vec<String>),
}

impl StoredIds {
    /// Numbers where all of these ids are, and each as it would be written; texts otherwise.
    pub fn new<'a>(ids: impl Iterator<Item = &'a str> + Clone) -> Self {
        let number = |id: &str| id.parse::<i64>().ok().filter(|number| number.to_string() == id);
        match ids.clone().map(number).collect() {
            Some(numbers) => Self::Numbers(numbers),
            None => Self::Texts(ids.map(str::to_owned).collect()),
        }
    }

    /// The order of two sources, by their numbers in the catalog.
    fn compare(&self, a: u32, b: u32) -> Ordering {
        match self {
            Self::Numbers(ids) => ids[a as usize].cmp(&ids[b as usize]),
            Self::Texts(ids) => ids[a as usize].cmp(&ids[b as usize]),
        }
    }
}

/// A data set of light curves.
#[derive(Debug, Clone)]
pub struct LightCurveStore {
    root: PathBuf,
}

impl LightCurveStore {
    /// The data set in a directory, whether it is there or not.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The directory of a cell of order 5.
    fn folder(&self, cell: u64) -> PathBuf {
        let directory = cell / 10_000 * 10_000;
        self.root.join(format!("dataset/Norder={ORDER}/Dir={directory}/Npix={cell}"))
    }

    /// Writes a part: a file in the directory of each cell in which it has rows, which replaces one
    /// of the same name. `ids` and `positions` are those of the sources by their numbers, which are
    /// in the order of the store, as a [`SortedCatalog`](crate::SortedCatalog) gives them. Gives
    /// the cells with their numbers of rows. Memory is that of a row group.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn write_part(
        &self,
        part: &str,
        exposures: Vec<WaitingExposure>,
        (ids, positions): (&StoredIds, &[Position]),
    ) -> Result<Vec<(u64, usize)>, BatchError> {
        let merged = MergedExposures::new(exposures, positions);
        let (merged, names) = merged.map_err(BatchError::io(&self.root))?;
        let (mut merged, mut cells) = (merged.peekable(), Vec::new());
        while let Some(first) = merged.next() {
            let first = first.map_err(BatchError::io(&self.root))?;
            let cell = coarse(first.cell);
            let folder = self.folder(cell);
            fs::create_dir_all(&folder).map_err(BatchError::io(&folder))?;
            let _lock = self.lock(cell)?;
            let is_here = |row: &io::Result<StoredMeasurement>| {
                row.as_ref().map_or(true, |row| coarse(row.cell) == cell)
            };
            let others = std::iter::from_fn(|| merged.next_if(is_here));
            let mut rows = std::iter::once(Ok(first)).chain(others);
            let path = folder.join(format!("{part}.parquet"));
            atomic::remove_leftovers(&path).map_err(BatchError::io(&path))?;
            cells.push((cell, write_file(&path, &mut rows, (ids, positions), (&names, None))?));
        }
        self.remove_part(part, &cells)?;
        Ok(cells)
    }

    /// Removes what a run before has left of a part: files in other cells than these, and rows in
    /// compacted files of all.
    fn remove_part(&self, part: &str, kept: &[(u64, usize)]) -> Result<(), BatchError> {
        let compacted = self.compacted_parts()?.contains(part);
        for cell in self.cells()? {
            let path = self.folder(cell).join(format!("{part}.parquet"));
            let is_old = kept.iter().all(|(other, _)| *other != cell) && path.exists();
            if is_old || compacted {
                let _lock = self.lock(cell)?;
                if is_old {
                    fs::remove_file(&path).map_err(BatchError::io(&path))?;
                }
                self.drop_from_compacted(cell, part)?;
            }
        }
        Ok(())
    }

    /// Keeps other processes from writing files of a cell; where the file system has no locks,
    /// nobody.
    fn lock(&self, cell: u64) -> Result<File, BatchError> {
        Self::lock_file(&self.folder(cell).join(".lock"))
    }

    fn lock_file(path: &Path) -> Result<File, BatchError> {
        let file = File::options().create(true).append(true).open(path).map_err(BatchError::io(path))?;
        match file.lock() {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(BatchError::io(path)(error)),
            _ => Ok(file),
        }
    }

    /// The cells of order 5 that have a directory, sorted.
    fn cells(&self) -> Result<Vec<u64>, BatchError> {
        let mut cells = Vec::new();
        let order = self.root.join(format!("dataset/Norder={ORDER}"));
        for folder in entries(&order)? {
            for path in entries(&folder)? {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                cells.extend(name.strip_prefix("Npix=").and_then(|number| number.parse::<u64>().ok()));
            }
        }
        cells.sort_unstable();
        Ok(cells)
    }

    /// The files of a cell, sorted.
    fn parts(&self, cell: u64) -> Result<Vec<PathBuf>, BatchError> {
        let mut parts = entries(&self.folder(cell))?;
        parts.retain(|path| path.extension().is_some_and(|end| end == "parquet") && !is_hidden(path));
        parts.sort();
        Ok(parts)
    }

    /// Whether `hats.properties` is as new as the parts: a process may have been killed between its
    /// last part and that.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn is_described(&self) -> Result<bool, BatchError> {
        let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
        let described = changed(&self.root.join("hats.properties")).ok();
        for cell in self.cells()? {
            let folder = self.folder(cell);
            let written = changed(&folder).map_err(BatchError::io(&folder))?;
            if described.is_none_or(|described| described < written) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes `hats.properties`, `partition_info.csv` and `dataset/_common_metadata` of the parts
    /// that are there. Gives their rows.
    ///
    /// # Errors
    /// Where a part cannot be read, and what the disk reports.
    pub fn write_properties(&self, name: &str, ids: &StoredIds) -> Result<u64, BatchError> {
        let mut partitions = String::from("Norder,Npix,num_rows\n");
        let (mut total, mut seen) = (0u64, 0u32);
        for cell in self.cells()? {
            let mut rows = 0;
            let _lock = self.lock(cell)?;
            for path in self.parts(cell)? {
                let reader = open(&path)?;
                rows += u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or_default();
            }
            if rows > 0 {
                partitions.push_str(&format!("{ORDER},{cell},{rows}\n"));
                (total, seen) = (total + rows, seen + 1);
            }
        }
        let cells = 12.0 * f64::from(4u32.pow(ORDER.into()));
        let properties = [
            ("obs_collection", name.to_owned()),
            ("dataproduct_type", "object".to_owned()),
            ("hats_nrows", total.to_string()),
            ("hats_col_ra", "ra".to_owned()),
            ("hats_col_dec", "dec".to_owned()),
            ("hats_col_healpix", "_healpix_29".to_owned()),
            ("hats_col_healpix_order", FINE_ORDER.to_string()),
            ("hats_npix_suffix", "/".to_owned()),
            ("hats_order", ORDER.to_string()),
            ("moc_sky_fraction", format!("{:.6}", f64::from(seen) / cells)),
            ("hats_builder", concat!("spx ", env!("CARGO_PKG_VERSION")).to_owned()),
            ("hats_version", "v1.0".to_owned()),
        ];
        let lines: String = properties.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        let dataset = self.root.join("dataset");
        fs::create_dir_all(&dataset).map_err(BatchError::io(&dataset))?;
        let schema_file = dataset.join("_common_metadata");
        write_file(&schema_file, &mut std::iter::empty(), (ids, &[]), (&[], None))?;
        for (file, text) in [("partition_info.csv", partitions), ("hats.properties", lines)] {
            let path = self.root.join(file);
            atomic::write(&path, text.as_bytes(), true).map_err(BatchError::io(&path))?;
        }
        Ok(total)
    }
}

/// Sorts rows by cell, id, time and exposure.
fn sort(rows: &mut [StoredMeasurement], ids: &StoredIds, exposures: &[(String, String)]) {
    rows.sort_by(|a, b| {
        let by_id = ids.compare(a.target, b.target);
        let by_exposure = exposures[a.exposure as usize].cmp(&exposures[b.exposure as usize]);
        a.cell.cmp(&b.cell).then(by_id).then(a.mjd.total_cmp(&b.mjd)).then(by_exposure)
    });
}

/// The cell of order 5 that holds one of order 29.
fn coarse(cell: u64) -> u64 {
    cell >> (2 * (FINE_ORDER - ORDER))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// What is in a directory; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, BatchError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        found => found
            .and_then(|found| found.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(BatchError::io(folder)),
    }
}

/// Observation and band of exposures; in a compacted file the text that tells the part of each.
type StoredExposures<'a> = (&'a [(String, String)], Option<&'a str>);

/// Sorted rows, as they are read.
type SortedRows<'a> = dyn Iterator<Item = io::Result<StoredMeasurement>> + 'a;

/// Writes a file of sorted rows, of the same columns also where there are none. Gives their number.
fn write_file(
    path: &Path,
    rows: &mut SortedRows<'_>,
    sources: (&StoredIds, &[Position]),
    exposures: StoredExposures<'_>,
) -> Result<usize, BatchError> {
    let target = AtomicFile::new(path, true).map_err(BatchError::io(path))?;
    let file = File::create(target.path()).map_err(BatchError::io(path))?;
    let written = write_groups(file, rows, sources, exposures).map_err(BatchError::table(path))?;
    target.commit().map_err(BatchError::io(path))?;
    Ok(written)
}

fn write_groups(
    file: File,
    sorted: &mut SortedRows<'_>,
    (ids, positions): (&StoredIds, &[Position]),
    (exposures, parts): StoredExposures<'_>,
) -> Result<usize, ParquetError> {
    let mut out = SerializedFileWriter::new(file, schema(ids)?, Arc::new(properties()?))?;
    let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
    let observations: Vec<ByteArray> = exposures.iter().map(|(observation, _)| text(observation)).collect();
    let bands: Vec<ByteArray> = exposures.iter().map(|(_, band)| text(band)).collect();
    let mut written = 0;
    loop {
        let rows: Vec<StoredMeasurement> = sorted.take(GROUP).collect::<io::Result<_>>()?;
        if rows.is_empty() {
            break;
        }
        written += rows.len();
        let mut group = out.next_row_group()?;
        let of_exposure = |texts: &[ByteArray]| -> Vec<ByteArray> {
            rows.iter().map(|row| texts[row.exposure as usize].clone()).collect()
        };
        let reals = |value: &dyn Fn(&StoredMeasurement) -> f64| rows.iter().map(value).collect::<Vec<_>>();
        put::<Int64Type>(&mut group, &rows.iter().map(|row| row.cell.cast_signed()).collect::<Vec<_>>())?;
        match ids {
            StoredIds::Numbers(ids) => {
                let ids: Vec<i64> = rows.iter().map(|row| ids[row.target as usize]).collect();
                put::<Int64Type>(&mut group, &ids)?;
            }
            StoredIds::Texts(ids) => {
                let ids: Vec<ByteArray> = rows.iter().map(|row| text(&ids[row.target as usize])).collect();
                put::<ByteArrayType>(&mut group, &ids)?;
            }
        }
        put::<DoubleType>(&mut group, &reals(&|row| positions[row.target as usize].ra()))?;
        put::<DoubleType>(&mut group, &reals(&|row| positions[row.target as usize].dec()))?;
        put::<ByteArrayType>(&mut group, &of_exposure(&observations))?;
        put::<ByteArrayType>(&mut group, &of_exposure(&bands))?;
        put::<DoubleType>(&mut group, &reals(&|row| row.mjd))?;
        for k in 0..STORED_NUMBERS.len() {
            put::<FloatType>(&mut group, &rows.iter().map(|row| row.numbers[k]).collect::<Vec<_>>())?;
        }
        put::<Int32Type>(&mut group, &rows.iter().map(|row| row.flag.cast_signed()).collect::<Vec<_>>())?;
        put::<BoolType>(&mut group, &rows.iter().map(|row| row.is_good).collect::<Vec<_>>())?;
        group.close()?;
    }
    let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(1).max(1);
    let texts = [
        match ids {
            StoredIds::Numbers(_) => 0,
            StoredIds::Texts(ids) => longest(&mut ids.iter().map(String::len)),
        },
        longest(&mut exposures.iter().map(|(observation, _)| observation.len())),
        longest(&mut exposures.iter().map(|(_, band)| band.len())),
    ];
    for (key, value) in [("version", "1.0".to_owned()), ("content", votable(texts))] {
        out.append_key_value_metadata(KeyValue::new(format!("IVOA.VOTable-Parquet.{key}"), value));
    }
    if let Some(parts) = parts {
        out.append_key_value_metadata(KeyValue::new(PARTS.to_owned(), parts.to_owned()));
    }
    out.close()?;
    Ok(written)
}

/// Units and UCDs, as VOParquet has them: a VOTable without data. `texts` are the lengths of the
/// texts target_id (0 where it is a number), obs_id and band.
fn votable([id, observation, band]: [usize; 3]) -> String {
    let columns = column_names().map(|name| {
        let (datatype, size) = match name {
            "target_id" if id > 0 => (VoTableType::Char, ArraySize::Fixed(id)),
            "_healpix_29" | "target_id" | "flag" => (VoTableType::Long, ArraySize::Scalar),
            "obs_id" => (VoTableType::Char, ArraySize::Fixed(observation)),
            "band" => (VoTableType::Char, ArraySize::Fixed(band)),
            "is_good" => (VoTableType::Boolean, ArraySize::Scalar),
            "ra" | "dec" | "mjd" => (VoTableType::Double, ArraySize::Scalar),
            _ => (VoTableType::Float, ArraySize::Scalar),
        };
        let known = COLUMNS.iter().find(|column| column.name == name);
        VoTableColumn {
            unit: known.map_or("", |column| column.unit),
            ucd: known.map_or("pos.healpix", |column| column.ucd),
            description: known.map_or("HEALPix cell of order 29, nested", |column| column.description),
            ..VoTableColumn::new(name, datatype, size)
        }
    });
    let mut writer = VoTableWriter::new();
    writer.begin_results();
    writer.begin_table("photometry", "Light curves in SPHEREx spectral images", columns.collect());
    writer.end_table();
    writer.finish()
}

fn properties() -> Result<WriterProperties, ParquetError> {
    let plain = |builder: WriterPropertiesBuilder, name: &str, encoding: Encoding| {
        let column = ColumnPath::from(name);
        builder.set_column_dictionary_enabled(column.clone(), false).set_column_encoding(column, encoding)
    };
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::GZIP(GzipLevel::try_new(6)?))
        .set_created_by(concat!("spx ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_max_row_group_row_count(Some(GROUP));
    builder = plain(builder, "_healpix_29", Encoding::DELTA_BINARY_PACKED);
    // A source's rows stand together: with few of them a dictionary is longer than what gzip
    // leaves.
    for name in ["target_id", "ra", "dec"] {
        builder = plain(builder, name, Encoding::PLAIN);
    }
    for name in STORED_NUMBERS {
        builder = plain(builder, name, Encoding::BYTE_STREAM_SPLIT);
    }
    Ok(builder.build())
}

fn schema(ids: &StoredIds) -> Result<TypePtr, ParquetError> {
    let text = (Physical::BYTE_ARRAY, Some(LogicalType::String));
    let id = match ids {
        StoredIds::Numbers(_) => (Physical::INT64, None),
        StoredIds::Texts(_) => text.clone(),
    };
    let flag = LogicalType::integer(32, false);
    let first = [
        ("_healpix_29", (Physical::INT64, None)),
        ("target_id", id),
        ("ra", (Physical::DOUBLE, None)),
        ("dec", (Physical::DOUBLE, None)),
        ("obs_id", text.clone()),
        ("band", text),
        ("mjd", (Physical::DOUBLE, None)),
    ];
    let numbers = STORED_NUMBERS.map(|name| (name, (Physical::FLOAT, None)));
    let last = [("flag", (Physical::INT32, Some(flag))), ("is_good", (Physical::BOOLEAN, None))];
    let fields = first.into_iter().chain(numbers).chain(last).map(|(name, (physical, logical))| {
        let builder = Type::primitive_type_builder(name, physical);
        builder.with_logical_type(logical).with_repetition(Repetition::REQUIRED).build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("photometry").with_fields(fields).build().map(Arc::new)
}

fn column_names() -> impl Iterator<Item = &'static str> {
    let first = ["_healpix_29", "target_id", "ra", "dec", "obs_id", "band", "mjd"];
    first.into_iter().chain(STORED_NUMBERS).chain(["flag", "is_good"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(target: u32, exposure: u32, mjd: f64, position: Position) -> StoredMeasurement {
        let numbers = std::array::from_fn(|k| if k == 9 { f32::NAN } else { k as f32 + target as f32 / 8.0 });
        let cell = fine_cell(position);
        StoredMeasurement { cell, target, exposure, mjd, numbers, flag: 1 << 31 | target, is_good: true }
    }

    /// Sources in the order of the store, and the new number of each.
    fn in_order(ids: &StoredIds, places: &[Position]) -> (StoredIds, Vec<Position>, Vec<u32>) {
        let order = store_order(ids, places);
        let numbers = order.iter().map(|(_, number)| *number as usize);
        let kept = match ids {
            StoredIds::Numbers(ids) => {
                StoredIds::Numbers(numbers.clone().map(|number| ids[number]).collect())
            }
            StoredIds::Texts(ids) => {
                StoredIds::Texts(numbers.clone().map(|number| ids[number].clone()).collect())
            }
        };
        let mut ranks = vec![0; order.len()];
        (0u32..).zip(numbers.clone()).for_each(|(rank, number)| ranks[number] = rank);
        (kept, numbers.map(|number| places[number]).collect(), ranks)
    }

    /// Writes rows as those of a part, each exposure's by themselves.
    fn write(
        store: &LightCurveStore,
        part: &str,
        rows: &[StoredMeasurement],
        (ids, places): (&StoredIds, &[Position]),
        exposures: &[(String, String)],
    ) -> Vec<(u64, usize)> {
        let (ids, places, ranks) = in_order(ids, places);
        let waiting = (0u32..).zip(exposures).map(|(number, name)| {
            let of_it = rows.iter().filter(|row| row.exposure == number);
            let mut of_it: Vec<StoredMeasurement> =
                of_it.map(|row| StoredMeasurement { target: ranks[row.target as usize], ..*row }).collect();
            of_it.sort_by_key(|row| row.target);
            let mut waiting = WaitingRows::new(store).unwrap();
            of_it.iter().for_each(|row| waiting.push(row).unwrap());
            let mjd = of_it.first().map_or(0.0, |row| row.mjd);
            WaitingExposure { name: name.clone(), mjd, rows: waiting }
        });
        store.write_part(part, waiting.collect(), (&ids, &places)).unwrap()
    }

    /// Three sources, of which the last lies in another cell of order 5, on two exposures.
    fn part() -> (Vec<Position>, Vec<StoredMeasurement>, Vec<(String, String)>) {
        let places = [(10.0, 41.0), (10.001, 41.0), (180.0, -30.0)];
        let places: Vec<Position> = places.map(|(ra, dec)| Position::new(ra, dec).unwrap()).into();
        let rows = (0..3u32)
            .flat_map(|target| [1, 0].map(|exposure| (target, exposure)))
            .map(|(target, exposure)| {
                row(target, exposure, 61_000.0 - f64::from(exposure), places[target as usize])
            })
            .collect();
        (places, rows, vec![("a_1".into(), "D3".into()), ("b_2".into(), "D4".into())])
    }

    #[test]
    fn light_curves_come_back_by_id_and_time() {
        let folder = tempfile::tempdir().unwrap();
        for (ids, lists) in [(["7", "-8", "9"], false), (["07", "x", "9"], true)] {
            let store = LightCurveStore::new(&folder.path().join(ids[0]));
            let kept = StoredIds::new(ids.into_iter());
            assert_eq!(matches!(kept, StoredIds::Texts(_)), lists);
            let (places, rows, exposures) = part();
            let cells = write(&store, "week1", &rows, (&kept, &places), &exposures);
            assert_eq!(cells.iter().map(|(_, rows)| rows).sum::<usize>(), 6);
            assert_eq!(cells.len(), 2);
            for (target, id) in ids.iter().enumerate() {
                let found = store.light_curve(places[target], id).unwrap();
                let times: Vec<f64> = found.iter().map(|one| one.measurement.mjd).collect();
                assert_eq!(times, [60_999.0, 61_000.0], "{id}");
                let first = &found[0];
                assert_eq!((first.obs_id.as_str(), first.band.as_str()), ("b_2", "D4"));
                let expected = rows.iter().find(|row| row.target as usize == target && row.exposure == 1);
                let (found, expected) = (first.measurement, expected.unwrap());
                assert_eq!(found.numbers[..9], expected.numbers[..9]);
                assert!(found.numbers[9].is_nan());
                assert_eq!((found.flag, found.is_good), (expected.flag, true));
            }
            assert!(store.light_curve(places[0], "none").unwrap().is_empty());
        }
    }

    #[test]
    fn a_part_that_is_written_again_replaces_itself() {
        let folder = tempfile::tempdir().unwrap();
        let store = LightCurveStore::new(folder.path());
        let ids = StoredIds::new(["1", "2", "3"].into_iter());
        let (places, rows, exposures) = part();
        write(&store, "week1", &rows, (&ids, &places), &exposures);
        write(&store, "week2", &rows[..2], (&ids, &places), &exposures);
        assert_eq!(store.light_curve(places[0], "1").unwrap().len(), 4);
        assert!(!store.is_described().unwrap());
        assert_eq!(store.write_properties("test", &ids).unwrap(), 8);
        assert!(store.is_described().unwrap());
        // Where times are coarse, too, the part is newer.
        std::thread::sleep(std::time::Duration::from_millis(30));
        write(&store, "week1", &rows[..2], (&ids, &places), &exposures);
        assert!(!store.is_described().unwrap());
        assert_eq!(store.write_properties("test", &ids).unwrap(), 4);
        assert!(store.light_curve(places[2], "3").unwrap().is_empty());
        let list = fs::read_to_string(folder.path().join("partition_info.csv")).unwrap();
        assert_eq!(list, format!("Norder,Npix,num_rows\n5,{},4\n", coarse(rows[0].cell)));
        let properties = fs::read_to_string(folder.path().join("hats.properties")).unwrap();
        assert!(properties.contains("hats_nrows=4\n") && properties.contains("hats_npix_suffix=/\n"));
    }

    /// Rows of all files as pyarrow sees them: whatever is not hidden.
    fn all_rows(store: &LightCurveStore) -> i64 {
        let files = store.cells().unwrap().into_iter().flat_map(|cell| store.parts(cell).unwrap());
        files.map(|path| open(&path).unwrap().metadata().file_metadata().num_rows()).sum()
    }

    #[test]
    fn compacted_cells_have_the_same_light_curves() {
        let folder = tempfile::tempdir().unwrap();
        let store = LightCurveStore::new(folder.path());
        for ids in [["7", "-8", "9"], ["07", "x", "9"]] {
            fs::remove_dir_all(folder.path().join("dataset")).ok();
            let ids_kept = StoredIds::new(ids.into_iter());
            let (places, rows, first) = part();
            let second = vec![("c_1".to_owned(), "D3".to_owned()), ("d_2".to_owned(), "D4".to_owned())];
            let write = |name: &str, rows: &[StoredMeasurement], exposures: &[(String, String)]| {
                super::tests::write(&store, name, rows, (&ids_kept, &places), exposures);
            };
            write("week1", &rows, &first);
            write("week2", &rows[..4], &second);
            let curves = || ids.iter().zip(&places).map(|(id, place)| store.light_curve(*place, id).unwrap());
            // (NaN is not itself.)
            let shown = || curves().map(|curve| format!("{curve:?}")).collect::<Vec<_>>();
            let before = shown();
            let leftover = store.parts(coarse(rows[0].cell)).unwrap()[0].clone();
            let (copy, kept) = (fs::read(&leftover).unwrap(), all_rows(&store));
            let done = store.compact(&|| false).unwrap();
            assert_eq!(done, CompactedStore { cells: 2, rewritten: 1, files: 2, rows: 8 });
            assert_eq!((shown(), all_rows(&store)), (before.clone(), kept));
            assert_eq!(store.compact(&|| false).unwrap().rewritten, 0, "again");
            // Killed before a file was removed: it stands for its rows, and goes the next time.
            fs::write(&leftover, &copy).unwrap();
            assert_eq!(shown(), before);
            assert_eq!(store.compact(&|| false).unwrap().files, 1);
            assert_eq!((shown(), all_rows(&store)), (before, kept));
            // A part that is measured again, or has nothing any more, replaces its rows.
            write("week1", &rows[..2], &first);
            assert_eq!(curves().map(|curve| curve.len()).collect::<Vec<_>>(), [4, 2, 0]);
            assert_eq!(all_rows(&store), 6);
            write("week2", &[], &second);
            assert_eq!(all_rows(&store), 2);
            // Another part with an exposure of one that is there stays by itself.
            write("week3", &rows[..2], &first);
            assert_eq!(store.compact(&|| false).unwrap().rewritten, 0);
            assert!(store.compact(&|| true).is_err());
        }
    }
}
