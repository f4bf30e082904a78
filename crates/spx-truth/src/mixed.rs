//! A constant star, a flat sky and a narrow line on 200 images of D5, of Quick Releases 2 and 3 in
//! turn, with the errors of gain and wavelength that the products of the archive take out.

use std::path::Path;

use anyhow::{Context, Result};
use fastrand::Rng;
use spx_core::detector::Detector;
use spx_core::elementary::hypot;
use spx_core::sky::Position;
use spx_sim::{
    DefectRates, ExposureOptions, FrameExtent, LineSource, Pointing, RealisticOptions, SimulatedRelease,
    SimulatedSky, SimulatedStar, ZodiModel, flux_correction_plane, write_calibration,
};

use crate::report::{Demand, TruthReport};
use crate::runner::{MeasuredCube, SimulationSize, SpxRunner, center};
use crate::statistics::{mean, median};

/// Arguments that use the products, and none.
const WITH: &[&str] = &["--calibration=products"];
const WITHOUT: &[&str] = &["--calibration=none", "--no-shift-wavelengths"];
/// Side of an image \[px\].
const SIDE: usize = 60;
/// Voxels nearer to the star hold its light \[px of the cube\].
const STAR_RADIUS: f64 = 15.0;
/// Rows over which the line is moved.
const ROWS: f64 = 240.0;
/// Wavelength of a row less that of the one before \[nm\].
const NM_PER_ROW: f64 = 0.3;
/// Wavelength of the line \[um\].
const LINE: f64 = 4.052_3;

/// The step of a star, of the sky and of a line between the releases, with the products of the
/// archive and without.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub(crate) fn mixed(spx: &SpxRunner, size: SimulationSize, report: &mut TruthReport) -> Result<()> {
    let detector = Detector::new(5)?;
    let realism = RealisticOptions { gain_error: true, ..RealisticOptions::default() };
    write_calibration(&spx.path("products"), detector, &realism)?;
    let images = size.choose(200, 24);
    star_and_sky(spx, detector, images, report)?;
    fits(spx, detector, images, report)?;
    line(spx, detector, images, report)
}

/// An image of every other release, on which a position of the sky lies at a pixel of the detector.
/// Two that follow each other are turned alike.
fn exposure(
    place: Position,
    [x, y]: [f64; 2],
    k: usize,
    detector: Detector,
    defects: DefectRates,
) -> Result<(Pointing, ExposureOptions)> {
    let mut pointing = Pointing {
        position: place,
        roll_deg: 24.7 + (k / 2) as f64,
        mjd: 61_027.0 + k as f64 / 100.0,
        obs_id: format!("2025W51_1A_{k:04}_1"),
        detector,
        seed: 7 * k as u64 + 1,
    };
    // The place moves across the detector as its mirror image moves on the sky.
    for _ in 0..3 {
        let wcs = pointing.wcs()?;
        let [px, py] = wcs.sky_to_pixel(place).context("the place is not on the detector")?;
        let here = wcs.sky_to_pixel(pointing.position).context("no boresight")?;
        let [ra, dec] = wcs.pixel_to_sky(here[0] + px - x, here[1] + py - y);
        pointing.position = Position::new(ra, dec)?;
    }
    let release = [SimulatedRelease::Qr2, SimulatedRelease::Qr3][k % 2];
    let realism = Some(RealisticOptions { gain_error: true, defects, ..RealisticOptions::default() });
    let frame = FrameExtent::Around { position: place, size: SIDE };
    Ok((pointing, ExposureOptions { release, frame, realism, ..ExposureOptions::default() }))
}

/// A row of the photometry of one source.
struct VisitRow {
    is_new: bool,
    flux: f64,
    wavelength: f64,
    /// Pixel of the full frame.
    pixel: [f64; 2],
    /// Of the fit of the PSF, over its degrees of freedom.
    chi2: f64,
}

