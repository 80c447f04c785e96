//! PAX records: `<length> <key>=<value>\n`, as POSIX.1-2001 `pax` has them.

use super::{MAX_PATH, MAX_SEGMENTS, MAX_XATTRS, Segment};
use crate::LayerError;

/// What the records of one entry say. An empty value takes a record back.
#[derive(Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) mtime: Option<(i64, u32)>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: SparseRecords,
}

/// `GNU.sparse.*`
#[derive(Default)]
pub(super) struct SparseRecords {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// Numbers of the map of 0.0 and 0.1: offset, length, offset, …
    pub(super) map: Option<Vec<u64>>,
}

const BROKEN: LayerError = LayerError::Malformed("broken PAX record");

pub(super) fn parse(mut records: &[u8]) -> Result<Pax, LayerError> {
    let mut pax = Pax::default();
    while !records.is_empty() {
        let space = records
            .iter()
            .take(12)
            .position(|b| *b == b' ')
            .ok_or(BROKEN)?;
        let length = usize::try_from(decimal(&records[..space])?).map_err(|_| BROKEN)?;
        let record = records.get(space + 1..length).ok_or(BROKEN)?;
        let record = record.strip_suffix(b"\n").ok_or(BROKEN)?;
        records = &records[length..];
        let equals = record.iter().position(|b| *b == b'=').ok_or(BROKEN)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        if key.is_empty() {
            return Err(BROKEN);
        }
        pax.take(key, value)?;
    }
    Ok(pax)
}

impl Pax {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), LayerError> {
        match key {
            b"path" => self.path = path(value)?,
            b"linkpath" => self.link = path(value)?,
            b"size" => self.size = optional(value)?,
            b"uid" => self.uid = optional(value)?.map(signed).transpose()?,
            b"gid" => self.gid = optional(value)?.map(signed).transpose()?,
            b"mtime" => {
                self.mtime = if value.is_empty() {
                    None
                } else {
                    Some(time(value)?)
                }
            }
            b"GNU.sparse.major" => self.sparse.major = optional(value)?,
            b"GNU.sparse.minor" => self.sparse.minor = optional(value)?,
            b"GNU.sparse.name" => self.sparse.name = path(value)?,
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.real_size = optional(value)?,
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                let map = self.sparse.map.get_or_insert_default();
                if map.len().is_multiple_of(2) != (key == b"GNU.sparse.offset") {
                    return Err(BROKEN);
                }
                map.push(decimal(value)?);
            }
            b"GNU.sparse.map" => {
                let numbers = value
                    .split(|b| *b == b',')
                    .filter(|n| !n.is_empty())
                    .map(decimal);
                self.sparse.map = Some(numbers.collect::<Result<_, _>>()?);
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    if name.is_empty() || name.contains(&0) {
                        return Err(BROKEN);
                    }
                    self.xattrs.retain(|(known, _)| known != name);
                    if self.xattrs.len() >= MAX_XATTRS {
                        return Err(LayerError::TooMuch {
                            what: "number of extended attributes",
                            limit: MAX_XATTRS as u64,
                        });
                    }
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

/// The numbers of a sparse map as segments.
pub(super) fn segments(numbers: &[u64]) -> Result<Vec<Segment>, LayerError> {
    if numbers.len() as u64 > 2 * MAX_SEGMENTS {
        return Err(LayerError::TooMuch {
            what: "pieces of a sparse file",
            limit: MAX_SEGMENTS,
        });
    }
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(BROKEN);
    }
    Ok(pairs
        .iter()
        .map(|[offset, len]| Segment {
            offset: *offset,
            len: *len,
        })
        .collect())
}

fn path(value: &[u8]) -> Result<Option<Vec<u8>>, LayerError> {
    if value.len() as u64 > MAX_PATH {
        return Err(LayerError::TooMuch {
            what: "length of a name",
            limit: MAX_PATH,
        });
    }
    if value.contains(&0) {
        return Err(LayerError::Malformed("NUL in a name"));
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn optional(value: &[u8]) -> Result<Option<u64>, LayerError> {
    if value.is_empty() {
        Ok(None)
    } else {
        decimal(value).map(Some)
    }
}

fn signed(value: u64) -> Result<i64, LayerError> {
    i64::try_from(value).map_err(|_| BROKEN)
}

pub(super) fn decimal(digits: &[u8]) -> Result<u64, LayerError> {
    if digits.is_empty() {
        return Err(BROKEN);
    }
    digits
        .iter()
        .try_fold(0u64, |value, digit| match digit {
            b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
            _ => None,
        })
        .ok_or(BROKEN)
}

/// Seconds with an optional fraction, cut to nanoseconds: `-1.5` is half a second before `-1`.
fn time(value: &[u8]) -> Result<(i64, u32), LayerError> {
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let dot = digits.iter().position(|b| *b == b'.');
    let (whole, fraction) = match dot {
        Some(dot) => (&digits[..dot], &digits[dot + 1..]),
        None => (digits, &digits[..0]),
    };
    let seconds = signed(decimal(whole)?)?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(BROKEN);
    }
    let nanos = (0..9).fold(0u32, |n, at| {
        n * 10 + u32::from(fraction.get(at).map_or(0, |d| d - b'0'))
    });
    Ok(match (negative, nanos) {
        (false, _) => (seconds, nanos),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanos),
    })
}
