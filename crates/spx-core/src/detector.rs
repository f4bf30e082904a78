//! The six detectors and their 102 spectral channels (IRSA calibration product
//! `cal-sch-v1-2026-106`).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// One of the six detectors, D1 to D6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Detector(u8);

/// A number or name that is no detector.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown detector `{0}`: expected 1 to 6 (D1 to D6)")]
pub struct UnknownDetector(pub String);

impl Detector {
    /// All six, in order.
    pub const ALL: [Self; 6] = [Self(1), Self(2), Self(3), Self(4), Self(5), Self(6)];

    /// Pixels along each side of the active area.
    pub const NPIX: usize = 2040;

    /// The detector of a number from 1 to 6.
    ///
    /// # Errors
    /// For any other number.
    pub fn new(number: i64) -> Result<Self, UnknownDetector> {
        Self::ALL
            .into_iter()
            .find(|d| i64::from(d.0) == number)
            .ok_or_else(|| UnknownDetector(number.to_string()))
    }

    /// The number, 1 to 6.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Its channels in order of wavelength.
    pub fn channels(self) -> &'static [SpectralChannel] {
        let first = (usize::from(self.0) - 1) * CHANNELS_PER_DETECTOR;
        &CHANNELS[first..first + CHANNELS_PER_DETECTOR]
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "D{}", self.0)
    }
}

impl FromStr for Detector {
    type Err = UnknownDetector;

    /// Reads `3`, `D3` or `d3`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(['D', 'd']).unwrap_or(text);
        digits.parse().ok().and_then(|n| Self::new(n).ok()).ok_or_else(|| UnknownDetector(text.to_owned()))
    }
}

/// Channels of each detector.
pub const CHANNELS_PER_DETECTOR: usize = 17;

/// A spectral channel; its numbers are the decimals of the table as they stand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralChannel {
    /// The detector.
    pub detector: Detector,
    /// 1 to 17, in order of wavelength.
    pub subchannel: u8,
    /// Central wavelength \[um\].
    pub wavelength: f64,
    /// Lower edge \[um\].
    pub wl_min: f64,
    /// Upper edge \[um\]; it overlaps the next channel's lower edge.
    pub wl_max: f64,
    /// Bandwidth \[um\].
    pub bandwidth: f64,
    /// Median resolving power, wavelength over bandwidth.
    pub resolving_power: f64,
}

const fn channel(detector: u8, subchannel: u8, um: [f64; 4], resolving_power: f64) -> SpectralChannel {
    let [wavelength, wl_min, wl_max, bandwidth] = um;
    SpectralChannel {
        detector: Detector(detector),
        subchannel,
        wavelength,
        wl_min,
        wl_max,
        bandwidth,
        resolving_power,
    }
}

