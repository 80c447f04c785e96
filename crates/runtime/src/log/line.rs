//! One entry as a line of JSON.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Entry, Stream};

/// Longest line that the writer can produce: each byte of a piece as `\u00xx`, the same again in Base64, and the rest.
pub(super) const LONGEST_LINE: usize = super::LONGEST_PIECE * 8 + 256;

/// Appends the line of one entry, its newline included. `time` is in RFC 3339.
pub(super) fn encode(line: &mut Vec<u8>, time: &str, stream: Stream, bytes: &[u8]) {
    line.extend_from_slice(b"{\"log\":\"");
    let mut lossless = true;
    for chunk in bytes.utf8_chunks() {
        escape(line, chunk.valid());
        if !chunk.invalid().is_empty() {
            lossless = false;
            line.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    line.extend_from_slice(b"\",\"stream\":\"");
    line.extend_from_slice(stream.as_str().as_bytes());
    line.extend_from_slice(b"\",\"time\":\"");
    line.extend_from_slice(time.as_bytes());
    if !lossless {
        line.extend_from_slice(b"\",\"raw\":\"");
        line.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    }
    line.extend_from_slice(b"\"}\n");
}

/// RFC 8259, section 7.
fn escape(line: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in text.bytes() {
        match byte {
            b'"' => line.extend_from_slice(b"\\\""),
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            0..0x20 => {
                line.extend_from_slice(b"\\u00");
                line.push(HEX[usize::from(byte >> 4)]);
                line.push(HEX[usize::from(byte & 15)]);
            }
            _ => line.push(byte),
        }
    }
}

/// The fields of a line; unknown ones (Docker's `attrs`) are passed over.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    raw: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Reads one line of a log file, with or without its newline. `None` for what is no entry: a line that a crash cut
/// off, or bytes that never were one.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Entry> {
    if line.len() > LONGEST_LINE {
        return None;
    }
    let fields: Fields<'_> = serde_json::from_slice(line).ok()?;
    let time = OffsetDateTime::parse(&fields.time, &Rfc3339).ok()?;
    let stream = match &*fields.stream {
        "stderr" => Stream::Stderr,
        _ => Stream::Stdout,
    };
    let bytes = match fields.raw {
        Some(raw) => STANDARD.decode(raw.as_bytes()).ok()?,
        None => fields.log.into_owned().into_bytes(),
    };
    Some(Entry {
        time,
        stream,
        bytes,
    })
}
