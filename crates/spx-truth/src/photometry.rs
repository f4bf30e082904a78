//! Fluxes of isolated stars at the real rates of flags, for three widths of the point spread
//! function and both releases.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use fastrand::Rng;
use spx_core::detector::Detector;
use spx_core::elementary::powf;
use spx_core::sky::Position;
use spx_sim::{
    ExposureOptions, FrameExtent, PixelWindow, Pointing, RealisticOptions, SimulatedRelease, SimulatedSky,
    SimulatedStar,
};

use crate::cube::UJY_PER_SIGMA;
use crate::report::{Demand, TruthReport};
use crate::runner::{SimulationSize, SpxRunner, center};
use crate::statistics::{mean, median, share, width};

/// What the mean of a source may be off by, in errors of a visit: 0.05 of the combined error of 300
/// visits, 0.05 / sqrt(300).
const VISITS_BIAS: f64 = 0.002_886_75;
/// Widths of the optical function \[arcsec\].
const FWHM: [f64; 3] = [4.0, 5.5, 7.0];
/// Decades of the flux in standard deviations of a measurement.
const DECADES: [[f64; 2]; 3] = [[0.3, 3.0], [3.0, 30.0], [30.0, 300.0]];
/// Stars on a jittered grid of pixels.
#[derive(Clone, Copy)]
struct StarGrid {
    /// Their distance \[px\].
    spacing: usize,
    /// Range of their fluxes in standard deviations of a measurement; evenly in the logarithm.
    sigmas: [f64; 2],
}

/// Stars of all brightnesses.
const ALL_STARS: StarGrid = StarGrid { spacing: 20, sigmas: [0.3, 300.0] };

/// Measures stars of 0.3 to 300 standard deviations by aperture and PSF, with default settings:
/// median flux, width of the pulls, rows that are lost or far off, and the mean of the good rows.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub fn photometry(spx: &SpxRunner, size: SimulationSize) -> Result<TruthReport> {
    let mut report = TruthReport::default();
    let mut all = Measured::default();
    for release in [SimulatedRelease::Qr2, SimulatedRelease::Qr3] {
        for fwhm in FWHM {
            let mut measured = Measured::default();
            for seed in 0..size.choose(6, 1) {
                measured.extend(frame(spx, size, release, fwhm, seed, ALL_STARS)?);
            }
            let label = format!("{}, FWHM {fwhm}\"", release.name());
            measured.report(&label, &mut report);
            all.extend(measured);
        }
    }
    all.report_bias(&mut report);
    faint(spx, size)?.report_faint(&mut report);
    Ok(report)
}

/// So many faint stars that a bias of their mean flux shows that 300 visits would not average away.
fn faint(spx: &SpxRunner, size: SimulationSize) -> Result<Measured> {
    let mut measured = Measured::default();
    for seed in 0..size.choose(48, 1) {
        let release = if seed % 2 == 0 { SimulatedRelease::Qr2 } else { SimulatedRelease::Qr3 };
        let fwhm = FWHM[usize::try_from(seed)? % FWHM.len()];
        let stars = StarGrid { spacing: 14, sigmas: DECADES[0] };
        measured.extend(frame(spx, size, release, fwhm, 100 + seed, stars)?);
    }
    Ok(measured)
}

/// What was found of a star on an image.
struct StarRow {
    truth: f64,
    /// Flux and error by aperture and by PSF, where there are any.
    fluxes: [Option<(f64, f64)>; 2],
    /// Medians of the errors of the good rows on the image whose true fluxes are nearest, which do
    /// not follow the noise of this one.
    typical_errors: [f64; 2],
    good: bool,
}

#[derive(Default)]
struct Measured {
    rows: Vec<StarRow>,
}

/// Aperture and PSF.
const METHODS: [&str; 2] = ["aperture", "PSF"];

