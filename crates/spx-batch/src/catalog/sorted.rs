//! A catalog as the jobs of a survey read it: sources in the order of a store of light curves, by
//! HEALPix cell of order 29 and id, in a Parquet file, of which a job reads the row groups that lie
//! near its images. Memory is that of the sources near them, whatever the size of the catalog.
//!
//! Columns: `_healpix_29`, `target_id` (a number where all ids are), `ra`, `dec` \[deg\]; where a
//! source has a motion `pmra`, `pmdec` [mas/yr] and `ref_epoch` \[yr\]; where one has a shape
//! `sersic`, `r_eff` \[arcsec\], `axis_ratio` and `position_angle` \[deg\], NaN for sources that
//! have none.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use ::parquet::column::reader::ColumnReader;
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{KeyValue, RowGroupMetaData};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::file::statistics::Statistics;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{Type, TypePtr};
use cdshealpix::nested;
use spx_core::atomic::AtomicFile;
use spx_core::sky::Position;

use super::{Catalog, CatalogMotion, CatalogShape, CatalogTarget};
use crate::BatchError;
use crate::columnar::{check_places, next, put};
use crate::store::{FINE_ORDER, StoredIds, store_order};

/// Rows of a row group, which is read as a whole.
const GROUP: usize = 1 << 14;
/// Circles are covered by cells of this order, 0.23 deg wide.
const COVER_ORDER: u8 = 8;
/// Keys of the footer.
const MADE_OF: &str = "spx.catalog";
const FASTEST: &str = "spx.fastest_motion";

const MOTION: [&str; 3] = ["pmra", "pmdec", "ref_epoch"];
const SHAPE: [&str; 4] = ["sersic", "r_eff", "axis_ratio", "position_angle"];

/// A circle on the sky at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogCircle {
    /// Its center.
    pub center: Position,
    /// \[deg\]
    pub radius: f64,
    /// Julian epoch \[yr\].
    pub epoch: f64,
}

/// Sources of a sorted catalog, in its order.
#[derive(Debug, Clone)]
pub struct NearSources {
    /// The sources.
    pub catalog: Catalog,
    /// Their ids; numbers where all of the whole catalog are.
    pub ids: StoredIds,
}

/// A sorted catalog on the disk.
pub struct SortedCatalog {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    made_of: String,
    fastest: FastestMotion,
}

/// A bound on the motions of a catalog.
#[derive(Debug, Clone, Copy, PartialEq)]
struct FastestMotion {
    /// [mas/yr]
    speed: f64,
    /// The first and the last epoch of a position \[yr\].
    epochs: [f64; 2],
}

