//! A program on a terminal, over a stream for [`crate::Purpose::Shell`].
//!
//! ```text
//! kind (1 byte)  length (2 bytes, big-endian)  payload
//! 0 data         at most 16384                 both ways: what is typed, what is shown
//! 1 resize       4                             host to guest: rows, columns (u16 each, big-endian)
//! 2 exit         4                             guest to host, once, last: exit code (i32, big-endian);
//!                                              128 + n for a program ended by signal n
//! ```

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Most bytes of a frame's payload.
pub const MAX_FRAME: usize = 16 * 1024;

/// What goes over the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Bytes typed or shown, at most [`MAX_FRAME`].
    Data(Vec<u8>),
    /// The terminal has a new size.
    Resize {
        /// Lines.
        rows: u16,
        /// Columns.
        cols: u16,
    },
    /// The program has ended.
    Exit {
        /// Its exit code, or 128 and the signal's number.
        code: i32,
    },
}

/// Writes `frame` in one piece.
pub async fn write(io: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    let mut bytes = vec![0; 3];
    bytes[0] = match frame {
        Frame::Data(data) => {
            bytes.extend_from_slice(data);
            0
        }
        Frame::Resize { rows, cols } => {
            bytes.extend(rows.to_be_bytes());
            bytes.extend(cols.to_be_bytes());
            1
        }
        Frame::Exit { code } => {
            bytes.extend(code.to_be_bytes());
            2
        }
    };
    let length = bytes.len() - 3;
    if length > MAX_FRAME {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a frame of {length} bytes; {MAX_FRAME} is the limit"),
        ));
    }
    let [high, low] = (length as u16).to_be_bytes();
    (bytes[1], bytes[2]) = (high, low);
    io.write_all(&bytes).await
}

/// Reads the next frame; `None` where the stream ends between two.
pub async fn read(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let kind = match io.read_u8().await {
        Ok(kind) => kind,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = usize::from(io.read_u16().await?);
    match (kind, length) {
        (0, 0..=MAX_FRAME) => {
            let mut data = vec![0; length];
            io.read_exact(&mut data).await?;
            Ok(Some(Frame::Data(data)))
        }
        (1, 4) => Ok(Some(Frame::Resize {
            rows: io.read_u16().await?,
            cols: io.read_u16().await?,
        })),
        (2, 4) => Ok(Some(Frame::Exit {
            code: io.read_i32().await?,
        })),
        (kind, length) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("no frame of a shell is of kind {kind} and {length} bytes long"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> impl Strategy<Value = Frame> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200).prop_map(Frame::Data),
            any::<(u16, u16)>().prop_map(|(rows, cols)| Frame::Resize { rows, cols }),
            any::<i32>().prop_map(|code| Frame::Exit { code }),
        ]
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(frames in proptest::collection::vec(frame(), 0..10)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut bytes = Vec::new();
            let received = runtime.block_on(async {
                for frame in &frames {
                    write(&mut bytes, frame).await.unwrap();
                }
                let mut input = bytes.as_slice();
                let mut received = Vec::new();
                while let Some(frame) = read(&mut input).await.unwrap() {
                    received.push(frame);
                }
                received
            });
            prop_assert_eq!(received, frames);
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut input = bytes.as_slice();
                while let Ok(Some(_)) = read(&mut input).await {}
            });
        }
    }
}
