//! Moments as docker shows them, in the person's time zone, and as flags name them.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use super::units;

/// Where times are shown for, and what time it is.
pub struct Clock {
    zone: TimeZone,
    now: Timestamp,
}

impl Clock {
    /// This machine's.
    pub fn system() -> Clock {
        Clock {
            zone: TimeZone::system(),
            now: Timestamp::now(),
        }
    }

    /// A clock that stands still, for tests.
    #[cfg(test)]
    pub fn fixed(now: i64) -> Clock {
        Clock {
            zone: TimeZone::UTC,
            now: Timestamp::from_second(now).unwrap_or_default(),
        }
    }

    /// How long ago a moment in Unix seconds was: "3 days ago".
    pub fn ago(&self, seconds: i64) -> String {
        let passed = self.now.as_second().saturating_sub(seconds).max(0);
        format!(
            "{} ago",
            units::span(Duration::from_secs(passed.unsigned_abs()))
        )
    }

    /// As [`Clock::ago`], for a moment as the API writes it; empty where that is none.
    pub fn ago_of(&self, text: &str) -> String {
        match text.parse::<Timestamp>() {
            Ok(time) => self.ago(time.as_second()),
            Err(_) => String::new(),
        }
    }

    /// As Go's `Time.String` with its fraction, for a moment as the API writes it.
    pub fn full_of(&self, text: &str) -> String {
        let Ok(time) = text.parse::<Timestamp>() else {
            return text.to_owned();
        };
        // Docker doesn't bring it into the person's zone.
        let zoned = time.to_zoned_datetime(TimeZone::UTC);
        zoned.strftime("%Y-%m-%d %H:%M:%S%.f %z %Z").to_string()
    }

    /// As Go's `Time.String`: `2026-11-24 16:00:00 +0000 UTC`.
    pub fn full(&self, seconds: i64) -> String {
        match self.zoned(seconds, 0) {
            Some(time) => time.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string(),
            None => String::new(),
        }
    }

    /// As Go's RFC 3339 with nanoseconds, all nine digits.
    pub fn nanos(&self, seconds: i64, nanos: i32) -> String {
        match self.zoned(seconds, nanos) {
            Some(time) => rfc3339(&time, "%Y-%m-%dT%H:%M:%S.%9f"),
            None => String::new(),
        }
    }

    /// As Go's RFC 3339: `2026-11-24T16:00:00Z`.
    pub fn seconds(&self, seconds: i64) -> String {
        match self.zoned(seconds, 0) {
            Some(time) => rfc3339(&time, "%Y-%m-%dT%H:%M:%S"),
            None => String::new(),
        }
    }

    /// As C's `ctime`, for `version`: `Tue Nov 24 16:00:00 2026`.
    pub fn ctime(&self, text: &str) -> String {
        match text.parse::<Timestamp>() {
            Ok(time) => time
                .to_zoned_datetime(self.zone.clone())
                .strftime("%a %b %e %H:%M:%S %Y")
                .to_string(),
            Err(_) => text.to_owned(),
        }
    }

    fn zoned(&self, seconds: i64, nanos: i32) -> Option<ZonedDateTime> {
        let time = Timestamp::new(seconds, nanos).ok()?;
        Some(time.to_zoned_datetime(self.zone.clone()))
    }

    /// A moment of `--since` or `--until` as the API takes it, in Unix seconds with a fraction: a number stays, a
    /// span (`10m`) counts back from now, a date without a zone is the person's.
    pub fn moment(&self, text: &str) -> Result<String, String> {
        let text = text.trim();
        if text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Ok(text.to_owned());
        }
        if let Ok(span) = units::parse_span(text) {
            let then = self
                .now
                .checked_sub(span)
                .map_err(|error| error.to_string())?;
            return Ok(unix(then));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(unix(time));
        }
        text.parse::<jiff::civil::DateTime>()
            .or_else(|_| {
                text.parse::<jiff::civil::Date>()
                    .map(|date| date.to_datetime(jiff::civil::Time::midnight()))
            })
            .and_then(|local| local.to_zoned_datetime(self.zone.clone()))
            .map(|time| unix(time.timestamp()))
            .map_err(|_| {
                format!("{text:?} is no time: write 10m, 2026-11-24T16:00:00Z, 2026-11-24 or Unix seconds")
            })
    }
}

fn unix(time: Timestamp) -> String {
    format!(
        "{}.{:09}",
        time.as_second(),
        time.subsec_nanosecond().unsigned_abs()
    )
}

fn rfc3339(time: &ZonedDateTime, format: &str) -> String {
    let zone = if time.offset().seconds() == 0 {
        "Z"
    } else {
        "%:z"
    };
    time.strftime(&format!("{format}{zone}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        let mut clock = Clock::fixed(1_795_536_000);
        clock.zone = TimeZone::fixed(jiff::tz::offset(8));
        clock
    }

    #[test]
    fn times_are_local() {
        assert_eq!(clock().full(1_795_536_000), "2026-11-25 00:00:00 +0800 +08");
        assert_eq!(
            clock().nanos(1_795_536_000, 5),
            "2026-11-25T00:00:00.000000005+08:00"
        );
        assert_eq!(
            Clock::fixed(0).seconds(1_795_536_000),
            "2026-11-24T16:00:00Z"
        );
        assert_eq!(
            clock().ctime("2026-11-03T16:00:00.5Z"),
            "Wed Nov  4 00:00:00 2026"
        );
        assert_eq!(clock().ctime("unknown"), "unknown");
        assert_eq!(clock().ago(1_795_536_000 - 180), "3 minutes ago");
        assert_eq!(clock().ago(1_795_536_999), "Less than a second ago");
    }

    #[test]
    fn moments_are_read_in_each_notation() {
        let moment = |text: &str| clock().moment(text);
        assert_eq!(moment("12.5").as_deref(), Ok("12.5"));
        assert_eq!(moment("1m").as_deref(), Ok("1795535940.000000000"));
        assert_eq!(
            moment("2026-11-24T16:00:00Z").as_deref(),
            Ok("1795536000.000000000")
        );
        assert_eq!(
            moment("2026-11-25T00:00:00").as_deref(),
            Ok("1795536000.000000000")
        );
        assert_eq!(moment("2026-11-25").as_deref(), Ok("1795536000.000000000"));
        assert!(moment("yesterday").is_err());
    }
}
