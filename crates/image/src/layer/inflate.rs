//! Compression, told by the first bytes as Docker does: media types lie.

use std::io::{self, BufRead, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    /// By a stream's first bytes.
    pub(crate) fn of(head: &[u8]) -> Compression {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            // A zstd frame, or one that is skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::Plain,
        }
    }

    /// OCI's media type of a layer.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Compression::Plain => "application/vnd.oci.image.layer.v1.tar",
            Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// The inflated stream and how it was compressed.
pub(crate) fn inflate<'a, R: BufRead + 'a>(
    mut input: R,
) -> io::Result<(Compression, Box<dyn Read + 'a>)> {
    let mut head = Vec::with_capacity(6);
    input.by_ref().take(6).read_to_end(&mut head)?;
    let compression = Compression::of(&head);
    if head.starts_with(b"\xfd7zXZ\0") || head.starts_with(b"BZh") {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "compressed with xz or bzip2: only gzip and zstd are supported",
        ));
    }
    let whole = Cursor::new(head).chain(input);
    Ok((
        compression,
        match compression {
            Compression::Plain => Box::new(whole),
            Compression::Gzip => Box::new(MultiGzDecoder::new(whole)),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(whole)?),
        },
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn round(compressed: &[u8]) -> io::Result<(Compression, Vec<u8>)> {
        let (compression, mut reader) = inflate(compressed)?;
        let mut out = Vec::new();
        reader.read_to_end(&mut out)?;
        Ok((compression, out))
    }

    #[test]
    fn tells_by_the_content() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"hello").expect("gzip");
        let gzip = gzip.finish().expect("gzip");
        let zstd = zstd::encode_all(&b"hello"[..], 1).expect("zstd");
        assert_eq!(
            round(&gzip).expect("gzip"),
            (Compression::Gzip, b"hello".to_vec())
        );
        assert_eq!(
            round(&[&gzip[..], &gzip].concat()).expect("two").1,
            b"hellohello"
        );
        assert_eq!(
            round(&zstd).expect("zstd"),
            (Compression::Zstd, b"hello".to_vec())
        );
        assert_eq!(
            round(b"hello").expect("plain"),
            (Compression::Plain, b"hello".to_vec())
        );
        assert_eq!(round(b"").expect("empty"), (Compression::Plain, Vec::new()));
        assert!(round(b"\xfd7zXZ\0...").is_err());
        assert!(round(&gzip[..gzip.len() - 3]).is_err(), "truncated gzip");
        assert!(round(&zstd[..zstd.len() - 3]).is_err(), "truncated zstd");
    }
}
