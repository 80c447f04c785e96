//! One 512 byte header block.

use super::Kind;
use crate::LayerError;

/// Size of a block.
pub(crate) const BLOCK: usize = 512;

/// A header whose checksum holds.
pub(super) struct Header<'a>(&'a [u8; BLOCK]);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    V7,
    Ustar,
    Star,
    Gnu,
}

impl<'a> Header<'a> {
    pub(super) fn check(block: &'a [u8; BLOCK]) -> Result<Header<'a>, LayerError> {
        // Some old writers summed signed bytes.
        let (mut unsigned, mut signed) = (0u32, 0i32);
        for (at, byte) in block.iter().enumerate() {
            let byte = if (148..156).contains(&at) {
                b' '
            } else {
                *byte
            };
            unsigned += u32::from(byte);
            signed += i32::from(byte as i8);
        }
        match number(&block[148..156]) {
            Some(sum) if sum == i64::from(unsigned) || sum == i64::from(signed) => {
                Ok(Header(block))
            }
            _ => Err(LayerError::Malformed("header checksum does not match")),
        }
    }

    fn format(&self) -> Format {
        match (&self.0[257..265], &self.0[508..512]) {
            (b"ustar\x0000", b"tar\0") => Format::Star,
            (b"ustar\x0000", _) => Format::Ustar,
            (b"ustar  \0", _) => Format::Gnu,
            // Some writers leave the version out.
            (magic, _) if magic.starts_with(b"ustar\0") => Format::Ustar,
            _ => Format::V7,
        }
    }

    pub(super) fn flag(&self) -> u8 {
        self.0[156]
    }

    pub(super) fn kind(&self, path: &[u8]) -> Result<Kind, LayerError> {
        Ok(match self.flag() {
            b'0' | 0 if path.ends_with(b"/") => Kind::Directory,
            b'0' | 0 | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            _ => return Err(LayerError::Malformed("entry of an unknown type")),
        })
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        let prefix = match self.format() {
            Format::Ustar => text(&self.0[345..500]),
            Format::Star => text(&self.0[345..476]),
            Format::V7 | Format::Gnu => &[],
        };
        if prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u32, LayerError> {
        let mode = number(&self.0[100..108]).ok_or(LayerError::Malformed("mode is no number"))?;
        // Old writers put the file type into the mode as well.
        Ok((mode & 0o7777) as u32)
    }

    pub(super) fn uid(&self) -> Result<i64, LayerError> {
        number(&self.0[108..116]).ok_or(LayerError::Malformed("uid is no number"))
    }

    pub(super) fn gid(&self) -> Result<i64, LayerError> {
        number(&self.0[116..124]).ok_or(LayerError::Malformed("gid is no number"))
    }

    pub(super) fn size(&self) -> Result<u64, LayerError> {
        number(&self.0[124..136])
            .and_then(|size| u64::try_from(size).ok())
            .ok_or(LayerError::Malformed("size is no number"))
    }

    pub(super) fn mtime(&self) -> Result<i64, LayerError> {
        number(&self.0[136..148]).ok_or(LayerError::Malformed("mtime is no number"))
    }

    pub(super) fn device(&self) -> Result<(u32, u32), LayerError> {
        if self.format() == Format::V7 {
            return Ok((0, 0));
        }
        let part = |range: &[u8]| number(range).and_then(|n| u32::try_from(n).ok());
        part(&self.0[329..337])
            .zip(part(&self.0[337..345]))
            .ok_or(LayerError::Malformed("device is no number"))
    }

    /// The sparse map of an old GNU header: pieces, whether more blocks of them follow, and the real size.
    pub(super) fn gnu_sparse(&self) -> Option<(&'a [u8], bool, u64)> {
        let real = number(&self.0[483..495]).and_then(|n| u64::try_from(n).ok())?;
        (self.format() == Format::Gnu).then(|| (&self.0[386..482], self.0[482] != 0, real))
    }
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    &field[..end]
}

/// Octal digits between spaces and NULs, or GNU's base 256. An empty field is 0.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    match field.first()? {
        0x80..=0xff => {
            let negative = field[0] & 0x40 != 0;
            let mut value: i128 = if negative { -1 } else { 0 };
            for (at, byte) in field.iter().enumerate() {
                let byte = if at == 0 && !negative {
                    byte & 0x7f
                } else {
                    *byte
                };
                value = (value << 8) | i128::from(byte);
                if i64::try_from(value).is_err() {
                    return None;
                }
            }
            i64::try_from(value).ok()
        }
        _ => {
            let digits = field.trim_ascii_start();
            let end = digits
                .iter()
                .position(|b| *b == 0 || *b == b' ')
                .unwrap_or(digits.len());
            digits[..end]
                .iter()
                .try_fold(0i64, |value, digit| match digit {
                    b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
                    _ => None,
                })
        }
    }
}
