//! Cubes in the layouts in which other tools see flux, uncertainty and mask, and back without loss.
//!
//! For Cubeviz and specutils:
//!
//! | HDU | name | content |
//! |---|---|---|
//! | 0 | FLUX | SCI, and the cards of the cube's primary HDU |
//! | 1 | VAR | VARIANCE |
//! | 2 | MASK | u8, 1 where there are no data |
//! | 3 | DQ | OR_MASK |
//! | 4... | AND_MASK, COUNT, WAVELENGTH, ... | as they are; ERR is called ERRORS |
//!
//! For tools made for IRSA's products; beside the logarithmic axis the arrays have the exact one as
//! alternate WCS `W`, by which SPHEREx's spectral images have theirs:
//!
//! | HDU | name | content |
//! |---|---|---|
//! | 0 | PRIMARY | as it is |
//! | 1 | IMAGE | SCI |
//! | 2 | NHITS | COUNT |
//! | 3 | FLAGS | OR_MASK |
//! | 4 | VARIANCE | |
//! | 5 | SPECTRAL_CHANNELS | a row a plane, the columns of IRSA's table of channels |
//! | 6 | WCS-WAVE | a row: PLANE, WAVELENGTHS, BANDWIDTHS, as IRSA's mosaics have it |
//! | 7... | AND_MASK, WAVELENGTH, ... | as they are |
//!
//! The first HDU has a card LAYOUT. AND_MASK keeps its header as it is, from which the others get
//! theirs back; HDUs that this module does not know are carried along. So what is exported and
//! imported again is the same file, byte for byte.

use std::path::Path;

use spx_core::atomic::AtomicFile;
use spx_core::fits::{ColumnSpec, FitsNumber, FitsReader, FitsWriter};
use spx_core::header::Header;
use spx_core::progress::Progress;

use super::arrays::{CHANNELS, CubeArray, CubeLayout, LAYOUT, MASK};
use super::error::{CubeFileError, CubeFileProblem};
use super::plane_axis::PlaneAxis;
use super::reader::CubeFile;
use super::writer::{WAVE_TABLE, WavelengthColumn, add_exact_axis, numbered};
use crate::Bin;

