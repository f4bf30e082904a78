//! Simulated exposures against the truth they were made from, and their files against themselves.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::path::Path;

use spx_core::detector::Detector;
use spx_core::fits::FitsReader;
use spx_core::image::PixelPlanes;
use spx_core::map::WavelengthMap as _;
use spx_core::mef::MefFile;
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_sim::{
    ExposureOptions, FieldOptions, FrameExtent, PixelWindow, Pointing, SimError, SimulatedExposure,
    SimulatedRelease, SimulatedSky, SimulatedStar, SurveyOptions, observe, survey, write_mef, write_truth,
};
use spx_wcs::{CelestialWcs, WaveTable};

fn center() -> Position {
    Position::new(186.4536, 33.5468).unwrap()
}

fn plan(detectors: &[i64]) -> Vec<Pointing> {
    let detectors = detectors.iter().map(|&n| Detector::new(n).unwrap()).collect();
    survey(center(), &SurveyOptions { observations: 3, detectors, ..SurveyOptions::default() }).unwrap()
}

fn sky() -> SimulatedSky {
    SimulatedSky::field(center(), 0.1, 12, 5, &FieldOptions::default()).unwrap()
}

fn around(size: usize) -> ExposureOptions {
    ExposureOptions { frame: FrameExtent::Around { position: center(), size }, ..ExposureOptions::default() }
}

fn quiet(size: usize) -> ExposureOptions {
    ExposureOptions { sigma: 0.0, bad_fraction: 0.0, nan_fraction: 0.0, ..around(size) }
}

#[test]
fn the_flux_of_a_star_is_its_spectrum_at_the_wavelength_of_its_pixel() {
    let star = SimulatedStar { id: "S".into(), position: center(), flux_2um: 1000.0, slope: -1.5 };
    let sky = SimulatedSky { stars: vec![star.clone()], ..SimulatedSky::default() };
    for pointing in plan(&[1, 2, 3, 4, 5, 6]) {
        let exposure = observe(&sky, &pointing, &quiet(31)).unwrap();
        let wcs = CelestialWcs::from_header(&exposure.header).unwrap();
        let table = &exposure.wave_table;
        let waves = WaveTable::new(&table.x, &table.y, &table.values, &exposure.header).unwrap();
        let [x, y] = wcs.sky_to_pixel(center()).unwrap();
        let (mut flux, mut moment) = (0.0, [0.0; 2]);
        for j in 0..exposure.window.ny {
            for i in 0..exposure.window.nx {
                let k = j * exposure.window.nx + i;
                let light = f64::from(exposure.planes.image[k]) - f64::from(exposure.planes.zodi[k]);
                let (px, py) = (i as f64, j as f64);
                let share = light * wcs.pixel_area(px, py) * UJY_PER_ARCSEC2_PER_MJY_PER_SR
                    / star.flux(waves.passband(px, py).center);
                flux += share;
                moment = [moment[0] + share * px, moment[1] + share * py];
            }
        }
        assert!((flux - 1.0).abs() < 1e-4, "{}: {flux}", pointing.detector);
        // The PSF is undersampled: the center of gravity of its pixels is off by up to 0.03 px.
        assert!((moment[0] / flux - x).abs() < 0.035, "x of {}", pointing.detector);
        assert!((moment[1] / flux - y).abs() < 0.035, "y of {}", pointing.detector);
    }
}

