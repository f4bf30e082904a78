//! The archive's tables, filled from the index.

use crate::files::IBE;
use crate::http::encode;
use crate::index::{Calibration, Image, Index};
use crate::sphere::Region;
use crate::table::{Column, Kind, Table, Value, column};
use spx_core::elementary::hypot;

/// The media type of an access_url that is the file itself.
const FITS: &str = "application/fits";

/// The schema of tables whose names have none.
const UNNAMED: &str = "irsa_directory";
/// Schemas and what they hold.
pub(crate) const SCHEMAS: [(&str, &str); 3] = [
    ("spherex", "SPHEREx, Quick Releases"),
    (UNNAMED, "Tables of sources"),
    ("TAP_SCHEMA", "The tables of this service"),
];

/// All tables, `others` included; `base` is the address of the archive.
pub(crate) fn tables(index: &Index, base: &str, others: Vec<Table>) -> Vec<Table> {
    let mut tables = vec![artifact(index), plane(index), observation(index), obscore(index, base)];
    tables.extend(others);
    let described = tap_schema(&tables);
    tables.extend(described);
    tables
}

/// A number that identifies a text: FNV-1a, without its highest bit.
fn identifier(text: &str) -> Value {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Value::count(hash >> 1)
}

fn plane_id(image: &Image) -> Value {
    identifier(&image.path)
}

fn observation_id(image: &Image) -> Value {
    identifier(&format!("{}/{}", image.collection(), image.id.observation))
}

/// A column of a table with a row for each image, and its value.
type ImageColumn = (Column, fn(&Image) -> Value);

fn table_of_images(
    name: &'static str,
    description: &'static str,
    columns: Vec<ImageColumn>,
    index: &Index,
) -> Table {
    let row = |image: &Image| columns.iter().map(|(_, value)| value(image)).collect();
    let rows = index.images.iter().map(row).collect();
    Table {
        name: name.into(),
        description,
        columns: columns.into_iter().map(|(column, _)| column).collect(),
        rows,
    }
}

fn artifact(index: &Index) -> Table {
    use Kind::{Long, Text};
    let columns: Vec<ImageColumn> = vec![
        (column("artifactid", Long, "", "Identifier of the file"), |image| {
            identifier(&format!("{}#artifact", image.path))
        }),
        (column("planeid", Long, "", "Identifier of the plane that the file belongs to"), plane_id),
        (column("uri", Text, "", "Path of the file below the archive's address"), |image| {
            format!("{}{}", &IBE[1..], image.path).into()
        }),
        (column("producttype", Text, "", "What the file is"), |_| "science".into()),
        (column("contenttype", Text, "", "Media type"), |_| FITS.into()),
        (column("contentlength", Long, "byte", "Size"), |image| Value::count(image.size)),
    ];
    table_of_images("spherex.artifact", "Files", columns, index)
}

fn plane(index: &Index) -> Table {
    use Kind::{Double, Int, Long, Polygon, Text};
    let columns: Vec<ImageColumn> = vec![
        (column("planeid", Long, "", "Identifier of the plane"), plane_id),
        (column("obsid", Long, "", "Identifier of the observation"), observation_id),
        (column("obs_publisher_did", Text, "", "Identifier that the publisher gives"), |i| {
            i.publisher_did().into()
        }),
        (column("poly", Polygon, "deg", "Outline, ICRS"), |i| Value::polygon(&i.outline)),
        (column("time_bounds_lower", Double, "d", "Start, MJD"), |i| i.time[0].into()),
        (column("time_bounds_upper", Double, "d", "End, MJD"), |i| i.time[1].into()),
        (column("time_exposure", Double, "s", "Exposure time"), |i| i.exposure.into()),
        (column("energy_bandpassname", Text, "", "Detector"), |i| i.bandpass().into()),
        (column("energy_bounds_lower", Double, "m", "Shortest wavelength"), |i| i.energy[0].into()),
        (column("energy_bounds_upper", Double, "m", "Longest wavelength"), |i| i.energy[1].into()),
        (column("provenance_version", Text, "", "Version of the pipeline"), |i| i.version.as_str().into()),
        (column("quality_flag", Text, "", "Outcome of the quality assessment"), |i| i.quality.clone().into()),
        (column("dataproducttype", Text, "", "Type of the product"), |_| "image".into()),
        (column("calibrationlevel", Int, "", "Level of calibration"), |_| 2_i64.into()),
    ];
    let description = "Spectral images: an observation of one detector";
    table_of_images("spherex.plane", description, columns, index)
}