fn rows(spx: &SpxRunner, place: Position, calibration: &[&str]) -> Result<Vec<VisitRow>> {
    let [ra, dec] = [format!("--ra={}", place.ra()), format!("--dec={}", place.dec())];
    let words = ["photometry", &ra, &dec, "images", "--columns=irsa", "--psf-flux"];
    let words = [&words[..], &["--output=table.csv", "--overwrite"]].concat();
    spx.run(&[words.as_slice(), calibration].concat())?;
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(spx.path("table.csv"))?;
    let headers = reader.headers()?.clone();
    let at = |name: &str| headers.iter().position(|h| h == name).with_context(|| name.to_owned());
    let [flux, wavelength, x, y, chi2] = ["flux", "lambda", "x_image", "y_image", "fit_ql"].map(at);
    let (columns, collection) = ([flux?, wavelength?, x?, y?, chi2?], at("data_collection")?);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let numbers = columns.map(|k| record[k].parse::<f64>());
        let [Ok(flux), Ok(wavelength), Ok(x), Ok(y), Ok(chi2)] = numbers else { continue };
        let is_new = &record[collection] == "spherex_qr3";
        rows.push(VisitRow { is_new, flux, wavelength, pixel: [x, y], chi2 });
    }
    Ok(rows)
}

/// The mean of some values of Quick Release 3 over that of Quick Release 2, with its error.
fn step(values: impl Iterator<Item = (bool, f64)>) -> (f64, f64) {
    let (new, old): (Vec<_>, Vec<_>) = values.partition(|(is_new, _)| *is_new);
    let of = |values: Vec<(bool, f64)>| mean(&values.into_iter().map(|(_, v)| v).collect::<Vec<_>>());
    let ((new, new_error), (old, old_error)) = (of(new), of(old));
    let ratio = new / old;
    (ratio, ratio * hypot(new_error / new, old_error / old))
}

fn star_and_sky(spx: &SpxRunner, detector: Detector, images: usize, report: &mut TruthReport) -> Result<()> {
    let place = center()?;
    // So bright that photons let the step be measured to 0.1 %.
    let star = SimulatedStar { id: "S".to_owned(), position: place, flux_2um: 100_000.0, slope: 0.0 };
    // Flat: each channel is seen by a few images on either release's pixels, so that a gradient
    // over the detector would be taken for a step.
    let zodi = ZodiModel { gradient: [0.0; 2], ..ZodiModel::default() };
    let sky = SimulatedSky { stars: vec![star], zodi, ..SimulatedSky::default() };
    let mut rng = Rng::with_seed(3);
    // Over the whole detector, in strips. Both releases see the star on the same places of pixels,
    // none of which is left out: what a few exposures make of an undersampled star is then the
    // same, and does not hide a step in cubes (with flagged pixels by 0.5 %).
    let pixels: Vec<[f64; 2]> = (0..images.div_ceil(2))
        .map(|k| {
            let strip = (k as f64 + rng.f64()) / images.div_ceil(2) as f64;
            [200.0 + 1600.0 * rng.f64(), 100.0 + 1840.0 * strip]
        })
        .collect();
    let exposures: Result<Vec<_>> =
        (0..images).map(|k| exposure(place, pixels[k / 2], k, detector, DefectRates::NONE)).collect();
    spx.simulate("images", &sky, &exposures?)?;
    let factors = flux_correction_plane(detector);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of the detector")]
    let factor = |[x, y]: [f64; 2]| {
        let at = (y.round() as usize) * Detector::NPIX + x.round() as usize;
        f64::from(factors[at])
    };
    for (label, calibration) in [("corrected", WITH), ("as they are", WITHOUT)] {
        let rows = rows(spx, place, calibration)?;
        let found = step(rows.iter().map(|row| (row.is_new, row.flux)));
        let known = step(rows.iter().map(|row| {
            let gain = factor(row.pixel);
            let wild = !(0.5..2.0).contains(&gain);
            (row.is_new, if row.is_new || wild { 1.0 } else { 1.0 / gain })
        }));
        let wanted = if calibration == WITH { 1.0 } else { known.0 };
        let what = format!("{detector}, {} images {label}: flux of a star, QR3 over QR2", rows.len());
        report.add(what, found, Demand::Near(wanted, 0.003));
        let what = format!("{detector}, {label}: spectrum of the star, QR3 over QR2");
        report.add(what, spectrum_step(&rows), Demand::Near(wanted, 0.003));
        cube_steps(spx, detector, (label, calibration), wanted, report)?;
    }
    spx.forget("images")
}

