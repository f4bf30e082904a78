//! Cubes written and read back.

use std::path::PathBuf;

use spx_core::detector::Detector;
use spx_core::fits::{FitsReader, FitsWriter};
use spx_core::header::Header;
use spx_core::progress::{Progress, Silent};

use super::*;
use crate::cube::{Cube, array};
use crate::{DrizzleOptions, DrizzlePlan, Drizzler, OutputPlanes, Timing, WavelengthGrid};

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
        detector: Some(Detector::ALL[2]),
        inputs: 2,
        rejected: 1,
        failed: 0,
        options: DrizzleOptions::default(),
        xy_oversample: 1.0,
        z_oversample: 1.0,
        base_pixel_scale: 6.15,
        celestial,
        exact_wavelength_wcs: true,
        point_source: None,
        compression: CubeCompression::None,
        weighting: "ivm".into(),
        timing: Timing::default(),
        provenance: Header::new(),
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
    assert_eq!(file.read::<f32>(CubeArray::Science, 2, 1..2).unwrap(), [14.5, 15.5, 16.5, 17.5]);
    let mut fits = FitsReader::open(&path).unwrap();
    let expected = ["PRIMARY", "SCI", "VARIANCE", "AND_MASK", "OR_MASK", "COUNT", "WAVELENGTH", "WCS-WAVE"];
    assert_eq!(fits.hdu_names().unwrap(), expected);
    for name in expected {
        fits.move_to(name).unwrap();
        assert_eq!(fits.verify_checksum().unwrap(), Some(true), "{name}");
    }
}

