//! Cubes out of the planes of other cubes: those of several detectors in one file, or a part of
//! one.
//!
//! Pixels are copied, plane by plane; what headers and tables say of them is brought up to date.

use std::ops::Range;
use std::path::{Path, PathBuf};

use spx_core::fits::{FitsNumber, FitsReader, FitsWriter};
use spx_core::header::{CardValue, Header};
use spx_core::progress::Progress;

use super::arrays::{COMPRESSION, CubeArray, CubeCompression, WAVELENGTH};
use super::cards::joined_cards;
use super::error::{CubeFileError, CubeFileProblem};
use super::history::{add_history, history_lines};
use super::layout::{check_sums, replace};
use super::plane_axis::PlaneAxis;
use super::reader::CubeFile;
use super::writer::{
    POINT_SOURCE, SOURCE_CARDS, WAVE_TABLE, add_exact_axis, log_axis_cards, write_exact_table,
    write_wavelengths,
};

/// The part of a cube that [`cut`] takes.
#[derive(Debug, Clone, PartialEq)]
pub struct CubeCut {
    /// Numbers of planes, from 0, in the order in which they are to be.
    pub planes: Vec<usize>,
    /// Columns, from 0.
    pub columns: Range<usize>,
    /// Rows, from 0.
    pub rows: Range<usize>,
}

/// Writes the cubes of several detectors, which must have one grid and the same options, into one
/// file, in the order of the detectors. One plane at a time is in memory.
///
/// Counts of inputs are added; a pointing that several detectors saw counts once. Words of a
/// context belong to the inputs of the plane's detector.
///
/// # Errors
/// [`CubeFileProblem::Unlike`] where the cubes differ in grid, options or HDUs, or two are of one
/// detector; as [`export`](super::export) for each of them.
pub fn join(
    cubes: &[PathBuf],
    to: &Path,
    (compression, overwrite): (CubeCompression, bool),
    progress: &dyn Progress,
) -> Result<(), CubeFileError> {
    let mut files = cubes.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(|file| file.wavelengths().detectors().first().copied());
    let whole = |problem| CubeFileError { path: to.to_owned(), problem };
    check_joinable(&files).map_err(whole)?;
    let primaries: Vec<&Header> = files.iter().map(CubeFile::primary).collect();
    let mut primary = joined_cards(&primaries).map_err(whole)?;
    let axis = PlaneAxis::joined(files.iter().map(CubeFile::wavelengths));
    let axis = axis.map_err(|error| whole(CubeFileProblem::Wavelengths(error)))?;
    primary.set("DETECTS", detector_numbers(&axis), "detectors, in the order of the planes");
    let [_, ny, nx] = files[0].shape();
    let planes =
        |(k, file): (usize, &CubeFile)| (0..file.shape()[0]).map(move |z| (k, z)).collect::<Vec<_>>();
    let source = PlaneSource {
        planes: files.iter().enumerate().flat_map(planes).collect(),
        window: PlaneWindow { columns: 0..nx, rows: 0..ny, size: [ny, nx] },
        inputs: files.iter().flat_map(|file| file.inputs_per_plane().to_vec()).collect(),
        celestial: files[0].science_header().celestial(),
        exact: true,
        axis,
        compression,
    };
    write_file(files, source, primary, (to, overwrite), progress)
}

/// Steps of progress that [`join`] takes, about.
pub fn join_steps(planes: usize) -> u64 {
    5 * planes as u64
}

