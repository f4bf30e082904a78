//! Time scales of FITS headers (card TIMESYS; Rots et al. 2015, A&A 574, A36), brought to UTC.

use thiserror::Error;

/// A time scale that spx does not convert.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the time scale `{0}` is not supported: expected UTC, TAI, GPS, TT or TDB")]
pub struct UnknownTimeScale(pub String);

/// A time scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeScale {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// International atomic time.
    Tai,
    /// Time of the Global Positioning System: TAI - 19 s.
    Gps,
    /// Terrestrial time, TAI + 32.184 s, once called TDT or ET.
    Tt,
    /// Barycentric dynamical time: TT to 1.7 ms, which is neglected.
    Tdb,
}

/// TAI - UTC \[s\] from the MJD (UTC) on: IERS Bulletin C and its predecessors. The last leap
/// second was that at the end of 2016.
const LEAP_SECONDS: [(f64, f64); 28] = [
    (41_317.0, 10.0),
    (41_499.0, 11.0),
    (41_683.0, 12.0),
    (42_048.0, 13.0),
    (42_413.0, 14.0),
    (42_778.0, 15.0),
    (43_144.0, 16.0),
    (43_509.0, 17.0),
    (43_874.0, 18.0),
    (44_239.0, 19.0),
    (44_786.0, 20.0),
    (45_151.0, 21.0),
    (45_516.0, 22.0),
    (46_247.0, 23.0),
    (47_161.0, 24.0),
    (47_892.0, 25.0),
    (48_257.0, 26.0),
    (48_804.0, 27.0),
    (49_169.0, 28.0),
    (49_534.0, 29.0),
    (50_083.0, 30.0),
    (50_630.0, 31.0),
    (51_179.0, 32.0),
    (53_736.0, 33.0),
    (54_832.0, 34.0),
    (56_109.0, 35.0),
    (57_204.0, 36.0),
    (57_754.0, 37.0),
];

const SECONDS_PER_DAY: f64 = 86_400.0;

impl TimeScale {
    /// By TIMESYS; letter case and what follows in parentheses (`UTC(NIST)`) do not count.
    ///
    /// # Errors
    /// Where it is another one: UT1, TCG, TCB, LOCAL.
    pub fn from_card(value: &str) -> Result<Self, UnknownTimeScale> {
        let name = value.split('(').next().unwrap_or_default().trim().to_ascii_uppercase();
        match name.as_str() {
            "" | "UTC" | "GMT" => Ok(Self::Utc),
            "TAI" | "IAT" => Ok(Self::Tai),
            "GPS" => Ok(Self::Gps),
            "TT" | "TDT" | "ET" => Ok(Self::Tt),
            "TDB" => Ok(Self::Tdb),
            _ => Err(UnknownTimeScale(value.to_owned())),
        }
    }

    /// MJD in UTC of an MJD in this scale. UTC stays as it is, to the last bit; before 1972 the
    /// leap seconds of its first day are taken.
    pub fn to_utc(self, mjd: f64) -> f64 {
        let to_tai = match self {
            Self::Utc => return mjd,
            Self::Tai => 0.0,
            Self::Gps => 19.0,
            Self::Tt | Self::Tdb => -32.184,
        };
        let tai = mjd + to_tai / SECONDS_PER_DAY;
        let since = LEAP_SECONDS.iter().rev().find(|(day, seconds)| tai >= day + seconds / SECONDS_PER_DAY);
        tai - since.unwrap_or(&LEAP_SECONDS[0]).1 / SECONDS_PER_DAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds between two MJD, which have about 1e-6 s.
    fn apart(a: f64, b: f64) -> f64 {
        (a - b).abs() * SECONDS_PER_DAY
    }

    #[test]
    fn scales_differ_as_published() {
        // 2026-01-01 by astropy: Time(61041.25, format="mjd", scale="utc").tt.mjd and the like.
        let utc = 61_041.25;
        assert!(apart(TimeScale::Tai.to_utc(61_041.250428240744), utc) < 1e-5);
        assert!(apart(TimeScale::Tt.to_utc(61_041.25080074074), utc) < 1e-5);
        assert!(apart(TimeScale::Tdb.to_utc(61_041.250800740476), utc) < 2e-3);
        assert!(apart(TimeScale::Gps.to_utc(61_041.250_208_333_33), utc) < 1e-5);
        assert_eq!(TimeScale::Utc.to_utc(utc).to_bits(), utc.to_bits());
    }

    #[test]
    fn leap_seconds_begin_at_midnight() {
        // The leap second of 2016-12-31 ends at TAI 00:00:37 of MJD 57754.
        let tai = |seconds: f64| TimeScale::Tai.to_utc(57_754.0 + seconds / SECONDS_PER_DAY);
        assert!(apart(tai(37.5), 57_754.0 + 0.5 / SECONDS_PER_DAY) < 1e-5);
        assert!(apart(tai(35.5), 57_754.0 - 0.5 / SECONDS_PER_DAY) < 1e-5);
    }

    #[test]
    fn names_of_scales() {
        assert_eq!(TimeScale::from_card("utc(NIST)"), Ok(TimeScale::Utc));
        assert_eq!(TimeScale::from_card("ET "), Ok(TimeScale::Tt));
        assert!(TimeScale::from_card("TCB").unwrap_err().to_string().contains("TCB"));
    }
}