#[test]
fn a_cutout_has_the_pixels_of_the_full_frame() {
    let pointing = &plan(&[3])[1];
    let full = observe(&sky(), pointing, &ExposureOptions::default()).unwrap();
    let window = PixelWindow { x0: 900, y0: 1000, nx: 150, ny: 90 };
    let options = ExposureOptions { frame: FrameExtent::Cutout(window), ..ExposureOptions::default() };
    let cutout = observe(&sky(), pointing, &options).unwrap();
    let bits = |plane: &[f32], k: usize| plane[k].to_bits();
    for j in 0..window.ny {
        for i in 0..window.nx {
            let (k, parent) = (j * window.nx + i, (j + window.y0) * 2040 + i + window.x0);
            assert_eq!(bits(&cutout.planes.image, k), bits(&full.planes.image, parent));
            assert_eq!(bits(&cutout.planes.variance, k), bits(&full.planes.variance, parent));
            assert_eq!(bits(&cutout.planes.zodi, k), bits(&full.planes.zodi, parent));
            assert_eq!(cutout.planes.flags[k], full.planes.flags[parent]);
        }
    }
    let shift = |keyword: &str| full.header.real(keyword).unwrap() - cutout.header.real(keyword).unwrap();
    assert_eq!(["CRPIX1", "CRPIX1A", "CRPIX1W"].map(shift), [900.0; 3]);
    assert_eq!(["CRPIX2", "CRPIX2A", "CRPIX2W"].map(shift), [1000.0; 3]);
}

#[test]
fn noise_and_flags_are_as_asked() {
    let options = ExposureOptions { bad_fraction: 0.02, nan_fraction: 0.01, ..ExposureOptions::default() };
    let PixelPlanes { image, flags, variance, zodi } =
        observe(&SimulatedSky::default(), &plan(&[2])[0], &options).unwrap().planes;
    let (mut normalized, mut good, mut nan, mut hot) = (0.0, 0.0, 0.0, 0.0);
    for k in 0..image.len() {
        if variance[k].is_nan() {
            assert_ne!(flags[k] & 1 << 6, 0, "NaN in VARIANCE is flagged");
            nan += 1.0;
        } else if flags[k] == 0 {
            normalized += f64::from((image[k] - zodi[k]).powi(2) / variance[k]);
            good += 1.0;
        } else if flags[k] & 1 << 10 != 0 {
            assert!(image[k] > 4.0);
            hot += 1.0;
        }
        assert!(!image[k].is_nan() || variance[k].is_nan());
        assert_eq!(flags[k] & 1 << 21, 0, "an empty sky has no sources");
    }
    let count = image.len() as f64;
    assert!((normalized / good - 1.0_f64).abs() < 0.003, "reduced chi square {}", normalized / good);
    assert!((nan / count - 0.01).abs() < 3e-4);
    assert!((good / count - 0.98 * 0.99).abs() < 5e-4);
    assert!((hot / count - 0.002 * 0.99).abs() < 2e-4);
}

#[test]
fn threads_change_nothing() {
    let observe = |threads| -> SimulatedExposure {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = ExposureOptions { nan_fraction: 0.0, ..around(200) };
        pool.install(|| observe(&sky(), &plan(&[4])[0], &options).unwrap())
    };
    assert_eq!(observe(1), observe(5));
}

#[test]
fn sources_are_flagged() {
    let exposure = observe(&sky(), &plan(&[3])[1], &around(61)).unwrap();
    let source = |i: usize, j: usize| exposure.planes.flags[j * 61 + i] & 1 << 21 != 0;
    assert!(source(30, 30), "the central star");
    let flagged = exposure.planes.flags.iter().filter(|&&flags| flags & 1 << 21 != 0).count();
    assert!(flagged < 61 * 61 / 2, "background is left: {flagged}");
}

#[test]
fn cutouts_are_clipped_or_refused() {
    let pointing = &plan(&[3])[0];
    let wcs = pointing.wcs().unwrap();
    let at = |x, y| {
        let [ra, dec] = wcs.pixel_to_sky(x, y);
        let position = Position::new(ra, dec).unwrap();
        ExposureOptions { frame: FrameExtent::Around { position, size: 50 }, ..ExposureOptions::default() }
    };
    let corner = observe(&sky(), pointing, &at(2035.0, 4.0)).unwrap().window;
    assert_eq!((corner.x0 + corner.nx, corner.y0), (2040, 0));
    assert!((25..=32).contains(&corner.nx) && (25..=32).contains(&corner.ny), "{corner:?}");
    assert!(matches!(observe(&sky(), pointing, &at(-60.0, 100.0)), Err(SimError::NoOverlap { .. })));
    let beyond = FrameExtent::Cutout(PixelWindow { x0: 2000, y0: 0, nx: 41, ny: 1 });
    let options = ExposureOptions { frame: beyond, ..ExposureOptions::default() };
    assert!(matches!(observe(&sky(), pointing, &options), Err(SimError::Option { .. })));
}

