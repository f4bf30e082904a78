//! The cube file: seven HDUs, written whole or not at all, and read back plane by plane.
//!
//! | HDU | name | content |
//! |---|---|---|
//! | 0 | PRIMARY | what went in: counts of inputs, options, one HISTORY card an input |
//! | 1 | SCI | f32, mean surface brightness [MJy/sr], NaN = no data |
//! | 2 | VARIANCE | f32, [(MJy/sr)^2], NaN = no data |
//! | 3 | AND_MASK | u32, flags that all contributions had |
//! | 4 | OR_MASK | u32, flags that any contribution had |
//! | 5 | COUNT | u16, number of contributions, saturating |
//! | 6 | WAVELENGTH | one row a plane: the exact wavelengths |
//! | 7 | WCS-WAVE | optional: the exact centres once more, as the table of the alternate WCS `T` |
//!
//! Arrays are `[z][y][x]`, slowest axis first. All image HDUs carry the celestial WCS and an approximate third
//! axis for viewers: WAVE-LOG in um, fitted to the bin centres to better than 0.08 channel where a linear one
//! would be off by up to 0.92; `DISPAXIS = 3` lets Cubeviz find it. The same inputs give the same bytes:
//! nothing in the file tells when it was made.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use spx_core::atomic::AtomicFile;
use spx_core::detector::Detector;
use spx_core::fits::{ColumnSpec, FitsError, FitsReader, FitsWriter, Pixel};
use spx_core::header::{Header, HeaderError};
use spx_core::progress::Progress;
use thiserror::Error;

use crate::cube::{Cube, CubeData, array};
use crate::{Bin, DrizzleError, DrizzleOptions, WavelengthGrid};

/// Why a cube could not be written or read.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct CubeFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: CubeFileProblem,
}

/// What is wrong with a cube file.
#[derive(Debug, Error)]
pub enum CubeFileProblem {
    /// The file is there already and may not be replaced.
    #[error("the file exists and is not overwritten")]
    Exists,
    /// The file system refuses.
    #[error(transparent)]
    Io(io::Error),
    /// CFITSIO refuses.
    #[error(transparent)]
    Fits(#[from] FitsError),
    /// A card is missing or wrong.
    #[error("HDU {hdu}: {source}")]
    Header {
        /// The HDU.
        hdu: &'static str,
        /// The card.
        source: HeaderError,
    },
    /// It is FITS, but no cube of spx.
    #[error("not a cube of spx: {0}")]
    NotACube(String),
    /// The wavelengths of its table make no axis.
    #[error("HDU WAVELENGTH: {0}")]
    Wavelengths(DrizzleError),
    /// The user asked to stop; nothing is left of the file.
    #[error("interrupted")]
    Cancelled,
}

impl From<io::Error> for CubeFileProblem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists,
            _ => Self::Io(error),
        }
    }
}

/// What a cube file says beside its arrays.
#[derive(Debug, Clone, PartialEq)]
pub struct CubeInfo {
    /// The detector whose exposures went in.
    pub detector: Detector,
    /// Exposures of which at least one pixel contributed.
    pub inputs: usize,
    /// Exposures that were read and of which no pixel took part.
    pub rejected: usize,
    /// Exposures that could not be read.
    pub failed: usize,
    /// The options of the drizzle.
    pub options: DrizzleOptions,
    /// Oversampling of the output grid in x and y.
    pub xy_oversample: f64,
    /// Oversampling of the wavelength axis.
    pub z_oversample: f64,
    /// Native pixel scale that `xy_oversample` refers to \[arcsec\].
    pub base_pixel_scale: f64,
    /// Cards of the celestial WCS, two axes.
    pub celestial: Header,
    /// Adds the exact alternate WCS `T` and its table.
    pub exact_wavelength_wcs: bool,
    /// Lines of provenance: inputs, their fate, the configuration.
    pub history: Vec<String>,
}

/// A column of WAVELENGTH of type f64: name, unit, value.
type WavelengthColumn = (&'static str, &'static str, fn(Bin) -> f64);

