//! The kernel on small images whose answer is known: fallbacks, reasons, flags, and sameness.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{FWHM, psf, scene};
use spx_core::elementary::hypot;
use spx_core::flags::FlagNames;
use spx_core::map::Passband;
use spx_core::pixels::Pixels;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR as UNIT;
use spx_photometry::{
    ApertureMethod, BackgroundMethod, CircularAperture, ErrorModel, FlagRule, ForegroundModel, FwhmSource,
    ImageView, Measurement, NoMeasurement, NoPsfFlux, Photometer, PhotometryError, PhotometryOptions,
    PsfModel, QualityOptions, Scratch, SourceOnImage,
};
use spx_sim::PixelWindow;

const SIDE: usize = 41;
const AREA: f64 = 37.9;
const SOURCE: i32 = 1 << 21;
const HOT: i32 = 1 << 10;

/// An image of even background with alternating noise of 0.01, and all that goes with it.
struct SmallImage {
    image: Vec<f32>,
    flags: Vec<i32>,
    variance: Vec<f32>,
    zodi: Option<Vec<f32>>,
    fwhm: Option<f64>,
    names: FlagNames,
    options: PhotometryOptions,
    psf: Option<PsfModel>,
}

impl SmallImage {
    fn new() -> Self {
        let mut options = PhotometryOptions::spxquery();
        options.aperture.method = ApertureMethod::Fixed;
        let noise = |k: usize| if (k / SIDE + k % SIDE).is_multiple_of(2) { 0.01 } else { -0.01 };
        Self {
            image: (0..SIDE * SIDE).map(|k| 0.5 + noise(k)).collect(),
            flags: vec![0; SIDE * SIDE],
            variance: vec![1e-4; SIDE * SIDE],
            zodi: None,
            fwhm: Some(5.2),
            names: FlagNames::default(),
            options,
            psf: None,
        }
    }

    fn measure(&self, x: f64, y: f64) -> Result<Measurement, NoMeasurement> {
        let view = ImageView {
            shape: [SIDE, SIDE],
            image: Pixels::Native(&self.image),
            flags: Pixels::Native(&self.flags),
            variance: Pixels::Native(&self.variance),
            foreground: self
                .zodi
                .as_deref()
                .map(|model| ForegroundModel { model: Pixels::Native(model), scale: 2.0 }),
            flag_names: &self.names,
            psf_fwhm: self.fwhm,
            parent_offset: [0.0; 2],
        };
        let source = SourceOnImage {
            position: [x, y],
            pixel_area: AREA,
            passband: Passband { center: 2.0, width: 0.05 },
        };
        Photometer::new(view, &self.options, self.psf.as_ref())
            .unwrap()
            .measure(&source, &mut Scratch::default())
    }

    /// Sets flags on the pixels whose centers lie at a distance in `range` from the middle.
    fn flag(&mut self, flag: i32, range: std::ops::Range<f64>) {
        for (k, flags) in self.flags.iter_mut().enumerate() {
            if range.contains(&hypot((k % SIDE) as f64 - 20.0, (k / SIDE) as f64 - 20.0)) {
                *flags |= flag;
            }
        }
    }
}

#[test]
fn threads_may_share_a_photometer() {
    fn shared<T: Sync>() {}
    shared::<Photometer<'_>>();
}

#[test]
fn flux_and_error_are_the_formula() {
    let mut bench = SmallImage::new();
    bench.image[20 * SIDE + 20] += 3.0;
    let measured = bench.measure(20.3, 19.8).unwrap();
    let circle = CircularAperture { x: 20.3, y: 19.8, radius: 1.5 };
    let sum = circle.sum([SIDE, SIDE], |x, y| Some(f64::from(bench.image[y * SIDE + x]))).sum;
    let flux = (sum * UNIT - measured.background * circle.area()) * AREA;
    assert!((measured.flux / flux - 1.0).abs() < 1e-13);
    let squares = f64::from(1e-4f32) * circle.area() * UNIT * UNIT
        + (measured.background_error * circle.area()).powi(2);
    assert!((measured.flux_error / (squares.sqrt() * AREA) - 1.0).abs() < 1e-13);
    assert_eq!(measured.snr, measured.flux / measured.flux_error);
    assert!(!measured.is_upper_limit && measured.fallbacks.is_empty());
    // Inner radius 1.5 + 1.414, area 10.
    let [inner, outer] = measured.annulus.unwrap();
    assert!((inner - 2.914).abs() < 1e-12);
    assert!((std::f64::consts::PI * (outer * outer - inner * inner) - 10.0).abs() < 1e-12);
    bench.options.error_model = ErrorModel::Independent;
    assert!(bench.measure(20.3, 19.8).unwrap().flux_error != measured.flux_error);
}