#[test]
fn a_cube_of_several_bins_is_no_mosaic() {
    let dir = tempfile::tempdir().unwrap();
    let error = write_mosaic(&dir.path().join("mosaic.fits"), &cube(), &info(), false, &Silent).unwrap_err();
    assert!(matches!(error.problem, CubeFileProblem::NotAMosaic { bins: 3 }), "{error}");
    assert!(error.to_string().contains("mosaic.fits"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_mean_alone_is_no_cube_file() {
    let dir = tempfile::tempdir().unwrap();
    let planes = OutputPlanes { only_mean: true, ..OutputPlanes::default() };
    let options = DrizzleOptions::default();
    let plan = DrizzlePlan::new([2, 3], WavelengthGrid::custom(vec![1.0, 2.0]).unwrap(), options).unwrap();
    let mean = Drizzler::new(plan.with_planes(planes));
    let error = write(&dir.path().join("cube.fits"), &mean, &info(), false, &Silent).unwrap_err();
    assert!(matches!(error.problem, CubeFileProblem::OnlyMean), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
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

/// A cube with or without the exact axis, and its bytes.
fn written(folder: &std::path::Path, exact: bool) -> (PathBuf, Vec<u8>) {
    let path = folder.join(format!("cube_{exact}.fits"));
    write(&path, &cube(), &CubeInfo { exact_wavelength_wcs: exact, ..info() }, false, &Silent).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

#[test]
fn what_is_exported_and_imported_is_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    for exact in [false, true] {
        let (path, bytes) = written(dir.path(), exact);
        for layout in CubeLayout::ALL {
            let exported = dir.path().join(format!("{layout}_{exact}.fits"));
            let back = dir.path().join(format!("{layout}_{exact}_back.fits"));
            export(&path, &exported, layout, false, &Silent).unwrap();
            assert_eq!(import(&exported, &back, false, &Silent).unwrap(), layout);
            assert!(std::fs::read(&back).unwrap() == bytes, "{layout}, exact axis {exact}");
            let error = CubeFile::open(&exported).err().unwrap();
            assert!(matches!(error.problem, CubeFileProblem::Exported(found) if found == layout));
        }
    }
}

#[test]
fn exported_cubes_have_the_hdus_that_tools_look_for() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = written(dir.path(), false);
    let mut exported = CubeLayout::ALL.map(|layout| {
        let path_of = dir.path().join(format!("{layout}.fits"));
        export(&path, &path_of, layout, false, &Silent).unwrap();
        FitsReader::open(&path_of).unwrap()
    });
    let names = exported.each_mut().map(|file| file.hdu_names().unwrap());
    assert_eq!(names[0], ["FLUX", "VAR", "MASK", "DQ", "AND_MASK", "COUNT", "WAVELENGTH"]);
    assert_eq!(
        names[1],
        [
            "PRIMARY",
            "IMAGE",
            "NHITS",
            "FLAGS",
            "VARIANCE",
            "SPECTRAL_CHANNELS",
            "WCS-WAVE",
            "AND_MASK",
            "WAVELENGTH"
        ]
    );
    for (file, names) in exported.iter_mut().zip(&names) {
        for (index, name) in names.iter().enumerate() {
            file.move_to_index(index).unwrap();
            assert_eq!(file.verify_checksum().unwrap(), Some(true), "{name}");
        }
    }
    let [cubeviz, irsa] = &mut exported;
    cubeviz.move_to("FLUX").unwrap();
    let header = cubeviz.header().unwrap();
    assert_eq!((header.text("CTYPE3"), header.text("CUNIT3")), (Ok("WAVE-LOG"), Ok("um")));
    assert_eq!((header.integer("N_INPUTS"), header.text("BUNIT")), (Ok(2), Ok("MJy/sr")));
    let mut mask = [9_u8; 24];
    cubeviz.move_to("MASK").unwrap();
    assert_eq!(cubeviz.header().unwrap().integer("BITPIX"), Ok(8));
    cubeviz.read_pixels(0, &mut mask).unwrap();
    let missing = |k: usize| u8::from(k.is_multiple_of(8));
    assert!(mask.iter().enumerate().all(|(k, v)| *v == missing(k)), "{mask:?}");

    irsa.move_to("IMAGE").unwrap();
    let header = irsa.header().unwrap();
    assert_eq!((header.text("CTYPE3"), header.text("CTYPE3W")), (Ok("WAVE-LOG"), Ok("WAVE-TAB")));
    assert_eq!((header.real("CRVAL1W"), header.text("PS3_0W")), (Ok(10.0), Ok("WCS-WAVE")));
    irsa.move_to("SPECTRAL_CHANNELS").unwrap();
    let (mut centers, mut channels) = ([0.0; 3], [0_i64; 3]);
    irsa.read_column("WAVELENGTH", 0, &mut centers).unwrap();
    irsa.read_column("SUBCHANNEL", 0, &mut channels).unwrap();
    assert_eq!((centers, channels), ([1.05, 1.175, 1.325], [1, 2, 3]));
    irsa.move_to("WCS-WAVE").unwrap();
    let mut table = [0.0; 3];
    for (name, expected) in [
        ("PLANE", [1.0, 2.0, 3.0]),
        ("WAVELENGTHS", centers),
        ("BANDWIDTHS", [0.1, 0.15, 0.15]),
        ("COORDS", centers),
    ] {
        irsa.read_column(name, 0, &mut table).unwrap();
        let near = table.iter().zip(expected).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-12);
        assert!(near, "{name}: {table:?}");
    }
    assert_eq!(irsa.table_rows().unwrap(), 1);
}

#[test]
fn other_hdus_are_carried_along() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = written(dir.path(), false);
    let more = dir.path().join("more.fits");
    let mut reader = FitsReader::open(&path).unwrap();
    let mut fits = FitsWriter::create(&more).unwrap();
    fits.image::<u8>(&[], &reader.header().unwrap()).unwrap();
    fits.checksum().unwrap();
    for index in 1..reader.hdu_count().unwrap() {
        reader.move_to_index(index).unwrap();
        fits.copy(&reader).unwrap();
    }
    let mut cards = Header::new();
    cards.set("EXTNAME", "ERR", "").set("BUNIT", "MJy/sr", "");
    fits.image::<f32>(&[3, 2, 4], &cards).unwrap();
    fits.write_pixels(0, &[0.5_f32; 24]).unwrap();
    fits.checksum().unwrap();
    let mut cards = Header::new();
    cards.set("EXTNAME", "NOTES", "");
    fits.image::<i16>(&[2, 2], &cards).unwrap();
    fits.write_pixels(0, &[1_i16, -2, 3, -4]).unwrap();
    fits.finish().unwrap();
    for layout in CubeLayout::ALL {
        let [exported, back] = ["exported", "back"].map(|name| dir.path().join(format!("{name}.fits")));
        export(&more, &exported, layout, true, &Silent).unwrap();
        import(&exported, &back, true, &Silent).unwrap();
        assert!(std::fs::read(&back).unwrap() == std::fs::read(&more).unwrap(), "{layout}");
        let names = FitsReader::open(&exported).unwrap().hdu_names().unwrap();
        let error = if layout == CubeLayout::Cubeviz { "ERRORS" } else { "ERR" };
        assert_eq!(names[names.len() - 2..], [error, "NOTES"]);
    }
}

#[test]
fn damage_is_found_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut bytes) = written(dir.path(), false);
    let [exported, out] = ["exported.fits", "out.fits"].map(|name| dir.path().join(name));
    export(&path, &exported, CubeLayout::Cubeviz, false, &Silent).unwrap();
    let error = import(&path, &out, false, &Silent).unwrap_err().to_string();
    assert!(error.contains("no card LAYOUT"), "{error}");
    let spoil = |path: &std::path::Path, bytes: &mut [u8]| {
        // A bit of a pixel: data begin with the block behind the END card.
        let name = bytes.windows(14).position(|w| w == b"EXTNAME = 'VAR").unwrap();
        let end = name + bytes[name..].windows(10).position(|w| w == b"END       ").unwrap();
        bytes[end.next_multiple_of(2880) + 5] ^= 0x10;
        std::fs::write(path, bytes).unwrap();
    };
    spoil(&path, &mut bytes);
    let error = export(&path, &out, CubeLayout::Irsa, false, &Silent).unwrap_err().to_string();
    assert!(error.contains("cube_false.fits: HDU VARIANCE is damaged"), "{error}");
    let mut bytes = std::fs::read(&exported).unwrap();
    spoil(&exported, &mut bytes);
    let error = import(&exported, &out, false, &Silent).unwrap_err().to_string();
    assert!(error.contains("exported.fits: HDU VAR is damaged"), "{error}");
    std::fs::write(&exported, &bytes[..bytes.len() / 2]).unwrap();
    assert!(import(&exported, &out, false, &Silent).is_err());
    assert!(!out.exists());
}