const WAVELENGTH_COLUMNS: [WavelengthColumn; 7] = [
    ("LAMBDA", "um", Bin::centre),
    ("LAMBDA_MIN", "um", |b| b.min),
    ("LAMBDA_MAX", "um", |b| b.max),
    ("DLAMBDA", "um", Bin::width),
    ("NU", "Hz", Bin::frequency),
    ("DNU", "Hz", Bin::frequency_width),
    ("R_EFF", "", Bin::resolving_power),
];

/// Writes a cube under a temporary name, flushes it and gives it its name. `progress` is asked between planes
/// whether to stop, and advances by one for each plane of each array: 5 `nz` steps.
///
/// # Errors
/// [`CubeFileProblem::Exists`] where the file is there and `overwrite` is false; whatever the disk refuses.
/// In any case nothing half-written is left.
pub fn write(
    path: &Path,
    cube: &dyn CubeData,
    info: &CubeInfo,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<(), CubeFileError> {
    let attempt = || -> Result<(), CubeFileProblem> {
        let file = AtomicFile::new(path, overwrite)?;
        let mut fits = FitsWriter::create(file.path())?;
        write_hdus(&mut fits, cube, info, progress)?;
        fits.finish()?;
        Ok(file.commit()?)
    };
    attempt().map_err(|problem| CubeFileError { path: path.to_owned(), problem })
}

fn write_hdus(
    fits: &mut FitsWriter,
    cube: &dyn CubeData,
    info: &CubeInfo,
    progress: &dyn Progress,
) -> Result<(), CubeFileProblem> {
    fits.image::<u8>(&[], &primary_cards(cube, info))?;
    fits.checksum()?;
    let mut out =
        PlaneWriter { fits, shape: cube.shape(), wcs: wcs_cards(cube.wavelengths(), info), progress };
    out.image("SCI", "MJy/sr", |z, plane: &mut [f32]| cube.science(z, plane))?;
    out.image("VARIANCE", "MJy2/sr2", |z, plane: &mut [f32]| cube.variance(z, plane))?;
    out.image("AND_MASK", "", |z, plane: &mut [u32]| cube.and_mask(z, plane))?;
    out.image("OR_MASK", "", |z, plane: &mut [u32]| cube.or_mask(z, plane))?;
    out.image("COUNT", "", |z, plane: &mut [u16]| cube.count(z, plane))?;
    write_wavelengths(fits, cube)?;
    if info.exact_wavelength_wcs {
        write_exact_table(fits, cube.wavelengths())?;
    }
    Ok(())
}

/// Pixels that are computed before they are written, if they are more than a plane.
const BATCH_PIXELS: usize = 4 << 20;

struct PlaneWriter<'a> {
    fits: &'a mut FitsWriter,
    shape: [usize; 3],
    wcs: Header,
    progress: &'a dyn Progress,
}

impl PlaneWriter<'_> {
    fn image<T: Pixel + Default>(
        &mut self,
        name: &str,
        unit: &str,
        plane: impl Fn(usize, &mut [T]) + Sync,
    ) -> Result<(), CubeFileProblem> {
        let [nz, ny, nx] = self.shape;
        let mut cards = Header::new();
        cards.set("EXTNAME", name, "");
        if !unit.is_empty() {
            cards.set("BUNIT", unit, "");
        }
        cards.extend(&self.wcs);
        self.fits.image::<T>(&self.shape, &cards)?;
        // Several planes at a time are computed side by side; writing them is one thread's work.
        let batch = (BATCH_PIXELS / (ny * nx)).clamp(1, nz);
        let mut pixels = vec![T::default(); batch * ny * nx];
        for first in (0..nz).step_by(batch) {
            if self.progress.cancelled() {
                return Err(CubeFileProblem::Cancelled);
            }
            let planes = batch.min(nz - first);
            let pixels = &mut pixels[..planes * ny * nx];
            pixels.par_chunks_exact_mut(ny * nx).enumerate().for_each(|(k, out)| plane(first + k, out));
            self.fits.write_pixels(first * ny * nx, pixels)?;
            self.progress.advance(planes as u64);
        }
        Ok(self.fits.checksum()?)
    }
}

