//! Writing a cube: under a temporary name, plane by plane, with checksums.

use std::path::Path;

use rayon::prelude::*;
use spx_core::atomic::AtomicFile;
use spx_core::detector::Detector;
use spx_core::fits::{ColumnSpec, FitsWriter, Pixel};
use spx_core::header::{Header, Value};
use spx_core::progress::Progress;

use super::{CubeFileError, CubeFileProblem, WAVELENGTH};
use crate::cube::CubeData;
use crate::{Bin, DrizzleOptions, WavelengthGrid};

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

/// A column of a table of planes, of type f64: name, unit, value.
pub(super) type WavelengthColumn = (&'static str, &'static str, fn(Bin) -> f64);

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

/// Pixels that are computed and written at a time, if they are more than a plane.
const BATCH_PIXELS: usize = 1 << 18;

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
        // While some planes are written, which is one thread's work, the others compute the next ones.
        let batch = (BATCH_PIXELS / (ny * nx)).clamp(1, nz);
        let fill = |first: usize, pixels: &mut Vec<T>| {
            pixels.resize(batch.min(nz - first) * ny * nx, T::default());
            pixels.par_chunks_exact_mut(ny * nx).enumerate().for_each(|(k, out)| plane(first + k, out));
        };
        let (mut ready, mut next) = (Vec::new(), Vec::new());
        fill(0, &mut ready);
        for first in (0..nz).step_by(batch) {
            if self.progress.cancelled() {
                return Err(CubeFileProblem::Cancelled);
            }
            let fits = &mut *self.fits;
            let write = || fits.write_pixels(first * ny * nx, &ready);
            let prepare = || {
                if first + batch < nz {
                    fill(first + batch, &mut next)
                }
            };
            rayon::join(write, prepare).0?;
            self.progress.advance((ready.len() / (ny * nx)) as u64);
            std::mem::swap(&mut ready, &mut next);
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
        add_exact_axis(&mut h, &info.celestial, "T");
    }
    h
}

/// Adds an alternate WCS of this letter: the celestial axes of another header, and the third axis by its table (Greisen
/// et al. 2006, section 6).
pub(super) fn add_exact_axis(header: &mut Header, celestial: &Header, letter: &str) {
    let mut set = |keyword: &str, value: Value| {
        header.set(&format!("{keyword}{letter}"), value, "");
    };
    set("WCSAXES", 3.into());
    set("WCSNAME", "exact wavelengths of the bin centres".into());
    let of_an_axis = |keyword: &str| keyword.ends_with(['1', '2']) && !keyword.starts_with("NAXIS");
    for card in celestial.cards().iter().filter(|card| of_an_axis(&card.keyword)) {
        if let Some(value) = card.value.clone() {
            set(&card.keyword, value);
        }
    }
    set("CTYPE3", "WAVE-TAB".into());
    set("CUNIT3", "um".into());
    for keyword in ["CRPIX3", "CRVAL3", "CDELT3"] {
        set(keyword, 1.0.into());
    }
    set("PS3_0", WAVE_TABLE.into());
    set("PS3_1", "COORDS".into());
    for keyword in ["PV3_1", "PV3_2", "PV3_3"] {
        set(keyword, 1.into());
    }
    for keyword in ["LONPOLE", "LATPOLE", "RADESYS"] {
        if let Some(value) = celestial.get(keyword).cloned() {
            set(keyword, value);
        }
    }
}

/// The table of an exact axis of wavelength.
pub(super) const WAVE_TABLE: &str = "WCS-WAVE";

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
pub(super) fn write_exact_table(fits: &mut FitsWriter, axis: &WavelengthGrid) -> Result<(), CubeFileProblem> {
    let centres: Vec<f64> = axis.iter().map(Bin::centre).collect();
    let (format, dim) = (format!("{}D", centres.len()), format!("(1,{})", centres.len()));
    let coords = ColumnSpec { name: "COORDS", format: &format, unit: "um", dim: Some(&dim) };
    let mut cards = Header::new();
    cards.set("EXTVER", 1, "").set("EXTLEVEL", 1, "");
    fits.table(WAVE_TABLE, 1, &[coords], &cards)?;
    fits.write_column("COORDS", 0, &centres)?;
    Ok(fits.checksum()?)
}
