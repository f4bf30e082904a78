//! The numbers of `spx photometry`: against spxquery on the same files, and against the truth of
//! simulated ones.
//!
//! `testdata/photometry/spxquery` holds cutouts and what spxquery measures on them;
//! `cargo xtask golden spxquery` makes both. `cargo xtask compare-photometry` is the long version
//! of that comparison.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests and their helpers fail by panicking, and print their figures"
)]

mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use spx_core::detector::Detector;
use spx_core::elementary::{cos, powf};
use spx_core::sky::Position;
use spx_sim::{
    ExposureOptions, FrameExtent, Pointing, SimulatedRelease, SimulatedSky, SimulatedStar, observe, write_mef,
};
use tempfile::{TempDir, tempdir};
use tools::spx;

/// A line of a table, by the names of its columns.
type Row = BTreeMap<String, String>;

fn table(text: &str) -> Vec<Row> {
    csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes())
        .into_deserialize()
        .map(Result::unwrap)
        .collect()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

/// What restores spxquery's choices.
const SPXQUERY: [&str; 9] = [
    "--no-shift-wavelengths",
    "--pixel-area=constant",
    "--no-aperture-correction",
    "--no-fill-bad-pixels",
    "--flag-rule=center",
    "--bad-flags=spxquery",
    "--aperture-fwhm=card",
    "--error-model=overlap",
    "--zodi-fit=ivm",
];

/// The table of a place on all files of a folder.
fn measure(files: &Path, ra: &str, dec: &str, options: &[&str]) -> Vec<Row> {
    let files = files.display().to_string();
    let (ra, dec) = (format!("--ra={ra}"), format!("--dec={dec}"));
    let run = spx(Path::new("."), &[&["photometry", "-q", &files, &ra, &dec], options].concat());
    // Simulated images of both releases have one flux scale, which spx cannot know; some places lie
    // near the edges of the images.
    let expected =
        |line: &str| line.contains("l3_flux_corrections") || line.contains("the cutout ends within");
    assert!(run.stderr.lines().all(expected), "{}", run.stderr);
    table(&run.stdout)
}

#[test]
fn fluxes_are_those_of_spxquery_where_it_is_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/photometry/spxquery");
    let mut reference: BTreeMap<[String; 3], Vec<Row>> = BTreeMap::new();
    for row in table(&std::fs::read_to_string(folder.join("reference.csv")).unwrap()) {
        let key = ["ra", "dec", "options"].map(|name| row[name].clone());
        reference.entry(key).or_default().push(row);
    }
    let (mut measured, mut nothing) = (0, 0);
    for ([ra, dec, options], expected) in &reference {
        let mut words: Vec<&str> = options.split_whitespace().collect();
        words.extend(SPXQUERY);
        let found = measure(&folder, ra, dec, &words);
        for theirs in expected {
            let ours = found.iter().find(|row| row["file"].ends_with(&theirs["file"])).unwrap();
            if theirs["flux"].is_empty() {
                assert_eq!(ours["status"], "rejected", "{theirs:?}");
                nothing += 1;
            } else {
                assert_same(ours, theirs);
                measured += 1;
            }
        }
    }
    assert!(measured > 200 && nothing > 50, "{measured} measured, {nothing} not");
}

/// To 1e-5: spxquery subtracts the zodiacal light in single precision, so that a flux of nearly
/// zero is only known to that fraction of its error; it places sources to 1e-4 px, the tolerance of
/// astropy.
fn assert_same(ours: &Row, theirs: &Row) {
    let difference = |column| (number(ours, column) - number(theirs, column)).abs();
    let error = number(theirs, "flux_error");
    assert!(difference("flux") <= 1e-5 * number(theirs, "flux").abs().max(error), "{ours:?}\n{theirs:?}");
    assert!(difference("flux_error") <= 1e-5 * error, "{ours:?}\n{theirs:?}");
    for column in ["wavelength", "bandwidth"] {
        assert!(difference(column) <= 1e-7 * number(theirs, column), "{ours:?}\n{theirs:?}");
    }
    for column in ["pix_x", "pix_y"] {
        assert!(difference(column) <= 1e-4, "{ours:?}\n{theirs:?}");
    }
    assert_eq!(ours["flag"], theirs["flag"], "{ours:?}\n{theirs:?}");
}

/// Stars on a grid of 5 x 5, 24 px from each other, on 40 images of two detectors and both
/// releases.
struct Field {
    folder: TempDir,
    stars: Vec<SimulatedStar>,
    /// Places between stars.
    empty: Vec<Position>,
}

impl Field {
    const CENTER: [f64; 2] = [186.4536, 33.5468];
    const EXPOSURES: usize = 40;

