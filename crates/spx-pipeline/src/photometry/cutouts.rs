//! Cutouts of measurements: data, model, residuals and pixels that took part, of those that fit
//! worst and of some others.

use std::path::Path;

use ndarray::Array2;
use rayon::prelude::*;
use spx_core::image::PixelPlanes;
use spx_photometry::{MeasurementStamp, PixelUse};
use spx_plot::{CutoutPixel, CutoutsFigure, FigureFormat, MeasurementCutout, render_cutouts};
use twox_hash::XxHash64;

use super::entry::{PhotometryEntry, fitted_scales, targets_with_neighbors};
use super::exposure::{OpenExposure, PhotometrySetup};
use super::row::MeasurementRow;
use super::source::SkyTarget;
use crate::PipelineError;
use crate::frame::ExposureInfo;
use crate::inputs::InputError;
use spx_core::progress::Progress;

/// So many measurements that fit worst are drawn, and so many others.
const WORST: usize = 10;
const OTHERS: usize = 6;
/// Pixels on either side of that of the source.
const REACH: usize = 10;

/// A measurement beside its pixels.
struct DrawnMeasurement {
    labels: [String; 2],
    /// Chi-square over the degrees of freedom.
    chi2: f64,
    /// Decides which others are drawn: the same for a file of the same name.
    lot: u64,
    stamp: MeasurementStamp,
}

/// Draws measurements of a source: those with the largest chi-square, and others that the names of
/// their files decide by lot. Each is measured once more, as it was before.
///
/// # Errors
/// Nothing found where the source was measured on no file; where a file can no longer be read;
/// interrupted.
pub fn draw_cutouts(
    entries: &[PhotometryEntry],
    target: &SkyTarget,
    setup: &PhotometrySetup,
    format: FigureFormat,
    progress: &dyn Progress,
) -> Result<Vec<u8>, PipelineError> {
    let measured: Vec<&PhotometryEntry> = entries.iter().filter(|entry| entry.row().is_some()).collect();
    if measured.is_empty() {
        return Err(PipelineError::nothing_found("there is no measurement for which cutouts could be drawn"));
    }
    progress.start("cutouts", measured.len() as u64);
    let drawn: Result<Vec<Option<DrawnMeasurement>>, PipelineError> = measured
        .par_iter()
        .map(|entry| {
            if progress.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let drawn = measure_again(entry, entries, target, setup);
            let drawn = drawn.map_err(|error| PipelineError::failed(error.to_string()))?;
            progress.advance(1);
            Ok(drawn)
        })
        .collect();
    progress.finish();
    let chosen = choose(drawn?.into_iter().flatten().collect());
    let title = format!("{} of {} measurements", chosen.len(), measured.len());
    render(&chosen, title, format)
}

/// The worst first, then the others.
fn choose(mut drawn: Vec<DrawnMeasurement>) -> Vec<DrawnMeasurement> {
    let known = |chi2: f64| if chi2.is_nan() { f64::NEG_INFINITY } else { chi2 };
    drawn.sort_by(|a, b| known(b.chi2).total_cmp(&known(a.chi2)).then(a.lot.cmp(&b.lot)));
    let mut others = drawn.split_off(drawn.len().min(WORST));
    others.sort_by_key(|measurement| measurement.lot);
    others.truncate(OTHERS);
    let told = drawn.iter_mut().map(|m| (m, "worst")).chain(others.iter_mut().map(|m| (m, "by lot")));
    for (measurement, why) in told {
        measurement.labels[0] = format!("{}, {why}", measurement.labels[0]);
    }
    drawn.into_iter().chain(others).collect()
}

/// A measurement with its pixels; `None` where it has no flux any more.
fn measure_again(
    entry: &PhotometryEntry,
    entries: &[PhotometryEntry],
    target: &SkyTarget,
    setup: &PhotometrySetup,
) -> Result<Option<DrawnMeasurement>, InputError> {
    let Some((info, _)) = entry.row() else { return Ok(None) };
    let run = if info.zodi_not_fitted { fitted_scales(entries, info.detector) } else { Vec::new() };
    let opened = OpenExposure::open(Path::new(&entry.file), setup)?;
    let exposure = opened.read(setup, &run, PixelPlanes::default())?;
    let photometer = exposure.photometer(setup)?;
    let picture = photometer.picture(&targets_with_neighbors(target, setup), REACH);
    Ok(picture.map(|(row, stamp)| {
        let chi2 = row.fit.map_or_else(|| Some(stamp.mean_square()), |fit| fit.reduced_chi2());
        let chi2 = chi2.unwrap_or(f64::NAN);
        let lot = XxHash64::oneshot(0, info.file.as_bytes());
        DrawnMeasurement { labels: labels(info, &row, chi2), chi2, lot, stamp }
    }))
}