#[test]
fn the_aperture_follows_the_fwhm() {
    let mut bench = SmallImage::new();
    bench.options.aperture.method = ApertureMethod::Fwhm;
    let measured = bench.measure(20.0, 20.0).unwrap();
    assert!((measured.radius - 5.2 / AREA.sqrt() * 2.5 / 2.0).abs() < 1e-14);
    assert!(!measured.fallbacks.fixed_aperture);
    for fwhm in [None, Some(0.0), Some(f64::NAN)] {
        bench.fwhm = fwhm;
        let measured = bench.measure(20.0, 20.0).unwrap();
        assert_eq!(measured.radius, 1.5);
        assert!(measured.fallbacks.fixed_aperture);
    }
    bench.fwhm = Some(30.0);
    assert!(matches!(bench.measure(20.0, 20.0), Err(NoMeasurement::EmptyAnnulus { .. })));
}

#[test]
fn the_foreground_is_subtracted() {
    let mut bench = SmallImage::new();
    let plain = bench.measure(20.0, 20.0).unwrap();
    bench.zodi = Some(vec![0.1; SIDE * SIDE]);
    let less = bench.measure(20.0, 20.0).unwrap();
    assert!((plain.background - less.background - 0.2 * UNIT).abs() < 1e-6 * UNIT);
    assert!((plain.flux - less.flux).abs() < 1e-4);
}

#[test]
fn the_annulus_grows_then_takes_source_pixels() {
    let mut bench = SmallImage::new();
    bench.flag(SOURCE, 0.0..3.8);
    let grown = bench.measure(20.0, 20.0).unwrap();
    assert!(grown.fallbacks.annulus_growths > 0 && !grown.fallbacks.source_pixels);
    assert!(grown.background_pixels >= 10);
    bench.flag(SOURCE, 0.0..9.0);
    let relaxed = bench.measure(20.0, 20.0).unwrap();
    assert!(relaxed.fallbacks.source_pixels);
    assert_eq!(relaxed.annulus.unwrap()[1], 5.0);
    assert_eq!(relaxed.flags, 1 << 21);
    bench.flag(HOT, 2.5..9.0);
    let error = bench.measure(20.0, 20.0).unwrap_err();
    assert_eq!(error.to_string(), "0 usable background pixels, 10 needed");
}

#[test]
fn the_window_leaves_out_the_aperture() {
    let mut bench = SmallImage::new();
    bench.options.background.method = BackgroundMethod::Window;
    bench.options.background.window_size = [11, 20];
    let measured = bench.measure(20.0, 20.0).unwrap();
    // Rows 14..26 and columns 10..30; 1.5 + 0.707 px about the source hold 13 centers (the nearest
    // without is at 2.236 px).
    assert_eq!(measured.background_pixels, 12 * 20 - 13);
    assert_eq!(measured.annulus, None);
    assert!(!measured.fallbacks.clipped_background);
    let corner = bench.measure(2.0, 2.0).unwrap();
    assert!(corner.fallbacks.clipped_background);
    bench.flag(SOURCE, 0.0..30.0);
    assert!(bench.measure(20.0, 20.0).unwrap().fallbacks.source_pixels);
}

