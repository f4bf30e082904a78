//! From single measurements to the 102 spectral channels.
//!
//! A measurement belongs to the channel of its detector whose center is nearest. The mean of a
//! channel is weighted by variances that do not contain the flux of their own row: that of a row is
//! the median of the squared errors in its channel, and its own only where that is more than twice
//! as large (a filled pixel, a bright sky). Reported errors rise and fall with the noise of their
//! flux; weighted by these, means would be low by 0.1 standard deviations of a single measurement,
//! however many there are.
//!
//! Measurements farther than [`REJECTED`] standard deviations from the median of their channel are
//! rejected, where it has at least three. Where a spectrum is steep its slope through the channel,
//! the smaller one of those toward the neighbors, is allowed for; where the scatter is larger than
//! the errors (a variable source, a bright star), so is the limit.

use spx_core::detector::{CHANNELS, CHANNELS_PER_DETECTOR, Detector, SpectralChannel};

/// Farther from the median than this is an outlier [standard deviations].
const REJECTED: f64 = 4.0;
/// A squared error of so many times the median of the channel counts by itself.
const UNUSUAL: f64 = 2.0;
/// A slope counts where the fluxes of both neighbors differ by so much [standard deviations].
const SLOPE: f64 = 3.0;
/// Half of the deviations of normal values lie within 1 / this of their standard deviation.
const MEDIAN_TO_SIGMA: f64 = 1.482_602;

/// A flux of a source in one exposure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FluxSample {
    /// The detector.
    pub detector: Detector,
    /// Central wavelength \[um\].
    pub wavelength: f64,
    /// Bandwidth \[um\].
    pub bandwidth: f64,
    /// Flux density \[uJy\].
    pub flux: f64,
    /// Its error \[uJy\].
    pub error: f64,
}

/// A channel of a spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelMean {
    /// From 0 to 101.
    pub number: usize,
    /// Mean flux density \[uJy\]; NaN in an empty channel, as the next three.
    pub flux: f64,
    /// Its error, larger by the root of chi-square over its degrees of freedom where that is above
    /// one \[uJy\].
    pub error: f64,
    /// Mean wavelength, with the same weights \[um\].
    pub wavelength: f64,
    /// Mean bandwidth \[um\].
    pub bandwidth: f64,
    /// Measurements in the mean.
    pub used: usize,
    /// Measurements that were rejected.
    pub rejected: usize,
    /// Of those in the mean, about it; `used` - 1 degrees of freedom.
    pub chi2: f64,
    /// Of all, about the mean; `used` + `rejected` - 1 degrees of freedom.
    pub chi2_of_all: f64,
    /// Change of the flux with wavelength that was allowed for [uJy/um].
    pub slope: f64,
}

impl ChannelMean {
    /// The channel.
    pub fn channel(&self) -> &'static SpectralChannel {
        &CHANNELS[self.number]
    }

    /// Whether no measurement belongs to it.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    fn empty(number: usize) -> Self {
        let [flux, error, wavelength, bandwidth] = [f64::NAN; 4];
        let (used, rejected, chi2, chi2_of_all, slope) = (0, 0, 0.0, 0.0, 0.0);
        Self { number, flux, error, wavelength, bandwidth, used, rejected, chi2, chi2_of_all, slope }
    }
}

/// The channel of a measurement, from 0; `None` where its wavelength is not finite.
pub fn channel_of(detector: Detector, wavelength: f64) -> Option<usize> {
    let distance = |channel: &SpectralChannel| (channel.wavelength - wavelength).abs();
    let channels = detector.channels().iter().enumerate();
    let nearest = channels.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)))?.0;
    let first = (usize::from(detector.number()) - 1) * CHANNELS_PER_DETECTOR;
    wavelength.is_finite().then_some(first + nearest)
}