impl FastestMotion {
    fn of(catalog: &Catalog) -> Self {
        let none = Self { speed: 0.0, epochs: [2000.0; 2] };
        let moving = (0..catalog.len()).filter_map(|number| catalog.target(number).motion);
        moving.fold(none, |Self { speed, epochs: [first, last] }, motion| Self {
            speed: speed.max(motion.ra_cos_dec.abs() + motion.dec.abs()),
            epochs: [first.min(motion.epoch), last.max(motion.epoch)],
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(|word| word.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Self { speed: next()?, epochs: [next()?, next()?] })
    }

    /// No source is farther from its catalogued position at a time \[deg\].
    fn reach(&self, epoch: f64) -> f64 {
        let years = self.epochs.map(|other| (epoch - other).abs());
        self.speed * years[0].max(years[1]) / 3.6e6
    }
}

impl SortedCatalog {
    /// Writes a catalog; `made_of` is a text that tells of what, for [`Self::made_of`].
    ///
    /// # Errors
    /// What the disk reports.
    pub fn write(path: &Path, catalog: &Catalog, made_of: &str) -> Result<(), BatchError> {
        let target = AtomicFile::new(path, true).map_err(BatchError::io(path))?;
        let file = File::create(target.path()).map_err(BatchError::io(path))?;
        write(file, catalog, made_of).map_err(BatchError::table(path))?;
        target.commit().map_err(BatchError::io(path))
    }

    /// Opens one.
    ///
    /// # Errors
    /// Where it cannot be read or is no such catalog.
    pub fn open(path: &Path) -> Result<Self, BatchError> {
        let file = File::open(path).map_err(BatchError::io(path))?;
        let reader = SerializedFileReader::new(file).map_err(BatchError::table(path))?;
        check_places(reader.metadata()).map_err(BatchError::table(path))?;
        let metadata = reader.metadata().file_metadata();
        let value = |key: &str| {
            let pairs = metadata.key_value_metadata()?;
            pairs.iter().find(|pair| pair.key == key)?.value.clone()
        };
        let first = metadata.schema_descr().columns().iter().map(|leaf| leaf.name()).take(4);
        let (made_of, fastest) = (value(MADE_OF), value(FASTEST).as_deref().and_then(FastestMotion::parse));
        match (made_of, fastest) {
            (Some(made_of), Some(fastest)) if first.eq(["_healpix_29", "target_id", "ra", "dec"]) => {
                Ok(Self { path: path.to_owned(), made_of, fastest, reader })
            }
            _ => Err(BatchError::table(path)("it is not a catalog of a survey")),
        }
    }

    /// The text that it was written with.
    pub fn made_of(&self) -> &str {
        &self.made_of
    }

    /// No ids, of the kind that the catalog has.
    pub fn no_ids(&self) -> StoredIds {
        let leaf = self.reader.metadata().file_metadata().schema_descr().column(1);
        match leaf.physical_type() {
            Physical::INT64 => StoredIds::Numbers(Vec::new()),
            _ => StoredIds::Texts(Vec::new()),
        }
    }

    /// At most so many sources does [`Self::near`] give.
    pub fn count_near(&self, circles: &[CatalogCircle]) -> usize {
        let cells = self.cells(circles);
        self.groups(&cells).map(|(_, group)| usize::try_from(group.num_rows()).unwrap_or_default()).sum()
    }

    /// The sources that are in one of some circles at its time, and others that are close to them.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn near(&self, circles: &[CatalogCircle]) -> Result<NearSources, BatchError> {
        let cells = self.cells(circles);
        let mut found = NearSources { catalog: Catalog::default(), ids: self.no_ids() };
        for (number, _) in self.groups(&cells) {
            let rows = SourceRows::read(&self.reader, number).map_err(BatchError::table(&self.path))?;
            let mut left = cells.as_slice();
            for row in 0..rows.cells.len() {
                let cell = rows.cells[row].cast_unsigned();
                left = &left[left.partition_point(|range| range.end <= cell)..];
                if left.first().is_some_and(|range| range.contains(&cell)) {
                    rows.add(row, &mut found).map_err(BatchError::table(&self.path))?;
                }
            }
        }
        Ok(found)
    }

    /// The position of a source; `None` where there is no such one.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn position(&self, id: &str) -> Result<Option<Position>, BatchError> {
        for number in 0..self.reader.num_row_groups() {
            let ids = SourceIds::read(&self.reader, number).map_err(BatchError::table(&self.path))?;
            if let Some(row) = ids.find(id) {
                let rows = SourceRows::read(&self.reader, number).map_err(BatchError::table(&self.path))?;
                return rows.position(row).map(Some).map_err(BatchError::table(&self.path));
            }
        }
        Ok(None)
    }

    /// The cells of order 29 of the circles, sorted and apart.
    fn cells(&self, circles: &[CatalogCircle]) -> Vec<Range<u64>> {
        let shift = 2 * (FINE_ORDER - COVER_ORDER);
        let mut cells: Vec<u64> = Vec::new();
        for CatalogCircle { center, radius, epoch } in circles {
            let radius = (radius + self.fastest.reach(*epoch)).to_radians();
            let (lon, lat) = (center.ra().to_radians(), center.dec().to_radians());
            cells.extend(nested::cone_coverage_approx_flat(COVER_ORDER, lon, lat, radius));
        }
        cells.sort_unstable();
        cells.dedup();
        let runs = cells.chunk_by(|a, b| a + 1 == *b);
        let run = |run: &[u64]| Some(run.first()? << shift..(run.last()? + 1) << shift);
        runs.filter_map(run).collect()
    }

