//! Reading a cube back, or a mosaic as a cube of one plane: headers and axis at once, pixels when
//! they are asked for.

use std::ops::Range;
use std::path::{Path, PathBuf};

use spx_core::detector::Detector;
use spx_core::fits::{FitsError, FitsNumber, FitsReader};
use spx_core::header::Header;

use super::arrays::{CubeArray, CubeLayout, PLANE_DETECTOR, WAVELENGTH};
use super::error::{CubeFileError, CubeFileProblem};
use super::plane_axis::PlaneAxis;
use crate::cube::{Cube, array};
use crate::{Bin, DrizzleError, WavelengthGrid};

/// A cube file open for reading; pixels are read when they are asked for.
pub struct CubeFile {
    path: PathBuf,
    reader: FitsReader,
    shape: [usize; 3],
    primary: Header,
    science: Header,
    wavelengths: PlaneAxis,
    inputs_per_plane: Vec<u32>,
    kind: FileKind,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Cube,
    /// An image of one range of wavelengths, with so many words of context, with or without
    /// variance and flags.
    Mosaic {
        words: usize,
        only_mean: bool,
    },
}

impl CubeFile {
    /// Opens a cube and checks that its seven HDUs are there and fit each other; or a mosaic, which
    /// is read as a cube of one plane: OR_MASK is its DQ, AND_MASK is 0, COUNT the number of
    /// exposures by its context (without one, 1 where it has a weight). One of the mean alone has
    /// variance NaN and no flags.
    ///
    /// # Errors
    /// [`CubeFileError`] where the file is not FITS, truncated within its headers, or neither cube
    /// nor mosaic of spx.
    pub fn open(path: &Path) -> Result<Self, CubeFileError> {
        Self::try_open(path).map_err(|problem| CubeFileError { path: path.to_owned(), problem })
    }

    fn try_open(path: &Path) -> Result<Self, CubeFileProblem> {
        let mut reader = FitsReader::open(path)?;
        if let Some(layout) = CubeLayout::of(&reader.header()?) {
            return Err(CubeFileProblem::Exported(layout));
        }
        let primary = reader.header()?;
        if primary.text("FILETYPE") == Ok("MOSAIC") {
            return Self::mosaic(path, reader, primary);
        }
        let names = reader.hdu_names()?;
        for hdu in CubeArray::ALL.map(CubeArray::hdu).into_iter().chain([WAVELENGTH]) {
            if !names.iter().any(|n| n == hdu) {
                return Err(CubeFileProblem::NotACube(format!("it has no HDU {hdu}")));
            }
        }
        let mut shape = None;
        let mut science = Header::new();
        for array in CubeArray::ALL {
            reader.move_to(array.hdu())?;
            let found = image_shape(&mut reader, array.hdu())?;
            if array == CubeArray::Science {
                science = reader.header()?;
            }
            if *shape.get_or_insert(found) != found {
                return Err(CubeFileProblem::NotACube(format!("HDU {} is not as large as SCI", array.hdu())));
            }
        }
        let detector = primary.integer("DETECTOR").ok().and_then(|number| Detector::new(number).ok());
        let (wavelengths, inputs_per_plane) = read_planes(&mut reader, detector)?;
        let shape = shape.filter(|s| s[0] == wavelengths.bins()).ok_or_else(|| {
            CubeFileProblem::NotACube("HDU WAVELENGTH has not one row for each plane".into())
        })?;
        let kind = FileKind::Cube;
        Ok(Self {
            path: path.to_owned(),
            reader,
            shape,
            primary,
            science,
            wavelengths,
            inputs_per_plane,
            kind,
        })
    }

