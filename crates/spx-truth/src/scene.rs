//! Scenes of sources that overlap, and spectra from many visits.

use std::collections::HashMap;

use anyhow::{Context, Result};
use spx_core::detector::Detector;
use spx_core::elementary::{cos, powf, sin_cos};
use spx_core::sky::Position;
use spx_sim::{
    ExposureOptions, FrameExtent, RealisticOptions, SimulatedRelease, SimulatedSky, SimulatedStar,
    SurveyOptions, survey,
};

use crate::cube::UJY_PER_SIGMA;
use crate::galaxies::{galaxies, misplaced};
use crate::report::{Demand, TruthReport};
use crate::runner::{SimulationSize, SpxRunner, center};
use crate::scene_frame::{SceneFrame, compare};
use crate::statistics::{mean, median, weighted_mean, width};

/// Both releases.
const RELEASES: [SimulatedRelease; 2] = [SimulatedRelease::Qr2, SimulatedRelease::Qr3];
/// Distances of pairs \[px\], and ratios of their fluxes.
const PAIRS: [(f64, f64); 6] = [(1.0, 1.0), (1.5, 1.0), (2.0, 1.0), (1.0, 10.0), (1.5, 10.0), (2.0, 10.0)];
/// Stars of the spectra have these fluxes in standard deviations of a visit.
const SIGNALS: [f64; 8] = [0.3, 1.0, 3.0, 10.0, 20.0, 30.0, 60.0, 100.0];
/// Visits of the field of the spectra per channel.
const VISITS: usize = 25;

/// Measures crowded fields, pairs and lone stars by `--method scene`, and spectra by
/// `spx spectrum`.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub fn scene(spx: &SpxRunner, size: SimulationSize) -> Result<TruthReport> {
    let mut report = TruthReport::default();
    for release in RELEASES {
        crowd(spx, size, release, &mut report)?;
        pairs(spx, size, release, &mut report)?;
        galaxies(spx, size, release, &mut report)?;
        misplaced(spx, size, release, &mut report)?;
    }
    alone(spx, &mut report)?;
    spectra(spx, size, &mut report)?;
    Ok(report)
}

/// A source every three pixels, 300 to 40,000 uJy.
fn crowd(
    spx: &SpxRunner,
    size: SimulationSize,
    release: SimulatedRelease,
    report: &mut TruthReport,
) -> Result<()> {
    let side = size.choose(600, 180);
    let mut frame = SceneFrame::new(31, side)?;
    for place in frame.grid(3, 1.0) {
        let flux = 300.0 * powf(400.0 / 3.0, frame.random());
        frame.star(place, flux)?;
    }
    let (stars, tables) = frame.measure(spx, release, &[&["--method=scene"], &["--method=psf"]])?;
    let label = format!("{} stars, one every 3 px, {}", stars.len(), release.name());
    for (method, table) in ["scene", "psf"].into_iter().zip(&tables) {
        let (pulls, ratios) = compare(table, stars.iter());
        let demands = method == "scene";
        let of = |demand: Demand| if demands { demand } else { Demand::None };
        let what = format!("{method}, {label}: median flux over truth above 20 sigma");
        report.add(what, median(&ratios), of(Demand::Near(1.0, 0.003)));
        report.add(
            format!("{method}, {label}: width of pulls"),
            width(&pulls),
            of(Demand::Near(1.015, 0.065)),
        );
    }
    Ok(())
}

/// Pairs, on a grid of 24 px.
fn pairs(
    spx: &SpxRunner,
    size: SimulationSize,
    release: SimulatedRelease,
    report: &mut TruthReport,
) -> Result<()> {
    let side = size.choose(1200, 300);
    let mut frame = SceneFrame::new(32, side)?;
    let mut kinds = HashMap::new();
    for (k, [x, y]) in frame.grid(24, 1.0).into_iter().enumerate() {
        let (distance, ratio) = PAIRS[k % PAIRS.len()];
        let flux = 1500.0 * powf(10.0, frame.random());
        let (sin, cos) = sin_cos(std::f64::consts::TAU * frame.random());
        kinds.insert(format!("S{}", frame.stars().len()), k % PAIRS.len());
        frame.star([x, y], flux)?;
        kinds.insert(format!("S{}", frame.stars().len()), k % PAIRS.len());
        frame.star([x + distance * cos, y + distance * sin], flux * ratio)?;
    }
    let (stars, tables) = frame.measure(spx, release, &[&["--method=scene"]])?;
    for (kind, (distance, ratio)) in PAIRS.into_iter().enumerate() {
        let (pulls, ratios) = compare(&tables[0], stars.iter().filter(|star| kinds[&star.id] == kind));
        let label = format!("pairs at {distance} px, ratio {ratio}, {}", release.name());
        report.add(format!("{label}: mean pull"), mean(&pulls), Demand::Near(0.0, 0.1));
        // The pulls of a pair go together, so that there are half as many independent ones.
        let (width, error) = width(&pulls);
        let error = error * std::f64::consts::SQRT_2;
        report.add(format!("{label}: width of pulls"), (width, error), Demand::Near(1.015, 0.065));
        report.add(
            format!("{label}: median flux over truth above 20 sigma"),
            median(&ratios),
            Demand::Near(1.0, 0.003),
        );
    }
    Ok(())
}