    /// The row groups that may have sources in some cells.
    fn groups<'c>(
        &'c self,
        cells: &'c [Range<u64>],
    ) -> impl Iterator<Item = (usize, &'c RowGroupMetaData)> + 'c {
        let groups = self.reader.metadata().row_groups().iter().enumerate();
        groups.filter(|(_, group)| {
            let Some(Statistics::Int64(range)) = group.column(0).statistics() else { return true };
            let (Some(min), Some(max)) = (range.min_opt(), range.max_opt()) else { return true };
            let (min, max) = (min.cast_unsigned(), max.cast_unsigned());
            let after = cells.partition_point(|range| range.end <= min);
            cells.get(after).is_some_and(|range| range.start <= max)
        })
    }
}

/// The ids of a row group.
enum SourceIds {
    Numbers(Vec<i64>),
    Texts(Vec<ByteArray>),
}

impl SourceIds {
    fn read(reader: &SerializedFileReader<File>, number: usize) -> Result<Self, ParquetError> {
        let group = reader.get_row_group(number)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        match group.get_column_reader(1)? {
            ColumnReader::Int64ColumnReader(mut reader) => {
                Ok(Self::Numbers(next(&mut reader, rows, 0)?.into_iter().flatten().collect()))
            }
            ColumnReader::ByteArrayColumnReader(mut reader) => {
                Ok(Self::Texts(next(&mut reader, rows, 0)?.into_iter().flatten().collect()))
            }
            _ => Err(ParquetError::General("ids are neither numbers nor texts".into())),
        }
    }

    fn find(&self, id: &str) -> Option<usize> {
        match self {
            Self::Numbers(ids) => {
                let wanted = id.parse::<i64>().ok().filter(|number| number.to_string() == id)?;
                ids.iter().position(|other| *other == wanted)
            }
            Self::Texts(ids) => ids.iter().position(|other| other.data() == id.as_bytes()),
        }
    }
}

/// The rows of a row group.
struct SourceRows {
    cells: Vec<i64>,
    ids: SourceIds,
    places: [Vec<f64>; 2],
    /// Empty where no source of the catalog has one, as the next.
    motions: [Vec<f64>; 3],
    shapes: [Vec<f64>; 4],
}

impl SourceRows {
    fn read(reader: &SerializedFileReader<File>, number: usize) -> Result<Self, ParquetError> {
        let group = reader.get_row_group(number)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        let cells = match group.get_column_reader(0)? {
            ColumnReader::Int64ColumnReader(mut reader) => next(&mut reader, rows, 0)?,
            _ => return Err(ParquetError::General("cells are not numbers".into())),
        };
        let leaves = group.metadata().schema_descr().columns();
        let reals = |name: &str| match leaves.iter().position(|leaf| leaf.name() == name) {
            None => Ok(Vec::new()),
            Some(column) => match group.get_column_reader(column)? {
                ColumnReader::DoubleColumnReader(mut reader) => {
                    Ok(next(&mut reader, rows, 0)?.into_iter().flatten().collect())
                }
                _ => Err(ParquetError::General(format!("{name} is not of double precision"))),
            },
        };
        Ok(Self {
            cells: cells.into_iter().flatten().collect(),
            ids: SourceIds::read(reader, number)?,
            places: [reals("ra")?, reals("dec")?],
            motions: [reals(MOTION[0])?, reals(MOTION[1])?, reals(MOTION[2])?],
            shapes: [reals(SHAPE[0])?, reals(SHAPE[1])?, reals(SHAPE[2])?, reals(SHAPE[3])?],
        })
    }

    fn position(&self, row: usize) -> Result<Position, ParquetError> {
        let [ra, dec] = [0, 1].map(|axis| self.places[axis].get(row).copied().unwrap_or(f64::NAN));
        Position::new(ra, dec).map_err(|error| ParquetError::General(error.to_string()))
    }