/// A cube of another detector on the grid of [`cube`].
fn other_cube() -> (Cube, CubeInfo) {
    let mut cube = cube();
    cube.wavelengths = WavelengthGrid::custom(vec![1.35, 1.5, 1.75, 1.8]).unwrap();
    cube.science.mapv_inplace(|value| 100.0 + value);
    let provenance = Header::parse("VERSIONS= '6.5.7'\nMIXSCALE=                    T\n").unwrap();
    let history = vec!["config detector = 4".into(), "input b.fits: used".into()];
    let info = CubeInfo { detector: Some(Detector::ALL[3]), inputs: 5, provenance, history, ..info() };
    (cube, info)
}

/// Planes of two detectors keep their values and wavelengths in one file, in whatever order the
/// files are named, and a cut gives the cube of one of them back.
#[test]
fn joined_cubes_are_cut_apart_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let provenance = Header::parse("VERSIONS= '6.5.4,6.5.7'\nMIXSCALE=                    F\n").unwrap();
    let history = vec!["config detector = 3".into(), "input a.fits: used".into()];
    let third = CubeInfo { provenance, history, ..info() };
    write(&path("d3"), &cube(), &third, false, &Silent).unwrap();
    let (fourth, fourth_info) = other_cube();
    write(&path("d4"), &fourth, &fourth_info, false, &Silent).unwrap();
    join(&[path("d4"), path("d3")], &path("all"), (CubeCompression::None, false), &Silent).unwrap();

    let mut all = CubeFile::open(&path("all")).unwrap();
    assert_eq!(all.shape(), [6, 2, 4]);
    assert_eq!(all.wavelengths().bin(3), fourth.wavelengths.bin(0));
    let detectors: Vec<_> = all.wavelengths().plane_detectors().flatten().map(|d| d.number()).collect();
    assert_eq!(detectors, [3, 3, 3, 4, 4, 4]);
    assert_eq!(all.inputs_per_plane(), [2, 40_000, 0, 2, 40_000, 0]);
    let plane: Vec<f32> = all.read(CubeArray::Science, 4, 0..2).unwrap();
    assert_eq!(plane[1..], fourth.science.as_slice().unwrap()[9..16]);
    let (primary, science) = (all.primary().clone(), all.science_header().clone());
    assert_eq!([primary.integer("N_INPUTS"), primary.integer("NZ")], [Ok(7), Ok(6)]);
    assert_eq!((primary.text("VERSIONS"), primary.text("DETECTS")), (Ok("6.5.4,6.5.7"), Ok("3,4")));
    assert_eq!(primary.get("MIXSCALE"), Some(&true.into()));
    assert_eq!((primary.get("DETECTOR"), primary.real("LAM_MAX")), (None, Ok(1.8)));
    assert_eq!(
        history_lines(&primary),
        ["config detector = 3", "input a.fits: used", "config detector = 4", "input b.fits: used"]
    );
    assert_eq!((science.text("CTYPE3"), science.text("PS3_0")), (Ok("WAVE-TAB"), Ok("WCS-WAVE")));

    let part = CubeCut { planes: vec![3, 4, 5], columns: 0..4, rows: 0..2 };
    cut(&path("all"), &part, &path("d4_again"), (CubeCompression::None, false), &Silent).unwrap();
    let mut again = CubeFile::open(&path("d4_again")).unwrap();
    assert!(same(&again.load().unwrap(), &fourth));
    assert_eq!(again.primary().integer("DETECTOR"), Ok(4));
    assert_eq!(again.science_header().text("CTYPE3"), Ok("WAVE-LOG"));
    let of_cut = |file: &CubeFile| file.science_header().real("CRVAL3");
    assert_eq!(of_cut(&again), of_cut(&CubeFile::open(&path("d4")).unwrap()));
}

