//! `--planes coverage,psf`: what an observer checks of a cube or a mosaic, as a user asks for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::path::Path;

use spx_core::elementary::powf;
use spx_core::fits::{FitsNumber, FitsReader};
use spx_core::header::Header;
use tools::done;

/// The only star of a simulated field, with a Gaussian PSF and hardly any noise: where it is, and
/// its flux at a wavelength \[uJy, um\].
fn field() -> (tempfile::TempDir, [String; 2], impl Fn(f64) -> f64) {
    let folder = tempfile::tempdir().unwrap();
    let sky = ["--ra=150", "--dec=2.2", "--stars=1", "--radius=0.15", "--seed=3"];
    let images = ["--detectors=D2,D3", "--exposures=24", "--size=70", "--plain", "--noise=1e-5"];
    done(folder.path(), &[&["simulate", "-q", "-o", "data"], &sky[..], &images].concat());
    let truth = std::fs::read_to_string(folder.path().join("data/truth.csv")).unwrap();
    let star = truth.lines().find(|line| line.contains(",star,")).unwrap();
    let cells: Vec<&str> = star.split(',').collect();
    let at = [format!("--ra={}", cells[2]), format!("--dec={}", cells[3])];
    let [flux, slope]: [f64; 2] = [4, 5].map(|k| cells[k].parse().unwrap());
    (folder, at, move |wavelength| flux * powf(0.5 * wavelength, slope))
}

/// Drizzles around the star.
fn make(folder: &Path, [ra, dec]: &[String; 2], more: &[&str]) {
    let all = ["-q", "--input=data", "--calibration=none", "--planes=coverage,psf", "--background=static"];
    let at = [ra.as_str(), dec, "--height=3"];
    done(folder, &[more, &all, &at].concat());
}

/// The shape of an image of a file, and its pixels.
fn image<T: FitsNumber>(path: &Path, hdu: &str) -> (Vec<usize>, Vec<T>) {
    let mut file = FitsReader::open(path).unwrap();
    file.move_to(hdu).unwrap();
    let shape = file.image_shape().unwrap();
    let mut pixels = vec![T::default(); shape.iter().product()];
    file.read_pixels(0, &mut pixels).unwrap();
    (shape, pixels)
}

fn header(path: &Path, hdu: &str) -> Header {
    let mut file = FitsReader::open(path).unwrap();
    file.move_to(hdu).unwrap();
    file.header().unwrap()
}

/// The window of an image of `nx` columns that a smaller one, whose header is given, is.
fn window(values: &[f32], whole: &Header, part: &Header) -> Vec<f32> {
    let side = |header: &Header, key: &str| usize::try_from(header.integer(key).unwrap()).unwrap();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of pixels")]
    let first = |key: &str| (whole.real(key).unwrap() - part.real(key).unwrap()) as usize;
    let (nx, columns) = (side(whole, "NAXIS1"), side(part, "NAXIS1"));
    let rows = values.chunks_exact(nx).skip(first("CRPIX2")).take(side(part, "NAXIS2"));
    rows.flat_map(|row| &row[first("CRPIX1")..][..columns]).copied().collect()
}

/// A star in the middle of the cube has the profile of HDU PSF, holds its flux, and stands where
/// the cards say.
#[test]
fn a_star_looks_like_the_point_source_of_the_cube() {
    let (folder, at, truth) = field();
    let folder = folder.path();
    make(folder, &at, &["drizzle", "--detector=3", "--width=3", "-o", "odd", "--kernel=square"]);
    make(folder, &at, &["drizzle", "--detector=3", "--width=3.05", "-o", "even", "--xy-oversample=1.5"]);
    make(folder, &at, &["mosaic", "--wave=1.7..2.3", "--width=3", "-o", "mosaic"]);
    let files = [("odd/drizzle_D3.fits", 15), ("even/drizzle_D3.fits", 22), ("mosaic/mosaic.fits", 15)];
    for (file, side) in files {
        let path = folder.join(file);
        let [(shape, sci), (of_psf, psf)] = [image::<f32>(&path, "SCI"), image::<f32>(&path, "PSF")];
        let [whole, part] = [header(&path, "SCI"), header(&path, "PSF")];
        let n = of_psf.len();
        assert_eq!(of_psf[n - 1], side, "{file}: {of_psf:?}");
        let position = ["PSF_RA", "PSF_DEC"].map(|key| part.real(key).unwrap());
        for (found, option) in position.iter().zip(&at) {
            let given: f64 = option.split_once('=').unwrap().1.parse().unwrap();
            assert!((found - given).abs() < 1e-12);
        }
        let area = header(&path, "PRIMARY").real("PIXAR_SR").unwrap();
        let pixels = of_psf[n - 2] * of_psf[n - 1];
        let plane = shape[n - 2] * shape[n - 1];
        let mut lights = Vec::new();
        for (z, (star, psf)) in sci.chunks_exact(plane).zip(psf.chunks_exact(pixels)).enumerate() {
            let star = window(star, &whole, &part);
            let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
                star.iter().zip(psf).map(|(a, b)| f(f64::from(*a), f64::from(*b))).sum()
            };
            // The flux by which the PSF fits best, and what is left over then.
            let flux = sum(&|s, p| s * p) / sum(&|_, p| p * p);
            let rest = sum(&|s, p| (s - flux * p).powi(2)) / sum(&|s, _| s * s);
            assert!(rest.sqrt() < 0.015, "{file}, {z}: {}", rest.sqrt());
            lights.push(sum(&|_, p| p));
            // In a mosaic, a mean over the range.
            if n == 3 {
                let (found, expected) = (flux * area * 1e12, truth(wavelength(&path, z)));
                assert!((found / expected - 1.0).abs() < 0.02, "{file}, {z}: {found} for {expected}");
            }
        }
        let light = lights.iter().sum::<f64>() / lights.len() as f64;
        assert!((light - 1.0).abs() < 0.03, "{file}: {lights:?}");
    }
}