fn labels(info: &ExposureInfo, row: &MeasurementRow, chi2: f64) -> [String; 2] {
    let band = info.band().map(|band| format!(" {band}")).unwrap_or_default();
    let quality = if row.is_good { "" } else { ", not good" };
    let numbers = format!(
        "{:.3} µm, {:.1} ± {:.1} µJy, χ² per degree of freedom {chi2:.2}{quality}",
        row.wavelength, row.flux, row.flux_error
    );
    [format!("{}{band}", info.obs_id), numbers]
}

fn render(
    chosen: &[DrawnMeasurement],
    title: String,
    format: FigureFormat,
) -> Result<Vec<u8>, PipelineError> {
    let plane = |stamp: &MeasurementStamp, values: &[f32]| {
        Array2::from_shape_fn((stamp.side, stamp.side), |(y, x)| values[y * stamp.side + x])
    };
    let planes: Vec<([Array2<f32>; 3], Array2<CutoutPixel>)> = chosen
        .iter()
        .map(|DrawnMeasurement { stamp, .. }| {
            let numbers = [&stamp.data, &stamp.model, &stamp.residual].map(|values| plane(stamp, values));
            let side = stamp.side;
            let mask = Array2::from_shape_fn((side, side), |(y, x)| match stamp.uses[y * side + x] {
                PixelUse::Apart => CutoutPixel::Apart,
                PixelUse::Used => CutoutPixel::Used,
                PixelUse::Masked => CutoutPixel::Masked,
                PixelUse::Clipped => CutoutPixel::Clipped,
            });
            (numbers, mask)
        })
        .collect();
    let cutouts =
        chosen.iter().zip(&planes).map(|(measurement, ([data, model, residual], mask))| MeasurementCutout {
            labels: measurement.labels.clone(),
            data: data.view(),
            model: model.view(),
            residual: residual.view(),
            mask: mask.view(),
            source: measurement.stamp.source,
            radius: measurement.stamp.radius,
        });
    let figure = CutoutsFigure { cutouts: cutouts.collect(), title };
    render_cutouts(&figure, format).map_err(PipelineError::failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(k: u32, chi2: f64) -> DrawnMeasurement {
        let stamp = MeasurementStamp {
            side: 0,
            source: [0.0; 2],
            radius: 1.0,
            data: Vec::new(),
            model: Vec::new(),
            residual: Vec::new(),
            uses: Vec::new(),
        };
        let lot = XxHash64::oneshot(0, &k.to_le_bytes());
        DrawnMeasurement { labels: [k.to_string(), String::new()], chi2, lot, stamp }
    }

    /// The largest chi-squares come first, then others, the same in whatever order they come.
    #[test]
    fn the_choice_does_not_depend_on_the_order() {
        let chi2 = |k: u32| if k == 7 { f64::NAN } else { f64::from(k * 37 % 101) };
        let names = |order: &mut dyn Iterator<Item = u32>| -> Vec<String> {
            let chosen = choose(order.map(|k| measurement(k, chi2(k))).collect());
            chosen.into_iter().map(|m| m.labels[0].clone()).collect()
        };
        let forward = names(&mut (0..50));
        assert_eq!(forward, names(&mut (0..50).rev()));
        assert_eq!(forward.len(), WORST + OTHERS);
        let mut largest: Vec<u32> = (0..50).filter(|k| *k != 7).collect();
        largest.sort_by(|a, b| chi2(*b).total_cmp(&chi2(*a)));
        let expected: Vec<String> = largest[..WORST].iter().map(|k| format!("{k}, worst")).collect();
        assert_eq!(forward[..WORST], expected);
        assert!(forward[WORST..].iter().all(|label| label.ends_with(", by lot")));
        assert_eq!(names(&mut (0..3)).len(), 3);
    }
}