fn assert_same_bits(a: &[f32], b: &[f32]) {
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()));
}

/// Reads the file back and compares it with the exposure.
fn check_file(path: &Path, exposure: SimulatedExposure) {
    let file = MefFile::open(path).unwrap();
    let rows = 0..file.metadata().shape[0];
    let read = file.read(rows, PixelPlanes::default()).unwrap();
    let expected = exposure.into_spectral_image(path);
    assert_same_bits(&read.planes.image, &expected.planes.image);
    assert_same_bits(&read.planes.variance, &expected.planes.variance);
    assert_same_bits(&read.planes.zodi, &expected.planes.zodi);
    assert_eq!(read.planes.flags, expected.planes.flags);
    assert_eq!(read.metadata.wave_table, expected.metadata.wave_table);
    assert_eq!(read.metadata.id, expected.metadata.id);
    assert_eq!(read.metadata.time, expected.metadata.time);
    assert_eq!(read.metadata.version, expected.metadata.version);
    assert_eq!(read.metadata.flag_names, expected.metadata.flag_names);
    assert_eq!((read.metadata.shape, read.rows), (expected.metadata.shape, expected.rows));
    for card in expected.metadata.header.cards().iter().filter(|card| card.value.is_some()) {
        assert_eq!(read.metadata.header.get(&card.keyword), card.value.as_ref(), "{}", card.keyword);
    }
}

#[test]
fn files_read_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    for (release, gzip) in
        [(SimulatedRelease::Qr2, false), (SimulatedRelease::Qr2, true), (SimulatedRelease::Qr3, false)]
    {
        for pointing in plan(&[1, 4]) {
            let exposure = observe(&sky(), &pointing, &ExposureOptions { release, ..around(60) }).unwrap();
            let name = format!("{gzip}{}", pointing.file_name(release));
            let path = dir.path().join(name);
            write_mef(&path, &exposure, gzip).unwrap();
            assert_eq!(std::fs::read(&path).unwrap().starts_with(&[0x1f, 0x8b]), gzip);
            assert!(write_mef(&path, &exposure, gzip).is_err(), "the name is taken");
            check_file(&path, exposure);
        }
    }
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 18, "no temporary file stays");
}

#[test]
fn the_layout_is_the_releases() {
    let dir = tempfile::tempdir().unwrap();
    let names = |release| {
        let exposure = observe(&sky(), &plan(&[3])[0], &ExposureOptions { release, ..around(20) }).unwrap();
        let path = dir.path().join(exposure.pointing.file_name(release));
        write_mef(&path, &exposure, false).unwrap();
        let mut file = FitsReader::open(&path).unwrap();
        let names = file.hdu_names().unwrap();
        file.move_to_index(5).unwrap();
        (names, file)
    };
    let (qr2, mut file) = names(SimulatedRelease::Qr2);
    assert_eq!(qr2, ["PRIMARY", "IMAGE", "FLAGS", "VARIANCE", "ZODI", "PSF", "WCS-WAVE"]);
    assert_eq!(file.image_shape().unwrap(), [121, 101, 101]);
    let mut plane = vec![0f64; 101 * 101];
    file.read_pixels(120 * plane.len(), &mut plane).unwrap();
    assert!((plane.iter().sum::<f64>() - 1.0).abs() < 1e-5, "the last plane of the PSF is normalized");
    let (qr3, mut file) = names(SimulatedRelease::Qr3);
    assert_eq!(qr3, ["PRIMARY", "IMAGE", "FLAGS", "VARIANCE", "ZODI", "EPSF", "WCS-WAVE"]);
    assert_eq!((file.table_rows().unwrap(), file.column_len("EPSF").unwrap()), (451, 1089));
}

#[test]
fn the_truth_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.csv");
    write_truth(&path, &sky()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1 + 12 + 1);
    assert!(write_truth(&path, &sky()).is_err());
}