/// The center of a plane \[um\].
fn wavelength(path: &Path, z: usize) -> f64 {
    let mut file = FitsReader::open(path).unwrap();
    file.move_to("WAVELENGTH").unwrap();
    let mut centers = vec![0.0; z + 1];
    file.read_column("LAMBDA", 0, &mut centers).unwrap();
    centers[z]
}

/// NEXP counts the inputs of a voxel, and EXPTIME is at most their time.
#[test]
fn coverage_counts_exposures_and_their_time() {
    let (folder, at, _) = field();
    let folder = folder.path();
    make(folder, &at, &["drizzle", "--detector=3", "--width=3", "-o", "out"]);
    let path = folder.join("out/drizzle_D3.fits");
    let (shape, exposures) = image::<u16>(&path, "NEXP");
    let (_, times) = image::<f32>(&path, "EXPTIME");
    let (_, sci) = image::<f32>(&path, "SCI");
    assert_eq!(header(&path, "EXPTIME").text("BUNIT"), Ok("s"));
    let plane = shape[1] * shape[2];
    let mut file = FitsReader::open(&path).unwrap();
    file.move_to("WAVELENGTH").unwrap();
    let mut inputs = vec![0_i64; shape[0]];
    file.read_column("N_INPUT_SC", 0, &mut inputs).unwrap();
    for (z, inputs) in inputs.into_iter().enumerate() {
        let most = exposures[z * plane..][..plane].iter().max().copied().unwrap();
        assert!(i64::from(most) <= inputs && most > 0, "plane {z}: {most} of {inputs}");
    }
    for ((exposures, time), sci) in exposures.iter().zip(&times).zip(&sci) {
        assert_eq!((*exposures > 0, *time > 0.0), (sci.is_finite(), sci.is_finite()));
    }
    // In all planes together a voxel's column has the time of all exposures, but for flagged
    // pixels.
    let column = |at: usize| (0..shape[0]).map(|z| f64::from(times[z * plane + at])).sum::<f64>();
    let mean = (0..plane).map(column).sum::<f64>() / plane as f64;
    let seconds = header(&path, "PRIMARY").real("EXPTIME").unwrap();
    assert!(mean > 0.8 * seconds && mean < 1.01 * seconds, "{mean} of {seconds}");
}

/// Files that are put together and cut apart keep both.
#[test]
fn parts_and_joins_keep_them() {
    let (folder, at, _) = field();
    let folder = folder.path();
    make(folder, &at, &["drizzle", "--channels=all", "--width=3", "-o", "all"]);
    make(folder, &at, &["drizzle", "--detector=3", "--width=3", "-o", "one"]);
    let all = "all/drizzle_all.fits";
    done(folder, &["cube", "cut", all, "--detector=3", "-o", "d3.fits"]);
    for hdu in ["PSF", "EXPTIME", "NEXP"] {
        let bits = |file: &str| image::<f32>(&folder.join(file), hdu).1.into_iter().map(f32::to_bits);
        assert!(bits("d3.fits").eq(bits("one/drizzle_D3.fits")), "{hdu}");
    }
    let cut = [&at[0], &at[1], "--width=1", "--height=1", "--planes=3..5"];
    done(folder, &[&["cube", "cut", all, "-o", "part.fits"], &cut[..]].concat());
    assert_eq!(image::<f32>(&folder.join("part.fits"), "PSF").0, [3, 15, 15]);
    let keys = ["CRPIX1", "CRPIX2", "PSF_X", "PSF_Y", "PSF_RA"];
    for file in [all, "d3.fits", "part.fits"] {
        let [found, expected] = [file, "one/drizzle_D3.fits"].map(|file| header(&folder.join(file), "PSF"));
        assert!(keys.iter().all(|key| found.real(key) == expected.real(key)), "{file}");
    }
    for tool in ["cubeviz", "irsa"] {
        done(folder, &["cube", "export", all, "--for", tool, "-o", "exported.fits", "--overwrite"]);
        assert_eq!(image::<f32>(&folder.join("exported.fits"), "PSF").0, [34, 15, 15]);
        done(folder, &["cube", "import", "exported.fits", "-o", "back.fits", "--overwrite"]);
        assert!(std::fs::read(folder.join("back.fits")).unwrap() == std::fs::read(folder.join(all)).unwrap());
    }
}
