//! Cubes written and read back.

use spx_core::detector::Detector;
use spx_core::fits::{FitsReader, FitsWriter};
use spx_core::header::Header;
use spx_core::progress::{Progress, Silent};

use super::*;
use crate::cube::{Cube, array};
use crate::{DrizzleOptions, WavelengthGrid};

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
    let expected = ["PRIMARY", "SCI", "VARIANCE", "AND_MASK", "OR_MASK", "COUNT", "WAVELENGTH", "WCS-WAVE"];
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