#[test]
fn bad_places_have_their_reason() {
    let mut bench = SmallImage::new();
    for (x, y) in [(-1.0, 5.0), (5.0, 40.6), (f64::NAN, 5.0), (5.0, f64::INFINITY)] {
        assert!(matches!(bench.measure(x, y), Err(NoMeasurement::OffImage { .. })), "({x}, {y})");
    }
    assert!(matches!(bench.measure(0.9, 20.0), Err(NoMeasurement::AtEdge { .. })));
    assert!(bench.measure(1.0, 20.0).unwrap().fallbacks.clipped_background);
    // The image begins with the detector, and ends within it.
    let [left, right] = [1.0, 39.0].map(|x| bench.measure(x, 20.0).unwrap().fallbacks);
    assert!(left.clipped_background && !left.cut_background, "{left:?}");
    assert!(right.clipped_background && right.cut_background, "{right:?}");
    let refused = |x: f64| bench.measure(x, 20.0).unwrap_err().to_string();
    assert!(refused(0.9).ends_with("reaches beyond the image"), "{}", refused(0.9));
    assert!(refused(39.1).ends_with("beyond the cutout; a larger one would contain it"), "{}", refused(39.1));
    bench.image[20 * SIDE + 21] = f32::NAN;
    assert_eq!(bench.measure(20.0, 20.0), Err(NoMeasurement::NotFinite { pixels: 1 }));
    let beside = bench.measure(24.0, 20.0).unwrap();
    assert!(beside.flux.is_finite() && beside.background.is_finite());
    let variance = std::mem::replace(&mut bench.variance, vec![f32::NAN; SIDE * SIDE]);
    assert_eq!(bench.measure(24.0, 20.0), Err(NoMeasurement::NoVariance));
    bench.variance = variance;
    bench.flag(HOT, 0.0..100.0);
    assert!(matches!(bench.measure(24.0, 20.0), Err(NoMeasurement::Background { found: 0, needed: 10 })));
}

#[test]
fn negative_fluxes_are_measurements() {
    let mut bench = SmallImage::new();
    bench.image[20 * SIDE + 20] -= 3.0;
    let measured = bench.measure(20.0, 20.0).unwrap();
    assert!(measured.flux < 0.0 && measured.snr < -5.0);
    assert!(measured.magnitude.is_none() && measured.is_upper_limit);
}

#[test]
fn repaired_variances_are_recorded() {
    let mut bench = SmallImage::new();
    let whole = bench.measure(20.0, 20.0).unwrap();
    bench.variance[20 * SIDE + 20] = f32::NAN;
    bench.flags[20 * SIDE + 20] = 1 << 6;
    let repaired = bench.measure(20.0, 20.0).unwrap();
    assert_eq!(repaired.fallbacks.repaired_variances, 1);
    assert_eq!((repaired.flux_error, repaired.flags), (whole.flux_error, 1 << 6));
}

#[test]
fn masked_pixels_do_not_touch_the_psf_flux() {
    let mut bench = SmallImage::new();
    let names = FlagNames::default();
    bench.options.psf_flux = true;
    let view = ImageView {
        shape: [SIDE, SIDE],
        image: Pixels::Native(&bench.image),
        flags: Pixels::Native(&bench.flags),
        variance: Pixels::Native(&bench.variance),
        foreground: None,
        flag_names: &names,
        psf_fwhm: None,
        parent_offset: [0.0; 2],
    };
    let error = Photometer::new(view, &bench.options, None).unwrap_err();
    assert_eq!(error, PhotometryError::NeedsPsf("psf_flux"));
    // A source without noise, whose profile is that of the PSF.
    let psf = psf();
    let profile = psf.zone(0).unwrap();
    for (k, value) in bench.image.iter_mut().enumerate() {
        #[expect(clippy::cast_possible_truncation, reason = "the image is f32")]
        let light = profile.pixel((k % SIDE) as f64 - 20.2, (k / SIDE) as f64 - 19.9) as f32;
        *value = 0.5 + 100.0 * light;
    }
    bench.psf = Some(psf);
    let fit = |bench: &SmallImage| bench.measure(20.2, 19.9).unwrap().psf.unwrap();
    let whole = fit(&bench).unwrap();
    assert!((whole.flux / (100.0 * UNIT * AREA) - 1.0).abs() < 1e-5 && whole.chi2 < 1e-3);
    bench.image[20 * SIDE + 21] = 1e6;
    bench.flags[20 * SIDE + 21] = HOT;
    bench.variance[19 * SIDE + 20] = f32::NAN;
    bench.flags[19 * SIDE + 20] = 1 << 6;
    let masked = fit(&bench).unwrap();
    assert!((masked.flux / whole.flux - 1.0).abs() < 1e-5);
    assert!(
        masked.error > whole.error && masked.pixels == whole.pixels - 2 && masked.fraction < whole.fraction
    );
    bench.flags[20 * SIDE + 20] = HOT;
    assert!(matches!(fit(&bench), Err(NoPsfFlux::Masked { .. })));
    bench.options.max_masked_fraction = 0.95;
    let (error, fraction) = fit(&bench).map(|psf| (psf.error / psf.flux, psf.fraction)).unwrap();
    assert!(fraction < 0.3 && error > 0.1, "the profile is not known that well: {error}");
}

