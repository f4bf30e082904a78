//! A date axis that is broken between visits, with calendar dates.

use crate::axes::Tick;

/// Dates farther apart than this \[d\] belong to different visits.
const VISIT_GAP: f64 = 15.0;
/// A gap of a smaller part of the whole time does not break the axis.
const LEAST_PART: f64 = 0.04;
/// An axis of more parts is not broken: they would be too narrow for their dates, and to join only
/// some of them would show as equal what lies days and years apart.
const MOST_PARTS: usize = 6;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// First and last date of each visit \[MJD\], in order.
pub(super) fn visits(dates: impl Iterator<Item = f64>) -> Vec<[f64; 2]> {
    let mut dates: Vec<f64> = dates.collect();
    dates.sort_by(f64::total_cmp);
    dates.chunk_by(|from, to| to - from <= VISIT_GAP).map(|days| [days[0], days[days.len() - 1]]).collect()
}

/// First and last date of each part of the axis \[MJD\], in order: of each visit, or of several
/// that are close to each other, or of all of them where they are many.
pub(super) fn axis_parts(visits: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let (Some([first, _]), Some([_, last])) = (visits.first(), visits.last()) else { return Vec::new() };
    let is_near = |from: &[f64; 2], to: &[f64; 2]| to[0] - from[1] <= LEAST_PART * (last - first);
    let parts: Vec<[f64; 2]> =
        visits.chunk_by(is_near).map(|part| [part[0][0], part[part.len() - 1][1]]).collect();
    if parts.len() > MOST_PARTS { vec![[*first, *last]] } else { parts }
}

/// Ticks of an axis of dates.
pub(super) struct DateTicks {
    pub(super) ticks: Vec<Tick>,
    /// What the labels leave out, such as the year.
    pub(super) context: String,
}

/// Steps of less than a day \[minutes\], and of days, counted from the first of each month.
const MINUTES: [i64; 11] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720];
const DAYS: [i64; 4] = [1, 2, 5, 10];
const STEPS_OF_MONTHS: [i64; 7] = [1, 2, 3, 6, 12, 24, 60];
const MINUTES_PER_DAY: f64 = 1440.0;

