//! A layer's way in: one pass over the stream stores the blob, inflates, unpacks and hashes both sides.
//!
//! Two threads share the work: the first reads, hashes and stores the blob and inflates; the second hashes and unpacks
//! the tar. What they make is in `tmp/` and counts only once both digests are right.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use sha2::{Digest as _, Sha256};

use super::inflate::{Compression, inflate};
use super::source::{Wanted, read_buffered};
use super::space::Space;
use super::unpack::unpack_and_return;
use crate::error::IoContext;
use crate::{Digest, ImageError, LayerError};

/// Size of the buffers between the two threads, and how many there are.
const BUFFER: usize = 256 << 10;
const BUFFERS: usize = 8;

/// What the stream must turn out to be, where that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expected {
    pub(crate) digest: Option<Digest>,
    pub(crate) size: Option<u64>,
    pub(crate) diff_id: Option<Digest>,
}

/// Where it goes.
pub(crate) struct Intake<'a> {
    /// The blob's file, made new.
    pub(crate) blob: &'a Path,
    /// The layer's folder, empty.
    pub(crate) folder: &'a Path,
    pub(crate) expected: Expected,
    /// Whether to go on.
    pub(crate) wanted: Wanted,
    /// Counts the bytes of the blob that are done.
    pub(crate) done: &'a AtomicU64,
}

/// What it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TakenIn {
    pub(crate) digest: Digest,
    pub(crate) blob_size: u64,
    pub(crate) diff_id: Digest,
    /// Bytes of the files.
    pub(crate) size: u64,
}

/// Takes a stream in. Blocking. On an error the caller removes blob and folder.
pub(crate) fn take_in(input: impl BufRead, intake: &Intake<'_>) -> Result<TakenIn, ImageError> {
    let blob = File::create_new(intake.blob).at("create", intake.blob)?;
    let space = Space::new(&blob).map_err(LayerError::stream)?;
    let mut tap = Tap {
        input,
        blob,
        space,
        hash: Sha256::new(),
        size: 0,
        ahead: 0,
        limit: intake.expected.size,
        done: intake.done,
    };
    let (sender, pieces) = mpsc::sync_channel(BUFFERS);
    let (give_back, used) = mpsc::channel();
    let (inflated, unpacked) = std::thread::scope(|scope| {
        let unpacking = std::thread::Builder::new()
            .name("unpack".to_owned())
            .spawn_scoped(scope, move || {
                let pipe = Pipe {
                    pieces,
                    give_back,
                    current: Vec::new(),
                    at: 0,
                    ended: false,
                    hash: None,
                };
                unpack_and_return(pipe, intake.folder)
            });
        let unpacking = unpacking.at("start a thread to unpack to", intake.folder)?;
        let inflated = send_inflated(&mut tap, &intake.wanted, &sender, &used);
        drop(sender);
        Ok::<_, ImageError>((inflated, unpacking.join()))
    })?;
    let unpacked = unpacked.map_err(|_| ImageError::Interrupted)?;
    let (compression, (unpacked, pipe)) = match (inflated, unpacked) {
        (Ok(compression), unpacked) => (compression, unpacked?),
        (Err(Sending::Stream(error)), _) => return Err(LayerError::stream(error).into()),
        // The unpacking's own error closed the pipe.
        (Err(Sending::PipeClosed), Err(error)) => return Err(error.into()),
        (Err(Sending::PipeClosed), Ok(_)) => return Err(ImageError::Interrupted),
    };
    let digest = Digest::from_bytes(tap.hash.finalize().into());
    if let Some(expected) = intake.expected.size
        && expected != tap.size
    {
        return Err(ImageError::SizeMismatch {
            what: "layer",
            digest,
            expected,
            actual: tap.size,
        });
    }
    check("layer", intake.expected.digest, digest)?;
    let diff_id = match (compression, pipe.hash) {
        (Compression::Plain, _) => digest,
        (_, None) => Digest::of(b""),
        (_, Some(hash)) => Digest::from_bytes(hash.finalize().into()),
    };
    check("layer's content", intake.expected.diff_id, diff_id)?;
    Ok(TakenIn {
        digest,
        blob_size: tap.size,
        diff_id,
        size: unpacked.size,
    })
}