#[test]
fn parts_lie_where_they_lay() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write(&path("whole"), &cube(), &info(), false, &Silent).unwrap();
    let part = CubeCut { planes: vec![1, 2], columns: 1..3, rows: 1..2 };
    cut(&path("whole"), &part, &path("part"), (CubeCompression::None, false), &Silent).unwrap();
    let mut file = CubeFile::open(&path("part")).unwrap();
    assert_eq!(file.shape(), [2, 1, 2]);
    assert_eq!(file.read::<f32>(CubeArray::Science, 0, 0..1).unwrap(), [7.5, 8.5]);
    let (primary, science) = (file.primary(), file.science_header());
    assert_eq!([science.real("CRPIX1"), science.real("CRPIX2")], [Ok(1.5), Ok(0.5)]);
    assert_eq!([primary.real("LAM_MIN"), primary.real("LAM_MAX")], [Ok(1.1), Ok(1.4)]);
    assert_eq!([primary.integer("NX"), primary.integer("N_SATUR")], [Ok(2), Ok(4)]);
    assert!(history_lines(primary).last().unwrap().contains("cut x 2 to 3, y 2 to 2 of whole, planes 1-2"));
    let beyond = CubeCut { columns: 1..5, ..part };
    let error =
        cut(&path("whole"), &beyond, &path("beyond"), (CubeCompression::None, false), &Silent).unwrap_err();
    assert!(matches!(error.problem, CubeFileProblem::Unlike(_)), "{error}");
}

#[test]
fn cubes_that_do_not_go_together_are_not_joined() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write(&path("d3"), &cube(), &info(), false, &Silent).unwrap();
    let (fourth, fourth_info) = other_cube();
    let moved = Header::parse("CTYPE1  = 'RA---TAN'\nCRPIX1  =                  2.6\n").unwrap();
    let kernel = DrizzleOptions { xy_shrink: 0.5, ..DrizzleOptions::default() };
    for (name, info, expected) in [
        ("grid", CubeInfo { celestial: moved, ..fourth_info.clone() }, "another grid"),
        (
            "option",
            CubeInfo { options: kernel, ..fourth_info.clone() },
            "card XYSHRINK is 0.8 in one and 0.5",
        ),
        ("detector", CubeInfo { detector: Some(Detector::ALL[2]), ..fourth_info }, "two of them are of D3"),
    ] {
        write(&path(name), &fourth, &info, false, &Silent).unwrap();
        let error = join(&[path("d3"), path(name)], &path("all"), (CubeCompression::None, false), &Silent)
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!path("all").exists());
    }
}
