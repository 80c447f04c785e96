//! Sparse files: pieces of data between holes, in GNU's old form and PAX 0.0, 0.1 and 1.0.

use std::io::BufRead;

use super::header::{BLOCK, number};
use super::pax::{self, SparseRecords};
use super::reader::TarReader;
use super::{MAX_SEGMENTS, Segment};
use crate::LayerError;

const BROKEN: LayerError = LayerError::Malformed("broken sparse map");

/// Reads the pieces of an old GNU header and of the blocks that continue it.
pub(super) fn read_gnu<R: BufRead>(
    reader: &mut TarReader<R>,
    first: &[u8],
    mut more: bool,
) -> Result<Vec<Segment>, LayerError> {
    let mut segments = Vec::new();
    take_gnu(first, &mut segments)?;
    while more {
        let mut block = [0; BLOCK];
        reader.read_block(&mut block)?;
        take_gnu(&block[..504], &mut segments)?;
        more = block[504] != 0;
        if segments.len() as u64 > MAX_SEGMENTS {
            return Err(LayerError::TooMuch {
                what: "pieces of a sparse file",
                limit: MAX_SEGMENTS,
            });
        }
    }
    Ok(segments)
}

fn take_gnu(pieces: &[u8], into: &mut Vec<Segment>) -> Result<(), LayerError> {
    for piece in pieces.chunks_exact(24) {
        if piece[0] == 0 {
            break;
        }
        let part = |field: &[u8]| {
            number(field)
                .and_then(|n| u64::try_from(n).ok())
                .ok_or(BROKEN)
        };
        into.push(Segment {
            offset: part(&piece[..12])?,
            len: part(&piece[12..])?,
        });
    }
    Ok(())
}

/// The pieces that PAX records tell of; for 1.0 the map is at the start of the data, which is consumed.
pub(super) fn read_pax<R: BufRead>(
    reader: &mut TarReader<R>,
    records: &SparseRecords,
) -> Result<Option<Vec<Segment>>, LayerError> {
    match (records.major, records.minor, &records.map) {
        (Some(1), Some(0), _) => read_map(reader).map(Some),
        (None | Some(0), None | Some(0 | 1), Some(map)) => pax::segments(map).map(Some),
        (None, None, None) => Ok(None),
        _ => Err(LayerError::Malformed("sparse file of an unknown version")),
    }
}

/// Decimal numbers, a line each, first their count; padded to a block.
fn read_map<R: BufRead>(reader: &mut TarReader<R>) -> Result<Vec<Segment>, LayerError> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut count = None;
    let mut digits = Vec::new();
    while count.is_none_or(|count| (numbers.len() as u64) < 2 * count) {
        let mut block = [0; BLOCK];
        reader.read_data_block(&mut block)?;
        for byte in block {
            if byte != b'\n' {
                digits.push(byte);
                if digits.len() > 20 {
                    return Err(BROKEN);
                }
                continue;
            }
            let number = pax::decimal(&digits)?;
            digits.clear();
            match count {
                None if number > MAX_SEGMENTS => {
                    return Err(LayerError::TooMuch {
                        what: "pieces of a sparse file",
                        limit: MAX_SEGMENTS,
                    });
                }
                None => count = Some(number),
                Some(_) => numbers.push(number),
            }
            if count.is_some_and(|count| numbers.len() as u64 == 2 * count) {
                break;
            }
        }
    }
    pax::segments(&numbers)
}

/// Pieces must be in order, apart, within the file, and as long together as the data.
pub(super) fn check(segments: &[Segment], real_size: u64, data: u64) -> Result<(), LayerError> {
    let (mut end, mut sum) = (0u64, 0u64);
    for segment in segments {
        if segment.offset < end {
            return Err(BROKEN);
        }
        end = segment.offset.checked_add(segment.len).ok_or(BROKEN)?;
        sum = sum.checked_add(segment.len).ok_or(BROKEN)?;
    }
    if end > real_size || sum != data {
        Err(BROKEN)
    } else {
        Ok(())
    }
}