fn observation(index: &Index) -> Table {
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for image in &index.images {
        let row = vec![
            observation_id(image),
            image.collection().into(),
            image.id.observation.as_str().into(),
            "science".into(),
            "SPHEREx".into(),
            "SPHEREx".into(),
        ];
        if !rows.iter().rev().take(12).any(|other| other[0] == row[0]) {
            rows.push(row);
        }
    }
    rows.sort_by(|a, b| a[2].compare(&b[2]).unwrap_or(std::cmp::Ordering::Equal));
    rows.dedup_by(|a, b| a[0] == b[0]);
    Table {
        name: "spherex.observation".into(),
        description: "Observations: up to six planes each",
        columns: vec![
            column("obsid", Kind::Long, "", "Identifier of the observation"),
            column("collection", Kind::Text, "", "Release"),
            column("observationid", Kind::Text, "", "Name of the observation"),
            column("intent", Kind::Text, "", "Science or calibration"),
            column("telescope_name", Kind::Text, "", "Telescope"),
            column("instrument_name", Kind::Text, "", "Instrument"),
        ],
        rows,
    }
}

/// A column of ObsCore with its UCD and utype.
fn obs(name: &str, kind: Kind, unit: &'static str, ucd: &'static str, utype: &'static str) -> Column {
    Column { unit, ucd, utype, ..Column::of(name.to_owned(), kind) }
}

/// The columns of ObsCore 1.1, section 3.1, and those that the archive adds.
fn obscore_columns() -> Vec<Column> {
    use Kind::{Double, Int, Long, Region, Text};
    vec![
        obs("dataproduct_type", Text, "", "meta.id", "ObsDataset.dataProductType"),
        obs("calib_level", Int, "", "meta.code;obs.calib", "ObsDataset.calibLevel"),
        obs("obs_collection", Text, "", "meta.id", "DataID.collection"),
        obs("obs_id", Text, "", "meta.id", "DataID.observationID"),
        obs("obs_title", Text, "", "meta.title;obs", "DataID.title"),
        obs("obs_publisher_did", Text, "", "meta.ref.ivoid", "Curation.publisherDID"),
        obs("access_url", Text, "", "meta.ref.url", "Access.reference"),
        obs("access_format", Text, "", "meta.code.mime", "Access.format"),
        obs("access_estsize", Long, "kbyte", "phys.size;meta.file", "Access.size"),
        obs("target_name", Text, "", "meta.id;src", "Target.name"),
        obs(
            "s_ra",
            Double,
            "deg",
            "pos.eq.ra",
            "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1",
        ),
        obs(
            "s_dec",
            Double,
            "deg",
            "pos.eq.dec",
            "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2",
        ),
        obs(
            "s_fov",
            Double,
            "deg",
            "phys.angSize;instr.fov",
            "Char.SpatialAxis.Coverage.Bounds.Extent.diameter",
        ),
        obs("s_region", Region, "deg", "pos.outline;obs.field", "Char.SpatialAxis.Coverage.Support.Area"),
        obs(
            "s_resolution",
            Double,
            "arcsec",
            "pos.angResolution",
            "Char.SpatialAxis.Resolution.Refval.value",
        ),
        obs("s_xel1", Long, "", "meta.number", "Char.SpatialAxis.numBins1"),
        obs("s_xel2", Long, "", "meta.number", "Char.SpatialAxis.numBins2"),
        obs(
            "t_min",
            Double,
            "d",
            "time.start;obs.exposure",
            "Char.TimeAxis.Coverage.Bounds.Limits.StartTime",
        ),
        obs("t_max", Double, "d", "time.end;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StopTime"),
        obs("t_exptime", Double, "s", "time.duration;obs.exposure", "Char.TimeAxis.Coverage.Support.Extent"),
        obs("t_resolution", Double, "s", "time.resolution", "Char.TimeAxis.Resolution.Refval.value"),
        obs("t_xel", Long, "", "meta.number", "Char.TimeAxis.numBins"),
        obs("em_min", Double, "m", "em.wl;stat.min", "Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit"),
        obs("em_max", Double, "m", "em.wl;stat.max", "Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit"),
        obs("em_res_power", Double, "", "spect.resolution", "Char.SpectralAxis.Resolution.ResolPower.refVal"),
        obs("em_xel", Long, "", "meta.number", "Char.SpectralAxis.numBins"),
        obs("o_ucd", Text, "", "meta.ucd", "Char.ObservableAxis.ucd"),
        obs("pol_states", Text, "", "meta.code;phys.polarization", "Char.PolarizationAxis.stateList"),
        obs("pol_xel", Long, "", "meta.number", "Char.PolarizationAxis.numBins"),
        obs("facility_name", Text, "", "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name"),
        obs("instrument_name", Text, "", "meta.id;instr", "Provenance.ObsConfig.Instrument.name"),
        obs("energy_bandpassname", Text, "", "instr.bandpass", ""),
        obs("cloud_access", Text, "", "meta.ref.url", ""),
    ]
}