/// Writes a part of a cube as a cube. Its voxels are those of the whole, and so are its positions
/// and wavelengths: CRPIX moves with the window. The history says what was cut.
///
/// # Errors
/// [`CubeFileProblem::Unlike`] where the part does not lie in the cube, or holds nothing; as
/// [`export`](super::export).
pub fn cut(
    cube: &Path,
    part: &CubeCut,
    to: &Path,
    (compression, overwrite): (CubeCompression, bool),
    progress: &dyn Progress,
) -> Result<(), CubeFileError> {
    let mut file = open(cube)?;
    let [nz, ny, nx] = file.shape();
    let here = |problem| CubeFileError { path: cube.to_owned(), problem };
    let CubeCut { planes, columns, rows } = part;
    if columns.is_empty()
        || rows.is_empty()
        || columns.end > nx
        || rows.end > ny
        || planes.iter().any(|&z| z >= nz)
    {
        let problem = format!("columns {columns:?}, rows {rows:?} of {nx} x {ny} pixels and {nz} planes");
        return Err(here(CubeFileProblem::Unlike(problem)));
    }
    let axis = file.wavelengths().selected(planes);
    let axis = axis.map_err(|error| here(CubeFileProblem::Wavelengths(error)))?;
    let mut celestial = file.science_header().celestial();
    for (keyword, first) in [("CRPIX1", columns.start), ("CRPIX2", rows.start)] {
        let at =
            celestial.real(keyword).map_err(|source| here(CubeFileProblem::Header { hdu: "SCI", source }))?;
        celestial.set(keyword, at - first as f64, "[pixel] of the reference position, from 1");
    }
    let inputs = planes.iter().map(|&z| file.inputs_per_plane()[z]).collect();
    let primary = cut_cards(&mut file, part, &axis)?;
    let source = PlaneSource {
        planes: planes.iter().map(|&z| (0, z)).collect(),
        window: PlaneWindow { columns: columns.clone(), rows: rows.clone(), size: [ny, nx] },
        inputs,
        celestial,
        exact: file.science_header().get("CTYPE3T").is_some(),
        axis,
        compression,
    };
    write_file(vec![file], source, primary, (to, overwrite), progress)
}

/// Steps of progress that [`cut`] takes, about.
pub fn cut_steps(part: &CubeCut) -> u64 {
    5 * part.planes.len() as u64
}

fn open(path: &Path) -> Result<CubeFile, CubeFileError> {
    let file = CubeFile::open(path)?;
    if file.is_mosaic() {
        let problem = CubeFileProblem::NotACube("it is a mosaic".to_owned());
        return Err(CubeFileError { path: path.to_owned(), problem });
    }
    Ok(file)
}

fn check_joinable(files: &[CubeFile]) -> Result<(), CubeFileProblem> {
    let unlike = |problem: String| Err(CubeFileProblem::Unlike(problem));
    let Some(first) = files.first() else { return unlike("there is none".to_owned()) };
    for (k, file) in files.iter().enumerate() {
        let [detector] = file.wavelengths().detectors()[..] else {
            return unlike("one of them is of several detectors, or of an unknown one".to_owned());
        };
        if files[..k].iter().any(|other| other.wavelengths().detectors() == [detector]) {
            return unlike(format!("two of them are of {detector}"));
        }
        let grid = |file: &CubeFile| (file.shape()[1..].to_vec(), file.science_header().celestial());
        if grid(file) != grid(first) {
            return unlike(format!("that of {detector} is on another grid"));
        }
    }
    Ok(())
}