/// What was measured before, and how much of the frame is there, changes no bit; the median
/// variance aside, which is that of the pixels that are there.
#[test]
fn cutouts_and_loops_give_the_same_numbers() {
    let part = PixelWindow { x0: 500, y0: 600, nx: 300, ny: 200 };
    let (frame, cutout) =
        (scene(7, PixelWindow { x0: 400, y0: 500, nx: 500, ny: 400 }, 40, true), scene(7, part, 300, true));
    // Not the same stars: the pixels of the frame are cut out instead.
    let mut planes = cutout.image.clone();
    for y in 0..200 {
        let from = (y + 100) * 500 + 100;
        planes.planes.image[y * 300..(y + 1) * 300]
            .copy_from_slice(&frame.image.planes.image[from..from + 300]);
        planes.planes.flags[y * 300..(y + 1) * 300]
            .copy_from_slice(&frame.image.planes.flags[from..from + 300]);
    }
    assert_eq!(planes.planes.zodi[0], frame.image.planes.zodi[100 * 500 + 100]);
    let psf = psf();
    let options =
        PhotometryOptions { aperture_correction: true, psf_flux: true, ..PhotometryOptions::default() };
    let whole = Photometer::new(
        ImageView::new(&frame.image.metadata, frame.image.planes.from_pixel(0), Some(1.0)).unwrap(),
        &options,
        Some(&psf),
    )
    .unwrap();
    let small = Photometer::new(
        ImageView::new(&planes.metadata, planes.planes.from_pixel(0), Some(1.0)).unwrap(),
        &options,
        Some(&psf),
    )
    .unwrap();
    let (mut scratch, mut compared) = (Scratch::default(), 0);
    for truth in &frame.truths {
        let [x, y] = truth.source.position;
        let moved = SourceOnImage { position: [x - 100.0, y - 100.0], ..truth.source };
        let Ok(there) = whole.measure(&truth.source, &mut scratch) else { continue };
        assert_eq!(whole.measure(&truth.source, &mut Scratch::default()), Ok(there));
        let Ok(here) = small.measure(&moved, &mut scratch) else { continue };
        if there.fallbacks.repaired_variances > 0 || here.fallbacks.clipped_background {
            continue;
        }
        compared += 1;
        assert!((here.flux - there.flux).abs() < 1e-9 * there.flux.abs() + 1e-9);
        assert!((here.flux_error / there.flux_error - 1.0).abs() < 1e-10);
        assert_eq!(
            (here.flags, here.psf_zone, here.fallbacks),
            (there.flags, there.psf_zone, there.fallbacks)
        );
    }
    assert!(compared > 20, "{compared}");
}