    /// Appends a source.
    fn add(&self, row: usize, found: &mut NearSources) -> Result<(), ParquetError> {
        let value = |column: &Vec<f64>| column.get(row).copied().unwrap_or(f64::NAN);
        let [ra_cos_dec, dec, epoch] = self.motions.each_ref().map(value);
        let [index, r_eff, axis_ratio, position_angle] = self.shapes.each_ref().map(value);
        let mut target = CatalogTarget {
            id: "",
            position: self.position(row)?,
            motion: (!epoch.is_nan()).then_some(CatalogMotion { ra_cos_dec, dec, epoch }),
            shape: (!r_eff.is_nan()).then_some(CatalogShape { index, r_eff, axis_ratio, position_angle }),
        };
        let text;
        target.id = match (&self.ids, &mut found.ids) {
            (SourceIds::Numbers(ids), StoredIds::Numbers(kept)) => {
                kept.push(ids[row]);
                text = ids[row].to_string();
                &text
            }
            (SourceIds::Texts(ids), StoredIds::Texts(kept)) => {
                let id = ids[row].as_utf8()?;
                kept.push(id.to_owned());
                id
            }
            _ => return Err(ParquetError::General("ids are of two kinds".into())),
        };
        found.catalog.push(&target);
        Ok(())
    }
}