/// The primary cards of a part.
fn cut_cards(file: &mut CubeFile, part: &CubeCut, axis: &PlaneAxis) -> Result<Header, CubeFileError> {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut primary = Header::new();
    let old = file.primary().clone();
    let kept = old.cards().iter().filter(|card| card.value.is_some() && card.keyword != COMPRESSION);
    kept.for_each(|card| primary.push(card.clone()));
    for (keyword, value) in [
        ("NX", CardValue::Integer(count(part.columns.len()))),
        ("NY", CardValue::Integer(count(part.rows.len()))),
        ("NZ", CardValue::Integer(count(part.planes.len()))),
        ("LAM_MIN", CardValue::Real(axis.lower())),
        ("LAM_MAX", CardValue::Real(axis.upper())),
    ] {
        let comment = old.comment(keyword).unwrap_or_default().to_owned();
        primary.set(keyword, value, &comment);
    }
    if old.integer("N_SATUR").is_ok_and(|n| n > 0) {
        let mut saturated = 0;
        for &z in &part.planes {
            let rows: Vec<u16> = file.read(CubeArray::Count, z, part.rows.clone())?;
            let window = rows.chunks(file.shape()[2]).flat_map(|row| &row[part.columns.clone()]);
            saturated += window.filter(|n| **n == u16::MAX).count();
        }
        primary.set("N_SATUR", count(saturated), "voxels whose COUNT is cut at 65535");
    }
    if let [detector] = axis.detectors()[..] {
        primary.set("DETECTOR", i64::from(detector.number()), "detector number (1-6)");
        primary.set("BAND_NM", detector.to_string(), "band name");
    }
    if old.get("DETECTS").is_some() {
        primary.set("DETECTS", detector_numbers(axis), "detectors, in the order of the planes");
    }
    let mut history = history_lines(&old);
    let (x, y) = (&part.columns, &part.rows);
    history.push(format!(
        "cut x {} to {}, y {} to {} of {}, planes {}",
        x.start + 1,
        x.end,
        y.start + 1,
        y.end,
        file.path().file_name().unwrap_or_default().to_string_lossy(),
        spelled(&part.planes)
    ));
    add_history(&mut primary, &history);
    Ok(primary)
}

fn detector_numbers(axis: &PlaneAxis) -> String {
    axis.detectors().iter().map(|detector| detector.number().to_string()).collect::<Vec<_>>().join(",")
}

/// `0-3,7` of numbers, runs joined.
fn spelled(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    let run = |run: &[usize]| match run {
        [one] => one.to_string(),
        _ => format!("{}-{}", run[0], run[run.len() - 1]),
    };
    runs.map(run).collect::<Vec<_>>().join(",")
}

/// The part of a plane that is copied.
#[derive(Clone)]
struct PlaneWindow {
    columns: Range<usize>,
    rows: Range<usize>,
    /// `[ny, nx]` of the plane, in all files.
    size: [usize; 2],
}

/// Where the planes of a file come from, and what describes them.
struct PlaneSource {
    /// Number of the file, and of its plane.
    planes: Vec<(usize, usize)>,
    window: PlaneWindow,
    /// Inputs of each plane.
    inputs: Vec<u32>,
    celestial: Header,
    /// Whether a logarithmic axis has the exact one beside it.
    exact: bool,
    axis: PlaneAxis,
    compression: CubeCompression,
}

impl PlaneSource {
    /// The cards of the three axes: logarithmic where the planes adjoin each other, else a table.
    fn wcs(&self) -> Header {
        let Some(grid) = self.axis.grid() else {
            let mut wcs = self.celestial.clone();
            add_exact_axis(&mut wcs, &self.celestial, "");
            wcs.set("DISPAXIS", 3, "spectral axis, for specutils");
            return wcs;
        };
        let mut wcs = log_axis_cards(&grid, &self.celestial);
        if self.exact {
            add_exact_axis(&mut wcs, &self.celestial, "T");
        }
        wcs
    }

    fn has_table(&self) -> bool {
        self.exact || self.axis.grid().is_none()
    }
}

fn write_file(
    files: Vec<CubeFile>,
    source: PlaneSource,
    mut primary: Header,
    (to, overwrite): (&Path, bool),
    progress: &dyn Progress,
) -> Result<(), CubeFileError> {
    let mut readers = Vec::new();
    for file in files {
        let path = file.path().to_owned();
        let mut reader = file.into_reader();
        check_sums(&mut reader).map_err(|problem| CubeFileError { path, problem })?;
        readers.push(reader);
    }
    source.compression.set(&mut primary);
    replace(to, overwrite, |fits| {
        let wcs = source.wcs();
        Assembly { readers: &mut readers, fits, source: &source, wcs, progress }.write(&primary)
    })
}

/// A file that is being written.
struct Assembly<'a> {
    readers: &'a mut [FitsReader],
    fits: &'a mut FitsWriter,
    source: &'a PlaneSource,
    wcs: Header,
    progress: &'a dyn Progress,
}