impl StarGrid {
    fn stars(self, pointing: &Pointing, window: PixelWindow, rng: &mut Rng) -> Result<Vec<SimulatedStar>> {
        let wcs = pointing.wcs()?;
        let [low, high] = self.sigmas;
        let mut stars = Vec::new();
        for j in 0..window.ny / self.spacing {
            for i in 0..window.nx / self.spacing {
                let mut at = |start: usize, cell: usize| {
                    (start + cell * self.spacing + self.spacing / 2) as f64 + 4.0 * (rng.f64() - 0.5)
                };
                let [ra, dec] = wcs.pixel_to_sky(at(window.x0, i), at(window.y0, j));
                stars.push(SimulatedStar {
                    id: format!("S{}", stars.len()),
                    position: Position::new(ra, dec)?,
                    flux_2um: UJY_PER_SIGMA * low * powf(high / low, rng.f64()),
                    slope: 0.0,
                });
            }
        }
        Ok(stars)
    }
}

/// One image and its rows.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small positive numbers")]
fn frame(
    spx: &SpxRunner,
    size: SimulationSize,
    release: SimulatedRelease,
    fwhm: f64,
    seed: u64,
    grid: StarGrid,
) -> Result<Measured> {
    let part = PixelWindow { x0: 700, y0: 500, nx: 600, ny: 600 };
    let window = size.choose(PixelWindow::FULL, part);
    // Each image has noise of its own, so that means over all of them have the errors that they are
    // given.
    let releases = u64::from(release == SimulatedRelease::Qr3);
    let mut rng = Rng::with_seed(10_000 * releases + 1000 * seed + fwhm as u64);
    let detector = Detector::new([1, 2, 3, 4, 5, 6][(seed as usize + fwhm as usize) % 6])?;
    let pointing = Pointing {
        position: center()?,
        roll_deg: 24.7 + 40.0 * seed as f64,
        mjd: 61_027.0 + seed as f64,
        obs_id: format!("2025W51_1A_{seed:04}_1"),
        detector,
        seed: rng.u64(..),
    };
    let stars = grid.stars(&pointing, window, &mut rng)?;
    let sky = SimulatedSky { stars: stars.clone(), ..SimulatedSky::default() };
    let realism = RealisticOptions { fwhm_arcsec: Some(fwhm), ..RealisticOptions::default() };
    let frame = FrameExtent::Cutout(window);
    let options = ExposureOptions { release, frame, realism: Some(realism), ..ExposureOptions::default() };
    spx.simulate("frame", &sky, &[(pointing, options)])?;
    let table = measure(spx, "frame", &stars)?;
    spx.forget("frame")?;
    let mut measured = Measured { rows: stars.iter().map(|star| table.row(star)).collect() };
    measured.find_typical_errors();
    Ok(measured)
}

/// Rows of a table of measurements by source.
pub(crate) struct MeasuredTable {
    columns: HashMap<String, usize>,
    rows: HashMap<String, csv::StringRecord>,
}

impl MeasuredTable {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path)?;
        let columns = reader.headers()?.iter().enumerate().map(|(k, name)| (name.to_owned(), k)).collect();
        let records = reader.records().collect::<Result<Vec<_>, _>>()?;
        let rows = records.into_iter().map(|record| (record[0].to_owned(), record)).collect();
        Ok(Self { columns, rows })
    }

    pub(crate) fn text(&self, id: &str, column: &str) -> Option<&str> {
        self.rows.get(id)?.get(*self.columns.get(column)?)
    }

    pub(crate) fn number(&self, id: &str, column: &str) -> Option<f64> {
        self.text(id, column)?.parse().ok()
    }

    fn row(&self, star: &SimulatedStar) -> StarRow {
        let pair =
            |flux: &str, error: &str| Some((self.number(&star.id, flux)?, self.number(&star.id, error)?));
        // Before is_good spoke of the data alone it also asked for a signal; bad_flag tells of the
        // data.
        let good = match self.columns.contains_key("is_detected") {
            true => self.text(&star.id, "is_good").is_some_and(|text| text.eq_ignore_ascii_case("true")),
            false => self.text(&star.id, "bad_flag") == Some("0"),
        };
        let fluxes = [pair("flux", "flux_error"), pair("psf_flux", "psf_flux_error")];
        StarRow { truth: star.flux_2um, fluxes, typical_errors: [f64::NAN; 2], good }
    }
}