fn obscore(index: &Index, base: &str) -> Table {
    Table {
        name: "spherex.obscore".into(),
        description: "Spectral images as ObsCore 1.1 describes observations",
        columns: obscore_columns(),
        rows: index.images.iter().map(|image| obscore_row(image, base)).collect(),
    }
}

fn obscore_row(image: &Image, base: &str) -> Vec<Value> {
    let [ny, nx] = image.shape;
    let scale = (image.wcs.pixel_area(nx as f64 / 2.0, ny as f64 / 2.0)).sqrt() / 3600.0;
    let channels = image.id.detector.channels();
    let powers = channels.iter().map(|c| c.resolving_power).sum::<f64>() / channels.len() as f64;
    vec![
        "image".into(),
        2_i64.into(),
        image.collection().into(),
        image.id.observation.as_str().into(),
        format!("{} {}", image.id.observation, image.bandpass()).into(),
        image.publisher_did().into(),
        access_url(base, &image.path).into(),
        FITS.into(),
        Value::count(image.size.div_ceil(1024)),
        Value::Null,
        image.center[0].into(),
        image.center[1].into(),
        (scale * hypot(nx as f64, ny as f64)).into(),
        Value::polygon(&image.outline),
        6.2.into(),
        Value::count(nx as u64),
        Value::count(ny as u64),
        image.time[0].into(),
        image.time[1].into(),
        image.exposure.into(),
        image.exposure.into(),
        1_i64.into(),
        image.energy[0].into(),
        image.energy[1].into(),
        powers.into(),
        1_i64.into(),
        "phot.flux.density;em.IR".into(),
        Value::Null,
        1_i64.into(),
        "SPHEREx".into(),
        "SPHEREx".into(),
        image.bandpass().into(),
        cloud_access(&image.path).into(),
    ]
}

/// What SIA searches: the images, and the calibration files as collections of their own.
pub(crate) fn sia(index: &Index, base: &str) -> Table {
    let mut table = obscore(index, base);
    let calibrations = index.calibrations.iter();
    table.rows.extend(calibrations.map(|c| calibration_row(c, &table.columns, base)));
    table
}

/// What is known of a calibration file; it has no place, no time and no wavelengths.
fn calibration_row(calibration: &Calibration, columns: &[Column], base: &str) -> Vec<Value> {
    let path = calibration.path.as_str();
    let name = path.rsplit('/').next().unwrap_or(path);
    let collection = format!("spherex_{}_cal", path.split('/').next().unwrap_or_default());
    let band = calibration.detector.map(|d| format!("SPHEREx-D{d}"));
    let known = |column: &Column| match column.name.as_str() {
        "dataproduct_type" => "image".into(),
        "calib_level" => 2_i64.into(),
        "obs_collection" => collection.as_str().into(),
        "obs_id" => name.trim_end_matches(".fits").into(),
        "obs_title" => calibration.product.into(),
        "obs_publisher_did" => format!("ivo://irsa.ipac/{collection}?{name}").into(),
        "access_url" => access_url(base, path).into(),
        "access_format" => FITS.into(),
        "access_estsize" => Value::count(calibration.size.div_ceil(1024)),
        "facility_name" | "instrument_name" => "SPHEREx".into(),
        "energy_bandpassname" => band.clone().into(),
        "cloud_access" => cloud_access(path).into(),
        _ => Value::Null,
    };
    columns.iter().map(known).collect()
}

/// The address of a file.
pub(crate) fn access_url(base: &str, path: &str) -> String {
    let path: Vec<String> = path.split('/').map(encode).collect();
    format!("{base}{IBE}{}", path.join("/"))
}

/// Where the archive's copy in the cloud is, as the archive writes it.
fn cloud_access(path: &str) -> String {
    format!(
        "{{\"aws\": {{\"bucket_name\": \"nasa-irsa-spherex\", \"key\": \"{path}\", \"region\": \"us-east-1\"}}}}"
    )
}

