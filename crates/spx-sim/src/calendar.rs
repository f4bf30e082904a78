//! Dates from modified Julian days (UTC; leap seconds do not matter here).

/// A calendar date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CalendarDate {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u32,
    /// 1 to 31.
    pub(crate) day: u32,
    /// 1 to 366.
    pub(crate) day_of_year: u32,
}

/// The date of a day \[MJD\]; days before 1859 are not asked for and come out as its first.
pub(crate) fn date(day: i64) -> CalendarDate {
    // MJD 45 is 1859-01-01.
    let (mut year, mut rest) = (1859, (day - 45).max(0));
    while rest >= year_length(year) {
        rest -= year_length(year);
        year += 1;
    }
    let day_of_year = u32::try_from(rest).unwrap_or(0) + 1;
    let (mut month, mut rest) = (1, day_of_year);
    for length in month_lengths(year) {
        if rest <= length {
            break;
        }
        rest -= length;
        month += 1;
    }
    CalendarDate { year, month, day: rest, day_of_year }
}

/// Year and number of the ISO 8601 week of a day \[MJD\]: the week belongs to the year of its
/// Thursday.
pub(crate) fn iso_week(day: i64) -> (i64, u32) {
    // MJD 0 was a Wednesday.
    let weekday = (day + 2).rem_euclid(7);
    let thursday = date(day - weekday + 3);
    (thursday.year, (thursday.day_of_year - 1) / 7 + 1)
}

/// `2025-12-18T05:09:34.650`.
pub(crate) fn iso_time(mjd: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of any date fit 53 bits")]
    let ms = (mjd * 86_400e3).round() as i64;
    let CalendarDate { year, month, day, .. } = date(ms.div_euclid(86_400_000));
    let ms = ms.rem_euclid(86_400_000);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1000)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn year_length(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_lengths(year: i64) -> [u32; 12] {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archives_times() {
        assert_eq!(iso_time(61027.214984375), "2025-12-18T05:09:34.650");
        assert_eq!(iso_week(61027), (2025, 51));
        assert_eq!(date(61029).day_of_year, 354);
    }

    #[test]
    fn turns_of_the_year() {
        assert_eq!(date(51544), CalendarDate { year: 2000, month: 1, day: 1, day_of_year: 1 });
        assert_eq!(date(51603), CalendarDate { year: 2000, month: 2, day: 29, day_of_year: 60 });
        assert_eq!(date(51909), CalendarDate { year: 2000, month: 12, day: 31, day_of_year: 366 });
        assert_eq!(iso_week(51544), (1999, 52), "2000-01-01 was a Saturday");
        assert_eq!(iso_week(59215), (2020, 53), "2021-01-01");
        assert_eq!(iso_time(60999.9999999999), "2025-11-21T00:00:00.000");
    }
}
