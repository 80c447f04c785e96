//! Points in time as Docker's clients write them: Unix seconds with a fraction, RFC 3339, or a span before now (`10m`).

use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, UtcOffset};

use crate::error::{Error, Result};

/// Reads one.
pub fn parse(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime> {
    let invalid = || {
        Error::invalid(format!(
            "invalid time: {}",
            text.chars().take(60).collect::<String>().escape_debug()
        ))
    };
    unix(text)
        .or_else(|| span(text).and_then(|span| now.checked_sub(span)))
        .or_else(|| calendar(text))
        .ok_or_else(invalid)
}

/// `1700000000.000000001`; nothing and 0 are no time at all.
pub fn parse_optional(text: Option<&str>, now: OffsetDateTime) -> Result<Option<OffsetDateTime>> {
    match text {
        None | Some("" | "0") => Ok(None),
        Some(text) => parse(text, now).map(Some),
    }
}

fn unix(text: &str) -> Option<OffsetDateTime> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds.strip_prefix('-').unwrap_or(seconds))
        || !digits(fraction)
        || fraction.len() > 9
    {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()?
        .checked_add(Duration::nanoseconds(nanos))
}

/// Go's spans: `1h30m`, `1.5h`, `300ms`.
fn span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        rest = &rest[end..];
        total += number * unit;
    }
    (total < 1e11).then(|| Duration::seconds_f64(total))
}

fn calendar(text: &str) -> Option<OffsetDateTime> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(time.to_offset(UtcOffset::UTC));
    }
    let date = time::macros::format_description!("[year]-[month]-[day]");
    let minute = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]");
    let second = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let text = text.strip_suffix('Z').unwrap_or(text);
    let time = PrimitiveDateTime::parse(text, second)
        .or_else(|_| PrimitiveDateTime::parse(text, minute))
        .ok()
        .or_else(|| Some(Date::parse(text, date).ok()?.midnight()))?;
    Some(time.assume_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_clients_send() {
        let now = OffsetDateTime::from_unix_timestamp(1_000_000).unwrap();
        let at = |text: &str| parse(text, now).map(|time| time.unix_timestamp_nanos());
        assert_eq!(at("1.5").unwrap(), 1_500_000_000);
        assert_eq!(at("1.000000001").unwrap(), 1_000_000_001);
        assert_eq!(at("1h1m").unwrap(), (1_000_000 - 3660) * 1_000_000_000);
        assert_eq!(at("1970-01-02").unwrap(), 86_400_000_000_000);
        assert_eq!(at("1970-01-01T00:01:00Z").unwrap(), 60_000_000_000);
        assert_eq!(at("1970-01-01T01:00:00.5+01:00").unwrap(), 500_000_000);
        for text in [
            "",
            "x",
            "1.x",
            "1y",
            "99999999999999999999",
            "9e9h",
            "1970-13-01",
            "-",
            ".",
        ] {
            assert!(at(text).is_err(), "{text}");
        }
    }
}
