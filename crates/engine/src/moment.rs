//! Moments as Docker's clients write them: seconds since the epoch, RFC 3339 with parts left out, or how long ago.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid time {0:?}: expected seconds since 1970, a date and time as 2026-01-31T12:00:00, or a duration as 1h30m"
)]
pub struct InvalidMoment(String);

/// Reads a moment; a duration is before `now`. Dates without a zone are in UTC.
pub fn parse(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, InvalidMoment> {
    seconds(text)
        .or_else(|| date(text))
        .or_else(|| now.checked_sub(duration(text)?))
        .ok_or_else(|| InvalidMoment(text.chars().take(64).collect()))
}

/// `1700000000` or `1700000000.123456789`.
fn seconds(text: &str) -> Option<OffsetDateTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    if unsigned.is_empty() || !digits(unsigned) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let moment = OffsetDateTime::from_unix_timestamp(whole.parse().ok()?).ok()?;
    let nanoseconds: i64 = format!("{fraction:0<9}").parse().ok()?;
    moment.checked_add(Duration::nanoseconds(nanoseconds))
}

/// RFC 3339, or the beginning of it: a day, an hour, a minute.
fn date(text: &str) -> Option<OffsetDateTime> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        13 => format!("{text}:00:00Z"),
        16 => format!("{text}:00Z"),
        _ => text.to_owned(),
    };
    OffsetDateTime::parse(&whole, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&format!("{whole}Z"), &Rfc3339))
        .ok()
}

/// Go's durations: `1h30m`, `1.5h`, `90s`, `500ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..unit].parse().ok()?;
        rest = &rest[unit..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[end..];
    }
    Duration::checked_seconds_f64(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-01-31 12:00 UTC);

    #[test]
    fn all_forms_are_read() {
        let read = |text| parse(text, NOW).unwrap();
        assert_eq!(read("0"), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(read("1.5"), datetime!(1970-01-01 00:00:01.5 UTC));
        assert_eq!(read("2026-01-30"), datetime!(2026-01-30 0:00 UTC));
        assert_eq!(read("2026-01-30T10"), datetime!(2026-01-30 10:00 UTC));
        assert_eq!(read("2026-01-30T10:11"), datetime!(2026-01-30 10:11 UTC));
        assert_eq!(
            read("2026-01-30T10:11:12"),
            datetime!(2026-01-30 10:11:12 UTC)
        );
        assert_eq!(
            read("2026-01-30T10:11:12+01:00"),
            datetime!(2026-01-30 9:11:12 UTC)
        );
        assert_eq!(read("1h30m"), datetime!(2026-01-31 10:30 UTC));
        assert_eq!(read("1.5h"), datetime!(2026-01-31 10:30 UTC));
    }

    #[test]
    fn nonsense_is_none() {
        for text in [
            "",
            ".",
            "1x",
            "h",
            "yesterday",
            "1..5",
            "1.2.3h",
            "99999999999999999999",
            "é",
            "1e400h",
        ] {
            assert!(parse(text, NOW).is_err(), "{text}");
        }
    }
}
