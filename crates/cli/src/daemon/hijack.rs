//! Connections taken over for a process's streams: attach and exec.

use bytes::{Bytes, BytesMut};
use gantry_api::{FrameDecoder, StreamFrame, StreamKind};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, WriteHalf};

use super::{Call, Daemon};
use crate::error::{CliError, Result};

/// The longest frame taken: dockerd sends at most 32 KiB, ours no more.
const MAX_FRAME: usize = 16 * 1024 * 1024;
const CHUNK: usize = 32 * 1024;

/// The two directions of a process's streams.
pub struct Hijacked {
    /// What the process writes.
    pub output: Output,
    /// What it reads; shut it down to end its standard input.
    pub input: WriteHalf<TokioIo<Upgraded>>,
}

impl Daemon {
    /// Makes `call` and takes its connection over. With `tty` the output is one raw stream, otherwise frames.
    pub async fn hijack(&self, call: Call<'_>, tty: bool) -> Result<Hijacked> {
        let call = call
            .header("connection", "Upgrade")
            .header("upgrade", "tcp");
        let response = self.call(call).await?;
        let stream = hyper::upgrade::on(response)
            .await
            .map_err(|source| CliError::Connection(std::io::Error::other(source)))?;
        let (output, input) = tokio::io::split(TokioIo::new(stream));
        Ok(Hijacked {
            output: Output::new(output, tty),
            input,
        })
    }
}

/// What a process writes.
pub struct Output {
    source: Box<dyn AsyncRead + Send + Unpin>,
    frames: Option<FrameDecoder>,
    buffer: BytesMut,
}

impl Output {
    /// Output read from `source`: with `raw` one stream, otherwise frames.
    pub fn new(source: impl AsyncRead + Send + Unpin + 'static, raw: bool) -> Output {
        Output {
            source: Box::new(source),
            frames: (!raw).then(|| FrameDecoder::new(MAX_FRAME)),
            buffer: BytesMut::with_capacity(CHUNK),
        }
    }

    /// The next bytes and which stream they belong to; none at the end.
    pub async fn next(&mut self) -> Result<Option<(StreamKind, Bytes)>> {
        loop {
            if let Some(frames) = &mut self.frames
                && let Some(StreamFrame { kind, payload }) = frames
                    .next_frame()
                    .map_err(std::io::Error::other)
                    .map_err(CliError::Connection)?
            {
                return Ok(Some((kind, payload)));
            }
            self.buffer.reserve(CHUNK);
            let read = self.source.read_buf(&mut self.buffer).await;
            if read.map_err(CliError::Connection)? == 0 {
                return Ok(None);
            }
            let bytes = self.buffer.split().freeze();
            match &mut self.frames {
                Some(frames) => frames.feed(&bytes),
                None => return Ok(Some((StreamKind::Stdout, bytes))),
            }
        }
    }
}