/// The means of all 102 channels, by number. Samples that are not finite, or without an error above
/// 0, do not count. The order of the samples changes no bit.
pub fn channel_means(samples: &[FluxSample]) -> Vec<ChannelMean> {
    let mut members: Vec<Vec<FluxSample>> = vec![Vec::new(); CHANNELS.len()];
    for sample in samples {
        let usable = sample.flux.is_finite() && sample.error > 0.0 && sample.error.is_finite();
        if let Some(number) = channel_of(sample.detector, sample.wavelength).filter(|_| usable) {
            members[number].push(*sample);
        }
    }
    for samples in &mut members {
        let key = |s: &FluxSample| [s.wavelength, s.flux, s.error, s.bandwidth];
        samples.sort_by(|a, b| {
            let pairs = key(a).into_iter().zip(key(b));
            pairs.map(|(a, b)| a.total_cmp(&b)).fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
    }
    let levels: Vec<Option<ChannelLevel>> = members.iter().map(|samples| ChannelLevel::of(samples)).collect();
    let mean = |(number, samples): (usize, &Vec<FluxSample>)| match &levels[number] {
        Some(level) => level.mean(number, slope(&levels, number), samples),
        None => ChannelMean::empty(number),
    };
    members.iter().enumerate().map(mean).collect()
}

/// Medians of a channel.
#[derive(Debug, Clone, Copy)]
struct ChannelLevel {
    flux: f64,
    /// Squared error of the median.
    uncertainty: f64,
    wavelength: f64,
    /// Of the squared errors.
    variance: f64,
}

impl ChannelLevel {
    fn of(samples: &[FluxSample]) -> Option<Self> {
        let middle = |of: fn(&FluxSample) -> f64| median(samples.iter().map(of).collect());
        let variance = middle(|s| s.error * s.error)?;
        Some(Self {
            flux: middle(|s| s.flux)?,
            uncertainty: 0.5 * std::f64::consts::PI * variance / samples.len() as f64,
            wavelength: middle(|s| s.wavelength)?,
            variance,
        })
    }

    /// The variance by which a sample is weighted.
    fn variance(&self, sample: &FluxSample) -> f64 {
        let own = sample.error * sample.error;
        if own > UNUSUAL * self.variance { own } else { self.variance }
    }

    fn mean(&self, number: usize, slope: f64, samples: &[FluxSample]) -> ChannelMean {
        let off = |s: &FluxSample| s.flux - self.flux - slope * (s.wavelength - self.wavelength);
        let pulls: Vec<f64> = samples.iter().map(|s| off(s).abs() / self.variance(s).sqrt()).collect();
        let scatter = if samples.len() >= 5 { median(pulls.clone()).unwrap_or_default() } else { 0.0 };
        let limit = REJECTED * (MEDIAN_TO_SIGMA * scatter).max(1.0);
        let kept = |k: usize| samples.len() < 3 || pulls[k] <= limit;
        let used: Vec<&FluxSample> = (0..samples.len()).filter(|k| kept(*k)).map(|k| &samples[k]).collect();
        let weight = |s: &FluxSample| 1.0 / self.variance(s);
        let total: f64 = used.iter().map(|s| weight(s)).sum();
        let average =
            |of: fn(&FluxSample) -> f64| used.iter().map(|s| weight(s) * of(s)).sum::<f64>() / total;
        let (flux, wavelength) = (average(|s| s.flux), average(|s| s.wavelength));
        let squared =
            |s: &FluxSample| weight(s) * (s.flux - flux - slope * (s.wavelength - wavelength)).powi(2);
        let chi2: f64 = used.iter().map(|s| squared(s)).sum();
        let noise = used.iter().map(|s| (weight(s) * s.error).powi(2)).sum::<f64>().sqrt() / total;
        let reduced = if used.len() > 1 { chi2 / (used.len() - 1) as f64 } else { 0.0 };
        ChannelMean {
            number,
            flux,
            error: noise * reduced.max(1.0).sqrt(),
            wavelength,
            bandwidth: average(|s| s.bandwidth),
            used: used.len(),
            rejected: samples.len() - used.len(),
            chi2,
            chi2_of_all: samples.iter().map(squared).sum(),
            slope,
        }
    }
}

/// The slope of the spectrum through a channel: the smaller one of those toward its neighbors on
/// the detector, so that a line in one channel tilts none; 0 where they have opposite signs or are
/// lost in the noise. The first and last channels have the slope of the next one.
fn slope(levels: &[Option<ChannelLevel>], number: usize) -> f64 {
    let first = number - number % CHANNELS_PER_DETECTOR;
    let inner = number.clamp(first + 1, first + CHANNELS_PER_DETECTOR - 2);
    let toward = |a: usize, b: usize| -> Option<f64> {
        let (a, b) = (levels[a]?, levels[b]?);
        let (rise, run) = (b.flux - a.flux, b.wavelength - a.wavelength);
        let noise = (a.uncertainty + b.uncertainty).sqrt();
        (run > 0.0 && rise.abs() > SLOPE * noise).then(|| rise / run)
    };
    match (toward(inner - 1, inner), toward(inner, inner + 1)) {
        (Some(left), Some(right)) if left * right > 0.0 => {
            if left.abs() < right.abs() {
                left
            } else {
                right
            }
        }
        _ => 0.0,
    }
}

/// The middle value, or the mean of the middle two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = *values.get(half)?;
    Some(if values.len() % 2 == 1 { upper } else { 0.5 * (values[half - 1] + upper) })
}

#[cfg(test)]
mod tests {
    use spx_core::elementary::powf;

    use super::*;

    /// Samples of a source, 25 a channel, whose errors follow their noise, as the archive's do.
    struct Visits {
        rng: fastrand::Rng,
        signal_to_noise: f64,
        hits: f64,
    }

    impl Visits {
        fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0
        }

        /// Samples, and which were hit.
        fn of(&mut self, truth: impl Fn(f64) -> f64) -> (Vec<FluxSample>, Vec<bool>) {
            let (mut samples, mut hit) = (Vec::new(), Vec::new());
            for channel in CHANNELS.iter().flat_map(|channel| [channel; 25]) {
                let wavelength = channel.wavelength + 0.9 * channel.bandwidth * (self.rng.f64() - 0.5);
                let flux = truth(wavelength);
                let sky = (100.0 / self.signal_to_noise).powi(2) * (0.8 + 0.4 * self.rng.f64());
                let poisson = 0.12 * sky.sqrt();
                let mut measured = flux + (sky + poisson * flux).sqrt() * self.normal();
                hit.push(self.rng.f64() < self.hits);
                if hit[hit.len() - 1] {
                    measured += sky.sqrt() * (8.0 + 60.0 * self.rng.f64());
                }
                let error = (sky + poisson * measured).max(0.2 * sky).sqrt();
                let (detector, bandwidth) = (channel.detector, channel.bandwidth);
                samples.push(FluxSample { detector, wavelength, bandwidth, flux: measured, error });
            }
            (samples, hit)
        }
    }

    /// Bias, pulls and steps for sources of all brightnesses, with 0.1 % of hits.
    #[test]
    fn means_are_unbiased_and_their_errors_right() {
        for signal_to_noise in [0.3, 3.0, 30.0, 100.0] {
            let truth = |wavelength: f64| 100.0 * powf(wavelength / 2.0, -1.0);
            let mut visits = Visits { rng: fastrand::Rng::with_seed(5), signal_to_noise, hits: 1e-3 };
            let (mut pulls, mut found, mut hits) = (Vec::new(), 0, 0);
            for _ in 0..20 {
                let (samples, hit) = visits.of(truth);
                hits += hit.iter().filter(|hit| **hit).count();
                let means = channel_means(&samples);
                found += means.iter().map(|m| m.rejected).sum::<usize>();
                pulls.extend(means.iter().map(|m| (m.flux - truth(m.wavelength)) / m.error));
            }
            let n = pulls.len() as f64;
            let mean = pulls.iter().sum::<f64>() / n;
            let width = (pulls.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / n).sqrt();
            assert!(mean.abs() < 0.1 + 2.0 / n.sqrt(), "{signal_to_noise}: bias {mean}");
            assert!((0.93..1.05).contains(&width), "{signal_to_noise}: width {width}");
            assert!(found as f64 > 0.9 * hits as f64, "{signal_to_noise}: {found} of {hits}");
            assert!((found as f64) < 1.1 * hits as f64 + 20.0, "{signal_to_noise}: {found} of {hits}");
        }
    }

    /// A line in one channel stays, and costs its neighbors no measurement; the order of the
    /// samples changes nothing; a channel without samples is empty.
    #[test]
    fn lines_stay_and_empty_channels_are_empty() {
        let mut visits = Visits { rng: fastrand::Rng::with_seed(8), signal_to_noise: 20.0, hits: 0.0 };
        let is_line = |wavelength: f64| channel_of(Detector::ALL[2], wavelength) == Some(40);
        let on_d3 = |w: f64| (1.7..2.3).contains(&w) && is_line(w);
        let (mut samples, _) = visits.of(|w| if on_d3(w) { 2000.0 } else { 100.0 });
        samples.retain(|sample| channel_of(sample.detector, sample.wavelength) != Some(7));
        let means = channel_means(&samples);
        assert!((means[40].flux - 2000.0).abs() < 20.0, "{:?}", means[40]);
        assert!(means.iter().map(|m| m.rejected).sum::<usize>() <= 2);
        assert!(means[7].is_empty() && means[7].flux.is_nan() && means[7].number == 7);
        assert_eq!(means.len(), 102);
        samples.reverse();
        let again = channel_means(&samples);
        for (a, b) in means.iter().zip(again).filter(|(a, _)| !a.is_empty()) {
            assert_eq!((a.flux.to_bits(), a.error.to_bits()), (b.flux.to_bits(), b.error.to_bits()));
        }
    }
}