fn check(what: &'static str, expected: Option<Digest>, actual: Digest) -> Result<(), ImageError> {
    match expected {
        Some(expected) if expected != actual => Err(ImageError::DigestMismatch {
            what,
            expected,
            actual,
        }),
        _ => Ok(()),
    }
}

/// One buffer on its way, and whether the tar is compressed (then it needs a hash of its own).
enum Piece {
    Data { bytes: Vec<u8>, hashed: bool },
    End,
    Failed,
}

enum Sending {
    PipeClosed,
    Stream(io::Error),
}

/// Inflates to the end and says how the stream was compressed.
fn send_inflated<R: BufRead>(
    tap: &mut Tap<'_, R>,
    wanted: &Wanted,
    pieces: &mpsc::SyncSender<Piece>,
    used: &mpsc::Receiver<Vec<u8>>,
) -> Result<Compression, Sending> {
    let send = |piece| pieces.send(piece).map_err(|_| Sending::PipeClosed);
    let result = (|| {
        let (compression, reader) = inflate(&mut *tap).map_err(Sending::Stream)?;
        let mut reader = wanted.watch(reader);
        let hashed = compression == Compression::Plain;
        loop {
            let mut bytes = used
                .try_recv()
                .unwrap_or_else(|_| Vec::with_capacity(BUFFER));
            bytes.clear();
            (&mut reader)
                .take(BUFFER as u64)
                .read_to_end(&mut bytes)
                .map_err(Sending::Stream)?;
            if bytes.is_empty() {
                return Ok(compression);
            }
            send(Piece::Data { bytes, hashed })?;
        }
    })();
    match result {
        Ok(compression) => {
            // What follows the compressed stream belongs to the blob's digest.
            io::copy(tap, &mut io::sink()).map_err(Sending::Stream)?;
            send(Piece::End)?;
            Ok(compression)
        }
        Err(error) => {
            // No matter if nobody listens any more.
            let _ = pieces.send(Piece::Failed);
            Err(error)
        }
    }
}

/// Stores and hashes what is read through it.
struct Tap<'a, R> {
    input: R,
    blob: File,
    space: Space,
    hash: Sha256,
    size: u64,
    /// Bytes of the current chunk that are stored but not consumed: each chunk is stored whole, however small the
    /// reads are.
    ahead: usize,
    limit: Option<u64>,
    done: &'a AtomicU64,
}

impl<R: BufRead> BufRead for Tap<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let chunk = self.input.fill_buf()?;
        if self.ahead == 0 {
            self.size += chunk.len() as u64;
            if self.limit.is_some_and(|limit| self.size > limit) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "layer is longer than its manifest says",
                ));
            }
            self.blob.write_all(chunk)?;
            self.space.written(&self.blob, chunk.len() as u64)?;
            self.hash.update(chunk);
            self.ahead = chunk.len();
            self.done.store(self.size, Ordering::Relaxed);
        }
        Ok(chunk)
    }

    fn consume(&mut self, len: usize) {
        self.ahead -= len;
        self.input.consume(len);
    }
}

impl<R: BufRead> Read for Tap<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, into)
    }
}

/// The unpacking thread's end.
struct Pipe {
    pieces: mpsc::Receiver<Piece>,
    give_back: mpsc::Sender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
    ended: bool,
    hash: Option<Sha256>,
}

impl BufRead for Pipe {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.current.len() && !self.ended {
            match self.pieces.recv() {
                Ok(Piece::Data { bytes, hashed }) => {
                    if !hashed {
                        self.hash.get_or_insert_with(Sha256::new).update(&bytes);
                    }
                    let empty = std::mem::replace(&mut self.current, bytes);
                    self.at = 0;
                    // The other side may be done already.
                    let _ = self.give_back.send(empty);
                }
                Ok(Piece::End) => self.ended = true,
                Ok(Piece::Failed) | Err(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "the stream was cut off",
                    ));
                }
            }
        }
        Ok(&self.current[self.at..])
    }

    fn consume(&mut self, len: usize) {
        self.at += len;
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, into)
    }
}
