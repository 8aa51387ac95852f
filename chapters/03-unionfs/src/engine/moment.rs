//! Moments as images and records have them: `2026-11-20T15:31:41.267749873Z` (RFC 3339).

use jiff::Timestamp;
use std::time::SystemTime;

/// Seconds since 1970, in UTC.
pub fn format(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// This moment.
pub fn now() -> String {
    Timestamp::now().to_string()
}

/// The moment that a text is, if it is one.
pub fn parse(text: &str) -> Option<SystemTime> {
    Some(text.parse::<Timestamp>().ok()?.into())
}

/// A moment of ours with all nine digits of its fraction, so that such moments have one length.
pub fn fixed(text: &str) -> String {
    let whole = text.strip_suffix('Z').unwrap_or(text);
    let (seconds, fraction) = whole.split_once('.').unwrap_or((whole, ""));
    format!("{seconds}.{fraction:0<9}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn moments_are_written_and_read() {
        assert_eq!(format(1_795_189_901), "2026-11-20T15:51:41Z");
        let moment = UNIX_EPOCH + Duration::from_millis(1_795_189_901_500);
        assert_eq!(parse("2026-11-20T17:51:41.5+02:00"), Some(moment));
        assert_eq!(parse("today"), None);
        assert_eq!(fixed("2026-11-20T15:51:41.5Z"), "2026-11-20T15:51:41.500000000Z");
        assert_eq!(fixed("2026-11-20T15:51:41Z"), "2026-11-20T15:51:41.000000000Z");
        assert!(parse(&now()).is_some());
    }
}
