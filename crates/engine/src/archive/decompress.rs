//! Archives as clients send them: plain, gzip or zstd.

use std::io::{self, BufRead as _, BufReader, Read};

use super::error::{ArchiveError, At as _};

/// How much a decompressor may hold, as a power of two in bytes: 128 MiB, zstd's own default limit.
const WINDOW: u32 = 27;

const KNOWN: &[(&[u8], &str)] = &[(b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz")];

/// The plain archive in `archive`.
pub(super) fn reader<'a>(
    archive: impl Read + Send + 'a,
) -> Result<Box<dyn Read + Send + 'a>, ArchiveError> {
    let mut archive = BufReader::with_capacity(64 << 10, Begin::new(archive));
    let begin = archive.fill_buf().at("can't read the archive", "")?;
    for (magic, name) in KNOWN {
        if begin.starts_with(magic) {
            return Err(ArchiveError::Tar(format!(
                "it is compressed with {name}: send it plain, or compressed with gzip or zstd"
            )));
        }
    }
    if begin.starts_with(b"\x1f\x8b") {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(archive)));
    }
    if begin.starts_with(b"\x28\xb5\x2f\xfd") {
        let mut decoder = zstd::Decoder::with_buffer(archive).at("can't read the archive", "")?;
        decoder
            .window_log_max(WINDOW)
            .at("can't read the archive", "")?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(archive))
}

/// Gives the first bytes together, however they come, so that the kind can be told.
struct Begin<R> {
    reader: R,
    begun: bool,
}

impl<R> Begin<R> {
    fn new(reader: R) -> Begin<R> {
        Begin {
            reader,
            begun: false,
        }
    }
}

impl<R: Read> Read for Begin<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.reader.read(buffer)?;
        while !self.begun && filled > 0 && filled < buffer.len().min(8) {
            match self.reader.read(&mut buffer[filled..])? {
                0 => break,
                more => filled += more,
            }
        }
        self.begun = true;
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn plain(bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let mut plain = Vec::new();
        // One byte at a time, as a slow client sends it.
        let slow = bytes.iter().map(std::slice::from_ref).fold(
            Box::new(io::empty()) as Box<dyn Read + Send>,
            |all, byte| Box::new(all.chain(byte)),
        );
        reader(slow)?.read_to_end(&mut plain).at("can't read", "")?;
        Ok(plain)
    }

    #[test]
    fn the_kind_is_told_by_the_first_bytes() {
        let text = b"hello archive";
        assert_eq!(plain(text).unwrap(), text);
        assert_eq!(plain(b"").unwrap(), b"");
        assert_eq!(plain(b"x").unwrap(), b"x");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        assert_eq!(plain(&gzip.finish().unwrap()).unwrap(), text);
        assert_eq!(
            plain(&zstd::encode_all(&text[..], 1).unwrap()).unwrap(),
            text
        );
        let error = plain(b"BZh91AY").unwrap_err().to_string();
        assert!(error.contains("bzip2"), "{error}");
    }
}
