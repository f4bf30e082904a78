//! Realistic exposures against what is known of real ones.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use spx_core::detector::Detector;
use spx_core::fits::FitsReader;
use spx_core::image::PixelPlanes;
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_sim::{
    DefectRates, ExposureOptions, ExtendedSource, FieldOptions, FrameExtent, PixelWindow, Pointing,
    RealisticOptions, SimulatedExposure, SimulatedRelease, SimulatedSky, SurfaceProfile, SurveyOptions,
    flux_correction_plane, observe, survey, write_calibration, write_mef,
};
use spx_wcs::CelestialWcs;

const OUTLIER: i32 = 1 << 19;
const NONFUNC: i32 = 1 << 6;

fn center() -> Position {
    Position::new(186.4536, 33.5468).unwrap()
}

fn pointing(detector: i64) -> Pointing {
    let detectors = vec![Detector::new(detector).unwrap()];
    let options = SurveyOptions { observations: 3, detectors, ..SurveyOptions::default() };
    survey(center(), &options).unwrap().swap_remove(1)
}

fn realistic(change: impl FnOnce(&mut RealisticOptions)) -> ExposureOptions {
    let mut realism = RealisticOptions::default();
    change(&mut realism);
    ExposureOptions { realism: Some(realism), ..ExposureOptions::default() }
}

fn sky() -> SimulatedSky {
    SimulatedSky::field(center(), 0.1, 12, 5, &FieldOptions::default()).unwrap()
}

#[test]
fn variance_follows_the_observed_rate_and_flags_come_at_the_real_rates() {
    let options = realistic(|_| {});
    let PixelPlanes { image, flags, variance, zodi } =
        observe(&SimulatedSky::default(), &pointing(2), &options).unwrap().planes;
    let gain = 713.0;
    let count = |bit: i32| flags.iter().filter(|&&f| f & bit != 0).count() as f64 / flags.len() as f64;
    for (bit, rate) in [(OUTLIER, 0.017), (1, 0.005), (1 << 2, 0.004), (1 << 6, 0.003), (1 << 17, 0.002)] {
        assert!((count(bit) / rate - 1.0).abs() < 0.03, "{bit:b}: {}", count(bit));
    }
    let (mut chi2, mut good) = (0.0, 0.0);
    for k in 0..image.len() {
        if flags[k] & NONFUNC != 0 {
            assert!(variance[k].is_nan());
            continue;
        }
        let expected = (25.0 + 1.2 * gain * f64::from(image[k]).max(0.0)) / (gain * gain);
        assert!((f64::from(variance[k]) / expected - 1.0).abs() < 1e-5, "of the observed rate");
        if flags[k] == 0 {
            let residual = f64::from(image[k] - zodi[k]);
            chi2 += residual * residual / ((25.0 + 1.2 * gain * f64::from(zodi[k])) / (gain * gain));
            good += 1.0;
        }
    }
    assert!((chi2 / good - 1.0_f64).abs() < 0.003, "{}", chi2 / good);
}

#[test]
fn a_cutout_has_the_pixels_of_the_full_frame() {
    let options = realistic(|realism| (realism.unflagged_hits, realism.airglow) = (0.001, 3.0));
    let full = observe(&sky(), &pointing(1), &options).unwrap();
    let window = PixelWindow { x0: 900, y0: 1000, nx: 150, ny: 90 };
    let part = ExposureOptions { frame: FrameExtent::Cutout(window), ..options };
    let cutout = observe(&sky(), &pointing(1), &part).unwrap();
    for j in 0..window.ny {
        for i in 0..window.nx {
            let (k, parent) = (j * window.nx + i, (j + window.y0) * 2040 + i + window.x0);
            let bits = |e: &SimulatedExposure, k: usize| {
                let p = &e.planes;
                (p.image[k].to_bits(), p.flags[k], p.variance[k].to_bits(), p.zodi[k].to_bits())
            };
            assert_eq!(bits(&cutout, k), bits(&full, parent));
        }
    }
}

#[test]
fn the_correction_brings_one_release_to_the_other() {
    for detector in [1, 5] {
        let of = |release| {
            let options = realistic(|realism| realism.gain_error = true);
            observe(&sky(), &pointing(detector), &ExposureOptions { release, ..options }).unwrap()
        };
        let (qr2, qr3) = (of(SimulatedRelease::Qr2), of(SimulatedRelease::Qr3));
        let correction = flux_correction_plane(Detector::new(detector).unwrap());
        let (mut equal, mut wild, mut usable) = (0, 0, 0);
        for (k, &f) in correction.iter().enumerate() {
            let (image, variance) = (f * qr2.planes.image[k], f * f * qr2.planes.variance[k]);
            let same = |a: f32, b: f32| (a - b).abs() <= 1e-5 * b.abs();
            if variance.is_finite() || !f.is_finite() {
                usable += 1;
                match same(image, qr3.planes.image[k]) && same(variance, qr3.planes.variance[k]) {
                    true => equal += 1,
                    false => wild += 1,
                }
            }
        }
        assert_eq!(equal + wild, usable);
        assert!((200..800).contains(&wild), "{wild} of {usable}");
        assert_eq!(qr2.planes.zodi, qr3.planes.zodi);
        let shift = qr3.wave_table.values[0] - qr2.wave_table.values[0];
        assert!((shift - if detector == 5 { 0.0064 } else { 0.0 }).abs() < 1e-6, "{shift}");
    }
}