/// Runs `spx batch` with default settings on the image of a directory.
pub(crate) fn measure(spx: &SpxRunner, input: &str, stars: &[SimulatedStar]) -> Result<MeasuredTable> {
    let corrects = spx.knows("batch", "--no-aperture-correction")?;
    let options: &[&str] = if corrects { &["--psf-flux"] } else { &["--psf-flux", "--aperture-correction"] };
    measure_with(spx, input, stars, options)
}

/// The same with other options.
pub(crate) fn measure_with(
    spx: &SpxRunner,
    input: &str,
    stars: &[SimulatedStar],
    options: &[&str],
) -> Result<MeasuredTable> {
    measure_catalog(spx, input, &catalog_of(stars), options)
}

/// The same of a catalog, as text.
pub(crate) fn measure_catalog(
    spx: &SpxRunner,
    input: &str,
    catalog: &str,
    options: &[&str],
) -> Result<MeasuredTable> {
    measure_images(spx, input, catalog, options)?.pop().context("no table of measurements")
}

/// The same of several images: a table for each, by the names of their files.
pub(crate) fn measure_images(
    spx: &SpxRunner,
    input: &str,
    catalog: &str,
    options: &[&str],
) -> Result<Vec<MeasuredTable>> {
    // A file of a light curve for each star would take longer than all the rest.
    batch(spx, input, catalog, &[&["--stages=extract"], options].concat())?;
    let tables = std::fs::read_dir(spx.path("batch/per_image"))?.collect::<Result<Vec<_>, _>>()?;
    let paths = tables.into_iter().map(|entry| entry.path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == "csv")).collect();
    paths.sort();
    let tables = paths.iter().map(|path| MeasuredTable::read(path)).collect();
    spx.forget("batch")?;
    tables
}

/// Runs `spx batch` with default settings on the images of a directory; gives the directory of the
/// light curves.
pub(crate) fn light_curves(spx: &SpxRunner, input: &str, stars: &[SimulatedStar]) -> Result<&'static str> {
    batch(spx, input, &catalog_of(stars), &[])?;
    Ok("batch/lightcurves")
}

/// The catalog of stars.
pub(crate) fn catalog_of(stars: &[SimulatedStar]) -> String {
    let mut catalog = "targetid,ra,dec\n".to_owned();
    for star in stars {
        catalog.push_str(&format!("{},{},{}\n", star.id, star.position.ra(), star.position.dec()));
    }
    catalog
}

fn batch(spx: &SpxRunner, input: &str, catalog: &str, options: &[&str]) -> Result<()> {
    std::fs::write(spx.path("catalog.csv"), catalog)?;
    let files = ["batch", "--catalog=catalog.csv", "--input", input, "--output-dir=batch"];
    spx.run(&[&files[..], options].concat()).map(|_| ())
}

impl Measured {
    fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// (flux - truth) / error of the good rows of a decade, by one method.
    fn pulls(&self, method: usize, [low, high]: [f64; 2]) -> Vec<f64> {
        let rows = self.rows.iter().filter(|row| row.good);
        let within = |row: &&StarRow| (low..high).contains(&(row.truth / UJY_PER_SIGMA));
        rows.filter(within)
            .filter_map(|row| row.fluxes[method].map(|(flux, error)| (flux - row.truth) / error))
            .filter(|pull| pull.is_finite())
            .collect()
    }

