//! The frames of a multiplexed stream (attach, exec and logs without a terminal): one byte of kind, three of
//! nothing, the payload's length as a big-endian `u32`, the payload.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// The length of a frame's header in bytes.
pub const HEADER: usize = 8;

/// Which of a process's streams a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Standard input (only ever written by servers that echo it).
    Stdin = 0,
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
    /// A word of the server about the stream itself: an error after the answer has begun.
    System = 3,
}

/// A piece of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFrame {
    /// Whose bytes they are.
    pub kind: StreamKind,
    /// The bytes.
    pub payload: Bytes,
}

/// A stream that isn't made of frames, or of too long ones.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The first byte of a header names no stream.
    #[error("stream frame of unknown kind {0}")]
    UnknownKind(u8),
    /// The header announces more than the decoder's bound.
    #[error("stream frame of {length} bytes is longer than {bound}")]
    TooLong {
        /// What the header says, in bytes.
        length: u32,
        /// What the decoder takes at most, in bytes.
        bound: usize,
    },
}

impl StreamKind {
    fn from_byte(byte: u8) -> Result<StreamKind, FrameError> {
        match byte {
            0 => Ok(StreamKind::Stdin),
            1 => Ok(StreamKind::Stdout),
            2 => Ok(StreamKind::Stderr),
            3 => Ok(StreamKind::System),
            other => Err(FrameError::UnknownKind(other)),
        }
    }

    /// The header of a frame of `length` bytes.
    pub fn header(self, length: u32) -> [u8; HEADER] {
        let [a, b, c, d] = length.to_be_bytes();
        [self as u8, 0, 0, 0, a, b, c, d]
    }
}

impl StreamFrame {
    /// The frame as it goes over the wire, appended to `out`. A payload over 4 GiB becomes several frames.
    pub fn encode(kind: StreamKind, payload: &[u8], out: &mut BytesMut) {
        for chunk in payload.chunks(u32::MAX as usize) {
            out.reserve(HEADER + chunk.len());
            // A chunk is at most `u32::MAX` long.
            out.extend_from_slice(&kind.header(chunk.len() as u32));
            out.extend_from_slice(chunk);
        }
    }
}

/// Takes frames out of bytes as they come, never holding more than one frame and what was fed at once.
#[derive(Debug)]
pub struct FrameDecoder {
    bound: usize,
    bytes: BytesMut,
}

impl FrameDecoder {
    /// A decoder that refuses payloads over `bound` bytes.
    pub fn new(bound: usize) -> FrameDecoder {
        FrameDecoder {
            bound,
            bytes: BytesMut::new(),
        }
    }

    /// Gives it the next bytes; take the frames out with [`FrameDecoder::next_frame`] before feeding more.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame; none until more bytes are fed. After an error the stream is of no use any more.
    pub fn next_frame(&mut self) -> Result<Option<StreamFrame>, FrameError> {
        let Some((header, _)) = self.bytes.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [kind, _, _, _, a, b, c, d] = *header;
        let kind = StreamKind::from_byte(kind)?;
        let length = u32::from_be_bytes([a, b, c, d]);
        if length as usize > self.bound {
            return Err(FrameError::TooLong {
                length,
                bound: self.bound,
            });
        }
        if self.bytes.len() - HEADER < length as usize {
            return Ok(None);
        }
        self.bytes.advance(HEADER);
        let payload = self.bytes.split_to(length as usize).freeze();
        Ok(Some(StreamFrame { kind, payload }))
    }

    /// Whether the stream may end here: no half frame is left.
    pub fn is_at_boundary(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_as_docker_writes_it() {
        let mut out = BytesMut::new();
        StreamFrame::encode(StreamKind::Stderr, b"oh", &mut out);
        assert_eq!(&out[..], b"\x02\0\0\0\0\0\0\x02oh");
    }

    #[test]
    fn a_foreign_stream_is_refused() {
        let mut decoder = FrameDecoder::new(16);
        decoder.feed(b"\x07\0\0\0\0\0\0\x01x");
        assert_eq!(decoder.next_frame(), Err(FrameError::UnknownKind(7)));
        let mut decoder = FrameDecoder::new(16);
        decoder.feed(b"\x01\0\0\0\xff\xff\xff\xff");
        assert_eq!(
            decoder.next_frame(),
            Err(FrameError::TooLong {
                length: u32::MAX,
                bound: 16
            })
        );
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(
            frames in proptest::collection::vec((0u8..4, proptest::collection::vec(any::<u8>(), 0..40)), 0..10),
            cut in 1usize..17,
        ) {
            let frames: Vec<(StreamKind, Vec<u8>)> = frames
                .into_iter()
                .filter(|(_, payload)| !payload.is_empty())
                .map(|(kind, payload)| (StreamKind::from_byte(kind).unwrap(), payload))
                .collect();
            let mut wire = BytesMut::new();
            for (kind, payload) in &frames {
                StreamFrame::encode(*kind, payload, &mut wire);
            }
            let mut decoder = FrameDecoder::new(64);
            let mut got = Vec::new();
            for chunk in wire.chunks(cut) {
                decoder.feed(chunk);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    got.push((frame.kind, frame.payload.to_vec()));
                }
            }
            prop_assert_eq!(got, frames);
            prop_assert!(decoder.is_at_boundary());
        }
    }
}