impl Assembly<'_> {
    fn write(&mut self, primary: &Header) -> Result<(), CubeFileProblem> {
        self.fits.image::<u8>(&[], primary)?;
        self.fits.checksum()?;
        self.image::<f32>("SCI")?;
        self.image::<f32>("VARIANCE")?;
        self.image::<u32>("AND_MASK")?;
        self.image::<u32>("OR_MASK")?;
        self.image::<u16>("COUNT")?;
        let resolution = self.resolution()?;
        let PlaneSource { axis, inputs, .. } = self.source;
        write_wavelengths(self.fits, axis, inputs, resolution.as_deref())?;
        if self.source.has_table() {
            write_exact_table(self.fits, axis)?;
        }
        let first = self.readers[0].hdu_names()?;
        for reader in &mut self.readers[1..] {
            let names = reader.hdu_names()?;
            let differs = |a: &[String], b: &[String]| a.iter().find(|name| !b.contains(name)).cloned();
            if let Some(name) = differs(&first, &names).or_else(|| differs(&names, &first))
                && name != WAVE_TABLE
            {
                return Err(CubeFileProblem::Unlike(format!("not all of them have an HDU {name}")));
            }
        }
        for name in &first {
            match name.as_str() {
                "PRIMARY" | WAVELENGTH | WAVE_TABLE => {}
                array if CubeArray::ALL.iter().any(|known| known.hdu() == array) => {}
                "CON" => self.image::<u32>(name)?,
                "NEXP" => self.image::<u16>(name)?,
                _ => self.image::<f32>(name)?,
            }
        }
        Ok(())
    }

    /// The part of an image that is copied, and the cards of its WCS. The point source has a part
    /// of the grid of its own, and stays whole.
    fn window(&mut self, name: &str) -> Result<(PlaneWindow, Header), CubeFileProblem> {
        let mut wcs = self.wcs.clone();
        if name != POINT_SOURCE {
            return Ok((self.source.window.clone(), wcs));
        }
        let reader = &mut self.readers[0];
        reader.move_to(name)?;
        let (old, shape) = (reader.header()?, reader.image_shape()?);
        let [.., ny, nx] = shape[..] else {
            return Err(CubeFileProblem::NotACube(format!("HDU {name} has shape {shape:?}")));
        };
        for letter in ["", "T"] {
            for axis in ["CRPIX1", "CRPIX2"].map(|keyword| format!("{keyword}{letter}")) {
                // A table of wavelengths may be new: its celestial axes are the same.
                let found = old.get(&axis).or_else(|| old.get(&axis[..6]));
                if let Some(value) = found.filter(|_| wcs.get(&axis).is_some()) {
                    wcs.set(&axis, value.clone(), "");
                }
            }
        }
        for keyword in SOURCE_CARDS {
            if let Some(value) = old.get(keyword) {
                wcs.set(keyword, value.clone(), old.comment(keyword).unwrap_or_default());
            }
        }
        Ok((PlaneWindow { columns: 0..nx, rows: 0..ny, size: [ny, nx] }, wcs))
    }

    /// R_DATA of the planes, where all files have it.
    fn resolution(&mut self) -> Result<Option<Vec<f64>>, CubeFileProblem> {
        let mut columns = Vec::new();
        for reader in self.readers.iter_mut() {
            reader.move_to(WAVELENGTH)?;
            if !reader.columns()?.iter().any(|column| column.name == "R_DATA") {
                return Ok(None);
            }
            let mut values = vec![0.0; reader.table_rows()?];
            reader.read_column("R_DATA", 0, &mut values)?;
            columns.push(values);
        }
        Ok(Some(self.source.planes.iter().map(|&(k, z)| columns[k][z]).collect()))
    }

    /// Writes the planes of an image, of a context with as many words as the longest of them has,
    /// of the point source with all of its part of the grid.
    fn image<T: FitsNumber>(&mut self, name: &str) -> Result<(), CubeFileProblem> {
        let (window, wcs) = self.window(name)?;
        let mut words = Vec::new();
        for reader in self.readers.iter_mut() {
            reader.move_to(name)?;
            match reader.image_shape()?[..] {
                [_, ny, nx] if [ny, nx] == window.size => words.push(1),
                [n, _, ny, nx] if [ny, nx] == window.size => words.push(n),
                ref found => {
                    let problem = format!("HDU {name} has shape {found:?}");
                    return Err(CubeFileProblem::NotACube(problem));
                }
            }
        }
        let old = self.readers[0].header()?;
        let mut cards = Header::new();
        cards.set("EXTNAME", name, "");
        if let Some(unit) = old.get("BUNIT") {
            cards.set("BUNIT", unit.clone(), "");
        }
        cards.extend(&wcs);
        let most = words.iter().copied().max().unwrap_or(1);
        let planes = &self.source.planes;
        let pixels = window.rows.len() * window.columns.len();
        let inner = [planes.len(), window.rows.len(), window.columns.len()];
        let context = self.readers[0].image_shape()?.len() == 4;
        let shape = if context { [&[most][..], &inner].concat() } else { inner.to_vec() };
        let steps = self.source.compression.steps(name);
        match self.source.compression {
            CubeCompression::None => self.fits.image::<T>(&shape, &cards)?,
            _ if steps.is_some() => self.fits.image_rounded(&shape, &cards)?,
            CubeCompression::Lossless | CubeCompression::Rounded => {
                self.fits.image_gzip::<T>(&shape, &cards)?
            }
        }
        let mut row_band = Vec::new();
        for word in 0..most {
            for (to, &(k, z)) in planes.iter().enumerate() {
                if self.progress.cancelled() {
                    return Err(CubeFileProblem::Cancelled);
                }
                let depth = self.readers[k].image_shape()?;
                let depth = depth[depth.len() - 3];
                let from = (word < words[k]).then_some((k, word * depth + z));
                let first = (word * planes.len() + to) * pixels;
                match steps {
                    None => {
                        let plane = self.plane::<T>(from, &window, &mut row_band)?;
                        self.fits.write_pixels(first, &plane)?;
                    }
                    Some(steps) => self.rounded_plane(name, (k, z), (&window, first), steps)?,
                }
                self.progress.advance(1);
            }
        }
        Ok(self.fits.checksum()?)
    }

    /// Writes the window of a plane of an image, rounded by the variances beside it.
    fn rounded_plane(
        &mut self,
        name: &str,
        (k, z): (usize, usize),
        (window, first): (&PlaneWindow, usize),
        steps: fn(&mut [f32]),
    ) -> Result<(), CubeFileProblem> {
        let mut band = Vec::new();
        self.readers[k].move_to(CubeArray::Variance.hdu())?;
        let mut allowed = self.plane(Some((k, z)), window, &mut band)?;
        steps(&mut allowed);
        self.readers[k].move_to(name)?;
        let values = self.plane(Some((k, z)), window, &mut band)?;
        Ok(self.fits.write_rounded(first, &values, &allowed)?)
    }

    /// The window of a plane of a file, whose image is the current one; zeros where there is none.
    fn plane<T: FitsNumber>(
        &mut self,
        from: Option<(usize, usize)>,
        window: &PlaneWindow,
        band: &mut Vec<T>,
    ) -> Result<Vec<T>, CubeFileProblem> {
        let PlaneWindow { columns, rows, size: [ny, nx] } = window;
        let Some((k, z)) = from else { return Ok(vec![T::default(); rows.len() * columns.len()]) };
        band.resize(rows.len() * nx, T::default());
        self.readers[k].read_pixels((z * ny + rows.start) * nx, band)?;
        Ok(band.chunks_exact(*nx).flat_map(|row| &row[columns.clone()]).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_planes_are_spelled() {
        assert_eq!(spelled(&[0, 1, 2, 3, 7, 9, 10]), "0-3,7,9-10");
        assert_eq!(spelled(&[5]), "5");
    }
}