/// Ticks between two dates \[MJD\], with at most `most` labels.
pub(super) fn date_ticks([low, high]: [f64; 2], most: usize) -> DateTicks {
    let span = high - low;
    let most = most.max(1) as f64;
    let tick = |mjd: f64, label: String| Tick { at: (mjd - low) / span, label: Some(label) };
    let minutes = MINUTES.into_iter().find(|step| span * MINUTES_PER_DAY / *step as f64 <= most);
    let days = DAYS.into_iter().find(|step| span / *step as f64 <= most);
    let (first, last) = (Calendar::of(low), Calendar::of(high));
    if let Some(step) = minutes {
        let ticks = multiples(low * MINUTES_PER_DAY, high * MINUTES_PER_DAY, step).map(|minute| {
            let of_day = minute.rem_euclid(1440);
            tick(minute as f64 / MINUTES_PER_DAY, format!("{:02}:{:02}", of_day / 60, of_day % 60))
        });
        let context = if first == last {
            first.in_full()
        } else {
            format!("{} – {}", first.in_full(), last.in_full())
        };
        return DateTicks { ticks: ticks.collect(), context };
    }
    if let Some(step) = days {
        let ticks = multiples(low, high, 1).map(|mjd| mjd as f64).filter(|mjd| {
            let day = Calendar::of(*mjd).day;
            // The end of a month leaves no room before the next.
            (day - 1) % step == 0 && day - 1 + step <= 31
        });
        let ticks = ticks.map(|mjd| tick(mjd, Calendar::of(mjd).day_and_month()));
        let (first, last) = (first.year, last.year);
        let context = if first == last { first.to_string() } else { format!("{first} – {last}") };
        return DateTicks { ticks: ticks.collect(), context };
    }
    let months = span / 30.44;
    let step = STEPS_OF_MONTHS.into_iter().find(|step| months / *step as f64 <= most);
    // Beyond, whole decades.
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let step = step.unwrap_or_else(|| ((months / most / 120.0).ceil() as i64).saturating_mul(120).max(120));
    let ticks = multiples(first.months(), last.months() + 0.5, step)
        .map(|month| (month, first_of_month(month)))
        .filter(|(_, mjd)| (low..=high).contains(mjd))
        .map(|(month, mjd)| tick(mjd, format!("{}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1)));
    DateTicks { ticks: ticks.collect(), context: String::new() }
}

/// Multiples of a step between two numbers; none in ranges that no double resolves.
#[expect(clippy::cast_possible_truncation, reason = "dates of some centuries; saturates beyond")]
fn multiples(low: f64, high: f64, step: i64) -> impl Iterator<Item = i64> {
    let first = (low / step as f64).ceil() as i64;
    let last = (high / step as f64).floor() as i64;
    (first..=last).take(100).map(move |k| k.saturating_mul(step))
}

/// A date of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Calendar {
    year: i64,
    /// From 1.
    month: i64,
    day: i64,
}

/// MJD of 0000-03-01; years that begin in March have the leap day at their end.
const MARCH_OF_YEAR_0: i64 = -678_881;
const DAYS_OF_400_YEARS: i64 = 146_097;

impl Calendar {
    /// The day that a date \[MJD\] falls on.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to a million years")]
    pub(super) fn of(mjd: f64) -> Self {
        let days = mjd.floor().clamp(-3e8, 3e8) as i64 - MARCH_OF_YEAR_0;
        let era = days.div_euclid(DAYS_OF_400_YEARS);
        let day = days.rem_euclid(DAYS_OF_400_YEARS);
        // The year from March on: the largest whose first day is not after the day.
        let year = (day / 365).min(399);
        let year = if start_of_year(year) > day { year - 1 } else { year };
        let of_year = day - start_of_year(year);
        // Months of 31 and 30 days in turn repeat after five, from March: 153 days.
        let month = (5 * of_year + 2) / 153;
        let from_march =
            Self { year: 400 * era + year, month: month + 3, day: of_year - (153 * month + 2) / 5 + 1 };
        if from_march.month > 12 {
            Self { year: from_march.year + 1, month: from_march.month - 12, ..from_march }
        } else {
            from_march
        }
    }

    fn name(self) -> &'static str {
        usize::try_from(self.month - 1).ok().and_then(|k| MONTHS.get(k)).copied().unwrap_or_default()
    }

    /// `May 3`.
    pub(super) fn day_and_month(self) -> String {
        format!("{} {}", self.name(), self.day)
    }

    pub(super) fn year(self) -> i64 {
        self.year
    }

    fn in_full(self) -> String {
        format!("{} {} {}", self.year, self.name(), self.day)
    }

    /// `2025-05-03`.
    pub(super) fn iso(self) -> String {
        format!("{}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// Months since January of the year 0.
    fn months(self) -> f64 {
        (12 * self.year + self.month - 1) as f64
    }
}

/// Days before a year of an era of 400 years, both from March.
fn start_of_year(year: i64) -> i64 {
    365 * year + year / 4 - year / 100
}

/// MJD of the first day of a month, counted since January of the year 0.
fn first_of_month(month: i64) -> f64 {
    let from_march = month - 2;
    let (year, month) = (from_march.div_euclid(12), from_march.rem_euclid(12));
    let era = year.div_euclid(400);
    let days = era * DAYS_OF_400_YEARS + start_of_year(year.rem_euclid(400)) + (153 * month + 2) / 5;
    (days + MARCH_OF_YEAR_0) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `astropy.time.Time(mjd, format="mjd").iso`.
    #[test]
    fn dates_are_those_of_the_calendar() {
        for (mjd, date) in [
            (0.0, "1858-11-17"),
            (40_587.9, "1970-01-01"),
            (51_603.0, "2000-02-29"),
            (51_604.0, "2000-03-01"),
            (60_798.25, "2025-05-03"),
            (61_040.99, "2025-12-31"),
            (61_041.0, "2026-01-01"),
            (88_127.0, "2100-02-28"),
            (88_128.0, "2100-03-01"),
        ] {
            assert_eq!(Calendar::of(mjd).iso(), date);
        }
        for month in [24_000, 24_300, 24_304, 24_311, 25_200] {
            let first = Calendar::of(first_of_month(month));
            assert_eq!((first.months(), first.day), (month as f64, 1));
        }
    }

    #[test]
    fn visits_are_months_apart() {
        let days = [0.0, 0.5, 3.0, 180.0, 181.0, 365.0];
        let found = visits(days.into_iter().map(|d| 60_000.0 + d));
        assert_eq!(found, [[60_000.0, 60_003.0], [60_180.0, 60_181.0], [60_365.0, 60_365.0]]);
        assert_eq!(axis_parts(&found), found);
        assert_eq!(visits((0..400).map(f64::from)), [[0.0, 399.0]]);
        let monthly = visits((0..40).map(|k| 30.0 * f64::from(k)));
        assert_eq!((monthly.len(), axis_parts(&monthly)), (40, vec![[0.0, 1170.0]]));
        // Twelve visits have twelve parts, or one: never some that hold two.
        let seasons = |count: u32| (0..count).flat_map(|k| [0.0, 9.0].map(|day| 183.0 * f64::from(k) + day));
        assert_eq!([6, 7, 12].map(|count| axis_parts(&visits(seasons(count))).len()), [6, 1, 1]);
        assert!(visits(std::iter::empty()).is_empty() && axis_parts(&[]).is_empty());
    }

    #[test]
    fn ticks_are_few_and_ordered() {
        for span in [1e-3, 0.1, 0.8, 3.0, 20.0, 200.0, 3000.0, 40_000.0] {
            for most in [1, 3, 8] {
                let found = date_ticks([61_000.3, 61_000.3 + span], most);
                assert!(found.ticks.len() <= most + 1, "{span} {most}: {}", found.ticks.len());
                assert!(found.ticks.is_sorted_by(|a, b| a.at < b.at));
                assert!(found.ticks.iter().all(|t| (0.0..=1.0).contains(&t.at)));
            }
        }
        let found = date_ticks([60_798.1, 60_798.9], 4);
        assert_eq!(found.context, "2025 May 3");
        assert_eq!(found.ticks[0].label.as_deref(), Some("06:00"));
        let odd = date_ticks([1e300, 2e300], 4);
        assert!(odd.ticks.len() <= 100);
    }
}