fn write(file: File, catalog: &Catalog, made_of: &str) -> Result<(), ParquetError> {
    let ids = StoredIds::new((0..catalog.len()).map(|number| catalog.target(number).id));
    let order = store_order(&ids, catalog.positions());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("spx ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_dictionary_enabled(false)
        .build();
    let moving = !catalog.motions.is_empty();
    let shaped = !catalog.shapes.is_empty();
    let mut out = SerializedFileWriter::new(file, schema(&ids, moving, shaped)?, Arc::new(properties))?;
    for rows in order.chunks(GROUP) {
        let mut group = out.next_row_group()?;
        put::<Int64Type>(&mut group, &rows.iter().map(|(cell, _)| cell.cast_signed()).collect::<Vec<_>>())?;
        match &ids {
            StoredIds::Numbers(ids) => {
                let ids: Vec<i64> = rows.iter().map(|(_, number)| ids[*number as usize]).collect();
                put::<Int64Type>(&mut group, &ids)?;
            }
            StoredIds::Texts(ids) => {
                let text = |number: u32| ByteArray::from(ids[number as usize].as_bytes().to_vec());
                let ids: Vec<ByteArray> = rows.iter().map(|(_, number)| text(*number)).collect();
                put::<ByteArrayType>(&mut group, &ids)?;
            }
        }
        let mut reals = |value: &dyn Fn(&CatalogTarget<'_>) -> f64| {
            let of_row = |(_, number): &(u64, u32)| value(&catalog.target(*number as usize));
            put::<DoubleType>(&mut group, &rows.iter().map(of_row).collect::<Vec<_>>())
        };
        reals(&|target| target.position.ra())?;
        reals(&|target| target.position.dec())?;
        if moving {
            reals(&|target| target.motion.map_or(f64::NAN, |motion| motion.ra_cos_dec))?;
            reals(&|target| target.motion.map_or(f64::NAN, |motion| motion.dec))?;
            reals(&|target| target.motion.map_or(f64::NAN, |motion| motion.epoch))?;
        }
        if shaped {
            reals(&|target| target.shape.map_or(f64::NAN, |shape| shape.index))?;
            reals(&|target| target.shape.map_or(f64::NAN, |shape| shape.r_eff))?;
            reals(&|target| target.shape.map_or(f64::NAN, |shape| shape.axis_ratio))?;
            reals(&|target| target.shape.map_or(f64::NAN, |shape| shape.position_angle))?;
        }
        group.close()?;
    }
    let FastestMotion { speed, epochs: [first, last] } = FastestMotion::of(catalog);
    let fastest = format!("{speed} {first} {last}");
    for (key, value) in [(MADE_OF, made_of.to_owned()), (FASTEST, fastest)] {
        out.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
    }
    out.close().map(|_| ())
}

fn schema(ids: &StoredIds, moving: bool, shaped: bool) -> Result<TypePtr, ParquetError> {
    let id = match ids {
        StoredIds::Numbers(_) => (Physical::INT64, None),
        StoredIds::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let real = |name| (name, (Physical::DOUBLE, None));
    let mut columns =
        vec![("_healpix_29", (Physical::INT64, None)), ("target_id", id), real("ra"), real("dec")];
    columns.extend(MOTION.into_iter().filter(|_| moving).map(real));
    columns.extend(SHAPE.into_iter().filter(|_| shaped).map(real));
    let fields = columns.into_iter().map(|(name, (physical, logical))| {
        let builder = Type::primitive_type_builder(name, physical);
        builder.with_logical_type(logical).with_repetition(Repetition::REQUIRED).build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("sources").with_fields(fields).build().map(Arc::new)
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;
    use spx_core::elementary::asin;

    use super::*;

    /// Sources all over the sky, of which every third moves fast; and some at the poles.
    fn catalog(count: usize, id: impl Fn(usize) -> String) -> Catalog {
        let mut rng = Rng::with_seed(7);
        let mut catalog = Catalog::default();
        for number in 0..count {
            let dec = if number % 50 == 0 { 90.0 } else { asin(2.0 * rng.f64() - 1.0).to_degrees() };
            let motion = CatalogMotion { ra_cos_dec: 5e5 * rng.f64(), dec: -4e5, epoch: 1991.25 };
            let shape = CatalogShape { index: 2.5, r_eff: 1.5, axis_ratio: 0.5, position_angle: 33.0 };
            catalog.push(&CatalogTarget {
                id: &id(number),
                position: Position::new(360.0 * rng.f64(), dec).unwrap(),
                motion: (number % 3 == 0).then_some(motion),
                shape: (number % 4 == 1).then_some(shape),
            });
        }
        catalog
    }

    fn circle(ra: f64, dec: f64, radius: f64) -> CatalogCircle {
        CatalogCircle { center: Position::new(ra, dec).unwrap(), radius, epoch: 2026.0 }
    }

    /// Every source of the circles comes back as it was, few others do, and all are in the order of
    /// the store.
    #[test]
    fn sources_near_circles_are_those_of_the_whole_catalog() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sources.parquet");
        for (numbers, id) in [(true, ""), (false, "s")] {
            let whole = catalog(40_000, |number| format!("{id}{}", 50_000 - number));
            SortedCatalog::write(&path, &whole, "this").unwrap();
            let sorted = SortedCatalog::open(&path).unwrap();
            assert_eq!(sorted.made_of(), "this");
            assert_eq!(matches!(sorted.no_ids(), StoredIds::Numbers(_)), numbers);
            for circles in
                [&[circle(0.0, 0.0, 3.0)][..], &[circle(10.0, 89.9, 2.0), circle(200.0, -40.0, 5.0)], &[]]
            {
                let near = sorted.near(circles).unwrap();
                let count = near.catalog.len();
                assert!(count <= sorted.count_near(circles) && count < 3000, "{count}");
                let targets: Vec<CatalogTarget<'_>> = (0..count).map(|n| near.catalog.target(n)).collect();
                for target in (0..whole.len()).map(|number| whole.target(number)) {
                    // It may have moved by 4.5 deg/century each year at most.
                    let speed = target.motion.map_or(0.0, |m| {
                        spx_core::elementary::hypot(m.ra_cos_dec, m.dec) * (2026.0 - m.epoch)
                    });
                    let is_near = |circle: &CatalogCircle| {
                        target.position.separation(circle.center) <= circle.radius + speed / 3.6e6
                    };
                    assert!(!circles.iter().any(is_near) || targets.contains(&target), "{target:?}");
                }
                assert!(
                    targets.iter().all(|target| sorted.position(target.id).unwrap() == Some(target.position))
                );
                let order = store_order(&near.ids, near.catalog.positions());
                assert!(order.iter().map(|(_, number)| *number).eq(0..u32::try_from(count).unwrap()));
                let told = (0..count).all(|number| match &near.ids {
                    StoredIds::Numbers(ids) => ids[number].to_string() == targets[number].id,
                    StoredIds::Texts(ids) => ids[number] == targets[number].id,
                });
                assert!(told);
            }
            assert_eq!(sorted.position("none").unwrap(), None);
        }
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sources.parquet");
        let refused = |path: &Path| SortedCatalog::open(path).err().unwrap().to_string();
        assert!(refused(&path).contains("sources.parquet"));
        std::fs::write(&path, "id,ra,dec\n").unwrap();
        assert!(refused(&path).contains("sources.parquet"));
        let store = crate::LightCurveStore::new(folder.path());
        store.write_properties("test", &StoredIds::Numbers(Vec::new())).unwrap();
        assert!(
            refused(&folder.path().join("dataset/_common_metadata")).contains("not a catalog of a survey")
        );
    }
}
