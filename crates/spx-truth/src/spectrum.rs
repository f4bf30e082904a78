//! Spectra from many visits, of which some were hit without a flag telling, and an emission line.
//!
//! The same visits are simulated with and without hits. A measurement counts as hit where its flux
//! differs by more than five of its errors between the two; the spectra are those with hits.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use spx_core::detector::Detector;
use spx_core::elementary::cos;
use spx_core::sky::Position;
use spx_sim::{
    ExposureOptions, FrameExtent, LineSource, RealisticOptions, SimulatedRelease, SimulatedSky,
    SimulatedStar, SurveyOptions, survey,
};

use crate::cube::UJY_PER_SIGMA;
use crate::photometry::light_curves;
use crate::report::{Demand, TruthReport};
use crate::runner::{SimulationSize, SpxRunner, center};
use crate::statistics::{mean, share, weighted_mean, width};

/// Stars of the spectra have these fluxes in standard deviations of a visit.
const SIGNALS: [f64; 8] = [0.3, 1.0, 3.0, 10.0, 20.0, 30.0, 60.0, 100.0];
/// Visits of the field of the spectra per channel.
const VISITS: usize = 25;
/// Share of the pixels with a hit that no flag tells.
const HITS: f64 = 0.001;
/// A hit changes a flux by more than so many of its errors.
const HIT_SIGMA: f64 = 5.0;
/// The star with a line, and how much brighter it is in the passbands that hold the line.
const LINE_STAR: (f64, f64) = (10.0, 100.0);
/// The channel of the line in D3, from 0.
const LINE_CHANNEL: usize = 8;

/// Makes spectra of stars of all brightnesses by default settings, in all channels: bias and pulls
/// of the channels, steps between detectors, hits that are rejected, and a line.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub fn spectrum(spx: &SpxRunner, size: SimulationSize) -> Result<TruthReport> {
    let sky = field()?;
    let (mut hit, mut clean) = (Vec::new(), Vec::new());
    // One pair of detectors after the other, for 850 visits take 4 GB.
    for (seed, pair) in (1..).zip(Detector::ALL.chunks(2)) {
        if size == SimulationSize::Full || pair.contains(&Detector::new(3)?) {
            clean.extend(visits(spx, size, &sky, 0.0, (seed, pair))?);
            hit.extend(visits(spx, size, &sky, HITS, (seed, pair))?);
        }
    }
    let mut report = TruthReport::default();
    stars(&hit, size, &mut report);
    rejected(&hit, &clean, &mut report);
    line(&hit, &sky.lines[0], &mut report);
    Ok(report)
}

/// What `spx` made of a star.
struct StarSpectrum {
    signal: f64,
    has_line: bool,
    truth: f64,
    channels: Vec<ChannelRow>,
    /// Good measurements, by exposure.
    measurements: HashMap<String, MeasuredVisit>,
}

/// A channel of a spectrum.
struct ChannelRow {
    band: String,
    center: f64,
    flux: f64,
    error: f64,
    used: usize,
    rejected: usize,
}

/// A measurement of a light curve.
#[derive(Clone, Copy)]
struct MeasuredVisit {
    detector: Detector,
    wavelength: f64,
    bandwidth: f64,
    flux: f64,
    error: f64,
}

impl MeasuredVisit {
    /// The center of its channel \[um\].
    fn channel_center(&self) -> f64 {
        let centers = self.detector.channels().iter().map(|channel| channel.wavelength);
        let distance = |center: &f64| (center - self.wavelength).abs();
        centers.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(f64::NAN)
    }
}

/// Simulates the visits and runs `spx` on them: the spectra of the stars, in their order.
fn visits(
    spx: &SpxRunner,
    size: SimulationSize,
    sky: &SimulatedSky,
    hits: f64,
    (seed, detectors): (u64, &[Detector]),
) -> Result<Vec<StarSpectrum>> {
    let detectors = detectors.to_vec();
    let observations = size.choose(17 * VISITS, 40);
    let plan = SurveyOptions { observations, detectors, margin: 60.0, seed, ..SurveyOptions::default() };
    let frame = FrameExtent::Around { position: center()?, size: 110 };
    let realism = Some(RealisticOptions { unflagged_hits: hits, ..RealisticOptions::default() });
    let release = SimulatedRelease::Qr3;
    let options = ExposureOptions { release, frame, realism, ..ExposureOptions::default() };
    let exposures = survey(center()?, &plan)?.into_iter().map(|pointing| (pointing, options.clone()));
    spx.simulate("visits", sky, &exposures.collect::<Vec<_>>())?;
    let curves = light_curves(spx, "visits", &sky.stars)?;
    let spectra = sky.stars.iter().enumerate().map(|(k, star)| {
        let path = format!("{curves}/{}.csv", star.id);
        let channels = read_channels(&spx.run(&["spectrum", &path])?)?;
        let measurements = read_measurements(&std::fs::read_to_string(spx.path(&path))?)?;
        let (signal, has_line) = (star.flux_2um / UJY_PER_SIGMA, k == SIGNALS.len());
        Ok(StarSpectrum { signal, has_line, truth: star.flux_2um, channels, measurements })
    });
    let spectra = spectra.collect();
    spx.forget("visits")?;
    spx.forget("batch")?;
    spectra
}