    fn new() -> Self {
        let mut rng = Rng::with_seed(1);
        let step = 24.0 * 6.155 / 3600.0;
        let mut place = |i: f64, j: f64| {
            let mut jitter = || (rng.f64() - 0.5) / 10.0;
            let dec = Self::CENTER[1] + (j - 2.0 + jitter()) * step;
            let ra = Self::CENTER[0] + (i - 2.0 + jitter()) * step / cos(dec.to_radians());
            Position::new(ra, dec).unwrap()
        };
        let cells = |n: u8| (0..n).flat_map(move |j| (0..n).map(move |i| (f64::from(i), f64::from(j))));
        let places: Vec<Position> = cells(5).map(|(i, j)| place(i, j)).collect();
        let empty = cells(4).map(|(i, j)| place(i + 0.5, j + 0.5)).collect();
        let star = |(k, position)| {
            let flux_2um = 50.0 * powf(1000f64, k as f64 / 24.0);
            SimulatedStar { id: format!("{k}"), position, flux_2um, slope: -0.7 }
        };
        let stars = places.into_iter().enumerate().map(star).collect();
        let field = Self { folder: tempdir().unwrap(), stars, empty };
        let sky = SimulatedSky { stars: field.stars.clone(), ..SimulatedSky::default() };
        for k in 0..Self::EXPOSURES {
            field.expose(&sky, k, &mut rng);
        }
        field
    }

    /// Exposure `k`, with more zodiacal light than its model says, anywhere on the detector, at any
    /// angle. Zones of the PSF are listed in the wrong order by a half of QR2's.
    fn expose(&self, sky: &SimulatedSky, k: usize, rng: &mut Rng) {
        let [ra, dec] = Self::CENTER;
        let position = Position::new(ra + 1.8 * (rng.f64() - 0.5), dec + 1.5 * (rng.f64() - 0.5)).unwrap();
        let detector = Detector::new(if k % 4 < 2 { 2 } else { 3 }).unwrap();
        let (roll_deg, mjd) = (360.0 * rng.f64(), 61_027.0 + k as f64);
        let pointing = Pointing {
            position,
            roll_deg,
            mjd,
            obs_id: format!("2025W51_1A_{k:04}_1"),
            detector,
            seed: k as u64,
        };
        let release = if k.is_multiple_of(2) { SimulatedRelease::Qr2 } else { SimulatedRelease::Qr3 };
        let frame = FrameExtent::Around { position: Position::new(ra, dec).unwrap(), size: 180 };
        let version = k.is_multiple_of(4).then(|| "6.4".to_owned());
        let options = ExposureOptions { release, frame, zodi_scale: 1.13, version, ..Default::default() };
        let path: PathBuf = self.folder.path().join(format!("{k:02}.fits"));
        write_mef(&path, &observe(sky, &pointing, &options).unwrap(), false).unwrap();
    }

    /// Rows without bad flags, with what else is asked for.
    fn measure(&self, position: Position) -> Vec<Row> {
        let (ra, dec) = (position.ra().to_string(), position.dec().to_string());
        let rows = measure(self.folder.path(), &ra, &dec, &["--aperture-correction", "--psf-flux"]);
        assert_eq!(rows.len(), Self::EXPOSURES);
        rows.into_iter().filter(|row| row["status"] == "used" && row["bad_flag"] == "0").collect()
    }
}

/// The value below which a share of the values lies.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// Half of the range that holds 68.27 % in its middle.
fn width(values: &mut [f64]) -> f64 {
    0.5 * (quantile(values, 0.841_35) - quantile(values, 0.158_65))
}

#[test]
fn fluxes_of_a_thousand_stars_are_true() {
    let field = Field::new();
    let mut scatter = Vec::new();
    let rows: Vec<(f64, Row)> = field
        .stars
        .iter()
        .flat_map(|star| {
            field.measure(star.position).into_iter().map(|row| (star.flux(number(&row, "wavelength")), row))
        })
        .collect();
    assert!(rows.len() > 900, "{}", rows.len());
    for (flux, error) in [("flux", "flux_error"), ("psf_flux", "psf_flux_error")] {
        let measured = || rows.iter().filter(|(_, row)| !row[flux].is_empty());
        let mut ratios: Vec<f64> = measured().map(|(truth, row)| number(row, flux) / truth).collect();
        let mut pulls: Vec<f64> =
            measured().map(|(truth, row)| (number(row, flux) - truth) / number(row, error)).collect();
        let mut faint: Vec<f64> = measured()
            .filter(|(truth, _)| *truth < 1000.0)
            .map(|(truth, row)| number(row, flux) - truth)
            .collect();
        let (ratio, pull, wide) = (quantile(&mut ratios, 0.5), quantile(&mut pulls, 0.5), width(&mut pulls));
        let text = format!("{} {flux}: {ratio:.4} of the truth, pulls {pull:.3} +- {wide:.3}", pulls.len());
        println!("{text}, faint ones scatter by {:.2} uJy", width(&mut faint));
        assert!((ratio - 1.0).abs() < 0.005 && pull.abs() < 0.1 && (wide - 1.0).abs() < 0.1, "{text}");
        scatter.push(width(&mut faint));
    }
    assert!(scatter[1] < 0.9 * scatter[0], "{scatter:?}");

    let nothing: Vec<Row> = field.empty.iter().flat_map(|&place| field.measure(place)).collect();
    for flux in ["flux", "psf_flux"] {
        let negative =
            nothing.iter().filter(|row| number(row, flux) < 0.0).count() as f64 / nothing.len() as f64;
        println!("{} empty places: {negative:.3} of {flux} are negative", nothing.len());
        // The binomial deviation of 600 is 0.02.
        assert!((negative - 0.5).abs() < 0.07, "{negative}");
    }
    let lost = nothing.iter().filter(|row| number(row, "flux") < 0.0 && !row["mag_ab"].is_empty()).count();
    assert_eq!(lost, 0, "magnitudes of negative fluxes");
}
