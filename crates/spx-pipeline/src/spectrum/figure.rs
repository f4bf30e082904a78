//! The figure of a spectrum.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::detector::CHANNELS;
use spx_plot::{ChannelFigure, ChannelMeasurement, ChannelPoint, FluxDensity, Size};

use super::{ChannelMean, SourceSpectrum, channel_of};
use crate::photometry::figure::source_title;

/// How the figure of a spectrum looks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ChannelFigureSettings {
    /// What flux densities are drawn per.
    pub flux_density: FluxDensity,
    /// Draw AB magnitudes.
    pub use_magnitude: bool,
    /// Logarithmic wavelength axis.
    pub log_wavelength: bool,
    /// Size \[px\].
    pub size: Size,
}

impl Default for ChannelFigureSettings {
    fn default() -> Self {
        let (flux_density, size) = (FluxDensity::default(), Size { width: 1100, height: 800 });
        Self { flux_density, use_magnitude: false, log_wavelength: false, size }
    }
}

/// Channels with errors over the single measurements, and residuals below; channels without a
/// measurement are shaded.
pub fn channel_figure(spectrum: &SourceSpectrum, settings: &ChannelFigureSettings) -> ChannelFigure {
    let measurement = |m: &super::SpectrumMeasurement| {
        let mean = &spectrum.channels[channel_of(m.sample.detector, m.sample.wavelength)?];
        let expected = mean.flux + mean.slope * (m.sample.wavelength - mean.wavelength);
        let residual = (m.sample.flux - expected) / m.sample.error;
        let (wavelength, flux) = (m.sample.wavelength, m.sample.flux);
        Some(ChannelMeasurement { wavelength, flux, residual, rejected: !m.is_good })
    };
    let point = |c: &ChannelMean| ChannelPoint {
        wavelength: c.wavelength,
        half_bandwidth: 0.5 * c.bandwidth,
        flux: c.flux,
        error: c.error,
    };
    let name = &spectrum.name;
    ChannelFigure {
        size: settings.size,
        title: spectrum.position.map_or_else(|| name.clone(), |position| source_title(name, position)),
        channels: spectrum.channels.iter().map(point).collect(),
        measurements: spectrum.measurements.iter().filter_map(measurement).collect(),
        gaps: gaps(&spectrum.channels),
        density: settings.flux_density,
        magnitudes: settings.use_magnitude,
        log_wavelength: settings.log_wavelength,
    }
}

/// Wavelengths that no channel with a flux covers, between the first and the last that has one; in
/// order.
fn gaps(channels: &[ChannelMean]) -> Vec<[f64; 2]> {
    let filled = channels.iter().filter(|c| !c.is_empty()).map(|c| &CHANNELS[c.number]);
    let mut covered: Vec<[f64; 2]> = filled.map(|channel| [channel.wl_min, channel.wl_max]).collect();
    covered.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut gaps = Vec::new();
    let mut end = covered.first().map_or(f64::NAN, |first| first[1]);
    for [low, high] in covered {
        if low > end {
            gaps.push([end, low]);
        }
        end = end.max(high);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use spx_core::detector::Detector;

    use super::*;
    use crate::spectrum::{FluxSample, SpectrumMeasurement};

    #[test]
    fn what_no_channel_covers_is_a_gap() {
        let at = |detector: usize, wavelength: f64| SpectrumMeasurement {
            sample: FluxSample {
                detector: Detector::ALL[detector],
                wavelength,
                bandwidth: 0.04,
                flux: 10.0,
                error: 1.0,
            },
            is_good: true,
        };
        let of = |measurements: Vec<SpectrumMeasurement>| {
            channel_figure(&SourceSpectrum::new("x", measurements), &Default::default())
        };
        let d1 = Detector::ALL[0].channels();
        let figure = of(vec![at(0, d1[0].wavelength), at(0, d1[1].wavelength), at(0, d1[4].wavelength)]);
        assert_eq!(figure.gaps, [[d1[1].wl_max, d1[4].wl_min]]);
        assert_eq!(figure.channels.iter().filter(|c| c.flux.is_finite()).count(), 3);
        assert!(figure.measurements.iter().all(|m| m.residual == 0.0 && !m.rejected));
    }
}