/// Bias and width of the pulls of channels, and the steps between the detectors.
fn stars(spectra: &[StarSpectrum], size: SimulationSize, report: &mut TruthReport) {
    let least = size.choose(10, 2);
    let of = |signal: f64| -> Vec<(f64, &ChannelRow)> {
        let same = spectra.iter().filter(move |star| star.signal == signal && !star.has_line);
        let channels = same.flat_map(|star| star.channels.iter().map(|channel| (star.truth, channel)));
        channels.filter(|(_, channel)| channel.used >= least).collect()
    };
    let mut all = Vec::new();
    let mut steps: BTreeMap<String, [Vec<f64>; 2]> = BTreeMap::new();
    for signal in SIGNALS {
        let channels = of(signal);
        let pulls: Vec<f64> = channels.iter().map(|(truth, c)| (c.flux - truth) / c.error).collect();
        let label = format!("spectrum, {} channels, {signal} sigma a visit", pulls.len());
        report.add(format!("{label}: mean pull"), mean(&pulls), Demand::Near(0.0, 0.1));
        report.add(format!("{label}: width of pulls"), width(&pulls), Demand::None);
        all.extend(pulls);
        if signal < 20.0 {
            continue;
        }
        let level = |detector: &Detector| {
            let on = channels.iter().filter(|(_, c)| c.band == detector.to_string());
            let (ratios, weights): (Vec<f64>, Vec<f64>) =
                on.map(|(truth, c)| (c.flux / truth, (truth / c.error).powi(2))).unzip();
            weighted_mean(&ratios, &weights)
        };
        for pair in Detector::ALL.windows(2) {
            let [(one, one_error), (other, other_error)] = [level(&pair[0]), level(&pair[1])];
            if one.is_finite() && other.is_finite() {
                let [values, weights] = steps.entry(format!("{} to {}", pair[0], pair[1])).or_default();
                values.push(other / one - 1.0);
                weights.push(1.0 / (one_error.powi(2) + other_error.powi(2)));
            }
        }
    }
    // A star has too few channels for a demand on its own.
    let demand = if size == SimulationSize::Full { Demand::Near(0.99, 0.06) } else { Demand::None };
    report.add(format!("spectra, {} channels of all stars: width of pulls", all.len()), width(&all), demand);
    report.add("spectra, channels of all stars: mean pull", mean(&all), Demand::Near(0.0, 0.1));
    for (pair, [values, weights]) in steps {
        let step = weighted_mean(&values, &weights);
        report.add(format!("spectra: step from {pair}"), step, Demand::Near(0.0, 0.005));
    }
}

/// How many of the measurements that were hit are rejected, and how many others are.
fn rejected(hit: &[StarSpectrum], clean: &[StarSpectrum], report: &mut TruthReport) {
    let (mut hits, mut found, mut others, mut measured) = (0, 0, 0, 0);
    for (hit, clean) in hit.iter().zip(clean).filter(|(star, _)| !star.has_line) {
        let mut by_channel: HashMap<u64, usize> = HashMap::new();
        for (exposure, visit) in &hit.measurements {
            let Some(before) = clean.measurements.get(exposure) else { continue };
            if (visit.flux - before.flux).abs() > HIT_SIGMA * before.error {
                *by_channel.entry(visit.channel_center().to_bits()).or_default() += 1;
            }
        }
        measured += hit.measurements.len();
        for channel in &hit.channels {
            let count = by_channel.get(&channel.center.to_bits()).copied().unwrap_or_default();
            hits += count;
            found += count.min(channel.rejected);
            others += channel.rejected.saturating_sub(count);
        }
    }
    let what = format!("spectra, {hits} hits beyond {HIT_SIGMA} sigma: share rejected");
    let demand = if hits > 0 { Demand::AtLeast(0.9) } else { Demand::None };
    report.add(what, share(found, hits), demand);
    let what = format!("spectra, {} other measurements: share rejected", measured - hits);
    report.add(what, share(others, measured - hits), Demand::AtMost(0.01));
}

