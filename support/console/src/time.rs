//! Times as Docker writes them: how long something took in words, and dates by the clock on the
//! wall.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A duration as Docker says it: `Less than a second`, `3 seconds`, `About an hour`, `2 weeks`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    // Hours alone are rounded, and decide up to two years.
    let hours = (seconds + HOUR / 2) / HOUR;
    let (count, unit) = match (seconds, hours) {
        (0, _) => return "Less than a second".into(),
        (1, _) => return "1 second".into(),
        (..MINUTE, _) => (seconds, "seconds"),
        (..120, _) => return "About a minute".into(),
        (..HOUR, _) => (seconds / MINUTE, "minutes"),
        (_, 1) => return "About an hour".into(),
        (_, ..48) => (hours, "hours"),
        (_, ..336) => (hours / 24, "days"),
        (_, ..1440) => (hours / 24 / 7, "weeks"),
        (_, ..17520) => (hours / 24 / 30, "months"),
        _ => (seconds / DAY / 365, "years"),
    };
    format!("{count} {unit}")
}

/// A moment by the clock on the wall here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The year.
    pub year: i32,
    /// The month, from 1.
    pub month: i32,
    /// The day of the month.
    pub day: i32,
    /// The hour.
    pub hour: i32,
    /// The minute.
    pub minute: i32,
    /// The second.
    pub second: i32,
    /// Minutes that this clock is ahead of UTC.
    pub ahead: i64,
    /// What its time is called here: `CEST`.
    pub zone: String,
}

impl Local {
    /// The clock at a moment (localtime(3)).
    pub fn at(moment: SystemTime) -> Local {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs() as libc::time_t;
        // SAFETY: all-zero is a valid tm.
        let mut tm: libc::tm = unsafe { std::mem::zeroed() };
        // SAFETY: localtime_r reads one and writes the other.
        unsafe { libc::localtime_r(&seconds, &mut tm) };
        let zone = if tm.tm_zone.is_null() {
            String::new()
        } else {
            // SAFETY: a name that the C library keeps for as long as the process lives.
            unsafe { std::ffi::CStr::from_ptr(tm.tm_zone) }.to_string_lossy().into()
        };
        Local {
            year: tm.tm_year + 1900,
            month: tm.tm_mon + 1,
            day: tm.tm_mday,
            hour: tm.tm_hour,
            minute: tm.tm_min,
            second: tm.tm_sec,
            ahead: tm.tm_gmtoff / 60,
            zone,
        }
    }
}

/// As Docker's lists have it: `2026-11-20 15:34:08 +0000 UTC`.
impl std::fmt::Display for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Local { year, month, day, hour, minute, second, ahead, zone } = self;
        let (sign, ahead) = (if *ahead < 0 { '-' } else { '+' }, ahead.abs());
        let (hours, minutes) = (ahead / 60, ahead % 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} ")?;
        write!(f, "{sign}{hours:02}{minutes:02} {zone}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_docker_says_them() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (HOUR - 1, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR + HOUR / 2 - 1, "About an hour"),
            (HOUR + HOUR / 2, "2 hours"),
            (47 * HOUR, "47 hours"),
            (2 * DAY, "2 days"),
            (14 * DAY - HOUR, "13 days"),
            (14 * DAY, "2 weeks"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), words, "{seconds} s");
        }
    }

    #[test]
    fn a_date_is_written_as_docker_writes_it() {
        let india = Local {
            year: 2026,
            month: 1,
            day: 2,
            hour: 3,
            minute: 4,
            second: 5,
            ahead: 330,
            zone: "IST".into(),
        };
        assert_eq!(india.to_string(), "2026-01-02 03:04:05 +0530 IST");
        let newfoundland = Local { ahead: -210, zone: "NST".into(), ..india };
        assert_eq!(newfoundland.to_string(), "2026-01-02 03:04:05 -0330 NST");
    }
}