/// Pixels as they stand in a file give the same bits as in memory, and so do planes of which only
/// some stand in a file.
#[test]
fn pixels_in_a_file_give_the_same_bits() {
    let scene = scene(3, PixelWindow { x0: 120, y0: 300, nx: 200, ny: 220 }, 40, true);
    let psf = psf();
    let bytes = |plane: &[f32]| plane.iter().map(|v| v.to_be_bytes()).collect::<Vec<_>>();
    let planes = &scene.image.planes;
    let [image, variance, zodi] = [&planes.image, &planes.variance, &planes.zodi].map(|plane| bytes(plane));
    let flags: Vec<[u8; 4]> = planes.flags.iter().map(|v| v.to_be_bytes()).collect();
    let native = ImageView::new(&scene.image.metadata, planes.from_pixel(0), Some(1.0)).unwrap();
    let mixed = ImageView { image: Pixels::Fits(&image), ..native.clone() };
    let fits = ImageView {
        flags: Pixels::Fits(&flags),
        variance: Pixels::Fits(&variance),
        foreground: Some(ForegroundModel { model: Pixels::Fits(&zodi), scale: 1.0 }),
        ..mixed.clone()
    };
    for method in [BackgroundMethod::Annulus, BackgroundMethod::Window] {
        let mut options = PhotometryOptions { psf_flux: true, ..PhotometryOptions::default() };
        options.background.method = method;
        let all =
            [&native, &mixed, &fits].map(|view| Photometer::new(view.clone(), &options, Some(&psf)).unwrap());
        let mut measured = 0;
        for truth in &scene.truths {
            let [expected, other, file] =
                all.each_ref().map(|p| p.measure(&truth.source, &mut Scratch::default()));
            assert_eq!(expected, other);
            assert_eq!(expected, file);
            measured += usize::from(file.is_ok());
        }
        assert!(measured > 10, "{measured}");
    }
}

/// With the PSF of the simulation, a star of 1000 uJy at (20.2, 19.9), without noise, and the
/// default options.
fn star() -> SmallImage {
    let psf = psf();
    let mut bench = SmallImage { options: PhotometryOptions::default(), ..SmallImage::new() };
    bench.options.psf_flux = true;
    let profile = psf.at([20.2, 19.9], bench.options.psf_zones).unwrap();
    for (k, value) in bench.image.iter_mut().enumerate() {
        let light = profile.pixel((k % SIDE) as f64 - 20.2, (k / SIDE) as f64 - 19.9);
        #[expect(clippy::cast_possible_truncation, reason = "the image is f32")]
        let bright = (1000.0 * light / (UNIT * AREA)) as f32;
        *value = 0.5 + bright;
    }
    bench.psf = Some(psf);
    bench
}

#[test]
fn all_light_of_a_star_is_found() {
    let mut bench = star();
    for radius in [None, Some(0.7), Some(1.5), Some(2.5)] {
        if let Some(radius) = radius {
            bench.options.aperture.method = ApertureMethod::Fixed;
            bench.options.aperture.diameter = 2.0 * radius;
        }
        let measured = bench.measure(20.2, 19.9).unwrap();
        assert!((measured.flux / 1000.0 - 1.0).abs() < 2e-5, "{radius:?}: {}", measured.flux);
        assert!((measured.psf.unwrap().unwrap().flux / 1000.0 - 1.0).abs() < 2e-5);
        assert!((measured.background / UNIT - 0.5).abs() < 1e-5, "no light of the star is in it");
        assert_eq!(measured.masked_fraction, Some(0.0));
    }
}