#[test]
fn an_extended_source_keeps_its_flux_on_the_detector() {
    for (profile, radius) in [(SurfaceProfile::Exponential, 30.0), (SurfaceProfile::Uniform, 120.0)] {
        let (flux_2um, slope, position) = (1e6, 0.0, center());
        let id = "G".to_owned();
        let galaxy = ExtendedSource { id, position, flux_2um, slope, profile, radius };
        let sky = SimulatedSky { extended: vec![galaxy], ..SimulatedSky::default() };
        let frame = FrameExtent::Around { position, size: 130 };
        let quiet = realistic(|r| (r.noisy_image, r.defects) = (false, DefectRates::NONE));
        let exposure = observe(&sky, &pointing(4), &ExposureOptions { frame, ..quiet }).unwrap();
        let wcs = CelestialWcs::from_header(&exposure.header).unwrap();
        let planes = &exposure.planes;
        let light = (0..planes.image.len()).map(|k| {
            let area = wcs.pixel_area((k % 130) as f64, (k / 130) as f64);
            f64::from(planes.image[k] - planes.zodi[k]) * area * UJY_PER_ARCSEC2_PER_MJY_PER_SR
        });
        let ratio = light.sum::<f64>() / flux_2um;
        assert!((ratio - 1.0).abs() < 3e-3, "{profile:?}: {ratio}");
    }
}

#[test]
fn files_of_quick_release_3_have_the_real_layout() {
    let dir = tempfile::tempdir().unwrap();
    for (detector, zones) in [(3, 451), (5, 441)] {
        let frame = FrameExtent::Around { position: center(), size: 20 };
        let options = ExposureOptions { release: SimulatedRelease::Qr3, frame, ..realistic(|_| {}) };
        let exposure = observe(&sky(), &pointing(detector), &options).unwrap();
        let path = dir.path().join(exposure.pointing.file_name(options.release));
        write_mef(&path, &exposure, false).unwrap();
        let mut file = FitsReader::open(&path).unwrap();
        assert_eq!(file.hdu_names().unwrap()[5], "EPSF");
        file.move_to("FLAGS").unwrap();
        let flags = file.header().unwrap();
        assert_eq!((flags.text("MSKN0020"), flags.integer("MSKM0020")), (Ok("CROSSTALK"), Ok(1 << 20)));
        file.move_to("EPSF").unwrap();
        let names: Vec<String> = file.columns().unwrap().into_iter().map(|column| column.name).collect();
        assert_eq!((file.table_rows().unwrap(), names.len()), (zones, 11));
        let cards = file.header().unwrap();
        assert_eq!((cards.integer("OVSMPX"), cards.integer("NAXIS1")), (Ok(5), Ok(8752)));
        let mut cells = vec![0.0_f64; 2 * 1089];
        file.read_column("EPSF", zones - 2, &mut cells).unwrap();
        for cell in cells.chunks_exact(1089) {
            assert!((cell.iter().sum::<f64>() - 1.0).abs() < 1e-3);
        }
        let expected = [7.53, 0.0, 8.06, 0.0, 8.88][usize::try_from(detector).unwrap() - 1];
        assert!((exposure.header.real("PSF_FWHM").unwrap() - expected).abs() < 0.02);
    }
}

#[test]
fn calibration_products_lie_where_the_archive_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let detector = Detector::new(3).unwrap();
    let paths = write_calibration(dir.path(), detector, &RealisticOptions::default()).unwrap();
    let epsf = dir.path().join("qr3/epsf/cal-epsf-v2-2026-191/3/epsf_D3_spx_cal-epsf-v2-2026-191.fits");
    assert!(paths.contains(&epsf), "{paths:?}");
    let mut file = FitsReader::open(&epsf).unwrap();
    assert_eq!(file.hdu_names().unwrap(), ["PRIMARY", "EPSF"]);
    file.move_to("EPSF").unwrap();
    assert_eq!(file.table_rows().unwrap(), 451);
    assert!(write_calibration(dir.path(), detector, &RealisticOptions::default()).is_err(), "taken");
}