/// A line in one channel: its flux over the mean of what the measurements there should be, and how
/// many of them are rejected although they see what most there see.
fn line(spectra: &[StarSpectrum], line: &LineSource, report: &mut TruthReport) {
    let (mut ratios, mut weights, mut measured, mut lost) = (Vec::new(), Vec::new(), 0, 0);
    for star in spectra.iter().filter(|star| star.has_line) {
        for channel in star.channels.iter().filter(|channel| channel.band == "D3") {
            let here = star.measurements.values().filter(|visit| visit.channel_center() == channel.center);
            let holds =
                |visit: &MeasuredVisit| (line.wavelength - visit.wavelength).abs() < 0.5 * visit.bandwidth;
            let with_line: Vec<f64> = here
                .clone()
                .map(|visit| if holds(visit) { line.strength / visit.bandwidth } else { 0.0 })
                .collect();
            let bright = with_line.iter().filter(|flux| **flux > 0.0).count();
            measured += with_line.len();
            // At the edge of a channel a few see the line, or do not, other than the rest.
            lost += channel.rejected.saturating_sub(bright.min(with_line.len() - bright));
            if channel.center == line.wavelength {
                let expected = star.truth + mean(&with_line).0;
                ratios.push(channel.flux / expected);
                weights.push((expected / channel.error).powi(2));
            }
        }
    }
    let label = format!("line of {} sigma on a star of {}", LINE_STAR.1, LINE_STAR.0);
    let total: f64 = weights.iter().sum();
    let ratio = ratios.iter().zip(&weights).map(|(ratio, weight)| ratio * weight).sum::<f64>() / total;
    let what = format!("{label}, {} channels: flux over truth", ratios.len());
    report.add(what, (ratio, 1.0 / total.sqrt()), Demand::Near(1.0, 0.01));
    let what = format!("{label}, {measured} measurements in D3: share rejected");
    report.add(what, share(lost, measured), Demand::AtMost(0.01));
}

/// Stars that keep a distance of 20 px, the last one with a line.
fn field() -> Result<SimulatedSky> {
    let center = center()?;
    let mut stars = Vec::new();
    for (k, signal) in SIGNALS.into_iter().chain([LINE_STAR.0]).enumerate() {
        let (column, row) = ((k % 3) as f64 - 1.0, (k / 3) as f64 - 1.0);
        let dec = center.dec() + 130.0 * row / 3600.0;
        let ra = center.ra() + 130.0 * column / 3600.0 / cos(center.dec().to_radians());
        let (id, flux_2um) = (format!("s{k}"), UJY_PER_SIGMA * signal);
        stars.push(SimulatedStar { id, position: Position::new(ra, dec)?, flux_2um, slope: 0.0 });
    }
    let channel = Detector::new(3)?.channels()[LINE_CHANNEL];
    let line = LineSource {
        id: "line".to_owned(),
        position: stars[SIGNALS.len()].position,
        wavelength: channel.wavelength,
        strength: UJY_PER_SIGMA * LINE_STAR.1 * channel.bandwidth,
    };
    Ok(SimulatedSky { stars, lines: vec![line], ..SimulatedSky::default() })
}

/// The rows of a table as functions from a column's name to its text.
fn read_rows<T>(csv: &str, of: impl Fn(&dyn Fn(&str) -> Result<String>) -> Result<T>) -> Result<Vec<T>> {
    let csv: String = csv.lines().filter(|line| !line.starts_with('#')).map(|l| format!("{l}\n")).collect();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headers = reader.headers()?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        rows.push(of(&|name| {
            let at = headers.iter().position(|header| header == name).with_context(|| name.to_owned())?;
            Ok(record[at].to_owned())
        })?);
    }
    Ok(rows)
}

/// The channels that have a measurement.
fn read_channels(csv: &str) -> Result<Vec<ChannelRow>> {
    let rows = read_rows(csv, |text| {
        let used = text("n_used")?.parse()?;
        let number = |name: &str| -> Result<f64> {
            let text = text(name)?;
            Ok(if text.is_empty() { f64::NAN } else { text.parse()? })
        };
        Ok(ChannelRow {
            band: text("band")?,
            center: number("channel_center")?,
            flux: number("flux")?,
            error: number("flux_error")?,
            used,
            rejected: text("n_rejected")?.parse()?,
        })
    })?;
    Ok(rows.into_iter().filter(|channel| channel.used > 0).collect())
}

/// The good rows of a light curve, by observation and detector.
fn read_measurements(csv: &str) -> Result<HashMap<String, MeasuredVisit>> {
    let rows = read_rows(csv, |text| {
        let number = |name: &str| -> Result<f64> { Ok(text(name)?.parse()?) };
        if !text("is_good")?.eq_ignore_ascii_case("true") {
            return Ok(None);
        }
        let detector: Detector = text("band")?.parse()?;
        let visit = MeasuredVisit {
            detector,
            wavelength: number("wavelength")?,
            bandwidth: number("bandwidth")?,
            flux: number("flux")?,
            error: number("flux_error")?,
        };
        Ok(Some((format!("{} {detector}", text("obs_id")?), visit)))
    })?;
    Ok(rows.into_iter().flatten().collect())
}
