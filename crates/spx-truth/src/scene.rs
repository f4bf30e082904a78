//! Scenes of sources that overlap.

use std::collections::HashMap;

use anyhow::Result;
use spx_core::elementary::{powf, sin_cos};
use spx_sim::SimulatedRelease;

use crate::galaxies::{galaxies, misplaced};
use crate::report::{Demand, TruthReport};
use crate::runner::{SimulationSize, SpxRunner};
use crate::scene_frame::{SceneFrame, compare};
use crate::statistics::{mean, median, width};

/// Both releases.
const RELEASES: [SimulatedRelease; 2] = [SimulatedRelease::Qr2, SimulatedRelease::Qr3];
/// Distances of pairs \[px\], and ratios of their fluxes.
const PAIRS: [(f64, f64); 6] = [(1.0, 1.0), (1.5, 1.0), (2.0, 1.0), (1.0, 10.0), (1.5, 10.0), (2.0, 10.0)];

/// Measures crowded fields, pairs, galaxies and lone stars by `--method scene`.
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