fn primary_cards(cube: &dyn CubeData, info: &CubeInfo) -> Header {
    let [nz, ny, nx] = cube.shape();
    let (axis, options) = (cube.wavelengths(), &info.options);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut h = Header::new();
    h.set("TELESCOP", "SPHEREx", "")
        .set("INSTRUME", "SPHEREx", "")
        .set("FILETYPE", "DRIZZLED_CUBE", "")
        .set("ORIGIN", "spx", "")
        .set("DRIZVER", env!("CARGO_PKG_VERSION"), "version of spx")
        .set("DETECTOR", i64::from(info.detector.number()), "detector number (1-6)")
        .set("BAND_NM", info.detector.to_string(), "band name")
        .set("N_INPUTS", count(info.inputs), "input images that contributed")
        .set("N_REJECT", count(info.rejected), "input images of which no pixel took part")
        .set("N_FAILED", count(info.failed), "input images that could not be read")
        .set(
            "N_SATUR",
            count(usize::try_from(cube.saturated()).unwrap_or(usize::MAX)),
            "voxels whose COUNT is cut at 65535",
        )
        .set("KERNEL", options.kernel.to_string(), "spatial kernel")
        .set("XYSHRINK", options.xy_shrink, "droplet size in input pixels")
        .set("ZSHRINK", options.effective_z_shrink(), "droplet width in bandwidths")
        .set("XYOVRSM", info.xy_oversample, "oversampling in x and y")
        .set("ZOVRSM", info.z_oversample, "oversampling in wavelength")
        .set("IVARMAX", options.ivar_max, "upper limit of a pixel's 1/variance")
        .set("MINOVER", options.min_overlap, "least share of a contribution")
        .set("PIXSCALE", info.base_pixel_scale, "[arcsec] native pixel scale")
        .set("EPIXSCLE", info.base_pixel_scale / info.xy_oversample, "[arcsec] pixel scale of this cube")
        .set("BUNIT", "MJy/sr", "unit of SCI")
        .set("LAM_MIN", axis.lower(), "[um] first edge")
        .set("LAM_MAX", axis.upper(), "[um] last edge")
        .set("NX", count(nx), "columns")
        .set("NY", count(ny), "rows")
        .set("NZ", count(nz), "planes");
    for line in &info.history {
        // A commentary card holds 72 characters.
        let characters: Vec<char> = line.chars().collect();
        for part in characters.chunks(72) {
            h.note("HISTORY", &part.iter().collect::<String>());
        }
    }
    h
}

/// The celestial axes of `info`, the logarithmic axis of wavelength, and the exact alternate where asked for.
fn wcs_cards(axis: &WavelengthGrid, info: &CubeInfo) -> Header {
    let log = axis.log_axis();
    let mut h = info.celestial.clone();
    h.set("WCSAXES", 3, "")
        .set("CTYPE3", "WAVE-LOG", "approximate; exact centres in HDU WAVELENGTH")
        .set("CUNIT3", "um", "")
        .set("CRPIX3", log.reference_pixel, "")
        .set("CRVAL3", log.value, "")
        .set("CDELT3", log.increment, "")
        .set("DISPAXIS", 3, "spectral axis, for specutils");
    if info.exact_wavelength_wcs {
        h.set("WCSAXEST", 3, "").set("WCSNAMET", "exact wavelengths of the bin centres", "");
        for card in info.celestial.cards() {
            if let Some(value) = card.value.clone().filter(|_| card.keyword.ends_with(['1', '2'])) {
                h.set(&format!("{}T", card.keyword), value, "");
            }
        }
        h.set("CTYPE3T", "WAVE-TAB", "")
            .set("CUNIT3T", "um", "")
            .set("CRPIX3T", 1.0, "")
            .set("CRVAL3T", 1.0, "")
            .set("CDELT3T", 1.0, "")
            .set("PS3_0T", WAVE_TABLE, "")
            .set("PS3_1T", "COORDS", "")
            .set("PV3_1T", 1, "")
            .set("PV3_2T", 1, "")
            .set("PV3_3T", 1, "");
        for keyword in ["LONPOLE", "LATPOLE", "RADESYS"] {
            if let Some(value) = info.celestial.get(keyword).cloned() {
                h.set(&format!("{keyword}T"), value, "");
            }
        }
    }
    h
}

const WAVELENGTH: &str = "WAVELENGTH";
const WAVE_TABLE: &str = "WCS-WAVE";

