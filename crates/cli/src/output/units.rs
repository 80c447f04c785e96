//! Sizes and spans of time in docker's words, and the same read from flags.

use std::time::Duration;

/// Bytes in decimal units with `digits` significant digits: `1.23MB`.
pub fn decimal(bytes: f64, digits: usize) -> String {
    scaled(
        bytes,
        1000.0,
        &["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"],
        digits,
    )
}

/// A size as in `docker images` and `docker ps -s`: three digits.
pub fn size(bytes: i64) -> String {
    decimal(bytes as f64, 3)
}

/// Bytes in binary units: `1.5MiB`.
pub fn binary(bytes: f64) -> String {
    scaled(
        bytes,
        1024.0,
        &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"],
        4,
    )
}

fn scaled(mut value: f64, base: f64, units: &[&str], digits: usize) -> String {
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{}{}", significant(value, digits), units[unit])
}

/// Go's `%.4g` for numbers that sizes have.
fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let before_point = value.abs().log10().floor() as i32 + 1;
    let decimals = usize::try_from(digits as i32 - before_point).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A span as docker tells it: "About a minute".
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let minutes = seconds / 60;
    let hours = (duration.as_secs_f64() / 3600.0).round() as u64;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", duration.as_secs() / 3600 / 24 / 365),
    }
}

/// A number of bytes with docker's suffixes, all of them powers of 1024: `64m`, `1.5GB`, `100kib`.
pub fn parse_bytes(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let trimmed = text.trim();
    let end = trimmed
        .rfind(|c: char| c.is_ascii_digit() || c == '.')
        .map_or(0, |last| last + 1);
    let number: f64 = trimmed[..end].parse().map_err(|_| invalid())?;
    let power = match trimmed[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return Err(invalid()),
    };
    let bytes = number * 1024f64.powi(power);
    if !(0.0..9e18).contains(&bytes) {
        return Err(invalid());
    }
    Ok(bytes as i64)
}

/// As [`parse_bytes`], and -1 for "no limit".
pub fn parse_bytes_or_unlimited(text: &str) -> Result<i64, String> {
    if text == "-1" {
        Ok(-1)
    } else {
        parse_bytes(text)
    }
}

/// A span in Go's notation, as `1h30m`, `1.5s`, `200ms`.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(invalid)?;
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        seconds += number
            * match &rest[..letters] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(invalid()),
            };
        rest = &rest[letters..];
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dockers() {
        let shown = [
            0,
            1,
            999,
            1000,
            1234,
            77_800_000,
            133_000_000,
            1_234_567_890,
        ]
        .map(size);
        assert_eq!(
            shown,
            [
                "0B", "1B", "999B", "1kB", "1.23kB", "77.8MB", "133MB", "1.23GB"
            ]
        );
        assert_eq!(binary(1.5 * 1024.0 * 1024.0), "1.5MiB");
        assert_eq!(binary(62.789 * 1024f64.powi(3)), "62.79GiB");
        assert_eq!(decimal(656.0, 3), "656B");
    }

    #[test]
    fn spans_are_dockers() {
        let shown = [
            0,
            1,
            59,
            60,
            119,
            120,
            3599,
            3600,
            5400,
            172_800,
            86_400 * 20,
            86_400 * 100,
            86_400 * 800,
        ]
        .map(|seconds| span(Duration::from_secs(seconds)));
        insta::assert_snapshot!(shown.join("\n"), @r"
        Less than a second
        1 second
        59 seconds
        About a minute
        About a minute
        2 minutes
        59 minutes
        About an hour
        2 hours
        2 days
        2 weeks
        3 months
        2 years
        ");
    }

    #[test]
    fn bytes_are_read_as_docker_reads_them() {
        assert_eq!(parse_bytes("64m"), Ok(64 << 20));
        assert_eq!(parse_bytes("1.5GB"), Ok(3 << 29));
        assert_eq!(parse_bytes("100"), Ok(100));
        assert_eq!(parse_bytes("10 KiB"), Ok(10 << 10));
        assert!(
            parse_bytes("").is_err() && parse_bytes("x").is_err() && parse_bytes("-1").is_err()
        );
        assert!(parse_bytes("9999999999g").is_err() && parse_bytes("1z").is_err());
        assert_eq!(parse_bytes_or_unlimited("-1"), Ok(-1));
    }

    #[test]
    fn spans_are_read_as_go_reads_them() {
        assert_eq!(parse_span("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_span("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_span("200ms"), Ok(Duration::from_millis(200)));
        assert!(parse_span("").is_err() && parse_span("5").is_err() && parse_span("5x").is_err());
        assert!(parse_span("99999999999999999999h").is_err());
    }
}
