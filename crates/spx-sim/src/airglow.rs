//! Light of the upper atmosphere, which the archive's images of D1 and D2 contain.

use spx_core::detector::Detector;
use spx_core::map::Passband;

use crate::gaussian::below;
use crate::sky::ZodiModel;

/// He I \[um\], by whose strength that of the others is given.
const HELIUM: f64 = 1.083;

/// Lines \[um\] and their strength: He I and two of O I.
const LINES: [(f64, f64); 3] = [(HELIUM, 1.0), (0.845, 0.1), (1.129, 0.15)];

/// Standard deviation with which the edges of a passband let light in, over its width.
const SOFTNESS: f64 = 0.15;

/// Surface brightness \[MJy/sr\] in a passband where He I is as bright as the zodiacal light in the
/// middle of the frame; 0 on detectors 3 to 6.
pub(crate) fn airglow(detector: Detector, zodi: &ZodiModel, band: Passband) -> f64 {
    if detector.number() > 2 {
        return 0.0;
    }
    let response = |line: f64| {
        let (distance, sigma) = (line - band.center, SOFTNESS * band.width);
        below(distance + band.width / 2.0, sigma) - below(distance - band.width / 2.0, sigma)
    };
    let relative: f64 = LINES.iter().map(|&(line, strength)| strength * response(line)).sum();
    zodi.at(1020.0, 1020.0, HELIUM) * relative
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helium_is_as_bright_as_the_zodiacal_light_where_it_is_told() {
        let zodi = ZodiModel::default();
        let at = |detector: i64, center: f64| {
            airglow(Detector::new(detector).unwrap(), &zodi, Passband { center, width: 0.027 })
        };
        let peak = at(1, HELIUM) / zodi.at(1020.0, 1020.0, HELIUM);
        assert!((0.98..=1.02).contains(&peak), "{peak}");
        assert!(at(2, 1.095) > 0.2 * at(1, HELIUM), "the line reaches into D2");
        assert!(at(1, 0.95) < 1e-3 * at(1, HELIUM));
        assert_eq!(at(3, HELIUM), 0.0);
    }
}