fn write_wavelengths(fits: &mut FitsWriter, cube: &dyn CubeData) -> Result<(), CubeFileProblem> {
    let bins: Vec<Bin> = cube.wavelengths().iter().collect();
    let column = |name, format, unit| ColumnSpec { name, format, unit, dim: None };
    let mut columns = vec![column("INDEX", "1J", "")];
    columns.extend(WAVELENGTH_COLUMNS.iter().map(|&(name, unit, _)| column(name, "1D", unit)));
    columns.push(column("N_INPUT_SC", "1J", ""));
    fits.table(WAVELENGTH, bins.len(), &columns, &Header::new())?;
    // At most 100,000 bins, by the making of a grid.
    let index: Vec<i64> = (0..).take(bins.len()).collect();
    fits.write_column("INDEX", 0, &index)?;
    for (name, _, value) in WAVELENGTH_COLUMNS {
        let values: Vec<f64> = bins.iter().map(|&b| value(b)).collect();
        fits.write_column(name, 0, &values)?;
    }
    fits.write_column("N_INPUT_SC", 0, cube.inputs_per_plane())?;
    Ok(fits.checksum()?)
}

/// One row, COORDS (1, K), as -TAB wants it (Greisen et al. 2006, section 6.1).
fn write_exact_table(fits: &mut FitsWriter, axis: &WavelengthGrid) -> Result<(), CubeFileProblem> {
    let centres: Vec<f64> = axis.iter().map(Bin::centre).collect();
    let (format, dim) = (format!("{}D", centres.len()), format!("(1,{})", centres.len()));
    let coords = ColumnSpec { name: "COORDS", format: &format, unit: "um", dim: Some(&dim) };
    let mut cards = Header::new();
    cards.set("EXTVER", 1, "").set("EXTLEVEL", 1, "");
    fits.table(WAVE_TABLE, 1, &[coords], &cards)?;
    fits.write_column("COORDS", 0, &centres)?;
    Ok(fits.checksum()?)
}

/// One of the five arrays of a cube file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Array {
    /// Surface brightness.
    Science,
    /// Its variance.
    Variance,
    /// Flags that all contributions had.
    AndMask,
    /// Flags that any contribution had.
    OrMask,
    /// Number of contributions.
    Count,
}

impl Array {
    /// All five, in the order of the file.
    pub const ALL: [Self; 5] = [Self::Science, Self::Variance, Self::AndMask, Self::OrMask, Self::Count];

    /// The name of its HDU.
    pub fn hdu(self) -> &'static str {
        match self {
            Self::Science => "SCI",
            Self::Variance => "VARIANCE",
            Self::AndMask => "AND_MASK",
            Self::OrMask => "OR_MASK",
            Self::Count => "COUNT",
        }
    }
}

/// A cube file open for reading; pixels are read when they are asked for.
pub struct CubeFile {
    path: PathBuf,
    reader: FitsReader,
    shape: [usize; 3],
    primary: Header,
    science: Header,
    wavelengths: WavelengthGrid,
    inputs_per_plane: Vec<u32>,
}

impl CubeFile {
    /// Opens a cube and checks that its seven HDUs are there and fit each other.
    ///
    /// # Errors
    /// [`CubeFileError`] where the file is not FITS, truncated within its headers, or no cube of spx.
    pub fn open(path: &Path) -> Result<Self, CubeFileError> {
        Self::try_open(path).map_err(|problem| CubeFileError { path: path.to_owned(), problem })
    }

    fn try_open(path: &Path) -> Result<Self, CubeFileProblem> {
        let mut reader = FitsReader::open(path)?;
        let names = reader.hdu_names()?;
        for hdu in Array::ALL.map(Array::hdu).into_iter().chain([WAVELENGTH]) {
            if !names.iter().any(|n| n == hdu) {
                return Err(CubeFileProblem::NotACube(format!("it has no HDU {hdu}")));
            }
        }
        reader.move_to("PRIMARY")?;
        let primary = reader.header()?;
        let mut shape = None;
        let mut science = Header::new();
        for array in Array::ALL {
            reader.move_to(array.hdu())?;
            let found: [usize; 3] = reader.image_shape()?.try_into().map_err(|found| {
                CubeFileProblem::NotACube(format!(
                    "HDU {} has shape {found:?}, expected three axes",
                    array.hdu()
                ))
            })?;
            if array == Array::Science {
                science = reader.header()?;
            }
            if *shape.get_or_insert(found) != found {
                return Err(CubeFileProblem::NotACube(format!("HDU {} is not as large as SCI", array.hdu())));
            }
        }
        let (wavelengths, inputs_per_plane) = read_wavelengths(&mut reader)?;
        let shape = shape.filter(|s| s[0] == wavelengths.bins()).ok_or_else(|| {
            CubeFileProblem::NotACube("HDU WAVELENGTH has not one row for each plane".into())
        })?;
        Ok(Self { path: path.to_owned(), reader, shape, primary, science, wavelengths, inputs_per_plane })
    }