    fn mosaic(path: &Path, mut reader: FitsReader, primary: Header) -> Result<Self, CubeFileProblem> {
        let card = |source| CubeFileProblem::Header { hdu: "PRIMARY", source };
        let edges = [primary.real("LAM_MIN").map_err(card)?, primary.real("LAM_MAX").map_err(card)?];
        let wavelengths = WavelengthGrid::custom(edges.to_vec()).map_err(CubeFileProblem::Wavelengths)?;
        let wavelengths = PlaneAxis::of_grid(&wavelengths, None);
        let inputs = u32::try_from(primary.integer("N_INPUTS").map_err(card)?).unwrap_or_default();
        reader.move_to("SCI")?;
        let (science, shape) = (reader.header()?, image_shape::<2>(&mut reader, "SCI")?);
        let names = reader.hdu_names()?;
        let has = |hdu: &str| names.iter().any(|name| name == hdu);
        let mut words = 0;
        for hdu in ["VARIANCE", "DQ", "WHT", "CON"].into_iter().filter(|hdu| has(hdu)) {
            reader.move_to(hdu)?;
            let found = if hdu == "CON" {
                let [planes, ny, nx] = image_shape(&mut reader, hdu)?;
                words = planes;
                [ny, nx]
            } else {
                image_shape(&mut reader, hdu)?
            };
            if found != shape {
                return Err(CubeFileProblem::NotACube(format!("HDU {hdu} is not as large as SCI")));
            }
        }
        if !has("WHT") || has("VARIANCE") != has("DQ") {
            let missing = ["WHT", "VARIANCE", "DQ"].into_iter().find(|hdu| !has(hdu)).unwrap_or_default();
            return Err(CubeFileProblem::NotACube(format!("it is a mosaic and has no HDU {missing}")));
        }
        Ok(Self {
            path: path.to_owned(),
            reader,
            shape: [1, shape[0], shape[1]],
            primary,
            science,
            wavelengths,
            inputs_per_plane: vec![inputs],
            kind: FileKind::Mosaic { words, only_mean: !has("VARIANCE") },
        })
    }

    /// Whether it has a variance, which mosaics of the mean alone have not.
    pub fn has_variance(&self) -> bool {
        !matches!(self.kind, FileKind::Mosaic { only_mean: true, .. })
    }