/// The mean over the channels of the flux in Quick Release 3 over that in Quick Release 2.
fn spectrum_step(rows: &[VisitRow]) -> (f64, f64) {
    const CHANNELS: usize = 17;
    let mut sorted: Vec<&VisitRow> = rows.iter().collect();
    sorted.sort_by(|a, b| a.wavelength.total_cmp(&b.wavelength));
    let channels = sorted.chunks(rows.len().div_ceil(CHANNELS).max(1));
    let steps = channels.map(|rows| step(rows.iter().map(|row| (row.is_new, row.flux))).0);
    mean(&steps.filter(|step| step.is_finite()).collect::<Vec<_>>())
}

/// The star and the zodiacal light in cubes of one release each.
fn cube_steps(
    spx: &SpxRunner,
    detector: Detector,
    (label, calibration): (&str, &[&str]),
    wanted: f64,
    report: &mut TruthReport,
) -> Result<()> {
    let place = center()?;
    let [ra, dec] = [format!("--ra={}", place.ra()), format!("--dec={}", place.dec())];
    let cube = |release: &str| -> Result<MeasuredCube> {
        let words = ["drizzle", &ra, &dec, "--width=5", "--height=5", "--input=images", "--overwrite"];
        let release = format!("--release={release}");
        let more = ["--detector=5", "--no-subtract-zodi", "--output-dir=cube", &release];
        spx.run(&[&words[..], &more[..], calibration].concat())?;
        MeasuredCube::read(Path::new(&spx.path("cube/drizzle_D5.fits")))
    };
    let (old, new) = (cube("qr2")?, cube("qr3")?);
    let planes = || (0..new.shape[0]).filter_map(|z| Some((plane_levels(&old, z)?, plane_levels(&new, z)?)));
    for (name, part) in [("sky", 0), ("star", 1)] {
        let ratios: Vec<f64> =
            planes().map(|(old, new)| new[part] / old[part]).filter(|r| r.is_finite()).collect();
        let what = format!("{detector}, {label}: {name} of cubes, {} planes, QR3 over QR2", ratios.len());
        report.add(what, mean(&ratios), Demand::Near(wanted, 0.003));
    }
    Ok(())
}

/// The sky of a plane, which is flat, and the star in its middle above it: a sum, NaN where a pixel
/// of it is missing; `None` where few pixels show the sky.
fn plane_levels(cube: &MeasuredCube, z: usize) -> Option<[f64; 2]> {
    let [_, ny, nx] = cube.shape;
    let radius = |k: usize| {
        let middle = |n: usize| (n as f64 - 1.0) / 2.0;
        hypot((k / nx) as f64 - middle(ny), (k % nx) as f64 - middle(nx))
    };
    let plane = cube.plane(z);
    let within = |from: f64, to: f64| {
        let inside = (0..plane.len()).filter(move |&k| (from..to).contains(&radius(k)));
        inside.map(|k| f64::from(plane[k]))
    };
    let sky: Vec<f64> = within(STAR_RADIUS, f64::INFINITY).filter(|v| v.is_finite()).collect();
    (sky.len() > 100).then(|| {
        let sky = mean(&sky).0;
        [sky, within(0.0, STAR_RADIUS).map(|value| value - sky).sum()]
    })
}

