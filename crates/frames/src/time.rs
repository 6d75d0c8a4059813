//! Times of frames and products. `SOURCE_DATE_EPOCH` fixes the present, so that products can be
//! reproduced to the byte.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Modified Julian date of the Unix epoch.
pub const MJD_UNIX: f64 = 40587.0;
/// Julian date whose modified Julian date is 0.
pub const JD_OF_MJD_0: f64 = 2_400_000.5;

/// Now, or what `SOURCE_DATE_EPOCH` says.
pub fn now() -> Timestamp {
    std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.trim().parse::<i64>().ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or_else(Timestamp::now)
}

/// ISO 8601 without a zone, to the second or, where there is a fraction, to the millisecond.
pub fn iso(time: Timestamp) -> String {
    let text = time.to_zoned(TimeZone::UTC).datetime().to_string();
    match text.split_once('.') {
        Some((seconds, fraction)) => format!("{seconds}.{fraction:0<3.3}"),
        None => text,
    }
}

/// A FITS date (UTC): date, or date and time.
pub fn parse(text: &str) -> Option<Timestamp> {
    let trimmed = text.trim();
    // FITS knows no zones, but some programs write them.
    if let Ok(zoned) = trimmed.parse::<Timestamp>() {
        return Some(zoned);
    }
    let full = if trimmed.len() == 10 { format!("{trimmed}T00:00:00") } else { trimmed.to_owned() };
    let civil: DateTime = full.parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Modified Julian date, days.
pub fn mjd(time: Timestamp) -> f64 {
    MJD_UNIX + time.as_nanosecond() as f64 / 86_400e9
}

/// The night of a time, from noon to noon UTC, by the day that it begins on: a modified Julian date.
pub fn night(time: Timestamp) -> i64 {
    (mjd(time) - 0.5).floor() as i64
}

/// A night by the date that it begins on, as 2025-06-01.
pub fn night_date(night: i64) -> String {
    let seconds = (night - MJD_UNIX as i64) * 86_400;
    Timestamp::from_second(seconds).map_or_else(|_| night.to_string(), |time| iso(time)[..10].to_owned())
}

/// A time `seconds` later.
pub fn later(time: Timestamp, seconds: f64) -> Timestamp {
    Timestamp::from_nanosecond(time.as_nanosecond() + (seconds * 1e9) as i128).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        let time = parse("2025-03-27T01:20:32.955368").unwrap();
        assert_eq!(iso(time), "2025-03-27T01:20:32.955");
        assert!((mjd(time) - 60_761.055_936_98).abs() < 1e-6);
        assert_eq!(iso(parse("2000-01-01").unwrap()), "2000-01-01T00:00:00");
        assert_eq!(iso(later(time, 10.0)), "2025-03-27T01:20:42.955");
        assert_eq!(iso(parse("2025-03-01T23:30:00+02:00").unwrap()), "2025-03-01T21:30:00");
        assert_eq!(iso(parse("2025-03-01T23:30:00.25Z").unwrap()), "2025-03-01T23:30:00.250");
        assert!(parse("yesterday").is_none());
        let night_of = |text: &str| night_date(night(parse(text).unwrap()));
        assert_eq!(night_of("2025-06-01T12:00:01"), "2025-06-01");
        assert_eq!(night_of("2025-06-02T11:59:59"), "2025-06-01");
    }
}