/// TAP_SCHEMA (TAP 1.1, section 4), describing the tables given and itself.
fn tap_schema(tables: &[Table]) -> Vec<Table> {
    let text = |name| column(name, Kind::Text, "", "");
    let int = |name| column(name, Kind::Int, "", "");
    let empty = |name: &'static str, description, columns| Table {
        name: name.into(),
        description,
        columns,
        rows: Vec::new(),
    };
    let mut own = vec![
        empty(
            "TAP_SCHEMA.schemas",
            "Schemas",
            vec![text("schema_name"), text("utype"), text("description"), int("schema_index")],
        ),
        empty(
            "TAP_SCHEMA.tables",
            "Tables",
            ["schema_name", "table_name", "table_type", "utype", "description"]
                .map(text)
                .into_iter()
                .chain([int("table_index")])
                .collect(),
        ),
        empty("TAP_SCHEMA.columns", "Columns", schema_columns()),
        empty(
            "TAP_SCHEMA.keys",
            "Foreign keys",
            ["key_id", "from_table", "target_table", "description", "utype"].map(text).to_vec(),
        ),
        empty(
            "TAP_SCHEMA.key_columns",
            "Columns of foreign keys",
            ["key_id", "from_column", "target_column"].map(text).to_vec(),
        ),
    ];
    let all: Vec<&Table> = tables.iter().chain(&own).collect();
    let schema_rows =
        SCHEMAS.iter().map(|(name, text)| vec![(*name).into(), Value::Null, (*text).into(), Value::Null]);
    let table_rows: Vec<Vec<Value>> = all
        .iter()
        .map(|t| {
            let head = [schema_of(t).into(), t.name.as_ref().into(), "table".into()];
            head.into_iter().chain([Value::Null, t.description.into(), Value::Null]).collect()
        })
        .collect();
    let column_rows: Vec<Vec<Value>> =
        all.iter().flat_map(|t| t.columns.iter().map(|c| column_row(t, c))).collect();
    let schema_rows = schema_rows.collect();
    (own[0].rows, own[1].rows, own[2].rows) = (schema_rows, table_rows, column_rows);
    let key = vec!["plane_artifact".into(), "spherex.artifact".into(), "spherex.plane".into()];
    own[3].rows = vec![key.into_iter().chain([Value::Null, Value::Null]).collect()];
    own[4].rows = vec![vec!["plane_artifact".into(), "planeid".into(), "planeid".into()]];
    own
}

fn schema_columns() -> Vec<Column> {
    let text = |name| column(name, Kind::Text, "", "");
    let int = |name| column(name, Kind::Int, "", "");
    let texts = ["table_name", "column_name", "datatype", "arraysize", "xtype", "unit", "ucd", "utype"];
    let ints = ["indexed", "principal", "std", "column_index", "size"];
    let mut columns: Vec<Column> = texts.map(text).to_vec();
    columns.push(text("description"));
    columns.extend(ints.map(int));
    columns
}

/// The schema of a table.
pub(crate) fn schema_of(table: &Table) -> &str {
    table.name.split_once('.').map_or(UNNAMED, |(schema, _)| schema)
}

/// Datatype, arraysize and xtype of a column in a VOTable.
pub(crate) fn datatype(kind: Kind) -> (&'static str, Option<&'static str>, Option<&'static str>) {
    match kind {
        Kind::Text => ("char", Some("*"), None),
        Kind::Int => ("int", None, None),
        Kind::Long => ("long", None, None),
        Kind::Double => ("double", None, None),
        Kind::Polygon => ("double", Some("*"), Some("polygon")),
        Kind::Region => ("char", Some("*"), Some("adql:REGION")),
    }
}

fn column_row(table: &Table, column: &Column) -> Vec<Value> {
    let (datatype, size, xtype) = datatype(column.kind);
    let some = |text: &str| if text.is_empty() { Value::Null } else { Value::text(text) };
    let texts = [Some(datatype), size, xtype].map(|v| v.map_or(Value::Null, Value::text));
    let mut row = vec![table.name.as_ref().into(), column.name.as_str().into()];
    row.extend(texts);
    row.extend([column.unit, column.ucd, column.utype, column.description].map(some));
    row.extend([0, 1, 0].map(Value::Integer));
    row.extend([Value::Null, Value::Null]);
    row
}

/// The region of a cell, if it is one.
pub(crate) fn region_of(value: &Value) -> Option<&Region> {
    if let Value::Region(region) = value { Some(region) } else { None }
}