/// Writes a cube in another layout. `progress` is started with as many steps as planes of arrays
/// are written, and is asked between planes whether to stop.
///
/// # Errors
/// Where the file is no cube, or its checksums do not agree; as [`write`](super::write).
pub fn export(
    cube: &Path,
    to: &Path,
    layout: CubeLayout,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<(), CubeFileError> {
    let file = CubeFile::open(cube)?;
    if file.is_mosaic() {
        let problem =
            CubeFileProblem::NotACube("it is a mosaic, which every tool can read directly".to_owned());
        return Err(CubeFileError { path: cube.to_owned(), problem });
    }
    let (shape, axis) = (file.shape(), file.wavelengths().clone());
    let mut reader = file.into_reader();
    check_sums(&mut reader).map_err(|problem| CubeFileError { path: cube.to_owned(), problem })?;
    // In both layouts four arrays are written anew.
    progress.start("export", 4 * shape[0] as u64);
    let written = replace(to, overwrite, |fits| {
        let mut copy = Copy { reader: &mut reader, fits, shape, progress };
        match layout {
            CubeLayout::Cubeviz => copy.write_cubeviz(),
            CubeLayout::Irsa => copy.write_irsa(&axis),
        }
    });
    progress.finish();
    written
}

/// Turns a file that [`export`] wrote back into the cube that it came from, and says which layout
/// it had.
///
/// # Errors
/// Where the file is none of these, is incomplete, or its checksums do not agree; as
/// [`write`](super::write).
pub fn import(
    path: &Path,
    to: &Path,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<CubeLayout, CubeFileError> {
    let open = || {
        let mut reader = FitsReader::open(path)?;
        let layout = CubeLayout::of(&reader.header()?).ok_or_else(|| {
            CubeFileProblem::NotACube(format!("its first HDU has no card {LAYOUT} of a known layout"))
        })?;
        let shape = check_arrays(&mut reader, layout)?;
        check_sums(&mut reader)?;
        Ok((reader, layout, shape))
    };
    let (mut reader, layout, shape) =
        open().map_err(|problem| CubeFileError { path: path.to_owned(), problem })?;
    progress.start("import", 5 * shape[0] as u64);
    let written =
        replace(to, overwrite, |fits| Copy { reader: &mut reader, fits, shape, progress }.write_cube(layout));
    progress.finish();
    written.map(|()| layout)
}

/// Writes a file under a temporary name, and gives it its own when it is complete.
pub(super) fn replace(
    to: &Path,
    overwrite: bool,
    write: impl FnOnce(&mut FitsWriter) -> Result<(), CubeFileProblem>,
) -> Result<(), CubeFileError> {
    let attempt = || -> Result<(), CubeFileProblem> {
        let file = AtomicFile::new(to, overwrite)?;
        let mut fits = FitsWriter::create(file.path())?;
        write(&mut fits)?;
        fits.finish()?;
        Ok(file.commit()?)
    };
    attempt().map_err(|problem| CubeFileError { path: to.to_owned(), problem })
}

pub(super) fn check_sums(reader: &mut FitsReader) -> Result<(), CubeFileProblem> {
    for (index, name) in reader.hdu_names()?.into_iter().enumerate() {
        reader.move_to_index(index)?;
        if reader.verify_checksum()? == Some(false) {
            return Err(CubeFileProblem::Damaged(name));
        }
    }
    Ok(())
}

/// The shape that all arrays of an exported cube have.
fn check_arrays(reader: &mut FitsReader, layout: CubeLayout) -> Result<[usize; 3], CubeFileProblem> {
    let mut shape = None;
    for hdu in CubeArray::ALL.map(|array| layout.hdu(array)) {
        reader.move_to(hdu)?;
        let found = reader.image_shape()?;
        let found = <[usize; 3]>::try_from(found)
            .map_err(|found| CubeFileProblem::NotACube(format!("HDU {hdu} has shape {found:?}")))?;
        if *shape.get_or_insert(found) != found {
            return Err(CubeFileProblem::NotACube(format!("HDU {hdu} is not as large as the first array")));
        }
    }
    Ok(shape.unwrap_or_default())
}

/// From one file to the other.
struct Copy<'a> {
    reader: &'a mut FitsReader,
    fits: &'a mut FitsWriter,
    shape: [usize; 3],
    progress: &'a dyn Progress,
}

impl Copy<'_> {
    fn write_cubeviz(&mut self) -> Result<(), CubeFileProblem> {
        let layout = CubeLayout::Cubeviz;
        let wcs = self.wcs()?;
        let mut first = Header::new();
        first.set("EXTNAME", layout.hdu(CubeArray::Science), "");
        first.extend(&wcs);
        // The primary HDU of a cube has the unit of SCI.
        first.extend(&self.header("PRIMARY")?);
        first.set(LAYOUT, layout.name(), "of this file; `spx cube import` makes the cube of it");
        self.pixels::<f32>(CubeArray::Science.hdu(), &first)?;
        self.array(CubeArray::Variance, CubeArray::Variance.hdu(), layout.hdu(CubeArray::Variance), &wcs)?;
        self.mask(&wcs)?;
        self.array(CubeArray::OrMask, CubeArray::OrMask.hdu(), layout.hdu(CubeArray::OrMask), &wcs)?;
        self.rest(&["PRIMARY", "SCI", "VARIANCE", "OR_MASK"], layout.renamed())
    }

    fn write_irsa(&mut self, axis: &PlaneAxis) -> Result<(), CubeFileProblem> {
        let layout = CubeLayout::Irsa;
        let mut primary = self.header("PRIMARY")?;
        primary.set(LAYOUT, layout.name(), "of this file; `spx cube import` makes the cube of it");
        self.fits.image::<u8>(&[], &primary)?;
        self.fits.checksum()?;
        let original = self.wcs()?;
        let mut wcs = original.clone();
        add_exact_axis(&mut wcs, &original, "W");
        wcs.set("PS3_1W", "WAVELENGTHS", "").set("PS3_2W", "PLANE", "");
        for array in [CubeArray::Science, CubeArray::Count, CubeArray::OrMask, CubeArray::Variance] {
            self.array(array, array.hdu(), layout.hdu(array), &wcs)?;
        }
        self.channels(axis)?;
        self.wave_table(axis)?;
        self.rest(&["PRIMARY", "SCI", "COUNT", "OR_MASK", "VARIANCE"], layout.renamed())
    }

    fn write_cube(&mut self, layout: CubeLayout) -> Result<(), CubeFileProblem> {
        let wcs = self.wcs()?;
        let mut primary = Header::new();
        let of_the_array = |keyword: &str| {
            layout == CubeLayout::Cubeviz && (keyword == "EXTNAME" || wcs.get(keyword).is_some())
        };
        for card in self.header("PRIMARY")?.cards() {
            if card.keyword != LAYOUT && !of_the_array(&card.keyword) {
                primary.push(card.clone());
            }
        }
        self.fits.image::<u8>(&[], &primary)?;
        self.fits.checksum()?;
        for array in CubeArray::ALL {
            self.array(array, layout.hdu(array), array.hdu(), &wcs)?;
        }
        let mut done: Vec<&str> = CubeArray::ALL.iter().map(|array| layout.hdu(*array)).collect();
        done.push("PRIMARY");
        done.extend(layout.derived());
        let back: Vec<(&str, &str)> = layout.renamed().iter().map(|&(ours, theirs)| (theirs, ours)).collect();
        self.rest(&done, &back)
    }

    fn header(&mut self, hdu: &str) -> Result<Header, CubeFileProblem> {
        self.reader.move_to(hdu)?;
        Ok(self.reader.header()?)
    }

    /// The cards that all arrays of a cube share: those of AND_MASK but for its name.
    fn wcs(&mut self) -> Result<Header, CubeFileProblem> {
        let mut wcs = Header::new();
        for card in self.header(CubeArray::AndMask.hdu())?.cards().iter().filter(|c| c.keyword != "EXTNAME") {
            wcs.push(card.clone());
        }
        Ok(wcs)
    }

    /// The cards of an array: a new name, the unit that it has, the WCS.
    fn cards(&mut self, from: &str, name: &str, wcs: &Header) -> Result<Header, CubeFileProblem> {
        let old = self.header(from)?;
        let mut cards = Header::new();
        cards.set("EXTNAME", name, "");
        if let Some(unit) = old.get(UNIT) {
            cards.set(UNIT, unit.clone(), "");
        }
        cards.extend(wcs);
        Ok(cards)
    }

    /// Copies an array under a new name and with that WCS.
    fn array(
        &mut self,
        array: CubeArray,
        from: &str,
        name: &str,
        wcs: &Header,
    ) -> Result<(), CubeFileProblem> {
        let cards = self.cards(from, name, wcs)?;
        match array {
            CubeArray::Science | CubeArray::Variance => self.pixels::<f32>(from, &cards),
            CubeArray::AndMask | CubeArray::OrMask => self.pixels::<u32>(from, &cards),
            CubeArray::Count => self.pixels::<u16>(from, &cards),
        }
    }

    fn pixels<T: FitsNumber>(&mut self, from: &str, cards: &Header) -> Result<(), CubeFileProblem> {
        self.fits.image::<T>(&self.shape, cards)?;
        self.planes(|copy, first, plane: &mut [T]| {
            copy.reader.move_to(from)?;
            copy.reader.read_pixels(first, plane)?;
            Ok(copy.fits.write_pixels(first, plane)?)
        })
    }

    fn mask(&mut self, wcs: &Header) -> Result<(), CubeFileProblem> {
        let mut cards = Header::new();
        cards.set("EXTNAME", MASK, "1: no data");
        cards.extend(wcs);
        self.fits.image::<u8>(&self.shape, &cards)?;
        self.planes(|copy, first, plane: &mut [f32]| {
            copy.reader.move_to(CubeArray::Science.hdu())?;
            copy.reader.read_pixels(first, plane)?;
            let mask: Vec<u8> = plane.iter().map(|value| u8::from(!value.is_finite())).collect();
            Ok(copy.fits.write_pixels(first, &mask)?)
        })
    }

    /// Does something for the first pixel of each plane of the current image, with room for the
    /// plane; then the checksums.
    fn planes<T: FitsNumber>(
        &mut self,
        each: impl Fn(&mut Self, usize, &mut [T]) -> Result<(), CubeFileProblem>,
    ) -> Result<(), CubeFileProblem> {
        let [nz, ny, nx] = self.shape;
        let mut plane = vec![T::default(); ny * nx];
        for z in 0..nz {
            if self.progress.cancelled() {
                return Err(CubeFileProblem::Cancelled);
            }
            each(self, z * ny * nx, &mut plane)?;
            self.progress.advance(1);
        }
        Ok(self.fits.checksum()?)
    }

    /// Copies all other HDUs as they are, some under another name.
    fn rest(&mut self, done: &[&str], renamed: &[(&str, &str)]) -> Result<(), CubeFileProblem> {
        for (index, name) in self.reader.hdu_names()?.iter().enumerate() {
            if done.contains(&name.as_str()) {
                continue;
            }
            self.reader.move_to_index(index)?;
            match renamed.iter().find(|(old, _)| old == name) {
                Some((_, new)) => self.fits.copy_as(self.reader, new)?,
                None => self.fits.copy(self.reader)?,
            }
        }
        Ok(())
    }

    /// The table WCS-WAVE of IRSA's mosaics: a row with the numbers of the planes, their
    /// wavelengths and bandwidths. COORDS repeats the wavelengths, for the axis `T` of cubes that
    /// have it.
    fn wave_table(&mut self, axis: &PlaneAxis) -> Result<(), CubeFileProblem> {
        let bins: Vec<Bin> = axis.iter().collect();
        let (format, dim) = (format!("{}D", bins.len()), format!("(1,{})", bins.len()));
        let column = |name, unit, dim| ColumnSpec { name, format: &format, unit, dim };
        let columns = [
            column("PLANE", "", None),
            column("WAVELENGTHS", "um", Some(dim.as_str())),
            column("BANDWIDTHS", "um", Some(dim.as_str())),
            column("COORDS", "um", Some(dim.as_str())),
        ];
        let mut cards = Header::new();
        cards.set("EXTVER", 1, "").set("EXTLEVEL", 1, "");
        self.fits.table(WAVE_TABLE, 1, &columns, &cards)?;
        let numbers: Vec<f64> = (1_u32..).map(f64::from).take(bins.len()).collect();
        let of = |value: fn(Bin) -> f64| bins.iter().map(|&bin| value(bin)).collect::<Vec<f64>>();
        self.fits.write_column("PLANE", 0, &numbers)?;
        self.fits.write_column("WAVELENGTHS", 0, &of(Bin::center))?;
        self.fits.write_column("BANDWIDTHS", 0, &of(Bin::width))?;
        self.fits.write_column("COORDS", 0, &of(Bin::center))?;
        Ok(self.fits.checksum()?)
    }

    /// The planes in the columns of IRSA's table of channels; SUBCHANNEL counts those of a detector
    /// from 1.
    fn channels(&mut self, axis: &PlaneAxis) -> Result<(), CubeFileProblem> {
        let bins: Vec<Bin> = axis.iter().collect();
        let columns: [WavelengthColumn; 5] = [
            ("WAVELENGTH", "um", Bin::center),
            ("WL_MIN", "um", |b| b.min),
            ("WL_MAX", "um", |b| b.max),
            ("R", "", Bin::resolving_power),
            ("BANDWIDTH", "um", Bin::width),
        ];
        let column = |name, format, unit| ColumnSpec { name, format, unit, dim: None };
        let mut specs = vec![column("DETECTOR", "1J", ""), column("SUBCHANNEL", "1J", "")];
        specs.extend(columns.map(|(name, unit, _)| column(name, "1D", unit)));
        self.fits.table(CHANNELS, bins.len(), &specs, &Header::new())?;
        let (detectors, numbers) = numbered(axis);
        self.fits.write_column("DETECTOR", 0, &detectors)?;
        self.fits.write_column("SUBCHANNEL", 0, &numbers)?;
        for (name, _, value) in columns {
            let values: Vec<f64> = bins.iter().map(|&bin| value(bin)).collect();
            self.fits.write_column(name, 0, &values)?;
        }
        Ok(self.fits.checksum()?)
    }
}

/// The card of an array's unit.
const UNIT: &str = "BUNIT";
