//! The time, as tables and summaries state it.

use std::time::SystemTime;

/// The time in UTC; the beginning of 1970 where a clock is set earlier.
pub fn now() -> String {
    rfc3339(SystemTime::now())
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time.max(SystemTime::UNIX_EPOCH)).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_before_1970_is_no_reason_to_end() {
        let time = SystemTime::UNIX_EPOCH - Duration::from_secs(86_400);
        assert_eq!(rfc3339(time), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(time + Duration::from_secs(2 * 86_400)), "1970-01-02T00:00:00Z");
    }
}