    /// `[nz, ny, nx]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Cards of the primary HDU.
    pub fn primary(&self) -> &Header {
        &self.primary
    }

    /// Cards of SCI, the WCS among them.
    pub fn science_header(&self) -> &Header {
        &self.science
    }

    /// The wavelength axis, from the table WAVELENGTH.
    pub fn wavelengths(&self) -> &WavelengthGrid {
        &self.wavelengths
    }

    /// For each plane, the number of input images that contributed.
    pub fn inputs_per_plane(&self) -> &[u32] {
        &self.inputs_per_plane
    }

    /// Reads rows `rows` of plane `z` of an array, row-major `[y][x]`.
    ///
    /// # Errors
    /// Where the plane or the rows do not exist, a value does not fit `T`, or the file ends early.
    pub fn read<T: Pixel + Default>(
        &mut self,
        array: Array,
        z: usize,
        rows: Range<usize>,
    ) -> Result<Vec<T>, CubeFileError> {
        let [_, ny, nx] = self.shape;
        let mut out = vec![T::default(); rows.len() * nx];
        let first = (z * ny + rows.start) * nx;
        let read = self.reader.move_to(array.hdu()).and_then(|()| self.reader.read_pixels(first, &mut out));
        read.map(|()| out).map_err(|e| CubeFileError { path: self.path.clone(), problem: e.into() })
    }

    /// Reads all arrays.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn load(&mut self) -> Result<Cube, CubeFileError> {
        Ok(Cube {
            science: self.load_array(Array::Science)?,
            variance: self.load_array(Array::Variance)?,
            and_mask: self.load_array(Array::AndMask)?,
            or_mask: self.load_array(Array::OrMask)?,
            count: self.load_array(Array::Count)?,
            wavelengths: self.wavelengths.clone(),
            inputs_per_plane: self.inputs_per_plane.clone(),
        })
    }

    fn load_array<T: Pixel + Default + Clone>(
        &mut self,
        which: Array,
    ) -> Result<ndarray::Array3<T>, CubeFileError> {
        let [nz, ny, _] = self.shape;
        let planes = (0..nz).map(|z| self.read(which, z, 0..ny)).collect::<Result<Vec<Vec<T>>, _>>()?;
        Ok(array(self.shape, |z, out| out.clone_from_slice(&planes[z])))
    }
}

fn read_wavelengths(reader: &mut FitsReader) -> Result<(WavelengthGrid, Vec<u32>), CubeFileProblem> {
    reader.move_to(WAVELENGTH)?;
    let rows = reader.table_rows()?;
    let (mut edges, mut last) = (vec![0.0; rows], vec![0.0; rows]);
    reader.read_column("LAMBDA_MIN", 0, &mut edges)?;
    reader.read_column("LAMBDA_MAX", 0, &mut last)?;
    edges.extend(last.last());
    let mut inputs = vec![0u32; rows];
    reader.read_column("N_INPUT_SC", 0, &mut inputs)?;
    Ok((WavelengthGrid::custom(edges).map_err(CubeFileProblem::Wavelengths)?, inputs))
}

#[cfg(test)]
mod tests {
    use spx_core::progress::Silent;

    use super::*;