/// Lone stars by a fit of their own and in a scene.
fn alone(spx: &SpxRunner, report: &mut TruthReport) -> Result<()> {
    let mut frame = SceneFrame::new(33, 600)?;
    for place in frame.grid(100, 5.0) {
        let flux = 300.0 * powf(100.0, frame.random());
        frame.star(place, flux)?;
    }
    let options: [&[&str]; 2] = [&["--method=psf"], &["--method=scene"]];
    let (stars, tables) = frame.measure(spx, SimulatedRelease::Qr3, &options)?;
    let mut most = 0.0_f64;
    let mut compared = 0;
    for star in &stars {
        let [single, scene] = [0, 1].map(|k: usize| tables[k].number(&star.id, "flux"));
        if let (Some(single), Some(scene)) = (single, scene) {
            most = most.max((single / scene - 1.0).abs());
            compared += 1;
        }
    }
    let what = format!("{compared} lone stars: largest difference of psf and scene");
    report.add(what, (most, 0.0), Demand::AtMost(1e-9));
    Ok(())
}

/// Stars of all brightnesses in the same field, by default settings, in all channels of two
/// detectors.
fn spectra(spx: &SpxRunner, size: SimulationSize, report: &mut TruthReport) -> Result<()> {
    let sky = field()?;
    let mut exposures = Vec::new();
    let detectors = vec![Detector::new(3)?, Detector::new(4)?];
    let observations = size.choose(17 * VISITS, 40);
    let plan = SurveyOptions { observations, detectors, margin: 60.0, ..SurveyOptions::default() };
    for pointing in survey(center()?, &plan)? {
        let frame = FrameExtent::Around { position: center()?, size: 110 };
        let (release, realism) = (SimulatedRelease::Qr3, Some(RealisticOptions::default()));
        exposures.push((pointing, ExposureOptions { release, frame, realism, ..ExposureOptions::default() }));
    }
    spx.simulate("visits", &sky, &exposures)?;
    let (mut steps, mut all) = ((Vec::new(), Vec::new()), Vec::new());
    let curves = crate::photometry::light_curves(spx, "visits", &sky.stars)?;
    for (star, signal) in sky.stars.iter().zip(SIGNALS) {
        let spectrum = spx.run(&["spectrum", &format!("{curves}/{}.csv", star.id.to_lowercase())])?;
        let channels = read_channels(&spectrum, star.flux_2um, size.choose(10, 2))?;
        let pulls: Vec<f64> = channels.iter().map(|channel| channel.pull).collect();
        let label = format!("spectrum, {} channels, {signal} sigma a visit", pulls.len());
        report.add(format!("{label}: mean pull"), mean(&pulls), Demand::Near(0.0, 0.1));
        report.add(format!("{label}: width of pulls"), width(&pulls), Demand::None);
        all.extend(pulls);
        if signal >= 20.0 {
            let of = |band: &str| {
                let on: Vec<&ChannelTruth> = channels.iter().filter(|c| c.band == band).collect();
                let ratios: Vec<f64> = on.iter().map(|c| c.ratio).collect();
                weighted_mean(&ratios, &on.iter().map(|c| c.weight).collect::<Vec<_>>())
            };
            let ((d3, e3), (d4, e4)) = (of("D3"), of("D4"));
            steps.0.push(d4 / d3 - 1.0);
            steps.1.push(1.0 / (e3 * e3 + e4 * e4));
        }
    }
    spx.forget("visits")?;
    // A star has too few channels for a demand on its own.
    let demand = if size == SimulationSize::Full { Demand::Near(0.99, 0.06) } else { Demand::None };
    report.add(format!("spectra, {} channels of all stars: width of pulls", all.len()), width(&all), demand);
    report.add("spectra, channels of all stars: mean pull", mean(&all), Demand::Near(0.0, 0.1));
    report.add("spectra: step from D3 to D4", weighted_mean(&steps.0, &steps.1), Demand::Near(0.0, 0.005));
    Ok(())
}

/// Stars that keep a distance of 20 px.
fn field() -> Result<SimulatedSky> {
    let center = center()?;
    let mut stars = Vec::new();
    for (k, signal) in SIGNALS.into_iter().enumerate() {
        let (column, row) = ((k % 3) as f64 - 1.0, (k / 3) as f64 - 1.0);
        let dec = center.dec() + 130.0 * row / 3600.0;
        let ra = center.ra() + 130.0 * column / 3600.0 / cos(center.dec().to_radians());
        let (id, flux_2um) = (format!("s{k}"), UJY_PER_SIGMA * signal);
        stars.push(SimulatedStar { id, position: Position::new(ra, dec)?, flux_2um, slope: 0.0 });
    }
    Ok(SimulatedSky { stars, ..SimulatedSky::default() })
}

/// A channel beside the truth.
struct ChannelTruth {
    band: String,
    pull: f64,
    ratio: f64,
    weight: f64,
}

/// The channels with at least so many measurements.
fn read_channels(csv: &str, truth: f64, least: usize) -> Result<Vec<ChannelTruth>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headers = reader.headers()?.clone();
    let at = |name: &str| headers.iter().position(|header| header == name).context(name.to_owned());
    let (band, flux, error, used) = (at("band")?, at("flux")?, at("flux_error")?, at("n_used")?);
    let mut channels = Vec::new();
    for record in reader.records() {
        let record = record?;
        if record[used].parse::<usize>()? >= least {
            let (flux, error): (f64, f64) = (record[flux].parse()?, record[error].parse()?);
            let pull = (flux - truth) / error;
            let (ratio, weight) = (flux / truth, (truth / error).powi(2));
            channels.push(ChannelTruth { band: record[band].to_owned(), pull, ratio, weight });
        }
    }
    Ok(channels)
}