    /// (flux - truth) / typical error of the good rows of a decade, by one method. Reported errors
    /// follow the noise: the mean of pulls tells of them, not of fluxes.
    fn deviations(&self, method: usize, [low, high]: [f64; 2]) -> Vec<f64> {
        let within = |row: &&StarRow| row.good && (low..high).contains(&(row.truth / UJY_PER_SIGMA));
        let deviation =
            |row: &StarRow| Some((row.fluxes[method]?.0 - row.truth) / row.typical_errors[method]);
        self.rows.iter().filter(within).filter_map(deviation).filter(|d| d.is_finite()).collect()
    }

    fn find_typical_errors(&mut self) {
        const AROUND: usize = 25;
        self.rows.sort_by(|a, b| a.truth.total_cmp(&b.truth));
        for method in 0..METHODS.len() {
            let good = |row: &StarRow| row.fluxes[method].filter(|_| row.good).map(|(_, error)| error);
            let errors: Vec<Option<f64>> = self.rows.iter().map(good).collect();
            for (k, row) in self.rows.iter_mut().enumerate() {
                let around = &errors[k.saturating_sub(AROUND)..(k + AROUND + 1).min(errors.len())];
                row.typical_errors[method] = median(&around.iter().copied().flatten().collect::<Vec<_>>()).0;
            }
        }
    }

    fn report(&self, label: &str, report: &mut TruthReport) {
        for (method, name) in METHODS.iter().enumerate() {
            let bright = self.rows.iter().filter(|row| row.good && row.truth > 10.0 * UJY_PER_SIGMA);
            let ratios: Vec<f64> = bright.filter_map(|row| Some(row.fluxes[method]?.0 / row.truth)).collect();
            let what = format!("{name}, {label}: median flux over truth above 10 sigma");
            report.add(what, median(&ratios), Demand::Near(1.0, 0.003));
            for decade in DECADES {
                let what = format!("{name}, {label}: width of pulls, {} to {} sigma", decade[0], decade[1]);
                report.add(what, width(&self.pulls(method, decade)), Demand::Near(1.0, 0.05));
            }
            let pulls = self.pulls(method, [0.0, f64::INFINITY]);
            let far = pulls.iter().filter(|pull| pull.abs() > 5.0).count();
            let what = format!("{name}, {label}: good rows beyond 5 sigma");
            report.add(what, share(far, pulls.len()), Demand::AtMost(0.001));
        }
        report.add(format!("{label}: rows lost"), self.lost(), Demand::AtMost(0.015));
    }

    /// Share of the rows without a good flux by either method.
    fn lost(&self) -> (f64, f64) {
        let lost = self.rows.iter().filter(|row| !row.good || row.fluxes.iter().any(Option::is_none)).count();
        share(lost, self.rows.len())
    }

    /// Means of the faint stars alone.
    fn report_faint(&self, report: &mut TruthReport) {
        let [low, high] = DECADES[0];
        for (method, name) in METHODS.iter().enumerate() {
            let what = format!(
                "{name}, {} faint stars: mean flux [sigma] less truth, {low} to {high}",
                self.rows.len()
            );
            report.add(what, mean(&self.deviations(method, DECADES[0])), Demand::Near(0.0, VISITS_BIAS));
        }
    }

    /// Means over all images.
    fn report_bias(&self, report: &mut TruthReport) {
        report.add("all images: rows lost", self.lost(), Demand::AtMost(0.015));
        for (method, name) in METHODS.iter().enumerate() {
            for decade in DECADES {
                let what = format!(
                    "{name}, all images: mean flux [sigma] less truth, {} to {}",
                    decade[0], decade[1]
                );
                report.add(what, mean(&self.deviations(method, decade)), Demand::Near(0.0, VISITS_BIAS));
                let what = format!("{name}, all images: mean pull, {} to {} sigma", decade[0], decade[1]);
                let faint = method == 1 && decade == DECADES[0];
                let demand = if faint { Demand::Near(0.0, 0.02) } else { Demand::None };
                report.add(what, mean(&self.pulls(method, decade)), demand);
            }
        }
    }
}