    /// Whether it is a mosaic.
    pub fn is_mosaic(&self) -> bool {
        matches!(self.kind, FileKind::Mosaic { .. })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself, at some HDU.
    pub(super) fn into_reader(self) -> FitsReader {
        self.reader
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

    /// The planes, from the table WAVELENGTH.
    pub fn wavelengths(&self) -> &PlaneAxis {
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
    pub fn read<T: FitsNumber + Default>(
        &mut self,
        array: CubeArray,
        z: usize,
        rows: Range<usize>,
    ) -> Result<Vec<T>, CubeFileError> {
        let [_, ny, nx] = self.shape;
        let mut out = vec![T::default(); rows.len() * nx];
        self.read_run(array, (z * ny + rows.start) * nx, &mut out)?;
        Ok(out)
    }

    /// Reads these rows and columns of plane `z` of an array, row-major `[y][x]`; of a packed one
    /// the tiles alone that hold them.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_window<T: FitsNumber + Default>(
        &mut self,
        array: CubeArray,
        z: usize,
        [rows, columns]: [Range<usize>; 2],
    ) -> Result<Vec<T>, CubeFileError> {
        let [_, ny, nx] = self.shape;
        let mut out = vec![T::default(); rows.len() * columns.len()];
        for (y, row) in rows.zip(out.chunks_exact_mut(columns.len().max(1))) {
            self.read_run(array, (z * ny + y) * nx + columns.start, row)?;
        }
        Ok(out)
    }

    /// Reads pixels of an array from number `first` on.
    fn read_run<T: FitsNumber + Default>(
        &mut self,
        array: CubeArray,
        first: usize,
        out: &mut [T],
    ) -> Result<(), CubeFileError> {
        let mut from =
            |reader: &mut FitsReader, hdu| reader.move_to(hdu).and_then(|()| reader.read_pixels(first, out));
        let read = match (self.kind, array) {
            (FileKind::Mosaic { only_mean: true, .. }, CubeArray::Variance) => {
                out.fill(T::UNDEFINED.unwrap_or_default());
                Ok(())
            }
            (FileKind::Mosaic { only_mean: true, .. }, CubeArray::OrMask)
            | (FileKind::Mosaic { .. }, CubeArray::AndMask) => Ok(()),
            (FileKind::Mosaic { words, .. }, CubeArray::Count) => self.read_count(words, first, out),
            (FileKind::Mosaic { .. }, CubeArray::OrMask) => from(&mut self.reader, "DQ"),
            (_, array) => from(&mut self.reader, array.hdu()),
        };
        read.map_err(|e| CubeFileError { path: self.path.clone(), problem: e.into() })
    }

    /// How many exposures contribute to pixels of a mosaic.
    fn read_count<T: FitsNumber>(
        &mut self,
        words: usize,
        first: usize,
        out: &mut [T],
    ) -> Result<(), FitsError> {
        let [_, ny, nx] = self.shape;
        let mut count = vec![0; out.len()];
        if words == 0 {
            self.reader.move_to("WHT")?;
            let mut weights = vec![0.0f32; out.len()];
            self.reader.read_pixels(first, &mut weights)?;
            count.iter_mut().zip(weights).for_each(|(count, weight)| *count = i64::from(weight > 0.0));
        } else {
            self.reader.move_to("CON")?;
            let mut context = vec![0u32; out.len()];
            for word in 0..words {
                self.reader.read_pixels(word * ny * nx + first, &mut context)?;
                count
                    .iter_mut()
                    .zip(&context)
                    .for_each(|(count, bits)| *count += i64::from(bits.count_ones()));
            }
        }
        let fits = |count| T::from_integer(count).unwrap_or_default();
        out.iter_mut().zip(count).for_each(|(out, count)| *out = fits(count));
        Ok(())
    }

    /// Reads all arrays.
    ///
    /// # Errors
    /// As [`read`](Self::read); also where the planes do not adjoin each other.
    pub fn load(&mut self) -> Result<Cube, CubeFileError> {
        let wavelengths = self.wavelengths.grid().ok_or_else(|| {
            let problem = DrizzleError::Edges("the planes do not adjoin each other".to_owned());
            CubeFileError { path: self.path.clone(), problem: CubeFileProblem::Wavelengths(problem) }
        })?;
        Ok(Cube {
            science: self.load_array(CubeArray::Science)?,
            variance: self.load_array(CubeArray::Variance)?,
            and_mask: self.load_array(CubeArray::AndMask)?,
            or_mask: self.load_array(CubeArray::OrMask)?,
            count: self.load_array(CubeArray::Count)?,
            wavelengths,
            inputs_per_plane: self.inputs_per_plane.clone(),
        })
    }

    fn load_array<T: FitsNumber + Default + Clone>(
        &mut self,
        which: CubeArray,
    ) -> Result<ndarray::Array3<T>, CubeFileError> {
        let [nz, ny, _] = self.shape;
        let planes = (0..nz).map(|z| self.read(which, z, 0..ny)).collect::<Result<Vec<Vec<T>>, _>>()?;
        Ok(array(self.shape, |z, out| out.clone_from_slice(&planes[z])))
    }
}

/// The shape of an image with so many axes.
fn image_shape<const N: usize>(reader: &mut FitsReader, hdu: &str) -> Result<[usize; N], CubeFileProblem> {
    reader.image_shape()?.try_into().map_err(|found| {
        CubeFileProblem::NotACube(format!("HDU {hdu} has shape {found:?}, expected {N} axes"))
    })
}

/// The planes of the table WAVELENGTH, all of one detector where it has no column for that, and how
/// many inputs contributed to each.
fn read_planes(
    reader: &mut FitsReader,
    detector: Option<Detector>,
) -> Result<(PlaneAxis, Vec<u32>), CubeFileProblem> {
    reader.move_to(WAVELENGTH)?;
    let rows = reader.table_rows()?;
    let (mut lower, mut upper, mut inputs) = (vec![0.0; rows], vec![0.0; rows], vec![0u32; rows]);
    reader.read_column("LAMBDA_MIN", 0, &mut lower)?;
    reader.read_column("LAMBDA_MAX", 0, &mut upper)?;
    reader.read_column("N_INPUT_SC", 0, &mut inputs)?;
    let mut detectors = vec![detector; rows];
    if reader.columns()?.iter().any(|column| column.name == PLANE_DETECTOR) {
        let mut numbers = vec![0_i64; rows];
        reader.read_column(PLANE_DETECTOR, 0, &mut numbers)?;
        detectors = numbers.into_iter().map(|number| Detector::new(number).ok()).collect();
    }
    let bins = lower.into_iter().zip(upper).map(|(min, max)| Bin { min, max });
    let axis = PlaneAxis::new(bins.zip(detectors).collect());
    Ok((axis.map_err(CubeFileProblem::Wavelengths)?, inputs))
}

/// The grid of the table WAVELENGTH, and how many inputs contributed to each plane.
pub(super) fn read_wavelengths(
    reader: &mut FitsReader,
) -> Result<(WavelengthGrid, Vec<u32>), CubeFileProblem> {
    let (axis, inputs) = read_planes(reader, None)?;
    let grid = axis.grid().ok_or_else(|| {
        CubeFileProblem::Wavelengths(DrizzleError::Edges("the planes do not adjoin each other".to_owned()))
    })?;
    Ok((grid, inputs))
}