    fn cube() -> Cube {
        let shape = [3, 2, 4];
        let at = |z: usize, k: usize| z * 8 + k;
        Cube {
            wavelengths: WavelengthGrid::custom(vec![1.0, 1.1, 1.25, 1.4]).unwrap(),
            inputs_per_plane: vec![2, 40_000, 0],
            science: array(shape, |z, out: &mut [f32]| {
                out.iter_mut().enumerate().for_each(|(k, v)| *v = at(z, k) as f32 - 5.5);
                out[0] = f32::NAN;
            }),
            variance: array(shape, |z, out: &mut [f32]| out.fill(0.25 * (z + 1) as f32)),
            and_mask: array(shape, |_, out: &mut [u32]| out.fill(0x8000_0001)),
            or_mask: array(shape, |_, out: &mut [u32]| out.fill(u32::MAX)),
            count: array(shape, |_, out: &mut [u16]| out.fill(65_535)),
        }
    }

    fn info() -> CubeInfo {
        let celestial = Header::parse(concat!(
            "WCSAXES =                    2\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\n",
            "CRVAL1  =                 10.0\nCRVAL2  =                 20.0\nCRPIX1  =                  2.5\n",
            "CRPIX2  =                  1.5\nCDELT1  =               -0.001\nCDELT2  =                0.001\n",
        ))
        .unwrap();
        CubeInfo {
            detector: Detector::ALL[2],
            inputs: 2,
            rejected: 1,
            failed: 0,
            options: DrizzleOptions::default(),
            xy_oversample: 1.0,
            z_oversample: 1.0,
            base_pixel_scale: 6.15,
            celestial,
            exact_wavelength_wcs: true,
            history: vec!["x".repeat(100), "input 2025W51_1A_0684_2/D3".into()],
        }
    }

    fn same(a: &Cube, b: &Cube) -> bool {
        let bits = |c: &Cube| c.science.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let rest = |c: &Cube| Cube { science: ndarray::Array3::zeros((0, 0, 0)), ..c.clone() };
        bits(a) == bits(b) && rest(a) == rest(b)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cube.fits");
        write(&path, &cube(), &info(), false, &Silent).unwrap();
        let mut file = CubeFile::open(&path).unwrap();
        assert!(same(&file.load().unwrap(), &cube()));
        assert_eq!(file.primary().integer("N_INPUTS"), Ok(2));
        assert_eq!(file.science_header().text("CTYPE3"), Ok("WAVE-LOG"));
        assert_eq!(file.science_header().real("CRPIX3"), Ok(2.0));
        assert_eq!(file.read::<f32>(Array::Science, 2, 1..2).unwrap(), [14.5, 15.5, 16.5, 17.5]);
        let mut fits = FitsReader::open(&path).unwrap();
        let expected =
            ["PRIMARY", "SCI", "VARIANCE", "AND_MASK", "OR_MASK", "COUNT", "WAVELENGTH", "WCS-WAVE"];
        assert_eq!(fits.hdu_names().unwrap(), expected);
        for name in expected {
            fits.move_to(name).unwrap();
            assert_eq!(fits.verify_checksum().unwrap(), Some(true), "{name}");
        }
    }

    #[test]
    fn the_same_cube_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.fits", "b.fits"].map(|n| dir.path().join(n));
        for path in &paths {
            write(path, &cube(), &info(), false, &Silent).unwrap();
        }
        assert_eq!(std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
    }

    #[test]
    fn an_existing_file_is_kept_unless_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cube.fits");
        std::fs::write(&path, "mine").unwrap();
        let error = write(&path, &cube(), &info(), false, &Silent).unwrap_err();
        assert!(matches!(error.problem, CubeFileProblem::Exists), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        write(&path, &cube(), &info(), true, &Silent).unwrap();
        assert!(CubeFile::open(&path).is_ok());
    }

    #[test]
    fn a_cancelled_write_leaves_nothing() {
        struct Cancel;
        impl Progress for Cancel {
            fn cancelled(&self) -> bool {
                true
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let error = write(&dir.path().join("cube.fits"), &cube(), &info(), false, &Cancel).unwrap_err();
        assert!(matches!(error.problem, CubeFileProblem::Cancelled));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_cube_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.fits");
        let mut fits = FitsWriter::create(&path).unwrap();
        fits.image::<u8>(&[], &Header::new()).unwrap();
        fits.finish().unwrap();
        let error = CubeFile::open(&path).err().unwrap().to_string();
        assert!(error.contains("other.fits") && error.contains("no HDU SCI"), "{error}");
    }
}
