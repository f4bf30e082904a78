//! Reading a cube back: its headers and its axis at once, its pixels when they are asked for.

use std::ops::Range;
use std::path::{Path, PathBuf};

use spx_core::fits::{FitsNumber, FitsReader};
use spx_core::header::Header;

use super::arrays::{CubeArray, CubeLayout, WAVELENGTH};
use super::error::{CubeFileError, CubeFileProblem};
use crate::WavelengthGrid;
use crate::cube::{Cube, array};

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
    /// [`CubeFileError`] where the file is not FITS, truncated within its headers, or no cube of
    /// spx.
    pub fn open(path: &Path) -> Result<Self, CubeFileError> {
        Self::try_open(path).map_err(|problem| CubeFileError { path: path.to_owned(), problem })
    }

    fn try_open(path: &Path) -> Result<Self, CubeFileProblem> {
        let mut reader = FitsReader::open(path)?;
        if let Some(layout) = CubeLayout::of(&reader.header()?) {
            return Err(CubeFileProblem::Exported(layout));
        }
        let names = reader.hdu_names()?;
        for hdu in CubeArray::ALL.map(CubeArray::hdu).into_iter().chain([WAVELENGTH]) {
            if !names.iter().any(|n| n == hdu) {
                return Err(CubeFileProblem::NotACube(format!("it has no HDU {hdu}")));
            }
        }
        reader.move_to("PRIMARY")?;
        let primary = reader.header()?;
        let mut shape = None;
        let mut science = Header::new();
        for array in CubeArray::ALL {
            reader.move_to(array.hdu())?;
            let found: [usize; 3] = reader.image_shape()?.try_into().map_err(|found| {
                CubeFileProblem::NotACube(format!(
                    "HDU {} has shape {found:?}, expected three axes",
                    array.hdu()
                ))
            })?;
            if array == CubeArray::Science {
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
    pub fn read<T: FitsNumber + Default>(
        &mut self,
        array: CubeArray,
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
            science: self.load_array(CubeArray::Science)?,
            variance: self.load_array(CubeArray::Variance)?,
            and_mask: self.load_array(CubeArray::AndMask)?,
            or_mask: self.load_array(CubeArray::OrMask)?,
            count: self.load_array(CubeArray::Count)?,
            wavelengths: self.wavelengths.clone(),
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

pub(super) fn read_wavelengths(
    reader: &mut FitsReader,
) -> Result<(WavelengthGrid, Vec<u32>), CubeFileProblem> {
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