/// How well point spread functions fit images of Quick Release 2, whose own have a core that is off
/// its center: those of the product, and their own, which spx centers anew.
fn fits(spx: &SpxRunner, detector: Detector, images: usize, report: &mut TruthReport) -> Result<()> {
    let place = center()?;
    let star = SimulatedStar { id: "S".to_owned(), position: place, flux_2um: 300.0, slope: 0.0 };
    let sky = SimulatedSky { stars: vec![star], ..SimulatedSky::default() };
    let mut rng = Rng::with_seed(4);
    let mut pixel = || [200.0 + 1600.0 * rng.f64(), 200.0 + 1600.0 * rng.f64()];
    let flagged = DefectRates::default();
    // Every other image is of Quick Release 2.
    let exposures: Result<Vec<_>> =
        (0..images / 2).map(|k| exposure(place, pixel(), 2 * k, detector, flagged)).collect();
    spx.simulate("images", &sky, &exposures?)?;
    for (psf, calibration) in [("cal-epsf", WITH), ("their own, centered", WITHOUT)] {
        let chi2: Vec<f64> = rows(spx, place, calibration)?.iter().map(|row| row.chi2).collect();
        let what = format!("{detector}, QR2: median chi2/dof of PSF fluxes, functions of {psf}");
        report.add(what, median(&chi2), Demand::AtMost(1.6));
    }
    spx.forget("images")
}

fn line(spx: &SpxRunner, detector: Detector, images: usize, report: &mut TruthReport) -> Result<()> {
    let place = center()?;
    let source = LineSource { id: "L".to_owned(), position: place, wavelength: LINE, strength: 300.0 };
    let sky = SimulatedSky { lines: vec![source], ..SimulatedSky::default() };
    let mut rng = Rng::with_seed(5);
    // Rows around the one that sees the line, in even steps, so that a centroid is that of the
    // line.
    let (row, flagged) = (row_of(detector, LINE), DefectRates::default());
    let pixel = |k: usize, rng: &mut Rng| {
        let strip = ((k / 2) as f64 + 0.5) / images.div_ceil(2) as f64 - 0.5;
        [1000.0 + 40.0 * rng.f64(), row + ROWS * strip]
    };
    let exposures: Result<Vec<_>> =
        (0..images).map(|k| exposure(place, pixel(k, &mut rng), k, detector, flagged)).collect();
    spx.simulate("images", &sky, &exposures?)?;
    for (label, calibration) in
        [("spectral_wcs", WITH), ("shifted", &["--calibration=none"]), ("as they are", WITHOUT)]
    {
        let rows = rows(spx, place, calibration)?;
        let centroid = |is_new: bool| {
            let of = || rows.iter().filter(move |row| row.is_new == is_new);
            let total: f64 = of().map(|row| row.flux).sum();
            of().map(|row| row.flux * row.wavelength).sum::<f64>() / total
        };
        let (old, new) = (centroid(false), centroid(true));
        // Either edge of the passband lies somewhere between two of the rows.
        let error = NM_PER_ROW * ROWS / images.div_ceil(2) as f64 / 12_f64.sqrt();
        let what = format!("{detector}, {label}: line in QR3 less that in QR2 [nm]");
        let wanted = if calibration == WITHOUT { 6.4 } else { 0.0 };
        report.add(what, (1e3 * (new - old), error), Demand::Near(wanted, 0.5));
        if calibration == WITH {
            let both = f64::midpoint(old, new);
            let what = format!("{detector}, {label}: centroid less the wavelength of the line [nm]");
            report.add(what, (1e3 * (both - LINE), error / 2_f64.sqrt()), Demand::Near(0.0, 0.5));
        }
    }
    spx.forget("images")
}

/// The row of the detector, in the middle of its columns, that sees a wavelength \[um\].
fn row_of(detector: Detector, wavelength: f64) -> f64 {
    let table = spx_sim::qr3_wave_table(detector);
    let middle = table.x.len() / 2;
    let at = |j: usize| (table.y[j] - 1.0, table.values[(j * table.x.len() + middle) * 2]);
    let last = table.y.len() - 1;
    let between = (0..last).map(|j| (at(j), at(j + 1)));
    let found = between.into_iter().find(|((_, a), (_, b))| (a - wavelength) * (b - wavelength) <= 0.0);
    found.map_or(1000.0, |((y0, a), (y1, b))| y0 + (y1 - y0) * (wavelength - a) / (b - a))
}