#[test]
fn the_psf_makes_up_for_bad_pixels() {
    let mut bench = star();
    let whole = bench.measure(20.2, 19.9).unwrap();
    (bench.image[20 * SIDE + 21], bench.flags[20 * SIDE + 21]) = (1e6, HOT);
    bench.image[19 * SIDE + 20] = f32::NAN;
    let filled = bench.measure(20.2, 19.9).unwrap();
    assert!((filled.flux / whole.flux - 1.0).abs() < 1e-4 && filled.flux_error > whole.flux_error);
    assert_eq!((filled.fallbacks.filled_pixels, filled.bad_flags_used, filled.flags), (2, 0, 1 << 10));
    let light = bench.psf.as_ref().unwrap().at([20.2, 19.9], bench.options.psf_zones).unwrap();
    let masked = filled.masked_fraction.unwrap();
    assert!(masked > 0.05 && masked <= light.pixel(0.8, 0.1) + light.pixel(-0.2, -0.9));
    assert!(QualityOptions::default().classify(&filled).is_good);
    bench.flags[20 * SIDE + 20] = HOT;
    bench.options.max_masked_fraction = 0.95;
    let bridged = bench.measure(20.2, 19.9).unwrap();
    assert!((bridged.flux / whole.flux - 1.0).abs() < 2e-3, "{} of {}", bridged.flux, whole.flux);
    assert!(bridged.flux_error > 0.1 * bridged.flux, "the PSF is not known that well");
    bench.options.max_masked_fraction = 0.7;
    let rejected = bench.measure(20.2, 19.9).unwrap_err();
    assert!(matches!(rejected, NoMeasurement::Masked { fraction, limit: 0.7 } if fraction > 0.7));
    // Without a PSF nothing can be made up for.
    bench.psf = None;
    (bench.options.psf_flux, bench.options.aperture_correction) = (false, false);
    assert_eq!(bench.measure(20.2, 19.9), Err(NoMeasurement::CannotFill { pixels: 3 }));
    bench.options.fill_bad_pixels = false;
    assert_eq!(bench.measure(20.2, 19.9), Err(NoMeasurement::NotFinite { pixels: 1 }));
    bench.image[19 * SIDE + 20] = 0.5;
    let spoiled = bench.measure(20.2, 19.9).unwrap();
    assert_eq!(spoiled.bad_flags_used, 1 << 10);
    assert!(!QualityOptions::default().classify(&spoiled).is_good);
    assert!(spoiled.fallbacks.card_fwhm);
}

#[test]
fn flags_are_those_of_every_pixel_that_is_touched() {
    let mut bench = SmallImage::new();
    // Its center lies 1.6 px off, its edge 1.1.
    bench.flags[20 * SIDE + 22] = HOT;
    assert_eq!(bench.measure(20.4, 20.0).unwrap().flags, 0);
    bench.options.flag_rule = FlagRule::Overlap;
    let measured = bench.measure(20.4, 20.0).unwrap();
    assert_eq!((measured.flags, measured.bad_flags_used), (1 << 10, 1 << 10));
}

/// One wrong variance costs one repair in the sources that touch it, and nothing in others.
#[test]
fn wrong_variances_touch_their_own_sources_only() {
    let mut bench = star();
    let (clean, beside) = (bench.measure(20.2, 19.9).unwrap(), bench.measure(30.0, 30.0).unwrap());
    for wrong in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        for flags in [0, 1 << 6] {
            (bench.variance[20 * SIDE + 20], bench.flags[20 * SIDE + 20]) = (wrong, flags);
            bench.options.fill_bad_pixels = flags == 0;
            let repaired = bench.measure(20.2, 19.9).unwrap();
            assert_eq!(repaired.fallbacks.repaired_variances, 1, "{wrong}");
            assert!((repaired.flux_error / clean.flux_error - 1.0).abs() < 1e-6);
            assert_eq!(bench.measure(30.0, 30.0).unwrap().flux_error, beside.flux_error);
        }
    }
}

#[test]
fn apertures_are_those_of_the_psf() {
    let mut bench = star();
    let fwhm = bench.psf.as_ref().unwrap().at([20.2, 19.9], bench.options.psf_zones).unwrap().fwhm();
    // A Gaussian of 5.22", and the pixel that adds 1/12 px^2 to its variance; a box is a little
    // wider at half its height than a Gaussian of its variance.
    let sigma = FWHM / AREA.sqrt() / 2.354_82;
    assert!((fwhm / (2.354_82 * (sigma * sigma + 1.0 / 12.0).sqrt()) - 1.0).abs() < 0.07, "{fwhm}");
    let measured = bench.measure(20.2, 19.9).unwrap();
    assert!((measured.radius - 1.25 * fwhm).abs() < 1e-12);
    bench.options.aperture.fwhm_source = FwhmSource::Card;
    assert!((bench.measure(20.2, 19.9).unwrap().radius - 1.25 * 5.2 / AREA.sqrt()).abs() < 1e-12);
}