/// The 102 channels, by detector, then wavelength.
#[rustfmt::skip]
pub static CHANNELS: [SpectralChannel; 102] = [
    channel(1, 1, [0.753, 0.743, 0.762, 0.018], 42.0),
    channel(1, 2, [0.771, 0.761, 0.781, 0.019], 42.0),
    channel(1, 3, [0.79, 0.78, 0.8, 0.019], 41.0),
    channel(1, 4, [0.809, 0.798, 0.819, 0.02], 40.0),
    channel(1, 5, [0.828, 0.817, 0.839, 0.02], 40.0),
    channel(1, 6, [0.848, 0.837, 0.859, 0.021], 40.0),
    channel(1, 7, [0.868, 0.857, 0.879, 0.022], 40.0),
    channel(1, 8, [0.889, 0.877, 0.9, 0.023], 39.0),
    channel(1, 9, [0.91, 0.898, 0.922, 0.023], 39.0),
    channel(1, 10, [0.932, 0.92, 0.944, 0.024], 39.0),
    channel(1, 11, [0.955, 0.942, 0.967, 0.025], 39.0),
    channel(1, 12, [0.978, 0.964, 0.99, 0.026], 38.0),
    channel(1, 13, [1.001, 0.988, 1.014, 0.026], 38.0),
    channel(1, 14, [1.025, 1.012, 1.039, 0.027], 38.0),
    channel(1, 15, [1.05, 1.036, 1.064, 0.028], 38.0),
    channel(1, 16, [1.075, 1.061, 1.09, 0.029], 37.0),
    channel(1, 17, [1.102, 1.086, 1.116, 0.03], 37.0),
    channel(2, 1, [1.113, 1.099, 1.126, 0.026], 43.0),
    channel(2, 2, [1.139, 1.125, 1.153, 0.027], 42.0),
    channel(2, 3, [1.167, 1.152, 1.182, 0.028], 42.0),
    channel(2, 4, [1.195, 1.18, 1.21, 0.029], 41.0),
    channel(2, 5, [1.224, 1.209, 1.24, 0.03], 41.0),
    channel(2, 6, [1.254, 1.238, 1.269, 0.03], 41.0),
    channel(2, 7, [1.284, 1.267, 1.3, 0.031], 42.0),
    channel(2, 8, [1.315, 1.298, 1.331, 0.032], 42.0),
    channel(2, 9, [1.346, 1.329, 1.363, 0.032], 42.0),
    channel(2, 10, [1.378, 1.36, 1.396, 0.033], 42.0),
    channel(2, 11, [1.412, 1.393, 1.43, 0.034], 41.0),
    channel(2, 12, [1.446, 1.426, 1.464, 0.035], 41.0),
    channel(2, 13, [1.481, 1.461, 1.5, 0.036], 41.0),
    channel(2, 14, [1.517, 1.496, 1.537, 0.037], 41.0),
    channel(2, 15, [1.554, 1.533, 1.575, 0.038], 41.0),
    channel(2, 16, [1.592, 1.57, 1.613, 0.039], 41.0),
    channel(2, 17, [1.631, 1.608, 1.651, 0.039], 41.0),
    channel(3, 1, [1.656, 1.636, 1.676, 0.039], 42.0),
    channel(3, 2, [1.695, 1.675, 1.715, 0.041], 42.0),
    channel(3, 3, [1.735, 1.714, 1.756, 0.042], 41.0),
    channel(3, 4, [1.775, 1.754, 1.797, 0.043], 41.0),
    channel(3, 5, [1.818, 1.795, 1.84, 0.045], 41.0),
    channel(3, 6, [1.861, 1.838, 1.884, 0.046], 41.0),
    channel(3, 7, [1.905, 1.881, 1.928, 0.047], 41.0),
    channel(3, 8, [1.949, 1.925, 1.973, 0.048], 41.0),
    channel(3, 9, [1.995, 1.97, 2.019, 0.049], 41.0),
    channel(3, 10, [2.041, 2.015, 2.067, 0.051], 40.0),
    channel(3, 11, [2.089, 2.062, 2.115, 0.052], 40.0),
    channel(3, 12, [2.139, 2.111, 2.166, 0.054], 40.0),
    channel(3, 13, [2.189, 2.16, 2.216, 0.055], 40.0),
    channel(3, 14, [2.24, 2.211, 2.268, 0.056], 40.0),
    channel(3, 15, [2.292, 2.262, 2.321, 0.057], 40.0),
    channel(3, 16, [2.345, 2.314, 2.375, 0.058], 40.0),
    channel(3, 17, [2.399, 2.367, 2.44, 0.059], 41.0),
    channel(4, 1, [2.445, 2.422, 2.474, 0.058], 42.0),
    channel(4, 2, [2.506, 2.47, 2.542, 0.073], 34.0),
    channel(4, 3, [2.575, 2.538, 2.612, 0.074], 35.0),
    channel(4, 4, [2.646, 2.607, 2.684, 0.076], 35.0),
    channel(4, 5, [2.719, 2.678, 2.758, 0.078], 35.0),
    channel(4, 6, [2.794, 2.752, 2.835, 0.079], 35.0),
    channel(4, 7, [2.871, 2.828, 2.914, 0.084], 34.0),
    channel(4, 8, [2.951, 2.906, 2.995, 0.086], 34.0),
    channel(4, 9, [3.033, 2.985, 3.079, 0.089], 34.0),
    channel(4, 10, [3.118, 3.069, 3.164, 0.091], 34.0),
    channel(4, 11, [3.204, 3.155, 3.252, 0.093], 35.0),
    channel(4, 12, [3.293, 3.242, 3.342, 0.094], 35.0),
    channel(4, 13, [3.383, 3.33, 3.434, 0.096], 35.0),
    channel(4, 14, [3.476, 3.422, 3.528, 0.098], 36.0),
    channel(4, 15, [3.57, 3.514, 3.624, 0.099], 36.0),
    channel(4, 16, [3.667, 3.61, 3.723, 0.102], 36.0),
    channel(4, 17, [3.768, 3.707, 3.827, 0.103], 36.0),
    channel(5, 1, [3.827, 3.808, 3.845, 0.035], 109.0),
    channel(5, 2, [3.861, 3.843, 3.879, 0.036], 109.0),
    channel(5, 3, [3.895, 3.876, 3.913, 0.036], 109.0),
    channel(5, 4, [3.929, 3.91, 3.947, 0.036], 108.0),
    channel(5, 5, [3.964, 3.944, 3.982, 0.036], 109.0),
    channel(5, 6, [3.999, 3.979, 4.018, 0.036], 110.0),
    channel(5, 7, [4.034, 4.014, 4.053, 0.037], 110.0),
    channel(5, 8, [4.07, 4.049, 4.089, 0.037], 111.0),
    channel(5, 9, [4.106, 4.085, 4.125, 0.037], 112.0),
    channel(5, 10, [4.142, 4.12, 4.161, 0.037], 113.0),
    channel(5, 11, [4.178, 4.156, 4.197, 0.037], 113.0),
    channel(5, 12, [4.214, 4.193, 4.234, 0.037], 115.0),
    channel(5, 13, [4.251, 4.229, 4.271, 0.037], 114.0),
    channel(5, 14, [4.288, 4.265, 4.307, 0.037], 115.0),
    channel(5, 15, [4.325, 4.302, 4.345, 0.037], 116.0),
    channel(5, 16, [4.362, 4.339, 4.382, 0.038], 116.0),
    channel(5, 17, [4.399, 4.376, 4.42, 0.038], 117.0),
    channel(6, 1, [4.429, 4.412, 4.446, 0.035], 128.0),
    channel(6, 2, [4.461, 4.444, 4.478, 0.036], 125.0),
    channel(6, 3, [4.494, 4.476, 4.511, 0.035], 127.0),
    channel(6, 4, [4.527, 4.509, 4.544, 0.036], 126.0),
    channel(6, 5, [4.56, 4.542, 4.578, 0.036], 127.0),
    channel(6, 6, [4.594, 4.576, 4.612, 0.037], 125.0),
    channel(6, 7, [4.629, 4.609, 4.647, 0.036], 127.0),
    channel(6, 8, [4.663, 4.643, 4.682, 0.037], 126.0),
    channel(6, 9, [4.698, 4.678, 4.717, 0.037], 128.0),
    channel(6, 10, [4.733, 4.713, 4.752, 0.037], 130.0),
    channel(6, 11, [4.767, 4.747, 4.786, 0.036], 131.0),
    channel(6, 12, [4.802, 4.782, 4.821, 0.036], 132.0),
    channel(6, 13, [4.837, 4.816, 4.856, 0.037], 131.0),
    channel(6, 14, [4.873, 4.851, 4.893, 0.038], 130.0),
    channel(6, 15, [4.909, 4.887, 4.93, 0.038], 130.0),
    channel(6, 16, [4.945, 4.924, 4.966, 0.037], 132.0),
    channel(6, 17, [4.982, 4.96, 5.003, 0.037], 135.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_published_one() {
        let text = include_str!("../../../testdata/spectral_channels.csv");
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let rows: Vec<Vec<f64>> =
            reader.records().map(|r| r.unwrap().iter().map(|v| v.parse().unwrap()).collect()).collect();
        assert_eq!(rows.len(), CHANNELS.len());
        for (row, c) in rows.iter().zip(&CHANNELS) {
            let ours = [
                f64::from(c.detector.number()),
                f64::from(c.subchannel),
                c.wavelength,
                c.wl_min,
                c.wl_max,
                c.resolving_power,
                row[6],
                c.bandwidth,
            ];
            assert_eq!(row.as_slice(), ours);
        }
    }

    #[test]
    fn detectors_have_their_own_channels() {
        for d in Detector::ALL {
            assert!(d.channels().iter().all(|c| c.detector == d));
            assert!(d.channels().windows(2).all(|w| w[0].wl_min < w[1].wl_min));
        }
    }

    #[test]
    fn names_parse() {
        assert_eq!("D3".parse(), Detector::new(3));
        assert_eq!("6".parse::<Detector>().unwrap().to_string(), "D6");
        for bad in ["0", "7", "D", "x", ""] {
            assert_eq!(bad.parse::<Detector>(), Err(UnknownDetector(bad.to_owned())));
        }
    }
}
